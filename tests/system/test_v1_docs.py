"""docs/v1.md says what /v1 does: each of its commands is run, and its tables are compared with what the server answers."""
import csv
import io
import json
import re

import pytest

from client import event
from conftest import Account
from test_docs import blocks, names, read, shell, table
from test_v1 import Reader, refused

PAGE = "docs/v1.md"


def section(name):
    """The text under a heading of the page."""
    return re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", read(PAGE), re.M | re.S)[1]


@pytest.fixture
def reader(bare):
    account = Account(bare)
    bare.admin("project", "set", "--id", "org-a", "--name", "Acme Video", "--labels", "team")
    assert account.client.report([event("1", time="2026-10-01T00:12:00Z"), event("2", time="2026-10-31T15:40:09.500Z")]).status == 200
    assert account.client.report([event("3", seconds=-1)]).json()["rejected"] == 1
    return Reader(bare)


def test_every_command(reader, tmp_path):
    """In the order of the page, in one directory; what is shown has the members that come."""
    env = {"CODECMETER_URL": reader.server.url, "CODECMETER_READ_TOKEN": reader.token}
    text = read(PAGE)
    printed = [shell(block, tmp_path, **env) for block in blocks(text, "sh")]
    shown = [json.loads(block) for block in blocks(text, "json")]
    assert len(printed) >= 5 and len(shown) >= 2
    example = json.loads(printed[0])
    assert set(example) == set(shown[0]) and [set(row) for row in example["rows"]] == [set(row) for row in shown[0]["rows"]]
    assert example["rows"][0]["last_usage"] == "2026-10-31T23:40:09.500+08:00" == shown[0]["rows"][0]["last_usage"]
    saved = (tmp_path / "projects.csv").read_bytes().decode("utf-8-sig")
    assert [row["id"] for row in csv.DictReader(io.StringIO(saved))] == ["org-a"]
    problems = [json.loads(text) for text in printed if '"about:blank"' in text]
    assert problems == shown[1:2]
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "again.json").read_bytes() != b""
    assert json.loads(printed[-1].splitlines()[-1]) == {"complete": True} and "rejected" in printed[-1]


def test_paths(reader):
    """The first table has the resources that the server lists, and each has a section of its own."""
    listed = re.findall(r"/v1/[^\s,;]+", refused(reader.ask("/v1/x"), 404).split("reports go to")[0])
    rows = table(read(PAGE), "request")
    shown = [re.sub(r"[A-Z]+", lambda m: "{" + m[0].lower() + "}", row[0].strip("`").split()[1]) for row in rows]
    assert sorted(shown) == sorted(listed)
    headings = {re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-") for name in re.findall(r"^## (.*)$", read(PAGE), re.M)}
    for row in rows:
        assert set(re.findall(r"\(#([\w-]+)\)", row[1])) & headings, row


@pytest.mark.parametrize("name", ["Projects", "Sources"])
def test_parameters_and_fields(reader, name):
    path = f"/v1/{name.lower()}"
    said = refused(reader.ask(f"{path}?no-such=1"), 400, "no-such")
    assert names(table(section(name), "parameter")) == said.split("there are ")[1].split(", ")
    fields = table(section(name), "field")
    answer = reader.ask(path).json()
    assert names(fields) == list(answer["rows"][0]), path
    header, = csv.reader(io.StringIO(reader.ask(f"{path}?format=csv").body.decode("utf-8-sig").splitlines()[0]))
    assert names(fields) == header
    python_types = {"text": str, "time": str, "integer": int, "list": list}
    for row in answer["rows"]:
        for field, (_, kind, _) in zip(names(fields), fields):
            type, null = re.fullmatch(r"(\w+)( or null)?", kind).groups()
            assert isinstance(row[field], python_types[type]) or (null and row[field] is None), (field, row)


def test_errors(reader):
    """The table has every status, and what can be asked for has it."""
    rows = table(section("Errors"), "status")
    assert [row[0] for row in rows] == ["400", "401", "403", "404", "405", "406", "413", "414, 431", "500", "503", "505"]
    client = reader.server.client()
    writer = reader.server.admin("token", "create")["token"]
    bearer = {"Authorization": f"Bearer {reader.token}"}
    asked = {
        400: client.request("GET", "/v1/projects?x=1", headers=bearer),
        401: client.request("GET", "/v1/projects"),
        403: client.request("GET", "/v1/projects", headers={"Authorization": f"Bearer {writer}"}),
        404: client.request("GET", "/v1/projects?project=x", headers=bearer),
        405: client.request("POST", "/v1/projects", headers=bearer),
        406: client.request("GET", "/v1/projects", headers={**bearer, "Accept": "image/png"}),
        413: client.request("GET", "/v1/projects", "x", bearer),
        431: client.request("GET", "/v1/projects?project=" + "x" * 25000, headers=bearer),
    }
    assert {status: answer.status for status, answer in asked.items()} == {status: status for status in asked}
    assert asked[401].headers["www-authenticate"] == "Bearer"


def test_headers(reader):
    """Each header of the table comes, with the value that the table gives it."""
    answer = reader.ask("/v1/projects?format=csv")
    for row in table(section("Headers of answers"), "header"):
        name, _, value = row[0].strip("`").partition(": ")
        assert name.lower() in answer.headers and answer.headers[name.lower()].startswith(value), row
