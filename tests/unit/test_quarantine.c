/* adapt/quarantine: what is kept is on disk, once, within its bounds; what is damaged is named and never believed. An
 * fsync and a pwrite of our own fail when asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "adapt/keeper.h"
#include "adapt/quarantine.h"
#include "base/file.h"

static char data[64];
static int fail_write, fail_sync; /* errno of the next calls; 0: none */
static int syncs_before;          /* syncs that still succeed */

ssize_t pwrite(int fd, const void *ptr, size_t len, off_t offset) {
  if (fail_write == 0) return syscall(SYS_pwrite64, fd, ptr, len, offset);
  errno = fail_write;
  return -1;
}

int fsync(int fd) {
  if (fail_sync == 0 || syncs_before-- > 0) return (int)syscall(SYS_fsync, fd);
  errno = fail_sync;
  return -1;
}

static int setup(void **state) {
  (void)state;
  (void)snprintf(data, sizeof data, "/tmp/test_quarantine.XXXXXX");
  fail_write = fail_sync = syncs_before = 0;
  return mkdtemp(data) != NULL ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  struct err err;
  return file_remove_tree(data, &err);
}

static struct quarantine *opened(uint64_t notices_max, uint64_t bytes_max) {
  const struct quarantine_options options = {
      .dir = data, .notices_max = notices_max, .bytes_max = bytes_max, .disk_reserve = UINT64_MAX};
  struct quarantine *quarantine;
  struct err err;
  if (quarantine_open(&options, &quarantine, &err) != 0) fail_msg("%s", err.text);
  return quarantine;
}

static struct quarantine_notice notice(const char *body) {
  return (struct quarantine_notice){.adapter = STR("mine"),
                                    .project = STR("org-a"),
                                    .token = STR("abcdef012345"),
                                    .arrived_ms = 1700000000123,
                                    .reason = STR("mine.lua:1: broken"),
                                    .body = str_of(body)};
}

static int keep(struct quarantine *quarantine, const struct quarantine_notice *notice, char id[QUARANTINE_ID_SIZE]) {
  struct buf content = {0};
  struct err err = {0};
  quarantine_id(notice, id);
  quarantine_encode(notice, &content);
  int result = quarantine_keep(quarantine, id, buf_view(&content), &err);
  assert_true(result == 0 || err.text[0] != '\0');
  buf_fini(&content);
  return result;
}

static size_t listed(size_t damaged) {
  struct quarantine_list list = {0};
  struct err err;
  if (quarantine_list(data, NULL, NULL, &list, &err) != 0) fail_msg("%s", err.text);
  assert_int_equal(list.damaged, damaged);
  for (size_t i = 1; i < list.count; i++)
    assert_true(list.items[i - 1].arrived_ms <= list.items[i].arrived_ms);
  size_t count = list.count;
  quarantine_list_fini(&list);
  return count;
}

static void path_of(const char *id, char path[160]) { (void)snprintf(path, 160, "%s/quarantine/%s.notice", data, id); }

/* ---- ids ---- */

static void test_ids(void **state) {
  (void)state;
  const struct quarantine_notice base = {.adapter = STR("a"), .project = STR("p"), .body = STR("{}")};
  struct quarantine_notice other[7];
  char id[QUARANTINE_ID_SIZE], made[QUARANTINE_ID_SIZE];
  quarantine_id(&base, id);
  for (size_t i = 0; i < 7; i++)
    other[i] = base;
  other[0].adapter = STR("b");
  other[1].project = STR("q");
  other[2].source = STR("s");
  other[3].id = STR("s");
  other[4].time = STR("s");
  other[5].body = STR("{ }");
  other[6].adapter = STR("ap"), other[6].project = STR("");
  for (size_t i = 0; i < 7; i++) {
    quarantine_id(&other[i], made);
    if (strcmp(id, made) == 0) fail_msg("notice %zu has the id of another one", i);
  }
  struct quarantine_notice same = base; /* when it came, why it failed and who sent it make no other notice */
  same.arrived_ms = 7, same.reason = STR("x"), same.token = STR("t"), same.project = STR("");
  same.token_project = STR("p");
  quarantine_id(&same, made);
  assert_string_equal(id, made);
  static const char *const bad[] = {"", "..", "../../etc/passwd", "0123456789abcdef0123456789abcde",
                                    "0123456789abcdef0123456789abcdef0", "0123456789ABCDEF0123456789abcdef",
                                    "0123456789abcde/0123456789abcdef"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct quarantine_file file = {0};
    struct err err;
    assert_false(quarantine_is_id(str_of(bad[i])));
    assert_int_equal(quarantine_read(data, bad[i], &file, &err), -ERR_NOT_FOUND);
    quarantine_file_fini(&file);
  }
  assert_true(quarantine_is_id(str_of(id)));
}

