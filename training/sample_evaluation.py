"""Figures of models that sample or have a likelihood, and of classifiers."""

import functools
import pathlib
import sys

import annealing
import keras
import numpy as np
import retrieval_figures
from evaluation import Evaluation, standard_error
from script_helpers import in_batches, with_labels

from gen_keras import HammingIndex, datasets, metrics
from gen_keras.models import RBM, ClassRBM, SemanticHashing

# What the networks that features come from are called in protocols.
NETWORKS = {
    "mnist": "digit classifier",
    "emoji": "emoji network, which tells one emoji from another, and Noto's drawings "
    "from Twemoji's",
}
INCEPTION = (
    "Keras' InceptionV3 (ImageNet), averaged over the image; neither the weights nor "
    "the resizing of the reference code"
)
SUMMED_OUT = (
    "a tighter one, with the odd layers summed out, given "
    f"{annealing.NUM_SAMPLES} samples of the even ones; the gap is from it"
)
OF_FEATURES = (
    *("frechet_distance", "kernel_distance"),
    *("precision_recall", "density_coverage"),
)
NUM_SAMPLES = {"mnist": 10_000, "stacked_mnist": 26_000}


def _needs(*methods, labels=False, dataset=None):
    """Returns a function that tells whether an evaluation has what is named."""
    return lambda evaluation: (
        all(getattr(evaluation.model, method, None) for method in methods)
        and (not labels or evaluation.real.labels is not None)
        and dataset in (None, evaluation.dataset)
    )


def _has_features_alone(evaluation):
    return evaluation.model.name == "feature_network"


