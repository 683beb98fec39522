"""Agents that lose nothing: the spool, `flush`, and `watch`, beside a server that comes and goes."""
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client import event
from conftest import AS_NOBODY, CODECMETER, wait_until
from scripted import scripted
from media import H264, clips, distinct, farm, ffmpeg, fresh, picture  # noqa: F401 (fixtures)

# A test that gives files to another user, and reads that user's.
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")


# ---- helpers ----


def address(farm):
    return farm.server.url.removeprefix("http://")


def spooled(farm):
    return sorted(name for name in os.listdir(farm.spool) if name.endswith(".event")) if os.path.isdir(farm.spool) else []


def rejected(farm):
    """The notes of what was refused, and the names of all that is there."""
    names = sorted(os.listdir(farm.spool + "/rejected"))
    return [json.load(open(f"{farm.spool}/rejected/{name}")) for name in names if name.endswith(".json")], names


def put(farm, number, token=None, url=None, **changes):
    """An event in the spool, as docs/agents.md describes it."""
    os.makedirs(farm.spool, exist_ok=True)
    with open(farm.spool + "/lock", "w") as file:
        file.write("codecmeter spool 1\n")
    made = {**event(number), "subject": "org-a", **changes}
    token_id = hashlib.sha256((token or farm.account.token).encode()).hexdigest()[:12]
    text = json.dumps(made) + "\n" + json.dumps({"spool": 1, "url": url or farm.server.url, "token": token_id}) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    name = f"{1700000000000 + number:013}-{digest[16:48]}-{digest[:16]}.event"
    with open(f"{farm.spool}/{name}", "w") as file:
        file.write(text)
    return name


def flush(farm, *args, **kwargs):
    return farm.command("flush", *args, **kwargs)


class Watch:
    """A `codecmeter watch`, ready."""

    def __init__(self, farm, directory, *options, ready=True, before=(), program=CODECMETER, log=None, cwd=None):
        self.out, self.err = f"{log or cwd or directory}.out", f"{log or cwd or directory}.err"
        with open(self.out, "w") as out, open(self.err, "a") as err:
            command = [*before, program, "watch", "--settle", "150ms", *map(str, options), str(directory)]
            self.process = subprocess.Popen(command, env=farm.environment, stdout=out, stderr=err, cwd=cwd)
        if ready:
            wait_until(lambda: "watching" in self.said() or self.process.poll() is not None)
            assert "watching" in self.said(), self.complained()

    def said(self):
        return open(self.out).read()

    def complained(self):
        return open(self.err).read()

    def directories(self):
        """How many the kernel watches for it."""
        directory = f"/proc/{self.process.pid}/fdinfo"
        return sum(open(f"{directory}/{fd}").read().count("inotify wd:") for fd in os.listdir(directory))

    def has(self, word, count):
        wait_until(lambda: self.said().count(word) >= count, 60)
        assert self.said().count(word) == count, self.said()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.complained()
        for word in ("runtime error", "AddressSanitizer", "LeakSanitizer", "check failed"):
            assert word not in self.complained(), self.complained()

    def kill(self):
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def watched(farm, tmp_path):
    """Starts watches, and ends those that a failed test left."""
    started = []

    def start(*args, **kwargs):
        started.append(Watch(farm, *args, before=start.before, program=start.program, **kwargs))
        return started[-1]

    (tmp_path / "out").mkdir()
    start.directory, start.program, start.before = tmp_path / "out", CODECMETER, ()
    yield start
    for watch in started:
        if watch.process.poll() is None:
            watch.kill()


def written_down(farm, name):
    """Is it in a state, beyond a kill?"""
    states = [state for state in os.listdir(farm.spool) if state.startswith("watch-") and state.endswith(".state")]
    return any(name in open(f"{farm.spool}/{state}").read() for state in states)


def noted(farm):
    """How many outputs that are done are in the states, beyond a kill."""
    states = [state for state in os.listdir(farm.spool) if state.startswith("watch-") and state.endswith(".state")]
    return sum(open(f"{farm.spool}/{state}").read().count("\nd ") for state in states)


@pytest.fixture
def another_user(farm, watched, program, open_tmp):
    """Nobody's agent: what it runs may read neither spool nor outputs of others unless it is let. Binary, outputs and spool are
    where that user may come."""
    watched.directory, farm.spool = pathlib.Path(open_tmp, "out"), f"{open_tmp}/spool"
    farm.environment["CODECMETER_SPOOL"] = farm.spool
    watched.directory.mkdir()
    os.mkdir(farm.spool)
    os.chown(farm.spool, 65534, 65534)
    watched.program, watched.before = program, AS_NOBODY


def once(farm, directory, *options):
    """What `watch --once` says of what is there now."""
    done = farm.command("watch", "--once", "--settle", "0", *options, directory)
    assert done.returncode == 0, done
    return done.stdout


def low(seconds):
    return {("h264", "Low"): seconds}


# ---- the spool ----


