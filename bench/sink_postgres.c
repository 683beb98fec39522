/* PostgreSQL, in its best way: one transaction a batch, durable, exact, totals from the rows really inserted.
 *
 *   unnest  one prepared statement takes the batch as binary arrays: INSERT … ON CONFLICT DO NOTHING RETURNING, and
 * the upsert of the totals, in one round trip copy    binary COPY into a temporary staging table, then the same from
 * there alone   a batch of 1: one prepared statement with plain parameters
 *
 * Rows go in the order of the primary key: transactions that hold the same new id in another order would deadlock.
 * What happens to content that differs under the same identity is not asked of it.
 */
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink.h"

#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23
#define OID_UUID 2950
#define COLUMNS 8
#define ARRAY_HEAD 20

/* Columns in the order of parameters and of the staging table. */
enum column { SOURCE, ID, FINISHED, CODEC, TIER, WIDTH, HEIGHT, DURATION };
static const struct {
  Oid type, array_type;
  unsigned size;
} columns[COLUMNS] = {
    [SOURCE] = {OID_INT4, 1007, 4}, [ID] = {OID_UUID, 2951, 16},      [FINISHED] = {OID_INT8, 1016, 8},
    [CODEC] = {OID_INT2, 1005, 2},  [TIER] = {OID_INT2, 1005, 2},     [WIDTH] = {OID_INT4, 1007, 4},
    [HEIGHT] = {OID_INT4, 1007, 4}, [DURATION] = {OID_INT4, 1007, 4},
};

#define INSERT_TASKS \
  "INSERT INTO tasks (project, source, id, finished, arrived, codec, tier, width, height, duration_ms) "
#define NEW_ROWS "ON CONFLICT DO NOTHING RETURNING finished, codec, tier, duration_ms"
/* %u is the shard. Cells are upserted in the order of their key, so that no two transactions wait for each other. */
#define ADD_TOTALS                                                                                            \
  "timed AS (SELECT ((finished + 28800000) / 86400000)::int AS day, codec, tier,"                             \
  " greatest((duration_ms + 500) / 1000, 1) AS seconds FROM new), "                                           \
  "added AS (INSERT INTO totals (project, day, codec, tier, shard, seconds, minutes, tasks) "                 \
  "SELECT 1, day, codec, tier, %u, sum(seconds), sum((seconds + 59) / 60), count(*) FROM timed "              \
  "GROUP BY day, codec, tier ORDER BY day, codec, tier "                                                      \
  "ON CONFLICT (project, day, codec, tier, shard) DO UPDATE SET seconds = totals.seconds + excluded.seconds," \
  " minutes = totals.minutes + excluded.minutes, tasks = totals.tasks + excluded.tasks) "                     \
  "SELECT count(*) FROM new"

static const char unnest_sql[] =
    "WITH new AS (" INSERT_TASKS
    "SELECT 1, s, i, f, f, c, t, w, h, d FROM unnest($1::int[], $2::uuid[], $3::bigint[],"
    " $4::smallint[], $5::smallint[], $6::int[], $7::int[], $8::int[])"
    " AS u(s, i, f, c, t, w, h, d) " NEW_ROWS "), " ADD_TOTALS;

static const char staging_sql[] =
    "CREATE TEMP TABLE staging (source int, id uuid, finished bigint, codec smallint, tier smallint, width int,"
    " height int, duration_ms int) ON COMMIT DELETE ROWS";

static const char copy_sql[] = "WITH new AS (" INSERT_TASKS
                               "SELECT 1, source, id, finished, finished, codec, tier, width, height, duration_ms"
                               " FROM staging " NEW_ROWS "), " ADD_TOTALS;

static const char alone_sql[] =
    "WITH new AS (" INSERT_TASKS
    "VALUES (1, $1, $2, $3, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING 1), "
    "added AS (INSERT INTO totals AS t (project, day, codec, tier, shard, seconds, minutes, tasks) "
    "SELECT 1, ($3 + 28800000) / 86400000, $4, $5, %u, greatest(($8 + 500) / 1000, 1),"
    " (greatest(($8 + 500) / 1000, 1) + 59) / 60, 1 FROM new "
    "ON CONFLICT (project, day, codec, tier, shard) DO UPDATE SET seconds = t.seconds + excluded.seconds,"
    " minutes = t.minutes + excluded.minutes, tasks = t.tasks + excluded.tasks) "
    "SELECT count(*) FROM new";

