"""`codecmeter import`: what becomes of each row of ndjson and CSV; no stop, kill or silence loses or doubles one."""
import contextlib
import gzip
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.parse

import pytest

from client import event
from conftest import CODECMETER, Account, wait_until
from scripted import scripted
from terminal import on_terminal

PLACE = ".codecmeter-import"
REJECTED = ".rejected.ndjson"
COLUMNS = "id,codec,width,height,duration_ms\n"
MANY = 100000


class Import:
    """The command, for one account, in a directory of its own."""

    def __init__(self, url, token, directory):
        self.directory = directory
        self.environment = {**os.environ, "CODECMETER_URL": url, "CODECMETER_TOKEN": token}

    def start(self, *args, **kwargs):
        return subprocess.Popen([CODECMETER, "import", *map(str, args)], cwd=self.directory, env=self.environment,
                                text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs})

    def __call__(self, *args, input=None):
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run([CODECMETER, "import", *map(str, args)], cwd=self.directory, env=self.environment,
                              input=data, capture_output=True, timeout=60)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def write(self, name, content):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


@pytest.fixture
def importing(account, tmp_path):
    (tmp_path / "import").mkdir()
    made = Import(account.server.url, account.token, tmp_path / "import")
    made.account = account
    return made


def seconds(account):
    return sum(row["TotalTime"] for row in account.client.stat())


def lines(*events):
    return "".join(json.dumps(item) + "\n" for item in events)


def counts(stdout):
    """Of a summary, of either kind."""
    if stdout.startswith("{"):
        return {name: value for name, value in json.loads(stdout).items() if name not in ("seconds", "complete")}
    assert re.fullmatch(r"rows \d+(, [a-z]+ \d+){4,5}, in \d+\.\d\d s\n", stdout), stdout
    return {name: int(value) for name, value in re.findall(r"([a-z]+) (\d+),", stdout)}


def counted(stored=0, duplicate=0, conflict=0, rejected=0):
    return {"rows": stored + duplicate + conflict + rejected, "stored": stored, "duplicate": duplicate,
            "conflict": conflict, "rejected": rejected}


def rejects(path):
    return [json.loads(line) for line in open(str(path) + REJECTED, encoding="utf-8")]


# ---- wrong use: nothing is sent, nothing is left ----


WRONG = (
    (2, "FILE is missing", ()), (2, "one file", ("a.ndjson", "b.ndjson")), (2, "--format", ("a.txt",)),
    (2, "ndjson, csv or tsv", ("a.ndjson", "--format", "xml")), (2, "--source is for CSV", ("a.ndjson", "--source", "x")),
    (2, "--give-up", ("a.ndjson", "--give-up", "soon")), (2, "--rejected", ("a.ndjson", "--rejected", "a.ndjson")),
    (2, "--rejected", ("a.ndjson", "--rejected", "a.txt")), (2, "column source is missing", ("a.csv",)),
    (2, "--token is empty", ("a.ndjson", "--token=")), (1, "No such file", ("none.csv",)),
    (1, "Is a directory", (".", "--format", "csv")), (1, "No such file", ("a.ndjson", "--rejected", "none/rejected")),
)


def test_wrong_use(importing):
    importing.write("a.ndjson", lines(event(1)))
    importing.write("a.txt", "precious\n")
    importing.write("a.csv", COLUMNS + "1,h264,640,360,1000\n")
    before = sorted(os.listdir(importing.directory))
    for status, words, args in WRONG:
        done = importing(*args)
        assert done.returncode == status and words in done.stderr, (args, done)
        assert done.stderr.count("\n") == 1, done
        assert sorted(os.listdir(importing.directory)) == before and done.stdout == "", args
    assert (importing.directory / "a.txt").read_text() == "precious\n" and seconds(importing.account) == 0


@pytest.mark.parametrize("url", ["gopher://127.0.0.1/", "http://[/"])
def test_a_url_that_leads_nowhere(url, tmp_path):
    importing = Import(url, "token", tmp_path)
    done = importing(importing.write("a.ndjson", lines(event(1))))
    assert done.returncode == 1 and url in done.stderr and "trying again" not in done.stderr, done


def test_no_token(importing):
    del importing.environment["CODECMETER_TOKEN"]
    importing.write("a.ndjson", lines(event(1)))
    done = importing("a.ndjson")
    assert done.returncode == 2 and "--token" in done.stderr and os.listdir(importing.directory) == ["a.ndjson"]


BAD_HEADERS = (
    ("id,codec,bitrate", "unknown column 'bitrate'"), ("id,Id", "names the column id twice"), ("id,codec,", "unknown column ''"),
    ("id,codec,id", "names the column id twice"), ("codec,width", "must name the column id"),
    ("\n \r\n", "must name columns"), ("", "must name columns"), ('id,"codec', "must name columns"),
    ('id,"codec\n1,h264\n', "must name columns"),
    ("x" * (2 << 20), "must name columns"), ("id,source" + "," * 100, "unknown column ''"),
)


def test_bad_headers(importing):
    for content, words in BAD_HEADERS:
        path = importing.write("a.csv", content)
        done = importing(path, "--source", "farm")
        assert done.returncode == 2 and words in done.stderr and str(path) in done.stderr, (content[:20], done)
        if "unknown column '" in words:
            assert "source, id, type, subject, time, codec, width, height, duration_ms, duration" in done.stderr
    assert os.listdir(importing.directory) == ["a.csv"] and seconds(importing.account) == 0


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 415])
def test_what_will_not_change_stops_it(status, tmp_path):
    with scripted(status) as fake:
        importing = Import(fake.url, "secret-token", tmp_path)
        path = importing.write("a.ndjson", lines(event(1)))
        done = importing(path)
        assert done.returncode == 1 and f"HTTP {status}: because {status}" in done.stderr, done
        assert len(fake.bodies) == 1 and "secret-token" not in done.stderr
        assert counts(done.stdout) == counted() and os.listdir(tmp_path) == ["a.ndjson"]


