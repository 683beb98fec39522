/* One pass over the query: each piece is decoded, found in the table, checked for repeats and read by its type. What
 * excludes what is looked at when all are known. So the first problem in the order of the query is the one that is
 * reported. */
#include "v1/param.h"

#include <string.h>

#include "base/check.h"
#include "meter/labels.h"
#include "v1/values.h"

/* ---- decoding ---- */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum decoded { DECODED, DECODED_BAD, DECODED_NO_ROOM };

static enum decoded decode(struct str sent, bool plus_is_blank, struct arena *arena, struct str *ret) {
  char *out = arena_alloc_raw(arena, sent.len + 1);
  size_t len = 0;
  if (out == NULL) return DECODED_NO_ROOM;
  for (size_t i = 0; i < sent.len; i++) {
    char c = sent.ptr[i];
    if (c == '+' && plus_is_blank) c = ' ';
    if (sent.ptr[i] == '%') {
      int high = i + 2 < sent.len ? hex_digit(sent.ptr[i + 1]) : -1;
      int low = high >= 0 ? hex_digit(sent.ptr[i + 2]) : -1;
      if (low < 0) return DECODED_BAD;
      c = (char)(high * 16 + low);
      i += 2;
    }
    out[len++] = c;
  }
  out[len] = '\0';
  *ret = str_make(out, len);
  return str_is_utf8(*ret) && !str_has_control(*ret) ? DECODED : DECODED_BAD;
}

bool v1_segment_decode(struct str segment, struct arena *arena, struct str *ret) {
  struct str decoded;
  if (decode(segment, false, arena, &decoded) != DECODED) return false;
  *ret = decoded;
  return true;
}

/* ---- the table ---- */

static bool is_family(const struct v1_param *param) { return param->name[strlen(param->name) - 1] == '.'; }

static const struct v1_param *find_param(const struct v1_param *params, struct str name) {
  for (const struct v1_param *param = params; param->name != NULL; param++) {
    bool is_it = is_family(param) ? str_starts(name, str_of(param->name)) : str_equal(name, str_of(param->name));
    if (is_it) return param;
  }
  return NULL;
}

static void list_names(const struct v1_param *params, struct buf *out) {
  for (const struct v1_param *param = params; param->name != NULL; param++)
    buf_printf(out, "%s%s%s", param == params ? "" : ", ", param->name, is_family(param) ? "NAME" : "");
}

/* ---- reading ---- */

struct reading {
  const struct v1_param *params;
  struct arena *arena;
  struct v1_values values;
  struct v1_problem *problem;
};

static int no_room(struct reading *reading) {
  return v1_refuse(reading->problem, 503, "the server has no memory now: ask again later");
}

static int refuse_unknown(struct reading *reading, struct str name) {
  SCOPED(buf_fini) struct buf names = {0};
  list_names(reading->params, &names);
  if (names.len == 0) return v1_refuse_param(reading->problem, name, "there are no parameters here");
  return v1_refuse_param(reading->problem, name, "there is no such parameter here; there are %.*s",
                         STR_ARG(buf_view(&names)));
}

static int refuse_without_value(struct reading *reading, const struct v1_param *param, struct str name,
                                const char *fault) {
  SCOPED(buf_fini) struct buf allowed = {0};
  v1_param_allowed(param, &allowed);
  return v1_refuse_param(reading->problem, name, "%s; it %.*s", fault, STR_ARG(buf_view(&allowed)));
}

static int check_repeats(struct reading *reading, const struct v1_value *value) {
  const struct v1_values *values = &reading->values;
  for (size_t i = 0; i < values->count; i++) {
    const struct v1_value *before = &values->items[i];
    if (before->param != value->param || !str_equal(before->name, value->name)) continue;
    if (str_equal(before->text, value->text))
      return v1_refuse_param(reading->problem, value->name, "'%.*s' is given twice; give it once",
                             V1_SHOWN(value->text));
    if (!value->param->repeats && value->param->type != V1_CHOICES)
      return v1_refuse_param(reading->problem, value->name, "it is given more than once; give one value");
  }
  return 0;
}

static int add_value(struct reading *reading, struct v1_value value) {
  struct v1_values *values = &reading->values;
  if (values->count == V1_VALUES_MAX)
    return v1_refuse(reading->problem, 400, "the query has more than %d values; ask with fewer", V1_VALUES_MAX);
  int status = check_repeats(reading, &value);
  if (status == 0) status = v1_value_read(value.param, &value, reading->problem);
  if (status == 0) values->items[values->count++] = value;
  return status;
}