def test_down_then_up(farm, clips, tmp_path):
    """What run and record could not send waits, and is counted once when it is sent, by whatever way."""
    out, failed, other, third = (tmp_path / name for name in ("out.mp4", "failed.mp4", "other.mp4", "third.mp4"))
    for path in (other, third):
        distinct(clips / "small.mp4", path)
    listen = address(farm)
    farm.server.stop()
    runs = [farm.start("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out),
            farm.start("run", "--output", failed, "--", "sh", "-c", "exit 9"), farm.start("record", other, third)]
    (done, bad, recorded) = [(*process.communicate(timeout=90), process.returncode) for process in runs]
    assert done[0] == "" and done[2] == 0 and "out.mp4: h264 640x360 2.000 s, spooled" in done[1], done
    assert "codecmeter flush" in done[1] and done[1].count("\n") == 2 and "spooled 1 output (" in done[1].splitlines()[1], done
    assert bad[2] == 9 and "failed, spooled" in bad[1], bad
    assert recorded[2] == 0 and recorded[0].count("spooled") == 2 and recorded[1].count("\n") == 2, recorded
    names = spooled(farm)
    assert len(names) == 4 and stat.S_IMODE(os.stat(farm.spool).st_mode) == 0o700
    assert all(stat.S_IMODE(os.stat(f"{farm.spool}/{name}").st_mode) == 0o600 for name in names)
    farm.server.start(listen=listen)
    assert "stored" in farm.record(clips / "small.mp4").stdout and spooled(farm) == [], "the next one takes them along"
    assert farm.totals() == low(8)
    done = flush(farm)
    assert done.returncode == 0 and done.stdout == "sent 0, duplicate 0, rejected 0, left 0\n", done
    assert farm.record(out, other, third).stdout.count("duplicate") == 3 and farm.totals() == low(8)


@pytest.mark.parametrize("status, passes", ((408, True), (429, True), (500, True), (503, True), (401, False), (404, False)))
def test_which_answers_pass_by_themselves(farm, clips, status, passes):
    """The same for record, run, watch and import: only for others somebody has to do something."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = farm.command("record", "--url", f"http://127.0.0.1:{server.server_port}", clips / "small.mp4")
    server.shutdown()
    server.server_close()
    assert done.returncode == (0 if passes else 1) and "spooled" in done.stdout and str(status) in done.stderr, done


@pytest.mark.parametrize("script, waits", [
    (((503, 2), "ok"), [2]),                 # as long as the server asks for
    (((429, 0), "ok"), [0.5]),               # never less than by itself
    (((503, 2), (503, 2), (503, 2)), [2, 2]),  # but not for longer than 5 s in all
    (((503, 30), "ok"), []),
])
def test_a_server_that_asks_for_a_wait(farm, clips, script, waits):
    with scripted(*script) as fake:
        done = farm.command("record", "--url", fake.url, clips / "small.mp4")
        between = [after - before for before, after in zip(fake.times, fake.times[1:])]
    assert done.returncode == 0 and ("stored" in done.stdout) == (script[-1] == "ok" and waits != []), done
    assert len(between) == len(waits) and all(wait - 0.1 < got < wait + 2 for got, wait in zip(between, waits)), between


def test_a_message_is_whole(farm, clips, tmp_path):
    """However long the names in it are: what is the matter, and what to do, is said to its end."""
    long = tmp_path / ("a" * 200) / ("b" * 200)
    long.mkdir(parents=True)
    done = farm.command("run", "--url", "http://127.0.0.1:1", "--spool", long / "spool", "--output", long / "out.mp4", "--",
                        clips / "copy", clips / "small.mp4", long / "out.mp4")
    assert done.returncode == 0 and "set --url or $CODECMETER_URL; the event waits in" in done.stderr, done
    assert done.stderr.splitlines()[0].endswith("or by `codecmeter flush`"), done
    done = farm.command("record", "--url", "http://127.0.0.1:1", "--spool", long / "spool", long / "out.mp4")
    assert "$CODECMETER_URL; the event waits in" in done.stderr and done.stderr.endswith("`codecmeter flush`\n"), done


def test_flush(farm):
    names = [put(farm, number) for number in range(5)]
    listen = address(farm)
    farm.server.kill()
    done = flush(farm)
    assert done.returncode == 1 and done.stdout == "sent 0, duplicate 0, rejected 0, left 5\n" and "--url" in done.stderr, done
    assert spooled(farm) == names
    farm.server.start(listen=listen)
    stored = json.loads(open(f"{farm.spool}/{names[1]}").readline())
    assert farm.account.client.report(stored).json()["stored"] == 1
    done = flush(farm, "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"sent": 4, "duplicate": 1, "rejected": 0, "left": 0}, done
    assert spooled(farm) == [] and sum(farm.totals().values()) > 0


def test_the_default_spool(farm, clips, tmp_path):
    """Made with what is above it when it is first needed, and not before."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {**farm.environment, "HOME": str(home)}
    for name in ("CODECMETER_SPOOL", "XDG_STATE_HOME"):
        del environment[name]
    assert farm.command("record", clips / "small.mp4", env=environment).returncode == 0
    assert flush(farm, env=environment).stdout.endswith("left 0\n") and list(home.iterdir()) == []
    done = farm.command("record", clips / "small.mp4", "--token", "cm_wrong", env=environment)
    assert done.returncode == 1 and "401" in done.stderr and "waits" in done.stderr, done
    spool = home / ".local" / "state" / "codecmeter" / "spool"
    assert len(list(spool.glob("*.event"))) == 1 and stat.S_IMODE(spool.stat().st_mode) == 0o700


def test_a_spool_in_an_env_file(farm, clips, tmp_path):
    env = tmp_path / "client.env"
    env.write_text(f"CODECMETER_URL={farm.server.url}\nCODECMETER_SPOOL={tmp_path}/elsewhere\n")
    environment = {name: value for name, value in farm.environment.items() if name != "CODECMETER_SPOOL"}
    farm.command("record", clips / "small.mp4", "--token", "cm_wrong", "--env", env, env=environment)
    assert len(list((tmp_path / "elsewhere").glob("*.event"))) == 1


def test_two_flushes(farm):
    for number in range(300):
        put(farm, number)
    both = [farm.start("flush", "--json") for _ in range(2)]
    sums = [json.loads(process.communicate(timeout=90)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0], sums
    assert sum(one["sent"] for one in sums) == 300 and sum(one["duplicate"] for one in sums) == 0, sums


def test_tokens_and_servers_are_not_mixed_up(farm, clips):
    """An event that names no project is for that of its token; sent with another, it would be another customer's."""
    other = farm.server.admin("project", "create", "--id", "org-b") and farm.server.admin("token", "create", "--project", "org-b")
    bare = event(1)
    bare.pop("subject", None)
    for name in (put(farm, 1, token="cm_old", subject=None), put(farm, 2, url="http://127.0.0.1:1"), put(farm, 3, token="cm_old")):
        assert name in spooled(farm)
    assert farm.record(clips / "small.mp4").returncode == 0 and len(spooled(farm)) == 3, "nothing goes by itself"
    done = flush(farm, "--token", other["token"])
    assert done.returncode == 1 and "left 3" in done.stdout and "--any" in done.stderr, done
    done = flush(farm)
    assert done.returncode == 1 and done.stdout == "sent 1, duplicate 0, rejected 0, left 2\n", done
    done = flush(farm, "--any")
    assert done.returncode == 0 and done.stdout == "sent 2, duplicate 0, rejected 0, left 0\n", done


def test_a_wrong_token_keeps_them(farm, clips, tmp_path):
    other = distinct(clips / "small.mp4", tmp_path / "other.mp4")
    put(farm, 1)
    done = flush(farm, "--token", "cm_wrong")
    assert done.returncode == 1 and "401" in done.stderr and "left 1" in done.stdout, done
    assert len(spooled(farm)) == 1 and not os.path.exists(farm.spool + "/rejected")
    assert flush(farm).returncode == 0
    done = farm.record(clips / "small.mp4", "--token", "cm_wrong")
    assert done.returncode == 1 and "send it by `codecmeter flush --any`: it counts for the project" in done.stderr, done
    done = farm.record(other)
    assert done.returncode == 0 and f"1 event in {farm.spool} waits for another server or token" in done.stderr, done
    assert flush(farm, "--any").stdout == "sent 1, duplicate 0, rejected 0, left 0\n"


@pytest.mark.parametrize("agent", ["record", "run"])
def test_a_project_that_the_server_does_not_know(farm, clips, tmp_path, agent):
    """The event waits in the spool, and the message says what to do. Then it counts once, though `run` printed it too."""
    out = tmp_path / "out.mp4"
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]

    def report(number, *options):
        if agent == "run":
            return farm.command("run", *options, "--output", out, "--", clips / "copy", clips / "small.mp4", out)
        return farm.command("record", *options, distinct(clips / "small.mp4", out))

    done = report(1, "--project", "new")
    assert done.returncode == (75 if agent == "run" else 1), done
    assert "no project has this id: new" in done.stderr and "`codecmeter project create`" in done.stderr, done
    assert f"waits in {farm.spool}" in done.stderr and "`codecmeter flush`" in done.stderr, done
    assert len(done.stderr.splitlines()) == 1 + (agent == "run") and len(spooled(farm)) == 1, done
    assert agent == "record" or done.stderr.splitlines()[-1].startswith("codecmeter run: spooled 1 output ("), done
    assert not os.path.exists(farm.spool + "/rejected") and farm.totals() == {}
    assert report(2, "--project", "org-a").returncode == 0 and len(spooled(farm)) == 1, "others go on"
    farm.server.admin("project", "create", "--id", "new", "--time-zone", "UTC")
    done = flush(farm)
    assert done.returncode == 0 and done.stdout == "sent 1, duplicate 0, rejected 0, left 0\n" and spooled(farm) == [], done
    del farm.environment["CODECMETER_PROJECT"]
    done = report(3)
    assert "subject is missing" in done.stderr and "flush --any" in done.stderr and len(spooled(farm)) == 1, done
    assert flush(farm, "--any", "--token", farm.account.token).returncode == 0 and spooled(farm) == [], "that of one project"


def test_any_is_meant(farm):
    """What is sent with another token on purpose, and refused for its project, is refused."""
    put(farm, 1, token="cm_old", subject="org-b")
    done = flush(farm, "--any")
    assert done.returncode == 0 and done.stdout == "sent 0, duplicate 0, rejected 1, left 0\n", done


def test_no_other_directory_is_a_spool(farm, clips, tmp_path):
    """Not for a file named lock, as the server's own directory has one; nothing in it is touched."""
    farm.server.kill()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "lock").write_text("")
    (theirs / "thesis.doc").write_text("dear\n")
    for dir in (theirs, farm.server.data):
        before = sorted(os.listdir(dir))
        done = farm.command("flush", "--spool", dir)
        assert done.returncode == 1 and "is not a spool: it contains other files" in done.stderr, done
        done = farm.record(clips / "small.mp4", "--spool", dir)
        assert done.returncode == 1 and sorted(os.listdir(dir)) == before, done


