/* A buffer over a reel, for the readers of boxes and elements: many small reads in forward order cost few reads of
 * the file. Positions may also go back.
 */
#ifndef CODECMETER_MEDIA_WINDOW_H
#define CODECMETER_MEDIA_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "media/reel.h"

#define WINDOW_HEADERS ((size_t)4096) /* for headers that lie far apart */
#define WINDOW_TABLE ((size_t)64 << 10)

struct window {
  struct reel *reel; /* borrowed */
  char *bytes;
  size_t cap, len;
  uint64_t start; /* position of bytes[0] in the reel */
};
/* cap: bytes that one read of the reel takes. */
void window_init(struct window *window, struct reel *reel, size_t cap);
void window_fini(struct window *window);

/* Bytes of the reel, borrowed until the next call. len is at most the window's cap. -ERR_MEDIA: the reel ends before
 * them. -ERR_IO: as of reel_read. */
MUST_USE int window_view(struct window *window, uint64_t position, size_t len, const char **ret, struct err *err);

#endif
