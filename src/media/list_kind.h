/* Recognizes playlists and manifests by their first bytes, whatever their names are. Pure file reading, no libav: the program
 * itself and the media module share it, so that they agree on what is a list. */
#ifndef CODECMETER_MEDIA_LIST_KIND_H
#define CODECMETER_MEDIA_LIST_KIND_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

enum list_kind {
  LIST_NONE,
  LIST_HLS,        /* a media playlist (RFC 8216, section 4.3.3), or any other M3U list */
  LIST_HLS_MASTER, /* a playlist that names playlists (RFC 8216, section 4.3.4) */
  LIST_DASH,       /* XML whose outermost element is MPD, with or without a prefix (ISO/IEC 23009-1) */
};

/* Reads at most the first MiB. -ERR_MEDIA: the file cannot be read. -ERR_IO, -ERR_DESCRIPTORS, -ERR_MEMORY: another try may
 * succeed. */
MUST_USE int list_kind_of(const char *path, enum list_kind *ret, struct err *err);

/* True if a line is a tag that only a master playlist has; if a text has such a line. */
bool list_is_master_tag(struct str line);
bool list_is_master(struct str text);

#endif
