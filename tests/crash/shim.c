/* Faults under a program's file calls, by LD_PRELOAD: fail the Nth call, kill the process there, or cut the power.
 *
 *   FAULT_DIR=DIR     only what lies below DIR counts; without it the shim does nothing
 *   FAULT_KIND=KIND   eio | enospc | short | kill | power; without it calls are only traced
 *   FAULT_AT=N        at the Nth call that this kind applies to, from 1
 *   FAULT_CLASS=C     counts calls on one class of files only: log, cut, run, totals, lock, dir, other
 *   FAULT_CALL=NAME   counts calls of that name only (fdatasync, fsync, pwrite …)
 *   FAULT_THREAD=T    counts calls of threads of that name only
 *   FAULT_ARM=FILE    counts nothing until FILE exists
 *   FAULT_UNTIL=FILE  enospc: every call from the Nth on fails, until FILE exists
 *   FAULT_SLOW=MS     every fdatasync of the log takes that much longer; with FAULT_ARM, once that file exists
 *   FAULT_SEED=S      chooses what a kill leaves of a call, and what a power cut keeps
 *   FAULT_TRACE=FILE  a line a call, at its begin and at its end, and one for each reply sent to a socket
 *   FAULT_HIT=FILE    one line when the fault strikes
 *   FAULT_CUT=FILE    power: goes when FILE exists, whatever FAULT_AT says
 *   FAULT_UNSYNCED=NAME:OFFSET  power: what the file of that name holds from OFFSET on when it is opened is not on the disk and
 *                     no sync will bring it there, as after a write-back that failed: it can be read, until the power goes
 *   FAULT_STASH=DIR   power: on the same file system, where removed files wait in case their removal is undone
 *
 * Power. Each file has an image, what its last sync left, and a list of the writes and truncations since. When the power is
 * cut all threads are stopped and every file is made from its image and from a seeded choice of those: each 512-byte sector of
 * each write is there or not, whatever its neighbours and elders are. What goes through an O_DSYNC descriptor is always there.
 * Names likewise: what was created, renamed or removed since its directory was last synced is kept or undone. A file's own
 * sync does not keep its name: POSIX does not say so.
 *
 * The kernel is called directly, never libc, so nothing here comes back to itself.
 */
#undef _FILE_OFFSET_BITS /* both names of each call are defined here: open and open64 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 16384
#define SECTOR 512u
#define POWER_STATUS 137

/* ---- what is asked for ---- */

enum kind { KIND_NONE, KIND_EIO, KIND_ENOSPC, KIND_EMFILE, KIND_SHORT, KIND_KILL, KIND_POWER };
static const char *const kind_names[] = {"", "eio", "enospc", "emfile", "short", "kill", "power"};

/* What a call is, for the kinds that apply to it. */
enum nature { IS_WRITE, IS_MAKE, IS_SYNC, IS_CHANGE, IS_OPEN, IS_MAP, IS_CLOSE };

static char root[PATH_MAX];
static size_t root_len;
static enum kind kind;
static uint64_t fault_at, seed, slow_ms;
static const char *only_class, *only_call, *only_thread, *arm_file, *until_file, *trace_file, *hit_file, *stash_dir, *cut_file_name, *unsynced;
static _Atomic uint64_t counted;
static atomic_bool armed, room_is_back;
static int trace_fd = -1;
static pthread_mutex_t world = PTHREAD_MUTEX_INITIALIZER; /* power: held over each call and what is noted of it */

/* ---- files ---- */

struct op {
  bool is_truncation, durable;
  uint64_t offset; /* of a truncation: the new size */
  size_t len;
  char *bytes;
  struct op *next;
};

struct file {
  dev_t dev;
  ino_t ino;
  char path[PATH_MAX]; /* when it was first opened, or as renamed since */
  const char *class;
  bool is_dir, has_ghost;
  int own_fd; /* power: keeps the file when its name goes */
  char *image;
  size_t size;
  struct op *first, *last;
  struct file *next;
};

struct slot {
  struct file *_Atomic file;
  bool dsync;
};
static struct slot slots[FDS];
static struct file *files;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

enum name_kind { NAME_CREATED, NAME_DIR_MADE, NAME_REMOVED, NAME_DIR_REMOVED, NAME_RENAMED, NAME_EXCHANGED };
struct name_op {
  enum name_kind kind;
  char path[PATH_MAX], to[PATH_MAX], stash[PATH_MAX];
  bool kept;
  struct name_op *before;
};
static struct name_op *names; /* newest first */

static void die(const char *what) {
  (void)dprintf(2, "faultshim: %s: %s\n", what, strerror(errno));
  (void)syscall(SYS_exit_group, 99);
  __builtin_unreachable();
}

