"""The data directory, its one owner, and the commands that administer it, with and without a running server."""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from client import event
from conftest import AS_NOBODY as NOBODY, AS_ROOT as ROOT, CODECMETER, Account, needs_root, run, wait_until


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# ---- the commands ----


@pytest.mark.parametrize("running", [False, True])
def test_commands_with_and_without_a_server(bare, running):
    done = run("project", "list", "--data", bare.data, check=False)
    assert done.returncode == 1 and "serve" in done.stderr, "a mistyped directory is not made"
    os.mkdir(bare.data)
    if running:
        bare.start()
    first = bare.admin("project", "create", "--id", "org-a", "--name", "Ä客户", "--time-zone", "Europe/Berlin")
    del first["created"]
    assert first == {"id": "org-a", "name": "Ä客户", "time_zone": "Europe/Berlin", "default": True, "labels": ""}
    made = bare.admin("project", "create", "--name", "made up", "--time-zone", "Asia/Shanghai")
    assert made["id"].startswith("org-") and made["time_zone"] == "Asia/Shanghai" and not made["default"]
    bare.admin("project", "set", "--id", made["id"], "--default", "--time-zone", "UTC", "--name", "other")
    listed = {p["id"]: p for p in bare.admin("project", "list")}
    assert listed[made["id"]]["name"] == "other" and listed[made["id"]]["time_zone"] == "UTC"
    assert listed[made["id"]]["default"] and not listed["org-a"]["default"]

    key = bare.admin("key", "create")
    assert len(key["public_key"]) >= 16 and len(key["private_key"]) >= 32
    bare.admin("key", "create", "--public-key", "mine", "--private-key", "secret", "--project", "org-a")
    bare.admin("key", "disable", "--public-key", "mine")
    keys = {k["public_key"]: k for k in bare.admin("key", "list")}
    assert keys["mine"]["disabled"] and not keys[key["public_key"]]["disabled"]
    assert bare.admin("key", "enable", "--public-key", "mine")["projects"] == ["org-a"]
    assert not any(k["disabled"] for k in bare.admin("key", "list"))
    assert "secret" not in str(keys) and key["private_key"] not in str(keys), "a private key is printed once"

    token = bare.admin("token", "create", "--project", "org-a", "--scope", "read")
    bare.admin("token", "revoke", "--id", token["id"])
    tokens = {t["id"]: t for t in bare.admin("token", "list")}
    assert tokens[token["id"]]["revoked"] and token["token"] not in str(tokens)

    if not running:
        bare.start()
    assert {p["id"] for p in bare.admin("project", "list")} == {"org-a", made["id"]}


def test_wrong_use(bare):
    bare.start()
    bare.admin("project", "create", "--id", "org-a")
    for status, words, args in (
            (1, "exists already", ("project", "create", "--id", "org-a", "--time-zone", "UTC")),
            (1, "org-none", ("project", "set", "--id", "org-none", "--default")),
            (1, "Asia/Shanghai", ("project", "create", "--time-zone", "+08:00")),
            (1, "Asia/Shanghai", ("project", "create", "--time-zone", "../../etc/passwd")),
            (1, "Asia/Shanghai", ("project", "set", "--id", "org-a", "--time-zone", "asia/shanghai")),
            (1, "64", ("project", "create", "--id", "x" * 65, "--time-zone", "UTC")),
            (1, "org-none", ("key", "create", "--project", "org-none")),
            (1, "nokey", ("key", "disable", "--public-key", "nokey")),
            (1, "nokey", ("key", "enable", "--public-key", "nokey")),
            (2, "KEY is missing", ("key", "enable")),
            (2, "--scope", ("key", "create", "--scope", "both")),
            (1, "org-none", ("token", "create", "--project", "org-none")),
            (1, "notoken", ("token", "revoke", "--id", "notoken")),
            (2, "write", ("token", "create", "--scope", "all")),
            (2, "--help", ("project", "remove", "--id", "org-a")),
            (2, "--help", ("project",)),
            (2, "--help", ("key", "create", "--nonsense")),
            (2, "codecmeter", ("nonsense",))):
        extra = () if args[0] == "nonsense" else ("--data", bare.data)
        done = run(*args, *extra, check=False)
        assert done.returncode == status and words in done.stderr, (args, done.returncode, done.stderr)
        assert done.stderr.count("\n") == 1 and done.stdout == "", (args, done)
    assert [p["id"] for p in bare.admin("project", "list")] == ["org-a"]


