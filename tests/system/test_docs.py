"""What the docs say is what the program does."""
import os
import re
import subprocess

import pytest

from conftest import CODECMETER, ROOT, Account, run
from client import sign

HANGS_S = 600  # what takes longer hangs; a busy machine may be slow


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def blocks(text, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def table(text, head):
    """The cells of the only table with that head."""
    found, = re.findall(rf"^\| {re.escape(head)} \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.M)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found.splitlines()]


def names(rows):
    """The first cells of rows, each one name in backquotes."""
    return [re.fullmatch(r"`([\w.]+)`", row[0])[1] for row in rows]


def shell(script, cwd, **env):
    done = subprocess.run(["sh", "-euc", script], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True,
                          timeout=HANGS_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_settings_are_those_that_the_program_lists():
    assert run("serve", "--list-settings").stdout in read("docs/config.md")


def test_signing_by_hand(tmp_path):
    text = read("docs/signature.md")
    printed = shell("".join(blocks(text, "sh")), tmp_path)
    shown = re.findall(r"^```\n(Action.*|[0-9a-f]{40})\n```$", text, re.M)
    assert printed.splitlines() == shown and len(shown) == 2
    params = {"Action": "GetCodecTotalStat", "BeginTime": "1500220800", "EndTime": "1500480000",
              "ProjectId": "org-demo", "PublicKey": "ucloud-example@example.com"}
    assert shown[1] == sign(params, "46f09bb9fab4f12dfc160dae12273d5332b5debe")


def test_commands_of_the_readmes(bare, tmp_path):
    """Every command but make's, as it is printed. `make fresh` runs those of make, too."""
    account = Account(bare)
    steps = blocks(read("README.md"), "sh")
    assert steps == blocks(read("README.zh-CN.md"), "sh") and steps[0] == "make run\n"
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "client.env").write_text(
        f"CODECMETER_URL={bare.url}\nCODECMETER_PROJECT=org-a\nCODECMETER_TOKEN={account.token}\n"
        f"CODECMETER_READ_TOKEN={bare.admin('token', 'create', '--scope', 'read')['token']}\n"
        f"CODECMETER_PUBLIC_KEY={account.key['public_key']}\nCODECMETER_PRIVATE_KEY={account.key['private_key']}\n"
        "export CODECMETER_URL CODECMETER_PROJECT CODECMETER_TOKEN CODECMETER_READ_TOKEN CODECMETER_PUBLIC_KEY CODECMETER_PRIVATE_KEY\n")
    script = "".join(line for step in steps[1:] for line in step.splitlines(True) if not line.startswith("make "))
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    printed = shell(script, tmp_path, PATH=path)
    assert "out.mp4: h264 1280x720 30.000 s, duplicate" in printed, printed
    assert '"stored":1,"duplicate":0' in printed, printed
    assert ["org-a", "50", "2", "2"] in [line.split() for line in printed.splitlines()], printed
    assert '"RetCode":0' in printed and '"MidiumDefinitionTime":50,' in printed, printed
    # and each command takes the file as --env, with its line for shells
    assert "0:00:50" in run("stat", "--env", tmp_path / "data" / "client.env").stdout


def test_curls_of_events(bare, tmp_path):
    account = Account(bare)
    bare.admin("project", "create", "--id", "org-demo")
    token = bare.admin("token", "create")["token"]
    for block in blocks(read("docs/events.md")):
        if not block.startswith("curl"):
            continue
        answer = shell(block.replace("http://127.0.0.1:8080", bare.url), tmp_path, CODECMETER_TOKEN=token)
        assert '"rejected":0' in answer and '"stored":0' not in answer, answer
    assert account.client.call("GetRegion")["RetCode"] == 0


def test_the_curl_of_agents(bare, tmp_path):
    account = Account(bare)
    curl, = (block for block in blocks(read("docs/agents.md"), "sh") if block.startswith("curl"))
    assert shell(curl, tmp_path, CODECMETER_URL=bare.url, CODECMETER_TOKEN=account.token).startswith('{"time":"2')
    assert "packager-1" in run("sources", "--data", bare.data).stdout


def test_the_example_of_measuring(bare, tmp_path):
    """It prints what it shows, and the id that the shell computes is the one of `record`, of a large and of a small file."""
    account = Account(bare)
    text = read("docs/measuring.md")
    steps = blocks(text, "sh")
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    (tmp_path / "client.env").write_text(f"CODECMETER_URL={bare.url}\nCODECMETER_TOKEN={account.token}\n")

    def printed(script):
        return shell(script, tmp_path, PATH=path)

    said = printed("".join(steps))
    name, = set(re.findall("id 1:([0-9a-f]{32})", said))
    shown = "".join(blocks(re.sub(r"^```sh\n.*?^```$", "", text, flags=re.M | re.S)))
    assert said.replace(name, "ID") == re.sub(r"[0-9a-f]{32}", "ID", shown), said
    assert said.endswith(f"\n{name}\n") and os.path.getsize(tmp_path / "renamed.mp4") > 1 << 20
    small = printed("ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=25:duration=1 -c:v libx264 -y renamed.mp4\n" + steps[2] + steps[3])
    assert os.path.getsize(tmp_path / "renamed.mp4") < 1 << 20
    assert re.search("id 1:([0-9a-f]{32})\n", small)[1] == small.splitlines()[-1] != name, small


@pytest.mark.parametrize("options, segment", (([], "out%d.ts"), (["-hls_segment_type", "fmp4"], "out%d.m4s")))
def test_an_output_in_ffmpegs_default_hls(bare, tmp_path, options, segment):
    """The playlist that docs/agents.md makes has the whole output, under the identity that a complete playlist has."""
    account = Account(bare)
    script, = (block for block in blocks(read("docs/agents.md"), "sh") if "whole.m3u8" in block)
    script = script.replace(".ts", os.path.splitext(segment)[1])
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    (tmp_path / "client.env").write_text(f"CODECMETER_URL={bare.url}\nCODECMETER_TOKEN={account.token}\n")
    made = subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=30", "-c:v",
                           "libx264", "-g", "50", "-hls_time", "2", *options, "out.m3u8"], cwd=tmp_path, check=False, timeout=HANGS_S)
    assert made.returncode == 0
    listed = (tmp_path / "out.m3u8").read_text()
    assert listed.count("#EXTINF") == 5 and (tmp_path / (segment % 11)).exists(), listed
    refused = run("record", "--explain", tmp_path / "out.m3u8", check=False)
    assert refused.returncode == 1 and "only the end of the output" in refused.stderr, refused
    said = shell(script, tmp_path, PATH=path)
    assert said.startswith("whole.m3u8: h264 320x180 30.000 s, stored, id 1:"), said
    explained = run("record", "--explain", tmp_path / "whole.m3u8").stdout
    assert "  15 segments or parts in 1 stretch; " in explained, explained
    segments = [segment % number for number in range(15)]
    head = re.sub("MEDIA-SEQUENCE:.*", "MEDIA-SEQUENCE:0", listed[:listed.index("#EXTINF")])
    (tmp_path / "complete.m3u8").write_text(head + "".join(f"#EXTINF:2.0,\n{name}\n" for name in segments) + "#EXT-X-ENDLIST\n")
    assert said.split(" id ")[1] in run("record", "--explain", tmp_path / "complete.m3u8").stdout
    for name in (segments[7], segments[0]):
        os.remove(tmp_path / name)
        with pytest.raises(AssertionError, match=rf"it lists {name}, which cannot be read"):
            shell(script, tmp_path, PATH=path)


