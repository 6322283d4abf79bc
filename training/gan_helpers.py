"""What the training scripts of GANs share."""

import dataclasses
import functools

import numpy as np
import script_helpers
from keras import ops
from script_helpers import flag, limit, load_images, make_model, setup

from gen_keras import datasets, layers, metrics, schedules
from gen_keras.models.gans import networks, tricks

# What --tricks knows; with the settings of their papers.
TRICKS = {
    "label_smoothing": tricks.LabelSmoothing,
    "historical_averaging": tricks.HistoricalAveraging,
    "feature_matching": tricks.FeatureMatching,
    "pull_away": tricks.PullAway,
    "replay_memory": tricks.ReplayMemory,
}
# These stand before the discriminator's first layer.
INPUT_LAYERS = {"augmentation": layers.DifferentiableAugmentation}

DECAYS = {
    "none": lambda rate, *steps: rate,
    "linear": schedules.LinearDecay,
    "exponential": schedules.ExponentialDecay,
}


@dataclasses.dataclass
class Config(script_helpers.Config):
    """Flags of the scripts that train GANs; 0 stands for the paper's value."""

    epochs: int = flag(25, "epochs in total, those before --resume included")
    batch_size: int = flag(64, "images a step")
    flip: bool = flag(False, "mirror half of the images")
    learning_rate: float = flag(0.0, "of both sides; 0: the model's default")
    discriminator_rate: float = flag(0.0, "of the discriminator; 0: as --learning-rate")
    decay: str = flag("none", "of the rates, from half of the epochs on", DECAYS)
    discriminator_steps: int = flag(0, "for one of the generator; 0: the paper's")
    latent_dim: int = flag(0, "length of the noise; 0: the paper's")
    base_filters: int = flag(64, "filters at half the image size; 0: dense networks")
    kernel_size: int = flag(5, "side of the convolution kernels")
    ema_momentum: float = flag(0.0, "average of the generator, such as 0.999; 0: none")
    instance_noise: float = flag(
        0.0, "deviation of noise on what D sees, falls to 0 over the run"
    )
    noise_stays: bool = flag(False, "--instance-noise does not fall")
    tricks: str = flag("", f"separated by commas: {', '.join(TRICKS | INPUT_LAYERS)}")
    measure_every: int = flag(5, "epochs between measurements on validation images")


def train(config, model_class, show=None, with_classes=False, **arguments):
    """Builds, compiles and fits a GAN; returns it.

    Args:
        config: `Config`.
        model_class: Class of the model.
        show: Function (model, held_out) that returns what TensorBoard shows, a dict of
            functions that return images; `None`: 64 samples.
        with_classes: Boolean, whether the model trains on images and classes.
        **arguments: Of the model, besides those that all scripts have flags for.
    """
    with setup(config):
        images = load_images(config, model_class.value_range)
        data = images
        if with_classes:
            data = images, script_helpers.classes_of(images, config)
            arguments["num_classes"] = int(data[1].max()) + 1
        arguments |= {
            name: getattr(config, name)
            for name in ("latent_dim", "discriminator_steps", "kernel_size")
            if getattr(config, name)
        }
        arguments |= {
            "image_shape": images.image_shape,
            "base_filters": config.base_filters or None,
            "ema_momentum": config.ema_momentum or None,
            "seed": config.seed,
        }
        arguments |= tricks_of(config, model_class, arguments, len(images))
        model = make_model(config, model_class, **arguments)
        compile_model(model, config, len(images))
        held_out = limit(load_images(config, model.value_range, "validation"), 1000)
    show = show or (lambda model, _: {"samples": lambda: draw(model, 64)})
    figures = measure(model, held_out)
    script_helpers.fit(
        model,
        data,
        config,
        sample_images=show(model, held_out),
        monitor="val_kernel_distance" if figures else None,
        figures=figures,
        transform=datasets.random_flip if config.flip else None,
    )
    return model


def compile_model(model, config, num_images):
    """Sets the optimizers of the paper, with the rates of the flags if there are.

    Args:
        model: GAN.
        config: `Config`.
        num_images: Integer, the images of an epoch.
    """
    optimizers = {
        side: model.default_optimizer(side) for side in ("generator", "discriminator")
    }
    rates = {
        "generator": config.learning_rate,
        "discriminator": config.discriminator_rate or config.learning_rate,
    }
    steps = num_steps(config, num_images)
    updates = {"generator": steps // model.discriminator_steps, "discriminator": steps}
    for side, optimizer in optimizers.items():
        rate = rates[side] or float(ops.convert_to_numpy(optimizer.learning_rate))
        half = updates[side] // 2
        optimizer.learning_rate = DECAYS[config.decay](rate, half, max(half, 1))
    model.compile(optimizers["generator"], optimizers["discriminator"])


def num_steps(config, num_images):
    """Returns the updates of the discriminator in a whole run."""
    return config.epochs * (num_images // config.batch_size)


def tricks_of(config, model_class, arguments, num_images):
    """Returns the arguments of a model that --tricks and --instance-noise stand for.

    Args:
        config: `Config`.
        model_class: Class of the model.
        arguments: Dict, its other arguments.
        num_images: Integer, the images of an epoch.
    """
    names = [name for name in config.tricks.split(",") if name]
    unknown = set(names) - set(TRICKS | INPUT_LAYERS)
    if unknown:
        raise ValueError(
            f"--tricks knows {', '.join(TRICKS | INPUT_LAYERS)}. "
            f"Received: {', '.join(sorted(unknown))}"
        )
    if not names and not config.instance_noise:
        return {}
    if config.from_preset:
        raise ValueError(
            "--tricks and --instance-noise are for new models: with --from-preset the "
            f"networks are the preset's. Received: --from-preset {config.from_preset}"
        )
    made = {"tricks": [TRICKS[name]() for name in names if name in TRICKS]}
    first = [
        INPUT_LAYERS[name](pack_size=arguments.get("pack_size", 1), seed=config.seed)
        for name in names
        if name in INPUT_LAYERS
    ]
    if config.instance_noise:
        steps = max(num_steps(config, num_images), 1)
        steps = None if config.noise_stays else steps
        first.append(layers.InstanceNoise(config.instance_noise, steps, config.seed))
    if first:
        made["discriminator"] = networks.with_input_layers(
            model_class(**arguments).discriminator, first
        )
    return made


def measure(model, held_out):
    """Returns a function that measures samples against validation images.

    Digits are seen through the digit classifier, colour images of 64 x 64 through the
    emoji network, all others as pixels. `None` if there are too few images.
    """
    if len(held_out) < 6:
        print("There is no best.keras: it takes 6 validation images.")
        return None
    low, high = model.value_range
    real = metrics.to_unit_range(held_out.images, (low, high))
    names = {(28, 28, 1): "mnist", (64, 64, 3): "emoji"}
    name = names.get(tuple(model.image_shape))
    make = functools.cache(
        lambda: metrics.SampleMetrics(name and metrics.load_feature_network(name), real)
    )
    conditions = {}
    if hasattr(model, "num_classes"):
        conditions["classes"] = model.classes_in_turn(len(real))
    return lambda: make()(model, **conditions)


def draw(model, num_samples, **conditions):
    """Returns samples, always of the same noise."""
    return ops.convert_to_numpy(model.sample(num_samples, seed=0, **conditions))


def show_classes(model, held_out, num_each=8):
    """Returns a function that draws a few samples of each class, a row a class."""
    num_classes = min(model.num_classes, 10)
    classes = np.repeat(np.arange(num_classes), num_each)
    return {"samples": lambda: draw(model, len(classes), classes=classes)}
