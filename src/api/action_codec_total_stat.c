/* GetCodecTotalStat: seconds by day, tier and codec. Source: design §3.5. */
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"

static int read_time(const struct call *call, const char *name, bool *ret_given, int64_t *ret,
                     struct refusal *refusal) {
  struct str text;
  enum params_found found = params_get(call->params, name, &text);
  *ret_given = found == PARAMS_TEXT;
  if (found == PARAMS_ABSENT) return 0;
  if (found == PARAMS_TEXT && str_to_i64(text, ret)) return 0;
  return refuse_param(refusal, name, "must be Unix seconds from 0 to the end of the year 9999");
}

static int read_window(const struct call *call, const struct zone *zone, struct window *ret,
                       struct refusal *refusal) {
  struct window_request request = {0};
  struct err err = {0};
  enum window_param param;
  int code = read_time(call, "BeginTime", &request.has_begin, &request.begin, refusal);
  if (code == 0) code = read_time(call, "EndTime", &request.has_end, &request.end, refusal);
  if (code != 0) return code;
  if (window_resolve(&request, &call->options->window, zone, call->now, ret, &param, &err) == 0) return 0;
  return refuse_param(refusal, param == WINDOW_END ? "EndTime" : "BeginTime", err.text);
}

static int too_many_rows(const struct call *call, struct refusal *refusal) {
  char allowed[64];
  (void)snprintf(allowed, sizeof allowed, "window too large: more than %u rows", call->options->rows_max);
  return refuse_param(refusal, "BeginTime", allowed);
}

/* ---- the codecs of an answer: each has a row for every day ---- */

struct codecs {
  char (*names)[CODEC_NAME_MAX + 1];
  size_t count;
};

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static bool holds(const struct codecs *codecs, const char *name) {
  for (size_t i = 0; i < codecs->count; i++) {
    if (strcmp(codecs->names[i], name) == 0) return true;
  }
  return false;
}

/* The rows have at most CODEC_NAMES_PER_PROJECT codecs. If there are none, each day gets one row of zeros with
 * h264. */
static void gather_codecs(const struct ledger_rows *rows, struct codecs *codecs) {
  for (size_t i = 0; i < rows->count; i++) {
    if (holds(codecs, rows->items[i].codec)) continue;
    memcpy(codecs->names[codecs->count++], rows->items[i].codec, CODEC_NAME_MAX + 1);
  }
  qsort(codecs->names, codecs->count, sizeof codecs->names[0], by_text);
  if (codecs->count == 0) memcpy(codecs->names[codecs->count++], "h264", sizeof "h264");
}

/* ---- rows ---- */

/* The member names of a row, five numbers of seconds, one time and a codec. */
#define ROW_MAX 384
#define ROW_USUAL 200
_Static_assert(ROW_MAX > 160 + 6 * (BYTES_DIGITS_MAX + 1) + CODEC_NAME_MAX, "a row fits");

static char *put(char *at, struct str text) {
  memcpy(at, text.ptr, text.len);
  return at + text.len;
}

static char *put_field(char *at, struct str field, uint64_t value) {
  at = put(at, field);
  return at + bytes_digits(value, at);
}

/* Writes the row in place, because an answer consists of little else. */
static void append_row(struct buf *out, int64_t time, const uint64_t units[TIERS], const char *codec) {
  char *at = buf_extend(out, ROW_MAX);
  if (at == NULL) return;
  at = put(at, STR("{\"Time\":"));
  if (time < 0) *at++ = '-'; /* the day of the epoch, east of Greenwich */
  at += bytes_digits(time < 0 ? 0 - (uint64_t)time : (uint64_t)time, at);
  at = put_field(at, STR(",\"SuperDefinitionTime\":"), units[TIER_SUPER]);
  at = put_field(at, STR(",\"HighDefinitionTime\":"), units[TIER_HIGH]);
  at = put_field(at, STR(",\"MidiumDefinitionTime\":"), units[TIER_MEDIUM]); /* sic */
  at = put_field(at, STR(",\"LowDefinitionTime\":"), units[TIER_LOW]);
  uint64_t total = units[TIER_SUPER] + units[TIER_HIGH] + units[TIER_MEDIUM] + units[TIER_LOW];
  at = put_field(at, STR(",\"TotalTime\":"), total);
  at = put(at, STR(",\"VideoCodec\":\""));
  at = put(at, str_of(codec)); /* [a-z0-9._-] only */
  at = put(at, STR("\"}"));
  out->len = (size_t)(at - out->ptr);
}

