/* The states of a run's note, how an agent knows them, and what it does:
 *
 *   `run` lives          the process that wrote the first line exists      nothing: `run` settles it
 *   being prepared       locked, and not yet two lines                     nothing
 *   its command lives    locked, or the process of the third line exists   left for later
 *   of another host      the host in line 1                                left: processes and paths are not ours
 *   never begun          not two lines; or no third, and no output made    removes it
 *   ended                none of these                                     makes events, then removes it
 *
 * The lock alone is not enough: `sudo`, and scripts that close inherited descriptors, lose it and go on. The process
 * alone is not enough either: a script may end while an ffmpeg that it started goes on, and holds the lock.
 *
 * The system does not tell us the exit status of a command that outlived its `run`. Its outputs are measured: a file
 * that was cut short is refused, and a whole one is metered.
 *
 * After a crash during this work, the next agent does it again: it puts the same events under the same names, and an
 * event that was already sent is a duplicate.
 *
 * A later run may write to the same path, perhaps for another customer. So it settles such notes before its command
 * starts (intent_settle_outputs). The settler holds the note's lock: two at once would both measure, one of them too
 * late.
 */
#include "agent/intent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/report.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#define NAME_SIZE 64
#define INTENT_MAX ((size_t)16 << 20)
#define WAS_NUMBERS 7
#define FD_OUT_OF_THE_WAY 200 /* scripts use low descriptors for themselves */
#define WRITE_TRIES 8
#define SETTLER_WAIT_MS 3000 /* for another agent that is measuring the outputs */
#define SETTLER_POLL_MS 50

/* ---- processes ---- */

