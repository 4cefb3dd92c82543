"""Faces go with the scene, and the film that is drawn on the spot shows one."""

import numpy as np
import pytest

from anonymizer import build, pipeline
from anonymizer.bench.films import Moving, drawn, given
from anonymizer.errors import JobError
from anonymizer.settings import Painting, Settings
from anonymizer.video.media import open_source
from tests.films import make_video


def test_the_face_moves_as_the_scene_does():
    made = Moving.of("shift", 4, (60, 90), 0.3)
    first, last = made.track.faces[0], made.track.faces[3]
    assert first.landmarks is not None
    assert last.landmarks is not None
    np.testing.assert_allclose(last.landmarks - first.landmarks, [[9, -6]] * 5, atol=1e-3)
    np.testing.assert_allclose(np.subtract(last.box, first.box), [9, -6, 9, -6], atol=1e-3)


def test_a_zoom_makes_the_face_larger():
    made = Moving.of("zoom", 5, (60, 90), 0.3)
    assert made.track.faces[4].size / made.track.faces[0].size == pytest.approx(1.03**4, rel=1e-3)


def test_the_detector_finds_the_drawn_head(tmp_path):
    settings = Settings()
    film = drawn(build.studio(settings), 3, tmp_path)
    plan = pipeline.analyse(film.frames, build.detector(settings))
    box = plan.tracks[0].faces[0].box
    assert (box[0] + box[2]) / 2 == pytest.approx(192, abs=15)
    assert film.size == (384, 288)
    assert [frame.pts for frame in film.read()] == [frame.pts for frame in film.frames]


def test_a_repeated_film_has_all_its_frames_in_order(tmp_path):
    film = given(make_video(tmp_path / "in.mp4", frames=5, size=(48, 32)), 3, tmp_path)
    again = [frame.image for frame in open_source(film.repeated(4, tmp_path))]
    assert len(again) == 12
    for at, image in enumerate(again):
        off = [abs(image.astype(int) - each.image).mean() for each in film.frames]
        assert int(np.argmin(off)) == at % 3


def test_films_of_odd_sizes_are_repeated(tmp_path):
    film = given(
        make_video(tmp_path / "in.mkv", frames=2, size=(49, 33), pixel_format="yuv444p"),
        9,
        tmp_path,
    )
    assert next(iter(open_source(film.path))).image.shape == (33, 49, 3)


def test_one_frame_is_no_film(tmp_path):
    with pytest.raises(JobError, match="has 1 frame; give a film of at least 2"):
        given(make_video(tmp_path / "in.mp4", frames=1), 9, tmp_path)


def test_without_a_painter_of_faces_the_head_is_what_covers_it(tmp_path):
    studio = build.studio(Settings(painting=Painting(replace="cover")))
    assert len(drawn(studio, 2, tmp_path).frames) == 2
