/* libmicrohttpd, behind our bounds and deadlines. The only file that knows the library.
 *
 * The life of a request, on one of the pool's threads but where noted:
 *
 *   on_uri ──> RECEIVING ──body──> handle ──HTTP_ANSWERED──────────────────────> REPLYING ──> on_completed
 *               │                    │                                             ^    ^
 *               │                    └─HTTP_WAITING──> WAITING ──http_resume──> READY   │
 *               │                                        └──sweeper: deadline────────┘  │
 *               └─judge: refused by its head, or by its length; the body is dropped ────┘
 *
 * WAITING is a suspended connection: the library neither reads from it nor times it out. http_resume may come before
 * the handler has returned; then nothing is suspended. Who moves WAITING to READY, the resumer or the sweeper, is
 * decided under the server's lock, and only that one resumes the connection.
 *
 * Room. The library takes no connection beyond http.connections_max, whoever holds the others. So before that, the
 * idle or slow ones of the address with most are closed (crowd.h), in the same way as those past their deadline.
 *
 * Deadlines. The library has an idle timeout only, which a byte a second keeps at bay. So each connection carries a
 * deadline, and a sweeper shuts its socket down when that passes. The library tells us that a connection is closed
 * (on_connection) before it closes the socket, and the sweeper shuts down under the lock that this notice takes: it
 * can never hit a socket that has been given to somebody else.
 *
 * The library may give a request up without telling that it is completed (when its answer to a fault of the head
 * finds no room). So an exchange belongs to its connection, and ends with it at the latest.
 *
 * The library (0.9.75) answers a Content-Length that it cannot read twice: it builds the header of its error again. A
 * proxy takes the second one for the answer to somebody else's request. No callback comes between, but the library
 * logs the fault first. So we give the one answer there, and end the connection's sending side: the library then
 * fails to send its own.
 *
 * The library (0.9.75) takes a line that begins with a colon for the end of the head: what follows would be the body,
 * or the next request. So we check that between the last field and the end of the head there is an empty line and
 * nothing else.
 *
 * A reply queued in the library's first callback of a request closes the connection, and it takes none while a body
 * comes. So a refused body is read and dropped, and the reply queued behind it. From the first callback are answered,
 * and closed: what cannot be trusted to be framed right, bodies that are not worth that much reading, and clients
 * that ask before they send one (Expect: 100-continue). A body that turns out as long only as it comes, in chunks, is
 * cut off with a reply that we write ourselves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/wait.h"
#include "http/crowd.h"
#include "http/head.h"
#include "http/listen.h"
#include "http/server.h"

#define SWEEP_MS 250
#define GIVE_BACK_MS 5000
#define POOL_MEMORY (32u << 10) /* per connection: above 128 KiB it costs most of the speed; header_max must fit */
#define PEM_MAX (1u << 20)
/* What is older has been withdrawn: RFC 8996. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define DRAIN_WAIT_MS 10000     /* for replies under way when the server stops */
#define FOREVER INT64_MAX
/* A reply must move 64 KiB in 15 s. */
#define REPLY_PIECE (64u << 10)
#define REPLY_PIECE_MS 15000
/* How often it is looked at how well a reply is received. One that moves less than that pace is slow. */
#define JUDGE_MS 1000
#define JUDGE_BYTES ((uint64_t)REPLY_PIECE * JUDGE_MS / REPLY_PIECE_MS)
#define LOST_LOG_MS 60000

enum exchange_state { RECEIVING, WAITING, READY, REPLYING };

/* The requests of one of the library's threads whose head is being received. Only that thread uses the list; it is
 * freed when the server stops, after the thread. */
struct heads {
  struct exchange *first;
  struct heads *next; /* of the server's */
};

/* A connection, from its opening to its closing. */
struct connection {
  struct http_server *server;
  int fd;
  /* Under the server's lock. */
  int64_t deadline_ms;
  struct crowd_member member;
  bool is_replying;
  int64_t judge_ms;  /* when it will be looked at how well the reply is received */
  uint64_t received; /* by the client, when that was last looked at */
  struct exchange *exchange; /* the request under way, owned; NULL between two */
  struct connection *previous, *next;
};

/* A request and its reply. */
struct exchange {
  struct http_request request; /* first: http_resume is handed its address */
  struct http_reply reply;
  struct http_server *server;
  struct connection *connection;
  struct MHD_Connection *mhd;
  const struct http_route *route;
  char *uri;
  const char *uri_end; /* in the library's memory: not to be read */
  struct buf body;
  struct head head;
  uint64_t received;   /* bytes of the body, dropped ones too */
  uint64_t counted;    /* of bodies_used: the body */
  uint64_t held;       /* of bodies_used: what the endpoint keeps of it */
  uint64_t claimed;    /* of answers_used */
  enum exchange_state state;
  bool begun;          /* the library's first callback has been */
  bool refused;        /* the reply is there before the body, which is dropped */
  bool resumed_early;  /* http_resume came before the handler had returned */
  int64_t started_ms, wait_deadline_ms;
  struct exchange *previous, *next; /* of the waiting ones */
  struct heads *heads;              /* the list that it is in; NULL: its head has been received */
  struct exchange *previous_head, *next_head;
};
_Static_assert(offsetof(struct exchange, request) == 0, "http_resume finds the exchange from its request");

