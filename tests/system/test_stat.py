"""`codecmeter stat`: the table, CSV and JSON of known usage, and errors that say what to do."""
import csv
import io
import json

import pytest

from client import event
from media import Farm

TABLE = """\
Day         Codec            Low      Medium        High       Super       Total
2017-07-19  h264         0:02:17     0:00:00     0:00:00     0:00:00     0:02:17
2017-07-20  av1          0:00:00     0:00:01     0:00:00   100:00:00   100:00:01
2017-07-20  h264         0:00:00     0:00:00     0:02:17     0:00:00     0:02:17
Total                    0:02:17     0:00:01     0:02:17   100:00:00   100:04:35
Project org-a. Times are h:mm:ss. Days are those of Asia/Shanghai.
"""
DATES = ("--from", "2017-07-17", "--to", "2017-07-20")


@pytest.fixture
def farm(bare):
    farm = Farm(bare)
    events = [event(1, "2017-07-19T12:00:00+08:00", 137), event(2, "2017-07-20T00:00:00+08:00", 137, 1920, 1080),
              event(3, "2017-07-20T23:59:59.999+08:00", 0.4, 1280, 720, "av1"),
              event(4, "2017-07-20T01:00:00Z", 360000, 3840, 2160, "av1"),
              event(5, "2017-07-21T00:00:00+08:00", 9)]
    assert farm.account.client.report(events).json()["stored"] == 5
    return farm


def test_table(farm):
    done = farm.command("stat", *DATES)
    assert done.returncode == 0 and done.stdout == TABLE and done.stderr == "", done
    done = farm.command("stat", *DATES, "--seconds")
    assert done.stdout.splitlines()[1].split() == ["2017-07-19", "h264", "137", "0", "0", "0", "137"]
    assert done.stdout.endswith("\nProject org-a. Days are those of Asia/Shanghai.\n")
    done = farm.command("stat", *DATES, "--all")
    days = [line.split()[0] for line in done.stdout.splitlines()[1:-2]]
    assert days == [f"2017-07-{day}" for day in (17, 17, 18, 18, 19, 19, 20, 20)]


def test_csv_and_json(farm):
    done = farm.command("stat", *DATES, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 8 and rows[-1] == {
        "day": "2017-07-20", "time": "1500480000", "codec": "h264", "low_seconds": "0", "medium_seconds": "0",
        "high_seconds": "137", "super_seconds": "0", "total_seconds": "137"}
    answer = json.loads(farm.command("stat", *DATES, "--json").stdout)
    assert answer["StatSet"] == farm.account.client.stat(BeginTime=1500220800, EndTime=1500480000)


def test_days_are_the_projects(farm):
    farm.server.admin("project", "create", "--id", "org-ny", "--time-zone", "America/New_York")
    token = farm.server.admin("token", "create")["token"]
    # Half past midnight in Shanghai is the day before in New York.
    assert farm.account.client.report(event("ny", "2017-07-20T00:30:00+08:00", 5, subject="org-ny"), token=token).status == 200
    done = farm.command("stat", "--project", "org-ny", "--from", "2017-07-19", "--to", "2017-07-19", "--seconds")
    assert done.stdout.splitlines()[1].split()[0] == "2017-07-19" and done.stdout.splitlines()[1].split()[-1] == "5", done
    done = farm.command("stat", "--project", "org-ny", "--from", "2017-07-20", "--to", "2017-07-20")
    assert done.returncode == 0 and "2017-07-20" not in done.stdout, done


def test_defaults(farm):
    """Nothing said: the last seven days, of the account's default project."""
    assert farm.account.client.report(event("now", None, 61)).status == 200
    bare = {name: value for name, value in farm.environment.items() if name != "CODECMETER_PROJECT"}
    done = farm.command("stat", env=bare)
    assert done.returncode == 0 and done.stdout.splitlines()[1].split()[1:] == [
        "h264", "0:01:01", "0:00:00", "0:00:00", "0:00:00", "0:01:01"], done
    done = farm.command("stat", "--csv", env=bare)
    assert len(done.stdout.splitlines()) == 1 + 7
    done = farm.command("stat", "--from", "2017-07-19", "--to", "2017-07-19", env=bare)
    assert "0:02:17" in done.stdout


def test_a_sub_accounts_key(farm):
    farm.server.admin("project", "create", "--id", "org-b")
    key = farm.server.admin("key", "create", "--project", "org-b")
    sub = {**farm.environment, "CODECMETER_PUBLIC_KEY": key["public_key"], "CODECMETER_PRIVATE_KEY": key["private_key"]}
    assert farm.command("stat", "--project", "org-b", env=sub).returncode == 0
    done = farm.command("stat", "--project", "org-a", env=sub)
    assert done.returncode == 1 and "org-a" in done.stderr, done


def test_a_bound_of_the_server_is_explained(farm):
    farm.server.stop()
    farm.server.start("query.max_age=31d", listen=farm.server.url.removeprefix("http://"))
    done = farm.command("stat", "--from", "2020-01-01", "--to", "2020-01-02")
    assert done.returncode == 1 and "query.max_age" in done.stderr and "answered RetCode 230" in done.stderr, done


def test_errors(farm):
    for status, words, args in (
            (2, "2026-01-31", ("--from", "yesterday")), (2, "2026-01-31", ("--to", "2017-02-30")),
            (2, "after", ("--from", "2017-07-20", "--to", "2017-07-19")), (2, "not both", ("--csv", "--json")),
            (2, "unexpected argument 'extra'", ("org-a", "extra")), (2, "--help", ("--nonsense",)),
            (1, "VerifyAC", ("--private-key", "wrong")), (1, "User Not Exists", ("--public-key", "wrong")),
            (1, "org-none", ("--project", "org-none")), (1, "--url", ("--url", "http://127.0.0.1:1")),
            (1, "", ("--url", farm.server.url + "/v1/events"))):
        done = farm.command("stat", *args)
        assert done.returncode == status and words in done.stderr, (args, done)
        assert done.stderr.count("\n") == 1 and done.stdout == "", (args, done)
        assert farm.environment["CODECMETER_PRIVATE_KEY"] not in done.stderr
    bare = {name: value for name, value in farm.environment.items() if "KEY" not in name}
    done = farm.command("stat", env=bare)
    assert done.returncode != 0 and "key create" in done.stderr, done
    farm.server.stop()
    farm.server.start("query.rows_max=3", "query.max_age=0", "query.max_span=0", listen=farm.server.url.removeprefix("http://"))
    done = farm.command("stat", *DATES)
    assert done.returncode == 1 and "3 rows" in done.stderr, done
