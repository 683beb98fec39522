"""What `serve` and `watch` tell a service manager (sd_notify(3)), heard on a socket of our own."""
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import event
from conftest import CODECMETER, run, wait_until


class Manager:
    """The service manager's side: a socket, and every message in the order of arrival."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.path = str(path)
        self.lines = []
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            self.lines += self.socket.recv(4096).decode().split("\n")

    def count(self, line):
        return self.lines.count(line)

    def has(self, prefix):
        return any(line.startswith(prefix) for line in self.lines)

    def environment(self, watchdog_usec=None):
        environment = dict(os.environ, NOTIFY_SOCKET=self.path)
        if watchdog_usec is not None:
            environment["WATCHDOG_USEC"] = str(watchdog_usec)
        return environment


@pytest.fixture
def manager(tmp_path):
    return Manager(tmp_path / "notify")


@pytest.fixture
def start():
    """Starts a command that ends with the test."""
    started = []

    def begin(*words, **kwargs):
        started.append(subprocess.Popen([CODECMETER, *map(str, words)], stdout=subprocess.PIPE, text=True, **kwargs))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def serve(start, data, environment):
    return start("serve", "--data", data, "--listen", "127.0.0.1:0", env=environment)


def test_serve_says_when_it_is_ready_and_when_it_stops(tmp_path, manager, start):
    server = serve(start, tmp_path / "data", manager.environment())
    url = server.stdout.readline().split()[1]
    wait_until(lambda: manager.count("READY=1") == 1)
    wait_until(lambda: f"STATUS=serving {url}" in manager.lines)
    assert manager.count("STOPPING=1") == 0
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    wait_until(lambda: manager.count("STOPPING=1") == 1)
    assert manager.lines.index("READY=1") < manager.lines.index("STOPPING=1")
    assert manager.count("WATCHDOG=1") == 0, "nobody asked for it"


def test_serve_pings_a_watchdog(tmp_path, manager, start):
    server = serve(start, tmp_path / "data", manager.environment(watchdog_usec=1_000_000))
    wait_until(lambda: manager.count("WATCHDOG=1") >= 3, 60)
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def test_a_watchdog_of_another_process_is_not_pinged(tmp_path, manager, start):
    environment = dict(manager.environment(watchdog_usec=200_000), WATCHDOG_PID="1")
    server = serve(start, tmp_path / "data", environment)
    assert server.stdout.readline().startswith("ready ")
    time.sleep(1)  # ten intervals: the absence of a message cannot be waited for
    assert manager.count("WATCHDOG=1") == 0


def test_a_long_start_asks_for_more_time(account, manager, start):
    """A recovery says how far it has got, and that it needs more time."""
    assert account.client.report([event(str(n)) for n in range(100)]).status == 200
    account.server.kill()
    server = serve(start, account.server.data, manager.environment())
    assert server.stdout.readline().startswith("ready ")
    wait_until(lambda: manager.count("READY=1") == 1)
    begin = manager.lines[:manager.lines.index("READY=1")]
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in begin), begin
    assert any(line.startswith("STATUS=applying the log: ") for line in begin), begin


def test_a_server_that_cannot_start_is_never_ready(tmp_path, manager):
    (tmp_path / "data").write_text("a file")
    done = run("serve", "--data", tmp_path / "data", check=False, env=manager.environment())
    assert done.returncode == 1
    assert manager.count("READY=1") == 0


def test_watch_says_when_it_is_ready_and_pings(tmp_path, manager, start):
    (tmp_path / "outputs").mkdir()
    environment = dict(manager.environment(watchdog_usec=1_000_000), CODECMETER_TOKEN="cmt_none",
                       CODECMETER_SPOOL=str(tmp_path / "spool"), CODECMETER_URL="http://127.0.0.1:9")
    watch = start("watch", tmp_path / "outputs", env=environment)
    assert watch.stdout.readline().startswith("watching ")
    wait_until(lambda: manager.count("READY=1") == 1)
    wait_until(lambda: manager.count("WATCHDOG=1") >= 3, 60)
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(30) == 0
    wait_until(lambda: manager.count("STOPPING=1") == 1)


def test_no_manager_and_a_wrong_one_change_nothing(tmp_path, start):
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "200000"}, {"WATCHDOG_USEC": "x"}):
        server = serve(start, tmp_path / "data", {**os.environ, **environment})
        assert server.stdout.readline().startswith("ready ")
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
