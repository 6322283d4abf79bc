"""The Fréchet distance between two sets of features.

Both sets are taken for Gaussians. The distance between these, squared as the field
reports it, is

    |m_1 - m_2|² + tr(C_1 + C_2 - 2 (C_1 C_2)^½)

Over features of the Inception network it is the FID. Over another network's features
its numbers mean something else: name the network, and report the distance of two sets
of real images of the same size beside it, for it falls as the sets grow.

Reference:
    Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium, 2017, equation 6. https://arxiv.org/abs/1706.08500
"""

import warnings

import numpy as np

from gen_keras.metrics.features import as_features


def frechet_distance(real, generated):
    """Returns the Fréchet distance between the Gaussians fitted to two sets.

    Args:
        real: Array (num_real, num_features), see `extract_features`.
        generated: Array (num_generated, num_features).

    Returns:
        Float, at least 0; 0 for sets of equal mean and covariance.

    Raises:
        ValueError: If the sets differ in the number of features, have fewer than two
            images, or are not finite.
    """
    real, generated = as_features(real, generated)
    return gaussian_frechet_distance(*fit_gaussian(real), *fit_gaussian(generated))


def gaussian_frechet_distance(mean_1, covariance_1, mean_2, covariance_2):
    """Returns the Fréchet distance between two Gaussians.

    Args:
        mean_1: Array (num_features,).
        covariance_1: Array (num_features, num_features), symmetric.
        mean_2: As `mean_1`.
        covariance_2: As `covariance_1`.

    Returns:
        Float, at least 0.
    """
    # (C_1 C_2)^½ is not symmetric, but has the eigenvalues of the symmetric
    # (C_1^½ C_2 C_1^½)^½, and the trace needs no more. Unlike a matrix square root
    # this stays real and accurate for singular covariances.
    root = symmetric_square_root(covariance_1)
    eigenvalues = np.linalg.eigvalsh(root @ covariance_2 @ root)
    trace_of_root = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    squared = np.square(mean_1 - mean_2).sum()
    squared += np.trace(covariance_1) + np.trace(covariance_2) - 2 * trace_of_root
    return max(float(squared), 0.0)


def fit_gaussian(features):
    """Returns the mean and the unbiased covariance of (num_images, num_features)."""
    num_images, num_features = features.shape
    if num_images <= num_features:
        warnings.warn(
            f"The Fréchet distance of {num_images} images in {num_features} features: "
            "the covariance is singular and the distance far too large. Use more "
            "images than features.",
            stacklevel=3,
        )
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def symmetric_square_root(matrix):
    """Returns the symmetric square root of a positive semidefinite matrix."""
    eigenvalues, eigenvectors = np.linalg.eigh(matrix)
    return (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))) @ eigenvectors.T
