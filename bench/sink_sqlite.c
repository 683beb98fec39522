/* SQLite: WAL, synchronous=FULL (each commit is synced), one transaction a batch, prepared statements. It has one
 * writer, so it is used with one connection. Totals are added up in memory from the rows really inserted, then
 * upserted. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "sink.h"

#define CELLS ((STREAM_DAYS + 1) * 2 * 4)

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4194304; PRAGMA mmap_size=0;"
    "PRAGMA wal_autocheckpoint=100000;"
    "CREATE TABLE IF NOT EXISTS tasks (project INTEGER, source INTEGER, id BLOB, finished INTEGER, arrived INTEGER,"
    " codec INTEGER, tier INTEGER, width INTEGER, height INTEGER, duration_ms INTEGER,"
    " PRIMARY KEY (project, source, id)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS tasks_finished ON tasks (project, finished);"
    "CREATE TABLE IF NOT EXISTS totals (project INTEGER, day INTEGER, codec INTEGER, tier INTEGER, seconds INTEGER,"
    " minutes INTEGER, tasks INTEGER, PRIMARY KEY (project, day, codec, tier)) WITHOUT ROWID;";

static const char insert_task[] =
    "INSERT INTO tasks VALUES (1, ?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";

static const char add_total[] =
    "INSERT INTO totals VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
    " seconds = seconds + excluded.seconds, minutes = minutes + excluded.minutes, tasks = tasks + excluded.tasks";

struct cell {
  int64_t seconds, minutes, tasks;
};

struct sqlite {
  sqlite3 *db;
  sqlite3_stmt *begin, *task, *total, *commit;
  struct event *events;
  unsigned count;
};

static void check(struct sqlite *sqlite, int result, int wanted) {
  if (result != wanted) fail("sqlite: %s", sqlite3_errmsg(sqlite->db));
}

static sqlite3_stmt *prepare(struct sqlite *sqlite, const char *sql) {
  sqlite3_stmt *statement;
  check(sqlite, sqlite3_prepare_v3(sqlite->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL), SQLITE_OK);
  return statement;
}

static void step(struct sqlite *sqlite, sqlite3_stmt *statement) {
  check(sqlite, sqlite3_step(statement), SQLITE_DONE);
  check(sqlite, sqlite3_reset(statement), SQLITE_OK);
}

static void *sqlite_connect(const struct sink_options *options, unsigned number) {
  if (number > 0) fail("sqlite has one writer: --connections 1");
  struct sqlite *sqlite = must_allocate(sizeof *sqlite);
  sqlite->events = must_allocate(options->batch * sizeof *sqlite->events);
  check(sqlite, sqlite3_open(options->target, &sqlite->db), SQLITE_OK);
  check(sqlite, sqlite3_exec(sqlite->db, schema, NULL, NULL, NULL), SQLITE_OK);
  sqlite->begin = prepare(sqlite, "BEGIN IMMEDIATE");
  sqlite->task = prepare(sqlite, insert_task);
  sqlite->total = prepare(sqlite, add_total);
  sqlite->commit = prepare(sqlite, "COMMIT");
  return sqlite;
}

static void sqlite_close(void *connection) {
  struct sqlite *sqlite = connection;
  (void)sqlite3_finalize(sqlite->begin);
  (void)sqlite3_finalize(sqlite->task);
  (void)sqlite3_finalize(sqlite->total);
  (void)sqlite3_finalize(sqlite->commit);
  (void)sqlite3_close(sqlite->db);
  free(sqlite->events);
  free(sqlite);
}

static void sqlite_build(void *connection, const struct event *events, unsigned count) {
  struct sqlite *sqlite = connection;
  memcpy(sqlite->events, events, count * sizeof *events);
  sqlite->count = count;
}

static bool insert(struct sqlite *sqlite, const struct event *event) {
  (void)sqlite3_bind_int(sqlite->task, 1, (int)event->source);
  (void)sqlite3_bind_blob(sqlite->task, 2, event->id, sizeof event->id, SQLITE_STATIC);
  (void)sqlite3_bind_int64(sqlite->task, 3, event->finished_ms);
  (void)sqlite3_bind_int(sqlite->task, 4, (int)event->codec);
  (void)sqlite3_bind_int(sqlite->task, 5, (int)event->tier);
  (void)sqlite3_bind_int(sqlite->task, 6, (int)event->width);
  (void)sqlite3_bind_int(sqlite->task, 7, (int)event->height);
  (void)sqlite3_bind_int64(sqlite->task, 8, event->duration_ms);
  step(sqlite, sqlite->task);
  return sqlite3_changes(sqlite->db) > 0;
}

static void add_totals(struct sqlite *sqlite, const struct cell *cells, int32_t first_day) {
  for (unsigned i = 0; i < CELLS; i++) {
    if (cells[i].tasks == 0) continue;
    (void)sqlite3_bind_int(sqlite->total, 1, first_day + (int)(i / 8));
    (void)sqlite3_bind_int(sqlite->total, 2, i / 4 % 2);
    (void)sqlite3_bind_int(sqlite->total, 3, i % 4);
    (void)sqlite3_bind_int64(sqlite->total, 4, cells[i].seconds);
    (void)sqlite3_bind_int64(sqlite->total, 5, cells[i].minutes);
    (void)sqlite3_bind_int64(sqlite->total, 6, cells[i].tasks);
    step(sqlite, sqlite->total);
  }
}

static void sqlite_send(void *connection, struct outcome *ret_outcome) {
  struct sqlite *sqlite = connection;
  struct cell cells[CELLS] = {0};
  int32_t first_day = INT32_MAX;
  for (unsigned i = 0; i < sqlite->count; i++) {
    int32_t day = event_day(&sqlite->events[i]);
    if (day < first_day) first_day = day;
  }
  step(sqlite, sqlite->begin);
  for (unsigned i = 0; i < sqlite->count; i++) {
    const struct event *event = &sqlite->events[i];
    if (!insert(sqlite, event)) {
      ret_outcome->duplicate++;
      continue;
    }
    ret_outcome->stored++;
    struct cell *cell = &cells[(unsigned)(event_day(event) - first_day) * 8 + event->codec * 4 + event->tier];
    cell->seconds += event_seconds(event);
    cell->minutes += event_minutes(event);
    cell->tasks++;
  }
  add_totals(sqlite, cells, first_day);
  step(sqlite, sqlite->commit);
}

const struct sink sink_sqlite = {
    .name = "sqlite", .connect = sqlite_connect, .build = sqlite_build, .send = sqlite_send, .close = sqlite_close};
