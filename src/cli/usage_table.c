/* The server orders rows by project and time. The table is read by its first group, so it orders them again by that:
 * values in the order in which they first appear, and the rows of one value in the server's order. */
#include "cli/usage_table.h"

#include <ctype.h>
#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/table.h"

#define KINDS_MAX 8u
#define ABSENT "-"
#define MONTH_LEN 7 /* "2026-10" */
#define DAY_LEN 10
#define MINUTE_LEN 16
#define OFFSET_AT 19 /* behind "2026-10-01T00:00:00" */

enum amount { SECONDS, MINUTES, TASKS, IMAGES, SECONDS_BEFORE, MINUTES_BEFORE, AMOUNTS };
static const struct {
  const char *name, *title;
  bool is_compared; /* only with compare */
} amounts[AMOUNTS] = {
    [SECONDS] = {"seconds", "SECONDS", false},
    [MINUTES] = {"minutes", "MINUTES", false},
    [TASKS] = {"tasks", "TASKS", false},
    [IMAGES] = {"images", "IMAGES", false},
    [SECONDS_BEFORE] = {"previous_seconds", "SECONDS BEFORE", true},
    [MINUTES_BEFORE] = {"previous_minutes", "MINUTES BEFORE", true},
};

struct row {
  char *keys[USAGE_TABLE_GROUPS_MAX];
  char *date, *kind;
  uint64_t amounts[AMOUNTS];
  guint rank, place; /* of the first key; in the server's order */
};

struct sums {
  const char *kind; /* borrowed from a row */
  uint64_t amounts[AMOUNTS];
};

struct usage_table {
  struct usage_table_options options;
  GArray *rows;
  GHashTable *ranks; /* first keys; rank + 1 */
  bool has_dates, has_kinds, has_images;
};

static void row_clear(void *item) {
  struct row *row = item;
  for (size_t i = 0; i < USAGE_TABLE_GROUPS_MAX; i++)
    free(row->keys[i]);
  free(row->date);
  free(row->kind);
}

struct usage_table *usage_table_new(const struct usage_table_options *options) {
  struct usage_table *table = calloc(1, sizeof *table);
  CHECK(table != NULL && options->groups_count <= USAGE_TABLE_GROUPS_MAX);
  table->options = *options;
  table->has_dates = options->step != NULL && strcmp(options->step, "total") != 0;
  table->rows = g_array_new(FALSE, TRUE, sizeof(struct row));
  g_array_set_clear_func(table->rows, row_clear);
  table->ranks = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
  return table;
}

void usage_table_free(struct usage_table *table) {
  if (table == NULL) return;
  (void)g_array_free(table->rows, TRUE);
  g_hash_table_destroy(table->ranks);
  free(table);
}

/* ---- rows ---- */

static char *keep(struct str text) {
  char *kept = strndup(text.len > 0 ? text.ptr : "", text.len);
  CHECK(kept != NULL);
  return kept;
}

static int read_key(const struct json *object, const char *name, char **ret, struct err *err) {
  const struct json *member = json_member(object, name);
  if (member == NULL || (member->type != JSON_STRING && member->type != JSON_NULL))
    return err_set(err, ERR_REMOTE, "a row of the answer has no %s", name);
  *ret = keep(member->type == JSON_STRING ? member->text : STR(ABSENT));
  return 0;
}

static int read_amounts(const struct usage_table *table, const struct json *object, uint64_t ret[AMOUNTS],
                        struct err *err) {
  for (size_t i = 0; i < AMOUNTS; i++) {
    if (amounts[i].is_compared && !table->options.compares) continue;
    if (!json_member_u64(object, amounts[i].name, &ret[i]) || ret[i] > INT64_MAX / USAGE_TABLE_ROWS_MAX)
      return err_set(err, ERR_REMOTE, "a row of the answer has no %s that is a number", amounts[i].name);
  }
  return 0;
}

/* The part of "2026-10-01T00:00:00+08:00" that the step needs. An hour needs the offset: when clocks go back, it
 * comes twice. */
