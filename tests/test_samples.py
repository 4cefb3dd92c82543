from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.data import Face, Frame
from anonymizer.protocols import Detector
from detectors.centerface import build
from samples.acting import Moment, Performance, glide, still, wave, weights
from samples.film import TICK, read_film, write_film
from samples.picture import main as picture_main
from samples.speech import RATE, silence, speak

FOLDER = Path(__file__).resolve().parents[1] / "samples"
NAMES = ("talking", "two_people", "walk_away")


@cache
def _film(name: str) -> tuple[list[int], list[NDArray[np.uint8]]]:
    return read_film(FOLDER / f"{name}.mp4")


@cache
def _detector() -> Detector:
    return build()


@cache
def _faces(name: str, every: int) -> list[list[Face]]:
    times, pictures = _film(name)
    frames = [Frame(i, times[i], TICK, pictures[i]) for i in range(0, len(times), every)]
    return _detector().detect(frames)


@cache
def _truth() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with np.load(FOLDER / "talking.flow.npz") as kept:
        return kept["flow"].astype(np.float32), kept["landmarks"]


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [
        ("talking", 75, (288, 384, 3)),
        ("two_people", 76, (288, 384, 3)),
        ("walk_away", 57, (384, 216, 3)),
    ],
)
def test_films_decode(name: str, frames: int, size: tuple[int, int, int]) -> None:
    times, pictures = _film(name)
    assert len(pictures) == frames
    assert {picture.shape for picture in pictures} == {size}
    assert times[0] == 0
    assert (times[-1] * TICK) > Fraction(29, 10)
    steps = set(np.diff(times).tolist())
    assert steps >= {24, 48} if name == "walk_away" else steps == {24}


@pytest.mark.parametrize("name", NAMES)
def test_films_tell_nothing_about_their_making(name: str) -> None:
    data = (FOLDER / f"{name}.mp4").read_bytes()
    assert not [word for word in (b"Lavf", b"Lavc", b"x264") if word in data]
    with av.open(str(FOLDER / f"{name}.mp4")) as container:
        assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands"}
        kinds = [stream.type for stream in container.streams]
        assert kinds == (["video", "audio"] if name == "talking" else ["video"])
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")


