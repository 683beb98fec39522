/* A merge may remove a run between reading the list and opening the run. The snapshot is then taken again. */
#include "ledger/care/derived.h"

#include "base/file.h"

#define TRIES 10

struct opening {
  const char *dir;
  const uint8_t *uuid;
  struct run_list *runs;
};

static int open_listed(void *arg, const struct run_info *info, struct err *err) {
  struct opening *opening = arg;
  struct run *run;
  int result = run_open(opening->dir, opening->uuid, info, &run, err);
  if (result != 0) return result;
  struct run_list *grown = run_list_with(opening->runs, run);
  run_list_release(opening->runs);
  opening->runs = grown;
  return 0;
}

/* Opens the runs that the transaction lists. -ERR_NOT_FOUND: a merge has removed one of them since. */
static int take_runs(struct snapshot *snapshot, struct rows_txn *txn, const char *runs_dir, struct err *err) {
  struct opening opening = {.dir = runs_dir, .uuid = snapshot->meta.uuid, .runs = run_list_new()};
  int result = totals_visit_runs(txn, open_listed, &opening, err);
  if (result == 0)
    snapshot->runs = opening.runs;
  else
    run_list_release(opening.runs);
  return result;
}

static int take_all(const struct ledger_options *options, const struct log *log, struct rows *rows,
                    const char *runs_dir, int (*take)(void *arg, struct rows_txn *txn, struct err *err), void *arg,
                    struct snapshot *ret, struct err *err) {
  for (int tries = 0;; tries++) {
    SCOPED(rows_end_ref) struct rows_txn *txn = NULL;
    int result = rows_begin(rows, &txn, err);
    if (result == 0) result = totals_meta(txn, &ret->meta, err);
    if (result == 0 && memcmp(ret->meta.uuid, log_uuid(log), LEDGER_UUID_SIZE) != 0) {
      return err_set(err, ERR_CORRUPT, "%s/derived belongs to another ledger than the log: run `codecmeter rebuild`",
                     options->dir);
    }
    if (result == 0) result = take_runs(ret, txn, runs_dir, err);
    if (result == -ERR_NOT_FOUND && tries < TRIES) continue;
    if (result == -ERR_NOT_FOUND) err->code = ERR_CORRUPT;
    if (result != 0) return -(int)err->code;
    return take != NULL ? take(arg, txn, err) : 0;
  }
}

int snapshot_take(const struct ledger_options *options, const struct log *log,
                  int (*take)(void *arg, struct rows_txn *txn, struct err *err), void *arg, struct snapshot *ret,
                  struct err *err) {
  SCOPED_MALLOC char *derived = file_path(options->dir, "derived");
  SCOPED_MALLOC char *runs_dir = file_path(derived, "runs");
  struct rows *rows;
  bool is_old = false;
  uint64_t map_size = options->map_size != 0 ? options->map_size : LEDGER_MAP_SIZE_DEFAULT;
  int result = rows_probe(derived, map_size, &is_old, err);
  if (result == 0 && !is_old) result = rows_open(derived, map_size, true, &rows, &is_old, err);
  if (result == -ERR_NOT_FOUND || is_old) {
    return err_set(err, ERR_CORRUPT,
                   "%s has no derived files of the present format: start the server or run `codecmeter rebuild`",
                   options->dir);
  }
  if (result != 0) return result;
  result = take_all(options, log, rows, runs_dir, take, arg, ret, err);
  rows_close(rows);
  return result;
}

void snapshot_fini(struct snapshot *snapshot) {
  if (snapshot->runs != NULL) run_list_release(snapshot->runs);
  snapshot->runs = NULL;
}
