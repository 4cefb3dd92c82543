from dataclasses import replace

import numpy as np
import pytest

from anonymizer.head.composite import belongs
from anonymizer.head.guide import Guide
from anonymizer.head.hair import Hair
from anonymizer.head.surroundings import Surroundings

SIZE = 96
WALL, HAIR, SKIN = (40, 90, 160), (30, 20, 10), (200, 150, 120)
NONE = Hair()


def ellipse(height: float, width: float, middle: tuple[float, float] = (50, 47)) -> np.ndarray:
    row, column = np.indices((SIZE, SIZE))
    return ((row - middle[0]) / height) ** 2 + ((column - middle[1]) / width) ** 2 < 1


def guide(face: np.ndarray, head: np.ndarray, framed: np.ndarray | None = None) -> Guide:
    normals = np.zeros((SIZE, SIZE, 3), np.float32)
    normals[head, 2] = 1
    free = face if framed is None else framed
    return Guide(np.zeros_like(normals), face.astype(np.float32), normals, free.astype(np.float32))


def surrounded(
    painted: np.ndarray, film: np.ndarray, hidden: np.ndarray, drawn: Guide, hair: Hair = NONE
) -> np.ndarray:
    return Surroundings.of(film, hidden, drawn).with_face(painted, hair)


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
    crown = ellipse(28, 18) & ~ellipse(24, 17) & (np.indices((SIZE, SIZE))[0] < 40)
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


def rows() -> np.ndarray:
    return np.repeat(np.arange(SIZE)[:, None], SIZE, 1)


def test_what_lies_beside_the_face_is_as_sharp_as_the_film():
    """A dark strip close to the edge of the blank stays dark inside, and does not become haze."""
    strip = ellipse(38, 34) & ~HIDDEN
    film = np.where(strip[..., None], flat(HAIR), flat(WALL))
    nobody = guide(np.zeros_like(FACE), np.zeros_like(FACE))
    result = surrounded(flat(SKIN), film, HIDDEN, nobody).astype(int)
    for column in (47 - 30 + 1, 47 - 30 + 5, 47 + 30 - 5):
        assert np.abs(result[50, column] - HAIR).max() < 25, column


def test_no_wall_is_between_hair_above_and_the_face():
    """Hair ends at the upper edge of the blank and beside it there is the wall."""
    cap = (rows() < 17) & ellipse(46, 20)
    film = np.where(cap[..., None], flat(HAIR), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD)).astype(int)
    upper = HEAD & ~ellipse(24, 18) & (rows() < 34)
    assert upper.sum() > 150
    assert np.abs(result[upper] - HAIR).mean() < 25


def test_a_face_is_as_wide_as_it_was_drawn_where_there_is_no_hair():
    narrow = ellipse(22, 12)
    rim = FACE & ~ellipse(22, 13) & ellipse(20, 15) & (abs(rows() - 50) < 12)
    assert rim.sum() > 30
    among = {"wall": flat(WALL), "hair": flat(HAIR)}
    for name, film in among.items():
        shown = np.where(ellipse(40, 36)[..., None], film, flat(WALL))
        result = surrounded(flat(SKIN), shown, HIDDEN, guide(FACE, HEAD, narrow)).astype(int)
        wanted = SKIN if name == "wall" else HAIR
        assert np.abs(result[rim] - wanted).mean() < 40, name


def test_what_looks_like_the_wall_does_not_colour_a_head():
    """Hair is seen on the left; on the right the wall reaches over the drawn head."""
    left = np.indices((SIZE, SIZE))[1] < 47
    film = np.where((left & ellipse(44, 38))[..., None], flat(HAIR), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, ellipse(44, 40))).astype(int)
    crown = ellipse(28, 20) & ~ellipse(24, 18) & (rows() < 32) & left
    assert crown.sum() > 40
    assert np.abs(result[crown] - HAIR).mean() < 12
    beyond = (abs(rows() - 25) < 3) & (abs(columns() - 51) < 5)
    assert np.abs(result[beyond] - HAIR).mean() < 1


def columns() -> np.ndarray:
    return np.repeat(np.arange(SIZE)[None], SIZE, 0)


