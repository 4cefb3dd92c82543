"""Plans as files, and what they decide."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anonymizer import pipeline, planfile
from anonymizer.data import Frame
from anonymizer.errors import UnreadablePlan, UsageError
from anonymizer.head.expression import MOTION
from anonymizer.plan import Plan, Zone
from anonymizer.planfile import PlanFile
from anonymizer.wording import AS_SET, Wording
from tests import factories
from tests.anonymizer.test_pipeline import identity, moving, studio
from tests.faces import MarkerDetector, film, find, pair

SHA = "ab" * 32


def made(count: int = 6) -> PlanFile:
    moves = np.linspace(0, 1, len(MOTION), dtype=np.float32)
    seen = factories.track(4, id=3, start=1)
    faces = [replace(seen.faces[0], motion=moves), *seen.faces[1:]]
    tracks = (
        replace(
            seen, faces=tuple(faces), origins=("detected", "interpolated", "detected", "extended")
        ),
        replace(factories.track(2, id=5, start=4), wording=Wording("an old man", "")),
    )
    zone = Zone("always", (1.0, 2.0, 3.5, 4.0), 0, 3)
    pts = np.arange(count) * 512
    return PlanFile(Plan(pts, (0, 4), tracks, (zone,), 7), SHA, {"detector": "centerface"})


def written(file: PlanFile, folder: Path, **changes: object) -> Path:
    path = folder / "plan.json"
    table = json.loads(planfile.text_of(file)) | changes
    path.write_text(json.dumps(table))
    return path


def test_a_plan_comes_back_bit_for_bit(tmp_path):
    file = made()
    path = tmp_path / "plan.json"
    path.write_text(planfile.text_of(file))
    back = planfile.read(path)
    assert planfile.text_of(back) == planfile.text_of(file)
    assert back.source_sha256 == SHA
    assert back.plan.zones == file.plan.zones
    assert back.plan.unconfirmed == 7
    for ours, theirs in zip(back.plan.tracks, file.plan.tracks, strict=True):
        assert (ours.id, ours.start, ours.origins) == (theirs.id, theirs.start, theirs.origins)
        assert ours.wording == theirs.wording
        for a, b in zip(ours.faces, theirs.faces, strict=True):
            assert a.box == b.box
            for one, other in ((a.landmarks, b.landmarks), (a.motion, b.motion)):
                assert (one is None) == (other is None)
                if one is not None and other is not None:
                    np.testing.assert_array_equal(one, other)


def test_a_face_without_landmarks_is_a_frontal_one_that_fills_its_box(tmp_path):
    table = json.loads(planfile.text_of(made()))
    face = table["tracks"][1]["faces"][0]
    del face["landmarks"]
    face["box"] = [100, 40, 140, 100]
    read = planfile.read(written(made(), tmp_path, tracks=table["tracks"]))
    points = read.plan.tracks[1].faces[0].landmarks
    assert points is not None
    assert points[:, 0] == pytest.approx([111.5, 127.5, 119.5, 113.1, 125.9], abs=0.01)
    assert (points[:, 1] > 40).all()
    assert (points[:, 1] < 100).all()


def test_one_face_is_one_line():
    lines = planfile.text_of(made()).splitlines()
    assert sum('"origin"' in line for line in lines) == 6
    assert sum('"action": "replace"' in line for line in lines) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "other"}, "format 'other' is not 'veilframe-plan-1'"),
        ({"pts": [0], "shots": [0]}, "track 3: frames 1 to 5 must lie in 0 to 1"),
        ({"shots": [0, 99]}, "shots must begin with 0 and grow, below 6; got .0, 99."),
        ({"shots": [1, 4]}, "shots must begin with 0"),
        ({"shots": [0, 4, 4]}, "shots must begin with 0 and grow"),
        (
            {"zones": [{"action": "always", "box": [1, 2, 3, 4], "start": 0, "stop": 99}]},
            "to 99 must",
        ),
        ({"zones": [{"action": "always", "box": [1, 2, 3, 4], "begin": 0}]}, "zone 0: 'begin' is"),
        ({"zones": [{"action": "always", "box": [1, 2, 1e9, 4], "start": 0, "stop": 3}]}, "beyond"),
        ({"zones": [{"action": "always", "box": [1, 2, 3, 4], "start": 3, "stop": 3}]}, "is empty"),
        ({"zones": [{"action": "hide", "box": [1, 2, 3, 4], "start": 0, "stop": 3}]}, "'hide' is"),
        ({"zones": [{"action": "always", "start": 0, "stop": 3}]}, "zone 0 lacks 'box'"),
        ({"tracks": [{"id": 9}]}, "track 9 lacks 'faces'"),
        ({"shots": None}, "plan: "),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, changes, said):
    with pytest.raises(UnreadablePlan, match=str(said)):
        planfile.read(written(made(), tmp_path, **changes))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("action", "maybe", "track 3: 'maybe' is not one of replace, cover, keep"),
        ("start", -2, "frames -2 to 2"),
        ("acton", "keep", "track 3: 'acton' is not one of id, shot"),
        ("id", 5, "track 5: there are two"),
        ("prompt", 7, "track 3: prompt must be text, got 7"),
        ("negative_prompt", ["fog"], "track 3: negative_prompt must be text, got .'fog'."),
    ],
)
def test_a_track_that_makes_no_sense_is_refused(tmp_path, name, value, said):
    table = json.loads(planfile.text_of(made()))
    table["tracks"][0][name] = value
    with pytest.raises(UnreadablePlan, match=said):
        planfile.read(written(made(), tmp_path, tracks=table["tracks"]))


def test_a_prompt_of_a_track_is_left_out_or_null_where_there_is_none(tmp_path):
    table = json.loads(planfile.text_of(made()))
    assert "prompt" not in table["tracks"][0]
    assert (table["tracks"][1]["prompt"], table["tracks"][1]["negative_prompt"]) == (
        "an old man",
        "",
    )
    table["tracks"][1] |= {"prompt": None, "negative_prompt": None}
    back = planfile.read(written(made(), tmp_path, tracks=table["tracks"]))
    assert [track.wording for track in back.plan.tracks] == [AS_SET, AS_SET]


def test_prompts_are_decided_by_track():
    asked = planfile.prompts_of(["3=a man, 1=2", " 5 ="])
    assert asked == {3: "a man, 1=2", 5: ""}
    file = planfile.decided(made(), {3: "cover"}, asked)
    three, five = file.plan.tracks
    assert (three.action, three.wording) == ("cover", Wording("a man, 1=2"))
    assert (five.action, five.wording) == ("replace", Wording("", ""))
    with pytest.raises(UsageError, match="the plan has no track 9; tracks: 3, 5"):
        planfile.decided(made(), {}, {9: "a man"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["an old man"], "'an old man' is not ID=TEXT"),
        (["-1=a man"], "'-1=a man' is not ID=TEXT"),
        (["one=a man"], "is not ID=TEXT"),
        (["1=a", "1=b"], "track 1 has two"),
    ],
)
def test_what_is_no_prompt_of_a_track_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        planfile.prompts_of(given)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "left"])
def test_a_number_that_is_none_is_refused(tmp_path, number):
    table = json.loads(planfile.text_of(made()))
    table["tracks"][0]["faces"][0]["box"][2] = number
    with pytest.raises(UnreadablePlan, match="track 3: "):
        planfile.read(written(made(), tmp_path, tracks=table["tracks"]))


def test_files_that_are_no_plan_are_refused(tmp_path):
    (tmp_path / "a").write_text("[1, 2]")
    (tmp_path / "b").write_bytes(b"\xff\xfe{")
    for name in ("a", "b", "absent"):
        with pytest.raises(UnreadablePlan, match=name):
            planfile.read(tmp_path / name)


def painted(plan: Plan, frames: list[Frame]) -> list[Frame]:
    parts = replace(studio("mosaic"), cover=studio("cover").face)
    return list(pipeline.render(frames, plan, parts, identity))


@pytest.fixture
def two() -> tuple[list[Frame], Plan]:
    """Two markers that walk one above the other, and their plan."""
    frames = pair(8)
    return frames, pipeline.analyse(frames, MarkerDetector())


def test_a_kept_track_stays_and_the_other_does_not(two):
    frames, plan = two
    assert len(plan.tracks) == 2
    kept = replace(plan.tracks[0], action="keep")
    decided = replace(plan, tracks=(kept, plan.tracks[1]))
    out = pipeline.render(frames, decided, studio(), identity)
    for frame, after in zip(frames, out, strict=True):
        (face,) = find(after.image)
        assert face.box in [seen.box for seen in find(frame.image)]
        assert abs(face.box[1] - kept.at(frame.index).box[1]) < 5


def test_a_covered_track_is_flat(two):
    frames, plan = two
    tracks = tuple(replace(track, action="cover") for track in plan.tracks)
    covered, mosaic = painted(replace(plan, tracks=tracks), frames), painted(plan, frames)
    x0, y0, x1, y1 = (int(edge) for edge in tracks[0].at(3).box)
    inner = np.s_[y0 + 12 : y1 - 12, x0 + 12 : x1 - 12]
    assert np.ptp(covered[3].image[inner], axis=(0, 1)).max() == 0
    assert np.ptp(mosaic[3].image[inner], axis=(0, 1)).max() > 0


def test_without_a_cover_a_plan_that_wants_one_is_refused(two):
    frames, plan = two
    tracks = tuple(replace(track, action="cover") for track in plan.tracks)
    with pytest.raises(ValueError, match="no cover"):
        list(pipeline.render(frames, replace(plan, tracks=tracks), studio(), identity))


def test_zones_cover_whatever_is_there_in_their_time_alone():
    frames = film(6, moving, size=(120, 160))
    zone = Zone("always", (-5.0, 80.5, 20.2, 300.0), 2, 4)
    empty = Plan(np.array([frame.pts for frame in frames]), (0,), (), (zone,))
    out = painted(empty, frames)
    for frame, after in zip(frames, out, strict=True):
        inside = after.image[80:, :21]
        assert (inside == 128).all() == (frame.index in (2, 3))
        rest = np.array(after.image)
        rest[80:, :21] = frame.image[80:, :21]
        assert np.array_equal(rest, frame.image)


def test_faces_that_never_leave_an_ignored_zone_are_kept():
    frames = film(6, moving, size=(120, 160))
    plan = pipeline.analyse(frames, MarkerDetector())
    (track,) = plan.tracks
    wide, narrow = Zone("ignore", (0, 0, 160, 120), 0, 6), Zone("ignore", (0, 0, 60, 120), 0, 6)
    late = Zone("ignore", (0, 0, 160, 120), 1, 6)
    actions = [replace(plan, zones=(zone,)).action(track) for zone in (wide, narrow, late)]
    assert actions == ["keep", "replace", "replace"]
    kept = painted(replace(plan, zones=(wide,)), frames)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(kept, frames, strict=True))


def test_motion_of_another_length_is_refused(tmp_path):
    file = written(made(), tmp_path)
    table = json.loads(file.read_text())
    table["tracks"][0]["faces"][0]["motion"] = [0.0, 1.0]
    file.write_text(json.dumps(table))
    with pytest.raises(UnreadablePlan, match="track 3: motion must be 22 numbers, got 2"):
        planfile.read(file)
