#include "agent/parts.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/list_kind.h"

struct parts {
  GHashTable *lists; /* absolute path without links -> name of the list that claims it */
};

enum part_rank part_rank_of(const char *path) {
  enum list_kind kind;
  if (list_kind_of(path, &kind, NULL) != 0) return PART_MEDIA; /* the measuring says why it cannot be read */
  if (kind == LIST_HLS_MASTER || kind == LIST_DASH) return PART_MASTER;
  return kind == LIST_HLS ? PART_LIST : PART_MEDIA;
}

struct parts *parts_new(void) {
  struct parts *parts = calloc(1, sizeof *parts);
  CHECK(parts != NULL);
  parts->lists = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return parts;
}

void parts_free(struct parts *parts) {
  if (parts == NULL) return;
  g_hash_table_destroy(parts->lists);
  free(parts);
}

void parts_claim(struct parts *parts, const char *path, const char *name, const struct media *media, bool counts) {
  bool is_unfinished = media->refusal == MEDIA_REFUSED_BROKEN || media->refusal == MEDIA_REFUSED_UNFINISHED;
  if (!media->is_list || (!counts && !is_unfinished)) return;
  for (size_t i = 0; i < media->parts.count; i++) {
    if (strcmp(media->parts.items[i], path) == 0) continue;
    if (counts || part_rank_of(media->parts.items[i]) == PART_MEDIA)
      (void)g_hash_table_replace(parts->lists, g_strdup(media->parts.items[i]), g_strdup(name));
  }
}

const char *parts_find(const struct parts *parts, const char *path) {
  SCOPED_MALLOC char *real = realpath(path, NULL);
  return real != NULL ? g_hash_table_lookup(parts->lists, real) : NULL;
}
