"""From a cell of the console to its tasks, to the explanation. Source: issue 15, point 7; docs/console.md."""
import os
import re
from urllib.parse import quote, urlencode

import pytest

from stage import LANGUAGES, SCRIPT, browser, seconds, tab, world  # noqa: F401

from conftest import ROOT


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
    assert page.foot() == [f"{day['seconds']:,}", f"{day['minutes']:,}", "0"] and len(tasks) == day["tasks"]
    assert sum(seconds(cells[-3]) for cells in tasks) == day["seconds"]
    assert all(cells[1].startswith("2020-03-05") and cells[1].endswith("+08:00") for cells in tasks)
    page.click("tbody tr:nth-child(1) td:last-child")
    page.run("await page.waitForSelector('.parts')")
    task = world.ask(f"/v1/tasks/org-a/test/{quote(tasks[0][0], safe='')}").json()["task"]
    text = page.text("main")
    for part in ("counts", "codec", "tier", "amount", "finished", "day", "reported"):
        assert task[part]["text"] in text, part
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
    assert [text.strip() for text in page.text(".about").split("\n") if text.strip()] == [at, name, "Transcode", "Low"]
    assert page.foot()[:2] == [f"{row['seconds']:,}", f"{row['minutes']:,}"] and len(page.table()) == row["tasks"]


def test_many_tasks_come_in_pages_and_add_up(tab, world):
    total = sum(row["seconds"] for row in world.usage(month="2020-06", kind="transcode"))
    page = tab()
    page.enter(world.one, "#/usage?month=2020-06")
    page.click("tbody a")
    page.settle()
    assert len(page.table()) == 100 and "there are more" in page.text("tfoot")
    page.run("await page.getByRole('button', {name: 'Show more'}).click(); await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 100)")
    page.settle()
    assert len(page.table()) == 230 and page.foot()[0] == str(total) and "Sum of all tasks (230)" in page.text("tfoot")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voided_task_says_who_took_it_off(tab, world, language):
    page = tab(language=language)
    page.enter(world.one, "#/tasks?status=voided")
    assert len(page.table()) == 1
    page.click("tbody a")
    page.run("await page.waitForSelector('.parts')")
    text = page.text("main")
    assert "wrong preset " + SCRIPT in text and "ann" in text
    page.place("#/task/org-a/desk/v-1")  # and the void says what it took off
    facts = page.text(".facts")
    assert "late-3" in facts and "ann" in facts and "wrong preset " + SCRIPT in facts


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
