/* GetCodecPattenList and GetWaterMarkPattenList: a meter has no templates, so both lists are empty. A program that
 * lists templates when it starts goes on. Source: design §5; names as in ucloud-sdk-go, services/umedia. */
#include "api/call.h"

static int answer(const struct call *call, struct json_write *json, struct refusal *refusal) {
  (void)call;
  (void)refusal;
  json_write_list(json, "DefaultPattenList");
  json_write_end(json);
  json_write_list(json, "CustomizedPattenList");
  json_write_end(json);
  return 0;
}

static const struct api_param params[] = {API_PARAM_PROJECT, {0}};

static const struct api_field fields[] = {
    {.name = "DefaultPattenList",
     .type = API_LIST,
     .help = {"always empty: a meter has no templates", "始终为空：计量服务没有模板"}},
    {.name = "CustomizedPattenList",
     .type = API_LIST,
     .help = {"always empty: a meter has no templates", "始终为空：计量服务没有模板"}},
    {0},
};

/* clang-format off */
const struct api_action api_get_codec_patten_list = {
    .name = "GetCodecPattenList",
    .handle = answer,
    .needs_project = true,
    .params = params,
    .fields = fields,
    .request_example = "",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetCodecPattenListResponse","DefaultPattenList":[],"CustomizedPattenList":[]}),
    .help = {"an empty list, because a meter has no templates of transcoding", "转码模板列表：没有模板"},
};

/* The capital M is the API's own. */
const struct api_action api_get_water_mark_patten_list = {
    .name = "GetWaterMarkPattenList",
    .handle = answer,
    .needs_project = true,
    .params = params,
    .fields = fields,
    .request_example = "",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetWaterMarkPattenListResponse","DefaultPattenList":[],"CustomizedPattenList":[]}),
    .help = {"an empty list, because a meter has no templates of watermarks", "水印模板列表：没有模板"},
};
/* clang-format on */
