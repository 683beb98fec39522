#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

/* ---- str ---- */

static unsigned char lower(char c) { return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

bool str_equal(struct str a, struct str b) { return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0); }

bool str_equal_nocase(struct str a, struct str b) { return a.len == b.len && str_compare_nocase(a, b) == 0; }

bool str_starts(struct str s, struct str prefix) {
  return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static int by_length(size_t a, size_t b) { return (a > b) - (a < b); }

int str_compare(struct str a, struct str b) {
  size_t shared = a.len < b.len ? a.len : b.len;
  int order = shared == 0 ? 0 : memcmp(a.ptr, b.ptr, shared);
  return order != 0 ? order : by_length(a.len, b.len);
}

int str_compare_nocase(struct str a, struct str b) {
  for (size_t i = 0; i < a.len && i < b.len; i++) {
    int order = lower(a.ptr[i]) - lower(b.ptr[i]);
    if (order != 0) return order;
  }
  return by_length(a.len, b.len);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct str str_trim(struct str s) {
  while (s.len > 0 && is_blank(s.ptr[0])) {
    s.ptr++;
    s.len--;
  }
  while (s.len > 0 && is_blank(s.ptr[s.len - 1])) s.len--;
  return s;
}

struct str str_cut(struct str *rest, char separator) {
  const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, separator, rest->len);
  size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
  struct str piece = str_make(rest->ptr, len);
  size_t used = end == NULL ? len : len + 1;
  *rest = str_make(rest->ptr + used, rest->len - used);
  return piece;
}

bool str_copy(struct str s, char *out, size_t size) {
  if (s.len >= size) return false;
  if (s.len > 0) memcpy(out, s.ptr, s.len);
  out[s.len] = '\0';
  return true;
}

/* The length of the UTF-8 sequence at the front of s, and its code point. 0 if it is not valid (Unicode 15, table
 * 3-7). */
static size_t utf8_decode(struct str s, uint32_t *ret_point) {
  const unsigned char *p = (const unsigned char *)s.ptr;
  unsigned char lead = p[0];
  if (lead < 0x80) {
    *ret_point = lead;
    return 1;
  }
  size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || s.len < len) return 0;
  uint32_t point = lead & (0x7Fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((p[i] & 0xC0) != 0x80) return 0;
    point = point << 6 | (p[i] & 0x3Fu);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < least[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return 0;
  *ret_point = point;
  return len;
}

/* The length of the ASCII text at the front, found eight bytes at a time: most texts are ASCII. */
static size_t ascii_run(struct str s) {
  size_t n = 0;
  while (n + 8 <= s.len && (le64_load(s.ptr + n) & UINT64_C(0x8080808080808080)) == 0) n += 8;
  return n;
}

bool str_is_utf8(struct str s) {
  size_t at = ascii_run(s);
  while (at < s.len) {
    uint32_t point;
    size_t step = utf8_decode(str_make(s.ptr + at, s.len - at), &point);
    if (step == 0) return false;
    at += step;
  }
  return true;
}

bool str_has_control(struct str s) {
  for (size_t at = 0; at < s.len; at++) {
    unsigned char c = (unsigned char)s.ptr[at];
    if (c < 0x20 || c == 0x7F) return true;
    bool is_c1 = c == 0xC2 && at + 1 < s.len && (unsigned char)s.ptr[at + 1] < 0xA0;
    if (is_c1) return true;
  }
  return false;
}

char *str_printable(struct str s) {
  char *out = malloc(4 * s.len + 1), *end = out;
  CHECK(out != NULL);
  while (s.len > 0) {
    uint32_t point = 0;
    size_t len = utf8_decode(s, &point), taken = len > 0 ? len : 1;
    bool is_good = len > 0 && !str_has_control(str_make(s.ptr, len));
    for (size_t i = 0; i < taken; i++) {
      if (is_good)
        *end++ = s.ptr[i];
      else
        end += sprintf(end, "\\x%02x", (unsigned char)s.ptr[i]);
    }
    s = str_make(s.ptr + taken, s.len - taken);
  }
  *end = '\0';
  return out;
}

bool str_to_u64(struct str s, uint64_t *ret) {
  uint64_t value = 0;
  if (s.len == 0) return false;
  for (size_t i = 0; i < s.len; i++) {
    unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
    if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)) {
      return false;
    }
  }
  *ret = value;
  return true;
}

bool str_to_i64(struct str s, int64_t *ret) {
  bool negative = s.len > 0 && s.ptr[0] == '-';
  if (negative) s = str_make(s.ptr + 1, s.len - 1);
  uint64_t value;
  if (!str_to_u64(s, &value) || value > (uint64_t)INT64_MAX + negative) return false;
  *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
  return true;
}

