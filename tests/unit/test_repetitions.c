/* Logs that hold records which count nothing: an identity or a void twice, a void before its target, and the like.
 * Earlier versions and other programs may have written them. Such a log is applied, verified and rebuilt alike,
 * wherever the checkpoints, merges and restarts are.
 */
#include <fcntl.h>

#include "ledger/care/history.h"
#include "ledger/log/block.h"
#include "scan_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- records, by letters ---- */

/* a, A: a task of 1 s, and the same identity with 2 s. u: the same identity, unresolved. b: another task, of 4 s. v,
 * w: voids of a. V: a void with the id of v, of b. x: a void of v. y: a void with the id of a, of b. o: a task of a
 * project that is not there. */
static struct usage usage_by(char letter) {
  struct usage usage;
  switch (letter) {
    case 'a':
      return usage_of("org-a", "a", T0);
    case 'A':
      usage = usage_of("org-a", "a", T0);
      usage.amount = 2000;
      return usage;
    case 'u':
      return unresolved_of("org-a", "a", T0);
    case 'b':
      usage = usage_of("org-a", "b", T0);
      usage.amount = 4000;
      return usage;
    case 'v':
      return void_of("org-a", "v", "a", T0);
    case 'w':
      return void_of("org-a", "w", "a", T0);
    case 'V':
      return void_of("org-a", "v", "b", T0);
    case 'x':
      usage = void_of("org-a", "x", "v", T0);
      usage.target_source = STR("desk");
      return usage;
    case 'y':
      usage = void_of("org-a", "a", "b", T0);
      usage.source = STR("farm");
      return usage;
    case 'o':
      return usage_of("org-o", "a", T0);
    default:
      fail_msg("no record %c", letter);
  }
  return (struct usage){0};
}

/* Appends records, as another writer of the log would. */
static void append(struct fixture *f, const char *letters, size_t count) {
  struct err err = {0};
  struct log *log;
  if (count == 0) return;
  assert_int_equal(log_open(f->dir, 0, &log, &err), 0);
  uint64_t position = log_end(log);
  log_close(log);
  struct block_writer *writer = block_writer_new();
  block_writer_begin(writer, position, LOG_FIRST_POSITION, f->now_ms);
  for (size_t i = 0; i < count; i++) {
    struct usage usage = usage_by(letters[i]);
    assert_int_equal(block_add_usage(writer, &usage, &position), 0);
  }
  struct str bytes = block_writer_finish(writer);
  char *path = file_path(f->dir, "log/0000000000000000.seg");
  int fd = open(path, O_WRONLY | O_APPEND);
  assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
  close(fd);
  free(path);
  block_writer_free(writer);
}

/* ---- what is shown, and what verify says ---- */

static uint64_t seconds_of(struct fixture *f) {
  struct project project;
  struct ledger_rows rows;
  struct err err = {0};
  uint64_t seconds = 0;
  assert_true(catalogue_project(ledger_catalogue(f->ledger), STR("org-a"), &project));
  const struct zone *zone;
  assert_int_equal(zone_find(str_of(project.zone), &zone, &err), 0);
  int32_t day = zone_day_of(zone, T0 / 1000);
  assert_int_equal(ledger_totals(f->ledger, &project, USAGE_TRANSCODE, day, day, 10, &rows, &err), 0);
  for (size_t i = 0; i < rows.count; i++)
    seconds += rows.items[i].units[TIER_LOW];
  ledger_rows_fini(&rows);
  return seconds;
}

struct told {
  unsigned count;
  char first[512];
};

static void tell(void *arg, const char *line) {
  struct told *told = arg;
  if (told->count++ == 0) snprintf(told->first, sizeof told->first, "%s", line);
}

static struct ledger_verify_report verify(struct fixture *f, struct told *told) {
  struct ledger_verify_options how = {.differs = tell, .arg = told};
  struct ledger_verify_report report;
  struct err err = {0};
  *told = (struct told){0};
  if (ledger_verify(&f->options, &how, &report, &err) != 0) fail_msg("verify: %s", err.text);
  assert_int_equal(report.differences, told->count);
  return report;
}

struct row {
  const char *letters;
  uint64_t seconds;   /* that count in the end */
  uint64_t uncounted; /* records */
};

