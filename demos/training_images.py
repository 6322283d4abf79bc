"""The training images nearest to a sample: whether a model only copies."""

import environment  # noqa: F401, I001 (first)

import functools
import threading

import numpy as np

from gen_keras import datasets


class PixelRows:
    """Images as rows of bytes, whose distances from others are computed.

    Args:
        rows: uint8 array (num_images, num_pixels).
    """

    def __init__(self, rows):
        self.rows = rows
        self.squares = np.concatenate(
            [np.square(part, dtype="float32").sum(axis=1) for part in self._parts()]
        )

    def squared_distances(self, queries):
        """Returns those of float32 queries (n, num_pixels), (n, num_images)."""
        products = np.concatenate(
            [queries @ part.astype("float32").T for part in self._parts()], axis=1
        )
        return self.squares - 2 * products + np.square(queries).sum(axis=1)[:, None]

    def _parts(self, size=5000):
        return (self.rows[i : i + size] for i in range(0, len(self.rows), size))


class TrainingImages(PixelRows):
    """All training images as bytes, to search the nearest of an image.

    Args:
        name: String, a data set as for `datasets.load`.
        image_shape: Tuple, height, width and channels to which the images of a folder
            are brought; `None` takes them as they are.
    """

    def __init__(self, name, image_shape=None):
        options = {}
        if image_shape:
            options = {"image_size": image_shape[:2], "channels": image_shape[2]}
        train = datasets.load(name, split="train", **options)
        self.image_shape = tuple(train.image_shape)
        super().__init__(_to_bytes(train))
        self.reference = self._measure_unseen(name, options)

    def nearest(self, image, count=5):
        """Returns `(images, distances)` of the training images nearest to `image`.

        Args:
            image: uint8 array (height, width, channels).
            count: Integer.

        Returns:
            uint8 images, and root mean square differences of pixels in [0, 1].
        """
        query = image.reshape(1, -1).astype("float32")
        order = np.argsort(self.squared_distances(query)[0])[:count]
        difference = (self.rows[order] - query) / 255
        distances = np.sqrt(np.square(difference).mean(axis=1))
        return self.rows[order].reshape(-1, *self.image_shape), distances

    def _measure_unseen(self, name, options):
        # How far real images that no model was trained on lie from the nearest one.
        try:
            unseen = datasets.load(name, split="validation", **options)
        except FileNotFoundError:  # A small folder may have no such images.
            return None
        if not len(unseen):
            return None
        queries = _to_bytes(unseen.take(min(100, len(unseen)))).astype("float32")
        squared = self.squared_distances(queries).min(axis=1)
        return np.sort(np.sqrt(squared.clip(0) / queries.shape[1]) / 255)


def _to_bytes(dataset, size=5000):
    low, high = dataset.value_range
    parts = [
        np.rint((dataset[np.arange(i, min(i + size, len(dataset)))] - low) * 255)
        for i in range(0, len(dataset), size)
    ]
    rows = np.concatenate([(part / (high - low)).astype("uint8") for part in parts])
    return rows.reshape(len(rows), -1)


_lock = threading.Lock()


@functools.cache
def _read(*args):
    return TrainingImages(*args)


def read(name, image_shape=None):
    """Returns the `TrainingImages` of a data set, read once.

    Args:
        name: String, see `TrainingImages`.
        image_shape: Tuple or `None`, used for a folder only: other data have a shape.
    """
    is_folder = name.startswith("folder:")
    with _lock:
        return _read(name, image_shape if is_folder else None)
