/* A token's secret exists in one place only: the reply to `token create`. The ledger gets its hash. */
#include "admin/admin_token.h"

#include <stdlib.h>

#include "admin/admin_parts.h"
#include "auth/token.h"
#include "base/clock.h"
#include "meter/rfc3339.h"
#include "settings/config.h"

#define EVERY_PROJECT "all"
#define DAY_MS (INT64_C(86400) * 1000)
#define SHOWN_MAX 40 /* bytes of a wrong value that a message repeats */

static const char *const scopes[] = {
    [TOKEN_WRITE] = "write", [TOKEN_READ] = "read", [TOKEN_VOID] = "void", [TOKEN_COPY] = "copy"};

static int64_t last_used_ms(const struct admin *admin, const char *id) {
  return admin->token_uses != NULL ? token_uses_last_ms(admin->token_uses, id) : 0;
}

static void put_token(struct json_write *items, const struct admin *admin, const struct token *token,
                      const char *secret) {
  json_write_object(items, NULL);
  json_write_text(items, "id", token->id);
  if (secret != NULL) json_write_text(items, "token", secret);
  json_write_text(items, "scope", scopes[token->scope]);
  json_write_text(items, "project", token->project);
  json_write_bool(items, "creates_projects", token->creates_projects);
  json_write_text(items, "time_zone", token->zone);
  json_write_text(items, "label", token->label);
  admin_put_time(items, "expires", token->expires_ms);
  admin_put_time(items, "last_used", last_used_ms(admin, token->id));
  json_write_bool(items, "revoked", token->revoked);
  admin_put_time(items, "created", token->created_ms);
  json_write_end(items);
}

/* ---- what `token create` is asked for ---- */

static int read_scope(const struct json *request, enum token_scope *ret, struct err *err) {
  struct str scope = json_member_text(request, "scope");
  *ret = TOKEN_WRITE;
  if (scope.len == 0) return 0;
  for (unsigned i = TOKEN_WRITE; i <= TOKEN_VOID; i++) {
    if (!str_equal(scope, str_of(scopes[i]))) continue;
    *ret = (enum token_scope)i;
    return 0;
  }
  return err_set(err, ERR_USAGE, "unknown scope '%.*s': give write, read or void",
                 (int)(scope.len < SHOWN_MAX ? scope.len : SHOWN_MAX), scope.ptr);
}

/* "all" means every project. A project of this name makes it ambiguous, and a token for too much is a leak. */
static int read_project(const struct admin *admin, const struct json *request, struct token *token, struct err *err) {
  struct project found;
  int result = admin_member_copy(request, "project", token->project, sizeof token->project, err);
  if (result != 0 || strcmp(token->project, EVERY_PROJECT) != 0) return result;
  if (catalogue_project(admin->catalogue, STR(EVERY_PROJECT), &found))
    return err_set(err, ERR_USAGE,
                   "--project all means every project, but a project has the id 'all': for every project, leave out "
                   "--project");
  token->project[0] = '\0';
  return 0;
}

/* A setting's number without a unit is in milliseconds. Here somebody would mean days. */
static bool has_unit(struct str text) {
  char last = text.len > 0 ? text.ptr[text.len - 1] : '0';
  return last < '0' || last > '9';
}

/* The time at which a duration from now, a date or a time ends. False if the text is none of these. */
static bool read_end(struct str text, int64_t now_ms, int64_t *ret_ms) {
  uint64_t duration_ms;
  int32_t day;
  if (has_unit(text) && config_duration(text, &duration_ms)) {
    bool fits = duration_ms <= (uint64_t)(RFC3339_MAX_MS - now_ms);
    *ret_ms = fits ? now_ms + (int64_t)duration_ms : INT64_MAX;
    return true;
  }
  if (zone_day_parse(text, &day, NULL) == 0) {
    *ret_ms = (int64_t)day * DAY_MS;
    return true;
  }
  return rfc3339_parse(text, ret_ms, NULL) == 0;
}

