/* Lists that are not recorded yet claim the files that they name: such a file may be a part of the list's output, so
 * `watch` holds it back until the list is recorded or given up. A list is looked at as text only, which is cheap and
 * good enough: a claim that is missed or too much changes the order of work, not what counts. */
#ifndef CODECMETER_AGENT_CLAIMS_H
#define CODECMETER_AGENT_CLAIMS_H

#include "base/scope.h"

struct claims;
MUST_USE struct claims *claims_new(void); /* never NULL */
void claims_free(struct claims *claims);

/* A playlist or manifest is found; is done. list: an absolute path. */
void claims_add(struct claims *claims, const char *list);
void claims_remove(struct claims *claims, const char *list);
/* A list in the file's directory or above it that names a file with this last name; not the file itself. NULL: none.
 * Reads lists that have changed. Valid until the next claims_remove. */
const char *claims_find(struct claims *claims, const char *path);

#endif
