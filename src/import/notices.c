#include "import/notices.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"

#define REJECT_MAX ((size_t)64 << 10) /* bytes of a document that is kept with each of its rejected outputs */

struct import_notices {
  struct import_notices_options options;
  struct json_parser *parser;
  struct client_reply reply;
  struct import_document document; /* that is sent */
  bool is_second;                  /* a document was sent before this one */
  bool is_answered;                /* the server has taken one */
};

struct import_notices *import_notices_new(const struct import_notices_options *options) {
  struct import_notices *notices = calloc(1, sizeof *notices);
  CHECK(notices != NULL);
  notices->options = *options;
  notices->parser = json_parser_new();
  CHECK(notices->parser != NULL);
  return notices;
}

void import_notices_free(struct import_notices *notices) {
  if (notices == NULL) return;
  json_parser_free(notices->parser);
  client_reply_fini(&notices->reply);
  free(notices);
}

/* ---- the answer ---- */

struct answer {
  uint64_t counts[IMPORT_COUNTS];
  const struct json *results, *ignored; /* their first elements */
};

/* The server keeps a document on which its adapter failed, and answers true or how many it keeps. */
static uint64_t quarantined(const struct json *top) {
  const struct json *member = json_member(top, "quarantined");
  uint64_t count;
  if (json_member_u64(top, "quarantined", &count)) return count;
  return member != NULL && member->type != JSON_NULL && member->type != JSON_FALSE;
}

static const struct json *elements_of(const struct json *top, const char *name, bool *ret_is_there) {
  const struct json *array = json_member(top, name);
  *ret_is_there = array != NULL && array->type == JSON_ARRAY;
  return *ret_is_there ? array->child : NULL;
}

static enum import_count outcome_of(const struct json *result) {
  static const enum import_count told[] = {(enum import_count)REPORT_DUPLICATE, (enum import_count)REPORT_CONFLICT,
                                           (enum import_count)REPORT_REJECTED, IMPORT_UNRESOLVED};
  struct str outcome = result->type == JSON_OBJECT ? json_member_text(result, "outcome") : STR("");
  for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
    if (str_equal(outcome, str_of(import_count_name(told[i])))) return told[i];
  }
  return IMPORT_COUNTS;
}

/* Each output that is not stored must be among the results. If one is missing, the answer did not come from a
 * codecmeter. */
static bool read_answer(const struct json *top, struct answer *ret) {
  bool has_results, has_ignored;
  *ret = (struct answer){.results = elements_of(top, "results", &has_results),
                         .ignored = elements_of(top, "ignored", &has_ignored)};
  uint64_t *counts = ret->counts;
  for (int i = 0; i <= IMPORT_UNRESOLVED; i++) {
    if (!json_member_u64(top, import_count_name((enum import_count)i), &counts[i])) return false;
  }
  if (!json_member_u64(top, "resolved", &counts[IMPORT_RESOLVED])) counts[IMPORT_RESOLVED] = 0;
  counts[IMPORT_QUARANTINED] = quarantined(top);
  counts[IMPORT_DOCUMENTS] = 1;
  uint64_t left[IMPORT_COUNTS + 1] = {0};
  memcpy(left, counts, sizeof ret->counts);
  for (const struct json *result = ret->results; result != NULL; result = result->next) {
    if (left[outcome_of(result)]-- == 0) return false;
  }
  for (const struct json *remark = ret->ignored; remark != NULL; remark = remark->next)
    counts[IMPORT_IGNORED]++;
  bool all = left[REPORT_DUPLICATE] + left[REPORT_CONFLICT] + left[REPORT_REJECTED] + left[IMPORT_UNRESOLVED] == 0;
  return all && has_results && has_ignored;
}

static int keep_reject(struct import_notices *notices, struct str id, enum report_outcome outcome, struct str reason,
                       struct err *err) {
  const struct import_document *document = &notices->document;
  const struct import_reject reject = {
      .line = document->line,
      .id = id,
      .outcome = outcome,
      .reason = reason,
      .event = document->text.len <= REJECT_MAX ? document->text : STR(""),
  };
  return import_rejects_add(notices->options.rejects, &reject, err);
}

