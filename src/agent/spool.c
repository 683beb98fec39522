/* An event leaves the spool only after the server has said what became of it. A crash at any step before that does no
 * harm: a file gets its name when it is complete and synced, a refused event is in rejected/ before it is removed,
 * and an event that was stored but not yet removed is sent again, which its identity makes a duplicate. For the same
 * reason two senders would do no harm; the lock only saves them double work.
 *
 * An event is for one server and, if it names no project, for the project of one token. With another token it would
 * be metered for another customer. So the second line names both, and is checked before the event is sent.
 */
#include "agent/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/stop.h"
#include "meter/rfc3339.h"

#define SUFFIX ".event"
#define FILE_MAX ((size_t)64 << 10) /* an event has about 500 bytes */
#define NOTE_MAX (2 * FILE_MAX)     /* a note holds an event and a reason */
#define HASH_DIGITS 16
#define TIME_MAX INT64_C(9999999999999) /* thirteen digits, so that names sort by time */
#define ID_DIGITS 32
#define HELD "-watch" /* in the name of an event that spool_hold has put, behind the id */
#define NAME_SIZE (13 + 1 + ID_DIGITS + sizeof HELD + HASH_DIGITS + sizeof SUFFIX)
#define LOCK_TEXT "codecmeter spool 1\n" /* the content of `lock`, which marks a directory as a spool */
#define LOCK_POLL_MS 50
#define CUT_OFF_S 60 /* the writer of a temporary file of this age has ended */

/* ---- the directory and its address ---- */

void spool_init(struct spool *spool, const struct client_settings *settings) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  *spool = (struct spool){.dir = NULL};
  size_t len = strlen(settings->url);
  while (len > 0 && settings->url[len - 1] == '/')
    len--;
  spool->url = strndup(settings->url, len);
  spool->dir =
      settings->spool != NULL ? strdup(settings->spool) : file_path(g_get_user_state_dir(), "codecmeter/spool");
  CHECK(spool->url != NULL && spool->dir != NULL);
  if (settings->token == NULL) return;
  token_hash(str_of(settings->token), hash);
  token_id(hash, spool->token);
}

void spool_fini(struct spool *spool) {
  free(spool->dir);
  free(spool->url);
  *spool = (struct spool){.dir = NULL};
}

static bool has_suffix(const char *name, const char *suffix) {
  size_t len = strlen(name), tail = strlen(suffix);
  return len > tail && strcmp(name + len - tail, suffix) == 0;
}

bool spool_is_run(const char *name) {
  return strncmp(name, SPOOL_RUN_PREFIX, sizeof SPOOL_RUN_PREFIX - 1) == 0 && has_suffix(name, SPOOL_RUN_SUFFIX);
}

static bool is_own(const char *name) {
  return strcmp(name, "lock") == 0 || strcmp(name, "rejected") == 0 || strcmp(name, "lost+found") == 0 ||
         strncmp(name, SPOOL_WATCH_PREFIX, sizeof SPOOL_WATCH_PREFIX - 1) == 0 || spool_is_run(name);
}

/* The name of a complete event, or of one that is being written: with a dot before it and a suffix. */
static bool is_event_name(const char *name) {
  return name[0] == '.' ? strstr(name, SUFFIX ".") != NULL : has_suffix(name, SUFFIX);
}

static bool holds_nothing_else(const char *path) {
  DIR *dir = opendir(path);
  bool good = dir != NULL;
  for (struct dirent *entry = NULL; good && (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    good = strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_own(name) || is_event_name(name);
  }
  if (dir != NULL) (void)closedir(dir);
  return good;
}

/* Other directories have a file `lock` too (a data directory, for example), so the text decides. */
static bool is_marked(const char *dir) {
  char text[sizeof LOCK_TEXT];
  SCOPED_MALLOC char *path = file_path(dir, "lock");
  SCOPED_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return fd >= 0 && read(fd, text, sizeof text) == sizeof LOCK_TEXT - 1 &&
         memcmp(text, LOCK_TEXT, sizeof LOCK_TEXT - 1) == 0;
}

/* With a mistyped --spool, other files must not be taken for events. */
static int check_ours(const char *dir, struct err *err) {
  if (is_marked(dir) || holds_nothing_else(dir)) return 0;
  return err_set(err, ERR_EXISTS, "%s is not a spool: it contains other files; name an empty or a new directory",
                 dir);
}

/* Opens the lock of a spool, and marks it as one. */
static int open_lock(const char *dir, int *ret_fd, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, "lock");
  SCOPED_FD int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  int result = is_marked(dir) ? 0 : file_write(fd, path, 0, LOCK_TEXT, sizeof LOCK_TEXT - 1, err);
  if (result != 0) return result;
  *ret_fd = fd;
  fd = -1;
  return 0;
}

