/* The only file that uses LMDB. LMDB runs in its default durable mode: a commit is on disk when it returns. With
 * MDB_NOTLS a snapshot belongs to the caller that holds it, not to a thread. Ended snapshots are kept and renewed,
 * which avoids the lock of the table of readers.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/lock.h"
#include "ledger/log/hash.h"
#include "ledger/totals/rows.h"

#define READERS_MAX 512u
#define SNAPSHOTS_KEPT 64u
#define CHECKSUM_SIZE 4u
#define REMEDY "stop the server and run `codecmeter rebuild`"

static const char *const table_names[TABLES] = {"meta", "runs", "catalogue", "quarters", "days", "zones"};

/* Stored for each table: the number of its rows, and the sum of their hashes. The same in memory as on disk. */
struct sums {
  uint64_t count, sum;
};
#define SUMS_KEY STR("sums")
#define FORMAT_KEY STR("format")

struct rows {
  MDB_env *env;
  MDB_dbi tables[TABLES];
  pthread_mutex_t lock; /* of the kept snapshots */
  struct rows_txn *kept[SNAPSHOTS_KEPT];
  unsigned kept_count;
};

struct rows_txn {
  struct rows *rows;
  MDB_txn *txn;
  bool writes;
  struct sums sums[TABLES]; /* if it writes */
};

static int failed(int code, const char *what, struct err *err) {
  if (code == MDB_MAP_FULL) {
    return err_set(err, ERR_FULL, "%s: the LMDB map is full; raise ledger.map_size", what);
  }
  if (code == ENOMEM) {
    return err_set(err, ERR_MEMORY,
                   "%s: no memory, or no address space for ledger.map_size: free some memory, or lower it", what);
  }
  if (code == MDB_VERSION_MISMATCH) {
    return err_set(err, ERR_VERSION, "%s: another version of LMDB wrote derived/totals; " REMEDY, what);
  }
  bool corrupt = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID || code == MDB_PANIC ||
                 code == MDB_NOTFOUND || code == MDB_BAD_VALSIZE || code == MDB_INCOMPATIBLE;
  if (corrupt) return err_set(err, ERR_CORRUPT, "%s: derived/totals is damaged; " REMEDY, what);
  return code > 0 ? err_set_errno(err, ERR_IO, code, "%s", what)
                  : err_set(err, ERR_INTERNAL, "%s: %s", what, mdb_strerror(code));
}

static int cannot_read(int code, struct err *err) { return failed(code, "cannot read derived/totals", err); }
static int cannot_write(int code, struct err *err) { return failed(code, "cannot write derived/totals", err); }

int rows_bad(enum table table, struct err *err) {
  return err_set(err, ERR_CORRUPT, "derived/totals is damaged: the table %s has an invalid row; " REMEDY,
                 table_names[table]);
}

static MDB_val val_of(struct str s) { return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.ptr}; }
static struct str str_of_val(const MDB_val *val) { return str_make(val->mv_data, val->mv_size); }

/* ---- opening ---- */

static int open_env(const char *path, uint64_t map_size, unsigned flags, struct rows **ret, struct err *err) {
  struct rows *rows = calloc(1, sizeof *rows);
  if (rows == NULL) return err_set(err, ERR_MEMORY, "no memory to open derived/totals: free some memory");
  lock_init(&rows->lock);
  int code = mdb_env_create(&rows->env);
  if (code == 0) code = mdb_env_set_mapsize(rows->env, map_size);
  if (code == 0) code = mdb_env_set_maxdbs(rows->env, TABLES);
  if (code == 0) code = mdb_env_set_maxreaders(rows->env, READERS_MAX);
  if (code == 0) code = mdb_env_open(rows->env, path, MDB_NOTLS | MDB_NORDAHEAD | flags, 0600);
  int dead;
  if (code == 0) code = mdb_reader_check(rows->env, &dead);
  if (code != 0) {
    rows_close(rows);
    return failed(code, "cannot open derived/totals", err);
  }
  *ret = rows;
  return 0;
}