def test_what_is_not_ours_to_read_stands_in_nobodys_way(farm):
    first = put(farm, 1), put(farm, 2), put(farm, 3)
    os.chmod(f"{farm.spool}/{first[0]}", 0)
    words = [CODECMETER, "flush"]
    if os.geteuid() == 0:  # who may read everything
        words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *words]
    done = subprocess.run(words, env=farm.environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and done.stdout == "sent 2, duplicate 0, rejected 0, left 1\n" and "cannot be read by this user" in done.stderr, done
    assert spooled(farm) == [first[0]]


def test_a_name_in_rejected_is_never_taken_twice(farm):
    put(farm, 1)
    names = [f"{'x' * 190}{number}.event" for number in range(50)]
    for name in names:
        open(f"{farm.spool}/{name}", "w").close()
    assert flush(farm).stdout == "sent 1, duplicate 0, rejected 50, left 0\n"
    notes, kept = rejected(farm)
    assert len(notes) == 50 and len(kept) == 100


def test_rejected(farm):
    """What waiting does not mend goes aside with its reason; the others are sent."""
    twice = {**event(1), "subject": "org-a"}
    assert farm.account.client.report(twice).json()["stored"] == 1
    put(farm, 1, data={**twice["data"], "width": twice["data"]["width"] + 2})
    put(farm, 2, data={**twice["data"], "width": 0})
    put(farm, 3)
    damaged = put(farm, 4)
    with open(f"{farm.spool}/{damaged}", "r+") as file:
        text = file.read().replace('"width": ', '"width": 1', 1)
        file.seek(0)
        file.write(text)
    with open(f"{farm.spool}/notes.txt", "w") as file:
        file.write("a list\n")
    os.mkdir(f"{farm.spool}/a.event")
    cut = f"{farm.spool}/.{put(farm, 5)}.1234"
    open(cut, "w").close()
    os.utime(cut, (1, 1))
    done = flush(farm)
    assert done.returncode == 0 and done.stdout == "sent 2, duplicate 0, rejected 5, left 0\n", done
    assert f"{farm.spool}/rejected" in done.stderr and os.path.exists(f"{farm.spool}/notes.txt"), done
    notes, names = rejected(farm)
    outcomes = sorted(note["outcome"] for note in notes)
    assert outcomes == ["conflict", "rejected", "unreadable", "unreadable", "unreadable"], notes
    for note in notes:
        assert note["reason"] and note["time"].endswith("Z"), note
        assert (note["event"] is None) == (note["outcome"] == "unreadable") and ("file" in note) == (note["event"] is None)
        assert "file" not in note or note["file"] in names, (note, names)
    assert text in [open(f"{farm.spool}/rejected/{note['file']}").read() for note in notes if "file" in note
                    and os.path.isfile(f"{farm.spool}/rejected/{note['file']}")]
    assert next(note for note in notes if note["outcome"] == "conflict")["event"]["id"] == twice["id"]


def test_where_it_cannot_be_kept(farm, clips, tmp_path):
    """No spool, no room in it, or somebody's files: the event stands on standard output, as without one."""
    full, theirs = tmp_path / ("full" * 50), tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("dear\n")
    farm.environment["CODECMETER_TOKEN"] = "cm_wrong"  # refused at once

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    for spool, hook in (("/dev/null", None), (clips / "small.mp4" / "spool", None), (theirs, None), (full, no_room)):
        out = tmp_path / f"{time.monotonic_ns()}.mp4"
        done = farm.command("run", "--spool", spool, "--output", out, "--", "ln", "-s", clips / "small.mp4", out, preexec_fn=hook)
        assert done.returncode == 75 and json.loads(done.stdout)["data"]["duration_ms"] == 2000, (spool, done)
        assert "cannot be kept in the spool either" in done.stderr and "401" in done.stderr, done
        assert done.stderr.count("\n") == (2 if spool == "/dev/null" else 3), done  # and that the run cannot be noted; the summary
        assert hook is None or done.stderr.splitlines()[-2].endswith(": File too large"), done
    assert os.listdir(theirs) == ["letter.txt"] and os.listdir(full) in (["lock"], [])
    done = flush(farm, "--spool", theirs)
    assert done.returncode == 1 and "is not a spool" in done.stderr and os.listdir(theirs) == ["letter.txt"], done


# ---- watch ----


def test_what_is_finished_is_recorded(farm, clips, watched):
    """Closed after writing, moved in, linked in; partial files, dotfiles and those still written to are left alone."""
    out = watched.directory
    distinct(clips / "small.mp4", out / "before.mp4")
    writer = open(out / "open.mp4", "wb")
    writer.write((clips / "small.mp4").read_bytes())
    writer.flush()
    time.sleep(0.3)  # to all looks, it might be as finished as the other
    watch = watched(out)
    assert "1 files from before" in watch.complained()
    distinct(clips / "small.mp4", out / "a.mp4.part")
    distinct(clips / "small.mp4", out / ".hidden.mp4")
    distinct(clips / "small.mp4", out / "notes.txt")
    distinct(clips / "small.mp4", out / "copied.MP4")
    distinct(clips / "small.mp4", out / "whole.tmp")
    os.link(out / "whole.tmp", out / "linked.mp4")
    watch.has("stored", 2)
    os.rename(out / "a.mp4.part", out / "a.mp4")
    watch.has("stored", 3)
    time.sleep(0.5)
    assert "open.mp4" not in watch.said()
    writer.close()
    watch.has("stored", 4)
    os.rename(out / "a.mp4", out / "renamed.mp4")
    watch.has("not recorded again", 1)
    watch.stop()
    assert farm.totals() == low(8) and watch.said().count("stored") == 4, watch.said()


def test_directories_that_appear(farm, clips, watched, tmp_path):
    """With files in them already, made deep at once, and moved about afterwards."""
    out = watched.directory
    watch = watched(out)
    full = tmp_path / "elsewhere" / "deep"
    full.mkdir(parents=True)
    distinct(clips / "small.mp4", full / "one.mp4")
    os.rename(tmp_path / "elsewhere", out / "moved")
    (out / "a" / "b" / "c").mkdir(parents=True)
    distinct(clips / "small.mp4", out / "a" / "b" / "c" / "two.mp4")
    watch.has("stored", 2)
    os.rename(out / "a", out / "z")
    distinct(clips / "small.mp4", out / "z" / "b" / "three.mp4")
    watch.has("stored", 3)
    assert f"{out}/z/b/three.mp4: h264" in watch.said(), watch.said()
    assert watch.directories() == 6
    os.rename(out / "moved", tmp_path / "away")  # with one below it
    distinct(clips / "small.mp4", tmp_path / "away" / "four.mp4")
    distinct(clips / "small.mp4", out / "five.mp4")
    watch.has("stored", 4)
    assert watch.directories() == 4
    watch.stop()
    assert farm.totals() == low(8)


def test_what_cannot_be_measured(farm, clips, watched):
    """Said once, remembered, tried again when it has changed; the watch goes on."""
    out = watched.directory
    watch = watched(out)
    (out / "bad.mp4").write_bytes((clips / "small.mp4").read_bytes()[:1000])
    wait_until(lambda: "bad.mp4" in watch.complained())
    distinct(clips / "small.mp4", out / "good.mp4")
    watch.has("stored", 1)
    watch.stop()
    watch = watched(out)
    distinct(clips / "small.mp4", out / "next.mp4")
    watch.has("stored", 1)
    assert watch.complained().count("bad.mp4") == 1, watch.complained()
    distinct(clips / "small.mp4", out / "bad.mp4")
    watch.has("stored", 2)
    watch.stop()
    assert farm.totals() == low(6)


@only_root
def test_what_cannot_be_read_now(farm, clips, watched, another_user):
    """No right to it, in a playlist's segments too: said once, and tried again until there is, over restarts."""
    out = watched.directory
    (out / "list").mkdir()
    ffmpeg(*picture("640x360", 2), *H264, "-f", "hls", "-hls_time", 1, "-hls_playlist_type", "vod", out / "list" / "list.m3u8")
    distinct(clips / "small.mp4", out / "a.mp4")
    hidden = [out / "a.mp4", *(out / "list").glob("*.ts")]
    for path in hidden:
        os.chmod(path, 0o600)
    os.utime(out / "list", (1, 1))  # nothing comes any more
    for start in range(2):
        watch = watched(out, "--existing")
        wait_until(lambda: watch.complained().count("Permission denied") == 2 * start + 2)
        time.sleep(1.5)
        assert watch.complained().count("\n") == 2 * start + 2, watch.complained()
        if start == 0:
            watch.stop()
    done = farm.command("watch", "--once", "--existing", "--state", farm.spool + "/watch-of-once", out)
    assert done.stdout.count("stored") == 2, "root may read them"
    for path in hidden:
        os.chmod(path, 0o644)
    watch.has("duplicate", 2)
    watch.stop()
    assert farm.totals() == low(4)


def test_times_beyond_any_calendar(farm, clips):
    """No event can say them: the file is refused, and nothing aborts."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as out:
        path = f"{out}/a.mp4"
        distinct(clips / "small.mp4", path)
        for seconds in (253402300800, 9 * 10**15, -62135596801):
            os.utime(path, (seconds, seconds))
            if os.stat(path).st_mtime != seconds:
                pytest.skip("this file system has no such times")
            done = farm.record(path)
            assert done.returncode == 1 and "years 1 to 9999" in done.stderr and done.stderr.count("\n") == 1, done
            done = farm.command("watch", "--once", "--existing", out)
            assert done.returncode == 0 and "years 1 to 9999" in done.stderr and done.stderr.count("\n") == 1, done
            assert farm.command("watch", "--once", out).stderr == ""


def test_too_many_open_files(farm, clips, watched):
    """It says nothing of the file."""
    out = watched.directory
    watch = watched(out)
    distinct(clips / "small.mp4", out / "first.mp4")  # what measures is loaded
    watch.has("stored", 1)
    limits = resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    distinct(clips / "small.mp4", out / "a.mp4")
    wait_until(lambda: "a.mp4" in watch.complained())
    resource.prlimit(watch.process.pid, resource.RLIMIT_NOFILE, limits)
    watch.has("stored", 2)
    watch.stop()


def test_a_playlist_is_one_output_to_watch(farm, watched, tmp_path):
    """Its segments are none; and it may come long before them."""
    out, copied = watched.directory, watched.directory / "copied"
    watch = watched(out)
    ffmpeg(*picture("640x360", 6), *H264, "-g", 10, "-f", "hls", "-hls_time", 2, "-hls_playlist_type", "vod", out / "list.m3u8")
    watch.has("stored", 1)
    copied.mkdir()
    (copied / "list.m3u8").write_text((out / "list.m3u8").read_text() + "# another one\n")
    time.sleep(0.5)
    for segment in out.glob("*.ts"):  # with an empty packet more: equal media would be one output
        (copied / segment.name).write_bytes(segment.read_bytes() + b"\x47\x1f\xff\x10" + b"\xff" * 184)
    watch.has("stored", 2)
    watch.stop()
    assert farm.totals() == low(12) and watch.complained() == "", watch.complained()


def test_a_watch_that_is_killed(farm, clips, watched):
    """What came while it was down is recorded once; the rest is not measured again."""
    out = watched.directory
    distinct(clips / "small.mp4", out / "existing.mp4")
    watch = watched(out, "--existing")
    watch.has("stored", 1)
    for number in range(5):
        distinct(clips / "small.mp4", out / f"{number}.mp4")
    watch.has("stored", 6)
    wait_until(lambda: written_down(farm, "4.mp4"))
    watch.kill()
    (out / "new").mkdir()
    for number in range(5, 10):
        distinct(clips / "small.mp4", out / "new" / f"{number}.mp4")
    os.rename(out / "0.mp4", out / "renamed.mp4")
    watch = watched(out)
    watch.has("stored", 5)
    watch.has("not recorded again", 1)
    wait_until(lambda: written_down(farm, "renamed.mp4"))
    watch.kill()
    watch = watched(out)
    distinct(clips / "small.mp4", out / "last.mp4")
    watch.has("stored", 1)
    watch.stop()
    assert "duplicate" not in watch.said() and farm.totals() == low(24)


def test_a_watch_that_is_killed_again_and_again(farm, clips, watched):
    """At any moment: what it had not yet written down is measured again, and counts once."""
    out = watched.directory
    for number in range(25):
        if number % 5 == 0:
            if number:
                watch.kill()
            watch = watched(out, "--settle", "0")
        distinct(clips / "small.mp4", out / f"{number}.mp4")
        time.sleep(0.02)
    wait_until(lambda: farm.totals() == low(50), 60)
    watch.stop()
    assert farm.totals() == low(50)


def test_directories_that_are_exchanged(farm, clips, watched):
    out = watched.directory
    for name in ("a", "b"):
        (out / name / "below").mkdir(parents=True)
    watch = watched(out)
    exchange = 2
    assert ctypes.CDLL(None).renameat2(-100, bytes(out / "a"), -100, bytes(out / "b"), exchange) == 0
    time.sleep(0.3)
    for n, directory in enumerate(("a", "b", "a/below", "b/below")):
        distinct(clips / "small.mp4", out / directory / f"{n}.mp4")
    watch.has("stored", 4)
    watch.stop()


def test_a_watch_with_much_to_do(farm, clips, watched, tmp_path):
    """While it works off what was there, it writes down what is done, hears of what comes, sends what waits, and ends
    when it is told to."""
    out, count = watched.directory, 1500
    for number in range(count):
        distinct(clips / "small.mp4", out / f"{number}.mp4")
    put(farm, 1)
    time.sleep(0.3)  # all are due at once
    watch = watched(out, "--existing")
    distinct(clips / "small.mp4", out / "0 came.mp4")
    wait_until(lambda: spooled(farm) == [] and noted(farm) > 0 and watch.said().count("stored") > 200, 120)
    watch.kill()
    said, kept = watch.said().count("stored"), noted(farm)
    if said == count:
        pytest.skip("it had done all before it was killed")
    watch = watched(out)
    wait_until(lambda: watch.said().count("\n") > said - kept + 20 or watch.said().count("0 came.mp4"), 120)
    assert watch.said().count("duplicate") <= said - kept + 1, "only what it had not written down is measured again"
    watch.process.send_signal(signal.SIGTERM)
    assert watch.process.wait(60) == 0


def test_once(farm, clips, watched):
    """For cron: the first run says what is there already, each later one records what is new."""
    out = watched.directory
    distinct(clips / "small.mp4", out / "before.mp4")
    once = ("watch", "--once", "--settle", "0", out)
    done = farm.command(*once)
    assert done.returncode == 0 and done.stdout == "" and "--existing" in done.stderr, done
    distinct(clips / "small.mp4", out / "new.mp4")
    done = farm.command(*once)
    assert done.returncode == 0 and done.stdout.startswith(f"{out}/new.mp4: h264 640x360 2.000 s, stored, id 1:") and done.stderr == "", done
    assert done.stdout.count("\n") == 1, done
    done = farm.command(*once)
    assert done.returncode == 0 and done.stdout == done.stderr == "", done


def test_once_with_a_wrong_token(farm, clips, watched):
    """A cron job must not fail in silence: the event waits, and the exit status is 1."""
    distinct(clips / "small.mp4", watched.directory / "a.mp4")
    done = farm.command("watch", "--once", "--existing", "--settle", "0", "--token", "cm_wrong", watched.directory)
    assert done.returncode == 1 and "401" in done.stderr and len(spooled(farm)) == 1, done


def test_a_name_that_is_used_again(farm, clips, watched):
    """A renamed file is the same output, whatever took its name before anybody looked; and over restarts."""
    out = watched.directory
    for name in ("a.mp4", "b.mp4"):
        distinct(clips / "small.mp4", out / name)
    assert once(farm, out, "--existing").count("stored") == 2
    os.rename(out / "a.mp4", out / "c.mp4")
    distinct(clips / "small.mp4", out / "a.mp4")
    said = once(farm, out)
    assert said.count("stored") == 1 and f"{out}/c.mp4: the same file as {out}/a.mp4" in said, said
    os.rename(out / "a.mp4", out / "between")
    os.rename(out / "b.mp4", out / "a.mp4")
    os.rename(out / "between", out / "b.mp4")
    said = once(farm, out)
    assert said.count("not recorded again") == 2 and "stored" not in said, said
    os.link(out / "a.mp4", out / "link.mp4")
    assert "not recorded again" in once(farm, out)
    os.unlink(out / "link.mp4")
    distinct(clips / "small.mp4", out / "link.mp4")
    assert once(farm, out).count("stored") == 1
    os.rename(out / "a.mp4", out / "z.mp4")
    said = once(farm, out)
    assert "not recorded again" in said and "stored" not in said and farm.totals() == low(8), said


def test_a_copy_on_another_file_system(farm, clips, watched):
    """Which numbers its files as it likes: a like number, size and time are no rename."""
    out = watched.directory
    mounted, twins, written = [out / "one", out / "two"], [], time.time_ns() - 10**11
    try:
        for directory in mounted:
            directory.mkdir()
            if subprocess.run(["mount", "-t", "tmpfs", "none", directory], capture_output=True).returncode != 0:
                pytest.skip("no right to mount")
            twins.append(directory / "a.mp4")
            distinct(clips / "small.mp4", twins[-1])
            os.utime(twins[-1], ns=(written, written))
        assert len({os.stat(twin).st_ino for twin in twins}) == 1 and len({os.stat(twin).st_dev for twin in twins}) == 2
        assert once(farm, out, "--existing").count("stored") == 2
        os.rename(twins[0], mounted[0] / "b.mp4")
        os.rename(twins[1], mounted[1] / "c.mp4")
        said = once(farm, out)
        assert said.count("not recorded again") == 2 and "stored" not in said, said
        assert farm.totals() == low(4)
    finally:
        for directory in mounted:
            subprocess.run(["umount", directory], capture_output=True)


def test_a_directory_that_leaves(farm, clips, watched, tmp_path):
    """It is not watched any more under the name that was given: renamed with what is above it, or behind a link that
    leads elsewhere now. That ends the watch, rather than that it hears no more."""
    out = watched.directory
    (out / "above" / "outputs").mkdir(parents=True)
    (out / "link").symlink_to("above")
    by_name = watched(out / "above" / "outputs", log=tmp_path / "by-name")
    by_link = watched(out / "link", "--state", farm.spool + "/watch-of-link", log=tmp_path / "by-link")
    distinct(clips / "small.mp4", out / "above" / "outputs" / "a.mp4")
    by_name.has("a.mp4", 1)
    by_link.has("a.mp4", 1)
    (out / "link").unlink()
    (out / "link").symlink_to(".")
    time.sleep(1)
    distinct(clips / "small.mp4", out / "above" / "outputs" / "b.mp4")
    assert by_link.process.wait(60) == 1 and f"{out}/link is gone" in by_link.complained(), by_link.complained()
    by_name.has("b.mp4", 1)
    os.rename(out / "above", out / "elsewhere")
    distinct(clips / "small.mp4", out / "elsewhere" / "outputs" / "c.mp4")
    assert by_name.process.wait(60) == 1 and "outputs is gone" in by_name.complained(), by_name.complained()


def publish(whole, path):
    """As tools do that want no half a file seen: written without a name, or under another, then linked."""
    directory = os.path.dirname(path)
    fd = os.open(directory, os.O_TMPFILE | os.O_WRONLY)
    os.write(fd, whole)
    subprocess.run(["ln", "--logical", f"/proc/self/fd/{fd}", path], pass_fds=[fd], check=True)
    os.close(fd)


def test_published_by_a_link(farm, clips, watched):
    """Though the other name is gone, or there never was one, by the time that it is looked at; a file that is only
    begun is not taken for one."""
    out = watched.directory
    watch = watched(out)
    watch.process.send_signal(signal.SIGSTOP)
    publish(fresh(clips / "small.mp4"), out / "nameless.mp4")
    distinct(clips / "small.mp4", out / "b.tmp")
    os.link(out / "b.tmp", out / "b.mp4")
    os.unlink(out / "b.tmp")
    writer = open(out / "open.mp4", "wb")
    writer.write(fresh(clips / "small.mp4"))
    writer.flush()
    watch.process.send_signal(signal.SIGCONT)
    watch.has("stored", 2)
    time.sleep(1)
    assert "open.mp4" not in watch.said() + watch.complained()
    writer.close()
    watch.has("stored", 3)
    watch.stop()
    assert farm.totals() == low(6)


@only_root
def test_published_by_a_link_by_another_user(farm, clips, watched, another_user):
    """Of somebody else's file, no system tells whether it is still written: a file that is only begun is left until it
    is closed, however long nobody writes."""
    out, whole = watched.directory, (clips / "small.mp4").read_bytes()
    watch = watched(out)
    writer = open(out / "open.mp4", "wb")
    writer.write(whole[:1000])
    writer.flush()
    time.sleep(1.5)
    writer.write(whole[1000:])
    writer.close()
    watch.has("stored", 1)
    watch.stop()
    assert watch.complained().count("\n") == 0 and farm.totals() == low(2), watch.complained()


def test_names_that_are_not_to_be_printed_as_they_are(farm, clips, watched):
    """None forges a line, or drives a terminal: neither of record, nor of run, nor of watch."""
    out = watched.directory
    name = "a\n/b.mp4: h264 9x9 9.000 s, stored\n\x1b[2Jh\u00e9\u9b5a\x9b.mp4".replace("/", "|")
    shown = str(out / name).replace("\n", "\\x0a").replace("\x1b", "\\x1b").replace("\x9b", "\\xc2\\x9b")
    distinct(clips / "small.mp4", out / name)
    distinct(clips / "small.mp4", os.fsencode(out) + b"/no\xfftext.mp4")
    done = farm.record(out / name)
    assert done.stdout.startswith(shown + ": h264 640x360 2.000 s, stored, id 1:") and done.stdout.count("\n") == 1, done
    done = farm.command("record", os.fsencode(out) + b"/no\xfftext.mp4")
    assert done.stdout.startswith(f"{out}/no\\xfftext.mp4: h264 640x360 2.000 s, stored, id 1:") and done.stdout.count("\n") == 1, done
    said = once(farm, out, "--existing")
    assert said.startswith(shown + ": h264 640x360 2.000 s, duplicate, id 1:") and said.count("\n") == 2, said
    (out / (name + ".mkv")).write_bytes(b"none")
    done = farm.record(out / (name + ".mkv"))
    assert done.stderr.startswith("codecmeter record: " + shown + ".mkv: ") and done.stderr.count("\n") == 1, done
    done = farm.command("run", "--output", out / ("run" + name), "--", clips / "copy", clips / "small.mp4", out / ("run" + name))
    assert "\\x1b[2J" in done.stderr and done.stderr.count("\n") == 2, done  # and the summary
    os.rename(out / name, out / ("z" + name))
    assert once(farm, out).count("\n") == 2, "one is renamed, one new"


def test_existing_after_all(farm, clips, watched):
    """What a first start has passed over is recorded when it is asked for later, once."""
    out = watched.directory
    distinct(clips / "small.mp4", out / "before.mp4")
    watch = watched(out)
    assert "--existing" in watch.complained()
    distinct(clips / "small.mp4", out / "new.mp4")
    watch.has("stored", 1)
    os.rename(out / "before.mp4", out / "renamed.mp4")
    watch.has("not recorded again", 1)
    watch.stop()
    watch = watched(out, "--existing")
    watch.has("stored", 1)
    watch.stop()
    assert "renamed.mp4" in watch.said() and once(farm, out, "--existing") == once(farm, out) == "" and farm.totals() == low(4)


def test_wrong_use_of_watch(farm, watched, tmp_path):
    out = watched.directory
    (out / "below").mkdir()
    file = tmp_path / "file"
    file.write_text("")
    for status, words, args in ((2, "DIR is missing", ()), (2, "none", (out / "none",)), (2, "not a directory", (file,)),
                                (2, "upper one", (out, out / "below")), (2, "--settle", ("--settle", "soon", out)),
                                (1, "--state", ("--spool", "/dev/null", out))):
        done = farm.command("watch", *args)
        assert done.returncode == status and words in done.stderr and done.stderr.count("\n") == 1, (args, done)
    watch = watched(out)
    done = farm.command("watch", out)
    assert done.returncode == 1 and "another process" in done.stderr, done
    shutil.rmtree(out)
    assert watch.process.wait(60) == 1 and "is gone" in watch.complained()


def test_a_damaged_state(farm, clips, watched):
    """Whatever it may have held, the files are not taken for old ones."""
    out = watched.directory
    watched(out).stop()
    state, = [f"{farm.spool}/{name}" for name in os.listdir(farm.spool) if name.endswith(".state")]
    with open(state, "r+") as file:
        file.truncate(30)
    done = farm.command("watch", out)
    assert done.returncode == 1 and "damaged" in done.stderr and "--existing" in done.stderr, done


def test_more_at_once_than_the_kernel_keeps(farm, clips, watched):
    """Its queue overflows while the watch is held: every file is looked for."""
    out = watched.directory
    (out / "sub").mkdir()
    watch = watched(out)
    watch.process.send_signal(signal.SIGSTOP)
    limit = int(open("/proc/sys/fs/inotify/max_queued_events").read())
    if limit > 70000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}")
    for number in range(limit // 2 + 100):  # made and closed: two each; like ones in a row would be one
        os.close(os.open(out / f"noise{number % 2}", os.O_WRONLY | os.O_CREAT))
        os.unlink(out / f"noise{number % 2}")
    distinct(clips / "small.mp4", out / "late.mp4")
    os.rename(out / "sub", out / "moved")
    (out / "made").mkdir()
    watch.process.send_signal(signal.SIGCONT)
    watch.has("stored", 1)
    for directory in ("moved", "made"):
        distinct(clips / "small.mp4", out / directory / "later.mp4")
    watch.has("stored", 3)
    assert f"{out}/moved/later.mp4" in watch.said() and "sub" not in watch.said()
    watch.stop()


# ---- all at once ----


def test_a_server_that_is_killed(farm, clips, watched, tmp_path):
    """Files keep coming while it goes down and up: nothing is lost, nothing counts twice."""
    out = watched.directory
    elsewhere = tmp_path / "runs"
    elsewhere.mkdir()
    listen = address(farm)
    watch = watched(out)
    runs = []
    for number in range(16):
        distinct(clips / "small.mp4", out / f"{number}.mp4")
        if number % 4 == 0:
            target = elsewhere / f"{number}.mp4"
            runs.append(farm.start("run", "--output", target, "--", clips / "copy", clips / "small.mp4", target))
        if number in (3, 11):
            farm.server.kill()
        if number == 7:
            farm.server.start(listen=listen)
        time.sleep(0.15)
    for process in runs:
        printed, err = process.communicate(timeout=90)
        assert process.returncode == 0 and printed == "", (printed, err)
    farm.server.start(listen=listen)
    watch.has(" s, ", 16)
    wait_until(lambda: spooled(farm) == [], 20)  # the watch sends what waits, that of the runs too
    assert farm.totals() == low(2 * 16 + 2 * 4)
    watch.stop()
    assert spooled(farm) == [] and not os.path.exists(farm.spool + "/rejected")


def test_a_ladder_by_all_three(farm, watched, tmp_path):
    """run, watch and record see each output of a real ladder, and each counts once."""
    out = watched.directory
    watch = watched(out)
    sizes = (("a.mp4", "640:360"), ("b.mp4", "1280:720"), ("c.mp4", "1920:1080"))
    outputs = [item for name, _ in sizes for item in ("--output", out / name)]
    maps = [item for name, size in sizes for item in ("-vf", f"scale={size}", *H264, out / name)]
    run = farm.start("run", *outputs, "--", "ffmpeg", "-nostdin", "-v", "error", *picture("640x360", 3), *maps)
    wait_until(lambda: "c.mp4" in os.listdir(out), 60)
    assert run.wait(90) == 0, run.communicate()
    run.communicate()
    assert farm.record(*(out / name for name, _ in sizes)).stdout.count("duplicate") == 3
    watch.has(" s, ", 3)
    watch.stop()
    assert farm.totals() == {("h264", "Low"): 3, ("h264", "Midium"): 3, ("h264", "High"): 3}


# ---- runs that are killed ----


def intents(farm):
    return sorted(name for name in os.listdir(farm.spool) if name.endswith(".intent")) if os.path.isdir(farm.spool) else []


GATED = "echo $$ > {0}.pid; while [ ! -e {0}.go ]; do sleep 0.05; done; {1}"


@pytest.fixture
def gated(farm, tmp_path):
    """Runs a command that does its work only when it is let: by then its run may have been killed. And ends all."""
    pids = []

    def start(command, *outputs, wrap=(), name="gate", options=(), **kwargs):
        gate = tmp_path / f"{name}{len(pids)}"
        words = [*options, *(word for output in outputs for word in ("--output", output))]
        process = farm.start("run", *words, "--", *wrap, "sh", "-c", GATED.format(gate, command), **kwargs)
        wait_until(lambda: os.path.exists(f"{gate}.pid") and open(f"{gate}.pid").read().strip())
        pids.append(int(open(f"{gate}.pid").read()))
        process.go = lambda: open(f"{gate}.go", "w").close()
        process.command_pid = pids[-1]
        return process

    yield start
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


def test_a_run_that_is_killed_while_its_command_goes_on(farm, clips, tmp_path, gated):
    """Not one byte is measured before the command has ended; then the outputs count once, as the run's own would."""
    out, other = tmp_path / "out.mp4", tmp_path / "other.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}; {clips}/copy {clips}/small.mp4 {other}", out, other)
    assert len(intents(farm)) == 1
    done = flush(farm)
    assert done.returncode == 0 and done.stdout.endswith("left 0\n") and len(intents(farm)) == 1, "its run lives"
    kill(process)
    for _ in range(2):
        done = flush(farm)
        assert done.returncode == 1 and "left 1" in done.stdout and "still runs" in done.stderr, done
        assert str(process.command_pid) in done.stderr and len(intents(farm)) == 1, done
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    done = flush(farm)
    assert done.returncode == 0 and done.stdout == "sent 2, duplicate 0, rejected 0, left 0\n", done
    assert done.stderr.count("of a run that was killed") == 2 and str(other) in done.stderr, done
    assert intents(farm) == [] and farm.totals() == low(4)
    assert farm.record(out, other).stdout.count("duplicate") == 2 and farm.totals() == low(4)


