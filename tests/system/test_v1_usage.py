"""GET /v1/usage against a recount of the events that were sent (usage_recount.py): random ranges, zones, groups and filters,
over checkpoints, voids, restarts, kills and a rebuild. SEED=n replays, QUESTIONS=n asks more.
"""
import concurrent.futures
import csv
import datetime
import io
import itertools
import json
import os
import random
import threading
import time
import urllib.parse

import pytest

import usage_recount
from client import event
from conftest import Account, Server, run, unless_sanitized, wait_until
from usage_recount import Question, Task, day_number, first_instant, recount

UTC = datetime.timezone.utc
ZONES = ("Asia/Shanghai", "UTC", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia",
         "America/Sao_Paulo", "Asia/Kathmandu")
# Apia's missing day, St John's clocks at one minute past midnight, Sao Paulo's midnight that was not, Lord Howe, now.
CENTRES = (1325203200, 1289097060, 1541300400, 1775313000, 1791000000)
SIZES = ((640, 480), (1280, 720), (720, 1280), (1920, 1080), (3840, 2160))
DIMS = ("project", "codec", "tier", "kind", "resolution", "frame_rate", "source", "label.team", "label.show")
IN_TOTALS = DIMS[:4]
FILTERS = (("codec", "h264"), ("codec", ""), ("codec", "av1"), ("tier", "low"), ("tier", ""), ("kind", "snapshot"),
           ("kind", "transcode"), ("kind", "audio"), ("source", "farm"), ("source", "=1+1"), ("resolution", "720x1280"),
           ("resolution", ""), ("frame_rate", "29.97"), ("frame_rate", ""), ("label.team", "news"), ("label.team", ""),
           ("label.show", "新闻"))


class Reader:
    """Asks with a read token."""

    def __init__(self, server, *project):
        self.server = server
        self.token = server.admin("token", "create", "--scope", "read", "--project", *(project or ("all",)))["token"]

    def get(self, params, headers=()):
        return self.server.client().request("GET", "/v1/usage?" + urllib.parse.urlencode(params),
                                            headers={"Authorization": f"Bearer {self.token}", **dict(headers)})

    def rows(self, params):
        reply = self.get(params)
        assert reply.status == 200, (params, reply.body)
        answer = reply.json()
        assert answer["complete"] is True and str(answer["position"]) == reply.headers["x-codecmeter-position"]
        return answer["rows"], answer

    def refused(self, params, status=400):
        reply = self.get(params)
        assert reply.status == status and reply.headers["content-type"] == "application/problem+json", (params, reply.body)
        return reply.json()


def time_text(ms):
    return datetime.datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03}Z"


def some_event(dice, number, project, centre):
    """All kinds, many on the edges of quarter hours."""
    kind = dice.choices(("transcode", "remux", "snapshot", "audio"), (6, 2, 2, 1))[0]
    outcome = dice.choices(("finished", "failed"), (9, 1))[0]
    instant = centre + dice.randrange(-7200, 7200) if dice.random() < 0.6 else centre + dice.randrange(-30, 30) * 43200
    if dice.random() < 0.3:
        instant -= instant % 900 + dice.choice((0, 1))
    data = {"image_count": dice.randrange(9)} if kind == "snapshot" else {"duration_ms": dice.choice((0, 499, 1500, 60000, 61499))}
    if kind == "transcode":
        data["width"], data["height"] = dice.choice(SIZES)
    if kind in ("transcode", "audio") or dice.random() < 0.5:
        data["codec"] = "aac" if kind == "audio" else dice.choice(("h264", "h265", "av1"))
    if kind in ("transcode", "remux") and dice.random() < 0.7:
        data["frame_rate"] = dice.choice(("25", "30000/1001", "24000/1001", "12.5"))
    labels = {name: value for name, value in (("team", dice.choice(("news", "sport"))), ("show", "新闻")) if dice.random() < 0.5}
    if labels:
        data["labels"] = labels
    return {"specversion": "1.0", "type": f"{kind}.{outcome}", "source": dice.choice(("farm", "=1+1")), "id": f"t{number}",
            "subject": project, "time": time_text(instant * 1000 + dice.randrange(1000)), "data": data}


