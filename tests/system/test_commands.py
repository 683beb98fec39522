"""What every command does with what it is given, and with what it is not: options, streams, signals, other peers."""
import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
import tty

import pytest

from client import event
from conftest import CODECMETER, ROOT, Account, Server, run, wait_until
from media import clips, distinct, farm  # noqa: F401 (fixtures)


# ---- options ----


def test_empty_values_are_refused(bare):
    """An unset variable of a shell must not make a token for every project."""
    Account(bare)
    for args in (("token", "create", "--project", ""), ("project", "create", "--id", ""), ("project", "create", "--id="),
                 ("key", "create", "--project", ""), ("project", "set", "--id", "org-a", "--name", "")):
        done = run(*args, "--data", bare.data, check=False)
        assert done.returncode == 2 and "is empty" in done.stderr and done.stdout == "", (args, done)
    assert len(bare.admin("token", "list")) == 1 and len(bare.admin("project", "list")) == 1


@pytest.mark.parametrize("listen", ["foo", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:80", "127.0.0.1:08x", "[::1]:-1", ""])
def test_an_address_to_listen_on_that_is_none(tmp_path, listen):
    """Said before anything is made, by `serve` and by what `make run` starts."""
    data = tmp_path / "data"
    done = run("serve", "--data", data, "--listen", listen, check=False)
    assert done.returncode == 2 and (listen == "" or f"'{listen}'" in done.stderr), done
    assert done.stderr.count("\n") == 1 and not data.exists(), done
    (tmp_path / "scripts").symlink_to(os.path.join(ROOT, "scripts"))
    done = subprocess.run(["scripts/run", listen], cwd=tmp_path, env={**os.environ, "BUILD": os.path.dirname(CODECMETER)},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "LISTEN is ADDR:PORT" in done.stderr, done
    assert "llegal" not in done.stderr and "arithmetic" not in done.stderr and not data.exists(), done


def test_an_address_that_is_taken(bare):
    """The advice is an address that can be listened on, whatever the port looks like."""
    bare.start()
    with tempfile.TemporaryDirectory() as work:
        os.symlink(os.path.join(ROOT, "scripts"), os.path.join(work, "scripts"))
        done = subprocess.run(["scripts/run", f"127.0.0.1:0{bare.port}"], cwd=work, text=True, capture_output=True, timeout=60,
                              env={**os.environ, "BUILD": os.path.dirname(CODECMETER)})
    assert done.returncode == 1 and "LISTEN=127.0.0.1:808" in done.stderr and "llegal" not in done.stderr, done


def test_a_data_directory_in_use(bare, tmp_path):
    """`make run` does not advise another address: the second server would not start there either."""
    bare.start()
    assert bare.data == str(tmp_path / "data")
    (tmp_path / "scripts").symlink_to(os.path.join(ROOT, "scripts"))
    done = subprocess.run(["scripts/run", "127.0.0.1:0"], cwd=tmp_path, env={**os.environ, "BUILD": os.path.dirname(CODECMETER)},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "a server uses ./data already" in done.stderr and "LISTEN" not in done.stderr, done


def test_secrets_on_the_command_line_are_warned_of():
    for command in ("record", "run", "watch", "import", "flush", "stat"):
        text = " ".join(run(command, "--help").stdout.split())
        for option, instead in (("--token", "CODECMETER_TOKEN"), ("--private-key", "CODECMETER_PRIVATE_KEY")):
            shown = text[text.index(option + "="):][:300]
            assert "`ps`" in shown and instead in shown and "--env" in shown, (command, shown)
    text = " ".join(run("key", "--help").stdout.split())
    assert "`ps`" in text and "--private-key-file" in text


def test_what_is_not_utf8_is_refused(bare):
    bare.start()
    done = subprocess.run([CODECMETER, "key", "create", "--data", bare.data, "--public-key", b"\xff\xfe", "--private-key",
                           b"k\xff"], capture_output=True, timeout=20)
    assert done.returncode == 2 and b"UTF-8" in done.stderr, done
    assert bare.admin("key", "list") == []


def test_options_may_follow_operands(farm, clips):
    done = farm.command("record", clips / "small.mp4", "--token", "cm_wrong-secret")
    assert done.returncode == 1 and "401" in done.stderr and "cm_wrong" not in done.stderr + done.stdout, done


def test_a_project_listed_twice(bare):
    Account(bare)
    key = bare.admin("key", "create", "--project", "org-a", "--project", "org-a")
    assert key["projects"] == ["org-a"]


def test_a_setting_below_a_second_is_not_off(bare):
    account = Account(bare, "query.max_age=500ms")
    answer = account.client.call("GetCodecTotalStat", EndTime=int(time.time()) - 5)
    assert answer["RetCode"] == 230, answer


def test_what_a_power_cut_may_leave_of_a_first_start(tmp_path):
    """Any one of the names that a start makes first, alone: still a data directory."""
    for name in ("lock", "control.sock"):
        server = Server(tmp_path / name)
        os.mkdir(server.data)
        if name == "lock":
            open(os.path.join(server.data, name), "w").close()
        else:
            here = os.getcwd()
            os.chdir(server.data)
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(name)
            os.chdir(here)
        server.start().stop()


# ---- streams ----


def test_a_full_standard_output_is_an_error(bare, farm):
    for args in (("key", "create", "--data", bare.data, "--json"), ("project", "list", "--data", bare.data),
                 ("stat", "--csv"), ("version",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run([CODECMETER, *args], stdout=full, stderr=subprocess.PIPE, text=True, env=farm.environment,
                                  timeout=20)
        assert done.returncode == 1 and "standard output" in done.stderr, (args, done)


def test_closed_standard_files(bare):
    """The first files that are opened must not become the standard ones: the log of the program would go into them."""
    for closed in ((0, 2), (0, 1, 2)):
        process = subprocess.Popen([CODECMETER, "serve", "--data", bare.data, "--listen", "127.0.0.1:0"],
                                   stdout=None if 1 in closed else subprocess.PIPE,
                                   preexec_fn=lambda: [os.close(fd) for fd in closed])
        wait_until(lambda: os.path.exists(os.path.join(bare.data, "control.sock")))
        run("project", "list", "--data", bare.data)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        if process.stdout is not None:
            process.stdout.close()
        with open(os.path.join(bare.data, "lock")) as file:
            assert file.read().count("\n") == 1


# ---- signals ----


def holds_back(pid, number):
    """Does the process have that signal blocked, to look for it where that suits?"""
    with open(f"/proc/{pid}/status") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk"))
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_every_ending_signal_drains(bare, number):
    account = Account(bare)
    assert account.client.report(event(1)).json()["stored"] == 1
    bare.process.send_signal(number)
    assert bare.process.wait(20) == 0
    assert "stopping" in bare.log_text()
    bare._ended()


def test_nohup(farm, clips, tmp_path):
    """`serve` and `watch` live on when the terminal goes, if they were started by nohup."""
    nohup = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), "stdout": subprocess.PIPE,
             "stderr": subprocess.PIPE, "text": True}
    (tmp_path / "out").mkdir()
    served = subprocess.Popen([CODECMETER, "serve", "--data", tmp_path / "other", "--listen", "127.0.0.1:0"], **nohup)
    watching = farm.start("watch", "--settle", "150ms", tmp_path / "out", preexec_fn=nohup["preexec_fn"])
    try:
        assert served.stdout.readline().startswith("ready") and "watching" in watching.stdout.readline()
        for _ in range(3):
            for process in (served, watching):
                process.send_signal(signal.SIGHUP)
            run("project", "list", "--data", tmp_path / "other")
        distinct(clips / "small.mp4", tmp_path / "out" / "small.mp4")
        assert "stored" in watching.stdout.readline()
        assert served.poll() is None and watching.poll() is None
        run("project", "list", "--data", tmp_path / "other")
    finally:
        for process in (served, watching):
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in (served, watching)] == [0, 0]
        for process in (served, watching):
            process.stdout.close()
            process.stderr.close()


def test_a_signal_while_it_waits_for_the_lock(bare):
    bare.start()
    second = subprocess.Popen([CODECMETER, "serve", "--data", bare.data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    wait_until(lambda: holds_back(second.pid, signal.SIGTERM), 60)
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0 and out == "", (out, err)  # had it waited to the end, it would have failed


def test_a_second_signal_cuts_the_drain_short(bare):
    account = Account(bare, "http.request_timeout=10m", "http.idle_timeout=10m")
    with socket.create_connection((bare.host, bare.port)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=")
        assert account.client.report(event(1)).json()["stored"] == 1
        bare.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in bare.log_text())
        time.sleep(0.5)
        bare.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert bare.process.wait(60) == 0 and time.monotonic() - begun < 9  # of the ten seconds that it waits for replies
    bare._ended()
    bare.start()
    assert account.client.report(event(1)).json()["duplicate"] == 1


# ---- other peers ----


def test_peers_that_dawdle_at_the_control_socket(bare):
    bare.start()
    here = os.getcwd()
    os.chdir(bare.data)
    try:
        with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as dripping:
            silent.connect("control.sock")
            run("project", "list", "--data", bare.data)  # which would wait ten minutes for its answer
            dripping.connect("control.sock")
            dripping.sendall(b"{")
            bare.stop()
    finally:
        os.chdir(here)


def one_way(kind):
    """A file to read from, and one to write to, of a kind whose writer waits for its reader."""
    if kind == "pipe":
        return os.pipe()
    if kind == "terminal":
        reader, writer = os.openpty()
        tty.setraw(writer)
        return reader, writer
    return [end.detach() for end in socket.socketpair()]


def connects(bare):
    with socket.socket() as s:
        return s.connect_ex((bare.host, bare.port)) == 0


def serve_into(bare, stdout, stderr):
    """Started, and known to be so by its answers: what it prints need not be read."""
    bare.process = subprocess.Popen([CODECMETER, "serve", "--data", bare.data, "--listen", "%s:%d" % bare.reserved.getsockname()],
                                    stdout=stdout, stderr=stderr)
    bare.host, bare.port = bare.reserved.getsockname()
    bare.url = f"http://{bare.host}:{bare.port}"
    wait_until(lambda: connects(bare))


def ended(bare, number=signal.SIGTERM):
    bare.process.send_signal(number)
    try:
        return bare.process.wait(30)
    finally:
        bare.process.kill()
        bare.process.wait()
        bare.process = None


def read_all(fd):
    text = b""
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(fd, 65536):
            text += piece
    return text.decode()


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_a_log_that_nobody_reads(bare, kind):
    """Lines are dropped rather than waited for; when there is a reader again, it learns how many."""
    reader, writer = one_way(kind)
    inherited = fcntl.fcntl(writer, fcntl.F_GETFL)
    serve_into(bare, subprocess.DEVNULL, writer)
    try:
        client = bare.client()
        for _ in range(2000):
            assert client.request("GET", "/nothing").status == 404
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == inherited, "others have that file, too"
        shown = read_all(reader)
        assert 100 < shown.count("status=404") < 2000
        client.request("GET", "/nothing")
        wait_until(lambda: select.select([reader], [], [], 0)[0])
        time.sleep(0.2)
        back = read_all(reader)
        whole = shown + back
        assert "log lines were dropped here" in back
        # a terminal may take some more now and then, so there may be several notes
        dropped = sum(map(int, re.findall(r"warn  (\d+) log lines were dropped here", whole)))
        assert whole.count("status=404") + dropped == 2001, back
        assert all(line.startswith("20") for line in whole.splitlines()), "no line is cut"
        for _ in range(2000):
            assert client.request("GET", "/nothing").status == 404
    except BaseException:
        bare.process.kill()
        raise
    finally:
        status = ended(bare)
        os.close(reader)
        os.close(writer)
    assert status == 0


def test_standard_output_that_nobody_reads(bare):
    """`ready` waits for its reader, the server does not: nor for that of why it ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)
    for read in (False, True):
        serve_into(bare, writer, writer)
        try:
            assert bare.client().request("GET", "/").status == 200
            if read:
                said = ""
                while f"ready {bare.url}\n" not in said:
                    wait_until(lambda: select.select([reader], [], [], 0)[0])
                    said += read_all(reader)
        finally:
            status = ended(bare)
        assert status == 0
        if not read:
            process = subprocess.Popen([CODECMETER, "serve", "--data", "/dev/null"], stdout=writer, stderr=writer)
            try:
                assert process.wait(60) == 1
            finally:
                process.kill()
    os.close(reader)
    os.close(writer)


def test_tls_with_a_certificate_of_ones_own(tmp_path, clips):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = Server(tmp_path / "data")
    log = open(server.log, "a")
    server.process = subprocess.Popen([CODECMETER, "serve", "--data", server.data, "--listen", "127.0.0.1:0", "--tls-cert", cert,
                                       "--tls-key", key], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        url = server.process.stdout.readline().split()[1]
        assert url.startswith("https://")
        server.admin("project", "create", "--id", "org-a")
        token = server.admin("token", "create")["token"]
        command = ("record", clips / "small.mp4", "--url", url, "--token", token, "--project", "org-a")
        done = run(*command, check=False)
        assert done.returncode == 1 and "--ca-file" in done.stderr, done
        assert "stored" in run(*command, "--ca-file", cert).stdout
        os.environ["CODECMETER_CA_FILE"] = str(cert)
        assert "duplicate" in run(*command).stdout
    finally:
        os.environ.pop("CODECMETER_CA_FILE", None)
        server.process.terminate()
        server.process.wait(20)
        server.process.stdout.close()
        log.close()


# ---- stat ----


def test_dates_are_looked_at_before_the_network(tmp_path):
    for args in (("--from", "yesterday"), ("--to", "2026-02-30")):
        done = run("stat", "--url", "http://127.0.0.1:1", "--public-key", "p", "--private-key", "k", *args, check=False)
        assert done.returncode == 2 and "2026-01-31" in done.stderr, done


def test_columns_of_long_codec_names(farm):
    account = farm.account
    account.client.report([event("a", codec="h264"), event("b", codec="a-codec-of-thirty-two-characters")])
    lines = farm.command("stat").stdout.splitlines()
    assert len({line.rindex(":") for line in lines if line[:2] == "20" or line.startswith("Total")}) == 1, lines


def test_an_env_file_that_is_a_directory(farm, tmp_path):
    done = farm.command("stat", "--env", tmp_path)
    assert done.returncode == 2 and "cannot read" in done.stderr, done
