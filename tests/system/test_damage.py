"""Damaged files, hostile lists and strange names: each is refused or measured as what it shows. Nothing crashes, hangs, takes
much memory or opens a connection. ../data/media/damage is the same with other seeds, for as long as one likes."""
import concurrent.futures
import os
import pathlib
import resource
import shutil
import socket
import struct
import threading

import pytest

from conftest import unless_sanitized
from made import corpus, made  # noqa: F401 (a fixture)

import damaging
import judge
import measuring
import oracle

CASES = {case.name: case for case in corpus.CASES}
MEMORY_MB = 300  # resident, of any measurement here; most of it is libavcodec's
SECONDS = 60  # of processor time, of any file here: a hang, not a pace


def written(directory, damaged, suffix):
    paths = []
    for number, one in enumerate(damaged):
        paths.append(directory / f"{number:03d}{suffix}")
        paths[-1].write_bytes(one.data)
    return paths


# ---- damaged files ----


def shown_at_most(path, case):
    """The pictures that a prefix holds, counted without decoding, and a few more: the last one may be shown behind B pictures
    that are cut off, and libavformat may give one that has only begun."""
    return (oracle.packets(path) + 5) / case.rate


@pytest.mark.parametrize("name", damaging.CONTAINERS)
def test_a_prefix_is_never_more(made, tmp_path, name):
    case = CASES[name]
    damaged = damaging.cuts(name, (made / name).read_bytes())
    paths = written(tmp_path, damaged, pathlib.Path(name).suffix)
    answers = measuring.measure(paths)
    measured = 0
    for path, one in zip(paths, damaged):
        answer = answers[str(path)]
        assert len(answer.outputs) + len(answer.refusals) == 1, (one.what, str(answer))
        for output in answer.outputs:
            measured += 1
            assert output.seconds <= case.seconds + 1 / case.rate, (one.what, str(answer))
            assert output.size in (case.size, None) or case.size is None, (one.what, str(answer))
            if case.by == "frames" and measured % 4 == 1:
                assert output.seconds <= shown_at_most(path, case), (one.what, str(answer))


@pytest.mark.parametrize("name", damaging.CONTAINERS)
def test_changed_bytes_do_no_harm(made, tmp_path, name):
    data = (made / name).read_bytes()
    damaged = damaging.flips(name, data) + damaging.splices(name, data)
    paths = written(tmp_path, damaged, pathlib.Path(name).suffix)
    answers = measuring.measure(paths)
    for path, one in zip(paths, damaged):
        answer = answers[str(path)]
        assert len(answer.outputs) + len(answer.refusals) >= 1, one.what
        assert all(output.size[0] > 0 and output.size[1] > 0 for output in answer.outputs), (one.what, str(answer))


OTHER_NAMES = ("x.mp4", "x.ts", "x.mkv", "x.txt", "x.mp3", "x.jpg", "x.gif", "x.h264", "x.m3u8", "x.mpd", "x")
RENAMED = ("ts/leap-at-key-b.ts", "flv/restart.flv", "ps/joined.vob", "mp4/edit-cut-out.mp4", "mp4/fragmented.mp4", "mkv/sound-longer.mkv", "mkv/vp9.webm",
           "other/repeated.avi", "other/mpeg2.mxf", "other/plain.wmv", "raw/h264-50.h264", "raw/vp9.ivf", "pictures/animated.gif")


@pytest.mark.parametrize("name", RENAMED)
def test_another_name_changes_nothing(made, tmp_path, name):
    for other in OTHER_NAMES:
        shutil.copy(made / name, tmp_path / other)
    for path, answer in measuring.measure(tmp_path / other for other in OTHER_NAMES).items():
        assert judge.faults_of(CASES[name], answer) == [], path


STRAY_S = 61  # a picture may be shown a minute after it is decoded


