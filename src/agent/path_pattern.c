/* A pattern is a list of tokens over the whole path, slashes included. The matcher tries every way to give the fields
 * a text, up to the second one that differs from the first: "a-b-c" matches {project}-{task_id} as a, b-c and as a-b,
 * c. Any rule that picks one of them would sometimes pick the wrong customer, so neither is taken. The number of
 * steps is bounded, because a pattern with many wildcards has very many ways.
 */
#include "agent/path_pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define TOKENS_MAX 64
#define PATTERN_MAX 1024
#define STEPS_MAX 200000

enum token_type { TOKEN_LITERAL, TOKEN_FIELD, TOKEN_ANY, TOKEN_DEEP };
#define LABEL_PREFIX STR("label.")

/* Labels have the fields from FIELD_LABEL on, in the order of the pattern. */
enum field { FIELD_PROJECT, FIELD_TASK_ID, FIELD_SOURCE, FIELD_LABEL, FIELDS = FIELD_LABEL + LABELS_MAX };

static const struct {
  struct str name;
  size_t max;
} named[FIELD_LABEL] = {
    [FIELD_PROJECT] = {STR("project"), PROJECT_ID_MAX},
    [FIELD_TASK_ID] = {STR("task_id"), TASK_ID_MAX},
    [FIELD_SOURCE] = {STR("source"), SOURCE_MAX},
};

struct token {
  enum token_type type;
  enum field field;   /* of TOKEN_FIELD */
  struct str literal; /* of TOKEN_LITERAL */
};

struct path_pattern {
  char text[PATTERN_MAX], literals[PATTERN_MAX];
  struct token tokens[TOKENS_MAX];
  size_t count;
  struct str names[FIELDS]; /* as in the braces; empty: the pattern does not give this field */
  size_t label_count;
};

/* ---- reading a pattern ---- */

struct parsing {
  struct path_pattern *pattern;
  struct str rest;    /* of the text */
  size_t literal_end; /* in pattern->literals */
  bool has_name;
};

static int fail(const struct parsing *parsing, struct err *err, const char *why) {
  return err_set(err, ERR_USAGE, "--path '%s': %s", parsing->pattern->text, why);
}

static struct token *last_token(const struct parsing *parsing) {
  return parsing->pattern->count > 0 ? &parsing->pattern->tokens[parsing->pattern->count - 1] : NULL;
}

static int add_token(struct parsing *parsing, struct token token, struct err *err) {
  const struct token *last = last_token(parsing);
  bool is_loose = token.type == TOKEN_FIELD || token.type == TOKEN_ANY;
  if (parsing->pattern->count == TOKENS_MAX) return fail(parsing, err, "it has too many parts");
  if (is_loose && last != NULL && (last->type == TOKEN_FIELD || last->type == TOKEN_ANY))
    return fail(parsing, err, "two fields or wildcards have no text between them");
  parsing->pattern->tokens[parsing->pattern->count++] = token;
  return 0;
}

static int add_literal(struct parsing *parsing, char c, struct err *err) {
  char *at = &parsing->pattern->literals[parsing->literal_end];
  struct token *last = last_token(parsing);
  CHECK(parsing->literal_end < PATTERN_MAX);
  *at = c;
  ++parsing->literal_end;
  if (last != NULL && last->type == TOKEN_LITERAL) {
    ++last->literal.len;
    return 0;
  }
  return add_token(parsing, (struct token){.type = TOKEN_LITERAL, .literal = str_make(at, 1)}, err);
}

static int give_field(struct parsing *parsing, enum field field, struct str name, struct err *err) {
  for (size_t i = 0; i < FIELDS; i++) {
    if (str_equal(parsing->pattern->names[i], name)) return fail(parsing, err, "it has a field twice");
  }
  parsing->pattern->names[field] = name;
  return add_token(parsing, (struct token){.type = TOKEN_FIELD, .field = field}, err);
}

/* The name of a label, in a pattern or in its field. */
static struct str label_name(struct str field) {
  return str_make(field.ptr + LABEL_PREFIX.len, field.len - LABEL_PREFIX.len);
}

