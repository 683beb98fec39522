#include "import/input.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/stop.h"

/* Waits until bytes can be read or a stop is requested. */
static int wait_for_bytes(int fd, struct err *err) {
  struct pollfd waits[] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd(), .events = POLLIN}};
  do {
    if (stop_is_wanted()) return err_set(err, ERR_STOPPING, "interrupted");
  } while (poll(waits, 2, -1) < 0 && errno == EINTR);
  return stop_is_wanted() ? err_set(err, ERR_STOPPING, "interrupted") : 0;
}

int input_read(int fd, const char *name, char *out, size_t size, size_t *ret_got, struct err *err) {
  int result = wait_for_bytes(fd, err);
  if (result != 0) return result;
  ssize_t got;
  do
    got = read(fd, out, size);
  while (got < 0 && errno == EINTR);
  if (got < 0) return err_set_errno(err, ERR_IO, errno, "cannot read %s", name);
  *ret_got = (size_t)got;
  return 0;
}
