#!/usr/bin/python3
"""Fails the Nth file call of a fixed script, for N = 1, 2, 3 … until a run has no failure, for each kind of fault.

    tests/crash/faults.py     every story, every kind, every N
    KINDS=power STORIES=serve STRIDE=7 SEED=3 tests/crash/faults.py

Kinds: eio, enospc, short, kill, power (shim.c says what they do). Stories: `serve` makes a ledger, reports and voids in batches through
checkpoints, merges and segments, changes the catalogue, stops; `recover` starts on what a kill left, with a torn tail and a last
block that can be read back and is not on disk; `former` does so on a ledger of log format 1, and writes segments of format 2 behind
it; `rebuild` makes derived files anew. After each run the program starts without
the shim and must need no rebuild; then the same is looked at as in campaign.py: by id, by totals, by what administration was
told. `spool` measures a file that the server does not take; `flush` sends what was spooled: what was told spooled is counted once
in the end, what was not told at most once. STRIDE=n takes each nth call; AT=n takes one, of the first story and kind. VERBOSE=1 tells where each failure led to.
"""
import collections
import concurrent.futures
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from harness import (CODECMETER, GONE, SHIM, USAGE, Connection, Died, Server, check_verify, command, count_of, event, log_end,
                     read_records, segments, shim_environment, table_of, unpack_former)

KINDS = ("kill", "power", "eio", "emfile", "short", "enospc")
STORIES = ("serve", "recover", "former", "rebuild", "spool", "flush")
CLIPS, CLIP_SECONDS = 3, 2
FEW_CALLS = 5  # that an agent makes: what is more is passed over by a longer stride
BATCHES, BATCH = 16, 20
SETTINGS = ("ingest.delta_max=50", "ledger.segment_size=8KiB", "http.wait_timeout=2s")
AFTER_LAST = 3  # runs in a row that no fault struck: threads race, so the number of calls varies a little
# A failure of these is for good: what is on disk is not known any more.
FATAL = {("log", "pwrite"), ("log", "fsync"), ("log", "fdatasync"), ("run", "pwrite"), ("run", "fsync"), ("totals", "pwrite"),
         ("totals", "fdatasync"), ("dir", "fsync")}

BESIDE = {"cursor.key", "token-uses", "agents", "sources"}  # files that the ledger does not need


# Findings: reported, not mended yet. A run that fails so is counted apart; the entry goes when the product is mended.
META_END = 2 * 4096  # of data.mdb
KNOWN = [
    (("short", "enospc"), "meta", "exit 1 after", NO_META := "a refused write of LMDB's meta page is no full disk but the end: LMDB panics"),
    (("short", "enospc"), "meta", "stop exits 1", NO_META),
    (("enospc",), "meta", "a query beside a full disk", NO_META),
]


def known(kind, hit, failure):
    if failure is None or hit is None:
        return None
    struck = "meta" if hit[3] == "totals" and hit[2] == "pwrite" and int(hit[5]) < META_END else hit[3]
    for kinds, what, text, reason in KNOWN:
        if kind in kinds and struck == what and text in str(failure):
            return reason
    return None


def batch(number):
    """Usage, and a void of what the batch before reported."""
    made = [event(f"{number}-{n}", f"2020-06-{1 + number % 5:02}T{n:02}:00:00Z", seconds=1 + n % 3, codec=f"c{number % 3}")
            for n in range(BATCH)]
    if number > 0:
        made.append(event(f"void-{number}", type="usage.voided", data={"source": "test", "id": f"{number - 1}-7"}))
    return made


def clips(directory):
    """Small files that are outputs."""
    paths = [os.path.join(directory, f"{n}.mp4") for n in range(CLIPS)]
    for n, path in enumerate(paths):
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc=size=640x360:rate=5:duration={CLIP_SECONDS}",
                        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path], check=True)
        os.utime(path, (1590969600 + n, 1590969600 + n))  # a day of 2020
    return paths


