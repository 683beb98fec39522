"""/v1: the frame that all of its resources share, /v1/projects and /v1/sources. Every bad input first.

Answers are read by real parsers (json, csv). Source: design section 7; docs/v1.md.
"""
import csv
import io
import json
import socket
import threading
import time
from urllib.parse import quote

import pytest

from client import event
from conftest import ROOT, Account, run, wait_until, write_all  # noqa: F401

RESOURCES = ("/v1/projects", "/v1/sources")
COLUMNS = {
    "/v1/projects": ["id", "name", "time_zone", "labels", "first_usage", "last_usage"],
    "/v1/sources": ["kind", "project", "source", "agent", "command", "version", "token", "first_seen", "last_seen", "outputs", "today",
                    "median", "unresolved", "rejected", "interval_ms", "spooled", "oldest_ms", "spool_error", "clock_offset_ms",
                    "problems", "text"],
}


class Reader:
    """A client with a read token."""

    def __init__(self, server, *args):
        made = server.admin("token", "create", "--scope", "read", *args)
        self.server, self.token, self.id = server, made["token"], made["id"]

    def ask(self, path, method="GET", **headers):
        sent = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.server.client().request(method, path, headers=sent)

    def rows(self, path):
        answer = self.ask(path)
        assert answer.status == 200 and answer.json()["complete"] is True, answer.body
        return answer.json()["rows"]

    def csv(self, path):
        """The rows of the CSV as a spreadsheet program reads them: [{name: text}]."""
        answer = self.ask(path + ("&" if "?" in path else "?") + "format=csv")
        assert answer.status == 200 and answer.headers["content-type"] == "text/csv; charset=utf-8", answer.body
        text = answer.body.decode("utf-8-sig")
        assert answer.body.startswith(b"\xef\xbb\xbf") and text.endswith("\r\n") and "\n" not in text.replace("\r\n", ""), text
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))

    def ndjson(self, path):
        answer = self.ask(path + ("&" if "?" in path else "?") + "format=ndjson")
        assert answer.status == 200 and answer.headers["content-type"] == "application/x-ndjson", answer.body
        lines = [json.loads(line) for line in answer.body.decode().split("\n")[:-1]]
        assert lines[-1] == {"complete": True}, answer.body
        return lines[:-1]


@pytest.fixture
def reader(account):
    """May read every project."""
    return Reader(account.server)


def refused(answer, status, parameter=None):
    """Checks a refusal, and gives its sentence."""
    problem = answer.json()
    assert answer.status == status == problem["status"], answer.body
    assert answer.headers["content-type"] == "application/problem+json" and problem["type"] == "about:blank", answer.headers
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff", answer.headers
    assert "etag" not in answer.headers and "x-codecmeter-position" not in answer.headers, answer.headers
    assert problem.get("parameter") == parameter, problem
    assert parameter is None or problem["detail"].startswith(parameter + ": "), problem
    return problem["detail"]


# ---- the door ----


@pytest.mark.parametrize("path", RESOURCES)
def test_who_may_not_read(account, path):
    """Each refusal says why; a token that reports does not read, and a token that reads does not report."""
    server = account.server
    client = server.client()
    revoked, expired = Reader(server), Reader(server, "--expires", "1s")
    server.admin("token", "revoke", "--id", revoked.id)
    voider = server.admin("token", "create", "--scope", "void")["token"]

    def ask(header):
        answer = client.request("GET", path, headers={} if header is None else {"Authorization": header})
        if answer.status == 401:
            assert answer.headers["www-authenticate"] == "Bearer", answer.headers
        return answer

    assert "no token was sent" in refused(ask(None), 401)
    assert "has no token" in refused(ask("Basic YTpi"), 401)
    assert "does not know the token" in refused(ask("Bearer cm_" + "0" * 40), 401)
    assert "was revoked" in refused(ask(f"Bearer {revoked.token}"), 401)
    wait_until(lambda: expired.ask(path).status == 401)
    assert "expired at" in refused(expired.ask(path), 401)
    for token, scope in ((account.token, "write"), (voider, "void")):
        said = refused(ask(f"Bearer {token}"), 403)
        assert f"its scope is {scope}" in said and "needs read" in said, said
    reader = Reader(server, "--project", "org-a")
    for method, path_of_reports in (("POST", "/v1/events"), ("POST", "/v1/agents"), ("POST", "/v1/adapters/generic")):
        answer = client.request(method, path_of_reports, "{}", {"Authorization": f"Bearer {reader.token}",
                                                               "Content-Type": "application/json"})
        assert answer.status == 403 and "its scope is read" in answer.json()["detail"], answer.body
    # No secret is in the log.
    assert not any(token in server.log_text() for token in (revoked.token, reader.token, account.token))


