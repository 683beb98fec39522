/* Records outputs as they are finished in directories.
 *
 *   told of a file ──> pending ──(unchanged for --settle, nobody writes it)──> measured ──> server or spool ──> place
 *         ^               │ changed: waits again                                  │ cannot be: said once remembered
 *         └── overflow, restart: every file is told of, and those in the place passed over
 *
 * A file is remembered after its event is with the server or on disk. Whatever is cut off before that is found again
 * at the next start, with the same identity. What cannot be taken now (no memory, no room for the spool) stays
 * pending.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/outbox.h"
#include "agent/place.h"
#include "agent/watcher.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/file.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"

#define SETTLE_DEFAULT_MS 2000
#define SETTLE_LEAST_MS 200
#define SETTLE_MAX_MS (UINT64_C(24) * 3600 * 1000)
#define AGAIN_MS 10000 /* until what could not be kept is tried again */
#define LIST_AGAIN_MS 3000
#define LIST_PATIENCE_MS 60000 /* after the last change of its directory */
#define CATCH_UP_MIN_MS 1000   /* between attempts to send what waits, then doubled up to */
#define CATCH_UP_MAX_MS 60000
#define COMPLAINTS_MAX 10000

/* Whole outputs. Segments are not among them: their playlist is the output. */
static const char *const include_default[] = {"*.mp4", "*.m4v", "*.mov",  "*.mkv", "*.webm", "*.avi",
                                              "*.flv", "*.mxf", "*.m3u8", "*.mpd", NULL};
static const char *const exclude_always[] = {".*", "*.part", "*.partial", "*.tmp", NULL};

struct watch_options {
  struct client_settings settings;
  char **include, **exclude;
  char *settle, *state;
  uint64_t settle_ms;
  bool existing, once;
};

/* A file that may be new. */
struct pending {
  struct stat st; /* as it was when it was last looked at */
  int64_t due_ms; /* monotonic */
};

struct watch {
  const struct watch_options *options;
  struct outbox outbox;
  struct watcher_hooks hooks;
  struct watcher *watcher; /* NULL with --once */
  GPtrArray *places;
  GHashTable *pending;    /* path -> struct pending */
  GHashTable *complaints; /* path -> what was last said of it */
  struct timespec started;
  bool is_looking; /* the first look round, when what is there is told of */
  uint64_t passed_over;
  bool said_away, is_unsaved, failed;
  int64_t save_ms, catch_up_ms, catch_up_wait_ms; /* monotonic; catch_up_ms 0: nothing waits */
};

/* ---- signals ---- */

static volatile sig_atomic_t stopped;

static void stop(int number) {
  (void)number;
  stopped = 1;
}

/* They stay blocked but while we wait, so that none comes between a look and a wait. */
static bool is_stopped(void) {
  sigset_t pending;
  return stopped != 0 ||
         (sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
                                        sigismember(&pending, SIGHUP) == 1));
}

static void catch_signals(sigset_t *ret_while_waiting) {
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  sigset_t ours;
  (void)sigemptyset(&ours);
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    struct sigaction action = {.sa_handler = stop}, before;
    CHECK(sigaction(signals[i], NULL, &before) == 0);
    if (before.sa_handler == SIG_IGN) continue;
    CHECK(sigaction(signals[i], &action, NULL) == 0);
    (void)sigaddset(&ours, signals[i]);
  }
  (void)signal(SIGIO, SIG_IGN); /* a lease that is asked back, see is_being_written */
  (void)sigprocmask(SIG_BLOCK, &ours, ret_while_waiting);
}

/* ---- which files ---- */

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

static struct place *place_of(const struct watch *watch, const char *path) {
  for (guint i = 0; i < watch->places->len; i++) {
    if (place_is_below(path, place_root(watch->places->pdata[i]))) return watch->places->pdata[i];
  }
  return NULL;
}

/* A pattern with a slash is for the path below the directory, others for the name. */
static bool matches(const char *const *patterns, const char *name, const char *below) {
  for (size_t i = 0; patterns != NULL && patterns[i] != NULL; i++) {
    const char *text = strchr(patterns[i], '/') != NULL ? below : name;
    if (fnmatch(patterns[i], text, FNM_CASEFOLD) == 0) return true;
  }
  return false;
}

