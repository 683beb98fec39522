"""What runs found, kept in bench/results.json, and bench/RESULTS.md made from it."""
import json
import os
import platform
import re
import subprocess
import time

from peers import ROOT, run

STORE = os.path.join(ROOT, "bench", "results.json")
RESULTS = os.path.join(ROOT, "bench", "RESULTS.md")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def count(number):
    return f"{number:,.0f}"


def ratio(number):
    return f"{number:.2f}"


def milliseconds(us):
    return f"{us / 1000:.1f}" if us >= 10_000 else f"{us / 1000:.2f}"


def mebibytes(number):
    return f"{number / 2**20:.1f}"


# ---- circumstances ----

def disk_of(directory):
    """File system and device, without the path."""
    source, kind = run("findmnt", "-no", "SOURCE,FSTYPE", "-T", directory).split()[:2]
    return kind, os.path.basename(source)


def machine(directory):
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    kind, device = disk_of(directory)
    return (f"{os.cpu_count()} cores ({model.group(1) if model else platform.machine()}), {memory:.0f} GiB, "
            f"Linux {platform.release()}, {kind} on {device}")


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()
    changed = " and changes" if git("status", "--porcelain", "--untracked-files=no", "--", "src") else ""
    return git("rev-parse", "--short=12", "HEAD") + changed


def read():
    if not os.path.exists(STORE):
        return {}
    with open(STORE) as file:
        return json.load(file)


def keep(part, text, numbers, directory, quick):
    """A part's newest run replaces the one before."""
    store = read()
    store[part] = {"text": text, "numbers": numbers, "quick": quick, "commit": commit(), "machine": machine(directory),
                   "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "load": os.getloadavg()[2]}
    with open(STORE + ".new", "w") as file:
        json.dump(store, file, indent=1)
    os.replace(STORE + ".new", STORE)


# ---- targets ----

def at(store, part, *path):
    """A number that a part found, or None."""
    value = store.get(part, {}).get("numbers")
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def divide(a, b):
    return a / b if a is not None and b else None


def largest(numbers):
    return max((int(size) for size in numbers), default=0)


def targets(store):
    """Rows of (what, target, number, threshold, at least (1) or at most (-1), where, is that what was asked for)."""
    steps = at(store, "growth", "steps") or {}
    top = str(min(largest(steps), 10_000_000))

    def step(size, *path):
        return at(store, "growth", "steps", str(size), *path)

    def flat(state):
        return divide(step(top, state, "query"), step(10_000, state, "query"))

    big = divide(step(100_000_000, "ingest"), step(10_000_000, "ingest"))
    peer_size = at(store, "peers", "events") or 0
    disk_size = at(store, "disk", "tasks") or 0
    rows = [
        ("query, of nginx's rate with a fixed body of the same size", ">= 0.7", step(top, "left", "query_ratio"),
         0.7, 1,
         f"{count(int(top))} tasks, as ingest left them", int(top) >= 10_000_000),
        ("the same, all records in the derived files", ">= 0.7", step(top, "written", "query_ratio"), 0.7, 1,
         f"{count(int(top))} tasks", int(top) >= 10_000_000),
        ("query, of its rate at 10 k tasks", ">= 0.9", flat("left"), 0.9, 1,
         f"{count(int(top))} tasks, as ingest left them", int(top) >= 10_000_000),
        ("the same, all records in the derived files", ">= 0.9", flat("written"), 0.9, 1, f"{count(int(top))} tasks",
         int(top) >= 10_000_000),
        ("batch ingest, of PostgreSQL's rate", ">= 8", at(store, "peers", "ratio"), 8, 1,
         f"{count(peer_size)} events", peer_size >= 10_000_000),
        ("batch ingest, of PostgreSQL's rate, later", ">= 12", at(store, "peers", "ratio"), 12, 1,
         f"{count(peer_size)} events", peer_size >= 10_000_000),
        ("batch ingest at 100 M, of the rate at 10 M", ">= 0.7", big, 0.7, 1, "", big is not None),
        ("single events on 128 connections, of PostgreSQL's rate", ">= 2", at(store, "single", "ratio"), 2, 1, "",
         True),
        ("single events, later", ">= 5", at(store, "single", "ratio"), 5, 1, "", True),
        ("p99 of a query during checkpoints, of that without", "<= 2", at(store, "tail", "query"), 2, -1,
         "", at(store, "tail", "merges")),
        ("p99 of a single event during checkpoints, of that without", "<= 2", at(store, "tail", "event"), 2, -1,
         "", at(store, "tail", "merges")),
        ("p99 of a query beside a scan, of that without", "<= 2", at(store, "scan", "query"), 2, -1,
         f"{count(at(store, 'scan', 'tasks') or 0)} tasks", (at(store, "scan", "tasks") or 0) >= 10_000_000),
        ("p99 of a single event beside a scan, of that without", "<= 2", at(store, "scan", "event"), 2, -1,
         f"{count(at(store, 'scan', 'tasks') or 0)} tasks", (at(store, "scan", "tasks") or 0) >= 10_000_000),
        ("restart after SIGKILL, seconds", "< 2", at(store, "restart", "seconds"), 2, -1,
         f"{count(at(store, 'restart', 'records') or 0)} records beyond the checkpoint",
         (at(store, "restart", "records") or 0) >= 1_000_000),
        ("RssAnon idle, MB", "< 30", at(store, "memory", "idle_mb"), 30, -1,
         f"{count(at(store, 'memory', 'tasks') or 0)} tasks, all written", True),
        ("the same, after a restart with records beyond the checkpoint", "< 30", at(store, "memory", "restarted_mb"),
         30, -1,
         "up to `ingest.delta_max` = 1,000,000 of them", True),
        ("disk, bytes a task", "< 200", at(store, "disk", "total"), 200, -1, f"{count(disk_size)} tasks",
         disk_size >= 1_000_000),
    ]
    return rows


def targets_text(store):
    rows, open_questions = [], []
    for what, target, value, threshold, sign, note, settled in targets(store):
        if value is None:
            open_questions.append(f"- {what}: not measured")
            continue
        met = value >= threshold if sign > 0 else value <= threshold
        rows.append([what, target, f"{value:.2f}", "yes" if met else "no", note])
        if not settled and note:
            open_questions.append(f"- {what}: not at the size asked for, but {note}")
    quick = [part for part, kept in store.items() if kept["quick"]]
    if quick:
        open_questions.append(f"- {', '.join(quick)}: short rounds (`QUICK=1`), to try the benchmark")
    if "tail" in store and not at(store, "tail", "merges"):
        open_questions.append("- p99 during merges: no merge came")
    if "memory" in store:
        open_questions.append("- RssAnon under ingest has no number to meet: the table shows how it follows "
                              "`ingest.delta_max`")
    text = "## Targets\n\n" + table(["what", "target", "measured", "met?", "at"], rows)
    return text + "\n\n## Not settled by this run\n\n" + ("\n".join(open_questions) or "- nothing") + "\n"


HEAD = """# Results

Made by `make bench`; bench/README.md says what each part does. Absolute numbers belong to the machine; both sides of a
ratio ran in one go on it, alternating.
"""


def write(order):
    store = read()
    parts = [HEAD]
    for part in order:
        if part not in store:
            continue
        kept = store[part]
        parts.append(f"{kept['text'].strip()}\n\n{kept['date']}, commit {kept['commit']}, {kept['machine']}; "
                     f"load average over 15 minutes {kept['load']:.1f}.\n")
    parts.append(targets_text(store))
    with open(RESULTS, "w") as file:
        file.write("\n".join(parts))