@pytest.mark.parametrize("running", [False, True])
def test_nobody_gets_a_zone_that_nobody_chose(bare, running):
    os.mkdir(bare.data)
    if running:
        bare.start()
    for args in (("project", "create", "--id", "org-a"), ("token", "create", "--create-projects")):
        done = run(*args, "--data", bare.data, check=False)
        assert done.returncode == 2 and "--time-zone" in done.stderr and "project.time_zone" in done.stderr, (args, done)
    assert bare.admin("project", "list") == bare.admin("token", "list") == []
    done = run("token", "create", "--time-zone", "UTC", "--data", bare.data, check=False)
    assert done.returncode == 2 and "--create-projects" in done.stderr, done
    done = run("token", "create", "--create-projects", "--time-zone", "Mars/Olympus", "--data", bare.data, check=False)
    assert done.returncode == 1 and "Mars/Olympus" in done.stderr, done
    assert bare.admin("token", "list") == []
    made = bare.admin("token", "create", "--create-projects", "--time-zone", "Europe/Berlin")
    assert made["time_zone"] == "Europe/Berlin"
    assert bare.admin("token", "create")["time_zone"] == ""


def test_the_zone_of_the_setting(bare):
    bare.start("project.time_zone=America/New_York")
    for args in (("project", "create", "--id", "org-a"), ("project", "create", "--id", "org-b", "--time-zone", "UTC")):
        run(*args, "--data", bare.data)
    maker = json.loads(run("token", "create", "--create-projects", "--data", bare.data, "--json").stdout)
    other = bare.admin("token", "create", "--create-projects", "--time-zone", "UTC")
    assert (maker["time_zone"], other["time_zone"]) == ("America/New_York", "UTC")
    bare.stop()
    bare.start("project.time_zone=Asia/Tokyo")  # a token keeps the zone that it was made with
    run("verify", "--data", bare.data)
    for token, project in ((maker, "by-maker"), (other, "by-other")):
        assert bare.client(token=token["token"]).report(event(1, subject=project)).status == 200
        bare.client(token=token["token"]).report(event(1, subject=project))
    zones = {p["id"]: p["time_zone"] for p in bare.admin("project", "list")}
    assert zones == {"org-a": "America/New_York", "org-b": "UTC", "by-maker": "America/New_York", "by-other": "UTC"}
    bare.stop()
    run("rebuild", "--data", bare.data)
    bare.start()
    assert {p["id"]: p["time_zone"] for p in bare.admin("project", "list")} == zones
    assert {t["id"]: t["time_zone"] for t in bare.admin("token", "list")} == {maker["id"]: "America/New_York", other["id"]: "UTC"}
    for wrong in ("Mars/Olympus", "UTC " * 100, "../UTC"):
        done = run("serve", "--data", str(bare.data) + "-other", "--listen", "127.0.0.1:0", "--set", f"project.time_zone={wrong}",
                   check=False)
        assert done.returncode == 2 and "project.time_zone" in done.stderr, done


def test_another_zone_moves_days_only_with_force(old_account):
    """11:00 and 20:00 UTC of 1 November: 19:00 of the same day and 04:00 of the next in Shanghai."""
    server, client = old_account.server, old_account.client
    change = ("project", "set", "--id", "org-a", "--data", server.data)
    run(*change, "--time-zone", "Europe/Berlin")  # nothing moves yet
    run(*change, "--time-zone", "Asia/Shanghai")
    client.report([event(1, "2020-11-01T11:00:00Z", 100), event(2, "2020-11-01T20:00:00Z", 7),
                   event(3, "2020-11-01T20:10:00Z", 30, type="remux.finished"), event(4, "2020-11-20T20:00:00Z", 9)])
    voider = server.admin("token", "create", "--scope", "void")["token"]
    void = {**event("v", type="usage.voided", subject="org-a"), "data": {"source": "test", "id": "4"}}
    assert client.report(void, token=voider).status == 200
    window = {"BeginTime": 1604160000, "EndTime": 1604332800}

    def days():
        return [row["TotalTime"] for row in client.stat(**window)]

    before = days()
    for _ in range(2):  # from memory, then from the derived files
        done = run(*change, "--time-zone", "UTC", check=False)
        assert done.returncode == 1 and done.stdout == "", done
        for part in ("org-a", "UTC", "2 days", "2020-11-01 to 2020-11-02", "2 tasks", "37 seconds", "--force"):
            assert part in done.stderr, (part, done.stderr)
        assert days() == before
        # names of one zone, or zones that differ where there is no usage: nothing moves
        assert run(*change, "--time-zone", "PRC").stderr == ""
        assert run(*change, "--time-zone", "Asia/Singapore").stderr == ""
        assert run(*change, "--time-zone", "Asia/Shanghai", "--name", "Ä").stderr == ""
        wait_until(lambda: server.log_text().count("checkpoint: ") >= 1)
    done = run(*change, "--time-zone", "UTC", "--force")
    assert "2 days" in done.stderr and "37 seconds" in done.stderr, done
    assert days() != before and sum(days()) == sum(before)
    shown = json.loads(run(*change, "--time-zone", "Asia/Shanghai", "--force", "--json").stdout)
    assert shown["time_zone"] == "Asia/Shanghai"
    assert shown["moved"] == {"days": 2, "first_day": "2020-11-01", "last_day": "2020-11-02", "tasks": 2, "seconds": 37}
    assert days() == before
    server.stop()
    done = run(*change, "--time-zone", "UTC", check=False)  # without a server, too
    assert done.returncode == 1 and "37 seconds" in done.stderr, done
    server.start()


