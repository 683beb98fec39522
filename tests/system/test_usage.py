"""Usage comes in: each way of framing, each outcome, each status."""
import gzip
import hashlib
import json
import threading
import time
from urllib.parse import quote

import pytest

from client import event
from conftest import Account, run, unless_sanitized, wait_until, write_all

JSON = "application/json"
EVENTS = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"
TIME = "2020-11-01T12:00:00Z"
TOO_LARGE = "the event is too large: its JSON takes more than 4 MiB of memory"


def counts(reply):
    body = reply.json()
    return tuple(body[name] for name in ("stored", "duplicate", "conflict", "rejected"))


def seconds(account):
    return sum(row["TotalTime"] for row in account.client.stat(BeginTime=1600000000, EndTime=1610000000))


# ---- frames ----


def test_each_frame(old_account):
    c = old_account.client
    assert counts(c.report(event(1, TIME), EVENTS)) == (1, 0, 0, 0)
    assert counts(c.report([event(2, TIME), event(3, TIME)], BATCH)) == (2, 0, 0, 0)
    plain = event(4, TIME)
    del plain["specversion"]
    assert counts(c.report(plain)) == (1, 0, 0, 0)
    assert counts(c.report([plain, event(5, TIME)])) == (1, 1, 0, 0)
    lines = "\n".join(json.dumps(event(n, TIME)) for n in (6, 7))
    assert counts(c.report(lines, NDJSON)) == (2, 0, 0, 0)
    assert counts(c.report(lines.replace("\n", "\r\n\r\n") + "\r\n", NDJSON + "; charset=UTF-8")) == (0, 2, 0, 0)
    assert counts(c.report("[]", BATCH)) == (0, 0, 0, 0)
    assert counts(c.report("", NDJSON)) == (0, 0, 0, 0)
    assert seconds(old_account) == 7


def test_frames_that_cannot_be_read(account):
    c = account.client
    for body, content_type, status in (
            ("", "application/json", 400), ("{", "application/json", 400), ("[", BATCH, 400), ("7", EVENTS, 400),
            ("{}", BATCH, 400), ("[]", EVENTS, 400), ('"x"', "application/json", 400), (b"\xff\xfe{}", EVENTS, 400),
            ("{}", "text/plain", 415), ("{}", "application/json; charset=latin1", 415), ("{}", "", 415)):
        reply = c.report(body, content_type)
        assert reply.status == status, (body, content_type, reply.status, reply.body)
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == status and reply.json()["detail"]


# ---- CloudEvents' other ways, and gzip ----


def binary(made, token):
    """The event in binary mode, as the CloudEvents SDKs send it."""
    headers = {f"ce-{name}": quote(value, safe=" !#$&'()*+,-./:;<=>?@[\\]^_`{|}~") for name, value in made.items()
               if name != "data"}
    return json.dumps(made["data"]), {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}


def test_binary_mode(old_account):
    c = old_account.client
    first, second = event("a", TIME), event("b €", TIME, source='farm "7" 100%')
    assert counts(c.request("POST", "/v1/events", *binary(first, c.token))) == (1, 0, 0, 0)
    assert counts(c.request("POST", "/v1/events", *binary(second, c.token))) == (1, 0, 0, 0)
    assert counts(c.report([first, second], BATCH)) == (0, 2, 0, 0), "the same identity in every mode"
    reply = c.request("POST", "/v1/events", *binary(event("a", TIME, seconds=7), c.token))
    assert reply.status == 409
    body, headers = binary(event("c", TIME), c.token)
    for name, value, status in (("ce-datacontenttype", "application/json", 400), ("ce-source", "%ff", 400),
                                ("ce-id", "", 422), ("ce-specversion", "0.3", 422), ("Content-Type", "text/xml", 415)):
        reply = c.request("POST", "/v1/events", body, {**headers, name: value})
        assert reply.status == status, (name, reply.status, reply.body)
    many = {f"ce-x{n}": "1" for n in range(65)}
    assert c.request("POST", "/v1/events", body, {**headers, **many}).status == 400
    assert seconds(old_account) == 2


def zipped(c, body, content_type=JSON):
    return c.request("POST", "/v1/events", body, {"Authorization": f"Bearer {c.token}", "Content-Type": content_type,
                                                  "Content-Encoding": "gzip"})


def test_gzip(old_account):
    c = old_account.client
    batch = [event(n, TIME) for n in range(100)]
    body = gzip.compress(json.dumps(batch).encode())
    assert counts(zipped(c, body)) == (100, 0, 0, 0)
    lines = gzip.compress("\n".join(map(json.dumps, batch)).encode())
    assert counts(zipped(c, lines + gzip.compress(b""), NDJSON)) == (0, 100, 0, 0)
    body_binary, headers = binary(event(0, TIME), c.token)
    reply = c.request("POST", "/v1/events", gzip.compress(body_binary.encode()), {**headers, "Content-Encoding": "gzip"})
    assert counts(reply) == (0, 1, 0, 0)
    for wrong in (body[:-1], body[:20], b"", json.dumps(batch).encode(), body + b"x"):
        assert zipped(c, wrong).status == 400
    bomb = gzip.compress(b"[" + b" " * (200 << 20) + b"]")
    reply = zipped(c, bomb)
    assert len(bomb) < 1 << 20 and reply.status == 413 and "ingest.body_max" in reply.json()["detail"]
    assert seconds(old_account) == 100


