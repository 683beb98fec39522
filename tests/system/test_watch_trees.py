"""`watch` over trees as they are: customers by directories, lists with their files, and a look without traces."""
import json
import os
import re
import shutil
import time

import pytest

import made  # noqa: F401 (finds the module `containers`)
import containers
from conftest import wait_until
from media import H264, clips, farm, ffmpeg, picture, stream, tone  # noqa: F401 (fixtures)
from test_agents import low, once, spooled, watched  # noqa: F401 (fixtures)


def clip(path, seconds=2, size="640x360"):
    """A video of its own content, so that no two are one output by their identity."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clip.number = getattr(clip, "number", 0) + 1
    ffmpeg(*picture(size, seconds), *H264, "-metadata", f"title={clip.number}", path)


def maker(farm):
    """Makes the farm's token one that creates projects, and names no project."""
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create", "--create-projects", "--time-zone", "UTC")["token"]
    del farm.environment["CODECMETER_PROJECT"]


def tasks(farm):
    """{project: seconds}, of all projects."""
    farm.environment.pop("CODECMETER_PROJECT", None)
    sums = {}
    for project in farm.server.admin("project", "list"):
        rows = farm.account.client.stat(ProjectId=project["id"])
        seconds = sum(row[tier + "DefinitionTime"] for row in rows for tier in ("Low", "Midium", "High", "Super"))
        if seconds:
            sums[project["id"]] = seconds
    return sums


def lines(text, word):
    return [line for line in text.splitlines() if word in line]


# ---- --path ----


def test_wrong_patterns(farm, watched):
    for options, why in (
            (("--path", "{project}/{name}", "--project", "org-a"), "only one of them"),
            (("--path", "{source}/{name}", "--source", "farm"), "only one of them"),
            (("--path", "{customer}/{name}"), "{customer} is not a field"),
            (("--path", "a/b"), "gives no field"),
            (("--source", "x" * 257), "--source"),
            (("--path", "{project}//{name}"), "empty part")):
        done = farm.command("watch", "--once", *options, watched.directory)
        assert done.returncode == 2 and why in done.stderr and done.stdout == "", done


def test_customers_by_directories(farm, watched):
    """A new customer's directory just works, with a token that creates projects; the environment's project gives way."""
    out = watched.directory
    maker(farm)
    farm.environment["CODECMETER_PROJECT"] = "org-a"
    watch = watched(out, "--path", "cust-{project}/{task_id}/**/{name}", "--source", "farm-7")
    clip(out / "cust-acme" / "job-1" / "360p.mp4")
    clip(out / "cust-客户" / "job-2" / "deep" / "er" / "360p.mp4", seconds=3)
    watch.has("stored", 2)
    watch.stop()
    assert watch.complained() == "" and tasks(farm) == {"acme": 2, "客户": 3}


def test_paths_that_give_no_customer(farm, watched):
    """They are reported once, and not remembered: a corrected pattern gets them. They count for nobody else."""
    out = watched.directory
    maker(farm)
    for name in ("stray.mp4", "a-b/x.mp4", " blank-1/x.mp4", "long" * 17 + "-1/x.mp4"):
        clip(out / name)
    pattern = ("--path", "{project}-{*}/{name}")
    watch = watched(out, "--existing", *pattern)
    watch.has("stored", 1)
    wait_until(lambda: watch.complained().count("not recorded") >= 2)
    clip(out / "a-b-c" / "x.mp4")
    clip(out / "\x01-b" / "x.mp4")
    wait_until(lambda: watch.complained().count("not recorded") >= 5)
    clip(out / "z-b" / "x.mp4")
    watch.has("stored", 2)
    watch.stop()
    said = watch.complained()
    for why in ("stray.mp4: not recorded: it does not match --path '{project}-{*}/{name}'", "longer than 64 bytes",
                "begins or ends with a blank", "{project} may be 'a' or 'a-b'", "control character"):
        assert said.count(why) == 1, (why, said)
    assert tasks(farm) == {"a": 2, "z": 2}
    done = farm.command("watch", "--once", "--settle", "0", *pattern, out)
    assert done.returncode == 1 and done.stderr.count("not recorded") == 5 and done.stdout == "", done
    done = farm.command("watch", "--once", "--settle", "0", "--path", "{project}-**/{name}", out)
    assert done.returncode == 2, done
    done = farm.command("watch", "--once", "--settle", "0", "--path", "**/{task_id}.mp4", "--project", "rest", out)
    assert done.returncode == 0 and done.stdout.count("stored") == 5 and done.stderr == "", done
    assert tasks(farm) == {"a": 2, "z": 2, "rest": 10}


