"""Rewrites containers where ffmpeg does not write what the field has: clocks that leap, edit lists, joined files.

All functions take and give the bytes of a whole file. Nothing here knows the product.
"""
import struct

PACKET = 188
CLOCK = 90000  # ticks a second
WRAP = 1 << 33


# ---- MPEG transport streams ----


def _read_time(data, at):
    return (data[at] >> 1 & 7) << 30 | data[at + 1] << 22 | data[at + 2] >> 1 << 15 | data[at + 3] << 7 | data[at + 4] >> 1


def _write_time(data, at, value):
    data[at] = data[at] & 0xf0 | (value >> 30 & 7) << 1 | 1
    data[at + 1], data[at + 2] = value >> 22 & 255, (value >> 15 & 127) << 1 | 1
    data[at + 3], data[at + 4] = value >> 7 & 255, (value & 127) << 1 | 1


def _read_pcr(data, at):
    return data[at] << 25 | data[at + 1] << 17 | data[at + 2] << 9 | data[at + 3] << 1 | data[at + 4] >> 7


def _write_pcr(data, at, value):
    rest = data[at + 4] & 0x7f
    data[at], data[at + 1], data[at + 2], data[at + 3] = value >> 25 & 255, value >> 17 & 255, value >> 9 & 255, value >> 1 & 255
    data[at + 4] = (value & 1) << 7 | rest


class _Packet:
    """Where the fields of one transport packet are."""

    def __init__(self, data, at):
        self.pid = (data[at + 1] & 31) << 8 | data[at + 2]
        self.begins = bool(data[at + 1] & 64)
        self.flags = self.pcr = None
        payload = at + 4
        if data[at + 3] & 0x20:
            if data[at + 4] > 0:
                self.flags = at + 5
                if data[at + 5] & 0x10:
                    self.pcr = at + 6
            payload += 1 + data[at + 4]
        self.payload = payload if data[at + 3] & 0x10 and payload < at + PACKET else None
        is_pes = self.payload is not None and self.begins and data[self.payload:self.payload + 3] == b"\0\0\1"
        self.pes = self.payload if is_pes and data[self.payload + 3] >= 0xc0 else None
        self.is_key = self.flags is not None and bool(data[self.flags] & 0x40)


def ts_leap(data, *leaps, flag=False, pid=None):
    """Each leap is (fraction of the file, seconds): the clock leaps by so much at the next point of random access behind the
    fraction. That is also a sound frame, so a leap may part a picture from the B pictures that are shown before it; with
    pid, only that stream's points are taken. flag: the next packet with a PCR has the discontinuity flag."""
    data, waiting, delta, count = bytearray(data), list(leaps), 0, len(data) // PACKET
    to_flag = False
    for number in range(count):
        packet = _Packet(data, number * PACKET)
        if waiting and packet.pes and packet.is_key and pid in (None, packet.pid) and number >= count * waiting[0][0]:
            delta += round(waiting.pop(0)[1] * CLOCK)
            to_flag = flag
        if packet.pcr:
            if to_flag:
                data[packet.flags] |= 0x80
                to_flag = False
            _write_pcr(data, packet.pcr, (_read_pcr(data, packet.pcr) + delta) % WRAP)
        if packet.pes:
            kind = data[packet.pes + 7] >> 6
            for at in [packet.pes + 9] * (kind >= 2) + [packet.pes + 14] * (kind == 3):
                _write_time(data, at, (_read_time(data, at) + delta) % WRAP)
    assert not waiting, "a leap found no place"
    return bytes(data)


def _crc(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04c11db7 if value & 0x80000000 else value << 1) & 0xffffffff
    return value


def _set_pcr_pid(data, at, pid):
    """In a program map table that begins in this packet's payload."""
    table = at + 1 + data[at]
    length = (data[table + 1] & 15) << 8 | data[table + 2]
    data[table + 8], data[table + 9] = data[table + 8] & 0xe0 | pid >> 8, pid & 255
    struct.pack_into(">I", data, table + 3 + length - 4, _crc(data[table:table + 3 + length - 4]))


