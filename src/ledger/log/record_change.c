/* The records of the catalogue. Each has the same layout in both formats of the log; a later type adds fields at the
 * end, and is written only if one of them is used.
 */
#include "base/check.h"
#include "ledger/log/record_fields.h"

enum { AT_FLAGS = 9, AT_SCOPE = 10, AT_CREATED = 16, AT_TEXTS = 24 };
enum { FLAG_CREATE = 1, FLAG_DISABLED = 2, FLAG_REVOKED = 2, FLAG_SUB_ACCOUNT = 4, FLAG_CREATES_PROJECTS = 4 };

/* ---- writing ---- */

static void put_u16(struct buf *out, size_t value) {
  CHECK(value <= UINT16_MAX);
  char bytes[2];
  le16_store(bytes, (uint16_t)value);
  buf_append(out, bytes, sizeof bytes);
}

static void put_text(struct buf *out, struct str text) {
  put_u16(out, text.len);
  buf_str(out, text);
}

/* The type to write. */
static enum record_type type_on_disk(const struct record *record) {
  const struct record_token *token = &record->token;
  if (record->type == RECORD_PROJECT) {
    return record->project.labels_count > 0 ? RECORD_PROJECT_LABELS : RECORD_PROJECT;
  }
  if (record->type != RECORD_TOKEN) return record->type;
  bool more = token->label.len > 0 || token->expires_ms != 0 || token->scope > TOKEN_VOID;
  return more ? RECORD_TOKEN_MORE : token->zone.len > 0 ? RECORD_TOKEN_ZONE : RECORD_TOKEN;
}

static void put_project(struct buf *out, const struct record_project *project, enum record_type type) {
  put_text(out, project->id);
  put_text(out, project->name);
  put_text(out, project->zone);
  if (type != RECORD_PROJECT_LABELS) return;
  put_u16(out, project->labels_count);
  for (size_t i = 0; i < project->labels_count; i++) put_text(out, project->labels[i]);
}

static void put_key(struct buf *out, const struct record_key *key) {
  put_text(out, key->public_key);
  put_text(out, key->private_key);
  put_u16(out, key->projects_count);
  for (size_t i = 0; i < key->projects_count; i++) put_text(out, key->projects[i]);
}

static void put_token(struct buf *out, const struct record_token *token, enum record_type type) {
  put_text(out, token->id);
  buf_append(out, token->hash, TOKEN_HASH_SIZE);
  put_text(out, token->project);
  if (type == RECORD_TOKEN) return;
  put_text(out, token->zone);
  if (type != RECORD_TOKEN_MORE) return;
  char expires[8];
  le64_store(expires, (uint64_t)token->expires_ms);
  put_text(out, token->label);
  buf_append(out, expires, sizeof expires);
}

static unsigned flags_of(const struct record *record) {
  unsigned flags = 0;
  if (record->type == RECORD_PROJECT) flags = record->project.create ? FLAG_CREATE : 0;
  if (record->type == RECORD_KEY) {
    flags = (record->key.create ? FLAG_CREATE : 0u) | (record->key.disabled ? FLAG_DISABLED : 0u) |
            (record->key.sub_account ? FLAG_SUB_ACCOUNT : 0u);
  }
  if (record->type == RECORD_TOKEN) {
    flags = (record->token.create ? FLAG_CREATE : 0u) | (record->token.revoked ? FLAG_REVOKED : 0u) |
            (record->token.creates_projects ? FLAG_CREATES_PROJECTS : 0u);
  }
  return flags;
}

static int64_t created_of(const struct record *record) {
  return record->type == RECORD_PROJECT ? record->project.created_ms
         : record->type == RECORD_KEY   ? record->key.created_ms
         : record->type == RECORD_TOKEN ? record->token.created_ms
                                        : 0;
}

void record_encode(const struct record *record, struct buf *out) {
  size_t start = out->len;
  enum record_type type = type_on_disk(record);
  char head[AT_TEXTS] = {0};
  head[AT_TYPE] = (char)type;
  head[AT_FLAGS] = (char)flags_of(record);
  if (record->type == RECORD_KEY) head[AT_SCOPE] = (char)record->key.former_scope;
  if (record->type == RECORD_TOKEN) head[AT_SCOPE] = (char)record->token.scope;
  le64_store(head + AT_CREATED, (uint64_t)created_of(record));
  buf_append(out, head, sizeof head);
  if (record->type == RECORD_PROJECT)
    put_project(out, &record->project, type);
  else if (record->type == RECORD_ACCOUNT)
    put_text(out, record->account.default_project);
  else if (record->type == RECORD_KEY)
    put_key(out, &record->key);
  else if (record->type == RECORD_TOKEN)
    put_token(out, &record->token, type);
  else
    CHECK(!"usages are encoded by record_usage_encode");
  while ((out->len - start) % RECORD_ALIGN != 0) buf_char(out, '\0');
  CHECK(!out->failed && out->len - start <= RECORD_SIZE_MAX);
  le32_store(out->ptr + start + AT_SIZE, (uint32_t)(out->len - start));
}

/* ---- reading ---- */

