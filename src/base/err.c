#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
  enum err_kind kind;
  const char *name;
  const char *meaning;
} table[] = {
    [ERR_NONE] = {ERR_KIND_CLIENT, "NONE", "no error"},
#define ERR_ROW(name, kind, what) [ERR_##name] = {ERR_KIND_##kind, #name, what},
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

static int code_of(int result) {
  int code = result < 0 ? -result : result;
  return code < ERR_CODES ? code : ERR_INTERNAL;
}

int err_set(struct err *err, enum err_code code, const char *format, ...) {
  if (err != NULL) {
    err->code = code;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
  }
  return -(int)code;
}

int err_set_errno(struct err *err, enum err_code code, int errno_value, const char *format, ...) {
  if (errno_value == ENOSPC || errno_value == EDQUOT) code = ERR_FULL;
  if (err != NULL) {
    char what[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char reason[128];
    (void)err_set(err, code, "%.350s: %s", what, strerror_r(errno_value, reason, sizeof reason));
  }
  return -(int)code;
}

int err_prefix(struct err *err, const char *format, ...) {
  char prefix[ERR_TEXT_MAX / 2];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(prefix, sizeof prefix, format, args);
  va_end(args);
  char text[ERR_TEXT_MAX];
  memcpy(text, err->text, sizeof text);
  text[sizeof text - 1] = '\0';
  (void)snprintf(err->text, sizeof err->text, "%s: %.*s", prefix, ERR_TEXT_MAX / 2 - 3, text);
  return -(int)err->code;
}

enum err_kind err_kind(int result) { return table[code_of(result)].kind; }
const char *err_name(int result) { return table[code_of(result)].name; }
const char *err_meaning(int result) { return table[code_of(result)].meaning; }
