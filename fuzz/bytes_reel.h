/* What the fuzzers of media files share: any bytes as a file, which a reel plays. */
#ifndef CODECMETER_FUZZ_BYTES_REEL_H
#define CODECMETER_FUZZ_BYTES_REEL_H

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "media/reel.h"

struct bytes_reel {
  int fd;
  char path[64];
  struct media_span span;
  struct reel *reel;
};

/* `ret` stays where it is until bytes_reel_close. */
static inline void bytes_reel_open(struct bytes_reel *ret, const uint8_t *data, size_t size) {
  ret->fd = memfd_create("fuzz", MFD_CLOEXEC);
  CHECK(ret->fd >= 0 && write(ret->fd, data, size) == (ssize_t)size);
  (void)snprintf(ret->path, sizeof ret->path, "/proc/self/fd/%d", ret->fd);
  ret->span = (struct media_span){.path = ret->path, .size = size};
  ret->reel = reel_open(NULL, &ret->span, 1);
}

/* result: of a reader of the reel. It read the bytes, or says why not; no byte makes the system fail. */
static inline void bytes_reel_close(struct bytes_reel *reel, int result, const struct err *err) {
  reel_close(reel->reel);
  CHECK(close(reel->fd) == 0);
  CHECK(result == 0 || (result == -ERR_MEDIA && err->text[0] != '\0'));
}

#endif