static void *must_alloc(size_t size) {
  void *made = calloc(1, size > 0 ? size : 1);
  if (made == NULL) die("no memory");
  return made;
}

static bool exists(const char *path) { return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0; }

__attribute__((constructor)) static void begin_shim(void) {
  const char *dir = getenv("FAULT_DIR"), *word = getenv("FAULT_KIND"), *at = getenv("FAULT_AT"), *s = getenv("FAULT_SEED");
  if (dir == NULL) return;
  if (realpath(dir, root) == NULL) die(dir);
  for (int i = 1; word != NULL && i <= KIND_POWER; i++) {
    if (strcmp(word, kind_names[i]) == 0) kind = (enum kind)i;
  }
  fault_at = at != NULL ? strtoull(at, NULL, 10) : 0;
  seed = s != NULL ? strtoull(s, NULL, 10) : 1;
  const char *slow = getenv("FAULT_SLOW");
  slow_ms = slow != NULL ? strtoull(slow, NULL, 10) : 0;
  only_class = getenv("FAULT_CLASS");
  only_call = getenv("FAULT_CALL");
  only_thread = getenv("FAULT_THREAD");
  arm_file = getenv("FAULT_ARM");
  until_file = getenv("FAULT_UNTIL");
  trace_file = getenv("FAULT_TRACE");
  hit_file = getenv("FAULT_HIT");
  stash_dir = getenv("FAULT_STASH");
  cut_file_name = getenv("FAULT_CUT");
  unsynced = getenv("FAULT_UNSYNCED");
  armed = arm_file == NULL;
  if (trace_file != NULL) {
    trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace_fd < 0) die(trace_file);
  }
  struct rlimit limit;
  if (kind == KIND_POWER && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max < FDS ? limit.rlim_max : FDS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  root_len = strlen(root);
}

static bool is_inside(const char *path) {
  return root_len > 0 && strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == '\0');
}

static bool ends_with(const char *path, const char *end) {
  size_t a = strlen(path), b = strlen(end);
  return a >= b && strcmp(path + a - b, end) == 0;
}

static const char *class_of(const char *path, bool is_dir) {
  if (is_dir) return "dir";
  if (strstr(path, "/log/") != NULL) return "log";
  if (strstr(path, "/cut/") != NULL) return "cut";
  if (ends_with(path, ".run")) return "run";
  if (ends_with(path, "data.mdb")) return "totals";
  if (ends_with(path, "/lock") || ends_with(path, "lock.mdb")) return "lock";
  return "other";
}

/* The absolute path of a name that may not exist: its directory resolved, its last part as it is. False: not ours. */
static bool resolve(int dirfd, const char *name, char out[PATH_MAX]) {
  if (root_len == 0 || name == NULL) return false;
  char whole[2 * PATH_MAX], link[64], parent[PATH_MAX];
  if (name[0] == '/') {
    (void)snprintf(whole, sizeof whole, "%s", name);
  } else if (dirfd == AT_FDCWD) {
    if (syscall(SYS_getcwd, parent, sizeof parent) < 0) return false;
    (void)snprintf(whole, sizeof whole, "%s/%s", parent, name);
  } else {
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    long got = syscall(SYS_readlinkat, AT_FDCWD, link, parent, sizeof parent - 1);
    if (got < 0) return false;
    parent[got] = '\0';
    (void)snprintf(whole, sizeof whole, "%s/%s", parent, name);
  }
  char *slash = strrchr(whole, '/');
  if (strcmp(slash, "/..") == 0 || strcmp(slash, "/.") == 0) return realpath(whole, out) != NULL && is_inside(out);
  *slash = '\0';
  if (realpath(whole[0] == '\0' ? "/" : whole, parent) == NULL) return false;
  if (snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash + 1) >= PATH_MAX) return false;
  return is_inside(out);
}

static struct file *file_at(int fd) { return fd >= 0 && fd < FDS ? atomic_load(&slots[fd].file) : NULL; }

/* ---- images ---- */

static void image_set(struct file *file, uint64_t offset, const char *bytes, size_t len) {
  if (offset + len > file->size) {
    file->image = realloc(file->image, offset + len);
    if (file->image == NULL) die("no memory");
    memset(file->image + file->size, 0, offset + len - file->size);
    file->size = offset + len;
  }
  if (len > 0 && bytes != NULL) memcpy(file->image + offset, bytes, len);
}

static void image_cut(struct file *file, uint64_t size) {
  if (size > file->size) image_set(file, size, NULL, 0);
  else file->size = size;
}

static void note(struct file *file, struct op op, const char *bytes) {
  struct op *made = must_alloc(sizeof *made);
  *made = op;
  if (bytes != NULL) {
    made->bytes = must_alloc(op.len);
    memcpy(made->bytes, bytes, op.len);
  }
  if (file->last != NULL) file->last->next = made;
  else file->first = made;
  file->last = made;
}

