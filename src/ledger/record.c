/* Encoding is written by hand, offset by offset, in the order of docs/format.md, so that a reader can compare the
 * page with the code. Decoding trusts nothing: a record has passed its block's CRC, but no length is used unchecked.
 */
#include "ledger/record.h"

#include "base/check.h"
#include "meter/amount.h"
#include "meter/codec.h"

enum {
  AT_SIZE = 0,
  AT_BACK = 4,
  AT_TYPE = 8,
  /* usage */
  AT_KIND = 9,
  AT_OUTCOME = 10,
  AT_TIER = 11,
  AT_USAGE_FLAGS = 12,
  AT_PROJECT = 14,
  AT_SOURCE = 16,
  AT_CODEC = 18,
  AT_WIDTH = 20,
  AT_HEIGHT = 22,
  AT_FINISHED = 24,
  AT_ARRIVED = 32,
  AT_AMOUNT = 40,
  AT_LENGTHS = 48,
  AT_USAGE_TEXTS = 64,
  /* catalogue records */
  AT_FLAGS = 9,
  AT_SCOPE = 10,
  AT_CREATED = 16,
  AT_TEXTS = 24,
};

enum { USAGE_FLAG_AMOUNT = 1, USAGE_FLAG_FINISH_STATED = 2, USAGE_FLAG_CREATED = 4 };
enum { FLAG_CREATE = 1, FLAG_DISABLED = 2, FLAG_REVOKED = 2, FLAG_SUB_ACCOUNT = 4, FLAG_CREATES_PROJECTS = 4 };

#define USAGE_TEXTS 6 /* for a void: its id and its own five texts, by the union in struct usage */

