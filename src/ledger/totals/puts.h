/* Puts: rows of the catalogue that the next checkpoint writes, in the order in which they were made. They are one buf:
 * no row needs memory of its own.
 */
#ifndef CODECMETER_LEDGER_TOTALS_PUTS_H
#define CODECMETER_LEDGER_TOTALS_PUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* All zero is empty. */
struct puts {
  struct buf rows;   /* each: 4-byte key length, 4-byte value length, key, value */
  size_t key, value; /* where the key and the value of the row begin that is being added; else 0 */
};
#define PUTS_HEAD 8u /* bytes that a row takes beside its key and value */

void puts_fini(struct puts *puts);
void puts_clear(struct puts *puts); /* keeps the memory */
bool puts_is_empty(const struct puts *puts);
/* True if rows of so many bytes in all, each with its PUTS_HEAD, can then be added without more memory. */
MUST_USE bool puts_reserve(struct puts *puts, size_t bytes);

/* Adding a row: the caller appends the key to what puts_key returns, then the value to what puts_value returns, then
 * calls puts_end. Without puts_reserve, puts_end ends the program if there was no memory. */
MUST_USE struct buf *puts_key(struct puts *puts);
MUST_USE struct buf *puts_value(struct puts *puts);
void puts_end(struct puts *puts);

/* The next row, borrowed until a row is added; false after the last. *at is 0 at first. */
MUST_USE bool puts_next(const struct puts *puts, size_t *at, struct str *ret_key, struct str *ret_value);

#endif
