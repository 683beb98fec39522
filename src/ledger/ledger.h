/* The ledger's door: everything outside src/ledger uses this header and catalogue.h only. Source: design §6.
 *
 * One log of records is the truth; totals, runs and the catalogue are derived from it.
 *
 * Threads. Exactly one thread at a time is the writer: it alone calls ledger_stage_*, ledger_commit and ledger_turn.
 * Any number of threads read (ledger_totals, catalogue_*) at any time; they never wait for the writer's I/O. The
 * ledger runs up to three threads of its own: the checkpointer, the merger, and the syncer, which waits for the disk
 * while the writer works. ledger_close joins them.
 */
#ifndef CODECMETER_LEDGER_LEDGER_H
#define CODECMETER_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "ledger/catalogue.h"
#include "ledger/verdict.h"
#include "meter/codec.h"
#include "meter/usage.h"

struct ledger;

/* Bounds of ledger_options; an option of 0 means its default. */
#define LEDGER_DELTA_MAX_DEFAULT UINT64_C(1000000)        /* records of usage in a delta */
#define LEDGER_MAP_SIZE_DEFAULT (UINT64_C(64) << 30)      /* bytes of address space for LMDB; sparse */
#define LEDGER_SEGMENT_SIZE_DEFAULT (UINT64_C(256) << 20) /* bytes after which a new segment begins */
#define LEDGER_BLOCKS_CACHE_DEFAULT (UINT64_C(128) << 20)  /* bytes of checked blocks that the writer keeps */
#define LEDGER_DISK_RESERVE_DEFAULT (UINT64_C(256) << 20) /* free bytes below which usage is refused */
/* From this number of runs of one kind on, a checkpoint waits for the merger, unless the merger lacks room on the
 * disk. Each run costs the look-up of a new id one cache line of its filter. */
#define LEDGER_RUNS_MAX 48u
/* Descriptors that an open ledger needs at most: for runs, segments of the log, LMDB and directories, and for the
 * threads that read it (scan.h). A process that also serves connections reserves this many for the ledger. */
#define LEDGER_DESCRIPTORS 304u

struct ledger_progress {
  void (*step)(void *arg, uint64_t done, uint64_t total); /* bytes; may be NULL */
  void *arg;
};

struct ledger_options {
  const char *dir; /* DATA: exists, owned by us, locked by the caller */
  uint64_t delta_max;
  int64_t delta_age_ms; /* a delta older than this is checkpointed even if it is not full; 0: never */
  uint64_t map_size;
  uint64_t segment_size;
  uint64_t disk_reserve;     /* UINT64_MAX: no reserve */
  uint64_t blocks_cache;     /* the cache takes memory as blocks are read, and frees it after a minute without use */
  const struct clock *clock; /* borrowed until close; NULL: the machine's */
  bool maintenance;          /* no merging: for commands that make one change and end */
  /* The checkpointer and the merger call this when they have left a result for ledger_turn, or when a shortage begins.
   * The writer must then call ledger_turn. May be NULL. Must not block. */
  void (*wake_writer)(void *arg);
  void *wake_writer_arg;
  struct ledger_progress opening; /* gets how much of the log ledger_open has applied */
};

/* Opens the ledger of a data directory and recovers it. Makes a ledger if there is none. Recovery writes and syncs
 * again what lies beyond the last known sync; it cuts a torn tail and keeps a copy under DATA/cut. Damage elsewhere
 * is an error: -ERR_CORRUPT with file, offset and remedy; -ERR_VERSION for a format of a later release. Unless
 * `maintenance`, warns if the newest record and the clock contradict each other, and later if the clock is set
 * (dates.h). Caller closes. */
MUST_USE int ledger_open(const struct ledger_options *options, struct ledger **ret, struct err *err);
/* Stops the threads and frees the ledger. Finishes a checkpoint that is under way; drops a merge, and everything that
 * is staged but not committed. */
void ledger_close(struct ledger *ledger);
SCOPED_REF(struct ledger, ledger_close)

/* ---- writing: the writer thread only ---- */

/* Decides reports, in order, each against everything before it (staged reports included), and stages the new ones.
 * Stops after the report with which the staged bytes reach bytes_max. A verdict is valid once ledger_commit has
 * returned 0, not before. *ret_decided is the number of reports that have a verdict, also on an error; the next
 * report has left no trace. -ERR_BUSY: both deltas are full; commit, wait for wake_writer, call ledger_turn, go on
 * with the rest. -ERR_FULL: the disk is below its reserve. -ERR_DESCRIPTORS, -ERR_MEMORY: too many files are open or
 * there is no memory, for now. These three errors are also returned if both deltas are full and the checkpoint that
 * would make room has that shortage. */
