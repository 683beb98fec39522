#include "cli/options.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define ROWS_MAX 32

static GOptionEntry entry_of(const struct option_row *row) {
  /* As file names are, so that texts come as they were typed: a "string" would be converted from the locale's
   * charset. */
  static const GOptionArg arg[] = {
      [OPTION_FLAG] = G_OPTION_ARG_NONE,
      [OPTION_TEXT] = G_OPTION_ARG_FILENAME,
      [OPTION_LIST] = G_OPTION_ARG_FILENAME_ARRAY,
  };
  return (GOptionEntry){.long_name = row->name,
                        .short_name = row->letter,
                        .arg = arg[row->type],
                        .arg_data = row->target,
                        .description = row->help,
                        .arg_description = row->argument};
}

/* What lives as long as the process. */
static GPtrArray *kept;

void *options_keep(void *memory) {
  if (kept == NULL) kept = g_ptr_array_new();
  g_ptr_array_add(kept, memory);
  return memory;
}

/* GLib's flags are ints where ours are bools; texts and lists are kept. */
static void take_values(const struct option_row *rows, const gint *flags) {
  for (size_t i = 0; rows[i].name != NULL; i++) {
    if (rows[i].type == OPTION_FLAG)
      *(bool *)rows[i].target = flags[i] != 0;
    else
      (void)options_keep(*(void **)rows[i].target);
  }
}

/* An empty value is mostly a shell's variable that was not set, and must not pass for one that was left out. */
static int check_empty(const struct option_row *rows, struct err *err) {
  for (size_t i = 0; rows[i].name != NULL; i++) {
    bool empty = false;
    if (rows[i].type == OPTION_TEXT) empty = *(char **)rows[i].target != NULL && **(char **)rows[i].target == '\0';
    char **list = rows[i].type == OPTION_LIST ? *(char ***)rows[i].target : NULL;
    for (size_t k = 0; list != NULL && list[k] != NULL; k++)
      empty = empty || list[k][0] == '\0';
    if (empty) return err_set(err, ERR_USAGE, "--%s is empty: give a value, or leave it out", rows[i].name);
  }
  return 0;
}

/* GLib would turn what its help prints into the locale's charset, "?" for each "…" where no locale is set. */
static void print_utf8(const gchar *text) { (void)fputs(text, stdout); }

int options_parse(const struct option_spec *spec, int *argc, char ***argv, struct err *err) {
  GOptionEntry entries[ROWS_MAX + 1] = {0};
  gint flags[ROWS_MAX] = {0};
  for (size_t i = 0; spec->rows[i].name != NULL; i++) {
    CHECK(i < ROWS_MAX);
    entries[i] = entry_of(&spec->rows[i]);
    if (spec->rows[i].type == OPTION_FLAG) entries[i].arg_data = &flags[i];
  }
  GOptionContext *context = g_option_context_new(spec->usage);
  g_option_context_set_summary(context, spec->summary);
  g_option_context_set_description(context, spec->description);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_strict_posix(context, spec->operands_end);
  char name[64];
  (void)snprintf(name, sizeof name, "codecmeter %s", (*argv)[0]);
  g_set_prgname(name);
  (void)g_set_print_handler(print_utf8);
  GError *error = NULL;
  bool good = g_option_context_parse(context, argc, argv, &error);
  g_option_context_free(context);
  if (!good) {
    (void)err_set(err, ERR_USAGE, "%s; --help shows the options", error->message);
    g_error_free(error);
    return -ERR_USAGE;
  }
  take_values(spec->rows, flags);
  if (check_empty(spec->rows, err) != 0) return -ERR_USAGE;
  bool separator = *argc > 1 && g_strcmp0((*argv)[1], "--") == 0;
  if (separator) {
    for (int i = 1; i + 1 < *argc; i++)
      (*argv)[i] = (*argv)[i + 1];
    (*argv)[--*argc] = NULL;
  }
  return 0;
}

int options_no_operands(int argc, char **argv, struct err *err) {
  return argc <= 1 ? 0 : err_set(err, ERR_USAGE, "'%s' is too much; --help shows what is taken", argv[1]);
}