def test_a_token_of_one_project_sees_only_that(account):
    """A project that the token may not read is answered as one that does not exist, byte for byte but for its name."""
    server = account.server
    server.admin("project", "create", "--id", "org-b")
    for source, project in (("pipe-a", "org-a"), ("pipe-b", "org-b")):
        token = server.admin("token", "create", "--project", project)["token"]
        assert account.client.report([event("1", source=source)], token=token).status == 200
    own, all_projects = Reader(server, "--project", "org-a"), Reader(server)
    assert [row["id"] for row in own.rows("/v1/projects")] == ["org-a"]
    assert [row["id"] for row in all_projects.rows("/v1/projects")] == ["org-a", "org-b"]
    assert {row["source"] for row in own.rows("/v1/sources")} == {"pipe-a"}
    assert {row["source"] for row in all_projects.rows("/v1/sources")} == {"pipe-a", "pipe-b"}
    for path in RESOURCES:
        foreign, missing = own.ask(f"{path}?project=org-b"), own.ask(f"{path}?project=org-x")
        assert "/v1/projects lists" in refused(foreign, 404, "project")
        assert foreign.body.replace(b"org-b", b"org-x") == missing.body, (foreign.body, missing.body)
        assert set(foreign.headers) == set(missing.headers)
        refused(own.ask(f"{path}?project=org-a&project=org-b"), 404, "project")
        refused(all_projects.ask(f"{path}?project=org-a&project=org-x"), 404, "project")
        assert {row.get("id") or row["project"] for row in all_projects.rows(f"{path}?project=org-b")} == {"org-b"}
        assert len(all_projects.rows(f"{path}?project=org-b&project=org-a")) == 2


# ---- parameters ----


# query, the parameter that is named, a part of the sentence
BAD_OF_ALL = [
    ("frm=1", "frm", "there is no such parameter here; there are project, "),
    ("Project=org-a", "Project", "there is no such parameter here"),
    ("project[]=org-a", "project[]", "there is no such parameter here"),
    ("zone=UTC", "zone", "there is no such parameter here"),
    ("%3Cscript%3E=1", "<script>", "there is no such parameter here"),
    ("=1", None, "there is no such parameter here"),
    ("%=1", None, "the name of a parameter is not percent-encoded"),
    ("%FF=1", None, "the name of a parameter is not percent-encoded"),
    ("project", "project", "a = is missing"),
    ("project=", "project", "it is empty; it must be the id of a project"),
    ("project=%", "project", "the value is not percent-encoded"),
    ("project=%FF", "project", "the value is not percent-encoded"),
    ("project=%00", "project", "the value is not percent-encoded"),
    ("project=org-a%0A", "project", "the value is not percent-encoded"),
    ("project=" + "a" * 65, "project", "is not allowed; it must be the id of a project"),
    ("project=org-a&project=org-a", "project", "'org-a' is given twice"),
    ("format", "format", "a = is missing"),
    ("format=", "format", "it is empty; it must be one of json, ndjson, csv"),
    ("format=xml", "format", "'xml' is not allowed; it must be one of json, ndjson, csv"),
    ("format=JSON", "format", "must be one of json, ndjson, csv"),
    ("format=csv&format=json", "format", "it is given more than once"),
    ("format=csv&format=csv", "format", "given twice"),
    ("&".join(f"project=p{i}" for i in range(257)), None, "the query has more than 256 values"),
]
BAD = [(path, *row) for path in RESOURCES for row in BAD_OF_ALL] + [
    ("/v1/projects", "problems=1", "problems", "there is no such parameter here"),
    ("/v1/projects", "as_of=", "as_of", "it is empty; it must be a position, or a time"),
    ("/v1/projects", "as_of=-1", "as_of", "must be a position, or a time"),
    ("/v1/projects", "as_of=x", "as_of", "must be a position, or a time"),
    ("/v1/projects", "as_of=2026-01-01", "as_of", "must be a position, or a time"),
    ("/v1/projects", "as_of=2026-01-01T00:00:00+08:00", "as_of", "in a URL, write + as %2B"),
    ("/v1/projects", "as_of=9999-12-31T00:00:00Z", "as_of", "has not been reached yet"),
    ("/v1/projects", "as_of=9223372036854775807", "as_of", "has not been reached yet"),
    ("/v1/projects", "as_of=9223372036854775808", "as_of", "must be a position, or a time"),
    ("/v1/projects", "as_of=1&as_of=2", "as_of", "it is given more than once"),
    ("/v1/sources", "as_of=1", "as_of", "there is no such parameter here"),
    ("/v1/sources", "problems=", "problems", "it is empty; it must be 0 or 1"),
    ("/v1/sources", "problems=2", "problems", "'2' is not allowed; it must be 0 or 1"),
    ("/v1/sources", "problems=true", "problems", "must be 0 or 1"),
    ("/v1/sources", "problems=1&problems=0", "problems", "it is given more than once"),
]


