"""The API browser: each operation of the server's description as a form, sent to a real server; secrets, addresses, the checker's page.

Source: issue 15, point 7; docs/console.md.
"""
import json
import urllib.parse

import pytest

from stage import HOST, LANGUAGES, browser  # noqa: F401 (first: it finds the modules of the system tests)
from client import canonical, sign
from explorer import HOSTILE, STAT, Page, Proxy, compare, exactly, same, tab, world  # noqa: F401


# ---- the list ----


@pytest.mark.parametrize("language,lang", zip(LANGUAGES, ("en", "zh")))
def test_every_operation_is_listed_and_has_a_form_with_help(tab, world, language, lang):
    page = tab(language=language)
    page.open("#/api")
    page.run("await page.waitForSelector('.operations')")
    listed = page.run("return await page.$$eval('.operations li', (all) => all.map((one) => [one.querySelector('a').textContent, one.querySelector('.summary').textContent]))")
    wanted = [[one["operationId"], one["summary"].replace("`", "")] for _, _, one in world.operations("action", "resource", "report", "server", lang=lang)]
    assert sorted(listed) == sorted(wanted) and len(wanted) >= 19
    for path, method, one in world.operations("action", "resource", "report", "server", lang=lang):
        page.open("#/api/" + one["operationId"])
        text = page.text("main")
        assert one["description"].replace("`", "") in text and f"{method.upper()} {path.split('#')[0]}" in text
        if one["x-codecmeter-kind"] == "report":
            assert page.run("return await page.locator('form').count()") == 0
            continue
        schema = one.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {}).get("schema", {})
        params = [(name, each) for name, each in schema.get("properties", {}).items() if name not in ("Action", "PublicKey", "Signature")]
        params += [(each["name"], each) for each in one.get("parameters", [])]
        labels = page.run("return await page.$$eval('.about-param label, .about-param .label', (all) => all.map((one) => one.firstChild.textContent))")
        assert [name for name in labels if name != labels[-1]] == [name for name, _ in params]
        assert page.run("""return await page.$$eval('.choices', (all) => all.every((one) => {
          const texts = [...one.querySelectorAll('label')].map((each) => each.textContent); return new Set(texts).size === texts.length; }))""")
        for name, each in params:
            assert each["description"].replace("`", "") in page.text(f"[id='help-{name}']"), name


def test_the_list_is_searched(tab, world):
    page = tab()
    page.open("#/api")
    page.fill("search", "tasklist codec")
    assert page.run("return await page.$$eval('.operations a', (all) => all.map((one) => one.textContent))") == ["GetCodecTaskList"]
    page.fill("search", "no such thing")
    assert page.run("return await page.locator('.operations').count()") == 0 and "0 of" in page.text("p[role=status]")
    page.fill("search", "")
    page.click(".operations a")
    page.run("await page.waitForSelector('form')")
    page.run("await page.goBack(); await page.waitForSelector('.operations')")


# ---- sending ----


def test_every_action_answers_from_its_form_as_the_server_does(tab, world):
    page = tab()
    page.open("#/api/GetRegion")
    page.keys(world.key)
    for name in world.actions:
        page.open("#/api/" + name)
        if page.run("return await page.getByRole('button', {name: 'Fill in the examples'}).count()") > 0:
            page.button("Fill in the examples")
        shown = page.send()
        params = page.run("return await page.$$eval('.param input', (all) => all.filter((one) => one.value).map((one) => [one.name, one.value]))")
        params += page.run("return await page.$$eval('.param select', (all) => all.filter((one) => one.value).map((one) => [one.name, one.value]))")
        sent = world.client.signed({"Action": name, **dict(params)})
        assert page.shown("#signature") == sent["Signature"], name
        text = canonical({key: value for key, value in sent.items() if key != "Signature"})
        assert page.shown("#canonical") == text + "<PrivateKey>"
        body = world.client.request("POST", "/", urllib.parse.urlencode(sent), {"Content-Type": "application/x-www-form-urlencoded"}).body.decode()
        same(world, name, shown, body)
        assert exactly(shown)["RetCode"] == "0", (name, shown)
        assert "200 OK" in page.text(".summary-line") and f"{len(body.encode()):,} bytes" in page.text(".summary-line")
        assert "x-ucloud-request-uuid: " in page.shown("#answer-headers")


