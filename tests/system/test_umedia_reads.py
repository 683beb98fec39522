"""UMedia's reads beside GetCodecTotalStat: statistics, task lists, task details, templates, user, regions."""
import concurrent.futures
import json
import time

import pytest

from client import event
from conftest import Account, Server, run, wait_until, write_all
from umedia import ANSWERS, DETAILS, LISTS, NOT_OFFERED, STATISTICS, decodes_answer

DAY = 86400
ENDLESS = 253402300799  # the last second that a time may be
NOON = 1604203200  # 2020-11-01T12:00:00+08:00, so 04:00 UTC
START = NOON - 12 * 3600  # of that day in Shanghai
WINDOW = {"BeginTime": START, "EndTime": START}
NOONS = {"BeginTime": NOON, "EndTime": NOON}  # the same day, in UTC too


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def made(kind, id, seconds=NOON, outcome="finished", source="farm", **data):
    return {"specversion": "1.0", "type": f"{kind}.{outcome}", "source": source, "id": id, "time": at(seconds), "data": data}


def transcode(id, seconds=NOON, duration_ms=1000, width=1280, height=720, codec="h264", **more):
    return made("transcode", id, seconds, codec=codec, width=width, height=height, duration_ms=duration_ms, **more)


def void(id, of, source="farm"):
    return {"specversion": "1.0", "type": "usage.voided", "source": "desk", "id": id, "data": {"source": source, "id": of}}


FULL = {"task_id": "1265", "created": at(NOON - 166), "src_url": "http://a/b.mp4?x=\"1\"&y=é", "dest_name": "b_864.mp4",
        "dest_bucket": "bucket", "format": "mp4"}

# One day: what counts, what failed, what was voided, and what is no transcode, remux or snapshot.
TASKS = [
    transcode("job/864", duration_ms=299600, width=864, height=480, codec="libx264", **FULL),
    transcode("job/1080", NOON + 60, 61000, 1920, 1080, codec="hevc"),
    made("transcode", "job/bad", NOON + 120, "failed", task_id="bad", codec="h264", duration_ms=5000),
    transcode("job/void", NOON + 180),
    made("remux", "ts/1", NOON + 30, duration_ms=61500, format="m3u8", dest_name="l.m3u8", dest_bucket="bucket"),
    made("remux", "ts/2", NOON + 20, duration_ms=400),
    made("remux", "ts/bad", NOON + 10, "failed"),
    made("snapshot", "snap/1", NOON + 5, image_count=12, format="jpg", dest_name="thumb"),
    made("snapshot", "snap/bad", NOON + 4, "failed", image_count=3),
    made("audio", "audio/1", NOON, codec="aac", duration_ms=9000),
]


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """One account for all tests of this module that store nothing: two projects with the same task ids."""
    server = Server(tmp_path_factory.mktemp("media") / "data")
    account = Account(server, "query.max_age=0", "query.max_span=0")
    server.admin("project", "create", "--id", "org-b")
    tokens = {"org-a": server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"],
              "org-b": server.admin("token", "create", "--project", "org-b")["token"]}
    assert account.client.report(TASKS).json()["stored"] == len(TASKS)
    assert account.client.report(void("v1", "job/void"), token=tokens["org-a"]).json()["stored"] == 1
    other = [transcode("elsewhere", task_id="elsewhere"), transcode("job/864", duration_ms=7000, task_id="1265")]
    assert account.client.report(other, token=tokens["org-b"]).json()["stored"] == 2
    yield account
    server.stop()


def call(account, action, **params):
    return decodes_answer(action, account.client.call(action, **params))


def task_ids(account, action, **params):
    return [task["TaskId"] for task in call(account, action, **params)["TaskList"]]


def refused(account, action, at_fault, **params):
    answer = account.client.call(action, **params)
    start = f"Params [{at_fault}] not available: "
    assert answer["RetCode"] == 230 and answer["Message"].startswith(start), (action, params, answer)
    assert len(answer["Message"]) > len(start) + 5 and set(answer) == {"RetCode", "Action", "Message"}, answer
    return answer["Message"]


# ---- refused ----

