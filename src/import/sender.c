/* If a body is too large for the server, or for a proxy before it, the sender halves it until it fits. An event that
 * does not fit alone is rejected. The next batches keep the size that fitted, unless a single event was the cause. */
#include "import/sender.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"

#define BATCH_EVENTS ((size_t)1000)
#define BATCH_BYTES ((size_t)1 << 20) /* plus at most one event */
#define CONTENT_TYPE "application/x-ndjson"

struct entry {
  uint64_t line;
  size_t begin, len; /* in the body; a line feed follows */
};

struct import_sender {
  struct import_sender_options options;
  struct json_parser *parser;
  struct client_reply reply;
  struct buf body;
  struct entry entries[BATCH_EVENTS];
  size_t count;
  size_t count_max; /* events in one body */
};

struct import_sender *import_sender_new(const struct import_sender_options *options) {
  struct import_sender *sender = calloc(1, sizeof *sender);
  CHECK(sender != NULL);
  sender->options = *options;
  sender->count_max = BATCH_EVENTS;
  sender->parser = json_parser_new();
  CHECK(sender->parser != NULL);
  return sender;
}

void import_sender_free(struct import_sender *sender) {
  if (sender == NULL) return;
  json_parser_free(sender->parser);
  client_reply_fini(&sender->reply);
  buf_fini(&sender->body);
  free(sender);
}

bool import_sender_is_full(const struct import_sender *sender) {
  return sender->count == BATCH_EVENTS || sender->body.len >= BATCH_BYTES;
}

void import_sender_add(struct import_sender *sender, uint64_t line, struct str event) {
  CHECK(!import_sender_is_full(sender));
  sender->entries[sender->count++] = (struct entry){.line = line, .begin = sender->body.len, .len = event.len};
  buf_str(&sender->body, event);
  buf_char(&sender->body, '\n');
  CHECK(!sender->body.failed);
}

/* ---- the answer ---- */

/* A part of the batch that was sent as one body. */
struct part {
  const struct entry *entries;
  size_t count;
};

struct result {
  size_t index;
  enum report_outcome outcome;
  struct str id, reason;
};

static bool read_result(const struct json *json, struct result *ret) {
  uint64_t index;
  if (json->type != JSON_OBJECT || !json_member_u64(json, "index", &index)) return false;
  *ret =
      (struct result){.index = index, .id = json_member_text(json, "id"), .reason = json_member_text(json, "reason")};
  for (int i = REPORT_DUPLICATE; i <= REPORT_REJECTED; i++) {
    ret->outcome = (enum report_outcome)i;
    if (str_equal(json_member_text(json, "outcome"), str_of(report_outcome_name(ret->outcome)))) return true;
  }
  return false;
}

static const struct json *results_of(const struct json *top) {
  const struct json *results = json_member(top, "results");
  return results != NULL && results->type == JSON_ARRAY ? results->child : NULL;
}

/* Every event must have exactly one outcome. If one is missing, the answer did not come from a codecmeter. */
static bool is_whole(const struct json *top, size_t count) {
  uint64_t left = count, expected[IMPORT_OUTCOMES];
  size_t next = 0;
  struct result result;
  for (int i = 0; i < IMPORT_OUTCOMES; i++) {
    if (!json_member_u64(top, report_outcome_name((enum report_outcome)i), &expected[i]) || expected[i] > left)
      return false;
    left -= expected[i];
  }
  for (const struct json *json = results_of(top); json != NULL; json = json->next) {
    if (!read_result(json, &result) || result.index < next || result.index >= count) return false;
    if (expected[result.outcome]-- == 0) return false;
    next = result.index + 1;
  }
  return left == 0 && expected[REPORT_DUPLICATE] + expected[REPORT_CONFLICT] + expected[REPORT_REJECTED] == 0;
}

