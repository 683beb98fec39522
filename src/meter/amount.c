#include "meter/amount.h"

#include <stdbool.h>

uint64_t amount_seconds(uint64_t duration_ms) {
  uint64_t seconds = duration_ms / 1000 + (duration_ms % 1000 >= 500);
  return duration_ms > 0 && seconds == 0 ? 1 : seconds;
}

uint64_t amount_minutes(uint64_t seconds) { return seconds / 60 + (seconds % 60 != 0); }

/* The parts of a JSON number: the digits before and after the point, and its exponent. */
struct decimal {
  bool negative;
  struct str whole, fraction;
  int64_t exponent;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static struct str take_digits(struct str *rest) {
  size_t len = 0;
  while (len < rest->len && is_digit(rest->ptr[len])) len++;
  struct str digits = str_make(rest->ptr, len);
  *rest = str_make(rest->ptr + len, rest->len - len);
  return digits;
}

static bool take_char(struct str *rest, char c) {
  if (rest->len == 0 || rest->ptr[0] != c) return false;
  *rest = str_make(rest->ptr + 1, rest->len - 1);
  return true;
}

/* Far beyond any exponent that matters, and small enough that sums cannot overflow. */
#define EXPONENT_FAR 1000000

static bool take_exponent(struct str *rest, int64_t *ret) {
  *ret = 0;
  if (!take_char(rest, 'e') && !take_char(rest, 'E')) return true;
  bool negative = take_char(rest, '-');
  if (!negative) (void)take_char(rest, '+');
  struct str digits = take_digits(rest);
  int64_t value = 0;
  for (size_t i = 0; i < digits.len && value < EXPONENT_FAR; i++) value = value * 10 + (digits.ptr[i] - '0');
  *ret = negative ? -value : value;
  return digits.len > 0;
}

static bool decimal_parse(struct str text, struct decimal *ret) {
  *ret = (struct decimal){.negative = take_char(&text, '-')};
  ret->whole = take_digits(&text);
  if (ret->whole.len == 0 || (ret->whole.len > 1 && ret->whole.ptr[0] == '0')) return false;
  if (take_char(&text, '.')) {
    ret->fraction = take_digits(&text);
    if (ret->fraction.len == 0) return false;
  }
  return take_exponent(&text, &ret->exponent) && text.len == 0;
}

static char digit_at(const struct decimal *number, size_t i) {
  return i < number->whole.len ? number->whole.ptr[i] : number->fraction.ptr[i - number->whole.len];
}

int amount_ms_of_seconds(struct str text, uint64_t *ret_ms, struct err *err) {
  struct decimal number;
  if (!decimal_parse(text, &number)) return err_set(err, ERR_PARSE, "must be a number of seconds");
  size_t digits = number.whole.len + number.fraction.len;
  /* The digits before this index are whole milliseconds; the digit at this index decides the rounding. */
  int64_t kept = (int64_t)number.whole.len + number.exponent + 3;
  uint64_t ms = 0;
  bool any = false;
  for (size_t i = 0; i < digits; i++) any = any || digit_at(&number, i) != '0';
  for (int64_t i = 0; any && i < kept && ms <= DURATION_MS_MAX; i++) {
    ms = ms * 10 + (uint64_t)(i < (int64_t)digits ? digit_at(&number, (size_t)i) - '0' : 0);
  }
  if (any && kept >= 0 && kept < (int64_t)digits && digit_at(&number, (size_t)kept) >= '5') ms++;
  if ((any && number.negative) || ms > DURATION_MS_MAX) {
    return err_set(err, ERR_RANGE, "must be a number of seconds from 0 to %lld", (long long)(DURATION_MS_MAX / 1000));
  }
  *ret_ms = ms;
  return 0;
}
