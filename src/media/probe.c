/* Loads the module from beside the program (a build directory), else from where it is installed. */
#include "media/probe.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void *open_beside(void) {
  char exe[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (len <= 0) return NULL;
  exe[len] = '\0';
  SCOPED_MALLOC char *path = file_path(dirname(exe), MEDIA_MODULE_FILE);
  return file_exists(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL)
                           : dlopen(MEDIA_MODULE_DIR "/" MEDIA_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
}

void (*media_on_progress)(void);

int media_probe(const char *path, struct media *ret, struct err *err) {
  static media_probe_function *probe;
  if (probe == NULL) {
    void *module = open_beside();
    if (module == NULL) {
      return err_set(err, ERR_MISSING,
                     "cannot measure media: install the package codecmeter-media; if you built codecmeter yourself, "
                     "it needs %s beside it, and libavformat (%s)",
                     MEDIA_MODULE_FILE, dlerror());
    }
    void *symbol = dlsym(module, MEDIA_MODULE_SYMBOL);
    if (symbol == NULL)
      return err_set(err, ERR_MISSING,
                     "%s belongs to another version of codecmeter: install the same version of both",
                     MEDIA_MODULE_FILE);
    media_progress_function *progress = dlsym(module, MEDIA_MODULE_PROGRESS_SYMBOL);
    if (progress != NULL) *progress = media_on_progress;
    memcpy(&probe, &symbol, sizeof probe); /* ISO C has no cast from object to function pointer */
  }
  return probe(path, ret, err);
}
