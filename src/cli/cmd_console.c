/* Prints a link that opens the console and signs in. The token is in the fragment of the link: browsers send no
 * fragment to any server, and the console takes it out of the address at once. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin_command.h"
#include "cli/client_options.h"
#include "cli/command.h"

#define EXPIRES_DEFAULT "12h"
#define LABEL_DEFAULT "console"

struct console_options {
  struct client_settings settings;
  char *data, *project, *label, *expires;
};

/* A token that was made. */
struct made {
  char *secret; /* NULL: none */
  char *id, *expires;
};

static void take_token(void *arg, const struct json *item) {
  struct made *made = arg;
  struct str secret = json_member_text(item, "token"), id = json_member_text(item, "id");
  struct str expires = json_member_text(item, "expires");
  made->secret = options_keep(strndup(secret.ptr, secret.len));
  made->id = options_keep(strndup(id.ptr, id.len));
  made->expires = options_keep(strndup(expires.ptr, expires.len));
}

static int make_token(const struct console_options *options, struct made *ret, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  const struct admin_print print = {.look = take_token, .arg = ret};
  struct json_write request = admin_begin(&text, "token", "create");
  admin_text(&request, "scope", "read");
  admin_text(&request, "project", options->project);
  admin_text(&request, "label", options->label != NULL ? options->label : LABEL_DEFAULT);
  admin_text(&request, "expires", options->expires != NULL ? options->expires : EXPIRES_DEFAULT);
  return admin_command(options->data, &request, &print, err);
}

/* Every token is of letters, digits and _, which need no encoding in a link. */
static int check_token(const char *token, struct err *err) {
  for (const char *c = token; *c != '\0'; c++) {
    if (!isalnum((unsigned char)*c) && *c != '_')
      return err_set(err, ERR_USAGE,
                     "the read token that was given is not a token: tokens have only letters, digits and _");
  }
  return 0;
}

static int check_url(const char *url, struct err *err) {
  if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) return 0;
  return err_set(err, ERR_USAGE, "the server's URL is '%s'; it must begin with http:// or https://", url);
}

static void print_link(const char *url, const char *token) {
  size_t len = strlen(url);
  while (len > 0 && url[len - 1] == '/')
    len--;
  (void)printf("%.*s/console/#token=%s\n", (int)len, url, token);
}

static int run(struct console_options *options, struct err *err) {
  struct made made = {0};
  bool wants_new =
      options->data != NULL || options->project != NULL || options->label != NULL || options->expires != NULL;
  if (wants_new && options->settings.read_token != NULL)
    return err_set(err, ERR_USAGE,
                   "--token gives a token, and --data, --project, --label and --expires make one: give one of both");
  int result = client_settings_fill(&options->settings, err);
  if (result == 0) result = check_url(options->settings.url, err);
  const char *token = wants_new ? NULL : options->settings.read_token;
  if (result == 0 && token == NULL) {
    result = make_token(options, &made, err);
    token = made.secret;
  }
  if (result == 0) result = check_token(token, err);
  if (result != 0) return result;
  print_link(options->settings.url, token);
  if (options_quiet() || made.secret == NULL) return 0;
  (void)fprintf(
      stderr,
      "open this link in a browser; with it, anyone can read usage until %s, or until `codecmeter token revoke %s`\n",
      made.expires, made.id);
  return 0;
}

int cmd_console(int argc, char **argv) {
  struct console_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR",
       "data directory of the token that is made ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "ID", "the token reads this project only (default: all)"},
      {"expires", 0, OPTION_TEXT, &options.expires, "WHEN",
       "the token ends then: a duration from now such as 90d or 12h, a date, or an RFC 3339 time (default: 12h)"},
      {"label", 0, OPTION_TEXT, &options.label, "TEXT", "`token list` shows it (default: console)"},
      CLIENT_READ_ROWS(options.settings),
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Prints a link that opens the console in a browser and signs in. Without a token, it makes one of scope "
          "read, "
          "which expires; the command works whether or not the server runs. With --token, --env or "
          "$CODECMETER_READ_TOKEN, the link has that token; any of --data, --project, --expires and --label makes "
          "one "
          "all the same.",
      .quiet = "print the link alone",
      .examples =
          "codecmeter console\n"
          "codecmeter console --project org-acme --expires 90d --label finance\n"
          "codecmeter console --env data/client.env",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = run(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("console", &err);
}
