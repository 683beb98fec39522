#include "base/counters.h"

#include <time.h>

#include "base/check.h"

#define MILLION 1000000u

/* ---- cells ---- */

static uint64_t load(const struct counters *counters, size_t cell) {
  return atomic_load_explicit(&counters->cells[cell], memory_order_relaxed);
}

static unsigned labels_count(const struct counters_family *family) {
  return family->labels[0].count * family->labels[1].count;
}

static size_t histogram_cell(const struct counters_family *family, unsigned label) {
  return family->first + (size_t)label * COUNTERS_HISTOGRAM_CELLS(family->bounds_count);
}

void counters_observe(const struct counters *counters, unsigned family, unsigned label, uint64_t value) {
  const struct counters_family *row = &counters->families[family];
  counters_cell *cells = &counters->cells[histogram_cell(row, label)];
  unsigned bucket = 0;
  while (bucket < row->bounds_count && value > row->bounds[bucket])
    bucket++;
  (void)atomic_fetch_add_explicit(&cells[bucket], 1, memory_order_relaxed);
  (void)atomic_fetch_add_explicit(&cells[row->bounds_count + 1], value, memory_order_relaxed);
}

uint64_t counters_value(const struct counters *counters, unsigned family, unsigned label) {
  const struct counters_family *row = &counters->families[family];
  if (row->type != COUNTERS_HISTOGRAM) return load(counters, row->first + label);
  uint64_t sum = 0;
  for (unsigned bucket = 0; bucket <= row->bounds_count; bucket++)
    sum += load(counters, histogram_cell(row, label) + bucket);
  return sum;
}

int64_t counters_now_us(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return (int64_t)now.tv_sec * MILLION + now.tv_nsec / 1000;
}

/* ---- writing ---- */

/* Only a counter and an info have a name of a sample that is not the family's. */
static const char *suffix_of(enum counters_type type) {
  return type == COUNTERS_COUNTER ? "_total" : type == COUNTERS_INFO ? "_info" : "";
}

static void write_number(enum counters_unit unit, uint64_t value, struct buf *out) {
  if (unit == COUNTERS_PLAIN || unit == COUNTERS_BYTES) {
    buf_u64(out, value);
    return;
  }
  unsigned rest = (unsigned)(value % MILLION), place = MILLION;
  buf_u64(out, value / MILLION);
  buf_char(out, '.');
  do {
    place /= 10;
    buf_char(out, (char)('0' + rest / place));
    rest %= place;
  } while (rest > 0);
}

/* A bound is always written with a point, so that a bucket has the same label in both formats. */
static void write_bound(const struct counters_family *family, unsigned bucket, struct buf *out) {
  if (bucket == family->bounds_count) {
    buf_text(out, "+Inf");
    return;
  }
  write_number(family->unit, family->bounds[bucket], out);
  if (family->unit != COUNTERS_SECONDS) buf_text(out, ".0");
}

static void write_pair(const char *before, const char *name, const char *value, struct buf *out) {
  buf_text(out, before);
  buf_text(out, name);
  buf_text(out, "=\"");
  buf_text(out, value);
  buf_char(out, '"');
}

/* One line's name and labels. bucket: -1 if it is not a bucket. A scrape has hundreds of lines, so none is formatted by
 * printf. */
static void write_name(const struct counters_family *family, const char *suffix, unsigned label, int bucket,
                       struct buf *out) {
  const unsigned at[COUNTERS_LABELS_MAX] = {label / family->labels[1].count, label % family->labels[1].count};
  const char *before = "{";
  buf_text(out, family->name);
  buf_text(out, suffix);
  for (unsigned i = 0; i < COUNTERS_LABELS_MAX; i++) {
    const struct counters_label *row = &family->labels[i];
    if (row->name == NULL) continue;
    write_pair(before, row->name, row->values[at[i]], out);
    before = ",";
  }
  if (bucket >= 0) {
    buf_text(out, before);
    buf_text(out, "le=\"");
    write_bound(family, (unsigned)bucket, out);
    buf_char(out, '"');
    before = ",";
  }
  buf_text(out, before[0] == ',' ? "} " : " ");
}

