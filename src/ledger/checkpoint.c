/* The checkpointer: turns a frozen delta into runs and one transaction.
 *
 *   IDLE ──ledger_turn──> ASKED ──checkpoint──> DONE ──ledger_turn──> IDLE
 *                           │  a shortage that may pass (disk, descriptors, memory): removes the files that it
 *                           │  wrote, waits, tries again
 *                           └──any other error──> FAILED; ledger_turn reports it, and it is final
 *
 * Between checkpoints the thread checks that the ledger's files are still in their places and that nobody set the
 * clock: IDLE ──a file was removed──> FAILED.
 *
 * Order of durability: first the runs are synced, then their directory, then the transaction that lists them. A crash
 * before the commit leaves files that are not in the list; the next start removes them.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/wait.h"
#include "ledger/index/run_writer.h"
#include "ledger/places.h"
#include "ledger/state.h"
#include "metrics/metrics.h"

#define SHORTAGE_RETRY_MS 2000
#define LOOK_MS 2000 /* between two checks of files and clock */

static int write_run(struct ledger *ledger, const struct run_info *info, const struct entry *entries,
                     struct err *err) {
  SCOPED(run_writer_free_ref) struct run_writer *writer = NULL;
  int result = run_writer_new(ledger->runs_dir, log_uuid(ledger->log), info, &writer, err);
  if (result == 0) result = run_writer_add(writer, entries, info->count, err);
  return result == 0 ? run_writer_finish(writer, err) : result;
}

static int no_memory(const struct delta *delta, struct err *err) {
  return err_set(err, ERR_MEMORY, "no memory to sort %llu records: free some memory, or lower ingest.delta_max",
                 (unsigned long long)delta_records(delta));
}

/* The runs of a checkpoint. */
struct made {
  struct run_info infos[ENTRY_KINDS];
  struct run *runs[ENTRY_KINDS];
  size_t count; /* of opened runs */
};

static void made_fini(struct made *made) {
  for (size_t i = 0; i < made->count; i++)
    run_release(made->runs[i]);
}

static int write_runs(struct ledger *ledger, uint64_t first, struct made *made, struct err *err) {
  struct delta *delta = ledger->frozen;
  uint64_t count = delta_records(delta);
  SCOPED_MALLOC struct entry *room = malloc(2 * count * sizeof *room);
  if (room == NULL) return no_memory(delta, err);
  int result = 0;
  for (unsigned i = 0; i < ENTRY_KINDS && result == 0; i++) {
    struct run_info *info = &made->infos[i];
    *info = (struct run_info){.number = first + i,
                              .kind = (enum entry_kind)(i + 1),
                              .count = count,
                              .from = delta_begin(delta),
                              .to = delta_end(delta)};
    result = write_run(ledger, info, delta_sorted_entries(delta, info->kind, room), err);
  }
  return result;
}

/* Writes, syncs and opens the runs before they are listed: a listed run must exist. */
static int make_runs(struct ledger *ledger, uint64_t first, struct made *made, struct err *err) {
  int result = write_runs(ledger, first, made, err);
  if (result == 0) result = file_sync_dir(ledger->runs_dir, err);
  for (int i = 0; i < ENTRY_KINDS && result == 0; i++) {
    result = run_open(ledger->runs_dir, log_uuid(ledger->log), &made->infos[i], &made->runs[i], err);
    if (result == 0) made->count++;
  }
  return result;
}

static int list_checkpoint(struct ledger *ledger, const struct made *made, struct err *err) {
  SCOPED_MALLOC struct cell *cells = NULL;
  size_t cells_count = 0;
  if (cells_sorted(delta_cells(ledger->frozen), &cells, &cells_count) != 0) {
    return no_memory(ledger->frozen, err);
  }
  struct totals_checkpoint checkpoint = {
      .end = delta_end(ledger->frozen),
      .block_time_ms = delta_block_time(ledger->frozen),
      .puts = delta_puts(ledger->frozen),
      .cells = cells,
      .cells_count = cells_count,
      .runs = made->infos,
      .runs_count = made->count,
  };
  rows_forget_dead_readers(ledger->rows);
  return totals_apply(ledger->rows, &checkpoint, err);
}

static int write_checkpoint(struct ledger *ledger, struct run *ret_made[ENTRY_KINDS], size_t *ret_count,
                            struct err *err) {
  SCOPED(made_fini) struct made made = {0};
  uint64_t first = 0;
  int result = 0;
  if (delta_records(ledger->frozen) > 0) {
    first = ledger_take_run_numbers(ledger, ENTRY_KINDS);
    result = make_runs(ledger, first, &made, err);
  }
  /* Whether the runs are certainly not listed. After a commit that failed for good this is unknown. */
  bool is_sure = result != 0;
  if (result == 0) {
    result = list_checkpoint(ledger, &made, err);
    is_sure = result != 0 && err_kind(result) == ERR_KIND_RETRY;
  }
  if (is_sure && first > 0) {
    for (unsigned i = 0; i < ENTRY_KINDS; i++)
      ledger_remove_run(ledger, first + i);
  }
  if (result != 0) return result;
  memcpy(ret_made, made.runs, sizeof made.runs);
  *ret_count = made.count;
  made.count = 0; /* now the caller's */
  return 0;
}

/* ---- handing over ---- */

/* The next filling delta: the spare one if `wanted`, else a new one, and the spare is freed. Under steady load the
 * spare is faster, because its memory is already mapped. */
