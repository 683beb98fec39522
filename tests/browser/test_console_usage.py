"""The console's usage: bars, table and files against the API. Source: issue 15, point 7; docs/console.md."""
from urllib.parse import urlencode

import pytest

from stage import SCRIPT, browser, seconds, tab, world  # noqa: F401


@pytest.mark.parametrize("by", ("tier", "codec"))
@pytest.mark.parametrize("step", ("1d", "1w", "1mo", "1h", "total"))
@pytest.mark.parametrize("measure", ("seconds", "tasks"))
def test_bars_table_and_api_are_the_same(tab, world, by, step, measure):
    rows = world.usage(project="org-a", month="2020-03", step=step, group=by, kind="transcode")
    page = tab()
    page.enter(world.one, "#/usage?" + urlencode({"month": "2020-03", "step": step, "by": by, "measure": measure}))
    # The table, row by row.
    names = {"low": "Low", "medium": "Medium", "high": "High", "super": "Super"}
    whole = {"1w": 7 * 86400, "1mo": 31 * 86400}.get(step, 0)

    def label(row):
        """The month as a whole; a date and an hour, whose offset is in the head; a date, with a mark if the month cuts the step."""
        date = row["date"]
        return "2020-03" if step == "total" else f"{date[:10]} {date[11:16]}" if step == "1h" else date[:10] + ("*" if row["end"] - row["start"] < whole else "")

    expected = [[label(row), names.get(row[by], row[by]), *(f"{row[c]:,}" for c in ("seconds", "minutes", "tasks"))] for row in rows]
    assert page.table() == expected and len(expected) > 3
    assert page.foot() == [f"{sum(row[c] for row in rows):,}" for c in ("seconds", "minutes", "tasks")] and page.text("tfoot th") == "Total, 2020-03"
    assert page.text("thead th") == ("Start +08:00" if step == "1h" else "Start ").strip()
    assert ("Only a part of this week" in page.text("main")) == (step == "1w") and page.text("main").count("rounded up for each task") == 1
    # The bars: values, and heights as drawn, in one scale, stacked without gaps.
    bars = page.bars()
    assert sum(bar["value"] for bar in bars) == sum(row[measure] for row in rows)
    sums = {}
    for row in rows:
        name = names.get(row[by], row[by])
        if not any(bar["series"] == name for bar in bars):
            name = next(bar["series"] for bar in bars if "others" in bar["series"])
        sums[row["start"], name] = sums.get((row["start"], name), 0) + row[measure]
    assert {(bar["start"], bar["series"]): bar["value"] for bar in bars} == sums
    scale = max(bar["height"] for bar in bars) / max(bar["value"] for bar in bars)
    assert scale > 0 and all(abs(bar["height"] - bar["value"] * scale) < 0.5 for bar in bars)
    for start in {bar["start"] for bar in bars}:
        stacked = sorted((bar for bar in bars if bar["start"] == start), key=lambda bar: bar["bottom"], reverse=True)
        assert all(abs(low["top"] - high["bottom"]) < 0.5 for low, high in zip(stacked, stacked[1:]))


def test_projects_have_names_beside_their_ids(tab, world):
    """In the table, the legend and the bars; stored markup is text. A bar leads to the tasks of its project."""
    rows = world.usage(world.all, month="2020-03", step="1w", group="project", kind="transcode", zone="Asia/Shanghai")
    names = {"org-a": f"Acme {SCRIPT} org-a", "org-b": "org-b"}
    page = tab()
    page.enter(world.all, "#/usage?month=2020-03&step=1w&by=project")
    cut = {"2020-03-01": "2020-03-01*", "2020-03-30": "2020-03-30*"}
    assert page.table() == [[cut.get(row["date"][:10], row["date"][:10]), names[row["project"]], *(f"{row[c]:,}" for c in ("seconds", "minutes", "tasks"))]
                            for row in sorted(rows, key=lambda row: row["start"])], "by date, then by project"
    assert {row["project"] for row in rows} == {"org-a", "org-b"}
    assert page.text(".legend").split("\n") == [names["org-a"], names["org-b"]]
    bars = page.bars()
    assert {(bar["start"], bar["series"].split()[0].replace("Acme", "org-a")): bar["value"] for bar in bars} == {(row["start"], row["project"]): row["seconds"] for row in rows}
    row = next(row for row in rows if row["project"] == "org-b")
    page.click(f".chart rect[data-start='{row['start']}'][data-series='1']")
    page.run("await page.waitForFunction(() => document.title.startsWith('Tasks'))")
    page.settle()
    assert len(page.table()) == row["tasks"] and page.foot()[0] == f"{row['seconds']:,}" and "org-b" in page.text(".filters")
    assert "project=org-b" in page.run("return page.url()")


