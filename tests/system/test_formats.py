"""A directory of every format that was ever written still opens: tests/data/formats holds one each, with what it answered
when it was made, by the version that wrote it. A new format adds a file here and removes none.
"""
import glob
import json
import os
import shutil
import tarfile

import pytest

from client import event
from conftest import ROOT, Account, Server, run
from log_file import append_blocks

ARCHIVES = sorted(glob.glob(os.path.join(ROOT, "tests/data/formats/*.tar.gz")))
SETTINGS = ("query.max_age=0", "query.max_span=0", "ingest.delta_max=20")
WINDOW = {"BeginTime": 1603987200, "EndTime": 1604851199}


def test_there_are_archives():
    assert ARCHIVES


@pytest.mark.parametrize("archive", ARCHIVES, ids=os.path.basename)
def test_opens(tmp_path, archive):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path)
    with open(tmp_path / "expected.json") as file:
        expected = json.load(file)
    server = Server(tmp_path / "data").start(*SETTINGS)
    try:
        for round in range(3):
            client = server.client(public_key="fixture-public", private_key="fixture-private", token=expected["token"])
            for project, table in expected["tables"].items():
                rows = {(row["Time"], row["VideoCodec"]): row for row in client.stat(ProjectId=project, **WINDOW)}
                for row in table["StatSet"]:
                    if row["TotalTime"] > 0:
                        assert rows.pop((row["Time"], row["VideoCodec"])) == row
                assert all(row["TotalTime"] == 0 for row in rows.values())
            again = client.report(expected["events"]).json()
            assert (again["duplicate"], again["stored"]) == (len(expected["events"]), 0)
            for names, data in expected.get("history", {}).items():
                project, source, id = json.loads(names)
                [shown] = server.admin("history", "--project", project, "--source", source, "--id", id)
                assert shown["data"] == data
            keys = {key["public_key"]: key for key in server.admin("key", "list")}
            assert keys["fixture-sub"]["disabled"] and not keys["fixture-public"].get("disabled")
            server.stop()
            if round == 0:
                run("rebuild", "--data", server.data)
            server.start()
    finally:
        server.stop()


@pytest.mark.parametrize("rebuilds", (False, True), ids=("applied", "rebuilt"))
@pytest.mark.parametrize("archive", ARCHIVES, ids=os.path.basename)
def test_a_log_that_repeats_itself(tmp_path, archive, rebuilds):
    """Every block of the last segment once more, in the format of that time: none of it counts again."""
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path)
    with open(tmp_path / "expected.json") as file:
        expected = json.load(file)
    data = tmp_path / "data"
    assert append_blocks(data, count=1000) > 0
    if rebuilds:
        run("rebuild", "--data", data)
    server = Server(data).start(*SETTINGS)
    try:
        client = server.client(public_key="fixture-public", private_key="fixture-private", token=expected["token"])
        for project, table in expected["tables"].items():
            rows = [row for row in client.stat(ProjectId=project, **WINDOW) if row["TotalTime"] > 0]
            assert sorted(rows, key=str) == sorted((row for row in table["StatSet"] if row["TotalTime"] > 0), key=str)
        again = client.report(expected["events"]).json()
        assert (again["duplicate"], again["stored"]) == (len(expected["events"]), 0)
        done = run("verify", "--data", data)
        assert "no differences" in done.stdout and "not counted: " in done.stdout, done.stdout
    finally:
        server.stop()


def log_of(data):
    return sorted(glob.glob(os.path.join(data, "log", "*.seg")))


def format_of(segment):
    with open(segment, "rb") as file:
        return int.from_bytes(file.read(12)[8:], "little")


def test_a_log_of_format_1_is_continued_and_never_rewritten(tmp_path):
    """The first record of this version begins a segment of format 2. Until then, nothing changes."""
    with tarfile.open(os.path.join(ROOT, "tests/data/formats/segment-1.run-1.totals-3.tar.gz")) as tar:
        tar.extractall(tmp_path)
    with open(tmp_path / "expected.json") as file:
        expected = json.load(file)
    before = {path: open(path, "rb").read() for path in log_of(tmp_path / "data")}
    server = Server(tmp_path / "data").start(*SETTINGS)
    client = server.client(token=expected["token"])
    assert client.report(expected["events"]).json()["stored"] == 0
    assert set(log_of(server.data)) == set(before), "repeats alone begin no segment"
    assert client.report(event("new", "2020-11-01T12:00:00Z", subject="org-a")).json()["stored"] == 1
    server.stop()
    [added] = set(log_of(server.data)) - set(before)
    assert format_of(added) == 2 and {format_of(path) for path in before} == {1}
    assert all(open(path, "rb").read() == content for path, content in before.items())


