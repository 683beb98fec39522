/* The pulse: tells the server how this agent is (POST /v1/agents), so that its silence is noticed. docs/agents.md,
 * "Is anything silent?".
 *
 * It hinders nothing: a report takes two seconds at most, and whatever becomes of it, events are sent and spooled as
 * before. An older server does not know it, which is fine.
 */
#ifndef CODECMETER_AGENT_PULSE_H
#define CODECMETER_AGENT_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/spool.h"
#include "base/err.h"

#define PULSE_NAME_MAX 64
#define PULSE_COMMAND_MAX 160
#define PULSE_INTERVAL_MS INT64_C(60000) /* of `watch` */

struct pulse {
  const struct client_settings *settings; /* borrowed; NULL: no reports */
  char name[PULSE_NAME_MAX + 1];
  char command[PULSE_COMMAND_MAX + 1]; /* "watch /srv/out" */
  int64_t interval_ms;                 /* the owner promises to call pulse_beat this often; 0: only with events */
  int64_t due_ms, sent_ms;             /* monotonic: when the next report is due, and when the last one was sent */
  bool is_unknown;                     /* the server is older, and does not know such reports */
  bool has_offset;
  int64_t offset_ms;              /* how far our clock was ahead of the server's at the last report */
  char spool_error[ERR_TEXT_MAX]; /* why the last event could not be spooled; "": it could, or none was */
  char said[ERR_TEXT_MAX];        /* the refusal that the user knows */
};

/* True if a name is one that the server takes: 1 to PULSE_NAME_MAX bytes of UTF-8, no control characters, not only
 * blanks. */
bool pulse_is_name(struct str name);

/* The name is that of the settings, else that of the host. Of the command, unprintable bytes are escaped; if it is
 * too long, its end is replaced by a hash. */
void pulse_init(struct pulse *pulse, const struct client_settings *settings, struct str command, int64_t interval_ms);

/* When the next report is due (monotonic); INT64_MAX: never. */
int64_t pulse_next_ms(const struct pulse *pulse);
/* An event was sent or spooled: a report is due soon. */
void pulse_hurry(struct pulse *pulse);
/* Reports if that is due. say: gets a line for the user if the server refuses the report of an agent that promises
 * some, once for each reason; or NULL. */
void pulse_beat(struct pulse *pulse, struct client *client, const struct spool *spool,
                void (*say)(void *arg, const char *text), void *say_arg);

#endif
