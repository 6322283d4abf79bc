"""Claim: which tricks keep a GAN from losing modes, and which do not.

python training/claims/tricks.py
python training/claims/tricks.py --setting strong --log-dir runs/tricks_strong
python training/claims/tricks.py --variants plain,unrolled --seeds 0,1,2

A plain GAN learns a ring of eight Gaussians, in a setting where it fails. With a slow
discriminator it hops from mode to mode; one that is too strong leaves the minimax loss
no gradient. Each variant adds one thing and leaves all else as it is.

References:
    Salimans et al., 2016, sections 3.1 to 3.5 (matching, averaging, smoothing,
    minibatch discrimination, virtual batch normalization).
    Radford et al., 2015, section 3 (where batch normalization belongs).
    Arjovsky and Bottou, 2017 (the flat gradient, noise against it).
    Metz et al., 2016 (unrolling); Lin et al., 2017 (packing); Durugkar et al., 2016
    (several discriminators); Heusel et al., 2017 (two time scales).
"""

import find_training  # noqa: F401, I001

import dataclasses

import keras
import numpy as np
import repeated_runs
from keras import layers
from script_helpers import flag, parse_flags

from gen_keras import datasets, metrics
from gen_keras.layers import (
    DropReference,
    InstanceNoise,
    MinibatchDiscrimination,
    ReferenceBatch,
    SpectralNormalization,
    VirtualBatchNormalization,
)
from gen_keras.models import GAN, PacGAN, UnrolledGAN
from gen_keras.models.gans import networks, tricks

UNITS = 64
LATENT_DIM = 2
BATCH_SIZE = 128
NUM_SAMPLES = 1000
BLOCK = 500  # Steps between two counts.


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where the plain GAN fails.

    Attributes:
        rates: Pair, the learning rates of generator and discriminator.
        saturating: Boolean, see `GAN`.
        out: String, the file for the result.
    """

    rates: tuple
    saturating: bool
    out: str


SETTINGS = {
    "slow": Setting((1e-3, 1e-4), False, "claim_tricks.json"),
    "strong": Setting((1e-4, 1e-2), True, "claim_tricks_strong.json"),
}


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    setting: str = flag("slow", "what the discriminator is", SETTINGS)
    seeds: tuple = flag(tuple(range(10)), "of weights, noise and the order of the data")
    log_dir: str = flag("runs/tricks", "folder for the figures of the runs")
    steps: int = flag(5000, "batches that the discriminator sees")


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a run has beside the plain GAN.

    Attributes:
        generator: Dict, arguments of `build_network` for the generator.
        discriminator: Dict, likewise.
        tricks: Function that returns a list of `Trick`.
        model: Class of the model.
        options: Dict, its further arguments.
        num_inputs: Integer, the numbers that the discriminator sees at once.
        num_discriminators: Integer.
        rates: Pair or `None`, learning rates in place of the setting's.
        has_other_loss: Boolean, whether it is not the setting's loss.
    """

    generator: dict = dataclasses.field(default_factory=dict)
    discriminator: dict = dataclasses.field(default_factory=dict)
    tricks: object = list
    model: type = GAN
    options: dict = dataclasses.field(default_factory=dict)
    num_inputs: int = 2
    num_discriminators: int = 1
    rates: tuple | None = None
    has_other_loss: bool = False


def dense(units, spectral=False):
    """Returns a layer, with its spectral norm held at 1 if asked."""
    layer = layers.Dense(units, kernel_initializer="glorot_uniform")
    return SpectralNormalization(layer) if spectral else layer


def build_network(
    num_inputs,
    num_outputs,
    first=(),
    hidden=(),
    last=(),
    outputs=(),
    spectral=False,
):
    """Returns two hidden layers of ReLU units and a linear one.

    Args:
        num_inputs: Integer.
        num_outputs: Integer.
        first: Functions that make layers before all others.
        hidden: Functions that make layers between each hidden one and its ReLU.
        last: Functions that make layers before the linear layer.
        outputs: Functions that make layers after it.
        spectral: Boolean, whether weights have spectral normalization.
    """
    inputs = x = keras.Input((num_inputs,))
    for make in first:
        x = make()(x)
    for _ in range(2):
        x = dense(UNITS, spectral)(x)
        for make in hidden:
            x = make()(x)
        x = layers.ReLU()(x)
    for make in last:
        x = make()(x)
    x = dense(num_outputs, spectral)(x)
    for make in outputs:
        x = make()(x)
    return keras.Model(inputs, x)


