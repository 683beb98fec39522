/* The agents that report their status: what each said last, and when. Bounded, and kept across restarts.
 *
 * An agent is known by its project, its name and its command. Any thread may call.
 */
#ifndef CODECMETER_SOURCES_AGENTS_H
#define CODECMETER_SOURCES_AGENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/catalogue.h"
#include "sources/roster.h"
#include "sources/status.h"

#define AGENTS_MAX ROSTER_MAX                       /* in all */
#define AGENTS_PROJECT_MAX 1000u                    /* of one project */
#define AGENTS_KEPT_MS (INT64_C(28) * 86400 * 1000) /* one that has been silent for so long is forgotten */
/* An agent that misses so many reports in a row is silent. */
#define AGENTS_MISSED 3
/* An agent that promised no reports gives up its place to a new one after this time. */
#define AGENTS_IDLE_MS (INT64_C(3600) * 1000)

struct agent {
  struct roster_item item;
  struct agent_status status;   /* the project is the token's, if that is for one */
  char token[TOKEN_ID_MAX + 1]; /* the token that it used last */
  int64_t first_ms, last_ms;    /* when its first and its last report arrived, Unix ms */
  int64_t offset_ms; /* how far its clock is ahead of ours: what it measured, else its time when the report arrived */
};

struct agents;
MUST_USE struct agents *agents_new(void); /* waits for memory */
void agents_free(struct agents *agents);
SCOPED_REF(struct agents, agents_free)

/* Takes a report that arrived at now_ms. -ERR_DENIED: the token is for another project. -ERR_LIMIT: the project, or
 * the server, has as many agents as it may, and all of them report now. Otherwise a new agent takes the place of the
 * one that has been silent for longest, and a line of the log says so. -ERR_MEMORY. */
MUST_USE int agents_report(struct agents *agents, const struct token *token, const struct agent_status *status,
                           int64_t now_ms, struct err *err);

/* When the agent should have reported at the latest; INT64_MAX if it promised nothing. */
int64_t agent_due_ms(const struct agent *agent);

/* Visits all agents, in the order of project, name and command, under the lock. -ERR_MEMORY. */
MUST_USE int agents_visit(struct agents *agents, void (*visit)(void *arg, const struct agent *agent), void *arg);
/* Forgets the agents of that name; an empty project means all. Returns how many there were. */
size_t agents_forget(struct agents *agents, struct str project, struct str name);

/* True if a report arrived since the last call of agents_encode. */
bool agents_are_new(struct agents *agents);
/* Appends a line of JSON for each agent: its report, with when it came. Forgets those that have been silent for too
 * long. */
void agents_encode(struct agents *agents, int64_t now_ms, struct buf *out);
/* Takes such lines (JSON_PADDING bytes readable behind them). Returns how many it could not read; it passes them
 * over. */
size_t agents_decode(struct agents *agents, struct str lines);

#endif
