/* Any bytes as the parameters of an API call. The first byte says where they stand (q query, f form, j JSON), the rest
 * are they. Whatever they are: names are UTF-8 and stand once, and the string to sign holds every name and value. */
#include <stdlib.h>
#include <string.h>

#include "api/params.h"
#include "auth/sign.h"
#include "base/check.h"

#define ARENA_MAX ((size_t)8 << 20)
#define COUNT_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct params_source source_of(char letter, struct str text) {
  struct params_source source = {.content_type = STR("application/x-www-form-urlencoded"), .count_max = COUNT_MAX};
  if (letter == 'j') source.content_type = STR("application/json; charset=utf-8");
  if (letter == 'q') source.query = text;
  else source.body = text;
  return source;
}

static void check_params(const struct params *params) {
  CHECK(params->count <= COUNT_MAX);
  for (size_t i = 0; i < params->count; i++) {
    const struct param *param = &params->items[i];
    CHECK(str_is_utf8(param->name) && str_is_utf8(param->value));
    for (size_t j = 0; j < i; j++) CHECK(!str_equal_nocase(param->name, params->items[j].name));
  }
}

static void check_canon(struct params *params) {
  SCOPED(buf_fini) struct buf canonical = {0};
  int result = canon_append(params->items, params->count, &canonical);
  CHECK(result == 0); /* numbers too long to be written out were refused with the body */
  size_t least = 0;
  for (size_t i = 0; i < params->count; i++) {
    if (!str_equal_nocase(params->items[i].name, CANON_SIGNATURE)) least += params->items[i].name.len;
  }
  CHECK(canonical.len >= least);
  char hex[SIGN_HEX_SIZE];
  sign_hex(buf_view(&canonical), STR("key"), hex);
  CHECK(sign_verify(buf_view(&canonical), STR("key"), str_of(hex)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  SCOPED_MALLOC char *text = malloc(size - 1 + JSON_PADDING);
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ARENA_MAX);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(text != NULL && arena != NULL && parser != NULL);
  memcpy(text, data + 1, size - 1);
  memset(text + size - 1, '}', JSON_PADDING);

  struct params_source source = source_of((char)data[0], str_make(text, size - 1));
  struct params params;
  struct err err = {0};
  int result = params_read(&source, parser, arena, &params, &err);
  bool expected = result == 0 || result == -ERR_PARSE || result == -ERR_LIMIT || result == -ERR_MEMORY ||
                  result == -ERR_EXISTS;
  CHECK(expected && (result == 0 || result == -ERR_EXISTS || err.text[0] != '\0')); /* a name that stands twice may be empty */
  struct str action;
  bool is_found = params_find_action(&source, parser, arena, &action);
  CHECK(!is_found || (action.len > 0 && str_is_utf8(action)));
  if (result != 0) return 0;
  check_params(&params);
  (void)params_get(&params, "BeginTime", &action);
  check_canon(&params);
  return 0;
}
