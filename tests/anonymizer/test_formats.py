"""Sets in known formats: what is special about them is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anonymizer.formats import notices
from tests.films import Film

TOP = "observation.images.top"
INFO = {
    "codebase_version": "v2.1",
    "fps": 25,
    "features": {
        TOP: {
            "dtype": "video",
            "shape": [64, 96, 3],
            "info": {"video.codec": "h264", "video.pix_fmt": "yuv420p"},
        },
        "action": {"dtype": "float32", "shape": [2]},
    },
}


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
    return path


def changed(**said: object) -> dict[str, object]:
    feature = INFO["features"][TOP]  # type: ignore[index]
    feature = {**feature, "info": {**feature["info"], **said}}
    return {**INFO, "features": {TOP: feature}}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    source, destination = tmp_path / "in", tmp_path / "out"
    film = source / "videos" / "chunk-000" / TOP / "episode_000000.mp4"
    film.parent.mkdir(parents=True)
    Film(frames=3, size=(96, 64)).write(film)
    shutil.copytree(source, destination)
    return source, destination


def test_nothing_is_said_of_what_holds(made):
    source, destination = made
    put(source / "meta" / "info.json", INFO)
    assert notices(source, destination) == ()


def test_statistics_of_pictures_are_those_of_the_originals(made):
    source, destination = made
    put(source / "meta" / "info.json", INFO)
    put(source / "meta" / "stats.json", {})
    (said,) = notices(source, destination)
    assert said == f"meta/info.json: statistics of {TOP} in meta/ are those of the originals"


@pytest.mark.parametrize("layout", ["videos/chunk-000", "videos"])
def test_a_coding_that_is_no_more_is_said(tmp_path, layout):
    source, destination = tmp_path / "in", tmp_path / "out"
    put(source / "meta" / "info.json", changed(**{"video.codec": "av1"}))
    film = destination / layout / TOP / "chunk-000" / "file-000.mp4"
    film.parent.mkdir(parents=True)
    Film(frames=3, size=(96, 64)).write(film)
    (said,) = notices(source, destination)
    assert said == (f"meta/info.json: says video.codec av1 of {TOP}, results are h264; change it")


@pytest.mark.parametrize("name", ["h264", "libx264"])
def test_codecs_have_several_names(made, name):
    source, destination = made
    put(source / "meta" / "info.json", changed(**{"video.codec": name}))
    assert notices(source, destination) == ()


def test_results_that_are_not_there_or_not_ours_are_not_judged(made):
    source, destination = made
    put(source / "meta" / "info.json", changed(**{"video.codec": "av1"}))
    for film in destination.rglob("*.mp4"):
        film.write_text("no film")
    assert notices(source, destination) == ()
    shutil.rmtree(destination)
    assert notices(source, destination) == ()


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"video.is_depth_map": True}, "use --lossless"),
        ({"is_depth_map": True}, "use --lossless"),
        ({"video.g": 2}, "a key frame every 2 frames"),
    ],
)
def test_what_films_of_robots_have_is_said(made, said, word):
    source, destination = made
    put(source / "set" / "meta" / "info.json", changed(**said))
    (notice,) = notices(source, destination)
    assert notice.startswith("set/meta/info.json: ")
    assert word in notice


def test_pictures_inside_of_tables_are_said(made):
    source, destination = made
    features = {"observation.image": {"dtype": "image"}}
    put(source / "meta" / "info.json", {"features": features})
    (said,) = notices(source, destination)
    assert "convert them to videos first" in said


@pytest.mark.parametrize("content", ["no json", "[]", '{"features": 1}', '{"features": {"a": 1}}'])
def test_other_files_of_that_name_are_no_set(made, content):
    source, destination = made
    put(source / "meta" / "info.json", content)
    assert notices(source, destination) == ()


def test_annotations_that_lead_to_the_originals_are_said(made):
    source, destination = made
    picture = {"file_name": "1.jpg", "width": 60, "coco_url": "http://x/1.jpg", "flickr_url": ""}
    put(source / "annotations" / "instances.json", {"images": [picture]})
    put(source / "annotations" / "plain.json", {"images": [{"file_name": "1.jpg"}]})
    (said,) = notices(source, destination)
    assert said == (
        "annotations/instances.json: coco_url lead to the originals, or tell them; remove them"
    )


@pytest.mark.parametrize("place", ["/data/mine", "~/mine", "'/data/mine'", "C:\\mine"])
def test_a_yaml_that_leads_to_the_originals_is_said(made, place):
    source, destination = made
    put(source / "data.yaml", f"path: {place}\ntrain: images/train\nnames: [a]\n")
    put(source / "other.yaml", "path: /bin\n")
    put(source / "relative.yml", "path: mine\ntrain: images/train\nnames: [a]\n")
    put(source / "labels" / "train.cache", "numpy")
    first, second = notices(source, destination)
    assert first.startswith("data.yaml: path lead to another folder")
    assert second.startswith("labels/train.cache: names the originals")
