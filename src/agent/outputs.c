/* We do not know which arguments of an unknown command name outputs. So every argument is a candidate,
 * and the files decide: a file that the command did not touch is no output. What a command does to its inputs must
 * not make them outputs: a new attribute or link count (`ln`, `chmod`), and `mv`. So an argument's file counts by
 * size, time of writing and inode, not by the time of its last change of attributes. A file that the user or ffmpeg's
 * line names as an output counts with any change.
 *
 * A directory that had files before may be shared with other runs. What is new in it may be theirs, perhaps for
 * another project. So only a directory that was empty, or did not exist, is looked into.
 */
#include "agent/outputs.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ffmpeg_line.h"
#include "agent/rivals.h"
#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"

#define PIECES_MAX 64 /* of one argument */
#define NS_IN_S INT64_C(1000000000)

/* ---- files before the run ---- */

struct file_before file_before_look(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return (struct file_before){.was_there = false};
  return (struct file_before){.was_there = true,
                              .dev = st.st_dev,
                              .ino = st.st_ino,
                              .size = st.st_size,
                              .mtime = st.st_mtim,
                              .ctime = st.st_ctim};
}

static bool is_same_time(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct file_before *a, const struct file_before *b) {
  return a->was_there && b->was_there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
         is_same_time(a->mtime, b->mtime) && is_same_time(a->ctime, b->ctime);
}

int file_before_check(const struct file_before *before, const char *path, struct err *err) {
  struct file_before now = file_before_look(path);
  if (!now.was_there) {
    if (file_may_pass(errno)) return err_set_errno(err, ERR_IO, errno, "%s", path);
    return err_set(err, ERR_MEDIA, "%s: the command did not make this file; name its outputs with --output", path);
  }
  if (!is_same(before, &now)) return 0;
  return err_set(err, ERR_MEDIA, "%s: the command did not change this file; name its outputs with --output", path);
}

/* The same content, as far as the file system tells: attributes may differ. */
static bool is_same_content(const struct file_before *a, const struct file_before *b) {
  return a->was_there && b->was_there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
         is_same_time(a->mtime, b->mtime);
}

static uint64_t hash_text(struct str text) {
  uint8_t digest[DIGEST_SHA256_SIZE];
  uint64_t hash = 0;
  digest_sha256(text, digest);
  for (size_t i = 0; i < sizeof hash; i++)
    hash = hash << 8 | digest[i];
  return hash;
}

struct file_mark file_mark_of(const char *path, const struct file_before *was) {
  char text[128];
  CHECK(was->was_there);
  int len = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRId64 " %lld.%09ld", was->dev, was->ino,
                     was->size, (long long)was->mtime.tv_sec, was->mtime.tv_nsec);
  CHECK(len > 0 && (size_t)len < sizeof text);
  return (struct file_mark){.path = hash_text(str_of(path)),
                            .content = hash_text(str_make(text, (size_t)len)),
                            .change = (uint64_t)was->ctime.tv_sec * NS_IN_S + (uint64_t)was->ctime.tv_nsec};
}

/* ---- patterns ---- */

/* Reads one sign of a pattern and steps over it. *ret_literal: the character that it is, or 0: any text. */
static const char *read_sign(const char *sign, char *ret_literal, bool *ret_digits) {
  *ret_literal = *sign;
  *ret_digits = false;
  if (sign[0] != '\0' && (sign[0] == '%' || sign[0] == '$') && sign[1] == sign[0]) return sign + 2;
  if (*sign == '$') {
    const char *close = strchr(sign + 1, '$');
    if (close == NULL) return sign + 1;
    *ret_literal = '\0';
    return close + 1;
  }
  if (*sign != '%') return sign + 1;
  const char *letter = sign + 1 + strspn(sign + 1, "0123456789");
  if (!g_ascii_isalpha(*letter)) return sign + 1;
  *ret_literal = '\0';
  *ret_digits = *letter == 'd';
  return letter + 1;
}

