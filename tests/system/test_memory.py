"""Memory that is short: reports are refused with 503 before anything is written, questions are answered, nothing is lost,
and all of it works again when memory is there. Commands end with a message that names the setting to lower.
"""
import http.client
import json
import mmap
import os
import resource
import struct
import subprocess

import pytest

from client import event
from conftest import CODECMETER, Account, run, unless_sanitized, wait_until

pytestmark = unless_sanitized  # a sanitizer has an allocator of its own

LIMIT = os.path.join(os.path.dirname(CODECMETER), "tests", "unit", "memorylimit.so")
TIME = "2020-11-01T12:00:00Z"
WIDE = ("query.max_age=0", "query.max_span=0")
YEAR = {"BeginTime": 1590000000, "EndTime": 1620000000}


class Limits:
    """What tests/system/memory_limit.c goes by."""

    def __init__(self, path):
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def set(self, largest=0, count=0, requests=0):
        self.map[:16] = struct.pack("<qq", largest, count)
        self.map[24:32] = struct.pack("<q", requests)

    @property
    def failed(self):
        return struct.unpack("<q", self.map[16:24])[0]


@pytest.fixture
def limits(tmp_path, monkeypatch):
    limits = Limits(tmp_path / "limits")
    monkeypatch.setenv("LD_PRELOAD", LIMIT)
    monkeypatch.setenv("MEMORY_LIMIT", str(tmp_path / "limits"))
    return limits


def seconds(client):
    return sum(row["TotalTime"] for row in client.stat(**YEAR))


def batch_of(name, count=200):
    """Events of a second each, in quarter hours of their own: cells grow too."""
    return [event(f"{name}-{n}", f"2020-11-{n % 28 + 1:02}T{n % 24:02}:00:00Z", seconds=1) for n in range(count)]


@pytest.mark.parametrize("largest", [100_000, 250_000, 1_000_000])
def test_reports_are_refused_and_come_again(bare, limits, largest):
    account = Account(bare, *WIDE)
    client = account.client
    assert client.report(batch_of("first")).json()["stored"] == 200
    limits.set(largest=largest)
    told, refused = 200, None
    for n in range(400):
        batch = batch_of(f"b{n}")
        reply = client.report(batch)
        if reply.status != 200:
            refused = batch
            break
        told += reply.json()["stored"]
    assert refused is not None and reply.status == 503 and "retry-after" in reply.headers, reply.body
    assert limits.failed > 0
    for _ in range(3):
        assert seconds(client) == told
        reply = client.report(refused)  # a checkpoint, if there was memory for one, has made room meanwhile
        assert reply.status in (200, 503)
        told += reply.json()["stored"] if reply.status == 200 else 0
        reply = client.report(batch_of("first", 20))
        assert reply.status == 503 or reply.json()["duplicate"] == 20
    limits.set()
    replies = []
    wait_until(lambda: replies.append(client.report(refused)) or replies[-1].status == 200, 60)
    told += replies[-1].json()["stored"]
    assert client.report(batch_of("later")).json()["stored"] == 200
    assert seconds(client) == told + 200
    run("verify", "--data", bare.data)
    bare.kill()
    bare.start()
    assert seconds(account.client) == told + 200
    assert account.client.report(refused).json()["duplicate"] == 200


@pytest.mark.parametrize("threads", ("count", "requests"))
def test_any_allocation_of_a_report_fails(bare, limits, threads):
    """Each one in turn, of the committer, or of the thread that answers, while usage, voids and new codecs are taken. What the
    committer has grown once, it keeps: after a while only new codecs need memory."""
    account = Account(bare, *WIDE, "ingest.delta_max=700")
    token = bare.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    client, failed, voids = account.client, 0, 0
    for n in range(1, 80):
        whole = batch_of(f"c{n}", 40)
        whole.append(event(f"codec-{n}", TIME, seconds=1, codec=f"codec{n % 50}"))
        whole.append({"specversion": "1.0", "type": "usage.voided", "source": "test", "id": f"void-{n}", "subject": "org-a",
                      "time": TIME, "data": {"source": "test", "id": f"c{n}-0"}})
        limits.set(**{threads: n if n < 10 or threads == "requests" else 1 + n % 3})
        try:
            status = client.report(whole, token=token).status
        except (http.client.HTTPException, OSError):  # the answer itself had no memory
            status, client = None, account.client
        limits.set()
        assert status in (None, 200, 503)
        failed += status == 503
        again = client.report(whole, token=token)
        counts = again.json()
        assert again.status == 200 and counts["stored"] + counts["duplicate"] == len(whole), again.body
        assert status != 200 or counts["duplicate"] == len(whole), again.body
        voids += 1
    assert limits.failed > 3 and failed > 0
    assert seconds(client) == 79 * 41 - voids
    run("verify", "--data", bare.data)
    bare.kill()
    run("rebuild", "--data", bare.data)
    bare.start()
    assert seconds(account.client) == 79 * 41 - voids


