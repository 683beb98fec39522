/* Any bytes as a Matroska file: its parts are in order and within it. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/check.h"
#include "media/matroska.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  SCOPED_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
  CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  char path[64];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  struct media_span span = {.path = path, .size = size};
  struct reel *reel = reel_open(NULL, &span, 1);
  SCOPED(matroska_fini) struct matroska matroska = {0};
  struct err err = {0};
  int result = matroska_read(reel, &matroska, &err);
  reel_close(reel);
  CHECK(result == 0 || result == -ERR_MEDIA);
  CHECK(result == 0 || err.text[0] != '\0');
  uint64_t before = 0;
  for (size_t i = 0; result == 0 && i < matroska.count; i++) {
    CHECK(matroska.parts[i].start >= before && matroska.parts[i].end >= matroska.parts[i].start);
    before = matroska.parts[i].end;
  }
  CHECK(before <= size);
  return 0;
}
