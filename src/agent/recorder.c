/* A file is remembered after its event is with the server or on disk. If the process ends before that, the next start
 * finds the file again, with the same identity.
 */
#include "agent/recorder.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "agent/outbox.h"
#include "agent/wanted.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"

#define LIST_PATIENCE_MS 60000 /* after the last change of its directory */
#define CATCH_UP_MIN_MS 1000   /* between attempts to send what waits; doubled each time, up to CATCH_UP_MAX_MS */
#define CATCH_UP_MAX_MS 60000
#define COMPLAINTS_MAX 10000

struct recorder {
  struct recorder_options options;
  struct outbox outbox;
  GHashTable *complaints; /* path -> the last text that complain got for it */
  bool said_away;
  bool needs_help;
  int64_t catch_up_ms, catch_up_wait_ms; /* monotonic; catch_up_ms 0: nothing waits */
};

int recorder_open(const struct recorder_options *options, struct recorder **ret, struct err *err) {
  struct recorder *recorder = calloc(1, sizeof *recorder);
  CHECK(recorder != NULL);
  *recorder = (struct recorder){.options = *options, .catch_up_wait_ms = CATCH_UP_MIN_MS};
  int result = outbox_open(options->settings, &recorder->outbox, err);
  if (result != 0) {
    free(recorder);
    return result;
  }
  recorder->outbox.quiet = options->quiet;
  recorder->complaints = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
  *ret = recorder;
  return 0;
}

void recorder_close(struct recorder *recorder) {
  if (recorder == NULL) return;
  g_hash_table_destroy(recorder->complaints);
  outbox_close(&recorder->outbox);
  free(recorder);
}

const char *recorder_spool(const struct recorder *recorder) { return recorder->outbox.spool.dir; }

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

/* ---- output ---- */

void recorder_complain(struct recorder *recorder, const char *path, const struct err *err) {
  const char *before = g_hash_table_lookup(recorder->complaints, path);
  if (before != NULL && strcmp(before, err->text) == 0) return;
  recorder->options.complain(err);
  if (g_hash_table_size(recorder->complaints) >= COMPLAINTS_MAX) g_hash_table_remove_all(recorder->complaints);
  char *key = strdup(path), *text = strdup(err->text);
  CHECK(key != NULL && text != NULL);
  (void)g_hash_table_replace(recorder->complaints, key, text);
}

static void say(const char *path, const char *what, const char *outcome) {
  SCOPED_MALLOC char *shown = str_printable(str_of(path));
  (void)printf("%s: %s, %s\n", shown, what, outcome);
  (void)fflush(stdout);
}

static void say_spooled(struct recorder *recorder, const char *path, const struct delivered *delivered) {
  struct err err;
  if (recorder->catch_up_ms == 0) {
    recorder->catch_up_wait_ms = CATCH_UP_MIN_MS;
    recorder->catch_up_ms = now_ms() + CATCH_UP_MIN_MS;
  }
  if (delivered->needs_help) recorder->needs_help = true;
  if (recorder->said_away && !delivered->needs_help) return;
  recorder->said_away = true;
  (void)outbox_say_waiting(&recorder->outbox, path, delivered, &err);
  recorder->options.complain(&err);
}

bool recorder_needs_help(const struct recorder *recorder) { return recorder->needs_help; }

/* ---- a finished file ---- */

