/* scan.h: what it refuses, and the states of a ledger that a random history rarely meets: pieces of a large delta, a
 * delta that is frozen, covered, taken over and used again while a reader holds it, logs of every format, readers beside
 * the writer, and projects as they were. `test_scan DIR`: DIR has the archives of tests/data/formats.
 */
#include "scan_fixture.h"

#include <dirent.h>
#include <glob.h>
#include <stdatomic.h>

#include "ledger/cells.h"
#include "ledger/view.h"

static const char *formats_dir;

static struct fixture *with_project(void **state) {
  struct fixture *f = *state;
  open_ledger(f);
  make_project(f, "org-a", "Asia/Shanghai");
  return f;
}

/* ---- bad inputs ---- */

static int no_entry(void *arg, const struct ledger_history_item *item, struct err *err) {
  (void)item;
  (void)err;
  ++*(unsigned *)arg;
  return 0;
}

static int no_part(void *arg, const struct sums_part *part, struct err *err) {
  (void)part;
  (void)err;
  ++*(unsigned *)arg;
  return 0;
}

static void test_bad_pages(void **state) {
  struct fixture *f = with_project(state);
  struct usage usage = usage_of("org-a", "1", T0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  uint64_t end = ledger_position(f->ledger);
  uint32_t number = number_of(f, "org-a");
  const unsigned all = SCAN_KINDS;
#define ON(ms, at) .project = number, .kinds = all, ALL_TIME, .as_of = end, .has_behind = true, .behind = {ms, at}
#define BACK(ms, at) ON(ms, at), .descending = true
  const struct {
    struct scan_query query;
    size_t room;
    int result;
    size_t count;
    const char *text;
  } cases[] = {
      {{.project = number, .kinds = 0, ALL_TIME, .as_of = end}, 1, -ERR_RANGE, 0, "kinds"},
      {{.project = number, .kinds = 1, ALL_TIME, .as_of = end}, 1, -ERR_RANGE, 0, "kinds"},
      {{.project = number, .kinds = all | 1u << 7, ALL_TIME, .as_of = end}, 1, -ERR_RANGE, 0, "kinds"},
      {{.project = number, .kinds = all, ALL_TIME, .as_of = end}, 0, -ERR_RANGE, 0, "page"},
      {{.project = number, .kinds = all, ALL_TIME, .as_of = end}, SCAN_ROOM_MAX + 1, -ERR_RANGE, 0, "page"},
      {{.project = number, .kinds = all, ALL_TIME, .as_of = end + 1}, 1, -ERR_RANGE, 0, "position"},
      {{.project = number, .kinds = all, ALL_TIME, .as_of = UINT64_MAX}, 1, -ERR_RANGE, 0, "position"},
      {{.project = number, .kinds = all, ALL_TIME, .as_of = 0}, 1, 0, 0, NULL},
      {{.project = 0, .kinds = all, ALL_TIME, .as_of = end}, 1, 0, 0, NULL},
      {{.project = number + 1, .kinds = all, ALL_TIME, .as_of = end}, 1, 0, 0, NULL},
      {{.project = UINT32_MAX, .kinds = all, ALL_TIME, .as_of = end}, 1, 0, 0, NULL},
      {{.project = number, .kinds = all, .from_ms = T0 + 1, .to_ms = T0, .as_of = end}, 1, 0, 0, NULL},
      {{.project = number, .kinds = all, .from_ms = INT64_MAX, .to_ms = INT64_MIN, .as_of = end}, 1, 0, 0, NULL},
      {{.project = number, .kinds = all, .from_ms = T0, .to_ms = T0, .as_of = end}, 1, 0, 0, NULL},
      {{.project = number, .kinds = all, .from_ms = INT64_MIN, .to_ms = -1, .as_of = end}, 1, 0, 0, NULL},
      {{.project = number, .kinds = all, .from_ms = T0, .to_ms = T0 + 1, .as_of = end}, 1, 0, 1, NULL},
      {{.project = number, .kinds = all, .from_ms = -5, .to_ms = INT64_MAX, .as_of = end}, SCAN_ROOM_MAX, 0, 1, NULL},
      {{ON(INT64_MIN, UINT64_MAX)}, 1, 0, 1, NULL},
      {{ON(INT64_MAX, UINT64_MAX)}, 1, 0, 0, NULL},
      {{ON(T0, 0)}, 1, 0, 1, NULL},
      {{ON(T0, UINT64_MAX)}, 1, 0, 0, NULL},
      {{BACK(INT64_MIN, UINT64_MAX)}, 1, 0, 0, NULL},
      {{BACK(INT64_MAX, 0)}, 1, 0, 1, NULL},
      {{BACK(T0, 0)}, 1, 0, 0, NULL},
      {{BACK(T0, UINT64_MAX)}, 1, 0, 1, NULL},
  };
  struct scan_entry *entries = calloc(SCAN_ROOM_MAX, sizeof *entries);
  for (int round = 0; round < 2; round++) { /* from the delta, then from a run */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      struct err err = {0};
      size_t count = 0;
      int result = ledger_scan_entries(f->ledger, &cases[i].query, entries, cases[i].room, &count, &err);
      if (result != cases[i].result || count != cases[i].count) fail_msg("case %zu: %d, %zu", i, result, count);
      if (cases[i].text != NULL) assert_non_null(strstr(err.text, cases[i].text));
    }
    checkpoint(f, true);
  }
  free(entries);
}

