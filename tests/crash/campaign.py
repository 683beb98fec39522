#!/usr/bin/python3
"""Kills the server again and again while clients of several kinds report, and counts by id what is left.

    SEED=1 ROUNDS=300 tests/crash/campaign.py

The ledger begins as one of log format 1 that an older version left; this version writes segments of format 2 behind it. A round: clients report; the server dies, at a call that the shim chooses (commit, checkpoint, merge, or before it was ready:
recovery) or at any moment, or the power goes; it starts again. Then the log is read, by our own reader: each id that was ever told stored or
duplicate stands there exactly once, no id stands there twice, none that was not sent; so with voids, of which a usage has one at
most, and with what waits unresolved, which never stands behind the usage that resolved it; the server's totals are those of the
log, day by day and codec by codec; what was told is answered `duplicate`, what was sent and not told is answered by what the
log holds, what contradicts it `conflict`; administration that was told is in force. At the end every id is reported once more, and a
rebuild changes nothing.
"""
import collections
import os
import random
import shutil
import sys
import tempfile
import threading
import time

from harness import (GONE, SHIM, UNRESOLVED, USAGE, Connection, Died, Server, check_verify, command, count_of, event, formats, log_end,
                     read_records, shim_environment, table_of, unpack_former)

PHASES = ("commit", "checkpoint", "merge", "recovery")
PLAN = ("commit", "checkpoint", "merge", "merge", "recovery", "recovery", "random", "power")
AIMS = {"commit": dict(THREAD="committer", CLASS="log"), "checkpoint": dict(THREAD="checkpointer"),
        "merge": dict(THREAD="merger"), "recovery": {}}
FURTHEST = {"commit": 60, "checkpoint": 70, "merge": 50, "recovery": 14}
EVENTS_A_ROUND = 6000


