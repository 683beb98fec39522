"""Answers: what counts as a row, what one costs, and that those in flight and what a storm leaves are bounded. Source:
design sections 3.6 and 12."""
import contextlib
import json
import socket
import threading
import time

from client import event, form
from conftest import Account, unless_sanitized, wait_until, write_all

DAY = 86400
MIB = 1 << 20


def time_of(day):
    return time.strftime("%Y-%m-%dT12:00:00Z", time.gmtime(day * DAY))


def days(c, first, last, **params):
    return c.call("GetCodecTotalStat", BeginTime=first * DAY, EndTime=(last + 1) * DAY - 1, **params)


def void(number, target, **attributes):
    return {"specversion": "1.0", "type": "usage.voided", "source": "test", "id": f"void-{number}",
            "data": {"source": "test", "id": str(target)}, **attributes}


# ---- rows ----

def test_rows_whose_records_were_voided_are_no_rows(bare):
    account = Account(bare, "query.rows_max=4", "query.max_age=0", "query.max_span=0", zone="UTC")
    c = account.client
    voider = bare.admin("token", "create", "--scope", "void", "--project", "org-a")["token"]
    for day in range(4):
        for codec in ("h264", "h265", "av1"):
            c.report(event(f"{day}-{codec}", time_of(17000 + day), codec=codec))
    refused = (230, "Params [BeginTime] not available: window too large: more than 4 rows")
    for first, last, is_refused in ((0, 0, False), (0, 1, True), (0, 3, True)):
        answer = days(c, 17000 + first, 17000 + last)
        assert ((answer["RetCode"], answer.get("Message")) == refused) == is_refused
    voids = [void(f"{day}-{codec}", f"{day}-{codec}") for day in range(4) for codec in ("h265", "av1")]
    assert c.report(voids, "application/cloudevents-batch+json", voider).json()["stored"] == 8

    def check():
        answer = days(c, 17000, 17003)
        assert answer["RetCode"] == 0, answer
        assert [(row["VideoCodec"], row["TotalTime"]) for row in answer["StatSet"]] == [("h264", 1)] * 4
        assert days(c, 17000, 17004)["RetCode"] == 230  # five days are five rows

    check()
    write_all(account)  # which may move the project to another zone
    bare.admin("project", "set", "--id", "org-a", "--time-zone", "UTC")
    check()


# ---- GetProjectList ----

def members(c):
    answer = c.call("GetProjectList")
    assert answer["ProjectCount"] == len(answer["ProjectSet"])
    assert [p["ProjectId"] for p in answer["ProjectSet"]] == sorted(p["ProjectId"] for p in answer["ProjectSet"])
    return {p["ProjectId"]: p["MemberCount"] for p in answer["ProjectSet"]}


def test_keys_are_counted_as_they_come_and_go(account):
    server = account.server
    for project in ("org-b", "org-c"):
        server.admin("project", "create", "--id", project)
    assert members(account.client) == {"org-a": 1, "org-b": 1, "org-c": 1}
    subs = [server.admin("key", "create", *projects) for projects in
            (("--project", "org-b"), ("--project", "org-b", "--project", "org-c"), ("--project", "org-c"))]
    second = server.admin("key", "create")
    expected = {"org-a": 2, "org-b": 4, "org-c": 4}

    def check():
        assert members(account.client) == expected
        c = server.client(public_key=subs[1]["public_key"], private_key=subs[1]["private_key"])
        assert members(c) == {"org-b": expected["org-b"], "org-c": expected["org-c"]}

    check()
    server.admin("key", "disable", "--public-key", subs[0]["public_key"])
    server.admin("key", "disable", "--public-key", second["public_key"])
    expected = {"org-a": 1, "org-b": 2, "org-c": 3}
    check()
    server.kill()  # the log is read again
    server.start()
    check()
    write_all(account)  # and then the rows of the checkpoint
    server.stop()
    server.start()
    check()


