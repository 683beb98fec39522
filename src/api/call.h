/* One call of an action, after all checks that every action shares. For files of src/api only. */
#ifndef CODECMETER_API_CALL_H
#define CODECMETER_API_CALL_H

#include "api/api.h"
#include "api/params.h"
#include "api/retcode.h"
#include "base/arena.h"
#include "ingest/delivery.h"

struct call {
  const struct api_options *options;
  const struct params *params;
  struct arena *arena;    /* for the time of the call */
  int64_t now;            /* Unix seconds */
  const char *public_key;
  bool sub_account;
  struct project project; /* if the action needs one */
  const struct api_request *request;
  struct api_report **ret_waiting; /* set by an action that returns CALL_WAITS */
};

/* The action will be answered later, by its api_report. */
#define CALL_WAITS (-1)

/* A report under way, and how to answer for it. */
struct api_report {
  struct delivery *delivery; /* NULL: the committer's alone now */
  uint32_t *numbers;         /* of its events, as the caller gave them; in the report's arena */
  char public_key[65];       /* for the log, cut */
  void (*finish)(void *arg, struct buf *answer, const struct api_result *result);
  void *arg;
};

/* An action appends its fields, each with a comma before it, to out, and returns 0; or it returns a RetCode and fills
 * refusal with the message. Whatever it appended is then dropped. */
struct refusal {
  int ret_code;
  char text[256];
};

/* Appends the answer to what waited, and fills ret. result: as the report's `done` has it. */
void api_report_answer(const struct api_report *waiting, int result, struct buf *body, struct api_result *ret);

/* refusal = {code, text}; returns code. */
int refuse(struct refusal *refusal, enum retcode code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* RetCode 230: "Params [name] not available: allowed". */
int refuse_param(struct refusal *refusal, const char *name, const char *allowed);
/* RetCode 130 for an error that is our fault, 150 if it can pass (memory, descriptors); whoever answers adds the request's id. */
int refuse_internal(struct refusal *refusal, const char *what, const struct err *err);

#define X(name, handler, needs_project, needs) \
  int handler(const struct call *call, struct buf *out, struct refusal *refusal);
#include "api/actions.def"
#undef X

#endif
