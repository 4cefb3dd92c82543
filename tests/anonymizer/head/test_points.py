"""The point reader: what it marks, when it is believed, and whether the shipped one can see."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from anonymizer import geometry
from anonymizer.errors import MissingWeights
from anonymizer.head import canonical, points
from anonymizer.head.canonical import MEAN_LANDMARKS
from anonymizer.head.guide import draw_guide
from anonymizer.head.model import HeadModel
from anonymizer.head.motion import CORNER, SIDE
from anonymizer.head.person import person_for
from anonymizer.head.points import COUNT, FORMAT, MIRRORED, PointNet, PointReader
from anonymizer.head.pose import rotation, solve_pose
from tests.factories import picture


@pytest.fixture(scope="module")
def reader():
    return PointReader.load()


@cache
def turned(yaw):
    """A drawn head turned by so many degrees in a crop of 128, and its landmarks there."""
    head = HeadModel.load()
    person = person_for(head, 5)
    marks = head.marked_landmarks(head.vertices(person.identity))
    flat = (marks @ rotation(np.radians(yaw), 0.05).T)[:, :2] * (1, -1)
    aligned = canonical.crop_from_frame(flat, 128)
    there = geometry.apply(aligned, flat)
    guide = draw_guide(head, person, solve_pose(there, 128, marks))
    grey = np.full((128, 128, 3), 0.45)
    drawn = guide.coverage[..., None] * guide.colour + (1 - guide.coverage[..., None]) * grey
    return (drawn * 255).round().astype(np.uint8), there


def turn(landmarks):
    across = landmarks[1] - landmarks[0]
    return (landmarks[2] - landmarks[:2].mean(0)) @ across / (across @ across)


def test_a_small_turn_is_seen_through_the_noise_of_a_detector(reader):
    """Landmarks that stand still while the head turns by a few degrees are put right."""
    rng = np.random.default_rng(0)
    angles = np.linspace(-8, 8, 9)
    truth, given, marked = [], [], []
    for angle in angles:
        image, there = turned(angle)
        noisy = there + rng.normal(0, 1.2, (5, 2))
        truth.append(turn(there))
        given.append(turn(noisy))
        marked.append(turn(reader.read(image, noisy).landmarks))
    after, before = (np.corrcoef(truth, each)[0, 1] for each in (marked, given))
    assert after > 0.9 > before
    assert np.abs(np.subtract(marked, truth) - np.mean(np.subtract(marked, truth))).max() < 0.06


@pytest.mark.parametrize("scale", [0.6, 1.0, 3.0])
def test_landmarks_are_frame_pixels_at_any_scale_and_turn(reader, scale):
    image, there = turned(0)
    plain = reader.read(image, there)
    frame_from_crop = geometry.similarity(scale=scale, shift=(20.0, 10.0))
    side = round(128 * scale) + 60
    moved = cv2.warpAffine(image, frame_from_crop[:2], (side, side), flags=cv2.INTER_AREA)
    found = reader.read(moved, geometry.apply(frame_from_crop, there))
    assert plain.trust == found.trust == 1
    off = found.landmarks - geometry.apply(frame_from_crop, plain.landmarks.astype(float))
    assert np.hypot(*off.T).max() / scale < 1.5
    quarter = np.stack([127 - there[:, 1], there[:, 0]], 1)  # clockwise
    lying = reader.read(np.ascontiguousarray(np.rot90(image, -1)), quarter).landmarks
    back = np.stack([lying[:, 1], 127 - lying[:, 0]], 1)
    assert np.hypot(*(back - plain.landmarks).T).max() < 0.5


def test_a_mirrored_face_has_mirrored_points(reader):
    window = turned(6)[0][26:122, 16:112]
    one, doubt = reader.points(window)
    other, same = reader.points(np.ascontiguousarray(window[:, ::-1]))
    np.testing.assert_allclose(other[list(MIRRORED)] * (-1, 1) + (SIDE - 1, 0), one, atol=1e-3)
    assert doubt == pytest.approx(same, abs=1e-3)
    assert sorted(MIRRORED) == list(range(COUNT))


def test_where_there_is_no_face_the_detector_is_believed(reader):
    """What both mirror images disagree on is not taken: points of noise are nowhere."""
    marked = reader.read(picture((128, 128), seed=4), MEAN_LANDMARKS)
    assert marked.trust == 0
    np.testing.assert_allclose(marked.landmarks, MEAN_LANDMARKS, atol=1e-4)


def test_points_far_from_the_given_ones_are_not_taken(reader):
    image, there = turned(0)
    wrong = there + np.array([[0, 0], [0, 0], [0, 0], [20.0, 0], [20.0, 0]])
    marked = reader.read(image, wrong)
    assert marked.trust < 0.5
    assert np.hypot(*(marked.landmarks - wrong).T).max() < 10


class Fixed(PointNet):
    """Marks every face alike: `points` in the picture, `other` in its mirror image."""

    def __init__(self, points, other=None):
        super().__init__()
        mirror = points if other is None else other
        mirror = (mirror * (-1, 1) + (SIDE - 1, 0))[list(MIRRORED)]
        self.both = torch.from_numpy(np.stack([points, mirror]))

    def forward(self, windows):
        return self.both


def shown(reach=0.0):
    """Points (COUNT, 2) whose five landmarks are the mean ones, the corners `reach` apart more."""
    five = MEAN_LANDMARKS - CORNER + np.array([[0, 0]] * 3 + [[-reach, 0], [reach, 0]])
    there = np.zeros((COUNT, 2))
    there[19:25], there[25:31], there[10:19] = five[0], five[1], five[2]
    there[31:] = five[3:].mean(0)
    there[31], there[37] = five[3], five[4]
    return there


def test_the_gap_is_that_of_the_inner_lips_in_eye_distances():
    there = shown()
    there[44:47] -= (0, 3.4)
    there[48:51] += (0, 3.4)
    marked = PointReader(Fixed(there)).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    assert marked.gap == pytest.approx(6.8 / 34)
    assert marked.trust == 1
    np.testing.assert_allclose(marked.landmarks, MEAN_LANDMARKS, atol=1e-3)


def test_the_nose_is_put_where_detectors_put_it_and_brows_raise_no_doubt():
    there = shown()
    there[13], there[16] = there[13] - (0, 4), there[13] + (0, 6)
    marked = PointReader(Fixed(there)).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    nose = MEAN_LANDMARKS[2, 1] - 4 + 0.42 * 10
    assert marked.landmarks[2, 1] == pytest.approx(nose, abs=0.05)
    other = there.copy()
    other[:10] += 30
    again = PointReader(Fixed(there, other)).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    assert again.trust == 1


def test_the_second_look_is_where_the_first_one_marked():
    class Further(Fixed):
        """Moves every point by a pixel whenever it looks."""

        def forward(self, windows):
            return self.both + torch.tensor([[[1.0, 0.0]], [[-1.0, 0.0]]])

    marked = PointReader(Further(shown())).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    np.testing.assert_allclose(marked.landmarks, MEAN_LANDMARKS + np.array([2, 0]), atol=0.01)


@pytest.mark.parametrize(("apart", "trust"), [(1.3, 1), (1.7, 0.5), (2.1, 0)])
def test_trust_falls_with_what_the_mirror_disagrees_by(apart, trust):
    there = shown()
    half = np.array([apart / 2, 0])
    net = Fixed(there + half, there - half)
    marked = PointReader(net).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    assert marked.trust == pytest.approx(trust, abs=0.01)


@pytest.mark.parametrize(("reach", "trust"), [(11.0, 1), (13.6, 0.5), (16.0, 0)])
def test_trust_falls_with_how_far_a_landmark_moves(reach, trust):
    marker = PointReader(Fixed(shown(reach)))
    marked = marker._look(picture((128, 128), seed=0), MEAN_LANDMARKS, MEAN_LANDMARKS)
    assert marked.trust == pytest.approx(trust, abs=0.01)
    moved = marked.landmarks[4, 0] - MEAN_LANDMARKS[4, 0]
    assert moved == pytest.approx(trust * reach, abs=0.01)


def test_the_second_look_is_believed_no_more_than_the_first():
    class Surer(Fixed):
        looks = 0

        def forward(self, windows):
            self.looks += 1
            apart = 1.7 if self.looks == 1 else 0.0
            return self.both + torch.tensor([[[apart / 2, 0.0]], [[apart / 2, 0.0]]])

    marked = PointReader(Surer(shown())).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    assert marked.trust == pytest.approx(0.5, abs=0.01)
    net = Surer(shown(6.0))
    again = PointReader(net).read(picture((128, 128), seed=0), MEAN_LANDMARKS)
    assert net.looks == 2
    assert again.trust == pytest.approx(0.5, abs=0.01)
    assert 3 < again.landmarks[4, 0] - MEAN_LANDMARKS[4, 0] < 0.8 * 6


def test_degenerate_landmarks_are_refused(reader):
    with pytest.raises(ValueError, match="no direction or scale"):
        reader.read(picture((64, 64), seed=0), np.full((5, 2), 9.0))


@pytest.mark.parametrize("where", [0, 1])
def test_p3_points_that_are_not_finite_stop_the_film(where):
    net = Fixed(shown())
    net.both[where, 40, 1] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        PointReader(net).read(picture((128, 128), seed=0), MEAN_LANDMARKS)


def written(path: Path, *, form: str = FORMAT, drop: int = 0):
    save_file(dict(list(PointNet().state_dict().items())[drop:]), path, {"format": form})
    return path


def test_a_reader_that_is_not_there_damaged_or_other_is_missing(tmp_path):
    PointReader.load(written(tmp_path / "good.safetensors"))
    with pytest.raises(MissingWeights, match="point reader is absent; reinstall"):
        PointReader.load(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not weights")
    with pytest.raises(MissingWeights, match="point reader is damaged; reinstall"):
        PointReader.load(damaged)
    with pytest.raises(MissingWeights, match="is not of format"):
        PointReader.load(written(tmp_path / "other.safetensors", form="other"))
    with pytest.raises(MissingWeights, match="absent or misshapen"):
        PointReader.load(written(tmp_path / "short.safetensors", drop=1))


def test_the_shipped_weights_are_small_and_in_half_precision():
    path = Path(points.__file__).parents[1] / "weights" / "points.safetensors"
    assert path.stat().st_size < 2**20
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