struct http_server {
  struct http_options options;
  struct listen_address address;
  char url[80];
  struct MHD_Daemon *daemon;
  pthread_mutex_t lock;
  pthread_cond_t wake; /* the sweeper, to stop */
  struct connection *connections;
  struct crowd *crowd; /* of the connections; under the lock */
  unsigned lost;       /* connections that had to go, since that was logged */
  struct exchange *waiting;
  struct heads *heads; /* one for each of the library's threads */
  unsigned exchanges;  /* under way */
  uint64_t sweeps;
  bool stopping;
  pthread_t sweeper;
  atomic_bool draining;
  atomic_uint_fast64_t bodies_used, answers_used;
};

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

/* The request is there: its connection has to go for nobody until it has been answered. */
static void set_busy(struct connection *connection) {
  (void)pthread_mutex_lock(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  (void)pthread_mutex_unlock(&connection->server->lock);
}

/* The reply begins to be sent. */
static void set_replying(struct connection *connection, int64_t now, int64_t time_ms) {
  (void)pthread_mutex_lock(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  connection->is_replying = true;
  connection->judge_ms = now + JUDGE_MS;
  connection->deadline_ms = now + time_ms;
  (void)pthread_mutex_unlock(&connection->server->lock);
}

/* The next request may come. */
static void set_idle(struct connection *connection, int64_t deadline_ms) {
  (void)pthread_mutex_lock(&connection->server->lock);
  crowd_idle(connection->server->crowd, &connection->member);
  connection->is_replying = false;
  connection->deadline_ms = deadline_ms;
  (void)pthread_mutex_unlock(&connection->server->lock);
}

/* ---- heads under way ---- */

/* This thread's list. NULL: no memory. */
static struct heads *own_heads(struct http_server *server) {
  static _Thread_local struct heads *own;
  if (own != NULL) return own;
  own = calloc(1, sizeof *own);
  if (own == NULL) return NULL;
  (void)pthread_mutex_lock(&server->lock);
  own->next = server->heads;
  server->heads = own;
  (void)pthread_mutex_unlock(&server->lock);
  return own;
}

static void list_head(struct heads *heads, struct exchange *x) {
  x->heads = heads;
  x->next_head = heads->first;
  if (x->next_head != NULL) x->next_head->previous_head = x;
  heads->first = x;
}

static void unlist_head(struct exchange *x) {
  if (x->heads == NULL) return;
  if (x->previous_head != NULL) x->previous_head->next_head = x->next_head;
  else x->heads->first = x->next_head;
  if (x->next_head != NULL) x->next_head->previous_head = x->previous_head;
  x->heads = NULL;
}

static void free_heads(struct http_server *server) {
  while (server->heads != NULL) {
    struct heads *next = server->heads->next;
    CHECK(server->heads->first == NULL);
    free(server->heads);
    server->heads = next;
  }
}

/* ---- connections ---- */

static void drop_body(struct exchange *x) {
  buf_fini(&x->body);
  atomic_fetch_sub(&x->server->bodies_used, x->counted);
  x->counted = 0;
}

static void end_exchange(struct connection *connection) {
  struct exchange *x = connection->exchange;
  struct http_server *server = connection->server;
  if (x == NULL) return;
  connection->exchange = NULL;
  unlist_head(x);
  if (x->route != NULL && x->route->release != NULL) x->route->release(x->route->arg, &x->request);
  drop_body(x);
  atomic_fetch_sub(&server->bodies_used, x->held);
  atomic_fetch_sub(&server->answers_used, x->claimed);
  buf_fini(&x->reply.body);
  free(x->uri);
  free(x);
  (void)pthread_mutex_lock(&server->lock);
  server->exchanges--;
  (void)pthread_mutex_unlock(&server->lock);
}

/* MHD_quiesce_daemon aborts now and then: the library's threads and its caller both take the listening socket out of
 * the same set (0.9.75). So a server that stops takes connections and closes them. */
static enum MHD_Result takes_connection(void *cls, const struct sockaddr *address, socklen_t len) {
  (void)len;
  struct http_server *server = cls;
  if (atomic_load(&server->draining)) return MHD_NO;
  (void)pthread_mutex_lock(&server->lock);
  bool admits = crowd_admits(server->crowd, address);
  (void)pthread_mutex_unlock(&server->lock);
  return admits ? MHD_YES : MHD_NO;
}

/* With the lock held. The library then closes it. */
static void shut_down(struct connection *connection) {
  (void)shutdown(connection->fd, SHUT_RDWR);
  connection->deadline_ms = FOREVER;
}

/* With the lock held: closes idle connections while there is little room. */
static void make_room(struct http_server *server) {
  for (struct crowd_member *lost; (lost = crowd_lose_one(server->crowd)) != NULL; server->lost++)
    shut_down((struct connection *)(void *)((char *)lost - offsetof(struct connection, member)));
}

/* With the lock held. */
static void list_connection(struct connection *connection, const struct sockaddr *address) {
  struct http_server *server = connection->server;
  connection->next = server->connections;
  if (connection->next != NULL) connection->next->previous = connection;
  server->connections = connection;
  if (!crowd_join(server->crowd, &connection->member, address)) shut_down(connection);
  make_room(server);
}

static void unlist_connection(struct connection *connection) {
  struct http_server *server = connection->server;
  crowd_leave(server->crowd, &connection->member);
  if (connection->previous != NULL) connection->previous->next = connection->next;
  else server->connections = connection->next;
  if (connection->next != NULL) connection->next->previous = connection->previous;
}

static const struct sockaddr *address_of(struct MHD_Connection *mhd) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info != NULL ? info->client_addr : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code) {
  struct http_server *server = cls;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return; /* on_uri takes no request of it */
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->server = server;
    connection->fd = info->connect_fd;
    connection->deadline_ms = now_ms() + server->options.request_timeout_ms;
    (void)pthread_mutex_lock(&server->lock);
    list_connection(connection, address_of(mhd));
    (void)pthread_mutex_unlock(&server->lock);
    *context = connection;
    return;
  }
  struct connection *connection = *context;
  if (connection == NULL) return;
  end_exchange(connection);
  (void)pthread_mutex_lock(&server->lock);
  unlist_connection(connection);
  (void)pthread_mutex_unlock(&server->lock);
  free(connection);
  *context = NULL;
}

