#include "openapi/write.h"

#include "base/json.h"

static void begin(struct doc *doc, const char *name) {
  const struct buf *out = doc->out;
  char last = out->len > 0 ? out->ptr[out->len - 1] : '{';
  if (last != '{' && last != '[') buf_char(doc->out, ',');
  if (name == NULL) return;
  json_quote(doc->out, str_of(name));
  buf_char(doc->out, ':');
}

void doc_open(struct doc *doc, const char *name) {
  begin(doc, name);
  buf_char(doc->out, '{');
}

void doc_close(struct doc *doc) { buf_char(doc->out, '}'); }

void doc_open_list(struct doc *doc, const char *name) {
  begin(doc, name);
  buf_char(doc->out, '[');
}

void doc_close_list(struct doc *doc) { buf_char(doc->out, ']'); }

void doc_str(struct doc *doc, const char *name, struct str text) {
  begin(doc, name);
  json_quote(doc->out, text);
}

void doc_text(struct doc *doc, const char *name, const char *text) { doc_str(doc, name, str_of(text)); }

void doc_integer(struct doc *doc, const char *name, int64_t value) {
  begin(doc, name);
  buf_i64(doc->out, value);
}

void doc_bool(struct doc *doc, const char *name, bool value) { doc_json(doc, name, value ? "true" : "false"); }

void doc_json(struct doc *doc, const char *name, const char *json) {
  begin(doc, name);
  buf_text(doc->out, json);
}

void doc_say(struct doc *doc, const char *name, const char *const texts[]) {
  doc_text(doc, name, texts[doc->language]);
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
  doc_open_list(doc, name);
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest))
    doc_str(doc, NULL, word);
  doc_close_list(doc);
}

void doc_refer(struct doc *doc, const char *name, const char *kind, const char *target) {
  SCOPED(buf_fini) struct buf address = {0};
  buf_printf(&address, "#/components/%s/%s", kind, target);
  doc_open(doc, name);
  doc_str(doc, "$ref", buf_view(&address));
  doc_close(doc);
}
