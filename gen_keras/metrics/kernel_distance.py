"""The kernel distance between two sets of features.

The squared maximum mean discrepancy with the kernel (x·y / dim + 1)³. Over features of
the Inception network it is the KID. Unlike the Fréchet distance its estimate has no
bias, so it serves for a few hundred images, too; it can be a little below 0. Over
another network's features its numbers mean something else: name the network.

Reference:
    Bińkowski et al., Demystifying MMD GANs, 2018, section 4.
    https://arxiv.org/abs/1801.01401
"""

import typing

import numpy as np

from gen_keras.metrics.features import as_features


class KernelDistance(typing.NamedTuple):
    """What `kernel_distance_with_error` returns.

    Attributes:
        distance: Float, the mean of the blocks' distances.
        standard_error: Float, of `distance`, as other images of the same two sources
            would change it.
        block_deviation: Float, the standard deviation of the blocks' distances. This is
            what papers write behind ±: the spread of a distance of `block_size` images.
    """

    distance: float
    standard_error: float
    block_deviation: float


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
            images, are not finite, or are paired and of different sizes.
    """
    real, generated = as_features(real, generated)
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


def kernel_distance_with_error(
    real, generated, num_blocks=100, block_size=1000, seed=0
):
    """Returns the mean kernel distance of random blocks, with its standard error.

    A block is `block_size` images of each set, without repetition. Blocks overlap, so
    the deviation of their distances over √num_blocks is no error of the mean: it goes
    to 0 with ever more blocks of the same images. Instead

        standard_error² = deviation² · (block_size / (n - block_size) + 1 / num_blocks),

    n the size of the smaller set: the delete-d jackknife, d = n - block_size, and the
    choice of the blocks. It is right where the sets differ clearly, and up to about
    twice too large where they do not.

    Args:
        real: Array (num_real, num_features), see `extract_features`.
        generated: Array (num_generated, num_features).
        num_blocks: Integer of at least 2 (paper: 100).
        block_size: Integer of at least 2, less than the images of either set. At most
            half of them is best.
        seed: Integer, chooses the blocks.

    Returns:
        `KernelDistance`.

    Raises:
        ValueError: As `kernel_distance`, and if there are too few blocks or images.

    References:
        Bińkowski et al., see above: distances of subsets.
        Shao and Wu, A General Theory for Jackknife Variance Estimation, 1989: delete-d.
    """
    if num_blocks < 2 or block_size < 2:
        raise ValueError(
            "`num_blocks` and `block_size` must be at least 2. "
            f"Received: {num_blocks} and {block_size}"
        )
    real, generated = as_features(real, generated, block_size + 1)
    rng = np.random.default_rng(seed)

    def choose(features):
        return features[rng.choice(len(features), block_size, replace=False)]

    distances = [
        kernel_distance(choose(real), choose(generated)) for _ in range(num_blocks)
    ]
    deviation = np.std(distances, ddof=1)
    deleted = min(len(real), len(generated)) - block_size
    factor = block_size / deleted + 1 / num_blocks
    return KernelDistance(
        distance=float(np.mean(distances)),
        standard_error=float(deviation * np.sqrt(factor)),
        block_deviation=float(deviation),
    )


def _kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_pairs(kernel):
    """Returns the mean of a square matrix without its diagonal."""
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
