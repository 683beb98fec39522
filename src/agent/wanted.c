#include "agent/wanted.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#include "base/file.h"

/* Names of whole outputs. Segments have no pattern here, because their playlist is the output. */
static const char *const include_default[] = {"*.mp4", "*.m4v", "*.mov",  "*.mkv", "*.webm", "*.avi",
                                              "*.flv", "*.mxf", "*.m3u8", "*.mpd", NULL};
static const char *const exclude_always[] = {".*", "*.part", "*.partial", "*.tmp", NULL};
static const char *const lists[] = {"*.m3u8", "*.mpd", NULL};

static bool matches(const char *const *patterns, const char *below) {
  for (size_t i = 0; patterns != NULL && patterns[i] != NULL; i++) {
    const char *text = strchr(patterns[i], '/') != NULL ? below : file_name(below);
    if (fnmatch(patterns[i], text, FNM_CASEFOLD) == 0) return true;
  }
  return false;
}

bool wanted_has(const struct wanted *wanted, const char *below) {
  while (*below == '/')
    below++;
  return matches(wanted->include != NULL ? wanted->include : include_default, below) &&
         !matches(wanted->exclude, below) && !matches(exclude_always, below);
}

bool wanted_is_list(const char *path) { return matches(lists, path); }
