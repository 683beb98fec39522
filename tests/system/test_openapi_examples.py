"""Every example of the document is sent to a real server, and each answer is what the document says of it: resources with each parameter
alone and with all of them, signed actions, reports, and each status of an error that can be provoked. Source: issue 15, point 6."""
import copy
import datetime
import itertools
import json
import re

import pytest
from jsonschema import ValidationError

import contract
from client import event, form, sign
from conftest import Server
from test_docs import blocks, read

CONTRACT = contract.Contract(contract.read())
SETTINGS = ("query.max_age=0", "query.max_span=0", "api.regions=cn-bj2/cn-bj2-04", "ingest.body_max=100000")
PUBLIC, PRIVATE = "ucloud-example@example.com", "46f09bb9fab4f12dfc160dae12273d5332b5debe"


class World:
    """A server in which the examples mean something: their projects, tasks, keys and tokens."""

    def __init__(self, path):
        self.server = Server(path / "data").start(*SETTINGS)
        self.server.admin("project", "create", "--id", "org-demo", "--name", "Demo")
        self.server.admin("project", "create", "--id", "org-acme", "--labels", "team")
        (path / "private").write_text(PRIVATE)
        self.server.admin("key", "create", "--public-key", PUBLIC, "--private-key-file", path / "private")
        self.client = self.server.client()
        self.tokens = {scope: self.server.admin("token", "create", "--scope", scope)["token"] for scope in ("read", "write", "void")}
        for project, scope in itertools.product(("org-demo", "org-acme"), ("write", "read")):
            self.tokens[project, scope] = self.server.admin("token", "create", "--scope", scope, "--project", project)["token"]
        self.report_tasks()

    def report_tasks(self):
        curl, = (block for block in blocks(read("docs/api.md")) if block.startswith("curl"))
        assert self.report(re.search(r"<<'END'\n(.*)^END$", curl, re.M | re.S)[1], "application/x-ndjson", ("org-demo", "write"))["stored"] == 5
        task = event("job-4711/720p", time="2026-10-31T15:40:09.500Z", seconds=20.033, width=1280, height=720, codec="libx264", source="farm-7")
        task["data"] |= {"task_id": "job-4711", "labels": {"team": "news"}, "frame_rate": 29.97, "format": "mp4", "quality": "hq", "region": "r",
                         "passes": 2, "input_duration_ms": 1, "src_url": "s", "dest_name": "n", "dest_bucket": "b", "created": "2026-10-31T15:39:00Z"}
        others = [event("audio", time="2026-10-02T00:00:00Z", type="audio.finished", data={"codec": "aac", "duration_ms": 1}),
                  event("images", time="2026-10-02T00:00:00Z", type="snapshot.finished", data={"image_count": 3}),
                  event("remux", time="2026-10-02T00:00:00Z", type="remux.finished", data={"duration": 61.5}),
                  event("failed", time="2026-10-02T00:00:00Z", type="transcode.failed"), event("voided", time="2026-10-02T00:00:00Z")]
        del others[3]["data"]
        assert self.report([{**one, "subject": "org-acme"} for one in [task, *others]], token="void")["stored"] == 6
        void = event("v", type="usage.voided", subject="org-acme", data={"source": "test", "id": "voided", "reason": "r", "actor": "a"})
        assert self.report(void, token="void")["stored"] == 1
        waits = self.send(CONTRACT.operations["reportNotice"], {"name": "umedia", "project": "org-acme"}, '{"task_id":"9","retcode":0}')
        assert waits.json()["unresolved"] == 1

    def report(self, events, kind="application/json", token="write"):
        return self.client.report(events, kind, self.tokens[token]).json()

    def ask(self, operation, values, token="read", **headers):
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens[token]}"
        return self.client.request(operation.method, operation.target(values), headers=headers)

    def send(self, operation, values, body, kind="application/json", token="write", **headers):
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens[token]}"
        return self.client.request(operation.method, operation.target(values), body if isinstance(body, (str, bytes)) else json.dumps(body),
                                   {"Content-Type": kind, **headers})

    def call(self, params, **changed):
        """A signed request, as the document says: a form."""
        params = {**params, "PublicKey": PUBLIC}
        params.pop("Signature", None)
        params["Signature"] = sign(params, PRIVATE)
        return self.client.request("POST", "/", form({**params, **changed}), {"Content-Type": contract.FORM})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("examples"))
    yield made
    made.server.stop()


# ---- /v1 ----


def examples_of(operation):
    return {name: parameter["example"] for name, parameter in operation.parameters.items()}


