/* The tree of a DASH manifest, as far as it says which bytes are played. */
#ifndef CODECMETER_MEDIA_MPD_H
#define CODECMETER_MEDIA_MPD_H

#include <glib.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* An element. Names have no namespace prefix. */
struct mpd {
  const char *name; /* static */
  char **names, **values; /* its attributes; both end with NULL */
  GString *text;
  struct mpd *parent, *first, *last, *next;
};
/* -ERR_MEDIA: it is not well-formed, its outermost element is not MPD, or it has too many elements. The caller frees. */
MUST_USE int mpd_parse(const char *path, struct str text, struct mpd **ret, struct err *err);
void mpd_free(struct mpd *mpd);
SCOPED_REF(struct mpd, mpd_free)

/* The first child of that name, or the next sibling of that name behind an element; NULL: there is none. */
const struct mpd *mpd_child(const struct mpd *mpd, const char *name);
const struct mpd *mpd_next(const struct mpd *mpd);
/* NULL: there is no such attribute. */
const char *mpd_attribute(const struct mpd *mpd, const char *name);
/* Reads a number; `otherwise` if there is no such attribute. False: it is no number. */
MUST_USE bool mpd_number(const struct mpd *mpd, const char *name, uint64_t otherwise, uint64_t *ret);
/* Reads a duration of ISO 8601 in days, hours, minutes and seconds. ret_unit_us: the unit of its last digit. */
MUST_USE bool mpd_duration(const char *text, uint64_t *ret_us, uint64_t *ret_unit_us);

#endif