static int add_label(struct parsing *parsing, struct str name, struct err *err) {
  struct path_pattern *pattern = parsing->pattern;
  if (!label_name_is_valid(label_name(name)))
    return err_set(
        err, ERR_USAGE,
        "--path '%s': {%.*s}: the name of a label must be 1 to %d of a-z, 0-9 and '_', and begin with a letter",
        pattern->text, STR_ARG(name), LABEL_NAME_MAX);
  if (pattern->label_count == LABELS_MAX)
    return fail(parsing, err, "it has too many labels; an output has at most 8");
  int result = give_field(parsing, (enum field)(FIELD_LABEL + pattern->label_count), name, err);
  if (result == 0) pattern->label_count++;
  return result;
}

/* FIELD_LABEL: a label, of any name. FIELDS: none. */
static enum field field_named(struct str name) {
  for (enum field i = 0; i < FIELD_LABEL; i++) {
    if (str_equal(name, named[i].name)) return i;
  }
  return str_starts(name, LABEL_PREFIX) ? FIELD_LABEL : FIELDS;
}

static int add_field(struct parsing *parsing, struct str name, struct err *err) {
  if (str_equal(name, STR("*"))) return add_token(parsing, (struct token){.type = TOKEN_ANY}, err);
  if (str_equal(name, STR("name"))) {
    if (memchr(parsing->rest.ptr, '/', parsing->rest.len) != NULL)
      return fail(parsing, err, "{name} is the file's name; a directory without a meaning is *");
    if (parsing->has_name) return fail(parsing, err, "it has {name} twice");
    parsing->has_name = true;
    return add_token(parsing, (struct token){.type = TOKEN_ANY}, err);
  }
  enum field field = field_named(name);
  if (field == FIELDS)
    return err_set(err, ERR_USAGE,
                   "--path '%s': {%.*s} is not a field; the fields are {project}, {task_id}, {source}, {label.NAME}, "
                   "{name} and {*}",
                   parsing->pattern->text, STR_ARG(name));
  return field == FIELD_LABEL ? add_label(parsing, name, err) : give_field(parsing, field, name, err);
}

/* Reads from a brace: {{, }}, or {field}. */
static int read_brace(struct parsing *parsing, struct err *err) {
  char brace = parsing->rest.ptr[0];
  bool is_doubled = parsing->rest.len > 1 && parsing->rest.ptr[1] == brace;
  const char *end = memchr(parsing->rest.ptr, '}', parsing->rest.len);
  if (is_doubled) {
    parsing->rest = str_make(parsing->rest.ptr + 2, parsing->rest.len - 2);
    return add_literal(parsing, brace, err);
  }
  if (brace == '}') return fail(parsing, err, "a } has no { before it; the character itself is }}");
  if (end == NULL) return fail(parsing, err, "a { has no } behind it; the character itself is {{");
  struct str name = str_make(parsing->rest.ptr + 1, (size_t)(end - parsing->rest.ptr) - 1);
  parsing->rest = str_make(end + 1, parsing->rest.len - name.len - 2);
  return add_field(parsing, name, err);
}

static int read_next(struct parsing *parsing, struct err *err) {
  char c = parsing->rest.ptr[0];
  if (c == '{' || c == '}') return read_brace(parsing, err);
  parsing->rest = str_make(parsing->rest.ptr + 1, parsing->rest.len - 1);
  return c == '*' ? add_token(parsing, (struct token){.type = TOKEN_ANY}, err) : add_literal(parsing, c, err);
}

