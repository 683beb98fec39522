/* What `ffprobe -print_format json -show_format -show_streams FILE` prints. Source: ffprobe's documentation, "json"
 * writer; fields of AVStream and AVFormatContext as it names them.
 *
 * It does not say who made the file. So the URL gives source and id, and may give the time.
 */
#include "adapt/adapter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct adapter_field size_fields[] = {
    {"width", true, "width", EVENT_TREE_NUMBER, 0},
    {"height", true, "height", EVENT_TREE_NUMBER, 0},
};
static const struct adapter_field turned_fields[] = {
    {"width", true, "height", EVENT_TREE_NUMBER, 0},
    {"height", true, "width", EVENT_TREE_NUMBER, 0},
};
static const struct adapter_field stream_fields[] = {
    {"codec", true, "codec_name", EVENT_TREE_TEXT, 0},
};
static const struct adapter_field stream_duration[] = {{"duration", true, "duration", EVENT_TREE_NUMBER, 0}};
static const struct adapter_field format_duration[] = {{"duration", true, "format.duration", EVENT_TREE_NUMBER, 0}};
static const struct adapter_field format_fields[] = {
    {"format", true, "format.format_name", EVENT_TREE_TEXT, DEST_MAX},
    {"dest_name", true, "format.filename", EVENT_TREE_TEXT, DEST_MAX},
};

/* The stream that `record` would choose. Cover art is not video. */
static const struct json *find_video(const struct json *notice) {
  const struct json *streams = adapter_at(notice, "streams");
  for (const struct json *stream = streams != NULL ? streams->child : NULL; stream != NULL; stream = stream->next) {
    bool is_cover = adapter_is(stream, "disposition.attached_pic", "1");
    if (adapter_is(stream, "codec_type", "video") && !is_cover) return stream;
  }
  return NULL;
}

static bool is_on_its_side(struct str degrees) {
  return str_equal(degrees, STR("90")) || str_equal(degrees, STR("-90")) || str_equal(degrees, STR("270")) ||
         str_equal(degrees, STR("-270"));
}

static bool is_turned(const struct json *stream) {
  if (is_on_its_side(adapter_text(stream, "tags.rotate"))) return true;
  const struct json *list = adapter_at(stream, "side_data_list");
  for (const struct json *data = list != NULL ? list->child : NULL; data != NULL; data = data->next) {
    if (is_on_its_side(adapter_text(data, "rotation"))) return true;
  }
  return false;
}

void adapt_ffprobe(struct adapter_reading *reading) {
  const struct json *notice = reading->notice, *video = find_video(notice);
  if (video == NULL) {
    bool is_whole = adapter_at(notice, "streams") != NULL;
    adapter_ignore(reading,
                   is_whole ? "no stream of codec_type video" : "no streams: check that ffprobe could read the file");
    return;
  }
  struct event_tree *output =
      adapter_output(reading, "transcode.finished", STR("ffprobe"), "%.*s", STR_ARG(reading->query->id));
  bool turned = is_turned(video);
  adapter_fill(reading, output, stream_fields, COUNT(stream_fields), video);
  adapter_fill(reading, output, turned ? turned_fields : size_fields, COUNT(size_fields), video);
  adapter_fill(reading, output, stream_duration, 1, video);
  adapter_fill(reading, output, format_duration, 1, notice);
  adapter_fill(reading, output, format_fields, COUNT(format_fields), notice);
}
