"""Few descriptors: the ledger has its own, whatever clients do, and a shortage passes. Source: issue of the first contact, point 1."""
import contextlib
import glob
import http.client
import json
import os
import random
import resource
import socket
import time

import pytest

from client import event
from conftest import Account, Server, run, unless_sanitized, wait_until

TIME = "2020-11-01T12:00:00Z"
WIDE = ("query.max_age=0", "query.max_span=0")
YEAR = {"BeginTime": 1590000000, "EndTime": 1620000000}


def descriptors(count):
    """For a new process: it may have so many, and cannot raise that."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.fixture(autouse=True)
def descriptors_for_the_test():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Kept:
    """One connection that is opened once and used for every report: it takes no descriptor later."""

    def __init__(self, account):
        self.connection = http.client.HTTPConnection(account.server.host, account.server.port, timeout=60)
        self.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {account.token}"}

    def report(self, events):
        self.connection.request("POST", "/v1/events", json.dumps(events), self.headers)
        reply = self.connection.getresponse()
        return reply.status, json.loads(reply.read())


def checkpoints(server):
    return server.log_text().count("checkpoint: ")


@contextlib.contextmanager
def no_more_descriptors(server):
    """As long as this lasts the server can open nothing."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # a test has stopped it
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", [256, 512])
def test_idle_connections_leave_the_ledger_its_descriptors(bare, count):
    bare.limits = descriptors(count)
    account = Account(bare, *WIDE, "ingest.delta_max=500", "ledger.segment_size=64KiB", "http.idle_timeout=1h", "http.request_timeout=1h")
    kept = Kept(account)
    ids = [f"a-{n}" for n in range(4000)]
    assert kept.report([event("first", TIME)])[0] == 200
    with contextlib.ExitStack() as idle:
        for _ in range(700):
            one = idle.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((bare.host, bare.port))
        for at in range(0, len(ids), 100):
            status, answer = kept.report([event(id, TIME) for id in ids[at:at + 100]])
            assert status == 200 and answer["stored"] == 100, answer
        wait_until(lambda: checkpoints(bare) >= 6, 60)
        assert bare.process.poll() is None
    warnings = [line for line in bare.log_text().splitlines() if " warn " in line and "connections" in line]
    assert len(warnings) == 1 and str(count) in warnings[0] and "4096" in warnings[0], bare.log_text()
    status, answer = kept.report([event(id, TIME) for id in ids])
    assert answer["duplicate"] == len(ids), answer
    kept.connection.close()
    bare.stop()
    assert "no differences" in run("verify", "--data", bare.data).stdout


