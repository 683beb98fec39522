"""Torn and flipped files: damage is found, and never believed.

What is done to one file of a good ledger, and what must follow:

  the log's last block, which nothing says was synced: cut off, kept aside; all before it stands
  any other byte of the log                            the start, or `verify`, names the file
  runs, data.mdb                                       the start, or `verify`, names it; or the byte is one that nothing looks at
  and always                                           an answer is right, or it is an error

SEED chooses the offsets; TORN=n takes n times as many of them (TORN=all: every offset of the last block).
"""
import http.client
import os
import random
import shutil
import struct
import time

import pytest

from harness import (Connection, Died, Server, command, count_of, event, has_verify, read_log, segments, table_of)

SEED = int(os.environ.get("SEED", time.time_ns() % 1000000))
TORN = os.environ.get("TORN", "1")
TIMES = 1 if TORN == "all" else int(TORN)
SETTINGS = ("ingest.delta_max=300", "ledger.segment_size=64KiB")
DAYS, PAGE = 30, 4096


class Good:
    """A ledger of several segments, runs of several pages, and an LMDB with branch pages; its last block lies in memory only."""

    def __init__(self, directory):
        self.dir = str(directory)
        self.server = Server(os.path.join(self.dir, "good"))
        self.server.start(SETTINGS)
        self.server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC")
        self.key = self.server.admin("key", "create")
        self.token = self.server.admin("token", "create", "--project", "org-a")["token"]
        self.events = [event(f"{n}", f"2020-06-{1 + n % DAYS:02}T{n // DAYS % 24:02}:00:00Z", seconds=1 + n % 3, codec=f"c{n % 5}")
                       for n in range(2700)]
        connection = Connection(self.server.port, self.token)
        for at in range(0, len(self.events), 70):
            assert connection.report(self.events[at:at + 70])[0] == 200
        self.settle()
        assert connection.report([event("last", "2020-06-01T00:00:00Z", codec="c0")], "single")[0] == 200
        connection.close()
        self.server.kill()
        blocks = list(read_log(self.server.data))
        self.last = blocks[-1][0]
        self.usages = [usage for _, usages in blocks for usage in usages]
        self.some = [one["id"] for one in self.events[::7]]
        self.whole = count_of(self.usages)
        self.without_last = count_of(self.usages[:-1])
        assert self.usages[-1].id == "last" and len(segments(self.server.data)) >= 3

    def settle(self):
        """Waits until merges have come to rest."""
        runs = os.path.join(self.server.data, "derived", "runs")
        before, since = None, time.monotonic()
        while time.monotonic() - since < 0.5:
            now = sorted(os.listdir(runs))
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.05)

    def copy(self, name="copy"):
        server = Server(os.path.join(self.dir, name))
        shutil.rmtree(server.data, ignore_errors=True)
        shutil.copytree(self.server.data, server.data, ignore=shutil.ignore_patterns("*.sock"))
        if os.path.exists(server.log):
            os.unlink(server.log)
        return server

    def path(self, *parts):
        return os.path.join(self.server.data, *parts)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    print(f"SEED={SEED}")
    return Good(tmp_path_factory.mktemp("torn"))


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def right_or_error(good, server, truth, ids):
    """Asks a server that runs on damaged files; gives what it refused, and fails at anything that is wrong."""
    refused = []
    client = server.client(public_key=good.key["public_key"], private_key=good.key["private_key"])
    try:
        answer = client.call("GetCodecTotalStat", BeginTime=1577836800, EndTime=1609459199)
        if answer["RetCode"] == 0:
            assert table_of(client) == truth, "damage is believed: wrong totals"
        elif answer["RetCode"] == 130:
            refused.append("totals: " + answer["Message"])
        else:
            raise AssertionError(f"damage is believed: a catalogue without its rows: {answer}")
    except (OSError, http.client.HTTPException) as gone:
        refused.append(f"totals: {gone}")
    by_id = {one["id"]: one for one in good.events}
    for at in range(0, len(ids), 100):
        try:
            connection = Connection(server.port, good.token)
            status, outcomes = connection.report([by_id[id] for id in ids[at:at + 100]])
            connection.close()
        except (OSError, http.client.HTTPException) as gone:
            refused.append(f"reports: {gone}")
            break
        if status == 200:
            wrong = [id for id, outcome in zip(ids[at:], outcomes) if outcome != "duplicate"]
            assert not wrong, f"damage is believed: {wrong[:3]} {len(wrong)} times not a duplicate"
        else:
            assert status in (500, 503), f"reports are answered {status}"
            refused.append(f"reports: {status}")
            break
    return refused


