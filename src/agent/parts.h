/* Files that are recorded together with a list that plays them. The list counts for them, so they are not recorded by
 * themselves. `run` and `record` share the rules; for `watch` see agent/claims.h. */
#ifndef CODECMETER_AGENT_PARTS_H
#define CODECMETER_AGENT_PARTS_H

#include <stdbool.h>

#include "base/err.h"
#include "media/media.h"

/* The order of measuring: a list comes before what it plays. By content; names may be any. */
enum part_rank {
  PART_MASTER, /* master playlists and manifests */
  PART_LIST,   /* other playlists */
  PART_MEDIA,  /* the rest */
  PART_RANKS,
};
enum part_rank part_rank_of(const char *path);

struct parts;
MUST_USE struct parts *parts_new(void); /* never NULL */
void parts_free(struct parts *parts);
SCOPED_REF(struct parts, parts_free)

/* Claims what a list plays. path: the list, absolute. name: the list, for people. media: what report_measure gave for
 * it. counts: the list is recorded. Else its media are claimed all the same, because a segment is no output, and a
 * later try may record the list; but a playlist that it names counts by itself then. A list that is no output at all
 * claims nothing. */
void parts_claim(struct parts *parts, const char *path, const char *name, const struct media *media, bool counts);
/* The name of a list that claims the file; NULL: none. */
const char *parts_find(const struct parts *parts, const char *path);

#endif
