import numpy as np
import pytest

from gen_keras import datasets
from gen_keras.datasets import mixtures


def test_ring_is_that_of_pacgan():
    ring = mixtures.ring()
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        ring.means,
        [(1, 0), (half, half), (0, 1), (-half, half),
         (-1, 0), (-half, -half), (0, -1), (half, -half)],
        atol=1e-12,
    )  # fmt: skip
    assert ring.standard_deviation == 0.01


def test_grid_is_that_of_pacgan():
    grid = datasets.mixtures.grid()
    ticks = (-4, -2, 0, 2, 4)
    assert grid.means.tolist() == [[x, y] for x in ticks for y in ticks]
    assert grid.standard_deviation == 0.05


@pytest.mark.parametrize("mixture", [mixtures.ring(), mixtures.grid()])
def test_samples_are_round_gaussians_of_equal_weight(mixture):
    samples = mixture.sample(20_000, seed=1)
    assert samples.shape == (20_000, 2) and samples.dtype == np.float32
    gaps = samples[:, None] - mixture.means
    nearest = np.square(gaps).sum(axis=-1).argmin(axis=1)
    counts = np.bincount(nearest)
    expected = 20_000 / len(mixture.means)
    assert len(counts) == len(mixture.means)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    noise = gaps[np.arange(20_000), nearest] / mixture.standard_deviation
    np.testing.assert_allclose(np.cov(noise.T), np.eye(2), atol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.03)


def test_seed_decides():
    mixture = datasets.GaussianMixture(np.zeros((1, 3)), 1.0)
    np.testing.assert_array_equal(mixture.sample(4), mixture.sample(4, seed=0))
    assert (mixture.sample(4) != mixture.sample(4, seed=1)).all()
