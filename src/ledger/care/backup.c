/* Backup and restore. A backup is a copy of the log and of the quarantine; a restore makes the other files from the
 * log.
 *
 *   DIR/backup.lock a writer of the backup locks it alone; restores from the backup share the lock
 *   DIR/log         segments, as in a data directory, up to a position that was on disk when the copy was made
 *   DIR/quarantine  notices that wait, as they were before the log was copied (side_files.h)
 *   DIR/backup      the label: ledger, position, time. It is written last, so an interrupted copy has no label, or
 *                   the old one.
 *
 * The quarantine is copied before the log, because a notice leaves it when its outputs are in the log. So each notice
 * is in the copy of the one, of the other, or of both; then its outputs are duplicates.
 *
 * The log only grows, so segments are copied as they are while the server writes. To bring a copy up to date, the
 * segments that it lacks are copied, and its last one again, because the server may have written to it since. Then
 * the copy, not the original, is read to the end: the backup reaches to its last whole block.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "ledger/care/backup.h"
#include "ledger/care/side_files.h"
#include "ledger/ledger.h"
#include "ledger/log/log.h"
#include "meter/rfc3339.h"

#define LABEL "backup"
#define LABEL_NEW "backup.new"
#define LABEL_FORMAT 1
#define LOCK "backup.lock"
#define LOCK_WAIT_MS 10000
#define LOCK_POLL_MS 50
#define RESTORING "restoring"
#define PIECE (1u << 20)
#define PUSH_PIECES 8u

struct copying {
  const struct ledger_progress *progress;
  uint64_t done, total;
  char *piece;
};

static void step(struct copying *copying, uint64_t bytes) {
  copying->done += bytes;
  const struct ledger_progress *progress = copying->progress;
  if (progress != NULL && progress->step != NULL) progress->step(progress->arg, copying->done, copying->total);
}

/* ---- copying segments ---- */

static int copy_range(struct copying *copying, int from, int to, const char *name, uint64_t at, uint64_t end,
                      struct err *err) {
  uint64_t pushed = at;
  while (at < end) {
    size_t want = end - at < PIECE ? (size_t)(end - at) : PIECE, got;
    int result = file_read(from, name, at, copying->piece, want, &got, err);
    if (result == 0 && got < want) result = err_set(err, ERR_IO, "%s became shorter during the copy", name);
    if (result == 0) result = file_write(to, name, at, copying->piece, got, err);
    if (result != 0) return result;
    at += got;
    if (at - pushed >= PUSH_PIECES * PIECE) {
      result = file_push(to, name, pushed, at - pushed, err);
      if (result != 0) return result;
      pushed = at;
    }
    step(copying, got);
  }
  return file_sync(to, name, err);
}

