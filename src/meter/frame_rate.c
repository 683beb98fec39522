#include "meter/frame_rate.h"

#include <inttypes.h>

#include "base/check.h"

#define MILLIONTHS 1000000u

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b != 0) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* True if a and b differ by less than one `parts`th of a picture a second. */
static bool is_near(struct frame_rate a, struct frame_rate b, uint64_t parts) {
  uint64_t left = (uint64_t)a.numerator * b.denominator, right = (uint64_t)b.numerator * a.denominator;
  uint64_t difference = left > right ? left - right : right - left;
  uint64_t both = (uint64_t)a.denominator * b.denominator; /* below 2^62 */
  return difference < both / parts;
}

/* A rate near one of NTSC is that rate. */
static struct frame_rate exact(struct frame_rate rate) {
  static const uint32_t nominal[] = {12, 15, 24, 30, 48, 60, 120, 240};
  for (size_t i = 0; i < sizeof nominal / sizeof nominal[0]; i++) {
    struct frame_rate ntsc = {nominal[i] * 1000, 1001};
    if (is_near(rate, ntsc, 100)) return ntsc;
  }
  return rate;
}

bool frame_rate_of(uint64_t numerator, uint64_t denominator, struct frame_rate *ret) {
  if (numerator == 0 || denominator == 0) return false;
  uint64_t divisor = common_divisor(numerator, denominator);
  numerator /= divisor;
  denominator /= divisor;
  if (numerator > FRAME_RATE_TERM_MAX || denominator > FRAME_RATE_TERM_MAX) {
    /* At most FRAME_RATE_MAX millions, so the second call needs no third one. */
    long double millionths = (long double)numerator / (long double)denominator * MILLIONTHS + 0.5L;
    if (millionths < 1 || millionths > (long double)FRAME_RATE_MAX * MILLIONTHS) return false;
    return frame_rate_of((uint64_t)millionths, MILLIONTHS, ret);
  }
  if (numerator > FRAME_RATE_MAX * denominator) return false;
  *ret = exact((struct frame_rate){(uint32_t)numerator, (uint32_t)denominator});
  return true;
}

bool frame_rates_agree(struct frame_rate a, struct frame_rate b) {
  uint64_t left = (uint64_t)a.numerator * b.denominator, right = (uint64_t)b.numerator * a.denominator;
  uint64_t larger = left > right ? left : right, smaller = left > right ? right : left;
  return larger - smaller <= larger / 100;
}

/* Reads "29.97" as 29970000 millionths. */
static bool read_decimal(struct str text, uint64_t *ret_millionths) {
  uint64_t value = 0, scale = MILLIONTHS;
  bool has_point = false, rounds_up = false;
  size_t behind = 0;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '.' && !has_point && i > 0 && i + 1 < text.len) {
      has_point = true;
      continue;
    }
    if (c < '0' || c > '9') return false;
    behind += has_point ? 1 : 0;
    if (behind == 7) rounds_up = c >= '5';
    if (behind > 6) continue;
    value = value * 10 + (uint64_t)(c - '0');
    if (value > (uint64_t)FRAME_RATE_MAX * MILLIONTHS) return false;
    if (has_point) scale /= 10;
  }
  *ret_millionths = value * scale + (rounds_up ? 1 : 0);
  return text.len > 0;
}

bool frame_rate_parse(struct str text, struct frame_rate *ret) {
  struct str rest = text, top = str_cut(&rest, '/');
  uint64_t numerator, denominator;
  if (top.len < text.len) {
    bool is_read = top.len > 0 && rest.len > 0 && top.ptr[0] != '+' && str_to_u64(top, &numerator) &&
                   str_to_u64(rest, &denominator);
    return is_read && frame_rate_of(numerator, denominator, ret);
  }
  return read_decimal(text, &numerator) && frame_rate_of(numerator, MILLIONTHS, ret);
}

/* The digits behind the point that write the rate exactly, up to six; 7: there are more. */
static unsigned decimals_of(struct frame_rate rate) {
  uint64_t power = 1;
  for (unsigned digits = 0; digits <= 6; digits++, power *= 10) {
    if (power % rate.denominator == 0) return digits;
  }
  return 7;
}

void frame_rate_write(struct frame_rate rate, struct buf *out) {
  CHECK(rate.denominator > 0);
  unsigned digits = decimals_of(rate);
  if (digits > 6) {
    buf_printf(out, "%" PRIu32 "/%" PRIu32, rate.numerator, rate.denominator);
    return;
  }
  uint64_t power = 1;
  for (unsigned i = 0; i < digits; i++) power *= 10;
  uint64_t scaled = (uint64_t)rate.numerator * (power / rate.denominator);
  buf_printf(out, "%" PRIu64, scaled / power);
  if (digits > 0) buf_printf(out, ".%0*" PRIu64, (int)digits, scaled % power);
}
