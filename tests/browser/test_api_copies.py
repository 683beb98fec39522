"""What the API browser copies, run as programs: curl in sh, and Python. They answer what the form answers. Source: issue 15, point 7.

tests/snippets does the same for Go and Java.
"""
import json

from stage import browser  # noqa: F401 (first: it finds the modules of the system tests)
from explorer import HOSTILE, compare, tab, world  # noqa: F401


def test_each_action_copied_and_run_answers_the_same(tab, world, tmp_path):
    page = tab()
    page.open("#/api/GetRegion")
    page.keys(world.key)
    for name in world.actions:
        page.open("#/api/" + name)
        if page.run("return await page.getByRole('button', {name: 'Fill in the examples'}).count()") > 0:
            page.button("Fill in the examples")
        page.send()
        compare(world, page, name, tmp_path)


def test_each_resource_copied_and_run_answers_the_same(tab, world, tmp_path):
    page = tab()
    page.sign_in(world)
    for _, _, one in world.operations("resource", "server"):
        page.open("#/api/" + one["operationId"])
        if any(each["in"] == "path" for each in one.get("parameters", [])):
            page.button("Fill in the examples")
        page.send()
        compare(world, page, one["operationId"], tmp_path)


def test_hostile_values_are_sent_signed_and_copied_as_they_are(tab, world, tmp_path):
    page = tab()
    page.open("#/api/GetCodecTotalStat")
    page.keys(world.key)
    for number, value in enumerate(HOSTILE):
        page.button("Clear")
        page.fill("ProjectId", value)
        page.pair("Other parameters", f"X.{number}", value + "\t" + value)
        shown = page.send()
        assert json.loads(shown)["RetCode"] == 292 and json.loads(shown)["Message"] == f"Project [{value}] not exists"
        compare(world, page, "GetCodecTotalStat", tmp_path)


def test_hostile_labels_are_found_by_form_and_by_copy(tab, world, tmp_path):
    page = tab()
    page.sign_in(world)
    page.open("#/api/tasks")
    for value in HOSTILE:
        page.button("Clear")
        page.fill("from", "2026-10-01")
        page.fill("to", "2026-11-01")
        page.pair("label", "team", value)
        rows = json.loads(page.send())["rows"]
        assert {row["labels"]["team"] for row in rows} == {value} and len(rows) == 2
        compare(world, page, "tasks", tmp_path)


def test_segments_of_paths_are_copied_as_they_are(tab, world, tmp_path):
    page = tab()
    page.sign_in(world)
    page.open("#/api/task")
    page.fill("project", "org-demo")
    page.fill("source", "farm-7")
    for value in HOSTILE:
        page.fill("id", value + "/x")
        assert json.loads(page.send())["status"] == 404
        compare(world, page, "task", tmp_path)
