"""Notices on which an adapter's script fails: each that was answered is kept once, on disk, until it is read again or
dropped; what cannot be kept is refused with 503."""
import concurrent.futures
import json
import os
import random
import resource
import signal
import threading
import time

import pytest

from conftest import Account, run, wait_until

# Fails on a notice with "broken", refuses one with "refused", makes one output of each element of "outputs".
SCRIPT = """
function adapt(notice, asked)
  if notice.refused then refuse("the URL lacks something") end
  if notice.broken then error("cannot read it: " .. notice.broken) end
  local outputs = {}
  for n, id in ipairs(notice.outputs or {}) do
    outputs[n] = { id = id, time = notice.time, data = { codec = notice.codec or "h264", width = 640, height = 360, duration_ms = 1000 } }
  end
  return outputs, notice.remarks
end
"""
MENDED = SCRIPT.replace("if notice.broken", "if notice.hopeless")


class Mine:
    """An account whose server has the adapter `mine`."""

    def __init__(self, bare, tmp_path, *settings):
        self.server, self.script = bare, tmp_path / "mine.lua"
        self.script.write_text(SCRIPT)
        self.account = Account(bare, f"adapter.mine.script={self.script}", "query.max_age=0", "query.max_span=0", *settings)

    def tell(self, body, query="", token=None, adapter="mine"):
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.account.client.request("POST", f"/v1/adapters/{adapter}{query}", body,
                                           {"Authorization": f"Bearer {token or self.account.token}"})

    def keep(self, body, query="", token=None):
        reply = self.tell(body, query, token)
        assert reply.status == 200 and reply.json()["quarantined"] == 1, reply.body
        return reply.json()["id"]

    def adapter(self, *args, check=True):
        return run("adapter", *args, "--data", self.server.data, check=check)

    def listed(self):
        return json.loads(self.adapter("list", "--json").stdout)

    def kept(self):
        return self.listed()["quarantine"]

    def retry(self, *ids):
        """What became of each, and the exit status."""
        done = self.adapter("retry", *(ids or ["--all"]), "--json", check=False)
        return {item["id"]: item for item in json.loads(done.stdout)}, done.returncode

    def mend(self, script=MENDED):
        self.server.stop()
        self.script.write_text(script)
        self.server.start()

    def shown(self, id):
        return self.server.admin("history", "--project", "org-a", "--source", "mine", "--id", id)[0]

    def files(self):
        try:
            return sorted(os.listdir(os.path.join(self.server.data, "quarantine")))
        except FileNotFoundError:
            return []

    def path(self, id):
        return os.path.join(self.server.data, "quarantine", f"{id}.notice")

    def seconds(self):
        return sum(row["LowDefinitionTime"] for row in self.account.client.stat(BeginTime=1500000000, EndTime=1900000000))


@pytest.fixture
def mine(bare, tmp_path):
    return Mine(bare, tmp_path)


BROKEN = {"broken": "x", "outputs": ["a", "b"]}


# ---- kept ----


def test_a_notice_is_kept_once_and_said(mine):
    assert mine.files() == [] and mine.kept() == []
    id = mine.keep(BROKEN, "?source=s&id=1")
    assert mine.keep(BROKEN, "?source=s&id=1") == id and mine.files() == [f"{id}.notice"]
    others = {mine.keep(BROKEN), mine.keep(BROKEN, "?source=s&id=2"), mine.keep({**BROKEN, "more": 1}),
              mine.keep(BROKEN, "?source=s&id=1&time=1700000000")}
    assert len(others | {id}) == 5 == len(mine.kept())
    [one] = [kept for kept in mine.kept() if kept["id"] == id]
    assert one["adapter"] == "mine" and one["project"] == "org-a" and one["bytes"] == len(json.dumps(BROKEN))
    assert "mine.lua:4: cannot read it: x" in one["reason"]
    log = mine.server.log_text()
    assert f"in the quarantine as {id}, because the script failed" in log and "mine.lua:4: cannot read it: x" in log
    [counts] = [adapter for adapter in mine.listed()["adapters"] if adapter["name"] == "mine"]
    assert counts["script"] == str(mine.script) and counts["quarantined"] == 6 and counts["notices"] == 0
    assert mine.account.token not in log and mine.seconds() == 0
    for secret in mine.files():
        with open(os.path.join(mine.server.data, "quarantine", secret)) as file:
            assert mine.account.token not in file.read()


