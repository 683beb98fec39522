/* The insides of verification, shared by verify.c, which reads the log and the runs, and verify_totals.c, which
 * compares the recount with the rows. No other file includes it.
 */
#ifndef CODECMETER_LEDGER_CARE_VERIFY_H
#define CODECMETER_LEDGER_CARE_VERIFY_H

#include <stdlib.h>

#include "base/check.h"
#include "ledger/care/derived.h"
#include "ledger/catalogue/catalogue_write.h"
#include "ledger/index/identities.h"
#include "ledger/ledger.h"
#include "ledger/log/log.h"
#include "ledger/totals/cells.h"

/* A number of entries and the sum of their hashes, modulo 2^64. */
struct tally {
  uint64_t count, high, low;
};

/* A run, the entries that it must hold according to the log, and the entries that it holds. */
struct checked_run {
  struct run *run;
  struct tally wanted, found;
  uint64_t told; /* differences between the two that were reported one by one */
};

/* The runs of a kind, in order of position. */
struct checked_kind {
  struct checked_run *items;
  size_t count;
  size_t at; /* the run that the scan of the log has reached */
};

struct row {
  char *bytes; /* key, value */
  size_t key_len, len;
  size_t order; /* of arrival: the last row of a key counts */
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
  uint64_t label_position; /* of a backup: the position that its label names */

  /* from the derived files */
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

  /* from the log */
  struct catalogue *catalogue;
  struct puts changes; /* rows made from the catalogue's records */
  struct cells cells;
  int64_t block_time_ms;
  /* of the record being recounted */
  uint64_t position;
  struct record earlier;     /* what a look-up read last */
  uint64_t earlier_position; /* of it, if it answered the question */

  /* Set by the first recount: something is not as the runs have it, so a second, careful recount is needed. */
  bool is_odd;
  bool is_careful; /* it is the second one. It alone fills what follows, and reports: */
  struct identities missing[2]; /* identities and voids that count, but are in no run; by kind - 1 */
  uint64_t *uncounted;          /* positions of records that count nothing, in order */
  size_t uncounted_count, uncounted_cap;
};

/* Gives a new item at the end of a vector. Without memory it ends the program, which is a command of its own. */
#define VERIFY_ADD(vector_items, vector_count, vector_cap)                                 \
  ({                                                                                       \
    if ((vector_count) == (vector_cap)) {                                                  \
      (vector_cap) = (vector_cap) == 0 ? 64 : (vector_cap)*2;                              \
      (vector_items) = reallocarray((vector_items), (vector_cap), sizeof *(vector_items)); \
      CHECK((vector_items) != NULL);                                                       \
    }                                                                                      \
    &(vector_items)[(vector_count)++];                                                     \
  })

/* Counts a difference, and reports it if it is among the first DIFFERENCES_TOLD. */
void verify_differs(struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- verify_totals.c ---- */

/* For totals_visit_catalogue; arg is a struct row_vector. */
int verify_keep_row(void *arg, struct str key, struct str value, struct err *err);
void verify_rows_fini(struct row_vector *rows);
/* Compares cells and days of the log with those of the rows, and the catalogue's rows with those made from its
 * records. */
MUST_USE int verify_compare_totals(struct verify *v, struct err *err);

#endif