def encoded(value):
    return urllib.parse.quote(value, safe="")


def queries(path, one):
    """The path with its examples, alone and with the example of each parameter; what to do to the form for it."""
    required = [each for each in one.get("parameters", []) if each["in"] == "path"]
    for each in required:
        path = path.replace("{%s}" % each["name"], encoded(each["example"]))
    yield path, None
    for each in one.get("parameters", []):
        if each["in"] != "query":
            continue
        value = each["example"]
        if isinstance(value, dict):
            pairs = list(value.items())
        elif isinstance(value, list):
            pairs = [(each["name"], ",".join(value))] if each.get("explode") is False else [(each["name"], item) for item in value]
        else:
            pairs = [(each["name"], value)]
        yield path + "?" + urllib.parse.urlencode(pairs), each["name"]


def test_every_resource_answers_from_its_form_as_the_server_does(tab, world):
    page = tab()
    page.sign_in(world)
    for path, _, one in world.operations("resource", "server"):
        name = one["operationId"]
        for query, param in queries(path, one):
            page.open("#/api/" + name)
            page.button("Clear")
            if any(each["in"] == "path" for each in one.get("parameters", [])):
                page.button("Fill in the examples")
            if param:
                page.example(param)
            shown = page.send()
            answer = world.get(query, world.read)
            same(world, name, shown, answer.body.decode())
            assert str(answer.status) in page.text(".summary-line"), query
            assert page.shown("section[aria-labelledby=request] pre").split("\n")[0].endswith(query.replace("%20", "+")), query


def test_a_form_of_many_kinds_of_values_sends_what_was_given(tab, world):
    page = tab()
    page.sign_in(world)
    page.open("#/api/usage")
    for name in ("org-acme", "org-demo"):
        page.run("await page.getByRole('button', {name: 'Add a value of project'}).click(); await page.getByRole('textbox', {name: /^project/}).last().fill(args.name)", name=name)
    page.run("await page.getByRole('checkbox', {name: 'tier'}).check(); await page.getByRole('checkbox', {name: 'project'}).check()")
    page.run("await page.getByRole('button', {name: 'Add a value of group'}).click(); await page.getByRole('textbox', {name: 'group 1'}).fill('label.team')")
    page.run("await page.selectOption('[name=step]', '1d')")
    page.fill("from", "2026-10-01")
    page.fill("to", "2026-11-01")
    page.run("await page.getByRole('button', {name: 'Add a value of codec'}).click()")  # an empty value: tasks without a codec
    page.run("await page.getByRole('button', {name: 'Add a value of codec'}).click(); await page.getByRole('textbox', {name: 'codec 2'}).fill('h264')")
    page.pair("label", "team", HOSTILE[0])
    shown = page.send()
    request = page.shown("section[aria-labelledby=request] pre").split("\n")[0]
    pairs = urllib.parse.parse_qsl(request.split("?")[1], keep_blank_values=True)
    assert sorted(pairs) == sorted([("project", "org-acme"), ("project", "org-demo"), ("group", "tier,project,label.team"), ("step", "1d"), ("from", "2026-10-01"),
                                    ("to", "2026-11-01"), ("codec", ""), ("codec", "h264"), ("label.team", HOSTILE[0])])
    same(world, "usage", shown, world.get("/v1/usage?" + urllib.parse.urlencode(pairs), world.read).body.decode())
    assert len(json.loads(shown)["rows"]) == 2  # one in each project


