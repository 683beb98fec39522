/* Path patterns of `watch --path`: the path below the watched directory gives the fields of an event.
 *
 *   {project}/{task_id}/{name}            acme/job-7/720p.mp4: project acme, task job-7
 *   cust-{project}/{*}/{task_id}_{*}.mp4  cust-acme/2026/job-7_720p.mp4: likewise
 *
 *   {label.team}/{label.show}/{name}      news/tonight/720p.mp4: labels team=news, show=tonight
 *
 * {project}, {task_id}, {source}, {label.NAME}: one byte or more of one directory's or the file's name. {name}: the
 * same for the file's name only; it gives no field, because an event has the file's name in any case. {*} or *: the
 * same, without a meaning. A segment ** is any number of directories, also none. {{ and }} are the characters { and
 * }. All else is matched byte by byte. Pure: nothing is read from a disk.
 */
#ifndef CODECMETER_AGENT_PATH_PATTERN_H
#define CODECMETER_AGENT_PATH_PATTERN_H

#include <stdbool.h>

#include "base/err.h"
#include "meter/labels.h"
#include "meter/usage.h"

struct path_pattern;
/* -ERR_USAGE: the text is no pattern, or gives no field; err says where, and what to write. */
MUST_USE int path_pattern_parse(const char *text, struct path_pattern **ret, struct err *err);
void path_pattern_free(struct path_pattern *pattern);
SCOPED_REF(struct path_pattern, path_pattern_free)

bool path_pattern_gives_project(const struct path_pattern *pattern);
bool path_pattern_gives_source(const struct path_pattern *pattern);
/* Labels that the pattern gives: how many, at most LABELS_MAX, and whether one of them has this name. */
size_t path_pattern_label_count(const struct path_pattern *pattern);
bool path_pattern_gives_label(const struct path_pattern *pattern, struct str name);

/* "": the pattern does not give this field. */
struct path_fields {
  char project[PROJECT_ID_MAX + 1], task_id[TASK_ID_MAX + 1], source[SOURCE_MAX + 1];
  struct label labels[LABELS_MAX]; /* as many as the pattern gives; borrowed from pattern and path */
};
/* below: the path below the watched directory; slashes at its begin do not count. -ERR_NOT_FOUND: it does not match.
 * -ERR_RANGE: it matches with different values (the customer would be a guess), or a value is one that the server
 * does not take. err says why, and does not name the path. */
MUST_USE int path_pattern_match(const struct path_pattern *pattern, const char *below, struct path_fields *ret,
                                struct err *err);

#endif
