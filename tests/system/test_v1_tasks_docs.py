"""docs/v1-tasks.md says what /v1/tasks does: its commands run, its examples and tables are what the server answers."""
import csv
import io
import json
import re

import pytest

from client import event
from test_docs import blocks, names, read, shell, table

PAGE = "docs/v1-tasks.md"


@pytest.fixture
def server(bare):
    """With the task of the examples."""
    bare.start()
    bare.admin("project", "create", "--id", "org-acme", "--time-zone", "Asia/Shanghai")
    write = bare.admin("token", "create", "--project", "org-acme", "--label", "farm 7")["token"]
    data = {"task_id": "job-4711", "labels": {"team": "news"}, "frame_rate": 29.97, "format": "mp4"}
    made = event("job-4711/720p", "2026-10-31T15:40:09.500Z", 20.033, 1280, 720, "libx264", "farm-7")
    other = event("job-4710/720p", "2026-10-31T15:40:08Z", 1, 1280, 720, "libx264", "farm-7")
    made["data"].update(data)
    assert bare.client().report([other, made], token=write).json()["stored"] == 2
    bare.read = bare.admin("token", "create", "--scope", "read", "--project", "org-acme")["token"]
    bare.get = lambda path: bare.client().request("GET", path, headers={"Authorization": f"Bearer {bare.read}"})
    return bare


VARYING = {"position", "arrived", "stored", "token", "next_cursor"}


def steady(value):
    """Without what differs from server to server."""
    if isinstance(value, list):
        return [steady(item) for item in value]
    if not isinstance(value, dict):
        return re.sub(r"token \w+|arrived at 20\S+", "", value) if isinstance(value, str) else value
    return {name: name if name in VARYING else steady(item) for name, item in value.items()}


def test_every_command(server, tmp_path):
    env = {"CODECMETER_URL": server.url, "CODECMETER_READ_TOKEN": server.read}
    commands, shown = blocks(read(PAGE), "sh"), [json.loads(block) for block in blocks(read(PAGE), "json")]
    printed = [shell(command, tmp_path, **env) for command in commands]
    answers = [json.loads(text) for text in printed if text]
    assert len(printed) == 3 and len(answers) == len(shown) == 2
    for answer, example in zip(answers, shown):
        assert steady(answer) == steady(example)
    assert len(answers[0]["next_cursor"]) == len(shown[0]["next_cursor"])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "october.csv").read_bytes().decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == ["job-4711/720p", "job-4710/720p"]


def test_parameters_and_fields(server):
    said = server.get("/v1/tasks?no-such=1").json()["detail"]
    listed = said.split("there are ")[1].split(", ")
    assert sorted(name.replace("label.NAME", "label.") for name in names(table(read(PAGE), "parameter"))) == sorted(listed_name(name) for name in listed)
    fields = table(read(PAGE), "field")
    row = server.get("/v1/tasks").json()["rows"][0]
    assert names(fields) == list(row)
    types = {"text": str, "time": str, "integer": int, "object": dict}
    for name, (_, kind, _) in zip(names(fields), fields):
        type, null = re.fullmatch(r"(\w+)( or null)?", kind).groups()
        assert isinstance(row[name], types[type]) or (null and row[name] is None), (name, row)


def listed_name(name):
    return "label." if name.startswith("label.") else name


def test_parts(server):
    """Each part of the table is in the answer, with one of its rules, or null."""
    task = server.get("/v1/tasks/org-acme/farm-7/job-4711%2F720p").json()["task"]
    for part, _, rules in table(read(PAGE), "part"):
        member = task[part.strip("`")]
        assert member is None or member["rule"] in re.findall(r"`(\w+)`", rules), part
    assert {name for name, member in task.items() if isinstance(member, dict) and "rule" in member} <= {part.strip("`") for part, _, _ in table(read(PAGE), "part")}
