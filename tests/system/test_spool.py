"""`codecmeter spool status`: what waits, for whom, since when, and what was rejected. It only looks."""
import hashlib
import json
import os
import resource
import shutil
import subprocess
import threading

import pytest

from conftest import AS_NOBODY, needs_root, run, unless_sanitized, wait_until
from media import clips, distinct, farm  # noqa: F401 (fixtures)
from scripted import scripted
from test_agents import flush, gated, has_ended, intents, kill, put, spooled  # noqa: F401 (a fixture among them)

NOTHING = {"exists": True, "waiting": 0, "since": None, "for": [], "others": 0, "damaged": 0, "unreadable": 0, "running": 0,
           "killed": 0, "runs": [], "rejected": 0, "newest": None, "reasons": [], "other_reasons": 0}


def status(farm, *args, expect=0, **kwargs):
    done = farm.command("spool", "status", *args, **kwargs)
    assert done.returncode == expect, done
    return done


def seen(farm, **kwargs):
    return json.loads(status(farm, "--json", **kwargs).stdout)


def contents(directory):
    """Every name below, with what it holds and when it was written."""
    return {os.path.join(top, name): (os.stat(os.path.join(top, name)).st_mtime_ns, os.path.isfile(os.path.join(top, name))
                                      and open(os.path.join(top, name), "rb").read())
            for top, names, files in os.walk(directory) for name in names + files}


def age(farm, name, when):
    os.utime(f"{farm.spool}/{name}", (when, when))


# ---- no spool ----


def test_wrong_use(farm, tmp_path):
    file, theirs = tmp_path / "file", tmp_path / "theirs"
    file.write_text("x")
    theirs.mkdir()
    (theirs / "letter.txt").write_text("dear\n")
    for code, words, args in ((2, "status", ()), (2, "flush", ("flush",)), (2, "unexpected", ("status", "x")),
                              (2, "unknown option", ("status", "--nope")), (2, "--max-age", ("status", "--max-age", "soon")), (2, "cannot read", ("status", "--env", "/none.env")),
                              (1, str(tmp_path / "none"), ("status", "--spool", tmp_path / "none")),
                              (1, "not a directory", ("status", "--spool", file)),
                              (1, "not a spool", ("status", "--spool", theirs)), (1, "", ("status", "--spool", file / "x"))):
        done = farm.command("spool", *args)
        assert done.returncode == code and done.stdout == "", (args, done)
        assert words in done.stderr or words == "flush", (args, done)
    assert sorted(os.listdir(tmp_path / "theirs")) == ["letter.txt"] and not (tmp_path / "none").exists()


def test_nothing_waits(farm, tmp_path):
    """Neither a server nor a token is needed; a spool that nobody made yet is none that lost something."""
    assert not os.path.exists(farm.spool)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CODECMETER_")}
    for environment in ({**bare, "CODECMETER_SPOOL": farm.spool}, {**bare, "XDG_STATE_HOME": str(tmp_path / "state")}):
        done = status(farm, "--check", env=environment)
        assert done.stdout.endswith("does not exist: nothing waits\n") and done.stderr == "", done
        assert seen(farm, env=environment)["exists"] is False
    assert not os.path.exists(farm.spool) and not (tmp_path / "state").exists()
    os.mkdir(farm.spool)
    assert status(farm, "--check").stdout == f"{farm.spool}: 0 waiting, 0 killed runs, 0 rejected\n"
    assert seen(farm) == {"spool": farm.spool, **NOTHING} and os.listdir(farm.spool) == []
    env = tmp_path / "client.env"
    env.write_text(f"CODECMETER_SPOOL={farm.spool}\n")
    assert farm.spool in run("spool", "status", "--env", env).stdout


# ---- what waits ----


