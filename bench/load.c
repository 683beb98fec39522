/* Feeds one seeded stream of events to one sink, over blocking connections with a thread each, and prints one line of
 * key=value results. Without --rate the loop is closed: a connection sends as soon as it was answered. With --rate it
 * is open: requests have times at which they are due, and latency counts from then, so that a stall is seen by all
 * the requests that it delays.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "histogram.h"
#include "sink.h"

#define CONNECTIONS_MAX 1024

struct load {
  struct stream stream;
  struct sink_options sink_options;
  const struct sink *sink;
  uint64_t first, events, requests;
  unsigned connections;
  double rate;     /* requests a second; 0: closed loop */
  double interval; /* seconds between lines; 0: none */
  int64_t start_ns;
  pthread_barrier_t ready;
  atomic_uint_fast64_t next, done; /* requests claimed; events answered */
};

struct worker {
  struct load *load;
  unsigned number;
  pthread_t thread;
  struct outcome sum;
  struct histogram latency;
  int64_t end_ns;
};

void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)fputs("load: ", stderr);
  (void)vfprintf(stderr, format, args);
  (void)fputc('\n', stderr);
  va_end(args);
  exit(1);
}

void *must_allocate(size_t size) {
  void *memory = calloc(1, size);
  if (memory == NULL) fail("no memory");
  return memory;
}

static int64_t now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t ns) {
  struct timespec until = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
  }
}

/* ---- workers ---- */

static unsigned make_events(const struct load *load, uint64_t request, struct event *events) {
  uint64_t from = request * load->sink_options.batch, left = load->events - from;
  unsigned count = left < load->sink_options.batch ? (unsigned)left : load->sink_options.batch;
  for (unsigned i = 0; i < count; i++) {
    stream_event(&load->stream, load->first + from + i, &events[i]);
  }
  return count;
}

static void account(struct worker *worker, unsigned sent, const struct outcome *outcome) {
  uint64_t told = outcome->stored + outcome->duplicate + outcome->conflict + outcome->rejected;
  if (told != sent) fail("%u events sent, the fate of %llu told", sent, (unsigned long long)told);
  worker->sum.stored += outcome->stored;
  worker->sum.duplicate += outcome->duplicate;
  worker->sum.conflict += outcome->conflict;
  worker->sum.rejected += outcome->rejected;
  (void)atomic_fetch_add(&worker->load->done, sent);
}

static void *work(void *arg) {
  struct worker *worker = arg;
  struct load *load = worker->load;
  void *connection = load->sink->connect(&load->sink_options, worker->number);
  struct event *events = must_allocate(load->sink_options.batch * sizeof *events);
  (void)pthread_barrier_wait(&load->ready);
  (void)pthread_barrier_wait(&load->ready); /* between the two the clock was started */
  for (;;) {
    uint64_t request = atomic_fetch_add(&load->next, 1);
    if (request >= load->requests) break;
    unsigned count = make_events(load, request, events);
    load->sink->build(connection, events, count);
    int64_t begin_ns = now_ns();
    if (load->rate > 0) {
      int64_t due_ns = load->start_ns + (int64_t)((double)request / load->rate * 1e9);
      if (begin_ns < due_ns) sleep_until(due_ns);
      begin_ns = due_ns;
    }
    struct outcome outcome = {0};
    load->sink->send(connection, &outcome);
    worker->end_ns = now_ns();
    histogram_add(&worker->latency, (uint64_t)(worker->end_ns - begin_ns));
    account(worker, count, &outcome);
  }
  load->sink->close(connection);
  free(events);
  return NULL;
}

/* ---- results ---- */

static void print_intervals(struct load *load) {
  uint64_t before = 0;
  for (uint64_t i = 1; load->interval > 0 && before < load->events; i++) {
    sleep_until(load->start_ns + (int64_t)((double)i * load->interval * 1e9));
    uint64_t done = atomic_load(&load->done);
    (void)printf("interval at=%.1f events=%llu rate=%.0f\n", (double)i * load->interval, (unsigned long long)done,
                 (double)(done - before) / load->interval);
    (void)fflush(stdout);
    before = done;
  }
}

