"""A real Node-RED without a browser, in a directory of its own, with the settings that a first start makes."""
import json
import os
import signal
import socket
import subprocess
import urllib.request

from conftest import ROOT, wait_until

MODULES = os.path.join(ROOT, "build-node-red", "node_modules")
FLOWS = os.path.join(ROOT, "examples", "node-red")


class NodeRed:
    def __init__(self, home, **environment):
        assert os.path.exists(os.path.join(MODULES, "node-red", "red.js")), "Node-RED is not installed: run `make node-red`"
        self.home = home
        home.mkdir()
        self.rows = home / "rows"
        self.rows.mkdir()
        self.environment = {**os.environ, "NODE_PATH": MODULES, "NODE_RED_DISABLE_TELEMETRY": "true",
                            "CODECMETER_ROWS": str(self.rows), **environment}
        # A port that no other program is given before Node-RED listens there: bound, but nobody listens.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.reserved.getsockname()[1]
        self.started = []

    def __enter__(self):
        try:
            port = self.url.rsplit(":", 1)[1]
            self.begin("log", os.path.join(MODULES, "node-red", "red.js"), "--userDir", str(self.home / "user"), "-p", port,
                       "-D", "uiHost=127.0.0.1")
            wait_until(lambda: "Started flows" in self.text("log"), 120)
            self.begin("statuses", os.path.join(ROOT, "tests", "node-red", "statuses.js"), self.url)
            wait_until(lambda: self.text("statuses") != "", 120)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(60)
        self.reserved.close()

    def has_ended(self):
        return self.started[0].poll() is not None

    def begin(self, name, *command):
        environment = self.environment
        if name == "statuses":
            environment = {key: value for key, value in environment.items() if key != "NODE_OPTIONS"}
        with open(self.home / name, "wb") as output:
            self.started.append(subprocess.Popen(["node", *command], env=environment, stdout=output, stderr=subprocess.STDOUT,
                                                 stdin=subprocess.DEVNULL))

    def text(self, name):
        return (self.home / name).read_text()

    def admin(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def load(self, *names, crontab=None):
        """Imports the exported flows, and deploys them."""
        nodes = []
        for name in names:
            with open(os.path.join(FLOWS, f"{name}.json"), encoding="utf-8") as file:
                nodes += json.load(file)
        for node in nodes:
            if crontab is not None and node["type"] == "inject":
                node["crontab"] = crontab
        before = self.text("log").count("Started flows")
        self.admin("POST", "/flows", nodes)
        wait_until(lambda: self.text("log").count("Started flows") > before)

    def trigger(self, flow, **message):
        """Presses the button of the flow's first node."""
        props = [{"p": name, "v": value, "vt": "str"} for name, value in message.items()]
        self.admin("POST", f"/inject/codecmeter-{flow}-start", {"__user_inject_props__": props} if props else {})

    def statuses(self, node, fill=None):
        lines = [json.loads(line) for line in self.text("statuses").splitlines()]
        return [line["text"] for line in lines if line.get("node") == f"codecmeter-{node}" and line.get("text") and
                (fill is None or line["fill"] == fill)]

    def next_status(self, node, fill, action):
        """Does something, and gives the next status of that colour."""
        before = len(self.statuses(node, fill))
        action()
        wait_until(lambda: len(self.statuses(node, fill)) > before, 120)
        return self.statuses(node, fill)[before]

    def kept(self, name):
        """The stored rows, or None without a file."""
        path = self.rows / f"{name}.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else None
