"""`anonymize bench`: what it prints, and what it refuses."""

import json
import math
from pathlib import Path

import pytest

from tests.films import make_video
from tests.test_cli import anonymize

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "talking.mp4"
QUICK = ("bench", "--clip", SAMPLE, "--frames", 6, "--chunk", 3, "--overlap", 1, "--rounds", 1)
STAGES = {
    "decode", "find", "paint, not mediated", "paint, mediated", "of which: cut", "of which: draw",
    "of which: flow and coding", "of which: denoise", "of which: to and from latents",
    "of which: harmonize", "of which: paste", "encode",
}  # fmt: skip


@pytest.mark.timeout(300)
def test_a_tiny_clip_as_json_has_the_published_keys():
    code, out, err = anonymize(*QUICK, "--part", "stages", "--part", "seams", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) == {"machine", "clip", "rounds", "stages", "length", "seams", "flow", "peers"}
    assert found["clip"] == {"name": "talking.mp4", "frames": 6, "width": 384, "height": 288}
    assert found["length"] is found["flow"] is found["peers"] is None
    stages = found["stages"]
    assert set(stages["stages"]) == STAGES
    for stage in stages["stages"].values():
        assert set(stage) == {"frames_per_s", "cpu_s_per_frame"}
        assert set(stage["frames_per_s"]) == {"median", "least", "most"}
    whole, inside = (
        stages["stages"][name]["cpu_s_per_frame"]["median"]
        for name in ("paint, mediated", "of which: denoise")
    )
    assert 0 < inside < whole
    assert stages["mediated_over_bare"]["median"] > 0
    assert 0 < stages["harmonize_share"]["median"] < 1
    seams = found["seams"]
    assert set(seams) == {"with carry", "without carry"}
    kept, lost = (seams[name]["ratio"]["median"] for name in ("with carry", "without carry"))
    assert kept < lost < math.inf


@pytest.mark.timeout(300)
def test_the_table_names_film_stages_and_ratio():
    code, out, err = anonymize(*QUICK, "--part", "stages")
    assert code == 0
    assert err == "stages ...\n"
    lines = out.splitlines()
    assert lines[0].startswith("talking.mp4: 6 frames of 384x288; 1 rounds; ")
    assert [line.split()[0] for line in lines[3:5]] == ["decode", "find"]
    assert any(line.startswith("mediated / unmediated painting") for line in lines)


def refused(*words):
    code, out, err = anonymize("bench", *words, "--rounds", 1, "--quiet")
    assert out == ""
    assert len(err.splitlines()) == 1
    return code, err


def test_bad_input_gives_one_line(tmp_path):
    assert refused("--part", "speed") == (
        2,
        "error: part 'speed' is not one of stages, length, seams, flow, peers\n",
    )
    plain = ("--replace", "cover", "--part", "stages", "--clip")
    missing = tmp_path / "gone.mp4"
    assert refused(*plain, missing) == (1, f"error: {missing}: no such file\n")
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"whatever")
    code, err = refused(*plain, picture)
    assert (code, err) == (1, f"error: {picture}: is a picture; give a film with --clip\n")
    empty = make_video(tmp_path / "empty.mp4", frames=3)
    code, err = refused(*plain, empty)
    assert code == 1
    assert "shows no face in its first 3 frames; give another with --clip" in err
