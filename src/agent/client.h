/* The client's side of HTTP, by libcurl: reporting events, calling the signed API. Source: design §7. */
#ifndef CODECMETER_AGENT_CLIENT_H
#define CODECMETER_AGENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Whom to speak to, and as whom. Texts live for the life of the process; NULL: not given. */
struct client_settings {
  char *url, *token, *public_key, *private_key, *project, *ca_file;
  char *spool;             /* where events wait that could not be sent; NULL: the default place */
  char *env_file;          /* --env */
  bool (*interrupted)(void); /* asked while a request is under way: true gives it up; or NULL */
};

struct client;
MUST_USE int client_open(const struct client_settings *settings, struct client **ret, struct err *err);
void client_close(struct client *client);
SCOPED_REF(struct client, client_close)

/* Should what is being sent be given up? */
bool client_is_interrupted(const struct client *client);

struct client_reply {
  long status;
  int64_t retry_after_ms; /* what the server asked to wait; 0: it did not */
  struct buf body; /* JSON_PADDING bytes readable behind it */
};
void client_reply_fini(struct client_reply *reply);

/* Does what an answer of that status says pass by itself, so that the same may be sent again? */
bool client_may_pass(long status);

/* -ERR_USAGE when there is no token to report with. */
MUST_USE int client_check_token(const struct client *client, struct err *err);
/* POST /v1/events, a body of that Content-Type. 0 when there was an answer, whatever its status. -ERR_NETWORK names the
 * URL and what to check; -ERR_DENIED when the server's certificate is not trusted, -ERR_USAGE for no URL. The connection is kept. */
MUST_USE int client_send(struct client *client, const char *content_type, struct str body, struct client_reply *ret,
                         struct err *err);
/* The same, of one event as a structured CloudEvent. */
MUST_USE int client_report(struct client *client, struct str event, struct client_reply *ret, struct err *err);

struct client_param {
  const char *name, *value;
};
/* A signed call; params without PublicKey and Signature. -ERR_NETWORK, or -ERR_REMOTE with RetCode and message. */
MUST_USE int client_call(struct client *client, const struct client_param *params, size_t count,
                         struct client_reply *ret, struct err *err);

#endif
