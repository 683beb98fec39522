/* A directory is watched before it is read. So a file that appears between the two is reported twice, and none is
 * missed. The same holds for directories that appear below it, and for files that were put there before these were
 * watched.
 *
 * The kernel keeps the watch of a directory that is moved, but the path that we stored for it is then wrong. So the
 * watches of the directory and all below it are removed when it leaves, and added again where it arrives.
 */
#include "agent/watcher.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/file.h"

#define MASK                                                                                               \
  (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | \
   IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct root {
  char *path, *name;
  dev_t dev;
  ino_t inode;
};

struct watcher {
  const struct watcher_hooks *hooks;
  int fd;
  GHashTable *paths; /* watch descriptor -> path, which it owns */
  GPtrArray *roots;
  bool has_doubt; /* a file of an event was not there: the directories must be checked */
};

static void free_root(void *arg) {
  struct root *root = arg;
  free(root->path);
  free(root->name);
  free(root);
}

int watcher_open(const struct watcher_hooks *hooks, struct watcher **ret, struct err *err) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0)
    return err_set_errno(err, ERR_LIMIT, errno,
                         "cannot watch directories: raise sysctl fs.inotify.max_user_instances if it is too low");
  struct watcher *watcher = calloc(1, sizeof *watcher);
  CHECK(watcher != NULL);
  *watcher = (struct watcher){.hooks = hooks, .fd = fd};
  watcher->paths = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free);
  watcher->roots = g_ptr_array_new_with_free_func(free_root);
  *ret = watcher;
  return 0;
}

void watcher_close(struct watcher *watcher) {
  if (watcher == NULL) return;
  (void)close(watcher->fd);
  g_hash_table_destroy(watcher->paths);
  (void)g_ptr_array_free(watcher->roots, TRUE);
  free(watcher);
}

int watcher_fd(const struct watcher *watcher) { return watcher->fd; }

/* ---- reading directories ---- */

static bool is_gone(int code) { return code == ENOENT || code == ENOTDIR; }

/* Reports a directory that cannot be looked into; the rest goes on. A directory that has gone in the meantime is not
 * reported. */
static void report_trouble(const struct watcher_hooks *hooks, const char *path, int code) {
  struct err err;
  if (is_gone(code)) return;
  (void)err_set_errno(&err, ERR_DENIED, code, "cannot watch %s; the other directories are watched", path);
  hooks->trouble(hooks->arg, path, &err);
}

