"""`codecmeter void`: what was stored counts no more, with a reason; and nobody is told that when it is not so."""
import shutil

import pytest

from client import event
from conftest import run
from media import clips, farm  # noqa: F401 (fixtures)
from scripted import scripted


@pytest.fixture
def desk(farm):
    """The farm, with a token of scope void for its project."""
    farm.void_token = farm.server.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    farm.report = lambda *ids, **attributes: farm.account.client.report(
        [event(id, seconds=10, **{"source": "file", **attributes}) for id in ids])
    return farm


def void(desk, *args, reason="wrong preset", **changes):
    environment = {**desk.environment, "CODECMETER_TOKEN": desk.void_token, **changes}
    return desk.command("void", *(("--reason", reason) if reason is not None else ()), *args, env=environment)


def seconds(desk):
    return sum(desk.totals().values())


def history(desk, source, id):
    return desk.server.admin("history", "--project", "org-a", "--source", source, "--id", id)


# ---- refused: nothing is voided ----


def test_wrong_use(desk):
    desk.report("a")
    for words, reason, args in (
            ("--reason is missing", None, ("a",)), ("--reason is empty", "", ("a",)), ("--reason is empty", " \t"[:1], ("a",)),
            ("ID is missing", "r", ()), ("ID is missing", "r", ("--",)), ("an ID is empty", "r", ("a", "")),
            ("longer than 256 bytes", "r", ("x" * 257,)), ("longer than 1024 bytes", "r" * 1025, ("a",)),
            ("--source is longer", "r", ("--source", "s" * 257, "a")), ("--source is empty", "r", ("--source", "", "a")),
            ("--actor is longer", "r", ("--actor", "s" * 257, "a")), ("control characters", "one\ntwo", ("a",)),
            ("UTF-8", "r", (b"a\xff",)), ("control characters", "r", ("a", "b\x1b[2J")),
            ("unknown option", "r", ("--sorce", "x", "a")), ("-nope", "r", ("-nope",))):
        done = void(desk, *args, reason=reason)
        assert done.returncode == 2 and words in done.stderr and done.stdout == "", (args, done)
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr, done
    assert seconds(desk) == 10


def test_what_the_server_refuses(desk):
    other = desk.server.admin("project", "create", "--id", "org-b")
    assert other is not None
    tokens = {name: desk.server.admin("token", "create", *args)["token"] for name, args in {
        "write": ("--project", "org-a"), "read": ("--project", "org-a", "--scope", "read"),
        "b": ("--project", "org-b", "--scope", "void"), "all": ("--scope", "void")}.items()}
    desk.report("a")
    desk.report("b", source="farm-7")
    for words, args, changes in (
            (("no record has this source and id", "spool status"), ("none",), {}),
            (("no record has this source and id", "--source"), ("b",), {}),
            (("no record has this source and id",), ("--source", "farm-7", "a"), {}),
            (("no record has this source and id",), ("--source", "FILE", "a"), {}),
            (("no record has this source and id",), (" a",), {}),
            (("scope void", "token create"), ("a",), {"CODECMETER_TOKEN": tokens["write"]}),
            (("403", "scope is read"), ("a",), {"CODECMETER_TOKEN": tokens["read"]}),
            (("401",), ("a",), {"CODECMETER_TOKEN": "cm_wrong"}),
            (("another project",), ("a",), {"CODECMETER_TOKEN": tokens["b"]}),
            (("no record has this source and id",), ("a",), {"CODECMETER_TOKEN": tokens["b"], "CODECMETER_PROJECT": "org-b"}),
            (("another project",), ("--project", "org-b", "a"), {}),
            (("no project has this id",), ("--project", "org-none", "a"), {"CODECMETER_TOKEN": tokens["all"]}),
            (("--project",), ("a",), {"CODECMETER_TOKEN": tokens["all"], "CODECMETER_PROJECT": ""})):
        done = void(desk, *args, **changes)
        assert done.returncode == 1 and done.stdout == "", (args, changes, done)
        assert all(word in done.stderr for word in (*words, "not voided")), (words, done)
        assert done.stderr.count("\n") == 1, done
    assert seconds(desk) == 20
    done = desk.command("void", "--reason", "r", "a", env={name: value for name, value in desk.environment.items() if name != "CODECMETER_TOKEN"})
    assert done.returncode == 2 and "--token" in done.stderr, done
    assert seconds(desk) == 20


