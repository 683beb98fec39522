"""Tokens: what each scope may do, how a token ends, and when it was last used.

Source: issue 15, point 2; docs/operations.md, "Tokens".
"""
import datetime
import json
import os
import subprocess
import time

import pytest

from client import event
from conftest import CODECMETER, ROOT, run, wait_until

WRITE_ROUTES = ["/v1/events", "/api/v1/events", "/v1/agents", "/v1/adapters/mediaconvert"]


READ_ROUTES = ["/v1/projects", "/v1/usage", "/v1/tasks", "/v1/tasks/org-a/farm/1", "/v1/sources"]


def stamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def create(server, *args):
    """`token create` with texts or bytes as arguments."""
    command = [os.fsencode(arg) for arg in (CODECMETER, "token", "create", "--data", server.data, "--json", *args)]
    return subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", timeout=60)


def listed(server):
    return {token["id"]: token for token in server.admin("token", "list")}


def post(server, path, token):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return server.client().request("POST", path, json.dumps({"agent": "a"}), headers)


def get(server, path, token):
    return server.client().request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})


@pytest.fixture
def farm(bare):
    """A started server with a project."""
    bare.start()
    bare.admin("project", "create", "--id", "org-a")
    return bare


# ---- what `token create` refuses ----


BAD = [
    (("--expires", ""), "is empty"),
    (("--expires", " "), "neither a duration"),
    (("--scope", ""), "is empty"),
    (("--project", ""), "is empty"),
    (("--label", ""), "is empty"),
    (("--expires", "0d"), "not in the future"),
    (("--expires", "0s"), "not in the future"),
    (("--expires", "-1d"), "neither a duration"),
    (("--expires", "1e9d"), "neither a duration"),
    (("--expires", "1.5d"), "neither a duration"),
    (("--expires", "90"), "neither a duration"),
    (("--expires", "90days"), "neither a duration"),
    (("--expires", "1mo"), "neither a duration"),
    (("--expires", "4000000d"), "after the year 9999"),
    (("--expires", "213503982334d"), "after the year 9999"),
    (("--expires", "213503982335d"), "neither a duration"),
    (("--expires", "99999999999999999999999d"), "neither a duration"),
    (("--expires", "1969-12-31"), "neither a duration"),
    (("--expires", "2020-01-01"), "not in the future"),
    (("--expires", "2020-01-01T00:00:00Z"), "not in the future"),
    (("--expires", "2027-02-30"), "neither a duration"),
    (("--expires", "2027-13-01"), "neither a duration"),
    (("--expires", "27-01-31"), "neither a duration"),
    (("--expires", "31.01.2027"), "neither a duration"),
    (("--expires", "10000-01-01"), "neither a duration"),
    (("--expires", "2027-01-31T12:00:00"), "neither a duration"),
    (("--expires", "90d\x1b[31m"), "neither a duration"),
    (("--scope", "reader"), "give write, read or void"),
    (("--scope", "READ"), "give write, read or void"),
    (("--scope", "copy"), "give write, read or void"),
    (("--scope", "read,write"), "give write, read or void"),
    (("--scope", "read", "--create-projects", "--time-zone", "UTC"), "creates no projects"),
    (("--project", "all", "--time-zone", "UTC"), "--create-projects"),
    (("--project", "org-none"), "org-none"),
    (("--project", "All"), "All"),
    (("--label", "x" * 65), "label"),
    (("--label", "計" * 22), "label"),
    (("--label", "a\nb"), "label"),
    (("--label", "a\x1b[2J"), "label"),
    (("--label", "a\u0085b"), "label"),
    (("--label", " a"), "label"),
    (("--label", b"\xff\xfe"), "UTF-8"),
    (("--label", b"\xed\xa0\x80"), "UTF-8"),
]


@pytest.mark.parametrize("running", [True, False])
def test_bad_options(farm, running):
    """One line says what is wrong with which option, and no token is made."""
    if not running:
        farm.stop()
    for args, words in BAD:
        done = create(farm, *args)
        assert done.returncode in (1, 2) and words in done.stderr and done.stdout == "", (args, done)
        assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr, (args, done)
    assert listed(farm) == {}


