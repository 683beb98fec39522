"""Real media files, made by ffmpeg once a session; and accounts to report them to."""
import os
import subprocess
from types import SimpleNamespace

import pytest

from conftest import CODECMETER, Account


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)], check=True, timeout=120)


def picture(size, seconds, rate=10):
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def tone(seconds):
    return ["-f", "lavfi", "-i", f"sine=duration={seconds}"]


H264 = ["-c:v", "libx264", "-preset", "ultrafast"]


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Some clips that many tests use; tests copy what they change."""
    directory = tmp_path_factory.mktemp("clips")
    ffmpeg(*picture("640x360", 2), *tone(2), *H264, "-c:a", "aac", directory / "small.mp4")
    ffmpeg(*tone(2), "-c:a", "aac", directory / "sound.m4a")
    copy = directory / "copy"  # `copy FROM TO` is `distinct` as a command
    copy.write_text('#!/bin/sh\n{ cat "$1" && printf "\\000\\000\\000\\030free" && head -c 16 /dev/urandom; } > "$2"\n')
    copy.chmod(0o755)
    return directory


@pytest.fixture(scope="session")
def stream(tmp_path_factory):
    """A transport stream of 4 s (`whole`), whose first `half` bytes are a stream of 2 s without a fault."""
    whole = tmp_path_factory.mktemp("stream") / "whole.ts"
    ffmpeg(*picture("640x360", 4), *H264, "-g", 10, whole)
    data = whole.read_bytes()
    keys = [at for at in range(0, len(data), 188)  # packets of the video that begin a key picture
            if int.from_bytes(data[at + 1:at + 3], "big") == 0x4100 and data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40]
    return SimpleNamespace(whole=whole, half=keys[2])


def fresh(clip):
    """The content of an MP4 file, made unlike any other, because equal media are one output."""
    with open(clip, "rb") as file:
        return file.read() + (24).to_bytes(4, "big") + b"free" + os.urandom(16)


def distinct(clip, path):
    """Copies an MP4 file with `fresh` content. Returns the new path."""
    with open(path, "wb") as file:
        file.write(fresh(clip))
    return path


class Farm:
    """A machine that transcodes: runs the client commands against a server."""

    def __init__(self, bare, *settings):
        self.account = Account(bare, "query.max_age=0", "query.max_span=0", *settings)
        self.server = bare
        self.spool = bare.data + ".spool"
        self.environment = {**os.environ, "CODECMETER_SPOOL": self.spool,
                            "CODECMETER_URL": bare.url, "CODECMETER_PROJECT": "org-a",
                            "CODECMETER_TOKEN": self.account.token,
                            "CODECMETER_PUBLIC_KEY": self.account.key["public_key"],
                            "CODECMETER_PRIVATE_KEY": self.account.key["private_key"]}

    def command(self, *args, **kwargs):
        kwargs = {"capture_output": True, "text": True, "timeout": 60, "env": self.environment, **kwargs}
        return subprocess.run([CODECMETER, *(arg if isinstance(arg, bytes) else str(arg) for arg in args)], **kwargs)

    def record(self, *files):
        return self.command("record", *files)

    def start(self, *args, **kwargs):
        return subprocess.Popen([CODECMETER, *map(str, args)], env=self.environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **kwargs)

    def totals(self):
        """{(codec, tier): seconds} of the last days."""
        sums = {}
        for row in self.account.client.stat():
            for tier in ("Low", "Midium", "High", "Super"):
                if row[tier + "DefinitionTime"]:
                    key = (row["VideoCodec"], tier)
                    sums[key] = sums.get(key, 0) + row[tier + "DefinitionTime"]
        return sums


@pytest.fixture
def farm(bare):
    return Farm(bare)
