"""A client of its own: signs as docs/signature.md says, by none of the product's code."""
import contextlib
import hashlib
import http.client
import json
import socket
from decimal import Decimal
from urllib.parse import quote_plus


def number_text(value):
    text = format(Decimal(str(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def canonical(value):
    """The concatenation of design section 3.2 for any JSON value."""
    if value is None:
        return ""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, (int, float, Decimal)):
        return number_text(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(canonical(item) for item in value)
    keys = sorted(value, key=lambda key: key.encode())
    return "".join(key + canonical(value[key]) for key in keys)


def sign(params, private_key):
    kept = {name: value for name, value in params.items() if name.lower() != "signature"}
    return hashlib.sha1((canonical(kept) + private_key).encode()).hexdigest()


def form(params):
    return "&".join(f"{quote_plus(name)}={quote_plus(canonical(value))}" for name, value in params.items())


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Client:
    def __init__(self, host, port, public_key="", private_key="", token=""):
        self.host, self.port = host, port
        self.public_key, self.private_key, self.token = public_key, private_key, token

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def signed(self, params):
        params = dict(params)
        params.setdefault("PublicKey", self.public_key)
        params["Signature"] = sign(params, self.private_key)
        return params

    def post_form(self, params):
        return self.request("POST", "/", form(params),
                            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}).json()

    def post_json(self, params):
        return self.request("POST", "/", json.dumps(params), {"Content-Type": "application/json"}).json()

    def get(self, params):
        return self.request("GET", "/?" + form(params),
                            headers={"Content-Type": "application/x-www-form-urlencoded"}).json()

    def call(self, action, **params):
        return self.post_form(self.signed({"Action": action, **params}))

    def stat(self, **params):
        answer = self.call("GetCodecTotalStat", **params)
        assert answer["RetCode"] == 0, answer
        return answer["StatSet"]

    def report(self, events, content_type="application/json", token=None):
        body = events if isinstance(events, (str, bytes)) else json.dumps(events)
        return self.request("POST", "/v1/events", body,
                            {"Content-Type": content_type, "Authorization": f"Bearer {token or self.token}"})

    def raw(self, data, timeout=60):
        """Sends bytes as they are; gives all that comes back until the server closes, which it may do at any byte."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as s:
            answer = b""
            with contextlib.suppress(OSError):
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while piece := s.recv(65536):
                    answer += piece
            return answer


def event(id, time=None, seconds=1, width=640, height=360, codec="h264", source="test", **attributes):
    made = {"specversion": "1.0", "type": "transcode.finished", "source": source, "id": str(id),
            "data": {"codec": codec, "width": width, "height": height, "duration_ms": round(seconds * 1000)}}
    if time is not None:
        made["time"] = time
    made.update(attributes)
    return made
