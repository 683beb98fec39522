/* Each rule is decided by the same function of meter/ that decided it when the record was stored, and by comparing
 * with what the record keeps. So a sentence cannot claim a rule that this program does not apply.
 */
#include "query/explain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "meter/amount.h"
#include "meter/rfc3339.h"

#define DAY_SECONDS 86400

static void say(struct explain_rule *rule, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends to the sentence. Every part has a bound, so all of it fits. */
static void say(struct explain_rule *rule, const char *format, ...) {
  size_t at = strlen(rule->text);
  va_list args;
  va_start(args, format);
  int len = vsnprintf(rule->text + at, sizeof rule->text - at, format, args);
  va_end(args);
  CHECK(len >= 0 && (size_t)len < sizeof rule->text - at);
}

static void begin(struct explain_rule *rule, const char *name) { *rule = (struct explain_rule){.name = name}; }

/* ---- codec ---- */

static bool is_small(struct str name) {
  for (size_t i = 0; i < name.len; i++) {
    if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z') return false;
  }
  return true;
}

/* Names of an earlier table stay in their records, though the table of now folds them to another name. */
static void say_if_folded_otherwise(struct explain_codec *codec) {
  struct str given = codec->reported.len > 0 ? codec->reported : codec->name;
  char today[CODEC_NAME_MAX + 1];
  if (codec_canonical(given, today, NULL) != 0 || str_equal(str_of(today), codec->name)) return;
  say(&codec->rule,
      "; the table of this version folds it to %s, but a record keeps the name that it got when it was stored",
      today);
}

static void explain_named_codec(struct explain_codec *ret) {
  struct str name = ret->name, reported = ret->reported;
  if (reported.len == 0) {
    begin(&ret->rule, "unknown");
    say(&ret->rule, "the record keeps %.*s, and not how the report spelled it: an earlier version wrote the record",
        STR_ARG(name));
  } else if (str_equal(reported, name) && codec_is_known(name)) {
    begin(&ret->rule, "canonical");
    say(&ret->rule, "the report names %.*s, which is the canonical name", STR_ARG(reported));
  } else if (!str_equal_nocase(str_trim(reported), name) || codec_is_known(name)) {
    begin(&ret->rule, "table");
    say(&ret->rule, "the report names %.*s, which the table of codec names folds to %.*s", STR_ARG(reported),
        STR_ARG(name));
  } else {
    begin(&ret->rule, "itself");
    say(&ret->rule, "the report names %.*s, which the table of codec names does not have, so it stands for itself%s",
        STR_ARG(reported), is_small(reported) ? "" : ", in small letters");
  }
}

void explain_codec(const struct usage *usage, struct explain_codec *ret) {
  *ret = (struct explain_codec){.name = usage->codec, .reported = usage->codec_reported};
  if (usage->codec.len == 0) {
    begin(&ret->rule, "none");
    say(&ret->rule, "the report names no codec");
    return;
  }
  /* An empty codec_reported means that the name arrived as the canonical one. Records of an earlier version never
   * keep it; they do not know their token either. */
  if (ret->reported.len == 0 && usage->token.len > 0) ret->reported = usage->codec;
  explain_named_codec(ret);
  say_if_folded_otherwise(ret);
}

/* ---- tier ---- */

static void say_fit(struct explain_tier *tier) {
  uint32_t longer_max, shorter_max;
  begin(&tier->rule, "fits");
  say(&tier->rule,
      "the longer side %" PRIu32 " is at most %" PRIu32 " and the shorter side %" PRIu32 " is at most %" PRIu32
      ", so the tier is %s",
      tier->longer, tier->longer_max, tier->shorter, tier->shorter_max, tier_name(tier->tier));
  if (tier->tier == TIER_LOW || !tier_limits(tier->tier - 1, &longer_max, &shorter_max)) return;
  say(&tier->rule, "; it is not %s, whose limits are %" PRIu32 " and %" PRIu32, tier_name(tier->tier - 1), longer_max,
      shorter_max);
}

static void say_beyond(struct explain_tier *tier) {
  uint32_t longer_max = 0, shorter_max = 0;
  CHECK(tier_limits(TIER_HIGH, &longer_max, &shorter_max));
  bool is_long = tier->longer > longer_max, is_wide = tier->shorter > shorter_max;
  begin(&tier->rule, "beyond");
  if (is_long) say(&tier->rule, "the longer side %" PRIu32 " is above %" PRIu32, tier->longer, longer_max);
  if (is_long && is_wide) say(&tier->rule, " and ");
  if (is_wide) say(&tier->rule, "the shorter side %" PRIu32 " is above %" PRIu32, tier->shorter, shorter_max);
  say(&tier->rule, ", the limits of %s, so the tier is %s", tier_name(TIER_HIGH), tier_name(TIER_SUPER));
}

/* Today's rules give another tier, or none, because the record states no size. */
static void say_stored(struct explain_tier *tier, enum tier stored, const char *today) {
  tier->tier = stored;
  tier->has_limits = tier_limits(stored, &tier->longer_max, &tier->shorter_max);
  begin(&tier->rule, "stored");
  say(&tier->rule, "the record was stored with the tier %s, which it keeps; the rules of this version give %s",
      tier_name(stored), today);
}

void explain_tier(const struct usage *usage, struct explain_tier *ret) {
  *ret = (struct explain_tier){.has_tier = usage->kind == USAGE_TRANSCODE && usage->outcome == USAGE_FINISHED};
  if (!ret->has_tier) {
    begin(&ret->rule, "none");
    say(&ret->rule, "only a finished transcode has a tier");
    return;
  }
  ret->longer = usage->width > usage->height ? usage->width : usage->height;
  ret->shorter = usage->width > usage->height ? usage->height : usage->width;
  if (ret->shorter == 0) {
    say_stored(ret, usage->tier, "none, because it states no size");
    return;
  }
  ret->tier = tier_of(usage->width, usage->height);
  ret->has_limits = tier_limits(ret->tier, &ret->longer_max, &ret->shorter_max);
  if (ret->tier != usage->tier)
    say_stored(ret, usage->tier, tier_name(ret->tier));
  else if (ret->has_limits)
    say_fit(ret);
  else
    say_beyond(ret);
}

/* ---- amount ---- */

static void explain_images(const struct usage *usage, struct explain_amount *ret) {
  begin(&ret->rule, "images");
  ret->has_images = true;
  ret->images = usage->amount;
  say(&ret->rule, "a snapshot task counts images, not seconds: %" PRIu64, ret->images);
}

static void explain_duration(const struct usage *usage, struct explain_amount *ret) {
  uint64_t ms = usage->amount, seconds = amount_seconds(ms), minutes = amount_minutes(seconds);
  ret->has_seconds = true;
  ret->duration_ms = ms;
  ret->seconds = seconds;
  ret->minutes = minutes;
  if (ms == seconds * 1000) {
    begin(&ret->rule, "exact");
    say(&ret->rule, "%" PRIu64 " ms are %" PRIu64 " s", ms, seconds);
  } else if (ms < 500) {
    begin(&ret->rule, "at_least");
    say(&ret->rule, "%" PRIu64 " ms count %" PRIu64 " s, because a task with any duration counts at least 1 s", ms,
        seconds);
  } else {
    begin(&ret->rule, "rounded");
    say(&ret->rule, "%" PRIu64 " ms are rounded half up to %" PRIu64 " s", ms, seconds);
  }
  if (seconds == minutes * 60)
    say(&ret->rule, "; that is %" PRIu64 " min", minutes);
  else
    say(&ret->rule, "; rounded up to whole minutes: %" PRIu64 " min", minutes);
}

void explain_amount(const struct usage *usage, struct explain_amount *ret) {
  *ret = (struct explain_amount){0};
  if (!usage->has_amount) {
    begin(&ret->rule, "none");
    say(&ret->rule, usage->kind == USAGE_VOID ? "a void has no duration" : "the report states no %s",
        usage->kind == USAGE_SNAPSHOT ? "number of images" : "duration");
  } else if (usage->kind == USAGE_SNAPSHOT) {
    explain_images(usage, ret);
  } else {
    explain_duration(usage, ret);
  }
}

/* ---- time and day ---- */

void explain_finish(const struct usage *usage, struct explain_rule *ret) {
  if (usage->finish_stated) {
    begin(ret, "stated");
    say(ret, "the report states when the task finished");
  } else if (usage->finished_ms == usage->arrived_ms) {
    begin(ret, "arrival");
    say(ret, "the report states no finish time, so the time of its arrival counts");
  } else {
    begin(ret, "notice");
    say(ret,
        "the notice states no finish time, so the time of its arrival counts; it was read later, from the "
        "quarantine");
  }
}

void explain_date(int32_t day, char out[EXPLAIN_DATE_SIZE]) {
  int year, month, of_month;
  zone_date_from_day(day, &year, &month, &of_month);
  CHECK(year >= 0 && year <= 9999);
  (void)snprintf(out, EXPLAIN_DATE_SIZE, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)month % 100,
                 (unsigned)of_month % 100);
}

