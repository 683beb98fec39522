#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

int file_write(int fd, const char *name, uint64_t offset, const void *ptr, size_t len, struct err *err) {
  const char *at = ptr;
  while (len > 0) {
    ssize_t wrote = pwrite(fd, at, len, (off_t)offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return err_set_errno_lasting(err, ERR_IO, errno, "cannot write %s", name);
    /* Some file systems write nothing when they are full. */
    if (wrote == 0) return err_set_errno(err, ERR_FULL, ENOSPC, "cannot write %s", name);
    at += wrote;
    offset += (uint64_t)wrote;
    len -= (size_t)wrote;
  }
  return 0;
}

int file_read(int fd, const char *name, uint64_t offset, void *ptr, size_t len, size_t *ret_got, struct err *err) {
  size_t got = 0;
  while (got < len) {
    ssize_t n = pread(fd, (char *)ptr + got, len - got, (off_t)(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return err_set_errno(err, ERR_IO, errno, "cannot read %s", name);
    if (n == 0) break;
    got += (size_t)n;
  }
  *ret_got = got;
  return 0;
}

int file_size(int fd, const char *name, uint64_t *ret, struct err *err) {
  struct stat st;
  if (fstat(fd, &st) != 0) return err_set_errno(err, ERR_IO, errno, "cannot read the attributes of %s", name);
  *ret = (uint64_t)st.st_size;
  return 0;
}

int file_sync(int fd, const char *name, struct err *err) {
  return fsync(fd) == 0 ? 0 : err_set_errno_lasting(err, ERR_IO, errno, "cannot sync %s", name);
}

int file_sync_data(int fd, const char *name, struct err *err) {
  return fdatasync(fd) == 0 ? 0 : err_set_errno_lasting(err, ERR_IO, errno, "cannot sync %s", name);
}

int file_push(int fd, const char *name, uint64_t offset, uint64_t len, struct err *err) {
  uint64_t before = offset < len ? offset : len;
  const unsigned wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  int code = sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
  if (code == 0 && before > 0) code = sync_file_range(fd, (off_t)(offset - before), (off_t)before, wait);
  if (code == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE) return 0; /* not supported here */
  return err_set_errno_lasting(err, ERR_IO, errno, "cannot write %s", name);
}

int file_replace(const char *dir, const char *name, struct str content, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_MALLOC char *made = NULL;
  CHECK(asprintf(&made, "%s/.%s.%d", dir, name, (int)getpid()) >= 0);
  SCOPED_FD int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", path);
  int result = file_write(fd, path, 0, content.ptr, content.len, err);
  if (result == 0) result = file_sync(fd, path, err);
  if (result == 0 && rename(made, path) != 0) result = err_set_errno(err, ERR_IO, errno, "cannot create %s", path);
  if (result != 0) (void)unlink(made);
  return result == 0 ? file_sync_dir(dir, err) : result;
}

int file_sync_dir(const char *path, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open directory %s", path);
  return file_sync(fd, path, err);
}

int file_sync_dir_of(const char *path, struct err *err) {
  SCOPED_MALLOC char *dir = file_directory(path);
  return file_sync_dir(dir, err);
}

int file_make_dir(const char *path, struct err *err) {
  bool is_new = mkdir(path, 0700) == 0;
  if (!is_new && errno != EEXIST) return err_set_errno(err, ERR_IO, errno, "cannot create directory %s", path);
  SCOPED_MALLOC char *parent = file_path(path, "..");
  /* One that was there may have been made by a process that was killed before it synced the parent. If this user may
   * only pass through the parent, somebody else made the directory. */
  if (!is_new && access(parent, R_OK) != 0) return 0;
  return file_sync_dir(parent, err);
}

int file_make_dirs(const char *path, struct err *err) {
  SCOPED_MALLOC char *part = strdup(path);
  CHECK(part != NULL);
  int result = 0;
  for (char *slash = strchr(part + 1, '/'); result == 0 && slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (!file_exists(part)) result = file_make_dir(part, err);
    *slash = '/';
  }
  return result == 0 ? file_make_dir(path, err) : result;
}

bool file_is_below(const char *path, const char *top) {
  size_t len = strlen(top);
  if (strcmp(top, "/") == 0) return true;
  return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool file_may_pass(int errno_value) {
  static const int lasting[] = {0, ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EINVAL, ENXIO, EOVERFLOW};
  for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++) {
    if (errno_value == lasting[i]) return false;
  }
  return true;
}

bool file_exists(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0;
}

/* The nearest existing directory above a path, as an absolute path without links; malloc'd, or NULL. */
static char *existing_above(const char *path) {
  SCOPED_MALLOC char *part = file_path(path, "");
  for (char *end = strrchr(part, '/'); end != NULL; end = strrchr(part, '/')) {
    while (end > part && *end == '/')
      *end-- = '\0';
    char *slash = strrchr(part, '/');
    if (slash == NULL || slash == part) break;
    *slash = '\0';
    char *found = realpath(part, NULL);
    if (found != NULL) return found;
    slash[0] = '/';
    slash[1] = '\0';
  }
  return realpath(path[0] == '/' ? "/" : ".", NULL);
}

bool file_is_inside(const char *path, const char *dir) {
  struct stat wanted, st;
  SCOPED_MALLOC char *above = existing_above(path);
  if (above == NULL || stat(dir, &wanted) != 0) return false;
  for (char *slash = above + strlen(above); slash != NULL; slash = strrchr(above, '/')) {
    *slash = '\0';
    if (stat(above[0] != '\0' ? above : "/", &st) != 0) return false;
    if (st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino) return true;
  }
  return false;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st;
  (void)flag;
  (void)ftw;
  return remove(path);
}

int file_remove_tree(const char *path, struct err *err) {
  if (!file_exists(path)) return 0;
  if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0) return 0;
  return err_set_errno(err, ERR_IO, errno, "cannot remove %s", path);
}

char *file_path(const char *dir, const char *name) {
  char *path = NULL;
  CHECK(asprintf(&path, "%s/%s", dir, name) >= 0);
  return path;
}

const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

char *file_directory(const char *path) {
  size_t len = (size_t)(file_name(path) - path);
  char *directory = len > 0 ? strndup(path, len > 1 ? len - 1 : 1) : strdup(".");
  CHECK(directory != NULL);
  return directory;
}
