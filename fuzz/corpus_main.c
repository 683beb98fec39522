/* Runs a fuzz target over the files of its corpus, once each: the plain test of every build, no fuzzer needed. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int dir, const char *name) {
  SCOPED_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) return -1;
  SCOPED_MALLOC uint8_t *bytes = malloc((size_t)info.st_size + 1);
  if (bytes == NULL || read(fd, bytes, (size_t)info.st_size) != info.st_size) return -1;
  return LLVMFuzzerTestOneInput(bytes, (size_t)info.st_size);
}

int main(int argc, char **argv) {
  DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
  if (dir == NULL) {
    (void)fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  unsigned files = 0;
  for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    if (run_file(dirfd(dir), entry->d_name) != 0) {
      (void)fprintf(stderr, "%s: cannot be run\n", entry->d_name);
      return 1;
    }
    files++;
  }
  (void)closedir(dir);
  (void)printf("%u files\n", files);
  return files > 0 ? 0 : 1;
}
