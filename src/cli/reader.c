/* A list that ends too early looks like a shorter list. So the last line must be {"complete":true}, nothing may
 * follow it, and every line before it must be a row. */
#include "cli/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/suggest.h"

#define TRIES 5
#define WAIT_MIN_MS 500
#define WAIT_MAX_MS 10000
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define LINE_DEPTH_MAX 8
#define LINE_TREE(len) ((len)*24 + 65536)
#define TEXT_MAX ((size_t)16 << 20) /* of one object */
#define DETAIL_SHOWN 600
#define PROJECT_SHOWN_MAX 64
#define TASKS STR("/v1/tasks/") /* a path that has the project as its next segment */

/* ---- refusals ---- */

/* A problem of the server, as a sentence about options. */
struct refusal {
  struct arena *arena;
  struct json_parser *parser;
  struct str parameter, detail;
};

static void refusal_fini(struct refusal *refusal) {
  arena_free(refusal->arena);
  json_parser_free(refusal->parser);
}

static void read_refusal(const struct client_reply *reply, struct refusal *ret) {
  const struct json *top = NULL;
  struct err why;
  ret->arena = arena_new(LINE_TREE(reply->body.len));
  ret->parser = json_parser_new();
  if (ret->arena == NULL || ret->parser == NULL) return;
  bool is_good = reply->body.len > 0 &&
                 json_parse(ret->parser, ret->arena, buf_view(&reply->body), LINE_DEPTH_MAX, &top, &why) == 0 &&
                 top->type == JSON_OBJECT;
  if (!is_good) return;
  ret->parameter = json_member_text(top, "parameter");
  ret->detail = json_member_text(top, "detail");
}

/* "as_of: must be …" becomes "--as-of: must be …". */
static void put_detail(const struct refusal *refusal, struct buf *out) {
  struct str detail = refusal->detail, name = refusal->parameter;
  bool is_named = name.len > 0 && detail.len > name.len && str_starts(detail, name) && detail.ptr[name.len] == ':';
  if (is_named) {
    buf_text(out, "--");
    for (size_t i = 0; i < name.len; i++)
      buf_char(out, name.ptr[i] == '_' ? '-' : name.ptr[i]);
    detail = str_make(detail.ptr + name.len, detail.len - name.len);
  }
  buf_str(out, str_make(detail.ptr, detail.len < DETAIL_SHOWN ? detail.len : DETAIL_SHOWN));
}

static enum err_code code_of(long status) {
  switch (status) {
    case 400:
      return ERR_USAGE;
    case 401:
    case 403:
      return ERR_DENIED;
    case 404:
      return ERR_NOT_FOUND;
    default:
      return ERR_REMOTE;
  }
}

static int refuse(const char *url, const struct client_reply *reply, bool *ret_is_project, struct err *err) {
  SCOPED(refusal_fini) struct refusal refusal = {0};
  SCOPED(buf_fini) struct buf text = {0};
  read_refusal(reply, &refusal);
  *ret_is_project = str_equal(refusal.parameter, STR("project"));
  if (refusal.detail.len == 0)
    return err_set(
        err, ERR_REMOTE,
        "%s answered with HTTP %ld and no reason: check that a codecmeter server of this version or a later "
        "one runs there",
        url, reply->status);
  put_detail(&refusal, &text);
  if (reply->status == 400) return err_set(err, ERR_USAGE, "%.*s", STR_ARG(buf_view(&text)));
  return err_set(err, code_of(reply->status), "%s: %.*s", url, STR_ARG(buf_view(&text)));
}

/* ---- one request ---- */

/* Asks, and asks again while the server is busy and has sent nothing to the taker. */
static int ask(struct client *client, const char *path, const struct client_taker *taker, struct client_reply *reply,
               char position[CLIENT_POSITION_SIZE], struct err *err) {
  for (int tries = 1;; tries++) {
    int result = client_read(client, path, taker, reply, position, err);
    if (result != 0 || !client_may_pass(reply->status) || tries == TRIES) return result;
    int64_t wait_ms = reply->retry_after_ms > WAIT_MIN_MS ? reply->retry_after_ms : WAIT_MIN_MS;
    (void)usleep((useconds_t)((wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS) * 1000));
  }
}

struct project_search {
  const char *word;
  size_t distance; /* of best */
  char best[PROJECT_SHOWN_MAX + 1];
};

static int offer_project(void *arg, const struct json *object, struct str line, struct err *err) {
  struct project_search *search = arg;
  struct suggestion near = {.word = search->word};
  char id[PROJECT_SHOWN_MAX + 1];
  (void)line;
  (void)err;
  if (!str_copy(json_member_text(object, "id"), id, sizeof id)) return 0;
  suggest_offer(&near, id);
  bool is_nearer = near.best != NULL && (search->best[0] == '\0' || near.distance < search->distance);
  if (!is_nearer) return 0;
  search->distance = near.distance;
  memcpy(search->best, id, sizeof id);
  return 0;
}

