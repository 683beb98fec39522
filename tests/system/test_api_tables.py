"""The signed API does what its tables say, as the document of `codecmeter openapi` shows them: answers have exactly the fields
of the document, each parameter is read, and the pages of docs/ have the same tables."""
import json
import os
import subprocess
import sys

import pytest

from conftest import CODECMETER, ROOT, Account, Server, run
from test_umedia_reads import BAD_TIMES, NOON, TASKS, made, transcode, void
from umedia import ANSWERS

COMMON = ("Action", "PublicKey", "Signature")
FORM = "application/x-www-form-urlencoded"


def actions():
    """Each action: its parameters beside the common ones, those that are required, and the schema of a success."""
    document = json.loads(run("openapi").stdout)
    found = {}
    for path in document["paths"].values():
        operation = path.get("post", {})
        if operation.get("x-codecmeter-kind") != "action":
            continue
        form = operation["requestBody"]["content"][FORM]["schema"]
        assert (list(form["properties"])[:2], list(form["properties"])[-1]) == (["Action", "PublicKey"], "Signature")
        params = {name: schema for name, schema in form["properties"].items() if name not in COMMON}
        required = [name for name in form["required"] if name not in COMMON]
        success = operation["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"][0]
        found[operation["operationId"]] = params, required, success
    return found


TABLES = actions()


def test_every_action_has_a_table():
    assert list(TABLES) == list(ANSWERS)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Usage of all kinds: finished, failed, voided and waiting; an empty project; an id that tasks of each kind have."""
    server = Server(tmp_path_factory.mktemp("media") / "data")
    account = Account(server, "query.max_age=0", "query.max_span=0", "api.regions=cn-bj2/cn-bj2-04, hk/hk-02")
    for project in ("org-demo", "org-empty", "org-other"):
        server.admin("project", "create", "--id", project)
    token = server.admin("token", "create", "--project", "org-demo", "--scope", "void")["token"]
    same = [transcode("t", task_id="1265"), made("remux", "r", duration_ms=1, task_id="1265"),
            made("snapshot", "s", image_count=1, task_id="1265")]
    assert account.client.report(TASKS + same, token=token).json()["stored"] == len(TASKS + same)
    assert account.client.report(same).json()["stored"] == len(same)  # in org-a, the default project
    assert account.client.report(void("v1", "job/void"), token=token).json()["stored"] == 1
    notice = {"retcode": 0, "task_id": "w", "src_url": "s", "dest_video_name": "d", "dest_video_url": "u", "duration": 30,
              "file_size": 1, "width": 1280, "height": 720, "message": ""}
    reply = account.client.request("POST", "/v1/adapters/umedia?source=um", json.dumps(notice),
                                   {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    assert reply.json()["unresolved"] == 1, reply.body
    key = server.admin("key", "create", "--project", "org-demo", "--project", "org-empty")
    account.sub = server.client(public_key=key["public_key"], private_key=key["private_key"])
    yield account
    server.stop()


# ---- fields ----


def check(schema, value, where):
    """Exactly the members of the schema, in its order, of its types."""
    python_type = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}[schema["type"]]
    assert type(value) is python_type, (where, value)
    if "const" in schema:
        assert value == schema["const"], (where, value)
    if python_type is dict:
        assert list(value) == list(schema.get("properties", {})), where
        for name, member in value.items():
            check(schema["properties"][name], member, f"{where}.{name}")
    if python_type is list:
        assert len(value) <= schema.get("maxItems", len(value)), where
        for number, row in enumerate(value):
            check(schema["items"], row, f"{where}[{number}]")


@pytest.mark.parametrize("action", TABLES)
def test_answers_have_the_fields_of_the_table(media, action):
    """Of both kinds of keys; with usage and without; of each task, finished or failed."""
    _, _, schema = TABLES[action]
    requests = [{"ProjectId": project} for project in ("org-demo", "org-empty")]
    if "BeginTime" in TABLES[action][0]:
        requests = [{**request, "BeginTime": NOON, "EndTime": NOON} for request in requests]
    if action.endswith("TaskDetail"):
        ids = {"GetCodecTaskDetail": ("1265", "job/1080", "bad"), "GetFormatTaskDetail": ("ts/1", "ts/2", "ts/bad"),
               "GetSnapTaskDetail": ("snap/1", "snap/bad")}[action]
        requests = [{**requests[0], "TaskId": task} for task in ids]
    for client in (media.client, media.sub):
        for request in requests:
            answer = client.call(action, **request)
            assert answer["RetCode"] == 0, answer
            check(schema, answer, action)
    rows = [member for member in media.client.call(action, **requests[0]).values() if isinstance(member, list)]
    assert action.endswith(("TaskDetail", "PattenList")) or rows and all(rows), "nothing was compared"


def test_a_refusal_has_no_field(media):
    for action in TABLES:
        assert list(media.client.call(action, PublicKey="nobody")) == ["RetCode", "Action", "Message"]


# ---- parameters ----


def request_of(action, **others):
    """The example of each parameter of the table."""
    params, _, _ = TABLES[action]
    return {name: schema["examples"][0] for name, schema in params.items()} | others


def sent_json(media, action, **params):
    return media.client.post_json(media.client.signed({"Action": action, **params}))


@pytest.mark.parametrize("action", TABLES)
def test_each_example_of_a_parameter_is_good(media, action):
    assert media.client.call(action, **request_of(action))["RetCode"] == 0
    assert media.client.call(action, **{name.lower(): value for name, value in request_of(action).items()})["RetCode"] == 0
    assert sent_json(media, action, **request_of(action))["RetCode"] == 0


@pytest.mark.parametrize("action", TABLES)
def test_each_parameter_is_read(media, action):
    """What its table does not allow is refused, and the refusal names it."""
    params, required, _ = TABLES[action]
    for name, schema in params.items():
        bad = [[1], {"a": 1}]
        if schema["type"] == "integer":
            bad += [schema["minimum"] - 1, schema["maximum"] + 1, *BAD_TIMES]
        for value in bad:
            answer = sent_json(media, action, **request_of(action, **{name: value}))
            assert answer["RetCode"] == 230 and answer["Message"].startswith(f"Params [{name}] not available: "), (value, answer)
        for empty in ("", " "):
            code = media.client.call(action, **request_of(action, **{name: empty}))["RetCode"]
            assert code == (220 if name in required else 0), (name, code)
        if "maxLength" in schema:
            answer = media.client.call(action, **request_of(action, **{name: "x" * (schema["maxLength"] + 1)}))
            assert answer["RetCode"] == 230 and f"longer than {schema['maxLength']} bytes" in answer["Message"], answer
    for name in required:
        request = {key: value for key, value in request_of(action).items() if key != name}
        answer = media.client.call(action, **request)
        assert (answer["RetCode"], answer["Message"]) == (220, f"Missing params [{name}]")


@pytest.mark.parametrize("action", TABLES)
def test_projects(media, action):
    """An action that has ProjectId in its table reads it; a sub-account must give it. The others do not look at it."""
    reads = "ProjectId" in TABLES[action][0]
    request = request_of(action)
    request.pop("ProjectId", None)
    assert media.client.call(action, **request, ProjectId="org-none")["RetCode"] == (292 if reads else 0)
    assert media.sub.call(action, **request, ProjectId="org-other")["RetCode"] == (299 if reads else 0)
    answer = media.sub.call(action, **request)
    assert answer["RetCode"] == (220 if reads else 0), answer
    assert not reads or answer["Message"] == "Missing params [ProjectId]"


@pytest.mark.parametrize("action", TABLES)
def test_no_other_parameter_is_read(media, action):
    """Parameters of other actions, and of UCloud's other services, are accepted and ignored, whatever their value."""
    names = {name for params, _, _ in TABLES.values() for name in params} | {"Region", "Zone", "IsFinance", "Message", "RetCode"}
    others = {name: "no such" for name in names - set(TABLES[action][0])}
    assert len(others) >= 5
    assert media.client.call(action, **request_of(action), **others) == media.client.call(action, **request_of(action))


