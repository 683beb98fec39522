"""Transcoders' own notices: each adapter on what its vendor prints (tests/data/adapters/README.md names the sources), what
is no output, what waits until somebody says what it is."""
import copy
import gzip
import json
import os
import resource
import subprocess
import time

import pytest

from client import event
from conftest import ROOT, Account, run, unless_sanitized, write_all

DATA = os.path.join(ROOT, "tests", "data", "adapters")


def notice(name):
    with open(os.path.join(DATA, f"{name}.json")) as file:
        return json.load(file)


def tell(account, adapter, body, query="", token=None, headers=None):
    body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return account.client.request("POST", f"/v1/adapters/{adapter}{query}", body,
                                  {"Authorization": f"Bearer {token or account.token}", **(headers or {})})


def counts(reply):
    assert reply.status == 200, reply.body
    body = reply.json()
    return tuple(body[name] for name in ("stored", "duplicate", "conflict", "rejected", "unresolved")) + (len(body["ignored"]),)


def shown(account, source, id):
    return account.server.admin("history", "--project", "org-a", "--source", source, "--id", id)[0]


def totals(account, begin=1500000000, end=1700000000):
    rows = account.client.stat(BeginTime=begin, EndTime=end)
    return {(row["VideoCodec"], name): row[name] for row in rows
            for name in ("SuperDefinitionTime", "HighDefinitionTime", "MidiumDefinitionTime", "LowDefinitionTime") if row[name]}


# ---- each vendor's example ----


def test_mediaconvert(old_account):
    made = notice("mediaconvert")
    assert counts(tell(old_account, "mediaconvert", made)) == (0, 0, 0, 0, 1, 0), "it names no codec"
    made["detail"]["userMetadata"] = {"codec": "no codec"}
    made["detail"]["jobId"] = "job-2"
    assert counts(tell(old_account, "mediaconvert", made)) == (0, 0, 0, 0, 1, 0), "nor is that one"
    made["detail"]["userMetadata"] = {"codec": "H_265"}
    made["detail"]["jobId"] = "job-3"
    assert counts(tell(old_account, "mediaconvert", made)) == (1, 0, 0, 0, 0, 0)
    assert counts(tell(old_account, "mediaconvert", made)) == (0, 1, 0, 0, 0, 0)
    one = shown(old_account, "mediaconvert", "job-3/0/0")
    assert one["time"] == "2022-12-19T19:07:12.124Z" and one["data"] == {
        "codec": "h265", "codec_reported": "H_265", "width": 1920, "height": 1080, "duration_ms": 30041, "task_id": "job-3",
        "dest_name": "s3://amzn-s3-demo-bucket/file/file.mp4", "region": "us-west-2"}


def test_mediaconvert_of_several_outputs(old_account):
    made = notice("mediaconvert")
    made["detail"]["userMetadata"] = {"codec.all": "h264"}
    [output] = made["detail"]["outputGroupDetails"][0]["outputDetails"]
    small = copy.deepcopy(output)
    small["videoDetails"].update(widthInPx=640, heightInPx=360)
    sound = {"durationInMs": 30041}
    made["detail"]["outputGroupDetails"] = [{"outputDetails": [output, sound]}, {"outputDetails": [small]}, {}]
    reply = tell(old_account, "mediaconvert", made)
    assert counts(reply) == (2, 0, 0, 0, 0, 2)
    empty, sound = reply.json()["ignored"]
    assert "group 2 (no type) lists no outputs" in empty and "output 1 of group 0 has no video" in sound
    assert totals(old_account) == {("h264", "HighDefinitionTime"): 30, ("h264", "LowDefinitionTime"): 30}


