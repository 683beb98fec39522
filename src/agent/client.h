/* An HTTP client on libcurl: reports events, calls the signed API, and reads /v1. Source: design §7. */
#ifndef CODECMETER_AGENT_CLIENT_H
#define CODECMETER_AGENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* The server's address and the client's credentials. The texts live as long as the process; NULL: not given. */
struct client_settings {
  char *url, *public_key, *private_key, *project, *ca_file;
  char *token;             /* reports */
  char *read_token;        /* reads /v1 */
  char *spool;             /* directory for events that could not be sent; NULL: the default one */
  char *env_file;          /* --env */
  char *agent;             /* this agent's name in the status that it reports; NULL: the host's */
  const char *version;     /* this program's */
  bool (*interrupted)(void); /* called during a request: true abandons it; or NULL */
};

struct client;
MUST_USE int client_open(const struct client_settings *settings, struct client **ret, struct err *err);
void client_close(struct client *client);
SCOPED_REF(struct client, client_close)

/* The server's URL, as the settings have it. */
const char *client_url(const struct client *client);
/* True if the current request must be abandoned. */
bool client_is_interrupted(const struct client *client);
/* What is left of the wait that the server asked for with its last answer, if that was a refusal that passes (429, 503 …);
 * 0: none. */
int64_t client_busy_ms(const struct client *client);

struct client_reply {
  long status;
  int64_t retry_after_ms; /* the wait that the server asks for; 0: none */
  struct buf body;        /* JSON_PADDING readable bytes behind it */
};
void client_reply_fini(struct client_reply *reply);

/* True if the condition behind that status passes by itself (5xx, 429, 408), so that the same request may be
 * repeated. */
bool client_may_pass(long status);

/* -ERR_USAGE if there is no token to report with. */
MUST_USE int client_check_token(const struct client *client, struct err *err);
/* Sends a body of that Content-Type to POST /v1/events. 0 if there was an answer, with any status. -ERR_NETWORK names
 * the URL and what to check. -ERR_DENIED: the server's certificate is not trusted. -ERR_USAGE: the URL is malformed,
 * or there is no token. The connection is kept. */
MUST_USE int client_send(struct client *client, const char *content_type, struct str body, struct client_reply *ret,
                         struct err *err);
struct client_param {
  const char *name, *value;
};
/* The same for a document of a transcoding service: sends JSON to POST /v1/adapters/ADAPTER. The params become the
 * URL's query; those with value NULL are left out. */
MUST_USE int client_notify(struct client *client, const char *adapter, const struct client_param *params, size_t count,
                           struct str document, struct client_reply *ret, struct err *err);
/* Like client_send, for one event, a structured CloudEvent. */
MUST_USE int client_report(struct client *client, struct str event, struct client_reply *ret, struct err *err);

/* Makes a signed call; params do not include PublicKey and Signature. -ERR_NETWORK, or -ERR_REMOTE with RetCode and
 * message. */
MUST_USE int client_call(struct client *client, const struct client_param *params, size_t count,
                         struct client_reply *ret, struct err *err);

/* Reports this agent's status to POST /v1/agents, like client_send, but waits two seconds at most, and client_busy_ms stays
 * as it is. */
MUST_USE int client_tell(struct client *client, struct str status, struct client_reply *ret, struct err *err);

/* Receives the pieces of an answer with status 200, as they come. False abandons the request. */
struct client_taker {
  bool (*take)(void *arg, struct str piece);
  void *arg;
};
#define CLIENT_POSITION_SIZE 24
/* Reads: sends GET of a path (with its query) with the read token. An answer of any other status is in ret->body. 0 if
 * there was an answer and it was complete. ret_position: the text of X-Codecmeter-Position, "" if there is none.
 * -ERR_USAGE: there is no read token. -ERR_STOPPING: taker->take returned false. -ERR_NETWORK also if the answer ended
 * too early: then the taker may have got a part. Waits as long as data comes. */
MUST_USE int client_read(struct client *client, const char *path, const struct client_taker *taker,
                         struct client_reply *ret, char ret_position[CLIENT_POSITION_SIZE], struct err *err);
/* Appends "NAME=VALUE" to a query, percent-encoded, behind '?' or '&'. */
void client_add_param(struct client *client, struct buf *path, struct str name, struct str value);
/* Appends a segment of a path, percent-encoded, behind '/'. */
void client_add_segment(struct client *client, struct buf *path, struct str segment);

#endif