static int read_expiry(const struct json *request, int64_t *ret_ms, struct err *err) {
  struct str text = json_member_text(request, "expires");
  int64_t now_ms = clock_real_ms(clock_system()), end_ms;
  *ret_ms = 0;
  if (json_member(request, "expires") == NULL) return 0;
  int shown = (int)(text.len < SHOWN_MAX ? text.len : SHOWN_MAX);
  if (!read_end(text, now_ms, &end_ms))
    return err_set(
        err, ERR_USAGE,
        "--expires '%.*s' is neither a duration like 90d or 12h, nor a date like 2027-01-31, nor a time like "
        "2027-01-31T12:00:00Z",
        shown, text.ptr);
  if (end_ms > RFC3339_MAX_MS)
    return err_set(err, ERR_USAGE,
                   "--expires '%.*s' is after the year 9999: leave it out for a token that never expires", shown,
                   text.ptr);
  if (end_ms <= now_ms)
    return err_set(
        err, ERR_USAGE,
        "--expires '%.*s' is not in the future: the token would be refused from the start (a date means its "
        "beginning in UTC)",
        shown, text.ptr);
  *ret_ms = end_ms;
  return 0;
}

static int check_creation(const struct token *token, struct err *err) {
  if (!token->creates_projects) {
    if (token->zone[0] == '\0') return 0;
    return err_set(err, ERR_USAGE,
                   "--time-zone is for a token that creates projects: add --create-projects, or leave it out");
  }
  if (token->project[0] != '\0')
    return err_set(err, ERR_USAGE,
                   "a token for one project cannot create others: leave out --project or --create-projects");
  if (token->scope == TOKEN_READ)
    return err_set(
        err, ERR_USAGE,
        "a token of scope read cannot report, so it creates no projects: leave out --create-projects, or give "
        "scope write");
  return 0;
}

static int read_token(const struct admin *admin, const struct json *request, struct token *token, struct err *err) {
  token->creates_projects = admin_member_flag(request, "create_projects");
  int result = read_project(admin, request, token, err);
  if (result == 0) result = read_scope(request, &token->scope, err);
  if (result == 0) result = admin_member_copy(request, "label", token->label, sizeof token->label, err);
  if (result == 0) result = read_expiry(request, &token->expires_ms, err);
  if (result == 0) result = admin_member_copy(request, "time_zone", token->zone, sizeof token->zone, err);
  if (result == 0) result = check_creation(token, err);
  if (result == 0 && token->creates_projects) result = admin_choose_zone(admin, token->zone, err);
  return result;
}

/* ---- commands ---- */

int admin_token_create(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err) {
  struct change change = {.type = CHANGE_TOKEN_CREATE};
  char secret[TOKEN_SECRET_SIZE];
  struct token made;
  int result = read_token(admin, request, &change.token, err);
  if (result == 0) result = token_generate(secret, err);
  if (result != 0) return result;
  token_hash(str_of(secret), change.token.hash);
  token_id(change.token.hash, change.token.id);
  result = admin->change(admin->arg, &change, err);
  if (result == 0 && catalogue_token(admin->catalogue, change.token.hash, &made))
    put_token(items, admin, &made, secret);
  bytes_wipe(secret, sizeof secret);
  return result;
}

/* id: NULL for all. */
static int show_tokens(const struct admin *admin, const char *id, struct json_write *items, struct err *err) {
  SCOPED_MALLOC struct token *tokens = NULL;
  size_t count;
  int result = catalogue_tokens(admin->catalogue, &tokens, &count);
  if (result != 0) return err_set(err, ERR_MEMORY, "no memory to list the tokens; try again later");
  for (size_t i = 0; i < count; i++) {
    if (id == NULL || strcmp(tokens[i].id, id) == 0) put_token(items, admin, &tokens[i], NULL);
  }
  return 0;
}

int admin_token_revoke(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err) {
  struct change change = {.type = CHANGE_TOKEN_REVOKE};
  int result = admin_member_copy(request, "id", change.token.id, sizeof change.token.id, err);
  if (result == 0 && change.token.id[0] == '\0') result = err_set(err, ERR_USAGE, "no token is named: give its ID");
  if (result == 0) result = admin->change(admin->arg, &change, err);
  return result == 0 ? show_tokens(admin, change.token.id, items, err) : result;
}

int admin_token_list(const struct admin *admin, const struct json *request, struct json_write *items,
                     struct err *err) {
  (void)request;
  return show_tokens(admin, NULL, items, err);
}
