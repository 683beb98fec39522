/* A block's names follow its records, so that the writer need not know in advance how many names there will be; the
 * head says where they begin. A block is sealed (its head and checksum are filled in) when the next record or its
 * names do not fit, or when the group is finished.
 */
#include "ledger/log/block.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "ledger/log/hash.h"

enum {
  AT_MAGIC = 0,
  AT_LENGTH = 4,
  AT_CRC = 8,
  AT_COUNT = 12,
  AT_POSITION = 16,
  AT_SYNCED = 24,
  AT_TIME = 32,
  AT_NAMES = 40,
  AT_NAMES_COUNT = 44,
};
_Static_assert(AT_NAMES_COUNT + 4 == BLOCK_HEAD_SIZE, "the head ends with the number of names");
_Static_assert(RECORD_SIZE_MAX + RECORD_NAMES_SIZE_MAX + BLOCK_HEAD_SIZE + BLOCK_ALIGN < BLOCK_MAX,
               "any record fits a block of its own");

#define MAGIC UINT32_C(0x31424D43) /* "CMB1" */

/* ---- reading ---- */

uint32_t block_claimed_length(struct str head, uint64_t position) {
  if (head.len < BLOCK_HEAD_SIZE || le32_load(head.ptr + AT_MAGIC) != MAGIC) return 0;
  uint32_t length = le32_load(head.ptr + AT_LENGTH);
  bool possible = length > BLOCK_HEAD_SIZE && length <= BLOCK_MAX && length % BLOCK_ALIGN == 0 &&
                  le64_load(head.ptr + AT_POSITION) == position;
  return possible ? length : 0;
}

static int read_names(struct block_room *room, uint32_t from, uint32_t count, struct err *err) {
  struct block *block = &room->block;
  const char *at = block->bytes.ptr + from, *end = block->bytes.ptr + block->bytes.len;
  for (uint32_t i = 0; i < count; i++) {
    size_t len = end - at >= 2 ? le16_load(at) : SIZE_MAX;
    if (len > (size_t)(end - at) - 2) return err_set(err, ERR_CORRUPT, "the block's names are cut short");
    room->items[i] = str_make(at + 2, len);
    at += 2 + len;
  }
  block->names = (struct record_names){.items = room->items, .count = count};
  return 0;
}

int block_read(struct str bytes, uint64_t position, struct block_room *ret, struct err *err) {
  uint32_t length = block_claimed_length(bytes, position);
  if (length == 0) return err_set(err, ERR_CORRUPT, "no block begins here");
  if (length > bytes.len) return err_set(err, ERR_CORRUPT, "the block is cut short");
  const char *p = bytes.ptr;
  if (crc32c(p + AT_COUNT, length - AT_COUNT) != le32_load(p + AT_CRC)) {
    return err_set(err, ERR_CORRUPT, "the block's checksum does not match its bytes");
  }
  uint32_t names = le32_load(p + AT_NAMES), names_count = le32_load(p + AT_NAMES_COUNT);
  if (names < BLOCK_HEAD_SIZE || names > length || names_count > BLOCK_NAMES_MAX) {
    return err_set(err, ERR_CORRUPT, "the block's head places its names outside the block");
  }
  ret->block = (struct block){
      .bytes = str_make(p, length),
      .position = position,
      .synced = le64_load(p + AT_SYNCED),
      .time_ms = (int64_t)le64_load(p + AT_TIME),
      .count = le32_load(p + AT_COUNT),
      .records = str_make(p + BLOCK_HEAD_SIZE, names - BLOCK_HEAD_SIZE),
  };
  return read_names(ret, names, names_count, err);
}

uint32_t block_records_end(const struct block *block) { return BLOCK_HEAD_SIZE + (uint32_t)block->records.len; }

int block_record_at(const struct block *block, uint32_t offset, struct record *ret, struct err *err) {
  if (offset < BLOCK_HEAD_SIZE || offset >= block_records_end(block) || offset % RECORD_ALIGN != 0) {
    return err_set(err, ERR_CORRUPT, "no record begins at offset %u of the block", offset);
  }
  struct str rest = str_make(block->bytes.ptr + offset, block_records_end(block) - offset);
  int result = record_decode(rest, block->names, ret, err);
  if (result != 0) return result;
  if (ret->back == offset) return 0;
  return err_set(err, ERR_CORRUPT, "the record at offset %u of the block names offset %u as its own", offset,
                 ret->back);
}

int block_next(const struct block *block, uint32_t *at, struct record *ret, struct err *err) {
  int result = block_record_at(block, *at, ret, err);
  if (result == 0) *at += ret->size;
  return result;
}

