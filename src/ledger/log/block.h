/* Blocks: the unit in which the log is written, checked and copied. docs/format.md, section "Block".
 *
 * struct block_writer lays out staged records as blocks in one contiguous piece of memory, ready for one write;
 * block_read checks a block's bytes and gives access to its records.
 */
#ifndef CODECMETER_LEDGER_LOG_BLOCK_H
#define CODECMETER_LEDGER_LOG_BLOCK_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/log/record.h"

#define BLOCK_MAX (256u << 10) /* bytes; a block must fit a message of a replicated stream */
#define BLOCK_NAMES_MAX 4096u
#define BLOCK_HEAD_SIZE 48u
#define BLOCK_ALIGN 8u

/* ---- reading ---- */

struct block {
  struct str bytes;  /* the whole block */
  uint64_t position; /* of its first byte */
  uint64_t synced;   /* when the block was written, the log was known to be synced up to this position */
  int64_t time_ms;
  uint32_t count;    /* records */
  struct str records;
  struct record_names names;
};

/* A block with room for its names; block_read fills it. */
struct block_room {
  struct block block; /* its names are in `items` */
  struct str items[BLOCK_NAMES_MAX];
};

/* The length that a block's head claims, or 0 if the head cannot be that of a block at this position. */
uint32_t block_claimed_length(struct str head, uint64_t position);
/* Checks the head, the checksum and the names; -ERR_CORRUPT says what is wrong. bytes may be longer than the block.
 * The block borrows bytes. */
MUST_USE int block_read(struct str bytes, uint64_t position, struct block_room *ret, struct err *err);

/* Reads the record at the offset *at of block->bytes and moves *at to the next one. Begin with BLOCK_HEAD_SIZE and
 * stop at block_records_end. */
MUST_USE int block_next(const struct block *block, uint32_t *at, struct record *ret, struct err *err);
/* The offset at which the records of a block end. */
uint32_t block_records_end(const struct block *block);
/* Reads the record at an offset of its block. */
MUST_USE int block_record_at(const struct block *block, uint32_t offset, struct record *ret, struct err *err);

/* ---- writing ---- */

struct block_writer;

MUST_USE struct block_writer *block_writer_new(void);
void block_writer_free(struct block_writer *writer);

/* Drops everything added so far and begins at a position. The heads of the following blocks get synced and
 * time_ms. */
void block_writer_begin(struct block_writer *writer, uint64_t position, uint64_t synced, int64_t time_ms);
/* Add a usage, or a catalogue record from record_encode, and give its position. -ERR_MEMORY changes nothing. */
MUST_USE int block_add_usage(struct block_writer *writer, const struct usage *usage, uint64_t *ret_position);
MUST_USE int block_add_record(struct block_writer *writer, struct str encoded, uint64_t *ret_position);
/* Seals the last block and returns all blocks, with their checksums. Nothing can be added until
 * block_writer_begin. */
struct str block_writer_finish(struct block_writer *writer);
/* Bytes so far, without the last block's names. */
size_t block_writer_size(const struct block_writer *writer);
/* Reads a record that was added since block_writer_begin; its texts are borrowed until the next call that changes the
 * writer, and from *ret itself. */
MUST_USE int block_writer_record(const struct block_writer *writer, uint64_t position, struct record *ret,
                                 struct err *err);

#endif
