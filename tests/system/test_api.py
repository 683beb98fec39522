"""The signed API: the published example, encodings, RetCodes, malformed requests."""
import hashlib
import json
import os
import time

import pytest

from client import canonical, event, form, sign
from conftest import Account

VECTORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "vectors")
DAY = 86400
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def load(name):
    with open(os.path.join(VECTORS, name)) as file:
        return json.load(file)


# ---- the published example ----

PUBLISHED = [
    # time, super, high, medium, low
    (1500220800, 0, 0, 0, 0),
    (1500307200, 0, 0, 0, 0),
    (1500393600, 0, 0, 0, 137),
    (1500480000, 0, 137, 0, 0),
]


def rows(stat_set):
    return [(r["Time"], r["SuperDefinitionTime"], r["HighDefinitionTime"], r["MidiumDefinitionTime"],
             r["LowDefinitionTime"]) for r in stat_set]


@pytest.fixture
def published(old_account):
    answer = old_account.client.report([
        event(1, "2017-07-19T12:00:00+08:00", 137, 640, 480),
        event(2, "2017-07-20T00:00:00+08:00", 137, 1920, 1080),
    ])
    assert answer.json()["stored"] == 2
    return old_account.client


@pytest.mark.parametrize("encoding", ["post_form", "post_json", "get"])
def test_published_example(published, encoding):
    params = {"Action": "GetCodecTotalStat", "ProjectId": "org-a", "BeginTime": 1500220800, "EndTime": 1500480000}
    answer = getattr(published, encoding)(published.signed(params))
    assert answer["RetCode"] == 0 and answer["Action"] == "GetCodecTotalStatResponse"
    assert rows(answer["StatSet"]) == PUBLISHED
    for row in answer["StatSet"]:
        assert row["VideoCodec"] == "h264"
        assert row["TotalTime"] == sum(row[name] for name in row if name.endswith("DefinitionTime"))
        assert all(type(value) is int for name, value in row.items() if name != "VideoCodec")


def test_published_example_lower_case_and_padded(published):
    """As the API's own documentation prints it: begintime=1500220800&endtime= 1500480000."""
    params = {"Action": "GetCodecTotalStat", "begintime": "1500220800", "endtime": " 1500480000"}
    for send in (published.get, published.post_form, published.post_json):
        assert rows(send(published.signed(params))["StatSet"]) == PUBLISHED


def test_action_repeated_in_the_query_of_a_post(published):
    params = published.signed({"Action": "GetCodecTotalStat", "BeginTime": 1500220800, "EndTime": 1500480000})
    reply = published.request("POST", "/?Action=GetCodecTotalStat", json.dumps(params), JSON)
    assert rows(reply.json()["StatSet"]) == PUBLISHED


# ---- signatures ----

def test_vectors_signature(account):
    """The published signatures, made anew by our own client; and in each encoding past all but the action's name."""
    cases = load("signature.json")
    for case in cases:
        assert canonical(case["params"]) + case["private_key"] == case["canonical"]
        assert hashlib.sha1(case["canonical"].encode()).hexdigest() == case["signature"]
    known = [case for case in cases if "Action" in case["params"]]
    assert len(known) >= 7
    for case in known:
        for send in (account.client.post_form, account.client.post_json, account.client.get):
            # None of these actions is ours: 161 comes before the signature is looked at.
            assert send({**case["params"], "Signature": case["signature"]})["RetCode"] == 161


@pytest.fixture(scope="module")
def vector_account(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("vectors") / "data")
    account = Account(server, "query.max_age=0", "query.max_span=0")
    server.admin("key", "create", "--public-key", "k", "--private-key", "46f09bb9fab4f12dfc160dae12273d5332b5debe")
    yield account
    server.stop()


