"""Trains a general Boltzmann machine on small binary images.

python training/train_boltzmann_machine.py
python training/train_boltzmann_machine.py --num-hidden 0      # pixels alone
python training/train_boltzmann_machine.py --epochs 1 --max-images 1024

Its units are drawn one after the other, so images are reduced, digits to 7 x 7 pixels,
and binarized anew in each epoch. Writes checkpoints, TensorBoard logs and the model to
`--log-dir`.
"""

import dataclasses

import boltzmann_helpers
from script_helpers import (
    fit,
    flag,
    load_images,
    make_model,
    parse_flags,
    setup,
)

from gen_keras import datasets
from gen_keras.models import BoltzmannMachine
from gen_keras.models.boltzmann_machines import boltzmann_machine


@dataclasses.dataclass
class Config(boltzmann_helpers.ChainConfig):
    """Hyperparameters."""

    epochs: int = flag(5, "epochs in total; the learning rate falls over all of them")
    log_dir: str = flag("runs/boltzmann_machine", "folder for checkpoints and logs")
    reduction: int = flag(4, "pixels of a side of which a mean is taken")
    num_hidden: int = flag(20, "hidden units")
    gibbs_steps: int = flag(1, "sweeps over all units in each phase of an update")
    num_chains: int = flag(100, "persistent chains, at least 1")
    positive_phase: str = flag(
        "mean_field", "of the hidden units", boltzmann_machine.POSITIVE_PHASES
    )


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images, held_out = (
            reduce(
                load_images(config, BoltzmannMachine.value_range, split).images,
                config.reduction,
            )
            for split in ("train", "validation")
        )
        model = make_model(
            config,
            BoltzmannMachine,
            visible_shape=images.shape[1:],
            num_hidden=config.num_hidden,
            positive_phase=config.positive_phase,
            gibbs_steps=config.gibbs_steps,
            num_chains=config.num_chains,
            kernel_regularizer=boltzmann_helpers.make_regularizer(config),
            seed=config.seed,
        )
        model.compile(boltzmann_helpers.make_optimizer(config, len(images)))
    fit(
        model,
        images,
        config,
        sample_images={"samples": lambda: model.sample(64, seed=0)},
        transform=datasets.binarize,
        validation_data=(
            boltzmann_helpers.binarize_fixed(held_out[:1000], config.seed),
        ),
        validation_batch_size=config.batch_size,
    )
    return model


def reduce(images, factor):
    """Returns means of squares of `factor` x `factor` pixels."""
    count, height, width, channels = images.shape
    if height % factor or width % factor:
        raise ValueError(
            f"--reduction must divide the sides of the images, {height} and {width}. "
            f"Received: {factor}"
        )
    shape = (count, height // factor, factor, width // factor, factor, channels)
    return images.reshape(shape).mean(axis=(2, 4))


if __name__ == "__main__":
    main(parse_flags(Config))