/* All events before `first` must have been sent to the same peer, else a repeated one may be new to it. */
static void check_stored(const struct load *load, const struct outcome *sum) {
  uint64_t repeats = 0;
  for (uint64_t i = load->first; i < load->first + load->events && load->sink != &sink_query; i++) {
    repeats += stream_repeats(&load->stream, i);
  }
  if (sum->stored != load->events - repeats || sum->duplicate != repeats) {
    fail("%llu stored, %llu duplicate, %llu conflict, %llu rejected; %llu new and %llu repeated were sent",
         (unsigned long long)sum->stored, (unsigned long long)sum->duplicate, (unsigned long long)sum->conflict,
         (unsigned long long)sum->rejected, (unsigned long long)(load->events - repeats),
         (unsigned long long)repeats);
  }
}

/* Of this program: it shares the machine with what it measures. */
static double cpu_seconds(void) {
  struct rusage used;
  (void)getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void report(const struct load *load, const struct worker *workers) {
  struct histogram *latency = must_allocate(sizeof *latency);
  struct outcome sum = {0};
  int64_t end_ns = load->start_ns;
  for (unsigned i = 0; i < load->connections; i++) {
    histogram_merge(latency, &workers[i].latency);
    sum.stored += workers[i].sum.stored;
    sum.duplicate += workers[i].sum.duplicate;
    sum.conflict += workers[i].sum.conflict;
    sum.rejected += workers[i].sum.rejected;
    if (workers[i].end_ns > end_ns) end_ns = workers[i].end_ns;
  }
  check_stored(load, &sum);
  double seconds = (double)(end_ns - load->start_ns) / 1e9;
  (void)printf(
      "sink=%s events=%llu requests=%llu seconds=%.3f rate=%.0f p50_us=%.0f p99_us=%.0f p999_us=%.0f "
      "max_us=%.0f cpu_seconds=%.3f stored=%llu duplicate=%llu\n",
      load->sink->name, (unsigned long long)load->events, (unsigned long long)load->requests, seconds,
      (double)load->events / seconds, (double)histogram_quantile_ns(latency, 0.5) / 1e3,
      (double)histogram_quantile_ns(latency, 0.99) / 1e3, (double)histogram_quantile_ns(latency, 0.999) / 1e3,
      (double)latency->max_ns / 1e3, cpu_seconds(), (unsigned long long)sum.stored,
      (unsigned long long)sum.duplicate);
  free(latency);
}

static void run(struct load *load) {
  struct worker *workers = must_allocate(load->connections * sizeof *workers);
  (void)pthread_barrier_init(&load->ready, NULL, load->connections + 1);
  for (unsigned i = 0; i < load->connections; i++) {
    workers[i].load = load;
    workers[i].number = i;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) fail("cannot start a thread");
  }
  (void)pthread_barrier_wait(&load->ready);
  load->start_ns = now_ns();
  (void)pthread_barrier_wait(&load->ready);
  print_intervals(load);
  for (unsigned i = 0; i < load->connections; i++) {
    (void)pthread_join(workers[i].thread, NULL);
  }
  report(load, workers);
  free(workers);
}

/* ---- options ---- */

static const char usage[] =
    "usage: load http|query|postgres|sqlite --target TARGET [options]\n"
    "  --target      http, query: HOST:PORT; postgres: conninfo; sqlite: file\n"
    "  --token T     http: bearer token, bound to a project      --ndjson  http: ndjson instead of an array\n"
    "  --path P      query: what to GET; it must answer RetCode 0\n"
    "  --method M    postgres: unnest (default) or copy           --shards N  postgres: rows a cell of totals\n"
    "  --events N    how many (1000000)       --first N     index of the first one (0)\n"
    "  --seed N      of the stream (1)        --now MS      end of its 31 days, Unix ms (required but for query)\n"
    "  --sources N   1 to 10 (4)              --duplicates N  events in 1000 that repeat an earlier one (0)\n"
    "  --batch N     events a request (1000)  --connections N  (8)\n"
    "  --rate R      requests a second, open loop (as fast as answered)\n"
    "  --interval S  a line every S seconds (none)\n";

__attribute__((noreturn)) static void misuse(void) {
  (void)fputs(usage, stderr);
  exit(2);
}

static double number(const char *text, double min, double max) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || value < min || value > max) fail("%s: a number from %g to %g", text, min, max);
  return value;
}

