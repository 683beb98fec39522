"""`codecmeter usage`: the month's bill as a table, CSV, JSON and XLSX; and what it makes of answers that are not whole.

Source: issue 15, point 5; docs/commands.md, "Usage".
"""
import csv
import datetime
import io
import json
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import zipfile
import zoneinfo

import openpyxl
import pytest

from client import event
from conftest import CODECMETER, ROOT, Server, run, wait_until
from reading import answering, ndjson, usage_row

MARK = "\ufeff"


def usage(url, *args, check=True, **kwargs):
    environment = {**os.environ, "CODECMETER_URL": url, "CODECMETER_READ_TOKEN": "cm_reader", "CODECMETER_PROJECT": "org-of-agents"}
    return run("usage", *args, check=check, env=environment, **kwargs)


# ---- options ----


@pytest.mark.parametrize("args, words", [
    (("x",), "unexpected argument"),
    (("--json", "--csv"), "only one of"),
    (("--json", "--output", "a.csv"), "only one of"),
    (("--output", "a"), ".csv, .json or .xlsx"),
    (("--output", "a.xls"), ".csv, .json or .xlsx"),
    (("--output", ".csv"), ".csv, .json or .xlsx"),
    (("--output", "csv/a"), ".csv, .json or .xlsx"),
    (("--label", "team"), "NAME=VALUE"),
    (("--group", ",".join("abcdefghi")), "at most 8 groups"),
    (("--month", ""), "is empty"),
    (("--env", "/nowhere"), "/nowhere"),
    (("--url", "ftp://127.0.0.1"), "ftp"),
])
def test_bad_options(args, words, tmp_path):
    with answering(ndjson([])) as server:
        done = usage(server.url, *args, check=False, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", done
    assert os.listdir(tmp_path) == []


def test_without_a_token_it_says_which_one():
    done = run("usage", "--url", "http://127.0.0.1:9", check=False)
    assert done.returncode == 2 and "CODECMETER_READ_TOKEN" in done.stderr and "--scope read" in done.stderr, done


def test_nobody_listens():
    done = usage("http://127.0.0.1:9", check=False)
    assert done.returncode == 1 and "http://127.0.0.1:9" in done.stderr and "--url" in done.stderr, done


def test_what_is_asked():
    """Every option becomes its parameter, and nothing else is sent: not the project of the agents."""
    with answering(ndjson([])) as server:
        usage(server.url, "--month", "2026-10", "--group", "project,codec", "--group", "label.team", "--step", "1d", "--zone", "Asia/Shanghai",
              "--as-of", "12", "--compare", "previous", "--zeros", "--project", "org-a", "--project", "a&b=c d", "--codec", "h264", "--codec", "-",
              "--tier", "-", "--tier", "low", "--resolution", "1280x720", "--frame-rate", "29.97", "--source", "計", "--kind", "remux",
              "--label", "team=a=b", "--label", "show=", "--json")
        (path, query, authorization), = server.requests
    assert path == "/v1/usage" and authorization == "Bearer cm_reader"
    assert sorted(query) == sorted([
        ("month", "2026-10"), ("group", "project,codec,label.team"), ("step", "1d"), ("zone", "Asia/Shanghai"), ("as_of", "12"),
        ("compare", "previous"), ("zeros", "1"), ("project", "org-a"), ("project", "a&b=c d"), ("codec", "h264"), ("codec", ""), ("tier", ""),
        ("tier", "low"), ("resolution", "1280x720"), ("frame_rate", "29.97"), ("source", "計"), ("kind", "remux"), ("label.team", "a=b"),
        ("label.show", ""), ("format", "ndjson")])


# ---- answers that are not whole ----


ROW = json.dumps(usage_row()) + "\n"
BROKEN = {
    "nothing": "",
    "no end": ROW,
    "cut in a row": ROW + ROW[:20] + "\0",
    "cut between rows": ROW + "\0",
    "cut in the end": ROW + '{"complete":tr\0',
    "cut behind the end": ROW + '{"complete":true}\n\0',
    "an end without its line end": ROW + '{"complete":true}',
    "an end that is false": ROW + '{"complete":false}\n',
    "rows behind the end": ROW + '{"complete":true}\n' + ROW,
    "no JSON": "<html>\n",
    "an array": "[]\n",
    "a blank line": ROW + "\n" + '{"complete":true}\n',
    "not UTF-8": ROW + '{"project":"\udcff"}\n{"complete":true}\n',
    "a row of a megabyte": '{"project":"' + "x" * (1 << 20) + '"}\n{"complete":true}\n',
    "deep": '{"a":' * 20 + "1" + "}" * 20 + '\n{"complete":true}\n',
    "other columns": ROW + '{"project":"org-a"}\n{"complete":true}\n',
    "fewer columns": ROW + ROW.replace(', "images": 0', "") + '{"complete":true}\n',
    "more columns": ROW + ROW.replace("}", ', "more": 0}') + '{"complete":true}\n',
    "an endless cursor": '{"complete":true,"next_cursor":"' + "x" * 600 + '"}\n',
}


@pytest.mark.parametrize("form", ["table", "a.csv", "a.json", "a.xlsx"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_part_is_never_taken_for_the_whole(name, form, tmp_path):
    """The command fails and says so; it prints no table, and the file that was there stays as it was."""
    if form == "table" and name in ("other columns", "fewer columns", "more columns"):
        return  # the table takes the columns that it knows: test_a_number_that_is_none_is_not_counted_as_0
    output = tmp_path / form
    if form != "table":
        output.write_text("before")
    with answering(BROKEN[name]) as server:
        done = usage(server.url, "--group", "project", *([] if form == "table" else ["--output", output]), check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
    if form != "table":
        assert output.read_text() == "before" and os.listdir(tmp_path) == [form]


@pytest.mark.parametrize("name", ["seconds", "minutes", "tasks", "images", "kind", "project"])
@pytest.mark.parametrize("value", ["absent", None, -1, 1.5, "7", [], 2**63])
def test_a_number_that_is_none_is_not_counted_as_0(name, value):
    row = usage_row()
    row.pop(name)
    if value != "absent":
        row[name] = value
    with answering(ndjson([row])) as server:
        done = usage(server.url, "--group", "project", check=False)
    if name in ("kind", "project") and value in (None, "7"):
        assert done.returncode == 0
    else:
        assert done.returncode == 1 and name in done.stderr and done.stdout == "", done


@pytest.mark.parametrize("status, body, code, words", [
    (400, '{"detail":"as_of: must be a position","parameter":"as_of"}', 2, "codecmeter usage: --as-of: must be a position"),
    (400, '{"detail":"label.team: too long","parameter":"label.team"}', 2, "--label.team: too long"),
    (400, '{"detail":"several\\nlines \\u001b[2J"}', 2, "several\\x0alines \\x1b[2J"),
    (401, '{"detail":"the token was revoked"}', 1, "the token was revoked"),
    (403, '{"detail":"its scope is write, and reading needs read"}', 1, "its scope is write"),
    (404, '{"detail":"project: there is none"}', 1, "there is none"),
    (404, "not found", 1, "HTTP 404 and no reason"),
    (405, "", 1, "HTTP 405"),
    (500, '{"detail":"broken"}', 1, "broken"),
    (204, "", 1, "HTTP 204"),
    (301, "", 1, "HTTP 301"),
])
def test_refusals(status, body, code, words):
    with answering((status, body)) as server:
        done = usage(server.url, check=False)
    assert done.returncode == code and words in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", done


def test_a_busy_server_is_asked_again():
    busy = (503, '{"detail":"too many questions run"}')
    with answering(busy, busy, ndjson([usage_row(seconds=61)])) as server:
        assert "61" in usage(server.url, "--group", "project").stdout
    with answering(busy) as server:
        done = usage(server.url, check=False)
        assert done.returncode == 1 and "too many questions" in done.stderr and len(server.requests) == 5, done


@pytest.mark.parametrize("asked, known, words", [("org-acne", ["org-acme", "org-b"], "did you mean org-acme?"), ("org-acne", ["zzz"], None),
                                                 ("org-acne", [], None)])
def test_an_unknown_project_is_suggested(asked, known, words):
    refusal = (404, json.dumps({"detail": f"project: no project {asked}", "parameter": "project"}))
    with answering(refusal, ndjson([{"id": id} for id in known])) as server:
        done = usage(server.url, "--project", asked, check=False)
        assert [path for path, *_ in server.requests] == ["/v1/usage", "/v1/projects"]
    assert done.returncode == 1 and f"no project {asked}" in done.stderr, done
    assert words is None and "did you mean" not in done.stderr or words in done.stderr, done


# ---- the table ----


def test_subtotals_and_total():
    rows = [usage_row(project=project, codec=codec, tier=tier, seconds=seconds, minutes=minutes, tasks=tasks)
            for project, codec, tier, seconds, minutes, tasks in (
                ("org-a", "h264", "low", 20, 1, 1), ("org-a", "h265", "high", 90, 3, 2), ("org-b", "h264", None, 7, 1, 1))]
    with answering(ndjson(rows)) as server:
        done = usage(server.url, "--group", "project,codec,tier")
    words = [line.split() for line in done.stdout.splitlines()]
    assert words == [
        ["PROJECT", "CODEC", "TIER", "SECONDS", "MINUTES", "TASKS"],
        ["org-a", "h264", "low", "20", "1", "1"],
        ["org-a", "h265", "high", "90", "3", "2"],
        ["org-a", "total", "110", "4", "3"],
        ["org-b", "h264", "-", "7", "1", "1"],
        ["org-b", "total", "7", "1", "1"],
        ["Total", "117", "5", "4"],
        ["Minutes", "are", "those", "of", "each", "task,", "rounded", "up.", "As", "of", "position", "4711."]]
    with answering(ndjson(rows)) as server:
        assert usage(server.url, "--group", "project,codec,tier", "--quiet").stdout == "".join(done.stdout.splitlines(True)[:-1])


def test_rows_come_together_by_the_first_group():
    """Whatever order the server has; and each hour of a day on which clocks go back is itself."""
    rows = [usage_row(date=f"2026-10-25T02:00:00+0{offset}:00", codec=codec, project="p", seconds=seconds)
            for offset, codec, seconds in ((2, "h264", 1), (2, "av1", 2), (1, "h264", 4), (1, "av1", 8))]
    with answering(ndjson(rows)) as server:
        done = usage(server.url, "--group", "codec", "--step", "1h", "--quiet")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["CODEC", "DATE", "SECONDS", "MINUTES", "TASKS"],
        ["h264", "2026-10-25", "02:00+02:00", "1", "1", "1"], ["h264", "2026-10-25", "02:00+01:00", "4", "1", "1"],
        ["h264", "total", "5", "2", "2"],
        ["av1", "2026-10-25", "02:00+02:00", "2", "1", "1"], ["av1", "2026-10-25", "02:00+01:00", "8", "1", "1"],
        ["av1", "total", "10", "2", "2"],
        ["Total", "15", "4", "4"]]


@pytest.mark.parametrize("step, shown", [("1d", "2026-10-01"), ("1w", "2026-10-01"), ("1mo", "2026-10"), ("15m", "2026-10-01 00:00+08:00")])
def test_dates_of_steps(step, shown):
    with answering(ndjson([usage_row()])) as server:
        assert usage(server.url, "--step", step, "--quiet").stdout.splitlines()[1].startswith(shown + "  ")


def test_kinds_are_never_added_up():
    rows = [usage_row(kind="transcode", seconds=10), usage_row(kind="remux", seconds=5), usage_row(kind="snapshot", seconds=0, minutes=0, images=7),
            usage_row(project="org-b", kind="transcode", seconds=1)]
    with answering(ndjson(rows)) as server:
        done = usage(server.url, "--group", "project", "--quiet")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["PROJECT", "KIND", "SECONDS", "MINUTES", "TASKS", "IMAGES"],
        ["org-a", "transcode", "10", "1", "1", "0"], ["org-a", "remux", "5", "1", "1", "0"], ["org-a", "snapshot", "0", "0", "1", "7"],
        ["org-a", "total", "transcode", "10", "1", "1", "0"], ["org-a", "total", "remux", "5", "1", "1", "0"],
        ["org-a", "total", "snapshot", "0", "0", "1", "7"],
        ["org-b", "transcode", "1", "1", "1", "0"], ["org-b", "total", "transcode", "1", "1", "1", "0"],
        ["Total", "transcode", "11", "2", "2", "0"], ["Total", "remux", "5", "1", "1", "0"], ["Total", "snapshot", "0", "0", "1", "7"]]


def test_columns_line_up_under_chinese_and_hostile_names():
    """Chinese is two columns wide; a name cannot control the terminal."""
    rows = [usage_row(project="org-a", **{"label.team": "新闻部", "seconds": 5}), usage_row(project="a\x1b[2J\n", **{"label.team": "x", "seconds": 123456})]
    with answering(ndjson(rows)) as server:
        done = usage(server.url, "--group", "label.team,project", "--quiet")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["TEAM", "PROJECT", "SECONDS", "MINUTES", "TASKS"] and "\x1b" not in done.stdout
    widths = {sum(2 if ord(c) > 0x2e80 else 1 for c in line) for line in lines}
    assert len(widths) == 1, done.stdout


def test_the_period_before():
    with answering(ndjson([usage_row(previous_seconds=3, previous_minutes=2)])) as server:
        lines = usage(server.url, "--group", "project", "--compare", "previous", "--quiet").stdout.splitlines()
    assert lines[0].endswith("SECONDS BEFORE  MINUTES BEFORE") and lines[1].split()[-2:] == lines[2].split()[-2:] == ["3", "2"]


def test_no_usage():
    with answering(ndjson([])) as server:
        for args in ((), ("--group", "project"), ("--group", "project,codec", "--step", "1d")):
            lines = usage(server.url, "--quiet", *args).stdout.splitlines()
            assert lines[-1].split() == ["Total", "0", "0", "0"] and len(lines) == 2, lines


# ---- rows for other programs ----


NASTY = ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "007", "1e5", "12345678901234567890", "2026-10-01", "true", "a,b", 'say "x"', "a;b", " a ", "財務部", "🎬",
         "_x0041_", "<b>&amp;", "a\u0001b", "\ufffe", "", None, "x" * 256, "'", "a\nb"]


def nasty_rows():
    return [usage_row(project=text, seconds=i, tier=None) for i, text in enumerate(NASTY)]


def test_csv(tmp_path):
    """UTF-8 with a mark, CR LF, no formula; the same on standard output."""
    with answering(ndjson(nasty_rows())) as server:
        usage(server.url, "--output", tmp_path / "a.csv")
        data = (tmp_path / "a.csv").read_bytes()
        done = subprocess.run([CODECMETER, "usage", "--csv"], capture_output=True, check=True,
                              env={**os.environ, "CODECMETER_URL": server.url, "CODECMETER_READ_TOKEN": "x"})
    assert data == done.stdout
    text = data.decode()
    assert text.startswith(MARK) and text.endswith("\r\n")
    assert '"a;b"' in text, "spreadsheet programs of some countries divide cells at a semicolon"
    rows = list(csv.DictReader(io.StringIO(text[1:], newline="")))
    assert list(rows[0]) == list(nasty_rows()[0])
    for row, name in zip(rows, NASTY, strict=True):
        wanted = "" if name is None else "'" + name if name[:1] in tuple("=+-@\t\r") else name
        assert row["project"] == wanted and row["tier"] == "" and row["start"] == "1790812800", row


def test_json(tmp_path):
    with answering(ndjson(nasty_rows())) as server:
        usage(server.url, "--output", tmp_path / "a.JSON")
        assert usage(server.url, "--json").stdout == (tmp_path / "a.JSON").read_text()
    assert json.loads((tmp_path / "a.JSON").read_text()) == {"position": 4711, "rows": nasty_rows(), "complete": True}


def test_xlsx(tmp_path):
    """Texts stay texts, numbers are numbers, dates are dates; a frozen line of titles; columns that are wide enough."""
    rows = nasty_rows() + [usage_row(tier=None, seconds=2**53 + 1, minutes=999999999999999, date="2026-10-25T02:15:00+02:00", end=1790812800 + 900)]
    with answering(ndjson(rows)) as server:
        usage(server.url, "--output", tmp_path / "a.xlsx")
    assert os.listdir(tmp_path) == ["a.xlsx"]
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["usage"]
    sheet = book.active
    assert sheet.freeze_panes == "A2" and sheet.max_row == len(rows) + 1
    titles = [cell.value for cell in sheet[1]]
    assert titles == list(rows[0]) and all(cell.font.bold for cell in sheet[1])
    column = {name: i for i, name in enumerate(titles)}
    for wanted, cells in zip(rows, sheet.iter_rows(min_row=2), strict=True):
        project, seconds = cells[column["project"]], cells[column["seconds"]]
        text = wanted["project"]
        shown = openpyxl.utils.escape.unescape(project.value) if project.value is not None else None
        assert shown == (text.replace("\ufffe", "\ufffd") if text else None) and project.data_type == ("s" if text else "n"), text
        assert cells[column["tier"]].value is None
        if wanted["seconds"] <= 10**15:
            assert seconds.value == wanted["seconds"] and seconds.data_type == "n"
        else:
            assert seconds.value == str(wanted["seconds"]) and seconds.data_type == "s"
    first, last = sheet.cell(2, column["date"] + 1), sheet.cell(len(rows) + 1, column["date"] + 1)
    assert (first.value, first.number_format) == (datetime.datetime(2026, 10, 1), "yyyy-mm-dd") and first.is_date
    assert (last.value, last.number_format) == (datetime.datetime(2026, 10, 25, 2, 15), "yyyy-mm-dd hh:mm") and last.is_date
    assert sheet.cell(len(rows) + 1, column["minutes"] + 1).value == 999999999999999
    assert sheet.column_dimensions["D"].width > 40 > sheet.column_dimensions["E"].width > 8


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_no_rows(ending, tmp_path):
    """The file has its titles all the same."""
    with answering(ndjson([]), MARK + "start,project,seconds\r\n") as server:
        usage(server.url, "--output", tmp_path / f"a.{ending}")
        assert [dict(query)["format"] for _, query, _ in server.requests] == (["ndjson"] if ending == "json" else ["ndjson", "csv"])
    data = (tmp_path / f"a.{ending}").read_bytes()
    if ending == "csv":
        assert data.decode() == MARK + "start,project,seconds\r\n"
    elif ending == "json":
        assert json.loads(data) == {"rows": [], "position": 4711, "complete": True}
    else:
        assert [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(data)).active] == [["start", "project", "seconds"]]


