/* GLib's hash tables under one reader-writer lock. A table's key is a NUL-terminated text inside its value, so a
 * table never owns a key apart from its value. */
#include "ledger/catalogue.h"

#include <glib.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "ledger/catalogue/catalogue_write.h"
#include "ledger/log/hash.h"
#include "meter/codec.h"

struct key_state {
  struct key info;
  char (*projects)[PROJECT_ID_MAX + 1];
  size_t projects_count;
};

#define CODEC_LISTS 1024u

struct codec_name {
  struct codec_name *next;
  char text[CODEC_NAME_MAX + 1];
};

struct catalogue {
  pthread_rwlock_t lock;
  GHashTable *projects;   /* id -> struct project_state */
  GPtrArray *by_number;   /* project number - 1 -> struct project_state, borrowed */
  GHashTable *keys;       /* public key -> struct key_state */
  GHashTable *tokens;     /* id -> struct token */
  GHashTable *by_hash;    /* hash -> struct token, borrowed */
  char default_project[PROJECT_ID_MAX + 1];
  uint64_t account_keys; /* the number of enabled keys that may use every project */
  struct codec_name *codecs[CODEC_LISTS]; /* each name that a project uses, once; the writer only */
};

static void free_key(gpointer pointer) {
  struct key_state *key = pointer;
  bytes_wipe(key->info.private_key, sizeof key->info.private_key);
  free(key->projects);
  free(key);
}

/* The first bytes of a SHA-256 are a good hash. */
static guint token_hash(gconstpointer hash) { return le32_load(hash); }
static gboolean token_hash_equal(gconstpointer a, gconstpointer b) {
  return bytes_equal_constant_time(a, b, TOKEN_HASH_SIZE);
}

struct catalogue *catalogue_new(void) {
  struct catalogue *catalogue = calloc(1, sizeof *catalogue);
  CHECK(catalogue != NULL && pthread_rwlock_init(&catalogue->lock, NULL) == 0);
  catalogue->projects = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free);
  catalogue->by_number = g_ptr_array_new();
  catalogue->keys = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_key);
  catalogue->tokens = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free);
  catalogue->by_hash = g_hash_table_new(token_hash, token_hash_equal);
  return catalogue;
}

void catalogue_free(struct catalogue *catalogue) {
  if (catalogue == NULL) return;
  g_hash_table_destroy(catalogue->by_hash);
  g_hash_table_destroy(catalogue->tokens);
  g_hash_table_destroy(catalogue->keys);
  g_ptr_array_free(catalogue->by_number, TRUE);
  g_hash_table_destroy(catalogue->projects);
  for (size_t i = 0; i < CODEC_LISTS; i++) {
    for (struct codec_name *name = catalogue->codecs[i], *next; name != NULL; name = next) {
      next = name->next;
      free(name);
    }
  }
  (void)pthread_rwlock_destroy(&catalogue->lock);
  free(catalogue);
}

static pthread_rwlock_t *lock_of(const struct catalogue *catalogue) {
  return (pthread_rwlock_t *)(uintptr_t)&catalogue->lock;
}
static void read_lock(const struct catalogue *catalogue) { lock_read(lock_of(catalogue)); }
static void write_lock(struct catalogue *catalogue) { lock_write(&catalogue->lock); }
static void unlock(const struct catalogue *catalogue) { lock_leave(lock_of(catalogue)); }

/* ---- reading: find and catalogue_state* need the lock, or the writer as the caller ---- */

static gpointer find(GHashTable *table, struct str name) {
  char text[KEY_TEXT_MAX + 1];
  if (!str_copy(name, text, sizeof text) || strlen(text) != name.len) return NULL;
  return g_hash_table_lookup(table, text);
}

const struct project_state *catalogue_state(const struct catalogue *catalogue, struct str id) {
  return find(catalogue->projects, id);
}

const struct project_state *catalogue_state_of_number(const struct catalogue *catalogue, uint32_t number) {
  return number >= 1 && number <= catalogue->by_number->len ? catalogue->by_number->pdata[number - 1] : NULL;
}

static struct project project_info(const struct catalogue *catalogue, const struct project_state *state) {
  struct project info = state->info;
  info.is_default = strcmp(info.id, catalogue->default_project) == 0;
  return info;
}

