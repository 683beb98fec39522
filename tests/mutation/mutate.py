#!/usr/bin/python3
"""Changes the rules of counting in small ways, one at a time, and runs the unit tests: each change must make one fail.

Works on a copy of the tree, in DIR. Prints each change that no test notices, then the counts. Such a change is listed in
equivalent.txt, with the reason, if it changes nothing that a program can see. Exits with 1 if fewer than 95 % of the others
were noticed.
"""
import argparse
import difflib
import os
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))

METER = ("amount", "tier", "usage", "decide")
LEDGER = ("decide", "repetitions", "verify", "committer_ledger", "ledger")
# What is changed: a file, and its functions (none: all of them); the tests that must notice, the fastest first.
TARGETS = (
    ("src/meter/amount.c", (), METER),
    ("src/meter/tier.c", (), METER),
    ("src/meter/usage.c", ("usage_count", "usage_is_task", "texts_differ", "price_differences", "times_differ", "usage_differences",
                           "usage_resolution_differences", "usage_missing"), METER),
    ("src/ledger/decide.c", (), LEDGER),
    ("src/ledger/log/hash.c", ("hash_question", "hash_identity_entry", "hash_task_entry"), LEDGER),
    ("src/ledger/totals/cells.c", ("cell_of", "cell_negate", "counts_nothing", "cells_add", "cells_add_unseen", "apply", "add"), LEDGER),
    ("src/ledger/delta.c", ("delta_add",), LEDGER),
    ("src/ledger/apply.c", ("effect_of", "number_of", "apply_effects", "apply_usage", "apply_block", "writer_apply"), LEDGER),
    ("src/ledger/lookup.c", ("try_position", "search_staged", "search_delta", "search_run", "search_all", "has_project",
                             "staged_others", "has_codec_room", "find"), LEDGER),
    ("src/ledger/writer.c", ("stage_record", "note_codec", "stage_stored", "stage_usage", "ledger_commit", "append_group"), LEDGER),
)
BASE_TIMEOUT_S = 10  # and five times what the test takes without a change

SWAPS = (
    (r"==", ("!=",)), (r"!=", ("==",)), (r"<=", ("<", ">")), (r">=", (">", "<")),
    (r"(?<![-<>=])<(?![<=])", ("<=", ">")), (r"(?<![->=])>(?![>=])", (">=", "<")),
    (r"&&", ("||",)), (r"\|\|", ("&&",)),
    (r"(?<![+\w(])\s\+\s(?![+=])", (" - ",)), (r"\s-\s", (" + ",)), (r"\s/\s", (" * ",)), (r"\s\*\s", (" / ",)), (r"\s%\s", (" * ",)),
    (r"\+=", ("-=",)), (r"-=", ("+=",)), (r"\|=", ("&=",)), (r"&=", ("|=",)), (r"\+\+", ("--",)),
    (r"!(?=[\w(])", ("",)),
    (r"\btrue\b", ("false",)), (r"\bfalse\b", ("true",)),
    (r"\bVERDICT_STORED\b", ("VERDICT_DUPLICATE",)), (r"\bVERDICT_DUPLICATE\b", ("VERDICT_REJECTED",)),
    (r"\bVERDICT_REJECTED\b", ("VERDICT_STORED",)), (r"\bVERDICT_CONFLICT\b", ("VERDICT_DUPLICATE",)),
    (r"\bDECIDE_IDENTITY\b", ("DECIDE_RESOLUTION",)), (r"\bDECIDE_RESOLUTION\b", ("DECIDE_WAITING",)),
    (r"\bDECIDE_WAITING\b", ("DECIDE_IDENTITY",)), (r"\bDECIDE_VOID\b", ("DECIDE_TARGET",)),
    (r"\bDECIDE_TARGET\b", ("DECIDE_WAITING_TARGET",)), (r"\bDECIDE_WAITING_TARGET\b", ("DECIDE_TARGET",)),
    (r"\bUSAGE_VOID\b", ("USAGE_UNRESOLVED",)), (r"\bUSAGE_UNRESOLVED\b", ("USAGE_VOID",)),
    (r"\bUSAGE_SNAPSHOT\b", ("USAGE_AUDIO",)), (r"\bUSAGE_FINISHED\b", ("USAGE_FAILED",)),
    (r"(?<![\w.\"])\d+(?:u|U|ULL)?\b", None),  # a number: one more, and 0 for any other than 0 and 1
)


