"""Improved precision and recall: are the samples real, and are all kinds there?

The manifold of a set of images is taken to be the union of balls in feature space, one
around each image, that reach to its k-th nearest neighbour in the set. Precision is the
share of generated images on the manifold of the real ones, recall the share of real
images on that of the generated ones. A model that drops a mode loses recall.

Reference:
    Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative
    Models, 2019, equations 1 to 3. https://arxiv.org/abs/1904.06991
"""

import typing

import numpy as np

from gen_keras.metrics.features import as_features
from gen_keras.metrics.nearest_neighbors import (
    nearest_neighbors,
    squared_distance_blocks,
)


class PrecisionRecall(typing.NamedTuple):
    """Two floats from 0 to 1."""

    precision: float
    recall: float


def precision_recall(real, generated, k=3, block_size=1000):
    """Returns the precision and the recall of generated images.

    Both depend on the number of images: use the same number of each, and of real images
    against others as the yardstick.

    Args:
        real: Array (num_real, num_features), see `extract_features`.
        generated: Array (num_generated, num_features).
        k: Integer, the neighbour that sets the radius of a ball (paper: 3).
        block_size: Integer, the images compared at once.

    Returns:
        `PrecisionRecall`.

    Raises:
        ValueError: If either set has `k` images or fewer, the features disagree, or
            are not finite.
    """
    real, generated = as_features(real, generated, k + 1)
    return PrecisionRecall(
        precision=share_on_manifold(generated, real, k, block_size),
        recall=share_on_manifold(real, generated, k, block_size),
    )


def share_on_manifold(points, centers, k, block_size):
    """Returns the share of `points` inside any ball around `centers`."""
    blocks = inside_balls(points, centers, k, block_size)
    return float(np.concatenate([inside.any(axis=1) for inside in blocks]).mean())


def inside_balls(points, centers, k, block_size):
    """Yields which points lie in which balls, a block of points at a time.

    Args:
        points: Float64 array (num_points, num_features).
        centers: Float64 array (num_centers, num_features). A ball reaches to the k-th
            nearest other center.
        k: Integer.
        block_size: Integer, the points of a block.

    Yields:
        Boolean arrays (at most block_size, num_centers).
    """
    neighbors = nearest_neighbors(
        centers, centers, k, exclude_self=True, block_size=block_size
    )
    squared_radii = np.square(neighbors.distances[:, -1])
    for _, squared in squared_distance_blocks(points, centers, block_size):
        yield squared <= squared_radii
