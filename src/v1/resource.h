/* How to write a resource of /v1: a table, and three functions.
 *
 *   open   reads the request's values, decides what to read, and names the columns. It may wait for the disk.
 *   next   appends rows until the piece is full or there are no more.
 *   free   frees the state.
 *
 * One thread at a time works for a request, but each piece may be made by another one. Between two calls hold memory
 * only: no lock, no transaction, no descriptor; and bounded memory, because a client may read slowly.
 */
#ifndef CODECMETER_V1_RESOURCE_H
#define CODECMETER_V1_RESOURCE_H

#include "base/budget.h"
#include "base/clock.h"
#include "ledger/ledger.h"
#include "sources/sources.h"
#include "v1/param.h"
#include "v1/problem.h"
#include "v1/rows.h"

#define V1_SEGMENTS_MAX 3

struct cursor_key;
struct usage_memory;

/* A request whose parameters are read. It lives until its answer is sent, and does not change: a state may borrow
 * from it. */
struct v1_request {
  const struct v1_resource *resource;
  struct token token; /* of scope read; "" as project: it may read every project */
  struct ledger *ledger;
  struct sources *sources;
  const struct clock *clock;
  int64_t now_ms; /* Unix ms, read once */
  const struct cursor_key *cursor_key;
  enum v1_format format;
  struct v1_values values;                 /* every parameter that was given; `format` too */
  struct str query;                        /* as sent, without '?' */
  struct str segments[V1_SEGMENTS_MAX];    /* of the path's {…}, decoded, not empty */
  bool has_as_of;                          /* the parameter as_of was given: */
  uint64_t as_of;                          /* the position that it means; at most the ledger's end */
  struct arena *arena; /* bounded (V1_ARENA_MAX, parameters included); for what open makes */
};

struct v1_answer {
  /* Of which the answer tells. The frame sets it to as_of, or else to the ledger's end before open; open may set a
   * better one. */
  uint64_t position;
  /* open sets it if every row depends on the request and on `position` alone. Then the answer has an ETag, whatever
   * its length. */
  bool is_fixed;
  void *state; /* for next and free */
  struct v1_rows rows;
  /* The frame's. The memory that answers keep is claimed here: by v1_hold, or by a state's own code for this owner. */
  struct budget *budget;
  struct usage_memory *usage; /* of /v1/usage; it shares the budget */
  uint64_t owner;             /* of the token */
  uint64_t held;              /* by v1_hold */
};

/* For a state that grows with what it tells of: claims so many bytes in all, before they are taken. All answers
 * together hold at most query.memory_max, and those of one token three quarters of it, because a client may read slowly.
 * False if there is no room: open refuses with 503 (v1_refuse_held). The frame gives it back when the state is freed. For use
 * in open. */
MUST_USE bool v1_hold(struct v1_answer *answer, size_t bytes);

enum v1_next { V1_MORE, V1_DONE, V1_FAILED };

/* A column that an answer can have, for the docs and OpenAPI. "label." is a family. The members of an object follow it,
 * each with the object's name and a dot before its own: "task", "task.counts", "task.counts.seconds". An object without
 * members here has texts under any names. */
struct v1_column {
  const char *name;
  /* "text", "integer", "boolean", "time", "list" (of texts), "object". Behind it: "?" if it may be null, then "+" if
   * rows have it only when the request asks for it. */
  const char *type;
  const char *help[V1_LANGUAGES];
};

struct v1_resource {
  const char *name; /* "usage": also in the names of files that are downloaded */
  const char *path; /* "/v1/usage", or with segments: "/v1/tasks/{project}/{source}/{id}" */
  enum v1_shape shape;
  unsigned formats; /* V1_FORMAT bits; V1_JSON is among them */
  bool has_cursor;
  const struct v1_param *segments; /* one of type V1_TEXT for each {…} of the path; ends with {0}. NULL: the path has none */
  const struct v1_param *params;   /* ends with {0}; without `format`, which the frame adds */
  const struct v1_column *columns; /* every column of a list, or member of an object; ends with {0} */
  /* What a list in JSON has before `rows`, beside `position`; ends with {0}. NULL: nothing. */
  const struct v1_column *members;
  const char *answer_example; /* a whole answer in JSON, which docs/v1*.md show too */
  const char *help[V1_LANGUAGES];

  /* 0; or the status of *problem. answer->state may be set in both cases, and is freed. */
  int (*open)(const struct v1_request *request, struct v1_answer *answer, struct v1_problem *problem);
  /* Returns within about 100 ms (http/request.h), with V1_MORE and whatever there is; no row is fine. V1_FAILED: err
   * has the reason. Before the first row was written it becomes a status: 400 with err's text if its kind is
   * ERR_KIND_CLIENT, else that of v1_refuse_err. Later the frame logs it, and the connection ends without its last
   * chunk. */
  enum v1_next (*next)(void *state, struct v1_rows *rows, struct err *err);
  void (*free)(void *state); /* state may be NULL */
};

/* All resources, in the order in which OpenAPI shows them. Static. */
size_t v1_resources(const struct v1_resource *const **ret);

extern const struct v1_resource v1_resource_projects, v1_resource_usage, v1_resource_tasks, v1_resource_task,
    v1_resource_sources;

/* ---- what resources share ---- */

/* True if the token may read this project. */
bool v1_may_read(const struct v1_request *request, struct str project);
/* Finds a project as of now. 404 if there is none of this id, with the same text if the token may not read it. */
MUST_USE int v1_find_project(const struct v1_request *request, struct str id, struct project *ret,
                             struct v1_problem *problem);
/* The projects that the request asks for, as of now, in the order of ids: those of the parameter `project`, else all
 * that the token may read. A malloc'd array, which the caller frees; 0 projects are no error. */
MUST_USE int v1_request_projects(const struct v1_request *request, struct project **ret, size_t *ret_count,
                                 struct v1_problem *problem);
/* For an answer whose position was taken after these projects were read: 503 if one of their zones was changed since.
 * The answer would be of days that the zone of its position does not have, and as_of could not repeat it. */
MUST_USE int v1_check_zones(const struct v1_request *request, const struct project *projects, size_t count,
                            struct v1_problem *problem);

#endif
