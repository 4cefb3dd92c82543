"""Which parts the settings lead to."""

import pytest

from anonymizer import build
from anonymizer.reading import Reading
from anonymizer.settings import Painting, Settings
from tests.faces import MarkerDetector


@pytest.mark.parametrize(
    "painting",
    [
        Painting(expression="off"),
        Painting(replace="cover"),
        Painting(replace="blur"),
        Painting(model="some/other-model"),
    ],
)
def test_no_face_is_read_where_nothing_could_follow_it(painting):
    detector = MarkerDetector()
    assert build.attentive(Settings(painting=painting), detector) is detector


def test_faces_are_read_by_default():
    detector = MarkerDetector()
    reading = build.attentive(Settings(), detector)
    assert isinstance(reading, Reading)
    assert reading.detector is detector