/* The value of the first parameter `project` of a path, or the segment behind /v1/tasks/. */
static bool find_project(const char *path, char *out, size_t size) {
  struct str all = str_of(path), rest = all;
  if (str_starts(all, TASKS)) {
    rest = str_make(all.ptr + TASKS.len, all.len - TASKS.len);
    rest = str_cut(&rest, '/');
  } else {
    (void)str_cut(&rest, '?');
    for (struct str pair = STR(""); rest.len > 0;) {
      pair = str_cut(&rest, '&');
      if (!str_equal(str_cut(&pair, '='), STR("project"))) continue;
      rest = pair;
      break;
    }
  }
  if (rest.len == 0 || rest.len >= size) return false;
  out[bytes_percent_decode(rest, out)] = '\0';
  return true;
}

/* ---- lists ---- */

struct list {
  const struct reader_visitor *visitor;
  struct reader_end *end;
  struct buf line; /* the part of a line that has come */
  struct json_parser *parser;
  struct arena *arena;
  bool is_complete;
  struct err *err; /* of its own: the HTTP client's error says only that the answer was not taken */
  int result;
};

static void list_fini(struct list *list) {
  buf_fini(&list->line);
  json_parser_free(list->parser);
  arena_free(list->arena);
}

static int take_end(struct list *list, const struct json *object) {
  struct str cursor = json_member_text(object, "next_cursor");
  list->is_complete = true;
  return str_copy(cursor, list->end->cursor, sizeof list->end->cursor)
             ? 0
             : err_set(list->err, ERR_REMOTE, "the answer has a cursor of %zu bytes, which is too long", cursor.len);
}

static int take_line(struct list *list) {
  const struct json *object;
  if (list->is_complete) return err_set(list->err, ERR_REMOTE, "the answer goes on behind its end");
  size_t len = list->line.len;
  char *padding = buf_extend(&list->line, JSON_PADDING);
  if (padding == NULL) return err_set(list->err, ERR_MEMORY, "no memory for a row of the answer");
  memset(padding, 0, JSON_PADDING);
  arena_reset(list->arena);
  struct str line = str_make(list->line.ptr, len);
  int result = json_parse(list->parser, list->arena, line, LINE_DEPTH_MAX, &object, list->err);
  if (result == 0 && object->type != JSON_OBJECT) result = err_set(list->err, ERR_REMOTE, "it is not an object");
  if (result != 0) {
    list->err->code = ERR_REMOTE;
    return err_prefix(list->err, "a row of the answer cannot be read");
  }
  const struct json *complete = json_member(object, "complete");
  if (complete != NULL && complete->type == JSON_TRUE) return take_end(list, object);
  list->end->rows++;
  return list->visitor->row(list->visitor->arg, object, line, list->err);
}

static bool take_piece(void *arg, struct str piece) {
  struct list *list = arg;
  while (piece.len > 0 && list->result == 0) {
    const char *end = memchr(piece.ptr, '\n', piece.len);
    size_t len = end != NULL ? (size_t)(end - piece.ptr) : piece.len;
    buf_append(&list->line, piece.ptr, len);
    if (list->line.failed) list->result = err_set(list->err, ERR_REMOTE, "a row of the answer is too long");
    piece = str_make(piece.ptr + len + (end != NULL), piece.len - len - (end != NULL));
    if (end == NULL || list->result != 0) continue;
    list->result = take_line(list);
    buf_clear(&list->line);
  }
  return list->result == 0;
}

static int refuse_unended(const char *url, struct err *err) {
  return err_set(
      err, ERR_REMOTE,
      "%s: the answer ended before it was complete, so nothing of it can be trusted: try again (the server may "
      "have been stopped, or the token was revoked)",
      url);
}

static void add_format(struct client *client, const char *path, const char *format, struct buf *out) {
  buf_text(out, path);
  client_add_param(client, out, STR("format"), str_of(format));
  buf_char(out, '\0');
  CHECK(!out->failed);
}