@pytest.mark.parametrize("name", damaging.TIMED)
def test_one_damaged_time_adds_no_minutes(made, tmp_path, name):
    """And most of them add nothing."""
    case = CASES[name]
    damaged = damaging.strays(name, (made / name).read_bytes(), count=40)
    paths = written(tmp_path, damaged, pathlib.Path(name).suffix)
    answers = measuring.measure(paths)
    right = 0
    for path, one in zip(paths, damaged):
        answer = answers[str(path)]
        assert all(output.seconds <= case.seconds + STRAY_S for output in answer.outputs), (one.what, str(answer))
        right += not answer.outputs or answer.outputs[0].seconds <= case.seconds + 1
    assert right >= len(damaged) * 0.8, (name, right)


# ---- names ----

NAMES = (b"a b.ts", b"'.ts", b'".ts', b"100%.ts", b"%41.ts", b"%s%n.ts", b"%03d.ts", b"-.ts", b"--explain.ts", b"new\nline.ts", b"tab\t.ts", b"\\.ts",
         b"\xff\xfe.ts", "größe.ts".encode(), "影片.ts".encode(), b"#1.ts", b"?v=2.ts", b"http:a.ts", b"pipe:0", b"concat:a|b.ts", b"file:a.ts", b"|.ts", b";.ts",
         b"$(id).ts", b"*.ts", b"subfile,,start,0,end,9,,:a.ts", b"crypto:a.ts", b"a.ts:", b"x" * 252 + b".ts", b"\x1b[31m.ts")


def bytes_of(directory):
    return os.fsencode(directory)


def test_names_of_files(made, tmp_path):
    paths = [bytes_of(tmp_path) + b"/" + name for name in NAMES]
    for path in paths:
        shutil.copy(made / "ts/at-0.ts", path)
    ran = measuring.checked(paths)
    assert ran.status == 0 and ran.err == b"", ran
    assert ran.out.count(b" h264 160x90 4.000 s, ") == len(paths), ran.out
    assert b"\x1b" not in ran.out
    ran = measuring.checked([name for name in NAMES], cwd=tmp_path)  # relative: nothing may be taken for an address
    assert ran.status == 0 and ran.err == b"" and ran.out.count(b" h264 160x90 4.000 s, ") == len(NAMES), ran


