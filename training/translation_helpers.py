"""What the training scripts of translators share."""

import dataclasses
import functools

import keras
import numpy as np
import script_helpers
from script_helpers import flag, in_batches, limit, load_images

from gen_keras import datasets, metrics, schedules


@dataclasses.dataclass
class Config(script_helpers.Config):
    """Flags of the scripts that train translators."""

    measure_every: int = flag(5, "epochs between two measurements on held-out images")


def load_unpaired(config, value_range):
    """Returns the training images and up to 200 held-out ones of each domain."""
    options = {"kind": datasets.UnpairedDataset}
    if config.dataset == "emoji_vendors":
        options["paired"] = False
    images = load_images(config, value_range, **options)
    held_out = load_images(config, value_range, "validation", **options)
    return images, limit(held_out, 200)


def fit_unpaired(model, images, held_out, config):
    """Fits a translator of two directions; see `script_helpers.fit`.

    The best model is that of the least kernel distance on the held-out images, in the
    features of the emoji network at 64 x 64: matched images are not known.
    """
    figures = measure_unpaired(model, held_out)
    if figures is None:
        print("There is no best.keras: it takes two held-out images of each domain.")
    # As many of one domain as of the other.
    count = min(len(held_out.inputs), len(held_out.targets))
    script_helpers.fit(
        model,
        images,
        config,
        sample_images=show_circle(model, held_out.take(16)),
        monitor="val_kernel_distance" if figures else None,
        figures=figures,
        transform=datasets.random_jitter,
        validation_data=(held_out.inputs[:count], held_out.targets[:count]),
        validation_batch_size=config.batch_size,
    )


def translate_in_batches(translate, images, batch_size=25, **options):
    """Returns the outputs of many images as an array; all at once could be too large.

    Args:
        translate: Function such as `model.translate`.
        images: Array (num_images, height, width, channels).
        batch_size: Integer.
        **options: Of `translate`.
    """
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(translate(batch, **options))
            for batch in in_batches(images, batch_size)
        ]
    )


def side_by_side(*images):
    """Returns images of one size in [-1, 1] or [0, 1] beside each other.

    Gray ones become colour, and opaque ones get an alpha channel of 1, where another
    has one.
    """
    images = [keras.ops.convert_to_numpy(x) for x in images]
    channels = max(x.shape[-1] for x in images)
    return np.concatenate([_with_channels(x, channels) for x in images], axis=2)


def _with_channels(images, channels):
    if images.shape[-1] in (1, 2) and channels > 2:
        gray, alpha = images[..., :1], images[..., 1:]
        images = np.concatenate([gray, gray, gray, alpha], axis=-1)
    if images.shape[-1] < channels:
        images = np.concatenate([images, np.ones_like(images[..., :1])], axis=-1)
    return images[..., :channels]


def show_circle(model, held_out):
    """Returns functions that show images, their translations and what comes back.

    Args:
        model: Translator of two directions.
        held_out: `UnpairedDataset`.
    """
    back = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}

    def show(images, direction):
        there = model.translate(images, direction)
        return side_by_side(images, there, model.translate(there, back[direction]))

    return {
        "a_to_b_to_a": lambda: show(held_out.inputs, "a_to_b"),
        "b_to_a_to_b": lambda: show(held_out.targets, "b_to_a"),
    }


def measure_unpaired(model, held_out):
    """Returns a function that measures how real the translations look.

    Args:
        model: Translator of two directions.
        held_out: `UnpairedDataset` in its value range.

    Returns:
        Function that returns the kernel distance of translated and real images in the
        features of the emoji network, for each direction, and their mean; `None` if
        there are too few images.
    """
    if min(len(held_out.inputs), len(held_out.targets)) < 2:
        return None
    low, high = model.value_range
    load_network = functools.cache(metrics.load_feature_network)

    def features(images):
        images = keras.ops.clip((images - low) / (high - low), 0, 1)
        colour = keras.ops.repeat(images, 3, -1) if images.shape[-1] < 3 else images
        colour = keras.ops.image.resize(colour[..., :3], (64, 64), antialias=True)
        colour = keras.ops.convert_to_numpy(colour)
        network = load_network("emoji_vendors")  # Not before it is needed.
        return metrics.extract_features(network, np.clip(colour, 0, 1))

    real_features = functools.cache(lambda name: features(getattr(held_out, name)))

    def measure():
        distances = {}
        for direction, images, target in (
            ("a_to_b", held_out.inputs, "targets"),
            ("b_to_a", held_out.targets, "inputs"),
        ):
            outputs = translate_in_batches(model.translate, images, direction=direction)
            distances[f"val_kernel_distance/{direction}"] = metrics.kernel_distance(
                real_features(target), features(outputs)
            )
        return distances | {"val_kernel_distance": np.mean(list(distances.values()))}

    return measure


def measure_paired(model, held_out):
    """Returns a function that measures how often the true target is the nearest.

    Args:
        model: Translator.
        held_out: `PairedDataset` in the model's value range.
    """

    def measure():
        outputs = translate_in_batches(model.translate, held_out.inputs)
        ranks = metrics.retrieval_ranks(outputs, held_out.targets)
        return {"val_top_1": np.mean(ranks < 1)}

    return measure


def make_decaying_optimizers(config, images):
    """Returns two Adams whose rate is constant for half of the run, then falls to 0."""
    half = config.epochs * (len(images) // config.batch_size) // 2
    rates = [
        schedules.LinearDecay(config.learning_rate, half, half + 1) for _ in range(2)
    ]
    return [keras.optimizers.Adam(rate, 0.5) for rate in rates]