def test_a_project_that_comes_later(farm, watched):
    """The reason is printed once, nothing is lost or sent to rejected/, and other projects go on."""
    out = watched.directory
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]
    del farm.environment["CODECMETER_PROJECT"]
    watch = watched(out, "--path", "{project}/{name}")
    for name in ("new/a.mp4", "new/b.mp4", "org-a/c.mp4"):
        clip(out / name)
    watch.has("stored", 1)
    wait_until(lambda: "no project has this id: new" in watch.complained())
    done = farm.command("watch", "--once", "--settle", "0", "--state", farm.spool + "/other", "--existing", "--path", "{project}/{name}", out)
    assert done.returncode == 1 and done.stdout.count("duplicate") == 1 and done.stderr.count("events of this file") == 1, done
    farm.server.admin("project", "create", "--id", "new", "--time-zone", "UTC")
    wait_until(lambda: len(lines(watch.said(), "id 1:")) == 3, 60)  # its own try, or the spool's, is the first
    watch.stop()
    assert watch.complained().count("no project has this id") == 1 and spooled(farm) == [], watch.complained()
    assert not os.path.exists(farm.spool + "/rejected") and tasks(farm) == {"new": 4, "org-a": 2}


def test_files_of_an_unknown_project_that_go_away(farm, watched):
    """Their events wait in the spool, also if the watch never asked for a file, and if it was killed."""
    out = watched.directory
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]
    del farm.environment["CODECMETER_PROJECT"]
    watch = watched(out, "--path", "{project}/{name}")
    clip(out / "new" / "a.mp4")
    clip(out / "new" / "b.mp4", seconds=3)
    wait_until(lambda: len(spooled(farm)) == 2)
    since = sorted(os.stat(f"{farm.spool}/{name}").st_mtime_ns for name in spooled(farm))
    assert f"wait in {farm.spool}" in watch.complained()
    told = json.loads(farm.command("spool", "status", "--json").stdout)
    assert [(row["project"], row["events"]) for row in told["for"]] == [("new", 2)], told
    watch.kill()
    os.unlink(out / "new" / "a.mp4")
    done = farm.command("watch", "--once", "--settle", "0", "--path", "{project}/{name}", out)
    assert done.returncode == 1 and len(spooled(farm)) == 2, done
    assert since == sorted(os.stat(f"{farm.spool}/{name}").st_mtime_ns for name in spooled(farm)), "none is younger"
    os.unlink(out / "new" / "b.mp4")
    farm.server.admin("project", "create", "--id", "new", "--time-zone", "UTC")
    done = farm.command("watch", "--once", "--settle", "0", "--path", "{project}/{name}", out)
    assert done.returncode == 0 and spooled(farm) == [] and tasks(farm) == {"new": 5}, done


def test_a_pattern_that_is_corrected(farm, watched):
    """The event for the wrong project leaves the spool when the file is recorded for the right one; others stay."""
    out = watched.directory
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]
    del farm.environment["CODECMETER_PROJECT"]
    clip(out / "wrong" / "org-a" / "a.mp4")
    clip(out / "wrong" / "org-a" / "gone.mp4", seconds=3)
    done = farm.command("watch", "--once", "--existing", "--settle", "0", "--path", "{project}/**/{name}", out)
    assert done.returncode == 1 and len(spooled(farm)) == 2, done
    os.unlink(out / "wrong" / "org-a" / "gone.mp4")
    done = farm.command("watch", "--once", "--settle", "0", "--path", "**/{project}/{name}", out)
    assert done.returncode == 0 and tasks(farm) == {"org-a": 2} and len(spooled(farm)) == 1, done