def difference(rows, wanted):
    """What is only here, and what is only there."""
    here, there = ({json.dumps(row) for row in side} for side in (rows, wanted))
    return [row for row in rows if json.dumps(row) not in there][:3], [row for row in wanted if json.dumps(row) not in here][:3]


class Story:
    """A server with three projects in three zones, and what was sent to it."""

    def __init__(self, server, seed):
        self.dice, self.server, self.tasks, self.batches = random.Random(seed), server, [], []
        self.centre = self.dice.choice(CENTRES)
        self.account = Account(server, f"ingest.delta_max={self.dice.choice((30, 200, 100000))}", "ledger.segment_size=64KiB")
        self.zones = {"org-a": "Asia/Shanghai"}
        for project in ("org-b", "org-c"):
            self.zones[project] = self.dice.choice(ZONES)
            server.admin("project", "create", "--id", project, "--time-zone", self.zones[project])
        self.writer = server.admin("token", "create", "--scope", "void")["token"]
        self.reader = Reader(server)

    def send(self, events):
        reply = self.account.client.report(events, token=self.writer)
        assert reply.status == 200 and reply.json()["stored"] == len(events), reply.body

    def step_report(self):
        projects = list(self.zones)
        events = [some_event(self.dice, len(self.tasks) + n, self.dice.choice(projects), self.centre)
                  for n in range(self.dice.choice((1, 20, 80)))]
        self.send(events)
        self.tasks += [Task(made["subject"], made, len(self.batches)) for made in events]
        for task, made in zip(self.tasks[-len(events):], events):
            task.name = made["source"], made["id"]
        self.note()

    def step_void(self):
        alive = [task for task in self.tasks if task.voided is None]
        chosen = self.dice.sample(alive, min(len(alive), self.dice.choice((1, 5))))
        self.send([{"specversion": "1.0", "type": "usage.voided", "source": "desk", "id": f"void-{task.name[1]}",
                    "subject": task.project, "data": {"source": task.name[0], "id": task.name[1], "reason": "r", "actor": "a"}}
                   for task in chosen])
        for task in chosen:
            task.voided = len(self.batches)
        self.note()

    def note(self):
        """The position behind this batch."""
        _, answer = self.reader.rows({"month": "2026-10", "zone": "UTC"})
        self.batches.append(answer["position"])

    def step_restart(self):
        self.dice.choice((self.server.stop, self.server.kill))()
        if self.dice.random() < 0.4:
            run("rebuild", "--data", self.server.data)
        self.server.start()

    def build(self, steps):
        self.step_report()
        for _ in range(steps):
            self.dice.choices((self.step_report, self.step_void, self.step_restart), (10, 4, 1))[0]()

    # ---- questions ----

    def some_bound(self):
        """As it is sent, and the instant in a zone."""
        d, far = self.dice, self.dice.choice((4000, 100000, 2000000))
        instant = self.centre + d.randrange(-far, far)
        if d.random() < 0.5:
            date = datetime.datetime.fromtimestamp(instant, UTC).date()
            return date.isoformat(), lambda zone: first_instant(zone, day_number(date.year, date.month, date.day))
        instant -= instant % d.choice((1, 1, 900, 3600))
        return d.choice((str(instant), time_text(instant * 1000))), lambda zone: instant

    def some_range(self, zones):
        """(parameters, {zone: (begin, end)})"""
        while True:
            (first, begin), (last, end) = self.some_bound(), self.some_bound()
            bounds = {zone: (begin(zone), end(zone)) for zone in zones}
            if all(begin < end for begin, end in bounds.values()):
                return {"from": first, "to": last}, bounds
            if self.dice.random() < 0.3:
                date = datetime.datetime.fromtimestamp(self.centre, UTC).date()
                after = day_number(date.year + date.month // 12, date.month % 12 + 1)
                return ({"month": f"{date.year}-{date.month:02}"},
                        {zone: (first_instant(zone, day_number(date.year, date.month)), first_instant(zone, after)) for zone in zones})

    def some_question(self):
        d = self.dice
        names = IN_TOTALS if d.random() < 0.6 else DIMS
        group = d.sample(names, d.randrange(4))
        filters = d.sample([pair for pair in FILTERS if pair[0] in names], d.choice((0, 0, 1, 2)))
        zone = d.choice(ZONES) if "project" not in group or d.random() < 0.5 else None
        bounded, bounds = self.some_range([zone] if zone else set(self.zones.values()))
        step = d.choice(("15m", "1h", "1d", "1w", "1mo", "total"))
        zeros, compare = d.random() < 0.3, d.random() < 0.3
        params = [*bounded.items(), ("step", step), *filters]
        params += [("group", ",".join(group))] if group and d.random() < 0.5 else [("group", name) for name in group]
        params += [("zone", zone)] if zone else []
        params += [("zeros", "1")] if zeros else []
        params += [("compare", "previous")] if compare else []
        return params, Question(self.zones, bounds, step, zone, group, filters, zeros, compare)

    def check(self):
        params, question = self.some_question()
        projects = sorted(self.dice.sample(list(self.zones), self.dice.choice((1, 2, 3, 3))))
        params += [("project", project) for project in projects] if len(projects) < 3 else []
        rows, answer = self.reader.rows(params)
        wanted = recount(question, projects, self.tasks)
        if rows != wanted:
            print(params, question.bounds, *difference(rows, wanted), sep="\n")
        assert rows == wanted
        by_records, _ = self.reader.rows(params + [("as_of", answer["position"])])
        assert by_records == wanted, params
        past = self.dice.randrange(len(self.batches))
        earlier, _ = self.reader.rows(params + [("as_of", self.batches[past])])
        assert earlier == recount(question, projects, self.tasks, past), (params, past)
        return answer["answered_from"]


def test_a_recount_agrees(tmp_path):
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    questions = int(os.environ.get("QUESTIONS", 200))
    asked, answered = 0, set()
    for number in range(4):
        print(f"SEED={seed + number}")
        server = Server(tmp_path / f"data{number}")
        story = Story(server, seed + number)
        try:
            for _ in range(5):
                story.build(8)
                for _ in range(questions // 20):
                    answered.add(story.check())
                    asked += 1
        finally:
            if server.process is not None:
                server.stop()
    assert asked >= questions // 20 * 20 and answered == {"day_totals", "quarter_hours", "records"}, (asked, answered)


# ---- refusals ----

REFUSED = (
    ("from", {"to": "2026-10-02"}), ("from", {"from": "2026-10-02", "to": "2026-10-01"}), ("from", {"from": "soon"}),
    ("from", {"from": "2026-10-01", "to": "2026-10-01"}), ("from", {"from": "1969-12-31"}), ("from", {"from": ""}),
    ("from", {"from": "20261001"}), ("from", {"from": "1790000000000"}), ("from", {"from": "2026-10-01T00:00:00.5Z"}),
    ("from", {"from": "2026-10-01T00:00:00"}), ("from", {"from": "2999-01-01"}), ("to", {"from": "2026-10-01", "to": "20261101"}),
    ("month", {"month": "2026-13"}), ("month", {"month": "1969-12"}), ("month", {"month": ""}), ("month", {"month": "10-2026"}),
    ("month", {"month": "2026-10", "from": "2026-10-01"}), ("step", {"step": "2h"}), ("step", {"step": ""}),
    ("step", {"from": "1990-01-01", "to": "2020-01-01", "step": "15m"}),
    ("step", {"from": "1970-01-01", "to": "9999-12-31", "step": "1h"}),
    ("zone", {"zone": "Mars/Olympus"}), ("zone", {"zone": "+08:00"}), ("zone", {"zone": ""}),
    ("zone", {"month": "2026-10"}), ("zone", {"from": "1790000000", "to": "1790000001", "step": "1d"}),
    ("group", {"group": "colour"}), ("group", {"group": "codec,codec"}), ("group", {"group": "label."}),
    ("group", {"group": ""}), ("group", {"group": "label.Team"}), ("group", {"group": ",".join(f"label.l{n}" for n in range(12))}),
    ("tier", {"tier": "HD"}), ("kind", {"kind": "void"}), ("kind", {"kind": ""}), ("codec", {"codec": "h 264"}),
    ("resolution", {"resolution": "720p"}), ("frame_rate", {"frame_rate": "-1"}), ("source", {"source": ""}),
    ("label.Team", {"label.Team": "x"}), ("label.team", {"label.team": "x" * 65}), ("zeros", {"zeros": "yes"}),
    ("compare", {"compare": "next"}), ("as_of", {"month": "2026-10", "as_of": "99999999999"}),
    ("as_of", {"month": "2026-10", "as_of": "2999-01-01T00:00:00Z"}), ("as_of", {"as_of": "0"}),
    ("as_of", {"from": "2026-10-01", "as_of": "0"}), ("colour", {"colour": "red"}), ("cursor", {"cursor": "x"}),
    ("format", {"format": "xml"}))


@pytest.fixture
def two_zones(bare):
    account = Account(bare)
    bare.admin("project", "create", "--id", "org-b", "--time-zone", "America/New_York")
    account.reader = Reader(bare)
    return account


def test_what_is_refused(two_zones):
    reader, wrong = two_zones.reader, []
    for name, params in REFUSED:
        zone = {} if name in ("zone",) or "zone" in params else {"zone": "UTC"}
        reply = reader.get({**zone, **params})
        problem = reply.json() if reply.status == 400 else {}
        if problem.get("parameter") != name or not problem["detail"].startswith(name + ": "):
            wrong.append((name, params, reply.status, reply.body[:300]))
    assert wrong == []
    twice = reader.refused([("month", "2026-10"), ("month", "2026-11")])
    assert twice["parameter"] == "month"


def test_too_much_says_how_to_ask_for_less(two_zones):
    account = two_zones
    account.client.report([event("1", "2026-10-01T00:00:00Z")])
    problem = account.reader.refused({"from": "2012-10-05", "to": "2026-10-05", "step": "15m", "zeros": "1", "zone": "UTC",
                                      "group": "project"})
    assert "zeros" in problem["detail"] and "500000" in problem["detail"]
    # A question that reads records finds this out after it began; it still has a status.
    problem = account.reader.refused({"from": "2012-10-05", "to": "2026-10-05", "step": "15m", "zeros": "1", "zone": "UTC",
                                      "group": "project,source"})
    assert "zeros" in problem["detail"] and problem["status"] == 400


# ---- projects and zones ----

def test_projects_of_others(two_zones):
    """A project that the token may not read answers as one that does not exist."""
    mine = Reader(two_zones.server, "org-b")
    two_zones.client.report([event("1", "2026-10-01T12:00:00Z")])
    rows, _ = mine.rows({"month": "2026-10", "group": "project", "zeros": "1"})
    assert [row["project"] for row in rows] == ["org-b"] and rows[0]["tasks"] == 0
    foreign = mine.refused({"month": "2026-10", "project": "org-a"}, 404)
    unknown = mine.refused({"month": "2026-10", "project": "org-x"}, 404)
    assert {**foreign, "detail": foreign["detail"].replace("org-a", "org-x")} == unknown
    both = mine.refused([("month", "2026-10"), ("project", "org-b"), ("project", "org-a")], 404)
    assert both == foreign


def test_each_project_in_its_own_zone(two_zones):
    """One minute past midnight in Shanghai is still the day before in New York."""
    server, reader = two_zones.server, two_zones.reader
    token = server.admin("token", "create")["token"]
    two_zones.client.report([event(p, "2026-10-31T16:01:00Z", subject=p) for p in ("org-a", "org-b")], token=token)
    rows, answer = reader.rows({"month": "2026-10", "group": "project"})
    assert [(row["project"], row["date"]) for row in rows] == [("org-b", "2026-10-01T00:00:00-04:00")]
    assert answer["answered_from"] == "day_totals"
    rows, _ = reader.rows({"month": "2026-11", "group": "project"})
    assert [(row["project"], row["date"]) for row in rows] == [("org-a", "2026-11-01T00:00:00+08:00")]
    assert "Asia/Shanghai" in reader.refused({"month": "2026-10"})["detail"]
    rows, _ = reader.rows({"month": "2026-10", "zone": "America/New_York"})
    assert [row["tasks"] for row in rows] == [2]
    rows, _ = reader.rows({"from": "2026-10-31T16:00:00Z", "to": "2026-10-31T16:02:00Z"})  # no zone matters
    assert [(row["tasks"], row["date"]) for row in rows] == [(2, "2026-10-31T16:00:00+00:00")]
    rows, _ = reader.rows({"month": "2026-10", "project": "org-b"})
    assert [row["tasks"] for row in rows] == [1]
    # What the signed API says of the same days.
    [row] = [row for row in two_zones.client.stat(ProjectId="org-a", BeginTime=1793462400, EndTime=1793462400)]
    rows, _ = reader.rows({"from": "2026-11-01", "to": "2026-11-02", "project": "org-a"})
    assert (row["Time"], row["TotalTime"]) == (rows[0]["start"], rows[0]["seconds"])


def test_empty_and_old_ranges(two_zones):
    reader = two_zones.reader
    for bounded in ({"from": "1970-01-01", "to": "1980-01-01"}, {"from": "0", "to": "315532800"},
                    {"from": "1976-01-01", "to": "2026-01-01", "step": "1d"}, {"month": "9999-12"}, {}, {"from": "1970-01-02"}):
        rows, _ = reader.rows({**bounded, "zone": "UTC"})
        assert rows == []
    rows, _ = reader.rows({"from": "1976-01-01", "to": "2026-01-01", "step": "1mo", "zone": "UTC", "zeros": "1"})
    assert len(rows) == 600 and {row["tasks"] for row in rows} == {0} and {row["kind"] for row in rows} == {"transcode"}
    rows, _ = reader.rows({"month": "2026-10", "zone": "UTC", "zeros": "1", "group": "project,codec", "kind": "audio"})
    assert [(row["project"], row["codec"], row["kind"]) for row in rows] == [("org-a", None, "audio"), ("org-b", None, "audio")]


def test_kinds_are_never_added_up(account):
    reader = Reader(account.server)
    data = {"transcode": {"codec": "h264", "width": 640, "height": 480, "duration_ms": 1000}, "remux": {"duration_ms": 10_000},
            "snapshot": {"image_count": 7}, "audio": {"codec": "aac", "duration_ms": 100_000}}
    account.client.report([event(kind, "2026-10-01T12:00:00Z", type=f"{kind}.finished", data=data[kind]) for kind in data])
    rows, _ = reader.rows({"month": "2026-10", "group": "tier"})
    assert [(row["tier"], row["kind"], row["seconds"], row["minutes"], row["rounding_seconds"], row["images"]) for row in rows] == [
        ("low", "transcode", 1, 1, 59, 0), (None, "remux", 10, 1, 50, 0), (None, "snapshot", 0, 0, 0, 7),
        (None, "audio", 100, 2, 20, 0)]


# ---- formats, and an answer that is repeated ----

def test_formats_agree(two_zones):
    server, reader = two_zones.server, two_zones.reader
    server.admin("project", "set", "--id", "org-a", "--name", "<script>alert(1)</script>")
    made = [event(n, f"2026-10-{1 + n % 28:02}T12:00:00Z", source=source, seconds=n,
                  data={"codec": "h264", "width": 640, "height": 480, "duration_ms": n * 1000, "labels": {"team": team}})
            for n, (source, team) in enumerate((s, t) for s in ("=1+1", "@x", "a,\"b\"", "<script>") for t in ("+1", "-2", "x\"y"))]
    assert two_zones.client.report(made).json()["stored"] == len(made)
    params = {"month": "2026-10", "step": "1d", "group": "project,source,label.team,frame_rate", "compare": "previous"}
    rows, _ = reader.rows(params)
    assert len(rows) == len(made)
    lines = reader.get({**params, "format": "ndjson"}).body.decode().splitlines()
    assert [json.loads(line) for line in lines] == rows + [{"complete": True}]
    text = reader.get({**params, "format": "csv"}).body.decode("utf-8-sig")
    cells = list(csv.reader(io.StringIO(text)))
    assert cells[0] == list(rows[0])
    for row, cell in zip(rows, cells[1:], strict=True):
        for (name, value), shown in zip(row.items(), cell, strict=True):
            as_text = "" if value is None else str(value)
            assert shown == ("'" + as_text if isinstance(value, str) and as_text[:1] in "=+-@" else as_text), (name, row, cell)


def test_the_same_answer_again(account):
    """as_of repeats the answer, byte for byte but for where it came from, whatever was reported or voided since."""
    server, reader = account.server, Reader(account.server)
    voider = server.admin("token", "create", "--scope", "void")["token"]
    account.client.report([event(n, "2026-10-01T12:00:00Z", seconds=n) for n in range(1, 50)])
    params = {"month": "2026-10", "step": "1d", "group": "codec,tier"}
    rows, first = reader.rows(params)
    etag = reader.get(params).headers["etag"]
    assert reader.get(params, {"If-None-Match": etag}).status == 304
    account.client.report([event(n, "2026-10-01T13:00:00Z", seconds=n) for n in range(50, 99)])
    account.client.report([{"specversion": "1.0", "type": "usage.voided", "source": "v", "id": "v1", "subject": "org-a",
                            "data": {"source": "test", "id": "7", "reason": "r", "actor": "a"}}], token=voider)
    server.admin("project", "set", "--id", "org-a", "--time-zone", "America/New_York", "--force")
    changed, _ = reader.rows(params)
    assert changed != rows and reader.get(params, {"If-None-Match": etag}).status == 200
    for restart in (lambda: None, lambda: (server.kill(), run("rebuild", "--data", server.data), server.start())):
        restart()
        again, answer = reader.rows({**params, "as_of": first["position"]})
        assert again == rows and answer["position"] == first["position"] and answer["answered_from"] == "records"


def test_an_answer_beside_reports(bare):
    """While reports, voids and checkpoints go on, each answer is of one position: as_of repeats it exactly, from records."""
    account = Account(bare, "ingest.delta_max=200")
    for project, zone in (("org-b", "America/New_York"), ("org-c", "Asia/Kathmandu")):
        bare.admin("project", "create", "--id", project, "--time-zone", zone)
    token, reader, ended = bare.admin("token", "create", "--scope", "void")["token"], Reader(bare), threading.Event()
    outcomes = []

    def report():
        dice, number = random.Random(3), 0
        while not ended.is_set():
            made = [some_event(dice, number + n, f"org-{'abc'[n % 3]}", 1791000000) for n in range(30)]
            made += [{"specversion": "1.0", "type": "usage.voided", "source": "v", "id": f"v{number}-{n}", "subject": made[n]["subject"],
                      "data": {"source": made[n]["source"], "id": made[n]["id"], "reason": "r", "actor": "a"}} for n in range(3)]
            outcomes.append(account.client.report(made, token=token).json()["stored"])
            number += 30

    def move():
        """Days of one project move all the time; an answer is in the zone that its position has."""
        for number in itertools.count():
            if ended.is_set():
                return
            bare.admin("project", "set", "--id", "org-b", "--time-zone", ("UTC", "America/New_York")[number % 2], "--force")

    threads = [threading.Thread(target=report), threading.Thread(target=move)]
    for thread in threads:
        thread.start()
    try:
        seen, questions = set(), [{"group": "project,codec,tier"}, {"group": "project", "step": "1h"}, {"zone": "UTC", "step": "1d"},
                                 {"zone": "UTC", "from": "2026-09-20T00:07:01Z", "to": "2026-10-20"}, {"group": "source,project"}]
        for number in range(15):
            params = {"from": "2026-09-01", "to": "2026-11-01", **questions[number % len(questions)]}
            wait_until(lambda: len(outcomes) > number, 300)
            reply = reader.get(params)
            while reply.status == 503:  # a zone was changed in that moment
                reply = reader.get(params)
            answer, rows = reply.json(), reply.json()["rows"]
            seen.add(answer["position"])
            again, repeated = reader.rows({**params, "as_of": answer["position"]})
            assert again == rows and repeated["position"] == answer["position"], params
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert set(outcomes) == {33} and len(seen) > 1 and "checkpoint: " in bare.log_text()


# ---- sizes ----

def test_records_in_any_order(account):
    """More tasks than are gathered at once, many at one instant, reported in no order, over many checkpoints."""
    account.server.stop()
    account.server.start("ingest.delta_max=20000")
    dice, reader = random.Random(15), Reader(account.server)
    events = [event(n, time_text(1790784000_000 + dice.choice((0, n % 7 * 86400_000, dice.randrange(20 * 86400_000)))),
                    source=f"s{n % 3}", seconds=n % 100) for n in range(135_000)]
    dice.shuffle(events)
    for at in range(0, len(events), 9000):
        assert account.client.report(events[at:at + 9000]).json()["stored"] == 9000
    tasks = [Task("org-a", made, 0) for made in events]
    zone = "Asia/Shanghai"
    bounds = {zone: (1790784000, 1793462400)}
    for group in (("source",), ("codec",)):
        wanted = recount(Question({"org-a": zone}, bounds, "1d", None, group), ["org-a"], tasks)
        assert reader.rows({"month": "2026-10", "step": "1d", "group": ",".join(group)})[0] == wanted


def test_64_scans_at_once(bare):
    """Each is answered whole, or 503 with Retry-After; reports and signed questions go on, and nothing stays behind."""
    account = Account(bare, "query.running_max=4", "query.waiting_max=8")
    reader = Reader(bare)
    for at in range(3):
        made = [event(f"{at}-{n}", "2026-10-01T12:00:00Z", source=f"s{n % 5}") for n in range(9000)]
        assert account.client.report(made).json()["stored"] == 9000
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        asked = [pool.submit(reader.get, {"month": "2026-10", "group": "source"}) for _ in range(64)]
        assert account.client.report([event("late", "2026-10-01T12:00:00Z")]).status == 200
        assert account.client.call("GetProjectList")["RetCode"] == 0
        replies = [one.result() for one in asked]
    whole = [reply.json() for reply in replies if reply.status == 200]
    assert {reply.status for reply in replies} <= {200, 503} and whole
    assert all("retry-after" in reply.headers for reply in replies if reply.status == 503)
    assert all(answer["complete"] and sum(row["tasks"] for row in answer["rows"]) in (27000, 27001) for answer in whole)
    rows, _ = reader.rows({"month": "2026-10", "group": "source"})
    assert sum(row["tasks"] for row in rows) == 27001


@unless_sanitized
def test_a_month_of_a_thousand_projects(bare):
    """It is streamed, and costs the server little memory; so does a client that reads nothing of it."""
    account = Account(bare)
    token = bare.admin("token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    for at in range(0, 1000, 100):
        events = [event(f"{p}-{day}", f"2026-10-{day:02}T12:00:00Z", subject=f"p{p:04}", seconds=day)
                  for p in range(at, at + 100) for day in range(1, 32)]
        assert account.client.report(events, token=token).json()["stored"] == len(events)
    reader = Reader(bare)

    def memory():
        with open(f"/proc/{bare.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

    before = memory()
    params = {"month": "2026-10", "step": "1d", "group": "project,codec,tier", "zone": "UTC"}
    rows, answer = reader.rows(params)
    assert answer["answered_from"] == "day_totals" and len(rows) == 31000
    assert [(row["project"], row["date"][:10], row["seconds"]) for row in rows[:32]] == [
        ("p0000", f"2026-10-{day:02}", day) for day in range(1, 32)] + [("p0001", "2026-10-01", 1)]
    assert memory() - before < 60_000, (before, memory())
    wait_until(lambda: memory() - before < 30_000)
