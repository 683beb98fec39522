/* Counters: what the program counts about itself, for monitoring. This file has the mechanism; a table of families says
 * what is counted (metrics/metrics.def).
 *
 * A family has a name, a type, a unit, up to two labels, each with a closed set of values, and a help text. So the
 * number of samples is fixed when the program is compiled, and no client can add one. Each sample is a cell or, for a
 * histogram, one cell for each bucket and one for the sum.
 *
 * Updates are relaxed atomic additions: any thread, no lock, no allocation. A reader may see one cell newer than another.
 *
 * Formats: Prometheus text 0.0.4 and OpenMetrics text 1.0. Names of families have no `_total` and no `_info`; the
 * writer adds them. Texts of a table hold no quote, no backslash and no line end, so nothing is escaped.
 */
#ifndef CODECMETER_BASE_COUNTERS_H
#define CODECMETER_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

/* INFO: constant labels that describe the program; its value is always 1. */
enum counters_type { COUNTERS_COUNTER, COUNTERS_GAUGE, COUNTERS_HISTOGRAM, COUNTERS_INFO };
/* SECONDS are kept in microseconds, and RATIO in millionths. */
enum counters_unit { COUNTERS_PLAIN, COUNTERS_BYTES, COUNTERS_SECONDS, COUNTERS_RATIO };

#define COUNTERS_LABELS_MAX 2u
struct counters_label {
  const char *name; /* NULL: the family does not have this label; `count` is 1 */
  const char *const *values;
  unsigned count;
};

struct counters_family {
  const char *name; /* ends with _bytes, _seconds or _ratio if it has such a unit */
  enum counters_type type;
  enum counters_unit unit;
  struct counters_label labels[COUNTERS_LABELS_MAX];
  const uint64_t *bounds; /* of a histogram: the inclusive upper bounds of its buckets, rising, without infinity */
  unsigned bounds_count;
  unsigned first; /* its first cell */
  const char *help;
};

typedef atomic_uint_fast64_t counters_cell;

struct counters {
  const struct counters_family *families;
  size_t count;
  counters_cell *cells;
};

/* Cells of one sample of a histogram: its buckets, that of infinity, and the sum. */
#define COUNTERS_HISTOGRAM_CELLS(bounds_count) ((bounds_count) + 2u)
/* The value of a gauge that is not known now: it has no sample. */
#define COUNTERS_UNKNOWN UINT64_MAX

/* The functions below take a family's index in the table and a label's index: the first label's index times the
 * second label's count, plus the second label's index. */

/* Adds to a counter. */
static inline void counters_add(const struct counters *counters, unsigned family, unsigned label, uint64_t more) {
  (void)atomic_fetch_add_explicit(&counters->cells[counters->families[family].first + label], more,
                                  memory_order_relaxed);
}
/* Sets a gauge, or a counter that another part of the program counts. */
static inline void counters_set(const struct counters *counters, unsigned family, unsigned label, uint64_t value) {
  atomic_store_explicit(&counters->cells[counters->families[family].first + label], value, memory_order_relaxed);
}
/* Adds an observed value to a histogram; of SECONDS: microseconds. */
void counters_observe(const struct counters *counters, unsigned family, unsigned label, uint64_t value);
/* The value of a counter or gauge; of a histogram, how many values were observed. */
uint64_t counters_value(const struct counters *counters, unsigned family, unsigned label);
/* The monotonic clock in microseconds, for durations that are observed. */
int64_t counters_now_us(void);

enum counters_format { COUNTERS_TEXT, COUNTERS_OPENMETRICS };
/* Appends all samples. created_us: Unix time in microseconds since which the counters count; OpenMetrics says it. */
void counters_write(const struct counters *counters, enum counters_format format, uint64_t created_us,
                    struct buf *out);
/* The Content-Type of a format. */
const char *counters_content_type(enum counters_format format);

/* Appends the table of families in Markdown, as docs/metrics.md shows it. */
void counters_describe(const struct counters *counters, struct buf *out);

#endif
