/* The writer: stages and commits groups of records.
 *
 *   stage ──> stage ──> … ──> commit: seal, write, fdatasync ──> show to readers ──> turn
 *                                                   apply to the delta
 *
 * A report is decided against everything before it (lookup.c), staged reports included. A new one becomes bytes of a
 * block, and an effect (apply.c). The effects are what the commit applies.
 */
#include <malloc.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/wait.h"
#include "ledger/apply.h"
#include "ledger/lookup.h"
#include "metrics/metrics.h"

#define AHEAD 12u /* reports that are looked up at once: about as many misses as a core's memory system handles */
#define CACHE_LINE 64u
#define BLOCKS_IDLE_MS 60000 /* the blocks that were read from the log are freed after this time without use */
#define LARGE_GROUP 16u      /* applying so many reports takes about as long as waking a thread */

/* ---- groups ---- */

static int begin_group(struct ledger *ledger, struct err *err) {
  if (ledger->is_staging) return 0;
  int64_t now_ms = clock_real_ms(ledger->options.clock);
  if (now_ms < ledger->block_time_ms) now_ms = ledger->block_time_ms; /* block times never go back */
  uint64_t position;
  int result = log_next(ledger->log, now_ms, &position, err);
  if (result != 0) return result;
  block_writer_begin(ledger->staging, position, log_synced(ledger->log), now_ms);
  ledger->block_time_ms = now_ms;
  ledger->is_staging = true;
  return 0;
}

static void end_group(struct ledger *ledger) {
  identities_clear(&ledger->staged);
  identities_clear(&ledger->staged_voids);
  ledger->effects_count = 0;
  ledger->staged_codecs_count = 0;
  ledger->is_staging = false;
  ledger->is_changing = false;
}

uint64_t ledger_staged_bytes(const struct ledger *ledger) {
  return ledger->is_staging ? block_writer_size(ledger->staging) : 0;
}

/* ---- staging a report ---- */

/* Prefetches a report and its texts, which another core wrote. */
static void touch(const struct usage *usage) {
  for (size_t i = 0; i < sizeof *usage; i += CACHE_LINE)
    __builtin_prefetch((const char *)usage + i);
  __builtin_prefetch(usage->project.ptr);
  __builtin_prefetch(usage->source.ptr);
  __builtin_prefetch(usage->id.ptr);
  __builtin_prefetch(usage->codec.ptr);
}

static struct verdict conflict_with(const struct usage *first, unsigned fields) {
  struct verdict verdict = {.outcome = VERDICT_CONFLICT,
                            .reason = VERDICT_REASON_CONTENT,
                            .fields = fields,
                            .first = {.kind = first->kind,
                                      .outcome = first->outcome,
                                      .has_amount = first->has_amount,
                                      .width = first->width,
                                      .height = first->height,
                                      .amount = first->amount,
                                      .finished_ms = first->finished_ms,
                                      .frame_rate = first->frame_rate,
                                      .passes = first->passes,
                                      .has_input_duration = first->has_input_duration,
                                      .input_duration_ms = first->input_duration_ms}};
  bool fits = str_copy(first->codec, verdict.first.codec, sizeof verdict.first.codec) &&
              str_copy(first->quality, verdict.first.quality, sizeof verdict.first.quality) &&
              str_copy(first->region, verdict.first.region, sizeof verdict.first.region);
  CHECK(fits);
  return verdict;
}

/* A verdict is large, and most say little: leaves `first` as it is, for conflicts alone have it. */
static void set_verdict(struct verdict *ret, const struct decision *decision) {
  if (decision->outcome == VERDICT_CONFLICT) {
    *ret = conflict_with(decision->earlier, decision->fields);
    return;
  }
  ret->outcome = decision->outcome;
  ret->reason = decision->reason;
  ret->fields = 0;
}

/* Refuses usage while the disk has less free space than the reserve, so that checkpoints and `key disable` still fit.
 */
