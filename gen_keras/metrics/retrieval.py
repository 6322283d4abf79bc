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
