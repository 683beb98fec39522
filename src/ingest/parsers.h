/* JSON parsers are costly to make, and kept: a pool of idle ones. */
#ifndef CODECMETER_INGEST_PARSERS_H
#define CODECMETER_INGEST_PARSERS_H

#include "base/json.h"

struct parsers;

MUST_USE struct parsers *parsers_new(void); /* ends the program for want of memory */
void parsers_free(struct parsers *parsers);
/* Any thread. Never NULL. */
struct json_parser *parsers_borrow(struct parsers *parsers);
void parsers_give_back(struct parsers *parsers, struct json_parser *parser);

/* Frees the idle parsers that nobody has borrowed since the last call. Any thread. */
void parsers_rest(struct parsers *parsers);

#endif
