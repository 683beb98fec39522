"""/metrics, /healthz and /readyz of the real server: both formats to the letter, what is counted and what is not, who is
answered what, and all of it while the server starts, stops, refuses and is asked too much. Source: docs/metrics.md."""
import http.client
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import exposition
from client import event
from conftest import CODECMETER, Account, Server, run, wait_until, write_all
from test_adapters import counts, dismiss, resolve, tell, without_codec

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def ask(server, path, method="GET", port=None, **headers):
    connection = http.client.HTTPConnection(server.host if port is None else "127.0.0.1", port or server.port, timeout=60)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read().decode(), response
    finally:
        connection.close()


def scrape(server, **kwargs):
    status, text, _ = ask(server, "/metrics", **kwargs)
    assert status == 200
    return exposition.samples(text)


def value(samples, name, **labels):
    return samples[name, tuple(labels.items())]


class Growth:
    """What grew since it was made."""

    def __init__(self, server):
        self.server, self.before = server, scrape(server)

    def of(self, name, **labels):
        return value(scrape(self.server), name, **labels) - value(self.before, name, **labels)

    def all_of(self, name):
        return {labels: now - self.before[key, labels] for (key, labels), now in scrape(self.server).items()
                if key == name and now != self.before[key, labels]}


def port_of_operations(log):
    return int(re.search(r"are served on http://127.0.0.1:(\d+)", log)[1])


# ---- formats ----


def test_both_formats_have_every_row_of_the_table(account):
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?)\| (.*?) \|$", run("serve", "--list-metrics").stdout, re.M)
    assert len(rows) > 45
    account.client.report([event(1)])
    write_all(account)
    families = exposition.read(ask(account.server, "/metrics")[1], False)
    opened = exposition.read(ask(account.server, "/metrics", Accept=PROMETHEUS)[1], True)
    assert list(families) == [name for name, _, _, _ in rows] and len(opened) == len(rows)
    for name, kind, labels, meaning in rows:
        plain = re.sub("_total$|_info$", "", name) if kind in ("counter", "info") else name
        assert opened[plain].type == kind and families[name].help == opened[plain].help == meaning
        assert opened[plain].unit == next((unit for unit in ("bytes", "seconds", "ratio") if plain.endswith("_" + unit)), ""), plain
        samples = len([key for key in families[name].samples if "le" not in dict(key[1]) and not key[0].endswith("_sum")])
        wanted = 1
        for values in re.findall(r"`\w+`: ([^;]*)", labels):
            wanted *= len(values.split(","))
        assert samples == wanted, name  # nothing is unknown, and no client has added one


def test_a_counter_says_since_when_it_counts(account):
    opened = exposition.samples(ask(account.server, "/metrics", Accept=PROMETHEUS)[1], True)
    start = value(opened, "process_start_time_seconds")
    assert abs(start - time.time()) < 600
    assert {now for (name, _), now in opened.items() if name.endswith("_created")} == {start}


