/* Text on a terminal: the number of its columns, and where its lines break. */
#ifndef CODECMETER_CLI_DISPLAY_H
#define CODECMETER_CLI_DISPLAY_H

#include "base/bytes.h"

/* The columns that a text takes: a wide character (Chinese, Japanese, Korean, most emoji) takes two, a combining one
 * none. A byte that is not UTF-8 takes one. The text holds no control characters. */
size_t display_width(struct str text);
/* The width of its widest word. Words are separated by blanks. */
size_t display_word_width(struct str text);

/* Cuts the next line off the front of rest: as many whole words as fit into width columns, at least one. Drops blanks
 * around the line. An empty rest gives an empty line. */
struct str display_line(struct str *rest, size_t width);

/* The columns of the terminal: $COLUMNS if it is a number, else those of the terminal at standard output. 0 when
 * neither is known. */
size_t display_columns(void);

#endif
