"""The kernel distance between two sets of features.

The squared maximum mean discrepancy with the kernel (x·y / dim + 1)³. Over features of
the Inception network it is the KID. Unlike the Fréchet distance its estimate has no
bias, so it serves for a few hundred images, too; it can be a little below 0. Over
another network's features its numbers mean something else: name the network.

Reference:
    Bińkowski et al., Demystifying MMD GANs, 2018, section 4.
    https://arxiv.org/abs/1801.01401
"""

import numpy as np

from gen_keras.metrics.frechet_distance import as_features


def kernel_distance(real, generated, paired=False):
    """Returns the unbiased estimate of the kernel distance of two sets.

    Args:
        real: Array (num_real, num_features), see `extract_features`.
        generated: Array (num_generated, num_features).
        paired: Boolean, whether image i of one set was made for image i of the other.
            Such pairs are no independent draws and are left out.

    Returns:
        Float, 0 in the mean for two sets of one distribution.

    Raises:
        ValueError: If the sets differ in the number of features, have fewer than two
            images, or are paired and of different sizes.
    """
    real, generated = as_features(real, generated)
    if min(len(real), len(generated)) < 2:
        raise ValueError(
            "Each set must have at least two images. "
            f"Received: {len(real)} and {len(generated)}"
        )
    if paired and len(real) != len(generated):
        raise ValueError(
            "Paired sets must have as many images. "
            f"Received: {len(real)} and {len(generated)}"
        )
    between = _kernel(real, generated)
    between = _mean_of_pairs(between) if paired else between.mean()
    among_real = _mean_of_pairs(_kernel(real, real))
    among_generated = _mean_of_pairs(_kernel(generated, generated))
    return float(among_real + among_generated - 2 * between)


def _kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_pairs(kernel):
    """Returns the mean of a square matrix without its diagonal."""
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