def cpu_of(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_list_of_projects_costs_no_more_with_many_keys(account):
    """A ratio of the processor time that the server takes."""
    server, c = account.server, account.client
    maker = server.admin("token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    for first in range(0, 2000, 100):
        c.report([event(i, subject=f"org-{i:04}") for i in range(first, first + 100)], "application/json", maker)
    assert len(members(c)) == 2001

    def cost():
        before = cpu_of(server)
        for _ in range(40):
            assert c.call("GetProjectList")["ProjectCount"] == 2001
        return cpu_of(server) - before + 1

    few = cost()
    for i in range(150):
        server.admin("key", "create", *(() if i % 2 else ("--project", "org-a")))
    many = cost()
    assert many < 4 * few, (few, many)




# ---- memory ----

def rss_anon(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no RssAnon")


def slow_reader(account):
    """Its window is small, so that an answer stays with the server."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(30)
    s.connect((account.server.host, account.server.port))
    return s


def post_of(params):
    body = form(params)
    return (f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def head_of(s):
    answer = b""
    while b"RetCode" not in answer or len(answer.split(b"RetCode")[1]) < 6:
        answer += s.recv(512)
    return answer


@unless_sanitized
def test_answers_in_flight_are_bounded(bare):
    """A row of an answer is 140 bytes, and some 640 while it is made."""
    account = Account(bare, "http.answers_max=32MiB", "query.max_age=0", "query.max_span=0", zone="UTC")
    c = account.client
    before = rss_anon(bare)
    wide = {"Action": "GetCodecTotalStat", "BeginTime": 0, "EndTime": 20000 * DAY - 1}
    readers = [slow_reader(account) for _ in range(60)]
    try:
        for s in readers:
            s.sendall(post_of(c.signed(wide)))
        heads = [head_of(s) for s in readers]
        answered = sum(b'"RetCode":0,' in head for head in heads)
        refused = [head for head in heads if b'"RetCode":150,' in head]
        assert answered >= 2 and answered + len(refused) == 60
        assert all(b"http.answers_max" in head for head in refused)
        assert rss_anon(bare) < before + 60 * MIB
        # who asks for less is answered
        assert days(c, 19000, 19030)["RetCode"] == 0
    finally:
        for s in readers:
            s.close()
    # what they held is given back, all of it
    wait_until(lambda: c.call(**{"action": "GetCodecTotalStat", "BeginTime": 0, "EndTime": 20000 * DAY - 1})["RetCode"] == 0, 60)
    readers = [slow_reader(account) for _ in range(answered)]
    for s in readers:
        s.sendall(post_of(c.signed(wide)))
        assert b'"RetCode":0,' in head_of(s)
        s.close()
    wait_until(lambda: rss_anon(bare) < 30 * MIB, 60)


def test_an_answer_that_never_fits(bare):
    account = Account(bare, "http.answers_max=1MiB", "query.max_age=0", "query.max_span=0", zone="UTC")
    c = account.client
    answer = days(c, 0, 19999)
    assert answer["RetCode"] == 150 and "http.answers_max" in answer["Message"] and "for less" in answer["Message"]
    assert days(c, 0, 999)["RetCode"] == 0
    maker = bare.admin("token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    for first in range(0, 2000, 100):
        c.report([event(i, subject=f"org-{i:04}") for i in range(first, first + 100)], "application/json", maker)
        if first == 0:
            assert c.call("GetProjectList")["ProjectCount"] == 101
    assert c.call("GetProjectList")["RetCode"] == 150
    # a bound that is no shortage stays what it was
    bare.stop()
    bare.start("http.answers_max=1MiB", "query.rows_max=100", "query.max_age=0", "query.max_span=0")
    assert days(account.client, 0, 19999)["RetCode"] == 230


def test_an_answer_to_events_that_does_not_fit(bare):
    """Stored all the same: what is sent again counts once."""
    account = Account(bare, "http.answers_max=1MiB")
    c = account.client
    events = [event(f"{i:040}") for i in range(5000)]
    assert c.report(events).json()["stored"] == 5000
    reply = c.report(events)
    assert reply.status == 503 and "retry-after" in reply.headers
    assert "http.answers_max" in reply.json()["detail"] and "fewer events" in reply.json()["detail"], reply.body
    assert c.report(events[:1000]).json()["duplicate"] == 1000
    assert c.report([event(f"{i:040}") for i in range(5000, 10000)]).json()["stored"] == 5000


@unless_sanitized
def test_memory_is_given_back_after_storms(bare):
    account = Account(bare, "query.max_age=0", "query.max_span=0", "http.access_log=false", zone="UTC")
    c = account.client
    body = json.dumps([event(i) for i in range(2000)]).encode()
    body += b" " * (12 * MIB - len(body))
    many = json.dumps(c.signed({"Action": "GetRegion", **{f"p{i}": "x" * 900 for i in range(900)}}))

    def send():
        assert c.report(body).status == 200
        for _ in range(3):
            c.request("POST", "/", many, {"Content-Type": "application/json"})
        assert days(c, 0, 19999)["RetCode"] == 0

    for _ in range(2):
        threads = [threading.Thread(target=send) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    open_ones = [slow_reader(account) for _ in range(800)]
    for s in open_ones:
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + b"x" * 5000)
    for s in open_ones:
        s.close()
    with contextlib.suppress(AssertionError):
        wait_until(lambda: rss_anon(bare) < 30 * MIB, 60)
    assert rss_anon(bare) < 30 * MIB
