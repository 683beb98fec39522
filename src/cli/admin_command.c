#include "cli/admin_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "cli/admin.h"
#include "cli/control.h"
#include "cli/datadir.h"

/* A server that is just starting holds the lock, and soon its socket. */
#define WAIT_MS 15000
#define POLL_MS 50
#define REPLY_DEPTH_MAX 8
#define REPLY_TREE(len) ((len)*24 + 65536)
#define COLUMNS_MAX 12

/* ---- verbs ---- */

static bool is_among(const char *verbs, const char *verb) {
  struct str rest = str_of(verbs);
  while (rest.len > 0) {
    const char *space = memchr(rest.ptr, ' ', rest.len);
    size_t len = space != NULL ? (size_t)(space - rest.ptr) : rest.len;
    if (str_equal(str_make(rest.ptr, len), str_of(verb))) return true;
    rest = space != NULL ? str_make(rest.ptr + len + 1, rest.len - len - 1) : STR("");
  }
  return false;
}

int admin_verb(const struct option_spec *spec, const char *verbs, int argc, char **argv, const char **ret_verb,
               struct err *err) {
  const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
  if (verb != NULL) {
    for (int i = 1; i < argc; i++) argv[i] = argv[i + 1]; /* argv ends with NULL */
    argc--;
  }
  int result = options_parse(spec, &argc, &argv, err);
  if (result != 0) return result;
  if (verb == NULL && argc > 1) {
    verb = argv[1];
    argc--;
    argv++;
  }
  if (verb == NULL || !is_among(verbs, verb)) {
    return err_set(err, ERR_USAGE, "say what to do: %s; --help shows more", verbs);
  }
  *ret_verb = verb;
  return options_no_operands(argc, argv, err);
}

/* ---- requests ---- */

void admin_begin(struct buf *request, const char *group, const char *verb) {
  buf_printf(request, "{\"command\":\"%s %s\"", group, verb);
}

void admin_text(struct buf *request, const char *name, const char *value) {
  if (value == NULL) return;
  if (!str_is_utf8(str_of(value))) request->failed = true;
  buf_printf(request, ",\"%s\":", name);
  json_quote(request, str_of(value));
}

void admin_flag(struct buf *request, const char *name, bool value) {
  if (value) buf_printf(request, ",\"%s\":true", name);
}

void admin_list(struct buf *request, const char *name, char *const *values) {
  if (values == NULL) return;
  buf_printf(request, ",\"%s\":[", name);
  for (size_t i = 0; values[i] != NULL; i++) {
    if (!str_is_utf8(str_of(values[i]))) request->failed = true;
    if (i > 0) buf_char(request, ',');
    json_quote(request, str_of(values[i]));
  }
  buf_char(request, ']');
}

/* ---- carrying out ---- */

static int change_here(void *arg, const struct change *change, struct err *err) {
  struct ledger *ledger = arg;
  int result = ledger_stage_change(ledger, change, err);
  return result == 0 ? ledger_commit(ledger, err) : result;
}

static int report_here(void *arg, const struct usage *usage, struct verdict *ret, struct err *err) {
  struct ledger *ledger = arg;
  size_t decided;
  int result = ledger_stage_usages(ledger, usage, 1, 1, ret, &decided, err);
  return result == 0 ? ledger_commit(ledger, err) : result;
}

static int execute_here(const struct datadir *dir, struct str request, struct buf *reply, struct err *err) {
  struct ledger_options options = {.dir = dir->path, .maintenance = true};
  SCOPED(ledger_close_ref) struct ledger *ledger = NULL;
  int result = ledger_open(&options, &ledger, err);
  if (result != 0) return result;
  struct admin admin = {.ledger = ledger,
                        .catalogue = ledger_catalogue(ledger),
                        .change = change_here,
                        .report = report_here,
                        .arg = ledger};
  admin_execute(&admin, request, reply);
  return 0;
}

/* Over the socket if a server holds the directory, else by taking it ourselves. */
static int execute(struct datadir *dir, struct str request, struct buf *reply, struct err *err) {
  for (int waited = 0;; waited += POLL_MS) {
    int result = control_ask(dir, request, reply, err);
    if (result != -ERR_NOT_FOUND) return result;
    result = datadir_lock(dir, 0, NULL, err);
    if (result == 0) return execute_here(dir, request, reply, err);
    if (result != -ERR_BUSY || waited >= WAIT_MS) return result;
    (void)usleep(POLL_MS * 1000);
  }
}

/* ---- printing ---- */

static void put_cell(const struct json *value, struct buf *out) {
  if (value == NULL) return;
  if (value->type == JSON_TRUE) buf_text(out, "yes");
  if (value->type == JSON_STRING || value->type == JSON_NUMBER) buf_str(out, value->text);
  for (const struct json *element = value->child; element != NULL; element = element->next) {
    buf_str(out, element->text);
    if (element->next != NULL) buf_char(out, ' ');
  }
}

