"""Care of the ledger: verify, backup, restore, beside a running server and without one."""
import fcntl
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import event
from conftest import CODECMETER, Account, Server, run
from log_file import append_blocks

TIME = "2020-11-01T12:00:00Z"
WIDE = ("query.max_age=0", "query.max_span=0")
SMALL = (*WIDE, "ingest.delta_max=500", "ledger.segment_size=256KiB")
YEAR = {"BeginTime": 1590000000, "EndTime": 1620000000}


class Reporter(threading.Thread):
    """Reports batches until told to stop, and keeps what was answered stored."""

    def __init__(self, client, name):
        super().__init__()
        self.client, self.name_, self.told, self.over = client, name, [], False

    def run(self):
        batch = 0
        while not self.over:
            ids = [f"{self.name_}-{batch}-{n}" for n in range(40)]
            reply = self.client.report([event(id, TIME, codec=f"c{len(id) % 7}") for id in ids])
            assert reply.status == 200 and reply.json()["stored"] == 40, reply.body
            self.told += ids
            batch += 1

    def stop(self):
        self.over = True
        self.join()


def totals(client):
    return [row for row in client.stat(**YEAR) if row["TotalTime"] > 0]


def verify(data):
    done = run("verify", "--data", data)
    assert "no differences" in done.stdout
    return done.stdout


def all_known(client, ids):
    for at in range(0, len(ids), 5000):
        piece = ids[at:at + 5000]
        reply = client.report([event(id, TIME, codec=f"c{len(id) % 7}") for id in piece]).json()
        assert reply["duplicate"] == len(piece), reply


def test_verify_of_nothing(bare, tmp_path):
    assert run("verify", "--data", bare.data, check=False).returncode == 1
    bare.start()
    assert "the log is empty" in verify(bare.data)
    bare.stop()
    assert "the log is empty" in verify(bare.data)


def positions(done, word):
    """The records and positions in a line of verify's report; None if there is no such line."""
    found = re.search(word + r".* (\d+) records from position (\d+) to (\d+)", done.stdout)
    return found and tuple(map(int, found.groups()))


def test_verify_compares_what_is_in_memory_only(bare):
    """Nothing has been checkpointed: verify asks the server for it, and says from where to where it compared."""
    account = Account(bare, *WIDE)
    account.client.report([event(n, TIME) for n in range(300)])
    done = run("verify", "--data", bare.data)
    compared, first, last = positions(done, "compared: totals")
    assert compared >= 300 and first == 64 and last > first and "not compared" not in done.stdout, done.stdout
    assert bare.log_text().count("checkpoint: ") == 1
    run("verify", "--data", bare.data)
    assert bare.log_text().count("checkpoint: ") == 1, "there was nothing new to write"
    account.client.report([event(f"more-{n}", TIME) for n in range(7)])
    bare.stop()
    done = run("verify", "--data", bare.data)
    assert positions(done, "compared: totals") == (compared, first, last)
    beyond, begin, end = positions(done, "not compared:")
    assert (beyond, begin) == (7, last) and end > begin and "no differences" in done.stdout


def test_verify_that_compares_nothing_fails(bare):
    account = Account(bare, *WIDE)
    account.client.report([event(n, TIME) for n in range(20)])
    bare.kill()
    done = run("verify", "--data", bare.data, check=False)
    assert done.returncode == 1 and "no differences" not in done.stdout, done.stdout
    assert "nothing was compared" in done.stderr and f"serve --data {bare.data}" in done.stderr, done.stderr
    bare.start()
    verify(bare.data)


def test_verify_of_projects_alone(bare):
    """Without a usage there is a catalogue to compare."""
    Account(bare)
    done = run("verify", "--data", bare.data)
    assert "0 records of usage" in done.stdout and positions(done, "compared: totals")[0] >= 3


