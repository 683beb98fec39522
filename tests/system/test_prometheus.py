"""Alert rules, dashboard and the configuration of docs/metrics.md, with Prometheus' own tools: promtool accepts the metrics
and the rules, and a real Prometheus that scrapes a real server under a little load finds what every panel and every alert asks.
scripts/prometheus gets the tools."""
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from client import event
from conftest import ROOT, Account, Server, wait_until
from test_adapters import tell, without_codec
from test_docs import blocks, read

RULES = os.path.join(ROOT, "packaging/prometheus/codecmeter.rules.yml")
DASHBOARD = json.loads(read("packaging/grafana/codecmeter.json"))
COMPARISON = re.compile(r" (==|>|<) ")


@pytest.fixture(scope="module")
def tools():
    done = subprocess.run([os.path.join(ROOT, "scripts/prometheus")], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def promtool(tools, *args, **kwargs):
    done = subprocess.run([os.path.join(tools, "promtool"), *args], capture_output=True, text=True, timeout=120, **kwargs)
    return done.returncode, done.stdout + done.stderr


def test_the_rules(tools):
    code, said = promtool(tools, "check", "rules", "--lint-fatal", RULES)
    assert code == 0, said
    code, said = promtool(tools, "test", "rules", os.path.join(ROOT, "tests/prometheus/codecmeter.rules.test.yml"))
    assert code == 0, said


def test_each_rule_is_tested():
    """Each fires for the sick server of its test, and has a severity."""
    rules, tests = read(RULES), read("tests/prometheus/codecmeter.rules.test.yml")
    names = re.findall(r"- alert: (\w+)", rules)
    assert len(names) == len(set(names)) > 15
    assert sorted(names) == sorted(re.findall(r"- alertname: (\w+)", tests))
    assert tests.count("{severity:") == len(names) == len(re.findall("severity: (?:page|ticket)\n", rules))


def test_metrics_keep_the_conventions(tools, account):
    account.client.report([event(1)])
    code, said = promtool(tools, "check", "metrics", input=account.client.request("GET", "/metrics").body.decode())
    assert code == 0 and said == "", said


# ---- a real Prometheus ----


class Prometheus:
    """Prometheus with the configuration of docs/metrics.md, but in a hurry."""

    def __init__(self, tools, path, target):
        shown, = blocks(read("docs/metrics.md"), "yaml")
        assert shown.count("127.0.0.1:8080") == 1 and shown.count("/usr/share/codecmeter/prometheus/codecmeter.rules.yml") == 1
        shown = shown.replace("127.0.0.1:8080", target).replace("/usr/share/codecmeter/prometheus/codecmeter.rules.yml", RULES)
        config = path / "prometheus.yml"
        config.write_text("global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n" + shown)
        code, said = promtool(tools, "check", "config", config)
        assert code == 0, said
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % probe.getsockname()[1]
        self.log = open(path / "prometheus.log", "w+")
        self.process = subprocess.Popen([os.path.join(tools, "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={path}/tsdb",
                                         f"--web.listen-address={address}"], stdout=self.log, stderr=self.log, cwd=path)
        self.url = f"http://{address}/api/v1/"

    def is_up(self):
        assert self.process.poll() is None, self.log.seek(0) or self.log.read()
        try:
            return any(target["health"] == "up" for target in self.ask("targets")["activeTargets"])
        except urllib.error.URLError:  # also an HTTPError: 503 while it starts
            return False

    def ask(self, path, **params):
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(params)}", timeout=60) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        try:
            return self.ask("query", query=expression)["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def load(account, read_token, stop):
    """A little of everything, until it is told to stop."""
    client, turn = account.client, 0
    while not stop.is_set():
        turn += 1
        client.report([event(f"{turn}-{n}") for n in range(20)])
        client.report([event("same", width=640 + turn), {"id": "wrong"}])
        client.call("GetRegion")
        client.post_form({"Action": "GetRegion", "PublicKey": "nobody", "Signature": "x"})
        client.request("GET", "/v1/projects", headers={"Authorization": f"Bearer {read_token}"})
        client.request("GET", "/none")
        tell(account, "tencent-mps", without_codec(f"t{turn}"))
        stop.wait(0.05)


@pytest.fixture(scope="module")
def scraped(tools, tmp_path_factory):
    path = tmp_path_factory.mktemp("prometheus")
    account = Account(Server(path / "data"), "ingest.delta_max=100")
    read_token = account.server.admin("token", "create", "--scope", "read")["token"]
    stop = threading.Event()
    thread = threading.Thread(target=load, args=(account, read_token, stop))
    prometheus = Prometheus(tools, path, f"{account.server.host}:{account.server.port}")
    thread.start()
    try:
        wait_until(prometheus.is_up)
        yield prometheus, account
    finally:
        stop.set()
        thread.join()
        prometheus.stop()
        account.server.stop()


def panels():
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


def expressions(rules):
    return [(rule["name"], rule["query"]) for group in rules["groups"] for rule in group["rules"]]


def in_dashboard(expression, job="codecmeter"):
    """What Grafana makes of it."""
    return expression.replace("$__rate_interval", "15s").replace("$job", job).replace("$instance", ".*")


def test_every_panel_shows_something(scraped):
    prometheus, _ = scraped
    assert len(panels()) > 50
    for title, expression in panels():
        try:
            wait_until(lambda: prometheus.query(in_dashboard(expression)))
        except AssertionError as error:
            raise AssertionError(f"{title}: {expression}") from error
        assert not prometheus.query(in_dashboard(expression, job="another")), title  # it looks at the chosen job only

    def moves(wanted):
        return any(float(series["value"][1]) > 0 for title, expression in panels() if title == wanted
                   for series in prometheus.query(in_dashboard(expression)))

    for title in ("Events a second, by outcome", "Requests a second, by route", "Bytes written to the log a second", "Processor, cores",
                  "Mean time of a checkpoint and of a merge", "Log"):
        wait_until(lambda: moves(title))


def test_every_alert_asks_for_something_that_is_there(scraped):
    """Without its comparison each alert's expression has a value; and where nothing is wrong, nothing fires."""
    prometheus, _ = scraped
    wait_until(lambda: all(rule["health"] == "ok" for group in prometheus.ask("rules")["groups"] for rule in group["rules"]))
    rules = prometheus.ask("rules")
    asked = expressions(rules)
    assert [name for name, _ in asked] == re.findall(r"- alert: (\w+)", read(RULES))
    for name, expression in asked:
        if expression.startswith("absent("):
            assert prometheus.query(expression) == [] and prometheus.query(expression.replace('="codecmeter"', '="none"')), name
            continue
        compared = COMPARISON.sub(r" \1 bool ", expression)
        assert compared.count(" bool ") == 1, expression
        wait_until(lambda: prometheus.query(compared))
        assert {series["value"][1] for series in prometheus.query(compared)} <= {"0", "1"}, name

    def firing():
        return {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"}

    wait_until(lambda: {"CodecmeterEventsRejected", "CodecmeterConflicts"} <= firing())  # the load has such events
    assert not firing() & {"CodecmeterDown", "CodecmeterMissing", "CodecmeterNotReady", "CodecmeterReportsRefused", "CodecmeterSyncSlow",
                         "CodecmeterWorkBlocked", "CodecmeterMessagesDropped"}


def test_what_prometheus_has_read(scraped):
    """It asks for OpenMetrics by itself, so it knows each unit; and every family of the table has come."""
    prometheus, account = scraped
    assert len(prometheus.ask("targets")["activeTargets"]) == 1
    wait_until(prometheus.is_up)
    known = prometheus.ask("metadata")
    assert known["codecmeter_sync_duration_seconds"][0] | {"help": ""} == {"type": "histogram", "help": "", "unit": "seconds"}
    text = account.client.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"}).body.decode()
    families = re.findall(r"^# TYPE (\w+) ", text, re.M)
    assert set(families) <= set(known) and len(families) > 45
    stored = prometheus.query('codecmeter_events_total{outcome="stored"}')
    assert len(stored) == 1 and stored[0]["metric"]["job"] == "codecmeter"
    wait_until(lambda: float(prometheus.query('codecmeter_events_total{outcome="stored"}')[0]["value"][1]) > 100)
    assert time.time() - float(prometheus.query("process_start_time_seconds{job='codecmeter'}")[0]["value"][1]) < 3600
