"""Batches for `fit` in an order that a resumed run can repeat, and transforms."""

import concurrent.futures
import threading

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Shuffled batches that are a function of seed, epoch and step alone.

    A run that was stopped goes on with the very batches it had not seen yet: give
    the epoch and the step it had reached. The next batch is read in a background
    thread while the model computes on this one. Each example comes at most once an
    epoch; a last batch smaller than `batch_size` is dropped.

    Pass it to `fit` with `shuffle=False`: what `fit` shuffles depends on the global
    random state, which a resumed run does not have. Outside `fit`, each
    `for batch in batches` is one epoch. An epoch that was stopped begins anew.

    Args:
        data: A `Dataset`, an array whose first axis counts examples, or a tuple of
            such of one length, as `(images, labels)`.
        batch_size: Integer, at most the number of examples.
        seed: Integer, 0 or larger.
        first_epoch: Integer, the epoch to begin with, as `initial_epoch` of `fit`.
        first_step: Integer, the step of the first epoch to begin with. If it is not
            0, the batches are for the rest of that one epoch: make new ones for the
            epochs after it.
        transform: Function of a batch and a `numpy.random.Generator` that returns
            the batch to train on, such as `binarize`. Its generator is
            `numpy.random.default_rng((seed, epoch, step))`.

    Attributes:
        steps_per_epoch: Integer, the number of steps of a full epoch. `len(batches)`
            is `steps_per_epoch - first_step`.

    Raises:
        ValueError: If an argument is out of range, or if `fit` asks for the batches
            in another order.

    Example:
    ```python
    batches = Batches(datasets.load("mnist"), batch_size=100, seed=0)
    model.fit(batches, shuffle=False, epochs=10)
    ```
    """

    def __init__(
        self, data, batch_size, seed, first_epoch=0, first_step=0, transform=None
    ):
        super().__init__()
        self.examples = data if hasattr(data, "epoch_order") else _Arrays(data)
        self.batch_size = batch_size
        self.seed = seed
        self.first_epoch = first_epoch
        self.first_step = first_step
        self.transform = transform
        self._check_arguments()
        self.steps_per_epoch = len(self.examples) // batch_size
        if not 0 <= first_step < self.steps_per_epoch:
            raise ValueError(
                f"`first_step` must be at least 0 and below {self.steps_per_epoch}, "
                "the steps of an epoch; what follows is step 0 of the next epoch. "
                f"Received: first_step={first_step}"
            )
        self._epoch = first_epoch  # The one that runs, or else the next one.
        self._in_epoch = False
        self._next_index = 0
        self._was_reset = False
        self._orders = {}
        self._future = (None, None)
        self._reader = concurrent.futures.ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="batches"
        )
        # On TensorFlow `fit` reads the batches in a thread of its own.
        self._lock = threading.RLock()

    def __len__(self):
        return self.steps_per_epoch - self.first_step

    def __getitem__(self, index):
        """Returns the batch of one step."""
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches. Received: index={index}")
        with self._lock:
            self._follow(index)
            key = (self._epoch, self.first_step + index)
            prefetched, future = self._future
            if prefetched != key:
                future = self._reader.submit(self._read, *key)
            if self._in_epoch and index + 1 < len(self):
                following = (key[0], key[1] + 1)
                self._future = following, self._reader.submit(self._read, *following)
        return future.result()

    def __iter__(self):
        self.on_epoch_begin()
        try:
            for index in range(len(self)):
                yield self[index]
        finally:  # A loop that was left early begins this epoch anew.
            self._end_epoch()

    # Which epoch it is. Keras also looks at some batches before the first epoch of
    # `fit`, some of them between `on_epoch_begin` and `on_epoch_end`, depending on the
    # backend and on whether the model is built. Such looks must not count. What marks
    # an epoch is that all its batches were read, and that it is not the first to end:
    # each `fit` and `evaluate` calls `on_epoch_end` once before its first epoch.

    def on_epoch_begin(self):
        """Begins the next epoch; Keras calls it."""
        with self._lock:
            if self.first_step and self._epoch > self.first_epoch:
                raise ValueError(
                    f"Batches with `first_step` are for epoch {self.first_epoch} "
                    "alone. Make new ones for the epochs after it. "
                    f"Received: first_step={self.first_step}"
                )
            self._in_epoch = True
            self._next_index = 0

    def on_epoch_end(self):
        """Ends the epoch; Keras calls it."""
        with self._lock:
            if not self._was_reset:
                self._was_reset = True
                self._in_epoch = False
            self._end_epoch()

    def _end_epoch(self):
        if self._in_epoch and self._next_index == len(self):
            self._epoch += 1
        self._in_epoch = False

    def _follow(self, index):
        """Notes which batches of an epoch were read; none may be skipped."""
        if index == 0 and self._next_index > 0:  # A new `fit` after a stopped epoch.
            self._in_epoch = False
        if not self._in_epoch:
            return
        if index > self._next_index:
            raise ValueError(
                "The batches must be read in their own order, which a resumed run can "
                "repeat. Pass `shuffle=False` and no `steps_per_epoch` to `fit`. "
                f"Received: step {index} instead of {self._next_index}"
            )
        self._next_index = max(self._next_index, index + 1)

    def _check_arguments(self):
        if not 1 <= self.batch_size <= len(self.examples):
            raise ValueError(
                "`batch_size` must be at least 1 and at most the number of examples, "
                f"{len(self.examples)}. Received: batch_size={self.batch_size}"
            )
        for name in ("seed", "first_epoch"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"`{name}` must be an integer of 0 or larger. "
                    f"Received: {name}={getattr(self, name)}"
                )

    def _read(self, epoch, step):
        """Returns a batch. Only the reader thread comes here."""
        start = step * self.batch_size
        batch = self.examples[self._order(epoch)[start : start + self.batch_size]]
        if self.transform is None:
            return batch
        return self.transform(batch, np.random.default_rng((self.seed, epoch, step)))

    def _order(self, epoch):
        if epoch not in self._orders:
            # The fourth number keeps this stream apart from those of `transform`:
            # to NumPy, (seed, epoch) and (seed, epoch, 0) are the same seed.
            rng = np.random.default_rng((self.seed, epoch, 0, 1))
            self._orders = {epoch: self.examples.epoch_order(rng)}
        return self._orders[epoch]


class _Arrays:
    """Arrays in memory with the part of the interface of `Dataset` that is needed."""

    def __init__(self, arrays):
        self.is_tuple = isinstance(arrays, (tuple, list))
        self.arrays = tuple(
            array if hasattr(array, "epoch_order") else np.asarray(array)
            for array in (arrays if self.is_tuple else (arrays,))
        )
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) != 1:
            raise ValueError(
                f"All arrays of `data` must have one length. Received: {lengths}"
            )

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, indices):
        taken = tuple(array[indices] for array in self.arrays)
        return taken if self.is_tuple else taken[0]

    def epoch_order(self, rng):
        return rng.permutation(len(self))


# Transforms


def binarize(batch, rng):
    """Returns 0 or 1 for each pixel, 1 with the pixel's value as probability.

    Args:
        batch: Array of any shape, values in [0, 1].
        rng: `numpy.random.Generator`.

    Returns:
        float32 array of the shape of `batch`.

    Raises:
        ValueError: If a value lies outside [0, 1].
    """
    if batch.min() < 0 or batch.max() > 1:
        raise ValueError(
            "`binarize` takes values in [0, 1]. "
            f"Received: values in [{batch.min()}, {batch.max()}]"
        )
    return (batch > rng.random(batch.shape, "float32")).astype("float32")


def random_flip(batch, rng):
    """Mirrors each image left to right with probability 1/2.

    Args:
        batch: Array of shape `(n, height, width, channels)`, or a tuple of them, of
            which the images at one position are mirrored together; labels `(n,)` among
            them stay as they are.
        rng: `numpy.random.Generator`.

    Returns:
        As `batch`.
    """
    images = batch if isinstance(batch, tuple) else (batch,)
    mirrored = rng.random(len(images[0])) < 0.5
    choice = mirrored[:, None, None, None]
    flipped = tuple(
        np.where(choice, x[:, :, ::-1], x) if x.ndim == 4 else x for x in images
    )
    return flipped if isinstance(batch, tuple) else flipped[0]


def random_jitter(batch, rng, scale=286 / 256):
    """Enlarges images, cuts out their old size at random, mirrors half of them.

    Args:
        batch: See `random_flip`; the images at one position are treated alike.
        rng: `numpy.random.Generator`.
        scale: Float of at least 1, how much larger they become.

    Returns:
        As `batch`.

    Reference:
        Isola et al., 2017, section 6.2: 256 x 256 to 286 x 286.
    """
    images = batch if isinstance(batch, tuple) else (batch,)
    num_images, height, width, _ = images[0].shape
    rows = _random_crops(height, scale, num_images, rng)
    columns = _random_crops(width, scale, num_images, rng)
    mirrored = rng.random(num_images) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    jittered = tuple(
        # Bicubic interpolation overshoots.
        np.clip(_resample(x, rows, columns), x.min(), x.max())
        for x in images
    )
    return jittered if isinstance(batch, tuple) else jittered[0]


def _random_crops(side, scale, num_images, rng):
    """Returns matrices (num_images, side, side) that enlarge and cut out."""
    import PIL.Image

    larger = round(side * scale)
    # Resizing is linear: its matrix is what it makes of the identity.
    identity = PIL.Image.fromarray(np.eye(side, dtype="float32"))
    matrix = np.asarray(identity.resize((side, larger), PIL.Image.Resampling.BICUBIC))
    starts = rng.integers(0, larger - side + 1, num_images)
    return matrix[starts[:, None] + np.arange(side)]


def _resample(images, rows, columns):
    """Returns rows @ image @ columns.T for each channel of each image."""
    num_images, height, width, channels = images.shape
    x = (rows @ images.reshape(num_images, height, -1)).reshape(images.shape)
    x = x.swapaxes(1, 2).reshape(num_images, width, -1)
    return (columns @ x).reshape(num_images, width, height, channels).swapaxes(1, 2)
