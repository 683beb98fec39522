"""AWS Elemental MediaConvert and Tencent Cloud: their notices in every envelope, and their lists of jobs. What is counted,
what waits, what is said; and one identity for one output, whichever way it comes. tests/data/adapters/README.md names the
vendors' pages. The members are those of the SDKs' models: AWS mediaconvert 2017-08-29, Tencent mps v20190612 and vod
v20180717."""
import copy
import json
import os
import random

import pytest

from conftest import Account, run
from test_adapters import counts, notice, shown, tell, totals, unresolved

TIME = "2026-02-03T13:10:59.573Z"  # 1770124259573


def latest(account, source, id):
    """The record that counts, after one that waited."""
    return account.server.admin("history", "--project", "org-a", "--source", source, "--id", id)[-1]


def check(account, adapter, body, stored=None, waits=None, remarks=()):
    """`stored`: measures by id; `waits`: what is missing by id; `remarks`: a part of each, in order."""
    stored, waits = stored or {}, waits or {}
    reply = tell(account, adapter, body)
    assert counts(reply)[:5] == (len(stored), 0, 0, 0, len(waits)), reply.body
    said = reply.json()["ignored"]
    assert len(said) == len(remarks) and all(part in text for part, text in zip(remarks, said)), (said, remarks)
    for id, measures in stored.items():
        data = latest(account, adapter, id)["data"]
        assert {name: data.get(name) for name in measures} == measures, id
    waiting = {item["id"]: item["missing"] for item in unresolved(account)}
    assert {id: waiting.get(id) for id in waits} == waits
    return reply


def measures(codec, width, height, seconds, **more):
    return {"codec": codec, "width": width, "height": height, "duration_ms": seconds * 1000, **more}


# ---- MediaConvert: a notice ----


def made(path=None, width=None, height=None, seconds=None):
    """An output of a notice."""
    output = {}
    if path is not None:
        output["outputFilePaths"] = [path]
    if seconds is not None:
        output["durationInMs"] = seconds * 1000
    if width is not None:
        output["videoDetails"] = {"widthInPx": width, "heightInPx": height, "averageBitrate": 2405411}
    return output


def group(*outputs, type="FILE_GROUP", **more):
    return {"outputDetails": list(outputs), "type": type, **more}


def event(job, *groups, metadata=None, **detail):
    return {"version": "0", "id": "1", "detail-type": "MediaConvert Job State Change", "source": "aws.mediaconvert",
            "account": "123412341234", "time": "2026-02-03T13:10:59Z", "region": "eu-west-1", "resources": [],
            "detail": {"timestamp": 1770124259573, "accountId": "123412341234",
                       "queue": "arn:aws:mediaconvert:eu-west-1:123412341234:queues/Default", "jobId": job,
                       "status": "COMPLETE", "userMetadata": metadata or {}, "outputGroupDetails": list(groups), **detail}}


HD = made("s3://out/v.mp4", 1280, 720, 60)


def one(job, codec="H_264", **more):
    return event(job, group(HD), metadata={"codec": codec}, **more)


def sns(message, **more):
    return {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:123412341234:mc",
            "Message": message if isinstance(message, str) else json.dumps(message), "Timestamp": "2026-02-03T13:11:00.000Z",
            "SignatureVersion": "1", "Signature": "x", **more}


def test_the_examples_of_amazon(old_account):
    job = "1536964333549-opn151"
    check(old_account, "mediaconvert", notice("mediaconvert-hls"), waits={f"{job}/0/0": "codec", f"{job}/0/1": "codec"})
    cmaf = notice("mediaconvert-cmaf")
    cmaf["detail"].update(jobId="cmaf", userMetadata={"codec": "AV1"})
    check(old_account, "mediaconvert", cmaf, {"cmaf/0/0": {
        "codec": "av1", "width": 1280, "height": 720, "duration_ms": 180041, "region": "us-west-2"}})


def test_envelopes(old_account):
    """Every way on which Amazon's services hand the event on, and one identity."""
    stored = {"job/0/0": measures("h264", 1280, 720, 60, region="eu-west-1", task_id="job")}
    check(old_account, "mediaconvert", one("job"), stored)
    assert shown(old_account, "mediaconvert", "job/0/0")["time"] == TIME
    sqs = {"messageId": "1", "body": json.dumps(sns(one("job"))), "eventSource": "aws:sqs"}
    for again in (one("job")["detail"], sns(one("job")), sns(one("job")["detail"]), {"Records": [sqs]},
                  {"Records": [{"EventSource": "aws:sns", "Sns": sns(one("job"))}]}, {"Messages": [{"Body": json.dumps(one("job"))}]},
                  {"Records": [{**sqs, "body": json.dumps(one("job"))}]}):
        assert counts(tell(old_account, "mediaconvert", again)) == (0, 1, 0, 0, 0, 0), again
    both = {"Records": [{**sqs, "body": json.dumps(one("job-a"))}, {**sqs, "body": json.dumps(one("job-b"))}]}
    assert counts(tell(old_account, "mediaconvert", both)) == (2, 0, 0, 0, 0, 0)
    again = tell(old_account, "mediaconvert", {"Records": [{**sqs, "body": json.dumps(one("job-c"))}] * 2})
    assert counts(again) == (1, 1, 0, 0, 0, 1)
    assert again.json()["ignored"] == ["output job-c/0/0: the notice has this id more than once, and it counts once"]


