/* codecmeter over HTTP/1.1, keep-alive, blocking: events by POST, and the one question by GET. Requests are laid out
 * in a buffer that is made once; an answer is read into another and its numbers are looked for by name. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sink.h"

#define HEAD_MAX 1024
#define ANSWER_MAX (1u << 20)

struct http {
  const struct sink_options *options;
  int socket;
  char head[4 * HEAD_MAX];
  size_t head_len, body_len;
  char *body;
  char answer[ANSWER_MAX + 1];
};

static struct sockaddr_in address_of(const char *target) {
  char host[64];
  unsigned port;
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (sscanf(target, "%63[0-9.]:%u", host, &port) != 2 || port > 65535 ||
      inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    fail("%s: an IPv4 address and a port are wanted", target);
  }
  address.sin_port = htons((uint16_t)port);
  return address;
}

static void *http_connect(const struct sink_options *options, unsigned number) {
  (void)number;
  struct http *http = must_allocate(sizeof *http);
  struct sockaddr_in address = address_of(options->target);
  int on = 1;
  http->options = options;
  http->body = must_allocate((size_t)options->batch * EVENT_JSON_MAX + 2);
  http->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (http->socket < 0 || connect(http->socket, (const struct sockaddr *)&address, sizeof address) != 0) {
    fail("%s: %s", options->target, strerror(errno));
  }
  (void)setsockopt(http->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return http;
}

static void http_close(void *connection) {
  struct http *http = connection;
  (void)close(http->socket);
  free(http->body);
  free(http);
}

/* ---- requests ---- */

static void build_events(void *connection, const struct event *events, unsigned count) {
  struct http *http = connection;
  bool is_array = http->options->batch > 1 && !http->options->ndjson;
  char *at = http->body;
  for (unsigned i = 0; i < count; i++) {
    if (is_array) *at++ = i == 0 ? '[' : ',';
    at += event_json(&events[i], at);
    if (http->options->ndjson) *at++ = '\n';
  }
  if (is_array) *at++ = ']';
  http->body_len = (size_t)(at - http->body);
  int len = snprintf(http->head, sizeof http->head,
                     "POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     http->options->token, http->options->ndjson ? "application/x-ndjson" : "application/json",
                     http->body_len);
  if (len < 0 || (size_t)len >= sizeof http->head) fail("the token is too long");
  http->head_len = (size_t)len;
}

static void build_query(void *connection, const struct event *events, unsigned count) {
  struct http *http = connection;
  (void)events, (void)count;
  if (http->head_len > 0) return;
  int len = snprintf(http->head, sizeof http->head, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", http->options->path);
  if (len < 0 || (size_t)len >= sizeof http->head) fail("the path is too long");
  http->head_len = (size_t)len;
}

static void send_all(struct http *http) {
  struct iovec parts[2] = {{http->head, http->head_len}, {http->body, http->body_len}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  for (size_t left = http->head_len + http->body_len; left > 0;) {
    ssize_t sent = sendmsg(http->socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) fail("sending: %s", strerror(errno));
    left -= (size_t)sent;
    for (size_t step = (size_t)sent; step > 0;) {
      struct iovec *part = message.msg_iov;
      size_t taken = step < part->iov_len ? step : part->iov_len;
      part->iov_base = (char *)part->iov_base + taken;
      part->iov_len -= taken;
      step -= taken;
      if (part->iov_len == 0 && message.msg_iovlen > 1) {
        message.msg_iov++;
        message.msg_iovlen--;
      }
    }
  }
}

/* ---- answers ---- */

static size_t receive_more(struct http *http, size_t have) {
  for (;;) {
    ssize_t got = recv(http->socket, http->answer + have, ANSWER_MAX - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("the answer broke off: %s", got == 0 ? "closed" : strerror(errno));
    http->answer[have + (size_t)got] = '\0';
    return have + (size_t)got;
  }
}

/* Reads one whole answer; gives where its body begins, ended by NUL. */
static const char *receive_answer(struct http *http) {
  size_t have = 0;
  char *end = NULL;
  while (end == NULL) {
    have = receive_more(http, have);
    end = strstr(http->answer, "\r\n\r\n");
  }
  const char *length = strcasestr(http->answer, "\r\nContent-Length:");
  if (length == NULL || length > end) fail("an answer without Content-Length");
  size_t head = (size_t)(end + 4 - http->answer);
  size_t whole = head + strtoull(length + strlen("\r\nContent-Length:"), NULL, 10);
  if (whole > ANSWER_MAX) fail("an answer of %zu bytes", whole);
  while (have < whole) {
    have = receive_more(http, have);
  }
  if (strncmp(http->answer, "HTTP/1.1 200 ", 13) != 0) fail("the answer is %.400s", http->answer);
  return http->answer + head;
}

static uint64_t count_of(const char *body, const char *name) {
  const char *at = strstr(body, name);
  if (at == NULL) fail("no %s in %.200s", name, body);
  return strtoull(at + strlen(name), NULL, 10);
}

static void send_events(void *connection, struct outcome *ret_outcome) {
  struct http *http = connection;
  send_all(http);
  const char *body = receive_answer(http);
  *ret_outcome = (struct outcome){
      .stored = count_of(body, "\"stored\":"),
      .duplicate = count_of(body, "\"duplicate\":"),
      .conflict = count_of(body, "\"conflict\":"),
      .rejected = count_of(body, "\"rejected\":"),
  };
}

static void send_query(void *connection, struct outcome *ret_outcome) {
  struct http *http = connection;
  send_all(http);
  const char *body = receive_answer(http);
  if (strstr(body, "\"RetCode\":0") == NULL) fail("the answer is %.400s", body);
  ret_outcome->stored = 1;
}

const struct sink sink_http = {
    .name = "http", .connect = http_connect, .build = build_events, .send = send_events, .close = http_close};

const struct sink sink_query = {
    .name = "query", .connect = http_connect, .build = build_query, .send = send_query, .close = http_close};
