/* Inside of record_*.c: reading fields one behind the other, and the readers and writers of each kind of record. */
#ifndef CODECMETER_LEDGER_LOG_RECORD_FIELDS_H
#define CODECMETER_LEDGER_LOG_RECORD_FIELDS_H

#include "ledger/log/record.h"

/* Offsets of what every record begins with. */
enum { AT_SIZE = 0, AT_BACK = 4, AT_TYPE = 8 };

size_t record_padded(size_t size);

/* Reads fields from the front of `rest`. `bad` is set when a field does not fit, and stays set. */
struct cursor {
  struct str rest;
  bool bad;
};
struct str take(struct cursor *cursor, size_t len);
uint16_t take_u16(struct cursor *cursor);
uint32_t take_u32(struct cursor *cursor);
uint64_t take_u64(struct cursor *cursor);
/* A length (2) and so many bytes. */
struct str take_text(struct cursor *cursor, size_t len_max);

/* The shapes of texts that a record keeps in SHAPE_BYTES: what stands in place of the text's length. */
enum record_shape { SHAPE_NONE = 0, SHAPE_UUID = 32769, SHAPE_HASH = 32770 };
#define SHAPE_BYTES RECORD_SHAPE_BYTES
/* SHAPE_NONE if the text has no shape; ret is then undefined. */
enum record_shape shape_pack(struct str text, char ret[SHAPE_BYTES]);
/* The text, in `out`. */
struct str shape_unpack(enum record_shape shape, const char *packed, char out[RECORD_SHAPE_MAX]);

/* Each reads the body of a record whose head has been checked: 0, -ERR_CORRUPT, or -ERR_VERSION with the reason. */
MUST_USE int record_read_usage(struct str bytes, struct record_names names, struct record *ret, struct err *err);
MUST_USE int record_read_former_usage(struct str bytes, struct record_names names, struct usage *ret, struct err *err);
MUST_USE int record_read_change(struct str bytes, struct record *ret, struct err *err);

/* The kind's records of usage have these types. */
enum record_type record_type_of(enum usage_kind kind);
enum record_type record_former_type_of(enum usage_kind kind);
/* False if no version can have written such a usage. */
bool record_usage_is_sane(const struct usage *usage);
int record_bad_values(enum record_type type, struct err *err);
int record_unknown_flags(enum record_type type, uint32_t flags, struct err *err);

#endif
