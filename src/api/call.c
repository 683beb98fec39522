/* What the handlers share: refusals, and the reading of parameters by the action's table. */
#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/diag.h"

/* ---- refusals ---- */

int refuse(struct refusal *refusal, enum retcode code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(refusal->text, sizeof refusal->text, format, args);
  va_end(args);
  refusal->ret_code = code;
  return code;
}

int refuse_missing(struct refusal *refusal, const char *name) {
  return refuse(refusal, RETCODE_MISSING_PARAM, "Missing params [%s]", name);
}

int refuse_param(struct refusal *refusal, const char *name, const char *allowed) {
  return refuse(refusal, RETCODE_BAD_PARAM, "Params [%s] not available: %s", name, allowed);
}

int refuse_internal(struct refusal *refusal, const char *what, const struct err *err) {
  diag_error("%s: %s", what, err->text);
  if (err_kind(-(int)err->code) == ERR_KIND_RETRY) {
    return refuse(refusal, RETCODE_UNAVAILABLE, "Service unavailable: %s", err_meaning(-(int)err->code));
  }
  return refuse(refusal, RETCODE_INTERNAL, "Internal error");
}

int call_claim(const struct call *call, uint64_t bytes, struct refusal *refusal) {
  if (call->claim == NULL || call->claim(call->claim_arg, bytes)) return 0;
  return refuse(
      refusal, RETCODE_UNAVAILABLE,
      "Service unavailable: an answer of up to %llu bytes does not fit into http.answers_max now; ask again "
      "later, or for less",
      (unsigned long long)bytes);
}

/* ---- parameters ---- */

enum params_found call_find(const struct call *call, const char *name, const struct api_param **ret_param,
                            struct str *ret_text) {
  const struct api_param *param = call->action->params;
  while (param->name != NULL && strcmp(param->name, name) != 0)
    param++;
  CHECK(param->name != NULL); /* a handler reads only what its table describes */
  *ret_param = param;
  *ret_text = STR("");
  return params_get(call->params, name, ret_text);
}

static int64_t most_of(const struct call *call, const struct api_param *param) {
  int64_t rows_max = call->options->rows_max;
  return param->is_within_rows_max && rows_max < param->most ? rows_max : param->most;
}

int call_refuse(const struct call *call, const struct api_param *param, struct refusal *refusal) {
  char allowed[96];
  if (param->allowed != NULL) return refuse_param(refusal, param->name, param->allowed);
  if (param->type == API_TEXT) return refuse_param(refusal, param->name, "must be a single value");
  (void)snprintf(allowed, sizeof allowed, "must be an integer from %lld to %lld", (long long)param->least,
                 (long long)most_of(call, param));
  return refuse_param(refusal, param->name, allowed);
}

int call_text(const struct call *call, const char *name, struct str *ret, struct refusal *refusal) {
  const struct api_param *param;
  struct str text;
  enum params_found found = call_find(call, name, &param, &text);
  CHECK(param->type == API_TEXT);
  if (found == PARAMS_ABSENT && param->is_required) return refuse_missing(refusal, name);
  if (found == PARAMS_NESTED) return call_refuse(call, param, refusal);
  if (param->most > 0 && text.len > (uint64_t)param->most) {
    char allowed[64];
    (void)snprintf(allowed, sizeof allowed, "is longer than %lld bytes", (long long)param->most);
    return refuse_param(refusal, name, allowed);
  }
  *ret = text;
  return 0;
}

int call_int(const struct call *call, const char *name, bool *ret_given, uint64_t *ret, struct refusal *refusal) {
  const struct api_param *param;
  struct str text;
  uint64_t number = 0;
  enum params_found found = call_find(call, name, &param, &text);
  CHECK(param->type == API_INT && !param->is_required && param->least >= 0);
  *ret_given = found != PARAMS_ABSENT;
  if (found == PARAMS_ABSENT) return 0;
  bool is_good = found == PARAMS_TEXT && str_to_u64(text, &number) && number >= (uint64_t)param->least &&
                 number <= (uint64_t)most_of(call, param);
  if (!is_good) return call_refuse(call, param, refusal);
  *ret = number;
  return 0;
}