@pytest.mark.parametrize("agent", ["record", "run", "watch", "watch --once"])
def test_the_next_agent_settles_it(farm, clips, tmp_path, gated, watched, agent):
    out, mine = tmp_path / "killed.mp4", watched.directory / "mine.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}", out)
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    if agent == "watch":
        watch = watched(watched.directory)
        distinct(clips / "small.mp4", mine)
        wait_until(lambda: farm.totals() == low(4) and intents(farm) == spooled(farm) == [])
        watch.stop()
        flush(farm)  # the watch may have been stopped before it had the answer: then the event is in the spool, a duplicate
    elif agent == "run":
        assert farm.command("run", "--output", mine, "--", clips / "copy", clips / "small.mp4", mine).returncode == 0
    else:
        distinct(clips / "small.mp4", mine)
        done = farm.record(mine) if agent == "record" else farm.command("watch", "--once", "--existing", "--settle", "0", mine.parent)
        assert done.returncode == 0 and "killed.mp4" in done.stderr, done
    assert farm.totals() == low(4) and intents(farm) == spooled(farm) == []


def test_killed_at_any_moment(farm, clips, tmp_path):
    """Before the command, in it, while it is measured, sent, or noted: each output counts once, none is lost."""
    made = [tmp_path / "whole.mp4"]
    assert farm.command("run", "--output", made[0], "--", clips / "copy", clips / "small.mp4", made[0]).returncode == 0
    for number in range(24):
        out = tmp_path / f"{number}.mp4"
        process = farm.start("run", "--output", out, "--", "sh", "-c", f"{clips}/copy {clips}/small.mp4 {out}.part; mv {out}.part {out}")
        time.sleep(number * 0.004)
        kill(process)
        made.append(out)
    wait_until(lambda: "still runs" not in flush(farm).stderr)
    there = [out for out in made if out.exists()]
    assert flush(farm).returncode == 0 and intents(farm) == [] and farm.totals() == low(2 * len(there))
    assert farm.record(*there).stdout.count("duplicate") == len(there)
    notes = rejected(farm)[0] if os.path.exists(farm.spool + "/rejected") else []
    assert all(note["outcome"] == "unmetered" for note in notes) and len(notes) <= len(made) - len(there), notes


