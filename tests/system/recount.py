"""An independent recount: counts from the events that a test sent, by the documented rules alone (docs/events.md,
docs/v1-usage.md, docs/v1-tasks.md). No code of the product, no totals, no index: a list of records, Python's zoneinfo and
integers. It is slow, and it is easy to check by reading.

A question is a dict of the parameters of /v1/usage or /v1/tasks; a parameter that is given several times is a list.
"""
import bisect
import datetime
import functools
import re
import zoneinfo
from fractions import Fraction

UTC = datetime.timezone.utc
QUARTER = 900
DAY = 86400
EPOCH = datetime.date(1970, 1, 1)
NEVER = float("inf")

KINDS = ("transcode", "remux", "snapshot", "audio")
TIERS = (("low", 640, 480), ("medium", 1280, 720), ("high", 1920, 1080))
TIER_NAMES = [name for name, _, _ in TIERS] + ["super"]
SPELLED = {"libx264": "h264", "avc1.64001f": "h264", "HEVC": "h265", "libx265": "h265", "libsvtav1": "av1",
           "PRORES": "prores"}
COMPARED = ("codec", "width", "height", "duration_ms", "image_count")
COMPARED_IF_BOTH = ("time", "frame_rate", "quality", "region", "passes", "input_duration_ms")


# ---- one task ----


def tier(width, height):
    for name, long, short in TIERS:
        if max(width, height) <= long and min(width, height) <= short:
            return name
    return "super"