def test_webhook_validation(account):
    c = account.client
    reply = c.request("OPTIONS", "/v1/events", headers={"WebHook-Request-Origin": "hub.example.com",
                                                        "WebHook-Request-Rate": "120"})
    assert reply.status == 200 and reply.headers["webhook-allowed-origin"] == "hub.example.com"
    assert reply.headers["webhook-allowed-rate"] == "*" and "POST" in reply.headers["allow"]
    reply = c.request("OPTIONS", "/v1/events", headers={"WebHook-Request-Origin": "hub.example.com"})
    assert "webhook-allowed-rate" not in reply.headers
    reply = c.request("OPTIONS", "/v1/events")
    assert reply.status == 204 and reply.body == b"" and "webhook-allowed-origin" not in reply.headers
    assert c.request("OPTIONS", "/v1/events", headers={"WebHook-Request-Origin": "x" * 256}).status == 400


def test_openmeters_path(old_account):
    """204 where every event counts, as OpenMeter answers; else all that we say."""
    c = old_account.client
    headers = {"Authorization": f"Bearer {c.token}", "Content-Type": BATCH}

    def ingest(*events):
        return c.request("POST", "/api/v1/events", json.dumps(events), headers)

    for _ in range(2):
        reply = ingest(event(1, TIME), event(2, TIME))
        assert reply.status == 204 and reply.body == b"" and "content-type" not in reply.headers
    reply = ingest(event(3, TIME), event(1, TIME, seconds=9), event(2, TIME))
    assert reply.status == 200 and counts(reply) == (1, 1, 1, 0)
    assert c.request("POST", "/api/v1/events", json.dumps(event(4, TIME, width=0)), {**headers, "Content-Type": EVENTS}).status == 422
    assert c.request("POST", "/api/v1/events", "[]", headers).status == 204
    assert c.request("POST", "/api/v1/events", "[]", {"Content-Type": BATCH}).status == 401
    assert seconds(old_account) == 3


# ---- outcomes ----


def test_outcomes_of_one_event(old_account):
    c = old_account.client
    assert c.report(event("a", TIME, seconds=5)).status == 200
    assert c.report(event("a", TIME, seconds=5)).status == 200
    conflict = c.report(event("a", TIME, seconds=6))
    assert conflict.status == 409 and counts(conflict) == (0, 0, 1, 0)
    assert "duration_ms" in conflict.json()["results"][0]["reason"]
    rejected = c.report(event("b", TIME, width=0))
    assert rejected.status == 422 and counts(rejected) == (0, 0, 0, 1)
    assert "width" in rejected.json()["results"][0]["reason"]
    assert seconds(old_account) == 5


def test_a_conflict_gives_both_values(old_account):
    """Of each field that differs; of two types, what both reports are."""
    c = old_account.client
    later = TIME.replace("Z", ".001Z")
    remux = event("remux", TIME, type="remux.finished", data={"duration_ms": 5000})
    images = event("images", TIME, type="snapshot.finished", data={"image_count": 7})
    assert counts(c.report([event("a", TIME, seconds=5), remux, images])) == (3, 0, 0, 0)
    for made, reason in (
            (event("a", TIME, seconds=5, codec="hevc"), "codec: stored h264, reported h265"),
            (event("a", TIME, seconds=5, width=1280, height=720), "width: stored 640, reported 1280; height: stored 360, reported 720"),
            (event("a", TIME, seconds=6.5), "duration_ms: stored 5000, reported 6500"),
            (event("a", later, seconds=5), "time: stored 2020-11-01T12:00:00.000Z, reported 2020-11-01T12:00:00.001Z"),
            ({**remux, "id": "a"}, "stored as a transcode (h264 640x360 5.000 s), reported as a remux (5.000 s)"),
            (event("remux", later, seconds=5), "stored as a remux (5.000 s), reported as a transcode (h264 640x360 5.000 s); "
                                               "time: stored 2020-11-01T12:00:00.000Z, reported 2020-11-01T12:00:00.001Z"),
            (event("a", TIME, type="transcode.failed", data=None),
             "stored as a transcode (h264 640x360 5.000 s), reported as a failed transcode"),
            ({**images, "data": {"image_count": 8}}, "image_count: stored 7, reported 8"),
            ({**images, "id": "remux"}, "stored as a remux (5.000 s), reported as a snapshot task (7 images)")):
        reply = c.report(made)
        assert reply.status == 409 and counts(reply) == (0, 0, 1, 0)
        assert reply.json()["results"][0]["reason"] == f"differs from the first report: {reason}"
    assert seconds(old_account) == 5


def test_a_retry_is_a_duplicate_however_it_is_spelled(old_account):
    c = old_account.client
    assert counts(c.report(event("a", TIME, seconds=2))) == (1, 0, 0, 0)
    timeless = event("a", seconds=2)
    other = event("a", "2020-11-01T20:00:00.000+08:00", codec="libx264")
    other["data"].update(duration=2.0, task_id="else", dest_name="else")
    del other["data"]["duration_ms"]
    for again in (timeless, other):
        assert counts(c.report(again)) == (0, 1, 0, 0), again
    differs = (event("a", "2020-11-02T12:00:00Z", seconds=2), event("a", TIME, seconds=2, width=641),
               event("a", TIME, seconds=2, height=361), event("a", TIME, seconds=2, codec="h265"),
               event("a", TIME, seconds=2, type="transcode.failed"), event("a", TIME, seconds=2, type="remux.finished"))
    for other in differs:
        assert counts(c.report(other)) == (0, 0, 1, 0), other
    assert seconds(old_account) == 2