def names_file(text, what):
    return any(word in text for word in what)


DEATHS = {-6: "abort", -7: "bus error", -11: "segmentation fault"}


def judge(good, server, what, ids=None):
    """Verifies; starts, and asks. Gives how the damage was found: verified, refused, answered by an error, or not at all; a
    death by a signal, which tells nobody anything but is no wrong answer either, is given as such."""
    found = []
    if has_verify():
        verified = command("verify", "--data", server.data)
        if verified.returncode in DEATHS:
            found.append("verify: " + DEATHS[verified.returncode])
        elif verified.returncode != 0:
            assert verified.returncode == 1, f"verify exits {verified.returncode}: {verified.stderr}"
            assert names_file(verified.stdout + verified.stderr, what), (what, verified.stdout, verified.stderr)
            found.append("verified")
    try:
        server.start(SETTINGS)
    except Died as died:
        status = int(died.args[0].split(":")[0].split()[1])
        if status in DEATHS:
            return [*found, "serve: " + DEATHS[status]]
        assert status == 1, died
        assert names_file(server.said(), what), (what, server.said())
        return [*found, "refused"]
    try:
        if right_or_error(good, server, good.whole, good.some if ids is None else ids):
            found.append("error")
    finally:
        status = server.kill() if server.is_running() else server.ended()
    if status in DEATHS:
        return [*found, "serve: " + DEATHS[status]]
    assert status in (-9, 1), f"serve ends with {status}: {server.said()}"
    return found


def deaths(found):
    return [word for word in found if ": " in word]


# ---- the log ----

def test_the_last_block_is_cut_at_any_length(good):
    """A crash may leave any part of it. The event counts again when it is sent again."""
    lengths = list(range(good.last.length))
    if TORN != "all":
        lengths = sorted({0, 1, 47, 48, good.last.length - 1, *random.Random(SEED).sample(lengths, 10 * TIMES)})
    for length in lengths:
        server = good.copy()
        path = segments(server.data)[-1]
        os.truncate(path, good.last.offset + length)
        server.start(SETTINGS)
        assert table_of(server.client(public_key=good.key["public_key"], private_key=good.key["private_key"])) == good.without_last
        assert ("cut a torn tail" in server.said()) == (length > 0), (length, server.said())
        connection = Connection(server.port, good.token)
        assert connection.report([event("last", "2020-06-01T00:00:00Z", codec="c0")])[1] == ["stored"]
        connection.close()
        server.kill()
        with open(path, "rb") as whole, open(good.path("log", os.path.basename(path)), "rb") as before:
            assert whole.read()[:good.last.offset] == before.read()[:good.last.offset]


def test_a_flipped_byte_of_the_last_block_is_not_believed(good):
    offsets = list(range(good.last.length))
    if TORN != "all":
        offsets = sorted({0, 4, 8, 12, 16, 24, 32, 40, 44, 48, good.last.length - 1, *random.Random(SEED + 1).sample(offsets, 10 * TIMES)})
    for offset in offsets:
        server = good.copy()
        flip(segments(server.data)[-1], good.last.offset + offset, offset % 8)
        server.start(SETTINGS)
        assert table_of(server.client(public_key=good.key["public_key"], private_key=good.key["private_key"])) == good.without_last
        assert "cut a torn tail" in server.said(), offset
        server.kill()
        kept = [os.path.join(server.data, "cut", name) for name in os.listdir(os.path.join(server.data, "cut"))]
        assert len(kept) == 1 and os.path.getsize(kept[0]) == good.last.length


