/* Why a request of /v1 is refused: a status, a sentence, and the parameter at fault. It becomes
 * application/problem+json (RFC 9457): {"type":"about:blank","title":…,"status":400,"detail":"from:
 * …","parameter":"from"}. */
#ifndef CODECMETER_V1_PROBLEM_H
#define CODECMETER_V1_PROBLEM_H

#include "base/bytes.h"
#include "base/err.h"

#define V1_DETAIL_MAX 1023
#define V1_NAME_SHOWN 65 /* with NUL */
struct v1_problem {
  unsigned status;
  char parameter[V1_NAME_SHOWN]; /* "": none */
  char detail[V1_DETAIL_MAX + 1];
};

/* Each fills *problem and returns its status, which is not 0. */

/* The text is cut at V1_DETAIL_MAX bytes. Print what a client sent with V1_SHOWN. */
int v1_refuse(struct v1_problem *problem, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 400, with "NAME: " before the text. */
int v1_refuse_param(struct v1_problem *problem, struct str name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* 503: query.memory_max has no room, or the token's part of it. v1_refuse_err does this for -ERR_BUSY. */
int v1_refuse_held(struct v1_problem *problem);
/* For errors of the ledger. Kind "for now": 503, with the error's meaning. Else 500: the detail goes to the log, with
 * `what` ("reading totals") before it, and not to the client. */
int v1_refuse_err(struct v1_problem *problem, int result, const char *what, const struct err *err);

/* The first 64 bytes of what a client sent, cut at a character, for "%.*s". */
struct str v1_cut(struct str text);
#define V1_SHOWN(text) STR_ARG(v1_cut(text))

#endif
