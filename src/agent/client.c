#include "agent/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/sign.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/stop.h"

#define CONNECT_TIMEOUT_S 5L
#define ASK_MS 1000 /* between two calls of `interrupted`, which may also report progress */
#define TIMEOUT_S 60L
#define TELL_TIMEOUT_S 2L
#define READ_PATIENCE_S 120L /* without a byte */
#define REPLY_MAX ((size_t)256 << 20)
#define PARAMS_MAX 16
#define URL_MAX 8192
#define RETRY_AFTER_MAX_S INT64_C(86400)

struct client {
  const struct client_settings *settings;
  CURL *curl;
  CURLM *multi; /* performs its requests */
  char reason[CURL_ERROR_SIZE];
  int64_t busy_until_ms; /* monotonic */
  long timeout_s;        /* of a request */
};

int client_open(const struct client_settings *settings, struct client **ret, struct err *err) {
  struct client *client = calloc(1, sizeof *client);
  CHECK(client != NULL);
  client->settings = settings;
  client->timeout_s = TIMEOUT_S;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || (client->curl = curl_easy_init()) == NULL ||
      (client->multi = curl_multi_init()) == NULL) {
    curl_easy_cleanup(client->curl);
    free(client);
    return err_set(err, ERR_INTERNAL, "cannot start the HTTP client");
  }
  *ret = client;
  return 0;
}

void client_close(struct client *client) {
  if (client == NULL) return;
  curl_easy_cleanup(client->curl);
  (void)curl_multi_cleanup(client->multi);
  curl_global_cleanup();
  free(client);
}

const char *client_url(const struct client *client) { return client->settings->url; }

bool client_is_interrupted(const struct client *client) {
  return client->settings->interrupted != NULL && client->settings->interrupted();
}

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

int64_t client_busy_ms(const struct client *client) {
  int64_t left_ms = client->busy_until_ms - now_ms();
  return left_ms > 0 ? left_ms : 0;
}

bool client_may_pass(long status) { return status >= 500 || status == 429 || status == 408; }

void client_reply_fini(struct client_reply *reply) { buf_fini(&reply->body); }

static size_t receive(char *data, size_t size, size_t count, void *arg) {
  struct client_reply *reply = arg;
  buf_append(&reply->body, data, size * count);
  return reply->body.failed ? 0 : size * count;
}

static int explain(const struct client *client, CURLcode code, struct err *err) {
  const char *hint = "";
  if (code == CURLE_COULDNT_CONNECT)
    hint = ": check that `codecmeter serve` runs there, or set --url or $CODECMETER_URL";
  if (code == CURLE_PEER_FAILED_VERIFICATION) hint = ": name the certificate to trust with --ca-file";
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return err_set(err, ERR_STOPPING, "the request to %s was interrupted", client->settings->url);
  /* ERR_NETWORK only for faults that may pass while one waits. */
  enum err_code kind = ERR_NETWORK;
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) kind = ERR_DENIED;
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) kind = ERR_USAGE;
  const char *reason = client->reason[0] != '\0' ? client->reason : curl_easy_strerror(code);
  return err_set(err, kind, "%s: %s%s", client->settings->url, reason, hint);
}

