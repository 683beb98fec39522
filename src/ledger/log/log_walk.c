/* Reads the log in order and in large pieces, beside the writer. A log of single events has blocks of a few hundred
 * bytes: a read for each would cost more than the checking.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "ledger/log/log_state.h"

#define PIECE (1u << 20)
_Static_assert(PIECE >= 2 * BLOCK_MAX, "a piece holds at least one whole block");

struct walk {
  struct log *log;
  char *piece;
  struct block_room *room;
  uint64_t begin, end; /* the positions that `piece` holds */
};

static void walk_fini(struct walk *walk) {
  free(walk->piece);
  free(walk->room);
}

/* Reads from a position to the end of its segment, or as much as fits. */
static int read_piece(struct walk *walk, uint64_t position, struct err *err) {
  struct segment_use use;
  size_t got = 0;
  int result = segments_use(walk->log->segments, position, &use, err);
  if (result != 0) return result;
  result = file_read(use.fd, use.segment.name, position - use.segment.base, walk->piece, PIECE, &got, err);
  segment_done(&use);
  walk->begin = position;
  walk->end = position + got;
  return result;
}

/* A block whose bytes are not all in the piece is read again from its beginning. */
static int read_next(struct walk *walk, uint64_t position, struct err *err) {
  struct str rest = {0};
  if (position >= walk->begin && position < walk->end) {
    rest = str_make(walk->piece + (position - walk->begin), (size_t)(walk->end - position));
  }
  uint32_t length = block_claimed_length(rest, position);
  if (length == 0 || length > rest.len) {
    int result = read_piece(walk, position, err);
    if (result != 0) return result;
    rest = str_make(walk->piece, (size_t)(walk->end - walk->begin));
  }
  return block_read(rest, position, walk->room, err);
}

static int at_fault(const struct walk *walk, uint64_t position, struct err *err) {
  struct segment segment;
  bool found = segments_find(walk->log->segments, position, &segment);
  CHECK(found);
  return err_prefix(err, "log/%s, offset %llu", segment.name, (unsigned long long)(position - segment.base));
}

/* A former end of a segment is where the next one begins: skips its head. */
static uint64_t skip_head(struct log *log, uint64_t position) {
  struct segment segment;
  bool is_head = segments_find(log->segments, position, &segment) && segment.base == position;
  return is_head ? position + SEGMENT_HEAD_SIZE : position;
}

int log_walk(struct log *log, uint64_t from, uint64_t to,
             int (*visit)(void *arg, const struct block *block, struct err *err), void *arg, struct err *err) {
  SCOPED(walk_fini) struct walk walk = {.log = log, .piece = malloc(PIECE), .room = malloc(sizeof *walk.room)};
  if (walk.piece == NULL || walk.room == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  int result = 0;
  for (uint64_t position = skip_head(log, from); position < to && result == 0;) {
    result = read_next(&walk, position, err);
    if (result == -ERR_CORRUPT) return at_fault(&walk, position, err);
    if (result != 0) return result;
    result = visit(arg, &walk.room->block, err);
    position = skip_head(log, position + walk.room->block.bytes.len);
  }
  return result;
}
