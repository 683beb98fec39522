/* Requests that wait for their endpoint: its handler returned HTTP_WAITING. The connection is suspended meanwhile, so
 * the library neither reads from it nor times it out. Implements http_resume. */
#ifndef CODECMETER_HTTP_WAITING_H
#define CODECMETER_HTTP_WAITING_H

#include "http/exchange.h"

/* The handler returned HTTP_WAITING: suspends the connection, unless http_resume was called before. True if suspended.
 * On the library's thread, without the lock. */
MUST_USE bool waiting_begin(struct exchange *x);
/* With the server's lock held: takes the first exchange whose wait has expired out of the list, with its reply filled.
 * NULL if there is none. The caller resumes the connection, without the lock. */
MUST_USE struct exchange *waiting_expire_one(struct http_server *server, int64_t now);

#endif
