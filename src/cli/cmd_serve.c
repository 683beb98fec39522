/* The options of `serve`; server/serve.h does its work. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "cli/command.h"
#include "cli/options.h"
#include "metrics/metrics.h"
#include "server/serve.h"
#include "settings/config.h"

/* Like command_fail, but does not wait if standard error is a pipe that nobody reads. */
static int fail(const struct err *err) {
  if (err->code == ERR_NONE) return EXIT_OK;
  SCOPED_MALLOC char *text = str_printable(str_of(err->text)), *line = NULL;
  CHECK(asprintf(&line, "codecmeter serve: %s", text) >= 0);
  diag_last(line);
  return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static void list_settings(void) {
  SCOPED(buf_fini) struct buf table = {0};
  config_describe(&table);
  (void)fwrite(table.ptr, 1, table.len, stdout);
}

static void list_metrics(void) {
  SCOPED(buf_fini) struct buf table = {0};
  counters_describe(&metrics, &table);
  (void)fwrite(table.ptr, 1, table.len, stdout);
}

int cmd_serve(int argc, char **argv) {
  static char listen_default[] = "127.0.0.1:8080";
  struct serve_options options = {0};
  bool lists_settings = false, lists_metrics = false;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR",
       "data directory; it is created if it does not exist ($CODECMETER_DATA, else ./data)"},
      {"listen", 0, OPTION_TEXT, &options.listen, "ADDR:PORT",
       "address to listen on; port 0 takes any free port (default: 127.0.0.1:8080)"},
      {"config", 0, OPTION_TEXT, &options.config, "FILE", "read settings from an INI file"},
      {"set", 0, OPTION_LIST, &options.set, "SECTION.KEY=VALUE",
       "change one setting; repeatable, wins over --config"},
      {"tls-cert", 0, OPTION_TEXT, &options.tls_cert, "FILE", "serve HTTPS with this certificate (PEM)"},
      {"tls-key", 0, OPTION_TEXT, &options.tls_key, "FILE", "private key (PEM) of the certificate"},
      {"list-settings", 0, OPTION_FLAG, &lists_settings, NULL, "print all settings as a table, then exit"},
      {"list-metrics", 0, OPTION_FLAG, &lists_metrics, NULL, "print all metrics as a table, then exit"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Runs the meter's server. It prints `ready URL` when it serves. SIGTERM or Ctrl-C stops it; queued events "
          "are committed and waiting clients answered first.",
      .quiet = "log only warnings and errors; `ready URL` is still printed",
      .examples =
          "codecmeter serve --data /var/lib/codecmeter --listen 127.0.0.1:8080\n"
          "codecmeter serve --set query.max_age=0 --set ingest.delta_max=2000000",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0 && lists_settings) {
    list_settings();
    return EXIT_OK;
  }
  if (result == 0 && lists_metrics) {
    list_metrics();
    return EXIT_OK;
  }
  if (options.listen == NULL) options.listen = listen_default;
  if (result == 0) result = serve(&options, &err);
  return result == 0 ? EXIT_OK : fail(&err);
}
