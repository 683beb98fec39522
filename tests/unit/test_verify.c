/* Verification finds what it says it finds: each kind of difference is made on purpose, and only then is it told. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "ledger/index/run_writer.h"
#include "ledger/ledger.h"
#include "ledger/log/block.h"
#include "ledger/log/log.h"
#include "ledger/totals/rows.h"

#define T0 INT64_C(1500220800000)
#define RECORDS 60
#define MAP_SIZE (UINT64_C(64) << 20)

struct fixture {
  char dir[64];
  struct ledger_options options;
};

static struct usage usage_of(const char *id, int number) {
  return (struct usage){
      .project = number % 3 == 0 ? STR("org-b") : STR("org-a"),
      .source = STR("farm"),
      .id = str_of(id),
      .kind = USAGE_TRANSCODE,
      .outcome = number % 10 == 9 ? USAGE_FAILED : USAGE_FINISHED,
      .codec = number % 2 == 0 ? STR("h264") : STR("h265"),
      .width = 640,
      .height = 360,
      .has_amount = true,
      .amount = 1000 * (uint64_t)number,
      .finished_ms = T0 + number * INT64_C(3600000),
      .finish_stated = true,
      .arrived_ms = T0,
  };
}

static void make_project(struct ledger *ledger, const char *id) {
  struct err err = {0};
  struct change change = {.type = CHANGE_PROJECT_CREATE};
  strcpy(change.project.id, id);
  strcpy(change.project.zone, "Asia/Shanghai");
  assert_int_equal(ledger_stage_change(ledger, &change, &err), 0);
  assert_int_equal(ledger_commit(ledger, &err), 0);
}

/* Sixty records, rebuilt: all of them stand in one run of each kind. */
static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  struct err err = {0};
  struct ledger *ledger;
  strcpy(f->dir, "/tmp/codecmeter-verify-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  f->options = (struct ledger_options){.dir = f->dir, .map_size = MAP_SIZE, .disk_reserve = UINT64_MAX};
  assert_int_equal(ledger_open(&f->options, &ledger, &err), 0);
  make_project(ledger, "org-a");
  make_project(ledger, "org-b");
  for (int i = 0; i < RECORDS; i++) {
    char id[16];
    snprintf(id, sizeof id, "job-%d", i);
    struct usage usage = usage_of(id, i);
    struct verdict verdict;
    size_t decided;
    assert_int_equal(ledger_stage_usages(ledger, &usage, 1, UINT64_MAX, &verdict, &decided, &err), 0);
    if (i % 7 == 0) assert_int_equal(ledger_commit(ledger, &err), 0);
  }
  assert_int_equal(ledger_commit(ledger, &err), 0);
  ledger_close(ledger);
  assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  struct err err;
  assert_int_equal(file_remove_tree(f->dir, &err), 0);
  free(f);
  return 0;
}

struct told {
  unsigned count;
  char first[512];
};

static void tell(void *arg, const char *line) {
  struct told *told = arg;
  if (told->count++ == 0) snprintf(told->first, sizeof told->first, "%s", line);
}

static int verify(struct fixture *f, struct ledger_verify_report *report, struct told *told, struct err *err) {
  struct ledger_verify_options how = {.differs = tell, .arg = told};
  *told = (struct told){0};
  return ledger_verify(&f->options, &how, report, err);
}

/* There is a difference, and what is told of it holds the word. */
static void assert_differs(struct fixture *f, const char *word) {
  struct ledger_verify_report report;
  struct told told;
  struct err err = {0};
  if (verify(f, &report, &told, &err) != 0) fail_msg("%s", err.text);
  assert_true(report.differences > 0);
  assert_int_equal(report.differences, told.count);
  if (strstr(told.first, word) == NULL) fail_msg("'%s' does not speak of %s", told.first, word);
}

static void assert_same(struct fixture *f) {
  struct ledger_verify_report report;
  struct told told;
  struct err err = {0};
  if (verify(f, &report, &told, &err) != 0) fail_msg("%s", err.text);
  if (told.count > 0) fail_msg("%s", told.first);
  assert_int_equal(report.differences, 0);
  assert_true(report.usages >= RECORDS);
}

static void test_nothing_differs(void **state) { assert_same(*state); }

/* ---- rows ---- */