def test_what_the_list_counts(mine):
    assert mine.tell({"outputs": ["a", "b"], "remarks": ["one", "two"]}).json()["stored"] == 2
    assert mine.tell({"outputs": ["a", "c" * 300]}).json()["rejected"] == 1
    assert mine.tell({"outputs": ["d"], "codec": "no codec"}).json()["unresolved"] == 1
    assert mine.tell({"refused": True}).status == 400
    mine.keep(BROKEN)
    [counts] = [adapter for adapter in mine.listed()["adapters"] if adapter["name"] == "mine"]
    assert {name: counts[name] for name in ("notices", "outputs", "unresolved", "rejected", "ignored", "quarantined")} == {
        "notices": 3, "outputs": 5, "unresolved": 1, "rejected": 1, "ignored": 3, "quarantined": 1}
    text = mine.adapter("list").stdout
    assert "ADAPTER" in text and "built-in" in text and "in the quarantine:" in text


def test_hostile_texts_name_no_file(mine):
    for n, text in enumerate(("../../etc/x", "%2e%2e%2f", "%22%7b", "x" * 256)):
        mine.keep(BROKEN, f"?source={text}&id={text}&time=160000000{n}")
        assert len(mine.files()) == n + 1
    for text in ("a%0ab", "%c2%85", "x" * 4000):
        assert mine.tell(BROKEN, f"?source={text}&id={text}").status == 400, text
    assert all(len(name) == 39 and name.endswith(".notice") for name in mine.files()), mine.files()
    for path in ("../x", "..%2fmine", "mine/", "mine/x", "", "Mine", "%6dine", "x" * 300):
        reply = mine.tell({}, adapter=path)
        assert reply.status == 404 and "the adapters are aliyun-vod, " in reply.json()["detail"], path
    assert mine.account.client.request("POST", "/v1/adapters/nope", "{}").status == 401
    log = mine.server.log_text()
    assert "etc/x" not in log and "x" * 300 not in log
    for id in ("../../lock", "..", "0" * 32, "0" * 31 + "/"):
        for verb in ("retry", "drop"):
            assert mine.adapter(verb, "--", id, check=False).returncode == 1
    assert len(mine.kept()) == 4 and os.path.exists(os.path.join(mine.server.data, "lock"))


# ---- read again ----


def test_retry_counts_what_a_mended_script_reads(mine):
    ids = [mine.keep({**BROKEN, "outputs": [f"a{n}"]}) for n in range(3)]
    arrived = {kept["id"]: kept["arrived"] for kept in mine.kept()}
    results, status = mine.retry()
    assert status == 1 and [results[id]["result"] for id in ids] == ["stays"] * 3
    assert len(mine.kept()) == 3 and mine.seconds() == 0
    mine.mend()
    assert "3 notices are in the quarantine" in mine.server.log_text()
    results, status = mine.retry(ids[1])
    assert status == 0 and list(results) == [ids[1]] and results[ids[1]]["stored"] == 1
    results, status = mine.retry()
    assert status == 0 and list(results) == [ids[0], ids[2]], "the oldest first"
    assert mine.files() == [] and mine.seconds() == 3
    for n, id in enumerate(ids):
        one = mine.shown(f"a{n}")
        assert one["time"] == arrived[id] < one["arrived"], "it belongs to the day on which the notice arrived"
    late = run("late", "org-a", "--delay", "1ms", "--data", mine.server.data, "--json").stdout.splitlines()
    assert sorted(json.loads(one)["id"] for one in late) == ["a0", "a1", "a2"], "that day may have been billed"
    assert mine.tell({**BROKEN, "outputs": ["a0"]}).json()["duplicate"] == 1
    results, status = mine.retry(ids[0])
    assert status == 1 and results[ids[0]]["result"] == "unknown"
    done = mine.adapter("retry", "--all")
    assert "the quarantine is empty" in done.stderr
    assert "no differences" in run("verify", "--data", mine.server.data).stdout


