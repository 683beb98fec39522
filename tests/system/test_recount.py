"""/v1/usage and /v1/tasks against an independent recount (recount.py) of the events that were sent, over checkpoints,
merges, voids, repeats, changes of zones, restarts, kills and rebuilds.

Each run prints its seed. SEED=n replays a run, QUESTIONS=n asks more (200 by default). Every difference is printed with
its question, both answers, and the events that the answer is about; all events of the run are in a file that is named.
"""
import collections
import copy
import csv
import datetime
import io
import json
import os
import random
import threading
import time
from urllib.parse import quote, urlencode

import pytest

import recount
from client import event
from conftest import Account, Server, run
from recount import DAY, UTC

ZONES = ("Asia/Shanghai", "UTC", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo",
         "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/Berlin")
# Apia's missing day; autumn in New York and Havana; Lord Howe; St John's at a minute past midnight; Cairo; a new year
CENTRES = (1325203200, 1793500000 - 365 * DAY * 3, 1288500000, 1289097060, 1682600000, 1735689600)
STEPS = (("15m", 2), ("1h", 6), ("1d", 40), ("1w", 90), ("1mo", 400), ("total", 400))  # and days of the longest range
GROUPS = ("project", "codec", "tier", "kind", "resolution", "frame_rate", "source", "label.team", "label.show")
IN_TOTALS = GROUPS[:4]  # totals know these; for the others the server reads records
TRICKY = "t/é%41 +&1,'x'"
VALUES = {"codec": ("h264", "libx265", "av1", "prores", "vp8", ""), "tier": (*recount.TIER_NAMES, ""),
          "kind": recount.KINDS, "resolution": ("1280x720", "720x1280", "3840x2160", ""),
          "frame_rate": ("25", "29.97", "30000/1001", "23.976", "12.5", ""), "source": ("s", TRICKY, "nobody"),
          "label.team": ("news", "sport", "=sum(A1)", ""), "label.show": ("tonight", '"a", b', "")}
SIZES = ((640, 480), (639, 481), (480, 640), (1280, 720), (720, 1280), (1281, 479), (1920, 1080), (3840, 2160), (1, 1),
         (65535, 65535))
DURATIONS = (0, 1, 499, 500, 1499, 1500, 59499, 59500, 59999, 60000, 60499, 60500, 31622400000)


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03}Z"


def cell(value):
    """A value in a table."""
    if value is None:
        return ""
    return "'" + value if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else str(value)


def path_of(record):
    return "/".join(["tasks", *(quote(name, safe="") for name in (record.project, record.source, record.id))])


def is_about(record, rows):
    """True if an event belongs to one of these rows of usage or tasks."""
    for row in rows:
        if row.get("id", record.id) != record.id or record.kind == "usage":
            continue
        if row.get("start") is not None and not row["start"] * 1000 <= record.time_ms < row["end"] * 1000:
            continue
        if all(record.value(name) == value for name, value in row.items() if name in GROUPS):
            return True
    return False


