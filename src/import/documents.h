/* Reads the JSON documents of a file, one after the other: one value, several values (on lines of their own or
 * printed over many), or an array of documents. For users: docs/import.md, "Job lists".
 *
 * A document that is longer than a piece may be is divided, if it has an array at which that is safe
 * (import/outline.h): each piece has some of the elements, and all other members.
 *
 * It holds one document of at most IMPORT_DOCUMENT_MAX bytes. A document that is not JSON is returned as refused, and
 * so is one that the end of the file cuts off. Where JSON cannot go on with an object that begins a line, a new
 * document begins: so a line of ndjson that is broken takes no other with it.
 */
#ifndef CODECMETER_IMPORT_DOCUMENTS_H
#define CODECMETER_IMPORT_DOCUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define IMPORT_PIECE_MAX ((size_t)64 << 10) /* an adapter takes 1000 outputs; the shortest have about 75 bytes */
#define IMPORT_DOCUMENT_MAX ((size_t)1 << 30)

struct import_documents_options {
  int fd;           /* borrowed; read from its current offset, which is 0 of the places */
  const char *name; /* for messages */
  size_t piece_max; /* a longer document is divided; 0: IMPORT_PIECE_MAX */
};

struct import_document {
  uint64_t line;   /* the line on which it begins, from 1 */
  struct str text; /* an object on one line; if it is refused, the text of the file, or empty if that is too long */
  struct str refusal; /* why it cannot be sent; empty if it can */
  size_t elements;    /* of the array at which the document was divided, in this piece; 0: it is whole */
};

struct import_documents;
MUST_USE struct import_documents *import_documents_open(
    const struct import_documents_options *options); /* never NULL */
void import_documents_close(struct import_documents *documents);
SCOPED_REF(struct import_documents, import_documents_close)

/* Continues at a place that import_documents_offset and import_documents_line returned. Call it before the first
 * document. It reads the file from its beginning, because the other members of a divided document may be there. */
void import_documents_seek(struct import_documents *documents, uint64_t offset, uint64_t line);

/* Reads the next document or piece; its texts are valid until the next call. *ret_is_end: there are no more. -ERR_IO.
 * -ERR_LIMIT: a document is longer than IMPORT_DOCUMENT_MAX. -ERR_STOPPING: as for input_read. */
MUST_USE int import_documents_next(struct import_documents *documents, struct import_document *ret, bool *ret_is_end,
                                   struct err *err);
/* The next call gives the piece that the last one gave once more, with at most half of its elements, and so do the
 * calls after it, until the document ends or a single element was given. The piece has at least two. */
void import_documents_halve(struct import_documents *documents);

/* The offset in the file behind the last document or piece that was returned, and the line there. */
uint64_t import_documents_offset(const struct import_documents *documents);
uint64_t import_documents_line(const struct import_documents *documents);

#endif
