"""Teeth are told from one another, and lie in the shade of the cheeks farther back."""

import numpy as np

from anonymizer.head.teeth import DARK, ENAMEL, teeth_colour


def test_dark_lines_part_eight_teeth_before_the_cheeks():
    across = np.linspace(0.42, 0.58, 1601, dtype=np.float32)
    light = teeth_colour(across)[:, 1]
    assert np.allclose(light, light[::-1], atol=1e-4)
    dips = (light[1:-1] < light[:-2]) & (light[1:-1] <= light[2:])
    assert dips.sum() == 7
    assert light[800] < 1.01 * (1 - DARK) * ENAMEL[1]


def test_teeth_grow_darker_towards_the_cheeks_and_keep_their_colour():
    middles = np.array([0.512, 0.535, 0.556, 0.575], np.float32)
    colours = teeth_colour(middles)
    assert (np.diff(colours, axis=0) < 0).all()
    assert np.allclose(colours / colours[:, :1], ENAMEL / ENAMEL[0], atol=1e-5)
    assert teeth_colour(np.zeros(0, np.float32)).shape == (0, 3)
