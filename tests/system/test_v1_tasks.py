"""`/v1/tasks` and `/v1/tasks/PROJECT/SOURCE/ID`: against an independent recount of what was reported; pages while usage
arrives, is voided and moves to another zone between them; bad input; ids of all kinds.

Source: design, sections 4 and 7; docs/v1-tasks.md. SEED=n replays the random part.
"""
import base64
import csv
import datetime
import io
import itertools
import json
import os
import random
import threading
import time
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import pytest

from client import event
from test_adapters import notice

ZONES = {"org-a": "Asia/Shanghai", "org-b": "America/New_York", "org-c": "UTC"}
KINDS = ("transcode", "remux", "snapshot", "audio")
CODECS = {"h264": "h264", "libx264": "h264", "hvc1.1.6.L93.B0": "h265", "AVC": "h264", "Wonder": "wonder", "av1": "av1", None: None}
SIZES = ((640, 480), (480, 640), (1280, 720), (1281, 720), (1920, 1080), (1920, 1088), (3840, 2160))
RATES = {None: None, 25: "25", "30000/1001": "29.97", 29.97: "29.97", 12.5: "12.5"}
T0 = 1600697600  # 2020-09-21T14:13:20Z


def stamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def when(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")


# ---- what is reported, and what must be answered of it ----


def tier(width, height):
    longer, shorter = max(width, height), min(width, height)
    for name, limits in (("low", (640, 480)), ("medium", (1280, 720)), ("high", (1920, 1080))):
        if longer <= limits[0] and shorter <= limits[1]:
            return name
    return "super"


class Task:
    """A report, and the model of its record."""

    def __init__(self, rng, project, id, at):
        self.project, self.source, self.id, self.at = project, rng.choice(("farm-1", "farm-2")), id, at
        self.kind, self.failed, self.voided = rng.choice(KINDS + ("transcode",) * 3), rng.random() < 0.1, False
        self.task_id = rng.choice((None, None, "job-1", "job-2"))
        self.reported = rng.choice([name for name in CODECS if name or self.kind in ("remux", "snapshot")])
        if self.kind not in ("transcode", "audio"):
            self.reported = None
        self.size = rng.choice(SIZES) if self.kind == "transcode" else None
        self.rate = rng.choice(list(RATES)) if self.kind in ("transcode", "remux") else None
        self.amount = rng.choice((0, 1, 499, 500, 1000, 59499, 59500, 60000, 60500, rng.randrange(10**7)))
        self.labels = rng.choice(({}, {"team": "news"}, {"team": "sport", "show": "tonight"}))

    def event(self):
        data = {"labels": self.labels}
        if self.kind == "snapshot":
            data["image_count"] = self.amount
        else:
            data["duration_ms"] = self.amount
        if self.reported:
            data["codec"] = self.reported
        if self.size:
            data["width"], data["height"] = self.size
        if self.rate:
            data["frame_rate"] = self.rate
        if self.task_id:
            data["task_id"] = self.task_id
        return {"source": self.source, "id": self.id, "type": f"{self.kind}.{'failed' if self.failed else 'finished'}",
                "subject": self.project, "time": when(self.at), "data": data}

    def void(self):
        return {"source": "desk", "id": f"void {self.source} {self.id}", "type": "usage.voided", "subject": self.project,
                "data": {"source": self.source, "id": self.id, "reason": "wrong preset", "actor": "ann"}}

    def row(self, zone=None):
        counts = not self.failed and not self.voided
        seconds = max(1, (self.amount + 500) // 1000) if self.amount and self.kind != "snapshot" else 0
        local = datetime.datetime.fromtimestamp(self.at, ZoneInfo(zone or ZONES[self.project]))
        return {"project": self.project, "source": self.source, "id": self.id, "task_id": self.task_id or self.id, "kind": self.kind,
                "status": "voided" if self.voided else "failed" if self.failed else "finished", "day": local.date().isoformat(),
                "codec": CODECS[self.reported], "tier": tier(*self.size) if self.size and not self.failed else None,
                "resolution": "%dx%d" % self.size if self.size else None, "frame_rate": RATES[self.rate],
                "seconds": seconds if counts else 0, "minutes": -(-seconds // 60) if counts else 0,
                "images": self.amount if counts and self.kind == "snapshot" else 0, "labels": self.labels}


class World:
    """Three projects with random tasks, in batches; the model keeps the order of the log."""

    def __init__(self, server, count=400):
        self.server = server.start("ingest.delta_max=500")
        for project, zone in ZONES.items():
            server.admin("project", "create", "--id", project, "--time-zone", zone)
        self.write = server.admin("token", "create", "--scope", "void", "--project", "all")["token"]
        self.read = server.admin("token", "create", "--scope", "read", "--project", "all")["token"]
        self.read_a = server.admin("token", "create", "--scope", "read", "--project", "org-a")["token"]
        self.rng = random.Random(int(os.environ.get("SEED", "15")))
        self.tasks = []
        self.add(count)
        for task in self.rng.sample(self.tasks, count // 10):
            self.void(task)

    def report(self, events):
        reply = self.server.client().report(events, token=self.write)
        assert reply.status == 200 and reply.json()["stored"] == len(events), reply.body

    def add(self, count, late=False):
        made = []
        for _ in range(count):
            at = T0 + self.rng.choice((0, 0, 3600, self.rng.randrange(40 * 86400))) + self.rng.choice((0, 0, 0.25))
            made.append(Task(self.rng, self.rng.choice(list(ZONES)), f"{len(self.tasks) + len(made)}/x", at))
        for at in range(0, count, 50):
            self.report([task.event() for task in made[at:at + 50]])
        self.tasks += made
        return made

    def void(self, task):
        self.report([task.void()])
        task.voided = True

    def get(self, path, token=None, **headers):
        return self.server.client().request("GET", path, headers={"Authorization": f"Bearer {token or self.read}", **headers})

    def list(self, token=None, **params):
        reply = self.get("/v1/tasks?" + urlencode(params, doseq=True), token)
        assert reply.status == 200, (params, reply.body)
        answer = reply.json()
        assert answer["complete"] is True and int(reply.headers["x-codecmeter-position"]) == answer["position"]
        return answer

    def pages(self, limit, between=lambda: None, token=None, **params):
        """All rows, page by page; all of one position."""
        rows, cursor, positions = [], {}, set()
        while cursor is not None:
            answer = self.list(token, limit=limit, **params, **cursor)
            assert len(answer["rows"]) <= limit
            rows += answer["rows"]
            positions.add(answer["position"])
            cursor = {"cursor": answer["next_cursor"]} if answer["next_cursor"] else None
            between()
        assert len(positions) == 1
        return rows

    def expected(self, passes=lambda row: True, status="finished", zone=None):
        """Newest first; of equal times, the one that was reported last."""
        order = sorted(range(len(self.tasks)), key=lambda n: (self.tasks[n].at, n), reverse=True)
        rows = [self.tasks[n].row(zone) for n in order]
        return [row for row in rows if passes(row) and (status == "all" or row["status"] == status)]


def as_model(rows):
    """The members that the model has."""
    names = Task(random.Random(1), "org-a", "1", T0).row()
    return [{name: row[name] for name in names} for row in rows]


@pytest.fixture
def world(bare):
    return World(bare)


# ---- bad input ----

CURSOR = "AQAAAAAAAASAAAABoZb7HdAAAAAAAAADCP7v86RXZrkd0R8FTTgUcsmw7M16tL5KALY2nwBzxnpC"
BAD = (
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=", "limit"), ("limit=ten", "limit"), ("limit=1.5", "limit"),
    ("limit=99999999999999999999", "limit"), ("limit=5&limit=5", "limit"), ("limit=5&limit=6", "limit"), ("limits=5", "limits"), ("LIMIT=5", "LIMIT"),
    ("status=", "status"), ("status=done", "status"), ("status=finished,failed", "status"), ("status=all&status=all", "status"),
    ("kind=", "kind"), ("kind=video", "kind"), ("kind=transcode.finished", "kind"), ("kind=transcode&kind=transcode", "kind"),
    ("codec=h%20264", "codec"), ("codec=%3Cscript%3E", "codec"), ("codec=" + "x" * 33, "codec"), ("codec=" + "x" * 70, "codec"),
    ("codec=h264&codec=h264", "codec"), ("tier=ultra", "tier"), ("tier=High", "tier"), ("tier=high,super", "tier"),
    ("resolution=720p", "resolution"), ("resolution=1280X720", "resolution"), ("resolution=1280x", "resolution"), ("resolution=x720", "resolution"),
    ("resolution=0x0", "resolution"), ("resolution=65536x1", "resolution"), ("resolution=-1x720", "resolution"), ("resolution=1280x720x3", "resolution"),
    ("frame_rate=0", "frame_rate"), ("frame_rate=-25", "frame_rate"), ("frame_rate=25fps", "frame_rate"), ("frame_rate=1001", "frame_rate"),
    ("frame_rate=30000/0", "frame_rate"), ("frame_rate=" + "2" * 200, "frame_rate"),
    ("source=", "source"), ("source=" + "x" * 257, "source"), ("source=a%00b", "source"), ("source=a%0Ab", "source"), ("source=%FF", "source"),
    ("task_id=", "task_id"), ("task_id=" + "x" * 257, "task_id"), ("task_id=%C3%28", "task_id"), ("task_id=a%7Fb", "task_id"),
    ("&".join(f"task_id={n}" for n in range(17)), "task_id"), ("&".join(f"source={n}" for n in range(65)), "source"),
    ("label.=x", "label."), ("label.Team=x", "label.Team"), ("label.te-am=x", "label.te-am"), ("label.team=" + "x" * 65, "label.team"),
    ("label.team=a%0Ab", "label.team"), ("label=x", "label"), ("team=x", "team"),
    ("from=yesterday", "from"), ("from=2020-13-01", "from"), ("from=2020-02-30", "from"), ("from=", "from"), ("to=x", "to"),
    ("from=2020-10-02&to=2020-10-01", "to"), ("from=2020-10-01&to=2020-10-01", "to"), ("from=1e9", "from"), ("from=-1", "from"),
    ("month=2020-13", "month"), ("month=2026", "month"), ("month=2020-10-01", "month"), ("month=2020-10&from=2020-10-01", None), ("month=2020-10&to=2020-10-02", None),
    ("zone=Mars/Olympus", "zone"), ("zone=%2B08:00", "zone"), ("zone=", "zone"), ("zone=../../etc/passwd", "zone"),
    ("as_of=99999999999", "as_of"), ("as_of=-1", "as_of"), ("as_of=2099-01-01T00:00:00Z", "as_of"), ("as_of=now", "as_of"), ("as_of=", "as_of"),
    ("project=", "project"), ("format=xml", "format"), ("format=", "format"), ("step=1d", "step"), ("group=codec", "group"),
    ("cursor=", "cursor"), ("cursor=abc", "cursor"), ("cursor=null", "cursor"), (f"cursor={CURSOR}", "cursor"), (f"cursor={CURSOR}=", "cursor"),
    ("cursor=" + "A" * 511, "cursor"), ("cursor=" + "A" * 512, "cursor"), ("cursor=" + "A" * 20000, "cursor"), ("cursor=%3Cscript%3E", "cursor"),
)


def test_bad_parameters(bare):
    world = World(bare, 20)
    for query, name in BAD:
        reply = world.get("/v1/tasks?" + query)
        assert reply.status == 400 and reply.headers["content-type"] == "application/problem+json", (query, reply.status, reply.body)
        problem = reply.json()
        assert problem["status"] == 400 and (name is None or problem["parameter"] == name), (query, problem)
        assert name is None or problem["detail"].startswith(name[:40]), (query, problem)
        assert len(problem["detail"]) < 1000 and "\x7f" not in problem["detail"], problem
    for query in ("project=org-x", "project=org-a&project=org-x", "project=%3Cscript%3E", "project=" + "x" * 64):
        assert world.get("/v1/tasks?" + query).status == 404, query
    for method in ("POST", "PUT", "DELETE"):
        reply = world.server.client().request(method, "/v1/tasks", headers={"Authorization": f"Bearer {world.read}"})
        assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD", method
    for token in ("", "cm_" + "0" * 40):
        assert world.server.client().request("GET", "/v1/tasks", headers={"Authorization": f"Bearer {token}"}).status == 401
    assert world.server.client().request("GET", "/v1/tasks").status == 401
    assert world.get("/v1/tasks", token=world.write).status == 403
    assert world.list()["rows"], "and still answers"


def test_somebody_elses(world):
    """What the token may not read answers exactly as what does not exist, in lists and in details."""
    [task] = world.list(project="org-b", limit=1)["rows"]
    path = f"/{quote(task['source'], safe='')}/{quote(task['id'], safe='')}"
    for theirs, none in (("/v1/tasks?project=org-b", "/v1/tasks?project=org-x"), (f"/v1/tasks/org-b{path}", f"/v1/tasks/org-x{path}"),
                         (f"/v1/tasks/org-b{path}x", f"/v1/tasks/org-x{path}")):
        replies = [world.get(target, world.read_a) for target in (theirs, none)]
        assert [reply.status for reply in replies] == [404, 404]
        assert replies[0].body.replace(b"org-b", b"org-x") == replies[1].body, replies[0].body
    assert {row["project"] for row in world.pages(1000, token=world.read_a, status="all")} == {"org-a"}
    assert world.get(f"/v1/tasks/org-b{path}").status == 200, "it is there for another token"


# ---- the list ----


def test_order_and_pages(world):
    for status in ("finished", "failed", "voided", "all"):
        whole = world.expected(status=status)
        assert len(whole) > 10
        for limit in (1, 7, 100, 1000) if status == "all" else (64,):
            assert as_model(world.pages(limit, status=status)) == whole, (status, limit)
    row = world.list(limit=1)["rows"][0]
    task = next(task for task in world.tasks if (task.project, task.id) == (row["project"], row["id"]))
    assert stamp(row["finished"]) == task.at
    assert row["finished"].endswith("+00:00" if task.project == "org-c" else "+08:00" if task.project == "org-a" else ("-04:00", "-05:00"))
    assert len(world.list()["rows"]) == 100, "a page without a limit"
    positions = [row["position"] for row in world.pages(1000, status="all")]
    assert len(set(positions)) == len(positions) == len(world.tasks)


def test_things_happen_between_pages(world):
    """New tasks, late ones, voids, another zone, checkpoints, a restart: each page answers as of the first one's position."""
    whole, steps = world.expected(status="finished"), []

    def go_on():
        step = len(steps) % 6
        steps.append(step)
        if step == 0:
            world.add(20)
        elif step == 1:
            for task in [task for task in world.tasks if not task.voided][::40]:
                world.void(task)
        elif step == 2:
            world.server.admin("project", "set", "--id", "org-a", "--time-zone", world.rng.choice(("UTC", "Asia/Kathmandu", "Asia/Shanghai")), "--force")
        elif step == 3:
            world.add(5)
        elif step == 4:
            world.server.stop()
            world.server.start()

    rows = world.pages(41, go_on)
    assert as_model(rows) == whole, steps
    assert len(steps) > 6
    for params in ({"month": "2020-10"}, {"project": "org-a", "from": "2020-09-22", "to": "2020-10-25"}):
        world.server.admin("project", "set", "--id", "org-a", "--time-zone", "Asia/Shanghai", "--force")
        rows = as_model(world.list(**params, limit=1000)["rows"])
        assert 15 < len(rows) < 1000
        assert as_model(world.pages(4, go_on, **params)) == rows, "the days of the first page, though the zone has changed"
        assert all(("2020-10" if "month" in params else "2020-09-22") <= row["day"] < ("2020-11" if "month" in params else "2020-10-25") for row in rows)


def test_a_zone_moves_beside(world):
    """While the zone of a project moves all the time, a page has the days that its position has for ever."""
    ended = threading.Event()

    def move():
        for n in itertools.count():
            if ended.is_set():
                return
            world.server.admin("project", "set", "--id", "org-b", "--time-zone", ("UTC", "America/New_York")[n % 2], "--force")

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(300):
            reply = world.get("/v1/tasks?project=org-b&limit=1")
            assert reply.status == 200, reply.body
            answer = reply.json()
            assert world.list(project="org-b", limit=1, as_of=answer["position"])["rows"] == answer["rows"]
    finally:
        ended.set()
        thread.join()


def test_a_cursor_is_bound(world):
    first = world.list(limit=5, tier="high")
    cursor = first["next_cursor"]
    again = world.list(limit=5, tier="high", cursor=cursor)
    assert world.list(limit=3, tier="high", cursor=cursor)["rows"] == again["rows"][:3], "the limit may differ"
    bad = [cursor[:-1], cursor[1:], cursor + "A", cursor.swapcase(), cursor[:-1] + ("A" if cursor[-1] != "A" else "B")]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    bad += [base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:]).decode().rstrip("=") for at in range(len(raw))]
    for text in bad:
        reply = world.get(f"/v1/tasks?limit=5&tier=high&cursor={text}")
        assert reply.status == 400 and "cut or changed" in reply.json()["detail"], (text, reply.body)
    for query in ("", "tier=super", "tier=high&tier=super", "tier=high&project=org-a", "tier=high&status=all", "tier=high&month=2020-10", "tier=high&as_of=64"):
        reply = world.get(f"/v1/tasks?limit=5&{query}&cursor={cursor}".replace("&&", "&"))
        assert reply.status == 400 and "belongs to another query" in reply.json()["detail"], (query, reply.body)
    for token in (world.read_a, world.server.admin("token", "create", "--scope", "read", "--project", "all")["token"]):
        assert "another token" in world.get(f"/v1/tasks?tier=high&cursor={cursor}", token).json()["detail"]
    world.server.stop()
    world.server.start()
    assert world.list(limit=5, tier="high", cursor=cursor)["rows"] == again["rows"], "a restart keeps it"
    world.server.stop()
    os.remove(os.path.join(world.server.data, "cursor.key"))
    world.server.start()
    assert world.get(f"/v1/tasks?tier=high&cursor={cursor}").status == 400
    assert os.stat(os.path.join(world.server.data, "cursor.key")).st_mode & 0o777 == 0o600


FILTERS = (
    ({"kind": "transcode"}, lambda row: row["kind"] == "transcode"),
    ({"kind": ["remux", "snapshot"]}, lambda row: row["kind"] in ("remux", "snapshot")),
    ({"codec": "h264"}, lambda row: row["codec"] == "h264"), ({"codec": "libx264"}, lambda row: row["codec"] == "h264"),
    ({"codec": "HEVC"}, lambda row: row["codec"] == "h265"), ({"codec": ["av1", "wonder"]}, lambda row: row["codec"] in ("av1", "wonder")),
    ({"codec": ""}, lambda row: row["codec"] is None), ({"codec": "none"}, lambda row: False),
    ({"tier": "high"}, lambda row: row["tier"] == "high"), ({"tier": ["low", "super"]}, lambda row: row["tier"] in ("low", "super")),
    ({"tier": ""}, lambda row: row["tier"] is None), ({"tier": ["", "low"]}, lambda row: row["tier"] in (None, "low")),
    ({"resolution": "1280x720"}, lambda row: row["resolution"] == "1280x720"), ({"resolution": "720x1280"}, lambda row: False),
    ({"resolution": "480x640"}, lambda row: row["resolution"] == "480x640"), ({"resolution": ""}, lambda row: row["resolution"] is None),
    ({"frame_rate": "29.97"}, lambda row: row["frame_rate"] == "29.97"), ({"frame_rate": "30000/1001"}, lambda row: row["frame_rate"] == "29.97"),
    ({"frame_rate": ["12.5", "25.0"]}, lambda row: row["frame_rate"] in ("12.5", "25")), ({"frame_rate": ""}, lambda row: row["frame_rate"] is None),
    ({"source": "farm-1"}, lambda row: row["source"] == "farm-1"), ({"source": "farm"}, lambda row: False),
    ({"label.team": "news"}, lambda row: row["labels"].get("team") == "news"), ({"label.team": ""}, lambda row: "team" not in row["labels"]),
    ({"label.team": ["", "sport"]}, lambda row: row["labels"].get("team") != "news"),
    ({"label.team": "sport", "label.show": "tonight"}, lambda row: "show" in row["labels"]),
    ({"label.team": "news", "label.show": "tonight"}, lambda row: False), ({"label.none": ""}, lambda row: True),
    ({"task_id": "job-1"}, lambda row: row["task_id"] == "job-1"), ({"task_id": ["job-1", "job-2", "7/x"]}, lambda row: row["task_id"] in ("job-1", "job-2", "7/x")),
    ({"task_id": "none"}, lambda row: False), ({"project": "org-b"}, lambda row: row["project"] == "org-b"),
    ({"project": ["org-c", "org-a"]}, lambda row: row["project"] != "org-b"),
    ({"month": "2020-10"}, lambda row: row["day"][:7] == "2020-10"), ({"month": "1980-01"}, lambda row: False),
    ({"from": "2020-10-01"}, lambda row: row["day"] >= "2020-10-01"), ({"to": "2020-10-01"}, lambda row: row["day"] < "2020-10-01"),
    ({"from": "2020-09-22", "to": "2020-09-23"}, lambda row: row["day"] == "2020-09-22"),
    ({"month": "2020-10", "tier": "high", "codec": "h264", "kind": "transcode", "task_id": "job-1"},
     lambda row: (row["day"][:7], row["tier"], row["codec"], row["task_id"]) == ("2020-10", "high", "h264", "job-1")),
)


def test_filters(world):
    total = len(world.expected(status="all"))
    for params, passes in FILTERS:
        for status in ("finished", "all", "voided"):
            wanted = world.expected(passes, status)
            got = world.pages(world.rng.choice((13, 1000)), status=status, **params)
            assert as_model(got) == wanted, (params, status, len(got), len(wanted))
        assert len(world.expected(passes, "all")) < total or params == {"label.none": ""}, "the filter has an effect"


def test_times_and_zones(world):
    zone = "Asia/Kathmandu"
    wanted = world.expected(lambda row: row["day"] == "2020-09-30", zone=zone)
    assert as_model(world.pages(50, zone=zone, **{"from": "2020-09-30", "to": "2020-10-01"})) == wanted and wanted
    at = sorted(task.at for task in world.tasks)[200]
    for text in (str(int(at)), datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc).isoformat()):
        earlier, later = world.pages(1000, status="all", to=text), world.pages(1000, status="all", **{"from": text})
        assert as_model(later) + as_model(earlier) == world.expected(status="all")
        assert all(stamp(row["finished"]) >= int(at) for row in later) and all(stamp(row["finished"]) < int(at) for row in earlier)


def test_formats(world):
    whole = world.pages(1000, status="all")
    reply = world.get("/v1/tasks?status=all&format=ndjson")
    lines = [json.loads(line) for line in reply.body.decode().splitlines()]
    assert lines[:-1] == whole and lines[-1]["complete"] is True and not lines[-1].get("next_cursor"), lines[-1]
    page = [json.loads(line) for line in world.get("/v1/tasks?status=all&format=ndjson&limit=7").body.decode().splitlines()]
    assert page[:-1] == whole[:7]
    rest = world.get(f"/v1/tasks?status=all&format=ndjson&cursor={page[-1]['next_cursor']}")
    assert [json.loads(line) for line in rest.body.decode().splitlines()][:-1] == whole[7:]
    text = world.get("/v1/tasks?status=all", Accept="text/csv").body.decode()
    assert text.startswith("\ufeff") and text.endswith("\r\n") and text.count("\r\n") == text.count("\n") == len(whole) + 1
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    for cells, row in zip(rows, whole, strict=True):
        for name, value in row.items():
            assert cells[name] == ("" if value is None else json.dumps(value, separators=(",", ":")) if name == "labels" else str(value)), name
    assert world.get("/v1/tasks?status=all&format=csv&limit=3").body.decode() == "\r\n".join(text.split("\r\n")[:4]) + "\r\n"
    head = world.server.client().request("HEAD", "/v1/tasks", headers={"Authorization": f"Bearer {world.read}"})
    assert head.status == 200 and head.body == b""


def test_seconds_are_those_of_the_statistics(world):
    """The sum rule, against the signed API: a cell's seconds are the sum over its tasks."""
    key = world.server.admin("key", "create")
    world.server.stop()
    world.server.start("query.max_age=0", "query.max_span=0")
    client = world.server.client(public_key=key["public_key"], private_key=key["private_key"])
    names = {"low": "LowDefinitionTime", "medium": "MidiumDefinitionTime", "high": "HighDefinitionTime", "super": "SuperDefinitionTime"}
    for project in ZONES:
        cells, seen = {}, 0
        for row in world.pages(1000, project=project, kind="transcode"):
            cell = (row["day"], row["codec"], row["tier"])
            cells[cell] = cells.get(cell, 0) + row["seconds"]
        for answer in client.stat(ProjectId=project, BeginTime=T0 - 86400, EndTime=T0 + 42 * 86400):
            day = datetime.datetime.fromtimestamp(answer["Time"], ZoneInfo(ZONES[project])).date().isoformat()
            for name, member in names.items():
                assert answer[member] == cells.get((day, answer["VideoCodec"], name), 0), (project, day, answer)
                seen += (day, answer["VideoCodec"], name) in cells
        assert seen == len(cells) > 20


def test_seconds_are_those_of_usage(world):
    """The sum rule, for random cells: each row of /v1/usage is the sum over the tasks with its times and values."""
    compared = 0
    for _ in range(25):
        group = world.rng.sample(("project", "codec", "tier", "resolution", "frame_rate", "source", "label.team"), world.rng.randrange(1, 4))
        params = {"month": world.rng.choice(("2020-09", "2020-10")), "step": world.rng.choice(("1d", "1w", "total")), "group": ",".join(group)}
        if "project" not in group or world.rng.random() < 0.5:
            params["zone"] = world.rng.choice(("UTC", "Asia/Kathmandu", "America/New_York"))
        reply = world.get("/v1/usage?" + urlencode(params))
        assert reply.status == 200, reply.body
        rows = reply.json()["rows"]
        for row in world.rng.sample(rows, min(len(rows), 6)):
            filters = {name: row[name] or "" for name in group} | {"kind": row["kind"], "from": row["start"], "to": row["end"]}
            tasks = world.pages(1000, **filters)
            sums = [sum(task[name] for task in tasks) for name in ("seconds", "minutes", "images")] + [len(tasks)]
            assert sums == [row[name] for name in ("seconds", "minutes", "images", "tasks")], (params, row, sums)
            compared += 1
    assert compared > 80


def test_as_of(world):
    before = world.list(limit=1)["position"]
    whole = world.expected(status="all")
    rows = world.pages(1000, status="all")
    time.sleep(0.002)
    moment = datetime.datetime.now(datetime.timezone.utc).isoformat()
    time.sleep(0.01)
    world.add(30)
    for task in [task for task in world.tasks if not task.voided][:20]:
        world.void(task)
    world.server.admin("project", "set", "--id", "org-a", "--time-zone", "UTC", "--force")
    for as_of in (before, moment):
        again = world.pages(100, status="all", as_of=as_of)
        assert again == rows, "rows, statuses and days as they were"
    assert as_model(again) == whole
    assert world.list(as_of=64)["rows"] == []
    voided = next(task for task in world.tasks if task.voided and not any(row["id"] == task.id and row["status"] == "voided" for row in rows))
    path = f"/v1/tasks/{voided.project}/{voided.source}/{quote(voided.id, safe='')}"
    assert world.get(path).json()["task"]["status"] == "voided"
    then = world.get(f"{path}?as_of={before}").json()["task"]
    assert then["status"] != "voided" and then["voided"] is None
    assert world.get(f"{path}?as_of=64").status == 404
    moved = next(task for task in world.tasks if task.project == "org-a")
    path = f"/v1/tasks/org-a/{moved.source}/{quote(moved.id, safe='')}"
    zones = [world.get(path + query).json()["task"]["day"]["zone"] for query in ("", f"?as_of={before}", f"?as_of={before}&zone=Asia/Kathmandu")]
    assert zones == ["UTC", "Asia/Shanghai", "Asia/Kathmandu"]


def test_a_page_ends_early(bare):
    """Where a filter finds little, a page ends with few rows and a cursor; and an export goes on."""
    world = World(bare, 20)
    needle = {"source": "needle", "id": "1", "type": "remux.finished", "subject": "org-a", "time": when(T0 - 10**6), "data": {"duration_ms": 1000}}
    world.report([needle])
    body = "[" + ",".join(f'{{"source":"hay","id":"%d","type":"remux.finished","subject":"org-a","time":"{when(T0)}","data":{{"duration_ms":1000}}}}' % n
                          for n in range(1000)) + "]"
    for batch in range(205):
        reply = world.server.client().report(body.replace('"hay"', f'"hay-{batch}"'), token=world.write)
        assert reply.json()["stored"] == 1000
    answer = world.list(source="needle")
    assert answer["rows"] == [] and answer["next_cursor"], "it has looked at 200,000 records"
    assert [row["id"] for row in world.list(source="needle", cursor=answer["next_cursor"])["rows"]] == ["1"]
    assert [row["id"] for row in world.pages(10, source="needle")] == ["1"]
    for format in ("csv", "csv&limit=10", "ndjson"):
        assert b",needle,1," in world.get(f"/v1/tasks?source=needle&format={format}").body.replace(b'"source":"needle","id":"1"', b",needle,1,"), format


# ---- one task ----

ODD = ("a/b/c", "/", "//", "a/../b", "..", ".", "...", "%2F", "%", "100%", "a%20b", "a+b", "a b", " a ", "?q=1&x", "#", ";", "a&b=c", '"', "'", "\\",
       "<script>alert(1)</script>", "=1+1", "@SUM(1)", "-1", "新闻/第一集", "\u00e9", "e\u0301", "\U0001f600", "\u202eabc", "\u2028", "x" * 256, "{id}", "null", "0", "~", ":", "a:b@c")


def test_ids_of_all_kinds(bare):
    world = World(bare, 20)
    world.report([event(id, when(T0 + n), source=source, subject="org-a") for n, (source, id) in enumerate([(id, id) for id in ODD])])
    rows = {row["id"]: row for row in world.pages(1000, project="org-a", codec="h264", resolution="640x360")}
    assert set(rows) == set(ODD)
    for id in ODD:
        reply = world.get(f"/v1/tasks/org-a/{quote(id, safe='')}/{quote(id, safe='')}")
        assert reply.status == 200, (id, reply.body)
        assert reply.headers["content-type"] == "application/json" and reply.headers["x-content-type-options"] == "nosniff"
        task = reply.json()["task"]
        assert (task["source"], task["id"], task["reported"]["position"]) == (id, id, rows[id]["position"]), id
        everything = "".join(f"%{byte:02x}" for byte in id.encode())
        assert world.get(f"/v1/tasks/org-a/{everything}/{everything}").json() == reply.json(), "every byte encoded"
        assert [row["id"] for row in world.list(source=id, task_id=id)["rows"]] == [id]
    cells = {row["position"]: row for row in csv.DictReader(io.StringIO(world.get("/v1/tasks?project=org-a&format=csv").body.decode()[1:]))}
    for id in ODD:
        cell = cells[str(rows[id]["position"])]["id"]
        assert cell == ("'" + id if id[0] in "=+-@" else id), "no formula"
    for path in ("org-a", "org-a/", "org-a/x", "org-a/x/", "org-a//x", "/x/y", "org-a/x/y/", "org-a/x/y/z", "org-a/x/%FF", "org-a/x/%00", "org-a/x/%0A", "org-a/x/%",
                 "org-a/x/%zz", "org-a/x/none", "org-a/x/" + "y" * 300, "org-a/" + "y" * 300 + "/x", "org-a/x/%7F", "org-a/x/a%C2%85"):
        reply = world.get("/v1/tasks/" + path)
        assert reply.status in (400, 404) and reply.headers["content-type"] == "application/problem+json", (path, reply.status)
    assert world.get("/v1/tasks/org-a/a/a?limit=1").status == 400
    assert world.get("/v1/tasks/org-a/a/a?zone=x").json()["parameter"] == "zone"


def test_explained(bare):
    """The rule behind each number, for tasks of which each is one case."""
    world = World(bare, 20)
    cases = (
        ({"codec": "libx264", "width": 1280, "height": 720, "duration_ms": 20033},
         {"codec": ("table", "h264"), "tier": ("fits", "medium"), "amount": ("rounded", 20), "counts": ("finished", True)}),
        ({"codec": "h264", "width": 720, "height": 1281, "duration_ms": 60000},
         {"codec": ("canonical", "h264"), "tier": ("fits", "high"), "amount": ("exact", 60), "counts": ("finished", True)}),
        ({"codec": "Wonder", "width": 4096, "height": 2160, "duration_ms": 3},
         {"codec": ("itself", "wonder"), "tier": ("beyond", "super"), "amount": ("at_least", 1), "counts": ("finished", True)}),
        ({"codec": "av1", "width": 640, "height": 480, "duration_ms": 0},
         {"codec": ("canonical", "av1"), "tier": ("fits", "low"), "amount": ("exact", 0), "counts": ("finished", True)}),
    )
    label = world.server.admin("token", "create", "--project", "org-a", "--label", "farm 7")["token"]
    for n, (data, wanted) in enumerate(cases):
        made = {"source": "case", "id": str(n), "type": "transcode.finished", "subject": "org-a", "time": "2020-10-31T16:00:00Z", "data": data}
        assert world.server.client().report([made], token=label).json()["stored"] == 1
        task = world.get(f"/v1/tasks/org-a/case/{n}").json()["task"]
        for part, (rule, value) in wanted.items():
            member = {"codec": "name", "tier": "name", "amount": "seconds", "counts": "counted"}[part]
            assert (task[part]["rule"], task[part][member]) == (rule, value), task[part]
            assert len(task[part]["text"]) > 10
        assert task["day"]["date"] == "2020-11-01" and task["day"]["rule"] == "local_date" and task["day"]["zone"] == "Asia/Shanghai"
        assert task["finished"]["rule"] == "stated" and task["finished"]["time"] == "2020-11-01T00:00:00+08:00"
        assert task["reported"]["token_label"] == "farm 7" and "farm 7" in task["reported"]["text"]
        assert task["voided"] is task["unresolved"] is task["voids"] is task["statement"] is None
        [row] = world.list(source="case", task_id=str(n))["rows"]
        assert (row["seconds"], row["minutes"], row["day"]) == (task["counts"]["seconds"], task["counts"]["minutes"], task["day"]["date"])
        utc = world.get(f"/v1/tasks/org-a/case/{n}?zone=UTC").json()["task"]
        assert utc["day"]["date"] == "2020-10-31" and "asked for" in utc["day"]["text"]
    others = (("remux.finished", {"duration_ms": 1500}, "none", "none", "finished"), ("transcode.failed", {}, "none", "none", "failed"),
              ("snapshot.finished", {"image_count": 12}, "none", "none", "finished"), ("audio.finished", {"codec": "aac", "duration_ms": 1}, "canonical", "none", "finished"))
    for type, data, codec, tier_rule, counts in others:
        assert world.server.client().report([{"source": "kind", "id": type, "type": type, "subject": "org-a", "data": data}], token=label).status == 200
        task = world.get(f"/v1/tasks/org-a/kind/{type}").json()["task"]
        assert (task["codec"]["rule"], task["tier"]["rule"], task["counts"]["rule"]) == (codec, tier_rule, counts), task
        assert task["tier"]["name"] is None and task["finished"]["rule"] == "arrival" and f"{task['kind']}" == type.split(".")[0]


def test_times_of_four_digits(world):
    """A sender may state any `created`. In no zone is it written with a year that RFC 3339 does not have."""
    stated = ("0001-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z", "9999-12-30T12:00:00Z", "9999-12-31T23:59:59.999Z")
    world.report([event(f"c{n}", when(T0), source="clock", subject="org-a") | {"data": {"codec": "h264", "width": 640, "height": 360, "duration_ms": 1000, "created": text}}
                  for n, text in enumerate(stated)])
    for zone in ("Pacific/Kiritimati", "Asia/Shanghai", "UTC", "America/New_York"):
        rows = {row["id"]: row["created"] for row in world.list(source="clock", zone=zone)["rows"]}
        for n, text in enumerate(stated):
            told = world.get(f"/v1/tasks/org-a/clock/c{n}?zone={zone}").json()["task"]["created"]
            assert rows[f"c{n}"] == told and len(told.split("-")[0]) == 4, (zone, told)
            if n > 0:  # Python knows no instant before the year 1 of UTC
                assert datetime.datetime.fromisoformat(told.replace("Z", "+00:00")) == datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace(".5+", ".500+"))


