/* Opening and recovery. A start trusts the derived files up to their position and applies the rest of the log again.
 *
 * New derived files are made in `derived.new`, which is renamed to `derived` when it is complete and synced. So an
 * existing `derived` was complete once, and if it is missing beside a log, somebody removed it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/wait.h"
#include "ledger/places.h"
#include "ledger/scan.h"
#include "ledger/state.h"

#define PLACES 3u  /* directories that places.c keeps open */
#define PASSING 4u /* open for a moment: a directory to sync, a zone's file, the copy of a torn tail */
#define REPLACED 48u /* runs that merges replaced while calls of scan.h still read them: three large merges */
_Static_assert(
    SEGMENTS_DESCRIPTORS + ROWS_DESCRIPTORS + ENTRY_KINDS * (LEDGER_RUNS_MAX + 1) + PLACES + PASSING +
            SCAN_THREADS_MAX + REPLACED <=
        LEDGER_DESCRIPTORS,
    "the promised maximum of descriptors covers all parts of a ledger; a checkpoint makes one run of each kind");

#define DERIVED "derived"
#define DERIVED_NEW "derived.new"

/* ---- making and freeing ---- */

static struct ledger_options with_defaults(const struct ledger_options *given) {
  struct ledger_options options = *given;
  if (options.delta_max == 0) options.delta_max = LEDGER_DELTA_MAX_DEFAULT;
  if (options.map_size == 0) options.map_size = LEDGER_MAP_SIZE_DEFAULT;
  if (options.segment_size == 0) options.segment_size = LEDGER_SEGMENT_SIZE_DEFAULT;
  if (options.blocks_cache == 0) options.blocks_cache = LEDGER_BLOCKS_CACHE_DEFAULT;
  if (options.disk_reserve == 0) options.disk_reserve = LEDGER_DISK_RESERVE_DEFAULT;
  if (options.clock == NULL) options.clock = clock_system();
  return options;
}

