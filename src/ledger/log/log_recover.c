/* Handles the bytes after the last known sync. A start checks them, cuts them if they are torn, and writes the good
 * ones again. A scan beside the writer does not change them.
 *
 * Each segment is synced before the next one begins. So only the last segment can have a torn tail, and only beyond
 * the position that one of its blocks says was synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "ledger/log/log_state.h"

#define DAMAGED "the log is damaged at bytes that were synced; restore it from a backup"

static bool all_zero(const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

/* ---- a torn tail ---- */

/* The state of a scan. */
struct scan {
  struct log *log;
  uint64_t position; /* after the last good block */
  uint64_t synced;   /* everything below is known to be synced */
};

/* True if the tail, which begins with a bad block at `bad`, holds a valid block that says the bad one was synced. */
static bool tail_says_synced(struct str tail, uint64_t bad) {
  SCOPED_MALLOC struct block_room *room = malloc(sizeof *room);
  CHECK(room != NULL);
  for (size_t at = BLOCK_ALIGN; at + BLOCK_HEAD_SIZE <= tail.len; at += BLOCK_ALIGN) {
    struct str rest = str_make(tail.ptr + at, tail.len - at);
    if (block_claimed_length(rest, bad + at) == 0) continue;
    if (block_read(rest, bad + at, room, NULL) == 0 && room->block.synced > bad) return true;
  }
  return false;
}

static int read_last(struct log *log, const struct segment *last, uint64_t offset, char *out, size_t len,
                     size_t *ret_got, struct err *err) {
  struct segment_use use;
  int result = segments_use(log->segments, last->base, &use, err);
  if (result != 0) return result;
  result = file_read(use.fd, last->name, offset, out, len, ret_got, err);
  segment_done(&use);
  return result;
}

/* Reads the last segment from a bad block on: is it all zero, and does a later block say that it was synced? */
static int look_at_tail(struct scan *scan, uint64_t bad, bool *ret_synced, bool *ret_zero, struct err *err) {
  struct segment last = segments_last(scan->log->segments);
  uint64_t length = last.base + last.size - bad;
  SCOPED_MALLOC char *tail = malloc(length + 1);
  if (tail == NULL) return err_set(err, ERR_MEMORY, "no memory to read a torn tail of %" PRIu64 " bytes", length);
  size_t got;
  int result = read_last(scan->log, &last, bad - last.base, tail, length, &got, err);
  if (result != 0) return result;
  *ret_zero = all_zero(tail, got);
  *ret_synced = tail_says_synced(str_make(tail, got), bad);
  return 0;
}

/* Copies the tail, before it is cut, to DATA/cut/<position>-<time>. */
static int keep_cut(struct log *log, const struct segment *segment, uint64_t from, struct err *err) {
  SCOPED_MALLOC char *dir = file_path(log->data, "cut");
  int result = file_make_dir(dir, err);
  if (result != 0) return result;
  char name[64];
  (void)snprintf(name, sizeof name, "%016" PRIx64 "-%lld", from, (long long)(clock_real_ms(clock_system()) / 1000));
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s to keep a torn tail", path);
  char piece[1 << 16];
  uint64_t at = from - segment->base, to = 0;
  for (size_t got = sizeof piece; got == sizeof piece && result == 0;) {
    result = file_read(segments_last_fd(log->segments), segment->name, at, piece, sizeof piece, &got, err);
    if (result == 0) result = file_write(fd, path, to, piece, got, err);
    at += got;
    to += got;
  }
  if (result == 0) result = file_sync(fd, path, err);
  return result == 0 ? file_sync_dir(dir, err) : result;
}

static int cut_tail(struct log *log, uint64_t from, struct err *err) {
  struct segment last = segments_last(log->segments);
  int fd = segments_last_fd(log->segments);
  if (ftruncate(fd, (off_t)(from - last.base)) != 0) {
    return err_set_errno(err, ERR_IO, errno, "cannot cut a torn tail off log/%s", last.name);
  }
  segments_resize(log->segments, from - last.base);
  log->end = from;
  return file_sync(fd, last.name, err);
}

/* A block at `bad` cannot be read, for the reason in err. Returns 0 if it begins a torn tail, which was never
 * acknowledged, and an error for any other damage. */
static int judge_damage(struct scan *scan, uint64_t bad, bool *ret_zero, struct err *err) {
  bool synced = true;
  struct err reason = *err;
  if (bad >= segments_last(scan->log->segments).base && bad >= scan->synced) {
    int result = look_at_tail(scan, bad, &synced, ret_zero, err);
    if (result != 0) return result;
  }
  if (!synced) return 0;
  *err = reason;
  return err_prefix(err, DAMAGED);
}

