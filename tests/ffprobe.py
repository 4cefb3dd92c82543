"""What FFmpeg's own ffprobe tells of a film: another program than the one under test."""

from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

NAME: Final = "ffprobe"
_SHAPE: Final = ("codec_name", "width", "height", "sample_aspect_ratio", "pix_fmt")
_COLOUR: Final = ("color_range", "color_space", "color_transfer", "color_primaries")


def found() -> str | None:
    """Where it is; None if it is not installed."""
    return shutil.which(NAME)


def asked(path: Path, *words: str) -> dict[str, Any]:
    """Its answer to a question in words of its command line."""
    command = [NAME, "-v", "error", "-print_format", "json", *words, f"file:{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def told(path: Path) -> dict[str, Any]:
    """Facts that a film and its anonymized copy are to share."""
    whole = asked(path, "-show_streams", "-show_chapters", "-show_format")
    streams = whole["streams"]
    films = [s for s in streams if s["codec_type"] == "video" and not _attached(s)]
    return {
        "times": [_times(path, film) for film in films],
        "milliseconds": round(1000 * Fraction(whole["format"]["duration"])),
        "picture": [_picture(film) for film in films],
        "signals": [sorted(map(str, _signals(path, film))) for film in films],
        "labels": [_labels(s) for s in streams if s in films or _copied(s)],
        "packets": _packets(path, [s for s in streams if _copied(s)]),
        "chapters": [
            (c["start_time"], c["end_time"], c["tags"]["title"]) for c in whole["chapters"]
        ],
    }


def _attached(stream: dict[str, Any]) -> bool:
    return bool(stream["disposition"]["attached_pic"])


def _copied(stream: dict[str, Any]) -> bool:
    return stream["codec_type"] in ("audio", "subtitle")


def _labels(stream: dict[str, Any]) -> tuple[Any, ...]:
    language = stream.get("tags", {}).get("language")
    return stream["codec_type"], stream["codec_name"], language, stream["disposition"]


def _picture(film: dict[str, Any]) -> dict[str, Any]:
    """Shape and colours; what goes without saying is said."""
    told = {key: film.get(key) for key in (*_SHAPE, *_COLOUR)}
    told["sample_aspect_ratio"] = told["sample_aspect_ratio"] or "1:1"
    if str(told["pix_fmt"]).startswith(("gray", "gbr")):
        told["color_range"] = told["color_range"] or "pc"
    if str(told["pix_fmt"]).startswith("gbr"):
        told["color_space"] = told["color_space"] or "gbr"
    return told


def _signals(path: Path, film: dict[str, Any]) -> list[dict[str, Any]]:
    """How it is to be turned, and of what display and light the stream or its pictures tell."""
    words = ("-show_frames", "-show_entries", "frame=side_data_list")
    frame = asked(path, "-select_streams", str(film["index"]), *words)["frames"][0]
    said = [*film.get("side_data_list", []), *frame.get("side_data_list", [])]
    kinds = {"Display Matrix", "Mastering display metadata", "Content light level metadata"}
    return list(
        {one["side_data_type"]: one for one in said if one["side_data_type"] in kinds}.values()
    )


def _times(path: Path, film: dict[str, Any]) -> list[Fraction]:
    """When every picture is shown, in seconds."""
    words = ("-show_frames", "-show_entries", "frame=best_effort_timestamp")
    frames = asked(path, "-select_streams", str(film["index"]), *words)["frames"]
    return [frame["best_effort_timestamp"] * Fraction(film["time_base"]) for frame in frames]


def _packets(path: Path, streams: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Times in seconds and content of all packets, stream by stream; PCM has none of its own."""
    facts: list[tuple[Any, ...]] = []
    entries = "packet=pts,dts,duration,size,data_hash"
    for stream in streams:
        words = ("-show_packets", "-show_data_hash", "sha256", "-show_entries", entries)
        base = Fraction(stream["time_base"])
        for packet in asked(path, "-select_streams", str(stream["index"]), *words)["packets"]:
            times = [packet[key] * base for key in ("pts", "dts", "duration") if key in packet]
            facts.append((stream["codec_name"], *times, packet["size"], packet["data_hash"]))
        if stream["codec_name"].startswith("pcm_"):
            sizes = sum(int(fact[-2]) for fact in facts)
            facts = [(stream["codec_name"], facts[0][1], sizes)]
    return facts
