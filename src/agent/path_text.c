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

char *path_text_read(struct str text) {
  char *path = malloc(text.len + 1);
  CHECK(path != NULL);
  path[bytes_percent_decode(text, path)] = '\0';
  return path;
}
