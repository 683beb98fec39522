/* Random histories: tasks of all kinds, failures, voids, unresolved outputs and what resolves them, changes of zones,
 * in deltas so small that checkpoints and merges go on all the time; and every answer of scan.h compared with a naive
 * recount of the log, at random positions. SEED=n replays; ROUNDS=n does more.
 */
#include "scan_fixture.h"

#include "base/check.h"
#include "ledger/totals/cells.h"

static const char *const projects[] = {"org-a", "org-b", "org-c"};
static const char *const zones[] = {"Asia/Shanghai", "America/New_York", "UTC", "Asia/Kathmandu"};
static const char *const codecs[] = {"h264", "h265", "av1", "wonder"};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static unsigned below(unsigned n) { return (unsigned)random() % n; }

static uint64_t seed_of(void) { return getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : 20261130; }

/* ---- a random history ---- */

struct story {
  struct fixture *f;
  unsigned tasks;
  char names[4096][24];
  uint8_t project[4096], kind[4096];
};

static void add_task(struct story *story) {
  static const enum usage_kind kinds[] = {USAGE_TRANSCODE, USAGE_TRANSCODE, USAGE_REMUX,     USAGE_SNAPSHOT,
                                          USAGE_AUDIO,     USAGE_VOID,      USAGE_UNRESOLVED};
  if (story->tasks == COUNT(story->names)) return;
  unsigned at = story->tasks++;
  snprintf(story->names[at], sizeof story->names[at], "task-%u", at);
  story->project[at] = (uint8_t)below(COUNT(projects));
  enum usage_kind kind = kinds[below(COUNT(kinds))];
  int64_t time = T0 + (int64_t)below(40) * DAY / 2 + (below(3) == 0 ? 0 : random() % DAY); /* often the same */
  struct usage usage = usage_of(projects[story->project[at]], story->names[at], time);
  if (kind == USAGE_VOID) kind = USAGE_TRANSCODE;
  usage.kind = kind;
  usage.codec = str_of(codecs[below(COUNT(codecs))]);
  usage.amount = kind == USAGE_SNAPSHOT ? 1 + below(5) : 1 + below(500000);
  usage.tier = kind == USAGE_TRANSCODE ? (enum tier)below(TIERS) : TIER_LOW;
  if (below(3) == 0) usage.task_id = str_of(below(2) ? "job-1" : "job-2");
  if (kind == USAGE_UNRESOLVED) usage.codec = (struct str){0};
  if (kind == USAGE_TRANSCODE && below(8) == 0) usage.outcome = USAGE_FAILED;
  if ((kind == USAGE_REMUX || kind == USAGE_SNAPSHOT) && below(3) == 0) usage.codec = (struct str){0};
  if (kind != USAGE_TRANSCODE && kind != USAGE_UNRESOLVED) usage.width = usage.height = 0;
  story->kind[at] = (uint8_t)kind;
  assert_int_equal(stage(story->f, &usage), VERDICT_STORED);
}

/* Voids a task, or resolves an output. The second void of a task is a duplicate, and is not stored. */
static void change_task(struct story *story) {
  if (story->tasks == 0) return;
  char id[40];
  unsigned at = below(story->tasks);
  const char *project = projects[story->project[at]];
  int64_t time = T0 + (int64_t)below(40) * DAY / 2;
  if (story->kind[at] == USAGE_UNRESOLVED) {
    struct usage usage = usage_of(project, story->names[at], time);
    story->kind[at] = USAGE_TRANSCODE;
    assert_int_equal(stage(story->f, &usage), VERDICT_STORED);
    return;
  }
  snprintf(id, sizeof id, "void-%u", at);
  struct usage usage = void_of(project, id, story->names[at], time);
  (void)stage(story->f, &usage);
}

static void change_zone(struct story *story) {
  struct change zone = {.type = CHANGE_PROJECT_SET, .set = CHANGE_SET_ZONE};
  strcpy(zone.project.id, projects[below(COUNT(projects))]);
  strcpy(zone.project.zone, zones[below(COUNT(zones))]);
  commit(story->f);
  assert_int_equal(change(story->f, &zone), 0);
}

static void rebuild(struct fixture *f) {
  struct err err = {0};
  close_ledger(f);
  if (ledger_rebuild(&f->options, NULL, &err) != 0) fail_msg("rebuild: %s", err.text);
  open_ledger(f);
}