/* ---- the waiting ---- */

/* With the lock held. */
static void list_waiting(struct exchange *x) {
  x->next = x->server->waiting;
  x->previous = NULL;
  if (x->next != NULL) x->next->previous = x;
  x->server->waiting = x;
}

static void unlist_waiting(struct exchange *x) {
  if (x->previous != NULL) x->previous->next = x->next;
  else x->server->waiting = x->next;
  if (x->next != NULL) x->next->previous = x->previous;
}

void http_resume(struct http_request *request) {
  struct exchange *x = (struct exchange *)(void *)request;
  struct http_server *server = x->server;
  (void)pthread_mutex_lock(&server->lock);
  bool suspended = x->state == WAITING;
  if (suspended) {
    unlist_waiting(x);
    x->state = READY;
  } else {
    x->resumed_early = true;
  }
  (void)pthread_mutex_unlock(&server->lock);
  if (suspended) MHD_resume_connection(x->mhd);
}

/* The handler answered HTTP_WAITING: suspends, unless the answer has come meanwhile. True if suspended. */
static bool suspend(struct exchange *x) {
  struct http_server *server = x->server;
  (void)pthread_mutex_lock(&server->lock);
  bool suspends = !x->resumed_early;
  if (suspends) {
    x->state = WAITING;
    x->wait_deadline_ms = now_ms() + server->options.wait_timeout_ms;
    x->connection->deadline_ms = FOREVER;
    list_waiting(x);
    MHD_suspend_connection(x->mhd);
  }
  (void)pthread_mutex_unlock(&server->lock);
  return suspends;
}

/* With the lock held: the first exchange whose wait has ended, taken out of the list with its reply made. */
static struct exchange *expire_one(struct http_server *server, int64_t now) {
  for (struct exchange *x = server->waiting; x != NULL; x = x->next) {
    if (x->wait_deadline_ms > now || x->route->expired == NULL) continue;
    if (!x->route->expired(x->route->arg, &x->request, &x->reply)) continue; /* http_resume is on its way */
    unlist_waiting(x);
    x->state = READY;
    return x;
  }
  return NULL;
}

/* With the lock held. A reply that is received slowly makes its connection one that may have to go. */
static void judge_reply(struct connection *connection, int64_t now) {
  uint64_t received = listen_acknowledged(connection->fd);
  bool is_slow = received - connection->received < JUDGE_BYTES;
  connection->received = received;
  connection->judge_ms = now + JUDGE_MS;
  if (is_slow) crowd_idle(connection->server->crowd, &connection->member);
  else crowd_busy(connection->server->crowd, &connection->member);
}

static void sweep(struct http_server *server, int64_t now) {
  for (struct connection *c = server->connections; c != NULL; c = c->next) {
    if (c->deadline_ms <= now) shut_down(c);
    else if (c->is_replying && c->judge_ms <= now) judge_reply(c, now);
  }
  make_room(server);
  for (struct exchange *x = expire_one(server, now); x != NULL; x = expire_one(server, now)) {
    (void)pthread_mutex_unlock(&server->lock);
    MHD_resume_connection(x->mhd);
    (void)pthread_mutex_lock(&server->lock);
  }
}

/* What the sweeper does now and then, without the lock. */
struct rounds {
  int64_t give_back_ms, log_ms;
  uint64_t memory;
};

static void log_lost(struct http_server *server, unsigned lost) {
  diag_warning("few of http.connections_max=%u connections were left: %u idle or slow ones were closed, first those of "
               "the addresses that had most; raise it, or name your proxies in http.proxies",
               server->options.connections_max, lost);
}

static void make_rounds(struct http_server *server, struct rounds *rounds, int64_t now, unsigned lost) {
  if (lost > 0) {
    log_lost(server, lost);
    rounds->log_ms = now + LOST_LOG_MS;
  }
  if (now < rounds->give_back_ms) return;
  rounds->give_back_ms = now + GIVE_BACK_MS;
  if (server->options.rest != NULL) server->options.rest(server->options.rest_arg);
  memory_give_back(&rounds->memory);
}

