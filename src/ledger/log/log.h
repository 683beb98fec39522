/* The log: segment files of blocks, appended to by one writer. docs/format.md, section "Segment"; design §6.
 *
 * The log is the only truth. Blocks for which log_append returned 0 are on disk. Readers get checked blocks only.
 */
#ifndef CODECMETER_LEDGER_LOG_LOG_H
#define CODECMETER_LEDGER_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/log/block.h"
#include "ledger/log/segments.h"

/* Position of the first block of a new ledger. */
#define LOG_FIRST_POSITION SEGMENT_HEAD_SIZE

struct log;

/* Opens the log of a data directory: finds the segments, checks their heads, and checks that each begins where the
 * one before ends. Reads no blocks. *ret is NULL if there is no segment, or only an unfinished one. Caller closes. */
MUST_USE int log_open(const char *dir, uint64_t segment_size, struct log **ret, struct err *err);
/* Makes the first segment of a new ledger, and DATA/log if it does not exist. */
MUST_USE int log_create(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], int64_t now_ms, uint64_t segment_size,
                        struct log **ret, struct err *err);
/* Opens the log for reading and changes nothing. Works beside the process that writes to the log; blocks appended
 * later are not seen. -ERR_NOT_FOUND if there is no log. */
MUST_USE int log_open_to_read(const char *dir, struct log **ret, struct err *err);
/* The files of a log opened for reading, in order, with the sizes that they had when it was opened. */
struct log_segment {
  char name[SEGMENT_NAME_SIZE]; /* in DATA/log */
  uint64_t base, size;
};
size_t log_segments(const struct log *log);
struct log_segment log_segment(const struct log *log, size_t index);
/* Syncs everything that was in the log when it was opened, even if another process wrote it. */
MUST_USE int log_sync_to_read(struct log *log, struct err *err);
void log_close(struct log *log);
SCOPED_REF(struct log, log_close)

const uint8_t *log_uuid(const struct log *log);
/* Position after the last block. Before log_recover: after the last byte of the files. */
uint64_t log_end(const struct log *log);
/* Gives the position of the next block to append. If a new segment is due, because the last one is full or has an
 * earlier format, makes it, and the position is after its head. If making it fails for now (the disk is full, too many files are open, no memory), the log is as it was, and
 * the caller may try again; any other error is final. */
MUST_USE int log_next(struct log *log, int64_t now_ms, uint64_t *ret_position, struct err *err);

/* ---- reading ---- */

/* A reader keeps the blocks that it used last. One thread uses a reader; readers of several threads may share a log.
 */
struct log_reader;
/* The least that every reader keeps: eight blocks of the largest size. */
#define LOG_READER_BYTES_MIN (8u * BLOCK_MAX)
/* Keeps as many blocks as fit into bytes_max, or into LOG_READER_BYTES_MIN if that is more. Takes memory as it reads
 * blocks. NULL: no memory. */
MUST_USE struct log_reader *log_reader_new(struct log *log, uint64_t bytes_max);
void log_reader_free(struct log_reader *reader);
/* Bytes of memory that the kept blocks take. */
uint64_t log_reader_bytes(const struct log_reader *reader);
/* A count that grows with each request for a block or a record. */
uint64_t log_reader_uses(const struct log_reader *reader);
/* Frees all kept blocks. The caller must no longer use anything that it borrowed from the reader. */
void log_reader_forget(struct log_reader *reader);
SCOPED_REF(struct log_reader, log_reader_free)

/* Reads and checks the block at a position; borrowed until the reader's next call. -ERR_NOT_FOUND at the log's end.
 * -ERR_MEMORY and -ERR_DESCRIPTORS may pass. */
MUST_USE int log_read_block(struct log_reader *reader, uint64_t position, const struct block **ret, struct err *err);
/* Reads the record at a position, and checks its whole block. Borrowed and errors as log_read_block, but a position
 * at or beyond the end is -ERR_CORRUPT. */
MUST_USE int log_read_record(struct log_reader *reader, uint64_t position, struct record *ret, struct err *err);
/* The time of the block of a record, which log_read_record of this reader has just read. */
int64_t log_record_time(struct log_reader *reader, uint64_t position);
/* The position of the block after this one: the end of this block, or, if a segment begins there, the end of that
 * segment's head. */
uint64_t log_position_behind(struct log *log, const struct block *block);

/* Passes every block from a position on (a block's, a segment's, or the end) to `visit`. *ret_end is the position
 * after the last one; bytes beyond it are being written, or are a torn tail that the next start cuts. Damage anywhere
 * else is -ERR_CORRUPT. */
MUST_USE int log_scan(struct log *log, uint64_t from,
                      int (*visit)(void *arg, const struct block *block, struct err *err), void *arg,
                      uint64_t *ret_end, struct err *err);

/* Passes every block from a position on (a block's, or a segment's) to `visit`, up to `to`, which is a block's end; also
 * beside the writer, which has committed everything below `to`. Reads a piece of a megabyte at a time, so small blocks
 * cost little. visit returns 0 to go on; anything else ends the walk and is returned. Any thread. */
MUST_USE int log_walk(struct log *log, uint64_t from, uint64_t to,
                      int (*visit)(void *arg, const struct block *block, struct err *err), void *arg,
                      struct err *err);
/* Where a segment begins, by its index below log_segments. Any thread. */
uint64_t log_segment_base(const struct log *log, size_t index);

/* ---- recovery: before the first append ---- */

/* Settles the log's end, then passes each block from a position (a block's, or the end) on to `apply`. Bytes that
 * cannot be read are a torn tail only if they are in the last segment, are not below `from`, and no valid later block
 * says that they were synced. A torn tail is cut, and a copy is kept under DATA/cut; any other damage is -ERR_CORRUPT
 * with file and offset. Good blocks beyond the last known sync are written again and synced before the first `apply`,
 * because reading bytes back does not prove that they are on disk. */
MUST_USE int log_recover(struct log *log, uint64_t from,
                         int (*apply)(void *arg, const struct block *block, struct err *err), void *arg,
                         struct err *err);

/* ---- writing ---- */

/* Appends whole blocks at the position that log_next gave, and syncs them. Calls `meanwhile`, unless it is NULL,
 * after the write and during the sync. On -ERR_FULL the log is as it was and `meanwhile` was not called. Any other
 * error is final: the log accepts no more blocks. */
MUST_USE int log_append(struct log *log, struct str blocks, void (*meanwhile)(void *arg), void *arg,
                        struct err *err);
/* Everything below this position is known to be on disk. */
uint64_t log_synced(const struct log *log);
/* Checks that the log is still where a later start will look for it: the directory, the last segment, and (if `all`)
 * the other segments. -ERR_CORRUPT names what was removed, renamed, replaced or cut short. Any thread. */
MUST_USE int log_check_presence(struct log *log, bool all, struct err *err);

#endif
