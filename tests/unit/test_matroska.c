/* Matroska: damaged, cut, live and joined files that are built here element by element. */
#include "media/matroska.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/scope.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void put_hex(struct buf *out, const char *hex) {
  for (unsigned value; hex[0] != '\0'; hex += 2) {
    while (hex[0] == ' ')
      hex++;
    if (hex[0] == '\0') return;
    assert_int_equal(sscanf(hex, "%2x", &value), 1);
    buf_char(out, (char)value);
  }
}

static int read_bytes(struct str bytes, struct matroska *ret, struct err *err) {
  char path[64];
  SCOPED_FD int fd = memfd_create("film", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  struct media_span span = {.path = path, .size = bytes.len};
  struct reel *reel = reel_open(NULL, &span, 1);
  int result = matroska_read(reel, ret, err);
  reel_close(reel);
  return result;
}

#define EBML "1a45dfa3 8b 4282 88 6d6174726f736b61 " /* DocType matroska */
#define SEGMENT "18538067 "
#define LIVE "18538067 01ffffffffffffff "
#define INFO "1549a966 8e 2ad7b1 83 0f4240 4489 84 447a0000 " /* 1000 ms */
#define CLUSTER "1f43b675 86 e7 81 00 a3 81 00 "
#define LIVE_CLUSTER "1f43b675 ff e7 81 00 a3 81 00 "
#define CUES "1c53bb6b 82 ec 80 "
#define TAGS "1254c367 82 ec 80 "

struct film {
  const char *name, *hex;
  int result;
  const char *cut; /* NULL: not cut */
  size_t parts;
  uint64_t clusters; /* of the first part */
};

static const struct film films[] = {
    {"a size that is none", EBML SEGMENT "00", -ERR_MEDIA, NULL, 0, 0},
    {"an identifier of 5 bytes", EBML SEGMENT "8a 0800000000 84 00000000", -ERR_MEDIA, NULL, 1, 0},
    {"zeros in a Segment", EBML SEGMENT "90" CLUSTER "00000000 00", -ERR_MEDIA, NULL, 1, 1},
    {"Cues without a size", EBML LIVE CLUSTER "1c53bb6b ff ec 80", -ERR_MEDIA, NULL, 1, 1},
    {"a block without a size", EBML LIVE LIVE_CLUSTER "a3 ff 00", -ERR_MEDIA, NULL, 1, 1},
    {"Info longer than the file", EBML LIVE "1549a966 90 00", 0, "Segment", 1, 0},
    {"an edition longer than its Chapters", EBML LIVE "1043a770 85 45b9 84 45dd " CLUSTER, -ERR_MEDIA, NULL, 1, 0},
    {"a flag of 9 bytes", EBML LIVE "1043a770 8f 45b9 8c 45dd 89 000000000000000001 " CLUSTER, -ERR_MEDIA, NULL, 1, 0},
    {"a file within a file", EBML SEGMENT "9c" CLUSTER EBML "ec 80", -ERR_MEDIA, NULL, 1, 1},
    {"Segment of size 0", EBML SEGMENT "80", 0, NULL, 1, 0},
    {"whole", EBML SEGMENT "a5" INFO CLUSTER CUES, 0, NULL, 1, 1},
    {"Cluster cut", EBML SEGMENT "b0" INFO "1f43b675 88 e7 81 00 a3 81 00", 0, "Cluster", 1, 1},
    {"Cluster cut, live", EBML LIVE INFO "1f43b675 88 e7 81 00 a3 81 00", 0, "Cluster", 1, 1},
    {"cut between Clusters", EBML SEGMENT "b0" CLUSTER, 0, "Segment", 1, 1},
    {"cut before the first Cluster", EBML SEGMENT "b0" INFO, 0, "Segment", 1, 0},
    {"cut in Cues behind Clusters", EBML SEGMENT "b0" INFO CLUSTER "1c53bb6b 88 ec 80", 0, NULL, 1, 1},
    {"cut in Tags before Clusters", EBML SEGMENT "b0" INFO "1254c367 88 ec 80", 0, "Segment", 1, 0},
    {"cut behind Cues", EBML SEGMENT "b0" INFO CLUSTER CUES, 0, NULL, 1, 1},
    {"cut behind Cues, which are first", EBML SEGMENT "bf" CUES INFO CLUSTER, 0, "Segment", 1, 1},
    {"live, ends behind a Cluster", EBML LIVE INFO CLUSTER CLUSTER, 0, NULL, 1, 2},
    {"live, ends within a header", EBML LIVE INFO CLUSTER "1f43b6", 0, NULL, 1, 1},
    {"live Clusters", EBML LIVE INFO LIVE_CLUSTER LIVE_CLUSTER CUES, 0, NULL, 1, 2},
    {"live Clusters, a block cut", EBML LIVE LIVE_CLUSTER LIVE_CLUSTER "a3 84 00", 0, "Block", 1, 2},
    {"joined", EBML SEGMENT "a5" INFO CLUSTER CUES EBML SEGMENT "8b" CLUSTER, 0, NULL, 2, 1},
    {"joined, live", EBML LIVE LIVE_CLUSTER LIVE_CLUSTER EBML LIVE LIVE_CLUSTER EBML SEGMENT "80", 0, NULL, 3, 2},
    {"joined, the second one is cut", EBML SEGMENT "8b" CLUSTER EBML SEGMENT "90" CLUSTER, 0, "Segment", 2, 1},
    {"Void between joined files", EBML SEGMENT "8b" CLUSTER "ec 81 00" EBML SEGMENT "8b" CLUSTER, 0, NULL, 2, 1},
    {"zeros behind the end", EBML SEGMENT "8b" CLUSTER "0000000000", 0, NULL, 1, 1},
};

static void test_films(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(films); i++) {
    const struct film *film = &films[i];
    print_message("%s\n", film->name);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(matroska_fini) struct matroska got = {0};
    struct err err = {0};
    put_hex(&bytes, film->hex);
    assert_int_equal(read_bytes(buf_view(&bytes), &got, &err), film->result);
    assert_true(got.is_matroska);
    assert_true(film->result == 0 || err.text[0] != '\0');
    assert_int_equal(got.count, film->parts);
    assert_int_equal(got.is_cut, film->cut != NULL);
    if (film->cut != NULL) assert_string_equal(got.cut_what, film->cut);
    if (film->parts > 0) assert_int_equal(got.parts[0].clusters, film->clusters);
    for (size_t j = 0; film->result == 0 && j < got.count; j++) {
      struct str part = str_make(bytes.ptr + got.parts[j].start, (size_t)(got.parts[j].end - got.parts[j].start));
      assert_true(got.parts[j].end <= bytes.len && got.parts[j].start < got.parts[j].end);
      assert_int_equal(be32_load(part.ptr), 0x1a45dfa3);
      struct matroska alone;
      assert_int_equal(read_bytes(part, &alone, &err), 0);
      assert_true(alone.is_matroska && alone.count == 1);
      assert_int_equal(alone.parts[0].clusters, got.parts[j].clusters);
      matroska_fini(&alone);
    }
  }
}

