/* libmicrohttpd, behind our bounds and deadlines. No other file includes the library's header.
 *
 * The life of a request. It stays on one thread of the pool, apart from http_resume and the sweeper:
 *
 *   on_uri ──> RECEIVING ──body──> handle ──HTTP_ANSWERED──────────────────────> REPLYING ──> on_completed
 *               │                    │                                             ^    ^
 *               │                    └─HTTP_WAITING──> WAITING ──http_resume──> READY   │
 *               │                                        └──sweeper: deadline────────┘  │
 *               └─judge: refused by its head, or by its length; the body is dropped ────┘
 *
 * WAITING is a suspended connection: the library neither reads from it nor times it out. http_resume may be called
 * before the handler returns; then nothing is suspended. The resumer and the sweeper both may move WAITING to READY.
 * The server's lock decides which of them does, and only that one resumes the connection.
 *
 * Room. The library refuses every connection beyond http.connections_max. So before that limit is reached, idle
 * or slow connections of the address that has most of them are closed (crowd.h), in the same way as connections past
 * their deadline.
 *
 * Deadlines. The library has only an idle timeout, and a client that sends one byte a second never reaches it. So
 * each connection has a deadline, and a sweeper shuts its socket down when that passes. The library calls
 * on_connection before it closes a socket, and both on_connection and the sweeper take the server's lock. So the
 * sweeper never shuts down a descriptor that already belongs to another connection.
 *
 * The library may give up a request without calling on_completed (when its own answer to a malformed head finds no
 * room). So an exchange belongs to its connection, and ends with it at the latest.
 *
 * The library (0.9.75) answers an unreadable Content-Length twice, because it builds its error response again. A
 * proxy would take the second response for the answer to another request. There is no callback between the two, but
 * the library logs the fault first. So the log callback sends one answer and ends the connection's sending side; the
 * library then fails to send its own.
 *
 * A reply that is queued in the library's first callback of a request closes the connection, and the library accepts
 * no reply while a body arrives. So a refused body is read and dropped, and the reply is queued after it. Three kinds
 * are answered in the first callback, and their connection is closed: requests whose framing cannot be trusted,
 * bodies that are too long to be read and dropped, and clients that wait before they send a body (Expect:
 * 100-continue). A chunked body that turns out to be that long is cut off with a reply that we write ourselves.
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
#define POOL_MEMORY (32u << 10) /* for each connection; header_max must fit. Above 128 KiB, most speed is lost */
#define PEM_MAX (1u << 20)
/* RFC 8996 withdraws the older versions. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define DRAIN_WAIT_MS 10000 /* for replies that are not sent yet when the server stops */
#define FOREVER INT64_MAX
/* A reply must move 64 KiB in 15 s. */
#define REPLY_PIECE (64u << 10)
#define REPLY_PIECE_MS 15000
/* How often the sweeper looks at how fast the client receives a reply. A reply below that pace is slow. */
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
  int64_t judge_ms;          /* when the sweeper next looks at how fast the client receives the reply */
  uint64_t received;         /* bytes that the client had received at the last look */
  struct exchange *exchange; /* the current request, owned; NULL between two requests */
  struct connection *previous, *next;
};

/* A request and its reply. */
struct exchange {
  struct http_request request; /* first, because http_resume gets its address */
  struct http_reply reply;
  struct http_server *server;
  struct connection *connection;
  struct MHD_Connection *mhd;
  const struct http_route *route;
  char *uri;
  const char *uri_end; /* points into the library's memory: compare it, never read from it */
  struct buf body;
  struct head head;
  uint64_t received; /* bytes of the body, dropped ones included */
  uint64_t counted;  /* its part of bodies_used for the body */
  uint64_t held;     /* its part of bodies_used for what the endpoint keeps */
  uint64_t claimed;  /* its part of answers_used */
  enum exchange_state state;
  bool begun;         /* the library's first callback has happened */
  bool refused;       /* the reply is ready; the body is dropped */
  bool resumed_early; /* http_resume was called before the handler returned */
  int64_t started_ms, wait_deadline_ms;
  struct exchange *previous, *next; /* in the list of waiting exchanges */
  struct heads *heads;              /* its list; NULL: its head has been received */
  struct exchange *previous_head, *next_head;
};
_Static_assert(offsetof(struct exchange, request) == 0, "http_resume finds the exchange from its request");