/* When a process began, in the system's own unit; 0: it does not exist, has ended, or is hidden from us. */
static uint64_t start_of(int64_t pid) {
  char path[48], text[1024];
  uint64_t start = 0;
  (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (got <= 0) return 0;
  text[got] = '\0';
  const char *close = strrchr(text, ')'); /* ends the process's name, which may contain anything */
  if (close == NULL) return 0;
  struct str rest = str_of(close + 1), field = str_cut(&rest, ' ');
  for (int number = 3; number <= 22; number++) { /* state is field 3, the start field 22 */
    field = str_cut(&rest, ' ');
    if (number == 3 && (str_equal(field, STR("Z")) || str_equal(field, STR("X")))) return 0;
  }
  return str_to_u64(field, &start) ? start : 0;
}

static bool is_alive(int64_t pid, uint64_t start) { return start != 0 && start_of(pid) == start; }

static void host_name(char out[HOST_NAME_MAX + 1]) {
  memset(out, 0, HOST_NAME_MAX + 1);
  (void)gethostname(out, HOST_NAME_MAX);
}

/* ---- files before the run ---- */

struct file_before file_before_look(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return (struct file_before){.was_there = false};
  return (struct file_before){.was_there = true,
                              .dev = st.st_dev,
                              .ino = st.st_ino,
                              .size = st.st_size,
                              .mtime = st.st_mtim,
                              .ctime = st.st_ctim};
}

static bool is_same_time(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct file_before *a, const struct file_before *b) {
  return a->was_there && b->was_there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
         is_same_time(a->mtime, b->mtime) && is_same_time(a->ctime, b->ctime);
}

int file_before_check(const struct file_before *before, const char *path, struct err *err) {
  struct file_before now = file_before_look(path);
  if (!now.was_there) {
    if (file_may_pass(errno)) return err_set_errno(err, ERR_IO, errno, "%s", path);
    return err_set(err, ERR_MEDIA, "%s: the command did not make this file; name its outputs with --output", path);
  }
  if (!is_same(before, &now)) return 0;
  return err_set(err, ERR_MEDIA, "%s: the command did not change this file; name its outputs with --output", path);
}

/* ---- writing ---- */

struct intent {
  int fd;
  char *path;
};

static void append_path(struct buf *out, const char *path) {
  for (const char *c = path; *c != '\0'; c++) {
    unsigned char byte = (unsigned char)*c;
    if (byte <= ' ' || byte >= 0x7F || byte == '%' || byte == '"' || byte == '\\')
      buf_printf(out, "%%%02X", byte);
    else
      buf_char(out, *c);
  }
}

static void append_output(struct buf *out, const char *path, const struct file_before *was) {
  char directory[PATH_MAX] = "";
  bool is_relative = path[0] != '/' && getcwd(directory, sizeof directory) != NULL;
  buf_text(out, "{\"path\":\"");
  if (is_relative) append_path(out, directory);
  if (is_relative) buf_char(out, '/');
  append_path(out, path);
  buf_text(out, "\",\"was\":");
  if (!was->was_there) {
    buf_text(out, "null}");
    return;
  }
  buf_printf(out, "[%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%lld,%ld,%lld,%ld]}", was->dev, was->ino, was->size,
             (long long)was->mtime.tv_sec, was->mtime.tv_nsec, (long long)was->ctime.tv_sec, was->ctime.tv_nsec);
}

static void compose(const struct spool *spool, const char *project, struct timespec began, char *const *outputs,
                    const struct file_before *before, struct buf *out) {
  char host[HOST_NAME_MAX + 1];
  host_name(host);
  buf_text(out, "{\"intent\":1,\"host\":");
  json_quote(out, str_of(host));
  buf_printf(out, ",\"pid\":%d,\"start\":%" PRIu64, (int)getpid(), start_of(getpid()));
  if (project != NULL) buf_text(out, ",\"project\":");
  if (project != NULL) json_quote(out, str_of(project));
  buf_printf(out, ",\"began\":[%lld,%ld],\"outputs\":[", (long long)began.tv_sec, began.tv_nsec);
  for (size_t i = 0; outputs[i] != NULL; i++) {
    if (i > 0) buf_char(out, ',');
    append_output(out, outputs[i], &before[i]);
  }
  buf_text(out, "]}\n");
  spool_append_address(spool, out);
}

/* Makes the file and locks it while it is empty. Tries again if another agent removed it as never begun before it was
 * locked. */
static int make_locked(const char *dir, struct intent *intent, struct err *err) {
  uint8_t random[8];
  char digits[2 * sizeof random + 1];
  struct stat st;
  for (int attempt = 0; attempt < WRITE_TRIES; attempt++) {
    int result = digest_random(random, sizeof random, err);
    if (result != 0) return result;
    bytes_hex(random, sizeof random, digits);
    free(intent->path);
    CHECK(asprintf(&intent->path, "%s/" SPOOL_RUN_PREFIX "%013" PRId64 "-%s" SPOOL_RUN_SUFFIX, dir,
                   clock_real_ms(clock_system()), digits) >= 0);
    intent->fd = open(intent->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (intent->fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot make %s", intent->path);
    if (flock(intent->fd, LOCK_EX) != 0) return err_set_errno(err, ERR_IO, errno, "cannot lock %s", intent->path);
    if (fstat(intent->fd, &st) == 0 && st.st_nlink > 0) return 0;
    (void)close(intent->fd);
    intent->fd = -1;
  }
  return err_set(err, ERR_BUSY, "cannot note the run: other processes removed %s and its predecessors; try again",
                 intent->path);
}

static int fill(const struct intent *intent, const char *dir, struct str text, struct err *err) {
  int result = file_write(intent->fd, intent->path, 0, text.ptr, text.len, err);
  if (result == 0) result = file_sync(intent->fd, intent->path, err);
  return result == 0 ? file_sync_dir(dir, err) : result;
}

int intent_write(const struct spool *spool, const char *project, struct timespec began, char *const *outputs,
                 const struct file_before *before, struct intent **ret, struct err *err) {
  SCOPED(buf_fini) struct buf text = {.limit = INTENT_MAX};
  if (strcmp(spool->dir, "/dev/null") == 0) return err_set(err, ERR_NOT_FOUND, "there is no spool: it is /dev/null");
  compose(spool, project, began, outputs, before, &text);
  if (text.failed) return err_set(err, ERR_LIMIT, "cannot note the run: it has too many outputs");
  int result = spool_make(spool->dir, err);
  if (result != 0) return result;
  struct intent *intent = calloc(1, sizeof *intent);
  CHECK(intent != NULL);
  intent->fd = -1;
  result = make_locked(spool->dir, intent, err);
  if (result == 0) result = fill(intent, spool->dir, buf_view(&text), err);
  if (result != 0) {
    intent_remove(intent);
    return result;
  }
  *ret = intent;
  return 0;
}

/* Runs between fork and exec, in a process that had one thread. */
void intent_note_command(const struct intent *intent) {
  char line[96];
  int len = snprintf(line, sizeof line, "{\"pid\":%d,\"start\":%" PRIu64 "}\n", (int)getpid(), start_of(getpid()));
  ssize_t wrote = write(intent->fd, line, (size_t)len);
  (void)wrote; /* without this line, the lock shows that the command lives */
  if (fcntl(intent->fd, F_DUPFD, FD_OUT_OF_THE_WAY) < 0) (void)fcntl(intent->fd, F_SETFD, 0);
}

void intent_note_status(const struct intent *intent, int status, struct timespec ended) {
  char line[96];
  int len = snprintf(line, sizeof line, "{\"status\":%d,\"ended\":[%lld,%ld]}\n", status, (long long)ended.tv_sec,
                     ended.tv_nsec);
  ssize_t wrote = write(intent->fd, line, (size_t)len);
  (void)wrote;
  (void)fdatasync(intent->fd);
}

void intent_remove(struct intent *intent) {
  if (intent == NULL) return;
  if (intent->fd >= 0) (void)unlink(intent->path);
  if (intent->fd >= 0) (void)close(intent->fd);
  free(intent->path);
  free(intent);
}

/* ---- reading ---- */

struct output {
  char *path;
  struct file_before before;
  bool is_taken; /* by another run */
};

/* An intent that was found in the spool. */
struct found {
  const char *name;
  char *path;
  int fd;
  bool is_locked; /* by another process */
  struct buf content;
  struct arena *arena;
  struct json_parser *parser;
  bool has_lines; /* the first two lines are complete */
  struct str host;
  int64_t run_pid, command_pid;
  uint64_t run_start, command_start;
  bool has_command, has_status;
  int64_t status;
  struct timespec began, ended;
  char *project, *url;
  char token[TOKEN_PUBLIC_ID_SIZE];
  struct output *outputs;
  size_t count;
};

static void found_fini(struct found *found) {
  for (size_t i = 0; i < found->count; i++)
    free(found->outputs[i].path);
  free(found->outputs);
  free(found->project);
  free(found->url);
  free(found->path);
  buf_fini(&found->content);
  if (found->arena != NULL) arena_free(found->arena);
  if (found->parser != NULL) json_parser_free(found->parser);
  if (found->fd >= 0) (void)close(found->fd);
}

static bool read_i64(const struct json *value, int64_t *ret) {
  return value != NULL && value->type == JSON_NUMBER && str_to_i64(value->text, ret);
}

static bool read_u64(const struct json *value, uint64_t *ret) {
  return value != NULL && value->type == JSON_NUMBER && str_to_u64(value->text, ret);
}

static bool read_time(const struct json *value, struct timespec *ret) {
  int64_t seconds, nanoseconds;
  if (value == NULL || value->type != JSON_ARRAY || !read_i64(value->child, &seconds)) return false;
  if (!read_i64(value->child->next, &nanoseconds)) return false;
  *ret = (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds};
  return true;
}

static bool read_was(const struct json *value, struct file_before *ret) {
  *ret = (struct file_before){.was_there = false};
  if (value == NULL) return false;
  if (value->type == JSON_NULL) return true;
  if (value->type != JSON_ARRAY) return false;
  int64_t numbers[WAS_NUMBERS];
  uint64_t dev, ino;
  const struct json *item = value->child;
  if (!read_u64(item, &dev) || !read_u64(item->next, &ino)) return false;
  item = item->next->next;
  for (int i = 2; i < WAS_NUMBERS; i++, item = item->next) {
    if (!read_i64(item, &numbers[i])) return false;
  }
  *ret = (struct file_before){.was_there = true,
                              .dev = dev,
                              .ino = ino,
                              .size = numbers[2],
                              .mtime = {.tv_sec = numbers[3], .tv_nsec = numbers[4]},
                              .ctime = {.tv_sec = numbers[5], .tv_nsec = numbers[6]}};
  return true;
}

static char *decode_path(struct str text) {
  char *path = malloc(text.len + 1);
  CHECK(path != NULL);
  path[bytes_percent_decode(text, path)] = '\0';
  return path;
}

static bool read_outputs(struct found *found, const struct json *list) {
  if (list == NULL || list->type != JSON_ARRAY) return false;
  size_t room = 0;
  for (const struct json *item = list->child; item != NULL; item = item->next)
    room++;
  found->outputs = calloc(room + 1, sizeof *found->outputs);
  CHECK(found->outputs != NULL);
  for (const struct json *item = list->child; item != NULL; item = item->next) {
    struct str path = item->type == JSON_OBJECT ? json_member_text(item, "path") : STR("");
    struct output *output = &found->outputs[found->count];
    if (path.len == 0 || !read_was(json_member(item, "was"), &output->before)) return false;
    output->path = decode_path(path);
    found->count++;
  }
  return true;
}

static const struct json *parse_line(struct found *found, struct str line) {
  const struct json *top;
  bool is_object = line.len > 0 && json_parse(found->parser, found->arena, line, 8, &top, NULL) == 0 &&
                   top->type == JSON_OBJECT;
  return is_object ? top : NULL;
}

static bool read_first(struct found *found, const struct json *first) {
  const struct json *project = json_member(first, "project");
  found->host = json_member_text(first, "host");
  if (project != NULL && project->type == JSON_STRING)
    found->project = strndup(project->text.ptr, project->text.len);
  return read_i64(json_member(first, "pid"), &found->run_pid) &&
         read_u64(json_member(first, "start"), &found->run_start) &&
         read_time(json_member(first, "began"), &found->began) && read_outputs(found, json_member(first, "outputs"));
}

static bool read_address(struct found *found, const struct json *address) {
  struct str url = json_member_text(address, "url"), token = json_member_text(address, "token");
  found->url = strndup(url.ptr, url.len);
  CHECK(found->url != NULL);
  return url.len > 0 && str_copy(token, found->token, sizeof found->token);
}

static void read_taken(struct found *found, struct str text) {
  SCOPED_MALLOC char *path = decode_path(text);
  for (size_t i = 0; i < found->count; i++) {
    if (strcmp(found->outputs[i].path, path) == 0) found->outputs[i].is_taken = true;
  }
}

/* The command has the file open, and may have written into it: lines that are not ours are ignored. */
static void read_rest(struct found *found, struct str rest) {
  while (rest.len > 0) {
    const struct json *line = parse_line(found, str_cut(&rest, '\n'));
    if (line == NULL) continue;
    struct str taken = json_member_text(line, "taken");
    if (taken.len > 0) {
      read_taken(found, taken);
    } else if (!found->has_command) {
      found->has_command = read_i64(json_member(line, "pid"), &found->command_pid) &&
                           read_u64(json_member(line, "start"), &found->command_start);
    } else if (!found->has_status) {
      found->has_status = read_i64(json_member(line, "status"), &found->status) &&
                          read_time(json_member(line, "ended"), &found->ended);
    }
  }
}

/* -ERR_CORRUPT: the first two lines are not those of an intent. */
static int read_lines(struct found *found, struct err *err) {
  struct str text = buf_view(&found->content), rest = text;
  const char *feed = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
  if (feed == NULL || memchr(feed + 1, '\n', text.len - (size_t)(feed + 1 - text.ptr)) == NULL) return 0;
  found->arena = arena_new(text.len * 32 + (1 << 20));
  found->parser = json_parser_new();
  CHECK(found->arena != NULL && found->parser != NULL);
  const struct json *first = parse_line(found, str_cut(&rest, '\n'));
  const struct json *address = parse_line(found, str_cut(&rest, '\n'));
  if (first == NULL || address == NULL || !read_first(found, first) || !read_address(found, address)) {
    return err_set(err, ERR_CORRUPT, "its lines are not those of a run's note");
  }
  found->has_lines = true;
  read_rest(found, rest);
  return 0;
}

static int read_found(struct found *found, struct err *err) {
  uint64_t size;
  struct stat st;
  size_t got;
  found->fd = open(found->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (found->fd < 0) return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", found->path);
  found->is_locked = flock(found->fd, LOCK_EX | LOCK_NB) != 0;
  if (fstat(found->fd, &st) == 0 && st.st_nlink == 0)
    return err_set(err, ERR_NOT_FOUND, "%s: another agent has settled it", found->path);
  int result = file_size(found->fd, found->path, &size, err);
  if (result != 0) return result;
  if (size > INTENT_MAX + 65536) return err_set(err, ERR_CORRUPT, "it is too long for a run's note");
  char *room = buf_extend(&found->content, size + JSON_PADDING);
  CHECK(room != NULL);
  memset(room, 0, size + JSON_PADDING);
  result = file_read(found->fd, found->path, 0, room, size, &got, err);
  found->content.len = got;
  return result == 0 ? read_lines(found, err) : result;
}

/* ---- settling ---- */

/* One output: its event, or the reason why there is none. */
struct measured {
  struct report failure; /* of an output that failed */
  struct reports reports;
  bool is_metered;
  struct err why;
};

static bool has_failed(const struct found *found) { return found->has_status && found->status != 0; }

static bool may_pass(int result) {
  return err_kind(result) == ERR_KIND_RETRY || result == -ERR_IO || result == -ERR_MISSING;
}

/* The kernel refuses a lease for reading if a process has the file open for writing. If a process opens the file
 * while we have the lease, the kernel sends us a signal: SIGIO, unless we choose another. SIGURG is ignored by
 * default. */
static bool is_written_to(const char *path) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  (void)fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

/* Not 0: the output cannot be judged yet. */
static int measure(const struct found *found, const struct output *output, struct measured *ret, struct err *err) {
  const struct report_options options = {.project = found->project};
  int result;
  if (output->is_taken) {
    result = err_set(err, ERR_MEDIA, "%s: another run wrote to this path before what this one made could be measured",
                     output->path);
  } else if (has_failed(found)) {
    result = report_failure(output->path, found->began, found->ended, &options, &ret->failure, err);
  } else {
    result = file_before_check(&output->before, output->path, err);
    if (result == 0 && is_written_to(output->path))
      return err_set(err, ERR_BUSY, "%s: a process still has it open for writing", output->path);
    if (result == 0) result = report_measure(output->path, &options, &ret->reports, err);
  }
  ret->is_metered = result == 0;
  if (result == 0 || may_pass(result)) return result;
  ret->why = *err;
  return 0;
}

static const struct report *report_of(const struct measured *measured) {
  return measured->reports.count > 0 ? measured->reports.items : &measured->failure;
}

static int put(const struct spool *spool, const struct found *found, const struct measured *all, struct err *err) {
  struct spool own = {.dir = spool->dir, .url = found->url};
  memcpy(own.token, found->token, sizeof own.token);
  int result = 0;
  for (size_t i = 0; i < found->count && result == 0; i++) {
    char note[NAME_SIZE + 32];
    (void)snprintf(note, sizeof note, "%.63s-%zu.json", found->name, i);
    result = all[i].is_metered
                 ? spool_put(&own, report_of(&all[i]), err)
                 : spool_note_unmetered(&own, note, found->outputs[i].path, all[i].why.text, err);
  }
  return result;
}

static void say(const struct spool_pass *pass, const struct found *found, const struct measured *all) {
  for (size_t i = 0; i < found->count && pass->say != NULL; i++) {
    SCOPED_MALLOC char *text = NULL;
    CHECK(asprintf(&text, "%s: %s, of a run that was killed", found->outputs[i].path, report_of(&all[i])->summary) >= 0);
    pass->say(pass->say_arg, all[i].is_metered ? text : all[i].why.text);
  }
}

static int remove_found(const struct found *found, struct err *err) {
  return unlink(found->path) == 0 ? 0 : err_set_errno(err, ERR_IO, errno, "cannot remove %s", found->path);
}

static int settle_ended(const struct spool *spool, const struct spool_pass *pass, const struct found *found,
                        struct spool_sums *sums, struct err *err) {
  SCOPED_MALLOC struct measured *all = calloc(found->count + 1, sizeof *all);
  CHECK(all != NULL);
  int result = 0;
  for (size_t i = 0; i < found->count && result == 0; i++)
    result = measure(found, &found->outputs[i], &all[i], err);
  if (result == 0) result = put(spool, found, all, err);
  if (result == 0) result = remove_found(found, err);
  if (result == 0) say(pass, found, all);
  for (size_t i = 0; i < found->count; i++) {
    if (result == 0 && !all[i].is_metered) ++sums->rejected;
    report_fini(&all[i].failure);
    reports_fini(&all[i].reports);
  }
  return result;
}

static bool has_made_something(const struct found *found) {
  for (size_t i = 0; i < found->count; i++) {
    struct err ignored;
    if (file_before_check(&found->outputs[i].before, found->outputs[i].path, &ignored) != -ERR_MEDIA) return true;
  }
  return false;
}

static bool is_our_host(const struct found *found) {
  char host[HOST_NAME_MAX + 1];
  host_name(host);
  return str_equal(found->host, str_of(host));
}

/* Follows the table above, for a note that was read with this result. Not 0: the run is left for later; err says why. */
static int settle_found(const struct spool *spool, const struct spool_pass *pass, struct found *found, int result,
                        struct spool_sums *sums, struct err *err) {
  if (result == -ERR_NOT_FOUND) return 0;
  if (result == -ERR_CORRUPT) {
    result = spool_move_aside(spool, found->name, err->text, err);
    if (result == 0) ++sums->rejected;
    return result;
  }
  if (result != 0) return result;
  if (!found->has_lines) return found->is_locked ? 0 : remove_found(found, err);
  if (!is_our_host(found)) {
    return err_set(err, ERR_BUSY, "a run on host %.*s: run `codecmeter flush` there", STR_ARG(found->host));
  }
  if (is_alive(found->run_pid, found->run_start)) return 0;
  bool lives = found->is_locked || (found->has_command && is_alive(found->command_pid, found->command_start));
  if (lives) {
    return err_set(err, ERR_BUSY, "the run's command (process %" PRId64 "), or a process that it started, still runs",
                   found->command_pid);
  }
  bool began = found->has_command || has_made_something(found);
  if (began) return settle_ended(spool, pass, found, sums, err);
  return remove_found(found, err);
}

static int is_intent(const struct dirent *entry) { return spool_is_run(entry->d_name); }

void intent_settle(const struct spool *spool, const struct spool_pass *pass, struct spool_sums *sums) {
  struct dirent **list = NULL;
  int count = scandir(spool->dir, &list, is_intent, alphasort);
  for (int i = 0; i < count; i++) {
    SCOPED(found_fini)
    struct found found = {.name = list[i]->d_name, .path = file_path(spool->dir, list[i]->d_name), .fd = -1};
    struct err why = {0};
    int result = read_found(&found, &why);
    if (settle_found(spool, pass, &found, result, sums, &why) != 0) {
      if (sums->unsettled == 0) sums->why_unsettled = why;
      ++sums->unsettled;
      ++sums->left;
    }
    free(list[i]);
  }
  free(list);
}

/* ---- before a run ---- */

static const char *name_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

static char *directory_of(const char *path) {
  size_t len = (size_t)(name_of(path) - path);
  char *directory = len > 0 ? strndup(path, len) : strdup(".");
  CHECK(directory != NULL);
  return directory;
}

/* Do both paths lead to one file, or, while there is none, to one name in one directory? */
static bool is_same_place(const char *a, const char *b) {
  struct stat of_a, of_b;
  if (stat(a, &of_a) == 0 && stat(b, &of_b) == 0) return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
  SCOPED_MALLOC char *dir_a = directory_of(a), *dir_b = directory_of(b);
  return strcmp(name_of(a), name_of(b)) == 0 && stat(dir_a, &of_a) == 0 && stat(dir_b, &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

static bool is_among(const struct output *output, char *const *outputs) {
  for (size_t i = 0; outputs[i] != NULL; i++) {
    if (is_same_place(output->path, outputs[i])) return true;
  }
  return false;
}

static bool shares_output(const struct found *found, char *const *outputs) {
  for (size_t i = 0; i < found->count; i++) {
    if (is_among(&found->outputs[i], outputs)) return true;
  }
  return false;
}

/* Held by no command that we can see: perhaps by an agent that is settling it. */
static bool is_held_by_other(const struct found *found) {
  return found->is_locked && found->has_lines && is_our_host(found) && !is_alive(found->run_pid, found->run_start) &&
         !(found->has_command && is_alive(found->command_pid, found->command_start));
}

static int read_when_free(struct found *found, char *const *outputs, struct err *err) {
  int result = read_found(found, err);
  for (int waited_ms = 0; result == 0 && is_held_by_other(found) && shares_output(found, outputs) &&
                          waited_ms < SETTLER_WAIT_MS;
       waited_ms += SETTLER_POLL_MS) {
    struct stat st;
    (void)usleep(SETTLER_POLL_MS * 1000);
    found->is_locked = flock(found->fd, LOCK_EX | LOCK_NB) != 0;
    if (fstat(found->fd, &st) == 0 && st.st_nlink == 0) return -ERR_NOT_FOUND;
  }
  return result;
}

/* Notes that the outputs that both have are no longer that run's. */
static void take_outputs(const struct found *found, char *const *outputs, const struct spool_pass *pass,
                         const struct err *why) {
  SCOPED_FD int fd = open(found->path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  for (size_t i = 0; i < found->count; i++) {
    const struct output *output = &found->outputs[i];
    SCOPED(buf_fini) struct buf line = {0};
    SCOPED_MALLOC char *text = NULL;
    if (output->is_taken || !is_among(output, outputs)) continue;
    buf_text(&line, "\n{\"taken\":\"");
    append_path(&line, output->path);
    buf_text(&line, "\"}\n");
    bool is_noted = fd >= 0 && !line.failed && write(fd, line.ptr, line.len) == (ssize_t)line.len && fdatasync(fd) == 0;
    const char *what = is_noted ? "is not metered" : "may be metered twice";
    CHECK(asprintf(&text, "%s: an earlier run that was killed wrote it too, and %s there: %s", output->path, what,
                   why->text) >= 0);
    pass->say(pass->say_arg, text);
  }
}

void intent_settle_outputs(const struct spool *spool, char *const *outputs, const struct spool_pass *pass) {
  struct dirent **list = NULL;
  int count = scandir(spool->dir, &list, is_intent, alphasort);
  for (int i = 0; i < count; i++) {
    SCOPED(found_fini)
    struct found found = {.name = list[i]->d_name, .path = file_path(spool->dir, list[i]->d_name), .fd = -1};
    struct spool_sums sums = {0};
    struct err why = {0};
    int result = read_when_free(&found, outputs, &why);
    if (result == 0 && is_our_host(&found) && shares_output(&found, outputs) &&
        settle_found(spool, pass, &found, result, &sums, &why) != 0)
      take_outputs(&found, outputs, pass, &why);
    free(list[i]);
  }
  free(list);
}

/* ---- looking ---- */

/* Follows the table above, and only says what would be done. */
static void judge(const struct found *found, int result, struct intent_view *view, struct err *why) {
  view->state = INTENT_KILLED;
  if (result != 0) {
    view->state = INTENT_UNREADABLE;
  } else if (!found->has_lines) {
    view->state = INTENT_RUNS; /* or it never began, and nothing is lost with its note */
  } else if (!is_our_host(found)) {
    (void)err_set(why, ERR_BUSY, "it ran on host %.*s: run `codecmeter flush` there", STR_ARG(found->host));
  } else if (is_alive(found->run_pid, found->run_start)) {
    view->state = INTENT_RUNS;
  } else if (found->has_command && is_alive(found->command_pid, found->command_start)) {
    (void)err_set(why, ERR_BUSY, "its command (process %" PRId64 ") still runs", found->command_pid);
  } else if (found->is_locked) {
    (void)err_set(why, ERR_BUSY,
                  "a process that its command started still runs, or another agent measures its outputs");
  } else {
    (void)err_set(why, ERR_BUSY, "its command has ended: `codecmeter flush` measures its outputs and reports them");
  }
}

static void look_at(const char *dir, const char *name, void (*visit)(void *arg, const struct intent_view *view),
                    void *arg) {
  SCOPED(found_fini) struct found found = {.name = name, .path = file_path(dir, name), .fd = -1};
  struct intent_view view = {.name = name, .url = "", .token = "", .project = ""};
  struct err why = {0};
  int result = read_found(&found, &why);
  if (found.fd >= 0) (void)flock(found.fd, LOCK_UN);
  if (result == -ERR_NOT_FOUND) return;
  judge(&found, result, &view, &why);
  view.why = why.text;
  if (found.has_lines) {
    view.url = found.url;
    view.token = found.token;
    view.project = found.project != NULL ? found.project : "";
    view.began_ms = (int64_t)found.began.tv_sec * 1000 + found.began.tv_nsec / 1000000;
    view.outputs = found.count;
  }
  visit(arg, &view);
}

void intent_look(const char *dir, void (*visit)(void *arg, const struct intent_view *view), void *arg) {
  DIR *listed = opendir(dir);
  for (struct dirent *entry = NULL; listed != NULL && (entry = readdir(listed)) != NULL;) {
    if (spool_is_run(entry->d_name)) look_at(dir, entry->d_name, visit, arg);
  }
  if (listed != NULL) (void)closedir(listed);
}
