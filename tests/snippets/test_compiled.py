"""The programs in Go and Java that the API browser copies: compiled, run, and compared with the form's answer. `make snippets`.

Apart from tests/browser, because the compilers take 700 MB of disk. Source: issue 15, point 7; docs/console.md.
"""
import json
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "browser"))

from stage import browser  # noqa: E402, F401 (first: it finds the modules of the system tests)
from explorer import HOSTILE, Page, World, compare  # noqa: E402

COMPILED = ("Go", "Java")
COMMANDS = {"Go": "go", "Java": "javac"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    for command in COMMANDS.values():
        assert shutil.which(command), f"there is no {command}: run `make snippets`"
    made = World(tmp_path_factory.mktemp("world") / "data")
    yield made
    made.server.stop()


@pytest.fixture
def page(browser, world):  # noqa: F811
    made = Page(browser, world.server)
    made.sign_in(world)
    made.open("#/api/GetRegion")
    made.keys(world.key)
    yield made
    made.close()


@pytest.mark.parametrize("language", COMPILED)
def test_each_operation_compiled_and_run_answers_the_same(world, page, tmp_path, language):
    for _, _, one in world.operations("action", "resource", "server"):
        page.open("#/api/" + one["operationId"])
        if page.run("return await page.getByRole('button', {name: 'Fill in the examples'}).count()") > 0:
            page.button("Fill in the examples")
        page.send()
        compare(world, page, one["operationId"], tmp_path, (language,))


@pytest.mark.parametrize("language", COMPILED)
def test_hostile_values_are_signed_and_sent_as_they_are(world, page, tmp_path, language):
    page.open("#/api/GetCodecTotalStat")
    for number, value in enumerate(HOSTILE):
        page.button("Clear")
        page.fill("ProjectId", value)
        page.pair("Other parameters", f"X.{number}", value + "\t\u202e\u0085" + value)
        assert json.loads(page.send())["Message"] == f"Project [{value}] not exists"
        compare(world, page, "GetCodecTotalStat", tmp_path, (language,))


@pytest.mark.parametrize("language", COMPILED)
def test_hostile_labels_are_found(world, page, tmp_path, language):
    page.open("#/api/tasks")
    for value in HOSTILE:
        page.button("Clear")
        page.fill("from", "2026-10-01")
        page.fill("to", "2026-11-01")
        page.pair("label", "team", value)
        assert len(json.loads(page.send())["rows"]) == 2
        compare(world, page, "tasks", tmp_path, (language,))