static void *sweeper_main(void *arg) {
  struct http_server *server = arg;
  struct rounds rounds = {.give_back_ms = now_ms() + GIVE_BACK_MS};
  (void)pthread_mutex_lock(&server->lock);
  while (!server->stopping) {
    (void)wait_for_ms(&server->wake, &server->lock, SWEEP_MS);
    int64_t now = now_ms();
    sweep(server, now);
    server->sweeps++;
    unsigned lost = now >= rounds.log_ms ? server->lost : 0;
    server->lost -= lost;
    (void)pthread_mutex_unlock(&server->lock);
    make_rounds(server, &rounds, now, lost);
    (void)pthread_mutex_lock(&server->lock);
  }
  (void)pthread_mutex_unlock(&server->lock);
  return NULL;
}

/* ---- requests ---- */

static void fill_id(char id[HTTP_ID_SIZE]) {
  char *uuid = g_uuid_string_random();
  memcpy(id, uuid, HTTP_ID_SIZE);
  g_free(uuid);
}

static void fill_peer(struct MHD_Connection *mhd, char *out, size_t size) {
  const struct sockaddr *address = address_of(mhd);
  const char *text = NULL;
  if (address != NULL && address->sa_family == AF_INET) {
    text = inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, out, (socklen_t)size);
  } else if (address != NULL && address->sa_family == AF_INET6) {
    text = inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, out, (socklen_t)size);
  }
  if (text == NULL) out[0] = '\0';
}

/* The library would make a record of each parameter of the query, for which its pool has room for some 475, and goes
 * silent on more. We read the query ourselves: it is cut off where it stands in the library's buffer. */
static void hide_query(const char *uri) {
  char *question = strchr((char *)(uintptr_t)uri, '?');
  if (question != NULL && question[1] != '\0') question[1] = '\0';
}

/* The request line has been read: the URI as sent. What is returned comes back as *context of on_request. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd) {
  struct http_server *server = cls;
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  struct connection *connection = info != NULL ? info->socket_context : NULL;
  if (connection == NULL) return NULL;
  struct heads *heads = own_heads(server);
  struct exchange *x = calloc(1, sizeof *x);
  char *copy = strdup(uri);
  if (heads == NULL || x == NULL || copy == NULL) {
    free(x);
    free(copy);
    return NULL;
  }
  x->server = server;
  x->connection = connection;
  x->mhd = mhd;
  x->uri = copy;
  x->started_ms = now_ms();
  x->reply.status = MHD_HTTP_OK;
  x->reply.content_type = "application/json";
  x->uri_end = uri + strlen(uri);
  struct head_target target = head_target(str_of(copy));
  x->request.path = target.path;
  x->request.query = target.query;
  hide_query(uri);
  fill_id(x->request.id);
  fill_peer(mhd, x->request.peer, sizeof x->request.peer);
  connection->exchange = x;
  list_head(heads, x);
  (void)pthread_mutex_lock(&server->lock);
  server->exchanges++;
  (void)pthread_mutex_unlock(&server->lock);
  return x;
}

/* ---- heads ---- */

/* A folded line is glued to the name of the field before it, in a copy behind the value; else the value stands behind
 * its name, as it was sent. */
static bool is_folded(struct str name, struct str value) {
  return (uintptr_t)value.ptr <= (uintptr_t)name.ptr + name.len;
}

struct head_scan {
  struct head *head;
  const char *end; /* of the last field, in the library's buffer */
};

static enum MHD_Result scan_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                   const char *value, size_t value_len) {
  (void)kind;
  struct head_scan *scan = cls;
  struct str field = str_make(name, name_len), text = str_make(value, value_len);
  head_field(scan->head, field, text);
  if (is_folded(field, text)) scan->head->is_malformed = true;
  scan->end = value + value_len;
  return MHD_YES;
}

/* Blanks behind the last field, its line's end, and that of the empty line. The library puts NULs there. */
static bool is_end_of_head(struct str rest) {
  size_t blanks = 0, ends = 0;
  while (blanks < rest.len && (rest.ptr[blanks] == ' ' || rest.ptr[blanks] == '\t'))
    blanks++;
  for (size_t i = blanks; i < rest.len; i++)
    ends += rest.ptr[i] == '\0' || rest.ptr[i] == '\r' || rest.ptr[i] == '\n';
  return ends == rest.len - blanks && ends == sizeof "\r\n\r\n" - 1;
}

/* Is there more in the head than the library has read? `last` is the end of what it has read. */
static bool is_cut_short(const struct exchange *x, const char *last) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  if (info == NULL) return false;
  const char *end = x->request.method.ptr + info->header_size;
  return last > end || !is_end_of_head(str_make(last, (size_t)(end - last)));
}

/* The version begins where the target ends, unless a NUL hides the rest of the target from us. */
static bool has_nul(const struct exchange *x, const char *version) {
  uintptr_t hidden = (uintptr_t)version - (uintptr_t)x->uri_end - 1;
  return hidden != 0 && hidden < POOL_MEMORY;
}