def test_a_subscription_that_waits_for_its_confirmation(account):
    """The log says which address an operator has to visit. Such an address is longer than a line."""
    address = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=" + "2336412f" * 40
    asked = {**sns("You have chosen to subscribe"), "Type": "SubscriptionConfirmation", "SubscribeURL": address, "Token": "t"}
    check(account, "mediaconvert", asked, remarks=[f"visit {address}"])
    assert f"visit {address}" in account.server.log_text()
    for other in ("javascript:x", "http://sns.eu-west-1.amazonaws.com/", "https://sns.example.org/", "https://sns@example.org/.amazonaws.com",
                  "https://sns.example.org?.amazonaws.com/", "https://sns.example.org#.amazonaws.com", "https://x.amazonaws.com/",
                  "https://sns\\example.org/.amazonaws.com", "https:/sns.amazonaws.com", "https://sns", "https://"):
        check(account, "mediaconvert", {**asked, "SubscribeURL": other}, remarks=[f"is not Amazon's, so do not visit it unless you know it: {other}"])
    for odd in ({**asked, "SubscribeURL": None}, {**asked, "Type": "UnsubscribeConfirmation"}, {**asked, "Type": None}):
        check(account, "mediaconvert", odd, remarks=["no notification"])


def test_outputs_that_are_no_transcode(old_account):
    """Pictures, captions and sound; the least doubt makes an output wait."""
    video, hls = made("s3://out/v.mp4", 900, 720, 15), made("s3://out/vhls.m3u8", 900, 720, 15)
    check(old_account, "mediaconvert", event(
        "pictures", group(video, made("s3://out/v.0000000.jpg", 1350, 1080, 1), made("s3://out/v.PNG", 1350, 1080, 1)),
        group(hls, made("s3://out/vcaptions.m3u8", seconds=0), made("s3://out/sound.m3u8", seconds=15), type="HLS_GROUP"),
        metadata={"codec": "H_264"}),
        waits={"pictures/0/0": "codec", "pictures/1/0": "codec"},
        remarks=["output 1 of group 0 is a picture, no transcode: s3://out/v.0000000.jpg", "output 2 of group 0 is a picture",
                 "output 1 of group 1 has no video: s3://out/vcaptions.m3u8", "output 2 of group 1 has no video, unlike others",
                 "userMetadata.codec is not used"])
    alone = event("alone", group(made("s3://out/v.mp4", 900, 720, 15), made("s3://out/v.0000000.jpg", 900, 720, 1)),
                  metadata={"codec": "H_264"})
    check(old_account, "mediaconvert", alone, {"alone/0/0": measures("h264", 900, 720, 15)}, remarks=["is a picture"])
    check(old_account, "mediaconvert", event(
        "details", {"playlistFilePaths": ["s3://out/c/v.mpd", "s3://out/c/v.m3u8"], "type": "CMAF_GROUP"}, {},
        group(made("s3://out/v.mp4", seconds=120)), group(made("s3://out/v.m3u8", seconds=120), type="HLS_GROUP"),
        group(made("s3://out/v.vtt", seconds=120), made("s3://out/v.m4a", seconds=120), made("s3://out/v.mov"))),
        waits={"details/2/0": "codec, width, height", "details/3/0": "codec, width, height"},
        remarks=["group 0 (CMAF_GROUP) lists only playlists (s3://out/c/v.mpd)", "group 1 (no type) lists no outputs",
                 "has captions", "has sound", "has no video"])


def test_a_codec_for_each_output(old_account):
    """One codec for a job with several outputs says nothing: they can differ."""
    groups = (group(made("s3://out/v-avc.mp4", 1280, 720, 60)), group(made("s3://out/v-hevc.mp4", 1920, 1080, 60),
                                                                      made("s3://out/v-low.mp4", 640, 360, 60)))
    for metadata, codecs in (
            ({"codec": "H_264"}, ("", "", "")), ({"codec.all": "H_264"}, ("h264", "h264", "h264")),
            ({"codec.0": "H_264", "codec.1": "H_265"}, ("h264", "h265", "h265")),
            ({"codec.1": "H_265", "codec.1.1": "AV1"}, ("", "h265", "av1")),
            ({"codec.all": "no codec", "codec.0.0": "H_264"}, ("h264", "", "")), ({"codec.2.0": "H_264"}, ("", "", ""))):
        job = "-".join(metadata) + codecs[0]
        ids = dict(zip((f"{job}/0/0", f"{job}/1/0", f"{job}/1/1"), codecs))
        check(old_account, "mediaconvert", event(job, *groups, metadata=metadata),
              {id: {"codec": codec} for id, codec in ids.items() if codec}, {id: "codec" for id, codec in ids.items() if not codec},
              ["userMetadata.codec is not used, because the job may have several outputs"] if "codec" in metadata else ())
    # What lists only playlists may hide an output with another codec.
    check(old_account, "mediaconvert", event("hidden", group(HD), {"playlistFilePaths": ["s3://v.mpd"]}, metadata={"codec": "H_264"}),
          waits={"hidden/0/0": "codec"}, remarks=["lists only playlists", "userMetadata.codec is not used"])


