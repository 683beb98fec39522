#!/usr/bin/env python3
"""Measures codecmeter beside its peers. Each part is a function; what both sides are set to stands at the top.

    bench/bench.py [--tasks N] [--parts PART,PART…] [--dir DIR] [--quick]
"""
import argparse
import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import report
from agents import agents
from peers import (PROJECT, ROOT, WRK, Codecmeter, Failure, Nginx, PeakMemory, Postgres, Sqlite, anonymous_bytes,
                   finish_load, load, run, settle, start_load, wrk)
from report import count, mebibytes, milliseconds, ratio, table

STEPS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
DAY = 86400
SHANGHAI = 8 * 3600

# Everything else is codecmeter's default.
CODECMETER_SETTINGS = {"http.access_log": "false"}

# As a careful operator would tune a machine that does nothing else. Durable: fsync, synchronous_commit and full pages
# are on. Autovacuum is off, which spares PostgreSQL work: rows are only inserted, and totals are updated in place.
POSTGRES_SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
    "shared_buffers": "4GB", "max_wal_size": "16GB", "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9", "wal_compression": "lz4", "wal_buffers": "64MB", "wal_level": "minimal", "max_wal_senders": "0",
    "max_connections": "200", "autovacuum": "off", "jit": "off", "work_mem": "64MB",
}
# The fastest of what the part `variants` tries.
POSTGRES_METHOD = "unnest"
POSTGRES_CONNECTIONS = 4
POSTGRES_SINGLE_CONNECTIONS = (128, 32)

BATCH = 1000
CONNECTIONS = 16
SINGLE_CONNECTIONS = 128
DUPLICATES = 10  # events in 1000


class Bench:
    """What the parts share: sizes, the directory, and the end of the stream's 31 days."""

    def __init__(self, arguments):
        self.tasks = arguments.tasks
        self.directory = os.path.abspath(arguments.dir)
        self.now = int(time.time())
        self.quick = arguments.quick
        self.rounds = 3 if self.quick else 5
        self.seconds = 2 if self.quick else 5

    def path(self, name):
        return os.path.join(self.directory, name)

    def stream(self, first, events, seed=1, duplicates=DUPLICATES, sources=4):
        return ["--seed", seed, "--now", self.now * 1000, "--first", first, "--events", events, "--duplicates",
                duplicates, "--sources", sources]

    def codecmeter(self, name, **settings):
        more = {key.replace("__", "."): value for key, value in settings.items()}
        return Codecmeter(self.path(name), {**CODECMETER_SETTINGS, **more})

    def postgres(self, name, shards, method=POSTGRES_METHOD):
        return Postgres(self.path(name), POSTGRES_SETTINGS, method, shards)

    def window(self):
        """31 days of the project's zone, the last one being that of the stream's end."""
        today = (self.now + SHANGHAI) // DAY * DAY - SHANGHAI
        return today - 30 * DAY, self.now


def batches(connections=CONNECTIONS, batch=BATCH):
    return ["--batch", batch, "--connections", connections]


def client_cpus(found):
    return found["cpu_seconds"] / found["seconds"]


