/* The tree of a DASH manifest, as far as it says which bytes are played. */
#ifndef CODECMETER_MEDIA_MPD_H
#define CODECMETER_MEDIA_MPD_H

#include <glib.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* An element of the manifest's own namespace. Elements of other namespaces are left out with all that is in them, and so are
 * elements that are a link to urn:mpeg:dash:resolve-to-zero:2013. */
struct mpd {
  const char *name; /* static; without a prefix */
  char **names, **values; /* its attributes; both end with NULL */
  const char *link;         /* the target of its xlink:href; NULL: it is no link */
  GString *text;
  /* Children of one name are a chain, so that looking for a name takes the same time among a million others. */
  struct mpd *parent;
  struct mpd *first; /* the first child of the first name */
  struct mpd *next;  /* the next sibling of the same name */
  /* Only of the first of its name: */
  struct mpd *other; /* the first sibling of the next name */
  struct mpd *last;  /* the last one of its name */
};
/* -ERR_MEDIA: it is not well-formed, its outermost element is not MPD, or it has too many elements. The caller frees. */
MUST_USE int mpd_parse(const char *path, struct str text, struct mpd **ret, struct err *err);
void mpd_free(struct mpd *mpd);
SCOPED_REF(struct mpd, mpd_free)

/* The first child of that name, or the next sibling of that name behind an element; NULL if no element has that name. */
const struct mpd *mpd_child(const struct mpd *mpd, const char *name);
const struct mpd *mpd_next(const struct mpd *mpd);
/* The target of the first link (xlink:href) in a tree, and the element's name; NULL if the tree has no link. */
const char *mpd_link(const struct mpd *mpd, const char **ret_name);
/* NULL: there is no such attribute. Attributes of other namespaces are not seen. */
const char *mpd_attribute(const struct mpd *mpd, const char *name);
/* Reads a number; `otherwise` if there is no such attribute. False: it is no number. */
MUST_USE bool mpd_number(const struct mpd *mpd, const char *name, uint64_t otherwise, uint64_t *ret);
/* Reads a duration of ISO 8601 in days, hours, minutes and seconds. ret_unit_us: the unit of its last digit. */
MUST_USE bool mpd_duration(const char *text, uint64_t *ret_us, uint64_t *ret_unit_us);

#endif
