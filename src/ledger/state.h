/* The ledger's insides, shared by the files of src/ledger that make up its door: open.c, writer.c, checkpoint.c,
 * query.c, rebuild.c. Nobody else includes it.
 */
#ifndef CODECMETER_LEDGER_STATE_H
#define CODECMETER_LEDGER_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/block.h"
#include "ledger/catalogue_write.h"
#include "ledger/delta.h"
#include "ledger/identities.h"
#include "ledger/ledger.h"
#include "ledger/log.h"
#include "ledger/run.h"
#include "ledger/totals.h"

/* Live runs, oldest first. */
struct run_list {
  struct run **items;
  size_t count;
};

/* A codec name that a staged record brings into its project. */
struct staged_codec {
  uint32_t project;
  char name[CODEC_NAME_MAX + 1];
};

enum checkpoint_state { CHECKPOINT_IDLE, CHECKPOINT_ASKED, CHECKPOINT_DONE, CHECKPOINT_FAILED };

struct ledger {
  struct ledger_options options;
  char *derived;  /* DATA/derived, or where a rebuild makes the new one */
  char *runs_dir; /* derived/runs */
  struct log *log;
  struct totals *totals;
  struct catalogue *catalogue;

  /* What readers see. Held for writing only while memory is changed, never across I/O. */
  pthread_rwlock_t view;
  struct delta *filling;
  struct delta *frozen; /* NULL, or being checkpointed */
  struct run_list runs;

  /* The writer's own. */
  struct log_reader *reader;
  struct block_writer *staging;
  struct identities staged;
  struct staged_codec *staged_codecs;
  size_t staged_codecs_count;
  uint64_t staged_usages;
  bool is_staging;       /* a group is begun */
  bool wants_checkpoint; /* though the delta is not full: a zone changed */
  int64_t block_time_ms; /* of the newest block */

  /* The checkpointer. */
  pthread_t checkpointer;
  bool has_checkpointer;
  pthread_mutex_t lock; /* what follows */
  pthread_cond_t wake;
  enum checkpoint_state state;
  bool stopping;
  struct run_list made; /* runs of the finished checkpoint */
  uint64_t next_run;
  struct err failure;
};

/* checkpoint.c: writes the frozen delta's runs, then its transaction; gives the new runs, opened. */
MUST_USE int checkpoint_write(struct ledger *ledger, struct run_list *ret_made, struct err *err);
/* Starts and stops the thread. */
MUST_USE int checkpoint_start(struct ledger *ledger, struct err *err);
void checkpoint_stop(struct ledger *ledger);
/* Freezes the filling delta: the caller has made sure that none is frozen. */
void checkpoint_freeze(struct ledger *ledger);
/* Takes over what a finished checkpoint made: its runs join the list, the frozen delta goes. */
void checkpoint_release(struct ledger *ledger, struct run_list *made);

/* writer.c: applies a committed block. `decided`: the writer has just decided each record and nothing came between. */
MUST_USE int writer_apply(struct ledger *ledger, const struct block *block, bool decided, struct err *err);

/* open.c: opens a ledger whose derived files lie in `derived` (a name in DATA). */
MUST_USE int open_with_derived(const struct ledger_options *options, const char *derived,
                               const struct ledger_progress *progress, struct ledger **ret, struct err *err);

#endif
