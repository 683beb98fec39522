"""Job lists: a complete report resolves what waits, once, and not if it contradicts it; `import --adapter` sends each document of
a file once and loses none, stopped, killed or without a server."""
import copy
import json
import os
import signal

import pytest

from client import event
from conftest import Account, run, wait_until
from scripted import scripted
from test_adapters import counts as told, notice, shown, tell, totals, unresolved, without_codec
from test_import import PLACE, REJECTED, Import, lines

AT = "?time=1600000000"


@pytest.fixture
def importing(old_account, tmp_path):
    (tmp_path / "import").mkdir()
    made = Import(old_account.server.url, old_account.token, tmp_path / "import")
    made.account = old_account
    return made


def job(task_id, codec="h264", width=640, duration=60.047, results=1, time=None):
    """A notice, or a document of a job list: both look alike at this vendor."""
    made = without_codec(task_id, results)
    for n in range(results):
        task = made["WorkflowTaskEvent"]["MediaProcessResultSet"][n]["TranscodeTask"]
        task["Output"]["Duration"] = duration
        task["Output"]["VideoStreamSet"][0]["Width"] = width
        if codec:
            task["Output"]["VideoStreamSet"][0]["Codec"] = codec
        if time:
            task["FinishTime"] = time
    return made


def counted(documents=0, stored=0, resolved=0, unresolved=0, duplicate=0, conflict=0, rejected=0, ignored=0, quarantined=0):
    return {"documents": documents, "stored": stored, "resolved": resolved, "unresolved": unresolved, "duplicate": duplicate,
            "conflict": conflict, "rejected": rejected, "ignored": ignored, "quarantined": quarantined}


def summary(done):
    """Of one that was printed with --json."""
    return {name: value for name, value in json.loads(done.stdout).items() if name not in ("seconds", "complete")}


def rejects(path):
    return [json.loads(line) for line in open(str(path) + REJECTED, encoding="utf-8")]


# ---- what waits, and a report that says more ----


CONTRADICTIONS = (
    ({"width": 1280}, "width: stored 640, reported 1280"),
    ({"duration": 60.048}, "duration_ms: stored 60047, reported 60048"),
)


@pytest.mark.parametrize("state", ["in memory", "written", "restarted", "rebuilt"])
def test_a_complete_report_resolves_what_waits(old_account, state):
    server = old_account.server
    assert told(tell(old_account, "tencent-mps", job("t", codec=None), AT)) == (0, 0, 0, 0, 1, 0)
    if state == "written":
        server.admin("project", "set", "--id", "org-a", "--time-zone", "UTC", "--force")  # which has all written
    if state in ("restarted", "rebuilt"):
        server.stop()
        if state == "rebuilt":
            run("rebuild", "--data", server.data)
        server.start()
    for wrong, reason in CONTRADICTIONS:
        reply = tell(old_account, "tencent-mps", job("t", **wrong), AT)
        assert told(reply) == (0, 0, 1, 0, 0, 0) and reply.json()["resolved"] == 0, wrong
        assert reply.json()["results"][0]["reason"] == f"differs from the first report: {reason}"
        assert totals(old_account) == {} and len(unresolved(old_account)) == 1, wrong
    assert told(tell(old_account, "tencent-mps", job("t", codec=None), AT)) == (0, 1, 0, 0, 0, 0), "it waits still"
    reply = tell(old_account, "tencent-mps", job("t"), "?time=1600000017")  # when the job ended, not when it was told
    assert told(reply) == (1, 0, 0, 0, 0, 0) and reply.json()["resolved"] == 1
    assert totals(old_account) == {("h264", "LowDefinitionTime"): 60} and unresolved(old_account) == []
    for again in (job("t"), job("t", codec=None)):
        reply = tell(old_account, "tencent-mps", again, AT)
        assert told(reply) == (0, 1, 0, 0, 0, 0) and reply.json()["resolved"] == 0
    assert told(tell(old_account, "tencent-mps", job("t", codec="h265"), AT)) == (0, 0, 1, 0, 0, 0)
    server.stop()
    run("rebuild", "--data", server.data)
    assert "no differences" in run("verify", "--data", server.data).stdout
    server.start()
    assert totals(old_account) == {("h264", "LowDefinitionTime"): 60} and unresolved(old_account) == []
    assert told(tell(old_account, "tencent-mps", job("t"), AT)) == (0, 1, 0, 0, 0, 0)


def test_in_one_request_too(old_account):
    """A document can hold an output twice: what waits and what resolves it are staged together."""
    first = job("t", codec=None)
    assert told(tell(old_account, "tencent-mps", first, AT))[4] == 1
    for n in range(3):
        assert tell(old_account, "tencent-mps", job("t"), AT).json()["resolved"] == (n == 0)
    assert totals(old_account) == {("h264", "LowDefinitionTime"): 60}


def test_what_was_dismissed_stays_so(old_account):
    assert told(tell(old_account, "tencent-mps", job("t", codec=None), AT))[4] == 1
    run("unresolved", "dismiss", "org-a", "tencent-mps", "t/0", "--data", old_account.server.data)
    reply = tell(old_account, "tencent-mps", job("t"), AT)
    assert told(reply) == (0, 0, 1, 0, 0, 0) and totals(old_account) == {}
    assert "stored as a failed transcode" in reply.json()["results"][0]["reason"]


@pytest.mark.parametrize("seconds, is_same", [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_times_of_a_notice_and_of_a_job_list(old_account, seconds, is_same):
    """A service names the moment of the notice in one and of the job's end in the other; events name one moment."""
    assert told(tell(old_account, "tencent-mps", job("t"), AT)) == (1, 0, 0, 0, 0, 0)
    reply = tell(old_account, "tencent-mps", job("t"), f"?time={1600000000 + seconds}")
    assert told(reply) == (0, 1, 0, 0, 0, 0) if is_same else (0, 0, 1, 0, 0, 0), reply.body
    assert shown(old_account, "tencent-mps", "t/0")["time"].startswith("2020-09-13T12:26:40"), "the first one counts"
    again = event("t/0", source="tencent-mps", time="2020-09-13T12:26:41Z",
                  data={"codec": "h264", "width": 640, "height": 480, "duration_ms": 60047})
    assert old_account.client.report(again).status == 409