SHIM = os.path.join(os.path.dirname(CODECMETER), "tests", "unit", "faultshim.so")


@pytest.mark.parametrize("kind", ["kill", "power", "eio", "enospc"])
@pytest.mark.parametrize("token", ["right", "wrong"])
def test_each_call_on_the_spool(farm, clips, tmp_path, kind, token):
    """A run is killed, loses the power or the disk at each of its calls on the spool, whether it stores its event or spools it,
    and then flush likewise: what the command made counts once."""
    environment = {**farm.environment, "LD_PRELOAD": SHIM, "FAULT_DIR": farm.spool, "FAULT_KIND": kind,
                   "FAULT_HIT": str(tmp_path / "hit"), "FAULT_STASH": str(tmp_path / "stash"),
                   "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    os.mkdir(tmp_path / "stash")
    os.mkdir(farm.spool, 0o700)
    made, hits = 0, 0
    for number in range(1, 60):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp_path / "hit")
        out = tmp_path / f"{number}.mp4"
        here = {**environment, "FAULT_AT": str(number), "FAULT_SEED": str(number)}
        done = farm.command("run", *([] if token == "right" else ["--token", "cm_wrong"]), "--output", out, "--",
                            clips / "copy", clips / "small.mp4", out, env=here)
        was_hit = os.path.exists(tmp_path / "hit")
        if done.stdout:
            assert farm.account.client.report(done.stdout, "application/x-ndjson").status == 200
        wait_until(lambda: "still runs" not in flush(farm, "--any", env=here).stderr)
        last = flush(farm, "--any")
        assert last.returncode == 0 and intents(farm) == spooled(farm) == [], (number, done, last)
        if out.exists():
            made += 1
            assert farm.record(out).stdout.count("duplicate") == 1, (number, done)
        hits += was_hit
        if not was_hit:
            break
    assert hits >= 3 and made >= 3 and farm.totals() == low(2 * made), (hits, made)
    notes = rejected(farm)[0] if os.path.exists(farm.spool + "/rejected") else []
    assert all(note["outcome"] == "unmetered" or "cut off" in note["reason"] for note in notes), notes


