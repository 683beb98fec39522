/* Options of the commands that ask /v1 for lists: which tasks, of which time, and where the rows go. */
#ifndef CODECMETER_CLI_READ_OPTIONS_H
#define CODECMETER_CLI_READ_OPTIONS_H

#include "cli/client_options.h"
#include "cli/output_file.h"

/* The words of the command line; NULL: not given. */
struct read_options {
  struct client_settings settings;
  char *month, *from, *to, *zone, *as_of;
  char **projects, **kinds, **codecs, **tiers, **resolutions, **frame_rates, **sources, **labels;
  char *output;
  bool json, csv;
};

/* clang-format off */
#define READ_TIME_ROWS(words)                                                                                     \
  {"month", 0, OPTION_TEXT, &(words).month, "YYYY-MM", "a whole month, in place of --from and --to"},             \
  {"from", 0, OPTION_TEXT, &(words).from, "WHEN",                                                                 \
   "the beginning, included: a date, which begins in the zone, an RFC 3339 time, or Unix seconds"},               \
  {"to", 0, OPTION_TEXT, &(words).to, "WHEN", "the end, not included; written like --from"},                      \
  {"zone", 0, OPTION_TEXT, &(words).zone, "ZONE",                                                                 \
   "the time zone of days and dates, such as Asia/Shanghai (default: each project's own)"},                       \
  {"as-of", 0, OPTION_TEXT, &(words).as_of, "POSITION|TIME",                                                      \
   "answer as of then, whatever arrived later: a position that an earlier answer had, or an RFC 3339 time"}

#define READ_FILTER_ROWS(words)                                                                                   \
  {"project", 0, OPTION_LIST, &(words).projects, "ID",                                                            \
   "only this project; repeatable (default: all that the token may read)"},                                       \
  {"kind", 0, OPTION_LIST, &(words).kinds, "KIND", "only transcode, remux, snapshot or audio; repeatable"},       \
  {"codec", 0, OPTION_LIST, &(words).codecs, "CODEC", "only this codec; - for tasks without one; repeatable"},    \
  {"tier", 0, OPTION_LIST, &(words).tiers, "TIER",                                                                \
   "only low, medium, high or super; - for tasks without a tier; repeatable"},                                    \
  {"resolution", 0, OPTION_LIST, &(words).resolutions, "WxH",                                                     \
   "only this size, such as 1280x720; - for tasks without one; repeatable"},                                      \
  {"frame-rate", 0, OPTION_LIST, &(words).frame_rates, "RATE",                                                    \
   "only this frame rate, such as 29.97; - for tasks without one; repeatable"},                                   \
  {"source", 0, OPTION_LIST, &(words).sources, "SOURCE", "only this source; repeatable"},                         \
  {"label", 0, OPTION_LIST, &(words).labels, "NAME=VALUE",                                                        \
   "only tasks with this label; NAME= for tasks without it; repeatable"}

#define READ_OUTPUT_ROWS(words)                                                                                   \
  {"output", 'o', OPTION_TEXT, &(words).output, "FILE",                                                           \
   "write all rows into FILE.csv, FILE.json or FILE.xlsx; the file is replaced only when it is whole"},           \
  {"json", 0, OPTION_FLAG, &(words).json, NULL, "print all rows as JSON"},                                        \
  {"csv", 0, OPTION_FLAG, &(words).csv, NULL, "print all rows as CSV"}
/* clang-format on */

/* What the rows become: by --output, --json and --csv. -ERR_USAGE if more than one is given, or for a wrong ending. */
MUST_USE int read_options_kind(const struct read_options *words, enum output_kind *ret, struct err *err);
/* Appends the parameters of time and filters to a path. -ERR_USAGE for a label that is not NAME=VALUE. */
MUST_USE int read_options_add(const struct read_options *words, struct client *client, struct buf *path,
                              struct err *err);
/* Fills in the settings and opens the client. From now on a signal ends the request, and the command cleans up. */
MUST_USE int read_options_open(struct read_options *words, struct client **ret, struct err *err);

#endif