def test_a_server_that_is_away(desk, tmp_path):
    desk.report("a", "b")
    spool = tmp_path / "spool"
    for url, words in (("http://127.0.0.1:1", "127.0.0.1:1"), ("nonsense", "nonsense")):
        done = void(desk, "a", "b", CODECMETER_URL=url, CODECMETER_SPOOL=str(spool))
        assert done.returncode == 1 and done.stdout == "" and words in done.stderr, done
        assert "a and the ids after it (1) are not voided" in done.stderr and "again" in done.stderr, done
    for script in (("drop",), (503,)):
        with scripted(*script) as fake:
            done = void(desk, "a", CODECMETER_URL=fake.url, CODECMETER_SPOOL=str(spool))
        assert done.returncode == 1 and "a is not voided" in done.stderr and done.stdout == "", done
        assert len(fake.bodies) > 1, "it is tried again"
    assert not spool.exists() and seconds(desk) == 20, "a void never waits"
    with scripted(desk.server.url, "drop") as fake:  # one is stored; the answer about the other is lost
        done = void(desk, "a", "b", CODECMETER_URL=fake.url)
    assert done.returncode == 1 and done.stdout == "file a: voided, it counts no more\n" and "b is not voided" in done.stderr
    assert seconds(desk) == 10


# ---- voided ----


def test_once_and_again(desk):
    desk.report("a", "b")
    done = void(desk, "a")
    assert done.returncode == 0 and done.stdout == "file a: voided, it counts no more\n", done
    assert "--id" in done.stderr and "duplicate" in done.stderr and done.stderr.count("\n") == 1
    assert seconds(desk) == 10
    for reason in ("wrong preset", "another reason"):
        done = void(desk, "a", reason=reason)
        assert done.returncode == 0 and done.stdout == "file a: already voided, nothing changed\n", done
    assert seconds(desk) == 10
    [record] = history(desk, "file", "a")
    kept = record["voided"]
    assert kept["data"]["reason"] == "wrong preset" and "@" in kept["data"]["actor"] and kept["token"]
    assert len(kept["id"]) <= 256 and kept["source"] == "codecmeter-void"
    assert desk.report("a").json()["duplicate"] == 1 and seconds(desk) == 10, "the id stays in use"
    for _ in range(2):
        desk.server.stop()
        desk.server.start()
        assert seconds(desk) == 10
        assert void(desk, "a").stdout.endswith("already voided, nothing changed\n")


def test_what_was_voided_by_another_way(desk):
    desk.report("a")
    desk.account.client.report({"specversion": "1.0", "type": "usage.voided", "source": "corrections", "id": "1",
                                "data": {"source": "file", "id": "a"}}, token=desk.void_token)
    done = void(desk, "a")
    assert done.returncode == 0 and done.stdout == "file a: already voided, nothing changed\n", done
    made = void(desk, "--source", "corrections", "1")
    assert made.returncode == 1 and "itself a void" in made.stderr, made


def test_several_ids(desk):
    long = "x" * 256
    ids = ["-dash", "--reason", "a b", "名前/720p", long, "a/b"]
    desk.report(*ids)
    desk.report("a/b", source="x")
    done = void(desk, "--", *ids, "none", "-dash")
    assert done.returncode == 1 and "none is not voided" in done.stderr, done
    assert done.stdout.splitlines() == [*(f"file {id}: voided, it counts no more" for id in ids),
                                        "file -dash: already voided, nothing changed"]
    assert seconds(desk) == 10, "that of another source counts"
    done = void(desk, "--source", "x", "--actor", "Ann", "-q", "a/b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and seconds(desk) == 0
    assert history(desk, "x", "a/b")[0]["voided"]["data"]["actor"] == "Ann"


def test_sources_and_ids_are_not_mixed_up(desk):
    """a + bc is not ab + c."""
    desk.report("bc", source="a")
    desk.report("c", source="ab")
    assert void(desk, "--source", "a", "bc").returncode == 0 and seconds(desk) == 10
    assert void(desk, "--source", "ab", "c").stdout == "ab c: voided, it counts no more\n" and seconds(desk) == 0


def test_a_file_that_is_recorded_again(desk, clips, tmp_path):
    clip = tmp_path / "clip.mp4"
    shutil.copy(clips / "small.mp4", clip)
    assert desk.command("record", "--id", "job-1", clip).returncode == 0 and seconds(desk) == 2
    assert void(desk, "job-1").returncode == 0 and seconds(desk) == 0
    assert "duplicate" in desk.command("record", "--id", "job-1", clip).stdout and seconds(desk) == 0
    assert "stored" in desk.command("record", "--id", "job-1-again", clip).stdout and seconds(desk) == 2


def test_a_token_for_every_project(desk):
    token = desk.server.admin("token", "create", "--scope", "void")["token"]
    desk.server.admin("project", "create", "--id", "org-b")
    for project in ("org-a", "org-b"):
        assert desk.account.client.report([event("a", seconds=10, source="file", subject=project)], token=token).json()["stored"] == 1
    done = void(desk, "--project", "org-b", "a", CODECMETER_TOKEN=token)
    assert done.returncode == 0 and seconds(desk) == 10, done
    env = desk.server.data + ".env"
    with open(env, "w") as file:
        file.write(f"CODECMETER_URL={desk.server.url}\nCODECMETER_TOKEN={token}\nCODECMETER_PROJECT=org-a\n")
    done = run("void", "--env", env, "--reason", "r", "a")
    assert done.stdout == "file a: voided, it counts no more\n" and seconds(desk) == 0
