/* Rivals: runs that overlap in time and may write to the same places, perhaps for different customers. They know of each
 * other by their notes in the spool (agent/intent.h). So runs of different spools, or without one, do not.
 *
 * Whose a file is. A run has a claim to it, the strongest that one of its candidates gives:
 *
 *   exact      the candidate is the file's path; not that of an argument that was there when that run began and has
 *              not changed since, because that is an input
 *   pattern    the candidate is a pattern that the path matches
 *   directory  the candidate is the file's directory. Of another run also: a list in this directory, or an argument
 *              of an unknown command that made a file there, because both may write files that they do not name
 *
 * A file counts for the run whose claim is the strongest. Several exact claims: it counts for each of these runs, as the
 * users said. Several others of the same strength: for none. A run that began after the file's last change has no claim to
 * it.
 */
#ifndef CODECMETER_AGENT_RIVALS_H
#define CODECMETER_AGENT_RIVALS_H

#include "agent/outputs.h"

/* In the reason of a file that may be another run's. */
#define RIVALS_SHARED "another run writes to the same place at the same time"

/* Changes the state of each file that is not this run's alone to MADE_SHARED or MADE_RIVALS. */
void rivals_judge(const struct outputs *outputs, struct made_list *made);

/* What pairs of candidates are compared by. */
struct rival_spots;
MUST_USE struct rival_spots *rival_spots_new(const struct outputs *outputs); /* never NULL; borrows the candidates */
void rival_spots_free(struct rival_spots *spots);
SCOPED_REF(struct rival_spots, rival_spots_free)
/* Marks the candidates of `a` that may lead to a file which a directory or a pattern of `b` leads to too, or the other way
 * round: too many rather than too few. ret: has room for the candidates of `a`. Returns how many it marks. */
size_t rival_spots_meet(const struct rival_spots *a, const struct rival_spots *b, bool *ret);

/* True if both candidates may lead to one file. The first is of a run whose command may still make it. */
bool candidate_shares(const struct candidate *candidate, const struct candidate *other);

#endif
