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
    """What waits and what contradicts or resolves it are staged together."""
    def listed(codec=None, width=1280):
        made = {"Id": "j", "Status": "COMPLETE", "Timing": {"FinishTime": "2020-09-13T12:26:40+00:00"}, "OutputGroupDetails": [
            {"OutputDetails": [{"DurationInMs": 5000, "VideoDetails": {"WidthInPx": width, "HeightInPx": 720}}]}]}
        if codec:
            made["Settings"] = {"OutputGroups": [{"Outputs": [{"VideoDescription": {"CodecSettings": {"Codec": codec}}}]}]}
        return made

    jobs = [listed(), listed("H_264", 1920), listed(), listed("H_264"), listed(), listed("H_264"), listed("H_265")]
    reply = tell(old_account, "mediaconvert", {"Jobs": jobs})
    assert told(reply)[:5] == (1, 3, 2, 0, 1) and reply.json()["resolved"] == 1, reply.body
    assert [row["outcome"] for row in reply.json()["results"]] == [
        "unresolved", "conflict", "duplicate", "duplicate", "duplicate", "conflict"]
    assert totals(old_account) == {("h264", "MidiumDefinitionTime"): 5} and unresolved(old_account) == []


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


# ---- wrong use ----


WRONG = (
    ((), ("--adapter", "tencent-mps"), "FILE is missing"),
    (("a.json",), ("--adapter", "tencent-mps", "--format", "csv"), "leave it out"),
    (("a.ndjson",), ("--id", "x"), "give --adapter"),
    (("a.ndjson",), ("--time", "2026-01-01T00:00:00Z"), "give --adapter"),
)


def test_wrong_use(importing):
    importing.write("a.json", "{}")
    importing.write("a.ndjson", "")
    for names, args, words in WRONG:
        done = importing(*names, *args)
        assert done.returncode == 2 and words in done.stderr, (args, done)
    assert sorted(os.listdir(importing.directory)) == ["a.json", "a.ndjson"]


def test_what_the_server_refuses_at_once(importing):
    """Nothing is sent after that, and the file of rejects is not begun: the mistake is in the command."""
    path = importing.write("a.json", json.dumps([job("a"), job("b")]))
    for args, words in ((("--adapter", "nobody"), "HTTP 404"), (("--adapter", "ffprobe"), "must name the output"),
                        (("--adapter", "tencent-mps", "--project", "org-b"), "another project"),
                        (("--adapter", "tencent-mps", "--token", "wrong"), "HTTP 401"),
                        (("--adapter", "tencent/../x?y=#"), "HTTP 404")):
        done = importing(path, *args)
        assert done.returncode == 1 and words in done.stderr and "stopped before line 1 " in done.stderr, (args, done)
        assert os.listdir(importing.directory) == ["a.json"], args
    assert totals(importing.account) == {}


@pytest.mark.parametrize("answer", [
    "", "<html>", "[]", "{}", '{"stored":1,"duplicate":0,"conflict":0,"rejected":0,"results":[]}',
    '{"stored":0,"duplicate":1,"conflict":0,"rejected":0,"results":[],"unresolved":0,"ignored":[]}',
    '{"stored":0,"duplicate":0,"conflict":0,"rejected":0,"results":[{"index":0,"outcome":"rejected"}],"unresolved":0,"ignored":[]}',
    '{"stored":0,"duplicate":0,"conflict":0,"rejected":0,"results":[{"index":0,"outcome":"lost"}],"unresolved":0,"ignored":[]}',
    '{"stored":0,"duplicate":0,"conflict":0,"rejected":0,"results":[],"unresolved":1,"ignored":[]}',
    '{"stored":0,"duplicate":0,"conflict":0,"rejected":0,"results":[],"unresolved":0}',
], ids=str.__len__)
def test_an_answer_that_does_not_tell_of_each(answer, tmp_path):
    with scripted(answer) as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.json", "{}{}"), "--adapter", "x")
        assert done.returncode == 1 and "leads to a codecmeter" in done.stderr and len(fake.bodies) == 1, done


# ---- outcomes ----


@pytest.mark.parametrize("text", [
    lambda jobs: "".join(json.dumps(one) + "\n" for one in jobs), lambda jobs: json.dumps(jobs, indent=4),
    lambda jobs: "\n".join(json.dumps(one, indent=2) for one in jobs), lambda jobs: "\ufeff" + json.dumps(jobs)])