@pytest.mark.parametrize("case", load("signature-json.json")["good"], ids=lambda case: case["case"])
def test_vectors_json_good(vector_account, case):
    signature, body = case["signature"], case["body"]
    if '"Signature":"ignored"' in body:
        body = body.replace('"Signature":"ignored"', f'"Signature":"{signature}"')
    else:
        body = body.rstrip()[:-1] + f',"Signature":"{signature}"}}'
    for text in (body, body.replace(signature, signature.upper())):
        answer = vector_account.client.request("POST", "/", text.encode(), JSON).json()
        assert answer["RetCode"] == 0, answer
    wrong = body.replace(signature, signature[:-1] + ("0" if signature[-1] != "0" else "1"))
    assert vector_account.client.request("POST", "/", wrong.encode(), JSON).json()["RetCode"] == 171


@pytest.mark.parametrize("case", load("signature-json.json")["bad"], ids=lambda case: case["case"])
def test_vectors_json_bad(vector_account, case):
    reply = vector_account.client.request("POST", "/", case["body"].encode(), JSON)
    answer = reply.json()
    assert reply.status == 200 and answer["RetCode"] == 230, answer
    assert "not available: " in answer["Message"]


# ---- RetCodes ----

def test_refusals(account):
    c = account.client
    table = [
        ({"Limit": "1"}, 160, "Missing Action", "Response"),
        ({"Action": ""}, 160, "Missing Action", "Response"),
        ({"Action": "Nothing"}, 161, "Action [Nothing] not found", "NothingResponse"),
        ({"Action": "GetRegion"}, 170, "Missing signature", "GetRegionResponse"),
        ({"Action": "GetRegion", "Signature": "00"}, 220, "Missing params [PublicKey]", "GetRegionResponse"),
        ({"Action": "GetRegion", "Signature": "00", "PublicKey": "nobody"}, 172, "User Not Exists", None),
        ({"Action": "GetRegion", "Signature": "00", "PublicKey": c.public_key}, 171, "Signature VerifyAC Error", None),
        ({"Action": "GetRegion", "Signature": "0" * 40, "PublicKey": c.public_key}, 171, "Signature VerifyAC Error", None),
        ({"Action": "GetRegion", "action": "GetRegion"}, 230, None, None),
    ]
    for params, code, message, action in table:
        for send in (c.post_form, c.post_json, c.get):
            answer = send(params)
            assert answer["RetCode"] == code, (params, answer)
            assert message is None or answer["Message"] == message
            assert action is None or answer["Action"] == action


def test_every_answer_has_a_request_id(account):
    replies = [account.client.request("GET", path) for path in ("/", "/?Action=GetRegion", "/nothing")]
    ids = {reply.headers["x-ucloud-request-uuid"] for reply in replies}
    assert len(ids) == 3
    assert all(request in account.server.log_text() for request in ids)
    assert all(reply.headers["content-type"] == "application/json" for reply in replies[:2])


def test_upper_case_signature(account):
    params = account.client.signed({"Action": "GetRegion"})
    params["SIGNATURE"] = params.pop("Signature").upper()
    assert account.client.post_form(params)["RetCode"] == 0


def test_action_is_echoed_short_and_escaped(account):
    name = "\"<é" * 40
    answer = account.client.post_form({"Action": name})
    assert answer["Action"].endswith("Response")
    assert 60 < len(answer["Action"].encode()) <= 64 + len("Response")
    assert name.startswith(answer["Action"][:-len("Response")])


def test_default_project_and_unknown_projects(account):
    c = account.client
    assert c.call("GetCodecTotalStat")["RetCode"] == 0
    answer = c.call("GetCodecTotalStat", ProjectId="org-none")
    assert (answer["RetCode"], answer["Message"]) == (292, "Project [org-none] not exists")
    assert c.call("GetCodecTotalStat", ProjectId=" org-a ")["RetCode"] == 0


def test_no_default_project(bare):
    bare.start()
    key = bare.admin("key", "create")
    c = bare.client(public_key=key["public_key"], private_key=key["private_key"])
    assert c.call("GetCodecTotalStat")["RetCode"] == 292
    assert c.call("GetProjectList")["ProjectCount"] == 0


