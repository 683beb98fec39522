"""Damages files of the corpus: cuts, flipped bytes, parts that are missing, doubled or moved. Everything follows from a seed."""
import dataclasses
import pathlib
import random

import containers

CUTS = 50

# One or more of each container, and what can be cut of it.
CONTAINERS = (
    "ts/at-0.ts", "ts/joined-back.ts", "ts/leap-at-key-b.ts", "ts/slides.ts", "ts/plain.m2ts", "ts/checksums.ts", "ts/hevc.ts", "ts/mpeg2.ts",
    "flv/sorenson.flv", "flv/restart.flv", "flv/live.flv", "ps/plain.mpg", "ps/joined.vob",
    "mp4/plain.mp4", "mp4/fast.mp4", "mp4/edit-cut-out.mp4", "mp4/ss-copy-fast.mp4", "mp4/plain.mov", "mp4/fragmented.mp4", "mp4/cmaf.mp4", "mp4/piped.mp4",
    "mp4/fragmented-sidx.mp4", "mp4/sound-longer.mp4", "mp4/hevc.mp4", "mp4/av1.mp4",
    "mkv/b.mkv", "mkv/live.mkv", "mkv/piped.mkv", "mkv/index-first.mkv", "mkv/vp9.webm", "mkv/sound-longer.mkv",
    "other/mpeg4.avi", "other/repeated.avi", "other/mpeg2.mxf", "other/theora.ogv", "other/plain.wmv", "other/plain.nut",
    "raw/h264-b.h264", "raw/hevc.hevc", "raw/mpeg2.m2v", "raw/vp9.ivf", "pictures/animated.gif", "pictures/animated.webp", "raw/plain.y4m",
)


@dataclasses.dataclass(frozen=True)
class Damaged:
    source: str
    what: str
    data: bytes


def cuts(name, data, seed=1, count=CUTS):
    """Prefixes: evenly spaced, beside multiples of a transport packet, and close to both ends."""
    chance = random.Random(f"{seed} {name}")
    places = {1, 8, len(data) - 1, len(data) - 188, *(len(data) * n // 20 for n in range(1, 20)), *(len(data) * n // 10 // 188 * 188 for n in range(1, 10))}
    places = {place for place in places if 0 < place < len(data)}
    while len(places) < min(count, len(data) - 1):
        places.add(chance.randrange(1, len(data)))
    return [Damaged(name, f"cut at {place} of {len(data)}", data[:place]) for place in sorted(places)[:count]]


def flips(name, data, seed=1, count=10):
    """Some bytes have other values: often in the first or last 4 KiB, where headers and indexes are."""
    damaged = []
    for number in range(count):
        chance = random.Random(f"{seed} {name} {number}")
        changed, places = bytearray(data), []
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            span = chance.choice(((0, len(data)), (0, min(len(data), 4096)), (max(0, len(data) - 4096), len(data))))
            place = chance.randrange(*span)
            changed[place] = chance.choice((0, 255, changed[place] ^ 1 << chance.randrange(8), chance.randrange(256)))
            places.append(place)
        damaged.append(Damaged(name, f"seed {seed}, number {number}: bytes {places} changed", bytes(changed)))
    return damaged


def splices(name, data, seed=1, count=5):
    """A part is left out, doubled, overwritten by another part, or overwritten by zeros."""
    damaged = []
    for number in range(count):
        chance = random.Random(f"{seed} splice {name} {number}")
        begin = chance.randrange(len(data))
        end = min(len(data), begin + chance.choice((1, 3, 188, 1000, 20000)))
        other = chance.randrange(len(data))
        how, changed = chance.choice((
            ("left out", data[:begin] + data[end:]), ("doubled", data[:end] + data[begin:]),
            ("overwritten", data[:begin] + data[other:other + end - begin] + data[end:]), ("zeroed", data[:begin] + bytes(end - begin) + data[end:])))
        damaged.append(Damaged(name, f"seed {seed}, number {number}: {begin} to {end} {how}", changed))
    return damaged


# Files whose times stray, one at a time.
TIMED = (
    "flv/plain.flv", "flv/b.flv", "flv/live.flv", "flv/at-5000.flv", "flv/silent.flv", "ts/plain.ts", "ts/b.ts", "ts/silent-b.ts", "ts/at-7200-b.ts", "ts/mpeg2.ts", "ts/hevc.ts",
    "ts/no-pcr.ts", "ps/plain.vob", "ps/silent.vob", "mkv/b.mkv", "mkv/live.mkv", "mkv/vp9.webm", "mkv/small-clusters.mkv",
    "mp4/fragmented.mp4", "mp4/fragmented-each.mp4", "mp4/fragmented-no-index.mp4", "mp4/cmaf.mp4", "mp4/fragmented-separate.mp4",
)


def strays(name, data, seed=1, count=20, many=1):
    """One time has another value, or some in a row: near the right one, or any."""
    damaged, suffix = [], pathlib.Path(name).suffix
    for number in range(count):
        chance = random.Random(f"{seed} stray {name} {number}")
        seconds = chance.choice((0, 1.7, chance.uniform(0, 20), chance.uniform(0, 600), chance.uniform(0, 95000), chance.uniform(4990, 5020), chance.uniform(7190, 7220)))
        fraction = chance.choice((chance.random(), chance.random(), 0, 0.9999))
        damaged.append(Damaged(name, f"seed {seed}, number {number}: {many} times from {fraction:.4f} on are {seconds:.3f} s",
                               containers.stray_at(data, suffix, fraction, seconds, many)))
    return damaged
