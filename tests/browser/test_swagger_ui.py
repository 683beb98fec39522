"""The document of /openapi.json by other people's programs: two validators, and Swagger UI, which renders each operation once and
sends one to a real server. Source: issue 15, point 6."""
import http.client
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from browser import MODULES, Browser, Tab  # noqa: E402
from client import event  # noqa: E402
from conftest import Account, Server, run  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LANGUAGES = ("en", "zh")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/ui/swagger-ui.css"></head><body><div id="ui"></div><script src="/ui/swagger-ui-bundle.js"></script>
<script>window.ui = SwaggerUIBundle({url: "/openapi.json" + location.search, dom_id: "#ui", docExpansion: "list", validatorUrl: null})</script>
</body></html>"""
TYPES = {".css": "text/css", ".js": "text/javascript"}


# ---- two validators ----


def validate(text):
    environment = {**os.environ, "CODECMETER_BROWSER_MODULES": os.path.dirname(MODULES)}
    done = subprocess.run(["node", os.path.join(HERE, "validate_openapi.mjs")], input=text, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_validators_accept_it(language):
    assert validate(run("openapi", "--lang", language).stdout) == {"schema": [], "rules": []}


def test_each_validator_would_find_a_fault():
    document = json.loads(run("openapi").stdout)
    document["paths"]["/v1/usage"]["get"]["parameters"][0]["in"] = "nowhere"
    found = validate(json.dumps(document))
    assert found["schema"] and found["rules"]
    document = json.loads(run("openapi").stdout)
    document["paths"]["/v1/usage"]["get"]["responses"]["200"]["content"]["application/json"]["example"]["rows"][0]["seconds"] = "181"
    assert [fault["ruleId"] for fault in validate(json.dumps(document))["rules"]] == ["no-invalid-media-type-examples"]


# ---- Swagger UI ----


class Front:
    """Swagger UI under one address with a real server, as an operator might set it up: it serves the page, and hands everything
    else on."""

    def __init__(self, server):
        self.handed_on = []
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.removeprefix("/ui/")
                if self.path.split("?")[0] == "/":
                    self.answer(200, "text/html", PAGE.encode())
                elif name != self.path and "/" not in name:
                    with open(os.path.join(MODULES, "swagger-ui-dist", name), "rb") as file:
                        self.answer(200, TYPES[os.path.splitext(name)[1]], file.read())
                else:
                    self.hand_on()

            def hand_on(self):
                front.handed_on.append((self.path, self.headers["Authorization"]))
                connection = http.client.HTTPConnection(server.host, server.port, timeout=600)
                sent = {name: self.headers[name] for name in ("Accept", "Authorization") if self.headers[name]}
                connection.request("GET", self.path, headers=sent)
                answer = connection.getresponse()
                self.answer(answer.status, answer.headers["Content-Type"], answer.read())
                connection.close()

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        self.port = self.listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    made = Account(Server(tmp_path_factory.mktemp("swagger") / "data"))
    assert made.client.report([event("1", "2026-10-02T12:00:00+08:00", 20, 1280, 720), event("2", "2026-10-03T12:00:00+08:00", 40, 640, 360)]).status == 200
    yield made
    made.server.stop()


@pytest.fixture
def front(account):
    made = Front(account.server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def chromium():
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def page(chromium, front):
    tab = Tab(chromium, front)
    yield tab
    assert tab.run("return errors") == []
    hosts = tab.run("return requests.filter((url) => !url.startsWith(args.url + '/') && !url.startsWith('data:'))", url=front.url)
    assert hosts == []
    tab.run("await context.close()")


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_block_for_each_operation(page, language):
    document = json.loads(run("openapi", "--lang", language).stdout)
    wanted = {f"operations-{told['tags'][0]}-{told['operationId']}": told["summary"] for item in document["paths"].values() for told in item.values()}
    page.go(f"/?lang={language}")
    page.run("await page.waitForSelector('.opblock')")
    shown = page.run("return await page.locator('.opblock').evaluateAll((all) => all.map((one) => "
                     "[one.id, one.querySelector('.opblock-summary-description').textContent]))")
    assert sorted(shown) == sorted([key, text] for key, text in wanted.items()) and len(shown) == len(wanted) >= 24
    assert page.run("return await page.locator('.errors-wrapper').count()") == 0


def test_every_operation_opens(page):
    """With its parameters, its body and its schemas: what Swagger UI cannot resolve, it shows as an error."""
    page.go("/")
    page.run("await page.waitForSelector('.opblock')")
    for number in range(page.run("return await page.locator('.opblock').count()")):
        page.run("""const block = page.locator('.opblock').nth(args.number);
                    await block.locator('.opblock-summary-control').click();
                    await block.locator('.responses-table').first().waitFor();
                    await block.locator('.opblock-summary-control').click();""", number=number)
    assert page.run("return await page.locator('.errors-wrapper').count()") == 0


def test_try_it_out(page, account, front):
    """With a token that is typed in, and parameters of each style."""
    token = account.server.admin("token", "create", "--scope", "read")["token"]
    page.go("/")
    page.run("""await page.locator('.btn.authorize').first().click();
                await page.locator('.auth-container', {hasText: 'bearer'}).first().locator('input').fill(args.token);
                await page.locator('.auth-container', {hasText: 'bearer'}).first().locator('.btn.authorize').click();
                await page.locator('.btn-done').first().click();""", token=token)
    page.run("""const block = page.locator('#operations-Reading-usage');
                await block.locator('.opblock-summary-control').click();
                await block.locator('.try-out__btn').click();
                const row = (name) => block.locator(`tr[data-param-name="${name}"]`);
                for (const name of ['project', 'from', 'to', 'zone', 'kind', 'codec', 'tier', 'resolution', 'frame_rate', 'source', 'label', 'compare',
                                    'as_of', 'group', 'zeros', 'step', 'format', 'month']) await row(name).waitFor();""")
    given = page.run("""const block = page.locator('#operations-Reading-usage');
                        const rows = await block.locator('tr[data-param-name]').evaluateAll((all) => all.map((one) => one.dataset.paramName));
                        for (const name of rows) {
                          const row = block.locator(`tr[data-param-name="${name}"]`);
                          for (const remove of (await row.locator('.json-schema-form-item-remove').all()).reverse()) await remove.click();
                          for (const text of await row.locator('input[type=text], textarea').all()) await text.fill(name === 'label' ? '{}' : '');
                          for (const select of await row.locator('select').all()) {
                            const multiple = await select.evaluate((one) => one.multiple);
                            await select.selectOption(multiple ? [] : name === 'step' ? '1d' : name === 'zeros' ? '1' : name === 'format' ? 'json' : '');
                          }
                        }
                        await block.locator('tr[data-param-name="month"] input').fill('2026-10');
                        await block.locator('.btn.execute').click();
                        await block.locator('.live-responses-table .response-col_status').first().waitFor();
                        return {status: await block.locator('.live-responses-table .response .response-col_status').first().innerText(),
                                url: await block.locator('.request-url pre').innerText(),
                                curl: await block.locator('.curl').innerText()};""")
    assert given["status"].split()[0] == "200", given
    path, authorization = front.handed_on[-1]
    assert path.startswith("/v1/usage?") and "month=2026-10" in path and authorization == f"Bearer {token}"
    direct = account.server.client().request("GET", path, headers={"Authorization": authorization}).json()
    shown = json.loads(page.run("return await page.locator('#operations-Reading-usage .live-responses-table .highlight-code code').first().innerText()"))
    assert shown == direct and sum(row["seconds"] for row in shown["rows"]) == 60
