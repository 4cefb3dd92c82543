"""Every sample of a picture that is not painted stays, whatever its depth, colours and alpha."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from anonymizer.data import Frame
from anonymizer.video import jpegs, labels, pngs, tiffs
from anonymizer.video.images import ImageSink, ImageSource
from anonymizer.video.labels import NotRead
from anonymizer.video.profiles import colours_of
from anonymizer.video.stills import Still, still_of
from tests.factories import picture

SIZE = (40, 56)
PAINTED = np.s_[8:30, 11:31]

Samples = NDArray[Any]


def noise(channels: int, bits: int = 8, seed: int = 0) -> Samples:
    """``(H, W, C)`` of any values."""
    kind = np.uint8 if bits == 8 else np.uint16
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << bits, (*SIZE, channels)).astype(kind)


def png(samples: Samples, *parts: tuple[bytes, bytes]) -> bytes:
    """A PNG file made by hand: no filter, further parts behind the header."""
    height, width, channels = samples.shape
    big = samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    line = len(big) // height
    lines = b"".join(b"\0" + big[at : at + line] for at in range(0, len(big), line))
    depth, kind = 8 * samples.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    made = [(b"IHDR", header), *parts, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return pngs.START + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in made
    )


def tiff(samples: Samples, **options: Any) -> bytes:
    """A TIFF file by tifffile."""
    channels = samples.shape[2]
    usual: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack"}
    usual["extrasamples"] = ["unassalpha"] if channels in (2, 4) else None
    usual |= {"planarconfig": "contig" if channels > 1 else None, "metadata": None}
    if options.get("planarconfig") == "separate":
        samples = np.moveaxis(samples, -1, 0)
    elif channels == 1:
        samples = samples[..., 0]
    written = io.BytesIO()
    tifffile.imwrite(written, samples, **usual | options)
    return written.getvalue()


def lzw(samples: Samples) -> bytes:
    """A TIFF file by libtiff, as OpenCV has it."""
    order = samples[..., [2, 1, 0, 3][: samples.shape[2]]] if samples.shape[2] > 2 else samples
    done, data = cv2.imencode(".tif", order, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert done
    return data.tobytes()


def by_pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A file by Pillow."""
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def opened(data: bytes) -> Any:
    """A picture as Pillow has it."""
    return Image.open(io.BytesIO(data))


def repainted(
    folder: Path, data: bytes, suffix: str, **options: bool
) -> tuple[Still, bytes, list[str]]:
    """Decoded source, written file and warnings after a part was painted in one colour."""
    path, target = folder / f"in{suffix}", folder / f"out{suffix}"
    path.write_bytes(data)
    source = ImageSource(path)
    (frame,) = source
    image, changed = frame.image.copy(), np.zeros(frame.image.shape[:2], np.bool_)
    image[PAINTED], changed[PAINTED] = (200, 120, 40), True
    with ImageSink(target, source.info, **options) as sink:
        sink.write(Frame(0, 0, frame.time_base, image, frame.native, changed))
    assert isinstance(frame.native, Still)
    return frame.native, target.read_bytes(), source.warnings + sink.warnings


