import numpy as np
import pytest

from anonymizer.head.composite import belongs
from anonymizer.head.guide import Guide
from anonymizer.head.surroundings import surrounded

SIZE = 96
WALL, HAIR, SKIN = (40, 90, 160), (30, 20, 10), (200, 150, 120)


def ellipse(height: float, width: float, middle: tuple[float, float] = (50, 47)) -> np.ndarray:
    row, column = np.indices((SIZE, SIZE))
    return ((row - middle[0]) / height) ** 2 + ((column - middle[1]) / width) ** 2 < 1


def guide(face: np.ndarray, head: np.ndarray, framed: np.ndarray | None = None) -> Guide:
    normals = np.zeros((SIZE, SIZE, 3), np.float32)
    normals[head, 2] = 1
    free = face if framed is None else framed
    return Guide(np.zeros_like(normals), face.astype(np.float32), normals, free.astype(np.float32))


def flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), colour, np.uint8)


FACE, HEAD, HIDDEN = ellipse(22, 16), ellipse(30, 20), ellipse(34, 30)


def test_what_is_hidden_in_the_film_changes_no_bit():
    context = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    other = np.where(HIDDEN[..., None], 255 - context, context)
    results = [surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD)) for film in (context, other)]
    assert (results[0] == results[1]).all()


def test_only_what_is_hidden_is_replaced():
    painted = np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    result = surrounded(painted, flat(WALL), HIDDEN, guide(FACE, HEAD))
    assert (result[~HIDDEN] == painted[~HIDDEN]).all()
    assert (result[HIDDEN & ~HEAD] != painted[HIDDEN & ~HEAD]).any()


def test_the_face_stays_as_it_was_painted():
    painted = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    result = surrounded(painted, flat(WALL), HIDDEN, guide(FACE, HEAD))
    inner = ellipse(17, 11)
    assert np.abs(result[inner].astype(int) - painted[inner]).max() <= 1


def test_a_wall_goes_on_beside_the_head():
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, guide(FACE, HEAD))
    beside = HIDDEN & ~ellipse(33, 23)
    assert np.abs(result[beside].astype(int) - WALL).max() <= 2


def test_no_haze_is_left_at_the_edge_of_the_face():
    hazy = np.where(ellipse(20.5, 14.5)[..., None], flat(SKIN), flat((255, 255, 255)))
    result = surrounded(hazy, flat(WALL), HIDDEN, guide(ellipse(22, 16), HEAD))
    rim = FACE & ~ellipse(20.5, 14.5)
    assert (result[rim].max(-1) < 215).all()


def test_hair_that_is_seen_on_the_head_goes_on_over_the_skull():
    above = np.indices((SIZE, SIZE))[0] < 60
    film = np.where((ellipse(38, 30) & above)[..., None], flat(HAIR), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD))
    crown = HEAD & ~ellipse(26, 19) & (np.indices((SIZE, SIZE))[0] < 30)
    assert np.abs(result[crown].astype(int) - HAIR).mean() < 20


def test_a_skull_without_hair_is_as_bare_as_the_face():
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, guide(FACE, HEAD))
    crown = ellipse(28, 18) & ~ellipse(24, 17)
    assert np.abs(result[crown].astype(int) - SKIN).mean() < 25


def test_hair_frames_the_face_where_there_is_some_beside_it():
    """Long hair on the left of the face, a wall on its right."""
    left = (np.indices((SIZE, SIZE))[1] < 47) & ellipse(42, 38)
    film = np.where(left[..., None], flat(HAIR), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD, ellipse(22, 12))).astype(int)
    row, rim = 58, 2
    assert np.abs(result[row, 47 - 19 : 47 - 17] - HAIR).max() < 40
    right = result[row, 47 + 13 - rim : 47 + 13 + rim]
    assert (np.abs(right - SKIN).sum(1) < np.abs(right - HAIR).sum(1)).all()


def test_hair_above_the_skull_goes_on_down_to_it():
    """The new skull ends well below the edge of what is hidden."""
    above = (np.indices((SIZE, SIZE))[0] < 40) & ellipse(48, 26)
    film = np.where(above[..., None], flat(HAIR), flat(WALL))
    low = ellipse(24, 20)
    gap = HIDDEN & ~ellipse(26, 24) & ellipse(40, 10) & above
    assert gap.sum() > 50
    result = surrounded(flat(SKIN), film, HIDDEN, guide(ellipse(20, 16), low)).astype(int)
    assert np.abs(result[gap] - HAIR).mean() < 25


def test_texture_goes_on_inwards_and_fades():
    column = np.indices((SIZE, SIZE))[0]
    stripes = np.where((column % 4 < 2)[..., None], flat((90, 90, 90)), flat((150, 150, 150)))
    nobody = guide(np.zeros_like(FACE), np.zeros_like(FACE))
    result = surrounded(flat(SKIN), stripes, HIDDEN, nobody)[..., 0].astype(float)
    near = result[40:60, 20:23].std(axis=0)
    assert (near > 8).all()
    assert result[40:60, 45:50].std(axis=0).max() < 4


@pytest.mark.parametrize("hidden", [np.ones((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)])
def test_a_film_that_is_hidden_wholly_or_not_at_all(hidden: np.ndarray):
    result = surrounded(flat(SKIN), flat(WALL), hidden, guide(FACE, HEAD))
    assert result.shape == (SIZE, SIZE, 3)
    assert result.dtype == np.uint8
    inner = ellipse(17, 11)
    assert np.abs(result[inner].astype(int) - SKIN).max() <= 1


def test_the_films_neck_goes_up_to_the_chin():
    """A drawing covers some of the neck, which is left to the film."""
    above = np.indices((SIZE, SIZE))[0] < 56
    free = FACE & above
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, guide(FACE, free, free)).astype(int)
    neck = FACE & (np.indices((SIZE, SIZE))[0] > 62)
    assert neck.sum() > 100
    assert np.abs(result[neck] - WALL).mean() < 12


def test_where_all_that_is_seen_is_near_there_is_no_telling_wall_from_hair():
    seen = np.zeros((SIZE, SIZE, 3), np.float32)
    near = ~ellipse(60, 60)
    weights = belongs(seen, near, np.ones((SIZE, SIZE), bool))
    assert (weights == near).all()
    assert (belongs(seen, near, np.zeros((SIZE, SIZE), bool)) == 0).all()
