"""What the server sends for the console: headers, names, sizes, methods. No browser. Source: issue 15, point 7; docs/console.md."""
import gzip
import hashlib
import json
import os
import re
import urllib.parse
from datetime import datetime, timedelta

import pytest

from client import Client
from conftest import ROOT, run

WEB = os.path.join(ROOT, "src", "console", "web")
VENDOR = os.path.join(ROOT, "src", "console", "vendor")
FIRST_VIEW_MAX = 60 << 10  # bytes, gzip
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml", "html": "text/html; charset=utf-8"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def names():
    """The assets, by their path below web/."""
    made = [os.path.relpath(os.path.join(folder, name), WEB) for folder, _, files in os.walk(WEB) for name in files]
    return sorted(name for name in made if not name.startswith("pages/"))


class Site:
    def __init__(self, server):
        self.server = server.start()
        page = self.get("/console/").body.decode()
        self.folder = re.search(r'href="([0-9a-f]{20})/console\.css"', page).group(1)

    def get(self, path, method="GET", **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.server.host, self.server.port).request(method, path, headers=sent)

    def asset(self, name, **headers):
        return self.get(f"/console/{self.folder}/{name}", **headers)


@pytest.fixture
def site(bare):
    return Site(bare)


def check_headers(answer):
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def missing(site):
    folder = site.folder
    return ["/console/console.css", "/console/index.html", "/console/pages/console.html", f"/console/{folder}", f"/console/{folder}/",
            f"/console/{folder}/pages/console.html", f"/console/{folder}/no.js", f"/console/{folder}/../{folder}/app.js",
            f"/console/{folder}/%61pp.js", f"/console/{folder}//app.js", f"/console/{'0' * 20}/app.js", f"/console/{folder.upper()}/app.js?",
            "/console//", "/console/../v1/projects", f"/console/{folder}/vendor/", f"/console/{folder}/app.js/"]


def test_unknown_files(site):
    for path in missing(site):
        answer = site.get(path)
        if path.endswith("?") and site.folder == site.folder.upper():
            continue
        assert answer.status == 404 and answer.headers["content-type"] == "application/problem+json", path
        assert answer.headers["cache-control"] == "no-store" and json.loads(answer.body)["status"] == 404, path
        check_headers(answer)
    assert site.get("/consoles").status == 404


@pytest.mark.parametrize("method", ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"))
def test_other_methods(site, method):
    for path in ("/console/", f"/console/{site.folder}/app.js", "/console"):
        answer = site.get(path, method)
        assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD", path


@pytest.mark.parametrize("path,headers,vary", (("/console/", {}, "Accept-Encoding"), ("/console/?x=1", {}, "Accept-Encoding"),
                                               ("/", BROWSER, "Accept, Accept-Encoding")))
def test_pages_are_asked_for_each_time(site, path, headers, vary):
    answer = site.get(path, **headers)
    assert answer.status == 200 and answer.headers["content-type"] == TYPES["html"] and answer.body.startswith(b"<!doctype html>")
    assert answer.headers["cache-control"] == "no-cache" and answer.headers["vary"] == vary and b"@ASSETS@" not in answer.body
    check_headers(answer)
    head = site.get(path, "HEAD", **headers)
    assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) == len(answer.body)
    check_headers(head)
    etag = answer.headers["etag"]
    for sent, status in ((etag, 304), ("W/" + etag, 304), ('"other", ' + etag, 304), ("*", 304), ('"other"', 200), (etag.strip('"'), 200)):
        again = site.get(path, If_None_Match=sent, **headers)
        assert (again.status, again.body) == (status, b"" if status == 304 else answer.body), sent
        assert again.headers["etag"] == etag
        assert again.headers["content-length"] == str(len(answer.body)) and again.headers.get("connection") != "close"
        check_headers(again)
    assert b"<style" not in answer.body and b"style=" not in answer.body and not re.search(rb"<script(?![^>]*src=)", answer.body)


def test_assets_are_kept_for_ever(site):
    for name in names():
        answer = site.asset(name)
        with open(os.path.join(WEB, name), "rb") as file:
            assert answer.status == 200 and answer.body == file.read(), name
        assert answer.headers["content-type"] == TYPES[name.rsplit(".", 1)[1]], name
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable" and answer.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in answer.headers
        check_headers(answer)
        packed = site.asset(name, Accept_Encoding="br, gzip;q=0.5")
        assert packed.headers["content-encoding"] == "gzip" and gzip.decompress(packed.body) == answer.body, name
        assert packed.headers["etag"] != answer.headers["etag"] and len(packed.body) < len(answer.body)
        assert site.asset(name, If_None_Match=packed.headers["etag"], Accept_Encoding="gzip").status == 304
        head = site.asset(name, method="HEAD")
        assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) == len(answer.body)
    for refused in ("gzip;q=0", "br", "identity", ""):
        assert "content-encoding" not in site.asset("app.js", Accept_Encoding=refused).headers