def test_sub_account(account):
    server = account.server
    server.admin("project", "create", "--id", "org-b")
    key = server.admin("key", "create", "--project", "org-b")
    c = server.client(public_key=key["public_key"], private_key=key["private_key"])
    assert c.call("GetCodecTotalStat")["Message"] == "Missing params [ProjectId]"
    for project in ("org-a", "org-none"):
        answer = c.call("GetCodecTotalStat", ProjectId=project)
        assert (answer["RetCode"], answer["Message"]) == (299, f"Permission denied: project [{project}]")
    assert c.call("GetCodecTotalStat", ProjectId="org-b")["RetCode"] == 0
    assert [p["ProjectId"] for p in c.call("GetProjectList")["ProjectSet"]] == ["org-b"]


def test_disabled_key_is_refused_at_once(account):
    c = account.client
    assert c.call("GetRegion")["RetCode"] == 0
    account.server.admin("key", "disable", "--public-key", c.public_key)
    assert c.call("GetRegion")["RetCode"] == 172


def test_security_token_and_unknown_parameters_are_signed(account):
    params = account.client.signed({"Action": "GetRegion", "SecurityToken": "t", "Region": "cn-bj2", "Zone": "z"})
    assert account.client.post_form(params)["RetCode"] == 0
    assert account.client.post_form({**params, "Region": "cn-sh2"})["RetCode"] == 171


def test_other_actions(account):
    c = account.client
    answer = c.call("GetProjectList")
    assert answer["ProjectCount"] == 1
    project = answer["ProjectSet"][0]
    assert (project["ProjectId"], project["IsDefault"], project["TimeZone"]) == ("org-a", True, "Asia/Shanghai")
    assert type(project["CreateTime"]) is int and abs(project["CreateTime"] - time.time()) < 60
    assert type(project["MemberCount"]) is int and type(project["ResourceCount"]) is int
    region = c.call("GetRegion")["Regions"][0]
    assert set(region) == {"RegionId", "RegionName", "IsDefault", "BitMaps", "Region", "Zone"}


def test_browser_gets_a_page(account):
    reply = account.client.request("GET", "/", headers={"Accept": "text/html,*/*"})
    assert reply.headers["content-type"].startswith("text/html") and b"codecmeter" in reply.body
    table = [("text/html", True), ("TEXT/HTML;q=0.001", True), ("application/json, text/html ; q=1", True),
             ("text/html;level=1;q=0.5", True), ("text/html;q=0", False), ("text/html; Q=0.000, application/json", False),
             ("*/*", False), ("text/*", False), ("text/html+x", False), ("x-text/html", False), ("", False)]
    for accept, is_browser in table:
        reply = account.client.request("GET", "/", headers={"Accept": accept})
        assert reply.headers["content-type"].startswith("text/html" if is_browser else "application/json"), accept
    assert account.client.request("GET", "/").json()["RetCode"] == 160


# ---- windows ----

def bad_windows(now):
    return [
        ({"BeginTime": "abc"}, "BeginTime"),
        ({"BeginTime": "-1"}, "BeginTime"),
        ({"BeginTime": "1e9"}, "BeginTime"),
        ({"BeginTime": "15002208000000000000"}, "BeginTime"),
        ({"EndTime": "253402300800"}, "EndTime"),
        ({"EndTime": "0x10"}, "EndTime"),
        ({"EndTime": "1.5"}, "EndTime"),
        ({"BeginTime": now, "EndTime": now - 1}, "BeginTime"),
        ({"BeginTime": now + 20, "EndTime": now + 10}, "BeginTime"),
        ({"EndTime": now - 32 * DAY}, "EndTime"),
        ({"BeginTime": now - 40 * DAY, "EndTime": now}, "BeginTime"),
        # a number though blanks stand around it: not malformed, but its window of seven days is too old
        ({"BeginTime": " 1500220800 "}, "EndTime"),
    ]


