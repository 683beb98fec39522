/* Measures what a transcoder has made. docs/measuring.md is the definition for users; design section 4 is its source.
 *
 * A file is one output. A playlist or a manifest is one output for each video rendition that it plays.
 *
 * libavformat reads the media, in a separate module that is loaded at first use, so that the program itself does not
 * depend on it. The whole media are demuxed (not decoded), because only that finds a truncated file. Only regular
 * local files are read: no list can make the program connect to another machine, or wait for a pipe.
 */
#ifndef CODECMETER_MEDIA_MEDIA_H
#define CODECMETER_MEDIA_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vector.h"

/* Bytes of a file that an output plays. A file that is played as a whole is one span with offset 0 and its size. */
struct media_span {
  char *path; /* absolute, without links */
  uint64_t offset, size;
};

#define MEDIA_CODEC_SIZE 33

struct media_output {
  char *name;               /* the path as given; of a rendition: the path of its media playlist, or "PATH#ID" of a
                             * manifest's representation */
  struct media_span *spans; /* the media in the order of play, without init segments and list files */
  size_t span_count;
  bool is_measured;             /* false: `why` says why not, and nothing below is set */
  struct err why;               /* starts with the path; its code is ERR_MEDIA or one that may pass */
  char codec[MEDIA_CODEC_SIZE]; /* libavcodec's name, "h264", "hevc"; the caller makes it canonical */
  uint32_t width, height;       /* pixels as shown: rotation applied, sample aspect ratio not */
  uint64_t duration_ms;         /* the time that its pictures are shown, rounded half up */
  uint32_t rate_num, rate_den;  /* pictures per second; 0 and 0: unknown */
  char *explanation;            /* if it was asked for, also of an output that is not measured: lines that end with
                                 * \n, about pieces, gaps, edit lists, frame rate, and where each value is from */
};

/* Why a path gives no output. */
enum media_refusal {
  MEDIA_REFUSED_BROKEN,     /* unreadable, truncated, contradictory: the default */
  MEDIA_REFUSED_NOT_VIDEO,  /* a picture, sound, subtitles, text */
  MEDIA_REFUSED_PART,       /* an init segment, or a segment without its init segment: a part of a list's output */
  MEDIA_REFUSED_NO_OUTPUT,  /* a list that is no output of its own: key pictures only, sound or subtitles only */
  MEDIA_REFUSED_UNFINISHED, /* a list that its writer has not ended */
};

struct media_parts {
  VECTOR(char *); /* absolute paths; owned */
};

struct media {
  VECTOR(struct media_output);
  struct media_parts parts; /* of a list: all the files that it plays: lists, init files, segments, also those of sound
                             * and subtitles. Each once. Set even if the list is refused, as far as they are known */
  bool is_list;
  enum media_refusal refusal; /* if media_probe returned -ERR_MEDIA */
};
void media_fini(struct media *media);

struct media_options {
  uint32_t rate_num, rate_den; /* pictures per second of a raw stream that states none; 0 and 0: refuse such a stream */
  bool explain;
};

/* Measures a path. 0: there is at least one output, and at least one of them is measured. -ERR_MEDIA: none; err starts
 * with the path. -ERR_IO, -ERR_DESCRIPTORS, -ERR_MEMORY: the file, one of its segments or the module could not be read; another
 * try may succeed. -ERR_MISSING names the package to install. Fills ret in any case; the caller calls media_fini. One thread at a
 * time. */
MUST_USE int media_probe(const char *path, const struct media_options *options, struct media *ret, struct err *err);

/* Called again and again while a file is read, because a large file takes minutes. NULL: nothing is called. Set it
 * before the first media_probe. */
extern void (*media_on_progress)(void);

/* The module's symbols, with their types. */
#define MEDIA_MODULE_FILE "codecmeter-media.so"
#define MEDIA_MODULE_SYMBOL "codecmeter_media_probe" /* changes its name when its type changes */
#define MEDIA_MODULE_PROGRESS_SYMBOL "codecmeter_media_on_progress"
typedef int media_probe_function(const char *path, const struct media_options *options, struct media *ret,
                                 struct err *err);
typedef void (*media_progress_function)(void);
extern media_progress_function codecmeter_media_on_progress; /* in the module; NULL: nothing is called */

#endif