/* *ret_trouble: it was reported. */
static int watch_directory(struct watcher *watcher, const char *path, bool *ret_trouble, struct err *err) {
  int wd = inotify_add_watch(watcher->fd, path, MASK);
  if (wd < 0 && errno == ENOSPC) {
    return err_set(err, ERR_LIMIT, "cannot watch %s: too many directories; raise sysctl fs.inotify.max_user_watches",
                   path);
  }
  *ret_trouble = wd < 0;
  if (wd < 0) report_trouble(watcher->hooks, path, errno);
  if (wd < 0) return 0;
  char *copy = strdup(path);
  CHECK(copy != NULL);
  (void)g_hash_table_replace(watcher->paths, GINT_TO_POINTER(wd), copy);
  return 0;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static char *path_below(const char *dir, const char *name) {
  return strcmp(dir, "/") == 0 ? file_path("", name) : file_path(dir, name);
}

/* Reads and closes each directory before it goes into those below, so that depth needs no open descriptors. watcher
 * NULL: only reports. */
static int walk(struct watcher *watcher, const struct watcher_hooks *hooks, const char *path, struct err *err) {
  struct dirent **list = NULL;
  struct stat st;
  bool is_reported = false;
  int result = watcher != NULL ? watch_directory(watcher, path, &is_reported, err) : 0;
  if (result != 0) return result;
  int count = scandir(path, &list, is_visible, alphasort);
  if (count < 0 && !is_reported) report_trouble(hooks, path, errno);
  for (int i = 0; i < count; i++) {
    SCOPED_MALLOC char *below = path_below(path, list[i]->d_name);
    free(list[i]);
    if (result != 0) continue;
    if (lstat(below, &st) != 0) {
      if (file_may_pass(errno)) hooks->file(hooks->arg, below);
      continue;
    }
    if (S_ISDIR(st.st_mode)) result = walk(watcher, hooks, below, err);
    if (S_ISREG(st.st_mode)) hooks->file(hooks->arg, below);
  }
  free(list);
  return result;
}

int watcher_look(struct watcher *watcher, const char *dir, struct err *err) {
  return walk(watcher, watcher->hooks, dir, err);
}

int watcher_scan(const struct watcher_hooks *hooks, const char *root, struct err *err) {
  return walk(NULL, hooks, root, err);
}

int watcher_add(struct watcher *watcher, const char *root, const char *name, struct err *err) {
  struct stat st;
  if (stat(root, &st) != 0) return err_set_errno(err, ERR_NOT_FOUND, errno, "%s", name);
  struct root *added = malloc(sizeof *added);
  CHECK(added != NULL);
  *added = (struct root){.path = strdup(root), .name = strdup(name), .dev = st.st_dev, .inode = st.st_ino};
  CHECK(added->path != NULL && added->name != NULL);
  g_ptr_array_add(watcher->roots, added);
  return walk(watcher, watcher->hooks, root, err);
}

/* True if the path leads to the root. Also true if it cannot be read now: a file server may be away for a while. */
static bool leads_to(const char *path, const struct root *root) {
  struct stat st;
  if (stat(path, &st) != 0) return file_may_pass(errno);
  return st.st_dev == root->dev && st.st_ino == root->inode;
}

int watcher_check(const struct watcher *watcher, struct err *err) {
  for (guint i = 0; i < watcher->roots->len; i++) {
    const struct root *root = watcher->roots->pdata[i];
    if (!leads_to(root->path, root)) return err_set(err, ERR_NOT_FOUND, "%s is gone", root->path);
    if (!leads_to(root->name, root))
      return err_set(err, ERR_NOT_FOUND, "%s is gone: the name leads to another directory now", root->name);
  }
  return 0;
}

/* ---- events ---- */

static bool is_root(const struct watcher *watcher, const char *path) {
  for (guint i = 0; i < watcher->roots->len; i++) {
    if (strcmp(((const struct root *)watcher->roots->pdata[i])->path, path) == 0) return true;
  }
  return false;
}

static void unwatch(struct watcher *watcher, const char *top) {
  GHashTableIter iter;
  void *wd, *path;
  g_hash_table_iter_init(&iter, watcher->paths);
  while (g_hash_table_iter_next(&iter, &wd, &path)) {
    if (!file_is_below(path, top)) continue;
    (void)inotify_rm_watch(watcher->fd, GPOINTER_TO_INT(wd));
    g_hash_table_iter_remove(&iter);
  }
}

/* The kernel has dropped events: looks at all files. */
static int look_at_all(struct watcher *watcher, struct err *err) {
  int result = 0;
  for (guint i = 0; result == 0 && i < watcher->roots->len; i++)
    result = walk(watcher, watcher->hooks, ((const struct root *)watcher->roots->pdata[i])->path, err);
  return result;
}

/* After a directory has left, looks at its path again: another directory may already be there, and unwatch has
 * removed its watch too. That happens when two directories are exchanged. */
static int take_directory(struct watcher *watcher, uint32_t mask, const char *path, struct err *err) {
  if ((mask & IN_MOVED_FROM) != 0) unwatch(watcher, path);
  bool may_be_there = (mask & (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM)) != 0;
  return may_be_there ? walk(watcher, watcher->hooks, path, err) : 0;
}

/* A file that is made is reported when it is closed. A file that is linked in is complete at once and is never
 * closed. The two differ only by a second name, if the linked file still has it. */
static void take_file(struct watcher *watcher, uint32_t mask, const char *path) {
  struct stat st;
  const struct watcher_hooks *hooks = watcher->hooks;
  bool made = (mask & IN_CREATE) != 0, is_seen = lstat(path, &st) == 0;
  if (!is_seen && file_may_pass(errno)) hooks->file(hooks->arg, path);
  if (!is_seen) watcher->has_doubt = true;
  if (!is_seen || !S_ISREG(st.st_mode)) return;
  if ((made && st.st_nlink > 1) || (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0)
    hooks->file(hooks->arg, path);
  else if (made)
    hooks->made(hooks->arg, path);
}

static int take_event(struct watcher *watcher, const struct inotify_event *event, struct err *err) {
  if ((event->mask & IN_Q_OVERFLOW) != 0) return look_at_all(watcher, err);
  const char *dir = g_hash_table_lookup(watcher->paths, GINT_TO_POINTER(event->wd));
  if (dir == NULL) return 0; /* its watch was removed in the meantime */
  bool gone = (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0;
  if (gone && is_root(watcher, dir)) return err_set(err, ERR_NOT_FOUND, "%s is gone", dir);
  if ((event->mask & IN_IGNORED) != 0) (void)g_hash_table_remove(watcher->paths, GINT_TO_POINTER(event->wd));
  if (gone || event->len == 0 || event->name[0] == '.') return 0;
  SCOPED_MALLOC char *path = path_below(dir, event->name);
  if ((event->mask & IN_ISDIR) != 0) return take_directory(watcher, event->mask, path, err);
  take_file(watcher, event->mask, path);
  return 0;
}

int watcher_read(struct watcher *watcher, struct err *err) {
  char room[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
  int result = 0;
  while (result == 0) {
    ssize_t len = read(watcher->fd, room, sizeof room);
    if (len < 0 && errno == EINTR) continue;
    if (len < 0 && errno == EAGAIN) break;
    if (len < 0) return err_set_errno(err, ERR_INTERNAL, errno, "cannot read the events of inotify");
    for (const char *at = room; result == 0 && at < room + len;) {
      const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
      result = take_event(watcher, event, err);
      at += sizeof *event + event->len;
    }
  }
  if (result == 0 && watcher->has_doubt) result = watcher_check(watcher, err);
  watcher->has_doubt = false;
  return result;
}