/* Reads one segment, and the slash behind it. */
static int read_segment(struct parsing *parsing, struct err *err) {
  const char *slash = memchr(parsing->rest.ptr, '/', parsing->rest.len);
  size_t len = slash != NULL ? (size_t)(slash - parsing->rest.ptr) : parsing->rest.len;
  struct str segment = str_make(parsing->rest.ptr, len);
  const char *end = segment.ptr + segment.len;
  int result = 0;
  if (len == 0)
    return fail(
        parsing, err,
        "it has an empty part: write it without a slash at its begin or end, and without two slashes together");
  if (str_equal(segment, STR(".")) || str_equal(segment, STR("..")))
    return fail(parsing, err, "'.' and '..' match nothing");
  if (str_equal(segment, STR("**"))) {
    if (slash == NULL) return fail(parsing, err, "behind ** the file's name is missing, for example **/{name}");
    parsing->rest = str_make(slash + 1, parsing->rest.len - 3);
    return add_token(parsing, (struct token){.type = TOKEN_DEEP}, err);
  }
  for (size_t i = 0; i + 1 < len; i++) {
    if (memcmp(segment.ptr + i, "**", 2) == 0) return fail(parsing, err, "** must be a whole part, like a/**/b");
  }
  while (result == 0 && parsing->rest.ptr < end)
    result = read_next(parsing, err);
  if (result != 0 || slash == NULL) return result;
  parsing->rest = str_make(parsing->rest.ptr + 1, parsing->rest.len - 1);
  result = add_literal(parsing, '/', err);
  if (result == 0 && parsing->rest.len == 0)
    return fail(parsing, err, "behind the last slash the file's name is missing, for example {name}");
  return result;
}

int path_pattern_parse(const char *text, struct path_pattern **ret, struct err *err) {
  SCOPED(path_pattern_free_ref) struct path_pattern *pattern = calloc(1, sizeof *pattern);
  CHECK(pattern != NULL);
  if (!str_copy(str_of(text), pattern->text, sizeof pattern->text))
    return err_set(err, ERR_USAGE, "--path is longer than %d bytes", PATTERN_MAX - 1);
  struct parsing parsing = {.pattern = pattern, .rest = str_of(pattern->text)};
  int result = 0;
  do
    result = read_segment(&parsing, err);
  while (result == 0 && parsing.rest.len > 0);
  if (result != 0) return result;
  bool gives_any = false;
  for (size_t i = 0; i < FIELDS; i++)
    gives_any = gives_any || pattern->names[i].len > 0;
  if (!gives_any)
    return fail(&parsing, err,
                "it gives no field: it must have {project}, {task_id}, {source} or {label.NAME}; to choose files by "
                "name, use --include");
  *ret = pattern;
  pattern = NULL;
  return 0;
}

void path_pattern_free(struct path_pattern *pattern) { free(pattern); }

static bool gives(const struct path_pattern *pattern, enum field field) { return pattern->names[field].len > 0; }

bool path_pattern_gives_project(const struct path_pattern *pattern) { return gives(pattern, FIELD_PROJECT); }
bool path_pattern_gives_source(const struct path_pattern *pattern) { return gives(pattern, FIELD_SOURCE); }
size_t path_pattern_label_count(const struct path_pattern *pattern) { return pattern->label_count; }

bool path_pattern_gives_label(const struct path_pattern *pattern, struct str name) {
  for (size_t i = 0; i < pattern->label_count; i++) {
    if (str_equal(label_name(pattern->names[FIELD_LABEL + i]), name)) return true;
  }
  return false;
}

/* ---- matching ---- */

struct matching {
  const struct path_pattern *pattern;
  struct str now[FIELDS], first[FIELDS], other[FIELDS];
  bool is_found, is_ambiguous;
  unsigned steps;
};

static bool is_over(const struct matching *matching) {
  return matching->is_ambiguous || matching->steps >= STEPS_MAX;
}

static void take_match(struct matching *matching) {
  if (!matching->is_found) memcpy(matching->first, matching->now, sizeof matching->first);
  matching->is_found = true;
  for (size_t i = 0; i < FIELDS; i++) {
    if (str_equal(matching->now[i], matching->first[i])) continue;
    memcpy(matching->other, matching->now, sizeof matching->other);
    matching->is_ambiguous = true;
  }
}

