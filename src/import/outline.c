#include "import/outline.h"

#define DEPTH_MAX 2 /* objects between the outermost one and the array */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static char char_at(struct str text, size_t at) { return at < text.len ? text.ptr[at] : '\0'; }

static size_t skip_blanks(struct str text, size_t at) {
  while (at < text.len && is_blank(text.ptr[at]))
    at++;
  return at;
}

/* From behind the opening quote to behind the closing one: the first that an even number of backslashes precedes. */
static size_t skip_string(struct str text, size_t at) {
  while (at < text.len) {
    const char *quote = memchr(text.ptr + at, '"', text.len - at);
    if (quote == NULL) break;
    const char *before = quote;
    while (before > text.ptr + at && before[-1] == '\\')
      before--;
    at = (size_t)(quote + 1 - text.ptr);
    if ((quote - before) % 2 == 0) return at;
  }
  return text.len;
}

static size_t skip_nested(struct str text, size_t at) {
  size_t depth = 0;
  while (at < text.len) {
    char c = text.ptr[at++];
    if (c == '"') at = skip_string(text, at);
    if (c == '{' || c == '[') depth++;
    if ((c == '}' || c == ']') && --depth == 0) break;
  }
  return at;
}

static size_t skip_value(struct str text, size_t at) {
  char c = char_at(text, at);
  if (c == '"') return skip_string(text, at + 1);
  if (c == '{' || c == '[') return skip_nested(text, at);
  while (at < text.len && !is_blank(text.ptr[at]) && memchr(",]}", text.ptr[at], 3) == NULL)
    at++;
  return at;
}

static size_t skip_comma(struct str text, size_t at) {
  at = skip_blanks(text, at);
  return char_at(text, at) == ',' ? skip_blanks(text, at + 1) : at;
}

bool outline_element(struct str text, size_t *at, struct outline_part *ret) {
  size_t begin = skip_comma(text, *at), end = skip_value(text, begin);
  if (end == begin) return false;
  *ret = (struct outline_part){begin, end};
  *at = end;
  return true;
}

bool outline_member(struct str text, size_t *at, struct str *ret_name, struct outline_part *ret) {
  size_t name = skip_comma(text, *at);
  if (char_at(text, name) != '"') return false;
  size_t behind = skip_string(text, name + 1), colon = skip_blanks(text, behind);
  if (char_at(text, colon) != ':') return false;
  size_t begin = skip_blanks(text, colon + 1), end = skip_value(text, begin);
  if (end == begin) return false;
  *ret_name = str_make(text.ptr + name + 1, behind - name - 2);
  *ret = (struct outline_part){begin, end};
  *at = end;
  return true;
}

static bool names_identity(struct str name) {
  static const char *const names[] = {"id", "jobid", "job_id", "taskid", "task_id"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (str_equal_nocase(name, str_of(names[i]))) return true;
  }
  return false;
}

static bool has_identity(struct str text, struct outline_part object) {
  struct str name;
  struct outline_part value;
  if (char_at(text, object.begin) != '{') return false;
  for (size_t at = object.begin + 1; outline_member(text, &at, &name, &value);) {
    char c = char_at(text, value.begin);
    bool is_text = c == '"' && value.end - value.begin > 2;
    if (names_identity(name) && (is_text || (c >= '0' && c <= '9'))) return true;
  }
  return false;
}

static bool is_division(struct str text, struct outline_part array) {
  struct outline_part element;
  size_t count = 0;
  for (size_t at = array.begin + 1; outline_element(text, &at, &element); count++) {
    if (!has_identity(text, element)) return false;
  }
  return count > 1;
}

/* What has an identity is one job or task, and its parts stay together. */
static void find(struct str text, struct outline_part object, unsigned depth, struct outline_part *longest) {
  struct str name;
  struct outline_part value;
  if (has_identity(text, object)) return;
  for (size_t at = object.begin + 1; outline_member(text, &at, &name, &value);) {
    char c = char_at(text, value.begin);
    bool is_longer = value.end - value.begin > longest->end - longest->begin;
    if (c == '[' && is_longer && is_division(text, value)) *longest = value;
    if (c == '{' && is_longer && depth < DEPTH_MAX) find(text, value, depth + 1, longest);
  }
}

bool outline_division(struct str text, struct outline_part *ret) {
  struct outline_part longest = {0, 0};
  size_t begin = skip_blanks(text, 0);
  if (char_at(text, begin) != '{') return false;
  find(text, (struct outline_part){begin, text.len}, 0, &longest);
  if (longest.end == 0 || char_at(text, longest.end - 1) != ']') return false;
  *ret = (struct outline_part){longest.begin + 1, longest.end - 1};
  return true;
}

static bool is_of_word(char c) { return c != '\0' && memchr("{}[],:\"", c, 7) == NULL; }

void outline_compact(struct str text, struct buf *out) {
  for (size_t at = 0; at < text.len;) {
    size_t begin = skip_blanks(text, at);
    bool parts_words = at > 0 && begin > at && is_of_word(text.ptr[at - 1]) && is_of_word(char_at(text, begin));
    if (parts_words) buf_char(out, ' '); /* "1 2" is not JSON, and must not become "12" */
    at = begin;
    while (at < text.len && !is_blank(text.ptr[at]))
      at = text.ptr[at] == '"' ? skip_string(text, at + 1) : at + 1;
    buf_append(out, text.ptr + begin, at - begin);
  }
}