def test_bad_parameters(account, reader):
    for path, query, parameter, says in BAD:
        said = refused(reader.ask(f"{path}?{query}"), 400, parameter)
        assert says in said, (path, query, said)
    # A query has the same answer to HEAD, without the body.
    answer = reader.ask("/v1/projects?format=xml", "HEAD")
    assert answer.status == 400 and answer.body == b""
    # An empty query is none, and empty pieces do not count.
    for query in ("?", "?&", "?&&project=org-a&"):
        assert [row["id"] for row in reader.rows("/v1/projects" + query)] == ["org-a"], query


def test_bad_accept(reader):
    for path in RESOURCES:
        for accept in ("text/html", "image/*", "application/json;q=0", "*/*;q=0"):
            assert "format= overrides it" in refused(reader.ask(path, Accept=accept), 406), accept
            assert reader.ask(f"{path}?format=csv", Accept=accept).status == 200


def test_paths_that_do_not_exist(account, reader):
    """They list what exists, with and without a token."""
    for path in ("/v1/", "/v1/project", "/v1/projects/", "/v1/projects/org-a", "/v1/Projects", "/v1/usage%2F", "/v1/%00"):
        for answer in (reader.ask(path), account.client.request("GET", path), reader.ask(path, "DELETE"),
                       account.client.request("POST", path, b"x" * 1000)):
            said = refused(answer, 404)
            assert all(existing in said for existing in (*RESOURCES, "/v1/events")), (path, said)
    assert account.client.request("GET", "/v1").status == 404


def test_methods(account, reader):
    for path in RESOURCES:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            for body in (None, b"x" * 100000):
                answer = account.client.request(method, path, body, {"Authorization": f"Bearer {reader.token}"})
                assert "it takes GET and HEAD" in refused(answer, 405) and answer.headers["allow"] == "GET, HEAD", method
        answer = account.client.request("GET", path, b"x" * 100000, {"Authorization": f"Bearer {reader.token}"})
        assert "a question has no body" in refused(answer, 413)


# ---- answers ----


