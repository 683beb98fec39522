"""The built-in adapters of umedia, ffprobe, zencoder, aliyun-vod, mediainfo, bitmovin, mux, and the map of `generic`: each on
notices in the form of its vendor's documentation (tests/data/adapters/README.md names the sources), and on bad ones.

Every row of a table gets a source of its own, so that its outputs are new."""
import copy
import json
import os
import subprocess

import pytest

from conftest import ROOT, Account, run

DATA = os.path.join(ROOT, "tests", "data", "adapters")


def notice(name):
    with open(os.path.join(DATA, f"{name}.json")) as file:
        return json.load(file)


def tell(account, adapter, body, query=""):
    body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return account.client.request("POST", f"/v1/adapters/{adapter}{query}", body, {"Authorization": f"Bearer {account.token}"})


def counts(reply):
    assert reply.status == 200, reply.body
    body = reply.json()
    return tuple(body[name] for name in ("stored", "duplicate", "conflict", "rejected", "unresolved")) + (len(body["ignored"]),)


def history(account, source, id):
    return account.server.admin("history", "--project", "org-a", "--source", source, "--id", id)


def told(account, source, id):
    """What became of an output: its kind, and the measures that its record has."""
    record = history(account, source, id)[0]
    names = ("codec", "width", "height", "duration_ms", "frame_rate", "image_count")
    return (record["type"], *[record["data"][name] for name in names if name in record["data"]])


def changed(original, **changes):
    """A copy in which the members at these paths (`a__0__b`) are set, or removed where the value is DELETED."""
    made = copy.deepcopy(original)
    for path, value in changes.items():
        *parents, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        node = made
        for step in parents:
            node = node[step]
        if value is DELETED:
            del node[last]
        else:
            node[last] = value
    return made


DELETED = object()
BAD_VALUES = ["", "N/A", "nan", "inf", "0x10", "1e400", -1, 0, 9223372036854775808, None, True, [], {}, ["720"], {"a": 1}]
NO_NOTICES = ["", "{", "[]", "7", '"text"', b"\xff"]


ALL = ["umedia", "ffprobe", "zencoder", "aliyun-vod", "mediainfo", "bitmovin", "mux"]

# ---- bad input, for all ----


def test_bodies_that_are_no_notice(account):
    for adapter in ALL:
        query = "?source=s&id=x"
        for body in NO_NOTICES:
            assert tell(account, adapter, body, query).status == 400, (adapter, body)
        assert counts(tell(account, adapter, {}, query)) == (0, 0, 0, 0, 0, 1), adapter
        for name in ("type", "EventType", "eventType", "job", "outputs", "output", "streams", "media", "StreamInfos", "data", "task_id"):
            for value in (None, 1, "x", True, [], {}, [None], [1], {"a": None}, [[]], [{}]):
                assert tell(account, adapter, {name: value}, query).status == 200, (adapter, name, value)


def scramble(node, path=()):
    """Each copy of a notice in which one member is null, of another type, or gone."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield path + (key,)
        yield from scramble(child, path + (key,))


EXAMPLES = [("umedia", "umedia-transcode"), ("ffprobe", "ffprobe-sound-longer"), ("zencoder", "zencoder-job"),
            ("zencoder", "zencoder-details"), ("aliyun-vod", "aliyun-vod-stream"), ("aliyun-vod", "aliyun-vod-all"),
            ("mediainfo", "mediainfo"), ("bitmovin", "bitmovin"), ("mux", "mux-asset"), ("mux", "mux-renditions"),
            ("mux", "mux-rendition")]


@pytest.mark.parametrize("adapter,name", EXAMPLES)
def test_any_member_may_be_missing_or_of_another_type(account, adapter, name):
    """The notice is answered, and each of its outputs is stored, waits, or is ignored with a reason. Sound cannot wait:
    it is rejected if it turns out to lack something."""
    original = notice(name)
    for n, path in enumerate(scramble(original)):
        for m, value in enumerate((None, True, "x", -1, 9223372036854775808, [], {}, [None])):
            made = copy.deepcopy(original)
            node = made
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = value
            reply = tell(account, adapter, made, f"?source=row-{n}-{m}&id=x")
            if is_set_aside(reply):
                continue
            stored, _, _, rejected, waiting, ignored = counts(reply)
            lacking = [item for item in reply.json()["results"] if item["reason"].endswith("is missing")]
            assert stored + waiting + ignored > 0 and rejected == len(lacking), (path, value, reply.body)


def is_set_aside(reply):
    """An output whose identity the notice lacks: the script fails, and the notice is kept for `adapter retry`."""
    return reply.status != 200 and reply.json()["detail"].startswith("adapter ") or "quarantine" in reply.body.decode()


NAMELESS = [
    ("zencoder", {"job": {"id": 5}, "output": {"state": "finished", "video_codec": "h264"}}),
    ("aliyun-vod", {"EventType": "StreamTranscodeComplete", "Status": "success", "Width": 1}),
    ("aliyun-vod", {"EventType": "TranscodeComplete", "Status": "success", "VideoId": "v", "StreamInfos": [{"Definition": "HD"}]}),
    ("bitmovin", {"eventType": "ENCODING_FINISHED"}),
    ("mux", {"type": "video.asset.ready", "data": {"status": "ready"}}),
    ("mux", {"type": "video.asset.ready"}),
    ("mux", {"type": "video.asset.static_rendition.ready", "data": {"name": "720p.mp4"}}),
]


def test_an_output_without_an_identity_is_set_aside(account):
    """It would be lost: it cannot be stored, and it is not certain that it must not be."""
    for adapter, made in NAMELESS:
        reply = tell(account, adapter, made)
        assert is_set_aside(reply), (adapter, made, reply.body)


# ---- umedia ----


def test_umedia(old_account):
    transcode, images, container = notice("umedia-transcode"), notice("umedia-snapshot"), notice("umedia-format")
    rows = [
        (transcode, "1/my_720p.mp4", ("transcode.unresolved", 1280, 720, 587000)),
        (images, "1", ("snapshot.finished", 3)),
        (changed(images, image_count=DELETED), "1", ("snapshot.finished", 3)),
        (changed(transcode, image_count=0, image_list=[]), "1/my_720p.mp4", ("transcode.unresolved", 1280, 720, 587000)),
        (changed(transcode, image_list=[]), "1/my_720p.mp4", ("transcode.unresolved", 1280, 720, 587000)),
        (changed(images, image_count=0, image_list=[]), "1", ("snapshot.finished", 0)),
        (container, "1/my.m3u8", ("remux.finished", 587000)),
        (changed(container, duration=None), "1/my.m3u8", ("transcode.unresolved",)),
        (changed(container, duration="N/A"), "1/my.m3u8", ("transcode.unresolved",)),
        (changed(transcode, width=None), "1/my_720p.mp4", ("transcode.unresolved", 720, 587000)),
        (changed(transcode, task_id=1234567890123456789), "1234567890123456789/my_720p.mp4", ("transcode.unresolved", 1280, 720, 587000)),
        (changed(transcode, task_id=1234567890123456788), "1234567890123456788/my_720p.mp4", ("transcode.unresolved", 1280, 720, 587000)),
        (changed(transcode, retcode=71001), None, "retcode 71001"),
        (changed(transcode, retcode=None), None, "no task_id or no retcode"),
        (changed(transcode, task_id={}), None, "no task_id or no retcode"),
    ]
    check_rows(old_account, "umedia", rows)


def check_rows(account, adapter, rows, query=""):
    """A row: notice, the output's id or None, what became of it or a part of the reason. Each notice is sent twice."""
    for n, (made, id, expected) in enumerate(rows):
        source = f"{adapter}-{n}-{len(rows)}{query[1:4]}"
        url = f"?source={source}{query}"
        first = tell(account, adapter, made, url)
        assert first.status == 200, (n, first.body)
        if id is None:
            assert counts(first)[:5] == (0, 0, 0, 0, 0), (n, first.body)
            assert any(expected in reason for reason in first.json()["ignored"]), (n, expected, first.body)
            continue
        assert counts(first)[3] == 0 and sum(counts(first)[:5]) >= 1, (n, first.body)
        assert told(account, source, id) == expected, (n, first.body)
        again = counts(tell(account, adapter, made, url))
        assert again[1] + again[4] == sum(again[:5]), (n, again)
        assert len(history(account, source, id)) == 1, n


