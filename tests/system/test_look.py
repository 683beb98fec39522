"""How the command line looks: help, suggestions, --quiet, ids as arguments, tables, completion, manual pages."""
import json
import os
import re
import shutil
import subprocess
import unicodedata

import pytest

import terminal
from client import event
from conftest import CODECMETER, Account, run
from media import clips, distinct, farm  # noqa: F401 (fixtures)

LOCALES = ({"LANG": "C"}, {"LANG": "C.UTF-8"}, {})
COMMANDS = re.findall(r"^  (\w+)  ", run("--help").stdout, re.M)


def plain_environment(**more):
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LANG", "LC_ALL", "LC_CTYPE")}
    return {**kept, **more}


def on_terminal(columns, *args, **environment):
    """What the command writes to a terminal of so many columns."""
    done = terminal.on_terminal([CODECMETER, *map(str, args)], environment=plain_environment(**environment), columns=columns)
    assert done.returncode == 0, done.shown
    return done.shown


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


# ---- help ----


def without_examples(text):
    return re.sub(r"\nExamples:\n(  .*\n)+", "\n", text)


def assert_fits(text, columns):
    for line in without_examples(text).splitlines():
        assert width(line) <= columns or len(line.split()) == 1, (columns, line)
        assert line == line.rstrip(), line


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal(command):
    wide = on_terminal(200, command, "--help")
    assert_fits(wide, 100)
    for columns in (40, 80, 120):
        for environment in LOCALES:
            shown = on_terminal(columns, command, "--help", **environment)
            assert_fits(shown, min(columns, 100))
            assert shown.split() == wide.split(), "words are never broken, and none is lost"
    for section in ("Usage: codecmeter " + command, "\nOptions:\n", "-q, --quiet", "-h, --help", "--version"):
        assert section in wide, section


def test_help_in_a_pipe():
    for environment in LOCALES:
        assert_fits(run("stat", "--help", env=plain_environment(**environment)).stdout, 80)
    narrow = run("stat", "--help", env=plain_environment(COLUMNS="40")).stdout
    assert_fits(narrow, 40)
    assert max(map(len, narrow.splitlines())) > 60, "the examples stay as they are"
    for wrong in ("", "x", "0", "-1", "99999999999999999999"):
        assert run("stat", "--help", env=plain_environment(COLUMNS=wrong)).stdout == run(
            "stat", "--help", env=plain_environment()).stdout, wrong
    assert on_terminal(120, "stat", "--help", COLUMNS="40") == narrow


def test_texts_of_options_are_aligned():
    for command in COMMANDS:
        lines = on_terminal(80, command, "--help").split("\nOptions:\n")[1].split("\n\n")[0].splitlines()
        column = lines[-1].index("print the version")
        for line in lines:
            assert line[column - 2:column] == "  " and line[column] != " " or len(line.split()) <= 2, (command, line)


def test_help_of_help():
    assert run("help").stdout == run("--help").stdout == run("-h").stdout
    assert run("help", "stat").stdout == run("stat", "--help").stdout == run("stat", "-h").stdout
    assert_fits(on_terminal(40, "--help"), 40)
    assert "\n  man" not in run("--help").stdout


def test_exit_status_and_examples_are_told():
    shown = run("run", "--help").stdout
    assert "\nExit status:\n" in shown and "  75" in shown and "\nExamples:\n  codecmeter run" in shown


# ---- mistyped ----


@pytest.mark.parametrize("words, args", [
    ("did you mean 'stat'?", ("stst",)), ("did you mean 'project'?", ("projct", "list")), ("did you mean 'verify'?", ("verfy",)),
    ("did you mean 'project list'?", ("project", "lst")), ("did you mean 'key disable'?", ("key", "disabel")),
    ("did you mean 'unresolved resolve'?", ("unresolved", "reslove")), ("did you mean 'completion bash'?", ("completion", "bsh")),
    ("did you mean --data?", ("verify", "--dat")), ("did you mean --data?", ("project", "list", "--dta=x")),
    ("did you mean --project?", ("stat", "--projct", "org-a")), ("did you mean --version?", ("stat", "--verson")),
])
def test_suggestions(words, args):
    done = run(*args, check=False)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", done