static size_t width_of(const struct json *items, const struct admin_column *column) {
  size_t width = strlen(column->title);
  SCOPED(buf_fini) struct buf cell = {0};
  for (const struct json *item = items->child; item != NULL; item = item->next) {
    buf_clear(&cell);
    put_cell(json_member(item, column->field), &cell);
    if (cell.len > width) width = cell.len;
  }
  return width;
}

/* item: NULL for the titles. */
static void print_row(const struct json *item, const struct admin_column *columns, const size_t widths[COLUMNS_MAX]) {
  SCOPED(buf_fini) struct buf line = {0};
  for (size_t i = 0; columns[i].field != NULL; i++) {
    size_t start = line.len;
    if (item != NULL)
      put_cell(json_member(item, columns[i].field), &line);
    else
      buf_text(&line, columns[i].title);
    bool last = columns[i + 1].field == NULL;
    while (!last && line.len < start + widths[i] + 2)
      buf_char(&line, ' ');
  }
  while (line.len > 0 && line.ptr[line.len - 1] == ' ') line.len--;
  (void)printf("%.*s\n", (int)line.len, line.len > 0 ? line.ptr : "");
}

static void print_table(const struct json *items, const struct admin_print *print) {
  size_t widths[COLUMNS_MAX];
  for (size_t i = 0; print->columns[i].field != NULL; i++) {
    CHECK(i < COLUMNS_MAX);
    widths[i] = width_of(items, &print->columns[i]);
  }
  print_row(NULL, print->columns, widths);
  for (const struct json *item = items->child; item != NULL; item = item->next) {
    print_row(item, print->columns, widths);
  }
}

static void append_json(const struct json *node, struct buf *out) {
  const char *separator = "";
  switch (node->type) {
    case JSON_NULL: buf_text(out, "null"); break;
    case JSON_TRUE: buf_text(out, "true"); break;
    case JSON_FALSE: buf_text(out, "false"); break;
    case JSON_NUMBER: buf_str(out, node->text); break;
    case JSON_STRING: json_quote(out, node->text); break;
    case JSON_ARRAY:
    case JSON_OBJECT:
      buf_char(out, node->type == JSON_ARRAY ? '[' : '{');
      for (const struct json *child = node->child; child != NULL; child = child->next) {
        buf_text(out, separator);
        separator = ",";
        if (node->type == JSON_OBJECT) {
          json_quote(out, child->name);
          buf_char(out, ':');
        }
        append_json(child, out);
      }
      buf_char(out, node->type == JSON_ARRAY ? ']' : '}');
      break;
  }
}

static void print_items(const struct json *items, const struct admin_print *print) {
  if (!print->json) {
    print_table(items, print);
    return;
  }
  SCOPED(buf_fini) struct buf text = {0};
  const struct json *shown = print->is_list ? items : items->child;
  if (shown != NULL) append_json(shown, &text);
  buf_char(&text, '\n');
  (void)fwrite(text.ptr, 1, text.len, stdout);
  if (text.ptr != NULL) bytes_wipe(text.ptr, text.len);
}

static enum err_code code_named(struct str name) {
  for (int code = 1; code < ERR_CODES; code++) {
    if (str_equal(name, str_of(err_name(-code)))) return (enum err_code)code;
  }
  return ERR_REMOTE;
}

static int print_reply(struct str reply, const struct admin_print *print, struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(REPLY_TREE(reply.len));
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct json *top;
  int result = json_parse(parser, arena, reply, REPLY_DEPTH_MAX, &top, err);
  if (result != 0) return err_prefix(err, "the server's answer");
  const struct json *code = json_member(top, "code"), *text = json_member(top, "text");
  const struct json *items = json_member(top, "items");
  if (code == NULL || text == NULL || items == NULL) return err_set(err, ERR_REMOTE, "the server's answer is not one");
  if (!str_equal(code->text, STR("OK"))) return err_set(err, code_named(code->text), "%.*s", STR_ARG(text->text));
  print_items(items, print);
  for (const struct json *item = items->child; item != NULL && print->look != NULL; item = item->next) {
    print->look(print->arg, item);
  }
  return 0;
}

int admin_command(const char *data, struct buf *request, const struct admin_print *print, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  SCOPED(buf_fini) struct buf reply = {0};
  if (request->failed) return err_set(err, ERR_USAGE, "a value is not UTF-8, or too long");
  buf_char(request, '}');
  char *padding = buf_extend(request, JSON_PADDING);
  CHECK(padding != NULL);
  memset(padding, 0, JSON_PADDING);
  request->len -= JSON_PADDING;
  int result = datadir_open(datadir_choose(data), false, &dir, err);
  if (result == 0) result = execute(&dir, buf_view(request), &reply, err);
  if (result != 0) return result;
  char *behind = buf_extend(&reply, JSON_PADDING);
  CHECK(behind != NULL);
  memset(behind, 0, JSON_PADDING);
  reply.len -= JSON_PADDING;
  result = print_reply(buf_view(&reply), print, err);
  bytes_wipe(reply.ptr, reply.len);
  return result;
}
