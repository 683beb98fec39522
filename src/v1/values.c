/* What each type of parameter takes. Strict: a text that could be read in two ways is refused, so that no wrong
 * number comes from a good guess. */
#include "v1/values.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "meter/labels.h"
#include "meter/rfc3339.h"
#include "meter/usage.h"

#define MONTH_MIN (1970 * 12)
#define MONTH_MAX (9999 * 12 + 11)

/* The next word of a list with blanks; empty at its end. */
static struct str next_word(struct str *rest) {
  while (rest->len > 0) {
    struct str word = str_cut(rest, ' ');
    if (word.len > 0) return word;
  }
  return STR("");
}

static bool is_digits(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
  }
  return text.len > 0;
}

static bool is_family(struct str word) { return word.ptr[word.len - 1] == '.'; }

/* ---- what is allowed, in words ---- */

static void list_choices(const char *choices, struct buf *out) {
  struct str rest = str_of(choices);
  const char *separator = "";
  for (struct str word = next_word(&rest); word.len > 0; word = next_word(&rest)) {
    buf_printf(out, "%s%.*s%s", separator, STR_ARG(word), is_family(word) ? "NAME" : "");
    separator = ", ";
  }
}

void v1_param_allowed(const struct v1_param *param, struct buf *out) {
  if (param->allowed != NULL) {
    buf_text(out, param->allowed);
    return;
  }
  switch (param->type) {
    case V1_TEXT:
      buf_printf(out, "must have %lld to %lld bytes", (long long)param->least, (long long)param->most);
      break;
    case V1_INT:
      buf_printf(out, "must be a whole number from %lld to %lld", (long long)param->least, (long long)param->most);
      break;
    case V1_FLAG: buf_text(out, "must be 0 or 1"); break;
    case V1_CHOICE:
      buf_text(out, "must be one of ");
      list_choices(param->choices, out);
      break;
    case V1_CHOICES:
      buf_text(out, "must be one or more, with commas between them, of ");
      list_choices(param->choices, out);
      break;
    case V1_TIME:
      buf_text(out,
               "must be a time with a zone like 2026-10-01T00:00:00Z (RFC 3339), Unix seconds, or a date like "
               "2026-10-01; from 1970 to 9999");
      break;
    case V1_MONTH: buf_text(out, "must be a month like 2026-10; from 1970-01 to 9999-12"); break;
    case V1_ZONE: buf_text(out, "must be a time zone of tzdata, like Asia/Shanghai"); break;
    case V1_PROJECT: buf_text(out, "must be the id of a project that the token may read"); break;
    case V1_AS_OF:
      buf_text(out, "must be a position, or a time with a zone like 2026-10-01T00:00:00Z (RFC 3339) that has passed");
      break;
  }
}

/* A '+' that was not encoded has become a blank. */
static bool may_have_lost_plus(const struct v1_param *param, struct str text) {
  bool may_hold = param->type == V1_TIME || param->type == V1_AS_OF || param->type == V1_ZONE;
  return may_hold && memchr(text.ptr, ' ', text.len) != NULL;
}

int v1_refuse_value(const struct v1_value *value, struct v1_problem *problem) {
  SCOPED(buf_fini) struct buf allowed = {0};
  v1_param_allowed(value->param, &allowed);
  return v1_refuse_param(problem, value->name, "'%.*s' is not allowed; it %.*s%s", V1_SHOWN(value->text),
                         STR_ARG(buf_view(&allowed)),
                         may_have_lost_plus(value->param, value->text) ? "; in a URL, write + as %2B" : "");
}

/* ---- the types ---- */

static bool read_text(const struct v1_param *param, struct v1_value *value) {
  if (value->text.len == 0) return param->may_be_empty;
  bool has_room = (int64_t)value->text.len >= param->least && (int64_t)value->text.len <= param->most;
  return has_room && (param->fits == NULL || param->fits(value->text));
}

static bool read_int(struct str text, int64_t least, int64_t most, int64_t *ret) {
  return str_to_i64(text, ret) && *ret >= least && *ret <= most;
}