/* Refuses a head that is too long, or that somebody may read in another way. True if it is refused. */
static bool refuse_head(struct exchange *x, const char *version) {
  x->head.bytes = strlen(x->uri) + x->request.method.len + sizeof "  HTTP/1.1\r\n" - 1;
  struct head_scan scan = {.head = &x->head, .end = version + strlen(version)};
  (void)MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, scan_header, &scan);
  const char *fault = has_nul(x, version) ? "a NUL stands in the request's target" : head_fault(&x->head);
  if (fault == NULL && is_cut_short(x, scan.end))
    fault = "a line of the head begins with a colon, or does not end in CR LF";
  if (x->head.bytes > x->server->options.header_max) {
    http_reply_problem(&x->reply, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "request line and headers are too long");
  } else if (fault != NULL) {
    http_reply_problem(&x->reply, MHD_HTTP_BAD_REQUEST, fault);
  } else {
    return false;
  }
  x->reply.close = true;
  return true;
}

static struct str header_of(struct MHD_Connection *mhd, const char *name) {
  return str_of(MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name));
}

static bool takes_method(const struct http_route *route, struct str method) {
  if (route->methods == NULL) return true;
  struct str rest = str_of(route->methods);
  while (rest.len > 0) {
    if (str_equal(str_trim(str_cut(&rest, ',')), method)) return true;
  }
  return false;
}

static const struct http_route *find_route(const struct exchange *x) {
  const struct http_route *route = x->server->options.routes;
  while (route->path != NULL && !str_equal(x->request.path, str_of(route->path))) route++;
  return route->path != NULL ? route : NULL;
}

static bool refuse_route(struct exchange *x) {
  if (x->route == NULL) {
    http_reply_problem(&x->reply, MHD_HTTP_NOT_FOUND, "nothing is here; the API is at /, usage goes to /v1/events");
    return true;
  }
  if (takes_method(x->route, x->request.method)) return false;
  http_reply_problem(&x->reply, MHD_HTTP_METHOD_NOT_ALLOWED, "this path takes other methods: see Allow");
  http_reply_header(&x->reply, "Allow", x->route->methods);
  return true;
}

static void refuse_length(struct exchange *x) {
  if (x->route->too_large != NULL) x->route->too_large(x->route->arg, &x->request, &x->reply);
  else http_reply_problem(&x->reply, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
  x->refused = true;
}

static void refuse_unavailable(struct exchange *x, const char *why) {
  x->request.unavailable = why;
  enum http_result result = x->route->handle(x->route->arg, &x->request, &x->reply);
  CHECK(result == HTTP_ANSWERED);
  x->refused = true;
}

static bool refuse_admission(struct exchange *x) {
  return x->route->admit != NULL && !x->route->admit(x->route->arg, &x->request, &x->reply);
}

/* What the head alone decides. */
static void judge(struct exchange *x, const char *version) {
  x->route = find_route(x);
  x->refused = refuse_head(x, version) || refuse_route(x);
  if (x->refused) return;
  if (atomic_load(&x->server->draining)) refuse_unavailable(x, "draining");
  else if (refuse_admission(x)) x->refused = true;
  else if (x->head.length > x->route->body_max) refuse_length(x);
}

static void begin(struct exchange *x, const char *method, const char *version) {
  struct http_request *request = &x->request;
  request->method = str_of(method);
  request->content_type = header_of(x->mhd, MHD_HTTP_HEADER_CONTENT_TYPE);
  request->content_encoding = header_of(x->mhd, MHD_HTTP_HEADER_CONTENT_ENCODING);
  request->authorization = header_of(x->mhd, MHD_HTTP_HEADER_AUTHORIZATION);
  request->accept = header_of(x->mhd, MHD_HTTP_HEADER_ACCEPT);
  request->body = STR("");
  x->begun = true;
  unlist_head(x);
  judge(x, version);
}

/* How much of a body is read though it is refused. */
static uint64_t drop_max(const struct exchange *x) {
  return (x->route != NULL ? x->route->body_max : 0) + x->server->options.drain_max;
}

/* A refusal that does not wait for the body. */
static bool is_answered_at_once(const struct exchange *x) {
  return x->refused && (x->reply.close || x->head.expects_continue || x->head.length > drop_max(x));
}

/* ---- bodies ---- */

static bool count_bytes(struct http_server *server, uint64_t *counter, size_t len) {
  bool fits = atomic_fetch_add(&server->bodies_used, len) + len <= server->options.bodies_max;
  if (fits) *counter += len;
  else atomic_fetch_sub(&server->bodies_used, len);
  return fits;
}

bool http_hold(struct http_request *request, size_t bytes) {
  struct exchange *x = (struct exchange *)(void *)request;
  return count_bytes(x->server, &x->held, bytes);
}

bool http_claim(struct http_request *request, size_t bytes) {
  struct exchange *x = (struct exchange *)(void *)request;
  struct http_server *server = x->server;
  uint64_t more = bytes > x->claimed ? bytes - x->claimed : 0, less = bytes < x->claimed ? x->claimed - bytes : 0;
  atomic_fetch_sub(&server->answers_used, less);
  if (more > 0 && atomic_fetch_add(&server->answers_used, more) + more > server->options.answers_max) {
    atomic_fetch_sub(&server->answers_used, more);
    return false;
  }
  x->claimed = bytes;
  return true;
}

struct header_visit {
  void (*visit)(void *arg, struct str name, struct str value);
  void *arg;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                    const char *value, size_t value_len) {
  (void)kind;
  const struct header_visit *visit = cls;
  visit->visit(visit->arg, str_make(name, name_len), str_make(value, value_len));
  return MHD_YES;
}

void http_each_header(const struct http_request *request, void (*visit)(void *arg, struct str name, struct str value),
                      void *arg) {
  const struct exchange *x = (const struct exchange *)(const void *)request;
  struct header_visit each = {.visit = visit, .arg = arg};
  (void)MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, visit_header, &each);
}