bool catalogue_project(const struct catalogue *catalogue, struct str id, struct project *ret) {
  read_lock(catalogue);
  const struct project_state *state = catalogue_state(catalogue, id);
  if (state != NULL) *ret = project_info(catalogue, state);
  unlock(catalogue);
  return state != NULL;
}

bool catalogue_project_default(const struct catalogue *catalogue, struct project *ret) {
  read_lock(catalogue);
  const struct project_state *state = catalogue_state(catalogue, str_of(catalogue->default_project));
  if (state != NULL) *ret = project_info(catalogue, state);
  unlock(catalogue);
  return state != NULL;
}

bool catalogue_copy_state(const struct catalogue *catalogue, struct str id, struct project_state *ret) {
  read_lock(catalogue);
  const struct project_state *state = catalogue_state(catalogue, id);
  if (state != NULL) {
    ret->info = project_info(catalogue, state);
    ret->zone = state->zone;
    ret->codecs_count = state->codecs_count;
    ret->others_count = state->others_count;
    memcpy(ret->codecs, state->codecs, state->codecs_count * sizeof state->codecs[0]);
  }
  unlock(catalogue);
  return state != NULL;
}

bool catalogue_key(const struct catalogue *catalogue, struct str public_key, struct key *ret) {
  read_lock(catalogue);
  const struct key_state *state = find(catalogue->keys, public_key);
  if (state != NULL) *ret = state->info;
  unlock(catalogue);
  return state != NULL;
}

static bool lists_project(const struct key_state *key, struct str project_id) {
  for (size_t i = 0; i < key->projects_count; i++) {
    if (str_equal(str_of(key->projects[i]), project_id)) return true;
  }
  return false;
}

bool catalogue_key_allows(const struct catalogue *catalogue, struct str public_key, struct str project_id) {
  read_lock(catalogue);
  const struct key_state *state = find(catalogue->keys, public_key);
  bool allows = state != NULL && (!state->info.sub_account || lists_project(state, project_id));
  unlock(catalogue);
  return allows;
}

bool catalogue_token(const struct catalogue *catalogue, const uint8_t hash[TOKEN_HASH_SIZE], struct token *ret) {
  read_lock(catalogue);
  const struct token *token = g_hash_table_lookup(catalogue->by_hash, hash);
  if (token != NULL) *ret = *token;
  unlock(catalogue);
  return token != NULL;
}

/* ---- lists ---- */

static int by_text(const void *a, const void *b) { return strcmp(a, b); } /* a value begins with its name */
_Static_assert(offsetof(struct project, id) == 0 && offsetof(struct key, public_key) == 0 &&
                   offsetof(struct token, id) == 0,
               "by_text compares the names");

/* Copies the values of a table, `size` bytes of each, sorted by name. */
static int list(const struct catalogue *catalogue, GHashTable *table, size_t size, void **ret, size_t *ret_count) {
  read_lock(catalogue);
  size_t count = 0;
  char *items = calloc(g_hash_table_size(table) + 1, size);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, table);
  while (items != NULL && g_hash_table_iter_next(&iter, NULL, &value)) memcpy(items + count++ * size, value, size);
  unlock(catalogue);
  if (items == NULL) return -ERR_MEMORY;
  qsort(items, count, size, by_text);
  *ret = items;
  *ret_count = count;
  return 0;
}

int catalogue_projects(const struct catalogue *catalogue, struct project **ret, size_t *ret_count) {
  void *items;
  int result = list(catalogue, catalogue->projects, sizeof(struct project), &items, ret_count);
  if (result != 0) return result;
  *ret = items;
  struct project chosen;
  bool any = catalogue_project_default(catalogue, &chosen);
  for (size_t i = 0; i < *ret_count; i++) (*ret)[i].is_default = any && strcmp((*ret)[i].id, chosen.id) == 0;
  return 0;
}
_Static_assert(offsetof(struct project_state, info) == 0 && offsetof(struct key_state, info) == 0,
               "a list copies the beginning of a value");

int catalogue_keys(const struct catalogue *catalogue, struct key **ret, size_t *ret_count) {
  void *items;
  int result = list(catalogue, catalogue->keys, sizeof(struct key), &items, ret_count);
  if (result == 0) *ret = items;
  return result;
}

size_t catalogue_projects_count(const struct catalogue *catalogue) {
  read_lock(catalogue);
  size_t count = g_hash_table_size(catalogue->projects);
  unlock(catalogue);
  return count;
}