static bool is_wanted(const struct watch *watch, const struct place *place, const char *path) {
  const struct watch_options *options = watch->options;
  const char *name = base_name(path), *below = path + strlen(place_root(place));
  while (*below == '/')
    below++;
  const char *const *include = (const char *const *)options->include;
  return matches(include != NULL ? include : include_default, name, below) &&
         !matches((const char *const *)options->exclude, name, below) && !matches(exclude_always, name, below);
}

/* The kernel grants a lease for reading only where nobody has the file open for writing. Where it grants none at all
 * (another one's file, a network file system), only time tells. */
static bool is_being_written(const char *path) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  (void)fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

static int64_t ms_of(struct timespec time) { return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000; }

static bool is_unchanged(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Until it is looked at again; not at once even with --settle 0, since it may be open for hours. */
static int64_t settling(const struct watch *watch) {
  int64_t settle = (int64_t)watch->options->settle_ms;
  return settle > SETTLE_LEAST_MS ? settle : SETTLE_LEAST_MS;
}

/* How much of the settling time has passed already: from the last change, which no tool can set. */
static int64_t rest_of_settling(const struct watch *watch, const struct stat *st) {
  int64_t settle = (int64_t)watch->options->settle_ms;
  int64_t age = clock_real_ms(clock_system()) - ms_of(st->st_ctim);
  return age <= 0 ? settle : age >= settle ? 0 : settle - age;
}

static void wait_for(struct watch *watch, const char *path, const struct stat *st, int64_t wait_ms) {
  struct pending *pending = malloc(sizeof *pending);
  char *key = strdup(path);
  CHECK(pending != NULL && key != NULL);
  *pending = (struct pending){.st = *st, .due_ms = now_ms() + wait_ms};
  (void)g_hash_table_replace(watch->pending, key, pending);
}

static void remember(struct watch *watch, const char *path, const struct stat *st, enum place_status status) {
  place_remember(place_of(watch, path), path, st, status);
  watch->is_unsaved = true;
}

/* What a first watch finds was made before anybody wanted it recorded, unless somebody is at it now. */
static bool is_from_before(const struct watch *watch, const struct place *place, const char *path,
                           const struct stat *st) {
  return watch->is_looking && place_is_first(place) && !watch->options->existing &&
         ms_of(st->st_ctim) < ms_of(watch->started) && !is_being_written(path);
}

static void on_file(void *arg, const char *path) {
  struct watch *watch = arg;
  struct place *place = place_of(watch, path);
  struct stat st;
  if (place == NULL || !is_wanted(watch, place, path)) return;
  if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || place_knows(place, path, &st)) return;
  if (is_from_before(watch, place, path, &st)) {
    remember(watch, path, &st, PLACE_BEFORE);
    ++watch->passed_over;
    return;
  }
  wait_for(watch, path, &st, rest_of_settling(watch, &st));
}

/* ---- what is said ---- */

/* Once for each path and reason: a playlist that grows is not finished many times over. */
static void complain(struct watch *watch, const char *path, const struct err *err) {
  const char *before = g_hash_table_lookup(watch->complaints, path);
  if (before != NULL && strcmp(before, err->text) == 0) return;
  (void)command_fail("watch", err);
  if (g_hash_table_size(watch->complaints) >= COMPLAINTS_MAX) g_hash_table_remove_all(watch->complaints);
  char *key = strdup(path), *text = strdup(err->text);
  CHECK(key != NULL && text != NULL);
  (void)g_hash_table_replace(watch->complaints, key, text);
}

static void on_trouble(void *arg, const struct err *err) {
  (void)arg;
  (void)command_fail("watch", err);
}

static void say(const char *path, const char *what, const char *outcome) {
  (void)printf("%s: %s, %s\n", path, what, outcome);
  (void)fflush(stdout);
}

/* ---- a file that has settled ---- */

static void say_spooled(struct watch *watch, const char *path, const struct delivered *delivered) {
  struct err err;
  char where[ERR_TEXT_MAX];
  if (watch->catch_up_ms == 0) {
    watch->catch_up_wait_ms = CATCH_UP_MIN_MS;
    watch->catch_up_ms = now_ms() + CATCH_UP_MIN_MS;
  }
  if (watch->said_away && !delivered->needs_help) return;
  watch->said_away = true;
  outbox_say_where(&watch->outbox, where, sizeof where);
  (void)err_set(&err, ERR_NETWORK, "%s: %.200s; %s", path, delivered->reason, where);
  (void)command_fail("watch", &err);
}

