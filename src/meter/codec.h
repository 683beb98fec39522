/* Codec names: lower-case and canonical. Source: design §4; codec.c has the table of aliases. */
#ifndef CODECMETER_METER_CODEC_H
#define CODECMETER_METER_CODEC_H

#include "base/bytes.h"
#include "base/err.h"

#define CODEC_NAME_MAX 32      /* bytes */
#define CODEC_REPORTED_MAX 64  /* bytes of a name as it arrives */
#define CODEC_NAMES_PER_PROJECT 64

/* Writes the canonical form of a transcoder's codec name, NUL-terminated. Aliases of H.264 become "h264", aliases of
 * H.265 become "h265"; any other name of 1 to 32 characters [a-z0-9._-] (letters of either case) becomes lower case.
 * Blanks around the name are ignored. -ERR_RANGE for any other text. */
MUST_USE int codec_canonical(struct str name, char ret_name[CODEC_NAME_MAX + 1], struct err *err);

#endif
