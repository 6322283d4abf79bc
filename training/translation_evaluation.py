"""Figures of models that turn images into images."""

import functools

import numpy as np
from evaluation import Evaluation
from translation_helpers import translate_in_batches

from gen_keras import image_grids, metrics
from gen_keras.datasets import UnpairedDataset

NETWORK = "emoji_vendors"


class TranslationEvaluation(Evaluation):
    """Outputs beside the targets, or beside real images; see `Evaluation`.

    A model of one direction maps inputs to targets; one of two directions maps a, the
    inputs, to b, the targets, and back.
    """

    def suited(self):
        """Returns the names of the metrics that suit the model and the data."""
        is_emoji = self.dataset.startswith("emoji_")
        return (
            ["translation"] * self.has_pairs
            + ["cycle"] * self.goes_both_ways
            + ["kernel_distance", "vendor"] * is_emoji
        )

    @property
    def has_pairs(self):
        """Whether each target belongs to an input."""
        return not isinstance(self.real, UnpairedDataset)

    @property
    def goes_both_ways(self):
        """Whether there is a generator for each direction."""
        return hasattr(self.model, "reconstruct")

    @functools.cached_property
    def sides(self):
        """Direction to (source images, images of the other domain), all in [0, 1]."""
        inputs, targets = self.real.inputs, self.real.targets
        there = {"a_to_b": (inputs, targets)}
        return there | ({"b_to_a": (targets, inputs)} if self.goes_both_ways else {})

    @functools.cached_property
    def outputs(self):
        """Direction to translated images in [0, 1], without noise."""
        return {name: self.translate(x, name) for name, (x, _) in self.sides.items()}

    @functools.cached_property
    def others(self):
        """As many training (inputs, targets), evenly spaced: a yardstick.

        The first would be of one kind, as the faces among emoji.
        """
        spread = np.linspace(0, len(self.train) - 1, len(self.real)).astype(int)
        return self.train[spread]

    @functools.cached_property
    def looked_up(self):
        """The target of the training input that is nearest to each input."""
        return self.train.targets[find_nearest(self.real.inputs, self.train.inputs)]

    def draw(self, count=12):
        """Returns rows of evenly spaced inputs, outputs, lookups, targets as uint8.

        The lookups are left out where targets do not belong to inputs.
        """
        inputs, targets = self.sides["a_to_b"]
        rows = [inputs, self.outputs["a_to_b"]]
        if self.has_pairs:
            rows += [self.looked_up, targets]
        chosen = np.linspace(0, len(inputs) - 1, min(count, len(inputs))).astype(int)
        images = np.concatenate([_in_colour(row[chosen]) for row in rows])
        return image_grids.make_grid(images, columns=len(chosen), padding=2)

    def translate(self, images, direction="a_to_b", method="translate", **options):
        """Returns the outputs in [0, 1] of images in [0, 1]."""
        low, high = self.model.value_range
        if self.goes_both_ways:
            options["direction"] = direction
        function = getattr(self.model, method)
        images = images * (high - low) + low
        with self.model.seeded(self.config.seed):
            outputs = translate_in_batches(function, images, 50, **options)
        return np.clip((outputs - low) / (high - low), 0, 1)

    def measure_translation(self):
        """Returns the error and the retrieval of true targets, beside baselines."""
        if not self.has_pairs:
            raise ValueError(
                f"`translation` needs pairs. Received: dataset={self.dataset!r}"
            )
        inputs, targets = self.sides["a_to_b"]
        others = self.others
        unchanged = np.broadcast_to(inputs, targets.shape)
        figures = {
            "outputs": self.score(self.outputs["a_to_b"], targets),
            "input": self.score(unchanged, targets),
            "nearest_training_pair": self.score(self.looked_up, targets),
            "mean_of_both": self.score((unchanged + self.looked_up) / 2, targets),
            "training_pairs": self.score(self.translate(others[0]), others[1]),
        }
        if self.goes_both_ways:
            figures["b_to_a"] = self.score(self.outputs["b_to_a"], inputs)
        else:
            noisy = self.translate(inputs, stochastic=True)
            figures["stochastic"] = self.score(noisy, targets)
        return (
            f"{self.num_real}, deterministic outputs. Mean absolute error of pixels in "
            "[0, 1]; top 1 and top 5: is the true target the nearest, or among the "
            f"five nearest, of the {len(targets):,} targets, by the Euclidean distance "
            "of pixels. Intervals: bootstrap over images, 95 %, 10,000 resamples, seed "
            f"{self.config.seed}. input: the input unchanged. nearest_training_pair: "
            "the target of the training input with the least mean absolute "
            "difference. mean_of_both: the mean of these two images. training_pairs: "
            f"outputs of {len(targets):,} evenly spaced training inputs, retrieved "
            "among as many. b_to_a: the other direction, of models that have it. "
            "stochastic: one output with noise, likewise.",
            figures,
        )

    def score(self, images, targets):
        """Returns error and retrieval of images beside their targets."""
        ranks = metrics.retrieval_ranks(images, targets)
        errors = np.abs(images - targets).mean(axis=(1, 2, 3))
        figures = {}
        for name, values in (
            ("mean_absolute_error", errors),
            ("top_1", ranks < 1),
            ("top_5", ranks < 5),
        ):
            figures[name] = values.mean()
            figures[f"{name}_interval"] = metrics.bootstrap_interval(
                values, seed=self.config.seed
            )
        return figures

    def measure_cycle(self):
        """Returns the error of what comes back after the full circle."""
        figures = {}
        for direction, (images, _) in self.sides.items():
            back = self.translate(images, direction, "reconstruct")
            errors = np.abs(back - images).mean(axis=(1, 2, 3))
            figures[direction] = errors.mean()
            figures[f"{direction}_interval"] = metrics.bootstrap_interval(
                errors, seed=self.config.seed
            )
        return (
            f"{self.num_real} of each domain. Mean absolute error of pixels in [0, 1] "
            "after both generators. Intervals: bootstrap over images, 95 %.",
            figures,
        )

    def measure_kernel_distance(self):
        """Returns the kernel distance of outputs, inputs and other real images."""
        network = metrics.load_feature_network(NETWORK)

        def measure(images, real, paired=self.has_pairs):
            features = (
                metrics.extract_features(network, _in_colour(x)) for x in (real, images)
            )
            return metrics.kernel_distance(*features, paired=paired)

        others = dict(zip(("b_to_a", "a_to_b"), self.others, strict=True))
        return (
            f"Kernel distance (the KID's) to {self.num_real} of the other domain, in "
            f"the 64 features of the {NETWORK} classifier, not comparable with "
            "Inception's. input: the images before translation; training_images: "
            "as many of the other domain, evenly spaced. Images of one emoji are not "
            "compared.",
            {
                direction: {
                    "outputs": measure(self.outputs[direction], real),
                    "input": measure(images, real),
                    "training_images": measure(others[direction], real, paired=False),
                }
                for direction, (images, real) in self.sides.items()
            },
        )

    def measure_vendor(self):
        """Returns for whose drawings a classifier takes the outputs."""
        network = metrics.load_classifier(NETWORK)

        def share(images, vendor):
            logits = metrics.extract_features(network, _in_colour(images))
            return np.mean(logits.argmax(axis=1) == vendor)

        vendors = {"a_to_b": 1, "b_to_a": 0}
        return (
            f"{self.num_real}. The share that the {NETWORK} classifier takes for "
            "drawings of the other domain, Twemoji (a_to_b) or Noto (b_to_a). input: "
            "of the images before; real_images: of real ones.",
            {
                direction: {
                    "outputs": share(self.outputs[direction], vendors[direction]),
                    "input": share(images, vendors[direction]),
                    "real_images": share(real, vendors[direction]),
                }
                for direction, (images, real) in self.sides.items()
            },
        )


def find_nearest(images, references):
    """Returns the index of the reference of least mean absolute difference of each."""
    references = references.reshape(len(references), -1)
    return np.array(
        [
            np.abs(references - image.reshape(-1)).mean(axis=1).argmin()
            for image in images
        ]
    )


def _in_colour(images):
    return np.broadcast_to(images, (*images.shape[:3], 3))