def test_a_batch_of_a_thousand_with_one_of_each(old_account):
    c = old_account.client
    assert counts(c.report(event("first", TIME))) == (1, 0, 0, 0)
    batch = [event(n, TIME) for n in range(1000)]
    batch[100] = event("first", TIME)
    batch[200] = event("first", TIME, seconds=9)
    batch[300] = {"id": "bare"}
    batch[400] = event(399, TIME)
    reply = c.report(batch)
    assert reply.status == 200 and counts(reply) == (996, 2, 1, 1)
    assert [(r["index"], r["outcome"]) for r in reply.json()["results"]] == [
        (100, "duplicate"), (200, "conflict"), (300, "rejected"), (400, "duplicate")]
    assert seconds(old_account) == 997


def test_identity_is_project_source_and_id(old_account):
    c, server = old_account.client, old_account.server
    server.admin("project", "create", "--id", "org-b")
    everywhere = server.admin("token", "create")["token"]
    for number, (project, source, id) in enumerate(
            (p, s, i) for p in ("org-a", "org-b") for s in ("ab", "a") for i in ("c", "bc")):
        reply = c.report(event(id, TIME, source=source, subject=project), token=everywhere)
        assert counts(reply) == (1, 0, 0, 0), number
    reply = c.report(event("x", TIME), token=everywhere)
    assert reply.status == 422 and "subject" in reply.json()["results"][0]["reason"]
    reply = c.report(event("x", TIME, subject="org-b"))
    assert reply.status == 422, "the token is bound to org-a"
    reply = c.report(event("x", TIME, subject="org-none"), token=everywhere)
    assert reply.status == 422 and "org-none" not in c.call("GetProjectList")


def test_kinds_and_failures(old_account):
    c = old_account.client
    for type, data in (("transcode.failed", None), ("transcode.failed", {"codec": "h264"}),
                       ("remux.finished", {"duration_ms": 60000}), ("remux.failed", None),
                       ("snapshot.finished", {"image_count": 3}), ("snapshot.failed", {})):
        made = event(f"{type}{data}", TIME, type=type)
        made["data"] = data
        assert counts(c.report(made)) == (1, 0, 0, 0), made
    assert seconds(old_account) == 0, "only finished transcodes have seconds here"
    for type in ("transcode.finished", "remux.finished", "snapshot.finished"):
        made = event(f"no data {type}", TIME, type=type)
        made["data"] = None
        assert c.report(made).status == 422


# ---- voids ----


def void(id, target, source="corrections", target_source="test", **attributes):
    return {"specversion": "1.0", "type": "usage.voided", "source": source, "id": str(id),
            "data": {"source": target_source, "id": str(target), "reason": "wrong preset", "actor": "Ann"}, **attributes}


def reason_of(reply):
    return reply.json()["results"][0]["reason"]


def test_what_is_voided_counts_no_more(old_account):
    c, server = old_account.client, old_account.server
    token = server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    assert counts(c.report([event(n, TIME, seconds=10) for n in range(3)])) == (3, 0, 0, 0)
    refused = c.report(void("v1", 0))
    assert refused.status == 422 and "scope void" in reason_of(refused)
    assert counts(c.report(void("v1", 0), token=token)) == (1, 0, 0, 0)
    assert seconds(old_account) == 20
    again = c.report(void("v1", 0), token=token)
    assert again.status == 200 and counts(again) == (0, 1, 0, 0) and reason_of(again) == "reported before"
    other = c.report(void("v2", 0), token=token)
    assert other.status == 200 and counts(other) == (0, 1, 0, 0) and reason_of(other) == "voided before"
    unknown = c.report(void("v3", "nobody"), token=token)
    assert unknown.status == 422 and "no record has this source and id" in reason_of(unknown)
    twice = c.report(void("v4", "v1", target_source="corrections"), token=token)
    assert twice.status == 422 and "itself a void" in reason_of(twice)
    moved = c.report(void("v1", 1), token=token)
    assert moved.status == 409 and reason_of(moved) == "differs from the first report: data: stored as a void of another record"
    clash = c.report(void("0", 1, source="test"), token=token)
    assert clash.status == 409 and reason_of(clash) == (
        "differs from the first report: stored as a transcode (h264 640x360 10.000 s), reported as a void")
    assert counts(c.report(event("v1", TIME, source="corrections"))) == (0, 0, 1, 0), "one space of identities"
    assert counts(c.report(event(0, TIME, seconds=10))) == (0, 1, 0, 0), "what is voided stays reported"
    assert counts(c.report(event("0-corrected", TIME, seconds=12), token=token)) == (1, 0, 0, 0)
    assert seconds(old_account) == 32
    for _ in range(2):
        server.stop()
        server.start()
        assert seconds(old_account) == 32
        assert counts(old_account.client.report(void("v5", 0), token=token)) == (0, 1, 0, 0)
    run("verify", "--data", server.data)