/* Prefers writers: a stream of queries must not keep the committer from applying a block that is on disk. */
static void init_view(pthread_rwlock_t *view) {
  pthread_rwlockattr_t attributes;
  CHECK(pthread_rwlockattr_init(&attributes) == 0);
  CHECK(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
  CHECK(pthread_rwlock_init(view, &attributes) == 0);
  (void)pthread_rwlockattr_destroy(&attributes);
}

static struct ledger *ledger_new(const struct ledger_options *options, const char *derived) {
  struct ledger *ledger = calloc(1, sizeof *ledger);
  CHECK(ledger != NULL);
  ledger->options = with_defaults(options);
  ledger->options.dir = strdup(options->dir);
  ledger->derived = file_path(options->dir, derived);
  ledger->runs_dir = file_path(ledger->derived, "runs");
  ledger->catalogue = catalogue_new();
  ledger->past = past_new();
  ledger->staging = block_writer_new();
  ledger->applying = malloc(sizeof *ledger->applying);
  CHECK(ledger->options.dir != NULL && ledger->staging != NULL && ledger->applying != NULL);
  init_view(&ledger->view);
  ledger->runs = run_list_new();
  lock_init(&ledger->lock);
  wait_init(&ledger->checkpointer.wake);
  wait_init(&ledger->merger.wake);
  wait_init(&ledger->left);
  ledger->checkpointed_ms = clock_monotonic_ms(ledger->options.clock);
  ledger->disk_free = UINT64_MAX;
  ledger->data_place = ledger->derived_place = ledger->runs_place = PRESENCE_NONE;
  return ledger;
}

static void stop_workers(struct ledger *ledger) {
  lock_take(&ledger->lock);
  ledger->stopping = true;
  lock_give(&ledger->lock);
  worker_stop(&ledger->checkpointer, ledger);
  worker_stop(&ledger->merger, ledger);
}

void ledger_close(struct ledger *ledger) {
  if (ledger == NULL) return;
  stop_workers(ledger);
  places_fini(ledger);
  run_list_release(ledger->runs);
  delta_release(ledger->filling);
  delta_release(ledger->frozen);
  delta_release(ledger->spare);
  identities_fini(&ledger->staged);
  identities_fini(&ledger->staged_voids);
  free(ledger->effects);
  free(ledger->staged_codecs);
  block_writer_free(ledger->staging);
  free(ledger->applying);
  log_reader_free(ledger->reader);
  past_free(ledger->past);
  catalogue_free(ledger->catalogue);
  rows_close(ledger->rows);
  log_close(ledger->log);
  (void)pthread_rwlock_destroy(&ledger->view);
  lock_fini(&ledger->lock);
  (void)pthread_cond_destroy(&ledger->checkpointer.wake);
  (void)pthread_cond_destroy(&ledger->merger.wake);
  (void)pthread_cond_destroy(&ledger->left);
  free(ledger->runs_dir);
  free(ledger->derived);
  free((char *)(uintptr_t)ledger->options.dir);
  free(ledger);
}

/* ---- a new ledger ---- */

static int make_uuid(uint8_t uuid[LEDGER_UUID_SIZE], struct err *err) {
  if (getrandom(uuid, LEDGER_UUID_SIZE, 0) != LEDGER_UUID_SIZE) {
    return err_set_errno(err, ERR_INTERNAL, errno, "cannot get random bytes for the new ledger's UUID");
  }
  uuid[6] = (uint8_t)((uuid[6] & 0x0F) | 0x40); /* RFC 9562, version 4 */
  uuid[8] = (uint8_t)((uuid[8] & 0x3F) | 0x80);
  return 0;
}

/* Makes empty derived files under a name in DATA, complete and synced. */
static int make_derived(const struct ledger_options *options, const char *name, const uint8_t *uuid,
                        struct err *err) {
  SCOPED_MALLOC char *path = file_path(options->dir, name);
  SCOPED_MALLOC char *runs = file_path(path, "runs");
  struct rows *rows;
  int result = file_remove_tree(path, err);
  if (result == 0) result = rows_create(path, options->map_size, &rows, err);
  if (result != 0) return result;
  result = totals_init(rows, uuid, err);
  rows_close(rows);
  if (result == 0) result = file_make_dir(runs, err);
  return result == 0 ? file_sync_dir(path, err) : result;
}

static int create(struct ledger *ledger, struct err *err) {
  uint8_t uuid[LEDGER_UUID_SIZE];
  SCOPED_MALLOC char *fresh = file_path(ledger->options.dir, DERIVED_NEW);
  int result = make_uuid(uuid, err);
  if (result == 0) result = make_derived(&ledger->options, DERIVED_NEW, uuid, err);
  if (result == 0 && rename(fresh, ledger->derived) != 0) {
    result = err_set_errno(err, ERR_IO, errno, "cannot rename %s to %s", fresh, ledger->derived);
  }
  if (result == 0) result = file_sync_dir(ledger->options.dir, err);
  return result;
}

/* ---- finding the files ---- */

static int read_meta(struct ledger *ledger, struct totals_meta *ret, struct err *err) {
  SCOPED(rows_end_ref) struct rows_txn *snapshot = NULL;
  int result = rows_begin(ledger->rows, &snapshot, err);
  return result == 0 ? totals_meta(snapshot, ret, err) : result;
}

static int open_log(struct ledger *ledger, const struct totals_meta *meta, struct err *err) {
  const struct ledger_options *options = &ledger->options;
  if (ledger->log != NULL) return 0;
  if (meta->position != LOG_FIRST_POSITION) {
    return err_set(err, ERR_CORRUPT, "%s/log is missing, but %s exists: restore the log from a backup", options->dir,
                   ledger->derived);
  }
  /* A crash interrupted the making of this ledger before its first segment. */
  return log_create(options->dir, meta->uuid, clock_real_ms(options->clock), options->segment_size, &ledger->log,
                    err);
}

static int open_files(struct ledger *ledger, struct totals_meta *ret_meta, struct err *err) {
  const struct ledger_options *options = &ledger->options;
  int result = log_open(options->dir, options->segment_size, &ledger->log, err);
  if (result != 0) return result;
  bool is_new = ledger->log == NULL && !file_exists(ledger->derived), is_old = false;
  result = is_new ? create(ledger, err) : 0;
  if (result == 0) result = rows_open(ledger->derived, options->map_size, false, &ledger->rows, &is_old, err);
  if (is_old)
    result = err_set(err, ERR_VERSION, "%s has an earlier format: run `codecmeter rebuild`", ledger->derived);
  if (result == -ERR_NOT_FOUND) {
    return err_set(err, ERR_CORRUPT, "%s has a log but no derived files: run `codecmeter rebuild --data %s`",
                   options->dir, options->dir);
  }
  if (result == 0) result = read_meta(ledger, ret_meta, err);
  if (result == 0) result = open_log(ledger, ret_meta, err);
  if (result == 0 && memcmp(log_uuid(ledger->log), ret_meta->uuid, LEDGER_UUID_SIZE) != 0) {
    result =
        err_set(err, ERR_CORRUPT, "%s belongs to another ledger than the log: run `codecmeter rebuild --data %s`",
                ledger->derived, options->dir);
  }
  return result;
}

/* ---- runs ---- */

static int open_listed(void *arg, const struct run_info *info, struct err *err) {
  struct ledger *ledger = arg;
  struct run *run;
  int result = run_open(ledger->runs_dir, log_uuid(ledger->log), info, &run, err);
  if (result == -ERR_NOT_FOUND) err->code = ERR_CORRUPT;
  if (result != 0) return -(int)err->code;
  ledger_change_runs(ledger, run_list_with(ledger->runs, run));
  return 0;
}

static bool is_listed(const struct ledger *ledger, const char *name) {
  for (size_t i = 0; i < ledger->runs->count; i++) {
    char listed[RUN_NAME_SIZE];
    run_name(run_info(ledger->runs->items[i])->number, listed);
    if (strcmp(listed, name) == 0) return true;
  }
  return false;
}

/* Removes runs of this ledger that are not in the list: a crash left them. Does not touch other files. */
static int remove_unlisted(struct ledger *ledger, struct err *err) {
  DIR *dir = opendir(ledger->runs_dir);
  if (dir == NULL) return err_set_errno(err, ERR_IO, errno, "cannot list %s", ledger->runs_dir);
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    if (entry->d_name[0] == '.' || is_listed(ledger, entry->d_name)) continue;
    SCOPED_MALLOC char *path = file_path(ledger->runs_dir, entry->d_name);
    if (!run_is_of(path, log_uuid(ledger->log))) continue;
    diag_info("removed %s: a checkpoint or merge was interrupted and left it", path);
    (void)unlink(path);
  }
  (void)closedir(dir);
  return 0;
}