static void test_kinds(void **state) {
  (void)state;
  static const struct {
    const char *hex;
    bool is_matroska;
  } cases[] = {
      {"", false},
      {"1a45df", false},
      {"1a45dfa3", false},
      {"1a45dfa3 80", false},
      {"1a45dfa3 8b 4282 88 6d6174", false}, /* cut within the header */
      {"1a45dfa3 88 4282 85 6f74686572", false},
      {"1a45dfa3 87 4282 84 7765626d", true},
      {"1a45dfa3 89 4282 86 7765626d0000", true},
      {"1a45dfa3 8c 42f2 81 04 ec 80 4282 84 7765626d", false}, /* DocType longer than the header */
      {"1a45dfa3 8d 42f2 81 04 ec 80 4282 84 7765626d", true},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    print_message("%s\n", cases[i].hex);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(matroska_fini) struct matroska got = {0};
    struct err err = {0};
    put_hex(&bytes, cases[i].hex);
    int result = read_bytes(buf_view(&bytes), &got, &err);
    assert_int_equal(got.is_matroska, cases[i].is_matroska);
    assert_true(result == 0 || (result == -ERR_MEDIA && !cases[i].is_matroska));
  }
}

static void test_chapters(void **state) {
  (void)state;
  static const struct {
    const char *hex;
    bool is_ordered;
  } cases[] = {
      {EBML LIVE CLUSTER, false},
      {EBML LIVE INFO CLUSTER, false},
      {EBML LIVE INFO "1043a770 87 45b9 84 45dd 81 00 " CLUSTER, false},
      {EBML LIVE INFO "1043a770 87 45b9 84 45dd 81 01 " CLUSTER, true},
      {EBML LIVE INFO "1043a770 8b ec 82 0000 45b9 84 45dd 81 01 " CLUSTER, true},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    print_message("%s\n", cases[i].hex);
    SCOPED(buf_fini) struct buf bytes = {0};
    SCOPED(matroska_fini) struct matroska got = {0};
    struct err err = {0};
    put_hex(&bytes, cases[i].hex);
    assert_int_equal(read_bytes(buf_view(&bytes), &got, &err), 0);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.parts[0].is_ordered, cases[i].is_ordered);
  }
}

/* Any cut of a file of known size is refused, told, or lacks nothing of the Clusters. */
static void test_cuts(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf bytes = {0};
  put_hex(&bytes, EBML SEGMENT "b7" INFO CLUSTER CLUSTER CUES TAGS);
  size_t clusters_end = bytes.len - 14;
  for (size_t len = 0; len <= bytes.len; len++) {
    SCOPED(matroska_fini) struct matroska got = {0};
    struct err err = {0};
    int result = read_bytes(str_make(bytes.ptr, len), &got, &err);
    bool passes = result == 0 && got.is_matroska && got.count == 1 && !got.is_cut;
    bool may_pass = len > clusters_end + 4 && got.count == 1 && got.parts[0].clusters == 2;
    print_message("%zu bytes: %s\n", len, passes ? "whole" : "cut");
    assert_true(may_pass || !passes);
    assert_true(passes || len < bytes.len);
  }
}

static void test_noise(void **state) {
  (void)state;
  unsigned seed = 1;
  SCOPED(buf_fini) struct buf bytes = {0};
  put_hex(&bytes,
          EBML LIVE INFO "1043a770 87 45b9 84 45dd 81 01 " CLUSTER LIVE_CLUSTER CUES EBML SEGMENT "8b" CLUSTER);
  for (int round = 0; round < 20000; round++) {
    size_t at = (size_t)rand_r(&seed) % bytes.len;
    char old = bytes.ptr[at];
    bytes.ptr[at] = (char)rand_r(&seed);
    struct matroska got;
    struct err err = {0};
    int result = read_bytes(buf_view(&bytes), &got, &err);
    assert_true(result == 0 || (result == -ERR_MEDIA && err.text[0] != '\0'));
    matroska_fini(&got);
    bytes.ptr[at] = old;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_films), cmocka_unit_test(test_kinds), cmocka_unit_test(test_chapters),
      cmocka_unit_test(test_cuts),  cmocka_unit_test(test_noise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