/* A list of choices may also come as several parameters, if the table says so. */
static int add_choices(struct reading *reading, struct v1_value value) {
  struct str rest = value.text;
  if (!value.param->repeats && v1_value(&reading->values, value.param->name) != NULL)
    return v1_refuse_param(reading->problem, value.name, "it is given more than once; give one list, with commas");
  if (rest.ptr[rest.len - 1] == ',') return v1_refuse_value(&value, reading->problem);
  while (rest.len > 0) {
    value.text = str_cut(&rest, ',');
    int status = add_value(reading, value);
    if (status != 0) return status;
  }
  return 0;
}

static int check_name(struct reading *reading, const struct v1_param *param, struct str name) {
  if (param == NULL) return refuse_unknown(reading, name);
  if (!is_family(param)) return 0;
  size_t len = strlen(param->name);
  if (label_name_is_valid(str_make(name.ptr + len, name.len - len))) return 0;
  return v1_refuse_param(reading->problem, name,
                         "there is no label of this name: it begins with a small letter, and has up to %d small "
                         "letters, digits and _",
                         LABEL_NAME_MAX);
}

static int read_piece(struct reading *reading, struct str piece) {
  bool has_value = memchr(piece.ptr, '=', piece.len) != NULL;
  struct str sent_name = str_cut(&piece, '='), name;
  enum decoded decoded = decode(sent_name, true, reading->arena, &name);
  if (decoded == DECODED_NO_ROOM) return no_room(reading);
  if (decoded == DECODED_BAD)
    return v1_refuse(reading->problem, 400,
                     "the name of a parameter is not percent-encoded UTF-8 without control characters");
  const struct v1_param *param = find_param(reading->params, name);
  int status = check_name(reading, param, name);
  if (status != 0) return status;
  struct v1_value value = {.param = param, .name = name};
  decoded = decode(piece, true, reading->arena, &value.text);
  if (decoded == DECODED_NO_ROOM) return no_room(reading);
  if (decoded == DECODED_BAD)
    return refuse_without_value(reading, param, name,
                                "the value is not percent-encoded UTF-8 without control characters");
  if (!has_value) return refuse_without_value(reading, param, name, "it has no value: a = is missing");
  if (value.text.len == 0 && !param->may_be_empty) return refuse_without_value(reading, param, name, "it is empty");
  return param->type == V1_CHOICES ? add_choices(reading, value) : add_value(reading, value);
}

static int check_exclusions(const struct reading *reading) {
  for (size_t i = 0; i < reading->values.count; i++) {
    const struct v1_param *param = reading->values.items[i].param;
    struct str rest = str_of(param->excludes);
    while (rest.len > 0) {
      struct str other = str_cut(&rest, ' ');
      const struct v1_param *excluded = find_param(reading->params, other);
      CHECK(excluded != NULL);
      if (v1_value(&reading->values, excluded->name) == NULL) continue;
      return v1_refuse_param(reading->problem, str_of(param->name), "it excludes %s; give only one of the two",
                             excluded->name);
    }
  }
  return 0;
}

int v1_params_read(const struct v1_param *params, struct str query, struct arena *arena, struct v1_values *ret,
                   struct v1_problem *problem) {
  struct reading reading = {.params = params, .arena = arena, .problem = problem};
  struct v1_value *items = arena_alloc(arena, V1_VALUES_MAX * sizeof *items);
  if (items == NULL) return no_room(&reading);
  reading.values.items = items;
  while (query.len > 0) {
    struct str piece = str_cut(&query, '&');
    int status = piece.len > 0 ? read_piece(&reading, piece) : 0;
    if (status != 0) return status;
  }
  int status = check_exclusions(&reading);
  if (status == 0) *ret = reading.values;
  return status;
}

/* ---- values ---- */

static const struct v1_value *find_value(const struct v1_values *values, size_t from, const char *name) {
  for (size_t i = from; i < values->count; i++) {
    if (strcmp(values->items[i].param->name, name) == 0) return &values->items[i];
  }
  return NULL;
}

const struct v1_value *v1_value(const struct v1_values *values, const char *name) {
  return find_value(values, 0, name);
}

const struct v1_value *v1_value_next(const struct v1_values *values, const struct v1_value *value) {
  return find_value(values, (size_t)(value - values->items) + 1, value->param->name);
}

int64_t v1_number(const struct v1_values *values, const char *name, int64_t preset) {
  const struct v1_value *value = v1_value(values, name);
  return value != NULL ? value->number : preset;
}

const struct v1_param v1_param_format = {
    .name = "format",
    .type = V1_CHOICE,
    .choices = "json ndjson csv",
    .preset = "json",
    .example = "csv",
    .help = {"the format of the answer: json, ndjson or csv. Absent: what the header 'Accept' asks for",
             "响应的格式：json、ndjson 或 csv。不给：按请求头 Accept"},
};
