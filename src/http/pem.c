/* Reads to the end, because a secret may come through a pipe. The buffer never grows, so that no copy of the secret is
 * left in freed memory.
 */
#include "http/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"

int pem_read(const char *path, char **ret, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return err_set_errno(err, ERR_USAGE, errno, "cannot open %s", path);
  SCOPED_MALLOC char *text = calloc(1, PEM_MAX + 1);
  if (text == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s", path);
  size_t len = 0;
  while (len <= PEM_MAX) {
    ssize_t got = read(fd, text + len, PEM_MAX + 1 - len);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_set_errno(err, ERR_USAGE, errno, "cannot read %s", path);
    if (got == 0) break;
    len += (size_t)got;
  }
  if (len > PEM_MAX) {
    return err_set(err, ERR_USAGE, "%s is longer than %u bytes: it is no certificate or key", path, PEM_MAX);
  }
  *ret = MOVE(text);
  return 0;
}
