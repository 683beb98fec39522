"""docs/v1-usage.md says what /v1/usage does: its commands run, its examples and tables are what the server answers."""
import csv
import json
import re

import pytest

from client import event
from test_docs import blocks, names, read, shell, table

PAGE = "docs/v1-usage.md"


@pytest.fixture
def server(bare):
    """With the tasks of the examples."""
    bare.start()
    bare.admin("project", "create", "--id", "org-acme", "--time-zone", "Asia/Shanghai")
    write = bare.admin("token", "create", "--project", "org-acme")["token"]
    made = [event("1", "2026-10-01T00:00:00Z", 61.4, 1280, 720), event("2", "2026-10-31T15:59:59.999Z", 120, 1280, 720),
            event("3", "2026-10-31T16:00:00Z", 1, 1280, 720),
            event("4", "2026-10-02T00:00:00Z", type="snapshot.finished", data={"image_count": 12})]
    assert bare.client().report(made, token=write).json()["stored"] == 4
    bare.read = bare.admin("token", "create", "--scope", "read")["token"]
    bare.get = lambda query: bare.client().request("GET", "/v1/usage?" + query, headers={"Authorization": f"Bearer {bare.read}"})
    return bare


def test_every_command(server, tmp_path):
    env = {"CODECMETER_URL": server.url, "CODECMETER_READ_TOKEN": server.read}
    commands, [shown] = blocks(read(PAGE), "sh"), [json.loads(block) for block in blocks(read(PAGE), "json")]
    printed = [shell(command, tmp_path, **env) for command in commands]
    answer = json.loads(printed[0])
    position = answer["position"]
    assert {**answer, "position": 0} == {**shown, "position": 0} and len(printed) == 3
    again = server.get(f"month=2026-10&group=project,tier&as_of={position}").json()
    assert (again["rows"], again["answered_from"]) == (shown["rows"], "records")
    with open(tmp_path / "tasks.csv", encoding="utf-8-sig", newline="") as file:
        assert sum(int(row["seconds"]) for row in csv.DictReader(file)) == shown["rows"][0]["seconds"]
    with open(tmp_path / "usage.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["seconds"]) for row in rows) == 181 and len(rows) == 62 and rows[0]["previous_start"] != ""


def test_parameters_are_those_that_the_server_takes(server):
    detail = server.get("colour=red").json()["detail"]
    assert names(table(read(PAGE), "parameter")) == detail.split("there are ")[1].split(", ")


def test_fields_are_those_that_the_server_gives(server):
    group = "project,codec,tier,resolution,frame_rate,source,label.,kind"
    row = server.get(f"month=2026-10&compare=previous&group={group.replace('label.', 'label.team')}").json()["rows"][0]
    assert [name.replace("label.team", "label.") for name in row] == names(table(read(PAGE), "field"))


def test_bounds(server):
    """As the page says them."""
    shown = {row[0] for row in table(read(PAGE), "bound")}
    assert {"500000 rows", "500000 steps", "20000000 tasks", "32 MiB"} <= shown
    steps = server.get("from=1990-01-01&to=2020-01-01&step=15m")
    assert steps.status == 400 and "500000 steps" in steps.json()["detail"]
    assert server.get("month=2026-10&group=" + ",".join(f"label.l{n}" for n in range(11))).status == 200
    assert server.get("month=2026-10&group=" + ",".join(f"label.l{n}" for n in range(12))).status == 400
    assert server.get("month=2026-10&" + "&".join(f"source=s{n}" for n in range(64))).status == 200
    assert server.get("month=2026-10&" + "&".join(f"source=s{n}" for n in range(65))).status == 400
