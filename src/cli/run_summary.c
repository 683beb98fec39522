/* A command may make thousands of pictures, so only the first names of each kind are kept. */
#include "cli/run_summary.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/plural.h"
#include "base/scope.h"
#include "cli/options.h"

#define NAMES_MAX 8

static const char *relative(const char *path) {
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof directory) == NULL) return path;
  size_t len = strlen(directory);
  return strncmp(path, directory, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static void add(struct run_names *names, const char *name, const char *reason) {
  if (++names->count > NAMES_MAX) return;
  if (names->first.len > 0) buf_text(&names->first, ", ");
  buf_text(&names->first, name);
  if (reason != NULL) buf_printf(&names->first, " (%s)", reason);
}

void run_summary_recorded(struct run_summary *summary, const char *path) {
  add(&summary->recorded, relative(path), NULL);
}

void run_summary_spooled(struct run_summary *summary, const char *path) {
  add(&summary->spooled, relative(path), NULL);
}

void run_summary_left_out(struct run_summary *summary, const char *path, const char *why) {
  size_t len = strlen(path);
  bool has_path = strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0;
  add(&summary->left_out, relative(path), has_path ? why + len + 2 : why);
}

void run_summary_elsewhere(struct run_summary *summary, const char *text) {
  const char *colon = NULL;
  for (const char *at = strstr(text, ": "); at != NULL; at = strstr(at + 1, ": "))
    colon = at; /* the reason has none */
  SCOPED_MALLOC char *name = strndup(text, colon != NULL ? (size_t)(colon - text) : strlen(text));
  add(&summary->left_out, name, colon != NULL ? colon + 2 : NULL);
}

static void append_first(struct buf *line, const struct run_names *names) {
  buf_str(line, buf_view(&names->first));
  if (names->count > NAMES_MAX) buf_printf(line, " and %zu more", names->count - NAMES_MAX);
}

/* "recorded 2 outputs (a.mp4, b.mp4)" */
static void append_names(struct buf *line, const char *verb, const struct run_names *names) {
  buf_printf(line, "%s %zu %s", verb, names->count, plural(names->count, "output", "outputs"));
  if (names->count == 0) return;
  buf_text(line, " (");
  append_first(line, names);
  buf_char(line, ')');
}

void run_summary_print(const struct run_summary *summary) {
  SCOPED(buf_fini) struct buf line = {0};
  if (options_quiet()) return;
  if (summary->recorded.count > 0 || summary->spooled.count == 0) append_names(&line, "recorded", &summary->recorded);
  if (summary->recorded.count > 0 && summary->spooled.count > 0) buf_text(&line, ", ");
  if (summary->spooled.count > 0) append_names(&line, "spooled", &summary->spooled);
  if (summary->left_out.count > 0) {
    buf_text(&line, ", left out ");
    append_first(&line, &summary->left_out);
  }
  SCOPED_MALLOC char *shown = str_printable(buf_view(&line));
  (void)fprintf(stderr, "codecmeter run: %s\n", shown);
}

void run_summary_fini(struct run_summary *summary) {
  buf_fini(&summary->recorded.first);
  buf_fini(&summary->spooled.first);
  buf_fini(&summary->left_out.first);
}