@pytest.mark.parametrize("delta_max", [3, 100000])
def test_voids_in_one_batch_and_across_checkpoints(bare, delta_max):
    account = Account(bare, "query.max_age=0", "query.max_span=0", f"ingest.delta_max={delta_max}")
    token = bare.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    kinds = [event("t", TIME, seconds=5), event("f", TIME, type="transcode.failed"),
             {**event("r", TIME, type="remux.finished"), "data": {"duration_ms": 60000}},
             {**event("s", TIME, type="snapshot.finished"), "data": {"image_count": 3}}]
    batch = kinds + [void(f"v-{made['id']}", made["id"]) for made in kinds] + [void("v-again", "t")]
    for outcome in ((8, 1, 0, 0), (0, 9, 0, 0)):
        got = (0, 0, 0, 0)
        for n in range(0, len(batch), 3):
            got = tuple(map(sum, zip(got, counts(account.client.report(batch[n:n + 3], token=token)))))
        assert got == outcome
    whole = [event(f"w{n}", TIME, codec="av1") for n in range(50)]
    assert counts(account.client.report(whole + [void(f"vw{n}", f"w{n}") for n in range(50)], token=token)) == (100, 0, 0, 0)
    assert seconds(account) == 0
    rows = account.client.stat(BeginTime=1604200000, EndTime=1604200001)
    assert [row["VideoCodec"] for row in rows] == ["h264"], "av1 has no usage left"
    assert "no differences" in run("verify", "--data", bare.data).stdout
    bare.kill()
    run("rebuild", "--data", bare.data)
    assert "no differences" in run("verify", "--data", bare.data).stdout
    bare.start()
    assert seconds(account) == 0 and counts(account.client.report(void("v-x", "w7"), token=token)) == (0, 1, 0, 0)


def test_voids_that_are_wrong(old_account):
    c = old_account.client
    token = old_account.server.admin("token", "create", "--scope", "void")["token"]
    for change, words in (({"source": None}, "source of data is missing"), ({"id": None}, "id of data is missing"),
                          ({"id": ""}, "id of data: must be a text"), ({"id": 7}, "id of data: must be a text"),
                          ({"source": "x" * 257}, "source of data: must be a text"), ({"reason": "x" * 1025}, "reason: must be a text"),
                          ({"actor": "a\nb"}, "actor: must be a text")):
        made = void("v", 1, subject="org-a")
        made["data"].update(change)
        reply = c.report(made, token=token)
        assert reply.status == 422 and words in reason_of(reply), (change, reply.body)
    bare_void = void("v", 1, subject="org-a")
    del bare_void["data"]
    assert reason_of(c.report(bare_void, token=token)) == "data is missing"
    # another project's record is not this one's
    old_account.server.admin("project", "create", "--id", "org-b")
    assert counts(c.report(event(1, TIME))) == (1, 0, 0, 0)
    assert c.report(void("v", 1, subject="org-b"), token=token).status == 422


def test_history(old_account):
    c, server = old_account.client, old_account.server
    made = server.admin("token", "create", "--project", "org-a", "--scope", "void")
    first = event("job/720p", TIME, seconds=20.033, width=1280, height=720, codec="libx264")
    first["data"].update(task_id="job", src_url="s3://in/a.mov")
    assert c.report(first).status == 200
    asked = ("history", "--project", "org-a", "--source", "test", "--id", "job/720p")
    assert server.admin(*asked)[0]["voided"] is None
    assert c.report(void("v1", "job/720p", time="2020-11-02T00:00:00Z"), token=made["token"]).status == 200
    second = event("job/720p/2", TIME, seconds=21)
    second["data"]["task_id"] = "job"
    assert c.report(second).status == 200
    for _ in range(2):  # in memory, then in the derived files
        [shown] = server.admin(*asked)
        assert shown["data"] == {"codec": "h264", "width": 1280, "height": 720, "duration_ms": 20033, "task_id": "job",
                                 "codec_reported": "libx264", "src_url": "s3://in/a.mov"}
        assert shown["time"] == "2020-11-01T12:00:00.000Z" and shown["tier"] == "medium" and shown["arrived"] > "2026"
        voided = shown["voided"]
        assert voided["id"] == "v1" and voided["token"] == made["id"] and voided["time"] == "2020-11-02T00:00:00.000Z"
        assert voided["data"] == {"source": "test", "id": "job/720p", "reason": "wrong preset", "actor": "Ann"}
        both = server.admin("history", "--project", "org-a", "--task-id", "job")
        assert [(item["id"], item["voided"] is None) for item in both] == [("job/720p", False), ("job/720p/2", True)]
        [itself] = server.admin("history", "--project", "org-a", "--source", "corrections", "--id", "v1")
        assert itself["type"] == "usage.voided" and itself["voided"] is None
        text = run(*asked, "--data", server.data).stdout
        for part in ("h264 1280x720 20.033 s medium", "VOIDED", "Ann", "wrong preset", made["id"]):
            assert part in text, text
        server.admin("project", "set", "--id", "org-a", "--time-zone", "UTC", "--force")
        wait_until(lambda: "checkpoint: " in server.log_text())
    for wrong, status in ((("--project", "org-a", "--source", "test", "--id", "none"), 1), (("--project", "org-a"), 2),
                          (("--source", "a", "--id", "b"), 2), (("--project", "org-a", "--task-id", "none"), 1)):
        assert run("history", *wrong, "--data", server.data, check=False).returncode == status


def test_late(old_account):
    c, server = old_account.client, old_account.server
    now = time.time()

    def ago(hours):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - hours * 3600))

    assert counts(c.report([event("fresh", ago(0)), event("hours", ago(30)), event("years", TIME), event("timeless")])) == (4, 0, 0, 0)

    def late(*args):
        return [json.loads(line)["id"] for line in run("late", "--data", server.data, "--json", *args).stdout.splitlines()]

    assert late() == ["hours", "years"] and late("--delay", "2d") == ["years"] and late("--delay", "0") == ["fresh", "hours", "years"]
    server.admin("project", "create", "--id", "org-b")
    assert late("--since", "1h", "--project", "org-a") == ["hours", "years"] and late("--project", "org-b") == []
    assert late("--since", ago(0)[:10]) == late("--since", ago(24)[:10]) == ["hours", "years"] and late("--since", "9999-12-31") == []
    assert late("--since", ago(-0.001)) == []
    text = run("late", "--data", server.data).stdout
    assert "30 h" in text and "years" in text and TIME[:10] in text
    for wrong in (("--since", "yesterday"), ("--since", "2026-02-30"), ("--delay", "x"), ("org-a", "operand")):
        assert run("late", "--data", server.data, *wrong, check=False).returncode == 2


