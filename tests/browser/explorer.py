"""The API browser as a user drives it: forms, answers and snippets, in a real Chromium against a real server."""
import json
import os
import re
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stage import Tab, browser, open_tabs  # noqa: F401
from client import Client, event
from conftest import ROOT, Account, Server

STAT = {"ProjectId": "org-demo", "BeginTime": "1500220800", "EndTime": "1500480000"}
OLD = ("query.max_age=0", "query.max_span=0")  # the examples of the documents are of 2017
HOSTILE = ("it's", 'say "no"', "$(touch pwned)", "`touch pwned`", "${HOME}", "a\\nb\\", "</script><script>window.bad=1</script>", "标签 中文", "😀 é",
           "100% %41 %s", "a+b &c=d#e?f", "!!", "; touch pwned #", "'\"'; touch pwned; '", "\\u0022; int x", "-e", "@file", "=", "{a,b}*[c]~")


class World:
    """A server with usage of the days, projects and tasks that the examples name, and with labels that are hard to quote."""

    def __init__(self, data):
        self.account = Account(Server(data), *OLD)
        self.server = self.account.server
        self.key = self.account.key
        for project in ("org-demo", "org-acme"):
            self.server.admin("project", "create", "--id", project)
            token = self.server.admin("token", "create", "--project", project)["token"]
            self.report(token, self.events())
        with open(os.path.join(ROOT, "docs", "api.md")) as file:
            reports = re.search(r"@- <<'END'\n(.*?)\nEND\n", file.read(), re.S).group(1)
        self.report(self.server.admin("token", "create", "--project", "org-demo")["token"], [json.loads(line) for line in reports.split("\n")])
        self.server.admin("project", "set", "--id", "org-demo", "--default")
        self.server.admin("project", "set", "--id", "org-acme", "--name", "Acme " + HOSTILE[6])
        self.read = self.server.admin("token", "create", "--scope", "read")["token"]
        self.document = {lang: self.get("/openapi.json?lang=" + lang).json() for lang in ("en", "zh")}

    @staticmethod
    def events():
        made = [event("job-4711/720p", "2026-10-05T13:00:01.500+08:00", 181, 1280, 720, source="farm-7")]
        made += [event(f"label-{n}", "2026-10-06T00:00:00Z", 10 + n, 1280, 720, source="farm-7") for n in range(len(HOSTILE))]
        for each, text in zip(made[-len(HOSTILE):], HOSTILE):
            each["data"]["labels"] = {"team": text}
        return made

    def report(self, token, events):
        answer = self.server.client(token=token).report(events).json()
        assert answer["stored"] == len(events), answer

    def get(self, path, token=None):
        headers = {"Authorization": "Bearer " + token} if token else {}
        return Client(self.server.host, self.server.port).request("GET", path, headers=headers)

    @property
    def client(self):
        return self.server.client(public_key=self.key["public_key"], private_key=self.key["private_key"])

    def operations(self, *kinds, lang="en"):
        """[(path, method, operation)] of the document, in its order."""
        return [(path, method, one) for path, ways in self.document[lang]["paths"].items() for method, one in ways.items()
                if one["x-codecmeter-kind"] in kinds]

    @property
    def actions(self):
        return [one["operationId"] for _, _, one in self.operations("action")]

    @property
    def environment(self):
        """What the snippets read."""
        return {**os.environ, "CODECMETER_READ_TOKEN": self.read, "UCLOUD_PUBLIC_KEY": self.key["public_key"],
                "UCLOUD_PRIVATE_KEY": self.key["private_key"], "no_proxy": "*"}


