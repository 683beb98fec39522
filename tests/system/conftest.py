"""Fixtures of the system tests: the real server on a free port, its admin commands, and an independent client.

The binary under test is $CODECMETER, else build/codecmeter.
"""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from client import Client

# A shell that runs the tests in the background has them ignore SIGINT, nohup SIGHUP, and what they start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODECMETER = os.path.abspath(os.environ.get("CODECMETER", os.path.join(ROOT, "build", "codecmeter")))

# A sanitizer has memory of its own, so bounds of memory are not looked at.
unless_sanitized = pytest.mark.skipif(any(name in pathlib.Path(CODECMETER).read_bytes() for name in (b"__asan_init", b"__tsan_init")),
                                  reason="a sanitizer has memory of its own")


def run(*args, check=True, **kwargs):
    """Runs a codecmeter command to its end."""
    done = subprocess.run([CODECMETER, *map(str, args)], capture_output=True, text=True, timeout=60, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"codecmeter {args} exited {done.returncode}: {done.stderr}")
    return done


@pytest.fixture(scope="session", autouse=True)
def state_of_their_own(tmp_path_factory):
    """No test touches the spool of whoever runs it."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


class Server:
    """One data directory and the server that serves it, which may be stopped, killed and started again."""

    def __init__(self, data):
        self.data = str(data)
        self.process = None
        self.settings = []
        self.limits = None  # called in the new process: a test that bounds what the server may have sets it
        self.log = self.data + ".log"

    def start(self, *settings, listen="127.0.0.1:0"):
        self.settings = settings or self.settings
        command = [CODECMETER, "serve", "--data", self.data, "--listen", listen]
        for setting in self.settings:
            command += ["--set", setting]
        self.stderr = open(self.log, "a")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, text=True, preexec_fn=self.limits)
        line = self.process.stdout.readline()
        assert line.startswith("ready http"), self.log_text()
        self.url = line.split()[1]
        self.host, port = self.url.split("//")[1].rsplit(":", 1)
        self.port = int(port)
        return self

    def stop(self, expect=0):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == expect, self.log_text()
        self._ended()

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self._ended()

    def _ended(self):
        self.process.stdout.close()
        self.stderr.close()
        self.process = None
        text = self.log_text()
        for word in ("runtime error", "AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "check failed"):
            assert word not in text, text

    def log_text(self):
        with open(self.log) as file:
            return file.read()

    def admin(self, *args):
        """An administrative command; gives what --json printed."""
        return json.loads(run(*args, "--data", self.data, "--json").stdout)

    def client(self, **kwargs):
        return Client(self.host, self.port, **kwargs)


@pytest.fixture
def bare(tmp_path):
    """A server with nothing in it, not started."""
    server = Server(tmp_path / "data")
    yield server
    if server.process is not None:
        server.stop()


class Account:
    """A started server with project org-a, a key pair and a token bound to the project."""

    def __init__(self, server, *settings, zone="Asia/Shanghai"):
        self.server = server.start(*settings)
        server.admin("project", "create", "--id", "org-a", "--time-zone", zone)
        self.key = server.admin("key", "create")
        self.token = server.admin("token", "create", "--project", "org-a")["token"]

    @property
    def client(self):
        return self.server.client(public_key=self.key["public_key"], private_key=self.key["private_key"],
                                  token=self.token)


@pytest.fixture
def account(bare):
    return Account(bare)


@pytest.fixture
def old_account(bare):
    """The same, but old windows may be asked for."""
    return Account(bare, "query.max_age=0", "query.max_span=0")


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def write_all(account):
    """Has a checkpoint write what is in memory."""
    before = account.server.log_text().count("checkpoint: ")
    zone = "UTC" if before % 2 == 0 else "Asia/Shanghai"
    account.server.admin("project", "set", "--id", "org-a", "--time-zone", zone)
    wait_until(lambda: account.server.log_text().count("checkpoint: ") > before)