void explain_local_time(int64_t ms, int32_t offset, char out[EXPLAIN_LOCAL_TIME_SIZE]) {
  char utc[RFC3339_SIZE];
  unsigned minutes = (unsigned)(offset < 0 ? -offset : offset) / 60;
  rfc3339_format(ms + (int64_t)offset * 1000, utc);
  _Static_assert(RFC3339_SIZE - 2 == 23, "without the Z and the NUL");
  (void)snprintf(out, EXPLAIN_LOCAL_TIME_SIZE, "%.23s%c%02u:%02u", utc, offset < 0 ? '-' : '+', minutes / 60 % 100,
                 minutes % 60);
}

void explain_day(int64_t finished_ms, const struct zone *zone, bool by_project, struct explain_day *ret) {
  int64_t time = finished_ms / 1000;
  const char *whose = by_project ? "the project's time zone" : "the time zone that was asked for,";
  *ret = (struct explain_day){.day = zone_day_of(zone, time), .offset = zone_offset(zone, time)};
  ret->start = zone_day_start(zone, ret->day);
  ret->end = zone_day_start(zone, ret->day + 1);
  explain_date(ret->day, ret->date);
  explain_local_time(finished_ms, ret->offset, ret->local_time);
  bool is_local_date = memcmp(ret->date, ret->local_time, EXPLAIN_DATE_SIZE - 1) == 0;
  begin(&ret->rule, is_local_date ? "local_date" : "day_goes_on");
  say(&ret->rule, "in %s %s the task finished at %s, so it belongs to the day %s", whose, zone_name(zone),
      ret->local_time, ret->date);
  if (!is_local_date) say(&ret->rule, ": clocks went back over midnight, and the day that had begun went on");
}

