/* A row has a ring of counts, one for each three hours of the last 30 days. It is moved on when something is counted,
 * so a count of long ago is never taken for one of today.
 *
 * An output that waits to be resolved is counted when it arrives, and not again when it is resolved. So the hashes of
 * those that wait are kept, and each task of a source that has some is looked up among them.
 */
#include "sources/tally.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "ledger/log/follow.h"
#include "ledger/log/hash.h"

#define PART_MS (INT64_C(3) * 3600 * 1000)
#define PARTS 8 /* of a day */
#define RING (30 * PARTS)
_Static_assert(RING >= (TALLY_DAYS + 1) * PARTS, "the ring holds today and the days before it");
#define AHEAD_MAX PARTS /* parts by which a clock may have been wrong when a report arrived */

#define WAITING_SLOTS 524288u
_Static_assert(WAITING_SLOTS >= 2 * TALLY_WAITING_MAX, "more than half of the slots stay free");

struct row {
  struct roster_item item;
  char project[PROJECT_ID_MAX + 1], source[SOURCE_MAX + 1];
  int64_t first_ms, last_ms;
  uint64_t outputs, unresolved;
  int64_t newest; /* the part of time, counted from 1970, of the newest count in the ring */
  uint32_t ring[RING];
};

struct tally {
  uint64_t position;
  struct roster rows;
  struct row *last;   /* the row of the last usage, or NULL */
  int64_t pruned_day; /* the day, counted from 1970, on which rows were last forgotten */
  uint64_t *waiting;  /* hashes of the outputs that wait; 0: free. NULL until there is one */
  size_t waiting_count;
  bool is_rough;
};

struct tally *tally_new(void) {
  struct tally *tally = memory_wait(sizeof *tally);
  tally->position = FOLLOW_BEGIN;
  roster_init(&tally->rows);
  return tally;
}

void tally_free(struct tally *tally) {
  if (tally == NULL) return;
  roster_fini(&tally->rows);
  free(tally->waiting);
  free(tally);
}

uint64_t tally_position(const struct tally *tally) { return tally->position; }
bool tally_is_rough(const struct tally *tally) { return tally->is_rough; }

void tally_reach(struct tally *tally, uint64_t position) {
  CHECK(position >= tally->position);
  tally->position = position;
}

/* ---- outputs that wait to be resolved: a table with linear probing ---- */

static uint64_t hash_waiting(const struct usage *usage) {
  uint64_t hash = hash_identity(usage->project, usage->source, usage->id).low;
  return hash != 0 ? hash : 1;
}

/* The slot that holds the hash, or the free one where it would be. */
static size_t waiting_slot(const struct tally *tally, uint64_t hash) {
  size_t at = hash % WAITING_SLOTS;
  while (tally->waiting[at] != 0 && tally->waiting[at] != hash)
    at = (at + 1) % WAITING_SLOTS;
  return at;
}

static void add_waiting(struct tally *tally, uint64_t hash) {
  if (tally->waiting == NULL) tally->waiting = memory_wait(WAITING_SLOTS * sizeof *tally->waiting);
  if (tally->waiting_count == TALLY_WAITING_MAX) {
    tally->is_rough = true;
    return;
  }
  size_t at = waiting_slot(tally, hash);
  tally->waiting_count += tally->waiting[at] == 0;
  tally->waiting[at] = hash;
}

/* Frees the slot. The hashes behind it that it had pushed on move back. */
static void free_slot(struct tally *tally, size_t at) {
  tally->waiting[at] = 0;
  for (size_t next = (at + 1) % WAITING_SLOTS; tally->waiting[next] != 0; next = (next + 1) % WAITING_SLOTS) {
    uint64_t hash = tally->waiting[next];
    tally->waiting[next] = 0;
    tally->waiting[waiting_slot(tally, hash)] = hash;
  }
}

static bool take_waiting(struct tally *tally, uint64_t hash) {
  if (tally->waiting == NULL) return false;
  size_t at = waiting_slot(tally, hash);
  if (tally->waiting[at] == 0) return false;
  free_slot(tally, at);
  tally->waiting_count--;
  return true;
}

/* ---- rows ---- */

struct name {
  struct str project, source;
};

static uint64_t hash_of(const struct name *name) { return hash_identity(name->project, name->source, STR("")).low; }

