"""What all evaluations share: data, batches, and how figures are gathered."""

import functools
import sys

import keras
import numpy as np
from script_helpers import dataset_options, in_batches

from gen_keras import datasets


class Evaluation:
    """One model beside its data; each `measure_*` returns a protocol and figures.

    Args:
        model: `GenerativeModel`, or a classifier.
        dataset: String, see `gen_keras.datasets.load`.
        config: `evaluate.Config`.
    """

    def __init__(self, model, dataset, config):
        self.model = model
        self.dataset = dataset
        self.config = config

    def run(self):
        """Returns two dicts, protocols and figures, with a key for each metric."""
        names = self.config.metrics.split(",") if self.config.metrics else self.suited()
        for name in names:
            if not hasattr(self, f"measure_{name}"):
                known = [n[8:] for n in dir(self) if n.startswith("measure_")]
                raise ValueError(
                    f"--metrics knows {', '.join(known)}. Received: {name}"
                )
            if not self.can_measure(name):
                raise ValueError(
                    f"{name} is {self.needs[name][0]}. Received: "
                    f"{type(self.model).__name__}, dataset={self.dataset!r}"
                )
        results = {}
        for name in names:
            print(f"Measuring {name} …", flush=True)
            results[name] = getattr(self, f"measure_{name}")()
        protocols = {name: protocol for name, (protocol, _) in results.items()}
        return protocols, {name: figures for name, (_, figures) in results.items()}

    # Of a metric: what it is of, and whether that is what there is (by default yes).
    needs = {}

    def can_measure(self, name):
        """Returns whether a metric suits the model and the data."""
        _, suits = self.needs.get(name, ("", None))
        return suits is None or suits(self)

    # Data -----------------------------------------------------------------------------

    def load(self, split, max_images=0):
        """Returns the `Dataset` of a split in [0, 1]."""
        images = datasets.load(self.dataset, split, **dataset_options(self.config))
        limits = [n for n in (max_images, self.config.max_images) if n]
        return images.take(min(limits)) if limits else images

    @functools.cached_property
    def real(self):
        """The held-out images."""
        return self.load(self.config.split)

    @functools.cached_property
    def train(self):
        """The training images."""
        return self.load("train")

    @functools.cached_property
    def others(self):
        """As many training images as there are held-out images: a yardstick."""
        return self.load("train", max_images=len(self.real))

    @property
    def num_real(self):
        """String, the number of held-out images and their split."""
        return f"{len(self.real):,} {self.config.split} images"

    def map_batches(self, function, images, batch_size=100):
        """Returns the float64 results of `function` over batches, one per image."""
        progress = keras.utils.Progbar(
            len(images), verbose=int(sys.stdout.isatty()), unit_name="image"
        )
        results = []
        with self.model.seeded(self.config.seed):
            for batch in in_batches(images, batch_size):
                results.append(keras.ops.convert_to_numpy(function(batch)))
                progress.add(len(batch))
        return np.concatenate(results).astype("float64")


def standard_error(values):
    """Returns the standard error of the mean of independent values."""
    return values.std(ddof=1) / np.sqrt(len(values))