def test_what_waits_for_whom_and_since_when(farm):
    for number, when in ((1, 3000), (2, 1000), (3, 2000)):
        age(farm, put(farm, number), when)
    age(farm, put(farm, 4, url="http://elsewhere.example:1"), 500)
    age(farm, put(farm, 5, subject=None), 4000)
    age(farm, put(farm, 6, token="other", subject="客户"), 5000)
    mine = hashlib.sha256(farm.account.token.encode()).hexdigest()[:12]
    other = hashlib.sha256(b"other").hexdigest()[:12]
    before = contents(farm.spool)
    for _ in range(2):
        told = seen(farm)
        assert told == {"spool": farm.spool, **NOTHING, "waiting": 6, "since": "1970-01-01T00:08:20.000Z", "for": [
            {"url": "http://elsewhere.example:1", "token": mine, "project": "org-a", "events": 1, "since": "1970-01-01T00:08:20.000Z"},
            {"url": farm.server.url, "token": mine, "project": "org-a", "events": 3, "since": "1970-01-01T00:16:40.000Z"},
            {"url": farm.server.url, "token": mine, "project": "", "events": 1, "since": "1970-01-01T01:06:40.000Z"},
            {"url": farm.server.url, "token": other, "project": "客户", "events": 1, "since": "1970-01-01T01:23:20.000Z"}]}, told
        done = status(farm)
        rows = [line.split() for line in done.stdout.splitlines()]
        assert rows[0] == ["WAITS", "FOR", "TOKEN", "PROJECT", "EVENTS", "SINCE"], done
        assert rows[2] == [farm.server.url, mine, "org-a", "3", "1970-01-01T00:16:40.000Z"], done
        assert "the token's" in done.stdout and "codecmeter flush" in done.stdout and done.stdout.endswith(
            f"{farm.spool}: 6 waiting, 0 killed runs, 0 rejected\n"), done
        assert farm.account.token not in done.stdout
    assert "codecmeter flush" not in status(farm, "-q").stdout and status(farm, "--check", expect=1).stdout == done.stdout
    assert contents(farm.spool) == before, "it changes nothing"
    status(farm, "--check", "--max-age", "1h", expect=1)
    status(farm, "--check", "--max-age", "100000d")
    assert flush(farm).stdout.startswith("sent 4,") and seen(farm)["waiting"] == 2


@pytest.mark.parametrize("cause", ["no such project", "no server"])
def test_an_event_that_is_spooled_again_waits_since_the_first_time(farm, clips, tmp_path, cause):
    """Else a `record *.mp4` of cron would keep the alarm of `--max-age` silent for ever."""
    out = distinct(clips / "small.mp4", tmp_path / "out.mp4")
    options = ("--project", "new") if cause == "no such project" else ()
    if cause == "no server":
        farm.server.stop()
    farm.record(out, *options)
    (name,) = spooled(farm)
    age(farm, name, 1000)
    for agent in ("record", "run", "flush"):
        words = {"record": (*options, out), "run": (*options, "--output", out, "--", "sh", "-c", f"cp -p {out} {out}.new && mv {out}.new {out}"), "flush": ()}
        done = farm.command(agent, *words[agent])
        assert agent == "flush" or "waits in" in done.stderr, done
        assert spooled(farm) == [name] and seen(farm)["since"] == "1970-01-01T00:16:40.000Z", agent
    status(farm, "--check", "--max-age", "1h", expect=1)
    whole = open(f"{farm.spool}/{name}").read()
    with open(f"{farm.spool}/{name}", "w") as file:
        file.write(whole[:-9])
    farm.record(out, *options)
    assert spooled(farm) == [name] and open(f"{farm.spool}/{name}").read() == whole, "a damaged one is replaced"