int spool_make(const char *dir, struct err *err) {
  SCOPED_FD int fd = -1;
  struct stat st;
  int result = stat(dir, &st) == 0 ? 0 : file_make_dirs(dir, err);
  if (result == 0 && stat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) {
    return err_set(err, ERR_EXISTS, "%s is not a directory, so it cannot be a spool", dir);
  }
  if (result == 0) result = check_ours(dir, err);
  return result == 0 ? open_lock(dir, &fd, err) : result;
}

/* ---- a file of the spool ---- */

/* Keeps the memory of content. -ERR_NOT_FOUND: the file is gone. -ERR_CORRUPT: it is no regular file of at most
 * `most` bytes. -ERR_DENIED: this user may not read it. */
static int read_content(const char *path, size_t most, struct buf *content, struct stat *ret_st, struct err *err) {
  size_t got = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return err_set(err, ERR_NOT_FOUND, "%s is gone", path);
  if (fd < 0 && errno == EACCES) return err_set(err, ERR_DENIED, "this user may not read %s", path);
  if (fd < 0 && (errno == ELOOP || errno == ENXIO)) return err_set(err, ERR_CORRUPT, "it is not a regular file");
  if (fd < 0 || fstat(fd, ret_st) != 0) return err_set_errno(err, ERR_IO, errno, "cannot read %s", path);
  if (!S_ISREG(ret_st->st_mode)) return err_set(err, ERR_CORRUPT, "it is not a regular file");
  if ((uint64_t)ret_st->st_size > most) return err_set(err, ERR_CORRUPT, "it is too long");
  size_t size = (size_t)ret_st->st_size;
  buf_clear(content);
  char *room = buf_extend(content, size + JSON_PADDING);
  CHECK(room != NULL);
  memset(room, 0, size + JSON_PADDING);
  int result = file_read(fd, path, 0, room, size, &got, err);
  content->len = got;
  return result;
}

/* ---- adding ---- */

static void hash_content(struct str content, char out[HASH_DIGITS + 1]) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  digest_sha256(content, digest);
  bytes_hex(digest, HASH_DIGITS / 2, out);
}

/* A user's id may hold bytes that a file name cannot. */
static void hash_id(const struct report *report, char out[ID_DIGITS + 1]) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  SCOPED(buf_fini) struct buf text = {0};
  buf_text(&text, report->source);
  buf_char(&text, '\0');
  buf_text(&text, report->id);
  digest_sha256(buf_view(&text), digest);
  bytes_hex(digest, ID_DIGITS / 2, out);
}

/* The part of a name that all events of one output at one time have. */
static void name_output(const struct report *report, char out[NAME_SIZE]) {
  char id[ID_DIGITS + 1];
  int64_t time_ms = report->time_ms < 0 ? 0 : report->time_ms > TIME_MAX ? TIME_MAX : report->time_ms;
  hash_id(report, id);
  int len = snprintf(out, NAME_SIZE, "%013" PRId64 "-%s", time_ms, id);
  CHECK(len > 0 && len < (int)NAME_SIZE);
}

/* mark: HELD or "". */
static void name_file(const struct report *report, struct str content, const char *mark, const char *suffix,
                      char out[NAME_SIZE]) {
  char hash[HASH_DIGITS + 1], output[NAME_SIZE];
  hash_content(content, hash);
  name_output(report, output);
  int len = snprintf(out, NAME_SIZE, "%.*s%s-%s%s", 13 + 1 + ID_DIGITS, output, mark, hash, suffix);
  CHECK(len > 0 && len < (int)NAME_SIZE);
}

void spool_append_address(const struct spool *spool, struct buf *out) {
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  json_write_u64(&json, "spool", 1);
  json_write_text(&json, "url", spool->url);
  json_write_text(&json, "token", spool->token);
  json_write_end(&json);
  buf_char(out, '\n');
}

