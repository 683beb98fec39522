"""Reads under attack: many scans at once, clients that read slowly, long questions beside short ones. None of them takes more memory
or time than it may, and each is answered or refused with words. Clients that leave: tests/unit/test_http_gone.c.
"""
import http.client
import json
import pathlib
import re
import resource
import select
import socket
import threading
import time

import pytest

from client import event, form
from conftest import Account, unless_sanitized, wait_until
from test_memory import limits  # noqa: F401 (a fixture)

WIDE = ("query.max_age=0", "query.max_span=0")
SEND_BUFFER_MAX = int(pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])  # bytes, of one socket
YEAR = "from=2020-01-01&to=2021-01-01"
# No totals know a source, so this reads the record of each task; there is none of this source.
SCAN = f"/v1/usage?project=org-a&{YEAR}&group=source&source=nobody"
LIST = "/v1/tasks?project=org-a&format=ndjson&source=nobody"


def fill(client, tasks, at_once=10000, sources=50):
    for first in range(0, tasks, at_once):
        batch = [event(f"task-{n}", f"2020-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:{n // 7 % 60:02}Z", seconds=n % 7 + 1,
                       source=f"source-{n % sources}") for n in range(first, min(first + at_once, tasks))]
        assert client.report(batch).json()["stored"] == len(batch)


def read_token(server):
    return server.admin("token", "create", "--scope", "read", "--project", "org-a")["token"]


def connect(server, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(300)
    connection.connect((server.host, server.port))
    return connection


def ask(server, token, target, method="GET", receive_buffer=None, headers=""):
    connection = connect(server, receive_buffer)
    connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n".encode())
    return connection


def hear(connection, method="GET"):
    reply = http.client.HTTPResponse(connection, method=method)
    reply.begin()
    body = reply.read()
    return reply.status, reply, body


def anonymous_mb(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"RssAnon:\s+(\d+) kB", status.read()).group(1)) / 1024


# ---- memory ----


@unless_sanitized
@pytest.mark.parametrize("target, growth", [(SCAN, 60), (LIST, 60)], ids=["usage", "tasks"])
def test_64_scans_at_once_cost_little(bare, target, growth):
    """Between two turns a scan keeps no blocks of the log; afterwards the server is as small as before."""
    account = Account(bare, *WIDE, "query.running_max=100")
    fill(account.client, 60000)
    token = read_token(bare)
    bare.stop()  # what is in the delta becomes runs
    bare.start()
    status, _, body = hear(ask(bare, token, target))
    assert status == 200
    before, most = anonymous_mb(bare), 0
    clients = [ask(bare, token, target) for _ in range(64)]
    bodies = [None] * len(clients)
    threads = [threading.Thread(target=lambda i: bodies.__setitem__(i, hear(clients[i])), args=(i,)) for i in range(len(clients))]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, anonymous_mb(bare))
        time.sleep(0.01)
    assert [answer[0] for answer in bodies] == [200] * 64 and all(answer[2] == body for answer in bodies)
    print(f"{before:.1f} MB before, {most:.1f} MB with 64 scans")
    assert most - before < growth
    wait_until(lambda: anonymous_mb(bare) < 30, 60)
    for connection in clients:
        connection.close()


@unless_sanitized
def test_one_token_leaves_room_for_others(bare):
    """Slow readers of one token hold three quarters of query.memory_max; those of another one are answered."""
    account = Account(bare, *WIDE, "query.memory_max=8MiB", "http.request_timeout=1h")
    fill(account.client, 40000, sources=999)
    greedy, other = read_token(bare), read_token(bare)
    long = f"/v1/usage?project=org-a&{YEAR}&step=1h&group=source"  # 40,000 rows
    status, _, whole = hear(ask(bare, greedy, long))
    assert status == 200 and json.loads(whole)["complete"] is True
    assert len(whole) > SEND_BUFFER_MAX  # else the server would have sent all of it, and would hold nothing
    holding, refusal = [], None
    for _ in range(10):
        connection = ask(bare, greedy, long, receive_buffer=4096)
        if not connection.recv(20, socket.MSG_PEEK).startswith(b"HTTP/1.1 200"):
            refusal = connection
            break
        holding.append(connection)
    assert 1 <= len(holding) < 10
    status, reply, body = hear(refusal)
    assert status == 503 and reply.getheader("Retry-After") and "query.memory_max" in json.loads(body)["detail"]
    for target in (f"/v1/usage?project=org-a&{YEAR}&step=1mo&group=source", f"/v1/usage?project=org-a&{YEAR}&step=1d", "/v1/projects",
                   "/v1/tasks?project=org-a"):
        status, _, body = hear(ask(bare, other, target))
        assert status == 200, (target, body)
    assert hear(holding[0])[2] == whole
    for connection in holding:
        connection.close()
    wait_until(lambda: hear(ask(bare, greedy, long))[0] == 200)


# ---- connections ----


def test_head_and_304_leave_the_connection_open(account):
    server = account.server
    account.client.report([event(n) for n in range(5)])
    token = read_token(server)
    for target in ("/v1/projects", f"/v1/usage?project=org-a&{YEAR}", "/v1/tasks?project=org-a", "/v1/tasks?project=org-a&format=csv"):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        connection.auto_open = 0
        connection.connect()

        def send(method, **headers):
            connection.request(method, target, headers={"Authorization": f"Bearer {token}", **headers})
            reply = connection.getresponse()
            return reply, reply.read()

        got, body = send("GET")
        etag, length = got.getheader("ETag"), str(len(body))
        assert got.status == 200 and etag and got.getheader("Content-Length") == length
        for method, headers, status in (("HEAD", {}, 200), ("GET", {"If-None-Match": etag}, 304), ("HEAD", {"If-None-Match": etag}, 304),
                                        ("GET", {"If-None-Match": 'W/"x", ' + etag}, 304), ("GET", {}, 200)):
            reply, text = send(method, **headers)
            assert reply.status == status and reply.getheader("Connection") != "close", (target, method, headers)
            assert reply.getheader("ETag") == etag and reply.getheader("Content-Length") == length
            assert text == (body if (method, status) == ("GET", 200) else b"")
        connection.close()


