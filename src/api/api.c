/* The life of an API call: read the parameters, check in the contract's order, run the action, frame the answer.
 *
 *   body 230 > repeated names 230 > 160 > 161 > 170 > 220 [PublicKey] > 172 > 171 > 292/299 > the action's own
 *
 * An answer is appended to the body. A refusal first cuts the body back to its start, so no answer is ever partial.
 * Each call borrows a workspace (parser, arena, string to sign) from a pool, so that requests do not each allocate
 * one.
 */
#include "api/api.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/regions.h"
#include "auth/sign.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/lock.h"

#define ACTION_ECHO_MAX 64
/* Twice what a body of 1 MiB with a thousand parameters can need. */
#define ARENA_MAX ((size_t)8 << 20)
#define WORKSPACES_KEPT 64

struct workspace {
  struct json_parser *parser;
  struct arena *arena;
  struct buf canonical;
  struct workspace *next;
};

struct api {
  struct api_options options;
  struct buf regions;
  pthread_mutex_t lock;
  struct workspace *idle;
  unsigned idle_count;
  unsigned untouched; /* the last so many were idle all the time since api_rest */
};

/* ---- workspaces ---- */

static void workspace_free(struct workspace *workspace) {
  json_parser_free(workspace->parser);
  arena_free(workspace->arena);
  buf_fini(&workspace->canonical);
  free(workspace);
}

/* NULL: no memory. */
static struct workspace *workspace_new(void) {
  struct workspace *workspace = calloc(1, sizeof *workspace);
  if (workspace == NULL) return NULL;
  workspace->parser = json_parser_new();
  workspace->arena = arena_new(ARENA_MAX);
  if (workspace->parser != NULL && workspace->arena != NULL) return workspace;
  workspace_free(workspace);
  return NULL;
}

/* NULL: no memory. */
static struct workspace *borrow(struct api *api) {
  lock_take(&api->lock);
  struct workspace *workspace = api->idle;
  if (workspace != NULL) {
    api->idle = workspace->next;
    api->idle_count--;
    if (api->idle_count < api->untouched) api->untouched = api->idle_count;
  }
  lock_give(&api->lock);
  return workspace != NULL ? workspace : workspace_new();
}

static void give_back(struct api *api, struct workspace *workspace) {
  if (workspace == NULL) return;
  arena_reset(workspace->arena);
  buf_clear(&workspace->canonical);
  lock_take(&api->lock);
  bool keep = api->idle_count < WORKSPACES_KEPT;
  if (keep) {
    workspace->next = api->idle;
    api->idle = workspace;
    api->idle_count++;
  }
  lock_give(&api->lock);
  if (!keep) workspace_free(workspace);
}

void api_rest(struct api *api) {
  lock_take(&api->lock);
  struct workspace **end = &api->idle;
  for (unsigned used = api->idle_count - api->untouched; used > 0; used--)
    end = &(*end)->next;
  struct workspace *untouched = *end;
  *end = NULL;
  api->idle_count -= api->untouched;
  api->untouched = api->idle_count;
  lock_give(&api->lock);
  while (untouched != NULL) {
    struct workspace *next = untouched->next;
    workspace_free(untouched);
    untouched = next;
  }
}

int api_new(const struct api_options *options, struct api **ret, struct err *err) {
  struct api *api = calloc(1, sizeof *api);
  if (api == NULL) return err_set(err, ERR_MEMORY, "not enough memory to start the signed API");
  api->options = *options;
  lock_init(&api->lock);
  CHECK(options->rows_max > 0 && options->rows_max <= API_ROWS_MAX);
  api_check_tables();
  int result = regions_append(str_of(options->regions), &api->regions, err);
  if (result == 0 && api->regions.failed) {
    result = err_set(err, ERR_MEMORY, "not enough memory to start the signed API");
  }
  if (result != 0) {
    api_free(api);
    return result;
  }
  *ret = api;
  return 0;
}

void api_free(struct api *api) {
  if (api == NULL) return;
  while (api->idle != NULL) {
    struct workspace *workspace = api->idle;
    api->idle = workspace->next;
    workspace_free(workspace);
  }
  lock_fini(&api->lock);
  buf_fini(&api->regions);
  free(api);
}

/* ---- turns ---- */

bool call_turn_is_over(const struct call *call) {
  return call->work != NULL && clock_monotonic_ms(call->options->clock) >= call->until_ms;
}

void api_work_free(struct api_work *work) {
  if (work != NULL) work->free(work);
}

/* ---- the frame ---- */

/* The name as it is echoed: cut to ACTION_ECHO_MAX bytes, but not within a character. */
static struct str echo_of(struct str action) {
  if (action.len <= ACTION_ECHO_MAX) return action;
  size_t len = ACTION_ECHO_MAX;
  while (len > 0 && !str_is_utf8(str_make(action.ptr, len))) len--;
  return str_make(action.ptr, len);
}

