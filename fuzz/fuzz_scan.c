/* Any bytes as a transport stream, as Flash video, as WebP and as the containers of whole.c: what is found is in order and within the file. */
#include "bytes_reel.h"
#include "media/flv.h"
#include "media/ts.h"
#include "media/webp.h"
#include "media/whole.h"

#define PICTURE_MAX_MS ((UINT64_C(1) << 24) - 1)
#define PICTURE_BYTES 24 /* at least */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int scan_ts(struct reel *reel, uint64_t size, struct err *err) {
  SCOPED(ts_fini) struct ts ts;
  int result = ts_scan(reel, &ts, err);
  if (result != 0 || !ts.is_ts) return result;
  CHECK(ts.packet_size == 188 || ts.packet_size == 192 || ts.packet_size == 204);
  for (size_t i = 0; i < ts.breaks.count; i++) {
    CHECK(ts.has_pcr && ts.breaks.items[i].position + TS_PACKET <= size);
    CHECK(i == 0 || ts.breaks.items[i].position >= ts.breaks.items[i - 1].position + TS_PACKET);
    CHECK(ts.breaks.items[i].step > -(INT64_C(1) << 33) && ts.breaks.items[i].step < INT64_C(1) << 33);
  }
  return 0;
}

static int scan_flv(struct reel *reel, uint64_t size, struct err *err) {
  static struct flv flv;
  int result = flv_scan(reel, &flv, err);
  for (size_t i = 0; result == 0 && i < flv.count; i++)
    CHECK(i == 0 ? flv.starts[0] == 0 : flv.starts[i] > flv.starts[i - 1] && flv.starts[i] < size);
  return result;
}

static int scan_webp(struct reel *reel, uint64_t size, struct err *err) {
  struct webp webp;
  int result = webp_read(reel, &webp, err);
  if (result != 0 || !webp.is_moving) return result;
  CHECK(webp.width > 0 && webp.height > 0 && webp.pictures <= size / PICTURE_BYTES);
  CHECK(webp.duration_ms <= webp.pictures * PICTURE_MAX_MS);
  CHECK(webp.each_ms == 0 || webp.duration_ms == webp.pictures * webp.each_ms);
  return 0;
}

static int scan_whole(struct reel *reel, uint64_t size, struct err *err) {
  const char *cut = NULL;
  (void)size;
  int result = whole_read(reel, &cut, err);
  CHECK(result == 0 || cut == NULL);
  return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int (*const scans[])(struct reel *reel, uint64_t size, struct err *err) = {scan_ts, scan_flv, scan_webp, scan_whole};
  for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
    struct bytes_reel bytes;
    struct err err = {.text = ""};
    bytes_reel_open(&bytes, data, size);
    bytes_reel_close(&bytes, scans[i](bytes.reel, size, &err), &err);
  }
  return 0;
}
