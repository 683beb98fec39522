/* Whether the client is still there, as far as the kernel tells, without taking a byte of its connection. For requests that
 * take long: while the library's connection is suspended, nobody else notices. */
#ifndef CODECMETER_HTTP_PEER_H
#define CODECMETER_HTTP_PEER_H

#include <stdbool.h>

#include "base/err.h"

/* PEER_ENDED: the client has ended its sending side. It may have closed its socket, or it may still read (`nc -N`). */
enum peer { PEER_THERE, PEER_ENDED, PEER_GONE };
MUST_USE enum peer peer_look(int fd);

/* Makes the kernel ask a silent peer whether it is there. One that is not becomes PEER_GONE about a minute later at the latest. */
void peer_ask_kernel(int fd);
/* Asks a peer of HTTP/1.1 that has ended its side, before its answer begins. A socket that is closed answers with a reset. A client
 * that still reads gets `100 Continue`, which every client of HTTP/1.1 skips (RFC 9110, 15.2). False: not now; look again later. */
bool peer_ask(int fd);

#endif
