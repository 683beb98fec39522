"""A directory of every format that was ever written still opens: tests/data/formats holds one each, with what it answered
when it was made, by the version that wrote it. A new format adds a file here and removes none.
"""
import glob
import json
import os
import tarfile

import pytest

from client import event
from conftest import ROOT, Account, Server, run

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
            keys = {key["public_key"]: key for key in server.admin("key", "list")}
            assert keys["fixture-sub"]["disabled"] and not keys["fixture-public"].get("disabled")
            server.stop()
            if round == 0:
                run("rebuild", "--data", server.data)
            server.start()
    finally:
        server.stop()


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
