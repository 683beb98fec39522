/* Encodes and decodes records; a record is one event or one change. docs/format.md, section "Record".
 *
 * A usage record refers to the names of its block by index, so decoding needs the block's names. Other records hold
 * all their text, and the whole new state of the object that they name.
 */
#ifndef CODECMETER_LEDGER_RECORD_H
#define CODECMETER_LEDGER_RECORD_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/catalogue.h"
#include "meter/usage.h"

/* The last three exist on disk only. In memory RECORD_VOID and RECORD_UNRESOLVED are usages of the kinds USAGE_VOID
 * and USAGE_UNRESOLVED, and RECORD_TOKEN_ZONE is a RECORD_TOKEN with a zone. It has its own number so that a version
 * that knows no zones of tokens refuses it. */
enum record_type {
  RECORD_USAGE = 1,
  RECORD_PROJECT = 2,
  RECORD_ACCOUNT = 3,
  RECORD_KEY = 4,
  RECORD_TOKEN = 5,
  RECORD_VOID = 6,
  RECORD_UNRESOLVED = 7,
  RECORD_TOKEN_ZONE = 8,
};

#define RECORD_HEAD_SIZE 9u    /* size, back, type */
#define RECORD_ALIGN 8u
#define RECORD_NAME_NONE 65535u
/* The largest record: a key with 256 projects of 64 bytes and two texts of 256. */
#define RECORD_SIZE_MAX (24u << 10)

struct record_names {
  const struct str *items;
  size_t count;
};

/* Indices of a usage's names in its block. */
struct record_name_ids {
  uint16_t project, source, codec; /* codec: RECORD_NAME_NONE if it has none */
};

/* Bytes that a usage record takes, padded. */
size_t record_usage_size(const struct usage *usage);
/* Writes record_usage_size(usage) bytes at out; back is the record's offset in its block. */
void record_usage_encode(const struct usage *usage, struct record_name_ids ids, uint32_t back, char *out);

/* Earlier versions had keys that reported usage. Now every key only reads; new keys get the scope read. */
enum { KEY_SCOPE_READ = 0, KEY_SCOPE_WRITE = 1, KEY_SCOPE_BOTH = 2 };

/* The contents of the catalogue's records. After decoding, texts are borrowed from the record's bytes. */
struct record_project {
  bool create;
  struct str id, name, zone;
  int64_t created_ms;
};
struct record_account {
  struct str default_project;
};
struct record_key {
  bool create, disabled, sub_account;
  uint8_t former_scope; /* KEY_SCOPE_…, as written: a row made again from the record must equal the kept row */
  int64_t created_ms;
  struct str public_key, private_key;
  struct str projects[KEY_PROJECTS_MAX];
  size_t projects_count;
};
struct record_token {
  bool create, revoked, creates_projects;
  enum token_scope scope;
  int64_t created_ms;
  struct str id, project, zone;
  uint8_t hash[TOKEN_HASH_SIZE];
};

struct record {
  enum record_type type;
  uint32_t size, back;
  union {
    struct usage usage;
    struct record_project project;
    struct record_account account;
    struct record_key key;
    struct record_token token;
  };
};

/* Appends an encoded catalogue record (not a usage) to out; its `back` is 0 until block_add_record sets it. */
void record_encode(const struct record *record, struct buf *out);

/* Decodes the record at the start of bytes, which reach to the end of the block's records. Checks every length and
 * value: -ERR_CORRUPT. -ERR_VERSION for a type of a later version. */
MUST_USE int record_decode(struct str bytes, struct record_names names, struct record *ret, struct err *err);

#endif