static int open_tables(struct rows *rows, bool create, struct err *err) {
  MDB_txn *txn;
  int code = mdb_txn_begin(rows->env, NULL, create ? 0 : MDB_RDONLY, &txn);
  if (code != 0) return cannot_read(code, err);
  for (int i = 0; i < TABLES && code == 0; i++) {
    code = mdb_dbi_open(txn, table_names[i], create ? MDB_CREATE : 0, &rows->tables[i]);
  }
  if (code == 0)
    code = mdb_txn_commit(txn);
  else
    mdb_txn_abort(txn);
  return code == 0 ? 0 : failed(code, "cannot open the tables of derived/totals", err);
}

/* Does not check a checksum: format 1 had none. */
static int read_format(struct rows *rows, uint32_t *ret, struct err *err) {
  SCOPED(rows_end_ref) struct rows_txn *txn = NULL;
  int result = rows_begin(rows, &txn, err);
  if (result != 0) return result;
  MDB_val key = val_of(FORMAT_KEY), value;
  int code = mdb_get(txn->txn, rows->tables[TABLE_META], &key, &value);
  if (code != 0) return cannot_read(code, err);
  if (value.mv_size != 4 && value.mv_size != 4 + CHECKSUM_SIZE) return rows_bad(TABLE_META, err);
  *ret = le32_load(value.mv_data);
  return 0;
}

int rows_open(const char *dir, uint64_t map_size, bool read_only, struct rows **ret, bool *ret_old, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, "totals");
  SCOPED_MALLOC char *file = file_path(path, "data.mdb");
  struct rows *rows;
  uint32_t format = 0;
  *ret_old = false;
  if (!file_exists(file)) return err_set(err, ERR_NOT_FOUND, "%s is missing; " REMEDY, file);
  int result = open_env(path, map_size, read_only ? MDB_RDONLY : 0, &rows, err);
  if (result != 0) return result;
  result = open_tables(rows, false, err);
  if (result == 0) result = read_format(rows, &format, err);
  if (result == 0 && format > ROWS_FORMAT) {
    result = err_set(err, ERR_VERSION, "derived/totals has format %u, this version knows up to %u; " REMEDY, format,
                     ROWS_FORMAT);
  }
  *ret_old = result == 0 && format < ROWS_FORMAT;
  if (result == 0 && !*ret_old) {
    *ret = rows;
    return 0;
  }
  rows_close(rows);
  return result;
}

static int write_first(struct rows *rows, struct err *err) {
  struct rows_txn *txn;
  int result = rows_begin_write(rows, &txn, err);
  if (result != 0) return result;
  char format[4];
  le32_store(format, ROWS_FORMAT);
  result = rows_put(txn, TABLE_META, FORMAT_KEY, str_make(format, sizeof format), err);
  return rows_finish(txn, result, err);
}

int rows_create(const char *dir, uint64_t map_size, struct rows **ret, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, "totals");
  int result = file_make_dir(dir, err);
  if (result == 0) result = file_make_dir(path, err);
  if (result != 0) return result;
  struct rows *rows;
  result = open_env(path, map_size, 0, &rows, err);
  if (result != 0) return result;
  result = open_tables(rows, true, err);
  if (result == 0) result = write_first(rows, err);
  if (result == 0) result = file_sync_dir(path, err);
  if (result != 0)
    rows_close(rows);
  else
    *ret = rows;
  return result;
}

void rows_close(struct rows *rows) {
  if (rows == NULL) return;
  for (unsigned i = 0; i < rows->kept_count; i++) {
    mdb_txn_abort(rows->kept[i]->txn);
    free(rows->kept[i]);
  }
  if (rows->env != NULL) mdb_env_close(rows->env);
  lock_fini(&rows->lock);
  free(rows);
}

int rows_check_presence(struct rows *rows, struct err *err) {
  static const char file[] = "data.mdb";
  const char *path;
  mdb_filehandle_t fd;
  struct stat held, named;
  CHECK(mdb_env_get_path(rows->env, &path) == 0 && mdb_env_get_fd(rows->env, &fd) == 0);
  SCOPED_MALLOC char *name = file_path(path, file);
  if (fstat(fd, &held) != 0) return err_set_errno(err, ERR_IO, errno, "cannot check %s", name);
  int code = lstat(name, &named);
  if (code != 0 && errno != ENOENT && errno != ENOTDIR)
    return err_set_errno(err, ERR_IO, errno, "cannot check %s", name);
  if (code == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino) return 0;
  return err_set(err, ERR_CORRUPT, "%s was %s", name, code == 0 ? "replaced by another file" : "removed or renamed");
}

