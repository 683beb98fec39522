/* Codec names: lower-case and canonical. Source: design §4; codec.c has the table of aliases. */
#ifndef CODECMETER_METER_CODEC_H
#define CODECMETER_METER_CODEC_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define CODEC_NAME_MAX 32      /* bytes */
#define CODEC_REPORTED_MAX 64  /* bytes of a name as it arrives */
#define CODEC_GROUPS_MAX 104   /* codecs of the table */
#define CODEC_OTHERS_MAX 150   /* names in a project that are in no group of the table */
#define CODEC_NAMES_PER_PROJECT (CODEC_GROUPS_MAX + CODEC_OTHERS_MAX)

/* Writes the canonical form of a transcoder's codec name, NUL-terminated. Names of encoders, sample entries (RFC 6381),
 * standards and vendors' settings become the name of their codec: `libx264` and `avc1.64001f` are "h264". Any other name
 * of 1 to 32 characters [a-z0-9._-] (letters of either case) becomes lower case. Blanks around the name are ignored.
 * -ERR_RANGE for any other text. */
MUST_USE int codec_canonical(struct str name, char ret_name[CODEC_NAME_MAX + 1], struct err *err);
/* True if this is the canonical name of a group of the table, which every project has room for. */
bool codec_is_known(struct str canonical);
/* True if both names have the same canonical form. Names that were stored by an earlier version are folded by today's
 * table. */
bool codecs_are_same(struct str a, struct str b);

#endif