def segment_cases(good):
    dice = random.Random(SEED + 2)
    for number, path in enumerate(segments(good.server.data)):
        end = good.last.offset if number + 1 == len(segments(good.server.data)) else os.path.getsize(path)
        head = (0, 9, 20, 33, 45, 61, 64, 72)
        for at in (*dice.sample(head, min(2 * TIMES, len(head))), *(dice.randrange(64, end) for _ in range(3 * TIMES))):
            yield os.path.basename(path), at, dice.randrange(8)


def test_a_flipped_byte_elsewhere_in_the_log_is_found(good):
    """Heads, heads of blocks, records: of every segment. Whether the start reads it or not, verify does."""
    for name, at, bit in segment_cases(good):
        server = good.copy()
        flip(os.path.join(server.data, "log", name), at, bit)
        with open(os.path.join(server.data, "log", name), "rb") as file:
            near = file.read()
        ids = [usage.id for usage in good.usages[:-1] if segment_of(good, usage) == name and usage.block + 0 <= position_of(name) + at][-50:]
        found = judge(good, server, (name,), ids)
        assert found and (not has_verify() or "verified" in found or "refused" in found), (name, at, bit, found, len(near))


def position_of(name):
    return int(name[:16], 16)


def segment_of(good, usage):
    names = [os.path.basename(path) for path in segments(good.server.data)]
    return [name for name in names if position_of(name) <= usage.position][-1]


def test_a_segment_cut_short_or_missing_stops_the_start(good):
    dice = random.Random(SEED + 3)
    for number, path in enumerate(segments(good.server.data)):
        name, size = os.path.basename(path), os.path.getsize(path)
        last = number + 1 == len(segments(good.server.data))
        for length in (None, 0, 63, 64, dice.randrange(65, size), size - 8):
            if last and (length is None or length >= good.last.offset):
                continue  # a whole segment less, or a torn tail: the log ends where a crash could have left it
            server = good.copy()
            damaged = os.path.join(server.data, "log", name)
            os.unlink(damaged) if length is None else os.truncate(damaged, length)
            with pytest.raises(Died) as died:
                server.start(SETTINGS)
                server.kill()
            assert "exit 1" in str(died.value) and ("log" in server.said()), (name, length, server.said())


# ---- runs ----

def run_cases(good):
    dice, cases = random.Random(SEED + 4), []
    for name in sorted(os.listdir(good.path("derived", "runs"))):
        with open(good.path("derived", "runs", name), "rb") as file:
            whole = file.read()
        kind, = struct.unpack_from("<I", whole, 12)
        pages, filters = struct.unpack_from("<QQ", whole, 64)
        entries = [PAGE + dice.randrange(pages) * PAGE + at for at in (0, 16, dice.randrange(4080), 4080, 4084, 4092)]
        blocks = [(1 + pages) * PAGE + dice.randrange(filters) * 64 + at for at in (dice.randrange(60), 61)] if filters else []
        assert len(whole) == (1 + pages) * PAGE + filters * 64 and (kind == 3) == (filters == 0)
        for what, offsets in (("head", (0, 8, 12, 16, 32, 40, 48, 56, 64, 72, 200, 4092)), ("entries", entries), ("filter", blocks)):
            for at in dice.sample(offsets, min(3 * TIMES, len(offsets))):
                cases.append((name, what, at, dice.randrange(8)))
    classes = [[case for case in cases if case[1] == what] for what in ("head", "entries", "filter")]
    return [case for some in classes for case in dice.sample(some, min(len(some), 6 * TIMES))]


def test_a_flipped_byte_of_a_run_is_found(good):
    seen = set()
    for name, what, at, bit in run_cases(good):
        server = good.copy()
        flip(os.path.join(server.data, "derived", "runs", name), at, bit)
        found = judge(good, server, (name,))
        assert found and (not has_verify() or "verified" in found), (name, what, at, bit, found)
        seen.add(what)
    assert seen == {"head", "entries", "filter"}


