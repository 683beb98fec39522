"""Fixtures of the system tests: the real server on a free port, its admin commands, and an independent client.

The binary under test is $CODECMETER, else build/codecmeter.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import world  # noqa: F401 (first of all: what is started inherits it)
from client import Client

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


# ---- another user ----


AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
AS_NOBODY = [*AS_ROOT, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def may_be_root():
    if os.geteuid() == 0:
        return True
    return shutil.which("sudo") is not None and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0


# A test that acts as another user.
needs_root = pytest.mark.skipif(not may_be_root(), reason="it takes root, or sudo without a password, to act as another user")


def reachable_place():
    """Where every user may come, and execute: the checkout, TMPDIR and pytest's own directories may be closed."""
    for place in ("/tmp", "/var/tmp"):
        if os.access(place, os.W_OK | os.X_OK) and not os.statvfs(place).f_flag & os.ST_NOEXEC:
            return place
    pytest.skip("neither in /tmp nor in /var/tmp may programs be executed")


@pytest.fixture
def open_tmp():
    """A directory that every user may reach."""
    path = tempfile.mkdtemp(prefix="codecmeter-test-", dir=reachable_place())
    os.chmod(path, 0o755)
    yield path
    if subprocess.run(["rm", "-rf", path], capture_output=True).returncode != 0:
        subprocess.run([*AS_ROOT, "rm", "-rf", path], check=True)


@pytest.fixture
def program(open_tmp):
    """The binary, with its module, where every user can execute it."""
    for name in (CODECMETER, os.path.join(os.path.dirname(CODECMETER), "codecmeter-media.so")):
        if os.path.exists(name):
            shutil.copy(name, open_tmp)
            os.chmod(os.path.join(open_tmp, os.path.basename(name)), 0o755)
    return os.path.join(open_tmp, os.path.basename(CODECMETER))


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
        self.config = None  # a file of settings
        self.limits = None  # called in the new process: a test that bounds what the server may have sets it
        self.log = self.data + ".log"
        # A port that no other program is given while the server is down: bound, but nobody listens there.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))

    def start(self, *settings, listen=None):
        listen = listen or "%s:%d" % self.reserved.getsockname()
        self.settings = settings or self.settings
        command = [CODECMETER, "serve", "--data", self.data, "--listen", listen]
        if self.config is not None:
            command += ["--config", str(self.config)]
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
        """An administrative command; gives what --json printed. A project counts in days of Asia/Shanghai unless the test
        says otherwise."""
        if args[:2] == ("project", "create") and "--time-zone" not in args:
            args += ("--time-zone", "Asia/Shanghai")
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


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def write_all(account):
    """Has a checkpoint write what is in memory."""
    before = account.server.log_text().count("checkpoint: ")
    zone = "UTC" if before % 2 == 0 else "Asia/Shanghai"
    account.server.admin("project", "set", "--id", "org-a", "--time-zone", zone, "--force")
    wait_until(lambda: account.server.log_text().count("checkpoint: ") > before)
