"""The flows of examples/node-red in a real Node-RED beside a real server: what they keep is what the server answers."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from client import event  # noqa: E402
from conftest import Account, bare, wait_until  # noqa: E402, F401 (bare is a fixture)
from node_red import FLOWS, NodeRed  # noqa: E402

DAY = 86400
ZONE_S = 8 * 3600  # Asia/Shanghai, which does not change its clocks


def stamp(days_ago):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days_ago * DAY))


def today(now):
    """The first instant of the day in Asia/Shanghai."""
    return (int(now) + ZONE_S) // DAY * DAY - ZONE_S


def environment(account, **others):
    return {"CODECMETER_URL": account.server.url, "CODECMETER_PUBLIC_KEY": account.key["public_key"],
            "CODECMETER_PRIVATE_KEY": account.key["private_key"], "CODECMETER_PROJECT": "org-a", **others}


def report(account, *events, **more):
    answer = account.client.report(list(events), **more).json()
    assert answer["stored"] == len(events), answer


def void(id):
    return {"type": "usage.voided", "source": "c", "id": f"void-{id}", "subject": "org-a", "data": {"source": "test", "id": id}}


def some_usage(account):
    report(account, *(event(n, stamp(n / 2), 100 + n, 1280, 720, ("h264", "h265", "av1")[n % 3]) for n in range(2, 40)))


def check_days(red, account, since):
    """The kept rows are those of the server, of every day that has ended, and no row is there twice."""
    rows = red.kept("days")
    names = [(row["ProjectId"], row["Time"], row["VideoCodec"]) for row in rows]
    assert names == sorted(set(names))
    ended = [today(moment) - DAY for moment in (since, time.time())]
    assert rows[-1]["Time"] in ended and rows[0]["Time"] + 30 * DAY in ended
    told = account.client.stat(ProjectId="org-a", BeginTime=rows[0]["Time"], EndTime=rows[-1]["Time"])
    assert [{"ProjectId": "org-a", **row} for row in told] == rows
    assert sum(row["TotalTime"] for row in rows) > 0


def test_the_flows_are_made_of_their_sources(tmp_path):
    subprocess.run(["node", os.path.join(FLOWS, "src", "make-flows"), str(tmp_path)], check=True, timeout=60)
    for name in ("days.json", "month.json"):
        made, kept = (tmp_path / name).read_text(), pathlib.Path(FLOWS, name).read_text()
        assert made == kept, f"{name}: run examples/node-red/src/make-flows"


def test_days_are_kept(bare, tmp_path):
    account = Account(bare)
    some_usage(account)
    void_token = bare.admin("token", "create", "--scope", "void")["token"]
    since = time.time()
    with NodeRed(tmp_path / "red", **environment(account, CODECMETER_RETRY_S="0.5")) as red:
        red.load("days", "month")
        said = red.next_status("days-keep", "green", lambda: red.trigger("days"))
        assert "93 added, 0 changed, 0 removed, 0 as before" in said
        check_days(red, account, since)

        # Again, and ten times at once: no row twice.
        before = red.kept("days")
        for times in (1, 10):
            seen = len(red.statuses("days-keep", "green"))
            for _ in range(times):
                red.trigger("days")
            wait_until(lambda: len(red.statuses("days-keep", "green")) == seen + times)
            if red.kept("days") != before:
                check_days(red, account, since)  # a day has ended meanwhile

        # A late event adds a row for each day, a void changes one.
        report(account, event("late", stamp(20), 77, 640, 360, "vp9"))
        report(account, void("4"), token=void_token)
        said = red.next_status("days-keep", "green", lambda: red.trigger("days"))
        assert "31 added, 1 changed, 0 removed, 92 as before" in said or today(since) != today(time.time())
        check_days(red, account, since)
        assert 77 in (row["LowDefinitionTime"] for row in red.kept("days"))

        # What was voided entirely goes away.
        report(account, void("late"), token=void_token)
        assert "31 removed" in red.next_status("days-keep", "green", lambda: red.trigger("days"))
        check_days(red, account, since)

        # The server is away: the flow says so, asks again, and keeps the rows when the server is back.
        before = red.kept("days")
        bare.stop()
        said = red.next_status("days-check", "yellow", lambda: red.trigger("days"))
        assert said == "the server cannot be reached (ECONNREFUSED); attempt 2 of 8 in 0.5 s"
        assert red.kept("days") == before
        seen = len(red.statuses("days-keep", "green"))
        bare.start()
        report(account, event("new", stamp(3), 5, 640, 360, "h264"))
        wait_until(lambda: len(red.statuses("days-keep", "green")) > seen)
        red.next_status("days-keep", "green", lambda: red.trigger("days"))
        check_days(red, account, since)

        # No secret is in the flow, the log, a status or the rows. The environment alone has them.
        for text in (red.admin("GET", "/flows").decode(), red.text("log"), red.text("statuses"), str(red.kept("days"))):
            assert account.key["private_key"] not in text and account.token not in text


def month_of(account, token, month):
    path = f"/v1/usage?month={month}&step=1mo&group=project"
    answer = account.client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200, answer.body
    return [{"month": month, **row} for row in answer.json()["rows"]]


def test_months_are_kept(bare, tmp_path):
    """One row for each month, project and kind: those of the server."""
    account = Account(bare)
    bare.admin("project", "create", "--id", "org-b", "--time-zone", "America/New_York")
    writer, names = bare.admin("token", "create")["token"], ("month", "project", "kind")
    reader = bare.admin("token", "create", "--scope", "read")["token"]
    for project in ("org-a", "org-b"):
        report(account, *(event(n, f"2026-0{1 + n % 2}-{n:02}T02:00:00Z", 61 * n, 1280, 720, source=project, subject=project)
                          for n in range(1, 29)), token=writer)
    report(account, {"type": "remux.finished", "source": "r", "id": "1", "subject": "org-b", "time": "2026-01-09T00:00:00Z",
                     "data": {"duration_ms": 90500}}, token=writer)
    with NodeRed(tmp_path / "red", CODECMETER_URL=bare.url + "/", CODECMETER_READ_TOKEN=reader, CODECMETER_RETRY_S="0.5") as red:
        red.load("month", "days")

        def ask(fill="green", node="keep", **message):
            return red.next_status(f"month-{node}", fill, lambda: red.trigger("month", **message))

        assert "3 added, 0 changed, 0 removed, 0 as before" in ask(month="2026-01")
        january = month_of(account, reader, "2026-01")
        assert red.kept("months") == sorted(january, key=lambda row: [row[name] for name in names])
        assert [(row["project"], row["kind"]) for row in january] == \
            [("org-a", "transcode"), ("org-b", "transcode"), ("org-b", "remux")]

        # Another month comes beside it; the same month again changes nothing; late usage changes its row.
        assert "2 added" in ask(month="2026-02")
        assert "0 added, 0 changed, 0 removed, 3 as before" in ask(month="2026-01")
        report(account, event("late", "2026-01-15T00:00:00Z", 7, source="late", subject="org-a"), token=writer)
        assert "0 added, 1 changed, 0 removed, 2 as before" in ask(month="2026-01")
        both = month_of(account, reader, "2026-01") + month_of(account, reader, "2026-02")
        assert red.kept("months") == sorted(both, key=lambda row: [row[name] for name in names])

        # Without a month: the one before this one.
        last = [time.strftime("%Y-%m", time.gmtime(time.time() - (time.gmtime().tm_mday + more) * DAY)) for more in (0, 1)]
        report(account, event("last", f"{last[0]}-02T00:00:00Z", 7, source="last", subject="org-a"), token=writer)
        ask()
        assert red.kept("months")[-1]["month"] in last

        # A month that the server does not know, and no server: the error is shown, and the rows stay.
        kept = red.kept("months")
        assert ask("red", "check", month="2026-13").startswith("refused: HTTP 400, month")
        bare.stop()
        assert ask("yellow", "check", month="2026-01").startswith("the server cannot be reached (ECONNREFUSED); attempt 2 of 8")
        assert red.kept("months") == kept
        seen = len(red.statuses("month-keep", "green"))
        bare.start()
        wait_until(lambda: len(red.statuses("month-keep", "green")) > seen)
        assert red.kept("months") == kept and "3 as before" in red.statuses("month-keep", "green")[-1]
        for text in (red.admin("GET", "/flows").decode(), red.text("log"), red.text("statuses")):
            assert reader not in text


@pytest.mark.parametrize("token, said", (
    ("wrong", "refused: HTTP 401"),
    ("", "not set in the environment of Node-RED: CODECMETER_READ_TOKEN"),
))
def test_errors_of_a_month_are_shown(bare, tmp_path, token, said):
    Account(bare)
    with NodeRed(tmp_path / "red", CODECMETER_URL=bare.url, CODECMETER_READ_TOKEN=token) as red:
        red.load("month")
        node = "check" if token else "ask"
        assert red.next_status(f"month-{node}", "red", lambda: red.trigger("month")).startswith(said)
        assert red.kept("months") is None


def test_a_kill_leaves_the_old_rows_or_the_new_ones(bare, tmp_path):
    """Node-RED is killed at each call that reads or writes the file, in the midst of a write too."""
    account = Account(bare)
    some_usage(account)
    file, home = tmp_path / "rows" / "days.ndjson", tmp_path / "rows"
    home.mkdir()

    def keep(name, **more):
        with NodeRed(tmp_path / name, **environment(account, CODECMETER_ROWS=str(home), **more)) as red:
            red.load("days")
            red.trigger("days")
            wait_until(lambda: red.has_ended() or red.statuses("days-keep", "green"))
            return red.has_ended()

    assert keep("before") is False
    for call in range(1, 20):
        before = file.read_text()
        report(account, event(f"late-{call}", stamp(3), 9, 640, 360, "h264"))
        was_killed = keep(f"red{call}", NODE_OPTIONS=f"--require {HERE}/kill_at.js", KILL_AT=str(call),
                          KILL_BELOW=str(home))
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        told = account.client.stat(ProjectId="org-a", BeginTime=rows[0]["Time"], EndTime=rows[-1]["Time"])
        assert file.read_text() == before or [{"ProjectId": "org-a", **row} for row in told] == rows
        if not was_killed:
            break
    assert call == 8, "there are seven: read; open, write, sync, rename; open the directory and sync it"


def test_errors_of_days_are_shown(bare, tmp_path):
    """(what is wrong, the node that says it, what it says). Nothing is kept."""
    account = Account(bare)
    some_usage(account)
    bare.admin("project", "create", "--id", "org-b")
    wrong = "0" * 40
    for number, (others, node, said) in enumerate((
            ({"CODECMETER_PRIVATE_KEY": wrong}, "check", "refused: RetCode 171, Signature VerifyAC Error"),
            ({"CODECMETER_PUBLIC_KEY": "nobody"}, "check", "refused: RetCode 172, User Not Exists"),
            ({"CODECMETER_PROJECT": "org-x"}, "check", "refused: RetCode 292, Project [org-x] not exists"),
            ({"CODECMETER_URL": bare.url + "/v2"}, "check", "this is no answer of codecmeter (HTTP 404): check CODECMETER_URL"),
            ({"CODECMETER_PRIVATE_KEY": "", "CODECMETER_PROJECT": ""}, "ask",
             "not set in the environment of Node-RED: CODECMETER_PRIVATE_KEY, CODECMETER_PROJECT"),
            ({"CODECMETER_ROWS": str(tmp_path / "nowhere")}, "keep", "nothing was kept: ENOENT"))):
        with NodeRed(tmp_path / f"red{number}", **environment(account, **others)) as red:
            red.load("days")
            shown = red.next_status(f"days-{node}", "red", lambda: red.trigger("days"))
            assert shown.startswith(said), shown
            assert said in red.text("log"), "a Catch node and the log get the same text"
            assert red.kept("days") is None and red.statuses("days-keep", "green") == []


def test_a_server_that_stays_away(bare, tmp_path):
    account = Account(bare)
    bare.stop()
    with NodeRed(tmp_path / "red", **environment(account, CODECMETER_RETRY_S="0.01")) as red:
        red.load("days")
        shown = red.next_status("days-check", "red", lambda: red.trigger("days"))
        assert shown == "the server cannot be reached (ECONNREFUSED); gave up after 8 attempts"
        assert len(red.statuses("days-check", "yellow")) == 7 and red.kept("days") is None
    bare.start()


@pytest.mark.parametrize("lines, said", (
    ('{"ProjectId":"org-a"', "days.ndjson, line 1 is not JSON"),
    ('{"ProjectId":"org-a","Time":%d,"VideoCodec":"h264"}\n' % (today(time.time()) + 5 * DAY), "has later days than this answer"),
    ('{"ProjectId":"org-a","Time":%d,"VideoCodec":"h264"}\n' % (today(time.time()) - 32 * DAY + 7 * 3600), "overlap"),
))
def test_a_file_that_cannot_be_continued_stays_as_it_is(bare, tmp_path, lines, said):
    account = Account(bare)
    some_usage(account)
    with NodeRed(tmp_path / "red", **environment(account)) as red:
        (red.rows / "days.ndjson").write_text(lines)
        red.load("days")
        assert said in red.next_status("days-keep", "red", lambda: red.trigger("days"))
        assert (red.rows / "days.ndjson").read_text() == lines


def test_the_schedule_starts_the_flow(bare, tmp_path):
    """Beside rows of another project, and after days that nobody can ask for any more."""
    account = Account(bare)
    some_usage(account)
    old = ('{"ProjectId":"org-a","Time":%d,"VideoCodec":"h264"}\n' % (today(time.time()) - 50 * DAY),
           '{"ProjectId":"other","Time":%d,"VideoCodec":"h264"}\n' % today(time.time()))
    with NodeRed(tmp_path / "red", **environment(account)) as red:
        (red.rows / "days.ndjson").write_text("".join(old))
        red.load("days", crontab="* * * * * *")
        wait_until(lambda: len(red.statuses("days-keep", "green")) >= 2)
        assert "days are missing between" in red.text("log")
        kept = (red.rows / "days.ndjson").read_text().splitlines(True)
        assert kept[0] == old[0] and kept[-1] == old[1] and len(kept) == 95
