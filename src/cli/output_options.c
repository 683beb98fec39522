#include "cli/output_options.h"

#include <string.h>

#include "cli/frame_rate.h"

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
  return result == 0 ? report_check_options(ret, err) : result;
}
