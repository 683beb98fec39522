"""A real Chromium that the tests drive: bridge.mjs runs beside them, with playwright-core."""
import base64
import itertools
import json
import os
import shutil
import subprocess

from conftest import ROOT

HOST = "meter.example"  # a name of this machine, which only the browser knows: no loopback name, so browsers trust plain http less
MODULES = os.path.join(ROOT, "build-browser", "node_modules")
SHOTS = os.environ.get("SCREENSHOTS")  # a directory: each look() leaves a picture there


class Browser:
    def __init__(self):
        chromium = shutil.which("chromium")
        assert chromium and os.path.isdir(os.path.join(MODULES, "playwright-core")), "no browser is installed: run scripts/install test, then scripts/browser-modules"
        environment = {**os.environ, "CODECMETER_BROWSER_MODULES": os.path.dirname(MODULES), "CODECMETER_CHROMIUM": chromium,
                       "CODECMETER_HOST": HOST}
        self.process = subprocess.Popen(["node", os.path.join(os.path.dirname(os.path.abspath(__file__)), "bridge.mjs")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.numbers = itertools.count()

    def ask(self, op, **rest):
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"id": number, "op": op, **rest}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the browser ended: {self.process.wait(60)}"
        answer = json.loads(line)
        assert answer["id"] == number
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


class Tab:
    """A window of its own: no cookies, no storage, nothing of another window."""

    names = itertools.count()

    def __init__(self, browser, server, language="en-US", zone="America/Los_Angeles", width=1280, height=800, dark=False, host=None):
        self.browser, self.name = browser, f"tab-{next(self.names)}"
        self.url = server.url if host is None else f"http://{host}:{server.port}"
        browser.ask("open", name=self.name, options={
            "locale": language, "timezoneId": zone, "viewport": {"width": width, "height": height},
            "colorScheme": "dark" if dark else "light", "acceptDownloads": True})

    def run(self, code, **args):
        """The body of an async function, which has page, context, requests, errors, args and AXE."""
        return self.browser.ask("run", name=self.name, code=code, args=args)

    def go(self, path):
        self.run("await page.goto(args.url)", url=self.url + path)

    def enter(self, token, place=""):
        """Signs in by a link, and then goes to a place."""
        self.go("/console/#token=" + token)
        self.run("await page.waitForSelector('nav')")
        if place:
            self.place(place)

    def place(self, place):
        self.run("await page.evaluate((to) => { location.hash = to; }, args.place)", place=place)
        self.settle()

    def settle(self):
        """Waits until the view has its answer."""
        self.run("await page.evaluate(() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done)))))")
        self.run("await page.waitForFunction(() => document.querySelector('table, .failure, .empty, .parts, .door form')"
                 " && !document.querySelector('.state')?.textContent)")

    def text(self, selector="body"):
        return self.run("return await page.locator(args.selector).first().innerText()", selector=selector)

    def click(self, selector):
        self.run("await page.locator(args.selector).first().click()", selector=selector)

    def table(self):
        """The rows of the table as [[text]], without head and foot."""
        return self.run("return await page.$$eval('tbody tr', (rows) => rows.map((row) => [...row.children].map((cell) => cell.innerText)))")

    def foot(self):
        return self.run("return await page.$$eval('tfoot td', (cells) => cells.map((cell) => cell.innerText))")

    def bars(self):
        """Each drawn bar, measured on the screen: [{start, series, value, height, top, bottom}]."""
        return self.run("""return await page.$$eval('.chart rect', (bars) => bars.map((bar) => ({
          start: Number(bar.dataset.start), series: bar.querySelector('title').textContent.split(' · ')[1],
          value: Number(bar.dataset.value), height: bar.getBoundingClientRect().height,
          top: bar.getBoundingClientRect().top, bottom: bar.getBoundingClientRect().bottom})))""")

    def download(self, button):
        """Clicks a button that saves a file; gives its name and its bytes."""
        name, text = self.run("""const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: args.button}).click()]);
          const pieces = []; for await (const piece of await file.createReadStream()) pieces.push(piece);
          return [file.suggestedFilename(), Buffer.concat(pieces).toString('base64')];""", button=button)
        return name, base64.b64decode(text)

    def look(self, name):
        if SHOTS:
            os.makedirs(SHOTS, exist_ok=True)
            self.run("await page.screenshot({path: args.path, fullPage: true})", path=os.path.join(SHOTS, name + ".png"))

    def axe(self):
        """Findings of axe-core that are serious or critical. Run from outside of the page's policy, as it is no part of the page."""
        return self.run("""await page.evaluate(AXE);
          const found = await page.evaluate(() => axe.run(document, {resultTypes: ['violations']}));
          return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
            .map((one) => one.id + ': ' + one.nodes.map((node) => node.html).slice(0, 3).join(' | '))""")

    def close(self):
        self.browser.ask("close", name=self.name)
