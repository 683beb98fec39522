/* The rules of windows are in meter/window.c; here are their parameters. */
#include "api/period.h"

#include <stdio.h>

/* A number that is out of range is refused by window_resolve, in the contract's order. */
static int read_time(const struct call *call, const char *name, bool *ret_given, int64_t *ret,
                     struct refusal *refusal) {
  const struct api_param *param;
  struct str text;
  enum params_found found = call_find(call, name, &param, &text);
  *ret_given = found == PARAMS_TEXT;
  if (found == PARAMS_ABSENT || (found == PARAMS_TEXT && str_to_i64(text, ret))) return 0;
  return call_refuse(call, param, refusal);
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

int period_refuse_rows(const struct call *call, struct refusal *refusal) {
  char allowed[64];
  (void)snprintf(allowed, sizeof allowed, "window too large: more than %u rows", call->options->rows_max);
  return refuse_param(refusal, "BeginTime", allowed);
}

int period_read(const struct call *call, struct period *ret, struct refusal *refusal) {
  struct period period;
  struct err err = {0};
  if (zone_find(str_of(call->project.zone), &period.zone, &err) != 0)
    return refuse_internal(refusal, "cannot find the project's time zone", &err);
  int code = read_window(call, period.zone, &period.window, refusal);
  if (code != 0) return code;
  period.days = (uint64_t)((int64_t)period.window.last_day - period.window.first_day) + 1;
  *ret = period;
  return 0;
}