@pytest.mark.parametrize("answer", [  # to two events
    "", "<html>", "[]", "{}",
    '{"stored":1,"duplicate":0,"conflict":0,"rejected":0,"results":[]}',
    '{"stored":3,"duplicate":0,"conflict":0,"rejected":0,"results":[]}',
    '{"stored":1,"duplicate":1,"conflict":0,"rejected":0,"results":[]}',
    '{"stored":1,"duplicate":1,"conflict":0,"rejected":0,"results":[{"index":2,"outcome":"duplicate"}]}',
    '{"stored":1,"duplicate":1,"conflict":0,"rejected":0,"results":[{"index":0,"outcome":"rejected"}]}',
    '{"stored":0,"duplicate":1,"conflict":0,"rejected":1,"results":[{"index":1,"outcome":"duplicate"},'
    '{"index":1,"outcome":"rejected"}]}',
], ids=str.__len__)
def test_an_answer_that_does_not_tell_of_each(answer, tmp_path):
    with scripted(answer) as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.ndjson", lines(event(1), event(2))))
        assert done.returncode == 1 and "leads to a codecmeter" in done.stderr, done
        assert counts(done.stdout) == counted() and len(fake.bodies) == 1


# ---- outcomes ----


def test_ndjson(importing):
    bad, worse = event(4, width=0), event(5)
    del bad["specversion"], worse["id"]
    path = importing.write("a.ndjson", "\ufeff" + lines(event(1), event(2)) + "\r\n  \n\ufeff" + lines(event(1)) +
                           lines(event(2, seconds=9), bad).replace("\n", "\r\n") + lines(worse) + "{broken\n42\n" +
                           json.dumps(event(6)))
    (importing.directory / f"a.ndjson{REJECTED}").write_text('{"line":1,"of":"an earlier run"}\n')
    done = importing(path)
    assert done.returncode == 1 and counts(done.stdout) == counted(3, 1, 1, 4), done
    assert done.stderr == f"codecmeter import: 5 of 9 rows were not stored; {path}{REJECTED} has the rows and the reasons\n"
    kept = rejects(path)
    assert [(row["line"], row["id"], row["outcome"]) for row in kept] == [
        (6, "2", "conflict"), (7, "4", "rejected"), (8, None, "rejected"), (9, None, "rejected"),
        (10, None, "rejected")]
    assert [row["event"] for row in kept] == [event(2, seconds=9), bad, worse, "{broken", "42"]
    assert "duration_ms" in kept[0]["reason"] and "width" in kept[1]["reason"] and "id" in kept[2]["reason"]
    assert seconds(importing.account) == 3
    assert sorted(os.listdir(importing.directory)) == ["a.ndjson", f"a.ndjson{REJECTED}"]


def test_all_good_leaves_nothing_behind(importing):
    path = importing.write("a.JSONL", lines(*(event(n) for n in range(2500))))
    for expected in (counted(2500), counted(0, 2500)):
        done = importing(path, "--json")
        assert done.returncode == 0 and done.stderr == "" and counts(done.stdout) == expected, done
        summary = json.loads(done.stdout)
        assert summary["complete"] is True and 0 < summary["seconds"] < 30 and len(summary) == 7
    assert os.listdir(importing.directory) == ["a.JSONL"] and seconds(importing.account) == 2500
    assert counts(importing(importing.write("none.ndjson", "")).stdout) == counted()


def test_csv(importing):
    path = importing.write(
        "a.CSV", "\ufeffid , type,codec,width,height,duration_ms,duration,image_count,src_url,dest_name,created,time\r\n"
        "1,transcode.finished,h264,640,360,1000,,,,,,\r\n\r\n"
        '2,transcode.finished,libx265,1280.0,720,,2.5,,"http://h/?a=1,2","a ""name""",2020-01-01T00:00:00Z,\r\n'
        "3,transcode.failed,,,,,,,,,,\r\n"
        "4,snapshot.finished,,,,,,12,,,,\r\n"
        "5,remux.finished,,,,4000,,,,,,\r\n"
        '"6",transcode.finished,"h264", 640 ,360,1e3,,,,,,"2020-01-01T00:00:00Z"\r\n'
        "7,transcode.finished,h264,640px,360,1000,,,,,,\r\n"
        "8,transcode.finished,h264,0640,360,1000,,,,,,\r\n"
        '9,transcode.finished,h264,640,360,1000,,,"a\tb",,,\r\n'
        "10,,h264,640,360,1000,,,,,,\r\n"
        ",,,,,,,,,,,\n"
        "12,transcode.finished,h264,640,360,1000,,,,,,")
    done = importing(path, "--source", "farm")
    assert done.returncode == 1 and counts(done.stdout) == counted(7, 0, 0, 5), done
    kept = rejects(path)
    assert [(row["line"], row["id"]) for row in kept] == [(9, "7"), (10, "8"), (11, "9"), (12, "10"), (13, None)]
    for row, word in zip(kept, ("width", "width", "src_url", "type", "id")):
        assert word in row["reason"], row
    assert kept[0]["event"] == {"source": "farm", "id": "7", "type": "transcode.finished",
                                "data": {"codec": "h264", "width": "640px", "height": 360, "duration_ms": 1000}}
    assert kept[2]["event"]["data"]["src_url"] == "a\tb"
    totals = {row["VideoCodec"]: row["TotalTime"] for row in importing.account.client.stat() if row["TotalTime"]}
    assert totals == {"h264": 2, "h265": 3}
    same = event(2, seconds=2.5, codec="h265", width=1280, height=720, source="farm")
    assert importing.account.client.report(same).json()["duplicate"] == 1


BLANK_IDS = ("clip 1", "clip 1 ", " clip 1", "\tclip 2", "clip\u00a0", "\u3000clip", " ", "clip\u2003 x ", "\u200bclip", "\x0bclip")


