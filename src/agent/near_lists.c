/* Two steps, because a directory may hold thousands of lists. First, the text of each list gives the names that it
 * holds: the index. Then only those lists are read as what they are that hold the file's name, or a pattern of names
 * that it matches. A master playlist names no segments; the playlists that it names are indexed themselves, wherever
 * they are.
 */
#include "agent/near_lists.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/list_names.h"
#include "agent/wanted.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "media/list.h"
#include "media/list_kind.h"

#define LEVELS 3 /* the file's directory, and two above it */
#define LISTS_MAX 10000u
#define LIST_SHOWN_MAX 600

struct pattern {
  char *text;       /* '*' for what a manifest leaves open */
  const char *list; /* borrowed from dir.lists */
};

/* The lists of a directory. */
struct dir {
  GPtrArray *lists;    /* their paths */
  GHashTable *known;   /* the same as a set, borrowed */
  GHashTable *named;   /* last name of a file -> array of the lists that hold it, borrowed */
  GPtrArray *patterns; /* struct pattern */
};

struct part {
  char *list;    /* plays it as one part of several; NULL: none */
  bool is_whole; /* some list plays the whole of it, and nothing else */
};

struct near_lists {
  GHashTable *dirs;  /* path -> struct dir */
  GHashTable *read;  /* a set: lists that were read */
  GHashTable *parts; /* path -> struct part */
};

/* ---- memory ---- */

static void free_pattern(void *memory) {
  struct pattern *pattern = memory;
  g_free(pattern->text);
  g_free(pattern);
}

static void free_array(void *array) { g_ptr_array_unref(array); }

static void free_dir(void *memory) {
  struct dir *dir = memory;
  g_hash_table_destroy(dir->named);
  g_hash_table_destroy(dir->known);
  g_ptr_array_unref(dir->patterns);
  g_ptr_array_unref(dir->lists);
  g_free(dir);
}

static struct dir *new_dir(void) {
  struct dir *dir = g_new0(struct dir, 1);
  dir->lists = g_ptr_array_new_with_free_func(free);
  dir->known = g_hash_table_new(g_str_hash, g_str_equal);
  dir->named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_array);
  dir->patterns = g_ptr_array_new_with_free_func(free_pattern);
  return dir;
}

static void free_part(void *memory) {
  struct part *part = memory;
  free(part->list);
  g_free(part);
}

struct near_lists *near_lists_new(void) {
  struct near_lists *near = g_new0(struct near_lists, 1);
  near->dirs = g_hash_table_new_full(g_str_hash, g_str_equal, free, free_dir);
  near->read = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  near->parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_part);
  return near;
}

void near_lists_free(struct near_lists *near) {
  if (near == NULL) return;
  g_hash_table_destroy(near->dirs);
  g_hash_table_destroy(near->read);
  g_hash_table_destroy(near->parts);
  g_free(near);
}

/* ---- the index ---- */

/* Takes the path. */
static void add_list(struct dir *dir, char *path) {
  if (dir->lists->len >= LISTS_MAX || g_hash_table_contains(dir->known, path)) {
    free(path);
    return;
  }
  g_ptr_array_add(dir->lists, path);
  (void)g_hash_table_add(dir->known, path);
}

/* A list whose names are being indexed. */
struct indexing {
  struct dir *dir;
  const char *list; /* borrowed from dir->lists */
  char *base;       /* its directory */
};

/* What a manifest leaves open ($Number$), or writes in another way (&amp;), may be anything. */
static char *pattern_of(struct str name) {
  GString *text = g_string_new(NULL);
  for (size_t i = 0; i < name.len; i++) {
    char end = name.ptr[i] == '$' ? '$' : name.ptr[i] == '&' ? ';' : '\0';
    const char *close =
        end != '\0' && i + 1 < name.len ? memchr(name.ptr + i + 1, end, name.len - i - 1) : NULL;
    if (close == NULL) {
      g_string_append_c(text, name.ptr[i]);
    } else {
      g_string_append_c(text, '*');
      i = (size_t)(close - name.ptr);
    }
  }
  return g_string_free(text, FALSE);
}

static void add_pattern(const struct indexing *indexing, struct str name) {
  struct pattern *pattern = g_new(struct pattern, 1);
  *pattern = (struct pattern){.text = pattern_of(name), .list = indexing->list};
  g_ptr_array_add(indexing->dir->patterns, pattern);
}

/* A playlist that a list names: its names are indexed too. */
static void add_further(const struct indexing *indexing, const char *name) {
  SCOPED_MALLOC char *path = file_path(indexing->base, name);
  char *real = realpath(path, NULL);
  if (real != NULL) add_list(indexing->dir, real);
}

static void add_file(const struct indexing *indexing, const char *key) {
  GPtrArray *lists = g_hash_table_lookup(indexing->dir->named, key);
  if (lists == NULL) {
    lists = g_ptr_array_new();
    (void)g_hash_table_insert(indexing->dir->named, g_strdup(key), lists);
  }
  bool is_known = lists->len > 0 && lists->pdata[lists->len - 1] == indexing->list; /* ranges of a file */
  if (!is_known) g_ptr_array_add(lists, (void *)indexing->list);
}

static void add_one(const struct indexing *indexing, const char *name) {
  if (wanted_is_list(name))
    add_further(indexing, name);
  else
    add_file(indexing, file_name(name));
}

