/* The access log: one line for each request (docs/operations.md). And the counters of requests, which count the same. */
#ifndef CODECMETER_HTTP_ACCESS_LOG_H
#define CODECMETER_HTTP_ACCESS_LOG_H

#include "http/exchange.h"

/* Logs and counts an answered request, once: when its reply is ready, or, for a stream, when it has ended. Never logs a secret. */
void access_log(const struct exchange *x);

#endif
