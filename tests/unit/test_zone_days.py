"""Every zone that tzdata lists, every day from 1980 to 2037, against a reckoning of its own with Python's zoneinfo:
F(d), the earliest instant whose local date is d or later. Usage: test_zone_days.py PROGRAM
"""
import datetime
import subprocess
import sys
import zoneinfo

EPOCH = datetime.date(1970, 1, 1)
FIRST = (datetime.date(1980, 1, 1) - EPOCH).days
END = (datetime.date(2038, 1, 1) - EPOCH).days
DAY = 86400
QUARTER = 900


def listed():
    names = set()
    with open("/usr/share/zoneinfo/tzdata.zi", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields and fields[0] in ("Z", "L"):
                names.add(fields[1] if fields[0] == "Z" else fields[2])
    return sorted(names)


def offset(zone, instant):
    return int(datetime.datetime.fromtimestamp(instant, zone).utcoffset().total_seconds())


def transitions(zone, begin, end):
    """(instant, offset from then on): found day by day, then quarter hour by quarter hour within a day that differs."""
    found = [(begin, offset(zone, begin))]
    for instant in range(begin, end, DAY):
        if offset(zone, instant + DAY) == found[-1][1]:
            continue
        for fine in range(instant + QUARTER, instant + DAY + 1, QUARTER):
            if (now := offset(zone, fine)) != found[-1][1]:
                found.append((fine, now))
    return found


def day_starts(zone):
    spans = transitions(zone, (FIRST - 3) * DAY, (END + 3) * DAY) + [((END + 4) * DAY, 0)]
    at = 0
    for day in range(FIRST, END):
        midnight = day * DAY
        while spans[at + 1][0] + spans[at][1] <= midnight:  # over before its clock reads the day
            at += 1
        yield max(spans[at][0], midnight - spans[at][1])


def main():
    names = listed()
    assert len(names) > 400
    printed = subprocess.run([sys.argv[1]], input="\n".join(names) + "\n", capture_output=True, text=True, check=True).stdout
    ours = dict(line.split(" ", 1) for line in printed.splitlines())
    assert sorted(ours) == names
    reckoned = {}  # by the bytes of the zone's file: links are the same file under another name
    wrong = empty = 0
    for name in names:
        with open(f"/usr/share/zoneinfo/{name}", "rb") as file:
            data = file.read()
        if data not in reckoned:
            reckoned[data] = list(day_starts(zoneinfo.ZoneInfo(name)))
            assert all(start % QUARTER == 0 for start in reckoned[data]), f"{name}: not a quarter of an hour"
        expected, got = reckoned[data], list(map(int, ours[name].split()))
        empty += sum(a == b for a, b in zip(expected, expected[1:]))
        if got != expected:
            days = [day for day, (a, b) in enumerate(zip(got, expected)) if a != b]
            print(f"{name}: {len(days)} days differ, the first is {EPOCH + datetime.timedelta(FIRST + days[0])}")
            wrong += 1
    print(f"{len(names)} zones, {len(reckoned)} files, {END - FIRST} days each, {empty} skipped dates, {wrong} wrong")
    return 1 if wrong or not empty else 0


if __name__ == "__main__":
    sys.exit(main())