def slices(total, rounds):
    """(first, events) of each round."""
    bounds = [total * i // rounds for i in range(rounds + 1)]
    return [(a, b - a) for a, b in zip(bounds, bounds[1:])]


def note(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


# ---- growth: ingest and query, step by step ----

def measure_query(bench, server, nginx, name):
    """Codecmeter, nginx, codecmeter, nginx …: medians, and the median of the rounds' ratios."""
    path = server.signed_path(*bench.window())
    body, stat = server.answer(path)
    if len(stat) != 62:
        raise Failure(f"{len(stat)} rows; 31 days of 2 codecs are 62")
    same = f"/{name}.json" + path[1:]
    nginx.put(f"{name}.json", body)
    nginx.check(same, body)
    rounds = [(wrk(server.target, path, bench.seconds), wrk(nginx.target, same, bench.seconds))
              for _ in range(bench.rounds)]
    if server.answer(path)[0] != body:
        raise Failure("the answer changed while it was measured")
    ours, theirs = zip(*rounds)
    median = statistics.median
    return {"query": median(rate for rate, _ in ours), "query_p99": median(p99 for _, p99 in ours),
            "nginx": median(rate for rate, _ in theirs), "nginx_p99": median(p99 for _, p99 in theirs),
            "query_ratio": median(a / b for (a, _), (b, _) in rounds), "bytes": len(body)}


def growth(bench):
    steps, checkpoints, done = {}, 0, 0
    server = bench.codecmeter("growth")
    with Nginx(bench.path("nginx")) as nginx:
        for size in [step for step in STEPS if step <= bench.tasks] or [bench.tasks]:
            with server:
                before = server.checkpoints()
                found = load(*server.sink(), *bench.stream(done, size - done), *batches())
                note(f"growth: {count(size)} tasks, {count(found['rate'])} events/s")
                settle(server)
                checkpoints += server.checkpoints() - before
                left = measure_query(bench, server, nginx, f"left-{size}")
                server.checkpoint()
                written = measure_query(bench, server, nginx, f"written-{size}")
            note(f"growth: {count(size)} tasks, queries at {ratio(left['query_ratio'])} of nginx as ingest left it, "
                 f"{ratio(written['query_ratio'])} when all is written")
            steps[str(size)] = {"ingest": found["rate"], "events": size - done, "p50": found["p50_us"],
                                "p99": found["p99_us"], "cpu": client_cpus(found), "left": left, "written": written}
            done = size
    return growth_text(bench, server, steps, checkpoints), {"steps": steps}


def query_rows(steps, state):
    first = next(iter(steps.values()))[state]
    return [[count(int(size)), count(found["bytes"]), count(found["query"]), count(found["nginx"]),
             ratio(found["query_ratio"]), ratio(found["query"] / first["query"]), milliseconds(found["query_p99"]),
             milliseconds(found["nginx_p99"])] for size, found in ((size, step[state]) for size, step in steps.items())]


def growth_text(bench, server, steps, checkpoints):
    ingest = table(["tasks", "events of the step", "events/s", "batch p50, ms", "batch p99, ms", "client's CPUs"],
                   [[count(int(size)), count(step["events"]), count(step["ingest"]), milliseconds(step["p50"]),
                     milliseconds(step["p99"]), ratio(step["cpu"])] for size, step in steps.items()])
    heads = ["tasks", "bytes", "codecmeter/s", "nginx/s", "of nginx", "of the first step", "codecmeter p99, ms",
             "nginx p99, ms"]
    return f"""## Growth

Ingest over one directory, cumulative; each step's rate is that of all its events. {DUPLICATES / 10:.0f} % of events are
repeats. {checkpoints} checkpoints came meanwhile.

{ingest}

After each step the signed question for 31 days x 2 codecs, and nginx with the same bytes as a file: {bench.rounds} times each
in turn, {bench.seconds} s, medians; `of nginx` is the median of the rounds' ratios. First as ingest left it, with up to
`ingest.delta_max` records in memory:

{table(heads, query_rows(steps, "left"))}

Then, after a checkpoint, with all records in the derived files:

{table(heads, query_rows(steps, "written"))}

```
{server.command}
load http --batch {BATCH} --connections {CONNECTIONS} --duplicates {DUPLICATES}
wrk {' '.join(WRK)} -d{bench.seconds}s 'http://…/?Action=GetCodecTotalStat&BeginTime=…&EndTime=…&ProjectId={PROJECT}&PublicKey=…&Signature=…'
```

nginx: worker_processes 2, access_log off, sendfile, tcp_nopush, open_file_cache, keepalive_requests without end."""


# ---- peers: the same batches into each ----

def peers(bench):
    events = min(bench.tasks, 10_000_000)
    server = bench.codecmeter("peers")
    sqlite = Sqlite(bench.path("sqlite"))
    sqlite_events = min(events, 1_000_000)
    rounds = {"codecmeter": [], "PostgreSQL": [], "SQLite": []}
    with server, bench.postgres("postgres", POSTGRES_CONNECTIONS) as postgres:
        sides = [(server, batches(), events), (postgres, batches(POSTGRES_CONNECTIONS), events),
                 (sqlite, ["--batch", BATCH], sqlite_events)]
        for number in range(bench.rounds):
            for side, how, total in sides if number % 2 == 0 else sides[::-1]:
                first, some = slices(total, bench.rounds)[number]
                found = load(*side.sink(), *bench.stream(first, some), *how)
                rounds[side.name].append(found)
                note(f"peers: round {number + 1}, {side.name}: {count(found['rate'])} events/s")
                settle(server, postgres)
        stored = sum(found["stored"] for found in rounds["PostgreSQL"])
        if [int(value) for value in postgres.tasks()] != [stored, stored]:
            raise Failure(f"PostgreSQL holds {postgres.tasks()}, {stored} were stored")
        postgres_bytes = postgres.bytes() / stored
        checkpoints = server.checkpoints()
    rates = {name: sum(f["events"] for f in found) / sum(f["seconds"] for f in found) for name, found in rounds.items()}
    numbers = {"events": events, "rates": rates, "ratio": rates["codecmeter"] / rates["PostgreSQL"]}
    rows = [[name, count(sum(f["events"] for f in found)), count(rates[name]),
             " ".join(count(f["rate"] / 1000) for f in found),
             milliseconds(statistics.median(f["p50_us"] for f in found)),
             milliseconds(statistics.median(f["p99_us"] for f in found)),
             ratio(statistics.median(map(client_cpus, found))), ratio(rates["codecmeter"] / rates[name])]
            for name, found in rounds.items()]
    return peers_text(bench, server, rows, checkpoints, postgres_bytes), numbers


def postgres_settings_text():
    return ", ".join(f"{key}={value}" for key, value in POSTGRES_SETTINGS.items())


def peers_text(bench, server, rows, checkpoints, postgres_bytes):
    heads = ["", "events", "events/s", "of each round, k", "batch p50, ms", "batch p99, ms", "client's CPUs",
             "codecmeter is … times as fast"]
    return f"""## Batch ingest beside PostgreSQL and SQLite

The same seeded events in {bench.rounds} rounds, the peers in turn, the order reversed every other round; before each, all
servers are waited for until they are idle. Batches of {BATCH}, durable and exact; the rate is all events over all seconds.
codecmeter made {checkpoints} checkpoints meanwhile. PostgreSQL keeps {postgres_bytes:.0f} bytes a task, without its log.

{table(heads, rows)}

```
{server.command}
load http --batch {BATCH} --connections {CONNECTIONS} --duplicates {DUPLICATES}
load postgres --method {POSTGRES_METHOD} --batch {BATCH} --connections {POSTGRES_CONNECTIONS} --shards {POSTGRES_CONNECTIONS} …
load sqlite --batch {BATCH} --connections 1 …
```

PostgreSQL 15 on a Unix socket: {postgres_settings_text()}. SQLite: WAL, synchronous=FULL, cache 4 GiB, checkpoints of its
WAL every 100,000 pages."""


# ---- variants: which way is PostgreSQL's best? ----

def variants(bench):
    """Every way starts from a cluster of its own that holds nothing."""
    events = min(bench.tasks, 100_000 if bench.quick else 500_000)
    rows = []
    ways = [("copy", 8, 8), ("unnest", 8, 8), ("copy", 8, 1), ("unnest", 8, 1), ("copy", 4, 4), ("unnest", 4, 4),
            ("copy", 2, 2), ("unnest", 2, 2), ("copy", 16, 16)]
    for method, connections, shards in ways:
        with bench.postgres("variant", shards, method) as postgres:
            found = load(*postgres.sink(), *bench.stream(0, events), *batches(connections))
        rows.append([method, BATCH, connections, shards, count(found["rate"]), milliseconds(found["p99_us"])])
        note(f"variants: {method}, {connections} connections, {shards} shards: {count(found['rate'])} events/s")
    for connections in (128, 64, 32, 16):
        with bench.postgres("variant", connections) as postgres:
            found = load(*postgres.sink(), *bench.stream(0, events // 10), *batches(connections, 1))
        rows.append(["alone", 1, connections, connections, count(found["rate"]), milliseconds(found["p99_us"])])
        note(f"variants: alone, {connections} connections: {count(found['rate'])} events/s")
    heads = ["method", "batch", "connections", "shards", "events/s", "p99, ms"]
    return f"""## Ways to use PostgreSQL

{count(events)} events each, a tenth of them alone, into an empty cluster. With 1 shard transactions wait for each other's
totals.

{table(heads, rows)}

{postgres_settings_text()}.""", {}


# ---- single events ----

def single(bench):
    before = min(bench.tasks, 1_000_000)
    events = 20_000 if bench.quick else 50_000
    ways = {f"PostgreSQL, {n} connections": n for n in POSTGRES_SINGLE_CONNECTIONS}
    rounds = {name: [] for name in ["codecmeter", *ways]}
    server = bench.codecmeter("single")
    with server, bench.postgres("postgres", max(POSTGRES_SINGLE_CONNECTIONS)) as postgres:
        for side, how in ((server, batches()), (postgres, batches(POSTGRES_CONNECTIONS))):
            load(*side.sink(), *bench.stream(0, before), *how)
        sides = [("codecmeter", server, SINGLE_CONNECTIONS)] + [(name, postgres, n) for name, n in ways.items()]
        done = {server: before, postgres: before}
        for number in range(bench.rounds):
            for name, side, connections in sides if number % 2 == 0 else sides[::-1]:
                settle(server, postgres)
                found = load(*side.sink(), *bench.stream(done[side], events), *batches(connections, 1))
                done[side] += events
                rounds[name].append(found)
                note(f"single: round {number + 1}, {name}: {count(found['rate'])} events/s")
    medians = {name: statistics.median(f["rate"] for f in found) for name, found in rounds.items()}
    best = max(ways, key=medians.get)
    numbers = {"rates": medians, "ratio": statistics.median(
        a["rate"] / b["rate"] for a, b in zip(rounds["codecmeter"], rounds[best]))}
    rows = [[name, count(medians[name]), *(milliseconds(statistics.median(f[key] for f in found))
                                          for key in ("p50_us", "p99_us", "p999_us")),
             ratio(statistics.median(map(client_cpus, found)))] for name, found in rounds.items()]
    return f"""## Single events

One event a request, {count(events)} in each of {bench.rounds} rounds, the sides in turn, on top of {count(before)} tasks; medians.
codecmeter has {SINGLE_CONNECTIONS} connections. PostgreSQL, one INSERT and upsert a transaction by a prepared statement in one
round trip, has as many, and 32 as a pooler would give it. Against the better of the two codecmeter is
{ratio(numbers['ratio'])} times as fast (median of rounds).

{table(["", "events/s", "p50, ms", "p99, ms", "p99.9, ms", "client's CPUs"], rows)}

```
{server.command}
load http --batch 1 --connections {SINGLE_CONNECTIONS} …
load postgres --batch 1 --connections {'|'.join(map(str, POSTGRES_SINGLE_CONNECTIONS))} --shards {max(POSTGRES_SINGLE_CONNECTIONS)} …
```""", numbers


# ---- tail: does anybody notice a checkpoint? ----

TAIL_INGEST = 50  # batches a second
TAIL_ASK = 200  # queries, and single events, a second


def finish_all(*processes):
    """All are waited for, also where one failed, so that none is left behind."""
    ended, failures = [], []
    for process in processes:
        try:
            ended.append(finish_load(process))
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return ended


def tail_window(bench, name, delta_max, seconds):
    """One server: paced batches, and beside them paced queries and single events, open loop."""
    server = bench.codecmeter(name, ingest__delta_max=delta_max)
    with server:
        batch_events = TAIL_INGEST * BATCH * seconds
        load(*server.sink(), *bench.stream(0, 10_000, seed=3), *batches())
        ingest = start_load(*server.sink(), *bench.stream(0, batch_events), *batches(), "--rate", TAIL_INGEST)
        query = start_load("query", "--target", server.target, "--path", server.signed_path(*bench.window()),
                           "--events", TAIL_ASK * seconds, "--rate", TAIL_ASK, "--connections", 16)
        alone = start_load(*server.sink(), *bench.stream(0, TAIL_ASK * seconds, seed=2, duplicates=0), *batches(16, 1),
                           "--rate", TAIL_ASK)
        found = dict(zip(("ingest", "query", "event"), finish_all(ingest, query, alone)))
        found["checkpoints"], found["merges"] = server.checkpoints(), server.merges()
    return found


def tail(bench):
    seconds = 6 if bench.quick else 20
    delta_max = TAIL_INGEST * BATCH * 2
    kinds = {"checkpoints": delta_max, "none": 100_000_000}
    rounds = {kind: [] for kind in kinds}
    for number in range(bench.rounds):
        for kind in list(kinds) if number % 2 == 0 else list(kinds)[::-1]:
            found = tail_window(bench, "tail", kinds[kind], seconds)
            rounds[kind].append(found)
            note(f"tail: round {number + 1}, {kind}: query p99 {milliseconds(found['query']['p99_us'])} ms, "
                 f"event p99 {milliseconds(found['event']['p99_us'])} ms, {found['checkpoints']} checkpoints")
    if any(f["checkpoints"] for f in rounds["none"]) or not all(f["checkpoints"] for f in rounds["checkpoints"]):
        raise Failure("checkpoints came where none should, or none where they should")

    def median(kind, what, key):
        return statistics.median(found[what][key] for found in rounds[kind])
    numbers = {what: median("checkpoints", what, "p99_us") / median("none", what, "p99_us")
               for what in ("query", "event")}
    numbers["merges"] = sum(found["merges"] for found in rounds["checkpoints"])
    rows = [[title, kind, *(milliseconds(median(kind, what, key)) for key in ("p50_us", "p99_us", "p999_us")),
             milliseconds(max(found[what]["max_us"] for found in rounds[kind]))]
            for what, title in (("query", "query"), ("event", "single event"), ("ingest", f"batch of {BATCH}"))
            for kind in kinds]
    checkpoints = statistics.median(found["checkpoints"] for found in rounds["checkpoints"])
    return f"""## Tail during checkpoints

Open loop, latency from when a request was due: {TAIL_ASK} queries/s and {TAIL_ASK} single events/s beside
{TAIL_INGEST} batches/s of {BATCH}, {seconds} s, {bench.rounds} rounds in turn, medians (max: of all).
With `ingest.delta_max={delta_max}` (a median of {checkpoints:.0f} checkpoints a window, {numbers['merges']} merges in all), and with one that is never reached.
p99 with checkpoints is {ratio(numbers['query'])} times that without for queries, {ratio(numbers['event'])} times for single events.

{table(["what", "checkpoints", "p50, ms", "p99, ms", "p99.9, ms", "max, ms"], rows)}

```
codecmeter serve … --set http.access_log=false --set ingest.delta_max={delta_max}
load http --batch {BATCH} --rate {TAIL_INGEST} --connections {CONNECTIONS} …
load query --rate {TAIL_ASK} --connections 16 …
load http --batch 1 --rate {TAIL_ASK} --connections 16 …
```""", numbers


# ---- scan: does anybody notice a question that reads every record? ----

SCAN_PATH = "/v1/usage?group=source&from=1970-01-02"  # no total has sources, so this reads all


class Scans:
    """While the block runs, asks for a scan again and again; knows how many came to their end."""

    def __init__(self, server, token):
        self.request = urllib.request.Request(f"http://{server.target}{SCAN_PATH}",
                                              headers={"Authorization": f"Bearer {token}"})
        self.over, self.seconds, self.failure = threading.Event(), [], None

    def _ask(self):
        try:
            while not self.over.is_set():
                begin = time.monotonic()
                with urllib.request.urlopen(self.request) as answer:
                    if not answer.read().endswith(b'"complete":true}'):
                        raise Failure("a scan was cut")
                self.seconds.append(time.monotonic() - begin)
        except (OSError, Failure) as failure:
            self.failure = failure

    def __enter__(self):
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def scan_window(bench, server, number):
    """Paced queries and single events, open loop. Each window's events are new ones."""
    seconds = 6 if bench.quick else 15
    query = start_load("query", "--target", server.target, "--path", server.signed_path(*bench.window()),
                       "--events", TAIL_ASK * seconds, "--rate", TAIL_ASK, "--connections", 16)
    alone = start_load(*server.sink(), *bench.stream(0, TAIL_ASK * seconds, seed=100 + number, duplicates=0), *batches(16, 1),
                       "--rate", TAIL_ASK)
    return dict(zip(("query", "event"), finish_all(query, alone)))


def scan(bench):
    tasks = min(bench.tasks, 10_000_000)
    server = bench.codecmeter("scan")
    rounds, seconds = {"none": [], "scan": []}, []
    with server:
        load(*server.sink(), *bench.stream(0, tasks, duplicates=0), *batches())
        server.checkpoint()
        token = server.read_token()
        scan_window(bench, server, -1)  # warms up
        for number in range(2 * bench.rounds):
            kind = ("none", "scan")[(number + number // 2) % 2]
            with Scans(server, token) if kind == "scan" else contextlib.nullcontext() as scans:
                found = scan_window(bench, server, number)
            if scans is not None:
                if scans.failure is not None:
                    raise Failure(f"a scan failed: {scans.failure}")
                seconds += scans.seconds
            rounds[kind].append(found)
            note(f"scan: round {number // 2 + 1}, {kind}: query p99 {milliseconds(found['query']['p99_us'])} ms, "
                 f"event p99 {milliseconds(found['event']['p99_us'])} ms")

    def median(kind, what, key):
        return statistics.median(found[what][key] for found in rounds[kind])
    numbers = {what: median("scan", what, "p99_us") / median("none", what, "p99_us") for what in ("query", "event")}
    numbers["tasks"] = tasks
    rows = [[title, "beside scans" if kind == "scan" else "alone",
             *(milliseconds(median(kind, what, key)) for key in ("p50_us", "p99_us", "p999_us")),
             milliseconds(max(found[what]["max_us"] for found in rounds[kind]))]
            for what, title in (("query", "query"), ("event", "single event")) for kind in rounds]
    return f"""## Tail beside a scan

{count(tasks)} tasks. Open loop, latency from when a request was due: {TAIL_ASK} queries/s and {TAIL_ASK} single events/s, alone and
beside `GET {SCAN_PATH}`, which reads every record and was asked again whenever it was answered (a median of
{statistics.median(seconds):.1f} s). {bench.rounds} rounds in turn, medians (max: of all). p99 beside scans is {ratio(numbers['query'])} times that without for queries,
{ratio(numbers['event'])} times for single events.

{table(["what", "", "p50, ms", "p99, ms", "p99.9, ms", "max, ms"], rows)}

```
{server.command}
load query --rate {TAIL_ASK} --connections 16 …
load http --batch 1 --rate {TAIL_ASK} --connections 16 …
```""", numbers


# ---- restart ----

def restart(bench):
    records = min(bench.tasks, 1_000_000)
    server = bench.codecmeter("restart", ingest__delta_max=2_000_000)
    server.start()
    try:
        load(*server.sink(), *bench.stream(0, records, duplicates=0), *batches())
        path = server.signed_path(*bench.window())
        before = server.answer(path)[0]
        times = []
        for _ in range(bench.rounds):
            if server.checkpoints() > 0:
                raise Failure("there was a checkpoint")
            server.kill()
            times.append(server.start())
            if server.answer(path)[0] != before:
                raise Failure("the answer is another after the restart")
    finally:
        server.kill()
    numbers = {"seconds": statistics.median(times), "records": records}
    note(f"restart: {numbers['seconds']:.2f} s")
    return f"""## Restart

{count(records)} records beyond the checkpoint, SIGKILL, then from exec to `ready`, page cache warm, {bench.rounds} times; the
question has the same answer each time.

{table(["median, s", "all, s"], [[f"{numbers['seconds']:.2f}", " ".join(f"{t:.2f}" for t in times)]])}

```
{server.command}
```""", numbers


# ---- memory ----

def idle_bytes(server):
    with server:
        settle(server)
        return anonymous_bytes(server.pid)


def memory(bench):
    rows = []
    for delta_max in (100_000, 300_000, 1_000_000):
        events = min(bench.tasks, delta_max * 7 // 2)
        server = bench.codecmeter("memory", ingest__delta_max=delta_max)
        empty = idle_bytes(server)
        with server:
            with PeakMemory(server.pid) as peak:
                load(*server.sink(), *bench.stream(0, events), *batches())
                settle(server)
            after = anonymous_bytes(server.pid)
        restarted = idle_bytes(server)
        with server:
            server.checkpoint()
        written = idle_bytes(server)
        rows.append([count(delta_max), count(events), *map(mebibytes, (empty, peak.peak, after, restarted, written))])
        note(f"memory: delta_max {count(delta_max)}: peak {mebibytes(peak.peak)} MiB, idle {mebibytes(written)} MiB")
    heads = ["`ingest.delta_max`", "events", "idle, empty", "peak of ingest", "idle after ingest",
             "idle after a restart", "idle after a restart, all written"]
    return f"""## Memory

RssAnon in MiB. The peak is the largest seen during batch ingest (every 20 ms). After a restart the records beyond the last
checkpoint are in memory again; the last column has none.

{table(heads, rows)}

```
codecmeter serve … --set http.access_log=false --set ingest.delta_max=…
load http --batch {BATCH} --connections {CONNECTIONS} …
```""", {"idle_mb": written / 1e6, "restarted_mb": restarted / 1e6, "tasks": events}


# ---- disk ----

def disk(bench):
    tasks = min(bench.tasks, 10_000_000)
    server = bench.codecmeter("disk")
    with server:
        load(*server.sink(), *bench.stream(0, tasks, duplicates=0, sources=1), *batches())
        server.checkpoint()
    files = server.files()
    total = sum(files.values())
    rows = [[kind, count(size), f"{size / tasks:.1f}"]
            for kind, size in sorted(files.items(), key=lambda pair: -pair[1])]
    note(f"disk: {total / tasks:.1f} bytes a task")
    return f"""## Disk

{count(tasks)} tasks, UUID ids, one source, no optional text, all of them in the derived files, after a clean stop; allocated blocks.

{table(["files", "bytes", "bytes a task"], rows + [["all", count(total), f"{total / tasks:.1f}"]])}

```
{server.command}
load http --batch {BATCH} --connections {CONNECTIONS} --sources 1 …
```""", {"total": total / tasks, "tasks": tasks}


# ---- profile ----

def perf(pid, path, work):
    """Samples a process while `work` runs; gives what takes most."""
    words = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-o", path, "-p", str(pid)]
    sampler = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        work()
    finally:
        sampler.send_signal(signal.SIGINT)
        sampler.wait(60)
    text = run("perf", "report", "-i", path, "--stdio", "--no-children", "-g", "none", "-s", "comm,dso,symbol")
    shares = {}
    for share, thread, where, space, symbol in re.findall(
            r"^\s+([0-9.]+)%\s+(\S+(?: \S+)*?)\s{2,}(\S+)\s+\[([.k])\]\s+(.*?)(?:\s+-\s+-)?\s*$", text, re.MULTILINE):
        what = (thread, "kernel", "") if space == "k" else (thread, os.path.basename(where), f"`{symbol}`")
        shares[what] = shares.get(what, 0) + float(share)
    return [[f"{share:.1f} %", *what] for what, share in sorted(shares.items(), key=lambda pair: -pair[1])[:12]]


def profile(bench):
    events = min(bench.tasks, 3_000_000)
    heads = ["share", "thread", "in", "function"]
    server = bench.codecmeter("profile")
    with server:
        ingest = perf(server.pid, bench.path("ingest.perf"),
                      lambda: load(*server.sink(), *bench.stream(0, events), *batches()))
        settle(server)
        alone = perf(server.pid, bench.path("single.perf"),
                     lambda: load(*server.sink(), *bench.stream(0, 100_000, seed=2), *batches(SINGLE_CONNECTIONS, 1)))
        settle(server)
        path = server.signed_path(*bench.window())
        left = perf(server.pid, bench.path("left.perf"), lambda: wrk(server.target, path, bench.seconds))
        server.checkpoint()
        written = perf(server.pid, bench.path("written.perf"), lambda: wrk(server.target, path, bench.seconds))
    return f"""## Profile

`perf record -e cpu-clock -F 997 -g` of the server: {count(events)} events in batches; 100,000 single events on
{SINGLE_CONNECTIONS} connections; the signed question for {bench.seconds} s. Shares are of the server's samples. The kernel is
one row a thread: this clock's samples land where it enables interrupts, so its functions say nothing.

Batch ingest:

{table(heads, ingest)}

Single events:

{table(heads, alone)}

Query, as ingest left the records:

{table(heads, left)}

Query, all records in the derived files:

{table(heads, written)}""", {}


# ---- all of it ----

PARTS = {"growth": growth, "peers": peers, "variants": variants, "single": single, "tail": tail, "scan": scan,
         "restart": restart, "memory": memory, "disk": disk, "agents": agents, "profile": profile}
DEFAULT = [name for name in PARTS if name != "profile"]


def check_directory(directory):
    os.makedirs(directory, exist_ok=True)
    if report.disk_of(directory)[0] in ("tmpfs", "ramfs"):
        raise Failure(f"{directory} lies in memory; durable writes want a disk: give --dir")
    if os.geteuid() != 0:
        return
    at = directory
    while at != "/":
        if not os.stat(at).st_mode & 0o001:
            raise Failure(f"{at} cannot be entered by the user postgres: give --dir")
        at = os.path.dirname(at)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000_000, help="largest number of tasks (10000000)")
    parser.add_argument("--parts", default=",".join(DEFAULT), help=f"of {','.join(PARTS)}")
    parser.add_argument("--dir", default=os.path.join(ROOT, "build-bench", "data"),
                        help="throw-away directory, on a disk")
    parser.add_argument("--quick", action="store_true",
                        help="fewer, shorter rounds: to try the benchmark, not the meter")
    arguments = parser.parse_args()
    wanted = [part for part in re.split(r"[, ]+", arguments.parts) if part]
    unknown = [part for part in wanted if part not in PARTS]
    if unknown or arguments.tasks < 1000:
        parser.error(f"no such part: {unknown[0]}" if unknown else "--tasks: at least 1000")
    bench = Bench(arguments)
    check_directory(bench.directory)
    for part in wanted:
        note(f"{part} …")
        try:
            text, numbers = PARTS[part](bench)
            report.keep(part, text, numbers, bench.directory, bench.quick)
        finally:
            for name in os.listdir(bench.directory):
                shutil.rmtree(bench.path(name), ignore_errors=True)
                with contextlib.suppress(OSError):
                    os.unlink(bench.path(name))
        report.write(list(PARTS))
    note(f"see {os.path.relpath(report.RESULTS)}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench: {failure}")
