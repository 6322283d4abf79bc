"""Measures the likelihoods of Boltzmann machines on binarized digits, from both sides.

python training/measure_likelihoods.py
python training/measure_likelihoods.py --variants rbm_pcd_5,dbm --seeds 0,1,2

Annealed importance sampling makes log Z too low, if anything, and so a likelihood too
high; reverse annealing makes it too low. Where the two are far apart, annealing has
missed where the model is. Each run is kept in `--log-dir`, with its model, and is not
repeated; the figures go to `training/results/likelihoods_mnist.json`.
"""

import dataclasses
import json
import pathlib

import annealing
import boltzmann_helpers
import keras
import numpy as np
import repeated_runs
from evaluation import standard_error
from keras import ops
from script_helpers import flag, parse_flags

from gen_keras import datasets
from gen_keras.models import DBM, DBN, RBM

BATCH_SIZE = 100


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    seeds: tuple = flag((0,), "of weights, noise and the order of the images")
    log_dir: str = flag("runs/likelihoods", "folder for the figures of the runs")
    out: str = flag("likelihoods_mnist.json", "file for the result")
    steps: int = flag(44_000, "batches that an RBM sees")
    layer_steps: int = flag(11_000, "of each RBM of a DBM, before")
    deep_steps: int = flag(22_000, "of the top RBM of a DBN, and of a DBM as a whole")
    temperatures: int = flag(0, "of annealing, evenly spaced; 0: the 14,500 of papers")
    num_images: int = flag(10_000, "test images")


def fit(model, images, steps, rate, seed, draw=datasets.binarize, watch=None):
    """Trains a model with a rate that falls to 0."""
    schedule = keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0)
    model.compile(keras.optimizers.SGD(schedule))
    blocks = repeated_runs.train_in_blocks(
        model, images, steps, BATCH_SIZE, np.random.default_rng(seed), transform=draw
    )
    for done, _ in blocks:
        if watch is not None and done % 2000 == 0:
            watch(done)


def make_watch(model, images, held_out, draw=datasets.binarize):
    """Returns a function of the batches so far, and the curve that it adds to.

    The curve is of the mean free energy of held-out images less that of as many
    training images, of a DBM of the variational one: its bound without log Z.

    Args:
        model: `RBM` or `DBM`.
        images: Array of training images.
        held_out: Array of images.
        draw: Function (images, rng) that returns what the model is shown.
    """
    parts = [
        draw(part, np.random.default_rng(0))
        for part in (images[: len(held_out)], held_out)
    ]
    curve = []

    def watch(done):
        seen, unseen = (
            -np.mean(ops.convert_to_numpy(annealing.log_prob(model, x, 0.0)))
            for x in parts
        )
        curve.append({"batches": done, "free_energy_gap": float(unseen - seen)})

    return watch, curve


def train_rbm(images, held_out, seed, config, gibbs_steps, num_chains):
    """Returns an RBM of 500 hidden units, and its curve."""
    model = RBM((28, 28, 1), 500, gibbs_steps, num_chains, seed=seed)
    model.initialize_visible_bias(images)
    watch, curve = make_watch(model, images, held_out)
    fit(model, images, config.steps, 0.05, seed, watch=watch)
    return model, curve


def train_dbn(images, held_out, seed, config):
    """Returns a DBN of 500 and 2,000 hidden units, and the curve of the top RBM."""
    bottom, _ = train_rbm(images, held_out, seed, config, 5, 100)
    top = RBM((500,), 2000, gibbs_steps=5, num_chains=100, seed=seed + 1)
    top.initialize_upside_down(bottom)
    draw = boltzmann_helpers.draw_units([bottom, top], 1)
    watch, curve = make_watch(top, images, held_out, draw)
    fit(top, images, config.deep_steps, 0.01, seed, draw, watch)
    return DBN((28, 28, 1), (500, 2000), rbms=[bottom, top], seed=seed), curve


