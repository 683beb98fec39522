/* Runs: what is written is found again, what is not is not; a damaged byte is never believed; lists keep their order. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "ledger/index/run_format.h"
#include "ledger/index/run_list.h"
#include "ledger/index/run_writer.h"

static const uint8_t uuid[LEDGER_UUID_SIZE] = "0123456789abcde";
static char dir[64];

static int make_dir(void **state) {
  (void)state;
  strcpy(dir, "/tmp/codecmeter-run-XXXXXX");
  return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state) {
  (void)state;
  struct err err;
  return file_remove_tree(dir, &err);
}

static uint64_t dice = 20261124;
static uint64_t roll(void) { /* splitmix64 */
  uint64_t z = dice += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

/* Sorted entries of a kind; caller frees. Time entries stand close together, as usage does. */
static struct entry *make_entries(enum entry_kind kind, size_t count) {
  struct entry *entries = calloc(count + 1, sizeof *entries);
  for (size_t i = 0; i < count; i++) {
    entries[i] = kind == ENTRY_TIME
                     ? (struct entry){entry_time_key((uint32_t)(roll() % 3 + 1), USAGE_TRANSCODE), roll() % 50, i * 8}
                     : (struct entry){roll(), roll(), i * 8};
  }
  struct entry *room = calloc(count + 1, sizeof *room);
  entry_sort(entries, room, count);
  free(room);
  return entries;
}

static struct run *write_run(const struct run_info *info, const struct entry *entries, size_t piece) {
  struct err err = {0};
  struct run_writer *writer;
  struct run *run;
  assert_int_equal(run_writer_new(dir, uuid, info, &writer, &err), 0);
  for (size_t at = 0; at < info->count; at += piece) {
    size_t left = (size_t)info->count - at;
    assert_int_equal(run_writer_add(writer, entries + at, left < piece ? left : piece, &err), 0);
  }
  assert_int_equal(run_writer_finish(writer, &err), 0);
  run_writer_free(writer);
  if (run_open(dir, uuid, info, &run, &err) != 0) fail_msg("run_open: %s", err.text);
  return run;
}

static bool is_found(const struct run *run, const struct entry *wanted) {
  struct err err = {0};
  struct entry entry;
  uint64_t index;
  assert_int_equal(run_seek(run, wanted, &index, &err), 0);
  if (index == run_info(run)->count) return false;
  assert_int_equal(run_entry(run, index, &entry, &err), 0);
  assert_true(entry_compare(&entry, wanted) >= 0);
  return entry_compare(&entry, wanted) == 0;
}

/* ---- sorting ---- */

static int compare(const void *a, const void *b) { return entry_compare(a, b); }

static void test_sort(void **state) {
  (void)state;
  const size_t counts[] = {0, 1, 2, 47, 48, 49, 1000, 30000};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    for (int shape = 0; shape < 4; shape++) {
      size_t count = counts[c];
      struct entry *ours = calloc(count + 1, sizeof *ours), *theirs = calloc(count + 1, sizeof *theirs);
      struct entry *room = calloc(count + 1, sizeof *room);
      for (size_t i = 0; i < count; i++) {
        uint64_t few = roll() % 3; /* shapes: uniform; all but a byte alike; many alike; falling */
        if (shape == 0) ours[i] = (struct entry){roll(), roll(), roll()};
        if (shape == 1) ours[i] = (struct entry){7, 7, roll() % 256};
        if (shape == 2) ours[i] = (struct entry){few, few << 40, roll() % 5};
        if (shape == 3) ours[i] = (struct entry){count - i, 0, 0};
      }
      memcpy(theirs, ours, count * sizeof *ours);
      entry_sort(ours, room, count);
      qsort(theirs, count, sizeof *theirs, compare);
      assert_memory_equal(ours, theirs, count * sizeof *ours);
      free(ours);
      free(room);
      free(theirs);
    }
  }
}

/* ---- writing and finding ---- */

static void test_found_again(void **state) {
  (void)state;
  const size_t counts[] = {1, 40, 41, 169, 170, 171, 340, 170 * 64, 170 * 64 + 1, 60000};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
      size_t count = counts[c];
      struct entry *entries = make_entries((enum entry_kind)kind, count);
      struct run_info info = {.number = c + 1, .kind = (enum entry_kind)kind, .count = count, .from = 64, .to = 1000};
      struct run *run = write_run(&info, entries, c % 2 == 0 ? 1000 : 33);
      struct err err = {0};
      size_t absent_hits = 0;
      for (size_t i = 0; i < count; i += count > 1000 ? 13 : 1) {
        assert_true(is_found(run, &entries[i]));
        struct entry other = entries[i];
        other.position++; /* positions are multiples of 8 */
        assert_false(is_found(run, &other));
        if (kind == ENTRY_TIME) continue;
        bool may_hold = false;
        struct hash hash = {.high = entries[i].first, .low = entries[i].second};
        assert_int_equal(run_may_hold(run, hash, &may_hold, &err), 0);
        assert_true(may_hold);
        hash = (struct hash){.high = roll(), .low = roll()};
        assert_int_equal(run_may_hold(run, hash, &may_hold, &err), 0);
        absent_hits += may_hold;
      }
      if (count == 60000 && kind != ENTRY_TIME) assert_in_range(absent_hits, 0, 60000 / 13 / 50); /* 2 %; is 0.5 */
      const struct entry last = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
      assert_false(is_found(run, &last));
      struct run_cursor *cursor = run_cursor_new(run);
      const struct entry *page;
      size_t seen = 0;
      for (uint32_t got = 1; got > 0; seen += got) {
        assert_int_equal(run_cursor_next(cursor, &page, &got, &err), 0);
        assert_memory_equal(page, entries + seen, got * sizeof *entries);
      }
      assert_int_equal(seen, count);
      run_cursor_free(cursor);
      run_release(run);
      free(entries);
    }
  }
}

