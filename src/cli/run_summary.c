/* A command may make thousands of pictures, so only the first names of each kind are kept. */
#include "cli/run_summary.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/options.h"

#define NAMES_MAX 8

static const char *relative(const char *path) {
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof directory) == NULL) return path;
  size_t len = strlen(directory);
  return strncmp(path, directory, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static void add(struct buf *names, size_t *count, const char *name, const char *reason) {
  if (++*count > NAMES_MAX) return;
  if (names->len > 0) buf_text(names, ", ");
  buf_text(names, name);
  if (reason != NULL) buf_printf(names, " (%s)", reason);
}

void run_summary_recorded(struct run_summary *summary, const char *path) {
  add(&summary->recorded, &summary->recorded_count, relative(path), NULL);
}

void run_summary_left_out(struct run_summary *summary, const char *path, const char *why) {
  size_t len = strlen(path);
  bool has_path = strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0;
  add(&summary->left_out, &summary->left_out_count, relative(path), has_path ? why + len + 2 : why);
}

void run_summary_elsewhere(struct run_summary *summary, const char *text) {
  const char *colon = NULL;
  for (const char *at = strstr(text, ": "); at != NULL; at = strstr(at + 1, ": "))
    colon = at; /* the reason has none */
  SCOPED_MALLOC char *name = strndup(text, colon != NULL ? (size_t)(colon - text) : strlen(text));
  add(&summary->left_out, &summary->left_out_count, name, colon != NULL ? colon + 2 : NULL);
}

static void append_rest(struct buf *line, size_t count) {
  if (count > NAMES_MAX) buf_printf(line, " and %zu more", count - NAMES_MAX);
}

void run_summary_print(const struct run_summary *summary) {
  SCOPED(buf_fini) struct buf line = {0};
  if (options_quiet()) return;
  buf_printf(&line, "recorded %zu output%s", summary->recorded_count, summary->recorded_count == 1 ? "" : "s");
  if (summary->recorded_count > 0) {
    buf_text(&line, " (");
    buf_str(&line, buf_view(&summary->recorded));
    append_rest(&line, summary->recorded_count);
    buf_char(&line, ')');
  }
  if (summary->left_out_count > 0) {
    buf_text(&line, ", left out ");
    buf_str(&line, buf_view(&summary->left_out));
    append_rest(&line, summary->left_out_count);
  }
  SCOPED_MALLOC char *shown = str_printable(buf_view(&line));
  (void)fprintf(stderr, "codecmeter run: %s\n", shown);
}

void run_summary_fini(struct run_summary *summary) {
  buf_fini(&summary->recorded);
  buf_fini(&summary->left_out);
}
