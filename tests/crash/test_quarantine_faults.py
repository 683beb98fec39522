"""Each file call of the thread that keeps notices fails, is cut short, finds no room, is killed or loses the power: a notice
that was answered is kept whole; one that was not may be sent again."""
import http.client
import json
import random

import pytest

from harness import Server, command, shim_environment

SCRIPT = 'function adapt(notice) if notice.broken then error("broken") end return {}, { "mended" } end'
LEAST = {"short": 3}  # calls of the keeper that the kind applies to, for three notices; the others: 8


class Story:
    def __init__(self, tmp_path, kind, at, seed):
        self.work = tmp_path / f"{kind}-{at}"
        self.work.mkdir()
        script = self.work.parent / "mine.lua"
        script.write_text(SCRIPT)
        self.hit = self.work.parent / f"hit-{kind}-{at}"
        self.settings = (f"adapter.mine.script={script}", "ledger.disk_reserve=0")
        self.environment = shim_environment(self.work, KIND=kind, AT=at, SEED=seed, HIT=self.hit, THREAD="keeper",
                                            STASH=self.work.parent)
        self.server = Server(self.work / "data")

    def prepare(self):
        self.server.start(self.settings)
        self.server.admin("project", "create", "--id", "org-a", "--time-zone", "UTC")
        self.token = self.server.admin("token", "create", "--project", "org-a")["token"]
        assert self.server.stop() == 0

    def send(self, number):
        """The id under which the notice is kept; None if it was not answered so."""
        try:
            reply = self.server.client(token=self.token).request(
                "POST", "/v1/adapters/mine", json.dumps({"broken": number}), {"Authorization": "Bearer " + self.token})
        except (OSError, http.client.HTTPException):
            return None
        assert reply.status in (200, 503), reply.body
        return reply.json()["id"] if reply.status == 200 else None

    def kept(self):
        done = command("adapter", "list", "--data", self.server.data, "--json")
        assert done.returncode == 0, done.stderr
        return {one["id"] for one in json.loads(done.stdout)["quarantine"]}


@pytest.mark.parametrize("kind", ["eio", "enospc", "short", "kill", "power"])
def test_a_fault_at_each_call_of_the_keeper(tmp_path, kind):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    struck = 0
    for at in range(1, 60):
        story = Story(tmp_path, kind, at, seed + at)
        story.prepare()
        story.server.start(story.settings, story.environment)
        answered = {number: story.send(number) for number in range(3)}
        if not story.hit.exists():
            assert all(answered.values()) and story.server.stop() == 0
            break
        struck += 1
        if kind not in ("kill", "power"):
            kept = story.kept()
            assert {id for id in answered.values() if id} <= kept, (at, answered, kept)
            for number in range(3):
                answered[number] = story.send(number)
            assert all(answered.values()), "the fault is over"
            story.server.kill()
        else:
            assert story.server.ended() in (-9, 137)
        story.server.start(story.settings)
        kept = story.kept()
        assert {id for id in answered.values() if id} <= kept, (at, answered, kept)
        assert len({story.send(number) for number in range(3)}) == 3 == len(story.kept())
        assert story.server.stop() == 0
    assert struck >= LEAST.get(kind, 8), f"{kind}: {struck} calls"
