/* scan.h and the deltas: the pieces of a large delta in each of its states; a view that outlives its deltas and runs;
 * descriptors; readers beside the writer, which fills, freezes and recycles deltas and takes merged runs over.
 */
#include "scan_fixture.h"

#include <dirent.h>
#include <stdatomic.h>

#include "ledger/read/view.h"

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
    if (ledger_stage_usages(f->ledger, usages, some, UINT64_MAX, verdicts, &decided, &err) != 0)
      fail_msg("%s", err.text);
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

/* The filling delta, the same delta frozen, its checkpoint made but not taken over, a run, and a new delta beside it.
 */
static void test_large_delta(void **state) {
  struct fixture *f = *state;
  open_ledger(f);
  make_project(f, "org-a", "Asia/Shanghai");
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

/* Readers at positions of the past and of now, while deltas fill, freeze and are used again, and runs are merged.
 * Each finds exactly what was there. */
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_large_delta, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_view_stays, setup, teardown),
      cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
      cmocka_unit_test_setup_teardown(test_beside_the_writer, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
