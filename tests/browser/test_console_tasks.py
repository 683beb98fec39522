"""From a cell of the console to its tasks, to the explanation. Source: issue 15, point 7; docs/console.md."""
import os
import re
from urllib.parse import quote, urlencode

import pytest

from stage import LANGUAGES, SCRIPT, browser, seconds, tab, world  # noqa: F401

from conftest import ROOT


def as_shown(text):
    """A sentence of the server on the page: moments in the page's form, a capital and a full stop."""
    text = re.sub(r"(\d{4}-\d\d-\d\d)T([\d:.]+)([+-]\d\d:\d\d|Z)", r"\1 \2 \3", text)
    return text[0].upper() + text[1:].replace(",", "") + "."


def filters(page):
    return page.run("return await page.$$eval('.filters li span', (all) => all.map((one) => one.innerText))")


@pytest.mark.parametrize("how", ("row", "bar", "keyboard"))
def test_an_old_day_leads_to_its_tasks_and_to_an_explanation(tab, world, how):
    day = next(row for row in world.usage(month="2020-03", step="1d", group="tier", kind="transcode")
               if row["date"].startswith("2020-03-05") and row["tier"] == "medium")
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03")
    row = next(index for index, cells in enumerate(page.table()) if cells[:2] == ["2020-03-05", "Medium"])
    if how == "row":
        page.click(f"tbody tr:nth-child({row + 1}) td:last-child")
    elif how == "keyboard":
        page.run("await page.locator('tbody a').nth(args.row).focus(); await page.keyboard.press('Enter')", row=row)
    else:
        page.click(f".chart rect[data-start='{day['start']}'].s1")
    page.run("await page.waitForFunction(() => document.title.startsWith('Tasks'))")
    page.settle()
    tasks = page.table()
    assert page.foot() == [f"{day['seconds']:,}", f"{day['minutes']:,}"] and len(tasks) == day["tasks"]
    assert sum(seconds(cells[-2]) for cells in tasks) == day["seconds"]
    assert all(cells[1].startswith("2020-03-05") and cells[1].endswith("+08:00") for cells in tasks)
    page.click("tbody tr:nth-child(1) td:last-child")
    page.run("await page.waitForSelector('.parts')")
    task = world.ask(f"/v1/tasks/org-a/test/{quote(tasks[0][0], safe='')}").json()["task"]
    text = page.text("main").replace("\u00a0", " ").replace(",", "")
    for part in ("counts", "codec", "tier", "amount", "finished", "reported"):
        assert as_shown(task[part]["text"]) in text, part
    assert task["day"]["date"] == "2020-03-05" and "Asia/Shanghai" in text
    page.run("await page.goBack(); await page.waitForFunction(() => document.title.startsWith('Tasks'))")
    page.settle()
    assert page.table() == tasks


@pytest.mark.parametrize("step,at,name", (("1w", "2020-03-01", "Week"), ("1mo", "2020-03-01", "Month"), ("total", "2020-03", "Month")))
def test_the_tasks_of_a_long_step_say_so_and_add_up(tab, world, step, at, name):
    row = world.usage(month="2020-03", step=step, group="tier", kind="transcode")[0]
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03&step=" + step)
    page.click("tbody a")
    page.run("await page.waitForFunction(() => document.title.startsWith('Tasks'))")
    page.settle()
    assert filters(page) == [f"Time: {at}, {name}", "Kind: Transcode", "Tier: Low"]
    assert f"Finished, {at}, {name}, Transcode, Low" in page.text("tfoot th")
    assert page.foot()[:2] == [f"{row['seconds']:,}", f"{row['minutes']:,}"] and len(page.table()) == row["tasks"]


