/* The writer: decides, stages, commits and applies.
 *
 *   stage ──> stage ──> … ──> commit: seal, write, fdatasync ──> show to readers ──> turn
 *                                                   apply to the delta
 *
 * The writer compares a report with the staged records, then with both deltas, then with the runs. It confirms a hit
 * by reading the record and comparing the texts. Staged records exist only as bytes of the blocks that are being
 * built: the writer reads them back out of those bytes to apply them, with the same code as recovery.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/check.h"
#include "ledger/state.h"
#include "metrics/metrics.h"

#define AHEAD 12u /* reports that are looked up at once: about as many misses as a core's memory system handles */
#define CACHE_LINE 64u
#define BLOCKS_IDLE_MS 60000 /* the blocks that were read from the log are freed after this time without use */
#define LARGE_GROUP 16u /* applying so many reports takes about as long as waking a thread */

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
  ledger->staged_targets_count = ledger->staged_targets_applied = 0;
  ledger->staged_codecs_count = 0;
  ledger->staged_usages = 0;
  ledger->staged_applied = 0;
  ledger->is_staging = false;
  ledger->is_changing = false;
}

uint64_t ledger_staged_bytes(const struct ledger *ledger) {
  return ledger->is_staging ? block_writer_size(ledger->staging) : 0;
}

/* ---- deciding a report ---- */

static bool same_identity(const struct usage *a, const struct usage *b) {
  return str_equal(a->id, b->id) && str_equal(a->source, b->source) && str_equal(a->project, b->project);
}

static bool is_identity_of(const struct usage *usage, const struct usage *wanted) {
  bool alike = (usage->kind == USAGE_UNRESOLVED) == (wanted->kind == USAGE_UNRESOLVED);
  return alike && same_identity(usage, wanted);
}

/* True if this usage resolves the wanted unresolved record. */
static bool is_resolution_of(const struct usage *usage, const struct usage *wanted) {
  return usage->kind != USAGE_UNRESOLVED && same_identity(usage, wanted);
}

static bool is_named_by(const struct usage *usage, const struct usage *wanted) {
  return str_equal(usage->id, wanted->target_id) && str_equal(usage->source, wanted->target_source) &&
         str_equal(usage->project, wanted->project);
}

static bool is_target_of(const struct usage *usage, const struct usage *wanted) {
  return usage->kind != USAGE_UNRESOLVED && is_named_by(usage, wanted);
}

static bool is_waiting_target_of(const struct usage *usage, const struct usage *wanted) {
  return usage->kind == USAGE_UNRESOLVED && is_named_by(usage, wanted);
}

/* True if this usage is the unresolved record that the wanted usage completes. */
static bool is_waiting_for(const struct usage *usage, const struct usage *wanted) {
  return usage->kind == USAGE_UNRESOLVED && same_identity(usage, wanted);
}

/* True if this void has the same target as the wanted void. */
static bool voids_the_same(const struct usage *usage, const struct usage *wanted) {
  return usage->kind == USAGE_VOID && str_equal(usage->target_id, wanted->target_id) &&
         str_equal(usage->target_source, wanted->target_source) && str_equal(usage->project, wanted->project);
}

/* A search for an earlier record: what to look for, where to look, and what was found. */
struct search {
  struct ledger *ledger;
  const struct usage *wanted;
  bool (*matches)(const struct usage *usage, const struct usage *wanted);
  const struct identities *staged;
  uint64_t (*find)(const struct delta *delta, struct hash hash, uint32_t *at);
  enum entry_kind kind; /* of the runs to search */
  struct hash hash;
  bool found;
  struct record *first; /* ledger->found: a usage, if found; its texts are borrowed until the next read */
};

static struct search search_identity(struct ledger *ledger, const struct usage *usage, struct hash hash) {
  return (struct search){.ledger = ledger,
                         .wanted = usage,
                         .matches = is_identity_of,
                         .staged = &ledger->staged,
                         .find = delta_find_identity,
                         .kind = ENTRY_IDENTITY,
                         .hash = hash,
                         .first = &ledger->found};
}

