"""Learning the compact head: the closed parts, and the whole on the source where it is at hand."""

import numpy as np
import pytest

from anonymizer.head.model import HeadModel
from anonymizer.training.head import EXPRESSIONS, learn, main, sphere, vertex_error
from anonymizer.training.sourcehead import SourceHead


def test_components_reproduce_a_population_of_low_rank():
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((3, 7, 3))
    modes = np.einsum("wk,kvx->wvx", rng.standard_normal((10, 3)), directions)
    learned = learn(modes, rng.uniform(0.2, 1, 7), 3)
    weights = rng.standard_normal(10)
    ours = np.tensordot(weights @ learned.from_weights, learned.basis, 1)
    np.testing.assert_allclose(ours, np.tensordot(weights, modes, 1), atol=1e-10)


def test_codes_have_unit_spread():
    rng = np.random.default_rng(1)
    learned = learn(rng.standard_normal((10, 7, 3)), np.ones(7), 4)
    np.testing.assert_allclose(learned.from_weights.T @ learned.from_weights, np.eye(4), atol=1e-10)


def test_a_sphere_is_found():
    rng = np.random.default_rng(2)
    away = rng.standard_normal((50, 3))
    points = np.array([1.0, -2, 3]) + 1.5 * away / np.linalg.norm(away, axis=1, keepdims=True)
    centre, radius = sphere(points)
    np.testing.assert_allclose(centre, [1, -2, 3], atol=1e-9)
    assert radius == pytest.approx(1.5)


@pytest.fixture(scope="module")
def trained(facekit, tmp_path_factory):
    """A head trained through the command line."""
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    main(["--facekit", str(facekit), "--out", str(path)])
    return path


@pytest.mark.footage
def test_the_learned_head_is_near_the_source(facekit, trained):
    head = HeadModel.load(trained)
    front, whole = vertex_error(SourceHead.load(facekit), head, heads=5, seed=9)
    assert front < 1.0
    assert whole < 1.5
    assert head.expression_names == EXPRESSIONS
    assert [path.name for path in trained.parent.iterdir()] == [trained.name]


@pytest.mark.footage
def test_the_packaged_head_is_what_the_trainer_makes(trained):
    made, packaged = HeadModel.load(trained), HeadModel.load()
    np.testing.assert_array_equal(made.triangles, packaged.triangles)
    np.testing.assert_allclose(made.mean, packaged.mean, atol=1e-5)
    code = np.linspace(-1, 1, made.code_length)
    sign = np.sign((made.identity * packaged.identity).sum((1, 2)))
    np.testing.assert_allclose(made.vertices(code * sign), packaged.vertices(code), atol=0.02)
