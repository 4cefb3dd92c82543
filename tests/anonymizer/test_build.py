"""Which parts the settings lead to."""

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from anonymizer import build
from anonymizer.errors import MissingWeights, UnknownPart, UsageError
from anonymizer.reading import Reading
from anonymizer.settings import Checking, Detection, Painting, Settings
from detectors._search import Search
from detectors._union import Union
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


@pytest.mark.parametrize("part", [build.detector, build.studio])
def test_products_take_one_thread_whatever_the_number_of_cores(part):
    with threadpool_limits(2, user_api="blas"):
        part(Settings(painting=Painting(replace="cover")))
        pools = ThreadpoolController().select(user_api="blas").info()
        assert {pool["num_threads"] for pool in pools} == {1}


def settings(names: str, **options: dict[str, object]) -> Settings:
    return Settings(detection=Detection(detector=names, recall="high"), options=options)


def test_one_name_is_one_detector_with_its_options_and_the_recall():
    detector = build.detector(settings("centerface", centerface={"threshold": 0.3}))
    assert isinstance(detector, Search)
    assert detector._scheme.threshold == 0.3
    assert detector._scheme.thorough


@pytest.mark.footage
def test_joined_names_are_a_union_of_detectors_each_with_its_own_options(shared_models):
    weights = {"weights": shared_models / "yunet_n.onnx", "threshold": 0.6}
    detector = build.detector(settings("centerface+yunet", yunet=weights))
    assert isinstance(detector, Union)
    parts = [part._scheme for part in detector._detectors if isinstance(part, Search)]
    assert [(part.threshold, part.thorough) for part in parts] == [(0.2, True), (0.6, True)]


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ("centerface+eyes", UnknownPart),
        ("centerface+centerface", UsageError),
        ("centerface+", UsageError),
        ("union", UnknownPart),
    ],
)
def test_names_that_make_no_sense_are_refused(names, error):
    with pytest.raises(error):
        build.detector(settings(names))


def test_a_union_is_refused_when_the_weights_of_one_part_are_absent(tmp_path):
    missing = {"weights": tmp_path / "none.onnx"}
    with pytest.raises(MissingWeights, match=r"none\.onnx: is absent"):
        build.detector(settings("centerface+yunet", yunet=missing))


def test_an_unknown_option_names_the_part():
    with pytest.raises(UsageError, match=r"options of centerface: .*colour"):
        build.detector(settings("centerface", centerface={"colour": 1}))


def test_all_detectors_have_names():
    assert {"centerface", "scrfd", "yunet", "mediapipe"} <= set(build.detector_names())


def checking(second: str, detector: str = "centerface", **options: dict[str, object]) -> Settings:
    return Settings(
        detection=Detection(detector=detector),
        checking=Checking(second_detector=second),
        options=options,
    )


def test_no_weights_no_second_look(tmp_path, monkeypatch):
    monkeypatch.setenv("VEILFRAME_MODELS", str(tmp_path))
    assert build.second(checking("auto")) is None
    with pytest.raises(MissingWeights, match="anonymize models pull yunet"):
        build.second(checking("yunet"))


def test_none_is_none_and_the_first_cannot_be_the_second():
    assert build.second(checking("none")) is None
    with pytest.raises(UsageError, match="'centerface' already looks first"):
        build.second(checking("centerface"))
    with pytest.raises(UnknownPart):
        build.second(checking("eyes"))


@pytest.mark.footage
def test_the_second_look_takes_what_is_at_hand_and_was_not_used(shared_models, monkeypatch):
    monkeypatch.setenv("VEILFRAME_MODELS", str(shared_models))
    chosen = build.second(checking("auto"))
    assert chosen is not None
    assert chosen.name == "yunet"
    assert isinstance(chosen.detector, Search)
    assert (chosen.detector._scheme.threshold, chosen.detector._scheme.thorough) == (0.8, False)
    other = build.second(checking("auto", "centerface+yunet", scrfd={"threshold": 0.7}))
    assert other is not None
    assert other.name == "scrfd"
    assert isinstance(other.detector, Search)
    assert other.detector._scheme.threshold == 0.7
