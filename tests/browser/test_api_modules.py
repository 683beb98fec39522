"""The parts of the API browser that know no page, in a real Chromium: quoting, indenting, dates, signatures and their checker."""
import base64
import hmac
import json
import os
import random
import subprocess
from datetime import datetime, timezone

import pytest

from stage import browser  # noqa: F401 (first: it finds the modules of the system tests)
from client import canonical, sign
from conftest import ROOT, Account, Server
from explorer import HOSTILE, Page

VECTORS = os.path.join(ROOT, "tests", "data", "vectors")
CONTROLS = ("a\tb", "\x1b]0;x\x07", "line\nline\n", "\r", "\x7f", "\u202eevil\u2066", "\u2028\u00a0\ufeff", "\u0085\u00ad")


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    made = Account(Server(tmp_path_factory.mktemp("server") / "data"))
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def page(browser, account):  # noqa: F811
    made = Page(browser, account.server)
    made.go("/console/")
    yield made
    made.close()


def texts():
    """Texts that are hard to quote, and 300 random ones of what is special anywhere."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print("SEED =", seed)
    rng = random.Random(seed)
    letters = "'\"\\$`!%&|;<>(){}[]*?~#@=+- \t\n\r\x01\x1f\x7fnuxU0a\u00a0é中\u202e\u2028😀\ufeff"
    return ["", *HOSTILE, *CONTROLS, *("".join(rng.choices(letters, k=rng.randrange(1, 30))) for _ in range(300))]


# ---- JSON ----


@pytest.mark.parametrize("piece", ("y", "\\\\", "\\n", '\\"'))
def test_a_string_of_many_megabytes(page, piece):
    shown = page.module("json", """const text = '{"a":"' + args.piece.repeat(12 << 20) + '","b":[1.50]}';
      const made = m.tree(text, 2); return [made.items.map(([name]) => name), made.items[0][1].text === JSON.parse(text).a, m.indent(text).length - text.length]""",
                        piece=piece)
    assert shown == [["a", "b"], True, len('{\n  "a": "",\n  "b": [\n    1.50\n  ]\n}') - len('{"a":"","b":[1.50]}')]


# ---- quoting ----


def literals(page, language, values):
    return page.module("quote", f"return args.values.map(m.{language})", values=values)


@pytest.mark.parametrize("shell", (["sh"], ["bash"], ["bash", "--posix"]))
def test_words_of_the_shell(page, tmp_path, shell):
    values = texts()
    words = literals(page, "sh", values)
    script = "".join(f"printf '%s\\0' {word}\n" for word in words)
    done = subprocess.run(shell, input=script.encode(), capture_output=True, cwd=tmp_path, timeout=120)
    assert done.stderr == b"" and done.stdout.decode().split("\0")[:-1] == values
    assert list(tmp_path.iterdir()) == []


def test_literals_of_python(page):
    values = texts()
    assert [eval(text, {}) for text in literals(page, "python", values)] == values


@pytest.mark.parametrize("language", ("sh", "python", "go", "java"))
def test_what_nobody_sees_is_escaped(page, language):
    for text in literals(page, language, [value for value in CONTROLS if "\n" not in value or language != "sh"]):
        assert text.isprintable(), text


def test_literals_of_java_are_ascii_and_have_no_escape_that_is_read_before_the_text(page):
    for value, text in zip(texts(), literals(page, "java", texts())):
        assert text.isascii(), value
        assert not any("\\u%04x" % ord(letter) in text.lower() for letter in '\n\r"\\') or "\\u" in value, value


# ---- JSON as it came ----

INDENTED = (
    ('{"a":9007199254740993,"b":1.50,"c":[1e400,-0.0]}', '{\n  "a": 9007199254740993,\n  "b": 1.50,\n  "c": [\n    1e400,\n    -0.0\n  ]\n}'),
    ('{"a":1,"a":2}', '{\n  "a": 1,\n  "a": 2\n}'),
    ("{}", "{}"), ("[]", "[]"), (' {"x" : [ ] } ', '{\n  "x": []\n}'),
    ('{"\\u4e2d":"a\\"},[{\\\\"}', '{\n  "\\u4e2d": "a\\"},[{\\\\"\n}'),
    ("a,b\r\n1,2\r\n", "a,b\r\n1,2\r\n"), ('{"cut":', '{"cut":'), ("", ""), ('{"a":1}\n{"b":2}\n', '{"a":1}\n{"b":2}\n'), ("01", "01"),
)


@pytest.mark.parametrize("text,shown", INDENTED)
def test_answers_are_indented_and_not_changed(page, text, shown):
    assert page.module("json", "return m.indent(args.text)", text=text) == shown


# ---- times ----


def test_seconds_as_dates_of_utc(page):
    rng = random.Random(15)
    values = [0, 1, 86399, 86400, 951782400, 951868800, 4107542399, 253402300799, *(rng.randrange(253402300800) for _ in range(500))]
    shown = page.module("moment", "return args.values.map(m.utcOf)", values=[str(value) for value in values])
    assert shown == [datetime.fromtimestamp(value, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC") for value in values]
    assert page.module("moment", "return args.values.map(m.utcOf)", values=["", "x", "-1", "1.5", "253402300800", "9" * 13, "1e3"]) == [""] * 7


# ---- signatures ----


def vectors():
    with open(os.path.join(VECTORS, "signature.json")) as file:
        for number, one in enumerate(json.load(file)):
            yield f"form {number}", "form", one["params"], one
    with open(os.path.join(VECTORS, "signature-json.json")) as file:
        for one in json.load(file)["good"]:
            yield one["case"], "json", one["body"], one


def bad_bodies():
    with open(os.path.join(VECTORS, "signature-json.json")) as file:
        return [(one["case"], one["body"]) for one in json.load(file)["bad"]]


CHECK = "try { return m.check(m.read(args.text), args.key) } catch (error) { if (error instanceof m.Unreadable) return error.key; throw error; }"


def form_of(page, params):
    return page.run("return new URLSearchParams(args.pairs).toString()", pairs=list(params.items()))


@pytest.mark.parametrize("case,kind,params,wanted", vectors(), ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "")
def test_every_vector_is_right(page, case, kind, params, wanted):
    text = form_of(page, params) if kind == "form" else params
    result = page.module("check", CHECK, text=text, key=wanted["private_key"])
    assert (result["text"] + wanted["private_key"], result["signature"]) == (wanted["canonical"], wanted["signature"])
    if kind == "form":
        for given in (wanted["signature"], wanted["signature"].upper()):
            again = page.module("check", CHECK, text=text + "&Signature=" + given, key=wanted["private_key"])
            assert again["isRight"] and again["mistakes"] == []


@pytest.mark.parametrize("case,body", bad_bodies(), ids=lambda value: value[:40])
def test_bodies_that_the_server_refuses_are_not_checked(page, case, body):
    assert isinstance(page.module("check", CHECK, text=body, key="k"), str)


def test_the_checker_agrees_with_the_server(page, account):
    """Random forms and JSON bodies, with every odd text: the server takes the signature that the checker calls right."""
    rng = random.Random(7)
    for _ in range(40):
        params = {"Action": "GetRegion", "PublicKey": account.key["public_key"]}
        for n in range(rng.randrange(4)):
            params[f"X{n}" + rng.choice(HOSTILE[7:9])] = rng.choice([*HOSTILE, 9007199254740993, 1.5, True, None, [1, {"b": "x", "a": []}], {}])
        flat = {name: value for name, value in params.items() if isinstance(value, str)}
        result = page.module("check", CHECK, text=form_of(page, flat), key=account.key["private_key"])
        assert account.client.post_form({**flat, "Signature": result["signature"]})["RetCode"] == 0
        result = page.module("check", CHECK, text=json.dumps(params), key=account.key["private_key"])
        assert account.client.post_json({**params, "Signature": result["signature"]})["RetCode"] == 0, params


KEY = "46f09bb9fab4f12dfc160dae12273d5332b5debe"
GIVEN = {"Action": "GetRegion", "PublicKey": "a+b/c==@example.com", "Url.10": "x", "Url.2": " y ", "begintime": "1", "Empty": "", "Name": "中 é"}


def made_wrong():
    """Each mistake, and the signature of a program that makes it."""
    hashed = lambda text: sign({}, text)  # noqa: E731
    yield "blanks", sign({name: value.strip() for name, value in GIVEN.items()}, KEY)
    yield "no_public_key", sign({name: value for name, value in GIVEN.items() if name != "PublicKey"}, KEY)
    yield "no_action", sign({name: value for name, value in GIVEN.items() if name != "Action"}, KEY)
    yield "no_empty", sign({name: value for name, value in GIVEN.items() if value}, KEY)
    yield "added_later", sign({name: value for name, value in GIVEN.items() if name != "Name"}, KEY)
    yield "lower_names", sign({name.lower(): value for name, value in GIVEN.items()}, KEY)
    yield "order_given", hashed("".join(name + value for name, value in GIVEN.items()) + KEY)
    yield "order_case", hashed("".join(name + GIVEN[name] for name in sorted(GIVEN, key=str.lower)) + KEY)
    yield "order_numbers", hashed(canonical(GIVEN).replace("Url.10xUrl.2 y ", "Url.2 y Url.10x") + KEY)
    yield "separators", hashed("&".join(f"{name}={GIVEN[name]}" for name in sorted(GIVEN)) + KEY)
    yield "values_only", hashed("".join(GIVEN[name] for name in sorted(GIVEN)) + KEY)
    yield "key_newline", hashed(canonical(GIVEN) + KEY + "\n")
    yield "key_first", hashed(KEY + canonical(GIVEN))
    yield "key_missing", hashed(canonical(GIVEN))
    yield "key_separate", hashed(canonical(GIVEN) + "&" + KEY)
    yield "hmac", hmac.new(KEY.encode(), canonical(GIVEN).encode(), "sha1").hexdigest()
    yield "base64", base64.b64encode(bytes.fromhex(sign(GIVEN, KEY))).decode()


@pytest.mark.parametrize("mistake,signature", made_wrong(), ids=lambda value: value if len(value) < 16 else "")
def test_each_mistake_is_named(page, mistake, signature):
    text = form_of(page, {**GIVEN, "Signature": signature})
    result = page.module("check", CHECK, text=text, key=KEY)
    assert not result["isRight"] and [key for key, *_ in result["mistakes"]] == [mistake]


ENCODED = (
    ("plus", "Action=GetRegion&PublicKey=a+b", {"Action": "GetRegion", "PublicKey": "a+b"}),
    ("as_sent", "Action=GetRegion&PublicKey=a%2Bb%e4%b8%ad", {"Action": "GetRegion", "PublicKey": "a%2Bb%e4%b8%ad"}),
    ("encoded", '{"Action":"GetRegion","PublicKey":"a b"}', {"Action": "GetRegion", "PublicKey": "a%20b"}),
    ("decoded_twice", "Action=GetRegion&PublicKey=a%252Bb", {"Action": "GetRegion", "PublicKey": "a+b"}),
    ("numbers", '{"Action":"GetRegion","PublicKey":"k","X":42.0}', {"Action": "GetRegion", "PublicKey": "k", "X": "42.0"}),
    ("words", '{"Action":"GetRegion","PublicKey":"k","X":null}', {"Action": "GetRegion", "PublicKey": "k", "X": "null"}),
    ("words", '{"Action":"GetRegion","PublicKey":"k","X":true}', {"Action": "GetRegion", "PublicKey": "k", "X": "True"}),
    ("nested", '{"Action":"GetRegion","PublicKey":"k","X":["a",{"b":1}]}', {"Action": "GetRegion", "PublicKey": "k", "X": '["a",{"b":1}]'}),
)


@pytest.mark.parametrize("mistake,text,signed", ENCODED)
def test_each_mistake_of_encoding_is_named(page, mistake, text, signed):
    signature = sign(signed, KEY)
    own = text[:-1] + f',"Signature":"{signature}"}}' if text.startswith("{") else text + "&Signature=" + signature
    result = page.module("check", CHECK, text=own, key=KEY)
    assert not result["isRight"] and [key for key, *_ in result["mistakes"]] == [mistake]


def test_two_mistakes_are_named_and_strange_ones_are_not(page):
    both = sign({}, "".join(name + value.strip() for name, value in GIVEN.items()) + KEY)
    result = page.module("check", CHECK, text=form_of(page, {**GIVEN, "Signature": both}), key=KEY)
    assert sorted(key for key, *_ in result["mistakes"]) == ["blanks", "order_given"]
    result = page.module("check", CHECK, text=form_of(page, {**GIVEN, "Signature": "0" * 40}), key=KEY)
    assert result["mistakes"] == [] and not result["isRight"]


READ = (
    ("?Action=GetRegion&PublicKey=k", ["Action", "PublicKey"]),
    ("http://127.0.0.1:8080/?Action=GetRegion&PublicKey=k", ["Action", "PublicKey"]),
    ("GET /?Action=GetRegion&PublicKey=k HTTP/1.1", ["Action", "PublicKey"]),
    ("Action=GetRegion&PublicKey=k\n", ["Action", "PublicKey"]),
    ("&&Action=GetRegion&PublicKey", ["Action", "PublicKey"]),
    ("Action=A%zz&PublicKey=%41", ["Action", "PublicKey"]),
)


@pytest.mark.parametrize("text,names", READ)
def test_forms_queries_and_addresses_are_read(page, text, names):
    assert [each["name"] for each in page.module("check", CHECK, text=text, key="k")["sorted"]] == names


@pytest.mark.parametrize("text,key", (("", "nothing"), (" \n", "nothing"), ("a=1&A=2", "name_twice"), ("a=%ff", "not_utf8"), ("a=%00", "not_clean"), ("[]", "not_object")))
def test_what_cannot_be_read_is_said(page, text, key):
    assert page.module("check", CHECK, text=text, key="k") == key


def test_remarks(page):
    result = page.module("check", CHECK, text="X= 1&Signature=abc", key=" k")
    assert [key for key, *_ in result["remarks"]] == ["public_key_missing", "action_missing", "has_blanks", "key_has_blanks", "not_hex"]


def test_many_parameters_take_no_long_time(page):
    text = "&".join(f"Name.{n}={'x' * 100}" for n in range(1000)) + "&Signature=" + "0" * 40
    assert page.module("check", CHECK, text=text, key="k")["mistakes"] == []
