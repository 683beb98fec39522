/* The header Accept: which format of a resource a client wants. RFC 9110, 12.5.1. */
#ifndef CODECMETER_V1_ACCEPT_H
#define CODECMETER_V1_ACCEPT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "v1/rows.h"

/* Chooses among `formats` (V1_FORMAT bits) the one with the greatest weight; among equals the one that is named most
 * exactly, then JSON. An empty header takes anything. False: the header excludes all of them. */
MUST_USE bool v1_accept(struct str accept, unsigned formats, enum v1_format *ret);

#endif
