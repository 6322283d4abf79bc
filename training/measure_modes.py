"""Counts the modes that GANs cover, on points of the plane whose modes are known.

python training/measure_modes.py                       # all models, data and seeds
python training/measure_modes.py --models gan,pacgan --mixtures ring --seeds 0,1
python training/measure_modes.py --steps 400000 --width 1 --learning-rate 0.0001

Each run is kept in `--log-dir`, and is not repeated; when all are there, their means
and pictures go to `training/results/modes_MIXTURE.json` and `modes_MIXTURE_MODEL.webp`.

The data, the networks and the counts are those of PacGAN, section 4.1. The paper trains
for 400,000 steps with layers of 400 and 200 units; here `--steps` and `--width` scale
that down, and the learning rate falls to 0 over the second half.
"""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import PIL.Image
import PIL.ImageDraw
import repeated_runs
import result_files
from script_helpers import flag, one_line_errors, parse_flags, print_devices

from gen_keras import datasets, metrics, schedules
from gen_keras.models import GAN, WGANGP, BiGAN, PacGAN, UnrolledGAN
from gen_keras.models.gans import bigan, networks

BATCH_SIZE = 100
CURVE_EVERY = 2000  # Batches.
NUM_SAMPLES = 2500
UNROLLED_STEPS = 5
# Of Adam, where they are not those of PacGAN's release.
MOMENTS = {"wgan_gp": (0.5, 0.9), "unrolled_gan": (0.5, 0.999)}
KEYS = ("modes", "high_quality_share", "reverse_kl", "jensen_shannon")


@dataclasses.dataclass
class Config:
    """What to run."""

    models: str = flag("gan,unrolled_gan,bigan,wgan_gp,pacgan", "names, with commas")
    mixtures: str = flag("ring,grid", "names, with commas")
    seeds: tuple = flag(tuple(range(10)), "of weights, noise and the order of the data")
    steps: int = flag(20000, "batches that the discriminator sees")
    width: float = flag(0.25, "units of a layer, as a share of the paper's")
    learning_rate: float = flag(1e-3, "of both sides; unrolled: D has a tenth of it")
    log_dir: str = flag("runs/modes", "folder for the figures of the runs")