/* What is refused is nobody's to see but in rejected/: a watch has no one who reads its output. */
static int keep_refused(struct watch *watch, const char *path, const struct report *report,
                        const struct delivered *delivered, struct err *err) {
  int result = spool_reject(&watch->outbox.spool, report, delivered->outcome, delivered->reason, err);
  if (result != 0) return err_prefix(err, "%s", path);
  (void)err_set(err, ERR_DENIED, "%s: %s: %s", path, report_outcome_name(delivered->outcome), delivered->reason);
  complain(watch, path, err);
  return 0;
}

static int deliver(struct watch *watch, const char *path, const struct stat *st, const struct report *report,
                   struct err *err) {
  struct delivered delivered;
  int result = outbox_send(&watch->outbox, report, &delivered, err);
  if (result != 0) return err_prefix(err, "%s", path);
  bool refused = delivered.outcome == REPORT_CONFLICT || delivered.outcome == REPORT_REJECTED;
  if (refused) result = keep_refused(watch, path, report, &delivered, err);
  if (result != 0) return result;
  if (!refused) {
    say(path, report->summary, report_outcome_name(delivered.outcome));
    (void)g_hash_table_remove(watch->complaints, path);
  }
  if (delivered.outcome == REPORT_SPOOLED)
    say_spooled(watch, path, &delivered);
  else
    watch->said_away = false;
  remember(watch, path, st, refused ? PLACE_FAILED : PLACE_DONE);
  return 0;
}

/* One that was only renamed is the same output, though its path would make it another. */
static bool is_renamed(struct watch *watch, const char *path, const struct stat *st) {
  const char *twin = place_twin(place_of(watch, path), path, st);
  if (twin == NULL) return false;
  if (strcmp(twin, path) != 0) { /* else it is back under its own name */
    (void)printf("%s: the same file as %s, not recorded again\n", path, twin);
    (void)fflush(stdout);
  }
  remember(watch, path, st, PLACE_DONE);
  return true;
}

static bool has_changed(struct watch *watch, const char *path, const struct stat *st) {
  struct stat now;
  if (lstat(path, &now) != 0) return true;
  if (is_unchanged(&now, st)) return false;
  wait_for(watch, path, &now, settling(watch));
  return true;
}

/* A list's segments may come after it, by a copy that takes long: it is not given up while its directory changes. */
static bool is_list_in_the_making(const char *path) {
  struct stat st;
  bool is_list = fnmatch("*.m3u8", path, FNM_CASEFOLD) == 0 || fnmatch("*.mpd", path, FNM_CASEFOLD) == 0;
  SCOPED_MALLOC char *dir = strndup(path, (size_t)(base_name(path) - path));
  CHECK(dir != NULL);
  return is_list && stat(dir, &st) == 0 && clock_real_ms(clock_system()) - ms_of(st.st_mtim) < LIST_PATIENCE_MS;
}

/* Not done with: its event could be kept nowhere, or there was no memory. */
static void take_loss(struct watch *watch, const char *path, const struct stat *st, const struct err *err) {
  complain(watch, path, err);
  watch->failed = true;
  if (!watch->options->once) wait_for(watch, path, st, AGAIN_MS);
}

/* What the file is to blame for is said and done with. Without the media libraries no file can be measured: that ends
 * the watch. */
static int take_failure(struct watch *watch, const char *path, const struct stat *st, int result,
                        const struct err *err) {
  if (result == -ERR_MISSING) return result;
  if (err_kind(result) == ERR_KIND_RETRY) {
    take_loss(watch, path, st, err);
    return 0;
  }
  if (is_list_in_the_making(path)) {
    if (!watch->options->once) wait_for(watch, path, st, LIST_AGAIN_MS);
    return 0;
  }
  complain(watch, path, err);
  remember(watch, path, st, PLACE_FAILED);
  return 0;
}

static int take_file(struct watch *watch, const char *path, const struct stat *st, struct err *err) {
  SCOPED(report_fini) struct report report = {0};
  if (place_knows(place_of(watch, path), path, st) || is_renamed(watch, path, st)) return 0;
  int result = report_file(path, watch->options->settings.project, &report, err);
  if (has_changed(watch, path, st)) return 0; /* while it was measured */
  if (result != 0) return take_failure(watch, path, st, result, err);
  if (deliver(watch, path, st, &report, err) != 0) take_loss(watch, path, st, err);
  return 0;
}

