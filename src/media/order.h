/* Gives the first pictures of a stream decoding times, if the container states only times of showing (Matroska, NUT). Pure: no
 * libav calls.
 *
 * Pictures are stored in the order of decoding. In that order, times of showing step forth and back by the distance of two
 * pictures, which may be minutes. Sorted, they are the decoding times, but for a delay.
 */
#ifndef CODECMETER_MEDIA_ORDER_H
#define CODECMETER_MEDIA_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vector.h"
#include "media/demux.h"

#define ORDER_PICTURES 34 /* no decoder keeps more (CLOCK_REORDERED) */
#define ORDER_PACKETS ((size_t)100000)

/* Packets of all streams that wait until the order is known. */
struct order {
  VECTOR(struct demux_packet);
  size_t pictures; /* of the video, that have a time of showing */
};
void order_fini(struct order *order);

/* True if the packet must wait: it is the first one of the video, and its decoding time is unknown or guessed; or others wait
 * already. */
bool order_holds(const struct order *order, const struct demux_packet *packet, bool is_first, bool is_guessed);
void order_add(struct order *order, const struct demux_packet *packet);
bool order_is_full(const struct order *order);
/* Fills in the decoding times of the pictures before the first one that states its own. stated: the length that the container
 * states, if these are all packets of a container whose decoding times are guessed; else 0. Guesses that contradict the times of
 * showing are dropped then, if those times fill that length. The caller then takes the packets, and calls order_fini. */
void order_settle(struct order *order, int64_t stated);

#endif