def test_bad_windows(account):
    for params, at_fault in bad_windows(int(time.time())):
        answer = account.client.call("GetCodecTotalStat", **params)
        start = f"Params [{at_fault}] not available: "
        assert answer["RetCode"] == 230 and answer["Message"].startswith(start), (params, answer)
        assert len(answer["Message"]) > len(start) + 5


def test_nested_values_are_refused(account):
    c = account.client
    for value in ([1], {"a": 1}, True):
        assert c.post_json(c.signed({"Action": "GetCodecTotalStat", "BeginTime": value}))["RetCode"] == 230
    assert c.post_json(c.signed({"Action": "GetCodecTotalStat", "BeginTime": None}))["RetCode"] == 0


def test_zero_rows_and_defaults(account):
    c = account.client
    now = int(time.time())
    for params, days in (({}, 8), ({"EndTime": now + 9999}, 8), ({"BeginTime": now + 50}, 1),
                         ({"BeginTime": now + 50, "EndTime": now + 90}, 1), ({"BeginTime": now - 20 * DAY}, 8),
                         ({"BeginTime": "", "EndTime": " "}, 8)):
        stat = c.stat(**params)
        assert len(stat) == days, (params, len(stat))
        assert all(row["TotalTime"] == 0 and row["VideoCodec"] == "h264" for row in stat)
        assert all((row["Time"] + 8 * 3600) % DAY == 0 for row in stat)


def test_codecs_have_rows_on_every_day(old_account):
    c = old_account.client
    c.report([event(1, "2020-01-01T00:00:00Z", 5, codec="libx265"), event(2, "2020-01-03T00:00:00Z", 7, codec="AV1")])
    stat = c.stat(BeginTime=1577836800, EndTime=1577836800 + 2 * DAY)
    assert [(r["Time"], r["VideoCodec"], r["TotalTime"]) for r in stat] == [
        (1577808000, "av1", 0), (1577808000, "h265", 5), (1577894400, "av1", 0), (1577894400, "h265", 0),
        (1577980800, "av1", 7), (1577980800, "h265", 0)]


def test_rows_are_bounded(bare):
    account = Account(bare, "query.max_age=0", "query.max_span=0", "query.rows_max=10")
    assert account.client.call("GetCodecTotalStat", BeginTime=0, EndTime=10 * DAY)["RetCode"] == 230
    rows = account.client.stat(BeginTime=0, EndTime=9 * DAY)
    assert len(rows) == 10
    assert rows[0]["Time"] == -8 * 3600  # 1970-01-01 began before the epoch in Shanghai


# ---- bodies ----

def test_malformed_bodies(account):
    c = account.client
    for body in (b"Action=%ff%fe", b"Action=GetRegion&x=%00", b"\xff=1", b"a=%c0%af"):
        answer = c.request("POST", "/", body, FORM).json()
        assert answer["RetCode"] == 230 and "[body]" in answer["Message"], (body, answer)
    many = "&".join(f"p{i}=1" for i in range(10000))
    assert c.request("POST", "/", many, FORM).json()["RetCode"] == 230
    nested = json.dumps({"Action": "GetRegion", "x": [[1] * 100] * 100})
    assert c.request("POST", "/", nested, JSON).json()["RetCode"] == 230


BIG = "1" * 401


@pytest.mark.parametrize("value", [BIG, "-" + "1" * 400, f"[{BIG}]", f'{{"a":[1,{{"b":{BIG}}}]}}', '{"a":1e500}', "1e-500"])
def test_a_number_too_long_is_a_body_that_cannot_be_read(account, value):
    """Before everything else, at any depth: 230 [body], not 170 or 172."""
    for more in ("", ',"Signature":"x"', ',"Signature":"x","PublicKey":"nobody"', ',"A":1,"a":2'):
        body = f'{{"Action":"GetRegion","X":{value}{more}}}'
        answer = account.client.request("POST", "/", body, JSON).json()
        assert (answer["RetCode"], answer["Action"]) == (230, "GetRegionResponse")
        assert answer["Message"] == ("Params [body] not available: a number is longer than 400 characters "
                                     "when written out")


