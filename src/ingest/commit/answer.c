/* Each pass goes over the events, and takes the next verdict for each event that was not rejected before: there is
 * one verdict for each of these. The answer begins with the counts, so a first pass counts before anything is
 * written.
 */
#include "ingest/commit/answer.h"

#include <stddef.h>

#include "base/check.h"
#include "base/json.h"
#include "base/json_write.h"
#include "metrics/metrics.h"

static const char *const outcome_names[] = {
    [VERDICT_STORED] = "stored",
    [VERDICT_DUPLICATE] = "duplicate",
    [VERDICT_CONFLICT] = "conflict",
    [VERDICT_REJECTED] = "rejected",
};
#define OUTCOMES (sizeof outcome_names / sizeof outcome_names[0])

#define RESULT_MAX 192 /* bytes of the counts, or of a result without its id, "reported before" included */
#define REASON_MAX 1024 /* bytes of a longer reason, without the texts of an event */

#define CONFLICT_BEGIN "differs from the first report: "
static_assert(sizeof CONFLICT_BEGIN + USAGE_CONTRAST_MAX + 2 * (QUALITY_MAX + REGION_MAX) <= REASON_MAX, "a conflict's reason has room in an answer");

/* What became of an event. */
struct fate {
  enum verdict_outcome outcome;
  const struct verdict *verdict; /* NULL when the event never reached the ledger */
  const struct usage *usage;
};

/* Stored as unresolved: it counts nothing until `codecmeter unresolved resolve` completes it. */
static bool is_waiting(const struct fate *fate) {
  return fate->outcome == VERDICT_STORED && fate->usage->kind == USAGE_UNRESOLVED;
}

static struct fate take_fate(const struct events *events, const struct verdict *verdicts, size_t index,
                             size_t *next_usage) {
  if (events->items[index].reason != NULL) return (struct fate){.outcome = VERDICT_REJECTED};
  CHECK(*next_usage < events->usages_count && verdicts != NULL);
  size_t at = (*next_usage)++;
  CHECK(verdicts[at].outcome < OUTCOMES);
  return (struct fate){.outcome = verdicts[at].outcome, .verdict = &verdicts[at], .usage = &events->usages[at]};
}

static void write_conflict(const struct verdict *verdict, const struct usage *usage, struct buf *out) {
  const struct verdict_first *first = &verdict->first;
  const struct usage stored = {.kind = first->kind,
                               .outcome = first->outcome,
                               .codec = str_of(first->codec),
                               .has_amount = first->has_amount,
                               .width = first->width,
                               .height = first->height,
                               .amount = first->amount,
                               .finished_ms = first->finished_ms,
                               .frame_rate = first->frame_rate,
                               .quality = str_of(first->quality),
                               .region = str_of(first->region),
                               .passes = first->passes,
                               .has_input_duration = first->has_input_duration,
                               .input_duration_ms = first->input_duration_ms};
  buf_text(out, CONFLICT_BEGIN);
  usage_contrast(&stored, usage, verdict->fields, out);
}

void ingest_reason(const struct verdict *verdict, const struct usage *usage, struct buf *out) {
  if (verdict->outcome == VERDICT_STORED) return;
  switch (verdict->reason) {
    case VERDICT_REASON_CONTENT:
      write_conflict(verdict, usage, out);
      return;
    case VERDICT_REASON_NO_PROJECT:
      buf_text(out, "subject: no project has this id: ");
      buf_str(out, usage->project);
      return;
    case VERDICT_REASON_CODECS:
      buf_printf(out, "codec: %.*s is not known, and the project already has %d names of codecs that are not known",
                 STR_ARG(usage->codec), CODEC_OTHERS_MAX);
      return;
    case VERDICT_REASON_NO_TARGET:
      buf_text(out, "data: no record has this source and id");
      return;
    case VERDICT_REASON_WAITS:
      buf_text(out,
               "data: the record is unresolved and counts nothing: "
               "`codecmeter unresolved dismiss` removes it from the list");
      return;
    case VERDICT_REASON_VOID:
      buf_text(out, "data: the record is itself a void, and a void is final: report the usage again under a new id");
      return;
    case VERDICT_REASON_VOIDED:
      buf_text(out, "voided before");
      return;
    case VERDICT_REASON_RESOLVES: /* of stored usage: no reason */
    case VERDICT_REASON_NONE:
      buf_text(out, "reported before");
      return;
  }
}