unsigned catalogue_codecs_count(const struct catalogue *catalogue, struct str project_id) {
  read_lock(catalogue);
  const struct project_state *state = catalogue_state(catalogue, project_id);
  unsigned count = state != NULL ? state->codecs_count : 0;
  unlock(catalogue);
  return count;
}

static void add_use(const struct catalogue *catalogue, const struct project_state *state, struct project_use *items,
                    size_t *count) {
  if (state == NULL) return;
  items[(*count)++] = (struct project_use){.project = project_info(catalogue, state),
                                           .keys = catalogue->account_keys + state->listed};
}

static void gather_uses(const struct catalogue *catalogue, const struct key_state *key, struct project_use *items,
                        size_t *count) {
  if (key == NULL) return;
  for (size_t i = 0; key->info.sub_account && i < key->projects_count; i++)
    add_use(catalogue, catalogue_state(catalogue, str_of(key->projects[i])), items, count);
  for (size_t i = 0; !key->info.sub_account && i < catalogue->by_number->len; i++)
    add_use(catalogue, catalogue->by_number->pdata[i], items, count);
}

int catalogue_key_uses(const struct catalogue *catalogue, struct str public_key, struct project_use **ret,
                       size_t *ret_count) {
  read_lock(catalogue);
  const struct key_state *key = find(catalogue->keys, public_key);
  size_t most = key == NULL ? 0 : key->info.sub_account ? key->projects_count : catalogue->by_number->len, count = 0;
  struct project_use *items = calloc(most + 1, sizeof *items);
  if (items != NULL) gather_uses(catalogue, key, items, &count);
  unlock(catalogue);
  if (items == NULL) return -ERR_MEMORY;
  qsort(items, count, sizeof *items, by_text);
  *ret = items;
  *ret_count = count;
  return 0;
}
_Static_assert(offsetof(struct project_use, project) == 0, "by_text compares the names");

int catalogue_tokens(const struct catalogue *catalogue, struct token **ret, size_t *ret_count) {
  void *items;
  int result = list(catalogue, catalogue->tokens, sizeof(struct token), &items, ret_count);
  if (result == 0) *ret = items;
  return result;
}

int catalogue_key_projects(const struct catalogue *catalogue, struct str public_key,
                           char (**ret)[PROJECT_ID_MAX + 1], size_t *ret_count) {
  read_lock(catalogue);
  const struct key_state *state = find(catalogue->keys, public_key);
  size_t count = state != NULL ? state->projects_count : 0;
  char(*items)[PROJECT_ID_MAX + 1] = calloc(count + 1, sizeof *items);
  if (items != NULL && count > 0) memcpy(items, state->projects, count * sizeof *items);
  unlock(catalogue);
  if (items == NULL) return -ERR_MEMORY;
  *ret = items;
  *ret_count = count;
  return 0;
}

/* ---- deciding ---- */

static int check_text(struct str text, size_t len_max, const char *what, struct err *err) {
  bool good = text.len >= 1 && text.len <= len_max && str_is_utf8(text) && !str_has_control(text) &&
              str_trim(text).len == text.len;
  if (good) return 0;
  return err_set(err, ERR_RANGE, "%s must be 1 to %zu bytes of UTF-8, without control characters or blanks around it",
                 what, len_max);
}

/* If tzdata lacks the zone, the change is refused; a server whose projects do not need it goes on. */
static int check_zone(const char *name, struct err *err) {
  const struct zone *zone;
  struct err why = {0};
  int result = zone_find(str_of(name), &zone, &why);
  if (result == 0) return 0;
  return err_set(err, err_kind(result) == ERR_KIND_RETRY ? why.code : ERR_RANGE, "%s", why.text);
}

static int check_labels(const struct project *project, struct err *err) {
  if (project->labels_count > PROJECT_LABELS_MAX) {
    return err_set(err, ERR_LIMIT, "a project declares at most %d labels", PROJECT_LABELS_MAX);
  }
  for (size_t i = 0; i < project->labels_count; i++) {
    if (!label_name_is_valid(str_of(project->labels[i]))) {
      return err_set(err, ERR_RANGE,
                     "\"%s\" cannot be the name of a label: use 1 to %d small letters, digits and '_', a letter first",
                     project->labels[i], LABEL_NAME_MAX);
    }
    for (size_t k = 0; k < i; k++) {
      if (strcmp(project->labels[k], project->labels[i]) == 0) {
        return err_set(err, ERR_RANGE, "label %s is given more than once", project->labels[i]);
      }
    }
  }
  return 0;
}