void rows_forget_dead_readers(struct rows *rows) {
  int dead;
  (void)mdb_reader_check(rows->env, &dead);
}

/* ---- snapshots ---- */

int rows_begin(struct rows *rows, struct rows_txn **ret, struct err *err) {
  struct rows_txn *txn = NULL;
  lock_take(&rows->lock);
  if (rows->kept_count > 0) txn = rows->kept[--rows->kept_count];
  lock_give(&rows->lock);
  bool renewed = txn != NULL;
  if (!renewed) txn = calloc(1, sizeof *txn);
  if (txn == NULL) return err_set(err, ERR_MEMORY, "no memory to read derived/totals: free some memory");
  txn->rows = rows;
  int code = renewed ? mdb_txn_renew(txn->txn) : mdb_txn_begin(rows->env, NULL, MDB_RDONLY, &txn->txn);
  if (code != 0) {
    if (renewed) mdb_txn_abort(txn->txn);
    free(txn);
    return cannot_read(code, err);
  }
  *ret = txn;
  return 0;
}

void rows_end(struct rows_txn *txn) {
  struct rows *rows = txn->rows;
  CHECK(!txn->writes);
  mdb_txn_reset(txn->txn);
  lock_take(&rows->lock);
  bool keep = rows->kept_count < SNAPSHOTS_KEPT;
  if (keep) rows->kept[rows->kept_count++] = txn;
  lock_give(&rows->lock);
  if (keep) return;
  mdb_txn_abort(txn->txn);
  free(txn);
}

/* ---- reading ---- */

/* Takes the checksum off a value of LMDB; *ret_hash is the row's hash. False if the checksum does not match. */
static bool open_row(const MDB_val *key, const MDB_val *value, struct str *ret, uint64_t *ret_hash) {
  if (value->mv_size < CHECKSUM_SIZE) return false;
  struct str payload = str_make(value->mv_data, value->mv_size - CHECKSUM_SIZE);
  uint64_t hash = hash_row(str_of_val(key), payload);
  if (le32_load(payload.ptr + payload.len) != (uint32_t)hash) return false;
  *ret = payload;
  *ret_hash = hash;
  return true;
}

/* Like rows_get; *ret_hash is the row's hash, untouched if there is no row. */
static int get(struct rows_txn *txn, enum table table, struct str key, struct str *ret, uint64_t *ret_hash,
               struct err *err) {
  MDB_val name = val_of(key), value;
  int code = mdb_get(txn->txn, txn->rows->tables[table], &name, &value);
  if (code == MDB_NOTFOUND) return -ERR_NOT_FOUND;
  if (code != 0) return cannot_read(code, err);
  return open_row(&name, &value, ret, ret_hash) ? 0 : rows_bad(table, err);
}

int rows_get(struct rows_txn *txn, enum table table, struct str key, struct str *ret, struct err *err) {
  uint64_t hash;
  return get(txn, table, key, ret, &hash, err);
}

