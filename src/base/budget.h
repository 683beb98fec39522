/* A bound for what many users hold together. One owner holds at most three quarters of it.
 *
 * So the answers of one client, however slowly it reads them, leave room for those of others. Any thread may call; there
 * is no lock.
 */
#ifndef CODECMETER_BASE_BUDGET_H
#define CODECMETER_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define BUDGET_PARTS 1024u /* owners are counted in so many places; those that share a place share its bound */

/* Starts as {.max = …}. */
struct budget {
  uint64_t max; /* bytes */
  atomic_uint_fast64_t held;
  atomic_uint_fast64_t parts[BUDGET_PARTS];
};

/* The owner of a name: a hash of it. 0, which has no bound of its own, if the name is empty. */
uint64_t budget_owner(struct str name);

/* Makes *part, which one user holds, `bytes` in all. Fewer than before: always succeeds. False if there is no room: *part
 * is then as it was. Claim before the memory is taken, and give it back with 0. */
MUST_USE bool budget_claim(struct budget *budget, uint64_t owner, uint64_t *part, uint64_t bytes);
/* Makes *part 0. */
void budget_give_back(struct budget *budget, uint64_t owner, uint64_t *part);

#endif