class Run:
    """One story with one fault."""

    def __init__(self, story, kind, at, seed, directory, template=None):
        self.story, self.kind, self.at, self.seed = story, kind, at, seed
        self.dir = directory
        self.work = os.path.join(directory, "work")
        self.stash = os.path.join(directory, "stash")
        os.mkdir(self.work)
        os.mkdir(self.stash)
        self.server = Server(os.path.join(self.work, "data"))
        self.server.log = os.path.join(directory, "server.log")
        self.hit_file, self.room, self.trace = (os.path.join(directory, name) for name in ("hit", "room", "trace"))
        self.sent, self.told = {}, set()
        self.project = self.key = self.token = self.disabled = self.zone = None
        self.unsynced = self.known = None
        self.end = "went on"
        if template is not None:
            self.take(template)

    def take(self, template):
        """Begins with what a template holds, told before."""
        shutil.copytree(template.data, self.server.data, ignore=shutil.ignore_patterns("*.sock"))
        self.project, self.key, self.token = "org-a", template.key, template.token
        self.sent, self.told = dict(template.sent), set(template.told)
        self.clips = template.clips
        if self.story in ("recover", "former"):
            self.unsynced = template.unsynced

    def faults(self):
        return shim_environment(self.work, KIND=self.kind, AT=self.at, SEED=self.seed, HIT=self.hit_file, STASH=self.stash,
                                UNTIL=self.room if self.kind == "enospc" else None, UNSYNCED=self.unsynced,
                                TRACE=self.trace if self.kind == "eio" else None)

    def hit(self):
        """Where the fault struck: number, thread, call, class, path, offset; None if it did not."""
        if not os.path.exists(self.hit_file):
            return None
        with open(self.hit_file) as file:
            return file.readline().rstrip("\n").split("\t")

    # ---- the stories ----

    def client(self):
        return self.server.client(public_key=self.key["public_key"], private_key=self.key["private_key"])

    def make_account(self):
        for _ in range(3):
            if self.project is None and self.server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC") is not None:
                self.project = "org-a"
            if self.project is not None and self.key is None:
                self.key = self.server.admin("key", "create")
            if self.key is not None and self.token is None:
                made = self.server.admin("token", "create", "--project", "org-a", "--scope", "void")
                self.token = made and made["token"]
            if self.token is not None or not self.server.is_running():
                return
            if self.kind != "enospc":
                listed = self.server.admin("project", "list") or []
                self.project = "org-a" if any(one["id"] == "org-a" for one in listed) else None
                continue
            self.give_room()

    def give_room(self):
        open(self.room, "w").close()

    def report(self, number):
        """One batch, until it is answered; false when the server is gone."""
        events = batch(number)
        self.sent.update((one["id"], one) for one in events)
        until = time.monotonic() + 20
        while True:
            try:
                connection = Connection(self.server.port, self.token)
                status, outcomes = connection.report(events, "ndjson" if number % 2 else "json")
                connection.close()
                if status == 503 and self.kind == "enospc":
                    self.check_query()
            except GONE:
                return False
            if status == 200:
                assert set(outcomes) <= {"stored", "duplicate"}, outcomes
                self.told.update(one["id"] for one in events)
                return True
            if status == 401 and not self.server.is_running():
                return False  # a server of another run has the port now
            assert status == 503, f"a report is answered {status}"
            if self.kind == "enospc":
                self.end = "503, then room"
                self.give_room()
            elif self.kind != "short":
                time.sleep(0.02)
            assert time.monotonic() < until, "reports are answered 503 and never again 200"

    def check_query(self):
        """A full disk keeps nobody from asking."""
        answer = self.client().call("GetCodecTotalStat", BeginTime=1590000000, EndTime=1600000000)
        assert answer["RetCode"] == 0, f"a query beside a full disk is answered {answer}"

    def serve(self):
        self.server.start(SETTINGS, self.faults())
        self.make_account()
        if self.token is None:
            return
        for number in range(BATCHES):
            if not self.report(number):
                return
            if number == 6:
                made = self.server.admin("key", "create")
                if made is not None and self.server.admin("key", "disable", "--public-key", made["public_key"]) is not None:
                    self.disabled = made["public_key"]
            if number == 10 and self.server.admin("project", "set", "--id", "org-a", "--name", "renamed") is not None:
                self.zone = "renamed"

    def recover(self):
        self.server.start(SETTINGS, self.faults())
        if self.report(0) and self.report(BATCHES - 1):  # the last one was never synced: read back, and told again
            for number in range(BATCHES, BATCHES + (6 if self.story == "former" else 1)):
                if not self.report(number):
                    return

    def serve_story(self):
        try:
            (self.serve if self.story == "serve" else self.recover)()
        except Died as died:
            assert self.hit() is not None, f"the start failed: {died}"
            self.end = "no start"
            if self.kind in ("eio", "emfile", "enospc", "short"):
                assert died.args[0].startswith("exit 1:") and len(self.server.said().strip()) > 0, died
            return
        hit = self.hit()
        if hit is not None and self.kind == "eio" and (hit[3], hit[2]) in FATAL and not self.is_beside(hit):
            self.server.process.wait(20)  # by itself
        if self.server.is_running():
            status = self.server.stop()
            hit = self.hit()
            may_fail = hit is not None and self.kind in ("eio", "kill", "power")
            assert status == 0 or may_fail, f"stop exits {status}: {self.server.said()}"
            if status != 0:
                self.end = {"kill": "killed", "power": "power cut"}.get(self.kind, "failed while it stopped")
        else:
            status = self.server.ended()
            wanted = {"kill": (-9,), "power": (137,), "eio": (1,)}.get(self.kind, ())
            assert status in wanted, f"exit {status} after {hit}: {self.server.said()}"
            self.end = {"kill": "killed", "power": "power cut"}.get(self.kind, "stopped, exit 1")

    def is_beside(self, hit):
        """True if the failed call syncs the name of a file that the ledger does not need: the server goes on without it."""
        renamed = None
        for line in open(self.trace, errors="replace"):
            phase, number, _, thread, call, _, path, *_ = line.rstrip("\n").split("\t")
            if int(number) >= int(hit[0]):
                break
            if phase == "E" and thread == hit[1] and call == "rename":
                renamed = os.path.basename(path)
        return hit[3] == "dir" and renamed in BESIDE

    def rebuild_story(self):
        done = subprocess.run([CODECMETER, "rebuild", "--data", self.server.data], env=self.faults(), capture_output=True, text=True,
                              timeout=60)
        if done.returncode == 0:
            return
        assert self.hit() is not None, done.stderr
        self.end = {"kill": "killed", "power": "power cut"}.get(self.kind, "failed, exit 1")
        if self.kind not in ("kill", "power"):
            assert done.returncode == 1 and done.stderr, (done.returncode, done.stderr)

    # ---- the spool ----

    def spool_files(self):
        spool = os.path.join(self.work, "spool")
        return [name for name in os.listdir(spool) if name.endswith(".event") and name[0] != "."] if os.path.isdir(spool) else []

    def agent(self, *args, environment=None):
        """A command beside a transcoder. The first token is none, so that nothing is tried again for long."""
        return subprocess.run([CODECMETER, *args, "--url", f"http://127.0.0.1:{self.server.port}", "--spool",
                               os.path.join(self.work, "spool")], env=environment, capture_output=True, text=True, timeout=60)

    def note_end(self, done, may_succeed):
        wanted = {"kill": -9, "power": 137}.get(self.kind, 1)
        assert done.returncode == wanted or may_succeed, (done, self.hit())
        assert done.returncode != 1 or done.stderr, done
        self.end = {"kill": "killed", "power": "power cut"}.get(self.kind, "exit 1") if done.returncode == wanted else "went on"

    def spool_story(self):
        self.server.start(SETTINGS)
        before = table_of(self.client())
        count = 1 if self.story == "spool" else CLIPS
        faults = self.faults()
        done = self.agent("record", "--token", "cm_none", *self.clips[:count], environment=faults if self.story == "spool" else None)
        told = done.stdout.count("spooled")
        if self.story == "spool":
            self.note_end(done, told == count)
        else:
            assert told == count, done
            self.note_end(self.agent("flush", "--any", "--token", self.token, environment=faults), True)
        waiting = self.spool_files()
        assert self.story != "spool" or told <= len(waiting) <= count, (told, waiting, done)
        last = self.agent("flush", "--any", "--token", self.token)
        assert last.returncode == 0 or (not waiting and not os.path.isdir(os.path.join(self.work, "spool"))), last
        assert "rejected 0" in last.stdout or last.returncode != 0, last
        after = table_of(self.client())
        recorded = (len(waiting) if self.story == "spool" else count) * CLIP_SECONDS
        assert sum(after.values()) - sum(before.values()) == recorded, f"{sum(after.values()) - sum(before.values())} s, not {recorded}"
        assert self.spool_files() == []
        self.server.stop()

    # ---- looking ----

    def check_no_retry(self):
        """After a sync that failed the same file is never synced again, and nothing is appended to the log."""
        if self.kind != "eio" or not os.path.exists(self.trace):
            return
        failed = set()
        for line in open(self.trace, errors="replace"):
            phase, _, _, _, call, what, *rest = line.rstrip("\n").split("\t")
            if what == "dir" or what == "socket":
                continue
            path = rest[0]
            if phase == "E" and call in ("fsync", "fdatasync") and int(rest[3]) < 0:
                failed.add(path)
            elif phase == "B" and path in failed and what != "totals":
                assert call not in ("fsync", "fdatasync", "pwrite", "write"), f"{call} of {path} after its sync failed"

    def check(self):
        self.check_no_retry()
        data = self.server.data
        try:
            self.server.start(SETTINGS)
        except Died as died:
            raise AssertionError(f"needs a hand: {died}") from died
        self.make_account()
        assert self.token is not None
        seen, usages, voids = set(), {}, {}
        for _, records in read_records(data):
            for record in records:
                assert record.id not in seen, f"{record.id} stands in the log twice"
                seen.add(record.id)
                if record.type == USAGE:
                    usages[record.id] = record
                else:
                    assert record.texts[3] in usages and record.texts[3] not in voids, f"{record.texts[3]} is voided"
                    voids[record.texts[3]] = usages[record.texts[3]]
        assert self.told <= seen, f"told and lost: {sorted(self.told - seen)[:5]} ({len(self.told - seen)})"
        assert seen <= set(self.sent), f"never sent: {sorted(seen - set(self.sent))[:5]}"
        assert table_of(self.client()) == count_of(usages.values()) - count_of(voids.values()), "totals are not those of the log"
        connection = Connection(self.server.port, self.token)
        ids = sorted(self.sent) or ["0-0"]
        events = [self.sent.get(id) or batch(0)[0] for id in ids]
        status, outcomes = connection.report(events)
        connection.close()
        assert status == 200, f"after the restart a report is answered {status}"
        for id, outcome in zip(ids, outcomes):
            assert outcome == ("duplicate" if id in seen else "stored"), f"{id} is {outcome}"
        if self.disabled is not None:
            listed = {key["public_key"]: key["disabled"] for key in self.server.admin("key", "list")}
            assert listed[self.disabled], "a key that was disabled is not"
        if self.zone is not None:
            assert self.server.admin("project", "list")[0]["name"] == "renamed", "a change that was told is lost"
        said = check_verify(data)
        assert said is None, said
        before = table_of(self.client())
        assert self.server.stop() == 0, self.server.said()
        left = [name for name in os.listdir(os.path.join(data, "derived", "runs"))]
        assert all(name.endswith(".run") for name in left), left
        if self.at % 8 == 0:
            assert command("rebuild", "--data", data).returncode == 0
            self.server.start(SETTINGS)
            assert table_of(self.client()) == before, "a rebuild changes the totals"
            self.server.stop()

    def play(self):
        try:
            try:
                {"rebuild": self.rebuild_story, "spool": self.spool_story, "flush": self.spool_story}.get(self.story, self.serve_story)()
            except AssertionError as failure:
                self.known = known(self.kind, self.hit(), failure)
                if self.known is None:
                    raise
                if self.server.process is not None:
                    self.server.kill()
            if self.story not in ("spool", "flush"):
                self.check()
        finally:
            if self.server.process is not None:
                self.server.process.kill()
                self.server.ended()