def test_names_of_segments(made, tmp_path):
    """Each name by itself in a list: it is found beside the list, or refused by its name. Where a name is an address or has a
    query, another file may be meant."""
    may_be_refused = (b"%41.ts", b"?v=2.ts", b"http:a.ts", b"pipe:0", b"concat:a|b.ts", b"file:a.ts", b"new\nline.ts", b"#1.ts", b"\xff\xfe.ts", b"tab\t.ts",
                      b"subfile,,start,0,end,9,,:a.ts", b"crypto:a.ts", b"\x1b[31m.ts", b"a.ts:")
    for number, name in enumerate(NAMES):
        directory = tmp_path / str(number)
        directory.mkdir()
        shutil.copy(made / "ts/at-0.ts", bytes_of(directory) + b"/" + name)
        (directory / "out.m3u8").write_bytes(b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n" + name + b"\n#EXT-X-ENDLIST\n")
        ran = measuring.checked([directory / "out.m3u8"])
        is_measured = b" h264 160x90 4.000 s, " in ran.out
        assert is_measured or (name in may_be_refused and ran.err.startswith(measuring.FAULT)), (name, ran)


def test_names_of_directories(made, tmp_path):
    for name in (b"a b", b"100%", b"new\nline", b"\xff", b"http:", b"'", b"#", b"?", b"..."):
        directory = bytes_of(tmp_path) + b"/" + name
        shutil.copytree(bytes_of(made) + b"/hls/fmp4", directory)
        shutil.copy(bytes(made / "dash/one/out.mpd"), directory)
        for part in (made / "dash/one").glob("*.m4s"):
            shutil.copy(bytes(part), directory)
        for lists in (b"out.m3u8", b"out.mpd"):
            ran = measuring.checked([directory + b"/" + lists])
            assert ran.status == 0 and ran.err == b"" and b" h264 160x90 " in ran.out, (name, lists, ran)


# ---- hostile lists ----


def m3u8(*lines):
    return "\n".join(("#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:4", *lines, "#EXT-X-ENDLIST")) + "\n"


def segment(name, seconds=4):
    return f"#EXTINF:{seconds},\n{name}"


def mpd(inside, duration="PT4S", kind="static"):
    return (f'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="{kind}" mediaPresentationDuration="{duration}"><Period>'
            f'<AdaptationSet contentType="video" mimeType="video/mp4">{inside}</AdaptationSet></Period></MPD>\n')


def template(timing, number="$Number$", more="", scale=1):
    return (f'<Representation id="0" bandwidth="1" codecs="avc1.64000b" width="160" height="90"><SegmentTemplate timescale="{scale}" '
            f'initialization="init-stream0.m4s" media="chunk-stream0-{number}.m4s" startNumber="1" {more}>{timing}</SegmentTemplate></Representation>')


DEEP = 2000
HOSTILE = {
    "itself.m3u8": m3u8(segment("itself.m3u8")),
    "itself-master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nitself-master.m3u8\n",
    "each-other-1.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\neach-other-2.m3u8\n",
    "each-other-2.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\neach-other-1.m3u8\n",
    "many-variants.m3u8": "#EXTM3U\n" + "#EXT-X-STREAM-INF:BANDWIDTH=1\nmany-variants.m3u8\n" * 20000,
    "sound-is-itself.m3u8": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="sound-is-itself.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nnone.m3u8\n',
    "zero.m3u8": m3u8(segment("/dev/zero")),
    "zero-below.m3u8": m3u8(segment("../../../../../../../../dev/zero")),
    "zero-link.m3u8": m3u8(segment("zero.ts")),
    "zero-map.m3u8": m3u8('#EXT-X-MAP:URI="zero.ts"', segment("at-0.ts")),
    "fifo.m3u8": m3u8(segment("fifo.ts")),
    "fifo-map.m3u8": m3u8('#EXT-X-MAP:URI="fifo.ts"', segment("at-0.ts")),
    "fifo-master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfifo.ts\n",
    "socket.m3u8": m3u8(segment("socket.ts")),
    "directory.m3u8": m3u8(segment("directory.ts")),
    "own-directory.m3u8": m3u8(segment(".")),
    "password.m3u8": m3u8(segment("/etc/passwd")),
    "empty-segment.m3u8": m3u8(segment("empty.ts")),
    "text-segment.m3u8": m3u8(segment("text.ts")),
    "url.m3u8": m3u8(segment("http://127.0.0.1:PORT/a.ts")),
    "url-slashes.m3u8": m3u8(segment("//127.0.0.1:PORT/a.ts")),
    "url-capital.m3u8": m3u8(segment("HTTP://127.0.0.1:PORT/a.ts")),
    "url-tcp.m3u8": m3u8(segment("tcp://127.0.0.1:PORT")),
    "url-file.m3u8": m3u8(segment("file:///etc/passwd")),
    "url-concat.m3u8": m3u8(segment("concat:http://127.0.0.1:PORT/a.ts|at-0.ts")),
    "url-map.m3u8": m3u8('#EXT-X-MAP:URI="http://127.0.0.1:PORT/init.mp4"', segment("at-0.ts")),
    "url-key.m3u8": m3u8('#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:PORT/k"', segment("at-0.ts")),
    "url-master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:PORT/v.m3u8\n",
    "url-sound.m3u8": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="http://127.0.0.1:PORT/a.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nnone.m3u8\n',
    "url-inside.m3u8": m3u8(segment("url.m3u8")),
    "url-inside-text.m3u8": m3u8(segment("url-list.ts")),
    "range-too-long.m3u8": m3u8("#EXT-X-BYTERANGE:99999999999@0", segment("at-0.ts")),
    "range-overflow.m3u8": m3u8("#EXT-X-BYTERANGE:18446744073709551615@18446744073709551615", segment("at-0.ts")),
    "range-negative.m3u8": m3u8("#EXT-X-BYTERANGE:-188@0", segment("at-0.ts")),
    "range-without-begin.m3u8": m3u8("#EXT-X-BYTERANGE:188", segment("at-0.ts")),
    "range-empty.m3u8": m3u8("#EXT-X-BYTERANGE:0@0", segment("at-0.ts")),
    "long-line.m3u8": m3u8("#" + "x" * (4 << 20), segment("x" * 100000)),
    "attributes.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:" + "A=\"" * 100000 + "\nv.m3u8\n",
    "binary.m3u8": "#EXTM3U\n" + "\0\1\2\n" * 1000,
    "no-length.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\nat-0.ts\n#EXT-X-ENDLIST\n",
    "itself.mpd": mpd('<Representation id="0"><BaseURL>itself.mpd</BaseURL></Representation>'),
    "zero.mpd": mpd('<Representation id="0"><BaseURL>/dev/zero</BaseURL></Representation>'),
    "zero-link.mpd": mpd('<Representation id="0"><BaseURL>zero.ts</BaseURL></Representation>'),
    "fifo.mpd": mpd('<Representation id="0"><BaseURL>fifo.ts</BaseURL></Representation>'),
    "directory.mpd": mpd('<Representation id="0"><BaseURL>directory.ts/</BaseURL></Representation>'),
    "url.mpd": mpd('<Representation id="0"><BaseURL>http://127.0.0.1:PORT/a.mp4</BaseURL></Representation>'),
    "url-template.mpd": mpd(template("", more='duration="1"').replace("chunk-", "http://127.0.0.1:PORT/chunk-")),
    "url-location.mpd": mpd(template("", more='duration="1"')).replace("<Period>", "<Location>http://127.0.0.1:PORT/b.mpd</Location><Period>"),
    "url-xlink.mpd": mpd("").replace("<Period>", '<Period xlink:href="http://127.0.0.1:PORT/p" xlink:actuate="onLoad" xmlns:xlink="http://www.w3.org/1999/xlink">'),
    "url-entity.mpd": '<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:PORT/e">]>\n' + mpd("&a;"),
    "entities.mpd": "<!DOCTYPE x [" + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(20)) + "]>\n" + mpd("&e20;"),
    "repeats.mpd": mpd(template('<SegmentTimeline><S t="0" d="1" r="2147483647"/></SegmentTimeline>'), "PT2147483647S"),
    "repeats-more.mpd": mpd(template('<SegmentTimeline><S t="0" d="1" r="18446744073709551615"/></SegmentTimeline>')),
    "repeats-time.mpd": mpd(template('<SegmentTimeline><S t="0" d="1" r="2000000000"/></SegmentTimeline>', "$Time$")),
    "open-repeat.mpd": mpd(template('<SegmentTimeline><S t="0" d="1" r="-1"/></SegmentTimeline>', scale=10000000), "P100000000Y"),
    "short-segments.mpd": mpd(template("", more='duration="1"', scale=4000000000), "PT100000000H"),
    "no-time.mpd": mpd(template("", more='duration="0"')),
    "zero-scale.mpd": mpd(template("", more='duration="1"', scale=0)),
    "wide-number.mpd": mpd(template("", "$Number%0999999999d$", 'duration="1"')),
    "odd-number.mpd": mpd(template("", "$Number%s%n$", 'duration="1"')),
    "deep.mpd": mpd("<a>" * 100000),
    "many-sets.mpd": mpd("<Representation/>" * 100000),
    "many-bases.mpd": mpd("<BaseURL>a</BaseURL><Representation/>" * 100000),
    "open.mpd": mpd(template("", more='duration="1"'))[:200],
}
ACCEPTED = {"no-length.m3u8"}  # may be measured: each is 4 s


