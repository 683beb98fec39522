/* If the process ends in the middle of a file, the next start finds the file again. A file that cannot be recorded
 * now (no memory, no room for the spool) stays pending.
 */
#include "agent/watch.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/claims.h"
#include "agent/file_writer.h"
#include "agent/pending.h"
#include "agent/pulse.h"
#include "agent/recorder.h"
#include "agent/spool.h"
#include "agent/watch_memory.h"
#include "agent/watcher.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/stop.h"

#define SETTLE_LEAST_MS 200
#define AGAIN_MIN_MS 1000 /* before a failed file is tried again; doubled each time, up to AGAIN_MAX_MS */
#define AGAIN_MAX_MS 60000
#define SAVE_AGAIN_MS 10000
#define TIDY_MS 500       /* between two looks at spool and places while files are recorded */
#define CHECK_MIN_MS 1000 /* between two looks at the directories themselves, when something happens */
#define CHECK_MAX_MS 60000
#define LIST_AGAIN_MS 3000
#define TROUBLE_AGAIN_MS 5000  /* between two looks at a directory that could not be watched or read */
#define LIST_HELD_MS 60000     /* after its last change: how long a list waits for a list that names it */
#define OPEN_PATIENCE_MS 60000 /* after the last change of a file that may be open, if the system cannot tell */

struct watch {
  const struct watch_options *options;
  struct recorder *recorder;
  struct watcher_hooks hooks;
  struct watcher *watcher; /* NULL with once */
  char *const *names;      /* of the directories, as given */
  GPtrArray *places;       /* one for each directory */
  struct pending *pending;
  struct claims *claims; /* of the lists that are pending, or that a run with `once` has left to the next one */
  GHashTable *troubled;  /* a set: directories that could not be watched or read */
  struct timespec started;
  bool is_looking; /* during watch_look_round, which reports the files that exist */
  uint64_t passed_over;
  bool is_unsaved, has_lost, has_heard;
  int64_t save_ms, tidy_ms, check_ms, trouble_ms; /* monotonic */
};

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

static bool is_stopped(const struct watch *watch) { return watch->options->settings.interrupted(); }

/* ---- files that may be new ---- */

static struct watch_memory *watch_memory_of(const struct watch *watch, const char *path) {
  for (guint i = 0; i < watch->places->len; i++) {
    if (file_is_below(path, watch_memory_root(watch->places->pdata[i]))) return watch->places->pdata[i];
  }
  return NULL;
}

static int64_t ms_of(struct timespec time) { return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000; }

/* Time to the next look at a file. Not 0 even with --settle 0, because the file may be open for hours. */
static int64_t settling(const struct watch *watch) {
  int64_t settle = (int64_t)watch->options->settle_ms;
  return settle > SETTLE_LEAST_MS ? settle : SETTLE_LEAST_MS;
}

/* What is left of a wait that began at the file's last change (ctime, which no tool can set). */
static int64_t rest_of(int64_t wait_ms, const struct stat *st) {
  int64_t age = clock_real_ms(clock_system()) - ms_of(st->st_ctim);
  return age <= 0 ? wait_ms : age >= wait_ms ? 0 : wait_ms - age;
}

static void wait_for(struct watch *watch, const char *path, const struct pending_file *file, int64_t wait_ms) {
  struct pending_file later = *file;
  later.due_ms = now_ms() + wait_ms;
  pending_put(watch->pending, path, &later);
}

/* Tries the file again later: the cause may pass (a missing right, no room). With --once, there is no second try. */
static void try_again(struct watch *watch, const char *path, struct pending_file *file) {
  watch->has_lost = true;
  if (watch->options->once) return;
  int64_t wait_ms = AGAIN_MIN_MS << (file->tries < 16 ? file->tries : 16);
  ++file->tries;
  wait_for(watch, path, file, wait_ms < AGAIN_MAX_MS ? wait_ms : AGAIN_MAX_MS);
}