static int compose(const struct spool *spool, const struct report *report, struct buf *out, struct err *err) {
  buf_str(out, buf_view(&report->event));
  buf_char(out, '\n');
  spool_append_address(spool, out);
  if (out->failed || out->len > FILE_MAX) return err_set(err, ERR_LIMIT, "the event is too long for the spool");
  return 0;
}

/* True if the file is an equal event, whole. Its time of writing says since when the event waits. */
static bool is_there(const struct spool *spool, const char *name, struct str content) {
  SCOPED_MALLOC char *path = file_path(spool->dir, name);
  SCOPED(buf_fini) struct buf found = {0};
  struct stat st;
  struct err err;
  return read_content(path, FILE_MAX, &found, &st, &err) == 0 && str_equal(buf_view(&found), content);
}

static int put(const struct spool *spool, const struct report *report, const char *mark, char ret_name[NAME_SIZE],
               bool *ret_was_there, struct err *err) {
  SCOPED(buf_fini) struct buf content = {0};
  int result = compose(spool, report, &content, err);
  if (result == 0) result = spool_make(spool->dir, err);
  if (result != 0) return result;
  name_file(report, buf_view(&content), mark, SUFFIX, ret_name);
  *ret_was_there = is_there(spool, ret_name, buf_view(&content));
  if (*ret_was_there) return file_sync_dir(spool->dir, err); /* its writer may not have */
  return file_replace(spool->dir, ret_name, buf_view(&content), err);
}

int spool_put(const struct spool *spool, const struct report *report, struct err *err) {
  char name[NAME_SIZE];
  bool was_there;
  return put(spool, report, "", name, &was_there, err);
}

/* True if the name is that of an event that spool_hold has put: of this output, or of any if output is "". */
static bool is_held(const char *name, const char *output) {
  size_t len = strlen(output);
  const char *mark = strstr(name, HELD "-");
  return name[0] != '.' && has_suffix(name, SUFFIX) && mark != NULL && strncmp(name, output, len) == 0 &&
         (len == 0 || mark == name + len);
}

/* Removes them if remove is true. Returns how many there are. */
static size_t visit_held(const char *spool, const char *output, bool remove) {
  size_t count = 0;
  DIR *dir = opendir(spool);
  for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;) {
    if (!is_held(entry->d_name, output)) continue;
    count++;
    if (remove) (void)unlinkat(dirfd(dir), entry->d_name, 0);
  }
  if (dir != NULL) (void)closedir(dir);
  return count;
}

bool spool_has_held(const struct spool *spool) { return visit_held(spool->dir, "", false) > 0; }

void spool_release(const struct spool *spool, const struct report *report) {
  char output[NAME_SIZE];
  name_output(report, output);
  (void)visit_held(spool->dir, output, true);
}

/* ---- events that will never be sent ---- */

/* What a note is about, if not about an event. */
struct subject {
  const char *member, *text;
};

/* Writes a note to rejected/: {"event":…,"outcome":…,"reason":…,"time":…}, with the subjects as further members, up to the
 * first without a name. subjects: or NULL. */
static int note_rejected(const struct spool *spool, const char *name, struct str event, const struct subject *subjects,
                         const char *outcome, const char *reason, struct err *err) {
  SCOPED_MALLOC char *dir = file_path(spool->dir, "rejected");
  SCOPED(buf_fini) struct buf note = {0};
  char time[RFC3339_SIZE];
  rfc3339_format(clock_real_ms(clock_system()), time);
  struct json_write json = json_write_to(&note);
  json_write_object(&json, NULL);
  json_write_raw(&json, "event", event);
  for (const struct subject *subject = subjects; subject != NULL && subject->member != NULL; subject++)
    json_write_text(&json, subject->member, subject->text);
  json_write_text(&json, "outcome", outcome);
  json_write_text(&json, "reason", reason);
  json_write_text(&json, "time", time);
  json_write_end(&json);
  buf_char(&note, '\n');
  int result = file_make_dir(dir, err);
  return result == 0 ? file_replace(dir, name, buf_view(&note), err) : result;
}