static void expect(struct fixture *f, const struct row *row, const char *when) {
  struct told told;
  if (seconds_of(f) != row->seconds) fail_msg("%s, %s: %lu s", row->letters, when, (unsigned long)seconds_of(f));
  checkpoint(f, true);
  close_ledger(f);
  struct ledger_verify_report report = verify(f, &told);
  if (told.count > 0) fail_msg("%s, %s: %s", row->letters, when, told.first);
  if (report.uncounted != row->uncounted)
    fail_msg("%s, %s: %lu are not counted", row->letters, when, (unsigned long)report.uncounted);
  assert_int_equal(report.compared, report.records);
  open_ledger(f);
}

static const struct row rows[] = {
    {"aa", 1, 1},   {"aA", 1, 1},     {"Aa", 2, 1},  {"aAA", 1, 2},  {"ou", 0, 1},    {"oa", 1, 1},   {"uu", 0, 1},
    {"ua", 1, 0},   {"uaa", 1, 1},    {"uaA", 1, 1}, {"au", 1, 1},   {"uau", 1, 1},   {"auv", 0, 1},  {"v", 0, 1},
    {"va", 1, 1},   {"vav", 0, 1},    {"vaw", 0, 1}, {"avv", 0, 1},  {"avw", 0, 1},   {"abvw", 4, 1}, {"avx", 0, 1},
    {"xav", 0, 1},  {"avxw", 0, 2},   {"uv", 0, 1},  {"uva", 1, 1},  {"uvav", 0, 1},  {"avV", 0, 1},  {"abvV", 4, 1},
    {"abVv", 1, 1}, {"bya", 0, 1},    {"aby", 5, 1}, {"bvya", 0, 2}, {"abvav", 4, 2}, {"avA", 0, 1},  {"avAv", 0, 2},
    {"avwa", 0, 2}, {"uavuwA", 0, 3}, {"bby", 0, 1},
};

static void try_log(const struct row *row, size_t cut, uint64_t delta_max, bool checkpoints) {
  void *fixture;
  setup(&fixture);
  struct fixture *f = fixture;
  struct err err = {0};
  f->options.delta_max = delta_max;
  open_ledger(f);
  make_project(f, "org-a", "Asia/Shanghai");
  close_ledger(f);
  append(f, row->letters, cut);
  open_ledger(f);
  if (checkpoints) checkpoint(f, true);
  close_ledger(f);
  append(f, row->letters + cut, strlen(row->letters) - cut);
  open_ledger(f);
  expect(f, row, "applied");
  close_ledger(f);
  if (ledger_rebuild(&f->options, NULL, &err) != 0) fail_msg("rebuild: %s", err.text);
  open_ledger(f);
  expect(f, row, "rebuilt");
  teardown(&fixture);
}

/* Each log in two parts, with a checkpoint or only a restart between them, by deltas of one record, whose runs are
 * merged, or in one delta; then rebuilt. */
static void test_logs(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    size_t length = strlen(rows[i].letters);
    try_log(&rows[i], length - 1, 1, true);
    if (i % 2 == 0)
      try_log(&rows[i], length / 2, 1000, true);
    else
      try_log(&rows[i], 0, 1000, false);
  }
}

/* The ledger refuses what the log already holds, and stores what it does not: as if the log had been written by
 * itself. */
static void test_reports_behind(void **state) {
  static const struct {
    const char *log;
    char reported;
    enum verdict_outcome outcome;
    enum verdict_reason reason;
  } table[] = {
      {"aa", 'a', VERDICT_DUPLICATE, VERDICT_REASON_NONE},
      {"aA", 'a', VERDICT_DUPLICATE, VERDICT_REASON_NONE},
      {"aA", 'A', VERDICT_CONFLICT, VERDICT_REASON_CONTENT},
      {"va", 'v', VERDICT_STORED, VERDICT_REASON_NONE},
      {"va", 'V', VERDICT_REJECTED, VERDICT_REASON_NO_TARGET},
      {"avw", 'w', VERDICT_DUPLICATE, VERDICT_REASON_VOIDED},
      {"oa", 'o', VERDICT_REJECTED, VERDICT_REASON_NO_PROJECT},
      {"uau", 'u', VERDICT_DUPLICATE, VERDICT_REASON_NONE},
      {"avx", 'x', VERDICT_REJECTED, VERDICT_REASON_VOID},
      {"uv", 'v', VERDICT_REJECTED, VERDICT_REASON_WAITS},
  };
  (void)state;
  for (size_t i = 0; i < 2 * COUNT(table); i++) {
    void *fixture;
    setup(&fixture);
    struct fixture *f = fixture;
    struct usage usage = usage_by(table[i / 2].reported);
    struct verdict verdict;
    struct err err = {0};
    size_t decided;
    open_ledger(f);
    make_project(f, "org-a", "Asia/Shanghai");
    close_ledger(f);
    append(f, table[i / 2].log, strlen(table[i / 2].log));
    open_ledger(f);
    if (i % 2 != 0) checkpoint(f, true);
    assert_int_equal(ledger_stage_usages(f->ledger, &usage, 1, UINT64_MAX, &verdict, &decided, &err), 0);
    if (verdict.outcome != table[i / 2].outcome || verdict.reason != table[i / 2].reason)
      fail_msg("%s, then %c: %d, %d", table[i / 2].log, table[i / 2].reported, verdict.outcome, verdict.reason);
    commit(f);
    teardown(&fixture);
  }
}