static int load_derived(struct ledger *ledger, struct err *err) {
  SCOPED(rows_end_ref) struct rows_txn *snapshot = NULL;
  int result = rows_begin(ledger->rows, &snapshot, err);
  if (result == 0) result = totals_visit_runs(snapshot, open_listed, ledger, err);
  if (result == 0) result = remove_unlisted(ledger, err);
  struct totals_meta meta;
  if (result == 0) result = totals_meta(snapshot, &meta, err);
  if (result != 0) return result;
  past_note_change(ledger->past, meta.position);
  return catalogue_load(ledger->catalogue, snapshot, err);
}

/* ---- applying the rest of the log ---- */

struct recovery {
  struct ledger *ledger;
  const struct ledger_progress *progress;
  uint64_t blocks;
};

/* Makes room in the filling delta. The checkpointer takes a full delta; while it works, a second one may fill. */
static int make_room(struct ledger *ledger, struct err *err) {
  for (;;) {
    int result = ledger_turn(ledger, err);
    if (result != 0 || delta_records(ledger->filling) < ledger->options.delta_max) return result;
    ledger_wait_for_workers(ledger);
  }
}

static int recover_block(void *arg, const struct block *block, struct err *err) {
  struct recovery *recovery = arg;
  struct ledger *ledger = recovery->ledger;
  int result = make_room(ledger, err);
  if (result == 0) result = writer_apply(ledger, block, err);
  if (block->time_ms > ledger->block_time_ms) ledger->block_time_ms = block->time_ms;
  const struct ledger_progress *progress = recovery->progress;
  if (progress != NULL && progress->step != NULL && recovery->blocks++ % 256 == 0) {
    progress->step(progress->arg, block->position + block->bytes.len, log_end(ledger->log));
  }
  return result;
}

/* Requests a checkpoint if a project's days were made with other rules than its zone's present ones: the checkpoint
 * makes them again. */
static int look_at_zones(struct ledger *ledger, struct err *err) {
  SCOPED(rows_end_ref) struct rows_txn *snapshot = NULL;
  SCOPED_MALLOC struct project *projects = NULL;
  size_t count;
  int result = catalogue_projects(ledger->catalogue, &projects, &count);
  if (result != 0) return err_set(err, ERR_MEMORY, "no memory to list projects");
  result = rows_begin(ledger->rows, &snapshot, err);
  for (size_t i = 0; i < count && result == 0; i++) {
    const struct project_state *state = catalogue_state(ledger->catalogue, str_of(projects[i].id));
    enum totals_days days;
    result = totals_days_state(snapshot, state->info.number, state->zone, &days, err);
    if (result == 0 && days == TOTALS_DAYS_STALE) ledger->wants_checkpoint = true;
  }
  return result;
}

