/* Definition tiers: which of four tiers a picture of width x height belongs to. Source: design §5.
 *
 * A picture belongs to the first tier whose limits fit its long side and its short side. tier.c has the table of
 * limits. Portrait and landscape are treated alike.
 */
#ifndef CODECMETER_METER_TIER_H
#define CODECMETER_METER_TIER_H

#include <stdbool.h>
#include <stdint.h>

/* The values are stored on disk: never renumber. */
enum tier { TIER_LOW = 0, TIER_MEDIUM = 1, TIER_HIGH = 2, TIER_SUPER = 3 };
#define TIERS 4

/* width and height are in pixels, each at least 1 (a CHECK). */
enum tier tier_of(uint32_t width, uint32_t height);

/* The longest long side and short side of a tier, in pixels; false for TIER_SUPER, which has no limits. */
bool tier_limits(enum tier tier, uint32_t *ret_long, uint32_t *ret_short);

/* "low", "medium", "high", "super"; and the API's "lowdefinition" …. */
const char *tier_name(enum tier tier);
const char *tier_codec_level(enum tier tier);

#endif
