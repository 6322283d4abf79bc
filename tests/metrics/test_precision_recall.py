"""Improved precision and recall on known geometry."""

import numpy as np
import pytest

from gen_keras import metrics


def cluster(center, num_points, seed, size=1.0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-size, size, (num_points, 2)) + center


def test_samples_of_one_of_two_modes_are_precise_and_recall_half():
    real = np.concatenate([cluster((0, 0), 200, 0), cluster((100, 0), 200, 1)])
    generated = cluster((0, 0), 200, 2, size=0.8)
    precision, recall = metrics.precision_recall(real, generated)
    assert precision > 0.95
    assert 0.25 < recall <= 0.5


def test_real_data_among_garbage_is_recalled_but_imprecise():
    real = cluster((0, 0), 200, 0, size=0.8)
    generated = np.concatenate([cluster((0, 0), 200, 1), cluster((100, 0), 600, 2)])
    precision, recall = metrics.precision_recall(real, generated)
    assert 0.1 < precision <= 0.25
    assert recall > 0.95


def test_radii_by_hand():
    # On a line. The second neighbours of 0, 1, 3 lie at distances 3, 2 and 3, so that
    # the real manifold is [-3, 6].
    real = np.array([[0.0], [1.0], [3.0]])
    # Those of 5.9, 6.1, 5.8 lie at .2, .3, .3: the manifold is [5.5, 6.4].
    generated = np.array([[5.9], [6.1], [5.8]])
    precision, recall = metrics.precision_recall(real, generated, k=2)
    assert precision == pytest.approx(2 / 3)
    assert recall == 0


def test_equal_and_disjoint_sets():
    real = cluster((0, 0), 50, 0)
    assert metrics.precision_recall(real, real) == (1, 1)
    assert metrics.precision_recall(real, real + 100) == (0, 0)


def test_blocks_do_not_matter():
    real, generated = cluster((0, 0), 101, 0), cluster((0.5, 0), 57, 1)
    whole = metrics.precision_recall(real, generated)
    assert whole == metrics.precision_recall(real, generated, block_size=7)
    assert 0 < whole.precision < 1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least 4 images each. Received: 3 and 5"):
        metrics.precision_recall(np.eye(3), np.eye(5)[:, :3])
    with pytest.raises(ValueError, match=r"Received: shapes \(5, 5\) and \(5, 4\)"):
        metrics.precision_recall(np.eye(5), np.eye(5)[:, :4])
    broken = np.where(np.eye(5) > 0, np.nan, 0)[:, :3]
    with pytest.raises(ValueError, match="`generated` must be finite.*3 of 5 examples"):
        metrics.precision_recall(np.eye(5)[:, :3], broken)
