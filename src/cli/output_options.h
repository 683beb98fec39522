/* Options of `record`, `run` and `watch` that say something about the outputs: their ids, kind, frame rate and
 * labels. */
#ifndef CODECMETER_CLI_OUTPUT_OPTIONS_H
#define CODECMETER_CLI_OUTPUT_OPTIONS_H

#include "agent/report.h"
#include "base/err.h"
#include "cli/options.h"

/* The words of the command line; NULL: not given. */
struct output_options {
  char *id, *id_prefix, *source, *task_id, *kind, *frame_rate;
  char **labels;
};

/* clang-format off */
#define OUTPUT_SOURCE_ROW(words)                                                                                  \
  {"source", 0, OPTION_TEXT, &(words).source, "SOURCE", "the source of the ids (default: file)"}

#define OUTPUT_ID_ROWS(words)                                                                                     \
  {"id", 0, OPTION_TEXT, &(words).id, "ID",                                                                       \
   "the output's id, instead of one from its content, size and time; only for one output"},                       \
  {"id-prefix", 0, OPTION_TEXT, &(words).id_prefix, "PREFIX",                                                     \
   "make the ids of PREFIX/ and each output's path below the directory that holds all outputs"},                  \
  OUTPUT_SOURCE_ROW(words),                                                                                       \
  {"task-id", 0, OPTION_TEXT, &(words).task_id, "ID", "the task's id in lists (default: the output's id)"}

/* about: the default of the kind. */
#define OUTPUT_MEDIA_ROWS(words, about)                                                                           \
  {"kind", 0, OPTION_TEXT, &(words).kind, "KIND",                                                                 \
   "transcode or remux; a remux copied the video stream (default: " about ")"},                                   \
  {"frame-rate", 0, OPTION_TEXT, &(words).frame_rate, "RATE",                                                     \
   "pictures per second of raw streams that state none: 25, 29.97 or 30000/1001"},                                \
  {"label", 0, OPTION_LIST, &(words).labels, "NAME=VALUE",                                                        \
   "a label of the outputs, such as team=news; repeatable, at most 8"}
/* clang-format on */

/* Reads the words into ids, kind, frame rate and labels of ret, which borrows them, and leaves its other members as
 * they are. -ERR_USAGE, also if report_check_options refuses them. */
MUST_USE int output_options_read(const struct output_options *words, struct report_options *ret, struct err *err);

#endif