static char *shown_date(const struct usage_table *table, struct str date) {
  const char *step = table->options.step;
  char *shown;
  if (date.len <= OFFSET_AT) return keep(date);
  if (strcmp(step, "1mo") == 0) return keep(str_make(date.ptr, MONTH_LEN));
  if (strcmp(step, "1d") == 0 || strcmp(step, "1w") == 0) return keep(str_make(date.ptr, DAY_LEN));
  CHECK(asprintf(&shown, "%.*s %.*s%.*s", DAY_LEN, date.ptr, MINUTE_LEN - DAY_LEN - 1, date.ptr + DAY_LEN + 1,
                 (int)(date.len - OFFSET_AT), date.ptr + OFFSET_AT) >= 0);
  return shown;
}

static int read_row(struct usage_table *table, const struct json *object, struct row *row, struct err *err) {
  int result = read_amounts(table, object, row->amounts, err);
  for (size_t i = 0; i < table->options.groups_count && result == 0; i++)
    result = read_key(object, table->options.groups[i], &row->keys[i], err);
  if (result == 0) result = read_key(object, "kind", &row->kind, err);
  if (result != 0 || !table->has_dates) return result;
  SCOPED_MALLOC char *date = NULL;
  result = read_key(object, "date", &date, err);
  if (result == 0) row->date = shown_date(table, str_of(date));
  return result;
}

static guint rank_of(struct usage_table *table, const char *key) {
  guint rank = GPOINTER_TO_UINT(g_hash_table_lookup(table->ranks, key));
  if (rank > 0) return rank;
  rank = g_hash_table_size(table->ranks) + 1;
  (void)g_hash_table_insert(table->ranks, keep(str_of(key)), GUINT_TO_POINTER(rank));
  return rank;
}

int usage_table_row(struct usage_table *table, const struct json *object, struct err *err) {
  struct row row = {.place = table->rows->len};
  if (table->rows->len == USAGE_TABLE_ROWS_MAX)
    return err_set(
        err, ERR_LIMIT,
        "there are more than %u rows, too many for a table: write them with --output FILE.csv, or ask for fewer",
        USAGE_TABLE_ROWS_MAX);
  int result = read_row(table, object, &row, err);
  if (result != 0) {
    row_clear(&row);
    return result;
  }
  if (table->options.groups_count > 0) row.rank = rank_of(table, row.keys[0]);
  table->has_kinds = table->has_kinds || strcmp(row.kind, "transcode") != 0;
  table->has_images = table->has_images || row.amounts[IMAGES] > 0;
  (void)g_array_append_val(table->rows, row);
  return 0;
}

/* ---- columns ---- */

static bool groups_by(const struct usage_table *table, const char *name) {
  for (size_t i = 0; i < table->options.groups_count; i++) {
    if (strcmp(table->options.groups[i], name) == 0) return true;
  }
  return false;
}

static bool shows_kind(const struct usage_table *table) { return table->has_kinds && !groups_by(table, "kind"); }

static bool shows(const struct usage_table *table, enum amount amount) {
  if (amount == IMAGES) return table->has_images;
  return !amounts[amount].is_compared || table->options.compares;
}

/* "label.team" as TEAM. The caller frees it. */
static char *title_of(const char *group) {
  static const char prefix[] = "label.";
  bool is_label = strncmp(group, prefix, sizeof prefix - 1) == 0;
  char *title = keep(str_of(group + (is_label ? sizeof prefix - 1 : 0)));
  for (char *at = title; *at != '\0'; at++)
    *at = *at == '_' ? ' ' : (char)toupper((unsigned char)*at);
  return title;
}

/* ---- sums ---- */

static void add(struct sums sums[KINDS_MAX], size_t *count, const struct row *row) {
  size_t i = 0;
  while (i < *count && strcmp(sums[i].kind, row->kind) != 0)
    i++;
  if (i == KINDS_MAX) return;
  if (i == *count) sums[(*count)++] = (struct sums){.kind = row->kind};
  for (size_t k = 0; k < AMOUNTS; k++)
    sums[i].amounts[k] += row->amounts[k];
}

/* ---- printing ---- */

struct printing {
  const struct usage_table *table;
  struct table *out;
  size_t cells; /* of the row so far */
};

static void put(struct printing *printing, const char *text) {
  table_cell(printing->out, str_of(text));
  printing->cells++;
}

