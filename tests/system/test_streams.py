"""Streamed answers of the real server: byte for byte, to clients that are many, slow, old, gone; their bounds; the end of
the server. `/v1/tasks` is the longest answer there is.

Source: src/http/request.h; docs/config.md. What needs an endpoint that fails on purpose is in tests/unit/test_http_stream.c.
"""
import http.client
import json
import re
import signal
import socket
import ssl
import threading
import time

import pytest

from client import event
from conftest import Account, run, unless_sanitized, wait_until
from test_http_layer import pem, serving_tls  # noqa: F401 (a fixture)
from test_memory import limits  # noqa: F401 (a fixture)

TASKS = 20000  # about 10 MB of ndjson
TARGET = "/v1/tasks?project=org-a&format=ndjson"


def fill(client, tasks=TASKS):
    for first in range(0, tasks, 5000):
        batch = [event(f"task-{n}", f"2020-11-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:00Z", seconds=n % 7 + 1)
                 for n in range(first, min(first + 5000, tasks))]
        assert client.report(batch).json()["stored"] == len(batch)


def read_token(server):
    return server.admin("token", "create", "--scope", "read", "--project", "org-a")["token"]


class Streams:
    """A server with many tasks, and a client that reads them."""

    def __init__(self, server, *settings):
        self.server = server
        self.account = Account(server, *settings)
        fill(self.account.client)
        self.token = read_token(server)

    @property
    def head(self):
        return f"Host: x\r\nAuthorization: Bearer {self.token}\r\n\r\n"

    def restart(self, *settings):
        self.server.stop()
        self.server.start(*settings)

    def whole(self, target=TARGET):
        reply = self.server.client().request("GET", target, headers={"Authorization": f"Bearer {self.token}"})
        assert reply.status == 200, reply.body
        return reply.body

    def connect(self, receive_buffer=None):
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(120)
        connection.connect((self.server.host, self.server.port))
        return connection

    def ask(self, receive_buffer=None, target=TARGET, version="1.1", method="GET"):
        connection = self.connect(receive_buffer)
        connection.sendall(f"{method} {target} HTTP/{version}\r\n{self.head}".encode())
        return connection

    def answer(self, connection):
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        return reply

    def is_quick(self):
        """Quick requests are answered, whatever the streams do."""
        return self.account.client.call("GetCodecTotalStat", BeginTime=1604188800, EndTime=1606780800)["RetCode"] == 0

    def ends(self):
        """How the streams ended, in the access log."""
        return re.findall(r"access .* /v1/tasks status=200 .* bytes=(\d+) ms=\d+ stream=(\w+) id=", self.server.log_text())


@pytest.fixture
def streams(bare):
    # 64 clients of one token run at once. With 64 places they would have 48, and the rest would wait for their turn.
    return Streams(bare, "query.max_age=0", "query.max_span=0", "query.running_max=100")


def check_tasks(body):
    *rows, end = [json.loads(line) for line in body.splitlines()]
    assert end["complete"] is True
    assert sorted(row["id"] for row in rows) == sorted(f"task-{n}" for n in range(TASKS))


def test_whole_and_the_same_for_each_client(streams):
    body = streams.whole()
    check_tasks(body)
    assert streams.ends() == [(str(len(body)), "whole")]

    slow = streams.ask(receive_buffer=4096)
    reply, pieces = streams.answer(slow), []
    for _ in range(100):
        pieces.append(reply.read(1000))
        time.sleep(0.01)
    assert b"".join(pieces) + reply.read() == body
    slow.sendall(f"GET /v1/projects HTTP/1.1\r\n{streams.head}".encode())  # the connection goes on
    assert b'"org-a"' in streams.answer(slow).read()
    slow.close()

    # A client that ends its side still reads.
    assert streams.server.client().raw(f"GET {TARGET} HTTP/1.1\r\n{streams.head}".encode()).endswith(b"\r\n0\r\n\r\n")

    many = [streams.ask() for _ in range(64)]
    bodies = [None] * len(many)

    def read(i):
        bodies[i] = streams.answer(many[i]).read()

    threads = [threading.Thread(target=read, args=(i,)) for i in range(len(many))]
    for thread in threads:
        thread.start()
    assert streams.is_quick()
    for thread in threads:
        thread.join()
    assert all(one == body for one in bodies)


def test_old_clients_and_head(streams):
    connection = streams.ask(version="1.0", target="/v1/tasks?project=org-a&format=ndjson&limit=100")
    reply = streams.answer(connection)
    assert reply.status == 200 and len(reply.read().splitlines()) == 101
    connection.close()
    connection = streams.ask(version="1.0")
    reply = streams.answer(connection)
    problem = json.loads(reply.read())
    assert reply.status == 505 and problem["title"] == "HTTP Version Not Supported"
    assert "HTTP/1.1" in problem["detail"] and "4 MiB" in problem["detail"]
    connection.close()
    connection = streams.ask(method="HEAD")
    head = b""
    while piece := connection.recv(65536):
        head += piece
        if b"Connection: close" not in head:
            break
    assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1
    connection.close()


