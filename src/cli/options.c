#include "cli/options.h"

#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/diag.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/suggest.h"

#define ROWS_MAX 32

/* ---- the options of every command ---- */

static struct { bool quiet, help, version; } common;

static const struct option_row common_rows[] = {
    {"quiet", 'q', OPTION_FLAG, &common.quiet, NULL, "print nothing but errors"},
    {"help", 'h', OPTION_FLAG, &common.help, NULL, "print this help"},
    {"version", 0, OPTION_FLAG, &common.version, NULL, "print the version"},
    {0},
};

bool options_quiet(void) { return common.quiet; }

struct option_row options_row(const struct option_spec *spec, size_t index) {
  size_t count = 0;
  while (spec->rows[count].name != NULL)
    count++;
  if (index < count) return spec->rows[index];
  struct option_row row = common_rows[index - count];
  if (row.target == &common.quiet && spec->quiet != NULL) row.help = spec->quiet;
  return row;
}

static struct option_row row_named(const struct option_spec *spec, struct str name) {
  size_t i = 0;
  struct option_row row = options_row(spec, 0);
  while (row.name != NULL && !str_equal(str_of(row.name), name))
    row = options_row(spec, ++i);
  return row;
}

/* ---- values ---- */

/* Values that live as long as the process. */
static GPtrArray *kept;

void *options_keep(void *memory) {
  if (kept == NULL) kept = g_ptr_array_new();
  g_ptr_array_add(kept, memory);
  return memory;
}

/* GLib's flags are ints, ours are bools; texts and lists are kept. */
static void take_values(const struct option_spec *spec, const gint *flags) {
  struct option_row row;
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    if (row.type == OPTION_FLAG)
      *(bool *)row.target = flags[i] != 0;
    else
      (void)options_keep(*(void **)row.target);
  }
}

/* Refuses empty values. An empty value is usually an unset variable of a shell; it must not count as an absent
 * option.
 */
static int check_empty(const struct option_row *rows, struct err *err) {
  for (size_t i = 0; rows[i].name != NULL; i++) {
    bool empty = false;
    if (rows[i].type == OPTION_TEXT) empty = *(char **)rows[i].target != NULL && **(char **)rows[i].target == '\0';
    char **list = rows[i].type == OPTION_LIST ? *(char ***)rows[i].target : NULL;
    for (size_t k = 0; list != NULL && list[k] != NULL; k++)
      empty = empty || list[k][0] == '\0';
    if (empty) return err_set(err, ERR_USAGE, "--%s is empty: give a value, or leave the option out", rows[i].name);
  }
  return 0;
}

/* ---- GLib's parser ---- */

static GOptionEntry entry_of(const struct option_row *row) {
  /* GLib converts a "string" from the locale's charset, but leaves a file name as it was typed. */
  static const GOptionArg arg[] = {
      [OPTION_FLAG] = G_OPTION_ARG_NONE,
      [OPTION_TEXT] = G_OPTION_ARG_FILENAME,
      [OPTION_LIST] = G_OPTION_ARG_FILENAME_ARRAY,
  };
  return (GOptionEntry){
      .long_name = row->name, .short_name = row->letter, .arg = arg[row->type], .arg_data = row->target};
}

/* Finds the first argument that looks like a long option and is none. ret_name: its name without dashes and value. */
static bool find_unknown(const struct option_spec *spec, int argc, char **argv, struct str *ret_name) {
  for (int i = 1; i < argc && g_strcmp0(argv[i], "--") != 0; i++) {
    if (argv[i][0] != '-' || argv[i][1] != '-') continue;
    struct str rest = str_of(argv[i] + 2), name = str_cut(&rest, '=');
    struct option_row row = row_named(spec, name);
    *ret_name = name;
    if (row.name == NULL) return true;
    if (row.type != OPTION_FLAG && name.len == strlen(argv[i] + 2)) i++; /* the next argument is its value */
  }
  return false;
}

