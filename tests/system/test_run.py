"""`codecmeter run`: the command's life is its own; what it made is metered once; what cannot be metered is not lost."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
import time

import pytest

from conftest import CODECMETER, wait_until
from scripted import scripted
from media import H264, clips, distinct, farm, ffmpeg, picture  # noqa: F401 (fixtures)


# ---- exit status and streams ----


@pytest.mark.parametrize("status", [0, 1, 2, 75, 126, 255])
def test_the_commands_status_is_kept(farm, clips, tmp_path, status):
    out = tmp_path / "out.mp4"
    done = farm.command("run", "--output", out, "--", "sh", "-c", f"'{clips}/copy' '{clips}/small.mp4' '{out}'; exit {status}")
    assert done.returncode == status, done
    assert farm.totals() == ({("h264", "Low"): 2} if status == 0 else {})
    assert ("failed, stored" in done.stderr) == (status != 0), done


def test_commands_that_cannot_be_run(farm, tmp_path):
    done = farm.command("run", "--", tmp_path / "none")
    assert done.returncode == 127 and "cannot run" in done.stderr, done
    script = tmp_path / "not-executable"
    script.write_text("#!/bin/sh\n")
    done = farm.command("run", "--", script)
    assert done.returncode == 126 and "cannot run" in done.stderr, done
    done = farm.command("run")
    assert done.returncode == 2 and "COMMAND is missing" in done.stderr, done


def test_without_a_token_the_command_is_not_run(farm, tmp_path):
    """An hour of transcoding is not begun when its usage could go nowhere."""
    bare = {name: value for name, value in farm.environment.items() if name != "CODECMETER_TOKEN"}
    done = farm.command("run", "--", "touch", tmp_path / "made", env=bare)
    assert done.returncode != 0 and "--token" in done.stderr and not (tmp_path / "made").exists(), done


def test_its_streams_are_its_own(farm, clips, tmp_path):
    out = tmp_path / "out.mp4"
    done = farm.command("run", "--output", out, "--", "sh", "-c", f"cat; echo err >&2; '{clips}/copy' '{clips}/small.mp4' '{out}'",
                        input="through\n")
    assert done.stdout == "through\n" and done.stderr.startswith("err\n"), done


# ---- signals ----


# A handler that prints might interrupt a print, which Python refuses: so there is none, and the signal is waited for.
WAITER = """
import signal, sys
numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for number in numbers:
    signal.signal(number, signal.SIG_DFL)
print("waiting", flush=True)
got = signal.sigtimedwait(numbers, 60)
print(signal.Signals(got.si_signo).name if got else "none", flush=True)
sys.exit(7)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("ignored", [False, True])
def test_signals_are_passed_on(farm, number, ignored):
    """Also where whoever started us has them ignored: the command may see it otherwise."""
    disposition = signal.SIG_IGN if ignored else signal.SIG_DFL
    process = farm.start("run", "--output", "/none.mp4", "--", sys.executable, "-c", WAITER,
                         preexec_fn=lambda: signal.signal(number, disposition))
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=90)
    assert out == number.name + "\n" and process.returncode == 7, (out, err)
    assert "failed, stored" in err, "it is a failed task, and reported as one"


def test_a_command_that_a_signal_ended(farm):
    process = farm.start("run", "--output", "/none.mp4", "--", "sh", "-c", "echo $$; kill -KILL $$")
    out, err = process.communicate(timeout=90)
    assert process.returncode == 128 + signal.SIGKILL and "failed, stored" in err, (out, err)


def test_ctrl_c_reaches_the_command_once(farm):
    """A terminal's Ctrl-C goes to the whole group: passing it on as well would be a second one, at which ffmpeg gives up."""
    script = ("import signal,sys,time\ncount=[0]\n"
              "def hit(n,f): count[0]+=1\n"
              "signal.signal(signal.SIGINT,hit)\nprint('waiting',flush=True)\n"
              "for _ in range(600):\n  if count[0]: break\n  time.sleep(0.1)\n"
              "time.sleep(1)\nprint(count[0],flush=True)\nsys.exit(3)\n")
    master, slave = os.openpty()
    process = subprocess.Popen([CODECMETER, "run", "--output", "/none.mp4", "--", sys.executable, "-c", script],
                               env=farm.environment, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)))
    assert process.stdout.readline() == "waiting\n"
    os.write(master, b"\x03")
    out, err = process.communicate(timeout=90)
    os.close(master)
    os.close(slave)
    assert out == "1\n" and process.returncode == 3, (out, err)