static int read_list(struct client *client, const char *url, const char *path, const struct reader_visitor *visitor,
                     struct reader_end *ret, struct client_reply *reply, struct err *err) {
  SCOPED(buf_fini) struct buf whole = {0};
  struct err failure = {0};
  *ret = (struct reader_end){0};
  SCOPED(list_fini)
  struct list list = {
      .visitor = visitor,
      .end = ret,
      .line = {.limit = LINE_MAX_BYTES},
      .parser = json_parser_new(),
      .arena = arena_new(LINE_TREE(LINE_MAX_BYTES)),
      .err = &failure,
  };
  const struct client_taker taker = {.take = take_piece, .arg = &list};
  if (list.parser == NULL || list.arena == NULL) return err_set(err, ERR_MEMORY, "no memory to read an answer");
  add_format(client, path, "ndjson", &whole);
  int result = ask(client, whole.ptr, &taker, reply, ret->position, err);
  if (list.result != 0) {
    *err = failure;
    return list.result;
  }
  if (result != 0 || reply->status != 200) return result;
  return list.is_complete && list.line.len == 0 ? 0 : refuse_unended(url, err);
}

/* Adds the nearest project to a 404. The search must not fail the command in another way, so its errors are dropped.
 */
static void suggest_project(struct client *client, const char *url, const char *path, struct err *err) {
  char wanted[512];
  struct project_search search = {0};
  struct reader_end end;
  struct err none;
  SCOPED(client_reply_fini) struct client_reply reply = {0};
  const struct reader_visitor visitor = {.row = offer_project, .arg = &search};
  if (!find_project(path, wanted, sizeof wanted)) return;
  search.word = wanted;
  if (read_list(client, url, "/v1/projects", &visitor, &end, &reply, &none) != 0 || reply.status != 200) return;
  if (search.best[0] == '\0' || strcmp(search.best, wanted) == 0) return;
  SCOPED_MALLOC char *text = strdup(err->text);
  CHECK(text != NULL);
  (void)err_set(err, err->code, "%s; did you mean %s?", text, search.best);
}

static int refuse_helpfully(struct client *client, const char *url, const char *path,
                            const struct client_reply *reply, struct err *err) {
  bool is_project;
  int result = refuse(url, reply, &is_project, err);
  is_project = is_project || str_starts(str_of(path), TASKS);
  if (reply->status == 404 && is_project) suggest_project(client, url, path, err);
  return result;
}

int reader_rows(struct client *client, const char *path, const struct reader_visitor *visitor, struct reader_end *ret,
                struct err *err) {
  SCOPED(client_reply_fini) struct client_reply reply = {0};
  const char *url = client_url(client);
  int result = read_list(client, url, path, visitor, ret, &reply, err);
  if (result != 0 || reply.status == 200) return result;
  return refuse_helpfully(client, url, path, &reply, err);
}

/* ---- whole texts ---- */

static bool take_text(void *arg, struct str piece) {
  struct buf *text = arg;
  buf_str(text, piece);
  return !text->failed;
}

/* Reads a text with JSON_PADDING bytes behind it. */
static int read_text(struct client *client, const char *path, struct buf *text, struct err *err) {
  SCOPED(client_reply_fini) struct client_reply reply = {0};
  const struct client_taker taker = {.take = take_text, .arg = text};
  char position[CLIENT_POSITION_SIZE];
  text->limit = TEXT_MAX;
  int result = ask(client, path, &taker, &reply, position, err);
  if (result == -ERR_STOPPING && text->failed)
    return err_set(err, ERR_REMOTE, "%s: the answer is longer than %zu bytes", client_url(client), TEXT_MAX);
  if (result == 0 && reply.status != 200) return refuse_helpfully(client, client_url(client), path, &reply, err);
  char *padding = result == 0 ? buf_extend(text, JSON_PADDING) : NULL;
  if (result != 0) return result;
  if (padding == NULL) return err_set(err, ERR_MEMORY, "no memory to read an answer");
  memset(padding, 0, JSON_PADDING);
  text->len -= JSON_PADDING;
  return 0;
}

int reader_columns(struct client *client, const char *path, struct buf *ret_names, struct err *err) {
  SCOPED(buf_fini) struct buf whole = {0}, text = {0};
  add_format(client, path, "csv", &whole);
  int result = read_text(client, whole.ptr, &text, err);
  if (result != 0) return result;
  struct str rest = buf_view(&text), mark = STR("\xEF\xBB\xBF");
  if (str_starts(rest, mark)) rest = str_make(rest.ptr + mark.len, rest.len - mark.len);
  buf_str(ret_names, str_trim(str_cut(&rest, '\n')));
  return 0;
}

int reader_object(struct client *client, const char *path, struct arena *arena, struct buf *ret_text,
                  const struct json **ret, struct err *err) {
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  if (parser == NULL) return err_set(err, ERR_MEMORY, "no memory to read an answer");
  int result = read_text(client, path, ret_text, err);
  if (result != 0) return result;
  result = json_parse(parser, arena, buf_view(ret_text), 64, ret, err);
  const struct json *complete = result == 0 ? json_member(*ret, "complete") : NULL;
  if (result == 0 && complete != NULL && complete->type == JSON_TRUE) return 0;
  return refuse_unended(client_url(client), err);
}