static int refuse(const struct option_spec *spec, int argc, char **argv, const GError *error, struct err *err) {
  struct str name = STR("");
  if (!g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION) ||
      !find_unknown(spec, argc, argv, &name)) {
    return err_set(err, ERR_USAGE, "%s; see codecmeter %s --help", error->message, argv[0]);
  }
  SCOPED_MALLOC char *word = strndup(name.ptr, name.len);
  CHECK(word != NULL);
  struct suggestion near = {.word = word};
  struct option_row row;
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++)
    suggest_offer(&near, row.name);
  if (near.best == NULL)
    return err_set(err, ERR_USAGE, "unknown option --%s; see codecmeter %s --help", word, argv[0]);
  return err_set(err, ERR_USAGE, "unknown option --%s; did you mean --%s? See codecmeter %s --help", word, near.best,
                 argv[0]);
}

static int parse(const struct option_spec *spec, int *argc, char ***argv, struct err *err) {
  GOptionEntry entries[ROWS_MAX + 1] = {0};
  gint flags[ROWS_MAX] = {0};
  struct option_row row;
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    CHECK(i < ROWS_MAX);
    entries[i] = entry_of(&row);
    if (row.type == OPTION_FLAG) entries[i].arg_data = &flags[i];
  }
  GOptionContext *context = g_option_context_new(NULL);
  g_option_context_set_help_enabled(context, FALSE);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_strict_posix(context, spec->operands_end);
  GError *error = NULL;
  bool good = g_option_context_parse(context, argc, argv, &error);
  g_option_context_free(context);
  if (good) {
    take_values(spec, flags);
    return 0;
  }
  int result = refuse(spec, *argc, *argv, error, err);
  g_error_free(error);
  return result;
}

static void remove_argument(int *argc, char **argv, int at) {
  for (int i = at; i + 1 < *argc; i++)
    argv[i] = argv[i + 1];
  argv[--*argc] = NULL;
}

/* Removes "--", which GLib keeps if an option seems to follow it. A "--" behind the first operand of a command with
 * options of its own belongs to that command. */
static void remove_separator(int *argc, char **argv, int last) {
  for (int i = 1; i <= last && i < *argc; i++) {
    if (strcmp(argv[i], "--") != 0) continue;
    remove_argument(argc, argv, i);
    return;
  }
}

/* ---- operands ---- */

/* Cuts the next name off the front of a list of options or operands, without its brackets. */
static struct str next_name(struct str *names) {
  struct str word = str_cut(names, ' ');
  while (word.len > 0 && word.ptr[0] == '[')
    word = str_make(word.ptr + 1, word.len - 1);
  while (word.len > 0 && word.ptr[word.len - 1] == ']')
    word.len--;
  return word;
}

/* The same for operands, as a row; *optional stays true from the first '[' on. A list takes all that is left, so it is
 * the last. */
static struct option_row next_operand(const struct option_spec *spec, struct str *operands, bool *optional) {
  *optional = *optional || operands->ptr[0] == '[';
  struct option_row row = row_named(spec, next_name(operands));
  CHECK(row.name != NULL && (row.type == OPTION_TEXT || (row.type == OPTION_LIST && operands->len == 0)));
  return row;
}

void options_show_operands(const struct option_spec *spec, const char *operands, struct buf *out) {
  struct str rest = str_of(operands);
  bool optional = false;
  for (bool first = true; rest.len > 0; first = false) {
    const char *start = rest.ptr;
    struct option_row row = next_operand(spec, &rest, &optional);
    struct str word = str_make(start, strcspn(start, " "));
    if (!first) buf_char(out, ' ');
    for (size_t i = 0; i < word.len && word.ptr[i] == '['; i++)
      buf_char(out, '[');
    buf_text(out, row.argument);
    if (row.type == OPTION_LIST) buf_text(out, "...");
    for (size_t i = word.len; i > 0 && word.ptr[i - 1] == ']'; i--)
      buf_char(out, ']');
  }
}

/* Adds a value to those that are there. */
static void add_value(char ***list, char *value) {
  size_t count = 0;
  while (*list != NULL && (*list)[count] != NULL)
    count++;
  char **longer = malloc((count + 2) * sizeof *longer);
  CHECK(longer != NULL);
  if (count > 0) memcpy(longer, *list, count * sizeof *longer);
  longer[count] = value;
  longer[count + 1] = NULL;
  *list = options_keep(longer);
}

