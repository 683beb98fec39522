"""docs/operations.md, word by word: every command that the page shows is run as root, in a scratch root directory, on a
data directory that belongs to a user of its own. And who owns what backup and restore leave.
"""
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from client import Client, event
from conftest import CODECMETER, ROOT, Account, Server, run

USER = 4242
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who gives directories to other users")
pytestmark = needs_root


def as_user(*words, uid=USER):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *map(str, words)]


def owners(path):
    """The user ids of a directory and of all below it."""
    found = {os.lstat(path).st_uid}
    for at, dirs, files in os.walk(path):
        found |= {os.lstat(os.path.join(at, name)).st_uid for name in dirs + files}
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def open_path():
    """A directory that other users can enter, with a copy of the program: the checkout may be closed to them."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="codecmeter-operations-", dir="/tmp"))
    path.chmod(0o711)
    (path / "bin").mkdir()
    shutil.copy(CODECMETER, path / "bin" / "codecmeter")
    yield path
    shutil.rmtree(path)


# ---- the page ----

def blocks():
    with open(os.path.join(ROOT, "docs/operations.md")) as file:
        return re.findall(r"^```(?:sh)?\n(.*?)^```", file.read(), re.M | re.S)


class Page:
    """Runs the lines of the page, each as a shell does, with its absolute paths below a scratch root directory."""

    def __init__(self, path):
        self.scratch, self.ports = path, {"8080": free_port(), "8090": free_port()}
        for name in ("var/lib/codecmeter", "work"):
            (path / name).mkdir(parents=True)
        os.chown(path / "var/lib/codecmeter", USER, USER)
        self.environment = dict(os.environ, SCRATCH=str(path), PORT=str(self.ports["8080"]),
                                PATH=f"{path}/bin:{os.environ['PATH']}")
        self.servers, self.key = [], None

    def move(self, line):
        line = re.sub(r"(?<![\w/])/(var/lib|backup)\b", rf"{self.scratch}/\1", line)
        for port, moved in self.ports.items():
            line = line.replace(f"127.0.0.1:{port}", f"127.0.0.1:{moved}")
        return line

    def serve(self, line):
        server = subprocess.Popen(["sh", "-c", "exec " + line], env=self.environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True, cwd=self.scratch / "work")
        self.servers.append(server)
        assert server.stdout.readline().startswith("ready http")

    def line(self, line):
        words = shlex.split(line)
        moved = self.move(line)
        if words[:2] == ["rm", "-r"]:
            self.stop()
        if words[:2] == ["codecmeter", "serve"]:
            self.serve(moved)
            return
        done = subprocess.run(["sh", "-c", moved], env=self.environment, capture_output=True, text=True, timeout=120,
                              cwd=self.scratch / "work")
        assert done.returncode == 0, f"{moved}\n{done.stdout}{done.stderr}"
        for name, value in re.findall(r"^(CODECMETER_\w+)=(\S+)", done.stdout, re.M):
            self.environment[name] = value

    def stop(self):
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
            server.stdout.close()
        self.servers = []


@pytest.fixture
def page(open_path):
    """With the server that the page takes for granted."""
    page = Page(open_path)
    data, port = open_path / "var/lib/codecmeter", page.ports["8080"]
    server = subprocess.Popen(as_user(open_path / "bin/codecmeter", "serve", "--data", data, "--listen", f"127.0.0.1:{port}"),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout.readline().startswith("ready http")
    yield page
    page.stop()
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    server.stdout.close()


def report(page, count):
    data = f"{page.scratch}/var/lib/codecmeter"
    token = run("token", "create", "--data", data, "--project", "org-acme", "--json").stdout
    key = run("key", "create", "--data", data, "--json").stdout
    for name in ("public_key", "private_key"):
        page.environment["CODECMETER_" + name.upper()] = re.search(f'"{name}":"([^"]+)"', key).group(1)
    client = Client("127.0.0.1", page.ports["8080"], token=re.search('"token":"([^"]+)"', token).group(1))
    reply = client.report([event(n, subject="org-acme") for n in range(count)])
    assert reply.json()["stored"] == count, reply.body


def test_every_command_of_the_page(page):
    shown = [line for block in blocks() for line in block.splitlines() if line.strip() and not line.startswith("access ")]
    assert len(shown) > 14
    for line in shown:
        page.line(line)
        if line.startswith("codecmeter token create") and "--scope read" not in line:
            report(page, 50)
    scratch = page.scratch
    for name in ("backup/codecmeter", "var/lib/codecmeter", "var/lib/codecmeter-restored"):
        assert owners(scratch / name) == {USER}, name
    assert (scratch / "work/restored.csv").read_text().count("\n") > 7
    assert not (scratch / "var/lib/codecmeter-drill").exists()


# ---- whose files they are ----

class ServiceServer(Server):
    """A server that runs as the service's user."""

    def start(self, *settings, **kwargs):
        os.makedirs(self.data, exist_ok=True)
        os.chown(self.data, USER, USER)
        return super().start(*settings, **kwargs)  # as root, which acts as the directory's owner