static uint64_t whole(const char *text, uint64_t min, uint64_t max) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < min || value > max) {
    fail("%s: a whole number from %llu to %llu", text, (unsigned long long)min, (unsigned long long)max);
  }
  return value;
}

static const struct sink *sink_named(const char *name) {
  static const struct sink *const sinks[] = {&sink_http, &sink_query, &sink_postgres, &sink_sqlite};
  for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++) {
    if (strcmp(sinks[i]->name, name) == 0) return sinks[i];
  }
  misuse();
}

enum choice {
  TARGET = 1,
  TOKEN,
  NDJSON,
  PATH,
  METHOD,
  SHARDS,
  EVENTS,
  FIRST,
  SEED,
  NOW,
  SOURCES,
  DUPLICATES,
  BATCH,
  CONNECTIONS,
  RATE,
  INTERVAL,
};

static void set(struct load *load, int option, const char *value) {
  switch ((enum choice)option) {
    case TARGET:
      load->sink_options.target = value;
      return;
    case TOKEN:
      load->sink_options.token = value;
      return;
    case NDJSON:
      load->sink_options.ndjson = true;
      return;
    case PATH:
      load->sink_options.path = value;
      return;
    case METHOD:
      load->sink_options.method = value;
      return;
    case SHARDS:
      load->sink_options.shards = (unsigned)whole(value, 1, CONNECTIONS_MAX);
      return;
    case EVENTS:
      load->events = whole(value, 1, UINT64_C(1) << 40);
      return;
    case FIRST:
      load->first = whole(value, 0, UINT64_C(1) << 40);
      return;
    case SEED:
      load->stream.seed = whole(value, 0, UINT64_MAX);
      return;
    case NOW:
      load->stream.now_ms = (int64_t)whole(value, INT64_C(1) << 40, INT64_C(1) << 45);
      return;
    case SOURCES:
      load->stream.sources = (unsigned)whole(value, 1, STREAM_SOURCES_MAX);
      return;
    case DUPLICATES:
      load->stream.duplicates = (unsigned)whole(value, 0, 900);
      return;
    case BATCH:
      load->sink_options.batch = (unsigned)whole(value, 1, 1000000);
      return;
    case CONNECTIONS:
      load->connections = (unsigned)whole(value, 1, CONNECTIONS_MAX);
      return;
    case RATE:
      load->rate = number(value, 0.01, 1e9);
      return;
    case INTERVAL:
      load->interval = number(value, 0.01, 1e6);
      return;
  }
  misuse();
}

static void parse(struct load *load, int argc, char **argv) {
  static const struct option rows[] = {
      {"target", required_argument, NULL, TARGET},
      {"token", required_argument, NULL, TOKEN},
      {"ndjson", no_argument, NULL, NDJSON},
      {"path", required_argument, NULL, PATH},
      {"method", required_argument, NULL, METHOD},
      {"shards", required_argument, NULL, SHARDS},
      {"events", required_argument, NULL, EVENTS},
      {"first", required_argument, NULL, FIRST},
      {"seed", required_argument, NULL, SEED},
      {"now", required_argument, NULL, NOW},
      {"sources", required_argument, NULL, SOURCES},
      {"duplicates", required_argument, NULL, DUPLICATES},
      {"batch", required_argument, NULL, BATCH},
      {"connections", required_argument, NULL, CONNECTIONS},
      {"rate", required_argument, NULL, RATE},
      {"interval", required_argument, NULL, INTERVAL},
      {NULL, 0, NULL, 0},
  };
  if (argc < 2) misuse();
  load->sink = sink_named(argv[1]);
  optind = 2;
  for (int option; (option = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
    set(load, option, optarg);
  }
  if (optind != argc || load->sink_options.target == NULL) misuse();
  if (load->sink == &sink_query) {
    load->sink_options.batch = 1;
    load->stream.now_ms = INT64_C(1) << 40;
  }
  if (load->stream.now_ms == 0) misuse();
  load->requests = (load->events + load->sink_options.batch - 1) / load->sink_options.batch;
}

int main(int argc, char **argv) {
  static struct load load = {
      .stream = {.seed = 1, .sources = 4},
      .sink_options = {.batch = 1000, .method = "unnest", .shards = 1, .token = "", .path = "/"},
      .events = 1000000,
      .connections = 8,
  };
  parse(&load, argc, argv);
  run(&load);
  return 0;
}
