/* A directory of small files beside the log, which a backup keeps as they are: the quarantine of notices. The ledger
 * does not know what they hold. Each is written whole and renamed into its place, so a copy is of one version. Names
 * that begin with a dot are no part of it. For files of src/ledger only.
 */
#ifndef CODECMETER_LEDGER_CARE_SIDE_FILES_H
#define CODECMETER_LEDGER_CARE_SIDE_FILES_H

#include <stddef.h>

#include "base/err.h"
#include "base/vector.h"

#define SIDE_FILES "quarantine"

/* Files of a backup that the data directory no longer has. */
struct side_files {
  VECTOR(char *); /* names */
};
void side_files_fini(struct side_files *files);

/* Copies the files of FROM/quarantine into TO/quarantine and syncs them. *ret_gone gets those that TO had and FROM
 * has not; it may be NULL, and is empty before. It is no error if FROM has none, or if a file goes away meanwhile. */
MUST_USE int side_files_copy(const char *from, const char *to, struct side_files *ret_gone, struct err *err);
/* Removes files from TO/quarantine. */
MUST_USE int side_files_remove(const char *to, const struct side_files *gone, struct err *err);

#endif
