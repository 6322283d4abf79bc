"""Trains a restricted Boltzmann machine.

python training/train_rbm.py
python training/train_rbm.py --gibbs-steps 25 --num-chains 0   # CD-25
python training/train_rbm.py --temperatures 10                 # parallel tempering
python training/train_rbm.py --visible-units gaussian --learning-rate 0.001
python training/train_rbm.py --epochs 1 --max-images 1024      # smoke run

Binary units see images that are binarized anew in each epoch. Writes checkpoints,
TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import boltzmann_helpers
import numpy as np
from script_helpers import (
    fit,
    flag,
    limit,
    load_images,
    make_model,
    parse_flags,
    setup,
)

from gen_keras import datasets
from gen_keras.models import RBM


@dataclasses.dataclass
class Config(boltzmann_helpers.ChainConfig):
    """Hyperparameters."""

    epochs: int = flag(80, "epochs in total; the learning rate falls over all of them")
    log_dir: str = flag("runs/rbm", "folder for checkpoints, TensorBoard, the model")
    num_hidden: int = flag(500, "hidden units")
    visible_units: str = flag("bernoulli", "of images", ("bernoulli", "gaussian"))
    hidden_units: str = flag(
        "bernoulli", "of features", ("bernoulli", "gaussian", "noisy_relu")
    )
    temperatures: int = flag(1, "of parallel tempering, evenly from 1 towards 0")
    sparsity_target: float = flag(0.1, "how often a hidden unit should be 1")
    sparsity_cost: float = flag(0.0, "weight of that")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images = load_images(config, RBM.value_range)
        held_out = load_images(config, RBM.value_range, "validation")
        model = make_model(
            config,
            RBM,
            visible_shape=images.image_shape,
            num_hidden=config.num_hidden,
            gibbs_steps=config.gibbs_steps,
            num_chains=config.num_chains,
            visible_units=config.visible_units,
            hidden_units=config.hidden_units,
            inverse_temperatures=space_temperatures(config),
            kernel_regularizer=boltzmann_helpers.make_regularizer(config),
            sparsity_target=config.sparsity_target,
            sparsity_cost=config.sparsity_cost,
            seed=config.seed,
        )
        is_binary = config.visible_units == "bernoulli"
        if is_binary and not config.from_preset:
            model.initialize_visible_bias(limit(images, 60_000).images)
        model.compile(boltzmann_helpers.make_optimizer(config, len(images)))
    validation = limit(held_out, 5000).images
    if is_binary:
        validation = boltzmann_helpers.binarize_fixed(validation, config.seed)
    fit(
        model,
        images,
        config,
        sample_images={
            "samples": lambda: model.sample(64, seed=0, probabilities=True),
            "weights": lambda: boltzmann_helpers.draw_weights(model),
        },
        transform=datasets.binarize if is_binary else None,
        validation_data=(validation,),
        validation_batch_size=config.batch_size,
    )
    return model


def space_temperatures(config):
    """Returns inverse temperatures; Gaussian units at 0 would be anywhere."""
    if config.temperatures < 1:
        raise ValueError(
            f"--temperatures must be at least 1. Received: {config.temperatures}"
        )
    is_bounded = config.visible_units == "bernoulli"
    scales = np.linspace(1, 0, config.temperatures, endpoint=is_bounded)
    return scales.tolist()


if __name__ == "__main__":
    main(parse_flags(Config))
