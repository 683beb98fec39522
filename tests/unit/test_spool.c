/* agent/spool: one event that the disk does not give back stops no other, and a spool that cannot be used is not one that does
 * not exist. A pread and an access of our own fail for what is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/spool.h"
#include "base/file.h"

static char dir[] = "/tmp/test_spool.XXXXXX";
static char broken[512]; /* path; "": none */

ssize_t pread(int fd, void *ptr, size_t len, off_t offset) {
  char link[64], path[512];
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t got = readlink(link, path, sizeof path - 1);
  if (got > 0 && broken[0] != '\0' && strncmp(path, broken, (size_t)got) == 0) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_pread64, fd, ptr, len, offset);
}

int access(const char *path, int mode) {
  if (strcmp(path, "/read-only") != 0) return (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
  errno = EROFS;
  return -1;
}

static void put(const struct spool *spool, int number) {
  struct report report = {.time_ms = 1700000000000 + number};
  struct err err;
  (void)snprintf(report.id, sizeof report.id, "id-%d", number);
  buf_printf(&report.event, "{\"id\":\"%d\",\"subject\":\"org-a\"}", number);
  if (spool_put(spool, &report, &err) != 0) fail_msg("%s", err.text);
  buf_fini(&report.event);
}

/* The event that is sent first. */
static void break_first(void) {
  struct dirent **list = NULL;
  int count = scandir(dir, &list, NULL, alphasort);
  for (int i = count - 1; i >= 0; i--) {
    if (strstr(list[i]->d_name, ".event") != NULL) (void)snprintf(broken, sizeof broken, "%s/%s", dir, list[i]->d_name);
    free(list[i]);
  }
  free(list);
  assert_true(broken[0] != '\0');
}

static void test_one_that_cannot_be_read(void **unused) {
  (void)unused;
  char url[] = "http://127.0.0.1:1", token[] = "cm_wrong";
  const struct client_settings settings = {.url = url, .token = token, .spool = dir};
  const struct spool_pass pass = {.most = UINT64_MAX, .tries = 1};
  struct spool_sums sums = {0};
  struct client *client;
  struct spool spool;
  struct err err = {0};
  assert_int_equal(client_open(&settings, &client, &err), 0);
  spool_init(&spool, &settings);
  put(&spool, 1);
  put(&spool, 2);
  break_first();
  assert_int_equal(spool_send(&spool, client, &pass, &sums, &err), -ERR_NETWORK); /* of the second */
  assert_int_equal(sums.unreadable, 1);
  assert_int_equal(sums.left, 2);
  broken[0] = '\0';
  client_close(client);
  spool_fini(&spool);
}

static void test_what_is_no_spool(void **unused) {
  (void)unused;
  char url[] = "http://127.0.0.1:1", none[] = "/tmp/test_spool_none", file[] = "/dev/null/spool", system[] = "/read-only";
  char *const dirs[] = {none, file, system};
  const int wanted[] = {-ERR_NOT_FOUND, -ERR_NOT_FOUND, -ERR_DENIED};
  for (size_t i = 0; i < 3; i++) {
    const struct client_settings settings = {.url = url, .spool = dirs[i]};
    const struct spool_pass pass = {.tries = 1};
    struct spool_sums sums = {0};
    struct client *client;
    struct spool spool;
    struct err err = {0};
    assert_int_equal(client_open(&settings, &client, &err), 0);
    spool_init(&spool, &settings);
    assert_int_equal(spool_send(&spool, client, &pass, &sums, &err), wanted[i]);
    assert_non_null(strstr(err.text, "cannot use the spool"));
    client_close(client);
    spool_fini(&spool);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_that_cannot_be_read), cmocka_unit_test(test_what_is_no_spool)};
  struct err err;
  if (mkdtemp(dir) == NULL) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return file_remove_tree(dir, &err) == 0 ? failed : 1;
}