def test_what_a_retry_leaves(mine):
    """A notice stays while one of its outputs is rejected or its script fails, with the new reason. Ignored and unresolved
    parts, duplicates and conflicts are answers."""
    rejected = mine.keep({**BROKEN, "outputs": ["ok", "x" * 300]})
    hopeless = mine.keep({**BROKEN, "hopeless": True})
    refused = mine.keep({**BROKEN, "more": 1})
    nothing = mine.keep({**BROKEN, "outputs": [], "remarks": ["no output"]})
    waits = mine.keep({**BROKEN, "outputs": ["w"], "codec": "no codec"})
    assert mine.tell({"outputs": ["c"], "codec": "vp9"}).json()["stored"] == 1
    conflict = mine.keep({**BROKEN, "outputs": ["c"]})
    mine.mend(MENDED.replace("if notice.refused", "if notice.more"))
    results, status = mine.retry()
    assert status == 1
    assert {id for id in results if results[id]["result"] == "stays"} == {rejected, hopeless, refused}
    assert {kept["id"] for kept in mine.kept()} == {rejected, hopeless, refused}
    reasons = {kept["id"]: kept["reason"] for kept in mine.kept()}
    assert "is rejected: id: must be a text" in reasons[rejected] and results[rejected]["stored"] == 1
    assert "cannot read it" in reasons[hopeless] and "the URL lacks something" in reasons[refused]
    assert results[nothing]["ignored"] == 1 and results[waits]["unresolved"] == 1 and results[conflict]["conflict"] == 1
    results, status = mine.retry(rejected)
    assert results[rejected]["duplicate"] == 1 and results[rejected]["rejected"] == 1
    mine.server.stop()
    mine.server.start(*mine.server.settings[1:])
    results, status = mine.retry(hopeless)
    assert status == 1 and "the server has no adapter mine" in results[hopeless]["reason"]


def test_a_retry_has_the_rights_of_the_notice(mine):
    """Those of its token when it arrived, whatever has become of the token since."""
    server = mine.server
    maker = server.admin("token", "create", "--create-projects", "--time-zone", "Europe/Berlin")
    other = server.admin("token", "create")
    server.admin("project", "create", "--id", "org-b")
    made = mine.keep(BROKEN, "?project=org-new", maker["token"])
    bound = mine.keep(BROKEN)
    elsewhere = mine.keep(BROKEN, "?project=org-b", other["token"])
    assert len({made, bound, elsewhere}) == 3
    assert mine.keep(BROKEN, "?project=org-a", other["token"]) == bound, "the same notice for the same project"
    for token in (maker, other):
        server.admin("token", "revoke", token["id"])
    mine.mend()
    results, status = mine.retry()
    assert status == 0 and [item["stored"] for item in results.values()] == [2, 2, 2]
    zones = {project["id"]: project["time_zone"] for project in server.admin("project", "list")}
    assert zones["org-new"] == "Europe/Berlin"
    assert server.admin("history", "--project", "org-new", "--source", "mine", "--id", "a")[0]["subject"] == "org-new"


