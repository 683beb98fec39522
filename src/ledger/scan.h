/* Reads the records of the running ledger: by time, by position, by name, and as of an earlier position. Totals by
 * quarter hour and by day of several projects at one position.
 *
 * Positions. A position is a place in the log; everything in a ledger has one, and they only grow. `as_of` is a
 * position: a function that takes it answers as if nothing had been stored at or behind it. So an answer with a fixed
 * as_of stays the same for ever, whatever is reported, voided, checkpointed, merged or rebuilt meanwhile. Take as_of
 * from ledger_position, ledger_sums or ledger_position_at. An as_of behind the ledger's end is -ERR_RANGE.
 *
 * Threads. Any number of threads may call these functions; SCAN_THREADS_MAX at once have their descriptors reserved.
 * The writer never waits for their I/O: they hold the view lock for a few microseconds at a time, except ledger_sums.
 * A scan_reader belongs to one thread at a time. Between two calls nothing is held but the memory of a scan_reader.
 *
 * Errors. -ERR_RANGE: the question is wrong. -ERR_NOT_FOUND: no such project. -ERR_MEMORY, -ERR_DESCRIPTORS: for now;
 * ask again. -ERR_CORRUPT, -ERR_IO, -ERR_VERSION: a file is damaged; the text names it. The outputs are then
 * undefined.
 */
#ifndef CODECMETER_LEDGER_SCAN_H
#define CODECMETER_LEDGER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/ledger.h"
#include "meter/usage.h"
#include "meter/zone.h"

/* Threads that read with these functions at once. LEDGER_DESCRIPTORS counts one segment for each of them, and the
 * runs that a merge replaces while a call still reads them. As many as query.threads may be. */
#define SCAN_THREADS_MAX 64u

/* The position behind everything that is stored: the as_of of a question about now. */
uint64_t ledger_position(struct ledger *ledger);

/* ---- entries, in the order of time ---- */

/* Kinds as bits. USAGE_VOID: a void, at the time that it states. USAGE_UNRESOLVED: an output that waited, or still
 * waits, to be resolved (scan_resolution). Failed tasks are among the tasks of their kind. */
#define SCAN_KIND(kind) (1u << (unsigned)(kind))
#define SCAN_TASKS \
  (SCAN_KIND(USAGE_TRANSCODE) | SCAN_KIND(USAGE_REMUX) | SCAN_KIND(USAGE_SNAPSHOT) | SCAN_KIND(USAGE_AUDIO))
#define SCAN_KINDS (SCAN_TASKS | SCAN_KIND(USAGE_VOID) | SCAN_KIND(USAGE_UNRESOLVED))

/* Where an entry is in the order: by finish time, then by position. No two entries have the same key. */
struct scan_key {
  int64_t finished_ms;
  uint64_t position;
};

struct scan_entry {
  struct scan_key key;
  enum usage_kind kind;
};

struct scan_query {
  uint32_t project;       /* struct project's number */
  unsigned kinds;         /* SCAN_KIND bits, at least one */
  int64_t from_ms, to_ms; /* finish times in [from_ms, to_ms); INT64_MIN and INT64_MAX: no bound */
  uint64_t as_of;
  bool descending;        /* latest first */
  bool has_behind;        /* only what comes behind `behind` in that order: the last key of the page before */
  struct scan_key behind; /* it need not be the key of an entry */
};

/* The most entries that one call gives. */
#define SCAN_ROOM_MAX 65536u

/* Gives the next entries: at most `room`, which is from 1 to SCAN_ROOM_MAX. Fewer than `room`: there are no more.
 * Voided tasks are included; ask scan_void. An empty range gives nothing.
 *
 * Cost of a page: a search in each time run and in each piece of the deltas (SCAN_PIECE records), the page itself,
 * and one pass over less than SCAN_PIECE records of the delta that is being filled. Measured in time of a core with a
 * million records in that delta: 0.2 ms for one entry, 0.6 ms for 4096, 8 ms for 65536; so a walk over all of them
 * takes 0.12 to 0.16 s. A piece is sorted once, by the first call that reads it: 0.5 ms each, and then 2 bytes a
 * record. Entries at or behind as_of are passed over: a walk far in the past also reads the later entries of its
 * range. Memory of a call: at most 3 MiB to sort or copy a piece, and 96 bytes for each kind of each run and piece.
 */
