/* A record of usage as people and programs read it. */
#ifndef CODECMETER_CLI_USAGE_TEXT_H
#define CODECMETER_CLI_USAGE_TEXT_H

#include "base/bytes.h"
#include "meter/usage.h"

/* Appends the event that it was, as JSON (docs/events.md), without its closing brace, so that more can follow:
 * "arrived" and, of a finished transcode, "tier" stand in it too. */
void usage_text_json(const struct usage *usage, struct buf *out);

/* Appends "transcode.finished h264 1280x720 20.033 s medium". */
void usage_text_line(const struct usage *usage, struct buf *out);

#endif