/* True if the path is a regular file; *ret_now is its state. A file that cannot be looked at now is tried again. */
static bool look_at(struct watch *watch, const char *path, struct pending_file *file, struct stat *ret_now) {
  struct err err;
  if (lstat(path, ret_now) == 0) return S_ISREG(ret_now->st_mode);
  if (!file_may_pass(errno)) return false; /* it is gone */
  (void)err_set_errno(&err, ERR_IO, errno, "%s", path);
  recorder_complain(watch->recorder, path, &err);
  try_again(watch, path, file);
  return false;
}

static bool is_gone(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 ? !S_ISREG(st.st_mode) : !file_may_pass(errno);
}

static int64_t ns_of(struct timespec time) { return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec; }

/* True if a file was finished before the first watch began: it is not recorded. The first look finds such files, and
 * a later one in a directory that the first could not look into. */
static bool is_from_before(const struct watch *watch, const struct watch_memory *memory, const char *path,
                           const struct stat *st) {
  int64_t began_ns = ns_of(watch->started);
  bool is_first = watch->is_looking && watch_memory_is_first(memory);
  if (watch->options->existing || (!is_first && !watch_memory_find_unseen(memory, path, &began_ns))) return false;
  return ns_of(st->st_ctim) / 1000000 < began_ns / 1000000 && file_writer_of(path) != FILE_WRITER_THERE;
}

static void take_reported(struct watch *watch, const char *path, bool may_be_open) {
  struct watch_memory *memory = watch_memory_of(watch, path);
  struct pending_file file = {.may_be_open = may_be_open};
  if (memory == NULL || !wanted_has(&watch->options->wanted, path + strlen(watch_memory_root(memory)))) return;
  if (!look_at(watch, path, &file, &file.st) || watch_memory_knows(memory, path, &file.st)) return;
  if (is_from_before(watch, memory, path, &file.st)) {
    watch_memory_remember(memory, path, &file.st, WATCH_MEMORY_BEFORE);
    watch->is_unsaved = true;
    ++watch->passed_over;
    return;
  }
  if (wanted_is_list(path)) claims_add(watch->claims, path);
  wait_for(watch, path, &file, rest_of((int64_t)watch->options->settle_ms, &file.st));
}

static void take_one(struct watch *watch, const char *path, bool may_be_open) {
  watch->options->on_progress();
  take_reported(watch, path, may_be_open);
}

static void on_file(void *arg, const char *path) { take_one(arg, path, false); }
static void on_made(void *arg, const char *path) { take_one(arg, path, true); }

/* What the first look cannot see must not pass for new when it is seen. */
static void on_trouble(void *arg, const char *path, const struct err *err) {
  struct watch *watch = arg;
  struct watch_memory *memory = watch_memory_of(watch, path);
  bool is_first = memory != NULL && watch->is_looking && watch_memory_is_first(memory);
  if (is_first && !watch->options->existing) watch_memory_remember_unseen(memory, path, ns_of(watch->started));
  char *key = strdup(path);
  CHECK(key != NULL);
  (void)g_hash_table_add(watch->troubled, key);
  recorder_complain(watch->recorder, path, err);
}

static bool is_troubled(void *troubled, const char *dir) { return g_hash_table_contains(troubled, dir); }

static void forget_unseen(struct watch *watch) {
  for (guint i = 0; i < watch->places->len; i++)
    watch_memory_forget_unseen(watch->places->pdata[i], is_troubled, watch->troubled);
}

