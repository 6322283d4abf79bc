"""Figures of models that sample or have a likelihood, and of classifiers."""

import functools
import sys

import keras
import numpy as np
from evaluation import Evaluation, standard_error
from script_helpers import in_batches, with_labels

from gen_keras import datasets, metrics


class SampleEvaluation(Evaluation):
    """Samples, likelihoods and classifications; see `Evaluation`."""

    def suited(self):
        """Returns the names of the metrics that suit the model and the data."""
        if not hasattr(self.model, "sample"):
            return ["accuracy"]
        if hasattr(self.model, "log_partition"):
            return ["likelihood"]
        if hasattr(self.model, "iwae_bound"):
            return ["bounds"]
        if self.dataset == "mnist":
            return ["classifier", "frechet_distance", "precision_recall", "neighbors"]
        return ["neighbors"]

    @functools.cached_property
    def samples(self):
        """Samples of the model in [0, 1], shape (num_samples, h, w, c)."""
        num_samples = self.config.num_samples
        num_samples = num_samples or (10000 if self.dataset == "mnist" else 1000)
        low, high = self.model.value_range
        with self.model.seeded(self.config.seed):
            batches = [
                keras.ops.convert_to_numpy(self.model.sample(len(part)))
                for part in in_batches(np.arange(num_samples), 250)
            ]
        return np.clip((np.concatenate(batches) - low) / (high - low), 0, 1)

    @functools.cached_property
    def features(self):
        """Features of digits by name: samples, real, others."""
        network = metrics.load_feature_network("mnist")
        return {
            name: metrics.extract_features(network, images)
            for name, images in (
                ("samples", self.samples),
                ("real", self.real.images),
                ("others", self.others.images),
            )
        }

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

    def measure_classifier(self):
        """Returns what the digit classifier says about samples."""
        network = metrics.load_classifier("mnist")

        def score(images):
            logits = metrics.extract_features(network, images)
            return metrics.classifier_scores(logits)._asdict()

        return (
            f"{len(self.samples):,} samples; the digit classifier's greatest "
            "probability is 0.95 or more (confident_share); classes by its guess. "
            f"real_images: the same of {self.num_real}.",
            score(self.samples) | {"real_images": score(self.real.images)},
        )

    def measure_frechet_distance(self):
        """Returns the Fréchet distance of samples, and of other real images."""
        features = self.features
        return (
            f"{len(self.samples):,} samples against {self.num_real} in "
            "the 64 features of the digit classifier, not comparable with Inception's. "
            f"training_images: the first {len(self.others):,} of these in place of "
            "samples.",
            {
                "samples": metrics.frechet_distance(
                    features["real"], features["samples"]
                ),
                "training_images": metrics.frechet_distance(
                    features["real"], features["others"]
                ),
            },
        )

    def measure_precision_recall(self):
        """Returns improved precision and recall of samples, and of real images."""
        features = self.features

        def score(name):
            return metrics.precision_recall(features["real"], features[name])._asdict()

        return (
            f"k = 3, {len(self.samples):,} samples, {self.num_real}, in "
            "the 64 features of the digit classifier. training_images: the first "
            f"{len(self.others):,} of these in place of samples.",
            score("samples") | {"training_images": score("others")},
        )

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
            f"{len(self.samples):,} samples, Euclidean distance of pixels in [0, 1] to "
            f"the nearest of {len(train):,} training images. A copy is at most the "
            "copy_threshold away, the 1st percentile of the distance from a training "
            "image to the nearest other one. real_images: the same of "
            f"{self.num_real}.",
            score(self.samples)
            | {
                "copy_threshold": threshold,
                "real_images": score(self.real.images),
            },
        )

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
        """Returns the test NLL of an RBM by annealed importance sampling."""
        config, model = self.config, self.model
        schedule = metrics.reference_schedule()
        if config.num_temperatures:
            schedule = metrics.linear_schedule(config.num_temperatures)
        log_z = metrics.annealed_importance_sampling(
            model.kernel,
            model.visible_bias,
            model.hidden_bias,
            base_bias=metrics.base_rate_bias(self.train.images),
            schedule=schedule,
            num_chains=config.num_chains,
            seed=config.seed,
            verbose=int(sys.stdout.isatty()),
        )
        energies = self.map_batches(model.free_energy, self.binarize(self.real.images))
        seen = self.map_batches(model.free_energy, self.binarize(self.others.images))
        nll = energies.mean() + log_z.log_partition
        return (
            f"{self.num_real}, binarized stochastically once, seed "
            f"{config.seed}; log Z by annealed importance sampling, "
            f"{config.num_chains} chains of {len(schedule) - 1:,} temperatures"
            + ("" if config.num_temperatures else " (Salakhutdinov and Murray, 2008)")
            + " from the base rates of the training images. Nats per image. nll_range: "
            "from log Z less and plus three standard errors; log_weight_range: over "
            f"chains. train_nll: the first {len(self.others):,} training images.",
            {
                "nll": nll,
                "nll_standard_error_of_images": standard_error(energies),
                "nll_range": [
                    nll + sign * 3 * log_z.standard_error for sign in (-1, 1)
                ],
                "train_nll": seen.mean() + log_z.log_partition,
                "log_partition": log_z.log_partition,
                "log_partition_standard_error": log_z.standard_error,
                "log_weight_range": log_z.log_weight_range,
                "log_weight_deviation": log_z.log_weights.std(ddof=1),
            },
        )
