"""Labels from `record`, `run` and `watch` to `history`: each way that an event may take keeps them as they were given."""
import json
import os
import shlex
import shutil

import pytest

from conftest import wait_until
from scripted import scripted
from media import clips, distinct, farm  # noqa: F401 (fixtures)
from test_agents import flush, gated, has_ended, intents, kill, rejected, spooled, watched  # noqa: F401 (fixtures)
from test_watch_trees import append_ts

NEWS = ("--label", "team=news", "--label", "show=Tagesschau 20:00=live")
AS_NEWS = {"team": "news", "show": "Tagesschau 20:00=live"}
X64 = "x" * 64
EIGHT = [word for n in range(8) for word in ("--label", f"l{n}=v")]


def shown(farm, id, source="file", project="org-a"):
    [item] = farm.server.admin("history", project, source, id)
    return item


def ids(text):
    return [line.split(", id ")[1].split()[0].rstrip(":") for line in text.splitlines() if ", id " in line]


def labels(farm, text, **where):
    """Of each output that a command printed."""
    return [shown(farm, id, **where)["data"].get("labels") for id in ids(text)]


REFUSED = (
    ("has no value", ("team",)), ("is empty", ("",)), ("has no value", ("team news",)), ("a name must be", ("=news",)),
    ("a name must be", ("Team=news",)), ("a name must be", ("1team=news",)), ("a name must be", ("te-am=news",)),
    ("a name must be", (" team=news",)), ("a name must be", ("täm=news",)), ("a name must be", ("t" * 33 + "=news",)),
    ("its value is empty", ("team=",)), ("its value is longer than 64 bytes", (f"team={X64}x",)),
    ("its value contains a control character", ("team=a\nb",)), ("its value contains a control character", ("team=\x7f",)),
    ("its value is not UTF-8", (b"team=caf\xe9",)), ("its value is not UTF-8", (b"team=\xed\xa0\x80",)),
    ("the name team is given twice", ("team=a", "show=b", "team=a")),
    ("more than 8 times", [f"l{n}=v" for n in range(9)]))


@pytest.mark.parametrize("command", ["record", "run", "watch"])
def test_labels_that_are_refused(farm, clips, tmp_path, command):
    """At the start: nothing is measured, and no command runs."""
    out = tmp_path / "out.mp4"
    rest = {"record": (clips / "small.mp4",), "run": ("--", "cp", clips / "small.mp4", out), "watch": ("--once", tmp_path)}[command]
    for why, given in REFUSED:
        words = [word for label in given for word in ("--label", label)]
        done = farm.command(command, *words, *rest, text=False)
        assert done.returncode == 2 and why in done.stderr.decode() and done.stdout == b"", (given, done)
    assert not out.exists() and farm.totals() == {}


@pytest.mark.parametrize("given, kept", (
    ((), None), (NEWS, AS_NEWS), (("--label", f"a={X64}", "--label", "b= ", "--label=c=新闻"), {"a": X64, "b": " ", "c": "新闻"}),
    (EIGHT, {f"l{n}": "v" for n in range(8)}), (("--label", 'q="\\', "--label", "t" * 32 + "=x"), {"q": '"\\', "t" * 32: "x"})))
def test_labels_that_are_kept(farm, clips, tmp_path, given, kept):
    """By each agent, of finished and of failed tasks."""
    out = tmp_path / "w"
    out.mkdir()
    distinct(clips / "small.mp4", tmp_path / "a.mp4")
    distinct(clips / "small.mp4", out / "c.mp4")
    done = farm.command("record", *given, tmp_path / "a.mp4")
    assert labels(farm, done.stdout) == [kept], done
    done = farm.command("run", *given, "--", clips / "copy", clips / "small.mp4", tmp_path / "b.mp4")
    assert labels(farm, done.stderr) == [kept], done
    done = farm.command("run", *given, "--id", "bad", "--output", tmp_path / "no.mp4", "--", "sh", "-c", "exit 3")
    [id] = ids(done.stderr)
    assert done.returncode == 3 and shown(farm, id)["type"] == "transcode.failed" and labels(farm, done.stderr) == [kept], done
    done = farm.command("watch", "--once", "--existing", "--settle", "0", *given, out)
    assert labels(farm, done.stdout) == [kept], done