def test_the_folder_is_the_hash_of_all_assets(site):
    order = re.findall(r"'web/([^']+)'", open(os.path.join(ROOT, "src", "console", "meson.build")).read())
    assert sorted(name for name in order if not name.startswith("pages/")) == names(), "meson.build lists other files than web/ has"
    lines = ""
    for name in order:
        if not name.startswith("pages/"):
            with open(os.path.join(WEB, name), "rb") as file:
                lines += f"{name}\n{hashlib.sha256(file.read()).hexdigest()}  -\n"
    assert hashlib.sha256(lines.encode()).hexdigest()[:20] == site.folder


BAD_IDS = ("", "?", "?id", "?id=", "?id=getregion", "?id=GetRegion%00", "?id=%47etRegion", "?id=CreateCodecPatten", "?id=nothing&id=GetRegion",
           "?id=%0d%0aSet-Cookie:x", "?id=https://evil.example/", "?id=../../x", "?id=<script>", "?x=GetRegion", "?id=" + "GetRegion" * 100)


@pytest.mark.parametrize("query", BAD_IDS)
def test_unknown_ids_of_uclouds_explorer_lead_to_the_list(site, query):
    answer = site.get("/uapi/detail" + query)
    assert answer.status == 302 and answer.headers["location"] == "../console/#/api" + ("?unknown" if query.strip("?") else "")
    assert answer.body == b"" and "set-cookie" not in answer.headers
    check_headers(answer)


def test_ids_of_uclouds_explorer_lead_to_forms(site):
    document = json.loads(site.get("/openapi.json").body)
    actions = [one["operationId"] for way in document["paths"].values() for one in way.values() if one["x-codecmeter-kind"] == "action"]
    for name in actions:
        for query in (f"?id={name}", f"?x=1&id={name}&id=other"):
            answer = site.get("/uapi/detail" + query)
            assert (answer.status, answer.headers["location"], answer.headers["cache-control"]) == (302, "../console/#/api/" + name, "no-store")
            check_headers(answer)
    assert len(actions) >= 14 and site.get("/uapi/detail?id=GetRegion", "POST").status == 405
    assert site.get("/uapi/detail/").status == 404 and site.get("/uapi").status == 404


def test_the_console_without_a_slash(site):
    answer = site.get("/console")
    assert answer.status == 308 and answer.headers["location"] == "console/" and answer.body == b""
    check_headers(answer)


def loaded(site, wanted):
    """The sizes of files with all that they name: pages name assets, modules import modules."""
    sizes = {}
    while wanted:
        name = wanted.pop()
        if name in sizes:
            continue
        body = (site.asset(name, Accept_Encoding="gzip") if name else site.get("/console/", Accept_Encoding="gzip")).body
        sizes[name] = len(body)
        text = gzip.decompress(body).decode()
        if not name:
            wanted += re.findall(rf'"{site.folder}/([^"]+)"', text)
        elif name.endswith(".js"):
            wanted += beside(name, re.findall(r'(?:from|import) ?"(\.[^"]+)"', text))
            wanted += beside(name, re.findall(r'new URL\("([^"]+)", import\.meta\.url\)', text))
    return sizes


def beside(name, others):
    return [os.path.normpath(os.path.join(os.path.dirname(name), other)) for other in others]


def lazy():
    """The modules that are loaded when somebody asks for what they do."""
    made = []
    for name in names():
        if name.endswith(".js") and not name.startswith("vendor/"):
            with open(os.path.join(WEB, name)) as file:
                made += beside(name, re.findall(r'\bimport\("(\.[^"]+)"\)', file.read()))
    return made


def test_the_first_view_is_small(site):
    first, later = loaded(site, [""]), loaded(site, lazy())
    assert not set(first) & set(lazy()) and "xlsx.js" in later and "vendor/fflate.js" in later
    assert {*first, *later, "home.css"} - {""} == set(names()), "an asset that no page loads"
    print("first view:", sum(first.values()), "bytes gzip", first)
    assert sum(first.values()) <= FIRST_VIEW_MAX, first


