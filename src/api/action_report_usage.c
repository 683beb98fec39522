/* ReportUsage: usage by the signed way, for callers that have a UCloud SDK and no more. Source: design §4; for users,
 * docs/api.md. */
#include <stdlib.h>

#include "api/call.h"
#include "api/usage_params.h"
#include "base/check.h"
#include "ingest/answer.h"
#include "ingest/fields.h"

#define KEPT_MAX ((size_t)8 << 20) /* what a request may leave of its events */

/* ---- from trees to records ---- */

static int read_events(const struct call *call, const struct usage_params *reported, struct api_report *waiting,
                       struct refusal *refusal) {
  struct delivery *delivery = waiting->delivery;
  struct events *events = &delivery->events;
  const struct event_rules rules = {
      .project = arena_copy(delivery->arena, str_of(call->project.id)).ptr,
      .now_ms = clock_real_ms(call->options->clock),
      .events_max = USAGE_PARAMS_EVENTS_MAX,
  };
  events->items = arena_alloc(delivery->arena, reported->count * sizeof *events->items);
  events->usages = arena_alloc(delivery->arena, reported->count * sizeof *events->usages);
  waiting->numbers = arena_alloc(delivery->arena, reported->count * sizeof *waiting->numbers);
  if (rules.project == NULL || events->items == NULL || events->usages == NULL || waiting->numbers == NULL) {
    return refuse_param(refusal, "Event", USAGE_PARAMS_TOO_LARGE);
  }
  for (size_t i = 0; i < reported->count; i++) {
    int result = fields_read(&reported->items[i]->tree->event, &rules, false, call->arena, delivery->arena,
                             &events->items[i], &events->usages[events->usages_count]);
    if (result == -ERR_MEMORY || result == -ERR_LIMIT) return refuse_param(refusal, "Event", USAGE_PARAMS_TOO_LARGE);
    waiting->numbers[i] = reported->items[i]->number;
    events->count++;
    if (result == 0) events->usages_count++;
  }
  return 0;
}

/* ---- the report ---- */

/* On the committer's thread. */
static void done(struct delivery *delivery, int result) {
  const struct api_report *waiting = delivery->arg;
  SCOPED(buf_fini) struct buf answer = {0};
  struct api_result told;
  api_report_answer(waiting, result, &answer, &told);
  waiting->finish(waiting->arg, &answer, &told);
}

static struct api_report *api_report_new(const struct call *call) {
  struct api_report *waiting = calloc(1, sizeof *waiting);
  CHECK(waiting != NULL);
  struct str key = str_of(call->public_key);
  if (key.len >= sizeof waiting->public_key) key.len = sizeof waiting->public_key - 1;
  bool fits = str_copy(key, waiting->public_key, sizeof waiting->public_key);
  waiting->delivery = delivery_new(KEPT_MAX);
  CHECK(fits && waiting->delivery != NULL);
  waiting->delivery->done = done;
  waiting->delivery->arg = waiting;
  waiting->finish = call->request->finish;
  waiting->arg = call->request->arg;
  return waiting;
}

int action_report_usage(const struct call *call, struct buf *out, struct refusal *refusal) {
  struct usage_params reported;
  int code = usage_params_read(call->params, call->arena, &reported, refusal);
  if (code != 0) return code;
  SCOPED(api_report_free_ref) struct api_report *waiting = api_report_new(call);
  code = read_events(call, &reported, waiting, refusal);
  if (code != 0) return code;
  const struct events *events = &waiting->delivery->events;
  if (events->usages_count == 0) {
    buf_char(out, ',');
    ingest_answer_members(events, waiting->numbers, NULL, out);
    return 0;
  }
  if (!call->request->hold(call->request->arg, delivery_size(waiting->delivery))) {
    return refuse(refusal, RETCODE_UNAVAILABLE, "Service unavailable: too many requests wait");
  }
  *call->ret_waiting = waiting;
  buf_clear(out); /* before it is the committer's to answer */
  int result = delivery_submit(waiting->delivery, call->options->committer, false);
  if (result == 0) {
    (void)MOVE(waiting); /* the caller's; and it may be answered already */
    return CALL_WAITS;
  }
  *call->ret_waiting = NULL;
  return refuse(refusal, RETCODE_UNAVAILABLE, "Service unavailable: %s", delivery_failure(result));
}
