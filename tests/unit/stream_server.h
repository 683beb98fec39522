/* A server of our own with real sockets, for test_http_stream.c: routes whose streams do as the query says.
 *
 *   /stream?size=&piece=     so many bytes, in pieces of so many; byte i is byte_at(i)
 *           &idle=N          N empty pieces before each piece
 *           &fail=AT         fails at that byte; with &status=N it fills the reply before
 *           &tail=1          the last piece is empty
 *           &hold=AT         waits at that byte until the test opens the gate
 *           &gate=AT         empty pieces at that byte until the test opens the gate
 *   /body                    a query without a stream: echoes the body
 *   /later?turns=N           quick, except that it asks for a query thread, and there for N more turns; echoes the body
 *   /quick                   quick: "quick"
 */
#ifndef CODECMETER_TESTS_STREAM_SERVER_H
#define CODECMETER_TESTS_STREAM_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/memory.h"
#include "http/server.h"
#include "http/waiter.h"

#define PATIENCE_MS 120000 /* only ends hangs */

static struct {
  atomic_uint made, freed, released, handled, in_next, in_next_most, pieces;
  pthread_mutex_t lock;
  pthread_cond_t moved;
  bool is_open; /* the gate */
  unsigned held;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static void pause_ms(unsigned ms) { (void)usleep(ms * 1000); }

static void wait_for_count(atomic_uint *count, unsigned least) {
  for (unsigned ms = 0; atomic_load(count) < least; ms++) {
    CHECK(ms < PATIENCE_MS);
    pause_ms(1);
  }
}

/* ---- streams ---- */

struct source {
  struct http_reply *reply;
  uint64_t at, size, piece, idle, fail, status, hold, gate, tail;
  unsigned idled;
  atomic_bool in_next, freed;
};

static unsigned char byte_at(uint64_t i) { return (unsigned char)((i * 0x9E3779B97F4A7C15u) >> 56); }

static uint64_t number(struct str query, const char *name, uint64_t otherwise) {
  while (query.len > 0) {
    struct str value = str_cut(&query, '&'), key = str_cut(&value, '=');
    uint64_t result;
    if (str_equal(key, str_of(name)) && str_to_u64(value, &result)) return result;
  }
  return otherwise;
}

static void wait_at_gate(void) {
  (void)pthread_mutex_lock(&seen.lock);
  seen.held++;
  (void)pthread_cond_broadcast(&seen.moved);
  while (!seen.is_open)
    (void)pthread_cond_wait(&seen.moved, &seen.lock);
  seen.held--;
  (void)pthread_mutex_unlock(&seen.lock);
}

static void set_gate(bool is_open) {
  (void)pthread_mutex_lock(&seen.lock);
  seen.is_open = is_open;
  (void)pthread_cond_broadcast(&seen.moved);
  (void)pthread_mutex_unlock(&seen.lock);
}

static inline void wait_for_held(unsigned count) {
  (void)pthread_mutex_lock(&seen.lock);
  while (seen.held < count)
    (void)pthread_cond_wait(&seen.moved, &seen.lock);
  (void)pthread_mutex_unlock(&seen.lock);
}

static bool is_gate_open(void) {
  (void)pthread_mutex_lock(&seen.lock);
  bool is_open = seen.is_open;
  (void)pthread_mutex_unlock(&seen.lock);
  return is_open;
}

static enum http_piece make(struct source *source, struct buf *piece) {
  CHECK(piece->len == 0 && !piece->failed);
  if (source->at >= source->hold) {
    source->hold = UINT64_MAX;
    wait_at_gate();
  }
  if (source->at >= source->gate && !is_gate_open()) {
    pause_ms(1);
    return HTTP_MORE;
  }
  if (source->idled++ < source->idle) return HTTP_MORE;
  source->idled = 0;
  if (source->at >= source->fail) {
    if (source->status > 0) http_reply_problem(source->reply, (unsigned)source->status, "as asked");
    buf_text(piece, "this must never be sent");
    return HTTP_FAILED;
  }
  uint64_t end = source->at + source->piece < source->size ? source->at + source->piece : source->size;
  char *out = end > source->at ? buf_extend(piece, end - source->at) : NULL;
  for (; out != NULL && source->at < end; source->at++)
    *out++ = (char)byte_at(source->at);
  return source->at < source->size || (source->tail > 0 && piece->len > 0) ? HTTP_MORE : HTTP_LAST;
}

static enum http_piece next(void *arg, struct buf *piece) {
  struct source *source = arg;
  CHECK(!atomic_exchange(&source->in_next, true) && !atomic_load(&source->freed));
  unsigned now = atomic_fetch_add(&seen.in_next, 1) + 1, most = atomic_load(&seen.in_next_most);
  while (now > most && !atomic_compare_exchange_weak(&seen.in_next_most, &most, now)) {
  }
  atomic_fetch_add(&seen.pieces, 1);
  enum http_piece result = make(source, piece);
  atomic_fetch_sub(&seen.in_next, 1);
  atomic_store(&source->in_next, false);
  return result;
}

/* Keeps the source until the request's release, so that a second call is found. */
static void free_source(void *arg) {
  struct source *source = arg;
  CHECK(!atomic_load(&source->in_next) && !atomic_exchange(&source->freed, true));
  atomic_fetch_add(&seen.freed, 1);
}

/* ---- routes ---- */

static enum http_result stream(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  if (request->unavailable != NULL) return waiter_refuse(reply, request->unavailable);
  CHECK(request->on_query_thread && request->state == NULL);
  struct source *source = calloc(1, sizeof *source);
  CHECK(source != NULL);
  *source = (struct source){
      .reply = reply,
      .size = number(request->query, "size", 0),
      .piece = number(request->query, "piece", HTTP_PIECE),
      .idle = number(request->query, "idle", 0),
      .fail = number(request->query, "fail", UINT64_MAX),
      .status = number(request->query, "status", 0),
      .hold = number(request->query, "hold", UINT64_MAX),
      .gate = number(request->query, "gate", UINT64_MAX),
      .tail = number(request->query, "tail", 0),
  };
  request->state = source;
  (void)snprintf(request->what, sizeof request->what, "stream");
  reply->content_type = "application/octet-stream";
  http_reply_header(reply, "X-Test", "stream");
  reply->stream = (struct http_stream){.next = next, .free = free_source, .arg = source};
  atomic_fetch_add(&seen.made, 1);
  return HTTP_ANSWERED;
}

static void release(void *arg, struct http_request *request) {
  (void)arg;
  struct source *source = request->state;
  CHECK(source == NULL || atomic_load(&source->freed));
  free(source);
  atomic_fetch_add(&seen.released, 1);
}

static enum http_result echo(void *arg, struct http_request *request, struct http_reply *reply) {
  if (request->unavailable != NULL) return waiter_refuse(reply, request->unavailable);
  if (!request->on_query_thread) return HTTP_LATER;
  CHECK(arg == NULL);
  if (request->state == NULL) {
    struct source *turns = calloc(1, sizeof *turns);
    CHECK(turns != NULL);
    *turns = (struct source){.idle = number(request->query, "turns", 0), .freed = true};
    request->state = turns;
  }
  struct source *turns = request->state;
  if (turns->idled++ < turns->idle) {
    pause_ms(1);
    return HTTP_LATER;
  }
  atomic_fetch_add(&seen.handled, 1);
  reply->content_type = "text/plain";
  buf_str(&reply->body, request->body);
  return HTTP_ANSWERED;
}

static enum http_result quick(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  if (request->unavailable != NULL) return waiter_refuse(reply, request->unavailable);
  CHECK(!request->on_query_thread);
  reply->content_type = "text/plain";
  buf_text(&reply->body, "quick");
  return HTTP_ANSWERED;
}

static const struct http_route routes[] = {
    {.path = "/stream", .methods = "GET, HEAD", .cost = HTTP_QUERY, .handle = stream, .release = release},
    {.path = "/body", .methods = "GET, HEAD, POST", .cost = HTTP_QUERY, .body_max = 1 << 20, .handle = echo,
     .release = release},
    {.path = "/later", .methods = "GET, HEAD, POST", .body_max = 1 << 20, .handle = echo, .release = release},
    {.path = "/quick", .methods = "GET, HEAD", .handle = quick},
    {0},
};

/* ---- the server ---- */

/* What the tests do not say is as `serve` has it. */
static struct http_server *start_server(struct http_options options) {
  struct http_server *server = NULL;
  struct err err = {0};
  options.listen = "127.0.0.1:0";
  options.threads = 2;
  if (options.connections_max == 0) options.connections_max = 1000;
  options.connections_per_address = 1000;
  options.proxies = "";
  options.header_max = 24 << 10;
  if (options.request_timeout_ms == 0) options.request_timeout_ms = 60000;
  if (options.idle_timeout_ms == 0) options.idle_timeout_ms = 60000;
  if (options.wait_timeout_ms == 0) options.wait_timeout_ms = 60000;
  if (options.query_threads == 0) options.query_threads = 2;
  if (options.query_running_max == 0) options.query_running_max = 64;
  options.bodies_max = 16 << 20;
  if (options.answers_max == 0) options.answers_max = 64 << 20;
  options.routes = routes;
  atomic_store(&seen.made, 0);
  atomic_store(&seen.freed, 0);
  atomic_store(&seen.released, 0);
  atomic_store(&seen.handled, 0);
  atomic_store(&seen.in_next_most, 0);
  atomic_store(&seen.pieces, 0);
  set_gate(false);
  int result = http_server_start(&options, &server, &err);
  if (result != 0) (void)fprintf(stderr, "%s\n", err.text);
  CHECK(result == 0);
  return server;
}

/* Whatever happened, each stream was freed once, before its request's release. */
static void stop_server(struct http_server *server) {
  http_server_quiesce(server);
  http_server_stop(server);
  CHECK(atomic_load(&seen.made) == atomic_load(&seen.freed) && atomic_load(&seen.in_next) == 0);
  CHECK(atomic_load(&seen.released) >= atomic_load(&seen.made));
}

#endif