static void begin_answer(struct json_write *json, int ret_code, struct str action) {
  char name[ACTION_ECHO_MAX + sizeof "Response"];
  struct str echo = echo_of(action);
  int len = snprintf(name, sizeof name, "%.*sResponse", STR_ARG(echo));
  json_write_object(json, NULL);
  json_write_i64(json, "RetCode", ret_code);
  json_write_str(json, "Action", str_make(name, (size_t)len));
}

static void answer_refusal(struct buf *body, size_t start, struct str action, const struct refusal *refusal,
                           const char *id) {
  struct json_write json = json_write_to(body);
  body->len = start;
  begin_answer(&json, refusal->ret_code, action);
  if (refusal->ret_code == RETCODE_INTERNAL) {
    char text[sizeof refusal->text + 64];
    int len = snprintf(text, sizeof text, "%s, request %s", refusal->text, id);
    json_write_str(&json, "Message", str_make(text, (size_t)len));
  } else {
    json_write_text(&json, "Message", refusal->text);
  }
  json_write_end(&json);
}

/* ---- the checks ---- */

/* The state of one request. Pointers are valid while the workspace is borrowed. */
struct exchange {
  struct api *api;
  struct workspace *workspace;
  const struct api_request *request;
  struct params params;
  struct str action; /* as given, trimmed; "" if there is none */
  struct key key;
  struct refusal refusal;
  bool is_later; /* the action is a long one, and must not run now, or goes on in another turn */
};

static struct params_source source_of(const struct exchange *x) {
  return (struct params_source){
      .content_type = x->request->content_type,
      .body = x->request->body,
      .query = x->request->query,
      .count_max = x->api->options.params_max,
  };
}

/* Finds the Action for the answer to a request whose parameters are not read, or cannot be. */
static void guess_action(struct exchange *x) {
  struct params_source source = source_of(x);
  arena_reset(x->workspace->arena);
  (void)!params_find_action(&source, x->workspace->parser, x->workspace->arena, &x->action);
}

static int no_memory(struct exchange *x) {
  return refuse(&x->refusal, RETCODE_UNAVAILABLE, "Service unavailable: %s", err_meaning(-ERR_MEMORY));
}

static int read_params(struct exchange *x) {
  struct params_source source = source_of(x);
  struct err err = {0};
  int result = params_read(&source, x->workspace->parser, x->workspace->arena, &x->params, &err);
  if (result == 0) return 0;
  bool is_starved = arena_is_starved(x->workspace->arena);
  guess_action(x);
  if (is_starved) return no_memory(x);
  if (result != -ERR_EXISTS) return refuse_param(&x->refusal, "body", err.text);
  return refuse_param(&x->refusal, err.text, "the name is given more than once (names match in any case)");
}

static int check_action(struct exchange *x, const struct api_action **ret) {
  if (params_get(&x->params, "Action", &x->action) != PARAMS_TEXT) {
    x->action = STR("");
    return refuse(&x->refusal, RETCODE_NO_ACTION, "Missing Action");
  }
  *ret = api_find_action(x->action);
  if (*ret != NULL) return 0;
  struct str echo = echo_of(x->action);
  return refuse(&x->refusal, RETCODE_UNKNOWN_ACTION, "Action [%.*s] not found", STR_ARG(echo));
}

static int check_signature(struct exchange *x, struct str signature) {
  int result = canon_append(x->params.items, x->params.count, &x->workspace->canonical);
  if (result == -ERR_MEMORY) return no_memory(x);
  if (result != 0) return refuse(&x->refusal, RETCODE_INTERNAL, "Internal error");
  struct str canonical = buf_view(&x->workspace->canonical);
  if (sign_verify(canonical, str_of(x->key.private_key), signature)) return 0;
  return refuse(&x->refusal, RETCODE_WRONG_SIGNATURE, "Signature VerifyAC Error");
}

static int check_key(struct exchange *x) {
  struct str signature, public_key;
  if (params_get(&x->params, "Signature", &signature) != PARAMS_TEXT) {
    return refuse(&x->refusal, RETCODE_NO_SIGNATURE, "Missing signature");
  }
  if (params_get(&x->params, "PublicKey", &public_key) != PARAMS_TEXT) {
    return refuse_missing(&x->refusal, "PublicKey");
  }
  const struct catalogue *catalogue = ledger_catalogue(x->api->options.ledger);
  if (!catalogue_key(catalogue, public_key, &x->key) || x->key.disabled) {
    x->key.public_key[0] = '\0';
    return refuse(&x->refusal, RETCODE_NO_USER, "User Not Exists");
  }
  return check_signature(x, signature);
}

