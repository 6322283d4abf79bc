"""Metrics of a model's samples while it trains."""

import keras
import numpy as np

from gen_keras.metrics.density_coverage import density_coverage
from gen_keras.metrics.features import as_features
from gen_keras.metrics.kernel_distance import kernel_distance
from gen_keras.metrics.nearest_neighbors import flatten
from gen_keras.metrics.networks import extract_features
from gen_keras.metrics.precision_recall import precision_recall


class SampleMetrics:
    """Compares samples of a model with real examples, for `callbacks.Measure`.

    The real ones are validation data, so that the best model is not chosen by test
    data. The figures of different numbers of samples cannot be compared.

    Args:
        network: Keras model of `load_feature_network`, or `None`: the examples are
            their own features, as points of the plane are.
        real: Array of validation examples, images in [0, 1] if there is a network. They
            and the samples must be at least 6.
        num_samples: Integer or `None`: as many as real examples.
        seed: Integer, of the samples: the same noise each time.

    Example:
    >>> network = metrics.load_feature_network("mnist")
    >>> digits = datasets.load("mnist", "validation").take(1000)
    >>> measure = metrics.SampleMetrics(network, digits.images)
    >>> watch = [
    ...     callbacks.Measure(lambda: measure(model), every=5),
    ...     callbacks.TensorBoard("runs/model"),
    ...     callbacks.BestModel("runs/model/best.keras", "val_kernel_distance"),
    ... ]
    >>> model.fit(images, epochs=25, callbacks=watch)
    """

    def __init__(self, network, real, num_samples=None, seed=0):
        self.network = network
        self.num_samples = len(real) if num_samples is None else num_samples
        self.seed = seed
        self.real_features = self._extract(np.asarray(real))
        as_features(self.real_features, self.real_features, minimum=6)

    def __call__(self, model, **conditions):
        """Returns a dict of names and floats.

        They are `val_kernel_distance`, the less the better, and `val_precision`,
        `val_recall` (k = 3), `val_density` and `val_coverage` (k = 5).

        Args:
            model: `GenerativeModel`.
            **conditions: See `draw_samples`.
        """
        samples = draw_samples(model, self.num_samples, self.seed, **conditions)
        if self.network is not None:
            samples = to_unit_range(samples, model.value_range)
        sets = self.real_features, self._extract(samples)
        figures = {"kernel_distance": kernel_distance(*sets)}
        figures |= precision_recall(*sets)._asdict()
        figures |= density_coverage(*sets)._asdict()
        return {f"val_{name}": value for name, value in figures.items()}

    def _extract(self, examples):
        if self.network is None:
            return flatten(examples)
        return extract_features(self.network, examples)


def draw_samples(model, num_samples, seed=0, batch_size=250, **conditions):
    """Returns samples as an array, drawn in batches: all at once could be too large.

    Args:
        model: `GenerativeModel`.
        num_samples: Integer.
        seed: Integer. The model's own random streams are put back afterwards.
        batch_size: Integer. Another one gives other samples.
        **conditions: What `model.sample` takes by name, such as `classes`: arrays
            (num_samples, ...), or single values for all samples.

    Returns:
        Array (num_samples, ...) in the value range of the model.

    Raises:
        ValueError: If `num_samples` is not positive.
    """
    if num_samples < 1:
        raise ValueError(f"`num_samples` must be at least 1. Received: {num_samples}")
    batches = []
    with model.seeded(seed):
        for start in range(0, num_samples, batch_size):
            part = slice(start, min(start + batch_size, num_samples))
            given = {
                name: values[part] if np.ndim(values) else values
                for name, values in conditions.items()
            }
            samples = model.sample(part.stop - start, **given)
            batches.append(keras.ops.convert_to_numpy(samples))
    return np.concatenate(batches)


def to_unit_range(images, value_range):
    """Returns images clipped to `value_range` and scaled to [0, 1]."""
    low, high = value_range
    return np.clip((images - low) / (high - low), 0, 1)
