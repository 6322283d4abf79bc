"""Claim: GANs do not memorize. It depends on the number of images.

python training/claims/memorization.py
python training/claims/memorization.py --variants 100,100_augmented --seeds 0

DCGAN learns digits from few or many images, with as many steps each time. The usual
proof that it invented its samples is to look at their nearest training images; here it
is counted whether samples are nearer to images it has seen than to images it has not.

References:
    Radford et al., 2015, section 4 (memorization); Zhao et al., 2020 (differentiable
    augmentation for few images).
"""

import find_training  # noqa: F401, I001

import dataclasses

import keras
import numpy as np
import repeated_runs
from script_helpers import flag, parse_flags

from gen_keras import datasets, metrics
from gen_keras.layers import DifferentiableAugmentation
from gen_keras.models import DCGAN
from gen_keras.models.gans import networks

BATCH_SIZE = 64
COUNTS = (100, 1000, 10_000, 0)  # 0: all.
VARIANTS = {
    f"{count or 'all'}{'_augmented' * augmented}": (count, augmented)
    for augmented in (False, True)
    for count in (COUNTS[:2] if augmented else COUNTS)
}


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/memorization", "folder for the figures of the runs")
    steps: int = flag(6000, "batches that the discriminator sees")
    base_filters: int = flag(8, "filters at half the image size")
    num_samples: int = flag(2000, "samples")


def make_model(augmented, config, seed):
    """Returns the compiled model."""
    keras.utils.set_random_seed(seed)
    arguments = {"image_shape": (28, 28, 1), "base_filters": config.base_filters}
    if augmented:
        discriminator = DCGAN(**arguments).discriminator
        # Digits are gray, and no part of one may be cut out.
        first = [DifferentiableAugmentation(("translation",), seed=seed)]
        arguments["discriminator"] = networks.with_input_layers(discriminator, first)
    model = DCGAN(seed=seed, **arguments)
    model.compile()
    return model


def run(name, seed, config):
    """Trains on a part of the digits; returns the figures of the samples."""
    count, augmented = VARIANTS[name]
    model = make_model(augmented, config, seed)
    all_images = datasets.load("mnist", "train").images
    rng = np.random.default_rng(seed)
    images = all_images[rng.permutation(len(all_images))[: count or len(all_images)]]
    for _ in repeated_runs.train_in_blocks(
        model, 2 * images - 1, config.steps, BATCH_SIZE, rng
    ):
        pass
    samples = metrics.draw_samples(model, config.num_samples, seed)
    samples = metrics.to_unit_range(samples, model.value_range)
    unseen = datasets.load("mnist", "test").images
    network = metrics.load_feature_network("mnist")
    return {
        "nearer_to_seen": metrics.memorization(samples, images, unseen, seed).share,
        "copies": metrics.count_copies(
            samples,
            images,
            metrics.copy_threshold(all_images, max_images=config.num_samples),
        ).share,
        "kernel_distance": metrics.kernel_distance(
            *[
                metrics.extract_features(network, x)
                for x in (unseen[: config.num_samples], samples)
            ]
        ),
    }


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/memorization.py",
        "DCGAN, MNIST, as many random training images as the key says; "
        f"{config.base_filters} filters at half the size, {config.steps:,} batches of "
        f"{BATCH_SIZE}, drawn with replacement. _augmented: through differentiable "
        f"translation. nearer_to_seen: the share of {config.num_samples:,} samples "
        "that are nearer to one of the training images than to one of as many test "
        "images, in pixels (of all: 10,000 random ones); 0.5 without memory. copies: "
        "the share that is nearer to a training image than 99 % of "
        f"{config.num_samples:,} training images are to any other. kernel_distance: to "
        f"{config.num_samples:,} test images in the features of the digit classifier.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
