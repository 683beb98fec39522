#include "base/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

#include "base/check.h"

uint32_t crc32c(const void *ptr, size_t len) {
  CHECK(len <= INT_MAX);
  /* The library only reads, though its prototype lacks const. It leaves both inversions to the caller. */
  return ~crc32_iscsi((unsigned char *)(uintptr_t)ptr, (int)len, ~0u);
}