static void drop_ops(struct file *file) {
  for (struct op *op = file->first, *next; op != NULL; op = next) {
    next = op->next;
    free(op->bytes);
    free(op);
  }
  file->first = file->last = NULL;
}

static void synced(struct file *file) {
  for (struct op *op = file->first; op != NULL; op = op->next) {
    if (op->is_truncation) image_cut(file, op->offset);
    else image_set(file, op->offset, op->bytes, op->len);
  }
  drop_ops(file);
}

static void load_image(struct file *file, int fd) {
  char link[64];
  struct stat st;
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int own = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
  if (own < 0) die(file->path);
  file->own_fd = fcntl(own, F_DUPFD_CLOEXEC, 4096); /* out of the way of the program's own numbers */
  if (file->own_fd < 0) file->own_fd = own;
  else (void)syscall(SYS_close, own);
  if (syscall(SYS_fstat, file->own_fd, &st) != 0) die(file->path);
  file->image = must_alloc((size_t)st.st_size);
  file->size = (size_t)st.st_size;
  if (pread(file->own_fd, file->image, file->size, 0) != (ssize_t)file->size) die(file->path);
  const char *colon = unsynced != NULL ? strchr(unsynced, ':') : NULL;
  size_t name = colon != NULL ? (size_t)(colon - unsynced) : 0, path = strlen(file->path);
  if (name == 0 || path < name || memcmp(file->path + path - name, unsynced, name) != 0) return;
  uint64_t from = strtoull(colon + 1, NULL, 10);
  if (from >= file->size) return;
  file->has_ghost = true;
  file->size = from;
}

/* The file behind a descriptor just opened. */
static void track(int fd, const char *path, int flags) {
  struct stat st;
  if (fd < 0 || fd >= FDS || syscall(SYS_fstat, fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) return;
  (void)pthread_mutex_lock(&files_lock);
  struct file *file = files;
  while (file != NULL && (file->dev != st.st_dev || file->ino != st.st_ino || (kind != KIND_POWER && strcmp(file->path, path) != 0)))
    file = file->next;
  if (file == NULL) {
    file = must_alloc(sizeof *file);
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    file->is_dir = S_ISDIR(st.st_mode);
    file->own_fd = -1;
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    file->class = class_of(path, file->is_dir);
    if (kind == KIND_POWER && !file->is_dir && strcmp(file->class, "lock") != 0) load_image(file, fd);
    file->next = files;
    files = file;
  }
  (void)pthread_mutex_unlock(&files_lock);
  slots[fd].dsync = (flags & O_DSYNC) != 0;
  atomic_store(&slots[fd].file, file);
}

/* ---- chance ---- */

static uint64_t state_of_dice;
static uint64_t dice(void) { /* splitmix64 */
  uint64_t z = state_of_dice += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}
static bool chance(unsigned percent) { return dice() % 100 < percent; }

/* ---- the power goes ---- */

static void stand_still(int number) {
  (void)number;
  for (;;) (void)pause();
}

static void stop_the_others(void) {
  struct sigaction act = {.sa_handler = stand_still};
  (void)sigaction(SIGUSR2, &act, NULL);
  (void)sigaction(SIGBUS, &act, NULL);
  DIR *tasks = opendir("/proc/self/task");
  long self = syscall(SYS_gettid);
  for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
    long tid = atol(entry->d_name);
    if (tid > 0 && tid != self) (void)syscall(SYS_tgkill, syscall(SYS_getpid), tid, SIGUSR2);
  }
  (void)usleep(3000);
}

static int remove_any(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st;
  (void)ftw;
  (void)syscall(SYS_unlinkat, AT_FDCWD, path, flag == FTW_DP ? AT_REMOVEDIR : 0);
  return 0;
}

static void move_prefix(char *path, const char *from, const char *to) {
  size_t len = strlen(from);
  if (strncmp(path, from, len) != 0 || (path[len] != '/' && path[len] != '\0')) return;
  char moved[2 * PATH_MAX];
  (void)snprintf(moved, sizeof moved, "%s%s", to, path + len);
  (void)snprintf(path, PATH_MAX, "%.*s", PATH_MAX - 1, moved);
}

/* A directory has another name now: so has all that is noted below it. */
static void rename_noted(struct name_op *from, const char *a, const char *b, bool exchange) {
  char aside[PATH_MAX] = "/.aside";
  for (struct name_op *op = from; op != NULL; op = op->before) {
    char *paths[2] = {op->path, op->to};
    for (int i = 0; i < 2; i++) {
      if (exchange) move_prefix(paths[i], b, aside);
      move_prefix(paths[i], a, b);
      if (exchange) move_prefix(paths[i], aside, a);
    }
  }
}

