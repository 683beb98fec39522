/* A record of usage as text for people and as JSON for programs. */
#ifndef CODECMETER_CLI_USAGE_TEXT_H
#define CODECMETER_CLI_USAGE_TEXT_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/json_write.h"
#include "meter/usage.h"

/* Writes the record's event (docs/events.md), with "arrived" and, for a finished transcode, "tier". Leaves the object
 * open, so that more members can follow. name: the member's, or NULL. */
void usage_text_json(const struct usage *usage, const char *name, struct json_write *json);

/* Writes the event that voids the record as member "voided"; null if there is none. */
void usage_text_voided(const struct usage *voiding, struct json_write *json);

/* Writes what an unresolved record lacks as member "missing"; "" for another record. */
void usage_text_missing(const struct usage *usage, struct json_write *json);

/* Appends "transcode.finished h264 1280x720 20.033 s medium". */
void usage_text_line(const struct usage *usage, struct buf *out);

/* Appends an instant: "2026-01-31T04:00:00.000Z". */
void usage_text_time(int64_t ms, struct buf *out);

/* Prints the text on standard output unescaped: texts of reports hold no control characters. */
MUST_USE int usage_text_print(const struct buf *out, struct err *err);

#endif
