/* The help of a command, made from its option_spec: usage, what it does, verbs, options, examples, exit status. */
#ifndef CODECMETER_CLI_HELP_H
#define CODECMETER_CLI_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* Lines are at most this wide on any terminal: longer ones are hard to read. */
#define HELP_WIDTH_MAX 100

/* Prints lines that fit the terminal, or 80 columns if its width is unknown. Does not break examples and words. */
void help_print(const char *command, const struct option_spec *spec, FILE *out);

/* Prints the list of the commands. */
void help_print_commands(FILE *out);

#endif
