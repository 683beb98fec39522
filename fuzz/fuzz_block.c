/* Any bytes as a block of the log, with the checksum made good: what a disk may hold is not what a writer wrote. Whatever
 * they are: a record that is given is within every bound, and a usage written anew reads the same. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "ledger/log/block.h"

#define POSITION UINT64_C(64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct str a, struct str b) { return str_equal(a, b); }

static void check_usage(const struct usage *usage, struct block_writer *writer) {
  struct record read;
  uint64_t position;
  block_writer_begin(writer, POSITION, POSITION, 0);
  int result = block_add_usage(writer, usage, &position);
  if (result == 0) result = block_writer_record(writer, position, &read, NULL);
  const struct usage *again = &read.usage;
  CHECK(result == 0 && read.type == RECORD_USAGE && usage_differences(usage, again) == 0);
  CHECK(same(usage->id, again->id) && same(usage->project, again->project) && same(usage->source, again->source) &&
        same(usage->codec, again->codec) && same(usage->format, again->format) &&
        same(usage->task_id, again->task_id) && same(usage->src_url, again->src_url) &&
        same(usage->dest_name, again->dest_name) && same(usage->dest_bucket, again->dest_bucket) &&
        same(usage->labels, again->labels) && same(usage->token, again->token) &&
        same(usage->codec_reported, again->codec_reported) && same(usage->quality, again->quality) &&
        same(usage->region, again->region));
  CHECK(usage->finished_ms == again->finished_ms && usage->arrived_ms == again->arrived_ms &&
        usage->has_created == again->has_created && usage->created_ms == again->created_ms &&
        usage->has_amount == again->has_amount && usage->tier == again->tier && usage->passes == again->passes &&
        usage->frame_rate.denominator == again->frame_rate.denominator);
}

static void walk(const struct block *block, struct block_writer *writer) {
  struct record record;
  uint32_t at = BLOCK_HEAD_SIZE;
  while (at < block_records_end(block)) {
    uint32_t before = at;
    if (block_next(block, &at, &record, NULL) != 0) return;
    CHECK(at > before && at <= block_records_end(block));
    if (record.type == RECORD_USAGE) check_usage(&record.usage, writer);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t length = size / BLOCK_ALIGN * BLOCK_ALIGN;
  if (length <= BLOCK_HEAD_SIZE || length > BLOCK_MAX) return 0;
  SCOPED_MALLOC char *bytes = malloc(length);
  SCOPED_MALLOC struct block_room *room = malloc(sizeof *room);
  struct block_writer *writer = block_writer_new();
  CHECK(bytes != NULL && room != NULL && writer != NULL);
  memcpy(bytes, data, length);
  memcpy(bytes, "CMB1", 4);
  le32_store(bytes + 4, (uint32_t)length);
  le64_store(bytes + 16, POSITION);
  le32_store(bytes + 8, crc32c(bytes + 12, length - 12));
  if (block_read(str_make(bytes, length), POSITION, room, NULL) == 0) walk(&room->block, writer);
  block_writer_free(writer);
  return 0;
}