def capped(width: int) -> np.ndarray:
    """Hair that is seen above the blank only, on some columns to each side of the middle."""
    cap = (rows() < 20) & (abs(columns() - 47) <= width)
    return np.where(cap[..., None], flat(HAIR), flat(WALL))


LOW = guide(ellipse(16, 15, (60, 47)), ellipse(20, 18, (60, 47)))
"""A head that ends well below the upper edge of the blank."""


def test_hair_seen_above_a_low_head_goes_down_to_it_where_the_wall_is_nearer():
    result = surrounded(flat(SKIN), capped(14), HIDDEN, LOW).astype(int)
    gap = (abs(rows() - 36) < 3) & (abs(abs(columns() - 47) - 9) < 3)
    assert np.abs(result[gap] - HAIR).mean() < 30


def test_hair_seen_above_goes_a_little_to_the_sides():
    result = surrounded(flat(SKIN), capped(7), HIDDEN, LOW).astype(int)
    gap = (abs(rows() - 38) < 3) & (abs(abs(columns() - 47) - 9) < 2)
    assert np.abs(result[gap] - HAIR).mean() < 40


def test_a_thin_strip_of_hair_leaves_no_hole_before_the_face():
    strip = ellipse(35.5, 31.5) & ~HIDDEN
    film = np.where(strip[..., None], flat(HAIR), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(ellipse(20, 12), ellipse(22, 13)))
    gap = (abs(rows() - 38) < 3) & HIDDEN & ~ellipse(30, 26) & ~ellipse(23, 14)
    hole = (abs(rows() - 38) < 3) & ellipse(28, 24) & ~ellipse(24, 16)
    assert min(gap.sum(), hole.sum()) > 30
    assert np.abs(result[gap | hole].astype(int) - HAIR).mean() < 40


def test_the_texture_of_hair_is_not_painted_over_where_the_skull_is():
    cap = (rows() < 24) & ellipse(46, 34)
    strands = np.where((columns() % 6 < 3)[..., None], flat(HAIR), flat((90, 70, 50)))
    film = np.where(cap[..., None], strands, flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD)).astype(float)
    assert result[17:22, 41:54, 0].std(axis=1).min() > 25


def test_a_wall_at_the_edge_of_the_blank_does_not_end_there():
    """The drawn head is wider than the blank, in front of a wall."""
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, guide(FACE, ellipse(44, 40))).astype(int)
    upper = rows() < 40
    edge, inside = HIDDEN & ~ellipse(33, 29) & upper, ellipse(28, 24) & ~ellipse(25, 21) & upper
    assert np.abs(result[edge] - WALL).mean() < 40
    assert np.abs(result[inside] - SKIN).mean() < 40


def test_hair_beside_a_narrow_head_is_not_torn_off_by_a_gap_in_it():
    """A short piece of the strip is missing, and the wall shows through."""
    missing = (abs(rows() - 40) < 4) & (columns() < 47)
    strip = ellipse(40, 36) & ~HIDDEN & ~missing
    film = np.where(strip[..., None], flat(HAIR), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(ellipse(20, 12), ellipse(22, 13)))
    assert np.abs(result[38:43, 22:34].astype(int) - HAIR).mean() < 3


def test_hair_inside_is_as_dark_as_what_is_dark_of_it():
    """Two of three strands shine."""
    cap = (rows() < 24) & ellipse(46, 34)
    strands = np.where((columns() % 9 < 3)[..., None], flat(HAIR), flat((110, 90, 80)))
    film = np.where(cap[..., None], strands, flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(ellipse(16, 14, (58, 47)), HEAD))
    skull = result[30:38, 41:54].astype(int)
    assert np.abs(skull - HAIR).mean() < 20


def test_hair_that_is_as_light_everywhere_is_as_light_inside():
    cap, light = (rows() < 24) & ellipse(46, 34), (190, 160, 110)
    film = np.where(cap[..., None], flat(light), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(ellipse(16, 14, (58, 47)), HEAD))
    assert np.abs(result[30:38, 41:54].astype(int) - light).mean() < 8


