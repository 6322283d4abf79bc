"""How well what is alike is found: by binary codes, or by distances."""

import numpy as np
from script_helpers import in_batches

from gen_keras import metrics


def to_rows(images):
    """Returns images as rows of pixels."""
    return images.reshape(len(images), -1)


def rank_by_codes(index, labels, queries, query_labels):
    """Yields whether what is found is relevant, nearest first, for some queries.

    Codes as near as each other come in a random order, the same for all queries.
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    small = np.min_scalar_type(index.num_bits)  # Integers that are sorted by counting.
    for batch, wanted in zip(
        in_batches(queries, 100), in_batches(query_labels, 100), strict=True
    ):
        distances = np.stack([index.distances(query) for query in batch])
        distances = distances.astype(small)[:, shuffled]
        order = np.argsort(distances, axis=1, kind="stable")
        yield labels[shuffled][order] == wanted[:, None]


def rank_by_distance(images, labels, queries, query_labels):
    """Yields the same by the Euclidean distance of images or features."""
    rows = to_rows(images)
    squares = np.square(rows).sum(axis=1)
    for batch, wanted in zip(
        in_batches(to_rows(queries), 100), in_batches(query_labels, 100), strict=True
    ):
        order = np.argsort(squares - 2 * batch @ rows.T, axis=1, kind="stable")
        yield labels[order] == wanted[:, None]


def summarize(relevant, num_considered=10):
    """Returns precision and mean average precision of all queries.

    Args:
        relevant: Iterable of Boolean arrays (num_queries, num_items), some queries at a
            time: whether an item is relevant, the nearest in front.
        num_considered: Integer, how many items count for the precision.
    """
    precision, average_precision = [], []
    for each in relevant:
        precision += len(each) * [metrics.precision_at(each, num_considered)]
        average_precision += list(metrics.average_precision(each))
    return {
        f"precision_at_{num_considered}": np.mean(precision),
        "mean_average_precision": np.nanmean(average_precision),
    }


def count_distinct(codes):
    """Returns how many codes differ, as a share of all."""
    return len(np.unique(codes, axis=0)) / len(codes)
