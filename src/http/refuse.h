/* Refuses a request by its head, or by its length. A refused request has its reply, and its body is dropped. */
#ifndef CODECMETER_HTTP_REFUSE_H
#define CODECMETER_HTTP_REFUSE_H

#include "http/exchange.h"

/* Finds the route, and refuses what the head alone shows to be wrong. has_nul: the request's target contains a NUL. */
void refuse_by_head(struct exchange *x, bool has_nul);
/* The body is longer than the route takes. */
void refuse_length(struct exchange *x);
/* The server cannot serve the request now; why: a sentence, static. The endpoint fills the reply. */
void refuse_unavailable(struct exchange *x, enum metric_refusal cause, const char *why);

#endif
