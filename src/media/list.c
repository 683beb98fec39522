#include "media/list.h"

#include <stdlib.h>

#define US 1000000.0

void rendition_fini(struct rendition *rendition) {
  for (size_t i = 0; i < rendition->spans.count; i++)
    free(rendition->spans.items[i].path);
  for (size_t i = 0; i < rendition->stretches.count; i++)
    free(rendition->stretches.items[i].init.path);
  vector_fini(&rendition->spans);
  vector_fini(&rendition->stretches);
  free(rendition->name);
}

void list_fini(struct list *list) {
  for (size_t i = 0; i < list->count; i++)
    rendition_fini(&list->items[i]);
  for (size_t i = 0; i < list->parts.count; i++)
    free(list->parts.items[i]);
  vector_fini(list);
  vector_fini(&list->parts);
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
