/* One call of an action, after all checks that every action shares. For files of src/api only. */
#ifndef CODECMETER_API_CALL_H
#define CODECMETER_API_CALL_H

#include "api/api.h"
#include "api/params.h"
#include "api/retcode.h"
#include "base/arena.h"

struct call {
  const struct api_options *options;
  const struct params *params;
  struct arena *arena;    /* for the time of the call */
  int64_t now;            /* Unix seconds */
  const char *public_key;
  bool sub_account;
  bool (*claim)(void *claim_arg, size_t bytes); /* as in struct api_request; actions use call_claim */
  void *claim_arg;
  struct project project; /* if the action needs one */
};

/* An action appends its fields, each with a comma before it, to out, and returns 0; or it returns a RetCode and fills
 * refusal with the message. Whatever it appended is then dropped. */
struct refusal {
  int ret_code;
  char text[256];
};

/* refusal = {code, text}; returns code. */
int refuse(struct refusal *refusal, enum retcode code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* RetCode 230: "Params [name] not available: allowed". */
int refuse_param(struct refusal *refusal, const char *name, const char *allowed);
/* RetCode 130 for an error that is our fault, 150 if it can pass (memory, descriptors); whoever answers adds the request's id. */
int refuse_internal(struct refusal *refusal, const char *what, const struct err *err);

/* Claims memory for the answer, and for what is needed to make it: bytes in all. RetCode 150 when there is no room. */
int call_claim(const struct call *call, uint64_t bytes, struct refusal *refusal);

#define X(name, handler, needs_project) \
  int handler(const struct call *call, struct buf *out, struct refusal *refusal);
#include "api/actions.def"
#undef X

#endif
