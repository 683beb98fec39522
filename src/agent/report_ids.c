/* A name is turned into an id so that decoding %HH gives the name back: distinct names never share an id. */
#include "agent/report_ids.h"

#include <ctype.h>
#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "meter/usage.h"

static_assert(SOURCE_MAX == REPORT_ID_SIZE - 1 && EVENT_ID_MAX == REPORT_ID_SIZE - 1 &&
                  TASK_ID_MAX == REPORT_ID_SIZE - 1,
              "one size holds every text that the user chooses");

/* ---- what the user says ---- */

static int check_text(const char *option, const char *text, struct err *err) {
  struct str s = str_of(text);
  if (text == NULL) return 0;
  if (s.len == 0) return err_set(err, ERR_USAGE, "%s is empty; leave it out, or give a text", option);
  if (s.len > REPORT_ID_SIZE - 1)
    return err_set(err, ERR_USAGE, "%s is longer than %d bytes; give a shorter text", option, REPORT_ID_SIZE - 1);
  if (!str_is_utf8(s)) return err_set(err, ERR_USAGE, "%s is not UTF-8; give a text in UTF-8", option);
  if (str_has_control(s))
    return err_set(err, ERR_USAGE, "%s has a control character, such as a line end; give it without", option);
  return 0;
}

int report_check_options(const struct report_options *options, struct err *err) {
  int result = check_text("--source", options->source, err);
  if (result == 0) result = check_text("--id", options->id, err);
  if (result == 0) result = check_text("--id-prefix", options->id_prefix, err);
  if (result == 0) result = check_text("--task-id", options->task_id, err);
  if (result == 0 && options->id != NULL && options->id_prefix != NULL)
    result = err_set(err, ERR_USAGE, "--id and --id-prefix exclude each other; give one of them");
  return result;
}

/* ---- names below a directory ---- */

char *report_absolute_path(const char *path) {
  char *real = realpath(path, NULL), *joined = NULL, directory[PATH_MAX] = "";
  if (real != NULL) return real;
  SCOPED_MALLOC char *above = file_directory(path);
  SCOPED_MALLOC char *real_above = realpath(above, NULL);
  if (real_above != NULL) {
    const char *separator = strcmp(real_above, "/") == 0 ? "" : "/";
    CHECK(asprintf(&joined, "%s%s%s", real_above, separator, file_name(path)) >= 0);
    return joined;
  }
  bool relative = path[0] != '/';
  if (relative && getcwd(directory, sizeof directory) == NULL) return NULL;
  CHECK(asprintf(&joined, "%s%s%s", relative ? directory : "", relative ? "/" : "", path) >= 0);
  return joined;
}

/* The length of the longest directory, with its slash, that both absolute paths are below. */
static size_t common_len(const char *a, const char *b) {
  size_t common = 0;
  for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
    if (a[i] == '/') common = i + 1;
  }
  return common;
}

char *report_common_directory(char *const *paths) {
  CHECK(paths[0] != NULL && paths[0][0] == '/');
  size_t len = (size_t)(strrchr(paths[0], '/') + 1 - paths[0]);
  for (size_t i = 1; paths[i] != NULL; i++) {
    size_t common = common_len(paths[0], paths[i]);
    if (common < len) len = common;
  }
  CHECK(len > 0);
  char *directory = strndup(paths[0], len - 1);
  CHECK(directory != NULL);
  return directory;
}

/* Appends "../" for each directory of base that name is not below. Returns the rest of name. */
static const char *below_base(const char *base, const char *name, struct buf *out) {
  SCOPED(buf_fini) struct buf directory = {0};
  buf_printf(&directory, "%s/", base);
  buf_char(&directory, '\0');
  CHECK(!directory.failed);
  size_t common = common_len(directory.ptr, name);
  for (const char *rest = directory.ptr + common; (rest = strchr(rest, '/')) != NULL; rest++)
    buf_text(out, "../");
  return name + common;
}

/* The length of the character at text, or 0: it is no UTF-8. */
static size_t character_len(const char *text, size_t len) {
  for (size_t i = 1; i <= 4 && i <= len; i++) {
    if (str_is_utf8(str_make(text, i))) return i;
  }
  return 0;
}

static bool is_escape(const char *text) {
  return text[0] == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]);
}