struct postgres {
  PGconn *conn;
  enum { UNNEST, COPY, ALONE } way;
  unsigned count;
  struct event *events;
  char *values[COLUMNS]; /* unnest: arrays; alone: plain values */
  int lengths[COLUMNS];
  char *copy; /* the rows as COPY takes them */
  size_t copy_len;
};

/* ---- connection ---- */

static PGresult *expect(struct postgres *postgres, PGresult *result, ExecStatusType status) {
  if (PQresultStatus(result) != status) fail("postgres: %s", PQerrorMessage(postgres->conn));
  return result;
}

static void execute(struct postgres *postgres, const char *sql) {
  PQclear(expect(postgres, PQexec(postgres->conn, sql), PGRES_COMMAND_OK));
}

static void prepare(struct postgres *postgres, const char *template, unsigned shard) {
  char sql[4096];
  Oid types[COLUMNS];
  for (unsigned i = 0; i < COLUMNS; i++) {
    types[i] = postgres->way == ALONE ? columns[i].type : columns[i].array_type;
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  int len = snprintf(sql, sizeof sql, template, shard);
#pragma GCC diagnostic pop
  if (len < 0 || (size_t)len >= sizeof sql) fail("the statement is too long");
  int parameters = postgres->way == COPY ? 0 : COLUMNS;
  PQclear(expect(postgres, PQprepare(postgres->conn, "report", sql, parameters, types), PGRES_COMMAND_OK));
}

static void *postgres_connect(const struct sink_options *options, unsigned number) {
  struct postgres *postgres = must_allocate(sizeof *postgres);
  postgres->conn = PQconnectdb(options->target);
  if (PQstatus(postgres->conn) != CONNECTION_OK) fail("postgres: %s", PQerrorMessage(postgres->conn));
  postgres->way = options->batch == 1 ? ALONE : strcmp(options->method, "copy") == 0 ? COPY : UNNEST;
  for (unsigned i = 0; i < COLUMNS; i++) {
    postgres->values[i] = must_allocate(ARRAY_HEAD + options->batch * (columns[i].size + 4));
  }
  postgres->events = must_allocate(options->batch * sizeof *postgres->events);
  postgres->copy = must_allocate(64 + options->batch * 128);
  execute(postgres, "SET plan_cache_mode = force_generic_plan");
  if (postgres->way == COPY) execute(postgres, staging_sql);
  const char *const templates[] = {[UNNEST] = unnest_sql, [COPY] = copy_sql, [ALONE] = alone_sql};
  prepare(postgres, templates[postgres->way], number % options->shards);
  return postgres;
}

static void postgres_close(void *connection) {
  struct postgres *postgres = connection;
  PQfinish(postgres->conn);
  for (unsigned i = 0; i < COLUMNS; i++) {
    free(postgres->values[i]);
  }
  free(postgres->events);
  free(postgres->copy);
  free(postgres);
}

/* ---- binary values, big-endian ---- */

static char *put16(char *at, uint16_t value) {
  value = htobe16(value);
  memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

static char *put32(char *at, uint32_t value) {
  value = htobe32(value);
  memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

static char *put64(char *at, uint64_t value) {
  value = htobe64(value);
  memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

static char *put_value(char *at, const struct event *event, enum column column) {
  switch (column) {
    case SOURCE:
      return put32(at, event->source);
    case ID:
      return put64(put64(at, event->id[0]), event->id[1]);
    case FINISHED:
      return put64(at, (uint64_t)event->finished_ms);
    case CODEC:
      return put16(at, (uint16_t)event->codec);
    case TIER:
      return put16(at, (uint16_t)event->tier);
    case WIDTH:
      return put32(at, event->width);
    case HEIGHT:
      return put32(at, event->height);
    case DURATION:
      return put32(at, event->duration_ms);
  }
  fail("no such column");
}

/* An array of one dimension without NULLs. */
static int build_array(char *array, const struct event *events, unsigned count, enum column column) {
  char *at = put32(put32(put32(array, 1), 0), columns[column].type);
  at = put32(put32(at, count), 1);
  for (unsigned i = 0; i < count; i++) {
    at = put_value(put32(at, columns[column].size), &events[i], column);
  }
  return (int)(at - array);
}

static void build_copy(struct postgres *postgres, const struct event *events, unsigned count) {
  static const char signature[11] = "PGCOPY\n\377\r\n";
  memcpy(postgres->copy, signature, sizeof signature);
  char *at = put32(put32(postgres->copy + sizeof signature, 0), 0);
  for (unsigned i = 0; i < count; i++) {
    at = put16(at, COLUMNS);
    for (unsigned column = 0; column < COLUMNS; column++) {
      at = put_value(put32(at, columns[column].size), &events[i], (enum column)column);
    }
  }
  postgres->copy_len = (size_t)(put16(at, 0xffff) - postgres->copy);
}

static int by_key(const void *left, const void *right) {
  const struct event *a = left, *b = right;
  if (a->source != b->source) return a->source < b->source ? -1 : 1;
  if (a->id[0] != b->id[0]) return a->id[0] < b->id[0] ? -1 : 1;
  return (a->id[1] > b->id[1]) - (a->id[1] < b->id[1]);
}

static void postgres_build(void *connection, const struct event *unsorted, unsigned count) {
  struct postgres *postgres = connection;
  struct event *events = postgres->events;
  memcpy(events, unsorted, count * sizeof *events);
  qsort(events, count, sizeof *events, by_key);
  postgres->count = count;
  if (postgres->way == COPY) {
    build_copy(postgres, events, count);
    return;
  }
  for (unsigned i = 0; i < COLUMNS; i++) {
    char *value = postgres->values[i];
    postgres->lengths[i] = postgres->way == UNNEST ? build_array(value, events, count, (enum column)i)
                                                   : (int)(put_value(value, &events[0], (enum column)i) - value);
  }
}

/* ---- transactions ---- */

static uint64_t stored_of(const PGresult *result) {
  uint64_t stored;
  memcpy(&stored, PQgetvalue(result, 0, 0), sizeof stored);
  return be64toh(stored);
}

/* A statement alone is a transaction. */
static uint64_t send_statement(struct postgres *postgres) {
  static const int binary[COLUMNS] = {1, 1, 1, 1, 1, 1, 1, 1};
  PGresult *result = expect(postgres,
                            PQexecPrepared(postgres->conn, "report", COLUMNS, (const char *const *)postgres->values,
                                           postgres->lengths, binary, 1),
                            PGRES_TUPLES_OK);
  uint64_t stored = stored_of(result);
  PQclear(result);
  return stored;
}

/* Two round trips: BEGIN with COPY, then the statement with COMMIT. */
static uint64_t send_copy(struct postgres *postgres) {
  PQclear(expect(postgres, PQexec(postgres->conn, "BEGIN; COPY staging FROM STDIN (FORMAT binary)"), PGRES_COPY_IN));
  if (PQputCopyData(postgres->conn, postgres->copy, (int)postgres->copy_len) != 1 ||
      PQputCopyEnd(postgres->conn, NULL) != 1) {
    fail("postgres: %s", PQerrorMessage(postgres->conn));
  }
  PQclear(expect(postgres, PQgetResult(postgres->conn), PGRES_COMMAND_OK));
  while (PQgetResult(postgres->conn) != NULL) {
  }
  if (PQsendQuery(postgres->conn, "EXECUTE report; COMMIT") != 1)
    fail("postgres: %s", PQerrorMessage(postgres->conn));
  PGresult *result = expect(postgres, PQgetResult(postgres->conn), PGRES_TUPLES_OK);
  uint64_t stored = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
  PQclear(result);
  PQclear(expect(postgres, PQgetResult(postgres->conn), PGRES_COMMAND_OK));
  while (PQgetResult(postgres->conn) != NULL) {
  }
  return stored;
}

static void postgres_send(void *connection, struct outcome *ret_outcome) {
  struct postgres *postgres = connection;
  ret_outcome->stored = postgres->way == COPY ? send_copy(postgres) : send_statement(postgres);
  ret_outcome->duplicate = postgres->count - ret_outcome->stored;
}

const struct sink sink_postgres = {.name = "postgres",
                                   .connect = postgres_connect,
                                   .build = postgres_build,
                                   .send = postgres_send,
                                   .close = postgres_close};