def test_projects(account, reader):
    """Each field, in three formats, by real parsers; times are local, with the offset of their instant."""
    server = account.server
    server.admin("project", "create", "--id", "org-c", "--name", "=1+2", "--time-zone", "Europe/Berlin", "--labels", "team,show")
    server.admin("project", "create", "--id", "org-b", "--name", "<script>alert(1)</script>", "--time-zone", "UTC")
    times = {"1": "2026-01-15T12:00:00Z", "2": "2026-07-15T12:00:00.250Z", "3": "2026-10-01T00:00:00Z"}
    token = server.admin("token", "create", "--project", "org-c")["token"]
    for id, when in times.items():
        failed = {"type": "transcode.failed"} if id == "3" else {}
        assert account.client.report([event(id, time=when, **failed)], token=token).status == 200
    answer = reader.ask("/v1/projects")
    assert answer.json() == {
        "position": int(answer.headers["x-codecmeter-position"]),
        "rows": [
            {"id": "org-a", "name": "org-a", "time_zone": "Asia/Shanghai", "labels": [], "first_usage": None, "last_usage": None},
            {"id": "org-b", "name": "<script>alert(1)</script>", "time_zone": "UTC", "labels": [], "first_usage": None,
             "last_usage": None},
            {"id": "org-c", "name": "=1+2", "time_zone": "Europe/Berlin", "labels": ["team", "show"],
             "first_usage": "2026-01-15T13:00:00+01:00", "last_usage": "2026-10-01T02:00:00+02:00"},
        ],
        "complete": True,
    }
    rows = answer.json()["rows"]
    assert reader.ndjson("/v1/projects") == rows
    as_text = reader.csv("/v1/projects")
    assert list(as_text[0]) == COLUMNS["/v1/projects"] == list(rows[0])
    assert as_text[2] == {"id": "org-c", "name": "'=1+2", "time_zone": "Europe/Berlin", "labels": "team show",
                          "first_usage": "2026-01-15T13:00:00+01:00", "last_usage": "2026-10-01T02:00:00+02:00"}
    assert as_text[1]["name"] == "<script>alert(1)</script>" and as_text[1]["first_usage"] == ""
    # Only part of a second is written if there is one.
    assert account.client.report([event("4", time="2026-10-01T00:00:00.250Z")], token=token).status == 200
    assert reader.rows("/v1/projects?project=org-c")[0]["last_usage"] == "2026-10-01T02:00:00.250+02:00"
    # The same after a checkpoint.
    write_all(account)
    assert reader.rows("/v1/projects?project=org-c")[0]["last_usage"] == "2026-10-01T02:00:00.250+02:00"


def test_projects_as_of_a_position(account, reader):
    """A past answer is repeated byte for byte, whatever came later."""
    server = account.server
    assert account.client.report([event("1", time="2026-01-15T12:00:00Z")]).status == 200
    before = reader.ask("/v1/projects").json()
    path = f"/v1/projects?as_of={before['position']}"
    first = reader.ask(path)
    assert first.json() == before
    time.sleep(0.01)  # so that the instant is between two blocks
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".%03dZ" % (time.time() % 1 * 1000)
    time.sleep(0.01)
    assert account.client.report([event("2", time="2026-02-15T12:00:00Z")]).status == 200
    server.admin("project", "set", "--id", "org-a", "--name", "new", "--time-zone", "UTC", "--force")
    server.admin("project", "create", "--id", "org-b")
    assert reader.rows("/v1/projects")[0]["name"] == "new" and len(reader.rows("/v1/projects")) == 2
    again = reader.ask(path)
    assert again.body == first.body and again.headers["etag"] == first.headers["etag"]
    assert reader.ask(f"/v1/projects?as_of={instant}").json()["rows"] == before["rows"]
    assert reader.rows("/v1/projects?as_of=0") == []
    assert reader.rows("/v1/projects?as_of=1970-01-01T00:00:00Z") == []
    server.stop()
    server.start()
    assert reader.ask(path).body == first.body