def test_clients_that_go_away(streams):
    for n in range(40):
        connection = streams.ask(receive_buffer=4096 if n % 2 else None)
        if n % 3:
            assert connection.recv(100)
        if n % 4 == 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        connection.close()
    check_tasks(streams.whole())
    wait_until(lambda: len(streams.ends()) >= 27)  # those that received something; of a reset at once the server may know nothing
    assert "cut" in [end for _, end in streams.ends()] and streams.ends().count((str(len(streams.whole())), "whole")) >= 1
    assert streams.is_quick()


def test_beyond_the_bounds(streams):
    streams.restart("query.max_age=0", "query.max_span=0", "query.running_max=2", "query.waiting_max=1", "http.wait_timeout=2s")
    holding = [streams.ask(receive_buffer=4096) for _ in range(2)]
    for connection in holding:
        assert connection.recv(100)
    waiting, results = [streams.ask(target="/v1/projects") for _ in range(6)], []
    for connection in waiting:  # one waits for its time, the others are refused at once
        reply = streams.answer(connection)
        results.append((reply.status, reply.getheader("Retry-After"), json.loads(reply.read())["detail"]))
        connection.close()
    assert [status for status, _, _ in results] == [503] * 6 and all(retry for _, retry, _ in results)
    assert sorted("none of query.running_max" in text for _, _, text in results) == [False] * 5 + [True]
    assert streams.is_quick()
    assert streams.account.client.report([event("more")]).json()["stored"] == 1
    holding[0].close()
    wait_until(lambda: streams.server.client().request(
        "GET", "/v1/projects", headers={"Authorization": f"Bearer {streams.token}"}).status == 200)
    holding[1].close()


def test_a_token_that_is_revoked_ends_its_stream(streams):
    connection = streams.ask(receive_buffer=4096)
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    (token,) = [row["id"] for row in streams.server.admin("token", "list") if row.get("scope") == "read"]
    streams.server.admin("token", "revoke", "--id", token)
    rest = b""
    while piece := connection.recv(1 << 20):
        rest += piece
    connection.close()
    assert not rest.endswith(b"0\r\n\r\n") and b'"complete":true' not in rest
    wait_until(lambda: [end for _, end in streams.ends()] == ["failed"])


def test_the_server_stops(streams):
    """Who reads gets the whole answer, unless the operator insists; the process ends well in both cases."""
    body = streams.whole()
    connection = streams.ask()
    reply = streams.answer(connection)
    start = reply.read(1000)
    streams.server.process.send_signal(signal.SIGTERM)
    assert start + reply.read() == body
    connection.close()
    streams.server.stop()
    streams.server.start()
    connection = streams.ask(receive_buffer=4096)
    assert connection.recv(100)
    streams.server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    streams.server.stop()
    assert "cut off" in streams.server.log_text()
    rest = b""
    while piece := connection.recv(1 << 20):
        rest += piece
    assert not rest.endswith(b"0\r\n\r\n")
    connection.close()


def test_over_tls(streams, pem):  # noqa: F811
    body = streams.whole()
    streams.server.stop()
    context = ssl.create_default_context(cafile=str(pem[0]))
    with serving_tls(streams.server.data, *pem) as url:
        connection = http.client.HTTPSConnection(url.split("//")[1], context=context, timeout=120)
        for _ in range(2):  # on one connection
            connection.request("GET", TARGET, headers={"Authorization": f"Bearer {streams.token}"})
            assert connection.getresponse().read() == body
        connection.close()


@unless_sanitized
def test_without_memory_for_a_piece(bare, limits):  # noqa: F811
    streams = Streams(bare, "query.max_age=0", "query.max_span=0")
    body = streams.whole()
    refused = 0
    for largest in (40_000, 60_000, 100_000):  # the library takes 32 KiB for each connection
        limits.set(largest=largest)
        for _ in range(3):
            reply = streams.server.client().request("GET", TARGET, headers={"Authorization": f"Bearer {streams.token}"})
            assert reply.status in (200, 503)
            assert reply.status == 503 and "retry-after" in reply.headers or reply.body == body
            refused += reply.status == 503
    assert refused > 0 and limits.failed > 0
    limits.set()
    assert streams.whole() == body


def test_settings_have_bounds():
    for setting in ("query.threads=65", "query.running_max=0", "query.running_max=10001", "query.waiting_max=100001"):
        done = run("serve", "--data", "/nonexistent", "--set", setting, check=False)
        assert done.returncode != 0 and f"{setting.split('=')[0]}: must be from " in done.stderr
