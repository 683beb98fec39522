/* The note must be on disk before the command exists, else a power cut could leave outputs that nobody knows of.
 * After the command has ended, the note gets the marks of what was made: from then on other programs may write to the
 * same paths.
 */
#include "agent/intent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/intent_note.h"
#include "agent/path_text.h"
#include "agent/rivals.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "meter/labels.h"

#define FD_OUT_OF_THE_WAY 200 /* scripts use low descriptors for themselves */
#define WRITE_TRIES 8

struct intent {
  int fd;
  char *path;
  uint64_t head_len; /* of the first two lines */
};

static void write_moment(struct json_write *json, const char *name, struct timespec moment) {
  json_write_list(json, name);
  json_write_i64(json, NULL, moment.tv_sec);
  json_write_i64(json, NULL, moment.tv_nsec);
  json_write_end(json);
}

static void write_before(struct json_write *json, const struct file_before *was) {
  if (!was->was_there) {
    json_write_null(json, "was");
    return;
  }
  json_write_list(json, "was");
  json_write_u64(json, NULL, was->dev);
  json_write_u64(json, NULL, was->ino);
  json_write_i64(json, NULL, was->size);
  json_write_i64(json, NULL, was->mtime.tv_sec);
  json_write_i64(json, NULL, was->mtime.tv_nsec);
  json_write_i64(json, NULL, was->ctime.tv_sec);
  json_write_i64(json, NULL, was->ctime.tv_nsec);
  json_write_end(json);
}

/* Hexadecimal digits need no escapes. */
static void write_marks(struct json_write *json, const char *name, const struct file_mark *marks, size_t count) {
  json_write_next(json, name);
  buf_char(json->out, '"');
  for (size_t i = 0; i < count; i++)
    buf_printf(json->out, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, marks[i].path, marks[i].content,
               marks[i].change);
  buf_char(json->out, '"');
}

static void write_candidate(struct json_write *json, const struct candidate *candidate, bool with_seen) {
  json_write_object(json, NULL);
  path_text_write(json, "path", candidate->path);
  write_before(json, &candidate->before);
  if (candidate->role != CANDIDATE_NAMED) json_write_text(json, "role", intent_role_names[candidate->role]);
  if (candidate->is_remux) json_write_bool(json, "remux", true);
  if (candidate->is_task) json_write_bool(json, "task", true);
  if (candidate->was_full) json_write_bool(json, "full", true);
  if (candidate->was_hidden) json_write_bool(json, "hidden", true);
  if (with_seen && candidate->seen_count > 0) write_marks(json, "seen", candidate->seen, candidate->seen_count);
  json_write_end(json);
}

static void end_line(struct json_write *json) {
  json_write_end(json);
  buf_char(json->out, '\n');
}

/* Ends the line. chosen: leaves out the others, and what patterns matched before; NULL: all, with that. */
static void write_outputs(struct json_write *json, const struct outputs *outputs, const bool *chosen) {
  json_write_list(json, "outputs");
  for (size_t i = 0; i < outputs->count; i++) {
    if (chosen == NULL || chosen[i]) write_candidate(json, &outputs->items[i], chosen == NULL);
  }
  json_write_end(json);
  end_line(json);
}

static void write_as(struct json_write *json, const struct outputs_report *report) {
  const struct report_options *as = &report->as;
  json_write_object(json, "as");
  if (as->source != NULL) json_write_text(json, "source", as->source);
  if (as->id != NULL) json_write_text(json, "id", as->id);
  if (as->id_prefix != NULL) json_write_text(json, "id_prefix", as->id_prefix);
  if (as->task_id != NULL) json_write_text(json, "task_id", as->task_id);
  if (report->has_kind) json_write_text(json, "kind", as->kind == REPORT_REMUX ? "remux" : "transcode");
  if (as->media.rate_num != 0) {
    json_write_list(json, "rate");
    json_write_u64(json, NULL, as->media.rate_num);
    json_write_u64(json, NULL, as->media.rate_den);
    json_write_end(json);
  }
  if (as->labels.len > 0) {
    json_write_next(json, "labels");
    labels_write_json(as->labels, json->out);
  }
  json_write_end(json);
}

static void compose(const struct spool *spool, const struct outputs *outputs, const struct outputs_report *report,
                    struct timespec began, struct buf *out) {
  struct json_write json = json_write_to(out);
  char host[HOST_NAME_MAX + 1];
  intent_host(host);
  json_write_object(&json, NULL);
  json_write_i64(&json, "intent", report->as.labels.len > 0 ? INTENT_VERSION : INTENT_VERSION_PLAIN);
  json_write_text(&json, "host", host);
  json_write_i64(&json, "pid", getpid());
  json_write_u64(&json, "start", intent_process_start(getpid()));
  if (report->as.project != NULL) json_write_text(&json, "project", report->as.project);
  write_moment(&json, "began", began);
  write_as(&json, report);
  write_outputs(&json, outputs, NULL);
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
  intent->head_len = text.len;
  *ret = intent;
  return 0;
}

/* Runs between fork and exec, in a process that had one thread. */
void intent_note_command(const struct intent *intent) {
  SCOPED(buf_fini) struct buf line = {0};
  struct json_write json = json_write_to(&line);
  json_write_object(&json, NULL);
  json_write_i64(&json, "pid", getpid());
  json_write_u64(&json, "start", intent_process_start(getpid()));
  end_line(&json);
  ssize_t wrote = line.failed ? -1 : write(intent->fd, line.ptr, line.len);
  (void)wrote; /* without this line, the lock shows that the command lives */
  if (fcntl(intent->fd, F_DUPFD, FD_OUT_OF_THE_WAY) < 0) (void)fcntl(intent->fd, F_SETFD, 0);
}

