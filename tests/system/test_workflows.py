"""docs/workflows.md: the scripts that it shows, run as it says and as cron runs them."""
import csv
import json
import os
import re
import subprocess

import pytest

from client import event
from conftest import CODECMETER, Account
from test_docs import blocks, read

TEXT = read("docs/workflows.md")
SCRIPTS = blocks(TEXT, "sh")


def sh(script, cwd, check=True, **environment):
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-euc", script], cwd=cwd, env={**os.environ, "PATH": path, **environment}, capture_output=True,
                          text=True, timeout=600)
    assert not check or done.returncode == 0, (done.stdout, done.stderr)
    return done


@pytest.fixture
def workflow(bare, tmp_path):
    """A server with usage, and a directory with the settings and scripts of the page."""
    account = Account(bare)
    bare.admin("project", "create", "--id", "org-b")
    made = [event(n, None, 30 + n, 1280, 720, ("h264", "av1")[n % 2]) for n in range(7)]
    made += [event(f"m{n}", f"2026-01-{n:02}T12:00:00Z", 60 * n + 1, 640, 360, "h264") for n in range(1, 28)]
    writer = bare.admin("token", "create")["token"]
    sent = [{**one, "source": project, "subject": project} for one in made for project in ("org-a", "org-b")]
    answer = account.client.report(sent, token=writer)
    assert answer.json()["stored"] == 2 * len(made), answer.body
    home = tmp_path / "usage"
    home.mkdir()
    settings, days, month, tries, _ = SCRIPTS
    sh(settings + days + month, home, CODECMETER_URL=bare.url, CODECMETER_PROJECT="org-a", CODECMETER_DATA=bare.data)
    account.home, account.tries = home, tries
    return account


def cron(account, line):
    """Runs the command of a line of the crontab with the environment that cron gives."""
    command = line.split(None, 5)[5].replace("/home/you/usage", str(account.home))
    return subprocess.run(["/bin/sh", "-c", command], cwd="/", env={"HOME": "/", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"},
                          capture_output=True, text=True, timeout=600)


LINES = re.findall(r"^[\d*]+ \d+ [\d*]+ \* \* cd .*$", TEXT, re.M)


def test_the_settings_are_for_their_owner_only(workflow):
    assert (workflow.home / "workflow.env").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE_KEY=\n" not in (workflow.home / "workflow.env").read_text()


def test_days_are_kept(workflow):
    assert len(LINES) == 2
    done = cron(workflow, LINES[0])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    kept = json.loads((workflow.home / "days.json").read_text())["StatSet"]
    assert kept == workflow.client.stat(ProjectId="org-a", BeginTime=kept[0]["Time"], EndTime=kept[-1]["Time"])
    assert sum(row["TotalTime"] for row in kept) == sum(30 + n for n in range(7)) and len({row["Time"] for row in kept}) == 32


def test_a_month_is_kept(workflow):
    done = sh("./codecmeter-month 2026-01", workflow.home)
    assert (done.stdout, done.stderr) == ("", "")
    with open(workflow.home / "month-2026-01.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    total = sum(60 * n + 1 for n in range(1, 28))
    assert [(row["project"], row["kind"], int(row["seconds"])) for row in rows] == \
        [("org-a", "transcode", total), ("org-b", "transcode", total)]
    assert cron(workflow, LINES[1]).returncode == 0


def test_as_printed(workflow):
    sh(workflow.tries, workflow.home)
    assert len(list(workflow.home.glob("month-*.csv"))) == 1 and (workflow.home / "days.json").exists()
    answer = json.loads(sh(SCRIPTS[-1], workflow.home).stdout)
    assert answer["complete"] is True and [row["project"] for row in answer["rows"]] == ["org-a", "org-b"]


@pytest.mark.parametrize("name, wrong, said", (
    ("CODECMETER_PRIVATE_KEY", "0" * 40, '"RetCode":171'),
    ("CODECMETER_PROJECT", "org-x", '"RetCode":292'),
    ("CODECMETER_URL", "http://127.0.0.1:1", "curl: ("),
))
def test_errors_of_days_keep_the_last_answer(workflow, name, wrong, said):
    (workflow.home / "days.json").write_text("before")
    settings = workflow.home / "workflow.env"
    settings.write_text(re.sub(f"(?m)^{name}=.*", f"{name}={wrong}", settings.read_text()))
    script = workflow.home / "codecmeter-days"
    script.write_text(script.read_text().replace("--retry 8", "--retry 1"))
    done = cron(workflow, LINES[0])
    assert done.returncode != 0 and said in done.stderr, done
    assert (workflow.home / "days.json").read_text() == "before"


def test_errors_of_a_month_keep_nothing(workflow):
    settings = workflow.home / "workflow.env"
    settings.write_text(re.sub("(?m)^CODECMETER_READ_TOKEN=.*", "CODECMETER_READ_TOKEN=wrong", settings.read_text()))
    done = cron(workflow, LINES[1])
    assert done.returncode != 0 and "401" in done.stderr
    assert list(workflow.home.glob("*.csv")) == []
