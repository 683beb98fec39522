/* Sends the documents of a job list to the server's adapter, one after the other, each until it is answered, and
 * counts what became of their outputs. What was not stored goes to the rejects (import/rejects.h). */
#ifndef CODECMETER_IMPORT_NOTICES_H
#define CODECMETER_IMPORT_NOTICES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "base/bytes.h"
#include "base/err.h"
#include "import/documents.h"
#include "import/rejects.h"
#include "import/request.h"
#include "import/resume.h"

struct import_notices_options {
  struct client *client;
  struct import_documents *documents;
  struct import_rejects *rejects;
  const char *adapter;
  const char *project, *source, *id, *time; /* what the URL says, for the adapter; NULL: nothing */
  struct import_patience patience;
  uint64_t *counts;                                             /* [IMPORT_COUNTS], incremented */
  void (*ignored)(void *arg, uint64_t line, struct str remark); /* called for each part that is no output */
  void *arg;
};

struct import_notices;
MUST_USE struct import_notices *import_notices_new(const struct import_notices_options *options); /* never NULL */
void import_notices_free(struct import_notices *notices);
SCOPED_REF(struct import_notices, import_notices_free)

/* Reads the next document, or the next piece of one, and sends it. A document that the server cannot take is
 * rejected, and the import goes on. *ret_is_end: there was none left. -ERR_USAGE: an id is given and the file has a
 * second document. Other errors as for import_documents_next and import_sender_send; also -ERR_DENIED if the server
 * refuses the first document of this run as wrong: then it is the URL that is wrong. */
MUST_USE int import_notices_next(struct import_notices *notices, bool *ret_is_end, struct err *err);

#endif
