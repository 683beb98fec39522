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
#include <sys/stat.h>
#include <unistd.h>

#include "agent/report.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#define INTENT_VERSION 2
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

/* ---- writing ---- */

struct intent {
  int fd;
  char *path;
};

static const char *const role_names[] = {
    [CANDIDATE_NAMED] = "", [CANDIDATE_OUTPUT] = "output", [CANDIDATE_ARGUMENT] = "argument"};

static void append_path(struct buf *out, const char *path) {
  for (const char *c = path; *c != '\0'; c++) {
    unsigned char byte = (unsigned char)*c;
    if (byte <= ' ' || byte >= 0x7F || byte == '%' || byte == '"' || byte == '\\')
      buf_printf(out, "%%%02X", byte);
    else
      buf_char(out, *c);
  }
}

static void append_file(struct buf *out, const char *path, const struct file_before *was) {
  buf_text(out, "{\"path\":\"");
  append_path(out, path);
  buf_text(out, "\",\"was\":");
  if (!was->was_there) {
    buf_text(out, "null");
    return;
  }
  buf_printf(out, "[%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%lld,%ld,%lld,%ld]", was->dev, was->ino, was->size,
             (long long)was->mtime.tv_sec, was->mtime.tv_nsec, (long long)was->ctime.tv_sec, was->ctime.tv_nsec);
}

static void append_candidate(struct buf *out, const struct candidate *candidate) {
  append_file(out, candidate->path, &candidate->before);
  if (candidate->role != CANDIDATE_NAMED) buf_printf(out, ",\"role\":\"%s\"", role_names[candidate->role]);
  if (candidate->is_remux) buf_text(out, ",\"remux\":true");
  if (candidate->is_task) buf_text(out, ",\"task\":true");
  if (candidate->was_full) buf_text(out, ",\"full\":true");
  if (candidate->seen_count > 0) buf_text(out, ",\"seen\":[");
  for (size_t i = 0; i < candidate->seen_count; i++) {
    if (i > 0) buf_char(out, ',');
    append_file(out, candidate->seen[i].path, &candidate->seen[i].was);
    buf_char(out, '}');
  }
  buf_text(out, candidate->seen_count > 0 ? "]}" : "}");
}

