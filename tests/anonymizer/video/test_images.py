import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from anonymizer.errors import UnreadableVideo, UnwritableOutput, UsageError
from anonymizer.video.images import IMAGE_SUFFIXES, ImageSink, ImageSource
from tests.factories import frame, picture, stream_info
from tests.films import make_video

SIZE = (32, 48)


def exif(orientation: int, *, words: bytes = b"") -> bytes:
    """EXIF data that turns a picture and, in its copyright field, says something."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    entries += struct.pack("<HHII", 0x8298, 2, len(words) + 1, 38)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4) + words + b"\0"


def save(path: Path, image: np.ndarray, *, labels: bytes | None = None) -> Path:
    """Write a picture; JPEG and WebP nearly without loss."""
    options = {".webp": [cv2.IMWRITE_WEBP_QUALITY, 101]}.get(path.suffix, [])
    if path.suffix in (".jpg", ".jpeg"):
        full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full]
    if labels is None:
        cv2.imwrite(str(path), image[..., ::-1], options)
    else:
        data = [np.frombuffer(labels, np.uint8)]
        kinds = [cv2.IMAGE_METADATA_EXIF]
        cv2.imwriteWithMetadata(str(path), image[..., ::-1], kinds, data, options)
    return path


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_picture_is_a_film_of_one_frame(tmp_path, suffix):
    source = ImageSource(save(tmp_path / f"a{suffix}", picture(SIZE)))
    (only,), again = source, list(source)
    assert (only.index, only.pts, source.info.frames) == (0, 0, 1)
    assert (source.info.height, source.info.width) == SIZE
    assert np.abs(only.image.astype(int) - picture(SIZE)).max() <= 3
    assert np.array_equal(only.image, again[0].image)


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """What EXIF 2.3 asks for, case by case."""
    return {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: np.rot90(image, -1),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(image, 1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_orientation_is_applied(tmp_path, suffix, orientation):
    path = save(tmp_path / f"a{suffix}", picture(SIZE), labels=exif(orientation))
    (only,) = ImageSource(path)
    expected = turned(picture(SIZE), orientation)
    assert only.image.shape == expected.shape
    assert np.abs(only.image.astype(int) - expected).max() <= 3


def test_sixteen_bit_grey_and_alpha_become_rgb(tmp_path):
    grey = np.full(SIZE, 128 * 257, np.uint16)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    clear = np.dstack([picture(SIZE), np.zeros(SIZE, np.uint8)])
    cv2.imwrite(str(tmp_path / "clear.png"), clear)
    for name in ("grey.png", "clear.png"):
        (only,) = ImageSource(tmp_path / name)
        assert only.image.shape == (*SIZE, 3)


def animation(path: Path) -> None:
    moving = cv2.Animation()
    moving.frames = [picture(SIZE), picture(SIZE, seed=1)]
    moving.durations = [100, 100]
    cv2.imwriteanimation(str(path), moving)


def test_animation_is_refused_not_shortened(tmp_path):
    for name in ("a.webp", "a.png"):
        animation(tmp_path / name)
        with pytest.raises(UnreadableVideo, match="animation of 2 pictures; convert it"):
            ImageSource(tmp_path / name)


def png_part(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def test_picture_that_claims_to_be_huge_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = png_part(b"IHDR", header) + png_part(b"IDAT", zlib.compress(bytes(99)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts + png_part(b"IEND", b""))
    with pytest.raises(UnreadableVideo, match="is not a picture that can be decoded"):
        ImageSource(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("kind", ["missing", "empty", "text", "film", "cut"])
def test_what_is_no_picture_is_refused_in_one_line(tmp_path, capfd, suffix, kind):
    path = tmp_path / f"a{suffix}"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("not a picture")
    elif kind == "film":
        make_video(tmp_path / "a.mp4").rename(path)
    elif kind == "cut":
        content = save(path, picture((64, 64))).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableVideo) as caught:
        ImageSource(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def write(path: Path, image: np.ndarray, **options: bool) -> Path:
    with ImageSink(path, stream_info(image.shape[:2]), **options) as sink:
        sink.write(frame(image=image))
    assert sink.warnings == sink.kept == sink.dropped == []
    assert [(stream.kind, stream.fate) for stream in sink.streams] == [("picture", "anonymized")]
    return path


@pytest.mark.parametrize(("suffix", "most"), [(".png", 0), (".jpg", 12), (".webp", 40)])
def test_written_picture_is_close(tmp_path, suffix, most):
    written = cv2.imread(str(write(tmp_path / f"a{suffix}", picture(SIZE))))
    assert written is not None
    assert np.abs(written[..., ::-1].astype(int) - picture(SIZE)).max() <= most


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_lossless_picture_is_the_same(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (33, 17, 3), np.uint8)
    (only,) = ImageSource(write(tmp_path / f"a{suffix}", noise, lossless=True))
    assert np.array_equal(only.image, noise)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_nothing_tells_where_it_was_taken_p4(tmp_path, suffix):
    secret = b"51.5-000.1"
    source = save(tmp_path / f"a{suffix}", picture(SIZE), labels=exif(6, words=secret))
    assert secret in source.read_bytes()
    (only,) = ImageSource(source)
    content = write(tmp_path / f"b{suffix}", only.image).read_bytes()
    assert secret not in content
    assert b"Exif" not in content
    assert b"eXIf" not in content


def test_lossless_jpeg_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"JPEG cannot be lossless; write \.png or \.webp"):
        ImageSink(tmp_path / "a.jpg", stream_info(), lossless=True)


def test_unknown_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"cannot write '\.heic'; use \.png"):
        ImageSink(tmp_path / "a.heic", stream_info())


def test_second_frame_or_other_size_is_refused_and_no_file_left(tmp_path):
    path = tmp_path / "a.png"
    for images in ([picture(SIZE)] * 2, [picture((48, 32))]):
        with pytest.raises(ValueError, match=r"one frame of \(height, width\) \(32, 48\)"):
            write_all(path, images)
        assert not path.exists()


def write_all(path: Path, images: list[np.ndarray], error: Exception | None = None) -> None:
    with ImageSink(path, stream_info(SIZE)) as sink:
        for image in images:
            sink.write(frame(image=image))
        if error:
            raise error


def test_no_file_after_an_error(tmp_path):
    with pytest.raises(KeyError):
        write_all(tmp_path / "a.png", [picture(SIZE)], KeyError())
    assert not (tmp_path / "a.png").exists()


def test_no_frame_is_an_error_and_no_file_left(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(UnwritableOutput, match="not one frame was written"):
        write_all(tmp_path / "a.png", [])
    assert not (tmp_path / "a.png").exists()


def test_picture_too_large_for_the_format_is_refused(tmp_path):
    wide = np.zeros((1, 17_000, 3), np.uint8)  # WebP ends at 16383
    with pytest.raises(UnwritableOutput, match="size does not fit the format"):
        write(tmp_path / "a.webp", wide)


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(UnwritableOutput, match="folder does not exist"):
        write(tmp_path / "none" / "a.png", picture(SIZE))
