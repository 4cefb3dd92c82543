"""Faces that a detector we do not use finds in real footage lie inside protected areas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import detectors
from anonymizer import crops, geometry, shots, tracking
from anonymizer.alignment import place
from anonymizer.data import Box, Face, Frame, Track
from tests.factories import TICK

pytestmark = pytest.mark.footage

CLIPS = (
    "hamilton.mp4",
    "music.mp4",
    "signing_640x480.mkv",
    "talking_512.mp4",
    "walking_608x1080.mp4",
    "woman_room_720p.mp4",
)
LEAST = 40
"""Longer side of the faces that count, frame pixels."""
HANDS = {("hamilton.mp4", 186)}
"""What the other detector takes for a face and is none: an open hand at (386, 217)."""


class Miss(NamedTuple):
    """A face of the other detector that is not inside."""

    frame: int
    share: float
    """Of its inscribed ellipse that is protected."""


def scrfd(folder: Path):
    from insightface.model_zoo import SCRFD

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    path = str(folder / "scrfd_2.5g_kps.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = SCRFD(path, session=session)
    model.prepare(-1, det_thresh=0.5)
    return model


def pictures(path: Path, step: int) -> list[Frame]:
    """Every ``step``-th frame, numbered as in the film."""
    with av.open(str(path)) as container:
        return [
            Frame(index, index, TICK, np.asarray(decoded.to_ndarray(format="rgb24"), np.uint8))
            for index, decoded in enumerate(container.decode(video=0))
            if index % step == 0
        ]


def ellipse(box: Box, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of a picture of ``size`` (height, width) in the ellipse that touches the box."""
    y, x = np.mgrid[: size[0], : size[1]]
    middle = geometry.centre(box)
    half = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    inside: NDArray[np.bool_] = ((x - middle[0]) / half[0]) ** 2 + (
        (y - middle[1]) / half[1]
    ) ** 2 <= 1
    return inside


def protected(faces: Sequence[Face], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels that a paste of these faces would touch."""
    image = np.zeros((*size, 3), np.uint8)
    white = np.full((128, 128, 3), 255, np.uint8)
    for face in faces:
        placement = place(face, 128)
        matrix = placement.frame_from_crop
        mask = crops.protected_mask(placement.landmarks, 128, box=face.box, frame_from_crop=matrix)
        image, _ = crops.paste(image, white, (mask > 0).astype(np.float32), matrix)
    inside: NDArray[np.bool_] = image[..., 0] > 0
    return inside


def tracked(frames: Sequence[Frame], starts: Sequence[int]) -> list[Track]:
    """Tracks of frames, which are numbered by their place; ``starts`` are those of the shots."""
    found = detectors.load("centerface", {}).detect(frames)
    height, width = frames[0].image.shape[:2]
    return [
        track
        for start, stop in zip(starts, (*starts[1:], len(frames)), strict=True)
        for track in tracking.link(
            found[start:stop], shot=0, start=start, first_id=0, frame_size=(width, height)
        )
    ]


def misses(frames: Sequence[Frame], tracks: Sequence[Track], model) -> tuple[int, list[Miss]]:
    """(faces of the other detector checked, those that are not protected)."""
    checked, missed = 0, []
    for position, frame in enumerate(frames):
        size = frame.image.shape[0], frame.image.shape[1]
        picture = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        boxes, _ = model.detect(picture, input_size=(640, 640))
        large = [
            box[:4].tolist() for box in boxes if np.ptp(box[:4].reshape(2, 2), 0).max() >= LEAST
        ]
        inside = protected([face for t in tracks if (face := t.at(position))], size)
        for x0, y0, x1, y1 in large:
            checked += 1
            here = ellipse((x0, y0, x1, y1), size)
            share = float((here & inside).sum() / max(1, here.sum()))
            if share < 0.95:
                missed.append(Miss(frame.index, share))
    return checked, missed


@pytest.mark.parametrize("name", CLIPS)
def test_single_frames_protect_what_another_detector_finds(name, footage, shared_models):
    """Without any help from neighbouring frames."""
    frames = pictures(footage / name, 60)
    checked, missed = misses(frames, tracked(frames, range(len(frames))), scrfd(shared_models))
    assert checked >= 1
    assert missed == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CLIPS)
def test_all_faces_of_another_detector_are_protected(name, footage, shared_models):
    frames = pictures(footage / name, 1)
    starts = (0, *shots.find_cuts([shots.signature(frame.image) for frame in frames]))
    checked, missed = misses(frames, tracked(frames, starts), scrfd(shared_models))
    assert checked >= 50
    assert [miss for miss in missed if (name, miss.frame) not in HANDS] == []


def test_a_crowd_is_found(footage):
    image = cv2.cvtColor(cv2.imread(str(footage / "crowd.jpg")), cv2.COLOR_BGR2RGB)
    (found,) = detectors.load("centerface", {}).detect([Frame(0, 0, TICK, image)])
    assert len(found) >= 25
