/* A file may be any size when something else wrote it, so its size is looked at before memory is taken. */
#include "sources/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

int state_file_read(const char *path, uint64_t size_max, struct buf *out, struct err *err) {
  size_t got = 0;
  uint64_t size = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  int result = file_size(fd, path, &size, err);
  if (result != 0) return result;
  if (size > size_max) return err_set(err, ERR_CORRUPT, "%s is too long", path);
  char *room = buf_extend(out, size + JSON_PADDING);
  if (room == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s", path);
  memset(room, 0, size + JSON_PADDING);
  result = file_read(fd, path, 0, room, size, &got, err);
  out->len = got;
  return result;
}