BAD_TIMES = ("abc", "-1", "1e9", "15002208000000000000", "253402300800", "0x10", "1.5", "1 2", "１", "+5", "true")


@pytest.mark.parametrize("action", STATISTICS + LISTS)
def test_windows(media, action):
    for name in ("BeginTime", "EndTime"):
        for value in BAD_TIMES:
            refused(media, action, name, **{name: value})
        for value in ([1], {"a": 1}):
            answer = media.client.post_json(media.client.signed({"Action": action, name: value}))
            assert answer["RetCode"] == 230 and f"[{name}]" in answer["Message"], answer
        for twice in ({name: "1", name.lower(): "1"}, {name.upper(): "2", name: "1"}):
            assert "more than once" in media.client.call(action, **twice)["Message"], twice
        # absent, empty and blank are the same: seven days up to now, or up to the other one
        lengths = {len(media.client.call(action, **params).get("StatSet", [0] * 8))
                   for params in ({}, {name: ""}, {name: " "}, {name: "\t"})}
        assert lengths == {8}
    refused(media, action, "BeginTime", BeginTime=NOON, EndTime=NOON - 1)
    refused(media, action, "BeginTime", BeginTime=ENDLESS, EndTime=ENDLESS - 1)  # though both count as now
    assert media.client.call(action, BeginTime=0, EndTime=0)["RetCode"] == 0
    assert media.client.call(action, BeginTime=ENDLESS, EndTime=ENDLESS)["RetCode"] == 0


@pytest.mark.parametrize("action", STATISTICS + LISTS)
def test_limits_of_windows(account, action):
    now = int(time.time())
    assert "31 days" in refused(account, action, "EndTime", EndTime=now - 32 * DAY)
    assert "31 days" in refused(account, action, "EndTime", BeginTime=0, EndTime=0)  # before 1980
    assert "31 days" in refused(account, action, "EndTime", BeginTime=now - 40 * DAY)  # it ends seven days later
    assert "32 days" in refused(account, action, "BeginTime", BeginTime=now - 50 * 365 * DAY, EndTime=now)


# ---- statistics ----


def test_seconds_of_remuxing_and_images(media):
    """Failed tasks count nothing; 400 ms are a second; the codec does not matter."""
    window = {"BeginTime": START - DAY, "EndTime": START + DAY}
    rows = call(media, "GetFormatTotalStat", **window)["StatSet"]
    assert rows == [{"Time": START - DAY, "FormatTime": 0}, {"Time": START, "FormatTime": 63}, {"Time": START + DAY, "FormatTime": 0}]
    rows = call(media, "GetSnapTotalStat", **window)["StatSet"]
    assert [(row["Time"], row["ImageCount"]) for row in rows] == [(START - DAY, 0), (START, 12), (START + DAY, 0)]


def test_statistics_have_one_row_a_day(old_account):
    """Also if a report of a remux names a codec, which is not kept; also after a kill."""
    codecs = ("", "h264", "hevc", "av1", "vp9")
    events = [made("remux", f"{codec}-{day}", NOON + day * DAY, duration_ms=1000 * 10 ** n, **({"codec": codec} if codec else {}))
              for n, codec in enumerate(codecs) for day in (0, 2)]
    events += [made("snapshot", f"s-{n}", NOON, image_count=10 ** n) for n in range(3)]
    assert old_account.client.report(events).json()["stored"] == len(events)
    for _ in range(2):
        window = {"BeginTime": NOON, "EndTime": NOON + 2 * DAY}
        assert [row["FormatTime"] for row in call(old_account, "GetFormatTotalStat", **window)["StatSet"]] == [11111, 0, 11111]
        assert [row["ImageCount"] for row in call(old_account, "GetSnapTotalStat", **window)["StatSet"]] == [111, 0, 0]
        old_account.server.kill()
        old_account.server.start()


@pytest.mark.parametrize("action", STATISTICS)
def test_rows_of_statistics_are_bounded(bare, action):
    account = Account(bare, "query.max_age=0", "query.max_span=0", "query.rows_max=10")
    assert "more than 10 rows" in refused(account, action, "BeginTime", BeginTime=0, EndTime=10 * DAY)
    assert "more than 10 rows" in refused(account, action, "BeginTime", BeginTime=0, EndTime=ENDLESS)
    rows = call(account, action, BeginTime=0, EndTime=9 * DAY)["StatSet"]
    assert len(rows) == 10 and rows[0]["Time"] == -8 * 3600  # 1970-01-01 began before the epoch in Shanghai


