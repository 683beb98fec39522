/* The other name begins with a dot and has the process id, so that two commands with one FILE do not write into each
 * other: the last one to end wins. */
#include "cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"

static const struct {
  const char *ending;
  enum output_kind kind;
} endings[] = {{".json", OUTPUT_JSON}, {".csv", OUTPUT_CSV}, {".xlsx", OUTPUT_XLSX}};

int output_kind_of(const char *path, enum output_kind *ret, struct err *err) {
  const char *name = file_name(path), *dot = strrchr(name, '.');
  for (size_t i = 0; dot != NULL && dot != name && i < sizeof endings / sizeof endings[0]; i++) {
    if (strcasecmp(dot, endings[i].ending) != 0) continue;
    *ret = endings[i].kind;
    return 0;
  }
  return err_set(err, ERR_USAGE,
                 "--output %s: the name must end with .csv, .json or .xlsx, which says what is written", path);
}

/* The mode of the file that is there, or that which any program would give it. */
static int find_mode(const char *path, mode_t *ret, struct err *err) {
  struct stat st;
  *ret = 0;
  if (stat(path, &st) != 0) {
    if (errno == ENOENT) return 0;
    return err_set_errno(err, ERR_IO, errno, "--output: cannot examine %s", path);
  }
  if (!S_ISREG(st.st_mode))
    return err_set(err, ERR_USAGE, "--output %s: there is something that is not a file", path);
  *ret = st.st_mode & 0777;
  return 0;
}

int output_file_begin(const char *path, struct output_file *ret, struct err *err) {
  struct output_file file = {.path = path, .dir = file_directory(path)};
  mode_t mode = 0;
  int result = find_mode(path, &mode, err), fd = -1;
  CHECK(asprintf(&file.made, "%s/.%s.%d", file.dir, file_name(path), (int)getpid()) >= 0);
  if (result == 0) {
    (void)unlink(file.made); /* of a process that had the same id and was killed */
    fd = open(file.made, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode != 0 ? 0600 : 0666);
    if (fd < 0) result = err_set_errno(err, ERR_IO, errno, "--output: cannot create a file in %s", file.dir);
  }
  if (result != 0) {
    free(file.made);
    free(file.dir);
    return result;
  }
  if (mode != 0 && fchmod(fd, mode) != 0)
    result = err_set_errno(err, ERR_IO, errno, "--output: cannot set the mode of %s", path);
  file.file = fdopen(fd, "w");
  CHECK(file.file != NULL);
  if (result != 0) output_file_fini(&file);
  if (result == 0) *ret = file;
  return result;
}

int output_file_end(struct output_file *file, struct err *err) {
  bool has_failed = ferror(file->file) != 0;
  if (fflush(file->file) != 0 || has_failed) return err_set_errno(err, ERR_IO, errno, "cannot write %s", file->path);
  int result = file_sync(fileno(file->file), file->path, err);
  if (result != 0) return result;
  if (rename(file->made, file->path) != 0) return err_set_errno(err, ERR_IO, errno, "cannot create %s", file->path);
  free(file->made);
  file->made = NULL;
  return file_sync_dir(file->dir, err);
}

void output_file_fini(struct output_file *file) {
  if (file->file != NULL) (void)fclose(file->file);
  if (file->made != NULL) (void)unlink(file->made);
  free(file->made);
  free(file->dir);
  *file = (struct output_file){0};
}
