/* The segment files of a log: their names, their heads, and which of them are open. docs/format.md, section
 * "Segment".
 *
 * A log may have thousands of segments. At most SEGMENTS_OPEN of them are kept open, the ones used last; a reader
 * that uses one holds it until segment_done. The writer keeps the last segment open besides.
 *
 * Threads: the writer alone adds segments and changes the last one. Any thread may find and use segments meanwhile.
 */
#ifndef CODECMETER_LEDGER_SEGMENTS_H
#define CODECMETER_LEDGER_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/scope.h"

#define LEDGER_UUID_SIZE 16
#define SEGMENT_HEAD_SIZE 64u
#define SEGMENT_NAME_SIZE 21 /* 16 hex digits, ".seg", NUL */
#define SEGMENTS_OPEN 16u    /* files kept open to be read */
/* Descriptors that a log takes at most while two readers and the writer are at work: those kept open, one in use by
 * each reader, the last segment, the directory, the next segment, and the directory's sync. */
#define SEGMENTS_DESCRIPTORS (SEGMENTS_OPEN + 6u)

struct segment {
  uint64_t base; /* position of its first byte */
  uint64_t size; /* bytes of the file that count */
  char name[SEGMENT_NAME_SIZE];
};

struct segments;

/* Finds the segments in a directory (`dir`, DATA/log) and checks their heads and that they join. A last one that was
 * never finished holds nothing: it is removed, or ignored if read_only. There may be none, and no directory. Caller
 * frees. */
MUST_USE int segments_open(const char *dir, bool read_only, struct segments **ret, struct err *err);
void segments_free(struct segments *segments);
SCOPED_REF(struct segments, segments_free)

size_t segments_count(struct segments *segments);
/* By base; the last one's size grows while the writer appends. */
struct segment segments_at(struct segments *segments, size_t index);
struct segment segments_last(struct segments *segments);
/* The segment that holds a position, or the last one for a position beyond the end. False if none does. */
bool segments_find(struct segments *segments, uint64_t position, struct segment *ret);
/* Of the ledger; known when there is a segment. */
const uint8_t *segments_uuid(const struct segments *segments);

/* ---- reading ---- */

struct segment_file;
struct segment_use {
  struct segment segment;
  struct segment_file *file;
  int fd; /* read-only; borrowed until segment_done */
};

/* Opens the segment that holds a position, unless it is open, and holds it. -ERR_CORRUPT if no segment holds the
 * position, or its file is missing or is another one; -ERR_DESCRIPTORS if too many files are open. */
MUST_USE int segments_use(struct segments *segments, uint64_t position, struct segment_use *ret, struct err *err);
void segment_done(struct segment_use *use);

/* ---- writing: the writer only, not of read_only ones ---- */

/* Makes the segment that begins at a position, durably, and with it the directory if need be. The first one takes the
 * uuid, later ones have it already. After an error nothing has changed; of the kind ERR_KIND_RETRY it may be tried
 * again. */
MUST_USE int segments_create(struct segments *segments, const uint8_t uuid[LEDGER_UUID_SIZE], uint64_t base,
                             int64_t now_ms, struct err *err);
/* The last segment's file, open for writing; borrowed until the next segment is made. */
int segments_last_fd(const struct segments *segments);
/* Its file now has so many bytes that count. */
void segments_resize(struct segments *segments, uint64_t size);

/* Checks that the directory is still in its place, that the last segment's file is the one that its name leads to,
 * and (if `all`) that all other segments are there, and that none was cut short: -ERR_CORRUPT names what was removed,
 * replaced or cut short. Any thread. */
MUST_USE int segments_check_presence(struct segments *segments, bool all, struct err *err);

#endif