static void step(struct story *story) {
  struct fixture *f = story->f;
  unsigned dice = below(1000);
  f->now_ms += below(2000);
  if (dice < 700) return add_task(story);
  if (dice < 850) return change_task(story);
  if (dice < 970) return commit(f);
  if (dice < 980) return change_zone(story);
  if (dice < 995) {
    commit(f);
    return checkpoint(f, below(2));
  }
  commit(f);
  return dice < 998 ? reopen(f) : rebuild(f);
}

/* ---- checks ---- */

static uint64_t some_position(const struct notes *notes) {
  if (notes->count == 0 || below(3) == 0) return notes->end;
  return notes->items[below((unsigned)notes->count)].position + (below(2) ? 0 : 1);
}

static void check_pages(struct fixture *f, const struct notes *notes) {
  static const size_t rooms[] = {1, 2, 7, 100, SCAN_ROOM_MAX};
  const char *project = projects[below(COUNT(projects))];
  struct scan_query query = {.project = number_of(f, project), ALL_TIME, .as_of = some_position(notes)};
  query.kinds = below(3) == 0 ? SCAN_KINDS : ((unsigned)random() & SCAN_KINDS);
  if (query.kinds == 0) query.kinds = SCAN_TASKS;
  query.descending = below(2);
  if (below(2)) query.from_ms = T0 + (int64_t)below(20) * DAY;
  if (below(2)) query.to_ms = T0 + (int64_t)below(20) * DAY + random() % DAY;
  if (below(2)) {
    query.has_behind = true;
    query.behind = (struct scan_key){T0 + (int64_t)below(40) * DAY / 2, below(2) ? some_position(notes) : UINT64_MAX};
  }
  expect_pages(f, notes, project, &query, rooms[below(COUNT(rooms))]);
}

static void check_records(struct fixture *f, const struct notes *notes) {
  struct scan_reader *reader;
  struct err err = {0};
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  uint64_t as_of = some_position(notes);
  for (int i = 0; i < 40 && notes->count > 0; i++) {
    const struct noted *noted = &notes->items[below((unsigned)notes->count)];
    const struct usage *usage;
    uint64_t voided, resolved;
    int64_t stored_ms;
    if (below(5) == 0) as_of = some_position(notes);
    if (scan_record(reader, noted->position, &usage, &err) != 0) fail_msg("record: %s", err.text);
    assert_true(str_equal(usage->id, str_of(noted->id)) && usage->finished_ms == noted->usage.finished_ms);
    if (scan_void(reader, usage, as_of, &voided, &err) != 0) fail_msg("void: %s", err.text);
    assert_int_equal(voided, usage_is_task(usage->kind) ? noted_void(notes, noted, as_of) : 0);
    if (scan_resolution(reader, usage, as_of, &resolved, &err) != 0) fail_msg("resolution: %s", err.text);
    assert_int_equal(resolved, usage->kind == USAGE_UNRESOLVED ? noted_resolution(notes, noted, as_of) : 0);
    assert_int_equal(scan_stored_ms(reader, noted->position, &stored_ms, &err), 0);
    assert_int_equal(stored_ms, noted->stored_ms);
    assert_true(str_equal(usage->id, str_of(noted->id))); /* still borrowed */
    uint64_t at;
    assert_int_equal(ledger_position_at(f->ledger, noted->stored_ms, &at, &err), 0);
    for (size_t k = 0; k < notes->count; k++)
      assert_true((notes->items[k].stored_ms <= noted->stored_ms) == (notes->items[k].position < at));
  }
  scan_reader_free(reader);
}

/* ---- the records of a name ---- */

struct told {
  const struct notes *notes;
  const struct ledger_history_query *query;
  size_t next; /* in the notes */
  size_t count;
};

static bool is_of_name(const struct told *told, const struct noted *noted) {
  const struct ledger_history_query *query = told->query;
  const char *task_id = noted->task_id[0] != '\0' ? noted->task_id : noted->id;
  if (!str_equal(query->project, str_of(noted->project)) || noted->position >= query->as_of) return false;
  if (query->task_id.len > 0) return noted->usage.kind != USAGE_VOID && str_equal(query->task_id, str_of(task_id));
  return str_equal(query->source, str_of(noted->source)) && str_equal(query->id, str_of(noted->id));
}

