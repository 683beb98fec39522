/* Diagnostics: what the running program says of itself, one line each, on standard error.
 *
 *   2026-01-31T12:00:00.123Z info  checkpoint done position=… records=…
 *
 * Never a private key, a token, a signature or a raw body. Bytes that are not printable are escaped. Any thread.
 * (Called diag, because `log` is the ledger's.)
 */
#ifndef CODECMETER_BASE_DIAG_H
#define CODECMETER_BASE_DIAG_H

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_INFO, DIAG_DEBUG };

/* Lines above this level are dropped. Default DIAG_INFO. */
void diag_set_level(enum diag_level level);

void diag_error(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void diag_warning(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void diag_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void diag_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
