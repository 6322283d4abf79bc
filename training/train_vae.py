r"""Trains a VAE on images.

    python training/train_vae.py
    python training/train_vae.py --latent-dim 2
    python training/train_vae.py --dataset folder:photos --image-size 64 \
        --likelihood gaussian --network convolutional
    python training/train_vae.py --epochs 1 --max-images 1024   # smoke run

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import keras
import numpy as np
from script_helpers import Config as SharedConfig
from script_helpers import fit, flag, load_images, make_model, parse_flags, setup

from gen_keras import datasets
from gen_keras.models import VAE


@dataclasses.dataclass
class Config(SharedConfig):
    """Hyperparameters: the networks and optimizer of Burda et al., 2015, k = 1."""

    epochs: int = flag(300, "epochs in total, those before --resume included")
    batch_size: int = flag(100, "images a step")
    log_dir: str = flag("runs/vae", "folder for checkpoints, TensorBoard, the model")
    image_size: int = flag(0, "side of the images of a folder")
    binarize: bool = flag(True, "draw 0 or 1 for each gray pixel anew at each step")
    learning_rate: float = flag(1e-3, "of Adam, at the start; it decays to a hundredth")
    latent_dim: int = flag(50, "length of a latent vector")
    likelihood: str = flag("bernoulli", "bernoulli or gaussian")
    network: str = flag("dense", "dense or convolutional")
    hidden_dims: str = flag("200,200", "hidden layers of the encoder")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        size = {"image_size": config.image_size} if config.image_size else {}
        images = load_images(config, VAE.value_range, **size)
        held_out = load_images(config, VAE.value_range, "validation", **size)
        model = make_model(
            config,
            VAE,
            image_shape=images.image_shape,
            latent_dim=config.latent_dim,
            likelihood=config.likelihood,
            network=config.network,
            hidden_dims=[int(units) for units in config.hidden_dims.split(",")],
            seed=config.seed,
        )
        steps = config.epochs * (len(images) // config.batch_size)
        rate = keras.optimizers.schedules.ExponentialDecay(
            config.learning_rate, steps, 0.01
        )
        model.compile(keras.optimizers.Adam(rate, epsilon=1e-4))
    binary = config.binarize and config.likelihood == "bernoulli"
    validation = held_out.take(5000).images
    if binary:
        validation = datasets.binarize(validation, np.random.default_rng(config.seed))
    fit(
        model,
        images,
        config,
        sample_images={
            "samples": lambda: model.sample(64, seed=0),
            "reconstructions": lambda: model.reconstruct(held_out[range(64)]),
        },
        transform=datasets.binarize if binary else None,
        validation_data=(validation,),
        validation_batch_size=config.batch_size,
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
