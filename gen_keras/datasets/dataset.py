"""Examples that are decoded, scaled and handed out by index: what `load` returns.

The pixels stay where they are cheap, as bytes in memory or as files on disk, and
become float32 in the value range of a model when they are asked for.
"""

import functools

import numpy as np

from gen_keras.datasets import batches as batches_lib


class Dataset:
    """Images, or anything else that is one array per example.

    `dataset[indices]` gives the examples at a 1-D array of positions (or a slice) as
    float32 of shape `(n, height, width, channels)`; `dataset[3]` gives one example.

    Args:
        images: Array of shape `(n, height, width, channels)`, or what looks like
            one: has `shape` and `len` and takes an array of positions. Either bytes
            (uint8) or float32 in [0, 1].
        value_range: Two floats, what the darkest value (0) and the brightest (byte
            255, or 1.0) become.
        name: String, as given to `load`.
        split: `"train"`, `"validation"` or `"test"`.
        labels: Integer array of shape `(n,)`, or `None`.
        label_names: List of strings, the name of each label, or `None`.
        example_names: List of n strings (an emoji's name, a file's path), or `None`.
        skipped: List of `(path, reason)` of files that could not be used.

    Raises:
        ValueError: If `value_range` is not two numbers in rising order.
    """

    def __init__(
        self,
        images,
        value_range=(0.0, 1.0),
        name="",
        split="train",
        labels=None,
        label_names=None,
        example_names=None,
        skipped=(),
    ):
        self.value_range = check_value_range(value_range)
        self.name = name
        self.split = split
        self.label_names = label_names
        self.skipped = list(skipped)
        self._images = images
        self._labels = None if labels is None else np.asarray(labels, "int64")
        self._example_names = example_names
        self._positions = np.arange(self._count())

    def __len__(self):
        return len(self._positions)

    def __getitem__(self, indices):
        return self._read(self._images, self._positions[indices])

    def __repr__(self):
        return f"<{self.name}, {self.split}: {len(self)} x {self.image_shape}>"

    @property
    def image_shape(self):
        """Height, width and channels of one image."""
        return tuple(self._images.shape[1:])

    @functools.cached_property
    def images(self):
        """All images in one float32 array, made when first asked for."""
        return self[:]

    @property
    def labels(self):
        """Integer array of shape `(n,)`, or `None`."""
        return None if self._labels is None else self._labels[self._positions]

    @property
    def example_names(self):
        """List of one string per example, or `None`."""
        names = self._example_names
        return None if names is None else [names[i] for i in self._positions]

    def take(self, num_examples):
        """Returns a dataset of the first `num_examples` (all, if there are fewer)."""
        if num_examples < 1:
            raise ValueError(
                "`num_examples` must be a positive integer. "
                f"Received: num_examples={num_examples}"
            )
        subset = object.__new__(type(self))
        kept = {k: v for k, v in vars(self).items() if k not in self._ARRAYS}
        vars(subset).update(kept, _positions=self._positions[:num_examples])
        return subset

    def batches(self, batch_size, seed, **options):
        """Returns `Batches` of this dataset; see there for the options."""
        return batches_lib.Batches(self, batch_size, seed, **options)

    def epoch_order(self, rng):
        """Returns the positions of one epoch in the order that `rng` draws."""
        return rng.permutation(len(self))

    # What `cached_property` stores, which a subset must not inherit.
    _ARRAYS = ("images", "inputs", "targets")

    def _count(self):
        return len(self._images)

    def _read(self, images, positions):
        scaled = _scale(images[np.atleast_1d(positions)], self.value_range)
        return scaled if np.ndim(positions) else scaled[0]


class PairedDataset(Dataset):
    """Pairs of images: `dataset[indices]` gives `(inputs, targets)`.

    `fit` takes such a tuple as `x` and `y`. `image_shape` is that of the targets.

    Args:
        inputs: As `images` of `Dataset`.
        targets: As `inputs`, with the same number of images.
        value_range: See `Dataset`, as all further arguments.
        **options: See `Dataset`.

    Raises:
        ValueError: If the numbers of images differ.
    """

    has_partners = True

    def __init__(self, inputs, targets, value_range=(0.0, 1.0), **options):
        if self.has_partners and len(inputs) != len(targets):
            raise ValueError(
                "Pairs need as many targets as inputs. "
                f"Received: {len(inputs)} inputs, {len(targets)} targets"
            )
        self._inputs = inputs
        super().__init__(targets, value_range, **options)

    def __getitem__(self, indices):
        positions = self._positions[indices]
        return self._read(self._inputs, positions), self._read(self._images, positions)

    @property
    def input_shape(self):
        """Height, width and channels of one input."""
        return tuple(self._inputs.shape[1:])

    @property
    def images(self):
        """Not defined: there are two arrays."""
        raise AttributeError("A dataset of pairs has `inputs` and `targets`.")

    @functools.cached_property
    def inputs(self):
        """All inputs in one float32 array."""
        return self._read(self._inputs, self._positions)

    @functools.cached_property
    def targets(self):
        """All targets in one float32 array."""
        return self._read(self._images, self._positions)


class UnpairedDataset(PairedDataset):
    """Two sets of images that have nothing to do with each other, `inputs`, `targets`.

    `dataset[indices]` gives the images at the same position of both, the smaller set
    beginning anew when it ends; the length is that of the larger. `epoch_order` draws
    a partner for each image anew, and `dataset[order]` takes its `(n, 2)` positions.
    """

    has_partners = False

    def __getitem__(self, indices):
        columns = np.asarray(self._positions[indices])
        if columns.ndim < 2:
            columns = np.stack([columns, columns], axis=-1)
        sizes = self._sizes()
        return (
            self._read(self._inputs, columns[..., 0] % sizes[0]),
            self._read(self._images, columns[..., 1] % sizes[1]),
        )

    @functools.cached_property
    def inputs(self):
        """All images of the first set in one float32 array."""
        return self._read(self._inputs, np.arange(self._sizes()[0]))

    @functools.cached_property
    def targets(self):
        """All images of the second set in one float32 array."""
        return self._read(self._images, np.arange(self._sizes()[1]))

    def epoch_order(self, rng):
        """Returns positions `(n, 2)`: each image of the larger set once."""
        return np.stack(
            [_repeated_permutations(rng, size, len(self)) for size in self._sizes()],
            axis=-1,
        )

    def _count(self):
        return max(len(self._inputs), len(self._images))

    def _sizes(self):
        return [min(len(x), len(self)) for x in (self._inputs, self._images)]


def check_value_range(value_range):
    """Returns `value_range` as two floats, or raises a `ValueError`."""
    try:
        low, high = (float(bound) for bound in value_range)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not low < high:
        raise ValueError(
            "`value_range` must be two numbers `(low, high)` with low < high. "
            f"Received: value_range={value_range}"
        )
    return low, high


def _scale(pixels, value_range):
    """Returns bytes, or floats in [0, 1], as float32 in `value_range`."""
    low, high = np.float32(value_range)
    if pixels.dtype == np.uint8:
        pixels = np.divide(pixels, np.float32(255))
    if (low, high) == (0, 1):
        return pixels
    return pixels * (high - low) + low


def _repeated_permutations(rng, size, length):
    """Returns `length` positions below `size`, all used before one comes again."""
    rounds = -(-length // size)
    return np.concatenate([rng.permutation(size) for _ in range(rounds)])[:length]