/* ---- keeping ---- */

static void test_every_text_comes_back(void **state) {
  (void)state;
  const struct quarantine_notice given = {
      .adapter = STR("mine"),
      .project = STR("\xE2\x82\xAC\"\\/../\x01\x7F"),
      .source = STR("\n{}"),
      .id = STR("../../x"),
      .time = STR("2026-01-31T12:00:00Z"),
      .token = STR("t"),
      .token_project = STR("o"),
      .projects_zone = STR("Europe/Berlin"),
      .arrived_ms = 1769860800001,
      .reason = STR("a\nb"),
      .body = STR("{\"a\":\"\\n\"}\n\n\0\xFF"),
  };
  struct quarantine *quarantine = opened(10, 1 << 20);
  char id[QUARANTINE_ID_SIZE];
  struct quarantine_file file = {0};
  struct err err = {0};
  assert_int_equal(keep(quarantine, &given, id), 0);
  if (quarantine_read(data, id, &file, &err) != 0) fail_msg("%s", err.text);
  const struct str *texts[2] = {&given.adapter, &file.notice.adapter};
  for (size_t i = 0; i < 8; i++) /* adapter to projects_zone lie side by side */
    assert_true(str_equal(texts[0][i], texts[1][i]));
  assert_true(str_equal(given.reason, file.notice.reason) && str_equal(given.body, file.notice.body));
  assert_int_equal(given.arrived_ms, file.notice.arrived_ms);
  quarantine_file_fini(&file);
  quarantine_close(quarantine);
}

static void test_once_within_bounds_and_dropped(void **state) {
  (void)state;
  struct quarantine *quarantine = opened(2, 4096);
  struct quarantine_status status;
  struct err err;
  char a[QUARANTINE_ID_SIZE], b[QUARANTINE_ID_SIZE], c[QUARANTINE_ID_SIZE];
  const struct quarantine_notice first = notice("{\"n\":1}"), second = notice("{\"n\":2}"), third = notice("{\"n\":3}");
  static char large[5000];
  memset(large, 'x', sizeof large - 1);
  const struct quarantine_notice big = notice(large);
  assert_int_equal(keep(quarantine, &big, c), -ERR_FULL);
  assert_int_equal(keep(quarantine, &first, a), 0);
  assert_int_equal(keep(quarantine, &first, a), 0);
  assert_int_equal(listed(0), 1);
  assert_int_equal(keep(quarantine, &second, b), 0);
  assert_int_equal(keep(quarantine, &third, c), -ERR_FULL);
  assert_int_equal(keep(quarantine, &second, b), 0); /* is there: no room needed */
  quarantine_close(quarantine);
  quarantine = opened(2, 4096); /* a start counts what is there */
  assert_int_equal(keep(quarantine, &third, c), -ERR_FULL);
  assert_int_equal(quarantine_drop(quarantine, c, &err), -ERR_NOT_FOUND);
  assert_int_equal(quarantine_drop(quarantine, a, &err), 0);
  assert_int_equal(quarantine_drop(quarantine, a, &err), -ERR_NOT_FOUND);
  assert_int_equal(keep(quarantine, &third, c), 0);
  assert_int_equal(quarantine_drop(quarantine, b, &err), 0);
  assert_int_equal(quarantine_drop(quarantine, c, &err), 0);
  quarantine_status(quarantine, &status);
  assert_int_equal(status.notices, 0);
  assert_int_equal(status.bytes, 0);
  assert_int_equal(listed(0), 0);
  quarantine_close(quarantine);
}

static void test_a_new_reason(void **state) {
  (void)state;
  struct quarantine *quarantine = opened(2, 4096);
  struct quarantine_notice given = notice("{}");
  struct quarantine_file file = {0};
  struct err err;
  char id[QUARANTINE_ID_SIZE];
  assert_int_equal(keep(quarantine, &given, id), 0);
  given.reason = STR("mine.lua:2: still broken");
  assert_int_equal(quarantine_set_reason(quarantine, id, &given, &err), 0);
  assert_int_equal(quarantine_read(data, id, &file, &err), 0);
  assert_true(str_equal(file.notice.reason, given.reason) && file.notice.arrived_ms == given.arrived_ms);
  quarantine_file_fini(&file);
  assert_int_equal(listed(0), 1);
  quarantine_close(quarantine);
}