def test_sources(account, reader):
    """Agents and sources with every field, in three formats; a name that a spreadsheet would run is text."""
    server = account.server
    report = json.dumps({"agent": "=node", "command": "-watch /srv", "version": "1", "interval_ms": 60000, "spooled": 3,
                         "oldest_ms": 700000, "rejected": 2, "clock_offset_ms": -45000, "spool_error": "@disk"})
    assert account.client.request("POST", "/v1/agents", report, {"Authorization": f"Bearer {account.token}",
                                                                 "Content-Type": "application/json"}).status == 200
    assert account.client.report([event("1", source="+pipe"), event("2", source="+pipe")]).status == 200
    assert account.client.report([event("3", source="bad", seconds=-1)]).json()["rejected"] == 1
    answer = reader.ask("/v1/sources")
    body = answer.json()
    assert set(body) == {"position", "now", "since", "end", "rows", "complete"}
    assert body["position"] == body["end"] == int(answer.headers["x-codecmeter-position"])
    agent, pipe, bad = body["rows"]
    assert agent.pop("first_seen").endswith("Z") and agent.pop("last_seen").endswith("Z") and agent.pop("token")
    assert "45 s" in agent["text"] and "spool" in agent["text"]
    assert {name: value for name, value in agent.items() if value is not None and name != "text"} == {
        "kind": "agent", "project": "org-a", "agent": "=node", "command": "-watch /srv", "version": "1", "rejected": 2,
        "interval_ms": 60000, "spooled": 3, "oldest_ms": 700000, "spool_error": "@disk", "clock_offset_ms": -45000,
        "problems": ["spool", "clock", "rejected"]}
    assert {name: value for name, value in pipe.items() if value is not None and not name.endswith("_seen")} == {
        "kind": "source", "project": "org-a", "source": "+pipe", "outputs": 2, "today": 2, "median": 0, "unresolved": 0, "rejected": 0,
        "problems": [], "text": ""}
    assert bad["source"] == "" and bad["rejected"] == 1 and bad["first_seen"] is None and bad["problems"] == ["rejected"]
    assert list(reader.rows("/v1/sources")[0]) == COLUMNS["/v1/sources"]
    lines = reader.ndjson("/v1/sources")
    assert [line["agent"] or line["source"] for line in lines] == ["=node", "+pipe", ""]
    as_text = reader.csv("/v1/sources")
    assert list(as_text[0]) == COLUMNS["/v1/sources"] and len(as_text) == 3
    assert as_text[0]["agent"] == "'=node" and as_text[0]["command"] == "'-watch /srv" and as_text[0]["spool_error"] == "'@disk"
    assert as_text[0]["clock_offset_ms"] == "-45000" and as_text[0]["problems"] == "spool clock rejected"
    assert as_text[1]["source"] == "'+pipe" and as_text[1]["outputs"] == "2" and as_text[1]["agent"] == ""
    assert [row["kind"] for row in reader.rows("/v1/sources?problems=1")] == ["agent", "source"]
    assert len(reader.rows("/v1/sources?problems=0")) == 3
    # It says what the command says.
    listed = json.loads(run("sources", "--data", server.data, "--json").stdout)
    texts = [item["text"] for item in listed if item["kind"] != "state"]
    assert len(texts) == 3 and [row["problems"] for row in reader.rows("/v1/sources")] == [item["problems"] for item in listed[1:]]


def test_formats_by_accept(reader):
    for path in RESOURCES:
        for accept, content_type in (("", "application/json"), ("*/*", "application/json"), ("text/csv", "text/csv; charset=utf-8"),
                                     ("application/json;q=0.1, application/x-ndjson", "application/x-ndjson")):
            answer = reader.ask(path, Accept=accept)
            assert answer.headers["content-type"] == content_type, (accept, answer.headers)
            assert answer.headers["vary"] == "Accept, Authorization"
        answer = reader.ask(f"{path}?format=json", Accept="text/csv")
        assert answer.headers["content-type"] == "application/json" and answer.json()["complete"]
        name = path.rsplit("/", 1)[1]
        assert reader.ask(f"{path}?format=csv").headers["content-disposition"] == f'attachment; filename="codecmeter-{name}.csv"'


def test_headers_and_etag(account, reader):
    """The same answer has the same ETag, another answer another; who has it gets 304 without a body."""
    server = account.server
    first = reader.ask("/v1/projects")
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-store" and first.headers["x-content-type-options"] == "nosniff"
    assert reader.ask("/v1/projects").headers["etag"] == etag
    for value in (etag, f"W/{etag}", "*", f'"x", {etag}', f'"x",{etag},"y"'):
        answer = reader.ask("/v1/projects", If_None_Match=value)
        assert answer.status == 304 and answer.body == b"" and answer.headers["etag"] == etag, (value, answer.status)
        assert answer.headers["x-codecmeter-position"] == first.headers["x-codecmeter-position"]
    request = f"GET /v1/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {reader.token}\r\nIf-None-Match: {etag}\r\n\r\n"
    head, rest = account.client.raw(request.encode()).split(b"\r\n\r\n", 1)
    assert b" 304 " in head and rest == b"" and b"chunked" not in head.lower(), head
    assert f"content-length: {len(first.body)}".encode() in head.lower()  # of the answer that the client has
    for value in ('"x"', "", etag.strip('"'), etag.upper()):
        assert reader.ask("/v1/projects", If_None_Match=value).status == 200, value
    tags = [reader.ask(path).headers["etag"] for path in ("/v1/projects", "/v1/projects?format=csv", "/v1/projects?format=ndjson",
                                                          "/v1/projects?as_of=1", "/v1/projects?as_of=2", "/v1/projects?as_of=2&project=org-a",
                                                          "/v1/projects?project=org-a&as_of=2", "/v1/sources")]
    assert len(set(tags)) == len(tags)
    server.admin("project", "create", "--id", "org-b")
    changed = reader.ask("/v1/projects", If_None_Match=etag)
    assert changed.status == 200 and changed.headers["etag"] != etag and len(changed.json()["rows"]) == 2
    # Of a past position it is known before the rows are read, and belongs to one question and one token.
    path = f"/v1/projects?as_of={changed.json()['position']}"
    past = reader.ask(path).headers["etag"]
    assert reader.ask(path, If_None_Match=past).status == 304
    other = Reader(server, "--project", "org-a")
    assert other.ask(path, If_None_Match=past).status == 200
    assert refused(reader.ask("/v1/projects?as_of=x", If_None_Match="*"), 400, "as_of")


