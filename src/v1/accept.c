#include "v1/accept.h"

#define FORMATS_COUNT (V1_CSV + 1)
#define FULL_WEIGHT 1000

/* How exactly a range names a type. */
enum exactness { NOT_NAMED, ANYTHING, TYPE, SUBTYPE };

static const struct {
  struct str type, subtype, other; /* other: a second name of the subtype */
} types[FORMATS_COUNT] = {
    [V1_JSON] = {{"application", 11}, {"json", 4}, {"json", 4}},
    [V1_NDJSON] = {{"application", 11}, {"x-ndjson", 8}, {"ndjson", 6}},
    [V1_CSV] = {{"text", 4}, {"csv", 3}, {"csv", 3}},
};

static enum exactness match(struct str type, struct str subtype, enum v1_format format) {
  bool any_subtype = str_equal(subtype, STR("*"));
  if (any_subtype && str_equal(type, STR("*"))) return ANYTHING;
  if (!str_equal_nocase(type, types[format].type)) return NOT_NAMED;
  if (any_subtype) return TYPE;
  bool is_it = str_equal_nocase(subtype, types[format].subtype) || str_equal_nocase(subtype, types[format].other);
  return is_it ? SUBTYPE : NOT_NAMED;
}

/* "0.8" in thousandths. A weight of another form counts as 1. */
static int weight_of(struct str text) {
  if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1')) return FULL_WEIGHT;
  if (text.len > 1 && text.ptr[1] != '.') return FULL_WEIGHT;
  int weight = (text.ptr[0] - '0') * FULL_WEIGHT, scale = 100;
  for (size_t i = 2; i < text.len; i++, scale /= 10) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return FULL_WEIGHT;
    weight += (text.ptr[i] - '0') * scale;
  }
  return weight < FULL_WEIGHT ? weight : FULL_WEIGHT;
}

static int weight_in(struct str parameters) {
  while (parameters.len > 0) {
    struct str value = str_cut(&parameters, ';');
    struct str name = str_trim(str_cut(&value, '='));
    if (str_equal_nocase(name, STR("q"))) return weight_of(str_trim(value));
  }
  return FULL_WEIGHT;
}

/* The weight that a header gives a format: that of the range that names it most exactly. */
static int judge(struct str accept, enum v1_format format, enum exactness *ret) {
  int weight = 0;
  *ret = NOT_NAMED;
  while (accept.len > 0) {
    struct str range = str_cut(&accept, ',');
    struct str name = str_trim(str_cut(&range, ';'));
    struct str type = str_cut(&name, '/');
    enum exactness exactness = match(type, name, format);
    if (exactness <= *ret) continue;
    *ret = exactness;
    weight = weight_in(range);
  }
  return weight;
}

bool v1_accept(struct str accept, unsigned formats, enum v1_format *ret) {
  int best = 0;
  enum exactness best_exactness = NOT_NAMED;
  if (str_trim(accept).len == 0) {
    *ret = V1_JSON;
    return true;
  }
  for (unsigned i = 0; i < FORMATS_COUNT; i++) {
    enum exactness exactness;
    if ((formats & V1_FORMAT(i)) == 0) continue;
    int weight = judge(accept, (enum v1_format)i, &exactness);
    bool is_better = weight > best || (weight == best && weight > 0 && exactness > best_exactness);
    if (!is_better) continue;
    best = weight;
    best_exactness = exactness;
    *ret = (enum v1_format)i;
  }
  return best > 0;
}
