"""Density and coverage by hand, and by what the paper proves of them."""

import numpy as np
import pytest

from gen_keras import metrics

RNG = np.random.default_rng(0)


def test_balls_by_hand():
    # On a line. The second neighbours of 0, 1, 3, 7 lie at distances 3, 2, 3 and 6: the
    # balls are [-3, 3], [-1, 3], [0, 6] and [1, 13].
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    # In 2, 4 and 0 balls; then in the last only.
    generated = np.array([[-0.5], [2.0], [-4.0], [12.0]])
    density, coverage = metrics.density_coverage(real, generated, k=2)
    assert density == (2 + 4 + 0 + 1) / (2 * 4)
    assert coverage == 1
    density, coverage = metrics.density_coverage(real, generated[[0, 2, 2]], k=2)
    assert (density, coverage) == (2 / (2 * 3), 2 / 4)


def test_expected_values_of_one_distribution():
    """Density 1; coverage as in lemma 2 of the paper."""
    num_real, num_generated, k = 40, 30, 3
    results = np.array(
        [
            metrics.density_coverage(
                RNG.normal(size=(num_real, 2)), RNG.normal(size=(num_generated, 2)), k
            )
            for _ in range(400)
        ]
    )
    i = np.arange(1, k + 1)
    missed = np.prod((num_real - i) / (num_real + num_generated - i))
    errors = results.std(axis=0) / np.sqrt(len(results))
    assert (np.abs(results.mean(axis=0) - (1, 1 - missed)) < 3 * errors).all()
    assert (errors < 0.01).all()


def test_an_outlier_raises_precision_but_not_density():
    real = np.concatenate([RNG.normal(size=(200, 2)), [(30.0, 0.0)]])
    generated = RNG.normal(size=(201, 2)) * 0.1 + (20.0, 0.0)
    assert metrics.precision_recall(real, generated).precision == 1
    assert metrics.density_coverage(real, generated, k=5).density == 1 / 5


def test_blocks_do_not_matter():
    real, generated = RNG.normal(size=(101, 2)), RNG.normal(0.5, 1, size=(57, 2))
    whole = metrics.density_coverage(real, generated)
    assert whole == metrics.density_coverage(real, generated, block_size=7)
    assert 0 < whole.coverage < 1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least 6 images each. Received: 5 and 9"):
        metrics.density_coverage(np.eye(5), np.eye(9)[:, :5])
    with pytest.raises(ValueError, match=r"Received: shapes \(9, 9\) and \(9, 5\)"):
        metrics.density_coverage(np.eye(9), np.eye(9)[:, :5])
    with pytest.raises(ValueError, match="`generated` must be finite.*9 of 9 examples"):
        metrics.density_coverage(np.eye(9), np.full((9, 9), np.nan))