def test_one_identity_by_every_way_in(importing):
    """A blank is a character of an id: what one way in stored is a duplicate by the others, and no other task's."""
    client, told = importing.account.client, []
    for id in BLANK_IDS:
        one = event(id, seconds=2)
        answer = client.report(one).json()  # which decides what an id may hold
        assert answer["duplicate"] == 0, id
        told += [id] if answer["stored"] else []
    assert len(told) >= 8
    path = importing.write("a.csv", COLUMNS + "".join(f"{id},h264,640,360,2000\n" for id in BLANK_IDS))
    done = importing(path, "--source", "test")
    assert counts(done.stdout) == counted(0, len(told), 0, len(BLANK_IDS) - len(told)), (done, rejects(path))
    path = importing.write("a.ndjson", lines(*(event(id, seconds=2) for id in BLANK_IDS)))
    assert counts(importing(path).stdout) == counted(0, len(told), 0, len(BLANK_IDS) - len(told))
    for id in told:  # in headers, which HTTP itself trims, blanks are percent-encoded
        head = {"specversion": "1.0", "type": "transcode.finished", "source": "test", "id": urllib.parse.quote(id)}
        reply = client.request("POST", "/v1/events", json.dumps(event(id, seconds=2)["data"]),
                               {"Content-Type": "application/json", "Authorization": f"Bearer {client.token}",
                                **{f"ce-{name}": value for name, value in head.items()}})
        assert reply.json()["duplicate"] == 1, id
    assert seconds(importing.account) == 2 * len(told)


def test_blanks_around_cells(importing):
    """They are part of a text, in whatever column; around a number, as in JSON, and around a column's name they are not."""
    path = importing.write("a.csv", ' id ,codec\t, width,"height ",duration_ms,task_id,dest_name,type\n'
                           "1,h264, 640,\t360 ,1000 , task , name ,transcode.finished\n"
                           "2,h264,640,360, ,,,transcode.finished\n"
                           "3,h264,64 0,360,1000,,,transcode.finished\n"
                           "4,h264,640,360,1000,,, transcode.finished\n"
                           '5,h264, "640",360,1000,,,transcode.finished\n'
                           "\ufeff6,h264,640,360,1000,,,transcode.finished\n")  # where two files were joined
    done = importing(path, "--source", "farm")
    assert counts(done.stdout) == counted(2, 0, 0, 4), (done, rejects(path))
    words = ("duration_ms", "width", "type", "misplaced quote")
    for row, word in zip(sorted(rejects(path), key=lambda row: row["line"]), words):
        assert word in row["reason"], row
    kept = json.dumps(importing.account.server.admin("history", "--project", "org-a", "--source", "farm", "--id", "1"))
    assert '" task "' in kept and '" name "' in kept, kept
    assert importing.account.client.report(event(6, source="farm")).json()["duplicate"] == 1


def test_columns_that_are_missing(importing):
    path = importing.write("a.csv", "source,subject," + COLUMNS + "one,org-a,1,h264,640,360,1000\n"
                           ",,2,h264,640,360,1000\n,org-b,3,h264,640,360,1000\n")
    done = importing(path, "--source", "two", "--project", "org-a")
    assert counts(done.stdout) == counted(2, 0, 0, 1) and "subject" in rejects(path)[0]["reason"], done
    for source, id in (("one", 1), ("two", 2)):
        assert importing.account.client.report(event(id, source=source)).json()["duplicate"] == 1
    assert counts(importing(path).stdout) == counted(0, 1, 0, 2)
    assert [row["reason"] for row in rejects(path)] == ["source is missing"] * 2


def test_rows_that_are_none(importing):
    good = "{0},h264,640,360,1000\n"
    path = importing.write("a.csv", (COLUMNS + good.format(1) + "2,h264,640,360\n" + "3,h264,640,360,1000,\n" +
                                     '4,h"264,640,360,1000\n' + '"5,h264,640,360,1000\n' + good.format(6) + '7,"h264"x,640,360,1000\n' +
                                     '"8\n8",h264\n' + "9\0,h264,640,360,1000\n").encode() +
                           "caf\xe9,h264,640,360,1000\n".encode("latin-1") + good.format(11).encode() +
                           b'"12,h264,640,360,1000\n13,h264,640,360,1000\n14,h264,640,360,"1000')
    done = importing(path, "--source", "farm")
    assert done.returncode == 1 and counts(done.stdout) == counted(4, 0, 0, 11), done
    kept = sorted(rejects(path), key=lambda row: row["line"])
    assert [(row["line"], row["reason"].split(",")[0].split(":")[0]) for row in kept] == [
        (3, "the row has 4 cells"), (4, "the row has 6 cells"), (5, "misplaced quote"), (6, "a quote is not closed"),
        (8, "misplaced quote"), (9, "a quote is not closed"), (10, "misplaced quote"), (11, "id"),
        (12, "id"), (14, "a quote is not closed"), (16, "a quote is not closed")]
    assert kept[0]["event"] == "2,h264,640,360" and kept[3]["event"] == '"5,h264,640,360,1000'
    assert kept[5]["event"] == '"8' and "\r" not in json.dumps(kept) and seconds(importing.account) == 4


def test_a_quote_left_open_harms_one_row(importing):
    row = "{},h264,640,360,1000\n"
    path = importing.write("a.csv", COLUMNS + row.format(1) + '2,"h264,640,360,1000\n' + "".join(row.format(n) for n in range(3, 40003)))
    done = importing(path, "--source", "farm")
    assert done.returncode == 1 and counts(done.stdout) == counted(40001, 0, 0, 1), done
    assert [(row["line"], row["event"]) for row in rejects(path)] == [(3, '2,"h264,640,360,1000')]


# ---- tables of other forms ----


ROW = ("1", "h264", "640", "360", "1000")
FORMS = (  # a file's name, its options, what stands before the header, what separates cells
    ("a.tsv", (), "", "\t"), ("a.TAB", (), "", "\t"), ("a.csv", (), "", "\t"), ("a.txt", (), "", "\t"), ("a", (), "", "\t"),
    ("-", (), "", "\t"), ("-", ("--format", "tsv"), "", "\t"), ("-", ("--format", "csv"), "", "\t"), ("a.log", ("--format", "tsv"), "", "\t"),
    ("a.csv", (), "", ";"), ("a.txt", (), "", ";"), ("-", (), "", ";"), ("-", ("--format", "csv"), "", ";"),
    ("a.csv", (), "", ","), ("a.txt", (), "", ","), ("-", (), "", ","), ("a.csv", (), "\ufeff \n\r\n", "\t"), ("-", (), "\n\n", ";"),
)


