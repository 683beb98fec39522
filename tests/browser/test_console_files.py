"""The files of the console: a workbook made in the browser has the cells of the command's own, for the same question. CSV is the API's.

Source: issue 15, point 7; docs/console.md; src/cli/spreadsheet.h.
"""
import csv
import io
import json

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from stage import HOST, SCRIPT, browser, tab, world  # noqa: F401

from client import event
from conftest import run
from reading import answering, ndjson, usage_row
from test_usage_command import NASTY

HOSTS = (None, HOST)
# Ids and codecs that look like numbers, dates, formulas, markup or escapes.
IDS = ("=1+1", "+1", "-1", "@SUM(A1)", "00123", "1e5", "2020-01-02", "12345678901234567890", "true", "_x0041_", "_x005F_", 'a "quoted" one', "'a",
       "a;b,c", " blank ", "中文 任务", "😀", "e\u0301", "&amp;", "<b>", SCRIPT, "\u2028", "\u200f")
CODECS = ("123", "1e5", "0x10", "h264")


@pytest.fixture(scope="module")
def hostile(world):
    events = [event(name, f"2020-08-{1 + n:02}T12:00:00.{n:03}Z", n + 0.4, 1280, 720, CODECS[n % 4], source=f"farm {name}") for n, name in enumerate(IDS)]
    for each, name in zip(events, IDS):
        each["data"].update(labels={"team": name, "show": '"\\'}, src_url="=cmd|' /C calc'!A0 " + name, input_duration_ms=31622400000)
    world.report(world.account.token, events)
    return world


def cells(data):
    """All that a reader sees: names, values, types and formats of cells; what stays in sight; how wide columns are."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    sheet = book.active
    rows = [[(cell.value, cell.data_type, cell.number_format, cell.font.bold or False) for cell in row] for row in sheet.iter_rows()]
    assert not any(kind == "f" for row in rows for _, kind, _, _ in row), "a formula"
    return {"sheets": book.sheetnames, "rows": rows, "frozen": sheet.freeze_panes,
            "widths": {name: round(column.width) for name, column in sheet.column_dimensions.items()}}


def by_command(world, tmp_path, command, params, url=None, token=None):
    """The cells of the command's workbook."""
    options = [word for name, value in params for word in ("--" + name, value)]
    run(command, *options, "--url", url or world.server.url, "--token", token or world.all, "--output", tmp_path / "command.xlsx")
    return cells((tmp_path / "command.xlsx").read_bytes())


def rows_of(made):
    titles, *lines = [[unescape(value) if isinstance(value, str) else value for value, *_ in row] for row in made["rows"]]
    return [dict(zip(titles, line)) for line in lines]


# ---- usage ----


