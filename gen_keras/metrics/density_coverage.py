"""Density and coverage: precision and recall that outliers cannot inflate.

Around each real image lies a ball that reaches to its k-th nearest other real image.
Density is the number of balls that hold a generated image, on average and as a share of
k; coverage is the share of balls that hold any. One outlier among the real images makes
one large ball, which precision takes for a part of the manifold, while density counts
it once; and only balls of real images are used, so a few wild samples do not add to
coverage as they do to recall.

Reference:
    Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, 2020,
    equations 3 and 4. https://arxiv.org/abs/2002.09797
"""

import typing

import numpy as np

from gen_keras.metrics.features import as_features
from gen_keras.metrics.precision_recall import inside_balls


class DensityCoverage(typing.NamedTuple):
    """What `density_coverage` returns.

    Attributes:
        density: Float, at least 0; 1 in the mean for two sets of one distribution. It
            exceeds 1 where samples crowd around real images.
        coverage: Float from 0 to 1; 1 - 2^-k about for two large sets of one
            distribution and one size.
    """

    density: float
    coverage: float


def density_coverage(real, generated, k=5, block_size=1000):
    """Returns the density and the coverage of generated images.

    Both depend on the number of images: use the same number of each, and of real images
    against others as the yardstick.

    Args:
        real: Array (num_real, num_features), see `extract_features`.
        generated: Array (num_generated, num_features).
        k: Integer, the neighbour that sets the radius of a ball (paper: 5).
        block_size: Integer, the images compared at once.

    Returns:
        `DensityCoverage`.

    Raises:
        ValueError: If either set has `k` images or fewer, the features disagree, or
            are not finite.
    """
    real, generated = as_features(real, generated, k + 1)
    num_pairs, covered = 0, np.zeros(len(real), bool)
    for inside in inside_balls(generated, real, k, block_size):
        num_pairs += inside.sum()
        covered |= inside.any(axis=0)
    return DensityCoverage(
        density=float(num_pairs / (k * len(generated))),
        coverage=float(covered.mean()),
    )