def test_two_retries_at_once(mine):
    ids = [mine.keep({**BROKEN, "outputs": [f"{n}/{k}" for k in range(5)]}) for n in range(50)]
    mine.mend()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = [future.result() for future in [pool.submit(mine.retry) for _ in range(2)]]
    left = [id for results, _ in both for id in results if results[id]["result"] == "left"]
    assert sorted(left) == sorted(ids) and mine.files() == []
    assert sum(item["stored"] for results, _ in both for item in results.values()) == 250 == mine.seconds()


def test_drop(mine):
    first, second = mine.keep(BROKEN), mine.keep({**BROKEN, "more": 1})
    done = mine.adapter("drop", first, "0" * 32, check=False)
    assert done.returncode == 1 and "dropped" in done.stdout and "unknown" in done.stdout
    assert mine.files() == [f"{second}.notice"]
    assert f"notice {first} of mine" in mine.server.log_text() and "was given up" in mine.server.log_text()
    mine.server.stop()
    for verb in (("drop", second), ("retry", second), ("retry", "--all")):
        done = mine.adapter(*verb, check=False)
        assert done.returncode == 1 and "no server runs" in done.stderr
    assert [kept["id"] for kept in mine.kept()] == [second] and mine.listed()["adapters"] is None
    for args in (("retry",), ("retry", second, "--all"), ("drop",), ("drop", "--all"), ("test", "mine"), ("test",), ("list", "x")):
        assert mine.adapter(*args, check=False).returncode == 2, args
    mine.server.start()


# ---- bounds and faults ----


def refused(reply):
    return reply.status == 503 and int(reply.headers["retry-after"]) > 0 and "again later" in reply.json()["detail"]


def test_a_full_quarantine_refuses(bare, tmp_path):
    mine = Mine(bare, tmp_path, "ingest.quarantine_max=2", "ingest.quarantine_size=64KiB")
    large = {**BROKEN, "more": "x" * 70000}
    assert refused(mine.tell(large)) and "ingest.quarantine_size" in bare.log_text()
    ids = [mine.keep({**BROKEN, "outputs": [n]}) for n in "ab"]
    for _ in range(2):
        assert refused(mine.tell({**BROKEN, "outputs": ["c"]})) and "ingest.quarantine_max" in bare.log_text()
        assert mine.keep({**BROKEN, "outputs": ["a"]}) == ids[0], "it is there: it needs no room"
        bare.kill()
        bare.start()
    assert mine.tell({"outputs": ["d"]}).json()["stored"] == 1, "other notices are read"
    mine.adapter("drop", ids[0])
    mine.keep({**BROKEN, "outputs": ["c"]})
    assert refused(mine.tell(BROKEN))


def test_a_disk_below_its_reserve_refuses(bare, tmp_path):
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    mine = Mine(bare, tmp_path)
    bare.stop()
    bare.start(*bare.settings, f"ledger.disk_reserve={(free >> 20) + 1024}MiB")
    assert refused(mine.tell(BROKEN)) and "ledger.disk_reserve" in bare.log_text() and mine.kept() == []
    bare.stop()
    bare.start(*bare.settings[:-1])
    mine.keep(BROKEN)


def test_a_file_that_cannot_be_written(bare, tmp_path):
    """The limit of file sizes stands for a disk that fails: nothing half written stays."""
    mine = Mine(bare, tmp_path)
    bare.stop()
    bare.limits = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    bare.start(*bare.settings, "ledger.map_size=16MiB")
    large = {**BROKEN, "more": "x" * (2 << 20)}
    assert refused(mine.tell(large)) and mine.files() == []
    mine.keep(BROKEN)
    assert refused(mine.tell(large)) and len(mine.files()) == 1
    bare.stop()
    bare.limits = None
    bare.start(*bare.settings)
    mine.keep(large)


