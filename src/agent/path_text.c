#include "agent/path_text.h"

#include <stdlib.h>

#include "base/check.h"

void path_text_append(struct buf *out, const char *path) {
  for (const char *c = path; *c != '\0'; c++) {
    unsigned char byte = (unsigned char)*c;
    if (byte <= ' ' || byte >= 0x7F || byte == '%' || byte == '"' || byte == '\\')
      buf_printf(out, "%%%02X", byte);
    else
      buf_char(out, *c);
  }
}

void path_text_write(struct json_write *json, const char *name, const char *path) {
  json_write_next(json, name);
  buf_char(json->out, '"');
  path_text_append(json->out, path);
  buf_char(json->out, '"');
}

char *path_text_read(struct str text) {
  char *path = malloc(text.len + 1);
  CHECK(path != NULL);
  path[bytes_percent_decode(text, path)] = '\0';
  return path;
}
