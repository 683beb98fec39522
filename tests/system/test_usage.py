"""Usage comes in: each way of framing, each outcome, each status."""
import gzip
import json
import pathlib
import threading
import time
from urllib.parse import quote

import pytest

from client import event
from conftest import CODECMETER, Account

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
    assert c.report(event("voided", TIME, type="usage.voided")).status == 422


def test_sixty_four_codecs(old_account):
    c = old_account.client
    names = [event(f"c{n}", TIME, codec=f"codec-{n}") for n in range(64)]
    assert counts(c.report(names)) == (64, 0, 0, 0)
    assert counts(c.report(event("c64", TIME, codec="codec-64"))) == (0, 0, 0, 1)
    assert counts(c.report([event("again", TIME, codec="CODEC-7"), names[3]])) == (1, 1, 0, 0)


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
    for authorization in (None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic Zm9v", f"Bearer {account.token}x"):
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        reply = c.request("POST", "/v1/events", json.dumps(event("a")), headers)
        assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer"), authorization
    reading = server.admin("token", "create", "--project", "org-a", "--scope", "read")
    assert c.report(event("a"), token=reading["token"]).status == 403
    other = server.admin("token", "create", "--project", "org-a")
    assert c.report(event("a"), token=other["token"]).status == 200
    server.admin("token", "revoke", "--id", other["id"])
    assert c.report(event("b"), token=other["token"]).status == 401
    assert account.token not in server.log_text() and other["token"] not in server.log_text()


def test_paths_and_methods(account):
    c = account.client
    assert c.request("GET", "/v1/events").status == 405
    assert c.request("GET", "/v1/events").headers["allow"] == "POST, OPTIONS"
    assert c.request("POST", "/v1/nothing", "{}").status == 404
    assert c.request("GET", "/favicon.ico").status == 404


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


@pytest.mark.skipif(b"__asan_init" in pathlib.Path(CODECMETER).read_bytes(), reason="a sanitizer has memory of its own")
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
        assert reply.status == 503 and "retry-after" in reply.headers and "in memory" in reply.json()["detail"]
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
