/* Guesses which word a mistyped one was meant to be. */
#ifndef CODECMETER_CLI_SUGGEST_H
#define CODECMETER_CLI_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* The number of letters to insert, remove, replace or swap with their neighbour to make one word of the other;
 * SUGGEST_FAR when a word is longer than SUGGEST_WORD_MAX. */
#define SUGGEST_WORD_MAX 40
#define SUGGEST_FAR ((size_t)-1)
size_t suggest_distance(const char *a, const char *b);

/* A search for the nearest candidate: start with {.word = …}, offer every candidate, and read `best`. It is NULL when
 * no candidate is near: at most one change in three letters. A candidate that begins with the word is also near if
 * the word has two letters or more. Among equally near candidates the first offered wins. Borrows all texts. */
struct suggestion {
  const char *word, *best;
  size_t distance; /* of best */
};
void suggest_offer(struct suggestion *suggestion, const char *candidate);

#endif
