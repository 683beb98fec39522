/* The ledger's insides, shared by the files of src/ledger that make up its door: open.c, writer.c, checkpoint.c,
 * merge.c, workers.c, query.c. Nobody else includes it.
 */
#ifndef CODECMETER_LEDGER_STATE_H
#define CODECMETER_LEDGER_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/block.h"
#include "ledger/catalogue_write.h"
#include "ledger/dates.h"
#include "ledger/delta.h"
#include "ledger/identities.h"
#include "ledger/ledger.h"
#include "ledger/log.h"
#include "ledger/presence.h"
#include "ledger/run_list.h"
#include "ledger/totals.h"

/* A codec name that a staged record brings into its project. */
struct staged_codec {
  uint32_t project;
  char name[CODEC_NAME_MAX + 1];
};

/* What a staged void takes off: its target, without texts but the codec. */
struct staged_void {
  struct usage target;
  char codec[CODEC_NAME_MAX + 1];
};

enum work_state { WORK_IDLE, WORK_ASKED, WORK_DONE, WORK_FAILED };

/* A thread that makes runs for the writer: the checkpointer, the merger. What it has made waits here for ledger_turn.
 */
struct worker {
  pthread_t thread;
  bool has_thread;
  /* under the ledger's lock: */
  pthread_cond_t wake;
  enum work_state state;
  struct run *made[ENTRY_KINDS];
  size_t made_count;
  struct err failure;
  uint64_t asked, looked; /* the merger: how often the list has changed, and at which of these it looked last */
  bool blocked;           /* there is work, but a shortage; it is tried again. The checkpointer's is in `failure` */
};

struct ledger {
  struct ledger_options options;
  char *derived;  /* DATA/derived, or where a rebuild makes the new one */
  char *runs_dir; /* derived/runs */
  struct log *log;
  struct rows *rows; /* of DATA/derived/totals */
  struct catalogue *catalogue;
  struct presence data_place, derived_place, runs_place; /* DATA, derived, runs_dir: places.c */

  /* What readers see. Held for writing only while memory is changed, never across I/O. */
  pthread_rwlock_t view;
  struct delta *filling;
  struct delta *frozen; /* NULL, or being checkpointed */
  struct run_list *runs;
  struct delta *spare; /* NULL, or one that has been checkpointed, for its memory; the writer's own */

  /* The writer's own. */
  struct log_reader *reader;
  struct block_writer *staging;
  struct identities staged;
  struct staged_codec *staged_codecs;
  size_t staged_codecs_count;
  struct identities staged_voids; /* by hash_void_of */
  struct staged_void *staged_targets;
  size_t staged_targets_count, staged_targets_applied;
  uint64_t staged_usages;
  struct block_room *applying; /* room for the block that is applied: what is on disk must not wait for memory */
  const struct project_state *recent_project; /* or NULL; the catalogue never lets go of one */
  uint32_t staged_applied;                    /* of `staged`, after the commit */
  bool is_staging;                            /* a group is begun */
  bool is_changing;                           /* it holds a change, and nothing else */
  bool wants_checkpoint;                      /* though the delta is not full: a zone changed, or somebody asked */
  int64_t block_time_ms;                      /* of the newest block */
  uint64_t reader_uses;                       /* of `reader`, at the last turn that saw new ones */
  int64_t reader_used_ms;                     /* when that was, on the monotonic clock */
  int64_t filled_since_ms; /* when the filling delta got its first block, on the monotonic clock; 0: it has none */

  pthread_mutex_t lock; /* what follows */
  struct worker checkpointer, merger;
  pthread_cond_t left; /* a worker has left something, or is blocked */
  bool stopping;
  bool is_opening;    /* nobody is served yet: a shortage that may pass is an error, not waited for */
  bool watches_clock; /* of a server */
  struct dates dates; /* the checkpointer's, once that is so */
  uint64_t next_run;
};

/* ---- workers.c: what the checkpointer and the merger share ---- */

/* The live runs, held for the caller. Any thread. */
struct run_list *ledger_hold_runs(struct ledger *ledger);
/* Puts a new list in place of the present one; takes over the caller's hold. The writer, or recovery. */
void ledger_change_runs(struct ledger *ledger, struct run_list *runs);
/* Numbers for runs to be made, each given once. */
uint64_t ledger_take_run_numbers(struct ledger *ledger, unsigned count);
/* Removes the file of a run, if it is there. */
void ledger_remove_run(struct ledger *ledger, uint64_t number);
/* With the lock held, which is let go meanwhile: something waits for ledger_turn. */
void ledger_wake_writer(struct ledger *ledger);
/* Waits until a worker has left something for ledger_turn; the deltas are full, so one of them is at work. */
void ledger_wait_for_workers(struct ledger *ledger);
MUST_USE int worker_start(struct worker *worker, struct ledger *ledger, void *(*run)(void *ledger), const char *name,
                          struct err *err);
/* `stopping` is set. */
void worker_stop(struct worker *worker, struct ledger *ledger);

/* ---- checkpoint.c ---- */

MUST_USE int checkpoint_start(struct ledger *ledger, struct err *err);
/* Freezes the filling delta: the caller has made sure that none is frozen. */
void checkpoint_freeze(struct ledger *ledger);
/* Takes over what a finished checkpoint made: its runs join the list, the frozen delta goes. */
void checkpoint_release(struct ledger *ledger, struct run *const *made, size_t count);

/* ---- merge.c ---- */

MUST_USE int merge_start(struct ledger *ledger, struct err *err);

/* ---- the others ---- */

/* writer.c: applies a block of the log's that was not decided here. */
MUST_USE int writer_apply(struct ledger *ledger, const struct block *block, struct err *err);

/* open.c: opens a ledger whose derived files lie in `derived` (a name in DATA). */
MUST_USE int open_with_derived(const struct ledger_options *options, const char *derived,
                               const struct ledger_progress *progress, struct ledger **ret, struct err *err);

#endif
