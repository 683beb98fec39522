/* Codec names: lower-case and canonical. Source: design §4, the aliases in codec.c's table. */
#ifndef CODECMETER_METER_CODEC_H
#define CODECMETER_METER_CODEC_H

#include "base/bytes.h"
#include "base/err.h"

#define CODEC_NAME_MAX 32      /* bytes */
#define CODEC_NAMES_PER_PROJECT 64

/* The canonical name of what a transcoder calls a codec, NUL-terminated: aliases of H.264 become "h264", of H.265
 * "h265", any other name of 1 to 32 characters [a-z0-9._-] (letters of either case) stands for itself in lower
 * case. Spaces around it do not count. -ERR_RANGE otherwise. */
MUST_USE int codec_canonical(struct str name, char ret_name[CODEC_NAME_MAX + 1], struct err *err);

#endif
