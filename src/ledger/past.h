/* Where projects changed: the positions of their records in the log, found when they are first asked for. Used by
 * past.c and by what makes and frees a ledger. */
#ifndef CODECMETER_LEDGER_PAST_H
#define CODECMETER_LEDGER_PAST_H

#include <stdint.h>

#include "base/scope.h"

struct past;
MUST_USE struct past *past_new(void); /* never NULL: it is small, and its memory is waited for */
void past_free(struct past *past);
/* Notes that the record of a project is at a position, or that some may be below it. Call it before readers see the
 * change. The writer, or recovery. */
void past_note_change(struct past *past, uint64_t position);

#endif