static void test_bad_names(void **state) {
  struct fixture *f = with_project(state);
  static char long_name[SOURCE_MAX + 2];
  memset(long_name, 'x', sizeof long_name - 1);
  uint64_t end = ledger_position(f->ledger);
  const struct {
    struct ledger_history_query query;
    int result;
    const char *text;
  } cases[] = {
      {{.project = STR("org-a"), .id = STR("1"), .as_of = end, .max = 0}, -ERR_RANGE, "records"},
      {{.project = STR("org-a"), .id = STR("1"), .as_of = end, .max = LEDGER_HISTORY_MAX + 1}, -ERR_RANGE, "records"},
      {{.project = STR("org-b"), .id = STR("1"), .as_of = end, .max = 1}, -ERR_NOT_FOUND, "org-b"},
      {{.project = STR(""), .id = STR("1"), .as_of = end, .max = 1}, -ERR_NOT_FOUND, "no project"},
      {{.project = STR("org-a"), .id = STR("1"), .as_of = end + 1, .max = 1}, -ERR_RANGE, "position"},
      {{.project = STR("org-a"), .as_of = end, .max = 1}, 0, NULL},
      {{.project = STR("org-a"), .source = str_of(long_name), .as_of = end, .max = 1}, 0, NULL},
      {{.project = STR("org-a"), .task_id = str_of(long_name), .as_of = end, .max = 1}, 0, NULL},
      {{.project = STR("org-a"), .id = STR("1"), .as_of = end, .behind = UINT64_MAX, .max = 1}, 0, NULL},
  };
  struct scan_reader *reader;
  struct err err = {0};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    unsigned seen = 0;
    uint64_t more = 7;
    int result = ledger_history(reader, &cases[i].query, no_entry, &seen, &more, &err);
    if (result != cases[i].result || seen != 0) fail_msg("case %zu: %d, %u", i, result, seen);
    assert_int_equal(more, result == 0 ? 0 : 7);
    if (cases[i].text != NULL) assert_non_null(strstr(err.text, cases[i].text));
  }
  const struct usage *usage;
  assert_int_equal(scan_record(reader, end - 8, &usage, &err), -ERR_CORRUPT); /* the project's record, or its inside */
  assert_int_equal(scan_record(reader, end, &usage, &err), -ERR_CORRUPT);
  assert_int_equal(scan_record(reader, 0, &usage, &err), -ERR_CORRUPT);
  scan_reader_free(reader);
}