/* Reported, in one group or each in its own, the same records count: what the log would not count is not stored. */
static void test_reports(void **state) {
  (void)state;
  for (size_t i = 0; i < 2 * COUNT(rows); i++) {
    const struct row *row = &rows[i / 2];
    void *fixture;
    setup(&fixture);
    struct fixture *f = fixture;
    uint64_t refused = 0;
    open_ledger(f);
    make_project(f, "org-a", "Asia/Shanghai");
    for (const char *letter = row->letters; *letter != '\0'; letter++) {
      struct usage usage = usage_by(*letter);
      refused += stage(f, &usage) != VERDICT_STORED;
      if (i % 2 != 0) commit(f);
    }
    commit(f);
    if (refused != row->uncounted) fail_msg("%s: %lu are not stored", row->letters, (unsigned long)refused);
    if (seconds_of(f) != row->seconds) fail_msg("%s: %lu s", row->letters, (unsigned long)seconds_of(f));
    teardown(&fixture);
  }
}

/* ---- history ---- */

struct heard {
  char text[512];
};

static int hear(void *arg, const struct history_item *item, struct err *err) {
  struct heard *heard = arg;
  (void)err;
  size_t len = strlen(heard->text);
  snprintf(heard->text + len, sizeof heard->text - len, "%llu %u %.*s; ", (unsigned long long)item->position,
           item->usage->kind, item->voiding != NULL ? (int)item->voiding->id.len : 1,
           item->voiding != NULL ? item->voiding->id.ptr : "-");
  return 0;
}

static int hear_waiting(void *arg, const struct usage *usage, struct err *err) {
  const struct history_item item = {.usage = usage};
  return hear(arg, &item, err);
}

static void ask(struct fixture *f, struct heard *ret, struct heard *ret_waiting) {
  const struct history_query query = {.project = STR("org-a"), .source = STR("farm"), .id = STR("a")};
  const struct unresolved_query waiting = {.project = STR("org-a")};
  struct err err = {0};
  *ret = *ret_waiting = (struct heard){0};
  int result = history_find(&f->options, &query, hear, ret, &err);
  if (result != 0 && result != -ERR_NOT_FOUND) fail_msg("history: %s", err.text);
  assert_int_equal(history_unresolved(&f->options, &waiting, hear_waiting, ret_waiting, &err), 0);
}

/* Behind the last checkpoint, the log itself is read: it shows what the runs show afterwards. */
static void test_history(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    void *fixture;
    setup(&fixture);
    struct fixture *f = fixture;
    struct heard behind, covered, waiting_behind, waiting_covered;
    open_ledger(f);
    make_project(f, "org-a", "Asia/Shanghai");
    checkpoint(f, true);
    close_ledger(f);
    append(f, rows[i].letters, strlen(rows[i].letters));
    ask(f, &behind, &waiting_behind);
    open_ledger(f);
    checkpoint(f, true);
    close_ledger(f);
    ask(f, &covered, &waiting_covered);
    assert_true(covered.text[0] != '\0' || strchr("ovx", rows[i].letters[0]) != NULL || rows[i].letters[0] == 'b');
    if (strcmp(behind.text, covered.text) != 0)
      fail_msg("%s: %s, but behind the checkpoint %s", rows[i].letters, covered.text, behind.text);
    if (strcmp(waiting_behind.text, waiting_covered.text) != 0)
      fail_msg("%s waits: %s, but behind the checkpoint %s", rows[i].letters, waiting_covered.text,
               waiting_behind.text);
    teardown(&fixture);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_logs),
      cmocka_unit_test(test_reports_behind),
      cmocka_unit_test(test_reports),
      cmocka_unit_test(test_history),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