class SampleEvaluation(Evaluation):
    """Samples, likelihoods and classifications; see `Evaluation`."""

    needs = {
        "accuracy": (
            "the accuracy of a classifier",
            lambda evaluation: (
                not hasattr(evaluation.model, "sample")
                and not _has_features_alone(evaluation)
            ),
        ),
        "retrieval": ("of a feature network, of pairs", _has_features_alone),
        "classifier": ("of digits", _needs("sample", dataset="mnist")),
        **dict.fromkeys(
            [*OF_FEATURES, "neighbors", "memorization"],
            ("of a model that samples", _needs("sample")),
        ),
        "stacked_modes": (
            "of a model of stacked_mnist",
            _needs("sample", dataset="stacked_mnist"),
        ),
        "class_diversity": (
            "of a model that takes classes, of data with classes",
            _needs("num_classes", labels=True),
        ),
        "class_consistency": (
            "of a model that takes the digit",
            _needs("num_classes", labels=True, dataset="mnist"),
        ),
        "categories": (
            "of a model with codes, of data with classes",
            _needs("infer_codes", labels=True),
        ),
        "encoder": (
            "of a model with an encoder and a discriminator, of data with classes",
            _needs("extract_features", labels=True),
        ),
        "bounds": ("of a model with a lower bound", _needs("iwae_bound")),
        "likelihood": (
            "of a Boltzmann machine of binary units in layers",
            lambda evaluation: annealing.suits(evaluation.model),
        ),
        "classification": (
            "of a ClassRBM, of data with classes",
            lambda evaluation: (
                isinstance(evaluation.model, ClassRBM)
                and evaluation.real.labels is not None
            ),
        ),
        "codes": (
            "of a model with binary codes, of data with classes",
            lambda evaluation: (
                isinstance(evaluation.model, SemanticHashing)
                and evaluation.real.labels is not None
            ),
        ),
    }

    def suited(self):
        """Returns the names of the metrics that suit the model and the data."""
        of_samples = ["neighbors", "memorization"]
        if self.network is not None:
            of_samples = [*OF_FEATURES, *of_samples]
        names = of_samples
        mains = (
            *("accuracy", "retrieval", "likelihood", "bounds", "stacked_modes"),
            *("classification", "codes"),
        )
        for main in mains:
            if self.can_measure(main):
                names = [main]
        if self.can_measure("classifier") and names == of_samples:
            names = ["classifier", *of_samples]
        extra = ("class_diversity", "class_consistency", "categories", "encoder")
        return names + [name for name in extra if self.can_measure(name)]

    @property
    def num_samples(self):
        """Integer, the samples to draw."""
        return self.config.num_samples or NUM_SAMPLES.get(self.dataset, 1000)

    @property
    def drawn(self):
        """String, the number of samples and their seed."""
        of_classes = getattr(self.model, "num_classes", None)
        return f"{self.num_samples:,} samples (seed {self.config.seed}" + (
            ", all classes equally often)" if of_classes else ")"
        )

    @functools.cached_property
    def samples(self):
        """Samples of the model in [0, 1], shape (num_samples, h, w, c).

        Those of a model that takes classes are of each in turn.
        """
        if getattr(self.model, "num_classes", None):
            return self.class_samples
        return self.draw()

    @functools.cached_property
    def classes(self):
        """The classes that `class_samples` are made for: each in turn."""
        return self.model.classes_in_turn(self.num_samples)

    @functools.cached_property
    def class_samples(self):
        """Samples as above, of `classes`."""
        return self.draw(classes=self.classes)

    def draw(self, **conditions):
        """Returns samples in [0, 1], see `metrics.draw_samples`."""
        samples = metrics.draw_samples(
            self.model, self.num_samples, self.config.seed, **conditions
        )
        return metrics.to_unit_range(samples, self.model.value_range)

    @functools.cached_property
    def other_images(self):
        """As many training images as held-out ones: a yardstick.

        Digits are in random order: the first. Emoji are not, and the first would be of
        one kind, as faces: evenly spaced ones.
        """
        if self.dataset == "mnist":
            return self.others.images
        return self.train[
            np.linspace(0, len(self.train) - 1, len(self.real)).astype(int)
        ]

    @property
    def network(self):
        """String, the network that features come from, or `None`."""
        if self.config.network:
            return self.config.network
        if self.dataset == "emoji" and self.real.image_shape == (64, 64, 3):
            return "emoji"
        return "mnist" if self.dataset == "mnist" else None

    @functools.cached_property
    def features(self):
        """Features by name: samples, at most as many as real images, real, others."""
        if self.network is None:
            raise ValueError(
                "Features are known of mnist, and of emoji of 64 x 64 pixels; for "
                "others name a --network. "
                f"Received: dataset={self.dataset!r}"
            )
        if min(len(self.samples), len(self.real)) < 10:
            raise ValueError(
                "Distances want 10 samples and images at least: --num-samples, "
                f"--max-images. Received: {len(self.samples)} and {len(self.real)}"
            )
        network = metrics.load_feature_network(self.network)
        return {
            name: metrics.extract_features(network, images)
            for name, images in (
                ("samples", self.samples[: len(self.real)]),
                ("real", self.real.images),
                ("others", self.other_images),
            )
        }

    @property
    def setting(self):
        """String, what is compared in which features."""
        others = f"{len(self.features['others']):,}"
        is_first = self.dataset == "mnist"
        others = f"the first {others}" if is_first else f"{others}, evenly spaced,"
        num_features = self.features["real"].shape[1]
        if self.network == "inception":
            network = INCEPTION
        else:
            network = NETWORKS.get(self.network, pathlib.Path(self.network).name)
            network = f"the {network}; not comparable with Inception's"
        return (
            f"{len(self.features['samples']):,} samples (seed {self.config.seed}) "
            f"against {self.num_real} in the {num_features} features of {network}. "
            f"training_images: {others} in place of samples."
        )

    def compare(self, metric):
        """Returns what a metric says of samples, and of other real images."""
        features = self.features
        figures = metric(features["real"], features["samples"])._asdict()
        others = metric(features["real"], features["others"])._asdict()
        return figures | {"training_images": others}

    def binarize(self, images):
        """Returns 0 or 1 for each pixel, the same ones for one seed."""
        return datasets.binarize(images, np.random.default_rng(self.config.seed))

    # Samples --------------------------------------------------------------------------

    def measure_accuracy(self):
        """Returns how well a classifier does."""
        figures = self.score_classifier(self.real)
        figures["validation"] = self.score_classifier(self.load("validation"))
        return (
            f"{self.num_real}; the standard error is binomial. confident_share: the "
            "greatest probability is 0.95 or more. Nothing was chosen by test images.",
            figures,
        )

    def score_classifier(self, data):
        """Returns the figures of a classifier on labelled images."""
        images, labels = with_labels(data)
        logits = metrics.extract_features(self.model, images)
        accuracy = np.mean(logits.argmax(axis=1) == labels)
        return {
            "accuracy": accuracy,
            "standard_error": np.sqrt(accuracy * (1 - accuracy) / len(images)),
            "confident_share": metrics.classifier_scores(logits).confident_share,
        }

    def measure_retrieval(self):
        """Returns how often the nearest of the other vendor's drawings is the same."""

        def score(pairs, see):
            seen = [see(images) for images in (pairs.inputs, pairs.targets)]
            ranks = metrics.retrieval_ranks(*(x - x.mean(axis=0) for x in seen))
            return {"top_1": np.mean(ranks < 1), "top_5": np.mean(ranks < 5)}

        def see(images):
            return metrics.extract_features(self.model, images)

        return (
            f"{self.num_real} of either vendor. top_1: the share of Noto's drawings "
            "whose nearest one by Twemoji is of the same emoji, by the Euclidean "
            "distance of the features less each vendor's mean; top_5: is among the "
            "five nearest. pixels: the same by pixels.",
            score(self.real, see)
            | {"pixels": score(self.real, lambda images: images)}
            | {"validation": score(self.load("validation"), see)},
        )

    def measure_classifier(self):
        """Returns what the digit classifier says about samples."""
        network = metrics.load_classifier("mnist")

        def score(images):
            logits = metrics.extract_features(network, images)
            return metrics.classifier_scores(logits)._asdict()

        return (
            f"{self.drawn}; the digit classifier's greatest "
            "probability is 0.95 or more (confident_share); classes by its guess. "
            f"real_images: the same of {self.num_real}.",
            score(self.samples) | {"real_images": score(self.real.images)},
        )

    def measure_frechet_distance(self):
        """Returns the Fréchet distance of samples, and of other real images."""
        features = self.features
        return self.setting, {
            "samples": metrics.frechet_distance(features["real"], features["samples"]),
            "training_images": metrics.frechet_distance(
                features["real"], features["others"]
            ),
        }

    def measure_kernel_distance(self):
        """Returns the kernel distance with its standard error, likewise."""
        smallest = min(len(self.features["samples"]), len(self.real))
        block_size = min(1000, smallest // 2)
        measure = functools.partial(
            metrics.kernel_distance_with_error,
            block_size=block_size,
            seed=self.config.seed,
        )
        return (
            f"The KID's, the mean of 100 random blocks of {block_size:,} (seed "
            f"{self.config.seed}); {self.setting} standard_error: by a jackknife, of "
            "the mean; block_deviation: of one block, which papers report.",
            self.compare(measure),
        )

    def measure_precision_recall(self):
        """Returns improved precision and recall of samples, and of real images."""
        return f"k = 3, {self.setting}", self.compare(metrics.precision_recall)

    def measure_density_coverage(self):
        """Returns density and coverage of samples, and of real images."""
        return f"k = 5, {self.setting}", self.compare(metrics.density_coverage)

    def measure_neighbors(self):
        """Returns how near samples come to training images, and how many are copies."""
        train = self.train.images
        threshold = metrics.copy_threshold(train)

        def score(images):
            copies = metrics.count_copies(images, train, threshold)
            return {
                "distinct": len(np.unique(copies.neighbors.indices)),
                "copies": copies.count,
                "copy_share": copies.share,
                "mean_distance": copies.neighbors.distances.mean(),
            }

        return (
            f"{self.drawn}, Euclidean distance of pixels in [0, 1] to the "
            f"nearest of {len(train):,} training images. A copy is at most the "
            "copy_threshold away, the 1st percentile of the distance from a training "
            "image to the nearest other one. real_images: the same of "
            f"{self.num_real}.",
            score(self.samples)
            | {
                "copy_threshold": threshold,
                "real_images": score(self.real.images),
            },
        )

    def measure_memorization(self):
        """Returns whether samples are nearer to training images than to unseen ones."""

        def score(images):
            return metrics.memorization(
                images, self.train.images, self.real.images, self.config.seed
            )._asdict()

        figures = score(self.samples)
        if self.config.split == "test":
            figures["validation_images"] = score(self.load("validation").images)
        return (
            f"The share of {self.drawn} that are nearer to one of "
            f"{figures['num_references']:,} training images (random, seed "
            f"{self.config.seed}) than to any of as many {self.config.split} images, "
            "by the Euclidean distance of pixels in [0, 1]; 0.5 without memory if both "
            "are of one source, for which see validation_images, these in place of "
            "samples. The standard error is binomial.",
            figures,
        )

    def measure_stacked_modes(self):
        """Returns how many of 1,000 stacks of digits samples show, and how evenly."""
        network = metrics.load_classifier("mnist")

        def score(images):
            digits = metrics.classify_channels(network, images)
            return metrics.stacked_modes(digits)._asdict()

        return (
            f"{self.drawn}; the digit classifier's guess of each of the three "
            "channels. modes: of 1,000, with a sample at least. reverse_kl: KL(samples "
            f"‖ uniform) in nats. real_images: the same of {self.num_real}.",
            score(self.samples) | {"real_images": score(self.real.images)},
        )

    # Samples of classes ---------------------------------------------------------------

    def measure_class_diversity(self):
        """Returns how alike samples of one class are, and real images."""
        num_scales = metrics.max_scales(*self.real.image_shape[:2])

        def score(images, labels):
            return metrics.class_diversity(
                images, labels, seed=self.config.seed, num_scales=num_scales
            )._asdict()

        real = score(self.real.images, self.real.labels)
        return (
            f"MS-SSIM at {num_scales} scales of 100 random pairs within each class "
            f"(seed {self.config.seed}), of {self.drawn}; the less, "
            f"the more diverse. real_images: the same of {self.num_real}.",
            score(self.class_samples, self.classes) | {"real_images": real},
        )

    def measure_class_consistency(self):
        """Returns how often a classifier sees the class that was asked for."""
        network = metrics.load_classifier("mnist")

        def score(images, classes):
            logits = metrics.extract_features(network, images)
            return metrics.class_consistency(logits, classes)._asdict()

        real = score(self.real.images, self.real.labels)
        return (
            f"The share of {self.drawn} in which the digit "
            "classifier sees the class asked for; the standard error is "
            f"binomial. real_images: the same of {self.num_real} and their labels.",
            score(self.class_samples, self.classes) | {"real_images": real},
        )

    # Representations ------------------------------------------------------------------

    def as_inputs(self, images):
        """Returns images in [0, 1] as the model takes them."""
        low, high = self.model.value_range
        return (low + images * (high - low)).astype("float32")

    def measure_categories(self):
        """Returns how often InfoGAN's category is another than the digit's."""

        def infer(images):
            def read(batch):
                return self.model.infer_codes(self.as_inputs(batch))[0]

            return self.map_batches(read, images).argmax(axis=1)

        chosen = self.load("validation")
        matched = metrics.match_categories(
            infer(chosen.images), chosen.labels, self.model.num_categories
        )
        wrong = matched[infer(self.real.images)] != self.real.labels
        return (
            f"{self.num_real}; each category stands for the digit that it most often "
            f"has among {len(chosen):,} validation images. The standard error is "
            "binomial.",
            {
                "error": wrong.mean(),
                "standard_error": standard_error(wrong),
                "digits_of_categories": matched,
            },
        )

    def measure_encoder(self):
        """Returns errors of nearest neighbours: among features, latents and pixels."""
        train, real = self.train, self.real

        def by_network(function):
            return lambda images: self.map_batches(
                lambda batch: function(self.as_inputs(batch)), images
            )

        def rebuild(batch):
            outputs = self.model.reconstruct(self.as_inputs(batch))
            return metrics.to_unit_range(
                keras.ops.convert_to_numpy(outputs), self.model.value_range
            )

        def classify(make):
            return metrics.neighbor_error(
                make(real.images), real.labels, make(train.images), train.labels
            )

        error = classify(by_network(self.model.extract_features))
        rebuilt = self.map_batches(rebuild, real.images)
        protocol = (
            f"{self.num_real}, each classified as the nearest of {len(train):,} "
            "training images, by the Euclidean distance of the inputs of the encoder's "
            "last layer (neighbor_error), of latents (neighbor_error_of_latents) or of "
            "pixels (neighbor_error_of_pixels); the standard error is binomial. "
            "reconstruction_error: the mean square of the difference of pixels in "
            "[0, 1]."
        )
        figures = {
            "neighbor_error": error,
            "standard_error": np.sqrt(error * (1 - error) / len(real)),
            "neighbor_error_of_latents": classify(by_network(self.model.encode)),
            "neighbor_error_of_pixels": classify(lambda images: images),
            "reconstruction_error": np.square(rebuilt - real.images).mean(),
        }
        if self.dataset == "mnist":
            protocol += (
                " other_digits: the share of reconstructions that the digit classifier "
                "takes for another digit than the label."
            )
            network = metrics.load_classifier("mnist")
            guesses = metrics.extract_features(network, rebuilt).argmax(axis=1)
            figures["other_digits"] = np.mean(guesses != real.labels)
        return protocol, figures

    # Likelihoods ----------------------------------------------------------------------

    def measure_bounds(self):
        """Returns the ELBO and the IWAE bound, as negative log likelihoods."""
        images = self.real.images
        binary = getattr(self.model, "likelihood", "bernoulli") == "bernoulli"
        if binary:
            images = self.binarize(images)
        num_samples, seed = self.config.importance_samples, self.config.seed
        elbo = self.map_batches(
            lambda batch: self.model.elbo(batch, num_samples=100), images
        )
        figures = {
            "negative_elbo": -elbo.mean(),
            "negative_elbo_standard_error": standard_error(elbo),
        }
        if num_samples:
            bound = self.map_batches(
                lambda batch: self.model.iwae_bound(batch, num_samples), images
            )
            figures |= {
                "negative_iwae_bound": -bound.mean(),
                "negative_iwae_bound_standard_error": standard_error(bound),
            }
        return (
            self.num_real
            + (f", binarized stochastically once, seed {seed}; " if binary else "; ")
            + "ELBO averaged over 100 samples of z, IWAE bound "
            f"with K = {num_samples:,}. Nats per image, upper bounds of the negative "
            "log likelihood; standard errors over images.",
            figures,
        )

    def measure_likelihood(self):
        """Returns the test NLL of an RBM, or a bound of it, with log Z by annealing."""
        config, model = self.config, self.model
        schedule = annealing.make_schedule(config.num_temperatures)
        likelihood = annealing.Likelihood(
            *(model, self.train.images, schedule, config.num_chains),
            seed=config.seed,
            verbose=int(sys.stdout.isatty()),
        )
        real, log_z = self.binarize(self.real.images), likelihood.log_z
        values = likelihood.measure_nll(real)
        seen = likelihood.measure_nll(self.binarize(self.others.images))
        name = "nll" if isinstance(model, RBM) else "nll_bound"
        tighter = likelihood.measure_summed_out(real, f"{name}_summed_out")
        return (
            f"{self.num_real}, binarized stochastically once, seed "
            f"{config.seed}; log Z by annealed importance sampling, "
            f"{config.num_chains} chains of {len(schedule) - 1:,} temperatures"
            + ("" if config.num_temperatures else " (Salakhutdinov and Murray, 2008)")
            + f" {annealing.BASES}. Nats per image. nll_range: "
            "from log Z less and plus three standard errors; log_weight_range: over "
            f"chains. backwards_gap: how much more reverse annealing (RAISE) gives "
            f"{min(annealing.NUM_BACKWARDS, len(real))} of the images. "
            f"train_{name}: the first "
            f"{len(self.others):,} training images."
            + ("" if name == "nll" else " nll_bound: an upper bound of the NLL.")
            + (f" {name}_summed_out: {SUMMED_OUT}." if tighter else ""),
            {
                name: values.mean(),
                "nll_standard_error_of_images": standard_error(values),
                "nll_range": [
                    values.mean() + sign * 3 * log_z.standard_error for sign in (-1, 1)
                ],
                f"train_{name}": seen.mean(),
                "log_partition": log_z.log_partition,
                "log_partition_standard_error": log_z.standard_error,
                "log_weight_range": log_z.log_weight_range,
                "log_weight_deviation": log_z.log_weights.std(ddof=1),
            }
            | likelihood.compare_bases()
            | tighter
            | likelihood.measure_gap(real),
        )

    def measure_classification(self):
        """Returns the share of held-out images that a model takes for another class."""
        images, labels = with_labels(self.real)
        classes = [self.model.classify(batch) for batch in in_batches(images, 1000)]
        error = np.mean(np.concatenate(classes) != labels)
        return (
            f"{self.num_real}, in gray; the standard error is binomial.",
            {
                "error": error,
                "standard_error": np.sqrt(error * (1 - error) / len(images)),
            },
        )

    def measure_codes(self):
        """Returns how well codes find training images of a held-out image's class."""
        images, labels = with_labels(self.train)
        queries, query_labels = with_labels(self.real)
        codes, query_codes = self.model.encode(images), self.model.encode(queries)
        index = HammingIndex(codes)
        relevant = retrieval_figures.rank_by_codes(
            index, labels, query_codes, query_labels
        )
        self.model.compile()
        loss = self.model.evaluate(queries, batch_size=100, verbose=0)
        return (
            f"{self.num_real} as queries among {len(images):,} training images, by the "
            "Hamming distance of codes, ties in a random order; of the query's class "
            "is relevant. precision_at_10: the share of relevant images among the ten "
            "nearest; mean_average_precision: over all. "
            "reconstruction: cross-entropy of gray pixels from codes, nats an image.",
            retrieval_figures.summarize(relevant)
            | {
                "num_bits": codes.shape[1],
                "distinct_codes": retrieval_figures.count_distinct(codes),
                "reconstruction": loss,
            },
        )
