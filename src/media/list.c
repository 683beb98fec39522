#include "media/list.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define HEAD 4096 /* bytes in which a manifest is recognized */

void rendition_fini(struct rendition *rendition) {
  for (size_t i = 0; i < rendition->span_count; i++)
    free(rendition->spans[i].path);
  for (size_t i = 0; i < rendition->stretch_count; i++)
    free(rendition->stretches[i].init.path);
  free(rendition->spans);
  free(rendition->stretches);
  free(rendition->name);
}

void list_fini(struct list *list) {
  for (size_t i = 0; i < list->count; i++)
    rendition_fini(&list->renditions[i]);
  for (size_t i = 0; i < list->part_count; i++)
    free(list->parts[i]);
  free(list->renditions);
  free(list->parts);
  *list = (struct list){.renditions = NULL};
}

enum list_kind list_kind_of(const char *path) {
  char head[HEAD + 1] = "";
  size_t got = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || file_read(fd, path, 0, head, HEAD, &got, NULL) != 0) return LIST_NONE;
  head[got] = '\0';
  const char *text = memcmp(head, "\xEF\xBB\xBF", 3) == 0 ? head + 3 : head; /* a byte order mark */
  if (strncmp(text, "#EXTM3U", 7) == 0) return LIST_HLS;
  bool is_mpd = strstr(text, "<MPD") != NULL || (text[0] == '<' && strstr(text, ":MPD") != NULL);
  return is_mpd ? LIST_DASH : LIST_NONE;
}