def test_rules_for_presets_and_names(bare):
    account = Account(bare, "adapter.mediaconvert.codec.-hevc=h265", "adapter.mediaconvert.codec._1080.hevc=av1",
                      "adapter.mediaconvert.codec.hd=vp9", "query.max_age=0")
    names = {"v-hevc.mp4": "h265", "a.b-hevc.m3u8": "h265", "v-HEVC.mp4": "", "v-avc.mp4": "", "4k-uhd.mp4": "", "hevc.mp4": "",
             "v_1080.hevc.mp4": "av1"}
    ids = {f"names/0/{n}": codec for n, codec in enumerate(names.values())}
    check(account, "mediaconvert", event("names", group(*(made(f"s3://out/{name}", 640, 360, 5) for name in names))),
          {id: {"codec": codec} for id, codec in ids.items() if codec}, {id: "codec" for id, codec in ids.items() if not codec})
    two = group(made("s3://a.mp4", 640, 360, 5), made("s3://b.mp4", 640, 360, 5))
    check(account, "mediaconvert", event("preset", two, metadata={"preset.0.1": "hd"}),
          {"preset/0/1": {"codec": "vp9"}}, {"preset/0/0": "codec"})
    check(account, "mediaconvert", event("all", two, metadata={"preset": "hd"}), {f"all/0/{n}": {"codec": "vp9"} for n in (0, 1)})
    bare.stop()
    bare.settings = ["adapter.mediaconvert.codec=mpeg2", "adapter.mediaconvert.codec.-hevc=h265"]
    bare.start()
    check(account, "mediaconvert", event("general", group(made("s3://v-hevc.mp4", 640, 360, 5), made(None, 640, 360, 5))),
          {"general/0/0": {"codec": "h265"}, "general/0/1": {"codec": "mpeg2video"}})


BAD_MEDIACONVERT = (
    ({"detail-type": "MediaConvert Queue Hop", "detail": {}}, "detail-type is not MediaConvert Job State Change"),
    ({**event("a"), "version": "1"}, "an event of version 1"),
    ({**event("a"), "detail": "x"}, "no detail"), ({**event("a"), "detail": None}, "no detail"),
    (event("a", status="ERROR"), "job a: status is not COMPLETE: ERROR"),
    (event("a", status="STATUS_UPDATE"), "status is not COMPLETE: STATUS_UPDATE"), (event("a", status=None), "COMPLETE: none"),
    (event(None, group(HD)), "no id"), (event("", group(HD)), "no id"), (event({}, group(HD)), "no id"),
    (event("a"), "no list of outputs"), (event("a", outputGroupDetails={"outputDetails": []}), "no list of outputs"),
    (event("a", outputGroupDetails="x"), "no list of outputs"), (event("a", None), "lists no outputs"), (event("a", 7), "lists no outputs"),
    (event("a", {"outputDetails": "x"}), "lists no outputs"), (event("a", group(None)), "cannot be read"),
    (event("a", group("s3://v.mp4")), "cannot be read"),
    (sns("hello"), "not JSON"), (sns("7"), "not JSON"), (sns("{}"), "neither an event"), ({**sns("x"), "Message": None}, "not JSON"),
    ({"Records": [{}]}, "not JSON"), ({"Records": [7]}, "not JSON"), ({"Records": "x"}, "neither an event"), ({"Records": []}, "nothing in the notice"), ({"Jobs": []}, "nothing in the notice"),
    (sns(sns(sns(sns(sns(one("a")))))), "envelopes"), ({"Jobs": [None]}, "no id"), ({"Job": {"Id": "a"}}, "COMPLETE: none"),
    ({"Job": 7}, "neither an event"), ({"a": [1, 2]}, "neither an event"),
)


@pytest.mark.parametrize("adapter,cases", (("mediaconvert", BAD_MEDIACONVERT),))
def test_bad_notices_of_amazon(account, adapter, cases):
    for body, reason in cases:
        check(account, adapter, body, remarks=[reason])
    assert unresolved(account) == []


def test_odd_values_of_amazon(old_account):
    """Numbers as texts are taken; what is no measure is waited for; ids stay exact."""
    def odd(job, **more):
        return event(job, group({**HD, **more}), metadata={"codec": "H_264"})
    check(old_account, "mediaconvert", odd("texts", durationInMs="60000", videoDetails={"widthInPx": "1280", "heightInPx": "720"}),
          {"texts/0/0": measures("h264", 1280, 720, 60)})
    check(old_account, "mediaconvert", odd("point", durationInMs=60000.0), {"point/0/0": {"duration_ms": 60000}})
    for job, more, missing in (("a", {"videoDetails": {}}, "width, height"), ("b", {"videoDetails": True}, "width, height"),
                               ("c", {"durationInMs": None}, "duration_ms")):
        check(old_account, "mediaconvert", odd(job, **more), waits={f"{job}/0/0": missing})
    for job, more, missing in (("d", {"videoDetails": {"widthInPx": 0, "heightInPx": 720}}, "width"), ("e", {"durationInMs": -1}, "duration_ms"),
                               ("f", {"durationInMs": "long"}, "duration_ms")):
        reply = tell(old_account, "mediaconvert", odd(job, **more))
        assert counts(reply)[:5] == (0, 0, 0, 0, 1), reply.body
        assert {item["id"]: item["missing"] for item in unresolved(old_account)}[f"{job}/0/0"] == missing
    for job in (1770124248480123456, 1770124248480123457, "1770124248480123458"):
        check(old_account, "mediaconvert", one(job), {f"{job}/0/0": {"codec": "h264", "task_id": str(job)}})
    stateless = one("time")
    stateless["detail"]["timestamp"] = "soon"
    check(old_account, "mediaconvert", stateless, {"time/0/0": {"codec": "h264"}})
    assert shown(old_account, "mediaconvert", "time/0/0")["time"] == "2026-02-03T13:10:59.000Z", "that of the event"


