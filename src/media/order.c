/* The delay is known from the first picture that states both times. If none does, it is the least one with which no picture is
 * shown before it is decoded. A damaged time would make that longer than what decoders keep; then nothing is filled in.
 *
 * libavformat guesses decoding times from the delay that it sees in the first 20 pictures or so. With fewer pictures it may see
 * none, and then its times contradict those of showing.
 */
#include "media/order.h"

#include <stdlib.h>

#include "base/check.h"

void order_fini(struct order *order) {
  vector_fini(order);
  order->pictures = 0;
}

static bool is_picture(const struct demux_packet *packet) { return packet->is_video && packet->pts != DEMUX_NONE; }

bool order_holds(const struct order *order, const struct demux_packet *packet, bool is_first, bool is_guessed) {
  return order->count > 0 || (is_first && is_picture(packet) && (is_guessed || packet->dts == DEMUX_NONE));
}

void order_add(struct order *order, const struct demux_packet *packet) {
  *vector_must_add(order) = *packet;
  if (is_picture(packet)) order->pictures++;
}

bool order_is_full(const struct order *order) {
  return order->pictures >= ORDER_PICTURES || order->count >= ORDER_PACKETS;
}

static int compare(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

/* Finds the delay of showing behind decoding. pictures: in the order of decoding; times: sorted. False: a time is damaged. */
static bool find_delay(struct demux_packet *const *pictures, const int64_t *times, size_t count, int64_t *ret) {
  int64_t delay = 0, longest = 0;
  for (size_t i = 0; i < count; i++) {
    if (pictures[i]->duration > longest) longest = pictures[i]->duration;
    if (pictures[i]->dts == DEMUX_NONE) continue;
    *ret = times[i] - pictures[i]->dts;
    return true;
  }
  for (size_t i = 0; i < count; i++) {
    int64_t needed = times[i] - pictures[i]->pts;
    if (needed / (ORDER_PICTURES / 2) > longest) return false;
    if (needed > delay) delay = needed;
  }
  *ret = delay;
  return true;
}

/* True if a picture is shown before it is decoded, or lacks a decoding time behind one that has one. */
static bool is_contradictory(struct demux_packet *const *pictures, size_t count) {
  bool has_dts = false;
  for (size_t i = 0; i < count; i++) {
    bool is_known = pictures[i]->dts != DEMUX_NONE;
    if ((has_dts && !is_known) || (is_known && pictures[i]->dts > pictures[i]->pts)) return true;
    has_dts = is_known;
  }
  return false;
}

static bool fills(const struct demux_packet *last, const int64_t *times, size_t count, int64_t stated) {
  int64_t length = times[count - 1] - times[0], slack = last->duration;
  return slack > 0 && length >= stated - 2 * slack && length <= stated;
}

void order_settle(struct order *order, int64_t stated) {
  struct demux_packet *pictures[ORDER_PICTURES];
  int64_t times[ORDER_PICTURES];
  size_t count = 0;
  for (size_t i = 0; i < order->count && count < ORDER_PICTURES; i++) {
    if (!is_picture(&order->items[i])) continue;
    pictures[count] = &order->items[i];
    times[count++] = order->items[i].pts;
  }
  if (count == 0) return;
  qsort(times, count, sizeof times[0], compare);
  if (stated > 0 && is_contradictory(pictures, count) && fills(pictures[count - 1], times, count, stated)) {
    for (size_t i = 0; i < count; i++)
      pictures[i]->dts = DEMUX_NONE;
  }
  int64_t delay = 0;
  if (!find_delay(pictures, times, count, &delay)) return;
  for (size_t i = 0; i < count && pictures[i]->dts == DEMUX_NONE; i++)
    pictures[i]->dts = times[i] - delay;
}