static int keep_reject(struct import_sender *sender, const struct entry *entry, const struct result *result,
                       struct err *err) {
  const struct import_reject reject = {
      .line = entry->line,
      .id = result->id,
      .outcome = result->outcome,
      .reason = result->reason,
      .event = str_make(sender->body.ptr + entry->begin, entry->len),
  };
  return import_rejects_add(sender->options.rejects, &reject, err);
}

static int take_results(struct import_sender *sender, struct part part, const struct json *top, struct err *err) {
  struct result result;
  uint64_t *outcomes = sender->options.counts;
  outcomes[REPORT_STORED] += part.count;
  for (const struct json *json = results_of(top); json != NULL; json = json->next) {
    bool is_read = read_result(json, &result);
    CHECK(is_read);
    outcomes[REPORT_STORED]--;
    outcomes[result.outcome]++;
    if (result.outcome == REPORT_DUPLICATE) continue;
    int failed = keep_reject(sender, &part.entries[result.index], &result, err);
    if (failed != 0) return failed;
  }
  return 0;
}

static int take_answer(struct import_sender *sender, struct part part, struct err *err) {
  struct client_reply *reply = &sender->reply;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(IMPORT_REPLY_TREE(reply->body.len));
  CHECK(arena != NULL);
  const struct json *top = NULL;
  int result = json_parse(sender->parser, arena, buf_view(&reply->body), IMPORT_REPLY_DEPTH, &top, NULL);
  if (result != 0 || top->type != JSON_OBJECT) top = NULL;
  if (reply->status != 200) return import_request_refusal(reply, top, err);
  if (top == NULL || !is_whole(top, part.count)) {
    return err_set(err, ERR_DENIED,
                   "the answer lacks the outcome of some events; check that the URL leads to a codecmeter server");
  }
  return take_results(sender, part, top, err);
}

/* ---- sending ---- */

struct attempt {
  struct import_sender *sender;
  struct part part;
};

/* One attempt. -ERR_LIMIT: the body is too large. -ERR_NETWORK, -ERR_BUSY: another attempt may succeed. */
static int attempt(void *arg, struct err *err) {
  const struct attempt *one = arg;
  struct import_sender *sender = one->sender;
  const struct entry *first = one->part.entries, *last = first + one->part.count - 1;
  struct str body = str_make(sender->body.ptr + first->begin, last->begin + last->len + 1 - first->begin);
  int result = client_send(sender->options.client, CONTENT_TYPE, body, &sender->reply, err);
  return result == 0 ? take_answer(sender, one->part, err) : result;
}

static int send_part(struct import_sender *sender, struct part part, struct err *err) {
  struct attempt one = {.sender = sender, .part = part};
  return import_request_try(&sender->options.patience, &sender->reply, attempt, &one, err);
}

static int reject_alone(struct import_sender *sender, const struct entry *entry, struct err *err) {
  const struct err why = *err;
  const struct result result = {.outcome = REPORT_REJECTED, .id = STR(""), .reason = str_of(why.text)};
  sender->options.counts[REPORT_REJECTED]++;
  return keep_reject(sender, entry, &result, err);
}

static int send_parts(struct import_sender *sender, struct err *err) {
  size_t size = sender->count_max;
  bool was_alone = false;
  for (size_t at = 0; at < sender->count;) {
    size_t left = sender->count - at;
    struct part part = {&sender->entries[at], left < size ? left : size};
    int result = send_part(sender, part, err);
    if (result == -ERR_LIMIT && part.count > 1) {
      size = part.count / 2;
      continue;
    }
    if (result == -ERR_LIMIT) {
      result = reject_alone(sender, part.entries, err);
      was_alone = true;
      size = sender->count_max;
    }
    if (result != 0) return result;
    at += part.count;
  }
  if (!was_alone) sender->count_max = size;
  return 0;
}

int import_sender_send(struct import_sender *sender, struct err *err) {
  int result = send_parts(sender, err);
  sender->count = 0;
  buf_clear(&sender->body);
  return result;
}
