"""Every state of the console in both languages, light and dark, wide and narrow: accessible, in one language, never wider than the window.
`make screenshots` keeps a picture of each. Source: issue 15, point 7; docs/console.md.
"""
from urllib.parse import quote

import pytest

from stage import LANGUAGES, SCRIPT, browser, tab, world  # noqa: F401


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