def test_refusals_of_a_body_name_its_action(account):
    c = account.client
    many = {f"a{i}": 1 for i in range(1000)}
    table = [
        ("x=1&Action=GetRegion&X=2", FORM),
        ("Action=+GetRegion%20&action=Other", FORM),
        ("Action=GetRegion&x=%ff", FORM),
        ("Action=GetRegion&x=%00", FORM),
        ("&".join(f"{name}=1" for name in many) + "&Action=GetRegion", FORM),
        ('{"x":{"a":1,"A":2},"action":" GetRegion "}', JSON),
        ('{"Action":"GetRegion","X":1,"x":2}', JSON),
        ('{"Action":"GetRegion","x":"\\u0000"}', JSON),
        (json.dumps({**many, "Action": "GetRegion"}), JSON),
    ]
    for body, headers in table:
        answer = c.request("POST", "/?Action=Hint", body, headers).json()
        assert (answer["RetCode"], answer["Action"]) == (230, "GetRegionResponse"), body[:80]
        if headers is FORM:
            answer = c.request("GET", "/?" + body).json()
            assert (answer["RetCode"], answer["Action"]) == (230, "GetRegionResponse"), body[:80]
    # where the body tells none, the query's
    for body in ("{bad", '{"Action":["GetRegion"],"x":1,"X":2}', '{"Action":null,"x":1,"X":2}', '{"x":1,"X":2}'):
        answer = c.request("POST", "/?x=1&action=+Hint%20", body, JSON).json()
        assert (answer["RetCode"], answer["Action"]) == (230, "HintResponse"), body
        for query in ("", "?Action=", "?Action=+", "?Action=%ff"):
            assert c.request("POST", "/" + query, body, JSON).json()["Action"] == "Response"


def test_body_over_the_limit(account):
    c = account.client
    for size in (1 << 20) - 1, 5 << 20, 8 << 20:
        reply = c.request("POST", "/?Action=GetRegion", b"a=" + b"x" * size)
        answer = reply.json()
        assert reply.status == 200 and answer["RetCode"] == 230 and "1048576" in answer["Message"]
        assert answer["Action"] == "GetRegionResponse"
    assert c.request("POST", "/", b"a=" + b"x" * ((1 << 20) - 2)).json()["RetCode"] == 160


def test_percent_and_plus(account):
    c = account.client
    params = c.signed({"Action": "GetRegion", "Name": "100% +x", "y": "%zz%4"})
    body = f"Action=GetRegion&Name=100%+%2Bx&y=%zz%4&PublicKey={c.public_key}&Signature={params['Signature']}"
    assert c.request("POST", "/", body, FORM).json()["RetCode"] == 0


def test_no_secret_reaches_the_log(account):
    c = account.client
    c.post_form(c.signed({"Action": "GetRegion", "PrivateKey": c.private_key}))
    c.post_form({"Action": "GetRegion", "PublicKey": c.private_key, "Signature": "x"})
    c.post_form({"Action": c.private_key})
    c.report([event(1)])
    c.request("GET", "/?" + form(c.signed({"Action": "GetRegion"})))
    log = account.server.log_text()
    assert c.public_key in log
    for secret in (c.private_key, c.token, sign({"Action": "GetRegion", "PublicKey": c.public_key}, c.private_key)):
        assert secret not in log


# ---- keys only read ----

REPORTED = {"Source": "farm", "Id": "job-1/Main", "Type": "transcode.finished", "Time": 1604200000, "Codec": "h264",
            "Width": 1280, "Height": 720, "Duration": 1.5}