def test_projects_while_memory_is_short(bare, limits):
    account = Account(bare, *WIDE)
    limits.set(largest=10_000)
    assert run("project", "create", "--data", bare.data, "--id", "org-b", "--time-zone", "UTC", check=False, env={
        name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}).returncode == 1
    limits.set()
    bare.admin("project", "create", "--id", "org-b", "--time-zone", "UTC")
    assert account.client.report(event(1)).status == 200


def within(megabytes, *words):
    def bound():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    return subprocess.run([CODECMETER, *map(str, words)], capture_output=True, text=True, timeout=120, preexec_fn=bound)


def test_rebuild_names_the_setting(bare, limits):
    """Of the records between two checkpoints, and of LMDB's address space; with less of either it goes on."""
    account = Account(bare, *WIDE)
    for n in range(100):
        assert account.client.report(batch_of(n, 1000)).status == 200
    expected = seconds(account.client)
    bare.stop()
    before = sorted(os.listdir(bare.data))
    limits.set(largest=2_200_000)  # LMDB takes 2 MiB of its own
    done = run("rebuild", "--data", bare.data, check=False)
    assert done.returncode == 1 and "lower ingest.delta_max" in done.stderr, done.stderr
    assert sorted(os.listdir(bare.data)) == before
    run("rebuild", "--data", bare.data, "--set", "ingest.delta_max=2000")
    limits.set()
    done = within(2000, "rebuild", "--data", bare.data)
    assert done.returncode == 1 and "ledger.map_size" in done.stderr, done.stderr
    assert sorted(os.listdir(bare.data)) == before
    done = within(2000, "rebuild", "--data", bare.data, "--set", "ledger.map_size=64MiB")
    assert done.returncode == 0, done.stderr
    bare.start()
    assert seconds(account.client) == expected
    run("verify", "--data", bare.data, "--set", "ledger.map_size=1GiB")
    assert "unknown setting" in run("rebuild", "--data", bare.data, "--set", "ingest.nothing=1", check=False).stderr


FRAMINGS = {"application/cloudevents+json": "{}", "application/cloudevents-batch+json": "[{}]", "application/x-ndjson": "{}\n"}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("padding, zeros, largest", [(40_000, 0, 100_000), (0, 3000, 40_000)], ids=["parser", "tree"])
def test_a_body_is_not_too_large_for_want_of_memory(bare, limits, framing, padding, zeros, largest):
    """An agent gives an event up that is too large; one for which there is no memory comes again. The body fits, but the
    parser's tables of it do not, or its tree does not."""
    account = Account(bare, *WIDE)
    client = account.client
    assert client.report(event("first", TIME)).json()["stored"] == 1
    one = event("padded", TIME)
    one["data"]["zeros"] = [0] * zeros
    body = FRAMINGS[framing].replace("{}", json.dumps(one, separators=(",", ":"))[:-1] + " " * padding + "}").encode()
    limits.set(largest=largest)
    reply = client.report(body, framing)
    assert limits.failed > 0
    limits.set()
    assert reply.status == 503 and "retry-after" in reply.headers, reply.body
    assert client.report(one).json()["stored"] == 1


