"""Every state of the console in both languages, light and dark, wide and narrow: accessible, in one language, never wider than the window.
`make screenshots` keeps a picture of each. Source: issue 15, point 7; docs/console.md.
"""
from urllib.parse import quote, urlencode

import pytest

from stage import SCRIPT, SHAPES, browser, tab, world  # noqa: F401


# ---- the door ----


def door(page, world, token):
    page.go("/console/")
    page.run("await page.fill('input[name=token]', args.token); await page.click('button.main'); await page.waitForSelector('.failure')", token=token)


DOOR = {
    "door": lambda page, world: page.go("/console/"),
    "door-malformed": lambda page, world: door(page, world, "with blank"),
    "door-wrong": lambda page, world: door(page, world, "cm_" + "0" * 40),
    "door-denied": lambda page, world: door(page, world, world.account.token),
    "door-expired": lambda page, world: door(page, world, world.expired),
}


# ---- behind it ----


def place(address):
    return lambda page, world: page.place(address)


def instead(page, answer, **args):
    """Answers /v1/usage and /v1/tasks in the place of the server."""
    page.run("await page.route(/\\/v1\\/(usage|tasks)/, " + answer + ")", **args)


def loading(page, world):
    instead(page, "() => {}")
    page.run("await page.evaluate(() => { location.hash = '#/usage?month=2020-03&step=1w'; }); await page.waitForFunction(() => document.querySelector('.state').textContent)")


def error(page, world):
    instead(page, "(route) => route.fulfill({status: 503, contentType: 'application/problem+json', body: '{\"detail\":\"too many queries run; try again later\"}'})")
    page.place("#/usage?month=2020-03&step=1mo")


def too_long(page, world):
    instead(page, "(route) => route.fulfill({body: '{\"rows\":[' + ' '.repeat(17 << 20) + ']}'})")
    page.place("#/usage?month=2020-03&by=codec&step=15m")


def unreachable(page, world):
    instead(page, "(route) => route.abort()")
    page.place("#/tasks?status=failed")


def next_page(page, world):
    page.place("#/tasks?from=2020-06-01&to=2020-07-01")
    page.run("await page.getByRole('button', {name: /Show more|显示更多/}).click(); await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 100)")
    page.settle()


INSIDE = {
    "usage-tier": place("#/usage?month=2020-03"),
    "usage-codec": place("#/usage?month=2020-03&by=codec"),
    "usage-project": place("#/usage?month=2020-03&by=project&step=1w"),
    "usage-hours": place("#/usage?from=2020-03-01&to=2020-03-04&step=1h"),
    "usage-quarters": place("#/usage?from=2020-03-05&to=2020-03-06&step=15m&by=codec"),
    "usage-old-day": place("#/usage?from=2020-03-05&to=2020-03-06"),
    "usage-total": place("#/usage?month=2020-03&step=total&by=codec&project=org-a"),
    "usage-snapshots": place("#/usage?month=2020-07&kind=snapshot"),
    "usage-empty": place("#/usage?month=2019-01"),
    "usage-refused": place("#/usage?from=2020-03-09&to=2020-03-01"),
    "usage-loading": loading,
    "usage-error": error,
    "usage-too-long": too_long,
    "tasks": place("#/tasks"),
    "tasks-filtered": place("#/tasks?project=org-a&from=2020-03-05&to=2020-03-06&kind=transcode&tier=medium&zone=Asia%2FShanghai&at=2020-03-05"),
    "tasks-hostile": place("#/tasks?" + urlencode({"task_id": "a/b " + SCRIPT})),
    "tasks-failed": place("#/tasks?status=failed"),
    "tasks-voided": place("#/tasks?status=voided"),
    "tasks-unresolved": place("#/tasks?status=unresolved"),
    "tasks-all": place("#/tasks?status=all&from=2020-07-01"),
    "tasks-none": place("#/tasks?task_id=none"),
    "tasks-first-page": place("#/tasks?from=2020-06-01&to=2020-07-01"),
    "tasks-next-page": next_page,
    "tasks-unreachable": unreachable,
    "task-counted": place("#/task/org-a/test/job-5-1"),
    "task-super": place("#/task/org-a/test/job-5-3"),
    "task-snapshot": place("#/task/org-a/test/shot-1"),
    "task-failed": place("#/task/org-a/test/broken"),
    "task-voided": place("#/task/org-a/test/late-3"),
    "task-void": place("#/task/org-a/desk/v-1"),
    "task-waiting": place("#/task/org-a/umedia/2%2Fmy_720p.mp4"),
    "task-resolved": place("#/task/org-a/umedia/1%2Fmy_720p.mp4"),
    "task-duplicate": place("#/task/org-a/test/twice"),
    "task-hostile": place("#/task/org-a/" + quote("farm " + SCRIPT, safe="") + "/" + quote("a/b " + SCRIPT, safe="")),
    "task-missing": place("#/task/org-a/test/no%20such%20task"),
    "task-dots": place("#/task/org-a/test/.."),
}