/* Follows all ways to match at once: after each sign, `at` has the positions in the name that it may have reached. */
bool outputs_match(const char *pattern, const char *name) {
  size_t len = strlen(name);
  bool at[NAME_MAX + 2] = {true};
  if (len > NAME_MAX) return false;
  while (*pattern != '\0') {
    char literal;
    bool digits, next[NAME_MAX + 2] = {false};
    pattern = read_sign(pattern, &literal, &digits);
    for (size_t i = 0; i < len; i++) {
      bool fits = literal != '\0' ? name[i] == literal : !digits || g_ascii_isdigit(name[i]);
      next[i + 1] = fits && (at[i] || (literal == '\0' && next[i]));
    }
    memcpy(at, next, sizeof at);
  }
  return at[len];
}

bool outputs_is_pattern(const char *text) {
  while (*text != '\0') {
    char literal;
    bool digits;
    text = read_sign(text, &literal, &digits);
    if (literal == '\0') return true;
  }
  return false;
}

static bool is_regular(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_directory(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_no_dot(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* True if a directory that cannot be read, for that reason, may have outputs in it. What we can neither read nor
 * write, the command cannot write either. */
static bool may_hide_outputs(const char *dir, int code) {
  bool is_denied = code == EACCES || code == EPERM;
  return file_may_pass(code) && !(is_denied && access(dir, W_OK) != 0);
}

/* Lists a directory, sorted. -1: it may have outputs and cannot be read; errno says why. */
static int list_directory(const char *dir, struct dirent ***ret) {
  int count = scandir(dir, ret, is_no_dot, alphasort);
  int code = errno;
  if (count >= 0) return count;
  *ret = NULL;
  bool hides = may_hide_outputs(dir, code);
  errno = code;
  return hides ? -1 : 0;
}

/* Adds the files below dir that match the rest of a pattern, sorted. dir is "" for the root. *ret_code gets the first
 * errno of a directory that may have others and cannot be read. */
static void add_matches(const char *dir, const char *rest, GPtrArray *out, int *ret_code) {
  struct str left = str_of(rest), first = str_cut(&left, '/');
  bool is_last = strchr(rest, '/') == NULL;
  SCOPED_MALLOC char *component = strndup(first.ptr, first.len);
  struct dirent **list = NULL;
  if (!outputs_is_pattern(component)) {
    SCOPED_MALLOC char *path = file_path(dir, component);
    if (!is_last)
      add_matches(path, left.ptr, out, ret_code);
    else if (is_regular(path))
      g_ptr_array_add(out, MOVE(path));
    return;
  }
  int count = list_directory(*dir != '\0' ? dir : "/", &list);
  if (count < 0 && *ret_code == 0) *ret_code = errno;
  for (int i = 0; i < count; i++) {
    SCOPED_MALLOC char *path = outputs_match(component, list[i]->d_name) ? file_path(dir, list[i]->d_name) : NULL;
    if (path != NULL && !is_last && is_directory(path)) add_matches(path, left.ptr, out, ret_code);
    if (path != NULL && is_last && is_regular(path)) g_ptr_array_add(out, MOVE(path));
    free(list[i]);
  }
  free(list);
}

/* The files that match an absolute pattern. *ret_code: 0, or why there may be others. */
static GPtrArray *matches_of(const char *pattern, int *ret_code) {
  GPtrArray *paths = g_ptr_array_new_with_free_func(free);
  *ret_code = 0;
  if (outputs_is_pattern(pattern)) add_matches("", pattern + 1, paths, ret_code);
  return paths;
}

/* ---- candidates ---- */

struct candidate *outputs_add(struct outputs *outputs, char *path, enum candidate_role role) {
  struct candidate *candidate = vector_must_add(outputs);
  candidate->path = path;
  candidate->role = role;
  return candidate;
}

struct rival *outputs_add_rival(struct outputs *outputs, struct timespec began) {
  struct rival *rival = vector_must_add(&outputs->rivals);
  rival->began = began;
  return rival;
}

void outputs_forget_rivals(struct outputs *outputs) {
  for (size_t i = 0; i < outputs->rivals.count; i++)
    outputs_fini(&outputs->rivals.items[i].outputs);
  vector_fini(&outputs->rivals);
}

/* Candidates that are being collected. `places` maps a path to its place in outputs->items. */
struct collection {
  struct outputs *outputs;
  GHashTable *places;
  char directory[PATH_MAX]; /* the working directory; "": it has no path, as one that was removed */
  int code;                 /* why it has none */
  char *lost;               /* the first output that therefore has no path either; NULL: every output has a path */
};

static void find_directory(struct collection *to) {
  errno = 0;
  bool is_found = getcwd(to->directory, sizeof to->directory) != NULL;
  to->code = errno;
  if (!is_found) to->directory[0] = '\0';
}

/* NULL if the name is relative, and the working directory has no path. */
static char *absolute_path(const struct collection *to, const char *name) {
  char *joined = NULL;
  bool is_relative = name[0] != '/';
  if (is_relative && to->directory[0] == '\0') return NULL;
  CHECK(asprintf(&joined, "%s%s%s", is_relative ? to->directory : "", is_relative ? "/" : "", name) >= 0);
  return joined;
}

static void lose(struct collection *to, const char *name) {
  if (to->lost != NULL) return;
  to->lost = strdup(name);
  CHECK(to->lost != NULL);
}

/* NULL if the name is empty or too long for a path, or has none. */
static struct candidate *add(struct collection *to, const char *name, enum candidate_role role) {
  if (*name == '\0' || strlen(name) >= PATH_MAX) return NULL;
  SCOPED_MALLOC char *path = absolute_path(to, name);
  if (path == NULL && role != CANDIDATE_ARGUMENT) lose(to, name);
  if (path == NULL) return NULL;
  gpointer place;
  if (g_hash_table_lookup_extended(to->places, path, NULL, &place))
    return &to->outputs->items[GPOINTER_TO_SIZE(place)];
  g_hash_table_insert(to->places, strdup(path), GSIZE_TO_POINTER(to->outputs->count));
  return outputs_add(to->outputs, MOVE(path), role);
}

static const char *without_scheme(const char *name) {
  if (strncmp(name, "file://", 7) == 0) return name + 7;
  return strncmp(name, "file:", 5) == 0 ? name + 5 : name;
}

/* "a", and of "a=b" also "b". */
static void add_text(struct collection *to, const char *text) {
  const char *value = strchr(text, '=');
  if (*text != '-') (void)add(to, without_scheme(text), CANDIDATE_ARGUMENT);
  if (value != NULL) (void)add(to, without_scheme(value + 1), CANDIDATE_ARGUMENT);
}

static void add_argument(struct collection *to, const char *argument) {
  add_text(to, argument);
  bool is_joined = argument[0] == '-' && argument[1] != '-' && argument[1] != '\0' && argument[2] != '\0';
  if (is_joined) (void)add(to, argument + 2, CANDIDATE_ARGUMENT); /* -oFILE */
  if (strchr(argument, ',') == NULL) return;
  struct str rest = str_of(argument);
  for (int i = 0; i < PIECES_MAX && rest.len > 0; i++) {
    struct str piece = str_cut(&rest, ',');
    SCOPED_MALLOC char *text = strndup(piece.ptr, piece.len);
    add_text(to, text);
  }
}

static void add_elsewhere(struct outputs *outputs, const struct ffmpeg_output *output) {
  static const char *const reasons[] = {[FFMPEG_NOTHING] = "nothing is written",
                                        [FFMPEG_DEVICE] = "a device cannot be measured",
                                        [FFMPEG_PIPE] = "a pipe cannot be measured",
                                        [FFMPEG_NETWORK] = "what is sent over a network cannot be measured"};
  char *text = NULL;
  CHECK(asprintf(&text, "%s: %s", output->name, reasons[output->sink]) >= 0);
  *vector_must_add(&outputs->elsewhere) = text;
}

/* True if a file of this name cannot be a transcode that is measured: then its failure is not reported either. */
static bool is_no_video_name(const char *name) {
  static const char *const ends[] = {"jpg",  "jpeg", "png", "bmp", "tif", "tiff", "mp3", "m4a",  "aac", "wav",
                                     "flac", "opus", "srt", "vtt", "ass", "txt",  "log", "json", "csv"};
  const char *dot = strrchr(name, '.');
  if (strncmp(name, "/dev/", 5) == 0) return true;
  for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof ends[0]; i++) {
    if (g_ascii_strcasecmp(dot + 1, ends[i]) == 0) return true;
  }
  return false;
}

/* With --output, the line only says of the outputs that it names whether their video is copied. */
static void add_line(struct collection *to, const struct ffmpeg_line *line, bool is_named) {
  for (size_t i = 0; i < line->count; i++) {
    const struct ffmpeg_output *output = &line->items[i];
    if (output->sink != FFMPEG_FILE) {
      if (!is_named) add_elsewhere(to->outputs, output);
      continue;
    }
    size_t before = to->outputs->count;
    SCOPED_MALLOC char *path = absolute_path(to, output->name);
    if (is_named && path != NULL && !g_hash_table_contains(to->places, path)) continue;
    struct candidate *candidate = add(to, output->name, CANDIDATE_OUTPUT);
    if (candidate == NULL) continue;
    bool is_new = to->outputs->count > before;
    candidate->is_remux = output->video == FFMPEG_COPIED;
    candidate->is_mixed = output->video == FFMPEG_MIXED;
    if (is_new)
      candidate->is_task = !output->is_extra && output->video != FFMPEG_NO_VIDEO && !is_no_video_name(output->name);
  }
}

static void add_arguments(struct collection *to, char *const *argv) {
  const char *last = argv[0];
  for (char *const *word = argv + 1; *word != NULL; word++) {
    add_argument(to, *word);
    last = *word;
  }
  struct candidate *task = add(to, last, CANDIDATE_ARGUMENT);
  if (task != NULL) task->is_task = true;
  if (task == NULL && last[0] != '/' && to->directory[0] == '\0') lose(to, last);
}

int outputs_find(char *const *argv, char *const *named, struct outputs *ret, struct err *err) {
  CHECK(ret->count == 0);
  struct ffmpeg_line line;
  struct collection to = {.outputs = ret, .places = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL)};
  find_directory(&to);
  bool is_ffmpeg = ffmpeg_line_read(argv, &line);
  for (size_t i = 0; named != NULL && named[i] != NULL; i++) {
    struct candidate *candidate = add(&to, named[i], CANDIDATE_NAMED);
    if (candidate != NULL) candidate->is_task = true;
  }
  if (is_ffmpeg)
    add_line(&to, &line, named != NULL);
  else if (named == NULL)
    add_arguments(&to, argv);
  ffmpeg_line_fini(&line);
  g_hash_table_destroy(to.places);
  SCOPED_MALLOC char *lost = to.lost;
  if (lost == NULL) return 0;
  return err_set_errno(
      err, ERR_USAGE, to.code,
      "%s: the command was not run, because this name is relative and the working directory has no path; "
      "change to a directory that exists, or give absolute names",
      lost);
}

static void look_into(struct candidate *candidate) {
  struct dirent **list = NULL;
  int count = list_directory(candidate->path, &list);
  for (int i = 0; i < count; i++)
    free(list[i]);
  free(list);
  candidate->was_full = count > 0;
  candidate->was_hidden = count < 0;
}

void outputs_look(struct outputs *outputs) {
  outputs->began = clock_file_time();
  for (size_t i = 0; i < outputs->count; i++) {
    struct candidate *candidate = &outputs->items[i];
    candidate->before = file_before_look(candidate->path);
    if (is_directory(candidate->path)) look_into(candidate);
    int code = 0;
    GPtrArray *paths = matches_of(candidate->path, &code);
    candidate->was_hidden = candidate->was_hidden || code != 0;
    candidate->seen = calloc(paths->len + 1, sizeof *candidate->seen);
    CHECK(candidate->seen != NULL);
    for (guint n = 0; n < paths->len; n++) {
      const char *path = paths->pdata[n];
      struct file_before was = file_before_look(path);
      if (was.was_there) candidate->seen[candidate->seen_count++] = file_mark_of(path, &was);
    }
    g_ptr_array_unref(paths);
  }
}

void outputs_fini(struct outputs *outputs) {
  for (size_t i = 0; i < outputs->count; i++) {
    struct candidate *candidate = &outputs->items[i];
    free(candidate->seen);
    free(candidate->path);
  }
  for (size_t i = 0; i < outputs->elsewhere.count; i++)
    free(outputs->elsewhere.items[i]);
  vector_fini(&outputs->elsewhere);
  outputs_forget_rivals(outputs);
  free(outputs->made);
  vector_fini(outputs);
  *outputs = (struct outputs){0};
}

/* ---- what the command made ---- */

/* What is being collected. The sets hold hashes of marks, except `files`. */
struct making {
  const struct outputs *outputs;
  struct made_list *list;
  GHashTable *files;         /* device and inode: each file once */
  GHashTable *before;        /* the contents that were there before, under any of the names */
  GHashTable *made_paths;    /* with OUTPUTS_NOTED: what was made when the command ended */
  GHashTable *made_contents; /* likewise */
};

static char *file_key(uint64_t dev, uint64_t ino) { return g_strdup_printf("%" PRIu64 ":%" PRIu64, dev, ino); }

static GHashTable *set_of_hashes(void) { return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL); }