def test_codecs_that_are_not_known(old_account):
    """A project has room for 150 of them, and always for those that are known."""
    c = old_account.client
    names = [event(f"c{n}", TIME, codec=f"codec-{n}") for n in range(150)]
    assert counts(c.report(names)) == (150, 0, 0, 0)
    late = c.report(event("c150", TIME, codec="codec-150"))
    assert counts(late) == (0, 0, 0, 1) and "codec-150" in late.json()["results"][0]["reason"]
    assert counts(c.report([event("again", TIME, codec="CODEC-7"), names[3]])) == (1, 1, 0, 0)
    known = ("h264", "libx265", "av01.0.05M.08", "vp09.00.10.08", "mp4v.20.9", "mpeg2", "PRORES")
    assert counts(c.report([event(f"k{n}", TIME, codec=codec) for n, codec in enumerate(known)])) == (7, 0, 0, 0)
    rows = {row["VideoCodec"] for row in c.stat(BeginTime=1600000000, EndTime=1610000000) if row["TotalTime"]}
    assert {"h264", "h265", "av1", "vp9", "mpeg4", "mpeg2video", "prores"} < rows and len(rows) == 157


# What prices depend on, and labels.
PRICED = {"frame_rate": "30000/1001", "quality": "hq", "region": "eu-west-1", "passes": 2, "input_duration_ms": 60000,
          "labels": {"team": "news", "show": "Ünter 1=2"}}


def priced(id, **data):
    made = event(id, TIME, seconds=20)
    made["data"].update(PRICED, **data)
    return made


def test_measures_that_prices_depend_on(old_account):
    c, server = old_account.client, old_account.server
    sound = event("sound", TIME)
    sound.update(type="audio.finished", data={"codec": "libfdk_aac", "duration_ms": 1500, "passes": 1})
    assert counts(c.report([priced("a"), sound])) == (2, 0, 0, 0)
    asked = ("history", "--project", "org-a", "--source", "test", "--id")
    for round in range(3):  # in memory, then in the derived files, then rebuilt
        [shown] = server.admin(*asked, "a")
        assert {name: shown["data"][name] for name in PRICED} == PRICED and shown["token"]
        [shown] = server.admin(*asked, "sound")
        assert shown["type"] == "audio.finished"
        assert shown["data"] == {"codec": "aac", "codec_reported": "libfdk_aac", "duration_ms": 1500, "passes": 1}
        if round == 0:
            write_all(old_account)
        else:
            server.stop()
            run("rebuild", "--data", server.data)
            run("verify", "--data", server.data)
            server.start()
    assert sum(row["TotalTime"] for row in c.stat(BeginTime=1600000000, EndTime=1610000000)) == 20, "sound is no video"


def test_each_record_keeps_the_token_that_reported_it(old_account):
    """Also if many report at once, and if the token is used for one request only."""
    server = old_account.server
    tokens = [server.admin("token", "create", "--project", "org-a") for _ in range(4)]

    def send(sender):
        for n in range(20):
            client = server.client(token=tokens[sender]["token"])
            assert counts(client.report([event(f"{sender}-{n}-{i}", TIME) for i in range(30)])) == (30, 0, 0, 0)

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sender in range(4):
        for n in range(0, 20, 4):
            [shown] = server.admin("history", "--project", "org-a", "--source", "test", "--id", f"{sender}-{n}-7")
            assert shown["token"] == tokens[sender]["id"]


@pytest.mark.parametrize("data, reason", (
    ({"frame_rate": 25}, "frame_rate: stored 30000/1001, reported 25"), ({"quality": "lq"}, "quality: stored hq, reported lq"),
    ({"region": "us\"east"}, 'region: stored eu-west-1, reported us"east'), ({"passes": 1}, "passes: stored 2, reported 1"),
    ({"input_duration_ms": 1}, "input_duration_ms: stored 60000, reported 1")))
def test_measures_that_differ_are_a_conflict(old_account, data, reason):
    c = old_account.client
    assert counts(c.report(priced("a"))) == (1, 0, 0, 0)
    answer = c.report(priced("a", **data))
    assert counts(answer) == (0, 0, 1, 0) and reason in answer.json()["results"][0]["reason"]


def test_measures_that_one_report_lacks(old_account):
    """Or writes in another way: no conflict. Labels are not compared."""
    c = old_account.client
    assert counts(c.report([priced("a"), event("b", TIME, seconds=20)])) == (2, 0, 0, 0)
    again = [event("a", TIME, seconds=20), priced("b"), priced("a", frame_rate=29.97), priced("a", labels={"other": "x"}),
             priced("a", frame_rate=None, labels=None), priced("a", codec="avc1.64001f")]
    assert counts(c.report(again)) == (0, 6, 0, 0)


def test_times_that_cannot_be(old_account):
    c = old_account.client
    ahead = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 301))
    for wrong in (ahead, "1979-12-31T23:59:59Z", "2020-11-01T12:00:00", "2026-02-30T00:00:00Z", "yesterday", 7):
        assert c.report(event("a", wrong)).status == 422, wrong
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 250))
    assert c.report(event("a", soon)).status == 200
    assert c.report(event("b", "1980-01-01T00:00:00Z")).status == 200