int spool_reject(const struct spool *spool, const struct report *report, enum report_outcome outcome,
                 const char *reason, struct err *err) {
  char name[NAME_SIZE];
  int result = spool_make(spool->dir, err);
  if (result != 0) return result;
  name_file(report, buf_view(&report->event), "", ".json", name);
  return note_rejected(spool, name, buf_view(&report->event), NULL, report_outcome_name(outcome), reason, err);
}

int spool_note_unmetered(const struct spool *spool, const char *name, const struct spool_lost *lost, const char *reason,
                         struct err *err) {
  char began[RFC3339_SIZE];
  rfc3339_format(lost->began_ms, began);
  const struct subject subjects[] = {{"output", lost->output}, {"began", began}, {"project", lost->project}, {NULL, NULL}};
  return note_rejected(spool, name, STR("null"), subjects, "unmetered", reason, err);
}

static int remove_event(const char *path, struct err *err) {
  if (unlink(path) == 0 || errno == ENOENT) return 0;
  return err_set_errno(err, ERR_IO, errno, "cannot remove %s", path);
}

/* A name for a file in rejected/ that no other file there has. The caller frees it. */
static char *free_name(const char *dir, const char *name) {
  char *made = NULL;
  for (unsigned i = 0;; i++) {
    SCOPED_MALLOC char *note = NULL;
    CHECK(asprintf(&made, "%.180s.%" PRId64 ".%u", name[0] == '.' ? name + 1 : name, clock_real_ms(clock_system()),
                   i) >= 0);
    CHECK(asprintf(&note, "%s/%s.json", dir, made) >= 0);
    if (!file_exists(note)) return made;
    free(made);
  }
}

/* Moves the file as it is. Overwrites no file in rejected/. */
int spool_move_aside(const struct spool *spool, const char *name, const char *reason, struct err *err) {
  SCOPED_MALLOC char *from = file_path(spool->dir, name);
  SCOPED_MALLOC char *dir = file_path(spool->dir, "rejected");
  SCOPED_MALLOC char *to = free_name(dir, name), *target = file_path(dir, to), *note = NULL;
  CHECK(asprintf(&note, "%s.json", to) >= 0);
  const struct subject file[] = {{"file", to}, {NULL, NULL}};
  int result = note_rejected(spool, note, STR("null"), file, "unreadable", reason, err);
  if (result != 0) return result;
  if (rename(from, target) != 0) return err_set_errno(err, ERR_IO, errno, "cannot move %s", from);
  return file_sync_dir(dir, err);
}

/* ---- reading ---- */

/* A spooled event. */
struct waiting {
  const char *name;
  char *path;
  struct buf content;
  struct str event;
  char *project;               /* the event's subject; "" for none */
  bool is_ours, names_project; /* of our server and token; has a subject */
  bool same_url;
};

static void waiting_fini(struct waiting *waiting) {
  free(waiting->path);
  free(waiting->project);
  buf_fini(&waiting->content);
}

/* True if the name is "TIME-ID-HASH.event" with the hash of the content. */
static bool is_intact(const struct waiting *waiting) {
  char hash[HASH_DIGITS + 1];
  size_t len = strlen(waiting->name), tail = HASH_DIGITS + sizeof SUFFIX - 1;
  hash_content(buf_view(&waiting->content), hash);
  return len > tail && strcmp(waiting->name + len - (sizeof SUFFIX - 1), SUFFIX) == 0 &&
         strncmp(waiting->name + len - tail, hash, HASH_DIGITS) == 0;
}

static int not_an_event(struct err *err) {
  return err_set(err, ERR_CORRUPT, "its lines are not those of a spooled event");
}

/* Reads both lines. The trees live in the arena. */
static int parse_lines(struct waiting *waiting, struct arena *arena, struct json_parser *parser,
                       const struct json **ret_event, const struct json **ret_address, struct err *err) {
  struct str rest = buf_view(&waiting->content);
  waiting->event = str_cut(&rest, '\n');
  struct str second = str_cut(&rest, '\n');
  int result = json_parse(parser, arena, waiting->event, 8, ret_event, err);
  if (result == 0) result = json_parse(parser, arena, second, 8, ret_address, err);
  if (result != 0) return not_an_event(err);
  bool are_objects = (*ret_event)->type == JSON_OBJECT && (*ret_address)->type == JSON_OBJECT;
  return are_objects ? 0 : not_an_event(err);
}

