"""Adapters as scripts: the example of docs/adapters.md, scripts of an operator, and scripts with which nothing starts."""
import json
import os
import re

import pytest

from conftest import ROOT, Account, run


def told(account, adapter, body):
    return account.client.request("POST", f"/v1/adapters/{adapter}", body, {"Authorization": f"Bearer {account.token}"})


def blocks(section):
    """The fenced blocks of a section of docs/adapters.md: (language, text)."""
    with open(os.path.join(ROOT, "docs", "adapters.md")) as file:
        part = file.read().split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^```(\w*)\n(.*?)^```", part, re.M | re.S)


def test_the_example_of_the_docs(bare, tmp_path):
    (_, notice), (_, script), (_, settings), _, (_, answer) = blocks("Write an adapter in ten minutes")[:5]
    (tmp_path / "encoder.lua").write_text(script)
    (tmp_path / "codecmeter.ini").write_text(settings)
    bare.config = tmp_path / "codecmeter.ini"
    account = Account(bare, "query.max_age=0", "query.max_span=0")
    reply = told(account, "encoder", notice)
    assert reply.status == 200 and reply.json() == json.loads(answer)
    assert told(account, "encoder", notice).json()["duplicate"] == 1
    [shown] = account.server.admin("history", "--project", "org-a", "--source", "encoder", "--id", "4711000000000000123/film_720p.mp4")
    assert shown["time"] == "2026-01-31T12:00:00.000Z" and shown["data"] == {
        "codec": "h264", "codec_reported": "x264", "width": 1280, "height": 720, "duration_ms": 60040, "dest_name": "film_720p.mp4"}
    other = told(account, "encoder", notice.replace("4711000000000000123", "4711000000000000124"))
    assert other.json()["stored"] == 1, "19 digits, and the last one differs"
    assert told(account, "encoder", '{"event": "job.started"}').json()["ignored"] == [
        "event is not job.done: job.started"]


def test_a_script_takes_the_place_of_a_built_in_one(bare, tmp_path):
    (tmp_path / "mine.lua").write_text("function adapt() return nil, {'mine'} end")
    account = Account(bare, f"adapter.umedia.script={tmp_path}/mine.lua")
    assert told(account, "umedia", "{}").json()["ignored"] == ["mine"]
    assert "mine" in account.server.log_text()


@pytest.mark.parametrize("text,words", [
    ("function adapt(\n", ":2: "), ("x = 1", "no function adapt"), ("\n\nerror('why')", ":3: why"), (b"\xff", "not UTF-8"),
    ("while true do end", ":1: the script"), (None, "No such file")])
def test_the_server_does_not_start(tmp_path, text, words):
    script = tmp_path / "mine.lua"
    if text is not None:
        script.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "codecmeter.ini").write_text("[adapter]\nmine.script = mine.lua\n")
    done = run("serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--config", str(tmp_path / "codecmeter.ini"),
               check=False)
    assert done.returncode == 2 and str(script) in done.stderr and words in done.stderr, done
    assert "adapter.mine.script" in done.stderr and not (tmp_path / "data").exists(), "and nothing was made"


def test_names_of_adapters(tmp_path):
    (tmp_path / "mine.lua").write_text("function adapt() end")
    for name in ("Mine", "1st", "a_b", "a" * 33, "-a"):
        done = run("serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--set",
                   f"adapter.{name}.script={tmp_path}/mine.lua", check=False)
        assert done.returncode == 2 and "adapter." in done.stderr, (name, done)