/* Looks again at directories that could not be watched or read: the cause may have passed. */
static int look_again(struct watch *watch, struct err *err) {
  if (watch->watcher == NULL || g_hash_table_size(watch->troubled) == 0 || now_ms() < watch->trouble_ms) return 0;
  GHashTable *before = watch->troubled;
  GHashTableIter iter;
  void *dir;
  int result = 0;
  watch->troubled = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
  g_hash_table_iter_init(&iter, before);
  while (result == 0 && g_hash_table_iter_next(&iter, &dir, NULL))
    result = watcher_look(watch->watcher, dir, err);
  g_hash_table_destroy(before);
  if (result == 0) forget_unseen(watch);
  watch->is_unsaved = true;
  watch->trouble_ms = now_ms() + TROUBLE_AGAIN_MS;
  return result;
}

/* ---- files that are due ---- */

static int hear(struct watch *watch, struct err *err);

static bool is_other_name(void *arg, const char *path, const struct pending_file *file) {
  (void)path;
  return recorder_is_unchanged(&file->st, arg);
}

/* A file that the watch knew has gone. Says so, unless it only has another name now, or its event is kept. */
static int lose(struct watch *watch, const char *path, struct pending_file *file, struct err *err) {
  struct err gone;
  claims_remove(watch->claims, path);
  int result = hear(watch, err); /* perhaps of its new name */
  bool is_known =
      pending_any(watch->pending, is_other_name, &file->st) || recorder_has_event(watch->recorder, path, &file->st);
  for (guint i = 0; i < watch->places->len && !is_known; i++)
    is_known = watch_memory_has_file(watch->places->pdata[i], &file->st);
  if (is_known) return result;
  (void)err_set(&gone, ERR_NOT_FOUND, "%s: it went away before it was recorded, so it is not counted", path);
  recorder_complain(watch->recorder, path, &gone);
  return result;
}

static int record(struct watch *watch, const char *path, struct pending_file *file, struct err *err) {
  enum recorded recorded;
  struct stat now;
  int result = recorder_take(watch->recorder, watch_memory_of(watch, path), path, &file->st, &recorded, &now, err);
  if (result != 0) return result;
  watch->is_unsaved = true;
  switch (recorded) {
    case RECORDED_PATHLESS:
      watch->has_lost = true;
      claims_remove(watch->claims, path);
      break;
    case RECORDED_DONE:
      claims_remove(watch->claims, path);
      break;
    case RECORDED_GONE:
      return lose(watch, path, file, err);
    case RECORDED_CHANGED:
      file->st = now;
      wait_for(watch, path, file, settling(watch));
      break;
    case RECORDED_LOST:
      try_again(watch, path, file);
      break;
    case RECORDED_EARLY:
      if (!watch->options->once) wait_for(watch, path, file, LIST_AGAIN_MS);
      break;
  }
  return 0;
}

/* True if a list that is not recorded yet names the file: then it waits for the list, or with `once` is left to the
 * next run like the list. Lists may name each other in a circle, so a list waits only for some time. */
static bool is_held_back(struct watch *watch, const char *path, struct pending_file *file) {
  const char *list = claims_find(watch->claims, path);
  if (list == NULL || (wanted_is_list(path) && rest_of(LIST_HELD_MS, &file->st) == 0)) return false;
  bool is_pending = pending_has(watch->pending, list);
  if (is_pending || !watch->options->once)
    wait_for(watch, path, file, watch->options->once ? SETTLE_LEAST_MS : LIST_AGAIN_MS);
  return true;
}

/* How long to wait for a possible writer; 0: nobody writes to the file. A file that was reported only as made is
 * reported again when it is closed, so it can wait longer. */
static int64_t rest_of_writing(const struct watch *watch, const char *path, const struct pending_file *file) {
  enum file_writer writer = file_writer_of(path);
  if (writer == FILE_WRITER_THERE) return settling(watch);
  return writer == FILE_WRITER_UNKNOWN && file->may_be_open ? rest_of(OPEN_PATIENCE_MS, &file->st) : 0;
}