static int read_lines(const struct spool *spool, struct waiting *waiting, struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(FILE_MAX * 32);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct json *event = NULL, *address = NULL;
  int result = parse_lines(waiting, arena, parser, &event, &address, err);
  if (result != 0) return result;
  struct str project = json_member_text(event, "subject");
  waiting->project = strndup(project.ptr, project.len);
  CHECK(waiting->project != NULL);
  waiting->names_project = project.len > 0;
  waiting->same_url = str_equal(json_member_text(address, "url"), str_of(spool->url));
  waiting->is_ours = waiting->same_url && str_equal(json_member_text(address, "token"), str_of(spool->token));
  return 0;
}

static int check_intact(const struct waiting *waiting, struct err *err) {
  if (is_intact(waiting)) return 0;
  return err_set(err, ERR_CORRUPT, "its name lacks the hash of its content: it is damaged, or not a spooled event");
}

static int read_waiting(const struct spool *spool, struct waiting *waiting, struct err *err) {
  struct stat st;
  int result = read_content(waiting->path, FILE_MAX, &waiting->content, &st, err);
  if (result == 0) result = check_intact(waiting, err);
  return result == 0 ? read_lines(spool, waiting, err) : result;
}

/* ---- events that were held before ---- */

static struct waiting held_event(const struct spool *spool, const char *name, struct err *err) {
  struct waiting waiting = {.name = name, .path = file_path(spool->dir, name)};
  waiting.is_ours = read_waiting(spool, &waiting, err) == 0 && waiting.is_ours;
  return waiting;
}

/* An event that cannot be removed stays: then it is a duplicate, or the other one is. */
static void remove_former(const struct spool *spool, const struct report *report, const char *name) {
  struct err err;
  char output[NAME_SIZE];
  SCOPED(waiting_fini) struct waiting last = held_event(spool, name, &err);
  DIR *dir = opendir(spool->dir);
  name_output(report, output);
  for (struct dirent *entry = NULL; last.is_ours && dir != NULL && (entry = readdir(dir)) != NULL;) {
    if (!is_held(entry->d_name, output) || strcmp(entry->d_name, name) == 0) continue;
    SCOPED(waiting_fini) struct waiting former = held_event(spool, entry->d_name, &err);
    if (former.is_ours && strcmp(former.project, last.project) == 0) (void)unlink(former.path);
  }
  if (dir != NULL) (void)closedir(dir);
}

int spool_hold(const struct spool *spool, const struct report *report, bool replaces, struct err *err) {
  char name[NAME_SIZE];
  bool was_there;
  int result = put(spool, report, HELD, name, &was_there, err);
  if (result == 0 && replaces && !was_there) remove_former(spool, report, name);
  return result;
}

/* ---- sending ---- */

struct names {
  struct dirent **list;
  int count;
};

static void names_fini(struct names *names) {
  for (int i = 0; i < names->count; i++)
    free(names->list[i]);
  free(names->list);
}

static int is_candidate(const struct dirent *entry) { return is_event_name(entry->d_name); }

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int list_names(const char *dir, struct names *ret, struct err *err) {
  struct names names = {0};
  names.count = scandir(dir, &names.list, is_candidate, by_name);
  if (names.count < 0) return err_set_errno(err, ERR_IO, errno, "cannot list %s", dir);
  *ret = names;
  return 0;
}

/* A file whose name begins with a dot is being written, unless its writer was killed: then it is old. */
static bool is_being_written(const struct waiting *waiting) {
  struct stat st;
  return waiting->name[0] == '.' && (lstat(waiting->path, &st) != 0 || st.st_mtime + CUT_OFF_S > clock_file_time().tv_sec);
}

static int say_cut_off(struct err *err) {
  return err_set(err, ERR_CORRUPT, "it is incomplete: its writer was cut off");
}

static bool is_wanted(const struct spool_pass *pass, const struct waiting *waiting) {
  return waiting->is_ours || pass->any || (pass->other_tokens && waiting->same_url && waiting->names_project);
}