def test_the_token_of_one_project(farm, watched):
    out = watched.directory
    clip(out / "other" / "a.mp4")
    clip(out / "org-a" / "a.mp4")
    done = farm.command("watch", "--once", "--settle", "0", "--existing", "--path", "{project}/{name}", out)
    assert done.returncode == 1 and "the token is for another project" in done.stderr and done.stdout.count("stored") == 1, done
    assert tasks(farm) == {"org-a": 2}


def test_a_spooled_event_of_a_project_that_comes_later(farm, watched):
    """The server was away when the file came, and does not know its project when it is back: the event waits."""
    out = watched.directory
    farm.environment["CODECMETER_TOKEN"] = farm.server.admin("token", "create")["token"]
    del farm.environment["CODECMETER_PROJECT"]
    url = farm.environment["CODECMETER_URL"]
    listen = url.removeprefix("http://")
    farm.server.stop()
    for name in ("new/a.mp4", "new/b.mp4", "org-a/c.mp4"):
        clip(out / name)
    done = farm.command("watch", "--once", "--existing", "--settle", "0", "--path", "{project}/{name}", out)
    assert done.returncode == 0 and done.stdout.count(", spooled, ") == 3, done
    farm.server.start("query.max_age=0", "query.max_span=0", listen=listen)
    done = farm.command("flush")
    assert done.returncode == 1 and "no project has this id: new" in done.stderr and "sent 1" in done.stdout, done
    assert len(spooled(farm)) == 2 and not os.path.exists(farm.spool + "/rejected")
    done = farm.command("watch", "--once", "--settle", "0", "--path", "{project}/{name}", out)
    assert done.stderr.count("wait until the server takes their project") == 1, done
    farm.server.admin("project", "create", "--id", "new", "--time-zone", "UTC")
    assert farm.command("flush").stdout.startswith("sent 2"), spooled(farm)
    assert tasks(farm) == {"new": 4, "org-a": 2}


# ---- --dry-run ----


def test_a_dry_run(farm, clips, watched, tmp_path):
    """Shows what would be recorded, without a token and without a trace."""
    out = watched.directory
    shutil.copy(clips / "small.mp4", out / "a.mp4")
    (out / "acme").mkdir()
    shutil.copy2(out / "a.mp4", out / "acme" / "job.mp4")
    (out / "broken.mp4").write_bytes(b"no video")
    environment = {name: value for name, value in farm.environment.items() if not name.startswith("CODECMETER_")}
    environment["CODECMETER_SPOOL"] = farm.spool

    def look(*options):
        return farm.command("watch", "--dry-run", "--settle", "0", *options, out, env=environment)

    done = look()
    assert done.returncode == 0 and done.stdout == "" and "3 files from before this first watch" in done.stderr, done
    done = look("--existing")
    assert done.stdout.count("h264 640x360 2.000 s, would be recorded") == 1 and "broken.mp4" in done.stderr, done
    assert done.stdout.count("h264 640x360 2.000 s, would be a duplicate") == 1, done
    done = look("--existing", "--path", "{project}/{task_id}.mp4", "--exclude", "broken.mp4")
    assert done.returncode == 1 and "a.mp4: not recorded: it does not match" in done.stderr, done
    assert re.fullmatch(rf"{out}/acme/job\.mp4: h264 640x360 2\.000 s, would be recorded, project acme, task job, "
                        r"id 1:[0-9a-f]{32}\n", done.stdout), done
    assert not os.path.exists(farm.spool)
    # What was recorded is not shown again; a look beside a watch disturbs neither.
    watch = watched(out, "--existing", "--exclude", "broken.mp4")
    wait_until(lambda: len(lines(watch.said(), " s, ")) == 2)
    watch.stop()
    watch = watched(out, "--exclude", "broken.mp4")
    state = {name: open(f"{farm.spool}/{name}").read() for name in os.listdir(farm.spool) if name.endswith(".state")}
    assert len(state) == 1
    assert look("--exclude", "broken.mp4").stdout == ""
    shutil.copy(clips / "small.mp4", out / "new.part")
    os.utime(out / "new.part", (1700000000, 1700000000))
    watch.stop()
    os.rename(out / "new.part", out / "new.mp4")
    assert look("--exclude", "broken.mp4").stdout.count("would be recorded") == 1
    assert state == {name: open(f"{farm.spool}/{name}").read() for name in state}


