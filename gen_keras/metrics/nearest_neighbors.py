"""Nearest training images, and how many samples are copies of them.

Distances are Euclidean between flattened arrays: pixels, or features of a network.
"""

import math
import typing

import numpy as np

from gen_keras.metrics.features import check_finite


class Neighbors(typing.NamedTuple):
    """The nearest references of each query, nearest first.

    Attributes:
        indices: Integer array (num_queries, k), positions among the references.
        distances: Array (num_queries, k), Euclidean.
    """

    indices: np.ndarray
    distances: np.ndarray


class Copies(typing.NamedTuple):
    """What `count_copies` returns.

    Attributes:
        count: Integer, the samples that are copies.
        share: Float, the same as a share of all samples.
        threshold: Float, the distance up to which a sample is called a copy.
        neighbors: The `Neighbors` (num_samples, 1) of the samples.
    """

    count: int
    share: float
    threshold: float
    neighbors: Neighbors


class Memorization(typing.NamedTuple):
    """What `memorization` returns.

    Attributes:
        share: Float from 0 to 1, the share of samples that are nearer to a training
            image than to any held-out image; 0.5 in the mean without memory.
        standard_error: Float, binomial: as other samples would change the share.
        num_references: Integer, the images of each of the two sets.
    """

    share: float
    standard_error: float
    num_references: int


def nearest_neighbors(queries, references, k=1, exclude_self=False, block_size=1000):
    """Finds the `k` nearest references of each query.

    Args:
        queries: Array (num_queries, ...), images or features.
        references: Array (num_references, ...) of the same shape and value range.
        k: Integer, the neighbours of each query.
        exclude_self: Boolean. If true, `queries` must be `references`, and none is its
            own neighbour.
        block_size: Integer, the queries compared at once; a block takes
            `block_size * num_references` floats of memory.

    Returns:
        `Neighbors`. Equal distances are in no certain order.

    Raises:
        ValueError: If shapes disagree, there are no queries or fewer than `k`
            references, or a value is not finite.
    """
    queries, references = flatten(queries), flatten(references)
    check_finite("queries", queries)
    check_finite("references", references)
    if not 1 <= k <= len(references) - exclude_self:
        raise ValueError(
            f"`k` must be from 1 to the number of references. Received: k={k} with "
            f"{len(references)} references and exclude_self={exclude_self}"
        )
    if exclude_self and len(queries) != len(references):
        raise ValueError(
            "With `exclude_self`, `queries` must be `references`. Received: "
            f"{len(queries)} and {len(references)} rows"
        )
    indices = np.empty((len(queries), k), "int64")
    for start, squared in squared_distance_blocks(queries, references, block_size):
        rows = np.arange(len(squared))
        if exclude_self:
            squared[rows, start + rows] = np.inf
        indices[start + rows] = np.argpartition(squared, k - 1, axis=1)[:, :k]

    # The blocks lose digits where images nearly agree, which is where copies are told
    # from neighbours: measure the chosen pairs again.
    distances = np.stack(
        [measure(queries, references[indices[:, rank]]) for rank in range(k)], axis=1
    )
    order = np.argsort(distances, axis=1, kind="stable")
    return Neighbors(
        np.take_along_axis(indices, order, axis=1),
        np.take_along_axis(distances, order, axis=1),
    )


def copy_threshold(training_images, percentile=1.0, max_images=5000, seed=0):
    """Returns the distance up to which a sample counts as a copy.

    It is a low percentile of the distance from a training image to the nearest *other*
    training image; twins, the same but for one gray level, are left out. So the data
    sets the scale: a sample below it is closer to the training set than 99 % of the
    training images are to each other, and new images of the same source fall below it
    in about 1 of 100 cases.

    Args:
        training_images: Array (num_images, ...) in [0, 1].
        percentile: Float from 0 to 100.
        max_images: Integer. Of a larger set, this many random images are compared with
            all the others.
        seed: Integer, chooses these images.

    Returns:
        Float, a Euclidean distance.

    Raises:
        ValueError: If there are fewer than two images, or a value is not finite.
    """
    images = flatten(training_images)
    if len(images) < 2:
        raise ValueError("`training_images` must be two at least. Received: one")
    chosen = np.random.default_rng(seed).permutation(len(images))[:max_images]
    # The nearest is the image itself, or its twin at the same distance of 0.
    distances = nearest_neighbors(images[chosen], images, k=2).distances[:, 1]
    others = distances[distances > math.sqrt(images.shape[1]) / 255]
    return float(np.percentile(others, percentile)) if len(others) else 0.0