@pytest.mark.parametrize("args", [("frobnicate",), ("x",), ("",), ("project", "frobnicate"), ("stat", "--frobnicate"), ("stat", "-z"),
                                  ("project", "list", "--data", "--data")])
def test_no_suggestion(args):
    done = run(*args, check=False)
    assert done.returncode != 0 and "did you mean" not in done.stderr and done.stderr.count("\n") == 1, done


def test_a_mistyped_option_does_not_print_its_value():
    done = run("record", "--tokne=cm_secret", "a.mp4", check=False)
    assert done.returncode == 2 and "--token?" in done.stderr and "cm_secret" not in done.stderr, done


# ---- --version ----


@pytest.mark.parametrize("command", [*COMMANDS, "man", None])
def test_version(command):
    first = run("version").stdout.splitlines()[0]
    done = run(*filter(None, (command,)), "--version")
    assert done.stdout == first + "\n" and done.stderr == "", done
    assert re.fullmatch(r"codecmeter [0-9.]+ \([0-9a-f]+\)|codecmeter [0-9.]+ \(unknown\)", first), first


# ---- --quiet ----


def test_quiet_administration(bare):
    bare.start("project.time_zone=UTC")
    data = ("--data", bare.data, "--quiet")

    def quiet(*args):
        done = run(*args, *data)
        assert done.stderr == "", done
        return done.stdout

    assert quiet("project", "create", "org-a") == "org-a\n"
    assert re.fullmatch(r"org-[0-9a-f]{8}\n", quiet("project", "create"))
    assert quiet("project", "set", "org-a", "--name", "A") == ""
    public, private = quiet("key", "create").split()
    client = bare.client(public_key=public, private_key=private)
    assert client.call("GetRegion")["RetCode"] == 0
    token = quiet("token", "create", "--project", "org-a")
    assert re.fullmatch(r"cm_\S+\n", token)
    assert client.report(event(1, subject="org-a"), token=token.strip()).status == 200
    [listed] = bare.admin("token", "list")
    assert quiet("token", "revoke", listed["id"]) == "" and quiet("key", "disable", public) == ""
    assert "org-a" in quiet("project", "list") and listed["id"] in quiet("token", "list")
    assert quiet("late", "--since", "1h") == "" and quiet("unresolved", "list") == ""
    assert json.loads(run("project", "list", "--json", *data).stdout) == bare.admin("project", "list")
    failed = run("project", "create", "org-a", *data, check=False)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and failed.stdout == "", failed


def test_quiet_care(bare, tmp_path):
    account = Account(bare)
    assert account.client.report(event(1)).status == 200
    for args in (("verify", "--data", bare.data), ("backup", tmp_path / "backup", "--data", bare.data),
                 ("restore", tmp_path / "backup", "--data", tmp_path / "restored"), ("rebuild", "--data", tmp_path / "restored")):
        assert on_terminal(80, *args, "--quiet") == "", args
    failed = run("restore", tmp_path / "none", "--data", tmp_path / "other", "--quiet", check=False)
    assert failed.returncode != 0 and failed.stderr.count("\n") == 1, failed


def test_quiet_agents(farm, clips, tmp_path):
    copy = tmp_path / "copy.mp4"
    distinct(clips / "small.mp4", copy)
    os.mkdir(farm.environment["CODECMETER_SPOOL"], 0o700)
    (tmp_path / "a.ndjson").write_text(json.dumps(event("imported")) + "\n")
    for args in (("record", "--quiet", clips / "small.mp4"), ("run", "--quiet", "--", clips / "copy", clips / "small.mp4", tmp_path / "made.mp4"),
                 ("flush", "--quiet"), ("import", "--quiet", tmp_path / "a.ndjson"), ("watch", "--quiet", "--once", "--existing", tmp_path)):
        done = farm.command(*args)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), (args, done)
    assert json.loads(farm.command("import", "-q", "--json", tmp_path / "a.ndjson").stdout)["duplicate"] == 1
    table = farm.command("stat", "--quiet").stdout
    assert "Total" in table and "Times are" not in table and "Times are" in farm.command("stat").stdout
    failed = farm.command("record", "--quiet", tmp_path / "none.mp4")
    assert failed.returncode == 1 and "none.mp4" in failed.stderr, failed


