/* Blocks: the unit in which the log is written, checked and copied. docs/format.md, section "Block".
 *
 * struct block_writer lays staged records out as blocks in one contiguous piece of memory, ready for one write;
 * block_read checks a block's bytes and gives its records.
 */
#ifndef CODECMETER_LEDGER_BLOCK_H
#define CODECMETER_LEDGER_BLOCK_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/record.h"

#define BLOCK_MAX (256u << 10) /* bytes, so that a block fits a message of a replicated stream */
#define BLOCK_NAMES_MAX 4096u
#define BLOCK_HEAD_SIZE 48u
#define BLOCK_ALIGN 8u

/* ---- reading ---- */

struct block {
  struct str bytes;  /* the whole block */
  uint64_t position; /* of its first byte */
  uint64_t synced;   /* up to where the log was known to be synced when it was written */
  int64_t time_ms;
  uint32_t count;    /* records */
  struct str records;
  struct record_names names;
};

/* A block and room for its names: what block_read fills. */
struct block_room {
  struct block block; /* its names are in `items` */
  struct str items[BLOCK_NAMES_MAX];
};

/* The length that a block's head claims, if it could be a block at that position at all: 0 when it could not. */
uint32_t block_claimed_length(struct str head, uint64_t position);
/* Checks everything: -ERR_CORRUPT says what is wrong. bytes may be longer than the block. block borrows bytes. */
MUST_USE int block_read(struct str bytes, uint64_t position, struct block_room *ret, struct err *err);

/* Walks the records: at is an offset into block->bytes, BLOCK_HEAD_SIZE at first, moved to the next record. */
MUST_USE int block_next(const struct block *block, uint32_t *at, struct record *ret, struct err *err);
/* Where the records of a block end. */
uint32_t block_records_end(const struct block *block);
/* The record that stands at that offset of its block. */
MUST_USE int block_record_at(const struct block *block, uint32_t offset, struct record *ret, struct err *err);

/* ---- writing ---- */

struct block_writer;

MUST_USE struct block_writer *block_writer_new(void);
void block_writer_free(struct block_writer *writer);

/* Drops all and begins at a position. synced and time_ms go into the heads of the blocks to come. */
void block_writer_begin(struct block_writer *writer, uint64_t position, uint64_t synced, int64_t time_ms);
/* Adds a usage, a catalogue record (from record_encode). Gives the record's position. -ERR_MEMORY leaves all as it
 * was. */
MUST_USE int block_add_usage(struct block_writer *writer, const struct usage *usage, uint64_t *ret_position);
MUST_USE int block_add_record(struct block_writer *writer, struct str encoded, uint64_t *ret_position);
/* Seals the last block: all blocks, checksummed. Nothing can be added until the next begin. */
struct str block_writer_finish(struct block_writer *writer);
/* Bytes so far, without the last block's names. */
size_t block_writer_size(const struct block_writer *writer);
/* A usage that was added and not yet begun away; texts are borrowed until the next call that writes. */
MUST_USE int block_writer_usage(const struct block_writer *writer, uint64_t position, struct usage *ret,
                                struct err *err);

#endif