MUST_USE int ledger_stage_usages(struct ledger *ledger, const struct usage *usages, size_t count, uint64_t bytes_max,
                                 struct verdict *ret_verdicts, size_t *ret_decided, struct err *err);

/* Decides one change to the catalogue and stages it; nothing else may be staged. -ERR_EXISTS, -ERR_NOT_FOUND and
 * -ERR_RANGE refuse it, and the text says why. The change is in force, for readers too, when ledger_commit has
 * returned 0. */
MUST_USE int ledger_stage_change(struct ledger *ledger, const struct change *change, struct err *err);

/* Bytes staged and not yet committed. A writer that stages many reports commits when this passes its own bound. */
uint64_t ledger_staged_bytes(const struct ledger *ledger);

/* Writes everything staged to the log, syncs it and applies it. On -ERR_FULL and -ERR_MEMORY the log is as it was
 * before the first staged record, and everything staged is dropped: the caller must report no outcome, not even
 * duplicate. After any other error the ledger accepts no more writes (each gives -ERR_IO): stop the program. */
MUST_USE int ledger_commit(struct ledger *ledger, struct err *err);

/* Between two commits (nothing staged): takes over the result of a finished checkpoint or merge, and freezes a full
 * delta. Call after each commit and after each call of wake_writer. An error is the checkpointer's or the merger's,
 * and final. */
MUST_USE int ledger_turn(struct ledger *ledger, struct err *err);

/* Requests a checkpoint of everything applied below a position; a later ledger_turn begins it, unless a checkpoint
 * that has begun covers that already. ledger_status shows when it is done. The writer only, at any moment. */
void ledger_want_checkpoint(struct ledger *ledger, uint64_t up_to);
/* Checks that the paths of the directories, the log's segments and the totals still lead to the files that are open,
 * so that a later start finds what was written. -ERR_CORRUPT names what was removed, renamed or replaced. The ledger
 * checks this itself every few seconds (ledger_turn then fails); a program that stops a ledger calls it once more.
 * Any thread. */
MUST_USE int ledger_check_places(struct ledger *ledger, struct err *err);

/* Milliseconds until ledger_turn has work to do even if nothing is committed; INT64_MAX: never. */
int64_t ledger_turn_due_ms(const struct ledger *ledger);

/* ---- reading: any thread ---- */

/* Totals of one day and codec. units: seconds of transcodes and remuxes by tier (remuxes in [0]), images of snapshots
 * in [0]. */
struct ledger_row {
  int32_t day;
  char codec[CODEC_NAME_MAX + 1]; /* "" for usage that names no codec: only remuxes and snapshots may omit it */
  uint64_t units[TIERS];
  uint64_t minutes[TIERS];
  uint64_t tasks[TIERS];
};

struct ledger_rows {
  struct ledger_row *items; /* sorted by day, then codec; only days and codecs that have a finished task */
  size_t count;
};
void ledger_rows_fini(struct ledger_rows *rows);

/* The most memory that ledger_totals may take and the most rows that it may give for these days of transcodes, computed
 * from the codecs that the project has used. For other kinds there may be one row more a day: usage without a codec. */
struct ledger_cost {
  uint64_t bytes; /* of memory, until the rows are freed */
  uint64_t rows;
};
void ledger_totals_cost(const struct ledger *ledger, const struct project *project, int32_t first_day,
                        int32_t last_day, struct ledger_cost *ret);

/* Totals by codec and day of the project's zone, first_day to last_day inclusive, as of now: every record whose
 * commit had returned when this was called is included. -ERR_LIMIT if there are more than rows_max days, or rows; a
 * row whose records were all voided is not counted. Takes at most the memory that ledger_totals_cost gives. Caller
 * frees with ledger_rows_fini. */
MUST_USE int ledger_totals(struct ledger *ledger, const struct project *project, enum usage_kind kind,
                           int32_t first_day, int32_t last_day, size_t rows_max, struct ledger_rows *ret,
                           struct err *err);

/* The same, and the position of the log at which the totals were taken: every record below it is counted, and none
 * behind it. Reports and voids that arrive later have later positions. */
MUST_USE int ledger_totals_at(struct ledger *ledger, const struct project *project, enum usage_kind kind,
                              int32_t first_day, int32_t last_day, size_t rows_max, struct ledger_rows *ret,
                              uint64_t *ret_position, struct err *err);

/* What another zone would change in the days of a project's whole past. */
struct ledger_zone_move {
  uint64_t tasks, seconds;     /* that belong to another date there; images of snapshots do not count as seconds */
  unsigned days;               /* dates whose totals differ */
  int32_t first_day, last_day; /* of those dates; undefined if there are none */
};
/* Compares the project's present zone with `to`, as of now. */
MUST_USE int ledger_zone_move(struct ledger *ledger, const struct project *project, const struct zone *to,
                              struct ledger_zone_move *ret, struct err *err);