# ---- who may ----


def test_tokens(account):
    c, server = account.client, account.server
    none, other_scheme, unknown = "no token was sent", "it must be Authorization: Bearer TOKEN", "a token of another server?"
    for authorization, reason in ((None, none), ("", none), ("Bearer", other_scheme), ("Bearer ", other_scheme),
                                  ("Basic Zm9v", other_scheme), (account.token, other_scheme), ("Bearer wrong", unknown),
                                  (f"Bearer {account.token}x", unknown)):
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        reply = c.request("POST", "/v1/events", json.dumps(event("a")), headers)
        assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer"), authorization
        assert reason in reply.json()["detail"], (authorization, reply.body)
    # the id is the one that `spool status` and `token list` show
    assert f"(id {hashlib.sha256(account.token.encode() + b'x').hexdigest()[:12]})" in reply.json()["detail"]
    reading = server.admin("token", "create", "--project", "org-a", "--scope", "read")
    assert c.report(event("a"), token=reading["token"]).status == 403
    other = server.admin("token", "create", "--project", "org-a")
    assert c.report(event("a"), token=other["token"]).status == 200
    server.admin("token", "revoke", "--id", other["id"])
    reply = c.report(event("b"), token=other["token"])
    assert reply.status == 401 and f"(id {other['id']}) was revoked" in reply.json()["detail"], reply.body
    assert account.token not in server.log_text() and other["token"] not in server.log_text()


def test_paths_and_methods(account):
    c = account.client
    assert c.request("GET", "/v1/events").status == 405
    assert c.request("GET", "/v1/events").headers["allow"] == "POST, OPTIONS"
    assert c.request("POST", "/v1/nothing", "{}").status == 404
    assert c.request("GET", "/favicon.ico").status == 404


def test_a_token_that_makes_projects(account):
    c, server = account.client, account.server
    plain = server.admin("token", "create")["token"]
    made = server.admin("token", "create", "--create-projects", "--time-zone", "Asia/Tokyo")
    assert made["creates_projects"] is True
    assert c.report(event(1, subject="customer-1"), token=plain).status == 422
    batch = [event(n, subject=f"customer-{n % 3}") for n in range(30)]
    assert counts(c.report(batch, token=made["token"])) == (30, 0, 0, 0)
    assert counts(c.report(batch, token=plain)) == (0, 30, 0, 0)
    projects = {p["id"]: p for p in server.admin("project", "list")}
    assert set(projects) == {"org-a", "customer-0", "customer-1", "customer-2"}
    assert projects["customer-1"]["time_zone"] == "Asia/Tokyo" and projects["customer-1"]["name"] == "customer-1"
    odd = c.report([event(1, subject="any name"), event(2, subject="customer-9")], token=made["token"])
    assert counts(odd) == (2, 0, 0, 0)
    assert "customer-9" in {p["id"] for p in server.admin("project", "list")}
    # More than a hundred new ones in one request: nothing is lost, the request is to be sent again.
    many = [event(n, subject=f"many-{n // 2}") for n in range(500)]
    for _ in range(2):
        reply = c.report(many, token=made["token"])
        assert reply.status == 503 and "too many new projects in one request" in reply.json()["detail"], reply.body
        assert int(reply.headers["retry-after"]) >= 1
    assert counts(c.report(many, token=made["token"])) == (500, 0, 0, 0)
    assert counts(c.report(many, token=made["token"])) == (0, 500, 0, 0)
    # Names that no project may have are rejected, however many: to send them again would be of no use.
    odd = [event(n, subject=f" {n}") for n in range(300)]
    assert counts(c.report(odd, token=made["token"])) == (0, 0, 0, 300)
    void = {**event("v", type="usage.voided", subject="never"), "data": {"source": "s", "id": "x"}}
    assert c.report(void, token=made["token"]).status == 422
    assert "never" not in {p["id"] for p in server.admin("project", "list")}
    for wrong in (("--project", "org-a", "--create-projects"), ("--scope", "read", "--create-projects", "--time-zone", "UTC")):
        assert run("token", "create", *wrong, "--data", server.data, check=False).returncode == 2
    server.kill()
    server.start()
    assert counts(account.client.report(batch, token=made["token"])) == (0, 30, 0, 0)
    server.admin("token", "revoke", "--id", made["id"])
    assert [t["creates_projects"] for t in server.admin("token", "list") if t["id"] == made["id"]] == [True]


# ---- bounds ----


def test_too_much(bare):
    account = Account(bare, "ingest.body_max=64KiB", "ingest.events_max=10")
    c = account.client
    reply = c.report(" " * (64 * 1024) + "[]")
    assert reply.status == 413 and "65536" in reply.json()["detail"]
    reply = c.report([event(n) for n in range(11)])
    assert reply.status == 413 and "10" in reply.json()["detail"]
    assert counts(c.report([event(n) for n in range(10)])) == (10, 0, 0, 0)
    assert counts(c.report("\n".join(json.dumps(event(n)) for n in range(10)), NDJSON)) == (0, 10, 0, 0)


def test_ten_thousand_empty_events(account):
    """Few bytes, many events: memory is not by the bytes alone."""
    for body, content_type in ((json.dumps([{}] * 10000), JSON), ("{}\n" * 10000, NDJSON)):
        reply = account.client.report(body, content_type)
        assert reply.status == 200 and counts(reply) == (0, 0, 0, 10000)
    assert account.client.report([{}] * 10001).status == 413