def test_strands_above_a_face_end_sooner_than_what_is_below_it():
    stripes = np.where((columns() % 6 < 3)[..., None], flat((90, 90, 90)), flat((150, 150, 150)))
    drawn = guide(ellipse(12, 12), ellipse(12, 12))
    result = surrounded(flat(SKIN), stripes, HIDDEN, drawn)[:, 41:54, 0].astype(float)
    above, below = result[28:31].std(axis=1), result[69:72].std(axis=1)
    assert above.max() < 9 < 12 < below.min()


REMEMBERED = Hair(1, np.array(HAIR, np.float32) / 127.5 - 1, weight=1)


def test_hair_that_the_track_has_shown_is_there_when_the_film_shows_none():
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, guide(FACE, HEAD), REMEMBERED)
    crown = ellipse(28, 18) & ~ellipse(24, 17) & (rows() < 32)
    assert np.abs(result[crown].astype(int) - HAIR).mean() < 25


def test_hair_that_the_track_has_shown_frames_the_forehead_and_not_the_chin():
    framed = guide(FACE, HEAD, framed=ellipse(19, 12).astype(np.float32))
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, framed, REMEMBERED).astype(int)
    rim = FACE & ~ellipse(20, 14)
    upper, lower = result[rim & (rows() < 34)], result[rim & (abs(rows() - 56) < 3)]
    assert np.abs(upper - HAIR).mean() < 20
    assert np.abs(lower - SKIN).mean() < 20


def test_hair_has_the_colour_of_the_track_above_a_face():
    """One of many frames, in which a lamp shines on it."""
    light = np.array((120, 110, 100))
    cap = (rows() < 24) & ellipse(46, 34)
    film = np.where(cap[..., None], flat(tuple(light)), flat(WALL))
    drawn = guide(ellipse(16, 14, (58, 47)), HEAD)
    result = surrounded(flat(SKIN), film, HIDDEN, drawn, REMEMBERED).astype(int)
    assert np.abs(result[30:38, 41:54] - HAIR).mean() < 15


def evidence(film: np.ndarray, hidden: np.ndarray = HIDDEN, drawn: Guide | None = None) -> Hair:
    return Surroundings.of(film, hidden, drawn or guide(FACE, HEAD)).own


def test_hair_above_a_face_is_remembered_with_its_colour():
    cap = (rows() < 24) & ellipse(46, 34)
    hair = evidence(np.where(cap[..., None], flat(HAIR), flat(WALL)))
    assert hair.crown == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose((hair.colour + 1) * 127.5, HAIR, atol=2)
    assert 0.05 < hair.weight < 2


def test_a_wall_above_a_face_is_no_hair():
    hair = evidence(flat(WALL))
    assert (hair.crown, hair.weight) == (0, 0)


def test_a_collar_says_nothing_of_hair():
    collar = np.where((rows() > 70)[..., None], flat((10, 200, 10)), flat(WALL))
    hair = evidence(collar)
    assert (hair.crown, hair.weight) == (0, 0)


