"""Images in NumPy files: `.npz` and `.npy`."""

import pathlib

import numpy as np

from gen_keras.datasets import folders
from gen_keras.datasets.dataset import Dataset, check_value_range

IMAGE_KEYS = {
    "train": ("x_train", "x", "images", "train_images"),
    "validation": ("x_validation", "x_val", "x_valid"),
    "test": ("x_test", "test_images"),
}
LABEL_KEYS = {
    "train": ("y_train", "y", "labels", "train_labels"),
    "validation": ("y_validation", "y_val", "y_valid"),
    "test": ("y_test", "test_labels"),
}


def load_array(
    path,
    split,
    value_range,
    source_range=None,
    validation_fraction=0.1,
    test_fraction=0.0,
):
    """Returns the images of a `.npz` or `.npy` file.

    A `.npz` file may hold the splits as `x_train`, `x_validation` and `x_test`, with
    labels `y_…`. Of a single array (`x_train`, `x` or `images`) `split_of` the
    position of an image decides. A `.npy` file stays on disk and is read by batches.

    Args:
        path: String. The images have the shape `(n, height, width)` or
            `(n, height, width, channels)`, 1 to 4 channels, uint8 or floats.
        split: See `load`.
        value_range: See `load`.
        source_range: Two numbers, the values in the file of the darkest and the
            brightest pixel. Default: (0, 255) of integers, (0, 1) of floats.
        validation_fraction: Float in [0, 1), the share of the validation split.
        test_fraction: Float in [0, 1), the share of the test split.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file has no images of that shape, or values that are not
            numbers in `source_range`.
    """
    folders.check_fractions(validation_fraction, test_fraction)
    images, labels, fractions = _read(
        pathlib.Path(path).expanduser(), split, (validation_fraction, test_fraction)
    )
    if images.ndim == 3:
        images = images[..., None]
    _check_shape(path, images)
    source = _Scaled(images, _source_range(path, images, source_range))
    _check_values(path, source)
    kept = [
        i
        for i in range(len(images))
        if not fractions or folders.split_of(str(i), *fractions) == split
    ]
    if not kept:
        raise ValueError(
            f"None of the {len(images)} images of {path} falls to the {split!r} split. "
            "Received: (validation_fraction, test_fraction)="
            f"{(validation_fraction, test_fraction)}"
        )
    if labels is not None:
        labels = np.asarray(labels).reshape(-1)[kept]
    subset = _Subset(source, np.array(kept)) if fractions else source
    return Dataset(subset, value_range, f"array:{path}", split, labels=labels)


def _read(path, split, fractions):
    """Returns images, labels or `None`, and the fractions to split them by, if any."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        file = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise ValueError(f"{path} is not a NumPy file of numbers: {error}") from error
    if isinstance(file, np.ndarray):
        return file, None, fractions
    with file:
        here = {s: _first(IMAGE_KEYS[s], file) for s in IMAGE_KEYS}
        if split == "test" and here["test"]:
            source, fractions = "test", None
        elif here["validation"] and split != "test":
            source, fractions = split, None
        else:
            source = "train"
            fractions = (fractions[0], 0.0 if here["test"] else fractions[1])
        if not here[source]:
            raise ValueError(
                f"{path} has none of the arrays {', '.join(IMAGE_KEYS[source])}. "
                f"It has: {', '.join(file.files) or 'nothing'}"
            )
        labels = _first(LABEL_KEYS[source], file)
        images = file[here[source]]
        labels = file[labels] if labels else None
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"{path} has {len(images)} images and {len(labels)} labels.")
    return images, labels, fractions


def _first(keys, file):
    return next((key for key in keys if key in file.files), None)


def _check_shape(path, images):
    if images.ndim != 4 or not 1 <= images.shape[-1] <= 4 or 0 in images.shape:
        raise ValueError(
            f"The images of {path} must have shape (n, height, width) or (n, height, "
            f"width, 1 to 4), none of them 0. Received: shape {images.shape}"
        )


def _source_range(path, images, source_range):
    if source_range is not None:
        try:
            return check_value_range(source_range)
        except ValueError as error:
            message = str(error).replace("value_range", "source_range")
            raise ValueError(message) from None
    if images.dtype.kind not in "buif":
        raise ValueError(
            f"The images of {path} must be integers or floats. "
            f"Received: dtype {images.dtype}"
        )
    if images.dtype.kind in "bf":
        return 0.0, 1.0
    return 0.0, 255.0


def _check_values(path, source):
    """Looks at all values once, a part at a time."""
    for start in range(0, len(source), 1024):
        values = source.raw(np.arange(start, min(start + 1024, len(source))))
        low, high = values.min(), values.max()
        if np.isnan(low) or np.isnan(high):
            bad = start + np.isnan(values).any(axis=(1, 2, 3)).argmax()
            raise ValueError(f"Image {bad} of {path} has values that are NaN.")
        if low < source.range[0] or high > source.range[1]:
            raise ValueError(
                f"The values of {path} must lie in {source.range}; else pass "
                f"`source_range`. Received: values from {low} to {high}"
            )


class _Scaled:
    """An array whose values come as bytes, or as floats in [0, 1]."""

    def __init__(self, images, source_range):
        self._images = images
        self.range = source_range
        self.shape = images.shape

    def __len__(self):
        return len(self._images)

    def raw(self, positions):
        return np.asarray(self._images[positions])

    def __getitem__(self, positions):
        images, (low, high) = self.raw(positions), self.range
        if images.dtype == np.uint8 and self.range == (0, 255):
            return images
        return ((images.astype("float64") - low) / (high - low)).astype("float32")


class _Subset:
    """Some images of an array."""

    def __init__(self, images, kept):
        self._images = images
        self._kept = kept
        self.shape = (len(kept), *images.shape[1:])

    def __len__(self):
        return len(self._kept)

    def __getitem__(self, positions):
        return self._images[self._kept[positions]]
