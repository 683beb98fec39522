"""How long a file's pictures are shown, counted by ffprobe: it decodes every picture. It shares no code with the product."""
import json
import subprocess

LIMIT_S = 120


def _ffprobe(path, *args):
    done = subprocess.run(["ffprobe", "-v", "quiet", "-threads", "1", "-of", "json", *args, "-select_streams", "v", str(path)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S)
    return json.loads(done.stdout or b"{}")


def count(path):
    """The number of pictures of each video stream, each once (libavformat lists the streams of programs again)."""
    rows = _ffprobe(path, "-count_frames", "-show_entries", "stream=nb_read_frames,index:stream_disposition=attached_pic").get("streams", [])
    return [int(row.get("nb_read_frames") or 0) for row in rows if not row["disposition"]["attached_pic"]]


def packets(path):
    """The number of pictures that the first video holds, not decoded."""
    rows = _ffprobe(path, "-count_packets", "-show_entries", "stream=nb_read_packets").get("streams", [])
    return int(rows[0].get("nb_read_packets") or 0) if rows else 0


def times(path):
    """From the begin of the first picture to the end of the last one, in seconds."""
    rows = _ffprobe(path, "-show_entries", "frame=pts_time,pkt_dts_time,duration_time,pkt_duration_time").get("frames", [])
    shown = sorted((float(row.get("pts_time") or row["pkt_dts_time"]), float(row.get("duration_time") or row.get("pkt_duration_time") or 0)) for row in rows)
    return shown[-1][0] + shown[-1][1] - shown[0][0] if shown else 0


def seconds(path, by, rate):
    """One figure for each video stream."""
    return [pictures / rate for pictures in count(path)] if by == "frames" else [times(path)]