# ---- ffprobe ----


def stream(**members):
    return {"codec_type": "video", "codec_name": "h264", "width": 640, "height": 360, "duration": "20.0", "avg_frame_rate": "25/1", **members}


def sound(**members):
    return {"codec_type": "audio", "codec_name": "aac", "duration": "30.0", "avg_frame_rate": "0/0", **members}


def probed(*streams, **format):
    return {"streams": list(streams), "format": {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "30.0", **format}}


def video(codec="h264", width=640, height=360, ms=20000, rate=25):
    return ("transcode.finished", codec, width, height, ms, rate)


UNTIMED = ("transcode.unresolved", "h264", 640, 360, 25)
TAGGED = {"DURATION": "00:00:02.023000000"}
MKV = {"format_name": "matroska,webm"}
DEFAULT = {"disposition": {"default": 1}}


FFPROBE = [
    (notice("ffprobe-sound-longer"), "x", video(ms=2023)),
    (notice("ffprobe-wrong-header"), "x", video(ms=20000)),
    (notice("ffprobe-picture"), None, "it is a picture, not a video"),
    # durations: the stream's own, else its tag, else the file's if the video is alone
    (probed(stream(), sound()), "x", video()),
    (probed(stream(duration="N/A", tags=TAGGED), sound(), **MKV), "x", video(ms=2023)),
    (probed(stream(duration=None, tags={"DURATION-eng": "01:00:02.5"}), sound(), **MKV), "x", video(ms=3602500)),
    (probed(stream(duration="N/A", tags={"DURATION": "00:00:00.000000000"}), sound(), **MKV), "x", UNTIMED),
    (probed(stream(duration="N/A", tags={"DURATION": "2.0"}), sound(), **MKV), "x", UNTIMED),
    (probed(stream(duration="N/A", tags={"DURATION": "00:00:-2.0"}), sound(), **MKV), "x", UNTIMED),
    (probed(stream(duration="N/A", tags={"DURATION": "00:00:9999999999999999"}), sound(), **MKV), "x", UNTIMED),
    (probed(stream(duration="N/A"), sound(), **MKV), "x", UNTIMED),
    (probed(stream(duration="N/A"), **MKV), "x", video(ms=30000)),
    (probed(stream(duration="N/A"), nb_streams=1, **MKV), "x", video(ms=30000)),
    (probed(stream(duration="N/A"), nb_streams=2, **MKV), "x", UNTIMED),
    (probed(stream(duration="N/A"), {"codec_type": "attachment"}, **MKV), "x", video(ms=30000)),
    (probed(stream(duration="N/A"), stream(codec_name="png", disposition={"attached_pic": 1}), **MKV), "x", video(ms=30000)),
    (probed(stream(duration="0.000000"), sound()), "x", UNTIMED),
    (probed(stream(duration="-5"), duration="N/A"), "x", UNTIMED),
    (probed(stream(duration="0:00:20.000000"), sound(duration="0:00:30.000000")), "x", video()),
    (probed(stream(duration="20 s"), sound()), "x", UNTIMED),
    (probed(stream(duration="nan"), duration="inf"), "x", UNTIMED),
    (probed(stream(duration=9223372036854775808), sound()), "x", UNTIMED),
    # pictures, and what looks like them
    (probed(stream(codec_name="mjpeg", disposition={"attached_pic": 1})), None, "it is a picture, not a video"),
    (probed(stream(codec_name="av1", disposition={"still_image": 1})), None, "it is a picture, not a video"),
    (probed(stream(codec_name="av1", nb_frames="1"), tags={"major_brand": "avif"}), None, "it is a picture, not a video"),
    (probed(stream(codec_name="hevc"), tags={"major_brand": "heic"}), None, "it is a picture, not a video"),
    (probed(stream(codec_name="av1", nb_frames="500"), tags={"major_brand": "avis"}), "x", video("av1")),
    (probed(stream(codec_name="png"), format_name="png_pipe"), None, "it is a picture, not a video"),
    (probed(stream(codec_name="webp"), format_name="webp_pipe"), None, "it is a picture, not a video"),
    (probed(stream(codec_name="mjpeg"), format_name="jpeg_pipe", filename="a/ONE.JPG"), None, "it is a picture, not a video"),
    (probed(stream(codec_name="mjpeg"), format_name="jpeg_pipe", filename="pictures.mjpeg"), "x",
     ("transcode.unresolved", "mjpeg", 640, 360, 25)),
    (probed(stream(codec_name="webp", width=0, height=0), format_name="webp_pipe"), "x", ("transcode.unresolved", "webp", 25)),
    (probed(stream(codec_name="gif", nb_frames="1"), format_name="gif"), None, "it is a picture, not a video"),
    (probed(stream(codec_name="gif", nb_frames="500"), format_name="gif"), "x", video("gif")),
    (probed(stream(codec_name="gif", duration="0.1", avg_frame_rate="0/0", r_frame_rate="100/10"), format_name="gif"), None, "a picture"),
    (probed(stream(codec_name="gif"), format_name="gif"), "x", video("gif")),
    (probed(stream(codec_name="gif", duration="N/A"), duration="N/A", format_name="gif"), "x",
     ("transcode.unresolved", "gif", 640, 360, 25)),
    (probed(stream(codec_name="png", duration_ts=30, duration="1.2"), format_name="image2"), "x",
     ("transcode.unresolved", "png", 640, 360, 25)),
    (probed(stream(codec_name="mjpeg"), format_name="avi"), "x", video("mjpeg")),
    (probed(stream(codec_name="mjpeg"), sound()), "x", video("mjpeg")),
    (probed(stream(codec_name="png")), "x", video("png")),
    # turned
    (probed(stream(side_data_list=[{"side_data_type": "Display Matrix", "rotation": -90}])), "x", video(width=360, height=640)),
    (probed(stream(side_data_list=[{"side_data_type": "CPB properties"}, {"rotation": 270}])), "x", video(width=360, height=640)),
    (probed(stream(tags={"rotate": "90"})), "x", video(width=360, height=640)),
    (probed(stream(side_data_list=[{"rotation": "-89.99"}])), "x", video(width=360, height=640)),
    (probed(stream(tags={"rotate": "180"})), "x", video()),
    (probed(stream(side_data_list=[{"rotation": "nan"}, {"rotation": None}, 7, None])), "x", video()),
    (probed(stream(side_data_list={"rotation": 90})), "x", video()),
    # several video streams
    (probed(stream(codec_name="png", disposition={"attached_pic": 1}), stream()), "x", video()),
    (probed(stream(width=320, height=180), stream(**DEFAULT)), "x", video()),
    (probed(stream(width=320, height=180, bit_rate="300000"), stream(bit_rate="900000")), "x", video()),
    (probed(stream(), stream(duration="20.0")), "x", video()),
    (probed(stream(width=320, height=180), stream()), "x", ("transcode.unresolved", "h264", 20000, 25)),
    (probed(stream(), stream(codec_name="hevc")), "x", ("transcode.unresolved", 640, 360, 20000, 25)),
    # frame rates
    (probed(stream(avg_frame_rate="30000/1001", r_frame_rate="60/1")), "x", video(rate="30000/1001")),
    (probed(stream(avg_frame_rate="0/0", r_frame_rate="90000/1")), "x", ("transcode.finished", "h264", 640, 360, 20000)),
    (probed(stream(avg_frame_rate="25/0")), "x", ("transcode.finished", "h264", 640, 360, 20000)),
    (probed(stream(avg_frame_rate="90000/1")), "x", ("transcode.finished", "h264", 640, 360, 20000)),
    (probed(stream(avg_frame_rate="-25/1")), "x", ("transcode.finished", "h264", 640, 360, 20000)),
    # sound alone
    (probed(sound()), "x", ("audio.finished", "aac", 30000)),
    (probed(sound(), stream(codec_name="mjpeg", disposition={"attached_pic": 1})), "x", ("audio.finished", "aac", 30000)),
    (probed(sound(duration="N/A"), format_name="mp3"), "x", ("audio.finished", "aac", 30000)),
    (probed(sound(duration="N/A"), sound(duration="N/A")), None, "the sound's codec or duration is not stated"),
    (probed(sound(codec_name=None)), None, "the sound's codec or duration is not stated"),
    (probed(sound(), nb_streams=2), "x", ("transcode.unresolved",)),
    # nothing
    (probed({"codec_type": "subtitle"}), None, "no stream of codec_type video or audio"),
    (probed({"codec_type": 7}, None, 7, []), None, "no stream of codec_type video or audio"),
    (probed(), None, "check that ffprobe could read the file"),
    ({"error": {"code": -2, "string": "No such file or directory"}}, None, "No such file or directory"),
    ({"streams": {"codec_type": "video"}}, None, "check that ffprobe could read the file"),
]


