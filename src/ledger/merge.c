/* The merger: keeps the number of runs small during ingest. It has its own thread, so that a checkpoint need not wait
 * for a merge.
 *
 *   IDLE ──candidate──> merging ──> DONE ──ledger_turn──> IDLE
 *                          │ a shortage that may pass (disk, descriptors, memory): removes the file that it wrote,
 *                          │ waits, looks again
 *                          │ the ledger closes: removes the file that it wrote
 *                          └ any other error ──> FAILED; ledger_turn reports it, and it is final
 *
 * Which runs: at least MERGE_FAN_IN neighbours of one kind, the largest of them no larger than the others together.
 * So every entry is written again about once for each fourfold growth, and a list without such neighbours is short
 * (each run is larger than the three after it together). Of several candidates the smallest is merged first: it is
 * the soonest to make look-ups cheaper.
 *
 * Order of durability: first the new run is synced, then its directory, then one transaction lists it and drops the
 * old ones, then their files are removed. A reader of an old run holds its file open. A crash in between leaves files
 * that are not in the list; the next start removes them.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/wait.h"
#include "ledger/index/run_format.h"
#include "ledger/index/run_union.h"
#include "ledger/index/run_writer.h"
#include "ledger/state.h"
#include "metrics/metrics.h"

#define MERGE_FAN_IN 4u
#define MERGE_RUNS_MAX 16u /* in one merge */
#define NICENESS 10        /* queries and commits have priority */
#define LOOK_AGAIN_MS 5000

/* Neighbours to merge: `count` runs of a list, held. */
struct candidate {
  struct run *items[MERGE_RUNS_MAX];
  size_t count;
  uint64_t entries;
};

/* ---- choosing ---- */

/* The longest mergeable window that begins at items[first]; its count is 0 if there is none. */
static struct candidate window_at(struct run *const *items, size_t count, size_t first) {
  struct candidate best = {0}, window = {0};
  uint64_t largest = 0;
  for (size_t i = first; i < count && window.count < MERGE_RUNS_MAX; i++) {
    uint64_t entries = run_info(items[i])->count;
    window.items[window.count++] = items[i];
    window.entries += entries;
    if (entries > largest) largest = entries;
    if (window.count >= MERGE_FAN_IN && largest <= window.entries - largest) best = window;
  }
  return best;
}

static void choose_of_kind(const struct run_list *runs, enum entry_kind kind, struct candidate *best) {
  struct run **items = calloc(runs->count + 1, sizeof(struct run *));
  CHECK(items != NULL);
  size_t count = 0;
  for (size_t i = 0; i < runs->count; i++) {
    if (run_info(runs->items[i])->kind == kind) items[count++] = runs->items[i];
  }
  for (size_t first = 0; first + MERGE_FAN_IN <= count; first++) {
    struct candidate window = window_at(items, count, first);
    if (window.count > 0 && (best->count == 0 || window.entries < best->entries)) *best = window;
  }
  free(items);
}

static void candidate_fini(struct candidate *candidate) {
  for (size_t i = 0; i < candidate->count; i++)
    run_release(candidate->items[i]);
  candidate->count = 0;
}

/* The runs to merge next; count 0 if there are none. */
static struct candidate choose(struct ledger *ledger) {
  SCOPED(run_list_release_ref) struct run_list *runs = ledger_hold_runs(ledger);
  struct candidate best = {0};
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++)
    choose_of_kind(runs, (enum entry_kind)kind, &best);
  for (size_t i = 0; i < best.count; i++)
    (void)run_hold(best.items[i]);
  return best;
}

/* ---- merging ---- */

static bool is_stopping(struct ledger *ledger) {
  lock_take(&ledger->lock);
  bool stopping = ledger->stopping;
  lock_give(&ledger->lock);
  return stopping;
}

static int copy_entries(struct ledger *ledger, struct run_union *reader, struct run_writer *writer,
                        struct err *err) {
  struct entry piece[RUN_PAGE_ENTRIES * 4];
  for (size_t count = 1, round = 0; count > 0; round++) {
    int result = run_union_next(reader, piece, sizeof piece / sizeof piece[0], &count, err);
    if (result == 0) result = run_writer_add(writer, piece, count, err);
    if (result != 0) return result;
    if (round % 64 == 0 && is_stopping(ledger)) return -ERR_STOPPING;
  }
  return 0;
}

static struct run_info merged_info(struct ledger *ledger, const struct candidate *candidate) {
  const struct run_info *first = run_info(candidate->items[0]);
  const struct run_info *last = run_info(candidate->items[candidate->count - 1]);
  return (struct run_info){
      .number = ledger_take_run_numbers(ledger, 1),
      .kind = first->kind,
      .count = candidate->entries,
      .from = first->from,
      .to = last->to,
  };
}

static int write_merged(struct ledger *ledger, const struct candidate *candidate, const struct run_info *info,
                        struct err *err) {
  SCOPED(run_union_free_ref) struct run_union *reader = NULL;
  SCOPED(run_writer_free_ref) struct run_writer *writer = NULL;
  int result = run_union_new(candidate->items, candidate->count, &reader, err);
  if (result == 0) result = run_writer_new(ledger->runs_dir, log_uuid(ledger->log), info, &writer, err);
  if (result == 0) result = copy_entries(ledger, reader, writer, err);
  if (result == 0) result = run_writer_finish(writer, err);
  return result == 0 ? file_sync_dir(ledger->runs_dir, err) : result;
}