@pytest.fixture
def hostile(made, tmp_path):
    """A directory with hostile lists and what they name, and the socket that must see no connection."""
    directory = tmp_path / "hostile"
    directory.mkdir()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    listening.setblocking(False)
    port = str(listening.getsockname()[1])
    shutil.copy(made / "ts/at-0.ts", directory)
    for name in ("init-stream0.m4s", "chunk-stream0-00001.m4s"):
        shutil.copy(made / "dash/one" / name, directory)
    (directory / "directory.ts").mkdir()
    (directory / "empty.ts").touch()
    (directory / "text.ts").write_text("a text\n" * 1000)
    (directory / "zero.ts").symlink_to("/dev/zero")
    os.mkfifo(directory / "fifo.ts")
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.open(".", os.O_PATH)
        os.chdir(directory)  # an address has at most 107 bytes
        unix.bind("socket.ts")
        os.chdir(here)
        os.close(here)
    for name, text in HOSTILE.items():
        (directory / name).write_text(text.replace("PORT", port))
    (directory / "url-list.ts").write_text(HOSTILE["url.m3u8"].replace("PORT", port))
    yield directory, listening, port
    listening.close()


def nobody_came(listening):
    with pytest.raises(BlockingIOError):
        listening.accept()


def bounded(path, seconds=SECONDS, memory_mb=MEMORY_MB, out_bytes=100000, **kwargs):
    ran = measuring.run([path], timeout=600, **kwargs)
    assert ran.status in (0, 1), (path, ran.status, ran.err[-500:])
    assert len(ran.err) < 10000 and len(ran.out) < out_bytes, (path, len(ran.err), len(ran.out))
    assert ran.seconds < seconds * (10 if is_sanitized() else 1), (path, ran.seconds)
    assert ran.peak_mb < memory_mb or is_sanitized(), (path, ran.peak_mb)
    return ran


