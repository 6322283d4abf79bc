"""Several completions of one image that is half known: how much do they differ?

Where what is known leaves a choice, a good model makes use of it. The figures say
nothing of quality: pixels by coins differ most. Put the share beside them that is of
the class of the whole image, see `class_consistency`.
"""

import itertools
import typing

import numpy as np

from gen_keras.metrics.features import check_finite


class CompletionDiversity(typing.NamedTuple):
    """What `completion_diversity` returns, means over images.

    Attributes:
        distance: Float, how far two completions of one image are from each other: the
            root mean square of their differences over unknown pixels.
        classes: Float from 1 to the number of completions, the different classes among
            the completions of one image.
    """

    distance: float
    classes: float


def completion_diversity(completions, mask, predictions):
    """Returns how much the completions of an image differ.

    Args:
        completions: Array (num_images, num_completions, height, width, channels), two
            completions at least.
        mask: Array (height, width, channels), or one that broadcasts to it: 1 where a
            pixel is known, else 0. Some must be unknown.
        predictions: Integer array (num_images, num_completions), the class that a
            classifier gives each completion.

    Returns:
        `CompletionDiversity`.

    Raises:
        ValueError: If shapes disagree, no pixel is unknown, or a value is not finite.
    """
    completions, predictions = np.asarray(completions), np.asarray(predictions)
    _check(completions, predictions)
    unknown = np.broadcast_to(1 - np.asarray(mask), completions.shape[2:]).astype(bool)
    if not unknown.any():
        raise ValueError("`mask` must leave a pixel unknown. Received: all are known")
    pixels = completions[:, :, unknown]
    pairs = itertools.combinations(range(completions.shape[1]), 2)
    distances = [
        np.sqrt(np.square(pixels[:, i] - pixels[:, j]).mean(axis=-1)) for i, j in pairs
    ]
    return CompletionDiversity(
        distance=float(np.mean(distances)),
        classes=float(np.mean([len(set(row)) for row in predictions.tolist()])),
    )


def _check(completions, predictions):
    if completions.ndim != 5 or completions.shape[1] < 2 or not completions.size:
        raise ValueError(
            "`completions` must have the shape (num_images, num_completions, height, "
            "width, channels), with at least one image and two completions of each. "
            f"Received: {completions.shape}"
        )
    check_finite("completions", completions)
    is_integer = predictions.dtype.kind in "iu"
    if predictions.shape != completions.shape[:2] or not is_integer:
        raise ValueError(
            f"`predictions` must be integers of shape {completions.shape[:2]}. "
            f"Received: {predictions.dtype} of shape {predictions.shape}"
        )