def test_walk_away_is_stored_lying() -> None:
    with av.open(str(FOLDER / "walk_away.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (384, 216, -90)


def test_everything_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir() if path.is_file()}
    assert max(sizes[f"{name}.mp4"] for name in NAMES) <= 300_000
    assert sum(sizes.values()) <= 3_000_000


def test_voice_is_heard_for_as_long_as_the_film() -> None:
    with av.open(str(FOLDER / "talking.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) / RATE == pytest.approx(3.0, abs=0.06)
    loudness = np.abs(sound[: RATE * 3 // 4800 * 4800]).reshape(-1, 4800).mean(1)
    assert loudness.max() > 0.05
    assert loudness[0] < 0.1 * loudness.max()


def test_one_cut() -> None:
    _, pictures = _film("two_people")
    small = [cv2.resize(picture, (48, 36), interpolation=cv2.INTER_AREA) for picture in pictures]
    jump = [float(np.abs(b.astype(float) - a).mean()) for a, b in pairwise(small)]
    assert int(np.argmax(jump)) == 37
    assert jump.pop(37) > 4 * max(jump)


@pytest.mark.parametrize(("name", "heads"), [("talking", 1), ("two_people", 2), ("walk_away", 1)])
def test_centerface_finds_every_head(name: str, heads: int) -> None:
    found = [[face for face in faces if face.score > 0.3] for faces in _faces(name, 5)]
    assert [len(faces) for faces in found] == [heads] * len(found)


def test_head_walks_from_large_to_small() -> None:
    sizes = [faces[0].size for faces in _faces("walk_away", 5)]
    assert sizes[0] > 100
    assert 28 < sizes[-1] < 40


def test_true_landmarks_are_where_the_detector_sees_them() -> None:
    _, landmarks = _truth()
    assert landmarks.shape == (75, 1, 5, 2)
    for faces, (true,) in zip(_faces("talking", 5), landmarks[::5], strict=True):
        assert faces[0].landmarks is not None
        eyes = float(np.linalg.norm(true[1] - true[0]))
        assert np.linalg.norm(faces[0].landmarks - true, axis=1).mean() < 0.15 * eyes


def _face_area(index: int) -> NDArray[np.bool_]:
    """Ellipse (288, 384) over the face of one picture of ``talking``."""
    points = _truth()[1][index, 0]
    middle, eyes = points.mean(0), float(np.linalg.norm(points[1] - points[0]))
    rows, columns = np.mgrid[:288, :384]
    radius = np.hypot((columns - middle[0]) / eyes, (rows - middle[1]) / (1.3 * eyes))
    return np.asarray(radius < 1)


def test_pictures_agree_along_flow() -> None:
    flow, _ = _truth()
    assert flow.shape == (24, 288, 384, 2)
    pictures = _film("talking")[1]
    rows, columns = np.mgrid[:288, :384].astype(np.float32)
    for index in range(24):
        seen = np.isfinite(flow[index]).all(-1)
        assert seen.mean() > 0.85
        assert seen[_face_area(index)].mean() > 0.9
        there = np.nan_to_num(flow[index])
        x, y = columns + there[..., 0], rows + there[..., 1]
        pulled = cv2.remap(pictures[index + 1], x, y, cv2.INTER_LINEAR).astype(float)
        error = np.abs(pulled - pictures[index]).mean(-1)
        stay = np.abs(pictures[index + 1].astype(float) - pictures[index]).mean(-1)
        face = seen & _face_area(index)
        assert error[seen].mean() < 2.5
        assert error[face].mean() < min(3.5, 0.8 * stay[face].mean())


def test_flow_agrees_with_an_estimate() -> None:
    flow, _ = _truth()
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in _film("talking")[1][:25]]
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    off = []
    for index in range(0, 24, 2):
        found = estimator.calc(grey[index], grey[index + 1], None)
        seen = np.isfinite(flow[index]).all(-1) & _face_area(index)
        off.append(np.median(np.linalg.norm(found - flow[index], axis=-1)[seen]))
    assert np.median(off) < 0.4
    assert max(off) < 0.7


def test_films_are_written_as_they_are_shown(tmp_path: Path) -> None:
    shown = np.zeros((96, 64, 3), np.uint8)
    shown[:20, :24] = 230
    shown[-24:] = (20, 60, 150)
    for rotation in (0, 90, 180, 270):
        path = tmp_path / f"{rotation}.mp4"
        frames = [(tick, shown) for tick in (0, 24, 72, 90)]
        write_film(path, frames, size=(96, 64), crf=12, rotation=rotation)
        times, pictures = read_film(path)
        assert times == [0, 24, 72, 90]
        assert max(np.abs(picture.astype(int) - shown).mean() for picture in pictures) < 4


def test_lips_and_voice_follow_the_same_speech() -> None:
    speech = speak(np.random.default_rng(2), start=0.5, stop=2.0)
    voice = speech.voice(2.5, pitch=130.0, seed=1)
    assert len(voice) == round(2.5 * RATE)
    assert 0.2 < np.abs(voice).max() <= 1
    times = np.arange(0.05, 2.45, 0.05)
    jaw = [speech.mouth(time)["jawOpen"] for time in times]
    loud = [
        float(np.abs(voice[int((t - 0.02) * RATE) : int((t + 0.02) * RATE)]).mean()) for t in times
    ]
    assert np.corrcoef(jaw, loud)[0, 1] > 0.6
    assert loud[0] == 0
    fine = [list(speech.mouth(time).values()) for time in np.arange(0.5, 1.0, 0.005)]
    assert np.abs(np.diff(fine, axis=0)).max() < 0.1
    assert max(silence().mouth(1.0).values()) < 0.1


def test_signals_are_smooth() -> None:
    path = glide((0.0, 1.0), (1.0, 3.0), (2.0, 2.0))
    assert [path(time) for time in (-1, 0, 0.5, 1, 2, 9)] == pytest.approx([1, 1, 2, 3, 2, 2])
    for signal in (path, wave(3, 1.0)):
        values = np.array([signal(time) for time in np.arange(0, 3, 0.04)])
        assert np.abs(np.diff(values)).max() < 0.2
        assert np.ptp(values) > 0.3


def _performance(**more: Callable[[float], float]) -> Performance:
    rest = dict.fromkeys(("x", "y", "scale", "yaw", "pitch", "roll"), still(0.0)) | more
    return Performance(**rest, blinks=(1.0,), seed=2)  # type: ignore[arg-type]


def test_eyes_blink_and_look_at_the_camera() -> None:
    moments = [_performance(yaw=still(0.4)).at(time) for time in (0.5, 1.0, 1.5)]
    assert [m.expression["eyeBlink"] for m in moments] == pytest.approx([0, 1.1, 0])
    assert all(moment.gaze[0] < 0 for moment in moments)
    assert moments[0].angles == (0.4, 0.0, 0.0)
    assert isinstance(moments[0], Moment)


def test_expressions_go_to_both_sides_and_unknown_ones_are_refused() -> None:
    names = ("eyeBlink_L", "eyeBlink_R", "jawOpen")
    assert weights({"eyeBlink": 0.5, "jawOpen": -1.0}, names).tolist() == [0.5, 0.5, 0]
    with pytest.raises(KeyError, match="no expression 'wink'"):
        weights({"wink": 1.0}, names)


def test_picture_puts_films_below_each_other(tmp_path: Path) -> None:
    film = str(FOLDER / "walk_away.mp4")
    target = tmp_path / "docs" / "both.png"
    arguments = [film, film, "-o", str(target), "--every", "20", "--width", "54"]
    assert picture_main(arguments) == 0
    made = cv2.imread(str(target))
    assert made is not None
    assert made.shape == (2 * 96 + 4, 3 * 54 + 2 * 4, 3)
    assert np.array_equal(made[:96], made[100:])
    assert (made[96:100] == 255).all()


@pytest.mark.parametrize(
    ("after", "more", "says"),
    [
        ("talking", [], "has 57 pictures and talking.mp4 75"),
        ("walk_away", ["--every", "0"], "must be at least 1"),
    ],
)
def test_picture_refuses(
    after: str,
    more: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    films = [str(FOLDER / f"{name}.mp4") for name in ("walk_away", after)]
    with pytest.raises(SystemExit):
        picture_main([*films, "-o", str(tmp_path / "x.png"), *more])
    assert says in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