# ---- lists ----


def hls(path, *options, size="640x360", seconds=6):
    path.parent.mkdir(parents=True, exist_ok=True)
    ffmpeg(*picture(size, seconds), *H264, "-g", 10, "-f", "hls", "-hls_time", 2, "-hls_list_size", 0, *options, path)


LADDER = ["-filter_complex", "[0:v]split=2[a][b];[a]scale=640:360[x];[b]scale=1280:720[y]", *H264, "-g", "10", "-map", "[x]", "-map", "[y]"]


def test_fragmented_hls(farm, watched):
    """One line, and not a word about init files and segments, whatever their names are."""
    out = watched.directory
    watch = watched(out, "--include", "*.m3u8", "--include", "*.mp4", "--include", "*.m4s")
    hls(out / "a" / "list.m3u8", "-hls_segment_type", "fmp4")
    hls(out / "b" / "list.m3u8", "-hls_segment_type", "fmp4", "-hls_segment_filename", out / "b" / "s%d.mp4", seconds=8)
    watch.has("stored", 2)
    time.sleep(4)
    watch.stop()
    assert watch.said().count(" s, ") == 2 and watch.complained() == "", (watch.said(), watch.complained())
    assert farm.totals() == low(14)
    assert once(farm, out, "--include", "*.mp4", "--include", "*.m4s") == ""


def test_a_master_list(farm, watched):
    """Each rendition is one output, whichever list is seen first; sound is none."""
    out = watched.directory
    watch = watched(out)
    os.makedirs(out / "tree")
    ffmpeg(*picture("640x360", 6), *tone(6), *LADDER, "-map", "1:a", "-c:a", "aac", "-f", "hls", "-hls_time", 2, "-hls_list_size", 0,
           "-master_pl_name", "master.m3u8", "-var_stream_map", "v:0,agroup:s v:1,agroup:s a:0,agroup:s",
           "-hls_segment_filename", out / "tree" / "v%v" / "s%d.ts", out / "tree" / "v%v" / "list.m3u8")
    watch.has("stored", 2)
    time.sleep(4)
    watch.stop()
    assert watch.complained() == "" and farm.totals() == {("h264", "Low"): 6, ("h264", "Midium"): 6}


def test_a_manifest_over_whole_files(farm, watched):
    """Of several sizes, each a file beside it that is named like an output."""
    out = watched.directory
    watch = watched(out)
    os.makedirs(out / "dash")
    ffmpeg(*picture("640x360", 6), *tone(6), *LADDER, "-map", "1:a", "-c:a", "aac", "-f", "dash", "-single_file", 1, "-seg_duration", 2,
           "-single_file_name", "media_$RepresentationID$.mp4", out / "dash" / "out.mpd")
    watch.has("stored", 2)
    time.sleep(4)
    watch.stop()
    assert watch.complained() == "" and farm.totals() == {("h264", "Low"): 6, ("h264", "Midium"): 6}


def test_segments_before_their_list(farm, watched):
    """Whole files that were recorded before the list named them: the list is not counted over them, and says why."""
    out = watched.directory
    watch = watched(out)
    ffmpeg(*picture("640x360", 6), *H264, "-g", 10, "-f", "segment", "-segment_time", 2, "-segment_list", out / "list",
           "-segment_list_type", "m3u8", out / "s%d.mp4")
    watch.has("stored", 3)
    os.rename(out / "list", out / "list.m3u8")
    wait_until(lambda: "list.m3u8: not recorded, because it plays" in watch.complained(), 90)
    watch.stop()
    assert "--exclude" in watch.complained() and len(watch.complained().splitlines()) == 1 and farm.totals() == low(6)
    assert once(farm, out) == ""


