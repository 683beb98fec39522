/* The catalogue: projects, key pairs and tokens, as the log has them. Source: design §2, §6, §7.
 *
 * It is kept whole in memory, and changes only when a committed record is applied. A read copies values out under a
 * short lock, from any thread. Every text has a bound, so the copies are plain structs.
 */
#ifndef CODECMETER_LEDGER_CATALOGUE_H
#define CODECMETER_LEDGER_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "meter/labels.h"
#include "meter/usage.h"
#include "meter/zone.h"

#define PROJECT_NAME_MAX 256
#define KEY_TEXT_MAX 256     /* bytes of a public or a private key */
#define KEY_PROJECTS_MAX 256 /* projects a sub-account key may list */
#define PROJECT_LABELS_MAX 4 /* labels that a project declares */
#define TOKEN_ID_MAX 32
#define TOKEN_LABEL_MAX 64
#define TOKEN_HASH_SIZE 32   /* SHA-256 */

struct project {
  char id[PROJECT_ID_MAX + 1];
  char name[PROJECT_NAME_MAX + 1];
  char zone[ZONE_NAME_MAX + 1];
  int64_t created_ms;
  char labels[PROJECT_LABELS_MAX][LABEL_NAME_MAX + 1]; /* usage can be grouped by them */
  size_t labels_count;
  bool is_default;
  uint32_t number; /* given when its record is applied, in log order, from 1 */
};

/* A key pair signs calls of the API, which only read. */
struct key {
  char public_key[KEY_TEXT_MAX + 1];
  char private_key[KEY_TEXT_MAX + 1]; /* wipe copies with bytes_wipe */
  int64_t created_ms;
  bool disabled;
  bool sub_account; /* for listed projects only */
};

enum token_scope { TOKEN_WRITE = 1, TOKEN_READ = 2, TOKEN_VOID = 3, TOKEN_COPY = 4 };

struct token {
  char id[TOKEN_ID_MAX + 1]; /* public: names the token in lists and logs */
  uint8_t hash[TOKEN_HASH_SIZE];
  enum token_scope scope;
  char project[PROJECT_ID_MAX + 1]; /* "" is every project */
  char label[TOKEN_LABEL_MAX + 1];
  int64_t created_ms;
  int64_t expires_ms; /* it is void from then on; 0: never */
  bool revoked;
  bool creates_projects; /* only if it is for every project: its events create the projects that do not exist */
  char zone[ZONE_NAME_MAX + 1]; /* of those projects; "" if it creates none, or was made before tokens had a zone */
};

/* A change of the catalogue that a command asks for. Texts are borrowed. */
enum change_type {
  CHANGE_PROJECT_CREATE = 1, /* project: id, name ("": the id), zone, is_default (a ledger's first always is) */
  CHANGE_PROJECT_SET = 2,    /* project: id, and the fields of `set` */
  CHANGE_KEY_CREATE = 3,     /* key, and projects when sub_account */
  CHANGE_KEY_DISABLE = 4,    /* key.public_key */
  CHANGE_TOKEN_CREATE = 5,   /* token */
  CHANGE_TOKEN_REVOKE = 6,   /* token.id */
  CHANGE_KEY_ENABLE = 7,     /* key.public_key */
};

#define CHANGE_SET_NAME 1u
#define CHANGE_SET_ZONE 2u
#define CHANGE_SET_DEFAULT 4u
#define CHANGE_SET_LABELS 8u

struct change {
  enum change_type type;
  struct project project; /* the ledger fills created_ms and number */
  unsigned set;
  struct key key;
  const char *const *projects; /* ids of existing projects */
  size_t projects_count;
  struct token token;
};

struct catalogue;

/* These copy a value out. False if there is none of that name. */
MUST_USE bool catalogue_project(const struct catalogue *catalogue, struct str id, struct project *ret);
MUST_USE bool catalogue_project_default(const struct catalogue *catalogue, struct project *ret);
MUST_USE bool catalogue_key(const struct catalogue *catalogue, struct str public_key, struct key *ret);
/* True if the key may use the project. A key of the account may use every project, a sub-account's key only those
 * that it lists. The project need not exist. */
bool catalogue_key_allows(const struct catalogue *catalogue, struct str public_key, struct str project_id);
MUST_USE bool catalogue_token(const struct catalogue *catalogue, const uint8_t hash[TOKEN_HASH_SIZE],
                              struct token *ret);

/* Lists, in the order of ids. Each returns a malloc'd array, which the caller frees; -ERR_MEMORY. */
MUST_USE int catalogue_projects(const struct catalogue *catalogue, struct project **ret, size_t *ret_count);
MUST_USE int catalogue_keys(const struct catalogue *catalogue, struct key **ret, size_t *ret_count);
MUST_USE int catalogue_tokens(const struct catalogue *catalogue, struct token **ret, size_t *ret_count);
size_t catalogue_projects_count(const struct catalogue *catalogue);
/* The number of codec names that a project has used; 0 if there is no such project. */
unsigned catalogue_codecs_count(const struct catalogue *catalogue, struct str project_id);

/* A project, and the number of enabled keys that may use it. */
struct project_use {
  struct project project;
  uint64_t keys;
};
/* The projects that a key may use, in the order of ids. The cost grows only with their number, because keys are
 * counted as they change. A malloc'd array, which the caller frees; -ERR_MEMORY. */
MUST_USE int catalogue_key_uses(const struct catalogue *catalogue, struct str public_key, struct project_use **ret,
                                size_t *ret_count);
/* The projects that a sub-account's key lists: a malloc'd array of ids, which the caller frees; -ERR_MEMORY. */
MUST_USE int catalogue_key_projects(const struct catalogue *catalogue, struct str public_key,
                                    char (**ret)[PROJECT_ID_MAX + 1], size_t *ret_count);

#endif
