"""What every generative model shares: its configuration, its state, its contract."""

import contextlib
import inspect
import math
import random
import warnings

import keras
import numpy as np
from keras import ops

from gen_keras import backend, latents, presets


class GenerativeModel(backend.Trainer):
    """Base class of all models.

    A subclass implements `sample(num_samples, seed)`, `train_step(data)` and, if it can
    be evaluated, `test_step(data)`. It names the scalars that they report in
    `metric_names`. It keeps each argument of `__init__` and of `compile` in an
    attribute of the same name; `get_config` and `get_compile_config` rely on that.

    Args:
        seed: Integer or `None`, seed of all sampling. Initial weights are drawn from
            the seed of `keras.utils.set_random_seed` instead.

    Attributes:
        value_range: Pair of floats, the values of black and white in images.
        usage: String, a line of code that uses a trained `model`.
        remedy: String, what to do if training gives what is not finite.
    """

    metric_names = ("loss",)
    value_range = (0.0, 1.0)
    usage = "samples = model.sample(16, seed=0)"
    remedy = "Try a lower learning rate."

    def __init__(self, seed=None):
        super().__init__()
        self.seed = seed
        self.seed_generator = backend.SeedGenerator(seed)
        self.means = Means(self.metric_names)
        self._refusal = None  # Why weights of a file were not taken.

    @property
    def metrics(self):
        """The running means of `metric_names`; Keras resets them each epoch."""
        return [self.means]

    def update_metrics(self, logs, num_examples=None):
        """Adds `logs`, means over `num_examples`, to the metrics; returns these.

        `None` gives each batch the weight 1. `logs` may hold some of the metrics only.
        """
        self.means.update_state(logs, num_examples)
        return self.means.result()

    def sample(self, num_samples, seed=None):
        """Returns `num_samples` samples in the value range of the data.

        Args:
            num_samples: Integer.
            seed: Integer or `None`. One seed gives one result, on the same backend.
                `None` draws from the model's own stream, which goes on.

        Returns:
            Tensor of shape (num_samples, ...).
        """
        raise NotImplementedError

    def train_step(self, data):
        """Updates the model on one batch and returns the metrics."""
        raise NotImplementedError

    def test_step(self, data):
        """Returns the metrics after one more batch, without an update."""
        raise NotImplementedError

    @contextlib.contextmanager
    def seeded(self, seed):
        """Starts all random streams at `seed` and puts them back afterwards.

        For calls from outside, not for compiled steps. `None` changes nothing.
        """
        if seed is None:
            yield
            return
        if seed < 0:
            raise ValueError(f"`seed` must not be negative. Received: {seed}")
        states = self.seed_states
        before = [ops.convert_to_numpy(state).copy() for state in states]
        self.start_streams(seed)
        try:
            yield
        finally:
            for state, value in zip(states, before, strict=True):
                state.assign(value)

    def start_streams(self, seed):
        """Starts the random streams of the model and of its layers at `seed`.

        `None` draws one as Keras does, from what `keras.utils.set_random_seed` sets.
        """
        seed = random.randrange(2**31) if seed is None else seed
        for i, state in enumerate(self.seed_states):
            is_own = state is self.seed_generator.state
            start = backend.spread_seed(seed if is_own else (seed, i))
            state.assign(np.array([start, 0]).astype(state.dtype))

    # Presets --------------------------------------------------------------------------

    @classmethod
    def from_preset(cls, name):
        """Returns a trained model that comes with the package.

        Args:
            name: String, one of `presets()`, or the path of a `.keras` file.

        Returns:
            The model, not compiled.

        Raises:
            ValueError: If there is no such preset, or it is of another class.

        Example:
        >>> DCGAN.from_preset("dcgan_mnist").sample(16, seed=0).shape
        (16, 28, 28, 1)
        """
        model = presets.load(name)
        if not isinstance(model, cls):
            raise ValueError(
                f"`name` must be a preset of {cls.__name__}: "
                f"{', '.join(cls.presets()) or 'there is none'}. Received: {name}, "
                f"a {type(model).__name__}"
            )
        return model

    @classmethod
    def presets(cls):
        """Returns the names of the presets of this class, with their metadata."""
        names = {subclass.__name__ for subclass in _with_subclasses(cls)}
        return {
            name: row for name, row in presets.table().items() if row["model"] in names
        }

    # Configuration --------------------------------------------------------------------

    def compile(self, optimizer, **options):
        """Sets the optimizer.

        Args:
            optimizer: `keras.optimizers.Optimizer`, or `backend.Optimizers`.
            **options: `jit_compile`, `run_eagerly`, `steps_per_execution` and so on,
                see `keras.Model.compile`.
        """
        self.compile_options = options
        super().compile(optimizer=optimizer, **options)
        self.optimizer.build(self.trainable_variables)

    def get_config(self):
        """Returns the arguments of `__init__`, read from the attributes they set."""
        return _serialize_arguments(self, "__init__")

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns a model built from the result of `get_config`."""
        return cls(**_deserialize(config, custom_objects))

    def get_compile_config(self):
        """Returns the arguments of `compile`, read from the attributes they set."""
        if not self.compiled:
            return {}
        # What was asked for, not what Keras made of it: "auto" differs by backend.
        options = dict(self.compile_options)
        return _serialize_arguments(self, "compile") | options

    def compile_from_config(self, config):
        """Compiles the model with the result of `get_compile_config`."""
        self.compile(**_deserialize(config))

    # State ----------------------------------------------------------------------------

    @property
    def seed_states(self):
        """The variables of all seed generators, those of layers included."""
        return [v for v in self.variables if v.name == "seed_generator_state"]

    def save_own_variables(self, store):
        """Saves the variables that no layer owns, and the states of all seeds.

        Keras leaves the seeds out. Training goes on exactly only with them.
        """
        super().save_own_variables(store)
        for i, state in enumerate(self.seed_states):
            store[f"seed_{i}"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        """Loads what `save_own_variables` saved."""
        stored = {name: store[name] for name in store.keys()}
        if not stored and self._refusal:
            raise self._refusal  # Keras tries a part again where the file has nothing.
        self._check_count(stored)
        for i, state in enumerate(self.seed_states):
            # Backends differ in the integers of seeds; all keep their 32 bits.
            bits = np.asarray(stored.pop(f"seed_{i}")).astype("uint32")
            state.assign(bits.astype(keras.backend.standardize_dtype(state.dtype)))
        self._check_stored(stored)
        super().load_own_variables(stored)

    def _check_count(self, stored):
        own = [*self._trainable_variables, *self._non_trainable_variables]
        expected = len(own) + len(self.seed_states)
        if stored and len(stored) != expected:
            self._refuse(f"it has {len(stored)} variables, this model {expected}")

    def _check_stored(self, stored):
        variables = [*self._trainable_variables, *self._non_trainable_variables]
        for name, variable in enumerate(variables):
            shape = np.shape(stored.get(str(name), variable))
            if shape != tuple(variable.shape):
                self._refuse(
                    f"its `{variable.name}` has the shape {shape}, that of this model "
                    f"is {tuple(variable.shape)}"
                )

    def _refuse(self, difference):
        self._refusal = ValueError(
            f"The file has other settings: {difference}. Make the model with the "
            "settings of the file, or load model and weights together by "
            "`keras.models.load_model`."
        )
        raise self._refusal


class Means(keras.metrics.Metric):
    """Running means of several scalars.

    One `keras.metrics.Mean` for each would take a large part of a small step on torch.

    Args:
        names: Sequence of strings, the names of the scalars.
    """

    def __init__(self, names):
        super().__init__(name="means")
        self.names = tuple(names)
        shape = (2, len(names))  # Totals and weights.
        self.totals = self.add_variable(shape, "zeros", name="totals")

    def update_state(self, logs, num_examples=None):
        """Adds a batch.

        Args:
            logs: Dict of scalar tensors, means over the batch, some or all of `names`.
            num_examples: Integer or scalar tensor, the weight of the batch; `None`
                means 1.
        """
        zero = ops.zeros((), self.dtype)
        values = [ops.cast(logs.get(name, zero), self.dtype) for name in self.names]
        is_given = ops.array([name in logs for name in self.names], self.dtype)
        update = ops.stack([ops.stack(values), is_given])
        if num_examples is not None:
            update = update * ops.cast(num_examples, self.dtype)
        self.totals.assign_add(update)

    def result(self):
        """Returns a dict of the means; 0 before the first value."""
        totals = ops.convert_to_tensor(self.totals)
        means = totals[0] / ops.maximum(totals[1], keras.config.epsilon())
        return {name: means[i] for i, name in enumerate(self.names)}


class InBlocks:
    """A mixin, before a small model: one call trains on a block of batches.

    The overhead of a call is that of several steps of a model for points of the plane.
    """

    def train_step(self, data):
        """Takes a step for each batch of examples (steps, batch, ...)."""
        examples, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        step = super().train_step

        def body(i, nothing):
            step(examples[i])
            return nothing

        backend.fori_loop(0, ops.shape(examples)[0], body, ops.zeros(()))
        return self.means.result()


class CheckedData:
    """A mixin, before the base: arrays that do not suit end in one clear error.

    The model has the shape of an example in `image_shape`, or a `check_data` of its
    own.
    """

    def fit(self, x=None, *args, **kwargs):
        """Trains, see `keras.Model.fit`.

        Raises:
            ValueError: If `x`, or that of `validation_data`, is an array or a tensor of
                another shape than an example has, or of other values than the model
                takes: images outside of `value_range`, an attribute to be set where
                networks of one's own have another.
        """
        options = inspect.signature(keras.Model.fit).bind(self, x, *args, **kwargs)
        held_out = options.arguments.get("validation_data")
        self._check_given(x)
        self._check_given(keras.utils.unpack_x_y_sample_weight(held_out)[0])
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        """Returns the metrics, see `fit` and `keras.Model.evaluate`."""
        # `fit` evaluates each epoch what it has checked before.
        if not kwargs.get("_use_cached_eval_dataset"):
            self._check_given(x)
        return super().evaluate(x, *args, **kwargs)

    def check_data(self, examples):
        """Raises a `ValueError` on an array (num_examples, ...) that does not suit."""
        check_examples(examples, self.image_shape, self.value_range)

    def _check_given(self, examples):
        """Checks an array or a tensor; what streams batches is not looked at."""
        is_tensor = ops.is_tensor(examples)
        self._check_array(ops.convert_to_numpy(examples) if is_tensor else examples)

    def _check_array(self, examples):
        """Checks NumPy arrays alone: what comes from outside, not from a graph."""
        if isinstance(examples, np.ndarray):
            self.check_data(examples)


class LatentSpace:
    """What models that decode latents offer besides sampling; a mixin.

    The model implements `sample_latents(num_samples, seed)` and `decode(latents)`, and
    has its decoder as one Keras model in `sampler`. Its latents begin with `latent_dim`
    numbers of noise; what may follow is what else the decoder is told.
    """

    def interpolate(self, start, end, num_steps, spherical=False):
        """Decodes the way from one latent to another.

        Args:
            start: Array of shape (latent_dim,).
            end: Array of shape (latent_dim,).
            num_steps: Integer of at least 2, the images including both ends.
            spherical: Boolean, whether the noise goes along a great circle.

        Returns:
            Images of shape (num_steps, height, width, channels).
        """
        return self.decode(
            latents.interpolate(start, end, num_steps, spherical, self.latent_dim)
        )

    def arithmetic(self, minuend, subtrahend, addend):
        """Decodes mean(minuend) - mean(subtrahend) + mean(addend).

        Single latents are unstable; Radford et al., 2015, section 6.3.2 average three.

        Args:
            minuend: Array of shape (num_latents, latent_dim).
            subtrahend: Array of shape (num_latents, latent_dim).
            addend: Array of shape (num_latents, latent_dim).

        Returns:
            One image, shape (1, height, width, channels).
        """
        return self.decode(latents.arithmetic(minuend, subtrahend, addend))

    def save_generator(self, path):
        """Writes the map from latents to images as a plain Keras model.

        `keras.models.load_model` loads it on any backend, without this package.

        Args:
            path: File name ending in ".keras".
        """
        self.sampler.save(path)


class Translator:
    """What models that turn images into images offer; a mixin, before the base.

    The model has its map from images to images as one Keras model in `generator`.
    """

    @property
    def usage(self):
        """String, a line of code that uses a trained `model`."""
        low, high = self.value_range
        shape = f"(batch, height, width, {self.input_channels})"
        return f"outputs = model.translate(images)  # {shape} in [{low:g}, {high:g}]"

    def translate_by(self, network, images, multiple, minimum=1, **options):
        """Returns what a network makes of images whose size it may not take.

        They are padded by reflection on all sides, the outputs cropped back.

        Args:
            network: Model from images to images of the same size.
            images: Array of shape (batch, height, width, channels).
            multiple: Integer, what the network's heights and widths are multiples of.
            minimum: Integer, the least height and width it takes.
            **options: Arguments of the network's call, such as `training`.

        Raises:
            ValueError: If the shape of `images` does not suit the network.
        """
        images = ops.convert_to_numpy(images).astype("float32")
        channels = network.input_shape[-1]
        if images.ndim != 4 or images.shape[-1] != channels:
            raise ValueError(
                f"`images` must have the shape (batch, height, width, {channels}). "
                f"Received: {images.shape}"
            )
        height, width = images.shape[1:3]
        extra = [
            max(side, minimum) - side + -max(side, minimum) % multiple
            for side in (height, width)
        ]
        (top, bottom), (left, right) = ((n // 2, n - n // 2) for n in extra)
        borders = ((0, 0), (top, bottom), (left, right), (0, 0))
        with backend.no_gradients():
            outputs = network(np.pad(images, borders, "reflect"), **options)
        return outputs[:, top : top + height, left : left + width]

    def save_generator(self, path):
        """Writes the map from images to images as a plain Keras model.

        `keras.models.load_model` loads it on any backend, without this package;
        `export` makes a SavedModel or an ONNX file of it.

        Args:
            path: File name ending in ".keras".
        """
        self.generator.save(path)


class WithClasses:
    """A model that trains on images with integer classes; a mixin, before the model.

    Attributes:
        num_classes: Integer.
    """

    def classes_in_turn(self, num_samples):
        """Returns integers (num_samples,): 0, 1, ..., num_classes - 1, 0, 1, ..."""
        return np.arange(num_samples) % self.num_classes

    def choose_classes(self, num_samples, classes):
        """Returns integers (num_samples,).

        Args:
            num_samples: Integer.
            classes: Integer, one class for all; array of integers (num_samples,); or
                "random".

        Raises:
            ValueError: If `classes` are anything else.
        """
        if isinstance(classes, str) and classes == "random":
            draws = backend.uniform((num_samples,), seed=self.seed_generator)
            return ops.cast(draws * self.num_classes, "int32")
        return check_labels(
            "classes", classes, num_samples, self.num_classes, ", or 'random'"
        )

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains, see `keras.Model.fit`.

        Raises:
            ValueError: If classes are given as an array, and one is out of range, or
                those of `validation_data`.
        """
        self._check_classes(x, y)
        held_out = keras.utils.unpack_x_y_sample_weight(kwargs.get("validation_data"))
        self._check_classes(*held_out[:2], name="validation_data[1]")
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Returns the losses, see `fit` and `keras.Model.evaluate`."""
        self._check_classes(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def _check_classes(self, images, classes, name="y"):
        if classes is not None:
            check_labels(name, np.reshape(classes, -1), len(images), self.num_classes)

    def unpack(self, data):
        """Returns images and one-hot classes, from what `fit` hands over.

        A class out of range is NaN, and so are the losses.
        """
        images, classes, _ = keras.utils.unpack_x_y_sample_weight(data)
        if classes is None:
            raise ValueError(
                f"{type(self).__name__} trains on images with classes: "
                "fit(images, classes). Received: images only"
            )
        if len(classes.shape) > 1 and classes.shape[-1] != 1:
            raise ValueError(
                "`classes` must be integers, one an image. "
                f"Received: the shape {tuple(classes.shape)}"
            )
        classes = ops.reshape(ops.cast(classes, "int32"), (-1, 1))
        is_known = ops.logical_and(classes >= 0, classes < self.num_classes)
        known = ops.clip(classes[:, 0], 0, self.num_classes - 1)
        one_hot = ops.one_hot(known, self.num_classes)
        images = ops.convert_to_tensor(images)
        return images, ops.where(is_known, one_hot, np.nan)


def check_at_least(model, minimum, *names):
    """Raises a `ValueError` if one of the attributes of a model is less."""
    for name in names:
        check_range(name, getattr(model, name), minimum)


def check_range(name, value, low, high=math.inf):
    """Raises a `ValueError` if a number is less than `low` or greater than `high`."""
    if not low <= value <= high:
        limits = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"`{name}` must be {limits}. Received: {value}")


def check_examples(examples, shape, value_range):
    """Raises a `ValueError` if an array is not of a shape and range, NaN included.

    Images of another range train without an error, and badly. A hundredth of the range
    beyond its ends is let pass: resizing overshoots. Warns if none is below 0 where
    half of the range is.

    Args:
        examples: Array (num_examples, *shape).
        shape: Tuple of integers, of one example.
        value_range: Pair of floats.
    """
    if examples.shape[1:] != tuple(shape):
        raise ValueError(
            f"`x` must have the shape {(None, *shape)}. Received: {examples.shape}"
        )
    if not examples.size:
        return
    low, high = value_range
    least, greatest = examples.min(), examples.max()
    slack = 0.01 * (high - low) if math.isfinite(high - low) else 0.0
    if not (low - slack <= least and greatest <= high + slack):
        raise ValueError(
            f"`x` must be from {low:g} to {high:g}. Received: values from {least:g} to "
            f"{greatest:g}"
        )
    if least >= 0 > low and math.isfinite(low):
        warnings.warn(
            f"`x` has no value below 0, though black is {low:g}. "
            f"`datasets.load` takes `value_range={value_range}`",
            stacklevel=2,
        )


def check_labels(name, labels, num_samples, num_labels, alternative=""):
    """Returns labels (num_samples,), integers from 0 to `num_labels` - 1.

    Args:
        name: String, the argument to name in an error.
        labels: Integer, one for all, or array of integers (num_samples,).
        num_samples: Integer.
        num_labels: Integer.
        alternative: String, what else the argument may be.

    Raises:
        ValueError: If `labels` are anything else.
    """
    given = np.asarray(
        ops.convert_to_numpy(labels) if ops.is_tensor(labels) else labels
    )
    if given.dtype.kind in "iu" and given.shape in ((), (num_samples,)):
        if np.all((0 <= given) & (given < num_labels)):
            return np.broadcast_to(given, (num_samples,)).astype("int32")
    received = labels
    if given.size > 10 and given.dtype != object:
        # Sorted, so that what is left out is in between.
        values = np.array2string(np.unique(given), threshold=10)
        received = f"{values} in an array of {given.shape}"
    raise ValueError(
        f"`{name}` must be an integer from 0 to {num_labels - 1}, or an array of "
        f"{num_samples}{alternative}. Received: {received}"
    )


def _with_subclasses(cls):
    yield cls
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)


def _serialize_arguments(obj, method):
    names = _argument_names(type(obj), method)
    return {
        name: keras.saving.serialize_keras_object(getattr(obj, name)) for name in names
    }


def _argument_names(cls, method):
    """Returns the names of what a method takes, and of what it hands to its parent."""
    names = []
    for owner in cls.__mro__:
        if method in vars(owner):
            parameters = list(
                inspect.signature(vars(owner)[method]).parameters.values()
            )[1:]
            hands_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
            names += [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
            # The options of `compile` go to Keras.
            if not hands_on or method == "compile":
                break
    return list(dict.fromkeys(names))


def _deserialize(config, custom_objects=None):
    return {
        name: keras.saving.deserialize_keras_object(value, custom_objects)
        for name, value in config.items()
    }
