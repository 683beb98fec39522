/* A record's position does not say where its block begins. So a search finds the last block that begins at or before
 * the position, in a treap: a search tree that random priorities keep balanced. A list orders the blocks by their
 * last use. The pointers of both are in the blocks themselves, so the cache allocates nothing but blocks.
 */
#include "ledger/log/block_cache.h"

#include <stdlib.h>

#include "base/check.h"

struct kept {
  struct block block; /* its names are in `items` */
  char *bytes;
  size_t size; /* of this struct and the block's bytes */
  uint64_t priority;
  struct kept *left, *right;
  struct kept *newer, *older;
  struct str items[];
};

struct block_cache {
  uint64_t bytes, bytes_max;
  struct kept *root;
  struct kept *newest, *oldest;
  struct block_room room; /* for the block that is being read */
};

struct block_cache *block_cache_new(uint64_t bytes_max) {
  struct block_cache *cache = calloc(1, sizeof *cache);
  if (cache != NULL) cache->bytes_max = bytes_max;
  return cache;
}

void block_cache_free(struct block_cache *cache) {
  if (cache == NULL) return;
  block_cache_clear(cache);
  free(cache);
}

uint64_t block_cache_bytes(const struct block_cache *cache) { return cache->bytes; }

/* ---- the tree ---- */

/* The finalizer of MurmurHash3; it gives neighbouring positions unrelated priorities. */
static uint64_t priority_of(uint64_t position) {
  position = (position ^ position >> 33) * UINT64_C(0xff51afd7ed558ccd);
  position = (position ^ position >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
  return position ^ position >> 33;
}

/* Splits a tree into the blocks that begin at or before a position, and the others. */
static void split(struct kept *tree, uint64_t position, struct kept **ret_before, struct kept **ret_behind) {
  if (tree == NULL) {
    *ret_before = *ret_behind = NULL;
  } else if (tree->block.position <= position) {
    split(tree->right, position, &tree->right, ret_behind);
    *ret_before = tree;
  } else {
    split(tree->left, position, ret_before, &tree->left);
    *ret_behind = tree;
  }
}

/* Joins two trees. All blocks of the first begin before those of the second. */
static struct kept *join(struct kept *before, struct kept *behind) {
  if (before == NULL) return behind;
  if (behind == NULL) return before;
  if (before->priority > behind->priority) {
    before->right = join(before->right, behind);
    return before;
  }
  behind->left = join(before, behind->left);
  return behind;
}

static void insert(struct block_cache *cache, struct kept *kept) {
  struct kept *before, *behind;
  split(cache->root, kept->block.position, &before, &behind);
  cache->root = join(join(before, kept), behind);
}

static void take_out(struct block_cache *cache, const struct kept *kept) {
  struct kept *before, *behind, *found;
  split(cache->root, kept->block.position, &before, &behind);
  split(before, kept->block.position - 1, &before, &found);
  CHECK(found == kept && found->left == NULL && found->right == NULL);
  cache->root = join(before, behind);
}

/* ---- the order of use ---- */

static void put_first(struct block_cache *cache, struct kept *kept) {
  kept->newer = NULL;
  kept->older = cache->newest;
  if (cache->newest != NULL) cache->newest->newer = kept;
  cache->newest = kept;
  if (cache->oldest == NULL) cache->oldest = kept;
}

static void unlink_use(struct block_cache *cache, struct kept *kept) {
  if (kept->newer != NULL) kept->newer->older = kept->older;
  if (kept->older != NULL) kept->older->newer = kept->newer;
  if (cache->newest == kept) cache->newest = kept->older;
  if (cache->oldest == kept) cache->oldest = kept->newer;
}

static void forget_oldest(struct block_cache *cache) {
  struct kept *kept = cache->oldest;
  CHECK(kept != NULL && cache->bytes >= kept->size);
  take_out(cache, kept);
  unlink_use(cache, kept);
  cache->bytes -= kept->size;
  free(kept->bytes);
  free(kept);
}

void block_cache_clear(struct block_cache *cache) {
  while (cache->oldest != NULL)
    forget_oldest(cache);
  CHECK(cache->bytes == 0 && cache->root == NULL);
}

/* ---- finding and adding ---- */

static bool holds(const struct kept *kept, uint64_t position) {
  return kept != NULL && position >= kept->block.position && position - kept->block.position < kept->block.bytes.len;
}

static struct kept *find(const struct block_cache *cache, uint64_t position) {
  if (holds(cache->newest, position)) return cache->newest;
  struct kept *last = NULL;
  for (struct kept *at = cache->root; at != NULL;) {
    bool begins_before = at->block.position <= position;
    if (begins_before) last = at;
    at = begins_before ? at->right : at->left;
  }
  return holds(last, position) ? last : NULL;
}

const struct block *block_cache_find(struct block_cache *cache, uint64_t position) {
  struct kept *kept = find(cache, position);
  if (kept == NULL) return NULL;
  if (kept != cache->newest) {
    unlink_use(cache, kept);
    put_first(cache, kept);
  }
  return &kept->block;
}

/* A copy of the block in `room` that owns the bytes and has exactly the room that its names take. */
static struct kept *keep(const struct block_room *room, char *bytes) {
  const struct record_names *names = &room->block.names;
  size_t size = sizeof(struct kept) + names->count * sizeof names->items[0];
  struct kept *kept = malloc(size);
  if (kept == NULL) return NULL;
  *kept = (struct kept){.block = room->block, .bytes = bytes, .size = size + room->block.bytes.len};
  kept->priority = priority_of(room->block.position);
  if (names->count > 0) memcpy(kept->items, names->items, names->count * sizeof names->items[0]);
  kept->block.names.items = kept->items;
  return kept;
}

int block_cache_add(struct block_cache *cache, char *bytes, size_t len, uint64_t position, const struct block **ret,
                    struct err *err) {
  SCOPED_MALLOC char *taken = bytes;
  int result = block_read(str_make(taken, len), position, &cache->room, err);
  if (result != 0) return result;
  CHECK(find(cache, position) == NULL); /* a block must not be kept twice */
  struct kept *kept = keep(&cache->room, taken);
  if (kept == NULL) return err_set(err, ERR_MEMORY, "no memory to keep a block of the log");
  while (cache->oldest != NULL && cache->bytes + kept->size > cache->bytes_max)
    forget_oldest(cache);
  (void)MOVE(taken);
  insert(cache, kept);
  put_first(cache, kept);
  cache->bytes += kept->size;
  *ret = &kept->block;
  return 0;
}
