/* Diagnostics: what the running program reports about itself, one line each, on standard error.
 *
 *   2026-01-31T12:00:00.123Z info  checkpoint done position=… records=…
 *
 * Never a private key, a token, a signature or a raw body. Control characters are escaped. Any thread may call.
 * (The name is diag because `log` is the ledger's.)
 *
 * No function here waits for the reader of standard error or standard output. Lines that the file does not accept are
 * dropped and counted. When it accepts lines again, the first one says how many were dropped.
 */
#ifndef CODECMETER_BASE_DIAG_H
#define CODECMETER_BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_INFO };
#define DIAG_LEVELS 3

/* Lines above this level are not written. The default is DIAG_INFO. */
void diag_set_level(enum diag_level level);

void diag_error(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void diag_warning(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void diag_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Lines since the start: those that were written, by level, and those that were dropped. */
struct diag_counts {
  uint64_t written[DIAG_LEVELS], dropped;
};
void diag_counts(struct diag_counts *ret);

/* Writes a printable text, unchanged, and a line end to standard error: the reason why the program ends. */
void diag_last(const char *text);

/* Writes a short text and a line end to standard output. False: it accepts nothing now; call again later. */
MUST_USE bool diag_output(const char *text);

#endif
