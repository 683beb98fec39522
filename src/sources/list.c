/* The list of agents and sources as JSON, for `codecmeter sources`. Items are written as they are visited; the state,
 * which comes first, is known last, so the items wait in a buffer. */
#include <inttypes.h>

#include "base/json.h"
#include "meter/rfc3339.h"
#include "sources/sources.h"

struct listing {
  struct str project;
  bool only_troubles;
  struct buf items;
};

static bool is_wanted(const struct listing *listing, const struct sources_item *item) {
  const char *project = item->agent != NULL ? item->agent->status.project : item->source->project;
  bool is_asked = listing->project.len == 0 || str_equal(listing->project, str_of(project));
  return is_asked && (item->troubles != 0 || !listing->only_troubles);
}

static void put_time(struct buf *out, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  json_add_member(out, name, text);
}

void sources_tell(const struct sources_item *item, struct buf *out) {
  if (item->agent != NULL) {
    judge_tell_agent(item->agent, item->troubles, item->now_ms, out);
    return;
  }
  judge_tell_source(item->source, item->troubles & ~(unsigned)TROUBLE_REJECTED, out);
  judge_tell_rejection(item->rejection, item->troubles & TROUBLE_REJECTED, item->now_ms, out);
}

static void put_troubles(struct buf *out, const struct sources_item *item) {
  SCOPED(buf_fini) struct buf sentences = {0};
  const char *separator = "";
  buf_text(out, ",\"problems\":[");
  for (unsigned i = 0; i < TROUBLES; i++) {
    if ((item->troubles & 1u << i) == 0) continue;
    buf_printf(out, "%s\"%s\"", separator, judge_name(i));
    separator = ",";
  }
  buf_text(out, "],\"text\":");
  sources_tell(item, &sentences);
  json_quote(out, buf_view(&sentences));
}

static void put_agent(struct buf *out, const struct agent *agent) {
  const struct agent_status *status = &agent->status;
  json_add_member(out, "kind", "agent");
  json_add_member(out, "project", status->project);
  json_add_member(out, "agent", status->agent);
  json_add_member(out, "command", status->command);
  json_add_member(out, "version", status->version);
  json_add_member(out, "token", agent->token);
  put_time(out, "first_seen", agent->first_ms);
  put_time(out, "last_seen", agent->last_ms);
  if (status->interval_ms > 0) buf_printf(out, ",\"interval_ms\":%" PRId64, status->interval_ms);
  buf_printf(out, ",\"spooled\":%" PRIu64, status->spooled);
  if (status->spooled > 0) buf_printf(out, ",\"oldest_ms\":%" PRId64, status->oldest_ms);
  if (status->spool_error[0] != '\0') json_add_member(out, "spool_error", status->spool_error);
  buf_printf(out, ",\"rejected\":%" PRIu64 ",\"clock_offset_ms\":%" PRId64, status->rejected, agent->offset_ms);
}

static void put_source(struct buf *out, const struct tally_source *source, const struct rejection *rejection) {
  json_add_member(out, "kind", "source");
  json_add_member(out, "project", source->project);
  json_add_member(out, "source", source->source);
  if (source->first_ms != 0) put_time(out, "first_seen", source->first_ms);
  put_time(out, "last_seen", source->last_ms);
  buf_printf(out,
             ",\"outputs\":%" PRIu64 ",\"today\":%" PRIu64 ",\"median\":%" PRIu64 ",\"unresolved\":%" PRIu64
             ",\"rejected\":%" PRIu64,
             source->outputs, source->today, source->median, source->unresolved, rejection->count);
}

static void put_item(void *arg, const struct sources_item *item) {
  struct listing *listing = arg;
  if (!is_wanted(listing, item)) return;
  buf_text(&listing->items, ",{");
  if (item->agent != NULL) put_agent(&listing->items, item->agent);
  else put_source(&listing->items, item->source, item->rejection);
  put_troubles(&listing->items, item);
  buf_char(&listing->items, '}');
}

static void put_state(struct buf *out, const struct sources_state *state) {
  buf_char(out, '{');
  json_add_member(out, "kind", "state");
  put_time(out, "now", state->now_ms);
  put_time(out, "since", state->since_ms);
  buf_printf(out, ",\"counted\":%" PRIu64 ",\"end\":%" PRIu64, state->counted, state->end);
  if (state->is_rough) buf_text(out, ",\"unresolved_is_rough\":true");
  if (state->has_failed) json_add_member(out, "failure", state->failure.text);
  buf_char(out, '}');
}

int sources_list(struct sources *sources, struct str project, bool only_troubles, struct buf *out, struct err *err) {
  struct listing listing = {.project = project, .only_troubles = only_troubles};
  struct sources_state state;
  int result = sources_visit(sources, put_item, &listing, &state, err);
  if (result == 0) put_state(out, &state);
  if (result == 0) buf_str(out, buf_view(&listing.items));
  if (listing.items.failed) out->failed = true;
  buf_fini(&listing.items);
  return result;
}
