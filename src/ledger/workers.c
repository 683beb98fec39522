/* The code that the checkpointer and the merger share. Each makes runs, leaves them under the ledger's lock, and
 * wakes the writer; the writer takes them over between two commits. So only the writer changes what readers see.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/wait.h"
#include "ledger/state.h"

struct run_list *ledger_hold_runs(struct ledger *ledger) {
  lock_read(&ledger->view);
  struct run_list *runs = run_list_hold(ledger->runs);
  lock_leave(&ledger->view);
  return runs;
}

void ledger_change_runs(struct ledger *ledger, struct run_list *runs) {
  struct run_list *before = ledger->runs;
  lock_write(&ledger->view);
  ledger->runs = runs;
  lock_leave(&ledger->view);
  run_list_release(before);
}

uint64_t ledger_take_run_numbers(struct ledger *ledger, unsigned count) {
  lock_take(&ledger->lock);
  uint64_t first = ledger->next_run;
  ledger->next_run += count;
  lock_give(&ledger->lock);
  return first;
}

void ledger_remove_run(struct ledger *ledger, uint64_t number) {
  char name[RUN_NAME_SIZE];
  run_name(number, name);
  SCOPED_MALLOC char *path = file_path(ledger->runs_dir, name);
  (void)unlink(path);
}

void ledger_wake_writer(struct ledger *ledger) {
  wait_wake_all(&ledger->left);
  if (ledger->options.wake_writer == NULL) return;
  lock_give(&ledger->lock);
  ledger->options.wake_writer(ledger->options.wake_writer_arg);
  lock_take(&ledger->lock);
}

static bool has_left(const struct worker *worker) {
  return worker->state == WORK_DONE || worker->state == WORK_FAILED;
}

void ledger_wait_for_workers(struct ledger *ledger) {
  lock_take(&ledger->lock);
  for (;;) {
    bool waits_for_merger = ledger->checkpointer.state == WORK_IDLE;
    if (has_left(&ledger->checkpointer) || has_left(&ledger->merger)) break;
    if (waits_for_merger && ledger->merger.blocked) break;
    wait_on(&ledger->left, &ledger->lock);
  }
  lock_give(&ledger->lock);
}

int worker_start(struct worker *worker, struct ledger *ledger, void *(*run)(void *ledger), const char *name,
                 struct err *err) {
  int code = pthread_create(&worker->thread, NULL, run, ledger);
  if (code != 0) return err_set_errno(err, ERR_INTERNAL, code, "cannot start the %s thread", name);
  worker->has_thread = true;
  (void)pthread_setname_np(worker->thread, name);
  return 0;
}

void worker_stop(struct worker *worker, struct ledger *ledger) {
  lock_take(&ledger->lock);
  wait_wake(&worker->wake);
  lock_give(&ledger->lock);
  if (worker->has_thread) (void)pthread_join(worker->thread, NULL);
  worker->has_thread = false;
  for (size_t i = 0; i < worker->made_count; i++)
    run_release(worker->made[i]);
  worker->made_count = 0;
}