# ---- files ----


def test_the_mode_of_a_file(tmp_path):
    """A new file has the mode of any new file; one that is replaced keeps its own."""
    path = tmp_path / "a.csv"
    with answering(ndjson([usage_row()])) as server:
        usage(server.url, "--output", path, preexec_fn=lambda: os.umask(0o027))
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
        path.chmod(0o600)
        usage(server.url, "--output", path)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_places_where_no_file_can_be(tmp_path):
    (tmp_path / "dir.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    with answering(ndjson([usage_row()])) as server:
        for path, code in ((tmp_path / "dir.csv", 2), (tmp_path / "pipe.csv", 2), (tmp_path / "none" / "a.csv", 1), (tmp_path / "dir.csv" / "x" / "b.xlsx", 1)):
            done = usage(server.url, "--output", path, check=False)
            assert done.returncode == code and str(path.parent if code == 1 else path) in done.stderr, done
        assert server.requests == []
    assert sorted(os.listdir(tmp_path)) == ["dir.csv", "pipe.csv"]


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_a_full_disk_leaves_the_old_file(ending, tmp_path):
    """A limit of file sizes stands for the disk: what was there stays, nothing else is left, and the command says so."""
    path = tmp_path / f"a.{ending}"
    path.write_text("before")
    rows = [usage_row(project=os.urandom(60).hex()) for _ in range(3000)]
    with answering(ndjson(rows)) as server:
        for limit in (1000, 20000, 100000):
            def bound(limit=limit):
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            done = usage(server.url, "--output", path, check=False, preexec_fn=bound)
            assert done.returncode == 1 and ("cannot" in done.stderr or "not written whole" in done.stderr), done
            assert path.read_text() == "before" and os.listdir(tmp_path) == [path.name]


def test_an_interrupted_command_leaves_nothing(tmp_path):
    """SIGINT while the server computes: the file that was there stays, and nothing else is left."""
    (tmp_path / "a.xlsx").write_text("before")
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {**os.environ, "CODECMETER_URL": "http://127.0.0.1:%d" % server.getsockname()[1], "CODECMETER_READ_TOKEN": "x"}
        process = subprocess.Popen([CODECMETER, "usage", "--output", tmp_path / "a.xlsx"], stderr=subprocess.PIPE, text=True, env=environment)
        connection, _ = server.accept()
        with connection:
            wait_until(lambda: len(os.listdir(tmp_path)) > 1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "interrupted" in said, said
    assert os.listdir(tmp_path) == ["a.xlsx"] and (tmp_path / "a.xlsx").read_text() == "before"


def test_more_rows_than_a_sheet_holds(tmp_path):
    rows = '{"id":"a"}\n' * 1048576 + '{"complete":true}\n'
    with answering(rows, rows[len('{"id":"a"}\n'):]) as server:
        command = [CODECMETER, "usage", "--url", server.url, "--token", "x", "--output", tmp_path / "a.xlsx"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 1 and "1048575 rows" in done.stderr and ".csv" in done.stderr and os.listdir(tmp_path) == [], done
        subprocess.run(command, check=True, timeout=900)
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        assert book.read("xl/worksheets/sheet1.xml").count(b"<row ") == 1048576


# ---- with a server ----


SIZES = {"low": (640, 360), "medium": (1280, 720), "high": (1920, 1080), "super": (3840, 2160)}


class Bill:
    """A server with a month of tasks in two projects, and the sums that the test itself makes of them."""

    def __init__(self, server):
        self.server = server.start()
        server.admin("project", "create", "--id", "org-a", "--time-zone", "Asia/Shanghai")
        server.admin("project", "create", "--id", "org-客户", "--time-zone", "Europe/Berlin")
        self.writer = server.admin("token", "create")["token"]
        self.reader = server.admin("token", "create", "--scope", "read")
        chance = random.Random(15)
        self.tasks = []
        for i in range(300):
            project, tier = chance.choice(["org-a", "org-客户"]), chance.choice(list(SIZES))
            finished = datetime.datetime(2026, 10, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=chance.randrange(-86400, 32 * 86400))
            self.tasks.append({"project": project, "id": f"0{i:03}", "tier": tier, "codec": chance.choice(["h264", "h265", "av1"]),
                               "finished": finished, "ms": chance.randrange(1, 400000), "team": chance.choice(["news", "=sum(a)", None])})
        events = []
        for task in self.tasks:
            width, height = SIZES[task["tier"]]
            made = event(task["id"], task["finished"].isoformat(), task["ms"] / 1000, width, height, task["codec"], subject=task["project"])
            if task["team"]:
                made["data"]["labels"] = {"team": task["team"]}
            events.append(made)
        reply = server.client().report(events, content_type="application/cloudevents-batch+json", token=self.writer)
        assert reply.status == 200 and reply.json()["stored"] == len(events), reply.body

    def run(self, *args, token=None, **kwargs):
        environment = {**os.environ, "CODECMETER_URL": self.server.url, "CODECMETER_READ_TOKEN": token or self.reader["token"]}
        return run(*args, env=environment, **kwargs)

    def month(self, zone=None):
        """The tasks of October, in the zone of each project or in one."""
        for task in self.tasks:
            local = task["finished"].astimezone(zoneinfo.ZoneInfo(zone or ZONES[task["project"]]))
            if (local.year, local.month) == (2026, 10):
                yield task, local


ZONES = {"org-a": "Asia/Shanghai", "org-客户": "Europe/Berlin"}


def seconds_of(task):
    return max(1, (task["ms"] + 500) // 1000)


def minutes_of(task):
    return -(-seconds_of(task) // 60)


def sums(pairs):
    """{key: (seconds, minutes, tasks)}"""
    found = {}
    for key, task in pairs:
        seconds, minutes, count = found.get(key, (0, 0, 0))
        found[key] = (seconds + seconds_of(task), minutes + minutes_of(task), count + 1)
    return found


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    made = Bill(Server(tmp_path_factory.mktemp("bill") / "data"))
    yield made
    made.server.stop()


def numbers(row):
    return tuple(int(row[name]) for name in ("seconds", "minutes", "tasks"))


def test_a_month_by_project(bill):
    """The README's third command: rows and total are the sums over the tasks."""
    wanted = sums((task["project"], task) for task, _ in bill.month())
    words = [line.split() for line in bill.run("usage", "--month", "2026-10", "--group", "project", "--quiet").stdout.splitlines()]
    total = [sum(column) for column in zip(*wanted.values())]
    assert words == [["PROJECT", "SECONDS", "MINUTES", "TASKS"], *[[project, *map(str, wanted[project])] for project in sorted(wanted)],
                     ["Total", *map(str, total)]]


@pytest.mark.parametrize("args, zone, key", [
    (("--group", "project,codec,tier"), None, lambda task, local: (task["project"], task["codec"], task["tier"])),
    (("--group", "tier", "--zone", "UTC"), "UTC", lambda task, local: (task["tier"],)),
    (("--group", "project", "--step", "1d"), None, lambda task, local: (task["project"], local.date().isoformat())),
    (("--group", "label.team", "--group", "codec", "--zone", "Asia/Tokyo"), "Asia/Tokyo", lambda task, local: (task["team"] or "", task["codec"])),
    (("--group", "codec", "--zone", "Europe/Berlin", "--step", "1d", "--codec", "h264"), "Europe/Berlin",
     lambda task, local: (task["codec"], local.date().isoformat()) if task["codec"] == "h264" else None),
    (("--group", "project", "--label", "team="), None, lambda task, local: (task["project"],) if task["team"] is None else None),
])
@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_each_form_has_the_sums(bill, tmp_path, ending, args, zone, key):
    """CSV, JSON and XLSX against sums that the test makes itself."""
    wanted = sums((key(task, local), task) for task, local in bill.month(zone) if key(task, local) is not None)
    output = tmp_path / f"a.{ending}"
    bill.run("usage", "--month", "2026-10", *args, "--output", output)
    groups = [group for i, word in enumerate(args) if word == "--group" for group in args[i + 1].split(",")]
    if ending == "csv":
        rows = list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8-sig"), newline="")))
    elif ending == "json":
        rows = json.loads(output.read_text())["rows"]
    else:
        titles, *lines = openpyxl.load_workbook(output).active.iter_rows(values_only=True)
        rows = [dict(zip(titles, line)) for line in lines]
    found = {}
    for row in rows:
        at = tuple(str(row[group] or "").removeprefix("'" if ending == "csv" else "") for group in groups)
        at += (str(row["date"])[:10],) if "--step" in args else ()
        assert at not in found and row["kind"] == "transcode"
        found[at] = numbers(row)
    assert found == wanted


def test_the_tasks_of_a_cell(bill, tmp_path):
    """The seconds of a cell are the sum over its list of tasks; the ids of its tasks are the texts that were reported."""
    cell = ("--project", "org-a", "--codec", "h264", "--tier", "high", "--month", "2026-10")
    row, = json.loads(bill.run("usage", "--json", *cell).stdout)["rows"]
    wanted = [task for task, _ in bill.month() if (task["project"], task["codec"], task["tier"]) == ("org-a", "h264", "high")]
    bill.run("tasks", *cell, "--output", tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    titles, *lines = sheet.iter_rows(values_only=True)
    rows = [dict(zip(titles, line)) for line in lines]
    assert [r["id"] for r in rows] == [task["id"] for task in sorted(wanted, key=lambda task: task["finished"], reverse=True)]
    assert sum(r["seconds"] for r in rows) == row["seconds"] == sum(map(seconds_of, wanted)) and sum(r["minutes"] for r in rows) == row["minutes"]
    assert sheet.freeze_panes == "A2" and rows[0]["finished"].endswith("+08:00")


def test_the_table_of_tasks(bill):
    """Newest first, over pages; a note says that there are more."""
    wanted = [task["id"] for task in sorted(bill.tasks, key=lambda task: task["finished"], reverse=True)]
    for limit in (1, 100, 299, 300, 301):
        done = bill.run("tasks", "--from", "2026-09-29", "--limit", limit)
        lines = done.stdout.splitlines()
        assert [line.split()[4] for line in lines[1:] if line.startswith("2026-")] == wanted[:limit]
        assert ("There may be more tasks" in done.stdout) == (limit < 300)
    assert bill.run("tasks", "--from", "2026-09-29", "--quiet").stdout.count("\n") == 101
    rows = json.loads(bill.run("tasks", "--from", "2026-09-29", "--json").stdout)["rows"]
    assert [row["id"] for row in rows] == wanted
    assert bill.run("tasks", "--from", "2026-09-29", "--csv").stdout.count("\n") == 301
    for wrong in ("0", "-1", "x", "100001"):
        assert bill.run("tasks", "--limit", wrong, check=False).returncode == 2
    assert bill.run("tasks", "--limit", "3", "--csv", check=False).returncode == 2


def test_a_task_explained(bill):
    """Ids are found as they are, with a slash, blanks and Chinese; each number has its sentence."""
    odd = event("job/1 計?#%", "2026-09-01T23:30:00Z", 20.0335, 720, 1280, "hvc1.1.6.L93.B0", source="a b/c", subject="org-客户")
    odd["data"]["labels"] = {"team": "news"}
    assert bill.server.client().report(odd, token=bill.writer).json()["stored"] == 1
    done = bill.run("explain", "org-客户", "a b/c", "job/1 計?#%")
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    for name, *words in (("Project", "org-客户"), ("Source", "a b/c"), ("Id", "job/1 計?#%"), ("Status", "finished"), ("Counts", "yes", "20 s"),
                         ("Codec", "h265", "hvc1.1.6.L93.B0"), ("Tier", "medium", "1280", "720"), ("Amount", "20", "20034 ms"),
                         ("Day", "2026-09-02", "Europe/Berlin"), ("Reported", "the token"), ("Labels", "team=news")):
        assert all(word in lines[name] for word in words), (name, done.stdout)
    task = json.loads(bill.run("explain", "--json", "org-客户", "a b/c", "job/1 計?#%").stdout)["task"]
    assert task["day"]["date"] == "2026-09-02" and task["counts"]["seconds"] == 20
    void = {**event("v1", type="usage.voided", subject="org-客户"), "data": {"source": "a b/c", "id": "job/1 計?#%", "reason": "a test"}}
    assert bill.server.client().report(void, token=bill.server.admin("token", "create", "--scope", "void")["token"]).json()["stored"] == 1
    done = bill.run("explain", "org-客户", "a b/c", "job/1 計?#%")
    assert "Voided" in done.stdout and "a test" in done.stdout, done.stdout


def test_ids_that_look_like_steps_of_a_path(bill):
    names = [(".", "1"), ("..", "1"), ("farm", "."), ("farm", ".."), ("..", ".."), ("farm/..", "../1")]
    events = [event(id, "2026-09-01T12:00:00Z", source=source, subject="org-a") for source, id in names]
    assert bill.server.client().report(events, token=bill.writer).json()["stored"] == len(names)
    for source, id in names:
        task = json.loads(bill.run("explain", "--json", "org-a", source, id).stdout)["task"]
        assert (task["source"], task["id"]) == (source, id)


def test_an_output_that_waits_explained(bill):
    """What it lacks, and that it does not count."""
    with open(os.path.join(ROOT, "tests", "data", "adapters", "umedia-transcode.json")) as file:
        notice = file.read()
    token = bill.server.admin("token", "create", "--project", "org-a")["token"]
    reply = bill.server.client().request("POST", "/v1/adapters/umedia", notice, {"Authorization": f"Bearer {token}"})
    assert reply.json()["unresolved"] == 1, reply.body
    done = bill.run("explain", "org-a", "umedia", reply.json()["results"][0]["id"])
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert "unresolved" in lines["Status"] and " no " in lines["Counts"] and "codec" in lines["Missing"] and "Unresolved" in lines, done.stdout


def test_what_cannot_be_read(bill):
    """A project of somebody else is one that does not exist; a near name is suggested only if the token may read it."""
    bound = bill.server.admin("token", "create", "--scope", "read", "--project", "org-a")["token"]
    for args in (("usage", "--project", "org-b"), ("tasks", "--project", "org-b"), ("explain", "org-b", "test", "0001")):
        done = bill.run(*args, token=bound, check=False)
        assert done.returncode == 1 and "'org-b'" in done.stderr and done.stderr.endswith("did you mean org-a?\n"), done
        there = bill.run(args[0], *[word.replace("org-b", "org-客户") for word in args[1:]], token=bound, check=False)
        assert there.returncode == 1 and there.stderr.replace("org-客户", "org-b").split(";")[0] == done.stderr.split(";")[0], there
    done = bill.run("explain", "org-a", "test", "none", check=False)
    assert done.returncode == 1 and "did you mean" not in done.stderr, done
    for token, words in ((bill.writer, "scope is write"), ("cm_nobody", "does not know")):
        for args in (("usage",), ("tasks",), ("explain", "org-a", "test", "0001")):
            done = bill.run(*args, token=token, check=False)
            assert done.returncode == 1 and words in done.stderr and bill.server.url in done.stderr, done


def test_the_use_of_a_reader_is_listed(bill):
    made = bill.server.admin("token", "create", "--scope", "read", "--expires", "1d")
    bill.run("usage", "--zone", "UTC", token=made["token"])
    assert {t["id"]: t["last_used"] for t in bill.server.admin("token", "list")}[made["id"]] != ""
    bill.server.admin("token", "revoke", made["id"])
    assert "was revoked" in bill.run("usage", token=made["token"], check=False).stderr


@pytest.mark.parametrize("args", [("usage", "--month", "2026-13"), ("usage", "--step", "2h"), ("usage", "--group", "colour"), ("usage", "--zone", "Mars/Olympus"),
                                  ("usage", "--from", "2026-10-02", "--to", "2026-10-01"), ("usage", "--month", "2026-10", "--from", "2026-10-01"),
                                  ("usage", "--compare", "next"), ("usage", "--as-of", "tomorrow"), ("tasks", "--status", "done"),
                                  ("tasks", "--tier", "ultra"), ("explain", "--zone", "x", "org-a", "test", "0001")])
def test_what_the_server_refuses_names_the_option(bill, args):
    done = bill.run(*args, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done
    assert any(word in done.stderr for word in args if word.startswith("--")), done
