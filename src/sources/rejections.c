#include "sources/rejections.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/memory.h"
#include "ledger/log/hash.h"

struct rejections {
  pthread_mutex_t lock;
  struct roster roster;
  struct rejection others; /* of the sources beyond REJECTIONS_MAX */
};

struct name {
  struct str project, source;
};

struct rejections *rejections_new(void) {
  struct rejections *rejections = memory_wait(sizeof *rejections);
  lock_init(&rejections->lock);
  roster_init(&rejections->roster);
  return rejections;
}

void rejections_free(struct rejections *rejections) {
  if (rejections == NULL) return;
  lock_fini(&rejections->lock);
  roster_fini(&rejections->roster);
  free(rejections);
}

static struct str cut(struct str text, size_t most) { return str_make(text.ptr, text.len < most ? text.len : most); }

static uint64_t hash_of(const struct name *name) { return hash_identity(name->project, name->source, STR("")).low; }

static bool is_named(const struct roster_item *item, const void *key) {
  const struct rejection *rejection = (const struct rejection *)item;
  const struct name *name = key;
  return str_equal(str_of(rejection->source), name->source) && str_equal(str_of(rejection->project), name->project);
}

static struct rejection *find(const struct rejections *rejections, const struct name *name) {
  return (struct rejection *)roster_find(&rejections->roster, hash_of(name), is_named, name);
}

static struct rejection *find_or_add(struct rejections *rejections, const struct name *name) {
  struct rejection *found = find(rejections, name);
  if (found != NULL) return found;
  struct rejection *made = rejections->roster.count < REJECTIONS_MAX ? calloc(1, sizeof *made) : NULL;
  if (made == NULL) return &rejections->others;
  bool fits = str_copy(name->project, made->project, sizeof made->project) &&
              str_copy(name->source, made->source, sizeof made->source);
  CHECK(fits); /* they were cut */
  made->item.hash = hash_of(name);
  roster_add(&rejections->roster, &made->item);
  return made;
}

void rejections_add(struct rejections *rejections, struct str project, struct str source, uint64_t count,
                    int64_t now_ms) {
  const struct name name = {cut(project, PROJECT_ID_MAX), cut(source, SOURCE_MAX)};
  lock_take(&rejections->lock);
  struct rejection *rejection = find_or_add(rejections, &name);
  rejection->count += count;
  rejection->last_ms = now_ms;
  lock_give(&rejections->lock);
}

struct rejection rejections_of(struct rejections *rejections, const char *project, const char *source) {
  const struct name name = {str_of(project), str_of(source)};
  lock_take(&rejections->lock);
  const struct rejection *found = find(rejections, &name);
  struct rejection copy = found != NULL ? *found : (struct rejection){.count = 0};
  lock_give(&rejections->lock);
  return copy;
}

void rejections_visit(struct rejections *rejections, void (*visit)(void *arg, const struct rejection *rejection),
                      void *arg) {
  lock_take(&rejections->lock);
  for (size_t i = 0; i < rejections->roster.count; i++)
    visit(arg, (const struct rejection *)rejections->roster.items[i]);
  if (rejections->others.count > 0) visit(arg, &rejections->others);
  lock_give(&rejections->lock);
}
