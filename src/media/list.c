#include "media/list.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define HEAD 4096 /* bytes in which a manifest is recognized */
#define US 1000000.0

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

int stretch_check(const struct rendition *rendition, const struct stretch *stretch, double begin_s, double seconds,
                  struct err *err) {
  double from_s = (double)stretch->from_us / US, plays_s = (double)stretch->plays_us / US;
  double slack_s = (double)stretch->slack_us / US;
  if (stretch->from_us > 0 && begin_s < from_s - slack_s)
    return err_set(err, ERR_MEDIA,
                   "%s: the manifest plays only a part of its media: from %.3f s on, but they begin at %.3f s; record the "
                   "media file, or a list that plays all of it",
                   rendition->name, from_s, begin_s);
  if (stretch->plays_us > 0 && seconds > plays_s + slack_s)
    return err_set(err, ERR_MEDIA,
                   "%s: the manifest plays only a part of its media: %.3f s of %.3f s; record the media file, or a list that "
                   "plays all of it",
                   rendition->name, plays_s, seconds);
  return 0;
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
