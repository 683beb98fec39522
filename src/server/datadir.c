#include "server/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "ledger/ledger.h"

#define LOCK_POLL_MS 50

const char *datadir_choose(const char *option) {
  const char *environment = getenv("CODECMETER_DATA");
  if (option != NULL) return option;
  return environment != NULL && environment[0] != '\0' ? environment : "data";
}

/* Root becomes the directory's owner, so that the server can read the files that this process writes. */
static int become_owner(const char *path, const struct stat *st, struct err *err) {
  if (st->st_uid == geteuid()) return 0;
  if (geteuid() != 0) {
    return err_set(err, ERR_DENIED, "%s belongs to uid %u: run this command as that user or as root", path,
                   (unsigned)st->st_uid);
  }
  if (setgroups(0, NULL) != 0 || setresgid(st->st_gid, st->st_gid, st->st_gid) != 0 ||
      setresuid(st->st_uid, st->st_uid, st->st_uid) != 0) {
    return err_set_errno(err, ERR_DENIED, errno, "cannot become the owner of %s", path);
  }
  return 0;
}

static bool holds_nothing(int fd) {
  int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
  bool empty = dir != NULL;
  for (struct dirent *entry = NULL; empty && (entry = readdir(dir)) != NULL;) {
    empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "lost+found") == 0;
  }
  if (dir != NULL)
    (void)closedir(dir);
  else if (copy >= 0)
    (void)close(copy);
  return empty;
}

/* A mistyped --data must not make a home directory or /tmp private and fill it with the ledger's files. */
static int check_ours(int fd, const char *path, struct err *err) {
  static const char *const names[] = {"lock", "log",
                                      "control.sock"}; /* after a power cut, any one of them may exist alone */
  bool ours = false;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    ours = ours || faccessat(fd, names[i], F_OK, 0) == 0;
  if (ours || holds_nothing(fd)) return 0;
  return err_set(err, ERR_EXISTS,
                 "%s is not a data directory: it holds other files; name an empty or a new directory", path);
}

int datadir_open(const char *path, bool create, struct datadir *ret, struct err *err) {
  struct stat st;
  int result = create ? file_make_dir(path, err) : 0;
  if (result != 0) return result;
  SCOPED_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    return err_set(err, ERR_NOT_FOUND,
                   "the data directory %s does not exist: name another with --data, or start `codecmeter serve`, "
                   "which creates it",
                   path);
  }
  if (fd < 0) return err_set_errno(err, ERR_DENIED, errno, "cannot open the data directory %s", path);
  if (fstat(fd, &st) != 0) return err_set_errno(err, ERR_IO, errno, "cannot read the properties of %s", path);
  result = become_owner(path, &st, err);
  if (result == 0) result = check_ours(fd, path, err);
  if (result != 0) return result;
  if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) != 0) {
    return err_set_errno(err, ERR_DENIED, errno, "cannot deny other users access to %s", path);
  }
  *ret = (struct datadir){.path = path, .dir_fd = fd, .lock_fd = -1};
  fd = -1;
  return 0;
}

int datadir_make_like(const char *path, const char *owner_of, struct err *err) {
  struct stat st;
  if (geteuid() != 0 || file_exists(path) || stat(owner_of, &st) != 0 || st.st_uid == 0) return 0;
  int result = file_make_dir(path, err);
  if (result == 0 && lchown(path, st.st_uid, st.st_gid) != 0) {
    result = err_set_errno(err, ERR_DENIED, errno, "cannot give %s to uid %u, the owner of %s", path,
                           (unsigned)st.st_uid, owner_of);
  }
  return result;
}

/* True if this process can use an entry of a directory, or create it because it is missing. */
static bool can_use(int dir_fd, const char *name, bool to_write) {
  struct stat st;
  if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
  int mode = R_OK | (to_write ? W_OK : 0) | (S_ISDIR(st.st_mode) ? X_OK : 0);
  return S_ISLNK(st.st_mode) || faccessat(dir_fd, name, mode, AT_EACCESS) == 0;
}