static int check_reserve(const struct ledger *ledger, struct err *err) {
  struct statvfs disk;
  if (ledger->options.disk_reserve == UINT64_MAX || statvfs(ledger->options.dir, &disk) != 0) return 0;
  uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
  if (available >= ledger->options.disk_reserve) return 0;
  return err_set(err, ERR_FULL, "the disk of %s has less than ledger.disk_reserve left: free some space on it",
                 ledger->options.dir);
}

#define GROW(items, count, cap)                                                 \
  ({                                                                            \
    size_t cap_ = (cap) == 0 ? 16 : 2 * (cap);                                  \
    bool fits_ = (count) < (cap);                                               \
    void *grown_ = fits_ ? NULL : reallocarray((items), cap_, sizeof *(items)); \
    if (grown_ != NULL) {                                                       \
      (items) = grown_;                                                         \
      (cap) = cap_;                                                             \
    }                                                                           \
    fits_ || grown_ != NULL;                                                    \
  })

/* Makes room for one more record in everything that a group keeps about its records. */
static bool has_room(struct ledger *ledger) {
  return GROW(ledger->effects, ledger->effects_count, ledger->effects_cap) &&
         GROW(ledger->staged_codecs, ledger->staged_codecs_count, ledger->staged_codecs_cap) &&
         identities_reserve(&ledger->staged, 1) && identities_reserve(&ledger->staged_voids, 1);
}

/* Remembers that a staged record brings a new name into its project. A void does not: its target has. */
static void note_codec(struct ledger *ledger, const struct effect *effect) {
  if (effect->codec == NULL || effect->record.kind == USAGE_VOID) return;
  uint32_t project = effect->project->info.number;
  for (size_t i = 0; i < ledger->staged_codecs_count; i++) {
    const struct staged_codec *staged = &ledger->staged_codecs[i];
    if (staged->project == project && staged->name == effect->codec) return; /* the catalogue keeps a name once */
  }
  ledger->staged_codecs[ledger->staged_codecs_count++] =
      (struct staged_codec){.project = project, .name = effect->codec};
}

/* Adds a record that counts to the group. After -ERR_MEMORY the group is as before. */
static int stage_record(struct ledger *ledger, const struct usage *usage, struct effect *effect, struct err *err) {
  if (!has_room(ledger) || block_add_usage(ledger->staging, usage, &effect->record.position) != 0) {
    return err_set(err, ERR_MEMORY, "no memory to stage a record: free some memory");
  }
  const struct delta_record *record = &effect->record;
  identities_add(&ledger->staged, record->identity, record->position);
  if (record->kind == USAGE_VOID) identities_add(&ledger->staged_voids, record->task, record->position);
  note_codec(ledger, effect);
  ledger->effects[ledger->effects_count++] = *effect;
  return 0;
}

/* Nobody waits for a checkpoint that lacks something: nobody knows how long that takes. */
static int deltas_full(struct ledger *ledger, struct err *err) {
  lock_take(&ledger->lock);
  bool is_blocked = ledger->frozen != NULL && ledger->checkpointer.blocked;
  struct err why = ledger->checkpointer.failure;
  lock_give(&ledger->lock);
  if (!is_blocked) return err_set(err, ERR_BUSY, "both deltas are full");
  return err_set(err, why.code, "both deltas are full, and the checkpoint waits: %s", why.text);
}

/* A report that is not stored needs no room, and must not begin a group: a group may begin a segment. */
static int stage_stored(struct ledger *ledger, const struct usage *usage, struct hash identity,
                        const struct decision *decision, struct err *err) {
  struct effect effect;
  bool is_full = delta_records(ledger->filling) + ledger->effects_count >= ledger->options.delta_max;
  if (is_full) return deltas_full(ledger, err);
  int result = ledger->is_staging ? 0 : check_reserve(ledger, err);
  if (result != 0) return result;
  if (effect_of(ledger, usage, identity, decision, &effect) != 0) {
    return err_set(err, ERR_MEMORY, "no memory to stage a record: free some memory");
  }
  result = begin_group(ledger, err);
  return result == 0 ? stage_record(ledger, usage, &effect, err) : result;
}

