"""UMedia's reads beside GetCodecTotalStat: statistics, task lists, task details, templates, user, regions."""
import json
import time

import pytest

from client import event
from conftest import Account, Server, run, write_all
from umedia import ANSWERS, DETAILS, LISTS, NOT_OFFERED, STATISTICS, decodes_answer

DAY = 86400
ENDLESS = 253402300799  # the last second that a time may be
NOON = 1604203200  # 2020-11-01T12:00:00+08:00, so 04:00 UTC
START = NOON - 12 * 3600  # of that day in Shanghai
WINDOW = {"BeginTime": START, "EndTime": START}


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


def test_statistics_add_up_codecs(old_account):
    """A remux may name its codec. There is one row a day all the same."""
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
