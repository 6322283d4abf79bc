"""Measures how well an RBM of images and classes classifies, by what it is trained for.

python training/measure_class_rbms.py
python training/measure_class_rbms.py --variants generative --seeds 0

Each run is kept in `--log-dir`, and is not repeated; the figures go to
`training/results/class_rbms_mnist.json`.

Reference:
    Larochelle and Bengio, Classification using Discriminative Restricted Boltzmann
    Machines, 2008, table 1 (generative 3.39 %, discriminative 1.81 %, hybrid 1.28 %,
    of 6,000, 500 and 1,500 hidden units).
"""

import dataclasses

import digit_evaluation
import keras
import repeated_runs
from script_helpers import flag, parse_flags

from gen_keras.models import ClassRBM

# What was chosen on validation images: epochs, batch size, rate, and of the model.
VARIANTS = {
    "generative": (100, 100, 0.05, {"num_hidden": 2000, "num_chains": 100}),
    "discriminative": (25, 20, 0.5, {"num_hidden": 500}),
    "hybrid": (
        *(25, 20, 0.5),
        {"num_hidden": 500, "num_chains": 100, "generative_weight": 0.1},
    ),
}


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/class_rbms", "folder for the figures of the runs")
    out: str = flag("class_rbms_mnist.json", "file for the result")
    max_images: int = flag(0, "of each split; 0: all")


def run(name, seed, config):
    """Returns the errors of one variant, at the epoch of the least validation error."""
    epochs, batch_size, rate, options = VARIANTS[name]
    keras.utils.set_random_seed(seed)
    model = ClassRBM(objective=name, seed=seed, **options)
    splits = digit_evaluation.load_splits(config.max_images)
    steps = epochs * (len(splits[0].images) // batch_size)
    schedule = keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0)
    model.compile(keras.optimizers.SGD(schedule))
    return digit_evaluation.train_and_choose(model, splits, epochs, batch_size, seed)


def main(config):
    """Runs what is missing and writes the result."""
    settings = "; ".join(
        f"{name}: {options['num_hidden']:,} hidden units, {epochs} epochs, batches of "
        f"{batch_size}, rate {rate:g} falling to 0"
        for name, (epochs, batch_size, rate, options) in VARIANTS.items()
    )
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "measure_class_rbms.py",
        "MNIST: 55,000 training, 5,000 validation and 10,000 test images in gray. "
        f"Classes by exact free energies. {settings}. "
        "Statistics of the model by PCD-1 of 100 chains; the generative part of hybrid "
        "has the factor 0.1. The epoch of the least validation error.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