def test_a_project_named_all_is_not_every_project(farm):
    assert json.loads(create(farm, "--project", "all").stdout)["project"] == ""
    farm.admin("project", "create", "--id", "all")
    done = create(farm, "--project", "all")
    assert done.returncode == 2 and "leave out --project" in done.stderr, done
    assert len(listed(farm)) == 1


# ---- what it makes ----


@pytest.mark.parametrize("text, seconds", [("90d", 90 * 86400), ("12h", 12 * 3600), ("1s", 1)])
def test_a_duration_counts_from_now(farm, text, seconds):
    before = time.time()
    made = json.loads(create(farm, "--expires", text).stdout)
    assert before - 0.001 <= stamp(made["expires"]) - seconds <= time.time(), made
    assert listed(farm)[made["id"]]["expires"] == made["expires"]


@pytest.mark.parametrize("text, expires", [("2127-01-31", "2127-01-31T00:00:00.000Z"), ("9999-12-31", "9999-12-31T00:00:00.000Z"),
                                           ("2127-01-31T12:00:00+08:00", "2127-01-31T04:00:00.000Z")])
def test_a_date_means_its_beginning_in_utc(farm, text, expires):
    made = json.loads(create(farm, "--expires", text).stdout)
    assert made["expires"] == listed(farm)[made["id"]]["expires"] == expires


def test_a_list_has_scope_project_label_and_expiry(farm):
    """Also after a restart and a rebuild, and without a server; never a secret. Labels may be as long as they may be."""
    label = "財務" * 10 + "abcd"
    assert len(label.encode()) == 64
    wanted, secrets = {}, []
    for scope in ("read", "write", "void"):
        for project in ("org-a", "all"):
            made = json.loads(create(farm, "--scope", scope, "--project", project, "--label", label, "--expires", "90d").stdout)
            secrets.append(made.pop("token"))
            assert (made["scope"], made["project"], made["label"]) == (scope, "org-a" if project == "org-a" else "", label)
            wanted[made["id"]] = made
    assert listed(farm) == wanted
    farm.stop()
    run("rebuild", "--data", farm.data)
    assert listed(farm) == wanted
    farm.start()
    assert listed(farm) == wanted
    table = run("token", "list", "--data", farm.data).stdout
    assert label in table and "LAST USE" in table
    assert not any(secret in table or secret in json.dumps(wanted) for secret in secrets)


# ---- the door ----


@pytest.mark.parametrize("path", WRITE_ROUTES)
def test_a_read_token_does_not_report(farm, path):
    """The refusal names the token's scope and the command that makes another. It is no use of the token."""
    reader = farm.admin("token", "create", "--scope", "read", "--project", "org-a")
    reply = post(farm, path, reader["token"])
    assert reply.status == 403 and reply.headers["content-type"] == "application/problem+json", reply.body
    for words in ("scope is read", "needs write", "`codecmeter token create --project org-a`"):
        assert words in reply.json()["detail"], reply.body
    assert reader["token"] not in reply.body.decode()
    assert listed(farm)[reader["id"]]["last_used"] == ""


@pytest.mark.parametrize("path", WRITE_ROUTES)
def test_a_token_that_ended_does_not_report(farm, path):
    """No token, an unknown, a revoked and an expired one: 401, which says so; and no use."""
    revoked = farm.admin("token", "create")
    farm.admin("token", "revoke", revoked["id"])
    expired = farm.admin("token", "create", "--expires", "1s")
    wait_until(lambda: time.time() > stamp(expired["expires"]))
    for token, words in (("", "no token was sent"), ("cm_nobody", "does not know"), (revoked["token"], "was revoked"),
                         (expired["token"], "expired at " + expired["expires"])):
        reply = post(farm, path, token)
        assert reply.status == 401 and words in reply.json()["detail"] and reply.headers["www-authenticate"] == "Bearer", reply.body
    assert {token["last_used"] for token in listed(farm).values()} == {""}


