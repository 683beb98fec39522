/* Strict where a head could be read in several ways. A client can smuggle a request past a proxy if the proxy and the
 * server tolerate different spellings of a field or a length.
 */
#include "http/head.h"

#include <string.h>

/* Above the length of any body. The library uses 2^64 - 1 for "until the connection is closed". */
#define LENGTH_MAX ((uint64_t)INT64_MAX)

struct head_target head_target(struct str target) {
  static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
    size_t len = schemes[i].len;
    if (target.len < len || !str_equal_nocase(str_make(target.ptr, len), schemes[i])) continue;
    while (len < target.len && target.ptr[len] != '/' && target.ptr[len] != '?') len++;
    target = str_make(target.ptr + len, target.len - len);
    if (target.len == 0 || target.ptr[0] == '?') {
      /* An absent path means "/". */
      return (struct head_target){STR("/"), target.len == 0 ? target : str_make(target.ptr + 1, target.len - 1)};
    }
    break;
  }
  const char *question = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
  if (question == NULL) return (struct head_target){target, STR("")};
  size_t path = (size_t)(question - target.ptr);
  return (struct head_target){str_make(target.ptr, path), str_make(question + 1, target.len - path - 1)};
}

/* RFC 9110, 5.6.2. */
static bool is_token(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!is_alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
  }
  return text.len > 0;
}

/* No control characters: some programs take a bare CR for the end of a line. */
static bool is_one_line(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    if ((c < 0x20 && c != '\t') || c == 0x7F) return false;
  }
  return true;
}

/* RFC 9110, 12.4.2: a weight that is zero. */
static bool is_refusal(struct str parameter) {
  struct str name = str_trim(str_cut(&parameter, '='));
  struct str weight = str_trim(parameter);
  if (!str_equal_nocase(name, STR("q")) || weight.len == 0) return false;
  for (size_t i = 0; i < weight.len; i++) {
    if (weight.ptr[i] != '0' && weight.ptr[i] != '.') return false;
  }
  return true;
}

bool head_accepts(struct str accept, struct str type) {
  while (accept.len > 0) {
    struct str range = str_cut(&accept, ',');
    if (!str_equal_nocase(str_trim(str_cut(&range, ';')), type)) continue;
    bool is_refused = false;
    while (range.len > 0) is_refused |= is_refusal(str_cut(&range, ';'));
    return !is_refused;
  }
  return false;
}

/* RFC 9110, 12.4.2: 0 to 1 with up to three digits behind the point, in thousandths. 0 for any other text. */
static unsigned weight_of(struct str text) {
  unsigned weight = 0, place = 1000;
  if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[1] != '.')) return 0;
  for (size_t i = 0; i < text.len; i++) {
    if (i == 1) continue;
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return 0;
    weight += (unsigned)(text.ptr[i] - '0') * place;
    place /= 10;
  }
  return weight <= 1000 ? weight : 0;
}

static struct str unquoted(struct str text) {
  bool is_quoted = text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"';
  return is_quoted ? str_make(text.ptr + 1, text.len - 2) : text;
}

/* What a media range says behind its type. */
struct range {
  unsigned weight;
  bool names_version, is_other; /* is_other: it names another version */
};

static struct range range_of(struct str parameters, struct str version) {
  struct range range = {.weight = 1000};
  while (parameters.len > 0) {
    struct str value = str_cut(&parameters, ';'), name = str_trim(str_cut(&value, '='));
    value = unquoted(str_trim(value));
    if (str_equal_nocase(name, STR("q"))) range.weight = weight_of(value);
    if (!str_equal_nocase(name, STR("version"))) continue;
    range.names_version = true;
    range.is_other = !str_equal(value, version);
  }
  return range;
}

unsigned head_weight(struct str accept, struct str type, struct str version) {
  unsigned weight = 0;
  bool is_exact = false;
  while (accept.len > 0) {
    struct str rest = str_cut(&accept, ',');
    if (!str_equal_nocase(str_trim(str_cut(&rest, ';')), type)) continue;
    struct range range = range_of(rest, version);
    if (range.is_other || (is_exact && !range.names_version)) continue;
    if (range.names_version != is_exact || range.weight > weight) weight = range.weight;
    is_exact = range.names_version;
  }
  return weight;
}

void head_field(struct head *head, struct str name, struct str value) {
  head->bytes += name.len + value.len + sizeof ": \r\n" - 1;
  if (!is_token(name) || !is_one_line(value)) head->is_malformed = true;
  if (str_equal_nocase(name, STR("Content-Length"))) {
    head->lengths++;
    if (!str_to_u64(value, &head->length) || head->length > LENGTH_MAX) head->has_bad_length = true;
  } else if (str_equal_nocase(name, STR("Transfer-Encoding"))) {
    head->encodings++;
    if (!str_equal_nocase(value, STR("chunked"))) head->has_bad_encoding = true;
  } else if (str_equal_nocase(name, STR("Expect"))) {
    head->expects_continue = str_equal_nocase(value, STR("100-continue"));
  }
}

const char *head_fault(const struct head *head) {
  if (head->is_malformed) return "a header is not a name, a colon and a value on one line";
  if (head->lengths > 1 || head->encodings > 1 || (head->lengths > 0 && head->encodings > 0)) {
    return "more than one Content-Length or Transfer-Encoding: send exactly one of them";
  }
  if (head->has_bad_length) return HEAD_BAD_LENGTH;
  if (head->has_bad_encoding) return "Transfer-Encoding must be chunked";
  return NULL;
}