static void write_what_is_missing(const struct usage *usage, struct buf *out) {
  usage_field_names(usage_missing(usage), usage->kind, out);
  buf_text(out, ": not in the notice; the output counts once `codecmeter unresolved resolve` supplies it");
}

static void write_result(const struct event *event, size_t index, const struct fate *fate, struct buf *scratch,
                         struct json_write *json) {
  buf_clear(scratch);
  if (is_waiting(fate)) {
    write_what_is_missing(fate->usage, scratch);
  } else if (fate->verdict == NULL) {
    buf_text(scratch, event->reason);
  } else {
    ingest_reason(fate->verdict, fate->usage, scratch);
  }
  json_write_object(json, NULL);
  json_write_u64(json, "index", index);
  if (event->id.len > 0)
    json_write_str(json, "id", event->id);
  else
    json_write_null(json, "id");
  json_write_text(json, "outcome", is_waiting(fate) ? "unresolved" : outcome_names[fate->outcome]);
  json_write_str(json, "reason", buf_view(scratch));
  json_write_end(json);
}

static void write_results(const struct events *events, const struct verdict *verdicts, struct json_write *json) {
  SCOPED(buf_fini) struct buf scratch = {0};
  size_t next_usage = 0;
  for (size_t i = 0; i < events->count; i++) {
    struct fate fate = take_fate(events, verdicts, i, &next_usage);
    if (fate.outcome == VERDICT_STORED && !is_waiting(&fate)) continue;
    write_result(&events->items[i], i, &fate, &scratch, json);
  }
}

static void write_members(const struct events *events, const struct verdict *verdicts,
                          const uint64_t counts[OUTCOMES], struct json_write *json) {
  for (size_t i = 0; i < OUTCOMES; i++)
    json_write_u64(json, outcome_names[i], counts[i]);
  json_write_list(json, "results");
  write_results(events, verdicts, json);
  json_write_end(json);
}

static unsigned status_of(bool is_single, const uint64_t counts[OUTCOMES]) {
  if (is_single && counts[VERDICT_CONFLICT] > 0) return 409;
  if (is_single && counts[VERDICT_REJECTED] > 0) return 422;
  return 200;
}

static void count_outcomes(const struct events *events, const struct verdict *verdicts, uint64_t counts[OUTCOMES]) {
  size_t next_usage = 0;
  for (size_t i = 0; i < events->count; i++)
    counts[take_fate(events, verdicts, i, &next_usage).outcome]++;
  CHECK(next_usage == events->usages_count);
}

static size_t result_max(const struct event *event, const struct fate *fate) {
  size_t size = RESULT_MAX + INGEST_TEXT_MAX(event->id.len);
  if (fate->outcome == VERDICT_STORED) return is_waiting(fate) ? size + REASON_MAX : 0;
  if (fate->verdict == NULL) return size + INGEST_TEXT_MAX(strlen(event->reason));
  if (fate->verdict->reason == VERDICT_REASON_NONE) return size;
  return size + REASON_MAX + INGEST_TEXT_MAX(fate->usage->project.len);
}

size_t ingest_answer_max(const struct events *events, const struct verdict *verdicts) {
  size_t size = RESULT_MAX, next_usage = 0;
  for (size_t i = 0; i < events->count; i++) {
    struct fate fate = take_fate(events, verdicts, i, &next_usage);
    size += result_max(&events->items[i], &fate);
  }
  return size;
}

bool ingest_counts_all(const struct events *events, const struct verdict *verdicts) {
  uint64_t counts[OUTCOMES] = {0};
  count_outcomes(events, verdicts, counts);
  return counts[VERDICT_CONFLICT] == 0 && counts[VERDICT_REJECTED] == 0;
}

void ingest_answer(const struct events *events, const struct verdict *verdicts, struct buf *out,
                   unsigned *ret_status) {
  uint64_t counts[OUTCOMES] = {0};
  count_outcomes(events, verdicts, counts);
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  write_members(events, verdicts, counts, &json);
  json_write_end(&json);
  *ret_status = status_of(events->single, counts);
}

/* True if it completed an unresolved record, and is stored itself. */
static bool is_resolving(const struct fate *fate) {
  return fate->outcome == VERDICT_STORED && fate->verdict->reason == VERDICT_REASON_RESOLVES;
}

/* Counts the events that wait to be resolved, and takes them out of the count of stored ones; counts those that
 * resolve others. */
