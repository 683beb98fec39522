/* Inside agent/report: the ids of a report, where media alone do not settle them. The rules are in agent/report.h. */
#ifndef CODECMETER_AGENT_REPORT_IDS_H
#define CODECMETER_AGENT_REPORT_IDS_H

#include <stdbool.h>

#include "agent/report.h"
#include "base/err.h"

/* True if the user chose ids. */
static inline bool report_ids_are_chosen(const struct report_options *options) {
  return options->id != NULL || options->id_prefix != NULL;
}

/* Replaces source and id of a report by those that the user chose, with a tail behind a chosen id. name: the output's,
 * absolute. path_len: the length of its part that is a path, which "#ID" of a manifest's rendition may follow.
 * -ERR_USAGE: the id would be too long. */
MUST_USE int report_ids_choose(const struct report_options *options, const char *name, size_t path_len,
                               const char *tail, struct report *ret, struct err *err);

/* Enters an output into options->ids, under the identity of its media. Numbers the id, or sets id and is_repeat. Without
 * options->ids it does nothing. -ERR_IO, -ERR_MEDIA: the first file of the media cannot be looked at. */
MUST_USE int report_ids_enter(const struct report_options *options, const struct media_output *media,
                              const char *identity, struct report *ret, struct err *err);

/* Returns where the base name of an output begins. path_len as above. */
const char *report_ids_base_name(const char *name, size_t path_len);

#endif
