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

/* Reads the first line of a file, or of standard input for "-". Other users can see a secret on the command line. */
static int read_private_key(const char *path, char out[KEY_TEXT_MAX + 2], struct err *err) {
  bool standard_input = strcmp(path, "-") == 0;
  int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return err_set(err, ERR_USAGE, "cannot open the private key file %s", path);
  size_t len = 0;
  while (len < KEY_TEXT_MAX + 1) {
    ssize_t got = read(fd, out + len, KEY_TEXT_MAX + 1 - len);
    if (got <= 0) break;
    len += (size_t)got;
  }
  if (!standard_input) (void)close(fd);
  out[len] = '\0';
  out[strcspn(out, "\r\n")] = '\0';
  return out[0] != '\0'
             ? 0
             : err_set(err, ERR_USAGE, "%s: the first line is empty; a private key is expected there", path);
}

static int run(const char *verb, const struct key_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
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
      .is_asked_for = strcmp(verb, "list") == 0,
      .columns = strcmp(verb, "create") == 0 ? made_columns : columns,
  };
  if (strcmp(verb, "create") == 0) {
    print.quiet_fields[0] = "public_key";
    print.quiet_fields[1] = "private_key";
  }
  struct json_write request = admin_begin(&text, "key", verb);
  admin_text(&request, "public_key", options->public_key);
  admin_text(&request, "private_key", private_key);
  admin_list(&request, "projects", options->projects);
  int result = admin_command(options->data, &request, &print, err);
  bytes_wipe(text.ptr, text.len);
  bytes_wipe(secret, sizeof secret);
  return result;
}

int cmd_key(int argc, char **argv) {
  struct key_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"public-key", 0, OPTION_TEXT, &options.public_key, "KEY",
       "the public key to disable or enable (the same as the argument KEY), or to import"},
      {"private-key", 0, OPTION_TEXT, &options.private_key, "KEY",
       "the private key of a pair to import; every user of this machine can see it with `ps`, so prefer "
       "--private-key-file"},
      {"private-key-file", 0, OPTION_TEXT, &options.private_key_file, "FILE",
       "read the private key to import from a file; - is standard input"},
      {"project", 0, OPTION_LIST, &options.projects, "ID",
       "make a key of a sub-account, which can read only this project; repeatable"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"create", NULL, "data public-key private-key private-key-file project json",
       "create a key pair, or import one"},
      {"list", NULL, "data json", "list all keys, without their private keys"},
      {"disable", "public-key", "data json", "disable a key: the server refuses it from the next request on"},
      {"enable", "public-key", "data json", "enable a disabled key"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Creates, lists, disables or enables key pairs. A key pair signs calls of the UCloud API, and only reads. "
          "The command works whether or not the server runs.",
      .quiet = "create: print only the public and the private key, in one line; disable, enable: print nothing",
      .examples =
          "codecmeter key create\ncodecmeter key create --project org-acme\n"
          "codecmeter key create --public-key PUB --private-key-file secret.txt\n"
          "codecmeter key disable PUB\ncodecmeter key enable PUB",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("key", &err);
}
