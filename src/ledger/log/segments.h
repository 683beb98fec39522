/* The segment files of a log: their names, their heads, and which of them are open. docs/format.md, section
 * "Segment".
 *
 * A log may have thousands of segments. At most SEGMENTS_OPEN of them are kept open, those used last; a reader holds
 * the one that it uses until segment_done. The writer also keeps the last segment open.
 *
 * Threads: only the writer adds segments and changes the last one. Any thread may find and use segments at the same
 * time.
 */
#ifndef CODECMETER_LEDGER_LOG_SEGMENTS_H
#define CODECMETER_LEDGER_LOG_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/scope.h"

#define LEDGER_UUID_SIZE 16
#define SEGMENT_HEAD_SIZE 64u
#define SEGMENT_FORMAT 2u    /* of new segments; docs/format.md has what each format holds */
#define SEGMENT_NAME_SIZE 21 /* 16 hex digits, ".seg", NUL */
#define SEGMENTS_OPEN 16u    /* files kept open for reading */
/* Descriptors that a log needs at most while two readers and the writer work: the files kept open, one in use by each
 * reader, the last segment, the directory, the next segment, and the sync of the directory. */
#define SEGMENTS_DESCRIPTORS (SEGMENTS_OPEN + 6u)

struct segment {
  uint64_t base; /* position of its first byte */
  uint64_t size; /* bytes of the file that count */
  uint32_t format;
  char name[SEGMENT_NAME_SIZE];
};

struct segments;

/* Finds the segments in a directory (`dir`, DATA/log), checks their heads, and checks that each begins where the one
 * before ends. Removes an unfinished last segment, which holds nothing; ignores it if read_only. No segments and no
 * directory are no error. Caller frees. */
MUST_USE int segments_open(const char *dir, bool read_only, struct segments **ret, struct err *err);
void segments_free(struct segments *segments);
SCOPED_REF(struct segments, segments_free)

size_t segments_count(struct segments *segments);
/* In order of `base`. The last one's size grows while the writer appends. */
struct segment segments_at(struct segments *segments, size_t index);
struct segment segments_last(struct segments *segments);
/* Finds the segment that holds a position, or the last one for a position beyond the end. False if no segment begins
 * at or before it. */
bool segments_find(struct segments *segments, uint64_t position, struct segment *ret);
/* The ledger's UUID; valid if there is a segment. */
const uint8_t *segments_uuid(const struct segments *segments);

/* ---- reading ---- */

struct segment_file;
struct segment_use {
  struct segment segment;
  struct segment_file *file;
  int fd; /* read-only; borrowed until segment_done */
};

/* Opens the segment that holds a position, unless it is open, and holds it for the caller. -ERR_CORRUPT if no segment
 * holds the position, or if its file is missing or is not that segment; -ERR_DESCRIPTORS if too many files are
 * open. */
MUST_USE int segments_use(struct segments *segments, uint64_t position, struct segment_use *ret, struct err *err);
void segment_done(struct segment_use *use);

/* ---- writing: the writer only, and not if read_only ---- */

/* Makes the segment that begins at `base`, durably; the first one (base 0) with its directory if that does not exist.
 * The first one takes the uuid; later ones ignore it, and it may be NULL. After an error nothing has changed; after
 * one of the kind ERR_KIND_RETRY the caller may try again. */
MUST_USE int segments_create(struct segments *segments, const uint8_t uuid[LEDGER_UUID_SIZE], uint64_t base,
                             int64_t now_ms, struct err *err);
/* The last segment's file, open for writing; borrowed until the next segments_create. */
int segments_last_fd(const struct segments *segments);
/* Sets how many bytes of the last segment's file count. */
void segments_resize(struct segments *segments, uint64_t size);

/* Checks that the directory is in its place, that the last segment's name leads to the open file and that this is
 * not cut short, and (if `all`) that
 * every other segment exists with its full size. -ERR_CORRUPT names what was removed, cut short or replaced. Any
 * thread. */
MUST_USE int segments_check_presence(struct segments *segments, bool all, struct err *err);

#endif
