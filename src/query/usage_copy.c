/* Both members of the union have their texts in the same places (meter/usage.h), so one list of texts copies both. */
#include "query/usage_copy.h"

#include <stddef.h>

#include "base/check.h"
#include "meter/codec.h"
#include "meter/labels.h"

_Static_assert(CODEC_NAME_MAX == 32 && CODEC_REPORTED_MAX == 64 && LABELS_SIZE_MAX == 8 * 98, "USAGE_COPY_MAX");
_Static_assert(offsetof(struct usage, task_id) == offsetof(struct usage, target_source) &&
                   offsetof(struct usage, src_url) == offsetof(struct usage, reason) &&
                   offsetof(struct usage, dest_name) == offsetof(struct usage, target_id) &&
                   offsetof(struct usage, dest_bucket) == offsetof(struct usage, actor),
               "a void's texts are in the places of a task's");

bool usage_copy(struct arena *arena, const struct usage *usage, struct usage *ret) {
  struct usage copy = *usage;
  struct str *const texts[] = {
      &copy.project, &copy.source,         &copy.id,          &copy.codec,  &copy.quality,
      &copy.region,  &copy.codec_reported, &copy.labels,      &copy.token,  &copy.task_id,
      &copy.src_url, &copy.dest_name,      &copy.dest_bucket, &copy.format,
  };
  _Static_assert(sizeof texts / sizeof texts[0] <= USAGE_COPY_TEXTS, "USAGE_COPY_MAX");
  size_t count = sizeof texts / sizeof texts[0] - (usage->kind == USAGE_VOID ? 1 : 0); /* a void has no format */
  for (size_t i = 0; i < count; i++) {
    *texts[i] = texts[i]->len > 0 ? arena_copy(arena, *texts[i]) : STR("");
    if (texts[i]->ptr == NULL) return false;
  }
  if (usage->kind == USAGE_VOID) copy.format = STR("");
  *ret = copy;
  return true;
}
