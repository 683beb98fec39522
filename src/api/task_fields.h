/* The fields of a task in the answers of the three task lists and the three task details. Names and types are those
 * that ucloud-sdk-go decodes (services/umedia), and our own, which its typed client ignores: FinishTime and DestBucket (in
 * lists), Minutes, Source, Id; of transcodes VideoCodec, Width, Height. Only for files of src/api. */
#ifndef CODECMETER_API_TASK_FIELDS_H
#define CODECMETER_API_TASK_FIELDS_H

#include "api/call.h"
#include "meter/usage.h"

/* The actions of one kind of tasks. */
struct task_type {
  enum usage_kind kind;
  const char *what;                         /* for messages: "transcoding", "remuxing" … */
  const struct task_field *list, *detail;   /* end with a field without a name */
};

extern const struct task_type task_type_codec, task_type_format, task_type_snap;

/* Appends a task as an object with these fields. It never has more than TASK_FIELDS_MAX bytes. */
#define TASK_FIELDS_MAX ((size_t)24 << 10)
void task_append(struct buf *out, const struct task_field *fields, const struct usage *usage);
/* The same fields without the braces, each with a comma before it. */
void task_append_members(struct buf *out, const struct task_field *fields, const struct usage *usage);

#endif
