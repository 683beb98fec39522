/* Whether somebody still writes to a file. Such a file is not finished: what is measured of it now would be too
 * little, and the whole file would count a second time later. */
#ifndef CODECMETER_AGENT_FILE_WRITER_H
#define CODECMETER_AGENT_FILE_WRITER_H

#include "base/err.h"

enum file_writer {
  FILE_WRITER_NONE,    /* no process has the file open for writing */
  FILE_WRITER_THERE,   /* a process has */
  FILE_WRITER_UNKNOWN, /* the system does not tell: the file of another user, a network file system, no such file */
};
enum file_writer file_writer_of(const char *path);

/* -ERR_BUSY: a process has the file open for writing. 0: none has, or it is unknown. */
MUST_USE int file_writer_check(const char *path, struct err *err);

#endif
