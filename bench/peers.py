"""What is measured: codecmeter and its peers, each on a directory of its own, started and ended by pid."""
import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CODECMETER = os.environ.get("CODECMETER", os.path.join(ROOT, "build-release", "codecmeter"))
LOAD = os.path.join(ROOT, "build-bench", "load")
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
PROJECT = "org-bench"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """Something without which there is no result."""


def run(*command, **kwargs):
    """Runs a command to its end; gives what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))} exited {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def result_line(text):
    """The key=value pairs of load's last line, numbers as numbers."""
    pairs = dict(word.split("=", 1) for word in text.strip().splitlines()[-1].split() if "=" in word)
    return {key: float(value) if re.fullmatch(r"[0-9.]+", value) else value for key, value in pairs.items()}


def load(*arguments):
    return result_line(run(LOAD, *arguments))


def start_load(*arguments):
    """Like load, beside what follows; finish_load waits for it."""
    return subprocess.Popen([LOAD, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_load(process):
    out, err = process.communicate()
    if process.returncode != 0:
        raise Failure(err.strip())
    return result_line(out)


# ---- processes ----

def family(pid):
    """A process and its children, which is as deep as servers go here."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [pid, *map(int, file.read().split())]
    return [pid]


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / CLOCK_TICKS


def settle(*servers, seconds=120):
    """Waits until what was written is on disk and nothing goes on behind a server's back."""
    os.sync()
    pids = [pid for server in servers for pid in family(server.pid)]
    end = time.monotonic() + seconds
    before = cpu_seconds(pids)
    while time.monotonic() < end:
        time.sleep(0.5)
        now = cpu_seconds(pids)
        if now - before < 0.03:
            return
        before = now


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        return 1024 * int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1))


class PeakMemory:
    """The largest RssAnon of a process while the block runs, looked at every 20 ms."""

    def __init__(self, pid):
        self.pid, self.peak, self.over = pid, 0, threading.Event()

    def _watch(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, anonymous_bytes(self.pid))

    def __enter__(self):
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


# ---- codecmeter ----

class Codecmeter:
    """One data directory; `with` starts a server on it and stops it."""
    name = "codecmeter"

    def __init__(self, directory, settings):
        self.data = os.path.join(fresh(directory), "data")
        self.log = os.path.join(directory, "server.log")
        self.settings = settings
        self.process = self.token = None

    @property
    def command(self):
        words = ["codecmeter", "serve", "--data", "DATA", "--listen", "127.0.0.1:0"]
        return " ".join(words + [f"--set {key}={value}" for key, value in self.settings.items()])

    def start(self):
        """Gives the seconds from exec to `ready`."""
        words = [CODECMETER, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        with open(self.log, "a") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        seconds = time.monotonic() - begin
        self.pid = self.process.pid
        try:
            if not line.startswith("ready http://"):
                raise Failure(f"codecmeter did not start: {self.log_text()[-2000:]}")
            self.target = line.split()[1].removeprefix("http://")
            if self.token is None:
                self.make_account()
        except BaseException:
            self.process.kill()
            raise
        return seconds

    def make_account(self):
        def admin(*words):
            return json.loads(run(CODECMETER, *words, "--data", self.data, "--json"))
        admin("project", "create", "--id", PROJECT, "--time-zone", "Asia/Shanghai")
        self.token = admin("token", "create", "--project", PROJECT)["token"]
        self.key = admin("key", "create")

    def read_token(self):
        return json.loads(run(CODECMETER, "token", "create", "--scope", "read", "--data", self.data, "--json"))["token"]

    def end(self, number):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        code = process.wait(600)
        process.stdout.close()
        if code != (0 if number == signal.SIGTERM else -number):
            raise Failure(f"codecmeter exited {code}: {self.log_text()[-2000:]}")

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.end(signal.SIGTERM if kind is None else signal.SIGKILL)

    def checkpoint(self):
        """A clean stop leaves the last records in the log alone. A project's change of zone makes a checkpoint, which
        brings them into the derived files; so does the change back."""
        for zone in ("UTC", "Asia/Shanghai"):
            before = self.checkpoints()
            run(CODECMETER, "project", "set", "--data", self.data, "--id", PROJECT, "--time-zone", zone, "--force")
            end = time.monotonic() + 120
            while self.checkpoints() == before:
                if time.monotonic() > end:
                    raise Failure("no checkpoint came")
                time.sleep(0.05)
        settle(self)

    def log_text(self):
        with open(self.log) as file:
            return file.read()

    def checkpoints(self):
        return self.log_text().count(" checkpoint: ")

    def merges(self):
        return self.log_text().count(" merge: ")

    def sink(self):
        return ["http", "--target", self.target, "--token", self.token]

    def signed_path(self, begin, end):
        """The question as a GET. Its signature carries no time, so it may be asked again and again."""
        params = {"Action": "GetCodecTotalStat", "BeginTime": str(begin), "EndTime": str(end), "ProjectId": PROJECT,
                  "PublicKey": self.key["public_key"]}
        text = "".join(name + params[name] for name in sorted(params)) + self.key["private_key"]
        params["Signature"] = hashlib.sha1(text.encode()).hexdigest()
        return "/?" + urllib.parse.urlencode(params)

    def answer(self, path):
        with urllib.request.urlopen(f"http://{self.target}{path}") as response:
            body = response.read()
        stat = json.loads(body)
        if stat["RetCode"] != 0:
            raise Failure(f"the question was refused: {body[:400]}")
        return body, stat["StatSet"]

    def files(self):
        """Bytes on disk by kind of file; a run's kind stands in its head at 12 (docs/format.md)."""
        kinds = {1: "identity runs", 2: "task id runs", 3: "time runs"}
        sums = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                kind = "other"
                if name.endswith(".seg"):
                    kind = "log"
                elif name.endswith(".mdb"):
                    kind = "LMDB"
                elif name.endswith(".run"):
                    with open(path, "rb") as file:
                        kind = kinds[int.from_bytes(file.read(16)[12:16], "little")]
                sums[kind] = sums.get(kind, 0) + os.stat(path).st_blocks * 512
        return sums


# ---- PostgreSQL ----

def as_postgres(words):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return words
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *words]


