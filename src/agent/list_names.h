/* The names in a playlist or manifest, by its text alone. Cheap, and good enough to know which lists are worth reading:
 * it needs no reader of the format, and finds a name too many rather than one too few. */
#ifndef CODECMETER_AGENT_LIST_NAMES_H
#define CODECMETER_AGENT_LIST_NAMES_H

#include "base/bytes.h"
#include "base/scope.h"

/* Reads the text of a list. False: it cannot be read, is no regular file, is empty, or is larger than 16 MiB. */
MUST_USE bool list_names_read(const char *path, struct buf *ret);
/* Calls visit for each text that may name a file: what is between line ends, quotes and angle brackets, and before a '?'
 * or '#'. It is not decoded, and never empty. */
void list_names_visit(struct str text, void (*visit)(void *arg, struct str name), void *arg);
/* The part of a name behind its last slash. */
struct str list_names_last(struct str name);

#endif
