/* Any bytes as the query of a request to /v1, with a parameter of every type. Whatever they are: a query is refused
 * with 400, which has a text, or every value is what its type promises, once, and beside nothing that it excludes.
 * What was given can be written as a row; the CSV reads back as the same text, and no cell is a formula. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "v1/param_common.h"
#include "v1/rows.h"
#include "v1/times.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct v1_param params[] = {
    V1_PARAM_PROJECT,
    V1_PARAM_FROM("now", "现在"),
    V1_PARAM_TO("now", "现在"),
    V1_PARAM_MONTH,
    V1_PARAM_ZONE,
    V1_PARAM_AS_OF,
    V1_PARAM_LABEL,
    {.name = "limit", .type = V1_INT, .least = -3, .most = 1000},
    {.name = "zeros", .type = V1_FLAG},
    {.name = "step", .type = V1_CHOICE, .choices = "15m 1h total"},
    {.name = "group", .type = V1_CHOICES, .repeats = true, .choices = "project tier label."},
    {0},
};

static void check_value(const struct v1_values *values, size_t at) {
  const struct v1_value *value = &values->items[at];
  const struct v1_param *param = value->param;
  CHECK(str_is_utf8(value->text) && !str_has_control(value->text) && str_is_utf8(value->name));
  CHECK(value->text.len > 0 || param->may_be_empty);
  if (param->type == V1_INT) CHECK(value->number >= param->least && value->number <= param->most);
  if (param->type == V1_FLAG) CHECK(value->number == 0 || value->number == 1);
  if (param->type == V1_CHOICE || param->type == V1_CHOICES) CHECK(value->number >= 0 && value->number <= 2);
  if (param->type == V1_TIME && value->is_date) CHECK(value->day >= 0 && value->day <= ZONE_DAY_MAX);
  if (param->type == V1_TIME) CHECK(value->number >= 0 && value->number <= ZONE_TIME_MAX * 1000 + 999);
  if (param->type == V1_ZONE) CHECK(str_equal(str_of(zone_name(value->zone)), value->text));
  for (size_t i = 0; i < at; i++) {
    const struct v1_value *before = &values->items[i];
    if (before->param != param || !str_equal(before->name, value->name)) continue;
    CHECK(param->repeats && !str_equal(before->text, value->text));
  }
}

static void check_period(const struct v1_values *values) {
  const struct zone *zone;
  struct v1_period period;
  struct v1_problem problem;
  struct err err;
  const struct v1_value *named = v1_value(values, "zone");
  CHECK(v1_value(values, "month") == NULL || (v1_value(values, "from") == NULL && v1_value(values, "to") == NULL));
  int result = zone_find(named != NULL ? named->text : STR("Pacific/Apia"), &zone, &err);
  CHECK(result == 0);
  if (v1_period(values, zone, &period, &problem) != 0) return;
  if (period.has_from && period.has_to) CHECK(period.from_ms < period.to_ms);
  if (!period.is_days) return;
  CHECK(period.first_day <= period.last_day && zone_day_start(zone, period.first_day) * 1000 == period.from_ms);
  CHECK(zone_day_start(zone, period.last_day + 1) * 1000 == period.to_ms);
}

/* Reads the first cell of a line of CSV, as RFC 4180 says. */
static void read_cell(struct str line, struct buf *out) {
  bool is_quoted = line.len > 0 && line.ptr[0] == '"';
  for (size_t i = is_quoted ? 1 : 0; i < line.len; i++) {
    if (!is_quoted && (line.ptr[i] == '\r' || line.ptr[i] == ',')) return;
    if (is_quoted && line.ptr[i] == '"' && (i + 1 == line.len || line.ptr[++i] != '"')) return;
    buf_char(out, line.ptr[i]);
  }
}

static void check_csv(struct str text) {
  SCOPED(buf_fini) struct buf out = {0};
  SCOPED(buf_fini) struct buf cell = {0};
  static const char head[] = "\xEF\xBB\xBF" "a\r\n";
  struct v1_rows rows;
  v1_rows_init(&rows, V1_CSV, V1_LIST, false);
  v1_rows_column(&rows, "a");
  v1_rows_piece(&rows, &out);
  v1_row_begin(&rows);
  v1_cell_text(&rows, text);
  v1_row_end(&rows);
  v1_rows_end(&rows);
  read_cell(str_make(out.ptr + sizeof head - 1, out.len - (sizeof head - 1)), &cell);
  struct str read = buf_view(&cell);
  CHECK(read.len == 0 || memchr("=+-@\t\r", read.ptr[0], 6) == NULL);
  if (read.len == text.len + 1) read = str_make(read.ptr + 1, text.len);
  CHECK(str_equal(read, text));
  v1_rows_fini(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct v1_values values;
  struct v1_problem problem = {0};
  if (size > (28u << 10)) return 0; /* http.header_max */
  struct arena *arena = arena_new(V1_ARENA_MAX);
  CHECK(arena != NULL);
  int status = v1_params_read(params, str_make((const char *)data, size), arena, &values, &problem);
  if (status != 0) {
    CHECK(status == 400 && problem.status == 400 && problem.detail[0] != '\0');
  } else {
    for (size_t i = 0; i < values.count; i++) {
      check_value(&values, i);
      check_csv(values.items[i].text);
    }
    check_period(&values);
  }
  arena_free(arena);
  return 0;
}
