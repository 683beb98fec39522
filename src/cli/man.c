#include "cli/man.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/version.h"
#include "cli/options.h"

/* ---- roff ---- */

/* Escapes roff: a '-' can be copied and searched for, a '\' is printed, and a line that begins with '.' or '\'' stays
 * text. */
static void put_text(FILE *out, struct str text) {
  bool starts_line = true;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (starts_line && (c == '.' || c == '\'')) (void)fputs("\\&", out);
    if (c == '-')
      (void)fputs("\\-", out);
    else if (c == '\\')
      (void)fputs("\\e", out);
    else if (c == '`')
      (void)fputs("\\(ga", out);
    else if (c == '\'')
      (void)fputs("\\(aq", out);
    else if (c == '^')
      (void)fputs("\\(ha", out);
    else if (c == '~')
      (void)fputs("\\(ti", out);
    else
      (void)fputc(c, out);
    starts_line = c == '\n';
  }
}

static void put_line(FILE *out, const char *text) {
  put_text(out, str_of(text));
  (void)fputc('\n', out);
}

static void put_heading(FILE *out, const char *name) {
  (void)fprintf(out, ".TH \"");
  for (; *name != '\0'; name++)
    (void)fputc(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name, out);
  (void)fprintf(out, "\" \"1\" \"\" \"codecmeter %s\" \"codecmeter\"\n.SH NAME\n", VERSION);
}

static void put_name_line(FILE *out, const char *name, const char *summary) {
  put_text(out, str_of(name));
  (void)fputs(" \\- ", out);
  put_line(out, summary);
}

/* .TP: a term in bold, and its text. */
static void put_term(FILE *out, struct str term, const char *text) {
  (void)fputs(".TP\n\\fB", out);
  put_text(out, term);
  (void)fputs("\\fR\n", out);
  put_line(out, text);
}

/* ---- sections ---- */

static void put_synopsis_line(FILE *out, const char *command, const char *verb, struct str operands,
                              bool operands_end) {
  (void)fputs("\\fBcodecmeter ", out);
  put_text(out, str_of(command));
  if (verb != NULL) (void)fprintf(out, " %s", verb);
  (void)fputs("\\fR", out);
  if (operands_end) (void)fputs(" [\\fIOPTION\\fR...]", out);
  if (operands.len > 0) {
    (void)fputs(" \\fI", out);
    put_text(out, operands);
    (void)fputs("\\fR", out);
  }
  if (!operands_end) (void)fputs(" [\\fIOPTION\\fR...]", out);
  (void)fputc('\n', out);
}

static void put_synopsis(FILE *out, const char *command, const struct option_spec *spec) {
  SCOPED(buf_fini) struct buf operands = {0};
  (void)fputs(".SH SYNOPSIS\n", out);
  if (spec->verbs == NULL) {
    options_show_operands(spec, spec->operands, &operands);
    struct str shown = spec->usage != NULL ? str_of(spec->usage) : buf_view(&operands);
    put_synopsis_line(out, command, NULL, shown, spec->operands_end);
    return;
  }
  for (const struct option_verb *verb = spec->verbs; verb->name != NULL; verb++) {
    if (verb != spec->verbs) (void)fputs(".br\n", out);
    buf_clear(&operands);
    options_show_operands(spec, verb->operands, &operands);
    put_synopsis_line(out, command, verb->name, buf_view(&operands), false);
  }
}

static void put_description(FILE *out, const struct option_spec *spec) {
  (void)fputs(".SH DESCRIPTION\n", out);
  bool first = true;
  for (struct str rest = str_of(spec->summary); rest.len > 0; first = false) {
    if (!first) (void)fputs(".PP\n", out);
    put_text(out, str_cut(&rest, '\n'));
    (void)fputc('\n', out);
  }
  if (spec->verbs != NULL) (void)fputs(".SH COMMANDS\n", out);
  for (const struct option_verb *verb = spec->verbs; verb != NULL && verb->name != NULL; verb++) {
    put_term(out, str_of(verb->name), verb->help);
  }
}

static void put_options(FILE *out, const struct option_spec *spec) {
  SCOPED(buf_fini) struct buf name = {0};
  struct option_row row;
  (void)fputs(".SH OPTIONS\n", out);
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    buf_clear(&name);
    if (row.letter != '\0') buf_printf(&name, "-%c, ", row.letter);
    buf_printf(&name, "--%s", row.name);
    if (row.argument != NULL) buf_printf(&name, "=%s", row.argument);
    CHECK(!name.failed);
    SCOPED_MALLOC char *text = options_help(spec, &row);
    put_term(out, buf_view(&name), text);
  }
}

static void put_exits(FILE *out, const struct option_exit *exits) {
  static const struct option_exit usual[] = {
      {EXIT_OK, "done"}, {EXIT_FAILED, "failed; the reason is on standard error"}, {EXIT_USAGE, "wrong usage"}, {0}};
  (void)fputs(".SH EXIT STATUS\n", out);
  for (exits = exits != NULL ? exits : usual; exits->when != NULL; exits++) {
    char status[12];
    (void)snprintf(status, sizeof status, "%d", exits->status);
    put_term(out, str_of(status), exits->when);
  }
}

static void put_examples(FILE *out, const char *examples) {
  if (examples == NULL) return;
  (void)fputs(".SH EXAMPLES\n.nf\n", out);
  put_line(out, examples);
  (void)fputs(".fi\n", out);
}

/* ---- pages ---- */

struct page {
  const struct command *command;
  FILE *out;
};

static void put_page(void *arg, const struct option_spec *spec) {
  const struct page *page = arg;
  FILE *out = page->out;
  SCOPED(buf_fini) struct buf name = {0};
  buf_printf(&name, "codecmeter-%s", page->command->name);
  buf_char(&name, '\0');
  CHECK(!name.failed);
  put_heading(out, name.ptr);
  put_name_line(out, name.ptr, page->command->summary);
  put_synopsis(out, page->command->name, spec);
  put_description(out, spec);
  put_options(out, spec);
  put_exits(out, spec->exits);
  put_examples(out, spec->examples);
  (void)fputs(".SH SEE ALSO\n.BR codecmeter (1)\n", out);
}

void man_print(const struct command *command, FILE *out) {
  struct page page = {.command = command, .out = out};
  command_describe(command, put_page, &page);
}

void man_print_overview(FILE *out) {
  const struct command *command;
  put_heading(out, "codecmeter");
  put_name_line(out, "codecmeter", "a meter of video transcoding");
  (void)fputs(".SH SYNOPSIS\n\\fBcodecmeter\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.SH DESCRIPTION\n", out);
  put_line(
      out,
      "codecmeter counts what transcoders produce. Each finished output is reported once, stored durably and counted "
      "exactly once. It answers how many seconds of each definition tier and codec a project produced on each "
      "day. `serve` is the server; `record`, `run`, `watch` and `import` report usage to it; `stat` asks it.");
  (void)fputs(".SH COMMANDS\n", out);
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (!command->is_hidden) put_term(out, str_of(command->name), command->summary);
  }
  (void)fputs(".SH SEE ALSO\n", out);
  const char *separator = "";
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (command->is_hidden) continue;
    (void)fprintf(out, "%s.BR codecmeter\\-%s (1)", separator, command->name);
    separator = ",\n";
  }
  (void)fputc('\n', out);
}