/* The catalogue: projects, keys, tokens. Borrowed until ledger_close. */
const struct catalogue *ledger_catalogue(const struct ledger *ledger);

struct ledger_status {
  uint64_t end;        /* position after the last applied byte of the log */
  uint64_t checkpoint; /* position up to which the derived files are complete */
  uint64_t delta_records[2];
  unsigned runs; /* live run files */
};
void ledger_status(struct ledger *ledger, struct ledger_status *ret);

/* States for monitoring. */
struct ledger_gauges {
  struct ledger_status status;
  uint64_t records;            /* of usage, voids included */
  int64_t delta_age_ms;        /* of the oldest record that no checkpoint has written; 0: there is none */
  int64_t checkpoint_age_ms;   /* since the last checkpoint, or since the ledger was opened */
  unsigned runs[3];            /* live runs of identities, task ids and times */
  bool is_checkpointer_blocked, is_merger_blocked; /* it has work, and lacks disk space, memory or descriptors */
  uint64_t disk_free;          /* bytes, as of a few seconds ago; UINT64_MAX: unknown */
};
/* Takes locks that are held for memory only, so it never waits for the disk. */
void ledger_gauges(struct ledger *ledger, struct ledger_gauges *ret);

/* ---- care ---- */

struct ledger_verify_options {
  void (*differs)(void *arg, const char *line); /* gets the first hundred differences; may be NULL */
  void *arg;
  struct ledger_progress progress;
};

struct ledger_verify_report {
  uint64_t blocks, records, usages; /* of the log; `usages` includes voids */
  uint64_t from, end;               /* positions that were read: from the first block to after the last good one */
  bool is_backup;                   /* a backup has no derived files: only its log was read. The next four are 0 */
  uint64_t compared;                /* records below `covered` */
  uint64_t uncounted;               /* of `compared`: usage that counts nothing, because of earlier records */
  uint64_t covered;                 /* position up to which derived files were compared with the log */
  uint64_t cells;                   /* quarter hours of a project, codec and tier that have usage */
  uint64_t unsettled;               /* bytes after `end`: being written, or a torn tail that the next start cuts */
  uint64_t differences;
};

/* Reads the whole log and all derived files and compares them: checksums, totals with a recount, identities and times
 * with the records, the catalogue; and checks that each identity counts once: a later record of the same identity counts nothing,
 * and is no difference. Changes nothing. Works beside a running
 * server, at the snapshot of its last checkpoint: later records are read but not compared. Of a backup it reads the
 * log and checks that it reaches the position in the label. 0: *ret is the result, differences included. An error:
 * the ledger could not be read to the end; the text gives the reason (-ERR_CORRUPT: file and offset). Uses only dir
 * and map_size of options. */
MUST_USE int ledger_verify(const struct ledger_options *options, const struct ledger_verify_options *how,
                           struct ledger_verify_report *ret, struct err *err);

struct ledger_backup_report {
  uint64_t position; /* everything below it is in the backup */
  uint64_t bytes;
};

/* Copies the log and the quarantine into a directory outside the data directory, and makes that directory if it does
 * not exist. Everything that was answered before the call is in the copy, and on disk when the call returns. The server may run.
 * Brings an earlier backup of the same ledger up to date. One backup at a time writes to a directory: a second one
 * waits ten seconds for the first, then gets -ERR_BUSY with the first one's pid. Uses only dir and clock of
 * options. */
MUST_USE int ledger_backup(const struct ledger_options *options, const char *to,
                           const struct ledger_progress *progress, struct ledger_backup_report *ret, struct err *err);

/* ---- maintenance: no other process has the directory open ---- */

/* True if a directory is a backup: it has the label of a finished backup, and no derived files. As a data directory it
 * would get derived files, and the next backup into it would be refused. */
bool ledger_is_backup(const char *dir);

/* Copies a backup into a data directory that holds no ledger, with the quarantine, and makes the derived files. If it was interrupted,
 * call it again: it goes on from the log, if that is in place. If another process is writing the backup, waits for it
 * as ledger_backup does. */
MUST_USE int ledger_restore(const struct ledger_options *options, const char *from,
                            const struct ledger_progress *progress, struct ledger_backup_report *ret,
                            struct err *err);

/* Makes all derived files again from the log alone, beside the old ones, and swaps them in when they are durable. */
MUST_USE int ledger_rebuild(const struct ledger_options *options, const struct ledger_progress *progress,
                            struct err *err);

/* Formats that this version reads and writes, one line each, for `codecmeter version`. */
void ledger_formats(struct buf *out);

#endif
