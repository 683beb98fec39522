"""Media files of every kind that people bring, small and made by ffmpeg, each with the right answer.

A row of CASES says how a file is made, and how long its pictures are shown: that is known from how it was made. `by` says
how an independent count confirms it:

    frames   the number of pictures that ffprobe decodes, divided by the rate
    times    the times of the pictures that ffprobe decodes: the end of the last one minus the begin of the first
    None     ffprobe cannot tell; the row says why

A row without seconds is refused, for a reason that matches `refused`. A row with both may be measured or refused, but not
measured as anything else.
"""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import threading

import containers

WORKERS = 3


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    make: object  # called with the maker and the path
    seconds: float = None
    rate: float = 25
    by: str = "frames"
    refused: str = None
    size: tuple = (160, 90)  # None: not looked at
    outputs: int = 1  # each of so many seconds
    sizes: tuple = None  # of the outputs, if there are several
    exact: bool = False  # to the millisecond, not to a picture
    why: str = ""  # why ffprobe cannot tell, or why this is right


class Maker:
    """Makes files when they are first needed, each once, in threads."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.lock = threading.Lock()
        self.promised = {}
        self.recipes = {**SOURCES, **{case.name: case.make for case in CASES}}

    def need(self, name):
        """The path of a file, which is made now if it is not there."""
        with self.lock:
            promise = self.promised.get(name)
            is_mine = promise is None
            if is_mine:
                promise = self.promised[name] = concurrent.futures.Future()
        if not is_mine:
            promise.result()
            return self.directory / name
        try:
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.recipes[name](self, path)
            promise.set_result(None)
            return path
        except BaseException as error:
            promise.set_exception(error)
            raise

    def bytes(self, name):
        return self.need(name).read_bytes()

    def ffmpeg(self, *args, **kwargs):
        """Runs ffmpeg. An argument "@NAME" is the path of a file that is made first."""
        words = [str(self.need(arg[1:])) if isinstance(arg, str) and arg.startswith("@") else str(arg) for arg in args]
        done = subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", "-threads", "1", *words],
                              stderr=subprocess.PIPE, timeout=120, **kwargs)
        if done.returncode != 0:
            raise RuntimeError(f"ffmpeg {' '.join(words)}: {done.stderr.decode(errors='replace')}")


# ---- ways to make a file ----


def ff(*args):
    return lambda maker, path: maker.ffmpeg(*args, path)


def video(*args, seconds=10, rate=25, size="160x90", sound=True, pictures="testsrc2"):
    inputs = ["-f", "lavfi", "-i", f"{pictures}=size={size}:rate={rate}:duration={seconds}"]
    if sound:
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    return ff(*inputs, *args)


def copied(source, *args):
    return ff("-i", "@" + source, "-c", "copy", *args)


def changed(source, function, *args, **kwargs):
    """The bytes of a file, changed by a function of containers.py."""
    return lambda maker, path: path.write_bytes(function(maker.bytes(source), *args, **kwargs))


def joined(*sources):
    return lambda maker, path: path.write_bytes(b"".join(maker.bytes(source) for source in sources))


def written(content, *needs):
    """A text or bytes of its own, beside files that must be there."""
    def make(maker, path):
        for name in needs:
            maker.need(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return make


def beside(source):
    """A file that making another one left there."""
    return lambda maker, path: maker.need(source)


def piped(*args):
    """Made through a pipe: the muxer cannot go back to write sizes and lengths."""
    def make(maker, path):
        with open(path, "wb") as file:
            maker.ffmpeg(*args, "pipe:1", stdout=file)
    return make


def playlist(*lines, needs=()):
    return written("\n".join(("#EXTM3U", *lines)) + "\n", *needs)


X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-g", "25", "-bf", "0"]
X264B = ["-c:v", "libx264", "-preset", "superfast", "-crf", "40", "-g", "25", "-bf", "3"]
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25:min-keyint=25:bframes=3:pools=1"]
AV1 = ["-c:v", "libsvtav1", "-preset", "12", "-g", "50", "-svtav1-params", "lp=1"]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "50"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50"]
ALTREF = ["-deadline", "good", "-cpu-used", "5", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "60", "-b:v", "100k"]
AAC = ["-c:a", "aac", "-b:a", "32k"]
MP2 = ["-c:a", "mp2", "-b:a", "64k"]
TS = ["-f", "mpegts"]

SOURCES = {
    "base/plain.mp4": video(*X264, *AAC),                        # 250 pictures and sound, a key picture each second
    "base/short.mp4": video(*X264, *AAC, seconds=4),
    "base/b.mp4": video(*X264B, *AAC),                           # with B frames
    "base/silent.mp4": copied("base/plain.mp4", "-an"),
    "base/silent-b.mp4": copied("base/b.mp4", "-an"),
    "base/silent.mov": copied("base/plain.mp4", "-an"),
    "base/large.mp4": video(*X264, *AAC, size="320x180", seconds=4),
    "base/hevc.mp4": video(*X265, *AAC, seconds=8),
    "base/av1.mp4": video(*AV1, seconds=4, sound=False),
    "base/vp9.webm": video(*VP9, seconds=4, sound=False),
    "base/vp8.webm": video(*VP8, seconds=4, sound=False),
    "base/ntsc.mp4": video(*X264, *AAC, rate="30000/1001", seconds=6),
    "base/mpeg2.ts": video("-c:v", "mpeg2video", "-bf", "2", "-g", "12", *MP2, *TS, seconds=8),
    "base/tone.m4a": ff("-f", "lavfi", "-i", "sine=duration=14", *AAC),
    "base/sound.ts": ff("-f", "lavfi", "-i", "sine=duration=4", *AAC, *TS),
    "base/plain.flv": copied("base/plain.mp4"),
    "base/short.flv": copied("base/short.mp4"),
    "base/tone.srt": written("1\n00:00:01,000 --> 00:00:03,000\nhello\n\n2\n00:00:15,000 --> 00:00:20,000\nlate\n"),
    "base/chapters.txt": written(";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1\nSTART={at}\nEND={at + 10}\ntitle=part {at}\n" for at in (0, 10))),
    "base/cover.png": ff("-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1"),
    "base/slides.mp4": video("-c:v", "libx264", "-preset", "ultrafast", "-g", "1", "-bf", "0", *AAC, rate="1/5", seconds=20),
}

CASES = []


def case(name, make, seconds=None, **kwargs):
    CASES.append(Case(name, make, seconds, **kwargs))


# ---- transport streams ----

case("ts/plain.ts", copied("base/plain.mp4", *TS), 10)
case("ts/b.ts", copied("base/b.mp4", *TS), 10)
case("ts/silent.ts", copied("base/silent.mp4", *TS), 10)
case("ts/silent-b.ts", copied("base/silent-b.mp4", *TS), 10)
case("ts/hevc.ts", copied("base/hevc.mp4", *TS), 8)
case("ts/mpeg2.ts", copied("base/mpeg2.ts", *TS), 8)
case("ts/ntsc.ts", copied("base/ntsc.mp4", *TS), 6.006, rate=30000 / 1001)
case("ts/constant-rate.ts", copied("base/plain.mp4", "-muxrate", "800k", *TS), 10)

for _source, _seconds in (("plain", 10), ("b", 10), ("silent", 10), ("silent-b", 10), ("hevc", 8), ("mpeg2", 8), ("ntsc", 6.006)):
    _rate = 30000 / 1001 if _source == "ntsc" else 25
    for _kind, _leaps in (("forward-1h", [(0.5, 3600)]), ("back-1h", [(0.4, -3600)]), ("forward-3s", [(0.6, 3)]),
                          ("back-3s", [(0.5, -3)]), ("several", [(0.2, 20), (0.5, -40), (0.7, 90000)])):
        case(f"ts/leap-{_kind}-{_source}.ts", changed(f"ts/{_source}.ts", containers.ts_leap, *_leaps), _seconds, rate=_rate)
for _source, _seconds in (("b", 10), ("hevc", 8), ("mpeg2", 8)):
    case(f"ts/leap-at-key-{_source}.ts", changed(f"ts/{_source}.ts", containers.ts_leap, (0.3, 3600), (0.6, -9000), pid=0x100), _seconds)
case("ts/leap-30h.ts", changed("ts/plain.ts", containers.ts_leap, (0.5, 30 * 3600)), 10, why="more than a turn of the 33-bit clock")
case("ts/leap-half-turn.ts", changed("ts/plain.ts", containers.ts_leap, (0.5, 47721.9)), 10)
case("ts/leap-ahead-of-half.ts", changed("ts/b.ts", containers.ts_leap, (0.5, 47000)), 10)
case("ts/leap-1.5s.ts", changed("ts/plain.ts", containers.ts_leap, (0.5, 1.5)), 10)
case("ts/leap-at-second-picture-group.ts", changed("ts/plain.ts", containers.ts_leap, (0.02, 500)), 10)
case("ts/leap-near-end.ts", changed("ts/plain.ts", containers.ts_leap, (0.85, 500)), 10)
case("ts/leap-flag-0.5s.ts", changed("ts/plain.ts", containers.ts_leap, (0.5, 0.5), flag=True), 10)
case("ts/leap-flag-1h.ts", changed("ts/b.ts", containers.ts_leap, (0.5, 3600), flag=True), 10)
case("ts/flag-without-leap.ts", changed("ts/plain.ts", containers.ts_leap, (0.5, 0), flag=True), 10)
case("ts/step-0.4s.ts", changed("ts/plain.ts", containers.ts_leap, (0.5, 0.4)), 10.4, by="times", why="a held picture: no leap")
case("ts/leap-constant-rate.ts", changed("ts/constant-rate.ts", containers.ts_leap, (0.5, 3600)), 10)
case("ts/sound-pcr.ts", changed("ts/plain.ts", containers.ts_move_pcr, 0x101), 10)
case("ts/leap-sound-pcr.ts", changed("ts/sound-pcr.ts", containers.ts_leap, (0.5, 3600)), 10)
case("ts/own-pcr.ts", changed("ts/b.ts", containers.ts_move_pcr, 0x1ff), 10)
case("ts/leap-own-pcr.ts", changed("ts/own-pcr.ts", containers.ts_leap, (0.3, -3600), (0.6, 5)), 10)
case("ts/no-pcr.ts", changed("ts/plain.ts", containers.ts_move_pcr, 0x1fff), 10)
case("ts/leap-no-pcr.ts", changed("ts/no-pcr.ts", containers.ts_leap, (0.5, 3600)), 10)
case("ts/leap-no-pcr-silent.ts", lambda maker, path: path.write_bytes(containers.ts_leap(containers.ts_move_pcr(
    maker.bytes("ts/silent-b.ts"), 0x1fff), (0.5, -3600))), 10)

_at = lambda source, offset, *args: copied(source, "-mpegts_flags", "initial_discontinuity", "-output_ts_offset", str(offset), *args, *TS)
case("ts/at-7200.ts", _at("base/plain.mp4", 7200), 10)
case("ts/at-7200-b.ts", _at("base/b.mp4", 7200), 10)
case("ts/at-0.ts", _at("base/short.mp4", 0), 4)
case("ts/joined-back.ts", joined("ts/at-7200.ts", "ts/at-0.ts"), 14)
case("ts/joined-forward.ts", joined("ts/at-0.ts", "ts/at-7200.ts"), 14)
case("ts/joined-b.ts", joined("ts/at-7200-b.ts", "ts/b.ts"), 20)
case("ts/joined-three.ts", joined("ts/at-7200.ts", "ts/plain.ts", "ts/at-7200-b.ts"), 30)
case("ts/joined-same.ts", joined("ts/plain.ts", "ts/plain.ts"), 20)
case("ts/joined-same-silent.ts", joined("ts/silent-b.ts", "ts/silent-b.ts", "ts/silent-b.ts"), 30)
case("ts/joined-no-flag.ts", joined("ts/plain.ts", "ts/b.ts"), 20)
case("ts/joined-hevc.ts", joined("ts/hevc.ts", "ts/leap-forward-1h-hevc.ts"), 16)
case("ts/joined-mpeg2.ts", joined("ts/mpeg2.ts", "ts/mpeg2.ts"), 16)
case("ts/goes-on.ts", _at("base/short.mp4", 10), 4)
case("ts/joined-goes-on.ts", joined("ts/plain.ts", "ts/goes-on.ts"), 14, why="the second begins where the first ends")
case("ts/goes-on-late.ts", copied("base/short.mp4", "-output_ts_offset", "10.7", *TS), 4)
case("ts/large.ts", copied("base/large.mp4", *TS), 4, size=(320, 180))
case("ts/joined-two-sizes.ts", joined("ts/at-0.ts", "ts/large.ts"), refused="160x90.*320x180|320x180.*160x90", why="no size is right for both")
case("ts/other-pids.ts", copied("base/short.mp4", "-mpegts_start_pid", "0x200", *TS), 4)
case("ts/joined-other-pids.ts", joined("ts/plain.ts", "ts/other-pids.ts"), 14, refused=".", by=None,
     why="ffprobe shows two videos of 10 and 4 s; each alone is a part in silence")
case("ts/wrap.ts", copied("base/plain.mp4", "-output_ts_offset", "95438", *TS), 10)
case("ts/wrap-b.ts", copied("base/b.mp4", "-output_ts_offset", "95438.5", *TS), 10)
case("ts/wrap-silent-b.ts", copied("base/silent-b.mp4", "-output_ts_offset", "95440", *TS), 10)
case("ts/wrap-soon.ts", copied("base/b.mp4", "-output_ts_offset", "95442.2", *TS), 10)
case("ts/wrap-hevc.ts", copied("base/hevc.mp4", "-output_ts_offset", "95440", *TS), 8)
case("ts/wrap-then-leap.ts", changed("ts/wrap.ts", containers.ts_leap, (0.8, 7200)), 10)
case("ts/joined-wrap.ts", joined("ts/wrap.ts", "ts/wrap-b.ts", "ts/plain.ts"), 30)
case("ts/slides.ts", copied("base/slides.mp4", *TS), 20, rate=0.2)
case("ts/slides-silent.ts", copied("base/slides.mp4", "-an", *TS), 20, rate=0.2)
case("ts/slides-constant-rate.ts", copied("base/slides.mp4", "-muxrate", "300k", *TS), 20, rate=0.2)
case("ts/slides-2s.ts", video("-c:v", "libx264", "-preset", "ultrafast", "-g", "1", *AAC, *TS, rate="1/2", seconds=20), 20, rate=0.5)
case("ts/slides-mpeg2.ts", ff("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=20", "-f", "lavfi", "-i", "sine=duration=20",
     "-vf", "select='not(mod(n,75))'", "-vsync", "vfr", "-c:v", "mpeg2video", "-g", "1", *MP2, *TS), 18.04, by="times",
     why="seven pictures 3 s apart; the last one is shown for its frame")
case("ts/held-2s.ts", ff("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=10", "-f", "lavfi", "-i", "sine=duration=10",
     "-vf", "select='not(between(n,100,149))'", "-vsync", "vfr", *X264, *AAC, *TS), 10, by="times", why="the sound goes on")
case("ts/held-2s-then-leap.ts", changed("ts/held-2s.ts", containers.ts_leap, (0.8, 3600)), 10, by=None,
     why="ffprobe's times leap; 200 pictures and 2 s held")
case("ts/plain.m2ts", copied("base/plain.mp4", "-mpegts_m2ts_mode", "1", *TS), 10)
case("ts/leap.m2ts", changed("ts/leap-forward-1h-b.ts", containers.ts_to_m2ts), 10)
case("ts/joined.m2ts", changed("ts/joined-back.ts", containers.ts_to_m2ts), 14)
case("ts/wrap.m2ts", changed("ts/wrap-b.ts", containers.ts_to_m2ts), 10)
case("ts/checksums.ts", changed("ts/plain.ts", containers.ts_with_checksums), 10)
case("ts/leap-checksums.ts", changed("ts/leap-several-b.ts", containers.ts_with_checksums), 10)
case("ts/sound-longer.ts", ff("-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy", *TS), 4)
case("ts/sound-shorter.ts", ff("-i", "@base/plain.mp4", "-i", "@base/short.mp4", "-map", "0:v", "-map", "1:a", "-c", "copy", *TS), 10)
case("ts/sound-first.ts", ff("-itsoffset", "3", "-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy", *TS), 4)
case("ts/interlaced.ts", video(*X264, "-flags", "+ildct+ilme", "-x264-params", "interlaced=1", *AAC, *TS, seconds=6, size="160x96"), 6, size=(160, 96))
case("ts/interlaced-mpeg2.ts", video("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-bf", "2", *MP2, *TS, seconds=6), 6)
case("ts/mpeg1.ts", video("-c:v", "mpeg1video", *MP2, *TS, seconds=4), 4)
case("ts/mpeg4.ts", video("-c:v", "mpeg4", "-bf", "2", *MP2, *TS, seconds=4), 4)

for _name, _source, _leaps, _seconds in (
        ("0.9s-held", "b", [(0.5, 0.9)], 10.9), ("1.1s", "b", [(0.5, 1.1)], 10), ("back-0.2s", "b", [(0.5, -0.2)], 10), ("ten", "hevc",
        [(n / 11, (-1) ** n * n * 700) for n in range(1, 11)], 8), ("interlaced-mpeg2", "interlaced-mpeg2", [(0.5, 3600)], 6), ("mpeg4", "mpeg4", [(0.5, 3600)], 4),
        ("first", "plain", [(0, 3600)], 10), ("last", "plain", [(0.97, 3600)], 10), ("no-pcr-two", "no-pcr", [(0.3, 11), (0.6, -2)], 10),
        ("sound-longer", "sound-longer", [(0.2, 3600)], 4), ("sound-alone", "sound-longer", [(0.9, 3600)], 4)):
    case(f"ts/more-{_name}.ts", changed(f"ts/{_source}.ts", containers.ts_leap, *_leaps), _seconds, by="times" if _name == "0.9s-held" else "frames")
for _name, _source, _leap in (("slides", "slides", 3600), ("slides-little", "slides", 7), ("slides-silent", "slides-silent", 3600)):
    case(f"ts/more-{_name}.ts", changed(f"ts/{_source}.ts", containers.ts_leap, (0.5, _leap)), 20, rate=0.2)
case("ts/more-slides-joined.ts", joined("ts/slides.ts", "ts/slides.ts"), 40, rate=0.2)
case("ts/more-interlaced.ts", changed("ts/interlaced.ts", containers.ts_leap, (0.5, 3600)), 6, size=(160, 96))
case("ts/more-59.94.ts", changed("rates/59.94.ts", containers.ts_leap, (0.3, 3600), (0.6, -100)), 180 * 1001 / 60000, rate=60000 / 1001)
case("ts/joined-mpeg1.ts", joined("ts/mpeg1.ts", "ts/mpeg1.ts", "ts/mpeg1.ts"), 12)
case("ts/joined.m2ts.ts", joined("ts/plain.m2ts", "ts/plain.m2ts"), 20)
case("ts/begins-within.ts", changed("ts/plain.ts", lambda data: data[5000:]), 9.76, rate=1, refused="truncated", by=None, why="the first key picture is cut off: what is shown depends on the player")
case("ts/rare-tables.ts", copied("base/b.mp4", "-pat_period", "100", "-sdt_period", "100", *TS), 10)

# ---- Flash video ----

case("flv/plain.flv", copied("base/plain.mp4"), 10)
case("flv/b.flv", copied("base/b.mp4"), 10)
case("flv/silent.flv", copied("base/silent-b.mp4"), 10)
case("flv/live.flv", copied("base/b.mp4", "-flvflags", "no_duration_filesize"), 10)
case("flv/sorenson.flv", video("-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100", seconds=4), 4)
case("flv/leap.flv", changed("base/plain.flv", containers.flv_leap, 5, 3600), 10)
case("flv/leap-b.flv", changed("flv/b.flv", containers.flv_leap, 5, 3600), 10)
case("flv/leap-live.flv", changed("flv/live.flv", containers.flv_leap, 4, 50000), 10)
case("flv/leap-30s.flv", changed("base/plain.flv", containers.flv_leap, 5, 30), 10)
case("flv/restart.flv", lambda maker, path: path.write_bytes(maker.bytes("base/plain.flv") + containers.flv_body(maker.bytes("base/short.flv"))), 14)
case("flv/restart-live.flv", lambda maker, path: path.write_bytes(maker.bytes("flv/live.flv") + containers.flv_body(maker.bytes("base/plain.flv"))), 20)
case("flv/restart-three.flv", lambda maker, path: path.write_bytes(
    maker.bytes("base/plain.flv") + containers.flv_body(maker.bytes("base/short.flv")) * 2), 18)
case("flv/joined.flv", joined("base/plain.flv", "base/short.flv"), 14, refused=".", by=None, why="a second header stands within the tags")
for _name, _at in (("at-tag", 0), ("in-tag", 50), ("in-head", 5)):
    case(f"flv/joined-cut-{_name}.flv", lambda maker, path, at=_at: path.write_bytes(containers.flv_head(maker.bytes("flv/plain.flv"), 0.5, at) + maker.bytes("base/short.flv")),
         refused="truncated")
    case(f"flv/joined-live-cut-{_name}.flv", lambda maker, path, at=_at: path.write_bytes(containers.flv_head(maker.bytes("flv/live.flv"), 0.5, at) + maker.bytes("base/short.flv")),
         9.2 if _at == 0 else None, refused=None if _at == 0 else "truncated", rate=4, by=None, why="a live recording may end anywhere: it shows what it holds")
case("flv/joined-then-cut.flv", lambda maker, path: path.write_bytes(maker.bytes("flv/plain.flv") + containers.flv_head(maker.bytes("base/short.flv"), 0.5, 0)), refused="truncated")
case("flv/held.flv", ff("-i", "@base/plain.mp4", "-vf", "select='not(between(n,100,149))'", "-vsync", "vfr", *X264, *AAC), 10, by="times")
case("flv/sound-longer.flv", ff("-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy"), 4)
case("flv/plain.f4v", copied("base/plain.mp4"), 10)

case("flv/leap-twice.flv", changed("flv/leap.flv", containers.flv_leap, 400, 900), 10)
case("flv/leap-back.flv", changed("flv/at-5000.flv", containers.flv_leap, 5003, -3000), 10)
case("flv/at-5000.flv", changed("base/plain.flv", containers.flv_leap, 0, 5000), 10)
case("flv/step-5s.flv", changed("base/plain.flv", containers.flv_leap, 5, 5), 15, by="times", why="a held picture: no leap")
for _source, _end in (("flv/plain", "flv"), ("flv/b", "flv"), ("flv/silent", "flv"), ("flv/at-5000", "flv"), ("ts/plain", "ts"), ("ts/silent-b", "ts"), ("ts/no-pcr", "ts"), ("ps/silent", "vob"),
                      ("mkv/b", "mkv"), ("mkv/small-clusters", "mkv"), ("mkv/vp9", "webm"), ("mp4/fragmented-each", "mp4"), ("mp4/fragmented-no-index", "mp4")):
    _right = {"ps/silent": 6, "mkv/vp9": 4}.get(_source, 10)
    for _name, _fraction, _time, _count in (("ahead", 0.5, 4000, 1), ("ahead-little", 0.4, 9.5, 1), ("at-0", 0.6, 0, 1), ("two", 0.3, 5005, 2), ("back", 0.7, 1.3, 1)):
        case(f"strays/{_source.replace('/', '-')}-{_name}.{_end}", changed(f"{_source}.{_end}", containers.stray_at, f".{_end}", _fraction, _time, _count), _right,
             by=None, why="ffprobe takes damaged times as they are")
for _source in ("plain", "b", "silent"):
    case(f"strays/last-{_source}.flv", changed(f"flv/{_source}.flv", containers.stray_at, ".flv", 0.9999, 18.5), 10, by=None, why="the file states its length")
for _name in ("fragmented-no-index", "cmaf"):
    case(f"strays/last-{_name}.mp4", changed(f"mp4/{_name}.mp4", containers.stray_at, ".mp4", 0.93, 7000), 10, refused="away|go back", by=None)
    case(f"strays/first-{_name}.mp4", changed(f"mp4/{_name}.mp4", containers.stray_at, ".mp4", 0, 7000), refused="go back")
case("mp4/late-clock-cmaf.mp4", copied("base/b.mp4", "-output_ts_offset", "3600", "-movflags", "cmaf+frag_keyframe"), 10)
case("strays/first-late.mp4", changed("mp4/late-clock-cmaf.mp4", containers.stray_at, ".mp4", 0, 5), refused="away")
case("strays/delta.mp4", changed("base/silent.mp4", containers.mp4_put, b"stts", 12, 1 << 20), refused="away")
case("strays/shown-late.mp4", changed("base/silent-b.mp4", containers.mp4_put, b"ctts", 12, 1 << 22), refused="away")
case("flv/piped.flv", piped("-i", "@base/b.mp4", "-c", "copy", "-f", "flv"), 10)

# ---- MPEG program streams, and the raw streams of MPEG ----

case("ps/plain.mpg", video("-c:v", "mpeg1video", *MP2, "-f", "mpeg", seconds=6), 6)
case("ps/plain.vob", video("-c:v", "mpeg2video", "-bf", "2", "-c:a", "ac3", "-f", "vob", seconds=6), 6)
case("ps/other.vob", video("-c:v", "mpeg2video", "-bf", "2", "-c:a", "ac3", "-f", "vob", "-output_ts_offset", "100", seconds=4), 4)
case("ps/silent.vob", video("-c:v", "mpeg2video", "-bf", "2", "-f", "vob", seconds=6, sound=False), 6)
case("ps/svcd.mpg", video("-c:v", "mpeg2video", *MP2, "-f", "svcd", seconds=4), 4)
case("ps/joined.vob", joined("ps/plain.vob", "ps/plain.vob"), 12)
case("ps/joined-back.vob", joined("ps/other.vob", "ps/plain.vob"), 10)
case("ps/joined-forward.vob", joined("ps/plain.vob", "ps/other.vob"), 10)
case("ps/joined-silent.vob", joined("ps/silent.vob", "ps/silent.vob", "ps/silent.vob"), 18)
case("ps/joined.mpg", joined("ps/plain.mpg", "ps/plain.mpg"), 12)
case("ps/h264.vob", copied("base/b.mp4", "-an", "-bsf:v", "h264_mp4toannexb", "-f", "vob"), 10)

# ---- MP4 and QuickTime ----

case("mp4/plain.mp4", copied("base/plain.mp4"), 10)
case("mp4/b.mp4", copied("base/b.mp4"), 10)
case("mp4/plain.mov", copied("base/plain.mp4"), 10)
case("mp4/fast.mp4", copied("base/b.mp4", "-movflags", "faststart"), 10)
case("mp4/plain.3gp", copied("base/plain.mp4"), 10)
case("mp4/plain.m4v", copied("base/plain.mp4", "-f", "mp4"), 10)
case("mp4/hevc.mp4", copied("base/hevc.mp4"), 8)
case("mp4/av1.mp4", copied("base/av1.mp4"), 4)
case("mp4/vp9.mp4", copied("base/vp9.webm"), 4)
case("mp4/no-edit-list.mp4", copied("base/b.mp4", "-use_editlist", "0"), 10)
for _name, _source, _edits, _seconds, _by in (
        ("trim-head", "silent", [(4, 6)], 4, "frames"),
        ("trim-tail", "silent", [(7, 0)], 7, "frames"),
        ("trim-both", "silent", [(5, 2)], 5, "frames"),
        ("trim-off-key", "silent", [(4.52, 3.48)], 4.52, "frames"),
        ("cut-out", "silent", [(3, 0), (3, 7)], 6, "frames"),
        ("three-parts", "silent", [(1, 1), (2, 4), (1.2, 8)], 4.2, "frames"),
        ("shown-twice", "silent", [(4, 0), (4, 0)], 8, None),
        ("other-order", "silent", [(2, 6), (2, 1)], 4, None),
        ("overlapping", "silent", [(6, 0), (6, 4)], 12, None),
        ("starts-late", "silent", [(2, -1), (10, 0)], 10, "frames"),
        ("gap-within", "silent", [(3, 0), (2, -1), (3, 3)], 6, None),
        ("dwell", "silent", [(3, 0), (2, 3, 0), (4, 3)], 9, None),
        ("longer-than-media", "silent", [(20, 0)], 10, "frames"),
        ("four-parts", "silent", [(0.52, 0), (0.52, 1), (0.52, 2), (0.52, 3)], 2.08, "frames"),
        ("beyond-end", "silent", [(5, 8)], 2, "frames"),
        ("gap-and-parts-b", "silent-b", [(1, 0.08), (1, -1), (1.3, 4.44), (0.5, 9)], 2.8, None),
        ("trim-head-b", "silent-b", [(4, 6.08)], 4, "frames"),
        ("trim-tail-b", "silent-b", [(6.4, 0.08)], 6.4, "frames"),
        ("cut-out-b", "silent-b", [(3, 0.08), (2, 7.08)], 5, "frames")):
    case(f"mp4/edit-{_name}.mp4", changed(f"base/{_source}.mp4", containers.mp4_edit, _edits), _seconds, by=_by,
         why="" if _by else "libavformat does not play such an edit list")
case("mp4/edit-nothing.mp4", changed("base/silent.mp4", containers.mp4_edit, [(0, 0)]), 0.04, by=None, refused="no picture", why="a row of no length shows all or nothing")
case("mp4/edit-behind-end.mp4", changed("base/silent.mp4", containers.mp4_edit, [(5, 12)]), refused="no picture")
case("mp4/joined.mp4", joined("base/plain.mp4", "base/short.mp4"), 14, refused="joined", by=None, why="players show the first")
case("mp4/late-clock.mp4", copied("base/b.mp4", "-output_ts_offset", "3600"), 10)
case("mp4/late-clock-fragmented.mp4", copied("base/b.mp4", "-output_ts_offset", "3600", "-movflags", "frag_keyframe+delay_moov"), 10)
case("mp4/piped.mov", piped("-i", "@base/b.mp4", "-c", "copy", "-movflags", "frag_keyframe", "-f", "mov"), 10)
case("mp4/edit-trim-head-64.mp4", changed("base/silent.mp4", containers.mp4_edit, [(4, 6)], version=1), 4)
case("mp4/edit-trim-head.mov", changed("base/silent.mov", containers.mp4_edit, [(4, 6)]), 4)
case("mp4/edit-cut-out.mov", changed("base/silent.mov", containers.mp4_edit, [(3, 0), (3, 7)]), 6)
case("mp4/edit-picture-only.mp4", changed("base/plain.mp4", containers.mp4_edit, [(3, 5)]), 3, why="the sound is not trimmed")
case("mp4/edit-sound-only.mp4", changed("base/plain.mp4", containers.mp4_edit, [(3, 5)], track=2), 10)
case("mp4/ss-copy.mp4", ff("-ss", "3.28", "-i", "@base/silent.mp4", "-c", "copy"), 6.72)
case("mp4/ss-copy-b.mp4", ff("-ss", "3.28", "-i", "@base/b.mp4", "-c", "copy"), 6.72)
case("mp4/ss-t-copy.mp4", ff("-ss", "3.28", "-t", "4", "-i", "@base/silent.mp4", "-c", "copy"), 4)
case("mp4/ss-copy-fast.mp4", ff("-ss", "2.6", "-i", "@base/b.mp4", "-c", "copy", "-movflags", "faststart"), 7.4)
case("mp4/ss-copy.mov", ff("-ss", "2.6", "-i", "@base/b.mp4", "-c", "copy"), 7.4)
case("mp4/ss-copy-90k.mp4", ff("-ss", "3.28", "-i", "@base/silent.mp4", "-c", "copy", "-video_track_timescale", "90000"), 6.72)
case("mp4/ss-copy-fragmented.mp4", ff("-ss", "3.28", "-i", "@base/silent-b.mp4", "-c", "copy", "-movflags", "frag_keyframe+delay_moov"), 6.72, by=None,
     why="ffprobe decodes the pictures before the edit too")
for _name, _source, _flags, _seconds in (
        ("fragmented", "b", "frag_keyframe+empty_moov", 10), ("fragmented-delay", "b", "frag_keyframe+delay_moov", 10),
        ("fragmented-hybrid", "b", "frag_keyframe", 10), ("fragmented-base", "plain", "frag_keyframe+empty_moov+default_base_moof", 10),
        ("fragmented-separate", "b", "frag_keyframe+empty_moov+separate_moof", 10), ("cmaf", "b", "cmaf+frag_keyframe", 10),
        ("fragmented-each", "plain", "frag_every_frame+empty_moov", 10), ("fragmented-sidx", "b", "frag_keyframe+empty_moov+default_base_moof+global_sidx", 10),
        ("fragmented-dash", "silent-b", "dash+frag_keyframe+global_sidx", 10), ("fragmented-hevc", "hevc", "frag_keyframe+empty_moov", 8),
        ("fragmented-no-index", "b", "frag_keyframe+empty_moov+skip_trailer", 10), ("fragmented-negative", "b", "frag_keyframe+empty_moov+negative_cts_offsets", 10)):
    case(f"mp4/{_name}.mp4", copied(f"base/{_source}.mp4", "-movflags", _flags), _seconds)
case("mp4/plain.ismv", copied("base/b.mp4"), 10)
case("mp4/piped.mp4", piped("-i", "@base/b.mp4", "-c", "copy", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"), 10)
case("mp4/chapters.mp4", ff("-i", "@base/short.mp4", "-i", "@base/chapters.txt", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy"), 4)
case("mp4/chapters.mov", ff("-i", "@base/silent.mp4", "-i", "@base/chapters.txt", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", "-t", "7"), 7)
case("mp4/chapters-frames.mp4", ff("-i", "@mp4/chapters.mp4", *X264, *AAC, "-frames:v", "75"), 3)
case("mp4/timecode.mov", copied("base/silent.mp4", "-timecode", "01:00:00:00"), 10)
case("mp4/timecode.mp4", copied("base/b.mp4", "-timecode", "10:00:00:00"), 10)
case("mp4/subtitles.mp4", ff("-i", "@base/short.mp4", "-i", "@base/tone.srt", "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text"), 4)
case("mp4/sound-longer.mp4", ff("-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy"), 4)
case("mp4/sound-longer.mov", ff("-i", "@base/silent.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy"), 10)
case("mp4/sound-shorter.mp4", ff("-i", "@base/plain.mp4", "-i", "@base/short.mp4", "-map", "0:v", "-map", "1:a", "-c", "copy"), 10)
case("mp4/sound-longer-fragmented.mp4", ff("-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy",
     "-movflags", "frag_keyframe+empty_moov"), 4)
case("mp4/picture-late.mp4", ff("-itsoffset", "5", "-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy"), 4)
case("mp4/picture-late-fragmented.mp4", ff("-itsoffset", "5", "-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy",
     "-movflags", "frag_keyframe+delay_moov"), 4)
case("mp4/cover.mp4", ff("-i", "@base/short.mp4", "-i", "@base/cover.png", "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic"), 4)
case("mp4/one-picture.mp4", ff("-i", "@base/silent.mp4", "-c", "copy", "-frames:v", "1"), 0.04, refused="picture")
case("mp4/mpeg4.mp4", video("-c:v", "mpeg4", "-bf", "2", *AAC, seconds=4), 4)
case("mp4/prores.mov", video("-c:v", "prores", seconds=1, sound=False), 1)
case("mp4/mjpeg.mov", video("-c:v", "mjpeg", seconds=2, sound=False), 2)
case("mp4/animation.mov", video("-c:v", "qtrle", seconds=2, sound=False), 2)
case("mp4/dnxhr.mov", video("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p", seconds=1, size="256x120", sound=False), 1, size=(256, 120))
case("mp4/interlaced.mp4", video(*X264, "-flags", "+ildct+ilme", "-x264-params", "interlaced=1", *AAC, seconds=6, size="160x96"), 6, size=(160, 96))
case("mp4/open-groups.mp4", video("-c:v", "libx264", "-preset", "veryfast", "-x264-params", "open-gop=1:keyint=25:bframes=3", *AAC, seconds=6), 6)
case("mp4/ss-copy-open-groups.mp4", ff("-ss", "2.4", "-i", "@mp4/open-groups.mp4", "-c", "copy"), 3.6)
case("mp4/rotated.mp4", copied("base/short.mp4", "-metadata:s:v", "rotate=90"), 4, size=(90, 160))
case("mp4/rotated-180.mp4", copied("base/short.mp4", "-metadata:s:v", "rotate=180"), 4)
case("mp4/rotated-270.mov", copied("base/short.mp4", "-metadata:s:v", "rotate=270"), 4, size=(90, 160))
case("mp4/wide-pixels.mp4", video(*X264, "-vf", "setsar=16/11", seconds=2), 2)
case("mp4/odd-size.mp4", video("-vf", "scale=161:91", "-pix_fmt", "yuv444p", "-c:v", "libx264", "-preset", "ultrafast", seconds=2), 2, size=(161, 91))
case("mp4/cropped.mp4", video(*X264, seconds=2, size="170x98"), 2, size=(170, 98))
for _name, _rate, _seconds in (("23.976", "24000/1001", 4), ("29.97", "30000/1001", 4), ("50", "50", 3), ("59.94", "60000/1001", 3), ("12.5", "25/2", 4),
                               ("1", "1", 8), ("120", "120", 2)):
    _number = eval(_rate)  # one of the rates above
    _frames = round(_seconds * _number)
    for _end in ("mp4", "mkv", "ts", "flv", "mov", "avi"):
        case(f"rates/{_name}.{_end}", ff("-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={_rate}", "-frames:v", str(_frames), *X264), _frames / _number,
             rate=_number)
case("vfr/held.mp4", ff("-i", "@base/plain.mp4", "-vf", "select='not(between(n,100,149))'", "-vsync", "vfr", *X264, *AAC), 10, by="times")
case("vfr/held.mkv", ff("-i", "@base/plain.mp4", "-vf", "select='not(between(n,100,149))'", "-vsync", "vfr", *X264, *AAC), 10, by="times")
case("vfr/mixed.mp4", ff("-i", "@base/silent.mp4", "-vf", "select='lt(n,100)+gte(n,100)*not(mod(n,5))'", "-vsync", "vfr", *X264), 9.84 + 0.04, by="times", rate=5)
case("vfr/minute-held.mkv", ff("-i", "@base/silent.mp4", "-vf", "setpts='if(lt(N,100),N,N+1750)/25/TB'", "-vsync", "vfr", *X264), 80, by="times")
case("vfr/minute-held.mp4", ff("-i", "@base/silent.mp4", "-vf", "setpts='if(lt(N,100),N,N+1750)/25/TB'", "-vsync", "vfr", *X264B), 80, by="times")
for _end, _codec in (("mp4", X264), ("webm", VP9)):  # the last of 250 pictures begins at (249/25) * (1 + 249/250)
    case(f"vfr/slower.{_end}", ff("-i", "@base/silent.mp4", "-vf", "setpts='PTS*(1+N/250)'", "-vsync", "vfr", *_codec), 249 / 25 * (1 + 249 / 250) + 0.08,
         by="times", rate=12.5)

# ---- Matroska and WebM ----

case("mkv/plain.mkv", copied("base/plain.mp4"), 10)
case("mkv/b.mkv", copied("base/b.mp4"), 10)
case("mkv/hevc.mkv", copied("base/hevc.mp4"), 8)
case("mkv/av1.mkv", copied("base/av1.mp4"), 4)
case("mkv/av1.webm", copied("base/av1.mp4"), 4)
case("mkv/mpeg2.mkv", copied("base/mpeg2.ts"), 8)
case("mkv/vp8.webm", copied("base/vp8.webm"), 4)
case("mkv/vp9.webm", copied("base/vp9.webm"), 4)
case("mkv/vp9-altref.webm", video("-c:v", "libvpx-vp9", *ALTREF, seconds=5, sound=False), 5)
case("mkv/vp8-altref.webm", video("-c:v", "libvpx", *ALTREF, seconds=5, sound=False), 5)
case("mkv/sound-longer.mkv", ff("-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy"), 4)
case("mkv/sound-longer.webm", ff("-i", "@base/vp9.webm", "-f", "lavfi", "-i", "sine=duration=9", "-c:v", "copy", "-c:a", "libopus", "-b:a", "32k"), 4)
case("mkv/sound-shorter.mkv", ff("-i", "@base/plain.mp4", "-i", "@base/short.mp4", "-map", "0:v", "-map", "1:a", "-c", "copy"), 10)
case("mkv/subtitles.mkv", ff("-i", "@base/short.mp4", "-i", "@base/tone.srt", "-map", "0", "-map", "1", "-c", "copy"), 4)
case("mkv/live.mkv", copied("base/b.mp4", "-live", "1"), 10)
case("mkv/live.webm", copied("base/vp9.webm", "-live", "1"), 4)
case("mkv/piped.mkv", piped("-i", "@base/b.mp4", "-c", "copy", "-f", "matroska"), 10)
case("mkv/piped.webm", piped("-i", "@base/vp8.webm", "-c", "copy", "-f", "webm"), 4)
case("mkv/piped-sound-longer.mkv", piped("-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy", "-f", "matroska"), 4)
case("mkv/picture-late.mkv", ff("-itsoffset", "5", "-i", "@base/short.mp4", "-i", "@base/tone.m4a", "-map", "0:v", "-map", "1:a", "-c", "copy"), 4)
case("mkv/cover.mkv", ff("-i", "@base/short.mp4", "-c", "copy", "-attach", "@base/cover.png", "-metadata:s:t", "mimetype=image/png"), 4)
case("mkv/one-picture.mkv", ff("-i", "@base/silent.mp4", "-c", "copy", "-frames:v", "1"), 0.04, refused="picture")
case("mkv/ffv1.mkv", video("-c:v", "ffv1", seconds=1, sound=False), 1)
case("mkv/small-clusters.mkv", copied("base/b.mp4", "-cluster_time_limit", "200"), 10)
case("mkv/index-first.mkv", copied("base/b.mp4", "-reserve_index_space", "50000"), 10)

case("mkv/joined.mkv", joined("mkv/b.mkv", "mkv/plain.mkv"), 20, by=None, why="ffprobe reads the first")
case("mkv/joined-live.mkv", joined("mkv/live.mkv", "mkv/live.mkv"), 20, by=None)
case("mkv/joined-three.mkv", joined("mkv/b.mkv", "mkv/ss-copy.mkv", "mkv/live.mkv"), 28, by=None)
case("mkv/joined.webm", joined("mkv/vp9.webm", "mkv/vp9.webm"), 8, by=None)
case("mkv/joined-two-codecs.mkv", joined("mkv/b.mkv", "mkv/vp9.webm"), refused="codec")
case("mkv/joined-cut.mkv", lambda maker, path: path.write_bytes(maker.bytes("mkv/b.mkv")[:60000] + maker.bytes("mkv/b.mkv")), refused="damaged")
case("mkv/joined-then-cut.mkv", lambda maker, path: path.write_bytes(maker.bytes("mkv/b.mkv") + maker.bytes("mkv/b.mkv")[:60000]), refused="truncated")
case("mkv/ss-copy.mkv", ff("-ss", "2.5", "-i", "@base/b.mp4", "-c", "copy"), 8)

# ---- AVI, MXF, Ogg, ASF and others ----

case("other/mpeg4.avi", video("-c:v", "mpeg4", "-c:a", "libmp3lame", seconds=6), 6)
case("other/mpeg4-b.avi", video("-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame", seconds=6), 6)
case("other/xvid-b.avi", video("-c:v", "libxvid", "-bf", "2", seconds=6, sound=False), 6, by=None, why="150 packets, two of which repeat a picture")
case("other/mjpeg.avi", video("-c:v", "mjpeg", seconds=2, sound=False), 2)
case("other/h264.avi", video(*X264, "-c:a", "libmp3lame", seconds=6), 6)
case("other/raw.avi", video("-c:v", "rawvideo", "-pix_fmt", "yuv420p", seconds=1, sound=False, size="64x48"), 1, size=(64, 48))
case("other/repeated.avi", ff("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=10", "-vf", "select='not(between(n,100,149))'", "-vsync", "vfr", "-c:v", "mpeg4"),
     10, by="times", why="empty chunks repeat a picture 50 times")
case("other/repeated-often.avi", ff("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=10", "-vf", "select='not(mod(n,5))+gte(n,240)'", "-vsync", "vfr",
     "-enc_time_base", "1/25", "-c:v", "mpeg4"), 10, by="times")
case("other/sound-longer.avi", ff("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4", "-f", "lavfi", "-i", "sine=duration=9", "-c:v", "mpeg4", "-c:a", "libmp3lame"), 4)
case("other/mpeg2.mxf", video("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-c:a", "pcm_s16le", "-ar", "48000", seconds=4), 4)
case("other/dnxhd.mxf", video("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p", seconds=1, size="256x120", sound=False), 1, size=(256, 120))
case("other/theora.ogv", video("-c:v", "libtheora", "-c:a", "libvorbis", seconds=4), 4, size=None)
case("other/theora-sound-longer.ogv", ff("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=4", "-f", "lavfi", "-i", "sine=duration=9", "-c:v", "libtheora", "-c:a", "libvorbis"), 4, size=None)
case("other/vp8.ogv", copied("base/vp8.webm", "-f", "ogg"), 4)
case("other/plain.wmv", video("-c:v", "wmv2", "-c:a", "wmav2", seconds=4), 4)
case("other/sound-longer.wmv", ff("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4", "-f", "lavfi", "-i", "sine=duration=9", "-c:v", "wmv2", "-c:a", "wmav2"), 4)
case("other/msmpeg4.asf", video("-c:v", "msmpeg4", "-c:a", "wmav2", seconds=4), 4)
case("other/piped.asf", piped("-i", "@other/plain.wmv", "-c", "copy", "-f", "asf"), 4)
case("other/plain.nut", copied("base/b.mp4"), 10)
case("other/flv1.swf", video("-c:v", "flv", seconds=4, sound=False), 4, refused=".", size=None)
case("other/rv20.rm", video("-c:v", "rv20", seconds=4, sound=False, size="176x144"), 4, refused=".", size=(176, 144))
case("other/mpeg2.wtv", copied("base/mpeg2.ts"), 8)
case("other/plain.dv", ff("-f", "lavfi", "-i", "testsrc2=size=720x576:rate=25", "-frames:v", "12", "-pix_fmt", "yuv420p", "-c:v", "dvvideo", "-f", "dv"), 0.48, size=(720, 576))
case("other/plain.3g2", video("-c:v", "h263", "-an", seconds=4, size="176x144"), 4, size=(176, 144))

case("other/piped.avi", piped("-i", "@other/mpeg4.avi", "-c", "copy", "-f", "avi"), 6)
case("other/piped.mxf", piped("-i", "@other/mpeg2.mxf", "-c", "copy", "-f", "mxf"), 4)
case("other/piped.ogv", piped("-i", "@other/theora.ogv", "-c", "copy", "-f", "ogg"), 4, size=None)
case("other/piped.nut", piped("-i", "@base/b.mp4", "-c", "copy", "-f", "nut"), 10)
case("other/joined.avi", joined("other/mpeg4.avi", "other/mpeg4.avi"), 12, refused="joined")
case("other/chained.ogv", joined("other/theora.ogv", "other/theora.ogv"), 8, size=None)
case("other/joined.mxf", joined("other/mpeg2.mxf", "other/mpeg2.mxf"), 8, refused="joined", by="frames")
case("other/joined.wmv", joined("other/plain.wmv", "other/plain.wmv"), 8, refused="joined", by=None, why="players show the first")
case("other/joined.nut", joined("other/plain.nut", "other/plain.nut"), 20, refused="joined")

# ---- raw streams ----

NO_RATE = "rate"
case("raw/h264.h264", copied("base/silent.mp4", "-f", "h264"), 10)
case("raw/h264-b.h264", copied("base/silent-b.mp4", "-f", "h264"), 10)
case("raw/h264-50.h264", video(*X264, "-f", "h264", rate=50, seconds=4, sound=False), 4, rate=50)
case("raw/h264-29.97.264", video(*X264, "-f", "h264", rate="30000/1001", seconds=4, sound=False), 4, rate=30000 / 1001)
case("raw/interlaced.h264", video(*X264, "-flags", "+ildct+ilme", "-x264-params", "interlaced=1", "-f", "h264", seconds=4, sound=False, size="160x96"), 4, size=(160, 96))
case("raw/no-rate.h264", changed("raw/h264-50.h264", containers.h264_without_rate), refused=NO_RATE)
case("raw/hevc.hevc", copied("base/hevc.mp4", "-an", "-f", "hevc"), 8)
case("raw/hevc-50.265", video(*X265, "-f", "hevc", rate=50, seconds=2, sound=False), 2, rate=50)
case("raw/no-rate.hevc", video("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:vui-timing-info=0:pools=1", "-f", "hevc", rate=50, seconds=2, sound=False),
     refused=NO_RATE)
case("raw/av1.obu", copied("base/av1.mp4", "-f", "obu"), refused=NO_RATE)
case("raw/av1-50.obu", video(*AV1, "-f", "obu", rate=50, seconds=2, sound=False), refused=NO_RATE)
case("raw/mjpeg.mjpeg", video("-c:v", "mjpeg", "-f", "mjpeg", seconds=2, sound=False), 2, refused="rate|picture|cannot measure", by=None)
case("raw/mjpeg-50.mjpeg", video("-c:v", "mjpeg", "-f", "mjpeg", seconds=2, rate=50, sound=False), refused="rate|picture|cannot measure")
case("raw/mpeg2.m2v", copied("base/mpeg2.ts", "-an", "-f", "mpeg2video"), 8)
case("raw/mpeg2-29.97.m2v", video("-c:v", "mpeg2video", "-f", "mpeg2video", rate="30000/1001", seconds=4, sound=False), 4, rate=30000 / 1001)
case("raw/mpeg1.m1v", video("-c:v", "mpeg1video", "-f", "mpeg1video", seconds=4, rate=50, sound=False), 4, rate=50)
case("raw/mpeg4-50.m4v", video("-c:v", "mpeg4", "-f", "m4v", rate=50, seconds=2, sound=False), 2, rate=50, refused=NO_RATE, by="frames")
case("raw/vp9.ivf", copied("base/vp9.webm"), 4)
case("raw/vp8.ivf", copied("base/vp8.webm"), 4)
case("raw/av1.ivf", copied("base/av1.mp4"), 4)
case("raw/altref.ivf", copied("mkv/vp9-altref.webm"), 5)
case("raw/piped.ivf", piped("-i", "@base/vp9.webm", "-c", "copy", "-f", "ivf"), 4)
case("raw/joined.h264", joined("raw/h264-b.h264", "raw/h264.h264"), 20)
case("raw/joined.hevc", joined("raw/hevc.hevc", "raw/hevc.hevc"), 16)
case("raw/joined.m2v", joined("raw/mpeg2.m2v", "raw/mpeg2.m2v"), 16)
case("raw/joined.dv", joined("other/plain.dv", "other/plain.dv"), 0.96, size=(720, 576))
case("raw/plain.y4m", video(seconds=1, size="64x48", sound=False, rate=50), 1, rate=50, size=(64, 48))
case("raw/dirac.drc", video("-c:v", "vc2", "-f", "dirac", seconds=1, rate=50, sound=False), 1, rate=50, exact=True)
case("raw/dirac-25.drc", video("-c:v", "vc2", "-f", "dirac", seconds=1, sound=False), 1, exact=True)
case("raw/joined.drc", joined("raw/dirac-25.drc", "raw/dirac-25.drc"), 2, exact=True, by=None, why="ffprobe drops the second: its picture numbers begin again")
case("raw/plus.h263", video("-c:v", "h263p", "-f", "h263", seconds=2, size="176x144", sound=False), 2, exact=True, size=(176, 144))
case("raw/plain.h263", video("-c:v", "h263", "-f", "h263", seconds=2, rate="30000/1001", size="176x144", sound=False), 60 * 1001 / 30000, rate=30000 / 1001, exact=True, size=(176, 144))
case("raw/plain.h261", video("-c:v", "h261", "-f", "h261", seconds=2, rate="30000/1001", size="176x144", sound=False), 60 * 1001 / 30000, rate=30000 / 1001, exact=True, size=(176, 144))
case("raw/plain.dnxhd", video("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p", "-f", "dnxhd", seconds=1, size="256x120", sound=False), 1, exact=True, size=(256, 120), refused="rate", by="frames")
case("raw/yuv.yuv", video("-f", "rawvideo", seconds=1, size="64x48", sound=False), refused=".")

# ---- pictures that move, and pictures that do not ----

case("pictures/animated.gif", video("-t", "4", rate=10, seconds=4, sound=False), 4, rate=10)
case("pictures/slow.gif", video(rate="1/2", seconds=8, sound=False), 8, rate=0.5)
case("pictures/one.gif", ff("-i", "@base/cover.png"), refused="picture")
case("pictures/animated.apng", video("-f", "apng", rate=10, seconds=4, sound=False), 4, rate=10, refused="cannot measure|picture")
case("pictures/animated.png", video("-f", "apng", rate=10, seconds=4, sound=False), 4, rate=10, refused="cannot measure|picture")
case("pictures/animated.webp", video("-c:v", "libwebp_anim", "-loop", "0", rate=10, seconds=4, sound=False), 4, rate=10, by=None,
     why="this ffprobe does not read animated WebP")
case("pictures/slow.webp", video("-c:v", "libwebp_anim", "-loop", "0", rate=1, seconds=6, sound=False), 6, rate=1, by=None)
case("pictures/last-held.gif", video("-final_delay", "300", rate=10, seconds=4, sound=False), 6.9, rate=10, by="times", why="39 pictures of 0.1 s, and one of 3 s")
case("pictures/joined.gif", joined("pictures/animated.gif", "pictures/animated.gif"), 8, rate=10, refused="joined")
case("pictures/one-animated.webp", video("-c:v", "libwebp_anim", "-frames:v", "1", seconds=1, sound=False), refused="picture")
case("pictures/odd.webp", video("-c:v", "libwebp_anim", "-lossless", "1", "-pix_fmt", "bgra", rate=25, seconds=2, size="34x18", sound=False), 2, by=None, size=(34, 18))
case("pictures/changing.webp", ff("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=6", "-vf", "select='not(between(n,10,29))'", "-vsync", "vfr", "-c:v", "libwebp"), 6,
     by=None, rate=10, size=(64, 48), why="one picture is held for 2 s")
case("pictures/joined.webp", joined("pictures/animated.webp", "pictures/slow.webp"), refused="joined")
case("pictures/cut.webp", changed("pictures/animated.webp", lambda data: data[:len(data) // 2]), refused="truncated")
case("pictures/joined.apng", joined("pictures/animated.apng", "pictures/animated.apng"), refused="joined")
case("pictures/animated.avif", video("-c:v", "libaom-av1", "-cpu-used", "8", "-f", "avif", rate=5, seconds=2, sound=False), 2, rate=5, refused="picture|cannot measure")
for _name, _options in (("still.webp", ["-c:v", "libwebp"]), ("still.jpg", []), ("still.png", []), ("still.bmp", []), ("still.tiff", []), ("still.jp2", []),
                        ("still.avif", ["-c:v", "libaom-av1", "-still-picture", "1", "-cpu-used", "8"]), ("still.tga", []), ("still.ppm", [])):
    case(f"pictures/{_name}", ff("-f", "lavfi", "-i", "testsrc2=size=160x90", "-frames:v", "1", *_options), refused="picture|no video|cannot read")
case("pictures/one.apng", ff("-f", "lavfi", "-i", "testsrc2=size=160x90", "-frames:v", "1", "-f", "apng"), refused="picture")

# ---- no video ----

case("none/tone.m4a", copied("base/tone.m4a"), refused="no video")
case("none/tone.mp3", ff("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "libmp3lame"), refused="no video")
case("none/tone.wav", ff("-f", "lavfi", "-i", "sine=duration=2"), refused="no video")
case("none/tone.ogg", ff("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "libvorbis"), refused="no video")
case("none/tone.ts", copied("base/sound.ts", *TS), refused="no video")
case("none/tone.mka", copied("base/tone.m4a"), refused="no video")
case("none/cover.m4a", ff("-i", "@base/tone.m4a", "-i", "@base/cover.png", "-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic"), refused="no video")
case("none/cover.mp3", ff("-i", "@base/tone.m4a", "-i", "@base/cover.png", "-map", "0", "-map", "1", "-c:a", "libmp3lame", "-c:v", "copy"), refused="no video")
case("none/text.srt", written("1\n00:00:01,000 --> 00:00:03,000\nhello\n"), refused=".")
case("none/text.vtt", written("WEBVTT\n\n00:01.000 --> 00:03.000\nhello\n"), refused=".")
case("none/text.ass", ff("-i", "@base/tone.srt"), refused=".")
case("none/text.txt", written("some words\n" * 3000), refused=".")
case("none/text.mp4", written("some words\n" * 3000), refused=".")
case("none/log.ts", written("".join(f"{n} something happened\n" for n in range(9000))), refused=".")
case("none/json.m3u8", written('{"a": 1}\n'), refused=".")
case("none/html.mp4", written("<!DOCTYPE html><html><body>404 Not Found</body></html>\n"), refused=".")
case("none/empty.mp4", written(""), refused="empty|no video|no bytes|Invalid|media|nothing|0 bytes")
case("none/empty.m3u8", written(""), refused=".")
case("none/header-only.m3u8", written("#EXTM3U\n"), refused=".")
case("none/zeros.ts", written(bytes(188 * 400)), refused=".")
case("none/sync-only.ts", written((b"\x47\x1f\xff\x10" + b"\xff" * 184) * 400), refused=".")

# ---- HLS ----

HLS = ["-c", "copy", "-f", "hls", "-hls_time", "1"]
WHOLE = ["-hls_list_size", "0"]


def hls(name, source, *options, seconds=10, segment=None, **kwargs):
    case(f"hls/{name}/out.m3u8", lambda maker, path, source=source, options=options: maker.ffmpeg(
        "-i", "@base/" + source, *HLS, *options, *(["-hls_segment_filename", path.parent / segment] if segment else []), path), seconds, **kwargs)


hls("plain", "plain.mp4", *WHOLE)
hls("vod", "b.mp4", "-hls_playlist_type", "vod")
hls("event", "b.mp4", "-hls_playlist_type", "event")
hls("silent", "silent-b.mp4", *WHOLE)
hls("hevc", "hevc.mp4", *WHOLE, seconds=8)
hls("ntsc", "ntsc.mp4", *WHOLE, seconds=6.006, rate=30000 / 1001)
hls("default", "plain.mp4", refused="hls_list_size", by=None, why="only the last five segments are listed")
hls("deleted", "plain.mp4", "-hls_flags", "delete_segments", seconds=None, refused=".", why="the earlier segments are gone")
hls("start-number", "plain.mp4", *WHOLE, "-start_number", "7")
hls("fmp4", "b.mp4", *WHOLE, "-hls_segment_type", "fmp4")
hls("fmp4-hevc", "hevc.mp4", *WHOLE, "-hls_segment_type", "fmp4", seconds=8)
hls("fmp4-silent", "silent.mp4", *WHOLE, "-hls_segment_type", "fmp4")
hls("fmp4-init-name", "b.mp4", *WHOLE, "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "head.mp4", segment="part-%d.m4s")
hls("single", "b.mp4", *WHOLE, "-hls_flags", "single_file")
hls("single-fmp4", "b.mp4", *WHOLE, "-hls_flags", "single_file", "-hls_segment_type", "fmp4")
hls("independent", "b.mp4", *WHOLE, "-hls_flags", "independent_segments")
hls("dated", "plain.mp4", *WHOLE, "-hls_flags", "program_date_time")
hls("rounded", "ntsc.mp4", *WHOLE, "-hls_flags", "round_durations", seconds=6.006, rate=30000 / 1001)
hls("marked-start", "plain.mp4", *WHOLE, "-hls_flags", "discont_start")
hls("spaces", "plain.mp4", *WHOLE, segment="a part %d of it.ts")
hls("strange-names", "plain.mp4", *WHOLE, segment="100%%25 'ß' #%d.ts")
hls("absolute", "plain.mp4", *WHOLE, "-hls_base_url", "/nowhere/", refused="elsewhere", seconds=None)
hls("web", "plain.mp4", *WHOLE, "-hls_base_url", "https://cdn.example.com/x/", refused="elsewhere", seconds=None)
hls("unended", "plain.mp4", *WHOLE, "-hls_flags", "omit_endlist", refused="not finished|unfinished|not ended", seconds=None)
hls("split-sound", "plain.mp4", *WHOLE, "-hls_flags", "split_by_time", "-hls_time", "0.7")
hls("wrap", "b.mp4", *WHOLE, "-output_ts_offset", "95440")
hls("wrap-late", "silent-b.mp4", *WHOLE, "-output_ts_offset", "95437.3")
hls("slides", "slides.mp4", *WHOLE, seconds=20, rate=0.2)
for _source, _seconds in (("plain", 10), ("b", 10), ("silent-b", 10)):
    case(f"hls/segment-{_source}/out.m3u8", lambda maker, path, source=_source: maker.ffmpeg(
        "-i", f"@base/{source}.mp4", "-c", "copy", "-f", "segment", "-segment_time", "2", "-segment_list", path, path.parent / "s%03d.ts"), _seconds)
case("hls/segment-reset/out.m3u8", lambda maker, path: maker.ffmpeg(
    "-i", "@base/b.mp4", "-c", "copy", "-f", "segment", "-segment_time", "2", "-reset_timestamps", "1", "-segment_list", path, path.parent / "s%03d.ts"), 10, by=None,
     why="ffprobe takes the segments as one clock")


def _segments(*rows, end=True, target=10):
    """Lines of a playlist of (seconds, name) and of tags."""
    lines = ["#EXT-X-VERSION:6", f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-PLAYLIST-TYPE:VOD"]
    for row in rows:
        lines += [row] if isinstance(row, str) else [f"#EXTINF:{row[0]},", row[1]]
    return lines + ["#EXT-X-ENDLIST"] * end


def listed(name, *rows, needs=(), seconds=None, end=True, **kwargs):
    kwargs.setdefault("by", None if seconds is None else "frames")
    case(f"hls-made/{name}", playlist(*_segments(*rows, end=end), needs=needs), seconds, **kwargs)


CUT = "#EXT-X-DISCONTINUITY"
_P, _B, _S, _L = (10, "../ts/plain.ts"), (10, "../ts/b.ts"), (4, "../ts/at-0.ts"), (4, "../ts/large.ts")
_N = ("ts/plain.ts", "ts/b.ts", "ts/at-0.ts", "ts/large.ts")
listed("one.m3u8", _P, needs=_N, seconds=10)
listed("joined.m3u8", _P, CUT, _S, needs=_N, seconds=14)
listed("joined-three.m3u8", _P, CUT, _B, CUT, _S, needs=_N, seconds=24)
listed("joined-unmarked.m3u8", _P, _S, needs=_N, seconds=14, by=None, why="ffprobe takes the segments as one clock")
listed("twice.m3u8", _P, CUT, _P, needs=_N, seconds=20, by=None, why="shown twice")
listed("mixed.m3u8", _P, CUT, _L, needs=_N, refused="160x90.*320x180")
listed("mixed-unmarked.m3u8", _P, _L, needs=_N, refused="160x90.*320x180")
listed("mixed-late.m3u8", _P, CUT, _B, CUT, _S, CUT, _L, needs=_N, refused="160x90.*320x180")
listed("missing.m3u8", _P, (4, "nowhere.ts"), needs=_N, refused="nowhere.ts")
listed("directory.m3u8", (4, "../ts"), needs=_N, refused=".")
listed("query.m3u8", (10, "../ts/plain.ts?v=2"), needs=_N, refused="elsewhere")
listed("gap.m3u8", _P, "#EXT-X-GAP", (4, "gone.ts"), needs=_N, refused=".", seconds=10, by=None, why="the list itself says that this segment is not there")
listed("leap-inside.m3u8", (10, "../ts/leap-forward-1h-plain.ts"), needs=("ts/leap-forward-1h-plain.ts",), seconds=10, by=None)
listed("codec-changes.m3u8", _P, CUT, (8, "../ts/hevc.ts"), needs=(*_N, "ts/hevc.ts"), refused="codec|h264.*(hevc|h265)", by=None)
listed("sample-aes.m3u8", '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', _P, needs=_N, refused="SAMPLE-AES")
listed("key-none.m3u8", "#EXT-X-KEY:METHOD=NONE", _P, needs=_N, seconds=10)
listed("wrong-length.m3u8", (30, "../ts/plain.ts"), needs=_N, refused=".", seconds=10, by="frames", why="the segment holds 10 s of the 30 s that the list states")
listed("sound.m3u8", (4, "../none/tone.ts"), needs=("none/tone.ts",), refused="no video|no output|sound")
listed("whole-mp4.m3u8", (4, "../mp4/fragmented.mp4"), needs=("mp4/fragmented.mp4",), seconds=10, refused=".", by=None)
case("hls-made/crlf.m3u8", written("\r\n".join(["#EXTM3U", *_segments(_P, CUT, _S)]) + "\r\n", *_N), 14)
case("hls-made/bom.m3u8", written("\ufeff" + "\n".join(["#EXTM3U", *_segments(_P)]) + "\n", *_N), 10, refused=".", by=None)
case("hls-made/no-end-newline.m3u8", written("\n".join(["#EXTM3U", *_segments(_P)]), *_N), 10)
case("hls-made/blank-lines.m3u8", written("\n\n".join(["#EXTM3U", "# a remark", *_segments(_P)]) + "\n\n", *_N), 10)
case("hls-made/subtitles.m3u8", written("\n".join(["#EXTM3U", *_segments((4, "../none/text.vtt"))]) + "\n", "none/text.vtt"), refused="no video|no output|subtitles")
case("hls/aes/out.m3u8", lambda maker, path: (
    (path.parent / "k.key").write_bytes(b"0123456789abcdef"), (path.parent / "info").write_text(f"k.key\n{path.parent}/k.key\n"),
    maker.ffmpeg("-i", "@base/plain.mp4", *HLS, *WHOLE, "-hls_key_info_file", path.parent / "info", path)), 10, refused="encrypted.*AES-128", by=None)
case("hls/key-pictures/out.m3u8", lambda maker, path: maker.ffmpeg("-i", "@base/silent.mp4", *HLS, *WHOLE, "-hls_flags", "iframes_only+single_file", path), refused="key pictures|I-FRAMES")
case("hls/appended/out.m3u8", lambda maker, path: (
    path.unlink(missing_ok=True),
    maker.ffmpeg("-i", "@base/plain.mp4", *HLS, *WHOLE, "-hls_flags", "append_list+omit_endlist", path),
    maker.ffmpeg("-i", "@base/b.mp4", *HLS, *WHOLE, "-hls_flags", "append_list", path)), 20)
case("hls/appended-fmp4/out.m3u8", lambda maker, path: (
    path.unlink(missing_ok=True),
    maker.ffmpeg("-i", "@base/plain.mp4", *HLS, *WHOLE, "-hls_segment_type", "fmp4", "-hls_flags", "append_list+omit_endlist", path),
    maker.ffmpeg("-i", "@base/plain.mp4", *HLS, *WHOLE, "-hls_segment_type", "fmp4", "-hls_flags", "append_list", path)), 20, refused=".", by=None)

LADDER = ["-map", "0:v", "-map", "0:v", "-map", "0:v", "-map", "0:a", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-g", "25", "-s:v:0", "80x46", "-s:v:1", "160x90",
          "-s:v:2", "320x180", *AAC]
_SIZES = ((80, 46), (160, 90), (320, 180))


def ladder(name, *options, names="v:0,agroup:s v:1,agroup:s v:2,agroup:s a:0,agroup:s", **kwargs):
    case(f"hls/{name}/master.m3u8", lambda maker, path: maker.ffmpeg(
        "-i", "@base/short.mp4", *LADDER, "-f", "hls", "-hls_time", "1", *WHOLE, *options, "-master_pl_name", "master.m3u8", "-var_stream_map", names,
        path.parent / "v%v.m3u8"), 4, outputs=3, sizes=_SIZES, size=None, **kwargs)


ladder("ladder")
ladder("ladder-fmp4", "-hls_segment_type", "fmp4")
ladder("ladder-single", "-hls_flags", "single_file")
ladder("ladder-single-fmp4", "-hls_flags", "single_file", "-hls_segment_type", "fmp4")
case("hls/ladder/v1.m3u8", beside("hls/ladder/master.m3u8"), 4)
case("hls/ladder/v3.m3u8", beside("hls/ladder/master.m3u8"), refused="no video|no output|sound")
_MASTER = ["#EXT-X-VERSION:6", '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="v3.m3u8"',
           '#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=80x46,AUDIO="a"', "v0.m3u8", '#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=160x90,AUDIO="a"', "v1.m3u8"]
case("hls/ladder/with-key-pictures.m3u8", playlist(*_MASTER, '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1000,URI="../key-pictures/out.m3u8"',
     needs=("hls/ladder/master.m3u8", "hls/key-pictures/out.m3u8")), 4, outputs=2, sizes=_SIZES[:2], size=None, by=None)
case("hls/ladder/named-twice.m3u8", playlist(*_MASTER, '#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=160x90,AUDIO="b"', "v1.m3u8",
     needs=("hls/ladder/master.m3u8",)), 4, outputs=2, sizes=_SIZES[:2], size=None, by=None)
case("hls/ladder/sound-only.m3u8", playlist("#EXT-X-VERSION:6", '#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="mp4a.40.2"', "v3.m3u8",
     needs=("hls/ladder/master.m3u8",)), refused=".")
case("hls/ladder/one-missing.m3u8", playlist(*_MASTER, '#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=320x180', "nowhere.m3u8",
     needs=("hls/ladder/master.m3u8",)), 4, outputs=2, sizes=_SIZES[:2], size=None, by=None, refused="nowhere.m3u8", why="two are measured, and the third one is said")
case("hls/ladder/itself.m3u8", playlist("#EXT-X-STREAM-INF:BANDWIDTH=1", "itself.m3u8"), refused=".")

# ---- DASH ----

DASH_LADDER = ["-map", "0:v", "-map", "0:v", "-map", "0:a", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-g", "25", "-s:v:0", "160x90", "-s:v:1", "320x180", *AAC]


def dash(name, *options, source="short.mp4", seconds=4, **kwargs):
    kwargs.setdefault("by", "frames")
    case(f"dash/{name}/out.mpd", ff("-i", "@base/" + source, *options, "-f", "dash"), seconds, **kwargs)


_TWO = {"outputs": 2, "sizes": ((160, 90), (320, 180)), "size": None}
dash("one", "-map", "0:v", "-c", "copy", "-seg_duration", "1")
dash("sound", "-c", "copy", "-seg_duration", "1")
dash("b", "-c", "copy", "-seg_duration", "2", source="b.mp4", seconds=10)
dash("hevc", "-c", "copy", "-seg_duration", "2", source="hevc.mp4", seconds=8)
dash("ntsc", "-c", "copy", "-seg_duration", "2", source="ntsc.mp4", seconds=6.006, rate=30000 / 1001)
dash("two", *DASH_LADDER, "-seg_duration", "1", **_TWO)
dash("two-single", *DASH_LADDER, "-seg_duration", "1", "-single_file", "1", by=None, why="ffprobe reads it for ever", **_TWO)
dash("two-no-timeline", *DASH_LADDER, "-seg_duration", "1", "-use_timeline", "0", **_TWO)
dash("two-no-template", *DASH_LADDER, "-seg_duration", "1", "-use_template", "0", "-use_timeline", "0", by=None, why="ffprobe leaves out the last segment", **_TWO)
dash("one-no-timeline", "-map", "0:v", "-c", "copy", "-seg_duration", "1", "-use_timeline", "0", source="b.mp4", seconds=10)
dash("one-no-template", "-map", "0:v", "-c", "copy", "-seg_duration", "2", "-use_template", "0", "-use_timeline", "0", source="b.mp4", seconds=10, by=None, why="ffprobe leaves out the last segment")
dash("one-single", "-map", "0:v", "-c", "copy", "-seg_duration", "2", "-single_file", "1", source="b.mp4", seconds=10, by=None, why="ffprobe reads it for ever")
dash("with-hls", "-map", "0:v", "-c", "copy", "-seg_duration", "2", "-hls_playlist", "1", source="silent-b.mp4", seconds=10)
case("dash/with-hls/media_0.m3u8", beside("dash/with-hls/out.mpd"), 10)
case("dash/with-hls/master.m3u8", beside("dash/with-hls/out.mpd"), 10)
dash("webm", "-map", "0:v", "-c", "copy", "-seg_duration", "2", "-dash_segment_type", "webm", source="vp9.webm")
dash("window", "-map", "0:v", "-c", "copy", "-seg_duration", "1", "-window_size", "3", "-extra_window_size", "20", source="b.mp4", seconds=None, refused=".",
     why="only the last three segments are listed")
dash("window-deleted", "-map", "0:v", "-c", "copy", "-seg_duration", "1", "-window_size", "3", "-extra_window_size", "0", source="b.mp4", seconds=None, refused=".")
dash("sound-only", "-map", "0:a", "-c", "copy", "-seg_duration", "1", seconds=None, refused="no video|no output|sound")
dash("fragments", "-map", "0:v", "-c", "copy", "-seg_duration", "2", "-frag_type", "every_frame", source="b.mp4", seconds=10)


def remade(source, function):
    """A manifest that another one beside it became."""
    return lambda maker, path: path.write_text(function(maker.need(source).read_text()))


case("dash/one/dynamic.mpd", remade("dash/one/out.mpd", lambda text: text.replace('type="static"', 'type="dynamic"')), refused="not finished|unfinished|dynamic|not ended")
case("dash/one/encrypted.mpd", remade("dash/one/out.mpd", lambda text: re.sub(
    r"(<Representation[^>]*>)", r'\1<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>', text)), refused="encrypted|protected|protection")
case("dash/one/elsewhere.mpd", remade("dash/one/out.mpd", lambda text: re.sub(r"(<Period[^>]*>)", r"\1<BaseURL>https://cdn.example.com/</BaseURL>", text)), refused="elsewhere")
case("dash/below.mpd", remade("dash/one/out.mpd", lambda text: re.sub(r"(<Period[^>]*>)", r"\1<BaseURL>one/</BaseURL>", text)), 4)
case("dash/one/missing.mpd", remade("dash/one/out.mpd", lambda text: text.replace("chunk-", "chonk-")), refused="chonk|No such file|missing")
case("dash/one/broken.mpd", remade("dash/one/out.mpd", lambda text: text[:len(text) // 2]), refused=".")
case("dash/short-sound/out.mpd", ff("-f", "lavfi", "-i", "sine=duration=2", "-i", "@base/plain.mp4", "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "aac", "-f", "dash"), 10, why="ffmpeg states the length of the sound, which is its first stream")
case("dash/two/once-each.mpd", remade("dash/two/out.mpd", lambda text: text), 4, **_TWO)

# ---- parts, which are no outputs of their own ----

case("hls/fmp4/init.mp4", beside("hls/fmp4/out.m3u8"), refused=".")
case("hls/fmp4/out0.m4s", beside("hls/fmp4/out.m3u8"), refused=".")
case("dash/one/init-stream0.m4s", beside("dash/one/out.mpd"), refused=".")


def make(directory):
    """Makes all of it below a directory. Gives nothing; each case's path is the directory and its name."""
    maker = Maker(directory)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        names = sorted(SOURCES) + [case.name for case in CASES]
        for promise in [pool.submit(maker.need, name) for name in names]:
            promise.result()
    assert len({case.name for case in CASES}) == len(CASES)
