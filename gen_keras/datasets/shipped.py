"""The data that comes with the package: MNIST and 1,911 emoji by two design teams.

And digits stacked to colour images, which are made of MNIST.

Sources and licences stand in `DATA_LICENSES.md`. Twemoji must be credited wherever
it, or what was trained on it, is shown.
"""

import functools
import json
import pathlib

import numpy as np

from gen_keras.datasets import edges
from gen_keras.datasets.dataset import Dataset, PairedDataset, UnpairedDataset
from gen_keras.datasets.folders import parse_size

DATA_DIR = pathlib.Path(__file__).parent / "data"
VENDORS = ("twemoji", "noto")
NUM_VALIDATION = 5000  # The last images of the training file.
# PacGAN trains on 128,000 stacks and counts the modes of 26,000 samples.
NUM_STACKS = {"train": 128_000, "validation": 26_000, "test": 26_000}


def load_mnist(split, value_range):
    """Returns MNIST: 55,000 + 5,000 + 10,000 digits of shape (28, 28, 1)."""
    images, labels = _digits(split)
    return Dataset(
        images[..., None],
        value_range,
        "mnist",
        split,
        labels=labels,
        label_names=[str(digit) for digit in range(10)],
    )


def load_stacked_mnist(split, value_range, seed=0):
    """Returns three random digits each as the channels of an image (28, 28, 3).

    The label is the number that the digits write, 0 to 999: the 1,000 modes of tests of
    mode collapse, see `metrics.stacked_modes`. The stacks of a split are made only of
    the digits of that split; PacGAN and its forerunners draw from all 70,000 digits.

    Args:
        split: `"train"` (128,000 stacks, as PacGAN's), `"validation"` or `"test"`
            (26,000 each).
        value_range: See `load`.
        seed: Integer, chooses the digits.

    Reference:
        Lin et al., PacGAN, 2018, section 4.2. https://arxiv.org/abs/1712.04086
    """
    images, labels = _digits(split)
    shape = NUM_STACKS[split], 3
    chosen = np.random.default_rng(seed).integers(len(images), size=shape)
    return Dataset(
        _Stacks(images, chosen),
        value_range,
        "stacked_mnist",
        split,
        labels=labels[chosen] @ [100, 10, 1],
        label_names=[f"{number:03}" for number in range(1000)],
    )


class _Stacks:
    """Images (n, height, width, 3) whose channels are gray images."""

    def __init__(self, images, chosen):
        self._images = images
        self._chosen = chosen
        self.shape = (len(chosen), *images.shape[1:], 3)

    def __len__(self):
        return len(self._chosen)

    def __getitem__(self, positions):
        return np.moveaxis(self._images[self._chosen[positions]], 1, -1)


def _digits(split):
    """Returns images, uint8 (n, 28, 28), and labels of a split of MNIST."""
    part = "test" if split == "test" else "train"
    with np.load(DATA_DIR / f"mnist_{part}.npz") as file:
        images, labels = file["images"], file["labels"]
    kept = train_or_validation(split, len(images))
    return images[kept], labels[kept]


def train_or_validation(split, num_images):
    """Returns the slice of a file that belongs to `split`; all of a test file."""
    last = {"train": slice(None, -NUM_VALIDATION), "validation": -NUM_VALIDATION}
    kept = last.get(split, slice(None))
    return kept if isinstance(kept, slice) else slice(kept, None)


def load_emoji(split, value_range, vendor="twemoji", image_size=64):
    """Returns emoji on white, RGB, labelled with their categories.

    Args:
        split: `"train"` (1,286), `"validation"` (150) or `"test"` (200).
        value_range: See `load`.
        vendor: `"twemoji"`, `"noto"`, or `"both"`, the one after the other.
        image_size: Integer or `(height, width)`, pixels.
    """
    if vendor not in (*VENDORS, "both"):
        raise ValueError(
            f'`vendor` must be "twemoji", "noto" or "both". Received: vendor={vendor!r}'
        )
    vendors = VENDORS if vendor == "both" else (vendor,)
    images = [_emoji_images(each, split, image_size) for each in vendors]
    options = _emoji_options(split, repeats=len(vendors))
    return Dataset(np.concatenate(images), value_range, "emoji", split, **options)