def test_many_tasks_come_in_pages_and_add_up(tab, world):
    total = sum(row["seconds"] for row in world.usage(month="2020-06", kind="transcode"))
    page = tab()
    page.enter(world.one, "#/usage?month=2020-06")
    page.click("tbody a")
    page.settle()
    assert len(page.table()) == 100 and "Sum so far (there are more): Finished, 2020-06-01, Transcode, Low. Tasks: 100" in page.text("tfoot")
    page.run("await page.getByRole('button', {name: 'Show more'}).click(); await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 100)")
    page.settle()
    assert len(page.table()) == 230 and page.foot()[0] == str(total) and "Sum: Finished, 2020-06-01, Transcode, Low. Tasks: 230" in page.text("tfoot")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voided_task_says_who_took_it_off(tab, world, language):
    page = tab(language=language)
    page.enter(world.one, "#/tasks?status=voided")
    assert len(page.table()) == 1
    page.click("tbody a")
    page.run("await page.waitForSelector('.parts')")
    text = page.text("main")
    assert "wrong preset " + SCRIPT in text and "ann" in text
    page.click(".part a")  # to the void, which is no task
    page.run("await page.waitForFunction(() => location.hash === '#/task/org-a/desk/v-1'); await page.waitForFunction(() => document.querySelectorAll('.part').length === 3)")
    parts = page.text(".parts")
    assert "late-3" in parts and "ann" in parts and "wrong preset " + SCRIPT in parts
    assert not re.search("finished|Duration|Codec|完成时间|时长|编码", parts)
    page.click(".part a")
    page.run("await page.waitForFunction(() => location.hash === '#/task/org-a/test/late-3')")


LIMITS = (
    ("month=2020-03", ["Time: 2020-03"]),
    ("from=2020-07-01", ["Time: from 2020-07-01"]),
    ("to=2020-07-01", ["Time: until 2020-07-01 (not included)"]),
    ("from=2020-06-01&to=2020-07-01&at=2019-01", ["Time: 2020-06-01 until 2020-07-01 (not included)"]),
    ("from=1583337600&to=1583424000&at=2020-03-05", ["Time: 2020-03-05"]),
    ("from=1583337600", ["Time: from 1583337600 (Unix time)"]),
    ("month=2020-03&kind=transcode&tier=low&tier=high&codec=h264&codec=&project=org-a&zone=UTC",
     ["Time: 2020-03", "Kind: Transcode", "Tier: Low, High", "Codec: h264, No codec", f"Project: Acme {SCRIPT} (org-a)", "Time zone of days: UTC"]),
)


@pytest.mark.parametrize("limit,words", LIMITS)
def test_each_filter_is_said_and_can_be_removed(tab, world, limit, words):
    page = tab()
    page.enter(world.all, "#/tasks?status=all&" + limit)
    assert filters(page) == words
    if page.run("return await page.locator('tfoot').count()"):
        assert all(word.split(": ", 1)[1] in page.text("tfoot th") for word in words)
    for left in range(len(words), 0, -1):
        page.run("await page.locator('.filters button').first().click()")
        page.run("await page.waitForFunction((count) => document.querySelectorAll('.filters li span').length === count, args.count)", count=left - 1)
        page.settle()
    assert page.run("return page.url()").endswith("#/tasks?status=all") and len(page.table()) == 100


def test_all_filters_are_removed_by_one_click(tab, world):
    page = tab()
    page.enter(world.all, "#/tasks?month=2020-03&kind=transcode&task_id=job-1-1")
    page.run("await page.getByRole('button', {name: 'Remove all filters'}).click(); await page.waitForFunction(() => !document.querySelector('.filters'))")
    assert page.run("return page.url()").endswith("#/tasks?task_id=job-1-1")


def test_kinds_are_not_added_up_and_a_sum_says_how_many_count(tab, world):
    page = tab()
    page.enter(world.one, "#/tasks?status=all&from=2020-07-01")
    sums = page.run("return await page.$$eval('tfoot tr', (rows) => rows.map((row) => [...row.children].map((cell) => cell.innerText)))")
    assert len(sums) == len({cells[5] for cells in page.table()}) >= 2
    assert [cells[1:] for cells in sums if "Snapshot" in cells[0]] == [["–", "–", "12"]]
    transcodes = next(cells for cells in sums if "Transcode" in cells[0])
    assert transcodes[1:] == ["647", "11", "–"] and "Tasks: 3 (2 of them count)" in transcodes[0]
    page.place("#/tasks?task_id=no%20such")
    assert "status “Finished”" in page.text(".empty")


@pytest.mark.parametrize("language,not_counted,waits", zip(LANGUAGES, ("This is not counted.", "未计量。"), ("Waiting", "等待补全")))
def test_what_does_not_count_claims_no_minutes(tab, world, language, not_counted, waits):
    page = tab(language=language)
    page.enter(world.one)
    for place, is_idle in (("test/broken", True), ("test/late-3", True), ("umedia/2%2Fmy_720p.mp4", True), ("umedia/1%2Fmy_720p.mp4", False)):
        page.place("#/task/org-a/" + place)
        text = page.text(".parts")
        assert (not_counted in text) == (is_idle and "ms" in text or is_idle and "毫秒" in text), place
        assert (waits in text.split("\n")) == (place == "umedia/2%2Fmy_720p.mp4")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", ("org-a/test/job-5-1", "org-a/test/late-3", "org-a/umedia/1%2Fmy_720p.mp4", "org-b/test/b-1"))
