"""The document of `codecmeter openapi` and GET /openapi.json: it has every route, parameter, column and code of the product's tables, in
two languages, and nothing of an instance. Source: issue 15, point 6; docs/openapi.md."""
import csv
import gzip
import io
import json
import os
import re
from urllib.parse import urljoin

import pytest
from jsonschema import Draft202012Validator

import contract
from conftest import ROOT, Server, run
from test_docs import names, read, table
from test_v1 import Reader
from umedia import ANSWERS

ENGLISH, CHINESE = contract.read("en"), contract.read("zh")
DOCUMENT = contract.Contract(ENGLISH)

# What each function of src/http/endpoints.h that makes a route serves. None: it is no part of the API, but for browsers or operators.
ROUTES = {
    "endpoint_api_route": "/", "endpoint_console_route": None, "endpoint_console_bare_route": None, "endpoint_uapi_route": None, "endpoint_openapi_route": "/openapi.json",
    "endpoint_events_route": "/v1/events", "endpoint_events_alias_route": "/api/v1/events", "endpoint_adapters_route": "/v1/adapters/{name}",
    "endpoint_agents_route": "/v1/agents",
    # for those who operate the server, perhaps on another address: docs/metrics.md
    "endpoint_ops_metrics_route": None, "endpoint_ops_healthz_route": None, "endpoint_ops_readyz_route": None,
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("openapi") / "data").start()
    server.admin("project", "create", "--id", "org-acme", "--labels", "team")
    yield Reader(server)
    server.stop()


# ---- languages ----