def test_the_first_labels_stay(farm, clips, tmp_path):
    """Labels are not compared: the same output with others is a duplicate."""
    out = distinct(clips / "small.mp4", tmp_path / "a.mp4")
    done = farm.command("record", *NEWS, out)
    for again in (("--label", "team=sports"), ()):
        assert "duplicate" in farm.command("record", *again, out).stdout
    assert labels(farm, done.stdout) == [AS_NEWS]
    bare = distinct(clips / "small.mp4", tmp_path / "b.mp4")
    done = farm.record(bare)
    assert "duplicate" in farm.command("record", *NEWS, bare).stdout and labels(farm, done.stdout) == [None]


@pytest.mark.parametrize("agent", ["record", "run", "watch"])
def test_labels_in_the_spool(farm, clips, tmp_path, agent):
    out = tmp_path / "w" / "a.mp4"
    out.parent.mkdir()
    farm.server.stop()
    if agent != "run":
        distinct(clips / "small.mp4", out)
    words = {"record": ("record", *NEWS, out), "run": ("run", *NEWS, "--", clips / "copy", clips / "small.mp4", out),
             "watch": ("watch", "--once", "--existing", "--settle", "0", *NEWS, out.parent)}[agent]
    done = farm.command(*words)
    assert done.returncode == 0 and "spooled" in done.stdout + done.stderr, done
    farm.server.start(listen=farm.server.url.removeprefix("http://"))
    assert flush(farm).stdout.startswith("sent 1,") and labels(farm, done.stdout + done.stderr) == [AS_NEWS]


# ---- runs that are killed ----


def test_a_run_that_is_killed_before_its_command_ends(farm, clips, tmp_path, gated):
    out = tmp_path / "out.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}", out, options=NEWS)
    [note] = intents(farm)
    first = json.loads(open(f"{farm.spool}/{note}").readline())
    assert first["intent"] == 4 and first["as"] == {"labels": AS_NEWS}, "an older agent must not settle it without them"
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    assert flush(farm).stdout == "sent 1, duplicate 0, rejected 0, left 0\n" and intents(farm) == []
    again = farm.command("record", "--label", "team=other", out)
    assert "duplicate" in again.stdout and labels(farm, again.stdout) == [AS_NEWS], again


@pytest.mark.parametrize("status", [0, 9])
def test_a_run_that_is_killed_before_it_reports(farm, clips, tmp_path, status):
    """The next agent makes the events that the run has sent, byte for byte."""
    out = tmp_path / "out.mp4"
    with scripted("wait") as fake:
        process = farm.start("run", *NEWS, "--id-prefix", "job", "--frame-rate", "25", "--url", fake.url, "--output", out, "--", "sh", "-c",
                             f"{clips}/copy {clips}/small.mp4 {out}; exit {status}")
        wait_until(lambda: fake.bodies)
        kill(process)
        body = fake.bodies[0]
    flush(farm)
    [name] = spooled(farm)
    event = open(f"{farm.spool}/{name}", "rb").readline()
    assert event.strip() == body.strip() and json.loads(event)["data"]["labels"] == AS_NEWS


@pytest.mark.parametrize("wrong", ["team=news", [], ["team"], {"team": 1}, {"team": ""}, {"Team": "x"}, {"team": X64 + "x"}, {"team": "a\n"},
                                    {f"l{n}": "v" for n in range(9)}, None])
def test_a_note_whose_labels_are_none(farm, clips, tmp_path, gated, wrong):
    """It is moved aside, and no event is made without its labels."""
    out = tmp_path / "out.mp4"
    process = gated(f"{clips}/copy {clips}/small.mp4 {out}", out, options=NEWS)
    kill(process)
    process.go()
    wait_until(lambda: has_ended(process.command_pid))
    [note] = intents(farm)
    first, rest = open(f"{farm.spool}/{note}").read().split("\n", 1)
    first = json.loads(first)
    first["as"]["labels"] = wrong
    with open(f"{farm.spool}/{note}", "w") as file:
        file.write(json.dumps(first) + "\n" + rest)
    flush(farm)
    [reason], _ = rejected(farm)
    assert reason["outcome"] == "unreadable" and intents(farm) == spooled(farm) == [] and farm.totals() == {}


# ---- watch ----


