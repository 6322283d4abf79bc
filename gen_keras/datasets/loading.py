"""`load`: one function for all data sets."""

import functools
import inspect

from gen_keras.datasets import arrays, downloads, folders, public_sets, shipped
from gen_keras.datasets.dataset import check_value_range

SPLITS = ("train", "validation", "test")

_LOADERS = {
    "mnist": shipped.load_mnist,
    "stacked_mnist": shipped.load_stacked_mnist,
    "emoji": shipped.load_emoji,
    "emoji_edges": shipped.load_emoji_edges,
    "emoji_vendors": shipped.load_emoji_vendors,
    "fashion_mnist": downloads.load_fashion_mnist,
    "cifar10": downloads.load_cifar10,
    **{
        name: functools.partial(public_sets.load_paired_set, name)
        for name in public_sets.PAIRED_SETS
    },
    **{
        name: functools.partial(public_sets.load_unpaired_set, name)
        for name in public_sets.UNPAIRED_SETS
    },
}
_PATH_LOADERS = {
    "folder": folders.load_folder,
    "paired_folder": folders.load_paired_folder,
    "unpaired_folder": folders.load_unpaired_folder,
    "array": arrays.load_array,
}


def names():
    """Returns the names that `load` knows, as a list of strings."""
    return [*_LOADERS, *(f"{kind}:PATH" for kind in _PATH_LOADERS), "PATH.npz"]


def load(name, split="train", value_range=(0.0, 1.0), **options):
    """Loads a data set.

    | name | what | options |
    |---|---|---|
    | `mnist` | digits, 28 x 28 x 1 | |
    | `stacked_mnist` | three digits as channels, 28 x 28 x 3 | `seed=0` |
    | `emoji` | emoji on white, RGB | `vendor="twemoji"`, `"noto"`, `"both"` |
    | `emoji_edges` | pairs: pen drawing, Twemoji | |
    | `emoji_vendors` | pairs: Noto, Twemoji | `paired=False`: two sets |
    | `fashion_mnist`, `cifar10` | downloaded by Keras | |
    | `facades`, `maps`, … | downloaded pairs | see `public_sets.load_paired_set` |
    | `horse2zebra`, … | two sets, too | see `public_sets.load_unpaired_set` |
    | `folder:PATH` | your images | see `folders.load_folder` |
    | `paired_folder:PATH` | your pairs | see `folders.load_paired_folder` |
    | `unpaired_folder:PATH` | two sets | see `folders.load_unpaired_folder` |
    | `array:PATH`, `PATH.npz`, `PATH.npy` | your arrays | see `arrays.load_array` |

    Emoji, folders, and downloaded pairs and two sets take `image_size`.

    Args:
        name: String, see the table.
        split: `"train"`, `"validation"` (for choosing checkpoints and settings) or
            `"test"` (for the final figures alone).
        value_range: Two floats, the values of the darkest and the brightest pixel.
        **options: See the table.

    Returns:
        A `Dataset`, `PairedDataset` or `UnpairedDataset`.

    Raises:
        ValueError: If the name, the split, an option or the value range is unknown.
        FileNotFoundError: If a folder, or the images in it, are missing.
        ConnectionError: If a download fails.

    Example:
    ```python
    digits = datasets.load("mnist", "validation", value_range=(-1, 1))
    digits[0:16]  # (16, 28, 28, 1), float32
    ```
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    loader, path = _find_loader(name)
    _check_options(name, loader, len(path), options)
    return loader(*path, split, check_value_range(value_range), **options)


def _find_loader(name):
    """Returns the function for `name`, and a list of the path in it, if any."""
    kind, colon, path = str(name).partition(":")
    if colon and path and kind in _PATH_LOADERS:
        return _PATH_LOADERS[kind], [path]
    if str(name).lower().endswith((".npz", ".npy")):
        return arrays.load_array, [str(name)]
    if name in _LOADERS:
        return _LOADERS[name], []
    raise ValueError(
        f"Unknown data set. Known are {', '.join(names())}. Received: {name!r}"
    )


def _check_options(name, loader, num_paths, options):
    known = list(inspect.signature(loader).parameters)[2 + num_paths :]
    for option in options:
        if option not in known:
            raise ValueError(
                f"{name!r} takes the options {known}. Received: {option!r}"
            )
