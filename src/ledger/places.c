/* A server that holds its files open goes on writing to them when they are removed, acknowledges, and leaves nothing.
 * So the checkpointer looks every few seconds whether the paths still lead to what is open, and whoever stops a
 * ledger looks once more. It costs a handful of stat calls; a commit does none.
 */
#include "ledger/places.h"

#include "base/file.h"
#include "ledger/presence.h"

#define REMEDY_LOG                                                                                                  \
  "what was acknowledged since then may be lost. Put back what was moved; if it was removed, restore the log from " \
  "a backup and have the reporters send again what they have kept"
#define REMEDY_DERIVED \
  "the log is not affected. Put back what was moved, or run `codecmeter rebuild`; then start again"

int places_begin(struct ledger *ledger, struct err *err) {
  int result = presence_begin(&ledger->data_place, ledger->options.dir, err);
  if (result == 0) result = presence_begin(&ledger->derived_place, ledger->derived, err);
  if (result == 0) result = presence_begin(&ledger->runs_place, ledger->runs_dir, err);
  return result;
}

void places_fini(struct ledger *ledger) {
  presence_fini(&ledger->data_place);
  presence_fini(&ledger->derived_place);
  presence_fini(&ledger->runs_place);
}

static int check_log(struct ledger *ledger, bool all, struct err *err) {
  int result = presence_check(&ledger->data_place, err);
  if (result == 0) result = log_check_presence(ledger->log, all, err);
  if (result != -ERR_CORRUPT) return result;
  return err_set(err, ERR_CORRUPT, "%s: %s while the server ran: " REMEDY_LOG, ledger->options.dir, err->text);
}

static int check_derived(struct ledger *ledger, struct err *err) {
  int result = presence_check(&ledger->derived_place, err);
  if (result == 0) result = presence_check(&ledger->runs_place, err);
  if (result == 0) result = rows_check_presence(ledger->rows, err);
  if (result != -ERR_CORRUPT) return result;
  return err_set(err, ERR_CORRUPT, "%s while the server ran: " REMEDY_DERIVED, err->text);
}

/* A look that fails for want of memory says nothing: the next one will. */
int places_check(struct ledger *ledger, bool all, struct err *err) {
  int result = check_log(ledger, all, err);
  if (result == 0) result = check_derived(ledger, err);
  return err_kind(result) == ERR_KIND_RETRY ? 0 : result;
}

int ledger_check_places(struct ledger *ledger, struct err *err) { return places_check(ledger, true, err); }