@pytest.mark.parametrize("accept, wanted", [
    (None, TEXT), ("", TEXT), ("*/*", TEXT), ("text/plain", TEXT), ("application/json", TEXT), ("text/html,*/*;q=0.8", TEXT),
    (PROMETHEUS, OPEN), ("application/openmetrics-text", OPEN), ("APPLICATION/OPENMETRICS-TEXT; Version=1.0.0", OPEN),
    ('application/openmetrics-text; version="1.0.0"', OPEN), ("application/openmetrics-text;version=0.0.1", TEXT),
    ("application/openmetrics-text;q=0", TEXT), ("application/openmetrics-text;q=0.4,text/plain;q=0.5", TEXT),
    ("application/openmetrics-text;q=0.5,text/plain;q=0.5", OPEN), ("application/openmetrics-text;q=1.5", TEXT),
    ("application/openmetrics-text;q=NaN,text/plain", TEXT), (";;;,,=,q=1", TEXT), ("application/openmetrics-text" * 300, TEXT),
    ("\xff\xfe/\x80", TEXT), ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", TEXT),
])
def test_formats_by_accept(shared, accept, wanted):
    status, text, response = ask(shared, "/metrics", **({} if accept is None else {"Accept": accept}))
    assert status == 200 and response.headers["Content-Type"] == wanted and response.headers["Vary"] == "Accept"
    assert response.headers["Cache-Control"] == "no-store" and exposition.samples(text, wanted == OPEN)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("metrics") / "data").start()
    yield server
    server.stop()


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_methods_and_versions(shared, path):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        status, text, response = ask(shared, path, method=method)
        assert status == 405 and response.headers["Allow"] == "GET, HEAD", method
    status, text, response = ask(shared, path, method="HEAD")
    assert status == 200 and text == "" and int(response.headers["Content-Length"]) > 0
    old = shared.client().raw(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    head, body = old.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.") and b" 200 " in head and len(body) == int(re.search(rb"Content-Length: (\d+)", head)[1])
    for below in (path + "/", path + "/x", path + "x", path.upper()):
        assert ask(shared, below)[0] == 404, below
    assert ask(shared, path + "?a=b")[0] == 200
    connection = http.client.HTTPConnection(shared.host, shared.port, timeout=60)
    connection.request("GET", path, body="x" * 10)
    assert connection.getresponse().status == 413
    connection.close()


def test_no_name_of_a_client_is_in_them(account):
    account.server.admin("project", "create", "--id", "org-secret")
    account.client.report([event(1, source="very-secret", id_="x"), event(2, subject="org-secret")])
    account.client.stat(BeginTime=int(time.time()) - 86400, EndTime=int(time.time()), ProjectId="org-a")
    text = ask(account.server, "/metrics")[1]
    for word in ("secret", "org-", account.key["public_key"], "GetCodec", "127.0.0.1"):
        assert word not in text, word


# ---- what is counted ----


def test_events_by_outcome_and_reason(account):
    growth = Growth(account.server)
    void = account.server.admin("token", "create", "--scope", "void", "--project", "org-a")["token"]
    report = account.client.report
    report([event(n) for n in range(40)])
    report([event(0), event(1), event(2, width=1920, height=1080)])
    report([event(100), {"id": "no-data"}, 7, event(101, codec="")])
    report("{", content_type="application/json")  # refused as a whole: nothing was reported
    report([event(n, codec=f"own-{n}") for n in range(200, 351)])
    everywhere = account.server.admin("token", "create")["token"]
    report([event(1, subject="org-none")], token=everywhere)
    voids = [{"specversion": "1.0", "type": "usage.voided", "source": "test", "id": f"v{n}", "data": {"source": "test", "id": target}}
             for n, target in enumerate(("5", "none", "v0"))]
    for one in voids:
        report([one], token=void)
    outcomes = {dict(labels)["outcome"]: grown for labels, grown in growth.all_of("codecmeter_events_total").items()}
    assert outcomes == {"stored": 40 + 1 + 150 + 1, "duplicate": 2, "conflict": 1, "rejected": 3 + 1 + 1 + 2}
    reasons = {dict(labels)["reason"]: grown for labels, grown in growth.all_of("codecmeter_events_rejected_total").items()}
    assert reasons == {"invalid": 3, "too_many_codecs": 1, "no_project": 1, "no_target": 1, "target_is_void": 1}
    assert growth.of("codecmeter_commit_records_sum") == 192
    assert growth.of("codecmeter_ledger_records") == 192


def test_notices_and_commands_count_too(account):
    growth = Growth(account.server)
    assert counts(tell(account, "tencent-mps", without_codec("t", 3)))[4] == 3
    assert growth.of("codecmeter_events_total", outcome="unresolved") == 3
    assert growth.of("codecmeter_notices_total", outcome="read") == 1
    resolve(account, "--source", "tencent-mps", "--id", "t/0", "--codec", "h264")
    dismiss(account, "--source", "tencent-mps", "--id", "t/1")
    outcomes = {dict(labels)["outcome"]: grown for labels, grown in growth.all_of("codecmeter_events_total").items()}
    assert outcomes == {"unresolved": 3, "stored": 2}
    assert growth.of("codecmeter_quarantine_notices") == 0


def test_requests_by_route_and_status(account):
    growth, client = Growth(account.server), account.client
    read = account.server.admin("token", "create", "--scope", "read")["token"]
    assert client.call("GetRegion")["RetCode"] == 0
    assert client.call("NoSuchAction")["RetCode"] == 161
    assert client.post_form({"Action": "GetRegion", "PublicKey": "nobody", "Signature": "x"})["RetCode"] == 172
    assert client.report([event(1)]).status == 200 and client.report([event(1)], token="wrong").status == 401
    assert client.request("GET", "/v1/projects", headers={"Authorization": f"Bearer {read}"}).status == 200
    assert client.request("GET", "/no/such/path").status == 404
    assert client.request("GET", "/console/").status == 200
    assert client.request("GET", "/", headers={"Accept": "text/html"}).status == 200  # a page, not an answer of the API
    assert client.request("POST", "/v1/agents", "{}", {"Authorization": f"Bearer {read}"}).status == 403
    assert client.request("POST", "/v1/adapters/none", "{}", {"Authorization": f"Bearer {account.token}"}).status == 404
    requests = {tuple(dict(labels).values()): grown for labels, grown in growth.all_of("codecmeter_http_requests_total").items()}
    assert requests.pop(("ops", "2xx")) >= 1
    assert requests == {("api", "2xx"): 4, ("events", "2xx"): 1, ("events", "4xx"): 1, ("v1", "2xx"): 1, ("none", "4xx"): 1,
                        ("pages", "2xx"): 1, ("agents", "4xx"): 1, ("adapters", "4xx"): 1}
    codes = {dict(labels)["retcode"]: grown for labels, grown in growth.all_of("codecmeter_api_answers_total").items()}
    assert codes == {"0": 1, "161": 1, "172": 1}
    assert growth.of("codecmeter_http_request_duration_seconds_count", route="api") == 4
    assert 0 < growth.of("codecmeter_http_request_duration_seconds_sum", route="api") < 60


def test_states_of_the_ledger(account):
    write_all(account)
    wait_until(lambda: value(scrape(account.server), "codecmeter_delta_age_seconds") == 0)
    assert value(scrape(account.server), "codecmeter_runs", kind="identity") == 0
    growth = Growth(account.server)
    account.client.report([event(n) for n in range(300)])
    held = scrape(account.server)
    assert value(held, "codecmeter_delta_records", delta="filling") == value(held, "codecmeter_ledger_records") == 300
    assert growth.of("codecmeter_log_written_bytes_total") == growth.of("codecmeter_log_bytes") > 3000
    assert growth.of("codecmeter_commit_duration_seconds_count") == growth.of("codecmeter_commit_records_count") >= 1
    assert growth.of("codecmeter_sync_duration_seconds_count") >= 1
    assert value(held, "codecmeter_log_pending_bytes") > 3000
    wait_until(lambda: value(scrape(account.server), "codecmeter_delta_age_seconds") > 0)
    write_all(account)
    wait_until(lambda: value(scrape(account.server), "codecmeter_delta_records", delta="frozen") == 0)
    written = scrape(account.server)
    assert value(written, "codecmeter_delta_records", delta="filling") == 0 and value(written, "codecmeter_ledger_records") == 300
    for kind in ("identity", "task_id", "time"):
        assert value(written, "codecmeter_runs", kind=kind) == 1
    assert value(written, "codecmeter_delta_age_seconds") == 0 and value(written, "codecmeter_log_pending_bytes") == 0
    assert growth.of("codecmeter_checkpoint_duration_seconds_count") == 1
    stat = os.statvfs(account.server.data)
    assert abs(value(written, "codecmeter_disk_free_bytes") - stat.f_bavail * stat.f_frsize) < 20 << 30
    assert value(written, "codecmeter_disk_reserve_bytes") == 256 << 20
    assert value(written, "codecmeter_merge_pending_runs") == 0


def test_merges_are_counted(bare):
    account = Account(bare, "ingest.delta_max=10")
    for n in range(8):
        account.client.report([event(f"{n}-{i}") for i in range(10)])
    wait_until(lambda: value(scrape(bare), "codecmeter_merge_duration_seconds_count") >= 1)
    wait_until(lambda: value(scrape(bare), "codecmeter_merge_pending_runs") == 0)
    assert value(scrape(bare), "codecmeter_ledger_records") == 80


def test_a_restart_begins_at_zero(account):
    account.client.report([event(n) for n in range(5)])
    before = scrape(account.server)
    account.server.stop()
    account.server.start()
    after = scrape(account.server)
    assert value(before, "codecmeter_events_total", outcome="stored") == 5
    assert value(after, "codecmeter_events_total", outcome="stored") == 0 and value(after, "codecmeter_ledger_records") == 5
    assert value(after, "process_start_time_seconds") > value(before, "process_start_time_seconds")


def test_the_process(account):
    pid = account.server.process.pid
    samples = scrape(account.server)
    fds, threads = len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
    assert abs(value(samples, "process_open_fds") - fds) <= 8 and value(samples, "process_threads") == threads
    status = open(f"/proc/{pid}/status").read()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024
    assert abs(value(samples, "process_resident_memory_bytes") - resident) < 64 << 20
    assert value(samples, "process_cpu_seconds_total") > 0 and value(samples, "process_max_fds") >= 1000
    version = re.search(r"codecmeter (\S+)", run("version").stdout)[1]
    (_, labels), = [key for key in samples if key[0] == "codecmeter_build_info"]
    assert dict(labels)["version"] == version


def test_refused_connections_are_counted(bare):
    bare.start("http.threads=1", "http.connections_per_address=2", "http.proxies=", "ops.listen=127.0.0.1:0")
    port = port_of_operations(bare.log_text())
    held = [socket.create_connection((bare.host, bare.port)) for _ in range(8)]
    wait_until(lambda: value(scrape(bare, port=port), "codecmeter_http_connections_closed_total", reason="address") == 6)
    assert value(scrape(bare, port=port), "codecmeter_http_connections") == 2
    for one in held:
        one.close()


def test_dropped_messages_are_counted(bare):
    """Nobody reads standard error."""
    read, write = os.pipe()
    process = subprocess.Popen([CODECMETER, "serve", "--data", bare.data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=write, text=True)
    bare.host, port = process.stdout.readline().split("//")[1].rsplit(":", 1)
    bare.port = int(port)
    wait_until(lambda: value(scrape(bare), "codecmeter_messages_dropped_total") > 10)
    assert value(scrape(bare), "codecmeter_messages_total", level="info") > 100
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()
    os.close(read)
    os.close(write)


# ---- ready, or not ----


def test_readiness_before_the_server_serves(bare, tmp_path):
    """The certificate is a pipe, so the start waits for it: what ops.listen answers then is what it answers in a long recovery."""
    certificate = tmp_path / "cert.pem"
    os.mkfifo(certificate)
    (tmp_path / "key.pem").write_text("no key")
    stderr = open(bare.log, "w")
    process = subprocess.Popen([CODECMETER, "serve", "--data", bare.data, "--listen", "127.0.0.1:0", "--set", "ops.listen=127.0.0.1:0",
                                "--tls-cert", str(certificate), "--tls-key", str(tmp_path / "key.pem")], stderr=stderr)
    wait_until(lambda: "are served on" in bare.log_text())
    port = port_of_operations(bare.log_text())
    status, text, _ = ask(bare, "/readyz", port=port)
    assert status == 503 and re.fullmatch(r"recovering: \d+ % of the log is applied\n", text), text
    assert ask(bare, "/healthz", port=port)[:2] == (200, "ok\n")
    samples = scrape(bare, port=port)
    assert value(samples, "codecmeter_ready") == 0 and 0 <= value(samples, "codecmeter_recovery_ratio") <= 1
    assert ("codecmeter_disk_free_bytes", ()) not in samples  # unknown, and not 0
    certificate.write_text("no certificate")
    assert process.wait(30) == 2  # and the listener ends with the start that failed
    stderr.close()
    with pytest.raises(OSError):
        ask(bare, "/healthz", port=port)


def test_readiness_while_the_server_stops(bare):
    account = Account(bare, "ops.listen=127.0.0.1:0")
    port = port_of_operations(bare.log_text())
    assert ask(bare, "/readyz", port=port)[:2] == (200, "ready\n")
    client = socket.create_connection((bare.host, bare.port))
    client.sendall(b"POST /v1/events HTTP/1.1\r\n")  # the server waits for the rest of this request
    wait_until(lambda: value(scrape(bare, port=port), "codecmeter_http_connections") == 1)
    bare.process.send_signal(signal.SIGTERM)
    wait_until(lambda: ask(bare, "/readyz", port=port)[0] == 503)
    assert ask(bare, "/readyz", port=port)[1] == "draining: the server is stopping\n"
    assert ask(bare, "/healthz", port=port)[0] == 200 and value(scrape(bare, port=port), "codecmeter_ready") == 0
    client.close()
    assert bare.process.wait(30) == 0 and account
    bare._ended()


def test_reports_that_find_no_room(bare):
    """What is refused while it arrives is counted too."""
    account = Account(bare, "http.bodies_max=1MiB")
    assert account.client.report("[" + " " * (2 << 20) + "]").status == 503
    refused = {labels: count for (name, labels), count in scrape(bare).items() if name == "codecmeter_reports_refused_total"}
    assert refused.pop((("reason", "bodies_full"),)) == 1 and refused and not any(refused.values())


def test_readiness_without_disk_space(bare):
    account = Account(bare, "ledger.disk_reserve=1TiB") if os.statvfs("/tmp").f_bavail * os.statvfs("/tmp").f_frsize < 1 << 40 else None
    if account is None:
        pytest.skip("the disk has more than the largest reserve")
    status, text, _ = ask(bare, "/readyz")
    assert (status, text) == (503, "refusing usage: the disk has less than ledger.disk_reserve left\n")
    assert ask(bare, "/readyz", method="HEAD")[0] == 503
    assert account.client.report([event(1)]).status == 503
    samples = scrape(bare)
    assert value(samples, "codecmeter_ready") == 0 and value(samples, "codecmeter_reports_refused_total", reason="disk_full") == 1
    assert account.client.call("GetRegion")["RetCode"] == 0  # it still answers


def test_an_address_of_their_own(bare):
    Account(bare, "ops.listen=127.0.0.1:0")
    port = port_of_operations(bare.log_text())
    for path in ("/metrics", "/healthz", "/readyz"):
        assert ask(bare, path)[0] == 404 and ask(bare, path, port=port)[0] == 200
    for path in ("/", "/v1/events", "/console/", "/openapi.json", "/metrics/x"):
        status, text, _ = ask(bare, path, port=port)
        assert status == 404 and "/metrics, /healthz and /readyz are served here" in text, path


def test_an_address_that_is_not_free(bare):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        used = run("serve", "--data", bare.data, "--listen", "127.0.0.1:0", "--set", f"ops.listen=127.0.0.1:{port}", check=False)
        assert used.returncode == 1 and used.stderr.rstrip().endswith(
            f"cannot listen on 127.0.0.1:{port}: another program uses it; choose another port with ops.listen"), used.stderr
    for wrong, said in (("nonsense", "ops.listen: 'nonsense' is not an address"), ("127.0.0.1:99999", "is not an address"),
                        ("127.0.0.1:8099", "ops.listen: 127.0.0.1:8099 is the address of --listen")):
        bad = run("serve", "--data", bare.data, "--listen", "127.0.0.1:8099", "--set", f"ops.listen={wrong}", check=False)
        assert bad.returncode == 2 and said in bad.stderr, bad.stderr


# ---- too much of it ----


def test_many_scrapes_beside_reports(account):
    """A thousand scrapes, and a client that never reads its own: each is whole, no counter goes back, no event is lost."""
    lazy = socket.create_connection((account.server.host, account.server.port))
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    wrong = []

    def scrape_often():
        connection = http.client.HTTPConnection(account.server.host, account.server.port, timeout=60)
        last = {}
        for turn in range(250):
            is_open = turn % 2 == 1
            connection.request("GET", "/metrics", headers={"Accept": PROMETHEUS} if is_open else {})
            text = connection.getresponse().read().decode()
            if turn % 25 > 1:
                continue
            for (name, labels), now in exposition.samples(text, is_open).items():
                if name.endswith(("_total", "_bucket", "_count")) and now < last.get((name, labels), 0):
                    wrong.append((name, labels, last[name, labels], now))
                if name.endswith(("_total", "_bucket", "_count")):
                    last[name, labels] = now
        connection.close()

    threads = [threading.Thread(target=scrape_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for batch in range(40):
        assert account.client.report([event(f"{batch}-{n}") for n in range(100)]).json()["stored"] == 100
    for thread in threads:
        thread.join()
    lazy.close()
    assert wrong == []
    assert value(scrape(account.server), "codecmeter_events_total", outcome="stored") == 4000
