"""Modes and divergences by hand."""

import math

import numpy as np
import pytest

from gen_keras import datasets, metrics

MEANS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


def test_mixture_by_hand():
    samples = [
        (0.0, 0.0), (0.6, 0.8), (0.0, 1.49),  # Less than 3 deviations from mode 0,
        (4.0, 1.45),  # and from mode 1.
        (0.0, 2.5), (1.51, 0.0), (2.0, 2.0), (9.0, 9.0),  # Of no mode.
    ]  # fmt: skip
    result = metrics.mixture_modes(samples, MEANS, 0.5)
    assert result.histogram.tolist() == [3, 1, 0, 0]
    assert (result.modes, result.high_quality_share) == (2, 4 / 8)
    # p = (3/4, 1/4, 0, 0) beside u = 1/4 each.
    kl = 3 / 4 * math.log(3) + 1 / 4 * math.log(1)
    assert result.reverse_kl == pytest.approx(kl)
    # Their mean is m = (1/2, 1/4, 1/8, 1/8).
    of_p = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1)
    of_u = 1 / 4 * math.log(1 / 2) + 1 / 4 * math.log(1) + 2 / 4 * math.log(2)
    assert result.jensen_shannon == pytest.approx((of_p + of_u) / 2)
    wider = metrics.mixture_modes(samples, MEANS, 0.5, max_deviations=3.1)
    assert wider.histogram.tolist() == [4, 1, 1, 0]


def test_all_samples_at_one_mode_and_at_none():
    result = metrics.mixture_modes(np.zeros((5, 2)), MEANS, 0.1)
    assert (result.modes, result.high_quality_share) == (1, 1)
    assert result.reverse_kl == pytest.approx(math.log(4))
    result = metrics.mixture_modes(np.full((5, 2), 2.0), MEANS, 0.1)
    assert (result.modes, result.high_quality_share) == (0, 0)
    assert math.isnan(result.reverse_kl) and math.isnan(result.jensen_shannon)


@pytest.mark.parametrize(
    "mixture", [datasets.mixtures.ring(), datasets.mixtures.grid()]
)
def test_true_samples_reach_all_modes(mixture):
    result = metrics.mixture_modes(
        mixture.sample(5000), mixture.means, mixture.standard_deviation
    )
    assert result.modes == len(mixture.means)
    # Within 3 deviations: 1 - exp(-9 / 2) in the plane.
    assert result.high_quality_share == pytest.approx(1 - math.exp(-4.5), abs=0.005)
    # Of N samples the expected divergence is (K - 1) / 2N, and a quarter of that.
    expected = (len(mixture.means) - 1) / 10_000
    assert 0.3 * expected < result.reverse_kl < 2 * expected
    assert result.jensen_shannon == pytest.approx(result.reverse_kl / 4, rel=0.05)


def test_stacks_by_hand():
    predictions = [(0, 0, 0), (0, 0, 0), (1, 2, 3), (3, 2, 1)]
    modes, kl = metrics.stacked_modes(predictions)
    assert modes == 3
    expected = 1 / 2 * math.log(1000 / 2) + 2 * (1 / 4 * math.log(1000 / 4))
    assert kl == pytest.approx(expected)
    # (1, 0) is not (0, 1).
    assert metrics.stacked_modes([(0, 1), (1, 0)], num_classes=2) == (
        2,
        pytest.approx(math.log(2)),
    )


def test_all_stacks_once():
    digits = np.indices((10, 10, 10)).reshape(3, -1).T
    assert metrics.stacked_modes(digits) == (1000, pytest.approx(0, abs=1e-12))


def test_true_stacks_have_the_expected_divergence():
    digits = np.random.default_rng(0).integers(10, size=(26_000, 3))
    modes, kl = metrics.stacked_modes(digits)
    assert modes == 1000
    assert kl == pytest.approx(999 / 52_000, rel=0.15)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"Received: shapes \(5, 3\) and \(4, 2\)"):
        metrics.mixture_modes(np.zeros((5, 3)), MEANS, 1.0)
    with pytest.raises(ValueError, match="at least one sample"):
        metrics.mixture_modes(np.zeros((0, 2)), MEANS, 1.0)
    with pytest.raises(ValueError, match="must be positive. Received: 0"):
        metrics.mixture_modes(np.zeros((5, 2)), MEANS, 0)
    with pytest.raises(ValueError, match="`samples` must be finite.*5 of 5 examples"):
        metrics.mixture_modes(np.full((5, 2), np.nan), MEANS, 1.0)
    with pytest.raises(ValueError, match="integers.*Received: float64"):
        metrics.stacked_modes(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="at least one sample"):
        metrics.stacked_modes(np.zeros((0, 3), int))
    for value in (-1, 10):
        with pytest.raises(ValueError, match="0 to 9. Received: values from"):
            metrics.stacked_modes([[0, 1, value]])