/* Removes an event that the server has judged, after a note in rejected/ if it was refused. Then counts it. */
static int settle(const struct spool *spool, const struct waiting *waiting, enum report_outcome outcome,
                  const char *reason, struct spool_sums *sums, struct err *err) {
  char note[NAME_SIZE];
  uint64_t *sum = outcome == REPORT_STORED      ? &sums->sent
                  : outcome == REPORT_DUPLICATE ? &sums->duplicate
                                                : &sums->rejected;
  if (sum == &sums->rejected) {
    size_t len = strlen(waiting->name) - (sizeof SUFFIX - 1);
    (void)snprintf(note, sizeof note, "%.*s.json", (int)len, waiting->name);
    int result = note_rejected(spool, note, waiting->event, NULL, report_outcome_name(outcome), reason, err);
    if (result != 0) return result;
  }
  int result = remove_event(waiting->path, err);
  if (result != 0) return result;
  ++*sum;
  --sums->left;
  return 0;
}

/* One spool_send. */
struct sending {
  const struct spool *spool;
  struct client *client;
  const struct spool_pass *pass;
  struct spool_sums *sums;
  GHashTable *projectless; /* a set: projects that the server has not taken, so that each is tried once */
};

/* An event that was rejected for its project stays in the spool, unless the user wants to be rid of it (`any`). */
static void keep_projectless(const struct sending *sending, const struct waiting *waiting, const char *reason) {
  struct spool_sums *sums = sending->sums;
  if (!waiting->is_ours) {
    ++sums->elsewhere; /* its own token may still send it */
    return;
  }
  if (sums->projectless++ == 0) (void)snprintf(sums->why_projectless, sizeof sums->why_projectless, "%s", reason);
  (void)g_hash_table_add(sending->projectless, g_strdup(waiting->project));
}

static int send_waiting(const struct sending *sending, const struct waiting *waiting, struct err *err) {
  enum report_outcome outcome = REPORT_STORED;
  char reason[REPORT_REASON_MAX];
  if (!is_wanted(sending->pass, waiting)) {
    ++sending->sums->elsewhere;
    return 0;
  }
  if (g_hash_table_contains(sending->projectless, waiting->project)) {
    ++sending->sums->projectless;
    return 0;
  }
  int result = report_send(sending->client, waiting->event, sending->pass->tries, &outcome, reason, err);
  if (result != 0) return result;
  if (!report_lacks_project(outcome, reason) || sending->pass->any)
    return settle(sending->spool, waiting, outcome, reason, sending->sums, err);
  keep_projectless(sending, waiting, reason);
  return 0;
}

static int take_name(const struct sending *sending, const char *name, struct err *err) {
  const struct spool *spool = sending->spool;
  struct spool_sums *sums = sending->sums;
  SCOPED(waiting_fini) struct waiting waiting = {.name = name, .path = file_path(spool->dir, name)};
  struct err why = {0};
  if (is_being_written(&waiting)) {
    --sums->left;
    return 0;
  }
  bool cut_off = name[0] == '.';
  int result = cut_off ? say_cut_off(&why) : read_waiting(spool, &waiting, &why);
  if (result == 0) return send_waiting(sending, &waiting, err);
  if (result == -ERR_DENIED || result == -ERR_IO) { /* this event only: the others are sent */
    if (sums->unreadable++ == 0) sums->why_unreadable = why;
    return 0;
  }
  if (result == -ERR_CORRUPT)
    result = spool_move_aside(spool, name, why.text, err);
  else if (result != -ERR_NOT_FOUND)
    *err = why;
  if (result == 0) ++sums->rejected;
  if (result == 0 || result == -ERR_NOT_FOUND) --sums->left;
  return result == -ERR_NOT_FOUND ? 0 : result;
}

static int lock(const struct spool *spool, struct client *client, bool waits, int *ret_fd, struct err *err) {
  SCOPED_FD int fd = -1;
  int result = open_lock(spool->dir, &fd, err);
  if (result != 0) return result;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return err_set_errno(err, ERR_IO, errno, "cannot lock %s", spool->dir);
    if (!waits || client_is_interrupted(client)) {
      return err_set(err, ERR_BUSY, "another process is sending the events in %s", spool->dir);
    }
    (void)stop_wait(LOCK_POLL_MS);
  }
  *ret_fd = fd;
  fd = -1;
  return 0;
}

