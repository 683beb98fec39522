/* Texts of which a record keeps 16 bytes: UUIDs and hashes, with 32 digits. Eight digits are read at once, as the
 * bytes of a word: a processor cannot guess which digits of an id are letters, and pays for each wrong guess.
 */
#include "base/check.h"
#include "ledger/log/record_fields.h"

#define UUID_LENGTH 36
#define HASH_LENGTH 34
#define DIGITS (2 * SHAPE_BYTES)
_Static_assert(RECORD_SHAPE_MAX == UUID_LENGTH, "struct record has room for either");

/* A word of eight bytes that are all the same. */
#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The characters of eight values, each at most 15. */
static uint64_t digits_of(uint64_t values) {
  uint64_t letters = (values + EIGHT(6)) >> 4 & EIGHT(1);
  return values + EIGHT('0') + letters * ('a' - '0' - 10);
}

/* The values of eight characters. False unless all are lower-case hex digits: only they come back from their
 * value. */
static bool values_of(uint64_t digits, uint64_t *ret) {
  uint64_t letters = digits >> 6 & EIGHT(1);
  *ret = (digits & EIGHT(15)) + letters * 9;
  return (*ret & EIGHT(16)) == 0 && digits_of(*ret) == digits;
}

/* Four bytes of eight values: the first of two is the high half of a byte. */
static uint32_t join(uint64_t values) {
  uint64_t pairs = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
  pairs = (pairs | pairs >> 8) & UINT64_C(0x0000ffff0000ffff);
  return (uint32_t)(pairs | pairs >> 16);
}

static uint64_t split(uint32_t bytes) {
  uint64_t pairs = (bytes | (uint64_t)bytes << 16) & UINT64_C(0x0000ffff0000ffff);
  pairs = (pairs | pairs << 8) & UINT64_C(0x00ff00ff00ff00ff);
  return (pairs >> 4 | pairs << 8) & EIGHT(15);
}

static bool pack(const char digits[DIGITS], char ret[SHAPE_BYTES]) {
  bool good = true;
  for (size_t i = 0; i < SHAPE_BYTES; i += 4) {
    uint64_t values;
    good &= values_of(le64_load(digits + 2 * i), &values);
    le32_store(ret + i, join(values));
  }
  return good;
}

/* The groups of a UUID: 8, 4, 4, 4 and 12 digits, with hyphens between them. */
static bool take_groups(const char *uuid, char ret[DIGITS]) {
  memcpy(ret, uuid, 8);
  memcpy(ret + 8, uuid + 9, 4);
  memcpy(ret + 12, uuid + 14, 4);
  memcpy(ret + 16, uuid + 19, 4);
  memcpy(ret + 20, uuid + 24, 12);
  return uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-';
}

static void put_groups(const char digits[DIGITS], char *uuid) {
  memcpy(uuid, digits, 8);
  memcpy(uuid + 9, digits + 8, 4);
  memcpy(uuid + 14, digits + 12, 4);
  memcpy(uuid + 19, digits + 16, 4);
  memcpy(uuid + 24, digits + 20, 12);
  uuid[8] = uuid[13] = uuid[18] = uuid[23] = '-';
}

enum record_shape shape_pack(struct str text, char ret[SHAPE_BYTES]) {
  char digits[DIGITS];
  if (text.len == UUID_LENGTH) return take_groups(text.ptr, digits) && pack(digits, ret) ? SHAPE_UUID : SHAPE_NONE;
  bool may_be_hash = text.len == HASH_LENGTH && text.ptr[0] == '1' && text.ptr[1] == ':';
  return may_be_hash && pack(text.ptr + 2, ret) ? SHAPE_HASH : SHAPE_NONE;
}

struct str shape_unpack(enum record_shape shape, const char *packed, char out[RECORD_SHAPE_MAX]) {
  char digits[DIGITS];
  CHECK(shape != SHAPE_NONE);
  for (size_t i = 0; i < SHAPE_BYTES; i += 4) {
    le64_store(digits + 2 * i, digits_of(split(le32_load(packed + i))));
  }
  if (shape == SHAPE_UUID) {
    put_groups(digits, out);
    return str_make(out, UUID_LENGTH);
  }
  memcpy(out, "1:", 2);
  memcpy(out + 2, digits, DIGITS);
  return str_make(out, HASH_LENGTH);
}