def texts(value, place=""):
    """Each place with a text for people, and the text."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in ("description", "summary") and isinstance(member, str):
                yield f"{place}/{name}", member
            elif name not in ("example", "examples"):
                yield from texts(member, f"{place}/{name}")
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from texts(member, f"{place}/{number}")


def without_texts(value):
    if isinstance(value, dict):
        return {name: without_texts(member) for name, member in value.items() if not (name in ("description", "summary") and isinstance(member, str))}
    return [without_texts(member) for member in value] if isinstance(value, list) else value


def test_both_languages_say_the_same():
    assert without_texts(ENGLISH) == without_texts(CHINESE)
    english, chinese = dict(texts(ENGLISH)), dict(texts(CHINESE))
    assert list(english) == list(chinese) and len(english) > 500
    for place, text in english.items():
        english_letters, han = re.findall("[A-Za-z]", text), re.findall("[\u3000-\u9fff\uff00-\uffef]", text)
        assert len(english_letters) > 2 * len(han), (place, text)  # UCloud's own words for the tiers are Chinese
        assert text != chinese[place] and re.search("[\u4e00-\u9fff]", chinese[place]), (place, chinese[place])


def described(value, place=""):
    """Each place that needs a description."""
    if isinstance(value, list):
        for number, member in enumerate(value):
            yield from described(member, f"{place}/{number}")
    if not isinstance(value, dict):
        return
    if "operationId" in value:
        yield place, value
        yield from ((f"{place}/responses/{status}", response) for status, response in value["responses"].items() if "$ref" not in response)
    if "in" in value and "name" in value or "title" in value and "version" in value:
        yield place, value
    for group in ("properties", "patternProperties") if "type" in value else ():
        yield from ((f"{place}/{group}/{name}", schema) for name, schema in value.get(group, {}).items())
    for name, member in value.items():
        if name not in ("example", "examples", "const", "enum"):
            yield from described(member, f"{place}/{name}")


@pytest.mark.parametrize("document", [ENGLISH, CHINESE])
def test_everything_has_a_description(document):
    places = list(described(document)) + [(tag["name"], tag) for tag in document["tags"]]
    for group in ("headers", "responses", "securitySchemes"):
        places += document["components"][group].items()
    assert len(places) > 400
    for place, value in places:
        assert value.get("description", "").strip(), place
    for _, told in [(place, value) for place, value in places if "operationId" in value]:
        assert told["summary"].strip() and "\n" not in told["summary"]


# ---- it is whole ----


def test_every_route():
    with open(os.path.join(ROOT, "src", "http", "endpoints.h"), encoding="utf-8") as file:
        found = set(re.findall(r"struct http_route (\w+)\(", file.read()))
    assert len(found) >= 8 and found <= set(ROUTES), found - set(ROUTES)
    paths = {path.split("#")[0] for path in ENGLISH["paths"]}
    for path in ROUTES.values():
        assert path is None or path in paths, path


def test_every_operation_of_v1(reader):
    listed = re.findall(r"/v1/[^\s,;]+", reader.ask("/v1/x").json()["detail"].split("reports go to")[0])
    assert [operation.path for operation in DOCUMENT.of_kind("resource")] == listed
    assert [operation.id for operation in DOCUMENT.of_kind("resource")] == ["projects", "usage", "tasks", "task", "sources"]


@pytest.mark.parametrize("operation", DOCUMENT.of_kind("resource"))
def test_every_parameter_and_column_of_v1(reader, operation):
    """The server itself lists both: in a refusal, and in the first line of a CSV."""
    path = operation.path.replace("{project}", "org-acme").replace("{source}", "x").replace("{id}", "x")
    said = reader.ask(f"{path}?no-such=1").json()["detail"].split("there are ")[1].split(", ")
    shown = [parameter.get("x-codecmeter-family", parameter["name"]) + ("NAME" if "x-codecmeter-family" in parameter else "")
             for parameter in operation.parameters.values() if parameter["in"] == "query"]
    assert shown == said
    segments = [name for name, parameter in operation.parameters.items() if parameter["in"] == "path"]
    assert segments == re.findall(r"{(\w+)}", operation.path)
    if "format" not in operation.parameters:
        return
    query = "format=csv"
    if operation.id == "usage":
        query += "&month=2026-10&compare=previous&group=project,codec,tier,resolution,frame_rate,source,label.team"
    header, = csv.reader(io.StringIO(reader.ask(f"{path}?{query}").body.decode("utf-8-sig").splitlines()[0]))
    row = ENGLISH["components"]["schemas"][operation.id + "Row"]
    order = row.get("x-codecmeter-order", list(row["properties"]))
    assert [name if name != "label." else "label.team" for name in order] == header


def columns(shape, schema, place):
    """Every field that a typed client of UCloud decodes is in the schema."""
    if isinstance(shape, list):
        columns(shape[0], schema["items"], place + "[]")
    elif isinstance(shape, dict):
        for name, inner in shape.items():
            assert name in schema["properties"], f"{place}.{name}"
            columns(inner, schema["properties"][name], f"{place}.{name}")
    else:
        assert schema["type"] == {"text": "string", "int": "integer", "bool": "boolean"}[shape], place


@pytest.mark.parametrize("action", ANSWERS)
def test_every_action(action):
    operation = DOCUMENT.operations[action]
    assert (operation.path, operation.method, operation.kind) == (f"/#{action}", "POST", "action")
    schema, example = operation.bodies()[contract.FORM]
    assert schema["properties"]["Action"]["const"] == action
    assert [name for name in schema["properties"] if name in ("Action", "PublicKey", "Signature")] == ["Action", "PublicKey", "Signature"]
    success, refusal = operation.told["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"]
    if action != "GetCodecPattenList" and action != "GetWaterMarkPattenList":  # whose lists are empty
        columns(ANSWERS[action], success, action)
    assert refusal == {"$ref": "#/components/schemas/Refusal"}
    DOCUMENT.fits(schema, example)


def test_no_action_is_missing():
    assert [operation.id for operation in DOCUMENT.of_kind("action")] == list(ANSWERS)


def test_every_code_of_a_refusal():
    with open(os.path.join(ROOT, "src", "api", "retcode.h"), encoding="utf-8") as file:
        codes = [int(code) for code in re.findall(r"RETCODE_\w+ = (\d+)", file.read())]
    schema = ENGLISH["components"]["schemas"]["Refusal"]["properties"]["RetCode"]
    assert [0, *schema["enum"]] == codes
    assert re.findall(r"(\d+):", schema["description"]) == [str(code) for code in codes[1:]]


def cells(text, head):
    return [name for row in table(text, head) for name in re.findall(r"`(\w+)`", row[0])]


def test_every_member_of_an_event():
    """docs/events.md has the same tables, written by hand."""
    text, schemas = read("docs/events.md"), ENGLISH["components"]["schemas"]
    assert set(cells(text, "attribute")) | {"data_base64"} == set(schemas["Event"]["properties"])
    of_void, = re.findall(r"^\| member \| \| value \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.M)
    of_tasks, = re.findall(r"^\| member \| of \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.M)
    first = [name for line in (of_tasks + of_void).splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert set(first) == set(schemas["EventData"]["properties"])
    types, = [row[2] for row in table(text, "attribute") if row[0] == "`type`"]
    assert schemas["Event"]["properties"]["type"]["enum"] == re.findall(r"`([\w.]+)`", types)


def test_every_member_of_an_agents_report():
    section = read("docs/agents.md").split("### The report of an agent")[1]
    assert set(cells(section, "member")) == set(ENGLISH["components"]["schemas"]["AgentReport"]["properties"])


def test_every_adapter(reader):
    token = reader.server.admin("token", "create", "--project", "org-acme")["token"]
    said = reader.server.client().request("POST", "/v1/adapters/x", "{}", {"Authorization": f"Bearer {token}"}).json()["detail"]
    name = DOCUMENT.operations["reportNotice"].parameters["name"]
    assert sorted(name["description"].split("built in: ")[1].split(", ")) == sorted(said.split("the adapters are ")[1].split(", "))
    assert "enum" not in name["schema"] and "anyOf" not in name["schema"]  # settings add adapters of other names


def test_every_parameter_of_a_notice():
    """docs/adapters.md has the same table, written by hand. The token in the URL is a scheme of its own."""
    operation = DOCUMENT.operations["reportNotice"]
    section = re.search(r"^## The URL\n(.*?)^## ", read("docs/adapters.md"), re.M | re.S)[1]
    shown = [name for name, parameter in operation.parameters.items() if parameter["in"] == "query"]
    assert [*shown, "token"] == names(table(section, "parameter"))
    scheme = ENGLISH["components"]["securitySchemes"]["token_in_url"]
    assert {"token_in_url": []} in operation.told["security"] and (scheme["in"], scheme["name"]) == ("query", "token")


def test_schemas_and_examples_are_sound():
    """Each schema is one, each reference leads somewhere, and each example fits its schema."""
    seen = 0
    for name, schema in ENGLISH["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name and schema
    for operation in DOCUMENT.operations.values():
        for name, parameter in operation.parameters.items():
            Draft202012Validator.check_schema(parameter["schema"])
            DOCUMENT.fits(parameter["schema"], parameter["example"])
            seen += 1
        for schema, example in operation.bodies().values():
            Draft202012Validator.check_schema(schema)
            DOCUMENT.fits(schema, example)
            seen += 1
        for response in operation.told["responses"].values():
            for content in DOCUMENT.resolve(response).get("content", {}).values():
                if "example" in content:
                    DOCUMENT.fits(content["schema"], content["example"])
                    seen += 1
    assert seen > 100
    tags = {tag["name"] for tag in ENGLISH["tags"]}
    for operation in DOCUMENT.operations.values():
        assert set(operation.told["tags"]) <= tags
        for door in operation.told["security"]:
            assert set(door) <= set(ENGLISH["components"]["securitySchemes"])


@pytest.mark.parametrize("page", ["docs/v1.md", "docs/v1-usage.md", "docs/v1-tasks.md"])
def test_answers_of_the_pages(page):
    """The example of each resource is the one that its page shows."""
    examples = [operation.told["responses"]["200"]["content"]["application/json"]["example"] for operation in DOCUMENT.of_kind("resource")]
    shown = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", read(page), re.M | re.S)]
    assert [block for block in shown if "position" in block and block in examples], page


# ---- how it is served ----


@pytest.mark.parametrize("query, language", [("", "en"), ("?", "en"), ("?lang=en", "en"), ("?lang=zh", "zh"), ("?lang=%7Ah&", "zh")])
def test_the_server_and_the_command_give_the_same(reader, query, language):
    answer = reader.server.client().request("GET", "/openapi.json" + query)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.body.decode() == run("openapi", "--lang", language).stdout


@pytest.mark.parametrize("query", ["lang=", "lang", "lang=de", "lang=EN", "lang=en&lang=en", "lang=en&lang=zh", "x=1", "lang=en&x", "LANG=en", "=en",
                                   "lang=en%00", "lang=%FF", "lang=" + "e" * 4000, "lang=en;"])
def test_bad_parameters(reader, query):
    answer = reader.server.client().request("GET", "/openapi.json?" + query)
    assert answer.status == 400 and answer.headers["content-type"] == contract.PROBLEM, answer.body
    assert "lang" in answer.json()["detail"]
    DOCUMENT.operations["openapi"].check(answer)


@pytest.mark.parametrize("arguments", [["--lang", "de"], ["--lang", ""], ["--lang"], ["x"], ["--lang", "EN"]])
def test_bad_arguments(arguments):
    done = run("openapi", *arguments, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("codecmeter openapi: "), done


def test_headers(reader):
    client = reader.server.client()
    plain = client.request("GET", "/openapi.json")
    packed = client.request("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 4
    assert plain.headers["etag"] != packed.headers["etag"]
    for answer in (plain, packed):
        assert answer.headers["cache-control"] == "no-cache" and answer.headers["x-content-type-options"] == "nosniff"
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert not [name for name in answer.headers if name.startswith("access-control")]
    head = client.request("HEAD", "/openapi.json")
    assert head.status == 200 and head.body == b"" and head.headers["content-length"] == str(len(plain.body))
    again = client.request("GET", "/openapi.json", headers={"If-None-Match": plain.headers["etag"]})
    assert again.status == 304 and again.headers["content-length"] == str(len(plain.body)) and "connection" not in again.headers
    DOCUMENT.operations["openapi"].check(again)
    other = client.request("GET", "/openapi.json?lang=zh", headers={"If-None-Match": plain.headers["etag"]})
    assert other.status == 200
    refused = client.request("POST", "/openapi.json", "{}")
    assert refused.status == 405 and refused.headers["allow"] == "GET, HEAD"
    assert client.request("GET", "/openapi.json/").status == 404


def test_operations_are_beside_the_document():
    """Also below the prefix of a proxy."""
    [server] = ENGLISH["servers"]
    assert urljoin("https://example.com/meter/openapi.json", server["url"] + "/v1/usage") == "https://example.com/meter/v1/usage"


def test_the_first_page_names_it(reader):
    page = reader.server.client().request("GET", "/", headers={"Accept": "text/html"})
    assert page.headers["link"] == '<openapi.json>; rel="service-desc"' and b'href="openapi.json"' in page.body


def test_nothing_of_the_instance(bare, tmp_path):
    """Settings, names and secrets change nothing in it."""
    (tmp_path / "mine.lua").write_text("function adapt() return {} end\n")
    bare.start("api.regions=marked-region/marked-zone", f"adapter.marked-adapter.script={tmp_path / 'mine.lua'}",
               "adapter.umedia.codec=h264", "ingest.body_max=777777", "query.max_age=0")
    bare.admin("project", "create", "--id", "marked-project", "--name", "Marked")
    bare.admin("token", "create", "--label", "marked-label")
    for language in ("en", "zh"):
        shown = bare.client().request("GET", f"/openapi.json?lang={language}").body.decode()
        assert shown == run("openapi", "--lang", language).stdout
        assert "marked" not in shown.lower() and "777777" not in shown
    version = run("version").stdout.split()[1]
    assert ENGLISH["info"]["version"] == version
