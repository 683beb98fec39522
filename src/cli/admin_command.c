#include "cli/admin_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/table.h"
#include "server/control.h"
#include "server/datadir.h"

/* A starting server holds the lock before its socket exists. */
#define WAIT_MS 15000
#define POLL_MS 50
#define REPLY_DEPTH_MAX 8
#define REPLY_TREE(len) ((len)*24 + 65536)

/* ---- requests ---- */

struct json_write admin_begin(struct buf *out, const char *group, const char *verb) {
  struct json_write request = json_write_to(out);
  json_write_object(&request, NULL);
  json_write_next(&request, "command");
  buf_printf(out, "\"%s %s\"", group, verb);
  return request;
}

static void write_text(struct json_write *request, const char *name, const char *value) {
  if (!str_is_utf8(str_of(value))) request->out->failed = true;
  json_write_text(request, name, value);
}

void admin_text(struct json_write *request, const char *name, const char *value) {
  if (value != NULL) write_text(request, name, value);
}

void admin_flag(struct json_write *request, const char *name, bool value) {
  if (value) json_write_bool(request, name, true);
}

void admin_list(struct json_write *request, const char *name, char *const *values) {
  if (values == NULL) return;
  json_write_list(request, name);
  for (size_t i = 0; values[i] != NULL; i++)
    write_text(request, NULL, values[i]);
  json_write_end(request);
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

/* Only lists show them, so a command does its work without. */
static void load_uses(struct token_uses *uses, const char *dir) {
  struct err err = {0};
  size_t bad = 0;
  if (token_uses_load(uses, dir, &bad, &err) != 0)
    diag_warning("%s: the last uses of tokens are not known", err.text);
  if (bad > 0) diag_warning("%s/%s: %zu lines cannot be read", dir, TOKEN_USES_FILE, bad);
}

static int execute_here(const struct datadir *dir, struct str request, struct buf *reply, struct err *err) {
  struct ledger_options options = {.dir = dir->path, .maintenance = true};
  SCOPED(ledger_close_ref) struct ledger *ledger = NULL;
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  int result = ledger_open(&options, &ledger, err);
  if (result != 0) return result;
  load_uses(uses, dir->path);
  struct admin admin = {.ledger = ledger,
                        .catalogue = ledger_catalogue(ledger),
                        .change = change_here,
                        .report = report_here,
                        .token_uses = uses,
                        .arg = ledger};
  admin_execute(&admin, request, reply);
  return 0;
}

/* Asks over the socket if a server has the directory; else this process opens the ledger. */
static int execute(struct datadir *dir, bool needs_server, struct str request, struct buf *reply, struct err *err) {
  for (int waited = 0;; waited += POLL_MS) {
    int result = control_ask(dir, request, reply, err);
    if (result != -ERR_NOT_FOUND) return result;
    result = datadir_lock(dir, 0, NULL, err);
    if (result == 0 && needs_server)
      return err_set(err, ERR_NOT_FOUND, "no server runs on the data directory %s: start it", dir->path);
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

static void print_table(const struct json *items, const struct admin_print *print) {
  struct table_column columns[TABLE_COLUMNS_MAX + 1] = {0};
  SCOPED(buf_fini) struct buf cell = {0};
  for (size_t i = 0; print->columns[i].field != NULL; i++) {
    CHECK(i < TABLE_COLUMNS_MAX);
    columns[i].title = print->columns[i].title;
  }
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  for (const struct json *item = items->child; item != NULL; item = item->next) {
    for (const struct admin_column *column = print->columns; column->field != NULL; column++) {
      buf_clear(&cell);
      put_cell(json_member(item, column->field), &cell);
      table_cell(table, buf_view(&cell));
    }
  }
  table_print(table);
  if (cell.ptr != NULL) bytes_wipe(cell.ptr, cell.cap);
}

static void print_quietly(const struct json *items, const struct admin_print *print) {
  if (print->quiet_fields[0] == NULL) return;
  for (const struct json *item = items->child; item != NULL; item = item->next) {
    for (size_t i = 0; print->quiet_fields[i] != NULL; i++) {
      (void)printf("%s%.*s", i > 0 ? " " : "", STR_ARG(json_member_text(item, print->quiet_fields[i])));
    }
    (void)putchar('\n');
  }
}

static void print_items(const struct json *items, const struct admin_print *print) {
  if (print->columns == NULL) return;
  if (!print->json) {
    if (options_quiet() && !print->is_asked_for)
      print_quietly(items, print);
    else
      print_table(items, print);
    return;
  }
  SCOPED(buf_fini) struct buf text = {0};
  struct json_write json = json_write_to(&text);
  const struct json *shown = print->is_list ? items : items->child;
  if (shown != NULL) json_write_tree(&json, NULL, shown);
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
  if (result != 0) return err_prefix(err, "malformed reply from the server");
  const struct json *code = json_member(top, "code"), *text = json_member(top, "text");
  const struct json *items = json_member(top, "items");
  if (code == NULL || text == NULL || items == NULL)
    return err_set(err, ERR_REMOTE, "malformed reply from the server: code, text or items is missing");
  if (!str_equal(code->text, STR("OK"))) return err_set(err, code_named(code->text), "%.*s", STR_ARG(text->text));
  print_items(items, print);
  for (const struct json *item = items->child; item != NULL && print->look != NULL; item = item->next) {
    print->look(print->arg, item);
  }
  return 0;
}

int admin_command(const char *data, struct json_write *request, const struct admin_print *print, struct err *err) {
  struct buf *text = request->out;
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  SCOPED(buf_fini) struct buf reply = {0};
  if (text->failed)
    return err_set(err, ERR_USAGE, "a value on the command line is not UTF-8, or the values are too long");
  json_write_end(request);
  char *padding = buf_extend(text, JSON_PADDING);
  CHECK(padding != NULL);
  memset(padding, 0, JSON_PADDING);
  text->len -= JSON_PADDING;
  int result = datadir_open(datadir_choose(data), false, &dir, err);
  if (result == 0) result = execute(&dir, print->needs_server, buf_view(text), &reply, err);
  if (result != 0) return result;
  char *behind = buf_extend(&reply, JSON_PADDING);
  CHECK(behind != NULL);
  memset(behind, 0, JSON_PADDING);
  reply.len -= JSON_PADDING;
  result = print_reply(buf_view(&reply), print, err);
  bytes_wipe(reply.ptr, reply.len);
  return result;
}