static void test_bad_sums(void **state) {
  struct fixture *f = with_project(state);
  struct usage usage = usage_of("org-a", "1", T0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  static const struct sums_project one[] = {{STR("org-a"), NULL}}, twice[] = {{STR("org-a"), NULL}, {STR("org-a"), NULL}},
                                   other[] = {{STR("org-a"), NULL}, {STR("org-b"), NULL}};
  const unsigned tasks = SCAN_TASKS;
  const struct {
    struct sums_query query;
    int result;
    unsigned parts;
    const char *text;
  } cases[] = {
      {{one, 1, 0, SUMS_DAYS, 0, 100}, -ERR_RANGE, 0, "kinds"},
      {{one, 1, SCAN_KINDS, SUMS_DAYS, 0, 100}, -ERR_RANGE, 0, "kinds"},
      {{one, 1, tasks, SUMS_DAYS, -1, 100}, -ERR_RANGE, 0, "days"},
      {{one, 1, tasks, SUMS_DAYS, 0, ZONE_DAY_MAX + 1}, -ERR_RANGE, 0, "days"},
      {{one, 1, tasks, SUMS_QUARTERS, -1, 100}, -ERR_RANGE, 0, "quarter"},
      {{one, 1, tasks, SUMS_QUARTERS, 0, INT64_MAX}, -ERR_RANGE, 0, "quarter"},
      {{twice, 2, tasks, SUMS_DAYS, 0, 100}, -ERR_RANGE, 0, "twice"},
      {{other, 2, tasks, SUMS_DAYS, 0, 100}, -ERR_NOT_FOUND, 0, "org-b"},
      {{one, 0, tasks, SUMS_DAYS, 0, ZONE_DAY_MAX}, 0, 0, NULL},
      {{one, 1, tasks, SUMS_DAYS, 100, 99}, 0, 0, NULL},
      {{one, 1, tasks, SUMS_QUARTERS, UINT32_MAX, 0}, 0, 0, NULL},
      {{one, 1, tasks, SUMS_DAYS, 0, ZONE_DAY_MAX}, 0, 1, NULL},
      {{one, 1, tasks, SUMS_QUARTERS, 0, UINT32_MAX}, 0, 1, NULL},
  };
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      struct err err = {0};
      unsigned parts = 0;
      uint64_t position = 0;
      int result = ledger_sums(f->ledger, &cases[i].query, no_part, &parts, &position, &err);
      if (result != cases[i].result || parts != cases[i].parts) fail_msg("case %zu: %d, %u", i, result, parts);
      if (cases[i].text != NULL) assert_non_null(strstr(err.text, cases[i].text));
      if (result == 0) assert_int_equal(position, ledger_position(f->ledger));
    }
    checkpoint(f, true);
  }
}

static int refuse_part(void *arg, const struct sums_part *part, struct err *err) {
  (void)arg;
  (void)part;
  return err_set(err, ERR_LIMIT, "enough");
}

static int refuse_item(void *arg, const struct ledger_history_item *item, struct err *err) {
  (void)arg;
  (void)item;
  return err_set(err, ERR_LIMIT, "enough");
}

