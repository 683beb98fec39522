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
from media import H264, clips, distinct, farm, ffmpeg, picture, stream, tone  # noqa: F401 (fixtures)


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


def ladder(*outputs, seconds=2):
    """A command that makes pictures of several sizes from one input: (width, height, words before the name, name)."""
    split = "".join(f"[s{n}]" for n in range(len(outputs)))
    graph = f"split={len(outputs)}{split};" + ";".join(
        f"[s{n}]scale={width}:{height}[o{n}]" for n, (width, height, *_) in enumerate(outputs))
    words = ["ffmpeg", "-nostdin", "-v", "error", "-y", *picture("1280x720", seconds), "-filter_complex", graph]
    for n, (_, _, *rest) in enumerate(outputs):
        words += ["-map", f"[o{n}]", *H264, *rest]
    return words


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def summary(done):
    line, = [line for line in done.stderr.splitlines() if ": recorded " in line or ": spooled " in line]
    return line.removeprefix("codecmeter run: ")


def run_in(farm, directory, *args, **kwargs):
    return farm.command("run", *args, cwd=directory, **kwargs)


def test_three_sizes_in_one_command(farm, tmp_path):
    command = ladder((640, 360, "a.mp4"), (1280, 720, "sub/b.mkv"), (320, 180, "file:c.mp4"))
    (tmp_path / "sub").mkdir()
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and done.stdout == "", done
    assert done.stderr.count(", stored, id 1:") == 3 and summary(done) == "recorded 3 outputs (a.mp4, sub/b.mkv, c.mp4)", done
    assert farm.totals() == {("h264", "Low"): 4, ("h264", "Midium"): 2}
    done = run_in(farm, tmp_path, "--quiet", "--", *ladder((640, 360, "d.mp4"), (1280, 720, "e.mp4")))
    assert done.returncode == 0 and done.stderr == "", done


@pytest.mark.parametrize("wrap", [["nice", "-n", "1"], ["env", "A=b", "timeout", "60"]])
def test_ffmpeg_behind_another_command(farm, tmp_path, wrap):
    done = run_in(farm, tmp_path, "--", *wrap, *ladder((640, 360, "a.mp4"), (320, 180, "-f", "null", "-")))
    assert done.returncode == 0 and summary(done) == "recorded 1 output (a.mp4), left out - (nothing is written)", done


