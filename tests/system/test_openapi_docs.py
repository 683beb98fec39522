"""docs/openapi.md: each command runs and prints what the page shows."""
import json
import os
import re

from conftest import CODECMETER, run
from test_docs import blocks, read, shell, table

PAGE = "docs/openapi.md"


def test_every_command(bare, tmp_path):
    bare.start()
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    printed = [shell(block, tmp_path, PATH=path, CODECMETER_URL=bare.url) for block in blocks(read(PAGE), "sh")]
    listed, = [text for text in printed if text]
    shown = [text for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", read(PAGE), re.M | re.S) if language == ""]
    assert listed == shown[0] and len(printed) == 4
    assert json.loads((tmp_path / "openapi.zh.json").read_text())["info"]["title"] == "codecmeter"


def test_every_extension():
    used = set(re.findall(r'"(x-codecmeter-[a-z]+)":', run("openapi").stdout))
    assert {row[0].strip("`") for row in table(read(PAGE), "extension")} == used


def test_the_client_of_the_page_uses_what_is_there():
    """The program in TypeScript is not compiled here: its names must be those of the document."""
    document = json.loads(run("openapi").stdout)
    script, = blocks(read(PAGE), "ts")
    path, = re.findall(r'client\.GET\("([^"]+)"', script)
    names = {parameter["name"]: parameter for parameter in document["paths"][path]["get"]["parameters"]}
    query = re.search(r"query: {(.*?)} }", script)[1]
    assert set(re.findall(r"(\w+):", query)) <= set(names)
    row = document["components"]["schemas"]["usageRow"]["properties"]
    assert set(re.findall(r"row\.(\w+)", script)) <= set(row)