int open_with_derived(const struct ledger_options *options, const char *derived,
                      const struct ledger_progress *progress, struct ledger **ret, struct err *err) {
  SCOPED(ledger_close_ref) struct ledger *ledger = ledger_new(options, derived);
  bool is_rebuilt = strcmp(derived, DERIVED_NEW) == 0;
  struct totals_meta meta;
  int result = open_files(ledger, &meta, err);
  if (result == 0) result = load_derived(ledger, err);
  if (result == 0) result = places_begin(ledger, err);
  if (result != 0) return result;
  ledger->next_run = meta.next_run;
  ledger->block_time_ms = meta.block_time_ms;
  ledger->filling = delta_new(meta.position);
  ledger->reader = log_reader_new(ledger->log, ledger->options.blocks_cache);
  if (ledger->reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  ledger->is_opening = true;
  struct recovery recovery = {.ledger = ledger, .progress = progress};
  result = checkpoint_start(ledger, err);
  if (result == 0 && !options->maintenance) result = merge_start(ledger, err);
  if (result == 0) result = log_recover(ledger->log, meta.position, recover_block, &recovery, err);
  if (result == 0) result = look_at_zones(ledger, err);
  lock_take(&ledger->lock);
  ledger->is_opening = is_rebuilt;
  lock_give(&ledger->lock);
  if (result == 0) *ret = MOVE(ledger);
  return result;
}

/* ---- rebuilding ---- */

/* Swaps the new directory in. The names change in one step, so a crash leaves the old directory or the new one. */
static int swap_derived(const char *dir, struct err *err) {
  SCOPED_MALLOC char *fresh = file_path(dir, DERIVED_NEW);
  SCOPED_MALLOC char *old = file_path(dir, DERIVED);
  bool replaces = file_exists(old);
  if (renameat2(AT_FDCWD, fresh, AT_FDCWD, old, replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE) != 0) {
    return err_set_errno(err, ERR_IO, errno, "cannot rename %s to %s", fresh, old);
  }
  int result = file_sync_dir(dir, err);
  return result == 0 && replaces ? file_remove_tree(fresh, err) : result;
}

/* Checkpoints everything that is still in memory. */
static int checkpoint_all(struct ledger *ledger, struct err *err) {
  for (;;) {
    ledger->wants_checkpoint = !delta_is_empty(ledger->filling);
    int result = ledger_turn(ledger, err);
    if (result != 0 || (ledger->frozen == NULL && delta_is_empty(ledger->filling))) return result;
    ledger_wait_for_workers(ledger);
  }
}

static int make_anew(const struct ledger_options *options, const struct ledger_progress *progress, struct err *err) {
  SCOPED(ledger_close_ref) struct ledger *ledger = NULL;
  int result = open_with_derived(options, DERIVED_NEW, progress, &ledger, err);
  if (result == 0) result = checkpoint_all(ledger, err);
  if (result == 0 && progress != NULL && progress->step != NULL) {
    progress->step(progress->arg, log_end(ledger->log), log_end(ledger->log));
  }
  return result;
}

int ledger_rebuild(const struct ledger_options *given, const struct ledger_progress *progress, struct err *err) {
  struct ledger_options options = with_defaults(given);
  options.maintenance = false; /* merge the runs while they are made */
  uint8_t uuid[LEDGER_UUID_SIZE];
  {
    SCOPED(log_close_ref) struct log *log = NULL;
    int result = log_open(options.dir, options.segment_size, &log, err);
    if (result != 0) return result;
    if (log == NULL) {
      return err_set(err, ERR_NOT_FOUND, "%s/log has no segments: name a data directory that holds a ledger",
                     options.dir);
    }
    memcpy(uuid, log_uuid(log), sizeof uuid);
  }
  SCOPED_MALLOC char *unfinished = file_path(options.dir, DERIVED_NEW);
  int result = make_derived(&options, DERIVED_NEW, uuid, err);
  if (result == 0) result = make_anew(&options, progress, err);
  if (result == 0) return swap_derived(options.dir, err);
  if (file_remove_tree(unfinished, NULL) != 0) diag_warning("cannot remove %s: you may remove it", unfinished);
  return result;
}

/* ---- the door ---- */

/* Makes derived files of an earlier format again: everything in them is in the log. Does not touch damaged ones. */
static int check_derived(const struct ledger_options *options, struct err *err) {
  SCOPED_MALLOC char *derived = file_path(options->dir, DERIVED);
  bool is_old = false;
  int result = rows_probe(derived, with_defaults(options).map_size, &is_old, err);
  if (result == -ERR_NOT_FOUND) return 0; /* a new ledger, or open_files reports it */
  if (result != 0 || !is_old) return result;
  diag_info("%s has an earlier format: rebuilding it from the log", derived);
  return ledger_rebuild(options, &options->opening, err);
}

static void watch_clock(struct ledger *ledger) {
  (void)dates_begin(&ledger->dates, ledger->options.clock, ledger->block_time_ms);
  lock_take(&ledger->lock);
  ledger->watches_clock = true;
  lock_give(&ledger->lock);
}

int ledger_open(const struct ledger_options *options, struct ledger **ret, struct err *err) {
  SCOPED_MALLOC char *unfinished = file_path(options->dir, DERIVED_NEW);
  int result = file_remove_tree(unfinished, err);
  if (result == 0) result = check_derived(options, err);
  if (result == 0) result = open_with_derived(options, DERIVED, &options->opening, ret, err);
  if (result == 0 && !options->maintenance) watch_clock(*ret);
  return result;
}
