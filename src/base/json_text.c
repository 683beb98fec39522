/* The text side of JSON: numbers as plain decimals, and quoted strings. */
#include "base/json.h"

#include <stdint.h>

#include "base/check.h"
#include "base/decimal.h"

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

bool json_is_number(struct str text) {
  struct decimal number;
  return decimal_parse(text, &number);
}

static struct decimal read_decimal(struct str token) {
  struct decimal number;
  CHECK(decimal_parse(token, &number));
  return number;
}

static int64_t fraction_of(const struct decimal *number) {
  int64_t digits = decimal_digits(number);
  return digits > number->point ? digits - number->point : 0;
}

static uint64_t plain_len(const struct decimal *number) {
  if (decimal_digits(number) == 0) return 1; /* "0" */
  int64_t whole = number->point > 0 ? number->point : 1, fraction = fraction_of(number);
  return (uint64_t)(number->is_negative + whole + (fraction > 0 ? 1 + fraction : 0));
}

uint64_t json_number_plain_len(struct str token) {
  struct decimal number = read_decimal(token);
  return plain_len(&number);
}

static void put_digit(struct buf *out, const struct decimal *number, int64_t i) {
  buf_char(out, (char)('0' + decimal_digit(number, i)));
}

int json_number_plain(struct str token, size_t length_max, struct buf *out) {
  struct decimal number = read_decimal(token);
  int64_t digits = decimal_digits(&number), fraction = fraction_of(&number);
  if (plain_len(&number) > length_max) return -ERR_LIMIT;
  if (digits == 0) {
    buf_char(out, '0');
    return 0;
  }
  if (number.is_negative) buf_char(out, '-');
  if (number.point <= 0) buf_text(out, "0");
  for (int64_t i = 0; i < number.point; i++) put_digit(out, &number, i);
  if (fraction > 0) buf_char(out, '.');
  for (int64_t i = number.point; i < 0; i++) buf_char(out, '0');
  for (int64_t i = number.point > 0 ? number.point : 0; i < digits; i++) put_digit(out, &number, i);
  return 0;
}

bool json_number_i64(struct str token, int64_t *ret) {
  struct decimal number = read_decimal(token);
  int64_t digits = decimal_digits(&number);
  if (digits > number.point || number.point > 19) {
    if (digits == 0) *ret = 0;
    return digits == 0;
  }
  int64_t value = 0;
  for (int64_t i = 0; i < number.point; i++) {
    int next = (int)decimal_digit(&number, i);
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, number.is_negative ? -next : next, &value)) return false;
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

struct str json_trim(struct str text) {
  while (text.len > 0 && json_is_blank(text.ptr[0]))
    text = str_make(text.ptr + 1, text.len - 1);
  while (text.len > 0 && json_is_blank(text.ptr[text.len - 1]))
    text.len--;
  return text;
}

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
    size_t len = is_utf8 ? 1 : character_at(str_make(s.ptr + at, s.len - at));
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