class Story:
    def __init__(self, server, seed, findings):
        self.dice, self.seed, self.findings = random.Random(seed), seed, findings
        self.server, self.ledger, self.sent = server, recount.Ledger(), []
        self.asked, self.seen = 0, collections.Counter()
        self.account = Account(server, f"ingest.delta_max={self.dice.choice((50, 300, 100000))}", "ledger.segment_size=64KiB")
        self.ledger.set_zone("org-a", "Asia/Shanghai")
        for name in ("org-b", "org-c"):
            zone = self.dice.choice(ZONES)
            server.admin("project", "create", "--id", name, "--time-zone", zone)
            self.ledger.set_zone(name, zone)
        self.void_token = server.admin("token", "create", "--scope", "void")["token"]
        self.read_token = server.admin("token", "create", "--scope", "read")["token"]
        self.centre = self.dice.choice(CENTRES)
        self.known = []  # (position, number of what was known then)

    # ---- events ----

    def instant_ms(self):
        """Near the centre as a rule, often close to where a quarter hour or a day begins."""
        d = self.dice
        days = d.choices((2, 20, 200), (6, 3, 1))[0]
        at = self.centre + d.randrange(-days * DAY, days * DAY)
        if d.random() < 0.3:
            zone = d.choice(ZONES)
            at = recount.first_instant(zone, recount.day_of(zone, at))
        elif d.random() < 0.3:
            at -= at % 900
        return at * 1000 + d.choice((0, -1, 1, d.randrange(1000)))

    def task(self):
        d = self.dice
        kind = d.choices(recount.KINDS, (8, 2, 1, 1))[0]
        ms, (width, height) = d.choice((*DURATIONS, d.randrange(10 ** 7))), d.choice(SIZES)
        data = {"transcode": {"codec": d.choice((*recount.SPELLED, "h264", "av1", "vp8")), "width": width, "height": height,
                              "duration_ms": ms},
                "remux": {"duration_ms": ms}, "snapshot": {"image_count": d.choice((0, 1, 12, 2147483647))},
                "audio": {"codec": d.choice(("aac", "opus")), "duration_ms": ms}}[kind]
        if d.random() < 0.5:
            data["frame_rate"] = d.choice((25, 29.97, "30000/1001", 23.976, "24000/1001", 50, 12.5, "2997/100", 29.9))
        labels = {name: value for name in ("team", "show") if (value := d.choice((*VALUES["label." + name], "")))}
        if labels:
            data["labels"] = labels
        if d.random() < 0.2:
            data["task_id"] = f"job-{d.randrange(50)}"
        made = {"type": f"{kind}.{'failed' if d.random() < 0.1 else 'finished'}", "source": d.choice(("s", TRICKY)),
                "id": d.choice(("{}", "job/{}#2")).format(d.randrange(1500)), "subject": d.choice(list(self.ledger.zones)),
                "time": stamp(self.instant_ms()), "data": data}
        known = self.ledger.records.get((made["subject"], made["source"], made["id"]))
        if known is not None and known.kind != "usage" and d.random() < 0.8:
            made = json.loads(json.dumps(known.made))  # a repeat, at times with one thing less
            if d.random() < 0.3:
                made["data"].pop("frame_rate", None)
                made["data"].pop("labels", None)
        return made

    def void(self):
        d = self.dice
        tasks = list(self.ledger.records)
        project, source, id = d.choice(tasks) if tasks and d.random() < 0.95 else ("org-a", "s", "nothing")
        return {"type": "usage.voided", "source": "v", "id": str(d.randrange(10000)), "subject": project,
                "data": {"source": source, "id": id, "reason": "a test", "actor": "recount"}}

    def step_report(self):
        made = [self.void() if self.dice.random() < 0.12 else self.task() for _ in range(self.dice.choice((1, 5, 60, 200)))]
        reply = self.account.client.report(made, token=self.void_token)
        assert reply.status == 200, reply.body
        self.sent += made
        expected = [(index, outcome) for index, one in enumerate(made) if (outcome := self.ledger.report(one)) != "stored"]
        got = [(result["index"], result["outcome"]) for result in reply.json()["results"]]
        assert got == expected, (self.seed, set(got) ^ set(expected), reply.json()["results"])

    # ---- what else happens ----

    def step_zone(self):
        project, zone = self.dice.choice(list(self.ledger.zones)), self.dice.choice(ZONES)
        self.server.admin("project", "set", "--id", project, "--time-zone", zone, "--force")
        if zone != self.ledger.zone_of(project, recount.NEVER):
            self.ledger.set_zone(project, zone)

    def step_restart(self):
        self.dice.choice((self.server.stop, self.server.kill))()
        if self.dice.random() < 0.5:
            run("rebuild", "--data", self.server.data)
        self.server.start()

    # ---- questions ----

    def get(self, resource, question):
        reply = self.account.client.request("GET", f"/v1/{resource}?{urlencode(question, doseq=True)}",
                                            headers={"Authorization": f"Bearer {self.read_token}"})
        assert reply.status < 500, (self.seed, question, reply.body, self.server.log_text()[-2000:])
        return reply

    def range(self, days):
        """from and to, or a month."""
        d = self.dice
        at = datetime.datetime.fromtimestamp(self.centre, UTC) + datetime.timedelta(d.randrange(-30, 30))
        if days >= 31 and d.random() < 0.2:
            return {"month": at.strftime("%Y-%m")}
        begin = self.centre + d.randrange(-days * DAY // 2 - DAY, DAY)
        end = begin + d.choice((900, 3600, DAY, 7 * DAY, *(d.randrange(1, days * DAY) for _ in range(8))))
        end = min(end, begin + days * DAY)
        form = d.choice(("instants", "quarters", "dates", "texts"))
        if form == "dates":
            one, two = ((datetime.datetime.fromtimestamp(t, UTC)).date() for t in (begin, max(end, begin + DAY)))
            return {"from": str(one), "to": str(two)}
        if form == "quarters":
            begin, end = begin - begin % 900, end + -end % 900
        if form == "texts":
            ahead = datetime.timezone(datetime.timedelta(minutes=d.choice((0, 330, -210, 480))))
            return {"from": datetime.datetime.fromtimestamp(begin, ahead).isoformat(),
                    "to": datetime.datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        return {"from": str(begin), "to": str(end)}

    def filters(self, names):
        d, ret = self.dice, {}
        for name in d.sample([name for name in VALUES if name in names], d.choice((0, 0, 0, 0, 1, 1, 1, 2))):
            values = d.sample(VALUES[name], d.choice((1, 1, 2)))
            ret[name] = values if len(values) > 1 else values[0]
        return ret

    def projects_and_zone(self):
        d, ret = self.dice, {}
        if (count := d.choice((0, 1, 1, 2))) > 0:
            ret["project"] = d.sample(list(self.ledger.zones), count)
        zones = {self.ledger.zone_of(name, recount.NEVER) for name in ret.get("project", self.ledger.zones)}
        if d.random() < (0.4 if len(zones) == 1 else 0.9):
            ret["zone"] = d.choice(ZONES)
        return ret

    def usage_question(self):
        d = self.dice
        step, days = d.choice(STEPS)
        names = d.choice((GROUPS, IN_TOTALS))
        question = {**self.projects_and_zone(), **self.range(days), "step": step, **self.filters(names)}
        if group := d.sample(names, d.choice((0, 1, 1, 2, 3))):
            question["group"] = ",".join(group)
        if d.random() < 0.15:
            question["compare"] = "previous"
        if not set(question) & {"codec", "tier", "resolution", "frame_rate"} and d.random() < 0.15:
            question["zeros"] = "1"
        return question

    def as_of(self, question):
        """At times: as of an earlier position. Gives what was known then."""
        if self.known and self.dice.random() < 0.25:
            position, number = self.dice.choice(self.known)
            question["as_of"] = str(position)
            return number
        return recount.NEVER

    def step_usage(self):
        self.asked += 1
        question = self.usage_question()
        as_of = self.as_of(question)
        reply = self.get("usage", question)
        try:
            expected = recount.usage(self.ledger, question, as_of)
        except recount.Refused as refused:
            if reply.status != refused.status:
                self.differs("usage", question, as_of, f"{reply.status} {reply.body[:500]}", f"refused with {refused}")
            return
        if reply.status != 200:
            self.differs("usage", question, as_of, f"{reply.status} {reply.body[:500]}", expected)
            return
        answer = reply.json()
        self.seen[f"usage from {answer['answered_from']}, " + ("some" if expected else "none")] += 1
        if answer["rows"] != expected or answer["complete"] is not True:
            self.differs("usage", question, as_of, answer["rows"], expected)
        elif self.dice.random() < 0.2:
            self.check_forms(question, as_of, answer["rows"])
        if as_of == recount.NEVER:
            self.known.append((answer["position"], self.ledger.count))
        elif str(answer["position"]) != question["as_of"]:
            self.differs("usage", question, as_of, answer["position"], question["as_of"])

    def check_forms(self, question, as_of, rows):
        """The same rows as ndjson, and as a table: null is an empty cell there, and no text begins like a formula."""
        lines = [json.loads(line) for line in self.get("usage", {**question, "format": "ndjson"}).body.splitlines()]
        if lines != [*rows, {"complete": True}]:
            self.differs("usage", {**question, "format": "ndjson"}, as_of, lines, rows)
        text = self.get("usage", {**question, "format": "csv"}).body.decode("utf-8-sig")
        table = list(csv.DictReader(io.StringIO(text, newline="")))
        cells = [{name: cell(value) for name, value in row.items()} for row in rows]
        if table != cells or not text.endswith("\r\n"):
            self.differs("usage", {**question, "format": "csv"}, as_of, table, cells)

    def step_tasks(self):
        """A list in pages. Events, voids and changes of zones between two pages change nothing of the later pages."""
        self.asked += 1
        question = {**self.projects_and_zone(), **self.filters(GROUPS), "limit": self.dice.choice((1, 7, 100, 1000))}
        if self.dice.random() < 0.8:
            question |= self.range(self.dice.choice((2, 40, 400)))
        if self.dice.random() < 0.4:
            question["status"] = self.dice.choice(("finished", "failed", "voided", "all"))
        if self.dice.random() < 0.25:
            question["task_id"] = [f"job-{n}" for n in self.dice.sample(range(50), self.dice.choice((1, 3)))]
            question["task_id"].append(str(self.dice.randrange(1500)))
        as_of = min(self.as_of(question), self.ledger.count)
        reply, got = self.get("tasks", question), []
        try:
            expected = recount.tasks(self.ledger, question, as_of)
        except recount.Refused as refused:
            if reply.status != refused.status:
                self.differs("tasks", question, as_of, f"{reply.status} {reply.body[:500]}", f"refused with {refused}")
            return
        for page in range(5000):
            if reply.status != 200:
                self.differs("tasks", question, as_of, f"{reply.status} {reply.body[:500]}", "an answer")
                return
            answer = reply.json()
            got += answer["rows"]
            if len(answer["rows"]) > question["limit"]:
                self.differs("tasks", question, as_of, len(answer["rows"]), question["limit"])
            if answer.get("next_cursor") is None:
                break
            if page < 4 and self.dice.random() < 0.3:
                self.dice.choices((self.step_report, self.step_zone), (9, 1))[0]()
            if page == 12:
                question = {**question, "limit": 1000}
            reply = self.get("tasks", {**question, "cursor": answer["next_cursor"]})
        meant = [self.meant(record, question, as_of) for record in expected]
        told = [{name: row[name] for name in meant[0]} for row in got] if meant else got
        if told != meant:
            self.differs("tasks", question, as_of, told, meant)
        self.seen["tasks, " + ("some" if meant else "none")] += 1

    def meant(self, record, question, as_of):
        """The members of a row of /v1/tasks that the events decide."""
        zone = question.get("zone") or self.ledger.zone_of(record.project, as_of)
        units = record.units() if record.counts(as_of) else (0, 0, 0)
        names = ("project", "source", "kind", "codec", "tier", "resolution", "frame_rate")
        values = {name: record.value(name) for name in names}
        return {"id": record.id, "task_id": record.task_id, "status": record.status(as_of), "labels": record.labels,
                "day": recount.day_text(zone, record.time_ms // 1000), **values,
                **dict(zip(("seconds", "minutes", "images"), units))}

    def step_task(self):
        """One task, at times of a project or an id that does not exist."""
        question, known = {}, [record for record in self.ledger.records.values() if record.kind != "usage"]
        record, as_of = self.dice.choice(known), self.as_of(question)
        if self.dice.random() < 0.5:
            question["zone"] = self.dice.choice(ZONES)
        reply = self.get(path_of(record), question)
        if record.number >= as_of:
            if reply.status != 404:
                self.differs("tasks/…", {**question, "id": record.id}, as_of, reply.body, "404")
            return
        task, meant = reply.json()["task"], self.meant(record, question, as_of)
        told = {name: task[name] for name in ("id", "task_id", "status", "labels", "project", "source", "kind")}
        told |= {name: task["counts"][name] for name in ("seconds", "minutes", "images")} | {"day": task["day"]["date"]}
        told |= {"codec": task["codec"] and task["codec"]["name"], "tier": task["tier"] and task["tier"]["name"]}
        meant = {name: value for name, value in meant.items() if name in told}
        if told != meant or task["counts"]["counted"] != record.counts(as_of):
            self.differs("tasks/…", {**question, "id": record.id}, as_of, [told], [meant])

    def step_sum(self):
        """The sum rule, on the server's own answers: a cell's numbers are the sums over its list of tasks."""
        group = ",".join(self.dice.sample(GROUPS, 3))
        question = {**self.range(40), "zone": self.dice.choice(ZONES), "step": "1d", "group": group}
        rows = self.get("usage", question).json()["rows"]
        for row in self.dice.sample(rows, min(3, len(rows))):
            cell = {name: "" if row[name] is None else row[name] for name in recount.dims_of(question)}
            cell |= {"from": row["start"], "to": row["end"], "limit": 1000}
            tasks = self.get("tasks", cell).json()["rows"]
            sums = {name: sum(task[name] for task in tasks) for name in ("seconds", "minutes", "images")}
            for name, sum_of in {**sums, "tasks": len(tasks)}.items():
                if sum_of != row[name]:
                    self.differs("tasks", cell, recount.NEVER, f"{name} of its tasks: {sum_of}", row)

    # ---- differences ----

    def differs(self, resource, question, as_of, got, expected):
        lines = [f"SEED={self.seed}: GET /v1/{resource}?{urlencode(question, doseq=True)}", f"  question  {question}",
                 f"  delta_max {self.server.settings[0]}, zones {self.ledger.zones}, as of {as_of} of {self.ledger.count}"]
        if isinstance(got, list) and isinstance(expected, list):
            texts = [[json.dumps(row) for row in rows] for rows in (got, expected)]
            only = [[row for row in rows if row not in others] for rows, others in zip(texts, map(set, texts[::-1]))]
            lines += [f"  got only      {row}" for row in only[0][:20]] + [f"  expected only {row}" for row in only[1][:20]]
            rows = [json.loads(row) for row in only[0][:20] + only[1][:20]]
            about = [record for record in self.ledger.records.values() if is_about(record, rows)]
            lines += [f"  event {record.number}, voided by {record.voided}: {json.dumps(record.made)}" for record in about[:12]]
            lines.append(f"  … of {len(about)} events that belong to these rows")
            if sorted(texts[0]) == sorted(texts[1]):
                lines.append("  the same rows in another order, or one of them twice: "
                             + str([(n, a, b) for n, (a, b) in enumerate(zip(*texts)) if a != b][:2]))
        else:
            lines += [f"  got       {str(got)[:3000]}", f"  expected  {str(expected)[:3000]}"]
        name = f"{self.server.data}.events.ndjson"
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(made) + "\n" for made in self.sent)
        self.findings.append("\n".join([*lines, f"  all events: {name}"]))

    def tell(self, questions):
        self.step_report()
        steps = ((self.step_report, 30), (self.step_usage, 45), (self.step_tasks, 15), (self.step_task, 15), (self.step_sum, 5),
                 (self.step_zone, 3), (self.step_restart, 3))
        while self.asked < questions:
            self.dice.choices(*zip(*steps))[0]()


# ---- beside a writer ----


def positions(story):
    """Gives each record, and each void, the position that the server says it has: then `as_of` is a position."""
    lines = story.get("tasks", {"status": "all", "format": "ndjson"}).body.splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows.pop()["complete"] is True
    assert len(rows) == sum(record.kind != "usage" for record in story.ledger.records.values())
    for row in rows:
        record = story.ledger.records[(row["project"], row["source"], row["id"])]
        record.number = row["position"]
        if row["status"] == "voided":
            task = story.get(path_of(record), {}).json()["task"]
            record.voided = task["voided"]["position"]
    story.ledger.zones = {project: [(0, zones[-1][1])] for project, zones in story.ledger.zones.items()}


def ask_beside(story, writer, questions):
    """Asks while the writer reports. Gives the answers, each with the position that it names."""
    answers = []
    while writer.is_alive() or len(answers) < questions:
        if story.dice.random() < 0.7:
            resource, question = "usage", story.usage_question()
        else:
            resource, question = "tasks", {**story.projects_and_zone(), **story.filters(GROUPS), **story.range(400),
                                           "limit": 1000, "status": story.dice.choice(("finished", "voided", "all"))}
        reply = story.get(resource, question)
        answers.append((resource, question, reply))
    return answers


def check_answer(story, resource, question, reply):
    """An answer is what was known at the position that it names."""
    answer = reply.json()
    as_of = answer.get("position", recount.NEVER)
    try:
        expected = recount.usage(story.ledger, question, as_of) if resource == "usage" else \
            [story.meant(record, question, as_of) for record in recount.tasks(story.ledger, question, as_of)[:1000]]
    except recount.Refused as refused:
        if reply.status != refused.status:
            story.differs(resource, question, as_of, reply.body[:500], f"refused with {refused}")
        return
    got = answer.get("rows", answer)
    if resource == "tasks" and expected and reply.status == 200:
        got = [{name: row[name] for name in expected[0]} for row in got]
    if reply.status != 200 or got != expected:
        story.differs(resource, question, as_of, got, expected)


def ask_as_of_records(story, questions):
    """As of positions in the midst of blocks: where a record or a void is, which is not known there yet, or one further."""
    answers, known = [], [record for record in story.ledger.records.values() if record.kind != "usage"]
    for _ in range(questions):
        record, at = story.dice.choice(known), story.dice.randrange(2)
        at += record.number if record.voided == recount.NEVER else story.dice.choice((record.number, record.voided))
        second = {"from": str(record.time_ms // 1000), "to": str(record.time_ms // 1000 + 1)}
        resource, question = story.dice.choice((("usage", story.usage_question()), ("usage", second),
                                                ("tasks", {**second, "status": "all"}),
                                                ("tasks", {"task_id": record.task_id, "status": "all"})))
        question["as_of"] = str(at)
        reply = story.get(resource, question)
        answers.append((resource, question, reply))
    return answers


def test_answers_beside_a_writer(tmp_path):
    """While another client reports and voids, each answer is what the events up to its position say, exactly."""
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    print(f"SEED={seed}")
    findings, server = [], Server(tmp_path / "data")
    story, failed = Story(server, seed, findings), []
    reporting = copy.copy(story)
    reporting.dice = random.Random(-seed)

    def report():
        try:
            for _ in range(int(os.environ.get("BATCHES", 80))):
                reporting.step_report()
        except BaseException as error:
            failed.append(error)

    try:
        writer = threading.Thread(target=report)
        writer.start()
        answers = ask_beside(story, writer, 60)
        writer.join()
        assert failed == []
        positions(story)
        moments = {reply.headers["x-codecmeter-position"] for *_, reply in answers if reply.status == 200}
        print(f"{len(answers)} answers at {len(moments)} positions")
        for resource, question, reply in answers + ask_as_of_records(story, 100):
            check_answer(story, resource, question, reply)
    finally:
        if server.process is not None:
            server.stop()
    assert findings == [], f"{len(findings)} of {len(answers)} answers differ, SEED={seed}\n" + "\n".join(findings)


STORIES = 4


@pytest.mark.parametrize("number", range(STORIES))
def test_recount_agrees(tmp_path, number):
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000)) + (number if "SEED" not in os.environ else 0)
    print(f"SEED={seed}")
    findings, server = [], Server(tmp_path / "data")
    story = Story(server, seed, findings)
    try:
        story.tell(int(os.environ.get("QUESTIONS", 200)) // STORIES)
    finally:
        if server.process is not None:
            server.stop()
    print(f"{story.asked} questions about {len(story.ledger.records)} records: {dict(story.seen)}")
    assert findings == [], f"{len(findings)} of {story.asked} answers differ, SEED={seed}\n" + "\n".join(findings)
