/* Adapters: from a transcoder's own notice of completion to events, one for each output. Source: design §4 and §6.
 * docs/adapters.md is for users and for authors of adapters.
 *
 * An adapter is a script in Lua, in a sandbox: a function that takes the notice and returns outputs and remarks. Some
 * are built in, and an operator's settings add others. The driver gives a script a fresh state for each notice and
 * bounds its work and its memory. It turns the outputs into events by the rules of events, and never guesses: a value
 * that no report can hold counts as absent. An event that then lacks a measure waits as unresolved. A remark is a
 * reason why a part of the notice is no output.
 */
#ifndef CODECMETER_ADAPT_ADAPTER_H
#define CODECMETER_ADAPT_ADAPTER_H

#include "ingest/read/event.h"
#include "settings/config.h"

#define ADAPTERS_MAX 64          /* built-in ones and those of the settings */
#define ADAPTER_NAME_MAX 32      /* bytes: a small letter, then small letters, digits and '-' */
#define ADAPTER_OUTPUTS_MAX 1000 /* maximum of events, and of remarks, from one notice */

/* The adapters of a server or of a command. Any number of threads may read from one set. */
struct adapters;

/* Compiles the built-in scripts and those of the settings adapter.NAME.script and adapter.NAME.map, and checks the
 * codecs of adapter.NAME.codec. The config is borrowed as long as the set lives. -ERR_USAGE: a setting or a script is
 * wrong; the text says which, and for a script the file and the line. -ERR_MEMORY. Caller frees with adapters_free.
 */
MUST_USE int adapters_new(const struct config *config, struct adapters **ret, struct err *err);
void adapters_free(struct adapters *adapters);
SCOPED_REF(struct adapters, adapters_free)

struct adapter;
/* The adapters in the order of their names; NULL after the last. Borrowed from the set, like all below. */
const struct adapter *adapters_at(const struct adapters *adapters, size_t index);
/* The adapter of that name, or NULL. */
const struct adapter *adapters_find(const struct adapters *adapters, struct str name);
const char *adapter_name(const struct adapter *adapter);
/* Where its script comes from: a file's path, or "built-in". */
const char *adapter_origin(const struct adapter *adapter);

/* The names of the built-in adapters; NULL after the last. Static, and the same in every server. */
const char *adapters_built_in(size_t index);

/* What the sender's URL adds to the notice; empty if it adds nothing. */
struct adapter_query {
  struct str project;          /* subject of the events */
  struct str source, id, time; /* time: RFC 3339, or Unix seconds */
};

/* A notice for an adapter. JSON_PADDING bytes behind body must be readable. */
struct adapter_notice {
  const struct adapter *adapter;
  struct str body;
  const struct adapter_query *query;
  const struct event_rules *event_rules; /* its texts live in the arena */
};

/* Enough memory for the arena of adapter_read, for a body of that length. */
size_t adapter_memory_max(size_t body_len);

/* Reads a notice; ret lives in the arena. -ERR_PARSE: it is not a JSON object. -ERR_USAGE: the URL lacks a parameter
 * that the adapter needs. -ERR_SCRIPT: the script failed on this notice, or returned what cannot be used; the text
 * names the adapter, and the script and its line where they are known. -ERR_LIMIT: the notice is too large.
 * -ERR_MEMORY, or an arena is starved: the system has no memory now. Any other notice gives 0, with reasons why parts
 * of it, or all, are ignored. */
MUST_USE int adapter_read(const struct adapter_notice *notice, struct json_parser *parser, struct arena *scratch,
                          struct arena *arena, struct events *ret, const char *const **ret_ignored,
                          size_t *ret_ignored_count, struct err *err);

#endif
