"""Inputs of every kind, and what becomes of them: the rows of docs/media.md.

``python -m tests.media`` writes the document anew. To add a kind, add a `Row`.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import av
from PIL import Image

from tests import photos
from tests.films import blank, make_sound, make_video, truncate

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "media.md"

Outcome = Literal["kept", "converted", "refused"]
Make = Callable[[Path], Path]
"""Folder to the film that was written there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of input and what is to become of it."""

    name: str
    """Unique, as the document calls it."""
    make: Make
    outcome: Outcome
    """``kept``: ffprobe tells no difference in time, streams and picture format; ``converted``:
    something is lost, and a warning says so; ``refused``: one line with advice."""
    note: str = ""
    """A part of every warning, of the reason, or what is left out in silence."""


def _film(suffix: str, **what: Any) -> Make:
    """A film of a suffix; ``what`` are fields of `Film`."""
    return lambda folder: make_video(folder / f"in{suffix}", **what)


def _broken(make: Make, harm: Callable[[Path], Path]) -> Make:
    return lambda folder: harm(make(folder))


X264: Final = {"preset": "veryfast", "crf": "12", "threads": "1", "x264-params": "mbtree=0"}
TICK: Final = Fraction(1, 90_000)
FRONT: Final = {"movflags": "+faststart"}
VP9: Final[dict[str, Any]] = {
    "codec": "libvpx-vp9",
    "options": {"deadline": "realtime", "cpu-used": "8"},
}
MPEG4: Final[dict[str, Any]] = {"codec": "mpeg4", "options": {"threads": "1"}}
PNG: Final[dict[str, Any]] = {"codec": "png", "pixel_format": "rgb24", "options": {}}


def _ntsc(rate: int, **what: Any) -> Make:
    return _film(".mp4", rate=rate, time_base=Fraction(1001, rate * 1000), **what)


def _rated(suffix: str, numerator: int, denominator: int = 1) -> Make:
    """A film of an exact rate."""
    base = Fraction(denominator, numerator)
    return _film(suffix, rate=round(1 / base), time_base=base, frames=24)


def _repeated(folder: Path) -> Path:
    """Matroska with three pictures at one time and one before the last."""
    path = make_video(folder / "in.mkv", codec="ffv1", pixel_format="bgr0", options={}, frames=9)
    with av.open(str(path)) as file:
        places = [packet.pos or 0 for packet in file.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number, stamp in ((3, 80), (4, 80), (6, 160)):
        place = content.index(b"\x81", places[number])  # behind the track comes the time
        content[place + 1 : place + 3] = stamp.to_bytes(2, "big")
    path.write_bytes(content)
    return path


def _trimmed(folder: Path) -> Path:
    """MP4 whose edit list hides the first pictures, which others are predicted from."""
    return make_video(
        folder / "in.mp4",
        pts=range(-5, 20),
        options=X264,
        audio="aac",
        container_options={"avoid_negative_ts": "disabled"},
    )


def _with_font(folder: Path) -> Path:
    path, whole = make_video(folder / "plain.mkv", options=X264), folder / "in.mkv"
    with av.open(str(path)) as source, av.open(str(whole), "w") as file:
        stream = file.add_stream_from_template(source.streams.video[0])
        file.add_attachment("font.ttf", "application/x-truetype-font", b"\0\1\0\0" * 30)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                file.mux(packet)
    path.unlink()
    return whole


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


TIME: Final = (
    Row("constant rate, 25", _rated(".mp4", 25), "kept"),
    Row("23.976 (24000/1001)", _rated(".mp4", 24000, 1001), "kept"),
    Row("29.97 (30000/1001)", _rated(".mp4", 30000, 1001), "kept"),
    Row("59.94 (60000/1001)", _rated(".mov", 60000, 1001), "kept"),
    Row("1 frame per second", _rated(".mp4", 1), "kept"),
    Row("240 frames per second", _rated(".mp4", 240), "kept"),
    Row("29.97 in Matroska", _rated(".mkv", 30000, 1001), "kept"),
    Row("240 in WebM", _film(".webm", **VP9, rate=240), "kept"),
    Row("one frame", _film(".mp4", frames=1), "kept"),
    Row("one frame in Matroska", _film(".mkv", frames=1), "kept"),
    Row("variable rate", _film(".mp4", pts=[0, 7, 8, 1001, 5000, 5003], time_base=TICK), "kept"),
    Row(
        "variable rate in Matroska",
        _film(".mkv", pts=[0, 7, 8, 101, 500, 503], time_base=Fraction(1, 1000)),
        "kept",
    ),
    Row(
        "late start",
        _film(".mp4", pts=[700, 740, 781], time_base=Fraction(1, 1000), audio="aac"),
        "kept",
    ),
    Row("late sound", _film(".mp4", audio="aac", audio_start=0.24), "kept"),
    Row("last picture shown long", _film(".mp4", pts=[0, 1, 2, 100]), "kept"),
    Row(
        "reordered (B-frames)",
        _film(".mp4", frames=30, options=X264 | {"bf": "3"}, audio="aac"),
        "kept",
    ),
    Row("reordered, Matroska", _film(".mkv", frames=30, options=X264 | {"bf": "3"}), "kept"),
    Row("edit list that hides the beginning", _trimmed, "kept"),
    Row(
        "no times but by order (AVI, B-frames)",
        _film(".avi", codec="mpeg4", options={"bf": "2", "threads": "1"}, frames=12),
        "converted",
        "not as mpeg4",
    ),
    Row("times that repeat or step back", _repeated, "converted", "3 times were moved on"),
    Row(
        "times finer than a millisecond to Matroska",
        _film(".ts", codec="mpeg2video", options={"threads": "1"}, rate=30),
        "converted",
        "milliseconds",
    ),
)

X265: Final[dict[str, Any]] = {
    "codec": "libx265",
    "options": {"preset": "ultrafast", "crf": "8", "x265-params": "log-level=none"},
}
_DISPLAY: Final = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
HDR: Final[dict[str, Any]] = {
    "codec": "libx265",
    "pixel_format": "yuv420p10le",
    "options": {
        "preset": "ultrafast",
        "x265-params": f"log-level=none:master-display={_DISPLAY}:max-cll=1000,400",
    },
}
UHD: Final = (9, 16, 9, 1)


def _plain(pixel_format: str, suffix: str = ".avi") -> Make:
    """A film without compression."""
    return _film(suffix, codec="rawvideo", pixel_format=pixel_format, options={}, frames=4)


_WOVEN: Final = {"x264-params": "interlaced=1:mbtree=0"}


def _ffv1(pixel_format: str) -> dict[str, Any]:
    return {"codec": "ffv1", "options": {}, "pixel_format": pixel_format}


def _prores(pixel_format: str) -> dict[str, Any]:
    return {"codec": "prores_ks", "options": {}, "pixel_format": pixel_format}


def _sheer(codec: str) -> dict[str, Any]:
    options = {"auto-alt-ref": "0", "deadline": "realtime", "b": "1M"}
    return {"codec": codec, "options": options, "pixel_format": "yuva420p"}


def _v210() -> dict[str, Any]:
    return {"codec": "v210", "options": {}, "pixel_format": "yuv422p10le"}


PICTURE: Final = (
    Row("4:2:2, H.264", _film(".mp4", pixel_format="yuv422p"), "kept"),
    Row("4:4:4, H.264", _film(".mkv", pixel_format="yuv444p"), "kept"),
    Row("10 bits, H.264", _film(".mp4", pixel_format="yuv420p10le"), "kept"),
    Row("10 bits 4:2:2, HEVC", _film(".mov", **X265, pixel_format="yuv422p10le"), "kept"),
    Row("12 bits 4:4:4, HEVC", _film(".mkv", **X265, pixel_format="yuv444p12le"), "kept"),
    Row("12 bits, FFV1", _film(".mkv", **_ffv1("yuv422p12le")), "kept"),
    Row("RGB of 10 bits, FFV1", _film(".mkv", **_ffv1("gbrp10le")), "kept"),
    Row("ProRes 4:2:2", _film(".mov", **_prores("yuv422p10le"), colour=(1, 1, 1, 1)), "kept"),
    Row("AV1", _film(".mp4", codec="libsvtav1", options={"preset": "12"}), "kept"),
    Row("full range, BT.709", _film(".mp4", colour=(1, 1, 1, 2)), "kept"),
    Row("limited range, BT.601", _film(".mp4", colour=(6, 6, 6, 1)), "kept"),
    Row("HDR10 (PQ, BT.2020, mastering display)", _film(".mp4", **HDR, colour=UHD), "kept"),
    Row("HLG, BT.2020", _film(".mkv", **HDR, colour=(9, 18, 9, 1)), "kept"),
    Row("pixels that are not square", _film(".mp4", aspect=Fraction(64, 45)), "kept"),
    Row("odd size, VP9", _film(".webm", **VP9, size=(63, 47)), "kept"),
    Row("odd size, H.264 4:4:4", _film(".mp4", size=(63, 47), pixel_format="yuv444p"), "kept"),
    Row("to be turned by 90 degrees", _film(".mp4", rotation=90), "kept"),
    Row("to be turned by 180 degrees", _film(".mov", rotation=180), "kept"),
    Row("to be turned by 270 degrees", _film(".mp4", rotation=270), "kept"),
    Row(
        "to be turned by 90 degrees and mirrored", _film(".mp4", rotation=90, mirrored=True), "kept"
    ),
    Row("to be mirrored", _film(".mp4", mirrored=True), "kept"),
    Row("transparent, VP9", _film(".webm", **_sheer("libvpx-vp9")), "kept"),
    Row("transparent, VP8", _film(".webm", **_sheer("libvpx")), "converted", "as VP9, not as vp8"),
    Row("transparent, PNG", _film(".mov", **PNG | {"pixel_format": "rgba"}), "converted", "ProRes"),
    Row("transparent, ProRes", _film(".mov", **_prores("yuva444p10le")), "converted", "to 10"),
    Row("interlaced", _film(".mp4", options=X264 | _WOVEN), "converted", "interlaced; the lines"),
    Row("grey", _film(".mkv", **_ffv1("gray")), "kept"),
    Row("packed 4:2:2 (UYVY)", _plain("uyvy422"), "converted", "written as H.264, not as rawvideo"),
    Row("NV12", _plain("nv12"), "converted", "written as H.264, not as rawvideo"),
    Row("10 bits 4:2:2 (V210)", _film(".avi", **_v210()), "converted", "as H.264, not as v210"),
    Row("RGB, no compression", _plain("bgr24"), "converted", "coarser than in the source"),
    Row("RGB of 16 bits", _film(".mov", **PNG | {"pixel_format": "rgb48be"}), "converted", "to 12"),
    Row("4:1:1 (DV)", _plain("yuv411p", ".nut"), "converted", "all samples are converted"),
    Row("XYZ of 12 bits", _plain("xyz12le", ".nut"), "converted", "pass through 8 bits"),
)

STREAMS: Final = (
    Row("sound, AAC", _film(".mp4", audio="aac"), "kept"),
    Row("sound, Opus", _film(".webm", **VP9, audio="libopus"), "kept"),
    Row("sound, FLAC", _film(".mkv", audio="flac"), "kept"),
    Row("sound, PCM", _film(".mov", audio="pcm_s16le"), "kept"),
    Row("subtitles, SubRip", _film(".mkv", subtitles=[(40, 200, "eins")]), "kept"),
    Row(
        "subtitles, 3GPP text",
        _film(".mp4", subtitles=[(40, 200, "eins"), (240, 360, "zwei")]),
        "kept",
    ),
    Row("chapters", _film(".mkv", chapters=[(0, 200, "one"), (200, 400, "two")]), "kept"),
    Row("chapters in MP4", _film(".mp4", chapters=[(0, 200, "one"), (200, 400, "two")]), "kept"),
    Row("a second film", _film(".mkv", second_film=True), "kept"),
    Row("a second film in MP4", _film(".mp4", second_film=True, audio="aac"), "kept"),
    Row("an attached picture", _film(".mp4", cover=True), "kept", "video stream dropped"),
    Row("data such as places", _film(".mp4", data=True), "kept", "data stream dropped"),
    Row("an attached font", _with_font, "kept", "attachment stream dropped"),
    Row("no film, sound only", lambda folder: make_sound(folder / "in.m4a"), "refused", "no video"),
)

PICTURES: Final = (
    Row("PNG", photos.of_opencv("in.png"), "kept"),
    Row("PNG, 16 bits", photos.of_opencv("in.png", bits=16), "kept"),
    Row("PNG, grey, 16 bits", photos.of_opencv("in.png", channels=1, bits=16), "kept"),
    Row("PNG with transparency", photos.of_opencv("in.png", channels=4), "kept"),
    Row("PNG with transparency, 16 bits", photos.of_opencv("in.png", 4, 16), "kept"),
    Row("PNG of few colours", photos.of_pillow("in.png", mode="P"), "kept"),
    Row("JPEG", photos.of_pillow("in.jpg", quality=90), "kept"),
    Row("JPEG, grey", photos.of_pillow("in.jpg", channels=1, quality=90), "kept"),
    Row(
        "JPEG that is to be turned", photos.of_pillow("in.jpg", quality=90, exif=_turned()), "kept"
    ),
    Row(
        "JPEG with a second picture or a film behind it",
        photos.followed(photos.of_pillow("in.jpg", quality=90), b"\0\0\0\x18ftypmp42"),
        "converted",
        "holds more behind the picture",
    ),
    Row("JPEG for print (CMYK)", photos.of_pillow("in.jpg", mode="CMYK"), "refused", "CMYK"),
    Row("WebP", photos.of_pillow("in.webp", quality=90), "kept"),
    Row("WebP without loss, transparent", photos.of_pillow("in.webp", 4, lossless=True), "kept"),
    Row("TIFF, Deflate", photos.of_tifffile(compression="zlib"), "kept"),
    Row("TIFF, LZW, 16 bits", photos.of_opencv("in.tif", bits=16), "kept"),
    Row("TIFF, transparent, 16 bits, in tiles", photos.of_tifffile(4, 16, tile=(32, 32)), "kept"),
    Row("TIFF of several pages", photos.of_tifffile(pages=2), "refused", "has 2 pages"),
    Row("BMP", photos.of_pillow("in.bmp"), "kept"),
    Row("animated PNG", photos.moving("in.png"), "refused", "an animation of 3 pictures"),
    Row("animated WebP", photos.moving("in.webp"), "refused", "an animation of 3 pictures"),
    Row("GIF", photos.moving("in.gif"), "converted", "not as gif"),
    Row(
        "HEIC, AVIF",
        photos.stub("in.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        "refused",
        "convert it to .png",
    ),
    Row("a text named .jpg", photos.stub("in.jpg", b"text"), "refused", "is not a picture"),
)

FAULTS: Final = (
    Row(
        "MP4 without its index (moov)",
        _broken(_film(".mp4", frames=50), partial(truncate, share=0.5)),
        "refused",
        "not a video, or is damaged or cut off",
    ),
    Row(
        "MP4 cut off behind its index",
        _broken(_film(".mp4", frames=60, container_options=FRONT), partial(truncate, share=0.7)),
        "refused",
        "cut off after",
    ),
    Row(
        "Matroska cut off",
        _broken(_film(".mkv", frames=60), partial(truncate, share=0.7)),
        "refused",
        "of its end are missing",
    ),
    Row(
        "Matroska that lacks a last few frames",
        _broken(_film(".mkv", frames=60), partial(truncate, share=0.95)),
        "converted",
        "shorter than its header says",
    ),
    Row(
        "AVI cut off",
        _broken(_film(".avi", frames=60, **MPEG4), partial(truncate, share=0.7)),
        "refused",
        "of its end are missing",
    ),
    Row(
        "three broken packets in the middle",
        _broken(_film(".mov", frames=20, **PNG), partial(blank, which=[5, 6, 12])),
        "converted",
        "damaged packets were skipped: 3",
    ),
    Row(
        "eight broken packets in a row",
        _broken(_film(".mov", frames=20, **PNG), partial(blank, which=range(5, 13))),
        "refused",
        "8 damaged packets in a row",
    ),
    Row(
        "a hole in the middle",
        _film(".mp4", pts=[*range(30), *range(60, 90)]),
        "converted",
        "no new",
    ),
    Row("an empty file", lambda folder: _text(folder, ""), "refused", "is empty"),
    Row("a text", lambda folder: _text(folder, "film " * 500), "refused", "not a video"),
)


def _text(folder: Path, content: str) -> Path:
    path = folder / "in.mp4"
    path.write_text(content)
    return path


TABLES: Final = {
    "Time": TIME,
    "Picture": PICTURE,
    "Streams": STREAMS,
    "Single pictures": PICTURES,
    "Faults": FAULTS,
}
"""Heading to its rows."""
ROWS: Final = {row.name: row for rows in TABLES.values() for row in rows}


@dataclass(frozen=True, slots=True)
class Result:
    """What happened to a row."""

    outcome: Outcome
    said: str
    """Warnings, or the reason, or what was left out, as the document says it."""


def tried(row: Row, folder: Path) -> tuple[Path, Path, Result]:
    """Source, destination and result of a row, by the whole program with solid covers."""
    from anonymizer.errors import JobError
    from anonymizer.jobs import Anonymizer
    from anonymizer.settings import Checking, Media, Painting, Settings
    from anonymizer.video.containers import output_suffix
    from anonymizer.video.media import is_image
    from tests.faces import MarkerDetector

    alone = Checking(second_detector="none")
    encoded = Media(smart_copy=False)  # most of these films hold nothing to hide
    settings = Settings(painting=Painting(replace="cover"), media=encoded, checking=alone)
    veil = Anonymizer(settings, detector=MarkerDetector())
    source = row.make(folder)
    picture = is_image(source)
    destination = folder / f"out{source.suffix if picture else output_suffix(source.suffix)}"
    try:
        report = veil.file(source, destination)
    except JobError as error:
        return source, destination, Result("refused", error.reason)
    said = list(report.warnings)
    outcome: Outcome = "converted" if said else "kept"
    if destination.suffix != source.suffix:
        said.append(f"written as {destination.suffix}")
    dropped = [stream for stream in report.streams if stream.fate == "dropped"]
    said += [f"{s.kind} stream dropped: it {s.reason}" for s in dropped if "may" in s.reason]
    return source, destination, Result(outcome, "; ".join(said))


def document(results: dict[str, Result]) -> str:
    """docs/media.md with tables from the results of all rows; the words above them stay."""
    said = [DOCUMENT.read_text(encoding="utf-8").partition(_MARK)[0], _MARK]
    for heading, rows in TABLES.items():
        said.append(f"\n## {heading}\n\n| input | outcome | what is said |\n|---|---|---|\n")
        for row in rows:
            result = results[row.name]
            words = _COUNTED.sub("N", result.said)
            said.append(f"| {row.name} | {WORDS[result.outcome]} | {words} |\n")
    return "".join(said)


WORDS: Final = {
    "kept": "kept",
    "converted": "converted with a warning",
    "refused": "refused with advice",
}

_COUNTED: Final = re.compile(r"\b\d+(?= (?:of \d+ )?(?:frames|bytes))")
"""Numbers that depend on how well an encoder packs."""
_MARK: Final = "<!-- What follows is written by `python -m tests.media`. -->\n"


def main() -> None:
    """Write the document anew."""
    results = {}
    for row in ROWS.values():
        folder = Path(tempfile.mkdtemp())
        results[row.name] = tried(row, folder)[2]
        shutil.rmtree(folder)
    DOCUMENT.write_text(document(results), encoding="utf-8")


if __name__ == "__main__":
    main()