# ---- MediaConvert: jobs ----


def video(codec, width=None, height=None, **settings):
    member = {"H_264": "H264Settings", "H_265": "H265Settings", "AV1": "Av1Settings", "PRORES": "ProresSettings"}.get(codec, "X")
    sizes = {name: value for name, value in (("Width", width), ("Height", height)) if value}
    return {"VideoDescription": {"CodecSettings": {"Codec": codec, member: settings}, **sizes}}


def sound(*codecs):
    return {"AudioDescriptions": [{"CodecSettings": {"Codec": codec}} for codec in codecs]}


def detail(width=None, height=None, seconds=60):
    sizes = {"VideoDetails": {"WidthInPx": width, "HeightInPx": height}} if width else {}
    return {"DurationInMs": seconds * 1000, **sizes}


def job(id, details, settings, finished="2026-02-03T13:10:58+00:00", automatic=(), **more):
    """`details` and `settings`: a list for each group."""
    groups = [{"Outputs": outputs, **({"AutomatedEncodingSettings": {"AbrSettings": {}}} if n in automatic else {})}
              for n, outputs in enumerate(settings)]
    return {"Arn": f"arn:aws:mediaconvert:eu-west-1:123412341234:jobs/{id}", "Id": id, "Status": "COMPLETE",
            "Queue": "arn:aws:mediaconvert:eu-west-1:123412341234:queues/Default", "Role": "r",
            "Timing": {"SubmitTime": finished, "FinishTime": finished}, "UserMetadata": {},
            "OutputGroupDetails": [{"OutputDetails": outputs} for outputs in details],
            "Settings": {"Inputs": [], "OutputGroups": groups}, **more}


