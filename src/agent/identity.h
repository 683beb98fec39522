/* The identity of what was measured. It depends on the media alone, not on path or host: a file that is moved, linked or
 * copied with its times keeps it. What "1:" means never changes. Source: design section 4. */
#ifndef CODECMETER_AGENT_IDENTITY_H
#define CODECMETER_AGENT_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "media/media.h"

#define IDENTITY_SIZE 35 /* "1:", 32 hexadecimal digits, NUL */

/* ret_time_s: when the newest of the files was written, in whole seconds. -ERR_IO: a file cannot be read now.
 * -ERR_MEDIA: a file is missing, or is shorter than its span. */
MUST_USE int identity_of_media(const struct media_span *spans, size_t count, char ret_id[IDENTITY_SIZE],
                               int64_t *ret_time_s, struct err *err);
/* The identity that the first `size` bytes of the media have, or would have, as media of their own that were written at
 * time_s. -ERR_MEDIA: the media are shorter. Else as above. */
MUST_USE int identity_of_begin(const struct media_span *spans, size_t count, uint64_t size, int64_t time_s,
                               char ret_id[IDENTITY_SIZE], struct err *err);

#endif
