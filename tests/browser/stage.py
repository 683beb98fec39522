"""What the tests of the console share: a server with real events, a Chromium, and windows of it.

The browser's time zone is Los Angeles', the projects' are Shanghai's and New York's, so a date that the browser made itself is wrong.
"""
import json
import os
import sys
import time
from urllib.parse import urlencode

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from browser import HOST, SHOTS, Browser, Tab  # noqa: E402, F401
from client import event  # noqa: E402
from conftest import Account, Server  # noqa: E402
from test_adapters import notice  # noqa: E402

SCRIPT = "<script>window.bad=1</script><img src=x onerror=window.bad=1>"
LANGUAGES = ("en-US", "zh-CN")
# How states are looked at: language, width, dark. `make screenshots` takes every shape; `make test` two that have each language, width and scheme.
SHAPES = [(language, width, dark) for language in LANGUAGES for width in (1280, 360) for dark in (False, True)]
if not SHOTS:
    SHAPES = [SHAPES[0], SHAPES[-1]]
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
        soon = time.time() + 2
        self.expired = self.reader("--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon)))  # when the world is made
        self.report(self.account.token, self.events())
        other = self.server.admin("token", "create", "--project", "org-b")["token"]
        self.report(other, [event(f"b-{n}", f"2020-03-0{n}T04:30:00Z", 30 * n, 1280, 720) for n in range(1, 6)])
        self.report_notices()
        void = self.server.admin("token", "create", "--scope", "void", "--project", "org-a")["token"]
        self.report(void, [{"specversion": "1.0", "type": "usage.voided", "source": "desk", "id": "v-1",
                            "data": {"source": "test", "id": "late-3", "reason": "wrong preset " + SCRIPT, "actor": "ann"}}])

        time.sleep(max(0, soon - time.time()))

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

    def report_notices(self):
        """Two outputs whose notices name no codec, one of which is completed by a report; one task that failed; one that is reported twice."""
        for number in (1, 2):
            body = json.dumps({**notice("umedia-transcode"), "task_id": number})
            answer = self.server.client().request("POST", "/v1/adapters/umedia?project=org-a&time=1600000000", body,
                                                  headers={"Authorization": "Bearer " + self.account.token}).json()
            assert answer["unresolved"] == 1, answer
        made = [event("1/my_720p.mp4", "2020-09-13T12:26:40Z", 587, 1280, 720, source="umedia"),
                event("broken", "2020-09-14T12:00:00Z", type="transcode.failed"), event("twice", "2020-09-15T12:00:00Z", 60, 1920, 1080)]
        self.report(self.account.token, made)
        again = self.server.client(token=self.account.token).report(made[2:]).json()
        assert again["duplicate"] == 1, again

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


def open_tabs(browser, server, kind):
    """Opens windows of a kind, and looks at the end at what none of them may have done. For a fixture: `yield from`."""
    tabs = []

    def open_tab(**options):
        tabs.append(kind(browser, server, **options))
        return tabs[-1]

    yield open_tab
    for each in tabs:
        hosts = each.run("return requests.filter((url) => !url.startsWith(args.url + '/') && !url.startsWith('blob:' + args.url))", url=each.url)
        assert hosts == [], "the console asks other hosts"
        # Chromium reports each refused answer of a fetch as an error, too.
        errors = [text for text in each.run("return errors") if not text.startswith("Failed to load resource")]
        assert errors == []
        assert each.run("return await page.evaluate(() => window.bad === undefined)"), "a text ran as a script"
        each.close()


@pytest.fixture
def tab(browser, world):
    yield from open_tabs(browser, world.server, Tab)


def seconds(text):
    return int(text.replace(",", ""))
