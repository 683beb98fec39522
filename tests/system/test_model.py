"""A naive twin of the meter: a dictionary and Python's zoneinfo. It is asked the same questions and must agree at every
step, over duplicates, conflicts, checkpoints, changes of zone, restarts, kills and rebuilds. SEED=n replays a run.
"""
import datetime
import os
import random
import time

import recount
from client import event
from conftest import Account, Server, run
from recount import DAY, UTC, day_of, first_instant, seconds

ZONES = ("Asia/Shanghai", "UTC", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo",
         "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu")
FIELDS = {"low": "LowDefinitionTime", "medium": "MidiumDefinitionTime", "high": "HighDefinitionTime", "super": "SuperDefinitionTime"}
SIZES = ((640, 480), (639, 481), (480, 640), (1280, 720), (720, 1280), (1281, 479), (1920, 1080), (1080, 1920),
         (3840, 2160), (1, 1), (65535, 65535))


def tier(width, height):
    return FIELDS[recount.tier(width, height)]


class Model:
    def __init__(self):
        self.zones = {}    # project: zone
        self.records = {}  # (project, source, id): (time ms or None, type, codec, width, height, ms)
        self.voided = set()

    def report(self, project, source, id, content, arrived):
        if content[1] == "usage.voided":
            return self.void(project, source, id, content, arrived)
        first = self.records.setdefault((project, source, id), (content, arrived))
        if first[1] is arrived:
            return "stored"
        times = {first[0][0], content[0]} - {None}
        return "duplicate" if first[0][1:] == content[1:] and len(times) < 2 else "conflict"

    def void(self, project, source, id, content, arrived):
        """content: (None, "usage.voided", target's source, target's id)"""
        first, target = self.records.get((project, source, id)), self.records.get((project, *content[2:]))
        if first is not None:
            return "duplicate" if first[0][1:] == content[1:] else "conflict"
        if (project, *content[2:]) in self.voided:
            return "duplicate"
        if target is None or target[0][1] == "usage.voided":
            return "rejected"
        self.records[(project, source, id)] = (content, arrived)
        self.voided.add((project, *content[2:]))
        return "stored"

    def stat(self, project, begin, end):
        zone = self.zones[project]
        days = range(day_of(zone, begin), day_of(zone, end) + 1)
        totals = {}
        for name, (content, _) in self.records.items():
            if name[0] != project or content[1] != "transcode.finished" or name in self.voided:
                continue
            time_ms, type, codec, width, height, ms = content
            day = day_of(zone, time_ms // 1000)
            if day in days:
                row = totals.setdefault((day, codec), {})
                row[tier(width, height)] = row.get(tier(width, height), 0) + seconds(ms)
        rows = []
        for day in days:
            if first_instant(zone, day) == first_instant(zone, day + 1):
                continue
            for codec in sorted({codec for _, codec in totals} or {"h264"}):
                row = totals.get((day, codec), {})
                row = {name: row.get(name, 0) for name in FIELDS.values()}
                rows.append({"Time": first_instant(zone, day), "VideoCodec": codec, "TotalTime": sum(row.values()), **row})
        return rows


class Story:
    def __init__(self, server, seed):
        self.dice = random.Random(seed)
        self.server, self.model = server, Model()
        self.account = Account(server, "query.max_age=0", "query.max_span=0",
                               f"ingest.delta_max={self.dice.choice((50, 300, 100000))}", "ledger.segment_size=64KiB",
                               zone="Asia/Shanghai")
        self.model.zones["org-a"] = "Asia/Shanghai"
        for name in ("org-b", "org-c"):
            zone = self.dice.choice(ZONES)
            server.admin("project", "create", "--id", name, "--time-zone", zone)
            self.model.zones[name] = zone
        self.token = server.admin("token", "create", "--scope", "void")["token"]
        # A few days around changes of clocks, and Apia's missing day.
        self.centre = self.dice.choice((1325203200, 1793500000 - 365 * DAY * 3, 1288500000, 1541300000, 1682600000))

    def instant(self):
        return self.centre + self.dice.randrange(-4 * DAY, 4 * DAY)

    def made_event(self):
        d = self.dice
        codec, spelled = d.choice((("h264", "h264"), ("h264", "libx264"), ("h265", "HEVC"), ("av1", "av1")))
        width, height = d.choice(SIZES)
        ms = d.choice((0, 1, 499, 500, 1499, 1500, 59999, 60000, d.randrange(10 ** 7)))
        time_ms = self.instant() * 1000 + d.randrange(1000)
        type = d.choices(("transcode.finished", "transcode.failed"), (9, 1))[0]
        project, source, id = d.choice(list(self.model.zones)), d.choice(("s", "t")), str(d.randrange(2000))
        known = self.model.records.get((project, source, id))
        if known is not None and known[0][1] == "usage.voided" or d.random() < 0.1:
            return self.made_void(project, known)
        if known is not None and d.random() < 0.8:
            content = known[0]
        else:
            content = (time_ms, type, codec, width, height, ms)
        time_ms, type, codec, width, height, ms = content
        spelled = spelled if {"libx264": "h264", "HEVC": "h265"}.get(spelled, spelled) == codec else codec
        text = datetime.datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ms % 1000:03}Z"
        stated = known is None or d.random() < 0.7
        made = event(id, text if stated else None, ms / 1000, width, height, spelled, source, type=type, subject=project)
        if not stated:
            content = (None, *content[1:])
        return (project, source, id, content), made

    def made_void(self, project, known):
        """Of something that is there, as a rule; again, of a void, or of nothing, now and then."""
        d, names = self.dice, [name[1:] for name in self.model.records if name[0] == project]
        target = d.choice(names) if names and d.random() < 0.9 else ("s", "nothing")
        source, id = d.choice((("v", str(d.randrange(300))), (d.choice(("s", "t")), str(d.randrange(2000)))))
        if d.random() < 0.2 and known is not None and known[0][1] == "usage.voided":
            target = known[0][2:]
        content = (None, "usage.voided", *target)
        made = {"specversion": "1.0", "type": "usage.voided", "source": source, "id": id, "subject": project,
                "data": {"source": target[0], "id": target[1], "reason": "a test", "actor": "twin"}}
        return (project, source, id, content), made

    def step_report(self):
        pairs = [self.made_event() for _ in range(self.dice.choice((1, 5, 60)))]
        reply = self.account.client.report([made for _, made in pairs], token=self.token)
        assert reply.status == 200, reply.body
        expected = [(n, outcome) for n, (told, _) in enumerate(pairs)
                    if (outcome := self.model.report(*told, object())) != "stored"]
        assert [(r["index"], r["outcome"]) for r in reply.json()["results"]] == expected

    def step_ask(self):
        project = self.dice.choice(list(self.model.zones))
        begin, end = sorted((self.instant(), self.instant()))
        got = self.account.client.stat(ProjectId=project, BeginTime=begin, EndTime=end)
        assert got == [dict(row) for row in self.model.stat(project, begin, end)], (project, begin, end)

    def step_zone(self):
        project, zone = self.dice.choice(list(self.model.zones)), self.dice.choice(ZONES)
        self.server.admin("project", "set", "--id", project, "--time-zone", zone, "--force")
        self.model.zones[project] = zone
        self.step_ask()

    def step_restart(self):
        self.dice.choice((self.server.stop, self.server.kill))()
        if self.dice.random() < 0.3:
            run("rebuild", "--data", self.server.data)
        self.server.start()

    def tell(self, steps):
        for _ in range(steps):
            self.dice.choices((self.step_report, self.step_ask, self.step_zone, self.step_restart), (60, 30, 4, 3))[0]()
        for project in self.model.zones:
            begin, end = self.centre - 5 * DAY, self.centre + 5 * DAY
            assert self.account.client.stat(ProjectId=project, BeginTime=begin, EndTime=end) == \
                self.model.stat(project, begin, end)


def test_twin_agrees(tmp_path):
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    for number in range(int(os.environ.get("STORIES", 4))):
        print(f"SEED={seed + number}")
        server = Server(tmp_path / f"data{number}")
        story = Story(server, seed + number)
        try:
            story.tell(int(os.environ.get("STEPS", 120)))
        finally:
            if server.process is not None:
                server.stop()
