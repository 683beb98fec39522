"""What was answered `stored` is there, once, whatever happens to the process or to the tail of its log."""
import glob
import os
import random
import shutil
import threading
import time

import pytest

from client import event
from conftest import Account, run, wait_until

TIME = "2020-11-01T12:00:00Z"
WIDE = ("query.max_age=0", "query.max_span=0")
YEAR = {"BeginTime": 1590000000, "EndTime": 1620000000}


def table(account):
    """All totals; days apart, codecs apart."""
    rows = account.client.stat(**YEAR)
    return [row for row in rows if row["TotalTime"] > 0]


def test_kill_straight_after_stored(bare):
    account = Account(bare, *WIDE)
    for number in range(10):
        answer = account.client.report([event(f"{number}-{n}", TIME, seconds=n + 1) for n in range(10)]).json()
        bare.kill()
        assert answer["stored"] == 10
        bare.start()
        assert table(account)[0]["TotalTime"] == 55 * (number + 1)
        again = account.client.report([event(f"{number}-{n}", TIME, seconds=n + 1) for n in range(10)]).json()
        assert again["duplicate"] == 10
    bare.stop()
    before = None
    for _ in range(2):
        bare.start()
        assert before in (None, table(account))
        before = table(account)
        bare.stop()
        run("rebuild", "--data", bare.data)


def test_records_do_not_stay_in_memory(bare):
    """What is in memory for long is checkpointed, though the delta is not full and nothing more comes."""
    account = Account(bare, *WIDE, "ingest.delta_age=1s")
    assert account.client.report([event(n, TIME) for n in range(10)]).json()["stored"] == 10
    before = table(account)
    wait_until(lambda: len(glob.glob(os.path.join(bare.data, "derived/runs/*.run"))) == 3)
    assert table(account) == before
    assert account.client.report(event(3, TIME)).json()["duplicate"] == 1


def test_kill_while_writes_are_in_flight(bare):
    """Reporters count what they were told; after each kill all of it is there, by id, and nothing counts twice."""
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    print(f"SEED={seed}")
    dice = random.Random(seed)
    account = Account(bare, *WIDE, "ingest.delta_max=2000", "ledger.segment_size=1MiB")
    told, sent = set(), set()
    lock = threading.Lock()
    rounds = 6

    def reporter(name, stop):
        batch = 0
        while not stop.is_set():
            ids = [f"{name}-{batch}-{n}" for n in range(50)]
            with lock:
                sent.update(ids)
            try:
                reply = account.client.report([event(id, TIME, codec=f"c{len(id)}") for id in ids])
            except OSError:
                return
            if reply.status == 200 and reply.json()["stored"] == len(ids):
                with lock:
                    told.update(ids)
            batch += 1

    for number in range(rounds):
        stop = threading.Event()
        threads = [threading.Thread(target=reporter, args=(f"r{number}t{t}", stop)) for t in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.05, 0.5))
        bare.kill()
        stop.set()
        for thread in threads:
            thread.join()
        bare.start()
        total = sum(row["TotalTime"] for row in table(account))
        assert len(told) <= total <= len(sent), f"round {number}: told {len(told)}, is {total}, sent {len(sent)}"
    kept = sorted(told)
    answer = {"duplicate": 0}
    for at in range(0, len(kept), 5000):
        piece = account.client.report([event(id, TIME, codec=f"c{len(id)}") for id in kept[at:at + 5000]]).json()
        answer["duplicate"] += piece["duplicate"]
    assert answer["duplicate"] == len(kept) > 0, "each id that was answered stored is known, and was never forgotten"
    before = table(account)
    bare.stop()
    run("rebuild", "--data", bare.data)
    bare.start()
    assert table(account) == before


def filled(bare, *settings):
    """A stopped server with a few blocks, projects and keys in it; and its totals."""
    account = Account(bare, *WIDE, *settings)
    for number in range(30):
        account.client.report([event(f"{number}-{n}", f"2020-11-{number % 28 + 1:02}T12:00:00Z", codec=f"c{n % 3}")
                               for n in range(20)])
    before = table(account)
    bare.stop()
    assert sum(row["TotalTime"] for row in before) == 600
    return account, before


@pytest.mark.parametrize("delta_max", [1000000, 100])
def test_rebuild_from_the_log_alone(bare, delta_max):
    account, before = filled(bare, f"ingest.delta_max={delta_max}")
    bare.start()
    bare.admin("project", "set", "--id", "org-a", "--time-zone", "America/New_York", "--force", "--name", "renamed")
    bare.admin("key", "disable", "--public-key", bare.admin("key", "create")["public_key"])
    catalogue = [bare.admin(what, "list") for what in ("project", "key", "token")]
    elsewhere = table(account)
    bare.stop()
    shutil.rmtree(os.path.join(bare.data, "derived"))
    bare.process = None
    done = run("serve", "--data", bare.data, "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 1 and "rebuild" in done.stderr, done.stderr
    done = run("rebuild", "--data", bare.data)
    bare.start()
    assert table(account) == elsewhere
    assert [bare.admin(what, "list") for what in ("project", "key", "token")] == catalogue
    bare.admin("project", "set", "--id", "org-a", "--time-zone", "Asia/Shanghai", "--force")
    assert table(account) == before


def test_torn_tails(bare):
    """The last block cut at any length, or followed by rubbish: all before it stands, and the tail is kept aside."""
    account, before = filled(bare)
    segment = glob.glob(os.path.join(bare.data, "log", "*.seg"))[0]
    with open(segment, "rb") as file:
        whole = file.read()
    shutil.copytree(bare.data, bare.data + ".kept")
    last = whole.rindex(b"CMB1")
    for length in (last + 1, last + 47, last + 48, len(whole) - 8, len(whole) - 1):
        with open(segment, "wb") as file:
            file.write(whole[:length])
        bare.start()
        assert sum(row["TotalTime"] for row in table(account)) == 580
        assert account.client.report(event("new", TIME)).json()["stored"] == 1
        bare.stop()
        assert any("cut a torn tail" in line for line in bare.log_text().splitlines())
        shutil.rmtree(bare.data)
        shutil.copytree(bare.data + ".kept", bare.data)
    for tail in (b"\0" * 4096, b"CMB1" + b"\xff" * 60, os.urandom(1000)):
        with open(segment, "ab") as file:
            file.write(tail)
        bare.start()
        assert table(account) == before
        bare.stop()
        if tail.strip(b"\0"):
            kept = glob.glob(os.path.join(bare.data, "cut", "*"))
            assert [open(name, "rb").read() for name in kept] == [tail]
        shutil.rmtree(bare.data)
        shutil.copytree(bare.data + ".kept", bare.data)


def test_damage_is_never_believed(bare):
    """A flipped bit anywhere in the log, below the last block, stops the start with file and offset, whatever derived says."""
    account, before = filled(bare)
    segment = glob.glob(os.path.join(bare.data, "log", "*.seg"))[0]
    with open(segment, "rb") as file:
        whole = file.read()
    dice = random.Random(7)
    last = whole.rindex(b"CMB1")
    for at in [0, 20, 70, 64 + 30, *(dice.randrange(64, last) for _ in range(12))]:
        with open(segment, "wb") as file:
            file.write(whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1:])
        done = run("rebuild", "--data", bare.data, check=False)
        assert done.returncode == 1 and os.path.basename(segment) in done.stderr, (at, done.stderr)
    with open(segment, "wb") as file:
        file.write(whole)
    bare.start()
    assert table(account) == before