@pytest.mark.parametrize("name, options, before, separator", FORMS)
def test_forms_of_a_table(importing, name, options, before, separator):
    rows = (tuple(COLUMNS.strip().split(",")), ROW, ("2\u00e9", '"h264"', " 640", "360 ", "1e3"), ("3", "h264", "640", "360"),
            ("4", 'h"264', "640", "360", "1"), (f'"5{separator} x"', "h264", "640", "360", "1000"))
    text = before + "".join(separator.join(row) + "\r\n" for row in rows)
    path = importing.directory / ("import" if name == "-" else name)
    if name == "-":
        done = importing("-", *options, "--source", "farm", input=text)
    else:
        done = importing(importing.write(name, text), *options, "--source", "farm")
    good = 2 if separator == "\t" else 3  # no text of an event holds a tab
    assert done.returncode == 1 and counts(done.stdout) == counted(good, 0, 0, 5 - good), (done, rejects(path))
    line = 4 + before.count("\n")
    by_line = {row["line"]: row["reason"] for row in rejects(path)}
    assert "the row has 4 cells" in by_line[line] and "misplaced quote" in by_line[line + 1], by_line
    assert importing.account.client.report(event("2\u00e9", source="farm")).json()["duplicate"] == 1


def test_forms_that_are_none(importing):
    for name, text, words in (("a.txt", "precious\n", "give --format"), ("a", "", "give --format"), ("a.txt", "\n\n", "give --format"),
                              ("a.json", '{\n "Jobs": []\n}', "--adapter"), ("a.json", "[{},\n{}]", "--adapter"),
                              ("a.tsv", "id,codec\n", "unknown column 'id,codec'"), ("a.csv", "id", "column source is missing")):
        done = importing(importing.write(name, text))
        assert done.returncode == 2 and words in done.stderr, (name, done)
    done = importing(importing.write("a.txt", lines(event(1))))
    assert done.returncode == 0 and counts(done.stdout) == counted(1), "an object, so ndjson"
    done = importing("-", "--source", "x", input=lines(event(1)))
    assert done.returncode == 2 and "--source is for CSV and TSV" in done.stderr, done
    done = importing("-", input="{" + "x" * (2 << 20) + "\n" + json.dumps(event(2)))
    assert done.returncode == 1 and counts(done.stdout) == counted(1, 0, 0, 1), "a first line that is too long is one row"


@pytest.mark.parametrize("null", ["\\N", "NULL"])
def test_null_of_databases(importing, null):
    """It is absent, and never the name of a codec, an id, or a label."""
    rows = (("1", "h264", "1000", null, null), (null, "h264", "1000", "a", "b"), ("3", "h264", null, "a", "b"), ("4", null, "1000", "a", "b"))
    path = importing.write("a.tsv", "id\tcodec\tduration_ms\ttask_id\tsource\twidth\theight\n" + "".join(
        "\t".join(row) + "\t640\t360\n" for row in rows))
    done = importing(path, "--source", "farm", "--labels", "task=task_id")
    assert counts(done.stdout) == counted(1, 0, 0, 3), done
    assert [row["reason"] for row in rejects(path)] == ["id is missing", "duration_ms is missing", "codec is missing"]
    assert "labels" not in history(importing, 1)["data"]
    assert importing.account.client.report(event(1, source="farm")).json()["duplicate"] == 1


# ---- times without a zone ----


def history(importing, id, source="farm"):
    return importing.account.server.admin("history", "--project", "org-a", "--source", source, "--id", str(id))[0]


TIMES = (  # as the file has it, what is stored with --time-zone Europe/Berlin, a word of the reason without it
    ("2026-02-03 20:01:00", "2026-02-03T19:01:00.000Z", "--time-zone"), ("2026/7/3 20:01", "2026-07-03T18:01:00.000Z", "--time-zone"),
    ("2026-02-03T20:01:00.25", "2026-02-03T19:01:00.250Z", "--time-zone"), ("2026-02-03 20:01:00+08", "2026-02-03T12:01:00.000Z", None),
    ("2026-02-03T20:01:00Z", "2026-02-03T20:01:00.000Z", None), ("", None, None), ("2026-02-03", "without a time of day", "without a time of day"),
    ("2026-03-29 02:30:00", "does not exist in Europe/Berlin", "--time-zone"), ("03.02.2026 20:01", "RFC 3339", "RFC 3339"),
    ("2025-10-26 02:30:00", "2025-10-26T00:30:00.000Z", "--time-zone"), (" 2026-02-03 20:01:00", "RFC 3339", "RFC 3339"),
    ("null", "RFC 3339", "RFC 3339"), ("1979-06-01 00:00:00", "1980", "--time-zone"),
)


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_times_without_a_zone(importing, form):
    def write(time_of):
        if form == "csv":
            return importing.write("a.csv", COLUMNS.strip() + ",time,created\n" + "".join(
                f"{n},h264,640,360,1000,{text},{time_of(text)}\n" for n, (text, _, _) in enumerate(TIMES)))
        return importing.write("a.ndjson", lines(*({**event(n, source="farm"), "time": text or None, "data": {
            **event(n)["data"], "created": time_of(text) or None}} for n, (text, _, _) in enumerate(TIMES))))

    how = ("--source", "farm") if form == "csv" else ()
    path = write(lambda text: "")
    done = importing(path, *how)
    reasons = {row["line"] - (form == "csv"): row["reason"] for row in rejects(path)}
    for n, (text, _, word) in enumerate(TIMES, 1):
        assert (n in reasons) == bool(word) and (not word or word in reasons[n]), (text, reasons)
    path = write(lambda text: text if text.startswith("2025") else "")
    done = importing(path, *how, "--time-zone", "Europe/Berlin")
    bad, already = 6, sum(not word for _, _, word in TIMES)
    assert counts(done.stdout) == {**counted(len(TIMES) - bad - already, already, 0, bad), "ambiguous": 1}, (done, rejects(path))
    reasons = {row["line"] - (form == "csv"): row["reason"] for row in rejects(path)}
    for n, (text, stored, _) in enumerate(TIMES, 1):
        if n in reasons:
            assert stored in reasons[n], (text, reasons[n])
        elif stored:
            assert history(importing, n - 1)["time"] == stored, text
    assert history(importing, 9)["data"]["created"] == "2025-10-26T00:30:00.000Z"
    done = importing(path, *how, "--time-zone", "Europe/Berlin", "--json")
    assert json.loads(done.stdout)["ambiguous"] == 1


