"""What codecmeter says of files: `record --explain`, which needs no server. Lists are asked one by one, because `record`
leaves out a file that a list beside it plays."""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
CODECMETER = os.path.abspath(os.environ.get("CODECMETER", ROOT / "build" / "codecmeter"))
WORKERS = 2
BATCH = 40
LINE = re.compile(rb"(.*): (\S+) (\d+)x(\d+) (\d+)\.(\d{3}) s, source file, id (1:[0-9a-f]{32})")
FAULT = b"codecmeter record: "


@dataclasses.dataclass(frozen=True)
class Output:
    name: str
    codec: str
    size: tuple
    seconds: float
    id: str


@dataclasses.dataclass
class Answer:
    outputs: list = dataclasses.field(default_factory=list)
    refusals: list = dataclasses.field(default_factory=list)
    lines: list = dataclasses.field(default_factory=list)  # the explanation

    @property
    def refusal(self):
        return "; ".join(self.refusals)

    def __str__(self):
        outputs = [f"{output.codec} {output.size[0]}x{output.size[1]} {output.seconds:.3f} s" for output in self.outputs]
        return "; ".join(outputs + [f"refused: {refusal}" for refusal in self.refusals]) or "nothing"


def is_list(path):
    return pathlib.Path(path).suffix in (".m3u8", ".mpd")


@dataclasses.dataclass(frozen=True)
class Run:
    status: int  # negative: the signal that ended it
    out: bytes
    err: bytes
    seconds: float  # of processor time
    peak_mb: float  # of resident memory


# A process inherits its parent's peak of memory, and a test's process may be large. So a small one is between them.
LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
os.write(int(sys.argv[1]), f"{status} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())
"""


def run(paths, timeout=120, options=("--explain",), **kwargs):
    """`record` on some paths, with what it took. A run that does not end in time is killed."""
    environment = {**os.environ, "CODECMETER_SPOOL": "/nonexistent", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as told:
        process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(told.fileno()), CODECMETER, "record", *options, "--", *paths],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True,
                                   pass_fds=[told.fileno()], **kwargs)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0), err.seek(0), told.seek(0)
        status, seconds, peak_kb = (told.read().split() + [signal.SIGKILL, 0, 0])[:3]
        return Run(os.waitstatus_to_exitcode(int(status)), out.read(), err.read(), float(seconds), int(peak_kb) / 1024)


def checked(paths, **kwargs):
    """A run that ended as it should. Else the path that is to blame is named."""
    ran = run(paths, **kwargs)
    if ran.status in (0, 1):
        return ran
    for path in paths:
        alone = run([path], **kwargs)
        assert alone.status in (0, 1), (path, alone)
    raise AssertionError((paths, ran))


def _text(data):
    return data.decode(errors="backslashreplace")


def parse(paths, out, err):
    """paths: one list with any renditions, or files that are no lists. Every line belongs to one of them."""
    answers = {os.fspath(path): Answer() for path in paths}
    only = next(iter(answers.values())) if len(answers) == 1 else None
    current = None
    for line in out.splitlines():
        found = LINE.fullmatch(line)
        if found:
            name = _text(found[1])
            current = only or answers[name]
            size = int(found[3]), int(found[4])
            current.outputs.append(Output(name, _text(found[2]), size, int(found[5]) + int(found[6]) / 1000, _text(found[7])))
        elif line.startswith(b"  "):
            current.lines.append(_text(line[2:]))
        else:
            name, _, rest = _text(line).rpartition(": ")
            assert rest == "not measured", line
            current = only or answers[name]
    for line in err.splitlines():
        assert line.startswith(FAULT), line
        text = _text(line[len(FAULT):])
        if only:
            only.refusals.append(text)
            continue
        owner = max((path for path in answers if text.startswith(path + ":")), key=len, default=None)
        assert owner, text
        answers[owner].refusals.append(text[len(owner) + 2:])
    return answers


def _measure_batch(paths):
    ran = checked(paths)
    return parse(paths, ran.out, ran.err)


def measure(paths):
    """{path: Answer}"""
    paths = [os.fspath(path) for path in paths]
    files = [path for path in paths if not is_list(path)]
    batches = [files[at:at + BATCH] for at in range(0, len(files), BATCH)] + [[path] for path in paths if is_list(path)]
    answers = {}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for some in pool.map(_measure_batch, batches):
            answers.update(some)
    return answers