/* Copies a segment. A full copy of a segment that is not the last one is final, and is not made again. */
static int copy_segment(struct copying *copying, const char *from_dir, const char *to_dir,
                        const struct log_segment *segment, bool is_last, struct err *err) {
  SCOPED_MALLOC char *from_path = file_path(from_dir, segment->name);
  SCOPED_MALLOC char *to_path = file_path(to_dir, segment->name);
  SCOPED_FD int from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (from < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", from_path);
  SCOPED_FD int to = open(to_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (to < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", to_path);
  uint64_t have;
  int result = file_size(to, to_path, &have, err);
  if (result != 0) return result;
  if (have > segment->size) {
    return err_set(err, ERR_EXISTS, "%s is longer than the segment to copy: name an empty or a new directory",
                   to_path);
  }
  if (have < segment->size || is_last) return copy_range(copying, from, to, to_path, 0, segment->size, err);
  step(copying, have);
  return 0;
}

static int copy_log(struct copying *copying, const struct log *log, const char *from, const char *to,
                    struct err *err) {
  SCOPED_MALLOC char *from_dir = file_path(from, "log");
  SCOPED_MALLOC char *to_dir = file_path(to, "log");
  SCOPED_MALLOC char *piece = malloc(PIECE);
  CHECK(piece != NULL);
  copying->piece = piece;
  int result = file_make_dir(to_dir, err);
  for (size_t i = 0; i < log_segments(log) && result == 0; i++) {
    struct log_segment segment = log_segment(log, i);
    result = copy_segment(copying, from_dir, to_dir, &segment, i + 1 == log_segments(log), err);
  }
  return result == 0 ? file_sync_dir(to_dir, err) : result;
}

/* ---- reading a copy to its end ---- */

static int count_block(void *arg, const struct block *block, struct err *err) {
  (void)err;
  struct copying *copying = arg;
  step(copying, block->bytes.len);
  return 0;
}

static int read_copy(struct copying *copying, const char *dir, uint64_t *ret_end, uint64_t *ret_left,
                     struct err *err) {
  SCOPED(log_close_ref) struct log *log = NULL;
  int result = log_open_to_read(dir, &log, err);
  if (result == 0) result = log_scan(log, LOG_FIRST_POSITION, count_block, copying, ret_end, err);
  if (result != 0) return err_prefix(err, "the copy in %s", dir);
  *ret_left = log_end(log) - *ret_end;
  return 0;
}

/* Cuts off the bytes that the server was writing during the copy. */
static int cut_copy(const char *dir, uint64_t end, struct err *err) {
  SCOPED(log_close_ref) struct log *log = NULL;
  int result = log_open_to_read(dir, &log, err);
  if (result != 0) return result;
  struct log_segment last = log_segment(log, log_segments(log) - 1);
  SCOPED_MALLOC char *log_dir = file_path(dir, "log");
  SCOPED_MALLOC char *path = file_path(log_dir, last.name);
  SCOPED_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || ftruncate(fd, (off_t)(end - last.base)) != 0) {
    return err_set_errno(err, ERR_IO, errno, "cannot truncate %s", path);
  }
  return file_sync(fd, path, err);
}

/* ---- the label ---- */

static int write_label(const char *dir, const uint8_t *uuid, uint64_t end, int64_t now_ms, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, LABEL);
  SCOPED_MALLOC char *fresh = file_path(dir, LABEL_NEW);
  SCOPED_FD int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", fresh);
  char ledger[2 * LEDGER_UUID_SIZE + 1], time[RFC3339_SIZE];
  bytes_hex(uuid, LEDGER_UUID_SIZE, ledger);
  rfc3339_format(now_ms, time);
  SCOPED(buf_fini) struct buf text = {0};
  buf_printf(&text, "codecmeter backup %d\nledger %s\nposition %" PRIu64 "\ntime %s\n", LABEL_FORMAT, ledger, end,
             time);
  int result = file_write(fd, fresh, 0, text.ptr, text.len, err);
  if (result == 0) result = file_sync(fd, fresh, err);
  if (result == 0 && rename(fresh, path) != 0) result = err_set_errno(err, ERR_IO, errno, "cannot rename %s", fresh);
  return result == 0 ? file_sync_dir(dir, err) : result;
}

bool backup_has_label(const char *dir) {
  SCOPED_MALLOC char *path = file_path(dir, LABEL);
  return file_exists(path);
}

bool ledger_is_backup(const char *dir) {
  SCOPED_MALLOC char *derived = file_path(dir, "derived");
  return backup_has_label(dir) && !file_exists(derived);
}

int backup_read_label(const char *dir, uint64_t *ret_position, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, LABEL);
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    return err_set(err, ERR_NOT_FOUND,
                   "%s is not a finished backup: it has no file '" LABEL
                   "'. If you copied a log by hand, put log/ into a new data directory and run `codecmeter rebuild`",
                   dir);
  }
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  char text[512], ledger[33];
  size_t got;
  int format = 0;
  int result = file_read(fd, path, 0, text, sizeof text - 1, &got, err);
  if (result != 0) return result;
  text[got] = '\0';
  int read = sscanf(text, "codecmeter backup %d\nledger %32s\nposition %" SCNu64, &format, ledger, ret_position);
  if (read >= 1 && format > LABEL_FORMAT) {
    return err_set(err, ERR_VERSION,
                   "%s has format %d, but this version reads formats up to %d: use a later codecmeter", path, format,
                   LABEL_FORMAT);
  }
  return read == 3 ? 0 : err_set(err, ERR_CORRUPT, "%s is damaged: use another backup", path);
}

/* ---- the lock ---- */

static int lock_error(int fd, const char *dir, struct err *err) {
  char holder[128] = "";
  ssize_t len = pread(fd, holder, sizeof holder - 1, 0);
  if (len > 0) holder[strcspn(holder, "\n")] = '\0';
  return err_set(err, ERR_BUSY,
                 "another backup to %s, or a restore from it, is running (%s): run this again when it has ended", dir,
                 holder[0] != '\0' ? holder : "it has just begun");
}

/* Waits for the lock of a backup's directory. On a file system without locks, goes on without one. */
static int wait_for_lock(int fd, int operation, const char *dir, struct err *err) {
  for (int waited = 0; flock(fd, operation | LOCK_NB) != 0; waited += LOCK_POLL_MS) {
    if (errno != EWOULDBLOCK) return 0;
    if (waited >= LOCK_WAIT_MS) return lock_error(fd, dir, err);
    (void)usleep(LOCK_POLL_MS * 1000);
  }
  return 0;
}

