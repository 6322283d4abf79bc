"""What metrics of two sets of features ask of them."""

import numpy as np


def as_features(real, generated, minimum=2):
    """Returns two sets of features as float64.

    Args:
        real: Array (num_real, num_features), see `extract_features`.
        generated: Array (num_generated, num_features).
        minimum: Integer, the least number of images of each set.

    Raises:
        ValueError: If the sets differ in the number of features, have fewer than
            `minimum` images, or values that are not finite.
    """
    real, generated = np.asarray(real, "float64"), np.asarray(generated, "float64")
    if real.ndim != 2 or real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            "`real` and `generated` must be matrices with the same number of features. "
            f"Received: shapes {real.shape} and {generated.shape}"
        )
    if min(len(real), len(generated)) < minimum:
        raise ValueError(
            f"`real` and `generated` must have at least {minimum} images each. "
            f"Received: {len(real)} and {len(generated)}"
        )
    check_finite("real", real)
    check_finite("generated", generated)
    return real, generated


def check_finite(name, examples):
    """Raises a `ValueError` if an array (num_examples, ...) has NaN or infinity."""
    finite = np.isfinite(examples).all(axis=tuple(range(1, examples.ndim)))
    if not finite.all():
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in "
            f"{np.sum(~finite):,} of {len(finite):,} examples"
        )