@pytest.mark.parametrize("what", ['"x":[' + "[]," * 300000 + "[]]", '"x":[' + "1," * 300000 + "1]",
                                  '"x":{' + ",".join(f'"{i}":0' for i in range(100000)) + "}",
                                  ",".join(f'"{i}":0' for i in range(100000)), '"x":"' + "y" * (5 << 20) + '"'],
                         ids=["arrays", "numbers", "members", "attributes", "text"])
def test_one_event_too_large_harms_itself_alone(account, what):
    c = account.client
    huge = json.dumps(event(2))[:-1] + "," + what + "}"
    for content_type in (JSON, NDJSON):
        events = [json.dumps(event(1)), huge, json.dumps(event(3))]
        body = "[" + ",".join(events) + "]" if content_type is JSON else "\n".join(events)
        reply = c.report(body, content_type)
        assert reply.status == 200 and sum(counts(reply)) == 3 and counts(reply)[3] == 1, reply.body
        result = [result for result in reply.json()["results"] if result["outcome"] == "rejected"]
        assert result == [{"index": 1, "id": None, "outcome": "rejected", "reason": TOO_LARGE}]
        # also where the array as a whole is no JSON
        if content_type is JSON:
            assert counts(c.report(body[:-1] + ',{"x":NaN}]'))[3] == 2
    reply = c.report(huge)
    assert reply.status == 422 and reply.json()["results"][0]["reason"] == TOO_LARGE