def test_tencent_mps(old_account):
    made = notice("tencent-mps")
    assert counts(tell(old_account, "tencent-mps", made, "?time=1563000000")) == (1, 0, 0, 0, 0, 0)
    id = made["WorkflowTaskEvent"]["TaskId"] + "/0"
    assert shown(old_account, "tencent-mps", id)["data"] == {
        "codec": "h264", "width": 640, "height": 480, "duration_ms": 60047, "frame_rate": 24, "task_id": made["WorkflowTaskEvent"]["TaskId"],
        "src_url": "/movie/201907/WildAnimal.mov", "dest_name": "/movie/201907/WildAnimal_transcode_20.mp4",
        "format": "mov,mp4,m4a,3gp,3g2,mj2"}, "the output's length, not that of MetaData, which is the input"
    assert totals(old_account) == {("h264", "LowDefinitionTime"): 60}
    assert counts(tell(old_account, "tencent-mps", {"Response": made}, "?time=1563000000")) == (0, 1, 0, 0, 0, 0)
    results = made["WorkflowTaskEvent"]["MediaProcessResultSet"]
    failed = copy.deepcopy(results[0])
    failed["TranscodeTask"].update(Status="FAIL", Output=None)
    finished = copy.deepcopy(results[0])
    finished["TranscodeTask"].update(FinishTime="2019-07-14T00:00:00Z")
    results[:] = [failed, {"Type": "SampleSnapshot", "SampleSnapshotTask": {}}, finished]
    reply = tell(old_account, "tencent-mps", made)
    assert counts(reply) == (1, 0, 0, 0, 0, 2)
    task = "task " + made["WorkflowTaskEvent"]["TaskId"]
    assert reply.json()["ignored"] == [f"{task}: result 0 did not succeed: FAIL", f"{task}: result 1 is not a transcode: SampleSnapshot"]
    assert shown(old_account, "tencent-mps", made["WorkflowTaskEvent"]["TaskId"] + "/2")["time"] == "2019-07-14T00:00:00.000Z"


def test_umedia(old_account):
    reply = tell(old_account, "umedia", notice("umedia-transcode"))
    assert counts(reply) == (0, 0, 0, 0, 1, 0)
    assert reply.json()["results"] == [{"index": 0, "id": "1/my_720p.mp4", "outcome": "unresolved", "reason":
                                        "codec: not in the notice; the output counts once `codecmeter unresolved resolve` supplies it"}]
    assert counts(tell(old_account, "umedia", notice("umedia-snapshot"))) == (1, 0, 0, 0, 0, 0)
    assert counts(tell(old_account, "umedia", notice("umedia-format"))) == (1, 0, 0, 0, 0, 0)
    assert shown(old_account, "umedia", "1")["type"] == "snapshot.finished"
    assert shown(old_account, "umedia", "1/my.m3u8")["data"]["duration_ms"] == 587000
    failed = {**notice("umedia-transcode"), "retcode": 71001}
    reply = tell(old_account, "umedia", failed)
    assert counts(reply) == (0, 0, 0, 0, 0, 1) and "retcode 71001" in reply.json()["ignored"][0]


def test_ffprobe(old_account, tmp_path):
    """What the real program prints."""
    file = tmp_path / "a.mp4"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=10:duration=2",
                    "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", file], check=True)
    printed = subprocess.run(["ffprobe", "-v", "error", "-print_format", "json", "-show_format", "-show_streams", file],
                             check=True, capture_output=True).stdout
    reply = tell(old_account, "ffprobe", printed, "?source=farm&id=a%2Fb&time=2020-11-01T12:00:00Z")
    assert counts(reply) == (1, 0, 0, 0, 0, 0)
    one = shown(old_account, "farm", "a/b")
    assert one["data"]["codec"] == "h264" and one["data"]["width"] == 640 and one["data"]["duration_ms"] == 2000
    assert tell(old_account, "ffprobe", printed).status == 400, "whose it is stands in the URL"
    probed = json.loads(printed)
    probed["streams"][0]["side_data_list"] = [{"side_data_type": "Display Matrix", "rotation": -90}]
    assert counts(tell(old_account, "ffprobe", probed, "?source=farm&id=turned")) == (1, 0, 0, 0, 0, 0)
    assert shown(old_account, "farm", "turned")["data"]["width"] == 360
    probed["streams"][0]["disposition"]["attached_pic"] = 1
    assert counts(tell(old_account, "ffprobe", probed, "?source=farm&id=cover")) == (0, 0, 0, 0, 0, 1)


# ---- what is no output ----


