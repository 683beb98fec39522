#include "agent/pending.h"

#include <glib.h>
#include <string.h>

#include "base/check.h"

struct pending {
  GHashTable *files; /* path -> struct pending_file */
};

struct pending *pending_new(void) {
  struct pending *pending = calloc(1, sizeof *pending);
  CHECK(pending != NULL);
  pending->files = g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
  return pending;
}

void pending_free(struct pending *pending) {
  if (pending == NULL) return;
  g_hash_table_destroy(pending->files);
  free(pending);
}

bool pending_has(const struct pending *pending, const char *path) {
  return g_hash_table_contains(pending->files, path);
}

size_t pending_count(const struct pending *pending) { return g_hash_table_size(pending->files); }

void pending_put(struct pending *pending, const char *path, const struct pending_file *file) {
  struct pending_file *copy = malloc(sizeof *copy);
  char *key = strdup(path);
  CHECK(copy != NULL && key != NULL);
  *copy = *file;
  (void)g_hash_table_replace(pending->files, key, copy);
}

static gint by_path(gconstpointer a, gconstpointer b) { return strcmp(*(char *const *)a, *(char *const *)b); }

char **pending_list_due(const struct pending *pending, int64_t now_ms) {
  GPtrArray *due = g_ptr_array_new();
  GHashTableIter iter;
  void *path, *file;
  g_hash_table_iter_init(&iter, pending->files);
  while (g_hash_table_iter_next(&iter, &path, &file)) {
    if (((struct pending_file *)file)->due_ms <= now_ms) g_ptr_array_add(due, g_strdup(path));
  }
  g_ptr_array_sort(due, by_path);
  g_ptr_array_add(due, NULL);
  return (char **)g_ptr_array_free(due, FALSE);
}

void pending_free_paths(char **paths) { g_strfreev(paths); }

bool pending_take(struct pending *pending, const char *path, int64_t now_ms, struct pending_file *ret) {
  const struct pending_file *file = g_hash_table_lookup(pending->files, path);
  if (file == NULL || file->due_ms > now_ms) return false;
  *ret = *file;
  (void)g_hash_table_remove(pending->files, path);
  return true;
}

int64_t pending_next_ms(const struct pending *pending) {
  int64_t next = INT64_MAX;
  GHashTableIter iter;
  void *file;
  g_hash_table_iter_init(&iter, pending->files);
  while (g_hash_table_iter_next(&iter, NULL, &file)) {
    if (((struct pending_file *)file)->due_ms < next) next = ((struct pending_file *)file)->due_ms;
  }
  return next;
}

bool pending_any(const struct pending *pending,
                 bool (*is_so)(void *arg, const char *path, const struct pending_file *file), void *arg) {
  GHashTableIter iter;
  void *path, *file;
  g_hash_table_iter_init(&iter, pending->files);
  while (g_hash_table_iter_next(&iter, &path, &file)) {
    if (is_so(arg, path, file)) return true;
  }
  return false;
}
