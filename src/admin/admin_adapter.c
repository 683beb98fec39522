#include "admin/admin_adapter.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/diag.h"
#include "ingest/commit/answer.h"
#include "ingest/commit/trace.h"

#define SCRATCH_MAX ((size_t)64 << 20) /* as for a notice over HTTP */
#define COMMAND STR("adapter retry")

static int need_server(const struct admin *admin, struct err *err) {
  if (admin->adapters != NULL) return 0;
  return err_set(err, ERR_NOT_FOUND, "no server runs on the data directory: start it, because it has the scripts");
}

/* ---- list ---- */

int admin_adapter_list(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err) {
  (void)request;
  int result = need_server(admin, err);
  if (result != 0) return result;
  const struct admin_adapters *adapters = admin->adapters;
  const struct adapter *adapter;
  for (size_t i = 0; (adapter = adapters_at(adapters->set, i)) != NULL; i++) {
    struct adapter_counts counts;
    endpoint_adapters_counts(adapters->endpoint, i, &counts);
    json_write_object(items, NULL);
    json_write_text(items, "name", adapter_name(adapter));
    json_write_text(items, "origin", adapter_origin(adapter));
    json_write_u64(items, "notices", counts.notices);
    json_write_u64(items, "outputs", counts.outputs);
    json_write_u64(items, "unresolved", counts.unresolved);
    json_write_u64(items, "rejected", counts.rejected);
    json_write_u64(items, "ignored", counts.ignored);
    json_write_u64(items, "quarantined", counts.quarantined);
    json_write_end(items);
  }
  return 0;
}

/* ---- retry ---- */

/* One notice that is read again. */
struct retry {
  const struct admin_adapters *adapters;
  const char *id;
  struct quarantine_file file;
  struct arena *arena, *scratch;
  struct json_parser *parser;
  const char *token; /* its id */
  struct events events;
  const char *const *ignored;
  size_t ignored_count;
  struct verdict *verdicts;
  struct ingest_counts counts;
  bool is_known;  /* the file could be read */
  struct err err; /* why the notice stays */
};

static void retry_fini(struct retry *retry) {
  quarantine_file_fini(&retry->file);
  arena_free(retry->arena);
  arena_free(retry->scratch);
  json_parser_free(retry->parser);
  free(retry->verdicts);
}

static int read_again(struct retry *retry) {
  const struct quarantine_notice *kept = &retry->file.notice;
  const struct adapter *adapter = adapters_find(retry->adapters->set, kept->adapter);
  if (adapter == NULL)
    return err_set(&retry->err, ERR_NOT_FOUND, "the server has no adapter %.*s", STR_ARG(kept->adapter));
  retry->arena = arena_new(adapter_memory_max(kept->body.len));
  retry->scratch = arena_new(SCRATCH_MAX);
  retry->parser = json_parser_new();
  if (retry->arena == NULL || retry->scratch == NULL || retry->parser == NULL)
    return err_set(&retry->err, ERR_MEMORY, "the server has no memory now: try again later");
  struct str project = arena_copy(retry->arena, kept->token_project), token = arena_copy(retry->arena, kept->token);
  if (project.ptr == NULL || token.ptr == NULL)
    return err_set(&retry->err, ERR_MEMORY, "the server has no memory now: try again later");
  retry->token = token.ptr;
  const struct adapter_query query = {
      .project = kept->project, .source = kept->source, .id = kept->id, .time = kept->time};
  /* An output without a time belongs to the day on which the notice arrived. */
  const struct event_rules rules = {
      .project = project.len > 0 ? project.ptr : NULL,
      .token = token.ptr,
      .may_wait = true,
      .now_ms = kept->arrived_ms,
      .events_max = ADAPTER_OUTPUTS_MAX,
  };
  const struct adapter_notice notice = {
      .adapter = adapter, .body = kept->body, .query = &query, .event_rules = &rules};
  int result = adapter_read(&notice, retry->parser, retry->scratch, retry->arena, &retry->events, &retry->ignored,
                            &retry->ignored_count, &retry->err);
  if (result != 0 && (arena_is_starved(retry->arena) || arena_is_starved(retry->scratch)))
    return err_set(&retry->err, ERR_MEMORY, "the server has no memory now: try again later");
  return result;
}

