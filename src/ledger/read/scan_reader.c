/* Records by position and by name, from the running ledger.
 *
 * An index leads to candidates, and equal hashes prove nothing: each candidate's texts are compared. A reader has two
 * caches of blocks, because the texts of a record are borrowed from one while its void is looked for in the other.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/vector.h"
#include "ledger/decide.h"
#include "ledger/read/view.h"
#include "ledger/scan.h"
#include "ledger/state.h"

/* A block in a cache takes its bytes and a list of its names. */
#define CACHE_BYTES (4u << 20)
_Static_assert(CACHE_BYTES >= LOG_READER_BYTES_MIN, "else a cache takes more than this");
_Static_assert(SCAN_READER_BYTES >= 2 * (CACHE_BYTES + BLOCK_MAX), "both caches, and a block that is being read");

struct scan_reader {
  struct ledger *ledger;
  struct log_reader *main, *other; /* NULL: it rests, or has read nothing yet */
  struct record main_record, other_record;
  uint64_t main_position; /* of main_record; 0: none */
  /* Whether a project has any void below that position: most have none. By its number: records of many projects are
   * read in the order of their positions, and a question costs a search. */
  uint64_t asked_as_of;
  VECTOR(uint8_t) voids; /* enum void_answer of each number */
};

enum void_answer { VOIDS_NOT_ASKED, VOIDS_NONE, VOIDS_SOME };
static_assert(VOIDS_NOT_ASKED == 0, "a new item of a vector is 0");
#define NO_MEMORY "no memory to read records: free some memory"

int scan_reader_new(struct ledger *ledger, struct scan_reader **ret, struct err *err) {
  struct scan_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return err_set(err, ERR_MEMORY, NO_MEMORY);
  reader->ledger = ledger;
  *ret = reader;
  return 0;
}

void scan_reader_rest(struct scan_reader *reader) {
  log_reader_free(MOVE(reader->main));
  log_reader_free(MOVE(reader->other));
  reader->main_position = 0;
}

void scan_reader_free(struct scan_reader *reader) {
  if (reader == NULL) return;
  scan_reader_rest(reader);
  vector_fini(&reader->voids);
  free(reader);
}

/* ---- by position ---- */

static int read_usage(struct scan_reader *reader, struct log_reader **log, uint64_t position, struct record *record,
                      struct err *err) {
  if (*log == NULL) *log = log_reader_new(reader->ledger->log, CACHE_BYTES);
  if (*log == NULL) return err_set(err, ERR_MEMORY, NO_MEMORY);
  int result = log_read_record(*log, position, record, err);
  if (result != 0 || record->type == RECORD_USAGE) return result;
  return err_set(err, ERR_CORRUPT,
                 "an index entry points to log position %" PRIu64
                 ", which is not a usage record; stop the server and run `codecmeter rebuild`",
                 position);
}

int scan_record(struct scan_reader *reader, uint64_t position, const struct usage **ret, struct err *err) {
  reader->main_position = 0;
  int result = read_usage(reader, &reader->main, position, &reader->main_record, err);
  if (result != 0) return result;
  reader->main_position = position;
  *ret = &reader->main_record.usage;
  return 0;
}

int scan_other(struct scan_reader *reader, uint64_t position, const struct usage **ret, struct err *err) {
  int result = read_usage(reader, &reader->other, position, &reader->other_record, err);
  if (result == 0) *ret = &reader->other_record.usage;
  return result;
}

int scan_stored_ms(struct scan_reader *reader, uint64_t position, int64_t *ret_ms, struct err *err) {
  bool is_main = position == reader->main_position && position != 0;
  int result = is_main ? 0 : read_usage(reader, &reader->other, position, &reader->other_record, err);
  if (result == 0) *ret_ms = log_record_time(is_main ? reader->main : reader->other, position);
  return result;
}

/* ---- what later records did to a record ---- */

struct lookup {
  struct scan_reader *reader;
  const struct usage *wanted;
  bool (*matches)(const struct usage *usage, const struct usage *wanted);
  uint64_t as_of;
  uint64_t first; /* position of the first match; 0: none (the log begins with a head, so no record is at 0) */
};