@pytest.mark.parametrize("zone", ["Berlin", "+08:00", "../etc/passwd", "Asia/Shanghai "])
def test_zones_that_are_none(importing, zone):
    done = importing(importing.write("a.ndjson", lines(event(1))), "--time-zone", zone)
    assert done.returncode == 2 and "--time-zone" in done.stderr and "Asia/Shanghai" in done.stderr, done


# ---- columns of other names ----


EXPORT = "job,Customer Team,w,h,fmt,ms,notes,id\n1,news,640,360,h264,1000,\"a, b\",77\n2,,640,360,h264,1000,,78\n"
MAP = ("--map", "id=job, width=W", "--map", "height=h,codec=fmt,duration_ms=ms")
WRONG_MAPS = (
    (("--map", "id"), "give FIELD=COLUMN"), (("--map", ""), "--map is empty"), (("--map", "id=job,,"), "give FIELD=COLUMN"),
    (("--map", "ID2=job"), "'ID2' is not a field of an event; the fields are source, id"), (("--map", "labels=job"), "'labels' is not a field"),
    (("--map", "id=jobs"), "no column 'jobs'; the columns are job, Customer Team, w, h, fmt, ms, notes, id"),
    (("--map", "id="), "no column ''"), (("--map", "id=job,ID=w"), "the field id twice"), (MAP, "unknown column 'Customer Team'"),
    ((*MAP, "--ignore", "notes,Customer"), "--ignore: there is no column 'Customer'"),
    ((*MAP, "--ignore", "notes", "--labels", "Customer Team"), "NAME=COLUMN"),
    ((*MAP, "--ignore", "notes", "--labels", "Team=Customer Team,team=fmt"), "the label team twice"),
    ((*MAP, "--ignore", "notes", "--labels", "1=Customer Team"), "NAME=COLUMN"),
    ((*MAP, "--ignore", "notes", "--labels", "=Customer Team"), "NAME=COLUMN"),
    ((*MAP, "--ignore", "notes", "--labels", ",".join(f"l{n}=w" for n in range(9))), "more than 8"),
    (("--labels", "team"), "no column 'team'"),
)


def test_wrong_maps(importing):
    path = importing.write("a.csv", EXPORT)
    for args, words in WRONG_MAPS:
        done = importing(path, "--source", "farm", *args)
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, (args, done)
    done = importing(importing.write("b.csv", "id,codec,CODEC\n"), "--source", "farm", "--map", "format=codec")
    assert done.returncode == 2 and "two columns are named 'codec'" in done.stderr, done
    done = importing(importing.write("a.ndjson", lines(event(1))), "--map", "id=job")
    assert done.returncode == 2 and "--map is for CSV and TSV" in done.stderr, done
    assert seconds(importing.account) == 0


def test_a_map(importing):
    """Two fields of one column; a column whose own name another column has taken is left out."""
    path = importing.write("a.csv", EXPORT)
    how = ("--source", "farm", *MAP, "--map", "task_id=job", "--ignore", "notes", "--labels", "team=Customer Team", "--labels", "Fmt,W")
    done = importing(path, *how)
    assert done.returncode == 0 and counts(done.stdout) == counted(2), (done, rejects(path))
    first, second = history(importing, 1), history(importing, 2)
    assert first["data"]["labels"] == {"team": "news", "fmt": "h264", "w": "640"} and first["data"]["width"] == 640, first
    assert second["data"]["labels"] == {"fmt": "h264", "w": "640"} and second["data"].get("task_id", "2") == "2", second
    done = importing(importing.write("b.csv", "job,id,source\n1,h264,y\n"), "--map", "source=job,id=job,codec=id")
    kept, = rejects(importing.directory / "b.csv")
    assert done.returncode == 1 and kept["event"] == {
        "source": "1", "id": "1", "type": "transcode.finished", "data": {"codec": "h264"}}, kept


LABELS = (("news", None), ("", None), ("\u00e9" * 32, None), ("x" * 64, None), ("x" * 65, "labels"), ("\u00e9" * 33, "labels"), ("a\tb", "labels"),
          (" ", None), ("a=b,c", None))


def test_values_of_labels(importing):
    path = importing.write("a.csv", COLUMNS.strip() + ",team\n" + "".join(
        f'{n},h264,640,360,1000,"{text}"\n' for n, (text, _) in enumerate(LABELS)))
    done = importing(path, "--source", "farm", "--labels", "team")
    bad = [n for n, (_, word) in enumerate(LABELS) if word]
    assert counts(done.stdout) == counted(len(LABELS) - len(bad), 0, 0, len(bad)), (done, rejects(path))
    assert [row["line"] for row in rejects(path)] == [n + 2 for n in bad] and all("label" in row["reason"] for row in rejects(path))
    for n, (text, word) in enumerate(LABELS):
        if not word:
            assert history(importing, n)["data"].get("labels", {}) == ({"team": text} if text else {}), text
    path = importing.write("b.csv", COLUMNS.strip().encode() + b",team\n1,h264,640,360,1000,\xe9\n")
    done = importing(path, "--source", "farm", "--labels", "team")
    assert done.returncode == 1 and rejects(path)[0]["reason"] == "label team: invalid UTF-8", done


# ---- the measures that prices depend on ----


MEASURES = (  # column, cells that are taken with what is stored, cells that are not
    ("frame_rate", {"25": "25", "29.97": "30000/1001", "30000/1001": "30000/1001", " 50 ": "50", "2.5e1": "25"},
     ("30000/0", "1e4", "0/1", "0", "-25", "NaN", "inf", "1001", "9223372036854775808", "1/2/3", "25 fps", "1" * 400)),
    ("quality", {"hq": "hq", "x" * 32: "x" * 32, " hq": " hq", "NaN": "NaN", "-1": "-1"}, ("x" * 33, "\u00e9" * 17, "a\tb")),
    ("region", {"eu-west-1": "eu-west-1", "9223372036854775808": "9223372036854775808"}, ("x" * 33,)),
    ("passes", {"1": 1, "2.0": 2, "65535": 65535}, ("0", "-1", "1.5", "65536", "9223372036854775808", "NaN", "two", "1" * 400)),
    ("input_duration_ms", {"0": 0, "5000": 5000, "31622400000": 31622400000},
     ("-1", "0.5", "31622400001", "9223372036854775808", "1e400", "NaN", "5 s")),
)