#define SCAN_PIECE 32768u
MUST_USE int ledger_scan_entries(struct ledger *ledger, const struct scan_query *query,
                                 struct scan_entry *ret_entries, size_t room, size_t *ret_count, struct err *err);

/* The earliest and the latest finish time of a project's tasks, voided and failed ones included. *ret_any is false,
 * and the times are undefined, if there are none. */
MUST_USE int ledger_project_span(struct ledger *ledger, uint32_t project, uint64_t as_of, bool *ret_any,
                                 int64_t *ret_first_ms, int64_t *ret_last_ms, struct err *err);

/* ---- records ---- */

/* Reads records, and what later records did to them. Keeps blocks of the log, at most SCAN_READER_BYTES. To read many
 * records fast, read them in the order of their positions: a block holds up to thousands of them, and is read and
 * checked once. Measured: 65536 records and their voids in 0.05 s. In another order each record may cost the reading
 * of a block, 0.1 ms from memory. */
#define SCAN_READER_BYTES (10u << 20)
struct scan_reader;
/* Borrows the ledger. Takes memory as it reads. -ERR_MEMORY. The caller frees. */
MUST_USE int scan_reader_new(struct ledger *ledger, struct scan_reader **ret, struct err *err);
/* Frees the blocks; what it borrowed out of them ends. The reader reads them again when they are needed. For a reader that waits
 * between two turns: it then holds a byte for each project. */
void scan_reader_rest(struct scan_reader *reader);
void scan_reader_free(struct scan_reader *reader);
SCOPED_REF(struct scan_reader, scan_reader_free)

/* The usage at a position, which an entry gave. Borrowed until the next scan_record of this reader; the functions
 * below leave it as it is. Never pass a position that a client names: if no usage is there, that is -ERR_CORRUPT. */
MUST_USE int scan_record(struct scan_reader *reader, uint64_t position, const struct usage **ret, struct err *err);

/* The void of a task that is below as_of: *ret_position is where it is; 0: the task was not voided then. `usage` is
 * the record of the task, with all its names. Costs little (no search) while the project has no void at all. */
MUST_USE int scan_void(struct scan_reader *reader, const struct usage *usage, uint64_t as_of, uint64_t *ret_position,
                       struct err *err);
/* The record below as_of that resolved an unresolved output; 0: it was still waiting. */
MUST_USE int scan_resolution(struct scan_reader *reader, const struct usage *usage, uint64_t as_of,
                             uint64_t *ret_position, struct err *err);
/* Like scan_record, for a void or a resolution: borrowed until the next call of scan_void, scan_resolution or
 * scan_other. */
MUST_USE int scan_other(struct scan_reader *reader, uint64_t position, const struct usage **ret, struct err *err);

/* The time at which the record at a position was stored: that of its block. For another record than the one that
 * scan_record gave last, it ends what scan_other gave. */
MUST_USE int scan_stored_ms(struct scan_reader *reader, uint64_t position, int64_t *ret_ms, struct err *err);

/* ---- the records of a name ---- */

struct ledger_history_query {
  struct str project;
  struct str source, id; /* all records of an identity: an unresolved one, and the one that counts */
  struct str task_id;    /* if not empty: those of a task id, whatever their source */
  uint64_t as_of;
  uint64_t behind; /* only records behind this position; 0: from the first */
  size_t max;      /* from 1 to LEDGER_HISTORY_MAX */
};
#define LEDGER_HISTORY_MAX 1024u

/* One record, and its void or its resolution if there is one below as_of. Texts are borrowed for the time of the
 * call. */