@pytest.mark.parametrize("adapter,body", [
    ("mediaconvert", {}), ("mediaconvert", {"detail-type": "MediaConvert Job State Change", "detail": {"status": "ERROR"}}),
    ("mediaconvert", {"detail-type": "MediaConvert Job State Change", "detail": {"status": "COMPLETE"}}),
    ("mediaconvert", {"detail-type": "EC2 Instance State-change Notification"}),
    ("tencent-mps", {"EventType": "EditMediaTask", "EditMediaTaskEvent": {}}), ("tencent-mps", {"EventType": "WorkflowTask"}),
    ("tencent-mps", {"EventType": "WorkflowTask", "WorkflowTaskEvent": {"Status": "PROCESSING", "TaskId": "a"}}),
    ("umedia", {}), ("umedia", {"retcode": 0}), ("umedia", {"task_id": "\u20ac" * 150, "retcode": "\u20ac" * 150}),
])
def test_what_is_ignored_is_answered_with_200_and_why(account, adapter, body):
    reply = tell(account, adapter, body)
    assert counts(reply) == (0, 0, 0, 0, 0, 1) and len(reply.json()["ignored"][0]) > 10


def test_bodies_that_are_no_notice(account):
    for body, status in (("", 400), ("{", 400), ("[]", 400), ("7", 400), (b"\xff", 400), ("{}", 200)):
        assert tell(account, "umedia", body).status == status, body
    assert tell(account, "umedia", gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}).status == 200
    assert account.client.request("GET", "/v1/adapters/umedia").status == 405
    assert tell(account, "nobody", {}).status == 404
    assert tell(account, "umedia", {"task_id": 1, "retcode": 0, "image_count": 1, "x": [[]] * 200000}).status == 200
    rejected = tell(account, "umedia", {"task_id": "a" * 300, "retcode": 0, "width": 1, "height": 1, "duration": 1})
    assert rejected.status == 200 and rejected.json()["rejected"] == 1 and "id: must be a text" in account.server.log_text()


@pytest.mark.parametrize("member,value", [("width", "wide"), ("width", 0), ("height", -1), ("height", 1.5), ("duration", "N/A"),
                                          ("duration", -3), ("width", "")])
def test_a_value_of_no_use_is_waited_for(old_account, member, value):
    made = {"task_id": "a", "retcode": 0, "width": 640, "height": 360, "duration": 3, "codec": "h264", member: value}
    reply = tell(old_account, "umedia", made)
    assert counts(reply) == (0, 0, 0, 0, 1, 0 if value == "" else 1)
    if value != "":
        assert f"output a: {member} is left out, because it is not a" in reply.json()["ignored"][0]
        assert reply.json()["ignored"][0] in old_account.server.log_text()
    assert member.removesuffix("_ms") in unresolved(old_account)[0]["missing"]


def test_a_description_of_no_use_is_left_out(old_account):
    for n, value in enumerate(("a\nb", "x" * 2000, "\x7f")):
        made = {"task_id": str(n), "retcode": 0, "duration": 3, "src_url": value}
        assert counts(tell(old_account, "umedia", made)) == (1, 0, 0, 0, 0, 1)
        assert "src_url" not in shown(old_account, "umedia", str(n))["data"]


def test_ffprobe_of_odd_files(old_account):
    video = {"codec_type": "video", "codec_name": "h264", "width": 640, "height": 360, "duration": "N/A"}
    probed = {"streams": [video], "format": {"duration": "7.5", "filename": "a\nb.mp4"}}
    assert counts(tell(old_account, "ffprobe", probed, "?source=farm&id=a&time=1600000000")) == (1, 0, 0, 0, 0, 1)
    assert shown(old_account, "farm", "a")["data"] == {"codec": "h264", "width": 640, "height": 360, "duration_ms": 7500}
    broken = tell(old_account, "ffprobe", {}, "?source=farm&id=b")
    assert "check that ffprobe could read the file" in broken.json()["ignored"][0]
    assert "check that ffprobe could read the file" in old_account.server.log_text()


