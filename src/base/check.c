/* A check that fails while standard error takes nothing must end the process all the same, so the line is written only
 * if that does not wait. No lock and no buffer: the failing thread may hold the first, and abort loses the second. */
#include "base/check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *expression, const char *file, int line) {
  char text[512];
  struct pollfd wait = {.fd = STDERR_FILENO, .events = POLLOUT};
  int len = snprintf(text, sizeof text, "codecmeter: internal check failed: %.300s (%s:%d)\n", expression, file, line);
  if (len >= (int)sizeof text) len = (int)sizeof text - 1;
  if (len > 0 && poll(&wait, 1, 0) > 0) {
    ssize_t wrote = write(STDERR_FILENO, text, (size_t)len);
    (void)wrote; /* the process ends in any case */
  }
  abort();
}
