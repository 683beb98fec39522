/* Each line is written at once and whole: lines of several threads never mix, and no line is left in a buffer when
 * the process crashes. A line that standard error does not accept is dropped and counted, because a program that
 * waits for the reader of its log stops when that reader stops.
 */
#include "base/diag.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/sink.h"

#define TEXT_MAX 2048
#define LINE_MAX_BYTES (TEXT_MAX + 64)
static_assert(LINE_MAX_BYTES <= SINK_LINE_MAX, "a line fits");

static _Atomic enum diag_level level_shown = DIAG_INFO;

/* Held only to access memory and for writes that do not wait. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sink error_sink, output_sink;
static uint64_t dropped; /* lines dropped since the last one that was written */
static struct diag_counts counts;

void diag_set_level(enum diag_level level) { atomic_store(&level_shown, level); }

static size_t escape_byte(unsigned char c, char out[5]) { return (size_t)snprintf(out, 5, "\\x%02x", c); }

/* A client could forge lines or control a terminal with control characters, so they are written as \xHH. U+0080 to
 * U+009F are some, too: in UTF-8, 0xC2 and a byte of 0x80 to 0x9F. */
static size_t escape(const char *text, char *out, size_t size) {
  size_t len = 0;
  for (const unsigned char *at = (const unsigned char *)text; *at != '\0' && len + 9 < size; at++) {
    bool is_pair = at[0] == 0xC2 && at[1] >= 0x80 && at[1] <= 0x9F;
    if (!is_pair && at[0] >= 0x20 && at[0] != 0x7F) {
      out[len++] = (char)*at;
      continue;
    }
    len += escape_byte(*at, out + len);
    if (is_pair) len += escape_byte(*++at, out + len);
  }
  return len;
}

static size_t compose(enum diag_level level, const char *text, char out[LINE_MAX_BYTES]) {
  static const char *const names[] = {"error", "warn ", "info "};
  struct tm utc;
  int64_t now_ms = clock_real_ms(clock_system());
  time_t now = (time_t)(now_ms / 1000);
  (void)gmtime_r(&now, &utc);
  size_t len = strftime(out, LINE_MAX_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
  len += (size_t)snprintf(out + len, LINE_MAX_BYTES - len, ".%03dZ %s ", (int)(now_ms % 1000), names[level]);
  len += escape(text, out + len, LINE_MAX_BYTES - len);
  out[len++] = '\n';
  return len;
}

/* True if no lines were dropped, or if the line that says how many was written. */
static bool tell_dropped(void) {
  char text[128], line[LINE_MAX_BYTES];
  if (dropped == 0) return true;
  (void)snprintf(text, sizeof text, "%" PRIu64 " log lines were dropped here: standard error accepted no more",
                 dropped);
  if (!sink_write(&error_sink, str_make(line, compose(DIAG_WARNING, text, line)))) return false;
  dropped = 0;
  return true;
}

static void write_error(enum diag_level level, struct str line) {
  lock_take(&lock);
  if (error_sink.way == SINK_UNOPENED) sink_open(&error_sink, STDERR_FILENO);
  bool wrote = tell_dropped() && sink_write(&error_sink, line);
  dropped += !wrote;
  counts.dropped += !wrote;
  counts.written[level] += wrote;
  lock_give(&lock);
}

void diag_counts(struct diag_counts *ret) {
  lock_take(&lock);
  *ret = counts;
  lock_give(&lock);
}

static void emit(enum diag_level level, const char *format, va_list args) {
  char text[TEXT_MAX], line[LINE_MAX_BYTES];
  int saved = errno;
  (void)vsnprintf(text, sizeof text, format, args);
  write_error(level, str_make(line, compose(level, text, line)));
  errno = saved;
}

void diag_last(const char *text) {
  char line[LINE_MAX_BYTES];
  int len = snprintf(line, sizeof line - 1, "%s", text);
  size_t kept = len < (int)sizeof line - 1 ? (size_t)len : sizeof line - 2;
  line[kept++] = '\n';
  write_error(DIAG_ERROR, str_make(line, kept));
}

bool diag_output(const char *text) {
  char line[LINE_MAX_BYTES];
  int len = snprintf(line, sizeof line, "%s\n", text);
  CHECK(len > 0 && len < (int)sizeof line);
  lock_take(&lock);
  if (output_sink.way == SINK_UNOPENED) sink_open(&output_sink, STDOUT_FILENO);
  bool wrote = sink_write(&output_sink, str_make(line, (size_t)len)) || errno != EAGAIN;
  lock_give(&lock);
  return wrote;
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
