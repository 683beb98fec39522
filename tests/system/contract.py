"""The document of `codecmeter openapi`, read by none of the product's code: its operations, requests made of its examples, and the
check that an answer is what it says."""
import csv
import datetime
import io
import json
import re
from urllib.parse import quote, urlencode

from jsonschema import Draft202012Validator, FormatChecker, RefResolver

from conftest import run

FORM = "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"

FORMATS = FormatChecker(("uuid",))


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value):
    if isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
            raise ValueError(value)
        datetime.datetime.fromisoformat(value)
    return True


@FORMATS.checks("int64")
def is_int64(value):
    return not isinstance(value, int) or -(1 << 63) <= value < 1 << 63


class Operation:
    def __init__(self, contract, path, method, told):
        self.contract, self.path, self.method, self.told = contract, path, method.upper(), told
        self.id, self.kind = told["operationId"], told["x-codecmeter-kind"]

    def __repr__(self):
        return self.id

    @property
    def parameters(self):
        return {parameter["name"]: parameter for parameter in self.told.get("parameters", ())}

    def bodies(self):
        """Each content type with its schema and its example."""
        return {kind: (content["schema"], content["example"]) for kind, content in self.told.get("requestBody", {"content": {}})["content"].items()}

    def target(self, values):
        """The path and query for these values, which are JSON, by name."""
        path = self.path.split("#")[0]
        pairs = []
        for name, value in values.items():
            parameter = self.parameters[name]
            if parameter["in"] == "path":
                path = path.replace("{" + name + "}", quote(value, safe=""))
            elif isinstance(value, dict):
                pairs += value.items()
            elif isinstance(value, list):
                pairs += [(name, item) for item in value] if parameter["explode"] else [(name, ",".join(value))]
            else:
                pairs.append((name, value))
        assert "{" not in path, path
        return path + ("?" + urlencode(pairs, quote_via=quote) if pairs else "")

    def check(self, reply):
        """Fails if the answer is not one that the document promises."""
        responses = self.told["responses"]
        assert str(reply.status) in responses, (self.id, reply.status, reply.body)
        response = self.contract.resolve(responses[str(reply.status)])
        for name, header in response.get("headers", {}).items():
            text = reply.headers.get(name.lower())
            assert text is not None or name == "ETag", (self.id, reply.status, name)
            schema = self.contract.resolve(header)["schema"]
            self.contract.fits(schema, int(text) if text and schema["type"] == "integer" else text or "")
        if "content" not in response:
            assert reply.body == b"", (self.id, reply.status, reply.body)
            return None
        kind = reply.headers["content-type"].split(";")[0]
        assert kind in response["content"], (self.id, reply.status, kind)
        content = response["content"][kind]
        if kind == "application/x-ndjson":
            return self.check_lines(content, reply.body)
        if kind == "text/csv":
            return self.check_table(content, reply.body)
        value = json.loads(reply.body)
        self.contract.fits(content["schema"], value)
        return value

    def check_lines(self, content, body):
        rows = [json.loads(line) for line in body.decode().splitlines()]
        assert rows and rows[-1]["complete"] is True, body
        for row in rows[:-1]:
            self.contract.fits(content["x-codecmeter-row"], row)
        return rows

    def check_table(self, content, body):
        """Each name is that of a column."""
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
        schema = self.contract.resolve(content["x-codecmeter-row"])
        for name in rows[0]:
            families = schema.get("patternProperties", {})
            assert name in schema["properties"] or any(re.search(pattern, name) for pattern in families), name
        assert set(schema["required"]) <= set(rows[0])
        return rows


class Contract:
    def __init__(self, root):
        self.root = root
        self.resolver = RefResolver("", root)
        self.operations = {}
        for path, item in root["paths"].items():
            for method, told in item.items():
                operation = Operation(self, path, method, told)
                assert operation.id not in self.operations
                self.operations[operation.id] = operation

    def of_kind(self, kind):
        return [operation for operation in self.operations.values() if operation.kind == kind]

    def resolve(self, value):
        while "$ref" in value:
            _, value = self.resolver.resolve(value["$ref"])
        return value

    def fits(self, schema, value):
        """Fails, with the place and the reason, if the value does not fit the schema."""
        Draft202012Validator(schema, resolver=self.resolver, format_checker=FORMATS).validate(value)


def read(language="en"):
    return json.loads(run("openapi", "--lang", language).stdout)