def seconds(ms):
    return max(1, (ms + 500) // 1000) if ms > 0 else 0


def minutes(ms):
    return -(-seconds(ms) // 60)


def rate(value):
    """What is stored of a reported frame rate: rates near those of NTSC mean these."""
    exact = Fraction(str(value))
    for ntsc in (Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(120000, 1001)):
        if abs(exact - ntsc) < Fraction(1, 100):
            return ntsc
    return exact


def rate_text(value):
    """As people write it: three decimals at most; a fraction, if that would be another rate."""
    text = f"{round(value * 1000) / 1000:.3f}".rstrip("0").rstrip(".")
    return text if rate(text) == value else f"{value.numerator}/{value.denominator}"


# ---- days and other steps ----


@functools.lru_cache(None)
def zone_info(zone):
    return zoneinfo.ZoneInfo(zone)


def offset(zone, instant):
    return int(datetime.datetime.fromtimestamp(instant, zone_info(zone)).utcoffset().total_seconds())


def local_day(zone, instant):
    return (datetime.datetime.fromtimestamp(instant, zone_info(zone)).date() - EPOCH).days


@functools.lru_cache(None)
def first_instant(zone, day):
    """The earliest instant whose local date is that day or later, found by walking."""
    instant = day * DAY - 16 * 3600
    while local_day(zone, instant) < day:
        instant += QUARTER
    return instant


def day_of(zone, instant):
    day = local_day(zone, instant)
    while first_instant(zone, day + 1) <= instant:
        day += 1
    return day


def month_day(year, month):
    """The day number of the first of a month; months beyond 12 or before 1 count on."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return (datetime.date(year, month, 1) - EPOCH).days


def day_text(zone, instant):
    return str(EPOCH + datetime.timedelta(day_of(zone, instant)))


def date_text(zone, instant):
    return datetime.datetime.fromtimestamp(instant, zone_info(zone)).isoformat()


def changes(zone, begin, end):
    """The instants in (begin, end) at which the local clocks change."""
    ret, at = [], begin
    while at < end:
        later = min(at + 6 * 3600, end)
        if offset(zone, at) != offset(zone, later):
            low, high = at, later
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == offset(zone, at) else (low, middle)
            if high < end:
                ret.append(high)
        at = later
    return ret


def starts(zone, step, begin, end):
    """Where the steps of [begin, end) begin. The day before a date that the zone skipped may be of no length: no steps."""
    if begin == end:
        return []
    if step == "total":
        return [begin]
    if step in ("15m", "1h"):
        length, cuts = {"15m": 900, "1h": 3600}[step], [begin, *changes(zone, begin, end)]
        ret = set(cuts)
        for cut, following in zip(cuts, cuts[1:] + [end]):
            first = cut + -(cut + offset(zone, cut)) % length
            ret.update(range(first, following, length))
        return sorted(ret)
    days = range(day_of(zone, begin), day_of(zone, end) + 2)
    if step == "1w":
        days = [day for day in days if (EPOCH + datetime.timedelta(day)).weekday() == 0]
    if step == "1mo":
        days = [day for day in days if (EPOCH + datetime.timedelta(day)).day == 1]
    return sorted({begin} | {first_instant(zone, day) for day in days if begin < first_instant(zone, day) < end})


def bound(text, zone):
    """from or to: a date, an RFC 3339 time, or Unix seconds."""
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return first_instant(zone, (datetime.date.fromisoformat(text) - EPOCH).days)
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def period(question, zone):
    if "month" in question:
        year, month = map(int, question["month"].split("-"))
        return first_instant(zone, month_day(year, month)), first_instant(zone, month_day(year, month + 1))
    return bound(question["from"], zone), bound(question["to"], zone)


def check_period(question, zones):
    for zone in zones.values():
        begin, end = period(question, zone)
        if begin >= end:
            raise Refused(400, "to")


def period_before(zone, begin, end):
    """As many months before, if months begin at both ends; else as many days, if days do; else as many seconds."""
    first, last = day_of(zone, begin), day_of(zone, end)
    if first_instant(zone, first) == begin and first_instant(zone, last) == end:
        one, two = EPOCH + datetime.timedelta(first), EPOCH + datetime.timedelta(last)
        if one.day == 1 and two.day == 1:
            months = 12 * (two.year - one.year) + two.month - one.month
            return first_instant(zone, month_day(one.year, one.month - months)), begin
        return first_instant(zone, 2 * first - last), begin
    return 2 * begin - end, begin


# ---- the ledger ----


class Refused(Exception):
    """The question has no answer: the status, and the parameter at fault."""

    def __init__(self, status, param):
        super().__init__(f"{status} {param}")
        self.status, self.param = status, param


class Record:
    """A stored event. `number` counts the events that were stored, so it orders them as positions do."""

    def __init__(self, made, number):
        self.number, self.voided = number, NEVER
        self.project, self.source, self.id = made["subject"], made["source"], made["id"]
        self.kind, self.outcome = made["type"].split(".")
        self.content = content(made)
        self.labels = made.get("data", {}).get("labels", {})
        self.task_id = made.get("data", {}).get("task_id") or self.id
        self.made = made

    @property
    def time_ms(self):
        return self.content["time"]

    def counts(self, as_of):
        return self.outcome == "finished" and self.number < as_of <= self.voided

    def status(self, as_of):
        return "voided" if self.voided < as_of else self.outcome

    def units(self):
        """(seconds, minutes, images)"""
        if self.kind == "snapshot":
            return 0, 0, self.content["image_count"]
        ms = self.content["duration_ms"]
        return seconds(ms), minutes(ms), 0

    def value(self, name):
        """What this task has in a dimension, or None."""
        known = self.content
        if name == "tier":
            has_tier = self.kind == "transcode" and self.outcome == "finished"
            return tier(known["width"], known["height"]) if has_tier else None
        if name == "resolution":
            return f"{known['width']}x{known['height']}" if known.get("width") else None
        if name == "frame_rate":
            return None if known.get("frame_rate") is None else rate_text(known["frame_rate"])
        if name.startswith("label."):
            return self.labels.get(name[len("label."):])
        return {"project": self.project, "source": self.source, "kind": self.kind, "codec": known.get("codec")}[name]


def content(made):
    """What is kept of an event: the members that its kind of task has."""
    kind, data = made["type"].split(".")[0], made.get("data", {})
    if kind == "usage":
        return {"time": None, "target": (data["source"], data["id"]), "why": (data.get("reason"), data.get("actor"))}
    members = {"transcode": ("codec", "width", "height", "duration_ms", "frame_rate"),
               "remux": ("duration_ms", "frame_rate"), "snapshot": ("image_count",), "audio": ("codec", "duration_ms")}[kind]
    kept = {name: data[name] for name in members if data.get(name) is not None}
    if "codec" in kept:
        kept["codec"] = SPELLED.get(kept["codec"], kept["codec"])
    if "frame_rate" in kept:
        kept["frame_rate"] = rate(kept["frame_rate"])
    time = made.get("time")
    moment = None if time is None else datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    kept["time"] = None if time is None else round(moment.timestamp() * 1000)
    return kept


class Ledger:
    def __init__(self):
        self.records = {}   # (project, source, id): Record
        self.count = 0      # events stored, and changes of zones
        self.zones = {}     # project: [(number, zone)]

    def set_zone(self, project, zone):
        self.zones.setdefault(project, []).append((self.count, zone))
        self.count += 1

    def zone_of(self, project, as_of):
        known = [zone for number, zone in self.zones[project] if number < as_of]
        return known[-1] if known else None

    def report(self, made):
        """Takes an event; gives its outcome. A record counts in what was known before event `as_of` if number < as_of, and a
        void if voided < as_of."""
        name = (made["subject"], made["source"], made["id"])
        first, kept = self.records.get(name), content(made)
        is_void = made["type"] == "usage.voided"
        if first is not None:
            return self.outcome_of_repeat(first, made, kept)
        if is_void:
            target = self.records.get((made["subject"], *kept["target"]))
            if target is not None and target.voided != NEVER:
                return "duplicate"
            if target is None or target.kind == "usage":
                return "rejected"
            target.voided = self.count
        self.records[name] = Record(made, self.count)
        self.count += 1
        return "stored"

    @staticmethod
    def outcome_of_repeat(first, made, kept):
        if made["type"] != first.made["type"]:
            return "conflict"
        if first.kind == "usage":
            return "duplicate" if kept["target"] == first.content["target"] else "conflict"
        if any(kept.get(name) != first.content.get(name) for name in COMPARED):
            return "conflict"
        for name in COMPARED_IF_BOTH:
            one, two = first.content.get(name), kept.get(name)
            if one is None or two is None or one == two:
                continue
            if name != "frame_rate" or abs(one - two) * 100 > max(one, two):
                return "conflict"
        return "duplicate"

    def tasks_of(self, question, as_of):
        """The records of tasks that the filters of a question let pass."""
        projects = set(self.projects(question, as_of))
        return [record for record in self.records.values() if record.kind != "usage" and record.project in projects
                and record.number < as_of and passes(record, question)]

    def projects(self, question, as_of):
        asked = listed(question.get("project"))
        if any(self.zones.get(name) is None for name in asked):
            raise Refused(404, "project")
        known = [name for name in self.zones if self.zone_of(name, as_of) is not None]
        return sorted(name for name in known if not asked or name in asked)


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


FILTERS = ("codec", "tier", "resolution", "frame_rate", "source", "kind")


def passes(record, question):
    for name, asked in question.items():
        if name not in FILTERS and not name.startswith("label."):
            continue
        has = record.value(name)
        if ("" if has is None else has) not in [meant(name, value) for value in listed(asked)]:
            return False
    return True


def meant(name, value):
    """A filter's value, as answers write it."""
    if value == "":
        return ""
    if name == "codec":
        return SPELLED.get(value, value)
    return rate_text(rate(value)) if name == "frame_rate" else value


# ---- /v1/usage ----

COUNTS = ("seconds", "minutes", "rounding_seconds", "tasks", "images")


def order_of(name, value):
    """Values in the order of rows: null is last."""
    if value is None:
        return (1,)
    key = {"kind": lambda: KINDS.index(value), "tier": lambda: TIER_NAMES.index(value),
           "frame_rate": lambda: rate(value), "resolution": lambda: [int(side) for side in value.split("x")]}.get(name, lambda: value.encode())
    return (0, key())


def dims_of(question):
    group = [name for value in listed(question.get("group")) for name in value.split(",")]
    return group + ([] if "kind" in group else ["kind"])


def zone_for(ledger, question, projects, as_of):
    """The zone of each project's steps."""
    own = {project: ledger.zone_of(project, as_of) for project in projects}
    if "zone" in question:
        return {project: question["zone"] for project in projects}
    of_instants = all("-" not in question.get(name, "-") or "T" in question.get(name, "-") for name in ("from", "to"))
    if "project" in dims_of(question) or len(set(own.values())) < 2:
        return own
    if of_instants and question.get("step", "total") == "total":
        return dict.fromkeys(own, "UTC")  # one row over a range that is the same in every zone
    raise Refused(400, "zone")


def add(cell, record):
    for index, number in enumerate(record.units()):
        cell[index] += number
    cell[3] += 1


def counted(ledger, question, as_of, zones, when):
    """{(project or None, number of the step, values): [seconds, minutes, images, tasks]} of the period that `when` gives."""
    dims, cells, steps = dims_of(question), {}, {}
    for project, zone in zones.items():
        begin, end = when(zone)
        steps[project] = starts(zone, question.get("step", "total"), begin, end) + [end]
    for record in ledger.tasks_of(question, as_of):
        edges = steps[record.project]
        begin, end = edges[0], edges[-1]
        if not record.counts(as_of) or not begin * 1000 <= record.time_ms < end * 1000:
            continue
        number = bisect.bisect_right(edges, Fraction(record.time_ms, 1000)) - 1
        name = (number, tuple(record.value(dim) for dim in dims))
        add(cells.setdefault(name, [0, 0, 0, 0]), record)
    return cells, steps


def numbers(cell, prefix=""):
    got_seconds, got_minutes, images, tasks = cell
    values = (got_seconds, got_minutes, 60 * got_minutes - got_seconds, tasks, images)
    return {prefix + name: value for name, value in zip(COUNTS, values)}


def usage(ledger, question, as_of=NEVER):
    """The rows that /v1/usage answers."""
    projects = ledger.projects(question, as_of)
    zones = zone_for(ledger, question, projects, as_of)
    check_period(question, zones)
    dims = dims_of(question)
    cells, steps = counted(ledger, question, as_of, zones, lambda zone: period(question, zone))
    before, before_steps = {}, {}
    if question.get("compare") == "previous":
        before, before_steps = counted(ledger, question, as_of, zones,
                                       lambda zone: period_before(zone, *period(question, zone)))
    names = set(cells) | set(before)
    if question.get("zeros") == "1":
        names = with_zeros(names, dims, steps, before_steps, question)
    rows = []
    for number, values in names:
        project = values[dims.index("project")] if "project" in dims else projects[0]
        row = place(zones[project], steps[project], number, "")
        row |= dict(zip(dims, values)) | numbers(cells.get((number, values), [0, 0, 0, 0]))
        if "compare" in question:
            there = place(zones[project], before_steps[project], number, "previous_")
            row |= {name: value for name, value in there.items() if name != "previous_date"}
            row |= numbers(before.get((number, values), [0, 0, 0, 0]), "previous_")
        order = [order_of(dim, row[dim]) for dim in dims]
        first = [order[dims.index("project")]] if "project" in dims else []
        rows.append((first, number, order, row))
    return [row for *_, row in sorted(rows, key=lambda entry: entry[:3])]


def place(zone, edges, number, prefix):
    if number + 1 >= len(edges):
        return {prefix + name: None for name in ("start", "end", "date")}
    begin, end = edges[number], edges[number + 1]
    return {prefix + "start": begin, prefix + "end": end, prefix + "date": date_text(zone, begin)}


def with_zeros(names, dims, steps, before_steps, question):
    """Each group that has any usage, in each step. A project without any has one row of each step: see docs/v1.md."""
    ret = set()
    groups = {values for _, values in names}
    for project in steps:
        count = max(len(steps[project]), len(before_steps.get(project, []))) - 1
        mine = [values for values in groups if "project" not in dims or values[dims.index("project")] == project]
        if not mine:
            lone = {"project": project, "kind": min(listed(question.get("kind")) or KINDS, key=KINDS.index)}
            mine = [tuple(lone.get(dim) for dim in dims)] if "project" in dims or not groups else []
        ret |= {(number, values) for number in range(count) for values in mine}
    return ret


# ---- /v1/tasks ----


def tasks(ledger, question, as_of=NEVER):
    """The records that /v1/tasks lists, newest first."""
    projects = ledger.projects(question, as_of)
    zones = {project: question.get("zone") or ledger.zone_of(project, as_of) for project in projects}
    has_period, status, ret = "from" in question or "month" in question, question.get("status", "finished"), []
    if has_period:
        check_period(question, zones)
    for record in ledger.tasks_of(question, as_of):
        begin, end = period(question, zones[record.project]) if has_period else (0, NEVER)
        if status not in ("all", record.status(as_of)) or not begin * 1000 <= record.time_ms < end * 1000:
            continue
        if "task_id" in question and record.task_id not in listed(question["task_id"]):
            continue
        ret.append(record)
    return sorted(ret, key=lambda record: (record.time_ms, record.number), reverse=True)
