"""A step of the wall clock: waits and deadlines go by the monotonic clock. and an implausible clock is told of.
Source: issue of the first contact, points 6 and 15."""
import datetime
import os
import socket
import time

import pytest

from client import event
from conftest import CODECMETER, Account, wait_until

STEP = os.path.join(os.path.dirname(CODECMETER), "tests", "unit", "clockstep.so")


@pytest.fixture
def stepped(bare, monkeypatch):
    """A server whose wall clock was stepped back by an hour: it computes times that the kernel reaches an hour later."""
    monkeypatch.setenv("LD_PRELOAD", STEP)
    monkeypatch.setenv("CLOCK_STEP_SECONDS", "3600")
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    return bare


def test_deadlines_hold_after_a_backward_step(stepped):
    account = Account(stepped, "http.request_timeout=1s", "http.idle_timeout=60s")
    with socket.create_connection((account.server.host, account.server.port), timeout=20) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\n")
        assert slow.recv(100) == b""  # closed by the deadline, not by the timeout of this test


def test_a_delta_is_checkpointed_by_age_after_a_backward_step(stepped):
    account = Account(stepped, "ingest.delta_age=1s")
    before = account.server.log_text().count("checkpoint: ")
    assert account.client.report(event(1)).status == 200
    end = time.monotonic() + 20
    while account.server.log_text().count("checkpoint: ") == before:
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.05)


DAY = 86400


@pytest.fixture
def ahead(bare, monkeypatch, tmp_path):
    """Sets the server's wall clock ahead of the kernel's by so many seconds, at any time; moved in one step."""
    path = tmp_path / "step"

    def step(seconds):
        (tmp_path / "step.new").write_text(str(seconds))
        os.rename(tmp_path / "step.new", path)

    step(0)
    monkeypatch.setenv("LD_PRELOAD", STEP)
    monkeypatch.setenv("CLOCK_STEP_FILE", str(path))
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    return step


def warnings(server):
    return [line for line in server.log_text().splitlines() if " warn " in line and "the clock" in line]


def year(seconds=0):
    return str((datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).year)


def test_each_start_behind_the_newest_record_warns(bare, ahead):
    """Once the clock was five years ahead, and an event without a time came."""
    ahead(5 * 366 * DAY)
    account = Account(bare)
    assert account.client.report([event(1)]).json()["stored"] == 1
    assert warnings(bare) == []  # nothing shows yet that it is wrong
    bare.stop()
    ahead(0)
    for starts in (1, 2):
        bare.start()
        assert len(warnings(bare)) == starts
        said = warnings(bare)[-1]
        assert year() in said and year(5 * 366 * DAY) in said and "events without `time`" in said and "timedatectl" in said
        assert account.client.report([event(1)]).json()["duplicate"] == 1
        bare.stop()


@pytest.mark.parametrize("days, warns", [(0, False), (30, False), (32, True), (2000, True)])
def test_a_start_long_after_the_newest_record_warns(bare, ahead, days, warns):
    account = Account(bare)
    assert account.client.report([event(1)]).json()["stored"] == 1
    bare.stop()
    ahead(days * DAY)
    bare.start()
    assert len(warnings(bare)) == warns
    bare.stop()


def test_a_new_ledger_warns_of_nothing(bare, ahead):
    ahead(2000 * DAY)
    bare.start()
    assert warnings(bare) == []


def test_a_clock_that_is_set_while_the_server_runs_warns_once(bare, ahead):
    Account(bare)
    time.sleep(3)  # a look or two
    ahead(200)
    time.sleep(5)
    assert warnings(bare) == []
    ahead(3 * 366 * DAY)
    wait_until(lambda: len(warnings(bare)) == 1, 30)
    assert year() in warnings(bare)[0] and year(3 * 366 * DAY) in warnings(bare)[0] and "ahead" in warnings(bare)[0]
    time.sleep(5)
    assert len(warnings(bare)) == 1
    ahead(0)
    wait_until(lambda: len(warnings(bare)) == 2, 30)
    assert "back" in warnings(bare)[1]
