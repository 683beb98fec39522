/* Checked rows in LMDB: small tables of key and value, changed in durable transactions. docs/format.md, "LMDB".
 *
 * LMDB keeps no checksums. So every value ends with the checksum of its row, and the count and the sum of a table's
 * rows are stored too. A row that something else has changed is an error when it is read; a row that was lost or put
 * back is found when all rows are checked.
 *
 * One transaction writes at a time. Any number of transactions read, each at one snapshot, and never wait. Keys and
 * values that are handed out are borrowed until their transaction writes or ends.
 */
#ifndef CODECMETER_LEDGER_TOTALS_ROWS_H
#define CODECMETER_LEDGER_TOTALS_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define ROWS_FORMAT 3u
#define ROWS_DESCRIPTORS 6u /* LMDB: data twice, lock; rows_probe: a pipe (2), /dev/null */
#define ROWS_VALUE_MAX (32u << 10) /* bytes */

enum table { TABLE_META, TABLE_RUNS, TABLE_CATALOGUE, TABLE_QUARTERS, TABLE_DAYS, TABLE_ZONES, TABLES };

struct rows;
struct rows_txn;

/* Opens DIR/totals. -ERR_NOT_FOUND if it does not exist; -ERR_VERSION for a later format. For an earlier format
 * *ret_old is set and there is nothing to close. read_only: for use beside the process that writes. The caller
 * closes. */
MUST_USE int rows_open(const char *dir, uint64_t map_size, bool read_only, struct rows **ret, bool *ret_old,
                       struct err *err);
/* Opens DIR/totals and reads all of it, like rows_check, in a process of its own. LMDB trusts its pages, so damage
 * can kill that process; that is -ERR_CORRUPT here. Other errors, and *ret_old, are those of rows_open. */
MUST_USE int rows_probe(const char *dir, uint64_t map_size, bool *ret_old, struct err *err);
/* Makes an empty DIR/totals, with its directories. The caller closes. */
MUST_USE int rows_create(const char *dir, uint64_t map_size, struct rows **ret, struct err *err);
void rows_close(struct rows *rows);
/* -ERR_CORRUPT if the path of DIR/totals no longer leads to the open file. Any thread. */
MUST_USE int rows_check_presence(struct rows *rows, struct err *err);
/* Removes the readers whose process has died: their snapshots would keep old pages from being used again. */
void rows_forget_dead_readers(struct rows *rows);

/* ---- reading ---- */

MUST_USE int rows_begin(struct rows *rows, struct rows_txn **ret, struct err *err);
void rows_end(struct rows_txn *txn);
SCOPED_REF(struct rows_txn, rows_end)

/* -ERR_NOT_FOUND if there is no such row; err is then untouched. */
MUST_USE int rows_get(struct rows_txn *txn, enum table table, struct str key, struct str *ret, struct err *err);
/* Calls step with each row from a key on (with all rows if the key is empty), in the order of keys. step returns 1 to
 * go on, 0 to end, or an error, which ends the walk and is returned. */
MUST_USE int rows_walk(struct rows_txn *txn, enum table table, struct str from,
                       int (*step)(void *arg, struct str key, struct str value, struct err *err), void *arg,
                       struct err *err);
/* Reads every row, and compares the rows with the stored counts and sums. */
MUST_USE int rows_check(struct rows_txn *txn, struct err *err);

/* ---- writing: a transaction that writes also reads what it has written ---- */

MUST_USE int rows_begin_write(struct rows *rows, struct rows_txn **ret, struct err *err);
MUST_USE int rows_put(struct rows_txn *txn, enum table table, struct str key, struct str value, struct err *err);
/* -ERR_NOT_FOUND if there is no such row. */
MUST_USE int rows_delete(struct rows_txn *txn, enum table table, struct str key, struct err *err);
/* Deletes all rows whose keys begin with prefix. */
MUST_USE int rows_delete_all(struct rows_txn *txn, enum table table, struct str prefix, struct err *err);
/* Ends the transaction. With result 0 it commits, and the rows are on disk when this returns 0. With any other result
 * it drops the rows and returns result. After an error of the kind ERR_KIND_RETRY (the disk is full, no memory)
 * nothing has changed. After any other error of a commit it is unknown whether the rows are on disk. */
MUST_USE int rows_finish(struct rows_txn *txn, int result, struct err *err);

/* For a caller that finds an invalid row: returns -ERR_CORRUPT, with a text. */
int rows_bad(enum table table, struct err *err);

#endif
