/* The kernel grants a lease for reading only if no process has the file open for writing, on whatever descriptor, in
 * whatever container. If a process opens the file for writing while we have the lease, the kernel sends us a signal:
 * SIGIO, unless we choose another. SIGURG is ignored by default.
 */
#include "agent/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

enum file_writer file_writer_of(const char *path) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fcntl(fd, F_SETSIG, SIGURG) != 0) return FILE_WRITER_UNKNOWN;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN ? FILE_WRITER_THERE : FILE_WRITER_UNKNOWN;
  (void)fcntl(fd, F_SETLEASE, F_UNLCK);
  return FILE_WRITER_NONE;
}

int file_writer_check(const char *path, struct err *err) {
  if (file_writer_of(path) != FILE_WRITER_THERE) return 0;
  return err_set(err, ERR_BUSY, "%s: a process still has it open for writing", path);
}