def test_a_run_cut_short_lengthened_or_missing_stops_the_start(good):
    for name in sorted(os.listdir(good.path("derived", "runs")))[:3 * TIMES]:
        size = os.path.getsize(good.path("derived", "runs", name))
        for length in (None, 0, 100, PAGE, size - 1, size + 1, size + PAGE):
            server = good.copy()
            path = os.path.join(server.data, "derived", "runs", name)
            os.unlink(path) if length is None else os.truncate(path, length)
            assert "refused" in judge(good, server, (name,), []), (name, length)


def test_a_run_in_another_ones_place_stops_the_start(good):
    names = sorted(os.listdir(good.path("derived", "runs")))
    server = good.copy()
    shutil.copyfile(good.path("derived", "runs", names[0]), os.path.join(server.data, "derived", "runs", names[1]))
    assert "refused" in judge(good, server, (names[1],), [])


# ---- LMDB ----

BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
BIG_DATA, SUB_DATA = 1, 2


class Pages:
    """The live pages of a data.mdb, from its newest meta page down: LMDB 0.9's layout."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.whole = file.read()
        metas = [(struct.unpack_from("<Q", self.whole, number * PAGE + 16 + 128)[0], number) for number in (0, 1)]
        assert all(struct.unpack_from("<H", self.whole, number * PAGE + 10)[0] & META for number in (0, 1))
        self.newest = max(metas)[1]
        self.kinds = {0: "meta", 1: "meta"}
        self.used = {}
        for root_at in (16 + 24, 16 + 24 + 48):  # the free list's and the main tree's records
            self.tree(struct.unpack_from("<Q", self.whole, self.newest * PAGE + root_at + 40)[0], root_at == 16 + 24)

    def tree(self, number, is_free_list):
        if number == 0xFFFFFFFFFFFFFFFF or number in self.kinds:
            return
        at = number * PAGE
        flags, lower, upper = struct.unpack_from("<HHH", self.whole, at + 10)
        used = [*range(0, lower), *range(upper, PAGE)]
        name = "branch" if flags & BRANCH else "leaf"
        self.kinds[number] = "free list" if is_free_list else name
        self.used[number] = used
        for index in range((lower - 16) // 2):
            node = at + struct.unpack_from("<H", self.whole, at + 16 + 2 * index)[0]
            low, high, node_flags, key_size = struct.unpack_from("<HHHH", self.whole, node)
            data = node + 8 + key_size
            if flags & BRANCH:
                self.tree(low | high << 16 | node_flags << 32, is_free_list)
            elif node_flags & SUB_DATA:
                self.tree(struct.unpack_from("<Q", self.whole, data + 40)[0], is_free_list)
            elif node_flags & BIG_DATA:
                page, = struct.unpack_from("<Q", self.whole, data)
                self.kinds[page] = "overflow"
                self.used[page] = list(range(16 + (low | high << 16)))

    def cases(self, dice):
        """Page class, page, offset in it: everything a page's head says, and of what it holds."""
        for number, kind in sorted(self.kinds.items()):
            if kind == "meta":
                if number == self.newest:
                    yield from ((kind, number, at) for at in (10, 16, 20, 40, 64, 112, 128, 136, 144))
                continue
            if kind == "free list":
                continue
            used = self.used[number]
            chosen = [0, 10, 12, 14, 16, 17, *dice.sample(used, min(len(used), 6 * TIMES))]
            for at in chosen:
                yield kind, number, at


def lmdb_cases(good):
    dice = random.Random(SEED + 5)
    pages = Pages(good.path("derived", "totals", "data.mdb"))
    assert {"meta", "branch", "leaf"} <= set(pages.kinds.values()), pages.kinds
    cases = [(kind, number, at, dice.randrange(8)) for kind, number, at in pages.cases(dice)]
    chosen = []
    for wanted, count in (("meta", 6), ("branch", 8), ("leaf", 16), ("overflow", 2)):
        some = [case for case in cases if case[0] == wanted]
        chosen += some if TORN == "all" else dice.sample(some, min(len(some), count * TIMES))
    return chosen