def test_damaged_files(farm):
    put(farm, 1)
    for name, text in (("1.event", ""), ("2.event", "no json\n"), (".cut.event.1234", "{"), (".now.event.1235", "{")):
        with open(f"{farm.spool}/{name}", "w") as file:
            file.write(text)
    age(farm, ".cut.event.1234", 1)
    os.mkdir(f"{farm.spool}/a.event")
    os.symlink("/etc/passwd", f"{farm.spool}/link.event")
    os.mkfifo(f"{farm.spool}/pipe.event")
    with open(f"{farm.spool}/long.event", "w") as file:
        file.truncate(1 << 40)
    for name, text in (("run-damaged.intent", "x\ny\n"), ("run-long.intent", None)):
        with open(f"{farm.spool}/{name}", "w") as file:
            file.write(text) if text else file.truncate(1 << 40)
    os.makedirs(f"{farm.spool}/rejected/dir.json")
    for name, text in (("a.json", ""), ("b.json", "[]"), ("c.json", "{}"), ("d.json", "{\"outcome\":3}"), ("e.txt", "x")):
        with open(f"{farm.spool}/rejected/{name}", "w") as file:
            file.write(text)
    os.mkfifo(f"{farm.spool}/rejected/pipe.json")
    told = seen(farm, timeout=20)
    assert (told["waiting"], told["damaged"], told["unreadable"], told["killed"]) == (1, 7, 0, 2), told
    assert told["rejected"] == 6 and {reason["outcome"] for reason in told["reasons"]} == {"unreadable"}, told
    done = status(farm)
    assert "7 damaged events" in done.stdout and "rejected/" in done.stdout, done


def test_what_was_rejected_and_why(farm):
    good = put(farm, 9)
    twice = json.loads(open(f"{farm.spool}/{good}").readline())
    assert farm.account.client.report(twice).json()["stored"] == 1
    put(farm, 9, data={**twice["data"], "width": twice["data"]["width"] + 2})
    for number in range(3):
        put(farm, number, data={**twice["data"], "width": 0})
    assert flush(farm).stdout.endswith("rejected 4, left 0\n")
    told = seen(farm)
    assert told["waiting"] == 0 and told["rejected"] == 4 and told["newest"].endswith("Z"), told
    reasons = {reason["reason"]: reason for reason in told["reasons"]}
    assert reasons["width: must be an integer from 1 to 65535"]["count"] == 3, told
    assert reasons["differs from the first report: width: stored 640, reported 642"]["outcome"] == "conflict", told
    done = status(farm, "--check", expect=1)
    assert f"{farm.spool}/rejected" in done.stdout and "None is ever sent again" in done.stdout and "stored 640" in done.stdout, done
    assert "\nrejected: correct what" in done.stdout and "\nconflict: another output" in done.stdout and "unmetered" not in done.stdout, done
    assert "conflict: " not in status(farm, "--quiet").stdout
    shutil.rmtree(f"{farm.spool}/rejected")
    status(farm, "--check")


def test_texts_cannot_control_a_terminal(farm):
    put(farm, 1, subject="org\x1b[2J", url="http://\x1b]0;x\x07")
    os.mkdir(f"{farm.spool}/rejected")
    with open(f"{farm.spool}/rejected/a.json", "w") as file:
        json.dump({"outcome": "rejected", "reason": "a\nb\x1b[2J", "time": "yesterday"}, file)
    done = status(farm)
    assert "\x1b" not in done.stdout and "\\x1B[2J" in done.stdout.replace("\\x1b", "\\x1B"), done
    assert seen(farm)["for"][0]["project"] == "org\x1b[2J"


def test_words_that_follow_a_number(farm):
    os.makedirs(f"{farm.spool}/rejected")
    for count, words in ((1, ("1 damaged event\n", " 1 killed run,")), (2, ("2 damaged events\n", " 2 killed runs,"))):
        open(f"{farm.spool}/{count}.event", "w").close()
        with open(f"{farm.spool}/run-{count}.intent", "w") as file:
            file.write("x\ny\n")
        assert all(word in status(farm).stdout for word in words), status(farm)


# ---- runs ----