def test_killed_in_the_first_segment_of_format_2(tmp_path):
    """Wherever the first bytes of format 2 end: what was stored before is there, and what is sent again is stored once."""
    with tarfile.open(os.path.join(ROOT, "tests/data/formats/segment-2.run-1.totals-3.tar.gz")) as tar:
        tar.extractall(tmp_path)
    with open(tmp_path / "expected.json") as file:
        expected = json.load(file)
    last = log_of(tmp_path / "data")[-1]
    assert format_of(last) == 2 and format_of(log_of(tmp_path / "data")[-2]) == 1
    with open(last, "rb") as file:
        whole = file.read()
    shutil.rmtree(tmp_path / "data" / "derived")
    for cut in (0, 1, 11, 12, 63, 64, 65, 72, 111, 112, 120, 1000, 4000, len(whole) - 8, len(whole) - 1):
        at = tmp_path / f"cut-{cut}"
        shutil.copytree(tmp_path / "data", at)
        os.truncate(at / "log" / os.path.basename(last), cut)
        run("rebuild", "--data", at)
        server = Server(at).start(*SETTINGS)
        try:
            answer = server.client(token=expected["token"]).report(expected["events"]).json()
            assert answer["conflict"] == answer["rejected"] == 0 and answer["duplicate"] >= 169, (cut, answer)
            again = server.client(token=expected["token"]).report(expected["events"]).json()
            assert again["duplicate"] == len(expected["events"]), (cut, again)
        finally:
            server.stop()
        run("rebuild", "--data", at)
        run("verify", "--data", at)


def test_keys_that_could_write(tmp_path):
    """Keys of scope write and both, of before keys only read: `both` reads, as it did; `write` never read, and does not
    begin to until somebody enables it."""
    with tarfile.open(os.path.join(ROOT, "tests/data/formats/segment-1.run-1.totals-2.scopes.tar.gz")) as tar:
        tar.extractall(tmp_path)
    server = Server(tmp_path / "data").start(*SETTINGS)

    def asks(public_key):
        client = server.client(public_key=public_key, private_key="fixture-private")
        return client.call("GetCodecTotalStat", ProjectId="org-b", **WINDOW)["RetCode"]

    def disabled():
        return {key["public_key"] for key in server.admin("key", "list") if key["disabled"]}

    try:
        for verified in (False, True):
            assert [asks(f"fixture-{name}") for name in ("public", "both", "write", "write-sub", "late")] == [0, 0, 172, 172, 172]
            assert disabled() == {"fixture-sub", "fixture-write", "fixture-write-sub", "fixture-late"}
            done = run("verify", "--data", server.data, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            server.stop()
            if not verified:
                run("rebuild", "--data", server.data)
            server.start()
        for name in ("write", "write-sub"):
            assert server.admin("key", "enable", "--public-key", f"fixture-{name}")["disabled"] is False
            assert asks(f"fixture-{name}") == 0
        assert asks("fixture-late") == 172
        server.stop()
        run("rebuild", "--data", server.data)
        server.start()
        assert [asks(f"fixture-{name}") for name in ("both", "write", "write-sub", "late")] == [0, 0, 0, 172]
        assert disabled() == {"fixture-sub", "fixture-late"}
    finally:
        server.stop()


@pytest.mark.parametrize("setting, zone", [((), "Asia/Shanghai"), (("project.time_zone=Europe/Berlin",), "Europe/Berlin")])
def test_a_token_that_names_no_zone(tmp_path, setting, zone):
    """Made before tokens named the zone of the projects that they make: it goes on as it did, and serve says so; or the
    setting names the zone."""
    with tarfile.open(os.path.join(ROOT, "tests/data/formats/segment-1.run-1.totals-2.scopes.tar.gz")) as tar:
        tar.extractall(tmp_path)
    with open(tmp_path / "expected.json") as file:
        maker = json.load(file)["maker"]
    server = Server(tmp_path / "data").start(*SETTINGS, *setting)
    try:
        assert ("name no time zone" in server.log_text()) == (not setting)
        assert server.client(token=maker).report(event(1, subject="new")).status == 200
        zones = {project["id"]: project["time_zone"] for project in server.admin("project", "list")}
        assert zones == {"org-a": "Asia/Shanghai", "org-b": "America/New_York", "org-made": "Asia/Shanghai", "new": zone}
        for token in server.admin("token", "list"):
            server.admin("token", "revoke", "--id", token["id"])
        server.stop()
        warned = server.log_text().count("name no time zone")
        server.start()
        assert server.log_text().count("name no time zone") == warned
        run("verify", "--data", server.data)
    finally:
        server.stop()


def test_later_formats_are_refused_by_name(bare):
    """And nothing is changed: the file is as it was."""
    account = Account(bare, *SETTINGS)
    account.client.report([event(n, "2020-11-01T12:00:00Z") for n in range(50)])
    bare.stop()
    for pattern, word in (("derived/runs/*.run", "rebuild"), ("log/*.seg", "later codecmeter")):
        path = sorted(glob.glob(os.path.join(bare.data, pattern)))[0]
        with open(path, "rb") as file:
            before = file.read()
        changed = before[:8] + (99).to_bytes(4, "little") + before[12:]
        with open(path, "wb") as file:
            file.write(changed)
        done = run("serve", "--data", bare.data, "--listen", "127.0.0.1:0", check=False)
        assert done.returncode == 1 and "format 99" in done.stderr and word in done.stderr, done.stderr
        with open(path, "rb") as file:
            assert file.read() == changed
        with open(path, "wb") as file:
            file.write(before)
    bare.start()