/* An error of a visitor ends the walk and is returned, in the delta and in the rows. */
static void test_visitors_may_end(void **state) {
  struct fixture *f = with_project(state);
  struct usage usage = usage_of("org-a", "1", T0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  static const struct sums_project one[] = {{STR("org-a"), NULL}};
  struct sums_query query = {one, 1, SCAN_TASKS, SUMS_DAYS, 0, ZONE_DAY_MAX};
  struct scan_reader *reader;
  struct err err = {0};
  uint64_t position;
  for (int round = 0; round < 2; round++) {
    for (int step = SUMS_QUARTERS; step <= SUMS_DAYS; step++) {
      query.step = (enum sums_step)step;
      assert_int_equal(ledger_sums(f->ledger, &query, refuse_part, NULL, &position, &err), -ERR_LIMIT);
      assert_string_equal(err.text, "enough");
    }
    checkpoint(f, true);
  }
  struct ledger_history_query names = {
      .project = STR("org-a"), .source = STR("farm"), .id = STR("1"), .as_of = ledger_position(f->ledger), .max = 1};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  assert_int_equal(ledger_history(reader, &names, refuse_item, NULL, &position, &err), -ERR_LIMIT);
  scan_reader_free(reader);
}

/* ---- a large delta ---- */

enum { LARGE = 3 * SCAN_PIECE + 1000 };

/* Stores many tasks at times that are in no order, of two projects. */
static void store_many(struct fixture *f, unsigned first, unsigned count) {
  static char ids[4096][24];
  struct usage usages[4096];
  struct verdict verdicts[4096];
  for (unsigned at = 0; at < count;) {
    unsigned some = count - at < 4096 ? count - at : 4096;
    for (unsigned i = 0; i < some; i++) {
      snprintf(ids[i], sizeof ids[i], "task-%u", first + at + i);
      usages[i] = usage_of(i % 3 == 0 ? "org-b" : "org-a", ids[i], T0 + (int64_t)random() % (5 * DAY));
      if (i % 5 == 0) usages[i].kind = USAGE_AUDIO;
    }
    struct err err = {0};
    size_t decided;
    if (ledger_stage_usages(f->ledger, usages, some, UINT64_MAX, verdicts, &decided, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(decided, some);
    commit(f);
    at += some;
  }
}

static void expect_large(struct fixture *f) {
  struct notes notes = take_notes(f);
  struct scan_query query = {.project = number_of(f, "org-a"), .kinds = SCAN_KINDS, ALL_TIME, .as_of = notes.end};
  expect_pages(f, &notes, "org-a", &query, 4096);
  query.descending = true;
  expect_pages(f, &notes, "org-a", &query, SCAN_ROOM_MAX);
  query.as_of = notes.items[SCAN_PIECE + 5].position; /* most of the delta is later */
  query.kinds = SCAN_KIND(USAGE_AUDIO);
  expect_pages(f, &notes, "org-a", &query, 1000);
  query.project = number_of(f, "org-b");
  query.from_ms = T0 + DAY;
  query.to_ms = T0 + DAY + DAY / 24;
  query.as_of = notes.end;
  query.descending = false;
  expect_pages(f, &notes, "org-b", &query, 100);
  notes_fini(&notes);
}

/* The filling delta, the same delta frozen, its checkpoint made but not taken over, a run, and a new delta beside it. */
static void test_large_delta(void **state) {
  struct fixture *f = with_project(state);
  make_project(f, "org-b", "UTC");
  srandom(7);
  store_many(f, 0, LARGE);
  expect_large(f);
  unsigned seen = wakes_seen(f);
  checkpoint(f, false);
  struct ledger_status status;
  ledger_status(f->ledger, &status);
  assert_true(status.delta_records[1] > 0);
  expect_large(f); /* while the checkpointer sorts */
  wait_for_more(f, seen);
  expect_large(f); /* LMDB covers it, and no turn has taken the runs over */
  commit(f);
  ledger_status(f->ledger, &status);
  assert_true(status.delta_records[1] == 0 && status.runs >= 3);
  store_many(f, LARGE, SCAN_PIECE + 100);
  expect_large(f);
}

/* A reader's view outlives the checkpoint, the recycling of the delta, and the merge of its runs. */
static void test_a_view_stays(void **state) {
  struct fixture *f = *state;
  f->options.delta_max = 4;
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  char id[24];
  unsigned stored = 0;
  for (; stored < 8; stored++) { /* the spare delta is used again from the third on */
    snprintf(id, sizeof id, "%u", stored);
    struct usage usage = usage_of("org-a", id, T0 + stored);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
  }
  struct view view;
  view_take(f->ledger, &view);
  struct entry before[2][4] = {0};
  for (int i = 0; i < 2; i++) {
    if (view.deltas[i].delta != NULL) pieces_copy(delta_times(view.deltas[i].delta), view.deltas[i].shown, before[i]);
  }
  uint64_t counts = 0;
  for (size_t i = 0; i < view.runs->count; i++)
    counts += run_info(view.runs->items[i])->kind == ENTRY_TIME ? run_info(view.runs->items[i])->count : 0;
  assert_int_equal(counts + view.deltas[0].shown + view.deltas[1].shown, stored); /* each once */
  for (; stored < 200; stored++) {
    snprintf(id, sizeof id, "%u", stored);
    struct usage usage = usage_of("org-a", id, T0 + stored);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
  }
  for (int i = 0; i < 2; i++) {
    struct entry after[4] = {0};
    if (view.deltas[i].delta != NULL) pieces_copy(delta_times(view.deltas[i].delta), view.deltas[i].shown, after);
    assert_memory_equal(after, before[i], sizeof after);
  }
  for (size_t i = 0; i < view.runs->count; i++) {
    struct entry entry;
    struct err err = {0};
    assert_int_equal(run_entry(view.runs->items[i], 0, &entry, &err), 0);
  }
  view_fini(&view);
}

/* ---- logs of every format ---- */

static void add_to_archive(struct fixture *f, const char *project) {
  struct usage usage = usage_of(project, "added", T0);
  if (store(f, &usage) != VERDICT_STORED) fail_msg("not stored");
  struct usage voiding = void_of(project, "void of added", "added", T0 + 1);
  assert_int_equal(store(f, &voiding), VERDICT_STORED);
  struct usage waiting = unresolved_of(project, "waits", T0 + 2);
  assert_int_equal(store(f, &waiting), VERDICT_STORED);
}

static void check_archive(struct fixture *f) {
  struct project *projects;
  size_t count;
  assert_int_equal(catalogue_projects(ledger_catalogue(f->ledger), &projects, &count), 0);
  assert_true(count > 0);
  struct notes notes = take_notes(f);
  assert_true(notes.count > 3);
  for (size_t i = 0; i < count; i++) {
    struct scan_query query = {.project = projects[i].number, .kinds = SCAN_KINDS, ALL_TIME, .as_of = notes.end};
    expect_pages(f, &notes, projects[i].id, &query, 3);
    query.as_of = notes.items[notes.count / 2].position;
    query.descending = true;
    expect_pages(f, &notes, projects[i].id, &query, 100);
    struct project then;
    struct err err = {0};
    assert_int_equal(ledger_project_as_of(f->ledger, str_of(projects[i].id), notes.end, &then, &err), 0);
    assert_string_equal(then.zone, projects[i].zone);
    assert_string_equal(then.name, projects[i].name);
    assert_true(then.created_ms == projects[i].created_ms && then.labels_count == projects[i].labels_count);
  }
  struct scan_reader *reader;
  struct err err = {0};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  for (size_t i = 0; i < notes.count; i++) {
    const struct noted *noted = &notes.items[i];
    const struct usage *usage;
    uint64_t voided;
    if (scan_record(reader, noted->position, &usage, &err) != 0) fail_msg("%s", err.text);
    assert_true(str_equal(usage->id, str_of(noted->id)) && usage->kind == noted->usage.kind);
    if (scan_void(reader, usage, notes.end, &voided, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(voided, usage_is_task(usage->kind) ? noted_void(&notes, noted, notes.end) : 0);
  }
  scan_reader_free(reader);
  free(projects);
  notes_fini(&notes);
}

/* Unpacks an archive into the fixture's directory and opens the ledger in it. */
static void open_archive(struct fixture *f, const char *archive, const char *dir) {
  char command[1024];
  int length = snprintf(command, sizeof command, "mkdir %s && tar -xzf '%s' -C %s", dir, archive, dir);
  assert_true(length > 0 && (size_t)length < sizeof command);
  assert_int_equal(system(command), 0);
  char *data = file_path(dir, "data");
  assert_true(str_copy(str_of(data), f->dir, sizeof f->dir));
  free(data);
  f->now_ms = INT64_C(1800000000000);
  open_ledger(f);
}

static void test_formats(void **state) {
  struct fixture *f = *state;
  char *pattern = file_path(formats_dir, "*.tar.gz"), *kept = strdup(f->dir);
  glob_t found;
  assert_int_equal(glob(pattern, 0, NULL, &found), 0);
  assert_true(found.gl_pathc >= 6);
  f->options.delta_max = 3;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "%u", (unsigned)i);
    char *dir = file_path(kept, name);
    open_archive(f, found.gl_pathv[i], dir);
    free(dir);
    struct project *projects;
    size_t count;
    assert_int_equal(catalogue_projects(ledger_catalogue(f->ledger), &projects, &count), 0);
    add_to_archive(f, projects[0].id);
    free(projects);
    check_archive(f);
    checkpoint(f, true);
    check_archive(f);
    close_ledger(f);
  }
  assert_true(str_copy(str_of(kept), f->dir, sizeof f->dir));
  free(kept);
  free(pattern);
  globfree(&found);
}

/* ---- as of an earlier position ---- */

static uint64_t set_project(struct fixture *f, const char *id, const char *zone, const char *name, const char *label) {
  struct change set = {.type = CHANGE_PROJECT_SET};
  strcpy(set.project.id, id);
  if (zone != NULL) set.set |= CHANGE_SET_ZONE, strcpy(set.project.zone, zone);
  if (name != NULL) set.set |= CHANGE_SET_NAME, strcpy(set.project.name, name);
  if (label != NULL) {
    set.set |= CHANGE_SET_LABELS;
    set.project.labels_count = 1;
    strcpy(set.project.labels[0], label);
  }
  assert_int_equal(change(f, &set), 0);
  return ledger_position(f->ledger);
}

static void test_projects_as_they_were(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  struct project then;
  f->options.delta_max = 7;
  f->options.segment_size = 3000;
  open_ledger(f);
  uint64_t before = ledger_position(f->ledger);
  make_project(f, "org-b", "UTC");
  uint64_t at[6] = {ledger_position(f->ledger)};
  make_project(f, "org-a", "Asia/Shanghai");
  static const struct {
    const char *zone, *name, *label;
  } sets[] = {{"Europe/Berlin", NULL, NULL}, {NULL, "Ann's", NULL}, {NULL, NULL, "team"}, {"UTC", NULL, NULL}};
  at[1] = ledger_position(f->ledger);
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 5; k++) {
      char id[24];
      snprintf(id, sizeof id, "%d-%d", i, k);
      struct usage usage = usage_of("org-a", id, T0);
      assert_int_equal(store(f, &usage), VERDICT_STORED);
    }
    if (i == 2) checkpoint(f, true);
    at[2 + i] = set_project(f, "org-a", sets[i].zone, sets[i].name, sets[i].label);
    if (i == 0) assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), at[1], &then, &err), 0);
  }
  static const struct {
    const char *zone, *name;
    size_t labels;
  } wanted[] = {{NULL, NULL, 0},
                {"Asia/Shanghai", "org-a", 0},
                {"Europe/Berlin", "org-a", 0},
                {"Europe/Berlin", "Ann's", 0},
                {"Europe/Berlin", "Ann's", 1},
                {"UTC", "Ann's", 1}};
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 6; i++) {
      int result = ledger_project_as_of(f->ledger, STR("org-a"), at[i], &then, &err);
      assert_int_equal(result, wanted[i].zone != NULL ? 0 : -ERR_NOT_FOUND);
      if (result != 0) continue;
      assert_string_equal(then.zone, wanted[i].zone);
      assert_string_equal(then.name, wanted[i].name);
      assert_int_equal(then.labels_count, wanted[i].labels);
      assert_int_equal(then.number, number_of(f, "org-a"));
      assert_false(then.is_default);
    }
    reopen(f); /* nothing is kept: the log is read again */
  }
  uint64_t end = ledger_position(f->ledger);
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), before, &then, &err), -ERR_NOT_FOUND);
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-c"), end, &then, &err), -ERR_NOT_FOUND);
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), end + 1, &then, &err), -ERR_RANGE);
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), 0, &then, &err), -ERR_NOT_FOUND);
}