/* A file may have the very name that a list holds, or that name decoded. */
static void add_name(void *arg, struct str token) {
  const struct indexing *indexing = arg;
  char name[PATH_MAX];
  struct str last = list_names_last(token);
  if (!str_copy(token, name, sizeof name)) return;
  if (memchr(last.ptr, '$', last.len) != NULL || memchr(last.ptr, '&', last.len) != NULL) add_pattern(indexing, last);
  add_one(indexing, name);
  if (strchr(name, '%') == NULL) return;
  name[bytes_percent_decode(token, name)] = '\0';
  add_one(indexing, name);
}

static bool has(struct str text, const char *word) { return memmem(text.ptr, text.len, word, strlen(word)) != NULL; }

static void index_list(struct dir *dir, const char *list) {
  SCOPED(buf_fini) struct buf text = {0};
  SCOPED_MALLOC char *base = file_directory(list);
  struct indexing indexing = {.dir = dir, .list = list, .base = base};
  if (!list_names_read(list, &text)) return;
  bool is_ours = has(buf_view(&text), "#EXT-X-") || has(buf_view(&text), "MPD");
  if (is_ours) list_names_visit(buf_view(&text), add_name, &indexing);
}

static struct dir *look(struct near_lists *near, const char *path) {
  struct dir *dir = g_hash_table_lookup(near->dirs, path);
  if (dir != NULL) return dir;
  dir = new_dir();
  (void)g_hash_table_insert(near->dirs, strdup(path), dir);
  DIR *stream = opendir(path);
  for (struct dirent *entry = NULL; stream != NULL && (entry = readdir(stream)) != NULL;) {
    if (wanted_is_list(entry->d_name)) add_list(dir, file_path(path, entry->d_name));
  }
  if (stream != NULL) (void)closedir(stream);
  for (guint i = 0; i < dir->lists->len; i++) /* the array grows */
    index_list(dir, dir->lists->pdata[i]);
  return dir;
}

/* ---- reading a list ---- */

static struct part *part_of(struct near_lists *near, const char *path) {
  struct part *part = g_hash_table_lookup(near->parts, path);
  if (part != NULL) return part;
  part = g_new0(struct part, 1);
  (void)g_hash_table_insert(near->parts, g_strdup(path), part);
  return part;
}

static void note_whole(struct near_lists *near, const struct rendition *rendition) {
  struct stat st;
  const struct media_span *span = rendition->spans.items;
  if (!rendition->is_usable || rendition->spans.count != 1 || span->offset != 0) return;
  if (stat(span->path, &st) == 0 && (uint64_t)st.st_size == span->size) part_of(near, span->path)->is_whole = true;
}

static void note_parts(struct near_lists *near, const char *path, const struct list *list) {
  size_t media = 0;
  for (size_t i = 0; i < list->count; i++)
    note_whole(near, &list->items[i]);
  for (size_t i = 0; i < list->parts.count; i++)
    media += !wanted_is_list(list->parts.items[i]);
  for (size_t i = 0; media > 1 && i < list->parts.count; i++) {
    if (wanted_is_list(list->parts.items[i])) continue;
    struct part *part = part_of(near, list->parts.items[i]);
    if (part->list == NULL) part->list = strdup(path);
  }
}

static void read_list(struct near_lists *near, const char *path) {
  SCOPED(list_fini) struct list list = {0};
  struct err err;
  if (!g_hash_table_add(near->read, g_strdup(path))) return;
  enum list_kind kind;
  if (list_kind_of(path, &kind, NULL) != 0 || kind == LIST_NONE) return;
  int result = kind == LIST_DASH ? dash_read(path, &list, &err) : hls_read(path, &list, &err);
  bool is_no_output = result == -ERR_MEDIA && list.refusal == MEDIA_REFUSED_NO_OUTPUT;
  if (!is_no_output) note_parts(near, path, &list);
}

static void read_lists_of(struct near_lists *near, const struct dir *dir, const char *name) {
  const GPtrArray *lists = g_hash_table_lookup(dir->named, name);
  for (guint i = 0; lists != NULL && i < lists->len; i++)
    read_list(near, lists->pdata[i]);
  for (guint i = 0; i < dir->patterns->len; i++) {
    const struct pattern *pattern = dir->patterns->pdata[i];
    if (g_pattern_match_simple(pattern->text, name)) read_list(near, pattern->list);
  }
}

/* The list that plays the file as one part of several; NULL: none. */
static const char *find(struct near_lists *near, const char *path) {
  SCOPED_MALLOC char *dir = strdup(path);
  CHECK(dir != NULL);
  for (int level = 0; level < LEVELS; level++) {
    char *slash = strrchr(dir, '/');
    if (slash == NULL) break;
    *slash = '\0';
    read_lists_of(near, look(near, dir[0] != '\0' ? dir : "/"), file_name(path));
  }
  const struct part *part = g_hash_table_lookup(near->parts, path);
  return part == NULL || part->is_whole ? NULL : part->list;
}

int near_lists_check(struct near_lists *near, const struct media *media, const char *name, struct err *err) {
  if (media->is_list || media->count == 0 || media->items[0].span_count == 0) return 0;
  const char *list = find(near, media->items[0].spans[0].path);
  if (list == NULL) return 0;
  SCOPED_MALLOC char *shown = strdup(list);
  CHECK(shown != NULL);
  err_shorten(shown, LIST_SHOWN_MAX);
  return err_set(err, ERR_MEDIA,
                 "%s: not recorded, because it is a part of what %s plays, and would count twice: record that list; to "
                 "count this file as an output of its own, give it an --id",
                 name, shown);
}