/* ---- secrets and hex ---- */

bool bytes_equal_constant_time(const void *a, const void *b, size_t len) {
  const volatile unsigned char *x = a, *y = b;
  unsigned char difference = 0;
  for (size_t i = 0; i < len; i++) difference |= x[i] ^ y[i];
  return difference == 0;
}

void bytes_wipe(void *ptr, size_t len) { explicit_bzero(ptr, len); }

void bytes_hex(const void *bytes, size_t len, char *out) {
  const unsigned char *p = bytes;
  for (size_t i = 0; i < len; i++) {
    *out++ = "0123456789abcdef"[p[i] >> 4];
    *out++ = "0123456789abcdef"[p[i] & 15];
  }
  *out = '\0';
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t bytes_percent_decode(struct str s, char *out) {
  size_t len = 0;
  for (size_t i = 0; i < s.len; i++) {
    bool is_escape = s.ptr[i] == '%' && i + 2 < s.len;
    int high = is_escape ? hex_digit(s.ptr[i + 1]) : -1, low = is_escape ? hex_digit(s.ptr[i + 2]) : -1;
    char c = s.ptr[i];
    if (high >= 0 && low >= 0) {
      c = (char)(high << 4 | low);
      i += 2;
    }
    out[len++] = c;
  }
  return len;
}

/* ---- buf ---- */

void buf_fini(struct buf *buf) {
  free(buf->ptr);
  *buf = (struct buf){.limit = buf->limit};
}

void buf_clear(struct buf *buf) {
  buf->len = 0;
  buf->failed = false;
}

void buf_shrink(struct buf *buf) {
  if (buf->len == buf->cap) return;
  char *ptr = buf->len > 0 ? realloc(buf->ptr, buf->len) : NULL;
  if (buf->len > 0 && ptr == NULL) return; /* then it stays as it is */
  if (buf->len == 0) free(buf->ptr);
  buf->ptr = ptr;
  buf->cap = buf->len;
}

bool buf_reserve(struct buf *buf, size_t len) {
  size_t limit = buf->limit != 0 ? buf->limit : BUF_LIMIT_DEFAULT;
  if (buf->failed || len > limit - buf->len) return false;
  size_t need = buf->len + len;
  if (need <= buf->cap) return true;
  size_t cap = buf->cap < 128 ? 256 : buf->cap * 2;
  if (cap < need) cap = need;
  if (cap > limit) cap = limit;
  char *ptr = realloc(buf->ptr, cap);
  if (ptr == NULL) return false;
  buf->ptr = ptr;
  buf->cap = cap;
  return true;
}

void buf_expect(struct buf *buf, size_t len) {
  if (!buf_reserve(buf, len)) return; /* who appends finds out */
}

char *buf_extend(struct buf *buf, size_t len) {
  if (!buf_reserve(buf, len)) {
    buf->failed = true;
    return NULL;
  }
  char *at = buf->ptr + buf->len;
  buf->len += len;
  return at;
}

void buf_append(struct buf *buf, const void *ptr, size_t len) {
  if (len == 0) return;
  char *at = buf_extend(buf, len);
  if (at != NULL) memcpy(at, ptr, len);
}

void buf_str(struct buf *buf, struct str s) { buf_append(buf, s.ptr, s.len); }
void buf_text(struct buf *buf, const char *text) { buf_append(buf, text, strlen(text)); }
void buf_char(struct buf *buf, char c) { buf_append(buf, &c, 1); }

size_t bytes_digits(uint64_t value, char out[BYTES_DIGITS_MAX]) {
  static const char pairs[] =
      "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
      "555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
  char digits[BYTES_DIGITS_MAX];
  char *at = digits + sizeof digits;
  for (; value >= 100; value /= 100) {
    at -= 2;
    memcpy(at, pairs + value % 100 * 2, 2);
  }
  if (value >= 10) {
    at -= 2;
    memcpy(at, pairs + value * 2, 2);
  } else {
    *--at = (char)('0' + value);
  }
  size_t len = (size_t)(digits + sizeof digits - at);
  memcpy(out, at, len);
  return len;
}

void buf_u64(struct buf *buf, uint64_t value) {
  char digits[BYTES_DIGITS_MAX];
  buf_append(buf, digits, bytes_digits(value, digits));
}

void buf_i64(struct buf *buf, int64_t value) {
  if (value < 0) buf_char(buf, '-');
  buf_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *buf, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  CHECK(len >= 0);
  /* vsnprintf needs one byte more for its NUL; that byte is removed again. */
  char *at = buf_extend(buf, (size_t)len + 1);
  if (at != NULL) {
    (void)vsnprintf(at, (size_t)len + 1, format, again);
    buf->len--;
  }
  va_end(again);
}