/* Writes this process's pid and start into the lock file, for the error message of a process that waits in vain. */
static void sign_lock(int fd, int64_t now_ms) {
  char text[128], time[RFC3339_SIZE];
  rfc3339_format(now_ms, time);
  int len = snprintf(text, sizeof text, "pid %d, since %s\n", (int)getpid(), time);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) return; /* only a help */
}

/* Locks the directory of a backup for writing, until *ret_fd is closed. */
static int lock_target(const char *dir, int64_t now_ms, int *ret_fd, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, LOCK);
  *ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (*ret_fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  int result = wait_for_lock(*ret_fd, LOCK_EX, dir, err);
  if (result == 0) sign_lock(*ret_fd, now_ms);
  return result;
}

/* Locks a backup for reading; several restores may share it. Does not make the lock file: a backup of an earlier
 * version has none, and its disk may be mounted read-only. */
static int lock_source(const char *dir, int *ret_fd, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, LOCK);
  *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  return *ret_fd >= 0 ? wait_for_lock(*ret_fd, LOCK_SH, dir, err) : 0;
}

/* ---- backup ---- */

static bool is_empty(const char *dir) {
  DIR *entries = opendir(dir);
  bool empty = entries != NULL;
  for (struct dirent *entry = NULL; empty && (entry = readdir(entries)) != NULL;) {
    empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "lost+found") == 0 || strcmp(entry->d_name, LOCK) == 0 ||
            strcmp(entry->d_name, SIDE_FILES) == 0; /* of a backup that was interrupted before its first segment */
  }
  if (entries != NULL) (void)closedir(entries);
  return empty;
}

/* Accepts an empty directory or an earlier backup, never a data directory. Earlier versions left a lock in a backup that
 * a command had taken for a data directory. */
static int check_target(const char *to, struct err *err) {
  SCOPED_MALLOC char *log_dir = file_path(to, "log");
  SCOPED_MALLOC char *lock = file_path(to, "lock");
  SCOPED_MALLOC char *derived = file_path(to, "derived");
  if (file_exists(derived) || (file_exists(lock) && !backup_has_label(to))) {
    return err_set(err, ERR_EXISTS, "%s is a data directory: name another one for the backup", to);
  }
  if (file_exists(log_dir) || is_empty(to)) return 0;
  return err_set(err, ERR_EXISTS, "%s holds other files: name an empty or a new directory", to);
}

/* Checks that the backup to bring up to date is of the same ledger. */
static int check_before(const char *from, const char *to, struct err *err) {
  SCOPED_MALLOC char *log_dir = file_path(to, "log");
  SCOPED(log_close_ref) struct log *log = NULL;
  int result = log_open_to_read(from, &log, err);
  if (result != 0 || !file_exists(log_dir)) return result;
  SCOPED(log_close_ref) struct log *before = NULL;
  struct err ignored;
  if (log_open_to_read(to, &before, &ignored) == -ERR_NOT_FOUND)
    return 0; /* an earlier backup was interrupted before its first segment */
  if (before == NULL) {
    return err_set(err, ERR_CORRUPT, "the earlier backup in %s: %s; name an empty or a new directory", to,
                   ignored.text);
  }
  if (memcmp(log_uuid(before), log_uuid(log), LEDGER_UUID_SIZE) == 0) return 0;
  return err_set(err, ERR_EXISTS, "%s is a backup of another ledger: name an empty or a new directory", to);
}

static uint64_t bytes_of(const struct log *log) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < log_segments(log); i++)
    bytes += log_segment(log, i).size;
  return bytes;
}

int ledger_backup(const struct ledger_options *options, const char *to, const struct ledger_progress *progress,
                  struct ledger_backup_report *ret, struct err *err) {
  SCOPED(log_close_ref) struct log *log = NULL;
  SCOPED(side_files_fini) struct side_files gone = {0};
  SCOPED_FD int lock = -1;
  const struct clock *clock = options->clock != NULL ? options->clock : clock_system();
  int64_t now_ms = clock_real_ms(clock);
  if (file_is_inside(to, options->dir)) {
    return err_set(err, ERR_EXISTS, "%s is inside the data directory %s: name a directory outside it", to,
                   options->dir);
  }
  int result = file_make_dir(to, err);
  if (result == 0) result = check_target(to, err);
  if (result == 0) result = lock_target(to, now_ms, &lock, err);
  if (result == 0) result = check_before(options->dir, to, err);
  if (result == 0) result = side_files_copy(options->dir, to, &gone, err);
  /* After the wait, so that the log is not shorter than what another backup has copied, and after the quarantine. */
  if (result == 0) result = log_open_to_read(options->dir, &log, err);
  if (result != 0) return result;
  struct copying copying = {.progress = progress, .total = 2 * bytes_of(log)};
  uint64_t end = 0, left = 0;
  /* Syncs the log after the copy: everything in the copy is then on disk in the original too. */
  result = copy_log(&copying, log, options->dir, to, err);
  if (result == 0) result = log_sync_to_read(log, err);
  if (result == 0) result = read_copy(&copying, to, &end, &left, err);
  if (result == 0 && left > 0) result = cut_copy(to, end, err);
  if (result == 0) result = side_files_remove(to, &gone, err);
  if (result == 0) result = write_label(to, log_uuid(log), end, now_ms, err);
  if (result != 0) return result;
  if (progress != NULL && progress->step != NULL) progress->step(progress->arg, copying.total, copying.total);
  *ret = (struct ledger_backup_report){.position = end, .bytes = bytes_of(log) - left};
  return 0;
}

