/* One write(2) a line, so that lines of several threads never mix and none is lost in a buffer at a crash. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static _Atomic enum diag_level level_shown = DIAG_INFO;

void diag_set_level(enum diag_level level) { atomic_store(&level_shown, level); }

/* Control characters would let a client forge lines or drive a terminal: they are shown as \xHH. */
static size_t escape(const char *text, char *out, size_t size) {
  size_t len = 0;
  for (; *text != '\0' && len + 5 < size; text++) {
    unsigned char c = (unsigned char)*text;
    if (c >= 0x20 && c != 0x7F) {
      out[len++] = *text;
    } else {
      len += (size_t)snprintf(out + len, size - len, "\\x%02x", c);
    }
  }
  return len;
}

static void emit(enum diag_level level, const char *format, va_list args) {
  static const char *const names[] = {"error", "warn ", "info ", "debug"};
  char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 64];
  struct timespec now;
  struct tm utc;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  (void)gmtime_r(&now.tv_sec, &utc);
  size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
  len += (size_t)snprintf(line + len, sizeof line - len, ".%03dZ %s ", (int)(now.tv_nsec / 1000000), names[level]);
  (void)vsnprintf(text, sizeof text, format, args);
  len += escape(text, line + len, sizeof line - len);
  line[len++] = '\n';
  ssize_t written = write(STDERR_FILENO, line, len);
  (void)written; /* there is nobody left to tell */
}

#define DIAG_FUNCTION(name, level)                        \
  void name(const char *format, ...) {                    \
    if ((level) > atomic_load(&level_shown)) return;      \
    va_list args;                                         \
    va_start(args, format);                               \
    emit((level), format, args);                          \
    va_end(args);                                         \
  }
DIAG_FUNCTION(diag_error, DIAG_ERROR)
DIAG_FUNCTION(diag_warning, DIAG_WARNING)
DIAG_FUNCTION(diag_info, DIAG_INFO)
DIAG_FUNCTION(diag_debug, DIAG_DEBUG)