def tear(data):
    """Leaves half a block behind the log's end."""
    with open(segments(data)[-1], "ab") as file:
        file.write(b"CMB1" + bytes(range(200)))


class Template:
    """A ledger as a kill left it: half of it checkpointed, its last blocks said to be never synced, a torn tail behind."""

    def __init__(self, directory, seed):
        os.mkdir(os.path.join(directory, "template"))
        run = Run("serve", None, 0, seed, os.path.join(directory, "template"))
        run.server.start(("ingest.delta_max=50", "ledger.segment_size=16KiB"))
        run.make_account()
        for number in range(BATCHES - 1):
            assert run.report(number)
        told = set(run.told)
        before = log_end(run.server.data)
        assert run.report(BATCHES - 1)
        run.server.kill()
        self.clips = clips(directory)
        self.data, self.key, self.token, self.sent, self.told = run.server.data, run.key, run.token, run.sent, told
        last = segments(self.data)[-1]
        base = int(os.path.basename(last)[:16], 16)
        self.unsynced = f"{os.path.basename(last)}:{max(before - base, 64)}"
        tear(self.data)


class Former:
    """The same, of log format 1."""

    def __init__(self, directory, clips):
        account = unpack_former(directory)
        self.data, self.clips = os.path.join(directory, "data"), clips
        self.key, self.token, self.unsynced = account["key"], account["token"], account["unsynced"]
        self.sent, self.told = {one["id"]: one for one in account["sent"]}, set(account["told"])
        tear(self.data)


