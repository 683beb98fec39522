/* A name in a list is what agent/list_names.h finds, behind its last slash and percent-decoded.
 */
#include "agent/claims.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/list_names.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

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

static void add_name(void *names, struct str token) {
  char name[NAME_LAST_MAX + 1];
  token = list_names_last(token);
  if (token.len == 0 || !str_copy(token, name, sizeof name)) return;
  name[bytes_percent_decode(token, name)] = '\0';
  (void)g_hash_table_add(names, g_strdup(name));
}

/* A list that cannot be read names nothing: measuring it says why. */
static void read_names(struct list *list) {
  SCOPED(buf_fini) struct buf text = {0};
  if (list->names != NULL) g_hash_table_destroy(list->names);
  list->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  if (list_names_read(list->path, &text)) list_names_visit(buf_view(&text), add_name, list->names);
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