/* ---- restore ---- */

/* Copies the log to DATA/restoring, reads the copy to its end, then renames it to DATA/log. */
static int put_log(const struct ledger_options *options, const char *from, uint64_t position, struct copying *copying,
                   const struct log *log, struct err *err) {
  SCOPED_MALLOC char *restoring = file_path(options->dir, RESTORING);
  SCOPED_MALLOC char *fresh = file_path(restoring, "log");
  SCOPED_MALLOC char *place = file_path(options->dir, "log");
  uint64_t end = 0, left = 0;
  int result = file_remove_tree(restoring, err);
  if (result == 0) result = file_make_dir(restoring, err);
  if (result == 0) result = copy_log(copying, log, from, restoring, err);
  if (result == 0) result = read_copy(copying, restoring, &end, &left, err);
  if (result == 0 && (end < position || left > 0)) {
    result = err_set(err, ERR_CORRUPT,
                     "the backup in %s should reach to position %" PRIu64 ", but it is whole to %" PRIu64
                     " only: use another backup",
                     from, position, end);
  }
  if (result == 0) result = side_files_copy(from, options->dir, NULL, err);
  if (result == 0 && rename(fresh, place) != 0) result = err_set_errno(err, ERR_IO, errno, "cannot rename %s", fresh);
  if (result == 0) result = file_sync_dir(options->dir, err);
  return result == 0 ? file_remove_tree(restoring, err) : result;
}

/* An interrupted restore left the whole log in its place: it is the backup's log, and there are no derived files. */
static bool is_interrupted(const char *dir, const struct log *backup, uint64_t position) {
  SCOPED(log_close_ref) struct log *log = NULL;
  SCOPED_MALLOC char *derived = file_path(dir, "derived");
  return !file_exists(derived) && log_open_to_read(dir, &log, NULL) == 0 &&
         memcmp(log_uuid(log), log_uuid(backup), LEDGER_UUID_SIZE) == 0 && log_end(log) >= position;
}

/* Puts the backup's log into the data directory, unless an interrupted restore has done so. */
static int place_log(const struct ledger_options *options, const char *from, uint64_t position, struct copying *copying,
                     struct log *backup, struct err *err) {
  SCOPED_MALLOC char *place = file_path(options->dir, "log");
  SCOPED_MALLOC char *derived = file_path(options->dir, "derived");
  SCOPED_MALLOC char *restoring = file_path(options->dir, RESTORING);
  if (!file_exists(place) && !file_exists(derived)) return put_log(options, from, position, copying, backup, err);
  (void)rmdir(restoring); /* an interrupted restore may have left it, empty */
  if (is_interrupted(options->dir, backup, position)) return 0;
  return err_set(err, ERR_EXISTS, "%s already holds a ledger: name an empty or a new directory", options->dir);
}

int ledger_restore(const struct ledger_options *options, const char *from, const struct ledger_progress *progress,
                   struct ledger_backup_report *ret, struct err *err) {
  SCOPED(log_close_ref) struct log *log = NULL;
  uint64_t position;
  SCOPED_FD int lock = -1;
  if (file_is_inside(options->dir, from)) {
    return err_set(err, ERR_EXISTS, "%s is inside the backup %s: name a directory outside it", options->dir, from);
  }
  int result = lock_source(from, &lock, err);
  if (result == 0) result = backup_read_label(from, &position, err);
  if (result == 0) result = log_open_to_read(from, &log, err);
  if (result != 0) return result;
  struct copying copying = {.progress = progress, .total = 3 * bytes_of(log)};
  result = place_log(options, from, position, &copying, log, err);
  if (result == 0) result = ledger_rebuild(options, progress, err);
  if (result == 0) *ret = (struct ledger_backup_report){.position = position, .bytes = bytes_of(log)};
  return result;
}
