/* Clients repeat many reports at once, in their first order or in another one, and the writer compares each repeat
 * with its record. So a reader keeps the blocks that it has checked: when a day's file is sent again, each block is
 * read and checked once.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "ledger/log/block_cache.h"
#include "ledger/log/log_state.h"

struct log_reader {
  struct log *log;
  struct block_cache *cache;
  uint64_t uses;
};

struct log_reader *log_reader_new(struct log *log, uint64_t bytes_max) {
  struct log_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return NULL;
  reader->log = log;
  reader->cache = block_cache_new(bytes_max > LOG_READER_BYTES_MIN ? bytes_max : LOG_READER_BYTES_MIN);
  if (reader->cache != NULL) return reader;
  free(reader);
  return NULL;
}

void log_reader_free(struct log_reader *reader) {
  if (reader == NULL) return;
  block_cache_free(reader->cache);
  free(reader);
}

uint64_t log_reader_bytes(const struct log_reader *reader) { return block_cache_bytes(reader->cache); }
uint64_t log_reader_uses(const struct log_reader *reader) { return reader->uses; }
void log_reader_forget(struct log_reader *reader) { block_cache_clear(reader->cache); }

static int at_fault(const struct segment *segment, uint64_t position, struct err *err) {
  return err_prefix(err, "log/%s, offset %" PRIu64, segment->name, position - segment->base);
}

/* Allocates memory for a block. If there is none, frees all kept blocks and tries again. */
static char *room_for(struct log_reader *reader, size_t length) {
  char *bytes = malloc(length);
  if (bytes != NULL) return bytes;
  block_cache_clear(reader->cache);
  return malloc(length);
}

static int read_block(struct log_reader *reader, const struct segment_use *use, uint64_t position,
                      const struct block **ret, struct err *err) {
  uint64_t offset = position - use->segment.base;
  char head[BLOCK_HEAD_SIZE];
  size_t got;
  int result = file_read(use->fd, use->segment.name, offset, head, sizeof head, &got, err);
  if (result != 0) return result;
  size_t length = block_claimed_length(str_make(head, got), position);
  if (length == 0) return err_set(err, ERR_CORRUPT, "no block begins here");
  SCOPED_MALLOC char *bytes = room_for(reader, length);
  if (bytes == NULL) return err_set(err, ERR_MEMORY, "no memory to read a block of %zu bytes", length);
  result = file_read(use->fd, use->segment.name, offset, bytes, length, &got, err);
  return result == 0 ? block_cache_add(reader->cache, MOVE(bytes), got, position, ret, err) : result;
}

int log_read_block(struct log_reader *reader, uint64_t position, const struct block **ret, struct err *err) {
  reader->uses++;
  const struct block *found = block_cache_find(reader->cache, position);
  if (found != NULL && found->position == position) {
    *ret = found;
    return 0;
  }
  if (position >= reader->log->end) return -ERR_NOT_FOUND;
  struct segment_use use;
  int result = segments_use(reader->log->segments, position, &use, err);
  if (result != 0) return result;
  if (found != NULL) {
    result = err_set(err, ERR_CORRUPT, "no block begins here"); /* the position is inside a block */
  } else {
    result = read_block(reader, &use, position, ret, err);
  }
  if (result != 0) result = at_fault(&use.segment, position, err);
  segment_done(&use);
  return result;
}

static int read_distance(const struct segment_use *use, uint64_t position, uint64_t *ret_start, struct err *err) {
  char back[4];
  size_t got = 0;
  uint64_t offset = position - use->segment.base;
  int result = file_read(use->fd, use->segment.name, offset + 4, back, sizeof back, &got, err);
  if (result != 0) return result;
  uint32_t distance = got == sizeof back ? le32_load(back) : 0;
  if (distance < BLOCK_HEAD_SIZE || distance >= BLOCK_MAX || offset < SEGMENT_HEAD_SIZE + distance) {
    return err_set(err, ERR_CORRUPT, "no record begins here");
  }
  *ret_start = position - distance;
  return 0;
}

/* Finds the block of a record: a record holds its own offset in its block. The block's check proves the offset. */
static int block_start(struct log *log, uint64_t position, uint64_t *ret, struct err *err) {
  struct segment_use use;
  int result = segments_use(log->segments, position, &use, err);
  if (result != 0) return result;
  result = read_distance(&use, position, ret, err);
  if (result != 0) result = at_fault(&use.segment, position, err);
  segment_done(&use);
  return result;
}

int log_read_record(struct log_reader *reader, uint64_t position, struct record *ret, struct err *err) {
  reader->uses++;
  const struct block *block = block_cache_find(reader->cache, position);
  if (block == NULL) {
    uint64_t start = 0;
    int result = block_start(reader->log, position, &start, err);
    if (result == 0) result = log_read_block(reader, start, &block, err);
    if (result == -ERR_NOT_FOUND) {
      result = err_set(err, ERR_CORRUPT, "position %" PRIu64 " is beyond the end of the log", position);
    }
    if (result != 0) return result;
  }
  return block_record_at(block, (uint32_t)(position - block->position), ret, err);
}

int64_t log_record_time(struct log_reader *reader, uint64_t position) {
  const struct block *block = block_cache_find(reader->cache, position);
  CHECK(block != NULL);
  return block->time_ms;
}

uint64_t log_position_behind(struct log *log, const struct block *block) {
  uint64_t behind = block->position + block->bytes.len;
  struct segment segment;
  bool begins_segment = behind < log->end && segments_find(log->segments, behind, &segment) && segment.base == behind;
  return begins_segment ? behind + SEGMENT_HEAD_SIZE : behind;
}
