/* Reads the usage of the log in order, from a position on: for what counts the log by itself, beside the writer and
 * in its process.
 */
#ifndef CODECMETER_LEDGER_LOG_FOLLOW_H
#define CODECMETER_LEDGER_LOG_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "meter/usage.h"

/* Where the log begins. */
#define FOLLOW_BEGIN UINT64_C(0)
/* Descriptors that a reader needs at most. */
#define FOLLOW_DESCRIPTORS 24u

struct follow {
  const char *dir; /* the data directory */
  uint64_t from,
      to; /* FOLLOW_BEGIN, or what an earlier call returned; and a position that ledger_status gave as `end` */
  void (*visit)(void *arg, const struct usage *usage); /* each usage; texts are borrowed for the time of the call */
  bool (*goes_on)(void *arg, uint64_t position);       /* called after each block, with the position behind it */
  void *arg;
};

/* Visits each usage of whole blocks until `to`, or until goes_on returns false. *ret_end is the position behind the
 * last block that was visited whole, also on an error: a later call goes on from there. Does not see what was
 * appended after the call began. -ERR_CORRUPT, -ERR_IO; -ERR_MEMORY and -ERR_DESCRIPTORS may pass. -ERR_VERSION. */
MUST_USE int follow_usage(const struct follow *follow, uint64_t *ret_end, struct err *err);

#endif
