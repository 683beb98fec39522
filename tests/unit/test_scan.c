/* scan.h: what it refuses; logs of every format; voids, resolutions and projects as of a position; positions of
 * times; descriptors. `test_scan DIR`: DIR has the archives of tests/data/formats.
 */
#include "scan_fixture.h"

#include <fcntl.h>
#include <glob.h>

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
#define ON(ms, at) .project = number, .kinds = all, ALL_TIME, .as_of = end, .has_behind = true, .behind = { ms, at }
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
      {{.project = STR("org-a"), .id = STR("1"), .as_of = end, .max = 1}, 0, NULL},
      {{.project = STR("org-a"), .source = STR("a\0b"), .id = STR("\0"), .as_of = end, .max = 1}, 0, NULL},
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
  assert_int_equal(scan_record(reader, end - 8, &usage, &err),
                   -ERR_CORRUPT); /* the project's record, or its inside */
  assert_int_equal(scan_record(reader, end, &usage, &err), -ERR_CORRUPT);
  assert_int_equal(scan_record(reader, 0, &usage, &err), -ERR_CORRUPT);
  scan_reader_free(reader);
}

static void test_bad_sums(void **state) {
  struct fixture *f = with_project(state);
  struct usage usage = usage_of("org-a", "1", T0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  static const struct sums_project one[] = {{STR("org-a"), NULL}},
                                   twice[] = {{STR("org-a"), NULL}, {STR("org-a"), NULL}},
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

/* The position of totals is that of the records that they count. */
static void test_positions_of_totals(void **state) {
  struct fixture *f = with_project(state);
  struct project project;
  struct err err = {0};
  assert_true(catalogue_project(ledger_catalogue(f->ledger), STR("org-a"), &project));
  for (unsigned i = 0; i < 6; i++) {
    struct ledger_rows rows;
    uint64_t position = 0;
    char id[24];
    snprintf(id, sizeof id, "%u", i);
    struct usage usage = usage_of("org-a", id, T0);
    assert_int_equal(stage(f, &usage), VERDICT_STORED);
    uint64_t before = ledger_position(f->ledger); /* what is staged is behind it */
    int32_t day = (int32_t)(T0 / DAY);
    assert_int_equal(ledger_totals_at(f->ledger, &project, USAGE_TRANSCODE, day, day + 1, 9, &rows, &position, &err),
                     0);
    assert_int_equal(position, before);
    assert_int_equal(rows.count == 0 ? 0 : rows.items[0].tasks[TIER_LOW], i);
    ledger_rows_fini(&rows);
    commit(f);
    if (i % 2 == 1) checkpoint(f, i == 5);
  }
}

/* ---- damage ---- */

static void flip(const char *path, off_t at) {
  char byte;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
  byte = (char)(byte ^ 0x40);
  assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  close(fd);
}

static void flip_all(const char *dir, const char *pattern, off_t at) {
  char *path = file_path(dir, pattern);
  glob_t found;
  assert_int_equal(glob(path, 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++)
    flip(found.gl_pathv[i], at);
  globfree(&found);
  free(path);
}

static uint64_t set_project(struct fixture *f, const char *id, const char *zone, const char *name,
                            const char *label) {
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

/* A byte of a run's page, or of a block, that changes under the running ledger is an error, not an answer. */
static void test_damage(void **state) {
  struct fixture *f = with_project(state);
  struct usage usage = usage_of("org-a", "1", T0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  checkpoint(f, true);
  struct scan_query query = {.project = 1, .kinds = SCAN_TASKS, ALL_TIME, .as_of = ledger_position(f->ledger)};
  struct scan_entry entry;
  struct scan_reader *reader;
  struct err err = {0};
  const struct usage *read;
  size_t count = 0;
  uint64_t found;
  uint64_t now = set_project(f, "org-a", NULL, "Ann's", NULL); /* the past of query.as_of is not the present */
  assert_int_equal(ledger_scan_entries(f->ledger, &query, &entry, 1, &count, &err), 0);
  assert_int_equal(count, 1);
  flip_all(f->dir, "derived/runs/*.run", 4096 + 9);
  assert_int_equal(ledger_scan_entries(f->ledger, &query, &entry, 1, &count, &err), -ERR_CORRUPT);
  assert_non_null(strstr(err.text, "damaged at offset 4096"));
  assert_int_equal(ledger_project_span(f->ledger, 1, query.as_of, &(bool){false}, &(int64_t){0}, &(int64_t){0}, &err),
                   -ERR_CORRUPT);
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  assert_int_equal(scan_void(reader, &usage, query.as_of, &found, &err), -ERR_CORRUPT); /* are there voids? */
  assert_int_equal(scan_record(reader, entry.key.position, &read, &err), 0);
  scan_reader_free(reader);
  flip_all(f->dir, "log/*.seg", (off_t)entry.key.position + 30);
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  assert_int_equal(scan_record(reader, entry.key.position, &read, &err), -ERR_CORRUPT);
  assert_non_null(strstr(err.text, "log/"));
  struct project project;
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), query.as_of, &project, &err), -ERR_CORRUPT);
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), now, &project, &err), 0); /* reads no log */
  assert_string_equal(project.name, "Ann's");
  assert_int_equal(ledger_position_at(f->ledger, INT64_MAX, &found, &err), -ERR_CORRUPT);
  flip_all(f->dir, "log/*.seg", (off_t)entry.key.position + 30);
  assert_int_equal(scan_record(reader, entry.key.position, &read, &err), 0);
  assert_int_equal(ledger_project_as_of(f->ledger, STR("org-a"), query.as_of, &project, &err), 0);
  scan_reader_free(reader);
}