static void write_sample(const struct counters_family *family, const char *suffix, unsigned label,
                         enum counters_unit unit, uint64_t value, struct buf *out) {
  write_name(family, suffix, label, -1, out);
  write_number(unit, value, out);
  buf_char(out, '\n');
}

static void write_histogram(const struct counters *counters, const struct counters_family *family, unsigned label,
                            struct buf *out) {
  size_t cell = histogram_cell(family, label);
  uint64_t count = 0;
  for (unsigned bucket = 0; bucket <= family->bounds_count; bucket++) {
    count += load(counters, cell + bucket);
    write_name(family, "_bucket", label, (int)bucket, out);
    buf_u64(out, count);
    buf_char(out, '\n');
  }
  write_sample(family, "_sum", label, family->unit, load(counters, cell + family->bounds_count + 1), out);
  write_sample(family, "_count", label, COUNTERS_PLAIN, count, out);
}

static void write_label(const struct counters *counters, const struct counters_family *family, unsigned label,
                        struct buf *out) {
  if (family->type == COUNTERS_HISTOGRAM) {
    write_histogram(counters, family, label, out);
    return;
  }
  uint64_t value = family->type == COUNTERS_INFO ? 1 : load(counters, family->first + label);
  if (family->type == COUNTERS_GAUGE && value == COUNTERS_UNKNOWN) return;
  write_sample(family, suffix_of(family->type), label, family->unit, value, out);
}

static void write_head(const struct counters_family *family, enum counters_format format, struct buf *out) {
  static const char *const types[] = {"counter", "gauge", "histogram", "info"};
  static const char *const units[] = {"", "bytes", "seconds", "ratio"};
  bool is_open = format == COUNTERS_OPENMETRICS;
  const char *suffix = is_open ? "" : suffix_of(family->type);
  const char *type = types[!is_open && family->type == COUNTERS_INFO ? COUNTERS_GAUGE : family->type];
  buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, suffix, family->help, family->name, suffix, type);
  if (is_open && family->unit != COUNTERS_PLAIN)
    buf_printf(out, "# UNIT %s %s\n", family->name, units[family->unit]);
}

void counters_write(const struct counters *counters, enum counters_format format, uint64_t created_us,
                    struct buf *out) {
  for (size_t i = 0; i < counters->count; i++) {
    const struct counters_family *family = &counters->families[i];
    bool has_created = family->type == COUNTERS_COUNTER || family->type == COUNTERS_HISTOGRAM;
    write_head(family, format, out);
    for (unsigned label = 0; label < labels_count(family); label++) {
      write_label(counters, family, label, out);
      if (format == COUNTERS_OPENMETRICS && has_created)
        write_sample(family, "_created", label, COUNTERS_SECONDS, created_us, out);
    }
  }
  if (format == COUNTERS_OPENMETRICS) buf_text(out, "# EOF\n");
}

const char *counters_content_type(enum counters_format format) {
  return format == COUNTERS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- the documentation ---- */

static void describe_labels(const struct counters_family *family, struct buf *out) {
  const char *before = "";
  for (unsigned i = 0; i < COUNTERS_LABELS_MAX; i++) {
    const struct counters_label *label = &family->labels[i];
    if (label->name == NULL) continue;
    buf_printf(out, "%s`%s`", before, label->name);
    before = "; ";
    for (unsigned value = 0; value < label->count && family->type != COUNTERS_INFO; value++)
      buf_printf(out, "%s %s", value == 0 ? ":" : ",", label->values[value]);
  }
}

void counters_describe(const struct counters *counters, struct buf *out) {
  static const char *const types[] = {"counter", "gauge", "histogram", "info"};
  buf_text(out, "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
  for (size_t i = 0; i < counters->count; i++) {
    const struct counters_family *family = &counters->families[i];
    size_t before;
    buf_printf(out, "| `%s%s` | %s | ", family->name, suffix_of(family->type), types[family->type]);
    before = out->len;
    describe_labels(family, out);
    buf_printf(out, "%s| %s |\n", out->len > before ? " " : "", family->help);
  }
}
