/* libmicrohttpd, behind our bounds and deadlines. No other file includes the library's header.
 *
 * The life of a request. It stays on one thread of the pool, apart from http_resume, the sweeper and query threads:
 *
 *   on_uri ──> RECEIVING ──body──> handle ──HTTP_ANSWERED──────────────────────> REPLYING ──> on_completed
 *               │                    │                                            ^  ^ │
 *               │                    ├─HTTP_WAITING──> WAITING ──http_resume──> READY │ │next piece of a stream
 *               │                    │                    └──sweeper: deadline────^  │ v
 *               │                    └─HTTP_LATER, or the route's cost──> QUERYING ──┘ QUERYING
 *               └─refuse.h: by its head, or by its length; the body is dropped ──────┘
 *
 * QUERYING becomes READY first, as WAITING does. EXCHANGE_MOVES (exchange.h) is the table of these moves, which
 * exchange_move checks.
 *
 * WAITING (waiting.h) and QUERYING (query.h) are suspended connections: the library neither reads from them nor times
 * them out. Deadlines are sweeper.h's, and room is connections.h's, because the library has only an idle timeout and a
 * limit.
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
#include "http/http_mhd.h"

#include <arpa/inet.h>
#include <glib.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/lock.h"
#include "http/access_log.h"
#include "http/arriving.h"
#include "http/connections.h"
#include "http/query.h"
#include "http/refuse.h"
#include "http/waiting.h"

/* RFC 8996 withdraws the older versions. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- connections ---- */

void http_mhd_suspend(struct exchange *x) { MHD_suspend_connection(x->mhd); }
void http_mhd_resume(struct exchange *x) { MHD_resume_connection(x->mhd); }

/* MHD_quiesce_daemon (0.9.75) sometimes aborts: the library's threads and its caller both remove the listening socket
 * from the same epoll set. So a stopping server still accepts connections, and closes them at once. */
static enum MHD_Result takes_connection(void *cls, const struct sockaddr *address, socklen_t len) {
  (void)len;
  struct http_server *server = cls;
  if (atomic_load(&server->draining)) {
    metrics_add(METRIC_HTTP_CLOSED, METRIC_CLOSED_STOP, 1);
    return MHD_NO;
  }
  lock_take(&server->lock);
  bool admits = crowd_admits(server->crowd, address);
  lock_give(&server->lock);
  if (!admits) metrics_add(METRIC_HTTP_CLOSED, METRIC_CLOSED_ADDRESS, 1);
  return admits ? MHD_YES : MHD_NO;
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
    connection->deadline_ms = exchange_now_ms() + server->options.request_timeout_ms;
    lock_take(&server->lock);
    connections_add(connection, address_of(mhd));
    lock_give(&server->lock);
    *context = connection;
    return;
  }
  struct connection *connection = *context;
  if (connection == NULL) return;
  exchange_end(connection);
  lock_take(&server->lock);
  connections_remove(connection);
  lock_give(&server->lock);
  free(connection);
  *context = NULL;
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
  struct heads *heads = arriving_own(server);
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
  x->started_us = counters_now_us();
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
  arriving_add(heads, x);
  lock_take(&server->lock);
  server->exchanges++;
  lock_give(&server->lock);
  return x;
}

/* ---- heads ---- */

/* The version begins behind the target's end, unless a NUL in the target hides the rest of it from us. */
static bool has_nul(const struct exchange *x, const char *version) {
  uintptr_t hidden = (uintptr_t)version - (uintptr_t)x->uri_end - 1;
  return hidden != 0 && hidden < HTTP_MHD_MEMORY;
}

static struct str header_of(struct MHD_Connection *mhd, const char *name) {
  return str_of(MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name));
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
  x->is_http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
  arriving_remove(x);
  refuse_by_head(x, has_nul(x, version));
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
  if (!x->refused && !exchange_count(x->server, &x->counted, len)) refuse_unavailable(x, METRIC_REFUSED_BODIES, HTTP_NO_ROOM);
  if (x->refused) {
    exchange_drop_body(x);
    return x->received <= drop_max(x) ? MHD_YES : cut_off(x);
  }
  buf_append(&x->body, data, len);
  return x->body.failed ? MHD_NO : MHD_YES;
}

/* ---- replies ---- */

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

static enum MHD_Result queue_response(struct exchange *x, struct MHD_Response *response) {
  if (response == NULL) return MHD_NO;
  add_headers(x, response);
  enum MHD_Result result = MHD_queue_response(x->mhd, x->reply.status, response);
  MHD_destroy_response(response);
  return result;
}

static ssize_t read_stream(void *cls, uint64_t position, char *out, size_t max) {
  (void)position;
  ssize_t got = query_read(cls, out, max);
  if (got == QUERY_READ_END) return MHD_CONTENT_READER_END_OF_STREAM;
  if (got == QUERY_READ_FAILED) return MHD_CONTENT_READER_END_WITH_ERROR;
  return got;
}

/* The library chunks it. Its own buffer is not used then. */
static enum MHD_Result queue_stream(struct exchange *x) {
  query_set_deadline(x);
  return queue_response(x, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, read_stream, x, NULL));
}

/* Sends the head alone. Its Content-Length is that of the answer to GET (RFC 9110, 8.6). If the length is not known, the
 * connection is closed after the head: the library would otherwise send the final chunk of an answer with chunks. */