static void test_positions_of_times(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  uint64_t position, ends[40];
  f->options.segment_size = 2000;
  f->now_ms = 1000000;
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  uint64_t first = ledger_position(f->ledger);
  for (int i = 0; i < 40; i++) {
    char id[24];
    f->now_ms = 2000000 + i / 2 * 1000; /* two blocks at each time */
    snprintf(id, sizeof id, "%d", i);
    struct usage usage = usage_of("org-a", id, T0);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
    ends[i] = ledger_position(f->ledger);
  }
  for (int i = 0; i < 40; i += 2) {
    assert_int_equal(ledger_position_at(f->ledger, 2000000 + i / 2 * 1000, &position, &err), 0);
    assert_int_equal(position, ends[i + 1]);
    assert_int_equal(ledger_position_at(f->ledger, 2000000 + i / 2 * 1000 - 1, &position, &err), 0);
    assert_int_equal(position, i == 0 ? first : ends[i - 1]);
  }
  assert_int_equal(ledger_position_at(f->ledger, INT64_MAX, &position, &err), 0);
  assert_int_equal(position, ends[39]);
  assert_int_equal(ledger_position_at(f->ledger, INT64_MIN, &position, &err), 0);
  assert_true(position < first);
}

/* ---- voids and resolutions ---- */

