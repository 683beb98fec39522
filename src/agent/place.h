/* How far `watch` has come with a directory: which files below it are done with, across restarts.
 *
 * One file a directory, `watch-<hash of its path>.state`, text, replaced as a whole. A file is known by path, size
 * and time of writing, as its identity is; by inode and time of birth too, so that one that was only renamed is not
 * taken for another output, whatever its old name leads to by then.
 */
#ifndef CODECMETER_AGENT_PLACE_H
#define CODECMETER_AGENT_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

enum place_status {
  PLACE_BEFORE = 'b', /* there before the first watch, and not to be recorded */
  PLACE_DONE = 'd',   /* stored, or in the spool */
  PLACE_FAILED = 'f', /* cannot be measured, or was refused: not again until it changes */
};

struct place;

/* root: an absolute path without links. Locks it against a second watch until it is closed, or this process ends.
 * -ERR_BUSY names the other one, -ERR_CORRUPT what to do. */
MUST_USE int place_open(const char *dir, const char *root, struct place **ret, struct err *err);
void place_close(struct place *place);

const char *place_root(const struct place *place);
/* Never watched before? */
bool place_is_first(const struct place *place);
/* Is the path that directory, or below it? */
bool place_is_below(const char *path, const char *top);

/* Is this very file done with? */
bool place_knows(struct place *place, const char *path, const struct stat *st);
/* A name of that very file (the same inode, size, times of writing and of birth; not a copy on another file system)
 * that need not be recorded again, and what it was remembered as; or NULL. Valid until the next change. */
const char *place_twin(const struct place *place, const char *path, const struct stat *st,
                       enum place_status *ret_status);
void place_remember(struct place *place, const char *path, const struct stat *st, enum place_status status);
/* Forgets those that are PLACE_BEFORE: they are to be recorded after all. */
void place_forget_before(struct place *place);
/* Forgets the files that were gone when it was asked the last time, and are still: a renamed one must be known until
 * its new name has been looked at. So between two calls, in one process or two, the caller has looked at whatever
 * was there at the first of them. Only worth the while if place_may_prune. */
bool place_may_prune(const struct place *place);
void place_prune(struct place *place);

/* Writes it if there is something new. */
MUST_USE int place_save(struct place *place, struct err *err);
/* For how long changes may be kept back, so that a large state is not written for every file. */
int64_t place_patience_ms(const struct place *place);

#endif
