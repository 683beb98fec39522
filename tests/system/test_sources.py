"""Silence is visible: who stopped reporting, whose spool does not empty, whose clock is off; and what each source reports.

Source: issue 14, point 6; docs/agents.md, "Is anything silent?".
"""
import datetime
import gzip
import json
import os
import shutil
import signal
import threading
import time

import pytest

from client import event
from conftest import CODECMETER, Account, run, unless_sanitized, wait_until, write_all
from media import Farm, clips, distinct, farm, ffmpeg, fresh  # noqa: F401 (fixtures)
from scripted import scripted
from test_agents import Watch, put

STEP = os.path.join(os.path.dirname(CODECMETER), "tests", "unit", "clockstep.so")
DAY, HOUR, MINUTE = 86400, 3600, 60


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")


def tell(account, name, token=None, **members):
    """An agent's report."""
    body = members.pop("body", None) or json.dumps({"agent": name, **members})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or account.token}"}
    return account.server.client().request("POST", "/v1/agents", body, headers)


def listed(server, *args, kind=None):
    """What `codecmeter sources --json` prints; of one kind without the rest."""
    done = run("sources", "--data", server.data, "--json", *args, check=False)
    assert done.stdout.startswith("["), done
    items = json.loads(done.stdout)
    return [item for item in items if kind in (None, item["kind"])]


def agents(server, *args):
    return {item["agent"]: item for item in listed(server, *args, kind="agent")}


def sources(server, *args):
    """{(project, source): item}, when all of the log is counted."""
    def all_is_counted():
        state, = listed(server, kind="state")
        return state["counted"] == state["end"]

    wait_until(all_is_counted)
    return {(item["project"], item["source"]): item for item in listed(server, *args, kind="source")}


def problems(server):
    """{agent or source: its problems}, of those that have some; and the exit status."""
    done = run("sources", "--data", server.data, "--json", "--problems", check=False)
    items = [item for item in json.loads(done.stdout) if item["kind"] != "state"]
    return {item.get("agent") or item["source"]: item["problems"] for item in items}, done.returncode


class Clock:
    """The wall clock of the processes that were started with its environment: ahead of the kernel's, or behind it."""

    def __init__(self, path):
        self.path, self.seconds = str(path), 0
        self.set(0)
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.environment = {"LD_PRELOAD": STEP, "CLOCK_STEP_FILE": self.path, "ASAN_OPTIONS": options}

    def set(self, seconds):
        with open(self.path + ".new", "w") as file:
            file.write(str(seconds))
        os.rename(self.path + ".new", self.path)
        self.seconds = seconds

    def now(self):
        return time.time() + self.seconds


@pytest.fixture
def clock(bare, tmp_path):
    """That of the server `bare`."""
    made = Clock(tmp_path / "step")
    start = bare.start

    def start_with_clock(*args, **kwargs):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in made.environment.items():
                patch.setenv(name, value)
            return start(*args, **kwargs)

    bare.start = start_with_clock
    return made


# ---- reports that are refused ----


BAD_BODIES = [b"", b"x", b"[]", b"{}", b"7", b'{"agent":null}', b'{"agent":""}', b'{"agent":7}', b'{"agent":"a\\u0000"}', b'{"agent":"\xff"}',
              b'{"agent":"a","spooled":-1}', b'{"agent":"a","spooled":9223372036854775808}', b'{"agent":"a","spooled":NaN}',
              b'{"agent":"a","rejected":"1"}', b'{"agent":"a","interval_ms":0}', b'{"agent":"a","time":"yesterday"}',
              b'{"agent":"' + b"x" * 65 + b'"}', gzip.compress(b'{"agent":"a"}', mtime=0)]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_report_is_refused_and_named(account, body):
    reply = tell(account, "", body=body)
    assert reply.status == 400 and reply.headers["content-type"] == "application/problem+json" and reply.json()["detail"], reply.body
    assert agents(account.server) == {}