/* What a reader says of a record at an earlier position, and of one with the same name in another project. */
static void check_fate(struct scan_reader *reader, const char *project, uint64_t position,
                       uint64_t as_of, uint64_t wanted) {
  const struct usage *usage, *other;
  struct err err = {0};
  uint64_t found = 1;
  assert_int_equal(scan_record(reader, position, &usage, &err), 0);
  int result = usage->kind == USAGE_UNRESOLVED ? scan_resolution(reader, usage, as_of, &found, &err)
                                               : scan_void(reader, usage, as_of, &found, &err);
  assert_int_equal(result, 0);
  assert_int_equal(found, wanted);
  if (found == 0) return;
  assert_int_equal(scan_other(reader, found, &other, &err), 0);
  assert_true(str_equal(other->project, str_of(project)) && str_equal(usage->project, str_of(project)));
  if (other->kind == USAGE_VOID) assert_true(str_equal(other->actor, STR("ann")));
}

static uint64_t store_at(struct fixture *f, const struct usage *usage) {
  struct notes before = take_notes(f);
  assert_int_equal(store(f, usage), VERDICT_STORED);
  struct notes after = take_notes(f);
  assert_int_equal(after.count, before.count + 1);
  uint64_t position = after.items[after.count - 1].position;
  notes_fini(&before);
  notes_fini(&after);
  return position;
}