static enum MHD_Result cut_off(struct exchange *x);

/* Takes a piece of the body, or drops it. MHD_NO closes the connection. */
static enum MHD_Result receive(struct exchange *x, const char *data, size_t len) {
  x->received += len;
  if (!x->refused && x->received > x->route->body_max) refuse_length(x);
  if (!x->refused && !count_bytes(x->server, &x->counted, len)) refuse_unavailable(x, HTTP_NO_ROOM);
  if (x->refused) {
    drop_body(x);
    return x->received <= drop_max(x) ? MHD_YES : cut_off(x);
  }
  buf_append(&x->body, data, len);
  return x->body.failed ? MHD_NO : MHD_YES;
}

/* The body as a handler reads it: with room behind it for those who read ahead. */
static bool finish_body(struct exchange *x) {
  if (x->body.len == 0) {
    x->request.body = STR("");
    return true;
  }
  size_t len = x->body.len;
  char *padding = buf_extend(&x->body, JSON_PADDING);
  if (padding == NULL) return false;
  memset(padding, 0, JSON_PADDING);
  x->request.body = str_make(x->body.ptr, len);
  return true;
}

/* ---- replies ---- */

/* Path and method as far as they are known: a client that loses its '?' has its private key in the path. */
static const char *known_path(const struct exchange *x) { return x->route != NULL ? x->route->path : "-"; }

static const char *known_method(const struct exchange *x) {
  static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    if (str_equal(x->request.method, str_of(methods[i]))) return methods[i];
  }
  return "-";
}

static void log_access(const struct exchange *x) {
  if (!x->server->options.access_log) return;
  diag_info("access %s %s %s status=%u code=%d action=%s who=%s bytes=%zu ms=%lld id=%s", x->request.peer,
            known_method(x), known_path(x), x->reply.status, x->request.code, x->request.what, x->request.who,
            x->reply.body.len, (long long)(now_ms() - x->started_ms), x->request.id);
}

static void add_headers(const struct exchange *x, struct MHD_Response *response) {
  if (x->reply.status != MHD_HTTP_NO_CONTENT) {
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, x->reply.content_type);
  }
  (void)MHD_add_response_header(response, "X-UCLOUD-REQUEST-UUID", x->request.id);
  for (int i = 0; i < HTTP_HEADERS_MAX && x->reply.headers[i].name != NULL; i++) {
    (void)MHD_add_response_header(response, x->reply.headers[i].name, x->reply.headers[i].value);
  }
  if (x->reply.close) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Gives back what the answer did not take of its claim, and of its buffer. A long answer that nobody claimed is here
 * already, so it counts beyond the bound. */
static void settle_claim(struct exchange *x) {
  struct buf *body = &x->reply.body;
  if (body->cap > HTTP_SHORT && body->cap - body->len > body->cap / 4) buf_shrink(body);
  if (x->claimed > body->cap) {
    bool settled = http_claim(&x->request, body->cap);
    CHECK(settled);
  } else if (body->cap > HTTP_SHORT) {
    atomic_fetch_add(&x->server->answers_used, body->cap - x->claimed);
    x->claimed = body->cap;
  }
}

static enum MHD_Result queue_reply(struct exchange *x) {
  x->state = REPLYING;
  if (x->reply.body.failed) return MHD_NO;
  log_access(x);
  settle_claim(x);
  size_t len = x->reply.body.len;
  struct MHD_Response *response = MHD_create_response_from_buffer(len, x->reply.body.ptr, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) return MHD_NO;
  x->reply.body = (struct buf){0}; /* the library's now */
  add_headers(x, response);
  int64_t pieces = (int64_t)(len / REPLY_PIECE) + 1;
  set_replying(x->connection, now_ms(), x->server->options.request_timeout_ms + pieces * REPLY_PIECE_MS);
  enum MHD_Result result = MHD_queue_response(x->mhd, x->reply.status, response);
  MHD_destroy_response(response);
  return result;
}

static enum http_result answer(struct exchange *x) {
  if (x->refused) return HTTP_ANSWERED;
  set_busy(x->connection);
  if (!finish_body(x)) x->request.unavailable = "busy: no memory";
  enum http_result result = x->route->handle(x->route->arg, &x->request, &x->reply);
  x->request.body = STR("");
  drop_body(x);
  return result;
}

