/* The window holds what was read and not yet taken; the value under way begins at its front. A value is taken in
 * three steps: find its end, divide it if it is long, give its pieces. Only then does the window move on. */
#include "import/documents.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "import/input.h"
#include "import/outline.h"
#include "import/source.h"

#define READ_SIZE ((size_t)256 << 10)
#define DEPTH_MAX 32 /* like the server's */
#define LEVELS 64    /* whose kind is remembered */
/* A tree takes up to thirty times its text. What does not fit is left to the server. */
#define TREE_MAX ((size_t)64 << 20)

/* How far the end of a value was looked for. */
struct scan {
  size_t at; /* of the value */
  unsigned depth;
  uint64_t objects; /* a bit for each level: it is an object */
  bool in_string, is_escaped, at_line_start;
  char before; /* the last byte that is no blank, outside of strings */
};

struct division {
  bool is_open, grows;       /* grows: the next piece may have twice the elements */
  struct outline_part array; /* of the value */
  size_t piece, next;        /* where the elements of the last piece begin, and the next ones */
  size_t elements_max, elements;
  struct buf head, tail;
};

struct import_documents {
  struct import_documents_options options;
  struct json_parser *parser;
  struct buf window;
  size_t begin; /* of the value, or of what is before it */
  size_t len;   /* of the value that was given; 0: none */
  bool at_end;
  bool in_array;   /* the values are elements of an outermost array */
  uint64_t offset; /* of begin in the file */
  uint64_t line;   /* of begin */
  uint64_t skip_to;
  struct division division;
  uint64_t done_offset, done_line;
  struct buf text, refusal;
};

struct import_documents *import_documents_open(const struct import_documents_options *options) {
  struct import_documents *documents = calloc(1, sizeof *documents);
  CHECK(documents != NULL);
  documents->options = *options;
  if (options->piece_max == 0) documents->options.piece_max = IMPORT_PIECE_MAX;
  documents->line = documents->done_line = 1;
  documents->window.limit = IMPORT_DOCUMENT_MAX + 2 * READ_SIZE;
  documents->parser = json_parser_new();
  CHECK(documents->parser != NULL);
  return documents;
}

void import_documents_close(struct import_documents *documents) {
  if (documents == NULL) return;
  json_parser_free(documents->parser);
  buf_fini(&documents->window);
  buf_fini(&documents->division.head);
  buf_fini(&documents->division.tail);
  buf_fini(&documents->text);
  buf_fini(&documents->refusal);
  free(documents);
}

void import_documents_seek(struct import_documents *documents, uint64_t offset, uint64_t line) {
  documents->skip_to = documents->done_offset = offset;
  documents->done_line = line;
}

/* ---- the window ---- */

static struct str left(const struct import_documents *documents) {
  return str_make(buf_view(&documents->window).ptr + documents->begin, documents->window.len - documents->begin);
}

static int fill(struct import_documents *documents, struct err *err) {
  struct buf *window = &documents->window;
  size_t rest = window->len - documents->begin, got;
  if (documents->begin > 0) memmove(window->ptr, window->ptr + documents->begin, rest);
  window->len = rest;
  documents->begin = 0;
  char *room = rest <= IMPORT_DOCUMENT_MAX ? buf_extend(window, READ_SIZE) : NULL;
  if (room == NULL)
    return err_set(err, ERR_LIMIT,
                   "%s: the document on line %llu is longer than %zu bytes, or than memory allows: "
                   "divide it",
                   documents->options.name, (unsigned long long)documents->line, IMPORT_DOCUMENT_MAX);
  window->len -= READ_SIZE;
  int result = input_read(documents->options.fd, documents->options.name, room, READ_SIZE, &got, err);
  if (result != 0) return result;
  window->len += got;
  documents->at_end = got == 0;
  return 0;
}

static uint64_t count_lines(struct str text) {
  uint64_t count = 0;
  for (const char *feed; (feed = memchr(text.ptr, '\n', text.len)) != NULL; count++)
    text = str_make(feed + 1, text.len - (size_t)(feed + 1 - text.ptr));
  return count;
}