/* ---- faults ---- */

static void test_what_could_not_be_written_is_not_kept(void **state) {
  (void)state;
  static const struct {
    int write, sync, before, result;
  } rows[] = {{ENOSPC, 0, 0, -ERR_FULL}, {EDQUOT, 0, 0, -ERR_FULL}, {EIO, 0, 0, -ERR_IO},
              {0, EIO, 0, -ERR_IO},      {0, ENOSPC, 0, -ERR_FULL}, {0, EIO, 1, -ERR_IO}};
  struct quarantine *quarantine = opened(1, 4096);
  const struct quarantine_notice given = notice("{}");
  struct quarantine_status status;
  struct err err;
  char id[QUARANTINE_ID_SIZE];
  fail_sync = EIO; /* of the new directory's name */
  assert_int_equal(keep(quarantine, &given, id), -ERR_IO);
  fail_sync = 0;
  assert_int_equal(quarantine_drop(quarantine, id, &err), -ERR_NOT_FOUND);
  assert_int_equal(keep(quarantine, &given, id), 0);
  assert_int_equal(quarantine_drop(quarantine, id, &err), 0);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    fail_write = rows[i].write, fail_sync = rows[i].sync, syncs_before = rows[i].before;
    assert_int_equal(keep(quarantine, &given, id), rows[i].result);
    fail_write = fail_sync = 0;
    quarantine_status(quarantine, &status);
    assert_int_equal(status.notices, 0);
    assert_int_equal(status.bytes, 0);
  }
  /* the name of the last one was not synced: the same notice is written and synced again */
  fail_sync = EIO, syncs_before = 0;
  assert_int_equal(keep(quarantine, &given, id), -ERR_IO);
  fail_sync = 0;
  assert_int_equal(keep(quarantine, &given, id), 0);
  assert_int_equal(listed(0), 1);
  quarantine_close(quarantine);
}

static void test_a_directory_that_is_gone_keeps_nothing(void **state) {
  (void)state;
  struct quarantine *quarantine = opened(4, 4096);
  const struct quarantine_notice given = notice("{}"), other = notice("{\"n\":2}");
  char id[QUARANTINE_ID_SIZE], path[160], away[160];
  assert_int_equal(keep(quarantine, &given, id), 0);
  (void)snprintf(path, sizeof path, "%s/quarantine", data);
  (void)snprintf(away, sizeof away, "%s/away", data);
  assert_int_equal(rename(path, away), 0);
  assert_int_equal(keep(quarantine, &given, id), -ERR_IO);
  assert_int_equal(keep(quarantine, &other, id), -ERR_IO);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(keep(quarantine, &other, id), -ERR_IO);
  assert_int_equal(rmdir(path), 0);
  assert_int_equal(rename(away, path), 0);
  assert_int_equal(keep(quarantine, &other, id), 0);
  assert_int_equal(listed(0), 2);
  quarantine_close(quarantine);
}

static void flip(const char *path, off_t at) {
  int fd = open(path, O_RDWR);
  char byte;
  assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
  byte ^= 1;
  assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  (void)close(fd);
}

static void test_every_flipped_byte_and_every_cut_is_found(void **state) {
  (void)state;
  struct quarantine *quarantine = opened(4, 4096);
  const struct quarantine_notice given = notice("{\"n\":1}");
  char id[QUARANTINE_ID_SIZE], path[160];
  struct err err;
  struct stat st;
  assert_int_equal(keep(quarantine, &given, id), 0);
  path_of(id, path);
  assert_int_equal(stat(path, &st), 0);
  for (off_t at = 0; at < st.st_size; at++) {
    struct quarantine_file file = {0};
    flip(path, at);
    int result = quarantine_read(data, id, &file, &err);
    if (result != -ERR_CORRUPT && result != -ERR_VERSION) fail_msg("byte %d: %d", (int)at, result);
    if (strstr(err.text, id) == NULL) fail_msg("byte %d: %s", (int)at, err.text);
    quarantine_file_fini(&file);
    flip(path, at);
  }
  for (off_t size = st.st_size - 1; size >= 0; size--) {
    struct quarantine_file file = {0};
    assert_int_equal(truncate(path, size), 0);
    assert_int_equal(quarantine_read(data, id, &file, &err), -ERR_CORRUPT);
    quarantine_file_fini(&file);
  }
  assert_int_equal(listed(1), 0);
  /* the sender sends it again: the good one replaces the damaged one */
  assert_int_equal(keep(quarantine, &given, id), 0);
  assert_int_equal(listed(0), 1);
  quarantine_close(quarantine);
}