WRONG = (
    ("--label team=… and {label.team}", ("--path", "{label.team}/{name}", "--label", "team=a")),
    ("{label.Team}: the name of a label", ("--path", "{label.Team}/{name}")),
    ("{label.}: the name of a label", ("--path", "{label.}/{name}")),
    ("{label} is not a field", ("--path", "{label}/{name}")), ("{labels.a} is not a field", ("--path", "{labels.a}/{name}")),
    ("a field twice", ("--path", "{label.a}/{label.b}/{label.a}.mp4")),
    ("give 9 labels", ("--path", "{label.a}/{name}", *EIGHT)))


def test_wrong_patterns_of_labels(farm, watched):
    for why, options in WRONG:
        done = farm.command("watch", "--once", *options, watched.directory)
        assert done.returncode == 2 and why in done.stderr and done.stdout == "", done


def test_labels_by_directories(farm, clips, watched):
    """Of the path, and those of the command line beside them."""
    out = watched.directory
    for name in ("news/tonight/a.mp4", "sports/客 1/b.mp4"):
        (out / name).parent.mkdir(parents=True)
    watch = watched(out, "--path", "{label.team}/{label.show}/{task_id}.mp4", "--label", "site=berlin", "--label", "z=1")
    for count, (name, kept) in enumerate((("news/tonight/a.mp4", {"team": "news", "show": "tonight"}),
                                          ("sports/客 1/b.mp4", {"team": "sports", "show": "客 1"})), 1):
        distinct(clips / "small.mp4", out / name)
        watch.has("stored", count)
        [id] = ids(watch.said().splitlines()[-1])
        data = shown(farm, id)["data"]
        assert data["labels"] == {**kept, "site": "berlin", "z": "1"} and data["task_id"] == name[-5], data
    watch.stop()
    assert watch.complained() == ""


def test_paths_that_give_no_label(farm, clips, watched):
    """They are reported and not recorded, never with another label; a corrected pattern gets them."""
    out = watched.directory
    for name in (b"long" + b"x" * 61, b"caf\xe9", b"a\x01b", b"a-b-c", "ok-é".encode()):
        directory = os.path.join(os.fsencode(out), name)
        os.mkdir(directory)
        distinct(clips / "small.mp4", os.path.join(directory, b"a.mp4"))
    (out / "ok-b" / "deep").mkdir(parents=True)
    distinct(clips / "small.mp4", out / "ok-b" / "deep" / "a.mp4")
    once = ("watch", "--once", "--settle", "0", "--existing")
    done = farm.command(*once, "--path", "{label.team}/{name}", out)
    assert done.returncode == 1 and done.stdout.count("stored") == 2 and done.stderr.count("not recorded: ") == 4, done
    for why in ("its label.team 'longxxx", "is longer than 64 bytes; rename the directory", "its label.team 'caf\\xe9' is not UTF-8",
                "its label.team 'a\\x01b' contains a control character", "it does not match --path"):
        assert why in done.stderr, (why, done.stderr)
    done = farm.command(*once, "--path", "{label.team}-{*}/**/{name}", out)
    assert done.returncode == 1 and done.stdout.count("stored") == 1 and "it does not match" in done.stderr, done
    assert labels(farm, done.stdout) == [{"team": "ok"}], done
    done = farm.command(*once, "--path", "**/{task_id}.mp4", "--label", "team=rest", out)
    assert done.returncode == 0 and labels(farm, done.stdout) == [{"team": "rest"}] * 3, done


def test_a_path_with_two_labels_at_once(farm, clips, watched):
    (watched.directory / "a-b-c").mkdir()
    distinct(clips / "small.mp4", watched.directory / "a-b-c" / "a.mp4")
    done = farm.command("watch", "--once", "--settle", "0", "--existing", "--path", "{label.team}-{*}/{name}", watched.directory)
    assert done.returncode == 1 and "{label.team} may be 'a' or 'a-b'" in done.stderr and farm.totals() == {}, done


def test_a_dry_run_shows_labels(farm, clips, watched):
    (watched.directory / "news").mkdir()
    distinct(clips / "small.mp4", watched.directory / "news" / "a.mp4")
    done = farm.command("watch", "--dry-run", "--existing", "--settle", "0", "--path", "{label.team}/{name}", "--label", "show=a b", watched.directory)
    assert ", would be recorded, project org-a, label show=a b, label team=news, id 1:" in done.stdout, done