static int keep_first(void *arg, struct str key, struct str value, struct err *err) {
  (void)err;
  struct buf *kept = arg; /* key, then value */
  buf_str(&kept[0], key);
  buf_str(&kept[1], value);
  return 0;
}

enum harm { CHANGE_ROW, DELETE_ROW, ADD_ROW };

/* Harms the first row of a table from a key on, as a faulty program would: with a checksum that matches. */
static void harm_row(struct fixture *f, enum table table, struct str from, enum harm harm) {
  struct err err = {0};
  struct rows *rows;
  struct rows_txn *txn;
  bool is_old;
  char *derived = file_path(f->dir, "derived");
  struct buf kept[2] = {0};
  assert_int_equal(rows_open(derived, MAP_SIZE, false, &rows, &is_old, &err), 0);
  assert_int_equal(rows_begin_write(rows, &txn, &err), 0);
  assert_int_equal(rows_walk(txn, table, from, keep_first, kept, &err), 0);
  assert_true(kept[0].len > 0);
  int result = 0;
  if (harm == DELETE_ROW) result = rows_delete(txn, table, buf_view(&kept[0]), &err);
  if (harm == CHANGE_ROW) kept[1].ptr[0] ^= 1;
  if (harm == ADD_ROW) kept[0].ptr[kept[0].len - 1] ^= 2;
  if (harm != DELETE_ROW) result = rows_put(txn, table, buf_view(&kept[0]), buf_view(&kept[1]), &err);
  assert_int_equal(rows_finish(txn, result, &err), 0);
  rows_close(rows);
  buf_fini(&kept[0]);
  buf_fini(&kept[1]);
  free(derived);
}

static void test_rows(void **state) {
  struct fixture *f = *state;
  const struct {
    enum table table;
    struct str from;
    const char *word;
  } tables[] = {
      {TABLE_QUARTERS, STR(""), "quarter hour"},
      {TABLE_DAYS, STR(""), "day"},
      {TABLE_CATALOGUE, STR("p"), "catalogue"},
      {TABLE_CATALOGUE, STR("c"), "catalogue"},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    for (int harm = CHANGE_ROW; harm <= ADD_ROW; harm++) {
      struct err err = {0};
      if (tables[i].from.len > 0 && tables[i].from.ptr[0] == 'p' && harm == ADD_ROW) continue; /* the same name twice */
      harm_row(f, tables[i].table, tables[i].from, (enum harm)harm);
      assert_differs(f, tables[i].word);
      assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
      assert_same(f);
    }
  }
}

/* ---- runs ---- */

/* Writes the run of a kind again, with the entry of an index changed. */
static void harm_run(struct fixture *f, enum entry_kind kind, void (*change)(struct entry *entry)) {
  struct err err = {0};
  struct log *log;
  char *runs = file_path(f->dir, "derived/runs");
  assert_int_equal(log_open_to_read(f->dir, &log, &err), 0);
  struct run_info info = {.number = (uint64_t)kind, .kind = kind, .count = RECORDS};
  char name[RUN_NAME_SIZE], head[64];
  run_name(info.number, name);
  char *path = file_path(runs, name);
  int fd = open(path, O_RDONLY);
  assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
  close(fd);
  info.from = le64_load(head + 48);
  info.to = le64_load(head + 56);
  struct run *run;
  assert_int_equal(run_open(runs, log_uuid(log), &info, &run, &err), 0);
  struct entry entries[RECORDS];
  for (size_t i = 0; i < RECORDS; i++) assert_int_equal(run_entry(run, i, &entries[i], &err), 0);
  run_release(run);
  change(&entries[RECORDS / 2]);
  struct entry room[RECORDS];
  entry_sort(entries, room, RECORDS);
  struct run_writer *writer;
  assert_int_equal(run_writer_new(runs, log_uuid(log), &info, &writer, &err), 0);
  assert_int_equal(run_writer_add(writer, entries, RECORDS, &err), 0);
  assert_int_equal(run_writer_finish(writer, &err), 0);
  run_writer_free(writer);
  log_close(log);
  free(path);
  free(runs);
}

static void other_hash(struct entry *entry) { entry->first ^= 1; }
static void other_position(struct entry *entry) { entry->position -= 8; }

