"""The order of write, sync and reply, asserted from a trace of the calls: nothing is told before it is on disk."""
import os
import threading

import pytest

from harness import SHIM, Connection, Server, event, read_log, shim_environment, table_of

CLIENTS, BATCHES, BATCH = 4, 40, 20


class Line:
    def __init__(self, number, text):
        self.number = number
        phase, _, self.tid, self.thread, self.call, self.what, *rest = text.rstrip("\n").split("\t", 6)
        self.phase = phase
        if phase == "S":
            self.payload = rest[0]
            return
        self.path, offset, length, result = rest[0].split("\t")
        self.offset, self.length, self.result = int(offset), int(length), int(result)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A server's whole life, traced: reports of several clients, each with one event that is rejected, whose id the reply names."""
    directory = tmp_path_factory.mktemp("order")
    work, trace = directory / "work", directory / "trace"
    work.mkdir()
    server = Server(work / "data")
    server.start(("ingest.delta_max=100", "ledger.segment_size=16KiB"), shim_environment(work, TRACE=trace))
    server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC")
    token = server.admin("token", "create", "--project", "org-a")["token"]
    marks = {}

    def reporter(name):
        connection = Connection(server.port, token)
        for number in range(BATCHES):
            mark = f"mark-{name}-{number}-"
            count = 1 + number % 2 * BATCH
            events = [event(f"{name}-{number}-{n}", "2020-06-01T12:00:00Z") for n in range(count)]
            # The second batch of a pair brings the first one's ids too: duplicates must wait for the disk like all else.
            marks[mark] = [one["id"] for one in events]
            status, outcomes = connection.report(events + [event(mark, "2020-06-01T12:00:00Z", codec="NOT A CODEC")])
            assert status == 200 and outcomes == ["stored"] * count + ["rejected"]
        connection.close()

    threads = [threading.Thread(target=reporter, args=(name,)) for name in "abcd"[:CLIENTS]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A merge runs when it finds the time: reports go on until one has ended.
    connection, number = Connection(server.port, token), 0
    while "\tmerger\tunlink\trun\t" not in trace.read_text(errors="replace"):
        assert number < 500, "no merge has ended"
        connection.report([event(f"more-{number}-{n}", "2020-06-01T12:00:00Z") for n in range(50)])
        number += 1
    connection.close()
    assert server.stop() == 0
    with open(trace, errors="replace") as file:
        lines = [Line(number, text) for number, text in enumerate(file)]
    return server, lines, marks


def test_every_reply_comes_after_the_sync_behind_its_write(traced):
    server, lines, marks = traced
    where = {usage.id: (os.path.basename(block.segment), block.offset) for block, usages in read_log(server.data) for usage in usages}
    checked = 0
    for mark, ids in marks.items():
        reply = next(line for line in lines if line.phase == "S" and f'"{mark}"' in line.payload)
        for id in ids:
            segment, offset = where[id]
            write = next(line for line in lines if line.phase == "E" and line.call in ("pwrite", "write") and line.path.endswith(segment)
                         and line.offset <= offset < line.offset + line.length and line.offset >= 64)
            sync = next(line for line in lines[write.number:] if line.phase == "E" and line.call in ("fdatasync", "fsync")
                        and line.path == write.path and line.result == 0)
            begun = next(line for line in reversed(lines[:sync.number]) if line.phase == "B" and line.tid == sync.tid and line.call == sync.call)
            assert write.number < begun.number < sync.number < reply.number, (mark, id, write.number, sync.number, reply.number)
            checked += 1
    assert checked == CLIENTS * BATCHES // 2 * (2 + BATCH)


def test_a_segment_and_its_name_are_synced_before_its_first_block(traced):
    _, lines, _ = traced
    segments = sorted({line.path for line in lines if line.phase != "S" and line.what == "log"})
    assert len(segments) > 3
    for path in segments:
        head = next(line for line in lines if line.phase == "E" and line.call == "pwrite" and line.path == path and line.offset == 0)
        block = next((line for line in lines if line.phase == "B" and line.call == "pwrite" and line.path == path and line.offset >= 64), None)
        if block is None:
            continue
        between = lines[head.number:block.number]
        assert any(line.phase == "E" and line.call == "fsync" and line.path == path and line.result == 0 for line in between), path
        assert any(line.phase == "E" and line.call == "fsync" and line.path == os.path.dirname(path) and line.result == 0
                   for line in between), f"{path}: its directory was not synced before a block was written"


def test_runs_and_their_names_are_synced_before_lmdb_lists_them(traced):
    """LMDB's meta pages are its first two; a thread's own runs must be on disk when it writes one."""
    _, lines, _ = traced
    commits = 0
    dirty, unnamed = {}, {}  # of a thread: paths written and not synced; created and directory not synced
    for line in lines:
        if line.phase == "S" or line.thread not in ("checkpointer", "merger"):
            continue
        mine, new = dirty.setdefault(line.thread, set()), unnamed.setdefault(line.thread, set())
        if line.what == "run" and line.phase == "B" and line.call == "pwrite":
            mine.add(line.path)
            if line.offset == 0:
                new.add(line.path)
        elif line.what == "run" and line.phase == "E" and line.call == "fsync":
            mine.discard(line.path)
        elif line.phase == "E" and line.call == "fsync" and line.what == "dir":
            new -= {path for path in new if os.path.dirname(path) == line.path}
        elif line.what == "totals" and line.phase == "B" and line.call in ("pwrite", "write") and line.offset < 2 * 4096:
            assert not mine, f"LMDB commits before {mine} is synced"
            assert not new, f"LMDB commits before the directory of {new} is synced"
            commits += 1
    assert commits > 3 and len(dirty) == 2, (commits, dirty)


def test_what_was_merged_goes_after_the_commit_that_drops_it(traced):
    """What goes while a merge is unfinished can only be its own run: the server's stop cuts a merge off."""
    _, lines, _ = traced
    removed = 0
    unlisted = set()  # runs that the merger wrote since its last commit
    for line in lines:
        if line.phase == "S" or line.thread != "merger":
            continue
        if line.what == "run" and line.call == "pwrite":
            unlisted.add(line.path)
        elif line.what == "totals" and line.phase == "E" and line.call == "pwrite" and line.offset < 2 * 4096:
            unlisted.clear()
        elif line.what == "run" and line.phase == "B" and line.call == "unlink":
            if line.path in unlisted:
                unlisted.remove(line.path)
                continue
            assert not unlisted, f"{line.path} goes before the commit"
            removed += 1
    assert removed > 0


@pytest.mark.parametrize("count", [1, 40], ids=["applied behind its sync", "applied beside it"])
def test_no_answer_shows_a_group_before_its_sync(tmp_path, count):
    work, trace = tmp_path / "work", tmp_path / "trace"
    work.mkdir()
    server = Server(work / "data")
    server.start((), shim_environment(work, TRACE=trace, SLOW=400))
    server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC")
    token = server.admin("token", "create", "--project", "org-a")["token"]
    key = server.admin("key", "create")
    client = server.client(public_key=key["public_key"], private_key=key["private_key"])

    def log_syncs():
        lines = [Line(0, text) for text in trace.read_text(errors="replace").splitlines()]
        return sum(line.phase == "E" and line.call == "fdatasync" and line.what == "log" for line in lines)

    def report(name):
        connection = Connection(server.port, token)
        events = [event(f"{name}-{n}", "2020-06-01T12:00:00Z") for n in range(count)]
        assert connection.report(events) == (200, ["stored"] * count)
        connection.close()

    # The second group's totals stand there already, and are added to.
    shown = sum(table_of(client).values())
    for name in ("first", "second"):
        before, blind = log_syncs(), 0
        reporter = threading.Thread(target=report, args=(name,))
        reporter.start()
        while reporter.is_alive():
            seconds = sum(table_of(client).values())
            assert seconds == shown or log_syncs() > before, "an answer shows what is not on disk"
            blind += seconds == shown
        reporter.join()
        assert blind > 3, "no question was asked meanwhile"
        assert sum(table_of(client).values()) > shown
        shown = sum(table_of(client).values())
    assert server.stop() == 0


def test_lmdb_data_is_synced_before_its_meta(traced):
    _, lines, _ = traced
    dirty = False
    for line in lines:
        if line.phase == "S" or line.what != "totals" or line.thread not in ("checkpointer", "merger"):
            continue
        if line.phase == "B" and line.call in ("pwrite", "writev", "write") and line.offset >= 2 * 4096:
            dirty = True
        elif line.phase == "E" and line.call in ("fdatasync", "fsync", "msync"):
            dirty = False
        elif line.phase == "B" and line.call in ("pwrite", "write") and line.offset < 2 * 4096:
            assert not dirty


if not os.path.exists(SHIM):
    pytestmark = pytest.mark.skip(reason="the shim is not built")
