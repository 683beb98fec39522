/* A pool of idle JSON parsers, which are costly to make. */
#ifndef CODECMETER_INGEST_READ_PARSERS_H
#define CODECMETER_INGEST_READ_PARSERS_H

#include "base/json.h"

struct parsers;

MUST_USE struct parsers *parsers_new(void); /* without memory it ends the program */
void parsers_free(struct parsers *parsers);
/* Any thread. NULL if there is no memory. */
struct json_parser *parsers_borrow(struct parsers *parsers);
void parsers_give_back(struct parsers *parsers, struct json_parser *parser);

/* Frees the parsers that have been idle since the last call. Any thread. */
void parsers_rest(struct parsers *parsers);

#endif
