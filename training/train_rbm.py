"""Trains a restricted Boltzmann machine on binarized images.

python training/train_rbm.py
python training/train_rbm.py --gibbs-steps 25 --num-chains 0   # CD-25
python training/train_rbm.py --epochs 1 --max-images 1024   # smoke run

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import keras
import numpy as np
from keras import ops
from script_helpers import Config as SharedConfig
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
class Config(SharedConfig):
    """Hyperparameters."""

    epochs: int = flag(80, "epochs in total; the learning rate falls over all of them")
    batch_size: int = flag(100, "images a step")
    log_dir: str = flag("runs/rbm", "folder for checkpoints, TensorBoard, the model")
    learning_rate: float = flag(0.05, "of gradient ascent; falls linearly to 0")
    num_hidden: int = flag(500, "hidden units")
    gibbs_steps: int = flag(5, "Gibbs steps of each update (k)")
    num_chains: int = flag(100, "persistent chains (PCD-k); 0 means CD-k")


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
            seed=config.seed,
        )
        if not config.from_preset:
            model.initialize_visible_bias(limit(images, 60_000).images)
        steps = config.epochs * (len(images) // config.batch_size)
        rate = keras.optimizers.schedules.PolynomialDecay(
            config.learning_rate, steps, end_learning_rate=0.0
        )
        model.compile(keras.optimizers.SGD(rate))
    rng = np.random.default_rng(config.seed)
    validation = datasets.binarize(limit(held_out, 5000).images, rng)
    fit(
        model,
        images,
        config,
        sample_images={
            "samples": lambda: model.sample(64, seed=0, probabilities=True),
            "weights": lambda: draw_weights(model),
        },
        transform=datasets.binarize,
        validation_data=(validation,),
        validation_batch_size=config.batch_size,
    )
    return model


def draw_weights(model, num_units=100):
    """Returns the weights of the first hidden units as images in [0, 1]."""
    kernel = ops.convert_to_numpy(model.kernel).T[:num_units]
    bound = 3 * kernel.std() + 1e-12
    return (kernel / bound / 2 + 0.5).reshape(-1, *model.visible_shape)


if __name__ == "__main__":
    main(parse_flags(Config))