def test_a_project_that_the_sender_got_wrong(account):
    """That is told with a status at which senders try again, for it can be mended."""
    everywhere = account.server.admin("token", "create")["token"]
    maker = account.server.admin("token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    made = {"task_id": "a", "retcode": 0, "duration": 3}
    for token, query, status in ((None, "?project=org-b", 403), (everywhere, "", 400), (everywhere, "?project=org-b", 404),
                                 (everywhere, "?project=org-a", 200), (maker, "?project=org-b", 200), (everywhere, "?project=org-b", 200)):
        reply = tell(account, "umedia", made, query, token)
        assert reply.status == status and (status == 200 or "project" in reply.json()["detail"]), (query, reply.body)


@pytest.mark.parametrize("query, word", [
    ("time=abc", "time"), ("time=0", "time"), ("time=-1", "time"), ("time=2020-11-01T12:00:00", "time"),
    ("time=99999999999", "time"), ("time=99999999999999999", "time"), ("time=1600000000&source=a%0Ab", "source"),
    ("source=" + "x" * 257, "source"), ("id=" + "x" * 257, "id"), ("id=a%7F", "id")])
def test_a_text_of_the_url_that_no_output_can_have(account, query, word):
    """The sender cannot mend its notices, but the URL can be mended: nothing is lost until then."""
    reply = tell(account, "umedia", {"task_id": "a", "retcode": 0, "duration": 3}, "?" + query)
    assert reply.status == 400 and word in reply.json()["detail"], reply.body


def test_the_token_in_the_url_and_not_in_the_log(account):
    c = account.client
    body = json.dumps(notice("umedia-snapshot"))
    assert c.request("POST", f"/v1/adapters/umedia?token={account.token}", body).status == 200
    for query, reason in (("?token=wrong", "a token of another server?"), ("?token=", "no token was sent"), ("", "no token was sent")):
        reply = c.request("POST", f"/v1/adapters/umedia{query}", body)
        assert reply.status == 401 and reason in reply.json()["detail"], query
    assert c.request("POST", f"/v1/adapters/umedia?token={account.token}&TOKEN=x", body).status == 400
    reader = account.server.admin("token", "create", "--scope", "read")["token"]
    assert c.request("POST", f"/v1/adapters/umedia?token={reader}", body).status == 403
    everywhere = account.server.admin("token", "create")["token"]
    reply = c.request("POST", f"/v1/adapters/umedia?token={everywhere}&project=org-a&source=mine", body)
    assert reply.status == 200 and reply.json()["stored"] == 1
    assert c.request("POST", f"/v1/adapters/umedia?token={everywhere}", body).status == 400, "no project"
    log = account.server.log_text()
    for secret in (account.token, reader, everywhere, "wrong"):
        assert secret not in log


# ---- what waits ----


def unresolved(account, *args):
    return [json.loads(line) for line in run("unresolved", "list", "--data", account.server.data, "--json", *args).stdout.splitlines()]


def resolve(account, *args, check=True):
    return run("unresolved", "resolve", "--data", account.server.data, "--project", "org-a", *args, check=check)


def dismiss(account, *args, check=True):
    return run("unresolved", "dismiss", "--data", account.server.data, "--project", "org-a", *args, check=check)


def without_codec(task_id, count=1, src_url="/a.mov"):
    """A notice of Tencent's of so many outputs, none of which says its codec."""
    made = notice("tencent-mps")
    task = made["WorkflowTaskEvent"]
    task["TaskId"] = task_id
    task["InputInfo"]["CosInputInfo"]["Object"] = src_url
    result = task["MediaProcessResultSet"][0]
    del result["TranscodeTask"]["Output"]["VideoStreamSet"][0]["Codec"]
    task["MediaProcessResultSet"] = [result] * count
    return made


@pytest.mark.parametrize("running", [True, False])
def test_what_waits_is_resolved(old_account, running):
    server = old_account.server
    for n in range(3):
        assert counts(tell(old_account, "umedia", {**notice("umedia-transcode"), "task_id": n}, "?time=1600000000"))[4] == 1
    again = tell(old_account, "umedia", {**notice("umedia-transcode"), "task_id": 0}, "?time=1600000000")
    assert counts(again) == (0, 1, 0, 0, 0, 0), "it waits already"
    assert totals(old_account) == {}
    assert [(item["id"], item["missing"]) for item in unresolved(old_account)] == [(f"{n}/my_720p.mp4", "codec") for n in range(3)]
    assert "LACKS" in run("unresolved", "list", "--data", server.data).stdout
    if not running:
        server.stop()
    assert resolve(old_account, "--source", "umedia", "--id", "9", "--codec", "h264", check=False).returncode == 1
    assert resolve(old_account, "--codec", "h264", check=False).returncode == 2
    assert resolve(old_account, "--all", check=False).returncode == 2
    wrong = resolve(old_account, "--source", "umedia", "--id", "0/my_720p.mp4", "--codec", "h 264", check=False)
    assert wrong.returncode == 1 and "rejected" in wrong.stdout
    assert "stored" in resolve(old_account, "--source", "umedia", "--id", "0/my_720p.mp4", "--codec", "libx265").stdout
    assert len(unresolved(old_account)) == 2
    if not running:
        server.start()
    assert totals(old_account) == {("h265", "MidiumDefinitionTime"): 587}
    again = tell(old_account, "umedia", {**notice("umedia-transcode"), "task_id": 0}, "?time=1600000000")
    assert counts(again) == (0, 1, 0, 0, 0, 0), "the notice once more is a duplicate, not another one that waits"
    server.admin("project", "set", "--id", "org-a", "--time-zone", "UTC", "--force")  # which has all written
    time.sleep(0.5)
    assert len(unresolved(old_account)) == 2
    done = resolve(old_account, "--source", "umedia", "--all", "--codec", "h264", "--json")
    assert [item["outcome"] for item in json.loads(done.stdout)] == ["stored", "stored"]
    assert unresolved(old_account) == []
    assert totals(old_account)[("h264", "MidiumDefinitionTime")] == 2 * 587
    assert "no differences" in run("verify", "--data", server.data).stdout
    server.stop()
    run("rebuild", "--data", server.data)
    assert "no differences" in run("verify", "--data", server.data).stdout
    assert unresolved(old_account) == []
    server.start()
    assert totals(old_account)[("h264", "MidiumDefinitionTime")] == 2 * 587


@pytest.mark.parametrize("verb", ["resolve", "dismiss"])
@pytest.mark.parametrize("running", [True, False])
def test_what_is_resolved_keeps_what_its_notice_said(bare, tmp_path, verb, running):
    """All measures, labels, texts, and the token that sent the notice."""
    said = {"width": 1280, "height": 720, "duration_ms": 5000, "frame_rate": "30000/1001", "quality": "hq", "region": "eu-west-1", "passes": 2,
            "input_duration_ms": 61000, "labels": {"show": 'a "b"', "team": "news"}, "task_id": "job", "created": "2020-11-01T11:00:00.000Z",
            "src_url": "s3://in/a.mov", "dest_name": "a.mp4", "dest_bucket": "out", "format": "mp4"}
    table = json.dumps(said).replace('":', '"]=').replace('{"', '{["').replace(', "', ', ["')
    (tmp_path / "mine.lua").write_text("function adapt() return {{id='1', time='2020-11-01T12:00:00Z', data=" + table + "}} end")
    account = Account(bare, f"adapter.mine.script={tmp_path}/mine.lua")
    assert counts(tell(account, "mine", "{}")) == (0, 0, 0, 0, 1, 0)
    before = shown(account, "mine", "1")
    assert before["data"] == said and before["token"], before
    if not running:
        bare.stop()
    (resolve if verb == "resolve" else dismiss)(account, "--source", "mine", "--id", "1", *(["--codec", "libx265"] if verb == "resolve" else []))
    _, after = account.server.admin("history", "org-a", "mine", "1")
    codec = {"codec": "h265", "codec_reported": "libx265"} if verb == "resolve" else {}
    assert after["data"] == {**said, **codec} and after["time"] == before["time"] and after["token"] == before["token"], after
    if not running:
        bare.start()


def test_the_longest_outputs_are_resolved_at_once(bare, tmp_path):
    """Each text has its greatest length, and there are eight labels."""
    (tmp_path / "mine.lua").write_text("""
local function long(n) return ('x'):rep(n) end
function adapt()
  local outputs = {}
  for n = 1, 700 do
    local labels = {}
    for l = 1, 8 do labels['l' .. l .. long(30)] = long(64) end
    outputs[n] = {id = n .. long(250), source = long(256), time = '2020-11-01T12:00:00Z', data = {
      codec = nil, width = 1280, height = 720, duration_ms = 5000, frame_rate = '30000/1001', quality = long(32), region = long(32), passes = 65535,
      input_duration_ms = 31622400000, labels = labels, task_id = long(256), created = '2020-11-01T11:00:00.000Z', src_url = long(1024),
      dest_name = long(256), dest_bucket = long(256), format = long(256)}}
  end
  return outputs
end""")
    account = Account(bare, f"adapter.mine.script={tmp_path}/mine.lua", "query.max_age=0", "query.max_span=0")
    assert counts(tell(account, "mine", "{}")) == (0, 0, 0, 0, 700, 0)
    assert resolve(account, "--all", "--codec", "h264", "--quiet").stdout == ""
    assert unresolved(account) == [] and totals(account) == {("h264", "MidiumDefinitionTime"): 3500}


def test_rules_say_the_codec(bare, tmp_path):
    account = Account(bare, "adapter.umedia.codec=vp9", "query.max_age=0", "query.max_span=0")
    assert counts(tell(account, "umedia", notice("umedia-transcode"), "?time=1600000000")) == (1, 0, 0, 0, 0, 0)
    assert totals(account) == {("vp9", "MidiumDefinitionTime"): 587}
    bare.stop()
    bare.settings = ["adapter.tencent-mps.codec=h264", "adapter.tencent-mps.codec.20=hevc"]
    bare.start()
    made = notice("tencent-mps")
    task = made["WorkflowTaskEvent"]
    output = task["MediaProcessResultSet"][0]["TranscodeTask"]["Output"]
    del output["VideoStreamSet"][0]["Codec"]
    given = task["MediaProcessResultSet"][0]["TranscodeTask"]["Input"]
    for definition, asked, codec in ((20, 30, "h265"), (30, 20, "h264"), (0, 20, "h265"), (0, 31, "h264")):
        output["Definition"], given["Definition"] = definition, asked
        task["TaskId"] = f"task-{definition}-{asked}"
        assert counts(tell(account, "tencent-mps", made)) == (1, 0, 0, 0, 0, 0)
        assert shown(account, "tencent-mps", f"task-{definition}-{asked}/0")["data"]["codec"] == codec
    for wrong in ("adapter.nobody.codec=h264", "adapter.umedia.codec=h 264", "adapter.umedia.size=1", "adapter.umedia.codec="):
        done = run("serve", "--data", str(tmp_path / "other"), "--listen", "127.0.0.1:0", "--set", wrong, check=False)
        assert done.returncode == 2, (wrong, done)


def test_voids_and_what_waits(old_account):
    """Nothing that waits can be voided: it does not count."""
    token = old_account.server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    assert counts(tell(old_account, "umedia", notice("umedia-transcode")))[4] == 1
    voided = {"specversion": "1.0", "type": "usage.voided", "source": "v", "id": "1",
              "data": {"source": "umedia", "id": "1/my_720p.mp4"}}
    for _ in range(2):  # in memory, then in the derived files
        reply = old_account.client.report(voided, token=token)
        reason = reply.json()["results"][0]["reason"]
        assert reply.status == 422 and "unresolved" in reason and "counts nothing" in reason
        assert "`codecmeter unresolved dismiss`" in reason
        write_all(old_account)
    voided["data"]["id"] = "2/my_720p.mp4"
    assert "no record has this source and id" in old_account.client.report(voided, token=token).json()["results"][0]["reason"]
    assert old_account.client.report(event("1/my_720p.mp4", source="umedia", codec="h264")).status == 200
    assert unresolved(old_account) == [], "reported by another way"


@pytest.mark.parametrize("is_written", [False, True])
def test_a_notice_of_what_was_reported_before(old_account, is_written):
    """Nothing is left to resolve: it is a duplicate, though nothing ever waited."""
    assert old_account.client.report(event("1/my_720p.mp4", source="umedia", codec="h264")).status == 200
    if is_written:
        write_all(old_account)
    assert counts(tell(old_account, "umedia", notice("umedia-transcode"))) == (0, 1, 0, 0, 0, 0)
    assert unresolved(old_account) == []


@unless_sanitized
@pytest.mark.parametrize("is_written", [False, True])
def test_many_that_wait(old_account, is_written):
    """48 MB of records are listed in less memory than that: their texts are read where they lie."""
    for n in range(40):
        made = without_codec(f"task-{n}", 1000, src_url="/" + "x" * 1000)
        assert counts(tell(old_account, "tencent-mps", made, "?time=1600000000"))[4] == 1000
    if is_written:
        write_all(old_account)

    def listed(*args):
        done = run("unresolved", "list", "--data", old_account.server.data, *args, check=False,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (24 << 20, 24 << 20)))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[1:]

    assert len(listed()) == 40000
    assert len(listed("--project", "org-a", "--source", "tencent-mps", "--id", "task-7/3")) == 1
    for n in range(40):
        resolved = [event(f"task-{n}/{k}", source="tencent-mps") for k in range(1000) if (n, k) != (7, 3)]
        assert old_account.client.report(resolved).json()["stored"] == len(resolved)
    assert len(listed()) == 1
    if is_written:
        write_all(old_account)
        assert len(listed("--project", "org-a")) == 1


