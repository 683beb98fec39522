/* Sockets: "ADDR:PORT" to a bound one and back to a URL; how much a connection's peer has received. */
#ifndef CODECMETER_HTTP_LISTEN_H
#define CODECMETER_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct listen_address {
  int fd;             /* listening, close-on-exec; the caller closes it */
  char text[64];      /* "127.0.0.1:8080", "[::1]:8080", with the real port */
  bool is_loopback;
  bool is_ipv6;
};

/* "127.0.0.1:8080", "localhost:0", "[::1]:8080", ":8080" (every address). Port 0: any free one. */
MUST_USE int listen_open(const char *address, struct listen_address *ret, struct err *err);

/* Is it one of that form? -ERR_USAGE. Opens nothing and resolves no name. */
MUST_USE int listen_check(const char *address, struct err *err);
/* Bytes that the peer of a TCP connection has acknowledged since it was opened; 0 if the system does not say. */
uint64_t listen_acknowledged(int fd);

#endif
