#include "media/flv.h"

#include <stdbool.h>
#include <string.h>

#define HEADER 9
#define PREVIOUS 4 /* the size of the tag before, behind each tag and behind the header */
#define TAG 11

static uint64_t be(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++)
    value = value << 8 | bytes[i];
  return value;
}

static bool is_header(const uint8_t *bytes, size_t len) { return len >= HEADER && memcmp(bytes, "FLV\x01", 4) == 0; }

static int add(struct flv *flv, uint64_t position, struct err *err) {
  if (flv->count == FLV_PARTS_MAX) return err_set(err, ERR_MEDIA, "it is more than %d files that were joined", FLV_PARTS_MAX);
  flv->starts[flv->count++] = position;
  return 0;
}

int flv_scan(struct reel *reel, struct flv *ret, struct err *err) {
  uint64_t position = 0, size = reel_size(reel);
  ret->count = 0;
  while (position < size) {
    uint8_t head[TAG];
    size_t got = 0;
    int result = reel_read(reel, position, head, sizeof head, &got, err);
    if (result != 0) return result;
    bool is_new = is_header(head, got);
    if (!is_new && (ret->count == 0 || got < TAG)) return 0;
    if (is_new) result = add(ret, position, err);
    if (result != 0) return result;
    uint64_t length = is_new ? be(head + 5, 4) : TAG + be(head + 1, 3);
    position += (length < HEADER ? HEADER : length) + PREVIOUS;
  }
  return 0;
}
