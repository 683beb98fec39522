"""A recount of /v1/usage from the events that were sent, by Python's zoneinfo and dictionaries: none of the product's code.

Steps are found by walking through time, not by computing: a step begins at an instant at which the local clock, or the local
date, has gone on to a new one.
"""
import datetime
import functools
import zoneinfo
from fractions import Fraction

UTC = datetime.timezone.utc
EPOCH = datetime.date(1970, 1, 1)
TIERS = (("low", 640, 480), ("medium", 1280, 720), ("high", 1920, 1080))
SUMS = ("seconds", "minutes", "rounding_seconds", "tasks", "images")
KINDS = ("transcode", "remux", "snapshot", "audio")
TIER_ORDER = ("low", "medium", "high", "super")
UNSTATED = ""


def local(zone, instant):
    return datetime.datetime.fromtimestamp(instant, zoneinfo.ZoneInfo(zone))


def local_day(zone, instant):
    return (local(zone, instant).date() - EPOCH).days


@functools.lru_cache(None)
def first_instant(zone, day):
    """The earliest instant whose local date is that day or later, found by walking: since 1980 a quarter hour begins there."""
    instant = day * 86400 - 16 * 3600
    while local_day(zone, instant) < day:
        instant += 900
    return instant


def day_number(year, month, day=1):
    return (datetime.date(year, month, day) - EPOCH).days


def day_that_begins(zone, instant):
    """None if none does. Of several, the last."""
    for day in range(local_day(zone, instant) + 1, local_day(zone, instant) - 2, -1):
        if first_instant(zone, day) == instant:
            return day
    return None


def is_new(step, zone, last, day):
    """Whether a step of days begins when the date goes from `last` to `day`."""
    dates = [EPOCH + datetime.timedelta(days=number) for number in range(last + 1, day + 1)]
    if step == "1w":
        return any(date.weekday() == 0 for date in dates)
    if step == "1mo":
        return any(date.day == 1 for date in dates)
    return True


def starts_of_days(zone, step, begin, end):
    starts, day = [], local_day(zone, begin)
    while first_instant(zone, day + 1) <= begin:  # clocks went back over midnight
        day += 1
    last = day
    while first_instant(zone, day) < end:
        day += 1
        start = first_instant(zone, day)
        if begin < start < end and start != first_instant(zone, day + 1) and is_new(step, zone, last, day):
            starts.append(start)
        if start != first_instant(zone, day + 1):
            last = day
    return starts


def starts_of_clock(zone, seconds, begin, end):
    def shown(instant):
        there = local(zone, instant)
        return there.utcoffset(), (there.hour * 3600 + there.minute * 60) // seconds

    first = begin - begin % 60 + 60
    return [minute for minute in range(first, end, 60) if shown(minute) != shown(minute - 60)]


@functools.lru_cache(None)
def steps(zone, step, begin, end):
    """[(start, end)] of all steps of [begin, end)."""
    if step == "total":
        inner = []
    elif step in ("15m", "1h"):
        inner = starts_of_clock(zone, 900 if step == "15m" else 3600, begin, end)
    else:
        inner = starts_of_days(zone, step, begin, end)
    edges = [begin, *inner, end]
    return list(zip(edges, edges[1:]))


def month_of(day):
    date = EPOCH + datetime.timedelta(days=day)
    return date.year * 12 + date.month - 1 if date.day == 1 else None


