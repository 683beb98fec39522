/* What the signed API offers, as tables: its actions, their parameters and the fields of their answers. The frame
 * (api.c) and the handlers read parameters by these tables. OpenAPI, docs/api.md and the console's forms are made from
 * them. Each action's table is in the file of its handler. */
#ifndef CODECMETER_API_DESCRIBE_H
#define CODECMETER_API_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_write.h"

struct call;
struct refusal;
struct usage;

#define API_ROWS_MAX 10000000 /* the largest query.rows_max that settings/config.h takes */

enum api_language { API_ENGLISH, API_CHINESE, API_LANGUAGES };

enum api_type {
  API_TEXT,
  API_INT,
  API_BOOL,
  API_LIST,   /* of objects with `members`; without members it is always empty. Only of fields, like API_OBJECT */
  API_OBJECT, /* with `members`; without members it is always {} */
};

/* A parameter. It is given once, as a text or a number. Absent, empty and blank are the same. */
struct api_param {
  const char *name; /* matched in any case */
  enum api_type type;
  bool is_required;
  int64_t least, most;     /* API_INT: the value. API_TEXT: bytes; most 0: no bound */
  bool is_within_rows_max; /* API_INT: also at most query.rows_max, a setting of 1 to API_ROWS_MAX */
  const char *allowed;     /* for a refusal: "must be …". NULL: made from the type and its bounds */
  const char *example;     /* a good value */
  const char *help[API_LANGUAGES]; /* plain text, without a full stop at the end. In English, a name that
                                      could be read as a word is in single quotes; docs set it in code font */
};

/* A field of an answer. An answer has every field, in the order of the table. */
struct api_field {
  const char *name;
  enum api_type type;
  const struct api_field *members; /* API_LIST, API_OBJECT: of each object; ends with {0} */
  const char *help[API_LANGUAGES];
  /* Of a task: writes the value. NULL for an object, which is made of its members. See task_fields.h. */
  void (*write)(struct json_write *json, const char *name, const struct usage *task);
};

struct api_action {
  const char *name;
  int (*handle)(const struct call *call, struct json_write *json, struct refusal *refusal); /* see call.h */
  bool needs_project; /* the one that ProjectId names, or the account's default; then `params` has ProjectId */
  bool is_long;       /* reads records, and so runs on a query thread */
  /* Without Action, PublicKey and Signature, which api_common_params describes; ends with {0}. */
  const struct api_param *params;
  const struct api_field *fields; /* of a success, without RetCode and Action; ends with {0} */
  const char *request_example;    /* "BeginTime=…&EndTime=…": the params of the request that answer_example answers */
  const char *answer_example;     /* JSON of a success */
  const char *help[API_LANGUAGES]; /* what the action answers; begins in lower case */
};

/* JSON as it is, for answer_example. */
#define API_JSON(...) #__VA_ARGS__

/* The actions, in the order in which docs list them. The array is constant. */
size_t api_actions(const struct api_action *const **ret);

/* Finds an action by its exact name. NULL if no action has it. */
const struct api_action *api_find_action(struct str name);

/* Action, PublicKey and Signature, which every request has; ends with {0}. */
extern const struct api_param api_common_params[];

/* CHECKs that every table is whole. Called once, when the API starts. */
void api_check_tables(void);

#endif
