#include "ledger/log/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

/* Texts hold no control characters, so a NUL between them distinguishes (a, bc) from (ab, c). */
static struct hash hash_three(struct str first, struct str second, struct str third) {
  char text[PROJECT_ID_MAX + SOURCE_MAX + 2 + TASK_ID_MAX + 2];
  _Static_assert(TASK_ID_MAX >= EVENT_ID_MAX, "either fits as the third text");
  CHECK(first.len <= PROJECT_ID_MAX && second.len <= SOURCE_MAX + 2 && third.len <= TASK_ID_MAX);
  size_t len = 0;
  memcpy(text, first.ptr, first.len);
  len += first.len;
  text[len++] = '\0';
  if (second.len > 0) memcpy(text + len, second.ptr, second.len);
  len += second.len;
  text[len++] = '\0';
  memcpy(text + len, third.ptr, third.len);
  len += third.len;
  XXH128_hash_t hash = XXH3_128bits(text, len);
  return (struct hash){.high = hash.high64, .low = hash.low64};
}

struct hash hash_identity(struct str project, struct str source, struct str id) {
  return hash_three(project, source, id);
}

struct hash hash_task(struct str project, struct str task_id) {
  return hash_three(project, STR(""), task_id);
}

/* The second text begins with NUL here, as no source and no task id does: one NUL for voids, two for unresolved
 * records. */
static struct hash hash_marked(unsigned marks, struct str project, struct str source, struct str id) {
  char second[SOURCE_MAX + 2] = {0};
  CHECK(source.len <= SOURCE_MAX);
  if (source.len > 0) memcpy(second + marks, source.ptr, source.len);
  return hash_three(project, str_make(second, source.len + marks), id);
}

struct hash hash_void_of(struct str project, struct str source, struct str id) {
  return hash_marked(1, project, source, id);
}

struct hash hash_unresolved(struct str project, struct str source, struct str id) {
  return hash_marked(2, project, source, id);
}

struct hash hash_identity_entry(const struct usage *usage) {
  bool waits = usage->kind == USAGE_UNRESOLVED;
  return waits ? hash_unresolved(usage->project, usage->source, usage->id)
               : hash_identity(usage->project, usage->source, usage->id);
}

struct hash hash_task_entry(const struct usage *usage) {
  if (usage->kind == USAGE_VOID) return hash_void_of(usage->project, usage->target_source, usage->target_id);
  return hash_task(usage->project, usage->task_id.len > 0 ? usage->task_id : usage->id);
}

struct hash hash_question(enum decide_question question, const struct usage *usage) {
  switch (question) {
    case DECIDE_IDENTITY:
      return hash_identity_entry(usage);
    case DECIDE_RESOLUTION:
      return hash_identity(usage->project, usage->source, usage->id);
    case DECIDE_WAITING:
      return hash_unresolved(usage->project, usage->source, usage->id);
    case DECIDE_VOID:
      return hash_void_of(usage->project, usage->target_source, usage->target_id);
    case DECIDE_TARGET:
      return hash_identity(usage->project, usage->target_source, usage->target_id);
    case DECIDE_WAITING_TARGET:
      return hash_unresolved(usage->project, usage->target_source, usage->target_id);
  }
  CHECK(false);
}

uint64_t hash_name(struct str name) { return XXH3_64bits(name.ptr, name.len); }

uint64_t hash_row(struct str key, struct str value) {
  return XXH3_64bits_withSeed(value.ptr, value.len, hash_name(key) + key.len);
}

struct hash hash_bytes(const void *ptr, size_t len) {
  XXH128_hash_t hash = XXH3_128bits(ptr, len);
  return (struct hash){.high = hash.high64, .low = hash.low64};
}