static int no_project(struct exchange *x, struct str id) {
  return refuse(&x->refusal, RETCODE_NO_PROJECT, "Project [%.*s] not exists", (int)(id.len < 64 ? id.len : 64), id.ptr);
}

/* A sub-account learns nothing about projects that are not its own, not even whether they exist. */
static int find_project(struct exchange *x, const struct call *call, struct project *ret) {
  const struct catalogue *catalogue = ledger_catalogue(x->api->options.ledger);
  struct str id;
  int code = call_text(call, "ProjectId", &id, &x->refusal);
  if (code != 0) return code;
  if (id.len == 0 && x->key.sub_account) return refuse_missing(&x->refusal, "ProjectId");
  if (id.len == 0) return catalogue_project_default(catalogue, ret) ? 0 : no_project(x, STR(""));
  if (!catalogue_key_allows(catalogue, str_of(x->key.public_key), id)) {
    int len = (int)(id.len < 64 ? id.len : 64);
    return refuse(&x->refusal, RETCODE_DENIED, "Permission denied: project [%.*s]", len, id.ptr);
  }
  return catalogue_project(catalogue, id, ret) ? 0 : no_project(x, id);
}

static int run(struct exchange *x, struct buf *body) {
  const struct api_action *action;
  if (x->request->unavailable != NULL) {
    guess_action(x);
    return refuse(&x->refusal, RETCODE_UNAVAILABLE, "Service unavailable: %s", x->request->unavailable);
  }
  int code = read_params(x);
  if (code == 0) code = check_action(x, &action);
  if (code == 0) code = check_key(x);
  if (code != 0) return code;
  struct call call = {
      .options = &x->api->options,
      .action = action,
      .params = &x->params,
      .arena = x->workspace->arena,
      .now = clock_real_ms(x->api->options.clock) / 1000,
      .public_key = x->key.public_key,
      .sub_account = x->key.sub_account,
      .regions = buf_view(&x->api->regions),
      .claim = x->request->claim,
      .claim_arg = x->request->claim_arg,
      .work = x->request->work,
      .until_ms = x->request->work != NULL ? clock_monotonic_ms(x->api->options.clock) + API_TURN_MS : 0,
  };
  if (action->needs_project) code = find_project(x, &call, &call.project);
  x->is_later = action->is_long && !x->request->may_take_long;
  if (code != 0 || x->is_later) return code;
  struct json_write json = call.work != NULL && *call.work != NULL ? (*call.work)->json : json_write_to(body);
  if (json.depth == 0) begin_answer(&json, RETCODE_OK, x->action);
  CHECK(json.out == body);
  code = action->handle(&call, &json, &x->refusal);
  x->is_later = code == CALL_LATER;
  if (x->is_later) {
    (*call.work)->json = json;
    return 0;
  }
  if (code == 0) json_write_end(&json);
  if (code == 0 && body->failed) return no_memory(x);
  return code;
}

/* Fills in what the access log shows. Only known names appear, because a client may send its private key under any
 * name by mistake. */
static void tell(const struct exchange *x, int code, struct api_result *ret) {
  ret->is_later = false;
  const struct api_action *action = api_find_action(x->action);
  struct str public_key = str_of(x->key.public_key);
  if (public_key.len >= sizeof ret->public_key) public_key.len = sizeof ret->public_key - 1;
  bool fits = str_copy(str_of(action != NULL ? action->name : ""), ret->action, sizeof ret->action) &&
              str_copy(public_key, ret->public_key, sizeof ret->public_key);
  CHECK(fits);
  ret->ret_code = code;
}

void api_handle(struct api *api, const struct api_request *request, struct buf *body, struct api_result *ret) {
  struct exchange x = {.api = api, .workspace = borrow(api), .request = request, .action = STR("")};
  int code = x.workspace != NULL ? run(&x, body) : no_memory(&x);
  if (code != 0) {
    body->failed = false;
    answer_refusal(body, 0, x.action, &x.refusal, request->id);
  }
  tell(&x, code, ret);
  ret->is_later = code == 0 && x.is_later;
  bytes_wipe(&x.key, sizeof x.key);
  give_back(api, x.workspace);
}

void api_too_large(struct api *api, const struct api_request *request, struct buf *body, struct api_result *ret) {
  struct exchange x = {.api = api, .workspace = borrow(api), .request = request, .action = STR("")};
  char allowed[64];
  if (x.workspace != NULL) guess_action(&x);
  (void)snprintf(allowed, sizeof allowed, "the body is longer than %llu bytes",
                 (unsigned long long)api->options.body_max);
  int code = refuse_param(&x.refusal, "body", allowed);
  answer_refusal(body, body->len, x.action, &x.refusal, request->id);
  tell(&x, code, ret);
  give_back(api, x.workspace);
}
