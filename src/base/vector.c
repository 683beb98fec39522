/* The macros pass the address of `items`, whose type is not known here; all pointers to objects have one form. */
#include "base/vector.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

#define CAP_FIRST 16u

size_t vector_cap_of(size_t cap, size_t count, size_t more) {
  CHECK(count <= cap);
  if (more <= cap - count) return cap;
  if (more > SIZE_MAX - count) return SIZE_MAX;
  size_t need = count + more, doubled = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
  size_t grown = need > doubled ? need : doubled;
  return grown > CAP_FIRST ? grown : CAP_FIRST;
}

/* Without memory, or if the size passes PTRDIFF_MAX, nothing changes. */
static bool resize(void *items, size_t *cap, size_t wanted, size_t item_size) {
  void **place = items, *resized = wanted <= PTRDIFF_MAX / item_size ? realloc(*place, wanted * item_size) : NULL;
  if (resized == NULL) return false;
  *place = resized;
  *cap = wanted;
  return true;
}

bool vector_reserve_sized(void *items, size_t *cap, size_t count, size_t more, size_t item_size) {
  CHECK(count <= *cap);
  return more <= *cap - count || resize(items, cap, vector_cap_of(*cap, count, more), item_size);
}

bool vector_reserve_exact_sized(void *items, size_t *cap, size_t count, size_t more, size_t item_size) {
  CHECK(count <= *cap);
  if (more > SIZE_MAX - count) return false;
  return more <= *cap - count || resize(items, cap, count + more, item_size);
}

void *vector_add_sized(void *items, size_t *count, size_t *cap, size_t item_size) {
  if (!vector_reserve_sized(items, cap, *count, 1, item_size)) return NULL;
  void **place = items;
  return memset((char *)*place + (*count)++ * item_size, 0, item_size);
}

void *vector_must_add_sized(void *items, size_t *count, size_t *cap, size_t item_size) {
  void *item = vector_add_sized(items, count, cap, item_size);
  CHECK(item != NULL);
  return item;
}

void vector_shrink_sized(void *items, size_t *cap, size_t count, size_t item_size) {
  void **place = items;
  if (count == *cap) return;
  if (count > 0) {
    (void)resize(items, cap, count, item_size); /* then it stays */
    return;
  }
  free(*place);
  *place = NULL;
  *cap = 0;
}
