"""The console in a real Chromium, against a real server with real events. Source: issue 15, point 7; docs/console.md.

The browser's time zone is Los Angeles', the projects' are Shanghai's and New York's, so a date that the browser made itself is wrong.
"""
import csv
import io
import os
import sys
import time
from urllib.parse import quote, urlencode

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from browser import Browser, Tab  # noqa: E402
from client import event  # noqa: E402
from conftest import Account, Server, run  # noqa: E402

SCRIPT = "<script>window.bad=1</script><img src=x onerror=window.bad=1>"
LANGUAGES = ("en-US", "zh-CN")
CODECS = ("h264", "h265", "av1", "vp9", "mpeg2", "prores", "theora", "dirac", "vc1", "mjpeg")
SIDES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))


class World:
    def __init__(self, data):
        self.account = Account(Server(data))
        self.server = self.account.server
        self.server.admin("project", "create", "--id", "org-b", "--time-zone", "America/New_York")
        self.server.admin("project", "set", "--id", "org-a", "--name", "Acme " + SCRIPT)
        self.all = self.reader()
        self.one = self.reader("--project", "org-a")
        self.report(self.account.token, self.events())
        other = self.server.admin("token", "create", "--project", "org-b")["token"]
        self.report(other, [event(f"b-{n}", f"2020-03-0{n}T04:30:00Z", 30 * n, 1280, 720) for n in range(1, 6)])
        void = self.server.admin("token", "create", "--scope", "void", "--project", "org-a")["token"]
        self.report(void, [{"specversion": "1.0", "type": "usage.voided", "source": "desk", "id": "v-1",
                            "data": {"source": "test", "id": "late-3", "reason": "wrong preset " + SCRIPT, "actor": "ann"}}])

    @staticmethod
    def events():
        """Days of 2020 in Shanghai; half of the tasks finish when Los Angeles has the day before."""
        made = [event(f"job-{day}-{n}", f"2020-03-{day:02}T{(3 * n) % 24:02}:10:00.500+08:00", 17.4 * n + day, *SIDES[n % 4], CODECS[n % 10])
                for day in (1, 2, 3, 5, 17, 31) for n in range(1, 12)]
        made.append(event("first", "2020-03-01T00:00:00+08:00", 10, 1280, 720))
        made.append(event("last", "2020-03-31T23:59:59.999+08:00", 20, 1280, 720))
        made.append(event("next month", "2020-04-01T00:00:00+08:00", 999, 1280, 720))
        made.append(event("a/b " + SCRIPT, "2020-03-02T12:00:00+08:00", 5, 1280, 720, source="farm " + SCRIPT))
        made[-1]["data"]["labels"] = {"team": SCRIPT}
        made += [event(f"late-{n}", "2020-05-05T12:00:00Z", 3, 1280, 720, task_id=f"late-{n}") for n in range(1, 4)]
        made += [event(f"many-{n}", "2020-06-01T12:00:00Z", 1 + n % 7, 640, 360) for n in range(230)]
        shot = event("shot-1", "2020-07-01T12:00:00Z", type="snapshot.finished")
        shot["data"] = {"image_count": 12}
        return [*made, shot]

    def report(self, token, events):
        answer = self.server.client(token=token).report(events).json()
        assert answer["stored"] == len(events), answer

    def reader(self, *args):
        return self.server.admin("token", "create", "--scope", "read", *args)["token"]

    def usage(self, token=None, **params):
        return self.ask("/v1/usage?" + urlencode(params), token).json()["rows"]

    def ask(self, path, token=None):
        answer = self.server.client().request("GET", path, headers={"Authorization": "Bearer " + (token or self.one)})
        assert answer.status == 200, answer.body
        return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("world") / "data")
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def browser():
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def tab(browser, world):
    """Opens windows, and looks at the end at what none of them may have done."""
    tabs = []

    def open_tab(**options):
        tabs.append(Tab(browser, world.server, **options))
        return tabs[-1]

    yield open_tab
    for each in tabs:
        hosts = each.run("return requests.filter((url) => !url.startsWith(args.url + '/') && !url.startsWith('blob:' + args.url))", url=world.server.url)
        assert hosts == [], "the console asks other hosts"
        # Chromium reports each refused answer of a fetch as an error, too.
        errors = [text for text in each.run("return errors") if not text.startswith("Failed to load resource")]
        assert errors == []
        assert each.run("return await page.evaluate(() => window.bad === undefined)"), "a stored script ran"
        each.close()


def seconds(text):
    return int(text.replace(",", ""))


# ---- signing in ----


def kept(tab):
    """All that a later user of the browser could find."""
    return tab.run("""return JSON.stringify([page.url(), await page.evaluate(async () => [location.href, document.referrer, document.cookie,
      {...localStorage}, {...sessionStorage}, history.state, window.name, performance.getEntriesByType('resource').map((one) => one.name),
      (await indexedDB.databases()), await caches.keys().catch(() => [])]), await context.storageState()])""")