def test_soft_limit_is_raised(bare):
    """By all commands, as far as the hard limit lets them; so a soft limit of a shell's is no matter."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    bare.limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    bare.start()
    assert resource.prlimit(bare.process.pid, resource.RLIMIT_NOFILE)[0] > 4096
    assert "connections" not in bare.log_text()


def test_a_log_of_many_segments_needs_few_descriptors(bare, tmp_path):
    account = Account(bare, *WIDE, "ledger.segment_size=1KiB", "ingest.delta_max=100", "ledger.disk_reserve=0")
    kept = Kept(account)
    for n in range(800):
        status, answer = kept.report([event(f"{n}-{m}", TIME) for m in range(20)])
        assert status == 200 and answer["stored"] == 20, answer
    assert len(glob.glob(os.path.join(bare.data, "log", "*.seg"))) >= 800
    held = len(os.listdir(f"/proc/{bare.process.pid}/fd"))
    assert held < 200
    totals = account.client.stat(**YEAR)
    kept.connection.close()
    bare.stop()
    few = descriptors(256)
    bare.limits = few
    bare.start()
    assert Kept(account).report([event(f"{n}-1", TIME) for n in range(800)])[1]["duplicate"] == 800
    assert account.client.stat(**YEAR) == totals
    backup, restored = tmp_path / "backup", Server(tmp_path / "restored")
    assert "no differences" in run("verify", "--data", bare.data, preexec_fn=few).stdout
    run("backup", "--data", bare.data, backup, preexec_fn=few)
    bare.stop()
    run("rebuild", "--data", bare.data, preexec_fn=few)
    run("restore", "--data", restored.data, backup, preexec_fn=few)
    for data in (bare.data, restored.data):
        assert "no differences" in run("verify", "--data", data, preexec_fn=few).stdout
    restored.start(*WIDE)
    account.server = restored
    assert account.client.stat(**YEAR) == totals
    restored.stop()


def test_a_checkpoint_waits_for_descriptors(bare):
    account = Account(bare, *WIDE, "ingest.delta_max=200", "http.idle_timeout=1h")
    kept = Kept(account)
    assert kept.report([event("first", TIME)])[0] == 200
    before = checkpoints(bare)
    with no_more_descriptors(bare):
        assert kept.report([event(f"a-{n}", TIME) for n in range(300)])[0] == 200
        wait_until(lambda: "checkpoint waits" in bare.log_text(), 30)
        assert kept.report([event(f"b-{n}", TIME) for n in range(20)])[1]["stored"] == 20
        assert checkpoints(bare) == before and bare.process.poll() is None
    wait_until(lambda: checkpoints(bare) > before, 60)
    assert kept.report([event(f"a-{n}", TIME) for n in range(300)])[1]["duplicate"] == 300
    bare.stop()
    assert "no differences" in run("verify", "--data", bare.data).stdout


@unless_sanitized  # the leak check opens files at the end, when there are none left
def test_a_shortage_with_both_deltas_full_refuses_and_stops(bare):
    """A checkpoint that cannot be made is waited for by nobody: reports are refused, and the server can be stopped."""
    account = Account(bare, *WIDE, "ingest.delta_max=200", "http.idle_timeout=1h")
    kept = Kept(account)
    assert kept.report([event("first", TIME)])[0] == 200
    with no_more_descriptors(bare):
        for n in range(4):
            status, answer = kept.report([event(f"{n}-{m}", TIME) for m in range(150)])
        assert status == 503 and "too many files open" in answer["detail"], answer
        wait_until(lambda: "checkpoint waits" in bare.log_text(), 30)
        kept.connection.close()
        bare.process.terminate()
        assert bare.process.wait(timeout=60) == 0, bare.log_text()
    bare.start()
    stored = Kept(account).report([event(f"0-{m}", TIME) for m in range(150)])[1]
    assert stored["duplicate"] == 150, stored


def test_a_new_segment_waits_for_descriptors(bare):
    account = Account(bare, *WIDE, "ledger.segment_size=1KiB", "http.idle_timeout=1h")
    kept = Kept(account)
    assert kept.report([event(f"a-{n}", TIME) for n in range(20)])[0] == 200
    with no_more_descriptors(bare):
        for _ in range(3):
            status, answer = kept.report([event(f"b-{n}", TIME) for n in range(20)])
            assert status == 503, answer
        assert bare.process.poll() is None
    assert kept.report([event(f"b-{n}", TIME) for n in range(20)])[1]["stored"] == 20
    assert sum(row["TotalTime"] for row in account.client.stat(**YEAR)) == 40
    bare.kill()
    bare.start()
    assert sum(row["TotalTime"] for row in account.client.stat(**YEAR)) == 40


def test_an_old_segment_waits_for_descriptors(bare):
    """A repeat is held against its record, which may lie in a segment that is not open."""
    account = Account(bare, *WIDE, "ledger.segment_size=1KiB", "http.idle_timeout=1h")
    kept = Kept(account)
    for n in range(40):
        assert kept.report([event(f"{n}-{m}", TIME) for m in range(20)])[0] == 200
    kept.connection.close()
    bare.stop()
    bare.start()
    kept = Kept(account)
    assert kept.report([event("new", TIME)])[0] == 200
    with no_more_descriptors(bare):
        assert kept.report([event("5-1", TIME)])[0] == 503
    assert kept.report([event("5-1", TIME)])[1]["duplicate"] == 1


@unless_sanitized  # a sanitizer opens files of its own where it is least expected
def test_a_zone_is_not_missing_for_want_of_descriptors(bare):
    bare.start()
    fd = os.open(bare.data, os.O_RDONLY)
    held = f"/proc/{bare.process.pid}/fd"
    before = len(os.listdir(held))
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(60)
        control.connect(f"/proc/self/fd/{fd}/control.sock")
        wait_until(lambda: len(os.listdir(held)) > before, 30)  # it is taken, and waits for its line
        with no_more_descriptors(bare):
            control.sendall(json.dumps({"command": "project create", "id": "org-b", "time_zone": "Europe/Berlin"}).encode() + b"\n")
            answer = json.loads(control.recv(10000))
            assert answer["code"] == "DESCRIPTORS" and "Too many open files" in answer["text"], answer
    os.close(fd)
    assert bare.process.poll() is None
    run("project", "create", "--data", bare.data, "--id", "org-b", "--time-zone", "Europe/Berlin")


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_commands_wait_for_descriptors(bare):
    bare.start()
    pid = bare.process.pid
    fd = os.open(bare.data, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as waiting:
        with no_more_descriptors(bare):
            waiting.connect(f"/proc/self/fd/{fd}/control.sock")
            begun = processor_seconds(pid)
            time.sleep(2)
            assert processor_seconds(pid) - begun < 0.2
    os.close(fd)
    run("project", "create", "--data", bare.data, "--id", "org-a", "--time-zone", "UTC")


def test_repeats_in_any_order_are_told_apart(bare):
    """Also while the blocks that they are compared with do not fit into memory together."""
    account = Account(bare, *WIDE, "ledger.blocks_cache=2MiB", "ingest.delta_max=10000", "ledger.segment_size=512KiB")
    kept, ids = Kept(account), [f"{n:036}" for n in range(40000)]
    for at in range(0, len(ids), 5000):
        assert kept.report([event(id, TIME) for id in ids[at:at + 5000]])[1]["stored"] == 5000
    random.Random(3).shuffle(ids)
    for at in range(0, len(ids), 5000):
        status, answer = kept.report([event(id, TIME, seconds=1 + (n % 50 == 0)) for n, id in enumerate(ids[at:at + 5000])])
        assert status == 200 and (answer["stored"], answer["duplicate"], answer["conflict"]) == (0, 4900, 100), {**answer, "results": ...}
    assert sum(row["TotalTime"] for row in account.client.stat(**YEAR)) == len(ids)


def test_a_limit_of_file_sizes_is_named(bare):
    """It does not kill the server without a word: the write fails, and what was acknowledged before is there."""
    bare.limits = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, 256 << 10))
    account = Account(bare, *WIDE)
    stored = 0
    with contextlib.suppress(OSError, http.client.HTTPException):
        while stored < 100:
            answer = account.client.report([event(f"{stored}-{n}", TIME, source="s" * 200) for n in range(200)], "application/cloudevents-batch+json")
            if answer.status != 200:
                break
            stored += 1
    assert 0 < stored < 100 and bare.process.wait(30) == 1, bare.log_text()
    assert "File too large" in bare.log_text()
    bare._ended()
    bare.limits = None
    bare.start(*WIDE)
    assert sum(row["LowDefinitionTime"] for row in account.client.stat(**YEAR)) >= 200 * stored


GIB = 1 << 30


def test_a_disk_that_is_nearly_full_is_named_in_the_log(bare, tmp_path):
    """Reporters get 503, and go on by themselves; the operator reads once why, and when it is over."""
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    if free < 4 * GIB:
        pytest.skip("it takes 4 GiB of free disk space to make some of it short")
    account = Account(bare, *WIDE, f"ledger.disk_reserve={(free - GIB) >> 20}MiB")
    assert account.client.report(event(0, TIME)).status == 200
    hog = tmp_path / "hog"
    with open(hog, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * GIB)
    for n in range(10):
        assert account.client.report(event(f"refused-{n}", TIME)).status == 503
    assert bare.log_text().count("usage is refused with 503 for now: the disk of") == 1, bare.log_text()
    assert "ledger.disk_reserve" in bare.log_text() and "taken again" not in bare.log_text()
    os.remove(hog)
    wait_until(lambda: account.client.report(event(1, TIME)).status == 200)
    assert bare.log_text().count("usage is taken again") == 1, bare.log_text()