def test_verify_goes_on_beside_a_server_that_stops(bare):
    """Without a new checkpoint the last one is compared, and the report says how far it reaches."""
    account = Account(bare, *SMALL)
    account.client.report([event(n, TIME) for n in range(600)])
    verify(bare.data)
    account.client.report([event(f"more-{n}", TIME) for n in range(10)])
    control = socket.socket(socket.AF_UNIX)
    bare.stop()
    path = os.path.join(bare.data, "control.sock")
    control.bind(path)
    control.listen(1)
    control.settimeout(30)

    def refuse():
        try:
            peer, _ = control.accept()
        except TimeoutError:
            return
        with peer.makefile("rb") as request:
            request.readline()
        peer.sendall(b'{"code":"STOPPING","text":"the server is stopping: try again","items":[]}\n')
        peer.close()
    server = threading.Thread(target=refuse)
    server.start()
    done = run("verify", "--data", bare.data)
    server.join()
    control.close()
    os.unlink(path)
    assert "the server is stopping" in done.stderr and positions(done, "not compared:")[0] == 10


def test_verify_of_a_backup(bare, tmp_path):
    account = Account(bare, *WIDE)
    account.client.report([event(n, TIME) for n in range(300)])
    backup = tmp_path / "backup"
    run("backup", "--data", bare.data, backup)
    before = sorted(os.listdir(backup))
    done = run("verify", "--data", backup)
    assert "300 records of usage" in done.stdout and "this is a backup" in done.stdout and "rebuild" not in done.stderr
    assert sorted(os.listdir(backup)) == before
    segment = sorted(glob.glob(str(backup / "log/*.seg")))[-1]
    with open(segment, "rb") as file:
        whole = file.read()
    for bad, word in ((whole[:-8], "whole to"), (whole[:900] + bytes([whole[900] ^ 1]) + whole[901:], "damaged")):
        with open(segment, "wb") as file:
            file.write(bad)
        done = run("verify", "--data", backup, check=False)
        assert done.returncode == 1 and ("whole to" in done.stderr or word in done.stderr), done.stderr
    with open(segment, "wb") as file:
        file.write(whole)
    os.unlink(backup / "backup")  # a log that was copied by hand
    done = run("verify", "--data", backup, check=False)
    assert done.returncode == 1 and "rebuild" in done.stderr


def test_verify_beside_ingest(bare):
    account = Account(bare, *SMALL)
    reporters = [Reporter(account.client, f"r{n}") for n in range(2)]
    for reporter in reporters:
        reporter.start()
    try:
        for _ in range(6):
            time.sleep(0.3)
            verify(bare.data)
            bare.admin("project", "set", "--id", "org-a", "--time-zone", "UTC", "--force")
    finally:
        for reporter in reporters:
            reporter.stop()
    bare.kill()
    verify(bare.data)
    bare.start()
    verify(bare.data)
    assert sum(row["TotalTime"] for row in totals(account.client)) == sum(len(r.told) for r in reporters)


def test_verify_names_what_is_damaged(bare):
    account = Account(bare, *SMALL)
    for n in range(30):
        account.client.report([event(f"{n}-{m}", TIME) for m in range(50)])
    bare.stop()
    verify(bare.data)
    for pattern in ("derived/runs/*.run", "log/*.seg"):
        path = sorted(glob.glob(os.path.join(bare.data, pattern)))[0]
        with open(path, "r+b") as file:
            file.seek(5000)
            byte = file.read(1)
            file.seek(5000)
            file.write(bytes([byte[0] ^ 1]))
        done = run("verify", "--data", bare.data, check=False)
        assert done.returncode == 1 and os.path.basename(path) in done.stderr, done.stderr
        with open(path, "r+b") as file:
            file.seek(5000)
            file.write(byte)
    verify(bare.data)