/* ---- visitors ---- */

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
static void check_fate(struct scan_reader *reader, const char *project, uint64_t position, uint64_t as_of,
                       uint64_t wanted) {
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

/* A reader remembers which projects have voids. Records of many projects, read in turn, and at two positions in turn. */
static void test_voids_of_many_projects(void **state) {
  enum { PROJECTS = 300 };
  struct fixture *f = with_project(state);
  static char ids[PROJECTS][16];
  static uint64_t tasks[PROJECTS], voids[PROJECTS];
  struct scan_reader *reader;
  struct err err = {0};
  for (size_t i = 0; i < PROJECTS; i++) {
    (void)snprintf(ids[i], sizeof ids[i], "many-%zu", i);
    make_project(f, ids[i], "UTC");
    struct usage task = usage_of(ids[i], "1", T0);
    tasks[i] = store_at(f, &task);
  }
  uint64_t before = ledger_position(f->ledger);
  for (size_t i = 0; i < PROJECTS; i += 3) {
    struct usage voiding = void_of(ids[i], "void", "1", T0);
    voids[i] = store_at(f, &voiding);
  }
  uint64_t end = ledger_position(f->ledger);
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  for (int round = 0; round < 4; round++) {
    for (size_t i = PROJECTS; i-- > 0;)
      check_fate(reader, ids[i], tasks[i], round % 2 == 0 ? end : before, round % 2 == 0 ? voids[i] : 0);
  }
  scan_reader_free(reader);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_bad_pages, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bad_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bad_sums, setup, teardown),
      cmocka_unit_test_setup_teardown(test_positions_of_totals, setup, teardown),
      cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
      cmocka_unit_test_setup_teardown(test_visitors_may_end, setup, teardown),
      cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
      cmocka_unit_test_setup_teardown(test_projects_as_they_were, setup, teardown),
      cmocka_unit_test_setup_teardown(test_positions_of_times, setup, teardown),
      cmocka_unit_test_setup_teardown(test_voids_and_resolutions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_voids_of_many_projects, setup, teardown),
  };
  formats_dir = argc > 1 ? argv[1] : "tests/data/formats";
  return cmocka_run_group_tests(tests, NULL, NULL);
}
