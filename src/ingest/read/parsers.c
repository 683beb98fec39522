#include "ingest/read/parsers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/lock.h"

#define KEPT 64
/* Enough for ingest.events_max plain events in one body. A parser gives back what it has grown beyond that. */
#define TEXT_MAX ((size_t)4 << 20)

struct parsers {
  pthread_mutex_t lock;
  struct json_parser *idle[KEPT];
  unsigned count;
  unsigned untouched; /* the first so many have been idle since parsers_rest */
};

struct parsers *parsers_new(void) {
  struct parsers *parsers = calloc(1, sizeof *parsers);
  CHECK(parsers != NULL);
  lock_init(&parsers->lock);
  return parsers;
}

void parsers_free(struct parsers *parsers) {
  if (parsers == NULL) return;
  for (unsigned i = 0; i < parsers->count; i++)
    json_parser_free(parsers->idle[i]);
  lock_fini(&parsers->lock);
  free(parsers);
}

struct json_parser *parsers_borrow(struct parsers *parsers) {
  struct json_parser *parser = NULL;
  lock_take(&parsers->lock);
  if (parsers->count > 0) parser = parsers->idle[--parsers->count];
  if (parsers->count < parsers->untouched) parsers->untouched = parsers->count;
  lock_give(&parsers->lock);
  if (parser == NULL) parser = json_parser_new();
  return parser;
}

void parsers_give_back(struct parsers *parsers, struct json_parser *parser) {
  if (parser == NULL) return;
  json_parser_trim(parser, TEXT_MAX);
  lock_take(&parsers->lock);
  bool keep = parsers->count < KEPT;
  if (keep) parsers->idle[parsers->count++] = parser;
  lock_give(&parsers->lock);
  if (!keep) json_parser_free(parser);
}

void parsers_rest(struct parsers *parsers) {
  struct json_parser *untouched[KEPT];
  lock_take(&parsers->lock);
  unsigned count = parsers->untouched;
  memcpy(untouched, parsers->idle, count * sizeof untouched[0]);
  parsers->count -= count;
  memmove(parsers->idle, parsers->idle + count, parsers->count * sizeof parsers->idle[0]);
  parsers->untouched = parsers->count;
  lock_give(&parsers->lock);
  for (unsigned i = 0; i < count; i++)
    json_parser_free(untouched[i]);
}