def test_backup_under_ingest(bare, tmp_path):
    account = Account(bare, *SMALL)
    reporters = [Reporter(account.client, f"r{n}") for n in range(3)]
    for reporter in reporters:
        reporter.start()
    try:
        for round in range(3):  # the second and third bring the first up to date
            time.sleep(0.5)
            before = [list(reporter.told) for reporter in reporters]
            run("backup", "--data", bare.data, tmp_path / "backup")
    finally:
        for reporter in reporters:
            reporter.stop()
    bare.stop()
    elsewhere = Server(tmp_path / "elsewhere")
    done = run("restore", "--data", elsewhere.data, tmp_path / "backup")
    assert "restored" in done.stdout
    verify(elsewhere.data)
    elsewhere.start(*SMALL)
    try:
        client = elsewhere.client(public_key=account.key["public_key"], private_key=account.key["private_key"],
                                  token=account.token)
        assert sum(row["TotalTime"] for row in totals(client)) >= sum(map(len, before))
        all_known(client, [id for ids in before for id in ids])
        # and it goes on from there
        assert client.report(event("new", TIME)).json()["stored"] == 1
        verify(elsewhere.data)
    finally:
        elsewhere.stop()
    # an idle server's backup has the very same totals
    bare.start()
    expected = totals(account.client)
    run("backup", "--data", bare.data, tmp_path / "backup")
    bare.stop()
    shutil.rmtree(elsewhere.data)
    run("restore", "--data", elsewhere.data, tmp_path / "backup")
    elsewhere.start(*SMALL)
    try:
        client.host, client.port = elsewhere.host, elsewhere.port
        assert totals(client) == expected
    finally:
        elsewhere.stop()


def test_targets_that_are_refused(bare, tmp_path):
    Account(bare)
    other = Server(tmp_path / "other").start()
    other.stop()
    run("backup", "--data", other.data, tmp_path / "of-other")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    for target, word in ((other.data, "data directory"), (bare.data, "data directory"), (tmp_path / "full", "other files"),
                         (tmp_path / "of-other", "another ledger")):
        done = run("backup", "--data", bare.data, target, check=False)
        assert done.returncode == 1 and word in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert run("backup", "--data", bare.data, check=False).returncode == 2
    assert run("restore", "--data", tmp_path / "x", check=False).returncode == 2
    run("backup", "--data", bare.data, tmp_path / "good")
    for data, source, word in ((other.data, tmp_path / "good", "holds a ledger"), (tmp_path / "y", other.data, "not a finished"),
                               (bare.data, tmp_path / "good", "in use")):
        done = run("restore", "--data", data, source, check=False)
        assert done.returncode == 1 and word in done.stderr, done.stderr