static void advance(struct import_documents *documents, size_t len) {
  documents->line += count_lines(str_make(left(documents).ptr, len));
  documents->begin += len;
  documents->offset += len;
}

/* ---- the end of a value ---- */

static bool in_object(const struct scan *scan) {
  return scan->depth <= LEVELS && (scan->objects >> (scan->depth - 1) & 1) != 0;
}

/* True if JSON allows an object here. */
static bool may_begin(const struct scan *scan) {
  if (scan->depth > LEVELS) return true;
  return in_object(scan) ? scan->before == ':' : scan->before == '[' || scan->before == ',';
}

static void open_level(struct scan *scan, char c) {
  uint64_t bit = scan->depth < LEVELS ? UINT64_C(1) << scan->depth : 0;
  scan->objects = c == '{' ? scan->objects | bit : scan->objects & ~bit;
  scan->depth++;
}

static void scan_string(struct scan *scan, char c) {
  bool ends = !scan->is_escaped && c == '"';
  if (ends || c == '\n') { /* JSON has no line feed in a string: the quote was left open */
    scan->in_string = false;
    scan->before = '"';
    scan->at_line_start = c == '\n';
  }
  scan->is_escaped = !scan->is_escaped && c == '\\';
}

/* Looks on in the text for the end of an array or object: true with its length. A value that is broken ends before
 * the object that begins the next document. */
static bool scan_on(struct scan *scan, struct str text, size_t *ret_len) {
  for (; scan->at < text.len; scan->at++) {
    char c = text.ptr[scan->at];
    if (scan->in_string) {
      scan_string(scan, c);
      continue;
    }
    if (c == '\n') scan->at_line_start = true;
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c == '{' && scan->at_line_start && scan->depth > 0 && !may_begin(scan)) {
      *ret_len = scan->at;
      return true;
    }
    scan->at_line_start = false;
    scan->in_string = c == '"';
    scan->is_escaped = false;
    if (c == '{' || c == '[') open_level(scan, c);
    if ((c == '}' || c == ']') && --scan->depth == 0) {
      *ret_len = scan->at + 1;
      return true;
    }
    if (c != '"') scan->before = c;
  }
  return false;
}

/* What is no array and no object ends with its line; in an array also before a comma or the end. */
static bool scan_word(struct scan *scan, struct str text, bool in_array, size_t *ret_len) {
  for (; scan->at < text.len; scan->at++) {
    char c = text.ptr[scan->at];
    if (c != '\n' && (!in_array || (c != ',' && c != ']'))) continue;
    *ret_len = scan->at;
    return true;
  }
  return false;
}

/* Finds the length of the value at the front of the window. *ret_is_cut: the file ends before the value does. */
static int find_end(struct import_documents *documents, size_t *ret_len, bool *ret_is_cut, struct err *err) {
  struct scan scan = {0};
  char first = left(documents).ptr[0];
  bool is_nested = first == '{' || first == '[';
  *ret_is_cut = false;
  for (;;) {
    struct str text = left(documents);
    bool found = is_nested ? scan_on(&scan, text, ret_len) : scan_word(&scan, text, documents->in_array, ret_len);
    if (found) return 0;
    if (documents->at_end) {
      *ret_is_cut = is_nested;
      documents->in_array &= !is_nested; /* the array is cut off too: one complaint is enough */
      *ret_len = text.len;
      return 0;
    }
    int result = fill(documents, err);
    if (result != 0) return result;
  }
}

/* ---- what lies between values ---- */

static bool is_between(const struct import_documents *documents, char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || (documents->in_array && c == ',');
}

/* Passes one thing that is no value. False: a value begins here. */
static bool pass(struct import_documents *documents) {
  struct str text = left(documents);
  size_t len = 0;
  while (len < text.len && is_between(documents, text.ptr[len]))
    len++;
  if (len == 0 && str_starts(text, STR(INPUT_MARK))) len = STR(INPUT_MARK).len;
  bool ends = len == 0 && documents->in_array && text.ptr[0] == ']';
  bool begins = len == 0 && !documents->in_array && text.ptr[0] == '[';
  if (ends || begins) {
    documents->in_array = begins;
    len = 1;
  }
  advance(documents, len);
  return len > 0;
}

