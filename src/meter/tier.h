/* Definition tiers: which of four a picture of width x height falls into. Source: design §5.
 *
 * The long side and the short side must both fit a tier's limits, else the next tier is tried; the limits are a
 * table in tier.c. Portrait and landscape count alike.
 */
#ifndef CODECMETER_METER_TIER_H
#define CODECMETER_METER_TIER_H

#include <stdint.h>

/* The values stand on disk: never renumber. */
enum tier { TIER_LOW = 0, TIER_MEDIUM = 1, TIER_HIGH = 2, TIER_SUPER = 3 };
#define TIERS 4

/* width and height in pixels, each at least 1; a CHECK holds callers to that. */
enum tier tier_of(uint32_t width, uint32_t height);

/* "low", "medium", "high", "super"; the API's "lowdefinition" …; and its Chinese names (普清 高清 超清 超高清). */
const char *tier_name(enum tier tier);
const char *tier_codec_level(enum tier tier);
const char *tier_name_chinese(enum tier tier);

#endif
