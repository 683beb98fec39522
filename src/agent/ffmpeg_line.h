/* Reads a command line of ffmpeg: what it writes, and whether it copies the video. Pure: looks at no file.
 *
 * Source of the rules: ffmpeg's own parser (fftools/cmdutils.c, split_commandline) and `ffmpeg -h full`. Options
 * before `-i FILE` belong to that input; options before another word belong to that output. Every option takes one value,
 * except those of a table, and their forms with "no".
 */
#ifndef CODECMETER_AGENT_FFMPEG_LINE_H
#define CODECMETER_AGENT_FFMPEG_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/vector.h"

/* Where an output goes. */
enum ffmpeg_sink {
  FFMPEG_FILE,    /* a file, or files if the name is a pattern */
  FFMPEG_NOTHING, /* `-f null`, /dev/null */
  FFMPEG_DEVICE,  /* a screen, a camera, a sound card */
  FFMPEG_PIPE,    /* "-", "pipe:1" */
  FFMPEG_NETWORK, /* "rtmp://…" and every other protocol that is no file */
};

/* What ffmpeg does with the video streams of an output. */
enum ffmpeg_video {
  FFMPEG_ENCODED,
  FFMPEG_COPIED,   /* all of them: a remux */
  FFMPEG_MIXED,    /* some may be copied and some encoded */
  FFMPEG_NO_VIDEO, /* -vn */
};

struct ffmpeg_output {
  char *name; /* as given, without "file:"; a tee's member without its options and quotes */
  enum ffmpeg_sink sink;
  enum ffmpeg_video video;
  bool is_extra; /* written beside an output that has a name of its own: a master playlist, a list of segments */
};

struct ffmpeg_line {
  VECTOR(struct ffmpeg_output); /* in the order of the line; a tee gives its members */
};

/* Reads a command (ends with NULL). Also finds ffmpeg behind `nice`, `env`, `timeout`, `sudo` and their like, with
 * their options. False: another command; ret is then empty. The caller calls ffmpeg_line_fini. */
bool ffmpeg_line_read(char *const *argv, struct ffmpeg_line *ret);
void ffmpeg_line_fini(struct ffmpeg_line *line);

#endif
