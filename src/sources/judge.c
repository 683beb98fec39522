#include "sources/judge.h"

#include <inttypes.h>

static const char *const names[TROUBLES] = {"silent", "spool", "clock", "rejected"};

const char *judge_name(unsigned index) { return names[index]; }

static int64_t distance(int64_t ms) { return ms < 0 ? -ms : ms; }

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- agents ---- */

static bool is_silent(const struct agent *agent, int64_t now_ms, int64_t since_ms) {
  int64_t interval_ms = agent->status.interval_ms;
  return interval_ms > 0 && now_ms > later(agent->last_ms, since_ms) + AGENTS_MISSED * interval_ms;
}

unsigned judge_agent(const struct agent *agent, int64_t now_ms, int64_t since_ms) {
  const struct agent_status *status = &agent->status;
  bool waits = status->spooled > 0 && status->oldest_ms >= JUDGE_OLDEST_MS;
  unsigned troubles = 0;
  if (is_silent(agent, now_ms, since_ms)) troubles |= TROUBLE_SILENT;
  if (waits || status->spool_error[0] != '\0') troubles |= TROUBLE_SPOOL;
  if (distance(agent->offset_ms) >= JUDGE_OFFSET_MS) troubles |= TROUBLE_CLOCK;
  if (status->rejected > 0) troubles |= TROUBLE_REJECTED;
  return troubles;
}

void judge_tell_duration(int64_t ms, struct buf *out) {
  int64_t seconds = ms / 1000;
  if (seconds < 120)
    buf_printf(out, "%" PRId64 " s", seconds);
  else if (seconds < 120 * 60)
    buf_printf(out, "%" PRId64 " min", seconds / 60);
  else if (seconds < 48 * 3600)
    buf_printf(out, "%" PRId64 " h", seconds / 3600);
  else
    buf_printf(out, "%" PRId64 " days", seconds / 86400);
}

static void begin_sentence(struct buf *out) {
  if (out->len > 0) buf_text(out, "; ");
}

static const char *plural(uint64_t count, const char *one, const char *many) { return count == 1 ? one : many; }

static void tell_silent(const struct agent *agent, int64_t now_ms, struct buf *out) {
  begin_sentence(out);
  buf_text(out, "no report for ");
  judge_tell_duration(now_ms - agent->last_ms, out);
  buf_text(out, ", expected every ");
  judge_tell_duration(agent->status.interval_ms, out);
}

static void tell_spool(const struct agent_status *status, struct buf *out) {
  begin_sentence(out);
  if (status->spool_error[0] != '\0') buf_printf(out, "its spool takes no events: %s", status->spool_error);
  if (status->spool_error[0] != '\0' && status->spooled > 0) buf_text(out, "; ");
  if (status->spooled == 0) return;
  buf_printf(out, "%" PRIu64 " %s in its spool, the oldest for ", status->spooled,
             plural(status->spooled, "event waits", "events wait"));
  judge_tell_duration(status->oldest_ms, out);
}

static void tell_clock(const struct agent *agent, struct buf *out) {
  begin_sentence(out);
  buf_text(out, "its clock is ");
  judge_tell_duration(distance(agent->offset_ms), out);
  buf_text(out, agent->offset_ms > 0 ? " ahead of the server's" : " behind the server's");
}

static void tell_rejected(const struct agent_status *status, struct buf *out) {
  begin_sentence(out);
  buf_printf(out, "%" PRIu64 " %s rejected: see `codecmeter spool status` there", status->rejected,
             plural(status->rejected, "event was", "events were"));
}

void judge_tell_agent(const struct agent *agent, unsigned troubles, int64_t now_ms, struct buf *out) {
  SCOPED(buf_fini) struct buf text = {0};
  if ((troubles & TROUBLE_SILENT) != 0) tell_silent(agent, now_ms, &text);
  if ((troubles & TROUBLE_SPOOL) != 0) tell_spool(&agent->status, &text);
  if ((troubles & TROUBLE_CLOCK) != 0) tell_clock(agent, &text);
  if ((troubles & TROUBLE_REJECTED) != 0) tell_rejected(&agent->status, &text);
  buf_str(out, buf_view(&text));
}

/* ---- sources ---- */

/* A source that rests on Sundays is compared with Sundays too. One that is known for few weeks is compared with what
 * there is. */
static uint64_t expected(const struct tally_source *source) {
  bool has_weekday = source->days >= 7;
  return has_weekday && source->usual_weekday < source->usual ? source->usual_weekday : source->usual;
}

unsigned judge_source(const struct tally_source *source) {
  uint64_t usual = expected(source);
  bool is_known = source->days >= TALLY_DAYS_LEAST && source->project[0] != '\0';
  /* What was reported since the last full part of the day counts for the source, too. */
  bool is_low = source->today * JUDGE_SHARE < usual;
  return is_known && usual >= JUDGE_USUAL && is_low ? TROUBLE_SILENT : 0;
}

void judge_tell_source(const struct tally_source *source, unsigned troubles, struct buf *out) {
  if ((troubles & TROUBLE_SILENT) == 0) return;
  buf_printf(out, "%" PRIu64 " %s since 00:00 UTC; by %02u:00 there are usually %" PRIu64, source->today,
             plural(source->today, "output", "outputs"), source->hours, expected(source));
}

unsigned judge_rejection(const struct rejection *rejection, int64_t now_ms) {
  bool is_news = now_ms - rejection->last_ms < JUDGE_REJECTED_MS;
  return rejection->count > 0 && is_news ? TROUBLE_REJECTED : 0;
}

void judge_tell_rejection(const struct rejection *rejection, unsigned troubles, int64_t now_ms, struct buf *out) {
  if ((troubles & TROUBLE_REJECTED) == 0) return;
  begin_sentence(out);
  buf_printf(out, "the server rejected %" PRIu64 " %s since it started, the last ", rejection->count,
             plural(rejection->count, "event", "events"));
  judge_tell_duration(later(now_ms - rejection->last_ms, 0), out);
  buf_text(out, " ago: see its log");
}