/* The outputs arrive now: they add to days that were asked about before, so `late` must find them. */
static void set_arrival(struct retry *retry) {
  int64_t now_ms = clock_real_ms(clock_system());
  for (size_t i = 0; i < retry->events.usages_count; i++)
    retry->events.usages[i].arrived_ms = now_ms;
}

static int report_again(struct retry *retry) {
  const struct quarantine_notice *kept = &retry->file.notice;
  const struct admin_adapters *adapters = retry->adapters;
  char zone[ZONE_NAME_MAX + 1] = "";
  size_t count = retry->events.usages_count;
  if (count == 0) return 0;
  set_arrival(retry);
  if (!str_copy(kept->projects_zone, zone, sizeof zone))
    return err_set(&retry->err, ERR_RANGE, "its time zone is longer than %d bytes", ZONE_NAME_MAX);
  retry->verdicts = calloc(count, sizeof *retry->verdicts);
  if (retry->verdicts == NULL)
    return err_set(&retry->err, ERR_MEMORY, "the server has no memory now: try again later");
  return committer_report(adapters->committer, retry->events.usages, count, zone, retry->verdicts, &retry->err);
}

/* Names the first output that is rejected. */
static int refuse_rejected(struct retry *retry) {
  SCOPED(buf_fini) struct buf reason = {0};
  size_t next = 0;
  for (size_t i = 0; i < retry->events.count; i++) {
    const struct event *event = &retry->events.items[i];
    const struct usage *usage = &retry->events.usages[next];
    const struct verdict *verdict = event->reason == NULL ? &retry->verdicts[next++] : NULL;
    if (verdict != NULL && verdict->outcome != VERDICT_REJECTED) continue;
    if (verdict != NULL) ingest_reason(verdict, usage, &reason);
    return err_set(&retry->err, ERR_RANGE, "output %.*s is rejected: %.*s", STR_ARG(event->id),
                   STR_ARG(verdict != NULL ? buf_view(&reason) : str_of(event->reason)));
  }
  CHECK(!"an output is rejected");
  return -ERR_INTERNAL;
}

/* Removes the notice only after its outputs are on disk: if the server is killed between the two, the next retry
 * finds them as duplicates. */
static int settle(struct retry *retry) {
  int result = read_again(retry);
  if (result == 0) result = report_again(retry);
  if (result != 0) return result;
  const struct trace_origin origin = {.path = COMMAND, .token = retry->token};
  ingest_count(&retry->events, retry->verdicts, &retry->counts);
  trace_lost(&origin, &retry->events, retry->verdicts);
  trace_ignored(&origin, retry->ignored, retry->ignored_count);
  if (retry->counts.rejected > 0) return refuse_rejected(retry);
  return quarantine_drop(retry->adapters->quarantine, retry->id, &retry->err);
}

/* Keeps the new reason with the notice, unless the server only lacked something for now. */
static void keep_reason(struct retry *retry, int result) {
  struct quarantine_notice notice = retry->file.notice;
  struct err err = {0};
  if (result == 0 || err_kind(result) != ERR_KIND_CLIENT || !retry->is_known) return;
  notice.reason = str_of(retry->err.text);
  if (quarantine_set_reason(retry->adapters->quarantine, retry->id, &notice, &err) != 0)
    diag_warning("the new reason of notice %s is not kept: %s", retry->id, err.text);
}

