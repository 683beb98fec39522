/* The only C++ file, and the only one that knows simdjson: its On-Demand front end, whose scanner validates UTF-8 and
 * string syntax in one pass. It keeps number text and repeated names as written, which simdjson's DOM does not.
 *
 * On-Demand validates a value only when it is visited, so this reader visits everything. It checks tokens that are
 * not strings against the grammar, and decoded strings for UTF-8 once more, because an escape can make a lone
 * surrogate.
 */
#include <simdjson.h>

#include <new>
#include <utility>

extern "C" {
#include "base/json.h"
}

static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "the scanner reads that far beyond the text");

namespace ondemand = simdjson::ondemand;

struct json_parser {
  ondemand::parser simd;
};

extern "C" struct json_parser *json_parser_new(void) { return new (std::nothrow) json_parser; }
extern "C" void json_parser_free(struct json_parser *parser) { delete parser; }
extern "C" void json_parser_trim(struct json_parser *parser, size_t text_max) {
  if (parser->simd.capacity() > text_max) parser->simd = ondemand::parser();
}

namespace {

/* How many bytes are searched for the end of a plain name. So many may be read behind any text. */
constexpr size_t NAME_USUAL = JSON_PADDING;

struct reader {
  struct arena *arena;
  unsigned depth_max;
  struct err *err;
};

int fail(const reader &r, simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR: return err_set(r.err, ERR_PARSE, "invalid UTF-8");
    case simdjson::UNCLOSED_STRING: return err_set(r.err, ERR_PARSE, "unterminated string");
    case simdjson::UNESCAPED_CHARS: return err_set(r.err, ERR_PARSE, "unescaped control character in a string");
    case simdjson::STRING_ERROR: return err_set(r.err, ERR_PARSE, "invalid escape in a string");
    case simdjson::EMPTY: return err_set(r.err, ERR_PARSE, "the text is empty");
    case simdjson::TRAILING_CONTENT: return err_set(r.err, ERR_PARSE, "unexpected text after the JSON value");
    case simdjson::MEMALLOC:
    case simdjson::CAPACITY: return err_set(r.err, ERR_MEMORY, "not enough memory to read JSON");
    default: return err_set(r.err, ERR_PARSE, "invalid JSON");
  }
}

int copy_text(const reader &r, struct str text, struct str *ret) {
  *ret = arena_copy(r.arena, text);
  return ret->ptr != nullptr ? 0 : err_set(r.err, ERR_MEMORY, "the JSON text is too large");
}

/* A string without escapes needs no decoding: the scanner has checked its syntax and its UTF-8. */
bool is_plain(std::string_view text) { return memchr(text.data(), '\\', text.size()) == nullptr; }

/* False: the name has escapes, or is longer than usual; read_text then decodes it. */
bool read_plain_name(const reader &r, ondemand::field &field, struct str *ret, int *ret_result) {
  const char *begin = field.key().raw();
  const char *end = static_cast<const char *>(memchr(begin, '"', NAME_USUAL));
  if (end == nullptr) return false;
  std::string_view text(begin, static_cast<size_t>(end - begin));
  if (!is_plain(text)) return false;
  *ret_result = copy_text(r, str_make(text.data(), text.size()), ret);
  return true;
}

int read_plain_text(const reader &r, std::string_view quoted, struct str *ret) {
  return copy_text(r, str_make(quoted.data() + 1, quoted.size() - 2), ret);
}

/* Copies a string whose escapes simdjson has decoded. */
int read_text(const reader &r, simdjson::simdjson_result<std::string_view> decoded, struct str *ret) {
  std::string_view text;
  simdjson::error_code code = std::move(decoded).get(text);
  if (code != simdjson::SUCCESS) return fail(r, code);
  struct str view = str_make(text.data(), text.size());
  if (!str_is_utf8(view)) return err_set(r.err, ERR_PARSE, "lone surrogate in a string");
  return copy_text(r, view, ret);
}

std::string_view without_blanks(std::string_view raw) {
  struct str text = json_trim(str_make(raw.data(), raw.size()));
  return std::string_view(text.ptr, text.len);
}

