"""docs/deploy.md names only what exists: units, settings, options, paths; and what it copies from elsewhere agrees with it.
tests/packaging/page runs the page's commands, on a machine of its own.
"""
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, run

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


PAGE = read("docs/deploy.md")
UNITS = sorted(name for name in os.listdir(os.path.join(ROOT, "packaging/systemd")) if name.endswith((".service", ".timer")))


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


def unit(name):
    return dict(re.findall(r"^(\w+)=(.*)$", read(f"packaging/systemd/{name}"), re.M))


def settings():
    """The default of each setting, as `serve --list-settings` prints it."""
    rows = re.findall(r"^\| `([\w.]+)` \| \S.*? \| (.*?) \|", run("serve", "--list-settings").stdout, re.M)
    return dict(rows)


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text).group(1))


# ---- the page ----


def test_each_block_is_run_or_said_not_to_be(tmp_path):
    """The script that takes the page apart for tests/packaging/page knows every block."""
    done = subprocess.run([os.path.join(ROOT, "tests/packaging/steps"), os.path.join(ROOT, "docs/deploy.md"), tmp_path],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    known = sum(len(blocks(kind)) for kind in ("sh", "ini", "nginx", "dockerfile"))
    assert len(os.listdir(tmp_path)) == known > 25
    assert len(re.findall("^```", PAGE, re.M)) == 2 * (known + len(blocks("console")))
    assert len(blocks("console")) == 1 and "no test runs these lines" in PAGE


@pytest.mark.parametrize("block", ["```\nls\n```\n", "```yaml\na: b\n```\n", "```ini\nno = file\n```\n", "```sh\nls\n"])
def test_a_block_that_no_test_can_run(tmp_path, block):
    page = tmp_path / "page.md"
    page.write_text("## A section\n\n```sh\ntrue\n```\n\n" + block)
    (tmp_path / "steps").mkdir()
    done = subprocess.run([os.path.join(ROOT, "tests/packaging/steps"), page, tmp_path / "steps"], capture_output=True)
    assert done.returncode == 1


def test_units_that_are_named_exist():
    named = set(re.findall(r"codecmeter(?:-\w+)?@?\.(?:service|timer)", PAGE))
    assert named == set(UNITS)
    for name in re.findall(r"codecmeter-(?:backup|verify|watch)\b", PAGE):
        assert any(known.startswith(name) for known in UNITS), name


def test_settings_that_are_named_exist():
    known = settings()
    sections = "|".join({name.split(".")[0] for name in known})
    named = set(re.findall(rf"(?<![\w.])((?:{sections})\.\w+)", PAGE)) - {"project.id"}
    assert named <= set(known) and len(named) > 8, named - set(known)


def test_options_that_are_named_exist():
    lines = "\n".join(blocks("sh") + blocks("console") + blocks("dockerfile")).replace("\\\n", " ").replace('", "', " ")
    seen = 0
    for words in re.findall(r"\bcodecmeter((?: +(?!codecmeter\b|-- |&&)\S+)+)", lines):
        words = words.split()
        command = words[:2] if words[0] in ("project", "token", "key") else words[:1]
        if not command[0].isalpha():
            continue  # the name of a unit, or of a container
        text = run(*command, "--help").stdout
        for word in words:
            if word.startswith("--"):
                assert re.search(re.escape(word.strip('"]')) + r"(?![\w-])", text), words
                seen += 1
    assert seen > 20
    text = run("serve", "--help").stdout
    for option in ("--tls-cert", "--tls-key"):
        assert option in PAGE and option in text


def test_environment_that_is_named_exists():
    """Each CODECMETER_ variable is read by a command, a unit, or both."""
    known = read("docs/config.md") + read("docs/agents.md") + "".join(read(f"packaging/systemd/{name}") for name in UNITS)
    known += run("record", "--help").stdout
    for name in set(re.findall(r"CODECMETER_\w+", PAGE)):
        assert name in known, name


def test_paths_of_the_package_are_those_of_its_files():
    for path, mode in re.findall(r"^\| `(/var/\S+)` \|.*?\| `codecmeter\S*`, (\d+) \|", PAGE, re.M):
        assert re.search(rf"^d +{path} +{mode} ", read("packaging/systemd/tmpfiles.conf"), re.M), path
    for name in re.findall(r"`/etc/codecmeter/(\w+\.\w+)`", PAGE):
        assert name in os.listdir(os.path.join(ROOT, "packaging/etc")), name


# ---- what it copies ----


def test_figures_are_those_of_the_benchmark():
    results = read("bench/RESULTS.md")
    table = PAGE.split("## Sizing")[1]

    def first(pattern):
        return float(re.search(pattern, results, re.M).group(1).replace(",", ""))

    assert f"{first(r'^. all . [0-9,]+ . ([0-9.]+)'):.0f} bytes a task in all: {first(r'^. log . [0-9,]+ . ([0-9.]+)'):.0f} of log" in table
    assert f"{first(r'^. 1,000,000 . 3,500,000 . [0-9.]+ . ([0-9.]+)'):.0f} MB at the peak" in table
    assert f"{first(r'^. 100,000 . 350,000 . [0-9.]+ . ([0-9.]+)'):.0f} MB with 100,000" in table
    assert f"{first(r'^. codecmeter . 10,000,000 . ([0-9,]+)') // 1000:.0f},000 events a second" in table
    single = first(r"^. codecmeter . ([0-9,]+) . [0-9.]+ . [0-9.]+ . [0-9.]+ . [0-9.]+ .$")
    assert f"{single // 100 * 100:,.0f} a second" in table
    assert first(r"^. ([0-9.]+) . [0-9.]+ [0-9.]+ [0-9.]+ [0-9.]+ [0-9.]+ .$") <= 1.0  # restart


def test_the_proxy_agrees_with_the_settings():
    """Bodies that the server takes pass, and the server's own answer comes before the proxy gives up."""
    site, default = blocks("nginx")[0], settings()
    assert re.findall(r"client_max_body_size (\d+)m;", site) == [default["api.body_max"][:-3], default["ingest.body_max"][:-3]]
    upstream = re.search(r"^upstream .*?^}", site, re.M | re.S).group()
    assert seconds(re.search(r"keepalive_timeout (\w+);", upstream).group(1)) < seconds(default["http.idle_timeout"])
    wait = seconds(re.search(r"proxy_read_timeout (\w+);", site).group(1))
    assert wait > seconds(default["http.wait_timeout"]) + seconds(default["http.request_timeout"])
    assert "log_format" in site and not re.search(r"\$(request|request_uri|args|query_string)\b", site)  # tokens in URLs
    for name, value in re.findall(r"# .*?((?:http|api|ingest)\.\w+) \((\w+)\)", site):
        assert default[name] == value


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed; `make deb-test BOOT=1` runs the site")
def test_nginx_takes_the_site(tmp_path):
    site = re.sub(r"listen 443", "listen 127.0.0.1:0", blocks("nginx")[0]).replace("/etc/ssl/meter", str(tmp_path))
    site = site.replace("/var/log/nginx", str(tmp_path)).replace("listen 127.0.0.1:0", f"listen unix:{tmp_path}/socket")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=meter.example.com", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "fullchain.pem"],
                   check=True, capture_output=True)
    places = "".join(f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{places}{site}}}\n")
    done = subprocess.run([NGINX, "-t", "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True)
    assert done.returncode == 0 and "warn" not in done.stderr, done.stderr


# ---- the timers ----


def test_timers_start_their_services():
    for name in ("backup", "verify"):
        timer, service = unit(f"codecmeter-{name}.timer"), unit(f"codecmeter-{name}.service")
        assert timer["WantedBy"] == "timers.target" and "Unit" not in timer and timer["Persistent"] == "yes"
        assert service["Type"] == "oneshot" and "WantedBy" not in service  # only the timer starts it
        assert service["User"] == service["Group"] == unit("codecmeter.service")["User"]
        assert f"/usr/bin/codecmeter {name} --data /var/lib/codecmeter" in service["ExecStart"]
        assert "SuccessExitStatus" not in service and not service["ExecStart"].startswith("-")  # a failure is seen


def test_verify_may_lock_its_reading():
    """On a read-only directory LMDB reads without a note, beside a server that may then reuse the pages."""
    assert unit("codecmeter-verify.service")["ReadWritePaths"] == "/var/lib/codecmeter"