PLAIN: list[tuple[str, str, int, int, dict[str, Any]]] = [
    (f"{suffix}, {channels} channels, {bits} bits", suffix, channels, bits, {})
    for suffix in (".png", ".tif")
    for channels in (1, 2, 3, 4)
    for bits in (8, 16)
]
TIFFS = [
    (f"{name}, {channels} channels, {bits} bits", ".tiff", channels, bits, options)
    for name, options in {
        "tiles": {"tile": (16, 16)},
        "tiles, Deflate": {"tile": (16, 16), "compression": "zlib"},
        "strips, differences": {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
        "planes": {"planarconfig": "separate"},
        "planes, Deflate": {"planarconfig": "separate", "compression": "zlib"},
        "high byte first": {"byteorder": ">"},
        "large": {"bigtiff": True},
    }.items()
    for channels, bits in ((3, 16), (4, 8))
]


@pytest.mark.parametrize(("name", "suffix", "channels", "bits", "options"), [*PLAIN, *TIFFS])
def test_samples_stay_where_nothing_was_painted(tmp_path, name, suffix, channels, bits, options):
    before = noise(channels, bits)
    data = png(before) if suffix == ".png" else tiff(before, **options)
    source, written, said = repainted(tmp_path, data, suffix)
    assert np.array_equal(source.samples, before)
    after = still_of(written).samples
    check(before, after)
    assert said == []
    if suffix != ".png":  # another program reads the same
        read = np.asarray(tifffile.imread(io.BytesIO(written)))
        assert np.array_equal(read, after[..., 0] if channels == 1 else after)
    elif channels != 2:
        decoded = cv2.imdecode(np.frombuffer(written, np.uint8), cv2.IMREAD_UNCHANGED)
        read = np.atleast_3d(np.asarray(decoded))
        order = [2, 1, 0, 3][:channels] if channels > 2 else [0]
        assert np.array_equal(read[..., order], after)


def check(before: Samples, after: Samples) -> None:
    """Nothing changed but the painted part, which has its colour and is opaque."""
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    elsewhere = np.ones(SIZE, np.bool_)
    elsewhere[PAINTED] = False
    assert np.array_equal(after[elsewhere], before[elsewhere])
    most, channels = np.iinfo(before.dtype).max, before.shape[2]
    colour = np.array([200, 120, 40]) if channels > 2 else np.array([135])
    assert (after[PAINTED][..., : len(colour)] == colour * (most // 255)).all()
    if channels in (2, 4):
        assert (after[PAINTED][..., -1] == most).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lzw_is_read_exactly(tmp_path, channels, bits):
    before = noise(channels, bits)
    if channels == 4:  # OpenCV does not say that the fourth is alpha
        with pytest.raises(NotRead, match="of a kind that is not read; save it as 8 or 16 bits"):
            still_of(lzw(before))
        return
    source, written, _ = repainted(tmp_path, lzw(before), ".tif")
    assert np.array_equal(source.samples, before)
    check(before, still_of(written).samples)


def test_tiff_of_pillow_is_read_exactly():
    before = noise(3, 16)
    packed = Image.fromarray(noise(3))
    for compression in ("tiff_lzw", "packbits", "tiff_adobe_deflate"):
        data = by_pillow(packed, "TIFF", compression=compression)
        assert np.array_equal(still_of(data).samples, np.asarray(packed))
    assert still_of(lzw(before)).samples.dtype == np.uint16


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_seen_rounded(suffix):
    deep = noise(3, 16)
    data = png(deep) if suffix == ".png" else tiff(deep)
    assert np.array_equal(still_of(data).image, (deep / 257).round().astype(np.uint8))


def test_alpha_that_is_multiplied_stays_so(tmp_path):
    before = noise(4)
    data = tiff(before, extrasamples=["assocalpha"])
    _, written, _ = repainted(tmp_path, data, ".tif")
    with tifffile.TiffFile(io.BytesIO(written)) as file:
        assert [int(kind) for kind in file.pages.first.extrasamples] == [1]
    check(before, still_of(written).samples)


def test_alpha_that_is_multiplied_is_divided_for_png(tmp_path):
    before = np.full((*SIZE, 4), (10, 20, 40, 51), np.uint8)
    (tmp_path / "in.tif").write_bytes(tiff(before, extrasamples=["assocalpha"]))
    source = ImageSource(tmp_path / "in.tif")
    with ImageSink(tmp_path / "out.png", source.info) as sink:
        sink.write(next(iter(source)))
    assert (still_of((tmp_path / "out.png").read_bytes()).samples == (50, 100, 200, 51)).all()


def test_light_is_less_and_palettes():
    before = noise(1)
    assert np.array_equal(still_of(tiff(before, photometric="miniswhite")).samples, 255 - before)
    table = (np.arange(3 * 256).reshape(3, 256) * 257 % 65536).astype(np.uint16)
    read = still_of(tiff(before, photometric="palette", colormap=table)).samples
    assert np.array_equal(read, (table.T[before[..., 0]] >> 8).astype(np.uint8))


def test_few_colours_and_few_greys_of_png(tmp_path):
    colours = Image.fromarray(noise(3)).quantize(16)
    bits = Image.fromarray(noise(1)[..., 0]).convert("1")
    for image, mode in ((colours, "RGB"), (bits, "L")):
        source, written, said = repainted(tmp_path, by_pillow(image, "PNG"), ".png")
        expected = np.atleast_3d(np.asarray(image.convert(mode)))
        assert np.array_equal(source.samples, expected)
        check(expected, still_of(written).samples)
        assert said == []


@pytest.mark.parametrize(("bits", "clear"), [(8, 7), (16, 777)])
def test_one_grey_of_png_may_be_transparent(bits, clear):
    before = noise(1, bits)
    before[3:9, 4] = clear
    read = still_of(png(before, (b"tRNS", struct.pack(">H", clear)))).samples
    assert np.array_equal(read[..., 0], before[..., 0])
    assert np.array_equal(read[..., 1] == 0, before[..., 0] == clear)


def test_one_colour_of_png_may_be_transparent():
    before = noise(3)
    read = still_of(png(before, (b"tRNS", struct.pack(">3H", *before[3, 4])))).samples
    assert np.array_equal(read[..., :3], before)
    assert read[3, 4, 3] == 0
    assert (read[..., 3] == 255).sum() > 2000


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp_stays_lossless_even_where_it_is_transparent(tmp_path, channels):
    before = noise(channels)
    if channels == 4:
        before[:20, :, 3] = 0
    data = by_pillow(Image.fromarray(before), "WEBP", lossless=True, exact=True)
    _, written, _ = repainted(tmp_path, data, ".webp")
    check(before, np.asarray(opened(written)))


def test_lossy_webp_keeps_alpha(tmp_path):
    before = noise(4)
    data = by_pillow(Image.fromarray(before), "WEBP", quality=90)
    source, written, _ = repainted(tmp_path, data, ".webp")
    expected = source.samples[..., 3].copy()
    expected[PAINTED] = 255
    assert np.array_equal(still_of(written).samples[..., 3], expected)
    assert b"VP8L" not in written


@pytest.mark.parametrize(
    ("suffix", "channels"), [(".webp", 1), (".webp", 2), (".bmp", 1), (".bmp", 3)]
)
def test_formats_without_grey_hold_it_as_rgb(tmp_path, suffix, channels):
    before = noise(channels)
    (tmp_path / "in.png").write_bytes(png(before))
    source = ImageSource(tmp_path / "in.png")
    with ImageSink(tmp_path / f"out{suffix}", source.info, lossless=True) as sink:
        sink.write(next(iter(source)))
    read = still_of((tmp_path / f"out{suffix}").read_bytes()).samples
    shown = np.repeat(before[..., :1], 3, axis=2) if channels < 3 else before
    assert np.array_equal(read[..., :3], shown if read.shape[2] > 2 else shown[..., :1])


def test_what_a_format_cannot_hold_is_told(tmp_path):
    (tmp_path / "in.png").write_bytes(png(noise(4, 16)))
    source = ImageSource(tmp_path / "in.png")
    with ImageSink(tmp_path / "out.jpg", source.info) as sink:
        sink.write(next(iter(source)))
    assert sink.warnings == [
        "samples of 16 bits are rounded to 8",
        ".jpg holds no transparency; left out",
    ]


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [60, 92])
def test_jpeg_is_coded_as_finely_as_before(tmp_path, quality, sampling):
    smooth = cv2.resize(picture((10, 14)), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    options = {"quality": quality, "subsampling": sampling, "progressive": sampling == 1}
    data = by_pillow(Image.fromarray(smooth), "JPEG", **options)
    source, written, said = repainted(tmp_path, data, ".jpg")
    before, after = opened(data), opened(written)
    assert after.quantization == before.quantization
    assert after.layer[:3] == before.layer[:3]  # sampling of every part
    assert ("progressive" in after.info) == ("progressive" in before.info)
    far = np.ones(SIZE, np.bool_)
    far[:36, :36] = False  # blocks that hold painted pixels, and what they colour
    error = (source.image[far].astype(float) - still_of(written).image[far]) ** 2
    assert 10 * np.log10(255**2 / max(error.mean(), 1e-9)) > 45
    assert said == []


def test_grey_jpeg_stays_grey(tmp_path):
    data = by_pillow(Image.fromarray(noise(1)[..., 0]), "JPEG", quality=80)
    _, written, _ = repainted(tmp_path, data, ".jpg")
    after = opened(written)
    assert after.mode == "L"
    assert after.quantization == opened(data).quantization


def test_jpeg_with_numbers_of_16_bits_and_unusual_sampling():
    wide = b"\x10" + struct.pack(">64H", *range(300, 364))
    assert jpegs._tables(wide)[0][:3] == (300, 301, 305)
    frame = struct.pack(">BHHB", 8, 8, 8, 3) + b"\1\x41\0" + b"\2\x11\0" + b"\3\x11\0"
    found = jpegs._coding(frame, jpegs._tables(wide), progressive=False)
    assert found is not None
    assert found.sampling == (4, 1)
    assert jpegs._coding(frame, {}, progressive=False) is None
    still = labels.Labels("jpeg", coding=found)
    assert opened(jpegs.file_of(noise(3), still)).layer[0][1:3] == (1, 1)


def test_what_follows_a_jpeg_picture_is_left_out_with_a_warning(tmp_path):
    data = by_pillow(Image.fromarray(noise(3)), "JPEG")
    assert repainted(tmp_path, data + b"\0\0\n", ".jpg")[2] == []
    _, written, said = repainted(tmp_path, data + b"\0\0\0\x18ftypmp42 a film", ".jpg")
    assert said == ["holds more behind the picture, such as a second one or a film; left out"]
    assert b"ftyp" not in written


def srgb() -> bytes:
    """A profile of version 2 or 4, as lcms makes it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_tags(profile: bytes, **more: bytes) -> bytes:
    """A profile with further tags, and a header that tells who made it and when."""
    (count,) = struct.unpack_from(">I", profile, 128)
    table = profile[132 : 132 + 12 * count]
    entries = [struct.unpack_from(">4sII", table, 12 * at) for at in range(count)]
    tags = {name: profile[at : at + size] for name, at, size in entries}
    tags |= {name.encode(): b"text\0\0\0\0" + content for name, content in more.items()}
    head = bytearray(profile[:128])
    head[24:36] = struct.pack(">6H", 2019, 7, 3, 4, 5, 6)
    head[48:56], head[80:84] = b"ACMEX-42", b"anna"
    start, body, listed = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        listed += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head[:4] = struct.pack(">I", start + len(body))
    return bytes(head) + struct.pack(">I", len(tags)) + listed + body


TELLING = {"dmdd": b"EOS 5D of Anna", "mmod": b"serial 0815", "cprt": b"Anna 2019"}


@pytest.mark.parametrize("version", [2, 4])
def test_a_profile_keeps_its_colours_and_loses_its_words(version):
    told = bytearray(with_tags(srgb(), **TELLING))
    told[8] = version
    kept = colours_of(bytes(told))
    assert kept is not None
    for secret in (
        *TELLING.values(),
        b"ACME",
        b"X-42",
        b"anna",
        struct.pack(">6H", 2019, 7, 3, 4, 5, 6),
    ):
        assert secret not in kept
    picture, other = Image.fromarray(noise(3)), ImageCms.createProfile("LAB")
    one, two = (
        np.asarray(ImageCms.profileToProfile(picture, io.BytesIO(p), other, outputMode="LAB"))
        for p in (bytes(told), kept)
    )
    assert np.array_equal(one, two)
    shown = ImageCms.ImageCmsProfile(io.BytesIO(kept))
    assert ImageCms.getProfileDescription(shown).strip() == "as in the source"
    assert colours_of(kept) == kept


def test_a_profile_that_is_no_profile_is_left_out_with_a_warning(tmp_path):
    whole = srgb()
    outside = bytearray(with_tags(whole))
    outside[136:140] = b"\xff\xff\xff\xff"
    empty = bytearray(whole[:132])
    empty[128:132] = bytes(4)
    for bad in (b"", b"x" * 200, whole[:140], bytes(outside), bytes(empty)):
        assert colours_of(bad) is None
    for part in (b"icc\0\0" + zlib.compress(b"x" * 200), b"icc\0\0no stream"):
        said = repainted(tmp_path, png(noise(3), (b"iCCP", part)), ".png")[2]
        assert said == ["its colour profile is damaged; left out"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_every_format_keeps_the_profile(tmp_path, suffix):
    kind = {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    profile = with_tags(srgb(), **TELLING)
    data = by_pillow(Image.fromarray(noise(3)), kind, icc_profile=profile)
    _, written, said = repainted(tmp_path, data, suffix)
    assert opened(written).info["icc_profile"] == colours_of(profile)
    assert said == []


def test_png_keeps_what_else_it_says_of_colours(tmp_path):
    parts = [(b"gAMA", struct.pack(">I", 45455)), (b"cICP", bytes([12, 13, 0, 1]))]
    odd = [(b"cHRM", b"short"), (b"tEXt", b"Comment\0by Anna"), (b"tIME", bytes(7))]
    _, written, _ = repainted(tmp_path, png(noise(3), *parts, *odd), ".png")
    kept = [part for part in pngs._parts(written) if part[0] not in (b"IHDR", b"IDAT", b"IEND")]
    assert sorted(kept) == sorted(parts)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_tiff(orientation):
    before = noise(3, 16)
    turned = still_of(tiff(before, extratags=[(274, "H", 1, orientation, True)])).samples
    assert np.array_equal(turned, labels.turned(orientation).apply(before))


def test_orientation_that_does_not_exist():
    assert labels.turned(0) == labels.turned(9) == labels.turned("x") == labels.turned(1)


def test_damaged_exif_does_not_turn_anything():
    assert labels.turned_by(b"II*\0\x08\0\0\0\xff\xff\x12\x01") == (labels.turned(1), ())
    assert labels.turned_by(b"nonsense") == (labels.turned(1), ())


def test_adobe_rgb_by_exif_alone_is_told(tmp_path):
    exif = b"II*\0\x08\0\0\0" + struct.pack("<HHHII4x", 1, 0x8769, 4, 1, 26)
    exif += struct.pack("<HHHII4x", 1, 0xA005, 4, 1, 44) + struct.pack(
        "<HHHI4s4x", 1, 1, 2, 4, b"R03"
    )
    data = by_pillow(Image.fromarray(noise(3)), "JPEG", exif=b"Exif\0\0" + exif)
    assert repainted(tmp_path, data, ".jpg")[2] == [labels.ADOBE]


def pages(*pictures: Samples, small: int = 0) -> bytes:
    """A TIFF file of several pages, the last ``small`` of them others in small."""
    written = io.BytesIO()
    with tifffile.TiffWriter(written) as file:
        for at, picture in enumerate(pictures):
            reduced = at >= len(pictures) - small
            file.write(picture, photometric="rgb", metadata=None, subfiletype=int(reduced))
    return written.getvalue()


def test_several_pages_are_refused_but_not_thumbnails():
    one, other = noise(3), noise(3, seed=1)
    with pytest.raises(NotRead, match="has 2 pages; save each as a picture of its own"):
        still_of(pages(one, other))
    assert np.array_equal(still_of(pages(one, other[::2, ::2].copy(), small=1)).samples, one)


UNREAD = {
    "TIFF, CMYK": (lambda: tiff(noise(4), photometric="separated", extrasamples=None), "CMYK"),
    "JPEG, CMYK": (lambda: by_pillow(Image.fromarray(noise(4), "CMYK"), "JPEG"), "CMYK"),
    "TIFF, floats": (lambda: tiff(noise(3).astype(np.float16)), "of a kind that is not read"),
    "TIFF, layers": (lambda: tiff(noise(4), extrasamples=["unspecified"]), "of a kind"),
    "TIFF, bits": (lambda: tiff(noise(1) > 99), "samples of 1 bits"),
    "TIFF, JPEG": (
        lambda: by_pillow(Image.fromarray(noise(3)), "TIFF", compression="jpeg"),
        "not read; save it as",
    ),
    "TIFF, cut": (lambda: tiff(noise(3))[:-300], "damaged or cut off"),
    "TIFF, head": (lambda: tiff(noise(3), compression="zlib")[:300], "damaged or cut off"),
    "TIFF, nothing": (lambda: b"II*\0" + bytes(60), "damaged or cut off"),
    "PNG, cut": (lambda: png(noise(3))[:-12], "damaged or cut off"),
    "PNG, nothing": (lambda: png(noise(3))[:8] + bytes(4) + b"IEND" + bytes(4), "damaged"),
    "JPEG, cut": (lambda: by_pillow(Image.fromarray(noise(3)), "JPEG")[:-2], "damaged"),
    "JPEG, nothing": (lambda: b"\xff\xd8\xff\xdb\0\2\xff\xd9", "damaged or cut off"),
    "WebP, cut": (lambda: by_pillow(Image.fromarray(noise(3)), "WEBP")[:-9], "damaged"),
    "GIF": (lambda: b"GIF89a" + bytes(20), "is not a picture"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_not_read_is_refused_with_a_reason(name):
    data, reason = UNREAD[name]
    with pytest.raises(NotRead, match=reason):
        still_of(data())


def test_a_tiff_picture_that_claims_to_be_huge_is_refused():
    data = bytearray(tiff(noise(3)))
    place = data.index(struct.pack("<HHII", 256, 4 if b"\0\1\4\0" in data else 3, 1, SIZE[1]))
    data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, 1 << 29)
    with pytest.raises(NotRead, match=r"is too large: 536870912x40"):
        still_of(bytes(data))


def outcome(data: bytes) -> str:
    """What becomes of a file, in a line."""
    try:
        return f"{still_of(data).samples.ndim} dimensions"
    except NotRead as error:
        return str(error).partition(" ")[0]


def test_flipped_bits_of_pictures_are_refused_or_change_samples_only():
    rng = np.random.default_rng(5)
    films = [png(noise(3, 16)), tiff(noise(3, 16), compression="zlib"), lzw(noise(3))]
    films += [by_pillow(Image.fromarray(noise(3)), kind) for kind in ("JPEG", "WEBP", "BMP")]
    outcomes: set[str] = set()
    for turn in range(240):
        data = bytearray(films[turn % len(films)])
        for place in rng.integers(0, min(len(data), 600), int(rng.integers(1, 5))):
            data[place] ^= 1 << int(rng.integers(8))
        outcomes.add(outcome(bytes(data)))
    assert outcomes <= {"3 dimensions", "is", "has"}
    assert len(outcomes) > 1


def test_tiffs_begin_in_four_ways():
    assert {
        tiff(noise(1), byteorder=order, bigtiff=big)[:4] for order in "<>" for big in (0, 1)
    } == (set(tiffs.STARTS))
