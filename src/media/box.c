/* A header's size is 32 bits, or 64 bits behind the type, or 0 for "to the end". All positions are kept as positions
 * in the reel, so that a sum cannot wrap: they never exceed the end of what is around.
 */
#include "media/box.h"

#include "base/bytes.h"
#include "base/check.h"

int box_damaged(const struct box *box, const char *what, struct err *err) {
  return err_set(err, ERR_MEDIA, "its box '%s' at byte %llu %s; the file is damaged", box->type,
                 (unsigned long long)box->start, what);
}

bool box_is_type(const char *type) {
  for (size_t i = 0; i < 4; i++) {
    if ((type[i] < ' ' || type[i] > '~') && type[i] != '\xa9') return false;
  }
  return true;
}

static void name_box(struct box *box, const char *type) {
  memcpy(box->type, type, 4);
  for (size_t i = 0; i < 4; i++) {
    if (box->type[i] < ' ' || box->type[i] > '~') box->type[i] = '?';
  }
}

int box_read(struct window *window, uint64_t position, uint64_t limit, struct box *ret, struct err *err) {
  const char *head;
  int result = window_view(window, position, 8, &head, err);
  if (result != 0) return result;
  struct box box = {.start = position, .body = position + 8};
  uint64_t size = be32_load(head);
  name_box(&box, head + 4);
  if (size == 1) {
    if (limit - position < 16) return box_damaged(&box, "ends within its size", err);
    result = window_view(window, position + 8, 8, &head, err);
    if (result != 0) return result;
    size = be64_load(head);
    box.body = position + 16;
  } else if (size == 0) {
    size = limit - position;
  }
  if (size < box.body - box.start) return box_damaged(&box, "is shorter than its own header", err);
  box.is_cut = size > limit - position;
  box.end = box.is_cut ? limit : position + size;
  *ret = box;
  return 0;
}

int box_child(struct window *window, const struct box *parent, const char *type, uint64_t from, struct box *ret,
              bool *ret_found, struct err *err) {
  struct box box = {.end = from};
  *ret_found = false;
  while (parent->end - box.end >= 8) {
    int result = box_read(window, box.end, parent->end, &box, err);
    if (result != 0) return result;
    if (!box_is(&box, type)) continue;
    if (box.is_cut) return box_damaged(&box, "is longer than the box around it", err);
    *ret = box;
    *ret_found = true;
    return 0;
  }
  return 0;
}

int box_find(struct window *window, const struct box *parent, const char *path, struct box *ret, bool *ret_found,
             struct err *err) {
  struct box box = *parent;
  bool found = true;
  int result = 0;
  for (const char *type = path; found && result == 0; type += 5) {
    result = box_child(window, &box, type, box.body, &box, &found, err);
    if (type[4] == '\0') break;
  }
  if (result != 0) return result;
  *ret_found = found;
  if (found) *ret = box;
  return 0;
}

int box_view(struct window *window, const struct box *box, uint64_t offset, size_t len, const char **ret,
             struct err *err) {
  if (offset > box->end - box->body || box->end - box->body - offset < len)
    return box_damaged(box, "is shorter than what it says of itself", err);
  return window_view(window, box->body + offset, len, ret, err);
}

int box_table(struct window *window, const struct box *box, uint64_t at, unsigned bits, struct box_table *ret,
              struct err *err) {
  const char *bytes;
  int result = box_view(window, box, at, 4, &bytes, err);
  if (result != 0) return result;
  struct box_table table = {.box = *box, .first = box->body + at + 4, .count = be32_load(bytes), .bits = bits};
  if ((table.count * bits + 7) / 8 > box->end - table.first)
    return box_damaged(box, "claims more entries than it has room for", err);
  *ret = table;
  return 0;
}

int box_entry(struct window *window, const struct box_table *table, uint64_t index, const char **ret,
              struct err *err) {
  CHECK(index < table->count);
  return window_view(window, table->first + index * table->bits / 8, (table->bits + 7) / 8, ret, err);
}
