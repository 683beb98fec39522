#include "http/bearer.h"

#include <stdio.h>

#include "auth/token.h"
#include "base/check.h"
#include "meter/rfc3339.h"

static bool refuse(struct http_reply *reply, unsigned status, const char *detail) {
  http_reply_problem(reply, status, detail);
  if (status == 401) http_reply_header(reply, "WWW-Authenticate", "Bearer");
  return false;
}

static bool refuse_missing(const struct http_request *request, struct http_reply *reply) {
  return refuse(reply, 401,
                request->authorization.len == 0
                    ? "no token was sent: send the header Authorization: Bearer TOKEN"
                    : "the header Authorization has no token: it must be Authorization: Bearer TOKEN");
}

/* A sender whose URL leads to another server than its token gets this. */
static bool refuse_unknown(const uint8_t hash[DIGEST_SHA256_SIZE], struct http_reply *reply) {
  char id[TOKEN_PUBLIC_ID_SIZE], detail[256];
  token_id(hash, id);
  (void)snprintf(detail, sizeof detail,
                 "this server does not know the token that was sent (id %s): is it a token of another server? "
                 "`codecmeter token list` shows the tokens of this server",
                 id);
  return refuse(reply, 401, detail);
}

static const char *scope_name(enum token_scope scope) {
  switch (scope) {
    case TOKEN_WRITE: return "write";
    case TOKEN_READ: return "read";
    case TOKEN_VOID: return "void";
    case TOKEN_COPY: return "copy";
  }
  return "unknown";
}

static bool scope_allows(enum token_scope scope, enum bearer_need need) {
  if (need == BEARER_READ) return scope == TOKEN_READ;
  return scope == TOKEN_WRITE || scope == TOKEN_VOID;
}

static bool refuse_scope(const struct token *token, enum bearer_need need, struct http_reply *reply) {
  bool reads = need == BEARER_READ;
  char detail[320];
  (void)snprintf(detail, sizeof detail,
                 "this token may not %s usage: its scope is %s, and %s needs %s. `codecmeter token create%s%s%s` makes "
                 "such a token",
                 reads ? "read" : "report", scope_name(token->scope), reads ? "reading" : "reporting",
                 reads ? "read" : "write", reads ? " --scope read" : "", token->project[0] != '\0' ? " --project " : "",
                 token->project);
  return refuse(reply, 403, detail);
}

static bool refuse_revoked(const struct token *token, struct http_reply *reply) {
  char detail[256];
  (void)snprintf(detail, sizeof detail,
                 "the token that was sent (id %s) was revoked: `codecmeter token create` makes another", token->id);
  return refuse(reply, 401, detail);
}

static bool refuse_expired(const struct token *token, struct http_reply *reply) {
  char detail[256], when[RFC3339_SIZE];
  rfc3339_format(token->expires_ms, when);
  (void)snprintf(detail, sizeof detail,
                 "the token that was sent (id %s) expired at %s: `codecmeter token create` makes another", token->id, when);
  return refuse(reply, 401, detail);
}

static bool is_expired(const struct token *token, int64_t now_ms) {
  return token->expires_ms != 0 && now_ms >= token->expires_ms;
}

bool bearer_check(const struct bearer_door *door, enum bearer_need need, struct str secret,
                  struct http_request *request, struct http_reply *reply, struct token *ret) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  if (secret.len == 0) return refuse_missing(request, reply);
  int64_t now_ms = clock_real_ms(door->clock);
  token_hash(secret, hash);
  if (!catalogue_token(ledger_catalogue(door->ledger), hash, ret)) return refuse_unknown(hash, reply);
  bool fits = str_copy(str_of(ret->id), request->who, sizeof request->who);
  CHECK(fits);
  if (ret->revoked) return refuse_revoked(ret, reply);
  if (is_expired(ret, now_ms)) return refuse_expired(ret, reply);
  if (!scope_allows(ret->scope, need)) return refuse_scope(ret, need, reply);
  if (door->uses != NULL) token_uses_note(door->uses, ret->id, now_ms);
  return true;
}

bool bearer_check_header(const struct bearer_door *door, enum bearer_need need, struct http_request *request,
                         struct http_reply *reply, struct token *ret) {
  struct str secret = STR("");
  (void)!token_from_header(request->authorization, &secret);
  return bearer_check(door, need, secret, request, reply, ret);
}

bool bearer_holds(const struct bearer_door *door, const struct token *token) {
  struct token now;
  bool is_known = catalogue_token(ledger_catalogue(door->ledger), token->hash, &now);
  return is_known && !now.revoked && !is_expired(&now, clock_real_ms(door->clock));
}

const char *bearer_projects_zone(const struct token *token, const char *former) {
  if (!token->creates_projects) return NULL;
  return token->zone[0] != '\0' ? token->zone : former;
}