static int hear(void *arg, const struct ledger_history_item *item, struct err *err) {
  struct told *told = arg;
  (void)err;
  while (told->next < told->notes->count && !is_of_name(told, &told->notes->items[told->next]))
    told->next++;
  assert_true(told->next < told->notes->count);
  const struct noted *noted = &told->notes->items[told->next++];
  uint64_t as_of = told->query->as_of;
  assert_int_equal(item->position, noted->position);
  uint64_t other = noted->usage.kind == USAGE_UNRESOLVED ? noted_resolution(told->notes, noted, as_of)
                   : usage_is_task(noted->usage.kind)    ? noted_void(told->notes, noted, as_of)
                                                         : 0;
  assert_int_equal(item->other_position, other);
  assert_true((item->other != NULL) == (other != 0));
  told->count++;
  return 0;
}

static void check_history(struct fixture *f, const struct notes *notes) {
  struct scan_reader *reader;
  struct err err = {0};
  if (notes->count == 0) return;
  assert_int_equal(scan_reader_new(f->ledger, &reader, &err), 0);
  const struct noted *noted = &notes->items[below((unsigned)notes->count)];
  struct ledger_history_query query = {.project = str_of(noted->project), .as_of = some_position(notes)};
  query.max = 1 + below(20);
  if (below(2) && noted->usage.kind != USAGE_VOID) {
    query.task_id = str_of(noted->task_id[0] != '\0' ? noted->task_id : noted->id);
  } else {
    query.source = str_of(noted->source);
    query.id = str_of(noted->id);
  }
  struct told told = {.notes = notes, .query = &query};
  do {
    if (ledger_history(reader, &query, hear, &told, &query.behind, &err) != 0) fail_msg("history: %s", err.text);
  } while (query.behind != 0);
  size_t wanted = 0;
  for (size_t i = 0; i < notes->count; i++)
    wanted += is_of_name(&told, &notes->items[i]);
  assert_int_equal(told.count, wanted);
  scan_reader_free(reader);
}

/* ---- totals ---- */

#define SUMS_MAX 65536

struct total {
  size_t project;
  enum usage_kind kind;
  int64_t at;
  char codec[CODEC_NAME_MAX + 1];
  enum tier tier;
  struct usage_count sum;
};

struct totals {
  struct total items[SUMS_MAX];
  size_t count;
};

static void add_total(struct totals *totals, const struct sums_part *part) {
  size_t i = 0;
  for (; i < totals->count; i++) {
    struct total *total = &totals->items[i];
    if (total->project == part->project && total->kind == part->kind && total->at == part->at &&
        total->tier == part->tier && strcmp(total->codec, part->codec) == 0)
      break;
  }
  assert_true(i < SUMS_MAX);
  if (i == totals->count) {
    totals->items[totals->count++] =
        (struct total){.project = part->project, .kind = part->kind, .at = part->at, .tier = part->tier};
    strcpy(totals->items[i].codec, part->codec);
  }
  totals->items[i].sum.units += part->sum.units;
  totals->items[i].sum.minutes += part->sum.minutes;
  totals->items[i].sum.tasks += part->sum.tasks;
}

static int hear_part(void *arg, const struct sums_part *part, struct err *err) {
  (void)err;
  add_total(arg, part);
  return 0;
}

static void count_noted(const struct notes *notes, const struct sums_query *query, struct totals *totals) {
  for (size_t i = 0; i < notes->count; i++) {
    const struct noted *noted = &notes->items[i];
    struct sums_part part = {.kind = noted->usage.kind,
                             .codec = noted->codec,
                             .tier = noted->usage.tier,
                             .sum = usage_count(&noted->usage)};
    if ((query->kinds >> noted->usage.kind & 1) == 0 || part.sum.tasks == 0) continue;
    if (noted_void(notes, noted, UINT64_MAX) != 0) continue;
    for (part.project = 0; part.project < query->count; part.project++) {
      const struct sums_project *project = &query->projects[part.project];
      int64_t seconds = noted->usage.finished_ms / 1000;
      if (!str_equal(project->id, str_of(noted->project))) continue;
      part.at = query->step == SUMS_DAYS ? zone_day_of(project->zone, seconds) : seconds / QUARTER_SECONDS;
      if (part.at >= query->first && part.at <= query->last) add_total(totals, &part);
    }
  }
}

static void expect_same(const struct totals *given, const struct totals *wanted) {
  size_t left = wanted->count;
  for (size_t i = 0; i < given->count; i++) {
    const struct total *total = &given->items[i];
    if (total->sum.tasks == 0) {
      assert_true(total->sum.units == 0 && total->sum.minutes == 0);
      continue;
    }
    size_t k = 0;
    while (k < wanted->count &&
           !(wanted->items[k].project == total->project && wanted->items[k].kind == total->kind &&
             wanted->items[k].at == total->at && wanted->items[k].tier == total->tier &&
             strcmp(wanted->items[k].codec, total->codec) == 0))
      k++;
    assert_true(k < wanted->count);
    assert_int_equal(total->sum.units, wanted->items[k].sum.units);
    assert_int_equal(total->sum.minutes, wanted->items[k].sum.minutes);
    assert_int_equal(total->sum.tasks, wanted->items[k].sum.tasks);
    left--;
  }
  assert_int_equal(left, 0);
}