static int check_project(const struct project *project, struct err *err) {
  int result = check_text(str_of(project->id), PROJECT_ID_MAX, "project id", err);
  if (result == 0) result = check_text(str_of(project->name), PROJECT_NAME_MAX, "project name", err);
  if (result == 0) result = check_zone(project->zone, err);
  return result == 0 ? check_labels(project, err) : result;
}

static void encode_project(const struct project *project, bool create, struct buf *out) {
  struct record record = {
      .type = RECORD_PROJECT,
      .project = {.create = create,
                  .id = str_of(project->id),
                  .name = str_of(project->name),
                  .zone = str_of(project->zone),
                  .created_ms = project->created_ms,
                  .labels_count = project->labels_count},
  };
  for (size_t i = 0; i < project->labels_count; i++) record.project.labels[i] = str_of(project->labels[i]);
  record_encode(&record, out);
}

static void encode_default(const char *id, struct buf *out) {
  struct record record = {.type = RECORD_ACCOUNT, .account = {.default_project = str_of(id)}};
  record_encode(&record, out);
}

static int decide_project_create(const struct catalogue *catalogue, const struct change *change, int64_t now_ms,
                                 struct buf *out, struct err *err) {
  struct project project = change->project;
  project.created_ms = now_ms;
  if (project.name[0] == '\0') memcpy(project.name, project.id, sizeof project.id);
  int result = check_project(&project, err);
  if (result != 0) return result;
  if (catalogue_state(catalogue, str_of(project.id)) != NULL) {
    return err_set(err, ERR_EXISTS, "project %s exists already; to change it, use `project set`", project.id);
  }
  encode_project(&project, true, out);
  if (project.is_default || catalogue->by_number->len == 0) encode_default(project.id, out);
  return 0;
}

static int decide_project_set(const struct catalogue *catalogue, const struct change *change, struct buf *out,
                              struct err *err) {
  const struct project_state *state = catalogue_state(catalogue, str_of(change->project.id));
  if (state == NULL) {
    return err_set(err, ERR_NOT_FOUND, "no project %s exists; `project list` shows the projects", change->project.id);
  }
  struct project project = state->info;
  if (change->set & CHANGE_SET_NAME) memcpy(project.name, change->project.name, sizeof project.name);
  if (change->set & CHANGE_SET_ZONE) memcpy(project.zone, change->project.zone, sizeof project.zone);
  if (change->set & CHANGE_SET_LABELS) {
    memcpy(project.labels, change->project.labels, sizeof project.labels);
    project.labels_count = change->project.labels_count;
  }
  int result = check_project(&project, err);
  if (result != 0) return result;
  encode_project(&project, false, out);
  if (change->set & CHANGE_SET_DEFAULT) encode_default(project.id, out);
  return 0;
}

static int encode_key(const struct key *key, const char *const *projects, size_t count, bool create, struct buf *out,
                      struct err *err) {
  SCOPED_MALLOC struct record *record = calloc(1, sizeof *record);
  if (record == NULL) return err_set(err, ERR_MEMORY, "no memory to make a key: free some memory");
  record->type = RECORD_KEY;
  record->key.create = create;
  record->key.disabled = key->disabled;
  record->key.sub_account = key->sub_account;
  record->key.created_ms = key->created_ms;
  record->key.public_key = str_of(key->public_key);
  record->key.private_key = str_of(key->private_key);
  for (size_t i = 0; i < count; i++) {
    bool named = false; /* earlier in the list */
    for (size_t k = 0; k < i && !named; k++) named = strcmp(projects[k], projects[i]) == 0;
    if (!named) record->key.projects[record->key.projects_count++] = str_of(projects[i]);
  }
  record_encode(record, out);
  return 0;
}

