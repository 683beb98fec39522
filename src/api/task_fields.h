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
  const struct api_field *list, *detail;    /* end with {0}; each field but an object has `write` */
};

extern const struct api_field task_codec_list[], task_codec_detail[], task_format_list[], task_format_detail[],
    task_snap_list[], task_snap_detail[];

extern const struct task_type task_type_codec, task_type_format, task_type_snap;

/* Appends a task as an object with these fields. It never has more than TASK_FIELDS_MAX bytes. */
#define TASK_FIELDS_MAX ((size_t)24 << 10)
void task_append(struct buf *out, const struct api_field *fields, const struct usage *task);
/* Writes the same fields as members of the object that is open. */
void task_write_members(struct json_write *json, const struct api_field *fields, const struct usage *task);

#endif
