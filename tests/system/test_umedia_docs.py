"""docs/api.md: each read has an example, which is sent, and answers what is printed. docs/former-umedia.md: its commands run."""
import json
import os
import re
import subprocess
import urllib.parse

import pytest

from conftest import CODECMETER, ROOT
from test_tutorial import SHOWN_LISTEN, normal, run_all, steps
from umedia import ANSWERS, NOT_OFFERED, OWN, decodes_answer

PUBLIC, PRIVATE = "ucloud-example@example.com", "46f09bb9fab4f12dfc160dae12273d5332b5debe"


def read(name):
    with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as file:
        return file.read()


def blocks(text):
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)


def shell(script, cwd, **env):
    path = f"{os.path.dirname(CODECMETER)}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-euc", script], cwd=cwd, env={**os.environ, "PATH": path, **env}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


# ---- docs/api.md ----


@pytest.fixture
def demo(bare, tmp_path):
    """The project of the examples, after the reports that the page prints."""
    bare.start("query.max_age=0", "query.max_span=0")
    bare.admin("project", "create", "--id", "org-demo", "--name", "Demo")
    (tmp_path / "private").write_text(PRIVATE)
    bare.admin("key", "create", "--public-key", PUBLIC, "--private-key-file", tmp_path / "private")
    token = bare.admin("token", "create", "--project", "org-demo")["token"]
    curl, = (block for block in blocks(read("api.md")) if block.startswith("curl"))
    said = shell(curl.replace("http://127.0.0.1:8080", bare.url), tmp_path, CODECMETER_TOKEN=token)
    assert json.loads(said)["stored"] == 5
    return bare.client(public_key=PUBLIC, private_key=PRIVATE)


def examples():
    found = blocks(read("api.md"))
    return [(dict(urllib.parse.parse_qsl(request.strip(), strict_parsing=True)), json.loads(answer))
            for request, answer in zip(found, found[1:]) if request.startswith("Action=")]


def made_equal(answer):
    """When the project was made differs."""
    for project in answer.get("ProjectSet", ()):
        project["CreateTime"] = 0
    return answer


def test_each_example_answers_what_is_printed(demo):
    sent = set()
    for params, printed in examples():
        answer = demo.call(**{{"Action": "action"}.get(name, name): value for name, value in params.items()})
        decodes_answer(params["Action"], answer)
        assert made_equal(answer) == made_equal(printed), params
        sent.add(params["Action"])
    assert sent == set(ANSWERS)


def test_each_field_is_explained():
    text = read("api.md")
    for action, shape in {**ANSWERS, **{f"own {name}": fields for name, fields in OWN.items()}}.items():
        for name, inner in shape.items():
            names = inner[0] if isinstance(inner, list) and "Patten" not in name else {name: 0}
            for field in names:
                explained = f"`{field}`" in text or action.startswith("GetUserInfo")
                assert explained, (action, field)
    for action in NOT_OFFERED:
        assert f"`{action}`" in text.split("## Not offered")[1], action
    for action in ANSWERS:
        assert re.search(rf"^## .*{action}", text, re.M), action


# ---- docs/former-umedia.md ----


def test_the_page_for_former_users(bare, tmp_path):
    """Its commands print what it shows, in one shell, against the server that it starts."""
    listen = "%s:%d" % bare.reserved.getsockname()
    all_steps = steps(read("former-umedia.md"))
    assert all_steps[0][0].startswith(f"LISTEN={SHOWN_LISTEN}\n") and len(all_steps) == 9
    script = "".join(f"printf '\\036'\n{commands}" for commands, _ in all_steps).replace(SHOWN_LISTEN, listen)
    status, printed = run_all(script, str(tmp_path))
    parts = printed.split("\036")[1:]
    for (commands, shown), part in zip(all_steps, parts):
        assert normal(part, str(tmp_path)) == normal(shown, str(tmp_path)), (commands, printed)
    assert status == 0 and len(parts) == len(all_steps), printed


def test_the_page_for_former_users_names_every_read():
    page = read("former-umedia.md")
    for action in ANSWERS:
        assert action in page or "the three details" in page and action.endswith("TaskDetail"), action
