#include "ledger/totals/puts.h"

#include "base/check.h"

void puts_fini(struct puts *puts) { buf_fini(&puts->rows); }
void puts_clear(struct puts *puts) { buf_clear(&puts->rows); }
bool puts_is_empty(const struct puts *puts) { return puts->rows.len == 0; }
bool puts_reserve(struct puts *puts, size_t bytes) { return buf_reserve(&puts->rows, bytes); }

/* The lengths are before the texts; puts_end fills them in. */
struct buf *puts_key(struct puts *puts) {
  static const char lengths[PUTS_HEAD] = {0};
  CHECK(puts->key == 0);
  buf_append(&puts->rows, lengths, sizeof lengths);
  puts->key = puts->rows.len;
  return &puts->rows;
}

struct buf *puts_value(struct puts *puts) {
  CHECK(puts->key > 0 && puts->value == 0);
  puts->value = puts->rows.len;
  return &puts->rows;
}

void puts_end(struct puts *puts) {
  size_t end = puts->rows.len;
  CHECK(!puts->rows.failed && puts->key > 0 && puts->value > puts->key && end >= puts->value);
  char *lengths = puts->rows.ptr + puts->key - PUTS_HEAD;
  le32_store(lengths, (uint32_t)(puts->value - puts->key));
  le32_store(lengths + 4, (uint32_t)(end - puts->value));
  puts->key = puts->value = 0;
}

bool puts_next(const struct puts *puts, size_t *at, struct str *ret_key, struct str *ret_value) {
  if (*at >= puts->rows.len) return false;
  const char *row = puts->rows.ptr + *at;
  *ret_key = str_make(row + PUTS_HEAD, le32_load(row));
  *ret_value = str_make(ret_key->ptr + ret_key->len, le32_load(row + 4));
  *at += PUTS_HEAD + ret_key->len + ret_value->len;
  return true;
}