static size_t padded(size_t size) { return (size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN; }

static void usage_texts(const struct usage *usage, const struct str *texts[USAGE_TEXTS]) {
  texts[0] = &usage->id;
  texts[1] = &usage->task_id;
  texts[2] = &usage->src_url;
  texts[3] = &usage->dest_name;
  texts[4] = &usage->dest_bucket;
  texts[5] = &usage->format;
}

size_t record_usage_size(const struct usage *usage) {
  const struct str *texts[USAGE_TEXTS];
  usage_texts(usage, texts);
  size_t size = AT_USAGE_TEXTS + (usage->has_created ? 8 : 0);
  for (int i = 0; i < USAGE_TEXTS; i++) size += texts[i]->len;
  return padded(size);
}

static enum record_type type_of(enum usage_kind kind) {
  return kind == USAGE_VOID ? RECORD_VOID : kind == USAGE_UNRESOLVED ? RECORD_UNRESOLVED : RECORD_USAGE;
}

void record_usage_encode(const struct usage *usage, struct record_name_ids ids, uint32_t back, char *out) {
  size_t size = record_usage_size(usage);
  CHECK(size <= RECORD_SIZE_MAX);
  memset(out, 0, AT_USAGE_TEXTS);
  le32_store(out + AT_SIZE, (uint32_t)size);
  le32_store(out + AT_BACK, back);
  out[AT_TYPE] = (char)type_of(usage->kind);
  out[AT_KIND] = (char)usage->kind;
  out[AT_OUTCOME] = (char)usage->outcome;
  out[AT_TIER] = (char)usage->tier;
  unsigned flags = (usage->has_amount ? USAGE_FLAG_AMOUNT : 0u) |
                   (usage->finish_stated ? USAGE_FLAG_FINISH_STATED : 0u) |
                   (usage->has_created ? USAGE_FLAG_CREATED : 0u);
  le16_store(out + AT_USAGE_FLAGS, (uint16_t)flags);
  le16_store(out + AT_PROJECT, ids.project);
  le16_store(out + AT_SOURCE, ids.source);
  le16_store(out + AT_CODEC, ids.codec);
  le16_store(out + AT_WIDTH, usage->width);
  le16_store(out + AT_HEIGHT, usage->height);
  le64_store(out + AT_FINISHED, (uint64_t)usage->finished_ms);
  le64_store(out + AT_ARRIVED, (uint64_t)usage->arrived_ms);
  le64_store(out + AT_AMOUNT, usage->amount);

  const struct str *texts[USAGE_TEXTS];
  usage_texts(usage, texts);
  char *at = out + AT_USAGE_TEXTS;
  if (usage->has_created) {
    le64_store(at, (uint64_t)usage->created_ms);
    at += 8;
  }
  for (int i = 0; i < USAGE_TEXTS; i++) {
    le16_store(out + AT_LENGTHS + 2 * i, (uint16_t)texts[i]->len);
    if (texts[i]->len > 0) memcpy(at, texts[i]->ptr, texts[i]->len);
    at += texts[i]->len;
  }
  memset(at, 0, (size_t)(out + size - at));
}

/* ---- the catalogue's records ---- */

static void put_text(struct buf *out, struct str text) {
  CHECK(text.len <= UINT16_MAX);
  char len[2];
  le16_store(len, (uint16_t)text.len);
  buf_append(out, len, sizeof len);
  buf_str(out, text);
}

static void encode_key_projects(const struct record_key *key, struct buf *out) {
  char count[2];
  le16_store(count, (uint16_t)key->projects_count);
  buf_append(out, count, sizeof count);
  for (size_t i = 0; i < key->projects_count; i++) put_text(out, key->projects[i]);
}

void record_encode(const struct record *record, struct buf *out) {
  size_t start = out->len;
  char head[AT_TEXTS] = {0};
  bool has_zone = record->type == RECORD_TOKEN && record->token.zone.len > 0;
  head[AT_TYPE] = (char)(has_zone ? RECORD_TOKEN_ZONE : record->type);
  int64_t created_ms = 0;
  switch (record->type) {
    case RECORD_USAGE:
    case RECORD_VOID:
    case RECORD_UNRESOLVED:
      CHECK(!"usages are encoded by record_usage_encode");
      break;
    case RECORD_PROJECT:
      head[AT_FLAGS] = record->project.create ? FLAG_CREATE : 0;
      created_ms = record->project.created_ms;
      break;
    case RECORD_ACCOUNT: break;
    case RECORD_KEY:
      head[AT_FLAGS] = (char)((record->key.create ? FLAG_CREATE : 0) | (record->key.disabled ? FLAG_DISABLED : 0) |
                              (record->key.sub_account ? FLAG_SUB_ACCOUNT : 0));
      head[AT_SCOPE] = (char)record->key.former_scope;
      created_ms = record->key.created_ms;
      break;
    case RECORD_TOKEN:
    case RECORD_TOKEN_ZONE:
      head[AT_FLAGS] = (char)((record->token.create ? FLAG_CREATE : 0) | (record->token.revoked ? FLAG_REVOKED : 0) |
                              (record->token.creates_projects ? FLAG_CREATES_PROJECTS : 0));
      head[AT_SCOPE] = (char)record->token.scope;
      created_ms = record->token.created_ms;
      break;
  }
  le64_store(head + AT_CREATED, (uint64_t)created_ms);
  buf_append(out, head, sizeof head);
  switch (record->type) {
    case RECORD_USAGE:
    case RECORD_VOID:
    case RECORD_UNRESOLVED:
      break;
    case RECORD_PROJECT:
      put_text(out, record->project.id);
      put_text(out, record->project.name);
      put_text(out, record->project.zone);
      break;
    case RECORD_ACCOUNT: put_text(out, record->account.default_project); break;
    case RECORD_KEY:
      put_text(out, record->key.public_key);
      put_text(out, record->key.private_key);
      encode_key_projects(&record->key, out);
      break;
    case RECORD_TOKEN:
    case RECORD_TOKEN_ZONE:
      put_text(out, record->token.id);
      buf_append(out, record->token.hash, TOKEN_HASH_SIZE);
      put_text(out, record->token.project);
      if (has_zone) put_text(out, record->token.zone);
      break;
  }
  while ((out->len - start) % RECORD_ALIGN != 0) buf_char(out, '\0');
  CHECK(!out->failed && out->len - start <= RECORD_SIZE_MAX);
  le32_store(out->ptr + start + AT_SIZE, (uint32_t)(out->len - start));
}

/* ---- decoding ---- */

/* Reads fields from the front of `rest`. `bad` is set when a field does not fit, and stays set. */
struct cursor {
  struct str rest;
  bool bad;
};

static struct str take(struct cursor *cursor, size_t len) {
  if (cursor->bad || len > cursor->rest.len) {
    cursor->bad = true;
    return STR("");
  }
  struct str taken = str_make(cursor->rest.ptr, len);
  cursor->rest = str_make(cursor->rest.ptr + len, cursor->rest.len - len);
  return taken;
}

static uint16_t take_u16(struct cursor *cursor) {
  struct str bytes = take(cursor, 2);
  return bytes.len == 2 ? le16_load(bytes.ptr) : 0;
}

static struct str take_text(struct cursor *cursor, size_t len_max) {
  size_t len = take_u16(cursor);
  if (len > len_max) cursor->bad = true;
  return take(cursor, len);
}

static struct str name_at(struct record_names names, uint16_t index, bool *bad) {
  if (index < names.count) return names.items[index];
  *bad = true;
  return STR("");
}

static bool usage_is_sane(const struct usage *usage) {
  bool texts = usage->id.len >= 1 && usage->id.len <= EVENT_ID_MAX && usage->task_id.len <= TASK_ID_MAX &&
               usage->src_url.len <= SRC_URL_MAX && usage->dest_name.len <= DEST_MAX &&
               usage->dest_bucket.len <= DEST_MAX && usage->format.len <= DEST_MAX && usage->project.len >= 1 &&
               usage->project.len <= PROJECT_ID_MAX && usage->source.len >= 1 && usage->source.len <= SOURCE_MAX &&
               usage->codec.len <= CODEC_NAME_MAX;
  bool values = usage->kind >= USAGE_TRANSCODE && usage->kind <= USAGE_UNRESOLVED &&
                usage->outcome >= USAGE_FINISHED && usage->outcome <= USAGE_FAILED && usage->tier < TIERS &&
                usage->finished_ms >= 0;
  bool transcode = usage->kind == USAGE_TRANSCODE && usage->outcome == USAGE_FINISHED;
  if (usage->kind == USAGE_VOID) {
    return texts && values && usage->outcome == USAGE_FINISHED && usage->target_source.len > 0 &&
           usage->target_id.len > 0 && usage->codec.len == 0;
  }
  if (usage->kind == USAGE_UNRESOLVED) {
    return texts && values && usage->outcome == USAGE_FINISHED && usage->amount <= DURATION_MS_MAX;
  }
  bool measures = (usage->outcome == USAGE_FAILED || usage->has_amount) && (!transcode || usage->codec.len > 0);
  bool amount = usage->kind == USAGE_SNAPSHOT || usage->amount <= DURATION_MS_MAX;
  return texts && values && measures && amount;
}

static bool decode_usage(struct str bytes, struct record_names names, struct usage *usage) {
  const char *p = bytes.ptr;
  if (bytes.len < AT_USAGE_TEXTS) return false;
  unsigned flags = le16_load(p + AT_USAGE_FLAGS);
  uint16_t codec = le16_load(p + AT_CODEC);
  bool bad = false;
  *usage = (struct usage){
      .project = name_at(names, le16_load(p + AT_PROJECT), &bad),
      .source = name_at(names, le16_load(p + AT_SOURCE), &bad),
      .codec = codec == RECORD_NAME_NONE ? STR("") : name_at(names, codec, &bad),
      .kind = (unsigned char)p[AT_KIND],
      .outcome = (unsigned char)p[AT_OUTCOME],
      .tier = (unsigned char)p[AT_TIER],
      .width = le16_load(p + AT_WIDTH),
      .height = le16_load(p + AT_HEIGHT),
      .has_amount = (flags & USAGE_FLAG_AMOUNT) != 0,
      .amount = le64_load(p + AT_AMOUNT),
      .finished_ms = (int64_t)le64_load(p + AT_FINISHED),
      .finish_stated = (flags & USAGE_FLAG_FINISH_STATED) != 0,
      .arrived_ms = (int64_t)le64_load(p + AT_ARRIVED),
      .has_created = (flags & USAGE_FLAG_CREATED) != 0,
  };
  struct cursor cursor = {.rest = str_make(p + AT_USAGE_TEXTS, bytes.len - AT_USAGE_TEXTS)};
  if (usage->has_created) {
    struct str created = take(&cursor, 8);
    if (!cursor.bad) usage->created_ms = (int64_t)le64_load(created.ptr);
  }
  const struct str *texts[USAGE_TEXTS];
  usage_texts(usage, texts);
  for (int i = 0; i < USAGE_TEXTS; i++) {
    *(struct str *)(uintptr_t)texts[i] = take(&cursor, le16_load(p + AT_LENGTHS + 2 * i));
  }
  return !bad && !cursor.bad && usage_is_sane(usage);
}

static bool decode_project(struct cursor *cursor, unsigned flags, int64_t created_ms, struct record_project *project) {
  *project = (struct record_project){.create = (flags & FLAG_CREATE) != 0, .created_ms = created_ms};
  project->id = take_text(cursor, PROJECT_ID_MAX);
  project->name = take_text(cursor, PROJECT_NAME_MAX);
  project->zone = take_text(cursor, ZONE_NAME_MAX);
  return !cursor->bad && project->id.len > 0 && project->zone.len > 0;
}

static bool decode_key(struct cursor *cursor, struct str bytes, int64_t created_ms, struct record_key *key) {
  unsigned flags = (unsigned char)bytes.ptr[AT_FLAGS];
  key->create = (flags & FLAG_CREATE) != 0;
  key->disabled = (flags & FLAG_DISABLED) != 0;
  key->sub_account = (flags & FLAG_SUB_ACCOUNT) != 0;
  key->former_scope = (uint8_t)bytes.ptr[AT_SCOPE];
  key->created_ms = created_ms;
  key->public_key = take_text(cursor, KEY_TEXT_MAX);
  key->private_key = take_text(cursor, KEY_TEXT_MAX);
  key->projects_count = take_u16(cursor);
  if (key->projects_count > KEY_PROJECTS_MAX) return false;
  for (size_t i = 0; i < key->projects_count; i++) key->projects[i] = take_text(cursor, PROJECT_ID_MAX);
  return !cursor->bad && key->public_key.len > 0 && key->private_key.len > 0 && key->former_scope <= KEY_SCOPE_BOTH;
}

static bool decode_token(struct cursor *cursor, struct str bytes, int64_t created_ms, bool has_zone,
                         struct record_token *token) {
  unsigned flags = (unsigned char)bytes.ptr[AT_FLAGS];
  *token = (struct record_token){
      .create = (flags & FLAG_CREATE) != 0,
      .revoked = (flags & FLAG_REVOKED) != 0,
      .creates_projects = (flags & FLAG_CREATES_PROJECTS) != 0,
      .scope = (unsigned char)bytes.ptr[AT_SCOPE],
      .created_ms = created_ms,
  };
  token->id = take_text(cursor, TOKEN_ID_MAX);
  struct str hash = take(cursor, TOKEN_HASH_SIZE);
  token->project = take_text(cursor, PROJECT_ID_MAX);
  token->zone = has_zone ? take_text(cursor, ZONE_NAME_MAX) : STR("");
  if (cursor->bad || (has_zone && token->zone.len == 0)) return false;
  memcpy(token->hash, hash.ptr, TOKEN_HASH_SIZE);
  return token->id.len > 0 && token->scope >= TOKEN_WRITE && token->scope <= TOKEN_VOID;
}

static bool decode_change(struct str bytes, struct record *record) {
  if (bytes.len < AT_TEXTS) return false;
  unsigned flags = (unsigned char)bytes.ptr[AT_FLAGS];
  int64_t created_ms = (int64_t)le64_load(bytes.ptr + AT_CREATED);
  struct cursor cursor = {.rest = str_make(bytes.ptr + AT_TEXTS, bytes.len - AT_TEXTS)};
  switch (record->type) {
    case RECORD_USAGE:
    case RECORD_VOID:
    case RECORD_UNRESOLVED:
      return false;
    case RECORD_PROJECT: return decode_project(&cursor, flags, created_ms, &record->project);
    case RECORD_ACCOUNT:
      record->account.default_project = take_text(&cursor, PROJECT_ID_MAX);
      return !cursor.bad && record->account.default_project.len > 0;
    case RECORD_KEY:
      return decode_key(&cursor, bytes, created_ms, &record->key);
    case RECORD_TOKEN:
      return decode_token(&cursor, bytes, created_ms, false, &record->token);
    case RECORD_TOKEN_ZONE:
      return decode_token(&cursor, bytes, created_ms, true, &record->token);
  }
  return false;
}

int record_decode(struct str bytes, struct record_names names, struct record *ret, struct err *err) {
  if (bytes.len < RECORD_HEAD_SIZE) return err_set(err, ERR_CORRUPT, "the record is cut short");
  uint32_t size = le32_load(bytes.ptr + AT_SIZE);
  if (size < RECORD_HEAD_SIZE || size > bytes.len || size > RECORD_SIZE_MAX || size % RECORD_ALIGN != 0) {
    return err_set(err, ERR_CORRUPT, "the record claims an impossible size of %u bytes", size);
  }
  ret->size = size;
  ret->back = le32_load(bytes.ptr + AT_BACK);
  ret->type = (unsigned char)bytes.ptr[AT_TYPE];
  if (ret->type < RECORD_USAGE || ret->type > RECORD_TOKEN_ZONE) {
    return err_set(err, ERR_VERSION, "this version does not know records of type %u: use a later codecmeter",
                   (unsigned)ret->type);
  }
  bytes.len = size;
  enum record_type type = ret->type;
  bool is_usage = type == RECORD_USAGE || type == RECORD_VOID || type == RECORD_UNRESOLVED;
  bool good = is_usage ? decode_usage(bytes, names, &ret->usage) && type_of(ret->usage.kind) == type
                       : decode_change(bytes, ret);
  if (!good) return err_set(err, ERR_CORRUPT, "record of type %u: invalid field values", (unsigned)type);
  if (is_usage) ret->type = RECORD_USAGE;
  if (type == RECORD_TOKEN_ZONE) ret->type = RECORD_TOKEN;
  return 0;
}