static int decide_key_create(const struct catalogue *catalogue, const struct change *change, int64_t now_ms,
                             struct buf *out, struct err *err) {
  struct key key = change->key;
  key.created_ms = now_ms;
  int result = check_text(str_of(key.public_key), KEY_TEXT_MAX, "public key", err);
  if (result == 0) result = check_text(str_of(key.private_key), KEY_TEXT_MAX, "private key", err);
  if (result != 0) return result;
  if (find(catalogue->keys, str_of(key.public_key)) != NULL) {
    return err_set(err, ERR_EXISTS, "key %s exists already; use another public key", key.public_key);
  }
  if (change->projects_count > KEY_PROJECTS_MAX) {
    return err_set(err, ERR_LIMIT, "too many projects for one key: at most %d", KEY_PROJECTS_MAX);
  }
  for (size_t i = 0; i < change->projects_count; i++) {
    if (catalogue_state(catalogue, str_of(change->projects[i])) == NULL) {
      return err_set(err, ERR_NOT_FOUND, "no project %s exists; `project create` makes one", change->projects[i]);
    }
  }
  result = encode_key(&key, change->projects, change->projects_count, true, out, err);
  bytes_wipe(&key, sizeof key);
  return result;
}

static int decide_key_set(const struct catalogue *catalogue, const struct change *change, struct buf *out,
                          struct err *err) {
  const struct key_state *state = find(catalogue->keys, str_of(change->key.public_key));
  if (state == NULL) {
    return err_set(err, ERR_NOT_FOUND, "no key %s exists; `key list` shows the keys", change->key.public_key);
  }
  struct key key = state->info;
  key.disabled = change->type == CHANGE_KEY_DISABLE;
  const char *projects[KEY_PROJECTS_MAX];
  for (size_t i = 0; i < state->projects_count; i++) projects[i] = state->projects[i];
  int result = encode_key(&key, projects, state->projects_count, false, out, err);
  bytes_wipe(&key, sizeof key);
  return result;
}

static void encode_token(const struct token *token, bool create, struct buf *out) {
  struct record record = {
      .type = RECORD_TOKEN,
      .token = {.create = create,
                .revoked = token->revoked,
                .creates_projects = token->creates_projects,
                .scope = token->scope,
                .created_ms = token->created_ms,
                .expires_ms = token->expires_ms,
                .label = str_of(token->label),
                .id = str_of(token->id),
                .project = str_of(token->project),
                .zone = str_of(token->zone)},
  };
  memcpy(record.token.hash, token->hash, TOKEN_HASH_SIZE);
  record_encode(&record, out);
}

static int decide_token_create(const struct catalogue *catalogue, const struct change *change, int64_t now_ms,
                               struct buf *out, struct err *err) {
  struct token token = change->token;
  token.created_ms = now_ms;
  int result = check_text(str_of(token.id), TOKEN_ID_MAX, "token id", err);
  if (result != 0) return result;
  if (token.label[0] != '\0') {
    result = check_text(str_of(token.label), TOKEN_LABEL_MAX, "token label", err);
    if (result != 0) return result;
  }
  if (token.scope < TOKEN_WRITE || token.scope > TOKEN_VOID) {
    return err_set(err, ERR_RANGE, "the scope of a token must be write, read or void");
  }
  if (find(catalogue->tokens, str_of(token.id)) != NULL || g_hash_table_contains(catalogue->by_hash, token.hash)) {
    return err_set(err, ERR_EXISTS, "token %s exists already; use another id", token.id);
  }
  if (token.creates_projects || token.zone[0] != '\0') {
    result = check_zone(token.zone, err);
    if (result != 0) return result;
  }
  if (token.project[0] != '\0' && catalogue_state(catalogue, str_of(token.project)) == NULL) {
    return err_set(err, ERR_NOT_FOUND, "no project %s exists; `project create` makes one", token.project);
  }
  encode_token(&token, true, out);
  return 0;
}

static int decide_token_revoke(const struct catalogue *catalogue, const struct change *change, struct buf *out,
                               struct err *err) {
  const struct token *found = find(catalogue->tokens, str_of(change->token.id));
  if (found == NULL) {
    return err_set(err, ERR_NOT_FOUND, "no token %s exists; `token list` shows the tokens", change->token.id);
  }
  struct token token = *found;
  token.revoked = true;
  encode_token(&token, false, out);
  return 0;
}

