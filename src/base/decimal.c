#include "base/decimal.h"

#define EXPONENT_FAR INT64_C(100000000)

static struct str take_digits(struct str *rest) {
  size_t len = 0;
  while (len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9')
    len++;
  struct str digits = str_make(rest->ptr, len);
  *rest = str_make(rest->ptr + len, rest->len - len);
  return digits;
}

static bool take_char(struct str *rest, char c) {
  if (rest->len == 0 || rest->ptr[0] != c) return false;
  *rest = str_make(rest->ptr + 1, rest->len - 1);
  return true;
}

static bool take_exponent(struct str *rest, int64_t *ret) {
  *ret = 0;
  if (!take_char(rest, 'e') && !take_char(rest, 'E')) return true;
  bool is_negative = take_char(rest, '-');
  if (!is_negative) (void)take_char(rest, '+');
  struct str digits = take_digits(rest);
  int64_t value = 0;
  for (size_t i = 0; i < digits.len && value < EXPONENT_FAR; i++)
    value = value * 10 + (digits.ptr[i] - '0');
  *ret = is_negative ? -value : value;
  return digits.len > 0;
}

static bool cut_front(struct str *digits) { return take_char(digits, '0'); }

static bool cut_back(struct str *digits) {
  if (digits->len == 0 || digits->ptr[digits->len - 1] != '0') return false;
  digits->len--;
  return true;
}

static void cut_zeros(struct decimal *number) {
  while (cut_back(&number->after)) {
  }
  while (number->after.len == 0 && cut_back(&number->before)) {
  }
  while (cut_front(&number->before))
    number->point--;
  while (number->before.len == 0 && cut_front(&number->after))
    number->point--;
}

bool decimal_parse(struct str text, struct decimal *ret) {
  struct decimal number = {.is_negative = take_char(&text, '-')};
  int64_t exponent;
  number.before = take_digits(&text);
  if (number.before.len == 0 || (number.before.len > 1 && number.before.ptr[0] == '0')) return false;
  if (take_char(&text, '.')) {
    number.after = take_digits(&text);
    if (number.after.len == 0) return false;
  }
  if (!take_exponent(&text, &exponent) || text.len > 0) return false;
  number.point = (int64_t)number.before.len + exponent;
  cut_zeros(&number);
  *ret = number;
  return true;
}

int64_t decimal_digits(const struct decimal *number) { return (int64_t)(number->before.len + number->after.len); }

unsigned decimal_digit(const struct decimal *number, int64_t i) {
  size_t at = (size_t)i, before = number->before.len;
  if (at < before) return (unsigned)(number->before.ptr[at] - '0');
  return at - before < number->after.len ? (unsigned)(number->after.ptr[at - before] - '0') : 0;
}