def test_voided_is_explained(world):
    task = next(task for task in world.tasks if task.voided)
    path = f"/v1/tasks/{task.project}/{task.source}/{quote(task.id, safe='')}"
    told = world.get(path).json()["task"]
    assert told["status"] == "voided" and told["counts"]["counted"] is False and told["counts"]["rule"] == "voided"
    assert told["counts"]["seconds"] == told["counts"]["minutes"] == told["counts"]["images"] == 0
    assert (told["voided"]["reason"], told["voided"]["actor"], told["voided"]["source"]) == ("wrong preset", "ann", "desk")
    assert told["voided"]["id"] == task.void()["id"] and told["voided"]["position"] > told["reported"]["position"]
    void = world.get(f"/v1/tasks/{task.project}/desk/{quote(task.void()['id'], safe='')}").json()["task"]
    assert void["status"] == "void" and void["kind"] is None and void["counts"]["rule"] == "void" and void["counts"]["seconds"] == 0
    assert void["voids"] == {"source": task.source, "id": task.id, "reason": "wrong preset", "actor": "ann"}
    assert void["reported"]["position"] == told["voided"]["position"]
    assert all(row["source"] != "desk" for row in world.pages(1000, status="all")), "a void is no task"


def test_unresolved_outputs(bare):
    """They are listed while they wait; the record that completes them keeps their history."""
    world = World(bare, 20)
    for n in range(3):
        body = json.dumps({**notice("umedia-transcode"), "task_id": n})
        reply = world.server.client().request("POST", "/v1/adapters/umedia?project=org-a&time=1600000000", body, {"Authorization": f"Bearer {world.write}"})
        assert reply.json()["unresolved"] == 1, reply.body
    rows = world.list(status="unresolved")["rows"]
    assert [row["id"] for row in rows] == ["2/my_720p.mp4", "1/my_720p.mp4", "0/my_720p.mp4"], "of one time, the last one first"
    assert all((row["kind"], row["codec"], row["tier"], row["seconds"], row["resolution"]) == (None, None, None, 0, "1280x720") for row in rows), rows
    assert rows == [row for row in world.pages(7, status="all") if row["status"] == "unresolved"]
    assert all(row["id"] not in ("0/my_720p.mp4",) for row in world.pages(1000)), "they do not count"
    for params, count in (({"kind": "transcode"}, 0), ({"kind": list(KINDS)}, 0), ({"tier": ""}, 3), ({"tier": "medium"}, 0), ({"codec": ""}, 3),
                          ({"codec": "h264"}, 0), ({"resolution": "1280x720"}, 3), ({"source": "umedia"}, 3), ({"project": "org-b"}, 0), ({"task_id": "1"}, 1)):
        assert len(world.list(status="unresolved", **params)["rows"]) == count, params
    before = world.list(limit=1)["position"]
    path = "/v1/tasks/org-a/umedia/0%2Fmy_720p.mp4"
    waiting = world.get(path).json()["task"]
    assert waiting["status"] == "unresolved" and waiting["counts"]["rule"] == "unresolved" and "codec" in waiting["counts"]["text"]
    assert waiting["unresolved"]["missing"] == ["codec"] and waiting["unresolved"]["resolved"] is False and waiting["unresolved"]["rule"] == "waits"
    world.report([event("0/my_720p.mp4", when(1600000000), source="umedia", subject="org-a", width=1280, height=720, seconds=587)])
    done = world.get(path).json()["task"]
    assert done["status"] == "finished" and done["counts"]["seconds"] == 587 and done["codec"]["name"] == "h264"
    assert done["unresolved"]["resolved"] is True and done["unresolved"]["rule"] == "resolved"
    assert done["unresolved"]["position"] < done["reported"]["position"]
    assert [row["id"] for row in world.list(status="unresolved")["rows"]] == ["2/my_720p.mp4", "1/my_720p.mp4"]
    assert len(world.list(status="unresolved", as_of=before)["rows"]) == 3
    then = world.get(f"{path}?as_of={before}").json()["task"]
    assert {**then, "day": 0} == {**waiting, "day": 0}
