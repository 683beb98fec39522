/* Manual pages in roff, man(7), made from the same tables as the help. */
#ifndef CODECMETER_CLI_MAN_H
#define CODECMETER_CLI_MAN_H

#include <stdio.h>

#include "cli/command.h"

/* The page codecmeter-COMMAND(1). */
void man_print(const struct command *command, FILE *out);
/* The page codecmeter(1), which lists the commands. */
void man_print_overview(FILE *out);

#endif
