"""Claim: trained energy is low where data lie; reconstructions move towards data.

python training/claims/energy.py
python training/claims/energy.py --variants ring --seeds 0

RBMs of points in the plane, whose free energy can be looked at: the landscapes of the
first seed are drawn, too.

Reference:
    Hinton, Training Products of Experts by Minimizing Contrastive Divergence, 2002.
"""

import find_training  # noqa: F401, I001

import dataclasses
import math
import pathlib

import numpy as np
import repeated_runs
import result_files
from PIL import Image
from script_helpers import flag, parse_flags

from gen_keras import energy_landscape
from gen_keras.energy_landscape import EXAMPLES, LIMIT, EnergyLandscape

NUM_POINTS, NUM_HELD_OUT = 400, 2000
DISPLACEMENT = 0.5
SIDE = 240  # Pixels of the picture of a landscape.
VARIANTS = {name.lower().replace(" ", "_"): name for name in EXAMPLES}


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    steps: int = flag(energy_landscape.NUM_STEPS, "batches of 128")
    log_dir: str = flag("runs/energy", "folder for the figures of the runs")


def run(name, seed, config):
    """Returns the figures of one training, before and after it."""
    mixture = EXAMPLES[VARIANTS[name]]
    points = mixture.sample(NUM_POINTS, seed)
    held_out = mixture.sample(NUM_HELD_OUT, seed + 1000)
    landscape = EnergyLandscape(points, seed)
    before = measure(landscape, held_out, seed)
    for _ in landscape.train(config.steps):
        pass
    after = measure(landscape, held_out, seed)
    landscape.points = points[:150]
    path = pathlib.Path(config.log_dir) / f"{name}_{seed}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    landscape.draw(SIDE).save(path)
    return {
        **{f"{key}_before": value for key, value in before.items()},
        **after,
        "log_likelihood": landscape.log_prob(held_out).mean(),
        "log_likelihood_of_data": log_density(mixture, held_out).mean(),
        "auc_of_data": compare(
            *(-log_density(mixture, x) for x in (held_out, draw_uniform(seed)))
        ),
    }


def draw_uniform(seed):
    """Returns points all over the map, (NUM_HELD_OUT, 2)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-LIMIT, LIMIT, (NUM_HELD_OUT, 2))


def measure(landscape, held_out, seed):
    """Returns what the free energy and the reconstructions have to do with the data."""
    low = landscape.free_energy(held_out)
    high = landscape.free_energy(draw_uniform(seed))
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, NUM_HELD_OUT)
    steps = DISPLACEMENT * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    displaced = held_out + steps
    distances = [
        distance_to(landscape.points, places)
        for places in (displaced, landscape.reconstruct(displaced))
    ]
    return {
        "gap": low.mean() - high.mean(),
        "auc": compare(low, high),
        "nearer": np.mean(distances[1] < distances[0]),
    }


def compare(low, high):
    """Returns how often a value of `low` is below one of `high`, ties half."""
    ranks = [np.searchsorted(np.sort(high), low, side) for side in ("left", "right")]
    return 1 - np.mean(ranks) / len(high)


def distance_to(points, places):
    """Returns the distance of each place from the nearest point."""
    differences = places[:, None] - points[None]
    return np.sqrt(np.square(differences).sum(axis=-1)).min(axis=1)


def log_density(mixture, points):
    """Returns the log density of a `GaussianMixture` at points, (num_points,)."""
    variance = mixture.standard_deviation**2
    squares = np.square(points[:, None] - mixture.means[None]).sum(axis=-1)
    parts = np.logaddexp.reduce(-squares / (2 * variance), axis=1)
    return parts - math.log(len(mixture.means) * 2 * math.pi * variance)


def draw(folder, seed):
    """Returns the landscapes of one seed, side by side."""
    pictures = [Image.open(pathlib.Path(folder) / f"{n}_{seed}.png") for n in VARIANTS]
    gap = 8
    wide = len(pictures) * (SIDE + gap) - gap
    row = Image.new("RGB", (wide, SIDE), "white")
    for i, picture in enumerate(pictures):
        row.paste(picture, (i * (SIDE + gap), 0))
    return row


def main(config):
    """Runs what is missing, writes the result and the picture."""
    result = repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/energy.py",
        f"RBM of 20 binary hidden and two Gaussian visible units, {config.steps:,} "
        "batches of 128, Adam from 0.02 to 0, PCD-5 of 50 chains, tempered at 1, 0.7, "
        f"0.45 and 0.25. {NUM_POINTS} points to learn; figures of {NUM_HELD_OUT:,} "
        "others and as many uniform in the square from -2 to 2. gap: mean free energy "
        "of the data less that of the uniform points, nats; auc: how often a datum has "
        "the lower one; nearer: how often the reconstruction of a datum that was moved "
        f"by {DISPLACEMENT} in a random direction is nearer to the nearest point to "
        "learn than it was; log_likelihood: exact, nats. _before: without training; "
        "_of_data: of the density that the data are drawn from.",
    )
    if set(result["metrics"]) == set(VARIANTS):
        out = result_files.place(config.out or "claim_energy.json")
        picture = draw(config.log_dir, config.seeds[0])
        picture.save(out.with_suffix(".webp"), quality=85)
    return result


if __name__ == "__main__":
    main(parse_flags(Config))