static void append_text(struct buf *out, const char *name, const char *text) {
  if (text == NULL) return;
  if (out->len > 0 && out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_printf(out, "\"%s\":", name);
  json_quote(out, str_of(text));
}

static void append_as(struct buf *out, const struct outputs_report *report) {
  const struct report_options *as = &report->as;
  buf_text(out, ",\"as\":{");
  append_text(out, "source", as->source);
  append_text(out, "id", as->id);
  append_text(out, "id_prefix", as->id_prefix);
  append_text(out, "task_id", as->task_id);
  if (report->has_kind) append_text(out, "kind", as->kind == REPORT_REMUX ? "remux" : "transcode");
  if (as->media.rate_num != 0) {
    bool is_first = out->len > 0 && out->ptr[out->len - 1] == '{';
    buf_printf(out, "%s\"rate\":[%" PRIu32 ",%" PRIu32 "]", is_first ? "" : ",", as->media.rate_num,
               as->media.rate_den);
  }
  buf_char(out, '}');
}

static void compose(const struct spool *spool, const struct outputs *outputs, const struct outputs_report *report,
                    struct timespec began, struct buf *out) {
  char host[HOST_NAME_MAX + 1];
  host_name(host);
  buf_printf(out, "{\"intent\":%d", INTENT_VERSION);
  append_text(out, "host", host);
  buf_printf(out, ",\"pid\":%d,\"start\":%" PRIu64, (int)getpid(), start_of(getpid()));
  append_text(out, "project", report->as.project);
  buf_printf(out, ",\"began\":[%lld,%ld]", (long long)began.tv_sec, began.tv_nsec);
  append_as(out, report);
  buf_text(out, ",\"outputs\":[");
  for (size_t i = 0; i < outputs->count; i++) {
    if (i > 0) buf_char(out, ',');
    append_candidate(out, &outputs->items[i]);
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

int intent_write(const struct spool *spool, const struct outputs *outputs, const struct outputs_report *report,
                 struct timespec began, struct intent **ret, struct err *err) {
  SCOPED(buf_fini) struct buf text = {.limit = INTENT_MAX};
  if (strcmp(spool->dir, "/dev/null") == 0) return err_set(err, ERR_NOT_FOUND, "there is no spool: it is /dev/null");
  compose(spool, outputs, report, began, &text);
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

enum { TEXT_PROJECT, TEXT_SOURCE, TEXT_ID, TEXT_ID_PREFIX, TEXT_TASK_ID, TEXTS };

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
  char *url, *texts[TEXTS]; /* the texts of report.as */
  char token[TOKEN_PUBLIC_ID_SIZE];
  struct outputs outputs;
  struct outputs_report report;
};

static void found_fini(struct found *found) {
  for (int i = 0; i < TEXTS; i++)
    free(found->texts[i]);
  outputs_fini(&found->outputs);
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

static bool is_true(const struct json *object, const char *name) {
  const struct json *value = json_member(object, name);
  return value != NULL && value->type == JSON_TRUE;
}

static bool read_role(const struct json *item, enum candidate_role *ret) {
  struct str role = json_member_text(item, "role");
  for (size_t i = 0; i < sizeof role_names / sizeof role_names[0]; i++) {
    if (!str_equal(role, str_of(role_names[i]))) continue;
    *ret = (enum candidate_role)i;
    return true;
  }
  return false;
}

static size_t count_items(const struct json *list) {
  size_t count = 0;
  for (const struct json *item = list->child; item != NULL; item = item->next)
    count++;
  return count;
}

static bool read_seen(const struct json *list, struct candidate *candidate) {
  if (list == NULL) return true;
  if (list->type != JSON_ARRAY) return false;
  candidate->seen = calloc(count_items(list) + 1, sizeof *candidate->seen);
  CHECK(candidate->seen != NULL);
  for (const struct json *item = list->child; item != NULL; item = item->next) {
    struct str path = item->type == JSON_OBJECT ? json_member_text(item, "path") : STR("");
    struct file_seen *seen = &candidate->seen[candidate->seen_count];
    if (path.len == 0 || !read_was(json_member(item, "was"), &seen->was)) return false;
    seen->path = decode_path(path);
    candidate->seen_count++;
  }
  return true;
}

static bool read_outputs(struct found *found, const struct json *list, int64_t version) {
  if (list == NULL || list->type != JSON_ARRAY) return false;
  for (const struct json *item = list->child; item != NULL; item = item->next) {
    struct str path = item->type == JSON_OBJECT ? json_member_text(item, "path") : STR("");
    struct file_before before;
    enum candidate_role role;
    if (path.len == 0 || !read_was(json_member(item, "was"), &before) || !read_role(item, &role)) return false;
    struct candidate *candidate = outputs_add(&found->outputs, decode_path(path), role);
    candidate->before = before;
    candidate->is_task = version == 1 || is_true(item, "task");
    candidate->is_remux = is_true(item, "remux");
    candidate->was_full = is_true(item, "full");
    if (!read_seen(json_member(item, "seen"), candidate)) return false;
  }
  return true;
}

static char *read_text(const struct json *object, const char *name) {
  const struct json *value = json_member(object, name);
  if (value == NULL || value->type != JSON_STRING) return NULL;
  char *text = strndup(value->text.ptr, value->text.len);
  CHECK(text != NULL);
  return text;
}

static bool read_rate(const struct json *value, struct media_options *ret) {
  uint64_t num, den;
  if (value == NULL) return true;
  if (value->type != JSON_ARRAY || !read_u64(value->child, &num) || !read_u64(value->child->next, &den)) return false;
  ret->rate_num = (uint32_t)num;
  ret->rate_den = (uint32_t)den;
  return num <= UINT32_MAX && den <= UINT32_MAX && den > 0;
}

/* How to report; notes of version 1 name the project only. */
static bool read_as(struct found *found, const struct json *first) {
  const struct json *as = json_member(first, "as");
  found->texts[TEXT_PROJECT] = read_text(first, "project");
  found->report.as.project = found->texts[TEXT_PROJECT];
  if (as == NULL) return true;
  if (as->type != JSON_OBJECT) return false;
  struct str kind = json_member_text(as, "kind");
  found->texts[TEXT_SOURCE] = read_text(as, "source");
  found->texts[TEXT_ID] = read_text(as, "id");
  found->texts[TEXT_ID_PREFIX] = read_text(as, "id_prefix");
  found->texts[TEXT_TASK_ID] = read_text(as, "task_id");
  found->report.as.source = found->texts[TEXT_SOURCE];
  found->report.as.id = found->texts[TEXT_ID];
  found->report.as.id_prefix = found->texts[TEXT_ID_PREFIX];
  found->report.as.task_id = found->texts[TEXT_TASK_ID];
  found->report.has_kind = kind.len > 0;
  found->report.as.kind = str_equal(kind, STR("remux")) ? REPORT_REMUX : REPORT_TRANSCODE;
  return read_rate(json_member(as, "rate"), &found->report.as.media);
}

static const struct json *parse_line(struct found *found, struct str line) {
  const struct json *top;
  bool is_object =
      line.len > 0 && json_parse(found->parser, found->arena, line, 8, &top, NULL) == 0 && top->type == JSON_OBJECT;
  return is_object ? top : NULL;
}

static bool read_first(struct found *found, const struct json *first, int64_t version) {
  found->host = json_member_text(first, "host");
  return read_i64(json_member(first, "pid"), &found->run_pid) &&
         read_u64(json_member(first, "start"), &found->run_start) &&
         read_time(json_member(first, "began"), &found->began) && read_as(found, first) &&
         read_outputs(found, json_member(first, "outputs"), version);
}

static bool read_address(struct found *found, const struct json *address) {
  struct str url = json_member_text(address, "url"), token = json_member_text(address, "token");
  found->url = strndup(url.ptr, url.len);
  CHECK(found->url != NULL);
  return url.len > 0 && str_copy(token, found->token, sizeof found->token);
}

static void read_taken(struct found *found, struct str text) {
  SCOPED_MALLOC char *path = decode_path(text);
  for (size_t i = 0; i < found->outputs.count; i++) {
    struct candidate *candidate = &found->outputs.items[i];
    if (strcmp(candidate->path, path) == 0) candidate->is_taken = true;
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

/* -ERR_CORRUPT: the first two lines are not those of an intent. -ERR_VERSION: they are of a later version. */
static int read_lines(struct found *found, struct err *err) {
  struct str text = buf_view(&found->content), rest = text;
  const char *feed = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
  if (feed == NULL || memchr(feed + 1, '\n', text.len - (size_t)(feed + 1 - text.ptr)) == NULL) return 0;
  found->arena = arena_new(text.len * 32 + (1 << 20));
  found->parser = json_parser_new();
  CHECK(found->arena != NULL && found->parser != NULL);
  const struct json *first = parse_line(found, str_cut(&rest, '\n'));
  const struct json *address = parse_line(found, str_cut(&rest, '\n'));
  int64_t version;
  if (first == NULL || !read_i64(json_member(first, "intent"), &version))
    return err_set(err, ERR_CORRUPT, "its lines are not those of a run's note");
  if (version > INTENT_VERSION)
    return err_set(err, ERR_VERSION,
                   "%s: a later version of codecmeter made it; run `codecmeter flush` of that version", found->path);
  if (address == NULL || !read_first(found, first, version) || !read_address(found, address))
    return err_set(err, ERR_CORRUPT, "its lines are not those of a run's note");
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

static bool has_failed(const struct found *found) { return found->has_status && found->status != 0; }

static bool may_pass(int result) {
  return err_kind(result) == ERR_KIND_RETRY || result == -ERR_IO || result == -ERR_MISSING;
}

/* Not 0: something cannot be judged yet, and err says what. */
static int check_findings(const struct findings *findings, struct err *err) {
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    const struct err *why = &finding->why;
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++) {
      if (!finding->reports.items[n].is_measured) why = &finding->reports.items[n].why;
    }
    if (why->code == ERR_NONE || !may_pass(-(int)why->code)) continue;
    *err = *why;
    return -(int)why->code;
  }
  return 0;
}

/* What is done with the findings of a run. */
struct settling {
  struct spool spool; /* with the address of the run's events */
  const struct spool_pass *pass;
  const struct found *found;
  size_t unmetered; /* notes written */
};

static int note_unmetered(struct settling *settling, const char *output, const char *why, struct err *err) {
  char name[NAME_SIZE + 32];
  (void)snprintf(name, sizeof name, "%.63s-%zu.json", settling->found->name, settling->unmetered++);
  return spool_note_unmetered(&settling->spool, name, output, why, err);
}

static int put_report(struct settling *settling, const struct finding *finding, const struct report *report,
                      struct err *err) {
  if (finding->verdict == FINDING_UNMETERED)
    return report->is_measured ? spool_reject(&settling->spool, report, REPORT_REJECTED, finding->why.text, err) : 0;
  if (!report->is_measured) return note_unmetered(settling, report->name, report->why.text, err);
  return report->is_repeat ? 0 : spool_put(&settling->spool, report, err);
}

static int put(struct settling *settling, const struct findings *findings, struct err *err) {
  int result = 0;
  for (size_t i = 0; i < findings->count && result == 0; i++) {
    const struct finding *finding = &findings->items[i];
    if (finding->verdict == FINDING_LEFT_OUT) continue;
    for (size_t n = 0; n < finding->reports.count && result == 0; n++)
      result = put_report(settling, finding, &finding->reports.items[n], err);
    if (result == 0 && finding->verdict == FINDING_UNMETERED)
      result = note_unmetered(settling, finding->path, finding->why.text, err);
  }
  return result;
}

/* If nothing was counted, and nothing else says so. */
static int put_nothing(struct settling *settling, const struct findings *findings, struct err *ret_why,
                       struct err *err) {
  const struct outputs *outputs = &settling->found->outputs;
  if (findings_counted(findings) > 0 || settling->unmetered > 0 || has_failed(settling->found)) return 0;
  (void)findings_say_nothing(outputs, findings, ret_why);
  return note_unmetered(settling, outputs->count > 0 ? outputs->items[outputs->count - 1].path : "", ret_why->text,
                        err);
}

static void say_report(const struct spool_pass *pass, const struct report *report) {
  SCOPED_MALLOC char *text = NULL;
  if (report->is_repeat) return;
  CHECK(asprintf(&text, "%s: %s, of a run that was killed", report->name, report->summary) >= 0);
  pass->say(pass->say_arg, report->is_measured ? text : report->why.text);
}

static void say(const struct spool_pass *pass, const struct findings *findings, const struct err *nothing) {
  if (pass->say == NULL) return;
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++)
      say_report(pass, &finding->reports.items[n]);
    if (finding->verdict == FINDING_UNMETERED) pass->say(pass->say_arg, finding->why.text);
  }
  if (nothing->code != ERR_NONE) pass->say(pass->say_arg, nothing->text);
}

static int remove_found(const struct found *found, struct err *err) {
  return unlink(found->path) == 0 ? 0 : err_set_errno(err, ERR_IO, errno, "cannot remove %s", found->path);
}

static void find(const struct found *found, struct findings *ret) {
  struct outputs_report report = found->report;
  report.is_late = true;
  if (has_failed(found))
    findings_fail(&found->outputs, &report, found->began, found->ended, ret);
  else
    findings_measure(&found->outputs, &report, ret);
}

static int settle_ended(const struct spool *spool, const struct spool_pass *pass, const struct found *found,
                        struct spool_sums *sums, struct err *err) {
  struct settling settling = {.spool = {.dir = spool->dir, .url = found->url}, .pass = pass, .found = found};
  SCOPED(findings_fini) struct findings findings = {.items = NULL};
  struct err nothing = {0};
  memcpy(settling.spool.token, found->token, sizeof settling.spool.token);
  find(found, &findings);
  int result = check_findings(&findings, err);
  if (result == 0) result = put(&settling, &findings, err);
  if (result == 0) result = put_nothing(&settling, &findings, &nothing, err);
  if (result == 0) result = remove_found(found, err);
  if (result == 0) say(pass, &findings, &nothing);
  if (result == 0) sums->rejected += settling.unmetered;
  return result;
}

static bool is_our_host(const struct found *found) {
  char host[HOST_NAME_MAX + 1];
  host_name(host);
  return str_equal(found->host, str_of(host));
}

/* Follows the table above, for a note that was read with this result. Not 0: the run is left for later; err says why.
 */
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
  bool began = found->has_command || outputs_made_any(&found->outputs);
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

static bool is_among(const struct candidate *candidate, const struct outputs *outputs) {
  for (size_t i = 0; i < outputs->count; i++) {
    if (candidate_shares(candidate, &outputs->items[i])) return true;
  }
  return false;
}

static bool shares_output(const struct found *found, const struct outputs *outputs) {
  for (size_t i = 0; i < found->outputs.count; i++) {
    if (is_among(&found->outputs.items[i], outputs)) return true;
  }
  return false;
}

/* Held by no command that we can see: perhaps by an agent that is settling it. */
static bool is_held_by_other(const struct found *found) {
  return found->is_locked && found->has_lines && is_our_host(found) && !is_alive(found->run_pid, found->run_start) &&
         !(found->has_command && is_alive(found->command_pid, found->command_start));
}

static int read_when_free(struct found *found, const struct outputs *outputs, struct err *err) {
  int result = read_found(found, err);
  for (int waited_ms = 0;
       result == 0 && is_held_by_other(found) && shares_output(found, outputs) && waited_ms < SETTLER_WAIT_MS;
       waited_ms += SETTLER_POLL_MS) {
    struct stat st;
    (void)usleep(SETTLER_POLL_MS * 1000);
    found->is_locked = flock(found->fd, LOCK_EX | LOCK_NB) != 0;
    if (fstat(found->fd, &st) == 0 && st.st_nlink == 0) return -ERR_NOT_FOUND;
  }
  return result;
}

/* Notes that the outputs that both have are no longer that run's. */
static void take_outputs(const struct found *found, const struct outputs *outputs, const struct spool_pass *pass,
                         const struct err *why) {
  SCOPED_FD int fd = open(found->path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  for (size_t i = 0; i < found->outputs.count; i++) {
    const struct candidate *output = &found->outputs.items[i];
    SCOPED(buf_fini) struct buf line = {0};
    SCOPED_MALLOC char *text = NULL;
    if (output->is_taken || !is_among(output, outputs)) continue;
    buf_text(&line, "\n{\"taken\":\"");
    append_path(&line, output->path);
    buf_text(&line, "\"}\n");
    bool is_noted =
        fd >= 0 && !line.failed && write(fd, line.ptr, line.len) == (ssize_t)line.len && fdatasync(fd) == 0;
    if (output->role == CANDIDATE_ARGUMENT && !candidate_exists(output)) continue; /* perhaps no output at all */
    const char *what = is_noted ? "is not metered" : "may be metered twice";
    CHECK(asprintf(&text, "%s: an earlier run that was killed wrote it too, and %s there: %s", output->path, what,
                   why->text) >= 0);
    pass->say(pass->say_arg, text);
  }
}

void intent_settle_outputs(const struct spool *spool, const struct outputs *outputs, const struct spool_pass *pass) {
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
    view.project = found.report.as.project != NULL ? found.report.as.project : "";
    view.began_ms = (int64_t)found.began.tv_sec * 1000 + found.began.tv_nsec / 1000000;
    view.outputs = found.outputs.count;
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
