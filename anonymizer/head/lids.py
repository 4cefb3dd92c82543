"""What shuts the lids of one head: a full blink leaves some eyes open, others need less."""

from functools import lru_cache
from typing import Final

import numpy as np

from anonymizer.head.eyeballs import eyeballs
from anonymizer.head.model import HeadModel
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose, rotation
from anonymizer.head.raster import rasterise

SIZE: Final = 192
SCALE: Final = 20.0
"""Pixels per head unit of the picture in which open eyes are looked for."""
PART: Final = 0.6
"""Weight of a blink at which it is seen how far it shuts the eyes; from there on it goes on so."""
LIMITS: Final = (0.6, 1.5)
"""Least and greatest weight. Much more would fold the lids."""


@lru_cache(maxsize=64)
def shutting_of(head: HeadModel, person: Person) -> float:
    """Weight of `eyeBlink` with which this person's eyes just shut."""
    rest, part = (_seen(head, person, weight) for weight in (0.0, PART))
    shut = 1 - part / rest if rest else 1.0
    return float(np.clip(PART / max(shut, 1e-3), *LIMITS))


def _seen(head: HeadModel, person: Person, weight: float) -> int:
    """Pixels of the eyeballs that a blink leaves to be seen from the front."""
    face = head.face({"eyeBlink_L": weight, "eyeBlink_R": weight})
    skin = head.vertices(person.identity, face)
    balls = eyeballs(head, person.identity)
    middle = balls.points.mean(0)
    pose = Pose(rotation(0.0, 0.0), np.array(SCALE), SIZE / 2 + SCALE * middle[:2] * (-1, 1))
    points = pose.project(np.concatenate([skin, balls.points]))
    triangles = np.concatenate([head.triangles, balls.triangles + len(skin)])
    hits = rasterise(points, triangles, SIZE)
    return int((hits.triangle >= len(head.triangles)).sum())