@pytest.mark.parametrize("hidden", [np.ones((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)])
def test_no_hair_is_seen_where_all_is_hidden_or_no_face_is(hidden):
    nobody = guide(np.zeros_like(FACE), np.zeros_like(FACE))
    for drawn in (guide(FACE, HEAD), nobody):
        hair = evidence(flat(WALL), hidden, drawn)
        assert (hair.crown, hair.weight) == (0, 0)


def test_what_is_hidden_is_not_remembered():
    film = np.random.default_rng(4).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    one, other = evidence(film), evidence(np.where(HIDDEN[..., None], 255 - film, film))
    assert (one.crown, one.weight) == (other.crown, other.weight)
    assert (one.colour == other.colour).all()


def test_light_hair_counts_beside_a_black_collar():
    cap = (rows() < 24) & ellipse(46, 34)
    film = np.where(cap[..., None], flat((220, 200, 150)), flat(WALL))
    collar = np.where((rows() > 70)[..., None], flat((0, 0, 0)), film)
    assert evidence(collar).weight == pytest.approx(evidence(film).weight, rel=0.2)


def test_strands_have_the_contrast_of_the_hair_that_is_seen():
    cap = (rows() < 24) & ellipse(46, 34)
    strands = np.where((columns() % 4 < 2)[..., None], flat(HAIR), flat((60, 50, 40)))
    sharp = np.where(cap[..., None], strands, flat(WALL))
    soft = np.where(cap[..., None], flat(HAIR), flat(WALL))
    assert evidence(sharp).grain > 0.2 > 0.02 > evidence(soft).grain


def test_strands_are_drawn_above_a_face_only():
    """Long hair is to be seen all around it."""
    film = np.where(ellipse(46, 42)[..., None], flat((90, 70, 50)), flat(WALL))
    drawn = guide(ellipse(16, 14, (58, 47)), ellipse(20, 30, (58, 47)))
    plain, grainy = (
        surrounded(flat(SKIN), film, HIDDEN, drawn, replace(REMEMBERED, grain=grain))
        for grain in (0, 0.2)
    )
    other = (plain != grainy).any(-1)
    assert other[40:50].any()
    assert not other[60:].any()


def test_what_may_be_the_wall_is_not_remembered_as_hair():
    """Nothing of the film is far enough away from the head to tell."""
    hidden, drawn = HIDDEN | ~ellipse(38, 34), guide(FACE, ellipse(40, 36))
    hair = evidence(flat(WALL), hidden, drawn)
    assert (hair.crown, hair.weight) == (0, 0)
    assert Surroundings.of(flat(WALL), hidden, drawn).hair.max() == 1


def test_a_wall_too_near_to_tell_is_no_hair_of_a_track_that_looks_otherwise():
    hidden, drawn = HIDDEN | ~ellipse(38, 34), guide(ellipse(16, 14, (58, 47)), ellipse(44, 40))
    light = flat((240, 240, 240))
    alone = surrounded(flat(SKIN), light, hidden, drawn).astype(int)
    track = surrounded(flat(SKIN), light, hidden, drawn, REMEMBERED).astype(int)
    crown = (abs(rows() - 22) < 2) & (abs(columns() - 47) < 8)
    assert np.abs(track[crown] - HAIR).mean() < 30 < 150 < np.abs(alone[crown] - HAIR).mean()


def test_a_wall_that_only_differs_from_a_shirt_is_no_hair_beside_a_head():
    """All that is seen of the upper half is too near to tell, and is no hair for that."""
    hidden, head = (rows() < 72) & (columns() > 9), ellipse(24, 18, (36, 50))
    film = np.where((rows() > 74)[..., None], flat((20, 120, 130)), flat((240, 240, 240)))
    drawn = guide(ellipse(18, 14, (38, 50)), head)
    assert Surroundings.of(film, hidden, drawn).wall == 0
    guess = Hair.guessed(np.array([-0.2, -0.4, -0.6], np.float32))
    result = surrounded(flat(SKIN), film, hidden, drawn, guess).astype(int)
    above, brown = rows() < 36, (102, 76, 51)
    beside = hidden & above & ~ellipse(32, 26, (36, 50))
    crown = above & ellipse(22, 16, (36, 50)) & ~ellipse(20, 16, (38, 50))
    assert np.abs(result[beside] - 240).mean() < 15
    assert np.abs(result[crown] - brown).mean() < 60


def test_light_on_hair_stays_where_the_wall_is_known():
    cap = (rows() < 24) & ellipse(46, 34)
    film = np.where(cap[..., None], flat((160, 150, 140)), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD), REMEMBERED).astype(int)
    assert np.abs(result[17:20, 43:52] - (160, 150, 140)).mean() < 20


def test_what_is_far_from_the_colour_of_a_tracks_hair_is_a_wall_told_wrongly():
    """Farther away than a white wall there is something else."""
    cap = (rows() < 24) & ellipse(46, 34)
    film = np.where(cap[..., None], flat((240, 230, 220)), flat(WALL))
    assert Surroundings.of(film, HIDDEN, guide(FACE, HEAD)).hair[6, 20:28].min() > 0.9
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD), REMEMBERED).astype(int)
    assert np.abs(result[24:27, 43:52] - HAIR).mean() < 25


