/* AWS Elemental MediaConvert, by EventBridge: "MediaConvert Job State Change" with status COMPLETE.
 * Source: docs.aws.amazon.com/mediaconvert/latest/ug/ev_status_complete.html
 *
 * The notice states sizes and durations but no codec. The codec comes from the job's userMetadata.codec, which the
 * submitter of the job sets, or from a rule.
 */
#include "adapt/adapter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct adapter_field job_fields[] = {
    {"time", false, "detail.timestamp", EVENT_TREE_MS, 0},
    {"codec", true, "detail.userMetadata.codec", EVENT_TREE_TEXT, 0},
    {"task_id", true, "detail.jobId", EVENT_TREE_TEXT, TASK_ID_MAX},
};
static const struct adapter_field output_fields[] = {
    {"width", true, "videoDetails.widthInPx", EVENT_TREE_NUMBER, 0},
    {"height", true, "videoDetails.heightInPx", EVENT_TREE_NUMBER, 0},
    {"duration_ms", true, "durationInMs", EVENT_TREE_NUMBER, 0},
    {"dest_name", true, "outputFilePaths.0", EVENT_TREE_TEXT, DEST_MAX},
};

static void take_output(struct adapter_reading *reading, const struct json *node, unsigned group, unsigned number) {
  const struct json *notice = reading->notice;
  struct str job = adapter_text(notice, "detail.jobId");
  if (adapter_at(node, "videoDetails") == NULL) {
    adapter_ignore(reading, "output %u of group %u has no video", number, group);
    return;
  }
  struct event_tree *output =
      adapter_output(reading, "transcode.finished", STR("mediaconvert"), "%.*s/%u/%u", STR_ARG(job), group, number);
  adapter_fill(reading, output, job_fields, COUNT(job_fields), notice);
  adapter_fill(reading, output, output_fields, COUNT(output_fields), node);
  adapter_fill_codec(reading, output, adapter_text(notice, "detail.userMetadata.preset"));
}

void adapt_mediaconvert(struct adapter_reading *reading) {
  const struct json *notice = reading->notice;
  struct str type = adapter_text(notice, "detail-type"), status = adapter_text(notice, "detail.status");
  if (!str_equal(type, STR("MediaConvert Job State Change"))) {
    adapter_ignore(reading, "detail-type is not MediaConvert Job State Change: %.*s", STR_ARG(type));
    return;
  }
  if (!str_equal(status, STR("COMPLETE"))) {
    adapter_ignore(reading, "status is not COMPLETE: %.*s", STR_ARG(status));
    return;
  }
  const struct json *groups = adapter_at(notice, "detail.outputGroupDetails");
  if (adapter_text(notice, "detail.jobId").len == 0 || groups == NULL) {
    adapter_ignore(reading, "no detail.jobId or no detail.outputGroupDetails");
    return;
  }
  unsigned group = 0;
  for (const struct json *node = groups->child; node != NULL; node = node->next, group++) {
    const struct json *outputs = adapter_at(node, "outputDetails");
    unsigned number = 0;
    for (const struct json *output = outputs != NULL ? outputs->child : NULL; output != NULL; output = output->next) {
      take_output(reading, output, group, number++);
    }
  }
}
