/* A reel: the spans of an output one after the other, read as one file. Pure file reading, no libav.
 *
 * It remembers the first error of the system that may pass (no descriptor, a failing disk), because a demuxer that reads
 * through it may take such an error for the end of the media.
 */
#ifndef CODECMETER_MEDIA_REEL_H
#define CODECMETER_MEDIA_REEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "media/media.h"

struct reel;
/* init: a span that is played first, or NULL. All spans are borrowed until reel_close. Opens nothing yet: one file at a
 * time is open. */
struct reel *reel_open(const struct media_span *init, const struct media_span *spans, size_t count);
void reel_close(struct reel *reel); /* NULL is allowed */
SCOPED_REF(struct reel, reel_close)

uint64_t reel_size(const struct reel *reel);
/* Reads up to len bytes from a position; fewer only at the end of the reel. -ERR_IO: the system could not read now.
 * -ERR_MEDIA: a file is missing, is no regular file, or is shorter than its span. */
MUST_USE int reel_read(struct reel *reel, uint64_t position, void *ret, size_t len, size_t *ret_got, struct err *err);
/* The errno of the first error that may pass; 0: there was none. */
int reel_trouble(const struct reel *reel);

#endif
