/* GetRegion: the regions of the setting api.regions, all of them this machine. Source: design §5. */
#include "api/call.h"

static int answer(const struct call *call, struct json_write *json, struct refusal *refusal) {
  (void)refusal;
  json_write_raw(json, "Regions", call->regions);
  return 0;
}

static const struct api_param params[] = {{0}};

/* clang-format off */
/* In the order of write_pair, in regions.c. */
static const struct api_field row[] = {
    {.name = "RegionId", .type = API_INT, .help = {"a number: 1, 2 …", "编号：1、2 ……"}},
    {.name = "RegionName", .type = API_TEXT, .help = {"always 'self-hosted'", "始终为 self-hosted"}},
    {.name = "IsDefault", .type = API_BOOL, .help = {"true for the first one", "第一个为 true"}},
    {.name = "BitMaps", .type = API_TEXT, .help = {"always '1'", "始终为 1"}},
    {.name = "Region", .type = API_TEXT, .help = {"the region, such as 'cn-bj2'", "地域，如 cn-bj2"}},
    {.name = "Zone", .type = API_TEXT, .help = {"the zone, such as 'cn-bj2-04'", "可用区，如 cn-bj2-04"}},
    {0},
};

static const struct api_field fields[] = {
    {.name = "Regions", .type = API_LIST, .members = row,
     .help = {"the pairs of region and zone in the setting api.regions, in that order; all of them are this machine",
              "设置项 api.regions 中的地域和可用区，按其顺序；它们都是这台机器"}},
    {0},
};

const struct api_action api_get_region = {
    .name = "GetRegion",
    .handle = answer,
    .params = params,
    .fields = fields,
    .request_example = "",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetRegionResponse","Regions":[
         {"RegionId":1,"RegionName":"self-hosted","IsDefault":true,"BitMaps":"1","Region":"self","Zone":"self-01"}]}),
    .help = {"the regions and zones that this server answers for", "本服务器所代表的地域和可用区"},
};
/* clang-format on */