@pytest.mark.parametrize("host", HOSTS)
def test_the_csv_is_the_one_of_the_api(tab, world, host):
    page = tab(host=host)
    page.enter(world.one, "#/usage?month=2020-03&by=codec")
    name, data = page.download("Download CSV")
    assert name == "codecmeter-2020-03-codec.csv"
    assert data == world.ask("/v1/usage?step=1d&group=codec&kind=transcode&month=2020-03&format=csv").body
    told = [(int(row["start"]), row["codec"], int(row["seconds"])) for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig")))]
    assert told == [(row["start"], row["codec"], row["seconds"]) for row in world.usage(month="2020-03", step="1d", group="codec", kind="transcode")]


QUESTIONS = (
    ("2020-03", "1d", "tier", "transcode"), ("2020-03", "15m", "codec", "transcode"), ("2020-03", "1h", "project", "transcode"),
    ("2020-03", "1w", "project", "transcode"), ("2020-03", "total", "codec", "transcode"), ("2020-07", "1mo", "tier", "snapshot"),
    ("2020-08", "1d", "codec", "transcode"), ("2019-01", "1d", "tier", "transcode"),
)


@pytest.mark.parametrize("month,step,by,kind", QUESTIONS)
def test_the_workbook_of_usage_is_the_commands(tab, hostile, tmp_path, month, step, by, kind):
    """Also where a page shows only some of the rows, and where there is none."""
    page = tab()
    page.enter(hostile.all, f"#/usage?month={month}&step={step}&by={by}&kind={kind}")
    assert not any("xlsx.js" in url or "fflate" in url for url in page.run("return requests")), "it is loaded at the click"
    name, data = page.download("Download XLSX")
    assert name == f"codecmeter-{month}-{by}.xlsx"
    made = cells(data)
    zone = "Asia/Shanghai"
    assert made == by_command(hostile, tmp_path, "usage", [("month", month), ("step", step), ("group", by), ("kind", kind), ("zone", zone)])
    rows = hostile.usage(hostile.all, month=month, step=step, group=by, kind=kind, zone=zone)
    assert [{**row, "date": None} for row in rows_of(made)] == [{**row, "date": None} for row in rows]
    assert [row["date"].isoformat() for row in rows_of(made)] == [row["date"][:19] for row in rows]
    shown = page.run("return await page.locator('tbody tr').count()")
    assert shown == min(len(rows), 200)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("zone", ("America/Los_Angeles", "Pacific/Apia"))
def test_dates_are_the_servers(tab, world, host, zone):
    page = tab(host=host, zone=zone)
    page.enter(world.one, "#/usage?month=2020-03")
    rows = world.usage(month="2020-03", step="1d", group="tier", kind="transcode")
    assert [cells[0] for cells in page.table()] == [row["date"][:10] for row in rows]
    assert [str(row["date"])[:10] for row in rows_of(cells(page.download("Download XLSX")[1]))] == [row["date"][:10] for row in rows]


def test_the_same_rows_are_the_same_bytes(tab, world):
    files = set()
    for zone in ("Asia/Tokyo", "America/New_York"):
        page = tab(zone=zone)
        page.enter(world.one, "#/usage?month=2020-03")
        files.add(page.download("Download XLSX")[1])
    assert len(files) == 1


def instead(page, pattern, body):
    page.run("await page.route(args.pattern, (route) => route.fulfill({body: args.body, contentType: 'application/json'}))", pattern=pattern, body=body)


def test_any_text_and_number_stays_what_it_is(tab, world, tmp_path):
    """Answers that no good server gives, to the browser and to the command: control characters, what XML cannot have, long numbers."""
    texts = [*NASTY, *IDS, "\x01\x1f", "a\rb\r\nc", "tab\t", "\ufffe\uffff\x00", "_x000D_", "_x0041_x0042_", "x" * 32767, ""]
    rows = [usage_row(codec=text, seconds=n, date=f"20{n % 60 + 10}-02-28T{n % 24:02}:59:59+08:00") for n, text in enumerate(texts)]
    for number in (0, 999999999999999, 10**15, 2**53 - 1):
        rows.append(usage_row(codec=None, minutes=number))
    rows.append(usage_row(codec="leap", date="2024-02-29T00:00:00+08:00", start=0, end=900))
    rows.append(usage_row(codec="old", date="1980-03-01T23:15:00-10:30", start=0, end=900))
    page = tab()
    page.enter(world.one, "#/tasks?month=2020-03")
    instead(page, "**/v1/usage?*", json.dumps({"position": 1, "rows": rows, "complete": True}))
    page.place("#/usage?step=1mo&by=codec&measure=tasks")
    made = cells(page.download("Download XLSX")[1])
    with answering(ndjson(rows)) as server:
        wanted = by_command(world, tmp_path, "usage", [], url=server.url)
    assert made["rows"] == wanted["rows"] and made == {**wanted, "widths": made["widths"]}


LONG = {
    "a large number": (json.dumps({"position": 1, "rows": [usage_row(codec="a", seconds=2**53 + 1)], "complete": True}), "too large"),
    "a long answer": ('{"position":1,"rows":[' + " " * (17 << 20) + '],"complete":true}', "too long"),
}


@pytest.mark.parametrize("name", LONG)
def test_what_a_browser_cannot_have_it_says_who_has(tab, world, name):
    body, says = LONG[name]
    page = tab()
    page.enter(world.one, "#/tasks?month=2020-03")
    page.run("await page.route('**/v1/usage?*', (route) => route.request().url().includes('format=csv') ? route.fulfill({body: 'a\\n'})"
             " : route.fulfill({body: args.body, contentType: 'application/json'}))", body=body)
    page.place("#/usage?month=2020-03&by=codec")
    assert says in page.text(".failure")
    assert page.download("Download CSV") == ("codecmeter-2020-03-codec.csv", b"a\n")
    assert page.run("return await page.getByRole('button', {name: 'Download XLSX'}).count()") == 0
    assert "codecmeter usage --step 1d --group codec --kind transcode --month 2020-03 --output usage.xlsx" in page.text("main")


# ---- tasks ----


@pytest.mark.parametrize("params", ([("month", "2020-08")], [("month", "2020-06")], [("status", "voided")], [("month", "2019-01")],
                                    [("from", "2020-03-05"), ("to", "2020-03-06"), ("tier", "medium"), ("codec", "h265")]))
def test_the_workbook_of_tasks_is_the_commands(tab, hostile, tmp_path, params):
    """All tasks, not only those of the page that is shown."""
    page = tab()
    page.enter(hostile.one, "#/tasks?" + "&".join(f"{name}={value}" for name, value in params))
    name, data = page.download("Download XLSX")
    assert name == "codecmeter-tasks.xlsx"
    made = cells(data)
    wanted = by_command(hostile, tmp_path, "tasks", params, token=hostile.one)
    assert made == wanted
    if params[0][1] == "2020-08":
        told = rows_of(made)
        assert [row["id"] for row in told] == list(reversed(IDS)), "texts are what the reports said"
        assert {row["input_duration_ms"] for row in told} == {31622400000} and json.loads(told[0]["labels"])["team"] == IDS[-1]
    if params[0][1] == "2020-06":
        assert len(made["rows"]) == 231 and len(page.table()) == 100


def test_tasks_that_come_between_are_not_in_the_workbook(tab, hostile):
    """It is of the position that the page shows, and says when the rest cannot be had."""
    page = tab()
    page.enter(hostile.one, "#/tasks?from=2020-06-01&to=2020-06-02")
    hostile.report(hostile.account.token, [event(f"between-{n}", "2020-06-01T12:00:00Z", 1) for n in range(3)])
    made = rows_of(cells(page.download("Download XLSX")[1]))
    assert len(made) == 230 and not any(row["id"].startswith("between") for row in made)
    page.run("await page.route('**/v1/tasks?*cursor=*', (route) => route.fulfill({body: '{\"rows\":[' + ' '.repeat(17 << 20) + ']}'}))")
    page.click("button:has-text('Download XLSX')")
    page.run("await page.waitForSelector('.failure')")
    assert "too long" in page.text(".failure") and "codecmeter tasks --from 2020-06-01 --to 2020-06-02 --output tasks.xlsx" in page.text("main")