def test_a_list_claims_whole_files(farm, watched):
    """The same files and their list, found together or the list first: one output."""
    out = watched.directory
    for name in ("together", "first"):
        os.makedirs(out / name)
    watch = watched(out)
    made = out.parent / "made"
    made.mkdir()
    ffmpeg(*picture("640x360", 6), *H264, "-g", 10, "-f", "segment", "-segment_time", 2, "-segment_list", made / "list.m3u8",
           made / "s%d.mp4")
    shutil.copy(made / "list.m3u8", out / "first")
    time.sleep(1)
    for name in ("s0.mp4", "s1.mp4", "s2.mp4"):
        shutil.copy(made / name, out / "first")
    watch.has("stored", 1)
    shutil.move(made, out / "together")
    wait_until(lambda: watch.said().count(" s, ") == 2)
    time.sleep(4)
    watch.stop()
    assert watch.said().count(" s, ") == 2 and watch.complained() == "", (watch.said(), watch.complained())
    assert set(farm.totals()) == {("h264", "Low")} and farm.totals()[("h264", "Low")] in (6, 12)


def test_a_list_whose_segment_is_still_written(farm, watched, stream):
    """It waits without a word, and counts whole."""
    out, data = watched.directory, stream.whole.read_bytes()
    watch = watched(out)
    with open(out / "part.ts", "wb") as writer:
        writer.write(data[:stream.half])
        writer.flush()
        (out / "out.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\npart.ts\n#EXT-X-ENDLIST\n")
        time.sleep(5)
        writer.write(data[writer.tell():])
    watch.has("4.000 s, stored", 1)
    watch.stop()
    assert watch.complained() == "" and farm.totals() == low(4), watch.complained()


