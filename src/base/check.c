/* A failed check must end the process even if nobody reads standard error, so the line is written only if the write
 * does not wait. It takes no lock, because the failing thread may hold it, and uses no buffer, because abort loses
 * it. */
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