def test_what_is_listed_is_what_was_asked_for(old_account):
    old_account.server.admin("project", "create", "--id", "org-b")
    everywhere = old_account.server.admin("token", "create")["token"]
    for project in ("org-a", "org-b"):
        for source in ("x", "y"):
            for task in ("1", "2"):
                told = tell(old_account, "umedia", {**notice("umedia-transcode"), "task_id": task},
                            f"?project={project}&source={source}", token=everywhere)
                assert counts(told)[4] == 1
    for _ in range(2):
        for args, count in (((), 8), (("--project", "org-b"), 4), (("--source", "x"), 4), (("--id", "1/my_720p.mp4"), 4),
                            (("--project", "org-a", "--source", "y"), 2),
                            (("--project", "org-a", "--source", "y", "--id", "2/my_720p.mp4"), 1),
                            (("--source", "nobody"), 0), (("--project", "org-a", "--source", "y", "--id", "none"), 0)):
            listed = unresolved(old_account, *args)
            wanted = {"subject": "--project", "source": "--source", "id": "--id"}
            assert len(listed) == count, args
            for item in listed:
                assert all(item[name] == args[args.index(option) + 1] for name, option in wanted.items() if option in args)
        write_all(old_account)


def test_no_such_project(old_account):
    for command in (("unresolved", "list"), ("unresolved", "resolve", "--all", "--codec", "h264"), ("unresolved", "dismiss", "--all"),
                    ("late",), ("history", "--source", "a", "--id", "b"), ("history", "--task-id", "a")):
        done = run(*command, "--project", "nope", "--data", old_account.server.data, check=False)
        assert done.returncode == 1 and "no project nope" in done.stderr and done.stdout == "", (command, done)
    # one that no checkpoint has written yet exists
    old_account.server.admin("project", "create", "--id", "org-new")
    for command in ("unresolved", "list"), ("late",):
        assert run(*command, "--project", "org-new", "--data", old_account.server.data).stdout == ""


