/* The server checks the values, so that a command of an earlier version can ask a later server. $CODECMETER_PROJECT
 * is not read here: it is where usage goes, and a sum over fewer projects than the reader believes would be wrong in
 * silence. */
#include "cli/read_options.h"

#include <string.h>

#include "base/check.h"
#include "base/stop.h"

#define ABSENT "-"

int read_options_kind(const struct read_options *words, enum output_kind *ret, struct err *err) {
  if ((words->output != NULL) + words->json + words->csv > 1)
    return err_set(err, ERR_USAGE, "give only one of --output, --json and --csv");
  *ret = words->json ? OUTPUT_JSON : words->csv ? OUTPUT_CSV : OUTPUT_TABLE;
  return words->output != NULL ? output_kind_of(words->output, ret, err) : 0;
}

static void add_text(struct client *client, struct buf *path, const char *name, const char *value) {
  if (value != NULL) client_add_param(client, path, str_of(name), str_of(value));
}

/* has_absent: "-" asks for tasks that have no such value. */
static void add_list(struct client *client, struct buf *path, const char *name, char *const *values,
                     bool has_absent) {
  for (size_t i = 0; values != NULL && values[i] != NULL; i++)
    add_text(client, path, name, has_absent && strcmp(values[i], ABSENT) == 0 ? "" : values[i]);
}

static int add_labels(struct client *client, struct buf *path, char *const *words, struct err *err) {
  for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
    SCOPED(buf_fini) struct buf name = {0};
    struct str value = str_of(words[i]), label = str_cut(&value, '=');
    if (label.len == strlen(words[i]))
      return err_set(err, ERR_USAGE, "--label '%s' has no value; give NAME=VALUE, such as team=news", words[i]);
    buf_text(&name, "label.");
    buf_str(&name, label);
    client_add_param(client, path, buf_view(&name), value);
  }
  return 0;
}

int read_options_add(const struct read_options *words, struct client *client, struct buf *path, struct err *err) {
  add_text(client, path, "month", words->month);
  add_text(client, path, "from", words->from);
  add_text(client, path, "to", words->to);
  add_text(client, path, "zone", words->zone);
  add_text(client, path, "as_of", words->as_of);
  add_list(client, path, "project", words->projects, false);
  add_list(client, path, "kind", words->kinds, false);
  add_list(client, path, "codec", words->codecs, true);
  add_list(client, path, "tier", words->tiers, true);
  add_list(client, path, "resolution", words->resolutions, true);
  add_list(client, path, "frame_rate", words->frame_rates, true);
  add_list(client, path, "source", words->sources, false);
  return add_labels(client, path, words->labels, err);
}

int read_options_open(struct read_options *words, struct client **ret, struct err *err) {
  stop_begin();
  words->settings.interrupted = stop_is_wanted;
  int result = client_settings_fill(&words->settings, err);
  return result == 0 ? client_open(&words->settings, ret, err) : result;
}