def blank(text):
    """The text without what is in comments, literals and lines of the preprocessor; places stay as they are."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match[0])
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", spaces, text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", spaces, text, flags=re.M)


def bodies(code, names):
    """(from, to) of each function's body. A function begins in column 0 and ends with a brace in column 0."""
    for match in re.finditer(r"^(?!typedef|struct \w+ \{|enum|#|\s)[^\n;{}]*?\b(\w+)\([^;{}]*\)\s*\{", code, flags=re.M):
        end = code.find("\n}", match.end())
        one_line = code.find("}", match.end())
        line_end = code.find("\n", match.end())
        if one_line < line_end:
            end = one_line
        if not names or match[1] in names:
            yield match.end(), end


def changes(code, begin, end):
    """(from, to, text) of each change in a body."""
    for pattern, texts in SWAPS:
        for match in re.finditer(pattern, code[begin:end]):
            found = match[0]
            if texts is None:
                number = int(re.match(r"\d+", found)[0])
                options = [str(number + 1)] + (["0"] if number > 1 else [])
            else:
                options = texts
            for option in options:
                yield begin + match.start(), begin + match.end(), option
    for match in re.finditer(r"\b(?:if|while) \(", code[begin:end]):
        at = begin + match.end()
        depth, close = 1, at
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(code[close], 0)
            close += 1
        yield at, close - 1, "!(" + code[at:close - 1] + ")"
    for match in re.finditer(r"^ +(?!return|break|continue|case|default|if|for|while|else|CHECK|struct|enum|const|static|unsigned|bool|int|size_t|u?int\d+_t)"
                             r"[*\w][^\n{}]*;$", code[begin:end], flags=re.M):
        yield begin + match.start(), begin + match.end(), "  ;"
    for match in re.finditer(r"\breturn (result|0|-?\w+|[^;\n]+);", code[begin:end]):
        value = match[1]
        if value in ("true", "false"):
            continue
        yield begin + match.start(1), begin + match.end(1), "1" if value == "0" else "0"


def mutants(path, names):
    with open(os.path.join(ROOT, path)) as file:
        text = file.read()
    code = blank(text)
    seen = set()
    for begin, end in bodies(code, names):
        for start, stop, option in changes(code, begin, end):
            line = code[code.rfind("\n", 0, start) + 1:code.find("\n", stop)]
            if "CHECK(" in line or "err_set(" in line:
                continue  # what cannot be, and what an error says
            mutated = text[:start] + option + text[stop:]
            if mutated != text and mutated not in seen:
                seen.add(mutated)
                yield text, mutated


def diff_of(path, text, mutated):
    lines = difflib.unified_diff(text.splitlines(), mutated.splitlines(), path, path, lineterm="", n=1)
    return "\n".join(lines)


def key_of(path, text, mutated):
    """The changed lines, without their numbers: how equivalent.txt names a change."""
    old, new = [], []
    for line in difflib.unified_diff(text.splitlines(), mutated.splitlines(), lineterm="", n=0):
        if line.startswith("-") and not line.startswith("---"):
            old.append(line[1:].strip())
        if line.startswith("+") and not line.startswith("+++"):
            new.append(line[1:].strip())
    return f"{path}: {' '.join(old)} => {' '.join(new)}"


def equivalents():
    keys = set()
    with open(os.path.join(HERE, "equivalent.txt")) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                keys.add(line.rstrip("\n"))
    return keys


def copy_tree(to):
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True).stdout.decode().split("\0")
    for name in names:
        source = os.path.join(ROOT, name)
        if name and os.path.isfile(source):
            os.makedirs(os.path.join(to, os.path.dirname(name)), exist_ok=True)
            shutil.copy2(source, os.path.join(to, name))


IN_MEMORY = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /tmp && exec "$0" "$@"')


