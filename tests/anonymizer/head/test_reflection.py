import numpy as np

from anonymizer.head.reflection import Reflection

SIZE = 96
ROW, COLUMN = np.indices((SIZE, SIZE))
DISC = (ROW - 48) ** 2 + (COLUMN - 48) ** 2 < 30**2


def over(hidden: np.ndarray) -> Reflection:
    return Reflection.over(hidden, np.zeros((SIZE, SIZE), np.float32))


def test_only_what_is_hidden_is_mirrored():
    trust = over(DISC).trust
    assert (trust[~DISC] == 0).all()
    assert trust[DISC].max() == 1


def test_what_is_mirrored_ends_softly_where_the_film_does():
    """Below the disc there is no film; a jump would be a ragged dark shape beside the face."""
    mirror = over(DISC | (ROW > 70))
    within = mirror.trust[20:69, 30:67]
    steps = np.abs(np.diff(within, axis=0)), np.abs(np.diff(within, axis=1))
    there = DISC[20:69, 30:67]
    inside = (there[1:] & there[:-1], there[:, 1:] & there[:, :-1])
    assert max(step[both].max() for step, both in zip(steps, inside, strict=True)) < 0.5
    assert within.max() == 1


def test_nothing_hidden_is_trusted():
    mirror = over(DISC | (ROW > 70))
    rows, columns = (
        each.round().astype(int).clip(0, SIZE - 1) for each in (mirror.rows, mirror.columns)
    )
    unseen = (DISC | (ROW > 70))[rows, columns]
    assert (mirror.trust[unseen] == 0).all()


def test_single_pixels_that_are_hidden_do_not_matter():
    plain = over(DISC).trust
    dotted = DISC.copy()
    dotted[14, 40:60:6] = True
    around = over(dotted).trust
    assert np.abs(around - plain)[22:26, 40:60].mean() < 0.2