static int stage_usage(struct ledger *ledger, const struct usage *usage, struct hash identity,
                       struct verdict *ret_verdict, struct err *err) {
  struct lookup lookup = {.ledger = ledger, .identity = identity};
  struct decide_before before = lookup_before(&lookup);
  struct decision decision;
  int result = decide(usage, &before, &decision, err);
  if (result == 0 && decision.outcome == VERDICT_STORED)
    result = stage_stored(ledger, usage, identity, &decision, err);
  if (result == 0) set_verdict(ret_verdict, &decision);
  return result;
}

int ledger_stage_usages(struct ledger *ledger, const struct usage *usages, size_t count, uint64_t bytes_max,
                        struct verdict *ret_verdicts, size_t *ret_decided, struct err *err) {
  CHECK(!ledger->is_changing); /* readers see a change as it is applied, so it is never applied beside a sync */
  struct hash ahead[AHEAD];    /* the hash of usages[k] is at k % AHEAD, for the AHEAD reports from i on */
  for (size_t i = 0; i < count && i < AHEAD; i++) {
    ahead[i] = hash_identity_entry(&usages[i]);
    lookup_prefetch(ledger, ahead[i]);
  }
  int result = 0;
  size_t i = 0;
  while (i < count && (i == 0 || ledger_staged_bytes(ledger) < bytes_max)) {
    result = stage_usage(ledger, &usages[i], ahead[i % AHEAD], &ret_verdicts[i], err);
    if (result != 0) break;
    if (i + 2 * AHEAD < count) touch(&usages[i + 2 * AHEAD]);
    if (i + AHEAD < count) {
      ahead[i % AHEAD] = hash_identity_entry(&usages[i + AHEAD]);
      lookup_prefetch(ledger, ahead[i % AHEAD]);
    }
    i++;
  }
  *ret_decided = i;
  return result;
}

/* ---- room ---- */

/* GLib grows the catalogue's tables, and ends the program if it gets no memory. So a change begins only if far more
 * memory is free than it needs. */
static int reserve_change(struct ledger *ledger, const struct buf *records, struct err *err) {
  const struct delta_load load = {.puts = 2 * records->len + 2 * APPLY_PUTS_OF_RECORD};
  size_t spare = catalogue_memory_of_change(ledger->catalogue);
  void *probe = malloc(spare);
  free(probe);
  if (probe == NULL) return err_set(err, ERR_MEMORY, "no memory to change the catalogue: free some memory");
  return apply_reserve(ledger, &load, err);
}

static int reserve_group(struct ledger *ledger, struct err *err) {
  const struct delta_load load = {.usages = (uint32_t)ledger->effects_count,
                                  .voids = (uint32_t)ledger->staged_voids.count,
                                  .puts = ledger->staged_codecs_count * APPLY_PUT_OF_CODEC};
  return apply_reserve(ledger, &load, err);
}

/* ---- changes ---- */

int ledger_stage_change(struct ledger *ledger, const struct change *change, struct err *err) {
  CHECK(!ledger->is_staging);
  SCOPED(buf_fini) struct buf records = {0};
  int64_t now_ms = clock_real_ms(ledger->options.clock);
  int result = catalogue_decide(ledger->catalogue, change, now_ms, &records, err);
  if (result == 0) result = reserve_change(ledger, &records, err);
  if (result == 0) result = begin_group(ledger, err);
  ledger->is_changing = ledger->is_staging;
  for (size_t at = 0; at < records.len && result == 0;) {
    uint32_t size = le32_load(records.ptr + at);
    uint64_t position;
    result = block_add_record(ledger->staging, str_make(records.ptr + at, size), &position);
    if (result != 0) (void)err_set(err, ERR_MEMORY, "no memory to stage a change: free some memory");
    at += size;
  }
  if (result != 0 && ledger->is_staging) end_group(ledger);
  if (records.len > 0) bytes_wipe(records.ptr, records.len); /* it may hold a private key */
  if (result == 0 && change->type == CHANGE_PROJECT_SET && (change->set & CHANGE_SET_ZONE) != 0) {
    ledger->wants_checkpoint = true; /* which makes the totals by day again */
  }
  return result;
}

