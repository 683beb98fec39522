/* Any bytes as an MP4 file: what it says is bounded, and what its edits show is a number of seconds. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/check.h"
#include "media/mp4.h"

#define PICTURES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Pictures whose times come from the file's own bytes, so that the fuzzer chooses them. */
static void show(const struct mp4 *mp4, const struct mp4_track *track, const uint8_t *data, size_t size) {
  struct mp4_picture pictures[PICTURES] = {{0}};
  SCOPED(buf_fini) struct buf text = {0};
  memcpy(pictures, data, size < sizeof pictures ? size : sizeof pictures);
  struct mp4_shown shown = mp4_show(mp4, track, pictures, PICTURES, &text);
  CHECK(shown.num >= 0 && shown.den > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  SCOPED_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
  CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  char path[64];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  struct media_span span = {.path = path, .size = size};
  struct reel *reel = reel_open(NULL, &span, 1);
  SCOPED(mp4_fini) struct mp4 mp4 = {0};
  struct err err = {0};
  int result = mp4_read(reel, &mp4, &err);
  reel_close(reel);
  CHECK(result == 0 || result == -ERR_MEDIA);
  CHECK(result == 0 || err.text[0] != '\0');
  for (size_t i = 0; result == 0 && i < mp4.count; i++) {
    CHECK(mp4.tracks[i].samples_beyond <= mp4.tracks[i].samples + mp4.tracks[i].fragment_samples);
    if (mp4.tracks[i].is_video) show(&mp4, &mp4.tracks[i], data, size);
  }
  return 0;
}
