/* The checkpointer: turns a frozen delta into runs and one transaction.
 *
 *   IDLE ──ledger_turn──> ASKED ──checkpoint──> DONE ──ledger_turn──> IDLE
 *                           │  disk full: drops what it wrote, waits, tries again
 *                           └──any other error──> FAILED, which ledger_turn reports, for good
 *
 * Order of durability: runs are synced, then their directory, then the transaction that lists them. A crash before the
 * commit leaves files that no list names; the next start removes them.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "ledger/state.h"

#define FULL_RETRY_SECONDS 2

static int write_run(struct ledger *ledger, enum entry_kind kind, uint64_t number, struct run_info *ret_info,
                     struct err *err) {
  const struct delta *delta = ledger->frozen;
  struct entry *entries;
  size_t count;
  if (delta_sorted_entries(delta, kind, &entries, &count) != 0) {
    return err_set(err, ERR_MEMORY, "no memory to sort a delta");
  }
  *ret_info = (struct run_info){
      .number = number, .kind = kind, .count = count, .from = delta_begin(delta), .to = delta_end(delta)};
  int result = run_write(ledger->runs_dir, log_uuid(ledger->log), ret_info, entries, err);
  free(entries);
  return result;
}

static void remove_runs(struct ledger *ledger, uint64_t first) {
  for (unsigned i = 0; i < ENTRY_KINDS; i++) {
    char name[RUN_NAME_SIZE];
    run_name(first + i, name);
    SCOPED_MALLOC char *path = file_path(ledger->runs_dir, name);
    (void)unlink(path);
  }
}

static int write_runs(struct ledger *ledger, struct run_info infos[ENTRY_KINDS], struct err *err) {
  int result = 0;
  for (int i = 0; i < ENTRY_KINDS && result == 0; i++) {
    result = write_run(ledger, (enum entry_kind)(i + 1), ledger->next_run + (uint64_t)i, &infos[i], err);
  }
  return result == 0 ? file_sync_dir(ledger->runs_dir, err) : result;
}

static int open_runs(struct ledger *ledger, const struct run_info *infos, size_t count, struct run_list *ret,
                     struct err *err) {
  struct run_list made = {.items = calloc(ENTRY_KINDS, sizeof *made.items)};
  if (made.items == NULL) return err_set(err, ERR_MEMORY, "no memory to open runs");
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    result = run_open(ledger->runs_dir, log_uuid(ledger->log), &infos[i], &made.items[i], err);
    if (result == 0) made.count++;
  }
  if (result == 0) {
    *ret = made;
    return 0;
  }
  for (size_t i = 0; i < made.count; i++) run_close(made.items[i]);
  free(made.items);
  return result;
}

int checkpoint_write(struct ledger *ledger, struct run_list *ret_made, struct err *err) {
  struct run_info infos[ENTRY_KINDS];
  size_t runs = delta_records(ledger->frozen) > 0 ? ENTRY_KINDS : 0;
  uint64_t first = ledger->next_run;
  struct cell *cells = NULL;
  size_t cells_count = 0;
  int result = runs > 0 ? write_runs(ledger, infos, err) : 0;
  if (result == 0 && delta_sorted_cells(ledger->frozen, &cells, &cells_count) != 0) {
    result = err_set(err, ERR_MEMORY, "no memory to sort a delta");
  }
  if (result == 0) {
    struct totals_checkpoint checkpoint = {
        .delta = ledger->frozen,
        .cells = cells,
        .cells_count = cells_count,
        .runs = infos,
        .runs_count = runs,
        .next_run = first + runs,
    };
    result = totals_apply(ledger->totals, &checkpoint, err);
  }
  free(cells);
  if (result != 0) {
    remove_runs(ledger, first);
    return result;
  }
  ledger->next_run = first + runs;
  return open_runs(ledger, infos, runs, ret_made, err);
}

/* ---- handing over ---- */