@pytest.mark.parametrize("column, good, bad", MEASURES, ids=[row[0] for row in MEASURES])
def test_measures(importing, column, good, bad):
    cells = [*good, "", *bad]
    path = importing.write("a.csv", COLUMNS.strip() + f",{column}\n" + "".join(
        f'{n},h264,640,360,1000,"{cell}"\n' for n, cell in enumerate(cells)))
    done = importing(path, "--source", "farm")
    assert counts(done.stdout) == counted(len(good) + 1, 0, 0, len(bad)), (done, rejects(path))
    assert [row["line"] for row in rejects(path)] == list(range(len(good) + 3, len(cells) + 2))
    assert all(column in row["reason"] for row in rejects(path)), rejects(path)
    for n, cell in enumerate(cells[:len(good) + 1]):
        stored = history(importing, n)["data"].get(column)
        assert stored == good.get(cell) or str(stored) == good.get(cell), (cell, stored)


def test_sound(importing):
    path = importing.write("a.csv", "id,type,codec,duration_ms,width\n1,audio.finished,aac,5000,\n2,audio.finished,,5000,\n"
                           "3,audio.finished,aac,,\n4,audio.failed,,,\n5,audio.finished,aac,-1,\n6,audio.finished,aac,5000,1\n")
    done = importing(path, "--source", "farm")
    assert counts(done.stdout) == counted(3, 0, 0, 3), (done, rejects(path))
    assert [row["line"] for row in rejects(path)] == [3, 4, 6] and seconds(importing.account) == 0


# ---- bounds ----


def test_lines_as_long_as_may_be(importing):
    fits, longer = json.dumps(event(1)), json.dumps(event(2))
    fits += " " * ((1 << 20) - 2 - len(fits))
    longer += " " * ((1 << 20) + 1 - len(longer))
    path = importing.write("a.ndjson", "\n".join([longer[:-2], fits + "\r", longer, longer * 3, json.dumps(event(3))]))
    done = importing(path)
    assert done.returncode == 1 and counts(done.stdout) == counted(3, 0, 0, 2), done
    assert [(row["line"], row["event"]) for row in rejects(path)] == [(3, None), (4, None)]
    assert "1048576" in rejects(path)[0]["reason"]


def test_long_rows(importing):
    row = "{},h264,640,360,1000,{}\n"
    path = importing.write("a.csv", COLUMNS.strip() + ",src_url\n" + row.format(1, "") + row.format(2, '"' + "x" * (2 << 20) + '"') +
                           row.format(3, "") + row.format(4, '"' + "x" * (2 << 20)) + row.format(5, ""))
    done = importing(path, "--source", "farm")
    assert done.returncode == 1 and counts(done.stdout) == counted(3, 0, 0, 2), done
    assert [(row["line"], row["event"], row["reason"]) for row in rejects(path)] == [
        (line, None, "the row is longer than 1048576 bytes") for line in (3, 5)]