static void set_add(GHashTable *set, uint64_t hash) {
  guint64 *key = g_new(guint64, 1);
  *key = hash;
  (void)g_hash_table_add(set, key);
}

static bool set_has(GHashTable *set, uint64_t hash) { return g_hash_table_contains(set, &hash); }

static struct made *append_made(struct making *making, const char *path, const struct candidate *of) {
  struct made *made = vector_must_add(making->list);
  made->path = strdup(path);
  made->of = of;
  CHECK(made->path != NULL);
  return made;
}

static void append_nothing(struct making *making, const char *path, const struct candidate *of, const char *why) {
  struct made *made = append_made(making, path, of);
  made->state = MADE_NOTHING;
  (void)err_set(&made->why, ERR_MEDIA, "%s: %s", path, why);
}

static const char unlike_the_end[] =
    "it has changed since the command ended, so another program wrote it, and what the command made is not counted";
static const char was_hidden[] =
    "the directory could not be read before the run, so nobody can tell what the command made there; record that "
    "with "
    "`codecmeter record`";
static const char not_made[] = "the command did not make this file; name its outputs with --output";
static const char doubtful[] =
    "not counted: it was there before the run, and after the run was killed, nobody can tell whether the command "
    "changed it or another program; if it is an output, record it with `codecmeter record`";

