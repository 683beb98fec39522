/* Verification's insides, shared by verify.c, which reads the log and the runs, and verify_totals.c, which compares
 * what comes of that with the rows. Nobody else includes it.
 */
#ifndef CODECMETER_LEDGER_VERIFY_H
#define CODECMETER_LEDGER_VERIFY_H

#include <stdlib.h>

#include "base/check.h"
#include "ledger/catalogue_write.h"
#include "ledger/cells.h"
#include "ledger/ledger.h"
#include "ledger/log.h"
#include "ledger/snapshot.h"

struct tally {
  uint64_t count, high, low;
};

/* A run, what the log says that it must hold, what it does hold. */
struct checked_run {
  struct run *run;
  struct tally wanted, found;
};

/* The runs of a kind, by position. */
struct checked_kind {
  struct checked_run *items;
  size_t count;
  size_t at; /* the one that the log's walk has reached */
};

struct row {
  char *bytes; /* key, value */
  size_t key_len, len;
  size_t order; /* in which it came: the last one of a key stands */
};

struct row_vector {
  struct row *items;
  size_t count, cap;
};

struct day_total {
  uint32_t project;
  uint8_t kind, codec;
  int32_t day;
  struct usage_count sums[TIERS];
};

struct day_vector {
  struct day_total *items;
  size_t count, cap;
};

struct verify {
  const struct ledger_options *options;
  const struct ledger_verify_options *how;
  struct log *log;
  struct log_reader *reader;
  struct ledger_verify_report report;
  uint64_t done, total;    /* bytes, for progress */
  uint64_t label_position; /* of a backup: as far as it reaches, as its label says */

  /* as the derived files have it */
  struct snapshot snapshot;
  struct checked_kind kinds[ENTRY_KINDS]; /* by kind - 1 */
  struct row_vector kept_rows;
  struct cell *kept_cells;
  size_t kept_cells_count, kept_cells_cap;
  struct day_vector kept_days;
  struct zone_kept {
    uint32_t project;
    enum totals_days state;
  } * zones;
  size_t zones_count;

  /* as the log has it */
  struct catalogue *catalogue;
  struct delta *changes; /* rows that the catalogue's records make */
  struct cells cells;
  int64_t block_time_ms;
  bool beyond_told;
  uint64_t *skipped; /* records that count nothing: their identity stands earlier in the log */
  size_t skipped_count;
};

/* Room for one more, or the end: this is a command of its own. */
#define VERIFY_ADD(vector_items, vector_count, vector_cap)                                 \
  ({                                                                                       \
    if ((vector_count) == (vector_cap)) {                                                  \
      (vector_cap) = (vector_cap) == 0 ? 64 : (vector_cap)*2;                              \
      (vector_items) = reallocarray((vector_items), (vector_cap), sizeof *(vector_items)); \
      CHECK((vector_items) != NULL);                                                       \
    }                                                                                      \
    &(vector_items)[(vector_count)++];                                                     \
  })

/* Counts a difference, and tells it if it is among the first. */
void verify_differs(struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- verify_totals.c ---- */

/* For totals_visit_catalogue; arg is a struct row_vector. */
int verify_keep_row(void *arg, struct str key, struct str value, struct err *err);
void verify_rows_fini(struct row_vector *rows);
/* Cells and days of the log against those of the rows, the catalogue's rows against those that its records make. */
MUST_USE int verify_compare_totals(struct verify *v, struct err *err);

#endif
