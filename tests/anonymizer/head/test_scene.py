import numpy as np

from anonymizer.head.model import PART_SKIN, PART_TEETH, HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose
from anonymizer.head.raster import SAMPLES
from anonymizer.head.scene import PART_EYE, PART_TONGUE, Scene, View, drawn
from anonymizer.head.tongue import lower_teeth

HEAD = HeadModel.load()
PERSON = person_for(HEAD, 3)
SCENE = Scene.of(HEAD, PERSON, HEAD.face({"jawOpen": 0.6}))
AHEAD = Pose(np.eye(3), np.array(6.0), np.array([64.0, 56.0]))


def test_every_vertex_has_all_attributes_and_every_triangle_its_vertices():
    count = len(SCENE.points)
    for each in (SCENE.normals, SCENE.parts, SCENE.texture, SCENE.occlusion, SCENE.face):
        assert len(each) == count
    assert SCENE.triangles.dtype == np.int32
    assert 0 <= SCENE.triangles.min() < SCENE.triangles.max() < count
    np.testing.assert_allclose(np.linalg.norm(SCENE.normals, axis=1), 1, atol=1e-3)


def test_triangles_are_of_one_part_each():
    parts = SCENE.parts[SCENE.triangles]
    own = (parts == parts[:, :1]).all(1)
    for kind in (PART_EYE, PART_TONGUE, PART_TEETH):
        assert own[(parts == kind).any(1)].all()
    assert set(np.unique(SCENE.kinds)) >= {PART_SKIN, PART_TEETH, PART_EYE, PART_TONGUE}


def test_ears_are_apart_and_lower_teeth_are_left_out():
    head, ears = drawn(HEAD)
    assert not lower_teeth(HEAD)[head].any()
    assert np.abs(HEAD.mean[ears][..., 0]).max(1).min() > 7.5
    both = {tuple(each) for each in head.tolist()} & {tuple(each) for each in ears.tolist()}
    assert not both


def test_a_picture_is_as_large_as_its_samples_and_lit_from_its_lamp():
    view = View.of(SCENE, AHEAD, 128)
    assert view.side == 128 * SAMPLES
    hits = view.hits(SCENE.triangles)
    assert 0 <= hits.pixel.min() < hits.pixel.max() < view.side**2
    towards = view.normals @ view.lamp
    skin = SCENE.parts == PART_SKIN
    lit, dark = (view.light[skin & each].mean() for each in (towards > 0.8, towards < 0))
    assert lit > 2 * dark