int spool_send(const struct spool *spool, struct client *client, const struct spool_pass *pass,
               struct spool_sums *sums, struct err *err) {
  SCOPED(names_fini) struct names names = {0};
  SCOPED_FD int fd = -1;
  if (access(spool->dir, R_OK | W_OK | X_OK) != 0) {
    bool is_none = errno == ENOENT || errno == ENOTDIR;
    return err_set_errno(err, is_none ? ERR_NOT_FOUND : ERR_DENIED, errno, "cannot use the spool %s", spool->dir);
  }
  int result = check_ours(spool->dir, err);
  if (result == 0) result = lock(spool, client, pass->waits, &fd, err);
  if (result == 0 && pass->first != NULL) pass->first(spool, pass, sums);
  if (result == 0) result = list_names(spool->dir, &names, err);
  if (result != 0) return result;
  uint64_t of = (uint64_t)names.count;
  sums->left += of;
  struct sending sending = {.spool = spool,
                            .client = client,
                            .pass = pass,
                            .sums = sums,
                            .projectless = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  for (int i = 0; result == 0 && i < names.count; i++) {
    if (sums->sent + sums->duplicate + sums->rejected >= pass->most) break;
    result = take_name(&sending, names.list[i]->d_name, err);
    if (pass->step != NULL) pass->step(pass->step_arg, sums, of);
  }
  g_hash_table_destroy(sending.projectless);
  return result;
}

/* ---- looking ---- */

/* What reads one file after the other, in the same memory. */
struct looker {
  const char *dir;
  struct arena *arena;
  struct json_parser *parser;
  struct buf content;
};

static void looker_fini(struct looker *looker) {
  arena_free(looker->arena);
  json_parser_free(looker->parser);
  buf_fini(&looker->content);
}

static struct looker looker_of(const char *dir) {
  struct looker looker = {.dir = dir, .arena = arena_new(NOTE_MAX * 32), .parser = json_parser_new()};
  CHECK(looker.arena != NULL && looker.parser != NULL);
  return looker;
}

static int64_t written_ms(const struct stat *st) {
  return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* errno says why the directory could not be read. */
static int say_closed(const char *dir, struct err *err) {
  if (errno == EACCES) {
    return err_set(err, ERR_DENIED, "this user may not look into %s: give the command as the user who owns the spool",
                   dir);
  }
  return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot look into %s", dir);
}

/* Calls `look` for each name. */
static int look_at_all(struct looker *looker, void (*look)(struct looker *looker, const char *name, void *to),
                       void *to, struct err *err) {
  DIR *dir = opendir(looker->dir);
  if (dir == NULL) return say_closed(looker->dir, err);
  errno = 0;
  for (struct dirent *entry = NULL; (entry = readdir(dir)) != NULL; errno = 0)
    look(looker, entry->d_name, to);
  int result = errno == 0 ? 0 : err_set_errno(err, ERR_IO, errno, "cannot list %s", looker->dir);
  (void)closedir(dir);
  return result;
}

struct item_visit {
  void (*visit)(void *arg, const struct spool_item *item);
  void *arg;
};

static int read_item(struct looker *looker, struct waiting *waiting, struct spool_item *ret, struct err *err) {
  const struct json *event, *address;
  struct stat st;
  int result = read_content(waiting->path, FILE_MAX, &waiting->content, &st, err);
  if (result != 0) return result;
  ret->put_ms = written_ms(&st);
  result = check_intact(waiting, err);
  if (result == 0) result = parse_lines(waiting, looker->arena, looker->parser, &event, &address, err);
  if (result != 0) return result;
  ret->url = json_member_text(address, "url");
  ret->token = json_member_text(address, "token");
  ret->project = json_member_text(event, "subject");
  return 0;
}

static void look_at_event(struct looker *looker, const char *name, void *to) {
  const struct item_visit *visit = to;
  if (!is_event_name(name)) return;
  SCOPED(waiting_fini)
  struct waiting waiting = {.name = name, .path = file_path(looker->dir, name), .content = looker->content};
  struct spool_item item = {.state = SPOOL_WAITS};
  struct err why = {0};
  looker->content = (struct buf){0};
  arena_reset(looker->arena);
  if (is_being_written(&waiting)) return;
  int result = name[0] == '.' ? say_cut_off(&why) : read_item(looker, &waiting, &item, &why);
  if (result == -ERR_NOT_FOUND) return; /* a sender was faster */
  if (result != 0) item.state = result == -ERR_CORRUPT ? SPOOL_DAMAGED : SPOOL_UNREADABLE;
  item.why = why.text;
  visit->visit(visit->arg, &item);
  looker->content = waiting.content;
  waiting.content = (struct buf){0};
}

int spool_look(const char *dir, void (*visit)(void *arg, const struct spool_item *item), void *arg, struct err *err) {
  SCOPED(looker_fini) struct looker looker = looker_of(dir);
  struct item_visit to = {visit, arg};
  struct stat st;
  if (stat(dir, &st) != 0) return say_closed(dir, err);
  if (!S_ISDIR(st.st_mode)) return err_set(err, ERR_EXISTS, "%s is not a directory, so it is no spool", dir);
  if (access(dir, R_OK | X_OK) != 0) return say_closed(dir, err);
  int result = check_ours(dir, err);
  return result == 0 ? look_at_all(&looker, look_at_event, &to, err) : result;
}

/* Calls `look` for each name in a directory, if it can be read. */
static void visit_names(const char *path, void (*look)(int dir_fd, const char *name, void *to), void *to) {
  DIR *dir = opendir(path);
  for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;)
    look(dirfd(dir), entry->d_name, to);
  if (dir != NULL) (void)closedir(dir);
}

static void measure_event(int dir_fd, const char *name, void *to) {
  struct spool_depth *depth = to;
  struct stat st;
  bool waits = name[0] != '.' && has_suffix(name, SUFFIX);
  if (!waits || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return;
  int64_t age_ms = clock_real_ms(clock_system()) - written_ms(&st);
  depth->waiting++;
  if (age_ms > depth->oldest_ms) depth->oldest_ms = age_ms;
}

static void measure_note(int dir_fd, const char *name, void *to) {
  (void)dir_fd;
  ((struct spool_depth *)to)->rejected += name[0] != '.' && has_suffix(name, ".json");
}

void spool_measure(const char *dir, struct spool_depth *ret) {
  SCOPED_MALLOC char *rejected = file_path(dir, "rejected");
  *ret = (struct spool_depth){.waiting = 0};
  if (!is_marked(dir)) return;
  visit_names(dir, measure_event, ret);
  visit_names(rejected, measure_note, ret);
}

struct refusal_visit {
  void (*visit)(void *arg, const struct spool_refusal *refusal);
  void *arg;
};

static int read_note(struct looker *looker, const char *path, struct spool_refusal *ret, struct err *err) {
  const struct json *top;
  struct stat st;
  int result = read_content(path, NOTE_MAX, &looker->content, &st, err);
  if (result != 0) return result;
  ret->refused_ms = written_ms(&st);
  result = json_parse(looker->parser, looker->arena, buf_view(&looker->content), 16, &top, err);
  if (result != 0 || top->type != JSON_OBJECT) return err_set(err, ERR_CORRUPT, "the note is damaged");
  ret->outcome = json_member_text(top, "outcome");
  ret->reason = json_member_text(top, "reason");
  int64_t noted_ms;
  if (rfc3339_parse(json_member_text(top, "time"), &noted_ms, NULL) == 0) ret->refused_ms = noted_ms;
  return ret->outcome.len > 0 ? 0 : err_set(err, ERR_CORRUPT, "the note is damaged");
}

static void look_at_note(struct looker *looker, const char *name, void *to) {
  const struct refusal_visit *visit = to;
  if (name[0] == '.' || !has_suffix(name, ".json")) return;
  SCOPED_MALLOC char *path = file_path(looker->dir, name);
  struct spool_refusal refusal = {.refused_ms = 0};
  struct err why = {0};
  arena_reset(looker->arena);
  int result = read_note(looker, path, &refusal, &why);
  if (result == -ERR_NOT_FOUND) return;
  if (result != 0) {
    refusal.outcome = STR("unreadable");
    refusal.reason = str_of(result == -ERR_CORRUPT ? why.text : "this user cannot read the note");
  }
  visit->visit(visit->arg, &refusal);
}

int spool_look_rejected(const char *dir, void (*visit)(void *arg, const struct spool_refusal *refusal), void *arg,
                        struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, "rejected");
  SCOPED(looker_fini) struct looker looker = looker_of(path);
  struct refusal_visit to = {visit, arg};
  int result = look_at_all(&looker, look_at_note, &to, err);
  return result == -ERR_NOT_FOUND ? 0 : result;
}