def is_sanitized():
    return unless_sanitized.args[0]


def test_hostile_lists(hostile):
    directory, listening, _ = hostile
    with concurrent.futures.ThreadPoolExecutor(measuring.WORKERS) as pool:
        rans = pool.map(lambda name: bounded(directory / name), HOSTILE)
    for name, ran in zip(HOSTILE, rans):
        if name in ACCEPTED:
            assert ran.status == 1 or b" 4.000 s, " in ran.out, (name, ran)
            continue
        assert ran.status == 1 and ran.err.startswith(measuring.FAULT) and b"1:" not in ran.out, (name, ran)
        assert name.encode()[:9] in ran.err and ran.err.count(b"\n") == 1, (name, ran)
    nobody_came(listening)


def test_a_deep_chain_of_masters(tmp_path):
    for number in range(DEEP):
        (tmp_path / f"{number}.m3u8").write_text(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{number + 1}.m3u8\n")
    assert bounded(tmp_path / "0.m3u8").status == 1


FILES, SESSION = b"it is a list of files", b"it is a session description"


class Caller(threading.Thread):
    """Sends to a UDP port of this machine all the time, and counts what the kernel takes: it refuses while nobody has the port."""

    def __init__(self):
        super().__init__()
        with socket.socket(type=socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.refused = self.taken = 0
        self.ended = threading.Event()

    def run(self):
        with socket.socket(type=socket.SOCK_DGRAM) as caller:
            caller.connect(("127.0.0.1", self.port))
            while not self.ended.wait(0.002):
                try:
                    caller.send(b"x")
                    caller.send(b"x")
                    self.taken += 1
                except ConnectionRefusedError:
                    self.refused += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def test_files_that_name_others(hostile):
    """Formats of libavformat that open other files or addresses: none of them is followed. Names resolve against the directory of
    the process."""
    directory, listening, port = hostile
    url = f"http://127.0.0.1:{port}/a.mp4"
    with Caller() as caller:
        description = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {caller.port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
        texts = {
            "sdp.sdp": (description, SESSION), "sdp.mp4": ("\ufeff" + description, SESSION), "sdp.ts": (description.replace("\n", "\r\n"), SESSION),
            "concat.txt": (f"ffconcat version 1.0\nfile '{url}'\n", FILES),
            "concat-here.mp4": ("ffconcat version 1.0\nfile 'at-0.ts'\nfile 'at-0.ts'\n", FILES),
            "concat-fifo.mp4": ("ffconcat version 1.0\nfile fifo.ts\n", FILES), "concat-list.mp4": ("file 'at-0.ts'\n", FILES),
            "concat-a.ts": ("ffconcat version 1.0\nfile concat-b.ts\n", FILES), "concat-b.ts": ("ffconcat version 1.0\nfile concat-a.ts\n", FILES),
            "list.m3u": (f"#EXTM3U\n{url}\n", b""), "songs.m3u": ("#EXTM3U\n#EXTINF:123,A song\nat-0.ts\n", b"list of songs"),
            "list.pls": (f"[playlist]\nFile1={url}\nNumberOfEntries=1\n", FILES), "redirect.asx": (f'<ASX><entry><ref href="{url}"/></entry></ASX>', FILES),
            "sheet.cue": ('PERFORMER "x"\nFILE "at-0.ts" WAVE\n  TRACK 01 AUDIO\n', FILES), "reference.asf": (f"[Reference]\nRef1={url}\n", FILES),
            "rtsp.mov": (f"rtsptext\nrtsp://127.0.0.1:{port}/a\n", b"text"), "script.avs": ("Version()\n", b"text"),
            "cpl.xml": (f'<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:{url}</Id></CompositionPlaylist>', b"text"),
            "vobsub.idx": ("# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\ntimestamp: 00:00:00:000, filepos: 000000000\n", b"text"),
            "url.png": (f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n", b""),
        }
        for name, (text, _) in texts.items():
            (directory / name).write_text(text)
        for name, (_, why) in texts.items():
            ran = bounded(directory / name, seconds=2, cwd=directory)
            assert ran.status == 1 and b"1:" not in ran.out and why in ran.err, (name, ran)
    nobody_came(listening)
    assert caller.taken == 0 and caller.refused > 0, caller.taken


def test_what_is_no_regular_file(hostile, tmp_path):
    directory, _, _ = hostile
    for path in (directory, directory / "fifo.ts", directory / "socket.ts", directory / "zero.ts", "/dev/zero", "/dev/null", directory / "nowhere.ts", ""):
        ran = bounded(path, seconds=2)
        assert ran.status == 1 and ran.out == b"" and ran.err.count(b"\n") == 1, (path, ran)
    deep = tmp_path / "loop"
    deep.symlink_to("loop")
    assert bounded(deep, seconds=2).status == 1


def test_a_hundred_thousand_segments(made, tmp_path):
    """One small segment that is named 100,000 times; 10,000 times behind a discontinuity; and 10,000 files."""
    maker = corpus.Maker(tmp_path)
    corpus.video(*corpus.X264, "-f", "mpegts", seconds=0.04, size="32x32", sound=False)(maker, tmp_path / "s.ts")
    for marked, many in ((False, 100000), (True, 10000)):
        lines = [("#EXT-X-DISCONTINUITY\n" if marked else "") + segment("s.ts", 0.04)] * many
        (tmp_path / "many.m3u8").write_text(m3u8(*lines))
        ran = bounded(tmp_path / "many.m3u8", seconds=60, out_bytes=4 << 20)  # some lines a stretch
        assert ran.status == 1 or f" {many * 0.04:.3f} s, ".encode() in ran.out, ran
    os.mkdir(tmp_path / "d")
    for number in range(many):
        os.link(tmp_path / "s.ts", tmp_path / "d" / f"{number}.ts")
    (tmp_path / "d" / "files.m3u8").write_text(m3u8(*[segment(f"{number}.ts", 0.04) for number in range(many)]))
    ran = bounded(tmp_path / "d" / "files.m3u8", seconds=60)
    assert ran.status == 1 or b" 400.000 s, " in ran.out, ran
    (tmp_path / "nowhere.m3u8").write_text(m3u8(*[segment(f"nowhere-{number}.ts") for number in range(100000)]))
    assert bounded(tmp_path / "nowhere.m3u8").status == 1


# ---- files that claim much ----


def patched(data, kind, offset, value):
    """The first box of this kind with bytes at an offset of its body changed."""
    at = data.index(kind) + 4 + offset
    return data[:at] + value + data[at + len(value):]


def test_claims(made, tmp_path):
    """Numbers in headers that the file does not hold: refused, with little memory and time."""
    silent, whole = (made / "base/silent.mp4").read_bytes(), struct.pack(">I", 0xffffffff)
    mkv, ts = (made / "mkv/b.mkv").read_bytes(), (made / "ts/at-0.ts").read_bytes()
    edited, fragmented = (made / "mp4/edit-cut-out.mp4").read_bytes(), (made / "mp4/fragmented.mp4").read_bytes()
    claims = {
        "stts-count.mp4": patched(silent, b"stts", 8, whole), "stts-entries.mp4": patched(silent, b"stts", 4, whole), "stsz-count.mp4": patched(silent, b"stsz", 8, whole),
        "stsz-same.mp4": patched(silent, b"stsz", 4, struct.pack(">II", 1, 0xffffffff)), "stsc-entries.mp4": patched(silent, b"stsc", 4, whole),
        "stco-entries.mp4": patched(silent, b"stco", 4, whole), "stsc-samples.mp4": patched(silent, b"stsc", 12, whole),
        "elst-entries.mp4": patched(edited, b"elst", 4, whole), "trun-count.mp4": patched(fragmented, b"trun", 4, whole),
        "moov-size.mp4": patched(silent, b"moov", -8, whole), "segment-size.mkv": mkv.replace(b"\x18\x53\x80\x67", b"\x18\x53\x80\x67\x01\x7f\xff\xff\xff\xff\xff\xff", 1),
        "free.mp4": b"\0\0\0\x08free" * 500000, "trak.mp4": b"\0\0\0\x08ftyp" + struct.pack(">I4s", 8 + 8 * 500000, b"moov") + b"\0\0\0\x08trak" * 500000,
        "nested.mp4": b"".join(struct.pack(">I4s", 8 * (100000 - depth), b"moov") for depth in range(100000)),
        "void.mkv": mkv[:40] + b"\xec\x80" * 1000000, "ebml.mkv": b"\x1a\x45\xdf\xa3" * 500000,
        "flags.ts": b"".join(ts[at:at + 188] if not ts[at + 3] & 0x20 or ts[at + 4] == 0 else ts[at:at + 5] + bytes([ts[at + 5] | 0x80]) + ts[at + 6:at + 188]
                             for at in range(0, len(ts), 188)),
        "sync.ts": b"\x47" * 2000000, "gif.gif": b"GIF89a" + bytes([255] * 4) + b"\x80\0\0" + bytes(6) + b"\x2c" * 1000000,
        "flv.flv": b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + b"\x09\xff\xff\xff" * 100000,
    }
    for name, data in claims.items():
        (tmp_path / name).write_bytes(data)
    with concurrent.futures.ThreadPoolExecutor(measuring.WORKERS) as pool:
        rans = pool.map(lambda name: bounded(tmp_path / name), claims)
    for name, ran in zip(claims, rans):
        answer = measuring.parse([tmp_path / name], ran.out, ran.err)[str(tmp_path / name)]
        assert all(output.seconds <= 10.04 for output in answer.outputs), (name, str(answer))


def test_a_sparse_file(made, tmp_path):
    """Half a gigabyte of holes behind a head, which a copy that was broken off leaves."""
    for name in ("ts/at-0.ts", "mp4/fast.mp4", "mkv/b.mkv", "flv/live.flv", "raw/h264-b.h264"):
        path = tmp_path / ("sparse" + pathlib.Path(name).suffix)
        data = (made / name).read_bytes()
        path.write_bytes(data[:len(data) // 2])
        os.truncate(path, 512 << 20)
        ran = bounded(path)
        answer = measuring.parse([path], ran.out, ran.err)[str(path)]
        assert all(output.seconds <= CASES[name].seconds + 0.04 for output in answer.outputs), (name, str(answer))


def test_little_memory(made):
    """Where memory ends, the command says so: it does not crash."""
    paths = [made / name for name in ("ts/at-0.ts", "mp4/fast.mp4", "hls/plain/out.m3u8")]
    if is_sanitized():
        pytest.skip("a sanitizer has memory of its own")
    for megabytes in (60, 90, 120, 200, 400):
        def limit(size=megabytes << 20):
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        ran = measuring.run(paths, preexec_fn=limit)
        assert ran.status in (0, 1, 127), (megabytes, ran)
