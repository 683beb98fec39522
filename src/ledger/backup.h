/* The label of a backup: what says that a directory is one, and how far it reaches. For files of src/ledger only.
 */
#ifndef CODECMETER_LEDGER_BACKUP_H
#define CODECMETER_LEDGER_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* True if a directory has the label of a finished backup. */
bool backup_has_label(const char *dir);
/* Gives the position below which the label says that all is in the backup. -ERR_NOT_FOUND: it is no finished backup.
 */
MUST_USE int backup_read_label(const char *dir, uint64_t *ret_position, struct err *err);

#endif