static bool read_choice(const struct v1_param *param, struct v1_value *value) {
  struct str rest = str_of(param->choices);
  value->number = 0;
  for (struct str word = next_word(&rest); word.len > 0; word = next_word(&rest), value->number++) {
    if (str_equal(word, value->text)) return !is_family(word);
    bool is_of_family = is_family(word) && str_starts(value->text, word);
    if (is_of_family) return label_name_is_valid(str_make(value->text.ptr + word.len, value->text.len - word.len));
  }
  return false;
}

static bool read_time(struct v1_value *value) {
  struct str text = value->text;
  struct err err;
  int64_t seconds;
  if (is_digits(text)) {
    if (!read_int(text, 0, ZONE_TIME_MAX, &seconds)) return false;
    value->number = seconds * 1000;
    return true;
  }
  value->is_date = zone_day_parse(text, &value->day, &err) == 0;
  if (value->is_date) return true;
  if (rfc3339_parse(text, &value->number, &err) != 0) return false;
  return value->number >= 0; /* the reader takes nothing beyond 9999 */
}

/* 20261001 is a date that lost its dashes, and no instant of usage: as Unix seconds it is in 1970. */
static bool looks_like_date(struct str text) {
  char date[11];
  int32_t day;
  struct err err;
  if (text.len != 8 || !is_digits(text) || str_compare(text, STR("21000101")) >= 0) return false;
  (void)snprintf(date, sizeof date, "%.4s-%.2s-%.2s", text.ptr, text.ptr + 4, text.ptr + 6);
  return zone_day_parse(str_of(date), &day, &err) == 0;
}

static int refuse_compact_date(const struct v1_value *value, struct v1_problem *problem) {
  const char *digits = value->text.ptr;
  return v1_refuse_param(problem, value->name,
                         "as Unix seconds, '%.8s' is in the year 1970; a date is written %.4s-%.2s-%.2s", digits,
                         digits, digits + 4, digits + 6);
}

static bool read_month(struct v1_value *value) {
  struct str text = value->text;
  int64_t year, month;
  bool has_form = text.len == 7 && text.ptr[4] == '-' && is_digits(str_make(text.ptr, 4)) &&
                  is_digits(str_make(text.ptr + 5, 2));
  if (!has_form) return false;
  if (!str_to_i64(str_make(text.ptr, 4), &year) || !str_to_i64(str_make(text.ptr + 5, 2), &month)) return false;
  value->number = year * 12 + month - 1;
  return month >= 1 && month <= 12 && value->number >= MONTH_MIN && value->number <= MONTH_MAX;
}

static bool read_as_of(struct v1_value *value) {
  struct err err;
  if (is_digits(value->text)) return read_int(value->text, 0, INT64_MAX, &value->number);
  value->is_time = rfc3339_parse(value->text, &value->number, &err) == 0;
  return value->is_time;
}

/* A database that is missing is no fault of the client. */
static int read_zone(struct v1_value *value, struct v1_problem *problem) {
  struct err err = {0};
  int result = zone_find(value->text, &value->zone, &err);
  if (result == 0) return 0;
  if (result == -ERR_RANGE) return v1_refuse_value(value, problem);
  return v1_refuse_err(problem, result, "reading a time zone", &err);
}

int v1_value_read(const struct v1_param *param, struct v1_value *value, struct v1_problem *problem) {
  bool is_good = false;
  CHECK(param == value->param);
  switch (param->type) {
    case V1_TEXT: is_good = read_text(param, value); break;
    case V1_INT: is_good = read_int(value->text, param->least, param->most, &value->number); break;
    case V1_FLAG: is_good = value->text.len == 1 && read_int(value->text, 0, 1, &value->number); break;
    case V1_CHOICE:
    case V1_CHOICES: is_good = read_choice(param, value); break;
    case V1_TIME:
      if (looks_like_date(value->text)) return refuse_compact_date(value, problem);
      is_good = read_time(value);
      break;
    case V1_MONTH: is_good = read_month(value); break;
    case V1_ZONE: return read_zone(value, problem);
    case V1_PROJECT: is_good = value->text.len <= PROJECT_ID_MAX; break;
    case V1_AS_OF: is_good = read_as_of(value); break;
  }
  return is_good ? 0 : v1_refuse_value(value, problem);
}