def test_ffprobe(old_account):
    check_rows(old_account, "ffprobe", FFPROBE, "&id=x")


def test_ffprobe_bad_sizes(old_account):
    for n, value in enumerate(BAD_VALUES):
        if value == "0x10":
            continue
        for m, member in enumerate(("width", "height")):
            made = probed(stream(**{member: value}))
            if isinstance(value, int) and value == 0:
                made["streams"][0][member] = 0
            reply = tell(old_account, "ffprobe", made, f"?source=s{n}-{m}&id=x")
            assert counts(reply)[4] == 1, (member, value, reply.body)
            assert member not in history(old_account, f"s{n}-{m}", "x")[0]["data"]


PICTURES = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=10:duration=2"]
SOUND = ["-f", "lavfi", "-i", "sine=sample_rate=44100:duration=5"]
YUV = ["-c:v", "libx264", "-pix_fmt", "yuv420p"]
ONE = ["-frames:v", "1"]
MADE = [  # what ffmpeg makes; what ffprobe prints of it, with the milliseconds that it may be off
    ([*PICTURES, *YUV, "a.mkv"], video("h264", 320, 180, 2000, 10), 0),
    ([*PICTURES, *SOUND, *YUV, "a.mkv"], video("h264", 320, 180, 2000, 10), 10),
    ([*PICTURES, *SOUND, *YUV, "a.mp4"], video("h264", 320, 180, 2000, 10), 0),
    ([*PICTURES, *SOUND, *YUV, "a.ts"], video("h264", 320, 180, 2000, 10), 0),
    ([*PICTURES, *SOUND, *YUV, "a.flv"], ("transcode.unresolved", "h264", 320, 180, 10), 0),
    ([*SOUND, "-c:a", "aac", "a.m4a"], ("audio.finished", "aac", 5000), 60),
    ([*PICTURES, "-c:v", "mjpeg", "a.avi"], video("mjpeg", 320, 180, 2000, 10), 0),
    ([*PICTURES, "-c:v", "mjpeg", "a.mov"], video("mjpeg", 320, 180, 2000, 10), 0),
    ([*PICTURES, "a.gif"], video("gif", 320, 180, 2000, 10), 0),
    ([*PICTURES, *YUV, "a.h264"], ("transcode.unresolved", "h264", 320, 180, 10), 0),
    ([*PICTURES, "-c:v", "mjpeg", "a.mjpeg"], ("transcode.unresolved", "mjpeg", 320, 180, 25), 0),
    *[([*PICTURES, *ONE, name], None, 0) for name in ("a.gif", "a.png", "a.jpg", "a.bmp", "a.webp", "a.tiff")],
]


