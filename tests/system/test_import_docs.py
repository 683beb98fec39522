"""docs/import.md: its examples print what the page shows, and it names every option and column of the command."""
import os
import re

from conftest import CODECMETER, Account, run
from test_adapters import tell
from test_docs import blocks, read, shell


def test_the_examples(bare, tmp_path):
    account = Account(bare)
    (tmp_path / "client.env").write_text(f"CODECMETER_URL={bare.url}\nCODECMETER_TOKEN={account.token}\n")
    text = read("docs/import.md")
    scripts = blocks(text, "sh")
    shown = re.findall(r"^```\n((?:rows|documents) .*) s\n```$", text, re.M)
    assert len(scripts) == len(shown) == 3
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    for script, line in zip(scripts, shown):
        assert re.sub(r"in \S+ s\n$", "", shell(script, tmp_path, PATH=path)) == re.sub(r"in \S+$", "", line)
    stored = {id: account.server.admin("history", "--project", "org-a", "--source", source, "--id", id)[0] for source, id in
              (("farm-db", "4712/1080p"), ("sheet", "4801/1080p"), ("mediaconvert", "1671476818694-phptj0/0/0"))}
    assert [one["time"] for one in stored.values()] == [
        "2026-02-03T12:07:30.000Z", "2026-02-03T19:01:00.000Z", "2026-02-03T19:07:12.000Z"]
    assert stored["4712/1080p"]["data"]["labels"] == {"team": "sport"}
    assert stored["4801/1080p"]["data"]["duration_ms"] == 600500


def test_a_list_resolves_what_waits(bare, tmp_path):
    """The example once more, after its notice."""
    account = Account(bare)
    (tmp_path / "client.env").write_text(f"CODECMETER_URL={bare.url}\nCODECMETER_TOKEN={account.token}\n")
    notice = {"detail-type": "MediaConvert Job State Change", "detail": {
        "status": "COMPLETE", "jobId": "1671476818694-phptj0", "timestamp": 1770145633124, "outputGroupDetails": [{"outputDetails": [
            {"durationInMs": 30041, "videoDetails": {"widthInPx": 1920, "heightInPx": 1080}}]}]}}
    assert tell(account, "mediaconvert", notice).json()["unresolved"] == 1
    script = blocks(read("docs/import.md"), "sh")[2]
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    assert "stored 1, resolved 1, unresolved 0, duplicate 0" in shell(script, tmp_path, PATH=path)
    assert "stored 0, resolved 0, unresolved 0, duplicate 1" in shell(script, tmp_path, PATH=path)
    assert tell(account, "mediaconvert", notice).json()["duplicate"] == 1


def test_every_option_and_column():
    text, help = read("docs/import.md"), run("import", "--help").stdout
    general = {"url", "token", "env", "ca-file", "help", "version", "quiet", "spool", "public-key", "private-key"}
    for option in set(re.findall(r"--([a-z-]+)", help)) - general:
        assert f"--{option}" in text, option
    columns = re.search(r"can be (.*?)\. Others", run("import", "-", "--token", "x", "--url", "http://127.0.0.1:9", "--source", "s",
                                                     input="id,nothing\n", check=False).stderr)[1].split(", ")
    assert len(columns) == 22 and all(f"`{column}`" in text for column in columns), columns