def test_a_damaged_file_is_named_skipped_and_left(mine, tmp_path):
    good, bad = mine.keep(BROKEN), mine.keep({**BROKEN, "more": 1})
    with open(mine.path(bad), "r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    (tmp_path / "data" / "quarantine" / "notes.txt").write_text("mine")
    mine.mend()
    done = mine.adapter("list", check=False)
    assert done.returncode == 1 and good in done.stdout and bad not in done.stdout
    assert f"{bad}.notice is damaged" in done.stderr and "notes.txt is no notice" in done.stderr
    done = run("verify", "--data", mine.server.data, check=False)
    assert done.returncode == 1 and f"{bad}.notice is damaged" in done.stderr and "no differences" in done.stdout
    results, status = mine.retry()
    assert status == 1 and results[good]["result"] == "left"
    results, status = mine.retry(bad)
    assert results[bad]["result"] == "stays" and "damaged" in results[bad]["reason"]
    assert mine.files() == sorted([f"{bad}.notice", "notes.txt"])
    mine.mend(SCRIPT)
    assert mine.keep({**BROKEN, "more": 1}) == bad, "sent again, it is whole again"
    os.remove(tmp_path / "data" / "quarantine" / "notes.txt")
    assert [kept["id"] for kept in mine.kept()] == [bad]


def test_64_notices_at_once(mine):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        ids = list(pool.map(lambda n: mine.keep({**BROKEN, "outputs": [f"{n % 32}"]}), range(64)))
        assert len(set(ids)) == 32 == len(mine.kept())
        good = list(pool.map(lambda n: mine.tell({"outputs": [f"good-{n}"]}).json()["stored"], range(64)))
    assert good == [1] * 64
    mine.mend()
    _, status = mine.retry()
    assert status == 0 and mine.seconds() == 96


def test_what_was_answered_survives_sigkill(mine):
    """A notice is answered and kept, or neither; nothing half written is left."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    draw = random.Random(seed)
    answered, number = {}, 0
    for _ in range(6):
        stop = threading.Event()

        def send(first):
            n = first
            while not stop.is_set():
                try:
                    answered[mine.keep({**BROKEN, "outputs": [f"n{n}"]})] = f"n{n}"
                except OSError:
                    return
                except Exception as wrong:  # the answer broke off
                    assert "IncompleteRead" in repr(wrong) or "BadStatus" in repr(wrong) or "RemoteDisconnected" in repr(wrong), wrong
                    return
                n += 4

        threads = [threading.Thread(target=send, args=(number + k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        before = len(answered)
        wait_until(lambda: len(answered) > before + 5)
        time.sleep(draw.random() / 20)
        mine.server.process.send_signal(signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join()
        mine.server.kill()
        number += 100000
        mine.server.start()
        kept = {one["id"] for one in mine.kept()}
        assert set(answered) <= kept and all(name.endswith(".notice") for name in mine.files())
    mine.server.kill()
    mine.script.write_text(MENDED)
    mine.server.start()
    results, status = mine.retry()
    assert status == 0 and set(answered) <= set(results)
    assert mine.seconds() == len(results) and mine.shown(list(answered.values())[0])["source"] == "mine"


# ---- care ----


def test_backup_and_restore(mine, tmp_path):
    first, second = mine.keep({**BROKEN, "outputs": ["1"]}), mine.keep({**BROKEN, "outputs": ["2"]})
    copy = tmp_path / "copy"
    run("backup", "--data", mine.server.data, copy)
    assert len(os.listdir(copy / "quarantine")) == 2
    done = run("verify", "--data", copy)
    assert "quarantine: 2 notices wait" in done.stdout
    mine.mend()
    mine.retry(first)
    run("backup", "--data", mine.server.data, copy)
    assert os.listdir(copy / "quarantine") == [f"{second}.notice"], "the outputs of the other are in the log"
    run("restore", "--data", tmp_path / "restored", copy)
    mine.server.stop()
    mine.server.data = str(tmp_path / "restored")
    mine.server.start()
    results, status = mine.retry()
    assert status == 0 and list(results) == [second] and mine.seconds() == 2
    assert "no differences" in run("verify", "--data", mine.server.data).stdout


def test_what_is_no_file_stops_no_backup(mine, tmp_path):
    """A link, a directory and a pipe that lie among the notices: the ledger and the notices are in the backup."""
    copy = tmp_path / "copy"
    quarantine = os.path.join(mine.server.data, "quarantine")
    kept = mine.keep(BROKEN)
    os.symlink("/etc/hostname", os.path.join(quarantine, "0" * 32 + ".notice"))
    os.mkdir(os.path.join(quarantine, "old"))
    os.mkfifo(os.path.join(quarantine, "1" * 32 + ".notice"))
    run("backup", "--data", mine.server.data, copy)
    assert os.listdir(copy / "quarantine") == [kept + ".notice"]
    assert "11111" in run("verify", "--data", mine.server.data, check=False).stderr


# ---- a script is tested ----


def test_adapter_test(mine, tmp_path):
    setting = ("--set", f"adapter.mine.script={mine.script}")

    def tested(*args, check=True, input=None):
        return run("adapter", "test", *args, check=check, input=input)

    (tmp_path / "good.json").write_text(json.dumps({"outputs": ["a", "b"], "remarks": ["no\x07 output"]}))
    (tmp_path / "broken.json").write_text(json.dumps(BROKEN))
    (tmp_path / "waits.json").write_text(json.dumps({"outputs": ["w"], "codec": "no codec", "time": "2026-01-31T12:00:00Z"}))
    (tmp_path / "long.json").write_text(json.dumps({"outputs": ["x" * 300]}))
    done = tested("mine", tmp_path / "good.json", *setting)
    assert "transcode.finished h264 640x360 1.000 s low" in done.stdout and "ignored: no\\x07 output" in done.stdout
    assert "unresolved: lacks codec" in tested("mine", tmp_path / "waits.json", *setting).stdout
    done = tested("mine", tmp_path / "broken.json", tmp_path / "good.json", *setting, check=False)
    assert done.returncode == 1 and "mine.lua:4: cannot read it: x" in done.stderr and "transcode.finished" in done.stdout
    done = tested("mine", tmp_path / "long.json", *setting, check=False)
    assert done.returncode == 1 and "rejected: id: must be a text" in done.stdout
    for bad, words in (("{", "cannot read the notice"), ("", "cannot read the notice")):
        (tmp_path / "bad.json").write_text(bad)
        done = tested("mine", tmp_path / "bad.json", *setting, check=False)
        assert done.returncode == 1 and words in done.stderr
    done = tested("mine", "-", "--source", "s", "--project", "org-z", "--time", "1700000000", "--json", *setting, input='{"outputs":["a"]}')
    made = json.loads(done.stdout)
    assert made["ignored"] == [] and made["notice"] == "-"
    [output] = made["outputs"]
    assert (output["source"], output["subject"], output["time"], output["result"]) == ("s", "org-z", "2023-11-14T22:13:20.000Z", "counts")
    lines = tested("mine", tmp_path / "broken.json", tmp_path / "waits.json", "--json", *setting, check=False).stdout.splitlines()
    assert "cannot read it" in json.loads(lines[0])["error"] and json.loads(lines[1])["outputs"][0]["missing"] == "codec"
    assert "the adapters are aliyun-vod, " in tested("nobody", tmp_path / "good.json", check=False).stderr
    assert tested("mine", tmp_path / "none.json", *setting, check=False).returncode == 1
    big = tested("mine", "-", *setting, "--set", "ingest.body_max=64KiB", check=False, input="x" * 70000)
    assert big.returncode == 1 and "ingest.body_max" in big.stderr
    id = mine.keep(BROKEN, "?source=s")
    mine.script.write_text(MENDED)
    done = tested("mine", "--notice", id, "--data", mine.server.data, *setting)
    assert "s       a" in done.stdout and id in done.stdout and len(mine.kept()) == 1, "it stores nothing"
