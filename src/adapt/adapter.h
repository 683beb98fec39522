/* Adapters: from a transcoder's own notice of completion to events, one for each output. Source: design §4, issue of
 * the ways in. docs/adapters.md is for users and for authors of new adapters.
 *
 * An adapter is a function that reads a notice and makes an event for each finished output, by a table of fields. It
 * never guesses: a member that the notice does not state stays absent. An event that then lacks a measure waits as
 * unresolved. Everything else in the notice is reported as ignored, with a reason, and is not stored.
 */
#ifndef CODECMETER_ADAPT_ADAPTER_H
#define CODECMETER_ADAPT_ADAPTER_H

#include "ingest/event.h"
#include "ingest/event_tree.h"

#define ADAPTER_OUTPUTS_MAX 1000 /* maximum of events, and of reasons, from one notice */

/* What the sender's URL adds to the notice; empty if it adds nothing. */
struct adapter_query {
  struct str project;          /* subject of the events */
  struct str source, id, time; /* time: RFC 3339, or Unix seconds */
};

/* What an operator knows about a service and its notices do not say: the codec of its outputs, for one preset or
 * template, or for all. */
struct adapter_rule {
  const char *adapter, *preset; /* preset: "" applies to all */
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
  bool is_full; /* outputs, ignored or arena is full */
};

typedef void adapter_function(struct adapter_reading *reading);

/* The name of each adapter, in alphabetical order; NULL after the last. */
const char *adapter_name(size_t index);

/* A notice for the adapter of that name. JSON_PADDING bytes behind body must be readable. */
struct adapter_notice {
  const char *adapter;
  struct str body;
  const struct adapter_query *query;
  const struct adapter_rules *rules;
  const struct event_rules *event_rules; /* its texts live in the arena */
};

/* Reads a notice; ret lives in the arena. -ERR_PARSE: it is not a JSON object. -ERR_USAGE: the URL lacks a parameter
 * that the adapter needs. -ERR_LIMIT: it has too many outputs, or is too large, or an arena is starved. -ERR_MEMORY.
 * Any other notice gives 0, with reasons why parts of it, or all, are ignored. */
MUST_USE int adapter_read(const struct adapter_notice *notice, struct json_parser *parser, struct arena *scratch,
                          struct arena *arena, struct events *ret, const char *const **ret_ignored,
                          size_t *ret_ignored_count, struct err *err);

/* ---- for adapters ---- */

/* A member of an event: where a node has it ("detail.jobId", "outputFilePaths.0"), and its form. If `max` is not 0,
 * the member is a descriptive text. It is left out if it is longer than max bytes or has control characters, so that
 * it does not reject the event. */
struct adapter_field {
  const char *member;
  bool is_data;
  const char *path;
  enum event_tree_form form;
  size_t max;
};

/* The node at a path below a node, or NULL. JSON null counts as absent. */
const struct json *adapter_at(const struct json *node, const char *path);
/* The text of a string, or the token of a number, at a path; empty for anything else. */
struct str adapter_text(const struct json *node, const char *path);
bool adapter_is(const struct json *node, const char *path, const char *text);

/* Adds a new event of that type. Its source is the one in the URL, else the one given; its id is formatted like
 * printf. NULL: the reading is full, and the adapter may stop. */
struct event_tree *adapter_output(struct adapter_reading *reading, const char *type, struct str source,
                                  const char *id_format, ...) __attribute__((format(printf, 4, 5)));
/* Copies the members of a table from a node to the output. It skips members that the output already has, and values
 * that the member cannot have: a size of 0, a duration of "N/A", a codec that is not a name. */
void adapter_fill(struct adapter_reading *reading, struct event_tree *output, const struct adapter_field *fields,
                  size_t count, const struct json *node);
/* If the output has no codec yet, sets the one that a rule names for the preset, else for all presets. */
void adapter_fill_codec(struct adapter_reading *reading, struct event_tree *output, struct str preset);
/* Reports a part of the notice as ignored, with a reason that is formatted like printf and cut to 199 bytes. */
void adapter_ignore(struct adapter_reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define X(name, function, needs_identity) adapter_function function;
#include "adapt/adapters.def"
#undef X

#endif
