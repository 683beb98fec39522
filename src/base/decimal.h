/* Numbers in JSON's syntax (RFC 8259, section 6), read exactly, digit for digit. */
#ifndef CODECMETER_BASE_DECIMAL_H
#define CODECMETER_BASE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* value = 0.d1 d2 d3 … x 10^point. Neither the first digit nor the last is 0; zero has no digits. An exponent beyond
 * 10^8 is taken for one of about that size: no number that is written out, and no bound, has so many digits. */
struct decimal {
  bool is_negative; /* true of -0 as well */
  struct str before, after; /* the digits, where the text has them: before and after its point; borrowed */
  int64_t point;
};

/* False if the text, whole, is not such a number. */
MUST_USE bool decimal_parse(struct str text, struct decimal *ret);
int64_t decimal_digits(const struct decimal *number);
/* The value of digit i, counted from 0; 0 behind the last. */
unsigned decimal_digit(const struct decimal *number, int64_t i);

#endif
