"""`load`: one function for all data sets."""

import inspect

from gen_keras.datasets import shipped
from gen_keras.datasets.dataset import check_value_range

SPLITS = ("train", "validation", "test")

_LOADERS = {
    "mnist": shipped.load_mnist,
    "emoji": shipped.load_emoji,
    "emoji_edges": shipped.load_emoji_edges,
    "emoji_vendors": shipped.load_emoji_vendors,
}


def names():
    """Returns the names that `load` knows, as a list of strings."""
    return list(_LOADERS)


def load(name, split="train", value_range=(0.0, 1.0), **options):
    """Loads a data set.

    Args:
        name: String, one of `names()`.
        split: `"train"`, `"validation"` (for choosing checkpoints and settings) or
            `"test"` (for the final figures alone).
        value_range: Two floats, the values of the darkest and the brightest pixel.
        **options: What the loader of that name takes besides.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If the name, the split, an option or the value range is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    if name not in _LOADERS:
        raise ValueError(
            f"Unknown data set. Known are {', '.join(names())}. Received: {name!r}"
        )
    loader = _LOADERS[name]
    known = list(inspect.signature(loader).parameters)[2:]
    for option in options:
        if option not in known:
            raise ValueError(
                f"The options of {name!r} are {known}. Received: {option!r}"
            )
    return loader(split, check_value_range(value_range), **options)