def has_passed(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")) < datetime.datetime.now(datetime.timezone.utc)


def expected(operation, values):
    """The cursor is of no query, and the instant of `as_of` may be to come by this machine's clock. When it has passed, the tasks of
    this test were not there yet. Of usage, `to` needs `from`, and `as_of` needs a range."""
    if "cursor" in values or ("as_of" in values and not has_passed(values["as_of"])):
        return 400
    if operation.id == "usage" and set(values) in ({"to"}, {"as_of"}):
        return 400
    return 404 if operation.id == "task" and "as_of" in values else 200


def together(operation):
    """All examples that may be given beside each other, in each way, and in each format."""
    values = examples_of(operation)
    values.pop("cursor", None)
    excluding = {name: parameter["x-codecmeter-excludes"] for name, parameter in operation.parameters.items() if "x-codecmeter-excludes" in parameter}
    assert all(name in excluding[other] for name, others in excluding.items() for other in others)
    free = [name for name in values if name not in excluding]
    chosen = [set(names) for count in range(len(excluding) + 1) for names in itertools.combinations(excluding, count)
              if not any(other in names for name in names for other in excluding[name])]
    for names in chosen:
        if any(names < more for more in chosen):
            continue
        way = {name: values[name] for name in values if name in free or name in names}
        for kind in operation.parameters.get("format", {"schema": {"enum": [None]}})["schema"]["enum"]:
            yield {**way, "format": kind} if kind else way


def alone(operation):
    values = examples_of(operation)
    path = {name: values[name] for name, parameter in operation.parameters.items() if parameter["in"] == "path"}
    yield path
    for name, value in values.items():
        if name not in path:
            yield {**path, name: value}
        for item in operation.parameters[name]["schema"].get("enum", ()):
            yield {**path, name: item}
        for item in operation.parameters[name]["schema"].get("items", {}).get("enum", ()):
            yield {**path, name: [item]}


@pytest.mark.parametrize("operation", CONTRACT.of_kind("resource"))
def test_each_parameter_alone(world, operation):
    for values in alone(operation):
        answer = world.ask(operation, values)
        assert answer.status == expected(operation, values), (values, answer.body)
        operation.check(answer)


@pytest.mark.parametrize("operation", CONTRACT.of_kind("resource"))
def test_all_parameters_together(world, operation):
    sent = list(together(operation))
    assert len(sent) == (6 if "month" in operation.parameters else 3 if "format" in operation.parameters else 1)
    for values in sent:
        answer = world.ask(operation, values)
        assert answer.status == expected(operation, values), (values, answer.body)
        operation.check(answer)


@pytest.mark.parametrize("status", ["finished", "failed", "voided", "unresolved", "all"])
def test_tasks_of_each_status(world, status):
    """Each row fits, and so does each of these tasks, explained."""
    tasks, task = CONTRACT.operations["tasks"], CONTRACT.operations["task"]
    rows = tasks.check(world.ask(tasks, {"status": status}))["rows"]
    assert rows
    for row in rows:
        told = task.check(world.ask(task, {name: row[name] for name in ("project", "source", "id")}))
        assert told["task"]["status"] == row["status"]


def test_a_void_explained(world):
    task = CONTRACT.operations["task"]
    told = task.check(world.ask(task, {"project": "org-acme", "source": "test", "id": "v"}))
    assert told["task"]["status"] == "void" and told["task"]["voids"]["id"] == "voided"


def test_members_of_a_task_are_in_the_order_of_its_table(world):
    def order(schema, value, place):
        assert list(value) == list(schema["properties"]), place
        for name, inner in schema["properties"].items():
            if "properties" in inner and value[name] is not None:
                order(inner, value[name], f"{place}.{name}")

    task = CONTRACT.operations["task"]
    schema = CONTRACT.root["components"]["schemas"]["taskAnswer"]
    for source, id in (("farm-7", "job-4711/720p"), ("test", "voided"), ("test", "v"), ("umedia", "9")):
        order(schema, world.ask(task, {"project": "org-acme", "source": source, "id": id}).json(), id)


def test_a_second_page(world):
    tasks = CONTRACT.operations["tasks"]
    first = tasks.check(world.ask(tasks, {"limit": 1}))
    second = tasks.check(world.ask(tasks, {"limit": 1, "cursor": first["next_cursor"]}))
    assert len(first["rows"]) == len(second["rows"]) == 1 and first["rows"] != second["rows"]


@pytest.mark.parametrize("operation", CONTRACT.of_kind("resource"))
def test_values_that_the_schema_refuses_are_refused(world, operation):
    """What a schema says is not stricter than the server: a value that does not fit is a 400."""
    bad = {"string": ["\x00"], "integer": ["x", "-1", "1.5"]}
    path = {name: value for name, value in examples_of(operation).items() if operation.parameters[name]["in"] == "path"}
    for name, parameter in operation.parameters.items():
        schema = parameter["schema"].get("items", parameter["schema"].get("additionalProperties", parameter["schema"]))
        values = list(bad[schema["type"]])
        if "enum" in schema or "pattern" in schema:
            values += ["no-such", "1280x", "29.", "2026-13", "transcodes"]
        if "maxLength" in schema:
            values.append("x" * (schema["maxLength"] + 1))
        if parameter["in"] == "path":
            continue
        for value in values:
            sent = {"label.team": value} if name == "label" else [value] if parameter["schema"]["type"] == "array" else value
            answer = world.ask(operation, {**path, name: sent})
            assert answer.status in (400, 404) and (answer.status == 400 or name == "project"), (name, value, answer.status)
            operation.check(answer)


def errors_of_v1(world, operation):
    values = {name: value for name, value in examples_of(operation).items() if operation.parameters[name]["in"] == "path"}
    path = operation.target(values)
    bearer = {"Authorization": f"Bearer {world.tokens['read']}"}
    yield 400, world.client.request("GET", path + "?no-such=1", headers=bearer)
    yield 401, world.client.request("GET", path)
    yield 401, world.client.request("GET", path, headers={"Authorization": "Bearer x"})
    yield 403, world.ask(operation, values, "write")
    yield 406, world.client.request("GET", path, headers={**bearer, "Accept": "image/png"})
    yield 413, world.client.request("GET", path, "body", bearer)
    if values:
        yield 404, world.ask(operation, {**values, "id": "no-such"})
        yield 404, world.ask(operation, values, ("org-demo", "read"))
    else:
        yield 404, world.ask(operation, {"project": ["no-such"]})
        yield 404, world.ask(operation, {"project": ["org-acme"]}, ("org-demo", "read"))
    known = world.client.request("GET", path + "?format=json" if not values else path, headers=bearer)
    if "etag" in known.headers and operation.id != "sources":  # whose figures change
        yield 304, world.client.request("GET", path + "?format=json" if not values else path, headers={**bearer, "If-None-Match": known.headers["etag"]})


@pytest.mark.parametrize("operation", CONTRACT.of_kind("resource"))
def test_each_error_of_v1(world, operation):
    provoked = set()
    for status, answer in errors_of_v1(world, operation):
        assert answer.status == status, (status, answer.status, answer.body)
        operation.check(answer)
        provoked.add(str(status))
    assert provoked >= {"400", "401", "403", "404", "406", "413"}
    assert set(operation.told["responses"]) - provoked <= {"200", "304", "500", "503", "505"}


class Raw:
    """An answer to a request that http.client would not send."""

    def __init__(self, data):
        head, self.body = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def test_an_answer_that_is_too_long_for_http_1_0(world):
    operation = CONTRACT.operations["usage"]
    target = operation.target({"project": ["org-acme"], "from": "2025-01-01", "to": "2026-12-31", "step": "15m", "zeros": 1})
    sent = f"GET {target} HTTP/1.0\r\nAuthorization: Bearer {world.tokens['read']}\r\n\r\n"
    answer = Raw(world.client.raw(sent.encode()))
    assert answer.status == 505
    operation.check(answer)


# ---- the signed API ----


@pytest.mark.parametrize("operation", CONTRACT.of_kind("action"))
def test_each_action(world, operation):
    """The request of the example, each parameter's own example alone beside what is required, and all of them."""
    schema, example = operation.bodies()[contract.FORM]
    answer = operation.check(world.call(example))
    assert answer["RetCode"] == 0, answer
    assert list(answer) == list(operation.told["responses"]["200"]["content"]["application/json"]["example"])
    own = {name: value for name, param in schema["properties"].items() for value in param.get("examples", ()) if name not in ("PublicKey", "Signature")}
    required = {name: example[name] for name in schema["required"] if name not in ("PublicKey", "Signature")}
    for name, value in own.items():
        assert operation.check(world.call({**required, name: value}))["RetCode"] in (0, 230), (name, value)
    assert operation.check(world.call({**required, **own}))["RetCode"] in (0, 230)


@pytest.mark.parametrize("operation", CONTRACT.of_kind("action"))
def test_each_refusal_of_an_action(world, operation):
    schema, example = operation.bodies()[contract.FORM]
    example = {name: value for name, value in example.items() if name not in ("PublicKey", "Signature")}
    provoked = {
        170: {**example, "PublicKey": PUBLIC}, 172: {**example, "PublicKey": "nobody", "Signature": "x"}, 220: {**example, "Signature": "x"},
        171: {**example, "PublicKey": PUBLIC, "Signature": "0" * 40},
        161: {**example, "Action": "NoSuch"}, 160: {name: value for name, value in example.items() if name != "Action"},
    }
    for code, params in provoked.items():
        answer = world.client.request("POST", "/", form(params), {"Content-Type": contract.FORM})
        assert operation.check(answer)["RetCode"] == code, answer.body
    if "ProjectId" in schema["properties"]:
        assert operation.check(world.call({**example, "ProjectId": "no-such"}))["RetCode"] == 292
    if "BeginTime" in schema["properties"]:
        assert operation.check(world.call({**example, "BeginTime": "x"}))["RetCode"] == 230


# ---- reports ----


def path_of(operation):
    """Its path's and its query's examples that every example of a body can have."""
    return {name: parameter["example"] for name, parameter in operation.parameters.items() if name in ("name", "project")}


@pytest.mark.parametrize("operation", CONTRACT.of_kind("report"))
def test_each_report(world, operation):
    """Each content type's example is taken; sent again it is taken for what it is."""
    for kind, (schema, example) in operation.bodies().items():
        for _ in range(2):
            answer = world.send(operation, path_of(operation), example, kind)
            assert answer.status in (200, 204), (kind, answer.body)
            operation.check(answer)
        if operation.parameters:
            answer = world.send(operation, {name: parameter["example"] for name, parameter in operation.parameters.items()}, example, kind)
            assert answer.status == 200, answer.body
            operation.check(answer)


@pytest.mark.parametrize("id", ["reportEvents", "reportEventsOpenMeter"])
def test_what_becomes_of_a_single_event(world, id):
    operation = CONTRACT.operations[id]
    _, example = operation.bodies()["application/json"]
    conflict, rejected = copy.deepcopy(example), copy.deepcopy(example)
    conflict["id"] = rejected["id"] = "single/" + id
    assert world.send(operation, {}, conflict).status in (200, 204)
    conflict["data"]["duration_ms"] += 5000
    rejected["data"]["width"] = 0
    for body, status, outcome in ((conflict, 409, "conflict"), (rejected, 422, "rejected")):
        answer = world.send(operation, {}, body)
        assert answer.status == status, answer.body
        assert operation.check(answer)["results"][0]["outcome"] == outcome


def test_a_notice_that_is_kept(tmp_path):
    """The answer to a notice on which the script fails has two members more."""
    (tmp_path / "umedia.lua").write_text("function adapt() error('no') end\n")
    server = Server(tmp_path / "data").start(f"adapter.umedia.script={tmp_path / 'umedia.lua'}")
    try:
        server.admin("project", "create", "--id", "org-demo")
        token = server.admin("token", "create")["token"]
        operation = CONTRACT.operations["reportNotice"]
        _, example = operation.bodies()["application/json"]
        answer = server.client().request("POST", operation.target(path_of(operation)), json.dumps(example), {"Authorization": f"Bearer {token}"})
        assert operation.check(answer)["quarantined"] == 1
    finally:
        server.stop()


def errors_of_reports(world, operation):
    values, (kind, (_, example)) = path_of(operation), next(iter(operation.bodies().items()))
    yield 400, world.send(operation, values, "no JSON", kind)
    yield 401, world.send(operation, values, example, kind, token=None)
    yield 403, world.send(operation, values, example, kind, token="read")
    yield 413, world.send(operation, values, b" " * 100001, kind)
    yield 415, world.send(operation, values, example, kind, **{"Content-Encoding": "br"})
    if "name" in values:
        yield 404, world.send(operation, {**values, "name": "no-such"}, example, kind)
        yield 404, world.send(operation, {**values, "project": "no-such"}, example, kind)
        yield 403, world.send(operation, values, example, kind, token=("org-acme", "write"))
        yield 400, world.send(operation, {"name": "umedia"}, example, kind)
        yield 400, world.send(operation, {**values, "time": "x"}, example, kind)


@pytest.mark.parametrize("operation", CONTRACT.of_kind("report"))
def test_each_error_of_reports(world, operation):
    provoked = set()
    for status, answer in errors_of_reports(world, operation):
        assert answer.status == status, (status, answer.status, answer.body)
        operation.check(answer)
        provoked.add(str(status))
    assert set(operation.told["responses"]) - provoked <= {"200", "204", "409", "422", "429", "503"}


def test_too_many_agents(world):
    operation = CONTRACT.operations["reportAgent"]
    for number in range(1100):  # AGENTS_PROJECT_MAX is 1000
        answer = world.send(operation, {}, {"agent": f"agent-{number}"}, token=("org-demo", "write"))
        if answer.status != 200:
            break
    assert answer.status == 429
    operation.check(answer)


def test_what_the_schema_of_events_refuses_is_rejected(world):
    """And what it takes is stored: the schema is neither stricter nor laxer than the server in these."""
    schema = CONTRACT.root["components"]["schemas"]["Event"]
    good = {"source": "s", "type": "transcode.finished", "subject": "org-demo", "data": {"codec": "h264", "width": 1, "height": 1, "duration_ms": 1}}
    changes = [
        ({}, True), ({"type": "remux.finished", "data": {"duration": 1.5}}, True), ({"type": "snapshot.finished", "data": {"image_count": 0}}, True),
        ({"type": "audio.finished", "data": {"codec": "aac", "duration_ms": 1}}, True), ({"type": "transcode.failed", "data": None}, True),
        ({"unknown": [1]}, True), ({"data": {**good["data"], "frame_rate": "30000/1001"}}, True), ({"data": {**good["data"], "frame_rate": 25}}, True),
        ({"data": {**good["data"], "labels": {"team": "a"}}}, True), ({"time": "2026-01-31T12:00:00+08:00"}, True),
        ({"data": None, "data_base64": "eyJpbWFnZV9jb3VudCI6MTJ9", "type": "snapshot.finished"}, True),
        ({"source": None}, False), ({"source": ""}, False), ({"source": 1}, False), ({"source": "s" * 257}, False), ({"type": "transcode"}, False),
        ({"type": None}, False), ({"data": None}, False), ({"data": []}, False), ({"subject": "p" * 65}, False), ({"time": "yesterday"}, False),
        ({"specversion": "0.3"}, False), ({"data": {**good["data"], "width": 0}}, False), ({"data": {**good["data"], "width": 65536}}, False),
        ({"data": {**good["data"], "width": "1"}}, False), ({"data": {**good["data"], "passes": 0}}, False),
        ({"data": {**good["data"], "frame_rate": 0}}, False), ({"data": {**good["data"], "frame_rate": 1001}}, False),
        ({"data": {**good["data"], "frame_rate": "25 fps"}}, False), ({"data": {**good["data"], "labels": {"a": 1}}}, False),
        ({"data": {**good["data"], "labels": {f"l{i}": "x" for i in range(9)}}}, False), ({"data": {**good["data"], "quality": "q" * 33}}, False),
        ({"type": "audio.finished", "data": {"duration_ms": 1}}, False), ({"type": "snapshot.finished", "data": {"duration_ms": 1}}, False),
        ({"type": "remux.finished", "data": {}}, False), ({"data": {"codec": "h264", "width": 1, "duration_ms": 1}}, False),
    ]
    for number, (change, is_good) in enumerate(changes):
        sent = {name: value for name, value in {**good, "id": f"schema-{number}", **change}.items() if value is not None}
        answer = world.send(CONTRACT.operations["reportEvents"], {}, sent)
        assert (answer.status == 200) == is_good, (change, answer.body)
        if is_good:
            CONTRACT.fits(schema, sent)
        else:
            with pytest.raises(ValidationError):
                CONTRACT.fits(schema, sent)


# ---- the check itself ----


def broken(change):
    root = copy.deepcopy(CONTRACT.root)
    change(root)
    return contract.Contract(root).operations


def row(root):
    return root["components"]["schemas"]["usageRow"]


@pytest.mark.parametrize("change", [
    lambda root: row(root)["properties"].pop("seconds"), lambda root: row(root)["properties"]["seconds"].update(type="string"),
    lambda root: row(root)["required"].append("tier"), lambda root: row(root).pop("patternProperties"),
    lambda root: row(root)["properties"]["date"].update(format="uuid"),
    lambda root: root["paths"]["/v1/usage"]["get"]["responses"].pop("200"),
    lambda root: root["paths"]["/v1/usage"]["get"]["responses"]["200"]["content"].pop("application/json"),
    lambda root: root["components"]["headers"]["X-Codecmeter-Position"]["schema"].update(type="string", format="uuid"),
])
def test_a_wrong_document_is_found(world, change):
    """Each of these would be a document that does not say what the server does."""
    operation = CONTRACT.operations["usage"]
    answer = world.ask(operation, {"month": "2026-10", "group": ["label.team", "codec"]})
    operation.check(answer)
    with pytest.raises((AssertionError, ValidationError)):
        broken(change)["usage"].check(answer)
