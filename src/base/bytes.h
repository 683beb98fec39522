/* Bytes: borrowed slices, a growable buffer, little- and big-endian words, text checks.
 *
 * struct str borrows: the function that returns one says how long it is valid. It may hold any byte, and is not
 * NUL-terminated.
 * struct buf owns: buf_fini frees. A buf that would grow past its limit becomes `failed` and drops what is appended,
 * so a writer appends without checks and tests `failed` once at the end. limit 0 means BUF_LIMIT_DEFAULT.
 */
#ifndef CODECMETER_BASE_BYTES_H
#define CODECMETER_BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/scope.h"

struct str {
  const char *ptr;
  size_t len;
};

/* Make a str of a string literal, of pointer and length, or of a NUL-terminated string (NULL gives an empty one). */
#define STR(literal) ((struct str){.ptr = "" literal "", .len = sizeof(literal) - 1})
static inline struct str str_make(const char *ptr, size_t len) {
  struct str s = {ptr, len}; /* json.cc reads this header too, and C++17 has no designated initialisers */
  return s;
}
static inline struct str str_of(const char *text) {
  return text != NULL ? str_make(text, strlen(text)) : str_make("", 0);
}

/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) ((int)(s).len), ((s).ptr)

bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
int str_compare(struct str a, struct str b);       /* by bytes, a prefix first; the sign is memcmp's */
int str_compare_nocase(struct str a, struct str b);
struct str str_trim(struct str s);                 /* without leading and trailing blanks: space \t \r \n \f \v */

/* Returns the text before the first separator, and removes it and the separator from rest. Without a separator it
 * returns all of rest. */
struct str str_cut(struct str *rest, char separator);

/* Makes a text from an untrusted source safe to print: one line that cannot control a terminal. Control characters
 * and bytes that are not UTF-8 become \xHH. The caller frees the result; never NULL. */
MUST_USE char *str_printable(struct str s);

/* Copies s and a NUL into out[size]. False if it does not fit; out is then untouched. */
MUST_USE bool str_copy(struct str s, char *out, size_t size);

/* True if s is valid UTF-8: no surrogates, no overlong forms, nothing beyond U+10FFFF. */
bool str_is_utf8(struct str s);
/* True if s holds a control character: U+0000..U+001F, U+007F, U+0080..U+009F. s must be UTF-8. */
bool str_has_control(struct str s);

/* Read a whole decimal integer: digits only, with an optional '-' (str_to_i64). False if s is anything else, or if
 * the number does not fit. */
MUST_USE bool str_to_i64(struct str s, int64_t *ret);
MUST_USE bool str_to_u64(struct str s, uint64_t *ret);

/* Compares in a time that does not depend on the bytes. */
bool bytes_equal_constant_time(const void *a, const void *b, size_t len);
/* Overwrites secrets. The compiler does not optimise it away. */
void bytes_wipe(void *ptr, size_t len);
/* Lower-case hex of len bytes into out[2 * len + 1]. */
void bytes_hex(const void *bytes, size_t len, char *out);
/* Decodes percent-encoding (RFC 3986, 2.1) once. out has room for s.len bytes, and may be s.ptr. Returns the length.
 * A '%' that two hex digits do not follow is copied as it is. */
size_t bytes_percent_decode(struct str s, char *out);

/* Writes the decimal digits of value into out, without a NUL. Returns how many. */
#define BYTES_DIGITS_MAX 20
size_t bytes_digits(uint64_t value, char out[BYTES_DIGITS_MAX]);

#define BUF_LIMIT_DEFAULT ((size_t)1 << 30)

struct buf {
  char *ptr;
  size_t len;
  size_t cap;
  size_t limit;
  bool failed; /* an append did not fit and was dropped */
};

void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* empties it and keeps the memory; also clears failed */
void buf_shrink(struct buf *buf); /* gives back the memory behind len */
/* Reserves memory for len more bytes if it can; a failure is not an error. */
void buf_expect(struct buf *buf, size_t len);
/* Likewise, and returns true if appending them cannot fail. False leaves the buffer as it is. */
MUST_USE bool buf_reserve(struct buf *buf, size_t len);
/* Appends len uninitialised bytes and returns a pointer to them. NULL if they do not fit; the buf is then failed. */
MUST_USE char *buf_extend(struct buf *buf, size_t len);
void buf_append(struct buf *buf, const void *ptr, size_t len);
void buf_str(struct buf *buf, struct str s);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_i64(struct buf *buf, int64_t value);
void buf_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline struct str buf_view(const struct buf *buf) { return str_make(buf->ptr != NULL ? buf->ptr : "", buf->len); }

/* Words at any alignment. The disk formats are little-endian; LMDB keys are big-endian, so that they sort. */
#define BYTES_WORD(bits)                                                                                     \
  static inline uint##bits##_t le##bits##_load(const void *p) {                                              \
    uint##bits##_t v;                                                                                        \
    memcpy(&v, p, sizeof v);                                                                                 \
    return v;                                                                                                \
  }                                                                                                          \
  static inline void le##bits##_store(void *p, uint##bits##_t v) { memcpy(p, &v, sizeof v); }                \
  static inline uint##bits##_t be##bits##_load(const void *p) { return __builtin_bswap##bits(le##bits##_load(p)); } \
  static inline void be##bits##_store(void *p, uint##bits##_t v) { le##bits##_store(p, __builtin_bswap##bits(v)); }
BYTES_WORD(16)
BYTES_WORD(32)
BYTES_WORD(64)
#undef BYTES_WORD
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the disk formats are little-endian and read in place");

#endif
