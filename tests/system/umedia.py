"""What UMedia's and UAccount's reads answer: fields and types as UCloud's typed Go SDK decodes them (ucloud-sdk-go,
services/umedia and services/uaccount), written down apart from the product's tables.

A JSON value of another type makes that client fail, so `decodes` is as strict as Go's encoding/json: no number for a
text, no text for a number, no array for a text. A documented field that is missing would silently be "" or 0 there, so it
is an error too.
"""

TEXT, INT, BOOL = "text", "int", "bool"


def fields(texts="", ints="", **others):
    return {**dict.fromkeys(texts.split(), TEXT), **dict.fromkeys(ints.split(), INT), **others}


CODEC_ROW = fields("VideoCodec", "Time SuperDefinitionTime HighDefinitionTime MidiumDefinitionTime LowDefinitionTime TotalTime")
FORMAT_ROW = fields("", "Time FormatTime")
SNAP_ROW = fields("", "Time ImageCount")
CODEC_TASK = fields("TaskId SrcUrl DestVideoName DestBucket DestFormat CodecLevel Status", "Duration CreateTime")
FORMAT_TASK = fields("TaskId SrcUrl DestVideoName DestBucket DestFormat Status", "Duration CreateTime")
SNAP_TASK = fields("TaskId SrcUrl ImageName ImageFormat SnapType Status", "ImageCount CreateTime")
PATTEN = fields("CodecPattenId CodecPattenName DestFormat DestSuffix DestVideoResolution DestVideoCodec", "DestVideoBitrate")
CODEC_PATTEN_NODE = fields("PattenId PattenName DestVideoResolution DestVideoCodec DestFormat DestSuffix CallbackUrl",
                           "DestVideoBitrate DestAudioBitrate DestAudioSample DestAudioChannel")
WATERMARK_NODE = fields("PattenId PattenName WaterMarkType ImageUrl TextContent FontType FontColor Position CallbackUrl",
                        "FontSize PaddingX PaddingY")
PROJECT = fields("ProjectId ProjectName ParentId ParentName", "CreateTime ResourceCount MemberCount", IsDefault=BOOL)
REGION = fields("RegionName BitMaps Region Zone", "RegionId", IsDefault=BOOL)
USER = fields("UserEmail UserName UserPhone PhonePrefix CompanyName UserAddress Province City Administrator AuthState",
              "UserId UserType IndustryType UserVersion Admin Finance")

ANSWERS = {
    "GetCodecTotalStat": {"StatSet": [CODEC_ROW]},
    "GetFormatTotalStat": {"StatSet": [FORMAT_ROW]},
    "GetSnapTotalStat": {"StatSet": [SNAP_ROW]},
    "GetCodecTaskList": {"TaskList": [CODEC_TASK]},
    "GetFormatTaskList": {"TaskList": [FORMAT_TASK]},
    "GetSnapTaskList": {"TaskList": [SNAP_TASK]},
    # WatermarkDetail has no field that must be there: the documentation's own example is {}.
    "GetCodecTaskDetail": fields("TaskId SrcUrl DestVideoName DestBucket DestFormat CodecLevel Status CallbackUrl",
                                 "Duration CreateTime FinishTime", CodecPattenDetail=PATTEN, WatermarkDetail={}),
    "GetFormatTaskDetail": fields("TaskId SrcUrl DestVideoName DestBucket DestVideoFormat Status", "Duration CreateTime FinishTime"),
    "GetSnapTaskDetail": fields("TaskId SrcUrl DestBucket ImageName ImageFormat ImageList SnapType Status",
                                "ImageCount CreateTime FinishTime"),
    "GetCodecPattenList": {"DefaultPattenList": [CODEC_PATTEN_NODE], "CustomizedPattenList": [CODEC_PATTEN_NODE]},
    "GetWaterMarkPattenList": {"DefaultPattenList": [WATERMARK_NODE], "CustomizedPattenList": [WATERMARK_NODE]},
    "GetProjectList": fields("", "ProjectCount", ProjectSet=[PROJECT]),
    "GetRegion": {"Regions": [REGION]},
    "GetUserInfo": {"DataSet": [USER]},
}

# Our own fields: in lists, and in details.
OWN_CODEC = fields("VideoCodec Source Id", "FinishTime Minutes Width Height")
OWN_FORMAT = fields("Source Id", "FinishTime Minutes")
OWN_SNAP = fields("Source Id DestBucket", "FinishTime")
OWN = {"GetCodecTaskList": OWN_CODEC, "GetFormatTaskList": OWN_FORMAT, "GetSnapTaskList": OWN_SNAP, "GetCodecTaskDetail": OWN_CODEC,
       "GetFormatTaskDetail": OWN_FORMAT, "GetSnapTaskDetail": OWN_SNAP}

NOT_OFFERED = ("CreateCodecPatten", "UpdateCodecPatten", "DeleteCodecPatten", "CreateWatermarkPatten", "UpdateWatermarkPatten",
               "DeleteWatermarkPatten", "CreateCodecTaskByPatten", "CreateFormatTask", "CreateSnapTask")

STATISTICS = ("GetCodecTotalStat", "GetFormatTotalStat", "GetSnapTotalStat")
LISTS = ("GetCodecTaskList", "GetFormatTaskList", "GetSnapTaskList")
DETAILS = ("GetCodecTaskDetail", "GetFormatTaskDetail", "GetSnapTaskDetail")


def decodes(shape, value, path=""):
    """Fails if a typed client could not decode the value, or would miss a field."""
    if shape == TEXT:
        assert type(value) is str, (path, value)
    elif shape == INT:
        assert type(value) is int and abs(value) < 1 << 63, (path, value)
    elif shape == BOOL:
        assert type(value) is bool, (path, value)
    elif isinstance(shape, list):
        assert type(value) is list, (path, value)
        for index, item in enumerate(value):
            decodes(shape[0], item, f"{path}[{index}]")
    else:
        assert type(value) is dict, (path, value)
        for name, inner in shape.items():
            assert name in value, f"{path}.{name} is missing"
            decodes(inner, value[name], f"{path}.{name}")


def decodes_answer(action, answer):
    assert answer["RetCode"] == 0 and answer["Action"] == action + "Response", answer
    decodes(ANSWERS[action], answer, action)
    own = OWN.get(action)
    if own is not None:
        for task in answer["TaskList"] if "TaskList" in answer else [answer]:
            decodes(own, task, action)
    return answer
