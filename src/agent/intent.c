/* The note must be on disk before the command exists, else a power cut could leave outputs that nobody knows of.
 * After the command has ended, the note gets the marks of what was made: from then on other programs may write to the
 * same paths.
 */
#include "agent/intent.h"

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
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#define FD_OUT_OF_THE_WAY 200 /* scripts use low descriptors for themselves */
#define WRITE_TRIES 8

struct intent {
  int fd;
  char *path;
};

static void append_file(struct buf *out, const char *path, const struct file_before *was) {
  buf_text(out, "{\"path\":\"");
  path_text_append(out, path);
  buf_text(out, "\",\"was\":");
  if (!was->was_there) {
    buf_text(out, "null");
    return;
  }
  buf_printf(out, "[%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%lld,%ld,%lld,%ld]", was->dev, was->ino, was->size,
             (long long)was->mtime.tv_sec, was->mtime.tv_nsec, (long long)was->ctime.tv_sec, was->ctime.tv_nsec);
}

static void append_marks(struct buf *out, const char *name, const struct file_mark *marks, size_t count) {
  buf_printf(out, ",\"%s\":\"", name);
  for (size_t i = 0; i < count; i++)
    buf_printf(out, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, marks[i].path, marks[i].content, marks[i].change);
  buf_char(out, '"');
}

static void append_candidate(struct buf *out, const struct candidate *candidate) {
  append_file(out, candidate->path, &candidate->before);
  if (candidate->role != CANDIDATE_NAMED) buf_printf(out, ",\"role\":\"%s\"", intent_role_names[candidate->role]);
  if (candidate->is_remux) buf_text(out, ",\"remux\":true");
  if (candidate->is_task) buf_text(out, ",\"task\":true");
  if (candidate->was_full) buf_text(out, ",\"full\":true");
  if (candidate->was_hidden) buf_text(out, ",\"hidden\":true");
  if (candidate->seen_count > 0) append_marks(out, "seen", candidate->seen, candidate->seen_count);
  buf_char(out, '}');
}

static void append_as(struct buf *out, const struct outputs_report *report) {
  const struct report_options *as = &report->as;
  buf_text(out, ",\"as\":{");
  if (as->source != NULL) json_add_member(out, "source", as->source);
  if (as->id != NULL) json_add_member(out, "id", as->id);
  if (as->id_prefix != NULL) json_add_member(out, "id_prefix", as->id_prefix);
  if (as->task_id != NULL) json_add_member(out, "task_id", as->task_id);
  if (report->has_kind) json_add_member(out, "kind", as->kind == REPORT_REMUX ? "remux" : "transcode");
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
  intent_host(host);
  buf_printf(out, "{\"intent\":%d", INTENT_VERSION);
  json_add_member(out, "host", host);
  buf_printf(out, ",\"pid\":%d,\"start\":%" PRIu64, (int)getpid(), intent_process_start(getpid()));
  if (report->as.project != NULL) json_add_member(out, "project", report->as.project);
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
  int len = snprintf(line, sizeof line, "{\"pid\":%d,\"start\":%" PRIu64 "}\n", (int)getpid(),
                     intent_process_start(getpid()));
  ssize_t wrote = write(intent->fd, line, (size_t)len);
  (void)wrote; /* without this line, the lock shows that the command lives */
  if (fcntl(intent->fd, F_DUPFD, FD_OUT_OF_THE_WAY) < 0) (void)fcntl(intent->fd, F_SETFD, 0);
}

/* Writes a line behind the others. A line that is cut short is ignored when the note is read. */
static void append_line(const struct intent *intent, struct str line) {
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
  buf_printf(&line, "{\"status\":%d,\"ended\":[%lld,%ld]", status, (long long)ended.tv_sec, ended.tv_nsec);
  append_marks(&line, "made", made, count);
  buf_text(&line, "}\n");
  if (!line.failed) append_line(intent, buf_view(&line));
}

void intent_note_unfinished(const struct intent *intent) { append_line(intent, STR("{\"unfinished\":true}\n")); }

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
