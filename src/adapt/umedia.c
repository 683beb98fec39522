/* UCloud UMedia: its callback, and that of services that replace it. Source: UCloud's documentation of UMedia,
 * callbacks (回调), under CreateCodecTaskByPatten and CreateFormatTask.
 *
 * Three kinds look much alike: a transcode has a width and a height, snapshots have an image_count, a change of
 * container has neither. The callback states no codec and no time.
 */
#include "adapt/adapter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct adapter_field fields[] = {
    {"width", true, "width", EVENT_TREE_NUMBER, 0},
    {"height", true, "height", EVENT_TREE_NUMBER, 0},
    {"duration", true, "duration", EVENT_TREE_NUMBER, 0},
    {"image_count", true, "image_count", EVENT_TREE_NUMBER, 0},
    {"task_id", true, "task_id", EVENT_TREE_TEXT, TASK_ID_MAX},
    {"src_url", true, "src_url", EVENT_TREE_TEXT, SRC_URL_MAX},
    {"dest_name", true, "dest_video_name", EVENT_TREE_TEXT, DEST_MAX},
};

static const char *type_of(const struct json *notice) {
  if (adapter_at(notice, "image_count") != NULL) return "snapshot.finished";
  bool has_size = adapter_at(notice, "width") != NULL || adapter_at(notice, "height") != NULL;
  return has_size ? "transcode.finished" : "remux.finished";
}

void adapt_umedia(struct adapter_reading *reading) {
  const struct json *notice = reading->notice;
  struct str task = adapter_text(notice, "task_id"), retcode = adapter_text(notice, "retcode");
  struct str name = adapter_text(notice, "dest_video_name");
  if (task.len == 0 || retcode.len == 0) {
    adapter_ignore(reading, "no task_id or no retcode");
    return;
  }
  if (!str_equal(retcode, STR("0"))) {
    adapter_ignore(reading, "task %.*s failed: retcode %.*s", STR_ARG(task), STR_ARG(retcode));
    return;
  }
  struct event_tree *output = adapter_output(reading, type_of(notice), STR("umedia"), "%.*s%s%.*s", STR_ARG(task),
                                             name.len > 0 ? "/" : "", STR_ARG(name));
  adapter_fill(reading, output, fields, COUNT(fields), notice);
  adapter_fill_codec(reading, output, STR(""));
}
