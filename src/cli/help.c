#include "cli/help.h"

#include "base/bytes.h"
#include "base/check.h"
#include "cli/command.h"
#include "cli/display.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN 20
#define WIDTH_NARROW 60 /* below it, the text of an option begins on the line after its name */
#define TEXT_COLUMN_MAX 34
#define TEXT_COLUMN_NARROW 8
#define GAP 2

/* ---- paragraphs ---- */

static size_t help_width(void) {
  size_t width = display_columns();
  if (width == 0) width = WIDTH_DEFAULT;
  return width < WIDTH_MIN ? WIDTH_MIN : width > HELP_WIDTH_MAX ? HELP_WIDTH_MAX : width;
}

static void put_blanks(FILE *out, size_t count) {
  while (count-- > 0)
    (void)fputc(' ', out);
}

/* The first line begins at column `at`, where the cursor is; the others are indented. */
static void put_wrapped(FILE *out, struct str text, size_t at, size_t indent) {
  size_t width = help_width();
  for (bool first = true; first || text.len > 0; first = false) {
    if (!first) put_blanks(out, indent);
    size_t column = first ? at : indent;
    struct str line = display_line(&text, width > column ? width - column : 1);
    (void)fprintf(out, "%.*s\n", STR_ARG(line));
  }
}

static void put_paragraphs(FILE *out, const char *text) {
  for (struct str rest = str_of(text); rest.len > 0;)
    put_wrapped(out, str_cut(&rest, '\n'), 0, 0);
}

/* A name in its column, and what it means in the next. */
static void put_term(FILE *out, struct str name, const char *text, size_t column) {
  (void)fprintf(out, "  %.*s", STR_ARG(name));
  size_t at = 2 + display_width(name);
  if (at + GAP > column) {
    (void)fputc('\n', out);
    at = 0;
  }
  put_blanks(out, column - at);
  put_wrapped(out, str_of(text), column, column);
}

/* The column where texts begin if the widest name has that width. */
static size_t text_column(size_t widest) {
  size_t column = 2 + widest + GAP;
  if (column > TEXT_COLUMN_MAX) column = TEXT_COLUMN_MAX;
  return help_width() < WIDTH_NARROW && column > TEXT_COLUMN_NARROW + GAP ? TEXT_COLUMN_NARROW : column;
}

/* ---- sections ---- */

static void put_usage_line(FILE *out, const char *lead, const char *command, const char *verb, struct str operands,
                           bool operands_end) {
  SCOPED(buf_fini) struct buf line = {0};
  buf_printf(&line, "codecmeter %s", command);
  if (verb != NULL) buf_printf(&line, " %s", verb);
  if (operands_end) buf_text(&line, " [OPTION...]");
  if (operands.len > 0) buf_printf(&line, " %.*s", STR_ARG(operands));
  if (!operands_end) buf_text(&line, " [OPTION...]");
  CHECK(!line.failed);
  (void)fputs(lead, out);
  put_wrapped(out, buf_view(&line), strlen(lead), strlen(lead) + 4);
}

static void put_usage(FILE *out, const char *command, const struct option_spec *spec) {
  SCOPED(buf_fini) struct buf operands = {0};
  if (spec->verbs == NULL) {
    options_show_operands(spec, spec->operands, &operands);
    struct str shown = spec->usage != NULL ? str_of(spec->usage) : buf_view(&operands);
    put_usage_line(out, "Usage: ", command, NULL, shown, spec->operands_end);
    return;
  }
  for (const struct option_verb *verb = spec->verbs; verb->name != NULL; verb++) {
    buf_clear(&operands);
    options_show_operands(spec, verb->operands, &operands);
    put_usage_line(out, verb == spec->verbs ? "Usage: " : "       ", command, verb->name, buf_view(&operands), false);
  }
}

static void put_verbs(FILE *out, const struct option_verb *verbs) {
  size_t widest = 0;
  for (const struct option_verb *verb = verbs; verb->name != NULL; verb++) {
    size_t width = strlen(verb->name);
    if (width > widest) widest = width;
  }
  (void)fputs("\nCommands:\n", out);
  for (const struct option_verb *verb = verbs; verb->name != NULL; verb++) {
    put_term(out, str_of(verb->name), verb->help, text_column(widest));
  }
}

static void put_option_name(const struct option_row *row, struct buf *name) {
  if (row->letter != '\0')
    buf_printf(name, "-%c, ", row->letter);
  else
    buf_text(name, "    ");
  buf_printf(name, "--%s%s%s", row->name, row->argument != NULL ? "=" : "",
             row->argument != NULL ? row->argument : "");
  CHECK(!name->failed);
}

static size_t widest_option(const struct option_spec *spec) {
  SCOPED(buf_fini) struct buf name = {0};
  struct option_row row;
  size_t widest = 0;
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    buf_clear(&name);
    put_option_name(&row, &name);
    size_t width = display_width(buf_view(&name));
    if (width > widest) widest = width;
  }
  return widest;
}

static void put_options(FILE *out, const struct option_spec *spec) {
  SCOPED(buf_fini) struct buf name = {0};
  struct option_row row;
  size_t column = text_column(widest_option(spec));
  (void)fputs("\nOptions:\n", out);
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    buf_clear(&name);
    put_option_name(&row, &name);
    SCOPED_MALLOC char *text = options_help(spec, &row);
    put_term(out, buf_view(&name), text, column);
  }
}

static void put_examples(FILE *out, const char *examples) {
  if (examples == NULL) return;
  (void)fputs("\nExamples:\n", out);
  for (struct str rest = str_of(examples); rest.len > 0;) {
    struct str line = str_cut(&rest, '\n');
    (void)fprintf(out, "  %.*s\n", STR_ARG(line));
  }
}

static void put_exits(FILE *out, const struct option_exit *exits) {
  if (exits == NULL) return;
  (void)fputs("\nExit status:\n", out);
  for (; exits->when != NULL; exits++) {
    char status[12];
    (void)snprintf(status, sizeof status, "%d", exits->status);
    put_term(out, str_of(status), exits->when, text_column(3));
  }
}

void help_print(const char *command, const struct option_spec *spec, FILE *out) {
  put_usage(out, command, spec);
  (void)fputc('\n', out);
  put_paragraphs(out, spec->summary);
  if (spec->verbs != NULL) put_verbs(out, spec->verbs);
  put_options(out, spec);
  put_examples(out, spec->examples);
  put_exits(out, spec->exits);
}

void help_print_commands(FILE *out) {
  size_t widest = 0;
  const struct command *command;
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    size_t width = strlen(command->name);
    if (!command->is_hidden && width > widest) widest = width;
  }
  (void)fputs("codecmeter: a meter of video transcoding\n\nUsage: codecmeter COMMAND [OPTION...]\n\nCommands:\n",
              out);
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (!command->is_hidden) put_term(out, str_of(command->name), command->summary, 2 + widest + GAP);
  }
  (void)fputc('\n', out);
  put_paragraphs(out, "`codecmeter COMMAND --help` describes a command. `codecmeter --version` prints the version.");
}
