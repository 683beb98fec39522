/* A group is kept as bytes: its project, then each value in the order of the dimensions. So equal groups are equal
 * bytes, and a group of a codec and a tier takes 30 bytes. A table of numbers, by hash, finds a group; the values are
 * decoded where they are needed.
 *
 *   project  4 bytes
 *   a value  1 byte: 0 null, 1 not; then, if it is not null:
 *            texts: 2 bytes length, the bytes.  numbers: 4 bytes.  rates: 4 bytes, 4 bytes.
 */
#include "query/usage_groups.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/vector.h"

#define KEY_MAX (4 + USAGE_DIMS_MAX * (1 + 2 + SOURCE_MAX))
static_assert(SOURCE_MAX >= LABEL_VALUE_MAX && SOURCE_MAX >= CODEC_NAME_MAX, "a source is the longest value");
#define TABLE_FIRST 64u

struct usage_groups {
  const struct dim_ref *dims;
  size_t dims_count;
  struct arena *arena;
  VECTOR(struct str) keys; /* by number; in the arena */
  uint32_t *slots; /* a group's number + 1; 0: free. Twice keys.cap */
  uint32_t last;   /* the group that was asked for last */
  uint32_t *order, *ranks;
};

/* ---- keys ---- */

static char *put_text(char *at, struct str text) {
  CHECK(text.len <= SOURCE_MAX);
  le16_store(at, (uint16_t)text.len);
  memcpy(at + 2, text.ptr, text.len);
  return at + 2 + text.len;
}

static char *put_value(char *at, enum dim dim, const struct dim_value *value) {
  *at++ = value->is_null ? 0 : 1;
  if (value->is_null) return at;
  switch (dim) {
    case DIM_TIER:
    case DIM_KIND:
    case DIM_RESOLUTION:
      le32_store(at, value->number);
      return at + 4;
    case DIM_FRAME_RATE:
      le32_store(at, value->rate.numerator);
      le32_store(at + 4, value->rate.denominator);
      return at + 8;
    case DIM_PROJECT:
    case DIM_CODEC:
    case DIM_SOURCE:
    case DIM_LABEL:
      return put_text(at, value->text);
  }
  CHECK(!"a dimension");
  return at;
}

static struct str encode(const struct usage_groups *groups, uint32_t project, const struct dim_value *values,
                         char room[KEY_MAX]) {
  static const struct dim_value null = {.is_null = true};
  bool has_project = false;
  char *at = room + 4;
  for (size_t i = 0; i < groups->dims_count; i++) {
    bool is_project = groups->dims[i].dim == DIM_PROJECT;
    has_project = has_project || is_project;
    at = put_value(at, groups->dims[i].dim, is_project ? &null : &values[i]);
  }
  le32_store(room, has_project ? project : 0);
  return str_make(room, (size_t)(at - room));
}

static const char *take_value(const char *at, enum dim dim, struct dim_value *ret) {
  *ret = (struct dim_value){.is_null = *at++ == 0};
  if (ret->is_null) return at;
  if (dim == DIM_TIER || dim == DIM_KIND || dim == DIM_RESOLUTION) {
    ret->number = le32_load(at);
    return at + 4;
  }
  if (dim == DIM_FRAME_RATE) {
    ret->rate = (struct frame_rate){le32_load(at), le32_load(at + 4)};
    return at + 8;
  }
  ret->text = str_make(at + 2, le16_load(at));
  return at + 2 + ret->text.len;
}

/* FNV-1a, with its bits mixed once more: the table uses the low ones. */
static uint64_t hash_key(struct str key) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < key.len; i++)
    hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(0x100000001b3);
  return hash ^ hash >> 32;
}

/* ---- the table ---- */

int usage_groups_new(const struct dim_ref *dims, size_t dims_count, struct usage_groups **ret, struct err *err) {
  CHECK(dims_count <= USAGE_DIMS_MAX);
  struct usage_groups *groups = calloc(1, sizeof *groups);
  if (groups != NULL) *groups = (struct usage_groups){.dims = dims, .dims_count = dims_count};
  if (groups != NULL) groups->arena = arena_new(USAGE_GROUPS_BYTES);
  if (groups == NULL || groups->arena == NULL) {
    free(groups);
    return err_set(err, ERR_MEMORY, "no memory for the groups of a question: ask again later");
  }
  *ret = groups;
  return 0;
}

void usage_groups_free(struct usage_groups *groups) {
  if (groups == NULL) return;
  arena_free(groups->arena);
  vector_fini(&groups->keys);
  free(groups->slots);
  free(groups->order);
  free(groups->ranks);
  free(groups);
}

static uint32_t *slot_of(const struct usage_groups *groups, struct str key) {
  uint32_t mask = (uint32_t)groups->keys.cap * 2 - 1;
  for (uint32_t at = (uint32_t)hash_key(key) & mask;; at = (at + 1) & mask) {
    uint32_t *slot = &groups->slots[at];
    if (*slot == 0 || str_equal(groups->keys.items[*slot - 1], key)) return slot;
  }
}