static void test_voids_and_resolutions(void **state) {
  struct fixture *f = with_project(state);
  make_project(f, "org-b", "UTC");
  struct usage task = usage_of("org-a", "1", T0), same = usage_of("org-b", "1", T0);
  struct usage waits = unresolved_of("org-a", "2", T0), done = usage_of("org-a", "2", T0 + 1);
  uint64_t at_task = store_at(f, &task), at_same = store_at(f, &same), at_waits = store_at(f, &waits);
  uint64_t before = ledger_position(f->ledger);
  struct scan_reader *reader;
  struct err err = {0};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  check_fate(reader, "org-a", at_task, before, 0); /* now the reader knows: no void in this project */
  check_fate(reader, "org-a", at_waits, before, 0);
  struct usage voiding = void_of("org-a", "void", "1", T0 - 5); /* its own time says nothing */
  uint64_t at_void = store_at(f, &voiding), between = ledger_position(f->ledger);
  uint64_t at_done = store_at(f, &done);
  for (int round = 0; round < 3; round++) {
    uint64_t end = ledger_position(f->ledger);
    check_fate(reader, "org-a", at_task, before, 0);
    check_fate(reader, "org-a", at_task, at_void, 0);
    check_fate(reader, "org-a", at_task, at_void + 1, at_void);
    check_fate(reader, "org-a", at_task, end, at_void);
    check_fate(reader, "org-b", at_same, end, 0);
    check_fate(reader, "org-a", at_waits, between, 0);
    check_fate(reader, "org-a", at_waits, end, at_done);
    check_fate(reader, "org-a", at_done, end, 0);
    check_fate(reader, "org-a", at_void, end, 0); /* a void is not voided */
    const struct usage *usage;
    uint64_t found;
    assert_int_equal(scan_record(reader, at_task, &usage, &err), 0);
    assert_int_equal(scan_void(reader, usage, end + 1, &found, &err), -ERR_RANGE);
    checkpoint(f, round > 0); /* frozen, then in runs */
  }
  scan_reader_free(reader);
}

/* ---- descriptors ---- */

static unsigned open_files(void) {
  unsigned count = 0;
  DIR *files = opendir("/proc/self/fd");
  assert_non_null(files);
  while (readdir(files) != NULL)
    count++;
  closedir(files);
  return count;
}

/* A hundred segments are read; the log keeps a few of them open. */
static void test_descriptors(void **state) {
  struct fixture *f = *state;
  unsigned before = open_files();
  f->options.segment_size = 1;
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  for (int i = 0; i < 100; i++) {
    char id[24];
    snprintf(id, sizeof id, "%d", i);
    struct usage usage = usage_of("org-a", id, T0 + i);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
  }
  struct scan_query query = {.project = 1, .kinds = SCAN_TASKS, ALL_TIME, .as_of = ledger_position(f->ledger)};
  size_t count;
  struct scan_entry *entries = walk_pages(f, query, 7, &count);
  assert_int_equal(count, 100);
  struct scan_reader *reader;
  struct err err = {0};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  for (size_t i = 0; i < count; i++) {
    const struct usage *usage;
    assert_int_equal(scan_record(reader, entries[i].key.position, &usage, &err), 0);
  }
  assert_true(open_files() - before <= LEDGER_DESCRIPTORS - SCAN_THREADS_MAX);
  scan_reader_free(reader);
  free(entries);
}

/* ---- beside the writer ---- */

enum { ROUNDS = 400, GROUP = 50, READERS = 3 };

/* How many tasks there are below each position; the writer adds a place, then moves `known`. */
struct crowd {
  struct fixture *f;
  _Atomic uint64_t positions[ROUNDS + 1];
  _Atomic size_t tasks[ROUNDS + 1], voids[ROUNDS + 1];
  atomic_uint known;
  atomic_bool done;
};

static int count_tasks(void *arg, const struct sums_part *part, struct err *err) {
  (void)err;
  *(uint64_t *)arg += part->sum.tasks;
  return 0;
}