def in_memory():
    """What runs a command with a /tmp in memory, where a sync costs nothing. Without namespaces: nothing, and tests take longer."""
    works = shutil.which("unshare") and subprocess.run([*IN_MEMORY, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return IN_MEMORY if works else ()


def run_tests(build, tests, wrapper, took):
    """The test that fails, or None. took: how long each test takes, which is measured if it is not known yet."""
    for test in tests:
        command = [*wrapper, os.path.join(build, "tests/unit/test_" + test)]
        if test == "scan":
            command.append(os.path.join(ROOT, "tests/data/formats"))
        began = time.monotonic()
        try:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=BASE_TIMEOUT_S + 5 * took.get(test, 60))
        except subprocess.TimeoutExpired:
            return test + " (time)"
        if done.returncode != 0:
            return test
        took.setdefault(test, time.monotonic() - began)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dir", help="directory for the copy, not in /tmp; it is removed first")
    parser.add_argument("--sample", type=int, default=0, help="try so many changes, chosen by --seed; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only files whose path has this in it")
    parser.add_argument("--list", action="store_true", help="print the number of changes of each file, and try none")
    args = parser.parse_args()
    args.dir = os.path.abspath(args.dir)
    chosen = [(path, tests, text, mutated) for path, names, tests in TARGETS if args.only in path
              for text, mutated in mutants(path, names)]
    if args.list:
        for path, _, _ in TARGETS:
            print(f"{sum(1 for item in chosen if item[0] == path):5} {path}")
        print(f"{len(chosen):5} in all")
        return 0
    if args.sample:
        chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))
    print(f"SEED={args.seed}: {len(chosen)} changes", flush=True)
    shutil.rmtree(args.dir, ignore_errors=True)
    tree, build = os.path.join(args.dir, "tree"), os.path.join(args.dir, "build")
    copy_tree(tree)
    wrapper, took = in_memory(), {}
    env = {**os.environ, "CC": os.environ.get("CC", "ccache cc" if shutil.which("ccache") else "cc"),
           "CXX": os.environ.get("CXX", "ccache c++" if shutil.which("ccache") else "c++")}
    subprocess.run(["/usr/bin/meson", "setup", "-Dtests=enabled", "-Doptimization=0", "-Ddebug=false", "-Dwerror=false",
                    "-Db_pie=false", build, tree], env=env, check=True, stdout=subprocess.DEVNULL)
    known, unseen, noticed, invalid, equivalent, used = equivalents(), [], 0, 0, 0, set()

    def ninja(tests):
        return subprocess.run(["ninja", "-C", build, *("tests/unit/test_" + test for test in tests)], env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    everything = sorted({test for _, tests, _, _ in chosen for test in tests})
    assert ninja(everything), "the tree does not build"
    failed = run_tests(build, everything, wrapper, took)
    assert failed is None, f"test_{failed} fails without any change"
    began = time.monotonic()
    for number, (path, tests, text, mutated) in enumerate(chosen, 1):
        key = key_of(path, text, mutated)
        if key in known:
            equivalent += 1
            used.add(key)
            continue
        target = os.path.join(tree, path)
        with open(target, "w") as file:
            file.write(mutated)
        killer = None
        if not ninja(tests[:1]):
            invalid += 1
        else:
            killer = run_tests(build, tests[:1], wrapper, took)
            if killer is None:
                assert ninja(tests), key
                killer = run_tests(build, tests[1:], wrapper, took)
            if killer is None:
                unseen.append((path, text, mutated))
                print(f"\nno test notices:\n{diff_of(path, text, mutated)}\n{key}", flush=True)
            else:
                noticed += 1
        with open(target, "w") as file:
            file.write(text)
        if number % 50 == 0:
            print(f"{number}: {noticed} noticed, {len(unseen)} not, {invalid} do not compile, {time.monotonic() - began:.0f} s",
                  flush=True)
    counted = noticed + len(unseen)
    percent = 100 * noticed / counted if counted else 0
    print(f"{noticed} of {counted} changes were noticed ({percent:.1f} %); {equivalent} are known to change nothing, "
          f"{invalid} do not compile")
    return 0 if percent >= 95 else 1


if __name__ == "__main__":
    sys.exit(main())