def ts_move_pcr(data, pid, map_pid=0x1000):
    """The PCR is in packets of its own with this PID. 0x1fff: there is no PCR."""
    data, out = bytearray(data), bytearray()
    for at in range(0, len(data), PACKET):
        packet = _Packet(data, at)
        if packet.pid == map_pid and packet.begins:
            _set_pcr_pid(data, packet.payload, pid)
        if packet.pcr:
            if pid != 0x1fff:
                field = bytes(data[packet.pcr:packet.pcr + 6])
                out += bytes([0x47, pid >> 8, pid & 255, 0x20, 183, 0x10]) + field + b"\xff" * 176
            data[packet.flags] &= ~0x10
            end = at + 5 + data[at + 4]
            data[packet.pcr:end] = data[packet.pcr + 6:end] + b"\xff" * 6
        out += data[at:at + PACKET]
    return bytes(out)


def ts_to_m2ts(data):
    return b"".join(struct.pack(">I", number * 300) + data[number * PACKET:(number + 1) * PACKET]
                    for number in range(len(data) // PACKET))


def ts_with_checksums(data):
    return b"".join(data[at:at + PACKET] + b"\xff" * 16 for at in range(0, len(data), PACKET))


# ---- MP4 and QuickTime ----


def _boxes(data, begin, end):
    while begin < end:
        size, kind = struct.unpack_from(">I4s", data, begin)
        if size == 1:
            size = struct.unpack_from(">Q", data, begin + 8)[0]
        size = size or end - begin
        yield kind, begin, size
        begin += size


def _find(data, begin, end, kind):
    return [(at, size) for found, at, size in _boxes(data, begin, end) if found == kind]


def _edit_list(edits, movie_scale, track_scale, version):
    rows, total = [], 0
    for edit in edits:
        seconds, begin, rate = (*edit, 1)[:3]
        duration = round(seconds * movie_scale)
        media_time = -1 if begin < 0 else round(begin * track_scale)
        rows.append(struct.pack(">QqhH" if version else ">IihH", duration, media_time, rate, 0))
        total += duration
    body = struct.pack(">BxxxI", version, len(rows)) + b"".join(rows)
    inner = struct.pack(">I4s", 8 + len(body), b"elst") + body
    return struct.pack(">I4s", 8 + len(inner), b"edts") + inner, total


def mp4_edit(data, edits, track=1, version=0):
    """Gives a track (from 1) of a file whose moov is last an edit list of rows (seconds, begin in the media or -1, rate = 1).
    begin is in the track's own times, in which B frames may begin later than 0."""
    (moov_at, moov_size), = _find(data, 0, len(data), b"moov")
    assert moov_at + moov_size == len(data), "moov must be last, because offsets are not changed"
    moov = bytearray(data[moov_at:])
    (mvhd, _), = _find(moov, 8, len(moov), b"mvhd")
    at, size = _find(moov, 8, len(moov), b"trak")[track - 1]
    trak = bytearray(moov[at:at + size])
    (mdia, mdia_size), = _find(trak, 8, size, b"mdia")
    (mdhd, _), = _find(trak, mdia + 8, mdia + mdia_size, b"mdhd")
    edts, total = _edit_list(edits, struct.unpack_from(">I", moov, mvhd + 20)[0], struct.unpack_from(">I", trak, mdhd + 20)[0], version)
    for old, old_size in _find(trak, 8, size, b"edts"):
        del trak[old:old + old_size]
    (tkhd, tkhd_size), = _find(trak, 8, len(trak), b"tkhd")
    struct.pack_into(">I", trak, tkhd + 28, total)
    trak[tkhd + tkhd_size:tkhd + tkhd_size] = edts
    struct.pack_into(">I", trak, 0, len(trak))
    moov[at:at + size] = trak
    struct.pack_into(">I", moov, 0, len(moov))
    longest = max(struct.unpack_from(">I", moov, _find(moov, t + 8, t + s, b"tkhd")[0][0] + 28)[0]
                  for t, s in _find(moov, 8, len(moov), b"trak"))
    struct.pack_into(">I", moov, mvhd + 24, longest)
    return data[:moov_at] + bytes(moov)


def mp4_put(data, kind, offset, value):
    """A number of 32 bits in the body of the first box of a kind."""
    at = data.index(kind) + 4 + offset
    return data[:at] + struct.pack(">I", value) + data[at + 4:]


# ---- Flash video ----


def _flv_tags(data):
    at = 9 + 4
    while at + 15 <= len(data):
        size = int.from_bytes(data[at + 1:at + 4], "big")
        yield at, 11 + size + 4
        at += 11 + size + 4


def flv_body(data):
    """The tags without the file's header and without the script data that state the length."""
    return b"".join(data[at:at + size] for at, size in _flv_tags(data) if data[at] != 18)


def flv_head(data, fraction, more):
    """The tags up to a fraction of them, and some bytes of the next one."""
    tags = list(_flv_tags(data))
    return data[:tags[int(len(tags) * fraction)][0] + more]


def flv_leap(data, after, seconds):
    """The clock leaps by so many seconds at the first key picture at or behind `after` seconds."""
    data, leaping = bytearray(data), False
    for at, _ in _flv_tags(data):
        time = int.from_bytes(data[at + 4:at + 7], "big") | data[at + 7] << 24
        is_key = data[at] == 9 and data[at + 11] >> 4 == 1
        leaping = leaping or (is_key and time >= after * 1000)
        if leaping:
            time = time + round(seconds * 1000)
            data[at + 4:at + 8] = (time & 0xffffff).to_bytes(3, "big") + bytes([time >> 24 & 255])
    return bytes(data)


# ---- places of times ----


def _flv_times(data):
    """The time of each tag with sound or video."""
    def write(changed, at, ms):
        changed[at + 4:at + 8] = (ms & 0xffffff).to_bytes(3, "big") + bytes([ms >> 24 & 127])
    return [(at, lambda changed, value, at=at: write(changed, at, round(value * 1000))) for at, _ in _flv_tags(data) if data[at] in (8, 9)]


def _ts_times(data):
    """The PES times and the PCR of each packet, each alone."""
    places = []
    for at in range(0, len(data) - PACKET + 1, PACKET):
        packet = _Packet(data, at)
        if packet.pcr:
            places.append((packet.pcr, lambda changed, value, at=packet.pcr: _write_pcr(changed, at, round(value * CLOCK) % WRAP)))
        if packet.pes:
            kind = data[packet.pes + 7] >> 6
            places += [(field, lambda changed, value, at=field: _write_time(changed, at, round(value * CLOCK) % WRAP))
                       for field in [packet.pes + 9] * (kind >= 2) + [packet.pes + 14] * (kind == 3)]
    return places


def _ps_times(data):
    """The PES times of each packet of an MPEG-2 program stream."""
    places, at = [], data.find(b"\0\0\1")
    while 0 <= at < len(data) - 20:
        kind = data[at + 7] >> 6 if data[at + 3] >= 0xbd and data[at + 6] >> 6 == 2 else 0
        places += [(field, lambda changed, value, at=field: _write_time(changed, at, round(value * CLOCK) % WRAP))
                   for field in [at + 9] * (kind >= 2) + [at + 14] * (kind == 3)]
        at = data.find(b"\0\0\1", at + 3)
    return places


def _element(data, at):
    """The identifier, the begin and the end of the body of an EBML element."""
    length = 9 - data[at].bit_length()
    kind, at = int.from_bytes(data[at:at + length], "big"), at + length
    length = 9 - data[at].bit_length()
    size = int.from_bytes(data[at:at + length], "big") & (1 << 7 * length) - 1
    return kind, at + length, len(data) if size == (1 << 7 * length) - 1 else at + length + size


def _mkv_times(data):
    """The time of each Cluster, and of each block within its Cluster (at most 32 s); times are in ms."""
    places, at = [], 0
    while at < len(data) - 4:
        kind, begin, end = _element(data, at)
        if kind == 0xe7:
            places.append((begin, lambda changed, value, begin=begin, end=end: changed.__setitem__(
                slice(begin, end), min(round(value * 1000), (1 << 8 * (end - begin)) - 1).to_bytes(end - begin, "big"))))
        if kind in (0xa3, 0xa1):
            places.append((begin + 1, lambda changed, value, at=begin + 1: struct.pack_into(">h", changed, at, min(round(value * 1000), 32767))))
        at = begin if kind in (0x18538067, 0x1f43b675, 0xa0) else end
    return places


def _mp4_times(data):
    """The decoding time of each fragment."""
    places, at = [], data.find(b"tfdt")
    while at >= 0:
        field = at + 8
        form = ">Q" if data[at + 4] else ">I"
        places.append((field, lambda changed, value, at=field, form=form: struct.pack_into(form, changed, at, round(value * 12800) % (1 << 32))))
        at = data.find(b"tfdt", at + 4)
    return places


TIMES = {".flv": _flv_times, ".ts": _ts_times, ".vob": _ps_times, ".mpg": _ps_times, ".mkv": _mkv_times, ".webm": _mkv_times, ".mp4": _mp4_times}


def stray_at(data, suffix, fraction, seconds, count=1):
    """Some times one after the other, from a fraction of all on."""
    changed, places = bytearray(data), TIMES[suffix](data)
    begin = int(len(places) * fraction)
    for _, write in places[begin:begin + count]:
        write(changed, seconds)
    return bytes(changed)


# ---- raw H.264 ----


class _Bits:
    def __init__(self, data):
        self.bits = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def fixed(self, count):
        self.at += count
        return int(self.bits[self.at - count:self.at], 2)

    def ue(self):
        zeros = self.bits.index("1", self.at) - self.at
        self.at += zeros
        return self.fixed(zeros + 1) - 1


def h264_without_rate(data):
    """Takes the timing out of the (baseline) sequence parameter sets of a raw stream: it states no rate any more."""
    parts = data.split(b"\0\0\1")
    for number, part in enumerate(parts):
        if part[:1] and part[0] & 31 == 7:
            bits = _Bits(part[1:].rstrip(b"\0").replace(b"\0\0\3", b"\0\0"))
            assert bits.fixed(8) == 66, "only the baseline profile"
            bits.fixed(16), bits.ue(), bits.ue()
            assert bits.ue() == 2, "without B frames"
            bits.ue(), bits.fixed(1), bits.ue(), bits.ue()
            bits.fixed(1) or bits.fixed(1)
            bits.fixed(1)
            if bits.fixed(1):
                [bits.ue() for _ in range(4)]
            assert bits.fixed(1), "no VUI"
            if bits.fixed(1) and bits.fixed(8) == 255:
                bits.fixed(32)
            bits.fixed(1) and bits.fixed(1)
            if bits.fixed(1):
                bits.fixed(4)
                bits.fixed(1) and bits.fixed(24)
            if bits.fixed(1):
                bits.ue(), bits.ue()
            assert bits.fixed(1), "no timing"
            rest = bits.bits[:bits.at - 1] + "0" + bits.bits[bits.at + 65:].rstrip("0")
            rest += "0" * (-len(rest) % 8)
            raw = bytes(int(rest[at:at + 8], 2) for at in range(0, len(rest), 8))
            out, zeros = bytearray(), 0
            for byte in raw:
                if zeros == 2 and byte <= 3:
                    out.append(3)
                    zeros = 0
                out.append(byte)
                zeros = zeros + 1 if byte == 0 else 0
            parts[number] = part[:1] + bytes(out) + (b"\0" if part.endswith(b"\0") else b"")
    return b"\0\0\1".join(parts)
