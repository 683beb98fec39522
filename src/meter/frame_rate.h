/* Frame rates: pictures shown in a second, as exact fractions. Source: design §6.
 *
 * The field writes the rates of NTSC as decimals: 23.976 (or 23.98), 29.97, 59.94 and the like. These, and rates within
 * a hundredth of them, are read as 24000/1001, 30000/1001, 60000/1001.
 */
#ifndef CODECMETER_METER_FRAME_RATE_H
#define CODECMETER_METER_FRAME_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define FRAME_RATE_MAX 1000                /* pictures a second */
#define FRAME_RATE_TERM_MAX UINT32_C(2147483647) /* numerator and denominator */

/* In lowest terms, both from 1 to FRAME_RATE_TERM_MAX. Unknown: both are 0. */
struct frame_rate {
  uint32_t numerator, denominator;
};

/* Makes a rate of a fraction; false if it is 0, above FRAME_RATE_MAX, or has no denominator. A fraction whose terms are
 * too large in lowest terms is rounded to millionths. */
MUST_USE bool frame_rate_of(uint64_t numerator, uint64_t denominator, struct frame_rate *ret);
/* Reads "25", "29.97" or "30000/1001"; no sign, no exponent. Digits behind the sixth decimal are rounded. False for
 * any other text, and as frame_rate_of. */
MUST_USE bool frame_rate_parse(struct str text, struct frame_rate *ret);
/* True if two known rates differ by at most one percent: two tools round in different ways, and estimate the rate of a
 * stream that states none. */
bool frame_rates_agree(struct frame_rate a, struct frame_rate b);
/* Appends "25", "12.5" or "30000/1001": what frame_rate_parse reads back as the same rate. */
void frame_rate_write(struct frame_rate rate, struct buf *out);

#endif