def test_killed_between_the_end_of_the_command_and_the_report(farm, clips, tmp_path):
    """Then its status is known: what failed is reported as failed, at the same time and under the same identity."""
    out, bad = tmp_path / "out.mp4", tmp_path / "bad.mp4"
    with scripted("wait") as fake:
        for status, path in ((0, out), (9, bad)):
            process = farm.start("run", "--url", fake.url, "--output", path, "--", "sh", "-c", f"{clips}/copy {clips}/small.mp4 {path}; exit {status}")
            before = len(fake.bodies)
            wait_until(lambda: len(fake.bodies) > before)
            kill(process)
        bodies = [json.loads(body) for body in fake.bodies]
    assert len(intents(farm)) == 2
    done = flush(farm)
    assert done.returncode == 1 and "another server" in done.stderr and len(spooled(farm)) == 2, "they keep whom they are for"
    events = [json.loads(open(f"{farm.spool}/{name}").readline()) for name in spooled(farm)]
    assert sorted(events, key=str) == sorted(bodies, key=str), "byte for byte what the run had sent"
    assert flush(farm, "--any").stdout == "sent 2, duplicate 0, rejected 0, left 0\n" and farm.totals() == low(2)


def test_what_a_killed_run_did_not_make(farm, clips, tmp_path, gated):
    """Said, and kept to be seen: no output, one that is older, one that is cut short. The others count."""
    none, old, cut, good = (tmp_path / name for name in ("none.mp4", "old.mp4", "cut \xff\n.mp4", "good.mp4"))
    distinct(clips / "small.mp4", old)
    process = gated(f"head -c 1000 {clips}/small.mp4 > \"$(printf '{tmp_path}/cut \\303\\277\\n.mp4')\"; {clips}/copy {clips}/small.mp4 {good}",
                    none, old, cut, good)
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    done = flush(farm)
    assert done.stdout == "sent 1, duplicate 0, rejected 3, left 0\n" and done.returncode == 0, done
    notes, _ = rejected(farm)
    assert [note["outcome"] for note in notes] == ["unmetered"] * 3 and all(note["event"] is None for note in notes), notes
    assert [note["output"] for note in notes] == [str(none), str(old), str(cut)], notes
    for note, words in zip(notes, ("did not make this file", "did not change this file", "")):
        assert words in note["reason"] and note["reason"].replace("\n", "\\x0a") in done.stderr, (note, done)
    assert intents(farm) == [] and farm.totals() == low(2)