def test_the_bound_of_limit_is_that_of_the_setting(bare):
    """The table's bound is the largest query.rows_max; the server's own setting holds."""
    most = TABLES["GetCodecTaskList"][0]["Limit"]["maximum"]
    account = Account(bare, f"query.rows_max={most}")
    for rows_max in (most, 10):
        assert account.client.call("GetCodecTaskList", Limit=rows_max)["RetCode"] == 0
        assert f"from 1 to {rows_max}" in account.client.call("GetCodecTaskList", Limit=rows_max + 1)["Message"]
        bare.stop()
        bare.start("query.rows_max=10")
    bare.stop()
    refused = run("serve", "--data", bare.data, "--set", f"query.rows_max={most + 1}", check=False)
    assert refused.returncode == 2 and "query.rows_max" in refused.stderr, refused


# ---- pages ----


def api_docs(*args):
    return subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "api-docs"), *args], check=False, capture_output=True, text=True,
                          env={**os.environ, "CODECMETER": CODECMETER})


def test_pages_have_the_tables():
    """If not: `make docs`."""
    done = api_docs("--check")
    assert done.returncode == 0, done.stderr


def test_pages_name_every_parameter_and_field():
    """Each action and resource has the parts that show its parameters and fields, or those of an action that has the same."""
    with open(os.path.join(ROOT, "docs", "api.md"), encoding="utf-8") as file:
        page = file.read()
    for action, (params, _, _) in TABLES.items():
        assert f"<!-- from the tables: {action} example -->" in page, action
        for name in params:
            assert f"| `{name}` |" in page, (action, name)
