#include "meter/tier.h"

#include "base/check.h"

/* Limits in pixels. A picture that fits none of these is super. */
static const struct {
  uint32_t long_side, short_side;
} limits[] = {
    [TIER_LOW] = {640, 480},
    [TIER_MEDIUM] = {1280, 720},
    [TIER_HIGH] = {1920, 1080},
};

static const struct {
  const char *name, *codec_level;
} names[TIERS] = {
    [TIER_LOW] = {"low", "lowdefinition"},
    [TIER_MEDIUM] = {"medium", "mediumdefinition"},
    [TIER_HIGH] = {"high", "highdefinition"},
    [TIER_SUPER] = {"super", "superdefinition"},
};

enum tier tier_of(uint32_t width, uint32_t height) {
  CHECK(width > 0 && height > 0);
  uint32_t long_side = width > height ? width : height;
  uint32_t short_side = width > height ? height : width;
  for (unsigned tier = 0; tier < sizeof limits / sizeof limits[0]; tier++) {
    if (long_side <= limits[tier].long_side && short_side <= limits[tier].short_side) return (enum tier)tier;
  }
  return TIER_SUPER;
}

bool tier_limits(enum tier tier, uint32_t *ret_long, uint32_t *ret_short) {
  if (tier >= sizeof limits / sizeof limits[0]) return false;
  *ret_long = limits[tier].long_side;
  *ret_short = limits[tier].short_side;
  return true;
}

const char *tier_name(enum tier tier) { return names[tier].name; }
const char *tier_codec_level(enum tier tier) { return names[tier].codec_level; }
