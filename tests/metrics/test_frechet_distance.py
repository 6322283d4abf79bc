"""The Fréchet distance against closed forms and a matrix square root."""

import warnings

import numpy as np
import pytest
from scipy import linalg

from gen_keras import metrics


def make_features(num_images, num_features, seed):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(num_features, num_features))
    return rng.normal(size=(num_images, num_features)) @ mixing + rng.normal()


def matrix_square_root_distance(real, generated):
    """The formula as the reference implementations compute it."""
    gap = real.mean(axis=0) - generated.mean(axis=0)
    covariances = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    return gap @ gap + np.trace(covariances[0] + covariances[1] - 2 * root)


def test_agrees_with_the_matrix_square_root():
    real, generated = make_features(500, 20, 0), make_features(300, 20, 1)
    distance = metrics.frechet_distance(real, generated)
    np.testing.assert_allclose(
        distance, matrix_square_root_distance(real, generated), rtol=1e-9
    )


def test_agrees_with_the_eigenvalues_of_the_product():
    # The trace of the root of C1 C2 is the sum of the roots of its eigenvalues.
    real, generated = make_features(500, 20, 0), make_features(300, 20, 1)
    c1, c2 = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    trace = np.sqrt(np.linalg.eigvals(c1 @ c2).real).sum()
    gap = real.mean(axis=0) - generated.mean(axis=0)
    expected = gap @ gap + np.trace(c1) + np.trace(c2) - 2 * trace
    distance = metrics.frechet_distance(real, generated)
    np.testing.assert_allclose(distance, expected, rtol=1e-9)


def test_in_one_dimension_it_is_the_gap_of_means_and_deviations():
    real, generated = np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])
    # Means 1 and 5; unbiased deviations √2 and 2√2.
    assert metrics.frechet_distance(real, generated) == pytest.approx(16 + 2)


def test_gaussians_with_diagonal_covariances():
    distance = metrics.gaussian_frechet_distance(
        np.zeros(2), np.diag([1.0, 4.0]), np.array([1.0, 2.0]), np.diag([9.0, 4.0])
    )
    assert distance == pytest.approx(5 + (3 - 1) ** 2)


def test_equal_sets_have_distance_zero_and_order_does_not_matter():
    real, generated = make_features(200, 8, 0), make_features(200, 8, 1)
    assert metrics.frechet_distance(real, real) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(real, generated) == pytest.approx(
        metrics.frechet_distance(generated, real)
    )


def test_dead_features_are_no_trouble():
    real, generated = make_features(100, 6, 0), make_features(100, 6, 1)
    padded = [np.pad(features, ((0, 0), (0, 3))) for features in (real, generated)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distance = metrics.frechet_distance(*padded)
    assert distance == pytest.approx(metrics.frechet_distance(real, generated))


def test_too_few_images_warn_and_bad_shapes_fail():
    features = make_features(10, 20, 0)
    with pytest.warns(UserWarning, match="10 images in 20 features"):
        metrics.frechet_distance(features, features)
    with pytest.raises(ValueError, match=r"Received: shapes \(10, 20\) and \(10, 19\)"):
        metrics.frechet_distance(features, features[:, :19])
    with pytest.raises(ValueError, match="at least 2 images each. Received: 1 and 10"):
        metrics.frechet_distance(features[:1], features)
    with pytest.raises(ValueError, match="`real` must be finite.*1 of 10 examples"):
        metrics.frechet_distance(np.where(np.eye(10, 20, 19), np.inf, 0), features)
