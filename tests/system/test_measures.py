"""The measures that prices depend on, and labels: what each door makes of each value, bad ones first."""
import csv
import io
import json

import pytest

from client import event
from conftest import write_all
from test_import import counts, importing  # noqa: F401 (fixture)

TIME = "2020-11-01T12:00:00Z"
REJECTED, ABSENT, NO_JSON = "rejected", "absent", "no JSON"
X32, X64 = "x" * 32, "x" * 64
RATE = "30000/1001"

# member, value as JSON writes it, what becomes of it; and, where a cell of CSV is not the same, what becomes of the cell
VALUES = (
    *(("frame_rate", text, REJECTED) for text in (
        "0", "0.0", "-0", "-25", "1000.1", "1.0001e3", "-2.5e1", "0e5", "1e-400", "1e999999999", "9223372036854775808", "18446744073709551616",
        '"0"', '"-25"', '"+25"', '"0/1"', '"1/0"', '"30000/0"', '"30000/-1"', '"30000/1001.0"', '"9223372036854775808/1"', '"NaN"', '"nan"', '"inf"',
        '"25 fps"', '"25,0"', '"0x19"', '".5"', '"5."', '"1/2/3"', '"' + "2" * 2000 + '"', "true", "[25]", "{}")),
    ("frame_rate", "NaN", NO_JSON, REJECTED), ("frame_rate", "Infinity", NO_JSON, REJECTED), ("frame_rate", ".5", NO_JSON, REJECTED),
    ("frame_rate", '" 25"', REJECTED, 25), ("frame_rate", '"1e3"', REJECTED, 1000), ("frame_rate", '""', REJECTED, ABSENT),
    ("frame_rate", "null", ABSENT), ("frame_rate", "25", 25), ("frame_rate", "24.0", 24), ("frame_rate", '"24"', 24), ("frame_rate", '"24.000"', 24),
    ("frame_rate", "1e3", 1000), ("frame_rate", "2.5E+1", 25), ("frame_rate", "1e-1", 0.1), ("frame_rate", "25.000000000000000000000001", 25),
    ("frame_rate", "23.976023976", "24000/1001"), ("frame_rate", '"23.976023976"', "24000/1001"), ("frame_rate", "23.976", "24000/1001"),
    ("frame_rate", "29.97", RATE), ("frame_rate", '"30000/1001"', RATE), ("frame_rate", '"2997/100"', RATE), ("frame_rate", "29.9", 29.9),
    *((name, text, REJECTED, cell) for name in ("quality", "region") for text, cell in (
        ("1", "1"), ("true", None), ("[]", None), ("{}", None), (f'"{X32}x"', REJECTED), ('"a\\nb"', None), ('"\\u0000"', None), ('"\\u007f"', REJECTED))),
    *((name, '"\\ud800"', NO_JSON, None) for name in ("quality", "region")),
    *((name, text, kept) for name in ("quality", "region") for text, kept in (
        ("null", ABSENT), ('""', ABSENT), (f'"{X32}"', X32), ('"NaN"', "NaN"), ('"a \\"b\\""', 'a "b"'), ('" hq "', " hq "), ('"\\u8d85"', "超"))),
    *(("passes", text, REJECTED) for text in ("0", "-1", "1.5", "65536", "9223372036854775808", "-9223372036854775809", "1e5", "1e-1", '"two"', '"0x2"', "true", "[2]", "{}")),
    ("passes", '"2"', REJECTED, 2), ("passes", '""', REJECTED, ABSENT), ("passes", "NaN", NO_JSON, REJECTED), ("passes", "01", NO_JSON, REJECTED),
    ("passes", "null", ABSENT), ("passes", "1", 1), ("passes", "2.0", 2), ("passes", "6.5535e4", 65535),
    *(("input_duration_ms", text, REJECTED) for text in (
        "-1", "0.5", "31622400001", "9223372036854775808", "1e11", '"1 s"', '"00:01:00"', "true", "[1]", "{}")),
    ("input_duration_ms", '"5"', REJECTED, 5), ("input_duration_ms", '""', REJECTED, ABSENT), ("input_duration_ms", "NaN", NO_JSON, REJECTED),
    ("input_duration_ms", "null", ABSENT), ("input_duration_ms", "0", 0), ("input_duration_ms", "-0", 0), ("input_duration_ms", "31622400000", 31622400000),
    ("input_duration_ms", "6e4", 60000),
    *(("labels", text, REJECTED, None) for text in (
        "1", "true", '"team=a"', "[]", '[{"team":"a"}]', '{"Team":"a"}', '{"":"a"}', '{"1a":"a"}', '{"a-b":"a"}', '{"a.b":"a"}',
        '{"%s":"a"}' % ("a" * 33), '{"a":1}', '{"a":true}', '{"a":["b"]}', '{"a":{}}', '{"a":"b\\n"}', '{"a":"%sx"}' % X64, '{"a":"b","a":"b"}',
        '{"a":"b","a":null}', json.dumps({f"l{n}": "v" for n in range(9)}))),
    ("labels", '{"a":NaN}', NO_JSON, None), ("labels", '{"a":"\\ud800"}', NO_JSON, None),
    ("labels", "null", ABSENT, None), ("labels", "{}", ABSENT, None), ("labels", '{"a":null}', ABSENT, None), ("labels", '{"a":"","b":"x"}', {"b": "x"}, None),
    ("labels", '{"b":"2","a":"1"}', {"a": "1", "b": "2"}, None), ("labels", '{"a":"%s"}' % X64, {"a": X64}, None),
    ("labels", '{"%s":" =,"}' % ("a" * 32), {"a" * 32: " =,"}, None), ("labels", json.dumps({f"l{n}": "v" for n in range(8)}), {f"l{n}": "v" for n in range(8)}, None))