def test_an_output_that_is_still_written(farm, clips, tmp_path, gated):
    """By a process that is no child of the command, and has no lock: as one that a container's daemon started."""
    out, whole = tmp_path / "out.mp4", (clips / "small.mp4").read_bytes()
    process = gated("true", out)
    kill(process)
    writer = open(out, "wb")
    writer.write(whole[:1000])
    writer.flush()
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    done = flush(farm)
    assert done.returncode == 1 and "still has it open for writing" in done.stderr and len(intents(farm)) == 1, done
    writer.write(whole[1000:])
    writer.close()
    assert flush(farm).stdout == "sent 1, duplicate 0, rejected 0, left 0\n" and farm.totals() == low(2)


OUTLIVES = ("sh", "-c", '"$@" & while kill -0 $PPID 2>/dev/null; do sleep 0.05; done', "sh")
CLOSES = "import os, subprocess, sys; os.closerange(3, 4096); sys.exit(subprocess.call(sys.argv[1:]))"


@pytest.mark.parametrize("wrap", [(), (sys.executable, "-c", CLOSES), ("setsid", "--wait"), OUTLIVES],
                         ids=["plain", "closes", "setsid", "background"])
def test_commands_of_other_kinds(farm, clips, tmp_path, gated, wrap):
    """One that closes what it inherits, as sudo does; one in a session of its own; one that ends before what it began."""
    out = tmp_path / "out.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}", out, wrap=wrap)
    kill(process)
    done = flush(farm)
    assert done.returncode == 1 and "still runs" in done.stderr, done
    process.go()
    wait_until(lambda: flush(farm).returncode == 0)
    assert farm.totals() == low(2) and intents(farm) == []


def test_several_runs_and_two_agents_at_once(farm, clips, tmp_path, gated):
    outs = [tmp_path / f"{n}.mp4" for n in range(6)]
    processes = [gated(f"{clips}/copy {clips}/small.mp4 {out}", out) for out in outs]
    for process in processes:
        kill(process)
        process.go()
    wait_until(lambda: all(has_ended(process.command_pid) for process in processes))
    both = [farm.start("flush", "--json") for _ in range(2)]
    sums = [json.loads(process.communicate(timeout=90)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0] and sum(one["sent"] for one in sums) == 6, sums
    assert sum(one["duplicate"] + one["rejected"] + one["left"] for one in sums) == 0 and farm.totals() == low(12), sums


def test_intents_that_are_none(farm, clips, tmp_path, gated):
    """Cut off before the command began: nothing to say. Damaged: kept to be seen. Of another host: left to that one."""
    assert farm.command("run", "--output", tmp_path / "a.mp4", "--", clips / "copy", clips / "small.mp4", tmp_path / "a.mp4").returncode == 0
    assert intents(farm) == []
    out = tmp_path / "out.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}", out)
    text = open(f"{farm.spool}/{intents(farm)[0]}").read()
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    assert flush(farm).returncode == 0 and farm.totals() == low(4)
    first, address, command, _ = text.split("\n")
    foreign = json.dumps({**json.loads(first), "host": "elsewhere.example"})
    untouched = json.dumps({**json.loads(first), "outputs": [{"path": "/none.mp4", "was": None}]})
    for name, content in (("empty", ""), ("half", first), ("one", first + "\n"), ("never", f"{untouched}\n{address}\n"),
                          ("damaged", f"x{text}"), ("foreign", f"{foreign}\n{address}\n{command}\n"),
                          ("scribbled", f"{first}\n{address}\nx\n\xff{command}\n{command}\n{{}}\n[")):
        with open(f"{farm.spool}/run-{name}.intent", "w", encoding="latin-1") as file:
            file.write(content)
    done = flush(farm)
    assert done.returncode == 1 and done.stdout == "sent 0, duplicate 1, rejected 1, left 1\n", done
    assert "elsewhere.example" in done.stderr and intents(farm) == ["run-foreign.intent"], done
    note, = rejected(farm)[0]
    assert note["outcome"] == "unreadable" and open(f"{farm.spool}/rejected/{note['file']}").read() == f"x{text}"
    assert farm.totals() == low(4)


def test_a_run_without_a_place_for_its_intent(farm, clips, tmp_path):
    """It runs all the same, says so, and leaves nothing. Without a spool by wish there is nothing to say."""
    for spool, said in (("/dev/null", False), (clips / "small.mp4" / "spool", True)):
        out = tmp_path / f"{said}.mp4"
        done = farm.command("run", "--spool", spool, "--output", out, "--", clips / "copy", clips / "small.mp4", out)
        assert done.returncode == 0 and ("if this run is killed" in done.stderr) == said, done


def test_the_command_gets_no_secrets(farm, tmp_path):
    farm.environment["CODECMETER_READ_TOKEN"] = "cm_reader"
    done = farm.command("run", "--output", tmp_path / "none.mp4", "--", "env")
    names = {line.split("=")[0] for line in done.stdout.splitlines()}
    assert "CODECMETER_URL" in names and not names & {"CODECMETER_TOKEN", "CODECMETER_READ_TOKEN", "CODECMETER_PRIVATE_KEY"}, done
    assert farm.account.token not in done.stdout and farm.account.key["private_key"] not in done.stdout


# ---- a run that is killed, and another that writes to the same path ----


@pytest.fixture
def customers(farm):
    """A token for two customers' projects; gives what each has been metered."""
    farm.server.admin("project", "create", "--id", "org-b")
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]

    def seconds(project):
        now = int(time.time())
        rows = farm.account.client.stat(ProjectId=project, BeginTime=now - 86400, EndTime=now + 86400)
        return sum(row["LowDefinitionTime"] for row in rows)

    return lambda: (seconds("org-a"), seconds("org-b"))


@pytest.fixture
def longer(clips):
    """A clip of 5 s, where small.mp4 has 2."""
    path = clips / "longer.mp4"
    if not path.exists():
        ffmpeg(*picture("640x360", 5), *H264, path)
    return path


def by_another_way(tmp_path, out):
    """The same place by a directory that is a link."""
    (tmp_path / "link").symlink_to(out.parent)
    return tmp_path / "link" / out.name


@pytest.mark.parametrize("way", ["same", "link"])
@pytest.mark.parametrize("server", ["there", "away"])
def test_the_next_job_writes_to_the_same_path(farm, clips, longer, customers, tmp_path, gated, way, server):
    """Each customer is metered for what was made for them, though the second run overwrites the output of the killed one."""
    (tmp_path / "work").mkdir()
    out = tmp_path / "work" / "out.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}", out)
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    path = out if way == "same" else by_another_way(tmp_path, out)
    if server == "away":
        farm.server.kill()
    done = farm.command("run", "--project", "org-b", "--output", path, "--", "cp", longer, path)
    assert done.returncode == 0 and "2.000 s, of a run that was killed" in done.stderr, done
    assert done.stderr.index("2.000 s") < done.stderr.index("5.000 s"), "before its command starts"
    if server == "away":
        farm.server.start()
    assert flush(farm).returncode == 0 and intents(farm) == [] and customers() == (2, 5)


def test_the_next_job_when_the_killed_one_made_nothing(farm, longer, customers, tmp_path, gated):
    out = tmp_path / "out.mp4"
    process = gated("exit 1", out)
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    done = farm.command("run", "--project", "org-b", "--output", out, "--", "cp", longer, out)
    assert done.returncode == 0 and "did not make this file" in done.stderr, done
    assert flush(farm).returncode == 0 and intents(farm) == [] and customers() == (0, 5)
    assert rejected(farm)[0][0]["outcome"] == "unmetered"


def test_the_next_job_while_the_killed_ones_command_goes_on(farm, clips, longer, customers, tmp_path, gated):
    """Nobody can say then whose the first content was. The killed run loses this output, says so, and keeps its other one."""
    out, other = tmp_path / "out.mp4", tmp_path / "other %\n.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {tmp_path}/other*.mp4", out, other)
    other.touch()
    kill(process)
    for _ in range(2):
        done = farm.command("run", "--project", "org-b", "--output", out, "--", clips / "copy", longer, out)
        assert done.returncode == 0, done
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    done = flush(farm)
    assert done.returncode == 0 and "another run wrote to this path" in done.stderr, done
    note, = rejected(farm)[0]
    assert note["outcome"] == "unmetered" and note["output"] == str(out), note
    assert note["project"] == "org-a" and note["began"].endswith("Z") and note["began"] < note["time"], note
    advice = farm.command("spool", "status").stdout
    assert "do not record this path" in advice and "codecmeter import" in advice and "record the output, and" not in advice, advice
    assert intents(farm) == [] and customers() == (2, 10)