def count_copies(samples, training_images, threshold=None):
    """Counts the samples that are copies of training images.

    The count means nothing by itself: report that of held-out images beside it.

    Args:
        samples: Array (num_samples, ...).
        training_images: Array (num_images, ...) of the same shape and value range.
        threshold: Float, see `copy_threshold`, which `None` calls.

    Returns:
        `Copies`.
    """
    if threshold is None:
        threshold = copy_threshold(training_images)
    neighbors = nearest_neighbors(samples, training_images)
    # At the threshold too: in a set with many twins it is 0.
    copies = neighbors.distances[:, 0] <= threshold
    return Copies(int(copies.sum()), float(copies.mean()), threshold, neighbors)


def memorization(samples, training_images, held_out_images, seed=0, block_size=1000):
    """Returns whether samples are nearer to training images than to unseen ones.

    Training and held-out images come from one source, so a model that learned only the
    source is as likely to come near the one as the other. Of the larger set, as many
    random images as the smaller has are compared: of a training set ten times as large,
    a tenth of what was memorized is seen. Two things move the share without memory:
    sets that are not quite of one source (to see it, give other held-out images in
    place of samples), and samples that are all alike.

    Args:
        samples: Array (num_samples, ...), images or features.
        training_images: Array (num_training, ...) of the same shape and value range.
        held_out_images: Array (num_held_out, ...), likewise.
        seed: Integer, chooses the images of the larger set.
        block_size: Integer, see `nearest_neighbors`.

    Returns:
        `Memorization`. A sample as near to the one as to the other counts half.

    Raises:
        ValueError: If shapes disagree, a set is empty, or a value is not finite.
    """
    sets = {
        "samples": np.asarray(samples),
        "training_images": np.asarray(training_images),
        "held_out_images": np.asarray(held_out_images),
    }
    for name, images in sets.items():
        if len(images) == 0:
            raise ValueError(f"`{name}` must not be empty. Received: {images.shape}")
        check_finite(name, images)
    count = min(len(training_images), len(held_out_images))
    rng = np.random.default_rng(seed)

    def nearest(name):
        images = sets[name]
        if len(images) > count:
            images = images[rng.choice(len(images), count, replace=False)]
        neighbors = nearest_neighbors(samples, images, block_size=block_size)
        return neighbors.distances[:, 0]

    to_training, to_held_out = nearest("training_images"), nearest("held_out_images")
    nearer = (to_training < to_held_out) + 0.5 * (to_training == to_held_out)
    share = float(nearer.mean())
    return Memorization(share, math.sqrt(share * (1 - share) / len(nearer)), count)


def squared_distance_blocks(queries, references, block_size=1000):
    """Yields the squared distances of all pairs, block by block.

    Args:
        queries: Array (num_queries, size).
        references: Array (num_references, size).
        block_size: Integer, the queries of one block.

    Yields:
        Pairs of the first query's index and an array (at most block_size,
        num_references) of distances that are at least 0.
    """
    if queries.shape[1:] != references.shape[1:]:
        raise ValueError(
            "The two sets must have examples of the same size. "
            f"Received: {queries.shape[1:]} and {references.shape[1:]}"
        )
    # |a - b|² = |a|² + |b|² - 2ab is one matrix product. Around the mean of the
    # references the norms are small, so fewer digits cancel.
    center = references.mean(axis=0)
    references = references - center
    norms = np.square(references).sum(axis=1)
    references *= -2
    for start in range(0, len(queries), block_size):
        block = queries[start : start + block_size] - center
        squared = block @ references.T
        squared += np.square(block).sum(axis=1)[:, None] + norms
        yield start, np.maximum(squared, 0, out=squared)


def measure(first, second, block_size=1000):
    """Returns the Euclidean distances (n,) between rows of the same index."""
    return np.concatenate(
        [
            np.linalg.norm(
                first[start : start + block_size] - second[start : start + block_size],
                axis=1,
            )
            for start in range(0, len(first), block_size)
        ]
    )


def flatten(examples):
    """Returns (num_examples, size) floats; float64 is kept, all else is float32."""
    examples = np.asarray(examples)
    if not examples.size:
        raise ValueError(f"There must be an example. Received: {examples.shape}")
    dtype = "float64" if examples.dtype == "float64" else "float32"
    return examples.reshape(len(examples), -1).astype(dtype, copy=False)