int rows_walk(struct rows_txn *txn, enum table table, struct str from,
              int (*step)(void *arg, struct str key, struct str value, struct err *err), void *arg, struct err *err) {
  MDB_cursor *cursor;
  int code = mdb_cursor_open(txn->txn, txn->rows->tables[table], &cursor);
  if (code != 0) return cannot_read(code, err);
  MDB_val key = val_of(from), value;
  code = mdb_cursor_get(cursor, &key, &value, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
  int result = 1;
  while (code == 0 && result == 1) {
    struct str payload;
    uint64_t hash;
    result =
        open_row(&key, &value, &payload, &hash) ? step(arg, str_of_val(&key), payload, err) : rows_bad(table, err);
    if (result == 1) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (result < 0) return result;
  return code == 0 || code == MDB_NOTFOUND ? 0 : cannot_read(code, err);
}

static int read_sums(struct rows_txn *txn, struct sums sums[TABLES], struct err *err) {
  struct str value;
  int result = rows_get(txn, TABLE_META, SUMS_KEY, &value, err);
  if (result == 0 && value.len != TABLES * sizeof sums[0]) result = rows_bad(TABLE_META, err);
  if (result == 0) memcpy(sums, value.ptr, value.len);
  return result;
}

struct check {
  struct rows_txn *txn;
  enum table table;
  struct sums found;
};

/* Also looks the row up by its key: if a page claims to have no entries, a walk still returns its first entry, but a
 * look-up finds nothing. */
static int check_row(void *arg, struct str key, struct str value, struct err *err) {
  struct check *check = arg;
  struct str found;
  int result = rows_get(check->txn, check->table, key, &found, err);
  if (result == -ERR_NOT_FOUND || (result == 0 && found.ptr != value.ptr)) return rows_bad(check->table, err);
  if (result != 0) return result;
  check->found.count++;
  check->found.sum += hash_row(key, value);
  return 1;
}

int rows_check(struct rows_txn *txn, struct err *err) {
  struct sums kept[TABLES];
  int result = read_sums(txn, kept, err);
  if (result == -ERR_NOT_FOUND) result = rows_bad(TABLE_META, err);
  for (int i = TABLE_META + 1; i < TABLES && result == 0; i++) {
    struct check check = {.txn = txn, .table = (enum table)i};
    result = rows_walk(txn, check.table, STR(""), check_row, &check, err);
    if (result == 0 && (check.found.count != kept[i].count || check.found.sum != kept[i].sum)) {
      result = err_set(err, ERR_CORRUPT,
                       "derived/totals is damaged: the rows of the table %s do not match their stored count and sum; "
                       REMEDY,
                       table_names[i]);
    }
  }
  return result;
}

/* ---- probing ---- */

/* What the probing process reports, through a pipe. */
struct finding {
  int result;
  bool is_old;
  struct err err;
};

static void probe(const char *dir, uint64_t map_size, struct finding *finding) {
  struct rows *rows;
  finding->result = rows_open(dir, map_size, true, &rows, &finding->is_old, &finding->err);
  if (finding->result != 0 || finding->is_old) return;
  struct rows_txn *txn;
  finding->result = rows_begin(rows, &txn, &finding->err);
  if (finding->result == 0) finding->result = rows_check(txn, &finding->err);
}

/* Hides the messages of a crash, because they name no remedy, and suppresses its core file, which nobody needs. */
static _Noreturn void probe_and_end(const char *dir, uint64_t map_size, int to) {
  static struct finding finding;
  const struct rlimit none = {0, 0};
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  (void)setrlimit(RLIMIT_CORE, &none);
  if (null >= 0) (void)dup2(null, STDERR_FILENO);
  probe(dir, map_size, &finding);
  ssize_t wrote = write(to, &finding, sizeof finding);
  _exit(wrote == sizeof finding ? 0 : 1);
}

int rows_probe(const char *dir, uint64_t map_size, bool *ret_old, struct err *err) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a pipe to check derived/totals");
  pid_t pid = fork();
  if (pid == 0) probe_and_end(dir, map_size, ends[1]);
  int code = errno;
  (void)close(ends[1]);
  struct finding finding;
  ssize_t got = pid > 0 ? read(ends[0], &finding, sizeof finding) : -1;
  (void)close(ends[0]);
  if (pid < 0) return err_set_errno(err, ERR_INTERNAL, code, "cannot start a process to check derived/totals");
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  if (got != sizeof finding) {
    return err_set(err, ERR_CORRUPT, "%s/totals/data.mdb is damaged: LMDB cannot read it; " REMEDY, dir);
  }
  *ret_old = finding.is_old;
  if (finding.result != 0 && err != NULL) *err = finding.err;
  return finding.result;
}

/* ---- writing ---- */

int rows_begin_write(struct rows *rows, struct rows_txn **ret, struct err *err) {
  struct rows_txn *txn = calloc(1, sizeof *txn);
  if (txn == NULL) return err_set(err, ERR_MEMORY, "no memory to write derived/totals: free some memory");
  txn->rows = rows;
  txn->writes = true;
  int code = mdb_txn_begin(rows->env, NULL, 0, &txn->txn);
  int result = code == 0 ? read_sums(txn, txn->sums, err) : cannot_write(code, err);
  if (result == -ERR_NOT_FOUND) result = 0; /* the first transaction finds no sums */
  if (result == 0) {
    *ret = txn;
    return 0;
  }
  if (code == 0) mdb_txn_abort(txn->txn);
  free(txn);
  return result;
}

/* Takes the present row with that key out of the sums. -ERR_NOT_FOUND if there is none. */
static int forget(struct rows_txn *txn, enum table table, struct str key, struct err *err) {
  struct str before;
  uint64_t hash = 0;
  int result = get(txn, table, key, &before, &hash, err);
  if (result != 0) return result;
  txn->sums[table].count--;
  txn->sums[table].sum -= hash;
  return 0;
}

static int put_raw(struct rows_txn *txn, enum table table, struct str key, struct str value, uint64_t hash,
                   struct err *err) {
  CHECK(value.len <= ROWS_VALUE_MAX);
  MDB_val name = val_of(key), row = {.mv_size = value.len + CHECKSUM_SIZE};
  int code = mdb_put(txn->txn, txn->rows->tables[table], &name, &row, MDB_RESERVE);
  if (code != 0) return cannot_write(code, err);
  if (value.len > 0) memcpy(row.mv_data, value.ptr, value.len);
  le32_store((char *)row.mv_data + value.len, (uint32_t)hash);
  return 0;
}

int rows_put(struct rows_txn *txn, enum table table, struct str key, struct str value, struct err *err) {
  int result = forget(txn, table, key, err);
  if (result != 0 && result != -ERR_NOT_FOUND) return result;
  uint64_t hash = hash_row(key, value);
  txn->sums[table].count++;
  txn->sums[table].sum += hash;
  return put_raw(txn, table, key, value, hash, err);
}

int rows_delete(struct rows_txn *txn, enum table table, struct str key, struct err *err) {
  int result = forget(txn, table, key, err);
  if (result != 0) return result;
  MDB_val name = val_of(key);
  int code = mdb_del(txn->txn, txn->rows->tables[table], &name, NULL);
  return code == 0 ? 0 : cannot_write(code, err);
}

int rows_delete_all(struct rows_txn *txn, enum table table, struct str prefix, struct err *err) {
  MDB_cursor *cursor;
  int code = mdb_cursor_open(txn->txn, txn->rows->tables[table], &cursor);
  if (code != 0) return cannot_write(code, err);
  MDB_val key = val_of(prefix), value;
  int result = 0;
  code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (code == 0 && result == 0 && str_starts(str_of_val(&key), prefix)) {
    struct str payload;
    uint64_t hash = 0;
    if (!open_row(&key, &value, &payload, &hash)) result = rows_bad(table, err);
    txn->sums[table].count--;
    txn->sums[table].sum -= hash;
    if (result == 0) code = mdb_cursor_del(cursor, 0);
    if (result == 0 && code == 0) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (result != 0) return result;
  return code == 0 || code == MDB_NOTFOUND ? 0 : cannot_write(code, err);
}

static bool is_alive(struct rows *rows) {
  MDB_txn *next;
  if (mdb_txn_begin(rows->env, NULL, 0, &next) != 0) return false;
  mdb_txn_abort(next);
  return true;
}

/* LMDB returns EIO for a write that failed and for a write that was cut short. Only a failed write leaves EIO in
 * errno; a short write is the first sign of a full disk. If a commit ends for lack of space or memory, what it wrote
 * belongs to no transaction, unless LMDB itself has given up: then its root may be written, and the state is unknown.
 */
static int commit(struct rows_txn *txn) {
  errno = 0;
  int code = mdb_txn_commit(txn->txn);
  if (code == EIO && errno != EIO) code = ENOSPC;
  bool is_shortage = code == ENOSPC || code == EDQUOT || code == ENOMEM;
  return is_shortage && !is_alive(txn->rows) ? EIO : code;
}

int rows_finish(struct rows_txn *txn, int result, struct err *err) {
  if (result == 0) {
    struct str sums = str_make((const char *)txn->sums, sizeof txn->sums);
    result = put_raw(txn, TABLE_META, SUMS_KEY, sums, hash_row(SUMS_KEY, sums), err);
  }
  if (result == 0) {
    int code = commit(txn);
    if (code != 0) result = failed(code, "cannot commit derived/totals", err);
  } else {
    mdb_txn_abort(txn->txn);
  }
  free(txn);
  return result;
}
