/* The list of agents and sources as JSON, for `codecmeter sources`. Items are written as they are visited; the state,
 * which comes first, is known last, so the items wait in a buffer. */
#include "meter/rfc3339.h"
#include "sources/sources.h"

struct listing {
  struct str project;
  bool only_troubles;
  struct buf items;       /* a list that is not closed */
  struct json_write json; /* of items */
};

static bool is_wanted(const struct listing *listing, const struct sources_item *item) {
  const char *project = item->agent != NULL ? item->agent->status.project : item->source->project;
  bool is_asked = listing->project.len == 0 || str_equal(listing->project, str_of(project));
  return is_asked && (item->troubles != 0 || !listing->only_troubles);
}

static void put_time(struct json_write *json, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  json_write_text(json, name, text);
}

void sources_tell(const struct sources_item *item, struct buf *out) {
  if (item->agent != NULL) {
    judge_tell_agent(item->agent, item->troubles, item->now_ms, out);
    return;
  }
  judge_tell_source(item->source, item->troubles & ~(unsigned)TROUBLE_REJECTED, out);
  judge_tell_rejection(item->rejection, item->troubles & TROUBLE_REJECTED, item->now_ms, out);
}

static void put_troubles(struct json_write *json, const struct sources_item *item) {
  SCOPED(buf_fini) struct buf sentences = {0};
  json_write_list(json, "problems");
  for (unsigned i = 0; i < TROUBLES; i++) {
    if ((item->troubles & 1u << i) != 0) json_write_text(json, NULL, judge_name(i));
  }
  json_write_end(json);
  sources_tell(item, &sentences);
  json_write_str(json, "text", buf_view(&sentences));
}

static void put_agent(struct json_write *json, const struct agent *agent) {
  const struct agent_status *status = &agent->status;
  json_write_text(json, "kind", "agent");
  json_write_text(json, "project", status->project);
  json_write_text(json, "agent", status->agent);
  json_write_text(json, "command", status->command);
  json_write_text(json, "version", status->version);
  json_write_text(json, "token", agent->token);
  put_time(json, "first_seen", agent->first_ms);
  put_time(json, "last_seen", agent->last_ms);
  if (status->interval_ms > 0) json_write_i64(json, "interval_ms", status->interval_ms);
  json_write_u64(json, "spooled", status->spooled);
  if (status->spooled > 0) json_write_i64(json, "oldest_ms", status->oldest_ms);
  if (status->spool_error[0] != '\0') json_write_text(json, "spool_error", status->spool_error);
  json_write_u64(json, "rejected", status->rejected);
  json_write_i64(json, "clock_offset_ms", agent->offset_ms);
}

static void put_source(struct json_write *json, const struct tally_source *source,
                       const struct rejection *rejection) {
  json_write_text(json, "kind", "source");
  json_write_text(json, "project", source->project);
  json_write_text(json, "source", source->source);
  if (source->first_ms != 0) put_time(json, "first_seen", source->first_ms);
  put_time(json, "last_seen", source->last_ms);
  json_write_u64(json, "outputs", source->outputs);
  json_write_u64(json, "today", source->today);
  json_write_u64(json, "median", source->median);
  json_write_u64(json, "unresolved", source->unresolved);
  json_write_u64(json, "rejected", rejection->count);
}

static void put_item(void *arg, const struct sources_item *item) {
  struct listing *listing = arg;
  if (!is_wanted(listing, item)) return;
  json_write_object(&listing->json, NULL);
  if (item->agent != NULL)
    put_agent(&listing->json, item->agent);
  else
    put_source(&listing->json, item->source, item->rejection);
  put_troubles(&listing->json, item);
  json_write_end(&listing->json);
}

static void put_state(struct json_write *json, const struct sources_state *state) {
  json_write_object(json, NULL);
  json_write_text(json, "kind", "state");
  put_time(json, "now", state->now_ms);
  put_time(json, "since", state->since_ms);
  json_write_u64(json, "counted", state->counted);
  json_write_u64(json, "end", state->end);
  if (state->is_rough) json_write_bool(json, "unresolved_is_rough", true);
  if (state->has_failed) json_write_text(json, "failure", state->failure.text);
  json_write_end(json);
}

int sources_list(struct sources *sources, struct str project, bool only_troubles, struct json_write *json,
                 struct err *err) {
  struct listing listing = {.project = project, .only_troubles = only_troubles};
  struct sources_state state;
  listing.json = json_write_to(&listing.items);
  json_write_list(&listing.json, NULL);
  int result = sources_visit(sources, put_item, &listing, &state, err);
  if (result == 0) put_state(json, &state);
  struct str items = buf_view(&listing.items);
  if (result == 0 && items.len > 1)
    json_write_raw(json, NULL, str_make(items.ptr + 1, items.len - 1)); /* without the [ */
  if (listing.items.failed) json->out->failed = true;
  buf_fini(&listing.items);
  return result;
}
