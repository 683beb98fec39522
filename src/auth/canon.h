/* The string to sign, made from a request's parameters. Source: design §3.2; worked through in docs/signature.md. */
#ifndef CODECMETER_AUTH_CANON_H
#define CODECMETER_AUTH_CANON_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"

/* The longest number, in characters of its plain decimal; a longer one is an error. */
#define CANON_NUMBER_MAX 400

/* One parameter, as decoded. Texts and node are borrowed. */
struct param {
  struct str name;
  struct str value;        /* a form, query or JSON string as sent; a number as its plain decimal; else "" */
  const struct json *node; /* of a JSON body; NULL otherwise */
};

/* The name of the parameter that carries the signature, in any case; at the top level only. */
#define CANON_SIGNATURE STR("Signature")

/* Sorts the parameters by the bytes of their names, in place, and appends name and value of each except the
 * signature. -ERR_LIMIT if a number is longer than CANON_NUMBER_MAX; -ERR_MEMORY. Members of nested objects are
 * sorted in a scratch array; the tree does not change. */
MUST_USE int canon_append(struct param *params, size_t count, struct buf *out);

#endif
