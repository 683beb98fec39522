#include "media/list.h"

#include <stdlib.h>

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