static struct search search_target(struct ledger *ledger, const struct usage *usage) {
  struct hash hash = hash_identity(usage->project, usage->target_source, usage->target_id);
  struct search search = search_identity(ledger, usage, hash);
  search.matches = is_target_of;
  return search;
}

static struct search search_waiting_target(struct ledger *ledger, const struct usage *usage) {
  struct hash hash = hash_unresolved(usage->project, usage->target_source, usage->target_id);
  struct search search = search_identity(ledger, usage, hash);
  search.matches = is_waiting_target_of;
  return search;
}

static struct search search_resolution(struct ledger *ledger, const struct usage *usage) {
  struct search search = search_identity(ledger, usage, hash_identity(usage->project, usage->source, usage->id));
  search.matches = is_resolution_of;
  return search;
}

static struct search search_waiting(struct ledger *ledger, const struct usage *usage) {
  struct search search = search_identity(ledger, usage, hash_unresolved(usage->project, usage->source, usage->id));
  search.matches = is_waiting_for;
  return search;
}

static struct search search_void(struct ledger *ledger, const struct usage *usage) {
  struct hash hash = hash_void_of(usage->project, usage->target_source, usage->target_id);
  return (struct search){.ledger = ledger,
                         .wanted = usage,
                         .matches = voids_the_same,
                         .staged = &ledger->staged_voids,
                         .find = delta_find_void,
                         .kind = ENTRY_TASK,
                         .hash = hash,
                         .first = &ledger->found};
}

/* Reads a candidate, staged or on disk, and compares its texts. */
static int try_position(struct search *search, uint64_t position, struct err *err) {
  struct ledger *ledger = search->ledger;
  struct record *record = search->first;
  bool is_staged = ledger->is_staging && position >= log_end(ledger->log);
  int result = is_staged ? block_writer_record(ledger->staging, position, record, err)
                         : log_read_record(ledger->reader, position, record, err);
  if (result != 0) return result;
  if (record->type != RECORD_USAGE) {
    return err_set(err, ERR_CORRUPT,
                   "an index entry points to log position %" PRIu64
                   ", which is not a usage record; stop the server and run `codecmeter rebuild`",
                   position);
  }
  search->found = search->matches(&record->usage, search->wanted);
  return 0;
}

static int search_staged(struct search *search, struct err *err) {
  uint32_t at = 0;
  int result = 0;
  for (uint64_t position = 1; position != 0 && result == 0 && !search->found;) {
    position = identities_find(search->staged, search->hash, &at);
    if (position != 0) result = try_position(search, position, err);
  }
  return result;
}

static int search_delta(struct search *search, const struct delta *delta, struct err *err) {
  uint32_t at = 0;
  int result = 0;
  for (uint64_t position = 1; position != 0 && result == 0 && !search->found;) {
    position = search->find(delta, search->hash, &at);
    if (position != 0) result = try_position(search, position, err);
  }
  return result;
}

static int search_run(struct search *search, const struct run *run, struct err *err) {
  bool may_hold;
  int result = run_may_hold(run, search->hash, &may_hold, err);
  if (result != 0 || !may_hold) return result;
  struct entry wanted = {.first = search->hash.high, .second = search->hash.low}, entry;
  uint64_t index;
  result = run_seek(run, &wanted, &index, err);
  while (result == 0 && !search->found && index < run_info(run)->count) {
    result = run_entry(run, index++, &entry, err);
    if (result != 0 || entry.first != wanted.first || entry.second != wanted.second) break;
    result = try_position(search, entry.position, err);
  }
  return result;
}

/* The writer reads deltas and the run list without the view lock, because only the writer changes them. */
static int search_all(struct search *search, struct err *err) {
  struct ledger *ledger = search->ledger;
  int result = search_staged(search, err);
  if (result == 0 && !search->found) result = search_delta(search, ledger->filling, err);
  if (result == 0 && !search->found && ledger->frozen != NULL) result = search_delta(search, ledger->frozen, err);
  for (size_t i = ledger->runs->count; i > 0 && result == 0 && !search->found; i--) {
    const struct run *run = ledger->runs->items[i - 1];
    if (run_info(run)->kind == search->kind) result = search_run(search, run, err);
  }
  return result;
}

