"""Seconds of a day, tier and codec are the sum of that day's task list, and both are what was reported.

The data is random, with voids, failed tasks and late ones, in memory and in files. SEED= repeats a run;
SUM_TASKS=1000000 makes it longer.
"""
import collections
import datetime
import os
import random
import time
import zoneinfo

import pytest

from conftest import Account
from umedia import decodes_answer

TASKS = int(os.environ.get("SUM_TASKS", 20000))
BATCH = 10000
PART = max(500, TASKS // 100)  # of a list
DAYS = 12
LEVELS = {"superdefinition": "SuperDefinitionTime", "highdefinition": "HighDefinitionTime",
          "mediumdefinition": "MidiumDefinitionTime", "lowdefinition": "LowDefinitionTime"}
SIZES = ((320, 240, "lowdefinition"), (640, 480, "lowdefinition"), (480, 640, "lowdefinition"), (641, 480, "mediumdefinition"),
         (720, 1280, "mediumdefinition"), (1920, 1080, "highdefinition"), (1080, 1921, "superdefinition"), (3840, 2160, "superdefinition"))
# A change of clocks in the middle, a zone of three quarter hours, and the zone of the documentation.
ZONES = {"Europe/Berlin": 1603490000, "Asia/Kathmandu": 1600000000, "Asia/Shanghai": 1600000000}


def seconds(ms):
    return max(1, (ms + 500) // 1000) if ms > 0 else 0


class World:
    """Makes random reports and keeps what they must add up to."""

    def __init__(self, seed, zone):
        self.random = random.Random(seed)
        self.zone, self.begin = zoneinfo.ZoneInfo(zone), ZONES[zone]
        self.tasks = {}  # id -> (kind, day, cell, units, task id)
        self.by_day = collections.defaultdict(list)  # (kind, day) -> ids
        self.voided = set()
        self.made = 0

    def day(self, at):
        return datetime.datetime.fromtimestamp(at, self.zone).date()

    def event(self):
        r = self.random
        self.made += 1
        kind = r.choices(("transcode", "remux", "snapshot", "audio"), (70, 15, 10, 5))[0]
        outcome = r.choices(("finished", "failed"), (95, 5))[0]
        at_ms = self.begin * 1000 + r.randrange(DAYS * 86400 * 1000)
        data, cell, units = {}, None, 0
        if kind == "snapshot":
            units = data["image_count"] = r.choice((0, 1, 5, r.randrange(1000)))
        else:
            data["duration_ms"] = r.choice((0, 1, 499, 500, 1499, 1500, r.randrange(1, 8000000)))
            units = seconds(data["duration_ms"])
        if kind == "transcode":
            data["width"], data["height"], level = r.choice(SIZES)
            data["codec"], codec = r.choice((("h264", "h264"), ("libx265", "h265"), ("av01.0.05M.08", "av1"), ("VP9", "vp9")))
            cell = (codec, level)
        if kind == "audio" or (kind == "remux" and r.random() < .5):
            data["codec"] = "aac" if kind == "audio" else "h264"
        if r.random() < .3:
            data["task_id"] = f"task-{r.randrange(TASKS)}"
        id = f"{self.made}"
        counts = outcome == "finished"
        self.tasks[id] = (kind, self.day(at_ms // 1000), cell if counts else None, units if counts else 0, data.get("task_id", id))
        self.by_day[(kind, self.tasks[id][1])].append(id)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03}Z"
        return {"source": "farm", "id": id, "type": f"{kind}.{outcome}", "time": moment, "data": data}

    def void(self):
        id = str(self.random.randrange(self.made) + 1)
        self.voided.add(id)
        return {"source": "desk", "id": f"void-{id}", "type": "usage.voided", "data": {"source": "farm", "id": id}}

    def batch(self, count):
        events = [self.event() for _ in range(count)]
        events += [self.void() for _ in range(count // 40)]
        unique = {(event["source"], event["id"]): event for event in events}
        return list(unique.values())

    def expected(self, kind, day):
        """The tasks of a day's list, and the sums of the cells."""
        ids, sums = collections.Counter(), collections.Counter()
        for id in self.by_day[(kind, day)]:
            _, _, cell, units, task_id = self.tasks[id]
            if id in self.voided:
                continue
            ids[task_id] += 1
            if cell is not None or kind != "transcode":
                sums[cell] += units
        return ids, +sums


def task_list(client, action, day, zone, part):
    """All tasks of a day, in parts of random size."""
    start = int(datetime.datetime.combine(day, datetime.time(), zone).timestamp())
    tasks, total = [], None
    while total is None or len(tasks) < total:
        answer = decodes_answer(action, client.call(action, BeginTime=start, EndTime=start, Offset=len(tasks), Limit=part))
        assert total in (None, answer["TotalCount"]), action
        total = answer["TotalCount"]
        assert len(answer["TaskList"]) == min(part, total - len(tasks)), (action, total, len(tasks), part)
        tasks += answer["TaskList"]
    times = [task["FinishTime"] for task in tasks]
    assert times == sorted(times)
    return start, tasks


def check_day(client, world, day):
    r = world.random
    start, tasks = task_list(client, "GetCodecTaskList", day, world.zone, r.choice((PART, 7001, 100000)))
    listed = collections.Counter()
    for task in tasks:
        if task["Status"] == "finished":
            listed[(task["VideoCodec"], task["CodecLevel"])] += task["Duration"]
        assert world.day(task["FinishTime"]) == day
    ids, sums = world.expected("transcode", day)
    assert collections.Counter(task["TaskId"] for task in tasks) == ids
    assert +listed == sums
    counted = collections.Counter()
    for row in client.stat(BeginTime=start, EndTime=start):
        for level, name in LEVELS.items():
            counted[(row["VideoCodec"], level)] += row[name]
    assert +counted == sums
    for kind, action, unit, stat, name in (("remux", "Format", "Duration", "GetFormatTotalStat", "FormatTime"),
                                           ("snapshot", "Snap", "ImageCount", "GetSnapTotalStat", "ImageCount")):
        _, tasks = task_list(client, f"Get{action}TaskList", day, world.zone, r.choice((PART, 100000)))
        ids, sums = world.expected(kind, day)
        assert collections.Counter(task["TaskId"] for task in tasks) == ids
        row, = client.call(stat, BeginTime=start, EndTime=start)["StatSet"]
        assert sum(task[unit] for task in tasks) == row[name] == sums[None]


def check(client, world):
    days = sorted({day for _, day in world.by_day})
    for day in world.random.sample(days, min(len(days), 5)):
        check_day(client, world, day)


@pytest.mark.parametrize("zone", ZONES)
def test_seconds_are_the_sum_of_the_list(bare, zone):
    seed = os.environ.get("SEED", str(random.randrange(1 << 32)))
    print(f"SEED={seed} SUM_TASKS={TASKS} {zone}")
    world = World(f"{seed} {zone}", zone)
    account = Account(bare, "query.max_age=0", "query.max_span=0", f"ingest.delta_max={max(TASKS // 5, 1000)}", zone=zone)
    token = bare.admin("token", "create", "--project", "org-a", "--scope", "void")["token"]
    while world.made < TASKS:
        events = world.batch(min(BATCH - BATCH // 40, TASKS - world.made))
        for first in range(0, len(events), BATCH):
            reply = account.client.report(events[first:first + BATCH], token=token).json()
            assert reply["conflict"] == reply["rejected"] == 0, reply
        if world.made < 3 * BATCH or world.random.random() < .1:
            check(account.client, world)
        if world.random.random() < .3:
            bare.kill()
            bare.start()
    check(account.client, world)
    bare.stop()
    bare.start()
    check(account.client, world)
