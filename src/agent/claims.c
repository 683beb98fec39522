/* A name in a list is the text between line ends, quotes and angle brackets: behind its last slash, before a '?' or
 * '#', and percent-decoded. So playlists and manifests need no readers of their own here.
 */
#include "agent/claims.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/err.h"
#include "base/file.h"

#define TEXT_MAX ((size_t)16 << 20)
#define NAME_LAST_MAX 255

struct list {
  char *path;
  struct stat st;    /* when it was read */
  GHashTable *names; /* a set; NULL: not read yet */
};

struct claims {
  GHashTable *dirs; /* directory -> table of its lists: path -> struct list */
};

static void free_list(void *arg) {
  struct list *list = arg;
  if (list->names != NULL) g_hash_table_destroy(list->names);
  free(list->path);
  free(list);
}

static void free_table(void *table) { g_hash_table_destroy(table); }

struct claims *claims_new(void) {
  struct claims *claims = calloc(1, sizeof *claims);
  CHECK(claims != NULL);
  claims->dirs = g_hash_table_new_full(g_str_hash, g_str_equal, free, free_table);
  return claims;
}

void claims_free(struct claims *claims) {
  if (claims == NULL) return;
  g_hash_table_destroy(claims->dirs);
  free(claims);
}

void claims_add(struct claims *claims, const char *path) {
  SCOPED_MALLOC char *dir = file_directory(path);
  GHashTable *lists = g_hash_table_lookup(claims->dirs, dir);
  if (lists == NULL) {
    lists = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_list);
    (void)g_hash_table_insert(claims->dirs, dir, lists);
    dir = NULL;
  }
  if (g_hash_table_contains(lists, path)) return;
  struct list *list = calloc(1, sizeof *list);
  CHECK(list != NULL);
  list->path = strdup(path);
  CHECK(list->path != NULL);
  (void)g_hash_table_insert(lists, list->path, list);
}

void claims_remove(struct claims *claims, const char *path) {
  SCOPED_MALLOC char *dir = file_directory(path);
  GHashTable *lists = g_hash_table_lookup(claims->dirs, dir);
  if (lists == NULL) return;
  (void)g_hash_table_remove(lists, path);
  if (g_hash_table_size(lists) == 0) (void)g_hash_table_remove(claims->dirs, dir);
}

/* ---- the names in a list ---- */

static bool is_end(char c) { return (unsigned char)c < ' ' || strchr("\"'<>", c) != NULL; }

static void add_name(GHashTable *names, struct str token) {
  char name[NAME_LAST_MAX + 1];
  for (size_t i = 0; i < token.len; i++) {
    if (token.ptr[i] == '?' || token.ptr[i] == '#') token.len = i;
  }
  const char *slash = token.len > 0 ? memrchr(token.ptr, '/', token.len) : NULL;
  if (slash != NULL) token = str_make(slash + 1, token.len - (size_t)(slash + 1 - token.ptr));
  if (token.len == 0 || !str_copy(token, name, sizeof name)) return;
  name[bytes_percent_decode(token, name)] = '\0';
  (void)g_hash_table_add(names, g_strdup(name));
}

static void add_names(GHashTable *names, struct str text) {
  size_t begin = 0;
  for (size_t i = 0; i <= text.len; i++) {
    if (i < text.len && !is_end(text.ptr[i])) continue;
    add_name(names, str_make(text.ptr + begin, i - begin));
    begin = i + 1;
  }
}

/* A list that cannot be read names nothing: measuring it says why. */
static void read_names(struct list *list) {
  SCOPED(buf_fini) struct buf text = {.limit = TEXT_MAX};
  struct err err;
  size_t got = 0;
  SCOPED_FD int fd = open(list->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (list->names != NULL) g_hash_table_destroy(list->names);
  list->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  if (fd < 0 || list->st.st_size <= 0 || (uint64_t)list->st.st_size > TEXT_MAX) return;
  char *room = buf_extend(&text, (size_t)list->st.st_size);
  if (room == NULL || file_read(fd, list->path, 0, room, (size_t)list->st.st_size, &got, &err) != 0) return;
  add_names(list->names, str_make(room, got));
}

static bool names_file(struct list *list, const char *name) {
  struct stat now;
  if (lstat(list->path, &now) != 0 || !S_ISREG(now.st_mode)) return false;
  bool is_read = list->names != NULL && list->st.st_size == now.st_size && list->st.st_ino == now.st_ino &&
                 list->st.st_mtim.tv_sec == now.st_mtim.tv_sec && list->st.st_mtim.tv_nsec == now.st_mtim.tv_nsec;
  list->st = now;
  if (!is_read) read_names(list);
  return g_hash_table_contains(list->names, name);
}

static const char *find_in(GHashTable *lists, const char *path, const char *name) {
  GHashTableIter iter;
  void *list;
  g_hash_table_iter_init(&iter, lists);
  while (g_hash_table_iter_next(&iter, NULL, &list)) {
    if (strcmp(((struct list *)list)->path, path) != 0 && names_file(list, name)) return ((struct list *)list)->path;
  }
  return NULL;
}

const char *claims_find(struct claims *claims, const char *path) {
  SCOPED_MALLOC char *dir = strdup(path);
  CHECK(dir != NULL);
  if (g_hash_table_size(claims->dirs) == 0) return NULL;
  const char *name = file_name(path);
  for (char *end = strrchr(dir, '/'); end != NULL; end = strrchr(dir, '/')) {
    *end = '\0';
    GHashTable *lists = g_hash_table_lookup(claims->dirs, *dir != '\0' ? dir : "/");
    const char *found = lists != NULL ? find_in(lists, path, name) : NULL;
    if (found != NULL) return found;
  }
  return NULL;
}
