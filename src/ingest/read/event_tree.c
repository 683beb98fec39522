#include "ingest/read/event_tree.h"

#include "meter/rfc3339.h"
#include "meter/zone.h"

struct event_tree *event_tree_new(struct arena *arena) {
  struct event_tree *tree = arena_alloc(arena, sizeof *tree);
  if (tree == NULL) return NULL;
  *tree = (struct event_tree){.event = {.type = JSON_OBJECT}, .data = {.type = JSON_OBJECT, .name = STR("data")}};
  tree->event.child = &tree->data;
  tree->event_end = &tree->data.next;
  tree->data_end = &tree->data.child;
  return tree;
}

static int write_time(struct arena *arena, int64_t per_second, struct json *member) {
  int64_t number;
  bool is_number = str_to_i64(str_trim(member->text), &number) && number >= 0 && number / per_second <= ZONE_TIME_MAX;
  if (!is_number) return 0;
  char text[RFC3339_SIZE];
  rfc3339_format(number * (1000 / per_second), text);
  member->text = arena_copy(arena, str_of(text));
  return member->text.ptr != NULL ? 0 : -ERR_MEMORY;
}

static struct json *link_member(struct event_tree *tree, struct arena *arena, bool is_data, struct json value) {
  struct json *member = arena_alloc(arena, sizeof *member);
  if (member == NULL) return NULL;
  *member = value;
  const struct json ***end = is_data ? &tree->data_end : &tree->event_end;
  **end = member;
  *end = &member->next;
  return member;
}

int event_tree_add(struct event_tree *tree, struct arena *arena, bool is_data, struct str name,
                   enum event_tree_form form, struct str value) {
  const struct json text = {.name = name, .type = JSON_STRING, .text = value};
  struct json *member = link_member(tree, arena, is_data, text);
  if (member == NULL) return -ERR_MEMORY;
  if (form == EVENT_TREE_NUMBER && json_is_number(str_trim(value))) {
    member->type = JSON_NUMBER;
    member->text = str_trim(value);
  }
  if (form == EVENT_TREE_SECONDS) return write_time(arena, 1, member);
  return form == EVENT_TREE_MS ? write_time(arena, 1000, member) : 0;
}