static bool is_named(const struct roster_item *item, const void *key) {
  const struct row *row = (const struct row *)item;
  const struct name *name = key;
  return str_equal(str_of(row->source), name->source) && str_equal(str_of(row->project), name->project);
}

static bool is_quiet(const struct roster_item *item, const void *key) {
  const struct row *row = (const struct row *)item;
  return row->last_ms < *(const int64_t *)key && row->unresolved == 0;
}

static struct row *row_new(const struct name *name) {
  struct row *row = memory_wait(sizeof *row);
  bool fits = str_copy(name->project, row->project, sizeof row->project) &&
              str_copy(name->source, row->source, sizeof row->source);
  CHECK(fits); /* a record has texts within these bounds */
  row->item.hash = hash_of(name);
  return row;
}

static struct row *find_or_add(struct tally *tally, const struct name *name, size_t most) {
  struct roster_item *found = roster_find(&tally->rows, hash_of(name), is_named, name);
  if (found != NULL) return (struct row *)found;
  if (tally->rows.count >= most) return NULL;
  struct row *row = row_new(name);
  roster_add(&tally->rows, &row->item);
  return row;
}

static struct row *row_of(struct tally *tally, const struct usage *usage) {
  const struct name name = {usage->project, usage->source}, others = {STR(""), STR("")};
  if (tally->last != NULL && is_named(&tally->last->item, &name)) return tally->last;
  struct row *row = find_or_add(tally, &name, TALLY_SOURCES_MAX);
  if (row == NULL) row = find_or_add(tally, &others, ROSTER_MAX);
  CHECK(row != NULL); /* the last place is for the others */
  tally->last = row;
  return row;
}

/* Once a day, so that what is forgotten depends on the log alone. A report may arrive a little before the one that
 * stands before it in the log, so the day before means nothing new. */
static void forget_quiet(struct tally *tally, int64_t now_ms) {
  int64_t day = now_ms / (PART_MS * PARTS), least_ms = now_ms - TALLY_KEPT_MS;
  if (day == tally->pruned_day || day == tally->pruned_day - 1) return;
  tally->pruned_day = day;
  tally->last = NULL;
  (void)roster_remove(&tally->rows, is_quiet, &least_ms);
}

static uint32_t *count_at(struct row *row, int64_t part) { return &row->ring[(uint64_t)part % RING]; }

/* Makes a part the newest one. A part that is far behind the newest says that a clock was wrong before: the ring
 * begins again. */
static void move_ring(struct row *row, int64_t part) {
  int64_t step = part - row->newest;
  if (step >= RING || step < -AHEAD_MAX)
    memset(row->ring, 0, sizeof row->ring);
  else
    for (int64_t i = 1; i <= step; i++)
      *count_at(row, row->newest + i) = 0;
  if (step > 0 || step < -AHEAD_MAX) row->newest = part;
}

static void count_output(struct row *row, int64_t now_ms) {
  int64_t part = now_ms / PART_MS;
  if (row->outputs == 0) row->newest = part;
  if (row->outputs++ == 0 || now_ms < row->first_ms) row->first_ms = now_ms;
  row->last_ms = now_ms;
  move_ring(row, part);
  uint32_t *count = count_at(row, part);
  *count += *count < UINT32_MAX;
}

void tally_count(struct tally *tally, const struct usage *usage) {
  int64_t now_ms = usage->arrived_ms;
  bool waits = usage->kind == USAGE_UNRESOLVED;
  if ((!waits && !usage_is_task(usage->kind)) || now_ms < 0) return;
  forget_quiet(tally, now_ms);
  struct row *row = row_of(tally, usage);
  bool resolves = !waits && row->unresolved > 0 && take_waiting(tally, hash_waiting(usage));
  if (waits) add_waiting(tally, hash_waiting(usage));
  row->unresolved = row->unresolved + waits - resolves;
  if (!resolves) count_output(row, now_ms);
}

/* ---- what is known of a source ---- */

bool tally_has(const struct tally *tally, const char *project, const char *source) {
  const struct name name = {str_of(project), str_of(source)};
  return roster_find(&tally->rows, hash_of(&name), is_named, &name) != NULL;
}

