#include "ledger/care/side_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"

void side_files_fini(struct side_files *files) {
  for (size_t i = 0; i < files->count; i++)
    free(files->items[i]);
  vector_fini(files);
}

static void add_name(struct side_files *files, const char *name) {
  char *kept = strdup(name);
  CHECK(kept != NULL);
  *vector_must_add(files) = kept;
}

/* A link, a directory or a pipe was put there by somebody, and must not stop a backup; `verify` names it. */
static bool is_file(DIR *entries, const char *name) {
  struct stat st;
  return fstatat(dirfd(entries), name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(st.st_mode);
}

/* No names if the directory does not exist. */
static int list_names(const char *dir, struct side_files *ret, struct err *err) {
  DIR *entries = opendir(dir);
  if (entries == NULL && errno == ENOENT) return 0;
  if (entries == NULL) return err_set_errno(err, ERR_IO, errno, "cannot open directory %s", dir);
  errno = 0; /* readdir tells the end from a failure by it alone */
  for (struct dirent *entry; (entry = readdir(entries)) != NULL; errno = 0) {
    if (entry->d_name[0] != '.' && is_file(entries, entry->d_name)) add_name(ret, entry->d_name);
  }
  int failure = errno;
  (void)closedir(entries);
  return failure == 0 ? 0 : err_set_errno(err, ERR_IO, failure, "cannot read directory %s", dir);
}

/* -ERR_NOT_FOUND: there is no such file. */
static int read_whole(const char *path, struct buf *content, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  uint64_t size;
  size_t got;
  if (fd < 0 && errno == ENOENT) return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  int result = file_size(fd, path, &size, err);
  if (result != 0) return result;
  char *at = buf_extend(content, (size_t)size);
  if (at == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s", path);
  result = file_read(fd, path, 0, at, (size_t)size, &got, err);
  if (result == 0) content->len = got;
  return result;
}

static int copy_one(const char *from_dir, const char *to_dir, const char *name, struct err *err) {
  SCOPED_MALLOC char *from = file_path(from_dir, name);
  SCOPED_MALLOC char *to = file_path(to_dir, name);
  SCOPED(buf_fini) struct buf content = {.limit = SIZE_MAX};
  SCOPED(buf_fini) struct buf before = {.limit = SIZE_MAX};
  struct err none;
  int result = read_whole(from, &content, err);
  if (result == -ERR_NOT_FOUND) return 0; /* it has left meanwhile */
  if (result != 0) return result;
  bool is_there = read_whole(to, &before, &none) == 0 && str_equal(buf_view(&content), buf_view(&before));
  return is_there ? 0 : file_replace(to_dir, name, buf_view(&content), err);
}

static int find_gone(const char *from_dir, const char *to_dir, struct side_files *ret, struct err *err) {
  SCOPED(side_files_fini) struct side_files had = {0};
  int result = list_names(to_dir, &had, err);
  for (size_t i = 0; i < had.count; i++) {
    SCOPED_MALLOC char *path = file_path(from_dir, had.items[i]);
    if (!file_exists(path)) add_name(ret, had.items[i]);
  }
  return result;
}

int side_files_copy(const char *from, const char *to, struct side_files *ret_gone, struct err *err) {
  SCOPED_MALLOC char *from_dir = file_path(from, SIDE_FILES);
  SCOPED_MALLOC char *to_dir = file_path(to, SIDE_FILES);
  SCOPED(side_files_fini) struct side_files names = {0};
  int result = ret_gone != NULL ? find_gone(from_dir, to_dir, ret_gone, err) : 0;
  if (result == 0) result = list_names(from_dir, &names, err);
  if (result == 0 && names.count > 0) result = file_make_dir(to_dir, err);
  for (size_t i = 0; i < names.count && result == 0; i++)
    result = copy_one(from_dir, to_dir, names.items[i], err);
  return result;
}

int side_files_remove(const char *to, const struct side_files *gone, struct err *err) {
  SCOPED_MALLOC char *dir = file_path(to, SIDE_FILES);
  for (size_t i = 0; i < gone->count; i++) {
    SCOPED_MALLOC char *path = file_path(dir, gone->items[i]);
    if (unlink(path) != 0 && errno != ENOENT) return err_set_errno(err, ERR_IO, errno, "cannot remove %s", path);
  }
  return gone->count > 0 ? file_sync_dir(dir, err) : 0;
}