/* What all requests have in common. */
static int prepare(struct client *client, const char *path, const struct curl_slist *headers,
                   struct client_reply *ret, struct err *err) {
  char url[URL_MAX];
  size_t len = strlen(client->settings->url);
  while (len > 0 && client->settings->url[len - 1] == '/')
    len--;
  if (snprintf(url, sizeof url, "%.*s%s", (int)len, client->settings->url, path) >= (int)sizeof url) {
    return err_set(err, ERR_USAGE, "the URL is longer than %d bytes: %s with its parameters", URL_MAX - 1,
                   client->settings->url);
  }
  CURL *curl = client->curl;
  ret->body.limit = REPLY_MAX;
  buf_clear(&ret->body);
  client->busy_until_ms = 0;
  curl_easy_reset(curl);
  client->reason[0] = '\0';
  (void)curl_easy_setopt(curl, CURLOPT_URL, url);
  (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* an id may be ".." */
  (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
  (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "codecmeter");
  (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason);
  (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
  (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* a stop does not wait for the name server's answer */
  if (client->settings->ca_file != NULL) (void)curl_easy_setopt(curl, CURLOPT_CAINFO, client->settings->ca_file);
  return 0;
}

/* Performs the request until it has ended or is interrupted. A signal that base/stop.h takes ends the wait at once. */
static CURLcode perform_interruptibly(struct client *client) {
  bool may_stop = client->settings->interrupted != NULL && stop_fd() >= 0;
  struct curl_waitfd stop = {.fd = stop_fd(), .events = CURL_WAIT_POLLIN};
  int running;
  CURLMcode code = curl_multi_perform(client->multi, &running);
  while (code == CURLM_OK && running > 0) {
    if (client_is_interrupted(client)) return CURLE_ABORTED_BY_CALLBACK;
    code = curl_multi_poll(client->multi, &stop, may_stop ? 1 : 0, ASK_MS, NULL);
    if (code == CURLM_OK) code = curl_multi_perform(client->multi, &running);
  }
  int left;
  const CURLMsg *message = curl_multi_info_read(client->multi, &left);
  return message != NULL ? message->data.result : CURLE_OUT_OF_MEMORY;
}

/* Sends what is prepared, and waits for the whole answer. */
static int send_prepared(struct client *client, struct client_reply *ret, struct err *err) {
  CURL *curl = client->curl;
  bool is_added = curl_multi_add_handle(client->multi, curl) == CURLM_OK;
  CURLcode code = is_added ? perform_interruptibly(client) : CURLE_OUT_OF_MEMORY;
  (void)curl_multi_remove_handle(client->multi, curl);
  if (code != CURLE_OK) return explain(client, code, err);
  curl_off_t retry_after_s = 0;
  (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
  (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
  ret->retry_after_ms = retry_after_s < RETRY_AFTER_MAX_S ? (int64_t)retry_after_s * 1000 : RETRY_AFTER_MAX_S * 1000;
  client->busy_until_ms = client_may_pass(ret->status) ? now_ms() + ret->retry_after_ms : 0;
  char *padding = buf_extend(&ret->body, JSON_PADDING);
  if (padding == NULL)
    return err_set(err, ERR_MEMORY, "no memory for the answer of %s, or it is too long", client->settings->url);
  memset(padding, 0, JSON_PADDING);
  ret->body.len -= JSON_PADDING;
  return 0;
}

static int perform(struct client *client, const char *path, const struct curl_slist *headers, struct str body,
                   struct client_reply *ret, struct err *err) {
  int result = prepare(client, path, headers, ret, err);
  if (result != 0) return result;
  (void)curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, client->timeout_s);
  (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body.ptr);
  (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
  return send_prepared(client, ret, err);
}

int client_check_token(const struct client *client, struct err *err) {
  if (client->settings->token != NULL) return 0;
  return err_set(err, ERR_USAGE,
                 "no token: give --token, $CODECMETER_TOKEN or --env FILE (`codecmeter token create` makes a token)");
}

static int post(struct client *client, const char *path, const char *content_type, struct str body,
                struct client_reply *ret, struct err *err) {
  char authorization[512], type[128];
  int result = client_check_token(client, err);
  if (result != 0) return result;
  (void)snprintf(authorization, sizeof authorization, "Authorization: Bearer %.400s", client->settings->token);
  (void)snprintf(type, sizeof type, "Content-Type: %s", content_type);
  struct curl_slist *headers = curl_slist_append(NULL, type);
  headers = curl_slist_append(headers, authorization);
  result = perform(client, path, headers, body, ret, err);
  curl_slist_free_all(headers);
  bytes_wipe(authorization, sizeof authorization);
  return result;
}

int client_send(struct client *client, const char *content_type, struct str body, struct client_reply *ret,
                struct err *err) {
  return post(client, "/v1/events", content_type, body, ret, err);
}

int client_report(struct client *client, struct str event, struct client_reply *ret, struct err *err) {
  return client_send(client, "application/cloudevents+json", event, ret, err);
}

/* ---- parameters ---- */

static void append_escaped(struct client *client, struct buf *out, struct str text) {
  if (text.len == 0) return; /* curl takes 0 for a text that ends with NUL */
  char *escaped = curl_easy_escape(client->curl, text.ptr, (int)text.len);
  CHECK(escaped != NULL);
  buf_text(out, escaped);
  curl_free(escaped);
}

static void append_pair(struct client *client, struct buf *out, struct str name, struct str value) {
  append_escaped(client, out, name);
  buf_char(out, '=');
  append_escaped(client, out, value);
}

int client_notify(struct client *client, const char *adapter, const struct client_param *params, size_t count,
                  struct str document, struct client_reply *ret, struct err *err) {
  SCOPED(buf_fini) struct buf path = {0};
  buf_text(&path, "/v1/adapters/");
  append_escaped(client, &path, str_of(adapter));
  char separator = '?';
  for (size_t i = 0; i < count; i++) {
    if (params[i].value == NULL) continue;
    buf_char(&path, separator);
    append_pair(client, &path, str_of(params[i].name), str_of(params[i].value));
    separator = '&';
  }
  buf_char(&path, '\0');
  CHECK(!path.failed);
  return post(client, path.ptr, "application/json", document, ret, err);
}

/* ---- reading /v1 ---- */

struct reading {
  struct client *client;
  const struct client_taker *taker;
  struct client_reply *reply;
  bool is_given_up;
};

static size_t receive_rows(char *data, size_t size, size_t count, void *arg) {
  struct reading *reading = arg;
  long status = 0;
  (void)curl_easy_getinfo(reading->client->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return receive(data, size, count, reading->reply);
  reading->is_given_up = !reading->taker->take(reading->taker->arg, str_make(data, size * count));
  return reading->is_given_up ? 0 : size * count;
}

int client_read(struct client *client, const char *path, const struct client_taker *taker, struct client_reply *ret,
                char ret_position[CLIENT_POSITION_SIZE], struct err *err) {
  struct reading reading = {.client = client, .taker = taker, .reply = ret};
  char authorization[512];
  if (client->settings->read_token == NULL)
    return err_set(err, ERR_USAGE,
                   "no token: give --token, $CODECMETER_READ_TOKEN or --env FILE (`codecmeter token create --scope read` "
                   "makes a token that reads)");
  (void)snprintf(authorization, sizeof authorization, "Authorization: Bearer %.400s", client->settings->read_token);
  struct curl_slist *headers = curl_slist_append(NULL, authorization);
  int result = prepare(client, path, headers, ret, err);
  (void)curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, receive_rows);
  (void)curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &reading);
  (void)curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* bytes a second */
  (void)curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, READ_PATIENCE_S);
  if (result == 0) result = send_prepared(client, ret, err);
  if (result != 0 && reading.is_given_up) result = err_set(err, ERR_STOPPING, "the answer was not taken");
  ret_position[0] = '\0';
  struct curl_header *header;
  if (result == 0 && curl_easy_header(client->curl, "X-Codecmeter-Position", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
    (void)snprintf(ret_position, CLIENT_POSITION_SIZE, "%s", header->value);
  curl_slist_free_all(headers);
  bytes_wipe(authorization, sizeof authorization);
  return result;
}

void client_add_param(struct client *client, struct buf *path, struct str name, struct str value) {
  bool is_first = path->len == 0 || memchr(path->ptr, '?', path->len) == NULL;
  buf_char(path, is_first ? '?' : '&');
  append_pair(client, path, name, value);
}

void client_add_segment(struct client *client, struct buf *path, struct str segment) {
  buf_char(path, '/');
  append_escaped(client, path, segment);
}

/* ---- signed calls ---- */

static int sign_body(struct client *client, const struct client_param *params, size_t count, struct buf *body,
                     struct err *err) {
  struct param all[PARAMS_MAX + 1];
  SCOPED(buf_fini) struct buf canonical = {0};
  char signature[SIGN_HEX_SIZE];
  CHECK(count <= PARAMS_MAX);
  for (size_t i = 0; i < count; i++) {
    all[i] = (struct param){.name = str_of(params[i].name), .value = str_of(params[i].value)};
  }
  all[count] = (struct param){.name = STR("PublicKey"), .value = str_of(client->settings->public_key)};
  for (size_t i = 0; i <= count; i++) {
    if (i > 0) buf_char(body, '&');
    append_pair(client, body, all[i].name, all[i].value);
  }
  if (canon_append(all, count + 1, &canonical) != 0) return err_set(err, ERR_MEMORY, "no memory to sign the request");
  sign_hex(buf_view(&canonical), str_of(client->settings->private_key), signature);
  buf_char(body, '&');
  append_pair(client, body, CANON_SIGNATURE, str_of(signature));
  return 0;
}

/* The frame of an answer: RetCode 0, or an error with its message. */
static int check_frame(const struct client *client, struct client_reply *reply, struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(reply->body.len * 16 + 65536);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct json *top = NULL, *code = NULL, *message = NULL;
  int64_t number = -1;
  if (json_parse(parser, arena, buf_view(&reply->body), 16, &top, err) == 0 && top->type == JSON_OBJECT) {
    code = json_member(top, "RetCode");
    message = json_member(top, "Message");
  }
  bool is_frame = code != NULL && code->type == JSON_NUMBER && json_number_i64(code->text, &number);
  if (!is_frame) {
    return err_set(err, ERR_REMOTE, "%s answered with HTTP %ld and no RetCode: check that it is a codecmeter server",
                   client->settings->url, reply->status);
  }
  if (number == 0) return 0;
  struct str text = message != NULL ? message->text : STR("no message");
  return err_set(err, ERR_REMOTE, "%s answered RetCode %lld: %.*s", client->settings->url, (long long)number,
                 (int)(text.len < 300 ? text.len : 300), text.ptr);
}

int client_call(struct client *client, const struct client_param *params, size_t count, struct client_reply *ret,
                struct err *err) {
  if (client->settings->public_key == NULL || client->settings->private_key == NULL) {
    return err_set(err, ERR_USAGE,
                   "no key pair: give --public-key and --private-key, $CODECMETER_PUBLIC_KEY and "
                   "$CODECMETER_PRIVATE_KEY, or --env FILE (`codecmeter key create` makes a key pair)");
  }
  SCOPED(buf_fini) struct buf body = {0};
  int result = sign_body(client, params, count, &body, err);
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-www-form-urlencoded");
  if (result == 0) result = perform(client, "/", headers, buf_view(&body), ret, err);
  curl_slist_free_all(headers);
  return result == 0 ? check_frame(client, ret, err) : result;
}

/* ---- this agent's status ---- */

int client_tell(struct client *client, struct str status, struct client_reply *ret, struct err *err) {
  int64_t busy_until_ms = client->busy_until_ms;
  client->timeout_s = TELL_TIMEOUT_S;
  int result = post(client, "/v1/agents", "application/json", status, ret, err);
  client->timeout_s = TIMEOUT_S;
  client->busy_until_ms = busy_until_ms;
  return result;
}
