/* A copy of a record that outlives the reader which gave it. */
#ifndef CODECMETER_QUERY_USAGE_COPY_H
#define CODECMETER_QUERY_USAGE_COPY_H

#include <stdbool.h>

#include "base/arena.h"
#include "meter/usage.h"

/* Bytes of an arena that a copy takes at most: texts, their NULs, and what alignment adds. */
#define USAGE_COPY_TEXTS 15
#define USAGE_COPY_MAX                                                                                              \
  (PROJECT_ID_MAX + SOURCE_MAX + EVENT_ID_MAX + 32 + QUALITY_MAX + REGION_MAX + 64 + 8 * 98 + USAGE_TOKEN_MAX +       \
   TASK_ID_MAX + SRC_URL_MAX + 3 * DEST_MAX + USAGE_COPY_TEXTS * 32)

/* Copies a record of any kind with its texts. False if the arena is full; *ret is then undefined. */
MUST_USE bool usage_copy(struct arena *arena, const struct usage *usage, struct usage *ret);

#endif