def test_a_run_leaves_other_runs_alone(farm, clips, tmp_path, gated):
    """One that lives, and one that was killed but has other outputs: the latter waits for an agent that sends."""
    mine, lives, killed = (tmp_path / name for name in ("mine.mp4", "lives.mp4", "killed.mp4"))
    alive, dead = gated(f"{clips}/copy {clips}/small.mp4 {lives}", lives), gated(f"{clips}/copy {clips}/small.mp4 {killed}", killed)
    kill(dead)
    before = intents(farm)
    done = farm.command("run", "--url", "http://127.0.0.1:9", "--output", mine, "--output", lives, "--", clips / "copy", clips / "small.mp4", mine)
    assert "killed" not in done.stderr.replace("lives.mp4", ""), done
    assert intents(farm) == before
    alive.go()
    alive.communicate(timeout=60)
    assert alive.returncode == 0


# ---- runs of several customers in one directory ----


def in_turn(farm, tmp_path, *runs):
    """Starts runs one after the other: (project, script, words after it). Each script waits for its `go`. Gives the processes."""
    started = []
    for number, (project, text, *words) in enumerate(runs):
        gate = tmp_path / f"turn{number}"
        begun = f"touch {gate}.begun; while [ ! -e {gate}.go ]; do sleep 0.05; done; {text}"
        process = farm.start("run", "--project", project, "--", "sh", "-c", begun, "sh", *words)
        wait_until(lambda: os.path.exists(f"{gate}.begun"))
        process.go = lambda gate=gate: open(f"{gate}.go", "w").close()
        started.append(process)
    return started


def ends(process):
    process.go()
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("words", [("out", "out"), ("out", "alias"), ("out/%d.mp4", "out/%d.mp4")])
def test_two_customers_in_one_directory(farm, clips, longer, customers, tmp_path, words, order):
    """Nobody can tell which of the runs made a file, so it counts for none of the two, and both name it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "out")
    runs = in_turn(farm, tmp_path, ("org-a", f"cp {clips}/small.mp4 {tmp_path}/out/1.mp4", tmp_path / words[0]),
                   ("org-b", f"cp {longer} {tmp_path}/out/2.mp4", tmp_path / words[1]))
    first, second = runs[order[0]], runs[order[1]]
    name = f"{order[0] + 1}.mp4"
    status, said = ends(first)
    assert status == 75 and f"{name}: not counted: another run writes to the same place" in said and "--output" in said, said
    status, said = ends(second)
    assert status == 75 and said.count("not counted: another run writes to the same place") == 2, said
    assert customers() == (0, 0) and intents(farm) == []


def test_a_file_that_one_of_two_runs_names(farm, clips, longer, customers, tmp_path):
    """It counts for the run that names it, and the other run leaves it out and keeps its own."""
    (tmp_path / "out").mkdir()
    wide, = in_turn(farm, tmp_path, ("org-a", f"cp {clips}/small.mp4 {tmp_path}/out/1.mp4", tmp_path / "out"))
    narrow = farm.command("run", "--project", "org-b", "--", "ffmpeg", "-nostdin", "-v", "error", "-i", longer, "-c:v", "libx264", "-preset",
                          "ultrafast", tmp_path / "out/2.mp4")
    assert narrow.returncode == 0, narrow
    status, said = ends(wide)
    assert status == 0 and "2.mp4 (another run names it as its output" in said, said
    assert customers() == (2, 5)


@pytest.mark.parametrize("killed", ["before its command ended", "after"])
def test_a_killed_run_beside_another(farm, clips, longer, customers, tmp_path, gated, killed):
    """What another run may have made is not counted for the killed one either, but noted."""
    (tmp_path / "out").mkdir()
    first, second = in_turn(farm, tmp_path, ("org-a", f"cp {clips}/small.mp4 {tmp_path}/out/1.mp4", tmp_path / "out"),
                            ("org-b", f"cp {longer} {tmp_path}/out/2.mp4", tmp_path / "out"))
    if killed == "after":
        assert ends(second)[0] == 75
    kill(first)
    first.go()
    wait_until(lambda: (tmp_path / "out/1.mp4").exists())
    time.sleep(0.5)
    if killed != "after":
        assert ends(second)[0] == 75
    done = flush(farm)
    assert "another run writes to the same place" in done.stderr and customers() == (0, 0), done
    notes = rejected(farm)[0]
    assert {os.path.basename(note["output"]) for note in notes} == {"1.mp4", "2.mp4"} and intents(farm) == [], notes


def test_a_file_from_before_the_other_run(farm, clips, longer, customers, tmp_path):
    (tmp_path / "out").mkdir()
    first, = in_turn(farm, tmp_path, ("org-a", "true", tmp_path / "out"))
    shutil.copy(clips / "small.mp4", tmp_path / "out/1.mp4")
    time.sleep(2.5)
    done = farm.command("run", "--project", "org-b", "--", "sh", "-c", f"cp {longer} {tmp_path}/out/2.mp4", "sh", tmp_path / "out")
    assert done.returncode == 75 and "it is a directory that had files before" in done.stderr, done
    status, said = ends(first)
    assert status == 75 and "2.mp4: not counted" in said and "1.mp4: h264 640x360 2.000 s, stored" in said, said
    assert customers() == (2, 0)


@pytest.mark.parametrize("inner", ["out", "out/a.mp4"])
def test_a_run_within_a_run(farm, clips, tmp_path, inner):
    """Both are told of the output, and it counts once."""
    (tmp_path / "out").mkdir()
    out = tmp_path / "out/a.mp4"
    done = farm.command("run", "--", "sh", "-c", 'codecmeter=$0; "$codecmeter" run --token "$TOKEN" -- "$@"', CODECMETER, "sh", "-c",
                        f"cp {clips}/small.mp4 {out}", "sh", tmp_path / inner, cwd=tmp_path,
                        env={**farm.environment, "TOKEN": farm.environment["CODECMETER_TOKEN"]})
    assert done.returncode == 0 and "stored" in done.stderr and "duplicate" in done.stderr and farm.totals() == low(2), done


def test_a_farm_in_one_directory(farm, clips, tmp_path):
    """Many runs at once, each of which names its output: all count, and no note grows."""
    (tmp_path / "out").mkdir()
    made = [tmp_path / f"out/{number}.mp4" for number in range(20)]
    runs = in_turn(farm, tmp_path, *(("org-a", f"'{clips}/copy' '{clips}/small.mp4' {out}", out) for out in made))
    lines = [line for name in intents(farm) for line in open(f"{farm.spool}/{name}") if "rival" in line]
    assert len(intents(farm)) == 20 and not any("/out/" in line for line in lines), lines
    for process in runs:
        process.go()
    for process in runs:
        assert "stored" in process.communicate(timeout=60)[1] and process.returncode == 0
    assert farm.totals() == low(40)


# ---- directories that cannot be read, and files that go away ----


@only_root
@pytest.mark.parametrize("way", ["again", "restart", "existing"])
def test_a_directory_that_the_first_look_could_not_see(farm, clips, watched, another_user, way):
    """What was in it is from before the watch, however late it is seen; what comes after is new."""
    out, hidden = watched.directory, watched.directory / "deep" / "hidden"
    hidden.mkdir(parents=True)
    distinct(clips / "small.mp4", hidden / "old.mp4")
    hidden.chmod(0o700)
    watch = watched(out, *(["--existing"] if way == "existing" else []))
    wait_until(lambda: "cannot watch" in watch.complained())
    time.sleep(7)  # it looks again
    assert watch.complained().count("\n") == 1 and f"cannot watch {hidden}" in watch.complained(), watch.complained()
    if way == "restart":
        watch.stop()
        distinct(clips / "small.mp4", hidden / "while-away.mp4")
        hidden.chmod(0o755)
        watch = watched(out)
    else:
        hidden.chmod(0o755)
        time.sleep(7)
    distinct(clips / "small.mp4", hidden / "new.mp4")
    watch.has("new.mp4: h264 640x360 2.000 s, stored", 1)
    watch.has("stored", 1 if way == "again" else 2)
    watch.stop()
    assert ("old.mp4" in watch.said()) == (way == "existing"), watch.said()
    watch = watched(out)
    distinct(clips / "small.mp4", hidden / "last.mp4")
    watch.has("stored", 1)
    watch.stop()
    assert "last.mp4" in watch.said() and "old.mp4" not in watch.said(), watch.said()


def test_a_file_that_goes_away(farm, clips, watched):
    """It is said, unless the file only has another name."""
    out = watched.directory
    watch = watched(out, "--settle", "2")
    for name in ("gone", "moved", "renamed", "linked"):
        distinct(clips / "small.mp4", out / f"{name}.mp4")
    time.sleep(0.5)
    os.link(out / "linked.mp4", out / "second.mp4")
    os.remove(out / "linked.mp4")
    os.remove(out / "gone.mp4")
    os.rename(out / "moved.mp4", out.parent / "moved.mp4")
    os.rename(out / "renamed.mp4", out / "name.mp4")
    watch.has("stored", 2)
    wait_until(lambda: watch.complained().count("\n") == 2)
    time.sleep(1)
    watch.stop()
    assert sorted(watch.complained().splitlines()) == [
        f"codecmeter watch: {out}/{name}.mp4: it went away before it was recorded, so it is not counted" for name in ("gone", "moved")]