static int list_merged(struct ledger *ledger, const struct candidate *candidate, const struct run_info *info,
                       struct err *err) {
  uint64_t replaced[MERGE_RUNS_MAX];
  for (size_t i = 0; i < candidate->count; i++)
    replaced[i] = run_info(candidate->items[i])->number;
  return totals_replace_runs(ledger->rows, replaced, candidate->count, info, err);
}

/* Opens the new run before it is listed: a listed run must exist. */
static int merge(struct ledger *ledger, const struct candidate *candidate, struct run **ret, struct err *err) {
  struct run_info info = merged_info(ledger, candidate);
  SCOPED(run_release_ref) struct run *merged = NULL;
  int result = write_merged(ledger, candidate, &info, err);
  if (result == 0) result = run_open(ledger->runs_dir, log_uuid(ledger->log), &info, &merged, err);
  if (result != 0) {
    ledger_remove_run(ledger, info.number);
    return result;
  }
  result = list_merged(ledger, candidate, &info, err);
  /* After a failed commit it is unknown which runs are listed; only a shortage certainly changed nothing. */
  if (result != 0 && err_kind(result) == ERR_KIND_RETRY) ledger_remove_run(ledger, info.number);
  if (result != 0) return result;
  for (size_t i = 0; i < candidate->count; i++)
    ledger_remove_run(ledger, run_info(candidate->items[i])->number);
  *ret = MOVE(merged);
  return 0;
}

/* ---- the thread ---- */

static uint64_t size_of(const struct candidate *candidate) {
  return candidate->count > 0 ? (run_pages(candidate->entries) + 1) * RUN_PAGE + candidate->entries * 2 : 0;
}

/* True if the disk has room for the new run beside the old ones, without touching the reserve. */
static bool has_room(const struct ledger *ledger, const struct candidate *candidate) {
  struct statvfs disk;
  if (statvfs(ledger->runs_dir, &disk) != 0) return true;
  uint64_t reserve = ledger->options.disk_reserve == UINT64_MAX ? 0 : ledger->options.disk_reserve;
  return (uint64_t)disk.f_bavail * disk.f_frsize >= size_of(candidate) + reserve;
}

/* Reports why nothing is merged, and waits before the next try. The writer may be waiting for this merge before it begins
 * a checkpoint, so wakes it: it must not wait any more. Called with the lock held. */
static void wait_blocked(struct ledger *ledger, const char *why) {
  bool was_blocked = ledger->merger.blocked;
  if (!was_blocked) diag_warning("runs are not merged: %s", why);
  ledger->merger.blocked = true;
  metrics_add(METRIC_WORK_RETRIES, METRIC_WORKER_MERGER, 1);
  if (!was_blocked) ledger_wake_writer(ledger);
  if (!ledger->stopping) (void)wait_for_ms(&ledger->merger.wake, &ledger->lock, LOOK_AGAIN_MS);
}

static int merge_candidate(struct ledger *ledger, const struct candidate *candidate, struct run **ret,
                           struct err *err) {
  int64_t begun_ms = clock_monotonic_ms(ledger->options.clock), begun_us = counters_now_us();
  int result = merge(ledger, candidate, ret, err);
  if (result == 0) {
    diag_info("merge: %zu %s runs, %llu entries in %lld ms", candidate->count,
              entry_kind_name(run_info(*ret)->kind), (unsigned long long)candidate->entries,
              (long long)(clock_monotonic_ms(ledger->options.clock) - begun_ms));
    metrics_observe_since(METRIC_MERGE, 0, begun_us);
  }
  return result;
}

/* Called with the lock held, and returns with it; the work is done without it. */
static void look(struct ledger *ledger) {
  struct worker *merger = &ledger->merger;
  if (merger->state != WORK_IDLE) {
    wait_on(&merger->wake, &ledger->lock);
    return;
  }
  merger->looked = merger->asked;
  lock_give(&ledger->lock);
  SCOPED(candidate_fini) struct candidate candidate = choose(ledger);
  metrics_set(METRIC_MERGE_RUNS, 0, candidate.count);
  metrics_set(METRIC_MERGE_BYTES, 0, size_of(&candidate));
  bool room = candidate.count == 0 || has_room(ledger, &candidate);
  struct run *merged = NULL;
  struct err err = {0};
  int result = candidate.count > 0 && room ? merge_candidate(ledger, &candidate, &merged, &err) : 0;
  lock_take(&ledger->lock);
  if (result == -ERR_STOPPING) return;
  if (!room || (result != 0 && err_kind(result) == ERR_KIND_RETRY)) {
    wait_blocked(ledger, room ? err.text : "the disk has no room for the merged run");
    return;
  }
  merger->blocked = false;
  if (candidate.count == 0) {
    while (merger->looked == merger->asked && !ledger->stopping)
      wait_on(&merger->wake, &ledger->lock);
    return;
  }
  merger->made[0] = merged;
  merger->made_count = merged != NULL ? 1 : 0;
  merger->failure = err;
  merger->state = result == 0 ? WORK_DONE : WORK_FAILED;
  ledger_wake_writer(ledger);
}

static void *merger_main(void *arg) {
  struct ledger *ledger = arg;
  (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
  lock_take(&ledger->lock);
  while (!ledger->stopping)
    look(ledger);
  lock_give(&ledger->lock);
  return NULL;
}

int merge_start(struct ledger *ledger, struct err *err) {
  return worker_start(&ledger->merger, ledger, merger_main, "merger", err);
}