/* With --once, a file that is not ready is left to the next run. */
static int take_settled(struct watch *watch, const char *path, struct pending_file *file, struct err *err) {
  struct stat st;
  if (!look_at(watch, path, file, &st)) return is_gone(path) ? lose(watch, path, file, err) : 0;
  bool is_settled = recorder_is_unchanged(&st, &file->st);
  file->st = st;
  if (is_settled && is_held_back(watch, path, file)) return 0;
  int64_t rest = is_settled ? rest_of_writing(watch, path, file) : settling(watch);
  if (rest == 0) return record(watch, path, file, err);
  if (!watch->options->once) wait_for(watch, path, file, rest);
  return 0;
}

/* ---- between files ---- */

static int save(struct watch *watch, struct err *err) {
  int64_t patience_ms = 0;
  if (watch->options->dry) return 0;
  int result = 0;
  for (guint i = 0; result == 0 && i < watch->places->len; i++) {
    struct watch_memory *memory = watch->places->pdata[i];
    result = watch_memory_save(memory, err);
    if (watch_memory_patience_ms(memory) > patience_ms) patience_ms = watch_memory_patience_ms(memory);
  }
  watch->is_unsaved = result != 0;
  watch->save_ms = now_ms() + (result == 0 ? patience_ms : SAVE_AGAIN_MS);
  return result;
}

static bool is_twin(void *arg, const char *path, const struct pending_file *file) {
  const struct watch_memory *memory = arg;
  enum watch_memory_status status;
  return file_is_below(path, watch_memory_root(memory)) && watch_memory_twin(memory, path, &file->st, &status) != NULL;
}

/* At most once between two calls of hear. Does not forget the old name of a renamed file while its new name is
 * pending. */
static void prune(struct watch *watch) {
  if (!watch->has_heard) return;
  watch->has_heard = false;
  for (guint i = 0; i < watch->places->len; i++) {
    struct watch_memory *memory = watch->places->pdata[i];
    if (watch_memory_may_prune(memory) && !pending_any(watch->pending, is_twin, memory)) watch_memory_prune(memory);
  }
}

static int hear(struct watch *watch, struct err *err) {
  watch->has_heard = true;
  if (watch->watcher == NULL) return 0;
  int result = watcher_read(watch->watcher, err);
  if (result != 0 || now_ms() < watch->check_ms) return result;
  watch->check_ms = now_ms() + CHECK_MIN_MS;
  return watcher_check(watch->watcher, err);
}

/* A state that cannot be written does not end the watch: without it, files are measured again, but none is lost. */
static void save_sometimes(struct watch *watch) {
  struct err err = {0};
  if (!watch->is_unsaved || now_ms() < watch->save_ms) return;
  if (!watch->options->once) prune(watch);
  if (save(watch, &err) != 0) recorder_complain(watch->recorder, "", &err);
}

/* Thousands of files may be due at once, and take hours. So between two of them the watch reads new events, sends
 * what waits, and saves the places. */
static int between_files(struct watch *watch, struct err *err) {
  int result = hear(watch, err);
  if (now_ms() >= watch->tidy_ms) {
    watch->tidy_ms = now_ms() + TIDY_MS;
    recorder_catch_up(watch->recorder);
    recorder_beat(watch->recorder, false);
    save_sometimes(watch);
  }
  return result;
}