def test_runs_that_were_killed(farm, clips, tmp_path, gated):
    out = tmp_path / "out.mp4"
    process = gated(f"cp {clips}/small.mp4 {out}", out)
    assert seen(farm) == {"spool": farm.spool, **NOTHING, "running": 1}
    assert status(farm, "--check").stdout.endswith(", 1 run under way\n"), "a run that lives is no fault"
    kill(process)
    for _ in range(2):
        told = seen(farm)
        [only] = told["runs"]
        assert told["killed"] == 1 and f"(process {process.command_pid}) still runs" in only["why"], told
        assert only["note"] == intents(farm)[0] and only["outputs"] == 1 and only["project"] == "org-a"
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    before = contents(farm.spool)
    done = status(farm, "--check", expect=1)
    assert "codecmeter flush" in done.stdout and "has ended" in done.stdout and contents(farm.spool) == before, done
    text = open(f"{farm.spool}/{intents(farm)[0]}").read()
    first, rest = text.split("\n", 1)
    assert flush(farm).returncode == 0 and seen(farm) == {"spool": farm.spool, **NOTHING}
    with open(f"{farm.spool}/run-foreign.intent", "w") as file:
        file.write(json.dumps({**json.loads(first), "host": "elsewhere.example"}) + "\n" + rest)
    assert "elsewhere.example" in seen(farm)["runs"][0]["why"]


# ---- beside others ----


def test_while_another_sends(farm):
    with scripted("wait") as fake:
        for number in range(3):
            put(farm, number, url=fake.url)
        sender = threading.Thread(target=lambda: flush(farm, "--url", fake.url, timeout=120))
        sender.start()
        wait_until(lambda: fake.bodies)
        assert seen(farm, timeout=20)["waiting"] == 3
        fake.released.set()
        while sender.is_alive():
            assert seen(farm)["waiting"] <= 3
        sender.join()
    assert seen(farm)["waiting"] == 0


@needs_root
def test_another_user(farm, program, open_tmp):
    farm.spool = os.path.join(open_tmp, "spool")
    put(farm, 1)
    put(farm, 2)
    asked = [*AS_NOBODY, program, "spool", "status", "--spool", farm.spool]
    os.chmod(farm.spool, 0o700)
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 1 and "as the user who owns" in done.stderr and done.stdout == "", done
    os.chmod(farm.spool, 0o755)
    os.chmod(f"{farm.spool}/{spooled(farm)[0]}", 0o600)
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0 and "1 unreadable event:" in done.stdout and ": 1 waiting" in done.stdout, done


# ---- many ----


@unless_sanitized
def test_a_hundred_thousand_events(farm):
    """Memory is bounded, whatever the number of events, customers and reasons; so are the table and the time."""
    number = 100000
    os.makedirs(f"{farm.spool}/rejected")
    with open(farm.spool + "/lock", "w") as file:
        file.write("codecmeter spool 1\n")
    for i in range(number):
        text = (json.dumps({"id": str(i), "subject": f"org-{i % 3000}", "data": {"pad": "x" * 300}}) +
                '\n{"spool":1,"url":"http://meter.example","token":"t"}\n')
        digest = hashlib.sha256(text.encode()).hexdigest()
        with open(f"{farm.spool}/{i:013}-{digest[16:48]}-{digest[:16]}.event", "w") as file:
            file.write(text)
    for i in range(5000):
        with open(f"{farm.spool}/rejected/{i}.json", "w") as file:
            file.write('{"event":{},"outcome":"rejected","reason":"because %d","time":"2026-01-01T00:00:00.000Z"}\n' % i)
    bounds = lambda: (resource.setrlimit(resource.RLIMIT_DATA, (32 << 20, 32 << 20)), resource.setrlimit(resource.RLIMIT_CPU, (60, 60)))
    told = seen(farm, preexec_fn=bounds)
    assert told["waiting"] == number and told["rejected"] == 5000, told["waiting"]
    assert len(told["for"]) == 1000 and sum(group["events"] for group in told["for"]) + told["others"] == number
    assert len(told["reasons"]) == 1000 and sum(reason["count"] for reason in told["reasons"]) + told["other_reasons"] == 5000
    lines = status(farm).stdout.splitlines()
    shutil.rmtree(farm.spool)
    assert len(lines) < 2100 and sum("others" in line for line in lines) == 2
