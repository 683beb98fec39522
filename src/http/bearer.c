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

bool bearer_check(const struct ledger *ledger, struct str secret, int64_t now_ms, struct http_request *request,
                  struct http_reply *reply, struct token *ret) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  if (secret.len == 0) return refuse_missing(request, reply);
  token_hash(secret, hash);
  if (!catalogue_token(ledger_catalogue(ledger), hash, ret)) return refuse_unknown(hash, reply);
  bool fits = str_copy(str_of(ret->id), request->who, sizeof request->who);
  CHECK(fits);
  if (ret->revoked) return refuse_revoked(ret, reply);
  if (ret->expires_ms != 0 && now_ms >= ret->expires_ms) return refuse_expired(ret, reply);
  bool may_report = ret->scope == TOKEN_WRITE || ret->scope == TOKEN_VOID;
  return may_report ||
         refuse(reply, 403, "this token may not report usage: its scope is read, and reporting needs write");
}

const char *bearer_projects_zone(const struct token *token, const char *former) {
  if (!token->creates_projects) return NULL;
  return token->zone[0] != '\0' ? token->zone : former;
}