@pytest.fixture
def service(open_path):
    server = ServiceServer(open_path / "data")
    account = Account(server)
    account.client.report([event(n) for n in range(30)])
    yield server
    if server.process is not None:
        server.stop()


def fails(*words):
    done = run(*words, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_backup_and_restore_as_root(service, open_path):
    run("backup", "--data", service.data, open_path / "backup")
    assert owners(open_path / "backup") == {USER} and os.stat(open_path / "backup").st_mode & 0o777 == 0o700
    run("restore", "--data", open_path / "restored", open_path / "backup")
    assert owners(open_path / "restored") == {USER}
    done = subprocess.run(as_user(open_path / "bin/codecmeter", "verify", "--data", open_path / "restored"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # an empty directory that is there keeps its owner
    (open_path / "other").mkdir()
    os.chown(open_path / "other", USER + 1, USER + 1)
    said = fails("restore", "--data", open_path / "other", open_path / "backup")
    assert f"chown -R {USER + 1}:{USER + 1} {open_path}/backup" in said and os.listdir(open_path / "other") == []
    (open_path / "roots").mkdir()
    done = run("restore", "--data", open_path / "roots", open_path / "backup")
    assert owners(open_path / "roots") == {0} and f"chown -R USER: {open_path}/roots" in done.stdout


def test_the_command_that_helps_is_printed(service, open_path):
    """Of a target that the owner cannot write to; run word by word, it helps."""
    target = open_path / "backup"
    target.mkdir(mode=0o755)
    for _ in range(3):
        said = fails("backup", "--data", service.data, target)
        command = re.search(r"run `(chown [^`]+)`", said).group(1)
        subprocess.run(shlex.split(command), check=True)
        run("backup", "--data", service.data, target)
        assert owners(target) == {USER}
        segment = sorted((target / "log").iterdir())[-1]
        os.chown(segment, 0, 0)  # as of somebody who copied it by hand
    closed = open_path / "closed"
    closed.mkdir(mode=0o700)
    assert "cannot reach" in fails("backup", "--data", service.data, closed / "backup")
    assert "cannot reach" in fails("restore", "--data", closed / "restored", target)
    assert "No such file" in fails("backup", "--data", service.data, open_path / "not" / "there")


def test_by_another_user(service, open_path):
    done = subprocess.run(as_user(open_path / "bin/codecmeter", "backup", "--data", service.data, open_path / "backup",
                                  uid=USER + 1),
                          capture_output=True, text=True)
    assert done.returncode == 1 and not (open_path / "backup").exists(), done.stderr
    (open_path / "mine").mkdir()
    os.chown(open_path / "mine", USER, USER)
    done = subprocess.run(as_user(open_path / "bin/codecmeter", "backup", "--data", service.data, open_path / "mine/backup"),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