def normalization():
    """Returns batch normalization with the constants of the GANs' networks."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def reference_batch():
    """Returns the layer that holds latents for virtual batch normalization."""
    uniform = keras.initializers.RandomUniform(-1, 1)
    return ReferenceBatch(BATCH_SIZE, initializer=uniform)


NORMAL = {"hidden": (normalization,)}
VIRTUAL = {
    "first": (reference_batch,),
    "hidden": (lambda: VirtualBatchNormalization(BATCH_SIZE),),
    "outputs": (lambda: DropReference(BATCH_SIZE),),
}
VARIANTS = {
    "plain": Variant(),
    "label_smoothing": Variant(tricks=lambda: [tricks.LabelSmoothing()]),
    "instance_noise": Variant(
        discriminator={"first": (lambda: InstanceNoise(0.2, 5000, seed=0),)}
    ),
    "dropout": Variant(discriminator={"last": (lambda: layers.Dropout(0.3, seed=0),)}),
    "historical_averaging": Variant(tricks=lambda: [tricks.HistoricalAveraging()]),
    "feature_matching": Variant(tricks=lambda: [tricks.FeatureMatching()]),
    "pull_away": Variant(tricks=lambda: [tricks.PullAway()]),
    "replay_memory": Variant(tricks=lambda: [tricks.ReplayMemory(seed=0)]),
    "minibatch_discrimination": Variant(
        discriminator={"last": (lambda: MinibatchDiscrimination(16, 8),)}
    ),
    "spectral_normalization": Variant(discriminator={"spectral": True}),
    "several_discriminators": Variant(
        tricks=lambda: [tricks.SoftmaxOfDiscriminators()], num_discriminators=3
    ),
    "moving_average": Variant(options={"ema_momentum": 0.999}),
    "other_loss": Variant(has_other_loss=True),
    "equal_rates": Variant(rates=(1e-3, 1e-3)),
    "fast_discriminator": Variant(rates=(1e-4, 1e-3)),
    "two_discriminator_steps": Variant(options={"discriminator_steps": 2}),
    "packing": Variant(model=PacGAN, options={"pack_size": 2}, num_inputs=4),
    "unrolled": Variant(model=UnrolledGAN, options={"unrolled_steps": 5}),
    "virtual_normalization_of_g": Variant(generator=VIRTUAL),
    "normalization_of_g": Variant(generator=NORMAL),
    "normalization_of_d": Variant(discriminator=NORMAL),
    "normalization_of_both": Variant(generator=NORMAL, discriminator=NORMAL),
    # Also of what the generator puts out and of what the discriminator sees.
    "normalization_everywhere": Variant(
        generator=NORMAL | {"outputs": (normalization,)},
        discriminator=NORMAL | {"first": (normalization,)},
    ),
}


def make_model(name, setting, seed):
    """Returns the compiled model of a variant in a setting."""
    keras.utils.set_random_seed(seed)
    variant, setting = VARIANTS[name], SETTINGS[setting]
    generator = build_network(LATENT_DIM, 2, **variant.generator)
    discriminators = [
        build_network(variant.num_inputs, 1, **variant.discriminator)
        for _ in range(variant.num_discriminators)
    ]
    discriminator = discriminators[0]
    if len(discriminators) > 1:
        discriminator = networks.several_discriminators(discriminators)
    model = variant.model(
        image_shape=(2,),
        latent_dim=LATENT_DIM,
        latent_distribution="uniform",
        generator=generator,
        discriminator=discriminator,
        tricks=variant.tricks(),
        seed=seed,
        **{"saturating": setting.saturating != variant.has_other_loss}
        | variant.options,
    )
    rates = variant.rates or setting.rates
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.5) for rate in rates]
    model.compile(*optimizers, jit_compile=True, steps_per_execution=BLOCK)
    return model


def run(name, seed, config):
    """Trains a variant; returns the means of its counts over the second half."""
    model = make_model(name, config.setting, seed)
    mixture = datasets.mixtures.ring(8, standard_deviation=0.02)
    points = mixture.sample(100_000, seed)
    order = np.random.default_rng(seed)
    batch_size = BATCH_SIZE * getattr(model, "pack_size", 1)
    counts = []
    for _ in repeated_runs.train_in_blocks(
        model, points, config.steps, batch_size, order, BLOCK
    ):
        samples = metrics.draw_samples(model, NUM_SAMPLES, seed)
        counts.append(
            metrics.mixture_modes(samples, mixture.means, mixture.standard_deviation)
        )
    second_half = counts[len(counts) // 2 :]
    return {
        "modes": np.mean([count.modes for count in second_half]),
        "high_quality_share": np.mean(
            [count.high_quality_share for count in second_half]
        ),
        "modes_over_training": [count.modes for count in counts],
    }


def judge(results):
    """Returns the figures of all variants, beside the plain one, seed by seed."""
    figures = {}
    for name, runs in results.items():
        figures[name] = repeated_runs.summarize(runs, ("modes", "high_quality_share"))
        if name != "plain" and "plain" in results:
            pairs = zip(runs, results["plain"], strict=True)
            gains = [{"gain": own["modes"] - plain["modes"]} for own, plain in pairs]
            figures[name] |= repeated_runs.summarize(gains)
        figures[name]["runs"] = runs
    return figures


def main(config):
    """Runs what is missing and writes the result."""
    setting = SETTINGS[config.setting]
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/tricks.py",
        "A ring of 8 Gaussians of deviation 0.02 on the unit circle; two hidden layers "
        f"of {UNITS} ReLU units on either side, latents uniform in the plane; the "
        f"{'minimax' if setting.saturating else 'non-saturating'} loss; Adam, beta_1 = "
        f"0.5, {setting.rates[0]:g} for the generator and {setting.rates[1]:g} for the "
        f"discriminator; {config.steps:,} batches of {BATCH_SIZE} (packing: of as many "
        f"pairs). modes: found by {NUM_SAMPLES:,} samples within three deviations, the "
        f"mean of the counts at every {BLOCK} steps of the second half. gain: the "
        "modes beyond those of the plain GAN of the same seed.",
        judge,
        setting.out,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