def test_what_the_list_says(old_account):
    assert counts(tell(old_account, "tencent-mps", without_codec("dated"), "?time=1563000000"))[4] == 1
    made = without_codec("timeless")
    output = made["WorkflowTaskEvent"]["MediaProcessResultSet"][0]["TranscodeTask"]["Output"]
    del output["Width"], output["VideoStreamSet"][0]["Width"]
    reply = tell(old_account, "tencent-mps", made)
    assert reply.json()["results"][0]["reason"] == (
        "codec, width: not in the notice; the output counts once `codecmeter unresolved resolve` supplies it")
    titles, dated, timeless = run("unresolved", "list", "--data", old_account.server.data).stdout.splitlines()
    assert titles.split() == ["TIME", "PROJECT", "SOURCE", "ID", "LACKS", "KNOWN"]
    assert dated == ("finished 2019-07-13T06:40:00.000Z  org-a    tencent-mps  dated/0     codec         transcode 640x480 60.047 s")
    assert timeless.startswith("arrived  20") and timeless.endswith(
        "  org-a    tencent-mps  timeless/0  codec, width  transcode 60.047 s")


def test_what_the_notice_said_stands(old_account):
    """An output is told what it lacks, and nothing else."""
    made = notice("mediaconvert")
    [output] = made["detail"]["outputGroupDetails"][0]["outputDetails"]
    made["detail"]["userMetadata"] = {"codec": "hevc"}
    del output["durationInMs"]
    assert counts(tell(old_account, "mediaconvert", made))[4] == 1, "it has no duration"
    assert counts(tell(old_account, "tencent-mps", without_codec("t")))[4] == 1
    id = made["detail"]["jobId"] + "/0/0"
    asked = ("--source", "mediaconvert", "--id", id)
    for wrong, words in ((("--codec", "h264"), "codec h265"), (("--width", "640"), "width 1920"), (("--height", "1"), "height 1080")):
        done = resolve(old_account, *asked, "--duration-ms", "1000", *wrong, check=False)
        assert done.returncode == 1 and words in done.stderr and "stored" not in done.stdout, done
    done = resolve(old_account, "--source", "tencent-mps", "--id", "t/0", "--codec", "h264", "--duration-ms", "60048", check=False)
    assert done.returncode == 1 and "duration_ms 60047" in done.stderr
    assert len(unresolved(old_account)) == 2
    resolve(old_account, "--all", "--codec", "h264", "--duration-ms", "1000", "--width", "1")
    assert unresolved(old_account) == []
    both = [old_account.server.admin("history", "--project", "org-a", "--source", source, "--id", id)[-1]["data"]
            for source, id in (("mediaconvert", id), ("tencent-mps", "t/0"))]
    assert [(data["codec"], data["width"], data["height"], data["duration_ms"]) for data in both] == [
        ("h265", 1920, 1080, 1000), ("h264", 640, 480, 60047)]