@pytest.mark.parametrize("side", [1, -1])
def test_towards_a_head_no_wall_is_seen_between_strands(side):
    """Beside a face hair thins out to its edge, not to the face."""
    beside = (side * (columns() - 47) > 20) & (abs(rows() - 50) < 36)
    wall = (200, 195, 190)
    film = np.where((beside & (rows() % 4 < 2))[..., None], flat(HAIR), flat(wall))
    hidden = ellipse(36, 32)
    unknown, known = (
        surrounded(flat(SKIN), film, hidden, guide(FACE, HEAD), hair).mean(-1)
        for hair in (NONE, REMEMBERED)
    )
    inside = hidden & (abs(rows() - 55) < 8) & (side * (columns() - 47) > 22)
    inside &= side * (columns() - 47) < 27
    assert unknown[inside].max() > 120
    assert known[inside].max() < 70
    assert np.array_equal(known[~hidden], unknown[~hidden])


def test_the_wall_between_strands_goes_on_a_little_into_the_blank():
    """It ends within a twentieth of the crop's side: neither at the edge nor at the face."""
    size, scale = 4 * SIZE, 4
    big = [np.kron(each, np.ones((scale, scale), bool)) for each in (FACE, HEAD, ellipse(36, 32))]
    normals = np.zeros((size, size, 3), np.float32)
    normals[big[1], 2] = 1
    coverage = big[0].astype(np.float32)
    drawn = Guide(np.zeros_like(normals), coverage, normals, coverage)
    row, column = np.indices((size, size))
    strands = ((column > 68 * scale) & (row % 12 < 6))[..., None]
    film = np.where(strands, np.array(HAIR, np.uint8), np.array((200, 195, 190), np.uint8))
    painted = np.full((size, size, 3), SKIN, np.uint8)
    result = Surroundings.of(film, big[2], drawn).with_face(painted, REMEMBERED).mean(-1)
    level = result[190:230, 68 * scale : 79 * scale].max(0)
    edge = int(np.flatnonzero(big[2][210])[-1]) - 68 * scale
    shallow, deep = level[edge - 3], level[edge - round(0.045 * size)]
    assert deep < 60 < 120 < shallow


def test_light_on_strands_is_no_gap_between_them():
    """A third of the way to white is a wall, half of that is light on hair."""
    shown = []
    for level in (50, 110):
        beside = (columns() > 67) & (abs(rows() - 50) < 36)
        other = flat((level, level, level))
        strands = np.where((rows() % 4 < 2)[..., None], flat(HAIR), other)
        film = np.where(beside[..., None], strands, flat((220, 215, 210)))
        result = surrounded(flat(SKIN), film, ellipse(36, 32), guide(FACE, HEAD), REMEMBERED)
        inside = ellipse(36, 32) & (abs(rows() - 55) < 8) & (columns() > 69) & (columns() < 74)
        shown.append(float(np.quantile(result.mean(-1)[inside], 0.9)))
    assert shown[0] > 38
    assert shown[1] < 70


def aside(drawn: Guide, way: int) -> Guide:
    """The same head turned to the right, 1, or left, -1."""
    forward = drawn.normals[..., 2:]
    return replace(drawn, normals=(forward * (0.6 * way, 0, 0.8)).astype(np.float32))


@pytest.mark.parametrize("way", [-1, 1])
def test_hair_reaches_lower_behind_a_face_that_is_turned_aside(way):
    drawn, wide = guide(FACE, HEAD), ellipse(40, 36)
    before, turned = (
        surrounded(flat(SKIN), flat(WALL), wide, each, REMEMBERED).astype(int)
        for each in (drawn, aside(drawn, way))
    )
    nape = HEAD & ~ellipse(26, 18) & (abs(rows() - 50) < 4)
    behind = nape & (way * (columns() - 47) < 0)
    ahead = nape & ~behind
    assert np.abs(turned[behind] - HAIR).mean() < 30 < 60 < np.abs(before[behind] - HAIR).mean()
    assert np.abs(turned[ahead] - before[ahead]).mean() < 1


@pytest.mark.parametrize("way", [-1, 1])
def test_hair_beside_a_face_leaves_the_cheek_of_one_that_is_turned_aside(way):
    film = np.where(ellipse(46, 42)[..., None], flat(HAIR), flat(WALL))
    drawn = guide(FACE, HEAD, framed=ellipse(22, 10))
    cheek = ellipse(21, 15) & ~ellipse(22, 12) & (abs(rows() - 55) < 6)
    ahead, turned = (
        np.abs(surrounded(flat(SKIN), film, HIDDEN, each).astype(int)[cheek] - HAIR).mean()
        for each in (drawn, aside(drawn, way))
    )
    assert ahead < 20 < 80 < turned


