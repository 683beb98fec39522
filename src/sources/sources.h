/* Who reports, and who has fallen silent: the room's door. design.md section 6, "Silence is visible".
 *
 *   POST /v1/agents ──> agents ──┐                          every minute: DATA/agents
 *                                ├──> judge ──> `codecmeter sources`
 *   the log ──────────> tally ───┘                          every 5 min: DATA/derived/sources
 *   requests with a token ──> token_uses ──> `token list`    every minute: DATA/token-uses
 *
 * A thread of its own, with a low priority, counts what the log has got since the last time. So the writer does
 * nothing for it, and a busy machine counts later. After a crash it counts the last minutes again from the log.
 * Without DATA/derived/sources (a ledger of an earlier version; after rebuild or restore) it counts the whole log, in
 * the background. The agents of the last minute before a crash are lost: they report again.
 *
 * Agents: who reports its status, by (project, name, command). Kept for four weeks after the last report; at most
 * 1000 of a project and 10,000 in all. Sources: who is named in events, by (project, source). Forgotten after 35
 * quiet days; those beyond 9,999 are counted together.
 */
#ifndef CODECMETER_SOURCES_SOURCES_H
#define CODECMETER_SOURCES_SOURCES_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_write.h"
#include "ledger/ledger.h"
#include "sources/agents.h"
#include "sources/judge.h"
#include "sources/rejections.h"
#include "sources/status.h"
#include "sources/tally.h"
#include "sources/token_uses.h"

/* Descriptors that the room needs at most. */
#define SOURCES_DESCRIPTORS 28u

struct sources;

/* Reads the files and starts the thread. A file that cannot be read is reported, and made again. Borrows all. */
struct sources_options {
  const char *dir; /* the data directory */
  struct ledger *ledger;
  struct token_uses *token_uses; /* loaded by sources_start, saved by its thread and at the stop */
  const struct clock *clock;
};
MUST_USE int sources_start(const struct sources_options *options, struct sources **ret, struct err *err);
/* Joins the thread, writes the files, frees. */
void sources_stop(struct sources *sources);

/* Takes the report of an agent. Errors: those of agents_report. Any thread. */
MUST_USE int sources_report(struct sources *sources, const struct token *token, const struct agent_status *status,
                            struct err *err);
/* Counts events that the server rejected. An empty source: it could not be read. Any thread. */
void sources_count_rejected(struct sources *sources, struct str project, struct str source, uint64_t count);

/* ---- the list ---- */

/* How much of the log the figures count. */
struct sources_state {
  int64_t now_ms, since_ms; /* Unix ms; since_ms: when this server began to listen */
  uint64_t counted, end;    /* positions; counted < end: the rest is not counted yet */
  bool is_rough;            /* the numbers of unresolved outputs are too high, perhaps (tally_is_rough) */
  bool has_failed;          /* nothing more is counted until the next start, and why */
  struct err failure;
};

/* An agent or a source. Borrowed for the time of the call. */
struct sources_item {
  const struct agent *agent;         /* NULL: a source */
  const struct tally_source *source; /* NULL: an agent. first_ms is 0 if the server took nothing of it yet */
  const struct rejection *rejection; /* of a source */
  unsigned troubles;                 /* enum trouble bits */
  int64_t now_ms;                    /* Unix ms, when it was judged */
};
typedef void (*sources_visit_item)(void *arg, const struct sources_item *item);
/* First counts what the log has got, for two seconds at most. Then visits all agents, in the order of project, name
 * and command, and all sources in the order of project and source; last, in no order, those of which everything was
 * rejected. The locks of the room are held meanwhile: `visit` must be quick. -ERR_MEMORY. Any thread. */
MUST_USE int sources_visit(struct sources *sources, sources_visit_item visit, void *arg,
                           struct sources_state *ret_state, struct err *err);
/* Appends the sentences that say what is wrong with it; nothing if nothing is. */
void sources_tell(const struct sources_item *item, struct buf *out);

/* Writes into the list that is open one object for each agent and source of a project (empty: of all), and first one
 * that says how much of the log is counted; docs/agents.md lists the members. As sources_visit. */
MUST_USE int sources_list(struct sources *sources, struct str project, bool only_troubles, struct json_write *json,
                          struct err *err);
/* Forgets the agents of that name; an empty project means all. -ERR_NOT_FOUND. */
MUST_USE int sources_forget(struct sources *sources, struct str project, struct str name, struct err *err);

#endif
