#include "ledger/apply.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/lock.h"
#include "ledger/lookup.h"

#define AHEAD 12u /* effects whose place in the delta is prefetched */

/* ---- room ---- */

int apply_reserve(struct ledger *ledger, const struct delta_load *load, struct err *err) {
  bool moves = delta_moves(ledger->filling, load);
  if (moves) lock_write(&ledger->view);
  bool fits = delta_reserve(ledger->filling, load);
  if (moves) lock_leave(&ledger->view);
  if (fits) return 0;
  if (!delta_is_empty(ledger->filling)) ledger->wants_checkpoint = true; /* it gives memory back */
  return err_set(err, ERR_MEMORY,
                 "no memory for more records since the last checkpoint, %" PRIu64 " of at most %" PRIu64
                 ": lower ingest.delta_max, or free some memory",
                 delta_records(ledger->filling), ledger->options.delta_max);
}

/* Reserves the most that a block of the log can need. */
static int reserve_block(struct ledger *ledger, const struct block *block, struct err *err) {
  const struct delta_load load = {
      .usages = block->count,
      .voids = block->count,
      .puts = 2 * block->bytes.len + (size_t)block->count * (APPLY_PUTS_OF_RECORD + APPLY_PUT_OF_CODEC),
  };
  return apply_reserve(ledger, &load, err);
}

/* ---- effects ---- */

int effect_of(struct ledger *ledger, const struct usage *usage, struct hash identity, const struct decision *decision,
              struct effect *ret) {
  CHECK(decision->outcome == VERDICT_STORED && (usage->kind == USAGE_VOID) == (decision->earlier != NULL));
  const struct project_state *project = lookup_project(ledger, usage->project);
  const struct usage *counted = decision->earlier != NULL ? decision->earlier : usage;
  int number = catalogue_codec_number(project, counted->codec);
  const char *codec = number < 0 ? catalogue_keep_codec(ledger->catalogue, counted->codec) : NULL;
  if (number < 0 && codec == NULL) return -ERR_MEMORY;
  *ret = (struct effect){.project = project,
                         .codec = codec,
                         .record = {.identity = identity,
                                    .task = hash_task_entry(usage),
                                    .finished_ms = usage->finished_ms,
                                    .kind = usage->kind,
                                    .counted = cell_of(counted, project->info.number, (uint8_t)number),
                                    .zone = project->zone}};
  if (decision->earlier != NULL) cell_negate(&ret->record.counted);
  return 0;
}

/* Gives the project's number of a new name: the next one, unless an earlier effect has brought the name. */
static uint8_t number_of(struct ledger *ledger, const struct effect *effect) {
  struct str codec = str_of(effect->codec);
  int number = catalogue_codec_number(effect->project, codec);
  if (number >= 0) return (uint8_t)number;
  CHECK(effect->record.kind != USAGE_VOID); /* the name got its number when the void's target was applied */
  number = (int)effect->project->codecs_count;
  bool has_room = catalogue_add_codec(ledger->catalogue, effect->project, codec, delta_puts(ledger->filling));
  CHECK(has_room); /* decide() has asked */
  return (uint8_t)number;
}

void apply_effects(struct ledger *ledger, const struct effect *effects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct delta_record record = effects[i].record;
    if (i + AHEAD < count) delta_prefetch(ledger->filling, effects[i + AHEAD].record.identity);
    if (effects[i].codec != NULL) record.counted.codec = number_of(ledger, &effects[i]);
    delta_add(ledger->filling, &record);
  }
}

/* ---- the log ---- */

/* A record that counts nothing is skipped: an earlier version may have written it, or another writer of the log. */
static int apply_usage(struct ledger *ledger, const struct usage *usage, uint64_t position, struct err *err) {
  struct lookup lookup = {.ledger = ledger, .identity = hash_identity_entry(usage)};
  struct decide_before before = lookup_before(&lookup);
  struct decision decision;
  struct effect effect;
  int result = decide(usage, &before, &decision, err);
  if (result != 0 || decision.outcome != VERDICT_STORED) return result;
  result = effect_of(ledger, usage, lookup.identity, &decision, &effect);
  if (result != 0) return err_set(err, ERR_MEMORY, "no memory to apply the log: free some memory");
  effect.record.position = position;
  apply_effects(ledger, &effect, 1);
  return 0;
}

/* Readers see a change at once. */
static int apply_change(struct ledger *ledger, const struct record *record, uint64_t position, struct err *err) {
  if (record->type == RECORD_PROJECT) past_note_change(ledger->past, position);
  lock_write(&ledger->view);
  int result = catalogue_apply(ledger->catalogue, record, delta_puts(ledger->filling), err);
  lock_leave(&ledger->view);
  return result;
}

int apply_block(struct ledger *ledger, const struct block *block, struct err *err) {
  struct record record;
  int result = 0;
  uint32_t count = 0;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block) && result == 0; count++) {
    uint64_t position = block->position + at;
    result = block_next(block, &at, &record, err);
    if (result != 0) break;
    result = record.type == RECORD_USAGE ? apply_usage(ledger, &record.usage, position, err)
                                         : apply_change(ledger, &record, position, err);
  }
  if (result == 0 && count != block->count) {
    result = err_set(err, ERR_CORRUPT,
                     "the record count of the block at log position %" PRIu64
                     " does not match its header; restore the log from a backup, then run `codecmeter rebuild`",
                     block->position);
  }
  return result;
}

void apply_show(struct ledger *ledger, uint64_t end, int64_t block_time_ms) {
  lock_write(&ledger->view);
  delta_show(ledger->filling, end, block_time_ms);
  lock_leave(&ledger->view);
  if (ledger->filled_since_ms == 0) ledger->filled_since_ms = clock_monotonic_ms(ledger->options.clock);
}

int writer_apply(struct ledger *ledger, const struct block *block, struct err *err) {
  int result = reserve_block(ledger, block, err);
  if (result == 0) result = apply_block(ledger, block, err);
  if (result == 0) apply_show(ledger, block->position + block->bytes.len, block->time_ms);
  return result;
}