/* Recursion is as deep as the pattern has tokens. */
static void match(struct matching *matching, size_t index, struct str rest) {
  const struct token *token = &matching->pattern->tokens[index];
  if (is_over(matching)) return;
  ++matching->steps;
  if (index == matching->pattern->count) {
    if (rest.len == 0) take_match(matching);
    return;
  }
  if (token->type == TOKEN_LITERAL) {
    if (str_starts(rest, token->literal))
      match(matching, index + 1, str_make(rest.ptr + token->literal.len, rest.len - token->literal.len));
    return;
  }
  bool is_deep = token->type == TOKEN_DEEP;
  if (is_deep) match(matching, index + 1, rest);
  for (size_t len = 1; len <= rest.len && !is_over(matching); len++) {
    bool is_slash = rest.ptr[len - 1] == '/';
    if (is_slash && !is_deep) return;
    if (token->type == TOKEN_FIELD) matching->now[token->field] = str_make(rest.ptr, len);
    if (is_slash == is_deep) match(matching, index + 1, str_make(rest.ptr + len, rest.len - len));
  }
}

static int fail_ambiguous(const struct matching *matching, struct err *err) {
  for (size_t i = 0; i < FIELDS; i++) {
    if (str_equal(matching->first[i], matching->other[i])) continue;
    return err_set(
        err, ERR_RANGE,
        "--path '%s' matches it in more than one way: {%.*s} may be '%.*s' or '%.*s'; make the pattern exact",
        matching->pattern->text, STR_ARG(matching->pattern->names[i]), STR_ARG(matching->first[i]),
        STR_ARG(matching->other[i]));
  }
  CHECK(false);
}

/* The server's rules: docs/events.md, "Attributes of an event" and "Labels"; no project has blanks around its id. */
static int check_value(const struct matching *matching, enum field field, struct err *err) {
  struct str name = matching->pattern->names[field], value = matching->first[field];
  size_t max = field < FIELD_LABEL ? named[field].max : LABEL_VALUE_MAX;
  const char *why = NULL;
  if (!str_is_utf8(value))
    why = "is not UTF-8";
  else if (str_has_control(value))
    why = "contains a control character";
  else if (field == FIELD_PROJECT && str_trim(value).len != value.len)
    why = "begins or ends with a blank";
  if (why != NULL)
    return err_set(err, ERR_RANGE, "its %.*s '%.*s' %s; rename the directory or file", STR_ARG(name), STR_ARG(value),
                   why);
  if (value.len <= max) return 0;
  return err_set(err, ERR_RANGE, "its %.*s '%.*s' is longer than %zu bytes; rename the directory or file",
                 STR_ARG(name), STR_ARG(value), max);
}

/* The value is checked. */
static void take_value(const struct matching *matching, enum field field, char *out) {
  out[0] = '\0';
  bool fits = !gives(matching->pattern, field) || str_copy(matching->first[field], out, named[field].max + 1);
  CHECK(fits);
}

static void take_values(const struct matching *matching, struct path_fields *ret) {
  const struct path_pattern *pattern = matching->pattern;
  take_value(matching, FIELD_PROJECT, ret->project);
  take_value(matching, FIELD_TASK_ID, ret->task_id);
  take_value(matching, FIELD_SOURCE, ret->source);
  for (size_t i = 0; i < pattern->label_count; i++)
    ret->labels[i] = (struct label){label_name(pattern->names[FIELD_LABEL + i]), matching->first[FIELD_LABEL + i]};
}

int path_pattern_match(const struct path_pattern *pattern, const char *below, struct path_fields *ret,
                       struct err *err) {
  struct matching matching = {.pattern = pattern};
  while (*below == '/')
    below++;
  match(&matching, 0, str_of(below));
  if (matching.is_ambiguous) return fail_ambiguous(&matching, err);
  if (matching.steps >= STEPS_MAX)
    return err_set(err, ERR_RANGE, "--path '%s' has too many ways to match it; use fewer wildcards", pattern->text);
  if (!matching.is_found) return err_set(err, ERR_NOT_FOUND, "it does not match --path '%s'", pattern->text);
  for (enum field i = 0; i < FIELDS; i++) {
    int result = gives(pattern, i) ? check_value(&matching, i, err) : 0;
    if (result != 0) return result;
  }
  take_values(&matching, ret);
  return 0;
}