def test_no_wall_that_is_told_wrongly_covers_a_cheek():
    """A light spot of a wall beside a face passes for hair; that of the track is dark."""
    film = np.where(ellipse(46, 42)[..., None], flat((130, 135, 100)), flat(WALL))
    drawn = guide(FACE, HEAD, framed=ellipse(22, 10))
    cheek = ellipse(21, 15) & ~ellipse(22, 12) & (abs(rows() - 55) < 6)
    unknown, known = (
        np.abs(surrounded(flat(SKIN), film, HIDDEN, drawn, hair).astype(int)[cheek] - SKIN).mean()
        for hair in (NONE, REMEMBERED)
    )
    assert known < 20 < 30 < unknown


SIDE = ellipse(27, 18) & ~ellipse(23, 17) & (abs(rows() - 55) < 7)
"""Of HEAD, beside FACE and below its middle."""


def test_a_head_has_sides_before_a_wall():
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, guide(FACE, HEAD)).astype(int)
    assert SIDE.sum() > 20
    assert np.abs(result[SIDE] - SKIN).mean() < 20


def test_what_is_on_an_ear_does_not_colour_the_side_of_a_head():
    """Such as white headphones on dark hair."""
    beside = ellipse(46, 44) & (abs(rows() - 55) < 14)
    film = np.where(beside[..., None], flat((250, 250, 250)), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD), REMEMBERED).astype(int)
    assert np.abs(result[SIDE] - SKIN).mean() < 10


def test_the_films_neck_is_not_covered_by_the_drawn_one():
    """That is wider than the film's, before a wall."""
    wide = HEAD | ((abs(columns() - 47) < 18) & (rows() > 60))
    drawn = guide(FACE, wide, framed=FACE)
    neck = (abs(columns() - 47) < 6) & (rows() > 60)
    film = np.where(neck[..., None], flat(SKIN), flat(WALL))
    result = surrounded(flat(SKIN), film, HIDDEN, drawn).astype(int)
    beside = HIDDEN & (rows() > 74) & (abs(columns() - 47) > 10) & (abs(columns() - 47) < 16)
    assert beside.sum() > 20
    assert np.abs(result[beside] - WALL).mean() < 15


def test_hair_that_is_known_goes_up_to_the_edge_of_the_blank_on_a_head():
    """The blank ends with the head: the wall beside it does not reach in."""
    tight = ellipse(31, 21)
    result = surrounded(flat(SKIN), flat(WALL), tight, guide(FACE, HEAD), REMEMBERED).astype(int)
    rim = ellipse(29, 19) & ~ellipse(27, 17) & (rows() < 36)
    assert rim.sum() > 20
    assert np.abs(result[rim] - HAIR).mean() < 22


def test_a_ragged_edge_of_the_blank_leaves_no_dark_squares_in_light_hair():
    light = np.random.default_rng(2).integers(90, 110, (SIZE, SIZE))[..., None]
    cap = (rows() < 40) & ellipse(48, 40)
    film = np.where(cap[..., None], np.repeat(light, 3, -1), flat(WALL)).astype(np.uint8)
    ragged = HIDDEN & (rows() > 20)
    ragged[19:21, 30:64:9] = True  # single pixels stand out
    drawn = guide(ellipse(20, 16, (60, 47)), HEAD)
    result = surrounded(flat(SKIN), film, ragged, drawn, REMEMBERED).mean(-1)
    assert result[21:24, 31:45].min() > 60


def test_strands_that_pass_for_the_wall_leave_no_rays_of_a_dark_skull():
    wall, strand, usual = (150, 120, 100), (135, 108, 92), (105, 80, 70)
    cap = (rows() < 24) & ellipse(46, 34)
    lock = np.where((columns() % 12 < 3)[..., None], flat(strand), flat((90, 70, 60)))
    film = np.where(cap[..., None], lock, flat(wall))
    shown = Surroundings.of(film, HIDDEN, guide(FACE, HEAD)).hair
    assert shown[4, 24] < 0.1 < 0.9 < shown[4, 28]
    track = Hair(1, np.array(usual, np.float32) / 127.5 - 1, weight=1)
    drawn = guide(ellipse(20, 16, (60, 47)), HEAD)
    result = surrounded(flat(SKIN), film, HIDDEN, drawn, track).astype(int)
    assert np.abs(result[18:20, 49] - strand).max() < 20