static int try_position(void *arg, uint64_t position, struct err *err) {
  struct lookup *lookup = arg;
  const struct usage *usage;
  if (position >= lookup->as_of || (lookup->first != 0 && position >= lookup->first)) return 0;
  int result = scan_other(lookup->reader, position, &usage, err);
  if (result == 0 && lookup->matches(usage, lookup->wanted)) lookup->first = position;
  return result;
}

static int look_up(struct lookup *lookup, enum view_what what, struct hash hash, uint64_t *ret, struct err *err) {
  SCOPED(view_fini) struct view view = {0};
  view_take(lookup->reader->ledger, &view);
  int result = view_check(&view, lookup->as_of, err);
  if (result == 0) result = view_find(&view, what, hash, try_position, lookup, err);
  if (result == 0) *ret = lookup->first;
  return result;
}

static bool has_room_for(struct scan_reader *reader, uint32_t number) {
  while (reader->voids.count <= number) {
    if (vector_add(&reader->voids) == NULL) return false;
  }
  return true;
}

static int ask_for_voids(struct scan_reader *reader, uint32_t number, struct err *err) {
  const struct scan_query query = {.project = number,
                                   .kinds = SCAN_KIND(USAGE_VOID),
                                   .from_ms = INT64_MIN,
                                   .to_ms = INT64_MAX,
                                   .as_of = reader->asked_as_of};
  struct scan_entry entry;
  size_t count = 0;
  int result = ledger_scan_entries(reader->ledger, &query, &entry, 1, &count, err);
  if (result == 0) reader->voids.items[number] = count > 0 ? VOIDS_SOME : VOIDS_NONE;
  return result;
}

static int has_voids(struct scan_reader *reader, struct str id, uint64_t as_of, bool *ret, struct err *err) {
  struct project project;
  if (!catalogue_project(reader->ledger->catalogue, id, &project)) {
    return err_set(err, ERR_NOT_FOUND, "no project %.*s exists", STR_ARG(id));
  }
  if (!has_room_for(reader, project.number)) return err_set(err, ERR_MEMORY, "no memory to read records");
  if (reader->asked_as_of != as_of) memset(reader->voids.items, VOIDS_NOT_ASKED, reader->voids.count);
  reader->asked_as_of = as_of;
  int result = reader->voids.items[project.number] == VOIDS_NOT_ASKED ? ask_for_voids(reader, project.number, err) : 0;
  if (result == 0) *ret = reader->voids.items[project.number] == VOIDS_SOME;
  return result;
}

int scan_void(struct scan_reader *reader, const struct usage *usage, uint64_t as_of, uint64_t *ret_position,
              struct err *err) {
  bool some = false;
  int result = usage_is_task(usage->kind) ? has_voids(reader, usage->project, as_of, &some, err) : 0;
  if (result != 0) return result;
  if (!some) {
    *ret_position = 0;
    return 0;
  }
  struct lookup lookup = {.reader = reader, .wanted = usage, .matches = decide_voids, .as_of = as_of};
  struct hash hash = hash_void_of(usage->project, usage->source, usage->id);
  return look_up(&lookup, VIEW_VOIDS, hash, ret_position, err);
}

int scan_resolution(struct scan_reader *reader, const struct usage *usage, uint64_t as_of, uint64_t *ret_position,
                    struct err *err) {
  if (usage->kind != USAGE_UNRESOLVED) {
    *ret_position = 0;
    return 0;
  }
  struct lookup lookup = {.reader = reader, .wanted = usage, .matches = decide_resolves, .as_of = as_of};
  struct hash hash = hash_identity(usage->project, usage->source, usage->id);
  return look_up(&lookup, VIEW_IDENTITIES, hash, ret_position, err);
}

/* ---- the records of a name ---- */

/* The first positions that a query wants, sorted. */
struct names {
  const struct ledger_history_query *query;
  uint64_t positions[LEDGER_HISTORY_MAX];
  size_t count, max;
  bool is_cut; /* there are more */
};

