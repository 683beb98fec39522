/* The ledger's door: everything outside src/ledger uses this header and catalogue.h only. Source: design §6.
 *
 * One log of records is the truth; totals, runs and the catalogue are derived from it.
 *
 * Threads. Exactly one thread at a time is the writer: it alone calls ledger_stage_*, ledger_commit and ledger_turn.
 * Any number of threads read (ledger_totals, catalogue_*) at any time; they never wait for the writer's I/O. The
 * ledger runs threads of its own: the checkpointer, the merger, and the syncer, which waits for the disk beside the
 * writer. They are joined by ledger_close.
 */
#ifndef CODECMETER_LEDGER_LEDGER_H
#define CODECMETER_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "ledger/catalogue.h"
#include "meter/codec.h"
#include "meter/usage.h"

struct ledger;

/* Bounds of ledger_options, and what 0 stands for. */
#define LEDGER_DELTA_MAX_DEFAULT UINT64_C(1000000)        /* records of usage in a delta */
#define LEDGER_MAP_SIZE_DEFAULT (UINT64_C(64) << 30)      /* bytes of address space for LMDB; sparse */
#define LEDGER_SEGMENT_SIZE_DEFAULT (UINT64_C(256) << 20) /* bytes after which a new segment is begun */
#define LEDGER_BLOCKS_CACHE_DEFAULT (UINT64_C(128) << 20)  /* bytes of checked blocks that the writer keeps */
#define LEDGER_DISK_RESERVE_DEFAULT (UINT64_C(256) << 20) /* free bytes below which usage is refused */
/* Runs of one kind from which on a checkpoint waits for the merger, unless that lacks room on the disk. Each costs a
 * look-up of a new id a filter's cache line. */
#define LEDGER_RUNS_MAX 48u
/* Descriptors that an open ledger needs at most: runs, segments of the log, LMDB, directories. Whoever serves
 * connections from the same process leaves it as many. */
#define LEDGER_DESCRIPTORS 192u

struct ledger_progress {
  void (*step)(void *arg, uint64_t done, uint64_t total); /* bytes; may be NULL */
  void *arg;
};

struct ledger_options {
  const char *dir; /* DATA: exists, owned by us, locked by the caller */
  uint64_t delta_max;
  int64_t delta_age_ms; /* a delta older than this is checkpointed though it is not full; 0: never */
  uint64_t map_size;
  uint64_t segment_size;
  uint64_t disk_reserve;     /* UINT64_MAX: no reserve at all */
  uint64_t blocks_cache;     /* memory is taken as blocks are read, and freed after a minute without use */
  const struct clock *clock; /* borrowed until close; NULL: the machine's */
  bool maintenance;          /* no merging: for commands that make one change and leave */
  /* Called by the checkpointer and the merger when they have left something for ledger_turn, which the writer is to
   * call. May be NULL. Must not block. */
  void (*wake_writer)(void *arg);
  void *wake_writer_arg;
  struct ledger_progress opening; /* told how far ledger_open has got with the log that it applies */
};

/* Opens the ledger of a data directory, made if it has none, and recovers it: what lies beyond the last known sync is
 * written anew and synced, a torn tail is cut and kept under DATA/cut. Damage elsewhere stops it: -ERR_CORRUPT with
 * file, offset and remedy; -ERR_VERSION for a format of a later release. Warns if the newest record and the clock do
 * not fit together, and later if the clock is set (dates.h), unless `maintenance`. Caller closes. */
MUST_USE int ledger_open(const struct ledger_options *options, struct ledger **ret, struct err *err);
/* Stops the threads (a checkpoint under way is finished, a merge dropped) and frees; staged and uncommitted is
 * dropped. */
void ledger_close(struct ledger *ledger);
SCOPED_REF(struct ledger, ledger_close)

/* ---- writing: the writer thread only ---- */

enum verdict_outcome { VERDICT_STORED, VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_REJECTED };

enum verdict_reason {
  VERDICT_REASON_NONE,
  VERDICT_REASON_CONTENT,    /* conflict: fields says where */
  VERDICT_REASON_NO_PROJECT, /* rejected: the project does not exist */
  VERDICT_REASON_CODECS,     /* rejected: CODEC_NAMES_PER_PROJECT names are in use */
  VERDICT_REASON_NO_TARGET,  /* rejected: a void of what is not there */
  VERDICT_REASON_WAITS,      /* rejected: a void of what is unresolved */
  VERDICT_REASON_VOID,       /* rejected: a void of a void */
  VERDICT_REASON_VOIDED,     /* duplicate: its target has been voided before */
};

