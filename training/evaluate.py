r"""Measures a trained model on held-out images and writes the figures down.

    python training/evaluate.py --preset dcgan_mnist
    python training/evaluate.py --preset mnist_classifier
    python training/evaluate.py --model runs/vae/model.keras --dataset mnist
    python training/evaluate.py --preset rbm_mnist --max-images 200 \
        --num-temperatures 100 --num-chains 10 --out /tmp/smoke.json   # smoke run

A preset's figures on the test images go to `training/results/NAME.json`, with how they
were made. What is measured follows from model and data; `--metrics` chooses:

    accuracy          a classifier's share of right answers
    classifier        confidence and classes of samples of digits
    frechet_distance  between features of samples and of real images, digits
    precision_recall  in the same features
    neighbors         nearest training images of samples, copies
    bounds            ELBO and IWAE bound of the log likelihood
    likelihood        log likelihood of an RBM, by annealed importance sampling

No other script reads the test images; to choose between models, measure them with
`--split validation`. Where other work shares the processor, annealing is several times
faster with OMP_NUM_THREADS=1.
"""

import dataclasses
import functools
import json
import math
import os
import pathlib
import platform
import shlex
import sys
import time

import keras
import numpy as np
from script_helpers import (
    dataset_options,
    flag,
    one_line_errors,
    parse_flags,
    print_devices,
)
from tensorboard.backend.event_processing import event_accumulator

from gen_keras import backend, datasets, metrics, presets

RESULTS = pathlib.Path(__file__).parent / "results"
CLASSIFIER = "mnist_classifier"


@dataclasses.dataclass
class Config:
    """Flags. The defaults are the protocol of the published figures."""

    preset: str = flag("", f"a preset's name, or {CLASSIFIER}")
    model: str = flag("", "a .keras file, in place of --preset; wants --dataset")
    compare: str = flag("", "a .keras file to measure as well, as a preset's original")
    dataset: str = flag("", "the data to compare with; by default the preset's")
    image_size: int = flag(0, "side of the images of a folder")
    channels: int = flag(0, "of the images of a folder: 1 (gray), 3 or 4; 0: 3")
    split: str = flag("test", "test, to publish; validation, to choose by")
    metrics: str = flag("", "comma-separated; by default all that suit the model")
    seed: int = flag(0, "decides samples, binarization and chains")
    num_samples: int = flag(0, "samples to draw; 0: 10,000 digits, 1,000 else")
    max_images: int = flag(0, "use so many images of a split at most; 0: all")
    importance_samples: int = flag(5000, "K of the IWAE bound; 0: the ELBO alone")
    num_chains: int = flag(100, "chains of annealing (likelihood)")
    num_temperatures: int = flag(0, "equally spaced; 0: the 14,500 of the literature")
    curves: str = flag("", "the --log-dir of the training, whose curves to write too")
    out: str = flag("", "the JSON file; a preset's is training/results/NAME.json")


