#include "cli/output_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/frame_rate.h"
#include "meter/labels.h"

static int read_label(const char *word, struct label *ret, struct err *err) {
  struct str value = str_of(word), name = str_cut(&value, '=');
  if (name.len == strlen(word))
    return err_set(err, ERR_USAGE, "--label '%s' has no value; give NAME=VALUE, such as team=news", word);
  if (!label_name_is_valid(name))
    return err_set(err, ERR_USAGE,
                   "--label '%s': a name must be 1 to %d of a-z, 0-9 and '_', and begin with a letter", word,
                   LABEL_NAME_MAX);
  const char *fault = label_value_fault(value);
  if (fault != NULL)
    return err_set(err, ERR_USAGE,
                   "--label '%s': its value %s; give 1 to %d bytes of UTF-8 without control characters", word, fault,
                   LABEL_VALUE_MAX);
  *ret = (struct label){name, value};
  return 0;
}

static int check_once(const struct label *labels, size_t count, const char *word, struct err *err) {
  for (size_t i = 0; i + 1 < count; i++) {
    if (!str_equal(labels[i].name, labels[count - 1].name)) continue;
    return err_set(err, ERR_USAGE, "--label '%s': the name %.*s is given twice; give each name once", word,
                   STR_ARG(labels[i].name));
  }
  return 0;
}

static int read_labels(char *const *words, struct str *ret, struct err *err) {
  struct label labels[LABELS_MAX];
  size_t count = 0, len;
  for (; words != NULL && words[count] != NULL; count++) {
    if (count == LABELS_MAX)
      return err_set(err, ERR_USAGE, "--label is given more than %d times; an output has at most %d labels",
                     LABELS_MAX, LABELS_MAX);
    int result = read_label(words[count], &labels[count], err);
    if (result == 0) result = check_once(labels, count + 1, words[count], err);
    if (result != 0) return result;
  }
  if (count == 0) return 0;
  char *set = options_keep(malloc(LABELS_SIZE_MAX));
  CHECK(set != NULL);
  bool is_set = labels_encode(labels, count, set, &len);
  CHECK(is_set);
  *ret = str_make(set, len);
  return 0;
}

int output_options_read(const struct output_options *words, struct report_options *ret, struct err *err) {
  bool is_remux = words->kind != NULL && strcmp(words->kind, "remux") == 0;
  if (words->kind != NULL && !is_remux && strcmp(words->kind, "transcode") != 0)
    return err_set(err, ERR_USAGE, "--kind '%s' is neither transcode nor remux", words->kind);
  ret->id = words->id;
  ret->id_prefix = words->id_prefix;
  ret->source = words->source;
  ret->task_id = words->task_id;
  ret->kind = is_remux ? REPORT_REMUX : REPORT_TRANSCODE;
  int result = words->frame_rate == NULL
                   ? 0
                   : frame_rate_option(words->frame_rate, &ret->media.rate_num, &ret->media.rate_den, err);
  if (result == 0) result = read_labels(words->labels, &ret->labels, err);
  return result == 0 ? report_check_options(ret, err) : result;
}
