/* Any bytes as a Matroska file: its parts are in order and within it. */
#include "bytes_reel.h"
#include "media/matroska.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes_reel bytes;
  SCOPED(matroska_fini) struct matroska matroska = {0};
  struct err err = {0};
  bytes_reel_open(&bytes, data, size);
  int result = matroska_read(bytes.reel, &matroska, &err);
  bytes_reel_close(&bytes, result, &err);
  uint64_t before = 0;
  for (size_t i = 0; result == 0 && i < matroska.count; i++) {
    CHECK(matroska.parts[i].start >= before && matroska.parts[i].end >= matroska.parts[i].start);
    before = matroska.parts[i].end;
  }
  CHECK(before <= size);
  return 0;
}
