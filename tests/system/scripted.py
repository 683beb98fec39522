"""A server that is away, or busy, by a script: what clients do then must not hang on when a real one is stopped."""
import contextlib
import datetime
import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Fake:
    """Gives its answers in turn, the last one for ever: a status, a status and Retry-After, "ok", "wait" until it is
    released and then "ok", "drop" the connection, a URL ("http://…") of the server that is to answer, or another body."""

    def __init__(self, script):
        self.bodies, self.times, self.connections, self.script = [], [], set(), script
        self.statuses, self.agents = [], 404  # reports of agents, and the answer to them: that of an older server
        self.released = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                fake.connections.add(self.client_address)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/agents":
                    self.answer_status(body)
                    return
                step = fake.script[min(len(fake.bodies), len(fake.script) - 1)]
                fake.bodies.append(body)
                fake.times.append(time.monotonic())
                status, wait = step if isinstance(step, tuple) else (step, None)
                if status == "drop":
                    self.close_connection = True
                    return
                if isinstance(status, str) and status.startswith("http://"):
                    self.pass_on(status, body)
                    return
                if status == "wait":
                    fake.released.wait(120)
                    status = "ok"
                text = json.dumps({"detail": f"because {status}"})
                if isinstance(status, str):
                    stored = '{"stored":%d,"duplicate":0,"conflict":0,"rejected":0,"results":[]}' % max(body.count(b"\n"), 1)
                    status, text = 200, stored if status == "ok" else status
                self.send_response(status)
                if wait is not None:
                    self.send_header("Retry-After", str(wait))
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def answer_status(self, body):
                """These are not steps of the script."""
                fake.statuses.append(body)
                if fake.agents == "wait":
                    fake.released.wait(120)
                if fake.agents in ("wait", "drop"):
                    self.close_connection = True
                    return
                now = datetime.datetime.now(datetime.timezone.utc).isoformat()
                text = "garbage" if fake.agents == "garbage" else json.dumps({"detail": "because", "time": now})
                self.send_response(200 if fake.agents == "garbage" else fake.agents)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def pass_on(self, url, body):
                request = urllib.request.Request(url + self.path, body, dict(self.headers))
                with urllib.request.urlopen(request, timeout=60) as answer:
                    text = answer.read()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@contextlib.contextmanager
def scripted(*script):
    fake = Fake(script)
    try:
        yield fake
    finally:
        fake.released.set()
        fake.server.shutdown()
        fake.server.server_close()