def test_an_output_that_goes_on(farm, watched):
    """The command that counts it as it is now gives it the labels that `watch` would give."""
    out = watched.directory
    (out / "news").mkdir()
    options = ("--include", "*.ts", "--path", "{label.team}/{name}", "--label", "show=it's 8")
    watch = watched(out, *options)
    append_ts(out / "news" / "a.ts", 3)
    watch.has("stored", 1)
    append_ts(out / "news" / "a.ts", 4)
    wait_until(lambda: "it continues what was recorded already" in watch.complained())
    watch.stop()
    words = shlex.split(watch.complained().rsplit("then `", 1)[1].split("`")[0])
    assert [words[at + 1] for at, word in enumerate(words) if word == "--label"] == ["show=it's 8", "team=news"], words
    done = farm.command(*words[1:])
    assert labels(farm, done.stdout) == [{"team": "news", "show": "it's 8"}], done


def test_a_renamed_file_keeps_its_labels(farm, clips, watched):
    out = watched.directory
    (out / "news").mkdir()
    (out / "sports").mkdir()
    watch = watched(out, "--path", "{label.team}/{name}")
    distinct(clips / "small.mp4", out / "news" / "a.mp4")
    watch.has("stored", 1)
    [id] = ids(watch.said())
    os.rename(out / "news" / "a.mp4", out / "sports" / "a.mp4")
    watch.has("not recorded again", 1)
    watch.stop()
    assert shown(farm, id)["data"]["labels"] == {"team": "news"} and farm.totals() == {("h264", "Low"): 2}


def test_labels_that_are_corrected_while_the_project_is_unknown(farm, clips, watched):
    """The last ones count; an event of the same output for another project stays."""
    out = watched.directory
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]
    for name in ("new/a.mp4", "other/a.mp4"):
        (out / name).parent.mkdir()
    distinct(clips / "small.mp4", out / "new" / "a.mp4")
    shutil.copy2(out / "new" / "a.mp4", out / "other" / "a.mp4")
    once = ("watch", "--once", "--settle", "0", "--existing", "--path", "{project}/{name}")
    for label in ("team=nwes", "team=news", "team=news", "team=knews", "team=news"):
        done = farm.command(*once, "--label", label, out)
        assert done.returncode == 1 and done.stdout == "" and len(spooled(farm)) == 2, (label, done)
        events = [json.loads(open(f"{farm.spool}/{name}").readline()) for name in spooled(farm)]
        assert sorted((made["subject"], made["data"]["labels"]["team"]) for made in events) == [("new", label[5:]), ("other", label[5:])]
    for project in ("new", "other"):
        farm.server.admin("project", "create", project)
    assert flush(farm).stdout.startswith("sent 2,")
    for made in events:
        assert shown(farm, made["id"], project=made["subject"])["data"]["labels"] == {"team": "news"}


# ---- what history shows ----


def test_history_shows_measures_and_labels(farm, clips, tmp_path):
    """For people: all that prices may depend on, the name of the codec as it came, and who reported it."""
    c = farm.account.client
    made = {"specversion": "1.0", "source": "farm", "id": "1", "type": "transcode.finished", "time": "2026-01-31T12:00:00Z",
            "data": {"codec": "libx264", "width": 1280, "height": 720, "duration_ms": 20033, "frame_rate": "30000/1001", "quality": "hq",
                     "region": "eu-west-1", "passes": 2, "input_duration_ms": 61000, "labels": {"team": "news", "show": "a=b"}}}
    sound = {**made, "id": "2", "type": "audio.finished", "data": {"codec": "aac", "duration_ms": 1500, "frame_rate": 25}}
    plain = {**made, "id": "3", "data": {"codec": "h264", "width": 640, "height": 360, "duration_ms": 0, "frame_rate": 12.5}}
    assert c.report([made, sound, plain]).json()["stored"] == 3

    def lines(id):
        text = farm.command("history", "org-a", "farm", id, "--data", farm.server.data).stdout
        return [" ".join(line.split()) for line in text.splitlines()]

    told = lines("1")
    token = shown(farm, "1", source="farm")["token"]
    assert told[0] == "transcode.finished h264 1280x720 20.033 s medium"
    for line in ("codec reported as libx264", "frame rate 29.970 (30000/1001)", "quality hq", "region eu-west-1", "passes 2", "input 61.000 s",
                 "labels show=a=b", "team=news", f"token {token}"):
        assert line in told, (line, told)
    assert lines("2")[0] == "audio.finished aac 1.500 s" and not any("frame rate" in line or "codec" in line for line in lines("2")[1:])
    assert "frame rate 12.5" in lines("3") and not any("labels" in line or "input" in line for line in lines("3"))
