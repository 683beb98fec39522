/* A record of usage as people and programs read it. */
#ifndef CODECMETER_CLI_USAGE_TEXT_H
#define CODECMETER_CLI_USAGE_TEXT_H

#include "base/bytes.h"
#include "base/err.h"
#include "meter/usage.h"

/* Appends the event that it was, as JSON (docs/events.md), without its closing brace, so that more can follow:
 * "arrived" and, of a finished transcode, "tier" stand in it too. */
void usage_text_json(const struct usage *usage, struct buf *out);

/* Appends ,"voided":{…}, the event that voids it, or ,"voided":null. */
void usage_text_voided(const struct usage *voiding, struct buf *out);

/* Appends "transcode.finished h264 1280x720 20.033 s medium"; of that " h264 1280x720 20.033 s". */
void usage_text_line(const struct usage *usage, struct buf *out);
void usage_text_measures(const struct usage *usage, struct buf *out);

/* Appends an instant: "2026-01-31T04:00:00.000Z". */
void usage_text_time(int64_t ms, struct buf *out);

/* Prints what was appended on standard output, as it is: texts of reports hold no control characters. */
MUST_USE int usage_text_print(const struct buf *out, struct err *err);

#endif
