#include "cli/frame_rate.h"

#include "meter/frame_rate.h"

int frame_rate_option(const char *text, uint32_t *ret_num, uint32_t *ret_den, struct err *err) {
  struct frame_rate rate;
  if (!frame_rate_parse(str_of(text), &rate)) {
    return err_set(err, ERR_USAGE,
                   "--frame-rate '%s' is no number of pictures per second from 0 to %d; give 25, 29.97 or 30000/1001",
                   text, FRAME_RATE_MAX);
  }
  *ret_num = rate.numerator;
  *ret_den = rate.denominator;
  return 0;
}
