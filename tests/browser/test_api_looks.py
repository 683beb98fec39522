"""The API browser for everybody: keyboard, both languages, 360 pixels, dark; each state looked at by axe, and by eye (SCREENSHOTS)."""
import json
import urllib.parse

import pytest

from stage import SHAPES, browser  # noqa: F401 (first: it finds the modules of the system tests)
from client import sign
from explorer import STAT, tab, world  # noqa: F401


def test_a_request_by_keyboard_alone(tab, world):
    page = tab()
    page.open("#/api")
    page.run("await page.waitForSelector('.operations')")
    press = lambda *keys: page.run("for (const key of args.keys) await page.keyboard.press(key)", keys=keys)  # noqa: E731
    focused = lambda: page.run("return await page.evaluate(() => document.activeElement.name || document.activeElement.textContent)")  # noqa: E731

    def reach(name):
        for _ in range(80):
            if focused() == name:
                return
            press("Tab")
        raise AssertionError(name + " is not reached")

    reach("search")
    page.run("await page.keyboard.type('getregion')")
    reach("GetRegion")
    press("Enter")
    page.run("await page.waitForSelector('[name=publicKey]')")
    for name, value in (("publicKey", world.key["public_key"]), ("privateKey", world.key["private_key"])):
        reach(name)
        page.run("await page.keyboard.type(args.value)", value=value)
    reach("Send")
    press("Enter")
    page.run("await page.waitForSelector('#answer-text')")
    assert json.loads(page.shown("#answer-text"))["RetCode"] == 0
    reach("Show the PrivateKey")
    press("Space")
    assert page.shown("#canonical").endswith(world.key["private_key"])
    reach("Python")
    press("Enter")
    assert "import hashlib" in page.shown("#snippet")


def looks(page, world, name):
    """Each state of these views, looked at by eye (SCREENSHOTS) and by axe."""
    def look(state):
        page.look(f"api-{name}-{state}")
        assert page.axe() == [], state
        wide = page.run("return await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)")
        assert wide == 0, state

    page.open("#/api?unknown")
    page.run("await page.waitForSelector('.operations')")
    look("list")
    page.open("#/api/GetCodecTotalStat")
    page.run("await page.click('form button.main')")
    look("no-keys")
    page.keys(world.key)
    for param, value in STAT.items():
        page.fill(param, value)
    page.send()
    look("action")
    page.open("#/api/reportEvents")
    look("report")
    page.open("#/api/usage")
    look("signed-out")
    page.sign_in(world)
    page.open("#/api/usage")
    page.fill("month", "2026-10")
    for param in ("group", "label", "kind", "codec"):
        page.example(param)
    page.send()
    look("resource")
    page.open("#/sign")
    look("sign-empty")
    given = {"Action": "GetRegion", "PublicKey": "a b", "Name": " x ", "Signature": sign({"Action": "GetRegion", "PublicKey": "a b", "Name": "x"}, "key")}
    for state, params in (("sign-wrong", given), ("sign-right", {**given, "Signature": sign(given, "key")})):
        page.fill("params", urllib.parse.urlencode(params))
        page.fill("key", "key")
        page.run("await page.click('form button.main'); await page.waitForSelector('.verdict')")
        look(state)
    page.fill("params", "{")
    page.run("await page.click('form button.main'); await page.waitForSelector('main > .failure')")
    look("sign-unreadable")


@pytest.mark.parametrize("language,width,dark", SHAPES)
def test_no_view_has_serious_findings_or_scrolls_sideways(tab, world, language, width, dark):
    looks(tab(language=language, width=width, dark=dark), world, f"{language}-{width}-{'dark' if dark else 'light'}")


def test_the_language_is_changed_by_a_click_and_keeps_what_was_typed(tab, world):
    page = tab()
    page.open("#/api/GetCodecTotalStat")
    page.keys(world.key)
    page.fill("BeginTime", "1500220800")
    page.button("中文")
    page.run("await page.waitForSelector('text=参数')")
    assert page.run("return [await page.inputValue('[name=BeginTime]'), await page.inputValue('[name=privateKey]')]") == ["1500220800", world.key["private_key"]]


def test_each_word_is_there_in_both_languages(tab, world):
    page = tab()
    page.go("/console/")
    words = page.module("words", r"""const of = (all) => Object.entries(all).map(([key, word]) => [key, (word.match(/\{\d\}/g) ?? []).sort().join()]);
      return [of(m.en), of(m.zh)]""")
    assert sorted(words[0]) == sorted(words[1]) and len(words[0]) > 100
