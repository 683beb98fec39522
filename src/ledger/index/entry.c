/* Sorts by bytes, the most significant byte first. Hashes are uniform, so two passes leave buckets of a few entries.
 * Bytes that are the same in all entries (most bytes of a time entry) are skipped without a pass.
 */
#include "ledger/index/entry.h"

#include <string.h>

#define BUCKETS 256u
#define FEW 48u       /* up to this many, an insertion sort is faster */
#define KEY_BYTES 24u /* first, second, position */

static void sort_few(struct entry *entries, size_t count) {
  for (size_t i = 1; i < count; i++) {
    struct entry moved = entries[i];
    size_t at = i;
    for (; at > 0 && entry_compare(&moved, &entries[at - 1]) < 0; at--)
      entries[at] = entries[at - 1];
    entries[at] = moved;
  }
}

static unsigned byte_of(const struct entry *entry, unsigned byte) {
  uint64_t word = byte < 8 ? entry->first : byte < 16 ? entry->second : entry->position;
  return (unsigned)(word >> (56 - byte % 8 * 8)) & 0xFF;
}

static unsigned word_byte(uint64_t difference) { return (unsigned)__builtin_clzll(difference) / 8; }

/* The first byte in which the entries differ; KEY_BYTES if they are all equal. */
static unsigned first_difference(const struct entry *entries, size_t count) {
  uint64_t first = 0, second = 0, position = 0;
  for (size_t i = 1; i < count; i++) {
    first |= entries[i].first ^ entries[0].first;
    second |= entries[i].second ^ entries[0].second;
    position |= entries[i].position ^ entries[0].position;
  }
  if (first != 0) return word_byte(first);
  if (second != 0) return 8 + word_byte(second);
  return position != 0 ? 16 + word_byte(position) : KEY_BYTES;
}

/* Calls itself at most KEY_BYTES deep. */
void entry_sort(struct entry *entries, struct entry *room, size_t count) {
  if (count <= FEW) {
    sort_few(entries, count);
    return;
  }
  unsigned byte = first_difference(entries, count);
  if (byte == KEY_BYTES) return;
  size_t ends[BUCKETS] = {0}, at[BUCKETS];
  for (size_t i = 0; i < count; i++)
    ends[byte_of(&entries[i], byte)]++;
  for (size_t bucket = 0, sum = 0; bucket < BUCKETS; bucket++) {
    at[bucket] = sum;
    sum += ends[bucket];
    ends[bucket] = sum;
  }
  for (size_t i = 0; i < count; i++)
    room[at[byte_of(&entries[i], byte)]++] = entries[i];
  memcpy(entries, room, count * sizeof *entries);
  for (size_t bucket = 0, begin = 0; bucket < BUCKETS; begin = ends[bucket++]) {
    if (ends[bucket] - begin > 1) entry_sort(entries + begin, room + begin, ends[bucket] - begin);
  }
}