static void check_sums(struct fixture *f, const struct notes *notes) {
  struct sums_project asked[COUNT(projects)];
  struct sums_query query = {.projects = asked, .step = below(2) ? SUMS_DAYS : SUMS_QUARTERS};
  struct err err = {0};
  for (size_t i = 0; i < COUNT(projects); i++) {
    struct project project;
    if (below(3) == 0) continue;
    const char *zone = zones[below(COUNT(zones))];
    assert_true(catalogue_project(ledger_catalogue(f->ledger), str_of(projects[i]), &project));
    struct sums_project *one = &asked[query.count++];
    *one = (struct sums_project){.id = str_of(projects[i])};
    if (below(2)) zone = project.zone;
    assert_int_equal(zone_find(str_of(zone), &one->zone, &err), 0);
  }
  query.kinds = below(2) ? SCAN_TASKS : ((unsigned)random() & SCAN_TASKS);
  if (query.kinds == 0) query.kinds = SCAN_TASKS;
  int64_t unit = query.step == SUMS_DAYS ? DAY : QUARTER_SECONDS * 1000;
  query.first = T0 / unit - 1 + (below(2) ? 0 : (int64_t)below(20) * DAY / unit);
  query.last = query.first + (int64_t)below(25) * DAY / unit - below(2);
  struct totals *given = calloc(1, sizeof *given), *wanted = calloc(1, sizeof *wanted);
  uint64_t position;
  if (ledger_sums(f->ledger, &query, hear_part, given, &position, &err) != 0) fail_msg("sums: %s", err.text);
  assert_int_equal(position, notes->end);
  count_noted(notes, &query, wanted);
  expect_same(given, wanted);
  free(given);
  free(wanted);
}

static void check_span(struct fixture *f, const struct notes *notes) {
  const char *project = projects[below(COUNT(projects))];
  struct err err = {0};
  int64_t first = INT64_MAX, last = INT64_MIN, got_first = 0, got_last = 0;
  uint64_t as_of = some_position(notes);
  bool any;
  for (size_t i = 0; i < notes->count && notes->items[i].position < as_of; i++) {
    const struct noted *noted = &notes->items[i];
    if (strcmp(noted->project, project) != 0 || !usage_is_task(noted->usage.kind)) continue;
    if (noted->usage.finished_ms < first) first = noted->usage.finished_ms;
    if (noted->usage.finished_ms > last) last = noted->usage.finished_ms;
  }
  int result = ledger_project_span(f->ledger, number_of(f, project), as_of, &any, &got_first, &got_last, &err);
  assert_int_equal(result, 0);
  assert_true(any == (first <= last));
  if (any) assert_true(got_first == first && got_last == last);
}

static void check_all(struct fixture *f) {
  commit(f);
  struct notes notes = take_notes(f);
  assert_int_equal(notes.end, ledger_position(f->ledger));
  for (int i = 0; i < 20; i++)
    check_pages(f, &notes);
  check_records(f, &notes);
  for (int i = 0; i < 10; i++)
    check_history(f, &notes);
  for (int i = 0; i < 4; i++)
    check_sums(f, &notes);
  check_span(f, &notes);
  notes_fini(&notes);
}

static void test_random_histories(void **state) {
  struct fixture *f = *state;
  struct story *story = calloc(1, sizeof *story);
  unsigned steps = 3000 * (getenv("ROUNDS") != NULL ? (unsigned)atoi(getenv("ROUNDS")) : 1);
  uint64_t seed = seed_of();
  print_message("SEED=%llu\n", (unsigned long long)seed);
  srandom((unsigned)seed);
  story->f = f;
  f->options.delta_max = 5 + below(60);
  f->options.segment_size = 20000 + below(100000);
  open_ledger(f);
  for (size_t i = 0; i < COUNT(projects); i++)
    make_project(f, projects[i], zones[i]);
  for (unsigned i = 0; i < steps; i++) {
    step(story);
    if (i % 100 == 99) check_all(f);
  }
  free(story);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_random_histories, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
