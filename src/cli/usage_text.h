/* A record of usage as text for people and as JSON for programs. */
#ifndef CODECMETER_CLI_USAGE_TEXT_H
#define CODECMETER_CLI_USAGE_TEXT_H

#include "base/bytes.h"
#include "base/err.h"
#include "meter/usage.h"

/* Appends the record's event as JSON (docs/events.md), with "arrived" and, for a finished transcode, "tier". Omits
 * the closing brace, so that more members can follow. */
void usage_text_json(const struct usage *usage, struct buf *out);

/* Appends ,"voided":{…} with the event that voids the record, or ,"voided":null. */
void usage_text_voided(const struct usage *voiding, struct buf *out);

/* Appends "transcode.finished h264 1280x720 20.033 s medium". */
void usage_text_line(const struct usage *usage, struct buf *out);

/* Appends an instant: "2026-01-31T04:00:00.000Z". */
void usage_text_time(int64_t ms, struct buf *out);

/* Prints the text on standard output unescaped: texts of reports hold no control characters. */
MUST_USE int usage_text_print(const struct buf *out, struct err *err);

#endif
