/* A growable array of items of one type. The program has no other, except struct buf for bytes (base/bytes.h) and those
 * of GLib.
 *
 *   VECTOR(struct line) lines = {0};            empty: it has no memory yet
 *   struct line *line = vector_add(&lines);     the new last item, all its bytes 0; NULL if there is no memory
 *   for (size_t i = 0; i < lines.count; i++) show(&lines.items[i]);
 *   vector_fini(&lines);
 *
 * A struct that has one array may have it as its unnamed member: struct list { VECTOR(struct line); bool is_whole; }.
 * Then the vector is the struct: list.items, vector_add(&list).
 *
 * Ownership. The vector owns `items`, which is malloc'd memory, and not what the items point to. Two variables of
 * VECTOR(T) have different types: to hand an array over, use a struct with a name, or vector_take.
 *
 * Growth. A full vector doubles, so n additions copy fewer than 2n items. What reserves, adds or shrinks may move the
 * items: pointers to them are then invalid. Nothing else moves them. The vector has no lock: if other threads read it,
 * the caller holds one during these calls.
 *
 * Failure. vector_reserve, vector_reserve_exact and vector_add fail if there is no memory, or if the size in bytes would
 * pass PTRDIFF_MAX. The vector is then as it was before, with all its items.
 *
 * Each macro takes a pointer to a vector, and may evaluate it more than once. Items of a type that needs a stricter
 * alignment than malloc gives do not compile.
 */
#ifndef CODECMETER_BASE_VECTOR_H
#define CODECMETER_BASE_VECTOR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/scope.h"

/* Starts as {0}. `items` has room for `cap` items, and the first `count` of them are there. The caller reads all three,
 * may lower `count`, and may raise it within `cap` once the items are set. */
#define VECTOR(type) \
  struct {           \
    type *items;     \
    size_t count;    \
    size_t cap;      \
  }

/* Makes room for `more` items behind the last one. Then `cap` is vector_cap(v, more). False: see Failure. */
#define vector_reserve(v, more) \
  vector_reserve_sized(&(v)->items, &(v)->cap, (v)->count, (more), VECTOR_ITEM_SIZE(v))

/* The same, but if it grows, `cap` is then count + more: for callers that know how many items there will be. */
#define vector_reserve_exact(v, more) \
  vector_reserve_exact_sized(&(v)->items, &(v)->cap, (v)->count, (more), VECTOR_ITEM_SIZE(v))

/* What `cap` is after vector_reserve(v, more) succeeds, for callers that claim memory before they take it. It is `cap` if
 * there is room, else the largest of count + more, 2 * cap and 16. SIZE_MAX if it passes that. */
#define vector_cap(v, more) vector_cap_of((v)->cap, (v)->count, (more))

/* Adds an item, all its bytes 0, and returns a pointer to it. NULL: see Failure. */
#define vector_add(v) \
  ((__typeof__((v)->items))vector_add_sized(&(v)->items, &(v)->count, &(v)->cap, VECTOR_ITEM_SIZE(v)))

/* The same, but it is never NULL: without memory it ends the program, as CHECK does. For commands and helper processes
 * that serve one user, and for arrays whose size no client can raise. */
#define vector_must_add(v) \
  ((__typeof__((v)->items))vector_must_add_sized(&(v)->items, &(v)->count, &(v)->cap, VECTOR_ITEM_SIZE(v)))

/* Gives back the memory that no item uses. If that fails, it stays. */
#define vector_shrink(v) vector_shrink_sized(&(v)->items, &(v)->cap, (v)->count, VECTOR_ITEM_SIZE(v))

/* Gives the items to the caller, who frees them, and empties the vector: read `count` before. NULL if it has no
 * memory. */
#define vector_take(v)                            \
  ({                                              \
    __typeof__((v)->items) items_ = (v)->items;   \
    (v)->items = NULL;                            \
    (v)->count = (v)->cap = 0;                    \
    items_;                                       \
  })

/* Frees the items, and empties the vector. It can be used again. */
#define vector_fini(v) free(vector_take(v))

/* ---- what the macros call ---- */

#define VECTOR_ITEM_SIZE(v)                                                                                        \
  ({                                                                                                               \
    static_assert(_Alignof(__typeof__(*(v)->items)) <= _Alignof(max_align_t), "malloc aligns items of this type"); \
    sizeof *(v)->items;                                                                                            \
  })

/* items: a pointer to the vector's `items`, of any type. */
MUST_USE bool vector_reserve_sized(void *items, size_t *cap, size_t count, size_t more, size_t item_size);
MUST_USE bool vector_reserve_exact_sized(void *items, size_t *cap, size_t count, size_t more, size_t item_size);
size_t vector_cap_of(size_t cap, size_t count, size_t more);
MUST_USE void *vector_add_sized(void *items, size_t *count, size_t *cap, size_t item_size);
MUST_USE void *vector_must_add_sized(void *items, size_t *count, size_t *cap, size_t item_size);
void vector_shrink_sized(void *items, size_t *cap, size_t count, size_t item_size);

#endif