struct http_server {
  struct http_options options;
  struct listen_address address;
  char url[80];
  struct MHD_Daemon *daemon;
  pthread_mutex_t lock;
  pthread_cond_t wake; /* wakes the sweeper to stop */
  struct connection *connections;
  struct crowd *crowd; /* of the connections; under the lock */
  unsigned lost;       /* connections that were closed to make room, since the last log line about that */
  struct exchange *waiting;
  struct heads *heads; /* one for each of the library's threads */
  unsigned exchanges;  /* that have not ended */
  uint64_t sweeps;
  bool stopping;
  pthread_t sweeper;
  atomic_bool draining;
  atomic_uint_fast64_t bodies_used, answers_used;
};

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

/* The request has arrived: until it is answered, its connection is not closed to make room. */
static void set_busy(struct connection *connection) {
  (void)pthread_mutex_lock(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  (void)pthread_mutex_unlock(&connection->server->lock);
}

/* The library begins to send the reply. */
static void set_replying(struct connection *connection, int64_t now, int64_t time_ms) {
  (void)pthread_mutex_lock(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  connection->is_replying = true;
  connection->judge_ms = now + JUDGE_MS;
  connection->deadline_ms = now + time_ms;
  (void)pthread_mutex_unlock(&connection->server->lock);
}

/* The connection waits for its next request. */
static void set_idle(struct connection *connection, int64_t deadline_ms) {
  (void)pthread_mutex_lock(&connection->server->lock);
  crowd_idle(connection->server->crowd, &connection->member);
  connection->is_replying = false;
  connection->deadline_ms = deadline_ms;
  (void)pthread_mutex_unlock(&connection->server->lock);
}

/* ---- heads that are being received ---- */

/* This thread's list. NULL if there is no memory. */
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

/* MHD_quiesce_daemon (0.9.75) sometimes aborts: the library's threads and its caller both remove the listening socket
 * from the same epoll set. So a stopping server still accepts connections, and closes them at once. */
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
    if (connection == NULL) return; /* on_uri refuses its requests */
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

/* ---- waiting exchanges ---- */

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

/* The handler returned HTTP_WAITING: suspends the connection, unless http_resume was called before. True if
 * suspended. */
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

/* With the lock held: takes the first exchange whose wait has expired out of the list, with its reply filled. NULL if
 * there is none. */
static struct exchange *expire_one(struct http_server *server, int64_t now) {
  for (struct exchange *x = server->waiting; x != NULL; x = x->next) {
    if (x->wait_deadline_ms > now || x->route->expired == NULL) continue;
    if (!x->route->expired(x->route->arg, &x->request, &x->reply)) continue; /* http_resume is about to be called */
    unlist_waiting(x);
    x->state = READY;
    return x;
  }
  return NULL;
}

/* With the lock held. A connection whose client receives the reply slowly is idle: it may be closed for room. */
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

/* Times of what the sweeper does once in a while, without the lock. */
struct rounds {
  int64_t give_back_ms, log_ms;
  uint64_t memory;
};

static void log_lost(struct http_server *server, unsigned lost) {
  diag_warning(
      "closed %u idle or slow connections, first those of the address with the most: nearly all of "
      "http.connections_max=%u were in use; raise it, or name your proxies in http.proxies",
      lost, server->options.connections_max);
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

/* A random UUID (RFC 9562, version 4). GLib's own takes memory for each, and ends the program when there is none. */
static void fill_id(char id[HTTP_ID_SIZE]) {
  uint32_t a = g_random_int(), b = g_random_int(), c = g_random_int(), d = g_random_int();
  b = (b & 0xFFFF0FFFu) | 0x4000u;
  c = (c & 0x3FFFFFFFu) | 0x80000000u;
  (void)snprintf(id, HTTP_ID_SIZE, "%08x-%04x-%04x-%04x-%04x%08x", a, b >> 16, b & 0xFFFFu, c >> 16, c & 0xFFFFu, d);
}

static void fill_peer(struct MHD_Connection *mhd, char *out, size_t size) {
  const struct sockaddr *address = address_of(mhd);
  const char *text = NULL;
  if (address != NULL && address->sa_family == AF_INET) {
    text = inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, out, (socklen_t)size);
  } else if (address != NULL && address->sa_family == AF_INET6) {
    text =
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, out, (socklen_t)size);
  }
  if (text == NULL) out[0] = '\0';
}

/* The library makes a record of each parameter of the query. Its pool has room for about 475 of them, and a request
 * with more gets no answer. We read the query ourselves, so it is cut off here in the library's buffer. */
static void hide_query(const char *uri) {
  char *question = strchr((char *)(uintptr_t)uri, '?');
  if (question != NULL && question[1] != '\0') question[1] = '\0';
}

/* The library calls this after the request line. uri is as sent. on_request gets the result as *context. */
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

/* The library appends a folded line to the name of the field before it, in a copy of that name behind the value. A
 * field without folded lines has its value behind its name, as sent. */
static bool is_folded(struct str name, struct str value) {
  return (uintptr_t)value.ptr <= (uintptr_t)name.ptr + name.len;
}

static enum MHD_Result scan_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                   const char *value, size_t value_len) {
  (void)kind;
  struct head *head = cls;
  struct str field = str_make(name, name_len), text = str_make(value, value_len);
  head_field(head, field, text);
  if (is_folded(field, text)) head->is_malformed = true;
  return MHD_YES;
}

