/* The text side of JSON: numbers as plain decimals, and quoted strings. */
#include "base/json.h"

#include <stdint.h>

const struct json *json_member(const struct json *object, const char *name) {
  for (const struct json *member = object->child; member != NULL; member = member->next) {
    if (str_equal(member->name, str_of(name))) return member;
  }
  return NULL;
}

struct str json_member_text(const struct json *object, const char *name) {
  const struct json *member = json_member(object, name);
  return member != NULL && member->type == JSON_STRING ? member->text : STR("");
}

/* ---- numbers ---- */

/* A number: its significant digits, which the token has before and after its point, and the place of the point among
 * them. value = 0.d1 d2 d3 … x 10^point. */
struct decimal {
  bool negative;
  struct str before, after; /* digits before and after the point, leading zeros of the whole cut off */
  int64_t point;
};

/* With a larger exponent, a number that is written out is longer than any bound. */
#define EXPONENT_FAR INT64_C(100000000)

static int64_t read_exponent(struct str text) {
  bool negative = text.len > 0 && text.ptr[0] == '-';
  int64_t value = 0;
  for (size_t i = 0; i < text.len && value < EXPONENT_FAR; i++) {
    if (text.ptr[i] >= '0' && text.ptr[i] <= '9') value = value * 10 + (text.ptr[i] - '0');
  }
  return negative ? -value : value;
}

static size_t digits_at(struct str text) {
  size_t len = 0;
  while (len < text.len && text.ptr[len] >= '0' && text.ptr[len] <= '9') len++;
  return len;
}

static struct str skip(struct str s, size_t n) { return str_make(s.ptr + n, s.len - n); }

static char digit(const struct decimal *number, size_t i) {
  return i < number->before.len ? number->before.ptr[i] : number->after.ptr[i - number->before.len];
}

static size_t digits_of(const struct decimal *number) { return number->before.len + number->after.len; }

/* token must be a JSON number. Zero has no digits. */
static struct decimal read_decimal(struct str token) {
  struct decimal number = {.negative = token.ptr[0] == '-'};
  if (number.negative) token = skip(token, 1);
  number.before = str_make(token.ptr, digits_at(token));
  token = skip(token, number.before.len);
  if (token.len > 0 && token.ptr[0] == '.') {
    token = skip(token, 1);
    number.after = str_make(token.ptr, digits_at(token));
    token = skip(token, number.after.len);
  }
  number.point = (int64_t)number.before.len + (token.len > 0 ? read_exponent(skip(token, 1)) : 0);
  while (number.after.len > 0 && number.after.ptr[number.after.len - 1] == '0') number.after.len--;
  while (number.after.len == 0 && number.before.len > 0 && number.before.ptr[number.before.len - 1] == '0') {
    number.before.len--;
  }
  while (number.before.len > 0 && number.before.ptr[0] == '0') {
    number.before = skip(number.before, 1);
    number.point--;
  }
  while (number.before.len == 0 && number.after.len > 0 && number.after.ptr[0] == '0') {
    number.after = skip(number.after, 1);
    number.point--;
  }
  return number;
}

static int64_t fraction_of(const struct decimal *number) {
  int64_t digits = (int64_t)digits_of(number);
  return digits > number->point ? digits - number->point : 0;
}

static uint64_t plain_len(const struct decimal *number) {
  if (digits_of(number) == 0) return 1; /* "0" */
  int64_t whole = number->point > 0 ? number->point : 1, fraction = fraction_of(number);
  return (uint64_t)(number->negative + whole + (fraction > 0 ? 1 + fraction : 0));
}

uint64_t json_number_plain_len(struct str token) {
  struct decimal number = read_decimal(token);
  return plain_len(&number);
}

int json_number_plain(struct str token, size_t length_max, struct buf *out) {
  struct decimal number = read_decimal(token);
  int64_t digits = (int64_t)digits_of(&number), fraction = fraction_of(&number);
  if (plain_len(&number) > length_max) return -ERR_LIMIT;
  if (digits == 0) {
    buf_char(out, '0');
    return 0;
  }
  if (number.negative) buf_char(out, '-');
  if (number.point <= 0) buf_text(out, "0");
  for (int64_t i = 0; i < number.point; i++) buf_char(out, i < digits ? digit(&number, (size_t)i) : '0');
  if (fraction > 0) buf_char(out, '.');
  for (int64_t i = number.point; i < 0; i++) buf_char(out, '0');
  for (int64_t i = number.point > 0 ? number.point : 0; i < digits; i++) buf_char(out, digit(&number, (size_t)i));
  return 0;
}

bool json_number_i64(struct str token, int64_t *ret) {
  struct decimal number = read_decimal(token);
  int64_t digits = (int64_t)digits_of(&number);
  if (digits > number.point || number.point > 19) {
    if (digits == 0) *ret = 0;
    return digits == 0;
  }
  int64_t value = 0;
  for (int64_t i = 0; i < number.point; i++) {
    int next = i < digits ? digit(&number, (size_t)i) - '0' : 0;
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, number.negative ? -next : next, &value)) return false;
  }
  *ret = value;
  return true;
}

bool json_member_u64(const struct json *object, const char *name, uint64_t *ret) {
  const struct json *member = json_member(object, name);
  int64_t value;
  if (member == NULL || member->type != JSON_NUMBER || !json_number_i64(member->text, &value) || value < 0)
    return false;
  *ret = (uint64_t)value;
  return true;
}

/* ---- strings ---- */

/* How a byte is written inside quotes; NULL if it is written as it is. */
static const char *escape_of(unsigned char c, char scratch[7]) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
  }
  if (c >= 0x20 && c != 0x7F) return NULL;
  static const char hex[] = "0123456789abcdef";
  const char text[7] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], '\0'};
  memcpy(scratch, text, sizeof text);
  return scratch;
}

/* The length in bytes of the valid UTF-8 character at the front; 0 if there is none. */
static size_t character_at(struct str s) {
  for (size_t len = 1; len <= 4 && len <= s.len; len++) {
    if (str_is_utf8(str_make(s.ptr, len))) return len;
  }
  return 0;
}

void json_quote(struct buf *out, struct str s) {
  bool is_utf8 = str_is_utf8(s);
  char scratch[7];
  buf_char(out, '"');
  size_t plain = 0; /* the bytes from here to `at` are still to be copied as they are */
  size_t at = 0;
  while (at < s.len) {
    const char *escape = escape_of((unsigned char)s.ptr[at], scratch);
    size_t len = is_utf8 ? 1 : character_at(skip(s, at));
    if (len == 0) escape = "\xEF\xBF\xBD";
    if (escape != NULL) {
      buf_append(out, s.ptr + plain, at - plain);
      buf_text(out, escape);
      plain = at + 1;
      at++;
    } else {
      at += len;
    }
  }
  buf_append(out, s.ptr + plain, s.len - plain);
  buf_char(out, '"');
}

void json_add_name(struct buf *out, const char *name) {
  bool is_first = out->len > 0 && out->ptr[out->len - 1] == '{';
  buf_printf(out, "%s\"%s\":", is_first ? "" : ",", name);
}

void json_add_member(struct buf *out, const char *name, const char *text) {
  json_add_name(out, name);
  json_quote(out, str_of(text));
}
