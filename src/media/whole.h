/* Says whether a file of another container than MP4 and Matroska was cut: where its head states its size, where a unit goes
 * beyond the end, and where the mark of the end is missing. Pure: no libav, which drops such statements or reads up to the cut.
 *
 * Sources: ASF specification 3.2; AVI RIFF file reference and OpenDML 1.02; RFC 3533 (Ogg); GIF89a; PNG third edition;
 * SMPTE 377-1 (MXF); ISO/IEC 13818-1 2.5 (program stream); the NUT open container format; SWF specification 19.
 */
#ifndef CODECMETER_MEDIA_WHOLE_H
#define CODECMETER_MEDIA_WHOLE_H

#include <stdbool.h>

#include "base/err.h"
#include "media/reel.h"

/* *ret_cut: NULL, or the unit that is not whole: "Data object", "page" … Static. NULL also if the container is another one, or
 * where its structure is lost: then only the packets tell. -ERR_IO: as of reel_read. Memory is bounded; time is bounded by the
 * number of units. */
MUST_USE int whole_read(struct reel *reel, const char **ret_cut, struct err *err);

#endif