/* The ledger's rows have the order of the answer, so one cursor is enough. */
static void append_rows(struct buf *out, const struct zone *zone, const struct window *window,
                        const struct ledger_rows *rows, const struct codecs *codecs) {
  static const uint64_t zeros[TIERS];
  size_t next = 0;
  const char *separator = ",\"StatSet\":[";
  int64_t time = zone_day_start(zone, window->first_day), next_time;
  for (int32_t day = window->first_day; day <= window->last_day; day++, time = next_time) {
    next_time = zone_day_start(zone, day + 1);
    if (next_time == time) continue; /* a date that the zone skipped */
    for (size_t i = 0; i < codecs->count; i++) {
      const struct ledger_row *row = next < rows->count ? &rows->items[next] : NULL;
      bool is_here = row != NULL && row->day == day && strcmp(row->codec, codecs->names[i]) == 0;
      if (is_here) next++;
      buf_text(out, separator);
      append_row(out, time, is_here ? row->units : zeros, codecs->names[i]);
      separator = ",";
    }
  }
  buf_char(out, ']');
}

/* Of the answer and of the query, which is gone before the answer is made. */
static int claim_memory(const struct call *call, const struct window *window, struct refusal *refusal) {
  struct ledger_cost cost;
  uint64_t rows_max = call->options->rows_max;
  ledger_totals_cost(call->options->ledger, &call->project, window->first_day, window->last_day, &cost);
  return call_claim(call, cost.bytes + (cost.rows < rows_max ? cost.rows : rows_max) * ROW_MAX, refusal);
}

int action_codec_total_stat(const struct call *call, struct buf *out, struct refusal *refusal) {
  const struct zone *zone;
  struct window window;
  struct err err = {0};
  if (zone_find(str_of(call->project.zone), &zone, &err) != 0)
    return refuse_internal(refusal, "GetCodecTotalStat: cannot find the project's time zone", &err);
  int code = read_window(call, zone, &window, refusal);
  if (code != 0) return code;
  uint64_t days = (uint64_t)((int64_t)window.last_day - window.first_day) + 1;
  if (days > call->options->rows_max) return too_many_rows(call, refusal);
  code = claim_memory(call, &window, refusal);
  if (code != 0) return code;
  SCOPED(ledger_rows_fini) struct ledger_rows rows = {0};
  int result = ledger_totals(call->options->ledger, &call->project, USAGE_TRANSCODE, window.first_day,
                             window.last_day, call->options->rows_max, &rows, &err);
  if (result == -ERR_LIMIT) return too_many_rows(call, refusal);
  if (result != 0) return refuse_internal(refusal, "GetCodecTotalStat: cannot read totals", &err);
  char names[CODEC_NAMES_PER_PROJECT + 1][CODEC_NAME_MAX + 1];
  struct codecs codecs = {.names = names};
  gather_codecs(&rows, &codecs);
  if (days * codecs.count > call->options->rows_max) return too_many_rows(call, refusal);
  code = call_claim(call, rows.count * sizeof *rows.items + days * codecs.count * ROW_MAX, refusal);
  if (code != 0) return code;
  buf_expect(out, days * codecs.count * ROW_USUAL + ROW_MAX);
  append_rows(out, zone, &window, &rows, &codecs);
  return 0;
}