def test_what_is_missing_or_cannot_be_sent_is_said(tab, world):
    page = tab()
    page.open("#/api/GetRegion")
    page.run("await page.click('form button.main')")
    assert "Type PublicKey and PrivateKey" in page.text("main > .failure")
    page.keys(world.key)
    page.pair("Other parameters", "action", "x")
    page.run("await page.click('form button.main')")
    assert "given twice" in page.text("main > .failure") and page.run("return await page.locator('#snippet').count()") == 0
    page.button("Clear")
    page.pair("Other parameters", "na&me", "x")
    page.run("await page.click('form button.main')")
    assert "na&me" in page.text("main > .failure")
    page.sign_in(world)
    page.open("#/api/task")
    page.run("await page.click('form button.main')")
    assert "project, source, id" in page.text("main > .failure")
    page.button("Fill in the examples")
    page.fill("id", "..")
    page.run("await page.click('form button.main')")
    assert "cannot send" in page.text("main > .failure")
    page.open("#/api/tasks")
    page.pair("label", "a=b", "x")
    page.run("await page.click('form button.main')")
    assert "“a=b”" in page.text("main > .failure") and page.run("return await page.locator('#snippet').count()") == 0


def test_without_a_token_actions_are_sent_and_resources_ask_for_one(tab, world):
    page = tab()
    page.open("#/api/usage")
    page.fill("month", "2026-10")
    assert page.run("return await page.getByRole('button', {name: 'Send', exact: true}).count()") == 0
    page.button("Sign in to send this")
    page.run("await page.fill('input[name=token]', args.token); await page.keyboard.press('Enter'); await page.waitForSelector('form .param')", token=world.read)
    assert page.run("return await page.inputValue('[name=month]')") == "2026-10"
    assert json.loads(page.send())["complete"] is True
    page.button("Sign out")
    page.run("await page.waitForSelector('text=Sign in to send this')")
    assert page.run("return [await page.locator('#answer-text').count(), await page.inputValue('[name=month]')]") == [0, ""]  # nothing for the next user
    page.open("#/api/openapi")
    assert json.loads(page.send())["openapi"].startswith("3.1")  # anybody may read it


WRONG = (({"private_key": "0" * 40}, 171), ({"public_key": "nobody"}, 172))


@pytest.mark.parametrize("change,code", WRONG)
def test_a_wrong_key_is_refused_by_the_server(tab, world, change, code):
    page = tab()
    page.open("#/api/GetRegion")
    page.keys({**world.key, **change})
    assert json.loads(page.send())["RetCode"] == code


def test_numbers_beyond_2_53_are_shown_as_they_came(tab, world):
    page = tab()
    page.open("#/api/openapi")
    page.run("await page.route('**/openapi.json', (route) => route.fulfill({body: args.body, contentType: 'application/json'}))",
             body='{"position":9007199254740993,"x":1.50,"y":18446744073709551615,"z":1e400}')
    assert page.send() == '{\n  "position": 9007199254740993,\n  "x": 1.50,\n  "y": 18446744073709551615,\n  "z": 1e400\n}'


def test_long_answers_are_bounded(tab, world):
    page = tab()
    page.open("#/api/openapi")
    page.run("await page.route('**/openapi.json', (route) => route.fulfill({body: '[\"' + 'x'.repeat(args.size) + '\"]', contentType: 'application/json'}))", size=2 << 20)
    assert len(page.send()) == 1 << 20 and "first 1,048,576 characters" in page.text("main")
    page.run("await page.unroute('**/openapi.json'); await page.route('**/openapi.json', (route) => route.fulfill({body: 'x'.repeat(args.size)}))", size=18 << 20)
    assert len(page.send()) == 1 << 20 and "not whole" in page.text("main")


def test_a_request_is_cancelled(tab, world):
    page = tab()
    page.open("#/api/openapi")
    page.run("let first = true; await page.route('**/openapi.json', (route) => (first ? (first = false) : route.continue()))")
    page.run("await page.click('form button.main'); await page.getByRole('button', {name: 'Cancel'}).click(); await page.waitForFunction(() => document.querySelector('.summary-line').textContent === 'Cancelled.')")
    assert json.loads(page.send())["openapi"]


