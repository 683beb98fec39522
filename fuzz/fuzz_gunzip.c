/* Any bytes as a gzip body: what comes out is bounded, and so is what is held. */
#include <stdint.h>

#include "base/check.h"
#include "ingest/read/gunzip.h"

#define OUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  SCOPED(buf_fini) struct buf out = {0};
  struct err err = {0};
  int result = gunzip(str_make((const char *)data, size), OUT_MAX, &out, &err);
  CHECK(result == 0 || result == -ERR_PARSE || result == -ERR_LIMIT);
  CHECK(result != 0 || out.len <= OUT_MAX);
  CHECK(result == 0 || err.text[0] != '\0');
  return 0;
}