def test_a_date_that_the_zone_skipped_has_no_row(bare):
    account = Account(bare, "query.max_age=0", "query.max_span=0", zone="Pacific/Apia")
    for action in STATISTICS:
        rows = call(account, action, BeginTime=1325150000, EndTime=1325150000 + 2 * DAY)["StatSet"]
        # 2011-12-29, then 2011-12-31 and 2012-01-01
        assert [row["Time"] for row in rows] == [1325152800 - DAY, 1325152800 + 0, 1325152800 + DAY], action


# ---- templates, user, regions ----


def test_templates_are_none(media):
    for action in ("GetCodecPattenList", "GetWaterMarkPattenList"):
        answer = call(media, action)
        assert answer["DefaultPattenList"] == answer["CustomizedPattenList"] == []
        assert media.client.call(action, ProjectId="org-none")["RetCode"] == 292
    assert media.client.call("GetWatermarkPattenList")["RetCode"] == 161  # the capital M is the API's own


@pytest.mark.parametrize("action", NOT_OFFERED)
def test_what_makes_work_is_not_offered(media, action):
    answer = media.client.call(action, PattenName="x", PattenId="1", Url=["http://a/b.mp4"], DestBucket="b")
    assert (answer["RetCode"], answer["Message"]) == (161, f"Action [{action}] not found")


def test_user(media):
    server = media.server
    users = {}
    for name, args in (("account", ()), ("sub-account", ("--project", "org-b"))):
        key = server.admin("key", "create", *args)
        client = server.client(public_key=key["public_key"], private_key=key["private_key"])
        users[name], = decodes_answer("GetUserInfo", client.call("GetUserInfo"))["DataSet"]
        assert users[name]["UserEmail"] == users[name]["UserName"] == key["public_key"]
        assert users[name]["AuthState"] == "CERTIFIED"
    assert (users["account"]["Admin"], users["sub-account"]["Admin"]) == (1, 0)


def regions(account):
    found = call(account, "GetRegion")["Regions"]
    assert [region["IsDefault"] for region in found] == [True] + [False] * (len(found) - 1)
    assert [region["RegionId"] for region in found] == list(range(1, len(found) + 1))
    assert all(region["BitMaps"] == "1" and region["RegionName"] == "self-hosted" for region in found)
    return [(region["Region"], region["Zone"]) for region in found]


def test_regions(bare):
    account = Account(bare)
    assert regions(account) == [("self", "self-01")]
    bare.stop()
    bare.start("api.regions= cn-bj2/cn-bj2-04 ,cn-bj2/cn-bj2-05,hk / hk-02")
    assert regions(account) == [("cn-bj2", "cn-bj2-04"), ("cn-bj2", "cn-bj2-05"), ("hk", "hk-02")]
    key = bare.admin("key", "create", "--project", "org-a")
    sub = bare.client(public_key=key["public_key"], private_key=key["private_key"])
    assert sub.call("GetRegion") == account.client.call("GetRegion")


def test_wrong_regions_stop_the_start(tmp_path):
    for setting in ("", " ", "cn-bj2", "cn-bj2/", "/cn-bj2-04", "a/b,", ",a/b", "a/b,,c/d", "a/b c/d", "a/b;c/d", "a/b/c", "A/b", "a/b\"",
                    "a/" + "x" * 33, "a/b,a/b", "a/b, a / b", "é/b"):
        done = run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--set", f"api.regions={setting}", check=False)
        assert done.returncode == 2 and "api.regions: " in done.stderr and done.stdout == "", (setting, done)
        assert done.stderr.count("\n") <= 2, done


# ---- task lists ----