class Proxy:
    """Serves another server below a path, as a reverse proxy does. Keeps what it was asked: [(method, path)]."""

    def __init__(self, server, prefix):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def pass_on(self):
                asked.append((self.command, self.path))
                assert self.path.startswith(prefix + "/")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept = {name: value for name, value in self.headers.items() if name in ("Authorization", "Content-Type", "Accept")}
                answer = Client(server.host, server.port).request(self.command, self.path[len(prefix):], body, kept)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name not in ("connection", "transfer-encoding", "date"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = pass_on

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d%s" % (self.server.server_address[1], prefix)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def exactly(text):
    """JSON with its numbers as they are written."""
    return json.loads(text, parse_int=str, parse_float=str)


class Page(Tab):
    def open(self, place):
        """Goes to a view by its address, and waits for its heading."""
        if not self.run("return page.url()").startswith(self.url + "/console/"):
            self.go("/console/" + place)
        else:
            self.run("await page.evaluate((to) => { location.hash = to; }, args.place)", place=place)
        heading = urllib.parse.unquote(place.split("?")[0].removeprefix("#/api/")) if place.startswith("#/api/") else None
        self.run("""await page.waitForSelector('main h1');
          await page.waitForFunction((text) => text === null || document.querySelector('h1')?.textContent === text, args.heading)""", heading=heading)

    def sign_in(self, world):
        self.go("/console/#token=" + world.read)
        self.run("await page.waitForSelector('nav')")

    def keys(self, key):
        self.run("await page.fill('[name=publicKey]', args.public); await page.fill('[name=privateKey]', args.private)",
                 public=key["public_key"], private=key["private_key"])

    def button(self, name, nth=0):
        self.run("await page.getByRole('button', {name: args.name, exact: true}).nth(args.nth).click()", name=name, nth=nth)

    def fill(self, name, value):
        self.run("await page.locator('[name=' + JSON.stringify(args.name) + ']').fill(args.value)", name=name, value=value)

    def example(self, name):
        """Takes the example of one parameter, by its button."""
        self.run("await page.locator('.param', {has: page.locator('[id=' + JSON.stringify('help-' + args.name) + ']')})"
                 ".locator('button.example').click()", name=name)

    def send(self):
        """Sends the form; gives the text of the answer as the page shows it."""
        self.run("""const arrived = page.waitForResponse(() => true).catch(() => null);
          await page.locator('form button.main').click();
          await Promise.race([arrived, page.waitForSelector('main > .failure').catch(() => null)]);
          await page.waitForFunction(() => /bytes|字节/.test(document.querySelector('.summary-line').textContent) || document.querySelector('main > .failure'))""")
        assert self.run("return await page.locator('main > .failure').count()") == 0, self.text("main > .failure")
        return self.shown("#answer-text")

    def shown(self, selector):
        return self.run("return await page.locator(args.selector).textContent()", selector=selector)

    def snippet(self, language):
        self.button(language)
        return self.shown("#snippet")

    def pair(self, label, name, value):
        """Adds a pair to a group of pairs."""
        self.run("""const group = page.getByRole('group', {name: args.label, exact: true});
          await group.getByRole('button', {name: 'Add a value of ' + args.label}).click();
          const row = group.locator('.row').last();
          await row.locator('input').nth(0).fill(args.name); await row.locator('input').nth(1).fill(args.value)""",
                 label=label, name=name, value=value)

    def module(self, name, code, **args):
        """Runs code in the page that returns something, with a module of the API browser: m. The page's policy lets nobody eval."""
        folder = self.run("return await page.getAttribute('link[rel=stylesheet]', 'href')").split("/")[0]
        return self.run("return await page.evaluate(async ([url, args]) => { const m = await import(url); %s }, [args.url, args.rest])" % code,
                        url=f"{self.url}/console/{folder}/explorer/{name}.js", rest=args)


def run_snippet(world, language, text, folder):
    """Runs a snippet as a user does; gives what it prints. It must leave no file behind."""
    name, command = {"curl": ("ask.sh", ["sh"]), "Python": ("ask.py", ["/usr/bin/python3"]), "Go": ("ask.go", ["go", "run"]),
                     "Java": ("Ask.java", ["java"])}[language]
    (folder / name).write_text(text)
    done = subprocess.run([*command, name], cwd=folder, env=world.environment, capture_output=True, timeout=300)
    assert done.returncode == 0, (text, done.stderr.decode())
    assert sorted(path.name for path in folder.iterdir()) == [name], text
    assert world.key["private_key"] not in text and world.key["public_key"] not in text and world.read not in text
    return done.stdout.decode()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("world") / "data")
    yield made
    made.server.stop()


@pytest.fixture
def tab(browser, world):  # noqa: F811
    yield from open_tabs(browser, world.server, Page)


def same(world, operation, shown, body):
    """The page shows what the server sent. The time in an answer of `sources` goes on."""
    if body[:1] != "{" or body.count("\n") > 1:  # CSV, ndjson
        assert shown == body
    elif operation == "sources":
        assert exactly(shown).keys() == exactly(body).keys()
    else:
        assert exactly(shown) == exactly(body)


def compare(world, page, name, folder, languages=("curl", "Python")):
    shown = page.shown("#answer-text")
    for language in languages:
        place = folder / language
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        printed = run_snippet(world, language, page.snippet(language), place)
        same(world, name, shown, printed)
