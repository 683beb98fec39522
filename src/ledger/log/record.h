/* Encodes and decodes records; a record is one event or one change. docs/format.md, section "Record".
 *
 * A usage record refers to the names of its block by index, so decoding needs the block's names. Other records hold
 * all their text, and the whole new state of the object that they name.
 */
#ifndef CODECMETER_LEDGER_LOG_RECORD_H
#define CODECMETER_LEDGER_LOG_RECORD_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/catalogue.h"
#include "meter/codec.h"
#include "meter/labels.h"
#include "meter/usage.h"

/* The types on disk. In memory a type has one number: RECORD_USAGE for all six of usage (a void and an unresolved
 * record are kinds of usage), RECORD_PROJECT and RECORD_TOKEN for all of theirs. A catalogue record is written with
 * the first of its types that can hold it, so that an older version refuses only what it would misread. */
enum record_type {
  RECORD_SKIPPED = 0, /* in memory only: a skippable record of a later version */
  RECORD_FORMER_USAGE = 1,
  RECORD_PROJECT = 2,
  RECORD_ACCOUNT = 3,
  RECORD_KEY = 4,
  RECORD_TOKEN = 5,
  RECORD_FORMER_VOID = 6,
  RECORD_FORMER_UNRESOLVED = 7,
  RECORD_TOKEN_ZONE = 8,
  RECORD_USAGE = 9,
  RECORD_VOID = 10,
  RECORD_UNRESOLVED = 11,
  RECORD_PROJECT_LABELS = 12,
  RECORD_TOKEN_MORE = 13,
};
#define RECORD_SKIPPABLE 128u /* a version that does not know such a type skips the record */

#define RECORD_HEAD_SIZE 9u    /* size, back, type */
#define RECORD_ALIGN 8u
#define RECORD_NAME_NONE 65535u
/* The largest record: a key with 256 projects of 64 bytes and two texts of 256. */
#define RECORD_SIZE_MAX (24u << 10)

struct record_names {
  const struct str *items;
  size_t count;
};

/* The names of a usage, in the order of docs/format.md; a void has no format. An empty text: the usage has no such name. */
#define RECORD_NAMES 9
/* Bytes of the names of a usage at most, with their lengths. */
#define RECORD_NAMES_SIZE_MAX                                                                                  \
  (RECORD_NAMES * 2u + PROJECT_ID_MAX + SOURCE_MAX + CODEC_NAME_MAX + USAGE_TOKEN_MAX + CODEC_REPORTED_MAX +   \
   QUALITY_MAX + REGION_MAX + LABELS_SIZE_MAX + DEST_MAX)
void record_usage_names(const struct usage *usage, struct str ret[RECORD_NAMES]);

#define RECORD_SHAPES 5       /* texts that may be packed: the id, and those behind it */
#define RECORD_SHAPE_MAX 36   /* bytes of such a text */
#define RECORD_SHAPE_BYTES 16 /* bytes that it takes in a record */

/* A usage as it will be written. Its texts are borrowed from the usage and from here: do not copy. */
struct record_draft {
  const struct usage *usage;
  struct str names[RECORD_NAMES];
  struct str texts[RECORD_SHAPES]; /* as they are written */
  uint16_t lengths[RECORD_SHAPES]; /* as they are written: a length, or a shape */
  char packed[RECORD_SHAPES][RECORD_SHAPE_BYTES];
  uint32_t flags;
  size_t size; /* bytes that the record takes, padded */
};
void record_usage_draft(const struct usage *usage, struct record_draft *ret);
/* Writes draft->size bytes at out. ids: the indices of the names in the block; RECORD_NAME_NONE for a name that is
 * empty. back: the record's offset in its block. */
void record_usage_encode(const struct record_draft *draft, const uint16_t ids[RECORD_NAMES], uint32_t back,
                         char *out);

/* Earlier versions had keys that reported usage. Now every key only reads; new keys get the scope read. */
enum { KEY_SCOPE_READ = 0, KEY_SCOPE_WRITE = 1, KEY_SCOPE_BOTH = 2 };

/* The contents of the catalogue's records. After decoding, texts are borrowed from the record's bytes. */
struct record_project {
  bool create;
  struct str id, name, zone;
  int64_t created_ms;
  struct str labels[PROJECT_LABELS_MAX]; /* declared: usage can be grouped by them */
  size_t labels_count;
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
  int64_t expires_ms; /* 0: never */
  struct str id, project, zone, label;
  uint8_t hash[TOKEN_HASH_SIZE];
};

struct record {
  enum record_type type;
  uint32_t size, back;
  char shapes[RECORD_SHAPES][RECORD_SHAPE_MAX]; /* texts of `usage` that were packed */
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
 * value: -ERR_CORRUPT. -ERR_VERSION for a type or a flag of a later version. Texts are borrowed from bytes, from names
 * and from *ret itself: a copy of *ret borrows from the first one. */
MUST_USE int record_decode(struct str bytes, struct record_names names, struct record *ret, struct err *err);

#endif
