/* One call of an action, after the checks that all actions share. Only for files of src/api. */
#ifndef CODECMETER_API_CALL_H
#define CODECMETER_API_CALL_H

#include "api/api.h"
#include "api/describe.h"
#include "api/params.h"
#include "api/retcode.h"
#include "base/arena.h"

/* What an action keeps between two turns: first in a struct of its own. */
struct api_work {
  void (*free)(struct api_work *work);
  struct json_write json; /* for api.c: what is open in the answer */
};

struct call {
  const struct api_options *options;
  const struct api_action *action;
  const struct params *params; /* actions use call_text and call_int */
  struct arena *arena;    /* freed after the call */
  int64_t now;            /* Unix seconds */
  const char *public_key;
  bool sub_account;
  struct str regions;     /* what GetRegion lists, in JSON */
  bool (*claim)(void *claim_arg, size_t bytes); /* as in struct api_request; actions use call_claim */
  void *claim_arg;
  struct project project; /* set if the action needs one */
  struct api_work **work; /* the action goes on with *work if it is set; NULL: it must come to its end in this call */
  int64_t until_ms;       /* of the monotonic clock: when the turn is over */
};

/* An action writes its fields, and returns 0. Or it returns a RetCode and fills in refusal; the caller then drops what
 * the action wrote. Or it has set *call->work, and returns CALL_LATER when call_turn_is_over: then it is called again,
 * with all that it wrote, and json as it left it. */
#define CALL_LATER (-1)
bool call_turn_is_over(const struct call *call);
struct refusal {
  int ret_code;
  char text[256];
};

/* Sets refusal to code and text. Returns code. */
int refuse(struct refusal *refusal, enum retcode code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* RetCode 220: "Missing params [name]". */
int refuse_missing(struct refusal *refusal, const char *name);
/* RetCode 230: "Params [name] not available: why". */
int refuse_param(struct refusal *refusal, const char *name, const char *allowed);
/* RetCode 130 for an error of ours, 150 if the error can pass (memory, descriptors): logs "what: err" and fills in the
 * message. api_handle adds the request's id. */
int refuse_internal(struct refusal *refusal, const char *what, const struct err *err);

/* ---- parameters: `name` is one of the action's table, which says what is allowed; that is CHECKed ---- */

/* A text without blanks around it; empty: it is absent, and not required. 0, or a RetCode. */
int call_text(const struct call *call, const char *name, struct str *ret, struct refusal *refusal);
/* A number. *ret stays as it was if the parameter is absent. 0, or a RetCode. */
int call_int(const struct call *call, const char *name, bool *ret_given, uint64_t *ret, struct refusal *refusal);
/* For a rule of its own: how the parameter was given, and its row of the table. */
enum params_found call_find(const struct call *call, const char *name, const struct api_param **ret_param,
                            struct str *ret_text);
/* RetCode 230: what the table allows. */
int call_refuse(const struct call *call, const struct api_param *param, struct refusal *refusal);

/* Claims memory for the answer, and for what is needed to make it: bytes in all. RetCode 150 when there is no room. */
int call_claim(const struct call *call, uint64_t bytes, struct refusal *refusal);

/* ---- rows that several tables have ---- */

#define API_PARAM_PROJECT \
  { \
    .name = "ProjectId", .type = API_TEXT, .example = "org-demo", \
    .help = {"the project. A sub-account's key must name one. Absent: the account's default project", \
             "项目 ID。子账号的密钥必须填写；主账号不填写，则为默认项目"}, \
  }

extern const struct api_action api_get_codec_total_stat, api_get_format_total_stat, api_get_snap_total_stat,
    api_get_codec_task_list, api_get_format_task_list, api_get_snap_task_list, api_get_codec_task_detail,
    api_get_format_task_detail, api_get_snap_task_detail, api_get_codec_patten_list, api_get_water_mark_patten_list,
    api_get_project_list, api_get_region, api_get_user_info;

#endif
