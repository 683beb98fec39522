"""Files that are removed or renamed under a running server stop it, and loudly. Source: issue of the first contact, point 9."""
import glob
import os
import shutil
import subprocess

import pytest

from client import event
from conftest import Account, run

TIME = "2020-11-01T12:00:00Z"
WIDE = ("query.max_age=0", "query.max_span=0")


def segment(server):
    return sorted(glob.glob(os.path.join(server.data, "log", "*.seg")))[-1]


def replace(path):
    """By a copy that is equal byte by byte, as a careless restore does."""
    if os.path.isdir(path):
        shutil.copytree(path, path + ".copy", ignore=shutil.ignore_patterns("control.sock"))
        os.rename(path, path + ".old")
    else:
        shutil.copy(path, path + ".copy")
        os.remove(path)
    os.rename(path + ".copy", path)


HARM = {
    "log removed": lambda server: shutil.rmtree(os.path.join(server.data, "log")),
    "log renamed": lambda server: os.rename(os.path.join(server.data, "log"), server.data + ".away"),
    "log replaced": lambda server: replace(os.path.join(server.data, "log")),
    "segment removed": lambda server: os.remove(segment(server)),
    "segment renamed": lambda server: os.rename(segment(server), server.data + ".away"),
    "segment replaced": lambda server: replace(segment(server)),
    "segment cut short": lambda server: os.truncate(segment(server), os.path.getsize(segment(server)) - 1),
    "derived removed": lambda server: shutil.rmtree(os.path.join(server.data, "derived")),
    "derived replaced": lambda server: replace(os.path.join(server.data, "derived")),
    "totals removed": lambda server: os.remove(os.path.join(server.data, "derived", "totals", "data.mdb")),
    "data removed": lambda server: shutil.rmtree(server.data),
    "data renamed": lambda server: os.rename(server.data, server.data + ".away"),
    "data replaced": lambda server: replace(server.data),
}


def ended_loudly(server, what):
    text = server.log_text()
    assert "codecmeter serve: " in text, text
    said = text.split("codecmeter serve: ")[-1]
    assert any(word in said for word in ("removed", "replaced", "moved", "cut short")) and what.split()[0] in said.replace("seg", "segment"), said
    assert ("backup" in said) != ("rebuild" in said), said
    server._ended()


@pytest.mark.parametrize("what", HARM)
def test_a_running_server_stops(bare, what):
    account = Account(bare, *WIDE)
    assert account.client.report([event("a", TIME)]).status == 200
    HARM[what](bare)
    assert bare.process.wait(30) == 1, bare.log_text()
    ended_loudly(bare, what)


def test_a_server_that_is_stopped_looks_once_more(bare):
    """What it acknowledged since the last look would be gone, and the exit status 0."""
    account = Account(bare, *WIDE)
    for _ in range(3):
        shutil.rmtree(os.path.join(bare.data, "log"))
        assert account.client.report([event("a", TIME)]).status in (200, 503)
        bare.process.terminate()
        assert bare.process.wait(30) == 1, bare.log_text()
        ended_loudly(bare, "log removed")
        shutil.rmtree(bare.data)
        account = Account(bare, *WIDE)


@pytest.mark.parametrize("left", [0, 64, 100])
def test_nothing_is_acknowledged_behind_a_gap(bare, left):
    """The next write would fill what was cut off with zeros, and the file would look whole again."""
    account = Account(bare, *WIDE)
    assert account.client.report([event("a", TIME)]).status == 200
    os.truncate(segment(bare), left)
    try:
        assert account.client.report([event("b", TIME)]).status == 503
    except OSError:
        pass  # it has stopped by then
    assert bare.process.wait(30) == 1, bare.log_text()
    ended_loudly(bare, "segment cut short")


def test_an_old_segment_is_missed_at_a_checkpoint(bare):
    account = Account(bare, *WIDE, "ledger.segment_size=1KiB", "ingest.delta_max=100")
    for n in range(3):
        assert account.client.report([event(f"{n}-{m}", TIME) for m in range(20)]).status == 200
    first = sorted(glob.glob(os.path.join(bare.data, "log", "*.seg")))[0]
    os.remove(first)
    try:
        for n in range(10):
            account.client.report([event(f"{n}+{m}", TIME) for m in range(20)])
    except OSError:
        pass  # it has stopped by then
    assert bare.process.wait(30) == 1, bare.log_text()
    assert os.path.basename(first) in bare.log_text()
    ended_loudly(bare, "segment removed")


def test_what_was_put_back_is_served(bare):
    account = Account(bare, *WIDE)
    assert account.client.report([event("a", TIME)]).status == 200
    os.rename(os.path.join(bare.data, "log"), bare.data + ".away")
    assert bare.process.wait(30) == 1
    ended_loudly(bare, "log renamed")
    os.rename(bare.data + ".away", os.path.join(bare.data, "log"))
    bare.start()
    assert account.client.report([event("a", TIME)]).json()["duplicate"] == 1
    assert "no differences" in run("verify", "--data", bare.data).stdout


def test_a_directory_that_is_reached_by_a_link_stays(bare, tmp_path):
    """A log on another disk, by a symbolic link, is in its place."""
    account = Account(bare, *WIDE)
    bare.stop()
    os.rename(os.path.join(bare.data, "log"), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", os.path.join(bare.data, "log"))
    bare.start()
    with pytest.raises(subprocess.TimeoutExpired):
        bare.process.wait(5)
    assert account.client.report([event("a", TIME)]).status == 200
    bare.stop()
