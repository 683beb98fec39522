#include "meter/amount.h"

#include <stdbool.h>

#include "base/decimal.h"

uint64_t amount_seconds(uint64_t duration_ms) {
  uint64_t seconds = duration_ms / 1000 + (duration_ms % 1000 >= 500);
  return duration_ms > 0 && seconds == 0 ? 1 : seconds;
}

uint64_t amount_minutes(uint64_t seconds) { return seconds / 60 + (seconds % 60 != 0); }

int amount_ms_of_seconds(struct str text, uint64_t *ret_ms, struct err *err) {
  struct decimal number;
  if (!decimal_parse(text, &number)) return err_set(err, ERR_PARSE, "must be a number of seconds");
  int64_t whole = number.point + 3; /* so many digits are whole milliseconds; the next one decides the rounding */
  bool is_zero = decimal_digits(&number) == 0;
  uint64_t ms = 0;
  for (int64_t i = 0; !is_zero && i < whole && ms <= DURATION_MS_MAX; i++)
    ms = ms * 10 + decimal_digit(&number, i);
  if (whole >= 0 && decimal_digit(&number, whole) >= 5) ms++;
  if ((number.is_negative && !is_zero) || ms > DURATION_MS_MAX) {
    return err_set(err, ERR_RANGE, "must be a number of seconds from 0 to %lld", (long long)(DURATION_MS_MAX / 1000));
  }
  *ret_ms = ms;
  return 0;
}