static void append_name(struct buf *out, const char *name) {
  for (size_t rest = strlen(name); rest > 0;) {
    size_t len = character_len(name, rest);
    bool is_kept = len > 0 && !str_has_control(str_make(name, len)) && !is_escape(name);
    if (len == 0) len = 1;
    for (size_t i = 0; i < len; i++) {
      if (is_kept)
        buf_char(out, name[i]);
      else
        buf_printf(out, "%%%02X", (unsigned)(unsigned char)name[i]);
    }
    name += len;
    rest -= len;
  }
}

const char *report_ids_base_name(const char *name, size_t path_len) {
  const char *slash = memrchr(name, '/', path_len);
  return slash != NULL ? slash + 1 : name;
}

static void append_prefixed(struct buf *out, const struct report_options *options, const char *name,
                            size_t path_len) {
  size_t len = strlen(options->id_prefix);
  if (len > 0 && options->id_prefix[len - 1] == '/') len--;
  buf_append(out, options->id_prefix, len);
  buf_char(out, '/');
  append_name(out, options->id_base == NULL ? report_ids_base_name(name, path_len)
                                            : below_base(options->id_base, name, out));
}

int report_ids_choose(const struct report_options *options, const char *name, size_t path_len, const char *tail,
                      struct report *ret, struct err *err) {
  SCOPED(buf_fini) struct buf id = {0};
  bool fits = options->source == NULL || str_copy(str_of(options->source), ret->source, sizeof ret->source);
  CHECK(fits); /* report_check_options */
  if (!report_ids_are_chosen(options)) return 0;
  if (options->source == NULL) memcpy(ret->source, "file", sizeof "file");
  if (options->id != NULL)
    buf_text(&id, options->id);
  else
    append_prefixed(&id, options, name, path_len);
  buf_text(&id, tail);
  if (id.failed) return err_set(err, ERR_MEMORY, "%s: no memory for its id", name);
  if (str_copy(buf_view(&id), ret->id, sizeof ret->id)) return 0;
  return err_set(err, ERR_USAGE, "%s: its id would be longer than %d bytes; give a shorter %s", name,
                 REPORT_ID_SIZE - 1, options->id != NULL ? "--id" : "--id-prefix, or shorten the name");
}

/* ---- distinct files with one identity ---- */

struct entry {
  dev_t device;
  ino_t inode;
  char source[REPORT_ID_SIZE], id[REPORT_ID_SIZE];
};

struct report_ids {
  GHashTable *entries; /* identity of media -> GPtrArray of struct entry, in the order of numbering */
};

static void free_entries(gpointer entries) { g_ptr_array_unref(entries); }

struct report_ids *report_ids_new(void) {
  struct report_ids *ids = calloc(1, sizeof *ids);
  CHECK(ids != NULL);
  ids->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_entries);
  return ids;
}

void report_ids_free(struct report_ids *ids) {
  if (ids == NULL) return;
  g_hash_table_destroy(ids->entries);
  free(ids);
}

static const struct entry *find(const GPtrArray *entries, const struct stat *st) {
  for (guint i = 0; i < entries->len; i++) {
    const struct entry *entry = entries->pdata[i];
    if (entry->device == st->st_dev && entry->inode == st->st_ino) return entry;
  }
  return NULL;
}

static void add(GPtrArray *entries, const struct stat *st, const struct report *report) {
  struct entry *entry = calloc(1, sizeof *entry);
  CHECK(entry != NULL);
  entry->device = st->st_dev;
  entry->inode = st->st_ino;
  memcpy(entry->source, report->source, sizeof entry->source);
  memcpy(entry->id, report->id, sizeof entry->id);
  g_ptr_array_add(entries, entry);
}

int report_ids_enter(const struct report_options *options, const struct media_output *media, const char *identity,
                     struct report *ret, struct err *err) {
  struct stat st;
  if (options->ids == NULL) return 0;
  const char *path = media->spans[0].path;
  if (stat(path, &st) != 0) return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
  GPtrArray *entries = g_hash_table_lookup(options->ids->entries, identity);
  if (entries == NULL) {
    entries = g_ptr_array_new_with_free_func(free);
    (void)g_hash_table_insert(options->ids->entries, g_strdup(identity), entries);
  }
  const struct entry *before = find(entries, &st);
  if (before != NULL) {
    ret->is_repeat = true;
    memcpy(ret->source, before->source, sizeof ret->source);
    memcpy(ret->id, before->id, sizeof ret->id);
    return 0;
  }
  if (entries->len > 0 && !report_ids_are_chosen(options))
    (void)snprintf(ret->id + strlen(ret->id), sizeof ret->id - strlen(ret->id), "#%u", entries->len + 1);
  add(entries, &st, ret);
  return 0;
}