static bool grow(struct usage_groups *groups) {
  size_t more = groups->keys.cap == 0 ? TABLE_FIRST : 1;
  uint32_t *slots = calloc(vector_cap(&groups->keys, more) * 2, sizeof *slots);
  if (slots == NULL || !vector_reserve(&groups->keys, more)) {
    free(slots);
    return false;
  }
  free(groups->slots);
  groups->slots = slots;
  for (uint32_t i = 0; i < groups->keys.count; i++)
    *slot_of(groups, groups->keys.items[i]) = i + 1;
  return true;
}

static int refuse(const struct usage_groups *groups, struct err *err) {
  if (arena_is_starved(groups->arena))
    return err_set(err, ERR_MEMORY, "no memory for the groups of a question: ask again later");
  return err_set(err, ERR_LIMIT,
                 "the answer would have too many groups (more than %zu MiB of values): ask with fewer dimensions in "
                 "'group', a shorter range, or a filter",
                 USAGE_GROUPS_BYTES >> 20);
}

int usage_groups_number(struct usage_groups *groups, uint32_t project, const struct dim_value *values, uint32_t *ret,
                        struct err *err) {
  char room[KEY_MAX];
  struct str key = encode(groups, project, values, room);
  if (groups->keys.count > 0 && str_equal(groups->keys.items[groups->last], key)) {
    *ret = groups->last;
    return 0;
  }
  if (groups->keys.count == groups->keys.cap && !grow(groups))
    return err_set(err, ERR_MEMORY, "no memory for the groups of a question: ask again later");
  uint32_t *slot = slot_of(groups, key);
  if (*slot == 0) {
    struct str kept = arena_copy(groups->arena, key);
    if (kept.ptr == NULL) return refuse(groups, err);
    *vector_must_add(&groups->keys) = kept; /* grow has made room */
    *slot = (uint32_t)groups->keys.count;
  }
  *ret = groups->last = *slot - 1;
  return 0;
}

uint32_t usage_groups_count(const struct usage_groups *groups) { return (uint32_t)groups->keys.count; }

size_t usage_groups_bytes(const struct usage_groups *groups) {
  return arena_used(groups->arena) + groups->keys.cap * (sizeof *groups->keys.items + 4 * sizeof *groups->slots);
}

uint32_t usage_groups_project(const struct usage_groups *groups, uint32_t group) {
  CHECK(group < groups->keys.count);
  return le32_load(groups->keys.items[group].ptr);
}

void usage_groups_values(const struct usage_groups *groups, uint32_t group, struct dim_value ret[USAGE_DIMS_MAX]) {
  CHECK(group < groups->keys.count);
  const char *at = groups->keys.items[group].ptr + 4;
  for (size_t i = 0; i < groups->dims_count; i++)
    at = take_value(at, groups->dims[i].dim, &ret[i]);
}

/* ---- order ---- */

static int compare(const void *a, const void *b, void *arg) {
  const struct usage_groups *groups = arg;
  const char *left = groups->keys.items[*(const uint32_t *)a].ptr;
  const char *right = groups->keys.items[*(const uint32_t *)b].ptr;
  uint32_t left_project = le32_load(left), right_project = le32_load(right);
  if (left_project != right_project) return left_project < right_project ? -1 : 1;
  left += 4;
  right += 4;
  for (size_t i = 0; i < groups->dims_count; i++) {
    struct dim_value one, other;
    left = take_value(left, groups->dims[i].dim, &one);
    right = take_value(right, groups->dims[i].dim, &other);
    int order = dim_compare(groups->dims[i].dim, &one, &other);
    if (order != 0) return order;
  }
  return 0;
}

int usage_groups_order(struct usage_groups *groups, struct err *err) {
  size_t count = groups->keys.count;
  uint32_t *order = reallocarray(groups->order, count + 1, sizeof *order);
  if (order != NULL) groups->order = order;
  uint32_t *ranks = reallocarray(groups->ranks, count + 1, sizeof *ranks);
  if (ranks != NULL) groups->ranks = ranks;
  if (order == NULL || ranks == NULL) return err_set(err, ERR_MEMORY, "no memory to sort an answer: ask again later");
  for (uint32_t i = 0; i < count; i++)
    order[i] = i;
  if (count > 1) qsort_r(order, count, sizeof *order, compare, groups);
  for (uint32_t i = 0; i < count; i++)
    ranks[order[i]] = i;
  return 0;
}

uint32_t usage_groups_rank(const struct usage_groups *groups, uint32_t group) {
  CHECK(group < groups->keys.count && groups->ranks != NULL);
  return groups->ranks[group];
}

uint32_t usage_groups_at(const struct usage_groups *groups, uint32_t rank) {
  CHECK(rank < groups->keys.count && groups->order != NULL);
  return groups->order[rank];
}