def with_member(made, name, text):
    """The event as JSON, with a member whose value is written by hand."""
    return json.dumps(made).replace('"codec"', f'"{name}": {text}, "codec"', 1)


def outcome(account, id, name, reply_is_good, reason):
    """What is in the ledger of it: the value, or that it is absent or rejected, with a reason that names the member."""
    if not reply_is_good:
        return REJECTED if reason.startswith(name + ":") else reason
    [item] = account.server.admin("history", "org-a", "door", id)
    return item["data"].get(name, ABSENT)


def judge(account, id, name, reply):
    if reply.status == 400:
        return NO_JSON
    body = reply.json()
    reason = body["results"][0]["reason"] if body["results"] else ""
    if reason.startswith("the event cannot be read"):
        return NO_JSON
    return outcome(account, id, name, body["stored"] == 1, reason)


def by_json(account, id, name, text):
    return judge(account, id, name, account.client.report(with_member(event(id, TIME, source="door"), name, text)))


def by_ndjson(account, id, name, text):
    line = with_member(event(id, TIME, source="door"), name, text)
    return judge(account, id, name, account.client.report(line + "\n", "application/x-ndjson"))


def by_headers(account, id, name, text):
    made = event(id, TIME, source="door")
    headers = {f"ce-{key}": value for key, value in made.items() if key != "data"}
    headers.update({"Authorization": f"Bearer {account.token}", "Content-Type": "application/json"})
    data = with_member({"data": made["data"]}, name, text)[len('{"data": '):-1]
    return judge(account, id, name, account.client.request("POST", "/v1/events", data, headers))


@pytest.mark.parametrize("door", [by_json, by_ndjson, by_headers])
def test_each_value_at_each_door(old_account, door):
    wrong = []
    for number, (name, text, expected, *_) in enumerate(VALUES):
        got = door(old_account, str(number), name, text)
        if got != expected or isinstance(got, float) != isinstance(expected, float):
            wrong.append((name, text, expected, got))
    assert not wrong, wrong


def test_each_value_in_a_table(importing):
    """A cell has no quotes of JSON, and an empty one counts as absent."""
    rows = []
    for name, text, expected, *cell in VALUES:
        if cell == [None] or text in ("true", "[25]", "[2]", "[1]", "{}"):
            continue  # no cell is such a value, or the file has no such column
        value = "" if text == "null" else json.loads(text) if text.startswith('"') else text
        rows.append((name, value, cell[0] if cell else expected))
    columns = ["frame_rate", "quality", "region", "passes", "input_duration_ms"]
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["source", "id", "time", "codec", "width", "height", "duration_ms", *columns])
    for number, (name, value, _) in enumerate(rows):
        writer.writerow(["door", f"{number}", TIME, "h264", 640, 360, 1000, *(value if column == name else "" for column in columns)])
    done = importing("--format", "csv", importing.write("table.csv", table.getvalue()))
    rejected = {row["id"]: row["reason"] for row in map(json.loads, open(importing.directory / "table.csv.rejected.ndjson", encoding="utf-8"))}
    wrong = []
    for number, (name, value, expected) in enumerate(rows):
        reason = rejected.get(str(number), "")
        got = outcome(importing.account, str(number), name, reason == "", reason)
        if got != expected:
            wrong.append((name, value, expected, got))
    assert not wrong, wrong
    assert counts(done.stdout)["rejected"] == sum(expected == REJECTED for *_, expected in rows), done


MEASURES = {"frame_rate": 25, "quality": "hq", "region": "eu-west-1", "passes": 2, "input_duration_ms": 60000, "labels": {"team": "news"}}


def reported(id, **data):
    made = event(id, TIME, source="door")
    made["data"].update(data)
    return made


@pytest.mark.parametrize("where", ["in one request", "in memory", "on disk"])
def test_what_a_repeat_adds_or_changes(old_account, where):
    """It is a duplicate, if no measure that both state differs. The first report stays as it was: what it left out is unknown, and its
    labels are those that count."""
    first = [reported("bare"), *(reported(name, **{name: value}) for name, value in MEASURES.items())]
    again = [reported("bare", **MEASURES), *(reported(name, **{**MEASURES, "labels": {"team": "sports", "show": "x"}}) for name in MEASURES),
             *(reported(name) for name in MEASURES), reported("labels", labels=None), reported("labels", labels={})]
    if where == "in one request":
        body = old_account.client.report(first + again).json()
    else:
        assert old_account.client.report(first).json()["stored"] == len(first)
        if where == "on disk":
            write_all(old_account)
        body = old_account.client.report(again).json()
    assert (body["duplicate"], body["conflict"], body["rejected"]) == (len(again), 0, 0), body
    for made in first:
        [shown] = old_account.server.admin("history", "org-a", "door", made["id"])
        assert shown["data"] == made["data"]
