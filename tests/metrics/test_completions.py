import numpy as np
import pytest

from gen_keras import masks, metrics

TOP = masks.half((2, 2, 1), "top")


def test_distances_are_of_unknown_pixels_and_classes_are_counted():
    completions = np.zeros((2, 3, 2, 2, 1), "float32")
    # Of the first image, one of two unknown pixels of one completion differs: two pairs
    # of three are sqrt(1 / 2) apart. What is known does not count.
    completions[0, 1, 1, 0] = 1
    completions[0, 2, 0, 0] = 1
    # Of the second, all unknown pixels of one differ: two pairs are 1 apart.
    completions[1, 0, 1] = 1
    predictions = np.array([[7, 7, 7], [1, 2, 1]])
    actual = metrics.completion_diversity(completions, TOP, predictions)
    assert actual.distance == pytest.approx((2 * 0.5**0.5 + 2 * 1) / 6)
    assert actual.classes == 1.5


def test_completions_that_are_all_alike():
    completions = np.tile(
        np.random.default_rng(0).random((4, 1, 2, 2, 1)), (1, 5, 1, 1, 1)
    )
    actual = metrics.completion_diversity(completions, TOP, np.zeros((4, 5), int))
    assert actual == (0, 1)


def test_each_completion_counts_wherever_it_stands():
    completions = np.zeros((3, 3, 2, 2, 1), "float32")
    for i in range(3):  # Of image i completion i is another digit, 1 apart.
        completions[i, i, 1] = 1
    for i in range(3):
        actual = metrics.completion_diversity(
            completions[[i]], TOP, np.eye(3, dtype=int)[[i]]
        )
        assert actual == (pytest.approx(2 / 3), 2)


def test_bad_input_is_named():
    completions, predictions = np.zeros((2, 3, 2, 2, 1)), np.zeros((2, 3), int)
    with pytest.raises(ValueError, match="mask.*unknown"):
        metrics.completion_diversity(completions, np.ones((2, 2, 1)), predictions)
    with pytest.raises(ValueError, match="two completions of each"):
        metrics.completion_diversity(completions[:, :1], TOP, predictions[:, :1])
    with pytest.raises(ValueError, match=r"integers of shape \(2, 3\)"):
        metrics.completion_diversity(completions, TOP, predictions.T)
    with pytest.raises(ValueError, match="integers"):
        metrics.completion_diversity(completions, TOP, predictions / 2)
    with pytest.raises(ValueError, match="completions"):
        metrics.completion_diversity(completions * np.nan, TOP, predictions)