@pytest.mark.parametrize("path", READ_ROUTES)
def test_only_a_read_token_reads(farm, path):
    """A refusal names the scope that the token has, and the command that makes one that reads. It is no use of the token."""
    writer, voider = (farm.admin("token", "create", "--scope", scope, "--project", "org-a") for scope in ("write", "void"))
    reader = farm.admin("token", "create", "--scope", "read", "--project", "org-a", "--expires", "1h")
    for token in (writer, voider):
        reply = get(farm, path, token["token"])
        assert reply.status == 403 and reply.headers["content-type"] == "application/problem+json", reply.body
        for words in (f"scope is {token['scope']}", "needs read", "`codecmeter token create --scope read --project org-a`"):
            assert words in reply.json()["detail"], reply.body
    assert get(farm, path, reader["token"]).status in (200, 404)
    assert {id: bool(token["last_used"]) for id, token in listed(farm).items()} == {writer["id"]: False, voider["id"]: False, reader["id"]: True}
    farm.admin("token", "revoke", reader["id"])
    reply = get(farm, path, reader["token"])
    assert reply.status == 401 and "was revoked" in reply.json()["detail"] and reply.headers["www-authenticate"] == "Bearer", reply.body


@pytest.mark.parametrize("path", READ_ROUTES)
def test_a_read_token_that_expired(farm, path):
    made = farm.admin("token", "create", "--scope", "read", "--expires", "1s")
    wait_until(lambda: time.time() > stamp(made["expires"]))
    for token, words in (("", "no token was sent"), ("cm_nobody", "does not know"), (made["token"], "expired at " + made["expires"])):
        reply = get(farm, path, token)
        assert reply.status == 401 and words in reply.json()["detail"], reply.body


def test_every_scope_that_may_report_does(farm):
    for scope in ("write", "void"):
        token = farm.admin("token", "create", "--scope", scope, "--project", "org-a")["token"]
        assert farm.client().report(event(scope), token=token).status == 200
        assert post(farm, "/v1/agents", token).status == 200


# ---- the last use ----


def kept(server):
    """{token: last use} of the file, as it is now."""
    try:
        with open(os.path.join(server.data, "token-uses")) as file:
            lines = [json.loads(line) for line in file]
    except FileNotFoundError:
        return {}
    return {line["token"]: line["used"] for line in lines}


def test_a_use_is_listed_at_once_and_kept(farm):
    """With the server's time; after a stop and a start, also while no server runs."""
    used, unused = farm.admin("token", "create"), farm.admin("token", "create")
    before = int(time.time() * 1000) / 1000
    assert farm.client().report(event("a", subject="org-a"), token=used["token"]).status == 200
    tokens = listed(farm)
    assert before <= stamp(tokens[used["id"]]["last_used"]) <= time.time() and tokens[unused["id"]]["last_used"] == ""
    farm.stop()
    assert listed(farm) == tokens
    farm.start()
    assert listed(farm) == tokens
    assert (os.stat(os.path.join(farm.data, "token-uses")).st_mode & 0o777) == 0o600


def test_a_use_survives_a_kill(farm):
    """The first new use is in the file after a look of the server, which is 15 seconds; a later one may be lost, and then the list
    shows the earlier one, not none."""
    token = farm.admin("token", "create")
    assert farm.client().report(event("a", subject="org-a"), token=token["token"]).status == 200
    first = listed(farm)[token["id"]]["last_used"]
    wait_until(lambda: token["id"] in kept(farm))
    assert kept(farm) == {token["id"]: first}
    wait_until(lambda: time.time() > stamp(first) + 1.1)
    assert farm.client().report(event("b", subject="org-a"), token=token["token"]).status == 200
    second = listed(farm)[token["id"]]["last_used"]
    assert second > first
    farm.kill()
    assert listed(farm)[token["id"]]["last_used"] in (first, second)
    farm.start()
    assert listed(farm)[token["id"]]["last_used"] in (first, second)


@pytest.mark.parametrize("content, bad", [
    (b"\n", 1), (b"{}\n", 1), (b"null\n", 1), (b'{"token":"x","used":"2026-01-01T00:00:00Z"}\n', 1),
    (b'{"token":"ABCDEF012345","used":"2026-01-01T00:00:00Z"}\n', 1), (b'{"token":"0123456789abc","used":"2026-01-01T00:00:00Z"}\n', 1),
    (b'{"token":"0123456789ab","used":"1960-01-01T00:00:00Z"}\n', 1), (b'{"token":"0123456789ab","used":7}\n', 1),
    (b'{"token":"0123456789ab","used":"2026-01-0', 1), (b"\0" * 500 + b"\n\xff\n", 2), (b"[" * 200 + b"\n", 1), (b"", 0)])
