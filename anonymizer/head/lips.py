"""What brings the lips of one head together: at rest some show a slit of teeth, others none."""

from functools import lru_cache
from typing import Final

import numpy as np

from anonymizer.head.model import PART_SKIN, HeadModel
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose, rotation
from anonymizer.head.raster import rasterise

SIZE: Final = 256
SCALE: Final = 20.0
"""Pixels per head unit of the picture in which the slit is looked for."""
MOUTH: Final = np.s_[round(0.5 * SCALE) : round(6 * SCALE), SIZE // 2 - 8 : SIZE // 2 + 9]
"""Rows and columns around the middle of the mouth; row 0 is the height of the head's origin."""
PRESSURE: Final = 2.0
"""Weight of `mouthClose` by which lips come nearer by one eye distance, where they nearly meet."""
FIRM: Final = 0.01
"""A little more of it. Much more turns the lips inwards, and dlib takes that for an open mouth."""


@lru_cache(maxsize=64)
def seal_of(head: HeadModel, person: Person) -> float:
    """Weight of `mouthClose` with which this person's lips just meet."""
    pose = Pose(rotation(0.0, 0.0), np.array(SCALE), np.array([SIZE / 2, 0.0]))
    hits = rasterise(pose.project(head.vertices(person.identity)), head.triangles, SIZE)
    inside = np.zeros(SIZE * SIZE, np.bool_)
    inside[hits.pixel] = head.parts[head.triangles[hits.triangle, 2]] != PART_SKIN
    eyes = head.eyes(person.identity)
    apart = inside.reshape(SIZE, SIZE)[MOUTH].sum(0).mean() / SCALE
    return FIRM + PRESSURE * float(apart / np.linalg.norm(eyes[0] - eyes[1]))
