/* The access log: one line for each request (docs/operations.md). */
#ifndef CODECMETER_HTTP_ACCESS_LOG_H
#define CODECMETER_HTTP_ACCESS_LOG_H

#include "http/exchange.h"

/* Logs an answered request, once: when its reply is ready, or, for a stream, when it has ended. Never logs a secret. */
void access_log(const struct exchange *x);

#endif