def test_a_damaged_file_costs_only_what_it_held(farm, content, bad):
    """The server starts, says what it could not read, and keeps the other lines."""
    token = farm.admin("token", "create")
    farm.stop()
    good = '{"token":"%s","used":"2026-01-01T00:00:00.000Z"}\n' % token["id"]
    with open(os.path.join(farm.data, "token-uses"), "wb") as file:
        file.write(good.encode() + content)
    farm.start()
    assert listed(farm)[token["id"]]["last_used"] == "2026-01-01T00:00:00.000Z"
    text = farm.log_text()
    assert (f"token-uses: {bad} lines cannot be read" in text) == (bad > 0), text


def test_a_file_that_is_none(farm):
    """A directory, or a link, in place of the file: the server starts without it, says so, and follows no link."""
    token = farm.admin("token", "create")
    farm.stop()
    path = os.path.join(farm.data, "token-uses")
    if os.path.exists(path):
        os.remove(path)
    os.symlink("/etc/passwd", path)
    farm.start()
    assert "cannot open" in farm.log_text() and listed(farm)[token["id"]]["last_used"] == ""


def test_more_tokens_than_are_kept(farm):
    """A full table stays full: a further token works, its use is not listed, and one line of the log says so."""
    farm.stop()
    with open(os.path.join(farm.data, "token-uses"), "w") as file:
        for i in range(32768):
            file.write('{"token":"%012x","used":"2026-01-01T00:00:00.000Z"}\n' % (i * 2654435761 % 2**48))
    farm.start()
    for i in range(2):
        token = farm.admin("token", "create")
        assert farm.client().report(event(i, subject="org-a"), token=token["token"]).status == 200
        assert listed(farm)[token["id"]]["last_used"] == ""
    assert farm.log_text().count("the last use is kept of 32768 tokens") == 1
    farm.stop()
    assert len(kept(farm)) == 32768


# ---- the account of `make run` ----


def make_account(farm):
    """What scripts/run does on a data directory that a server serves."""
    script = '. scripts/server; url="$1"; make_account "$2"'
    subprocess.run(["sh", "-eu", "-c", script, "sh", farm.url, farm.data], check=True, cwd=ROOT, timeout=120,
                   env={**os.environ, "BUILD": os.path.dirname(CODECMETER)})
    with open(os.path.join(farm.data, "client.env")) as file:
        lines = [line.rstrip("\n") for line in file]
    return lines, dict(line.split("=", 1) for line in lines if line.startswith("CODECMETER_"))


def test_the_file_of_make_run_has_a_token_that_reads(farm):
    """Of the demo's project; also a file of an earlier version gets one, once, and keeps the rest."""
    lines, names = make_account(farm)
    path = os.path.join(farm.data, "client.env")
    assert get(farm, "/v1/usage", names["CODECMETER_READ_TOKEN"]).status == 200
    assert get(farm, "/v1/usage?project=org-a", names["CODECMETER_READ_TOKEN"]).status == 404
    assert "CODECMETER_READ_TOKEN" in lines[-1].split() and post(farm, "/v1/events", names["CODECMETER_READ_TOKEN"]).status == 403
    assert make_account(farm)[0] == lines
    former = [line.replace(" CODECMETER_READ_TOKEN", "") for line in lines if not line.startswith("CODECMETER_READ_TOKEN")]
    with open(path, "w") as file:
        file.write("\n".join(former) + "\n")
    again, names = make_account(farm)
    assert again[:len(former)] == former and len(again) == len(former) + 2 and again[-1] == "export CODECMETER_READ_TOKEN"
    assert get(farm, "/v1/usage", names["CODECMETER_READ_TOKEN"]).status == 200
    assert make_account(farm)[0] == again and os.stat(path).st_mode & 0o777 == 0o600