@pytest.mark.parametrize(("light", "patch"), [(False, False), (True, True)])
def test_a_light_lock_beside_dark_hair_leaves_no_patch_in_it(light, patch):
    """Unless most of the hair is as light: then it is the light on it."""
    above = ellipse(48, 30) & (rows() < 40)
    lock = ellipse(46, 40) & (rows() < 46) & (columns() > 62)
    film = np.where(
        above[..., None], flat((138, 105, 85) if light else HAIR), flat((235, 236, 240))
    )
    film[lock] = 138, 105, 85
    result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, ellipse(34, 30)), REMEMBERED)
    beside = ellipse(29, 24) & ~ellipse(24, 18) & (rows() < 40) & (columns() > 60)
    assert beside.sum() > 50
    assert (np.abs(result[beside].astype(int) - HAIR).mean() > 40) == patch


def test_at_its_edge_a_skull_has_the_colour_of_the_hair_that_is_seen_there():
    """A piece of a strip of hair that is lighter than the track's is missing, above the face."""
    missing, light = (rows() < 40) & (abs(columns() - 47) < 4), (60, 50, 40)
    strip = ellipse(40, 36) & ~HIDDEN & ~missing
    film = np.where(strip[..., None], flat(light), flat(WALL))
    drawn = guide(ellipse(20, 12), ellipse(22, 13))
    result = surrounded(flat(SKIN), film, HIDDEN, drawn, REMEMBERED).astype(int)
    edge, inside = result[20:22, 46:49].mean((0, 1)), result[26:28, 46:49].mean((0, 1))
    assert (edge - HAIR).min() > 8 > 3 > np.abs(inside - HAIR).max()


def test_hair_begins_softly_at_the_ragged_edge_of_the_blank():
    """The drawn head reaches past it; before a wall a sharp edge would be a saw."""
    size, scale = 4 * SIZE, 4
    big = [np.kron(each, np.ones((scale, scale), bool)) for each in (FACE, ellipse(44, 40), HIDDEN)]
    normals = np.zeros((size, size, 3), np.float32)
    normals[big[1], 2] = 1
    cover = big[0].astype(np.float32)
    drawn = Guide(np.zeros_like(normals), cover, normals, cover)
    painted, film = (np.full((size, size, 3), c, np.uint8) for c in (SKIN, WALL))
    result = Surroundings.of(film, big[2], drawn).with_face(painted, REMEMBERED)[..., 2].astype(int)
    first = int(np.flatnonzero(big[2][100])[0])
    edge, inside = result[100, first], result[100, first + 14]
    assert abs(edge - WALL[2]) < 40
    assert abs(inside - HAIR[2]) < 20


GAP = (columns() < 47) & (rows() > 30) & (rows() < 48)
BESIDE = HIDDEN & ~ellipse(32, 27) & GAP & (abs(rows() - 39) < 5)


def around_a_gap(lower: tuple[int, int, int], drawn: Guide, until: int = 66) -> np.ndarray:
    """Hair above a face, and something beside its cheek; over its edge the blank reaches out."""
    edge = ellipse(46, 37) & (rows() < until) & ~GAP
    seen = np.where((rows() < 40)[..., None], flat(HAIR), flat(lower))
    film = np.where(edge[..., None], seen, flat(WALL))
    return surrounded(flat(SKIN), film, HIDDEN, drawn, REMEMBERED).astype(int)


def test_hair_above_and_beside_a_face_is_one():
    framed = guide(FACE, HEAD, framed=ellipse(20, 12))
    result = around_a_gap(HAIR, framed)
    temple = HEAD & ~FACE & GAP & (abs(rows() - 39) < 5)
    assert np.abs(result[temple] - HAIR).mean() < 25
    assert np.abs(result[BESIDE] - HAIR).mean() < np.abs(result[BESIDE] - WALL).mean()