static void undo_name(struct name_op *op) {
  switch (op->kind) {
  case NAME_CREATED: (void)syscall(SYS_unlinkat, AT_FDCWD, op->path, 0); break;
  case NAME_DIR_MADE: (void)nftw(op->path, remove_any, 16, FTW_DEPTH | FTW_PHYS); break;
  case NAME_REMOVED: (void)syscall(SYS_linkat, AT_FDCWD, op->stash, AT_FDCWD, op->path, 0); break;
  case NAME_DIR_REMOVED: (void)syscall(SYS_mkdirat, AT_FDCWD, op->path, 0700); break;
  case NAME_RENAMED:
  case NAME_EXCHANGED:
    (void)syscall(SYS_renameat2, AT_FDCWD, op->to, AT_FDCWD, op->path, op->kind == NAME_EXCHANGED ? 2 : 0);
    if (op->stash[0] != '\0') (void)syscall(SYS_linkat, AT_FDCWD, op->stash, AT_FDCWD, op->to, 0);
    rename_noted(op->before, op->to, op->path, op->kind == NAME_EXCHANGED);
    break;
  }
}

/* A name that a later change still stands on stays: file systems order changes of one name. */
static bool is_pinned(const struct name_op *op) {
  for (const struct name_op *later = names; later != op; later = later->before) {
    if (!later->kept) continue;
    if (strcmp(later->path, op->path) == 0 || (op->to[0] != '\0' && strcmp(later->path, op->to) == 0) ||
        (later->to[0] != '\0' && (strcmp(later->to, op->path) == 0 || strcmp(later->to, op->to) == 0)))
      return true;
  }
  return false;
}

static void cut_file(struct file *file, unsigned percent) {
  for (struct op *op = file->first; op != NULL; op = op->next) {
    if (op->is_truncation) {
      if (op->durable || chance(percent)) image_cut(file, op->offset);
      continue;
    }
    for (size_t at = 0, step; at < op->len; at += step) {
      step = SECTOR - (op->offset + at) % SECTOR;
      if (step > op->len - at) step = op->len - at;
      if (op->durable || chance(percent)) image_set(file, op->offset + at, op->bytes + at, step);
    }
    if (op->offset + op->len > file->size && chance(percent)) image_set(file, op->offset + op->len, NULL, 0);
  }
  if (file->first == NULL && !file->has_ghost) return;
  if (ftruncate(file->own_fd, 0) != 0 || pwrite(file->own_fd, file->image, file->size, 0) != (ssize_t)file->size) die(file->path);
}

static void cut_power(uint64_t number) {
  static const unsigned shares[] = {0, 10, 50, 50, 90, 100};
  stop_the_others();
  state_of_dice = seed * 1000003 + number;
  unsigned percent = shares[dice() % 6], of_names = shares[dice() % 6];
  for (struct name_op *op = names; op != NULL; op = op->before) {
    op->kept = is_pinned(op) || chance(of_names);
    if (!op->kept) undo_name(op);
  }
  for (struct file *file = files; file != NULL; file = file->next) {
    if (file->own_fd >= 0) cut_file(file, percent);
  }
  (void)syscall(SYS_exit_group, POWER_STATUS);
}

/* Waits for the file that says so, then cuts the power between two calls. */
static void *wait_for_cut(void *arg) {
  (void)arg;
  while (!exists(cut_file_name)) (void)usleep(1000);
  (void)pthread_mutex_lock(&world);
  cut_power(counted);
  return NULL;
}

static void begin_waiting(void) {
  static atomic_flag begun = ATOMIC_FLAG_INIT;
  pthread_t thread;
  sigset_t all, before;
  if (cut_file_name == NULL || atomic_flag_test_and_set(&begun)) return;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are not this thread's */
  if (pthread_create(&thread, NULL, wait_for_cut, NULL) != 0) die("no thread");
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void parent_of(const char *path, char out[PATH_MAX]) {
  (void)snprintf(out, PATH_MAX, "%s", path);
  char *slash = strrchr(out, '/');
  if (slash != NULL && slash != out) *slash = '\0';
}

static void note_name(enum name_kind what, const char *path, const char *to, const char *stash) {
  if (kind != KIND_POWER) return;
  if (what == NAME_RENAMED || what == NAME_EXCHANGED) rename_noted(names, path, to, what == NAME_EXCHANGED);
  struct name_op *op = must_alloc(sizeof *op);
  op->kind = what;
  (void)snprintf(op->path, sizeof op->path, "%s", path);
  (void)snprintf(op->to, sizeof op->to, "%s", to != NULL ? to : "");
  (void)snprintf(op->stash, sizeof op->stash, "%s", stash != NULL ? stash : "");
  op->before = names;
  names = op;
}

static void dir_synced(int fd) {
  char link[64], path[PATH_MAX], parent[PATH_MAX];
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long got = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (got < 0) return;
  path[got] = '\0';
  for (struct name_op **at = &names; *at != NULL;) {
    struct name_op *op = *at;
    parent_of(op->to[0] != '\0' ? op->to : op->path, parent);
    if (strcmp(parent, path) != 0) {
      at = &op->before;
      continue;
    }
    *at = op->before;
    free(op);
  }
}

/* A second name for what is about to lose its own. */
static bool stash(const char *path, char out[PATH_MAX]) {
  static _Atomic unsigned number;
  out[0] = '\0';
  if (kind != KIND_POWER || stash_dir == NULL) return false;
  (void)snprintf(out, PATH_MAX, "%.3900s/%u", stash_dir, atomic_fetch_add(&number, 1));
  if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, out, 0) == 0) return true;
  out[0] = '\0';
  return false;
}

