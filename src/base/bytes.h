/* Bytes: borrowed slices, a growable buffer, little- and big-endian words, text checks.
 *
 * struct str borrows: whoever made it says how long it lives. It may hold any byte, and is not NUL-terminated.
 * struct buf owns: buf_fini frees. Growing past its limit makes it `failed` and drops what is appended, so a
 * writer appends freely and asks once at the end. limit 0 means BUF_LIMIT_DEFAULT.
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

/* A str of a string literal; of a NUL-terminated string (NULL gives the empty one); of pointer and length. */
#define STR(literal) ((struct str){.ptr = "" literal "", .len = sizeof(literal) - 1})
static inline struct str str_make(const char *ptr, size_t len) {
  struct str s = {ptr, len}; /* json.cc reads this header too, and C++17 has no designated initialisers */
  return s;
}
static inline struct str str_of(const char *text) { return text != NULL ? str_make(text, strlen(text)) : str_make("", 0); }

/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) ((int)(s).len), ((s).ptr)

bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
int str_compare(struct str a, struct str b);       /* as bytes, shorter first: memcmp's sign */
int str_compare_nocase(struct str a, struct str b);
struct str str_trim(struct str s);                 /* without leading and trailing blanks: space \t \r \n \f \v */

/* Cuts what stands before the first separator off the front of rest, and the separator; without one, all of it. */
struct str str_cut(struct str *rest, char separator);

/* What may be printed of a text that others have chosen: one line, in which nothing drives a terminal. Control
 * characters, and bytes that are not UTF-8, are written as \xHH. Malloc'd, never NULL. */
MUST_USE char *str_printable(struct str s);

/* Copies s and a NUL into out[size]; false, and out untouched, when it does not fit. */
MUST_USE bool str_copy(struct str s, char *out, size_t size);

/* Valid UTF-8: no surrogates, no overlong forms, nothing beyond U+10FFFF. */
bool str_is_utf8(struct str s);
/* Holds a control character: U+0000..U+001F, U+007F, U+0080..U+009F. s must be UTF-8. */
bool str_has_control(struct str s);

/* A whole decimal integer, digits only with an optional '-': false when s is anything else or does not fit. */
MUST_USE bool str_to_i64(struct str s, int64_t *ret);
MUST_USE bool str_to_u64(struct str s, uint64_t *ret);

/* Compares without telling by its time where a difference lies. */
bool bytes_equal_constant_time(const void *a, const void *b, size_t len);
/* Overwrites secrets; not optimised away. */
void bytes_wipe(void *ptr, size_t len);
/* Lower-case hex of len bytes into out[2 * len + 1]. */
void bytes_hex(const void *bytes, size_t len, char *out);
/* Undoes percent-encoding (RFC 3986, 2.1) once into out, which has room for all of s and may be where s is; gives the
 * length. A '%' that is not followed by two hex digits stands for itself. */
size_t bytes_percent_decode(struct str s, char *out);

/* The decimal digits of a number into out, without a NUL; gives how many. */
#define BYTES_DIGITS_MAX 20
size_t bytes_digits(uint64_t value, char out[BYTES_DIGITS_MAX]);

#define BUF_LIMIT_DEFAULT ((size_t)1 << 30)

struct buf {
  char *ptr;
  size_t len;
  size_t cap;
  size_t limit;
  bool failed; /* something did not fit and was dropped */
};

void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory; also clears failed */
void buf_shrink(struct buf *buf); /* gives back the memory behind len */
/* Says that len more bytes will be appended. */
void buf_expect(struct buf *buf, size_t len);
/* The same; true if appending them cannot fail. False leaves the buffer as it is. */
MUST_USE bool buf_reserve(struct buf *buf, size_t len);
/* Room for len more bytes, appended, uninitialised; NULL when that would pass the limit. */
MUST_USE char *buf_extend(struct buf *buf, size_t len);
void buf_append(struct buf *buf, const void *ptr, size_t len);
void buf_str(struct buf *buf, struct str s);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_i64(struct buf *buf, int64_t value);
void buf_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline struct str buf_view(const struct buf *buf) { return str_make(buf->ptr != NULL ? buf->ptr : "", buf->len); }

/* Words in memory of any alignment: disk is little-endian, LMDB keys are big-endian so that they sort. */
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
