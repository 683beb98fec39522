/* What an event may have, as tables: for OpenAPI. The rows are in members.def. */
#ifndef CODECMETER_INGEST_READ_EVENT_MEMBERS_H
#define CODECMETER_INGEST_READ_EVENT_MEMBERS_H

#include "base/member.h"
#include "meter/usage.h"

/* Bits of the kinds of tasks that have a member. */
#define OF_TRANSCODES (1u << USAGE_TRANSCODE)
#define OF_REMUXES (1u << USAGE_REMUX)
#define OF_SNAPSHOTS (1u << USAGE_SNAPSHOT)
#define OF_SOUND (1u << USAGE_AUDIO)
#define OF_TASKS (OF_TRANSCODES | OF_REMUXES | OF_SNAPSHOTS | OF_SOUND)
#define TIMED (OF_TRANSCODES | OF_REMUXES | OF_SOUND)
#define OF_VOIDS (1u << USAGE_VOID)

extern const struct member event_attributes[]; /* of the event; ends with {0} */

struct event_member {
  struct member is;
  unsigned kinds;  /* that have it; of others it is ignored */
  unsigned needed; /* kinds that must have it when they are finished; `duration` will do for duration_ms */
};
extern const struct event_member event_members[]; /* of its data; ends with {0} */

#endif