@pytest.mark.parametrize("arguments,expected,near", MADE, ids=[row[0][-1] + str(n) for n, row in enumerate(MADE)])
def test_what_ffprobe_prints(old_account, tmp_path, arguments, expected, near):
    file = tmp_path / arguments[-1]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *arguments[:-1], file], check=True)
    printed = subprocess.run(["ffprobe", "-v", "error", "-print_format", "json", "-show_format", "-show_streams", file],
                             check=True, capture_output=True).stdout
    reply = tell(old_account, "ffprobe", printed, "?source=s&id=x")
    if expected is None:
        assert reply.json()["ignored"] == ["it is a picture, not a video"], (printed, reply.body)
        return
    found = told(old_account, "s", "x")
    assert len(found) == len(expected), (found, printed)
    assert all(a == b or (b in (2000, 5000) and abs(a - b) <= near) for a, b in zip(found, expected)), (found, printed)


@pytest.mark.parametrize("adapter", ["ffprobe", "mediainfo"])
def test_a_file_that_nobody_named(account, adapter):
    for query in ("", "?source=s", "?id=x", "?source=&id=x"):
        reply = tell(account, adapter, {}, query)
        assert reply.status == 400 and "?source=…&id=…" in reply.json()["detail"], (query, reply.body)


# ---- mediainfo ----


def track(kind="Video", **members):
    basics = {"Video": {"Format": "AVC", "Width": "1280", "Height": "720", "Duration": "60.000", "FrameRate": "25.000"},
              "Audio": {"Format": "AAC", "Duration": "62.500"}, "General": {"Duration": "62.500", "Format": "MPEG-4"}}
    made = {"@type": kind, **basics.get(kind, {}), **members}
    return {name: value for name, value in made.items() if value is not DELETED}


def media(*tracks, **general):
    return {"media": {"@ref": "o.mp4", "track": [track("General", **general), *tracks]}}


def film(codec="h264", width=1280, height=720, ms=60000, rate=25):
    return ("transcode.finished", codec, width, height, ms, rate)


MEDIAINFO = [
    (notice("mediainfo"), "x", film(width=1920, height=1080, ms=60027, rate="30000/1001")),
    (notice("mediainfo-short"), "x", ("transcode.finished", "h264", 1280, 720, 60000)),
    (media(track(), track("Audio")), "x", film()),
    (media(track(Duration=DELETED), track("Audio")), "x", ("transcode.unresolved", "h264", 1280, 720, 25)),
    (media(track(Duration=DELETED)), "x", film(ms=62500)),
    (media(track(Duration=DELETED), track("Menu"), track("Image", Type="Cover")), "x", film(ms=62500)),
    (media(track(Duration="0.000"), track("Audio")), "x", ("transcode.unresolved", "h264", 1280, 720, 25)),
    (media(track(Width=None)), "x", ("transcode.unresolved", "h264", 720, 60000, 25)),
    (media(track(Width="0", Height="-1")), "x", ("transcode.unresolved", "h264", 60000, 25)),
    (media(track(Rotation="90.000")), "x", film(width=720, height=1280)),
    (media(track(Rotation="180.000")), "x", film()),
    (media(track(FrameRate_Mode="VFR")), "x", ("transcode.finished", "h264", 1280, 720, 60000)),
    # codecs
    (media(track(Format="HEVC")), "x", film("h265")),
    (media(track(Format="AV1")), "x", film("av1")),
    (media(track(Format="VP9")), "x", film("vp9")),
    (media(track(Format="MPEG Video", Format_Version="Version 2")), "x", film("mpeg2video")),
    (media(track(Format="MPEG Video", Format_Version="Version 1")), "x", film("mpeg1video")),
    (media(track(Format="MPEG Video", Format_Version="2")), "x", film("mpeg2video")),
    (media(track(Format="MPEG Video", Format_Version="3")), "x", ("transcode.unresolved", 1280, 720, 60000, 25)),
    (media(track(Format="YUV")), "x", film("rawvideo")),
    (media(track(Width=1280, Height=720, Duration=60, FrameRate=25)), "x", film()),
    (media(track(Format="MPEG Video")), "x", ("transcode.unresolved", 1280, 720, 60000, 25)),
    (media(track(Format="MPEG-4 Visual", CodecID="XVID")), "x", film("mpeg4")),
    (media(track(Format="VC-1", CodecID="WMV3")), "x", film("wmv3")),
    (media(track(Format="VC-1", CodecID="WVC1")), "x", film("vc1")),
    (media(track(Format="JPEG")), "x", film("mjpeg")),
    (media(track(Format="ProRes", Format_Profile="422 HQ")), "x", film("prores")),
    (media(track(Format="VC-3")), "x", film("dnxhd")),
    (media(track(Format="DV")), "x", film("dvvideo")),
    (media(track(Format="RealVideo 4", CodecID="RV40")), "x", film("rv40")),
    (media(track(Format="Some New Thing", CodecID="27")), "x", ("transcode.unresolved", 1280, 720, 60000, 25)),
    (media(track(Format=DELETED)), "x", ("transcode.unresolved", 1280, 720, 60000, 25)),
    # several video tracks
    (media(track(), track(Width="640", Height="360")), "x", ("transcode.unresolved", "h264", 60000, 25)),
    (media(track(Width="640", Height="360", Default="No"), track(Default="Yes")), "x", film()),
    (media(track(), track()), "x", film()),
    # sound alone
    (media(track("Audio")), "x", ("audio.finished", "aac", 62500)),
    (media(track("Audio", Format="MPEG Audio", Format_Profile="Layer 3"), track("Image", Format="JPEG", Type="Cover")), "x",
     ("audio.finished", "mp3", 62500)),
    (media(track("Audio"), track("Image", Format="WebP"), Cover="Yes"), "x", ("audio.finished", "aac", 62500)),
    (media(track("Audio", Format="E-AC-3")), "x", ("audio.finished", "eac3", 62500)),
    (media(track("Audio", Format=DELETED)), None, "the sound's codec or duration is not stated"),
    (media(track("Audio", Duration=DELETED), track("Text")), None, "the sound's codec or duration is not stated"),
    # pictures, and nothing
    (media(track("Image", Format="JPEG")), None, "it is a picture, not a video"),
    (media(track("Image", Format="PNG")), None, "it is a picture, not a video"),
    (media(track("Image", Format="GIF")), "x", ("transcode.unresolved",)),
    (media(track("Text")), None, "no track of @type Video or Audio"),
    (media(), None, "no track of @type Video or Audio"),
    ({"media": None}, None, "check that mediainfo could read the file"),
    ({"media": {"@ref": "o.mp4", "track": []}}, None, "check that mediainfo could read the file"),
    ({"media": {"@ref": "o.mp4", "track": {"@type": "Video"}}}, None, "check that mediainfo could read the file"),
    ({"media": {"track": [None, 7, "Video", []]}}, None, "no track of @type Video or Audio"),
]