/* ---- committing ---- */

static void apply_staged(void *arg) {
  struct ledger *ledger = arg;
  apply_effects(ledger, ledger->effects, ledger->effects_count);
}

/* Applies the records of changes: their blocks are read as recovery reads them. */
static void apply_changes(struct ledger *ledger, struct str blocks, uint64_t position) {
  struct block_room *room = ledger->applying;
  for (; blocks.len > 0; position += room->block.bytes.len) {
    struct err err = {0};
    int result = block_read(blocks, position, room, &err);
    if (result == 0) result = apply_block(ledger, &room->block, &err);
    CHECK(result == 0); /* this process has just made these bytes */
    blocks = str_make(blocks.ptr + room->block.bytes.len, blocks.len - room->block.bytes.len);
  }
}

/* A large group is applied while the disk is at work, and shown when the sync is done. For a small group, waking
 * another thread is not worth it. */
static int append_group(struct ledger *ledger, struct str blocks, struct err *err) {
  bool meanwhile = ledger->effects_count >= LARGE_GROUP;
  int result = log_append(ledger->log, blocks, meanwhile ? apply_staged : NULL, ledger, err);
  if (result == 0 && !meanwhile) apply_staged(ledger);
  return result;
}

/* Changes are applied after the sync, because readers see them as they are applied. */
static int append_changes(struct ledger *ledger, struct str blocks, struct err *err) {
  uint64_t position = log_end(ledger->log);
  int result = log_append(ledger->log, blocks, NULL, NULL, err);
  if (result == 0) apply_changes(ledger, blocks, position);
  return result;
}

int ledger_commit(struct ledger *ledger, struct err *err) {
  if (!ledger->is_staging) return 0;
  int result = 0;
  bool any = block_writer_size(ledger->staging) > BLOCK_HEAD_SIZE;
  if (any && !ledger->is_changing) result = reserve_group(ledger, err);
  if (any && result == 0) {
    struct str blocks = block_writer_finish(ledger->staging);
    result = ledger->is_changing ? append_changes(ledger, blocks, err) : append_group(ledger, blocks, err);
    if (result == 0) apply_show(ledger, log_end(ledger->log), ledger->block_time_ms);
    if (result == 0 && !ledger->is_changing) metrics_observe(METRIC_COMMIT_RECORDS, 0, ledger->effects_count);
  }
  end_group(ledger);
  return result;
}

/* ---- turning ---- */

/* *ret_done: the worker has left something. Returns the worker's failure, if it has failed, at each call. */
static int look_at_worker(struct ledger *ledger, const struct worker *worker, bool *ret_done, struct err *err) {
  lock_take(&ledger->lock);
  *ret_done = worker->state == WORK_DONE;
  bool failed = worker->state == WORK_FAILED;
  if (failed && err != NULL) *err = worker->failure;
  int result = failed ? -(int)worker->failure.code : 0;
  lock_give(&ledger->lock);
  return result;
}

/* The ledger has taken over what the worker made, so the worker may look for more work. */
static void let_go_on(struct ledger *ledger, struct worker *worker) {
  lock_take(&ledger->lock);
  worker->made_count = 0;
  worker->state = WORK_IDLE;
  wait_wake(&worker->wake);
  lock_give(&ledger->lock);
}

/* Wakes the merger if the list of runs has changed. True if the merger is so far behind that no run should be added.
 */