def test_nothing_comes_from_another_host():
    for name in [*names(), "pages/console.html", "pages/home.html"]:
        with open(os.path.join(WEB, name)) as file:
            urls = re.findall(r"(?:https?:)?//[a-z][^\s\"'`)]*\.[a-z]+[^\s\"'`)]*", file.read(), re.I)
        # Names of XML, which nobody loads.
        assert [url for url in urls if not url.startswith(("http://www.w3.org/", "http://schemas.openxmlformats.org/"))] == [], name


def test_no_browser_time_and_no_storage():
    """Days come from the server, and nothing is kept: the code that could do otherwise is not there."""
    for name in names():
        if name.endswith(".js") and not name.startswith("vendor/"):
            with open(os.path.join(WEB, name)) as file:
                text = file.read()
            found = re.findall(r"\bnew Date|\bDate\.|DateTimeFormat|localStorage|sessionStorage|indexedDB|document\.cookie|innerHTML|\beval\b", text)
            assert found == [], name


def test_vendored_libraries_are_those_that_were_pinned():
    lines = open(os.path.join(VENDOR, "SHA256SUMS")).read().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    assert sorted(sums) == sorted(os.listdir(os.path.join(WEB, "vendor"))) and len(sums) == 4
    for name, wanted in sums.items():
        with open(os.path.join(WEB, "vendor", name), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == wanted, f"{name}: run src/console/vendor/make"
    licences = open(os.path.join(VENDOR, "LICENSES")).read()
    lock = json.load(open(os.path.join(VENDOR, "package-lock.json")))
    assert not any("resolved" in package for package in lock["packages"].values())
    for path, package in lock["packages"].items():
        name = path.removeprefix("node_modules/")
        if name and "esbuild" not in name:
            assert f"==== {name} {package['version']}\n" in licences, name
    for name, version in json.load(open(os.path.join(VENDOR, "package.json")))["dependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


# ---- codecmeter console ----


BAD = (
    (["--url", "ftp://x"], 2, "must begin with http"),
    (["--token", "a b"], 2, "is not a token"),
    (["--token", "cm_1", "--expires", "90d"], 2, "give one of both"),
    (["--expires", "90"], 2, "90"),
    (["--expires", "2001-01-01"], 2, "2001-01-01"),
    (["--project", "none"], 1, "none"),
    (["stray"], 2, "stray"),
)


@pytest.mark.parametrize("args,status,says", BAD)
def test_bad_links(account, args, status, says):
    data = ["--data", account.server.data] if "--token" not in args else []
    done = run("console", *args, *data, check=False)
    assert done.returncode == status and says in done.stderr and done.stdout == "", done
    assert [token for token in account.server.admin("token", "list") if token["scope"] == "read"] == []


def test_a_link_has_a_token_that_reads_and_expires(account):
    server = account.server
    done = run("console", "--data", server.data, "--url", server.url + "/", "--project", "org-a", "--label", "ann")
    base, token = done.stdout.strip().split("#token=")
    assert base == server.url + "/console/" and re.fullmatch(r"cm_[0-9a-f]{40}", token)
    made = next(each for each in server.admin("token", "list") if each["label"] == "ann")
    assert made["scope"] == "read" and made["project"] == "org-a" and made["expires"] in done.stderr and made["id"] in done.stderr
    assert token not in done.stderr
    answer = server.client().request("GET", "/v1/projects", headers={"Authorization": "Bearer " + token})
    assert [row["id"] for row in answer.json()["rows"]] == ["org-a"]
    assert run("console", "--data", server.data, "--quiet").stderr == ""
    other = next(each for each in server.admin("token", "list") if each["label"] == "console")
    lasts = datetime.fromisoformat(other["expires"]) - datetime.fromisoformat(other["created"])
    assert timedelta(hours=11, minutes=50) < lasts <= timedelta(hours=12) and other["project"] == ""


def test_a_link_with_a_token_that_is_there(account, tmp_path):
    env = tmp_path / "client.env"
    env.write_text(f"CODECMETER_URL=https://meter.example.com\nCODECMETER_READ_TOKEN=cm_{'1' * 40}\n")
    wanted = f"https://meter.example.com/console/#token=cm_{'1' * 40}\n"
    assert run("console", "--env", env).stdout == wanted
    token = "cm_" + "2" * 40
    given = run("console", "--token", token, "--url", "https://[::1]:8443").stdout
    assert urllib.parse.urlsplit(given.strip()).fragment == "token=" + token
    assert run("console", env={**os.environ, "CODECMETER_READ_TOKEN": token}).stdout == f"http://127.0.0.1:8080/console/#token={token}\n"
    # What makes a token makes one, whatever the environment has.
    made = run("console", "--data", account.server.data, env={**os.environ, "CODECMETER_READ_TOKEN": token}).stdout
    assert token not in made and "#token=cm_" in made
