/* Paths in the text files of this room. A path is bytes, which need not be UTF-8. */
#ifndef CODECMETER_AGENT_PATH_TEXT_H
#define CODECMETER_AGENT_PATH_TEXT_H

#include "base/json_write.h"

/* Appends a path as printable ASCII without blanks, quotes and backslashes: all other bytes, and %, become %XX. So it
 * fits into a field, a line, and a JSON string. */
void path_text_append(struct buf *out, const char *path);
/* Writes a path as a text of JSON, in the same form. */
void path_text_write(struct json_write *json, const char *name, const char *path);
/* The path again. The caller frees it; never NULL. */
char *path_text_read(struct str text);

#endif
