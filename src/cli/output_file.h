/* A file that a command makes with --output: written under another name beside it, and renamed when it is whole. So
 * a reader of FILE gets the old file or the new one, never a part. */
#ifndef CODECMETER_CLI_OUTPUT_FILE_H
#define CODECMETER_CLI_OUTPUT_FILE_H

#include <stdio.h>

#include "base/err.h"

enum output_kind { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_XLSX };

/* By the ending of a file's name, in any case: .json, .csv, .xlsx. -ERR_USAGE for any other. */
MUST_USE int output_kind_of(const char *path, enum output_kind *ret, struct err *err);

struct output_file {
  const char *path;
  char *made; /* the other name; NULL: nothing is there to remove */
  char *dir;  /* of both */
  FILE *file; /* to write to */
};

/* Creates the file under its other name: with the mode of the file that it replaces, else by the umask. Borrows path.
 * -ERR_USAGE if path is a directory, a device or the like; -ERR_IO, -ERR_FULL. */
MUST_USE int output_file_begin(const char *path, struct output_file *ret, struct err *err);
/* Writes out, syncs and renames. */
MUST_USE int output_file_end(struct output_file *file, struct err *err);
/* Removes what is not renamed. */
void output_file_fini(struct output_file *file);

#endif
