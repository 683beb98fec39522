#include "cli/frame_rate.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

#define RATE_MAX 1000
#define PART_MAX 1000000 /* of a fraction, and of a decimal without its point */

static bool read_fraction(struct str text, uint64_t *num, uint64_t *den) {
  struct str rest = text, top = str_cut(&rest, '/');
  *den = 1;
  return str_to_u64(top, num) && (top.len == text.len || str_to_u64(rest, den));
}

/* "29.97" is 2997/100. */
static bool read_decimal(struct str text, uint64_t *num, uint64_t *den) {
  struct str rest = text, whole = str_cut(&rest, '.');
  uint64_t fraction;
  *den = 1;
  if (whole.len == text.len || rest.len > 4 || !str_to_u64(whole, num) || !str_to_u64(rest, &fraction)) return false;
  for (size_t i = 0; i < rest.len; i++)
    *den *= 10;
  if (*num > RATE_MAX) return false;
  *num = *num * *den + fraction;
  return true;
}

int frame_rate_parse(const char *text, uint32_t *ret_num, uint32_t *ret_den, struct err *err) {
  uint64_t num, den;
  bool is_read = read_fraction(str_of(text), &num, &den) || read_decimal(str_of(text), &num, &den);
  bool is_sane = is_read && num > 0 && den > 0 && den <= PART_MAX && num <= (uint64_t)RATE_MAX * den &&
                 num <= (uint64_t)RATE_MAX * PART_MAX;
  if (!is_sane)
    return err_set(err, ERR_USAGE,
                   "--frame-rate '%s' is no number of pictures per second from 0 to %d; give 25, 29.97 or 30000/1001",
                   text, RATE_MAX);
  *ret_num = (uint32_t)num;
  *ret_den = (uint32_t)den;
  return 0;
}