static struct hash hash_of(const struct usage *usage) { return hash_identity_entry(usage); }

/* Prefetches a report and its texts, which another core wrote. */
static void touch(const struct usage *usage) {
  for (size_t i = 0; i < sizeof *usage; i += CACHE_LINE)
    __builtin_prefetch((const char *)usage + i);
  __builtin_prefetch(usage->project.ptr);
  __builtin_prefetch(usage->source.ptr);
  __builtin_prefetch(usage->id.ptr);
  __builtin_prefetch(usage->codec.ptr);
}

/* Prefetches what a search will read, so that its cache misses overlap instead of following one another. */
static void prefetch(const struct ledger *ledger, struct hash hash) {
  identities_prefetch(&ledger->staged, hash);
  delta_prefetch(ledger->filling, hash);
  if (ledger->frozen != NULL) delta_prefetch(ledger->frozen, hash);
  for (size_t i = 0; i < ledger->runs->count; i++) {
    if (run_info(ledger->runs->items[i])->kind == ENTRY_IDENTITY) run_prefetch(ledger->runs->items[i], hash);
  }
}

/* A verdict is large, and most say little: leaves `first` as it is, for conflicts alone have it. */
static void set_verdict(struct verdict *ret, enum verdict_outcome outcome, enum verdict_reason reason) {
  ret->outcome = outcome;
  ret->reason = reason;
  ret->fields = 0;
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

static void decide_against(const struct usage *first, const struct usage *later, struct verdict *ret) {
  unsigned fields = usage_differences(first, later);
  if (fields == 0) return set_verdict(ret, VERDICT_DUPLICATE, VERDICT_REASON_NONE);
  *ret = conflict_with(first, fields);
}

static bool codec_is_staged(const struct ledger *ledger, uint32_t project, struct str codec, unsigned *ret_others) {
  *ret_others = 0;
  for (size_t i = 0; i < ledger->staged_codecs_count; i++) {
    if (ledger->staged_codecs[i].project != project) continue;
    struct str name = str_of(ledger->staged_codecs[i].name);
    if (str_equal(name, codec)) return true;
    *ret_others += codec_is_known(name) ? 0 : 1;
  }
  return false;
}

/* Checks that the project has room for the codec's name: -ERR_LIMIT if not. Remembers a new name until the group
 * ends; -ERR_MEMORY if it cannot. */
static int admit_codec(struct ledger *ledger, const struct project_state *project, struct str codec) {
  unsigned others;
  if (catalogue_codec_number(project, codec) >= 0) return 0;
  if (codec_is_staged(ledger, project->info.number, codec, &others)) return 0;
  if (project->others_count + others >= CODEC_OTHERS_MAX && !codec_is_known(codec)) return -ERR_LIMIT;
  if (catalogue_keep_codec(ledger->catalogue, codec) != 0) return -ERR_MEMORY;
  struct staged_codec *grown =
      reallocarray(ledger->staged_codecs, ledger->staged_codecs_count + 1, sizeof *ledger->staged_codecs);
  if (grown == NULL) return -ERR_MEMORY;
  ledger->staged_codecs = grown;
  struct staged_codec *staged_codec = &ledger->staged_codecs[ledger->staged_codecs_count++];
  staged_codec->project = project->info.number;
  bool fits = str_copy(codec, staged_codec->name, sizeof staged_codec->name);
  CHECK(fits);
  return 0;
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

/* Most reports are for the same project as the report before. */
static const struct project_state *project_of(struct ledger *ledger, struct str id) {
  const struct project_state *recent = ledger->recent_project;
  if (recent != NULL && str_equal(str_of(recent->info.id), id)) return recent;
  const struct project_state *found = catalogue_state(ledger->catalogue, id);
  if (found != NULL) ledger->recent_project = found;
  return found;
}

static int no_memory(struct err *err) {
  return err_set(err, ERR_MEMORY, "no memory to stage a record: free some memory");
}

static int keep_target(struct ledger *ledger, const struct usage *target, struct err *err) {
  struct staged_void *grown =
      reallocarray(ledger->staged_targets, ledger->staged_targets_count + 1, sizeof *ledger->staged_targets);
  if (grown == NULL) return no_memory(err);
  ledger->staged_targets = grown;
  struct staged_void *kept = &grown[ledger->staged_targets_count++];
  *kept = (struct staged_void){.target = {.kind = target->kind,
                                          .outcome = target->outcome,
                                          .tier = target->tier,
                                          .amount = target->amount,
                                          .finished_ms = target->finished_ms}};
  bool fits = str_copy(target->codec, kept->codec, sizeof kept->codec);
  CHECK(fits);
  return 0;
}

/* Rejects a void that has no target: the record waits to be resolved, or does not exist. */
static int decide_no_target(struct ledger *ledger, const struct usage *usage, struct verdict *ret_verdict,
                            struct err *err) {
  struct search waiting = search_waiting_target(ledger, usage);
  int result = search_all(&waiting, err);
  if (result == 0) {
    set_verdict(ret_verdict, VERDICT_REJECTED, waiting.found ? VERDICT_REASON_WAITS : VERDICT_REASON_NO_TARGET);
  }
  return result;
}

/* Decides a void whose identity is new. If *ret_store is true, store the void: its target is kept. Else *ret_verdict
 * is the verdict. */
static int decide_void(struct ledger *ledger, const struct usage *usage, bool *ret_store, struct verdict *ret_verdict,
                       struct err *err) {
  struct search before = search_void(ledger, usage), target = search_target(ledger, usage);
  *ret_store = false;
  int result = search_all(&before, err);
  if (result != 0) return result;
  if (before.found) {
    set_verdict(ret_verdict, VERDICT_DUPLICATE, VERDICT_REASON_VOIDED);
    return 0;
  }
  result = search_all(&target, err);
  if (result != 0) return result;
  if (!target.found) return decide_no_target(ledger, usage, ret_verdict, err);
  if (target.first->usage.kind == USAGE_VOID) {
    set_verdict(ret_verdict, VERDICT_REJECTED, VERDICT_REASON_VOID);
    return 0;
  }
  result = keep_target(ledger, &target.first->usage, err);
  *ret_store = result == 0;
  return result;
}

/* Compares a complete report whose identity is new with the unresolved record of that identity, if there is one.
 * *ret_reason: that of the verdict if the report is stored. *ret_is_refused: *ret_verdict is the conflict. Only relayed
 * reports are compared: they are few, so the others do not pay for a second search, and a person who reports an output
 * by another way has the last word. */
static int decide_resolution(struct ledger *ledger, const struct usage *usage, enum verdict_reason *ret_reason,
                             bool *ret_is_refused, struct verdict *ret_verdict, struct err *err) {
  *ret_reason = VERDICT_REASON_NONE;
  *ret_is_refused = false;
  if (!usage->is_relayed || !usage_is_task(usage->kind)) return 0;
  struct search search = search_waiting(ledger, usage);
  int result = search_all(&search, err);
  if (result != 0 || !search.found) return result;
  unsigned fields = usage_resolution_differences(&search.first->usage, usage);
  *ret_reason = VERDICT_REASON_RESOLVES;
  *ret_is_refused = fields != 0;
  if (*ret_is_refused) *ret_verdict = conflict_with(&search.first->usage, fields);
  return 0;
}

/* Adds a record to the group. After -ERR_MEMORY the group is as before, except that it still keeps a void's target:
 * the caller removes that. */
static int stage_record(struct ledger *ledger, const struct usage *usage, struct hash hash, struct err *err) {
  bool is_void = usage->kind == USAGE_VOID;
  uint64_t position;
  bool fits = identities_reserve(&ledger->staged, 1) && (!is_void || identities_reserve(&ledger->staged_voids, 1));
  if (!fits || block_add_usage(ledger->staging, usage, &position) != 0) return no_memory(err);
  identities_add(&ledger->staged, hash, position);
  if (is_void) identities_add(&ledger->staged_voids, hash_task_entry(usage), position);
  ledger->staged_usages++;
  return 0;
}

/* Nobody waits for a checkpoint that lacks something: nobody knows how long that takes. */
static int deltas_full(struct ledger *ledger, struct err *err) {
  (void)pthread_mutex_lock(&ledger->lock);
  bool is_blocked = ledger->frozen != NULL && ledger->checkpointer.blocked;
  struct err why = ledger->checkpointer.failure;
  (void)pthread_mutex_unlock(&ledger->lock);
  if (!is_blocked) return err_set(err, ERR_BUSY, "both deltas are full");
  return err_set(err, why.code, "both deltas are full, and the checkpoint waits: %s", why.text);
}

/* What earlier records say of the report. *ret_is_decided: *ret_verdict is final. Else the report is new, and *ret_reason
 * that of its verdict. */
static int decide_by_earlier(struct ledger *ledger, const struct usage *usage, struct hash hash,
                             enum verdict_reason *ret_reason, bool *ret_is_decided, struct verdict *ret_verdict,
                             struct err *err) {
  struct search search = search_identity(ledger, usage, hash);
  int result = search_all(&search, err);
  *ret_is_decided = search.found;
  if (result != 0) return result;
  if (search.found) {
    decide_against(&search.first->usage, usage, ret_verdict);
    return 0;
  }
  if (usage->kind != USAGE_UNRESOLVED)
    return decide_resolution(ledger, usage, ret_reason, ret_is_decided, ret_verdict, err);
  struct search resolution = search_resolution(ledger, usage);
  result = search_all(&resolution, err);
  *ret_reason = VERDICT_REASON_NONE;
  *ret_is_decided = resolution.found;
  if (resolution.found) set_verdict(ret_verdict, VERDICT_DUPLICATE, VERDICT_REASON_NONE);
  return result;
}

static int stage_usage(struct ledger *ledger, const struct usage *usage, struct hash hash,
                       struct verdict *ret_verdict, struct err *err) {
  const struct project_state *project = project_of(ledger, usage->project);
  if (project == NULL) {
    set_verdict(ret_verdict, VERDICT_REJECTED, VERDICT_REASON_NO_PROJECT);
    return 0;
  }
  if (delta_records(ledger->filling) + ledger->staged_usages >= ledger->options.delta_max) {
    return deltas_full(ledger, err);
  }
  enum verdict_reason reason;
  bool is_decided;
  int result = decide_by_earlier(ledger, usage, hash, &reason, &is_decided, ret_verdict, err);
  if (result != 0 || is_decided) return result;
  if (!ledger->is_staging) result = check_reserve(ledger, err);
  if (result != 0) return result;
  result = admit_codec(ledger, project, usage->codec);
  if (result == -ERR_MEMORY) return no_memory(err);
  if (result != 0) {
    set_verdict(ret_verdict, VERDICT_REJECTED, VERDICT_REASON_CODECS);
    return 0;
  }
  if (usage->kind == USAGE_VOID) {
    bool store;
    result = decide_void(ledger, usage, &store, ret_verdict, err);
    if (result != 0 || !store) return result;
  }
  /* Not before: a report that is rejected must not begin a segment of this format. */
  result = begin_group(ledger, err);
  if (result == 0) result = stage_record(ledger, usage, hash, err);
  if (result != 0 && usage->kind == USAGE_VOID) ledger->staged_targets_count--;
  if (result != 0 && !ledger->is_staging) end_group(ledger);
  if (result == 0) set_verdict(ret_verdict, VERDICT_STORED, reason);
  return result;
}

int ledger_stage_usages(struct ledger *ledger, const struct usage *usages, size_t count, uint64_t bytes_max,
                        struct verdict *ret_verdicts, size_t *ret_decided, struct err *err) {
  CHECK(!ledger->is_changing); /* readers see a change as it is applied, so it is never applied beside a sync */
  struct hash ahead[AHEAD]; /* the hash of usages[k] is at k % AHEAD, for the AHEAD reports from i on */
  for (size_t i = 0; i < count && i < AHEAD; i++) {
    ahead[i] = hash_of(&usages[i]);
    prefetch(ledger, ahead[i]);
  }
  int result = 0;
  size_t i = 0;
  while (i < count && (i == 0 || ledger_staged_bytes(ledger) < bytes_max)) {
    result = stage_usage(ledger, &usages[i], ahead[i % AHEAD], &ret_verdicts[i], err);
    if (result != 0) break;
    if (i + 2 * AHEAD < count) touch(&usages[i + 2 * AHEAD]);
    if (i + AHEAD < count) {
      ahead[i % AHEAD] = hash_of(&usages[i + AHEAD]);
      prefetch(ledger, ahead[i % AHEAD]);
    }
    i++;
  }
  *ret_decided = i;
  return result;
}

/* ---- room: records on disk must be applied, so the memory for that is reserved before they are written ---- */

/* A record of the catalogue becomes at most two rows; the second row is short. */
#define PUTS_OF_RECORD (2 * PUTS_HEAD + 512)
#define PUT_OF_CODEC (PUTS_HEAD + 8 + CODEC_NAME_MAX)

static int reserve(struct ledger *ledger, const struct delta_load *load, struct err *err) {
  bool moves = delta_moves(ledger->filling, load);
  if (moves) CHECK(pthread_rwlock_wrlock(&ledger->view) == 0);
  bool fits = delta_reserve(ledger->filling, load);
  if (moves) CHECK(pthread_rwlock_unlock(&ledger->view) == 0);
  if (fits) return 0;
  if (!delta_is_empty(ledger->filling)) ledger->wants_checkpoint = true; /* it gives memory back */
  return err_set(err, ERR_MEMORY,
                 "no memory for more records since the last checkpoint, %" PRIu64 " of at most %" PRIu64
                 ": lower ingest.delta_max, or free some memory",
                 delta_records(ledger->filling), ledger->options.delta_max);
}

/* GLib grows the catalogue's tables, and ends the program if it gets no memory. So a change begins only if far more
 * memory is free than it needs. */
static int reserve_change(struct ledger *ledger, const struct buf *records, struct err *err) {
  const struct delta_load load = {.puts = 2 * records->len + 2 * PUTS_OF_RECORD};
  size_t spare = catalogue_memory_of_change(ledger->catalogue);
  void *probe = malloc(spare);
  free(probe);
  if (probe == NULL) return err_set(err, ERR_MEMORY, "no memory to change the catalogue: free some memory");
  return reserve(ledger, &load, err);
}

static int reserve_group(struct ledger *ledger, struct err *err) {
  const struct delta_load load = {.usages = (uint32_t)ledger->staged_usages,
                                  .voids = (uint32_t)ledger->staged_targets_count,
                                  .puts = ledger->staged_codecs_count * PUT_OF_CODEC};
  return reserve(ledger, &load, err);
}

/* Reserves the most that a block of the log can need. */
static int reserve_block(struct ledger *ledger, const struct block *block, struct err *err) {
  const struct delta_load load = {
      .usages = block->count,
      .voids = block->count,
      .puts = 2 * block->bytes.len + (size_t)block->count * (PUTS_OF_RECORD + PUT_OF_CODEC),
  };
  return reserve(ledger, &load, err);
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

/* ---- applying ---- */

/* The hash of the next usage to apply. If the usages were decided here, `staged` has their hashes in this order. */
static struct hash next_identity(struct ledger *ledger, const struct usage *usage, bool decided) {
  const struct identities *staged = &ledger->staged;
  if (!decided) return hash_of(usage);
  uint32_t i = ledger->staged_applied++;
  CHECK(i < staged->count);
  if (i + AHEAD < staged->count) {
    const struct entry *ahead = &staged->items[i + AHEAD];
    delta_prefetch(ledger->filling, (struct hash){.high = ahead->first, .low = ahead->second});
  }
  return (struct hash){.high = staged->items[i].first, .low = staged->items[i].second};
}

/* The target of the next void that was decided here. Targets are kept in this order. */
static const struct usage *next_target(struct ledger *ledger) {
  CHECK(ledger->staged_targets_applied < ledger->staged_targets_count);
  struct staged_void *staged = &ledger->staged_targets[ledger->staged_targets_applied++];
  staged->target.codec = str_of(staged->codec);
  return &staged->target;
}

/* Like apply_usage. A void changes nothing if its target does not exist, is a void, or was voided before. */
static int apply_void(struct ledger *ledger, const struct usage *usage, const struct project_state *project,
                      uint64_t position, bool decided, struct err *err) {
  struct search before = search_void(ledger, usage), search = search_target(ledger, usage);
  const struct usage *target = decided ? next_target(ledger) : &search.first->usage;
  if (!decided) {
    int result = search_all(&before, err);
    if (result == 0 && !before.found) result = search_all(&search, err);
    if (result != 0 || before.found || !search.found || search.first->usage.kind == USAGE_VOID) return result;
  }
  int codec = catalogue_codec_number(project, target->codec);
  CHECK(codec >= 0); /* the codec got a number when the target was applied */
  delta_add_void(ledger->filling, usage, target, project->info.number, project->zone, (uint8_t)codec, position);
  return 0;
}

/* A record changes nothing if an earlier one has its identity or resolves it, if its project does not exist, or if
 * the project has no room for its codec's name. A log to which several nodes append may hold such records. */
static int apply_usage(struct ledger *ledger, const struct usage *usage, uint64_t position, bool decided,
                       struct err *err) {
  struct hash hash = next_identity(ledger, usage, decided);
  const struct project_state *project = project_of(ledger, usage->project);
  if (project == NULL) return 0;
  if (!decided) {
    struct search search = search_identity(ledger, usage, hash);
    int result = search_all(&search, err);
    if (result != 0 || search.found) return result;
    struct search resolution = search_resolution(ledger, usage);
    if (usage->kind == USAGE_UNRESOLVED) result = search_all(&resolution, err);
    if (result != 0 || resolution.found) return result;
  }
  if (usage->kind == USAGE_VOID) return apply_void(ledger, usage, project, position, decided, err);
  int codec = catalogue_codec_number(project, usage->codec);
  if (codec < 0) {
    codec = (int)project->codecs_count;
    if (!catalogue_add_codec(ledger->catalogue, project, usage->codec, delta_puts(ledger->filling))) return 0;
  }
  delta_add_usage(ledger->filling, usage, hash, project->info.number, project->zone, (uint8_t)codec, position);
  return 0;
}

/* Readers see a change at once. */
static int apply_change(struct ledger *ledger, const struct record *record, uint64_t position, struct err *err) {
  if (record->type == RECORD_PROJECT) past_note_change(ledger->past, position);
  CHECK(pthread_rwlock_wrlock(&ledger->view) == 0);
  int result = catalogue_apply(ledger->catalogue, record, delta_puts(ledger->filling), err);
  CHECK(pthread_rwlock_unlock(&ledger->view) == 0);
  return result;
}

static int apply_block(struct ledger *ledger, const struct block *block, bool decided, struct err *err) {
  struct record record;
  int result = 0;
  uint32_t count = 0;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block) && result == 0; count++) {
    uint64_t position = block->position + at;
    result = block_next(block, &at, &record, err);
    if (result != 0) break;
    result = record.type == RECORD_USAGE ? apply_usage(ledger, &record.usage, position, decided, err)
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

static void show(struct ledger *ledger, uint64_t end, int64_t block_time_ms) {
  CHECK(pthread_rwlock_wrlock(&ledger->view) == 0);
  delta_show(ledger->filling, end, block_time_ms);
  CHECK(pthread_rwlock_unlock(&ledger->view) == 0);
  if (ledger->filled_since_ms == 0) ledger->filled_since_ms = clock_monotonic_ms(ledger->options.clock);
}

int writer_apply(struct ledger *ledger, const struct block *block, struct err *err) {
  int result = reserve_block(ledger, block, err);
  if (result == 0) result = apply_block(ledger, block, false, err);
  if (result == 0) show(ledger, block->position + block->bytes.len, block->time_ms);
  return result;
}

/* The blocks of a group, and the log position of the first one. */
struct group {
  struct ledger *ledger;
  struct str blocks;
  uint64_t position;
};

/* Applies a group, but does not show it to readers. */
static void apply_group(void *arg) {
  struct group *group = arg;
  struct str bytes = group->blocks;
  struct block_room *room = group->ledger->applying;
  for (uint64_t position = group->position; bytes.len > 0; position += room->block.bytes.len) {
    struct err err = {0};
    int result = block_read(bytes, position, room, &err);
    if (result == 0) result = apply_block(group->ledger, &room->block, true, &err);
    CHECK(result == 0); /* this process has just made these bytes */
    bytes = str_make(bytes.ptr + room->block.bytes.len, bytes.len - room->block.bytes.len);
  }
}

/* Applies a large group while the disk is at work, and shows it when the sync is done. For a small group, waking
 * another thread is not worth it. A change waits for the sync, because readers see it as it is applied. */
int ledger_commit(struct ledger *ledger, struct err *err) {
  if (!ledger->is_staging) return 0;
  int result = 0;
  bool any = block_writer_size(ledger->staging) > BLOCK_HEAD_SIZE;
  if (any && !ledger->is_changing) result = reserve_group(ledger, err);
  if (any && result == 0) {
    struct group group = {
        .ledger = ledger, .blocks = block_writer_finish(ledger->staging), .position = log_end(ledger->log)};
    bool meanwhile = ledger->staged_usages >= LARGE_GROUP;
    result = log_append(ledger->log, group.blocks, meanwhile ? apply_group : NULL, &group, err);
    if (result == 0 && !meanwhile) apply_group(&group);
    if (result == 0) show(ledger, log_end(ledger->log), ledger->block_time_ms);
    if (result == 0) metrics_observe(METRIC_COMMIT_RECORDS, 0, ledger->staged_usages);
  }
  end_group(ledger);
  return result;
}

/* ---- turning ---- */

/* *ret_done: the worker has left something. Returns the worker's failure, if it has failed, at each call. */
static int look_at_worker(struct ledger *ledger, const struct worker *worker, bool *ret_done, struct err *err) {
  (void)pthread_mutex_lock(&ledger->lock);
  *ret_done = worker->state == WORK_DONE;
  bool failed = worker->state == WORK_FAILED;
  if (failed && err != NULL) *err = worker->failure;
  int result = failed ? -(int)worker->failure.code : 0;
  (void)pthread_mutex_unlock(&ledger->lock);
  return result;
}

/* The ledger has taken over what the worker made, so the worker may look for more work. */
static void let_go_on(struct ledger *ledger, struct worker *worker) {
  (void)pthread_mutex_lock(&ledger->lock);
  worker->made_count = 0;
  worker->state = WORK_IDLE;
  (void)pthread_cond_signal(&worker->wake);
  (void)pthread_mutex_unlock(&ledger->lock);
}

/* Wakes the merger if the list of runs has changed. True if the merger is so far behind that no run should be added.
 */
static bool ask_merger(struct ledger *ledger, bool changed) {
  (void)pthread_mutex_lock(&ledger->lock);
  if (changed) {
    ledger->merger.asked++;
    (void)pthread_cond_signal(&ledger->merger.wake);
  }
  bool is_behind = run_list_count(ledger->runs, ENTRY_IDENTITY) >= LEDGER_RUNS_MAX && !ledger->merger.blocked;
  (void)pthread_mutex_unlock(&ledger->lock);
  return is_behind;
}

static void ask_checkpointer(struct ledger *ledger) {
  checkpoint_freeze(ledger);
  ledger->wants_checkpoint = false;
  ledger->frozen_since_ms = ledger->filled_since_ms;
  ledger->filled_since_ms = 0;
  (void)pthread_mutex_lock(&ledger->lock);
  ledger->checkpointer.state = WORK_ASKED;
  (void)pthread_cond_signal(&ledger->checkpointer.wake);
  (void)pthread_mutex_unlock(&ledger->lock);
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
