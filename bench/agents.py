"""How soon the usage of an output is visible: behind `codecmeter run`, and behind a file that `codecmeter watch` sees."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

from peers import CODECMETER, PROJECT, Failure, run
from report import count, milliseconds, table

RUNS = 200
# A short clip, so that nearly all of the time is ours. Each run draws another picture: equal content would be one output.
CLIP = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1", "-c:v", "libx264",
        "-preset", "ultrafast"]


class Eye:
    """Asks for the project's seconds over one connection, as often as it is told to."""

    def __init__(self, server, window):
        self.connection = http.client.HTTPConnection(server.target)
        self.path = server.signed_path(*window)

    def seconds(self):
        self.connection.request("GET", self.path)
        stat = json.loads(self.connection.getresponse().read())
        if stat["RetCode"] != 0:
            raise Failure(f"the question was refused: {stat}")
        return sum(value for row in stat["StatSet"] for name, value in row.items() if name.endswith("DefinitionTime"))

    def wait_for(self, seconds):
        """The time at which so many seconds are visible."""
        end = time.monotonic() + 60
        while self.seconds() < seconds:
            if time.monotonic() > end:
                raise Failure(f"{seconds} s were not visible in time")
        return time.time()


def percentiles(times):
    """p50, p99 and the maximum, in microseconds."""
    ordered = sorted(times)
    return [1e6 * ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99, 1)]


def clip(number):
    return [*CLIP, "-vf", f"drawbox=x={number % 300}:y={number // 300}:w=8:h=8:color=red:t=fill"]


def behind_run(bench, environment, eye):
    """Times from the end of ffmpeg to the exit of `run`, and from there to visible."""
    script = bench.path("transcode")
    with open(script, "w") as file:
        file.write('#!/bin/sh\nffmpeg "$@" && date +%s.%N > "$ENDED"\n')
    os.chmod(script, 0o755)
    ended = bench.path("ended")
    reporting, visible = [], []
    for number in range(RUNS):
        output = bench.path(f"run-{number}.mp4")
        run(CODECMETER, "run", "--quiet", "--", script, *clip(number), output, env={**environment, "ENDED": ended})
        exited = time.time()
        visible.append(eye.wait_for(number + 1) - exited)
        with open(ended) as file:
            reporting.append(exited - float(file.read()))
        os.unlink(output)
    return reporting, visible


@contextlib.contextmanager
def watching(directory, environment, log):
    process = subprocess.Popen([CODECMETER, "watch", directory], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def behind_watch(bench, environment, eye):
    """Times from a file's rename into the watched directory to visible."""
    directory = bench.path("watched")
    os.mkdir(directory)
    before = eye.seconds()
    times = []
    with open(bench.path("watch.log"), "w+") as log, watching(directory, environment, log):
        end = time.monotonic() + 60
        while "watching" not in open(log.name).read():
            if time.monotonic() > end:
                raise Failure("watch did not start")
            time.sleep(0.01)
        for number in range(RUNS):
            made = bench.path("made.mp4")
            run("ffmpeg", "-y", *clip(RUNS + number), made)
            renamed = time.time()
            os.rename(made, os.path.join(directory, f"{number}.mp4"))
            times.append(eye.wait_for(before + number + 1) - renamed)
    return times


def agents(bench):
    if shutil.which("ffmpeg") is None:
        raise Failure("ffmpeg is missing: scripts/install run")
    server = bench.codecmeter("agents")
    with server:
        environment = {**os.environ, "CODECMETER_URL": f"http://{server.target}", "CODECMETER_TOKEN": server.token,
                       "CODECMETER_PROJECT": PROJECT, "CODECMETER_SPOOL": bench.path("spool")}
        eye = Eye(server, bench.window())
        reporting, visible = behind_run(bench, environment, eye)
        watched = behind_watch(bench, environment, eye)
    rows = [[name, *(milliseconds(us) for us in percentiles(times))] for name, times in (
        ("end of ffmpeg to exit of `run`", reporting), ("exit of `run` to visible", visible),
        ("rename into a watched directory to visible", watched))]
    return f"""## Agents

{count(RUNS)} runs each, one after the other; clips of 1 s. Visible: a signed GetCodecTotalStat, asked without pause, has the output.

{table(["from, to", "p50", "p99", "maximum"], rows)}

```
codecmeter run -- FFMPEG-SCRIPT … OUT.mp4
codecmeter watch DIRECTORY
```""", {"visible_p99_us": percentiles(visible)[1], "watched_p99_us": percentiles(watched)[1]}
