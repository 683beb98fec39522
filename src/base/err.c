#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SCRATCH_SIZE 16384
#define PART_SIZE 352 /* two paths still leave room for the message about them */

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

static bool is_inside_character(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

void err_shorten(char *text, size_t max) {
  static const char gap[] = "…";
  size_t len = strlen(text), head = max / 2, tail = len - (max - max / 2);
  if (len <= max) return;
  while (head > 0 && is_inside_character(text[head]))
    head--;
  tail += sizeof gap;
  while (is_inside_character(text[tail]))
    tail++;
  memcpy(text + head, gap, sizeof gap - 1);
  memmove(text + head + sizeof gap - 1, text + tail, len - tail + 1);
}

/* Formats into a buffer that is longer than paths can be, then shortens the text. */
static void compose(char *out, size_t size, const char *format, va_list args) {
  char text[SCRATCH_SIZE];
  (void)vsnprintf(text, sizeof text, format, args);
  err_shorten(text, size - 1);
  memcpy(out, text, strlen(text) + 1);
}

int err_set(struct err *err, enum err_code code, const char *format, ...) {
  if (err != NULL) {
    err->code = code;
    va_list args;
    va_start(args, format);
    compose(err->text, sizeof err->text, format, args);
    va_end(args);
  }
  return -(int)code;
}

/* The errnos of a shortage that can pass, and what an operator can do about it. */
static const struct shortage {
  int errno_value;
  enum err_code code;
  const char *remedy;
} shortages[] = {
    {ENOSPC, ERR_FULL, ""},
    {EDQUOT, ERR_FULL, ""},
    {EMFILE, ERR_DESCRIPTORS, "; raise this process's limit of open files (ulimit -n, or LimitNOFILE= of its unit)"},
    {ENFILE, ERR_DESCRIPTORS, "; raise the machine's limit of open files (sysctl fs.file-max)"},
    {ENOMEM, ERR_MEMORY, ""},
};

static const struct shortage *shortage_of(int errno_value) {
  for (size_t i = 0; i < sizeof shortages / sizeof shortages[0]; i++) {
    if (shortages[i].errno_value == errno_value) return &shortages[i];
  }
  return NULL;
}

static int set_errno(struct err *err, enum err_code code, int errno_value, const char *format, va_list args) {
  if (err != NULL) {
    const struct shortage *shortage = shortage_of(errno_value);
    char what[PART_SIZE], reason[128];
    compose(what, sizeof what, format, args);
    (void)err_set(err, code, "%s: %s%s", what, strerror_r(errno_value, reason, sizeof reason),
                  shortage != NULL ? shortage->remedy : "");
  }
  return -(int)code;
}

int err_set_errno(struct err *err, enum err_code code, int errno_value, const char *format, ...) {
  const struct shortage *shortage = shortage_of(errno_value);
  va_list args;
  va_start(args, format);
  int result = set_errno(err, shortage != NULL ? shortage->code : code, errno_value, format, args);
  va_end(args);
  return result;
}

int err_set_errno_lasting(struct err *err, enum err_code code, int errno_value, const char *format, ...) {
  const struct shortage *shortage = shortage_of(errno_value);
  bool is_full = shortage != NULL && shortage->code == ERR_FULL;
  va_list args;
  va_start(args, format);
  int result = set_errno(err, is_full ? ERR_FULL : code, errno_value, format, args);
  va_end(args);
  return result;
}

int err_prefix(struct err *err, const char *format, ...) {
  char prefix[PART_SIZE];
  va_list args;
  va_start(args, format);
  compose(prefix, sizeof prefix, format, args);
  va_end(args);
  return err_set(err, err->code, "%s: %s", prefix, err->text);
}

enum err_kind err_kind(int result) { return table[code_of(result)].kind; }
const char *err_name(int result) { return table[code_of(result)].name; }
const char *err_meaning(int result) { return table[code_of(result)].meaning; }