def make_model(name, config, seed):
    """Returns a compiled model on points, of PacGAN's networks."""
    units, pieces = round(400 * config.width), round(200 * config.width)
    dim = 2

    def discriminator(num_inputs=2):
        return networks.point_discriminator((num_inputs,), units=pieces)

    options = {
        "image_shape": (2,),
        "latent_dim": dim,
        "latent_distribution": "normal",
        "generator": networks.point_generator((2,), dim, units),
        "seed": seed,
    }
    make = {
        "gan": lambda: GAN(discriminator=discriminator(), **options),
        "unrolled_gan": lambda: UnrolledGAN(
            discriminator=discriminator(), unrolled_steps=UNROLLED_STEPS, **options
        ),
        "pacgan": lambda: PacGAN(discriminator=discriminator(4), **options),
        # A weight for points, as in the authors' release.
        "wgan_gp": lambda: WGANGP(
            discriminator=discriminator(), penalty_weight=0.1, **options
        ),
        "bigan": lambda: BiGAN(
            stochastic=True,
            encoder=bigan.build_encoder((2,), 2 * dim, units=units),
            discriminator=bigan.build_discriminator((2,), dim, units=pieces),
            **options,
        ),
    }
    if name not in make:
        raise ValueError(f"--models knows {', '.join(make)}. Received: {name}")
    model = make[name]()
    rates = [config.learning_rate] * 2
    if name == "unrolled_gan":  # As in the authors' release.
        rates[1] /= 10
    updates = config.steps // model.discriminator_steps, config.steps
    model.compile(
        *(
            keras.optimizers.Adam(
                schedules.LinearDecay(rate, steps // 2, max(steps // 2, 1)),
                *MOMENTS.get(name, (0.8, 0.999)),
            )
            for rate, steps in zip(rates, updates, strict=True)
        ),
        jit_compile=True,
        steps_per_execution=100,
    )
    return model


def find_mixture(name):
    """Returns the `GaussianMixture` of a name."""
    known = {"ring": datasets.mixtures.ring, "grid": datasets.mixtures.grid}
    if name not in known:
        raise ValueError(f"--mixtures knows {', '.join(known)}. Received: {name}")
    return known[name]()


def run(name, mixture, seed, config):
    """Trains one model and returns its figures and some of its samples."""
    keras.utils.set_random_seed(seed)
    model = make_model(name, config, seed)
    batch_size = BATCH_SIZE * getattr(model, "pack_size", 1)
    points = mixture.sample(100_000, seed)
    order = np.random.default_rng(seed)
    blocks = repeated_runs.train_in_blocks(
        model, points, config.steps, batch_size, order, CURVE_EVERY
    )
    curve = []
    for steps, _ in blocks:
        samples = metrics.draw_samples(model, NUM_SAMPLES, seed)
        modes = metrics.mixture_modes(
            samples, mixture.means, mixture.standard_deviation
        )._asdict()
        curve.append({"batches": steps} | {key: modes[key] for key in KEYS})
    return modes | {"curve": curve, "samples": samples[:500].round(3)}


def collect(name, runs, config):
    """Writes the means over seeds, and a picture of the samples of the first seed.

    Figures of other models stay in the file if they were made in the same way.
    """
    mixture = find_mixture(name)
    protocol = {
        "data": f"{len(mixture.means)} Gaussians of deviation "
        f"{mixture.standard_deviation}, 100,000 points; {NUM_SAMPLES:,} samples. A "
        "sample is good within three deviations of the nearest mean; one good "
        "sample finds a mode. Divergences of the histogram of good samples from "
        "equal shares, in nats, of the runs that have any. Means and standard errors "
        f"over {len(config.seeds)} seeds.",
        "training": f"{config.steps:,} batches of {BATCH_SIZE} (of {BATCH_SIZE} "
        f"packs of 2 in PacGAN) for the discriminator; layers of {config.width:g} "
        "times the units of PacGAN's paper, 2 latents; Adam(0.8, 0.999), "
        f"{config.learning_rate:g}, falling to 0 over the second half. The paper "
        "has 400,000 batches at 0.0001. WGAN-GP: Adam(0.5, 0.9), penalty 0.1, five "
        "batches of the critic for one of the generator. Unrolled: Adam(0.5, 0.999), "
        "a tenth of the rate for the discriminator, the minimax loss, "
        f"{UNROLLED_STEPS} steps. BiGAN: the encoder draws latents (ALI).",
    }
    path = result_files.FOLDER / f"modes_{name}.json"
    old = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    figures = old["metrics"] if old.get("protocol") == protocol else {}
    for model, results in runs.items():
        kept = [{k: v for k, v in run.items() if k != "samples"} for run in results]
        figures[model] = repeated_runs.summarize(results, KEYS) | {"runs": kept}
        draw(mixture, np.array(results[0]["samples"])).save(
            path.with_name(f"modes_{name}_{model}.webp"), quality=90
        )
    runs = [run for model in figures.values() for run in model["runs"]]
    seconds = sum(run["wall_seconds"] for run in runs)
    config = dataclasses.replace(config, models=",".join(figures))
    result_files.write(
        result_files.make(
            config, "measure_modes.py", list(config.seeds), protocol, figures, seconds
        ),
        path,
    )


def draw(mixture, points, side=240):
    """Returns a picture of points, on the means of the data."""
    picture = PIL.Image.new("RGB", (side, side), "white")
    brush = PIL.ImageDraw.Draw(picture)
    brush.rectangle((0, 0, side - 1, side - 1), outline="#d4d4d8")
    reach = 1.3 * np.abs(mixture.means).max()
    for places, radius, color in (
        (mixture.means, 5, "#a1a1aa"),
        (points, 1, "#4338ca"),
    ):
        inside = places[np.abs(places).max(axis=1) < reach]
        for x, y in (inside * (1, -1) / reach + 1) * side / 2:
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return picture


def main(config):
    """Runs what is missing, then writes the results."""
    print_devices()
    with one_line_errors():
        for name in config.mixtures.split(","):
            mixture = find_mixture(name)
            runs = repeated_runs.repeat(
                lambda model, seed, mixture=mixture: run(model, mixture, seed, config),
                config.models.split(","),
                config.seeds,
                pathlib.Path(config.log_dir) / name,
                repeated_runs.settings_of(config),
            )
            if len(config.seeds) > 1:
                collect(name, runs, config)


if __name__ == "__main__":
    main(parse_flags(Config))