/* False: the noted end of the command says that this file is not what the command made. */
static bool is_as_noted(struct making *making, const char *path, const struct candidate *of,
                        const struct file_mark *now) {
  if (making->outputs->end != OUTPUTS_NOTED || set_has(making->made_contents, now->content)) return true;
  if (set_has(making->made_paths, now->path))
    append_nothing(making, path, of, unlike_the_end);
  else if (of->role != CANDIDATE_ARGUMENT && strcmp(path, of->path) == 0)
    append_nothing(making, path, of, not_made);
  return false;
}

/* Adds a file that was not there before, or has changed. */
static void add_made(struct making *making, const char *path, const struct candidate *of, bool was_there) {
  struct file_before now = file_before_look(path);
  if (!now.was_there) {
    append_nothing(making, path, of, "it vanished");
    return;
  }
  if (!g_hash_table_add(making->files, file_key(now.dev, now.ino))) return;
  struct file_mark mark = file_mark_of(path, &now);
  if (!is_as_noted(making, path, of, &mark)) return;
  struct made *made = append_made(making, path, of);
  if (of->role != CANDIDATE_ARGUMENT) return;
  if (set_has(making->before, mark.content)) {
    made->state = MADE_OTHER;
    (void)err_set(&made->why, ERR_MEDIA, "%s: it was there before, under another name", path);
  } else if (was_there && making->outputs->end == OUTPUTS_UNKNOWN) {
    made->state = MADE_DOUBTFUL;
    (void)err_set(&made->why, ERR_MEDIA, "%s: %s", path, doubtful);
  }
}