def test_documents(importing, text):
    jobs = [job("a"), job("b", results=3), job("c", codec=None), {"EventType": "EditMediaTask"}]
    assert told(tell(importing.account, "tencent-mps", job("b", codec=None, results=2), AT))[4] == 2
    path = importing.write("list.json", text(jobs))
    how = (path, "--adapter", "tencent-mps", "--time", "1600000000")
    done = importing(*how)
    assert done.returncode == 0 and done.stdout.startswith(
        "documents 4, stored 4, resolved 2, unresolved 1, duplicate 0, conflict 0, rejected 0, ignored 1, quarantined 0, in "), done
    assert "ignored: " in done.stderr and done.stderr.count("\n") == 1, done
    assert summary(importing(*how, "--json", "--quiet")) == counted(4, duplicate=5, ignored=1)
    assert totals(importing.account) == {("h264", "LowDefinitionTime"): 240}
    jobs[2] = job("c")
    importing.write("list.json", text(jobs))
    assert summary(importing(*how, "--json")) == counted(4, stored=1, resolved=1, duplicate=4, ignored=1)
    assert unresolved(importing.account) == [] and os.listdir(importing.directory) == ["list.json"]


def test_what_is_not_stored(importing):
    jobs = [json.dumps(job("a")), "{broken", json.dumps(job("a", width=1280)), "[]", '"text"', json.dumps(job("x" * 300)),
            json.dumps(job("b", results=2)), "{"]
    path = importing.write("list.ndjson", "\n".join(jobs))
    done = importing(path, "--adapter", "tencent-mps", "--time", "1600000000", "--json")
    assert done.returncode == 1 and summary(done) == counted(7, stored=3, conflict=1, rejected=4, ignored=1), done  # a task_id of that length
    assert "5 outputs or documents were not stored" in done.stderr and f"{path}{REJECTED}" in done.stderr, done
    kept = rejects(path)
    assert [(row["line"], row["outcome"]) for row in kept] == [
        (2, "rejected"), (3, "conflict"), (5, "rejected"), (6, "rejected"), (8, "rejected")]
    assert kept[0]["event"] == "{broken" and kept[1]["event"] == job("a", width=1280) and kept[1]["id"] == "a/0"
    for row, words in zip(kept, ("not JSON", "width", "not JSON", "id: must be a text", "cut off")):
        assert words in row["reason"], row


def test_what_the_url_says(importing):
    probed = {"streams": [{"codec_type": "video", "codec_name": "h264", "width": 640, "height": 360, "duration": "20.0"}],
              "format": {"duration": "20.0"}}
    path = importing.write("probe.json", json.dumps(probed))
    everywhere = importing.account.server.admin("token", "create")["token"]
    done = importing(path, "--adapter", "ffprobe", "--source", "farm & sons", "--id", "a/b?c=1#2", "--time", "2020-09-13T12:26:40+00:00",
                     "--project", "org-a", "--token", everywhere, "--json")
    assert done.returncode == 0 and summary(done) == counted(1, stored=1), done
    assert shown(importing.account, "farm & sons", "a/b?c=1#2")["time"] == "2020-09-13T12:26:40.000Z"
    importing.write("probe.json", json.dumps([probed, probed]))
    done = importing(path, "--adapter", "ffprobe", "--source", "farm", "--id", "one")
    assert done.returncode == 1 and "second document" in done.stderr, done
    assert counted(1, stored=1) == summary(importing(path, "--adapter", "ffprobe", "--source", "f", "--id", "two", "--json"))
    # A long document is not divided: a part of its streams would be measured as the whole.
    streams = [{**probed["streams"][0], "id": hex(n), "tags": {"title": "x" * 1000}, "disposition": {"default": int(n == 299)}}
               for n in range(300)]
    streams[299]["width"] = 1280
    importing.write("probe.json", json.dumps({**probed, "streams": streams}))
    assert counted(1, stored=1) == summary(importing(path, "--adapter", "ffprobe", "--source", "f", "--id", "long", "--json"))
    assert shown(importing.account, "f", "long")["data"]["width"] == 1280


def test_a_quarantined_document(tmp_path):
    """The server has it, and says so: it counts as not stored until somebody has looked."""
    answer = '{"stored":0,"duplicate":0,"conflict":0,"rejected":0,"results":[],"unresolved":0,"ignored":[],"quarantined":%s}'
    with scripted(answer % "1", answer % "true", answer % "false", answer % "0", answer % "null", answer % '"q-1"') as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.json", "{}" * 6), "--adapter", "x", "--json")
        assert done.returncode == 1 and summary(done) == counted(6, quarantined=3), done
        assert "codecmeter adapter retry" in done.stderr and os.listdir(tmp_path) == ["a.json"], done


