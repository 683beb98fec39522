#include "openapi/write.h"

void doc_say(struct doc *doc, const char *name, const char *const texts[]) {
  json_write_text(doc->json, name, texts[doc->language]);
}

struct str doc_next_word(struct str *rest) {
  while (rest->len > 0) {
    struct str word = str_cut(rest, ' ');
    if (word.len > 0) return word;
  }
  return STR("");
}

void doc_words(struct doc *doc, const char *name, const char *words) {
  struct str rest = str_of(words);
  json_write_list(doc->json, name);
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest))
    json_write_str(doc->json, NULL, word);
  json_write_end(doc->json);
}

void doc_refer(struct doc *doc, const char *name, const char *kind, const char *target) {
  SCOPED(buf_fini) struct buf address = {0};
  buf_printf(&address, "#/components/%s/%s", kind, target);
  json_write_object(doc->json, name);
  json_write_str(doc->json, "$ref", buf_view(&address));
  json_write_end(doc->json);
}