class Campaign:
    def __init__(self, seed, stories, kinds, stride, directory, deadline=None, limit=None, speak=print):
        self.seed, self.stories, self.kinds, self.stride, self.limit = seed, stories, kinds, stride, limit
        self.directory, self.deadline, self.speak = directory, deadline, speak
        self.lock = threading.Lock()
        self.outcomes = collections.defaultdict(collections.Counter)
        self.runs = collections.Counter()
        self.failures = []
        self.known = collections.Counter()
        self.template = Template(directory, seed)
        os.mkdir(os.path.join(directory, "former"))
        self.former = Former(os.path.join(directory, "former"), self.template.clips)

    def one(self, story, kind, at):
        """True if the fault struck."""
        directory = tempfile.mkdtemp(prefix=f"{story}-{kind}-{at}-", dir=self.directory)
        template = {"serve": None, "former": self.former}.get(story, self.template)
        run = Run(story, kind, at, self.seed, directory, template)
        failure = None
        try:
            run.play()
        except Exception as raised:
            failure = raised
        hit = run.hit()
        reason = run.known or known(kind, hit, failure)
        if failure is None or known(kind, hit, failure) is not None:
            shutil.rmtree(directory)
        with self.lock:
            self.runs[story, kind] += 1
            if hit is not None:
                self.outcomes[story, kind][hit[3], hit[2], run.end] += 1
            if reason is not None:
                self.known[reason] += 1
            if failure is not None and known(kind, hit, failure) is None:
                self.failures.append(f"STORIES={story} KINDS={kind} AT={at} SEED={self.seed}: hit {hit}: {str(failure):.900}; kept {directory}")
                self.speak("FAILED " + self.failures[-1])
        return hit is not None

    def all_of(self, story, kind):
        stride = min(self.stride, FEW_CALLS) if story in ("spool", "flush") else self.stride
        at, missed = 1 + (self.seed % stride), 0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            while missed < AFTER_LAST:
                if self.deadline is not None and time.monotonic() > self.deadline:
                    return
                struck = list(pool.map(lambda n: self.one(story, kind, n), (at, at + stride)))
                missed = missed + len(struck) if not any(struck) else 0
                at += 2 * stride
                if self.limit is not None and self.runs[story, kind] >= self.limit[story]:
                    return

    def run(self):
        begun = time.monotonic()
        for story in self.stories:
            for kind in self.kinds:
                self.all_of(story, kind)
                self.speak(f"  {story:<8} {kind:<7} {self.runs[story, kind]:>4} runs, {len(self.failures)} failures so far, "
                           f"{time.monotonic() - begun:.0f} s")
        return time.monotonic() - begun

    def summary(self, seconds):
        lines = []
        for (story, kind), counts in sorted(self.outcomes.items()):
            ends = collections.Counter()
            for (_, _, end), count in counts.items():
                ends[end] += count
            lines.append(f"  {story:<8} {kind:<7} {self.runs[story, kind]:>4} runs: " + ", ".join(f"{n} {end}" for end, n in ends.most_common()))
        lines += [f"  known, {count} times: {reason}" for reason, count in self.known.items()]
        return "\n".join(lines) + f"\n{sum(self.runs.values())} runs, {len(self.failures)} failures, {seconds:.0f} s"

    def table(self):
        """By class of file and call: what a failure there leads to."""
        lines = []
        for (story, kind), counts in sorted(self.outcomes.items()):
            for (what, call, end), count in sorted(counts.items()):
                lines.append(f"{story}\t{kind}\t{what}\t{call}\t{end}\t{count}")
        return "\n".join(lines)