class Postgres:
    """A cluster of its own in a directory of its own, on a Unix socket."""
    name = "PostgreSQL"

    def __init__(self, directory, settings, method, shards):
        self.directory, self.settings, self.method, self.shards = directory, settings, method, shards
        self.data = os.path.join(fresh(directory), "data")

    def __enter__(self):
        # A socket's path is short: at most 107 bytes.
        self.socket = tempfile.mkdtemp(prefix="bench-pg-")
        if os.geteuid() == 0:
            shutil.chown(self.socket, "postgres", "postgres")
            shutil.chown(self.directory, "postgres", "postgres")
        run(*as_postgres([f"{POSTGRES_BIN}/initdb", "-D", self.data, "-U", "bench", "-A", "trust", "-E", "UTF8",
                          "--locale=C"]), cwd="/")
        options = {**self.settings, "listen_addresses": "''", "unix_socket_directories": f"'{self.socket}'"}
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a") as file:
            file.writelines(f"{key} = {value}\n" for key, value in options.items())
        self.control("-l", f"{self.directory}/log", "start")
        try:
            with open(os.path.join(self.data, "postmaster.pid")) as file:
                self.pid = int(file.readline())
            self.sql("-f", os.path.join(ROOT, "bench", "postgres.sql"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.control("-m", "fast", "stop")
        shutil.rmtree(self.socket)

    def control(self, *words):
        subprocess.run(as_postgres([f"{POSTGRES_BIN}/pg_ctl", "-D", self.data, "-w", "-s", "-t", "600", *words]), cwd="/",
                       check=True)

    def sql(self, *words):
        return run(f"{POSTGRES_BIN}/psql", "-h", self.socket, "-U", "bench", "-d", "postgres", "-qAt", "-v",
                   "ON_ERROR_STOP=1", *words).strip()

    def tasks(self):
        """Rows, and what the totals say: they must agree."""
        return self.sql("-c", "SELECT (SELECT count(*) FROM tasks), (SELECT sum(tasks) FROM totals)").split("|")

    def bytes(self):
        return int(self.sql("-c", "SELECT pg_total_relation_size('tasks') + pg_total_relation_size('totals')"))

    def sink(self):
        return ["postgres", "--target", f"host={self.socket} user=bench dbname=postgres", "--method", self.method,
                "--shards", self.shards]


# ---- SQLite ----

class Sqlite:
    """A file; there is no server."""
    name = "SQLite"

    def __init__(self, directory):
        self.file = os.path.join(fresh(directory), "tasks.db")

    def sink(self):
        return ["sqlite", "--target", self.file, "--connections", 1]


# ---- nginx, wrk ----

NGINX_CONF = """
daemon off;
worker_processes 2;
pid {directory}/pid;
error_log {directory}/error.log;
{user}
events {{ worker_connections 1024; multi_accept on; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  types {{ application/json json; }}
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port}; root {directory}/files; }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """Answers files of fixed content."""
    name = "nginx"

    def __init__(self, directory):
        self.directory = fresh(directory)
        self.files = fresh(os.path.join(directory, "files"))

    def __enter__(self):
        port = free_port()
        self.target = f"127.0.0.1:{port}"
        conf = os.path.join(self.directory, "conf")
        user = "user root;" if os.geteuid() == 0 else ""
        with open(conf, "w") as file:
            file.write(NGINX_CONF.format(directory=self.directory, port=port, user=user))
        self.process = subprocess.Popen(["nginx", "-c", conf, "-e", f"{self.directory}/error.log"])
        self.pid = self.process.pid
        end = time.monotonic() + 10
        while not self.answers(port):
            if time.monotonic() > end or self.process.poll() is not None:
                self.process.kill()
                raise Failure(f"nginx did not start: see {self.directory}/error.log")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    @staticmethod
    def answers(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def put(self, name, body):
        """A new name each time: open files are cached."""
        with open(os.path.join(self.files, name), "wb") as file:
            file.write(body)

    def check(self, path, body):
        with urllib.request.urlopen(f"http://{self.target}{path}") as response:
            if response.read() != body:
                raise Failure("nginx answers something else")


WRK = ("-t2", "-c64")


def wrk(target, path, seconds):
    """Requests a second, and the 99th percentile in us."""
    text = run("wrk", *WRK, f"-d{seconds}s", "--latency", f"http://{target}{path}")
    if "Non-2xx" in text or "Socket errors" in text:
        raise Failure(f"wrk met errors: {text}")
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", text).group(1))
    value, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", text).groups()
    return rate, float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