/* The version begins behind the target's end, unless a NUL in the target hides the rest of it from us. */
static bool has_nul(const struct exchange *x, const char *version) {
  uintptr_t hidden = (uintptr_t)version - (uintptr_t)x->uri_end - 1;
  return hidden != 0 && hidden < POOL_MEMORY;
}

/* Refuses a head that is too long, or that another program may read in another way. True if it is refused. */
static bool refuse_head(struct exchange *x, const char *version) {
  x->head.bytes = strlen(x->uri) + x->request.method.len + sizeof "  HTTP/1.1\r\n" - 1;
  (void)MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, scan_header, &x->head);
  const char *fault = has_nul(x, version) ? "the request's target contains a NUL" : head_fault(&x->head);
  if (x->head.bytes > x->server->options.header_max) {
    http_reply_problem(&x->reply, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                       "request line and headers are longer than http.header_max");
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

static bool takes_path(const struct http_route *route, struct str path) {
  struct str own = str_of(route->path);
  bool is_beginning = own.len > 1 && own.ptr[own.len - 1] == '/';
  return is_beginning ? str_starts(path, own) : str_equal(path, own);
}

static const struct http_route *find_route(const struct exchange *x) {
  const struct http_route *route = x->server->options.routes;
  while (route->path != NULL && !takes_path(route, x->request.path)) route++;
  return route->path != NULL ? route : NULL;
}

static bool refuse_route(struct exchange *x) {
  if (x->route == NULL) {
    http_reply_problem(&x->reply, MHD_HTTP_NOT_FOUND, "no such path: the API is at /, usage goes to /v1/events");
    return true;
  }
  if (takes_method(x->route, x->request.method)) return false;
  http_reply_problem(&x->reply, MHD_HTTP_METHOD_NOT_ALLOWED,
                     "this path does not take the method: the header Allow lists those it takes");
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

/* Refuses what the head alone shows to be wrong. */
static void judge(struct exchange *x, const char *version) {
  x->route = find_route(x);
  x->refused = refuse_head(x, version) || refuse_route(x);
  if (x->refused) return;
  if (atomic_load(&x->server->draining))
    refuse_unavailable(x, "the server is stopping: send this again later");
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

/* How much of a refused body is read and dropped. */
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

/* Gives the handler the body, with JSON_PADDING zeros behind it for parsers that read ahead. False if there is no
 * memory. */
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

/* For the log: only known paths and methods. A client that forgets the '?' sends its private key in the path. */
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

/* Gives back the part of the claim, and of the buffer, that the answer did not use. A long answer without a claim is
 * in memory already, so it is counted even beyond the bound. */
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
  x->reply.body = (struct buf){0}; /* the library owns it now */
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
  if (!finish_body(x)) x->request.unavailable = "the server has no memory now: send this again later";
  enum http_result result = x->route->handle(x->route->arg, &x->request, &x->reply);
  x->request.body = STR("");
  drop_body(x);
  return result;
}

/* Answers in the middle of a body, where the library accepts no reply: we write to the socket ourselves, and then the
 * connection is closed. If the socket does not take the answer at once, it is lost. Over TLS there is no answer,
 * because the library owns the session. */
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

/* The library calls this first with the head, then with each piece of the body, then once without data, and again
 * after the connection was resumed. */
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
  /* The connection may idle before its next request, and that request then has its own time to arrive. */
  set_idle(connection, now_ms() + server->options.idle_timeout_ms + server->options.request_timeout_ms);
}

/* ---- log messages of the library ---- */

/* The library reads Content-Length only without a Transfer-Encoding, and accepts the same numbers as str_to_u64. It does
 * so when the head is complete. Only then it knows the head's size; the heads of other connections still arrive. */
static bool has_unreadable_length(const struct exchange *x) {
  if (MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) == NULL) return false;
  const char *length = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  const char *encoding = MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  uint64_t value;
  return length != NULL && encoding == NULL && !str_to_u64(str_of(length), &value);
}

