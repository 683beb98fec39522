/* The description of every API of this server in OpenAPI 3.1, made from the tables that the server itself uses: the
 * resources of /v1 (v1/resource.h), the actions of the signed API (api/describe.h), and the routes that take reports
 * (openapi/reports.c). docs/openapi.md is for users.
 *
 * The document depends on the version of the program and on the language, and on nothing of an instance: no setting,
 * no name and no number of a ledger is in it. So anybody may read it. */
#ifndef CODECMETER_OPENAPI_OPENAPI_H
#define CODECMETER_OPENAPI_OPENAPI_H

#include "base/bytes.h"

enum openapi_language { OPENAPI_ENGLISH, OPENAPI_CHINESE, OPENAPI_LANGUAGES };

/* "en", "zh". */
const char *openapi_language_name(enum openapi_language language);

/* Appends the document, JSON in one line that ends with LF. */
void openapi_write(enum openapi_language language, const char *version, struct buf *out);

#endif