struct verdict {
  enum verdict_outcome outcome;
  enum verdict_reason reason;
  unsigned fields; /* enum usage_field bits of a conflict */
};

/* Decides reports, in order, each against everything before it (staged ones included), and stages those that are new;
 * stops behind the one with which what is staged reaches bytes_max. What a verdict says holds once ledger_commit has
 * returned 0, and only then. *ret_decided is how many have their verdict, on an error too; the next one has left no
 * trace. -ERR_BUSY: both deltas are full; commit, wait for wake_writer, ledger_turn, go on with the rest. -ERR_FULL:
 * below the disk's reserve. -ERR_DESCRIPTORS, -ERR_MEMORY: a file could not be opened or memory not be had for now.
 */
MUST_USE int ledger_stage_usages(struct ledger *ledger, const struct usage *usages, size_t count, uint64_t bytes_max,
                                 struct verdict *ret_verdicts, size_t *ret_decided, struct err *err);

/* Decides one change to the catalogue and stages it; nothing else may be staged. -ERR_EXISTS, -ERR_NOT_FOUND,
 * -ERR_RANGE say why not. It is in force, for readers too, when ledger_commit has returned 0. */
MUST_USE int ledger_stage_change(struct ledger *ledger, const struct change *change, struct err *err);

/* Bytes staged and not yet committed. A writer that stages for long commits when this passes what it means to bear.
 */
uint64_t ledger_staged_bytes(const struct ledger *ledger);

/* Writes what is staged, syncs it, applies it. On -ERR_FULL, and on -ERR_MEMORY, the log is as it was before the
 * first staged record and all that was staged is dropped: nobody may be told an outcome, not even duplicate. On any
 * other error the ledger accepts nothing any more (every later write gives -ERR_IO): stop the program. */
MUST_USE int ledger_commit(struct ledger *ledger, struct err *err);

/* At a commit boundary (nothing staged): takes over what a finished checkpoint or merge left, freezes a full delta.
 * Call after each commit and when wake_writer has fired. An error is the checkpointer's or the merger's, and final.
 */
MUST_USE int ledger_turn(struct ledger *ledger, struct err *err);

/* Has a later ledger_turn begin a checkpoint of all that was applied below a position, unless one that was begun
 * covers it. ledger_status says when it is done. The writer only, at any moment. */
void ledger_want_checkpoint(struct ledger *ledger, uint64_t up_to);
/* Checks that the directories, the log's segments and the totals that are open are the ones that their paths lead to,
 * so that a later start finds what was written. -ERR_CORRUPT names what was removed, renamed or replaced. The ledger
 * does so itself every few seconds (ledger_turn then fails); whoever stops one looks once more. Any thread. */
MUST_USE int ledger_check_places(struct ledger *ledger, struct err *err);

/* In how many milliseconds ledger_turn has something to do though nothing was committed; INT64_MAX: never. */
int64_t ledger_turn_due_ms(const struct ledger *ledger);

/* ---- reading: any thread ---- */

/* Totals of one day and codec. units: seconds of transcodes and remuxes by tier (remuxes in [0]), images of snapshots
 * in [0]. */
struct ledger_row {
  int32_t day;
  char codec[CODEC_NAME_MAX + 1]; /* "" of usage that names none: only remuxes and snapshots need not */
  uint64_t units[TIERS];
  uint64_t minutes[TIERS];
  uint64_t tasks[TIERS];
};

struct ledger_rows {
  struct ledger_row *items; /* sorted by day, then codec; only days and codecs that have a finished task */
  size_t count;
};
void ledger_rows_fini(struct ledger_rows *rows);

/* What ledger_totals may take and give for these days, by the codecs that the project has used. */
struct ledger_cost {
  uint64_t bytes; /* of memory, until the rows are freed */
  uint64_t rows;  /* at most */
};
void ledger_totals_cost(const struct ledger *ledger, const struct project *project, int32_t first_day,
                        int32_t last_day, struct ledger_cost *ret);

/* Totals per day of the project's zone and codec, first_day to last_day inclusive, as of now: every record whose
 * commit had returned when this was called is in it. -ERR_LIMIT if there are more than rows_max days, or rows; a row
 * whose records were all voided is none. Takes the memory that ledger_totals_cost says. Caller frees with
 * ledger_rows_fini. */
