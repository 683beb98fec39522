/* The log: segment files of blocks, appended to by one writer. docs/format.md, section "Segment"; design §6.
 *
 * The only truth. What log_append has returned 0 for is on disk. Reading gives checked blocks only.
 */
#ifndef CODECMETER_LEDGER_LOG_H
#define CODECMETER_LEDGER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/block.h"
#include "ledger/segments.h"

/* Position of the first block of a new ledger. */
#define LOG_FIRST_POSITION SEGMENT_HEAD_SIZE

struct log;

/* Opens the log of a data directory: finds the segments, checks their heads and that they join. Reads no blocks. *ret
 * is NULL when there is none (or only one whose making was cut off). Caller closes. */
MUST_USE int log_open(const char *dir, uint64_t segment_size, struct log **ret, struct err *err);
/* Makes the first segment of a new ledger; DATA/log is made if need be. */
MUST_USE int log_create(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], int64_t now_ms, uint64_t segment_size,
                        struct log **ret, struct err *err);
/* Opens it as it is, changing nothing, also beside the process that writes to it: what is appended later is not seen.
 * -ERR_NOT_FOUND when there is none. */
MUST_USE int log_open_to_read(const char *dir, struct log **ret, struct err *err);
/* The files of a log that was opened to be read: in order, with as many bytes as they had. */
struct log_segment {
  char name[SEGMENT_NAME_SIZE]; /* in DATA/log */
  uint64_t base, size;
};
size_t log_segments(const struct log *log);
struct log_segment log_segment(const struct log *log, size_t index);
/* Syncs all that was there when it was opened, whoever wrote it. */
MUST_USE int log_sync_to_read(struct log *log, struct err *err);
void log_close(struct log *log);
SCOPED_REF(struct log, log_close)

const uint8_t *log_uuid(const struct log *log);
/* Position behind the last block. Before log_recover: behind the last byte of the files. */
uint64_t log_end(const struct log *log);
/* Position of the block that is appended next: beyond the end if a new segment is due, which is then made. If that
 * fails for now (the disk is full, too many files are open, no memory) the log is as it was, and it can be tried
 * again; any other error is final. */
MUST_USE int log_next(struct log *log, int64_t now_ms, uint64_t *ret_position, struct err *err);

/* ---- reading ---- */

/* A reader keeps the blocks that it used last and is used by one thread; readers of several threads may share a log.
 */
struct log_reader;
/* What every reader keeps at least: eight blocks of the largest size. */
#define LOG_READER_BYTES_MIN (8u * BLOCK_MAX)
/* Keeps as many blocks as fit into bytes_max, or into LOG_READER_BYTES_MIN if that is more. Memory is taken as blocks
 * are read. NULL: no memory. */
MUST_USE struct log_reader *log_reader_new(struct log *log, uint64_t bytes_max);
void log_reader_free(struct log_reader *reader);
/* Bytes of memory that the kept blocks take. */
uint64_t log_reader_bytes(const struct log_reader *reader);
/* How many blocks were asked for so far. */
uint64_t log_reader_uses(const struct log_reader *reader);
/* Frees all kept blocks; nothing that was borrowed may be in use. */
void log_reader_forget(struct log_reader *reader);
SCOPED_REF(struct log_reader, log_reader_free)

/* The block at a position, checked; borrowed until the reader's next call. -ERR_NOT_FOUND at the log's end.
 * -ERR_MEMORY and -ERR_DESCRIPTORS can pass. */
MUST_USE int log_read_block(struct log_reader *reader, uint64_t position, const struct block **ret, struct err *err);
/* The record at a position, and its block. */
MUST_USE int log_read_record(struct log_reader *reader, uint64_t position, struct record *ret, struct err *err);
/* Where the block behind this one stands: across the head of the next segment. */
uint64_t log_position_behind(struct log *log, const struct block *block);

/* Hands every block to `visit`, from a position on (a block's, a segment's, or the end). *ret_end is behind the last
 * one; what lies beyond is being written, or a torn tail that the next start cuts. Damage anywhere else is
 * -ERR_CORRUPT. */
MUST_USE int log_scan(struct log *log, uint64_t from,
                      int (*visit)(void *arg, const struct block *block, struct err *err), void *arg,
                      uint64_t *ret_end, struct err *err);

/* ---- recovery: before the first append ---- */

/* Makes sure of the log's end, then hands each block from a position (a block's, or the end) on to `apply`. What
 * cannot be read is a torn tail, and is cut and kept under DATA/cut, only if it lies in the last segment, no valid
 * later block says that it was synced, and it is not below `from`; anything else is -ERR_CORRUPT with file and
 * offset. What is left beyond the last known sync is written anew and synced before the first `apply`: bytes read
 * back are no proof of disk. */
MUST_USE int log_recover(struct log *log, uint64_t from,
                         int (*apply)(void *arg, const struct block *block, struct err *err), void *arg,
                         struct err *err);

/* ---- writing ---- */

/* Appends whole blocks that begin at the position log_next gave, and syncs them; calls `meanwhile`, if there is one,
 * when they are written and while they are synced. On -ERR_FULL the log is as it was and `meanwhile` was not called.
 * Any other error is final: the log takes nothing more. */
MUST_USE int log_append(struct log *log, struct str blocks, void (*meanwhile)(void *arg), void *arg,
                        struct err *err);
/* Up to where all is known to be on disk. */
uint64_t log_synced(const struct log *log);
/* Checks that what is written still is where a later start will look for it: the directory, the last segment, and (if
 * `all`) the other segments. -ERR_CORRUPT names what was removed, renamed, replaced or cut short. Any thread. */
MUST_USE int log_check_presence(struct log *log, bool all, struct err *err);

#endif