/* The same value may be given as an operand and as an option, but not two values, except in a list. */
static int take_operand(const struct option_row *row, char *value, struct err *err) {
  char **target = row->target;
  if (value[0] == '\0') {
    return err_set(err, ERR_USAGE, "%s is empty: give a value, or leave the argument out", row->argument);
  }
  if (row->type == OPTION_LIST) {
    add_value(row->target, value);
    return 0;
  }
  if (*target != NULL && strcmp(*target, value) != 0) {
    return err_set(err, ERR_USAGE, "%s is given twice: '%s', and --%s '%s'", row->argument, value, row->name,
                   *target);
  }
  *target = value;
  return 0;
}

static int miss_operand(const struct option_spec *spec, const char *operands, const char *verb, const char *command,
                        const struct option_row *row, struct err *err) {
  SCOPED(buf_fini) struct buf shown = {0};
  options_show_operands(spec, operands, &shown);
  return err_set(err, ERR_USAGE, "%s is missing; give it like this: codecmeter %s%s%s %.*s", row->argument, command,
                 verb[0] != '\0' ? " " : "", verb, STR_ARG(buf_view(&shown)));
}

/* Takes the operands out of argv. */
static int take_operands(const struct option_spec *spec, const char *operands, const char *verb, int *argc,
                         char **argv, struct err *err) {
  struct str rest = str_of(operands);
  bool optional = false;
  int result = 0;
  while (result == 0 && rest.len > 0) {
    struct option_row row = next_operand(spec, &rest, &optional);
    bool is_missing = *argc <= 1 && !optional && *(void **)row.target == NULL;
    if (is_missing) result = miss_operand(spec, operands, verb, argv[0], &row, err);
    for (int most = row.type == OPTION_LIST ? INT_MAX : 1; result == 0 && *argc > 1 && most > 0; most--) {
      result = take_operand(&row, argv[1], err);
      remove_argument(argc, argv, 1);
    }
  }
  return result;
}

static int refuse_beyond(int most, int argc, char **argv, struct err *err) {
  if (argc - 1 <= most) return 0;
  return err_set(err, ERR_USAGE, "unexpected argument '%s'; see codecmeter %s --help", argv[most + 1], argv[0]);
}

int options_no_operands(int argc, char **argv, struct err *err) { return refuse_beyond(0, argc, argv, err); }
int options_one_operand(int argc, char **argv, struct err *err) { return refuse_beyond(1, argc, argv, err); }

/* ---- verbs ---- */

static void put_verbs(const struct option_verb *verbs, struct buf *out) {
  for (size_t i = 0; verbs[i].name != NULL; i++) {
    bool is_last = verbs[i + 1].name == NULL;
    if (i > 0) buf_text(out, is_last ? " or " : ", ");
    buf_text(out, verbs[i].name);
  }
}

static int find_verb(const struct option_spec *spec, int argc, char **argv, const struct option_verb **ret,
                     struct err *err) {
  if (argc < 2) {
    SCOPED(buf_fini) struct buf names = {0};
    put_verbs(spec->verbs, &names);
    return err_set(err, ERR_USAGE, "no command is given: give %.*s; see codecmeter %s --help",
                   STR_ARG(buf_view(&names)), argv[0]);
  }
  struct suggestion near = {.word = argv[1]};
  for (const struct option_verb *verb = spec->verbs; verb->name != NULL; verb++) {
    suggest_offer(&near, verb->name);
    if (strcmp(verb->name, argv[1]) != 0) continue;
    *ret = verb;
    return 0;
  }
  if (near.best == NULL) {
    return err_set(err, ERR_USAGE, "unknown command '%s %s'; see codecmeter %s --help", argv[0], argv[1], argv[0]);
  }
  return err_set(err, ERR_USAGE, "unknown command '%s %s'; did you mean '%s %s'? See codecmeter %s --help", argv[0],
                 argv[1], argv[0], near.best, argv[0]);
}

static bool is_among(struct str names, struct str name) {
  while (names.len > 0) {
    if (str_equal(next_name(&names), name)) return true;
  }
  return false;
}