def hold_target(target):
    """Locks a backup's directory as a backup does that is under way; gives what to close."""
    os.makedirs(target, exist_ok=True)
    lock = open(os.path.join(target, "backup.lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.write("pid 4711, 2026-01-02T03:04:05.000Z\n")
    lock.flush()
    return lock


def test_one_backup_at_a_time(bare, tmp_path):
    """A second one waits; in the end it names the first."""
    account = Account(bare)
    account.client.report([event(n) for n in range(10)])
    target = tmp_path / "backup"
    with hold_target(target):
        done = run("backup", "--data", bare.data, target, check=False)
        assert done.returncode == 1 and "pid 4711" in done.stderr and str(target) in done.stderr, done.stderr
        waiting = subprocess.Popen([CODECMETER, "backup", "--data", bare.data, str(target)], stdout=subprocess.DEVNULL)
        time.sleep(0.2)
        assert waiting.poll() is None
    assert waiting.wait(60) == 0
    verify(target)
    with hold_target(target):  # what is written cannot be restored
        done = run("restore", "--data", tmp_path / "to", target, check=False)
        assert done.returncode == 1 and "pid 4711" in done.stderr, done.stderr
    run("restore", "--data", tmp_path / "to", target)


def test_backups_at_once(bare, tmp_path):
    """Many to one target: each does all of it, or says that another one is at work."""
    account = Account(bare, *SMALL)
    for n in range(20):
        account.client.report([event(f"{n}-{m}", TIME) for m in range(200)])
    command = [CODECMETER, "backup", "--data", bare.data, str(tmp_path / "backup")]
    for _ in range(4):
        backups = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(12)]
        account.client.report([event(f"more-{time.monotonic()}-{m}", TIME) for m in range(200)])
        for backup in backups:
            _, said = backup.communicate(timeout=120)
            assert backup.returncode == 0 or "another backup" in said, said
        verify(tmp_path / "backup")
    run("restore", "--data", tmp_path / "to", tmp_path / "backup")
    verify(tmp_path / "to")


@pytest.mark.parametrize("command", ["rebuild", "serve", "project"])
def test_a_backup_stays_a_backup(bare, tmp_path, command):
    """Used as a data directory it would get a lock and derived files, and the next backup into it would be refused."""
    Account(bare)
    target = tmp_path / "backup"
    run("backup", "--data", bare.data, target)
    words = {"rebuild": ("rebuild",), "serve": ("serve", "--listen", "127.0.0.1:0"), "project": ("project", "list")}[command]
    done = run(*words, "--data", target, check=False)
    assert done.returncode != 0 and "is a backup" in done.stderr and "codecmeter restore" in done.stderr, done
    assert not {"derived", "lock", "control.sock"} & set(os.listdir(target)), os.listdir(target)
    (target / "lock").touch()  # as earlier versions left one
    run("backup", "--data", bare.data, target)
    run("restore", "--data", tmp_path / "restored", target)


def test_a_backup_inside_the_data_directory_is_refused(bare, tmp_path):
    Account(bare)
    (tmp_path / "link").symlink_to(bare.data)
    (tmp_path / "beside").mkdir()
    before = sorted(os.listdir(bare.data))
    for target in (f"{bare.data}/backup", f"{bare.data}/log/backup", f"{bare.data}/cut", f"{tmp_path}/link/backup",
                   f"{tmp_path}/beside/../data/backup", f"{tmp_path}/beside/../link/derived/x"):
        done = run("backup", "--data", bare.data, target, check=False)
        assert done.returncode == 1 and "inside the data directory" in done.stderr, (target, done.stderr)
    assert sorted(os.listdir(bare.data)) == before
    run("backup", "--data", bare.data, tmp_path / "data-backup")  # a name that only begins alike
    run("backup", "--data", tmp_path / "link", tmp_path / "link-backup")
    done = run("backup", "--data", tmp_path / "link", f"{bare.data}/backup", check=False)
    assert done.returncode == 1 and "inside the data directory" in done.stderr
    done = run("restore", "--data", f"{tmp_path}/data-backup/log/x", tmp_path / "data-backup", check=False)
    assert done.returncode == 1 and "inside the backup" in done.stderr, done.stderr


def test_a_damaged_backup_is_not_restored(bare, tmp_path):
    account = Account(bare, *SMALL)
    for n in range(20):
        account.client.report([event(f"{n}-{m}", TIME) for m in range(50)])
    run("backup", "--data", bare.data, tmp_path / "backup")
    last = sorted(glob.glob(str(tmp_path / "backup/log/*.seg")))[-1]
    with open(last, "rb") as file:
        whole = file.read()
    for bad in (whole[:-8], whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:]):
        with open(last, "wb") as file:
            file.write(bad)
        done = run("restore", "--data", tmp_path / "to", tmp_path / "backup", check=False)
        assert done.returncode == 1 and ("damaged" in done.stderr or "whole" in done.stderr), done.stderr
        assert not os.path.exists(tmp_path / "to" / "log")
    with open(last, "wb") as file:
        file.write(whole)
    run("restore", "--data", tmp_path / "to", tmp_path / "backup")
    verify(tmp_path / "to")