BAD = (("cm_" + "0" * 40, "does not take this token"), ("nothing", "does not take this token"), ("with blank", "not a token"),
       ("中文", "not a token"))


@pytest.mark.parametrize("token,says", BAD)
def test_a_wrong_token_is_refused_and_the_right_one_then_taken(tab, world, token, says):
    page = tab()
    page.go("/console/")
    page.run("await page.fill('input[name=token]', args.token); await page.keyboard.press('Enter')", token=token)
    page.run("await page.waitForSelector('.failure')")
    assert says in page.text(".failure")
    assert page.run("return await page.locator('nav').count()") == 0
    page.run("await page.fill('input[name=token]', args.token); await page.click('button.main'); await page.waitForSelector('nav')", token=world.one)
    assert world.one not in kept(page)


@pytest.mark.parametrize("language,says", zip(LANGUAGES, ("scope read", "作用域 read")))
def test_a_token_that_reports_may_not_read(tab, world, language, says):
    page = tab(language=language)
    page.go("/console/#token=" + world.account.token)
    page.run("await page.waitForSelector('.failure')")
    assert says in page.text(".failure") and world.account.token not in kept(page)
    page.look(f"denied-{language}")


def test_an_expired_token_is_refused_and_one_that_expires_later_signs_out(tab, world):
    when = time.time() + 8
    token = world.reader("--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
    page = tab()
    page.enter(token, "#/usage?month=2020-03")
    time.sleep(max(0, when - time.time()))
    page.run("await page.getByRole('combobox', {name: 'Step'}).selectOption('1w'); await page.waitForSelector('.door .failure')")
    assert "has expired" in page.text(".failure") and page.run("return await page.locator('table').count()") == 0
    page.look("expired-en-US")
    page.go("/console/")
    page.go("/console/#token=" + token)
    page.run("await page.waitForSelector('.failure')")
    assert "has expired" in page.text(".failure")


def test_a_link_signs_in_and_leaves_no_token_behind(tab, world):
    link = run("console", "--data", world.server.data, "--url", world.server.url, "--project", "org-a", "--quiet").stdout.strip()
    token = link.split("#token=")[1]
    page = tab()
    page.go("/console/")
    page.run("await page.goto(args.link); await page.waitForSelector('nav')", link=link)  # only the fragment differs: no new page
    page.settle()
    page.place("#/usage?month=2020-03")
    page.click("tbody a")
    page.settle()
    assert token not in kept(page)
    # Back through the whole history: no entry has it.
    for _ in range(5):
        page.run("await page.evaluate(() => history.back()); await page.waitForTimeout(100)")
        assert token not in page.run("return page.url()")
    page.go("/console/")
    page.run("await page.reload(); await page.waitForSelector('.door form')")  # forgotten
    assert page.run("return await page.inputValue('input[name=token]')") == ""
    assert token not in world.server.log_text()
    assert all(token not in url for url in page.run("return requests.map((url) => url.split('#')[0])"))


def test_signing_out_forgets_the_token(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03")
    page.run("await page.getByRole('button', {name: 'Sign out'}).click(); await page.waitForSelector('.door form')")
    assert page.run("return await page.locator('table, svg rect.s1').count()") == 0


# ---- usage ----


@pytest.mark.parametrize("by", ("tier", "codec"))
@pytest.mark.parametrize("step", ("1d", "1w", "1mo", "1h", "total"))
@pytest.mark.parametrize("measure", ("seconds", "tasks"))
def test_bars_table_and_api_are_the_same(tab, world, by, step, measure):
    rows = world.usage(project="org-a", month="2020-03", step=step, group=by, kind="transcode")
    page = tab()
    page.enter(world.one, "#/usage?" + urlencode({"month": "2020-03", "step": step, "by": by, "measure": measure}))
    # The table, row by row.
    names = {"low": "Low", "medium": "Medium", "high": "High", "super": "Super"}
    label = lambda date: f"{date[:10]} {date[11:16]} {date[19:]}" if step == "1h" else date[:10]  # noqa: E731
    expected = [[label(row["date"]), names.get(row[by], row[by]), *(f"{row[c]:,}" for c in ("seconds", "minutes", "tasks"))] for row in rows]
    assert page.table() == expected and len(expected) > 3
    assert page.foot() == [f"{sum(row[c] for row in rows):,}" for c in ("seconds", "minutes", "tasks")]
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
    page.look(f"usage-{by}-{step}-{measure}")


def test_the_csv_is_the_one_of_the_api(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03&by=codec")
    name, text = page.run("""const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: 'Download CSV'}).click()]);
      const pieces = []; for await (const piece of await file.createReadStream()) pieces.push(piece);
      return [file.suggestedFilename(), Buffer.concat(pieces).toString('utf8')];""")
    assert name == "codecmeter-2020-03-codec.csv" and text.startswith("\ufeff")
    told = [(int(row["start"]), row["codec"], int(row["seconds"])) for row in csv.DictReader(io.StringIO(text[1:]))]
    assert told == [(row["start"], row["codec"], row["seconds"]) for row in world.usage(month="2020-03", step="1d", group="codec", kind="transcode")]


def test_snapshots_count_images(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-07&kind=snapshot")
    assert page.table() == [["2020-07-01", "No tier", "12", "1"]] and [bar["value"] for bar in page.bars()] == [12]
    page.look("snapshots")


# ---- from a cell to its tasks, to the explanation ----


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
    page.look(f"tasks-{how}")
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


@pytest.mark.parametrize("step,name", (("1w", "Week"), ("1mo", "Month"), ("total", "Whole range")))
def test_the_tasks_of_a_long_step_say_so_and_add_up(tab, world, step, name):
    row = world.usage(month="2020-03", step=step, group="tier", kind="transcode")[0]
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03&step=" + step)
    page.click("tbody a")
    page.run("await page.waitForFunction(() => document.title.startsWith('Tasks'))")
    page.settle()
    assert [text.strip() for text in page.text(".about").split("\n") if text.strip()] == ["2020-03-01", name, "Transcode", "Low"]
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
    assert len(page.table()) == 230 and page.foot()[0] == str(total) and "Sum of all 230" in page.text("tfoot")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voided_task_says_who_took_it_off(tab, world, language):
    page = tab(language=language)
    page.enter(world.one, "#/tasks?status=voided")
    assert len(page.table()) == 1
    page.click("tbody a")
    page.run("await page.waitForSelector('.parts')")
    text = page.text("main")
    assert "wrong preset " + SCRIPT in text and "ann" in text
    page.look(f"voided-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_stored_markup_is_text(tab, world, language):
    page = tab(language=language)
    page.enter(world.all, "#/usage?month=2020-03&project=org-a")
    assert SCRIPT in page.run("return await page.locator('select').first().innerText()")
    page.place("#/tasks?" + urlencode({"task_id": "a/b " + SCRIPT}))
    assert page.table()[0][0] == "a/b " + SCRIPT
    page.click("tbody a")
    page.run("await page.waitForSelector('.parts')")
    facts = page.text(".facts")
    assert facts.count(SCRIPT) >= 4, facts  # id, task_id, source, label
    page.look(f"markup-{language}")


def test_projects_of_several_zones_are_counted_in_one(tab, world):
    page = tab()
    page.enter(world.all, "#/usage?month=2020-03")
    for zone in ("Asia/Shanghai", "America/New_York"):
        page.run("await page.getByRole('combobox', {name: 'Days of time zone'}).selectOption(args.zone)", zone=zone)
        page.run("await page.waitForFunction((zone) => document.querySelector('.note')?.textContent.includes(zone), args.zone)", zone=zone)
        page.settle()
        rows = world.usage(world.all, month="2020-03", step="1d", group="tier", kind="transcode", zone=zone)
        assert [(cells[0], seconds(cells[2])) for cells in page.table()] == [(row["date"][:10], row["seconds"]) for row in rows]
    page.look("zones")


def test_ranges_steps_and_kinds_are_chosen_by_controls(tab, world):
    page = tab()
    page.enter(world.one)
    page.run("await page.getByRole('combobox', {name: 'Range', exact: true}).selectOption('dates')")
    page.run("await page.getByRole('textbox', {name: 'From'}).fill('2020-03-02'); await page.keyboard.press('Tab')")
    page.run("await page.getByRole('textbox', {name: 'To (not included)'}).fill('2020-03-06'); await page.keyboard.press('Tab')")
    page.run("await page.waitForFunction(() => location.hash.includes('to=2020-03-06'))")
    page.run("await page.getByRole('combobox', {name: 'Bars by'}).selectOption('codec')")
    page.run("await page.waitForFunction(() => location.hash.includes('by=codec'))")
    page.settle()
    rows = world.usage(**{"from": "2020-03-02", "to": "2020-03-06"}, step="1d", group="codec", kind="transcode")
    assert [seconds(cells[2]) for cells in page.table()] == [row["seconds"] for row in rows]
    page.run("await page.getByRole('textbox', {name: 'From'}).fill('2020-03-09'); await page.keyboard.press('Tab'); await page.waitForSelector('.failure')")
    assert "to" in page.text(".failure") and page.run("return await page.locator('table').count()") == 0
    page.look("refused")
    page.run("await page.getByRole('combobox', {name: 'Range', exact: true}).selectOption('now'); await page.waitForSelector('.empty')")
    page.look("empty")


def test_a_server_that_is_gone_is_said(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03")
    page.run("await context.setOffline(true); await page.getByRole('combobox', {name: 'Step'}).selectOption('1w'); await page.waitForSelector('.failure')")
    assert "did not answer" in page.text(".failure")


ANSWERS = (
    ('{"position":1,"rows":[', "cut off"),
    ('{"position":1,"rows":[]}', "cut off"),
    ('<html>a proxy</html>', "cut off"),
    ('{"position":1,"rows":[{"start":1,"end":2,"date":"2020-03-01T00:00:00+08:00","tier":"low","kind":"transcode","seconds":9007199254740993,'
     '"minutes":1,"tasks":1,"images":0}],"complete":true}', "too large"),
    ('{"position":1,"rows":[' + ",".join(
        f'{{"start":{n},"end":{n + 1},"date":"2020-03-0{n}T00:00:00+08:00","tier":"low","kind":"transcode","seconds":{2**53 - 1},'
        '"minutes":1,"tasks":1,"images":0}' for n in (1, 2)) + '],"complete":true}', "too large"),
    ('{"position":1,"rows":[' + " " * (17 << 20) + '],"complete":true}', "too long"),
)


@pytest.mark.parametrize("body,says", ANSWERS)
def test_no_number_of_a_broken_answer_is_shown(tab, world, body, says):
    """Answers that no good server gives: the browser gets them in the place of the server's."""
    page = tab()
    page.enter(world.one, "#/tasks?month=2020-03")
    page.run("await page.route('**/v1/usage?*', (route) => route.fulfill({body: args.body, contentType: 'application/json'}))", body=body)
    page.place("#/usage?month=2020-03")
    assert says in page.text(".failure") and page.run("return await page.locator('table, .chart').count()") == 0


# ---- for everybody ----

PLACES = ("", "#/usage?month=2020-03", "#/usage?month=2020-03&by=codec&step=1h", "#/usage?month=2020-03&step=15m", "#/usage?month=2019-01", "#/usage?from=2020-03-09&to=2020-03-01",
          "#/tasks?month=2020-03", "#/tasks?status=voided", "#/task/org-a/test/job-5-1", "#/task/org-a/test/no%20such%20task",
          "#/task/org-a/" + quote("farm " + SCRIPT, safe="") + "/" + quote("a/b " + SCRIPT, safe=""), "#/task/org-a/test/..")


@pytest.mark.parametrize("width,dark", ((1280, False), (1280, True), (360, False), (360, True)))
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_view_has_serious_findings_or_scrolls_sideways(tab, world, language, width, dark):
    page = tab(language=language, width=width, dark=dark)
    page.go("/console/")
    page.run("await page.waitForSelector('form')")
    page.look(f"door-{language}-{width}-{'dark' if dark else 'light'}")
    assert page.axe() == []
    page.enter(world.all)
    for number, place in enumerate(PLACES):
        page.place(place)
        page.look(f"{language}-{width}-{'dark' if dark else 'light'}-{number}")
        assert page.axe() == [], place
        wide = page.run("return await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)")
        assert wide == 0, place
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in page.text("body"))
        assert chinese > 10 if language == "zh-CN" else chinese <= 2, place  # the button of the other language
        assert page.run("return await page.evaluate(() => document.documentElement.lang)") == ("zh-CN" if language == "zh-CN" else "en")


def test_the_language_is_changed_by_a_click(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03")
    page.run("await page.getByRole('button', {name: '中文'}).click()")
    assert "用量" in page.text("h1") and page.table()[0][1] == "普清"
    page.run("await page.getByRole('button', {name: 'English'}).click()")
    assert page.text("h1") == "Usage" and page.table()[0][1] == "Low"


def test_each_word_is_there_in_both_languages(tab, world):
    page = tab()
    page.go("/console/")
    words = page.run("""const link = await page.getAttribute('link[rel=stylesheet]', 'href');
      const text = await page.evaluate(async (at) => (await fetch(at)).text(), link.replace('console.css', 'words.js'));
      const made = new Function('navigator', text.replace(/export /g, '') + ';return words')({languages: ['en']});
      return Object.fromEntries(Object.entries(made).map(([name, all]) => [name, Object.entries(all).map(([key, word]) => [key, (word.match(/\\{\\d\\}/g) ?? []).sort().join()])]))""")
    assert sorted(words["en"]) == sorted(words["zh-CN"]) and len(words["en"]) > 100


def test_the_home_page_leads_to_the_console(tab, world):
    page = tab()
    page.go("/")
    page.look("home")
    assert page.axe() == []
    page.click("a")
    page.run("await page.waitForSelector('.door form')")
