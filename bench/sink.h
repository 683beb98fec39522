/* What takes events: codecmeter, and its peers.
 *
 * A connection belongs to one thread. `build` turns events into a request and is not timed; `send` sends it, waits
 * for the answer, and checks it: a sink that cannot vouch for what became of each event ends the program with `fail`.
 */
#ifndef CODECMETER_BENCH_SINK_H
#define CODECMETER_BENCH_SINK_H

#include "event.h"

struct sink_options {
  const char *target; /* http, query: HOST:PORT; postgres: conninfo; sqlite: file */
  const char *token;  /* http */
  const char *path;   /* query: what to GET */
  const char *method; /* postgres: unnest or copy */
  bool ndjson;        /* http: ndjson instead of an array */
  unsigned batch;     /* events in a request; 1 sends one event alone */
  unsigned shards;    /* postgres: rows that the totals of a cell are spread over */
};

struct outcome {
  uint64_t stored, duplicate, conflict, rejected;
};

struct sink {
  const char *name;
  void *(*connect)(const struct sink_options *options, unsigned number);
  void (*build)(void *connection, const struct event *events, unsigned count);
  void (*send)(void *connection, struct outcome *ret_outcome);
  void (*close)(void *connection);
};

extern const struct sink sink_http, sink_query, sink_postgres, sink_sqlite;

/* Says why on standard error and ends the program: a benchmark that lost an event has no result. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

/* Never gives NULL. */
void *must_allocate(size_t size);

#endif
