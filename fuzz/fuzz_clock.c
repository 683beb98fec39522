/* Any bytes as the packets of a video and its sound. The first 8 bytes are the rules: the rule, the bits of the wrap, the
 * unit, the period, the stated length in 2 bytes, how many breaks follow, and whether it is explained. A break has 8 bytes:
 * position and step in 3 each, its scale, a flag. A packet begins with a byte of flags; then come its time of decoding, how
 * much later it is shown, and its duration, each as a byte that scales and 2 bytes. Whatever they are: times stay within bounds
 * (UBSan sees an overflow), and no picture is left out twice. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "media/clock.h"

#define RULES 8
#define BREAK 8
#define BREAKS_MAX 16
#define PACKET 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number of up to 64 bits: two bytes, shifted; the highest shift stands for an unknown time. */
static int64_t number(const uint8_t *bytes) {
  unsigned shift = bytes[0] & 63;
  int64_t value = (int16_t)le16_load(bytes + 1);
  if (shift == 63) return CLOCK_NONE;
  return (int64_t)((uint64_t)value << shift);
}

static size_t read_breaks(const uint8_t *data, size_t size, size_t count, struct ts_break *ret) {
  size_t i = 0;
  uint64_t position = 0;
  for (; i < count && size >= BREAK; i++, data += BREAK, size -= BREAK) {
    position += (uint64_t)data[0] << 16 | (uint64_t)data[1] << 8 | data[2];
    int64_t step = (int32_t)((uint32_t)data[3] << 24 | (uint32_t)data[4] << 16 | (uint32_t)data[5] << 8);
    ret[i] = (struct ts_break){.position = position, .step = step >> (data[6] & 31), .is_flagged = (data[7] & 1) != 0};
  }
  return i;
}

static struct clock_packet read_packet(const uint8_t *data, const struct clock_packet *before) {
  struct clock_packet packet = {.is_video = (data[0] & 3) != 3, .is_sound = (data[0] & 3) == 3};
  packet.is_key = (data[0] & 4) != 0;
  packet.is_hidden = (data[0] & 8) != 0;
  packet.dts = number(data + 1);
  packet.pts = number(data + 4);
  packet.duration = number(data + 7);
  packet.position = before->position + data[0];
  bool is_relative = (data[0] & 16) == 0; /* the usual: times that go on */
  if (is_relative && packet.dts != CLOCK_NONE && before->dts != CLOCK_NONE)
    packet.dts = (int64_t)((uint64_t)packet.dts + (uint64_t)before->dts);
  if ((data[0] & 32) == 0 && packet.pts != CLOCK_NONE) packet.pts = (int64_t)((uint64_t)packet.pts + (uint64_t)packet.dts);
  return packet;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int wraps[] = {0, 33};
  static const double units[] = {1.0 / 90000, 1.0 / 1000, 1e-9, 1.0, 1.0 / 25, 1001.0 / 30000, 1.0 / INT32_MAX, 1e6};
  struct ts_break breaks[BREAKS_MAX];
  SCOPED(buf_fini) struct buf text = {.limit = 1 << 20};
  if (size < RULES) return 0;
  size_t count = read_breaks(data + RULES, size - RULES, data[6] % (BREAKS_MAX + 1), breaks);
  const struct clock_rules rules = {.rule = (enum clock_rule)(data[0] % 3),
                                    .wrap_bits = wraps[data[1] % 2],
                                    .unit = units[data[2] % (sizeof units / sizeof *units)],
                                    .period = data[3],
                                    .stated = le16_load(data + 4),
                                    .breaks = breaks,
                                    .break_count = count,
                                    .explanation = (data[7] & 1) != 0 ? &text : NULL};
  struct clock_reading reading;
  struct clock_packet packet = {.position = 0};
  uint64_t pictures = 0;
  clock_reading_init(&reading, &rules);
  for (size_t at = RULES + count * BREAK; at + PACKET <= size; at += PACKET) {
    packet = read_packet(data + at, &packet);
    clock_reading_see(&reading, &packet);
    pictures += packet.is_video && !packet.is_hidden;
    CHECK(reading.left_out + reading.now.shown <= pictures && reading.mark_count <= CLOCK_MARKS);
  }
  (void)clock_reading_is_torn(&reading);
  int64_t shown = clock_reading_end(&reading);
  CHECK(shown == CLOCK_NONE || (shown >= 0 && shown <= INT64_MAX / 2));
  CHECK(shown != CLOCK_NONE || reading.now.shown == 0);
  return 0;
}
