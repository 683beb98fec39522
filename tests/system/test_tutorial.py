"""The tutorials of docs/, run as their readers run them: what they show is what is printed."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import CODECMETER
from test_docs import read

SHOWN_LISTEN = "127.0.0.1:8090"  # not the port of README.md's server, which may still run
FENCES = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)

# What differs from one time to the next, and what is put in its place. The order matters.
VARYING = (
    (r"\b1:[0-9a-f]{32}\b", "ID"),
    (r"\bvoid:[0-9a-f]{64}\b", "VOID"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"\bposition \d+", "position N"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"127\.0\.0\.1:\d+", "LISTEN"),
    (r"(?m)^(  by +).*", r"\1WHO"),
    (r"\b[0-9a-f]{12}\b", "TOKEN"),
    (r"\bin \d+\.\d\d s$", "in SECONDS s"),
    (r"\b\d+ s ago\b", "AGO"),
    (r"  +", "  "),  # a table is as wide as the address
    (r"Failed to connect.*?: check", "WHY: check"),  # curl's words
)


def steps(text):
    """[(commands, what the tutorial shows below them)]."""
    ret = []
    for language, content in FENCES.findall(text):
        if language == "crontab":
            continue
        if language == "sh":
            ret.append((content, ""))
        else:
            assert language == "" and ret[-1][1] == "", content
            ret[-1] = (ret[-1][0], content)
    return ret


def normal(text, home):
    text = text.replace(home, "/home/you")
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


def run_all(script, home):
    """What the script prints. Ends what it has started, also if it fails or hangs."""
    environment = {**os.environ, "PATH": f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"}
    with open(os.path.join(home, "printed"), "w+", encoding="utf-8") as printed:
        shell = subprocess.Popen(["sh", "-euc", script], cwd=home, env=environment, stdin=subprocess.DEVNULL,
                                 stdout=printed, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = shell.wait(300)
        finally:
            # The group has the server, if a step before the last one failed. It is empty after the last step.
            try:
                os.killpg(shell.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            shell.wait()
        printed.seek(0)
        return status, printed.read()


# A script ends with the block that fails. A terminal goes on with the next block, in the directory of the farm.
@pytest.mark.parametrize("first", ("%s", "(\n%s) || cd farm\n"))
def test_a_port_in_use_stops_the_tutorial(tmp_path, first):
    """The screen shows the reason, and no settings are written that would lead to the other program."""
    start, *others = [commands for commands, _ in steps(read("docs/tutorial-farm.md"))[:3]]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = "%s:%d" % other.getsockname()
        status, printed = run_all("".join((first % start.replace(SHOWN_LISTEN, listen), *others)), str(tmp_path))
    assert status != 0 and f"cannot listen on {listen}: another program uses it" in printed, printed
    assert "the server did not start, do not go on" in printed, printed
    for name in ("client.env", "office.env"):
        env = tmp_path / "farm" / name
        assert not env.exists() or env.read_text() == "", printed


@pytest.mark.parametrize("name", ("bill", "farm", "vendors"))
def test_a_tutorial(bare, tmp_path, name):
    if time.time() % 3600 > 3540:
        time.sleep(61)  # a day of one of the customers may end, and the tables would have two
    home = tmp_path / "home"
    home.mkdir()
    text = read(f"docs/tutorial-{name}.md")
    listen = "%s:%d" % bare.reserved.getsockname()
    all_steps = steps(text)
    assert all_steps[0][0].startswith(f"LISTEN={SHOWN_LISTEN}\n") and sum(SHOWN_LISTEN in step for step, _ in all_steps) == 1
    script = "".join(f"printf '\\036'\n{commands}" for commands, _ in all_steps).replace(SHOWN_LISTEN, listen)
    status, printed = run_all(script, str(home))
    parts = printed.split("\036")[1:]
    for (commands, shown), part in zip(all_steps, parts):
        assert normal(part, str(home)) == normal(shown, str(home)), commands
    assert status == 0 and len(parts) == len(all_steps), printed