@pytest.fixture(scope="module")
def flipped_lmdb(good):
    """What came of each flipped byte of live pages, and what failed."""
    ends, failures = [], []
    for kind, number, at, bit in lmdb_cases(good):
        server = good.copy()
        flip(os.path.join(server.data, "derived", "totals", "data.mdb"), number * PAGE + at, bit)
        where = f"{kind} page {number}, offset {at}, bit {bit}"
        try:
            ends.append((where, judge(good, server, ("totals", "derived"), good.some[::2])))
        except AssertionError as failure:
            failures.append(f"{where}: {str(failure):.400}")
            if server.is_running():
                server.kill()
    return ends, failures


def test_a_leaf_that_says_it_is_empty(good):
    """A walk over a leaf of one entry saw it though the leaf said none, a look-up did not, and its project's totals were
    taken for such as no checkpoint had seen."""
    pages = Pages(good.path("derived", "totals", "data.mdb"))
    leaves = [number for number, kind in sorted(pages.kinds.items()) if kind == "leaf"]
    single = [number for number in leaves if pages.whole[number * PAGE + 12] == 18]
    assert single
    for number in single:
        server = good.copy()
        flip(os.path.join(server.data, "derived", "totals", "data.mdb"), number * PAGE + 12, 1)
        assert judge(good, server, ("totals", "derived")), number


def test_a_flipped_byte_of_lmdb_is_never_believed(flipped_lmdb):
    """No answer is wrong, and many of the flips are found by name; the others hit what nothing depends on."""
    ends, failures = flipped_lmdb
    assert not failures, f"{len(failures)} of {len(ends) + len(failures)}:\n" + "\n".join(failures)
    assert sum("verified" in found for _, found in ends) > len(ends) // 4, ends


def test_a_flipped_byte_of_lmdb_kills_nobody(flipped_lmdb):
    dead = [f"{where}: {deaths(found)}" for where, found in flipped_lmdb[0] if deaths(found)]
    assert not dead, f"{len(dead)} of {len(flipped_lmdb[0])}:\n" + "\n".join(dead)


LENGTHS = (None, 0, 100, PAGE, 2 * PAGE, 4 * PAGE, -PAGE, -1)  # None: not there; negative: from its end


@pytest.fixture(scope="module")
def cut_lmdb(good):
    size, ends = os.path.getsize(good.path("derived", "totals", "data.mdb")), {}
    for length in LENGTHS:
        server = good.copy()
        path = os.path.join(server.data, "derived", "totals", "data.mdb")
        os.unlink(path) if length is None else os.truncate(path, length if length >= 0 else size + length)
        ends[length] = judge(good, server, ("totals", "derived"))
    return ends


def test_an_lmdb_cut_short_or_missing_is_never_believed(cut_lmdb):
    for length in (None, 0, 100):
        assert "refused" in cut_lmdb[length], cut_lmdb


def test_an_lmdb_cut_short_kills_nobody(cut_lmdb):
    assert not any(deaths(found) for found in cut_lmdb.values()), cut_lmdb


def test_older_lmdb_pages_put_back_are_found(good):
    """A leaf as it was in another ledger's file of the same shape: rows whole, the sums not."""
    pages = Pages(good.path("derived", "totals", "data.mdb"))
    leaves = [number for number, kind in pages.kinds.items() if kind == "leaf"]
    found = 0
    for number in leaves[:6]:
        server = good.copy()
        path = os.path.join(server.data, "derived", "totals", "data.mdb")
        lower, = struct.unpack_from("<H", pages.whole, number * PAGE + 12)
        if lower <= 20:
            continue  # one row: a page without it is no page of LMDB's
        with open(path, "r+b") as file:  # the page's last row is gone, as if it had never been
            file.seek(number * PAGE + 12)
            file.write(struct.pack("<H", lower - 2))
        ends = judge(good, server, ("totals", "derived"), [])
        assert ends, f"a row of page {number} is lost and nobody says so"
        found += 1
    assert found > 0
