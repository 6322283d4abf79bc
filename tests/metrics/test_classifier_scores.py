"""Scores by hand."""

import numpy as np
import pytest

from gen_keras import metrics


def test_scores_by_hand():
    probabilities = np.array(
        [[0.96, 0.02, 0.02], [0.94, 0.03, 0.03], [0.01, 0.98, 0.01], [0.97, 0.02, 0.01]]
    )
    scores = metrics.classifier_scores(np.log(probabilities) + 7)
    assert scores.confident_share == 0.75
    np.testing.assert_array_equal(scores.class_histogram, [3, 1, 0])
    assert scores.uniform_factor == np.inf
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert scores.class_entropy == pytest.approx(entropy)
    lenient = metrics.classifier_scores(np.log(probabilities), threshold=0.9)
    assert lenient.confident_share == 1


def test_uniform_factor_takes_the_worse_side():
    assert metrics.uniform_factor([10, 10, 10]) == 1
    assert metrics.uniform_factor([20, 20, 5]) == 3  # 15 / 5
    assert metrics.uniform_factor([80, 10, 10, 20]) == pytest.approx(30 / 10)
    assert metrics.uniform_factor([130, 40, 40, 40, 50]) == pytest.approx(130 / 60)


def test_entropy_of_equal_classes():
    assert metrics.class_entropy([7] * 10) == pytest.approx(np.log(10))


def test_large_logits_do_not_overflow():
    assert metrics.classifier_scores([[1e4, -1e4]]).confident_share == 1


def test_consistency_by_hand():
    seen, asked = [0, 2, 2, 1, 2], [0, 0, 2, 2, 2]
    result = metrics.class_consistency(np.eye(4)[seen], asked)
    assert result.share == 0.6
    assert result.standard_error == pytest.approx(np.sqrt(0.6 * 0.4 / 5))
    np.testing.assert_allclose(result.class_shares, [1 / 2, np.nan, 2 / 3, np.nan])


def test_bad_logits_and_classes_are_named():
    with pytest.raises(ValueError, match=r"Received: \(0, 3\)"):
        metrics.classifier_scores(np.zeros((0, 3)))
    for asked in ([0, 1], [0, 1, 4], [0, 1, -1], [0.0, 1.0, 2.0]):
        with pytest.raises(ValueError, match="3 integers from 0 to 3. Received: shape"):
            metrics.class_consistency(np.eye(4)[:3], asked)
    with pytest.raises(ValueError, match="`logits` must be finite.*2 of 2 examples"):
        metrics.class_consistency(np.full((2, 3), np.nan), [0, 1])
