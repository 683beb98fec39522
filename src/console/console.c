/* Both forms of each file are in the program, because compressing takes longer than sending, and a client without
 * gzip is still a client. Pages are apart from assets: their addresses are fixed, so they must be asked for each
 * time. */
#include "console/console.h"

#include "base/check.h"

#include "web.inc" /* files, ASSETS */

#define FILES (sizeof files / sizeof files[0])
#define PAGES "pages/"

static bool is_page(const struct console_file *file) { return str_starts(str_of(file->name), STR(PAGES)); }

const struct console_file *console_page(const char *name) {
  for (size_t i = 0; i < FILES; i++) {
    if (is_page(&files[i]) && strcmp(files[i].name + strlen(PAGES), name) == 0) return &files[i];
  }
  CHECK(!"no such page");
  return NULL;
}

const struct console_file *console_asset(struct str address) {
  struct str folder = STR(ASSETS "/");
  if (!str_starts(address, folder)) return NULL;
  struct str name = str_make(address.ptr + folder.len, address.len - folder.len);
  for (size_t i = 0; i < FILES; i++) {
    if (!is_page(&files[i]) && str_equal(str_of(files[i].name), name)) return &files[i];
  }
  return NULL;
}

const char *console_type(const struct console_file *file) {
  static const struct {
    const char *ending, *type;
  } types[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".svg", "image/svg+xml"},
  };
  const char *ending = strrchr(file->name, '.');
  for (size_t i = 0; ending != NULL && i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(types[i].ending, ending) == 0) return types[i].type;
  }
  CHECK(!"an embedded file of unknown type");
  return NULL;
}