class Evaluation:
    """One model beside its data; each `measure_*` returns a protocol and figures.

    Args:
        model: `GenerativeModel`, or a Keras model from digits to logits.
        dataset: String, see `gen_keras.datasets.load`.
        config: `Config`.
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
                raise ValueError(f"`metrics` has no {name!r}. Received: {names}")
        results = {}
        for name in names:
            print(f"Measuring {name} …", flush=True)
            results[name] = getattr(self, f"measure_{name}")()
        protocols = {name: protocol for name, (protocol, _) in results.items()}
        return protocols, {name: figures for name, (_, figures) in results.items()}

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

    def score_classifier(self, images):
        """Returns the figures of a classifier on labelled images."""
        logits = metrics.extract_features(self.model, images.images)
        accuracy = np.mean(logits.argmax(axis=1) == images.labels)
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


def in_batches(array, batch_size):
    """Returns the array in pieces of `batch_size`, the last one maybe smaller."""
    return np.split(array, range(batch_size, len(array), batch_size))


def standard_error(values):
    """Returns the standard error of the mean of independent values."""
    return values.std(ddof=1) / np.sqrt(len(values))


def load_subject(config):
    """Returns the model that the flags name, and the name of its data set."""
    if bool(config.preset) == bool(config.model):
        raise ValueError(
            "Name one model: --preset NAME, or --model PATH with --dataset NAME. "
            f"Received: preset={config.preset!r}, model={config.model!r}"
        )
    if config.preset == CLASSIFIER:
        return metrics.load_classifier("mnist"), "mnist"
    if config.preset:
        model = presets.load(config.preset)
        return model, config.dataset or presets.table()[config.preset]["dataset"]
    if not config.dataset:
        raise ValueError("--model wants --dataset. Received: dataset=''")
    return presets.load(config.model), config.dataset


def read_curves(log_dir, num_points=40):
    """Returns the scalars that a training logged: name to pairs (epoch, value).

    Args:
        log_dir: String, the folder of TensorBoard's event files.
        num_points: Integer, so many pairs a scalar about, the last one included.
    """
    events = event_accumulator.EventAccumulator(log_dir, {"scalars": 0}).Reload()
    names = events.Tags()["scalars"]
    if not names:
        raise ValueError(f"There are no curves in the folder. Received: {log_dir}")
    curves = {name: events.Scalars(name)[::-1] for name in names}
    return {
        name: [
            (event.step, event.value)
            for event in curve[:: math.ceil(len(curve) / num_points)][::-1]
        ]
        for name, curve in curves.items()
    }


def describe_command(config):
    """Returns the command line that gives this config."""
    words = [f"KERAS_BACKEND={backend.NAME}", "python", "training/evaluate.py"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            words += ["--" + field.name.replace("_", "-"), str(value)]
    return shlex.join(words)


def describe_hardware():
    """Returns processor, accelerators and versions in one line."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    processor = (names or [platform.processor() or platform.machine()])[0].strip()
    devices = [name for name in backend.devices() if name != "CPU"]
    return ", ".join(
        [
            f"{processor} ({os.cpu_count()} cores)",
            *devices,
            f"Keras {keras.__version__} on {backend.NAME}",
        ]
    )


def tidy(value):
    """Returns figures as JSON can hold them, floats with six digits."""
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [tidy(item) for item in value]
    if isinstance(value, (int, np.integer)):
        return int(value)
    # JSON has no infinity (a class that never occurs) and no NaN.
    return float(f"{value:.6g}") if np.isfinite(value) else None


def main(config):
    """Measures the model, writes the JSON if it has a place, and returns it."""
    start = time.time()
    print_devices()
    with one_line_errors():
        curves = tidy(read_curves(config.curves)) if config.curves else None
        model, dataset = load_subject(config)
        protocol, figures = Evaluation(model, dataset, config).run()
        if config.compare:
            original = presets.load(config.compare)
            # The ELBO tells as much as the IWAE bound here, in a fiftieth of the time.
            quick = dataclasses.replace(config, importance_samples=0)
            _, figures["compared"] = Evaluation(original, dataset, quick).run()
            protocol["compared"] = (
                f"The same figures of {pathlib.Path(config.compare).name}, the model "
                "before its weights were stored in float16."
            )
    result = {
        "command": describe_command(config),
        "seed": config.seed,
        "protocol": protocol,
        "hardware": describe_hardware(),
        "wall_seconds": round(time.time() - start),
        "metrics": tidy(figures),
    }
    if config.preset in presets.table():
        result["training"] = presets.table()[config.preset]["training"]
    if curves:
        result["curves"] = curves
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    print(text)
    # The published figures are those of the test images.
    if config.out or (config.preset and config.split == "test"):
        path = pathlib.Path(config.out or RESULTS / f"{config.preset}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        print(f"Wrote {path}")
    return result


if __name__ == "__main__":
    main(parse_flags(Config))