static int keep_position(void *arg, uint64_t position, struct err *err) {
  struct names *names = arg;
  (void)err;
  if (position <= names->query->behind || position >= names->query->as_of) return 0;
  size_t at = names->count;
  while (at > 0 && names->positions[at - 1] > position)
    at--;
  bool is_full = names->count == names->max;
  names->is_cut |= is_full;
  if (at == names->max) return 0;
  size_t kept = is_full ? names->max - 1 : names->count;
  memmove(&names->positions[at + 1], &names->positions[at], (kept - at) * sizeof names->positions[0]);
  names->positions[at] = position;
  names->count = kept + 1;
  return 0;
}

/* No record has an empty id, or a name that is too long. */
static bool fits_a_name(const struct ledger_history_query *query) {
  return (query->id.len > 0 || query->task_id.len > 0) && query->task_id.len <= TASK_ID_MAX &&
         query->source.len <= SOURCE_MAX && query->id.len <= EVENT_ID_MAX;
}

static int find_names(const struct view *view, struct names *names, struct err *err) {
  const struct ledger_history_query *query = names->query;
  if (!fits_a_name(query)) return 0;
  if (query->task_id.len > 0) {
    struct hash hash = hash_task(query->project, query->task_id);
    return view_find(view, VIEW_TASKS, hash, keep_position, names, err);
  }
  struct hash hash = hash_identity(query->project, query->source, query->id);
  int result = view_find(view, VIEW_IDENTITIES, hash, keep_position, names, err);
  hash = hash_unresolved(query->project, query->source, query->id);
  return result == 0 ? view_find(view, VIEW_IDENTITIES, hash, keep_position, names, err) : result;
}

static bool is_asked_for(const struct ledger_history_query *query, const struct usage *usage) {
  if (!str_equal(usage->project, query->project)) return false;
  if (query->task_id.len == 0) return str_equal(usage->source, query->source) && str_equal(usage->id, query->id);
  if (usage->kind == USAGE_VOID) return false;
  return str_equal(usage->task_id.len > 0 ? usage->task_id : usage->id, query->task_id);
}

static int show(struct scan_reader *reader, const struct names *names, uint64_t position, ledger_history_visit visit,
                void *arg, struct err *err) {
  struct ledger_history_item item = {.position = position};
  uint64_t as_of = names->query->as_of;
  int result = scan_record(reader, position, &item.usage, err);
  if (result != 0 || !is_asked_for(names->query, item.usage)) return result;
  result = item.usage->kind == USAGE_UNRESOLVED
               ? scan_resolution(reader, item.usage, as_of, &item.other_position, err)
               : scan_void(reader, item.usage, as_of, &item.other_position, err);
  if (result == 0 && item.other_position != 0) result = scan_other(reader, item.other_position, &item.other, err);
  return result == 0 ? visit(arg, &item, err) : result;
}

/* Takes a view of its own, and lets it go before the records are read. */
static int gather_names(struct scan_reader *reader, struct names *names, struct err *err) {
  SCOPED(view_fini) struct view view = {0};
  view_take(reader->ledger, &view);
  int result = view_check(&view, names->query->as_of, err);
  return result == 0 ? find_names(&view, names, err) : result;
}

static int check_query(const struct scan_reader *reader, const struct ledger_history_query *query, struct err *err) {
  struct project project;
  if (query->max < 1 || query->max > LEDGER_HISTORY_MAX) {
    return err_set(err, ERR_RANGE, "from 1 to %u records can be asked for, not %zu", LEDGER_HISTORY_MAX, query->max);
  }
  if (catalogue_project(reader->ledger->catalogue, query->project, &project)) return 0;
  return err_set(err, ERR_NOT_FOUND, "no project %.*s exists", STR_ARG(query->project));
}

int ledger_history(struct scan_reader *reader, const struct ledger_history_query *query, ledger_history_visit visit,
                   void *arg, uint64_t *ret_more_behind, struct err *err) {
  int result = check_query(reader, query, err);
  if (result != 0) return result;
  struct names names = {.query = query, .max = query->max};
  result = gather_names(reader, &names, err);
  for (size_t i = 0; i < names.count && result == 0; i++)
    result = show(reader, &names, names.positions[i], visit, arg, err);
  if (result == 0) *ret_more_behind = names.is_cut ? names.positions[names.count - 1] : 0;
  return result;
}
