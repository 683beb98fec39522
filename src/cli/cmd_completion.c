/* Completion for shells, from the same tables as the help. Names of commands and options hold letters, digits and
 * dashes only; texts are quoted. Values of options and other operands are completed as file names.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "base/check.h"
#include "cli/command.h"
#include "cli/options.h"

/* ---- what all shells need ---- */

static void each_command(void (*visit)(void *arg, const struct option_spec *spec), void (*begin)(const char *name),
                         void (*end)(void)) {
  const struct command *command;
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (command->is_hidden) continue;
    begin(command->name);
    command_describe(command, visit, (void *)(uintptr_t)command->name);
    end();
  }
}

/* Between single quotes; `escaped` is how the shell writes a quote within them. */
static void put_quoted(const char *text, const char *escaped) {
  (void)putchar('\'');
  for (; *text != '\0'; text++) {
    if (*text == '\'')
      (void)fputs(escaped, stdout);
    else
      (void)putchar(*text);
  }
  (void)putchar('\'');
}

/* ---- bash ---- */

static void bash_begin(const char *name) { (void)printf("    %s)\n", name); }

static void bash_end(void) { (void)fputs("      ;;\n", stdout); }

/* Once a verb is typed, only its options are offered. */
static void bash_verbs(const struct option_spec *spec) {
  struct option_row row;
  if (spec->verbs == NULL) return;
  (void)fputs("      case \" ${COMP_WORDS[*]:2:COMP_CWORD-2} \" in\n", stdout);
  for (const struct option_verb *verb = spec->verbs; verb->name != NULL; verb++) {
    (void)printf("        *' %s '*) options='", verb->name);
    for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
      if (options_verb_takes(verb, row.name)) (void)printf(" --%s", row.name);
    }
    (void)fputs("' ;;\n", stdout);
  }
  (void)fputs("      esac\n", stdout);
}

static void bash_command(void *arg, const struct option_spec *spec) {
  (void)arg;
  struct option_row row;
  (void)fputs("      verbs='", stdout);
  for (const struct option_verb *verb = spec->verbs; verb != NULL && verb->name != NULL; verb++)
    (void)printf("%s%s", verb == spec->verbs ? "" : " ", verb->name);
  (void)fputs("'\n      options='", stdout);
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++)
    (void)printf("%s--%s", i == 0 ? "" : " ", row.name);
  (void)fputs("'\n      with_value='", stdout);
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    if (row.type != OPTION_FLAG) (void)printf(" --%s", row.name);
  }
  (void)printf(" '\n");
  bash_verbs(spec);
  if (spec->operands_end) (void)fputs("      operands_end=1\n", stdout);
}

static void print_bash(void) {
  const struct command *command;
  (void)fputs(
      "# bash completion of codecmeter; made by `codecmeter completion bash`\n"
      "_codecmeter() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local verbs= options= with_value= operands_end= verb= i\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '",
      stdout);
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (!command->is_hidden) (void)printf("%s ", command->name);
  }
  (void)fputs(
      "help --help --version' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${COMP_WORDS[1]} in\n",
      stdout);
  each_command(bash_command, bash_begin, bash_end);
  (void)fputs(
      "  esac\n"
      "  case $with_value in\n"
      "    *\" $before \"*) return ;;\n"
      "  esac\n"
      "  for ((i = 2; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n"
      "      --) [ -n \"$operands_end\" ] && return ;;\n"
      "      -*) ;;\n"
      "      *) case $with_value in\n"
      "           *\" ${COMP_WORDS[i-1]} \"*) ;;\n"
      "           *) verb=1 ;;\n"
      "         esac ;;\n"
      "    esac\n"
      "  done\n"
      "  [ -n \"$operands_end\" ] && [ -n \"$verb\" ] && return\n"
      "  case $word in\n"
      "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
      "    *) [ -n \"$verb\" ] || COMPREPLY=($(compgen -W \"$verbs\" -- \"$word\")) ;;\n"
      "  esac\n"
      "}\n"
      "complete -o default -F _codecmeter codecmeter\n",
      stdout);
}

/* ---- zsh ---- */

static void zsh_begin(const char *name) { (void)printf("    %s)\n", name); }

static void zsh_end(void) { (void)fputs("      ;;\n", stdout); }

/* "name:text" of _describe, "--name[text]" of _arguments: ':' and brackets are theirs. */
static void put_zsh_text(const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '\'')
      (void)fputs("'\\''", stdout);
    else if (*text == ':' || *text == '[' || *text == ']' || *text == '\\')
      (void)printf("\\%c", *text);
    else
      (void)putchar(*text);
  }
}

