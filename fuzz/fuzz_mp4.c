/* Any bytes as an MP4 file: what it says is bounded, and what its edits show is a number of seconds. */
#include "bytes_reel.h"
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
  struct bytes_reel bytes;
  SCOPED(mp4_fini) struct mp4 mp4 = {0};
  struct err err = {0};
  bytes_reel_open(&bytes, data, size);
  int result = mp4_read(bytes.reel, &mp4, &err);
  bytes_reel_close(&bytes, result, &err);
  for (size_t i = 0; result == 0 && i < mp4.count; i++) {
    CHECK(mp4.tracks[i].samples_beyond <= mp4.tracks[i].samples + mp4.tracks[i].fragment_samples);
    if (mp4.tracks[i].is_video) show(&mp4, &mp4.tracks[i], data, size);
  }
  return 0;
}