static enum MHD_Result queue_head(struct exchange *x) {
  uint64_t size = x->reply.length > 0 ? x->reply.length : MHD_SIZE_UNKNOWN;
  struct MHD_Response *response = MHD_create_response_from_callback(size, 1, read_stream, x, NULL);
  if (response != NULL && size == MHD_SIZE_UNKNOWN)
    (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
  return queue_response(x, response);
}

static enum MHD_Result queue_body(struct exchange *x) {
  exchange_settle(x);
  size_t len = x->reply.body.len;
  struct MHD_Response *response = MHD_create_response_from_buffer(len, x->reply.body.ptr, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) return MHD_NO;
  x->reply.body = (struct buf){0}; /* the library owns it now */
  int64_t pieces = (int64_t)(len / EXCHANGE_PACE) + 1;
  connections_set_replying(x->connection, exchange_now_ms(),
                           x->server->options.request_timeout_ms + pieces * EXCHANGE_PACE_MS);
  return queue_response(x, response);
}

static enum MHD_Result queue_reply(struct exchange *x) {
  if (x->query.begun) return queue_stream(x); /* exchange_end logs it */
  if (x->reply.fill != NULL) x->reply.fill(&x->request);
  exchange_move(x, REPLYING);
  if (x->reply.body.failed) return MHD_NO;
  access_log(x);
  if (x->query.gone) return MHD_NO;
  bool is_unmodified = x->reply.status == MHD_HTTP_NOT_MODIFIED && x->reply.body.len == 0;
  return x->query.head_only || is_unmodified ? queue_head(x) : queue_body(x);
}

/* HTTP_LATER: the request goes to a query thread. */
static enum http_result answer(struct exchange *x) {
  if (x->refused) return HTTP_ANSWERED;
  connections_set_busy(x->connection);
  if (x->route->cost == HTTP_QUERY) return HTTP_LATER;
  if (!exchange_finish_body(x)) {
    x->request.unavailable = "the server has no memory now: send this again later";
    x->request.unavailable_for = METRIC_REFUSED_MEMORY;
  }
  enum http_result result = x->route->handle(x->route->arg, &x->request, &x->reply);
  CHECK(x->reply.stream.next == NULL && (result != HTTP_LATER || x->request.unavailable == NULL));
  if (result == HTTP_LATER) return HTTP_LATER;
  x->request.body = STR("");
  exchange_drop_body(x);
  return result;
}

/* Answers in the middle of a body, where the library accepts no reply: we write to the socket ourselves, and then the
 * connection is closed. If the socket does not take the answer at once, it is lost. Over TLS there is no answer,
 * because the library owns the session. */
static enum MHD_Result cut_off(struct exchange *x) {
  SCOPED(buf_fini) struct buf text = {0};
  access_log(x);
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
  enum http_result result = x->state == RECEIVING ? answer(x) : HTTP_ANSWERED;
  if (result == HTTP_LATER) query_begin(x);
  if (result == HTTP_LATER || (result == HTTP_WAITING && waiting_begin(x))) return MHD_YES;
  return queue_reply(x);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code) {
  (void)mhd;
  struct http_server *server = cls;
  struct exchange *x = *context;
  if (x == NULL) return;
  x->completed = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
  struct connection *connection = x->connection;
  exchange_end(connection);
  *context = NULL;
  /* The connection may idle before its next request, and that request then has its own time to arrive. */
  connections_set_idle(connection,
                       exchange_now_ms() + server->options.idle_timeout_ms + server->options.request_timeout_ms);
}

/* ---- log messages of the library ---- */

/* The library reads Content-Length only without a Transfer-Encoding, and accepts the same numbers as str_to_u64. It
 * does so when the head is complete. Only then it knows the head's size; the heads of other connections still arrive. */
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
  struct heads *heads = arriving_own(server);
  struct exchange *x = heads != NULL ? heads->first : NULL;
  while (x != NULL && !has_unreadable_length(x))
    x = x->next_head;
  if (x == NULL) return;
  arriving_remove(x);
  http_reply_problem(&x->reply, MHD_HTTP_BAD_REQUEST, HEAD_BAD_LENGTH);
  (void)cut_off(x);
  (void)shutdown(x->connection->fd, SHUT_WR);
}

/* The library reports what single clients do, with their texts. None of that is logged. */
static void on_library_message(void *cls, const char *format, va_list args) {
  (void)args;
  if (strstr(format, MHD_HTTP_HEADER_CONTENT_LENGTH) != NULL) answer_unreadable_length(cls);
}

/* ---- starting and stopping ---- */

/* The library must not decode anything: we read the text as sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text) {
  (void)cls;
  (void)mhd;
  return strlen(text);
}

static unsigned threads_of(const struct http_options *options) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned threads = options->threads > 0 ? options->threads : (cores > 0 ? (unsigned)cores : 1);
  return threads < options->connections_max ? threads : options->connections_max;
}

struct MHD_Daemon *http_mhd_start(struct http_server *server, const char *cert, const char *key) {
  const struct http_options *options = &server->options;
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                   (server->address.is_ipv6 ? MHD_USE_IPv6 : 0u) | (cert != NULL ? MHD_USE_TLS : 0u);
  unsigned threads = threads_of(options);
  struct MHD_OptionItem items[] = {
      {MHD_OPTION_LISTEN_SOCKET, server->address.fd, NULL},
      {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
      {MHD_OPTION_CONNECTION_LIMIT, options->connections_max, NULL},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_MHD_MEMORY, NULL},
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
  return MHD_start_daemon(flags, 0, takes_connection, server, on_request, server, MHD_OPTION_EXTERNAL_LOGGER,
                          on_library_message, server, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

void http_mhd_stop(struct http_server *server) { MHD_stop_daemon(server->daemon); }