def test_mediainfo(old_account):
    check_rows(old_account, "mediainfo", MEDIAINFO, "&id=x")


# ---- zencoder ----

WEB = ("transcode.finished", "h264", 1280, 720, 60046, "30000/1001")
JOB = "530000000000000001"


def of_output(**changes):
    """A notification of one output."""
    whole = notice("zencoder-job")
    return {"job": whole["job"], "input": whole["input"], "output": {**whole["outputs"][0], **changes}}


ZENCODER = [
    (notice("zencoder-job"), JOB + "/71", WEB),
    (notice("zencoder-job"), JOB + "/72", ("audio.finished", "aac", 60046)),
    (notice("zencoder-short"), "1/7", ("transcode.finished", "h264", 1280, 720, 60000)),
    (notice("zencoder-details"), JOB + "/71", WEB),
    (of_output(), JOB + "/71", WEB),
    (changed(of_output(), job__id=530000000000000002), "530000000000000002/71", WEB),
    (of_output(video_codec=None), JOB + "/71", WEB),
    (of_output(video_codec=None, rfc_6381_video_codec=None), JOB + "/71", ("transcode.unresolved", 1280, 720, 60046, "30000/1001")),
    (of_output(width=0), JOB + "/71", ("transcode.unresolved", "h264", 720, 60046, "30000/1001")),
    (of_output(height=-720), JOB + "/71", ("transcode.unresolved", "h264", 1280, 60046, "30000/1001")),
    (of_output(duration_in_ms=None), JOB + "/71", ("transcode.unresolved", "h264", 1280, 720, "30000/1001")),
    (of_output(duration_in_ms=9223372036854775808), JOB + "/71", ("transcode.unresolved", "h264", 1280, 720, "30000/1001")),
    (of_output(id=None), JOB + "/web", WEB),
    (of_output(state=None), JOB + "/71", WEB),
    ({"job": {"id": 5, "state": "finished"}, "output": {"id": 6, "label": None, "state": "finished", "url": "s3://b/o.mp4"}}, "5/6",
     ("transcode.unresolved",)),
    (of_output(state="failed", error_message="x"), None, "output web is not finished: failed"),
    (of_output(state="cancelled"), None, "output web is not finished: cancelled"),
    (of_output(state="transcoding"), None, "output web is not finished: transcoding"),
    (of_output(type="playlist"), None, "output web is no transcode: its type is playlist"),
    (of_output(type="transfer-only"), None, "output web is no transcode: its type is transfer-only"),
    (of_output(video_codec=None, rfc_6381_video_codec=None, width=None, height=None, duration_in_ms=None), None, "sound without a duration"),
    ({"job": {"id": 5, "state": "failed"}, "outputs": []}, None, "no outputs; the job's state is failed"),
    ({"job": {"id": 5, "state": "finished"}, "outputs": None}, None, "no outputs; the job's state is finished"),
    ({"job": {"id": 5, "state": "finished"}, "outputs": [None, 7, "x"]}, None, "output 1 is not an object"),
    ({"outputs": [{"id": 7}]}, None, "output 0 has no state"),
    ({"job": {"id": 5, "state": "failed"}, "outputs": [{"id": 7}]}, None, "output 0 is not finished: failed"),
]


def test_zencoder(old_account):
    check_rows(old_account, "zencoder", ZENCODER)


def test_zencoder_counts_an_output_once(old_account):
    """The notifications of the job and of the output, and the job's details, are one report."""
    reply = tell(old_account, "zencoder", of_output())
    assert counts(reply) == (1, 0, 0, 0, 0, 0)
    reply = tell(old_account, "zencoder", notice("zencoder-job"))
    assert counts(reply) == (1, 1, 0, 0, 0, 1) and reply.json()["ignored"] == ["output master is no transcode: its type is playlist"]
    assert counts(tell(old_account, "zencoder", notice("zencoder-details"))) == (0, 1, 0, 0, 0, 0)
    record = history(old_account, "zencoder", JOB + "/71")[0]
    assert record["data"]["task_id"] == JOB and record["data"]["input_duration_ms"] == 60080
    assert record["data"]["dest_name"] == "https://bucket.example.com/web.mp4", "without what signs it"


def test_zencoder_details_say_when(old_account):
    assert counts(tell(old_account, "zencoder", notice("zencoder-details"))) == (1, 0, 0, 0, 0, 0)
    assert history(old_account, "zencoder", JOB + "/71")[0]["time"] == "2026-02-03T11:59:58.000Z"


def test_zencoder_details_resolve_a_short_notification(old_account):
    short = {"job": {"id": int(JOB), "state": "finished"}, "output": {"id": 71, "label": "web", "state": "finished", "url": "s3://b/o.mp4"}}
    assert counts(tell(old_account, "zencoder", short)) == (0, 0, 0, 0, 1, 0)
    assert counts(tell(old_account, "zencoder", notice("zencoder-details"))) == (1, 0, 0, 0, 0, 0)
    assert counts(tell(old_account, "zencoder", notice("zencoder-details"))) == (0, 1, 0, 0, 0, 0)
    assert counts(tell(old_account, "zencoder", short)) == (0, 1, 0, 0, 0, 0)


# ---- aliyun-vod ----


def of_stream(**changes):
    return {**notice("aliyun-vod-stream"), **changes}


LD = "d9a34ca8c5934ecd8cb2b1d6e3f2a001"
LD_TOLD = ("transcode.finished", "h264", 540, 960, 15040, 30)

