"""UCloud's own clients against the real server: the typed Go SDK, and the command-line client with an old profile.

They are not among Debian's packages, so `make sdk` is told where they are:
  UCLOUD_SDK_GO   a checkout of github.com/ucloud/ucloud-sdk-go; packages golang-go, golang-github-sirupsen-logrus-dev and
                  golang-github-pkg-errors-dev
  UCLOUD_CLI      the program ucloud, of github.com/ucloud/ucloud-cli
Without them these tests fail: who runs them wants to know. The field types are tested in system/test_umedia_reads.py, too,
without Go.
"""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))

from client import event  # noqa: E402
from conftest import Account, bare, state_of_their_own  # noqa: E402, F401 (fixtures)
from umedia import ANSWERS  # noqa: E402

NOON = 1604203200
TIME = "2020-11-01T04:00:00Z"
TASKS = [
    {**event("job/864", TIME, 300, 864, 480), "type": "transcode.finished"},
    {**event("job/bad", TIME), "type": "transcode.failed", "data": {}},
    {**event("ts/1", TIME), "type": "remux.finished", "data": {"duration_ms": 61500, "format": "m3u8"}},
    {**event("snap/1", TIME), "type": "snapshot.finished", "data": {"image_count": 5, "format": "jpg", "dest_name": "thumb"}},
]
TASKS[0]["data"] |= {"task_id": "1265", "src_url": "http://a/b.mp4?x=\"1\"&y=é", "dest_name": "b.mp4", "dest_bucket": "bucket",
                     "format": "mp4", "created": TIME}


def needed(name):
    value = os.environ.get(name, "")
    assert value, f"{name} is not set: see the first lines of this file"
    return os.path.abspath(value)


@pytest.fixture
def media(bare):  # noqa: F811
    account = Account(bare, "query.max_age=0", "api.regions=cn-bj2/cn-bj2-04, hk/hk-02")
    assert account.client.report(TASKS).json()["stored"] == len(TASKS)
    return account


@pytest.fixture(scope="module")
def reads(tmp_path_factory):
    """reads.go, built with the SDK's own source."""
    sdk = needed("UCLOUD_SDK_GO")
    path = tmp_path_factory.mktemp("go")
    place = path / "src" / "github.com" / "ucloud"
    place.mkdir(parents=True)
    (place / "ucloud-sdk-go").symlink_to(sdk)
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{path}:/usr/share/gocode", "GOCACHE": str(path / "cache"),
                   "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", str(path / "reads"), str(ROOT / "tests" / "sdk" / "reads.go")], check=True, env=environment,
                   timeout=600)
    return path / "reads"


def documented(shape, value):
    """The part of an answer that the SDK's types have."""
    if isinstance(shape, list):
        return [documented(shape[0], item) for item in value]
    if isinstance(shape, dict):
        return {name: documented(inner, value[name]) for name, inner in shape.items()}
    return value


def test_the_typed_go_client_decodes_every_answer(media, reads):
    """And nothing is lost on the way: what it decoded is what was sent."""
    client = media.client
    window = {"BeginTime": NOON, "EndTime": NOON}
    params = {**{action: window for action in ANSWERS if action.endswith(("Stat", "TaskList"))},
              "GetCodecTaskDetail": {"TaskId": "1265"}, "GetFormatTaskDetail": {"TaskId": "ts/1"},
              "GetSnapTaskDetail": {"TaskId": "snap/1"}}
    done = subprocess.run([reads, media.server.url, "org-a", client.public_key, client.private_key, str(NOON), str(NOON), "1265",
                           "ts/1", "snap/1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    decoded = json.loads(done.stdout)
    assert set(decoded) == set(ANSWERS)
    for action, shape in ANSWERS.items():
        sent = client.call(action, **params.get(action, {}))
        assert sent["RetCode"] == 0, sent
        assert decoded[action]["Action"] == f"{action}Response" and decoded[action]["RetCode"] == 0
        if action.startswith("Get") and action.endswith("TaskDetail"):
            # a field of the documentation's example that the SDK's types do not have
            shape = {name: inner for name, inner in shape.items() if name in decoded[action]}
        assert documented(shape, sent) == documented(shape, decoded[action]), action
    assert decoded["GetCodecTaskList"]["TaskList"][0]["Duration"] == 300
    assert decoded["GetSnapTaskDetail"]["ImageCount"] == 5 and decoded["GetCodecTaskDetail"]["CodecLevel"] == "mediumdefinition"


def test_the_typed_go_client_reports_a_refusal(media, reads):
    client = media.client
    done = subprocess.run([reads, media.server.url, "org-a", client.public_key, client.private_key, str(NOON), str(NOON), "none",
                           "ts/1", "snap/1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.startswith("GetCodecTaskDetail: ") and "230" in done.stderr, done


# ---- the command-line client ----


class Shell:
    """A user's directory with an old profile of the region cn-bj2: only its base URL is new."""

    def __init__(self, home, account):
        self.home = home
        client = account.client
        (home / ".ucloud").mkdir(parents=True)
        profile = {"profile": "old", "active": True, "project_id": "org-a", "region": "cn-bj2", "zone": "cn-bj2-04", "timeout_sec": 15,
                   "max_retry_times": 0, "agree_upload_log": False, "base_url": account.server.url + "/"}
        keys = {"profile": "old", "public_key": client.public_key, "private_key": client.private_key, "cookie": "", "csrf_token": ""}
        for name, content in (("config", profile), ("credential", keys)):
            (home / ".ucloud" / f"{name}.json").write_text(json.dumps([content]))

    def __call__(self, *args):
        done = subprocess.run([needed("UCLOUD_CLI"), *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env={**os.environ, "HOME": str(self.home)})
        return done.stdout + done.stderr

    def action(self, name, **params):
        flags = [word for key, value in params.items() for word in (f"--{key}", str(value))]
        return json.loads(self("api", "--Action", name, *flags))


def test_an_old_profile_works_when_its_region_is_listed(media, tmp_path):
    shell = Shell(tmp_path / "home", media)
    assert "cn-bj2" in shell("region") and "cn-bj2-04" in shell("region")
    assert "org-a" in shell("project", "list")
    assert "is not exist" not in shell("config", "update", "--profile", "old", "--region", "cn-bj2", "--zone", "cn-bj2-04")
    assert "region[cn-sh2] is not exist" in shell("config", "update", "--profile", "old", "--region", "cn-sh2")
    user, = shell.action("GetUserInfo")["DataSet"]
    assert user["UserEmail"] == media.client.public_key and user["AuthState"] == "CERTIFIED"
    task, = shell.action("GetSnapTaskList", BeginTime=NOON, EndTime=NOON)["TaskList"]
    assert (task["TaskId"], task["ImageCount"]) == ("snap/1", 5)
    assert shell.action("GetCodecTaskDetail", TaskId="1265")["Duration"] == 300


def test_an_old_profile_is_refused_when_its_region_is_not_listed(bare, tmp_path):  # noqa: F811
    """By the client. That is why api.regions exists."""
    shell = Shell(tmp_path / "home", Account(bare))
    assert "region[cn-bj2] is not exist" in shell("config", "update", "--profile", "old", "--region", "cn-bj2", "--zone", "cn-bj2-04")
