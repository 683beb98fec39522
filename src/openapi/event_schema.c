/* The schema of events, from the tables of src/ingest. Which members an event needs depends on its type, which `if`
 * and `then` say. */
#include <stdio.h>

#include "ingest/read/event_members.h"
#include "openapi/parts.h"
#include "openapi/schema.h"

#define NAME_SIZE 64

static const struct {
  enum usage_kind kind;
  const char *type; /* the type of an event of a finished task */
  const char *name;
} kinds[] = {
    {USAGE_TRANSCODE, "transcode.finished", "transcode"}, {USAGE_REMUX, "remux.finished", "remux"},
    {USAGE_SNAPSHOT, "snapshot.finished", "snapshot"},    {USAGE_AUDIO, "audio.finished", "audio"},
    {USAGE_VOID, "usage.voided", "usage.voided"},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const char *const data_help[] = {"the measures of a task, or the record that a void takes back",
                                        "任务的各项数据，或撤销所指的记录"};
static const char *const event_help[] = {"an event of CloudEvents 1.0; other members are ignored",
                                         "一个 CloudEvents 1.0 事件；其他成员会被忽略"};

/* ---- data ---- */

static void list_kinds(unsigned mask, struct buf *out) {
  const char *separator = "";
  for (size_t i = 0; i < KINDS; i++) {
    if ((mask & 1u << kinds[i].kind) == 0) continue;
    buf_printf(out, "%s%s", separator, kinds[i].name);
    separator = ", ";
  }
}

/* The help, with the kinds that have the member. */
static void put_member(struct doc *doc, const struct event_member *member) {
  static const char *const of[] = {". Of ", "。适用于 "}, *const needed[] = {"; needed by ", "；必须给出："};
  SCOPED(buf_fini) struct buf text = {0};
  struct member is = member->is;
  buf_printf(&text, "%s%s", is.help[doc->language], of[doc->language]);
  list_kinds(member->kinds, &text);
  if (member->needed != 0) buf_text(&text, needed[doc->language]);
  list_kinds(member->needed, &text);
  buf_char(&text, '\0');
  is.help[doc->language] = text.ptr;
  schema_member(doc, &is, NULL);
}

static void put_data(struct doc *doc) {
  json_write_object(doc->json, "EventData");
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  for (const struct event_member *member = event_members; member->is.name != NULL; member++)
    put_member(doc, member);
  json_write_end(doc->json);
  doc_say(doc, "description", data_help);
  json_write_end(doc->json);
}

/* ---- what each type needs ---- */

/* `duration` will do for duration_ms. */
static void put_needs(struct doc *doc, unsigned bit) {
  bool is_timed = false;
  json_write_list(doc->json, "required");
  for (const struct event_member *member = event_members; member->is.name != NULL; member++) {
    bool is_duration = str_equal(str_of(member->is.name), STR("duration_ms"));
    if ((member->needed & bit) == 0) continue;
    if (is_duration)
      is_timed = true;
    else
      json_write_text(doc->json, NULL, member->is.name);
  }
  json_write_end(doc->json);
  if (is_timed)
    json_write_raw(doc->json, "anyOf", STR("[{\"required\":[\"duration_ms\"]},{\"required\":[\"duration\"]}]"));
}

static void put_rule(struct doc *doc, size_t i) {
  json_write_object(doc->json, NULL);
  json_write_object(doc->json, "if");
  doc_words(doc, "required", "type");
  json_write_object(doc->json, "properties");
  json_write_object(doc->json, "type");
  json_write_text(doc->json, "const", kinds[i].type);
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_object(doc->json, "then");
  json_write_list(doc->json, "anyOf");
  json_write_object(doc->json, NULL);
  doc_words(doc, "required", "data");
  json_write_object(doc->json, "properties");
  json_write_object(doc->json, "data");
  put_needs(doc, 1u << kinds[i].kind);
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_raw(doc->json, NULL, STR("{\"required\":[\"data_base64\"]}"));
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

static void put_event(struct doc *doc) {
  json_write_object(doc->json, "Event");
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  for (const struct member *member = event_attributes; member->name != NULL; member++)
    schema_member(doc, member, "EventData");
  json_write_end(doc->json);
  json_write_list(doc->json, "required");
  for (const struct member *member = event_attributes; member->name != NULL; member++) {
    if (member->is_required) json_write_text(doc->json, NULL, member->name);
  }
  json_write_end(doc->json);
  json_write_list(doc->json, "allOf");
  for (size_t i = 0; i < KINDS; i++)
    put_rule(doc, i);
  json_write_end(doc->json);
  doc_say(doc, "description", event_help);
  json_write_end(doc->json);
}

void event_schemas(struct doc *doc) {
  put_event(doc);
  put_data(doc);
}
