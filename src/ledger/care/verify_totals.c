/* Compares totals, days and the catalogue of the recounted log with the rows. */
#include "ledger/care/verify.h"

#include <inttypes.h>

/* ---- rows of the catalogue ---- */

int verify_keep_row(void *arg, struct str key, struct str value, struct err *err) {
  (void)err;
  struct row_vector *rows = arg;
  struct row *row = VERIFY_ADD(rows->items, rows->count, rows->cap);
  *row = (struct row){
      .bytes = malloc(key.len + value.len + 1), .key_len = key.len, .len = key.len + value.len, .order = rows->count};
  CHECK(row->bytes != NULL);
  if (key.len > 0) memcpy(row->bytes, key.ptr, key.len);
  if (value.len > 0) memcpy(row->bytes + key.len, value.ptr, value.len);
  return 0;
}

/* ---- totals ---- */

static const char *project_name(const struct verify *v, uint32_t number) {
  const struct project_state *project = catalogue_state_of_number(v->catalogue, number);
  return project != NULL ? project->info.id : "unknown";
}

static const char *codec_name(const struct verify *v, uint32_t project, uint8_t codec) {
  const struct project_state *state = catalogue_state_of_number(v->catalogue, project);
  if (codec == CODEC_NUMBER_NONE) return "none";
  return state != NULL && codec < state->codecs_count ? state->codecs[codec] : "unknown";
}

static void cell_differs(struct verify *v, const struct cell *log, const struct cell *kept) {
  const struct cell *any = log != NULL ? log : kept;
  const struct usage_count none = {0}, *a = log != NULL ? &log->sum : &none, *b = kept != NULL ? &kept->sum : &none;
  if (a->units == b->units && a->minutes == b->minutes && a->tasks == b->tasks) return;
  verify_differs(v,
                 "project %s, quarter hour from %" PRIu64 ", kind %u, codec %s, tier %s: the log has %" PRIu64
                 " units, %" PRIu64 " minutes, %" PRIu64 " tasks, but the totals have %" PRIu64 " units, %" PRIu64
                 " minutes, %" PRIu64 " tasks",
                 project_name(v, any->project), (uint64_t)any->quarter * QUARTER_SECONDS, any->kind,
                 codec_name(v, any->project, any->codec), tier_name((enum tier)any->tier), a->units, a->minutes,
                 a->tasks, b->units, b->minutes, b->tasks);
}

static int compare_cells(struct verify *v, struct err *err) {
  SCOPED_MALLOC struct cell *cells = NULL;
  size_t count, i = 0, k = 0;
  if (cells_sorted(&v->cells, &cells, &count) != 0) return err_set(err, ERR_MEMORY, "no memory to compare totals");
  while (i < count || k < v->kept_cells_count) {
    int order = i == count ? 1 : k == v->kept_cells_count ? -1 : cell_compare(&cells[i], &v->kept_cells[k]);
    cell_differs(v, order <= 0 ? &cells[i] : NULL, order >= 0 ? &v->kept_cells[k] : NULL);
    i += order <= 0;
    k += order >= 0;
  }
  for (i = 0; i < count; i++)
    v->report.cells += cells[i].sum.tasks != 0;
  return 0;
}

static int compare_days_by_key(const void *a, const void *b) {
  const struct day_total *x = a, *y = b;
  if (x->project != y->project) return x->project < y->project ? -1 : 1;
  if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
  if (x->day != y->day) return x->day < y->day ? -1 : 1;
  return (x->codec > y->codec) - (x->codec < y->codec);
}

static bool is_day_checked(const struct verify *v, uint32_t project) {
  for (size_t i = 0; i < v->zones_count; i++) {
    if (v->zones[i].project == project) return v->zones[i].state == TOTALS_DAYS_MATCH;
  }
  return false;
}

/* Makes days, by each project's zone, from the kept quarter hours, which were compared with the log. */
static void days_of_cells(struct verify *v, struct day_vector *days) {
  for (size_t i = 0; i < v->kept_cells_count; i++) {
    const struct cell *cell = &v->kept_cells[i];
    const struct project_state *project = catalogue_state_of_number(v->catalogue, cell->project);
    if (project == NULL || !is_day_checked(v, cell->project)) continue;
    struct day_total total = {.project = cell->project,
                              .kind = cell->kind,
                              .codec = cell->codec,
                              .day = zone_day_of(project->zone, (int64_t)cell->quarter * QUARTER_SECONDS)};
    struct day_total *last = days->count > 0 ? &days->items[days->count - 1] : NULL;
    if (last == NULL || compare_days_by_key(last, &total) != 0) {
      last = VERIFY_ADD(days->items, days->count, days->cap);
      *last = total;
    }
    usage_count_add(&last->sums[cell->tier], &cell->sum);
  }
}