def test_who_may_not_report(account):
    """Like for events: no token, an unknown one, a revoked one, one that only reads, one of another project."""
    server = account.server
    server.admin("project", "create", "--id", "org-b")
    revoked = server.admin("token", "create", "--project", "org-a")
    server.admin("token", "revoke", "--id", revoked["id"])
    reader = server.admin("token", "create", "--project", "org-a", "--scope", "read")["token"]
    body, client = json.dumps({"agent": "a"}), server.client()
    assert client.request("POST", "/v1/agents", body).status == 401
    for token, status in (("cm_unknown", 401), (revoked["token"], 401), (reader, 403)):
        assert tell(account, "a", token=token).status == status, token
    assert tell(account, "a", project="org-b").status == 403
    assert "another project" in tell(account, "a", project="org-b").json()["detail"]
    headers = {"Authorization": f"Bearer {account.token}"}
    assert client.request("GET", "/v1/agents", headers=headers).status == 405
    assert client.request("POST", "/v1/agents", b'{"agent":"' + b" " * 5000 + b'a"}', headers).status == 413
    assert client.request("POST", "/v1/agents", body, {**headers, "Content-Encoding": "gzip"}).status == 415
    assert agents(server) == {}
    everywhere = server.admin("token", "create")["token"]
    assert tell(account, "a", token=everywhere, project="org-b").status == 200
    assert tell(account, "a", later={"member": [1]}).status == 200
    assert {(item["project"], item["agent"]) for item in listed(server, kind="agent")} == {("org-a", "a"), ("org-b", "a")}
    assert list(agents(server, "org-b").values())[0]["project"] == "org-b"
    assert run("sources", "org-c", "--data", server.data, check=False).returncode == 1


@unless_sanitized
def test_ten_thousand_names_of_one_token(account):
    """The memory is bounded, and an agent that reports goes on to be known."""
    import http.client
    server = account.server

    def memory():
        status = open(f"/proc/{server.process.pid}/status").read()
        return int(status.split("RssAnon:")[1].split()[0])

    assert tell(account, "the first", interval_ms=60000).status == 200
    before, answers = memory(), {}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    for number in range(10000):
        connection.request("POST", "/v1/agents", json.dumps({"agent": f"n{number}", "command": "x" * 160, "interval_ms": 60000}),
                           {"Authorization": f"Bearer {account.token}"})
        reply = connection.getresponse()
        reply.read()
        answers[reply.status] = answers.get(reply.status, 0) + 1
    connection.close()
    assert answers == {200: 999, 429: 9001}, answers
    assert memory() - before < 8192
    assert tell(account, "the first").status == 200 and tell(account, "one more").status == 429
    assert len(agents(server)) == 1000
    said = [line for line in server.log_text().splitlines() if "no room for more agents" in line]
    assert 1 <= len(said) <= 3, said  # not a line for each


# ---- what each source reports ----


def report_from(account, source, ids, **changes):
    return account.client.report([event(f"{source}-{id}", source=source, **changes) for id in ids]).json()


def shown(found):
    return {name: (item["outputs"], item["today"], item["unresolved"], item["first_seen"], item["last_seen"])
            for name, item in found.items() if item["outputs"] > 0}


def test_counts_after_restart_kill_and_rebuild(bare):
    """The log is the truth: however the server ended and whatever became of the file, the counts are the same."""
    account = Account(bare, "ingest.delta_max=64", zone="UTC")
    bare.admin("project", "create", "--id", "org-b")
    assert sources(bare) == {}
    report_from(account, "s1", range(300))
    report_from(account, "s1", range(100, 310))  # 200 of them twice
    report_from(account, "s2", range(5), type="transcode.failed")
    assert report_from(account, "s3", range(3), data={"codec": "h264"})["rejected"] == 3
    other = bare.admin("token", "create", "--project", "org-b")["token"]
    account.client.report([event(1, source="s1")], token=other)
    first = shown(sources(bare))
    counts = {name: row[:3] for name, row in first.items()}
    assert counts == {("org-a", "s1"): (310, 310, 0), ("org-a", "s2"): (5, 5, 0), ("org-b", "s1"): (1, 1, 0)}, first
    file = os.path.join(bare.data, "derived", "sources")
    bare.kill()
    assert not os.path.exists(file)  # nothing was written yet: all is counted again
    bare.start()
    assert shown(sources(bare)) == first
    bare.stop()
    kept = open(file, "rb").read()
    bare.start()
    report_from(account, "s1", range(310, 320))
    second = shown(sources(bare))
    assert second[("org-a", "s1")][:3] == (320, 320, 0)
    bare.kill()
    assert open(file, "rb").read() == kept  # the file is older than the log, and the rest is counted
    bare.start()
    assert shown(sources(bare)) == second
    bare.stop()
    run("rebuild", "--data", bare.data)
    assert not os.path.exists(file)
    bare.start()
    assert shown(sources(bare)) == second
    bare.stop()
    run("verify", "--data", bare.data)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other", "closed", "longer"])
