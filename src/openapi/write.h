/* Appenders for the document. Each writes one member of the object, or one element of the list, that is open, with
 * the comma that it needs. A name of NULL makes an element of a list. */
#ifndef CODECMETER_OPENAPI_WRITE_H
#define CODECMETER_OPENAPI_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct doc {
  struct buf *out;
  int language; /* the index of `help` and of other texts in two languages */
};

void doc_open(struct doc *doc, const char *name); /* an object */
void doc_close(struct doc *doc);
void doc_open_list(struct doc *doc, const char *name);
void doc_close_list(struct doc *doc);
void doc_text(struct doc *doc, const char *name, const char *text);
void doc_str(struct doc *doc, const char *name, struct str text);
void doc_integer(struct doc *doc, const char *name, int64_t value);
void doc_bool(struct doc *doc, const char *name, bool value);
/* JSON, as it is. */
void doc_json(struct doc *doc, const char *name, const char *json);
/* The text in the document's language. */
void doc_say(struct doc *doc, const char *name, const char *const texts[]);
/* Each word of a list with blanks, as a list of texts. */
void doc_words(struct doc *doc, const char *name, const char *words);
/* {"$ref":"#/components/KIND/TARGET"} */
void doc_refer(struct doc *doc, const char *name, const char *kind, const char *target);

/* The next word of a list with blanks; empty at its end. */
struct str doc_next_word(struct str *rest);

#endif
