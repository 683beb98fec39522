#include "http/bearer.h"

#include "auth/token.h"
#include "base/check.h"

static bool refuse(struct http_reply *reply, unsigned status, const char *detail) {
  http_reply_problem(reply, status, detail);
  if (status == 401) http_reply_header(reply, "WWW-Authenticate", "Bearer");
  return false;
}

bool bearer_check(const struct ledger *ledger, struct str secret, struct http_request *request,
                  struct http_reply *reply, struct token *ret) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  token_hash(secret, hash);
  if (secret.len == 0 || !catalogue_token(ledger_catalogue(ledger), hash, ret) || ret->revoked) {
    return refuse(reply, 401, "the request has no valid token: send the header Authorization: Bearer TOKEN");
  }
  bool fits = str_copy(str_of(ret->id), request->who, sizeof request->who);
  CHECK(fits);
  bool may_report = ret->scope == TOKEN_WRITE || ret->scope == TOKEN_VOID;
  return may_report ||
         refuse(reply, 403, "this token may not report usage: its scope is read, and reporting needs write");
}

const char *bearer_projects_zone(const struct token *token, const char *former) {
  if (!token->creates_projects) return NULL;
  return token->zone[0] != '\0' ? token->zone : former;
}
