/* The server's own state: connections, and the request and reply that each of them carries. Only for the files of this
 * room that make up the server; endpoints see request.h.
 *
 * An exchange is a request and its reply. It belongs to its connection, and ends with it at the latest. At any time one
 * thread has it: the library's thread of its connection, or the one that will resume it while it is suspended.
 * Only the fields that say so are under the server's lock.
 */
#ifndef CODECMETER_HTTP_EXCHANGE_H
#define CODECMETER_HTTP_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/clock.h"
#include "http/crowd.h"
#include "http/head.h"
#include "http/listen.h"
#include "http/query_pool.h"
#include "http/server.h"

struct MHD_Connection;
struct MHD_Daemon;

#define EXCHANGE_FOREVER INT64_MAX
/* A reply must move 64 KiB in 15 s. */
#define EXCHANGE_PACE (64u << 10)
#define EXCHANGE_PACE_MS 15000

/* The states of an exchange. http_mhd.c draws them. */
enum exchange_state {
  RECEIVING, /* its head, its body; then its handler is called */
  WAITING,   /* for http_resume; the connection is suspended */
  QUERYING,  /* it belongs to the query threads; the connection is suspended */
  READY,     /* the connection goes on: its thread sends the reply, or the next piece of it */
  REPLYING,
};
/* All moves between them: X(from, to, function). exchange_move ends the program on any other. */
#define EXCHANGE_MOVES(X)                                                                     \
  X(RECEIVING, REPLYING, "queue_reply: refused, or answered at once")                         \
  X(RECEIVING, WAITING, "waiting_begin: the handler returned HTTP_WAITING")                   \
  X(RECEIVING, QUERYING, "query_begin: it returned HTTP_LATER, or the route's cost says so")  \
  X(WAITING, READY, "http_resume, or waiting_expire_one at the deadline")                     \
  X(QUERYING, READY, "a query thread: an answer, a piece, or the end of the stream")          \
  X(READY, REPLYING, "queue_reply, or query_read for a stream")                               \
  X(REPLYING, QUERYING, "query_read: the library has taken the whole piece")

/* A request on the query threads (query.h), and its stream. */
struct query {
  struct query_job job;
  bool runs;               /* it has a place of the pool */
  bool handled;            /* the handler has answered: only its stream is left */
  bool head_only;          /* HEAD, and the answer needs more than one turn: its length is not known */
  bool gone;               /* the client is gone: nothing is sent */
  bool has_asked;          /* the client has ended its sending side; peer_ask was called, if it may be */
  bool asks_kernel;        /* peer_ask_kernel was called */
  int64_t begun_ms;        /* when the request came to the query threads */
  int64_t look_ms;         /* when to look next whether the client is gone */
  bool stopped;            /* the stream ended too soon: the server stops, or the client is gone */
  bool begun;              /* the head is sent: what goes wrong from now on closes the connection */
  enum http_piece outcome; /* of the last call of the stream's `next` */
  struct buf piece;
  size_t piece_read;       /* bytes of it that the library has taken */
  uint64_t claimed;        /* its part of answers_used for the piece */
  uint64_t sent;           /* bytes of the stream that the library has taken */
  int64_t left_ms;         /* what the client has left of its time, beyond the pace */
};

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
  struct query query;
  enum exchange_state state;
  bool is_http_1_0;
  bool begun;         /* the library's first callback has happened */
  bool completed;     /* the library has sent the whole reply */
  bool refused;       /* the reply is ready; the body is dropped */
  bool resumed_early; /* http_resume was called before the handler returned */
  int64_t started_us; /* as counters_now_us */
  int64_t wait_deadline_ms;
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
  struct query_pool *queries;
  struct heads *heads; /* one for each of the library's threads */
  unsigned exchanges;  /* that have not ended */
  uint64_t sweeps;
  bool stopping;
  pthread_t sweeper;
  atomic_bool draining;
  atomic_uint_fast64_t bodies_used, answers_used;
};

static inline int64_t exchange_now_ms(void) { return clock_monotonic_ms(clock_system()); }

/* The thread that has the exchange; with the server's lock held for a move from or to WAITING. */
void exchange_move(struct exchange *x, enum exchange_state to);

/* Ends the exchange of a connection and frees it, if there is one. */
void exchange_end(struct connection *connection);

/* Counts bytes of a body, or of what an endpoint keeps of one, against http.bodies_max; *counter is the exchange's
 * part. False if there is no room. */
MUST_USE bool exchange_count(struct http_server *server, uint64_t *counter, size_t len);
void exchange_drop_body(struct exchange *x);
/* Gives the handler the body, with JSON_PADDING zeros behind it for parsers that read ahead. False if there is no
 * memory. May be called again. */
MUST_USE bool exchange_finish_body(struct exchange *x);

/* Counts bytes of an answer against http.answers_max; *part is what is counted already. False if there is no room. A
 * smaller number gives the difference back, and always succeeds. */
MUST_USE bool exchange_claim(struct http_server *server, uint64_t *part, size_t bytes);
/* Likewise for what is in memory already: beyond the bound too. */
void exchange_charge(struct http_server *server, uint64_t *part, size_t bytes);
/* Empties the reply, and frees its body; the stream must be freed already. */
void exchange_reset_reply(struct exchange *x);

/* Gives back the part of the claim, and of the reply's buffer, that the answer did not use. A long answer without a
 * claim is in memory already, so it is counted even beyond http.answers_max. */
void exchange_settle(struct exchange *x);

#endif
