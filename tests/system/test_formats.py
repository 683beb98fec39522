"""A directory of every format that was ever written still opens: tests/data/formats holds one each, with what it answered
when it was made, by the version that wrote it. A new format adds a file here and removes none.
"""
import glob
import json
import os
import tarfile

import pytest

from conftest import ROOT, Server, run

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