def main():
    seed = int(os.environ.get("SEED", 1))
    stride = int(os.environ.get("STRIDE", 1))
    stories = os.environ.get("STORIES", " ".join(STORIES)).split()
    kinds = os.environ.get("KINDS", " ".join(KINDS)).split()
    unknown = set(stories) - set(STORIES) | set(kinds) - set(KINDS)
    if unknown:
        sys.exit(f"faults: no such story or kind: {' '.join(sorted(unknown))}; STORIES of {' '.join(STORIES)}, KINDS of {' '.join(KINDS)}")
    if not os.path.exists(SHIM):
        sys.exit(f"{SHIM} is missing: make build")
    # Memory serves as disk: the shim decides what a power cut leaves, not the kernel.
    parent = os.environ.get("CRASH_DIR", "/dev/shm" if os.path.isdir("/dev/shm") else None)
    directory = tempfile.mkdtemp(prefix="codecmeter-faults-", dir=parent)
    print(f"SEED={seed} STRIDE={stride} STORIES='{' '.join(stories)}' KINDS='{' '.join(kinds)}'", flush=True)
    campaign = Campaign(seed, stories, kinds, stride, directory, speak=lambda line: print(line, flush=True))
    if "AT" in os.environ:
        campaign.one(stories[0], kinds[0], int(os.environ["AT"]))
        seconds = 0
    else:
        seconds = campaign.run()
    if "VERBOSE" in os.environ:
        print(campaign.table())
    print(campaign.summary(seconds))
    if campaign.failures:
        sys.exit(1)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