def test_a_notice_is_not_wrong_for_want_of_memory(bare, limits):
    """A service that sends notices gives up what is answered 400."""
    account = Account(bare, *WIDE)
    path = "/v1/adapters/ffprobe?source=s&id=i"
    headers = {"Authorization": f"Bearer {account.token}", "Content-Type": "application/json"}
    kept = http.client.HTTPConnection(bare.host, bare.port, timeout=60)

    def send():
        kept.request("POST", path, "{}", headers)
        reply = kept.getresponse()
        reply.read()
        return reply.status

    told = send()
    limits.set(largest=4_100)  # nothing else in this request is as large as the first piece of an arena
    assert send() == 503 and limits.failed > 0
    limits.set()
    assert send() == told
    kept.close()


def test_any_allocation_of_a_request_fails(bare, limits, tmp_path):
    """Each one in turn, of reports, of a signed question and of a notice: it gets no answer, or one that says to try again, and the
    server goes on."""
    script = tmp_path / "broken.lua"
    script.write_text('function adapt(notice) error("broken") end')
    account = Account(bare, *WIDE, f"adapter.broken.script={script}")
    client, failed = account.client, 0
    batch = [event(n, TIME, seconds=1) for n in range(40)]
    assert client.report(batch).json()["stored"] == 40

    def report():
        reply = client.report(batch[0])
        return reply.status, reply.json().get("duplicate")

    def report_batch():
        reply = client.report(batch + [{"specversion": "1.0", "type": "x"}, "no event"])
        return reply.status, (reply.json().get("duplicate"), reply.json().get("rejected"))

    def ask():
        answer = client.call("GetCodecTotalStat", **YEAR)
        return (503 if answer["RetCode"] == 150 else answer["RetCode"]), sum(row["TotalTime"] for row in answer.get("StatSet", []))

    def list_projects():
        answer = client.call("GetProjectList")
        return (503 if answer["RetCode"] == 150 else answer["RetCode"]), answer.get("ProjectCount")

    def notice():
        reply = client.request("POST", "/v1/adapters/ffprobe?source=s&id=i", b'{"streams":[]}',
                               {"Authorization": f"Bearer {account.token}", "Content-Type": "application/json"})
        return reply.status, None

    def kept_notice():
        reply = client.request("POST", "/v1/adapters/broken", b'{"streams":[]}', {"Authorization": f"Bearer {account.token}"})
        return reply.status, reply.json().get("quarantined")

    for request in (report, report_batch, ask, list_projects, notice, kept_notice):
        expected = request()
        for n in (*range(1, 60), *(range(60, 1000, 13) if request is notice else ())):  # a script makes hundreds of small pieces
            before = limits.failed
            limits.set(requests=n)
            try:
                told = request()
            except (http.client.HTTPException, OSError):
                told = (None, None)
            limits.set()
            assert bare.process.poll() is None, bare.log_text()
            assert told == expected or told[0] in (None, 503), (request, n, told, expected)
            failed += limits.failed > before
            assert request() == expected
    assert failed > 20


def test_any_allocation_of_a_command_fails(bare, limits, tmp_path):
    """Each one in turn, of the thread that serves commands: the command fails and says so, or is done."""
    script = tmp_path / "mine.lua"
    script.write_text('function adapt(notice) error("broken") end')
    account = Account(bare, *WIDE, f"adapter.mine.script={script}")
    asks = {"Authorization": f"Bearer {account.token}"}
    kept = account.client.request("POST", "/v1/adapters/mine", b'{"broken":1}', asks).json()["id"]
    commands = (("project", "list"), ("project", "create", "org-{}", "--time-zone", "UTC"), ("key", "create", "--project", "org-a"),
                ("token", "create", "--project", "org-a"), ("project", "set", "org-a", "--time-zone", "Europe/Paris", "--force"),
                ("project", "set", "org-a", "--time-zone", "UTC", "--force"), ("adapter", "list"), ("adapter", "retry", kept))
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    for k, command in enumerate(commands):
        for n in range(1, 25):
            limits.set(requests=n)
            done = run(*[word.format(f"{k}-{n}") for word in command], "--data", bare.data, check=False, env=plain)
            limits.set()
            assert bare.process.poll() is None, (command, n, bare.log_text())
            assert done.returncode == 0 or "codecmeter" in done.stderr, done
    assert limits.failed > 20
    assert kept in run("adapter", "list", "--data", bare.data, env=plain).stdout
    run("verify", "--data", bare.data)