def test_what_agrees_with_the_notice_is_no_contradiction(old_account):
    assert counts(tell(old_account, "tencent-mps", without_codec("t")))[4] == 1
    done = resolve(old_account, "--source", "tencent-mps", "--id", "t/0", "--codec", "libx265", "--width", "640", "--height", "480",
                   "--duration-ms", "60047")
    assert "stored" in done.stdout


def test_what_is_not_stored_is_told(old_account):
    """With a reason, and in the exit status."""
    names = [event(f"c{n}", codec=f"codec-{n}") for n in range(150)]
    assert old_account.client.report(names).json()["stored"] == 150
    assert counts(tell(old_account, "tencent-mps", without_codec("t", 2)))[4] == 2
    done = resolve(old_account, "--all", "--codec", "codec-150", "--json", check=False)
    assert done.returncode == 1 and "2 of 2 outputs were not stored" in done.stderr
    assert [(item["outcome"], item["reason"]) for item in json.loads(done.stdout)] == [
        ("rejected", "codec: codec-150 is not known, and the project already has 150 names of codecs that are not known")] * 2
    done = resolve(old_account, "--source", "tencent-mps", "--id", "t/0", "--duration-ms", "60047", check=False)
    assert done.returncode == 1 and "codec is missing" in done.stdout
    assert resolve(old_account, "--all", "--codec", "codec-7").returncode == 0


