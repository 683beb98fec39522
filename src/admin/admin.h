/* Administration: requests and replies as JSON. The process that has the ledger open carries them out.
 *
 * A request is {"command":"project create","id":…,…}; its members are the command's options. A reply is
 * {"code":"OK","text":"","items":[…]}: code is a name of base/err.h, items are the things made, changed or listed.
 * The texts are the same over the control socket and inside a command that opens the ledger itself.
 */
#ifndef CODECMETER_ADMIN_ADMIN_H
#define CODECMETER_ADMIN_ADMIN_H

#include "base/bytes.h"
#include "base/json_write.h"
#include "http/endpoints.h"
#include "ledger/ledger.h"

#define ADMIN_REQUEST_MAX ((size_t)64 << 20) /* bytes of a request; a reply is as long as its list */

/* The adapters of a running server; all pointers are borrowed. */
struct admin_adapters {
  const char *data; /* its data directory */
  const struct adapters *set;
  struct endpoint_adapters *endpoint; /* counts notices */
  struct quarantine *quarantine;
  struct committer *committer;
};

/* Where changes and reports go: to a committer, or to the ledger itself. */
struct admin {
  struct ledger *ledger; /* to read */
  const struct catalogue *catalogue;
  const char *time_zone; /* for new projects whose request names none; NULL or "": a request must name one */
  int (*change)(void *arg, const struct change *change, struct err *err);
  int (*report)(void *arg, const struct usage *usage, struct verdict *ret, struct err *err);
  /* Asks for a checkpoint up to a position. ret_end: the position behind the last record; ret_covered: the position
   * up to which derived files are complete. NULL: no server runs. */
  int (*checkpoint)(void *arg, uint64_t up_to, uint64_t *ret_end, uint64_t *ret_covered, struct err *err);
  /* sources_list and sources_forget. NULL: no server runs. */
  int (*list_sources)(void *arg, struct str project, bool only_troubles, struct json_write *items, struct err *err);
  int (*forget_agent)(void *arg, struct str project, struct str name, struct err *err);
  void *arg;
  const struct token_uses *token_uses; /* for token lists; NULL: no use is known */
  const struct admin_adapters *adapters; /* NULL: no server runs */
};

/* Carries out a request and appends the reply; an error is in the reply. JSON_PADDING bytes must follow the request.
 * If there is no memory even for an error, does nothing and appends nothing. */
void admin_execute(const struct admin *admin, struct str request, struct buf *reply);

/* Appends a reply that reports an error. */
void admin_reply_error(const struct err *err, struct buf *reply);

#endif
