#include "metrics/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/lock.h"

#define FDS_AGE_US 1000000 /* a process with a thousand connections takes a millisecond to count its descriptors */

/* ---- the table ---- */

#define VALUE_TEXT(id, value) value,
#define LABEL_VALUES(label, name, ID) static const char *const label##_values[] = {METRIC_VALUES_OF_##ID(VALUE_TEXT)};
METRIC_LABELS(LABEL_VALUES)

static const char *version_values[] = {""}, *commit_values[] = {""}; /* set by metrics_begin */

#define LABEL_COUNT(label, name, ID) label##_count = METRIC_##ID,
enum { METRIC_LABELS(LABEL_COUNT) none_count = 1, version_count = 1, commit_count = 1 };

#define LABEL_NAME(label, text, ID) static const char label##_name[] = text;
METRIC_LABELS(LABEL_NAME)
static const char version_name[] = "version", commit_name[] = "commit";
#define none_name NULL
#define none_values NULL

#define MS UINT64_C(1000)
#define S UINT64_C(1000000)
static const uint64_t request_bounds[] = {100, 250, 500, 1 * MS, 2500, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
                                          250 * MS, 500 * MS, 1 * S, 2500 * MS, 5 * S, 10 * S, 30 * S};
static const uint64_t disk_bounds[] = {100, 250, 500, 1 * MS, 2500, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
                                       250 * MS, 500 * MS, 1 * S, 2500 * MS, 5 * S, 10 * S};
static const uint64_t work_bounds[] = {10 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S, 2500 * MS, 5 * S,
                                       10 * S, 30 * S, 60 * S, 120 * S, 300 * S};
static const uint64_t group_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
#undef MS
#undef S

#define BOUNDS(bounds) (sizeof bounds / sizeof bounds[0])

/* Where each family's cells begin. */
#define PLACE(id, cells) AT_##id, LAST_##id = AT_##id + (cells) - 1,
enum {
#define COUNTER(id, name, unit, a, b, help) PLACE(id, a##_count * b##_count)
#define GAUGE(id, name, unit, a, b, help) PLACE(id, a##_count * b##_count)
#define HISTOGRAM(id, name, unit, a, bounds, help) PLACE(id, a##_count * (int)COUNTERS_HISTOGRAM_CELLS(BOUNDS(bounds)))
#define INFO(id, name, a, b, help) PLACE(id, 1)
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
#undef INFO
  CELLS
};

static counters_cell cells[CELLS] __attribute__((aligned(64)));

#define LABEL(label) {.name = label##_name, .values = label##_values, .count = label##_count}
#define FAMILY(id, family_name, family_type, family_unit, a, b, family_help)                  \
  .name = (family_name), .type = COUNTERS_##family_type, .unit = COUNTERS_##family_unit,      \
  .labels = {LABEL(a), LABEL(b)}, .first = AT_##id, .help = (family_help)
static const struct counters_family families[] = {
#define COUNTER(id, name, unit, a, b, help) {FAMILY(id, name, COUNTER, unit, a, b, help)},
#define GAUGE(id, name, unit, a, b, help) {FAMILY(id, name, GAUGE, unit, a, b, help)},
#define HISTOGRAM(id, name, unit, a, row_bounds, help) \
  {FAMILY(id, name, HISTOGRAM, unit, a, none, help), .bounds = row_bounds, .bounds_count = BOUNDS(row_bounds)},
#define INFO(id, name, a, b, help) {FAMILY(id, name, INFO, PLAIN, a, b, help)},
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
#undef INFO
};

const struct counters metrics = {.families = families, .count = METRICS, .cells = cells};

/* ---- the process ---- */

static uint64_t started_us;

static uint64_t real_us(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void metrics_begin(const char *version, const char *commit) {
  version_values[0] = version;
  commit_values[0] = commit;
  started_us = real_us();
  for (unsigned i = 0; i < METRICS; i++) {
    const struct counters_family *family = &families[i];
    if (family->type != COUNTERS_GAUGE) continue;
    for (unsigned label = 0; label < family->labels[0].count * family->labels[1].count; label++)
      metrics_set(i, label, COUNTERS_UNKNOWN);
  }
  metrics_set(METRIC_PROCESS_START, 0, started_us);
}

void metrics_observe_since(enum metric metric, unsigned label, int64_t begun_us) {
  int64_t now_us = counters_now_us();
  counters_observe(&metrics, metric, label, now_us > begun_us ? (uint64_t)(now_us - begun_us) : 0);
}

void metrics_write(enum counters_format format, struct buf *out) { counters_write(&metrics, format, started_us, out); }

static void look_at_memory(void) {
  unsigned long long virtual_pages = 0, resident = 0;
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return;
  if (fscanf(file, "%llu %llu", &virtual_pages, &resident) == 2) {
    metrics_set(METRIC_PROCESS_VIRTUAL, 0, virtual_pages * page);
    metrics_set(METRIC_PROCESS_RESIDENT, 0, resident * page);
  }
  (void)fclose(file);
}

/* The entries of a directory of /proc; COUNTERS_UNKNOWN if it cannot be read. */
static uint64_t count_entries(const char *path) {
  uint64_t count = 0;
  DIR *dir = opendir(path);
  if (dir == NULL) return COUNTERS_UNKNOWN;
  for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
    count += entry->d_name[0] != '.';
  (void)closedir(dir);
  return count;
}

static void look_at_descriptors(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static int64_t looked_us;
  int64_t now_us = counters_now_us();
  lock_take(&lock);
  bool is_due = looked_us == 0 || now_us - looked_us >= FDS_AGE_US;
  if (is_due) looked_us = now_us;
  lock_give(&lock);
  if (!is_due) return;
  uint64_t fds = count_entries("/proc/self/fd");
  metrics_set(METRIC_PROCESS_FDS, 0, fds == COUNTERS_UNKNOWN ? fds : fds - 1); /* not the one that reads the directory */
  metrics_set(METRIC_PROCESS_THREADS, 0, count_entries("/proc/self/task"));
}

void metrics_look_at_process(void) {
  struct rlimit limit;
  struct timespec cpu;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
    metrics_set(METRIC_PROCESS_CPU, 0, (uint64_t)cpu.tv_sec * 1000000u + (uint64_t)cpu.tv_nsec / 1000u);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) metrics_set(METRIC_PROCESS_FDS_MAX, 0, (uint64_t)limit.rlim_cur);
  look_at_memory();
  look_at_descriptors();
}