def before(zone, begin, end):
    """Where the period before begins."""
    first, last = day_that_begins(zone, begin), day_that_begins(zone, end)
    if first is None or last is None:
        return begin - (end - begin)
    if month_of(first) is not None and month_of(last) is not None:
        month = 2 * month_of(first) - month_of(last)
        return first_instant(zone, day_number(month // 12, month % 12 + 1))
    return first_instant(zone, first - (last - first))


# ---- what a task counts, and its values ----

def tier_of(width, height):
    for name, long, short in TIERS:
        if max(width, height) <= long and min(width, height) <= short:
            return name
    return "super"


def seconds_of(ms):
    return max(1, (ms + 500) // 1000) if ms > 0 else 0


def rate_text(rate):
    """29.97 for 30000/1001."""
    text = f"{float(rate):.3f}".rstrip("0").rstrip(".")
    return text


class Task:
    """One event that was stored: what it counts, and its value in each dimension; None: it has none."""

    def __init__(self, project, event, stored):
        data = event["data"]
        kind, outcome = event["type"].split(".")
        self.project, self.kind, self.stored, self.voided = project, kind, stored, None
        self.counts = outcome == "finished"
        self.time_ms = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        self.time_ms = round(self.time_ms * 1000)
        seconds = 0 if kind == "snapshot" else seconds_of(data["duration_ms"])
        minutes = (seconds + 59) // 60
        images = data["image_count"] if kind == "snapshot" else 0
        self.sums = (seconds, minutes, 60 * minutes - seconds, 1, images)
        size = (data["width"], data["height"]) if "width" in data else None
        self.values = {"project": project, "kind": kind, "source": event["source"],
                       "codec": data.get("codec") if kind in ("transcode", "audio") else None,  # of others it is ignored
                       "tier": tier_of(*size) if kind == "transcode" and size else None,
                       "resolution": "%dx%d" % size if size else None,
                       "frame_rate": rate_text(Fraction(data["frame_rate"])) if "frame_rate" in data else None}
        self.labels = data.get("labels", {})

    def value(self, name):
        return self.labels.get(name[6:]) if name.startswith("label.") else self.values[name]


def rank(name, value):
    """Values in the order of rows; None is last."""
    if value is None:
        return (1,)
    if name == "tier":
        return 0, TIER_ORDER.index(value)
    if name == "kind":
        return 0, KINDS.index(value)
    if name == "resolution":
        return 0, tuple(int(side) for side in value.split("x"))
    if name == "frame_rate":
        return 0, float(value)
    return 0, value.encode()


# ---- the question ----

class Question:
    """range: {zone: (begin, end)} for every zone that rows may have."""

    def __init__(self, zones, bounds, step="total", zone=None, group=(), filters=(), zeros=False, compare=False):
        self.zones, self.bounds, self.step, self.zone = zones, bounds, step, zone
        self.group, self.filters, self.zeros, self.compare = tuple(group), tuple(filters), zeros, compare
        self.dims = self.group if "kind" in self.group else (*self.group, "kind")

    def zone_of(self, project):
        return self.zone or self.zones[project]

    def periods(self, project):
        zone = self.zone_of(project)
        begin, end = self.bounds[zone]
        now = steps(zone, self.step, begin, end)
        return now, steps(zone, self.step, before(zone, begin, end), begin) if self.compare else []

    def passes(self, task):
        wanted = {}
        for name, value in self.filters:
            wanted.setdefault(name, set()).add(value)
        return all((task.value(name) or UNSTATED) in values for name, values in wanted.items())


def place(periods, instant):
    """(which period, number of the step), or None."""
    for which, period in enumerate(periods):
        if not period or not period[0][0] <= instant < period[-1][1]:
            continue
        low, high = 0, len(period)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if period[middle][0] <= instant else (low, middle)
        return which, low
    return None


def line(question, project, step, group, now, last):
    zone, periods = question.zone_of(project), question.periods(project)
    row = {"start": None, "end": None, "date": None}
    if step < len(periods[0]):
        start, end = periods[0][step]
        row = {"start": start, "end": end, "date": local(zone, start).isoformat()}
    row.update(zip(question.dims, group))
    row.update(zip(SUMS, now))
    if question.compare:
        there = periods[1][step] if step < len(periods[1]) else (None, None)
        row.update(zip(("previous_start", "previous_end", *("previous_" + name for name in SUMS)), (*there, *last)))
    return row


def recount(question, projects, tasks, as_of=None):
    """All rows, in order. as_of: the number of a batch; what was stored or voided in later batches does not exist."""
    sums, groups = {}, {}
    by_project = "project" in question.group
    for task in tasks:
        gone = task.voided is not None and (as_of is None or task.voided <= as_of)
        if task.project not in projects or not task.counts or gone or not question.passes(task):
            continue
        if as_of is not None and task.stored > as_of:
            continue
        found = place(question.periods(task.project), task.time_ms // 1000)
        if found is None:
            continue
        owner = task.project if by_project else projects[0]
        group = tuple(task.value(name) for name in question.dims)
        key = (owner, found[1], group)
        both = sums.setdefault(key, ([0] * 5, [0] * 5))
        both[found[0]][:] = [a + b for a, b in zip(both[found[0]], task.sums)]
        groups.setdefault(owner, set()).add(group)
    if question.zeros:
        kinds = [kind for kind in KINDS if ("kind", kind) in question.filters] or KINDS
        for owner in projects if by_project else projects[:1]:
            empty = tuple(owner if name == "project" else kinds[0] if name == "kind" else None for name in question.dims)
            for group in groups.get(owner) or {empty}:
                for step in range(max(map(len, question.periods(owner)))):
                    sums.setdefault((owner, step, group), ([0] * 5, [0] * 5))
    order = sorted(sums, key=lambda key: (key[0].encode(), key[1],
                                          [rank(*pair) for pair in zip(question.dims, key[2])]))
    return [line(question, project, step, group, *sums[(project, step, group)]) for project, step, group in order]