@contextlib.contextmanager
def answering(data, reply):
    """Stands in for a running server: every command on the directory gets this reply."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(data, "control.sock"))
        listener.listen()

        def serve():
            peer = listener.accept()[0]
            with peer, peer.makefile("rb") as lines:
                lines.readline()
                peer.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(60)


def reply_of(items):
    return json.dumps({"code": "OK", "text": "", "items": items}).encode() + b"\n"


@pytest.mark.parametrize("what", ["project", "key", "token"])
def test_long_lists(bare, what):
    """40,000 lines: with the widths measured for each line anew they took minutes."""
    bare.start()
    bare.stop()
    many = [{"id": f"org-{n:06}", "name": "n" * (n % 20), "time_zone": "UTC", "public_key": f"pk-{n:06}", "projects": ["a", "b"],
             "disabled": n % 2 == 0, "created": "2026-01-01T00:00:00.000Z"} for n in range(40000)]
    for args in ((), ("--json",)):
        with answering(bare.data, reply_of(many)):
            done = run(what, "list", "--data", bare.data, *args)
        os.unlink(os.path.join(bare.data, "control.sock"))
        if args:
            assert json.loads(done.stdout) == many
        else:
            lines = done.stdout.splitlines()
            assert len(lines) == 40001 and "039999" in lines[-1] and "2026-01-01" in lines[-1]


def test_lists_of_any_length(bare):
    """4,200 keys of 256 projects each: more than 64 MiB."""
    bare.start()
    bare.stop()
    projects = [f"{n:064}" for n in range(256)]
    many = [{"public_key": f"pk-{n:06}", "disabled": False, "projects": projects, "created": ""} for n in range(4200)]
    with answering(bare.data, reply_of(many)):
        done = run("key", "list", "--data", bare.data)
    lines = done.stdout.splitlines()
    assert len(lines) == 4201 and lines[-1].startswith("pk-004199") and projects[-1] in lines[-1]


def test_a_private_key_from_a_file(bare, tmp_path):
    bare.start()
    bare.admin("project", "create", "--id", "org-a")
    (tmp_path / "secret").write_text("top secret\n")
    bare.admin("key", "create", "--public-key", "pub", "--private-key-file", tmp_path / "secret")
    c = bare.client(public_key="pub", private_key="top secret")
    assert c.call("GetRegion")["RetCode"] == 0
    done = subprocess.run([CODECMETER, "key", "create", "--data", bare.data, "--public-key", "two",
                           "--private-key-file", "-"], input="from a pipe\n", capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    c = bare.client(public_key="two", private_key="from a pipe")
    assert c.call("GetRegion")["RetCode"] == 0


def test_changes_are_in_force_when_the_command_returns(account):
    server = account.server
    for _ in range(20):
        key = server.admin("key", "create")
        c = server.client(public_key=key["public_key"], private_key=key["private_key"])
        assert c.call("GetRegion")["RetCode"] == 0
        server.admin("key", "disable", "--public-key", key["public_key"])
        assert c.call("GetRegion")["RetCode"] == 172
        server.admin("key", "enable", "--public-key", key["public_key"])
        assert c.call("GetRegion")["RetCode"] == 0
        token = server.admin("token", "create", "--project", "org-a")
        assert account.client.report(event("a"), token=token["token"]).status == 200
        server.admin("token", "revoke", "--id", token["id"])
        assert account.client.report(event("a"), token=token["token"]).status == 401


def test_administration_while_usage_pours_in(account):
    """Administration goes first: it is not starved by reporters, nor does it harm them."""
    stop = threading.Event()
    wrong = []

    def pour(number):
        batch = 0
        while not stop.is_set():
            reply = account.client.report([event(f"{number}-{batch}-{n}") for n in range(200)])
            if reply.status != 200:
                wrong.append(reply.body)
            batch += 1

    threads = [threading.Thread(target=pour, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            account.server.admin("project", "create", "--id", f"org-{number}")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong and account.client.call("GetProjectList")["ProjectCount"] == 11


# ---- the directory ----


def test_modes(account):
    account.client.report(event("a"))
    data = account.server.data
    for where, directories, files in os.walk(data):
        assert mode(where) == 0o700, where
        for name in files:
            assert mode(os.path.join(where, name)) == 0o600, name
    assert mode(os.path.join(data, "control.sock")) == 0o600


def test_a_second_server_names_the_first(account):
    done = run("serve", "--data", account.server.data, "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 1 and str(account.server.process.pid) in done.stderr, done.stderr
    assert account.server.url in done.stderr
    assert account.client.call("GetRegion")["RetCode"] == 0


def test_serve_waits_for_a_command(bare, tmp_path):
    """A command that holds the lock for a while does not keep the server from starting."""
    os.makedirs(bare.data, 0o700)
    lock = open(os.path.join(bare.data, "lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    starting = threading.Thread(target=bare.start)
    starting.start()
    starting.join(1)
    assert starting.is_alive(), "it did not wait"
    lock.close()
    starting.join(30)
    assert bare.admin("project", "list") == []


def test_rebuild_wants_the_server_stopped(account):
    done = run("rebuild", "--data", account.server.data, check=False)
    assert done.returncode == 1 and "stop" in done.stderr, done.stderr


def test_a_port_that_is_taken(account, tmp_path):
    done = run("serve", "--data", tmp_path / "other", "--listen", f"127.0.0.1:{account.server.port}", check=False)
    assert done.returncode == 1 and "another program uses it" in done.stderr, done.stderr


def test_settings_that_cannot_be(tmp_path):
    for words, args in (("query.max_age", ("--set", "query.max_age=-1")), ("unknown setting", ("--set", "no.such=1")),
                        ("section.key=value", ("--set", "x")), ("from", ("--set", "ingest.delta_max=0")),
                        ("address", ("--listen", "8080")), ("--tls-key", ("--tls-cert", "x.pem"))):
        done = run("serve", "--data", tmp_path / "data", *args, check=False)
        assert done.returncode in (1, 2) and words in done.stderr, (args, done.stderr)
    (tmp_path / "c.ini").write_text("[query]\nmax_age=soon\n")
    done = run("serve", "--data", tmp_path / "data", "--config", tmp_path / "c.ini", check=False)
    assert done.returncode == 2 and "query.max_age" in done.stderr and "c.ini" in done.stderr, done.stderr


@pytest.mark.parametrize("command", [("serve", "--listen", "127.0.0.1:0"), ("project", "list")])
def test_a_directory_of_somebody_elses_files(tmp_path, command):
    (tmp_path / "letter.txt").write_text("dear")
    tmp_path.chmod(0o755)
    done = run(command[0], *command[1:], "--data", tmp_path, check=False)
    assert done.returncode == 1 and "not a data directory" in done.stderr, done.stderr
    assert mode(tmp_path) == 0o755 and os.listdir(tmp_path) == ["letter.txt"]


def test_a_very_long_path(tmp_path):
    deep = tmp_path / "/".join(["d" * 100] * 3)
    deep.mkdir(parents=True)
    data = deep / "data"
    process = subprocess.Popen([CODECMETER, "serve", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline().startswith("ready")
        run("project", "create", "--data", data, "--id", "org-a", "--time-zone", "UTC")
        assert "org-a" in run("project", "list", "--data", data).stdout
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


# ---- another user ----


@needs_root
def test_another_user_is_refused(program, open_tmp, account):
    copy = os.path.join(open_tmp, "data")
    server = account.server
    server.stop()
    shutil.move(server.data, copy)
    for args in (("project", "list"), ("project", "create", "--id", "evil"), ("rebuild",), ("serve",)):
        done = subprocess.run([*NOBODY, program, *args, "--data", copy], capture_output=True, text=True, timeout=30, cwd="/")
        assert done.returncode == 1 and "Permission denied" in done.stderr, (args, done)
    server.data = copy
    server.start()
    os.chmod(copy, 0o755)  # even with the way in open, the socket and the log are closed
    try:
        for args in (("project", "list"), ("token", "create")):
            done = subprocess.run([*NOBODY, program, *args, "--data", copy], capture_output=True, text=True, timeout=30,
                                  cwd="/")
            assert done.returncode == 1, (args, done)
    finally:
        os.chmod(copy, 0o700)
    assert [p["id"] for p in server.admin("project", "list")] == ["org-a"]
    server.stop()


@needs_root
def test_root_acts_as_the_owner(program, open_tmp):
    """What root makes in another user's directory is that user's: their server must be able to read it."""
    data = os.path.join(open_tmp, "data")
    os.mkdir(data, 0o700)
    subprocess.run([*ROOT, "chown", "65534:65534", data], check=True)
    done = subprocess.run([*ROOT, program, "project", "create", "--data", data, "--id", "org-a", "--time-zone", "UTC"],
                          capture_output=True, text=True, timeout=30, cwd="/")
    assert done.returncode == 0, done.stderr
    found = subprocess.run([*ROOT, "find", data, "!", "-uid", "65534"], capture_output=True, text=True, check=True)
    assert found.stdout == ""
    server = subprocess.Popen([*NOBODY, program, "serve", "--data", data, "--listen", "127.0.0.1:0"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
    try:
        assert server.stdout.readline().startswith("ready")
        done = subprocess.run([*ROOT, program, "project", "create", "--data", data, "--id", "org-b", "--time-zone", "UTC"],
                              capture_output=True, text=True, timeout=30, cwd="/")
        assert done.returncode == 0, done.stderr
        done = subprocess.run([*NOBODY, program, "project", "list", "--data", data], capture_output=True, text=True,
                              timeout=30, cwd="/")
        assert "org-a" in done.stdout and "org-b" in done.stdout, done
    finally:
        subprocess.run([*ROOT, "kill", str(server.pid)], check=True)
        assert server.wait(20) == 0
        subprocess.run([*ROOT, "chown", "-R", str(os.geteuid()), data], check=True)


# ---- stopping ----


def test_sigterm_answers_who_waits(account):
    replies = []

    def report(number):
        try:
            replies.append(account.client.report([event(f"{number}-{n}") for n in range(500)]).status)
        except OSError:
            replies.append("refused")

    threads = [threading.Thread(target=report, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: replies)
    account.server.stop()
    for thread in threads:
        thread.join()
    account.server.start()
    total = sum(row["TotalTime"] for row in account.client.stat())
    assert 500 * replies.count(200) <= total <= 500 * 20, replies
    assert set(replies) <= {200, 503, "refused"}, replies


def test_labels_of_a_project(bare):
    server = bare.start()
    for round in range(2):
        if round == 0:
            [made] = [server.admin("project", "create", "--id", "a", "--time-zone", "UTC", "--labels", "team,show")]
            assert made["labels"] == "team,show"
        [listed] = server.admin("project", "list")
        assert listed["labels"] == "team,show"
        server.stop()
        run("rebuild", "--data", server.data)
        run("verify", "--data", server.data)
        server.start()
    assert server.admin("project", "set", "--id", "a", "--labels", "show")["labels"] == "show"
    assert server.admin("project", "set", "--id", "a", "--name", "A")["labels"] == "show", "what is not named stays"
    assert server.admin("project", "set", "--id", "a", "--labels", "-")["labels"] == ""
    for wrong in ("Team", "a,a", "a,,b", "1a", "a b", "a,b,c,d,e", "x" * 33):
        done = run("project", "set", "--id", "a", "--labels", wrong, "--data", server.data, check=False)
        assert done.returncode != 0 and "label" in done.stderr, (wrong, done)


def test_tokens_that_expire(bare):
    """A token whose time is over is refused from then on, also after a restart."""
    server = bare.start()
    server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC")
    made = server.admin("token", "create", "--project", "org-a", "--label", "night farm", "--expires", "3s")
    assert made["label"] == "night farm" and made["expires"].endswith("Z")
    client = server.client(token=made["token"])
    assert client.report(event(1)).status == 200
    wait_until(lambda: client.report(event(2)).status == 401)
    assert "expired at " + made["expires"] in client.report(event(2)).json()["detail"]
    server.stop()
    run("rebuild", "--data", server.data)
    run("verify", "--data", server.data)
    server.start()
    [listed] = server.admin("token", "list")
    assert listed["label"] == "night farm" and listed["expires"] == made["expires"]
    assert server.client(token=made["token"]).report(event(2)).status == 401
    for wrong in ("0s", "-1d", "soon", "9000000d", "90 d"):
        done = run("token", "create", "--expires", wrong, "--data", server.data, check=False)
        assert done.returncode != 0 and "--expires" in done.stderr, (wrong, done)
    done = run("token", "create", "--label", "x" * 65, "--data", server.data, check=False)
    assert done.returncode != 0 and "label" in done.stderr