def test_cut_off_and_run_again(bare, tmp_path):
    """Backup, restore and rebuild killed at any moment: run again, they do all of it."""
    account = Account(bare, *WIDE)
    for n in range(40):
        account.client.report([event(f"{n}-{m}", TIME) for m in range(1000)])
    expected = totals(account.client)
    bare.stop()

    def killed_and_again(*command):
        for after in (0.005, 0.02, 0.04, 0.08):
            process = subprocess.Popen([CODECMETER, *map(str, command)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(after)
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = run(*command, check=False)
        assert done.returncode == 0 or "holds a ledger" in done.stderr, done.stderr

    killed_and_again("backup", "--data", bare.data, tmp_path / "backup")
    killed_and_again("restore", "--data", tmp_path / "to", tmp_path / "backup")
    (tmp_path / "to" / "restoring").mkdir(exist_ok=True)  # as of a kill just before the end
    killed_and_again("restore", "--data", tmp_path / "to", tmp_path / "backup")
    killed_and_again("rebuild", "--data", tmp_path / "to")
    verify(tmp_path / "to")
    assert sorted(os.listdir(tmp_path / "to")) == ["derived", "lock", "log"]
    bare.data = str(tmp_path / "to")
    bare.start()
    assert totals(account.client) == expected


def test_a_restore_that_has_its_log_goes_on(bare, tmp_path):
    """It was killed behind the log's last rename: the derived files are missing. Not so with the log of another ledger."""
    account = Account(bare, *WIDE)
    account.client.report([event(n, TIME) for n in range(100)])
    run("backup", "--data", bare.data, tmp_path / "backup")
    run("restore", "--data", tmp_path / "to", tmp_path / "backup")
    shutil.rmtree(tmp_path / "to" / "derived")
    run("restore", "--data", tmp_path / "to", tmp_path / "backup")
    verify(tmp_path / "to")
    assert run("restore", "--data", tmp_path / "to", tmp_path / "backup", check=False).returncode == 1
    other = Server(tmp_path / "other")
    Account(other)
    other.stop()
    shutil.rmtree(os.path.join(other.data, "derived"))
    done = run("restore", "--data", other.data, tmp_path / "backup", check=False)
    assert done.returncode == 1 and "holds a ledger" in done.stderr, done.stderr


def voided_twice(bare, change):
    """A log that holds the void of one task twice, and derived files made from it."""
    account = Account(bare, *WIDE)
    token = bare.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    account.client.report([event("a", TIME, seconds=5), event("b", TIME, seconds=7)])
    void = {"specversion": "1.0", "type": "usage.voided", "source": "test", "id": "void-1", "subject": "org-a", "time": TIME,
            "data": {"source": "test", "id": "a"}}
    assert account.client.report(void, token=token).json()["stored"] == 1
    bare.kill()
    append_blocks(bare.data, change=change)
    run("rebuild", "--data", bare.data)
    bare.start()
    return account


SECOND = {"the same record": lambda block: block, "of another id": lambda block: block.replace(b"void-1", b"void-2")}


@pytest.mark.parametrize("change", SECOND.values(), ids=SECOND)
def test_a_task_that_is_voided_twice_counts_once_less(bare, change):
    account = voided_twice(bare, change)
    assert [row["TotalTime"] for row in totals(account.client)] == [7]


@pytest.mark.parametrize("change", SECOND.values(), ids=SECOND)
def test_verify_agrees_about_a_task_that_is_voided_twice(bare, change):
    voided_twice(bare, change)
    done = run("verify", "--data", bare.data, check=False)
    assert done.returncode == 0, done.stderr


READER = """
import ctypes, sys, time
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_set_maxdbs(env, 16) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0x20000, 0o600) == 0
assert lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn)) == 0
print("holding", flush=True)
time.sleep(60)
"""


def test_dead_readers_are_forgotten(bare):
    """Who is killed with a snapshot of LMDB in its hands leaves it behind: later checkpoints use old pages again all the same."""
    account = Account(bare, *SMALL)
    size = lambda: os.stat(os.path.join(bare.data, "derived/totals/data.mdb")).st_size

    def fill(first):
        for n in range(first, first + 40):
            reply = account.client.report([event(f"{n}-{m}", f"2020-11-{m % 28 + 1:02}T12:00:00Z") for m in range(600)])
            assert reply.json()["stored"] == 600
    fill(0)
    before = size()
    reader = subprocess.Popen(["/usr/bin/python3", "-c", READER, os.path.join(bare.data, "derived/totals")],
                              stdout=subprocess.PIPE, text=True)
    assert reader.stdout.readline() == "holding\n"
    reader.kill()
    reader.wait()
    reader.stdout.close()
    fill(40)
    # a reader that is believed alive makes it grow by 1.9 MB; a loaded machine, by some 130 KB
    assert size() <= before + (512 << 10), (before, size())
