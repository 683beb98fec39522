/* Times in a file that is imported: those without a zone are local times of a zone that an option names. */
#ifndef CODECMETER_IMPORT_TIMES_H
#define CODECMETER_IMPORT_TIMES_H

#include <stdbool.h>

#include "base/bytes.h"
#include "meter/zone.h"

struct times {
  const struct zone *zone; /* of times that state none; NULL: such a time is refused */
};

/* Appends a time as RFC 3339. A text that is not a time is appended as it is: the server says what it expects. False:
 * the time cannot be sent; `refusal` gets the reason, behind the name of the field. *ret_is_twice is set, never
 * cleared: the local time occurs twice, and this is the earlier instant. */
MUST_USE bool times_write(const struct times *times, const char *field, struct str value, struct buf *out,
                          struct buf *refusal, bool *ret_is_twice);

/* The same for `time` and `data.created` of an event in JSON: appends the event to `out` with these times written
 * again. */
MUST_USE bool times_write_event(const struct times *times, struct str event, struct buf *out, struct buf *refusal,
                                bool *ret_is_twice);

#endif
