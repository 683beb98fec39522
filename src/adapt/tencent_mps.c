/* Tencent Cloud Media Processing Service: the callback of a WorkflowTask, plain or as ParseNotification answers it.
 * Source: cloud.tencent.com/document/product/862 and tencentcloud.com/document/product/1041/33499 (event
 * notification).
 *
 * MetaData describes the input. In MediaProcessResultSet, only transcodes that succeeded have an output.
 */
#include "adapt/adapter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct adapter_field result_fields[] = {
    {"time", false, "FinishTime", EVENT_TREE_TEXT, 0},
    {"codec", true, "Output.VideoStreamSet.0.Codec", EVENT_TREE_TEXT, 0},
    {"width", true, "Output.VideoStreamSet.0.Width", EVENT_TREE_NUMBER, 0},
    {"height", true, "Output.VideoStreamSet.0.Height", EVENT_TREE_NUMBER, 0},
    {"duration", true, "Output.Duration", EVENT_TREE_NUMBER, 0},
    {"dest_name", true, "Output.Path", EVENT_TREE_TEXT, DEST_MAX},
    {"dest_bucket", true, "Output.OutputStorage.CosOutputStorage.Bucket", EVENT_TREE_TEXT, DEST_MAX},
    {"format", true, "Output.Container", EVENT_TREE_TEXT, DEST_MAX},
};
static const struct adapter_field task_fields[] = {
    {"task_id", true, "TaskId", EVENT_TREE_TEXT, TASK_ID_MAX},
    {"src_url", true, "InputInfo.CosInputInfo.Object", EVENT_TREE_TEXT, SRC_URL_MAX},
};

/* The template. An output that was made without one has 0. */
static struct str definition_of(const struct json *transcode) {
  struct str made = adapter_text(transcode, "Output.Definition");
  return made.len > 0 && !str_equal(made, STR("0")) ? made : adapter_text(transcode, "Input.Definition");
}

static void take_result(struct adapter_reading *reading, const struct json *task, const struct json *result,
                        unsigned number) {
  struct str type = adapter_text(result, "Type");
  const struct json *transcode = adapter_at(result, "TranscodeTask");
  if (!str_equal(type, STR("Transcode")) || transcode == NULL) {
    adapter_ignore(reading, "result %u is not a transcode: %.*s", number, STR_ARG(type));
    return;
  }
  struct str status = adapter_text(transcode, "Status");
  if (!str_equal(status, STR("SUCCESS"))) {
    adapter_ignore(reading, "result %u did not succeed: %.*s", number, STR_ARG(status));
    return;
  }
  const struct json *streams = adapter_at(transcode, "Output.VideoStreamSet");
  if (streams != NULL && streams->child == NULL) {
    adapter_ignore(reading, "result %u has no video", number);
    return;
  }
  struct event_tree *output = adapter_output(reading, "transcode.finished", STR("tencent-mps"), "%.*s/%u",
                                             STR_ARG(adapter_text(task, "TaskId")), number);
  adapter_fill(reading, output, result_fields, COUNT(result_fields), transcode);
  adapter_fill(reading, output, task_fields, COUNT(task_fields), task);
  adapter_fill_codec(reading, output, definition_of(transcode));
}

void adapt_tencent_mps(struct adapter_reading *reading) {
  const struct json *wrapped = adapter_at(reading->notice, "Response");
  const struct json *notice = wrapped != NULL ? wrapped : reading->notice;
  const struct json *task = adapter_at(notice, "WorkflowTaskEvent");
  struct str type = adapter_text(notice, "EventType");
  if (!str_equal(type, STR("WorkflowTask")) || task == NULL) {
    adapter_ignore(reading, "EventType is not WorkflowTask: %.*s", STR_ARG(type));
    return;
  }
  struct str status = adapter_text(task, "Status");
  const struct json *results = adapter_at(task, "MediaProcessResultSet");
  if (!str_equal(status, STR("FINISH")) || adapter_text(task, "TaskId").len == 0 || results == NULL) {
    adapter_ignore(reading, "the task has not finished, or has no results: %.*s", STR_ARG(status));
    return;
  }
  unsigned number = 0;
  for (const struct json *result = results->child; result != NULL; result = result->next) {
    take_result(reading, task, result, number++);
  }
}
