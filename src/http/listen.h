/* Listening sockets, from "ADDR:PORT" and back to text; and how much a connection's peer has received. */
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

/* option: what names the address, for an error. Opens a listening socket on "127.0.0.1:8080", "localhost:0", "[::1]:8080" or ":8080" (every address). Port 0: any
 * free port. -ERR_USAGE: the address has another form, or does not resolve. -ERR_EXISTS: it is in use. -ERR_DENIED:
 * the system refuses it. -ERR_INTERNAL. */
MUST_USE int listen_open(const char *address, const char *option, struct listen_address *ret, struct err *err);

/* Checks the form only: opens nothing, resolves no name. -ERR_USAGE if it is wrong. */
MUST_USE int listen_check(const char *address, struct err *err);
/* Bytes that the peer of a TCP connection has acknowledged since the connection was opened; 0 if unknown. */
uint64_t listen_acknowledged(int fd);

#endif
