/* What `watch` remembers of a directory: which files below it need no more work, kept across restarts.
 *
 * Each directory has one text file, `watch-<hash of its path>.state`, which is replaced as a whole. A file is known
 * by path, size and time of writing. It is also known by inode and time of birth, so that a renamed file is not
 * measured again, even if another file has its old name now. For a file of this project, its identity would make it a
 * duplicate; but a file that is moved to another customer's directory, or is from before the watch, must not count
 * either.
 */
#ifndef CODECMETER_AGENT_WATCH_MEMORY_H
#define CODECMETER_AGENT_WATCH_MEMORY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "agent/identity.h"
#include "base/err.h"

enum watch_memory_status {
  WATCH_MEMORY_BEFORE = 'b', /* existed before the first watch, and is not recorded */
  WATCH_MEMORY_DONE = 'd',   /* stored, or in the spool */
  WATCH_MEMORY_PART = 'p',   /* played by a list that is DONE: counted with it, and no output of its own */
  WATCH_MEMORY_FAILED = 'f', /* cannot be measured, or was refused: not tried again until it changes */
  WATCH_MEMORY_UNSEEN = 'u', /* a directory that the first watch could not look into: see watch_memory_remember_unseen */
};

struct watch_memory;

/* root: an absolute path without links. Locks it against a second watch until the memory is closed or this process
 * ends. -ERR_BUSY: another process watches it. -ERR_CORRUPT: the state is damaged; err says what to do. */
MUST_USE int watch_memory_open(const char *dir, const char *root, struct watch_memory **ret, struct err *err);
/* The same without a lock, and without making anything: for a look that must not leave a trace. Must not be saved. */
MUST_USE int watch_memory_look(const char *dir, const char *root, struct watch_memory **ret, struct err *err);
void watch_memory_close(struct watch_memory *memory);

const char *watch_memory_root(const struct watch_memory *memory);
/* True if the directory was never watched before. */
bool watch_memory_is_first(const struct watch_memory *memory);

/* True if the path has an entry for a file of this size and time of writing. If its inode differs, or its time of
 * birth is unknown, the entry is renewed. */
bool watch_memory_knows(struct watch_memory *memory, const char *path, const struct stat *st);
/* The status of the entry that watch_memory_knows finds. False if it finds no entry. */
bool watch_memory_find(const struct watch_memory *memory, const char *path, const struct stat *st, enum watch_memory_status *ret_status);
/* Another name of this file (same inode, size, times of writing and of birth; not a copy on another file system) that
 * is BEFORE, DONE or PART, and its status. NULL: no such name. Valid until the next change. */
const char *watch_memory_twin(const struct watch_memory *memory, const char *path, const struct stat *st,
                       enum watch_memory_status *ret_status);
void watch_memory_remember(struct watch_memory *memory, const char *path, const struct stat *st, enum watch_memory_status status);
/* True if the memory knows this file under any name, whenever it was made. Looks at every entry. */
bool watch_memory_has_file(const struct watch_memory *memory, const struct stat *st);

/* An output as it was recorded. So an output that is continued is known: it begins with these media. */
struct watch_memory_output {
  uint64_t size;        /* of its media, in bytes */
  int64_t time_s;       /* when they were written */
  uint64_t duration_ms;
  char id[IDENTITY_SIZE];
};
/* name: that of the output (media_output.name): a path, or PATH#ID. */
void watch_memory_remember_output(struct watch_memory *memory, const char *name, const struct watch_memory_output *output);
/* NULL: no output of this name. Valid until the next change. */
const struct watch_memory_output *watch_memory_find_output(const struct watch_memory *memory, const char *name);

/* Notes a directory that the first watch could not look into, and when that watch began (ns since 1970): what is found in
 * it later and has not changed since then is from before the watch. */
void watch_memory_remember_unseen(struct watch_memory *memory, const char *dir, int64_t began_ns);
/* True if the path is below such a directory. */
bool watch_memory_find_unseen(const struct watch_memory *memory, const char *path, int64_t *ret_began_ns);
/* Forgets such directories, except those for which `is_still` is true. */
void watch_memory_forget_unseen(struct watch_memory *memory, bool (*is_still)(void *arg, const char *dir), void *arg);

/* Forgets the entries of a status, so that these files are taken again. */
void watch_memory_forget(struct watch_memory *memory, enum watch_memory_status status);
/* Forgets the files that were gone at the last call and are still gone. A file that is gone once is kept, because a
 * renamed file must be known until its new name has been looked at. So between two calls, in one process or two, the
 * caller must look at every file that existed at the first call. Useful only if watch_memory_may_prune. */
bool watch_memory_may_prune(const struct watch_memory *memory);
void watch_memory_prune(struct watch_memory *memory);

/* Writes the state if it has changed. */
MUST_USE int watch_memory_save(struct watch_memory *memory, struct err *err);
/* How long to wait before the next save, so that a large state is not written for every file. */
int64_t watch_memory_patience_ms(const struct watch_memory *memory);

#endif