/* Sorts days and adds up those with equal keys: a day comes once for each of its quarter hours. */
static void add_up_days(struct day_vector *days) {
  if (days->count == 0) return;
  qsort(days->items, days->count, sizeof *days->items, compare_days_by_key);
  size_t kept = 0;
  for (size_t i = 1; i < days->count; i++) {
    if (compare_days_by_key(&days->items[kept], &days->items[i]) != 0) {
      days->items[++kept] = days->items[i];
      continue;
    }
    for (int tier = 0; tier < TIERS; tier++)
      usage_count_add(&days->items[kept].sums[tier], &days->items[i].sums[tier]);
  }
  days->count = kept + 1;
}

static void compare_days(struct verify *v) {
  struct day_vector days = {0};
  days_of_cells(v, &days);
  add_up_days(&days);
  add_up_days(&v->kept_days);
  size_t i = 0, k = 0;
  while (i < days.count || k < v->kept_days.count) {
    const struct day_total *kept = k < v->kept_days.count ? &v->kept_days.items[k] : NULL;
    if (kept != NULL && !is_day_checked(v, kept->project)) { /* made with other zone rules, to be made again */
      k++;
      continue;
    }
    int order = i == days.count ? 1 : kept == NULL ? -1 : compare_days_by_key(&days.items[i], kept);
    bool same = order == 0 && memcmp(days.items[i].sums, kept->sums, sizeof kept->sums) == 0;
    const struct day_total *any = order <= 0 ? &days.items[i] : kept;
    if (!same) {
      verify_differs(v,
                     "project %s, day %d, kind %u, codec %s: the day's totals are not the sum of its quarter hours",
                     project_name(v, any->project), any->day, any->kind, codec_name(v, any->project, any->codec));
    }
    i += order <= 0;
    k += order >= 0;
  }
  free(days.items);
}

/* ---- the catalogue ---- */

static int compare_rows(const void *a, const void *b) {
  const struct row *x = a, *y = b;
  int order = str_compare(str_make(x->bytes, x->key_len), str_make(y->bytes, y->key_len));
  return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static bool same_key(const struct row *a, const struct row *b) {
  return str_equal(str_make(a->bytes, a->key_len), str_make(b->bytes, b->key_len));
}

/* Sorts rows and keeps the last row of each key. */
static void settle_rows(struct row_vector *rows) {
  if (rows->count == 0) return;
  qsort(rows->items, rows->count, sizeof *rows->items, compare_rows);
  size_t kept = 0;
  for (size_t i = 1; i < rows->count; i++) {
    if (same_key(&rows->items[kept], &rows->items[i]))
      free(rows->items[kept].bytes);
    else
      kept++;
    rows->items[kept] = rows->items[i];
  }
  rows->count = kept + 1;
}

static void row_differs(struct verify *v, const struct row *row, const char *how) {
  char key[2 * 64 + 1];
  size_t len = row->key_len < 64 ? row->key_len : 64;
  bytes_hex(row->bytes, len, key);
  verify_differs(v, "the catalogue's row %c (key %s) %s", row->key_len > 0 ? row->bytes[0] : '?', key, how);
}

void verify_rows_fini(struct row_vector *rows) {
  for (size_t i = 0; i < rows->count; i++)
    free(rows->items[i].bytes);
  free(rows->items);
  *rows = (struct row_vector){0};
}

static void compare_catalogue(struct verify *v) {
  struct row_vector rows = {0};
  struct str key, value;
  for (size_t at = 0; puts_next(&v->changes, &at, &key, &value);)
    (void)verify_keep_row(&rows, key, value, NULL);
  settle_rows(&rows);
  settle_rows(&v->kept_rows);
  size_t i = 0, k = 0;
  while (i < rows.count || k < v->kept_rows.count) {
    const struct row *log = i < rows.count ? &rows.items[i] : NULL;
    const struct row *kept = k < v->kept_rows.count ? &v->kept_rows.items[k] : NULL;
    int order = log == NULL ? 1
                : kept == NULL
                    ? -1
                    : str_compare(str_make(log->bytes, log->key_len), str_make(kept->bytes, kept->key_len));
    if (order < 0)
      row_differs(v, log, "is in the log, but missing in derived/totals");
    else if (order > 0)
      row_differs(v, kept, "is in derived/totals, but not in the log");
    else if (log->len != kept->len || memcmp(log->bytes, kept->bytes, log->len) != 0)
      row_differs(v, log, "differs from the log");
    i += order <= 0;
    k += order >= 0;
  }
  verify_rows_fini(&rows);
}

/* ---- the door ---- */

int verify_compare_totals(struct verify *v, struct err *err) {
  int result = compare_cells(v, err);
  if (result != 0) return result;
  compare_days(v);
  compare_catalogue(v);
  return 0;
}