# ---- long documents ----


def listed(count, filling=3000):
    return {"Jobs": [{"Id": str(n), "filling": "x" * filling} for n in range(count)], "NextToken": "n"}


EMPTY = '{"stored":0,"duplicate":0,"conflict":0,"rejected":0,"results":[],"unresolved":0,"ignored":[]}'


def test_a_long_document_is_divided(tmp_path):
    with scripted(EMPTY) as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.json", json.dumps(listed(1000), indent=1)), "--adapter", "x")
        assert done.returncode == 0 and len(fake.bodies) > 10, done
        pieces = [json.loads(body) for body in fake.bodies]
        assert [one["Id"] for piece in pieces for one in piece["Jobs"]] == [str(n) for n in range(1000)]
        assert all(piece["NextToken"] == "n" for piece in pieces) and max(map(len, fake.bodies)) < 70000


def test_pieces_that_are_too_large_for_the_server(tmp_path):
    with scripted(EMPTY, 413, 413, EMPTY, 413, 413, 413, 413, 413, EMPTY) as fake:
        importing = Import(fake.url, "token", tmp_path)
        path = importing.write("a.json", json.dumps(listed(1000, 720)))
        done = importing(path, "--adapter", "x", "--json")
        assert done.returncode == 1 and summary(done)["rejected"] == 1, done
        row, = rejects(path)
        answered = [json.loads(body)["Jobs"] for n, body in enumerate(fake.bodies) if n in (0, 3) or n > 8]
        answered.append(row["event"]["Jobs"])
        assert sorted(int(one["Id"]) for jobs in answered for one in jobs) == list(range(1000)) and len(answered[-1]) == 1
        assert "413" in row["reason"]


def test_one_that_cannot_be_divided_is_sent_whole(bare, tmp_path):
    """Its outputs are known by their places; so the server takes it, or says that it is too large."""
    account = Account(bare, "ingest.body_max=512KiB", "query.max_age=0", "query.max_span=0")
    importing = Import(bare.url, account.token, tmp_path)
    fits, longer = job("fits", results=200), job("longer", results=1000)
    assert 256 << 10 > len(json.dumps(fits)) or len(json.dumps(longer)) > 512 << 10
    path = importing.write("a.json", json.dumps([fits, longer, job("after")]))
    done = importing(path, "--adapter", "tencent-mps", "--json")
    assert done.returncode == 1 and summary(done) == counted(3, stored=201, rejected=1), done
    row, = rejects(path)
    assert "413" in row["reason"] and row["event"] is None, row


# ---- stopped, killed, and gone on ----


def many(count):
    return [job(str(n)) for n in range(count)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_gone_on(importing, number):
    """A place is kept every 64 documents, and at a stop; nothing is lost, and nothing counts twice."""
    path = importing.write("list.json", json.dumps([*many(1500), "bad", *many(3)], indent=1))
    how = (path, "--adapter", "tencent-mps", "--time", "1600000000", "--json")
    process = importing.start(*how)
    wait_until((importing.directory / f"list.json{PLACE}").exists)
    process.send_signal(number)
    process.communicate(timeout=60)
    done = importing(*how)
    assert done.returncode == 1 and "going on from line" in done.stderr, done
    got = summary(done)
    assert got["documents"] == 1504 and got["rejected"] == 1 and got["stored"] + got["duplicate"] == 1503
    assert 3 <= got["duplicate"] <= 3 + (64 if number == signal.SIGKILL else 0)
    assert totals(importing.account) == {("h264", "LowDefinitionTime"): 60 * 1500}
    assert not (importing.directory / f"list.json{PLACE}").exists() and len(rejects(path)) == 1


def test_a_server_that_is_busy(tmp_path):
    with scripted((503, 0), "drop", 429, EMPTY) as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.json", "{}"), "--adapter", "x", "--json")
        assert done.returncode == 0 and summary(done) == counted(1) and len(fake.bodies) == 4, done
        assert "trying again" in done.stderr
    done = importing("a.json", "--adapter", "x", "--give-up", "0")
    assert done.returncode == 1 and "run the same command again" in done.stderr, done


def test_standard_input(importing):
    done = importing("-", "--adapter", "tencent-mps", "--json", input=json.dumps(job("a")) + "{")
    assert done.returncode == 1 and summary(done) == counted(2, stored=1, rejected=1), done
    assert os.listdir(importing.directory) == [f"import{REJECTED}"]