/* Writes a line behind the others, unless there was no memory for it. A line that is cut short is ignored when the
 * note is read. */
static void append_line(const struct intent *intent, const struct buf *text) {
  struct str line = text->failed ? STR("") : buf_view(text);
  while (line.len > 0) {
    ssize_t wrote = write(intent->fd, line.ptr, line.len);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    line = str_make(line.ptr + wrote, line.len - (size_t)wrote);
  }
  (void)fdatasync(intent->fd);
}

void intent_note_end(const struct intent *intent, const struct outputs *outputs, int status, struct timespec ended) {
  SCOPED_MALLOC struct file_mark *made = NULL;
  SCOPED(buf_fini) struct buf line = {.limit = INTENT_MAX};
  size_t count = status == 0 ? outputs_mark_made(outputs, &made) : 0; /* a task that failed has no outputs */
  struct json_write json = json_write_to(&line);
  json_write_object(&json, NULL);
  json_write_i64(&json, "status", status);
  write_moment(&json, "ended", ended);
  write_marks(&json, "made", made, count);
  end_line(&json);
  append_line(intent, &line);
}

void intent_note_unfinished(const struct intent *intent) {
  SCOPED(buf_fini) struct buf line = {0};
  struct json_write json = json_write_to(&line);
  json_write_object(&json, NULL);
  json_write_bool(&json, "unfinished", true);
  end_line(&json);
  append_line(intent, &line);
}

/* ---- rivals ---- */

/* Notes those candidates of a run that meet the other's. Behind a line that may have been cut short, and in one write,
 * because both runs write to the note. It need not survive a power cut, which ends both. If the disk is full, the other note
 * still has its side. */
static void append_rival(int fd, struct timespec began, const struct outputs *outputs, const struct rival_spots *own,
                         const struct rival_spots *other) {
  SCOPED(buf_fini) struct buf line = {.limit = INTENT_MAX};
  SCOPED_MALLOC bool *chosen = calloc(outputs->count + 1, sizeof *chosen);
  CHECK(chosen != NULL);
  if (rival_spots_meet(own, other, chosen) == 0) return;
  struct json_write json = json_write_to(&line);
  buf_char(&line, '\n');
  json_write_object(&json, NULL);
  write_moment(&json, "rival", began);
  write_outputs(&json, outputs, chosen);
  ssize_t wrote = fd < 0 || line.failed ? -1 : write(fd, line.ptr, line.len);
  (void)wrote;
}

static bool is_alive(const struct intent_note *note) {
  return intent_is_our_host(note) && (note->is_locked || intent_process_lives(note->run_pid, note->run_start) ||
                                      intent_command_lives(note));
}

/* Looks at the note of another run. */
static void meet(const struct intent *intent, const char *path, const struct rival_spots *spots,
                 const struct outputs *outputs, struct timespec began) {
  SCOPED(intent_note_fini) struct intent_note note = {.name = file_name(path), .path = strdup(path), .fd = -1};
  struct err err;
  CHECK(note.path != NULL);
  int result = intent_note_read(&note, &err);
  if (note.fd >= 0) (void)flock(note.fd, LOCK_UN);
  if (result != 0 || !note.has_lines || !is_alive(&note)) return;
  if (intent_is_above(note.run_pid)) return; /* a run within a run: what this one makes is that one's, too */
  SCOPED(rival_spots_free_ref) struct rival_spots *others = rival_spots_new(&note.outputs);
  SCOPED_FD int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  append_rival(fd, began, outputs, spots, others);
  append_rival(intent->fd, note.began, &note.outputs, others, spots);
}

void intent_meet(struct intent *intent, const struct spool *spool, const struct outputs *outputs, struct timespec began) {
  SCOPED(rival_spots_free_ref) struct rival_spots *spots = rival_spots_new(outputs);
  DIR *listed = opendir(spool->dir);
  for (struct dirent *entry = NULL; listed != NULL && (entry = readdir(listed)) != NULL;) {
    SCOPED_MALLOC char *path = file_path(spool->dir, entry->d_name);
    if (spool_is_run(entry->d_name) && strcmp(path, intent->path) != 0) meet(intent, path, spots, outputs, began);
  }
  if (listed != NULL) (void)closedir(listed);
}

bool intent_learn_rivals(const struct intent *intent, struct outputs *outputs) {
  SCOPED(buf_fini) struct buf text = {0};
  uint64_t size = 0;
  size_t got = 0, before = outputs->rivals.count;
  struct err err;
  bool has_more = file_size(intent->fd, intent->path, &size, &err) == 0 && size > intent->head_len;
  char *room = has_more ? buf_extend(&text, size - intent->head_len + JSON_PADDING) : NULL;
  if (room == NULL) return false;
  memset(room, 0, text.len);
  if (file_read(intent->fd, intent->path, intent->head_len, room, size - intent->head_len, &got, &err) != 0) return false;
  outputs_forget_rivals(outputs);
  intent_note_read_rivals(str_make(room, got), outputs);
  return outputs->rivals.count > before;
}

void intent_leave(struct intent *intent) {
  if (intent == NULL) return;
  if (intent->fd >= 0) (void)close(intent->fd);
  free(intent->path);
  free(intent);
}

void intent_remove(struct intent *intent) {
  if (intent == NULL) return;
  if (intent->fd >= 0) (void)unlink(intent->path);
  intent_leave(intent);
}