def test_memory_is_bounded(importing):
    path = importing.write("a.ndjson", lines(event(1)))
    with open(path, "r+b") as file:
        file.truncate(128 << 20)
    process = importing.start(path)
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration), open(f"/proc/{process.pid}/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        time.sleep(0.001)
    out, err = process.communicate()
    assert counts(out) == counted(1, 0, 0, 1) and process.returncode == 1, err
    assert 1000 < peak < 96 << 10  # KiB; the sanitizers take most of it


def test_batches_too_large_for_the_server(bare, tmp_path):
    account = Account(bare, "ingest.events_max=100", "ingest.body_max=64KiB")
    importing = Import(bare.url, account.token, tmp_path)
    large = event(500, data={**event(0)["data"], "src_url": "x" * 70000})
    path = importing.write("a.ndjson", lines(*(large if n == 500 else event(n) for n in range(3000))))
    done = importing(path)
    assert done.returncode == 1 and counts(done.stdout) == counted(2999, 0, 0, 1), done
    assert [(row["line"], row["id"]) for row in rejects(path)] == [(501, None)]
    assert "413" in rejects(path)[0]["reason"] and rejects(path)[0]["event"] == large
    log = bare.log_text()
    assert 30 < log.count("status=200") < 80 and log.count("status=413") < 25, log


# ---- standard input ----


def test_standard_input(importing):
    done = importing("-", input=lines(event(1), event(2)))
    assert done.returncode == 0 and counts(done.stdout) == counted(2), done
    done = importing("-", "--format", "csv", "--source", "test", input=COLUMNS + "2,h264,640,360,1000\n3,h264,640,360\n")
    assert done.returncode == 1 and counts(done.stdout) == counted(0, 1, 0, 1), done
    assert os.listdir(importing.directory) == [f"import{REJECTED}"] and f"import{REJECTED}" in done.stderr
    importing("-", input="broken\n")  # cannot be read again, so it stands behind the other
    assert [row["line"] for row in rejects(importing.directory / "import")] == [3, 1]
    done = importing("-", "--rejected", "mine", input="broken\n")
    assert "mine has the rows" in done.stderr and (importing.directory / "mine").exists()
    assert importing("-", input="").returncode == 0 and seconds(importing.account) == 2


def test_standard_input_that_waits_can_be_stopped(importing):
    process = importing.start("-", stdin=subprocess.PIPE)
    process.stdin.write(lines(event(1)))
    process.stdin.flush()
    wait_until((importing.directory / f"import{REJECTED}").exists)  # it is about to read
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1  # with its input still open
    out, err = process.communicate()
    assert "interrupted" in err and "counts once" in err and counts(out) == counted(), err


# ---- stopped, killed, and gone on ----


@pytest.fixture
def many(importing):
    """Of a hundred thousand rows one in a thousand is bad."""
    row, bad = "{},h264,640,360,1000\n", "{},h264,0,360,1000\n"
    importing.path = importing.write("many.csv", COLUMNS + "".join(
        (bad if n % 1000 == 999 else row).format(n) for n in range(MANY)))
    importing.place = importing.directory / f"many.csv{PLACE}"
    return importing


def start_many(many):
    process = many.start("many.csv", "--source", "farm")
    wait_until(many.place.exists)
    return process


def check_many(many, done, duplicates_max):
    """All of it is there once, in the totals as in the file of rejects."""
    assert done.returncode == 1 and "going on from line" in done.stderr, done
    summary = counts(done.stdout)
    assert summary == counted(MANY - MANY // 1000 - summary["duplicate"], summary["duplicate"], 0, MANY // 1000)
    assert summary["duplicate"] <= duplicates_max
    assert [row["line"] for row in rejects(many.path)] == list(range(1001, MANY + 2, 1000))
    assert seconds(many.account) == MANY - MANY // 1000
    assert not many.place.exists() and not os.path.exists(f"{many.place}.new")


def test_interrupted_and_gone_on(many):
    process = start_many(many)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "run the same command again" in err, err
    first, place = counts(out), json.loads(many.place.read_text())
    assert 0 < first["rows"] < MANY and place["line"] == first["rows"] + 2 == int(re.search(r"line (\d+)", err)[1])
    assert seconds(many.account) == first["stored"]
    done = many("many.csv", "--source", "farm")
    assert f"going on from line {place['line']} " in done.stderr
    check_many(many, done, duplicates_max=0)


def test_killed_and_gone_on(many):
    for _ in range(3):
        process = start_many(many)
        line = json.loads(many.place.read_text())["line"]
        wait_until(lambda: json.loads(many.place.read_text())["line"] > line)
        process.kill()
        process.communicate()
    check_many(many, many("many.csv", "--source", "farm"), duplicates_max=3 * 9000)
    log = many.account.server.log_text()
    assert log.count("/v1/events status=200") <= MANY // 1000 + 3 * 9


def test_the_place_of_another_file_or_server(many):
    def interrupted(*args, before="", **kwargs):
        process = many.start("many.csv", "--source", "farm", *args, **kwargs)
        wait_until(lambda: many.place.exists() and many.place.read_text() != before)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1]

    assert "going on" not in interrupted()
    kept = many.place.read_text()
    assert "going on" in interrupted(before=kept)
    for args in (("--restart",), ("--rejected", "elsewhere")):
        kept = many.place.read_text()
        err = interrupted(*args, before=kept)
        assert "going on" not in err and ("another file" in err) == (args[0] != "--restart"), err
    interrupted(before=many.place.read_text())
    many.environment["CODECMETER_TOKEN"] = many.account.server.admin("token", "create")["token"]
    assert "another file, server or token" in interrupted(before=many.place.read_text())
    for touch in (lambda: None, lambda: many.path.write_text(many.path.read_text().replace("\n0,", "\n7,", 1))):
        touch()  # another time of writing, then another beginning of the same length and time
        os.utime(many.path, ns=(1, 1))
        assert "another file, server or token" in interrupted(before=many.place.read_text())
    kept = many.place.read_text()
    for damaged in ("{}", kept.replace('"offset":', '"offset":9'), kept.replace('"stored":', '"stored":9'), kept[:-30]):
        many.place.write_text(damaged)
        assert "is damaged" in interrupted(before=damaged), damaged


def test_more_new_projects_than_one_request_may_make(importing):
    """The batch is sent again until all of them are made: no row is rejected for that."""
    importing.environment["CODECMETER_TOKEN"] = importing.account.server.admin(
        "token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    path = importing.write("a.ndjson", "".join(json.dumps(event(n, subject=f"customer-{n}")) + "\n" for n in range(250)))
    done = importing(path)
    assert done.returncode == 0 and counts(done.stdout) == counted(250), done
    assert "too many new projects" in done.stderr and not path.with_name(path.name + REJECTED).exists(), done
    assert len(importing.account.server.admin("project", "list")) == 251


def test_byte_order_marks_at_the_front(importing):
    """The server passes over one at the front of a body, so none may be left there."""
    mark = "\ufeff"
    path = importing.write("a.ndjson", f"{mark}{mark}\n{mark} {mark}{json.dumps(event(1))}\n{mark}{mark}x\n{mark} \n{json.dumps(event(2))}\n")
    done = importing(path)
    assert done.returncode == 1 and counts(done.stdout) == counted(2, 0, 0, 1) and rejects(path)[0]["line"] == 3, done


def test_headers_that_are_none(importing):
    upper = importing.write("upper.csv", "ID,Codec,WIDTH,height,Duration_ms\n1,h264,640,360,1000\n")
    assert counts(importing(upper, "--source", "farm").stdout) == counted(1)
    for text, word in (("id;time,codec\n", "unknown column 'id;time'"), ("id;time;codecs\n", "unknown column 'codecs'"),
                       ("id,time,codecs\n", "unknown column 'codecs'"), ("id,a\x07b\n", "unknown column 'a\\x07b'"),
                       ("id,time\n".encode("utf-16"), "compressed"), (gzip.compress(b"id,time\n" * 99), "compressed")):
        done = importing(importing.write("a.csv", text), "--source", "farm")
        assert done.returncode == 2 and word in done.stderr and done.stderr.isprintable() is False, done
        assert done.stderr.strip().isprintable(), done.stderr


def test_a_place_that_cannot_be_kept(importing):
    path = importing.write("a.ndjson", lines(*(event(n) for n in range(9000))))
    os.mkdir(f"{path}{PLACE}")
    done = importing(path)
    assert done.returncode == 0 and counts(done.stdout) == counted(9000), done
    assert "the place in the file cannot be saved" in done.stderr, done


def test_one_at_a_time(tmp_path):
    with scripted(503) as fake:
        importing = Import(fake.url, "token", tmp_path)
        path = importing.write("a.ndjson", lines(event(1)))
        process = importing.start(path)
        wait_until(lambda: fake.bodies)
        done = importing(path)
        assert done.returncode == 1 and "another import" in done.stderr and done.stdout == "", done
        process.send_signal(signal.SIGINT)
        assert "interrupted" in process.communicate(timeout=60)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_batch_under_way_is_waited_for(number, tmp_path):
    with scripted("wait") as fake:
        importing = Import(fake.url, "token", tmp_path)
        process = importing.start(importing.write("a.ndjson", lines(*(event(n) for n in range(1500)))), "--json")
        wait_until(lambda: fake.bodies)
        process.send_signal(number)
        time.sleep(0.2)
        assert process.poll() is None
        fake.released.set()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1 and counts(out) == counted(1000) and "before line 1001" in err, err
        assert json.loads(out)["complete"] is False and len(fake.bodies) == 1


def test_a_second_signal_does_not_wait(tmp_path):
    with scripted("wait") as fake:
        importing = Import(fake.url, "token", tmp_path)
        process = importing.start(importing.write("a.ndjson", lines(event(1))))
        wait_until(lambda: fake.bodies)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1 and counts(out) == counted() and "interrupted" in err, err


def test_an_ignored_hangup_stops_nothing(importing):
    path = importing.write("a.ndjson", lines(event(1)))
    with scripted(503, "ok") as fake:
        importing.environment["CODECMETER_URL"] = fake.url
        process = importing.start(path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        wait_until(lambda: fake.bodies)
        process.send_signal(signal.SIGHUP)
        assert counts(process.communicate(timeout=60)[0]) == counted(1) and process.returncode == 0


# ---- a server that is away, or busy ----


def test_a_busy_server(tmp_path):
    with scripted((503, 1), 429, "ok") as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.ndjson", lines(event(1), event(2))))
        assert done.returncode == 0 and counts(done.stdout) == counted(2), done
        assert len(fake.bodies) == 3 and len(set(fake.bodies)) == 1 and len(fake.connections) == 1
        assert fake.times[1] - fake.times[0] >= 1  # as it asked
        assert done.stderr.count("\n") == 1 and "HTTP 503: because 503; trying again for 10m" in done.stderr, done


def test_a_connection_is_kept(tmp_path):
    with scripted("ok") as fake:
        importing = Import(fake.url, "token", tmp_path)
        done = importing(importing.write("a.ndjson", lines(*(event(n) for n in range(3500)))))
        assert counts(done.stdout) == counted(3500) and done.stderr == "", done
        assert [body.count(b"\n") for body in fake.bodies] == [1000, 1000, 1000, 500] and len(fake.connections) == 1


def test_given_up(tmp_path):
    with scripted("ok", 503) as fake:
        importing = Import(fake.url, "token", tmp_path)
        rows = [f"{n},h264,640,360,1000\n" for n in range(1500)]
        rows[1200] = "short,h264\n"
        path = importing.write("a.csv", COLUMNS + "".join(rows))
        done = importing(path, "--source", "farm", "--give-up", "700ms")
        assert done.returncode == 1 and counts(done.stdout) == counted(1000, 0, 0, 1) and len(fake.bodies) >= 3, done
        assert "stopped before line 1002" in done.stderr and "run the same command again" in done.stderr, done
        fake.script = [(503, 3600)]  # more than the patience of ten minutes
        done = importing(path, "--source", "farm")
        assert "going on from line 1002" in done.stderr and "stopped before line 1002" in done.stderr, done
        fake.script = ["ok"]
        done = importing(path, "--source", "farm")
        assert counts(done.stdout) == counted(1499, 0, 0, 1) and len(rejects(path)) == 1, done
        importing.write("b.ndjson", lines(event(1)))
    done = importing("b.ndjson", "--give-up", "0")
    assert done.returncode == 1 and "codecmeter serve" in done.stderr and "line 1 " in done.stderr, done


def test_a_server_that_comes_up_later_and_goes_down_between(bare, tmp_path):
    account = Account(bare)
    listen = f"127.0.0.1:{bare.port}"
    importing = Import(bare.url, account.token, tmp_path)
    path = importing.write("a.ndjson", lines(*(event(n) for n in range(MANY))))
    bare.stop()
    err = open(tmp_path / "err", "w+")
    process = importing.start(path, stderr=err)
    tried = lambda times: wait_until(lambda: (tmp_path / "err").read_text().count("trying again") == times, 30)
    tried(1)
    bare.start(listen=listen)
    wait_until(lambda: bare.log_text().count("/v1/events status=200") > 3)
    bare.kill()
    tried(2)
    bare.start(listen=listen)
    out, _ = process.communicate(timeout=120)
    err.seek(0)
    said, summary = err.read(), counts(out)
    assert process.returncode == 0 and summary == counted(MANY - summary["duplicate"], summary["duplicate"]), said
    assert summary["duplicate"] <= 1000 and seconds(account) == MANY
    assert said.count("trying again") == 2 and "check that `codecmeter serve` runs there" in said, said


# ---- on a terminal ----


def test_progress_is_for_terminals(tmp_path):
    with scripted("ok") as fake:
        importing = Import(fake.url, "token", tmp_path)
        path = importing.write("a.ndjson", lines(*(event(n) for n in range(1500))))
        done = on_terminal([CODECMETER, "import", path], stdout=subprocess.PIPE, environment=importing.environment)
        assert done.returncode == 0 and "100.0 % of 0.2 MiB" in done.shown and "rows/s" in done.shown, done.shown
        assert importing(path).stderr == ""


def test_an_import_without_an_answer_keeps_what_was_rejected_before(importing):
    """The file of rejects is replaced when the next import has its first answer."""
    path = importing.write("a.csv", COLUMNS + "1,h264,640,360,1000\n2,h264,0,360,1000\n")
    assert importing(path, "--source", "farm").returncode == 1
    before = rejects(path)
    assert len(before) == 1
    done = importing(path, "--source", "farm", "--url", "http://127.0.0.1:9", "--give-up", "1ms", "--restart")
    assert done.returncode == 1 and "stopped before line 2" in done.stderr, done
    assert rejects(path) == before
    path.write_text(COLUMNS + "1,h264,640,360,1000\n2,h264,640,360,1000\n")
    assert importing(path, "--source", "farm").returncode == 0
    assert not os.path.exists(f"{path}.rejected.ndjson")