static void put_retry(const struct retry *retry, int result, struct json_write *items) {
  const struct ingest_counts *counts = &retry->counts;
  json_write_object(items, NULL);
  json_write_text(items, "id", retry->id);
  json_write_str(items, "adapter", retry->file.notice.adapter);
  json_write_text(items, "result",
                  result == 0                                    ? "left"
                  : result == -ERR_NOT_FOUND && !retry->is_known ? "unknown"
                                                                 : "stays");
  json_write_u64(items, "stored", counts->stored);
  json_write_u64(items, "unresolved", counts->unresolved);
  json_write_u64(items, "duplicate", counts->duplicate);
  json_write_u64(items, "conflict", counts->conflict);
  json_write_u64(items, "rejected", counts->rejected);
  json_write_u64(items, "ignored", retry->ignored_count);
  json_write_text(items, "reason", result == 0 ? "" : retry->err.text);
  json_write_end(items);
}

static void retry_one(const struct admin_adapters *adapters, const char *id, struct json_write *items) {
  SCOPED(retry_fini) struct retry retry = {.adapters = adapters, .id = id};
  int result = quarantine_read(adapters->data, id, &retry.file, &retry.err);
  retry.is_known = result == 0;
  if (result == 0) result = settle(&retry);
  if (result == 0)
    diag_info("adapter retry: notice %s of %.*s has left the quarantine", id, STR_ARG(retry.file.notice.adapter));
  else if (retry.is_known)
    diag_warning("adapter retry: notice %s stays in the quarantine: %s", id, retry.err.text);
  keep_reason(&retry, result);
  put_retry(&retry, result, items);
}

/* Calls `visit` for each id of the request. */
static int each_id(const struct admin *admin, const struct json *request, struct json_write *items,
                   void (*visit)(const struct admin_adapters *adapters, const char *id, struct json_write *items),
                   struct err *err) {
  const struct json *ids = json_member(request, "ids");
  int result = need_server(admin, err);
  if (result != 0) return result;
  for (const struct json *id = ids != NULL ? ids->child : NULL; id != NULL; id = id->next) {
    char text[QUARANTINE_ID_SIZE];
    if (!quarantine_is_id(id->text) || !str_copy(id->text, text, sizeof text))
      return err_set(err, ERR_USAGE, "'%.*s' is no id of a notice: `codecmeter adapter list` prints the ids",
                     (int)(id->text.len < 40 ? id->text.len : 40), id->text.ptr);
  }
  for (const struct json *id = ids != NULL ? ids->child : NULL; id != NULL; id = id->next) {
    char text[QUARANTINE_ID_SIZE];
    bool fits = str_copy(id->text, text, sizeof text);
    CHECK(fits);
    visit(admin->adapters, text, items);
  }
  return 0;
}

int admin_adapter_retry(const struct admin *admin, const struct json *request, struct json_write *items,
                        struct err *err) {
  return each_id(admin, request, items, retry_one, err);
}

/* ---- drop ---- */

static void drop_one(const struct admin_adapters *adapters, const char *id, struct json_write *items) {
  SCOPED(quarantine_file_fini) struct quarantine_file file = {0};
  struct err why = {0}, err = {0};
  int read = quarantine_read(adapters->data, id, &file, &why);
  int result = quarantine_drop(adapters->quarantine, id, &err);
  const struct quarantine_notice *notice = &file.notice;
  if (result == 0 && read == 0)
    diag_warning("adapter drop: notice %s of %.*s, %zu bytes, token %.*s, was given up: its outputs do not count", id,
                 STR_ARG(notice->adapter), notice->body.len, STR_ARG(notice->token));
  else if (result == 0)
    diag_warning("adapter drop: notice %s was given up: its outputs do not count; %s", id, why.text);
  json_write_object(items, NULL);
  json_write_text(items, "id", id);
  json_write_text(items, "result", result == 0 ? "dropped" : result == -ERR_NOT_FOUND ? "unknown" : "stays");
  json_write_text(items, "reason", result == 0 ? "" : err.text);
  json_write_end(items);
}

int admin_adapter_drop(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err) {
  return each_id(admin, request, items, drop_one, err);
}
