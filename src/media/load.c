/* Loads the module from beside the program (a build directory), else from where it is installed. */
#include "media/media.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void *open_module(void) {
  char exe[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
  exe[len > 0 ? len : 0] = '\0';
  SCOPED_MALLOC char *path = file_path(dirname(exe), MEDIA_MODULE_FILE);
  bool is_beside = len > 0 && file_exists(path);
  return dlopen(is_beside ? path : MEDIA_MODULE_DIR "/" MEDIA_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
}

/* dlopen tells the cause by its text alone. A cause that may pass says nothing about the package. */
static int fail_load(struct err *err) {
  static const int passing[] = {EMFILE, ENFILE, ENOMEM, EAGAIN, EIO};
  const char *text = dlerror();
  for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
    if (strstr(text, strerror(passing[i])) != NULL)
      return err_set_errno(err, ERR_IO, passing[i], "cannot measure media: %s cannot be loaded now", MEDIA_MODULE_FILE);
  }
  return err_set(err, ERR_MISSING,
                 "cannot measure media: install the package codecmeter-media; if you built codecmeter yourself, "
                 "it needs %s beside it, and libavformat (%s)",
                 MEDIA_MODULE_FILE, text);
}

void (*media_on_progress)(void);

void media_fini(struct media *media) {
  for (size_t i = 0; i < media->count; i++) {
    struct media_output *output = &media->items[i];
    for (size_t j = 0; j < output->span_count; j++)
      free(output->spans[j].path);
    free(output->spans);
    free(output->name);
    free(output->explanation);
  }
  for (size_t i = 0; i < media->parts.count; i++)
    free(media->parts.items[i]);
  vector_fini(media);
  vector_fini(&media->parts);
}

int media_probe(const char *path, const struct media_options *options, struct media *ret, struct err *err) {
  static media_probe_function *probe;
  *ret = (struct media){0};
  if (probe == NULL) {
    void *module = open_module();
    if (module == NULL) return fail_load(err);
    void *symbol = dlsym(module, MEDIA_MODULE_SYMBOL);
    if (symbol == NULL)
      return err_set(err, ERR_MISSING,
                     "%s belongs to another version of codecmeter: install the same version of both",
                     MEDIA_MODULE_FILE);
    media_progress_function *progress = dlsym(module, MEDIA_MODULE_PROGRESS_SYMBOL);
    if (progress != NULL) *progress = media_on_progress;
    memcpy(&probe, &symbol, sizeof probe); /* ISO C has no cast from object to function pointer */
  }
  return probe(path, options, ret, err);
}
