"""The console's door: who gets in, who does not, and what is left behind. Source: issue 15, point 7; docs/console.md."""
import time

import pytest

from stage import HOST, LANGUAGES, browser, tab, world  # noqa: F401

from conftest import run


def kept(tab):
    """All that a later user of the browser could find."""
    return tab.run("""return JSON.stringify([page.url(), await page.evaluate(async () => [location.href, document.referrer, document.cookie,
      {...localStorage}, {...sessionStorage}, history.state, window.name, performance.getEntriesByType('resource').map((one) => one.name),
      (await indexedDB.databases()), typeof caches === 'undefined' ? [] : await caches.keys().catch(() => [])]), await context.storageState()])""")


BAD = (("cm_" + "0" * 40, "does not take this token"), ("nothing", "does not take this token"), ("with blank", "not a token"),
       ("中文", "not a token"))


@pytest.mark.parametrize("host", (None, HOST))
@pytest.mark.parametrize("token,says", BAD)
def test_a_wrong_token_is_refused_and_the_right_one_then_taken(tab, world, token, says, host):
    """Also by a name that is not loopback, on plain http, where browsers withhold what they give to pages that they trust."""
    page = tab(host=host)
    page.go("/console/")
    assert page.run("return await page.evaluate(() => isSecureContext)") == (host is None)
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
    for seconds in (8, 32, 128):  # the first that is enough to sign in, however slow the machine is
        when = time.time() + seconds
        token = world.reader("--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
        page = tab()
        page.go("/console/#token=" + token)
        page.run("await page.waitForSelector('nav, .failure')")
        page.place("#/usage?month=2020-03")
        if page.run("return await page.locator('table').count()") > 0:
            break
    time.sleep(max(0, when - time.time()))
    page.run("await page.getByRole('combobox', {name: 'Step'}).selectOption('1w'); await page.waitForSelector('.door .failure')")
    assert "has expired" in page.text(".failure") and page.run("return await page.locator('table').count()") == 0
    page.go("/console/")
    page.go("/console/#token=" + token)
    page.run("await page.waitForSelector('.failure')")
    assert "has expired" in page.text(".failure")


@pytest.mark.parametrize("place,click", (("#/usage?month=2020-03", "Download XLSX"), ("#/usage?month=2020-03", "Download CSV"), ("#/tasks?month=2020-06", "Show more"),
                                         ("#/tasks?month=2020-06", "Download XLSX"), ("#/tasks?month=2020-06", "Find")))
def test_a_token_that_is_revoked_signs_out_at_the_next_request(tab, world, place, click):
    made = world.server.admin("token", "create", "--scope", "read")
    page = tab()
    page.enter(made["token"], place)
    assert page.table()
    run("token", "revoke", made["id"], "--data", world.server.data)
    if click == "Download XLSX" and "usage" in place:  # it is made of what the page shows, without a request
        assert page.download(click)[1][:2] == b"PK"
        page.run("await page.getByRole('combobox', {name: 'Step'}).selectOption('1w')")
    else:
        page.run("await page.fill('input[name=task_id]', 'a').catch(() => {})") if click == "Find" else None
        page.run("await page.getByRole('button', {name: args.click}).click()", click=click)
    page.run("await page.waitForSelector('.door .failure')")
    assert "revoked" in page.text(".failure") and page.run("return await page.locator('table').count()") == 0
    page.run("await page.fill('input[name=token]', args.token); await page.click('button.main'); await page.waitForSelector('nav')", token=world.one)


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