MUST_USE int ledger_totals(struct ledger *ledger, const struct project *project, enum usage_kind kind,
                           int32_t first_day, int32_t last_day, size_t rows_max, struct ledger_rows *ret,
                           struct err *err);

/* What the days of a project's whole past look like in another zone. */
struct ledger_zone_move {
  uint64_t tasks, seconds;     /* that belong to another date there; images of snapshots are no seconds */
  unsigned days;               /* dates whose totals differ */
  int32_t first_day, last_day; /* of those; undefined if there are none */
};
/* Compares the zone that the project counts in with `to`, as of now. */
MUST_USE int ledger_zone_move(struct ledger *ledger, const struct project *project, const struct zone *to,
                              struct ledger_zone_move *ret, struct err *err);

/* The catalogue: projects, keys, tokens. Borrowed; lives as long as the ledger. */
const struct catalogue *ledger_catalogue(const struct ledger *ledger);

struct ledger_status {
  uint64_t end;        /* position behind the last applied byte of the log */
  uint64_t checkpoint; /* position up to which the derived files are complete */
  uint64_t delta_records[2];
  unsigned runs; /* live run files */
};
void ledger_status(struct ledger *ledger, struct ledger_status *ret);

/* ---- care ---- */

struct ledger_verify_options {
  void (*differs)(void *arg, const char *line); /* told of the first hundred differences; may be NULL */
  void *arg;
  struct ledger_progress progress;
};

struct ledger_verify_report {
  uint64_t blocks, records, usages; /* of the log; usages are voids too */
  uint64_t from, end;               /* positions that were read: the log's first block, behind its last good one */
  bool is_backup;                   /* no derived files, by right: only the log was checked. The next three are 0 */
  uint64_t compared;                /* records below `covered` */
  uint64_t covered;                 /* position up to which derived files were compared with the log */
  uint64_t cells;                   /* quarter hours of a project, codec and tier that have usage */
  uint64_t unsettled;               /* bytes behind it: being written, or a torn tail that the next start cuts */
  uint64_t differences;
};

/* Reads the whole log and all derived files, and compares them: checksums, totals with a recount, identities and
 * times with the records, each identity once, the catalogue. Changes nothing; works beside a running server, at the
 * snapshot of its last checkpoint: records beyond that are read, and not compared. Of a backup it reads the log, and
 * checks that the log reaches as far as its label says. 0: *ret says what was found, differences included. An error:
 * it could not be read to the end, for the reason given (-ERR_CORRUPT with file and offset). Of options only dir and
 * map_size count. */
MUST_USE int ledger_verify(const struct ledger_options *options, const struct ledger_verify_options *how,
                           struct ledger_verify_report *ret, struct err *err);

struct ledger_backup_report {
  uint64_t position; /* everything below it is in the backup */
  uint64_t bytes;
};

/* Copies the log into a directory outside the data directory, made if need be: all that was answered before this was
 * called is in it, and on disk when it returns. The server may run. An earlier backup of the same ledger is brought
 * up to date. One backup at a time writes to a directory: a second one waits ten seconds for the first, then gets
 * -ERR_BUSY, which names it. Of options dir and clock count. */
MUST_USE int ledger_backup(const struct ledger_options *options, const char *to,
                           const struct ledger_progress *progress, struct ledger_backup_report *ret, struct err *err);

/* ---- maintenance: nobody else has the directory open ---- */

/* True if a directory is a backup: it has the label of a finished one, and no derived files. As a data directory it
 * would get derived files, and the next backup into it would be refused. */
bool ledger_is_backup(const char *dir);

/* Puts a backup into a data directory that holds no ledger, and makes the derived files. Cut off, it can be called
 * again. Waits for a backup that is being written as ledger_backup does. */
MUST_USE int ledger_restore(const struct ledger_options *options, const char *from,
                            const struct ledger_progress *progress, struct ledger_backup_report *ret,
                            struct err *err);

/* Makes all derived files anew from the log alone, beside the old ones, and swaps them in when they are durable. */
MUST_USE int ledger_rebuild(const struct ledger_options *options, const struct ledger_progress *progress,
                            struct err *err);

/* Formats that this version reads and writes, one line each, for `codecmeter version`. */
void ledger_formats(struct buf *out);

#endif
