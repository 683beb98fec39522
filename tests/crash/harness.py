"""What the crash tests share: the real server with or without the shim, a reader of the log of our own, and checks by id.

The reader follows docs/format.md and uses none of the product's code.
"""
import collections
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))

import world  # noqa: E402, F401 (what is started inherits it)
from client import Client, event  # noqa: E402

CODECMETER = os.path.abspath(os.environ.get("CODECMETER", os.path.join(ROOT, "build", "codecmeter")))
SHIM = os.path.join(os.path.dirname(CODECMETER), "tests", "unit", "faultshim.so")
WIDE = ("query.max_age=0", "query.max_span=0", "http.access_log=false", "ledger.map_size=64MiB")
YEAR = {"BeginTime": 1577836800, "EndTime": 1609459199}
NOT_OK = ("runtime error", "AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "check failed")


def command(*args, timeout=120):
    return subprocess.run([CODECMETER, *map(str, args)], capture_output=True, text=True, timeout=timeout)


_has_verify = None


def has_verify():
    global _has_verify
    if _has_verify is None:
        _has_verify = "verify" in command("--help").stdout
    return _has_verify


def shim_environment(directory, **faults):
    """Variables that put the shim under a program; directory is where files count."""
    made = dict(os.environ, LD_PRELOAD=SHIM, FAULT_DIR=str(directory))
    made["ASAN_OPTIONS"] = made.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    made["TSAN_OPTIONS"] = made.get("TSAN_OPTIONS", "") + f":suppressions={os.path.join(HERE, 'tsan.supp')}"
    made.update({"FAULT_" + name: str(value) for name, value in faults.items() if value is not None})
    return made


class Died(Exception):
    """The server ended where it should have served."""


class Server:
    """A data directory and the program that serves it; every end is looked at by the caller."""

    def __init__(self, data):
        self.data = str(data)
        self.log = self.data + ".log"
        self.process = None
        self.port = None

    def start(self, settings, environment=None, wait=True):
        words = [CODECMETER, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        for setting in (*WIDE, *settings):
            words += ["--set", setting]
        with open(self.log, "a") as stderr:
            self.log_begins = stderr.tell()
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
        return self.wait_ready() if wait else self

    def wait_ready(self):
        line = self.process.stdout.readline()
        if not line.startswith("ready http"):
            status = self.ended()
            raise Died(f"exit {status}: {self.said()}")
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def said(self):
        """What this start has written to standard error."""
        with open(self.log) as file:
            file.seek(self.log_begins)
            return file.read()

    def ended(self, timeout=30):
        """Waits for the end; gives the exit status."""
        status = self.process.wait(timeout)
        self.process.stdout.close()
        self.process = None
        text = self.said()
        for word in NOT_OK:
            assert word not in text, text
        return status

    def kill(self):
        self.process.kill()
        return self.ended()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def admin(self, *args):
        """An administrative command; None if it failed."""
        done = command(*args, "--data", self.data, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def client(self, **kwargs):
        return Client("127.0.0.1", self.port, **kwargs)


class Connection:
    """Reports over one connection that is kept; what fails is an OSError or an HTTPException."""

    def __init__(self, port, token, timeout=20):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.token = token

    def notify(self, notice):
        """A notice to UMedia's adapter. Gives the status, and `stored`, `duplicate` or `unresolved`."""
        self.http.request("POST", "/v1/adapters/umedia", json.dumps(notice), {"Authorization": "Bearer " + self.token})
        response = self.http.getresponse()
        answer = response.read()
        if response.status != 200:
            return response.status, None
        told = json.loads(answer)
        return 200, next(name for name in ("stored", "duplicate", "unresolved", "conflict", "rejected") if told[name])

    def report(self, events, form="json"):
        """Gives the status, and the outcome of each event when the status says that there are outcomes."""
        if form == "ndjson":
            body, content = "\n".join(json.dumps(one) for one in events), "application/x-ndjson"
        elif form == "single":
            body, content = json.dumps(events[0]), "application/json"
        else:
            body, content = json.dumps(events), "application/json"
        self.http.request("POST", "/v1/events", body, {"Content-Type": content, "Authorization": "Bearer " + self.token})
        response = self.http.getresponse()
        answer = response.read()
        if response.status not in (200, 409, 422):
            return response.status, None
        told = json.loads(answer)
        outcomes = ["stored"] * len(events)
        for result in told["results"]:
            outcomes[result["index"]] = result["outcome"]
        assert outcomes.count("stored") == told["stored"] and outcomes.count("duplicate") == told["duplicate"], told
        return response.status, outcomes

    def close(self):
        self.http.close()


FORMER = os.path.join(ROOT, "tests", "data", "crash", "format-1.tar.gz")


def unpack_former(directory):
    """Unpacks `data`, a ledger that the last version with log format 1 left when it was killed. Gives its account: the key and
    token, the events that were sent, the ids that were told, and where the blocks begin that were never synced."""
    with tarfile.open(FORMER) as tar:
        tar.extractall(directory)
    with open(os.path.join(directory, "account.json")) as file:
        return json.load(file)


GONE = (OSError, http.client.HTTPException, json.JSONDecodeError)

# ---- the log, read by ourselves ----

SEGMENT_HEAD, BLOCK_HEAD = 64, 48
Usage = collections.namedtuple("Usage", "id source project codec amount time width height position block type texts")
USAGE, VOID, UNRESOLVED = 1, 6, 7  # types of records
Block = collections.namedtuple("Block", "position length synced count segment offset")


def segments(data):
    directory = os.path.join(data, "log")
    return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".seg"))


def formats(data):
    """The formats of the log's segments."""
    made = set()
    for path in segments(data):
        with open(path, "rb") as file:
            made.add(struct.unpack_from("<I", file.read(12), 8)[0])
    return made


def read_log(data, begin=0):
    """Yields each block from a position on, with its usages."""
    for block, records in read_records(data, begin):
        yield block, [record for record in records if record.type == USAGE]


def read_records(data, begin=0):
    """The same with what is laid out as a usage: voids, and what is unresolved."""
    for path in segments(data):
        base = int(os.path.basename(path)[:16], 16)
        if base + os.path.getsize(path) <= begin:
            continue
        with open(path, "rb") as file:
            whole = file.read()
        assert len(whole) < SEGMENT_HEAD or whole[:8] == b"CMSEGMNT", path
        at = max(SEGMENT_HEAD, begin - base)
        while at + BLOCK_HEAD <= len(whole) and whole[at:at + 4] == b"CMB1":
            length, _, count, position, synced, _, names_at, names_count = struct.unpack_from("<IIIQQqII", whole, at + 4)
            if position != base + at or at + length > len(whole):
                break
            raw = whole[at:at + length]
            yield Block(position, length, synced, count, path, at), list(block_records(raw, position, names_at, names_count, count))
            at += length


# Types of usage, void and unresolved records in format 2, and what they are called in format 1.
TYPES_OF_FORMAT_2 = {9: USAGE, 10: VOID, 11: UNRESOLVED}


def text_at(raw, at):
    """A text, and where it ends: docs/format.md."""
    length, = struct.unpack_from("<H", raw, at)
    packed = raw[at + 2:at + 18].hex()
    if length == 32769:
        return "-".join((packed[:8], packed[8:12], packed[12:16], packed[16:20], packed[20:])), at + 18
    if length == 32770:
        return "1:" + packed, at + 18
    return raw[at + 2:at + 2 + length].decode(), at + 2 + length


def usage_of_format_2(raw, at, position, names):
    flags, time_ms, _, project, source, codec, _ = struct.unpack_from("<IqqHHHH", raw, at + 12)
    amount, width, height, field = 0, 0, 0, at + 40
    if flags & 2:
        amount, = struct.unpack_from("<Q", raw, field)
        field += 8
    if flags & 4:
        width, height = struct.unpack_from("<HH", raw, field)
        field += 4
    for flag, size in ((8, 8), (16, 8), (32, 8), (64, 2), (128, 2), (256, 2), (512, 2), (1024, 2), (2048, 2)):
        field += size if flags & flag else 0
    texts = []
    for flag in (0, 4096, 8192, 16384, 32768):
        text = ""
        if flag == 0 or flags & flag:
            text, field = text_at(raw, field)
        texts.append(text)
    return Usage(texts[0], names[source], names[project], names[codec] if codec != 65535 else "", amount, time_ms, width, height,
                 position + at, position, TYPES_OF_FORMAT_2[raw[at + 8]], texts + [""])


def block_records(raw, position, names_at, names_count, count):
    names, at = [], names_at
    for _ in range(names_count):
        length, = struct.unpack_from("<H", raw, at)
        names.append(raw[at + 2:at + 2 + length].decode())
        at += 2 + length
    at = BLOCK_HEAD
    for _ in range(count):
        size, = struct.unpack_from("<I", raw, at)
        if raw[at + 8] in TYPES_OF_FORMAT_2:
            yield usage_of_format_2(raw, at, position, names)
        if raw[at + 8] in (USAGE, VOID, UNRESOLVED):
            flags, project, source, codec, width, height, time_ms, _, amount = struct.unpack_from("<HHHHHHqqQ", raw, at + 12)
            begin, texts = at + 64 + (8 if flags & 4 else 0), []
            for length in struct.unpack_from("<6H", raw, at + 48):
                texts.append(raw[begin:begin + length].decode())
                begin += length
            yield Usage(texts[0], names[source], names[project], names[codec] if codec != 65535 else "", amount, time_ms, width,
                        height, position + at, position, raw[at + 8], texts)
        at += size


def log_end(data):
    path = segments(data)[-1]
    return int(os.path.basename(path)[:16], 16) + os.path.getsize(path)


# ---- totals ----

def count_of(usages):
    """Seconds by day (UTC) and codec, as GetCodecTotalStat counts them."""
    sums = collections.Counter()
    for usage in usages:
        seconds = (usage.amount + 500) // 1000
        sums[usage.time // 86400000 * 86400, usage.codec] += max(seconds, 1 if usage.amount else 0)
    return sums


def table_of(client):
    """The same, as the server answers."""
    return collections.Counter({(row["Time"], row["VideoCodec"]): row["TotalTime"] for row in client.stat(**YEAR) if row["TotalTime"]})


def check_verify(data):
    """None if all is well, or nothing was checkpointed yet, or the program has no `verify` yet; else what it says."""
    if not has_verify():
        return None
    done = command("verify", "--data", data)
    is_well = done.returncode == 0 or "nothing was compared" in done.stderr
    return None if is_well else f"verify exits {done.returncode}: {done.stdout}{done.stderr}"


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