static void put_amounts(struct printing *printing, const uint64_t values[AMOUNTS]) {
  char text[BYTES_DIGITS_MAX + 1];
  for (size_t i = 0; i < AMOUNTS; i++) {
    if (!shows(printing->table, (enum amount)i)) continue;
    text[bytes_digits(values[i], text)] = '\0';
    put(printing, text);
  }
  printing->cells = 0;
}

static size_t key_columns(const struct usage_table *table) {
  return table->options.groups_count + table->has_dates + shows_kind(table);
}

/* One line for each kind. label: what is summed up, in the first column. */
static void put_sums(struct printing *printing, const char *label, const struct sums *sums, size_t count) {
  static const struct sums none;
  for (size_t i = 0; i < (count > 0 ? count : 1); i++) {
    const struct sums *line = count > 0 ? &sums[i] : &none;
    bool has_kind_column = shows_kind(printing->table);
    size_t keys = key_columns(printing->table);
    if (count > 1 && !has_kind_column) {
      SCOPED_MALLOC char *with_kind = NULL;
      CHECK(asprintf(&with_kind, "%s %s", label, line->kind) >= 0);
      put(printing, with_kind);
    } else {
      put(printing, label);
    }
    while (printing->cells + 1 < keys)
      put(printing, "");
    if (printing->cells < keys) put(printing, has_kind_column && line->kind != NULL ? line->kind : "");
    put_amounts(printing, line->amounts);
  }
}

static void put_row(struct printing *printing, const struct row *row) {
  const struct usage_table *table = printing->table;
  for (size_t i = 0; i < table->options.groups_count; i++) {
    put(printing, row->keys[i]);
    if (i == 0 && table->has_dates) put(printing, row->date);
  }
  if (table->options.groups_count == 0 && table->has_dates) put(printing, row->date);
  if (shows_kind(table)) put(printing, row->kind);
  if (printing->cells == 0) put(printing, "");
  put_amounts(printing, row->amounts);
}

static int compare(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  if (left->rank != right->rank) return left->rank < right->rank ? -1 : 1;
  return left->place < right->place ? -1 : left->place > right->place;
}

static void put_rows(struct printing *printing) {
  const struct usage_table *table = printing->table;
  const struct row *rows = (const struct row *)(const void *)table->rows->data;
  struct sums all[KINDS_MAX], part[KINDS_MAX];
  size_t all_count = 0, part_count = 0;
  bool has_parts = table->options.groups_count > 0 && key_columns(table) > 1;
  for (guint i = 0; i < table->rows->len; i++) {
    /* Without groups and steps a row is its own total. */
    if (key_columns(table) > 0) put_row(printing, &rows[i]);
    add(all, &all_count, &rows[i]);
    add(part, &part_count, &rows[i]);
    bool is_last = i + 1 == table->rows->len || rows[i + 1].rank != rows[i].rank;
    if (!is_last || !has_parts) continue;
    SCOPED_MALLOC char *label = NULL;
    CHECK(asprintf(&label, "%s total", rows[i].keys[0]) >= 0);
    put_sums(printing, label, part, part_count);
    part_count = 0;
  }
  put_sums(printing, "Total", all, all_count);
}

void usage_table_print(struct usage_table *table, size_t width, FILE *out) {
  struct table_column columns[TABLE_COLUMNS_MAX + 1] = {0};
  char *titles[USAGE_TABLE_GROUPS_MAX] = {0};
  size_t count = 0;
  for (size_t i = 0; i < table->options.groups_count; i++) {
    columns[count++].title = titles[i] = title_of(table->options.groups[i]);
    if (i == 0 && table->has_dates) columns[count++].title = "DATE";
  }
  if (table->options.groups_count == 0 && table->has_dates) columns[count++].title = "DATE";
  if (shows_kind(table)) columns[count++].title = "KIND";
  if (count == 0) columns[count++].title = " ";
  for (size_t i = 0; i < AMOUNTS; i++) {
    if (shows(table, (enum amount)i))
      columns[count++] = (struct table_column){.title = amounts[i].title, .is_number = true};
  }
  CHECK(count <= TABLE_COLUMNS_MAX);
  g_array_sort(table->rows, compare);
  SCOPED(table_free_ref) struct table *printed = table_new(columns, 0, width, out);
  struct printing printing = {.table = table, .out = printed};
  put_rows(&printing);
  table_print(printed);
  for (size_t i = 0; i < table->options.groups_count; i++)
    free(titles[i]);
}