/* ---- writing ---- */

#define NAME_SLOTS (BLOCK_NAMES_MAX * 2)

struct block_writer {
  struct buf bytes;   /* sealed blocks, then the open one's head and records */
  struct buf names;   /* of the open block, as they will be on disk */
  size_t open;        /* offset of the open block in `bytes` */
  uint32_t count;     /* records in the open block */
  uint32_t names_count;
  uint32_t name_at[BLOCK_NAMES_MAX];  /* offset of each name in `names` */
  uint16_t slots[NAME_SLOTS];         /* open addressing: index of a name + 1, 0 is free */
  uint32_t slot_at[BLOCK_NAMES_MAX];  /* slot of each name */
  uint16_t recent[RECORD_NAMES];      /* index of each name of the last usage: often the next one has it too */
  uint64_t position;  /* of the first byte of `bytes` */
  uint64_t synced;
  int64_t time_ms;
  bool sealed;
};

struct block_writer *block_writer_new(void) {
  struct block_writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL || buf_reserve(&writer->bytes, BLOCK_HEAD_SIZE)) return writer; /* room for the first head */
  free(writer);
  return NULL;
}

void block_writer_free(struct block_writer *writer) {
  if (writer == NULL) return;
  buf_fini(&writer->bytes);
  buf_fini(&writer->names);
  free(writer);
}

static void open_block(struct block_writer *writer) {
  static const char head[BLOCK_HEAD_SIZE];
  writer->open = writer->bytes.len;
  buf_append(&writer->bytes, head, sizeof head);
  buf_clear(&writer->names);
  writer->count = 0;
  /* Of the many slots a block takes a few, and a group may be one small block. */
  for (uint32_t i = 0; i < writer->names_count; i++)
    writer->slots[writer->slot_at[i]] = 0;
  writer->names_count = 0;
}

void block_writer_begin(struct block_writer *writer, uint64_t position, uint64_t synced, int64_t time_ms) {
  buf_clear(&writer->bytes);
  writer->position = position;
  writer->synced = synced;
  writer->time_ms = time_ms;
  writer->sealed = false;
  open_block(writer);
}

static void seal_block(struct block_writer *writer) {
  uint32_t names = (uint32_t)(writer->bytes.len - writer->open);
  buf_str(&writer->bytes, buf_view(&writer->names));
  while ((writer->bytes.len - writer->open) % BLOCK_ALIGN != 0) buf_char(&writer->bytes, '\0');
  CHECK(!writer->bytes.failed);
  uint32_t length = (uint32_t)(writer->bytes.len - writer->open);
  CHECK(length <= BLOCK_MAX);
  char *head = writer->bytes.ptr + writer->open;
  le32_store(head + AT_MAGIC, MAGIC);
  le32_store(head + AT_LENGTH, length);
  le32_store(head + AT_COUNT, writer->count);
  le64_store(head + AT_POSITION, writer->position + writer->open);
  le64_store(head + AT_SYNCED, writer->synced);
  le64_store(head + AT_TIME, (uint64_t)writer->time_ms);
  le32_store(head + AT_NAMES, names);
  le32_store(head + AT_NAMES_COUNT, writer->names_count);
  le32_store(head + AT_CRC, crc32c(head + AT_COUNT, length - AT_COUNT));
}

static struct str name_of(const struct block_writer *writer, uint32_t index) {
  const char *at = writer->names.ptr + writer->name_at[index];
  return str_make(at + 2, le16_load(at));
}

/* The index of a name in the open block. Adds a new name; the caller has made room for it. */
static uint16_t name_index(struct block_writer *writer, struct str name) {
  for (uint64_t slot = hash_name(name) % NAME_SLOTS;; slot = (slot + 1) % NAME_SLOTS) {
    uint16_t taken = writer->slots[slot];
    if (taken != 0 && str_equal(name_of(writer, taken - 1u), name)) return (uint16_t)(taken - 1);
    if (taken != 0) continue;
    uint32_t index = writer->names_count++;
    CHECK(index < BLOCK_NAMES_MAX);
    writer->name_at[index] = (uint32_t)writer->names.len;
    char len[2];
    le16_store(len, (uint16_t)name.len);
    buf_append(&writer->names, len, sizeof len);
    buf_str(&writer->names, name);
    writer->slots[slot] = (uint16_t)(index + 1);
    writer->slot_at[index] = (uint32_t)slot;
    return (uint16_t)index;
  }
}

