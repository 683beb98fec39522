"""The console's door: who gets in, who does not, and what is left behind. Source: issue 15, point 7; docs/console.md."""
import time

import pytest

from stage import LANGUAGES, browser, tab, world  # noqa: F401

from conftest import run


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


def test_an_expired_token_is_refused_and_one_that_expires_later_signs_out(tab, world):
    when = time.time() + 8
    token = world.reader("--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
    page = tab()
    page.enter(token, "#/usage?month=2020-03")
    time.sleep(max(0, when - time.time()))
    page.run("await page.getByRole('combobox', {name: 'Step'}).selectOption('1w'); await page.waitForSelector('.door .failure')")
    assert "has expired" in page.text(".failure") and page.run("return await page.locator('table').count()") == 0
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
