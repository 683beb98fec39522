#include "cli/suggest.h"

#include <string.h>

#define LETTERS_PER_CHANGE 3

static size_t least(size_t a, size_t b, size_t c) {
  size_t two = a < b ? a : b;
  return two < c ? two : c;
}

/* The distance of "optimal string alignment". rows[i][j]: the distance of the first i letters of a and the first j of
 * b.
 */
size_t suggest_distance(const char *a, const char *b) {
  size_t rows[SUGGEST_WORD_MAX + 1][SUGGEST_WORD_MAX + 1];
  size_t a_len = strlen(a), b_len = strlen(b);
  if (a_len > SUGGEST_WORD_MAX || b_len > SUGGEST_WORD_MAX) return SUGGEST_FAR;
  for (size_t i = 0; i <= a_len; i++) {
    for (size_t j = 0; j <= b_len; j++) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      bool equal = a[i - 1] == b[j - 1];
      rows[i][j] = least(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + !equal);
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && rows[i - 2][j - 2] + 1 < rows[i][j]) rows[i][j] = rows[i - 2][j - 2] + 1;
    }
  }
  return rows[a_len][b_len];
}

static size_t distance_of(const char *word, const char *candidate) {
  size_t len = strlen(word), candidate_len = strlen(candidate);
  if (len >= 2 && strncmp(word, candidate, len) == 0) return 1;
  size_t distance = suggest_distance(word, candidate);
  size_t longer = len > candidate_len ? len : candidate_len;
  return distance <= longer / LETTERS_PER_CHANGE ? distance : SUGGEST_FAR;
}

void suggest_offer(struct suggestion *suggestion, const char *candidate) {
  size_t distance = distance_of(suggestion->word, candidate);
  if (distance == SUGGEST_FAR || (suggestion->best != NULL && distance >= suggestion->distance)) return;
  suggestion->best = candidate;
  suggestion->distance = distance;
}
