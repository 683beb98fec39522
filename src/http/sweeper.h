/* The server's thread that enforces deadlines, every 250 ms. */
#ifndef CODECMETER_HTTP_SWEEPER_H
#define CODECMETER_HTTP_SWEEPER_H

#include "http/exchange.h"

MUST_USE int sweeper_start(struct http_server *server, struct err *err);
/* Joins the thread. Without the server's lock. */
void sweeper_stop(struct http_server *server);

#endif