/* Reads a number, true, false or null. */
int read_token(const reader &r, std::string_view raw, struct json *node) {
  raw = without_blanks(raw);
  struct str token = str_make(raw.data(), raw.size());
  if (raw == "true") node->type = JSON_TRUE;
  else if (raw == "false") node->type = JSON_FALSE;
  else if (raw == "null") node->type = JSON_NULL;
  else if (json_is_number(token)) node->type = JSON_NUMBER;
  else return err_set(r.err, ERR_PARSE, "invalid value: expected a number, true, false or null");
  return node->type == JSON_NUMBER ? copy_text(r, token, &node->text) : 0;
}

struct json *new_node(const reader &r) { return static_cast<struct json *>(arena_alloc(r.arena, sizeof(struct json))); }

int read_array(const reader &r, ondemand::array array, unsigned depth, struct json *node);
int read_object(const reader &r, ondemand::object object, unsigned depth, struct json *node);

/* True if a colon follows a string that is a value: then the text is not JSON. simdjson does not see this. It skips the
 * string later, takes it for the name of a member, and skips the member's value too. The byte behind the token is
 * readable, because a raw token reaches to the next one. */
bool is_before_colon(std::string_view raw) { return raw.data()[raw.size()] == ':'; }

/* Reads a value below the top; depth is that of the array or object around it. */
int read_value(const reader &r, ondemand::value value, unsigned depth, struct json *node) {
  ondemand::json_type type;
  simdjson::error_code code = value.type().get(type);
  if (code != simdjson::SUCCESS) return fail(r, code);
  switch (type) {
    case ondemand::json_type::array: {
      ondemand::array array;
      if ((code = value.get_array().get(array)) != simdjson::SUCCESS) return fail(r, code);
      return read_array(r, array, depth + 1, node);
    }
    case ondemand::json_type::object: {
      ondemand::object object;
      if ((code = value.get_object().get(object)) != simdjson::SUCCESS) return fail(r, code);
      return read_object(r, object, depth + 1, node);
    }
    case ondemand::json_type::string: {
      node->type = JSON_STRING;
      std::string_view raw = value.raw_json_token(), quoted = without_blanks(raw);
      if (is_before_colon(raw)) return err_set(r.err, ERR_PARSE, "invalid JSON: a colon behind a value");
      bool plain = quoted.size() >= 2 && quoted.back() == '"' && is_plain(quoted);
      return plain ? read_plain_text(r, quoted, &node->text) : read_text(r, value.get_string(), &node->text);
    }
    default: return read_token(r, value.raw_json_token(), node);
  }
}

int check_depth(const reader &r, unsigned depth) {
  return depth <= r.depth_max ? 0 : err_set(r.err, ERR_LIMIT, "nested more than %u levels deep", r.depth_max);
}

int read_array(const reader &r, ondemand::array array, unsigned depth, struct json *node) {
  node->type = JSON_ARRAY;
  int result = check_depth(r, depth);
  const struct json **link = &node->child;
  for (auto element : array) {
    if (result != 0) return result;
    ondemand::value value;
    simdjson::error_code code = std::move(element).get(value);
    if (code != simdjson::SUCCESS) return fail(r, code);
    struct json *child = new_node(r);
    if (child == nullptr) return err_set(r.err, ERR_MEMORY, "the JSON text is too large");
    *link = child;
    link = &child->next;
    result = read_value(r, value, depth, child);
  }
  return result;
}

int read_object(const reader &r, ondemand::object object, unsigned depth, struct json *node) {
  node->type = JSON_OBJECT;
  int result = check_depth(r, depth);
  const struct json **link = &node->child;
  for (auto member : object) {
    if (result != 0) return result;
    ondemand::field field;
    simdjson::error_code code = std::move(member).get(field);
    if (code != simdjson::SUCCESS) return fail(r, code);
    struct json *child = new_node(r);
    if (child == nullptr) return err_set(r.err, ERR_MEMORY, "the JSON text is too large");
    *link = child;
    link = &child->next;
    if (!read_plain_name(r, field, &child->name, &result)) result = read_text(r, field.unescaped_key(), &child->name);
    if (result == 0) result = read_value(r, field.value(), depth, child);
  }
  return result;
}

