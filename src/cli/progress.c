#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/options.h"

#define EVERY_MS 200
#define MEBIBYTE (1024.0 * 1024.0)

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

void progress_begin(struct progress *progress) {
  *progress = (struct progress){.terminal = isatty(STDERR_FILENO) != 0 && !options_quiet(), .begun_ms = now_ms()};
}

double progress_seconds(const struct progress *progress) { return (double)(now_ms() - progress->begun_ms) / 1000; }

/* True if it is time to show the line. */
static bool begin_line(struct progress *progress, uint64_t done, uint64_t total) {
  bool is_last = total > 0 && done >= total;
  progress->done = done;
  if (!progress->terminal || (now_ms() - progress->shown_ms < EVERY_MS && !is_last)) return false;
  progress->shown_ms = now_ms();
  progress->shown = true;
  return true;
}

static double percent(uint64_t done, uint64_t total) {
  return total > 0 ? 100.0 * (double)done / (double)total : 100.0;
}

void progress_step(void *arg, uint64_t done, uint64_t total) {
  struct progress *progress = arg;
  if (!begin_line(progress, done, total)) return;
  double seconds = progress_seconds(progress);
  (void)fprintf(stderr, "\r%5.1f %% of %.1f MiB, %.1f MiB/s ", percent(done, total), (double)total / MEBIBYTE,
                seconds > 0 ? (double)done / MEBIBYTE / seconds : 0.0);
}

void progress_rows(struct progress *progress, uint64_t done, uint64_t total, uint64_t rows) {
  if (!begin_line(progress, done, total)) return;
  double seconds = progress_seconds(progress);
  double rate = seconds > 0 ? (double)rows / seconds : 0.0;
  if (total > 0)
    (void)fprintf(stderr, "\r%5.1f %% of %.1f MiB, %.0f rows/s ", percent(done, total), (double)total / MEBIBYTE,
                  rate);
  else
    (void)fprintf(stderr, "\r%.1f MiB, %llu rows, %.0f rows/s ", (double)done / MEBIBYTE, (unsigned long long)rows,
                  rate);
}

void progress_count(struct progress *progress, uint64_t done, uint64_t total, const char *things) {
  if (begin_line(progress, done, total))
    (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " %s ", done, total, things);
}

void progress_end(struct progress *progress) {
  if (progress->shown) (void)fputc('\n', stderr);
  progress->shown = false;
}