def test_every_command_is_in_the_docs():
    commands = re.findall(r"^  (\w+)  ", run("--help").stdout, re.M)
    docs = "".join(read(f"docs/{name}") for name in os.listdir(os.path.join(ROOT, "docs"))) + read("README.md")
    for command in commands:
        assert f"codecmeter {command}" in docs or f"`{command}`" in docs, command
        assert command in read("CHANGELOG.md"), command


def test_links_lead_somewhere():
    names = ["README.md", "README.zh-CN.md", "DESIGN.md", "CONTRIBUTING.md", "SECURITY.md"]
    names += [f"docs/{name}" for name in os.listdir(os.path.join(ROOT, "docs"))]
    for name in names:
        for target in re.findall(r"\]\(([^)#]+)\)", read(name)):
            assert os.path.exists(os.path.join(ROOT, os.path.dirname(name), target)), f"{name}: {target}"


def test_the_users_of_units_are_created():
    """sysusers makes the user that each unit runs as, and tmpfiles the unit's directory, with the unit's own mode."""
    users = re.findall(r"^u +(\S+) ", read("packaging/systemd/sysusers.conf"), re.M)
    directories = re.findall(r"^d +(\S+) +(\S+) +(\S+) +(\S+) ", read("packaging/systemd/tmpfiles.conf"), re.M)
    for name in ("codecmeter.service", "codecmeter-watch@.service"):
        unit = dict(re.findall(r"^(\w+)=(.*)$", read(f"packaging/systemd/{name}"), re.M))
        assert unit["User"] in users, name
        assert (f"/var/lib/{unit['StateDirectory']}", unit["StateDirectoryMode"], unit["User"], unit["Group"]) in directories


def test_shipped_settings_change_nothing(tmp_path):
    """server.ini says what could be set, and sets nothing; an example in it is right."""
    text = read("packaging/etc/server.ini")
    assert re.sub(r"^#.*\n", "", text, flags=re.M).strip() == ""
    settings = tmp_path / "server.ini"
    settings.write_text(re.sub(r"^# (\[|\w+ = )", r"\1", text, flags=re.M))
    (tmp_path / "file").write_text("")
    done = run("serve", "--config", settings, "--data", tmp_path / "file" / "data", check=False)
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr, done.stderr  # the settings were read
