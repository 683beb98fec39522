/* What the document needs beside base/json_write.h: texts in its language, lists of words, references. A name is
 * NULL in a list. */
#ifndef CODECMETER_OPENAPI_WRITE_H
#define CODECMETER_OPENAPI_WRITE_H

#include "base/json_write.h"

struct doc {
  struct json_write *json; /* borrowed */
  int language;            /* the index of `help` and of other texts in two languages */
};

/* The text in the document's language. */
void doc_say(struct doc *doc, const char *name, const char *const texts[]);
/* Each word of a list with blanks, as a list of texts. */
void doc_words(struct doc *doc, const char *name, const char *words);
/* {"$ref":"#/components/KIND/TARGET"} */
void doc_refer(struct doc *doc, const char *name, const char *kind, const char *target);

/* The next word of a list with blanks; empty at its end. */
struct str doc_next_word(struct str *rest);

#endif
