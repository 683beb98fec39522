/* Directories and all below them, watched by inotify: tells of files that were closed after writing, moved in, or
 * made. The one file that knows inotify is watcher.c. Links are not followed; names that begin with a dot are
 * passed over. */
#ifndef CODECMETER_AGENT_WATCHER_H
#define CODECMETER_AGENT_WATCHER_H

#include "base/err.h"

struct watcher_hooks {
  /* A regular file, or what could not be looked at, that may be new; also one more time for the same. */
  void (*file)(void *arg, const char *path);
  /* One that has just got its only name. Either it was opened to be written, and is told of again when it is closed;
   * or it was linked in whole, the name that it had before was taken off, and nothing more will be told. */
  void (*made)(void *arg, const char *path);
  /* A directory that cannot be watched, with the reason; the others are. */
  void (*trouble)(void *arg, const struct err *err);
  void *arg;
};

struct watcher;
/* hooks are borrowed while it lives. */
MUST_USE int watcher_open(const struct watcher_hooks *hooks, struct watcher **ret, struct err *err);
void watcher_close(struct watcher *watcher);
SCOPED_REF(struct watcher, watcher_close)

/* Watches a directory and all below it, and tells of each file that is there. root: without links; name: as the user
 * calls it. -ERR_LIMIT names the limit to raise. */
MUST_USE int watcher_add(struct watcher *watcher, const char *root, const char *name, struct err *err);
/* Tells of each file that is there, without watching. */
MUST_USE int watcher_scan(const struct watcher_hooks *hooks, const char *root, struct err *err);

/* Readable when there is something to tell. */
int watcher_fd(const struct watcher *watcher);
/* Tells of what has happened; does not wait. Where the kernel could not keep up, of every file that is there.
 * -ERR_NOT_FOUND: a directory that was added is gone; -ERR_LIMIT as above. */
MUST_USE int watcher_read(struct watcher *watcher, struct err *err);
/* Do the directories that were added still have their paths and names? When something above one is renamed, or a link
 * to it is led elsewhere, the kernel tells nobody. -ERR_NOT_FOUND. */
MUST_USE int watcher_check(const struct watcher *watcher, struct err *err);

#endif