static int reject_document(struct import_notices *notices, struct str reason, struct err *err) {
  notices->options.counts[REPORT_REJECTED]++;
  notices->options.counts[IMPORT_DOCUMENTS]++;
  return keep_reject(notices, STR(""), REPORT_REJECTED, reason, err);
}

static int take_results(struct import_notices *notices, const struct answer *answer, struct err *err) {
  const struct import_notices_options *options = &notices->options;
  for (int i = 0; i < IMPORT_COUNTS; i++)
    options->counts[i] += answer->counts[i];
  for (const struct json *remark = answer->ignored; remark != NULL; remark = remark->next)
    options->ignored(options->arg, notices->document.line, remark->text);
  for (const struct json *result = answer->results; result != NULL; result = result->next) {
    enum import_count outcome = outcome_of(result);
    if (outcome == (enum import_count)REPORT_DUPLICATE || outcome == IMPORT_UNRESOLVED) continue;
    int failed = keep_reject(notices, json_member_text(result, "id"), (enum report_outcome)outcome,
                             json_member_text(result, "reason"), err);
    if (failed != 0) return failed;
  }
  return 0;
}

/* A document that the server cannot read is rejected: -ERR_RANGE. If it is the first one, nothing says that the
 * server would read another, and then the URL may be wrong: -ERR_DENIED. */
static int refuse(const struct import_notices *notices, const struct json *top, struct err *err) {
  int result = import_request_refusal(&notices->reply, top, err);
  bool is_bad = notices->reply.status == 400 && notices->is_answered;
  if (is_bad) err->code = ERR_RANGE;
  return is_bad ? -ERR_RANGE : result;
}

static int take_answer(struct import_notices *notices, struct err *err) {
  const struct client_reply *reply = &notices->reply;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(IMPORT_REPLY_TREE(reply->body.len));
  CHECK(arena != NULL);
  const struct json *top = NULL;
  struct answer answer;
  int result = json_parse(notices->parser, arena, buf_view(&reply->body), IMPORT_REPLY_DEPTH, &top, NULL);
  if (result != 0 || top->type != JSON_OBJECT) top = NULL;
  if (reply->status != 200) return refuse(notices, top, err);
  if (top == NULL || !read_answer(top, &answer)) {
    return err_set(err, ERR_DENIED,
                   "the answer lacks the outcome of some outputs; check that the URL leads to a codecmeter server");
  }
  notices->is_answered = true;
  return take_results(notices, &answer, err);
}

/* ---- sending ---- */

/* As import/sender.c's: -ERR_LIMIT: the document is too large. -ERR_NETWORK, -ERR_BUSY: another attempt may succeed.
 */
static int attempt(void *arg, struct err *err) {
  struct import_notices *notices = arg;
  const struct import_notices_options *options = &notices->options;
  const struct client_param params[] = {
      {"project", options->project}, {"source", options->source}, {"id", options->id}, {"time", options->time}};
  int result = client_notify(options->client, options->adapter, params, sizeof params / sizeof params[0],
                             notices->document.text, &notices->reply, err);
  return result == 0 ? take_answer(notices, err) : result;
}

static int send(struct import_notices *notices, struct err *err) {
  int result = import_request_try(&notices->options.patience, &notices->reply, attempt, notices, err);
  if (result == -ERR_LIMIT && notices->document.elements > 1) {
    import_documents_halve(notices->options.documents);
    return 0;
  }
  if (result != -ERR_LIMIT && result != -ERR_RANGE) return result;
  const struct err why = *err;
  return reject_document(notices, str_of(why.text), err);
}

int import_notices_next(struct import_notices *notices, bool *ret_is_end, struct err *err) {
  struct import_document *document = &notices->document;
  int result = import_documents_next(notices->options.documents, document, ret_is_end, err);
  if (result != 0 || *ret_is_end) return result;
  if (notices->is_second && notices->options.id != NULL && document->refusal.len == 0) {
    return err_set(err, ERR_USAGE, "--id names one output, but the file has a second document on line %llu",
                   (unsigned long long)document->line);
  }
  if (document->refusal.len > 0) return reject_document(notices, document->refusal, err);
  notices->is_second = true;
  return send(notices, err);
}