bool candidate_has_changed(const struct candidate *of) {
  struct file_before now = file_before_look(of->path);
  if (!now.was_there) return false;
  return of->role == CANDIDATE_ARGUMENT ? !is_same_content(&of->before, &now) : !is_same(&of->before, &now);
}

static int compare_marks(const void *a, const void *b) {
  const struct file_mark *first = a, *second = b;
  return first->path < second->path ? -1 : first->path > second->path;
}

/* A directory that may have outputs cannot be read now. */
static void append_hidden(struct making *making, const struct candidate *of, int code) {
  struct made *made = append_made(making, of->path, of);
  made->state = MADE_NOTHING;
  (void)err_set_errno(&made->why, ERR_IO, code, "%s: cannot look for the outputs that the command made there",
                      of->path);
}

/* The files that match a pattern, unless they were there before and are the same. */
static bool add_pattern(struct making *making, const struct candidate *of) {
  int code = 0;
  GPtrArray *paths = matches_of(of->path, &code);
  size_t before = making->list->count;
  if (code != 0) append_hidden(making, of, code);
  qsort(of->seen, of->seen_count, sizeof *of->seen, compare_marks);
  for (guint i = 0; i < paths->len; i++) {
    struct file_before look = file_before_look(paths->pdata[i]);
    if (!look.was_there) continue;
    struct file_mark now = file_mark_of(paths->pdata[i], &look);
    const struct file_mark *seen = bsearch(&now, of->seen, of->seen_count, sizeof *of->seen, compare_marks);
    bool is_same_file = seen != NULL && seen->content == now.content &&
                        (of->role == CANDIDATE_ARGUMENT || seen->change == now.change);
    if (!is_same_file) add_made(making, paths->pdata[i], of, seen != NULL);
  }
  g_ptr_array_unref(paths);
  return making->list->count > before;
}