def train_dbm(images, held_out, seed, config):
    """Returns a DBM of 500 and 1,000 hidden units, and its curve."""
    model = DBM((28, 28, 1), (500, 1000), seed=seed)
    rbms = model.make_rbms()
    rbms[0].initialize_visible_bias(images)
    for level, rbm in enumerate(rbms):
        draw = boltzmann_helpers.draw_units(rbms, level)
        fit(rbm, images, config.layer_steps, 0.05, seed, draw)
    model.compose(rbms)
    watch, curve = make_watch(model, images, held_out)
    fit(model, images, config.deep_steps, 0.005, seed, watch=watch)
    return model, curve


VARIANTS = {
    "rbm_cd_1": lambda *args: train_rbm(*args, gibbs_steps=1, num_chains=0),
    "rbm_cd_25": lambda *args: train_rbm(*args, gibbs_steps=25, num_chains=0),
    "rbm_pcd_5": lambda *args: train_rbm(*args, gibbs_steps=5, num_chains=100),
    "dbn": train_dbn,
    "dbm": train_dbm,
}


def run(name, seed, config):
    """Trains a model; returns the likelihood of test images from both sides."""
    keras.utils.set_random_seed(seed)
    images = datasets.load("mnist", "train").images
    held_out = datasets.load("mnist", "validation").images
    path = pathlib.Path(config.log_dir) / f"{name}_{seed}.curve"

    def train():
        model, curve = VARIANTS[name](images, held_out, seed, config)
        path.write_text(json.dumps(curve), "utf-8")
        return model

    model = repeated_runs.load_or_train(config, name, seed, train)
    curve = json.loads(path.read_text("utf-8"))
    test = datasets.load("mnist", "test").take(config.num_images).images
    test = datasets.binarize(test, np.random.default_rng(0))
    seconds = repeated_runs.train_seconds(config, name, seed)
    figures = measure(model, images, test, config)
    return figures | {"train_seconds": seconds, "curve": curve}


def measure(model, images, test, config):
    """Returns figures in nats: likelihoods of an RBM, bounds of others."""
    schedule = annealing.make_schedule(config.temperatures)
    likelihood = annealing.Likelihood(model, images, schedule)
    nll, log_z = likelihood.measure_nll(test), likelihood.log_z
    tighter = likelihood.measure_summed_out(test)
    figures = {
        "nll": nll.mean(),
        "nll_error_over_images": standard_error(nll),
        "log_partition": log_z.log_partition,
        "log_partition_error": log_z.standard_error,
        "log_weight_range": log_z.log_weight_range,
    }
    figures |= likelihood.compare_bases() | tighter | likelihood.measure_gap(test)
    best = tighter.get("nll_summed_out", figures["nll"])
    return figures | {"nll_backwards": best + figures["backwards_gap"]}


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "measure_likelihoods.py",
        "MNIST, 55,000 training images binarized anew for each batch of "
        f"{BATCH_SIZE}, {config.num_images:,} test images binarized once, seed 0. RBMs "
        f"of 500 hidden units, {config.steps:,} batches; SGD from 0.05 to 0; PCD with "
        "100 chains. dbn: 500-2000, the bottom is that RBM by PCD-5, the top begins as "
        f"it upside down, and goes on by PCD-5 ({config.deep_steps:,} batches), from "
        f"0.01; dbm: 500-1000, its RBMs by CD-1 ({config.layer_steps:,} each), then "
        f"all of it ({config.deep_steps:,}), from 0.005, 10 mean-field updates, 100 "
        "chains of 5 Gibbs steps. nll: nats an image, of DBN and DBM an upper bound of "
        "it, with log Z by annealed importance sampling, 100 chains of "
        f"{config.temperatures or 14_500:,} temperatures, {annealing.BASES}. "
        "nll_summed_out: the same of a DBM whose odd layers are summed out, given "
        f"{annealing.NUM_SAMPLES} samples of the even ones. backwards_gap: how much "
        "more nll reverse annealing (RAISE) from the rates gives "
        f"{annealing.NUM_BACKWARDS} test images, each with one draw of the posterior "
        "that the bound has, the odd layers of a DBM summed out; it is of the "
        "distribution that annealing ends in, and tells by how much the other figure "
        "flatters a model if the model is the better one of the two on digits. "
        "nll_backwards: with it added. _error: standard errors, that of log Z left out "
        "of the gap's. curve: the mean "
        "free energy of 5,000 validation images less that of as many training "
        "images, of a DBN that of its top RBM, of a DBM the variational one.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