@pytest.mark.parametrize("action", LISTS)
def test_parts_of_lists(media, action):
    for name, values in (("Limit", ("0", "-1", "abc", "1.5", "1e2", "100001", "18446744073709551616", "1 2")),
                         ("Offset", ("-1", "abc", "0.5", "1000001", "99999999999999999999999"))):
        for value in values:
            assert "must be an integer from" in refused(media, action, name, **WINDOW, **{name: value})
        for value in ([1], {"a": 1}, True, 1.5):
            answer = media.client.post_json(media.client.signed({"Action": action, **WINDOW, name: value}))
            assert answer["RetCode"] == 230 and f"[{name}]" in answer["Message"], answer
        assert "more than once" in media.client.call(action, **{name: "1", name.lower(): "1"})["Message"]
        whole = call(media, action, **WINDOW)
        for value in ("", " "):
            assert call(media, action, **WINDOW, **{name: value}) == whole
    count = len(whole["TaskList"])
    assert count == whole["TotalCount"] > 1
    for offset in range(count + 2):
        for limit in (1, 2, 100000):
            part = call(media, action, **WINDOW, Offset=offset, Limit=limit)
            assert part["TaskList"] == whole["TaskList"][offset:offset + limit] and part["TotalCount"] == count
        assert call(media, action, **WINDOW, Offset=offset)["TaskList"] == whole["TaskList"][offset:]
    assert call(media, action, **WINDOW, Offset=1000000)["TaskList"] == []


def test_a_list_has_the_tasks_of_its_kind(media):
    """By finish time; failed ones too, voided ones not, nothing of another project."""
    assert task_ids(media, "GetCodecTaskList", **WINDOW) == ["1265", "job/1080", "bad"]
    assert task_ids(media, "GetFormatTaskList", **WINDOW) == ["ts/bad", "ts/2", "ts/1"]
    assert task_ids(media, "GetSnapTaskList", **WINDOW) == ["snap/bad", "snap/1"]
    assert task_ids(media, "GetCodecTaskList", **WINDOW, ProjectId="org-b") == ["elsewhere", "1265"]  # both at the same time
    for action in LISTS:
        for begin in (START - 1 - DAY, START + DAY):
            assert call(media, action, BeginTime=begin, EndTime=begin)["TotalCount"] == 0
        assert media.client.call(action, ProjectId="org-none")["RetCode"] == 292


def test_fields_of_lists(media):
    first, second, failed = call(media, "GetCodecTaskList", **WINDOW)["TaskList"]
    assert first == {
        "TaskId": "1265", "SrcUrl": FULL["src_url"], "DestVideoName": "b_864.mp4", "DestBucket": "bucket", "DestFormat": "mp4",
        "Duration": 300, "CodecLevel": "mediumdefinition", "CreateTime": NOON - 166, "Status": "finished", "FinishTime": NOON,
        "Minutes": 5, "VideoCodec": "h264", "Width": 864, "Height": 480, "Source": "farm", "Id": "job/864"}
    assert second == {
        "TaskId": "job/1080", "SrcUrl": "", "DestVideoName": "", "DestBucket": "", "DestFormat": "", "Duration": 61,
        "CodecLevel": "highdefinition", "CreateTime": 0, "Status": "finished", "FinishTime": NOON + 60, "Minutes": 2,
        "VideoCodec": "h265", "Width": 1920, "Height": 1080, "Source": "farm", "Id": "job/1080"}
    assert (failed["Status"], failed["Duration"], failed["Minutes"], failed["CodecLevel"]) == ("failed", 0, 0, "")
    remux = call(media, "GetFormatTaskList", **WINDOW)["TaskList"][-1]
    assert remux == {
        "TaskId": "ts/1", "SrcUrl": "", "DestVideoName": "l.m3u8", "DestBucket": "bucket", "DestFormat": "m3u8", "Duration": 62,
        "CreateTime": 0, "Status": "finished", "FinishTime": NOON + 30, "Minutes": 2, "Source": "farm", "Id": "ts/1"}
    failed, snap = call(media, "GetSnapTaskList", **WINDOW)["TaskList"]
    assert snap == {
        "TaskId": "snap/1", "SrcUrl": "", "ImageName": "thumb", "ImageFormat": "jpg", "SnapType": "", "ImageCount": 12,
        "CreateTime": 0, "Status": "finished", "FinishTime": NOON + 5, "DestBucket": "", "Source": "farm", "Id": "snap/1"}
    assert (failed["Status"], failed["ImageCount"]) == ("failed", 0)


