import dataclasses
import re
from pathlib import Path

import pytest

from anonymizer import settings
from anonymizer.errors import UsageError
from anonymizer.settings import Detection, Media, Painting, Settings


def test_defaults_are_the_documented_ones():
    chosen = Settings()
    assert (chosen.chunk, chosen.overlap, chosen.device) == (16, 4, "auto")
    assert chosen.detection.detector == "centerface"
    assert (chosen.painting.replace, chosen.painting.mediator) == ("face", "medm")
    assert (chosen.painting.min_face, chosen.painting.small_faces) == (24, "mosaic")


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (Settings, {"chunk": 4, "overlap": 6}, "chunk length 4 must exceed overlap 6"),
        (Settings, {"chunk": 0}, "chunk must be at least 1, got 0"),
        (Settings, {"chunk": 2.5}, "chunk must be a whole number, got 2.5"),
        (Settings, {"device": "gpu"}, "device 'gpu' is not auto, cpu, cuda, cuda:N or mps"),
        (Settings, {"device": "cuda:x"}, "device 'cuda:x'"),
        (Settings, {"seed": -1}, "seed must be at least 0, got -1"),
        (Settings, {"seed": 1, "secret_file": Path("s")}, "seed and secret-file exclude"),
        (Painting, {"replace": "swap"}, "replace 'swap' is not one of face, cover"),
        (Painting, {"expression": "maybe"}, "expression 'maybe' is not one of on, off"),
        (Painting, {"match": "light"}, "match 'light' is not one of tone, none"),
        (Painting, {"coherence": 1.5}, "coherence must be between 0 and 1, got 1.5"),
        (Painting, {"coherence": True}, "coherence must be between 0 and 1, got True"),
        (Painting, {"mediate_every": 0}, "mediate-every must be at least 1, got 0"),
        (Painting, {"keyframes": "some"}, "keyframes must be auto or a whole number from 1, got"),
        (Painting, {"keyframes": 0}, "keyframes must be auto or a whole number from 1, got 0"),
        (Painting, {"keyframes": True}, "keyframes must be auto or a whole number from 1, got"),
        (Painting, {"keyframes": 4, "mediator": "none"}, "built-in model with medm; leave"),
        (Painting, {"keyframes": 4, "model": "some/model"}, "built-in model with medm; leave"),
        (Painting, {"steps": 0}, "steps must be between 1 and 1000"),
        (Detection, {"recall": "best"}, "recall 'best'"),
        (Media, {"crf": 52}, "crf must be between 0 and 51"),
        (Media, {"crf": 1, "lossless": True}, "crf and lossless exclude"),
        (Media, {"audio": "mute"}, "audio 'mute'"),
    ],
)
def test_illegal_values_are_refused_with_what_is_legal(section, values, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        section(**values)


def test_a_toml_file_sets_sections_and_options(tmp_path):
    file = tmp_path / "veil.toml"
    file.write_text(
        'chunk = 8\nsecret_file = "key"\n[painting]\nreplace = "cover"\n'
        "[options.centerface]\nthreshold = 0.3\n"
    )
    chosen = settings.load(file)
    assert chosen.chunk == 8
    assert chosen.secret_file == Path("key")
    assert chosen.painting == Painting(replace="cover")
    assert chosen.options == {"centerface": {"threshold": 0.3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chunks = 8", "unknown setting chunks; known: detection, painting"),
        ("[painting]\ncolour = 1", "unknown setting painting.colour; known: replace"),
        ("painting = 3", "painting must be a table, got 3"),
        ("chunk = ", "not valid TOML"),
        ("chunk = 1", "chunk length 1 must exceed overlap 4"),
        ("device = 3", "device must be text, got 3"),
        ("secret_file = 3", "secret_file must be the name of a file, got 3"),
        ("[media]\nsmart_copy = 'no'", "media.smart_copy must be true or false, got 'no'"),
        ("[media]\nkeep_stream = 3", "media.keep_stream must be a list, got 3"),
        ("[media]\ncodec = 3", "media.codec must be text, got 3"),
        ("[detection]\ndetector = 3", "detection.detector must be text, got 3"),
        ("[painting]\nmediator = ['medm']", "painting.mediator must be text, got ('medm',)"),
        ("[painting]\nprompt = 3", "painting.prompt must be text, got 3"),
        ("[networks]\nlora = [3]", "networks.lora must be a list, got (3,)"),
        ("[options]\ncenterface = 3", "options must be a table of tables, got {'centerface': 3}"),
    ],
)
def test_a_wrong_toml_file_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "veil.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        settings.load(file)
    assert str(file) in str(caught.value)


def test_a_missing_toml_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory"):
        settings.load(tmp_path / "none.toml")


def test_given_values_beat_the_base():
    base = Settings(chunk=8, painting=Painting(replace="blur", min_face=30))
    chosen = base.with_values({"painting.replace": "cover", "overlap": 2})
    assert (chosen.painting.replace, chosen.painting.min_face) == ("cover", 30)
    assert (chosen.chunk, chosen.overlap) == (8, 2)


def test_the_description_holds_everything_but_the_secrets(tmp_path):
    plain = Settings(secret_file=tmp_path / "key").described()
    assert str(tmp_path) not in repr(plain)
    expected = {field.name for field in dataclasses.fields(Settings)} - {"seed", "secret_file"}
    assert set(plain) == expected


@pytest.mark.parametrize(
    ("painting", "holds"),
    [
        (Painting(), True),
        (Painting(init="source"), False),
        (Painting(replace="cover"), True),
        (Painting(replace="blur"), False),
        (Painting(replace="mosaic"), False),
    ],
)
def test_non_interference_is_claimed_only_where_it_holds(painting, holds):
    assert painting.non_interference is holds


@pytest.mark.parametrize(
    ("values", "follows"),
    [
        ({}, True),
        ({"painting.expression": "off"}, False),
        ({"painting.replace": "mosaic"}, False),
        ({"painting.model": "some/folder"}, False),
        ({"painting.model": "some/folder", "networks.controlnet": "some/control"}, True),
        (
            {
                "painting.model": "some/folder",
                "networks.controlnet": "some/control",
                "networks.face_control": "landmarks",
            },
            False,
        ),
    ],
    ids=["builtin", "off", "mosaic", "model", "control", "points"],
)
def test_motion_is_read_only_where_a_drawn_head_can_follow_it(values, follows):
    assert Settings().with_values(values).follows is follows


def test_key_frames_may_be_told_in_digits_and_all_frames_are_legal_for_every_model():
    assert Settings().with_values({"painting.keyframes": "4"}).painting.keyframes == 4
    assert Painting(keyframes=1, model="some/model", mediator="none").keyframes == 1
    assert Painting(model="some/model").keyframes == "auto"
