/* A program that holds files open does not notice when they are removed: what it writes is gone when it ends. The
 * open descriptor ensures that a new directory under the same name has another inode number.
 */
#include "ledger/log/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

int presence_begin(struct presence *presence, const char *path, struct err *err) {
  CHECK(presence->fd < 0);
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open directory %s", path);
  presence->path = strdup(path);
  CHECK(presence->path != NULL);
  presence->fd = fd;
  return 0;
}

void presence_fini(struct presence *presence) {
  if (presence->fd >= 0) (void)close(presence->fd);
  free(presence->path);
  *presence = PRESENCE_NONE;
}

int presence_check(const struct presence *presence, struct err *err) {
  struct stat held, named;
  if (presence->fd < 0) return 0;
  if (fstat(presence->fd, &held) != 0) return err_set_errno(err, ERR_IO, errno, "cannot check %s", presence->path);
  if (stat(presence->path, &named) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return err_set(err, ERR_CORRUPT, "%s was removed or renamed", presence->path);
    }
    return err_set_errno(err, ERR_IO, errno, "cannot check %s", presence->path);
  }
  if (held.st_dev == named.st_dev && held.st_ino == named.st_ino) return 0;
  return err_set(err, ERR_CORRUPT, "%s was replaced by another directory", presence->path);
}
