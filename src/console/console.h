/* The files of the console, which embed.sh has put into the program: pages and assets. No HTTP here;
 * http/endpoint_console.c serves them. Any thread; nothing is allocated. */
#ifndef CODECMETER_CONSOLE_CONSOLE_H
#define CODECMETER_CONSOLE_CONSOLE_H

#include "base/bytes.h"

struct console_file {
  const char *name; /* below web/: "pages/console.html", "console.css", "vendor/d3.js" */
  const char *hash; /* of the bytes, in hex */
  struct str raw;
  struct str gzip;  /* the same, compressed */
};

/* The page web/pages/NAME. It must exist: pages are named by code. */
const struct console_file *console_page(const char *name);
/* The asset with this address below /console/: "HASH/console.css". NULL: there is none. The hash is of all assets, so
 * an address has the same bytes for ever. */
const struct console_file *console_asset(struct str address);
/* The media type of a file, by its ending. */
const char *console_type(const struct console_file *file);

#endif
