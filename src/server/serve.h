/* The server: everything that `codecmeter serve` runs in this process. */
#ifndef CODECMETER_SERVER_SERVE_H
#define CODECMETER_SERVER_SERVE_H

#include "base/err.h"

/* Texts of the command line, borrowed; NULL: not given. */
struct serve_options {
  char *data;               /* directory; see datadir_choose */
  char *listen;             /* ADDR:PORT, never NULL */
  char *config;             /* an INI file */
  char *tls_cert, *tls_key; /* PEM files */
  char **set;               /* SECTION.KEY=VALUE, ends with NULL; wins over config */
};

/* Serves until a stop is requested, then commits what is queued. 0: it stopped as requested. -ERR_USAGE: an option or a
 * setting is wrong, and nothing was started. Another error: it could not start, or the ledger could not go on. Call it
 * once in a process, before there are threads: it takes the signals (stop_begin_service). */
MUST_USE int serve(const struct serve_options *options, struct err *err);

#endif