/* Moves to the next value; *ret_is_end if there is none. */
static int find_begin(struct import_documents *documents, bool *ret_is_end, struct err *err) {
  for (;;) {
    size_t len = left(documents).len;
    if (len >= STR(INPUT_MARK).len || (len > 0 && documents->at_end)) {
      if (!pass(documents)) break;
      continue;
    }
    *ret_is_end = len == 0 && documents->at_end;
    if (*ret_is_end) return 0;
    int result = fill(documents, err);
    if (result != 0) return result;
  }
  *ret_is_end = false;
  return 0;
}

/* ---- checking ---- */

/* Writes why the text cannot be sent; nothing if it can. */
static void check(struct import_documents *documents) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(TREE_MAX);
  struct buf *text = &documents->text;
  char *padding = buf_extend(text, JSON_PADDING);
  const struct json *json;
  struct err why = {0};
  CHECK(arena != NULL);
  buf_clear(&documents->refusal);
  if (padding == NULL) {
    buf_text(&documents->refusal, "the document is longer than memory allows");
    return;
  }
  memset(padding, 0, JSON_PADDING);
  text->len -= JSON_PADDING;
  int result = json_parse(documents->parser, arena, buf_view(text), DEPTH_MAX, &json, &why);
  json_parser_trim(documents->parser, 4 * IMPORT_PIECE_MAX);
  if (result == -ERR_PARSE) buf_printf(&documents->refusal, "not JSON: %s", why.text);
  if (result == -ERR_LIMIT) buf_printf(&documents->refusal, "nested more than %d deep", DEPTH_MAX);
  if (result == 0 && json->type != JSON_OBJECT) buf_text(&documents->refusal, "a document must be a JSON object");
}

/* ---- giving ---- */

/* raw: the document in the file. */
static void give(struct import_documents *documents, struct str raw, size_t elements, struct import_document *ret) {
  bool is_refused = documents->refusal.len > 0;
  struct str kept = raw.len <= IMPORT_ROW_MAX ? str_trim(raw) : STR("");
  *ret = (struct import_document){.line = documents->done_line,
                                  .text = is_refused ? kept : buf_view(&documents->text),
                                  .refusal = buf_view(&documents->refusal),
                                  .elements = elements};
}

/* Places are behind what was given: at this byte of the value. */
static void move_done(struct import_documents *documents, size_t at) {
  uint64_t from = documents->done_offset - documents->offset;
  if (documents->done_offset <= documents->offset || from > at) { /* else lines up to there are counted */
    from = 0;
    documents->done_line = documents->line;
  }
  documents->done_line += count_lines(str_make(left(documents).ptr + from, at - (size_t)from));
  documents->done_offset = documents->offset + at;
}

static struct str part_of(struct str text, size_t begin, size_t end) {
  return str_make(text.ptr + begin, end - begin);
}

/* Puts the next elements between head and tail. */
static void fill_piece(struct import_documents *documents, struct str value) {
  struct division *division = &documents->division;
  struct buf *text = &documents->text;
  struct outline_part element;
  buf_clear(text);
  buf_str(text, buf_view(&division->head));
  division->piece = division->next;
  for (division->elements = 0; division->elements < division->elements_max; division->elements++) {
    if (division->elements > 0 && text->len >= documents->options.piece_max) break;
    if (!outline_element(part_of(value, 0, division->array.end), &division->next, &element)) break;
    if (division->elements > 0) buf_char(text, ',');
    outline_compact(part_of(value, element.begin, element.end), text);
  }
  buf_str(text, buf_view(&division->tail));
}

/* Passes the elements that were answered before the place at which the import continues. */
static void skip_elements(struct import_documents *documents, struct str value) {
  struct division *division = &documents->division;
  struct outline_part element;
  for (size_t at = division->next; outline_element(part_of(value, 0, division->array.end), &at, &element);) {
    if (documents->offset + element.end > documents->skip_to) break;
    division->next = at;
  }
}

/* Gives the next piece of the value. If a piece is not JSON, gives fewer of its elements, so that a bad one is
 * refused alone. False: there are no more. */
