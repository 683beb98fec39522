"""Agents that lose nothing: the spool and `flush`, beside a server that comes and goes."""
import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import time

from client import event
from media import clips, farm  # noqa: F401 (fixtures)


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
    open(farm.spool + "/lock", "a").close()
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


def low(seconds):
    return {("h264", "Low"): seconds}


# ---- the spool ----


def test_down_then_up(farm, clips, tmp_path):
    """What run and record could not send waits, and is counted once when it is sent, by whatever way."""
    out, failed, other, third = (tmp_path / name for name in ("out.mp4", "failed.mp4", "other.mp4", "third.mp4"))
    for path in (other, third):
        shutil.copy(clips / "small.mp4", path)
    listen = address(farm)
    farm.server.stop()
    runs = [farm.start("run", "--output", out, "--", "cp", clips / "small.mp4", out),
            farm.start("run", "--output", failed, "--", "sh", "-c", "exit 9"), farm.start("record", other, third)]
    (done, bad, recorded) = [(*process.communicate(timeout=30), process.returncode) for process in runs]
    assert done[0] == "" and done[2] == 0 and "out.mp4: h264 640x360 2.000 s, spooled" in done[1], done
    assert "codecmeter flush" in done[1] and done[1].count("\n") == 1, done
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
    env.write_text(f"CODECMETER_SPOOL={tmp_path}/elsewhere\n")
    environment = {name: value for name, value in farm.environment.items() if name != "CODECMETER_SPOOL"}
    farm.command("record", clips / "small.mp4", "--token", "cm_wrong", "--env", env, env=environment)
    assert len(list((tmp_path / "elsewhere").glob("*.event"))) == 1


def test_two_flushes(farm):
    for number in range(300):
        put(farm, number)
    both = [farm.start("flush", "--json") for _ in range(2)]
    sums = [json.loads(process.communicate(timeout=30)[0]) for process in both]
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


def test_a_wrong_token_keeps_them(farm):
    put(farm, 1)
    done = flush(farm, "--token", "cm_wrong")
    assert done.returncode == 1 and "401" in done.stderr and "left 1" in done.stdout, done
    assert len(spooled(farm)) == 1 and not os.path.exists(farm.spool + "/rejected")
    assert flush(farm).returncode == 0


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
    os.mkdir(f"{farm.spool}/directory")
    cut = f"{farm.spool}/.{put(farm, 5)}.1234"
    open(cut, "w").close()
    os.utime(cut, (1, 1))
    done = flush(farm)
    assert done.returncode == 0 and done.stdout == "sent 2, duplicate 0, rejected 6, left 0\n", done
    notes, names = rejected(farm)
    outcomes = sorted(note["outcome"] for note in notes)
    assert outcomes == ["conflict", "rejected", "unreadable", "unreadable", "unreadable", "unreadable"], notes
    for note in notes:
        assert note["reason"] and note["time"].endswith("Z"), note
        assert (note["event"] is None) == (note["outcome"] == "unreadable") and ("file" in note) == (note["event"] is None)
        assert "file" not in note or note["file"] in names, (note, names)
    assert text in [open(f"{farm.spool}/rejected/{note['file']}").read() for note in notes if "file" in note
                    and os.path.isfile(f"{farm.spool}/rejected/{note['file']}")]
    assert next(note for note in notes if note["outcome"] == "conflict")["event"]["id"] == twice["id"]


def test_where_it_cannot_be_kept(farm, clips, tmp_path):
    """No spool, no room in it, or somebody's files: the event stands on standard output, as without one."""
    full, theirs = tmp_path / "full", tmp_path / "theirs"
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
        assert "nor can it be kept" in done.stderr and "401" in done.stderr, done
    assert os.listdir(theirs) == ["letter.txt"] and os.listdir(full) in (["lock"], [])
    done = flush(farm, "--spool", theirs)
    assert done.returncode == 1 and "no spool" in done.stderr and os.listdir(theirs) == ["letter.txt"], done