/* With --once, what is not ready is left to the next time. */
static int take_settled(struct watch *watch, const char *path, const struct pending *pending, struct err *err) {
  struct stat st;
  if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
  if (is_unchanged(&st, &pending->st) && !is_being_written(path)) return take_file(watch, path, &st, err);
  if (!watch->options->once) wait_for(watch, path, &st, settling(watch));
  return 0;
}

static gint by_path(gconstpointer a, gconstpointer b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static GPtrArray *find_due(const struct watch *watch) {
  GPtrArray *due = g_ptr_array_new_with_free_func(free);
  GHashTableIter iter;
  void *path, *pending;
  int64_t now = now_ms();
  g_hash_table_iter_init(&iter, watch->pending);
  while (g_hash_table_iter_next(&iter, &path, &pending)) {
    if (((struct pending *)pending)->due_ms > now) continue;
    char *copy = strdup(path);
    CHECK(copy != NULL);
    g_ptr_array_add(due, copy);
  }
  g_ptr_array_sort(due, by_path);
  return due;
}

static int take_due(struct watch *watch, struct err *err) {
  GPtrArray *due = find_due(watch);
  int result = 0;
  for (guint i = 0; result == 0 && i < due->len && !is_stopped(); i++) {
    struct pending pending = *(struct pending *)g_hash_table_lookup(watch->pending, due->pdata[i]);
    (void)g_hash_table_remove(watch->pending, due->pdata[i]);
    result = take_settled(watch, due->pdata[i], &pending, err);
  }
  (void)g_ptr_array_free(due, TRUE);
  return result;
}

/* ---- between files ---- */

static int save(struct watch *watch, struct err *err) {
  int64_t patience_ms = 0;
  int result = 0;
  for (guint i = 0; result == 0 && i < watch->places->len; i++) {
    struct place *place = watch->places->pdata[i];
    result = place_save(place, err);
    if (place_patience_ms(place) > patience_ms) patience_ms = place_patience_ms(place);
  }
  watch->is_unsaved = result != 0;
  watch->save_ms = now_ms() + (result == 0 ? patience_ms : AGAIN_MS);
  return result;
}

/* Is one among those not yet looked at that was only renamed? Its old name must not be forgotten before. */
static bool has_twin_pending(const struct watch *watch, const struct place *place) {
  GHashTableIter iter;
  void *path, *pending;
  g_hash_table_iter_init(&iter, watch->pending);
  while (g_hash_table_iter_next(&iter, &path, &pending)) {
    if (place_of(watch, path) != place) continue;
    if (place_twin(place, path, &((struct pending *)pending)->st) != NULL) return true;
  }
  return false;
}

/* Once between two looks at what has happened, or been found. */
static void prune(const struct watch *watch) {
  for (guint i = 0; i < watch->places->len; i++) {
    struct place *place = watch->places->pdata[i];
    if (place_may_prune(place) && !has_twin_pending(watch, place)) place_prune(place);
  }
}

/* A state that cannot be written is no reason to stop: without it, files are measured again, not lost. */
static void save_sometimes(struct watch *watch) {
  struct err err = {0};
  if (!watch->is_unsaved || now_ms() < watch->save_ms) return;
  if (!watch->options->once) prune(watch);
  if (save(watch, &err) != 0) complain(watch, "", &err);
}

static void catch_up(struct watch *watch) {
  bool due = watch->catch_up_ms != 0 && now_ms() >= watch->catch_up_ms;
  if (!due && !watch->outbox.reached) return;
  watch->outbox.reached = true;
  switch (outbox_catch_up(&watch->outbox, "watch")) {
    case CATCH_UP_ALL:
      watch->catch_up_ms = 0;
      return;
    case CATCH_UP_SOME:
      watch->catch_up_wait_ms = CATCH_UP_MIN_MS;
      break;
    case CATCH_UP_NONE:
      watch->catch_up_wait_ms *= 2;
      break;
  }
  if (watch->catch_up_wait_ms > CATCH_UP_MAX_MS) watch->catch_up_wait_ms = CATCH_UP_MAX_MS;
  watch->catch_up_ms = now_ms() + watch->catch_up_wait_ms;
}

static int wait_ms(const struct watch *watch) {
  int64_t until = INT64_MAX;
  GHashTableIter iter;
  void *pending;
  g_hash_table_iter_init(&iter, watch->pending);
  while (g_hash_table_iter_next(&iter, NULL, &pending)) {
    if (((struct pending *)pending)->due_ms < until) until = ((struct pending *)pending)->due_ms;
  }
  if (watch->is_unsaved && watch->save_ms < until) until = watch->save_ms;
  if (watch->catch_up_ms != 0 && watch->catch_up_ms < until) until = watch->catch_up_ms;
  if (until == INT64_MAX) return -1;
  int64_t rest = until - now_ms();
  return rest < 0 ? 0 : rest > INT_MAX ? INT_MAX : (int)rest;
}

static int wait_for_more(struct watch *watch, const sigset_t *while_waiting, struct err *err) {
  int rest = wait_ms(watch);
  struct timespec time = {.tv_sec = rest / 1000, .tv_nsec = rest % 1000 * 1000000};
  struct pollfd poll = {.fd = watch->watcher != NULL ? watcher_fd(watch->watcher) : -1, .events = POLLIN};
  int ready = ppoll(&poll, 1, rest >= 0 ? &time : NULL, while_waiting);
  if (ready < 0 && errno != EINTR) return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait");
  return watch->watcher != NULL ? watcher_read(watch->watcher, err) : 0;
}

static int go_on(struct watch *watch, const sigset_t *while_waiting, struct err *err) {
  int result = 0;
  while (result == 0 && !is_stopped()) {
    if (watch->options->once && g_hash_table_size(watch->pending) == 0) break;
    result = wait_for_more(watch, while_waiting, err);
    if (result == 0) result = take_due(watch, err);
    catch_up(watch);
    save_sometimes(watch);
  }
  return result;
}

/* ---- beginning and end ---- */

static void watch_fini(struct watch *watch) {
  watcher_close(watch->watcher);
  if (watch->places != NULL) (void)g_ptr_array_free(watch->places, TRUE);
  if (watch->pending != NULL) g_hash_table_destroy(watch->pending);
  if (watch->complaints != NULL) g_hash_table_destroy(watch->complaints);
  outbox_close(&watch->outbox);
}

static void close_place(void *place) { place_close(place); }

static int open_place(struct watch *watch, const char *dir, const char *name, struct err *err) {
  SCOPED_MALLOC char *root = realpath(name, NULL);
  struct stat st;
  struct place *place = NULL;
  if (root == NULL || stat(root, &st) != 0) return err_set_errno(err, ERR_USAGE, errno, "%s", name);
  if (!S_ISDIR(st.st_mode)) return err_set(err, ERR_USAGE, "%s: not a directory", name);
  if (access(root, R_OK | X_OK) != 0) return err_set_errno(err, ERR_DENIED, errno, "%s", name);
  for (guint i = 0; i < watch->places->len; i++) {
    const char *other = place_root(watch->places->pdata[i]);
    if (!place_is_below(root, other) && !place_is_below(other, root)) continue;
    return err_set(err, ERR_USAGE, "%s and %s: name only the upper one, which holds the other", name, other);
  }
  int result = place_open(dir, root, &place, err);
  if (result == 0) g_ptr_array_add(watch->places, place);
  return result;
}

static int open_places(struct watch *watch, char *const *names, struct err *err) {
  const char *dir = watch->options->state != NULL ? watch->options->state : watch->outbox.spool.dir;
  int result = spool_make(dir, err);
  if (result != 0) return err_prefix(err, "no place to keep the state, --state names one");
  for (size_t i = 0; result == 0 && names[i] != NULL; i++)
    result = open_place(watch, dir, names[i], err);
  return result;
}

/* Everything that is there. The places are saved before anybody is told that we watch: from then on a file is new. */
static int look_round(struct watch *watch, struct err *err) {
  int result = watch->options->once ? 0 : watcher_open(&watch->hooks, &watch->watcher, err);
  watch->is_looking = true;
  for (guint i = 0; result == 0 && i < watch->places->len; i++) {
    const char *root = place_root(watch->places->pdata[i]);
    result = watch->watcher != NULL ? watcher_add(watch->watcher, root, err) : watcher_scan(&watch->hooks, root, err);
  }
  watch->is_looking = false;
  if (result == 0) result = save(watch, err);
  if (result != 0 || watch->passed_over == 0) return result;
  (void)fprintf(stderr,
                "codecmeter watch: not recorded, since they were there before: %" PRIu64 " (--existing does)\n",
                watch->passed_over);
  return 0;
}

static void say_ready(const struct watch *watch) {
  (void)printf("watching");
  for (guint i = 0; i < watch->places->len; i++)
    (void)printf(" %s", place_root(watch->places->pdata[i]));
  (void)printf("\n");
  (void)fflush(stdout);
}

static int watch_all(struct watch *watch, char *const *names, struct err *err) {
  sigset_t while_waiting;
  (void)clock_gettime(CLOCK_REALTIME, &watch->started);
  int result = outbox_open(&watch->options->settings, &watch->outbox, err);
  if (result == 0) result = open_places(watch, names, err);
  if (result != 0) return result;
  catch_signals(&while_waiting);
  result = look_round(watch, err);
  if (result != 0) return result; /* a place half looked at is none: what it lacks would pass for new */
  if (!watch->options->once) say_ready(watch);
  watch->catch_up_wait_ms = CATCH_UP_MIN_MS;
  watch->catch_up_ms = watch->options->once ? 0 : now_ms();
  result = go_on(watch, &while_waiting, err);
  if (result == 0 && watch->options->once) {
    watch->outbox.reached = true; /* at least once a run what waits is tried */
    catch_up(watch);
    prune(watch);
  }
  struct err unsaved;
  int saved = save(watch, &unsaved);
  if (result == 0 && saved != 0) *err = unsaved;
  return result != 0 ? result : saved;
}

static int check_options(struct watch_options *options, struct err *err) {
  options->settle_ms = SETTLE_DEFAULT_MS;
  options->settings.interrupted = is_stopped;
  bool good = options->settle == NULL ||
              (config_duration(str_of(options->settle), &options->settle_ms) && options->settle_ms <= SETTLE_MAX_MS);
  if (!good) return err_set(err, ERR_USAGE, "--settle: a duration like 2s or 500ms is wanted, at most 24h");
  if (options->settings.token != NULL) return 0;
  return err_set(err, ERR_USAGE,
                 "no token: give --token, $CODECMETER_TOKEN or --env FILE (`codecmeter token create`)");
}

static int watch_directories(struct watch_options *options, char *const *names, bool *ret_failed, struct err *err) {
  SCOPED(watch_fini) struct watch watch = {.options = options};
  watch.hooks = (struct watcher_hooks){.file = on_file, .trouble = on_trouble, .arg = &watch};
  watch.places = g_ptr_array_new_with_free_func(close_place);
  watch.pending = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
  watch.complaints = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
  int result = watch_all(&watch, names, err);
  *ret_failed = options->once && watch.failed;
  return result;
}

int cmd_watch(int argc, char **argv) {
  struct watch_options options = {0};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      CLIENT_SPOOL_ROW(options.settings),
      {"include", 0, OPTION_LIST, &options.include, "GLOB",
       "names of outputs; repeatable (*.mp4 *.m4v *.mov *.mkv *.webm *.avi *.flv *.mxf *.m3u8 *.mpd)"},
      {"exclude", 0, OPTION_LIST, &options.exclude, "GLOB",
       "names to pass over; repeatable (always .* *.part *.partial *.tmp)"},
      {"settle", 0, OPTION_TEXT, &options.settle, "DURATION",
       "a file is finished when it has not changed for so long (2s)"},
      {"existing", 0, OPTION_FLAG, &options.existing, NULL, "record also what is there at the first start"},
      {"once", 0, OPTION_FLAG, &options.once, NULL, "record what is new, and end"},
      {"state", 0, OPTION_TEXT, &options.state, "DIR", "where it keeps what is done (the spool)"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "DIR…",
      .summary =
          "Records outputs as they are finished in directories and all below them: closed after writing, or moved "
          "in. It "
          "keeps its place: after a restart it records what came meanwhile. A file that `run` or `record` reports "
          "too counts once. HLS and DASH count by their playlist; segments are not among the names it takes.",
      .description =
          "Examples:\n  codecmeter watch --env /etc/codecmeter/client.env /srv/outputs\n"
          "  codecmeter watch --once --include '*.mp4' /srv/outputs",
      .rows = rows,
  };
  struct err err = {0};
  bool failed = false;
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2) result = err_set(&err, ERR_USAGE, "which directories? --help shows an example");
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  if (result == 0) result = check_options(&options, &err);
  if (result == 0) result = watch_directories(&options, argv + 1, &failed, &err);
  if (result != 0) return command_fail("watch", &err);
  return failed ? EXIT_FAILED : EXIT_OK;
}