/* ---- a call ---- */

enum action { GO_ON, FAIL, SHORTEN, DIE_BEFORE, DIE_HALF, DIE_AFTER };

struct call {
  const char *name, *path, *class;
  enum nature nature;
  int64_t offset;
  uint64_t len;
  uint64_t number;
  enum action action;
  int error;
};

static void thread_name(char out[16]) {
  memset(out, 0, 16);
  (void)prctl(PR_GET_NAME, out);
}

/* One write, so lines of several threads do not mix. */
static void trace(const struct call *call, char phase, long result) {
  if (trace_fd < 0) return;
  char line[PATH_MAX + 256], name[16];
  int saved = errno;
  thread_name(name);
  int len = snprintf(line, sizeof line, "%c\t%llu\t%ld\t%s\t%s\t%s\t%s\t%lld\t%llu\t%ld\n", phase,
                     (unsigned long long)call->number, syscall(SYS_gettid), name, call->name, call->class,
                     call->path + (strlen(call->path) > root_len ? root_len + 1 : root_len), (long long)call->offset,
                     (unsigned long long)call->len, result);
  (void)syscall(SYS_write, trace_fd, line, (size_t)len);
  errno = saved;
}

static void tell_hit(const struct call *call) {
  if (hit_file == NULL) return;
  char line[PATH_MAX + 256], name[16];
  thread_name(name);
  int len = snprintf(line, sizeof line, "%llu\t%s\t%s\t%s\t%s\t%lld\n", (unsigned long long)call->number, name, call->name,
                     call->class, call->path, (long long)call->offset);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, hit_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  (void)syscall(SYS_write, fd, line, (size_t)len);
  (void)syscall(SYS_close, fd);
}

static bool applies(const struct call *call) {
  switch (kind) {
  case KIND_NONE: return false;
  case KIND_EIO: return true;
  case KIND_ENOSPC: return call->nature == IS_WRITE || call->nature == IS_MAKE;
  case KIND_EMFILE: return strncmp(call->name, "open", 4) == 0;
  case KIND_SHORT: return call->nature == IS_WRITE && call->len > 1;
  case KIND_KILL:
  case KIND_POWER: return call->nature != IS_CLOSE && call->nature != IS_MAP && call->nature != IS_OPEN;
  }
  return false;
}

static bool is_armed(void) {
  if (!armed && exists(arm_file)) armed = true;
  return armed;
}

static bool is_meant(const struct call *call) {
  char name[16];
  if (!applies(call) || (only_class != NULL && strcmp(only_class, call->class) != 0)) return false;
  if (only_call != NULL && strcmp(only_call, call->name) != 0) return false;
  if (only_thread != NULL) {
    thread_name(name);
    if (strcmp(only_thread, name) != 0) return false;
  }
  return is_armed();
}

static enum action action_at_hit(const struct call *call) {
  if (kind == KIND_EIO || kind == KIND_EMFILE) return FAIL;
  if (kind == KIND_ENOSPC) return call->nature == IS_WRITE && until_file != NULL && call->len > 1 ? SHORTEN : FAIL;
  if (kind == KIND_SHORT) return SHORTEN;
  state_of_dice = seed * 7919 + call->number;
  uint64_t throw = dice() % 3;
  if (throw == 0) return DIE_BEFORE;
  return throw == 1 && call->nature == IS_WRITE && kind == KIND_KILL ? DIE_HALF : DIE_AFTER;
}