def peak_mib(process):
    """The most memory that was ever resident."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


@unless_sanitized
def test_memory_is_a_small_multiple_of_the_bodies(account):
    """Eight bodies of 14 MB at once that were 1.6 GB when their trees were held."""
    filler = "[]," * 500 + "[]"
    body = "[" + ",".join(json.dumps(event(n))[:-1] + f',"x":[{filler}]}}' for n in range(8500)) + "]"
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(account.client.report(body))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts(reply)[:2] for reply in replies) == [(0, 8500)] * 7 + [(8500, 0)]
    assert peak_mib(account.server.process) < 4 * 8 * len(body) >> 20


def test_what_waits_is_counted_as_a_body(bare):
    """9,999 empty events and a good one are 30 kB to send, and more than a mebibyte to keep until it is on disk."""
    account = Account(bare, "http.bodies_max=1MiB")
    for _ in range(3):
        reply = account.client.report([{}] * 9999 + [event(1)])
        assert reply.status == 503 and "retry-after" in reply.headers and "request bodies fill" in reply.json()["detail"]
    for n in range(3):
        assert counts(account.client.report([event(n) for n in range(1000)])) == ((1000, 0) if n == 0 else (0, 1000)) + (0, 0)


def test_a_small_delta_under_load(bare):
    """Checkpoints come and go under four reporters, half of whose events are sent twice; each counts once."""
    account = Account(bare, "query.max_age=0", "query.max_span=0", "ingest.delta_max=500")
    failures = []

    def reporter(number):
        c = account.client
        for batch in range(20):
            events = [event(f"{number if n % 2 else 'shared'}-{batch}-{n}", TIME) for n in range(100)]
            reply = c.report(events)
            while reply.status == 503:
                time.sleep(0.05)
                reply = c.report(events)
            if reply.status != 200 or counts(reply)[2:] != (0, 0):
                failures.append(reply.body)

    threads = [threading.Thread(target=reporter, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert seconds(account) == 20 * (50 + 4 * 50)


def test_the_order_of_history(old_account):
    """As it was stored, wherever it lies; and a void is shown when it came, whatever its sender says."""
    c, server = old_account.client, old_account.server
    token = server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    body = json.dumps({"task_id": 1, "retcode": 0, "duration": 7, "width": 640, "height": 360, "dest_video_name": "a"})
    notice = c.request("POST", "/v1/adapters/umedia", body, {"Authorization": f"Bearer {token}"}).json()
    assert notice["unresolved"] == 1, notice
    asked = ("history", "--project", "org-a", "--source", "umedia", "--id", "1/a")
    stored = ["transcode.unresolved"]
    for kind, made in (("transcode.finished", event("1/a", TIME, source="umedia", task_id="t")), (None, void("v", "1/a", target_source="umedia", time=TIME))):
        assert counts(c.report(made, token=token)) == (1, 0, 0, 0)
        stored += [kind] if kind is not None else []
        for _ in range(2):
            items = server.admin(*asked)
            assert [item["type"] for item in items] == stored
            assert [item["position"] for item in items] == sorted(item["position"] for item in items)
            write_all(old_account)
    assert items[1]["voided"]["arrived"] > "2026"
    text = run(*asked, "--data", server.data).stdout
    [line] = [line for line in text.splitlines() if "VOIDED" in line]
    assert line.split() == ["VOIDED", items[1]["voided"]["arrived"]], text
    itself = run("history", "--project", "org-a", "--source", "corrections", "--id", "v", "--data", server.data).stdout
    assert items[1]["voided"]["arrived"] in itself


def test_late_and_voided(old_account):
    """What is voided is shown to be so: it counts no more."""
    c, server = old_account.client, old_account.server
    token = server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    assert counts(c.report([event(n, TIME) for n in range(3)])) == (3, 0, 0, 0)
    for n in range(2):
        assert counts(c.report(void(f"v{n}", n), token=token)) == (1, 0, 0, 0)
        if n == 0:
            write_all(old_account)
    for _ in range(2):
        items = [json.loads(line) for line in run("late", "--data", server.data, "--json").stdout.splitlines()]
        assert [(item["id"], item["voided"] and item["voided"]["id"]) for item in items] == [("0", "v0"), ("1", "v1"), ("2", None)]
        lines = run("late", "--data", server.data).stdout.splitlines()
        assert lines[0].split()[0] == "FINISHED"
        assert [line.endswith("VOIDED") for line in lines[1:]] == [True, True, False]
        write_all(old_account)


# ---- traces: a sender that does not read its answers ----


def traces(account):
    return [line for line in account.server.log_text().splitlines() if ": rejected " in line or ": refused a body " in line]


def test_rejected_events_leave_one_line_a_request(account):
    c = account.client
    token = account.server.admin("token", "list")[0]["id"]
    many = [event(n, width=0) for n in range(7)] + [event("long" + "x" * 300), event("a\x85\n\x1b[31m"), event("good")]
    no_codec = event("bare")
    del no_codec["data"]["codec"]
    assert c.report([*many, no_codec, "text"]).json()["rejected"] == 11
    [line] = traces(account)
    assert line.endswith(f"/v1/events: rejected 11 of 12 events of token {token}: width 7, id 2, codec_missing 1, no_object 1; "
                         'ids: "0" (width: must be an integer from 1 to 65535), "1", "2"'), line
    assert c.report([event("a\x85\n\x1b[31m")]).json()["rejected"] == 1
    assert '\\xc2\\x85\\x0a\\x1b[31m' in traces(account)[-1], "controls no terminal"
    assert c.report([event('a" (id is missing), "\\', width=0)]).json()["rejected"] == 1
    assert 'ids: "a\\" (id is missing), \\"\\\\" (width: must' in traces(account)[-1], "an id ends where it ends"
    assert c.report(event("x", codec="c" * 33)).status == 422 and c.report(event("good")).json()["duplicate"] == 1
    assert len(traces(account)) == 4, "what counts leaves none"
    assert c.report(event("p", subject="org-a")).status == 200
    everywhere = account.server.admin("token", "create")["token"]
    assert c.report([event(n, subject="no such project") for n in range(5)], token=everywhere).json()["rejected"] == 5
    assert "no_project 5" in traces(account)[-1]
    assert c.request("POST", "/api/v1/events", json.dumps([event("y", width=0)]),
                     {"Content-Type": "application/json", "Authorization": f"Bearer {account.token}"}).status == 200
    assert "/api/v1/events: rejected 1 of 1" in traces(account)[-1]


def test_conflicts_leave_a_line_too(account):
    """Of events, and of a notice that contradicts the one before."""
    c = account.client
    token = account.server.admin("token", "list")[0]["id"]
    assert c.report([event(n) for n in range(5)]).json()["stored"] == 5
    assert c.report([event(n, width=1) for n in range(5)] + [event("new")]).json()["conflict"] == 5
    notice = {"retcode": 0, "task_id": "9", "dest_video_name": "o.mp4", "width": 640, "height": 360, "duration": 20}
    for change in ({}, {"width": 320}):
        assert c.request("POST", "/v1/adapters/umedia", json.dumps({**notice, **change}),
                         {"Content-Type": "application/json", "Authorization": f"Bearer {account.token}"}).status == 200
    lines = [line.split(": ", 1) for line in account.server.log_text().splitlines() if " contradict " in line]
    assert [(line[0].split()[-1], line[1]) for line in lines] == [
        ("/v1/events", f"5 of 6 events of token {token} contradict what was reported before, and do not count; "
                       'ids: "0", "1", "2"'),
        ("/v1/adapters/umedia", f"1 of 1 events of token {token} contradict what was reported before, and do not count; "
                                'ids: "9/o.mp4"')]


def test_a_trace_is_bounded(account):
    odd = [json.dumps(event(n))[:-1] + f', "{"m" * 200}{n}": 1, "{"m" * 200}{n}": 2}}' for n in range(3000)]
    fields = [{**event(n), "data": {**event(n)["data"], name: [1]}} for n, name in enumerate(
        ("codec", "width", "height", "duration_ms", "duration", "frame_rate", "quality", "region", "passes", "input_duration_ms",
         "labels", "task_id", "created", "src_url", "dest_name", "dest_bucket", "format"))]
    body = "\n".join([*odd, *(json.dumps(field) for field in fields)])
    assert account.client.report(body, "application/x-ndjson").json()["rejected"] == 3017
    [line] = traces(account)
    assert len(line) < 2200 and "repeated_member 3000, codec 1" in line and "for other reasons 6" in line, line


@pytest.mark.parametrize("body,content_type,status,words", [
    (b'{"id":1}\n{"id":2}\n', "application/json", 400, "application/x-ndjson"),
    (b'\xef\xbb\xbf{"id":1}\r\n\r\n {"id":2}', "application/json", 400, "application/x-ndjson"),
    (b'{"id":1}\n{"id":2}\n', "application/cloudevents+json", 400, "application/x-ndjson"),
    (b'{"id":1', "application/json", 400, "the body cannot be read"),
    (b'{"id":1} x', "application/json", 400, "the body cannot be read"),
    (b'{\n"id":1\n}}\n', "application/json", 400, "the body cannot be read"),
    (b'{"id":1}', "multipart/form-data; boundary=x", 415, "application/json"),
])
def test_a_refused_body_says_what_to_send_and_is_logged(account, body, content_type, status, words):
    reply = account.client.report(body, content_type)
    assert reply.status == status and words in reply.json()["detail"]
    assert ("x-ndjson" in reply.json()["detail"]) == (words == "application/x-ndjson" or status == 415)
    [line] = traces(account)
    assert f"with {status}: " in line and words in line