class Account:
    """What was sent, what was answered, what the log holds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {}                          # id -> event
        self.told = set()                       # ids that were answered stored or duplicate
        self.stored = collections.Counter()     # how often each was answered stored
        self.logged = {}                        # id -> its usage in the log
        self.void_told, self.voided = set(), set()        # ids whose void was answered, whose void the log holds
        self.waiting_told, self.waiting = set(), set()    # likewise, of what waits unresolved
        self.sums = collections.Counter()
        self.position = 0                       # up to where the log has been read
        self.keys = {}                          # public key -> disabled, as told
        self.keys_unsure = set()                # a change was asked for, and not answered

    def note_sent(self, events):
        with self.lock:
            for one in events:
                self.sent[one["id"]] = one

    def note_told(self, events, outcomes):
        with self.lock:
            for one, outcome in zip(events, outcomes):
                assert outcome in ("stored", "duplicate"), (one, outcome)
                if one["type"] == "usage.voided":
                    self.void_told.add(one["data"]["id"])
                    continue
                self.told.add(one["id"])
                self.stored[one["id"]] += outcome == "stored"
                assert self.stored[one["id"]] <= 1, f"{one['id']} was answered stored twice"


class Campaign:
    def __init__(self, seed, rounds, directory, speak=print):
        self.dice, self.rounds, self.speak = random.Random(seed), rounds, speak
        self.directory = directory
        self.work = os.path.join(directory, "work")
        os.mkdir(self.work)
        self.server = Server(os.path.join(self.work, "data"))
        self.server.log = os.path.join(directory, "server.log")
        self.hit = os.path.join(directory, "hit")
        self.arm = os.path.join(directory, "arm")
        self.cut = os.path.join(directory, "cut")
        self.stash = os.path.join(directory, "stash")
        self.account = Account()
        self.hits = collections.Counter()
        self.cuts = 0
        self.starts = 0
        self.failures = []

    # ---- clients ----

    def make(self, number, name, count, batch):
        day = 1 + (number + len(name)) % 5
        return [event(f"{number}/{name}/{batch}/{n}", f"2020-06-{day:02}T{(batch + n) % 24:02}:15:00Z", seconds=1 + n % 3,
                      codec=f"c{number % 40}") for n in range(count)]

    def talk(self, stop, step):
        """Takes one step after another until the server is gone; a step gives the status, and whether it was answered."""
        connection = Connection(self.server.port, self.token)
        batch = 0
        try:
            while not stop.is_set() and self.budget > 0:
                status, is_answered = step(connection, batch)
                if not is_answered and status == 401 and not self.server.is_running():
                    break  # somebody else's server has the port now
                if not is_answered and status != 503:
                    raise AssertionError(f"status {status}")
                batch += 1
        except GONE:
            pass
        except AssertionError as failure:
            self.failures.append(str(failure))
        finally:
            connection.close()

    def report(self, connection, events, form="json"):
        self.budget -= len(events)
        self.account.note_sent([one for one in events if one["type"] != "usage.voided"])
        status, outcomes = connection.report(events, form)
        if outcomes is not None:
            self.account.note_told(events, outcomes)
        return status, outcomes is not None

    def reporter(self, number, name, form, sizes, again, dice):
        """Reports; `again` adds ids that were told already."""
        def step(connection, batch):
            events = self.make(number, name, dice.randint(*sizes), batch)
            if again is not None:
                events += [self.account.sent[id] for id in again[batch * 7 % (len(again) + 1):][:20]]
                dice.shuffle(events)
            return self.report(connection, events, form)
        return step

    def voider(self, number, name, again, dice):
        """Voids what was told before, in rivalry with another voider, and what it reports in the same breath."""
        def step(connection, batch):
            events = self.make(number, name, 3, batch)
            targets = events[:2] + [self.account.sent[id] for id in dice.sample(again, min(len(again), 5))]
            events += [event(f"void/{number}/{name}/{batch}/{n}", type="usage.voided", source=name,
                             data={"source": target["source"], "id": target["id"], "reason": "wrong"})
                       for n, target in enumerate(targets)]
            return self.report(connection, events)
        return step

    def liar(self, again, dice):
        """Contradicts what was told."""
        def step(connection, batch):
            truths = [self.account.sent[id] for id in dice.sample(again, min(len(again), 10))]
            lies = [{**one, "data": {**one["data"], "duration_ms": 999999}} for one in truths]
            self.budget -= 10
            status, outcomes = connection.report(lies)
            assert outcomes is None or set(outcomes) <= {"conflict"}, outcomes
            return status, outcomes is not None
        return step

    def notifier(self, number, dice):
        """Tells of outputs without their codec, again and again, and resolves some; in rivalry with another one."""
        def step(connection, batch):
            task = f"{number}/{batch // 3 + dice.randint(0, 2)}"
            id = f"{task}/out.mp4"
            if dice.random() < 0.3:
                return self.report(connection, [event(id, "2020-06-03T12:00:00Z", seconds=2, codec="vp9", source="umedia")], "single")
            self.budget -= 1
            status, outcome = connection.notify({"retcode": 0, "task_id": task, "dest_video_name": "out.mp4", "width": 640,
                                                 "height": 360, "duration": 2})
            assert outcome in (None, "unresolved", "duplicate"), outcome
            if outcome is not None:
                self.account.waiting_told.add(id)
            return status, outcome is not None
        return step

    def administrator(self, stop):
        while not stop.wait(0.1) and self.server.is_running():
            made = self.server.admin("key", "create")
            if made is None:
                continue
            key = made["public_key"]
            self.account.keys[key] = False
            self.account.keys_unsure.add(key)
            if self.server.admin("key", "disable", "--public-key", key) is not None:
                self.account.keys[key] = True
                self.account.keys_unsure.discard(key)

    def clients(self, number, stop):
        told = sorted(self.account.told)
        again = self.dice.sample(told, min(len(told), 400))
        dice = [random.Random(f"{number} {n}") for n in range(11)]
        kinds = [("single1", "single", (1, 1), None), ("single2", "single", (1, 1), None), ("array", "json", (50, 500), None),
                 ("lines", "ndjson", (50, 500), None), ("twin", "json", (60, 200), again), ("twin", "ndjson", (60, 200), again)]
        steps = [self.reporter(number, *kind, dice.pop()) for kind in kinds]
        steps += [self.voider(number, name, again, dice.pop()) for name in ("voider1", "voider2")]
        steps += [self.notifier(number, dice.pop()) for _ in range(2)] + [self.liar(again, dice.pop())]
        threads = [threading.Thread(target=self.talk, args=(stop, step)) for step in steps]
        return threads + [threading.Thread(target=self.administrator, args=(stop,))]

    # ---- dying ----

    def settings(self):
        return (f"ingest.delta_max={self.dice.choice((500, 700, 1000, 3000))}",
                f"ledger.segment_size={self.dice.choice(('64KiB', '256KiB', '1MiB'))}")

    def start(self, phase, settings):
        """Starts under the shim, which kills in the phase; false when it died before it was ready."""
        for name in (self.hit, self.arm, self.cut):
            if os.path.exists(name):
                os.unlink(name)
        shutil.rmtree(self.stash, ignore_errors=True)
        os.mkdir(self.stash)
        faults = {}
        if phase in AIMS:
            faults = dict(KIND="kill", AT=self.dice.randint(1, FURTHEST[phase]), SEED=self.dice.randrange(1 << 30), HIT=self.hit,
                          ARM=None if phase == "recovery" else self.arm, **AIMS[phase])
        if phase == "power":
            faults = dict(KIND="power", CUT=self.cut, STASH=self.stash, SEED=self.dice.randrange(1 << 30))
        self.starts += 1
        try:
            self.server.start(settings, shim_environment(self.work, **faults))
        except Died as died:
            if not os.path.exists(self.hit):
                raise AssertionError(f"the start failed: {died}") from died
            return False
        open(self.arm, "w").close()
        return True

    def traffic(self, number, phase):
        """Until the server is dead; says in which phase it was."""
        stop = threading.Event()
        self.budget = EVENTS_A_ROUND
        threads = self.clients(number, stop)
        for thread in threads:
            thread.start()
        until = time.monotonic() + (self.dice.uniform(0.05, 0.4) if phase in ("random", "recovery", "power") else 2.5)
        while time.monotonic() < until and self.server.is_running():
            time.sleep(0.005)
        struck = os.path.exists(self.hit)
        if phase == "power":
            struck = True
            open(self.cut, "w").close()
            assert self.server.ended() == 137
        else:
            self.server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        return phase if struck else "random"

    # ---- looking ----

    def read(self):
        """What stands in the log, each id once."""
        account = self.account
        for _, records in read_records(self.server.data, account.position):
            for record in records:
                self.see(record)
        account.position = log_end(self.server.data)
        for what, told, logged in (("ids", account.told, (account.logged,)), ("voids", account.void_told, (account.voided,)),
                                   ("notices", account.waiting_told, (account.waiting, account.logged))):
            lost = [id for id in told if not any(id in one for one in logged)]
            assert not lost, f"{len(lost)} {what} that were told are lost, such as {sorted(lost)[:3]}"

    def see(self, record):
        account, id = self.account, record.id
        if record.type == USAGE:
            assert id not in account.logged, f"{id} stands in the log twice"
            assert id in account.sent, f"{id} was never sent"
            account.logged[id] = record
            account.sums += count_of([record])
        elif record.type == UNRESOLVED:
            assert id not in account.waiting, f"{id} waits twice"
            assert id not in account.logged, f"{id} waits behind its usage"
            account.waiting.add(id)
        else:
            target = record.texts[3]
            assert target in account.logged, f"{target} is voided, and was not there"
            assert target not in account.voided, f"{target} is voided twice"
            account.voided.add(target)
            account.sums -= count_of([account.logged[target]])

    def check_table(self):
        table = table_of(self.server.client(public_key=self.key["public_key"], private_key=self.key["private_key"]))
        assert table == self.account.sums, f"totals {sum(table.values())}, the log holds {sum(self.account.sums.values())}"

    def ask_again(self, ids):
        """Each id is answered by what the log held before."""
        connection = Connection(self.server.port, self.token)
        for at in range(0, len(ids), 4000):
            events = [self.account.sent[id] for id in ids[at:at + 4000]]
            status, outcomes = connection.report(events)
            assert status == 200, status
            for one, outcome in zip(events, outcomes):
                expected = "duplicate" if one["id"] in self.account.logged else "stored"
                assert outcome == expected, f"{one['id']} is {outcome}, not {expected}"
            self.account.note_told(events, outcomes)
        connection.close()

    def void_again(self):
        """Whatever has a void is answered `duplicate` by another one."""
        connection = Connection(self.server.port, self.token)
        targets = sorted(self.account.voided)
        for at in range(0, len(targets), 4000):
            voids = [event(f"again/{id}", type="usage.voided", source="again", data={"source": self.account.sent[id]["source"], "id": id})
                     for id in targets[at:at + 4000]]
            status, outcomes = connection.report(voids)
            assert status == 200 and set(outcomes) == {"duplicate"}, (status, set(outcomes))
        connection.close()

    def check_keys(self):
        listed = {key["public_key"]: key.get("disabled", False) for key in self.server.admin("key", "list")}
        for key, disabled in self.account.keys.items():
            assert key in listed, f"key {key} was made, and is lost"
            assert listed[key] == disabled or key in self.account.keys_unsure, f"key {key}: disabled is {listed[key]}"

    def check(self, number):
        assert not self.failures, self.failures
        self.read()
        self.check_table()
        account = self.account
        told = sorted(account.told)
        unsure = [id for id in account.sent if id not in account.told]
        self.ask_again(self.dice.sample(told, min(len(told), 300)) + self.dice.sample(unsure, min(len(unsure), 300)))
        self.read()
        self.check_table()
        if number % 5 == 0:
            self.check_keys()
            said = check_verify(self.server.data)
            assert said is None, said

    # ---- the whole ----

    def begin(self):
        """Begins on a ledger of log format 1, so that the log holds segments of both formats from then on."""
        former = unpack_former(self.work)
        self.key, self.token = former["key"], former["token"]
        events = {one["id"]: one for one in former["sent"]}
        self.account.note_sent([one for one in events.values() if one["type"] != "usage.voided"])
        told = [events[id] for id in former["told"]]
        self.account.note_told(told, ["duplicate"] * len(told))

    def round(self, number):
        phase = PLAN[number % len(PLAN)]
        if phase == "recovery":
            assert self.start("random", self.settings())
            self.traffic(number, "random")
            if self.start("recovery", ("ingest.delta_max=300",)):
                self.hits["random"] += 1
                self.server.kill()
            else:
                self.hits["recovery"] += 1
        elif self.start(phase, self.settings()):
            self.hits[self.traffic(number, phase)] += 1
        assert self.start(None, self.settings())
        self.cuts += "cut a torn tail" in self.server.said()
        self.check(number)
        if self.dice.random() < 0.8:
            self.server.kill()
        else:
            assert self.server.stop() == 0

    def end(self):
        self.start(None, self.settings())
        self.ask_again(sorted(self.account.sent))
        self.void_again()
        self.read()
        self.check_table()
        assert set(self.account.logged) == self.account.told == set(self.account.sent)
        self.check_keys()
        self.server.stop()
        assert formats(self.server.data) == {1, 2}
        said = check_verify(self.server.data)
        assert said is None, said
        assert command("rebuild", "--data", self.server.data).returncode == 0
        self.start(None, self.settings())
        self.check_table()
        self.server.stop()

    def run(self):
        begun = time.monotonic()
        self.begin()
        for number in range(self.rounds):
            try:
                self.round(number)
            except Exception as failure:
                raise AssertionError(f"round {number} ({PLAN[number % len(PLAN)]}): {failure}\n{self.server.log}") from failure
            if number % 20 == 19:
                self.speak(f"  {number + 1} rounds, {len(self.account.sent)} ids, {time.monotonic() - begun:.0f} s: {dict(self.hits)}")
        self.end()
        return time.monotonic() - begun

    def summary(self, seconds):
        table = "\n".join(f"  died in {phase:<10} {self.hits[phase]:>4}" for phase in (*PHASES, "random", "power"))
        return (f"{table}\n{self.rounds} rounds, {self.starts} starts, {len(self.account.sent)} ids, each there once; "
                f"{len(self.account.voided)} voids, {len(self.account.waiting)} notices that waited; {self.cuts} torn tails cut; {seconds:.0f} s")


def main():
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    rounds = int(os.environ.get("ROUNDS", 300))
    print(f"SEED={seed} ROUNDS={rounds}", flush=True)
    if not os.path.exists(SHIM):
        sys.exit(f"{SHIM} is missing: make build")
    directory = tempfile.mkdtemp(prefix="codecmeter-crash-", dir=os.environ.get("CRASH_DIR"))
    campaign = Campaign(seed, rounds, directory, lambda line: print(line, flush=True))
    try:
        seconds = campaign.run()
    except BaseException:
        if campaign.server.is_running():
            campaign.server.kill()
        print(f"SEED={seed}: kept {directory}", flush=True)
        raise
    print(campaign.summary(seconds))
    shutil.rmtree(directory)
    missed = [phase for phase in PHASES if campaign.hits[phase] < 20]
    if rounds >= 200 and missed:
        sys.exit(f"fewer than 20 kills in {', '.join(missed)}: more ROUNDS")


if __name__ == "__main__":
    main()
