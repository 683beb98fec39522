"""`codecmeter record` on real files: what is measured, what is refused, and that a file counts once."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import made  # noqa: F401 (finds the module `containers`)
import containers
from conftest import AS_NOBODY, CODECMETER, needs_root, unless_sanitized
from media import H264, clips, distinct, farm, ffmpeg, picture, stream, tone  # noqa: F401 (fixtures)


# ---- refused, and nothing recorded ----


def truncated(path, out, share):
    data = path.read_bytes()
    out.write_bytes(data[:int(len(data) * share)])
    return out


def bad_files(clips, tmp_path):
    sound = clips / "sound.m4a"
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    noise = tmp_path / "noise.mkv"
    noise.write_bytes(os.urandom(20000))
    art = tmp_path / "art.m4a"
    cover = tmp_path / "cover.png"
    ffmpeg(*picture("320x320", 1), "-frames:v", 1, cover)
    ffmpeg("-i", sound, "-i", cover, "-map", 0, "-map", 1, "-c", "copy", "-disposition:v", "attached_pic", art)
    mkv, ts, fast = tmp_path / "whole.mkv", tmp_path / "whole.ts", tmp_path / "fast.mp4"
    ffmpeg(*picture("640x360", 6), *H264, "-g", 10, mkv)
    ffmpeg("-i", mkv, "-c", "copy", ts)
    ffmpeg("-i", mkv, "-c", "copy", "-movflags", "faststart", fast)
    other_pids, swapped, shifted = tmp_path / "other-pids.ts", tmp_path / "swapped.ts", tmp_path / "shifted.ts"
    both = tmp_path / "both.ts"
    ffmpeg(*picture("640x360", 2), *tone(2), *H264, "-c:a", "aac", both)
    ffmpeg("-i", both, "-c", "copy", "-mpegts_start_pid", 0x200, "-mpegts_pmt_start_pid", 0x1100, "-mpegts_service_id", 2,
           shifted)
    other_pids.write_bytes(both.read_bytes() + shifted.read_bytes())
    ffmpeg("-i", both, "-c", "copy", "-streamid", "1:256", "-streamid", "0:257", shifted)
    swapped.write_bytes(both.read_bytes() + shifted.read_bytes())
    avi = tmp_path / "whole.avi"
    ffmpeg("-i", mkv, "-c:v", "mpeg4", avi)
    fragmented = tmp_path / "fragmented.mp4"
    ffmpeg("-i", mkv, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", fragmented)
    master, live = tmp_path / "master.m3u8", tmp_path / "live.m3u8"
    master.write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlive.m3u8\n")
    live.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nwhole.ts\n")
    log, nfo, unknown = tmp_path / "log.txt", tmp_path / "release.nfo", tmp_path / "unknown.mp4"
    log.write_text("".join(f"{n} something happened\n" for n in range(20000)))
    nfo.write_text("a release\n" * 2000)
    unlisted = tmp_path / "unlisted.mp4"
    unlisted.write_bytes((clips / "small.mp4").read_bytes().replace(b"stsz", b"free"))  # the sizes of its pictures
    unknown.write_bytes((clips / "small.mp4").read_bytes().replace(b"avc1", b"zzzz"))
    cut_segment = tmp_path / "cut-segment.m3u8"
    (tmp_path / "half.ts").write_bytes(ts.read_bytes()[:188 * (ts.stat().st_size // 376)])
    cut_segment.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nwhole.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:6,\n"
                           "half.ts\n#EXT-X-ENDLIST\n")
    missing = tmp_path / "missing.m3u8"
    missing.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nnowhere.ts\n#EXT-X-ENDLIST\n")
    return [
        (tmp_path / "none.mp4", "No such file"), (tmp_path, "not a regular file"), (empty, ""), (text, ""), (noise, ""),
        (sound, "no video"), (art, "no video"), (cover, "a picture"),
        (truncated(clips / "small.mp4", tmp_path / "no-index.mp4", 0.5), ""),  # its index was at the end
        (truncated(fast, tmp_path / "cut-fast.mp4", 0.6), "truncated"),
        (truncated(mkv, tmp_path / "cut.mkv", 0.5), "truncated"),
        (truncated(ts, tmp_path / "cut.ts", 0.5003), "truncated"),
        (truncated(avi, tmp_path / "cut.avi", 0.5), "truncated"),
        (truncated(fragmented, tmp_path / "cut-fragment.mp4", 0.55), ""),
        (other_pids, "another stream"), (swapped, "another stream"),
        (log, "no video"), (nfo, ""), (unknown, "codec"), (unlisted, "truncated"), (cut_segment, "truncated"),
        (master, "not finished"), (live, "not finished"), (missing, ""),
    ]


def test_what_is_no_whole_video(farm, clips, tmp_path):
    for path, words in bad_files(clips, tmp_path):
        done = farm.record(path)
        assert done.returncode == 1 and words in done.stderr, (path, done)
        assert str(path) in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", (path, done)
    assert farm.totals() == {}


def test_one_bad_file_does_not_harm_the_others(farm, clips, tmp_path):
    other = tmp_path / "other.mp4"
    distinct(clips / "small.mp4", other)
    done = farm.record(clips / "small.mp4", tmp_path / "none.mp4", other)
    assert done.returncode == 1 and "none.mp4" in done.stderr
    assert done.stdout.count("stored") == 2 and farm.totals() == {("h264", "Low"): 4}


@needs_root
def test_an_unreadable_file(farm, clips, program, open_tmp):
    closed = os.path.join(open_tmp, "closed.mp4")
    distinct(clips / "small.mp4", closed)
    os.chmod(closed, 0o600)
    words = ["env", *(f"{name}={value}" for name, value in farm.environment.items() if name.startswith("CODECMETER_"))]
    done = subprocess.run([*AS_NOBODY, *words, program, "record", closed], capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 1 and "Permission denied" in done.stderr and closed in done.stderr, done
    assert farm.totals() == {}


@needs_root
@pytest.mark.parametrize("closed", ["segments", "segments/0.ts", "segments/v.m3u8"])
def test_a_list_whose_files_are_unreadable(farm, clips, program, open_tmp, closed):
    directory = pathlib.Path(open_tmp)
    (directory / "segments").mkdir()
    ffmpeg("-i", clips / "small.mp4", "-c", "copy", directory / "segments/0.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}0.ts\n#EXT-X-ENDLIST\n"
    (directory / "segments/v.m3u8").write_text(playlist.format(""))
    (directory / "one.m3u8").write_text(playlist.format("segments/"))
    (directory / "all.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsegments/v.m3u8\n")
    os.chmod(directory / closed, 0)
    words = ["env", *(f"{name}={value}" for name, value in farm.environment.items() if name.startswith("CODECMETER_"))]
    for name in ("all.m3u8",) if closed.endswith(".m3u8") else ("all.m3u8", "one.m3u8"):
        done = subprocess.run([*AS_NOBODY, *words, program, "record", directory / name], capture_output=True, text=True,
                              timeout=60, cwd="/")
        assert done.returncode > 0 and "Permission denied" in done.stderr and name in done.stderr, done
    os.chmod(directory / closed, 0o755)
    assert farm.totals() == {}


def test_wrong_use(farm, clips):
    clip = clips / "small.mp4"
    for status, words, args in (
            (2, "FILE is missing", ()), (2, "--help", ("--nonsense", clip)), (2, "cannot read", ("--env", "/none.env", clip)),
            (1, "for another project", ("--project", "org-none", clip)), (1, "401", ("--token", "cm_wrong", clip)),
            (0, "--url", ("--url", "http://127.0.0.1:1", clip)), (0, "waits in", ("--url", "nonsense", clip)),
            (1, "not supported", ("--url", "gopher://127.0.0.1:1", clip)),
            (1, "404", ("--url", farm.server.url + "/elsewhere", clip))):
        done = farm.command("record", *args)
        assert done.returncode == status and words in done.stderr, (args, done)
        assert done.stderr.count("\n") == 1, done
    bare = {name: value for name, value in farm.environment.items() if name != "CODECMETER_TOKEN"}
    done = farm.command("record", clip, env=bare)
    assert done.returncode != 0 and "--token" in done.stderr, done
    assert farm.totals() == {}
    assert farm.account.token not in done.stderr


# ---- measured ----


ENCODERS = (
    ("h264.mp4", "640x480", H264, ("h264", "Low")),
    ("hevc.mp4", "1280x720", ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"], ("h265", "Midium")),
    ("vp9.webm", "320x240", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"], ("vp9", "Low")),
    ("vp8.webm", "320x240", ["-c:v", "libvpx", "-deadline", "realtime"], ("vp8", "Low")),
    ("av1.mkv", "160x120", ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"], ("av1", "Low")),
    ("mpeg4.avi", "720x480", ["-c:v", "mpeg4"], ("mpeg4", "Midium")),
    ("mpeg2.mpg", "1920x1080", ["-c:v", "mpeg2video"], ("mpeg2video", "High")),
    ("large.mp4", "2048x1080", H264, ("h264", "Super")),
    ("tall.mp4", "720x1280", H264, ("h264", "Midium")),
    ("odd.mkv", "642x482", H264, ("h264", "Midium")),
    ("stream.ts", "640x360", H264, ("h264", "Low")),
    ("flash.flv", "640x360", H264, ("h264", "Low")),
    ("fragmented.mp4", "640x360", [*H264, "-movflags", "frag_keyframe+empty_moov"], ("h264", "Low")),
)


@pytest.mark.parametrize("name,size,options,cell", ENCODERS, ids=[row[0] for row in ENCODERS])
def test_codecs_and_containers(farm, tmp_path, name, size, options, cell):
    ffmpeg(*picture(size, 3), *tone(2.2), *(["-an"] if name.endswith((".webm", ".mpg")) else ["-c:a", "mp3"]
           if name.endswith((".avi", ".flv")) else []), *options, tmp_path / name)
    done = farm.record(tmp_path / name)
    assert done.returncode == 0 and "stored" in done.stdout, done
    assert farm.totals() == {cell: 3}, done.stdout


def test_a_track_of_any_number(farm, clips, tmp_path):
    """The number of an MP4 track has 32 bits."""
    for number in (1, 0x7fffffff, 0x80000000, 0xffffffff):
        out = tmp_path / f"{number}.mp4"
        out.write_bytes(containers.mp4_put((clips / "small.mp4").read_bytes(), b"tkhd", 12, number))
        done = farm.record(out)
        assert done.returncode == 0 and "stored" in done.stdout, done
    assert farm.totals() == {("h264", "Low"): 8}


def test_the_video_counts_not_the_sound(farm, tmp_path):
    out = tmp_path / "long-sound.mp4"
    ffmpeg(*picture("640x360", 2), *tone(7), *H264, out)
    assert farm.record(out).returncode == 0
    assert farm.totals() == {("h264", "Low"): 2}


def test_seconds_are_rounded_half_up(farm, tmp_path):
    for name, seconds in (("a", 1.4), ("b", 1.5), ("c", 0.1)):
        out = tmp_path / f"{name}.mp4"
        ffmpeg(*picture("640x360", seconds), *H264, out)
        assert farm.record(out).returncode == 0
    assert farm.totals() == {("h264", "Low"): 1 + 2 + 1}


@pytest.mark.parametrize("degrees,tier", [(0, "High"), (90, "High"), (180, "High"), (270, "High")])
def test_rotation(farm, tmp_path, degrees, tier):
    """Kept 1920x1080 with a note to turn it: shown 1080x1920, which is as high; the size is reported as shown."""
    plain, out = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    ffmpeg(*picture("1920x1080", 1), *H264, plain)
    ffmpeg("-display_rotation", degrees, "-i", plain, "-c", "copy", out) if has_display_rotation() else \
        ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", f"rotate={degrees}", out)
    done = farm.record(out)
    shown = "1080x1920" if degrees % 180 else "1920x1080"
    assert done.returncode == 0 and shown in done.stdout, done
    assert farm.totals() == {("h264", tier): 1}


def has_display_rotation():
    text = subprocess.run(["ffmpeg", "-v", "quiet", "-h", "full"], capture_output=True, text=True).stdout
    return "-display_rotation" in text


def test_cover_art_is_not_the_video(farm, clips, tmp_path):
    cover, out = tmp_path / "cover.png", tmp_path / "with-cover.mp4"
    ffmpeg(*picture("1000x1000", 1), "-frames:v", 1, cover)
    ffmpeg("-i", cover, "-i", clips / "small.mp4", "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:0", "attached_pic", out)
    done = farm.record(out)
    assert done.returncode == 0 and "640x360" in done.stdout, done
    assert farm.totals() == {("h264", "Low"): 2}


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_playlist_is_one_output(farm, tmp_path, kind):
    ffmpeg(*picture("640x360", 9), *H264, "-g", 10, "-f", "hls", "-hls_time", 2, "-hls_playlist_type", "vod",
           "-hls_segment_type", kind, tmp_path / "out.m3u8")
    assert len(list(tmp_path.glob("out*.ts")) + list(tmp_path.glob("out*.m4s"))) >= 4
    done = farm.record(tmp_path / "out.m3u8")
    assert done.returncode == 0, done
    assert farm.totals() == {("h264", "Low"): 9}


def dash(directory, *options):
    """A manifest of five segments of 2 seconds."""
    ffmpeg(*picture("640x360", 10, 25), *tone(10), *H264, "-g", 50, "-f", "dash", "-seg_duration", 2, *options,
           directory / "out.mpd")
    return directory / "out.mpd"


@pytest.mark.parametrize("options", [["-use_timeline", 1], ["-use_timeline", 0]])
def test_a_manifest_is_one_output(farm, tmp_path, options):
    odd = tmp_path / "a#b"
    odd.mkdir()
    done = farm.record(dash(odd, *options))
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 10}, done


def test_a_manifest_of_ranges(farm, tmp_path):
    """It plays the whole of one file, and is that file."""
    done = farm.record(dash(tmp_path, "-single_file", 1))
    assert done.returncode == 0 and ", stored, id 1:" in done.stdout, done
    done = farm.record(tmp_path / "out-stream0.mp4")
    assert done.returncode == 0 and ", duplicate, id 1:" in done.stdout and farm.totals() == {("h264", "Low"): 10}, done


def test_a_list_of_several_sizes(farm, tmp_path):
    """Each size is one output, whichever of the two lists names it; sound is none."""
    ffmpeg(*picture("640x360", 4), *tone(4), "-map", "0:v", "-map", "0:v", "-map", "1:a", *H264, "-g", 10, "-s:v:0", "320x180",
           "-c:a", "aac", "-hls_playlist", 1, "-seg_duration", 1, "-f", "dash", tmp_path / "out.mpd")
    done = farm.record(tmp_path / "out.mpd")
    assert done.returncode == 0 and done.stdout.count(", stored, id 1:") == 2, done
    assert "out.mpd#0: h264 320x180 4.000 s" in done.stdout and "out.mpd#1: h264 640x360 4.000 s" in done.stdout, done
    done = farm.record(tmp_path / "master.m3u8")
    assert done.returncode == 0 and done.stdout.count(", duplicate, id 1:") == 2 and "media_1.m3u8" in done.stdout, done
    assert farm.totals() == {("h264", "Low"): 8}


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_manifest_without_a_segment(farm, tmp_path, number):
    manifest = dash(tmp_path)
    (tmp_path / f"chunk-stream0-0000{number}.m4s").unlink()
    done = farm.record(manifest)
    assert done.returncode == 1 and "truncated" in done.stderr and farm.totals() == {}, done


@pytest.mark.parametrize("name", ["out0.ts", "out2.ts", "out4.ts"])
def test_a_playlist_without_a_segment(farm, tmp_path, name):
    ffmpeg(*picture("640x360", 10, 25), *H264, "-g", 50, "-f", "hls", "-hls_time", 2, "-hls_playlist_type", "vod",
           tmp_path / "out.m3u8")
    (tmp_path / name).unlink()
    done = farm.record(tmp_path / "out.m3u8")
    assert done.returncode == 1 and farm.totals() == {}, done


def test_a_playlist_that_names_a_pipe(farm, tmp_path):
    """Nobody writes into it, so it would be waited for for ever."""
    ffmpeg(*picture("640x360", 6, 25), *H264, "-g", 50, "-f", "hls", "-hls_time", 2, "-hls_playlist_type", "vod", tmp_path / "out.m3u8")
    for name in ("out0.ts", "out1.ts"):
        shutil.copy(tmp_path / name, tmp_path / "kept.ts")
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
        done = farm.command("record", tmp_path / "out.m3u8", timeout=10)
        assert done.returncode == 1 and "out.m3u8" in done.stderr and farm.totals() == {}, done
        os.replace(tmp_path / "kept.ts", tmp_path / name)
    os.mkfifo(tmp_path / "pipe.mp4")
    done = farm.command("record", tmp_path / "pipe.mp4", timeout=10)
    assert done.returncode == 1 and "pipe.mp4" in done.stderr, done
    assert farm.record(tmp_path / "out.m3u8").returncode == 0 and farm.totals() == {("h264", "Low"): 6}


def test_a_manifest_that_goes_on(farm, tmp_path):
    manifest = dash(tmp_path)
    text = manifest.read_text()
    assert 'type="static"' in text
    manifest.write_text(text.replace('type="static"', 'type="dynamic"'))
    done = farm.record(manifest)
    assert done.returncode == 1 and "not finished" in done.stderr, done


@pytest.mark.parametrize("name,options", [
    ("late.mp4", []), ("late.mkv", []), ("late-fragments.mp4", ["-movflags", "frag_keyframe+empty_moov"]), ("late.ts", [])])
def test_what_begins_late_is_whole(farm, tmp_path, name, options):
    """Times need not begin at zero: a piece of a longer recording is as long as it is."""
    plain = tmp_path / "plain.mp4"
    ffmpeg(*picture("640x360", 3), *tone(3), *H264, plain)
    ffmpeg("-i", plain, "-c", "copy", *options, "-output_ts_offset", 100, tmp_path / name)
    done = farm.record(tmp_path / name)
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 3}, done


@pytest.mark.parametrize("name,codec", [("plain.m1v", "mpeg1video"), ("plain.m2v", "mpeg2video"), ("plain.h264", "libx264")])
def test_elementary_streams(farm, tmp_path, name, codec):
    """No container, no length, only frames: they are counted, and a bit rate that is stated wrongly says nothing."""
    ffmpeg(*picture("320x180", 12, 25), "-c:v", codec, "-b:v", "3M", tmp_path / name)
    done = farm.record(tmp_path / name)
    assert done.returncode == 0 and sum(farm.totals().values()) == 12, done


def telecine(path):
    """Sets repeat_first_field in every second picture of a raw MPEG-2 stream, which is then shown for 3 fields."""
    data, at, pictures = bytearray(path.read_bytes()), 0, 0
    while (at := data.find(b"\x00\x00\x01\xb5", at)) >= 0:
        if data[at + 4] >> 4 == 1:
            data[at + 5] &= ~0x08  # the sequence is not progressive
        if data[at + 4] >> 4 == 8:
            data[at + 7] |= 0x02 * (pictures % 2)
            data[at + 8] |= 0x80  # but the picture is
            pictures += 1
        at += 4
    path.write_bytes(data)


def odd_streams(tmp_path):
    """Streams as tools leave them, with their seconds."""
    clip, late = tmp_path / "clip.ts", tmp_path / "late.ts"
    ffmpeg(*picture("160x90", 5, 25), "-c:v", "libx264", clip)
    ffmpeg("-i", clip, "-c", "copy", "-output_ts_offset", 3600, late)
    behind_junk = tmp_path / "behind-junk.ts"
    behind_junk.write_bytes(bytes(1000) + clip.read_bytes() + late.read_bytes())
    held, held_late, leap = tmp_path / "held.ts", tmp_path / "held-late.ts", tmp_path / "held-leap.ts"
    constant = ["-c:v", "libx264", "-muxrate", "300k", "-pcr_period", 40]
    ffmpeg(*picture("160x90", 40, 25), "-vf", "select='lt(mod(n,200),10)'", "-fps_mode", "vfr", *constant, held)
    ffmpeg("-i", held, "-c", "copy", *constant[2:], "-output_ts_offset", 3600, held_late)
    leap.write_bytes(held.read_bytes() + held_late.read_bytes())
    ogg, chained = tmp_path / "one.ogv", tmp_path / "chained.ogv"
    ffmpeg(*picture("160x90", 5, 25), "-c:v", "libtheora", ogg)
    chained.write_bytes(ogg.read_bytes() * 2)
    program = tmp_path / "sparse-times.vob"
    ffmpeg(*picture("320x240", 6, 25), *tone(6), "-c:v", "mpeg2video", "-bf", 2, "-c:a", "mp2", "-f", "vob", program)
    raw = tmp_path / "telecine.m2v"
    ffmpeg(*picture("160x90", 4, 25), "-c:v", "mpeg2video", raw)
    telecine(raw)
    return (behind_junk, 10), (held, 32.4), (leap, 64.8), (chained, 10), (program, 6), (raw, 5)


def test_odd_streams(farm, tmp_path):
    for path, seconds in odd_streams(tmp_path):
        done = farm.command("record", "--explain", path)
        shown = float(done.stdout.splitlines()[0].split(" s,")[0].split()[-1])
        assert done.returncode == 0 and abs(shown - seconds) <= 0.04, (path, seconds, done)


def test_joined_files(farm, tmp_path):
    """Two streams behind one another, each with times from the beginning, are as long as both."""
    for name, codec in (("one.mpg", "mpeg2video"), ("one.ts", "libx264"), ("one.flv", "flv")):
        one, both = tmp_path / name, tmp_path / ("both-" + name)
        ffmpeg(*picture("640x360", 5, 25), "-c:v", codec, one)
        both.write_bytes(one.read_bytes() * 2)
        assert farm.record(both).returncode == 0
    assert farm.totals() == {("mpeg2video", "Low"): 10, ("h264", "Low"): 10, ("flv1", "Low"): 10}


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_playlist_whose_earlier_segments_are_gone(farm, tmp_path, kind):
    """The times of the media tell a part from an output whose numbers only begin high."""
    hls = [*picture("160x90", 10), *H264, "-g", 10, "-f", "hls", "-hls_time", 1, "-hls_segment_type", kind]
    ffmpeg(*hls, "-hls_list_size", 3, tmp_path / "end.m3u8")
    ffmpeg(*hls, "-hls_list_size", 0, "-start_number", 25, tmp_path / "high.m3u8")
    listed = (tmp_path / "end.m3u8").read_text()
    for segment in tmp_path.glob("end?.*"):
        if segment.name not in listed:
            segment.unlink()
    done = farm.record(tmp_path / "end.m3u8")
    assert done.returncode == 1 and "the segments before are gone" in done.stderr, done
    assert farm.record(tmp_path / "high.m3u8").returncode == 0 and farm.totals() == {("h264", "Low"): 10}


def test_a_playlist_with_a_discontinuity(farm, tmp_path):
    for name, offset in (("a.ts", 0), ("b.ts", 0), ("c.ts", 1000)):
        ffmpeg(*picture("640x360", 4), *H264, "-output_ts_offset", offset, tmp_path / name)
    (tmp_path / "out.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-DISCONTINUITY\n"
                                       "#EXTINF:4,\nb.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:4,\nc.ts\n#EXT-X-ENDLIST\n")
    done = farm.record(tmp_path / "out.m3u8")
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 12}, done


@pytest.mark.parametrize("directory", ["a#b", "a?b=c", "100%25", "with blank"])
def test_a_playlist_in_an_odd_directory(farm, tmp_path, directory):
    """And files named relative to where the command was called are found after it."""
    odd = tmp_path / directory
    odd.mkdir()
    ffmpeg(*picture("640x360", 4), *H264, "-g", 10, tmp_path / "plain.mp4")
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", "../plain.mp4", "-c", "copy", "-f", "hls", "-hls_time", "2",
                    "-hls_playlist_type", "vod", "out.m3u8"], cwd=odd, check=True)
    done = farm.command("record", f"{directory}/out.m3u8", "plain.mp4", cwd=tmp_path)
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 8}, done


# ---- once ----


def test_a_file_counts_once(farm, clips, tmp_path):
    out = distinct(clips / "small.mp4", tmp_path / "out.mp4")
    assert "stored" in farm.record(out).stdout
    for again in (out, os.path.relpath(out), tmp_path / "." / "out.mp4"):
        done = farm.record(again)
        assert done.returncode == 0 and "duplicate" in done.stdout, done
    link = tmp_path / "link.mp4"
    link.symlink_to(out)
    assert "duplicate" in farm.record(link).stdout
    assert farm.totals() == {("h264", "Low"): 2}


def made(clips, path, time_s):
    """A new output, written at a time with a fraction of a second."""
    distinct(clips / "small.mp4", path)
    os.utime(path, ns=(time_s * 10**9, time_s * 10**9 + 123456789))
    return path


def moved(out, other):
    os.rename(out, other)


def copied_with_its_time(out, other):
    subprocess.run(["cp", "-p", out, other], check=True)


def copied_to_whole_seconds(out, other):
    """As tar, rsync and file systems do that keep whole seconds."""
    shutil.copy(out, other)
    os.utime(other, (int(os.stat(out).st_mtime), int(os.stat(out).st_mtime)))


def touched(out, other):
    """Its content at another time is another output: nobody else tells a new encode from an old one."""
    shutil.copy(out, other)
    os.utime(other, (os.stat(out).st_mtime + 1, os.stat(out).st_mtime + 1))


def encoded_again(out, other):
    distinct(out, other)
    os.utime(other, (int(os.stat(out).st_mtime), int(os.stat(out).st_mtime)))


@pytest.mark.parametrize("change,outcome", [
    (touched, "stored"), (encoded_again, "stored"), (moved, "duplicate"), (os.link, "duplicate"), (os.symlink, "duplicate"),
    (copied_with_its_time, "duplicate"), (copied_to_whole_seconds, "duplicate")], ids=lambda value: getattr(value, "__name__", value))
def test_what_is_the_same_output(farm, clips, tmp_path, change, outcome):
    out, other = made(clips, tmp_path / "out.mp4", int(time.time()) - 1000), tmp_path / "below" / "other.mp4"
    other.parent.mkdir()
    first = farm.record(out).stdout
    change(out, other)
    then = farm.record(other).stdout
    assert ", stored, id 1:" in first and f", {outcome}, id 1:" in then, (first, then)
    assert (id_of(first) == id_of(then)) == (outcome == "duplicate")
    assert farm.totals() == {("h264", "Low"): 4 if outcome == "stored" else 2}


def id_of(line):
    """The id that a command printed."""
    return line.rstrip("\n").rsplit(", id ", 1)[1]


def test_whoever_reports_it(farm, clips, tmp_path):
    """`run` here, `watch` on the file server under another path, `record` by hand: one output."""
    out, served = tmp_path / "out.mp4", tmp_path / "served"
    served.mkdir()
    done = farm.command("run", "--output", out, "--", clips / "copy", clips / "small.mp4", out)
    assert done.returncode == 0 and "stored" in done.stderr, done
    os.rename(out, served / "title.mp4")
    done = farm.command("watch", "--once", "--existing", "--settle", "0", served)
    assert done.returncode == 0 and "duplicate" in done.stdout, done
    assert "duplicate" in farm.record(served / "title.mp4").stdout and farm.totals() == {("h264", "Low"): 2}


def test_its_day_is_that_of_its_mtime(farm, clips, tmp_path):
    out = tmp_path / "out.mp4"
    distinct(clips / "small.mp4", out)
    os.utime(out, (1500393600 + 3600, 1500393600 + 3600))
    assert farm.record(out).returncode == 0
    rows = farm.account.client.stat(BeginTime=1500220800, EndTime=1500480000)
    assert [row["TotalTime"] for row in rows] == [0, 0, 2, 0]


def test_names(farm, clips, tmp_path):
    names = ["with blank.mp4", "电影.mp4", "-dash.mp4", "quote\"'.mp4", "new\nline.mp4", "100%.mp4", "file:odd.mp4", b"latin\xe9.mp4"]
    for name in names:
        distinct(clips / "small.mp4", os.path.join(os.fsencode(tmp_path), os.fsencode(name)))
    done = subprocess.run([CODECMETER, "record", "--", *names], cwd=tmp_path, env=farm.environment, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done
    assert done.stdout.count(b"stored") == len(names)
    assert farm.totals() == {("h264", "Low"): 2 * len(names)}


def test_settings_from_a_file(farm, clips, tmp_path):
    env = tmp_path / "client.env"
    env.write_text(f"# a comment\n\nexport CODECMETER_URL={farm.server.url}\nCODECMETER_TOKEN=\"{farm.account.token}\"\n"
                   "CODECMETER_PROJECT='org-a'\nOTHER=1\n")
    bare = {name: value for name, value in farm.environment.items() if not name.startswith("CODECMETER")}
    done = farm.command("record", "--env", env, clips / "small.mp4", env=bare)
    assert done.returncode == 0 and "stored" in done.stdout, done
    # What is asked for by name is stronger than what happens to be in the environment.
    done = farm.command("record", "--env", env, clips / "small.mp4", env={**bare, "CODECMETER_URL": "http://127.0.0.1:1"})
    assert done.returncode == 0 and "duplicate" in done.stdout, done
    env.write_text("nonsense\n")
    done = farm.command("record", "--env", env, clips / "small.mp4", env=bare)
    assert done.returncode == 2 and "NAME=value" in done.stderr, done


def test_without_the_module(farm, clips, tmp_path):
    """The binary alone: everything but measuring works, and measuring says what is missing."""
    alone, module = tmp_path / "codecmeter", b"codecmeter-media.so"
    whole = pathlib.Path(CODECMETER).read_bytes()
    assert module in whole
    alone.write_bytes(whole.replace(module, b"codecmeter-other.so"))  # one that is installed is not found either
    alone.chmod(0o755)
    done = subprocess.run([alone, "record", clips / "small.mp4"], env=farm.environment, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1 and "libavformat" in done.stderr, done
    ran = tmp_path / "ran"
    done = subprocess.run([alone, "run", "--", "touch", ran], env=farm.environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and not ran.exists() and done.stderr.count("\n") == 1, done
    assert "the command was not run: cannot measure media: install the package" in done.stderr, done
    linked = subprocess.run(["ldd", CODECMETER], capture_output=True, text=True).stdout
    assert "libavformat" not in linked and "libavcodec" not in linked
    assert json.loads(subprocess.run([alone, "stat", "--json"], env=farm.environment, capture_output=True,
                                     text=True).stdout)["RetCode"] == 0


# ---- identities that a user chooses ----


def test_options_that_are_refused(farm, clips, tmp_path):
    clip, other = clips / "small.mp4", tmp_path / "other.mp4"
    for words, args in (
            ("--id names one output", ("--id", "j", clip, other)), ("neither", ("--kind", "x", clip)),
            ("--id is longer than 256", ("--id", "x" * 257, clip)), ("--id is empty", ("--id=", clip)),
            ("--id has a control character", ("--id", "a\nb", clip)), ("--source is longer", ("--source", "x" * 257, clip)),
            ("--source has a control", ("--source", "\x7f", clip)), ("--task-id is empty", ("--task-id", "", clip)),
            ("--id-prefix is empty", ("--id-prefix", "", clip)), ("exclude each other", ("--id", "a", "--id-prefix", "b", clip)),
            ("exclude each other", ("--explain", "--quiet", clip)), ("--frame-rate '0'", ("--frame-rate", "0", clip)),
            ("--frame-rate '25/'", ("--frame-rate", "25/", clip)), ("--frame-rate 'x'", ("--frame-rate", "x", clip)),
            ("--frame-rate '1001'", ("--frame-rate", "1001", clip)), ("--frame-rate '1/0'", ("--frame-rate", "1/0", clip))):
        done = farm.command("record", *args)
        assert done.returncode == 2 and words in done.stderr and done.stdout == "", (args, done)
    done = farm.command("record", "--id-prefix", "x" * 255, clip)  # its name does not fit behind it
    assert done.returncode == 1 and "longer than 256 bytes" in done.stderr and "small.mp4" in done.stderr, done
    done = farm.command("record", "--id", b"caf\xe9", clip, text=False)
    assert done.returncode != 0 and b"UTF-8" in done.stderr, done
    assert farm.totals() == {}


def test_ids_that_a_user_chooses(farm, clips):
    clip = clips / "small.mp4"
    chosen = ("--id", "job-1/720p", "--source", "farm-7", "--task-id", "job-1")
    assert ", stored, source farm-7, id job-1/720p\n" in farm.command("record", *chosen, clip).stdout
    done = farm.command("record", *chosen, clip)
    assert "duplicate" in done.stdout and farm.totals() == {("h264", "Low"): 2}, done
    done = farm.command("record", "--id", "job-1/720p", clip)  # another source: another identity
    assert ", stored, id job-1/720p\n" in done.stdout and farm.totals() == {("h264", "Low"): 4}, done


def test_ids_by_prefix(farm, clips, tmp_path):
    """Outputs are told apart by name: equal files count each, and a name that is no text stands in the id as %HH."""
    names = [b"a.mp4", b"b/a.mp4", b"b/caf\xe9.mp4", b"b/new\nline.mp4", b"b/100%.mp4", b"b/%0A.mp4", "b/\u96fb\u5f71.mp4".encode()]
    (tmp_path / "b").mkdir()
    for name in names:
        shutil.copy(clips / "small.mp4", os.path.join(os.fsencode(tmp_path), name))
    done = farm.command("record", "--id-prefix", "job-1/", "--", *names, cwd=tmp_path)
    ids = [id_of(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and ids == ["job-1/a.mp4", "job-1/b/a.mp4", "job-1/b/caf%E9.mp4", "job-1/b/new%0Aline.mp4",
                                            "job-1/b/100%.mp4", "job-1/b/%250A.mp4", "job-1/b/\u96fb\u5f71.mp4"], done
    assert farm.totals() == {("h264", "Low"): 2 * len(names)}
    done = farm.command("record", "--id-prefix", "job-1", "--", *names, cwd=tmp_path)
    assert done.stdout.count("duplicate") == len(names), done


def test_one_file_by_two_names_of_a_prefix(farm, clips, tmp_path):
    out = distinct(clips / "small.mp4", tmp_path / "out.mp4")
    os.link(out, tmp_path / "latest.mp4")
    done = farm.command("record", "--id-prefix", "job-1", out, tmp_path / "latest.mp4")
    assert done.returncode == 0 and "latest.mp4: h264 640x360 2.000 s, the same output as before, id job-1/out.mp4\n" in done.stdout, done
    assert farm.totals() == {("h264", "Low"): 2}


def test_explain(farm, clips, tmp_path):
    """It needs no server, stores nothing, and tells the identity that `record` gives."""
    bare = {name: value for name, value in farm.environment.items() if not name.startswith("CODECMETER_")}
    home = tmp_path / "home"
    home.mkdir()
    done = farm.command("record", "--explain", clips / "small.mp4", home / "none.mp4", env={**bare, "HOME": str(home)})
    line = done.stdout.splitlines()[0]
    assert done.returncode == 1 and "small.mp4: h264 640x360 2.000 s, source file, id 1:" in line and "none.mp4" in done.stderr, done
    assert farm.totals() == {} and os.listdir(home) == []
    assert id_of(farm.record(clips / "small.mp4").stdout) == id_of(line)
    done = farm.command("record", "--explain", "--id-prefix", "j", "--source", "s", clips / "small.mp4", env=bare)
    assert "source s, id j/small.mp4" in done.stdout, done


def test_a_remux_counts_no_transcode(farm, clips):
    done = farm.command("record", "--kind", "remux", clips / "small.mp4")
    assert done.returncode == 0 and "remux" in done.stdout and farm.totals() == {}, done
    done = farm.record(clips / "small.mp4")
    assert done.returncode == 1 and "conflict" in done.stderr and farm.totals() == {}, done


# ---- playlists that are no whole output ----


def hls(directory, *options, seconds=20):
    ffmpeg(*picture("320x180", seconds, 25), *H264, "-g", 25, "-f", "hls", *options, directory / "out.m3u8")
    return directory / "out.m3u8"


@pytest.mark.parametrize("name", ["out%d.ts", "out%03d.ts", "part-%05d-v1.ts"])
def test_a_playlist_that_keeps_the_last_segments(farm, tmp_path, name):
    """What ffmpeg makes when nothing is said: five segments are listed, all are beside it."""
    done = farm.record(hls(tmp_path, "-hls_segment_filename", tmp_path / name))
    assert done.returncode == 1 and "-hls_list_size 0" in done.stderr and farm.totals() == {}, done


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_what_is_there_of_a_playlist_that_keeps_the_last_segments(farm, tmp_path, kind):
    """The way that the message names. One by one, each segment would be a task."""
    done = farm.record(hls(tmp_path, "-hls_segment_type", kind))
    assert done.returncode == 1 and "list all its segments, in order, in another playlist, and record that one" in done.stderr, done
    parts = sorted(tmp_path.glob("out*.ts" if kind == "mpegts" else "out*.m4s"), key=lambda path: int(path.stem[3:]))
    assert len(parts) > 5
    whole, head = tmp_path / "whole.m3u8", (tmp_path / "out.m3u8").read_text().split("#EXTINF")[0].splitlines(keepends=True)
    whole.write_text("".join(line for line in head if "SEQUENCE" not in line)
                     + "".join(f"#EXTINF:0,\n{path.name}\n" for path in parts) + "#EXT-X-ENDLIST\n")
    done = farm.record(whole)
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 20}, done


def test_what_is_there_of_a_playlist_of_ranges(farm, tmp_path):
    done = farm.record(hls(tmp_path, "-hls_flags", "single_file"))
    assert done.returncode == 1 and "record the file that it plays" in done.stderr, done
    assert farm.record(tmp_path / "out.ts").returncode == 0 and farm.totals() == {("h264", "Low"): 20}


def test_a_segment_beside_its_list(farm, clips, tmp_path):
    """It would count a second time, with the list. --id says that it is an output of its own."""
    playlist = hls(tmp_path, "-hls_list_size", 0, "-hls_time", 2, seconds=6)
    assert farm.record(playlist).returncode == 0 and farm.totals() == {("h264", "Low"): 6}
    for options, words in ((("--id-prefix", "job"), "stored"), (("--explain",), "explain"), ((), "stored")):
        done = farm.record(*options, tmp_path / "out1.ts")
        assert done.returncode == 1 and f"part of what {playlist} plays" in done.stderr and "--id" in done.stderr, done
        assert words not in done.stdout and ("container:" in done.stdout) == (words == "explain"), done
    assert farm.totals() == {("h264", "Low"): 6}
    done = farm.record(tmp_path / "out0.ts", playlist)
    assert done.returncode == 0 and "a part of" in done.stderr and "duplicate" in done.stdout, done
    assert farm.record("--id", "ad-7", tmp_path / "out1.ts").returncode == 0 and farm.totals() == {("h264", "Low"): 8}
    whole = shutil.copy(clips / "small.mp4", tmp_path / "whole.mp4")
    (tmp_path / "playlist.m3u8").write_text("#EXTM3U\n#EXTINF:2,A film\nwhole.mp4\n#EXTINF:2,Another\nout1.ts\n")
    assert farm.record(whole).returncode == 0 and farm.totals() == {("h264", "Low"): 10}, "a list of a music player"


@unless_sanitized
def test_ten_thousand_files_and_their_lists(farm, clips, tmp_path):
    """The lists near a file are read once. Nothing grows with their number times the number of files."""
    for number in range(10000):
        os.symlink(clips / "small.mp4", tmp_path / f"{number}.mp4")
    for number in range(500):
        (tmp_path / f"{number}.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + "".join(
            f"#EXTINF:2,\nv{number}-{part}.ts\n" for part in range(300)) + "#EXT-X-ENDLIST\n")
    target = shutil.copy(clips / "small.mp4", tmp_path / "real.mp4")
    start = time.monotonic()
    done = farm.record("--explain", target)
    assert done.returncode == 0 and time.monotonic() - start < 5, done


def test_a_playlist_that_begins_at_another_number(farm, tmp_path):
    done = farm.record(hls(tmp_path, "-start_number", 100, "-hls_list_size", 0))
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 20}, done


@pytest.mark.parametrize("address", ["https://cdn.example/out0.ts", "/vod/out0.ts", "out0.ts?v=2"])
def test_segments_that_are_elsewhere(farm, tmp_path, address):
    playlist = hls(tmp_path, "-hls_list_size", 0)
    playlist.write_text(playlist.read_text().replace("out0.ts", address))
    done = farm.record(playlist)
    assert done.returncode == 1 and "elsewhere: " + address in done.stderr and farm.totals() == {}, done


def test_a_segment_with_an_endless_name(farm, tmp_path):
    """Each number in the name is tried; without a bound that would take hours."""
    playlist = tmp_path / "out.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:5\n#EXTINF:2,\n" + "1a" * 1000000
                        + ".ts\n#EXT-X-ENDLIST\n")
    done = farm.command("record", playlist, timeout=30)
    assert done.returncode == 1 and "name of a segment" in done.stderr and farm.totals() == {}, done


def test_key_pictures_and_encryption(farm, tmp_path):
    playlist = hls(tmp_path, "-hls_list_size", 0, "-hls_flags", "iframes_only+single_file")
    done = farm.record(playlist)
    assert done.returncode == 1 and "key pictures" in done.stderr, done
    (tmp_path / "k.key").write_bytes(b"0123456789abcdef")
    (tmp_path / "info").write_text(f"k.key\n{tmp_path}/k.key\n")
    done = farm.record(hls(tmp_path, "-hls_list_size", 0, "-hls_key_info_file", tmp_path / "info"))
    assert done.returncode == 1 and "encrypted (AES-128)" in done.stderr and farm.totals() == {}, done


@pytest.mark.parametrize("way", ["file", "segment", "broken"])
@pytest.mark.parametrize("options", [(), ("--id", "one"), ("--id-prefix", "job")])
def test_what_is_still_written(farm, stream, tmp_path, way, options):
    """By any process: it would count as it is now, and again when it is finished."""
    part, playlist = tmp_path / "part.ts", tmp_path / "out.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\npart.ts\n#EXT-X-ENDLIST\n")
    data, path = stream.whole.read_bytes(), part if way == "file" else playlist
    with open(part, "wb") as writer:
        writer.write(data[:stream.half - (100 if way == "broken" else 0)])
        writer.flush()
        done = farm.command("record", *options, path)
        assert done.returncode == 1 and farm.totals() == {} and done.stdout == "", done
        assert "part.ts: a process still has it open for writing, so it is not finished" in done.stderr, done
        writer.write(data[writer.tell():])
    done = farm.command("record", *options, path)
    assert done.returncode == 0 and "4.000 s, stored" in done.stdout, done


@pytest.mark.parametrize("name", ["list.m3u8", "list.txt"])
@pytest.mark.parametrize("id_option", [(), ("--id-prefix", "job")])
def test_the_parts_of_a_list_that_is_refused(farm, tmp_path, name, id_option):
    """They are its parts all the same: else they would count now, and again with the list when it is finished."""
    playlist, parts = tmp_path / name, [tmp_path / f"s{n}.mp4" for n in range(2)]
    ffmpeg(*picture("640x360", 4), *H264, "-g", 10, "-f", "segment", "-segment_time", 2, "-segment_list", playlist,
           "-segment_list_type", "m3u8", tmp_path / "s%d.mp4")
    text = playlist.read_text()
    playlist.write_text(text.replace("#EXT-X-ENDLIST\n", ""))
    done = farm.command("record", *id_option, *parts, playlist)
    assert done.returncode == 1 and "not finished" in done.stderr and farm.totals() == {}, done
    assert done.stderr.count(f"a part of {playlist}, so it is not recorded by itself") == 2, done
    playlist.write_text(text)
    done = farm.command("record", *id_option, *parts, playlist)
    assert done.returncode == 0 and farm.totals() == {("h264", "Low"): 4}, done


def test_the_frame_rate_is_reported(farm, tmp_path):
    """Measured by the agent; a second report with another rate of the same output would be a conflict."""
    for name, rate, expected in (("a.mp4", "10", 10), ("b.mkv", "30000/1001", "30000/1001"), ("c.ts", "12.5", 12.5)):
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={rate}:duration=2", *H264, tmp_path / name)
        done = farm.record(tmp_path / name)
        assert done.returncode == 0, done
        id = done.stdout.split(" id ")[1].split()[0] if " id " in done.stdout else done.stdout.split()[-1]
        [shown] = farm.server.admin("history", "--project", "org-a", "--source", "file", "--id", id)
        assert shown["data"]["frame_rate"] == expected, done
        assert "duplicate" in farm.record(tmp_path / name).stdout
