/* Hashes of the ledger: XXH3, by xxHash. Equal hashes do not prove equal texts: confirm every hit. */
#ifndef CODECMETER_LEDGER_LOG_HASH_H
#define CODECMETER_LEDGER_LOG_HASH_H

#include <stdint.h>

#include "base/bytes.h"
#include "ledger/decide.h"
#include "meter/usage.h"

struct hash {
  uint64_t high, low;
};

/* Of the identity (project, source, id), and of a task id within a project: docs/format.md, section "Run". */
struct hash hash_identity(struct str project, struct str source, struct str id);
struct hash hash_task(struct str project, struct str task_id);
/* Of a void of the record (project, source, id): its entry is among the task ids. */
struct hash hash_void_of(struct str project, struct str source, struct str id);
/* Of the unresolved record (project, source, id): its entry is among the identities. */
struct hash hash_unresolved(struct str project, struct str source, struct str id);
/* Of any usage's entries among the identities, and among the task ids. */
struct hash hash_identity_entry(const struct usage *usage);
struct hash hash_task_entry(const struct usage *usage);
/* The hash under which records that answer the question about this one have their entries. */
struct hash hash_question(enum decide_question question, const struct usage *usage);
/* Of one text, for tables in memory. */
uint64_t hash_name(struct str name);

/* Of a row: of the key, its length, and the value. */
uint64_t hash_row(struct str key, struct str value);

/* Of any bytes. */
struct hash hash_bytes(const void *ptr, size_t len);

#endif