def test_moments_of_a_page_have_one_zone_and_its_offset(tab, world, place, language):
    page = tab(language=language)
    page.enter(world.all, "#/task/" + place)
    text = page.text(".parts")
    offsets = re.findall(r"\d{4}-\d\d-\d\d[ T][\d:.]+ ?([+-]\d\d:\d\d|)", text)
    assert len(offsets) > 3 and set(offsets) == ({"-05:00"} if "org-b" in place else {"+08:00"}), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_stored_markup_is_text(tab, world, language):
    page = tab(language=language)
    page.enter(world.all, "#/usage?month=2020-03&project=org-a")
    assert SCRIPT in page.run("return await page.locator('select').first().innerText()")
    page.place("#/tasks?" + urlencode({"task_id": "a/b " + SCRIPT}))
    assert page.table()[0][0] == "a/b " + SCRIPT and page.table()[0][2:4] == [f"Acme {SCRIPT} org-a", "farm " + SCRIPT]
    page.click("tbody a")
    page.run("await page.waitForSelector('.parts')")
    facts = page.text(".facts")
    assert facts.count(SCRIPT) >= 4, facts  # id, task_id, source, label


# ---- words of rules ----

# Which part of a task the functions of explain.c explain.
PARTS = {
    "counts": ("say_finished", "say_unresolved", "explain_count"), "codec": ("explain_named_codec", "explain_codec"),
    "tier": ("say_fit", "say_beyond", "say_stored", "explain_tier"), "amount": ("explain_images", "explain_duration", "explain_amount"),
    "finished": ("explain_finish",), "day": ("explain_day",), "reported": ("explain_report",), "voided": ("explain_void",),
    "unresolved": ("explain_waiting",),
}


def rules():
    """[part, rule] of each rule in explain.c."""
    part_of = {function: part for part, functions in PARTS.items() for function in functions}
    function, found = None, set()
    with open(os.path.join(ROOT, "src", "query", "explain.c")) as file:
        for line in file:
            begun = re.match(r"[a-z].*?\b(\w+)\(.*\{", line) or re.match(r"(?:static )?void (\w+)\(", line)
            function = begun.group(1) if begun else function
            if re.search(r"\bbegin\((&|ret)", line):
                found |= {(part_of[function], rule) for rule in re.findall(r'"(\w+)"', line)}
    return sorted(found)


def test_each_rule_has_chinese_words(tab):
    """And the words have all their values."""
    assert len(rules()) > 25 and ("counts", "resolved") in rules() and ("tier", "stored") in rules()
    page = tab(language="zh-CN")
    page.go("/console/")
    part = {"text": "a; b", "reported": "H.264", "name": "low", "longer_side": 1, "longer_side_max": 2, "shorter_side": 3, "shorter_side_max": 4, "duration_ms": 5,
            "seconds": 6, "minutes": 7, "images": 8, "zone": "Asia/Shanghai", "date": "2020-03-01", "token": "7717", "token_label": None, "arrived": "now",
            "source": "farm", "id": "job", "missing": ["width", "height"], "time": "then"}
    told = page.run("""const folder = (await page.getAttribute('link[rel=stylesheet]', 'href')).replace('console.css', '');
      return await page.evaluate(async ({folder, rules, part}) => {
        const {sentences} = await import(new URL(folder + 'rules.js', document.baseURI));
        const task = (name, rule) => ({kind: 'transcode', status: 'finished', finished: part, reported: part, unresolved: part, [name]: {...part, rule}});
        return rules.map(([name, rule]) => sentences(name, task(name, rule)));
      }, {folder, ...args})""", rules=rules(), part=part)
    for rule, said in zip(rules(), told, strict=True):
        language, text = said[0]
        assert language == "zh-CN" and re.search("[\u4e00-\u9fff]", text) and not re.search("undefined|null|NaN|\\[object", text), (rule, text)
        # What only the server's sentence says is there too.
        assert (len(said) == 2) == (rule[0] == "codec" or rule == ("tier", "stored")), rule