def test_pictures_and_sound_are_left_out(farm, tmp_path):
    command = ["ffmpeg", "-nostdin", "-v", "error", *picture("640x360", 2), *tone(2), *H264, "a.mp4", "-frames:v", "1", "-update", "1",
               "thumb.jpg", "-vn", "sound.m4a"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and summary(done).startswith("recorded 1 output (a.mp4), left out thumb.jpg (it is a picture"), done
    assert "sound.m4a (" in summary(done) and farm.totals() == {("h264", "Low"): 2}, done


def test_a_master_playlist_and_a_file(farm, tmp_path):
    """One output for each size, whether its media are segments or a file of their own."""
    command = ["ffmpeg", "-nostdin", "-v", "error", *picture("1280x720", 4), "-filter_complex",
               "split=3[x][y][z];[x]scale=640:360[a];[y]scale=320:180[b];[z]scale=160:90[c]", "-map", "[a]", "-map", "[b]", *H264,
               "-g", "10", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-var_stream_map", "v:0 v:1", "-master_pl_name",
               "master.m3u8", "v%v/out.m3u8", "-map", "[c]", *H264, "whole.mp4"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and done.stderr.count(", stored, id 1:") == 3, done
    assert farm.totals() == {("h264", "Low"): 12} and summary(done).startswith("recorded 3 outputs"), done
    assert ".ts" not in done.stderr, "segments are not said"


@pytest.mark.parametrize("command", ["ffmpeg", "script"])
def test_a_list_that_goes_on(farm, tmp_path, command):
    """What was there before the run, and was counted then, does not count again. A list that is made anew does."""
    def line(*words):
        words = ["ffmpeg", "-nostdin", "-v", "error", "-y", *picture("320x180", 2), *H264, "-g", 10, "-f", "hls", "-hls_time", 1, "-hls_list_size", 0,
                 *words, "out.m3u8"]
        return words if command == "ffmpeg" else ["sh", "-c", '"$@"', "sh", *words]

    assert run_in(farm, tmp_path, "--", *line()).returncode == 0 and farm.totals() == {("h264", "Low"): 2}
    time.sleep(0.3)
    done = run_in(farm, tmp_path, "--", *line("-hls_flags", "append_list"))
    assert done.returncode == 75 and "out.m3u8: not counted: it continues an output from before this run, with" in done.stderr, done
    assert "h264 320x180 4.000 s" in done.stderr and farm.totals() == {("h264", "Low"): 2}, done
    os.remove(tmp_path / "out.m3u8")
    time.sleep(1.1)
    for _ in range(2):
        assert run_in(farm, tmp_path, "--", *line()).returncode == 0
        time.sleep(1.1)
    assert farm.totals() == {("h264", "Low"): 6}


def test_a_manifest(farm, tmp_path):
    command = ["ffmpeg", "-nostdin", "-v", "error", *picture("1280x720", 4), "-filter_complex",
               "split[x][y];[x]scale=640:360[a];[y]scale=320:180[b]", "-map", "[a]", "-map", "[b]", *H264, "-g", "10", "-f", "dash",
               "-seg_duration", "1", "-hls_playlist", "1", "out.mpd"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and done.stderr.count(", stored, id 1:") == 2, done
    assert farm.totals() == {("h264", "Low"): 8}


def test_a_tee(farm, tmp_path):
    (tmp_path / "b").mkdir()
    command = ["ffmpeg", "-nostdin", "-v", "error", *picture("640x360", 2), "-map", "0:v", *H264, "-f", "tee",
               "[f=mp4]a.mp4|[f=hls:hls_list_size=0]b/c.m3u8|[f=null]x|[f=mpegts]pipe:1"]
    done = run_in(farm, tmp_path, "--", *command, text=False)
    err = done.stderr.decode()
    assert done.returncode == 0 and err.count(", stored, id 1:") == 2, done
    assert "recorded 2 outputs (b/c.m3u8, a.mp4), left out x (nothing is written), pipe:1 (a pipe cannot be measured)" in err, done
    assert farm.totals() == {("h264", "Low"): 4}


def test_segments_without_a_list(farm, tmp_path):
    """Each is a file of its own. Those of an earlier run are not counted again."""
    ffmpeg(*picture("640x360", 1), *H264, tmp_path / "out007.mp4")
    command = ["ffmpeg", "-nostdin", "-v", "error", *picture("640x360", 4), *H264, "-g", "10", "-f", "segment", "-segment_time", "1",
               "-reset_timestamps", "1", "out%03d.mp4"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and "recorded 4 outputs (out000.mp4, out001.mp4, out002.mp4, out003.mp4)" in summary(done), done
    assert farm.totals() == {("h264", "Low"): 4}


def test_an_output_that_is_a_segment(farm, clips, tmp_path):
    """A list that the command did not make plays it: it counts with the list, unless --id says otherwise."""
    shutil.copy(clips / "small.mp4", tmp_path / "in.mp4")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nout0.ts\n#EXTINF:2,\nin.mp4\n#EXT-X-ENDLIST\n")
    command = ["ffmpeg", "-nostdin", "-y", "-v", "error", "-i", "in.mp4", *H264, "out0.ts"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 75 and "a part of what" in done.stderr and "list.m3u8" in done.stderr, done
    assert done.stdout == "" and farm.totals() == {}, "its event is not printed either"
    assert run_in(farm, tmp_path, "--id", "ad-7", "--", *command).returncode == 0 and farm.totals() == {("h264", "Low"): 2}


@pytest.mark.parametrize("words,said", [(["-f", "null", "-"], "-: nothing is written"), (["-f", "mpegts", "pipe:1"], "pipe:1: a pipe"),
                                        (["-f", "mpegts", "udp://127.0.0.1:9"], "udp://127.0.0.1:9: what is sent over a network"),
                                        (["-f", "tee", "[f=null]a|[f=mpegts]pipe:1"], "a: nothing is written; pipe:1: a pipe")])
def test_outputs_that_are_no_files(farm, tmp_path, words, said):
    command = ["ffmpeg", "-nostdin", "-v", "error", *picture("640x360", 1), "-map", "0:v", *H264, *words]
    done = run_in(farm, tmp_path, "--", *command, text=False)
    err = done.stderr.decode()
    assert done.returncode == 75 and said in err and "--output" in err, done
    assert farm.totals() == {}


def test_a_remux_by_itself(farm, clips, tmp_path):
    """ffmpeg's arguments say that the video is copied; --kind has the last word."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", clips / "small.mp4", "-c", "copy", "a.mkv", "-c:v", "libx264", "b.mkv"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and "a.mkv: remux, h264 640x360 2.000 s" in done.stderr and "b.mkv: h264 640x360" in done.stderr, done
    assert farm.totals() == {("h264", "Low"): 2}
    command[6:] = ["-codec:v", "copy", "c.mkv"]
    done = run_in(farm, tmp_path, "--kind", "transcode", "--", *command)
    assert done.returncode == 0 and "c.mkv: h264 640x360" in done.stderr and farm.totals() == {("h264", "Low"): 4}, done
    done = run_in(farm, tmp_path, "--kind", "remux", "--", "cp", clips / "small.mp4", "d.mp4")
    assert done.returncode == 0 and "d.mp4: remux" in done.stderr and farm.totals() == {("h264", "Low"): 4}, done
    command[6:] = ["-map", "0:v", "-map", "0:v", "-c:v:0", "copy", "-c:v:1", "mpeg4", "e.mkv"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode == 0 and "may copy some of its video" in done.stderr and "recorded as a transcode" in done.stderr, done


def script(directory, text):
    path = directory / "transcode.sh"
    path.write_text("#!/bin/sh\nset -e\n" + text)
    path.chmod(0o755)
    return path


def test_a_command_that_is_not_known(farm, clips, tmp_path):
    """What it made or changed is counted, wherever the argument has the name. Its input is not, also if it is moved or linked."""
    shutil.copy(clips / "small.mp4", tmp_path / "in.mp4")
    ffmpeg(*picture("320x180", 3), *H264, tmp_path / "other.mp4")
    made = script(tmp_path, """cp other.mp4 a.mp4; cp other.mp4 out/b.mp4; cat other.mp4 > d.mp4
        chmod 600 in.mp4; ln in.mp4 linked.mp4; echo log > job.log; sleep 1; cp other.mp4 c.mp4\n""")
    (tmp_path / "out").mkdir()
    done = run_in(farm, tmp_path, "--", made, "in.mp4", "--to=a.mp4", "out/b.mp4", "location=c.mp4", "linked.mp4", "x=y,z=d.mp4",
                  "missing.mp4")
    assert done.returncode == 0, done
    assert "recorded 4 outputs (a.mp4, out/b.mp4, c.mp4, d.mp4), left out linked.mp4 (it was there before" in summary(done), done
    assert farm.totals() == {("h264", "Low"): 12}


def test_a_directory_of_outputs(farm, tmp_path):
    """One that was empty is the command's. In one that had files, those of others may appear: it is named."""
    (tmp_path / "full").mkdir()
    ffmpeg(*picture("320x180", 1), *H264, tmp_path / "full/old.mp4")
    pack = script(tmp_path, f"mkdir -p $1; ffmpeg -nostdin -v error {' '.join(picture('320x180', 2))} {' '.join(H264)} "
                  "-f hls -hls_list_size 0 $1/out.m3u8\n")
    done = run_in(farm, tmp_path, "--", pack, "full")
    assert done.returncode == 75 and "full: it is a directory that had files before" in done.stderr, done
    done = run_in(farm, tmp_path, "--", pack, "fresh")
    assert done.returncode == 0 and summary(done) == "recorded 1 output (fresh/out.m3u8)", done
    assert farm.totals() == {("h264", "Low"): 2}


def test_nothing_is_found(farm, clips, tmp_path):
    shutil.copy(clips / "small.mp4", tmp_path / "old.mp4")
    shutil.copy(clips / "sound.m4a", tmp_path / "in.m4a")
    for command, said in ((["true"], "--output"), (["true", "old.mp4"], "old.mp4: the command did not change this file"),
                          (["chmod", "600", "old.mp4"], "old.mp4: the command did not change this file"),
                          (["cp", "in.m4a", "new.m4a"], "new.m4a: "),
                          (["sh", "-c", f"cp {clips}/small.mp4 hidden.mp4"], "--output")):
        done = run_in(farm, tmp_path, "--", *command)
        assert done.returncode == 75 and said in done.stderr and "recorded" in done.stderr, done
    done = run_in(farm, tmp_path, "--", "ffmpeg", "-nostdin", "-v", "quiet", "-n", "-i", "old.mp4", "-f", "null", "-", "-version")
    assert done.returncode == 75 and farm.totals() == {}, done


def test_a_found_output_that_cannot_be_measured(farm, clips, tmp_path):
    """The others count; this one must not pass unseen."""
    whole = (clips / "small.mp4").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-20000])
    done = run_in(farm, tmp_path, "--", script(tmp_path, f"cp cut a.mp4; cp {clips}/small.mp4 b.mp4\n"), "a.mp4", "b.mp4")
    assert done.returncode == 75 and "a.mp4: " in done.stderr and summary(done).startswith("recorded 1 output (b.mp4)"), done
    assert farm.totals() == {("h264", "Low"): 2}


def test_two_outputs_with_equal_content(farm, clips, tmp_path):
    """Two, unless they are one file."""
    done = run_in(farm, tmp_path, "--", script(tmp_path, f"""cp {clips}/small.mp4 a.mp4; cp {clips}/small.mp4 b.mp4
        touch -r a.mp4 b.mp4; ln a.mp4 c.mp4\n"""), "a.mp4", "b.mp4", "c.mp4")
    assert done.returncode == 0 and summary(done) == "recorded 2 outputs (a.mp4, b.mp4)", done
    ids = [line.rsplit(" id ", 1)[1] for line in done.stderr.splitlines() if " id " in line]
    assert ids[1] == ids[0] + "#2" and farm.totals() == {("h264", "Low"): 4}, done


def test_ids_that_the_user_chooses(farm, tmp_path):
    for name in ("x/hd", "x/sd", "thumbs"):
        (tmp_path / name).mkdir(parents=True)
    command = ladder((640, 360, "x/hd/a.mp4"), (320, 180, "x/sd/b.mp4"), (160, 90, "-frames:v", "1", "-update", "1", "-c:v", "png",
                                                                        "thumbs/t.png"))
    done = run_in(farm, tmp_path, "--id-prefix", "job-7", "--source", "farm-1", "--task-id", "task-1", "--", *command)
    assert done.returncode == 0 and "id job-7/hd/a.mp4" in done.stderr and "id job-7/sd/b.mp4" in done.stderr, done
    assert done.stderr.count("source farm-1") == 2, done
    done = run_in(farm, tmp_path, "--id", "one", "--", *ladder((640, 360, "one.mp4")))
    assert done.returncode == 0 and done.stderr.count("id one") == 1 and farm.totals() == {("h264", "Low"): 6}, done


def test_one_id_for_several_outputs(farm, tmp_path):
    """None is stored under it, and none is lost: their events are printed, with ids of their own."""
    command = ladder((640, 360, "a.mp4"), (320, 180, "b.mp4"))
    done = run_in(farm, tmp_path, "--id", "one", "--", *command)
    assert done.returncode == 75 and done.stderr.count("--id names one output") == 2 and farm.totals() == {}, done
    printed = events(done.stdout)
    assert len(printed) == 2 and all(event["id"].startswith("1:") for event in printed), printed
    assert farm.account.client.report(done.stdout, "application/x-ndjson").json()["stored"] == 2
    assert farm.totals() == {("h264", "Low"): 4}


@pytest.mark.parametrize("options,said", [(["--kind", "copy"], "--kind 'copy'"), (["--frame-rate", "0"], "--frame-rate '0'"),
                                          (["--frame-rate", "25/0"], "--frame-rate"), (["--frame-rate", "1e3"], "--frame-rate"),
                                          (["--id", "a", "--id-prefix", "b"], "--id"), (["--id", ""], "--id"),
                                          (["--id", "a", "--output", "x", "--output", "y"], "--id names one output")])
def test_options_that_are_wrong(farm, tmp_path, options, said):
    done = run_in(farm, tmp_path, *options, "--", "touch", "made")
    assert done.returncode != 0 and said in done.stderr and not (tmp_path / "made").exists(), done


def test_each_output_of_a_command_that_fails(farm, tmp_path):
    """Each that would be a transcode is one failed task; pictures, sound, pipes and nothing are none."""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-i", "none.mp4", "a.mp4", "b.mp4", "t.jpg", "-vn", "s.mka", "-f", "null", "-",
               "-master_pl_name", "m.m3u8", "c.m3u8", "-c", "copy", "r.mkv"]
    done = run_in(farm, tmp_path, "--", *command)
    assert done.returncode not in (0, 75) and done.stderr.count("failed, stored") == 4, done
    for name in ("a.mp4", "b.mp4", "c.m3u8", "r.mkv"):
        assert f"{name}: " in done.stderr, (name, done)
    done = run_in(farm, tmp_path, "--", script(tmp_path, "exit 3\n"), "in.mp4", "out.mp4")
    assert done.returncode == 3 and done.stderr.count("failed, stored") == 1 and "out.mp4: " in done.stderr, done


def end(process):
    """Kills a run; its command goes on, and keeps its streams open."""
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("options", [[], ["--kind", "remux", "--source", "s", "--task-id", "t"], ["--id-prefix", "job"]])
def test_a_killed_run_that_found_its_outputs(farm, tmp_path, options):
    """The next agent gives the same events, also from another directory: numbers, kinds and ids are those of the run."""
    ffmpeg(*picture("320x180", 2), *H264, tmp_path / "in.mp4")
    ffmpeg(*picture("320x180", 1), *H264, tmp_path / "seg7.mp4")
    ffmpeg(*picture("320x180", 3), *H264, tmp_path / "other.mp4")
    arguments = [script(tmp_path, "cp -p in.mp4 $1; cp -p in.mp4 $2; cp -p other.mp4 seg8.mp4\n"), "sub/a.mp4", "b.mp4", "seg%d.mp4"]

    def prepare():
        shutil.rmtree(tmp_path / "sub", ignore_errors=True)
        (tmp_path / "sub").mkdir()
        for name in ("b.mp4", "seg8.mp4"):
            (tmp_path / name).unlink(missing_ok=True)

    def waiting(spool):
        return sorted(open(f"{spool}/{name}").readline() for name in os.listdir(spool) if name.endswith(".event"))

    prepare()
    done = run_in(farm, tmp_path, "--spool", farm.spool + "0", "--url", "http://127.0.0.1:1", *options, "--", *arguments)
    assert done.returncode == 0 and summary(done) == "spooled 3 outputs (sub/a.mp4, b.mp4, seg8.mp4)", done
    prepare()
    with scripted("wait") as fake:
        process = farm.start("run", "--url", fake.url, *options, "--", *arguments, cwd=tmp_path)
        wait_until(lambda: fake.bodies)
        end(process)
    done = farm.command("flush", cwd="/")
    assert done.returncode == 1 and done.stderr.count("of a run that was killed") == 3, done
    assert waiting(farm.spool) == waiting(farm.spool + "0") and len(waiting(farm.spool)) == 3
    ids = sorted(json.loads(event)["id"] for event in waiting(farm.spool))
    if "--id-prefix" in options:
        assert ids == ["job/b.mp4", "job/seg8.mp4", "job/sub/a.mp4"], ids
    else:
        assert sorted(one[-2:] for one in ids).count("#2") == 1, ids


def test_a_killed_run_of_ffmpeg(farm, clips, tmp_path):
    """What the line copies is a remux, what it sends elsewhere is nothing, and the segments that were there before are not its."""
    ffmpeg(*picture("320x180", 1), *H264, tmp_path / "seg9.mp4")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", clips / "small.mp4", "-c", "copy", "r.mkv", "-c:v", "libx264", "t.mp4",
               "-c", "copy", "-f", "segment", "seg%d.mp4", "-f", "null", "-"]
    with scripted("wait") as fake:
        process = farm.start("run", "--url", fake.url, "--", *command, cwd=tmp_path)
        wait_until(lambda: fake.bodies)
        end(process)
    done = farm.command("flush", "--any", cwd="/")
    assert done.returncode == 0 and done.stdout.startswith("sent 3, "), done
    assert "r.mkv: remux, " in done.stderr and "t.mp4: h264 " in done.stderr and "seg0.mp4: remux, " in done.stderr, done
    assert "seg9" not in done.stderr and farm.totals() == {("h264", "Low"): 2}, done


@pytest.mark.parametrize("killed", ["in the command", "in the report"])
def test_an_input_that_is_replaced_after_a_kill(farm, tmp_path, killed):
    """It does not count. If nobody saw the command end, an output that was overwritten does not count either, and both are named."""
    for name in ("in.mp4", "old.mp4"):
        ffmpeg(*picture("320x180", 2), *H264, tmp_path / name)
    ffmpeg(*picture("1280x720", 5), *H264, tmp_path / "next.mp4")
    ffmpeg(*picture("320x180", 3), *H264, tmp_path / "made.mp4")
    work = "cp made.mp4 out.mp4; cat made.mp4 made.mp4 >old.mp4; cp made.mp4 old.mp4; echo done"
    with scripted("wait") as fake:
        command = script(tmp_path, work + ("; exec sleep 60" if killed == "in the command" else "") + "\n")
        process = farm.start("run", "--url", fake.url, "--", command, "in.mp4", "old.mp4", "out.mp4", cwd=tmp_path)
        process.stdout.readline()
        if killed == "in the report":
            wait_until(lambda: fake.bodies)
        note, = [f"{farm.spool}/{name}" for name in os.listdir(farm.spool) if name.endswith(".intent")]
        child = json.loads(open(note).read().split("\n")[2])["pid"]
        end(process)
    if killed == "in the command":
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"))
    os.replace(tmp_path / "next.mp4", tmp_path / "in.mp4")
    done = farm.command("flush", "--any", cwd="/")
    assert done.returncode == 0 and "in.mp4: h264" not in done.stderr, done
    if killed == "in the report":
        assert farm.totals() == {("h264", "Low"): 6} and "in.mp4" not in done.stderr.replace("in.mp4: h264", ""), done
    else:
        assert farm.totals() == {("h264", "Low"): 3} and done.stdout.startswith("sent 1, duplicate 0, rejected 2"), done
        assert done.stderr.count("nobody can tell") == 2, done
        notes = [json.load(open(f"{farm.spool}/rejected/{name}")) for name in os.listdir(f"{farm.spool}/rejected")]
        assert {note["outcome"] for note in notes} == {"unmetered"}, notes
        assert {os.path.basename(note["output"]) for note in notes} == {"in.mp4", "old.mp4"}, notes


def test_a_killed_run_in_a_directory_of_many_files(farm, clips, tmp_path):
    """The note of a pattern that 120,000 files matched before: after a kill, only the new file counts."""
    many = tmp_path / ("a directory with a long name, as they are on farms " * 2)
    many.mkdir()
    for number in range(120000):
        os.close(os.open(many / f"segment-{number}.mp4", os.O_CREAT, 0o600))
    process = farm.start("run", "--output", many / "segment-%d.mp4", "--", "sh", "-c",
                         f"cp {clips}/small.mp4 '{many}/segment-120000.mp4'; echo done; exec sleep 60")
    process.stdout.readline()
    note, = [f"{farm.spool}/{name}" for name in os.listdir(farm.spool) if name.endswith(".intent")]
    child = json.loads(open(note).read().split("\n")[2])["pid"]
    assert os.path.getsize(note) < 8 << 20
    end(process)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"))
    done = farm.command("flush")
    assert done.returncode == 0 and done.stdout == "sent 1, duplicate 0, rejected 0, left 0\n", done
    assert farm.totals() == {("h264", "Low"): 2}


def test_notes_of_other_versions(farm, clips, tmp_path):
    """A note of version 1 names files only, and is settled. One of a later version is left for that one."""
    out = tmp_path / "out.mp4"
    process = farm.start("run", "--output", out, "--", "sh", "-c", f"cp {clips}/small.mp4 {out}; echo made; exec sleep 60")
    process.stdout.readline()
    note, = [f"{farm.spool}/{name}" for name in os.listdir(farm.spool) if name.endswith(".intent")]
    first, address, command, _ = open(note).read().split("\n")
    end(process)
    os.kill(json.loads(command)["pid"], signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{json.loads(command)['pid']}"))
    members = json.loads(first)
    assert members["intent"] == 3, members
    later = json.dumps({**members, "intent": 5, "outputs": "other"})
    old = {name: members[name] for name in ("host", "pid", "start", "project", "began")}
    old = json.dumps({"intent": 1, **old, "outputs": [{"path": str(out), "was": None}]})
    for text, status, words in ((later, 1, "a later version"), (old, 0, "of a run that was killed")):
        with open(note, "w") as file:
            file.write(f"{text}\n{address}\n{command}\n")
        done = farm.command("flush")
        assert done.returncode == status and words in done.stderr, done
    assert not os.path.exists(note) and farm.totals() == {("h264", "Low"): 2}


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
    """Copies keep the time of their original, and are the run's all the same. Both are one output."""
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


# ---- outputs that are still written when the command has ended ----


# Writes the half, and ends; a process in the background writes the rest when GATE exists.
BACKGROUND = ("exec 3> '{out}'; head -c {half} '{whole}' >&3; "
              "(while [ ! -e '{gate}' ]; do sleep 0.1; done; tail -c +{rest} '{whole}' >&3) > /dev/null 2>&1 &")


def background(stream, out, gate):
    return ("sh", "-c", BACKGROUND.format(out=out, gate=gate, half=stream.half, rest=stream.half + 1, whole=stream.whole))


@pytest.mark.parametrize("named", [True, False])
def test_an_output_that_a_process_in_the_background_ends(farm, stream, tmp_path, named):
    """What is there when the command ends is whole as far as it goes: 2 s of 4."""
    out, gate = tmp_path / "out.ts", tmp_path / "gate"
    process = farm.start("run", *(("--output", out) if named else ()), "--", *background(stream, out, gate), out)
    assert "out.ts: a process still has it open for writing; waiting up to 30 s for it" in process.stderr.readline()
    gate.touch()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "4.000 s, stored" in said and farm.totals() == {("h264", "Low"): 4}, said
    assert farm.record(out).stdout.count("duplicate") == 1 and os.listdir(farm.spool) == ["lock"]


@pytest.mark.parametrize("agent", ["flush", "record"])
def test_an_output_that_is_written_for_longer(farm, clips, stream, tmp_path, agent):
    """The run's note stays, and the next agent records it when it is finished: with the names that the user gave."""
    out, gate = tmp_path / "out.ts", tmp_path / "gate"
    process = farm.start("run", "--id", "job-1", "--", *background(stream, out, gate), out)
    assert "waiting up to" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)  # ends the waiting
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75 and "nothing of this run is recorded yet" in said and farm.totals() == {}, said
    for _ in range(2):
        done = farm.command("flush")
        assert done.returncode == 1 and farm.totals() == {} and len(os.listdir(farm.spool)) == 2, done
        done = farm.command("record", "--id", "job-1", out)
        assert done.returncode == 1 and "not finished" in done.stderr and farm.totals() == {}, done
    gate.touch()
    wait_until(lambda: out.stat().st_size == stream.whole.stat().st_size)
    time.sleep(0.5)
    if agent == "flush":
        assert farm.command("flush").stdout == "sent 1, duplicate 0, rejected 0, left 0\n"
    else:
        assert "sent 1, duplicate 0" in farm.record(distinct(clips / "small.mp4", tmp_path / "other.mp4")).stderr
    assert farm.totals() == {("h264", "Low"): 4 if agent == "flush" else 6} and os.listdir(farm.spool) == ["lock"]
    assert "duplicate" in farm.command("record", "--id", "job-1", out).stdout


def in_a_removed_directory(farm, tmp_path, *words):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = farm.command(*words, cwd=gone, preexec_fn=lambda: os.rmdir(gone))
    assert farm.totals() == {} and not os.path.exists(farm.spool), done
    return done


def test_a_working_directory_that_was_removed(farm, clips, tmp_path):
    """A relative name has no path there, and is not one in the root."""
    done = in_a_removed_directory(farm, tmp_path, "run", "--", "touch", tmp_path / "ran", "out.mp4")
    assert done.returncode == 2 and "out.mp4: the command was not run" in done.stderr and not (tmp_path / "ran").exists(), done
    done = in_a_removed_directory(farm, tmp_path, "record", "out.mp4")
    assert done.returncode == 1 and done.stderr == "codecmeter record: out.mp4: No such file or directory\n", done
    gone, out = tmp_path / "gone", tmp_path / "out.mp4"
    gone.mkdir()
    done = farm.command("run", "--", clips / "copy", clips / "small.mp4", out, cwd=gone, preexec_fn=lambda: os.rmdir(gone))
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 2}, done


def test_a_log_that_stays_open(farm, clips, tmp_path):
    """What is no video holds nothing back."""
    out, log = tmp_path / "out.mp4", tmp_path / "log.txt"
    with open(log, "w") as file:
        file.write("".join(f"{number} something happened\n" for number in range(20000)))
        file.flush()
        done = farm.command("run", "--", "sh", "-c", f"'{clips}/copy' '{clips}/small.mp4' '{out}'; echo more >> '{log}'", out, log)
    assert done.returncode == 0 and "waiting" not in done.stderr and farm.totals() == {("h264", "Low"): 2}, done
