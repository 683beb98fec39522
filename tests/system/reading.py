"""A server of /v1 that answers by a script: what the commands make of answers that a real one gives only when it breaks, and of cells
that look like something else."""
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


def usage_row(**members):
    row = {"start": 1790812800, "end": 1793491200, "date": "2026-10-01T00:00:00+08:00", "project": "org-a", "kind": "transcode", "seconds": 1,
           "minutes": 1, "rounding_seconds": 59, "tasks": 1, "images": 0}
    return {**row, **members}


def ndjson(rows, end='{"complete":true}\n'):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + end


class Answers:
    """Gives (status, text) in turn, the last one for ever. A text of None ends the connection in the middle of a chunk."""

    def __init__(self, answers):
        self.requests, self.answers = [], answers
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urlsplit(self.path)
                query = parse_qsl(url.query, keep_blank_values=True)
                fake.requests.append((url.path, query, self.headers["Authorization"]))
                status, text = fake.answers[min(len(fake.requests), len(fake.answers)) - 1]
                whole = not text.endswith("\x00")
                data = text.rstrip("\x00").encode("utf-8", "surrogateescape")
                self.send_response(status)
                self.send_header("X-Codecmeter-Position", "4711")
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n" if data else b"")
                    if whole:
                        self.wfile.write(b"0\r\n\r\n")
                self.close_connection = not whole

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@contextlib.contextmanager
def answering(*answers):
    """Each answer is a text, or (status, text). A text that ends with NUL is cut off there: the last chunk does not come."""
    fake = Answers([answer if isinstance(answer, tuple) else (200, answer) for answer in answers])
    try:
        yield fake
    finally:
        fake.server.shutdown()
        fake.server.server_close()