/* True if that holds for all entries of a directory. Does not look into subdirectories. */
static bool can_use_entries(const char *path, bool to_write) {
  DIR *dir = opendir(path);
  bool can = dir != NULL || errno == ENOENT;
  for (struct dirent *entry = NULL; dir != NULL && can && (entry = readdir(dir)) != NULL;) {
    bool counts = strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, "lost+found") != 0;
    can = !counts || can_use(dirfd(dir), entry->d_name, to_write);
  }
  if (dir != NULL) (void)closedir(dir);
  return can;
}

int datadir_check_access(const char *path, bool to_write, struct err *err) {
  struct stat st;
  SCOPED_MALLOC char *log = file_path(path, "log");
  SCOPED_MALLOC char *quarantine = file_path(path, "quarantine");
  const char *verb = to_write ? "write to" : "read";
  if (stat(path, &st) != 0) {
    if (errno != EACCES) return 0;
    return err_set(
        err, ERR_DENIED,
        "uid %u, which owns the data directory, cannot reach %s: that user may not enter a directory above it; "
        "name another directory, or give that user access",
        (unsigned)geteuid(), path);
  }
  if (can_use_entries(path, to_write) && can_use_entries(log, to_write) && can_use_entries(quarantine, to_write))
    return 0;
  return err_set(err, ERR_DENIED,
                 "uid %u, which owns the data directory, cannot %s %s: as root, run `chown -R %u:%u %s`",
                 (unsigned)geteuid(), verb, path, (unsigned)geteuid(), (unsigned)getegid(), path);
}

static int holder_error(int fd, const char *path, struct err *err) {
  char holder[128] = "";
  ssize_t len = pread(fd, holder, sizeof holder - 1, 0);
  if (len > 0) holder[strcspn(holder, "\n")] = '\0';
  return err_set(err, ERR_BUSY,
                 "%s is in use by another codecmeter (%s): stop that process, or use another directory", path,
                 holder[0] != '\0' ? holder : "starting");
}

int datadir_lock(struct datadir *dir, int wait_ms, bool (*stops)(void), struct err *err) {
  if (ledger_is_backup(dir->path)) {
    return err_set(err, ERR_USAGE,
                   "%s is a backup: `codecmeter restore --data NEW %s` makes a data directory NEW of it", dir->path,
                   dir->path);
  }
  SCOPED_FD int fd = openat(dir->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return err_set_errno(err, ERR_DENIED, errno, "cannot open %s/lock", dir->path);
  for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOCK_POLL_MS) {
    if (errno != EWOULDBLOCK) return err_set_errno(err, ERR_IO, errno, "cannot lock %s", dir->path);
    if (waited >= wait_ms) return holder_error(fd, dir->path, err);
    if (stops != NULL && stops())
      return err_set(err, ERR_STOPPING, "stopped while waiting for the lock of %s", dir->path);
    (void)usleep(LOCK_POLL_MS * 1000);
  }
  dir->lock_fd = fd;
  fd = -1;
  datadir_sign(dir, "a command");
  return 0;
}

const char *datadir_network(const struct datadir *dir) {
  static const struct {
    uint32_t magic; /* linux/magic.h has most of them */
    const char *name;
  } kinds[] = {
      {0x6969, "NFS"},      {0xFF534D42, "CIFS"},
      {0xFE534D42, "SMB"},  {0x517B, "SMB"},
      {0x01021997, "9P"},   {0x00C36400, "Ceph"},
      {0x5346414F, "AFS"},  {0x6B414653, "AFS"},
      {0x65735546, "FUSE"}, {0x0BD00BD0, "Lustre"},
      {0x73757245, "Coda"}, {0x7461636F, "OCFS2"},
      {0x01161970, "GFS2"}, {0x786F4256, "VirtualBox shared folder"},
  };
  struct statfs disk;
  if (fstatfs(dir->dir_fd, &disk) != 0) return NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if ((uint32_t)disk.f_type == kinds[i].magic) return kinds[i].name;
  }
  return NULL;
}

void datadir_sign(struct datadir *dir, const char *what) {
  char text[128];
  int len = snprintf(text, sizeof text, "pid %d, %.90s\n", (int)getpid(), what);
  if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, text, (size_t)len, 0) != len)
    return; /* the text only helps people */
}

void datadir_close(struct datadir *dir) {
  if (dir->lock_fd >= 0) (void)close(dir->lock_fd);
  if (dir->dir_fd >= 0) (void)close(dir->dir_fd);
  *dir = DATADIR_NONE;
}
