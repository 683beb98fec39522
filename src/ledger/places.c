/* A server holds its files open. If they are removed, it goes on writing to them and acknowledging events, and
 * nothing is left when it ends. So the checkpointer checks every few seconds that the paths still lead to the open
 * files, and a program that stops a ledger checks once more. A check costs a few stat calls; a commit makes none.
 */
#include "ledger/places.h"

#include <sys/statvfs.h>

#include "base/file.h"
#include "base/lock.h"
#include "ledger/log/presence.h"

#define REMEDY_LOG                                                                                                  \
  "events that were acknowledged since then may be lost. If the files were moved, put them back; if they were "      \
  "removed, restore the log from a backup and send the later events again"
#define REMEDY_DERIVED \
  "the log is not affected. Put the files back or run `codecmeter rebuild`, then start again"

/* Those who ask for the free space later do not wait for the disk. */
static void look_at_room(struct ledger *ledger) {
  struct statvfs disk;
  uint64_t left = statvfs(ledger->options.dir, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
  lock_take(&ledger->lock);
  ledger->disk_free = left;
  lock_give(&ledger->lock);
}

int places_begin(struct ledger *ledger, struct err *err) {
  int result = presence_begin(&ledger->data_place, ledger->options.dir, err);
  if (result == 0) result = presence_begin(&ledger->derived_place, ledger->derived, err);
  if (result == 0) result = presence_begin(&ledger->runs_place, ledger->runs_dir, err);
  look_at_room(ledger);
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

/* A check that fails for lack of memory or descriptors proves nothing, and counts as passed: the next one decides. */
int places_check(struct ledger *ledger, bool all, struct err *err) {
  int result = check_log(ledger, all, err);
  if (result == 0) result = check_derived(ledger, err);
  look_at_room(ledger);
  return err_kind(result) == ERR_KIND_RETRY ? 0 : result;
}

int ledger_check_places(struct ledger *ledger, struct err *err) { return places_check(ledger, true, err); }
