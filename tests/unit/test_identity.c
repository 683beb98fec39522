/* agent/identity: ids of size, time and content. The values are those of an independent program (Python's hashlib). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/identity.h"

#define BIG (3 * 1024 * 1024 + 5)
#define TIME_S 1700000000

static char dir[] = "/tmp/test_identity.XXXXXX";

static void set_time(const char *path, int64_t time_s) {
  const struct timespec times[2] = {{.tv_sec = time_s, .tv_nsec = 999999999}, {.tv_sec = time_s, .tv_nsec = 999999999}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A span over a new file of this content. */
static struct media_span make(const char *name, const char *content, size_t len) {
  struct media_span span = {.size = len};
  assert_true(asprintf(&span.path, "%s/%s", dir, name) > 0);
  FILE *file = fopen(span.path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(content, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
  set_time(span.path, TIME_S);
  return span;
}

static void drop(struct media_span *span) {
  (void)unlink(span->path);
  free(span->path);
}

static char *pattern(void) {
  char *big = malloc(BIG);
  assert_non_null(big);
  for (uint64_t i = 0; i < BIG; i++)
    big[i] = (char)((i * i / 7 + i) % 251);
  return big;
}

static void check(const struct media_span *spans, size_t count, const char *want, int64_t want_time_s) {
  char id[IDENTITY_SIZE];
  int64_t time_s;
  struct err err;
  assert_int_equal(identity_of_media(spans, count, id, &time_s, &err), 0);
  assert_string_equal(id, want);
  assert_int_equal(time_s, want_time_s);
}

static void test_files_that_fail(void **state) {
  (void)state;
  char id[IDENTITY_SIZE] = "as before";
  int64_t time_s = 7;
  struct err err;
  struct media_span span = make("short", "hello", 5);
  char nowhere[] = "/none.mp4";
  const struct media_span none = {.path = nowhere, .size = 1};
  span.size = 6;
  assert_int_equal(identity_of_media(&span, 1, id, &time_s, &err), -ERR_MEDIA);
  assert_non_null(strstr(err.text, "became shorter"));
  assert_int_equal(identity_of_media(&none, 1, id, &time_s, &err), -ERR_MEDIA);
  assert_non_null(strstr(err.text, "/none.mp4"));
  assert_string_equal(id, "as before");
  assert_int_equal(time_s, 7);
  drop(&span);
}

static void test_a_small_file(void **state) {
  (void)state;
  struct media_span span = make("small", "hello world", 11);
  check(&span, 1, "1:0507425e27d9d7384f100425e0af2a65", TIME_S);
  drop(&span);
}

/* The same media in pieces, one of them a range of a longer file; the newest piece gives the time. */
static void test_spans(void **state) {
  (void)state;
  struct media_span spans[] = {make("one", "..hello", 7), make("two", " wor", 4), make("three", "ld", 2)};
  spans[0].offset = 2;
  spans[0].size = 5;
  set_time(spans[0].path, TIME_S - 100);
  set_time(spans[2].path, TIME_S - 7);
  check(spans, 3, "1:0507425e27d9d7384f100425e0af2a65", TIME_S);
  for (size_t i = 0; i < 3; i++)
    drop(&spans[i]);
}

static void test_a_large_file_is_sampled(void **state) {
  (void)state;
  char *big = pattern();
  struct media_span span = make("big", big, BIG);
  check(&span, 1, "1:7e616cbbc0f453cd2b40b1d7404f4162", TIME_S);
  drop(&span);
  struct media_span halves[] = {make("head", big, BIG / 2), make("tail", big + BIG / 2, BIG - BIG / 2)};
  check(halves, 2, "1:7e616cbbc0f453cd2b40b1d7404f4162", TIME_S);
  drop(&halves[0]);
  drop(&halves[1]);
  free(big);
}

/* Up to 1 MiB the whole file counts; the time may be before 1970. */
static void test_the_largest_file_that_is_read_whole(void **state) {
  (void)state;
  char *big = pattern();
  struct media_span span = make("mebibyte", big, 1 << 20);
  set_time(span.path, -5);
  check(&span, 1, "1:1e9d79e3a79be2d939fdbc586ba3af59", -5);
  drop(&span);
  free(big);
}

/* What media begin with has the identity that it had as media of its own, small and large. */
static void test_a_beginning(void **state) {
  (void)state;
  char id[IDENTITY_SIZE];
  struct err err;
  char *big = pattern();
  struct media_span spans[] = {make("first", "hello", 5), make("next", " world, and more", 16)};
  assert_int_equal(identity_of_begin(spans, 2, 22, TIME_S, id, &err), -ERR_MEDIA);
  assert_int_equal(identity_of_begin(spans, 2, 11, TIME_S, id, &err), 0);
  assert_string_equal(id, "1:0507425e27d9d7384f100425e0af2a65");
  assert_int_equal(identity_of_begin(spans, 2, 11, TIME_S + 1, id, &err), 0);
  assert_string_not_equal(id, "1:0507425e27d9d7384f100425e0af2a65");
  struct media_span large[] = {make("large", big, BIG), spans[1]};
  assert_int_equal(identity_of_begin(large, 2, BIG, TIME_S, id, &err), 0);
  assert_string_equal(id, "1:7e616cbbc0f453cd2b40b1d7404f4162");
  drop(&large[0]);
  drop(&spans[0]);
  drop(&spans[1]);
  free(big);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files_that_fail),
      cmocka_unit_test(test_a_small_file),
      cmocka_unit_test(test_spans),
      cmocka_unit_test(test_a_beginning),
      cmocka_unit_test(test_a_large_file_is_sampled),
      cmocka_unit_test(test_the_largest_file_that_is_read_whole),
  };
  if (mkdtemp(dir) == NULL) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)rmdir(dir);
  return failed;
}