static int take_due(struct watch *watch, struct err *err) {
  SCOPED(pending_free_paths_ref) char **due = pending_list_due(watch->pending, now_ms());
  struct pending_file file;
  int result = 0;
  for (size_t i = 0; result == 0 && due[i] != NULL && !is_stopped(watch); i++) {
    watch->options->on_progress();
    if (!pending_take(watch->pending, due[i], now_ms(), &file)) continue;
    result = take_settled(watch, due[i], &file, err);
    if (result == 0) result = between_files(watch, err);
  }
  return result;
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

static int wait_ms(const struct watch *watch) {
  int64_t until = earlier(pending_next_ms(watch->pending), recorder_next_ms(watch->recorder));
  until = earlier(until, recorder_beat_ms(watch->recorder));
  if (watch->is_unsaved) until = earlier(until, watch->save_ms);
  if (watch->watcher != NULL) until = earlier(until, now_ms() + CHECK_MAX_MS);
  if (watch->watcher != NULL && g_hash_table_size(watch->troubled) > 0) until = earlier(until, watch->trouble_ms);
  if (watch->options->wait_max_ms > 0) until = earlier(until, now_ms() + watch->options->wait_max_ms);
  if (until == INT64_MAX) return -1;
  int64_t rest = until - now_ms();
  return rest < 0 ? 0 : (int)earlier(rest, INT_MAX);
}

static int wait_for_more(struct watch *watch, struct err *err) {
  struct pollfd waits[] = {{.fd = watch->watcher != NULL ? watcher_fd(watch->watcher) : -1, .events = POLLIN},
                           {.fd = stop_fd(), .events = POLLIN}};
  if (poll(waits, 2, wait_ms(watch)) < 0 && errno != EINTR)
    return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait for events of inotify");
  return hear(watch, err);
}

int watch_go_on(struct watch *watch, struct err *err) {
  int result = 0;
  if (!watch->options->once) recorder_catch_up_now(watch->recorder);
  while (result == 0 && !is_stopped(watch)) {
    watch->options->on_progress();
    if (watch->options->once && pending_count(watch->pending) == 0) break;
    result = wait_for_more(watch, err);
    if (result == 0) result = look_again(watch, err);
    if (result == 0) result = take_due(watch, err);
    recorder_catch_up(watch->recorder);
    if (!watch->options->once) recorder_beat(watch->recorder, false);
    save_sometimes(watch);
  }
  return result;
}

/* ---- start and end ---- */

static void close_place(void *memory) { watch_memory_close(memory); }

static int open_place(struct watch *watch, const char *dir, const char *name, struct err *err) {
  SCOPED_MALLOC char *root = realpath(name, NULL);
  struct stat st;
  struct watch_memory *memory = NULL;
  if (root == NULL || stat(root, &st) != 0) return err_set_errno(err, ERR_USAGE, errno, "%s", name);
  if (!S_ISDIR(st.st_mode)) return err_set(err, ERR_USAGE, "%s: not a directory", name);
  if (access(root, R_OK | X_OK) != 0) return err_set_errno(err, ERR_DENIED, errno, "%s", name);
  for (guint i = 0; i < watch->places->len; i++) {
    const char *other = watch_memory_root(watch->places->pdata[i]);
    if (!file_is_below(root, other) && !file_is_below(other, root)) continue;
    return err_set(err, ERR_USAGE, "%s and %s: one contains the other; name only the upper one", name, other);
  }
  int result = watch->options->dry ? watch_memory_look(dir, root, &memory, err) : watch_memory_open(dir, root, &memory, err);
  if (result != 0) return result;
  if (watch->options->existing) watch_memory_forget(memory, WATCH_MEMORY_BEFORE);
  if (watch->options->existing) watch_memory_forget(memory, WATCH_MEMORY_UNSEEN);
  if (watch->options->as.media.rate_num != 0) watch_memory_forget(memory, WATCH_MEMORY_FAILED); /* for want of a rate, perhaps */
  g_ptr_array_add(watch->places, memory);
  return 0;
}

static int open_places(struct watch *watch, char *const *names, struct err *err) {
  const char *dir = watch->options->state != NULL ? watch->options->state : recorder_spool(watch->recorder);
  int result = watch->options->dry ? 0 : spool_make(dir, err);
  if (result != 0) return err_prefix(err, "cannot keep the state; name another directory with --state");
  for (size_t i = 0; result == 0 && names[i] != NULL; i++)
    result = open_place(watch, dir, names[i], err);
  return result;
}

/* The agent that watches these directories is another one than a second `watch` of this machine. */
static void begin_pulse(struct watch *watch) {
  SCOPED(buf_fini) struct buf command = {0};
  buf_text(&command, "watch");
  for (guint i = 0; i < watch->places->len; i++)
    buf_printf(&command, " %s", watch_memory_root(watch->places->pdata[i]));
  recorder_begin_pulse(watch->recorder, buf_view(&command), watch->options->once ? 0 : PULSE_INTERVAL_MS);
}

int watch_open(const struct watch_options *options, char *const *names, struct watch **ret, struct err *err) {
  struct watch *watch = calloc(1, sizeof *watch);
  CHECK(watch != NULL);
  watch->options = options;
  watch->names = names;
  watch->hooks = (struct watcher_hooks){.file = on_file, .made = on_made, .trouble = on_trouble, .arg = watch};
  watch->places = g_ptr_array_new_with_free_func(close_place);
  watch->troubled = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
  watch->pending = pending_new();
  watch->claims = claims_new();
  watch->started = clock_file_time();
  const struct recorder_options recording = {.settings = &options->settings,
                                             .wanted = &options->wanted,
                                             .pattern = options->pattern,
                                             .as = options->as,
                                             .is_dry = options->dry,
                                             .complain = options->complain,
                                             .quiet = options->quiet};
  int result = recorder_open(&recording, &watch->recorder, err);
  if (result == 0) result = open_places(watch, names, err);
  if (result == 0 && !options->dry) begin_pulse(watch);
  if (result == 0)
    *ret = watch;
  else
    watch_close(watch);
  return result;
}

void watch_close(struct watch *watch) {
  if (watch == NULL) return;
  watcher_close(watch->watcher);
  (void)g_ptr_array_free(watch->places, TRUE);
  g_hash_table_destroy(watch->troubled);
  pending_free(watch->pending);
  claims_free(watch->claims);
  recorder_close(watch->recorder);
  free(watch);
}

static void say_ready(const struct watch *watch) {
  (void)printf("watching");
  for (guint i = 0; i < watch->places->len; i++) {
    SCOPED_MALLOC char *shown = str_printable(str_of(watch_memory_root(watch->places->pdata[i])));
    (void)printf(" %s", shown);
  }
  (void)printf("\n");
  (void)fflush(stdout);
}

/* Saves no place if the look did not end: the files that it lacks would pass for new ones. The place knows the
 * directories that could not be looked into. */
int watch_look_round(struct watch *watch, struct err *err) {
  bool once = watch->options->once;
  int result = once ? 0 : watcher_open(&watch->hooks, &watch->watcher, err);
  watch->is_looking = true;
  for (guint i = 0; result == 0 && i < watch->places->len; i++) {
    const char *root = watch_memory_root(watch->places->pdata[i]);
    result = once ? watcher_scan(&watch->hooks, root, err) : watcher_add(watch->watcher, root, watch->names[i], err);
  }
  watch->is_looking = false;
  watch->trouble_ms = now_ms() + TROUBLE_AGAIN_MS;
  if (result == 0) forget_unseen(watch);
  if (result == 0) result = save(watch, err);
  if (result != 0) return result;
  if (watch->passed_over > 0 && !watch->options->quiet) {
    (void)fprintf(stderr,
                  "codecmeter watch: %" PRIu64
                  " files from before this first watch are not recorded; --existing records them\n",
                  watch->passed_over);
  }
  if (!once && !watch->options->quiet) say_ready(watch);
  return 0;
}

int watch_end(struct watch *watch, struct err *err) {
  if (watch->options->once) {
    recorder_catch_up_now(watch->recorder); /* each run tries at least once to send what waits */
    recorder_catch_up(watch->recorder);
    recorder_beat(watch->recorder, true);
    prune(watch);
  }
  return save(watch, err);
}

bool watch_has_lost(const struct watch *watch) {
  return watch->options->once && (watch->has_lost || recorder_needs_help(watch->recorder));
}