static struct delta *take_spare(struct ledger *ledger, bool wanted) {
  struct delta *spare = MOVE(ledger->spare);
  if (spare != NULL && wanted) {
    delta_recycle(spare, delta_end(ledger->filling));
    return spare;
  }
  delta_release(spare);
  return delta_new(delta_end(ledger->filling));
}

static bool is_large(const struct ledger *ledger, const struct delta *delta) {
  return delta_records(delta) >= ledger->options.delta_max / 2;
}

void checkpoint_freeze(struct ledger *ledger) {
  CHECK(ledger->frozen == NULL);
  struct delta *fresh = take_spare(ledger, is_large(ledger, ledger->filling));
  lock_write(&ledger->view);
  ledger->frozen = ledger->filling;
  ledger->filling = fresh;
  lock_leave(&ledger->view);
}

void checkpoint_release(struct ledger *ledger, struct run *const *made, size_t count) {
  struct run_list *runs = run_list_hold(ledger->runs), *before = ledger->runs;
  for (size_t i = 0; i < count; i++) {
    struct run_list *grown = run_list_with(runs, made[i]);
    run_list_release(runs);
    runs = grown;
  }
  struct delta *old_delta = ledger->frozen;
  lock_write(&ledger->view);
  ledger->runs = runs;
  ledger->frozen = NULL;
  lock_leave(&ledger->view);
  /* A query may still read it; the last one to release it frees it. */
  if (ledger->spare == NULL && is_large(ledger, old_delta) && delta_is_sole(old_delta))
    ledger->spare = old_delta;
  else
    delta_release(old_delta);
  run_list_release(before);
}

/* ---- the thread ---- */

/* Waits until it is time to try again, or until the ledger closes. The writer may be waiting for this checkpoint, so
 * wakes it: it must not wait any more. Called with the lock held. */
static void wait_for_room(struct ledger *ledger, const struct err *why) {
  ledger->checkpointer.blocked = true;
  metrics_add(METRIC_WORK_RETRIES, METRIC_WORKER_CHECKPOINTER, 1);
  ledger->checkpointer.failure = *why;
  ledger_wake_writer(ledger);
  while (!ledger->stopping && wait_for_ms(&ledger->checkpointer.wake, &ledger->lock, SHORTAGE_RETRY_MS)) {
  }
}

/* Called with the lock held, and returns with it; the work is done without it. */
static void run_checkpoint(struct ledger *ledger) {
  struct worker *checkpointer = &ledger->checkpointer;
  lock_give(&ledger->lock);
  struct run *made[ENTRY_KINDS];
  size_t count = 0;
  struct err err = {0};
  int64_t begun_ms = clock_monotonic_ms(ledger->options.clock), begun_us = counters_now_us();
  int result = places_check(ledger, true, &err);
  if (result == 0) result = write_checkpoint(ledger, made, &count, &err);
  if (result == 0) {
    diag_info("checkpoint: %llu records up to position %llu in %lld ms",
              (unsigned long long)delta_records(ledger->frozen), (unsigned long long)delta_end(ledger->frozen),
              (long long)(clock_monotonic_ms(ledger->options.clock) - begun_ms));
    metrics_observe_since(METRIC_CHECKPOINT, 0, begun_us);
  }
  lock_take(&ledger->lock);
  if (result != 0 && err_kind(result) == ERR_KIND_RETRY && !ledger->is_opening) {
    diag_warning("checkpoint waits and tries again every %d s: %s", SHORTAGE_RETRY_MS / 1000, err.text);
    wait_for_room(ledger, &err);
    return;
  }
  ledger->checkpointer.blocked = false;
  if (result == 0) ledger->checkpointed_ms = clock_monotonic_ms(ledger->options.clock);
  if (count > 0) memcpy(checkpointer->made, made, sizeof made);
  checkpointer->made_count = count;
  checkpointer->failure = err;
  checkpointer->state = result == 0 ? WORK_DONE : WORK_FAILED;
  ledger_wake_writer(ledger);
}

/* Checks the files and the clock. Called with the lock held, and returns with it; the checks run without it. Does
 * nothing while a result waits for the writer: the next check comes soon. */
static void look_around(struct ledger *ledger) {
  struct worker *checkpointer = &ledger->checkpointer;
  struct err err = {0};
  if (checkpointer->state != WORK_IDLE) return;
  bool watches_clock = ledger->watches_clock;
  lock_give(&ledger->lock);
  if (watches_clock) (void)dates_look(&ledger->dates);
  int result = places_check(ledger, false, &err);
  lock_take(&ledger->lock);
  if (result == 0 || ledger->stopping) return;
  CHECK(checkpointer->state == WORK_IDLE || checkpointer->state == WORK_ASKED);
  checkpointer->failure = err;
  checkpointer->state = WORK_FAILED;
  ledger_wake_writer(ledger);
}

static void *checkpointer_main(void *arg) {
  struct ledger *ledger = arg;
  lock_take(&ledger->lock);
  while (!ledger->stopping) {
    if (ledger->checkpointer.state == WORK_ASKED)
      run_checkpoint(ledger);
    else if (!wait_for_ms(&ledger->checkpointer.wake, &ledger->lock, LOOK_MS))
      look_around(ledger);
  }
  lock_give(&ledger->lock);
  return NULL;
}

int checkpoint_start(struct ledger *ledger, struct err *err) {
  return worker_start(&ledger->checkpointer, ledger, checkpointer_main, "checkpointer", err);
}