static int by_number(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* The lower of the two in the middle, so that no number is made up. */
static uint64_t median(uint64_t *numbers, size_t count) {
  if (count == 0) return 0;
  qsort(numbers, count, sizeof *numbers, by_number);
  return numbers[(count - 1) / 2];
}

/* The outputs of the first parts of a day. */
static uint64_t sum_of(const struct row *row, int64_t day, int parts) {
  uint64_t sum = 0;
  for (int64_t part = day * PARTS; part < day * PARTS + parts; part++) {
    bool is_kept = part <= row->newest && part > row->newest - RING;
    if (is_kept) sum += row->ring[(uint64_t)part % RING];
  }
  return sum;
}

/* The median of these parts of the days `step` days apart before a day. */
static uint64_t usual_of(const struct row *row, int64_t day, int parts, int days, int step) {
  uint64_t sums[TALLY_DAYS];
  size_t count = 0;
  for (int back = step; back <= days; back += step)
    sums[count++] = sum_of(row, day - back, parts);
  return median(sums, count);
}

static struct tally_source describe(const struct row *row, int64_t now_ms) {
  int64_t day = now_ms / (PART_MS * PARTS), known = day - row->first_ms / (PART_MS * PARTS);
  int parts = (int)(now_ms / PART_MS % PARTS);
  int days = known < 0 ? 0 : known < TALLY_DAYS ? (int)known : TALLY_DAYS;
  return (struct tally_source){
      .project = row->project,
      .source = row->source,
      .first_ms = row->first_ms,
      .last_ms = row->last_ms,
      .outputs = row->outputs,
      .unresolved = row->unresolved,
      .today = sum_of(row, day, PARTS),
      .median = usual_of(row, day, PARTS, days, 1),
      .so_far = sum_of(row, day, parts),
      .usual = usual_of(row, day, parts, days, 1),
      .usual_weekday = usual_of(row, day, parts, days, 7),
      .hours = (unsigned)parts * 3,
      .days = (unsigned)days,
  };
}

static int by_name(const void *a, const void *b) {
  const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
  int order = strcmp(x->project, y->project);
  return order != 0 ? order : strcmp(x->source, y->source);
}

int tally_visit(const struct tally *tally, int64_t now_ms,
                void (*visit)(void *arg, const struct tally_source *source), void *arg) {
  size_t count = tally->rows.count;
  SCOPED_MALLOC struct row **rows = malloc((count + 1) * sizeof *rows);
  if (rows == NULL) return -ERR_MEMORY;
  memcpy(rows, tally->rows.items, count * sizeof *rows);
  qsort(rows, count, sizeof *rows, by_name);
  for (size_t i = 0; i < count; i++) {
    const struct tally_source source = describe(rows[i], now_ms);
    visit(arg, &source);
  }
  return 0;
}

/* ---- on disk ---- */

#define MAGIC "CMSOURCE"
#define FORMAT 1u
#define HEAD_SIZE 48u
#define ROW_SIZE 48u /* of a row, without its names and counts */
#define COUNT_SIZE 6u

static void put_u64(struct buf *out, uint64_t value) {
  char bytes[8];
  le64_store(bytes, value);
  buf_append(out, bytes, sizeof bytes);
}

static void put_u32(struct buf *out, uint32_t value) {
  char bytes[4];
  le32_store(bytes, value);
  buf_append(out, bytes, sizeof bytes);
}

static void put_u16(struct buf *out, size_t value) {
  char bytes[2];
  le16_store(bytes, (uint16_t)value);
  buf_append(out, bytes, sizeof bytes);
}

static void put_row(const struct row *row, struct buf *out) {
  size_t used = 0;
  for (size_t i = 0; i < RING; i++)
    used += row->ring[i] != 0;
  put_u64(out, (uint64_t)row->first_ms);
  put_u64(out, (uint64_t)row->last_ms);
  put_u64(out, row->outputs);
  put_u64(out, row->unresolved);
  put_u64(out, (uint64_t)row->newest);
  put_u16(out, strlen(row->project));
  put_u16(out, strlen(row->source));
  put_u32(out, (uint32_t)used);
  buf_text(out, row->project);
  buf_text(out, row->source);
  for (size_t i = 0; i < RING; i++) {
    if (row->ring[i] == 0) continue;
    put_u16(out, i);
    put_u32(out, row->ring[i]);
  }
}

void tally_encode(const struct tally *tally, struct buf *out) {
  size_t start = out->len;
  buf_append(out, MAGIC, 8);
  put_u32(out, FORMAT);
  put_u32(out, tally->is_rough);
  put_u64(out, tally->position);
  put_u64(out, (uint64_t)tally->pruned_day);
  put_u64(out, tally->rows.count);
  put_u64(out, tally->waiting_count);
  for (size_t i = 0; i < tally->rows.count; i++)
    put_row((const struct row *)tally->rows.items[i], out);
  for (size_t i = 0; i < WAITING_SLOTS && tally->waiting_count > 0; i++) {
    if (tally->waiting[i] != 0) put_u64(out, tally->waiting[i]);
  }
  if (!out->failed) put_u32(out, crc32c(out->ptr + start, out->len - start));
}

/* Takes len bytes from the front; NULL if there are fewer. */
static const char *take(struct str *rest, size_t len) {
  if (rest->len < len) return NULL;
  const char *taken = rest->ptr;
  *rest = str_make(rest->ptr + len, rest->len - len);
  return taken;
}

static bool take_counts(struct str *rest, struct row *row, uint32_t count) {
  const char *p = count <= RING ? take(rest, count * COUNT_SIZE) : NULL;
  for (uint32_t i = 0; p != NULL && i < count; i++, p += COUNT_SIZE) {
    if (le16_load(p) >= RING) return false;
    row->ring[le16_load(p)] = le32_load(p + 2);
  }
  return p != NULL;
}

/* True for an instant from 1970 to the year 10889, so that nothing overflows. */
static bool is_instant(int64_t ms) { return ms >= 0 && ms < INT64_C(1) << 48; }

static bool take_row(struct str *rest, struct tally *tally) {
  const char *p = take(rest, ROW_SIZE);
  if (p == NULL) return false;
  uint16_t project_len = le16_load(p + 40), source_len = le16_load(p + 42);
  const char *names =
      project_len <= PROJECT_ID_MAX && source_len <= SOURCE_MAX ? take(rest, (size_t)project_len + source_len) : NULL;
  if (names == NULL) return false;
  const struct name name = {str_make(names, project_len), str_make(names + project_len, source_len)};
  struct row *row = row_new(&name);
  row->first_ms = (int64_t)le64_load(p);
  row->last_ms = (int64_t)le64_load(p + 8);
  row->outputs = le64_load(p + 16);
  row->unresolved = le64_load(p + 24);
  row->newest = (int64_t)le64_load(p + 32);
  roster_add(&tally->rows, &row->item);
  bool good = is_instant(row->first_ms) && is_instant(row->last_ms) && is_instant(row->newest);
  return good && take_counts(rest, row, le32_load(p + 44));
}

static bool take_all(struct str rest, struct tally *tally) {
  const char *p = take(&rest, HEAD_SIZE);
  if (p == NULL || memcmp(p, MAGIC, 8) != 0 || le32_load(p + 8) != FORMAT) return false;
  uint64_t rows = le64_load(p + 32), waiting = le64_load(p + 40);
  tally->is_rough = le32_load(p + 12) != 0;
  tally->position = le64_load(p + 16);
  tally->pruned_day = (int64_t)le64_load(p + 24);
  bool good = rows <= ROSTER_MAX && waiting <= TALLY_WAITING_MAX && is_instant(tally->pruned_day);
  for (uint64_t i = 0; i < rows && good; i++)
    good = take_row(&rest, tally);
  const char *hashes = good ? take(&rest, waiting * sizeof(uint64_t)) : NULL;
  for (uint64_t i = 0; hashes != NULL && i < waiting; i++)
    add_waiting(tally, le64_load(hashes + 8 * i));
  return hashes != NULL && rest.len == 0;
}

int tally_decode(struct str bytes, struct tally **ret, struct err *err) {
  SCOPED(tally_free_ref) struct tally *tally = tally_new();
  bool good = bytes.len > HEAD_SIZE && bytes.len < INT32_MAX &&
              crc32c(bytes.ptr, bytes.len - 4) == le32_load(bytes.ptr + bytes.len - 4) &&
              take_all(str_make(bytes.ptr, bytes.len - 4), tally);
  if (!good) return err_set(err, ERR_CORRUPT, "its bytes are not those that were written, or its format is another");
  *ret = MOVE(tally);
  return 0;
}
