/* The place of `watch` in a directory: which files below it need no more work, kept across restarts.
 *
 * Each directory has one text file, `watch-<hash of its path>.state`, which is replaced as a whole. A file is known
 * by path, size and time of writing. It is also known by inode and time of birth, so that a renamed file is not
 * measured again, even if another file has its old name now. For a file of this project, its identity would make it a
 * duplicate; but a file that is moved to another customer's directory, or is from before the watch, must not count
 * either.
 */
#ifndef CODECMETER_AGENT_PLACE_H
#define CODECMETER_AGENT_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

enum place_status {
  PLACE_BEFORE = 'b', /* existed before the first watch, and is not recorded */
  PLACE_DONE = 'd',   /* stored, or in the spool */
  PLACE_PART = 'p',   /* played by a list that is DONE: counted with it, and no output of its own */
  PLACE_FAILED = 'f', /* cannot be measured, or was refused: not tried again until it changes */
  PLACE_UNSEEN = 'u', /* a directory that the first watch could not look into: see place_remember_unseen */
};

struct place;

/* root: an absolute path without links. Locks it against a second watch until the place is closed or this process
 * ends. -ERR_BUSY: another process watches it. -ERR_CORRUPT: the state is damaged; err says what to do. */
MUST_USE int place_open(const char *dir, const char *root, struct place **ret, struct err *err);
/* The same without a lock, and without making anything: for a look that must not leave a trace. Must not be saved. */
MUST_USE int place_look(const char *dir, const char *root, struct place **ret, struct err *err);
void place_close(struct place *place);

const char *place_root(const struct place *place);
/* True if the directory was never watched before. */
bool place_is_first(const struct place *place);

/* True if the path has an entry for a file of this size and time of writing. If its inode differs, or its time of
 * birth is unknown, the entry is renewed. */
bool place_knows(struct place *place, const char *path, const struct stat *st);
/* The status of the entry that place_knows finds. False if it finds no entry. */
bool place_find(const struct place *place, const char *path, const struct stat *st, enum place_status *ret_status);
/* Another name of this file (same inode, size, times of writing and of birth; not a copy on another file system) that
 * is BEFORE, DONE or PART, and its status. NULL: no such name. Valid until the next change. */
const char *place_twin(const struct place *place, const char *path, const struct stat *st,
                       enum place_status *ret_status);
void place_remember(struct place *place, const char *path, const struct stat *st, enum place_status status);
/* True if the place knows this file under any name, whenever it was made. Looks at every entry. */
bool place_has_file(const struct place *place, const struct stat *st);

/* Notes a directory that the first watch could not look into, and when that watch began (ns since 1970): what is
 * found in it later and has not changed since then is from before the watch. */
void place_remember_unseen(struct place *place, const char *dir, int64_t began_ns);
/* True if the path is below such a directory. */
bool place_find_unseen(const struct place *place, const char *path, int64_t *ret_began_ns);
/* Forgets such directories, except those for which `is_still` is true. */
void place_forget_unseen(struct place *place, bool (*is_still)(void *arg, const char *dir), void *arg);

/* Forgets the entries of a status, so that these files are taken again. */
void place_forget(struct place *place, enum place_status status);
/* Forgets the files that were gone at the last call and are still gone. A file that is gone once is kept, because a
 * renamed file must be known until its new name has been looked at. So between two calls, in one process or two, the
 * caller must look at every file that existed at the first call. Useful only if place_may_prune. */
bool place_may_prune(const struct place *place);
void place_prune(struct place *place);

/* Writes the state if it has changed. */
MUST_USE int place_save(struct place *place, struct err *err);
/* How long to wait before the next save, so that a large state is not written for every file. */
int64_t place_patience_ms(const struct place *place);

#endif
