/* The requests whose head is being received, one list for each of the library's threads. The library's log callback
 * names no connection, and finds it here. */
#ifndef CODECMETER_HTTP_ARRIVING_H
#define CODECMETER_HTTP_ARRIVING_H

#include "http/exchange.h"

/* This thread's list. NULL if there is no memory. Freed by arriving_free. */
MUST_USE struct heads *arriving_own(struct http_server *server);
void arriving_add(struct heads *heads, struct exchange *x);
/* Does nothing if the head has been received. */
void arriving_remove(struct exchange *x);
/* Frees all lists, which are empty, after the library's threads have ended. */
void arriving_free(struct http_server *server);

#endif
