/* The ledger's insides, shared by the files of src/ledger that implement its door: open.c, writer.c, lookup.c,
 * apply.c, checkpoint.c, merge.c, workers.c, window_totals.c, gauges.c, zone_move.c, places.c, view.c, scan.c, scan_reader.c,
 * sums.c, past.c. No other file includes it.
 */
#ifndef CODECMETER_LEDGER_STATE_H
#define CODECMETER_LEDGER_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/catalogue/catalogue_write.h"
#include "ledger/dates.h"
#include "ledger/delta.h"
#include "ledger/index/identities.h"
#include "ledger/index/run_list.h"
#include "ledger/ledger.h"
#include "ledger/log/block.h"
#include "ledger/log/log.h"
#include "ledger/log/presence.h"
#include "ledger/past.h"
#include "ledger/totals/totals.h"

/* A codec name that a staged record brings into its project. */
struct staged_codec {
  uint32_t project;
  const char *name; /* kept by the catalogue */
};

/* What a record that counts adds to delta and catalogue (apply.h). */
struct effect {
  const struct project_state *project;
  struct delta_record record;
  /* The name of its codec, kept by the catalogue, if the project does not have that name yet: it gets a number when
   * the effect is applied. Otherwise NULL, and `record` has the number. */
  const char *codec;
};

enum work_state { WORK_IDLE, WORK_ASKED, WORK_DONE, WORK_FAILED };

/* A thread that makes runs for the writer: the checkpointer or the merger. Its result waits here for ledger_turn. */
struct worker {
  pthread_t thread;
  bool has_thread;
  /* under the ledger's lock: */
  pthread_cond_t wake;
  enum work_state state;
  struct run *made[ENTRY_KINDS];
  size_t made_count;
  struct err failure;
  uint64_t asked, looked; /* the merger: number of changes of the list, and the change at which it looked last */
  bool blocked;           /* has work, but a shortage; tries again. The checkpointer's shortage is in `failure` */
};

struct ledger {
  struct ledger_options options;
  char *derived;  /* DATA/derived, or the directory that a rebuild fills */
  char *runs_dir; /* derived/runs */
  struct log *log;
  struct rows *rows; /* of DATA/derived/totals */
  struct catalogue *catalogue;
  struct past *past;                                     /* past.c: where projects changed */
  struct presence data_place, derived_place, runs_place; /* DATA, derived, runs_dir: places.c */

  /* What readers see, under the lock `view`. It is locked for writing only while memory changes, never across I/O. */
  pthread_rwlock_t view;
  struct delta *filling;
  struct delta *frozen; /* the one that is being checkpointed, or NULL */
  struct run_list *runs;
  struct delta *spare; /* one that was checkpointed, kept for its memory, or NULL; the writer's own */

  /* The writer's own. */
  struct log_reader *reader;
  struct block_writer *staging;
  struct effect *effects; /* of the staged records, in order */
  size_t effects_count, effects_cap;
  struct identities staged;       /* by the hash of their identities */
  struct identities staged_voids; /* by the hash of their targets */
  struct staged_codec *staged_codecs;
  size_t staged_codecs_count, staged_codecs_cap;
  struct record found;         /* what a search read last */
  struct block_room *applying; /* room for a block of changes: a block on disk must not wait for memory */
  const struct project_state *recent_project; /* or NULL; the catalogue never frees one */
  bool is_staging;                            /* a group has begun */
  bool is_changing;                           /* the group holds a change to the catalogue, and nothing else */
  bool wants_checkpoint;                      /* even if the delta is not full: a zone changed, or a caller asked */
  int64_t block_time_ms;                      /* of the newest block */
  uint64_t reader_uses;                       /* uses of `reader` at the last turn that saw new ones */
  int64_t reader_used_ms;                     /* time of that turn, on the monotonic clock */
  /* When the filling and the frozen delta got their first blocks, on the monotonic clock; 0: it has none. Written by the
   * writer. */
  _Atomic int64_t filled_since_ms, frozen_since_ms;

  pthread_mutex_t lock; /* protects what follows */
  struct worker checkpointer, merger;
  pthread_cond_t left; /* signals that a worker has left something, or is blocked */
  bool stopping;
  bool is_opening;    /* no client is served yet: a shortage that may pass is an error, and no thread waits for it */
  bool watches_clock; /* true in a server */
  struct dates dates; /* the checkpointer's own, once watches_clock is true */
  uint64_t next_run;
  int64_t checkpointed_ms; /* when the last checkpoint ended, or when the ledger was opened, on the monotonic clock */
  uint64_t disk_free;      /* bytes, when the files were checked last; UINT64_MAX: unknown */
};

/* ---- workers.c: what the checkpointer and the merger share ---- */

/* The live runs, held for the caller. Any thread. */
struct run_list *ledger_hold_runs(struct ledger *ledger);
/* Replaces the list of live runs; takes over the caller's hold. The writer, or recovery. */
void ledger_change_runs(struct ledger *ledger, struct run_list *runs);
/* Reserves `count` numbers for new runs and returns the first. No number is given twice. */
uint64_t ledger_take_run_numbers(struct ledger *ledger, unsigned count);
/* Removes the file of a run, if it exists. */
void ledger_remove_run(struct ledger *ledger, uint64_t number);
/* Reports that something waits for ledger_turn. Called with the lock held; releases it during wake_writer. */
void ledger_wake_writer(struct ledger *ledger);
/* Waits until a worker has left something for ledger_turn. Called when the deltas are full, so a worker is at
 * work. */
void ledger_wait_for_workers(struct ledger *ledger);
MUST_USE int worker_start(struct worker *worker, struct ledger *ledger, void *(*run)(void *ledger), const char *name,
                          struct err *err);
/* Joins the thread and releases what it has made. `stopping` must be set. */
void worker_stop(struct worker *worker, struct ledger *ledger);

/* ---- checkpoint.c ---- */

MUST_USE int checkpoint_start(struct ledger *ledger, struct err *err);
/* Freezes the filling delta. The caller makes sure that no delta is frozen. */
void checkpoint_freeze(struct ledger *ledger);
/* Takes over the result of a finished checkpoint: adds its runs to the list and drops the frozen delta. */
void checkpoint_release(struct ledger *ledger, struct run *const *made, size_t count);

/* ---- merge.c ---- */

MUST_USE int merge_start(struct ledger *ledger, struct err *err);

/* ---- the others ---- */

/* apply.c: applies and shows a block of the log whose records were decided before this start. */
MUST_USE int writer_apply(struct ledger *ledger, const struct block *block, struct err *err);

/* open.c: opens a ledger whose derived files are in `derived` (a name in DATA). */
MUST_USE int open_with_derived(const struct ledger_options *options, const char *derived,
                               const struct ledger_progress *progress, struct ledger **ret, struct err *err);

#endif