static void expire(const struct call *call) {
  tell_hit(call);
  if (kind == KIND_POWER) cut_power(call->number);
  (void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  for (;;) (void)pause();
}

static void enter(struct call *call) {
  if (kind == KIND_POWER) begin_waiting();
  if (kind == KIND_POWER) (void)pthread_mutex_lock(&world);
  call->action = GO_ON;
  if (is_meant(call)) {
    call->number = atomic_fetch_add(&counted, 1) + 1;
    if (call->number == fault_at) {
      call->action = action_at_hit(call);
    } else if (kind == KIND_ENOSPC && until_file != NULL && fault_at != 0 && call->number > fault_at) {
      if (!room_is_back && exists(until_file)) room_is_back = true;
      if (!room_is_back) call->action = FAIL;
    }
    call->error = kind == KIND_ENOSPC ? ENOSPC : kind == KIND_EMFILE ? EMFILE : call->nature == IS_MAP ? ENOMEM : EIO;
  }
  trace(call, 'B', 0);
  if (call->action == DIE_BEFORE) expire(call);
  if (call->number == fault_at && (call->action == FAIL || call->action == SHORTEN)) tell_hit(call);
}

static long leave(const struct call *call, long result) {
  int saved = errno;
  if (call->action == DIE_AFTER || call->action == DIE_HALF) expire(call);
  trace(call, 'E', result < 0 ? -saved : result);
  if (kind == KIND_POWER) (void)pthread_mutex_unlock(&world);
  errno = saved;
  return result;
}

static bool fails(const struct call *call) {
  if (call->action != FAIL) return false;
  errno = call->error;
  return true;
}

/* ---- sockets ---- */

static void trace_send(int fd, const struct iovec *parts, size_t count) {
  struct stat st;
  if (trace_fd < 0 || syscall(SYS_fstat, fd, &st) != 0 || !S_ISSOCK(st.st_mode)) return;
  char line[8192], name[16];
  thread_name(name);
  int len = snprintf(line, sizeof line, "S\t0\t%ld\t%s\tsend\tsocket\t", syscall(SYS_gettid), name);
  for (size_t i = 0; i < count; i++) {
    const char *bytes = parts[i].iov_base;
    for (size_t at = 0; at < parts[i].iov_len && len < (int)sizeof line - 2; at++)
      line[len++] = (char)(bytes[at] < ' ' ? ' ' : bytes[at]);
  }
  line[len++] = '\n';
  (void)syscall(SYS_write, trace_fd, line, (size_t)len);
}

ssize_t send(int fd, const void *ptr, size_t len, int flags) {
  struct iovec part = {.iov_base = (void *)(uintptr_t)ptr, .iov_len = len};
  trace_send(fd, &part, 1);
  return syscall(SYS_sendto, fd, ptr, len, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  trace_send(fd, message->msg_iov, message->msg_iovlen);
  return syscall(SYS_sendmsg, fd, message, flags);
}

/* ---- opening and closing ---- */

static int do_open(int dirfd, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  if (!resolve(dirfd, name, path)) {
    int fd = (int)syscall(SYS_openat, dirfd, name, flags, mode);
    if (fd >= 0 && fd < FDS) atomic_store(&slots[fd].file, NULL);
    return fd;
  }
  bool was_there = exists(path), makes = (flags & O_CREAT) != 0 && !was_there;
  struct call call = {.name = "open", .path = path, .class = class_of(path, (flags & O_DIRECTORY) != 0),
                      .nature = makes ? IS_MAKE : IS_OPEN};
  if ((flags & O_TRUNC) != 0 && was_there) call.nature = IS_CHANGE;
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  int fd = (int)syscall(SYS_openat, dirfd, name, flags, mode);
  if (fd >= 0 && (flags & O_PATH) == 0) {
    track(fd, path, flags);
    struct file *file = file_at(fd);
    if (makes) note_name(NAME_CREATED, path, NULL, NULL);
    if ((flags & O_TRUNC) != 0 && was_there && file != NULL && file->own_fd >= 0) note(file, (struct op){.is_truncation = true}, NULL);
  }
  return (int)leave(&call, fd);
}

#define MODE_OF(flags, mode)                                    \
  mode_t mode = 0;                                              \
  if (((flags) & O_CREAT) != 0 || ((flags) & __O_TMPFILE) != 0) { \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    mode = va_arg(rest, mode_t);                                \
    va_end(rest);                                               \
  }

int open(const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return do_open(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return do_open(AT_FDCWD, path, flags, mode);
}
int openat(int dirfd, const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return do_open(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return do_open(dirfd, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
  struct file *file = file_at(fd);
  if (file == NULL) return (int)syscall(SYS_close, fd);
  struct call call = {.name = "close", .path = file->path, .class = file->class, .nature = IS_CLOSE};
  enter(&call);
  atomic_store(&slots[fd].file, NULL);
  long result = syscall(SYS_close, fd);
  if (fails(&call)) result = -1;
  return (int)leave(&call, result);
}

int closedir(DIR *dir) {
  static int (*real)(DIR *);
  if (real == NULL) {
    *(void **)&real = dlsym(RTLD_NEXT, "closedir");
  }
  int fd = dirfd(dir);
  if (fd >= 0 && fd < FDS) atomic_store(&slots[fd].file, NULL);
  return real(dir);
}

/* ---- writing ---- */

static void note_write(int fd, struct file *file, int64_t offset, const char *bytes, long wrote) {
  if (kind != KIND_POWER || wrote <= 0 || file->own_fd < 0) return;
  note(file, (struct op){.offset = (uint64_t)offset, .len = (size_t)wrote, .durable = slots[fd].dsync}, bytes);
}

static ssize_t do_write(const char *name, int fd, const char *bytes, size_t len, int64_t offset) {
  struct file *file = file_at(fd);
  bool moves = offset < 0;
  if (moves) offset = lseek(fd, 0, SEEK_CUR);
  struct call call = {.name = name, .path = file->path, .class = file->class, .nature = IS_WRITE, .offset = offset, .len = len};
  enter(&call);
  if (fails(&call)) return leave(&call, -1);
  if (call.action == SHORTEN || call.action == DIE_HALF) len = len > 1 ? len / 2 : len;
  long wrote = moves ? syscall(SYS_write, fd, bytes, len) : syscall(SYS_pwrite64, fd, bytes, len, offset);
  note_write(fd, file, offset, bytes, wrote);
  return leave(&call, wrote);
}

ssize_t write(int fd, const void *ptr, size_t len) {
  if (file_at(fd) != NULL) return do_write("write", fd, ptr, len, -1);
  struct iovec part = {.iov_base = (void *)(uintptr_t)ptr, .iov_len = len};
  if (trace_fd >= 0) trace_send(fd, &part, 1);
  return syscall(SYS_write, fd, ptr, len);
}
ssize_t pwrite(int fd, const void *ptr, size_t len, off_t offset) {
  return file_at(fd) != NULL ? do_write("pwrite", fd, ptr, len, offset) : syscall(SYS_pwrite64, fd, ptr, len, offset);
}
ssize_t pwrite64(int fd, const void *ptr, size_t len, off64_t offset) { return pwrite(fd, ptr, len, offset); }

/* A vector goes to our files as one piece of memory: what is written is the same. */
static ssize_t do_vector(const char *name, int fd, const struct iovec *parts, int count, int64_t offset) {
  size_t len = 0, at = 0;
  for (int i = 0; i < count; i++) len += parts[i].iov_len;
  char *whole = must_alloc(len);
  for (int i = 0; i < count; at += parts[i++].iov_len) memcpy(whole + at, parts[i].iov_base, parts[i].iov_len);
  ssize_t wrote = do_write(name, fd, whole, len, offset);
  int saved = errno;
  free(whole);
  errno = saved;
  return wrote;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (file_at(fd) != NULL) return do_vector("writev", fd, parts, count, -1);
  trace_send(fd, parts, (size_t)count);
  return syscall(SYS_writev, fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  if (file_at(fd) != NULL) return do_vector("pwritev", fd, parts, count, offset);
  return syscall(SYS_pwritev, fd, parts, count, offset, 0);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }

int ftruncate(int fd, off_t size) {
  struct file *file = file_at(fd);
  if (file == NULL) return (int)syscall(SYS_ftruncate, fd, size);
  struct call call = {.name = "ftruncate", .path = file->path, .class = file->class, .nature = IS_CHANGE, .offset = size};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  long result = syscall(SYS_ftruncate, fd, size);
  if (result == 0 && file->own_fd >= 0) note(file, (struct op){.is_truncation = true, .offset = (uint64_t)size}, NULL);
  return (int)leave(&call, result);
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t len) {
  struct file *file = file_at(fd);
  if (file == NULL) return (int)syscall(SYS_fallocate, fd, mode, offset, len);
  struct stat st;
  struct call call = {.name = "fallocate", .path = file->path, .class = file->class, .nature = IS_MAKE, .offset = offset,
                      .len = (uint64_t)len};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  long result = syscall(SYS_fallocate, fd, mode, offset, len);
  if (result == 0 && file->own_fd >= 0 && syscall(SYS_fstat, fd, &st) == 0) {
    note(file, (struct op){.is_truncation = true, .offset = (uint64_t)st.st_size}, NULL);
  }
  return (int)leave(&call, result);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t len) { return fallocate(fd, mode, offset, len); }
int posix_fallocate(int fd, off_t offset, off_t len) { return fallocate(fd, 0, offset, len) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off64_t offset, off64_t len) { return posix_fallocate(fd, offset, len); }

/* ---- syncing ---- */

static int do_sync(const char *name, long number, int fd) {
  struct file *file = file_at(fd);
  if (file == NULL) return (int)syscall(number, fd);
  struct call call = {.name = name, .path = file->path, .class = file->class, .nature = IS_SYNC};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  if (slow_ms > 0 && number == SYS_fdatasync && strcmp(file->class, "log") == 0 && is_armed()) {
    struct timespec pause = {.tv_sec = (time_t)(slow_ms / 1000), .tv_nsec = (long)(slow_ms % 1000) * 1000000};
    (void)syscall(SYS_nanosleep, &pause, NULL);
  }
  long result = syscall(number, fd);
  if (result == 0 && kind == KIND_POWER) {
    if (file->is_dir) dir_synced(fd);
    else if (file->own_fd >= 0) synced(file);
  }
  return (int)leave(&call, result);
}

int fsync(int fd) { return do_sync("fsync", SYS_fsync, fd); }
int fdatasync(int fd) { return do_sync("fdatasync", SYS_fdatasync, fd); }

/* Begins writing out; promises nothing. */
int sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags) {
  struct file *file = file_at(fd);
  if (file == NULL) return (int)syscall(SYS_sync_file_range, fd, offset, len, flags);
  struct call call = {.name = "sync_file_range", .path = file->path, .class = file->class, .nature = IS_SYNC, .offset = offset,
                      .len = (uint64_t)len};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  return (int)leave(&call, syscall(SYS_sync_file_range, fd, offset, len, flags));
}

int msync(void *ptr, size_t len, int flags) { return (int)syscall(SYS_msync, ptr, len, flags); }

/* ---- mapping ---- */

void *mmap(void *ptr, size_t len, int protection, int flags, int fd, off_t offset) {
  struct file *file = (flags & MAP_ANONYMOUS) == 0 ? file_at(fd) : NULL;
  if (file == NULL) return (void *)syscall(SYS_mmap, ptr, len, protection, flags, fd, offset);
  struct call call = {.name = "mmap", .path = file->path, .class = file->class, .nature = IS_MAP, .len = len};
  enter(&call);
  if (fails(&call)) return (void *)leave(&call, -1);
  return (void *)leave(&call, syscall(SYS_mmap, ptr, len, protection, flags, fd, offset));
}
void *mmap64(void *ptr, size_t len, int protection, int flags, int fd, off64_t offset) {
  return mmap(ptr, len, protection, flags, fd, offset);
}

/* ---- names ---- */

static int do_mkdir(int dirfd, const char *name, mode_t mode) {
  char path[PATH_MAX];
  if (!resolve(dirfd, name, path)) return (int)syscall(SYS_mkdirat, dirfd, name, mode);
  struct call call = {.name = "mkdir", .path = path, .class = "dir", .nature = IS_MAKE};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  long result = syscall(SYS_mkdirat, dirfd, name, mode);
  if (result == 0) note_name(NAME_DIR_MADE, path, NULL, NULL);
  return (int)leave(&call, result);
}
int mkdir(const char *path, mode_t mode) { return do_mkdir(AT_FDCWD, path, mode); }
int mkdirat(int dirfd, const char *path, mode_t mode) { return do_mkdir(dirfd, path, mode); }

static int do_unlink(int dirfd, const char *name, int flags) {
  char path[PATH_MAX], kept[PATH_MAX];
  if (!resolve(dirfd, name, path)) return (int)syscall(SYS_unlinkat, dirfd, name, flags);
  bool is_dir = (flags & AT_REMOVEDIR) != 0;
  struct call call = {.name = is_dir ? "rmdir" : "unlink", .path = path, .class = class_of(path, is_dir), .nature = IS_CHANGE};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  bool stashed = !is_dir && stash(path, kept);
  long result = syscall(SYS_unlinkat, dirfd, name, flags);
  if (result == 0 && is_dir) note_name(NAME_DIR_REMOVED, path, NULL, NULL);
  else if (result == 0 && stashed) note_name(NAME_REMOVED, path, NULL, kept);
  return (int)leave(&call, result);
}
int unlink(const char *path) { return do_unlink(AT_FDCWD, path, 0); }
int unlinkat(int dirfd, const char *path, int flags) { return do_unlink(dirfd, path, flags); }
int rmdir(const char *path) { return do_unlink(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  struct stat st;
  if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  return do_unlink(AT_FDCWD, path, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

static int do_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  char a[PATH_MAX], b[PATH_MAX], kept[PATH_MAX] = "";
  bool ours = resolve(from_dir, from, a) && resolve(to_dir, to, b);
  if (!ours) return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
  struct call call = {.name = "rename", .path = b, .class = class_of(b, false), .nature = IS_MAKE};
  enter(&call);
  if (fails(&call)) return (int)leave(&call, -1);
  bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if (!exchange && exists(b)) (void)stash(b, kept);
  long result = syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
  if (result == 0) note_name(exchange ? NAME_EXCHANGED : NAME_RENAMED, a, b, kept);
  return (int)leave(&call, result);
}
int rename(const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return do_rename(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return do_rename(a, from, b, to, flags); }