static int cut_torn(struct log *log, uint64_t bad, bool zero, const struct err *reason, struct err *err) {
  struct segment last = segments_last(log->segments);
  if (!zero) {
    uint64_t lost = last.base + last.size - bad;
    diag_warning("cut a torn tail of %" PRIu64 " bytes off log/%s, from offset %" PRIu64
                 " (%s). No client had an answer for these bytes; a copy is in cut/",
                 lost, last.name, bad - last.base, reason->text);
    int result = keep_cut(log, &last, bad, err);
    if (result != 0) return result;
  }
  return cut_tail(log, bad, err);
}

static int rewrite_unsynced(struct scan *scan, uint64_t from, struct err *err) {
  struct log *log = scan->log;
  struct segment last = segments_last(log->segments);
  int fd = segments_last_fd(log->segments);
  if (from < last.base) from = last.base;
  SCOPED_MALLOC char *piece = malloc(BLOCK_MAX);
  if (piece == NULL) return err_set(err, ERR_MEMORY, "no memory to write the end of the log again");
  for (uint64_t at = from; at < log->end;) {
    size_t want = log->end - at < BLOCK_MAX ? (size_t)(log->end - at) : BLOCK_MAX, got;
    int result = file_read(fd, last.name, at - last.base, piece, want, &got, err);
    if (result == 0 && got != want) result = err_set(err, ERR_IO, "log/%s became shorter during recovery", last.name);
    if (result == 0) result = file_write(fd, last.name, at - last.base, piece, want, err);
    if (result != 0) return result;
    at += want;
  }
  int result = file_sync(fd, last.name, err);
  return result == 0 ? file_sync_dir(log->dir, err) : result;
}

/* Finds the end of the last segment's good blocks; -ERR_CORRUPT if other bytes follow. */
static int scan_tail(struct scan *scan, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(scan->log, 0);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the end of the log");
  for (;;) {
    const struct block *block;
    int result = log_read_block(reader, scan->position, &block, err);
    if (result != 0) return result == -ERR_NOT_FOUND ? 0 : result;
    if (block->synced > scan->synced) scan->synced = block->synced;
    scan->position = block->position + block->bytes.len;
  }
}

/* Reads what may not be synced, cuts a torn tail off it, and writes the rest again. Earlier segments were synced
 * before the last one began, and everything below `from` was synced before a checkpoint covered it. */
static int settle_tail(struct log *log, uint64_t from, struct err *err) {
  uint64_t begin = segments_last(log->segments).base + SEGMENT_HEAD_SIZE;
  if (from > begin) begin = from;
  struct scan scan = {.log = log, .position = begin, .synced = begin};
  int result = scan_tail(&scan, err);
  if (result == -ERR_CORRUPT) {
    bool zero = false;
    struct err reason = *err;
    result = judge_damage(&scan, scan.position, &zero, err);
    if (result == 0) result = cut_torn(log, scan.position, zero, &reason, err);
  }
  if (result == 0) result = rewrite_unsynced(&scan, scan.synced, err);
  if (result == 0) log->synced = log->end;
  return result;
}

/* A former end of the log may now be the head of a segment: skips the head. */
static uint64_t skip_head(struct log *log, uint64_t position) {
  struct segment begun;
  bool is_head = segments_find(log->segments, position, &begun) && begun.base == position;
  return is_head ? position + SEGMENT_HEAD_SIZE : position;
}

int log_recover(struct log *log, uint64_t from, int (*apply)(void *arg, const struct block *block, struct err *err),
                void *arg, struct err *err) {
  if (from > log->end) {
    return err_set(err, ERR_CORRUPT,
                   "the derived files cover the log up to position %" PRIu64 ", but the log ends at %" PRIu64
                   ": put back the right log, or run `codecmeter rebuild` to go on with what this log holds",
                   from, log->end);
  }
  from = skip_head(log, from);
  int result = settle_tail(log, from, err);
  if (result != 0) return result;
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log, 0);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  for (uint64_t position = from; position < log->end;) {
    const struct block *block;
    result = log_read_block(reader, position, &block, err);
    if (result == -ERR_CORRUPT) return err_prefix(err, DAMAGED);
    if (result == 0) result = apply(arg, block, err);
    if (result != 0) return result;
    position = log_position_behind(log, block);
  }
  return 0;
}

/* ---- reading all, also beside the writer ---- */

int log_scan(struct log *log, uint64_t from, int (*visit)(void *arg, const struct block *block, struct err *err),
             void *arg, uint64_t *ret_end, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log, 0);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  struct scan scan = {.log = log, .position = skip_head(log, from), .synced = LOG_FIRST_POSITION};
  while (scan.position < log->end) {
    const struct block *block = NULL;
    int result = log_read_block(reader, scan.position, &block, err);
    if (result == -ERR_CORRUPT) {
      bool zero;
      result = judge_damage(&scan, scan.position, &zero, err);
      if (result == 0) break; /* the rest is being written, or is a torn tail */
    }
    if (result == 0) result = visit(arg, block, err);
    if (result != 0) return result;
    if (block->synced > scan.synced) scan.synced = block->synced;
    scan.position = log_position_behind(log, block);
  }
  *ret_end = scan.position;
  return 0;
}
