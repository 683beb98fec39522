/* Any bytes as a JSON text. A validator that is written here, by the grammar of RFC 8259 alone, says whether they are
 * an object or an array in JSON. The reader must agree, and must hand over as many elements of an array as it
 * announced. simdjson validates only what is visited, so a part that nobody visits would pass as JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

#define DEPTH_MAX 64u
#define ARENA_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
  const char *at, *end;
};

static void skip_blanks(struct text *text) {
  while (text->at < text->end && memchr(" \t\r\n", *text->at, 4) != NULL)
    text->at++;
}

static bool take(struct text *text, char c) {
  if (text->at == text->end || *text->at != c) return false;
  text->at++;
  return true;
}

static bool take_hex(struct text *text, unsigned *ret) {
  static const char digits[] = "0123456789abcdef";
  *ret = 0;
  for (int i = 0; i < 4; i++) {
    if (text->at == text->end || *text->at == '\0') return false;
    char c = *text->at++;
    const char *digit = strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
    if (digit == NULL) return false;
    *ret = *ret * 16 + (unsigned)(digit - digits);
  }
  return true;
}

/* A lone half of a surrogate pair is JSON by its grammar, but no text: the reader refuses it. */
static bool take_unicode(struct text *text) {
  unsigned unit, low;
  if (!take_hex(text, &unit) || (unit >= 0xdc00 && unit <= 0xdfff)) return false;
  if (unit < 0xd800 || unit > 0xdbff) return true;
  return take(text, '\\') && take(text, 'u') && take_hex(text, &low) && low >= 0xdc00 && low <= 0xdfff;
}

static bool take_string(struct text *text) {
  if (!take(text, '"')) return false;
  while (text->at < text->end) {
    unsigned char c = (unsigned char)*text->at++;
    if (c == '"') return true;
    if (c < 0x20) return false;
    if (c != '\\') continue;
    if (take(text, 'u')) {
      if (!take_unicode(text)) return false;
    } else if (text->at == text->end || *text->at == '\0' || strchr("\"\\/bfnrt", *text->at++) == NULL) {
      return false;
    }
  }
  return false;
}

static bool take_scalar(struct text *text) {
  const char *begin = text->at;
  while (text->at < text->end && memchr(" \t\r\n,:]}[{\"", *text->at, 11) == NULL)
    text->at++;
  struct str word = str_make(begin, (size_t)(text->at - begin));
  return str_equal(word, STR("true")) || str_equal(word, STR("false")) || str_equal(word, STR("null")) ||
         json_is_number(word);
}

/* *elements counts those of the outermost array. */
static bool take_value(struct text *text, unsigned depth, unsigned *deepest, size_t *elements) {
  skip_blanks(text);
  bool is_object = text->at < text->end && *text->at == '{', is_array = text->at < text->end && *text->at == '[';
  if (!is_object && !is_array) return text->at < text->end && *text->at == '"' ? take_string(text) : take_scalar(text);
  if (depth + 1 > *deepest) *deepest = depth + 1;
  if (depth > 4000) return false; /* the stack of this validator */
  text->at++;
  skip_blanks(text);
  if (take(text, is_object ? '}' : ']')) return true;
  do {
    skip_blanks(text);
    if (is_object) {
      if (!take_string(text)) return false;
      skip_blanks(text);
      if (!take(text, ':')) return false;
    }
    if (!take_value(text, depth + 1, deepest, elements)) return false;
    if (depth == 0) (*elements)++;
    skip_blanks(text);
  } while (take(text, ','));
  return take(text, is_object ? '}' : ']');
}

struct handed {
  size_t count, elements;
};

static int take_count(void *arg, size_t count, struct err *err) {
  (void)err;
  ((struct handed *)arg)->count = count;
  return 0;
}

static int take_element(void *arg, const struct json *element, struct err *err) {
  (void)err;
  struct handed *handed = arg;
  CHECK(element != NULL && handed->elements < handed->count);
  handed->elements++;
  return 0;
}

static void check_parse(struct str text, bool is_json, unsigned deepest) {
  const struct json *json;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ARENA_MAX);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  int result = json_parse(parser, arena, text, DEPTH_MAX, &json, NULL);
  if (result == -ERR_LIMIT) CHECK(!is_json || deepest > DEPTH_MAX);
  else CHECK((result == 0) == (is_json && deepest <= DEPTH_MAX));
}

static void check_array(struct str text, bool is_json, unsigned deepest, size_t elements) {
  struct handed handed = {0};
  const struct json_taker taker = {.count = take_count, .element = take_element, .arg = &handed};
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ARENA_MAX);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  int result = json_parse_array(parser, arena, text, DEPTH_MAX, &taker, NULL);
  if (result == -ERR_LIMIT) CHECK(!is_json || deepest > DEPTH_MAX);
  else CHECK((result == 0) == (is_json && deepest <= DEPTH_MAX));
  CHECK(result != 0 || (handed.elements == elements && handed.count == elements));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct text text = {.at = (const char *)data, .end = (const char *)data + size};
  unsigned deepest = 0;
  size_t elements = 0;
  skip_blanks(&text);
  bool is_array = text.at < text.end && *text.at == '[';
  bool is_json = (is_array || (text.at < text.end && *text.at == '{')) && take_value(&text, 0, &deepest, &elements);
  skip_blanks(&text);
  is_json = is_json && text.at == text.end && str_is_utf8(str_make((const char *)data, size));
  char *padded = malloc(size + JSON_PADDING);
  CHECK(padded != NULL);
  if (size > 0) memcpy(padded, data, size);
  memset(padded + size, ']', JSON_PADDING);
  check_parse(str_make(padded, size), is_json, deepest);
  check_array(str_make(padded, size), is_json && is_array, deepest, elements);
  free(padded);
  return 0;
}