def test_snapshots_count_images(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-07&kind=snapshot")
    assert page.table() == [["2020-07-01", "No tier", "12", "1"]] and "rounded up" not in page.text("main") and [bar["value"] for bar in page.bars()] == [12]


def test_projects_of_several_zones_are_counted_in_one(tab, world):
    page = tab()
    page.enter(world.all, "#/usage?month=2020-03")
    for zone in ("Asia/Shanghai", "America/New_York"):
        page.run("await page.getByRole('combobox', {name: 'Time zone of days'}).selectOption(args.zone)", zone=zone)
        page.run("await page.waitForFunction((zone) => document.querySelector('.note')?.textContent.includes(zone), args.zone)", zone=zone)
        page.settle()
        rows = world.usage(world.all, month="2020-03", step="1d", group="tier", kind="transcode", zone=zone)
        assert [(cells[0], seconds(cells[2])) for cells in page.table()] == [(row["date"][:10], row["seconds"]) for row in rows]


def test_ranges_steps_and_kinds_are_chosen_by_controls(tab, world):
    page = tab()
    page.enter(world.one)
    page.run("await page.getByRole('combobox', {name: 'Range', exact: true}).selectOption('dates')")
    page.run("await page.getByRole('textbox', {name: 'From'}).fill('2020-03-02'); await page.keyboard.press('Tab')")
    page.run("await page.getByRole('textbox', {name: 'To (not included)'}).fill('2020-03-06'); await page.keyboard.press('Tab')")
    page.run("await page.waitForFunction(() => location.hash.includes('to=2020-03-06'))")
    page.run("await page.getByRole('combobox', {name: 'Group by'}).selectOption('codec')")
    page.run("await page.waitForFunction(() => location.hash.includes('by=codec'))")
    page.settle()
    rows = world.usage(**{"from": "2020-03-02", "to": "2020-03-06"}, step="1d", group="codec", kind="transcode")
    assert [seconds(cells[2]) for cells in page.table()] == [row["seconds"] for row in rows]
    page.run("await page.getByRole('textbox', {name: 'From'}).fill('2020-03-09'); await page.keyboard.press('Tab'); await page.waitForSelector('.failure')")
    assert "must begin before it ends" in page.text(".failure") and page.run("return await page.locator('table').count()") == 0
    assert page.run("return await page.locator('[aria-invalid=true]').count()") == 2
    assert not any("from=2020-03-09" in url for url in page.run("return requests.filter((url) => url.includes('/v1/'))")), "the server is not asked"
    page.run("await page.getByRole('combobox', {name: 'Range', exact: true}).selectOption('now'); await page.waitForSelector('.empty')")


@pytest.mark.parametrize("name", ("no_view", "constructor", "__proto__"))
def test_an_unknown_view_is_the_usage(tab, world, name):
    page = tab()
    page.enter(world.one, f"#/{name}")
    assert page.text("h1") == "Usage" and page.run("return await page.getAttribute('nav [aria-current]', 'href')") == "#/usage"


def test_a_server_that_is_gone_is_said(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03")
    page.run("await context.setOffline(true); await page.getByRole('combobox', {name: 'Step'}).selectOption('1w'); await page.waitForSelector('.failure')")
    assert "did not answer" in page.text(".failure")


@pytest.mark.parametrize("params,says", (({"month": "2020-03"}, "Total, 2020-03"), ({}, "so far"),
                                         ({"from": "2020-03-01", "to": "2020-03-06"}, "Total, 2020-03-01 until 2020-03-06 (not included)"),
                                         ({"from": "2020-03-01"}, "Total, from 2020-03-01"), ({"from": "2019-03-01", "to": "2020-03-06"}, "2019-03-01 until")))
@pytest.mark.parametrize("step", ("1d", "total"))
def test_a_sum_says_its_range(tab, world, params, says, step):
    page = tab()
    page.enter(world.one, "#/usage?" + urlencode({**params, "step": step}))
    assert says in page.text(".beside, .empty")
    if step == "total" and params:
        assert {cells[0] for cells in page.table()} == {says.removeprefix("Total, ")} or "2019" in says


def test_a_codec_keeps_its_color(tab, world):
    """Though its rank changes with the range. Neighbours in a bar have a line between them."""
    page = tab()
    page.enter(world.one)
    colors = {}
    for range_ in ("month=2020-03", "month=2020-03&measure=tasks", "from=2020-03-05&to=2020-03-06", "from=2020-03-17&to=2020-03-18&measure=minutes"):
        page.place("#/usage?by=codec&" + range_)
        shown = page.run("return await page.$$eval('.legend li', (all) => all.map((one) => [one.innerText.trim(), one.querySelector('rect').getAttribute('class')]))")
        assert len({color for _, color in shown}) == len(shown)
        for name, color in shown:
            if name in ("h264", "h265", "av1", "vp9", "mpeg2video"):
                assert colors.setdefault(name, color) == color, (range_, name)
        assert page.run("return await page.locator('.chart .split').count()") > 0
    assert len(colors) >= 3


def test_an_answer_that_failed_is_asked_for_again_by_a_click(tab, world):
    page = tab()
    page.enter(world.one, "#/tasks?month=2020-03")
    page.run("await page.route('**/v1/usage?*', (route) => route.fulfill({status: 503, body: '{\"detail\":\"too many queries run\"}'}))")
    page.place("#/usage?month=2020-03")
    assert "The server is busy" in page.text(".failure") and "Too many queries run." in page.text(".failure")
    page.run("await page.unrouteAll(); await page.getByRole('button', {name: 'Try again'}).click(); await page.waitForSelector('table')")
    assert page.table()


ANSWERS = {
    "cut": ('{"position":1,"rows":[', "cut off"),
    "without its end": ('{"position":1,"rows":[]}', "cut off"),
    "of a proxy": ('<html>a proxy</html>', "cut off"),
    "a large number": (
        '{"position":1,"rows":[{"start":1,"end":2,"date":"2020-03-01T00:00:00+08:00","tier":"low","kind":"transcode","seconds":9007199254740993,'
        '"minutes":1,"tasks":1,"images":0}],"complete":true}', "too large"),
    "a large sum": ('{"position":1,"rows":[' + ",".join(
        f'{{"start":{n},"end":{n + 1},"date":"2020-03-0{n}T00:00:00+08:00","tier":"low","kind":"transcode","seconds":{2**53 - 1},'
        '"minutes":1,"tasks":1,"images":0}' for n in (1, 2)) + '],"complete":true}', "too large"),
    "long": ('{"position":1,"rows":[' + " " * (17 << 20) + '],"complete":true}', "too long"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_number_of_a_broken_answer_is_shown(tab, world, name):
    """Answers that no good server gives: the browser gets them in the place of the server's."""
    body, says = ANSWERS[name]
    page = tab()
    page.enter(world.one, "#/tasks?month=2020-03")
    page.run("await page.route('**/v1/usage?*', (route) => route.fulfill({body: args.body, contentType: 'application/json'}))", body=body)
    page.place("#/usage?month=2020-03")
    assert says in page.text(".failure") and page.run("return await page.locator('table, .chart').count()") == 0
