/* The table of `codecmeter usage`: rows of /v1/usage with a subtotal for each value of the first group, and a total.
 * Amounts of different kinds (transcode, remux, snapshot, audio) are never added up: each has its own total. */
#ifndef CODECMETER_CLI_USAGE_TABLE_H
#define CODECMETER_CLI_USAGE_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/json.h"

#define USAGE_TABLE_GROUPS_MAX 8u
#define USAGE_TABLE_ROWS_MAX 200000u /* a table is kept until its widths are known */

struct usage_table_options {
  const char *groups[USAGE_TABLE_GROUPS_MAX]; /* "project", "label.team" …, in the order of the columns; borrowed */
  size_t groups_count;
  const char *step; /* "1d" …; NULL or "total": one row for the whole time; borrowed */
  bool compares;    /* with the period before */
};

struct usage_table;
MUST_USE struct usage_table *usage_table_new(const struct usage_table_options *options);
void usage_table_free(struct usage_table *table);
SCOPED_REF(struct usage_table, usage_table_free)

/* Takes a row of the answer. -ERR_REMOTE: a number or a name of it is missing or of another type. -ERR_LIMIT: too
 * many rows for a table. */
MUST_USE int usage_table_row(struct usage_table *table, const struct json *object, struct err *err);
/* Prints the rows in the order of the first group's values, each with its subtotal, and the total. A value that a
 * task does not have is shown as -. */
void usage_table_print(struct usage_table *table, size_t width, FILE *out);

#endif