def test_a_304_of_a_file_leaves_the_connection_open(bare):
    bare.start()
    connection = http.client.HTTPConnection(bare.host, bare.port, timeout=60)
    connection.auto_open = 0
    connection.connect()
    for target in ("/console/", "/openapi.json"):
        for encoding in ("identity", "gzip"):
            connection.request("GET", target, headers={"Accept-Encoding": encoding})
            got = connection.getresponse()
            length = str(len(got.read()))
            connection.request("GET", target, headers={"Accept-Encoding": encoding, "If-None-Match": got.getheader("ETag")})
            reply = connection.getresponse()
            assert (got.status, reply.status, reply.read()) == (200, 304, b"")
            assert reply.getheader("Connection") != "close" and reply.getheader("Content-Length") == length, (target, encoding)
    connection.close()


# ---- turns ----


def test_a_long_list_of_umedia_leaves_turns_to_others(bare):
    """A list reads the record of each task if any was voided. On one query thread, a question that comes later is answered first."""
    account = Account(bare, *WIDE, "query.threads=1")
    day = [event(f"task-{n}", "2020-11-01T04:00:00Z", seconds=1) for n in range(300000)]
    for first in range(0, len(day), 10000):
        assert account.client.report(day[first:first + 10000]).status == 200
    voiding = bare.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    assert account.client.report({"specversion": "1.0", "type": "usage.voided", "source": "test", "id": "void", "subject": "org-a",
                                  "time": "2020-11-02T04:00:00Z", "data": {"source": "test", "id": "task-5"}}, token=voiding).json()["stored"] == 1
    token = read_token(bare)
    window = {"Action": "GetCodecTaskList", "BeginTime": 1604160000, "EndTime": 1604246399, "Limit": 1, "Offset": 299998}
    body = form(account.client.signed(window)).encode()
    connection = connect(bare)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                       + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert hear(ask(bare, token, "/v1/projects"))[0] == 200
    is_first = bool(select.select([connection], [], [], 0)[0])
    status, _, text = hear(connection)
    answer = json.loads(text)
    assert answer["RetCode"] == 0, answer
    assert not is_first, "the list was answered before a question that came later"
    assert status == 200 and answer["TotalCount"] == 299999 and len(answer["TaskList"]) == 1
    connection.close()


# ---- shortages inside a scan ----

READS = (f"/v1/usage?project=org-a&{YEAR}&step=1d&group=source", "/v1/tasks?project=org-a&format=ndjson&source=source-3",
         "/v1/tasks?project=org-a&task_id=task-7", "/v1/tasks/org-a/source-7/task-7", SCAN)


def whole_or_none(kept, token, target):
    """The body of the answer; None: 503, or it was cut off. Nothing else may come."""
    try:
        kept.request("GET", target, headers={"Authorization": f"Bearer {token}"})
        reply = kept.getresponse()
        body = reply.read()
    except (http.client.HTTPException, OSError):
        kept.close()
        return None
    assert reply.status == 200 or (reply.status == 503 and reply.getheader("Retry-After")), (target, reply.status, body)
    return body if reply.status == 200 else None


@unless_sanitized
def test_any_allocation_of_a_read_fails(bare, limits):  # noqa: F811
    account = Account(bare, *WIDE)
    fill(account.client, 5000)
    token = read_token(bare)
    kept = http.client.HTTPConnection(bare.host, bare.port, timeout=60)
    for target in READS:
        expected, failed = whole_or_none(kept, token, target), 0
        assert expected
        for n in (*range(1, 60), *range(60, 1200, 23)):
            before = limits.failed
            limits.set(requests=n)
            body = whole_or_none(kept, token, target)
            limits.set()
            assert body in (None, expected), (target, n)
            failed += body is None
            if limits.failed == before:
                break
        assert failed > 5, target
        assert whole_or_none(kept, token, target) == expected
    kept.close()


def test_no_descriptor_within_a_scan(bare):
    """Each scan opens files of the log. Those that are open already stay open."""
    account = Account(bare, *WIDE, "ledger.segment_size=1KiB")
    fill(account.client, 6000, 100)  # 60 segments, of which 16 stay open
    token = read_token(bare)
    bare.stop()
    bare.start()
    kept = http.client.HTTPConnection(bare.host, bare.port, timeout=60)
    expected = {target: whole_or_none(kept, token, target) for target in READS}
    assert all(expected.values())
    hard = resource.prlimit(bare.process.pid, resource.RLIMIT_NOFILE)
    failed = 0
    for target in READS:
        resource.prlimit(bare.process.pid, resource.RLIMIT_NOFILE, (3, hard[1]))
        for _ in range(5):
            body = whole_or_none(kept, token, target) if kept.sock else None
            assert body in (None, expected[target]), target
            failed += body is None
        resource.prlimit(bare.process.pid, resource.RLIMIT_NOFILE, hard)
        assert whole_or_none(kept, token, target) == expected[target]
    assert failed > 5
    kept.close()
