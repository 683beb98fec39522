/* Adapters: from a transcoder's own notice of completion to events, one for each output. Source: design §4, issue of
 * the ways in; for users and for whoever writes one more, docs/adapters.md.
 *
 * An adapter is a function that looks at a notice and, for each output that was made, has an event made by a table of
 * fields. It never guesses: what the notice does not say stays absent, and what is then lacking makes the event wait
 * as unresolved. What is no output that was made is told, with a reason, and kept nowhere.
 */
#ifndef CODECMETER_ADAPT_ADAPTER_H
#define CODECMETER_ADAPT_ADAPTER_H

#include "ingest/event.h"
#include "ingest/event_tree.h"

#define ADAPTER_OUTPUTS_MAX 1000 /* events, and reasons, that one notice may lead to */

/* What the sender's URL says beside the notice; empty when it does not. */
struct adapter_query {
  struct str project;          /* subject of the events */
  struct str source, id, time; /* time: RFC 3339, or Unix seconds */
};

/* What an operator knows of a service and its notices do not say: the codec of what it makes, by its preset or
 * template, or of all. */
struct adapter_rule {
  const char *adapter, *preset; /* preset: "" for all */
  const char *codec;
};
struct adapter_rules {
  const struct adapter_rule *items;
  size_t count;
};

struct adapter_reading {
  struct arena *arena;
  const struct json *notice; /* an object */
  const struct adapter_query *query;
  const char *adapter;
  const struct adapter_rules *rules;
  struct event_tree *outputs[ADAPTER_OUTPUTS_MAX];
  size_t outputs_count;
  const char *ignored[ADAPTER_OUTPUTS_MAX];
  size_t ignored_count;
  bool is_full; /* of either, or of the arena */
};

typedef void adapter_function(struct adapter_reading *reading);

/* The name of each, in the order of the alphabet; NULL behind the last. */
const char *adapter_name(size_t index);

/* A notice, for the adapter of that name. body: JSON_PADDING bytes readable behind it. */
struct adapter_notice {
  const char *adapter;
  struct str body;
  const struct adapter_query *query;
  const struct adapter_rules *rules;
  const struct event_rules *event_rules; /* with texts that live in the arena */
};

/* Reads a notice: ret lives in the arena. 0; -ERR_PARSE: not a JSON object; -ERR_USAGE: the URL lacks what the
 * adapter needs of it; -ERR_LIMIT: more outputs than are taken. Whatever else it is: no events, and reasons why. */
MUST_USE int adapter_read(const struct adapter_notice *notice, struct json_parser *parser, struct arena *scratch,
                          struct arena *arena, struct events *ret, const char *const **ret_ignored,
                          size_t *ret_ignored_count, struct err *err);

/* ---- for adapters ---- */

/* A member of an event, where in a node it is found ("detail.jobId", "outputFilePaths.0"), and as what. Where
 * `max` is not 0 it is a text that describes: one that is longer, or has control characters, is not worth an event.
 */
struct adapter_field {
  const char *member;
  bool is_data;
  const char *path;
  enum event_tree_form form;
  size_t max;
};

/* The node at a path below a node, or NULL; null is as good as absent. */
const struct json *adapter_at(const struct json *node, const char *path);
/* Its text, or a number's token; empty when there is none. */
struct str adapter_text(const struct json *node, const char *path);
bool adapter_is(const struct json *node, const char *path, const char *text);

/* A new event of that type. NULL: the reading is full, and the adapter need not go on. Its source is the URL's, or
 * the one given; its id is put together as printf does. */
struct event_tree *adapter_output(struct adapter_reading *reading, const char *type, struct str source,
                                  const char *id_format, ...) __attribute__((format(printf, 4, 5)));
/* Fills in what a table finds in a node, but what the output has already, and what is no value for the member: a size
 * of 0, a duration of "N/A", a codec that is no name. */
void adapter_fill(struct adapter_reading *reading, struct event_tree *output, const struct adapter_field *fields,
                  size_t count, const struct json *node);
/* Where the output has no codec yet: the one that a rule has for the preset, or for all. */
void adapter_fill_codec(struct adapter_reading *reading, struct event_tree *output, struct str preset);
void adapter_ignore(struct adapter_reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define X(name, function, needs_identity) adapter_function function;
#include "adapt/adapters.def"
#undef X

#endif