static void test_runs(void **state) {
  struct fixture *f = *state;
  void (*const harms[])(struct entry *entry) = {other_hash, other_position};
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
      struct err err = {0};
      harm_run(f, (enum entry_kind)kind, harms[i]);
      assert_differs(f, "lacks");
      assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
      assert_same(f);
    }
  }
}

/* ---- the log ---- */

/* Appends a block with one record, as another writer of a shared log would. */
static uint64_t append_record(struct fixture *f, const char *id, int number) {
  struct err err = {0};
  struct log *log;
  struct usage usage = usage_of(id, number);
  uint64_t position;
  assert_int_equal(log_open(f->dir, 0, &log, &err), 0);
  struct block_writer *writer = block_writer_new();
  block_writer_begin(writer, log_end(log), LOG_FIRST_POSITION, INT64_C(4000000000000));
  assert_int_equal(block_add_usage(writer, &usage, &position), 0);
  struct str bytes = block_writer_finish(writer);
  char *path = file_path(f->dir, "log/0000000000000000.seg");
  int fd = open(path, O_WRONLY | O_APPEND);
  assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
  close(fd);
  free(path);
  block_writer_free(writer);
  log_close(log);
  return position;
}

/* A duplicate in the log counts nothing, and is no difference; a new record beyond the checkpoint is not recounted. */
static void test_duplicate_in_the_log(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  append_record(f, "job-5", 5);
  append_record(f, "job-5", 7); /* other content: still the same identity */
  append_record(f, "fresh", 5);
  assert_same(f);
  assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
  assert_same(f);
}

static struct entry forged;
static void forge(struct entry *entry) { *entry = forged; }

/* An earlier version may have counted the second record of an identity: its runs have the entry, verify names both records,
 * and a rebuild mends it. */
static void test_counted_twice(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  struct ledger_verify_report report;
  struct told told;
  char positions[64];
  uint64_t position = append_record(f, "job-5", 7);
  struct usage usage = usage_of("job-5", 5);
  struct hash identity = hash_identity_entry(&usage);
  assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
  assert_int_equal(verify(f, &report, &told, &err), 0);
  assert_true(told.count == 0 && report.uncounted == 1);
  forged = (struct entry){identity.high, identity.low, position};
  harm_run(f, ENTRY_IDENTITY, forge);
  assert_int_equal(verify(f, &report, &told, &err), 0);
  assert_int_equal(report.differences, 2); /* this one, and the record whose entry it took the place of */
  snprintf(positions, sizeof positions, " and %llu", (unsigned long long)position);
  assert_true(strstr(told.first, "lacks") != NULL || strstr(told.first, positions) != NULL);
  assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
  assert_same(f);
}

static void test_torn_tail(void **state) {
  struct fixture *f = *state;
  struct ledger_verify_report report;
  struct told told;
  struct err err = {0};
  char *path = file_path(f->dir, "log/0000000000000000.seg");
  int fd = open(path, O_WRONLY | O_APPEND);
  assert_int_equal(write(fd, "CMB1 and no more", 16), 16);
  close(fd);
  assert_int_equal(verify(f, &report, &told, &err), 0);
  assert_int_equal(report.differences, 0);
  assert_int_equal(report.unsettled, 16);
  /* a flipped bit before that is damage */
  fd = open(path, O_RDWR);
  char byte;
  assert_int_equal(pread(fd, &byte, 1, 200), 1);
  byte ^= 1;
  assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
  close(fd);
  assert_int_equal(verify(f, &report, &told, &err), -ERR_CORRUPT);
  assert_non_null(strstr(err.text, "0000000000000000.seg"));
  free(path);
}

static void test_missing_run(void **state) {
  struct fixture *f = *state;
  struct ledger_verify_report report;
  struct told told;
  struct err err = {0};
  char *path = file_path(f->dir, "derived/runs/0000000000000002.run");
  assert_int_equal(unlink(path), 0);
  assert_int_equal(verify(f, &report, &told, &err), -ERR_CORRUPT);
  assert_non_null(strstr(err.text, "missing"));
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_nothing_differs),      T(test_rows),      T(test_runs),
      T(test_duplicate_in_the_log), T(test_counted_twice), T(test_torn_tail),
      T(test_missing_run),
#undef T
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