ALIYUN = [
    (of_stream(), LD, ("transcode.unresolved", 540, 960, 15040, 30)),
    (of_stream(Codec="H.264"), LD, LD_TOLD),
    (notice("aliyun-vod-all"), LD, LD_TOLD),
    (notice("aliyun-vod-all"), "d9a34ca8c5934ecd8cb2b1d6e3f2a002", ("transcode.finished", "h265", 1080, 1920, 15040, "30000/1001")),
    (notice("aliyun-vod-all"), "d9a34ca8c5934ecd8cb2b1d6e3f2a004", ("audio.finished", "mp3", 15050)),
    (notice("aliyun-vod-short"), "v1/o.mp4", ("transcode.unresolved", 1280, 720, 60040)),
    (of_stream(JobId=None, Codec="h264"), "7f1e5b0c71f04071bf8f6ffcd7d00102/a1b2/7f1e-ld.mp4", LD_TOLD),
    (of_stream(JobId=None, Codec="h264", FileUrl="https://cdn.example.com/a1b2/7f1e-ld.mp4?auth_key=1"),
     "7f1e5b0c71f04071bf8f6ffcd7d00102/a1b2/7f1e-ld.mp4", LD_TOLD),
    (of_stream(JobId=None, FileUrl=None, Codec="h264"), "7f1e5b0c71f04071bf8f6ffcd7d00102/LD/mp4", LD_TOLD),
    (of_stream(Codec="h264", Duration=15), LD, ("transcode.finished", "h264", 540, 960, 15000, 30)),
    (of_stream(Codec="h264", Duration="15.04"), LD, LD_TOLD),
    (of_stream(Codec="h264", Width=0), LD, ("transcode.unresolved", "h264", 960, 15040, 30)),
    (of_stream(Codec="h264", Duration=-1), LD, ("transcode.unresolved", "h264", 540, 960, 30)),
    (of_stream(Codec="h264", Fps="0"), LD, ("transcode.finished", "h264", 540, 960, 15040)),
    (of_stream(Status="fail", ErrorCode="InternalError"), None, "stream LD did not succeed: InternalError"),
    (of_stream(Status="fail"), None, "stream LD did not succeed: fail"),
    (of_stream(Status="processing"), None, "stream LD did not succeed: processing"),
    (of_stream(Status=None), None, "stream LD did not succeed: it has no Status"),
    (of_stream(Format="mp3", Width=None, Height=None, Fps=None), LD, ("audio.finished", "mp3", 15040)),
    (of_stream(IsAudio=True), None, "stream LD is sound, and its codec or duration is not stated"),
    (of_stream(IsAudio=True, Codec="mp3", Duration=None), None, "stream LD is sound, and its codec or duration is not stated"),
    ({"EventType": "FileUploadComplete", "VideoId": "v", "Status": "success", "Size": 1}, None, "EventType is not"),
    ({"EventType": "SnapshotComplete", "VideoId": "v", "Status": "success"}, None, "SnapshotComplete"),
    ({"EventType": 7}, None, "EventType is not"),
    ({"EventType": "TranscodeComplete", "VideoId": "v", "Status": "fail"}, None, "without StreamInfos; its status is fail"),
    ({"EventType": "TranscodeComplete", "VideoId": "v", "Status": "success", "StreamInfos": []}, None, "without StreamInfos"),
    ({"EventType": "TranscodeComplete", "VideoId": "v", "StreamInfos": [None, "x"]}, None, "stream 1 is not an object"),
]


def test_aliyun_vod(old_account):
    check_rows(old_account, "aliyun-vod", ALIYUN)


def test_aliyun_vod_counts_a_stream_once(old_account):
    assert counts(tell(old_account, "aliyun-vod", of_stream(Codec="h264"))) == (1, 0, 0, 0, 0, 0)
    reply = tell(old_account, "aliyun-vod", notice("aliyun-vod-all"))
    assert counts(reply) == (2, 1, 0, 0, 0, 1)
    assert reply.json()["ignored"] == ["stream 4K did not succeed: InvalidParameter.ResolutionNotSupported"]
    record = history(old_account, "aliyun-vod", LD)[0]
    assert record["time"] == "2026-02-03T12:00:01.000Z" and record["data"]["dest_name"] == "a1b2/7f1e-ld.mp4"


def test_aliyun_vod_a_later_event_with_a_codec_resolves(old_account):
    assert counts(tell(old_account, "aliyun-vod", of_stream()))[4] == 1
    assert counts(tell(old_account, "aliyun-vod", notice("aliyun-vod-all"))) == (3, 0, 0, 0, 0, 1)
    assert counts(tell(old_account, "aliyun-vod", of_stream())) == (0, 1, 0, 0, 0, 0)


# ---- bitmovin ----

ENCODING = "c1d2e3f4-1111-4222-8333-944455566677"


def of_encoding(**changes):
    return {**notice("bitmovin"), **changes}


BITMOVIN = [
    (of_encoding(), ENCODING, ("transcode.unresolved",)),
    (of_encoding(eventType="ENCODING_STATUS_CHANGED"), ENCODING, ("transcode.unresolved",)),
    (of_encoding(triggeredForResourceId=None), ENCODING, ("transcode.unresolved",)),
    (of_encoding(encodingStatus=None), ENCODING, ("transcode.unresolved",)),
    (of_encoding(triggeredAt="0000-00-00T00:00:00Z"), ENCODING, ("transcode.unresolved",)),
    (of_encoding(eventType="ENCODING_STATUS_CHANGED", encodingStatus={"status": "RUNNING"}), None, "the encoding is not finished: RUNNING"),
    (of_encoding(eventType="ENCODING_STATUS_CHANGED", encodingStatus=None), None, "it has no status"),
    (of_encoding(encodingStatus={"status": "ERROR"}), None, "the encoding is not finished: ERROR"),
    (of_encoding(eventType="ENCODING_ERROR"), None, "the encoding failed"),
    (of_encoding(eventType="MANIFEST_FINISHED"), None, "MANIFEST_FINISHED"),
    (of_encoding(eventType=None), None, "eventType is not"),
    ({"event": "transfer.finished"}, None, "transfer.finished"),
    ({"event": "encoding.finished", "encodingId": "e"}, "e", ("transcode.unresolved",)),
]


def test_bitmovin(old_account):
    check_rows(old_account, "bitmovin", BITMOVIN)
    assert counts(tell(old_account, "bitmovin", of_encoding())) == (0, 0, 0, 0, 1, 0)
    assert history(old_account, "bitmovin", ENCODING)[0]["time"] == "2026-02-03T12:00:04.559Z"