/* The library is about to answer an unreadable Content-Length twice. Answers once, and stops the library from
 * sending. */
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

/* The library must not decode anything: we read the text as sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text) {
  (void)cls;
  (void)mhd;
  return strlen(text);
}

/* Reads to the end, because a secret may come through a pipe. The buffer never grows, so that no copy of the secret
 * is left in freed memory. */
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
    return err_set(err, ERR_USAGE, "%s is longer than %u bytes: it is no certificate or key", path, PEM_MAX);
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
  if (tls != (options->tls_key != NULL))
    return err_set(err, ERR_USAGE, "--tls-cert and --tls-key belong together: give both, or neither");
  int result = start_crowd(server, err);
  if (result == 0 && tls) result = read_pem(options->tls_cert, &cert, err);
  if (result == 0 && tls) result = read_pem(options->tls_key, &key, err);
  if (result == 0) result = listen_open(options->listen, &server->address, err);
  if (result != 0) return result;
  (void)snprintf(server->url, sizeof server->url, "%s://%s", tls ? "https" : "http", server->address.text);
  server->daemon = start_daemon(server, cert, key);
  if (key != NULL) bytes_wipe(key, strlen(key));
  if (server->daemon == NULL && tls) {
    return err_set(err, ERR_USAGE, "cannot serve TLS: check that %s and %s are a certificate and its key in PEM",
                   options->tls_cert, options->tls_key);
  }
  if (server->daemon == NULL) return err_set(err, ERR_INTERNAL, "cannot start the HTTP server");
  int code = pthread_create(&server->sweeper, NULL, sweeper_main, server);
  return code == 0 ? 0 : err_set_errno(err, ERR_INTERNAL, code, "cannot start the HTTP server's sweeper thread");
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

/* Waits until no request is left, for DRAIN_WAIT_MS at most. */
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
  if (server->exchanges > 0)
    diag_warning("stopping: replies that were not sent in time, and are cut off: %u", server->exchanges);
  (void)pthread_mutex_unlock(&server->lock);
}

void http_server_stop(struct http_server *server) {
  wait_for_replies(server);
  (void)pthread_mutex_lock(&server->lock);
  CHECK(server->waiting == NULL); /* the caller has resumed them all */
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