def test_head(account, reader):
    for path in RESOURCES:
        for query in ("", "?format=csv", "?format=ndjson"):
            get, head = reader.ask(path + query), reader.ask(path + query, "HEAD")
            assert head.status == 200 and head.body == b""
            for name in ("content-type", "cache-control", "x-content-type-options", "x-codecmeter-position", "vary"):
                assert head.headers[name] == get.headers[name], name
    assert refused_head(reader.ask("/v1/projects?project=x", "HEAD"), 404)
    assert refused_head(account.client.request("HEAD", "/v1/projects"), 401)


def refused_head(answer, status):
    return answer.status == status and answer.body == b"" and answer.headers["content-type"] == "application/problem+json"


def test_a_problem_that_is_found_late(account, reader):
    """What is found after the answer was begun, but before its first row, is refused like any other: no ETag, no position."""
    assert account.client.report([event(str(i), time="2020-01-01T00:00:00Z", source=f"s{i}") for i in range(3)]).status == 200
    assert len(reader.rows("/v1/usage?from=2020-01-01&to=2020-01-02&step=15m&zeros=1&group=source")) == 3 * 96
    late = reader.ask("/v1/usage?from=2012-10-05&to=2020-10-05&step=15m&zeros=1&group=source")
    assert "rows" in refused(late, 400), late.body


