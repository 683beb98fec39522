/* The data directory: its owner, and the lock of the process that has it open. Source: design §7. */
#ifndef CODECMETER_SERVER_DATADIR_H
#define CODECMETER_SERVER_DATADIR_H

#include <stdbool.h>

#include "base/err.h"

struct datadir {
  const char *path; /* borrowed */
  int dir_fd;
  int lock_fd; /* -1: this process does not hold the lock */
};

#define DATADIR_NONE ((struct datadir){.dir_fd = -1, .lock_fd = -1})

/* Opens it; with `create`, makes a missing one with mode 0700. If root opens a directory of another user, the process
 * becomes that user. -ERR_NOT_FOUND, -ERR_DENIED. */
MUST_USE int datadir_open(const char *path, bool create, struct datadir *ret, struct err *err);
/* Makes a missing directory with mode 0700 and gives it to the owner of another one, so that this owner can write to
 * it. Call it before datadir_open, which gives up the rights of root. Does nothing unless the process is root. The
 * parent directory must exist. */
MUST_USE int datadir_make_like(const char *path, const char *owner_of, struct err *err);
/* -ERR_DENIED, with the command that mends it, if this process cannot read a backup's directory and its entries, or,
 * with to_write, cannot write to them. A missing directory is no error. */
MUST_USE int datadir_check_access(const char *path, bool to_write, struct err *err);
/* Takes DATA/lock, waiting up to wait_ms. -ERR_BUSY names the holder. -ERR_STOPPING when `stops` returns true; it is
 * called while the function waits, and may be NULL. -ERR_USAGE: DATA is a backup, which stays as it is. */
MUST_USE int datadir_lock(struct datadir *dir, int wait_ms, bool (*stops)(void), struct err *err);
/* The kind of network file system that holds the directory, or NULL. There, locks and syncs may not keep their
 * promises.
 */
const char *datadir_network(const struct datadir *dir);
/* Writes the holder into the lock: "pid 123, http://127.0.0.1:8080". */
void datadir_sign(struct datadir *dir, const char *what);
void datadir_close(struct datadir *dir);

/* --data, else $CODECMETER_DATA, else "data". */
const char *datadir_choose(const char *option);

#endif