void checkpoint_freeze(struct ledger *ledger) {
  CHECK(ledger->frozen == NULL);
  struct delta *fresh = delta_new(delta_end(ledger->filling));
  CHECK(pthread_rwlock_wrlock(&ledger->view) == 0);
  ledger->frozen = ledger->filling;
  ledger->filling = fresh;
  CHECK(pthread_rwlock_unlock(&ledger->view) == 0);
}

void checkpoint_release(struct ledger *ledger, struct run_list *made) {
  size_t count = ledger->runs.count + made->count;
  struct run **items = reallocarray(NULL, count + 1, sizeof(struct run *));
  CHECK(items != NULL);
  for (size_t i = 0; i < count; i++) {
    items[i] = i < ledger->runs.count ? ledger->runs.items[i] : made->items[i - ledger->runs.count];
  }
  struct run **old_items = ledger->runs.items;
  struct delta *old_delta = ledger->frozen;
  CHECK(pthread_rwlock_wrlock(&ledger->view) == 0);
  ledger->runs = (struct run_list){.items = items, .count = count};
  ledger->frozen = NULL;
  CHECK(pthread_rwlock_unlock(&ledger->view) == 0);
  delta_free(old_delta);
  free(old_items);
  free(made->items);
  *made = (struct run_list){0};
}

/* ---- the thread ---- */

/* Waits, with the lock held, for room on the disk or for the end. */
static void wait_for_room(struct ledger *ledger) {
  struct timespec until;
  (void)clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += FULL_RETRY_SECONDS;
  while (!ledger->stopping && pthread_cond_timedwait(&ledger->wake, &ledger->lock, &until) != ETIMEDOUT) {
  }
}

/* Called and left with the lock held; the work is done without it. */
static void run_checkpoint(struct ledger *ledger) {
  (void)pthread_mutex_unlock(&ledger->lock);
  struct run_list made = {0};
  struct err err = {0};
  int64_t begun_ms = clock_monotonic_ms(ledger->options.clock);
  int result = checkpoint_write(ledger, &made, &err);
  if (result == 0) {
    diag_info("checkpoint: %llu records up to position %llu in %lld ms",
              (unsigned long long)delta_records(ledger->frozen), (unsigned long long)delta_end(ledger->frozen),
              (long long)(clock_monotonic_ms(ledger->options.clock) - begun_ms));
  } else if (result == -ERR_FULL) {
    diag_warning("checkpoint waits for room: %s", err.text);
  }
  (void)pthread_mutex_lock(&ledger->lock);
  if (result == -ERR_FULL) {
    wait_for_room(ledger);
    return;
  }
  ledger->made = made;
  ledger->failure = err;
  ledger->state = result == 0 ? CHECKPOINT_DONE : CHECKPOINT_FAILED;
  (void)pthread_mutex_unlock(&ledger->lock);
  if (ledger->options.on_checkpoint != NULL) ledger->options.on_checkpoint(ledger->options.on_checkpoint_arg);
  (void)pthread_mutex_lock(&ledger->lock);
}

static void *checkpointer_main(void *arg) {
  struct ledger *ledger = arg;
  (void)pthread_mutex_lock(&ledger->lock);
  while (!ledger->stopping) {
    if (ledger->state == CHECKPOINT_ASKED) run_checkpoint(ledger);
    else (void)pthread_cond_wait(&ledger->wake, &ledger->lock);
  }
  (void)pthread_mutex_unlock(&ledger->lock);
  return NULL;
}

int checkpoint_start(struct ledger *ledger, struct err *err) {
  int code = pthread_create(&ledger->checkpointer, NULL, checkpointer_main, ledger);
  if (code != 0) return err_set_errno(err, ERR_INTERNAL, code, "cannot start the checkpointer");
  ledger->has_checkpointer = true;
  return 0;
}

void checkpoint_stop(struct ledger *ledger) {
  if (!ledger->has_checkpointer) return;
  (void)pthread_mutex_lock(&ledger->lock);
  ledger->stopping = true;
  (void)pthread_cond_signal(&ledger->wake);
  (void)pthread_mutex_unlock(&ledger->lock);
  (void)pthread_join(ledger->checkpointer, NULL);
  ledger->has_checkpointer = false;
}
