/* States of the ledger, as monitoring reads them: from memory only. What only the disk knows, the checkpointer has looked
 * up a moment ago (places.c).
 */
#include "ledger/state.h"

#include "base/lock.h"

static int64_t age_ms(const struct ledger *ledger, int64_t since_ms) {
  int64_t age = clock_monotonic_ms(ledger->options.clock) - since_ms;
  return since_ms != 0 && age > 0 ? age : 0;
}

static void look_at_runs(struct ledger *ledger, struct ledger_gauges *gauges) {
  SCOPED(run_list_release_ref) struct run_list *runs = ledger_hold_runs(ledger);
  _Static_assert(sizeof gauges->runs / sizeof gauges->runs[0] == ENTRY_KINDS, "one number for each kind");
  for (size_t i = 0; i < runs->count; i++) {
    const struct run_info *info = run_info(runs->items[i]);
    gauges->runs[info->kind - ENTRY_IDENTITY]++;
    if (info->kind == ENTRY_IDENTITY) gauges->records += info->count;
  }
}

void ledger_gauges(struct ledger *ledger, struct ledger_gauges *ret) {
  struct ledger_gauges gauges = {0};
  look_at_runs(ledger, &gauges);
  ledger_status(ledger, &gauges.status);
  gauges.records += gauges.status.delta_records[0] + gauges.status.delta_records[1];
  int64_t frozen_ms = gauges.status.delta_records[1] > 0 ? ledger->frozen_since_ms : 0;
  gauges.delta_age_ms = age_ms(ledger, frozen_ms != 0 ? frozen_ms : ledger->filled_since_ms);
  lock_take(&ledger->lock);
  gauges.checkpoint_age_ms = age_ms(ledger, ledger->checkpointed_ms);
  gauges.is_checkpointer_blocked = ledger->checkpointer.blocked;
  gauges.is_merger_blocked = ledger->merger.blocked;
  gauges.disk_free = ledger->disk_free;
  lock_give(&ledger->lock);
  *ret = gauges;
}
