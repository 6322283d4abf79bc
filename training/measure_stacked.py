r"""Counts the modes that GANs cover of three stacked digits, of which there are 1,000.

python training/measure_stacked.py
python training/measure_stacked.py --variants dcgan --steps 40000 \
    --log-dir runs/stacked_longer --out stacked_mnist_longer.json

Each model sees as many batches of colour images whose channels are random digits, with
DCGAN's networks of one width. Each run is kept in `--log-dir`, and is not repeated; the
modes go to `training/results/stacked_mnist.json`.

Reference:
    Lin et al., PacGAN, 2017, section 4.2 and table 4: 26,000 samples, classified by
    channel. https://arxiv.org/abs/1712.04086
"""

import dataclasses

import repeated_runs
from script_helpers import flag, parse_flags

from gen_keras import datasets, metrics, models

BATCH_SIZE = 64
NUM_SAMPLES = 26_000
CURVE_EVERY = 5000  # Batches.
SHAPE = (28, 28, 3)


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    seeds: tuple = flag((0,), "of weights, noise and the order of the images")
    log_dir: str = flag("runs/stacked", "folder for the figures of the runs")
    out: str = flag("stacked_mnist.json", "file for the result")
    steps: int = flag(20_000, "batches that a discriminator sees")
    base_filters: int = flag(16, "filters at half the image size")


VARIANTS = {
    "dcgan": models.DCGAN,
    "ali": lambda *shape, **options: models.BiGAN(*shape, stochastic=True, **options),
    "unrolled_gan": models.UnrolledGAN,
    "wgan_gp": models.WGANGP,
    "pacgan": models.PacGAN,
}


def run(name, seed, config):
    """Trains one model and returns its modes, also on the way."""
    curve = []

    def watch(model, steps):
        if steps % CURVE_EVERY == 0 or steps == config.steps:
            curve.append({"batches": steps} | count_modes(model, seed))

    model, seconds = repeated_runs.train(
        lambda: VARIANTS[name](SHAPE, base_filters=config.base_filters, seed=seed),
        lambda value_range: datasets.load("stacked_mnist", "train", value_range),
        config.steps,
        BATCH_SIZE,
        seed,
        watch=watch,
    )
    modes = {key: value for key, value in curve[-1].items() if key != "batches"}
    return modes | {
        "curve": curve,
        "parameters": model.count_params(),
        "training_seconds": seconds,
    }


def count_modes(model, seed):
    """Returns the modes of samples, and their divergence from equal shares."""
    samples = metrics.draw_samples(model, NUM_SAMPLES, seed)
    digits = metrics.classify_channels(
        metrics.load_classifier("mnist"),
        metrics.to_unit_range(samples, model.value_range),
    )
    return metrics.stacked_modes(digits)._asdict()


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "measure_stacked.py",
        f"Stacked MNIST: {NUM_SAMPLES:,} samples, of which the digit classifier reads "
        "each channel. modes: of 1,000, with a sample at least; reverse_kl: "
        "KL(samples ‖ uniform) in nats, 0.02 for as many perfect samples. "
        f"{config.steps:,} batches of {BATCH_SIZE} for the discriminator (packs of two "
        "in PacGAN are made of them; the generator of WGAN-GP moves at every fifth); "
        "rates and moments of the papers, DCGAN's for PacGAN; the last weights; "
        f"{config.base_filters} filters at half the image size (papers: "
        "64). ALI: BiGAN whose encoder draws latents.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
