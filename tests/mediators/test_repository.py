"""Harmonization: the numbered properties of the method's notes (8.1) and its precision (8.2)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mediators._repository import Anchor, Repository
from tests.mediators import oracle

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def ids():
    """Ids (6, 9, 9) with inactive pixels, shared, repeated and lonely ones."""
    active = np.random.default_rng(7).random((6, 9, 9)) > 0.15
    grids, valid = oracle.wandering(6, 9, 5)
    return oracle.code(grids, valid, active)[0]


@pytest.fixture(scope="module")
def repository(ids):
    return Repository.of(ids, int(ids.max()) + 1)


def noise(seed=0, shape=(6, 3, 9, 9)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def near(a, b, scale=3.0):
    torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=TOLERANCE * scale)


def test_means_are_those_of_a_dictionary(ids, repository):
    near(repository.harmonize(noise()), torch.from_numpy(oracle.means(ids, noise())))


def test_property_4_equal_ids_have_equal_bits(ids, repository):
    result = repository.harmonize(noise()).permute(0, 2, 3, 1).numpy()
    for name in range(ids.max() + 1):
        assert len(np.unique(result[ids == name], axis=0)) == 1


def test_property_5_twice_is_once(repository):
    once = repository.harmonize(noise())
    near(repository.harmonize(once), once)


def test_property_6_sums_of_every_id_are_kept(ids, repository):
    before, after = (
        x.permute(0, 2, 3, 1).numpy() for x in (noise(), repository.harmonize(noise()))
    )
    for name in range(ids.max() + 1):
        wanted, got = (x[ids == name].astype(np.float64).sum(0) for x in (before, after))
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_property_7_it_is_an_orthogonal_projection(repository):
    x, y = noise(1).double(), noise(2).double()
    gx, gy = (repository.harmonize(v.float()).double() for v in (x, y))
    assert abs(float(((x.float() - gx) * gx).sum())) < 1e-3
    assert abs(float((gx * y - x * gy).sum())) < 1e-3
    assert gx.norm() < x.norm()
    assert gx.var() < x.var()


def test_property_8_linear_and_between_the_extremes(repository):
    x, y = noise(1), noise(2)
    apart = 2 * repository.harmonize(x) - 3 * repository.harmonize(y)
    near(repository.harmonize(2 * x - 3 * y), apart, scale=30)
    result = repository.harmonize(x)
    assert x.min() - TOLERANCE <= result.min()
    assert result.max() <= x.max() + TOLERANCE


def test_property_8_a_constant_is_a_fixed_point_bitwise(repository):
    constant = torch.tensor([0.1, -0.7333, 0.0]).view(1, 3, 1, 1).expand(6, 3, 9, 9).contiguous()
    assert torch.equal(repository.harmonize(constant), constant)


def test_property_10_at_rest_all_frames_become_the_temporal_mean():
    still, count, _ = oracle.code(*oracle.panned(6, 9, (0, 0)))
    x = noise()
    near(Repository.of(still, count).harmonize(x), x.mean(0, keepdim=True).expand_as(x))


def test_property_11_new_pixels_keep_their_bits():
    alone = np.arange(6 * 81, dtype=np.int32).reshape(6, 9, 9)
    assert torch.equal(Repository.of(alone, alone.size).harmonize(noise()), noise())


def test_property_12_the_overlap_of_a_shift_is_constant_along_the_motion():
    shifted, count, _ = oracle.code(*oracle.panned(4, 9, (1, 2)))
    result = Repository.of(shifted, count).harmonize(noise(shape=(4, 3, 9, 9)))
    for t in range(1, 4):
        assert torch.equal(result[t, :, 2 * t :, t:], result[0, :, : 9 - 2 * t, : 9 - t])


def test_property_14_names_of_ids_do_not_matter(ids, repository):
    order = np.random.default_rng(0).permutation(ids.max() + 1)
    renamed = np.where(ids < 0, -1, order[ids]).astype(np.int32)
    other = Repository.of(renamed, len(order))
    assert torch.equal(other.harmonize(noise()), repository.harmonize(noise()))


def test_property_15_permuted_frames_give_permuted_results_bitwise(ids, repository):
    order = [3, 0, 5, 1, 4, 2]
    other = Repository.of(ids[order], len(repository.counts))
    assert torch.equal(other.harmonize(noise()[order]), repository.harmonize(noise())[order])


@pytest.mark.parametrize("frames", [16, 32, 96, 400])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_precision_table_8_2_sums_are_exact_whatever_the_input(frames, dtype):
    """400 pixels of one id take the wide integers."""
    still = np.repeat(np.arange(64, dtype=np.int32).reshape(1, 8, 8), frames, 0)
    x = (torch.rand((frames, 3, 8, 8), generator=torch.Generator().manual_seed(1)) * 2 - 1).to(
        dtype
    )
    result = Repository.of(still, 64).harmonize(x)
    exact = x.double().mean(0, keepdim=True)
    assert result.dtype == dtype
    rounding = {torch.float32: 5e-7, torch.bfloat16: 2**-9, torch.float16: 2**-12}[dtype]
    assert float((result.double() - exact).abs().max()) <= rounding


def test_a_constant_is_a_fixed_point_bitwise_however_many_pixels_share_an_id():
    """In 31 bits a thousand values of 0.1 cannot be added exactly."""
    repository = Repository.of(np.zeros((250, 2, 2), np.int32), 1)
    constant = torch.full((250, 3, 2, 2), 0.1)
    assert torch.equal(repository.harmonize(constant), constant)


def test_the_number_of_threads_does_not_change_a_bit(ids):
    still, count, _ = oracle.code(*oracle.panned(6, 64, (0.4, 0.3)))
    repository, x = Repository.of(still, count), noise(shape=(6, 3, 64, 64))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            results.append(repository.harmonize(x))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_inactive_pixels_keep_their_bits_and_never_enter_a_sum(ids, repository):
    inactive = torch.from_numpy(ids < 0)[:, None].expand(6, 3, 9, 9)
    poisoned = torch.where(inactive, torch.tensor(torch.nan), noise())
    result = repository.harmonize(poisoned)
    assert inactive.any()
    assert result[inactive].isnan().all()
    assert torch.equal(result[~inactive], repository.harmonize(noise())[~inactive])
    assert torch.equal(repository.harmonize(noise())[inactive], noise()[inactive])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_an_active_pixel_that_is_not_finite_is_refused(ids, repository, bad):
    n, row, column = np.argwhere(ids >= 0)[3]
    x = noise()
    x[n, 1, row, column] = bad
    with pytest.raises(FloatingPointError, match="not finite"):
        repository.harmonize(x)


def test_the_input_is_left_alone_and_its_layout_does_not_matter(repository):
    x = noise()
    strided = noise().permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(repository.harmonize(strided), repository.harmonize(x))
    assert torch.equal(x, noise())


def test_nothing_active_changes_nothing():
    empty = Repository.of(np.full((6, 9, 9), -1, np.int32), 0)
    assert torch.equal(empty.harmonize(noise()), noise())
    assert torch.equal(empty.harmonize(noise(), window=2), noise())


@pytest.mark.parametrize("window", [1, 2, 3, 5, 11, 50])
def test_a_window_takes_the_mean_over_the_frames_around(ids, repository, window):
    result, x = repository.harmonize(noise(), window=window), noise()
    for n in range(6):
        first = n - window // 2
        frames = [t for t in range(first, first + window) if 0 <= t < 6]
        expected = oracle.means(ids[frames], x[frames])[frames.index(n)]
        near(result[n], torch.from_numpy(expected))


def test_a_window_over_everything_is_the_plain_mean_bitwise(repository):
    assert torch.equal(repository.harmonize(noise(), window=12), repository.harmonize(noise()))


def test_a_median_is_the_middle_value_of_every_id(ids, repository):
    result, x = repository.harmonize(noise(), average="median"), noise().numpy()
    assert torch.equal(result[:, 0][torch.from_numpy(ids) < 0], noise()[:, 0][ids < 0])
    for name in range(ids.max() + 1):
        n, row, column = np.nonzero(ids == name)
        wanted = np.median(x[n, :, row, column].astype(np.float64), axis=0)
        got = result.numpy()[n, :, row, column]
        assert len(np.unique(got, axis=0)) == 1
        np.testing.assert_allclose(got[0], wanted, atol=1e-6)


def test_no_outlier_moves_a_median():
    alike = np.zeros((5, 1, 1), np.int32)
    x = torch.full((5, 3, 1, 1), 0.25)
    x[3] = 100
    assert torch.equal(
        Repository.of(alike, 1).harmonize(x, average="median"), torch.full_like(x, 0.25)
    )


def test_a_median_of_nothing_active_changes_nothing_and_refuses_what_is_not_finite(repository):
    empty = Repository.of(np.full((6, 9, 9), -1, np.int32), 0)
    assert torch.equal(empty.harmonize(noise(), average="median"), noise())
    with pytest.raises(FloatingPointError, match="not finite"):
        repository.harmonize(torch.full((6, 3, 9, 9), torch.nan), average="median")


def test_anchored_ids_move_by_the_weight_of_their_frame(ids, repository):
    values = torch.arange(30, dtype=torch.float32).view(10, 3)
    weights = torch.linspace(0, 1, 6)[:, None].expand(6, 10)
    result = repository.harmonize(noise(), anchor=Anchor(values, weights))
    plain = repository.harmonize(noise())
    for n, row, column in np.argwhere(ids >= 0):
        name = ids[n, row, column]
        expected = plain[n, :, row, column]
        if name < 10:
            expected = expected + n / 5 * (values[name] - expected)
        torch.testing.assert_close(result[n, :, row, column], expected, atol=1e-5, rtol=0)


def test_the_plan_moves_to_a_device_whole(repository):
    moved = repository.to(torch.device("meta"))
    tensors = [moved.counts, *(t for f in moved.frames for t in (f.places, f.ids, f.alone))]
    assert {t.device.type for t in tensors} == {"meta"}
    assert moved.largest == repository.largest
