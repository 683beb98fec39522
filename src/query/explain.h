/* The rule behind each number of one task. Pure: from a record to a rule's name, its values, and one plain sentence.
 * Source: design, section 4.
 *
 * Rules have fixed names, so that a program or a translation can tell them apart; explain.c has them all. A record
 * keeps what was decided when it was stored. Where the rules of this version would decide otherwise, the sentence
 * says so. The sentences are one line of UTF-8 without control characters.
 */
#ifndef CODECMETER_QUERY_EXPLAIN_H
#define CODECMETER_QUERY_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "meter/codec.h"
#include "meter/usage.h"
#include "meter/zone.h"

#define EXPLAIN_TEXT_MAX 512

struct explain_rule {
  const char *name; /* static */
  char text[EXPLAIN_TEXT_MAX];
};

/* Where the codec's name comes from.
 *   none       the report names no codec
 *   canonical  the report gave the canonical name
 *   table      the table of codec names has the report's name
 *   itself     the table does not have it, so the name stands for itself, in small letters
 *   unknown    the record does not keep how the report spelled it: an earlier version wrote it */
struct explain_codec {
  struct explain_rule rule;
  struct str name;     /* canonical, as the record keeps it; borrowed from the record, like the next */
  struct str reported; /* as it arrived; empty if that is not known, or none was named */
};
void explain_codec(const struct usage *usage, struct explain_codec *ret);

/* Why the tier.
 *   none     only finished transcodes have a tier
 *   fits     both sides fit the tier's limits, and no lower tier's
 *   beyond   super: at least one side is above the limits of high
 *   stored   the record keeps the tier of other rules than today's */
struct explain_tier {
  struct explain_rule rule;
  bool has_tier;
  enum tier tier;
  uint32_t longer, shorter; /* sides, in pixels */
  bool has_limits;          /* false for super */
  uint32_t longer_max, shorter_max;
};
void explain_tier(const struct usage *usage, struct explain_tier *ret);

/* How the amount became seconds and minutes.
 *   none      the report states no duration
 *   exact     whole seconds
 *   rounded   milliseconds are rounded half up
 *   at_least  less than half a second counts 1 s
 *   images    snapshots count images */
struct explain_amount {
  struct explain_rule rule;
  bool has_seconds, has_images;
  uint64_t duration_ms, seconds, minutes;
  uint64_t images;
};
void explain_amount(const struct usage *usage, struct explain_amount *ret);

/* Whose word the finish time is.
 *   stated   the report states it
 *   arrival  the report states none: it arrived then
 *   notice   the report states none: its notice arrived then, and waited in the quarantine */
void explain_finish(const struct usage *usage, struct explain_rule *ret);

#define EXPLAIN_DATE_SIZE 11       /* "2026-01-31", NUL */
#define EXPLAIN_LOCAL_TIME_SIZE 30 /* "2026-01-31T12:00:00.123+08:00", NUL */

/* The day that a finish time belongs to.
 *   local_date   the local date
 *   day_goes_on  clocks went back over midnight: the local date came a second time, and the day that had begun went
 * on */
struct explain_day {
  struct explain_rule rule;
  int32_t day;
  char date[EXPLAIN_DATE_SIZE];
  char local_time[EXPLAIN_LOCAL_TIME_SIZE];
  int32_t offset;     /* seconds east of UTC */
  int64_t start, end; /* of the day, in Unix seconds; end is exclusive */
};
/* by_project: the zone is the project's, not one that the question named. */
void explain_day(int64_t finished_ms, const struct zone *zone, bool by_project, struct explain_day *ret);
/* Writes an instant as local time: milliseconds since 1970, at least 0. */
void explain_local_time(int64_t ms, int32_t offset, char out[EXPLAIN_LOCAL_TIME_SIZE]);
void explain_date(int32_t day, char out[EXPLAIN_DATE_SIZE]);

/* Whether the record counts.
 *   finished    it counts
 *   failed      failed tasks count nothing
 *   voided      a void took it off
 *   unresolved  a measure is missing
 *   resolved    a later record of the same identity counts instead
 *   void        the record is itself a void */
struct explain_count {
  struct explain_rule rule;
  bool counts;
  struct usage_count sums; /* what it adds to its cell; zeros if it does not count */
};
/* is_resolved: of an unresolved record. */
void explain_count(const struct usage *usage, bool is_voided, bool is_resolved, struct explain_count *ret);

/* Who reported it: the token, and when it arrived, in the zone. token_label: empty if the token has none, or no
 * longer exists. token    the record names its token unknown  it names none */
void explain_report(const struct usage *usage, struct str token_label, const struct zone *zone,
                    struct explain_rule *ret);
/* What cancels a task: the void's token, and when the void arrived, in the zone. The rule is "voided", or "unknown"
 * without a token. */
void explain_void(const struct usage *voiding, struct str token_label, const struct zone *zone,
                  struct explain_rule *ret);
/* What an unresolved output lacked, and what became of it. resolution: the record that resolved it, or NULL.
 *   waits     nothing has completed it
 *   resolved  a later report did */
void explain_waiting(const struct usage *waiting, const struct usage *resolution, const struct zone *zone,
                     struct explain_rule *ret);

#endif