static void add_directory(struct making *making, const struct candidate *of) {
  struct dirent **list = NULL;
  int count = of->was_full ? 0 : list_directory(of->path, &list);
  if (count < 0) append_hidden(making, of, errno);
  for (int i = 0; i < count; i++) {
    SCOPED_MALLOC char *path = file_path(of->path, list[i]->d_name);
    if (is_regular(path)) add_made(making, path, of, false);
    free(list[i]);
  }
  free(list);
}

/* A file that is not there, or has not changed. Expected outputs, and those that were made, are missed. */
static void add_missing(struct making *making, const struct candidate *of) {
  struct err why;
  if (of->role == CANDIDATE_ARGUMENT) {
    bool is_gone = making->outputs->end == OUTPUTS_NOTED && !file_exists(of->path) &&
                   set_has(making->made_paths, hash_text(str_of(of->path)));
    if (is_gone) append_nothing(making, of->path, of, "the command made this file, and it is gone");
    return;
  }
  if (file_before_check(&of->before, of->path, &why) == 0) return;
  struct made *made = append_made(making, of->path, of);
  made->state = MADE_NOTHING;
  made->why = why;
}

static void add_taken(struct making *making, const struct candidate *of) {
  if (of->role == CANDIDATE_ARGUMENT && !file_exists(of->path)) return;
  append_nothing(making, of->path, of, OUTPUTS_TAKEN " before what this one made could be measured");
}

