"""Counts the modes that GANs cover, on points of the plane whose modes are known.

python training/measure_modes.py                       # all models, data and seeds
python training/measure_modes.py --models gan,pacgan --mixtures ring --seeds 0,1
python training/measure_modes.py --steps 400000 --width 1 --learning-rate 0.0001

Each run is kept in `--log-dir`, and is not repeated; when all are there, their means
and a picture go to `training/results/modes_MIXTURE.json` and `.webp`.

The data, the networks and the counts are those of PacGAN, section 4.1. The paper trains
for 400,000 steps with layers of 400 and 200 units; here `--steps` and `--width` scale
that down, and the learning rate falls to 0 over the second half.
"""

import dataclasses
import json
import pathlib
import time

import keras
import numpy as np
import PIL.Image
import PIL.ImageDraw
import result_files
from script_helpers import flag, one_line_errors, parse_flags, print_devices

from gen_keras import datasets, metrics, schedules
from gen_keras.models import GAN, WGANGP, BiGAN, PacGAN, UnrolledGAN
from gen_keras.models.gans import bigan, networks

BATCH_SIZE = 100
NUM_SAMPLES = 2500


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
        "unrolled_gan": lambda: UnrolledGAN(discriminator=discriminator(), **options),
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
    moments = {"wgan_gp": (0.5, 0.9), "unrolled_gan": (0.5, 0.999)}
    rates = [config.learning_rate] * 2
    if name == "unrolled_gan":  # As in the authors' release.
        rates[1] /= 10
    model.compile(
        *(
            keras.optimizers.Adam(
                schedules.LinearDecay(rate, config.steps // 2, config.steps // 2),
                *moments.get(name, (0.8, 0.999)),
            )
            for rate in rates
        )
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
    start = time.time()
    model = make_model(name, config, seed)
    batch_size = BATCH_SIZE * getattr(model, "pack_size", 1)
    points = mixture.sample(100_000, seed)
    order = np.random.default_rng(seed)
    for block in range(0, config.steps, 1000):
        count = min(1000, config.steps - block) * batch_size
        rows = order.integers(len(points), size=count)
        model.fit(points[rows], batch_size=batch_size, shuffle=False, verbose=0)
    samples = metrics.draw_samples(model, NUM_SAMPLES, seed)
    modes = metrics.mixture_modes(samples, mixture.means, mixture.standard_deviation)
    return {
        "figures": result_files.tidy(modes._asdict()),
        "wall_seconds": round(time.time() - start),
        "samples": samples[:1000].round(3).tolist(),
    }


def collect(name, runs, config):
    """Writes the means over seeds, and a picture of the samples of the first seed."""
    keys = ("modes", "high_quality_share", "reverse_kl", "jensen_shannon")
    figures = {}
    for model, results in runs.items():
        figures[model] = {"runs": [result["figures"] for result in results]}
        for key in keys:
            values = [result["figures"][key] for result in results]
            # Runs without one good sample have no divergence.
            values = np.array([value for value in values if value is not None], float)
            figures[model][key] = values.mean() if len(values) else None
            figures[model][f"{key}_standard_error"] = (
                values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
            )
    mixture = find_mixture(name)
    protocol = {
        "data": f"{len(mixture.means)} Gaussians of deviation "
        f"{mixture.standard_deviation}, 100,000 points; {NUM_SAMPLES:,} samples. A "
        "sample is good within three deviations of the nearest mean; one good "
        "sample finds a mode. Divergences of the histogram of good samples from "
        "equal shares, in nats. Means and standard errors over seeds.",
        "training": f"{config.steps:,} batches of {BATCH_SIZE} (of {BATCH_SIZE} "
        f"packs of 2 in PacGAN) for the discriminator; layers of {config.width:g} "
        "times the units of PacGAN's paper; Adam, "
        f"{config.learning_rate:g}, falling to 0 over the second half. The paper "
        "has 400,000 batches at 0.0001.",
    }
    seconds = sum(each["wall_seconds"] for results in runs.values() for each in results)
    seeds = list(config.seeds)
    path = result_files.write(
        result_files.make(
            config, "measure_modes.py", seeds, protocol, figures, seconds
        ),
        f"modes_{name}.json",
    )
    first = [results[0] for results in runs.values()]
    draw(mixture, first).save(path.with_suffix(".webp"), quality=90)


def draw(mixture, results, side=240, margin=8):
    """Returns the samples of some runs beside each other, on the means of the data."""
    picture = PIL.Image.new("RGB", ((side + margin) * len(results), side), "white")
    brush = PIL.ImageDraw.Draw(picture)
    reach = 1.3 * np.abs(mixture.means).max()

    def place(points, left):
        inside = points[np.abs(points).max(axis=1) < reach]
        for x, y in (inside / reach + 1) * side / 2:
            yield left + x, side - y

    for i, result in enumerate(results):
        left = i * (side + margin)
        brush.rectangle((left, 0, left + side - 1, side - 1), outline="#d4d4d8")
        for x, y in place(mixture.means, left):
            brush.ellipse((x - 5, y - 5, x + 5, y + 5), outline="#a1a1aa")
        for x, y in place(np.array(result["samples"]), left):
            brush.ellipse((x - 1, y - 1, x + 1, y + 1), fill="#4338ca")
    return picture


def main(config):
    """Runs what is missing, then writes the results."""
    print_devices()
    log_dir = pathlib.Path(config.log_dir)
    with one_line_errors():
        log_dir.mkdir(parents=True, exist_ok=True)
        for name in config.mixtures.split(","):
            mixture = find_mixture(name)
            runs = {}
            for model in config.models.split(","):
                runs[model] = []
                for seed in config.seeds:
                    path = log_dir / f"{name}_{model}_{seed}.json"
                    if not path.is_file():
                        result = run(model, mixture, seed, config)
                        path.write_text(json.dumps(result), "utf-8")
                    runs[model].append(json.loads(path.read_text("utf-8")))
                    print(path.stem, runs[model][-1]["figures"], flush=True)
            if len(config.seeds) > 1:
                collect(name, runs, config)


if __name__ == "__main__":
    main(parse_flags(Config))
