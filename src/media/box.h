/* Boxes of MP4 and QuickTime files: headers, children, bodies and tables, read through a window. Pure: no libav.
 * Every claim of a box is checked against the box around it. Errors are -ERR_MEDIA with a text such as "its box
 * 'stsz' at byte 40 claims more entries than it has room for", or what window_view returns.
 */
#ifndef CODECMETER_MEDIA_BOX_H
#define CODECMETER_MEDIA_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "media/window.h"

struct box {
  char type[5]; /* printable */
  uint64_t start, body, end;
  bool is_cut; /* `end` is the end of what is around it, but the box claims to be longer */
};

static inline bool box_is(const struct box *box, const char *type) { return memcmp(box->type, type, 4) == 0; }
/* True if 4 bytes can be the type of a box. */
bool box_is_type(const char *bytes);

/* Reads the header at a position. At least 8 bytes are left before `limit`, which is the end of the box around it or
 * of the reel. A size of 0 means up to there. */
MUST_USE int box_read(struct window *window, uint64_t position, uint64_t limit, struct box *ret, struct err *err);
/* The first child of a type, from a position on. Children that follow one that goes beyond its parent are not seen,
 * as libavformat does. A child of size 0 ends the list, as in QuickTime. ret may be parent. */
MUST_USE int box_child(struct window *window, const struct box *parent, const char *type, uint64_t from,
                       struct box *ret, bool *ret_found, struct err *err);
/* Follows a path of types, "mdia/minf/stbl". */
MUST_USE int box_find(struct window *window, const struct box *parent, const char *path, struct box *ret,
                      bool *ret_found, struct err *err);
/* Bytes of the box's body, borrowed until the window's next use. */
MUST_USE int box_view(struct window *window, const struct box *box, uint64_t offset, size_t len, const char **ret,
                      struct err *err);

/* A count, and entries of one width. */
struct box_table {
  struct box box;
  uint64_t first; /* position of entry 0 */
  uint64_t count;
  unsigned bits; /* of an entry; 0: every entry is `constant` */
  uint32_t constant;
};
/* at: offset of the count, of 32 bits, in the box's body. */
MUST_USE int box_table(struct window *window, const struct box *box, uint64_t at, unsigned bits,
                       struct box_table *ret, struct err *err);
/* index is below the count, and bits is not 0. */
MUST_USE int box_entry(struct window *window, const struct box_table *table, uint64_t index, const char **ret,
                       struct err *err);

/* Says that a box is damaged; `what` is a verb and more. Returns -ERR_MEDIA. */
int box_damaged(const struct box *box, const char *what, struct err *err) __attribute__((cold));

#endif