@pytest.mark.parametrize("begin, end", [(START, START), (NOON + 3600, NOON + 7200), (START + DAY - 1, START + DAY - 1),
                                        (START - 5 * DAY, START + 5 * DAY)])
def test_a_window_is_whole_days_as_in_the_statistics(media, begin, end):
    window = {"BeginTime": begin, "EndTime": end}
    assert [call(media, action, **window)["TotalCount"] for action in LISTS] == [3, 3, 2]
    assert sum(task["Duration"] for task in call(media, "GetCodecTaskList", **window)["TaskList"]) == \
        sum(row["TotalTime"] for row in media.client.stat(**window))


@pytest.mark.parametrize("voids", [False, True])
def test_a_long_list_is_never_cut(bare, voids):
    """It is refused with what to do, or given in parts; with tasks in memory, and in files."""
    account = Account(bare, "query.max_age=0", "query.max_span=0", "query.rows_max=100")
    token = bare.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    assert account.client.report([transcode(f"{n:03}", NOON + n // 7) for n in range(101)]).json()["stored"] == 101
    if voids:
        assert account.client.report([void("v", "077")], token=token).json()["stored"] == 1
        assert call(account, "GetCodecTaskList", **NOONS)["TotalCount"] == 100
        assert account.client.report([transcode("new", NOON + 99)]).json()["stored"] == 1
    ids = [f"{n:03}" for n in range(101)]
    expected = [*ids[:77], *ids[78:], "new"] if voids else ids
    for _ in range(3):
        message = refused(account, "GetCodecTaskList", "BeginTime", **NOONS)
        assert "more than 100 tasks (query.rows_max)" in message and "Limit" in message
        refused(account, "GetCodecTaskList", "Limit", **NOONS, Limit=101)
        assert task_ids(account, "GetCodecTaskList", **NOONS, Offset=1) == expected[1:]
        parts = [task for offset in range(0, 102, 10)
                 for task in task_ids(account, "GetCodecTaskList", **NOONS, Offset=offset, Limit=10)]
        assert parts == expected
        assert call(account, "GetCodecTaskList", **NOONS, Offset=7, Limit=1)["TotalCount"] == 101
        assert call(account, "GetCodecTaskList", BeginTime=NOON + DAY, EndTime=NOON + DAY)["TaskList"] == []
        write_all(account)
        account.server.stop()
        account.server.start()


# ---- task details ----


@pytest.mark.parametrize("action", DETAILS)
def test_task_ids(media, action):
    for params in ({}, {"TaskId": ""}, {"TaskId": " \t"}):
        answer = media.client.call(action, **params)
        assert (answer["RetCode"], answer["Message"]) == (220, "Missing params [TaskId]"), answer
    assert "more than once" in media.client.call(action, TaskId="1265", taskid="1265")["Message"]
    assert "longer than 256 bytes" in refused(media, action, "TaskId", TaskId="x" * 257)
    for value in (["1265"], {"a": "1265"}):
        answer = media.client.post_json(media.client.signed({"Action": action, "TaskId": value}))
        assert answer["Message"] == "Params [TaskId] not available: must be a single value", answer
    unknown = refused(media, action, "TaskId", TaskId="none")
    kind = ("transcoding", "remuxing", "snapshot")[DETAILS.index(action)]
    assert unknown == f"Params [TaskId] not available: no {kind} task of this project has this id"
    others = {"job/864", "job/void", "v1", "elsewhere", "audio/1", "x" * 256, "1265' OR '1'='1", "*", "NONE"}
    others |= {task for other in LISTS if LISTS.index(other) != DETAILS.index(action) for task in task_ids(media, other, **WINDOW)}
    for task in others:  # under another name, voided, a void, another project's, another kind's, nobody's
        assert refused(media, action, "TaskId", TaskId=task) == unknown, task
    assert media.client.call(action, TaskId="1265", ProjectId="org-none")["RetCode"] == 292


def test_another_projects_task_is_unknown(media):
    key = media.server.admin("key", "create", "--project", "org-a")
    sub = media.server.client(public_key=key["public_key"], private_key=key["private_key"])
    answers = {task: sub.call("GetCodecTaskDetail", TaskId=task, ProjectId="org-a") for task in ("elsewhere", "nowhere", "1265")}
    assert answers["elsewhere"] == answers["nowhere"] and answers["1265"]["RetCode"] == 0
    denied = sub.call("GetCodecTaskDetail", TaskId="elsewhere", ProjectId="org-b")
    assert denied["RetCode"] == 299 and sub.call("GetCodecTaskDetail", TaskId="nowhere", ProjectId="org-b") == denied
    assert sub.call("GetCodecTaskDetail", TaskId="1265")["RetCode"] == 220
    assert call(media, "GetCodecTaskDetail", TaskId="1265", ProjectId="org-b")["Duration"] == 7


def test_fields_of_details(media):
    detail = call(media, "GetCodecTaskDetail", TaskId="1265")
    assert detail == {
        "RetCode": 0, "Action": "GetCodecTaskDetailResponse", "TaskId": "1265", "SrcUrl": FULL["src_url"],
        "DestVideoName": "b_864.mp4", "DestBucket": "bucket", "DestFormat": "mp4", "Duration": 300, "CodecLevel": "mediumdefinition",
        "CreateTime": NOON - 166, "FinishTime": NOON, "Status": "finished", "CallbackUrl": "",
        "CodecPattenDetail": {"CodecPattenId": "", "CodecPattenName": "", "DestFormat": "mp4", "DestSuffix": "",
                              "DestVideoResolution": "864x480", "DestVideoCodec": "h264", "DestVideoBitrate": 0},
        "WatermarkDetail": {}, "Minutes": 5, "VideoCodec": "h264", "Width": 864, "Height": 480, "Source": "farm", "Id": "job/864"}
    failed = call(media, "GetCodecTaskDetail", TaskId="bad")
    assert (failed["Status"], failed["Duration"], failed["CodecPattenDetail"]["DestVideoResolution"]) == ("failed", 0, "")
    remux = call(media, "GetFormatTaskDetail", TaskId="ts/1")
    assert (remux["DestVideoFormat"], remux["Duration"], remux["FinishTime"]) == ("m3u8", 62, NOON + 30)
    snap = call(media, "GetSnapTaskDetail", TaskId=" snap/1 ")
    assert (snap["ImageName"], snap["ImageFormat"], snap["ImageCount"], snap["ImageList"]) == ("thumb", "jpg", 12, "")
    assert call(media, "GetSnapTaskDetail", TaskId="snap/bad")["ImageCount"] == 0
    for kind in ("Codec", "Format", "Snap"):  # a detail repeats what the list says
        for task in call(media, f"Get{kind}TaskList", **WINDOW)["TaskList"]:
            detail = call(media, f"Get{kind}TaskDetail", TaskId=task["TaskId"])
            renamed = {"DestFormat": "DestVideoFormat"} if kind == "Format" else {}
            assert all(detail[renamed.get(name, name)] == value for name, value in task.items()), (task, detail)


def test_which_of_several_records_answers(old_account):
    """The newest finished one that is not voided; of failed ones, the newest, if none finished. In memory and in files."""
    server, client = old_account.server, old_account.client
    token = server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]

    def answers():
        answer = client.call("GetCodecTaskDetail", TaskId="t")
        return (answer["Source"], answer["Id"]) if answer["RetCode"] == 0 else answer["RetCode"]

    steps = [
        (made("transcode", "1", NOON, "failed", "a", task_id="t"), ("a", "1")),
        (made("transcode", "t", NOON - 5, "failed", "b"), ("a", "1")),
        (made("transcode", "t", NOON + 5, "failed", "c"), ("c", "t")),
        (transcode("2", NOON - 50, source="a", task_id="t"), ("a", "2")),
        (transcode("t", NOON - 60, source="d"), ("a", "2")),
        (transcode("t", NOON - 50, source="e"), ("e", "t")),
        (transcode("3", NOON - 40, source="a", task_id="t"), ("a", "3")),
        (transcode("t", NOON + 50, source="f", task_id="other"), ("a", "3")),
        (made("remux", "t", NOON + 60, source="g", duration_ms=5), ("a", "3")),
        (void("v1", "3", "a"), ("e", "t")),
        (void("v2", "2", "a"), ("e", "t")),
        (void("v3", "t", "e"), ("d", "t")),
        (void("v4", "t", "d"), ("c", "t")),
        (void("v5", "t", "c"), ("a", "1")),
        (void("v6", "1", "a"), ("b", "t")),
        (void("v7", "t", "b"), 230),
    ]
    for sent, expected in steps:
        assert client.report(sent, token=token).json()["stored"] == 1, sent
        assert answers() == expected, sent
        write_all(old_account)
        assert answers() == expected, sent
    assert client.call("GetFormatTaskDetail", TaskId="t")["Source"] == "g"


def test_an_output_that_waits_is_no_task_yet(old_account):
    """It is listed when it is resolved."""
    server, client = old_account.server, old_account.client
    notice = {"retcode": 0, "task_id": "w", "src_url": "s", "dest_video_name": "d", "dest_video_url": "u", "duration": 30,
              "file_size": 1, "width": 1280, "height": 720, "message": ""}
    reply = client.request("POST", "/v1/adapters/umedia?source=um", json.dumps(notice),
                           {"Content-Type": "application/json", "Authorization": f"Bearer {client.token}"})
    assert reply.status == 200 and reply.json()["unresolved"] == 1, reply.body
    assert client.call("GetCodecTaskDetail", TaskId="w")["RetCode"] == 230
    assert call(old_account, "GetCodecTaskList")["TotalCount"] == 0
    waiting = server.admin("unresolved", "list")
    run("unresolved", "resolve", "--data", server.data, "--project", "org-a", "--source", waiting["source"], "--id", waiting["id"],
        "--codec", "h264")
    assert call(old_account, "GetCodecTaskDetail", TaskId="w")["Duration"] == 30
    assert task_ids(old_account, "GetCodecTaskList") == ["w"]


# ---- threads and memory ----


def test_long_answers_wait_for_their_turn(bare):
    """Beyond query.running_max and query.waiting_max the answer is 150. Statistics do not wait."""
    account = Account(bare, "query.max_age=0", "query.max_span=0", "query.threads=1", "query.running_max=1", "query.waiting_max=0")
    tasks = [transcode(f"{n}", NOON + n % 1000) for n in range(20000)]
    for first in range(0, len(tasks), 10000):
        assert account.client.report(tasks[first:first + 10000]).json()["stored"] == 10000
    answers = []

    def overlap():
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers.extend(pool.map(lambda _: account.client.call("GetCodecTaskList", **WINDOW), range(32)))
        return {answer["RetCode"] for answer in answers} >= {0, 150}

    wait_until(overlap)
    for answer in answers:
        if answer["RetCode"] == 0:
            assert len(answer["TaskList"]) == answer["TotalCount"] == 20000
        else:
            assert answer["RetCode"] == 150 and answer["Message"].startswith("Service unavailable: "), answer
            assert answer["Action"] == "GetCodecTaskListResponse"
    assert account.client.call("GetCodecTaskList", **WINDOW)["TotalCount"] == 20000


def test_64_lists_at_once(media):
    whole = [call(media, action, **WINDOW) for action in LISTS]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: media.client.call(LISTS[n % 3], **WINDOW), range(192)))
    assert all(answer == whole[n % 3] for n, answer in enumerate(answers))


def test_a_list_that_does_not_fit_into_memory_is_refused(bare):
    account = Account(bare, "query.max_age=0", "query.max_span=0", "http.answers_max=1MiB")
    tasks = [transcode(f"{n}", NOON, src_url="u" * 1000) for n in range(4000)]
    assert account.client.report(tasks).json()["stored"] == len(tasks)
    answer = account.client.call("GetCodecTaskList", **WINDOW)
    assert answer["RetCode"] == 150 and "http.answers_max" in answer["Message"], answer
    ids = [task for offset in range(0, 4000, 100) for task in task_ids(account, "GetCodecTaskList", **WINDOW, Offset=offset, Limit=100)]
    assert ids == [f"{n}" for n in range(4000)]
