/* The cache of blocks against a plain list of what it must hold: found by any position inside, bounded, and nothing
 * unchecked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/log/block_cache.h"

#define BLOCKS 200u
#define BASE 64u

struct made {
  uint64_t position;
  char *bytes;
  size_t len;
};

/* Blocks one behind the other, of one to four records each. */
static void make_blocks(struct made made[BLOCKS]) {
  struct block_writer *writer = block_writer_new();
  uint64_t position = BASE;
  for (unsigned i = 0; i < BLOCKS; i++) {
    block_writer_begin(writer, position, position, 1000 + i);
    for (unsigned record = 0; record <= i % 4; record++) {
      char id[32];
      snprintf(id, sizeof id, "%u-%u", i, record);
      struct usage usage = {.project = STR("org-a"),
                            .source = STR("farm"),
                            .id = str_of(id),
                            .kind = USAGE_TRANSCODE,
                            .outcome = USAGE_FINISHED,
                            .codec = STR("h264"),
                            .width = 640,
                            .height = 360,
                            .has_amount = true,
                            .amount = 1,
                            .finished_ms = 1,
                            .finish_stated = true,
                            .arrived_ms = 1};
      uint64_t at;
      assert_int_equal(block_add_usage(writer, &usage, &at), 0);
    }
    struct str bytes = block_writer_finish(writer);
    made[i] = (struct made){.position = position, .bytes = malloc(bytes.len), .len = bytes.len};
    memcpy(made[i].bytes, bytes.ptr, bytes.len);
    position += bytes.len;
  }
  block_writer_free(writer);
}

static void free_blocks(struct made made[BLOCKS]) {
  for (unsigned i = 0; i < BLOCKS; i++)
    free(made[i].bytes);
}

static int add(struct block_cache *cache, const struct made *made, const struct block **ret) {
  struct err err = {0};
  char *copy = malloc(made->len);
  memcpy(copy, made->bytes, made->len);
  return block_cache_add(cache, copy, made->len, made->position, ret, &err);
}

static void check_found(const struct made *made, const struct block *block) {
  char id[32];
  struct record record;
  uint32_t at = BLOCK_HEAD_SIZE;
  assert_int_equal(block->position, made->position);
  assert_int_equal(block->bytes.len, made->len);
  assert_memory_equal(block->bytes.ptr, made->bytes, made->len);
  assert_int_equal(block_next(block, &at, &record, NULL), 0);
  snprintf(id, sizeof id, "%u-0", (unsigned)(block->time_ms - 1000));
  assert_true(str_equal(record.usage.id, str_of(id)) && str_equal(record.usage.project, STR("org-a")));
}

static void test_damage_is_not_kept(void **state) {
  (void)state;
  struct made made[BLOCKS];
  make_blocks(made);
  struct block_cache *cache = block_cache_new(1 << 20);
  const struct block *block = NULL;
  for (size_t at = 0; at < made[3].len; at++) {
    made[3].bytes[at] ^= 0x10;
    assert_int_equal(add(cache, &made[3], &block), -ERR_CORRUPT);
    assert_null(block_cache_find(cache, made[3].position + BLOCK_HEAD_SIZE));
    assert_int_equal(block_cache_bytes(cache), 0);
    made[3].bytes[at] ^= 0x10;
  }
  assert_int_equal(add(cache, &made[3], &block), 0);
  check_found(&made[3], block);
  block_cache_free(cache);
  free_blocks(made);
}

static void test_all_are_found(void **state) {
  (void)state;
  struct made made[BLOCKS];
  make_blocks(made);
  struct block_cache *cache = block_cache_new(1 << 20);
  assert_null(block_cache_find(cache, BASE));
  for (unsigned i = 0; i < BLOCKS; i += 2) { /* in an order of their own, and only every other one */
    const struct block *block;
    unsigned which = i * 37 % BLOCKS;
    if (block_cache_find(cache, made[which].position) == NULL) assert_int_equal(add(cache, &made[which], &block), 0);
  }
  for (unsigned i = 0; i < BLOCKS; i++) {
    for (uint64_t at = made[i].position; at < made[i].position + made[i].len; at += 8) {
      const struct block *block = block_cache_find(cache, at);
      if (i % 2 == 0) {
        assert_non_null(block);
        check_found(&made[i], block);
      } else {
        assert_null(block);
      }
    }
  }
  block_cache_clear(cache);
  assert_int_equal(block_cache_bytes(cache), 0);
  assert_null(block_cache_find(cache, BASE));
  block_cache_free(cache);
  free_blocks(made);
}

/* Against a list: what was used last stays, what was used longest ago goes first, and the bound holds. */
static void test_oldest_go_first(void **state) {
  (void)state;
  struct made made[BLOCKS];
  make_blocks(made);
  const uint64_t bytes_max = 8000;
  struct block_cache *cache = block_cache_new(bytes_max);
  unsigned used[BLOCKS] = {0}, seed = 7;
  for (unsigned step = 1; step <= 20000; step++) {
    seed = seed * 1103515245u + 12345u;
    unsigned which = (seed >> 16) % BLOCKS;
    const struct block *block = block_cache_find(cache, made[which].position + made[which].len - 1);
    if (block == NULL) assert_int_equal(add(cache, &made[which], &block), 0);
    used[which] = step;
    check_found(&made[which], block);
    assert_true(block_cache_bytes(cache) <= bytes_max);
    if (step % 1000 != 0) continue;
    unsigned oldest_kept = step, newest_gone = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
      /* looked at in the order of their last use, so that looking changes no order */
      unsigned next = BLOCKS;
      for (unsigned j = 0; j < BLOCKS; j++)
        if (used[j] <= step && (next == BLOCKS || used[j] < used[next])) next = j;
      bool kept = block_cache_find(cache, made[next].position) != NULL;
      if (kept && used[next] < oldest_kept) oldest_kept = used[next];
      if (!kept && used[next] > newest_gone) newest_gone = used[next];
      used[next] += 1u << 20;
    }
    for (unsigned i = 0; i < BLOCKS; i++)
      used[i] -= 1u << 20;
    assert_true(newest_gone < oldest_kept);
  }
  block_cache_free(cache);
  free_blocks(made);
}

static void test_one_is_always_kept(void **state) {
  (void)state;
  struct made made[BLOCKS];
  make_blocks(made);
  struct block_cache *cache = block_cache_new(1);
  for (unsigned i = 0; i < 5; i++) {
    const struct block *block;
    assert_int_equal(add(cache, &made[i], &block), 0);
    check_found(&made[i], block_cache_find(cache, made[i].position));
    if (i > 0) assert_null(block_cache_find(cache, made[i - 1].position));
  }
  block_cache_free(cache);
  free_blocks(made);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_damage_is_not_kept), cmocka_unit_test(test_all_are_found),
                                     cmocka_unit_test(test_oldest_go_first),
                                     cmocka_unit_test(test_one_is_always_kept)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