/* Answers in the middle of a body, where the library takes no reply: with a last write of our own. It is dropped when
 * the socket does not take it at once. Not over TLS, whose session is the library's. */
static enum MHD_Result cut_off(struct exchange *x) {
  SCOPED(buf_fini) struct buf text = {0};
  log_access(x);
  if (x->server->options.tls_cert != NULL) return MHD_NO;
  buf_printf(&text, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
             x->reply.status, MHD_get_reason_phrase_for(x->reply.status), x->reply.content_type, x->reply.body.len);
  buf_printf(&text, "X-UCLOUD-REQUEST-UUID: %s\r\n", x->request.id);
  for (int i = 0; i < HTTP_HEADERS_MAX && x->reply.headers[i].name != NULL; i++) {
    buf_printf(&text, "%s: %s\r\n", x->reply.headers[i].name, x->reply.headers[i].value);
  }
  buf_text(&text, "\r\n");
  buf_str(&text, buf_view(&x->reply.body));
  if (!text.failed) (void)send(x->connection->fd, text.ptr, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
  return MHD_NO;
}

/* The library calls this first with the head, then with each piece of the body, then once more; and again after a
 * connection was resumed. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *data_size, void **context) {
  (void)cls;
  (void)mhd;
  (void)url;
  struct exchange *x = *context;
  if (x == NULL) return MHD_NO;
  if (!x->begun) {
    begin(x, method, version);
    return is_answered_at_once(x) ? queue_reply(x) : MHD_YES;
  }
  if (*data_size > 0) {
    enum MHD_Result result = receive(x, data, *data_size);
    *data_size = 0;
    return result;
  }
  if (x->state == RECEIVING && answer(x) == HTTP_WAITING && suspend(x)) return MHD_YES;
  return queue_reply(x);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code) {
  (void)mhd;
  (void)code;
  struct http_server *server = cls;
  struct exchange *x = *context;
  if (x == NULL) return;
  struct connection *connection = x->connection;
  end_exchange(connection);
  *context = NULL;
  /* The next request of the connection may idle for a while, and then has its own time to arrive. */
  set_idle(connection, now_ms() + server->options.idle_timeout_ms + server->options.request_timeout_ms);
}

/* ---- what the library logs ---- */

/* The library reads a Content-Length if there is no Transfer-Encoding, and takes what str_to_u64 takes. It does so
 * when the head is complete, and only then it knows the head's size. Others on the list still receive theirs. */
static bool has_unreadable_length(const struct exchange *x) {
  if (MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) == NULL) return false;
  const char *length = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  const char *encoding = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  uint64_t value;
  return length != NULL && encoding == NULL && !str_to_u64(str_of(length), &value);
}

/* The library is about to answer a Content-Length twice. Answers once, and keeps the library from sending. */
static void answer_unreadable_length(struct http_server *server) {
  struct heads *heads = own_heads(server);
  struct exchange *x = heads != NULL ? heads->first : NULL;
  while (x != NULL && !has_unreadable_length(x))
    x = x->next_head;
  if (x == NULL) return;
  unlist_head(x);
  http_reply_problem(&x->reply, MHD_HTTP_BAD_REQUEST, HEAD_BAD_LENGTH);
  (void)cut_off(x);
  (void)shutdown(x->connection->fd, SHUT_WR);
}

