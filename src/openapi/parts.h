/* The parts of the document. Each kind of operations writes its paths and its components. */
#ifndef CODECMETER_OPENAPI_PARTS_H
#define CODECMETER_OPENAPI_PARTS_H

#include "openapi/write.h"

enum part_door { DOOR_OPEN, DOOR_BEARER, DOOR_BEARER_OR_URL };

struct operation {
  const char *method, *id, *tag;
  const char *kind; /* x-codecmeter-kind: "action", "resource", "report", "server" */
  enum part_door door;
  const char *const *summary;     /* in both languages */
  const char *const *description; /* NULL: the summary says all */
};
/* Opens the path item and its operation; the caller adds members, then closes with operation_close. */
void operation_open(struct doc *doc, const char *path, const struct operation *operation);
void operation_close(struct doc *doc);

/* ---- problems.c ---- */

/* Members of the open `responses`: a reference for each status of a list with blanks, "400 401". */
void problems_refer(struct doc *doc, const char *statuses);
void problems_responses(struct doc *doc); /* members of components/responses */
void problems_schemas(struct doc *doc);   /* members of components/schemas, likewise below */
void problems_headers(struct doc *doc);   /* members of components/headers */
/* The member `headers`, with references to components/headers; names with blanks. */
void headers_refer(struct doc *doc, const char *names);

/* ---- resources.c: /v1 ---- */

void resources_paths(struct doc *doc);
void resources_schemas(struct doc *doc);

/* ---- actions.c: the signed API ---- */

void actions_paths(struct doc *doc);
void actions_schemas(struct doc *doc);
extern const char *const actions_help[2]; /* how to sign */

/* ---- reports.c, reports_schema.c, event_schema.c: what takes reports, and the document itself ---- */

void reports_paths(struct doc *doc);
void reports_schemas(struct doc *doc);
void event_schemas(struct doc *doc);

#endif