def test_nothing_can_be_reported_with_a_key(old_account):
    """The string to sign has no separators, so a request that writes could be altered without the private key."""
    client = old_account.client
    flat = {f"Event.0.{name}": value for name, value in REPORTED.items()}
    signed = client.signed({"Action": "ReportUsage", "ProjectId": "org-a", **flat})
    altered = {name: value for name, value in signed.items() if name != "ProjectId"} | {"Proj": "ectIdorg-a"}
    assert canonical({"ProjectId": "org-a"}) == canonical({"Proj": "ectIdorg-a"})
    nested = client.signed({"Action": "ReportUsage", "ProjectId": "org-a", "Event": [REPORTED]})
    renamed = {**nested, "Event": [{**REPORTED, "Id": "job-1/", "Main": None}]}
    for params in (signed, altered, nested, renamed):
        answer = client.post_json(params)
        assert answer["RetCode"] == 161 and answer["Message"] == "Action [ReportUsage] not found", answer
    assert all(row["TotalTime"] == 0 for row in client.stat(BeginTime=1600000000, EndTime=1610000000))


def test_an_altered_read_stays_within_the_key(old_account):
    """As docs/threat-model.md says: another window, another of the key's own projects, and nothing else."""
    server = old_account.server
    server.admin("project", "create", "--id", "org-b", "--time-zone", "UTC")
    old_account.client.report(event(1, "2020-09-13T00:00:00Z", 7))
    for restrict, code in (((), 0), (("--project", "org-b"), 220)):
        key = server.admin("key", "create", *restrict)
        client = server.client(public_key=key["public_key"], private_key=key["private_key"])
        sent = client.signed({"Action": "GetCodecTotalStat", "BeginTime": 1600000000, "EndTime": 1600000000, "ProjectId": "org-b"})
        assert [row["TotalTime"] for row in client.post_form(sent)["StatSet"]] == [0]
        window = {name: value for name, value in sent.items() if name != "BeginTime"} | {"BeginTime1": "600000000"}
        assert len(client.post_form(window)["StatSet"]) == 8  # seven days up to EndTime, the first and the last included
        project = {name: value for name, value in sent.items() if name != "ProjectId"} | {"ProjectI": "dorg-b"}
        answer = client.post_form(project)
        assert answer["RetCode"] == code, answer
        if code == 0:  # the account's default project, which is the key's own too
            assert [row["TotalTime"] for row in answer["StatSet"]] == [7]
        assert client.post_form({**sent, "ProjectId": "org-a"})["RetCode"] == 171


@pytest.mark.parametrize("content_type,body,words", [
    ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="Action"\r\n\r\nGetRegion\r\n--x--\r\n', "multipart/form-data"),
    ("text/xml", "<Action>GetRegion</Action>", "text/xml"), ("application/xml; charset=utf-8", "<a/>", "application/xml"),
    ("text/plain", "GetRegion", "text/plain"), ("application/octet-stream", b"\xff\x00\x01", "application/octet-stream"),
    ("application/x-ndjson", "[1]", "application/x-ndjson"), ("x" * 100, "a=1", "x" * 64 + " is"), ("a/\x85b", "a=1", "a/"),
])
def test_a_body_of_another_type_is_named(account, content_type, body, words):
    answer = account.client.request("POST", "/", body, {"Content-Type": content_type}).json()
    assert answer["RetCode"] == 230 and answer["Message"].startswith("Params [body] not available: its type "), answer
    assert words in answer["Message"] and "application/x-www-form-urlencoded" in answer["Message"]


def test_a_form_or_json_of_another_type_is_taken(account):
    """Clients that send text/plain, or no type at all, always worked."""
    c = account.client
    params = c.signed({"Action": "GetRegion"})
    for content_type in ("text/plain", "text/plain; charset=utf-8", "application/octet-stream", ""):
        for body in (form(params), json.dumps(params)):
            answer = c.request("POST", "/", body, {"Content-Type": content_type}).json()
            assert answer["RetCode"] == 0, (content_type, body, answer)