static void add_special(struct making *making, const struct candidate *of) {
  struct made *made = append_made(making, of->path, of);
  made->state = MADE_OTHER;
  (void)err_set(&made->why, ERR_MEDIA, "%s: a pipe or a device cannot be measured", of->path);
}

static void add_candidate(struct making *making, const struct candidate *of) {
  struct stat st;
  bool is_there = stat(of->path, &st) == 0;
  if (of->is_taken) {
    add_taken(making, of);
  } else if (of->was_hidden) {
    append_nothing(making, of->path, of, was_hidden);
  } else if (is_there && S_ISDIR(st.st_mode) && of->role != CANDIDATE_OUTPUT) {
    add_directory(making, of);
  } else if (is_there && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && of->role == CANDIDATE_OUTPUT) {
    add_special(making, of);
  } else if (is_there && (S_ISREG(st.st_mode) || of->role != CANDIDATE_ARGUMENT) && candidate_has_changed(of)) {
    add_made(making, of->path, of, of->before.was_there);
  } else if (!add_pattern(making, of)) {
    add_missing(making, of);
  }
}

/* Notes what was there before, and what the command had made when it ended. */
static void fill_sets(struct making *making) {
  const struct outputs *outputs = making->outputs;
  for (size_t i = 0; i < outputs->count; i++) {
    const struct candidate *candidate = &outputs->items[i];
    if (candidate->before.was_there)
      set_add(making->before, file_mark_of(candidate->path, &candidate->before).content);
    for (size_t n = 0; n < candidate->seen_count; n++)
      set_add(making->before, candidate->seen[n].content);
  }
  for (size_t i = 0; i < outputs->made_count; i++) {
    set_add(making->made_paths, outputs->made[i].path);
    set_add(making->made_contents, outputs->made[i].content);
  }
}

void outputs_made(const struct outputs *outputs, struct made_list *ret) {
  *ret = (struct made_list){0};
  struct making making = {.outputs = outputs,
                          .list = ret,
                          .files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                          .before = set_of_hashes(),
                          .made_paths = set_of_hashes(),
                          .made_contents = set_of_hashes()};
  fill_sets(&making);
  for (size_t i = 0; i < outputs->count; i++)
    add_candidate(&making, &outputs->items[i]);
  rivals_judge(outputs, ret);
  g_hash_table_destroy(making.files);
  g_hash_table_destroy(making.before);
  g_hash_table_destroy(making.made_paths);
  g_hash_table_destroy(making.made_contents);
}

size_t outputs_mark_made(const struct outputs *outputs, struct file_mark **ret) {
  struct made_list made;
  size_t count = 0;
  outputs_made(outputs, &made);
  *ret = calloc(made.count + 1, sizeof **ret);
  CHECK(*ret != NULL);
  for (size_t i = 0; i < made.count; i++) {
    struct file_before now = file_before_look(made.items[i].path);
    enum made_state state = made.items[i].state;
    bool is_made = state == MADE_FILE || state == MADE_SHARED || state == MADE_RIVALS;
    if (is_made && now.was_there) (*ret)[count++] = file_mark_of(made.items[i].path, &now);
  }
  made_list_fini(&made);
  return count;
}

void made_list_fini(struct made_list *list) {
  for (size_t i = 0; i < list->count; i++)
    free(list->items[i].path);
  vector_fini(list);
}

bool outputs_made_any(const struct outputs *outputs) {
  struct made_list made;
  bool any = false;
  outputs_made(outputs, &made);
  for (size_t i = 0; i < made.count; i++)
    any = any || made.items[i].state == MADE_FILE || made.items[i].why.code != ERR_MEDIA;
  made_list_fini(&made);
  return any;
}

bool candidate_exists(const struct candidate *candidate) {
  if (file_exists(candidate->path)) return true;
  int code = 0;
  GPtrArray *paths = matches_of(candidate->path, &code);
  bool any = paths->len > 0 || code != 0;
  g_ptr_array_unref(paths);
  return any;
}
