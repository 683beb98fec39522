/* What an agent says of itself: the body of POST /v1/agents. docs/agents.md, "Is anything silent?".
 *
 *   {"agent":"node-7","command":"watch
 * /srv/out","version":"0.1.0","interval_ms":60000,"time":"2026-11-28T03:00:00.123Z",
 *    "clock_offset_ms":-12,"spooled":3,"oldest_ms":90000,"rejected":0}
 */
#ifndef CODECMETER_SOURCES_STATUS_H
#define CODECMETER_SOURCES_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/member.h"
#include "meter/usage.h"

/* Bounds, in bytes. */
#define AGENT_NAME_MAX 64
#define AGENT_COMMAND_MAX 160
#define AGENT_VERSION_MAX 32
#define AGENT_REASON_MAX 160
#define STATUS_BODY_MAX 4096 /* of the whole report */

#define STATUS_INTERVAL_MIN_MS INT64_C(1000)
#define STATUS_INTERVAL_MAX_MS INT64_C(3600000)
#define STATUS_OFFSET_MAX_MS INT64_C(3155760000000) /* a hundred years, either way */

struct agent_status {
  char agent[AGENT_NAME_MAX + 1];      /* its name; never empty */
  char command[AGENT_COMMAND_MAX + 1]; /* what it does: two agents of one name that do different things are two */
  char project[PROJECT_ID_MAX + 1];    /* for which it reports; "": that of its token */
  char version[AGENT_VERSION_MAX + 1];
  char spool_error[AGENT_REASON_MAX + 1]; /* why the spool takes no event now; "": it does */
  int64_t interval_ms;                    /* it promises a report this often; 0: it reports only with events */
  bool has_time, has_offset;
  int64_t time_ms;            /* its clock when it sent this */
  int64_t offset_ms;          /* how far its clock is ahead of ours, as it has measured */
  uint64_t spooled, rejected; /* events in its spool, and in the spool's rejected/ */
  int64_t oldest_ms;          /* how long the oldest of those in the spool has waited */
};

/* The members of the body, for OpenAPI; ends with {0}. */
extern const struct member status_members[];

/* Reads a body (JSON_PADDING bytes readable behind it). Members that it does not know are for later versions and mean
 * nothing; a member that is null is absent. -ERR_PARSE, -ERR_RANGE: the text names the member. -ERR_MEMORY. */
MUST_USE int status_read(struct json_parser *parser, struct str body, struct agent_status *ret, struct err *err);

#endif