def test_a_server_that_is_gone_is_said(tab, world):
    page = tab()
    page.open("#/api/openapi")
    page.run("await context.setOffline(true); await page.click('form button.main'); await page.waitForSelector('main > .failure')")
    assert "did not answer" in page.text("main > .failure")


def test_an_answer_is_saved_as_it_came(tab, world):
    page = tab()
    page.sign_in(world)
    page.open("#/api/usage")
    page.run("await page.selectOption('[name=format]', 'csv')")
    page.fill("month", "2026-10")
    shown = page.send()
    name, text = page.run("""const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: 'Save the answer'}).click()]);
      const pieces = []; for await (const piece of await file.createReadStream()) pieces.push(piece);
      return [file.suggestedFilename(), Buffer.concat(pieces).toString('utf8')];""")
    assert name == "usage.csv" and text == shown and text.startswith("\ufeff")
    assert text == world.get("/v1/usage?month=2026-10&format=csv", world.read).body.decode()


def test_clear_drops_the_request_that_is_on_its_way(tab, world):
    page = tab()
    page.open("#/api/GetRegion")
    page.keys(world.key)
    page.run("""await page.route((url) => url.pathname === '/', (route) => { globalThis.held = route; });
      const sent = page.waitForEvent('request'); await page.click('form button.main'); await sent;
      const ended = page.waitForEvent('requestfailed');
      await page.getByRole('button', {name: 'Clear', exact: true}).click(); await ended""")
    assert page.shown(".summary-line") == "" and page.run("return await page.locator('#answer').count()") == 0
    page.run("await page.unrouteAll({behavior: 'ignoreErrors'})")
    assert "RegionId" in page.send()


# ---- secrets ----


def kept(page):
    """All that a later user of the browser could find."""
    return page.run("""return JSON.stringify([page.url(), await page.title(), await page.evaluate(async () => [location.href, document.referrer, document.cookie,
      {...localStorage}, {...sessionStorage}, history.state, history.length, window.name, performance.getEntriesByType('resource').map((one) => one.name),
      (await indexedDB.databases()), await caches.keys().catch(() => [])]), await context.storageState(), requests])""")


def test_no_secret_is_kept_or_shown(tab, world):
    page = tab()
    page.sign_in(world)
    page.open("#/api/GetRegion")
    page.keys(world.key)
    page.send()
    secret = world.key["private_key"]
    markup = "return await page.evaluate(() => document.documentElement.outerHTML)"
    for language in ("curl", "Python", "Go", "Java"):
        page.snippet(language)
        assert secret not in page.run(markup) and world.read not in page.run(markup)
    page.button("Show the PrivateKey")
    assert page.shown("#canonical").endswith(world.key["public_key"] + secret)
    page.button("Show the PrivateKey")
    assert secret not in page.run(markup)
    page.open("#/api/usage")
    page.send()
    assert page.run("return await page.getAttribute('body', 'class')") is None
    for place in ("#/sign", "#/api/GetRegion"):
        page.open(place)
    assert secret not in kept(page) and world.read not in kept(page)
    assert secret not in world.server.log_text() and world.read not in world.server.log_text()
    bodies = page.run("""const sent = []; page.on('request', (one) => sent.push(one.url() + one.postData() + JSON.stringify(one.headers())));
      await page.click('form button.main'); await page.waitForTimeout(0); await page.waitForFunction(() => document.querySelector('.summary-line').textContent.includes('bytes')); return sent""")
    assert bodies and all(secret not in text for text in bodies)
    # Signing out forgets the keys; so does loading the page again.
    page.button("Sign out")
    page.open("#/api/GetProjectList")
    assert page.run("return await page.inputValue('[name=privateKey]') + await page.inputValue('[name=publicKey]')") == ""
    page.keys(world.key)
    page.send()
    page.button("Show the PrivateKey")
    page.button("Forget the keys")
    assert secret not in page.run(markup) and page.run("return await page.getByRole('button', {name: 'Show the PrivateKey'}).count()") == 0
    assert page.run("return await page.inputValue('[name=privateKey]') + await page.inputValue('[name=publicKey]')") == ""
    page.keys(world.key)
    page.run("await page.reload(); await page.waitForSelector('[name=privateKey]')")
    assert page.run("return await page.inputValue('[name=privateKey]')") == ""
    for name in ("publicKey", "privateKey"):
        assert page.run("return await page.getAttribute('[name=' + args.name + ']', 'autocomplete')", name=name) == "off"
    assert page.run("return await page.getAttribute('[name=privateKey]', 'type')") == "password"