CUT = """return await page.evaluate(() => {
  const isCue = (box) => getComputedStyle(box).textOverflow === 'ellipsis' || box.matches('pre')
    || (box.matches('.chart') && box.parentElement.querySelector('.note') !== null);
  const found = [];
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!/\\d/.test(node.data) || node.parentElement.closest('option, title, .cards thead')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const own of range.getClientRects()) {
      for (let box = node.parentElement; box; box = box.parentElement) {
        const edges = box.getBoundingClientRect();
        if (box.ownerSVGElement || getComputedStyle(box).overflowX === 'visible' || getComputedStyle(box).display === 'inline') continue;
        if (isCue(box)) break;
        if (own.left < edges.left - 1 || own.right > edges.right + 1) found.push(node.data.trim());
      }
      if (own.left < 0 || own.right > innerWidth) if (!node.parentElement.closest('.chart, pre, .named')) found.push(node.data.trim());
    }
  }
  return [...new Set(found)];
})"""


def check(page, name, language):
    assert page.run(CUT) == [], f"{name}: a number is cut, and reads as another"
    assert page.axe() == [], name
    assert page.run("return await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)") == 0, name
    chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in page.text("body"))
    assert chinese > 10 if language == "zh-CN" else chinese <= 2, name  # the button of the other language
    assert page.run("return await page.evaluate(() => document.documentElement.lang)") == ("zh-CN" if language == "zh-CN" else "en")


@pytest.mark.parametrize("language,width,dark", SHAPES)
def test_every_state_is_accessible_and_fits(tab, world, language, width, dark):
    page = tab(language=language, width=width, dark=dark)
    for number, (name, show) in enumerate({**DOOR, **INSIDE}.items()):
        if name == list(INSIDE)[0]:
            page.enter(world.all)
        show(page, world)
        page.look(f"{language}-{width}-{'dark' if dark else 'light'}-{number:02}-{name}")
        check(page, name, language)
        page.run("await page.unrouteAll({behavior: 'ignoreErrors'})")


@pytest.mark.parametrize("width,language", ((320, "en-US"), (360, "en-US"), (360, "zh-CN"), (500, "zh-CN"), (700, "en-US"), (1000, "zh-CN"), (1100, "en-US"),
                                            (1280, "zh-CN")))
@pytest.mark.parametrize("address", ("usage?month=2020-03&by=codec", "usage?from=2020-03-05&to=2020-03-06&step=15m&by=codec", "tasks", "tasks?status=all",
                                     "tasks?" + urlencode({"task_id": "a/b " + SCRIPT})))
def test_no_number_is_cut_and_each_sum_is_there(tab, world, address, width, language):
    """A number that the edge of a box cuts reads as another number."""
    page = tab(language=language, width=width)
    page.enter(world.all, "#/" + address)
    assert page.run(CUT) == []
    assert page.table() and all(any(letter.isdigit() for letter in cell) or cell == "–" for cell in page.foot()) and len(page.foot()) >= 2
    for name in ("tfoot td", "tbody tr:first-child td.number"):
        shown = page.run("""return await page.$$eval(args.name, (cells) => cells.map((cell) => {
          const own = cell.getBoundingClientRect(), box = cell.closest('.scroll').getBoundingClientRect();
          return own.width === 0 || (own.left >= box.left && own.right <= box.right); }))""", name=name)
        assert shown and all(shown), name


def test_a_table_that_gets_room_is_a_table_again(tab, world):
    page = tab(width=360)
    page.enter(world.one, "#/tasks")
    for width, cards in ((360, 1), (1400, 0), (360, 1)):
        page.run("await page.setViewportSize({width: args.width, height: 800})", width=width)
        page.run("await page.waitForFunction((count) => document.querySelectorAll('.cards').length === count, args.cards)", cards=cards)
        assert page.run(CUT) == []


def test_the_language_is_changed_by_a_click(tab, world):
    page = tab()
    page.enter(world.one, "#/usage?month=2020-03")
    page.run("await page.getByRole('button', {name: '中文'}).click()")
    assert "用量" in page.text("h1") and page.table()[0][1] == "普清"
    page.run("await page.getByRole('button', {name: 'English'}).click()")
    assert page.text("h1") == "Usage" and page.table()[0][1] == "Low"


def test_each_word_is_there_in_both_languages_and_means_one_thing(tab, world):
    page = tab()
    page.go("/console/")
    first, later = [page.run("""const link = await page.getAttribute('link[rel=stylesheet]', 'href');
      const text = await page.evaluate(async (at) => (await fetch(at)).text(), link.replace('console.css', args.file));
      const made = new Function('navigator', 'location', text.replace(/export /g, '') + ';return {en, "zh-CN": zh}')({languages: ['en']}, {search: ''});
      return Object.fromEntries(Object.entries(made).map(([name, all]) => [name, Object.entries(all).map(([key, word]) => [key, (word.match(/\\{\\d\\}/g) ?? []).sort().join()])]))""",
                             file=file) for file in ("words.js", "explorer/words.js")]
    for words in (first, later):
        assert sorted(words["en"]) == sorted(words["zh-CN"]) and len(words["en"]) > 100
    # The words of the API browser are added to the others when it is opened.
    assert {key for key, _ in first["en"]} & {key for key, _ in later["en"]} == set()


def test_the_home_page_leads_to_the_console(tab, world):
    page = tab()
    page.go("/")
    page.look("home")
    assert page.axe() == []
    page.click("a[hreflang]")
    page.run("await page.waitForSelector('.door form')")
    assert page.text("h1") == "登录"
    page.go("/")
    page.click("a")
    page.run("await page.waitForSelector('.door form')")
    assert page.text("h1") == "Sign in"
