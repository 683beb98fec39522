/* What is wrong with an agent or a source, in words. Pure. docs/agents.md has these rules for users. */
#ifndef CODECMETER_SOURCES_JUDGE_H
#define CODECMETER_SOURCES_JUDGE_H

#include <stdint.h>

#include "base/bytes.h"
#include "sources/agents.h"
#include "sources/rejections.h"
#include "sources/tally.h"

enum trouble {
  TROUBLE_SILENT = 1 << 0,   /* an agent has missed three reports; a source reports far less than usual */
  TROUBLE_SPOOL = 1 << 1,    /* events wait in the spool for JUDGE_OLDEST_MS, or it takes none */
  TROUBLE_CLOCK = 1 << 2,    /* the clock is off by JUDGE_OFFSET_MS or more */
  TROUBLE_REJECTED = 1 << 3, /* events are in the spool's rejected/; of a source: the server has just rejected some */
};
#define TROUBLES 4

#define JUDGE_OLDEST_MS INT64_C(600000)
#define JUDGE_OFFSET_MS INT64_C(30000)
#define JUDGE_REJECTED_MS INT64_C(3600000) /* a rejection of so long ago is no news */
/* A source is silent if it has reported less than one in JUDGE_SHARE of what is usual by now, both on all days and on
 * this day of the week; and if JUDGE_USUAL outputs or more are usual. */
#define JUDGE_SHARE 10u
#define JUDGE_USUAL 10u

/* The name of a trouble: "silent", "spool", "clock", "rejected". */
const char *judge_name(unsigned index);

/* since_ms: when this server began to listen: an agent cannot have reported before. */
unsigned judge_agent(const struct agent *agent, int64_t now_ms, int64_t since_ms);
unsigned judge_source(const struct tally_source *source);
unsigned judge_rejection(const struct rejection *rejection, int64_t now_ms);

/* Append a sentence for each trouble; nothing if there is none. */
void judge_tell_agent(const struct agent *agent, unsigned troubles, int64_t now_ms, struct buf *out);
void judge_tell_source(const struct tally_source *source, unsigned troubles, struct buf *out);
void judge_tell_rejection(const struct rejection *rejection, unsigned troubles, int64_t now_ms, struct buf *out);

/* Appends a duration in two words at most: "45 s", "14 min", "3 h", "12 days". */
void judge_tell_duration(int64_t ms, struct buf *out);

#endif
