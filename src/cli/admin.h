/* Administration: requests and replies as JSON, carried out by whoever has the ledger open.
 *
 * A request is {"command":"project create","id":…,…}; its members are the command's options. A reply is
 * {"code":"OK","text":"","items":[…]}: code is a name of base/err.h, items what was made, changed or listed. The same
 * texts pass over the control socket and within a command that has the directory to itself.
 */
#ifndef CODECMETER_CLI_ADMIN_H
#define CODECMETER_CLI_ADMIN_H

#include "base/bytes.h"
#include "ledger/ledger.h"

#define ADMIN_REQUEST_MAX ((size_t)64 << 20) /* bytes of a request; a reply is as long as its list */

/* Where changes and reports go: a committer, or the ledger itself. */
struct admin {
  struct ledger *ledger; /* to read */
  const struct catalogue *catalogue;
  const char *time_zone; /* of projects for which a request names none; NULL or "": each must name one */
  int (*change)(void *arg, const struct change *change, struct err *err);
  int (*report)(void *arg, const struct usage *usage, struct verdict *ret, struct err *err);
  /* Asks for a checkpoint up to a position, and gives the positions behind the last record and up to which derived
   * files are complete. NULL: nobody serves. */
  int (*checkpoint)(void *arg, uint64_t up_to, uint64_t *ret_end, uint64_t *ret_covered, struct err *err);
  void *arg;
};

/* Carries a request out and appends the reply; never fails but in the reply. request: JSON_PADDING bytes behind it.
 * Nothing is done, and nothing appended, without memory for an error. */
void admin_execute(const struct admin *admin, struct str request, struct buf *reply);

/* Appends a reply that says an error. */
void admin_reply_error(const struct err *err, struct buf *reply);

#endif
