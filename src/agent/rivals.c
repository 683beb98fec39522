/* A file's time of change (ctime) tells whether it is older than a run. No tool can set it. The clock of a file server may
 * differ from ours, so a second is not enough of a difference to be sure.
 *
 * Hundreds of runs may work in one directory, each with outputs of its own. So candidates are compared in memory, by what
 * was looked up once for each.
 */
#include "agent/rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/wanted.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

#define CLOCK_SLACK_S 1

/* ---- paths ---- */

static bool is_in(const char *path, const char *directory) {
  struct stat a, b;
  SCOPED_MALLOC char *above = file_directory(path);
  return stat(above, &a) == 0 && stat(directory, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool is_same_directory(const char *a, const char *b) {
  SCOPED_MALLOC char *directory = file_directory(b);
  return is_in(a, directory);
}

/* True if both paths lead to one file, or, before the file exists, to one name in one directory. */
static bool is_same_place(const char *a, const char *b) {
  struct stat of_a, of_b;
  if (strcmp(a, b) == 0) return true;
  if (stat(a, &of_a) == 0 && stat(b, &of_b) == 0) return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
  return strcmp(file_name(a), file_name(b)) == 0 && is_same_directory(a, b);
}

/* True if the path matches the pattern, directory by directory. */
static bool matches_path(const char *pattern, const char *path) {
  struct str left = str_of(pattern), other = str_of(path);
  while (left.len > 0 && other.len > 0) {
    struct str sign = str_cut(&left, '/'), text = str_cut(&other, '/');
    SCOPED_MALLOC char *component = strndup(sign.ptr, sign.len), *name = strndup(text.ptr, text.len);
    CHECK(component != NULL && name != NULL);
    if (!outputs_match(component, name)) return false;
  }
  return left.len == 0 && other.len == 0;
}

/* ---- claims ---- */

enum claim { CLAIM_NONE, CLAIM_DIRECTORY, CLAIM_PATTERN, CLAIM_EXACT };

/* An argument that its run found and left as it was. */
static bool is_input(const struct candidate *candidate) {
  return candidate->role == CANDIDATE_ARGUMENT && candidate->before.was_there && !candidate_has_changed(candidate);
}

static enum claim claim_of(const struct candidate *candidate, const char *path) {
  bool is_pattern = outputs_is_pattern(candidate->path);
  if (is_same_place(candidate->path, path)) return is_input(candidate) ? CLAIM_NONE : CLAIM_EXACT;
  if (is_pattern && (matches_path(candidate->path, path) || (outputs_match(file_name(candidate->path), file_name(path)) &&
                                                             is_same_directory(candidate->path, path))))
    return CLAIM_PATTERN;
  return is_in(path, candidate->path) ? CLAIM_DIRECTORY : CLAIM_NONE;
}

/* True if the run of this candidate may write files beside it that it does not name. */
static bool writes_beside(const struct candidate *candidate, const char *path) {
  bool is_unknown = candidate->role == CANDIDATE_ARGUMENT && file_exists(candidate->path) && !is_input(candidate);
  return (is_unknown || wanted_is_list(candidate->path)) && is_same_directory(candidate->path, path);
}

static enum claim strongest(const struct outputs *outputs, const char *path, bool of_rival) {
  enum claim strongest = CLAIM_NONE;
  for (size_t i = 0; i < outputs->count && strongest < CLAIM_EXACT; i++) {
    enum claim claim = claim_of(&outputs->items[i], path);
    if (claim == CLAIM_NONE && of_rival && writes_beside(&outputs->items[i], path)) claim = CLAIM_DIRECTORY;
    if (claim > strongest) strongest = claim;
  }
  return strongest;
}

/* True if the file was as it is before that run began. */
static bool is_older(const struct stat *st, const struct rival *rival) {
  return st->st_ctim.tv_sec + CLOCK_SLACK_S < rival->began.tv_sec;
}

static void judge(const struct outputs *outputs, struct made *made) {
  struct stat st;
  enum claim other = CLAIM_NONE;
  enum claim own = strongest(outputs, made->path, false);
  if (own == CLAIM_EXACT || stat(made->path, &st) != 0) return;
  for (size_t i = 0; i < outputs->rivals.count; i++) {
    const struct rival *rival = &outputs->rivals.items[i];
    enum claim claim = is_older(&st, rival) ? CLAIM_NONE : strongest(&rival->outputs, made->path, true);
    if (claim > other) other = claim;
  }
  if (other < own || other == CLAIM_NONE) return;
  made->state = other > own ? MADE_RIVALS : MADE_SHARED;
  if (made->state == MADE_RIVALS)
    (void)err_set(&made->why, ERR_MEDIA, "%s: another run names it as its output, and counts it", made->path);
  else
    (void)err_set(&made->why, ERR_MEDIA,
                  "%s: not counted: " RIVALS_SHARED
                  ", and nobody can tell which of them made this file; record it with `codecmeter record` for its "
                  "customer; next time, name the outputs with --output, or give each run a directory of its own",
                  made->path);
}

void rivals_judge(const struct outputs *outputs, struct made_list *made) {
  for (size_t i = 0; outputs->rivals.count > 0 && i < made->count; i++) {
    if (made->items[i].state == MADE_FILE) judge(outputs, &made->items[i]);
  }
}

/* ---- do two runs meet? ---- */

struct spot {
  const char *path;
  char *dir;
  bool is_there, is_dir_there, is_pattern, is_regular;
  bool is_too_long; /* no file can have this name: a piece of a script, for example */
  struct stat st, dir_st;
};

struct rival_spots {
  struct spot *items;
  size_t count;
};

struct rival_spots *rival_spots_new(const struct outputs *outputs) {
  struct rival_spots *spots = calloc(1, sizeof *spots);
  CHECK(spots != NULL);
  spots->items = calloc(outputs->count + 1, sizeof *spots->items);
  CHECK(spots->items != NULL);
  for (size_t i = 0; i < outputs->count; i++) {
    struct spot *spot = &spots->items[spots->count++];
    const char *path = outputs->items[i].path;
    *spot = (struct spot){.path = path, .dir = file_directory(path), .is_pattern = outputs_is_pattern(path)};
    spot->is_there = stat(path, &spot->st) == 0;
    spot->is_too_long = !spot->is_there && errno == ENAMETOOLONG;
    spot->is_regular = spot->is_there && S_ISREG(spot->st.st_mode);
    spot->is_dir_there = stat(spot->dir, &spot->dir_st) == 0;
  }
  return spots;
}

void rival_spots_free(struct rival_spots *spots) {
  for (size_t i = 0; i < spots->count; i++)
    free(spots->items[i].dir);
  free(spots->items);
  free(spots);
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_inside(const struct spot *spot, const struct spot *directory) {
  if (strcmp(spot->dir, directory->path) == 0) return true;
  return spot->is_dir_there && directory->is_there && is_same_file(&spot->dir_st, &directory->st);
}

static bool is_beside(const struct spot *a, const struct spot *b) {
  if (strcmp(a->dir, b->dir) == 0) return true;
  return a->is_dir_there && b->is_dir_there && is_same_file(&a->dir_st, &b->dir_st);
}

/* The length of what a pattern begins with and takes literally. */
static size_t literal_len(const char *text) {
  size_t len = 0;
  while (text[len] != '\0' && text[len] != '%' && text[len] != '$')
    len++;
  return len;
}

/* False if no text can begin like both. */
static bool begin_alike(const char *a, const char *b) {
  size_t a_len = literal_len(a), b_len = literal_len(b);
  return strncmp(a, b, a_len < b_len ? a_len : b_len) == 0;
}

/* One file that both name is exact for both. What is not there may become a directory. */
static bool meet(const struct spot *a, const struct spot *b) {
  if (a->is_too_long || b->is_too_long || (a->is_regular && b->is_regular)) return false;
  if (strcmp(a->path, b->path) == 0 || (a->is_there && b->is_there && is_same_file(&a->st, &b->st))) return true;
  if (is_inside(a, b) || is_inside(b, a)) return true;
  if (!a->is_pattern && !b->is_pattern) return false;
  if (outputs_is_pattern(a->dir) || outputs_is_pattern(b->dir)) return begin_alike(a->path, b->path);
  return is_beside(a, b) && begin_alike(file_name(a->path), file_name(b->path));
}

static bool meets_any(const struct spot *spot, const struct rival_spots *others) {
  for (size_t i = 0; i < others->count; i++) {
    if (meet(spot, &others->items[i])) return true;
  }
  return false;
}

size_t rival_spots_meet(const struct rival_spots *a, const struct rival_spots *b, bool *ret) {
  size_t count = 0;
  for (size_t i = 0; i < a->count; i++) {
    ret[i] = meets_any(&a->items[i], b);
    count += ret[i];
  }
  return count;
}

/* ---- one file of two runs ---- */

bool candidate_shares(const struct candidate *candidate, const struct candidate *other) {
  bool is_input = candidate->role == CANDIDATE_ARGUMENT && candidate->before.was_there && !candidate_has_changed(candidate);
  if (is_input || candidate->was_full) return false;
  if (is_same_place(candidate->path, other->path)) return true;
  struct stat st;
  if (stat(candidate->path, &st) == 0 && S_ISDIR(st.st_mode)) return is_in(other->path, candidate->path);
  bool matches = outputs_match(file_name(candidate->path), file_name(other->path)) ||
                 outputs_match(file_name(other->path), file_name(candidate->path));
  return matches && is_same_directory(candidate->path, other->path);
}