static bool ask_merger(struct ledger *ledger, bool changed) {
  lock_take(&ledger->lock);
  if (changed) {
    ledger->merger.asked++;
    wait_wake(&ledger->merger.wake);
  }
  bool is_behind = run_list_count(ledger->runs, ENTRY_IDENTITY) >= LEDGER_RUNS_MAX && !ledger->merger.blocked;
  lock_give(&ledger->lock);
  return is_behind;
}

static void ask_checkpointer(struct ledger *ledger) {
  checkpoint_freeze(ledger);
  ledger->wants_checkpoint = false;
  ledger->frozen_since_ms = ledger->filled_since_ms;
  ledger->filled_since_ms = 0;
  lock_take(&ledger->lock);
  ledger->checkpointer.state = WORK_ASKED;
  wait_wake(&ledger->checkpointer.wake);
  lock_give(&ledger->lock);
}

void ledger_want_checkpoint(struct ledger *ledger, uint64_t up_to) {
  uint64_t end = delta_end(ledger->filling);
  uint64_t wanted = up_to < end ? up_to : end;
  if (delta_begin(ledger->filling) < wanted) ledger->wants_checkpoint = true;
}

static int64_t until_ms(const struct ledger *ledger, int64_t instant_ms) {
  int64_t due_ms = instant_ms - clock_monotonic_ms(ledger->options.clock);
  return due_ms > 0 ? due_ms : 0;
}

static int64_t checkpoint_due_ms(const struct ledger *ledger) {
  if (ledger->options.delta_age_ms == 0 || ledger->filled_since_ms == 0 || ledger->frozen != NULL) return INT64_MAX;
  return until_ms(ledger, ledger->filled_since_ms + ledger->options.delta_age_ms);
}

static int64_t forget_due_ms(const struct ledger *ledger) {
  if (log_reader_bytes(ledger->reader) == 0) return INT64_MAX;
  return until_ms(ledger, ledger->reader_used_ms + BLOCKS_IDLE_MS);
}

int64_t ledger_turn_due_ms(const struct ledger *ledger) {
  int64_t checkpoint_ms = checkpoint_due_ms(ledger), forget_ms = forget_due_ms(ledger);
  return checkpoint_ms < forget_ms ? checkpoint_ms : forget_ms;
}

/* Frees the blocks that nobody has read for BLOCKS_IDLE_MS, and gives their memory back to the system. */
static void look_at_blocks(struct ledger *ledger) {
  uint64_t uses = log_reader_uses(ledger->reader);
  if (uses != ledger->reader_uses) {
    ledger->reader_uses = uses;
    ledger->reader_used_ms = clock_monotonic_ms(ledger->options.clock);
  } else if (forget_due_ms(ledger) == 0) {
    log_reader_forget(ledger->reader);
    (void)malloc_trim(0);
  }
}

int ledger_turn(struct ledger *ledger, struct err *err) {
  CHECK(!ledger->is_staging);
  look_at_blocks(ledger);
  if (!ledger->checkpointer.has_thread) return 0;
  struct worker *checkpointer = &ledger->checkpointer, *merger = &ledger->merger;
  bool checkpointed, merged;
  int result = look_at_worker(ledger, checkpointer, &checkpointed, err);
  if (result == 0) result = look_at_worker(ledger, merger, &merged, err);
  if (result != 0) return result;
  if (checkpointed) {
    checkpoint_release(ledger, checkpointer->made, checkpointer->made_count);
    let_go_on(ledger, checkpointer);
  }
  if (merged) {
    ledger_change_runs(ledger, run_list_with_merged(ledger->runs, merger->made[0]));
    let_go_on(ledger, merger);
  }
  bool is_behind = ask_merger(ledger, checkpointed || merged);
  bool due = delta_records(ledger->filling) >= ledger->options.delta_max || ledger->wants_checkpoint ||
             checkpoint_due_ms(ledger) == 0;
  if (ledger->frozen == NULL && due && !is_behind) ask_checkpointer(ledger);
  return 0;
}