static void check_crowd(struct crowd *crowd, unsigned round, struct scan_reader *reader) {
  unsigned at = round % 2 == 0 ? atomic_load(&crowd->known) : atomic_load(&crowd->known) / 2;
  struct fixture *f = crowd->f;
  struct err err = {0};
  struct scan_query query = {.project = 1, .kinds = SCAN_KINDS, ALL_TIME, .as_of = crowd->positions[at]};
  query.descending = round % 3 == 0;
  size_t count, voids = 0;
  struct scan_entry *entries = walk_pages(f, query, 1000, &count);
  if (count != crowd->tasks[at] + crowd->voids[at]) abort();
  for (size_t i = 0; i < count; i += 1 + count / 200) {
    const struct usage *usage;
    uint64_t voided;
    if (scan_record(reader, entries[i].key.position, &usage, &err) != 0) abort();
    if (scan_void(reader, usage, query.as_of, &voided, &err) != 0 || voided >= query.as_of) abort();
  }
  for (size_t i = 0; i < count; i++)
    voids += entries[i].kind == USAGE_VOID;
  if (voids != crowd->voids[at]) abort();
  free(entries);
  static const struct sums_project one[] = {{STR("org-a"), NULL}};
  const struct sums_query sums = {one, 1, SCAN_TASKS, round % 2 ? SUMS_DAYS : SUMS_QUARTERS, 0, ZONE_DAY_MAX};
  uint64_t tasks = 0, position;
  if (ledger_sums(f->ledger, &sums, count_tasks, &tasks, &position, &err) != 0) abort();
  unsigned k = 0; /* a place is known a moment after its commit, so this one may not be */
  while (k < ROUNDS && crowd->positions[k] != position)
    k++;
  if (crowd->positions[k] == position && tasks != crowd->tasks[k] - crowd->voids[k]) abort();
}

static void *read_beside(void *arg) {
  struct crowd *crowd = arg;
  struct scan_reader *reader;
  struct err err = {0};
  if (scan_reader_new(crowd->f->ledger, &reader, &err) != 0) abort();
  for (unsigned round = 0; !atomic_load(&crowd->done); round++)
    check_crowd(crowd, round, reader);
  scan_reader_free(reader);
  return NULL;
}

static void write_round(struct crowd *crowd, unsigned round, size_t *tasks, size_t *voids) {
  struct fixture *f = crowd->f;
  for (unsigned i = 0; i < GROUP; i++) {
    char id[24], target[24];
    snprintf(id, sizeof id, "task-%zu", *tasks);
    struct usage usage = usage_of("org-a", id, T0 + random() % (3 * DAY));
    if (i % 10 == 9) {
      snprintf(id, sizeof id, "void-%zu", *voids);
      snprintf(target, sizeof target, "task-%zu", *voids);
      usage = void_of("org-a", id, target, T0 + random() % (3 * DAY));
    }
    assert_int_equal(stage(f, &usage), VERDICT_STORED);
    *(i % 10 == 9 ? voids : tasks) += 1;
  }
  commit(f);
  crowd->tasks[round] = *tasks;
  crowd->voids[round] = *voids;
  crowd->positions[round] = ledger_position(f->ledger);
  atomic_store(&crowd->known, round);
}

/* Readers at positions of the past and of now, while deltas fill, freeze and are used again, and runs are merged. Each
 * finds exactly what was there. */
static void test_beside_the_writer(void **state) {
  struct fixture *f = *state;
  struct crowd *crowd = calloc(1, sizeof *crowd);
  pthread_t readers[READERS];
  size_t tasks = 0, voids = 0;
  f->options.delta_max = 700;
  open_ledger(f);
  make_project(f, "org-a", "Asia/Shanghai");
  crowd->f = f;
  crowd->positions[0] = ledger_position(f->ledger);
  for (int i = 0; i < READERS; i++)
    assert_int_equal(pthread_create(&readers[i], NULL, read_beside, crowd), 0);
  for (unsigned round = 1; round <= ROUNDS; round++)
    write_round(crowd, round, &tasks, &voids);
  atomic_store(&crowd->done, true);
  for (int i = 0; i < READERS; i++)
    assert_int_equal(pthread_join(readers[i], NULL), 0);
  struct scan_reader *reader;
  struct err err = {0};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  for (unsigned round = 0; round < 6; round++)
    check_crowd(crowd, round, reader);
  scan_reader_free(reader);
  free(crowd);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_bad_pages, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bad_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bad_sums, setup, teardown),
      cmocka_unit_test_setup_teardown(test_visitors_may_end, setup, teardown),
      cmocka_unit_test_setup_teardown(test_large_delta, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_view_stays, setup, teardown),
      cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
      cmocka_unit_test_setup_teardown(test_projects_as_they_were, setup, teardown),
      cmocka_unit_test_setup_teardown(test_positions_of_times, setup, teardown),
      cmocka_unit_test_setup_teardown(test_voids_and_resolutions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
      cmocka_unit_test_setup_teardown(test_beside_the_writer, setup, teardown),
  };
  formats_dir = argc > 1 ? argv[1] : "tests/data/formats";
  return cmocka_run_group_tests(tests, NULL, NULL);
}