def test_quiet_serve(tmp_path):
    process = subprocess.Popen([CODECMETER, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--quiet"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("ready http")
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and (out, err) == ("", "")


# ---- ids as arguments ----


def test_ids_are_arguments(bare):
    account = Account(bare, "project.time_zone=UTC")

    def admin(*args):
        return json.loads(run(args[0], "--data", bare.data, "--json", *args[1:]).stdout)

    assert admin("project", "create", "org-carol", "--name", "Carol")["id"] == "org-carol"
    assert admin("project", "set", "--default", "org-carol")["default"] is True
    assert admin("project", "create", "--id", "org-dave")["id"] == "org-dave"
    assert admin("project", "create", "org-eve", "--id", "org-eve")["id"] == "org-eve"
    assert admin("project", "create", "--", "-dash-")["id"] == "-dash-"
    key = admin("key", "create")
    assert admin("key", "disable", key["public_key"])["disabled"] is True
    token = admin("token", "create")
    assert admin("token", "revoke", token["id"])["revoked"] is True
    assert account.client.report(event("-job/1")).status == 200
    by_argument = admin("history", "org-a", "test", "--", "-job/1")
    assert by_argument == admin("history", "--project", "org-a", "--source", "test", "--id=-job/1")
    assert by_argument == admin("history", "org-a", "--source", "test", "--id=-job/1") and len(by_argument) == 1


@pytest.mark.parametrize("words, args", [
    ("'org-a', and --id 'org-b'", ("project", "create", "org-a", "--id", "org-b")),
    ("'pub', and --public-key 'other'", ("key", "disable", "--public-key", "other", "pub")),
    ("'x', and --id 'y'", ("token", "revoke", "x", "--id", "y")),
    ("'b', and --source 'c'", ("history", "a", "b", "d", "--source", "c")),
    ("'a', and --project 'b'", ("late", "a", "--project", "b")),
    ("ID is missing", ("project", "set", "--default")), ("KEY is missing", ("key", "disable")), ("ID is missing", ("token", "revoke")),
    ("PROJECT is missing", ("history",)), ("PROJECT is missing", ("unresolved", "dismiss", "--all")),
    ("SOURCE and ID", ("history", "org-a")), ("ID is empty", ("project", "create", "")), ("--id is empty", ("project", "create", "--id=")),
    ("unexpected argument 'b'", ("project", "create", "a", "b")), ("unexpected argument 'x'", ("project", "list", "x")),
    ("unexpected argument 'x'", ("serve", "x")), ("unexpected argument 'x'; see codecmeter restore --help", ("restore", "backup", "x")),
    ("unexpected argument 'x'; see codecmeter backup --help", ("backup", "there", "x")), ("give create, list or set", ("project",)),
])
def test_ids_that_contradict_or_are_missing(tmp_path, words, args):
    done = run(*args, "--data", tmp_path / "none", check=False)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", done
    assert not (tmp_path / "none").exists()


# ---- options of verbs ----

# The options that each verb takes, beside those of every command.
VERBS = {
    "project": {"create": "data id name time-zone labels default json", "list": "data json", "set": "data id name time-zone labels default force json"},
    "key": {"create": "data public-key private-key private-key-file project json", "list": "data json",
            "disable": "data public-key json", "enable": "data public-key json"},
    "token": {"create": "data project scope create-projects time-zone label expires json", "list": "data json", "revoke": "data id json"},
    "unresolved": {"list": "data project source id json", "resolve": "data project source id all codec width height duration-ms json",
                   "dismiss": "data project source id all json"},
    "adapter": {"list": "data json", "test": "adapter file notice data config set project source id time json",
                "retry": "notice data all json", "drop": "notice data json"},
    "spool": {"status": "spool env check max-age json"},
    "completion": {"bash": "", "zsh": "", "fish": ""},
}
EVERYWHERE = {"quiet", "help", "version"}


def options_of(command):
    """Each option's name, whether it takes a value, and its text, as the help shows them."""
    section = on_terminal(100, command, "--help").split("\nOptions:\n")[1].split("\n\n")[0]
    parts = re.split(r"^ {2}(?:-\w, | {4})--", section, flags=re.M)[1:]
    found = [re.match(r"([a-z-]+)(=?)\S*\s*(.*)", part, re.S).groups() for part in parts]
    return {name: (value == "=", " ".join(text.split())) for name, value, text in found}


def verbs_of(command):
    return re.findall(rf"^(?:Usage:|      ) codecmeter {command} ([a-z]+)(?: |$)", run(command, "--help").stdout, re.M)


def test_every_command_with_verbs_is_in_the_table():
    assert {command: verbs_of(command) for command in COMMANDS if verbs_of(command)} == {
        command: list(verbs) for command, verbs in VERBS.items()}


@pytest.mark.parametrize("command", VERBS)
def test_a_verb_refuses_the_options_of_others(command, tmp_path):
    """Each verb with each option of its command: what does not apply is refused, not ignored."""
    options = options_of(command)
    takes = {verb: set(names.split()) | EVERYWHERE for verb, names in VERBS[command].items()}
    assert set(options) == set.union(*takes.values())
    data = [] if command in ("spool", "completion") else ["--data", tmp_path / "none"]
    for verb in takes:
        for name, (has_value, _) in options.items():
            if name == "data":
                continue
            done = run(command, verb, f"--{name}" + ("=7" if has_value else ""), *data, check=False)
            refused = f"codecmeter {command}: {command} {verb} takes no --{name}" in done.stderr
            assert refused != (name in takes[verb]), (verb, name, done)
            if refused:
                assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done
                takers = [other for other in takes if name in takes[other]]
                assert all(other in done.stderr for other in takers) and f"codecmeter {command} --help" in done.stderr, done
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", VERBS)
def test_help_names_the_verbs_that_take_an_option(command):
    for name, (_, text) in options_of(command).items():
        if name in EVERYWHERE:
            continue
        takers = [verb for verb, names in VERBS[command].items() if name in names.split()]
        lead = ", ".join(takers) + ": "
        partial = len(takers) < len(VERBS[command])
        assert text.startswith(lead) == partial, (name, text)
        assert text.count(lead) == (1 if partial else 0), "the help does not say it twice"
    page = run("man", command).stdout.replace("\\-", "-")
    for name, (_, text) in options_of(command).items():
        assert text.split(":")[0] in " ".join(page.split()).replace("\\(ga", "`").replace("\\(ti", "~"), (name, text)


# ---- tables ----

NAMES = ("极速视频", "Acme", "é́ combining", "한국어 이름", "🎬 film")


@pytest.fixture
def projects(bare):
    bare.start()
    for number, name in enumerate(NAMES):
        bare.admin("project", "create", "--id", f"org-{number}", "--name", name)
    return bare


def columns_of(line, column):
    """What stands from a column of the terminal on."""
    at = 0
    for index, c in enumerate(line):
        if at >= column:
            return line[index:]
        at += width(c)
    return ""


@pytest.mark.parametrize("environment", LOCALES)
def test_chinese_names_line_up(projects, environment):
    lines = run("project", "list", "--data", projects.data, env=plain_environment(**environment)).stdout.splitlines()
    column = lines[0].index("TIME ZONE")
    for line in lines[1:]:
        assert columns_of(line, column).startswith("Asia/Shanghai  "), line


def test_tables_fit_the_terminal(projects):
    ids = [f"org-{number}" for number in range(len(NAMES))]
    options = [word for id in ids for word in ("--project", id)]
    projects.admin("key", "create", *options)
    piped = run("key", "list", "--data", projects.data).stdout
    assert len(piped.splitlines()) == 2, "a pipe has one line a row"
    assert run("key", "list", "--data", projects.data, env=plain_environment(COLUMNS="40")).stdout == piped
    wide = on_terminal(300, "key", "list", "--data", projects.data)
    assert wide == piped
    needed = max(map(width, piped.splitlines()))
    for columns in (needed - 1, needed - 10):
        lines = on_terminal(columns, "key", "list", "--data", projects.data).splitlines()
        assert len(lines) > 2 and max(map(width, lines)) <= columns, lines
    narrow = on_terminal(40, "key", "list", "--data", projects.data)
    assert sorted(narrow.split()) == sorted(piped.split()), "no word is broken, even where the table cannot fit"


def test_long_durations_widen_their_column(farm):
    hours = [event(f"long-{n}", "2017-07-19T12:00:00+08:00", 100 * 3600, 1920, 1080) for n in range(124)]
    assert farm.account.client.report(hours).json()["stored"] == 124
    lines = farm.command("stat", "--from", "2017-07-19", "--to", "2017-07-19").stdout.splitlines()
    assert "12400:00:00" in lines[1], lines
    for line in lines[2:3]:
        assert line.endswith("12400:00:00") and len(line) == len(lines[1]) == len(lines[0]), lines


def test_stat_on_terminals(farm):
    assert farm.account.client.report(event("now", None, 61)).status == 200
    piped = farm.command("stat").stdout
    for columns in (40, 80, 120):
        shown = on_terminal(columns, "stat", **{k: v for k, v in farm.environment.items() if k.startswith("CODECMETER")})
        assert sorted(shown.split()) == sorted(piped.split())
        assert columns < 70 or max(map(width, shown.splitlines()[:3])) <= columns, shown


# ---- completion ----


def complete(script, *words):
    """What a bash offers for the last word."""
    line = " ".join(words)
    driver = (f"source {script}; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; COMP_LINE={line!r}; "
              f"COMP_POINT=${{#COMP_LINE}}; _codecmeter; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "--norc", "-c", driver], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


def test_bash_completion(tmp_path):
    script = tmp_path / "codecmeter.bash"
    script.write_text(run("completion", "bash").stdout)
    subprocess.run(["bash", "-n", script], check=True, timeout=20)
    assert complete(script, "codecmeter", "un") == ["unresolved"]
    assert set(COMMANDS) <= set(complete(script, "codecmeter", ""))
    assert complete(script, "codecmeter", "project", "") == ["create", "list", "set"]
    assert complete(script, "codecmeter", "key", "dis") == ["disable"]
    assert complete(script, "codecmeter", "project", "create", "--ti") == ["--time-zone"]
    assert complete(script, "codecmeter", "stat", "--f") == ["--from"]
    assert set(complete(script, "codecmeter", "project", "list", "--")) == {"--data", "--json", "--quiet", "--help", "--version"}
    assert complete(script, "codecmeter", "project", "--data", "x", "set", "--fo") == ["--force"]
    assert complete(script, "codecmeter", "project", "--data", "x", "cr") == ["create"]
    assert complete(script, "codecmeter", "project", "create", "--data", "") == [], "a file name"
    assert complete(script, "codecmeter", "record", "") == [], "a file name"
    assert complete(script, "codecmeter", "run", "--", "ff") == [] and complete(script, "codecmeter", "run", "ffmpeg", "--o") == []
    assert "--output" in complete(script, "codecmeter", "run", "--")
    for command in COMMANDS:
        options = re.findall(r"^ .*?(--[a-z-]+)", run(command, "--help").stdout.split("\nOptions:\n")[1].split("\n\n")[0], re.M)
        assert set(complete(script, "codecmeter", command, "--")) == set(options), command


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_of_other_shells(shell, tmp_path):
    text = run("completion", shell).stdout
    for word in (*COMMANDS, "time-zone", "create"):
        assert word in text, word
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(text)
        done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", done


# ---- manual pages ----


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_manual_pages(command):
    text = run("man", *filter(None, (command,))).stdout
    name = "codecmeter" + ("-" + command if command is not None else "")
    lines = text.splitlines()
    assert lines[0].startswith(f'.TH "{name.upper()}" "1"') and lines[1] == ".SH NAME"
    assert lines[2].replace("\\-", "-").startswith(name + " - ")
    requests = {line.split()[0] for line in lines if line[:1] in ".'"}
    assert requests <= {".TH", ".SH", ".TP", ".PP", ".BR", ".br", ".nf", ".fi"}, requests
    escapes = set(re.findall(r"\\\(..|\\.", text))
    assert escapes <= {"\\-", "\\e", "\\&", "\\f", "\\(ga", "\\(aq", "\\(ha", "\\(ti"}, escapes
    if command is not None:
        told = re.findall(r"--[a-z-]+", run(command, "--help").stdout.split("\nOptions:\n")[1].split("\nExamples:")[0])
        assert all(option in text.replace("\\-", "-") for option in told)
    if shutil.which("groff") is not None:
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "" and done.stdout != "", (done.stderr, text)


def test_no_manual_page():
    done = run("man", "frobnicate", check=False)
    assert done.returncode == 2 and "frobnicate" in done.stderr and done.stdout == "", done