bool recorder_is_unchanged(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A refused event goes to rejected/, because nobody reads the output of a watch. */
static int keep_refused(struct recorder *recorder, const char *path, const struct report *report,
                        const struct delivered *delivered, struct err *err) {
  int result = spool_reject(&recorder->outbox.spool, report, delivered->outcome, delivered->reason, err);
  if (result != 0) return err_prefix(err, "%s", path);
  (void)err_set(err, ERR_DENIED, "%s: %s: %s", path, report_outcome_name(delivered->outcome), delivered->reason);
  recorder_complain(recorder, path, err);
  return 0;
}

static int deliver(struct recorder *recorder, struct place *place, const char *path, const struct stat *st,
                   const struct report *report, struct err *err) {
  struct delivered delivered;
  int result = outbox_send(&recorder->outbox, report, &delivered, err);
  if (result != 0) return err_prefix(err, "%s", path);
  bool refused = delivered.outcome == REPORT_CONFLICT || delivered.outcome == REPORT_REJECTED;
  if (refused) result = keep_refused(recorder, path, report, &delivered, err);
  if (result != 0) return result;
  if (!refused) {
    if (!recorder->options.quiet) say(path, report->summary, report_outcome_name(delivered.outcome));
    (void)g_hash_table_remove(recorder->complaints, path);
  }
  if (delivered.outcome == REPORT_SPOOLED)
    say_spooled(recorder, path, &delivered);
  else
    recorder->said_away = false;
  place_remember(place, path, st, refused ? PLACE_FAILED : PLACE_DONE);
  return 0;
}

/* A renamed file is the same output, although its new path would give it another identity. */
static bool is_renamed(const struct recorder *recorder, struct place *place, const char *path,
                       const struct stat *st) {
  enum place_status status;
  const char *twin = place_twin(place, path, st, &status);
  if (twin == NULL) return false;
  bool has_new_name = strcmp(twin, path) != 0; /* else it is back under its old name */
  if (has_new_name && !recorder->options.quiet) {
    SCOPED_MALLOC char *shown = str_printable(str_of(path)), *shown_twin = str_printable(str_of(twin));
    (void)printf("%s: the same file as %s, not recorded again\n", shown, shown_twin);
    (void)fflush(stdout);
  }
  place_remember(place, path, st, status);
  return true;
}

/* True while a list's directory still changes: a slow copy may bring the segments after the list. */
static bool is_list_in_the_making(const char *path) {
  struct stat st;
  const char *slash = strrchr(path, '/');
  if (!wanted_is_list(path) || slash == NULL) return false;
  SCOPED_MALLOC char *dir = strndup(path, (size_t)(slash + 1 - path));
  CHECK(dir != NULL);
  if (stat(dir, &st) != 0) return false;
  int64_t changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
  return clock_real_ms(clock_system()) - changed_ms < LIST_PATIENCE_MS;
}

/* A fault of the file itself is reported, and the file is not tried again. Missing media libraries end the watch,
 * because without them no file can be measured. */
static int take_failure(struct recorder *recorder, struct place *place, const char *path, const struct stat *st,
                        int result, enum recorded *ret, const struct err *err) {
  if (result == -ERR_MISSING) return result;
  if (err_kind(result) == ERR_KIND_RETRY || result == -ERR_IO) {
    recorder_complain(recorder, path, err);
    *ret = RECORDED_LOST;
    return 0;
  }
  if (is_list_in_the_making(path)) {
    *ret = RECORDED_EARLY;
    return 0;
  }
  recorder_complain(recorder, path, err);
  place_remember(place, path, st, PLACE_FAILED);
  *ret = RECORDED_DONE;
  return 0;
}

int recorder_take(struct recorder *recorder, struct place *place, const char *path, const struct stat *st,
                  enum recorded *ret, struct stat *ret_now, struct err *err) {
  const struct report_options options = {.project = recorder->options.settings->project};
  SCOPED(reports_fini) struct reports reports = {0};
  struct stat now;
  *ret = RECORDED_DONE;
  if (place_knows(place, path, st) || is_renamed(recorder, place, path, st)) return 0;
  int result = report_measure(path, &options, &reports, err);
  if (lstat(path, &now) != 0) {
    if (file_may_pass(errno)) *ret = RECORDED_LOST;
    return 0;
  }
  if (!recorder_is_unchanged(&now, st)) {
    *ret = RECORDED_CHANGED;
    *ret_now = now;
    return 0;
  }
  if (result != 0) return take_failure(recorder, place, path, st, result, ret, err);
  if (deliver(recorder, place, path, st, reports.items, err) == 0) return 0;
  recorder_complain(recorder, path, err);
  *ret = RECORDED_LOST;
  return 0;
}

/* ---- events that wait in the spool ---- */

void recorder_catch_up_now(struct recorder *recorder) {
  if (recorder->catch_up_ms == 0) recorder->catch_up_ms = now_ms();
  recorder->outbox.reached = true;
}

int64_t recorder_next_ms(const struct recorder *recorder) {
  return recorder->catch_up_ms != 0 ? recorder->catch_up_ms : INT64_MAX;
}

void recorder_catch_up(struct recorder *recorder) {
  bool due = recorder->catch_up_ms != 0 && now_ms() >= recorder->catch_up_ms;
  if (!due && !recorder->outbox.reached) return;
  recorder->outbox.reached = true;
  switch (outbox_catch_up(&recorder->outbox, "watch")) {
    case CATCH_UP_ALL:
      recorder->catch_up_ms = 0;
      return;
    case CATCH_UP_SOME:
      recorder->catch_up_wait_ms = CATCH_UP_MIN_MS;
      break;
    case CATCH_UP_NONE:
      recorder->catch_up_wait_ms *= 2;
      break;
  }
  if (recorder->catch_up_wait_ms > CATCH_UP_MAX_MS) recorder->catch_up_wait_ms = CATCH_UP_MAX_MS;
  recorder->catch_up_ms = now_ms() + recorder->catch_up_wait_ms;
}