# ---- outputs ----


def test_a_real_ladder(farm, clips, tmp_path):
    source = tmp_path / "source.mkv"
    ffmpeg(*picture("1920x1080", 3), *H264, source)
    for name, size in (("a.mp4", "640:360"), ("b.mp4", "1280:720"), ("c.mp4", "720:1280"), ("d.mp4", "1920:1080")):
        done = farm.command("run", "--", "ffmpeg", "-nostdin", "-v", "error", "-i", source, "-vf", f"scale={size}", *H264,
                            tmp_path / name)
        assert done.returncode == 0 and "stored" in done.stderr, done
    assert farm.totals() == {("h264", "Low"): 3, ("h264", "Midium"): 6, ("h264", "High"): 3}
    done = farm.record(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert done.stdout.count("duplicate") == 2, "the same identity in record and run"


def test_several_outputs(farm, tmp_path):
    a, b = tmp_path / "a.mp4", tmp_path / "b.mp4"
    done = farm.command("run", "--output", a, "--output", b, "--", "ffmpeg", "-nostdin", "-v", "error", *picture("640x360", 2),
                        "-filter_complex", "split[x][y];[y]scale=1280:720[z]", "-map", "[x]", *H264, a, "-map", "[z]", *H264, b)
    assert done.returncode == 0, done
    assert farm.totals() == {("h264", "Low"): 2, ("h264", "Midium"): 2}


def test_an_output_that_was_not_made(farm, clips, tmp_path):
    """It said that it succeeded, but there is nothing to meter: that must not pass unseen."""
    done = farm.command("run", "--output", tmp_path / "none.mp4", "--", "true")
    assert done.returncode == 75 and "none.mp4" in done.stderr, done
    old = tmp_path / "old.mp4"
    distinct(clips / "small.mp4", old)
    os.utime(old, (time.time() - 60, time.time() - 60))
    done = farm.command("run", "--output", old, "--", "true")
    assert done.returncode == 75 and "did not change" in done.stderr, done
    done = farm.command("run", "--", "true")  # its last argument is itself
    assert done.returncode == 75, done
    assert farm.totals() == {}


def test_one_of_two_outputs_is_bad(farm, clips, tmp_path):
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    done = farm.command("run", "--output", bad, "--output", good, "--", "sh", "-c",
                        f"'{clips}/copy' '{clips}/small.mp4' '{good}'; head -c 1000 '{clips}/small.mp4' > '{bad}'")
    assert done.returncode == 75 and "bad.mp4" in done.stderr and "good.mp4: h264 640x360 2.000 s, stored" in done.stderr, done
    assert farm.totals() == {("h264", "Low"): 2}


# ---- the server is away ----


def test_the_event_is_not_lost(farm, clips, tmp_path):
    """No spool: exit 75 and one line of JSON, which /v1/events takes later; its identity is that of the file."""
    out = tmp_path / "out.mp4"
    farm.environment["CODECMETER_SPOOL"] = "/dev/null"
    command = ("run", "--output", out, "--", "sh", "-c", f"'{clips}/copy' '{clips}/small.mp4' '{out}'")
    farm.server.stop()
    done = farm.command(*command)
    assert done.returncode == 75 and "--url" in done.stderr, done
    kept = done.stdout
    assert kept.count("\n") == 1 and json.loads(kept)["type"] == "transcode.finished", kept
    farm.server.start(listen=farm.server.url.removeprefix("http://"))
    assert farm.account.client.report(kept, "application/x-ndjson").json()["stored"] == 1
    assert "duplicate" in farm.record(out).stdout
    assert farm.totals() == {("h264", "Low"): 2}


def test_a_server_that_comes_back_in_time(farm, clips, tmp_path):
    out = tmp_path / "out.mp4"
    with scripted("drop", 503, farm.server.url) as fake:
        farm.environment["CODECMETER_URL"] = fake.url
        done = farm.command("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out)
    assert done.returncode == 0 and done.stdout == "" and "stored" in done.stderr, done
    assert farm.totals() == {("h264", "Low"): 2}


def test_the_server_refuses(farm, clips, tmp_path):
    out = tmp_path / "out.mp4"
    farm.environment["CODECMETER_TOKEN"] = "cm_wrong"
    done = farm.command("run", "--output", out, "--", "sh", "-c", f"'{clips}/copy' '{clips}/small.mp4' '{out}'")
    assert done.returncode == 75 and "401" in done.stderr and json.loads(done.stdout)["data"]["width"] == 640, done
    assert "waits in" in done.stderr, "it is in the spool as well: a mended token sends it"
    farm.server.stop()
    done = farm.command("run", "--output", out, "--", "false")
    assert done.returncode == 1, "the command's status, though its failure could not be reported"


def test_a_failed_task_counts_nothing(farm, tmp_path):
    done = farm.command("run", "--output", tmp_path / "none.mp4", "--", "sh", "-c", "exit 9")
    assert done.returncode == 9 and "failed, stored" in done.stderr, done
    assert farm.totals() == {}


# ---- the run itself is interrupted ----


@pytest.mark.parametrize("number,spool", [(signal.SIGTERM, True), (signal.SIGINT, False), (signal.SIGHUP, False)])
def test_interrupted_after_the_command(farm, clips, tmp_path, number, spool):
    """Stopped while it tries to reach the server: what was transcoded is in the spool, or said, at once."""
    out = tmp_path / "out.mp4"
    if not spool:
        farm.environment["CODECMETER_SPOOL"] = "/dev/null"
    with scripted(503) as fake:
        farm.environment["CODECMETER_URL"] = fake.url
        process = farm.start("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out,
                             preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
        wait_until(lambda: fake.bodies, 60)
        process.send_signal(number)
        printed, err = process.communicate(timeout=60)
        assert len(fake.bodies) <= 2, "there are four attempts where it is not interrupted"
    assert process.returncode == (0 if spool else 75) and ("spooled" in err) == spool, (printed, err)
    assert printed == "" if spool else json.loads(printed)["data"]["duration_ms"] == 2000, printed
    assert "out.mp4" in err, err


def test_under_nohup(farm, clips, tmp_path):
    """A hang-up that was to be ignored does not end the attempts to reach the server either."""
    out = tmp_path / "out.mp4"
    with scripted(503, 503, farm.server.url) as fake:
        farm.environment["CODECMETER_URL"] = fake.url
        process = farm.start("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        wait_until(lambda: fake.bodies, 60)
        process.send_signal(signal.SIGHUP)
        printed, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "stored" in err, (printed, err)


def test_outputs_with_an_older_time(farm, clips, tmp_path):
    """Copies keep the time of their original, and are the run's all the same: one output, because their media are equal."""
    original, kept, linked = clips / "small.mp4", tmp_path / "kept.mp4", tmp_path / "linked.mp4"
    copied = tmp_path / "original.mp4"
    shutil.copy(original, copied)
    os.utime(copied, (time.time() - 600, time.time() - 600))
    for command, out, outcome in ((("cp", "-p", copied, kept), kept, "stored"), (("ln", "-s", copied, linked), linked, "duplicate")):
        done = farm.command("run", "--output", out, "--", *command)
        assert done.returncode == 0 and outcome in done.stderr, done


def test_where_ended_children_are_ignored(farm, clips, tmp_path):
    out = tmp_path / "out.mp4"
    done = farm.command("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out,
                        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert done.returncode == 0 and "stored" in done.stderr, done


def test_a_command_that_never_ran_is_no_task(farm, tmp_path):
    assert farm.command("run", "--output", "/none.mp4", "--", tmp_path / "none").returncode == 127
    log = farm.server.log_text()
    assert "/v1/events" not in log, log


def test_what_failed_is_named(farm, clips, tmp_path):
    out = tmp_path / "out.mp4"
    farm.environment["CODECMETER_URL"] = "http://127.0.0.1:1"
    done = farm.command("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out)
    assert done.returncode == 0 and "out.mp4" in done.stderr and "127.0.0.1:1" in done.stderr, done