@pytest.mark.parametrize("running", [True, False])
def test_what_must_never_count_is_dismissed(old_account, running):
    server = old_account.server
    assert counts(tell(old_account, "tencent-mps", without_codec("t", 3), "?time=1600000000"))[4] == 3
    if not running:
        server.stop()
    assert dismiss(old_account, check=False).returncode == 2
    assert dismiss(old_account, "--source", "tencent-mps", "--id", "none", check=False).returncode == 1
    assert dismiss(old_account, "--source", "tencent-mps", "--id", "t/0", "--codec", "h264", check=False).returncode == 2
    assert "stored" in dismiss(old_account, "--source", "tencent-mps", "--id", "t/0").stdout
    assert [item["id"] for item in unresolved(old_account)] == ["t/1", "t/2"]
    assert dismiss(old_account, "--source", "nobody", "--all", check=False).returncode == 1
    assert [item["outcome"] for item in json.loads(dismiss(old_account, "--all", "--json").stdout)] == ["stored"] * 2
    assert unresolved(old_account) == []
    if not running:
        server.start()
    assert totals(old_account) == {}
    assert counts(tell(old_account, "tencent-mps", without_codec("t", 3), "?time=1600000000")) == (0, 3, 0, 0, 0, 0)
    told = server.admin("history", "--project", "org-a", "--source", "tencent-mps", "--id", "t/0")
    assert [item["type"] for item in told] == ["transcode.unresolved", "transcode.failed"]
    assert told[1]["time"] == "2020-09-13T12:26:40.000Z" and told[1]["data"]["width"] == 640
    assert "no differences" in run("verify", "--data", server.data).stdout
