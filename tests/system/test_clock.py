"""A step of the wall clock: waits and deadlines go by the monotonic clock. Source: issue of the first contact, point 6."""
import os
import socket
import time

import pytest

from client import event
from conftest import CODECMETER, Account

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