struct ledger_history_item {
  const struct usage *usage;
  uint64_t position;
  const struct usage *other; /* of a task: the void; of an unresolved output: what resolved it; NULL: neither */
  uint64_t other_position;   /* 0: there is none */
};
typedef int (*ledger_history_visit)(void *arg, const struct ledger_history_item *item, struct err *err);

/* Passes the records of a name to `visit`, in the order in which they were stored. *ret_more_behind is 0 if these
 * were all, else the `behind` with which to go on. -ERR_NOT_FOUND if the project does not exist; no record is no
 * error. Costs a search in each run. A task id also costs one pass over the records that no checkpoint has covered
 * yet, about 1 ms for a million. An error of visit ends the walk and is returned. */
MUST_USE int ledger_history(struct scan_reader *reader, const struct ledger_history_query *query,
                            ledger_history_visit visit, void *arg, uint64_t *ret_more_behind, struct err *err);

/* ---- totals at one position ---- */

enum sums_step { SUMS_QUARTERS, SUMS_DAYS };

struct sums_project {
  struct str id;
  const struct zone *zone; /* for SUMS_DAYS: whose days; NULL: the project's own zone, as of now */
};

struct sums_query {
  const struct sums_project *projects;
  size_t count;
  unsigned kinds; /* SCAN_KIND bits of tasks, at least one */
  enum sums_step step;
  int64_t first, last; /* inclusive: quarter hours since 1970 (UTC), or days as in meter/zone.h */
};

/* A part of the totals of one project, kind, quarter hour or day, codec and tier. */
struct sums_part {
  size_t project; /* index in the query */
  enum usage_kind kind;
  int64_t at;        /* the quarter hour or the day */
  const char *codec; /* "" for usage that names none; lives as long as the ledger */
  enum tier tier;
  struct usage_count sum;
};

/* Passes the totals of all these projects to `visit`, all as of one position, *ret_position: every record below it is
 * counted, and none behind it. Voided tasks and failed ones are not.
 *
 * The same cell may be passed several times, in any order: add the sums up. They are modulo 2^64, and a part may be
 * negative (a void is taken off a later part than its task was added to), so use a sum only when the call has
 * returned, and drop those whose tasks are 0. An error of visit ends the walk and is returned.
 *
 * SUMS_DAYS reads a project's day totals if they were made for this zone, else its quarter hours. Cost: the rows of
 * the range in LMDB, and a pass over the cells of the deltas (a cell is a project, kind, quarter hour, codec and tier
 * that has usage). The pass over the delta that is being filled holds the view lock: about 1.5 ms for 100 000 cells
 * that the query asks for, 0.15 ms for 100 000 others. An LMDB snapshot is open until the call returns, so visit must
 * not wait for anything. Memory: 48 bytes for each cell of the deltas that the query asks for. -ERR_NOT_FOUND names a
 * project that does not exist. */
MUST_USE int ledger_sums(struct ledger *ledger, const struct sums_query *query,
                         int (*visit)(void *arg, const struct sums_part *part, struct err *err), void *arg,
                         uint64_t *ret_position, struct err *err);

/* ---- as of a time ---- */

/* The position behind the last record that was stored at time_ms or earlier; the position before the first record if
 * all are later. For a time that has not passed yet, a later call may give a later position. Reads the heads of the
 * blocks of one segment at most: from memory about 0.1 s for 256 MB. */
MUST_USE int ledger_position_at(struct ledger *ledger, int64_t time_ms, uint64_t *ret_position, struct err *err);

/* A project as it was at a position: name, zone, labels; number and is_default are those of now. -ERR_NOT_FOUND if it
 * did not exist then. Behind the last change of any project it costs nothing. Else the first call after a start looks for
 * changes of projects in the whole log, about 0.3 s for 1 GB that is in memory, else as long as the disk takes. The
 * ledger keeps where they are (16 bytes each), and later calls read only what was stored since. One call at a time
 * reads; others wait for it. */
MUST_USE int ledger_project_as_of(struct ledger *ledger, struct str id, uint64_t as_of, struct project *ret,
                                  struct err *err);

#endif
