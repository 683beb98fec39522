/* The data directory: who owns it, and who has it open. Source: design §7. */
#ifndef CODECMETER_CLI_DATADIR_H
#define CODECMETER_CLI_DATADIR_H

#include <stdbool.h>

#include "base/err.h"

struct datadir {
  const char *path; /* borrowed */
  int dir_fd;
  int lock_fd;      /* -1: not ours */
};

#define DATADIR_NONE ((struct datadir){.dir_fd = -1, .lock_fd = -1})

/* Opens it; with `create`, makes a missing one 0700. Run as root on somebody's directory, the process becomes that
 * owner. -ERR_NOT_FOUND, -ERR_DENIED. */
MUST_USE int datadir_open(const char *path, bool create, struct datadir *ret, struct err *err);
/* Before datadir_open, which gives root's rights up: as root, makes a directory 0700 that is missing, for the owner
 * of another one, so that this owner can write to it. Otherwise does nothing. What is missing above it is not made.
 */
MUST_USE int datadir_make_like(const char *path, const char *owner_of, struct err *err);
/* -ERR_DENIED if this process cannot use a directory of `backup` and what is in it, with the command that mends that.
 * to_write: else it is enough to read. A directory that is missing is all right. */
MUST_USE int datadir_check_access(const char *path, bool to_write, struct err *err);
/* Takes DATA/lock, waiting up to wait_ms. -ERR_BUSY names the holder; -ERR_STOPPING when `stops` (or NULL), asked
 * meanwhile, says so; -ERR_USAGE: DATA is a backup, which stays as it is. */
MUST_USE int datadir_lock(struct datadir *dir, int wait_ms, bool (*stops)(void), struct err *err);
/* The kind of network file system that it lies on, or NULL: locks and syncs are not what they say there. */
const char *datadir_network(const struct datadir *dir);
/* Writes into the lock who holds it: "pid 123, http://127.0.0.1:8080". */
void datadir_sign(struct datadir *dir, const char *what);
void datadir_close(struct datadir *dir);

/* --data, else $CODECMETER_DATA, else "data". */
const char *datadir_choose(const char *option);

#endif