int catalogue_decide(const struct catalogue *catalogue, const struct change *change, int64_t now_ms, struct buf *out,
                     struct err *err) {
  switch (change->type) {
    case CHANGE_PROJECT_CREATE: return decide_project_create(catalogue, change, now_ms, out, err);
    case CHANGE_PROJECT_SET: return decide_project_set(catalogue, change, out, err);
    case CHANGE_KEY_CREATE: return decide_key_create(catalogue, change, now_ms, out, err);
    case CHANGE_KEY_DISABLE:
    case CHANGE_KEY_ENABLE:
      return decide_key_set(catalogue, change, out, err);
    case CHANGE_TOKEN_CREATE: return decide_token_create(catalogue, change, now_ms, out, err);
    case CHANGE_TOKEN_REVOKE: return decide_token_revoke(catalogue, change, out, err);
  }
  return err_set(err, ERR_RANGE, "unknown type of change: %d", (int)change->type);
}

#define ROW_OF_TABLE 24u /* bytes of a row of a hash table */

/* A table that grows doubles, and keeps its old rows until then. The rest is for states and copies of records. */
size_t catalogue_memory_of_change(const struct catalogue *catalogue) {
  size_t rows = g_hash_table_size(catalogue->projects) + g_hash_table_size(catalogue->keys) +
                2 * (size_t)g_hash_table_size(catalogue->tokens);
  return 8 * (size_t)RECORD_SIZE_MAX + 8 * sizeof(struct project_state) + 4 * ROW_OF_TABLE * (rows + 64);
}

/* ---- applying: the caller holds the write lock, or there are no readers yet ---- */

static void fill(char *out, size_t size, struct str text) {
  bool fits = str_copy(text, out, size);
  CHECK(fits); /* record_decode has checked the bounds */
}

static int set_project(struct catalogue *catalogue, const struct record_project *project, uint32_t number,
                       struct project_state **ret, struct err *err) {
  const struct zone *zone;
  int result = zone_find(project->zone, &zone, err);
  if (result != 0) return err_prefix(err, "project %.*s", STR_ARG(project->id));
  struct project_state *state = find(catalogue->projects, project->id);
  if (state == NULL) {
    state = calloc(1, sizeof *state);
    CHECK(state != NULL);
    fill(state->info.id, sizeof state->info.id, project->id);
    state->info.number = number;
    (void)g_hash_table_insert(catalogue->projects, state->info.id, state);
    if (catalogue->by_number->len < number) g_ptr_array_set_size(catalogue->by_number, (gint)number);
    catalogue->by_number->pdata[number - 1] = state;
  }
  fill(state->info.name, sizeof state->info.name, project->name);
  fill(state->info.zone, sizeof state->info.zone, project->zone);
  state->info.created_ms = project->created_ms;
  state->info.labels_count = project->labels_count;
  for (size_t i = 0; i < project->labels_count; i++) {
    fill(state->info.labels[i], sizeof state->info.labels[i], project->labels[i]);
  }
  state->zone = zone;
  *ret = state;
  return 0;
}

/* Adds an enabled key to the counts of the keys that may use a project, or takes it off. */
static void count_key(struct catalogue *catalogue, const struct key_state *key, bool adds) {
  uint64_t step = adds ? 1 : UINT64_MAX;
  if (key->info.disabled) return;
  if (!key->info.sub_account) catalogue->account_keys += step;
  for (size_t i = 0; key->info.sub_account && i < key->projects_count; i++) {
    struct project_state *project = find(catalogue->projects, str_of(key->projects[i]));
    if (project != NULL) project->listed += step;
  }
}

static void set_key(struct catalogue *catalogue, const struct record_key *key) {
  const struct key_state *before = find(catalogue->keys, key->public_key);
  if (before != NULL) count_key(catalogue, before, false);
  struct key_state *state = calloc(1, sizeof *state);
  CHECK(state != NULL);
  fill(state->info.public_key, sizeof state->info.public_key, key->public_key);
  fill(state->info.private_key, sizeof state->info.private_key, key->private_key);
  state->info.created_ms = key->created_ms;
  /* A key that could only report could not read, and must not gain that by itself: disable it. */
  state->info.disabled = key->disabled || key->former_scope == KEY_SCOPE_WRITE;
  state->info.sub_account = key->sub_account;
  state->projects_count = key->projects_count;
  state->projects = calloc(key->projects_count + 1, sizeof *state->projects);
  CHECK(state->projects != NULL);
  for (size_t i = 0; i < key->projects_count; i++) fill(state->projects[i], sizeof *state->projects, key->projects[i]);
  count_key(catalogue, state, true);
  (void)g_hash_table_replace(catalogue->keys, state->info.public_key, state);
}

