/* Every problem is one sentence that names what is wrong, so it is composed where that is seen. The frame (v1.c)
 * makes the JSON of it. */
#include "v1/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/diag.h"

#define SHOWN_MAX 64

struct str v1_cut(struct str text) {
  if (text.len <= SHOWN_MAX) return text;
  size_t len = SHOWN_MAX;
  while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
    len--;
  return str_make(text.ptr, len);
}

static void compose(struct v1_problem *problem, size_t at, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void compose(struct v1_problem *problem, size_t at, const char *format, va_list args) {
  (void)vsnprintf(problem->detail + at, sizeof problem->detail - at, format, args);
}

int v1_refuse(struct v1_problem *problem, unsigned status, const char *format, ...) {
  va_list args;
  problem->status = status;
  problem->parameter[0] = '\0';
  va_start(args, format);
  compose(problem, 0, format, args);
  va_end(args);
  return (int)status;
}

int v1_refuse_param(struct v1_problem *problem, struct str name, const char *format, ...) {
  va_list args;
  struct str shown = v1_cut(name);
  problem->status = 400;
  (void)snprintf(problem->parameter, sizeof problem->parameter, "%.*s", STR_ARG(shown));
  int len = snprintf(problem->detail, sizeof problem->detail, "%.*s: ", STR_ARG(shown));
  va_start(args, format);
  compose(problem, (size_t)len, format, args);
  va_end(args);
  return 400;
}

int v1_refuse_held(struct v1_problem *problem) {
  return v1_refuse(problem, 503,
                   "the answers that are under way fill query.memory_max, or those of this token its part of that: ask again "
                   "later, or for less");
}

int v1_refuse_err(struct v1_problem *problem, int result, const char *what, const struct err *err) {
  if (result == -ERR_BUSY) return v1_refuse_held(problem);
  if (err_kind(result) == ERR_KIND_RETRY)
    return v1_refuse(problem, 503, "the server cannot answer now (%s): ask again later", err_meaning(result));
  diag_error("%s: %s", what, err->text);
  return v1_refuse(problem, 500, "the server cannot answer: its log says why, at this request's time");
}