static void write_file(const char *name, const char *text) {
  char path[160];
  (void)snprintf(path, sizeof path, "%s/quarantine/%s", data, name);
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0 && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
  (void)close(fd);
}

static void test_what_else_is_in_the_directory(void **state) {
  (void)state;
  struct quarantine *quarantine = opened(4, 4096);
  const struct quarantine_notice given = notice("{}");
  char id[QUARANTINE_ID_SIZE], path[160];
  struct err err;
  assert_int_equal(keep(quarantine, &given, id), 0);
  quarantine_close(quarantine);
  write_file(".0123456789abcdef0123456789abcdef.fresh", "half");
  write_file("notes.txt", "mine");
  write_file("0123456789abcdef0123456789abcdef.notice", "codecmeter quarantine 2 ab\n");
  (void)snprintf(path, sizeof path, "%s/quarantine/00000000000000000000000000000000.notice", data);
  assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes to it: to open it would take for ever */
  assert_int_equal(listed(3), 1);
  quarantine = opened(4, 4096);
  assert_int_equal(listed(3), 1);
  (void)snprintf(path, sizeof path, "%s/quarantine/.0123456789abcdef0123456789abcdef.fresh", data);
  assert_false(file_exists(path));
  struct quarantine_file file = {0};
  assert_int_equal(quarantine_read(data, "0123456789abcdef0123456789abcdef", &file, &err), -ERR_VERSION);
  quarantine_file_fini(&file);
  quarantine_close(quarantine);
}

/* ---- the keeper ---- */

static sem_t begun, may_end;

static void done_slowly(struct keeper_job *job) {
  (void)job;
  (void)sem_post(&begun);
  while (sem_wait(&may_end) != 0)
    continue;
}

/* A disk that hangs: while the keeper is at work, the contents of all jobs have a bound together. */
static void test_the_keeper_holds_a_bounded_number_of_bytes(void **state) {
  (void)state;
  static struct keeper_job jobs[5];
  const struct {
    uint64_t bytes;
    int result;
  } rows[] = {{2 * KEEPER_BYTES_MAX, 0}, /* alone */
              {1, -ERR_BUSY},
              {KEEPER_BYTES_MAX / 2, 0},
              {KEEPER_BYTES_MAX / 2 + 1, -ERR_BUSY},
              {KEEPER_BYTES_MAX / 2, 0}};
  struct quarantine *quarantine = opened(4, 1);
  struct keeper *keeper;
  struct err err;
  assert_int_equal(sem_init(&begun, 0, 0) | sem_init(&may_end, 0, 0), 0);
  assert_int_equal(keeper_start(quarantine, &keeper, &err), 0);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct keeper_job *job = &jobs[i];
    (void)snprintf(job->id, sizeof job->id, "%032zx", i);
    job->done = done_slowly;
    assert_non_null(buf_extend(&job->content, (size_t)rows[i].bytes));
    job->content.len = (size_t)rows[i].bytes;
    if (i == 2) { /* the first one is done, and the next one frees no room before it is done too */
      (void)sem_post(&may_end);
      while (keeper_submit(keeper, job) == -ERR_BUSY)
        continue;
      while (sem_wait(&begun) != 0)
        continue;
      continue;
    }
    if (keeper_submit(keeper, job) != rows[i].result) fail_msg("job %zu of %zu bytes", i, job->content.len);
    while (i == 0 && sem_wait(&begun) != 0)
      continue;
  }
  (void)sem_post(&may_end), (void)sem_post(&may_end);
  keeper_stop(keeper);
  keeper_free(keeper);
  quarantine_close(quarantine);
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
    buf_fini(&jobs[i].content);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_ids),
      TEST(test_every_text_comes_back),
      TEST(test_once_within_bounds_and_dropped),
      TEST(test_a_new_reason),
      TEST(test_what_could_not_be_written_is_not_kept),
      TEST(test_a_directory_that_is_gone_keeps_nothing),
      TEST(test_every_flipped_byte_and_every_cut_is_found),
      TEST(test_what_else_is_in_the_directory),
      TEST(test_the_keeper_holds_a_bounded_number_of_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