static void set_token(struct catalogue *catalogue, const struct record_token *token) {
  struct token *state = find(catalogue->tokens, token->id);
  if (state == NULL) {
    state = calloc(1, sizeof *state);
    CHECK(state != NULL);
    fill(state->id, sizeof state->id, token->id);
    memcpy(state->hash, token->hash, TOKEN_HASH_SIZE);
    (void)g_hash_table_insert(catalogue->tokens, state->id, state);
    (void)g_hash_table_insert(catalogue->by_hash, state->hash, state);
  }
  state->scope = token->scope;
  fill(state->project, sizeof state->project, token->project);
  state->created_ms = token->created_ms;
  state->expires_ms = token->expires_ms;
  fill(state->label, sizeof state->label, token->label);
  state->revoked = token->revoked;
  state->creates_projects = token->creates_projects;
  fill(state->zone, sizeof state->zone, token->zone);
}

/* ---- rows: what a checkpoint keeps ---- */

static void add_key(struct buf *out, char table, struct str name) {
  buf_char(out, table);
  buf_str(out, name);
}

static void add_number_key(struct buf *out, char table, uint32_t number) {
  char bytes[4];
  be32_store(bytes, number);
  add_key(out, table, str_make(bytes, sizeof bytes));
}

static void put_record(struct puts *puts, char table, struct str name, const struct record *record,
                       struct str before) {
  add_key(puts_key(puts), table, name);
  struct buf *value = puts_value(puts);
  buf_str(value, before);
  record_encode(record, value);
  puts_end(puts);
}

static void put_project(struct puts *puts, const struct record *record, uint32_t number) {
  char before[8] = {0};
  le32_store(before, number);
  put_record(puts, 'p', record->project.id, record, str_make(before, sizeof before));
  add_number_key(puts_key(puts), 'z', number);
  buf_str(puts_value(puts), record->project.zone);
  puts_end(puts);
}

static int apply_project(struct catalogue *catalogue, const struct record *record, struct puts *puts,
                         struct err *err) {
  const struct project_state *before = catalogue_state(catalogue, record->project.id);
  if (before != NULL && record->project.create) return 0;
  uint32_t number = before != NULL ? before->info.number : catalogue->by_number->len + 1;
  struct project_state *state;
  int result = set_project(catalogue, &record->project, number, &state, err);
  if (result == 0) put_project(puts, record, number);
  return result;
}

static int apply_locked(struct catalogue *catalogue, const struct record *record, struct puts *puts,
                        struct err *err) {
  switch (record->type) {
    case RECORD_SKIPPED: break;
    case RECORD_PROJECT: return apply_project(catalogue, record, puts, err);
    case RECORD_ACCOUNT:
      fill(catalogue->default_project, sizeof catalogue->default_project, record->account.default_project);
      put_record(puts, 'a', STR(""), record, STR(""));
      break;
    case RECORD_KEY:
      if (record->key.create && find(catalogue->keys, record->key.public_key) != NULL) break;
      set_key(catalogue, &record->key);
      put_record(puts, 'k', record->key.public_key, record, STR(""));
      break;
    case RECORD_TOKEN:
      if (record->token.create && find(catalogue->tokens, record->token.id) != NULL) break;
      set_token(catalogue, &record->token);
      put_record(puts, 't', record->token.id, record, STR(""));
      break;
    default: CHECK(!"record_decode gives one type for each meaning, and the caller applies usage");
  }
  return 0;
}

int catalogue_apply(struct catalogue *catalogue, const struct record *record, struct puts *puts, struct err *err) {
  write_lock(catalogue);
  int result = apply_locked(catalogue, record, puts, err);
  unlock(catalogue);
  return result;
}

int catalogue_codec_number(const struct project_state *project, struct str codec) {
  if (codec.len == 0) return CODEC_NUMBER_NONE;
  for (unsigned i = 0; i < project->codecs_count; i++) {
    if (str_equal(str_of(project->codecs[i]), codec)) return (int)i;
  }
  return -1;
}

const char *catalogue_keep_codec(struct catalogue *catalogue, struct str codec) {
  struct codec_name **list = &catalogue->codecs[hash_name(codec) % CODEC_LISTS];
  for (const struct codec_name *name = *list; name != NULL; name = name->next) {
    if (str_equal(str_of(name->text), codec)) return name->text;
  }
  struct codec_name *name = malloc(sizeof *name);
  if (name == NULL) return NULL;
  fill(name->text, sizeof name->text, codec);
  name->next = *list;
  *list = name;
  return name->text;
}

