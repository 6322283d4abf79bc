"""Masks of images: 1 where a pixel is known, 0 where it is to be completed."""

import numpy as np

SIDES = ("left", "right", "top", "bottom")


def half(image_shape, known):
    """Returns the mask of a half, to be given to a model's `complete`.

    A row or column in the middle, of an odd number, belongs to the unknown half.

    Args:
        image_shape: Tuple (height, width, channels).
        known: String, the half that is known: "left", "right", "top" or "bottom".

    Returns:
        Array (height, width, 1) of 0 and 1, float32.

    Raises:
        ValueError: If there is no such half.

    Example:
    >>> known = masks.half((28, 28, 1), "top")
    >>> wholes = model.complete(digits, known, seed=0)
    """
    if known not in SIDES:
        raise ValueError(
            f"`known` must be one of {', '.join(SIDES)}. Received: {known}"
        )
    height, width, _ = image_shape
    mask = np.zeros((height, width, 1), "float32")
    parts = {
        "left": np.s_[:, : width // 2],
        "right": np.s_[:, width - width // 2 :],
        "top": np.s_[: height // 2],
        "bottom": np.s_[height - height // 2 :],
    }
    mask[parts[known]] = 1
    return mask
