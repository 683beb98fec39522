/* Checked rows in LMDB: small tables of key and value, changed in durable transactions. docs/format.md, "LMDB".
 *
 * LMDB keeps no checksums. So every value ends with one of its row, and a table's rows are counted and summed up
 * beside it: a row that was changed by anybody else is an error when it is read, one that was lost or put back when
 * all are checked.
 *
 * One transaction that writes at a time; any number that read, each at one snapshot, never waiting. Keys and values
 * that are given out are borrowed until their transaction writes or ends.
 */
#ifndef CODECMETER_LEDGER_ROWS_H
#define CODECMETER_LEDGER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define ROWS_FORMAT 3u
#define ROWS_DESCRIPTORS 6u /* of LMDB: data twice, lock; of rows_probe: a pipe, /dev/null */
#define ROWS_VALUE_MAX (32u << 10) /* bytes */

enum table { TABLE_META, TABLE_RUNS, TABLE_CATALOGUE, TABLE_QUARTERS, TABLE_DAYS, TABLE_ZONES, TABLES };
const char *rows_table_name(enum table table);

struct rows;
struct rows_txn;

/* Opens DIR/totals. -ERR_NOT_FOUND when it is not there; -ERR_VERSION for a later format; for an earlier one *ret_old
 * is set and there is nothing to close. read_only: beside the process that writes. Caller closes. */
MUST_USE int rows_open(const char *dir, uint64_t map_size, bool read_only, struct rows **ret, bool *ret_old,
                       struct err *err);
/* Opens DIR/totals and reads all of it, as rows_check does, in a process of its own: LMDB trusts its pages, and damage that ends
 * that process is -ERR_CORRUPT here. Errors otherwise, and *ret_old, as rows_open. */
MUST_USE int rows_probe(const char *dir, uint64_t map_size, bool *ret_old, struct err *err);
/* Makes DIR/totals, empty, with its directories. */
MUST_USE int rows_create(const char *dir, uint64_t map_size, struct rows **ret, struct err *err);
void rows_close(struct rows *rows);
/* -ERR_CORRUPT if the path of DIR/totals does not lead to the file that is open. Any thread. */
MUST_USE int rows_check_presence(struct rows *rows, struct err *err);
/* Forgets readers whose process has died, whose snapshots would keep old pages from being used again. */
void rows_forget_dead_readers(struct rows *rows);

/* ---- reading ---- */

MUST_USE int rows_begin(struct rows *rows, struct rows_txn **ret, struct err *err);
void rows_end(struct rows_txn *txn);
SCOPED_REF(struct rows_txn, rows_end)

/* -ERR_NOT_FOUND when there is no such row, with err untouched. */
MUST_USE int rows_get(struct rows_txn *txn, enum table table, struct str key, struct str *ret, struct err *err);
/* Hands the rows from a key on (all, when it is empty) to step, in the order of keys, until that returns 0 (the end)
 * or an error; 1 goes on. */
MUST_USE int rows_walk(struct rows_txn *txn, enum table table, struct str from,
                       int (*step)(void *arg, struct str key, struct str value, struct err *err), void *arg,
                       struct err *err);
/* Reads every row and holds counts and sums against them. */
MUST_USE int rows_check(struct rows_txn *txn, struct err *err);

/* ---- writing: such a transaction reads what it has written ---- */

MUST_USE int rows_begin_write(struct rows *rows, struct rows_txn **ret, struct err *err);
MUST_USE int rows_put(struct rows_txn *txn, enum table table, struct str key, struct str value, struct err *err);
/* -ERR_NOT_FOUND when there is no such row. */
MUST_USE int rows_delete(struct rows_txn *txn, enum table table, struct str key, struct err *err);
/* Deletes all rows whose keys begin with prefix. */
MUST_USE int rows_delete_all(struct rows_txn *txn, enum table table, struct str prefix, struct err *err);
/* Ends the transaction: with result 0 it is committed and on disk when this returns 0; else dropped, and result given
 * back. An error of the kind ERR_KIND_RETRY (the disk is full, no memory): nothing has changed. After any other error
 * of a commit nobody knows whether it holds. */
MUST_USE int rows_finish(struct rows_txn *txn, int result, struct err *err);

/* For whoever finds that a row is not what it must be: -ERR_CORRUPT with a text. */
int rows_bad(enum table table, struct err *err);

#endif
