/* What the other files of this room want of the HTTP library. Only http_mhd.c includes the library's header. */
#ifndef CODECMETER_HTTP_HTTP_MHD_H
#define CODECMETER_HTTP_HTTP_MHD_H

#include "http/exchange.h"

/* The library's memory for each connection; header_max must fit. Above 128 KiB, most speed is lost. */
#define HTTP_MHD_MEMORY (32u << 10)

/* Serves on server->address; cert and key are texts, both or neither. NULL if the library cannot. */
MUST_USE struct MHD_Daemon *http_mhd_start(struct http_server *server, const char *cert, const char *key);
/* Closes all connections, and joins the library's threads. No connection may be suspended. */
void http_mhd_stop(struct http_server *server);

/* Suspends the connection: the library neither reads from it nor times it out. On the library's thread, in a callback
 * of this connection. */
void http_mhd_suspend(struct exchange *x);
/* Resumes a suspended connection, once. Any thread. The exchange belongs to the library's thread again. */
void http_mhd_resume(struct exchange *x);

#endif
