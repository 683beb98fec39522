/* A client that reads answers byte for byte, for test_http_stream.c. */
#ifndef CODECMETER_TESTS_STREAM_CLIENT_H
#define CODECMETER_TESTS_STREAM_CLIENT_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "http/server.h"

#define CLIENT_PATIENCE_MS 120000 /* only ends hangs */

struct client {
  int fd;
  char in[1 << 16];
  size_t begin, end; /* of what is read and not used yet, in `in` */
  bool is_closed;    /* by the server */
};

struct answer {
  unsigned status;
  char head[4096];
  bool is_chunked, has_length;
  uint64_t length;  /* Content-Length */
  struct buf body;
  bool is_whole; /* the final chunk, or as many bytes as Content-Length says, arrived */
};

static unsigned port_of(const struct http_server *server) {
  const char *colon = strrchr(http_server_url(server), ':');
  return (unsigned)strtoul(colon + 1, NULL, 10);
}

/* receive_buffer: 0: the system's. */
static struct client *dial(const struct http_server *server, int receive_buffer) {
  struct client *client = calloc(1, sizeof *client);
  CHECK(client != NULL);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port_of(server)),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(client->fd >= 0);
  if (receive_buffer > 0)
    CHECK(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) == 0);
  CHECK(connect(client->fd, (const struct sockaddr *)&to, sizeof to) == 0);
  return client;
}

static void hang_up(struct client *client) {
  (void)close(client->fd);
  free(client);
}

/* The server gets a reset in place of an end. */
static inline void break_off(struct client *client) {
  struct linger linger = {.l_onoff = 1};
  CHECK(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
  hang_up(client);
}

static void say(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct client *client, const char *format, ...) {
  char *text = NULL;
  va_list args;
  va_start(args, format);
  int len = vasprintf(&text, format, args);
  va_end(args);
  CHECK(len > 0);
  for (ssize_t sent = 0; sent < len;) {
    ssize_t now = send(client->fd, text + sent, (size_t)(len - sent), MSG_NOSIGNAL);
    if (now <= 0) break; /* the answer shows it */
    sent += now;
  }
  free(text);
}

static void ask(struct client *client, const char *target) {
  say(client, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
}

/* Reads more, into the space that is free. False at the end. */
static bool hear(struct client *client, size_t most) {
  if (client->begin == client->end) client->begin = client->end = 0;
  size_t room = sizeof client->in - client->end;
  struct pollfd wait = {.fd = client->fd, .events = POLLIN};
  CHECK(room > 0 && poll(&wait, 1, CLIENT_PATIENCE_MS) == 1);
  ssize_t got = recv(client->fd, client->in + client->end, most < room ? most : room, 0);
  if (got > 0) client->end += (size_t)got;
  else client->is_closed = true;
  return got > 0;
}

/* A line without CR LF, into line[size]; false at the end. */
static bool hear_line(struct client *client, char *line, size_t size) {
  size_t len = 0;
  for (;;) {
    if (client->begin == client->end && !hear(client, SIZE_MAX)) return false;
    char c = client->in[client->begin++];
    if (c == '\n') break;
    CHECK(len + 1 < size);
    line[len++] = c;
  }
  CHECK(len > 0 && line[len - 1] == '\r');
  line[len - 1] = '\0';
  return true;
}

static bool hear_bytes(struct client *client, uint64_t len, struct buf *out) {
  while (len > 0) {
    if (client->begin == client->end && !hear(client, SIZE_MAX)) return false;
    size_t now = client->end - client->begin < len ? client->end - client->begin : (size_t)len;
    buf_append(out, client->in + client->begin, now);
    client->begin += now;
    len -= now;
  }
  return true;
}

static bool hear_chunks(struct client *client, struct buf *out) {
  char line[64];
  for (;;) {
    if (!hear_line(client, line, sizeof line)) return false;
    char *end;
    uint64_t len = strtoull(line, &end, 16);
    CHECK(end != line && *end == '\0');
    if (!hear_bytes(client, len, out) || !hear_line(client, line, sizeof line)) return false;
    CHECK(line[0] == '\0');
    if (len == 0) return true;
  }
}

static bool hear_head(struct client *client, struct answer *answer) {
  char line[1024];
  size_t used = 0;
  if (!hear_line(client, line, sizeof line)) return false;
  CHECK(sscanf(line, "HTTP/1.1 %u ", &answer->status) == 1);
  while (hear_line(client, line, sizeof line) && line[0] != '\0') {
    used += (size_t)snprintf(answer->head + used, sizeof answer->head - used, "%s\n", line);
    CHECK(used < sizeof answer->head);
    answer->is_chunked = answer->is_chunked || strcmp(line, "Transfer-Encoding: chunked") == 0;
    if (sscanf(line, "Content-Length: %" SCNu64, &answer->length) == 1) answer->has_length = true;
  }
  return true;
}

/* An answer to a request; has_body is false for HEAD. The caller frees answer->body. */
static void hear_answer(struct client *client, bool has_body, struct answer *answer) {
  *answer = (struct answer){0};
  if (!hear_head(client, answer) || !has_body) return;
  if (answer->is_chunked) {
    CHECK(!answer->has_length);
    answer->is_whole = hear_chunks(client, &answer->body);
  } else if (answer->has_length) {
    answer->is_whole = hear_bytes(client, answer->length, &answer->body);
  }
}

#endif