bool options_verb_takes(const struct option_verb *verb, const char *name) {
  for (const struct option_row *row = common_rows; row->name != NULL; row++) {
    if (strcmp(row->name, name) == 0) return true;
  }
  return is_among(str_of(verb->operands), str_of(name)) || is_among(str_of(verb->options), str_of(name));
}

/* Appends "create, set"; false if every verb takes the option. */
static bool put_takers(const struct option_verb *verbs, const char *name, struct buf *out) {
  bool only_some = false;
  for (const struct option_verb *verb = verbs; verb->name != NULL; verb++) {
    bool takes = options_verb_takes(verb, name);
    if (takes && out->len > 0) buf_text(out, ", ");
    if (takes) buf_text(out, verb->name);
    only_some = only_some || !takes;
  }
  return only_some;
}

char *options_help(const struct option_spec *spec, const struct option_row *row) {
  SCOPED(buf_fini) struct buf takers = {0};
  bool only_some = spec->verbs != NULL && put_takers(spec->verbs, row->name, &takers);
  struct str lead = only_some ? buf_view(&takers) : STR("");
  char *text = NULL;
  CHECK(asprintf(&text, "%.*s%s%s", STR_ARG(lead), only_some ? ": " : "", row->help) >= 0);
  return text;
}

static bool is_given(const struct option_row *row) {
  return row->type == OPTION_FLAG ? *(bool *)row->target : *(void **)row->target != NULL;
}

/* An option that does nothing for this verb was meant for another: ignoring it would hide a mistake. */
static int check_taken(const struct option_spec *spec, const struct option_verb *verb, const char *command,
                       struct err *err) {
  for (const struct option_row *row = spec->rows; row->name != NULL; row++) {
    if (!is_given(row) || options_verb_takes(verb, row->name)) continue;
    SCOPED(buf_fini) struct buf takers = {0};
    (void)put_takers(spec->verbs, row->name, &takers);
    return err_set(err, ERR_USAGE, "%s %s takes no --%s; it is for %.*s; see codecmeter %s --help", command,
                   verb->name, row->name, STR_ARG(buf_view(&takers)), command);
  }
  return 0;
}

/* ---- the doors ---- */

static struct {
  void (*visit)(void *arg, const struct option_spec *spec);
  void *arg;
} visitor;

void options_visit(void (*visit)(void *arg, const struct option_spec *spec), void *arg) {
  visitor.visit = visit;
  visitor.arg = arg;
}

static int answered(struct err *err) {
  err->code = ERR_NONE;
  return OPTIONS_ANSWERED;
}

static int parse_and_answer(const struct option_spec *spec, int *argc, char ***argv, struct err *err) {
  if (visitor.visit != NULL) {
    visitor.visit(visitor.arg, spec);
    return answered(err);
  }
  int result = parse(spec, argc, argv, err);
  if (result != 0) return result;
  if (common.help) help_print((*argv)[0], spec, stdout);
  if (common.version && !common.help) command_print_version(stdout);
  if (common.help || common.version) return answered(err);
  if (common.quiet) diag_set_level(DIAG_WARNING);
  remove_separator(argc, *argv, spec->operands_end ? 1 : *argc - 1);
  return check_empty(spec->rows, err);
}

int options_parse(const struct option_spec *spec, int *argc, char ***argv, struct err *err) {
  int result = parse_and_answer(spec, argc, argv, err);
  return result == 0 ? take_operands(spec, spec->operands, "", argc, *argv, err) : result;
}

int options_parse_verb(const struct option_spec *spec, int argc, char **argv, const char **ret_verb,
                       struct err *err) {
  const struct option_verb *verb = NULL;
  int result = parse_and_answer(spec, &argc, &argv, err);
  if (result == 0) result = find_verb(spec, argc, argv, &verb, err);
  if (result == 0) result = check_taken(spec, verb, argv[0], err);
  if (result != 0) return result;
  remove_argument(&argc, argv, 1);
  result = take_operands(spec, verb->operands, verb->name, &argc, argv, err);
  if (result == 0) result = options_no_operands(argc, argv, err);
  *ret_verb = verb->name;
  return result;
}