def test_what_is_beside_a_face_and_no_hair_leaves_the_wall_above_it():
    framed = guide(FACE, HEAD, framed=ellipse(20, 12))
    for lower in ((200, 60, 40), (130, 110, 40)):
        result = around_a_gap(lower, framed)
        assert np.abs(result[BESIDE] - WALL).mean() < np.abs(result[BESIDE] - HAIR).mean() / 2


def test_a_dark_collar_is_no_hair():
    body = (rows() > 73) & (abs(columns() - 47) < 40)
    edge = (ellipse(46, 37) & (rows() < 46)) | body
    film = np.where(edge[..., None], flat(HAIR), flat(WALL))
    framed = guide(FACE, HEAD, framed=ellipse(20, 12))
    result = surrounded(flat(SKIN), film, HIDDEN, framed, REMEMBERED).astype(int)
    beside = HIDDEN & ~ellipse(32, 27) & (columns() < 47) & (abs(rows() - 58) < 3)
    assert np.abs(result[beside] - WALL).mean() < np.abs(result[beside] - HAIR).mean() / 2


def test_beside_a_face_that_is_turned_aside_the_wall_is_seen():
    framed = guide(FACE, HEAD, framed=ellipse(20, 12))
    result = around_a_gap(HAIR, aside(framed, -1))
    ahead = BESIDE & (abs(rows() - 39) < 3)
    before = around_a_gap(HAIR, framed)
    assert np.abs(result[ahead] - WALL).mean() < 0.8 * np.abs(before[ahead] - WALL).mean()


def test_the_sides_of_a_jaw_end_before_the_chin():
    """Where the drawn neck begins, and would end in a box."""
    neck = FACE | ((abs(columns() - 47) < 16) & (rows() > 60))
    drawn = guide(neck, neck, framed=FACE)
    result = surrounded(flat(SKIN), flat(WALL), HIDDEN, drawn).astype(int)
    corner = (rows() > 67) & (rows() < 71) & (abs(columns() - 47) > 11) & (abs(columns() - 47) < 15)
    assert np.abs(result[corner] - WALL).mean() < np.abs(result[corner] - SKIN).mean() / 2


def test_black_above_a_face_is_hair_even_if_the_wall_is_as_black():
    black = surrounded(flat(SKIN), flat((8, 6, 6)), HIDDEN, guide(FACE, HEAD)).astype(int)
    grey = surrounded(flat(SKIN), flat((70, 68, 66)), HIDDEN, guide(FACE, HEAD)).astype(int)
    crown = ellipse(28, 18) & ~ellipse(24, 17) & (rows() < 30)
    assert np.abs(black[crown] - (8, 6, 6)).mean() < 10
    assert np.abs(grey[crown] - SKIN).mean() < 40
    chin = ellipse(20, 14) & (rows() > 60)
    assert np.abs(black[chin] - SKIN).mean() < 5


def test_hair_too_far_away_to_know_its_colour_is_none():
    """A shelf above the head, dark before a light wall."""
    shelf = (rows() >= 5) & (rows() <= 10) & (abs(columns() - 47) < 14)
    film = np.where(shelf[..., None], flat(HAIR), flat(WALL))
    assert Surroundings.of(film, HIDDEN, guide(FACE, HEAD)).above.max() > 0.9
    hair = evidence(film)
    assert (hair.crown, hair.weight) == (0, 0)
    crown = ellipse(28, 18) & ~ellipse(24, 17) & (rows() < 40)
    for memory in (NONE, Hair(1.0)):
        result = surrounded(flat(SKIN), film, HIDDEN, guide(FACE, HEAD), memory).astype(int)
        assert np.abs(result[crown] - SKIN).mean() < 25


def test_the_colour_of_hair_is_remembered_without_light_on_it():
    cap = (rows() < 24) & ellipse(46, 34)
    strands = np.where((columns() % 6 < 2)[..., None], flat(HAIR), flat((110, 90, 80)))
    hair = evidence(np.where(cap[..., None], strands, flat(WALL)))
    np.testing.assert_allclose((hair.colour + 1) * 127.5, HAIR, atol=8)