static void move_waiting(const struct events *events, const struct verdict *verdicts, uint64_t counts[OUTCOMES],
                         uint64_t *ret_waiting, uint64_t *ret_resolving) {
  size_t next_usage = 0;
  *ret_waiting = *ret_resolving = 0;
  for (size_t i = 0; i < events->count; i++) {
    struct fate fate = take_fate(events, verdicts, i, &next_usage);
    *ret_waiting += is_waiting(&fate);
    *ret_resolving += is_resolving(&fate);
  }
  counts[VERDICT_STORED] -= *ret_waiting;
}

void ingest_count(const struct events *events, const struct verdict *verdicts, struct ingest_counts *ret) {
  uint64_t counts[OUTCOMES] = {0}, waiting, resolving;
  count_outcomes(events, verdicts, counts);
  move_waiting(events, verdicts, counts, &waiting, &resolving);
  *ret = (struct ingest_counts){.stored = counts[VERDICT_STORED],
                                .unresolved = waiting,
                                .duplicate = counts[VERDICT_DUPLICATE],
                                .conflict = counts[VERDICT_CONFLICT],
                                .rejected = counts[VERDICT_REJECTED]};
}

static enum metric_outcome outcome_of(const struct verdict *verdict, const struct usage *usage) {
  static const enum metric_outcome outcomes[OUTCOMES] = {[VERDICT_STORED] = METRIC_OUTCOME_STORED,
                                                         [VERDICT_DUPLICATE] = METRIC_OUTCOME_DUPLICATE,
                                                         [VERDICT_CONFLICT] = METRIC_OUTCOME_CONFLICT,
                                                         [VERDICT_REJECTED] = METRIC_OUTCOME_REJECTED};
  bool is_stored = verdict->outcome == VERDICT_STORED;
  if (is_stored && verdict->reason == VERDICT_REASON_RESOLVES) return METRIC_OUTCOME_RESOLVED;
  return is_stored && usage->kind == USAGE_UNRESOLVED ? METRIC_OUTCOME_UNRESOLVED : outcomes[verdict->outcome];
}

static enum metric_reason reason_of(const struct verdict *verdict) {
  switch (verdict->reason) {
    case VERDICT_REASON_NO_PROJECT: return METRIC_REASON_NO_PROJECT;
    case VERDICT_REASON_CODECS: return METRIC_REASON_CODECS;
    case VERDICT_REASON_NO_TARGET: return METRIC_REASON_NO_TARGET;
    case VERDICT_REASON_WAITS: return METRIC_REASON_WAITS;
    case VERDICT_REASON_VOID: return METRIC_REASON_VOID;
    default: return METRIC_REASON_INVALID;
  }
}

bool ingest_note(const struct events *events, const struct verdict *verdicts) {
  uint64_t unread = events->count - events->usages_count;
  uint64_t outcomes[METRIC_OUTCOMES] = {[METRIC_OUTCOME_REJECTED] = unread};
  uint64_t reasons[METRIC_REASONS] = {[METRIC_REASON_INVALID] = unread};
  for (size_t i = 0; i < events->usages_count; i++) {
    enum metric_outcome outcome = outcome_of(&verdicts[i], &events->usages[i]);
    outcomes[outcome]++;
    if (outcome == METRIC_OUTCOME_REJECTED) reasons[reason_of(&verdicts[i])]++;
  }
  for (unsigned i = 0; i < METRIC_OUTCOMES; i++)
    if (outcomes[i] > 0) metrics_add(METRIC_EVENTS, i, outcomes[i]);
  for (unsigned i = 0; i < METRIC_REASONS; i++)
    if (reasons[i] > 0) metrics_add(METRIC_EVENTS_REJECTED, i, reasons[i]);
  return outcomes[METRIC_OUTCOME_REJECTED] + outcomes[METRIC_OUTCOME_CONFLICT] > 0;
}

void ingest_answer_notice(const struct events *events, const struct verdict *verdicts, const char *const *ignored,
                          size_t ignored_count, struct buf *out) {
  uint64_t counts[OUTCOMES] = {0}, waiting, resolving;
  count_outcomes(events, verdicts, counts);
  move_waiting(events, verdicts, counts, &waiting, &resolving);
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  write_members(events, verdicts, counts, &json);
  json_write_u64(&json, "unresolved", waiting);
  json_write_u64(&json, "resolved", resolving);
  json_write_list(&json, "ignored");
  for (size_t i = 0; i < ignored_count; i++)
    json_write_text(&json, NULL, ignored[i]);
  json_write_end(&json);
  json_write_end(&json);
}