def test_a_broken_list_in_a_busy_directory(farm, watched):
    """What else comes into the directory does not make it wait, nor the files that it names."""
    out = watched.directory
    watch = watched(out)
    clip(out / "s0.mp4")
    (out / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\ns0.mp4\n#EXTINF:2,\nnone.mp4\n#EXT-X-ENDLIST\n")
    end = time.monotonic() + 100
    while "list.m3u8" not in watch.complained():
        assert time.monotonic() < end
        (out / f"{time.monotonic_ns()}.txt").write_text("another")
        time.sleep(1)
    assert end - time.monotonic() < 45, "it waits for a minute"
    watch.has("s0.mp4: h264 640x360 2.000 s, stored", 1)
    watch.stop()


def test_lists_that_name_each_other(farm, watched, clips):
    """They do not wait for each other for ever."""
    out = watched.directory
    for name, other in (("a.m3u8", "b.m3u8"), ("b.m3u8", "a.m3u8")):
        (out / name).write_text(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}\n")
        os.utime(out / name, (1700000000, 1700000000))
    shutil.copy(clips / "small.mp4", out / "c.mp4")
    watch = watched(out, "--existing")
    watch.has("stored", 1)
    wait_until(lambda: "a.m3u8" in watch.complained() and "b.m3u8" in watch.complained(), 150)
    watch.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_while_a_list_is_held(farm, watched, end):
    """Its segments are not recorded by themselves by the next watch either, and the list counts once."""
    out = watched.directory / "job"
    made = watched.directory.parent / "made"
    for directory in (out, made):
        directory.mkdir()
    ffmpeg(*picture("640x360", 6), *H264, "-g", 10, "-f", "segment", "-segment_time", 2, "-segment_list", made / "list.m3u8",
           made / "s%d.mp4")
    watch = watched(out.parent)
    shutil.copy(made / "list.m3u8", out)
    shutil.copy(made / "s0.mp4", out)
    time.sleep(4)
    getattr(watch, end)()
    assert watch.said().count(" s, ") == 0 and watch.complained() == "", (watch.said(), watch.complained())
    assert once(farm, out.parent) == "", "a look in between leaves both to the next one"
    watch = watched(out.parent)
    time.sleep(4)
    assert watch.said().count(" s, ") == 0, watch.said()
    for name in ("s1.mp4", "s2.mp4"):
        shutil.copy(made / name, out)
    watch.has("stored", 1)
    watch.stop()
    assert watch.said().count(" s, ") == 1 and watch.complained() == "" and farm.totals() == low(6)
    assert once(farm, out.parent) == ""


# ---- --once, and several directories ----


def test_once_with_files_that_are_held(farm, watched, clips):
    """A file that a process has open for writing is left to the next run, without a word, and the others are recorded."""
    out = watched.directory
    content = (clips / "small.mp4").read_bytes()
    clip(out / "whole.mp4")
    with open(out / "held.mp4", "wb") as writer:
        writer.write(content)
        writer.flush()
        for _ in range(2):
            done = farm.command("watch", "--once", "--existing", "--settle", "0", out)
            assert done.returncode == 0 and "held.mp4" not in done.stdout + done.stderr, done
        assert farm.totals() == low(2)
    assert once(farm, out).count("held.mp4: h264") == 1 and farm.totals() == low(4)
    assert once(farm, out) == ""


def test_several_directories(farm, watched):
    """Each has its place. One that contains another is refused, and one that another watch has is busy."""
    first, second = watched.directory / "first", watched.directory / "second"
    clip(first / "acme" / "a.mp4")
    clip(second / "beta" / "b.mp4", 3)
    maker(farm)
    done = farm.command("watch", "--once", "--existing", "--settle", "0", "--path", "{project}/{name}", first, second)
    assert done.returncode == 0 and done.stdout.count("stored") == 2 and tasks(farm) == {"acme": 2, "beta": 3}, done
    done = farm.command("watch", first, first / "acme")
    assert done.returncode == 2 and "one contains the other" in done.stderr, done
    watch = watched(first, second, "--path", "{project}/{name}")
    done = farm.command("watch", "--once", second)
    assert done.returncode == 1 and str(second) in done.stderr, done
    clip(first / "acme" / "c.mp4")
    clip(second / "gamma" / "c.mp4", 4)
    watch.has("stored", 2)
    os.rename(first / "acme" / "a.mp4", second / "beta" / "a.mp4")  # a duplicate for its old customer is none for the new one
    wait_until(lambda: watch.said().count("beta/a.mp4") == 1)
    watch.stop()
    assert watch.complained() == "", watch.complained()
    assert tasks(farm) == {"acme": 4, "beta": 5, "gamma": 4}


# ---- --kind, --frame-rate ----


def test_kind_and_frame_rate(farm, watched):
    """As those of `record`, and shown by a dry run. A raw stream that was refused for want of a rate is taken with one."""
    out = watched.directory
    raw = out / "raw.h264"
    ffmpeg(*picture("640x360", 2, 25), *H264, out / "a.mkv")
    ffmpeg(*picture("640x360", 2, 25), *H264, "-profile:v", "baseline", "-pix_fmt", "yuv420p", raw)
    raw.write_bytes(containers.h264_without_rate(raw.read_bytes()))
    for option, value in (("--kind", "copy"), ("--frame-rate", "0")):
        done = farm.command("watch", "--once", option, value, out)
        assert done.returncode == 2 and f"{option} '{value}'" in done.stderr, done
    words = ["--include", "*.h264", "--include", "*.mkv", "--settle", "0"]

    def look(*options):
        return farm.command("watch", "--dry-run", "--existing", *words, *options, out)

    done = look()
    assert "a.mkv: h264 640x360 2.000 s, would be recorded" in done.stdout and "--frame-rate" in done.stderr, done
    assert "raw.h264: h264 640x360 2.000 s, would be" in look("--frame-rate", "25").stdout
    assert "raw.h264: h264 640x360 1.000 s, would be" in look("--frame-rate", "50").stdout
    done = look("--frame-rate", "50", "--kind", "remux")
    assert done.stdout.count(": remux, h264 640x360 ") == 2, done
    done = farm.command("watch", "--once", "--existing", *words, out)
    assert done.stdout.count("stored") == 1 and done.stderr.count("raw.h264") == 1 and farm.totals() == low(2), done
    done = farm.command("watch", "--once", *words, "--frame-rate", "50", out)
    assert done.stdout.count("raw.h264: h264 640x360 1.000 s, stored") == 1 and farm.totals() == low(3), done
    ffmpeg("-i", out / "a.mkv", "-c", "copy", "-metadata", "title=copied", out / "b.mkv")
    done = farm.command("watch", "--once", *words, "--kind", "remux", out)
    assert done.stdout.count("b.mkv: remux, h264") == 1 and farm.totals() == low(3), done
