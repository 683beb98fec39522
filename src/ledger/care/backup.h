/* The label of a backup: a file that marks a directory as a finished backup and gives the position that it reaches.
 * For files of src/ledger only.
 */
#ifndef CODECMETER_LEDGER_CARE_BACKUP_H
#define CODECMETER_LEDGER_CARE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* True if a directory has the label of a finished backup. */
bool backup_has_label(const char *dir);
/* Reads the label. Everything below *ret_position is in the backup. -ERR_NOT_FOUND: the directory is not a finished
 * backup. */
MUST_USE int backup_read_label(const char *dir, uint64_t *ret_position, struct err *err);

#endif