static bool read_project(struct cursor *cursor, struct str bytes, bool has_labels, struct record_project *project) {
  *project = (struct record_project){.create = ((unsigned char)bytes.ptr[AT_FLAGS] & FLAG_CREATE) != 0,
                                     .created_ms = (int64_t)le64_load(bytes.ptr + AT_CREATED)};
  project->id = take_text(cursor, PROJECT_ID_MAX);
  project->name = take_text(cursor, PROJECT_NAME_MAX);
  project->zone = take_text(cursor, ZONE_NAME_MAX);
  project->labels_count = has_labels ? take_u16(cursor) : 0;
  if (project->labels_count > PROJECT_LABELS_MAX || (has_labels && project->labels_count == 0)) return false;
  for (size_t i = 0; i < project->labels_count; i++) {
    project->labels[i] = take_text(cursor, LABEL_NAME_MAX);
    if (!label_name_is_valid(project->labels[i])) return false;
  }
  return !cursor->bad && project->id.len > 0 && project->zone.len > 0;
}

static bool read_key(struct cursor *cursor, struct str bytes, struct record_key *key) {
  unsigned flags = (unsigned char)bytes.ptr[AT_FLAGS];
  key->create = (flags & FLAG_CREATE) != 0;
  key->disabled = (flags & FLAG_DISABLED) != 0;
  key->sub_account = (flags & FLAG_SUB_ACCOUNT) != 0;
  key->former_scope = (uint8_t)bytes.ptr[AT_SCOPE];
  key->created_ms = (int64_t)le64_load(bytes.ptr + AT_CREATED);
  key->public_key = take_text(cursor, KEY_TEXT_MAX);
  key->private_key = take_text(cursor, KEY_TEXT_MAX);
  key->projects_count = take_u16(cursor);
  if (key->projects_count > KEY_PROJECTS_MAX) return false;
  for (size_t i = 0; i < key->projects_count; i++) key->projects[i] = take_text(cursor, PROJECT_ID_MAX);
  return !cursor->bad && key->public_key.len > 0 && key->private_key.len > 0 && key->former_scope <= KEY_SCOPE_BOTH;
}

static bool read_token(struct cursor *cursor, struct str bytes, enum record_type type, struct record_token *token) {
  unsigned flags = (unsigned char)bytes.ptr[AT_FLAGS];
  bool more = type == RECORD_TOKEN_MORE;
  *token = (struct record_token){
      .create = (flags & FLAG_CREATE) != 0,
      .revoked = (flags & FLAG_REVOKED) != 0,
      .creates_projects = (flags & FLAG_CREATES_PROJECTS) != 0,
      .scope = (unsigned char)bytes.ptr[AT_SCOPE],
      .created_ms = (int64_t)le64_load(bytes.ptr + AT_CREATED),
  };
  token->id = take_text(cursor, TOKEN_ID_MAX);
  struct str hash = take(cursor, TOKEN_HASH_SIZE);
  token->project = take_text(cursor, PROJECT_ID_MAX);
  token->zone = type != RECORD_TOKEN ? take_text(cursor, ZONE_NAME_MAX) : STR("");
  token->label = more ? take_text(cursor, TOKEN_LABEL_MAX) : STR("");
  token->expires_ms = more ? (int64_t)take_u64(cursor) : 0;
  if (cursor->bad || (type == RECORD_TOKEN_ZONE && token->zone.len == 0)) return false;
  memcpy(token->hash, hash.ptr, TOKEN_HASH_SIZE);
  return token->id.len > 0 && token->expires_ms >= 0 && token->scope >= TOKEN_WRITE &&
         token->scope <= (more ? TOKEN_COPY : TOKEN_VOID);
}

static bool read_fields(struct str bytes, struct record *record) {
  struct cursor cursor = {.rest = str_make(bytes.ptr + AT_TEXTS, bytes.len - AT_TEXTS)};
  switch (record->type) {
    case RECORD_PROJECT: return read_project(&cursor, bytes, false, &record->project);
    case RECORD_PROJECT_LABELS: return read_project(&cursor, bytes, true, &record->project);
    case RECORD_ACCOUNT:
      record->account.default_project = take_text(&cursor, PROJECT_ID_MAX);
      return !cursor.bad && record->account.default_project.len > 0;
    case RECORD_KEY: return read_key(&cursor, bytes, &record->key);
    default: return read_token(&cursor, bytes, record->type, &record->token);
  }
}

/* No version wrote others. */
static unsigned known_flags(enum record_type type) {
  switch (type) {
    case RECORD_PROJECT:
    case RECORD_PROJECT_LABELS: return FLAG_CREATE;
    case RECORD_ACCOUNT: return 0;
    case RECORD_KEY: return FLAG_CREATE | FLAG_DISABLED | FLAG_SUB_ACCOUNT;
    default: return FLAG_CREATE | FLAG_REVOKED | FLAG_CREATES_PROJECTS;
  }
}

int record_read_change(struct str bytes, struct record *ret, struct err *err) {
  if (bytes.len < AT_TEXTS) return record_bad_values(ret->type, err);
  unsigned unknown = (unsigned char)bytes.ptr[AT_FLAGS] & ~known_flags(ret->type);
  if (unknown != 0) return record_unknown_flags(ret->type, unknown, err);
  return read_fields(bytes, ret) ? 0 : record_bad_values(ret->type, err);
}
