"""What labels say about codes and features that were learned without them."""

import numpy as np

from gen_keras.metrics.nearest_neighbors import nearest_neighbors


def match_categories(categories, labels, num_categories=None):
    """Returns the class that each category stands for: the commonest among its images.

    Match on one set of images and measure on another.

    Args:
        categories: Integer array (num_images,), the category a model gives an image.
        labels: Integer array (num_images,), the true classes.
        num_categories: Integer; `None` is the greatest category plus one.

    Returns:
        Integer array (num_categories,); -1 for a category that no image is given.
        Several categories may stand for one class.

    Raises:
        ValueError: If the arrays are empty, of different lengths, not integers, or a
            category is out of range.
    """
    categories, labels = _check(categories, labels)
    num_categories = num_categories or int(categories.max()) + 1
    if categories.max() >= num_categories:
        raise ValueError(
            f"`categories` must be below {num_categories}. "
            f"Received: {int(categories.max())}"
        )
    counts = np.zeros((num_categories, int(labels.max()) + 1), "int64")
    np.add.at(counts, (categories, labels), 1)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), -1)


def neighbor_error(features, labels, train_features, train_labels):
    """Returns the share of images whose nearest training image is of another class.

    Args:
        features: Array (num_images, ...), of held-out images.
        labels: Integer array (num_images,), their classes.
        train_features: Array (num_train, ...), likewise.
        train_labels: Integer array (num_train,).

    Returns:
        Float from 0 to 1, the error of the classifier by one nearest neighbour.

    Raises:
        ValueError: If lengths disagree or labels are not integers.
    """
    for name, values, classes in (
        ("features", features, labels),
        ("train_features", train_features, train_labels),
    ):
        if len(values) != len(classes):
            raise ValueError(
                f"`{name}` and their labels must be equally many. "
                f"Received: {len(values)} and {len(classes)}"
            )
    _check(labels, labels)
    _check(train_labels, train_labels)
    nearest = nearest_neighbors(features, train_features).indices[:, 0]
    return float(np.mean(np.asarray(train_labels)[nearest] != np.asarray(labels)))


def _check(categories, labels):
    arrays = np.asarray(categories), np.asarray(labels)
    good = all(x.ndim == 1 and x.dtype.kind in "iu" and x.size for x in arrays)
    if not good or len(arrays[0]) != len(arrays[1]) or min(x.min() for x in arrays) < 0:
        shapes = ", ".join(f"{x.dtype} {x.shape}" for x in arrays)
        raise ValueError(
            "Categories and labels must be as many integers of at least 0, one an "
            f"image. Received: {shapes}"
        )
    return arrays
