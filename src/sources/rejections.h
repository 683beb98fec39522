/* Rejections: how many events of each source the server has rejected since it started. In memory only: the log has no
 * trace of them. Any thread may call.
 */
#ifndef CODECMETER_SOURCES_REJECTIONS_H
#define CODECMETER_SOURCES_REJECTIONS_H

#include <stdint.h>

#include "base/bytes.h"
#include "meter/usage.h"
#include "sources/roster.h"

#define REJECTIONS_MAX 1000u /* sources; those beyond are counted together, without project and name */

struct rejection {
  struct roster_item item;
  char project[PROJECT_ID_MAX + 1], source[SOURCE_MAX + 1];
  uint64_t count;
  int64_t last_ms;
};

struct rejections;
MUST_USE struct rejections *rejections_new(void); /* waits for memory */
void rejections_free(struct rejections *rejections);

/* Without memory it counts them with the others. Texts that are too long are cut. */
void rejections_add(struct rejections *rejections, struct str project, struct str source, uint64_t count,
                    int64_t now_ms);
/* Copies out what there is of a source; a count of 0 if there is nothing. */
struct rejection rejections_of(struct rejections *rejections, const char *project, const char *source);
/* Visits all, in no order, under the lock. */
void rejections_visit(struct rejections *rejections, void (*visit)(void *arg, const struct rejection *rejection),
                      void *arg);

#endif