bool catalogue_has_codec_room(const struct project_state *project, struct str codec, unsigned others) {
  return catalogue_codec_number(project, codec) >= 0 || codec_is_known(codec) ||
         project->others_count + others < CODEC_OTHERS_MAX;
}

static void add_codec(struct catalogue *catalogue, struct project_state *state, struct str codec) {
  const char *name = catalogue_keep_codec(catalogue, codec);
  CHECK(name != NULL); /* it was kept when it was staged, or the ledger is being opened */
  state->codecs[state->codecs_count++] = name;
  state->others_count += codec_is_known(codec) ? 0 : 1;
}

bool catalogue_add_codec(struct catalogue *catalogue, const struct project_state *project, struct str codec,
                         struct puts *puts) {
  struct project_state *state = catalogue->by_number->pdata[project->info.number - 1];
  CHECK(state == project);
  CHECK(codec.len > 0);
  if (state->others_count == CODEC_OTHERS_MAX && !codec_is_known(codec)) return false;
  write_lock(catalogue);
  unsigned number = state->codecs_count;
  add_codec(catalogue, state, codec);
  unlock(catalogue);
  struct buf *key = puts_key(puts);
  add_number_key(key, 'c', state->info.number);
  buf_char(key, (char)number);
  buf_str(puts_value(puts), codec);
  puts_end(puts);
  return true;
}

/* ---- loading ---- */

static int bad_row(struct err *err) {
  return err_set(err, ERR_CORRUPT,
                 "derived/totals is damaged: the table catalogue has an invalid row; stop the server and run "
                 "`codecmeter rebuild`");
}

/* Projects are loaded first, because codecs belong to them. */
static int load_project(void *arg, struct str key, struct str value, struct err *err) {
  if (key.len == 0 || key.ptr[0] != 'p') return 0;
  struct record record;
  if (value.len < 8) return bad_row(err);
  int result = record_decode(str_make(value.ptr + 8, value.len - 8), (struct record_names){0}, &record, err);
  if (result != 0) return result;
  uint32_t number = le32_load(value.ptr);
  if (record.type != RECORD_PROJECT || number == 0) return bad_row(err);
  struct project_state *state;
  return set_project(arg, &record.project, number, &state, err);
}

static int load_codec(struct catalogue *catalogue, struct str key, struct str value, struct err *err) {
  if (key.len != 6) return bad_row(err);
  uint32_t number = be32_load(key.ptr + 1);
  unsigned codec = (unsigned char)key.ptr[5];
  bool known = number >= 1 && number <= catalogue->by_number->len && catalogue->by_number->pdata[number - 1] != NULL;
  if (!known) return bad_row(err);
  struct project_state *state = catalogue->by_number->pdata[number - 1];
  if (codec != state->codecs_count || codec >= CODEC_NAMES_PER_PROJECT || value.len > CODEC_NAME_MAX) {
    return bad_row(err);
  }
  add_codec(catalogue, state, value);
  return 0;
}

static int load_other(void *arg, struct str key, struct str value, struct err *err) {
  struct catalogue *catalogue = arg;
  char table = key.len > 0 ? key.ptr[0] : '\0';
  if (table == 'p' || table == 'z') return 0;
  if (table == 'c') return load_codec(catalogue, key, value, err);
  struct record record;
  int result = record_decode(value, (struct record_names){0}, &record, err);
  if (result != 0) return result;
  if (table == 'a' && record.type == RECORD_ACCOUNT) {
    fill(catalogue->default_project, sizeof catalogue->default_project, record.account.default_project);
  } else if (table == 'k' && record.type == RECORD_KEY) {
    set_key(catalogue, &record.key);
  } else if (table == 't' && record.type == RECORD_TOKEN) {
    set_token(catalogue, &record.token);
  } else {
    return bad_row(err);
  }
  return 0;
}

int catalogue_load(struct catalogue *catalogue, struct rows_txn *snapshot, struct err *err) {
  int result = totals_visit_catalogue(snapshot, load_project, catalogue, err);
  if (result == 0) result = totals_visit_catalogue(snapshot, load_other, catalogue, err);
  return result;
}
