/* The regions that GetRegion lists: the setting api.regions. */
#ifndef CODECMETER_API_REGIONS_H
#define CODECMETER_API_REGIONS_H

#include "base/bytes.h"
#include "base/err.h"

#define REGION_PART_MAX 32 /* bytes of a region's or a zone's name */

/* Reads "cn-bj2/cn-bj2-04, cn-sh2/cn-sh2-02" and appends what GetRegion lists, as a list of JSON. The first pair is
 * the default. -ERR_USAGE: the text says what is wrong; *out is then as it was. */
MUST_USE int regions_append(struct str setting, struct buf *out, struct err *err);

#endif
