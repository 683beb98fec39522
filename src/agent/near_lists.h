/* Lists that lie near a media file, and may play it as one part of several. Such a file is no output: it would count a
 * second time, with the list. A list that plays this one whole file is no such list, because both have one identity.
 *
 * Near is the file's directory, and two above it. Looks at playlists and manifests there by their names (*.m3u8, *.mpd),
 * and at the playlists that they name: at most 10,000 in each directory, of at most 16 MiB each. A playlist without a
 * tag of HLS is one of a music player, and is passed over. So is a list that is no output (key pictures only). A list
 * that is not finished, or lacks a segment, counts: it may be complete later.
 */
#ifndef CODECMETER_AGENT_NEAR_LISTS_H
#define CODECMETER_AGENT_NEAR_LISTS_H

#include "base/err.h"
#include "media/media.h"

/* What was read: each directory and each list is read once. */
struct near_lists;
MUST_USE struct near_lists *near_lists_new(void); /* never NULL */
void near_lists_free(struct near_lists *near);
SCOPED_REF(struct near_lists, near_lists_free)

/* Checks what media_probe has measured. name: the path as the user gave it. 0: the media are a list's, or no list plays
 * the file as one part of several. -ERR_MEDIA names the list, and says what to do. */
MUST_USE int near_lists_check(struct near_lists *near, const struct media *media, const char *name, struct err *err);

#endif