def test_many_projects(account, reader):
    """An answer of several pieces is whole in each format, and no piece is lost or doubled."""
    server = account.server
    count = 1500
    token = server.admin("token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    name = "x" * 40
    for start in range(0, count, 100):
        events = [event(str(i), subject=f"{name}-{i:04}") for i in range(start, start + 100)]
        answer = account.client.report(events, token=token)
        assert answer.status == 200 and answer.json()["stored"] == 100, answer.body
    wanted = sorted(["org-a"] + [f"{name}-{i:04}" for i in range(count)])
    answer = reader.ask("/v1/projects")
    assert len(answer.body) > 3 << 16  # several pieces
    assert [row["id"] for row in answer.json()["rows"]] == wanted and answer.json()["complete"] is True
    assert [row["id"] for row in reader.csv("/v1/projects")] == wanted
    assert [row["id"] for row in reader.ndjson("/v1/projects")] == wanted
    assert all(row["first_usage"] for row in answer.json()["rows"] if row["id"] != "org-a")
    # Of a past position an answer of any length has an ETag.
    path = f"/v1/projects?as_of={answer.json()['position']}"
    past = reader.ask(path)
    assert past.json()["rows"] == answer.json()["rows"]
    assert reader.ask(path, If_None_Match=past.headers["etag"]).status == 304
    # Many projects in one question; the answer is in the order of ids.
    some = wanted[100:300]
    assert [row["id"] for row in reader.rows("/v1/projects?" + "&".join(f"project={quote(id)}" for id in reversed(some)))] == some


def many_sources(account):
    """So many sources, with long names, that their list fills every buffer on the way."""
    events = [event(str(i), source=f"{i:04}" + "s" * 252, seconds=1) for i in range(9000)]
    assert account.client.report(events).json()["stored"] == 9000


def slow_get(reader, path):
    """Asks on a connection whose receive buffer is small, and reads the head only. Gives the socket and what came."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((reader.server.host, reader.server.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {reader.token}\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(1024)
    assert b" 200 OK" in got and b"chunked" in got.lower(), got
    return connection, got


def read_rest(connection, got):
    while (piece := connection.recv(1 << 16)) and not got.endswith(b"\r\n0\r\n\r\n"):
        got += piece
        if got.endswith(b"\r\n0\r\n\r\n"):
            break
    connection.close()
    return got


def unchunk(answer):
    """The body of a chunked answer, and whether its last chunk came."""
    rest, body = answer.split(b"\r\n\r\n", 1)[1], b""
    while rest:
        size, rest = rest.split(b"\r\n", 1)
        if int(size, 16) == 0:
            return body, True
        body, rest = body + rest[:int(size, 16)], rest[int(size, 16) + 2:]
    return body, False


def test_a_token_that_is_revoked_in_the_middle_of_a_stream(account, reader):
    """The stream ends without its last chunk, and the log says why. One whose token holds goes on to its end."""
    many_sources(account)
    other = Reader(account.server)
    ends, goes_on = slow_get(other, "/v1/sources"), slow_get(reader, "/v1/sources")
    account.server.admin("token", "revoke", "--id", other.id)
    body, is_whole = unchunk(read_rest(*ends))
    assert not is_whole and b"complete" not in body and body.startswith(b'{"position":'), body[-100:]
    assert f"its token (id {other.id}) was revoked or has expired" in account.server.log_text()
    body, is_whole = unchunk(read_rest(*goes_on))
    assert is_whole and len(json.loads(body)["rows"]) == 9000 and json.loads(body)["complete"] is True
    assert "was revoked" in refused(other.ask("/v1/sources"), 401)


def test_more_questions_than_may_run(bare):
    """Beyond the bounds of queries: 503 that says when to ask again; the bounds are free again when a client is gone."""
    account = Account(bare, "query.running_max=2", "query.waiting_max=0")
    reader = Reader(bare)
    many_sources(account)
    busy = [slow_get(reader, "/v1/sources") for _ in range(2)]
    for method in ("GET", "HEAD"):
        answer = reader.ask("/v1/projects", method)
        assert answer.status == 503 and answer.headers["retry-after"] == "1", answer.body
    assert refused(reader.ask("/v1/projects"), 503)
    assert "no such path" in refused(reader.ask("/v1/x"), 404)  # what needs no query thread is answered
    assert account.client.report([event("more")]).status == 200
    assert account.client.call("GetRegion")["RetCode"] == 0
    for connection, _ in busy:
        connection.close()
    wait_until(lambda: reader.ask("/v1/projects").status == 200)


def test_what_slow_clients_hold(account, reader):
    """Together their answers hold a bounded amount of memory; then the next one is refused, and another question is not."""
    many_sources(account)
    slow, answer = [], reader.ask("/v1/sources", "HEAD")
    while answer.status == 200:
        assert len(slow) < 60, "what they hold is not bounded"
        slow.append(slow_get(reader, "/v1/sources")[0])
        answer = reader.ask("/v1/sources", "HEAD")
    assert answer.status == 503 and len(slow) >= 5, (answer.status, len(slow))
    assert "ask again later" in refused(reader.ask("/v1/sources"), 503)
    assert len(reader.rows("/v1/projects")) == 1 and len(reader.rows("/v1/sources?problems=1")) == 0
    for connection in slow:
        connection.close()
    wait_until(lambda: reader.ask("/v1/sources", "HEAD").status == 200)
    assert len(reader.rows("/v1/sources")) == 9000


def test_a_client_that_goes_away(account, reader):
    """It leaves nothing behind: the server answers others, and stops at once."""
    many_sources(account)
    for format in ("json", "csv", "ndjson"):
        connection, _ = slow_get(reader, f"/v1/sources?format={format}")
        connection.close()
    assert len(reader.rows("/v1/projects")) == 1
    begin = time.monotonic()
    account.server.stop()
    assert time.monotonic() - begin < 30
    account.server.start()


def test_while_it_changes(account, reader):
    """Answers are whole while projects and usage arrive."""
    stop, failures = threading.Event(), []

    def report():
        number = 0
        while not stop.is_set():
            number += 1
            if account.client.report([event(f"n{number}", source=f"s{number % 50}")]).status != 200:
                failures.append(number)

    writers = [threading.Thread(target=report) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        positions = []
        for _ in range(30):
            for path in RESOURCES:
                answer = reader.ask(path)
                assert answer.status == 200 and answer.json()["complete"] is True
                positions.append(answer.json()["position"])
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not failures and positions[-1] > positions[0]