def load_emoji_vendors(split, value_range, image_size=64, paired=True):
    """Returns the same emoji by two design teams: inputs Noto, targets Twemoji.

    Args:
        split: See `load_emoji`.
        value_range: See `load`.
        image_size: Integer or `(height, width)`, pixels.
        paired: Boolean. `False` gives two sets whose images are not matched.
    """
    inputs = _emoji_images("noto", split, image_size)
    targets = _emoji_images("twemoji", split, image_size)
    if paired:
        options = _emoji_options(split)
        return PairedDataset(
            inputs, targets, value_range, name="emoji_vendors", split=split, **options
        )
    # Without this the images of one position would still be a pair.
    targets = targets[np.random.default_rng(0).permutation(len(targets))]
    return UnpairedDataset(
        inputs, targets, value_range, name="emoji_vendors", split=split
    )


def load_emoji_edges(split, value_range, image_size=64):
    """Returns pairs of a pen drawing, (size, size, 1), and its Twemoji.

    Args:
        split: See `load_emoji`.
        value_range: See `load`. The strokes are dark, the paper white.
        image_size: Integer or `(height, width)`, pixels.
    """
    targets = _emoji_images("twemoji", split, image_size)
    return PairedDataset(
        edges.Edges(targets, background=1.0),
        targets,
        value_range,
        name="emoji_edges",
        split=split,
        **_emoji_options(split),
    )


@functools.lru_cache
def _emoji_table():
    return json.loads((DATA_DIR / "emoji.json").read_text("utf-8"))


def _emoji_options(split, repeats=1):
    """Returns labels and names of the emoji of `split`, as `Dataset` takes them."""
    used = [e for e in _emoji_table()["emoji"] if e["split"] != "excluded"]
    label_names = list(dict.fromkeys(entry["category"] for entry in used))
    chosen = [entry for entry in used if entry["split"] == split] * repeats
    return {
        "labels": [label_names.index(entry["category"]) for entry in chosen],
        "label_names": label_names,
        "example_names": [entry["name"] for entry in chosen],
    }


def _emoji_images(vendor, split, image_size=64):
    """Returns the emoji of `split` as uint8 of shape (n, size, size, 3), on white."""
    chosen = [e["split"] == split for e in _emoji_table()["emoji"]]
    tiles = _emoji_tiles(vendor)[np.array(chosen)]
    size = parse_size(image_size)
    return tiles if size == tiles.shape[1:3] else _resize(tiles, size)


@functools.lru_cache
def _emoji_tiles(vendor):
    """Returns all 1,911 tiles of one sheet, on white, uint8 (1911, 64, 64, 3)."""
    import PIL.Image

    table = _emoji_table()
    tile = table["tile"]
    with PIL.Image.open(DATA_DIR / f"emoji_{vendor}.webp") as sheet:
        white = PIL.Image.new("RGBA", sheet.size, "white")
        white.alpha_composite(sheet.convert("RGBA"))
    pixels = np.asarray(white)[..., :3]
    rows = pixels.reshape(-1, tile, table["columns"], tile, 3)
    return rows.swapaxes(1, 2).reshape(-1, tile, tile, 3)[: len(table["emoji"])]


def _resize(images, size):
    """Returns uint8 images of shape (n, h, w, 3) at the (height, width) `size`."""
    import PIL.Image

    lanczos = PIL.Image.Resampling.LANCZOS
    resized = [PIL.Image.fromarray(x).resize(size[::-1], lanczos) for x in images]
    return np.stack([np.asarray(image) for image in resized])
