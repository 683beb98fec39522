/* Reads a workbook back, to see whether all of it was written. */
#ifndef CODECMETER_CLI_SPREADSHEET_CHECK_H
#define CODECMETER_CLI_SPREADSHEET_CHECK_H

#include <stdint.h>

#include "base/err.h"

/* 0 if the first sheet of the workbook is complete and has that many rows and cells, which are not empty ones.
 * -ERR_IO if it is not. */
MUST_USE int spreadsheet_check(const char *path, uint64_t rows, uint64_t cells, struct err *err);

#endif