# ---- mux ----

ASSET = "0201p02fGKPE7MrbC269XRD7LpcHhrmbu0002"
ASSET_TOLD = ("transcode.unresolved", 1920, 1080, 153362, "30000/1001")


def of_asset(**changes):
    return changed(notice("mux-asset"), **changes)


MUX = [
    (of_asset(), ASSET, ASSET_TOLD),
    (of_asset(type="video.asset.live_stream_completed", data__is_live=False), ASSET, ASSET_TOLD),
    (of_asset(data__tracks=None), ASSET, ("transcode.unresolved", 153362, "30000/1001")),
    (of_asset(data__tracks__0__max_frame_rate=-1, data__max_stored_frame_rate=-1), ASSET, ("transcode.unresolved", 1920, 1080, 153362)),
    (of_asset(data__duration=None), ASSET, ("transcode.unresolved", 1920, 1080, "30000/1001")),
    (of_asset(data__tracks__0__max_width=0), ASSET, ("transcode.unresolved", 1080, 153362, "30000/1001")),
    (of_asset(data__id=None), ASSET, ASSET_TOLD),
    (notice("mux-renditions"), ASSET + "/low.mp4", ("transcode.unresolved", 640, 360, 153362)),
    (notice("mux-renditions"), ASSET + "/high.mp4", ("transcode.unresolved", 1920, 1080, 153362)),
    (notice("mux-rendition"), ASSET + "/720p.mp4", ("transcode.unresolved", 1280, 720)),
    (of_asset(data__is_live=True), None, "the live stream goes on"),
    (of_asset(data__status="errored"), None, "the asset is not ready: errored"),
    (of_asset(data__resolution_tier="audio-only"), None, "the asset is sound"),
    (of_asset(data__tracks=[{"type": "audio", "duration": 3}]), None, "the asset is sound"),
    (changed(notice("mux-rendition"), data__status="skipped"), None, "720p.mp4 is not ready: skipped"),
    (changed(notice("mux-rendition"), data__name="audio.m4a", data__ext="m4a"), None, "audio.m4a is sound"),
    (changed(notice("mux-renditions"), data__static_renditions=None), None, "no static_renditions.files"),
    (of_asset(type="video.asset.created"), None, "video.asset.created"),
    (of_asset(type="video.asset.errored"), None, "video.asset.errored"),
    (of_asset(type="video.asset.master.ready"), None, "video.asset.master.ready"),
    (of_asset(type="video.upload.asset_created"), None, "video.upload.asset_created"),
    (of_asset(type="video.live_stream.idle"), None, "video.live_stream.idle"),
    (of_asset(type=None), None, "type is not"),
]


def test_mux(old_account):
    check_rows(old_account, "mux", MUX)
    reply = tell(old_account, "mux", of_asset(data__static_renditions={"files": [{"name": "720p.mp4", "status": "preparing"}]}))
    assert counts(reply) == (0, 0, 0, 0, 1, 1) and "left to their own events" in reply.json()["ignored"][0]
    record = history(old_account, "mux", ASSET)[0]
    assert record["time"] == "2026-02-03T12:00:04.000Z" and record["data"]["quality"] == "plus"


# ---- rules for codecs ----


def test_a_rule_names_what_a_vendor_leaves_out(bare):
    account = Account(bare, "query.max_age=0", "query.max_span=0", "adapter.mux.codec=h264", "adapter.mux.codec.premium=h265",
                      "adapter.aliyun-vod.codec.LD=h264", "adapter.zencoder.codec=vp9", "adapter.bitmovin.codec=av1")
    assert counts(tell(account, "mux", of_asset()))[0] == 1
    assert told(account, "mux", ASSET)[1] == "h264"
    assert counts(tell(account, "mux", of_asset(data__id="other", data__video_quality="premium")))[0] == 1
    assert told(account, "mux", "other")[1] == "h265"
    assert counts(tell(account, "aliyun-vod", of_stream()))[0] == 1 and told(account, "aliyun-vod", LD) == LD_TOLD
    assert counts(tell(account, "zencoder", of_output(video_codec="no codec", rfc_6381_video_codec=None)))[0] == 1
    assert told(account, "zencoder", JOB + "/71")[1] == "vp9"
    assert counts(tell(account, "aliyun-vod", of_stream(IsAudio=True, JobId="j"))) == (0, 0, 0, 0, 0, 1), "a rule is for videos"
    assert counts(tell(account, "bitmovin", of_encoding()))[4] == 1


# ---- generic: a map ----

MAP = ("each=renditions, where=status:done, id=job.id/name, task_id=job.id, width=video.width, height=video.height, "
       "duration=video.seconds, codec=video.codec, frame_rate=video.fps, time=finished_at, quality=quality, src_url=input.url, "
       "label.team=customer.team, preset=$.preset")


def job(*renditions, **members):
    return {"job": {"id": 9007199254740993}, "finished_at": "2026-02-03T12:00:00Z", "input": {"url": "s3://in/a.mov"},
            "video": {"width": 3840, "height": 2160, "seconds": 99, "codec": "prores"}, "customer": {"team": "news"}, "preset": "hd",
            "renditions": list(renditions), **members}


def rendition(name="720p", **members):
    return {"name": name, "status": "done", "quality": "hq",
            "video": {"width": 1280, "height": 720, "seconds": 60.04, "codec": "libx264", "fps": "30000/1001"}, **members}


def mapped(bare, *settings):
    return Account(bare, "query.max_age=0", "query.max_span=0", *settings)


