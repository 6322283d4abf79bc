"""Measures samples of digits of all unconditional models, at an equal budget.

python training/measure_distances.py
python training/measure_distances.py --variants dcgan,wgan_gp --seeds 0,1,2

Each model sees as many batches of digits, with networks of one width where it has a
choice of them, and its default optimizers. Each run is kept in `--log-dir`, and is not
repeated. Distances to the test images go to `training/results/distances_mnist.json`,
with those of training images, the floor that no model can be expected to pass.
"""

import dataclasses
import functools

import keras
import repeated_runs
from script_helpers import flag, parse_flags

from gen_keras import datasets, metrics, models

BATCH_SIZE = 64
NUM_IMAGES = 10_000  # Samples, test images, and training images of the floor.
FLOOR = "training_images"
BINARY = ("vae", "rbm")  # They model pixels that are 0 or 1.


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    seeds: tuple = flag((0,), "of weights, noise and the order of the images")
    log_dir: str = flag("runs/distances", "folder for the figures of the runs")
    out: str = flag("distances_mnist.json", "file for the result")
    steps: int = flag(10_000, "batches that a discriminator or an encoder sees")
    base_filters: int = flag(16, "filters at half the image size")


def of_digits(model_class):
    """Returns a function of `config` that makes a GAN with its networks for digits."""
    return lambda config: model_class((28, 28, 1), base_filters=config.base_filters)


def make_rbm(config):
    """Returns an RBM as `train_rbm.py` has it: persistent chains, a falling rate."""
    model = models.RBM(gibbs_steps=5, num_chains=100)
    model.initialize_visible_bias(datasets.load("mnist", "train").images)
    rate = keras.optimizers.schedules.PolynomialDecay(
        0.05, config.steps, end_learning_rate=0.0
    )
    model.compile(keras.optimizers.SGD(rate))
    return model


VARIANTS = {
    "gan": lambda config: models.GAN(),
    "dcgan": of_digits(models.DCGAN),
    "lsgan": of_digits(models.LSGAN),
    "wgan": of_digits(models.WGAN),
    "wgan_gp": of_digits(models.WGANGP),
    "pacgan": of_digits(models.PacGAN),
    "unrolled_gan": of_digits(models.UnrolledGAN),
    "infogan": of_digits(models.InfoGAN),
    "bigan": lambda config: models.BiGAN(),
    "vae": lambda config: models.VAE((28, 28, 1)),
    "rbm": make_rbm,
    FLOOR: None,
}


@functools.cache
def features_of(split):
    """Returns the features of the first digits of a split."""
    images = datasets.load("mnist", split).take(NUM_IMAGES).images
    return metrics.extract_features(metrics.load_feature_network("mnist"), images)


def run(name, seed, config):
    """Returns the distances of one model, or of training images."""
    figures = {}
    if name == FLOOR:
        features = features_of("train")
    else:
        model, seconds = repeated_runs.train(
            lambda: VARIANTS[name](config),
            lambda value_range: datasets.load("mnist", "train", value_range),
            config.steps,
            BATCH_SIZE,
            seed,
            transform=datasets.binarize if name in BINARY else None,
        )
        figures = {"parameters": model.count_params(), "training_seconds": seconds}
        means = {"probabilities": True} if name == "rbm" else {}
        samples = metrics.draw_samples(model, NUM_IMAGES, seed, **means)
        features = metrics.extract_features(
            metrics.load_feature_network("mnist"),
            metrics.to_unit_range(samples, model.value_range),
        )
    real = features_of("test")
    kernel = metrics.kernel_distance_with_error(real, features, seed=seed)
    return {
        "frechet_distance": metrics.frechet_distance(real, features),
        "kernel_distance": kernel.distance,
        "kernel_distance_error_of_blocks": kernel.standard_error,
        **metrics.precision_recall(real, features)._asdict(),
        **metrics.density_coverage(real, features)._asdict(),
        **figures,
    }


def collect(results):
    """Returns means over seeds; of one seed the error over blocks."""
    figures = repeated_runs.summarize_all(results)
    for each in figures.values():
        if len(each["runs"]) == 1:
            error = each["kernel_distance_error_of_blocks"]
            each["kernel_distance_standard_error"] = error
    return figures


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "measure_distances.py",
        f"MNIST: {NUM_IMAGES:,} samples, and in their place as many training images, "
        f"against {NUM_IMAGES:,} test images in the 64 features of the digit "
        f"classifier; {config.steps:,} batches of {BATCH_SIZE} for the discriminator "
        "or encoder (packs of two in PacGAN are made of them; the generator of WGAN-GP "
        "moves at every fifth, that of WGAN also by its long first iterations); the "
        "papers' Adam or RMSprop at a constant rate, DCGAN's Adam for GAN and PacGAN, "
        "Adam at 0.001 for the VAE; the last weights. "
        f"{config.base_filters} filters "
        "at half the image size, but the dense networks of the papers in GAN, BiGAN "
        "and VAE, 500 hidden units in the RBM. VAE and RBM see binarized digits; their "
        "samples are the means of pixels. RBM: PCD-5, 100 chains, the rate falls to 0; "
        "samples after 1,000 Gibbs steps.",
        collect,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