/* ---- counting ---- */

static void say_finished(const struct usage *usage, struct explain_count *ret) {
  ret->counts = true;
  ret->sums = usage_count(usage);
  begin(&ret->rule, "finished");
  if (usage->kind == USAGE_SNAPSHOT)
    say(&ret->rule, "the task finished, so it counts %" PRIu64 " images", ret->sums.units);
  else
    say(&ret->rule, "the task finished, so it counts %" PRIu64 " s and %" PRIu64 " min", ret->sums.units,
        ret->sums.minutes);
}

static void say_unresolved(const struct usage *usage, bool is_resolved, struct explain_count *ret) {
  SCOPED(buf_fini) struct buf missing = {0};
  if (is_resolved) {
    begin(&ret->rule, "resolved");
    say(&ret->rule, "a later record of the same output counts instead");
    return;
  }
  usage_field_names(usage_missing(usage), usage->kind, &missing);
  begin(&ret->rule, "unresolved");
  say(&ret->rule, "the output counts nothing yet: its notice does not state %.*s", STR_ARG(buf_view(&missing)));
}

void explain_count(const struct usage *usage, bool is_voided, bool is_resolved, struct explain_count *ret) {
  *ret = (struct explain_count){0};
  if (usage->kind == USAGE_VOID) {
    begin(&ret->rule, "void");
    say(&ret->rule, "the record is a void: it cancels another record, and counts nothing itself");
  } else if (usage->kind == USAGE_UNRESOLVED) {
    say_unresolved(usage, is_resolved, ret);
  } else if (is_voided) {
    begin(&ret->rule, "voided");
    say(&ret->rule, "the record was voided, so it counts nothing");
  } else if (usage->outcome == USAGE_FAILED) {
    begin(&ret->rule, "failed");
    say(&ret->rule, "a failed task counts nothing");
  } else {
    say_finished(usage, ret);
  }
}

/* ---- who ---- */

static void say_token(struct explain_rule *rule, const struct usage *usage, struct str token_label,
                      const char *what) {
  if (usage->token.len == 0) {
    say(rule, "the %s does not name a token: a command of the server reported it, or an earlier version wrote it",
        what);
    return;
  }
  say(rule, "the token %.*s reported the %s", STR_ARG(usage->token), what);
  if (token_label.len > 0) say(rule, " (the token's label: %.*s)", STR_ARG(token_label));
}

static void arrival_text(const struct usage *usage, const struct zone *zone, char out[EXPLAIN_LOCAL_TIME_SIZE]) {
  explain_local_time(usage->arrived_ms, zone_offset(zone, usage->arrived_ms / 1000), out);
}

static void say_arrival(struct explain_rule *rule, const struct usage *usage, const struct zone *zone) {
  char arrived[EXPLAIN_LOCAL_TIME_SIZE];
  arrival_text(usage, zone, arrived);
  say(rule, "; it arrived at %s", arrived);
}

void explain_report(const struct usage *usage, struct str token_label, const struct zone *zone,
                    struct explain_rule *ret) {
  begin(ret, usage->token.len > 0 ? "token" : "unknown");
  say_token(ret, usage, token_label, "record");
  say_arrival(ret, usage, zone);
}

void explain_void(const struct usage *voiding, struct str token_label, const struct zone *zone,
                  struct explain_rule *ret) {
  begin(ret, voiding->token.len > 0 ? "voided" : "unknown");
  say(ret, "a void cancels the task: ");
  say_token(ret, voiding, token_label, "void");
  say_arrival(ret, voiding, zone);
}

void explain_waiting(const struct usage *waiting, const struct usage *resolution, const struct zone *zone,
                     struct explain_rule *ret) {
  SCOPED(buf_fini) struct buf missing = {0};
  char arrived[EXPLAIN_LOCAL_TIME_SIZE];
  usage_field_names(usage_missing(waiting), waiting->kind, &missing);
  arrival_text(waiting, zone, arrived);
  begin(ret, resolution != NULL ? "resolved" : "waits");
  say(ret, "the notice that arrived at %s does not state %.*s", arrived, STR_ARG(buf_view(&missing)));
  if (resolution == NULL) {
    say(ret, "; the output waits for a report that does");
    return;
  }
  arrival_text(resolution, zone, arrived);
  say(ret, "; the report that arrived at %s completed the output", arrived);
}
