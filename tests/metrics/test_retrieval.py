import numpy as np
import pytest

from gen_keras import metrics

RNG = np.random.default_rng(0)


def test_ranks_are_those_of_all_distances():
    targets = RNG.uniform(size=(20, 4, 4, 3)).astype("float32")
    images = targets + RNG.normal(0, 0.6, targets.shape)
    distances = ((images[:, None] - targets[None]) ** 2).sum(axis=(2, 3, 4))
    expected = [(row < row[i]).sum() for i, row in enumerate(distances)]
    ranks = metrics.retrieval_ranks(images, targets)
    assert list(ranks) == expected and 0 < np.mean(ranks) < 9.5


def test_the_targets_themselves_are_found_and_one_image_for_all_is_not():
    targets = RNG.uniform(size=(6, 2, 2, 1))
    assert list(metrics.retrieval_ranks(targets, targets)) == 6 * [0]
    # A tie is no hit: a constant must not look right.
    same = np.zeros((6, 2, 2, 1))
    assert list(metrics.retrieval_ranks(same, same)) == 6 * [5]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"Received: \(2, 3\) and \(2, 4\)"):
        metrics.retrieval_ranks(np.zeros((2, 3)), np.zeros((2, 4)))


def test_interval_is_that_of_the_normal_approximation():
    values = RNG.normal(5, 2, 400)
    low, high = metrics.bootstrap_interval(values, num_resamples=4000)
    error = values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert metrics.bootstrap_interval(values, seed=1) != (low, high)
    narrow = metrics.bootstrap_interval(values, level=0.5)
    assert low < narrow[0] < values.mean() < narrow[1] < high


def test_interval_of_shares():
    assert metrics.bootstrap_interval(np.ones(9, bool)) == (1.0, 1.0)


def test_precision_and_average_precision_by_hand():
    relevant = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]], bool)
    assert metrics.precision_at(relevant, 2) == pytest.approx((1 + 0 + 2) / 6)
    expected = [(1 + 2 / 3) / 2, 1 / 4, 1]
    np.testing.assert_allclose(metrics.average_precision(relevant), expected)
    assert np.isnan(metrics.average_precision(np.zeros((1, 3))))
    with pytest.raises(ValueError, match="`num_considered` .* 1 to 4.*Received: 5"):
        metrics.precision_at(relevant, 5)


@pytest.mark.backends("tensorflow")  # Where scikit-learn is installed.
def test_average_precision_is_that_of_scikit_learn():
    from sklearn.metrics import average_precision_score as ranking

    relevant = np.random.default_rng(0).uniform(size=(5, 40)) < 0.3
    scores = np.arange(40, 0, -1)
    expected = [ranking(row, scores) for row in relevant]
    np.testing.assert_allclose(metrics.average_precision(relevant), expected)