static bool next_piece(struct import_documents *documents, struct import_document *ret) {
  struct division *division = &documents->division;
  struct str value = part_of(left(documents), 0, documents->len);
  struct outline_part element;
  size_t behind = division->next;
  if (!outline_element(part_of(value, 0, division->array.end), &behind, &element)) {
    division->is_open = false;
    return false;
  }
  /* A single element was given, so what was wrong is out of the way; but all that follow may be wrong, too. */
  if (division->elements_max == 1 && division->next > division->piece) division->grows = true;
  if (division->grows && division->elements_max <= SIZE_MAX / 2) division->elements_max *= 2;
  move_done(documents, element.begin);
  for (;;) {
    fill_piece(documents, value);
    check(documents);
    if (documents->refusal.len == 0 || division->elements <= 1) break;
    import_documents_halve(documents);
  }
  give(documents, part_of(value, element.begin, division->next), division->elements, ret);
  size_t last = division->next;
  bool is_last = !outline_element(part_of(value, 0, division->array.end), &last, &element);
  move_done(documents, is_last ? documents->len : division->next);
  return true;
}

void import_documents_halve(struct import_documents *documents) {
  struct division *division = &documents->division;
  CHECK(division->elements > 1);
  division->elements_max = division->elements / 2;
  division->grows = false;
  division->next = division->piece;
  documents->done_offset = documents->offset; /* if the run ends now, the value is sent again */
  documents->done_line = documents->line;
}

static bool divide(struct import_documents *documents, struct str value) {
  struct division *division = &documents->division;
  if (value.len <= documents->options.piece_max || !outline_division(value, &division->array)) return false;
  buf_clear(&division->head);
  buf_clear(&division->tail);
  outline_compact(part_of(value, 0, division->array.begin), &division->head);
  outline_compact(part_of(value, division->array.end, value.len), &division->tail);
  if (division->head.len + division->tail.len > documents->options.piece_max) return false;
  division->piece = division->next = division->array.begin;
  division->elements_max = SIZE_MAX;
  division->grows = false;
  division->is_open = true;
  skip_elements(documents, value);
  return true;
}

static void give_whole(struct import_documents *documents, bool is_cut, struct import_document *ret) {
  struct str value = part_of(left(documents), 0, documents->len);
  buf_clear(&documents->text);
  outline_compact(value, &documents->text);
  check(documents);
  if (is_cut) {
    buf_clear(&documents->refusal);
    buf_text(&documents->refusal, "the file ends before the document does: is it cut off?");
  }
  move_done(documents, 0);
  give(documents, value, 0, ret);
  move_done(documents, documents->len);
}

/* The end of a file within an array, behind a whole element: what was left out is not known, so that is not passed
 * over in silence. An import that continues behind the last element finds it again. */
static bool give_end(struct import_documents *documents, struct import_document *ret) {
  if (!documents->in_array) return false;
  documents->in_array = false;
  buf_clear(&documents->refusal);
  buf_text(&documents->refusal, "the file ends before its array does: is it cut off?");
  move_done(documents, 0);
  give(documents, STR(""), 0, ret);
  return true;
}

int import_documents_next(struct import_documents *documents, struct import_document *ret, bool *ret_is_end,
                          struct err *err) {
  bool is_cut = false;
  *ret_is_end = false;
  if (documents->division.is_open && next_piece(documents, ret)) return 0;
  do {
    advance(documents, documents->len);
    documents->len = 0;
    int result = find_begin(documents, ret_is_end, err);
    if (result == 0 && *ret_is_end) {
      *ret_is_end = !give_end(documents, ret);
      return 0;
    }
    if (result == 0) result = find_end(documents, &documents->len, &is_cut, err);
    if (result != 0) return result;
  } while (documents->offset + documents->len <= documents->skip_to);
  if (!is_cut && divide(documents, part_of(left(documents), 0, documents->len)) && next_piece(documents, ret))
    return 0;
  give_whole(documents, is_cut, ret);
  return 0;
}

uint64_t import_documents_offset(const struct import_documents *documents) { return documents->done_offset; }
uint64_t import_documents_line(const struct import_documents *documents) { return documents->done_line; }