static void zsh_command(void *arg, const struct option_spec *spec) {
  (void)arg;
  struct option_row row;
  (void)fputs("      _arguments -s", stdout);
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    (void)printf(" \\\n        '%s--%s%s[", row.type == OPTION_LIST ? "*" : "", row.name,
                 row.type == OPTION_FLAG ? "" : "=");
    SCOPED_MALLOC char *text = options_help(spec, &row);
    put_zsh_text(text);
    (void)fputs("]", stdout);
    if (row.argument != NULL) (void)printf(":%s:_files", row.argument);
    (void)fputs("'", stdout);
  }
  if (spec->verbs != NULL) {
    (void)fputs(" \\\n        '1:command:((", stdout);
    for (const struct option_verb *verb = spec->verbs; verb->name != NULL; verb++) {
      (void)printf("%s%s\\:\"", verb == spec->verbs ? "" : " ", verb->name);
      put_zsh_text(verb->help);
      (void)fputs("\"", stdout);
    }
    (void)fputs("))'", stdout);
  }
  (void)fputs(" \\\n        '*:file:_files'\n", stdout);
}

static void print_zsh(void) {
  const struct command *command;
  (void)fputs(
      "#compdef codecmeter\n"
      "# zsh completion of codecmeter; made by `codecmeter completion zsh`\n"
      "_codecmeter() {\n"
      "  local -a commands\n"
      "  commands=(\n",
      stdout);
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (command->is_hidden) continue;
    (void)printf("    '%s:", command->name);
    put_zsh_text(command->summary);
    (void)fputs("'\n", stdout);
  }
  (void)fputs(
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local name=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $name in\n",
      stdout);
  each_command(zsh_command, zsh_begin, zsh_end);
  (void)fputs(
      "  esac\n"
      "}\n"
      "if [ \"$funcstack[1]\" = _codecmeter ]; then\n"
      "  _codecmeter \"$@\"\n"
      "else\n"
      "  compdef _codecmeter codecmeter\n"
      "fi\n",
      stdout);
}

/* ---- fish ---- */

static void fish_begin(const char *name) { (void)printf("# %s\n", name); }

static void fish_end(void) {}

static void fish_command(void *arg, const struct option_spec *spec) {
  const char *name = arg;
  struct option_row row;
  for (size_t i = 0; (row = options_row(spec, i)).name != NULL; i++) {
    (void)printf("complete -c codecmeter -n '__fish_seen_subcommand_from %s' -l %s", name, row.name);
    if (row.letter != '\0') (void)printf(" -s %c", row.letter);
    (void)fputs(row.type == OPTION_FLAG ? " -d " : " -r -d ", stdout);
    SCOPED_MALLOC char *text = options_help(spec, &row);
    put_quoted(text, "\\'");
    (void)putchar('\n');
  }
  for (const struct option_verb *verb = spec->verbs; verb != NULL && verb->name != NULL; verb++) {
    (void)printf("complete -c codecmeter -f -n '__fish_seen_subcommand_from %s' -a %s -d ", name, verb->name);
    put_quoted(verb->help, "\\'");
    (void)putchar('\n');
  }
}

static void print_fish(void) {
  const struct command *command;
  (void)fputs("# fish completion of codecmeter; made by `codecmeter completion fish`\n", stdout);
  for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
    if (command->is_hidden) continue;
    (void)printf("complete -c codecmeter -f -n __fish_use_subcommand -a %s -d ", command->name);
    put_quoted(command->summary, "\\'");
    (void)putchar('\n');
  }
  each_command(fish_command, fish_begin, fish_end);
}

/* ---- the command ---- */

int cmd_completion(int argc, char **argv) {
  const struct option_row rows[] = {{0}};
  const struct option_verb verbs[] = {
      {"bash", NULL, NULL, "print the script for bash"},
      {"zsh", NULL, NULL, "print the script for zsh"},
      {"fish", NULL, NULL, "print the script for fish"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary = "Prints a script that makes a shell complete commands and options of codecmeter.",
      .quiet = "print the script alone, as always",
      .examples =
          "codecmeter completion bash > /etc/bash_completion.d/codecmeter\n"
          "codecmeter completion zsh > /usr/local/share/zsh/site-functions/_codecmeter\n"
          "codecmeter completion fish > ~/.config/fish/completions/codecmeter.fish",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  if (result != 0) return command_fail("completion", &err);
  if (strcmp(verb, "bash") == 0)
    print_bash();
  else if (strcmp(verb, "zsh") == 0)
    print_zsh();
  else
    print_fish();
  return EXIT_OK;
}
