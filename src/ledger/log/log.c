/* The log as a whole: opening it and appending to it. log_reader.c reads it, log_recover.c settles its end, and
 * segments.c manages its files.
 *
 *   log_open ──> log_recover ──> log_next ──> log_append ─┐
 *                                   ^                     │  0: synced
 *                                   └─────────────────────┘  -ERR_FULL: cut back to the synced end
 *                                                            other: `broken`, for good
 *
 * A shortage while log_next makes a segment is not final: the segment holds no block yet, so nothing is in doubt.
 *
 * Threads: only the writer appends; readers of other threads read the end and the list of segments.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "ledger/log/log_state.h"
#include "metrics/metrics.h"

/* ---- opening ---- */

static struct log *log_new(const char *data, uint64_t segment_size) {
  struct log *log = calloc(1, sizeof *log);
  CHECK(log != NULL);
  log->data = strdup(data);
  log->dir = file_path(data, "log");
  log->segment_size = segment_size;
  CHECK(log->data != NULL);
  return log;
}

void log_close(struct log *log) {
  if (log == NULL) return;
  syncer_free(log->syncer);
  segments_free(log->segments);
  free(log->dir);
  free(log->data);
  free(log);
}

static int open_log(const char *dir, uint64_t segment_size, bool read_only, struct log **ret, struct err *err) {
  SCOPED(log_close_ref) struct log *log = log_new(dir, segment_size);
  log->read_only = read_only;
  int result = segments_open(log->dir, read_only, &log->segments, err);
  if (result != 0) return result;
  if (segments_count(log->segments) == 0) {
    *ret = NULL;
    return 0;
  }
  struct segment last = segments_last(log->segments);
  log->end = last.base + last.size;
  *ret = MOVE(log);
  return 0;
}

int log_open(const char *dir, uint64_t segment_size, struct log **ret, struct err *err) {
  return open_log(dir, segment_size, false, ret, err);
}

int log_open_to_read(const char *dir, struct log **ret, struct err *err) {
  int result = open_log(dir, 0, true, ret, err);
  if (result == 0 && *ret == NULL) {
    return err_set(err, ERR_NOT_FOUND, "%s/log has no segments: name a data directory that holds a ledger", dir);
  }
  return result;
}

size_t log_segments(const struct log *log) { return segments_count(log->segments); }

uint64_t log_segment_base(const struct log *log, size_t index) { return segments_at(log->segments, index).base; }

struct log_segment log_segment(const struct log *log, size_t index) {
  CHECK(log->read_only);
  struct segment segment = segments_at(log->segments, index);
  struct log_segment copy = {.base = segment.base, .size = segment.size};
  memcpy(copy.name, segment.name, sizeof copy.name);
  return copy;
}

int log_sync_to_read(struct log *log, struct err *err) {
  struct segment_use use;
  /* Each segment was synced before the next one began. */
  int result = segments_use(log->segments, log->end, &use, err);
  if (result != 0) return result;
  result = file_sync_data(use.fd, use.segment.name, err);
  segment_done(&use);
  return result;
}

int log_create(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], int64_t now_ms, uint64_t segment_size,
               struct log **ret, struct err *err) {
  SCOPED(log_close_ref) struct log *log = log_new(dir, segment_size);
  int result = segments_open(log->dir, false, &log->segments, err);
  if (result == 0) result = segments_create(log->segments, uuid, 0, now_ms, err);
  if (result != 0) return result;
  log->end = SEGMENT_HEAD_SIZE;
  log->synced = SEGMENT_HEAD_SIZE;
  *ret = MOVE(log);
  return 0;
}

const uint8_t *log_uuid(const struct log *log) { return segments_uuid(log->segments); }
uint64_t log_end(const struct log *log) { return log->end; }
uint64_t log_synced(const struct log *log) { return log->synced; }

/* ---- writing ---- */

int log_next(struct log *log, int64_t now_ms, uint64_t *ret_position, struct err *err) {
  if (log->broken) {
    return err_set(err, ERR_IO, "the log accepts no more blocks after a failed write or sync: restart the program");
  }
  uint64_t end = log->end;
  struct segment last = segments_last(log->segments);
  if (end - last.base >= log->segment_size || last.format < SEGMENT_FORMAT) {
    int result = segments_create(log->segments, NULL, end, now_ms, err);
    if (result != 0) {
      log->broken = err_kind(result) != ERR_KIND_RETRY;
      return result;
    }
    log->end = end + SEGMENT_HEAD_SIZE;
    log->synced = end + SEGMENT_HEAD_SIZE;
  }
  *ret_position = log->end;
  return 0;
}

/* If no thread can be started, `meanwhile` and the sync run one after the other. */
static int sync_segment(struct log *log, int fd, const char *name, void (*meanwhile)(void *arg), void *arg,
                        struct err *err) {
  if (meanwhile == NULL) return syncer_sync(fd, name, err);
  if (log->syncer == NULL) log->syncer = syncer_new();
  if (log->syncer != NULL) syncer_begin(log->syncer, fd, name);
  meanwhile(arg);
  return log->syncer != NULL ? syncer_wait(log->syncer, err) : syncer_sync(fd, name, err);
}

/* A failed write or sync is final, also after a shortage: what is on disk is unknown. */
static int give_up(struct log *log, struct err *err) {
  log->broken = true;
  if (err != NULL) err->code = ERR_IO;
  return -ERR_IO;
}

/* A write behind the end of a file that was cut short would fill the gap with zeros. Nobody would see it before the
 * next start. */
static int check_end(int fd, const char *name, uint64_t end, struct err *err) {
  uint64_t size;
  int result = file_size(fd, name, &size, err);
  if (result != 0 || size >= end) return result;
  return err_set(
      err, ERR_CORRUPT,
      "log/%s was cut short while the server ran: restore the log from a backup and have the reporters send again "
      "what they have kept",
      name);
}

int log_append(struct log *log, struct str blocks, void (*meanwhile)(void *arg), void *arg, struct err *err) {
  CHECK(!log->broken);
  struct segment last = segments_last(log->segments);
  int fd = segments_last_fd(log->segments);
  uint64_t offset = log->end - last.base;
  int result = check_end(fd, last.name, offset, err);
  if (result != 0) return give_up(log, err);
  result = file_write(fd, last.name, offset, blocks.ptr, blocks.len, err);
  if (result == -ERR_FULL && ftruncate(fd, (off_t)offset) == 0) return result;
  if (result == -ERR_FULL) (void)err_set_errno(err, ERR_IO, errno, "cannot truncate log/%s", last.name);
  /* The kernel may drop the pages that a failed sync could not write, so a second sync would prove nothing. */
  if (result == 0) result = sync_segment(log, fd, last.name, meanwhile, arg, err);
  if (result != 0) return give_up(log, err);
  segments_resize(log->segments, offset + blocks.len);
  log->end += blocks.len;
  log->synced = log->end;
  metrics_add(METRIC_LOG_WRITTEN, 0, blocks.len);
  return 0;
}

int log_check_presence(struct log *log, bool all, struct err *err) {
  return segments_check_presence(log->segments, all, err);
}