/* The indices of a usage's names. */
static void name_indices(struct block_writer *writer, const struct str names[RECORD_NAMES],
                         uint16_t ret[RECORD_NAMES]) {
  for (size_t i = 0; i < RECORD_NAMES; i++) {
    uint16_t recent = writer->recent[i];
    ret[i] = RECORD_NAME_NONE;
    if (names[i].len == 0) continue;
    bool again = recent < writer->names_count && str_equal(name_of(writer, recent), names[i]);
    ret[i] = writer->recent[i] = again ? recent : name_index(writer, names[i]);
  }
}

/* Begins a new block unless the open one has room for a record of `size` bytes and its names of `names` bytes, even
 * if all of them are new. */
static void make_room(struct block_writer *writer, size_t size, size_t names, uint32_t names_count) {
  CHECK(!writer->sealed);
  size_t length = writer->bytes.len - writer->open + writer->names.len + size + names + BLOCK_ALIGN;
  if (length <= BLOCK_MAX && writer->names_count + names_count <= BLOCK_NAMES_MAX) return;
  CHECK(writer->count > 0);
  seal_block(writer);
  open_block(writer);
}

/* Reserves memory for a record with its names, for sealing its block, and for sealing the open block and beginning
 * the next one. So no later step of a block that has a record can lack memory. */
static bool reserve(struct block_writer *writer, size_t size, size_t names) {
  size_t closing = writer->names.len + names + 2 * (BLOCK_ALIGN - 1);
  return buf_reserve(&writer->bytes, size + closing + BLOCK_HEAD_SIZE) && buf_reserve(&writer->names, names);
}

int block_add_usage(struct block_writer *writer, const struct usage *usage, uint64_t *ret_position) {
  struct record_draft draft;
  uint16_t ids[RECORD_NAMES];
  size_t names_size = 0;
  record_usage_draft(usage, &draft);
  for (size_t i = 0; i < RECORD_NAMES; i++) names_size += 2 + draft.names[i].len;
  if (!reserve(writer, draft.size, names_size)) return -ERR_MEMORY;
  make_room(writer, draft.size, names_size, RECORD_NAMES);
  name_indices(writer, draft.names, ids);
  size_t at = writer->bytes.len;
  char *out = buf_extend(&writer->bytes, draft.size);
  CHECK(out != NULL && !writer->names.failed);
  record_usage_encode(&draft, ids, (uint32_t)(at - writer->open), out);
  writer->count++;
  *ret_position = writer->position + at;
  return 0;
}

int block_add_record(struct block_writer *writer, struct str encoded, uint64_t *ret_position) {
  if (!reserve(writer, encoded.len, 0)) return -ERR_MEMORY;
  make_room(writer, encoded.len, 0, 0);
  size_t at = writer->bytes.len;
  char *out = buf_extend(&writer->bytes, encoded.len);
  CHECK(out != NULL);
  memcpy(out, encoded.ptr, encoded.len);
  le32_store(out + 4, (uint32_t)(at - writer->open));
  writer->count++;
  *ret_position = writer->position + at;
  return 0;
}

struct str block_writer_finish(struct block_writer *writer) {
  CHECK(!writer->sealed && writer->count > 0);
  seal_block(writer);
  writer->sealed = true;
  return buf_view(&writer->bytes);
}

size_t block_writer_size(const struct block_writer *writer) { return writer->bytes.len; }

int block_writer_record(const struct block_writer *writer, uint64_t position, struct record *ret, struct err *err) {
  CHECK(position >= writer->position && position < writer->position + writer->bytes.len);
  size_t at = (size_t)(position - writer->position);
  size_t begin = at - le32_load(writer->bytes.ptr + at + 4);
  bool is_open = begin == writer->open && !writer->sealed;
  /* The names of a sealed block are in its bytes; those of the open block are in `names`. */
  SCOPED_MALLOC struct block_room *room = malloc(sizeof *room);
  if (room == NULL) return err_set(err, ERR_MEMORY, "no memory to read a staged record");
  if (!is_open) {
    struct str bytes = str_make(writer->bytes.ptr + begin, writer->bytes.len - begin);
    int result = block_read(bytes, writer->position + begin, room, err);
    return result == 0 ? block_record_at(&room->block, (uint32_t)(at - begin), ret, err) : result;
  }
  for (uint32_t i = 0; i < writer->names_count; i++)
    room->items[i] = name_of(writer, i);
  struct record_names names = {.items = room->items, .count = writer->names_count};
  return record_decode(str_make(writer->bytes.ptr + at, writer->bytes.len - at), names, ret, err);
}
