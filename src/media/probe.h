/* Measuring media files: what a transcoder has made. Source: design §7; the choices below are for users in docs/measuring.md.
 *
 * libavformat does the reading, in a module of its own that is loaded at first use, so that the program itself does not
 * depend on it. The whole file is demuxed (not decoded): that is what finds a truncated one.
 */
#ifndef CODECMETER_MEDIA_PROBE_H
#define CODECMETER_MEDIA_PROBE_H

#include <stdint.h>

#include "base/err.h"

struct media {
  char codec[33];         /* libavcodec's name, "h264", "hevc"; canonical names are the caller's affair */
  uint32_t width, height; /* pixels as shown: rotation applied, sample aspect ratio not */
  uint64_t duration_ms;   /* of the video stream, rounded half up */
};

/* -ERR_MEDIA: no such file, no video, truncated, not finished. -ERR_IO, -ERR_MEMORY: it, or a segment of it, could
 * not be read, which another time may go well. -ERR_MISSING names the package to install. Not for several threads at
 * once. */
MUST_USE int media_probe(const char *path, struct media *ret, struct err *err);

/* Called while a file is read, whenever some of it has been: a large one takes minutes. NULL: nothing is called. Set it
 * before the first media_probe. */
extern void (*media_on_progress)(void);

/* The module's symbols, with their types. */
#define MEDIA_MODULE_FILE "codecmeter-media.so"
#define MEDIA_MODULE_SYMBOL "codecmeter_media_probe"
#define MEDIA_MODULE_PROGRESS_SYMBOL "codecmeter_media_on_progress"
typedef int media_probe_function(const char *path, struct media *ret, struct err *err);
typedef void (*media_progress_function)(void);

#endif