# ---- addresses ----


def test_the_address_of_uclouds_explorer_opens_the_action(tab, world):
    page = tab()
    for name in world.actions:
        page.go("/uapi/detail?id=" + name)
        page.run("await page.waitForFunction((text) => document.querySelector('h1')?.textContent === text, args.name)", name=name)
        assert page.run("return page.url()") == f"{world.server.url}/console/#/api/{name}"
    page.go("/uapi/detail?id=CreateCodecTaskByPatten")
    page.run("await page.waitForSelector('main .failure')")
    assert "has no request of the name" in page.text(".failure") and page.run("return await page.locator('.operations').count()") > 0


def test_below_a_path_of_a_proxy(browser, world, tmp_path):  # noqa: F811
    proxy = Proxy(world.server, "/meter")
    page = Page(browser, world.server)
    try:
        page.url = proxy.url
        page.go("/uapi/detail?id=GetRegion")
        page.run("await page.waitForSelector('form')")
        assert page.run("return page.url()") == proxy.url + "/console/#/api/GetRegion"
        page.keys(world.key)
        page.send()
        assert ("POST", "/meter/") in proxy.asked and proxy.url + "/'" in page.snippet("curl")
        compare(world, page, "GetRegion", tmp_path)
    finally:
        page.close()
        proxy.close()


def test_by_a_host_name_on_plain_http(tab, world):
    """There a browser has neither crypto.subtle nor a clipboard of its own."""
    page = tab(host=HOST)
    page.open("#/api/GetCodecTotalStat")
    assert page.run("return await page.evaluate(() => [isSecureContext, crypto.subtle === undefined, navigator.clipboard === undefined])") == [False, True, True]
    page.keys(world.key)
    for name, value in STAT.items():
        page.fill(name, value)
    sent = {"Action": "GetCodecTotalStat", **STAT, "PublicKey": world.key["public_key"]}
    assert json.loads(page.send())["RetCode"] == 0 and page.shown("#signature") == sign(sent, world.key["private_key"])
    snippet = page.snippet("curl")
    assert HOST in snippet
    page.run("await page.locator('section[aria-labelledby=copy]').getByRole('button', {name: 'Copy', exact: true}).click()")
    assert "Copied." in page.text("section[aria-labelledby=copy]")
    page.open("#/sign")
    page.run("await page.focus('textarea'); await page.keyboard.press('Control+V')")
    assert page.run("return await page.inputValue('textarea')").strip() == snippet.strip()


# ---- the checker of signatures ----


def test_the_checker_page_says_what_is_wrong(tab, world):
    page = tab()
    page.open("#/sign")
    before = len(page.run("return requests"))
    given = {"Action": "GetRegion", "PublicKey": "k", "X": " 1"}
    page.fill("params", urllib.parse.urlencode({**given, "Signature": sign({**given, "X": "1"}, "secret")}))
    page.fill("key", "secret")
    page.button("Check")
    assert "The signature is wrong" in page.text(".verdict") and "sent the blanks" in page.text(".verdict")
    assert page.shown("#canonical") == "ActionGetRegionPublicKeykX 1<PrivateKey>" and page.shown("#signature") == sign(given, "secret")
    page.fill("params", json.dumps({**given, "Signature": sign(given, "secret")}))
    page.button("Check")
    assert "The signature is right" in page.text(".verdict")
    assert len(page.run("return requests")) == before and "secret" not in kept(page)
