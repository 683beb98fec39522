#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/options.h"
#include "ledger/catalogue.h"

static const struct admin_column columns[] = {
    {"public_key", "PUBLIC KEY"},
    {"disabled", "DISABLED"},
    {"projects", "ONLY PROJECTS"},
    {"created", "CREATED"},
    {0},
};
static const struct admin_column made_columns[] = {
    {"public_key", "PUBLIC KEY"},
    {"private_key", "PRIVATE KEY (shown only now)"},
    {"projects", "ONLY PROJECTS"},
    {0},
};

struct key_options {
  char *data, *public_key, *private_key, *private_key_file;
  char **projects;
  bool json;
};

/* The first line of a file, or of standard input for "-": a secret on the command line can be read by others. */
static int read_private_key(const char *path, char out[KEY_TEXT_MAX + 2], struct err *err) {
  bool standard_input = strcmp(path, "-") == 0;
  int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return err_set(err, ERR_USAGE, "cannot read %s", path);
  size_t len = 0;
  while (len < KEY_TEXT_MAX + 1) {
    ssize_t got = read(fd, out + len, KEY_TEXT_MAX + 1 - len);
    if (got <= 0) break;
    len += (size_t)got;
  }
  if (!standard_input) (void)close(fd);
  out[len] = '\0';
  out[strcspn(out, "\r\n")] = '\0';
  return out[0] != '\0' ? 0 : err_set(err, ERR_USAGE, "%s holds no private key", path);
}

static int run(const char *verb, const struct key_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf request = {0};
  char secret[KEY_TEXT_MAX + 2];
  const char *private_key = options->private_key;
  if (options->private_key_file != NULL) {
    int result = read_private_key(options->private_key_file, secret, err);
    if (result != 0) return result;
    private_key = secret;
  }
  struct admin_print print = {
      .json = options->json,
      .is_list = strcmp(verb, "list") == 0,
      .columns = strcmp(verb, "create") == 0 ? made_columns : columns,
  };
  admin_begin(&request, "key", verb);
  admin_text(&request, "public_key", options->public_key);
  admin_text(&request, "private_key", private_key);
  admin_list(&request, "projects", options->projects);
  int result = admin_command(options->data, &request, &print, err);
  bytes_wipe(request.ptr, request.len);
  bytes_wipe(secret, sizeof secret);
  return result;
}

int cmd_key(int argc, char **argv) {
  struct key_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"public-key", 0, OPTION_TEXT, &options.public_key, "KEY",
       "create: import this pair instead of making one; disable, enable: the key to change"},
      {"private-key", 0, OPTION_TEXT, &options.private_key, "KEY",
       "its private key; every user of this machine can read it in `ps`: use --private-key-file instead"},
      {"private-key-file", 0, OPTION_TEXT, &options.private_key_file, "FILE",
       "read the private key from a file, or - for standard input"},
      {"project", 0, OPTION_LIST, &options.projects, "ID",
       "make a sub-account's key, for this project only; repeatable"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "create|list|disable|enable",
      .summary =
          "Creates, lists, disables or enables key pairs of the signed API. A key only reads. The command works "
          "whether or not the server runs. The server refuses a disabled key from the next request on.",
      .description =
          "Examples:\n  codecmeter key create\n  codecmeter key create --project org-acme\n"
          "  codecmeter key create --public-key PUB --private-key-file secret.txt\n"
          "  codecmeter key disable --public-key PUB\n  codecmeter key enable --public-key PUB",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = admin_verb(&spec, "create list disable enable", argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("key", &err);
}
