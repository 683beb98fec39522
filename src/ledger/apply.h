/* What a record that counts does to the ledger: its effect, on delta and catalogue. Staging makes the effects of a
 * group and applies them when the group's blocks are in the log; records of the log are decided, made effects of, and
 * applied one by one. Only for writer.c and apply.c.
 */
#ifndef CODECMETER_LEDGER_APPLY_H
#define CODECMETER_LEDGER_APPLY_H

#include "ledger/decide.h"
#include "ledger/state.h"

/* Makes the effect of a stored record: all but its position. -ERR_MEMORY. decision->earlier is read, not kept. */
MUST_USE int effect_of(struct ledger *ledger, const struct usage *usage, struct hash identity,
                       const struct decision *decision, struct effect *ret);
/* Applies effects in the order of their positions. apply_reserve has made room, so this cannot fail. Readers see
 * nothing of it before apply_show. */
void apply_effects(struct ledger *ledger, const struct effect *effects, size_t count);
/* Applies a block of the log whose records were decided before this start, or which holds changes only. Readers see a
 * change at once, and usage after apply_show. */
MUST_USE int apply_block(struct ledger *ledger, const struct block *block, struct err *err);
/* Shows what was applied to readers: the log is applied up to `end`. */
void apply_show(struct ledger *ledger, uint64_t end, int64_t block_time_ms);

/* Records on disk must be applied, so the memory for that is reserved before they are written. */
MUST_USE int apply_reserve(struct ledger *ledger, const struct delta_load *load, struct err *err);
/* A record of the catalogue becomes at most two rows; the second row is short. */
#define APPLY_PUTS_OF_RECORD (2 * PUTS_HEAD + 512)
#define APPLY_PUT_OF_CODEC (PUTS_HEAD + 8 + CODEC_NAME_MAX)

#endif