def test_a_damaged_file_is_counted_again(bare, harm):
    account = Account(bare)
    report_from(account, "s1", range(50))
    before = shown(sources(bare))
    tell(account, "n1", interval_ms=60000)
    bare.stop()
    for path in (os.path.join(bare.data, "derived", "sources"), os.path.join(bare.data, "agents")):
        data = open(path, "rb").read()
        changed = {"cut": data[:-3], "flip": data[:40] + bytes([data[40] ^ 1]) + data[41:], "empty": b"", "other": b"x" * 500,
                   "longer": data + b"\0" * 9}.get(harm)
        os.remove(path)
        if changed is None:
            os.mkdir(path)
        else:
            open(path, "wb").write(changed)
    bare.start()
    assert shown(sources(bare)) == before
    assert "derived/sources: " in bare.log_text() and "counted again" in bare.log_text()
    assert tell(account, "n2").status == 200 and "n2" in agents(bare)
    if harm == "closed":
        for name in ("derived/sources", "agents"):
            os.rmdir(os.path.join(bare.data, name))


def test_a_log_that_cannot_be_counted(bare):
    """It is said, and nothing else stops: neither the events nor the agents."""
    account = Account(bare, "ingest.delta_max=64")
    report_from(account, "s1", range(300))
    write_all(account)
    bare.kill()  # so no file says that it is counted already
    assert not os.path.exists(os.path.join(bare.data, "derived", "sources"))
    segment = os.path.join(bare.data, "log", "0000000000000000.seg")
    with open(segment, "r+b") as file:
        file.seek(os.path.getsize(segment) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    bare.start()
    assert report_from(account, "s1", range(300, 310))["stored"] == 10
    assert tell(account, "n1").status == 200

    def failed():
        done = run("sources", "--problems", "--data", bare.data, check=False)
        return done.returncode == 1 and "the log cannot be read" in done.stderr and "checksum" in done.stderr

    wait_until(failed)
    assert set(agents(bare)) == {"n1"} and "failure" in listed(bare, kind="state")[0]
    assert bare.log_text().count("are not counted any more") == 1
    assert report_from(account, "s1", range(300, 311))["stored"] == 1


def test_outputs_that_wait_to_be_resolved(account):
    """They count on the day on which they arrive, and not again when they are resolved or dismissed."""
    server = account.server
    notice = open(os.path.join(os.path.dirname(__file__), "..", "data", "adapters", "umedia-transcode.json")).read()
    reply = account.client.request("POST", f"/v1/adapters/umedia?project=org-a&token={account.token}", notice)
    assert reply.status == 200 and reply.json()["unresolved"] > 0, reply.body
    item = sources(server)[("org-a", "umedia")]
    waiting = reply.json()["unresolved"]
    assert (item["outputs"], item["unresolved"], item["problems"]) == (waiting, waiting, [])
    run("unresolved", "resolve", "org-a", "umedia", "--all", "--codec", "h264", "--width", "640", "--height", "360", "--duration-ms", "1000",
        "--data", server.data)
    item = sources(server)[("org-a", "umedia")]
    assert (item["outputs"], item["unresolved"]) == (waiting, 0)


def test_events_that_the_server_rejects(bare, clock):
    """Counted for their source, if the event could be read so far."""
    account = Account(bare)
    server, client = account.server, account.client
    everywhere = server.admin("token", "create")["token"]
    report_from(account, "s1", range(3))
    client.report([event(n, source="s1", subject="org-none") for n in range(4)], token=everywhere)
    client.report([event(1, source="s1", width=-1), {"x": 1}])
    found = sources(server)
    assert {name: (item["outputs"], item["rejected"], item["problems"]) for name, item in found.items()} == {
        ("org-a", "s1"): (3, 0, []), ("org-none", "s1"): (0, 4, ["rejected"]), ("org-a", ""): (0, 2, ["rejected"])}
    clock.set(2 * HOUR)
    assert problems(server) == ({}, 0)  # it is no news any more
    assert sources(server)[("org-a", "")]["rejected"] == 2
    assert "(not read)" in run("sources", "--data", server.data).stdout


def test_a_source_that_has_fallen_silent(bare, clock):
    """Four weeks of work days; then a Wednesday on which one source reports nothing, and a Sunday on which nobody has to."""
    zero = 1792000000 - 1792000000 % DAY  # a Wednesday, 2026-10-14
    monday = zero - 30 * DAY
    clock.set(int(monday - time.time()))
    account = Account(bare, zone="UTC")

    def at(seconds):
        clock.set(int(seconds - time.time()))

    for day in range(30):
        at(monday + day * DAY + 2 * HOUR)
        weekday = datetime.datetime.fromtimestamp(monday + day * DAY, datetime.timezone.utc).weekday()
        if weekday < 5:
            report_from(account, "steady", range(day * 20, day * 20 + 20))
            report_from(account, "stops", range(day * 20, day * 20 + 20))
        report_from(account, "rare", [day])
    at(zero + HOUR)
    assert problems(bare) == ({}, 0)  # it is too early to tell
    at(zero + 4 * HOUR)
    report_from(account, "steady", range(5000, 5020))
    assert problems(bare) == ({"stops": ["silent"]}, 1)
    item = sources(bare)[("org-a", "stops")]
    assert item["today"] == 0 and item["median"] == 20
    assert item["text"] == "0 outputs since 00:00 UTC; by 03:00 there are usually 20"
    bare.kill()
    bare.start()
    assert sources(bare)[("org-a", "stops")] == item  # the tally of a month, counted again
    report_from(account, "stops", range(9000, 9002))
    assert problems(bare) == ({}, 0)
    at(zero + 4 * DAY + 4 * HOUR)  # Sunday
    assert problems(bare) == ({}, 0)
    at(zero + 5 * DAY + 4 * HOUR)  # Monday
    assert problems(bare)[0] == {"steady": ["silent"], "stops": ["silent"]}
    at(zero + 60 * DAY)
    report_from(account, "rare", [1000])
    assert set(sources(bare)) == {("org-a", "rare")}  # what was taken out of service is forgotten


# ---- the command ----


def test_what_the_command_prints(account):
    server = account.server
    done = run("sources", "--data", server.data)
    assert done.stdout == "" and "no agent has reported" in done.stderr
    done = run("sources", "--problems", "--data", server.data)
    assert done.stdout == "" and "nothing is wrong" in done.stderr
    tell(account, "n1", command="watch /srv/out", version="1.2", spooled=2, oldest_ms=1000, time=rfc3339(time.time()))
    tell(account, "n2", rejected=7, clock_offset_ms=-90000)
    report_from(account, "s1", range(3))
    done = run("sources", "--data", server.data)
    table = [line.split("  ") for line in done.stdout.splitlines()]
    assert [row[0] for row in table] == ["PROJECT", "org-a", "org-a", "", "PROJECT", "org-a"], done.stdout
    for word in ("n1", "watch /srv/out", "1.2", "s ago", "+0.0 s", "-90.0 s", "its clock is 90 s behind the server's; 7 events were rejected",
                 "s1"):
        assert word.replace("+0.0 s", "0.0 s") in done.stdout, (word, done.stdout)
    done = run("sources", "--problems", "--quiet", "--data", server.data, check=False)
    assert done.returncode == 1 and "n2" in done.stdout and "n1" not in done.stdout and done.stderr == "", done
    assert run("sources", "--forget", "n3", "--data", server.data, check=False).returncode == 1
    run("sources", "--forget", "n2", "--data", server.data)
    assert run("sources", "--problems", "--data", server.data).returncode == 0
    server.stop()
    done = run("sources", "--problems", "--data", server.data, check=False)
    assert done.returncode == 1 and "no server runs" in done.stderr, done
    server.start()
    assert set(agents(server)) == {"n1"}  # what was forgotten stays forgotten


def test_a_stopped_agent_is_not_forgotten_by_a_restart(bare, clock):
    account = Account(bare)
    tell(account, "stopped", interval_ms=60000)
    bare.stop()
    clock.set(HOUR)
    bare.start()
    assert problems(bare) == ({}, 0)  # while the server was away, no agent could report
    clock.set(HOUR + 2 * MINUTE)
    assert problems(bare) == ({}, 0)
    clock.set(HOUR + 4 * MINUTE)
    assert problems(bare) == ({"stopped": ["silent"]}, 1)
    clock.set(29 * DAY)
    tell(account, "other")
    bare.stop()
    assert set(agents(bare.start())) == {"other"}  # after four weeks it is forgotten


# ---- forty agents ----


def test_forty_agents(bare, clock, clips, tmp_path):  # noqa: F811
    """Three are stopped, two have spools that do not empty, one has a clock that is off: all six are named within five
    minutes, and nobody else. Four of the agents are real."""
    farm = Farm(bare)  # noqa: F811
    account, started = farm.account, []

    def watch(name, clock_of, token=account.token, spool=None, project="org-a"):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        farm.environment = {**farm.environment, **clock_of.environment, "CODECMETER_TOKEN": token, "CODECMETER_AGENT": name,
                            "CODECMETER_PROJECT": project, "CODECMETER_SPOOL": spool or str(tmp_path / f"{name}.spool")}
        started.append(Watch(farm, directory))
        return started[-1]

    def simulate(names):
        for name in names:
            reply = tell(account, name, command="watch /srv/out", version="1", interval_ms=60000, spooled=0, rejected=0,
                         time=rfc3339(clock.now()), **({"spool_error": "the disk is full"} if name == "sim-full" else {}))
            assert reply.status == 200
            assert abs(datetime.datetime.fromisoformat(reply.json()["time"].replace("Z", "+00:00")).timestamp() - clock.now()) < 20

    steady = [f"sim-{number}" for number in range(33)] + ["sim-full"]
    off = Clock(tmp_path / "off")
    off.set(HOUR)
    # the spool has an event for another server, which waits
    farm.spool = str(tmp_path / "real-full.spool")
    waiting = put(farm, 1, url="http://127.0.0.1:1")
    try:
        simulate([*steady, "sim-stopped-1", "sim-stopped-2"])
        real = {name: watch(name, clock) for name in ("real-stopped", "real-healthy", "real-full")}
        real["real-off"] = watch("real-off", off)
        wait_until(lambda: len(agents(bare)) == 40)
        os.utime(f"{farm.spool.rsplit('/', 1)[0]}/real-full.spool/{waiting}", (time.time() - 3 * MINUTE,) * 2)
        now_wrong, _ = problems(bare)
        assert set(now_wrong) <= {"sim-full", "real-off", "real-full"}, now_wrong
        real.pop("real-stopped").kill()
        for minute in (1, 2, 3, 4):
            clock.set(minute * MINUTE)
            simulate(steady)
        # the clock has gone on by four minutes, for all of them; a new start reports at once, as the next minute would
        off.set(HOUR + 4 * MINUTE)
        os.utime(f"{tmp_path}/real-full.spool/{waiting}", (clock.now() - 11 * MINUTE,) * 2)
        for name in real:
            real[name].stop()
            started.append(watch(name, off if name == "real-off" else clock))

        def named():
            return problems(bare)[0]

        wait_until(lambda: len(named()) == 6 and "spool" in named().get("real-full", []))
        assert named() == {"real-stopped": ["silent"], "sim-stopped-1": ["silent"], "sim-stopped-2": ["silent"],
                           "sim-full": ["spool"], "real-full": ["spool"], "real-off": ["clock"]}
        found = agents(bare)
        assert len(found) == 40 and found["real-healthy"]["problems"] == []
        assert found["real-healthy"]["command"] == f"watch {tmp_path}/real-healthy"
        assert abs(found["real-off"]["clock_offset_ms"] - HOUR * 1000) < 20000
        assert found["real-full"]["text"].startswith("1 event waits in its spool, the oldest for 11 min"), found["real-full"]
        text = run("sources", "--problems", "--data", bare.data, check=False).stdout
        assert all(name in text for name in named()) and "real-healthy" not in text, text
        # what is mended is no longer named
        simulate(["sim-stopped-1", "sim-stopped-2"])
        os.remove(f"{tmp_path}/real-full.spool/{waiting}")
        assert set(named()) == {"real-stopped", "sim-full", "real-full", "real-off"}
    finally:
        for process in started:
            if process.process.poll() is None:
                process.kill()


# ---- what agents report ----


def test_each_command_reports_once_it_has_sent(farm, clips, tmp_path):  # noqa: F811
    farm.environment["CODECMETER_AGENT"] = "node-7"
    assert farm.record(distinct(clips / "small.mp4", tmp_path / "a.mp4")).returncode == 0
    assert farm.command("run", "--", clips / "copy", clips / "small.mp4", tmp_path / "b.mp4").returncode == 0
    assert farm.command("flush", "--agent", "节点").returncode == 0
    (tmp_path / "out").mkdir()
    assert farm.command("watch", "--once", tmp_path / "out").returncode == 0
    assert farm.command("watch", "--dry-run", "--agent", "dry", tmp_path / "out").returncode == 0
    found = {(item["agent"], item["command"]) for item in listed(farm.server, kind="agent")}
    assert found == {("node-7", "record"), ("node-7", "run"), ("节点", "flush"), ("node-7", f"watch {tmp_path}/out")}
    assert all("interval_ms" not in item and item["problems"] == [] and item["version"] for item in listed(farm.server, kind="agent"))
    for name in ("", "x" * 65, "a\nb", " "):
        done = farm.command("flush", "--agent", name)
        assert done.returncode == 2 and "--agent" in done.stderr, done


def test_what_was_rejected_and_what_waits(farm, clips, tmp_path):  # noqa: F811
    put(farm, 1, data={"codec": "h264"})
    put(farm, 2, subject="org-none")
    assert farm.command("flush").returncode == 1
    item, = listed(farm.server, kind="agent")
    assert (item["spooled"], item["rejected"], item["problems"]) == (1, 1, ["rejected"])


def test_two_watches_of_one_machine_are_two_agents(farm, tmp_path):  # noqa: F811
    directories = [tmp_path / "a", tmp_path / "b", tmp_path / ("long" * 50)]
    watches = []
    try:
        for directory in directories:
            directory.mkdir()
            farm.environment["CODECMETER_SPOOL"] = str(directory) + ".spool"
            watches.append(Watch(farm, directory, log=str(tmp_path / directory.name[:4])))
        wait_until(lambda: len(listed(farm.server, kind="agent")) == 3)
        commands = sorted(item["command"] for item in listed(farm.server, kind="agent"))
        assert commands[:2] == [f"watch {directories[0]}", f"watch {directories[1]}"] and len(commands[2]) == 160, commands
        assert {item["interval_ms"] for item in listed(farm.server, kind="agent")} == {60000}
    finally:
        for watch in watches:
            watch.stop()


@pytest.mark.parametrize("answer", [404, 405, 400, 403, 429, 500, 503, "wait", "drop", "garbage"])
def test_a_report_that_fails_hinders_no_event(farm, clips, tmp_path, answer):  # noqa: F811
    with scripted("ok") as fake:
        fake.agents = answer
        done = farm.command("record", "--url", fake.url, distinct(clips / "small.mp4", tmp_path / "a.mp4"))
        assert done.returncode == 0 and "stored" in done.stdout and len(fake.bodies) == 1, done
        assert "will not be missed" not in done.stderr, done.stderr
        watch = Watch(farm, tmp_path, "--url", fake.url, "--existing", log=str(tmp_path) + "-log")
        watch.has("stored", 1)
        distinct(clips / "small.mp4", tmp_path / "b.mp4")
        watch.has("stored", 2)
        wait_until(lambda: len(fake.statuses) >= 2)
        watch.stop()
        assert ("will not be missed" in watch.complained()) == (answer in (400, 403, 429)), watch.complained()


def test_a_watch_reports_while_nothing_happens(farm, tmp_path):  # noqa: F811
    """At its start, and then once a minute; and never more often than every ten seconds, however much it sends."""
    with scripted("ok") as fake:
        fake.agents = 200
        watch = Watch(farm, tmp_path, "--url", fake.url, log=str(tmp_path) + "-log")
        wait_until(lambda: len(fake.statuses) == 1)
        begun = time.monotonic()
        wait_until(lambda: len(fake.statuses) == 2, 120)
        assert 50 < time.monotonic() - begun
        first, second = (json.loads(status) for status in fake.statuses)
        assert "clock_offset_ms" not in first and abs(second["clock_offset_ms"]) < 5000  # it measures with the first answer
        watch.stop()
