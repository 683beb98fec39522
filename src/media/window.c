/* The buffer is filled from the position that is asked for, because boxes and tables are read forward. */
#include "media/window.h"

#include <stdlib.h>

#include "base/check.h"

void window_init(struct window *window, struct reel *reel, size_t cap) {
  *window = (struct window){.reel = reel, .bytes = malloc(cap), .cap = cap};
  CHECK(window->bytes != NULL);
}

void window_fini(struct window *window) {
  free(window->bytes);
  window->bytes = NULL;
}

int window_view(struct window *window, uint64_t position, size_t len, const char **ret, struct err *err) {
  CHECK(len <= window->cap);
  bool is_inside = position >= window->start && position - window->start <= window->len &&
                   window->len - (size_t)(position - window->start) >= len;
  if (!is_inside) {
    window->start = position;
    window->len = 0;
    int result = reel_read(window->reel, position, window->bytes, window->cap, &window->len, err);
    if (result != 0) window->len = 0;
    if (result != 0) return result;
  }
  if (window->len - (size_t)(position - window->start) < len) {
    return err_set(err, ERR_MEDIA, "the file ends at byte %llu, in the middle of a header",
                   (unsigned long long)reel_size(window->reel));
  }
  *ret = window->bytes + (position - window->start);
  return 0;
}