def test_a_map(bare):
    account = mapped(bare, f"adapter.ours.map={MAP}", "adapter.ours.codec.hd=h265")
    whole = ("transcode.finished", "h264", 1280, 720, 60040, "30000/1001")
    id = "9007199254740993/720p"
    rows = [
        (job(rendition()), id, whole),
        (job(rendition(), rendition("360p", video={"width": 640, "height": 360, "seconds": 60, "codec": "vp9"})), "9007199254740993/360p",
         ("transcode.finished", "vp9", 640, 360, 60000)),
        (job(rendition(video={"width": 1280, "height": 720, "seconds": 60})), id, ("transcode.finished", "h265", 1280, 720, 60000)),
        (job(rendition(video=None)), id, ("transcode.unresolved", "h265")),
        (job(rendition(video={"width": 0, "height": "x", "seconds": -1, "codec": "no codec"})), id, ("transcode.unresolved", "h265")),
        (job(rendition(finished_at="2026-02-03T11:00:00Z")), id, whole),
        (job(rendition(status="failed")), None, "output 0 is not finished: status is failed"),
        (job(rendition(status=None)), None, "status is not there"),
        (job(7, None, "x"), None, "output 2 is not an object"),
        (job(), None, "no list of outputs at renditions"),
        (job(renditions=None), None, "no list of outputs at renditions"),
        ({}, None, "no list of outputs at renditions"),
    ]
    check_rows(account, "ours", rows)
    for made in (job(rendition(name=None)), job(rendition(), job={}), job(renditions={"720p": rendition()})):
        assert is_set_aside(tell(account, "ours", made)), made
    assert counts(tell(account, "ours", job(rendition(), rendition("x", status="failed")))) == (1, 0, 0, 0, 0, 1)
    record = history(account, "ours", id)[0]
    assert record["time"] == "2026-02-03T12:00:00.000Z" and record["data"]["labels"] == {"team": "news"}
    assert record["data"]["src_url"] == "s3://in/a.mov" and record["data"]["quality"] == "hq"
    assert record["data"]["task_id"] == "9007199254740993"


def test_a_map_without_an_id_for_each_output(bare):
    """Equal outputs of one id would be duplicates in silence. The notice waits until the map is mended."""
    account = mapped(bare, "adapter.ours.map=each=r, id=job, width=w, height=h, duration=s, codec=c")
    assert is_set_aside(tell(account, "ours", {"job": 1, "r": [{"w": 640, "h": 360, "s": 10, "c": "h264"}] * 3}))
    assert "two outputs have the id '1'" in account.server.log_text()


def test_a_map_of_one_output(bare):
    account = mapped(bare, "adapter.one.map=id=id, where=ok:true, codec=c, width=w, height=h, duration_ms=ms, time_s=at",
                     "adapter.two.map=each=o,id=$.job/n,codec=c,width=$.w,height=$.h,duration=$.seconds,time_ms=$.at")
    made = {"id": 12, "ok": True, "c": "av1", "w": "640", "h": 360, "ms": 1500, "at": 1770120000}
    assert counts(tell(account, "one", made)) == (1, 0, 0, 0, 0, 0)
    assert told(account, "one", "12") == ("transcode.finished", "av1", 640, 360, 1500)
    assert history(account, "one", "12")[0]["time"] == "2026-02-03T12:00:00.000Z"
    assert tell(account, "one", {**made, "ok": False}).json()["ignored"] == ["output 0 is not finished: ok is false"]
    made = {"job": "j", "w": 640, "h": 360, "seconds": "2.5", "at": 1770120000123, "o": [{"n": 1, "c": "h264"}, {"n": 2, "c": "vp9"}]}
    assert counts(tell(account, "two", made)) == (2, 0, 0, 0, 0, 0)
    assert told(account, "two", "j/2") == ("transcode.finished", "vp9", 640, 360, 2500)
    assert history(account, "two", "j/1")[0]["time"] == "2026-02-03T12:00:00.123Z"


def test_ids_of_a_map_are_one_to_one(bare):
    """Two outputs that differ never get one identity: the second would be taken for a copy of the first."""
    rest = "codec=c, width=w, height=h, duration_ms=ms, time_s=$.at"
    account = mapped(bare, f"adapter.parts.map=id=folder/name, {rest}", f"adapter.jobs.map=each=o, id=id, {rest}")
    made = {"c": "av1", "w": 640, "h": 360, "ms": 1500, "at": 1770120000}
    for folder, name, id in (("a/b", "c", "a%2Fb/c"), ("a", "b/c", "a/b/c"), ("a%2Fb", "c", "a%252Fb/c")):
        assert counts(tell(account, "parts", {**made, "folder": folder, "name": name})) == (1, 0, 0, 0, 0, 0)
        assert told(account, "parts", id) == ("transcode.finished", "av1", 640, 360, 1500)
    notice = {"id": "job", "at": 1770120000, "o": [made, made]}
    assert is_set_aside(tell(account, "jobs", notice))
    assert "two outputs have the id 'job'" in account.server.log_text()
    for n, output in enumerate(notice["o"]):
        notice["o"][n] = {**output, "id": n}
    assert counts(tell(account, "jobs", notice)) == (2, 0, 0, 0, 0, 0)


def test_the_map_of_the_documentation(bare):
    with open(os.path.join(ROOT, "docs", "adapters.md"), encoding="utf-8") as file:
        _, _, page = file.read().partition("## A service that is not listed: a map\n")
    blocks = page.split("\n```\n")
    settings = [line.replace(" = ", "=", 1) for line in blocks[1].splitlines() if line.startswith("ours.")]
    account = mapped(bare, *[f"adapter.{setting}" for setting in settings])
    assert counts(tell(account, "ours", blocks[3])) == (1, 0, 0, 0, 0, 0)
    assert told(account, "ours", "9001/720p") == ("transcode.finished", "h264", 1280, 720, 60040)


@pytest.mark.parametrize("map,words", [
    ("width=w", "the map names no id"), ("", None), ("id", "write FIELD=PATH"), ("id=", "write FIELD=PATH"), ("=a", "unknown field ''"),
    ("id=a, id=b", "has 'id' twice"), ("id=a, widht=w", "unknown field 'widht'"), ("id=a, width=w/v", "only id may have several"),
    ("id=a, where=status", "must be PATH:VALUE"), ("id=a, where=status:", "must be PATH:VALUE"), ("id=a//b", "has the path ''"),
    ("id=a, label.=b", "a label's name has"), ("id=a, label.A=b", "a label's name has"), ("id=a, label.1=b", "a label's name has"),
    ("id=a, label." + "x" * 33 + "=b", "a label's name has"), ("id=a," + ",".join(f"label.l{n}=a" for n in range(9)), "more than 8 labels"),
    ("id=a..b", "has the path 'a..b'"), ("id=a, width=a b. c", "has the path 'a b. c'"),
])
def test_a_map_that_is_wrong_stops_the_start(bare, map, words):
    done = run("serve", "--data", bare.data, "--listen", "127.0.0.1:0", "--set", f"adapter.ours.map={map}", check=False)
    assert done.returncode != 0 and "adapter.ours.map" in done.stderr, done
    assert words is None or words in done.stderr, done


def test_generic_without_a_map(account):
    reply = tell(account, "generic", {})
    assert reply.status == 400 and "adapter.NAME.map" in reply.json()["detail"]