/* A file that was begun and not finished is gone. */
static void test_unfinished(void **state) {
  (void)state;
  struct run_info info = {.number = 77, .kind = ENTRY_IDENTITY, .count = 5, .from = 64, .to = 1000};
  struct run_writer *writer;
  struct run *run;
  struct err err = {0};
  assert_int_equal(run_writer_new(dir, uuid, &info, &writer, &err), 0);
  run_writer_free(writer);
  assert_int_equal(run_open(dir, uuid, &info, &run, &err), -ERR_NOT_FOUND);
}

/* ---- damage ---- */

/* Every byte of the file is looked at by somebody: flipped, the opening, the cursor or the filter says so. */
static void test_flipped_bytes(void **state) {
  (void)state;
  size_t count = 200;
  struct entry *entries = make_entries(ENTRY_IDENTITY, count);
  struct run_info info = {.number = 9, .kind = ENTRY_IDENTITY, .count = count, .from = 64, .to = 1000};
  run_release(write_run(&info, entries, count));
  char name[RUN_NAME_SIZE];
  run_name(info.number, name);
  char *path = file_path(dir, name);
  int fd = open(path, O_RDWR);
  struct stat st;
  assert_int_equal(fstat(fd, &st), 0);
  for (off_t at = 0; at < st.st_size; at++) {
    char byte, bad;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    bad = byte ^ 4;
    assert_int_equal(pwrite(fd, &bad, 1, at), 1);
    struct err err = {0};
    struct run *run = NULL;
    int result = run_open(dir, uuid, &info, &run, &err);
    struct run_cursor *cursor = result == 0 ? run_cursor_new(run) : NULL;
    const struct entry *page;
    for (uint32_t got = 1; got > 0 && result == 0;) result = run_cursor_next(cursor, &page, &got, &err);
    for (size_t i = 0; i < count && result == 0; i++) {
      bool may_hold;
      result = run_may_hold(run, (struct hash){entries[i].first, entries[i].second}, &may_hold, &err);
    }
    if (result != -ERR_CORRUPT && result != -ERR_VERSION) fail_msg("offset %ld is not looked at", (long)at);
    assert_non_null(strstr(err.text, name));
    run_cursor_free(cursor);
    run_release(run);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  }
  close(fd);
  free(path);
  free(entries);
}

/* ---- lists ---- */

static struct run *small_run(uint64_t number, enum entry_kind kind, uint64_t from, uint64_t to) {
  struct entry entry = {number, 0, from};
  struct run_info info = {.number = number, .kind = kind, .count = 1, .from = from, .to = to};
  return write_run(&info, &entry, 1);
}

static struct run_list *add(struct run_list *list, struct run *run, bool merged) {
  struct run_list *grown = merged ? run_list_with_merged(list, run) : run_list_with(list, run);
  run_list_release(list);
  return grown;
}

static void test_lists(void **state) {
  (void)state;
  struct run_list *list = run_list_new();
  list = add(list, small_run(1, ENTRY_IDENTITY, 64, 100), false);
  list = add(list, small_run(2, ENTRY_TIME, 64, 100), false);
  list = add(list, small_run(3, ENTRY_IDENTITY, 100, 200), false);
  list = add(list, small_run(4, ENTRY_TIME, 100, 200), false);
  list = add(list, small_run(5, ENTRY_IDENTITY, 200, 300), false);
  struct run_list *before = run_list_hold(list);
  list = add(list, small_run(6, ENTRY_IDENTITY, 64, 200), true);
  const uint64_t expected[] = {6, 2, 4, 5};
  assert_int_equal(list->count, 4);
  for (size_t i = 0; i < 4; i++) assert_int_equal(run_info(list->items[i])->number, expected[i]);
  assert_int_equal(run_list_count(list, ENTRY_IDENTITY), 2);
  run_list_release(list);
  /* who holds the list from before still reads what was merged away */
  struct entry wanted = {3, 0, 100};
  assert_int_equal(before->count, 5);
  assert_true(is_found(before->items[2], &wanted));
  run_list_release(before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sort),          cmocka_unit_test(test_found_again), cmocka_unit_test(test_unfinished),
      cmocka_unit_test(test_flipped_bytes), cmocka_unit_test(test_lists),
  };
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
