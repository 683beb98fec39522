/* Every request notes a use, on many threads. So the table has a fixed size and no lock: a slot is taken once, by one
 * compare-and-swap, and is never given back. A busy token writes its slot once a second only, so that the threads do
 * not fight for its cache line.
 *
 * Of a slot: FREE ──the first use of a token──> TAKEN (for this token, until the table is freed)
 *
 * A public id is 12 hex digits, which fit into a slot's key as a number. 1 is added: 0 is a free slot.
 */
#include "sources/token_uses.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "meter/rfc3339.h"
#include "sources/state_file.h"

#define SLOTS 65536u
_Static_assert(TOKEN_USES_MAX * 2 == SLOTS, "a search ends soon, because half of the slots are free");
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a mask finds the slot");

#define ID_DIGITS 12u
#define RESOLUTION_MS 1000
#define LINE_MAX_BYTES 128u /* of the file */
#define LINE_ARENA_MAX ((size_t)16 << 10)
#define FILE_MAX ((uint64_t)SLOTS * LINE_MAX_BYTES)

struct slot {
  _Atomic uint64_t key; /* 0: free */
  _Atomic int64_t used_ms;
};

struct token_uses {
  _Atomic uint32_t count; /* of slots that are taken, or about to be */
  atomic_bool are_new, said_full;
  struct slot slots[SLOTS];
};

struct token_uses *token_uses_new(void) {
  return memory_wait(sizeof(struct token_uses));
}

void token_uses_free(struct token_uses *uses) { free(uses); }

/* False for an id that this version does not make. */
static bool read_id(const char *id, uint64_t *ret_key) {
  uint64_t number = 0;
  for (unsigned i = 0; i < ID_DIGITS; i++) {
    char c = id[i];
    bool is_digit = c >= '0' && c <= '9', is_letter = c >= 'a' && c <= 'f';
    if (!is_digit && !is_letter) return false;
    number = number << 4 | (unsigned)(is_digit ? c - '0' : c - 'a' + 10);
  }
  *ret_key = number + 1;
  return id[ID_DIGITS] == '\0';
}

/* The public id is a part of a hash, so its low bits are spread evenly. */
static size_t place_of(uint64_t key, uint32_t step) { return (size_t)(key + step) & (SLOTS - 1); }

static const struct slot *find(const struct token_uses *uses, uint64_t key) {
  for (uint32_t step = 0; step < SLOTS; step++) {
    const struct slot *slot = &uses->slots[place_of(key, step)];
    uint64_t found = atomic_load_explicit(&slot->key, memory_order_acquire);
    if (found == key) return slot;
    if (found == 0) return NULL;
  }
  return NULL;
}

static void say_full(struct token_uses *uses) {
  if (atomic_exchange(&uses->said_full, true)) return;
  diag_warning("the last use is kept of %u tokens; `codecmeter token list` shows no use of further ones",
               TOKEN_USES_MAX);
}

/* Finds the token's slot, or takes a free one. NULL if the table is full. */
static struct slot *find_or_take(struct token_uses *uses, uint64_t key) {
  struct slot *known = (struct slot *)find(uses, key);
  if (known != NULL) return known;
  if (atomic_fetch_add(&uses->count, 1) >= TOKEN_USES_MAX) {
    atomic_fetch_sub(&uses->count, 1);
    say_full(uses);
    return NULL;
  }
  for (uint32_t step = 0; step < SLOTS; step++) {
    struct slot *slot = &uses->slots[place_of(key, step)];
    uint64_t found = 0;
    if (atomic_compare_exchange_strong(&slot->key, &found, key)) return slot;
    if (found != key) continue;
    atomic_fetch_sub(&uses->count, 1); /* another thread took it for the same token */
    return slot;
  }
  CHECK(!"half of the slots are free");
  return NULL;
}

void token_uses_note(struct token_uses *uses, const char *token_id, int64_t now_ms) {
  uint64_t key;
  if (!read_id(token_id, &key)) return;
  struct slot *slot = find_or_take(uses, key);
  if (slot == NULL) return;
  /* A clock that was ahead is set back, so an earlier time replaces a later one. */
  int64_t before = atomic_load_explicit(&slot->used_ms, memory_order_relaxed);
  if (before != 0 && now_ms - before < RESOLUTION_MS && before - now_ms < RESOLUTION_MS) return;
  atomic_store(&slot->used_ms, now_ms);
  atomic_store(&uses->are_new, true);
}

int64_t token_uses_last_ms(const struct token_uses *uses, const char *token_id) {
  uint64_t key;
  const struct slot *slot = read_id(token_id, &key) ? find(uses, key) : NULL;
  return slot != NULL ? atomic_load(&slot->used_ms) : 0;
}

bool token_uses_are_new(const struct token_uses *uses) { return atomic_load(&uses->are_new); }

/* ---- the file ---- */

static void put_line(struct buf *out, uint64_t key, int64_t used_ms) {
  char id[2 * sizeof key + 1], when[RFC3339_SIZE];
  struct json_write json = json_write_to(out);
  (void)snprintf(id, sizeof id, "%0*" PRIx64, (int)ID_DIGITS, key - 1);
  rfc3339_format(used_ms, when);
  json_write_object(&json, NULL);
  json_write_text(&json, "token", id);
  json_write_text(&json, "used", when);
  json_write_end(&json);
  buf_char(out, '\n');
}

int token_uses_save(struct token_uses *uses, const char *data_dir, struct err *err) {
  SCOPED(buf_fini) struct buf lines = {.limit = FILE_MAX};
  atomic_store(&uses->are_new, false); /* first: a use that comes while the lines are made is written next time */
  for (size_t i = 0; i < SLOTS; i++) {
    uint64_t key = atomic_load_explicit(&uses->slots[i].key, memory_order_acquire);
    int64_t used_ms = atomic_load(&uses->slots[i].used_ms);
    if (key != 0 && used_ms != 0) put_line(&lines, key, used_ms);
  }
  int result = lines.failed ? err_set(err, ERR_MEMORY, "no memory to write %s", TOKEN_USES_FILE)
                            : file_replace(data_dir, TOKEN_USES_FILE, buf_view(&lines), err);
  if (result != 0) atomic_store(&uses->are_new, true);
  return result;
}

static bool take_line(struct token_uses *uses, struct json_parser *parser, struct str line) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(LINE_ARENA_MAX);
  char id[ID_DIGITS + 1];
  const struct json *top;
  struct err why;
  uint64_t key;
  int64_t used_ms;
  bool good = arena != NULL && line.len <= LINE_MAX_BYTES && json_parse(parser, arena, line, 2, &top, &why) == 0 &&
              str_copy(json_member_text(top, "token"), id, sizeof id) && read_id(id, &key) &&
              rfc3339_parse(json_member_text(top, "used"), &used_ms, &why) == 0 && used_ms > 0;
  if (good) token_uses_note(uses, id, used_ms);
  return good;
}

int token_uses_load(struct token_uses *uses, const char *data_dir, size_t *ret_bad, struct err *err) {
  SCOPED_MALLOC char *path = file_path(data_dir, TOKEN_USES_FILE);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  SCOPED(buf_fini) struct buf content = {.limit = FILE_MAX + JSON_PADDING};
  size_t bad = 0;
  if (parser == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s", path);
  int result = state_file_read(path, FILE_MAX, &content, err);
  if (result != 0 && result != -ERR_NOT_FOUND) return result;
  for (struct str rest = buf_view(&content); rest.len > 0;)
    bad += !take_line(uses, parser, str_cut(&rest, '\n'));
  atomic_store(&uses->are_new, false);
  *ret_bad = bad;
  return 0;
}