/* If skipping an element fails, the error appears when the next element is requested. simdjson counts elements by
 * their brackets alone, so in a text that is not JSON there may be more or fewer of them. */
int hand_over(const reader &r, ondemand::array &array, size_t count, const struct json_taker *taker) {
  for (auto element : array) {
    ondemand::value value;
    simdjson::error_code code = std::move(element).get(value);
    if (code != simdjson::SUCCESS) return fail(r, code);
    if (count-- == 0) return fail(r, simdjson::TAPE_ERROR);
    arena_reset(r.arena);
    struct json *node = new_node(r);
    int result = node != nullptr ? read_value(r, value, 1, node) : -ERR_MEMORY;
    if (result == 0) result = taker->element(taker->arg, node, r.err);
    else if (result == -ERR_MEMORY) result = taker->element(taker->arg, nullptr, r.err);
    if (result != 0) return result;
  }
  return count == 0 ? 0 : fail(r, simdjson::TAPE_ERROR);
}

int check_end(const reader &r, ondemand::document &document) {
  bool is_end = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  return is_end ? 0 : fail(r, simdjson::TRAILING_CONTENT);
}

int read_elements(const reader &r, ondemand::document &document, const struct json_taker *taker) {
  ondemand::array array;
  simdjson::error_code code = document.get_array().get(array);
  if (code == simdjson::INCORRECT_TYPE) return err_set(r.err, ERR_PARSE, "expected an array");
  if (code != simdjson::SUCCESS) return fail(r, code);
  size_t count;
  if ((code = array.count_elements().get(count)) != simdjson::SUCCESS) return fail(r, code);
  int result = taker->count(taker->arg, count, r.err);
  if (result == 0) result = hand_over(r, array, count, taker);
  return result == 0 ? check_end(r, document) : result;
}

int read_top(const reader &r, ondemand::document &document, struct json *node) {
  ondemand::json_type type;
  simdjson::error_code code = document.type().get(type);
  if (code != simdjson::SUCCESS) return fail(r, code);
  int result;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if ((code = document.get_object().get(object)) != simdjson::SUCCESS) return fail(r, code);
    result = read_object(r, object, 1, node);
  } else if (type == ondemand::json_type::array) {
    ondemand::array array;
    if ((code = document.get_array().get(array)) != simdjson::SUCCESS) return fail(r, code);
    result = read_array(r, array, 1, node);
  } else {
    return err_set(r.err, ERR_PARSE, "expected an object or an array");
  }
  return result == 0 ? check_end(r, document) : result;
}

int begin(struct json_parser *parser, const reader &r, struct str text, ondemand::document &document) {
  simdjson::padded_string_view view(text.ptr, text.len, text.len + JSON_PADDING);
  simdjson::error_code code = parser->simd.iterate(view).get(document);
  if (code == simdjson::MEMALLOC) arena_starve(r.arena);
  return code == simdjson::SUCCESS ? 0 : fail(r, code);
}

}  // namespace

extern "C" int json_parse(struct json_parser *parser, struct arena *arena, struct str text, unsigned depth_max,
                          const struct json **ret, struct err *err) {
  reader r = {arena, depth_max, err};
  struct json *top = new_node(r);
  if (top == nullptr) return err_set(err, ERR_MEMORY, "the JSON text is too large");
  ondemand::document document;
  int result = begin(parser, r, text, document);
  if (result == 0) result = read_top(r, document, top);
  if (result == 0) *ret = top;
  return result;
}

extern "C" int json_parse_array(struct json_parser *parser, struct arena *arena, struct str text, unsigned depth_max,
                                const struct json_taker *taker, struct err *err) {
  reader r = {arena, depth_max, err};
  ondemand::document document;
  int result = begin(parser, r, text, document);
  return result == 0 ? read_elements(r, document, taker) : result;
}