static void log_library(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void log_library(void *cls, const char *format, va_list args) {
  char text[512];
  if (strstr(format, MHD_HTTP_HEADER_CONTENT_LENGTH) != NULL) answer_unreadable_length(cls);
  (void)vsnprintf(text, sizeof text, format, args);
  diag_debug("http: %s", text);
}

/* ---- starting and stopping ---- */

/* We look at what was sent ourselves. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text) {
  (void)cls;
  (void)mhd;
  return strlen(text);
}

/* Reads to the end: a secret may come through a pipe. In one piece of memory, so that no copy of it stays behind. */
static int read_pem(const char *path, char **ret, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return err_set_errno(err, ERR_USAGE, errno, "cannot open %s", path);
  SCOPED_MALLOC char *text = calloc(1, PEM_MAX + 1);
  if (text == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s", path);
  size_t len = 0;
  while (len <= PEM_MAX) {
    ssize_t got = read(fd, text + len, PEM_MAX + 1 - len);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_set_errno(err, ERR_USAGE, errno, "cannot read %s", path);
    if (got == 0) break;
    len += (size_t)got;
  }
  if (len > PEM_MAX) {
    return err_set(err, ERR_USAGE, "%s is longer than %u bytes: no certificate or key is", path, PEM_MAX);
  }
  *ret = MOVE(text);
  return 0;
}

static unsigned threads_of(const struct http_options *options) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned threads = options->threads > 0 ? options->threads : (cores > 0 ? (unsigned)cores : 1);
  return threads < options->connections_max ? threads : options->connections_max;
}

static struct MHD_Daemon *start_daemon(struct http_server *server, const char *cert, const char *key) {
  const struct http_options *options = &server->options;
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                   (server->address.is_ipv6 ? MHD_USE_IPv6 : 0u) | (cert != NULL ? MHD_USE_TLS : 0u);
  unsigned threads = threads_of(options);
  struct MHD_OptionItem items[] = {
      {MHD_OPTION_LISTEN_SOCKET, server->address.fd, NULL},
      {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
      {MHD_OPTION_CONNECTION_LIMIT, options->connections_max, NULL},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_MEMORY, NULL},
      {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((options->idle_timeout_ms + 999) / 1000), NULL},
      {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, server},
      {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, server},
      {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_uri, server},
      {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
      {cert != NULL ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)cert},
      {cert != NULL ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0, (void *)(uintptr_t)key},
      {cert != NULL ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0, (void *)(uintptr_t)TLS_PRIORITIES},
      {MHD_OPTION_END, 0, NULL},
  };
  return MHD_start_daemon(flags, 0, takes_connection, server, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, server,
                          MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static int start_crowd(struct http_server *server, struct err *err) {
  struct crowd_options options = {.members_max = server->options.connections_max,
                                  .address_max = server->options.connections_per_address};
  int result = crowd_exempt_read(str_of(server->options.proxies), &options.exempt, err);
  if (result != 0) return err_prefix(err, "http.proxies");
  server->crowd = crowd_new(&options);
  return 0;
}

static int start(struct http_server *server, struct err *err) {
  const struct http_options *options = &server->options;
  SCOPED_MALLOC char *cert = NULL;
  SCOPED_MALLOC char *key = NULL;
  bool tls = options->tls_cert != NULL;
  if (tls != (options->tls_key != NULL)) return err_set(err, ERR_USAGE, "give both --tls-cert and --tls-key");
  int result = start_crowd(server, err);
  if (result == 0 && tls) result = read_pem(options->tls_cert, &cert, err);
  if (result == 0 && tls) result = read_pem(options->tls_key, &key, err);
  if (result == 0) result = listen_open(options->listen, &server->address, err);
  if (result != 0) return result;
  (void)snprintf(server->url, sizeof server->url, "%s://%s", tls ? "https" : "http", server->address.text);
  server->daemon = start_daemon(server, cert, key);
  if (key != NULL) bytes_wipe(key, strlen(key));
  if (server->daemon == NULL && tls) {
    return err_set(err, ERR_USAGE, "cannot serve TLS: are %s and %s a certificate and its key in PEM?",
                   options->tls_cert, options->tls_key);
  }
  if (server->daemon == NULL) return err_set(err, ERR_INTERNAL, "cannot start the HTTP server");
  int code = pthread_create(&server->sweeper, NULL, sweeper_main, server);
  return code == 0 ? 0 : err_set_errno(err, ERR_INTERNAL, code, "cannot start a thread");
}

int http_server_start(const struct http_options *options, struct http_server **ret, struct err *err) {
  struct http_server *server = calloc(1, sizeof *server);
  CHECK(server != NULL && options->header_max <= POOL_MEMORY);
  server->options = *options;
  server->address.fd = -1;
  CHECK(pthread_mutex_init(&server->lock, NULL) == 0);
  wait_init(&server->wake);
  int result = start(server, err);
  if (result != 0) {
    if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
    else if (server->address.fd >= 0) (void)close(server->address.fd);
    crowd_free(server->crowd);
    free_heads(server);
    free(server);
    return result;
  }
  *ret = server;
  return 0;
}

const char *http_server_url(const struct http_server *server) { return server->url; }
bool http_server_is_public(const struct http_server *server) { return !server->address.is_loopback; }

bool http_server_has_moved(struct http_server *server, uint64_t *seen) {
  (void)pthread_mutex_lock(&server->lock);
  bool has_moved = server->sweeps != *seen;
  *seen = server->sweeps;
  (void)pthread_mutex_unlock(&server->lock);
  return has_moved;
}

void http_server_quiesce(struct http_server *server) {
  atomic_store(&server->draining, true);
}

/* Waits for the exchanges under way to be sent, for a bounded time. */
static void wait_for_replies(struct http_server *server) {
  int64_t until_ms = now_ms() + DRAIN_WAIT_MS;
  (void)pthread_mutex_lock(&server->lock);
  while (server->exchanges > 0 && now_ms() < until_ms) {
    bool hurries = server->options.hurries != NULL && server->options.hurries();
    if (hurries) break;
    (void)pthread_mutex_unlock(&server->lock);
    (void)usleep(2000);
    (void)pthread_mutex_lock(&server->lock);
  }
  if (server->exchanges > 0) diag_warning("%u requests were cut off at the end", server->exchanges);
  (void)pthread_mutex_unlock(&server->lock);
}

void http_server_stop(struct http_server *server) {
  wait_for_replies(server);
  (void)pthread_mutex_lock(&server->lock);
  CHECK(server->waiting == NULL); /* whoever made them wait has answered all */
  server->stopping = true;
  (void)pthread_cond_broadcast(&server->wake);
  (void)pthread_mutex_unlock(&server->lock);
  (void)pthread_join(server->sweeper, NULL);
  MHD_stop_daemon(server->daemon);
  crowd_free(server->crowd);
  free_heads(server);
  (void)pthread_mutex_destroy(&server->lock);
  (void)pthread_cond_destroy(&server->wake);
  free(server);
}
