/* Loading the media module: which failures are its absence, and which may pass. The module is looked for beside the program, so
 * the test runs again as a copy of itself in a directory of its own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "media/media.h"

static int probe(struct err *err) {
  const struct media_options options = {.explain = false};
  struct media media;
  int result = media_probe("/nonexistent", &options, &media, err);
  media_fini(&media);
  return result;
}

static void test_failures(void **unused) {
  (void)unused;
  struct rlimit before, none;
  struct err err;
  assert_int_equal(probe(&err), -ERR_MISSING); /* no file */
  assert_non_null(strstr(err.text, "install the package codecmeter-media"));
  int fd = open(MEDIA_MODULE_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  assert_true(fd >= 0 && write(fd, "no module", 9) == 9 && close(fd) == 0);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  int result = probe(&err);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(result, -ERR_DESCRIPTORS);
  assert_non_null(strstr(err.text, "cannot be loaded now: Too many open files"));
  assert_int_equal(probe(&err), -ERR_MISSING); /* it is no module */
}

static void copy_self(const char *path) {
  int in = open("/proc/self/exe", O_RDONLY), out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  struct stat st;
  assert_true(in >= 0 && out >= 0 && fstat(in, &st) == 0);
  char *bytes = malloc((size_t)st.st_size);
  assert_int_equal(read(in, bytes, (size_t)st.st_size), st.st_size);
  assert_int_equal(write(out, bytes, (size_t)st.st_size), st.st_size);
  assert_true(close(in) == 0 && close(out) == 0);
  free(bytes);
}

static void test_beside(void **unused) {
  (void)unused;
  char dir[] = "/tmp/codecmeter-load-XXXXXX";
  struct err err;
  int status = -1;
  assert_non_null(mkdtemp(dir));
  SCOPED_MALLOC char *path = file_path(dir, "test");
  copy_self(path);
  pid_t pid = fork();
  if (pid == 0) {
    if (chdir(dir) == 0) (void)execl(path, path, "beside", (char *)NULL);
    _exit(127);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(file_remove_tree(dir, &err), 0);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest outer[] = {cmocka_unit_test(test_beside)}, inner[] = {cmocka_unit_test(test_failures)};
  bool is_inner = argc == 2 && strcmp(argv[1], "beside") == 0;
  return is_inner ? cmocka_run_group_tests(inner, NULL, NULL) : cmocka_run_group_tests(outer, NULL, NULL);
}
