#include "meter/window.h"

#define DAY_SECONDS 86400
#define SPAN_DEFAULT (7 * DAY_SECONDS)

static int refuse(enum window_param param, enum window_param *ret_param) {
  *ret_param = param;
  return -ERR_RANGE;
}

static int check_value(int64_t value, enum window_param param, enum window_param *ret_param, struct err *err) {
  if (value >= 0 && value <= ZONE_TIME_MAX) return 0;
  (void)err_set(err, ERR_RANGE, "must be Unix seconds from 0 to the end of the year 9999");
  return refuse(param, ret_param);
}

static int check_given(const struct window_request *request, enum window_param *ret_param, struct err *err) {
  int result = request->has_begin ? check_value(request->begin, WINDOW_BEGIN, ret_param, err) : 0;
  if (result == 0 && request->has_end) result = check_value(request->end, WINDOW_END, ret_param, err);
  if (result != 0) return result;
  if (request->has_begin && request->has_end && request->begin > request->end) {
    (void)err_set(err, ERR_RANGE, "must not be later than EndTime");
    return refuse(WINDOW_BEGIN, ret_param);
  }
  return 0;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t not_negative(int64_t a) { return a < 0 ? 0 : a; }

static void fill_in(const struct window_request *request, int64_t now, int64_t *ret_begin, int64_t *ret_end) {
  int64_t begin = least(request->begin, now), end = least(request->end, now);
  if (!request->has_begin && !request->has_end) end = now;
  if (request->has_begin && !request->has_end) end = least(begin + SPAN_DEFAULT, now);
  if (!request->has_begin) begin = not_negative(end - SPAN_DEFAULT);
  *ret_begin = begin;
  *ret_end = end;
}

/* Names the limit in days, "31 days", or in seconds if it is not a number of whole days. */
static int refuse_limit(const char *what, int64_t limit, enum window_param param, enum window_param *ret_param,
                        struct err *err) {
  bool days = limit % DAY_SECONDS == 0;
  (void)err_set(err, ERR_RANGE, "%s %lld %s", what, (long long)(days ? limit / DAY_SECONDS : limit),
                days ? "days" : "seconds");
  return refuse(param, ret_param);
}

int window_resolve(const struct window_request *request, const struct window_limits *limits, const struct zone *zone,
                   int64_t now, struct window *ret, enum window_param *ret_param, struct err *err) {
  int result = check_given(request, ret_param, err);
  if (result != 0) return result;
  int64_t begin, end;
  fill_in(request, now, &begin, &end);
  if (limits->max_age > 0 && now - end > limits->max_age) {
    return refuse_limit("too long ago: more than", limits->max_age, WINDOW_END, ret_param, err);
  }
  if (limits->max_span > 0 && end - begin > limits->max_span) {
    return refuse_limit("window too large: more than", limits->max_span, WINDOW_BEGIN, ret_param, err);
  }
  *ret = (struct window){
      .begin = begin, .end = end, .first_day = zone_day_of(zone, begin), .last_day = zone_day_of(zone, end)};
  *ret_param = WINDOW_NONE;
  return 0;
}
