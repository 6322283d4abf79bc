"""Is a generated image nearest to what it should be?"""

import numpy as np


def retrieval_ranks(images, targets):
    """Returns how many targets are nearer to each image than its own is.

    0: its own is the nearest, as top-1 accuracy counts; below 5: top 5. The distance is
    Euclidean over all pixels. Where distances are equal, the image's own comes last.

    Args:
        images: Array (num_images, ...).
        targets: Array (num_images, ...), `targets[i]` is the one of `images[i]`.

    Returns:
        Integer array (num_images,).

    Raises:
        ValueError: If the shapes differ.
    """
    images, targets = np.asarray(images), np.asarray(targets)
    if images.shape != targets.shape:
        raise ValueError(
            "`images` and `targets` must have one shape. "
            f"Received: {images.shape} and {targets.shape}"
        )
    images = images.reshape(len(images), -1).astype("float64")
    targets = targets.reshape(len(targets), -1).astype("float64")
    # |x - y|² without |x|², which is the same for all targets.
    distances = np.square(targets).sum(axis=1) - 2 * images @ targets.T
    return (distances <= np.diagonal(distances)[:, None]).sum(axis=1) - 1


def bootstrap_interval(values, level=0.95, num_resamples=10000, seed=0):
    """Returns the bootstrap interval (percentiles) of the mean of values.

    Args:
        values: Array (num_values,), independent.
        level: Float in (0, 1), the probability of the interval.
        num_resamples: Integer.
        seed: Integer.

    Returns:
        Pair of floats.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    values = np.asarray(values, "float64")
    rng = np.random.default_rng(seed)
    # Counts of each value in a resample, instead of the resample.
    counts = rng.multinomial(
        len(values), np.full(len(values), 1 / len(values)), size=num_resamples
    )
    means = counts @ values / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def precision_at(relevant, num_considered=10):
    """Returns the share of relevant items among the first ones, averaged over queries.

    Args:
        relevant: Boolean array (num_queries, num_items), whether an item is relevant,
            the one that is found first in front.
        num_considered: Integer, how many items count.

    Raises:
        ValueError: If there are fewer items.
    """
    relevant = np.asarray(relevant, bool)
    if not 1 <= num_considered <= relevant.shape[1]:
        raise ValueError(
            f"`num_considered` must be from 1 to {relevant.shape[1]}, the number of "
            f"items. Received: {num_considered}"
        )
    return float(relevant[:, :num_considered].mean())


def average_precision(relevant):
    """Returns the average precision of each query, (num_queries,).

    It is the mean, over the relevant items, of the precision among the items up to and
    with it; its mean over queries is the mean average precision (mAP). Queries without
    a relevant item have none: they are left out, as NaN.

    Args:
        relevant: Boolean array (num_queries, num_items), see `precision_at`.

    Reference:
        Manning et al., Introduction to Information Retrieval, 2008, section 8.4.
    """
    relevant = np.asarray(relevant, bool)
    found = np.cumsum(relevant, axis=1)
    precision = found / np.arange(1, relevant.shape[1] + 1)
    with np.errstate(invalid="ignore"):
        return (precision * relevant).sum(axis=1) / found[:, -1]
