/* An order is made by the first reader that wants it, outside any lock, from entries that do not change. If two
 * readers make the same order at once, one of them throws its own away: that is rare, and nobody waits.
 */
#include "ledger/index/pieces.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

_Static_assert(PIECE_ENTRIES <= UINT16_MAX + 1u, "an order holds indices of 16 bits");

struct piece {
  _Atomic(uint16_t *) order; /* NULL: not sorted yet */
  struct entry items[PIECE_ENTRIES];
};

void pieces_fini(struct pieces *pieces) {
  pieces_clear(pieces);
  for (uint32_t i = 0; i < pieces->pieces; i++)
    free(pieces->items[i]);
  pieces->pieces = 0;
}

void pieces_clear(struct pieces *pieces) {
  for (uint32_t i = 0; i < pieces->pieces; i++) {
    free(atomic_load(&pieces->items[i]->order));
    atomic_store(&pieces->items[i]->order, NULL);
  }
  pieces->count = 0;
}

bool pieces_reserve(struct pieces *pieces, uint32_t more) {
  uint64_t wanted = ((uint64_t)pieces->count + more + PIECE_ENTRIES - 1) / PIECE_ENTRIES;
  if (wanted > PIECES_MAX) return false;
  while (pieces->pieces < wanted) {
    struct piece *piece = malloc(sizeof *piece);
    if (piece == NULL) return false;
    atomic_init(&piece->order, NULL);
    pieces->items[pieces->pieces++] = piece;
  }
  return true;
}

void pieces_add(struct pieces *pieces, const struct entry *entry) {
  uint32_t piece = pieces->count / PIECE_ENTRIES;
  CHECK(piece < pieces->pieces);
  pieces->items[piece]->items[pieces->count++ % PIECE_ENTRIES] = *entry;
}

void pieces_copy(const struct pieces *pieces, uint32_t count, struct entry *out) {
  for (uint32_t at = 0; at < count; at += PIECE_ENTRIES) {
    uint32_t some = count - at < PIECE_ENTRIES ? count - at : PIECE_ENTRIES;
    memcpy(out + at, pieces->items[at / PIECE_ENTRIES]->items, some * sizeof *out);
  }
}

const struct entry *pieces_at(const struct pieces *pieces, uint32_t piece) {
  CHECK(piece < PIECES_MAX);
  return pieces->items[piece]->items;
}

/* ---- orders ---- */

/* Positions grow with the index, so the index takes the position's place while the entries are sorted. */
static uint16_t *make_order(const struct entry *items, uint32_t count) {
  SCOPED_MALLOC struct entry *room = reallocarray(NULL, 2 * (size_t)count, sizeof *room);
  uint16_t *order = reallocarray(NULL, count, sizeof *order);
  if (room == NULL || order == NULL) {
    free(order);
    return NULL;
  }
  for (uint32_t i = 0; i < count; i++)
    room[i] = (struct entry){.first = items[i].first, .second = items[i].second, .position = i};
  entry_sort(room, room + count, count);
  for (uint32_t i = 0; i < count; i++)
    order[i] = (uint16_t)room[i].position;
  return order;
}

int pieces_order(const struct pieces *pieces, uint32_t piece, uint32_t count, const uint16_t **ret) {
  CHECK(piece < PIECES_MAX && count > 0 && count <= PIECE_ENTRIES);
  struct piece *wanted = pieces->items[piece];
  uint16_t *order = atomic_load_explicit(&wanted->order, memory_order_acquire);
  if (order == NULL) {
    uint16_t *made = make_order(wanted->items, count);
    if (made == NULL) return -ERR_MEMORY;
    if (atomic_compare_exchange_strong(&wanted->order, &order, made))
      order = made;
    else
      free(made);
  }
  *ret = order;
  return 0;
}