def lower(value):
    """The same as Amazon's service sends it: outputGroupDetails."""
    if isinstance(value, list):
        return [lower(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {name[0].lower() + name[1:]: lower(element) for name, element in value.items()}


def test_a_job_resolves_what_its_notice_left_open(old_account):
    """The vendor's notice waits, its job counts it once, and neither of them counts again."""
    id = "1671476818694-phptj0/0/0"
    check(old_account, "mediaconvert", notice("mediaconvert"), waits={id: "codec"})
    assert totals(old_account) == {}
    check(old_account, "mediaconvert", notice("mediaconvert-get-job"), {id: {
        "codec": "h265", "codec_reported": "H_265", "width": 1920, "height": 1080, "duration_ms": 30041, "frame_rate": "30000/1001",
        "quality": "MULTI_PASS_HQ", "passes": 2, "region": "us-west-2", "task_id": "1671476818694-phptj0"}})
    assert unresolved(old_account) == [] and totals(old_account) == {("h265", "HighDefinitionTime"): 30}
    for again in (notice("mediaconvert"), notice("mediaconvert-get-job"), lower(notice("mediaconvert-get-job")),
                  notice("mediaconvert-get-job")["Job"]):
        assert counts(tell(old_account, "mediaconvert", again)) == (0, 1, 0, 0, 0, 0)
    assert totals(old_account) == {("h265", "HighDefinitionTime"): 30}


def test_a_job_and_a_notice_of_what_was_counted(old_account):
    """The job's finish time has whole seconds and is not the notice's. It is a duplicate all the same, in either order."""
    settings = [[video("H_264")]]
    for finished in ("2026-02-03T13:10:58+00:00", "2026-02-03T13:11:30Z", "2026-02-03 13:10:59+00:00", 1770124259, "1770124259.0"):
        id = f"first {finished}"
        check(old_account, "mediaconvert", one(id), {f"{id}/0/0": measures("h264", 1280, 720, 60)})
        listed = job(id, [[detail(1280, 720)]], settings, finished)
        assert counts(tell(old_account, "mediaconvert", {"Job": listed})) == (0, 1, 0, 0, 0, 0), finished
        listed["Id"] = id = f"later {finished}"
        check(old_account, "mediaconvert", {"Jobs": [listed]}, {f"{id}/0/0": measures("h264", 1280, 720, 60)})
        assert counts(tell(old_account, "mediaconvert", one(id))) == (0, 1, 0, 0, 0, 0), finished
    other = job("first 1770124259", [[detail(1280, 720)]], [[video("H_265")]], 1770130000)
    reply = tell(old_account, "mediaconvert", {"Job": other})
    assert counts(reply)[2] == 1 and "codec: stored h264, reported h265; time: " in reply.json()["results"][0]["reason"]


def test_settings_of_jobs(old_account):
    """Only what settings state for certain: nothing connects an output to its settings but its place."""
    a, b = detail(1280, 720), detail(640, 360)
    both = [[a, b]]
    rate = {"FramerateControl": "SPECIFIED", "FramerateNumerator": 24, "FramerateDenominator": 1}
    cases = (
        ("places", both, [[video("H_264", **rate), video("H_265")]], (), ("h264", "h265"), 24),
        ("sizes", both, [[video("H_264", 1280, 720), video("H_265", 640, 360)]], (), ("h264", "h265"), None),
        ("crossed", both, [[video("H_264", 640, 360), video("H_265", 1280, 720)]], (), ("", ""), None),
        ("crossed, of one codec", both, [[video("AV1", 640, 360, **rate), video("AV1", 1280, 720)]], (), ("av1", "av1"), None),
        ("more", both, [[video("H_264"), video("H_265"), video("AV1")]], (), ("", ""), None),
        ("fewer, of one codec", both, [[video("H_264", **rate), sound("AAC")]], (), ("h264", "h264"), None),
        ("automatic", both, [[video("H_265", **rate), sound("AAC")]], (0,), ("h265", "h265"), None),
        ("automatic, of two codecs", both, [[video("H_265"), video("H_264")]], (0,), ("", ""), None),
        ("preset", both, [[{"Preset": "System-Avc"}, video("H_264")]], (), ("", "h264"), None),
        ("preset elsewhere", both, [[{"Preset": "p"}, video("H_264"), video("H_264")]], (), ("", ""), None),
        ("follows", both, [[video("H_264", FramerateControl="INITIALIZE_FROM_SOURCE", FramerateNumerator=24, FramerateDenominator=1),
                            video("H_264")]], (), ("h264", "h264"), None),
        ("halves", both, [[video("PRORES", FramerateControl="SPECIFIED", FramerateNumerator=24), video("VC3")]], (), ("prores", "dnxhd"), None),
        ("groups", [[a], [b]], [[video("H_264")]], (), ("h264", "h264"), None),
        ("groups, of two codecs", [[a], [b]], [[video("H_264"), video("AV1")]], (), ("", ""), None),
        ("none", both, [], (), ("", ""), None), ("empty", both, [[{}, {}]], (), ("", ""), None),
        ("wrong", both, [[{"VideoDescription": 7}, {"VideoDescription": {"CodecSettings": {"Codec": []}}}]], (), ("", ""), None),
    )
    for id, details, settings, automatic, codecs, frame_rate in cases:
        ids = [f"{id}/{g}/{n}" for g, outputs in enumerate(details) for n in range(len(outputs))]
        waits = {name: "codec" for name, codec in zip(ids, codecs) if not codec}
        stored = {name: {"codec": codec} for name, codec in zip(ids, codecs) if codec}
        if codecs[0]:
            stored[ids[0]]["frame_rate"] = frame_rate
        check(old_account, "mediaconvert", {"Job": job(id, details, settings, automatic=automatic)}, stored, waits)


def test_jobs_with_sound_and_pictures(old_account):
    passed = video("PASSTHROUGH")
    details = [[detail(1280, 720), detail(1280, 720), detail(), detail(), detail(), detail()], [detail(640, 360)]]
    settings = [[video("H_264"), video("FRAME_CAPTURE"), sound("AAC", "AAC"), sound("AAC", "MP3"), {"CaptionDescriptions": [{}]},
                 sound("PASSTHROUGH")], [passed]]
    check(old_account, "mediaconvert", {"Jobs": [job("a", details, settings), {**job("b", [], []), "Status": "ERROR"}]},
          {"a/0/0": measures("h264", 1280, 720, 60), "a/0/2": {"codec": "aac", "duration_ms": 60000}, "a/0/5": {"duration_ms": 60000},
           "a/1/0": {"duration_ms": 60000}},
          remarks=["job a: output 1 of group 0 is made of pictures", "output 3 of group 0 has no video",
                   "output 4 of group 0 has no video", "job b: status is not COMPLETE: ERROR"])
    assert [shown(old_account, "mediaconvert", id)["type"] for id in ("a/0/2", "a/0/5", "a/1/0")] == [
        "audio.finished", "remux.finished", "remux.finished"]


def test_rules_for_presets_of_jobs(bare):
    account = Account(bare, "adapter.mediaconvert.codec.System-Avc=h264", "adapter.mediaconvert.codec._x=av1", "query.max_age=0")
    settings = [[{"Preset": "System-Avc"}, {"Preset": "other", "NameModifier": "_x"}, {"Preset": "other"}]]
    check(account, "mediaconvert", {"Job": job("a", [[detail(1280, 720)] * 3], settings)},
          {"a/0/0": {"codec": "h264"}, "a/0/1": {"codec": "av1"}}, {"a/0/2": "codec"})


def test_a_rule_does_not_speak_for_an_output_without_a_size(bare):
    """It waits in any case, and the job's own settings have the last word."""
    account = Account(bare, "adapter.mediaconvert.codec=h264", "query.max_age=0")
    check(account, "mediaconvert", event("a", group(made("s3://v.mp4", seconds=60), made("s3://w.mp4", seconds=60))),
          waits={"a/0/0": "codec, width, height", "a/0/1": "codec, width, height"})
    check(account, "mediaconvert", {"Job": job("a", [[detail(1280, 720), detail()]], [[video("H_265"), sound("AAC")]])},
          {"a/0/0": {"codec": "h265"}, "a/0/1": {"codec": "aac"}})


def test_a_list_of_more_outputs_than_a_notice_may_have(old_account, tmp_path):
    """Jobs with automated ABR, whose outputs are short: each piece of the list has fewer than 1000 of them."""
    jobs = [job(f"abr-{n}", [[detail(1280, 720)] * 40], [[video("H_265")]], automatic=(0,)) for n in range(100)]
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps({"Jobs": jobs}))
    done = run("import", path, "--url", old_account.server.url, "--token", old_account.token, "--adapter", "mediaconvert", "--json")
    told = json.loads(done.stdout)
    assert (told["stored"], told["quarantined"]) == (4000, 0), done


# ---- Tencent ----


def transcoded(**more):
    result = copy.deepcopy(notice("tencent-mps")["WorkflowTaskEvent"]["MediaProcessResultSet"][0]["TranscodeTask"])
    result["FinishTime"] = "2026-02-03T12:01:00Z"
    result["Output"].update(more)
    return result


def workflow(id, *results, **more):
    return {"EventType": "WorkflowTask", "WorkflowTaskEvent": {
        "TaskId": id, "Status": "FINISH", "ErrCode": 0, "Message": "", "InputInfo": {"Type": "COS"},
        "MediaProcessResultSet": list(results), **more}, "ScheduleTaskEvent": None}


def transcode(result=None):
    return {"Type": "Transcode", "TranscodeTask": result or transcoded(), "AdaptiveDynamicStreamingTask": None}


def schedule(id, *results, **more):
    return {"EventType": "ScheduleTask", "WorkflowTaskEvent": None, "ScheduleTaskEvent": {
        "TaskId": id, "Status": "FINISH", "ErrCode": 0, "Message": "", "InputInfo": {}, "ActivityResultSet": [
            {"ActivityType": "action-trans", "ActivityResItem": result} for result in results], **more}}


LOW = {"codec": "h264", "width": 640, "height": 480, "duration_ms": 60047, "frame_rate": 24}


def test_the_examples_of_tencent(old_account):
    vod = "1256768367-Procedure-475b72xxxcb177t1"
    check(old_account, "tencent-mps", notice("tencent-vod"), {f"{vod}/0": {
        **LOW, "dest_name": "https://1256768367.vod2.myqcloud.com/xxx/xxx/v.f20.mp4",
        "src_url": "https://1256768367.vod2.myqcloud.com/xxx/xxx/xxx.mp4"}}, remarks=["result 1 is not a transcode: CoverBySnapshot"])
    pulled = {"Response": {"EventSet": [{"EventHandle": "h", **notice("tencent-vod")}], "RequestId": "r"}}
    assert counts(tell(old_account, "tencent-mps", pulled)) == (0, 1, 0, 0, 0, 1)
    asked = notice("tencent-mps-task-detail")
    id = asked["Response"]["WorkflowTask"]["TaskId"]
    check(old_account, "tencent-mps", asked, {f"{id}/0": {"codec": "h264", "width": 320, "height": 240, "duration_ms": 380958,
                                                          "dest_bucket": "vodtestgz-235303****"}})
    assert shown(old_account, "tencent-mps", f"{id}/0")["time"] == "2019-07-16T06:21:46.000Z", "the task's"


def test_one_identity_whichever_way_a_task_comes(old_account):
    """The notice, ParseNotification, a queue, DescribeTaskDetail with and without its envelope."""
    for kind, made_of, member in (("WorkflowTask", workflow("w", transcode()), "WorkflowTaskEvent"),
                                  ("ScheduleTask", schedule("s", {"TranscodeTask": transcoded()}), "ScheduleTaskEvent")):
        task = made_of[member]
        check(old_account, "tencent-mps", made_of, {f"{task['TaskId']}/0": LOW})
        asked = {"TaskType": kind, "Status": "FINISH", "FinishTime": "2026-02-03T12:01:30Z", kind: task}
        for again in ({"Response": made_of}, {"msgBody": json.dumps(made_of), "msgId": "1"}, asked, {"Response": asked}):
            assert counts(tell(old_account, "tencent-mps", again)) == (0, 1, 0, 0, 0, 0), again
    asked = {"TaskType": "Procedure", "Status": "FINISH", "ProcedureTask": notice("tencent-vod")["ProcedureStateChangeEvent"]}
    check(old_account, "tencent-mps", asked, {"1256768367-Procedure-475b72xxxcb177t1/0": LOW}, remarks=["CoverBySnapshot"])


def adaptive(**output):
    return {"Type": "AdaptiveDynamicStreaming", "TranscodeTask": None, "AdaptiveDynamicStreamingTask": {
        "Status": "SUCCESS", "Input": {"Definition": 10}, "FinishTime": "2026-02-03T12:01:00Z",
        "Output": {"Definition": 10, "Package": "HLS", "Path": "/out/adp.10.m3u8", "Storage": {"Type": "COS"}, **output}}}


def test_adaptive_streaming_waits(old_account):
    check(old_account, "tencent-mps", workflow("a", transcode(), adaptive()), {"a/0": LOW}, {"a/1": "codec, width, height, duration_ms"})
    check(old_account, "tencent-mps", schedule("b", {"AdaptiveDynamicStreamingTask": adaptive()["AdaptiveDynamicStreamingTask"]}),
          waits={"b/0": "codec, width, height, duration_ms"})
    streams = [{"Type": "video", "Width": 1920, "Height": 1080, "Size": 0}, {"Type": "audio"}, {"Type": "video", "Width": 640, "Height": 360}]
    of_vod = {"EventType": "ProcedureStateChanged", "ProcedureStateChangeEvent": workflow("c", adaptive(SubStreamSet=streams))["WorkflowTaskEvent"]}
    check(old_account, "tencent-mps", of_vod, waits={"c/0/0": "codec, duration_ms", "c/0/2": "codec, duration_ms"})
    failed = adaptive()
    failed["AdaptiveDynamicStreamingTask"].update(Status="FAIL", Output=None)
    check(old_account, "tencent-mps", workflow("d", failed), remarks=["task d: result 0 did not succeed: FAIL"])


def test_sound_and_changes_of_container(old_account):
    silent = {"VideoStreamSet": [], "Width": 0, "Height": 0}
    for id, output, type, codec in (("sound", silent, "audio.finished", "aac"), ("remux", {"Definition": 875}, "remux.finished", None)):
        check(old_account, "tencent-mps", workflow(id, transcode(transcoded(**output))), {f"{id}/0": {"codec": codec, "duration_ms": 60047}})
        assert shown(old_account, "tencent-mps", f"{id}/0")["type"] == type
    check(old_account, "tencent-mps", workflow("short", transcode(transcoded(**silent, Duration=None))), remarks=["no duration"])
    for id, output, missing in (
            ("doubt", {"VideoStreamSet": []}, "codec"), ("null", {"VideoStreamSet": None, "Width": 0, "Height": 0}, "codec, width, height"),
            ("nothing", {**silent, "AudioStreamSet": []}, "codec, width, height")):
        assert counts(tell(old_account, "tencent-mps", workflow(id, transcode(transcoded(**output)))))[4] == 1, id
        assert {item["id"]: item["missing"] for item in unresolved(old_account)}[f"{id}/0"] == missing
    check(old_account, "tencent-mps", workflow("bare", transcode({"Status": "SUCCESS", "Output": None})),
          waits={"bare/0": "codec, width, height, duration_ms"})


@pytest.mark.parametrize("stream,frame_rate", (
    ({"Fps": 24}, 24), ({"Fps": 23}, None), ({"Fps": 29}, None), ({"Fps": 0}, None), ({"Fps": None}, None),
    ({"Fps": 29, "FpsNumerator": 30000, "FpsDenominator": 1001}, "30000/1001"), ({"Fps": 25, "FpsNumerator": 0, "FpsDenominator": 0}, 25)))
def test_frame_rates_of_tencent(old_account, stream, frame_rate):
    """Fps is an integer, so 29 may be 29.97."""
    output = transcoded()["Output"]
    output["VideoStreamSet"][0].update(stream)
    check(old_account, "tencent-mps", workflow("a", transcode(transcoded(**output))), {"a/0": {**LOW, "frame_rate": frame_rate}})


def test_times_of_tencent(old_account):
    """A time without a zone, and the one that is none, are as good as absent: the output counts when its notice comes."""
    for n, text in enumerate(("2026-02-03 20:01:00", "0000-00-00T00:00:00Z", "", None, "yesterday", "1970-01-01T08:00:00+08:00")):
        body = workflow(f"a-{n}", transcode({**transcoded(), "FinishTime": text}))
        assert counts(tell(old_account, "tencent-mps", body))[:5] == (1, 0, 0, 0, 0), text
        assert "time" not in shown(old_account, "tencent-mps", f"a-{n}/0"), text
    check(old_account, "tencent-mps", workflow("b", transcode({**transcoded(), "FinishTime": "2026-02-03T20:01:00+08:00"})), {"b/0": LOW})
    assert shown(old_account, "tencent-mps", "b/0")["time"] == "2026-02-03T12:01:00.000Z"


BAD_TENCENT = (
    ({}, "neither a notice nor a task"), ({"a": 1}, "neither a notice nor a task"), ({"EventType": "EditMediaTask", "EditMediaTaskEvent": {}}, "EditMediaTask"),
    ({"EventType": "WorkflowTask"}, "there is no WorkflowTaskEvent"), ({"EventType": "ScheduleTask", "WorkflowTaskEvent": {}}, "no ScheduleTaskEvent"),
    ({"EventType": "WorkflowTask", "WorkflowTaskEvent": "x"}, "there is no WorkflowTaskEvent"), ({"EventType": "WorkflowTaskV9"}, "WorkflowTaskV9"),
    ({"Response": {"TaskType": "LiveStreamProcessTask"}}, "LiveStreamProcessTask"), ({"Response": {"TaskSet": []}}, "DescribeTasks"),
    ({"Response": {"Error": {"Code": "ResourceNotFound", "Message": "m"}, "RequestId": "r"}}, "ResourceNotFound"),
    ({"Response": "x"}, "not a task"), ({"msgBody": "hello"}, "not a task"), ({"Response": {"EventSet": []}}, "nothing in the notice"),
    (workflow(None, transcode()), "no TaskId"), (workflow("a", transcode(), Status="PROCESSING"), "has not finished: PROCESSING"),
    (workflow("a", transcode(), Status="ABORTED"), "ABORTED"), (workflow("a", transcode(), Status=None), "has not finished: none"),
    (workflow("a", ErrCode=30000, Message="source"), "no results, ErrCode 30000 source"), (workflow("a", MediaProcessResultSet="x"), "no results"),
    (workflow("a", MediaProcessResultSet=None), "no results"), (workflow("a", None), "result 0 is not a transcode: no type"),
    (workflow("a", "x"), "result 0 is not a transcode"), (workflow("a", {"Type": "Transcode", "TranscodeTask": "x"}), "is not a transcode: Transcode"),
    (workflow("a", {"Type": "SampleSnapshot", "SampleSnapshotTask": {"Status": "SUCCESS"}}), "SampleSnapshot"),
    (workflow("a", {"Type": "AnimatedGraphics", "AnimatedGraphicTask": {"Status": "SUCCESS"}}), "AnimatedGraphics"),
    (workflow("a", transcode({"Status": "PROCESSING"})), "did not succeed: PROCESSING"), (workflow("a", transcode({"Output": {}})), "succeed: none"),
    (schedule("a", {"AnalysisTask": {"Status": "SUCCESS"}}), "is not a transcode: action-trans"), (schedule("a", None), "is not a transcode"),
)


def test_bad_notices_of_tencent(account):
    for body, reason in BAD_TENCENT:
        check(account, "tencent-mps", body, remarks=[reason])
    assert unresolved(account) == []


def test_odd_values_of_tencent(old_account):
    output = transcoded()["Output"]
    output.update(Duration="60.047")
    output["VideoStreamSet"][0].update(Width="640", Height="480")
    check(old_account, "tencent-mps", workflow("texts", transcode(transcoded(**output))), {"texts/0": LOW})
    output["VideoStreamSet"][0].update(Width=None, Height=None, Codec=7)
    check(old_account, "tencent-mps", workflow("elsewhere", transcode(transcoded(**output))), {"elsewhere/0": {"width": 640, "height": 480}})
    output["VideoStreamSet"][0].update(Codec="no codec")
    check(old_account, "tencent-mps", workflow("codec", transcode(transcoded(**output))), waits={"codec/0": "codec"})
    for id in (1770124248480123456, 1770124248480123457):
        check(old_account, "tencent-mps", workflow(id, transcode()), {f"{id}/0": {**LOW, "task_id": str(id)}})


# ---- whatever comes ----

ODD = (None, 0, -1, "", "x", True, [], {}, [None], [1], {"a": 1}, 1.5, 10**25, "\u20ac" * 200, "s3://a.jpg", "0000-00-00T00:00:00Z", "a\nb")


def paths(node, path=()):
    for name in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield path + (name,)
        yield from paths(node[name], path + (name,))


def changed(chance, node):
    """A copy in which a few members are removed, doubled or something else."""
    node = copy.deepcopy(node)
    for _ in range(chance.randint(1, 3)):
        choices = list(paths(node))
        if not choices:
            break
        *path, name = chance.choice(choices)
        place = node
        for step in path:
            place = place[step]
        what = chance.random()
        if what < 0.2 and isinstance(place, dict):
            del place[name]
        elif what < 0.3 and isinstance(place, list):
            place.insert(name, place[name])
        else:
            place[name] = copy.deepcopy(chance.choice(ODD))
    return node


def test_no_notice_is_passed_over_in_silence(old_account):
    """Each is read, without a fault of the script, and something is said of it."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    names = {"mediaconvert": ("mediaconvert", "mediaconvert-hls", "mediaconvert-cmaf", "mediaconvert-get-job"),
             "tencent-mps": ("tencent-mps", "tencent-vod", "tencent-mps-task-detail")}
    seeds = [(adapter, notice(name)) for adapter in names for name in names[adapter]]
    seeds += [("mediaconvert", {"Records": [{"Sns": sns(one("a"))}]}), ("tencent-mps", workflow("a", adaptive())),
              ("tencent-mps", schedule("a", {"TranscodeTask": transcoded()})), ("mediaconvert", {"Jobs": [
                  job("a", [[detail(1280, 720), detail()]], [[video("H_264", 1280, 720), sound("AAC")]])]})]
    for _ in range(1000):
        adapter, body = chance.choice(seeds)
        body = changed(chance, body)
        reply = tell(old_account, adapter, body)
        said = counts(reply)
        assert sum(said) > 0 and not reply.json().get("quarantined"), (body, reply.body)
