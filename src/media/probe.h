/* Measures media files that a transcoder has made. Source: design §7; docs/measuring.md explains the choices to
 * users.
 *
 * libavformat reads the file, in a separate module that is loaded at first use, so that the program itself does not
 * depend on it. The whole file is demuxed (not decoded), because only that finds a truncated file.
 */
#ifndef CODECMETER_MEDIA_PROBE_H
#define CODECMETER_MEDIA_PROBE_H

#include <stdint.h>

#include "base/err.h"

struct media {
  char codec[33];         /* libavcodec's name, "h264", "hevc"; the caller makes it canonical */
  uint32_t width, height; /* pixels as shown: rotation applied, sample aspect ratio not */
  uint64_t duration_ms;   /* of the video stream, rounded half up */
};

/* Measures one file. -ERR_MEDIA: no such file, no video, truncated, or not finished. -ERR_IO, -ERR_MEMORY: the file
 * or one of its segments could not be read; another try may succeed. -ERR_MISSING names the package to install. One
 * thread at a time. */
MUST_USE int media_probe(const char *path, struct media *ret, struct err *err);

/* Called again and again while a file is read, because a large file takes minutes. NULL: nothing is called. Set it
 * before the first media_probe. */
extern void (*media_on_progress)(void);

/* The module's symbols, with their types. */
#define MEDIA_MODULE_FILE "codecmeter-media.so"
#define MEDIA_MODULE_SYMBOL "codecmeter_media_probe"
#define MEDIA_MODULE_PROGRESS_SYMBOL "codecmeter_media_on_progress"
typedef int media_probe_function(const char *path, struct media *ret, struct err *err);
typedef void (*media_progress_function)(void);

#endif
